#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/limit.h>

#define SECOND ((uint64_t)1000000000)
#define MINUTE (60 * SECOND)

static aibrix_limit *
new_limit(uint32_t flags, uint64_t users)
{
	aibrix_limit_opts opts = {.size = sizeof(opts),
				  .flags = flags,
				  .users = users,
				  .seed = 7};
	aibrix_limit *limit = NULL;

	cr_assert_eq(aibrix_limit_new(&opts, &limit), AIBRIX_OK);
	return limit;
}

static aibrix_limit_request
request_of(const char *name, const aibrix_limit_rate *requests,
	   const aibrix_limit_rate *tokens, uint64_t estimate)
{
	return (aibrix_limit_request){.size = sizeof(aibrix_limit_request),
				      .name = name,
				      .name_bytes = strlen(name),
				      .requests = requests,
				      .tokens = tokens,
				      .tokens_estimated = estimate};
}

static aibrix_limit_verdict
admit(aibrix_limit *limit, const aibrix_limit_request *r, uint64_t now,
      aibrix_limit_ticket *ticket)
{
	aibrix_limit_verdict v = {.size = sizeof(v)};
	aibrix_limit_ticket own;

	cr_assert_eq(
		aibrix_limit_admit(limit, r, now, &v, ticket ? ticket : &own),
		AIBRIX_OK);
	return v;
}

static aibrix_limit_stat
stat_of(aibrix_limit *limit)
{
	aibrix_limit_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_limit_stats(limit, &stat), AIBRIX_OK);
	return stat;
}

/* How many of n requests at once are let in. */
static uint32_t
let_in(aibrix_limit *limit, const aibrix_limit_request *r, uint32_t n,
       uint64_t now)
{
	uint32_t in = 0;

	for (uint32_t i = 0; i < n; i++)
		in += admit(limit, r, now, NULL).reason == 0;
	return in;
}

Test(limit, as_many_requests_pass_at_once_as_the_burst_then_one_per_interval)
{
	/* 60 s / 7 has no whole number of nanoseconds. */
	aibrix_limit_rate rpm = {.units = 7};
	aibrix_limit_request r = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_verdict v;

	cr_expect_eq(let_in(limit, &r, 7, 0), 7);
	v = admit(limit, &r, 0, NULL);
	cr_expect_eq(v.reason, AIBRIX_LIMIT_REQUESTS);
	cr_expect_eq(v.retry_ns, 8571428572);
	cr_expect_eq(v.requests_limit, 7);
	cr_expect_eq(v.requests_left, 0);
	cr_expect_eq(v.requests_reset_ns, MINUTE);
	cr_expect_eq(v.tokens_limit, INT64_MAX);
	cr_expect_eq(admit(limit, &r, 8571428571, NULL).reason,
		     AIBRIX_LIMIT_REQUESTS);
	cr_expect_eq(admit(limit, &r, 8571428572, NULL).reason,
		     AIBRIX_LIMIT_ADMITTED);
	aibrix_limit_free(limit);
}

Test(limit, a_year_of_thirds_of_a_nanosecond_loses_none)
{
	aibrix_limit_rate rate = {.units = 3, .period_ns = 1, .burst = 3};
	aibrix_limit_due due = {0, 0};
	uint64_t retry;

	for (uint64_t now = 0; now < 10000; now++)
		for (uint32_t i = 0; i < 3; i++) {
			cr_assert_eq(
				aibrix_limit_gcra(&rate, 1, now, &due, &retry),
				AIBRIX_OK);
			cr_assert_eq(retry, 0);
		}
	cr_assert_eq(aibrix_limit_gcra(&rate, 1, 9999, &due, &retry),
		     AIBRIX_OK);
	cr_expect_eq(retry, 1);
}

Test(limit, requests_and_tokens_are_charged_both_or_neither)
{
	aibrix_limit_rate rpm = {.units = 2}, tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", &rpm, &tpm, 60);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_verdict v;

	cr_expect_eq(admit(limit, &r, 0, NULL).reason, AIBRIX_LIMIT_ADMITTED);
	v = admit(limit, &r, 0, NULL);
	cr_expect_eq(v.reason, AIBRIX_LIMIT_TOKENS);
	cr_expect_eq(v.retry_ns, 12 * SECOND);
	cr_expect_eq(v.requests_left, 1);
	cr_expect_eq(v.tokens_left, 40);
	r.tokens_estimated = 40;
	cr_expect_eq(admit(limit, &r, 0, NULL).reason, AIBRIX_LIMIT_ADMITTED);
	aibrix_limit_free(limit);
}

