#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/limit.h>
#include <aibrix/sync.h>

#include "base/xxh.h"

enum { MESSAGE = 4096 };

static aibrix_sync_log *
new_log(uint64_t origin, uint64_t epoch, uint32_t records)
{
	aibrix_sync_opts opts = {.size = sizeof(opts),
				 .records = records,
				 .origin = origin,
				 .epoch = epoch};
	aibrix_sync_log *log = NULL;

	cr_assert_eq(aibrix_sync_log_new(&opts, &log), AIBRIX_OK);
	return log;
}

static void
add(aibrix_sync_log *log, const char *key, const void *value, uint64_t n)
{
	aibrix_sync_record r = {.kind = 1,
				.key = key,
				.key_bytes = strlen(key),
				.value = value,
				.value_bytes = n};

	cr_assert_eq(aibrix_sync_log_add(log, &r), AIBRIX_OK);
}

static uint64_t
write_from(const aibrix_sync_log *log, uint64_t from, uint8_t *message)
{
	uint64_t n = 0, next;

	cr_assert_eq(
		aibrix_sync_log_write(log, from, message, MESSAGE, &n, &next),
		AIBRIX_OK);
	cr_assert_eq(next, aibrix_sync_log_next(log));
	return n;
}

static aibrix_sync_news
read_news(aibrix_sync_peer *peer, const uint8_t *message, uint64_t n)
{
	aibrix_sync_news news = {.size = sizeof(news)};

	cr_assert_eq(aibrix_sync_read(peer, message, n, &news), AIBRIX_OK);
	return news;
}

static void
expect_record(aibrix_sync_news *news, const char *key, const char *value)
{
	aibrix_sync_record r;

	cr_assert_eq(aibrix_sync_next(news, &r), AIBRIX_OK);
	cr_expect_eq(r.kind, 1);
	cr_assert_eq(r.key_bytes, strlen(key));
	cr_expect_arr_eq(r.key, key, r.key_bytes);
	cr_assert_eq(r.value_bytes, strlen(value));
	cr_expect_arr_eq(r.value, value, r.value_bytes);
}

Test(sync, a_message_repeated_brings_nothing_the_second_time)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;
	uint64_t n;

	add(log, "ann", "5", 1);
	add(log, "bob", "67", 2);
	n = write_from(log, 1, message);
	cr_expect_eq(n, 40 + 8 + 3 + 1 + 8 + 3 + 2 + 8);
	news = read_news(&peer, message, n);
	cr_expect_eq(news.what, AIBRIX_SYNC_RECORDS);
	cr_expect_eq(news.records, 2);
	expect_record(&news, "ann", "5");
	expect_record(&news, "bob", "67");
	news = read_news(&peer, message, n);
	cr_expect_eq(news.what, AIBRIX_SYNC_NOTHING);
	cr_expect_eq(news.want, 3);
	aibrix_sync_log_free(log);
}

Test(sync, of_records_that_overlap_the_new_ones_are_taken)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;

	add(log, "a", "1", 1);
	read_news(&peer, message, write_from(log, 1, message));
	add(log, "b", "2", 1);
	news = read_news(&peer, message, write_from(log, 1, message));
	cr_expect_eq(news.records, 1);
	expect_record(&news, "b", "2");
	aibrix_sync_log_free(log);
}

Test(sync, a_gap_is_seen_and_healed_from_where_it_begins)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;

	add(log, "a", "1", 1);
	read_news(&peer, message, write_from(log, 1, message));
	add(log, "b", "2", 1);
	add(log, "c", "3", 1);
	news = read_news(&peer, message, write_from(log, 3, message));
	cr_expect_eq(news.what, AIBRIX_SYNC_GAP);
	cr_expect_eq(news.want, 2);
	news = read_news(&peer, message, write_from(log, news.want, message));
	cr_expect_eq(news.records, 2);
	expect_record(&news, "b", "2");
	aibrix_sync_log_free(log);
}

Test(sync, an_empty_message_shows_that_the_last_one_was_lost)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;

	add(log, "a", "1", 1);
	news = read_news(&peer, message, write_from(log, 2, message));
	cr_expect_eq(news.what, AIBRIX_SYNC_GAP);
	cr_expect_eq(news.want, 1);
	aibrix_sync_log_free(log);
}

