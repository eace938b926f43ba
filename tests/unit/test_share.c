/* What gateways have charged and claimed, told to each other. */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/share.h>

enum { BYTES = 1 << 15, BLOCKS = 600 };

#define SECOND 1000000000ull

static aibrix_share *shares[3];
static aibrix_sync_log *logs[3];
static uint8_t message[BYTES];
static uint64_t n_message;
static aibrix_share_news news;

static void
start(uint32_t id, uint64_t epoch)
{
	aibrix_sync_opts log = {
		.size = sizeof(log), .origin = id, .epoch = epoch};
	aibrix_share_opts share = {.size = sizeof(share),
				   .origin = id,
				   .max_counts = 4,
				   .max_origins = 1};

	aibrix_share_free(shares[id]);
	aibrix_sync_log_free(logs[id]);
	cr_assert_eq(aibrix_sync_log_new(&log, &logs[id]), AIBRIX_OK);
	cr_assert_eq(aibrix_share_new(&share, &shares[id]), AIBRIX_OK);
}

static void
open_rig(void)
{
	for (uint32_t i = 0; i < 3; i++)
		start(i, 1);
	news = (aibrix_share_news){.size = sizeof(news)};
}

static void
close_rig(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		aibrix_share_free(shares[i]);
		aibrix_sync_log_free(logs[i]);
	}
}

TestSuite(share, .init = open_rig, .fini = close_rig);

static int
put(uint32_t id, uint64_t pod, uint64_t value)
{
	aibrix_share_count c = {
		.pod = pod, .kind = AIBRIX_SHARE_LEDGER, .values = {value}};

	return aibrix_share_put(shares[id], logs[id], &c);
}

static uint64_t
sum(uint32_t id, uint64_t pod)
{
	aibrix_share_count c = {.pod = pod, .kind = AIBRIX_SHARE_LEDGER};

	cr_assert_eq(aibrix_share_sum(shares[id], &c), AIBRIX_OK);
	return c.values[0];
}

static void
write_from(uint32_t id, uint64_t from)
{
	uint64_t next;

	cr_assert_eq(aibrix_sync_log_write(logs[id], from, message, BYTES,
					   &n_message, &next),
		     AIBRIX_OK);
}

static int
take(uint32_t id, uint64_t now_ns, const aibrix_share_sink *sink)
{
	return aibrix_share_take(shares[id], message, n_message, now_ns, sink,
				 &news);
}

static void
tell(uint32_t from, uint32_t to, uint64_t number, uint64_t now_ns)
{
	write_from(from, number);
	cr_assert_eq(take(to, now_ns, NULL), AIBRIX_OK);
}