Test(limit, what_can_never_pass_is_told_so)
{
	aibrix_limit_rate tpm = {.units = 100}, none = {.units = 0};
	aibrix_limit_request large = request_of("ann", NULL, &tpm, 101);
	aibrix_limit_request barred = request_of("bob", &none, NULL, 0);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_verdict v = admit(limit, &large, 0, NULL);

	cr_expect_eq(v.reason, AIBRIX_LIMIT_TOO_LARGE);
	cr_expect_eq(v.retry_ns, AIBRIX_FOREVER);
	cr_expect_eq(v.tokens_left, 100);
	cr_expect_eq(admit(limit, &barred, 0, NULL).reason,
		     AIBRIX_LIMIT_TOO_LARGE);
	aibrix_limit_free(limit);
}

Test(limit, settling_puts_the_estimate_right_in_both_directions)
{
	aibrix_limit_rate tpm = {.units = 1000};
	aibrix_limit_request r = request_of("ann", NULL, &tpm, 600);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_ticket a, b;
	aibrix_limit_verdict v;

	admit(limit, &r, 0, &a);
	cr_expect_eq(aibrix_limit_settle(limit, &a, 100, 0), AIBRIX_OK);
	v = admit(limit, &r, 0, &b);
	cr_expect_eq(v.tokens_left, 300);
	cr_expect_eq(aibrix_limit_settle(limit, &b, 1500, 0), AIBRIX_OK);
	/* 600 too many: they drain first, then room for 600. */
	v = admit(limit, &r, 0, NULL);
	cr_expect_eq(v.reason, AIBRIX_LIMIT_TOKENS);
	cr_expect_eq(v.retry_ns, 72 * SECOND);
	aibrix_limit_free(limit);
}

Test(limit, a_ticket_is_settled_once)
{
	aibrix_limit_rate tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", NULL, &tpm, 50);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_ticket ticket, zero = {0};

	admit(limit, &r, 0, &ticket);
	cr_expect_eq(aibrix_limit_settle(limit, &ticket, 10, 0), AIBRIX_OK);
	cr_expect_eq(memcmp(&ticket, &zero, sizeof(zero)), 0);
	cr_expect_eq(aibrix_limit_settle(limit, &ticket, 10, 0),
		     AIBRIX_E_STATE);
	cr_expect_eq(aibrix_limit_cancel(limit, &ticket, 0), AIBRIX_E_STATE);
	cr_expect_eq(admit(limit, &r, 0, &ticket).tokens_left, 40);
	cr_expect_eq(admit(limit, &r, 0, &ticket).reason, AIBRIX_LIMIT_TOKENS);
	cr_expect_eq(aibrix_limit_cancel(limit, &ticket, 0), AIBRIX_E_STATE);
	aibrix_limit_free(limit);
}

Test(limit, a_cancelled_request_that_nothing_came_after_leaves_no_trace)
{
	aibrix_limit_rate rpm = {.units = 7}, tpm = {.units = 999};
	aibrix_limit_request r = request_of("ann", &rpm, &tpm, 333);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_verdict before = {.size = sizeof(before)}, after = before;
	aibrix_limit_ticket ticket;

	admit(limit, &r, 0, NULL);
	cr_assert_eq(aibrix_limit_peek(limit, &r, 5 * SECOND, &before), 0);
	admit(limit, &r, SECOND, &ticket);
	cr_expect_eq(aibrix_limit_cancel(limit, &ticket, 3 * SECOND),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_limit_peek(limit, &r, 5 * SECOND, &after), 0);
	cr_expect_eq(memcmp(&before, &after, sizeof(before)), 0);
	aibrix_limit_free(limit);
}