Test(sync, who_lacks_what_has_made_room_goes_on_from_a_snapshot)
{
	aibrix_sync_log *log = new_log(7, 1, 4);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;
	uint64_t n = 0, next;

	for (uint32_t i = 0; i < 10; i++)
		add(log, "a", "1", 1);
	cr_expect_eq(aibrix_sync_log_write(log, 6, message, MESSAGE, &n, &next),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(
		aibrix_sync_log_snapshot(log, "all", 3, message, MESSAGE, &n),
		AIBRIX_OK);
	news = read_news(&peer, message, n);
	cr_expect_eq(news.what, AIBRIX_SYNC_STATE);
	cr_assert_eq(news.bytes, 3);
	cr_expect_arr_eq(news.at, "all", 3);
	cr_expect_eq(news.want, 11);
	add(log, "b", "2", 1);
	cr_expect_eq(read_news(&peer, message, n).what, AIBRIX_SYNC_NOTHING);
	news = read_news(&peer, message, write_from(log, 11, message));
	expect_record(&news, "b", "2");
	aibrix_sync_log_free(log);
}

Test(sync, an_origin_that_starts_again_begins_at_one_and_its_past_is_over)
{
	aibrix_sync_log *old = new_log(7, 1, 0), *new = new_log(7, 2, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	aibrix_sync_news news;

	add(old, "a", "1", 1);
	add(old, "b", "2", 1);
	add(new, "c", "3", 1);
	news = read_news(&peer, message, write_from(old, 1, message));
	cr_expect_eq(news.restarted, 0);
	news = read_news(&peer, message, write_from(new, 1, message));
	cr_expect_eq(news.restarted, 1);
	expect_record(&news, "c", "3");
	cr_expect_eq(
		read_news(&peer, message, write_from(old, 1, message)).what,
		AIBRIX_SYNC_NOTHING);
	aibrix_sync_log_free(old);
	aibrix_sync_log_free(new);
}

Test(sync, a_message_of_another_origin_is_not_this_peers)
{
	aibrix_sync_log *log = new_log(8, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	aibrix_sync_news news = {.size = sizeof(news)};
	uint8_t message[MESSAGE];
	uint64_t n = write_from(log, 1, message), origin = 0;

	cr_expect_eq(aibrix_sync_read(&peer, message, n, &news),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(peer.epoch, 0);
	cr_expect_eq(aibrix_sync_origin(message, n, &origin), AIBRIX_OK);
	cr_expect_eq(origin, 8);
	cr_expect_eq(aibrix_sync_origin(message, 47, &origin), AIBRIX_E_PARSE);
	aibrix_sync_log_free(log);
}

Test(sync, limits_and_small_buffers)
{
	static uint8_t large[AIBRIX_SYNC_VALUE_MAX + 1];
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_record r = {.key = large,
				.key_bytes = AIBRIX_SYNC_KEY_MAX + 1};
	uint8_t message[48];
	uint64_t n = 0, next = 99;

	cr_expect_eq(aibrix_sync_log_add(log, &r), AIBRIX_E_INVAL);
	r.key_bytes = AIBRIX_SYNC_KEY_MAX;
	r.value = large;
	r.value_bytes = AIBRIX_SYNC_VALUE_MAX + 1;
	cr_expect_eq(aibrix_sync_log_add(log, &r), AIBRIX_E_INVAL);
	r.value_bytes = AIBRIX_SYNC_VALUE_MAX;
	r.spare = 1;
	cr_expect_eq(aibrix_sync_log_add(log, &r), AIBRIX_E_ABI);
	r.spare = 0;
	cr_expect_eq(aibrix_sync_log_next(log), 1);
	cr_expect_eq(aibrix_sync_log_add(log, &r), AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_write(log, 1, message, 48, &n, &next),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 48 + 8 + 1024 + 4096);
	cr_expect_eq(aibrix_sync_log_write(log, 2, message, 47, &n, &next),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_sync_log_write(log, 3, message, 48, &n, &next),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_sync_log_write(log, 0, message, 48, &n, &next),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(next, 99);
	cr_expect_eq(aibrix_sync_log_write(log, 2, message, 48, &n, &next),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_snapshot(log, large, 9, message, 48, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 57);
	aibrix_sync_log_free(log);
	aibrix_sync_log_free(NULL);
}

/* Message bytes changed at a place, under a right sum. */
static int
read_changed(uint64_t n, const uint8_t *message, uint32_t at, uint8_t byte)
{
	aibrix_sync_peer peer = {.origin = 7};
	aibrix_sync_news news = {.size = sizeof(news)};
	uint8_t own[MESSAGE];
	uint64_t sum;

	memcpy(own, message, n);
	own[at] = byte;
	sum = aibrix__xxh64(own, n - 8, 0);
	for (uint32_t i = 0; i < 8; i++)
		own[n - 8 + i] = (uint8_t)(sum >> 8 * i);
	return aibrix_sync_read(&peer, own, n, &news);
}

Test(sync, a_message_that_contradicts_itself_is_refused)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	uint8_t message[MESSAGE];
	uint64_t n;

	add(log, "ann", "5", 1);
	n = write_from(log, 1, message);
	cr_expect_eq(read_changed(n, message, 40, 9), AIBRIX_OK, "a kind");
	cr_expect_eq(read_changed(n, message, 32, 0), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 32, 2), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 35, 255), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 36, 11), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 44, 2), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 45, 255), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 24, 0), AIBRIX_E_PARSE,
		     "number 0");
	cr_expect_eq(read_changed(n, message, 16, 0), AIBRIX_E_PARSE,
		     "epoch 0");
	cr_expect_eq(read_changed(n, message, 6, 1), AIBRIX_E_PARSE,
		     "a snapshot with records");
	cr_expect_eq(read_changed(n, message, 6, 2), AIBRIX_E_PARSE);
	cr_expect_eq(read_changed(n, message, 4, 2), AIBRIX_E_PARSE,
		     "another version");
	aibrix_sync_log_free(log);
}