Test(share, a_count_is_said_when_it_is_another)
{
	cr_expect_eq(put(0, 7, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_next(logs[0]), 1, "none was none");
	cr_expect_eq(put(0, 7, 3), AIBRIX_OK);
	cr_expect_eq(put(0, 7, 3), AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_next(logs[0]), 2);
	cr_expect_eq(put(0, 7, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_next(logs[0]), 3);
	cr_expect_eq(sum(0, 7), 0, "one's own is not in the sum");
}

Test(share, the_latest_that_was_said_counts)
{
	(void)put(0, 7, 3);
	tell(0, 1, 1, 0);
	cr_expect_eq(news.what, AIBRIX_SYNC_RECORDS);
	cr_expect_eq(sum(1, 7), 3);
	(void)put(0, 7, 5);
	(void)put(0, 8, 1);
	tell(0, 1, 2, 0);
	tell(0, 1, 1, 0);
	cr_expect_eq(news.what, AIBRIX_SYNC_NOTHING, "again, and old");
	cr_expect_eq(sum(1, 7), 5);
	cr_expect_eq(sum(1, 8), 1);
	(void)put(0, 7, 0);
	tell(0, 1, 4, 0);
	cr_expect_eq(sum(1, 7), 0);
}

Test(share, what_is_lost_is_asked_for)
{
	(void)put(0, 7, 3);
	(void)put(0, 7, 4);
	tell(0, 1, 2, 0);
	cr_expect_eq(news.what, AIBRIX_SYNC_GAP);
	cr_expect_eq(news.want, 1);
	cr_expect_eq(news.origin, 0);
	cr_expect_eq(sum(1, 7), 0);
	tell(0, 1, news.want, 0);
	cr_expect_eq(sum(1, 7), 4);
}

Test(share, a_snapshot_stands_for_all_before)
{
	uint8_t state[64 * 4];
	uint64_t n = 0;

	(void)put(0, 7, 3);
	(void)put(0, 8, 4);
	tell(0, 1, 1, 0);
	(void)put(0, 7, 0);
	(void)put(0, 9, 6);
	cr_assert_eq(aibrix_share_save(shares[0], NULL, 0, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 128);
	cr_expect_leq(n, aibrix_share_save_bound(shares[0]));
	cr_assert_eq(aibrix_share_save(shares[0], state, sizeof(state), &n),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_sync_log_snapshot(logs[0], state, n, message, BYTES,
					      &n_message),
		     AIBRIX_OK);
	cr_assert_eq(take(1, 0, NULL), AIBRIX_OK);
	cr_expect_eq(news.what, AIBRIX_SYNC_STATE);
	cr_expect_eq(sum(1, 7), 0);
	cr_expect_eq(sum(1, 8), 4);
	cr_expect_eq(sum(1, 9), 6);
}

Test(share, a_gateway_that_starts_again_owes_what_it_says_then)
{
	(void)put(0, 7, 3);
	tell(0, 1, 1, 0);
	start(0, 2);
	(void)put(0, 8, 1);
	tell(0, 1, 1, 0);
	cr_expect_eq(sum(1, 7), 0);
	cr_expect_eq(sum(1, 8), 1);
}

Test(share, a_gateway_that_is_silent_for_a_lease_owes_nothing)
{
	uint32_t n = 77;

	(void)put(0, 7, 3);
	tell(0, 1, 1, 0);
	tell(0, 1, 2, 5 * SECOND);
	cr_expect_eq(news.what, AIBRIX_SYNC_NOTHING, "but it lives");
	cr_expect_eq(aibrix_share_expire(shares[1], 15 * SECOND, NULL, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0u);
	cr_expect_eq(sum(1, 7), 3);
	cr_expect_eq(aibrix_share_expire(shares[1], 15 * SECOND + 1, NULL, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1u);
	cr_expect_eq(sum(1, 7), 0);
	tell(0, 1, 2, 16 * SECOND);
	cr_expect_eq(news.what, AIBRIX_SYNC_GAP, "it is new again");
	tell(0, 1, 1, 16 * SECOND);
	cr_expect_eq(sum(1, 7), 3);
}

Test(share, gateways_beyond_the_bound_wait_for_a_lease_to_end)
{
	(void)put(0, 7, 3);
	(void)put(2, 7, 4);
	tell(0, 1, 1, 0);
	write_from(2, 1);
	cr_expect_eq(take(1, SECOND, NULL), AIBRIX_E_FULL);
	cr_expect_eq(sum(1, 7), 3);
	cr_expect_eq(take(1, 11 * SECOND, NULL), AIBRIX_OK);
	cr_expect_eq(sum(1, 7), 4);
}

Test(share, counts_beyond_the_bound_are_dropped_and_said)
{
	for (uint64_t pod = 1; pod <= 4; pod++)
		cr_expect_eq(put(0, pod, 1), AIBRIX_OK);
	cr_expect_eq(put(0, 5, 1), AIBRIX_E_FULL);
	cr_expect_eq(aibrix_sync_log_next(logs[0]), 5);
	(void)put(1, 9, 1);
	tell(0, 1, 1, 0);
	cr_expect_eq(news.dropped, 1);
	cr_expect_eq(sum(1, 3), 1);
	cr_expect_eq(sum(1, 4), 0);
	(void)put(0, 1, 0);
	(void)put(0, 4, 2);
	tell(0, 1, 5, 0);
	cr_expect_eq(news.dropped, 0);
	cr_expect_eq(sum(1, 4), 2);
}

Test(share, ones_own_message_is_nothing)
{
	(void)put(0, 7, 3);
	tell(0, 0, 1, 0);
	cr_expect_eq(news.what, AIBRIX_SYNC_NOTHING);
	cr_expect_eq(sum(0, 7), 0);
}

static void
raw(uint32_t kind, uint64_t key, uint64_t value)
{
	static const uint8_t bytes[AIBRIX_SYNC_VALUE_MAX + 8];
	const aibrix_sync_record r = {.kind = kind,
				      .key = bytes,
				      .key_bytes = key,
				      .value = bytes,
				      .value_bytes = value};

	cr_assert_eq(aibrix_sync_log_add(logs[0], &r), AIBRIX_OK);
}

/* Not even the good record before it counts. */
Test(share, a_message_with_a_record_that_is_none_is_not_taken)
{
	static const struct {
		uint32_t kind;
		uint64_t key, value;
	} rows[] = {
		{AIBRIX_SHARE_LEDGER, 12, 47},  {AIBRIX_SHARE_LEDGER, 11, 48},
		{AIBRIX_SHARE_LEDGER, 0, 0},    {AIBRIX_SHARE_CLAIM, 20, 0},
		{AIBRIX_SHARE_CLAIM, 20, 9},    {AIBRIX_SHARE_CLAIM, 19, 8},
		{AIBRIX_SHARE_KIND_MAX, 12, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(0, i + 1);
		(void)put(0, 7, 3);
		raw(rows[i].kind, rows[i].key, rows[i].value);
		write_from(0, 1);
		cr_expect_eq(take(1, 0, NULL), AIBRIX_E_PARSE, "row %zu", i);
		cr_expect_eq(sum(1, 7), 0);
	}
	cr_assert_eq(aibrix_sync_log_snapshot(logs[0], message, 63,
					      message + 100, BYTES - 100,
					      &n_message),
		     AIBRIX_OK);
	memmove(message, message + 100, n_message);
	cr_expect_eq(take(1, 0, NULL), AIBRIX_E_PARSE);
}

struct seen {
	uint64_t pod, n, first, last, lease, origin, bytes;
};

static void
on_claim(void *ctx, const aibrix_share_claim_of *c)
{
	struct seen *s = ctx;

	s->pod = c->pod;
	s->n = c->n;
	s->first = c->hashes[0];
	s->last = c->hashes[c->n - 1];
	s->lease = c->lease_ns;
}

static void
on_record(void *ctx, uint64_t origin, const aibrix_sync_record *r)
{
	struct seen *s = ctx;

	s->origin = origin;
	s->bytes = r->value_bytes;
}

Test(share, claims_and_the_hosts_own_records_are_handed_on)
{
	static uint64_t hashes[BLOCKS];
	struct seen seen = {.origin = 99};
	const aibrix_share_sink sink = {.size = sizeof(sink),
					.ctx = &seen,
					.claim = on_claim,
					.record = on_record};
	aibrix_share_claim_of c = {
		.pod = 5, .lease_ns = SECOND, .hashes = hashes, .n = BLOCKS};

	for (uint64_t i = 0; i < BLOCKS; i++)
		hashes[i] = i + 1;
	cr_assert_eq(aibrix_share_claim(logs[0], &c), AIBRIX_OK);
	raw(3, 4, 17);
	c.n = 0;
	cr_assert_eq(aibrix_share_claim(logs[0], &c), AIBRIX_OK);
	cr_expect_eq(aibrix_sync_log_next(logs[0]), 3, "nothing is claimed");
	write_from(0, 1);
	cr_assert_eq(take(1, 0, &sink), AIBRIX_OK);
	cr_expect(seen.pod == 5 && seen.n == 512 && seen.first == 1 &&
		  seen.last == 512 && seen.lease == SECOND);
	cr_expect(seen.origin == 0 && seen.bytes == 17);
}

Test(share, what_cannot_be_is_refused)
{
	static const aibrix_share_opts bad[] = {
		{.size = sizeof(bad[0]), .max_origins = 257},
		{.size = sizeof(bad[0]), .max_counts = (1 << 20) + 1},
		{.size = sizeof(bad[0]), .spare = 1},
	};
	const aibrix_share_sink sink = {.size = sizeof(sink), .spare = 1};
	aibrix_share_count c = {.kind = AIBRIX_SHARE_CLAIM};
	aibrix_share *share = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix_share_new(&bad[i], &share), AIBRIX_E_INVAL);
	cr_expect_null(share);
	cr_expect_eq(aibrix_share_put(shares[0], logs[0], &c), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_share_sum(shares[0], &c), AIBRIX_E_INVAL);
	(void)put(0, 7, 3);
	write_from(0, 1);
	cr_expect_eq(take(1, 0, &sink), AIBRIX_E_ABI);
	message[50] ^= 1;
	cr_expect_eq(take(1, 0, NULL), AIBRIX_E_PARSE);
	message[50] ^= 1;
	news.size = 3;
	cr_expect_eq(take(1, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(sum(1, 7), 0);
	aibrix_share_free(NULL);
}