Test(limit, a_parked_reservation_does_not_buy_a_second_burst)
{
	aibrix_limit_rate rate = {.units = 1, .period_ns = SECOND, .burst = 10};
	aibrix_limit_request ten = request_of("ann", NULL, &rate, 10);
	aibrix_limit_request nine = request_of("ann", NULL, &rate, 9);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_ticket parked;

	admit(limit, &ten, 0, &parked);
	cr_expect_eq(admit(limit, &nine, 9 * SECOND, NULL).reason,
		     AIBRIX_LIMIT_ADMITTED);
	cr_expect_eq(aibrix_limit_cancel(limit, &parked, 9 * SECOND),
		     AIBRIX_OK);
	/* 9 were spent in this moment: one is left, not ten. */
	cr_expect_eq(admit(limit, &nine, 9 * SECOND, NULL).tokens_left, 1);
	aibrix_limit_free(limit);
}

Test(limit, what_was_reserved_and_never_settled_drains)
{
	aibrix_limit_rate tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", NULL, &tpm, 100);
	aibrix_limit *limit = new_limit(0, 0);

	admit(limit, &r, 0, NULL);
	cr_expect_eq(admit(limit, &r, MINUTE - 1, NULL).retry_ns, 1);
	cr_expect_eq(admit(limit, &r, MINUTE, NULL).reason, 0);
	aibrix_limit_free(limit);
}

Test(limit, a_settlement_after_the_user_was_forgotten_refunds_nothing)
{
	aibrix_limit_rate tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", NULL, &tpm, 50);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_ticket old;

	admit(limit, &r, 0, &old);
	cr_expect_eq(aibrix_limit_forget(limit, "ann", 3), AIBRIX_OK);
	cr_expect_eq(aibrix_limit_forget(limit, "ann", 3), AIBRIX_E_NOT_FOUND);
	admit(limit, &r, 0, NULL);
	cr_expect_eq(aibrix_limit_settle(limit, &old, 0, 0), AIBRIX_OK);
	r.tokens_estimated = 0;
	cr_expect_eq(admit(limit, &r, 0, NULL).tokens_left, 50);
	aibrix_limit_free(limit);
}

Test(limit, time_that_goes_backwards_stands_still)
{
	aibrix_limit_rate rpm = {.units = 60};
	aibrix_limit_request r = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_ticket ticket;

	cr_expect_eq(let_in(limit, &r, 60, 1000 * SECOND), 60);
	cr_expect_eq(let_in(limit, &r, 10, 0), 0);
	cr_expect_eq(admit(limit, &r, 0, NULL).retry_ns, SECOND);
	cr_expect_eq(let_in(limit, &r, 10, 1001 * SECOND), 1);
	cr_expect_eq(let_in(limit, &r, 10, 999 * SECOND), 0);
	admit(limit, &r, 1002 * SECOND, &ticket);
	cr_expect_eq(aibrix_limit_cancel(limit, &ticket, 0), AIBRIX_OK);
	cr_expect_eq(let_in(limit, &r, 10, 1002 * SECOND), 1);
	cr_expect_eq(let_in(limit, &r, 10, UINT64_MAX), 10);
	cr_expect_eq(let_in(limit, &r, 100, UINT64_MAX), 100,
		     "at the end of time nothing drains and nothing is owed");
	aibrix_limit_free(limit);
}