Test(sync, options_out_of_range_are_refused)
{
	aibrix_sync_opts opts = {.size = sizeof(opts)};
	aibrix_sync_log *log = NULL;

	cr_expect_eq(aibrix_sync_log_new(&opts, &log), AIBRIX_E_INVAL);
	opts.epoch = 1;
	opts.bytes = 100;
	cr_expect_eq(aibrix_sync_log_new(&opts, &log), AIBRIX_E_INVAL);
	opts.bytes = 0;
	opts.records = (1 << 24) + 1;
	cr_expect_eq(aibrix_sync_log_new(&opts, &log), AIBRIX_E_INVAL);
	cr_expect_null(log);
}

/* Two gateways with one limit between them. */

struct gateway {
	aibrix_limit *limit;
	aibrix_sync_log *log;
	aibrix_sync_peer peer;
};

static const aibrix_limit_rate ten = {.units = 10};

static uint32_t
gateway_let_in(struct gateway *g, uint32_t n)
{
	aibrix_limit_request r = {.size = sizeof(r),
				  .name = "ann",
				  .name_bytes = 3,
				  .requests = &ten};
	uint32_t in = 0;

	for (uint32_t i = 0; i < n; i++) {
		aibrix_limit_verdict v = {.size = sizeof(v)};
		aibrix_limit_ticket ticket;

		cr_assert_eq(aibrix_limit_admit(g->limit, &r, 0, &v, &ticket),
			     AIBRIX_OK);
		if (v.reason == AIBRIX_LIMIT_ADMITTED) {
			add(g->log, "ann", "", 0);
			in++;
		}
	}
	return in;
}

static void
gateway_tell(const struct gateway *from, struct gateway *to)
{
	uint8_t message[MESSAGE];
	uint64_t n = write_from(from->log, to->peer.next ? to->peer.next : 1,
				message);
	aibrix_sync_news news = read_news(&to->peer, message, n);
	aibrix_sync_record r;

	while (aibrix_sync_next(&news, &r) == AIBRIX_OK) {
		aibrix_limit_request charge = {.size = sizeof(charge),
					       .name = r.key,
					       .name_bytes = r.key_bytes,
					       .requests = &ten};

		cr_assert_eq(aibrix_limit_charge(to->limit, &charge, 1, 0),
			     AIBRIX_OK);
	}
}

Test(sync, two_gateways_that_tell_each_other_keep_one_limit)
{
	struct gateway a = {.log = new_log(1, 1, 0), .peer = {.origin = 2}};
	struct gateway b = {.log = new_log(2, 1, 0), .peer = {.origin = 1}};

	cr_assert_eq(aibrix_limit_new(NULL, &a.limit), AIBRIX_OK);
	cr_assert_eq(aibrix_limit_new(NULL, &b.limit), AIBRIX_OK);
	cr_expect_eq(gateway_let_in(&a, 4), 4);
	gateway_tell(&a, &b);
	gateway_tell(&a, &b);
	cr_expect_eq(gateway_let_in(&b, 9), 6);
	gateway_tell(&b, &a);
	cr_expect_eq(gateway_let_in(&a, 1), 0);
	aibrix_limit_free(a.limit);
	aibrix_limit_free(b.limit);
	aibrix_sync_log_free(a.log);
	aibrix_sync_log_free(b.log);
}

/* What AIBrix's sharing of state lacks, and this has. */

Test(sync, defect_25_what_is_added_while_a_message_is_made_is_in_the_next)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	aibrix_sync_peer peer = {.origin = 7};
	uint8_t message[MESSAGE];
	uint64_t n = 0, next = 0;
	aibrix_sync_news news;

	add(log, "a", "1", 1);
	cr_assert_eq(aibrix_sync_log_write(log, 1, message, MESSAGE, &n, &next),
		     AIBRIX_OK);
	add(log, "b", "2", 1);
	read_news(&peer, message, n);
	news = read_news(&peer, message, write_from(log, next, message));
	expect_record(&news, "b", "2");
	aibrix_sync_log_free(log);
}

Test(sync, defect_25_a_step_costs_what_is_new_not_what_there_is)
{
	aibrix_sync_log *log = new_log(7, 1, 0);
	uint8_t message[MESSAGE];

	for (uint32_t i = 0; i < 10000; i++)
		add(log, "a", "1", 1);
	cr_expect_eq(write_from(log, 10000, message), 40 + 10 + 8);
	aibrix_sync_log_free(log);
}