Test(limit, names_are_bytes_of_any_kind)
{
	aibrix_limit_rate rpm = {.units = 1};
	aibrix_limit_request r = request_of("", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(0, 0);
	char *name = calloc(1, 1000000);

	cr_assert_not_null(name);
	r.name = NULL;
	cr_expect_eq(let_in(limit, &r, 2, 0), 1);
	r.name = name;
	r.name_bytes = 1;
	cr_expect_eq(let_in(limit, &r, 2, 0), 1);
	r.name_bytes = 2;
	cr_expect_eq(let_in(limit, &r, 2, 0), 1);
	r.name_bytes = 1000000;
	cr_expect_eq(let_in(limit, &r, 2, 0), 1);
	free(name);
	aibrix_limit_free(limit);
}

Test(limit, a_flood_of_names_never_makes_it_forget_who_owes)
{
	aibrix_limit_rate rpm = {.units = 10};
	aibrix_limit_request ann = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(0, 100);
	uint64_t bytes = stat_of(limit).bytes, no_room = 0;

	cr_expect_eq(let_in(limit, &ann, 10, 0), 10);
	for (uint32_t i = 0; i < 100000; i++) {
		aibrix_limit_request r = request_of("", &rpm, NULL, 0);
		aibrix_limit_verdict v;

		r.name = &i;
		r.name_bytes = sizeof(i);
		v = admit(limit, &r, i, NULL);
		cr_assert(v.reason == 0 || v.reason == AIBRIX_LIMIT_NO_ROOM);
		cr_assert(v.reason == 0 || v.retry_ns <= 6 * SECOND);
		no_room += v.reason != 0;
	}
	cr_expect_gt(no_room, 99000);
	cr_expect_eq(stat_of(limit).refused_no_room, no_room);
	cr_expect_geq(stat_of(limit).users, 100);
	cr_expect_eq(stat_of(limit).bytes, bytes);
	cr_expect_eq(admit(limit, &ann, SECOND, NULL).reason,
		     AIBRIX_LIMIT_REQUESTS);
	aibrix_limit_free(limit);
}

Test(limit, places_of_users_that_owe_nothing_are_taken_again)
{
	aibrix_limit_rate rpm = {.units = 60};
	aibrix_limit *limit = new_limit(0, 100);

	/* One second each: never more than 100 owe at once. */
	for (uint32_t i = 0; i < 100000; i++) {
		aibrix_limit_request r = request_of("", &rpm, NULL, 0);

		r.name = &i;
		r.name_bytes = sizeof(i);
		cr_assert_eq(admit(limit, &r, i * (SECOND / 100), NULL).reason,
			     0);
	}
	cr_expect_leq(stat_of(limit).users, stat_of(limit).places);
	aibrix_limit_free(limit);
}

Test(limit, as_many_users_as_were_asked_for_find_room)
{
	static const uint32_t users[] = {1000, 16384, 65536};
	aibrix_limit_rate rpm = {.units = 1};

	for (uint32_t i = 0; i < 3; i++) {
		aibrix_limit *limit = new_limit(0, users[i]);

		for (uint32_t j = 0; j < users[i]; j++) {
			aibrix_limit_request r = request_of("", &rpm, NULL, 0);

			r.name = &j;
			r.name_bytes = sizeof(j);
			cr_assert_eq(admit(limit, &r, 0, NULL).reason, 0,
				     "user %u of %u", j, users[i]);
		}
		aibrix_limit_free(limit);
	}
}

Test(limit, what_others_let_in_is_charged_without_asking)
{
	aibrix_limit_rate rpm = {.units = 10}, tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", &rpm, &tpm, 150);
	aibrix_limit *limit = new_limit(0, 0);
	aibrix_limit_verdict v;

	cr_expect_eq(aibrix_limit_charge(limit, &r, 3, 0), AIBRIX_OK);
	r.tokens_estimated = 10;
	v = admit(limit, &r, 0, NULL);
	cr_expect_eq(v.reason, AIBRIX_LIMIT_TOKENS);
	cr_expect_eq(v.retry_ns, 36 * SECOND);
	cr_expect_eq(v.requests_left, 7);
	aibrix_limit_free(limit);
}

static uint64_t
save(aibrix_limit *limit, uint64_t now, uint8_t **out)
{
	uint64_t cap = aibrix_limit_save_bound(limit), n = 0, need = 0;

	*out = malloc(cap);
	cr_assert_not_null(*out);
	cr_expect_eq(aibrix_limit_save(limit, now, *out, cap - 1, &need),
		     AIBRIX_E_SPACE);
	cr_expect_eq(need, cap);
	cr_assert_eq(aibrix_limit_save(limit, now, *out, cap, &n), AIBRIX_OK);
	return n;
}

Test(limit, what_is_owed_survives_a_restart_under_another_clock)
{
	aibrix_limit_rate rpm = {.units = 60}, tpm = {.units = 6000};
	aibrix_limit_request r = request_of("ann", &rpm, &tpm, 3000);
	aibrix_limit *old = new_limit(0, 100), *new = new_limit(0, 10);
	aibrix_limit_verdict v;
	uint8_t *bytes;
	uint64_t n;

	admit(old, &r, 100 * SECOND, NULL);
	n = save(old, 110 * SECOND, &bytes);
	cr_expect_eq(n, 24 + 48 + 8);
	for (uint32_t twice = 0; twice < 2; twice++)
		cr_expect_eq(aibrix_limit_load(new, 5 * SECOND, bytes, n),
			     AIBRIX_OK);
	v = admit(new, &r, 5 * SECOND, NULL);
	cr_expect_eq(v.reason, 0);
	cr_expect_eq(v.tokens_left, 1000);
	cr_expect_eq(v.requests_left, 59);
	cr_expect_eq(aibrix_limit_load(new, 5 * SECOND, bytes, n), AIBRIX_OK);
	cr_expect_eq(admit(new, &r, 5 * SECOND, NULL).retry_ns, 20 * SECOND,
		     "the fuller counts");
	free(bytes);
	aibrix_limit_free(old);
	aibrix_limit_free(new);
}

Test(limit, a_text_that_was_cut_or_changed_is_refused_whole)
{
	aibrix_limit_rate rpm = {.units = 1};
	aibrix_limit_request r = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *old = new_limit(0, 10), *new = new_limit(0, 10);
	aibrix_limit *other = new_limit(AIBRIX_LIMIT_COMPAT, 10);
	uint8_t *bytes;
	uint64_t n;

	admit(old, &r, 0, NULL);
	n = save(old, 0, &bytes);
	for (uint64_t i = 0; i < n; i++) {
		cr_expect_eq(aibrix_limit_load(new, 0, bytes, i),
			     AIBRIX_E_PARSE);
		bytes[i] ^= 1;
		cr_expect_eq(aibrix_limit_load(new, 0, bytes, n),
			     AIBRIX_E_PARSE);
		bytes[i] ^= 1;
	}
	cr_expect_eq(aibrix_limit_load(other, 0, bytes, n), AIBRIX_E_PARSE);
	cr_expect_eq(stat_of(new).users, 0);
	cr_expect_eq(aibrix_limit_load(new, 0, bytes, n), AIBRIX_OK);
	cr_expect_eq(admit(new, &r, 0, NULL).reason, AIBRIX_LIMIT_REQUESTS);
	free(bytes);
	aibrix_limit_free(old);
	aibrix_limit_free(new);
	aibrix_limit_free(other);
}

Test(limit, wrong_calls_are_refused)
{
	aibrix_limit_rate bad = {.units = AIBRIX_LIMIT_UNITS_MAX + 1};
	aibrix_limit_rate long_one = {.units = 1, .period_ns = UINT64_MAX};
	aibrix_limit_request r = request_of("ann", &bad, NULL, 0);
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = 1 << 25};
	aibrix_limit_verdict v = {.size = sizeof(v)}, small = {.size = 8};
	aibrix_limit *limit = NULL;
	aibrix_limit_ticket t = {.turn = 1};

	cr_expect_eq(aibrix_limit_new(&opts, &limit), AIBRIX_E_INVAL);
	opts = (aibrix_limit_opts){.size = sizeof(opts), .flags = 2};
	cr_expect_eq(aibrix_limit_new(&opts, &limit), AIBRIX_E_ABI);
	cr_assert_null(limit);
	limit = new_limit(0, 0);
	cr_expect_eq(aibrix_limit_admit(limit, &r, 0, &v, &t), AIBRIX_E_INVAL);
	r.requests = &long_one;
	cr_expect_eq(aibrix_limit_admit(limit, &r, 0, &v, &t), AIBRIX_E_INVAL);
	r.requests = NULL;
	cr_expect_eq(aibrix_limit_admit(limit, &r, 0, &small, &t),
		     AIBRIX_E_INVAL);
	r.spare = 1;
	cr_expect_eq(aibrix_limit_admit(limit, &r, 0, &v, &t), AIBRIX_E_ABI);
	cr_expect_eq(t.turn, 1);
	cr_expect_eq(stat_of(limit).admitted, 0);
	t.shifts = UINT32_MAX;
	t.tokens = 5;
	cr_expect_eq(aibrix_limit_settle(limit, &t, 0, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_limit_settle(NULL, &t, 0, 0), AIBRIX_E_INVAL);
	aibrix_limit_free(limit);
	aibrix_limit_free(NULL);
}

/* Windows, as AIBrix has them. */

Test(limit, compat_rl01_without_limits_nothing_counts_and_all_may_pass)
{
	aibrix_limit_request r = request_of("ann", NULL, NULL, 10);
	aibrix_limit *limit = new_limit(AIBRIX_LIMIT_COMPAT, 0);
	aibrix_limit_ticket ticket;
	aibrix_limit_verdict v = admit(limit, &r, 0, &ticket);

	cr_expect_eq(v.reason, AIBRIX_LIMIT_ADMITTED);
	cr_expect_eq(v.requests_limit, 9223372036854775807);
	cr_expect_eq(v.requests_left, 9223372036854775807);
	cr_expect_eq(v.tokens_limit, 9223372036854775807);
	cr_expect_eq(aibrix_limit_settle(limit, &ticket, 1000, 0), AIBRIX_OK);
	cr_expect_eq(admit(limit, &r, 0, NULL).tokens_left,
		     9223372036854775807);
	aibrix_limit_free(limit);
}

Test(limit, compat_rl02_a_window_below_a_second_is_one_of_a_second)
{
	aibrix_limit_rate rate = {.units = 1, .period_ns = SECOND / 10};
	aibrix_limit_request r = request_of("llama", &rate, NULL, 0);
	aibrix_limit *limit = new_limit(AIBRIX_LIMIT_COMPAT, 0);

	cr_expect_eq(let_in(limit, &r, 2, 5 * SECOND), 1);
	cr_expect_eq(admit(limit, &r, 5 * SECOND + SECOND / 10, NULL).retry_ns,
		     SECOND * 9 / 10);
	cr_expect_eq(let_in(limit, &r, 2, 6 * SECOND - 1), 0);
	cr_expect_eq(let_in(limit, &r, 2, 6 * SECOND), 1);
	aibrix_limit_free(limit);
}

struct many {
	aibrix_limit *limit;
	uint32_t in;
};

static void *
one_of_many(void *arg)
{
	aibrix_limit_rate rate = {.units = 100};
	struct many *many = arg;
	aibrix_limit_request r = request_of("ann", &rate, NULL, 0);

	many->in = admit(many->limit, &r, 0, NULL).reason == 0;
	return NULL;
}

Test(limit, compat_rl04_of_64_at_once_all_are_counted)
{
	aibrix_limit *limit = new_limit(AIBRIX_LIMIT_COMPAT, 0);
	aibrix_limit_rate rate = {.units = 100};
	aibrix_limit_request r = request_of("ann", &rate, NULL, 0);
	aibrix_limit_verdict v = {.size = sizeof(v)};
	struct many many[64];
	pthread_t threads[64];

	for (uint32_t i = 0; i < 64; i++) {
		many[i] = (struct many){limit, 0};
		cr_assert_eq(pthread_create(&threads[i], NULL, one_of_many,
					    &many[i]),
			     0);
	}
	for (uint32_t i = 0; i < 64; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(many[i].in, 1);
	}
	cr_assert_eq(aibrix_limit_peek(limit, &r, 0, &v), AIBRIX_OK);
	cr_expect_eq(v.requests_left, 36);
	aibrix_limit_free(limit);
}

Test(limit, compat_counts_tokens_when_they_are_known)
{
	aibrix_limit_rate rpm = {.units = 100}, tpm = {.units = 100};
	aibrix_limit_request r = request_of("ann", &rpm, &tpm, 1000000);
	aibrix_limit *limit = new_limit(AIBRIX_LIMIT_COMPAT, 0);
	aibrix_limit_ticket a, b;
	aibrix_limit_verdict v;

	admit(limit, &r, 10 * SECOND, &a);
	admit(limit, &r, 10 * SECOND, &b);
	cr_expect_eq(aibrix_limit_settle(limit, &a, 99, 20 * SECOND), 0);
	cr_expect_eq(admit(limit, &r, 20 * SECOND, NULL).tokens_left, 1);
	cr_expect_eq(aibrix_limit_settle(limit, &b, 500, 30 * SECOND), 0);
	v = admit(limit, &r, 30 * SECOND, NULL);
	cr_expect_eq(v.reason, AIBRIX_LIMIT_TOKENS);
	cr_expect_eq(v.retry_ns, 30 * SECOND);
	cr_expect_eq(v.requests_left, 96, "AIBrix counts it, then refuses");
	cr_expect_eq(admit(limit, &r, MINUTE, NULL).reason, 0);
	aibrix_limit_free(limit);
}

Test(limit, compat_windows_are_those_of_the_clock)
{
	aibrix_limit_rate rpm = {.units = 5};
	aibrix_limit_request r = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(AIBRIX_LIMIT_COMPAT, 0);

	cr_expect_eq(let_in(limit, &r, 9, MINUTE - 1), 5);
	cr_expect_eq(let_in(limit, &r, 9, MINUTE), 5);
	aibrix_limit_free(limit);
}

/* The weaknesses of AIBrix's limits, and that they are not here. */

Test(limit, defect_19_a_refused_request_does_not_count)
{
	aibrix_limit_rate rps = {.units = 2, .period_ns = SECOND};
	aibrix_limit_request r = request_of("llama", &rps, NULL, 0);
	static const uint32_t flags[] = {0, AIBRIX_LIMIT_COMPAT};

	for (uint32_t i = 0; i < 2; i++) {
		aibrix_limit *limit = new_limit(flags[i], 0);
		aibrix_limit_ticket in;

		admit(limit, &r, 0, NULL);
		admit(limit, &r, 0, &in);
		cr_expect_eq(let_in(limit, &r, 50, 0), 0);
		cr_expect_eq(aibrix_limit_cancel(limit, &in, 0), AIBRIX_OK);
		cr_expect_eq(let_in(limit, &r, 50, 0), 1);
		aibrix_limit_free(limit);
	}
}

Test(limit, defect_19_a_cancel_in_a_later_window_takes_nothing_from_it)
{
	aibrix_limit_rate rps = {.units = 2, .period_ns = SECOND};
	aibrix_limit_request r = request_of("llama", &rps, NULL, 0);
	static const uint32_t flags[] = {0, AIBRIX_LIMIT_COMPAT};

	for (uint32_t i = 0; i < 2; i++) {
		aibrix_limit *limit = new_limit(flags[i], 0);
		aibrix_limit_ticket in;

		admit(limit, &r, 0, &in);
		cr_expect_eq(aibrix_limit_cancel(limit, &in, 5 * SECOND), 0);
		cr_expect_eq(let_in(limit, &r, 9, 5 * SECOND), 2);
		admit(limit, &r, 7 * SECOND, &in);
		cr_expect_eq(let_in(limit, &r, 9, 8 * SECOND), 2);
		cr_expect_eq(aibrix_limit_cancel(limit, &in, 8 * SECOND), 0);
		cr_expect_eq(let_in(limit, &r, 9, 8 * SECOND), 0);
		aibrix_limit_free(limit);
	}
}

Test(limit, defect_19_no_two_bursts_at_the_edge_of_a_minute)
{
	aibrix_limit_rate rpm = {.units = 60};
	aibrix_limit_request r = request_of("ann", &rpm, NULL, 0);
	aibrix_limit *limit = new_limit(0, 0);

	cr_expect_eq(let_in(limit, &r, 100, MINUTE - 1), 60);
	cr_expect_eq(let_in(limit, &r, 100, MINUTE), 0);
	cr_expect_eq(let_in(limit, &r, 100, MINUTE + SECOND), 1);
	aibrix_limit_free(limit);
}

static const char *
key_of(uint32_t kind, const char *name, uint64_t unix_s, uint64_t window_s)
{
	static char key[100];
	uint64_t n = 0;

	cr_assert_eq(aibrix_limit_key(kind, name, strlen(name), unix_s,
				      window_s, key, sizeof(key), &n),
		     AIBRIX_OK);
	key[n] = 0;
	return key;
}

Test(limit, keys_are_those_of_aibrix)
{
	char small[5] = "????";
	uint64_t n;

	cr_expect_str_eq(key_of(AIBRIX_LIMIT_USER, "ann", 1, 0),
			 "aibrix-users/ann");
	/* 1 700 000 000 / 60 = 28 333 333, 21 above a multiple of 64. */
	cr_expect_str_eq(key_of(AIBRIX_LIMIT_USER_RPM, "ann", 1700000000, 0),
			 "aibrix:ann_RPM_CURRENT:21");
	cr_expect_str_eq(key_of(AIBRIX_LIMIT_USER_TPM, "", 59, 0),
			 "aibrix:_TPM_CURRENT:0");
	cr_expect_str_eq(key_of(AIBRIX_LIMIT_MODEL_RPS, "llama", 127, 0),
			 "aibrix_model:llama_MODEL_RPS_CURRENT:63");
	cr_expect_str_eq(key_of(AIBRIX_LIMIT_MODEL_RPS, "llama", 127, 2),
			 "aibrix_model:llama_MODEL_RPS_CURRENT:63");
	cr_expect_eq(aibrix_limit_key(4, "a", 1, 0, 0, small, 4, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_limit_key(1, "a", 1, 0, 0, small, 4, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 22);
	cr_expect_str_eq(small, "????");
	cr_expect_eq(aibrix_limit_key(1, "a", UINT64_MAX, 0, 0, small, 4, &n),
		     AIBRIX_E_SPACE);
}

Test(limit, refusals_say_what_aibrix_says)
{
	char text[64];
	uint64_t n = 0;

	cr_assert_eq(aibrix_limit_text(AIBRIX_LIMIT_USER_RPM, "ann", 3, 100,
				       text, sizeof(text), &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 31);
	cr_expect_arr_eq(text, "user: ann has exceeded RPM: 100", n);
	cr_assert_eq(aibrix_limit_text(AIBRIX_LIMIT_USER_TPM, "bob", 3, 0, text,
				       sizeof(text), &n),
		     AIBRIX_OK);
	cr_expect_arr_eq(text, "user: bob has exceeded TPM: 0", n);
	cr_assert_eq(aibrix_limit_text(AIBRIX_LIMIT_MODEL_RPS, "my-model", 8,
				       50, text, sizeof(text), &n),
		     AIBRIX_OK);
	cr_expect_arr_eq(text, "model: my-model has exceeded RPS: 50", n);
	cr_expect_eq(
		aibrix_limit_text(AIBRIX_LIMIT_USER, "a", 1, 1, text, 64, &n),
		AIBRIX_E_INVAL);
}

static int
user_read(const char *text, uint64_t *rpm, uint64_t *tpm, uint64_t *at)
{
	aibrix_limit_rate requests = {0}, tokens = {0};
	int err = aibrix_limit_user_read(text, strlen(text), &requests, &tokens,
					 at);

	*rpm = requests.units;
	*tpm = tokens.units;
	return err;
}

Test(limit, a_users_record_has_aibrixs_defaults)
{
	uint64_t rpm, tpm, at = 0;

	cr_expect_eq(user_read("{\"name\":\"ann\",\"rpm\":5,\"tpm\":7}", &rpm,
			       &tpm, &at),
		     AIBRIX_OK);
	cr_expect(rpm == 5 && tpm == 7);
	cr_expect_eq(user_read("{\"rpm\":0}", &rpm, &tpm, &at), AIBRIX_OK);
	cr_expect(rpm == 100 && tpm == 100000);
	cr_expect_eq(user_read("{\"rpm\":3, \"tpm\":null}", &rpm, &tpm, &at),
		     AIBRIX_OK);
	cr_expect(rpm == 3 && tpm == 3000);
	cr_expect_eq(user_read("{\"rpm\":-1}", &rpm, &tpm, &at),
		     AIBRIX_E_INVAL);
	cr_expect_eq(user_read("{\"rpm\":1.5}", &rpm, &tpm, &at),
		     AIBRIX_E_PARSE);
	cr_expect_eq(at, 7);
	cr_expect_eq(
		user_read("{\"rpm\":99999999999999999999}", &rpm, &tpm, &at),
		AIBRIX_E_INVAL);
	cr_expect_eq(user_read("{\"rpm\":1099511627776}", &rpm, &tpm, &at),
		     AIBRIX_E_INVAL);
	cr_expect_eq(user_read("[]", &rpm, &tpm, &at), AIBRIX_E_PARSE);
	cr_expect_eq(user_read("{", &rpm, &tpm, &at), AIBRIX_E_PARSE);
	cr_expect_eq(rpm, 0);
}
