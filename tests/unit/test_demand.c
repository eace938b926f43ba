/*
 * How many pods are wanted, by hand.
 *
 * In the bed a request takes W = 1000 x 0.1 ms + 100 x 0.02 x 20 ms = 0.14 s
 * of a pod, and 100 x 10 ms x 0.02 = 0.02 of a cache and second beside.
 */

#include "demand_bed.h"

#include <aibrix/scale.h>

#define NEAR(x, y)                                                             \
	cr_expect_float_eq(x, y, 1e-6 * fabs((double)(y)), "%.9g", (double)(x))

Test(demand, a_pod_bears_what_its_caches_hold)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	/* 1 / (0.02 / 0.85 + 0.14); 10 / (0.85 x that) = 1.92 pods are too
	   few, 10 / (0.7 x that) = 2.34 too many. */
	cr_expect_eq(demand_bed_step(&b, 0), 2);
	NEAR(b.d.capacity, 6.115107914);
	cr_expect_eq(b.d.limit, AIBRIX_DEMAND_BY_KV);
	cr_expect_eq(b.d.up, 2);
	cr_expect_eq(b.d.down, 3);
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_STEADY);
	NEAR(b.d.prefill_tokens, 10000);
	NEAR(b.d.decode_tokens, 1000);
	/* Of two pods each takes 5 x 0.14 = 0.7 of its time. */
	NEAR(b.d.itl_s, 0.01 / 0.3);
	NEAR(b.d.ttft_s, 0.11 / 0.3);
	NEAR(b.d.use, 10 / (2 * 6.115107914));
	NEAR(b.d.kv_request, 0.02);
}

Test(demand, between_too_few_and_too_many_nothing_moves)
{
	static const double wanted[] = {2, 2, 3, 3, 3, 3};

	for (uint32_t pods = 1; pods <= 6; pods++) {
		struct demand_bed b;

		demand_bed_make(&b, pods);
		cr_expect_eq(demand_bed_step(&b, 0), wanted[pods - 1], "%u: %g",
			     pods, b.d.wanted);
	}
}

Test(demand, where_caches_are_not_told_time_bounds)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.seen.kv_ratio = NULL;
	demand_bed_step(&b, 0);
	cr_expect_eq(b.d.limit, AIBRIX_DEMAND_BY_TIME);
	NEAR(b.d.capacity, 10); /* 1000 x 0.1 ms */
}

Test(demand, targets_bound_a_pod)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.o.itl_s = 0.02; /* twice that of an idle pod: 1/2 of its time */
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 0.5 / 0.14);
	cr_expect_eq(b.d.limit, AIBRIX_DEMAND_BY_ITL);
	/* With 0.8 of the other half: 0.018, 4/9 of its time. */
	NEAR(b.d.careful, 4 / 9.0 / 0.14);
	demand_bed_make(&b, 2);
	b.o.ttft_s = 0.165; /* 1.5 times 0.11: a third of its time */
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 1 / 3.0 / 0.14);
	cr_expect_eq(b.d.limit, AIBRIX_DEMAND_BY_TTFT);
	demand_bed_make(&b, 2);
	b.o.slots = 10; /* 1 / (1 / 10 + 0.14) */
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 1 / 0.24);
	cr_expect_eq(b.d.limit, AIBRIX_DEMAND_BY_SLOTS);
}

Test(demand, a_target_that_an_idle_pod_misses_bounds_nothing)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.o.itl_s = 0.009;
	b.o.ttft_s = 0.1;
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 6.115107914);
}

Test(demand, prefill_and_decode_pods_are_bound_by_their_own)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.o.role = AIBRIX_DEMAND_PREFILL;
	b.o.itl_s = 0.011;
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 10); /* 1000 x 0.1 ms */
	cr_expect(isnan(b.d.itl_s));
	demand_bed_make(&b, 2);
	b.o.role = AIBRIX_DEMAND_DECODE;
	b.o.ttft_s = 0.12;
	demand_bed_step(&b, 0);
	NEAR(b.d.capacity, 1 / (0.02 / 0.85 + 0.04));
	cr_expect(isnan(b.d.ttft_s));
}

Test(demand, a_prefill_pod_shows_its_rate_when_requests_wait)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.o.role = AIBRIX_DEMAND_PREFILL;
	demand_bed_step(&b, 0);
	demand_bed_tell(&b, PROMPT, 5000);
	demand_bed_step(&b, 10);
	NEAR(b.d.token_s, 1e-4); /* nobody waits: it could do more */
	demand_bed_tell(&b, WAITING, 1);
	demand_bed_step(&b, 20);
	NEAR(b.d.token_s, 2e-4);
	cr_expect_eq(b.d.learned, 1);
}

Test(demand, what_caches_hold_is_not_computed)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	demand_bed_tell(&b, CACHED, 0.5);
	demand_bed_step(&b, 0);
	NEAR(b.d.prefill_tokens, 5000);
	NEAR(b.d.capacity, 1 / (0.02 / 0.85 + 0.09));
}

Test(demand, lengths_of_requests_to_come_stand_before_those_that_went)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.seen.flags |= AIBRIX_DEMAND_INPUT | AIBRIX_DEMAND_OUTPUT;
	b.seen.input_next = 2000;
	b.seen.output_next = 200;
	demand_bed_step(&b, 0);
	NEAR(b.d.prefill_tokens, 20000);
	NEAR(b.d.decode_tokens, 2000);
	NEAR(b.d.capacity, 1 / (0.04 / 0.85 + 0.28));
}

Test(demand, a_queue_is_to_be_gone_in_a_while)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	demand_bed_tell(&b, WAITING, 100);
	b.fleet.queued = 100;
	demand_bed_step(&b, 0);
	NEAR(b.d.drain, 5); /* 300 in 60 s */
	/* 15 / (0.85 x 6.115) = 2.9; what waits fits 8 caches:
	   (0.2 + 300 x 0.02) / 0.85 = 7.3. */
	cr_expect_eq(b.d.wanted, 8);
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_MORE);
}

Test(demand, b7_pods_that_start_are_counted)
{
	struct demand_bed b;

	demand_bed_make(&b, 1);
	b.seen.arrivals_per_s = 40; /* 40 / (0.85 x 6.115) = 7.7 */
	for (int i = 0; i < 6; i++) {
		cr_expect_eq(demand_bed_step(&b, 10 * i), 8);
		b.fleet.replicas = 8;
		cr_expect_eq(b.d.coming, i ? 7 : 0);
	}
}

Test(demand, a_model_is_learned_from_steps)
{
	struct demand_bed b;

	demand_bed_make(&b, 4);
	b.o.step_s = b.o.kv_s = b.o.token_s = 0;
	demand_bed_step(&b, 0);
	cr_expect_eq(b.d.learned, 0);
	cr_expect(isnan(b.d.capacity));
	for (int i = 1; i <= 60; i++) {
		for (int p = 0; p < 4; p++) {
			double kv = 0.1 + 0.2 * ((i + p) % 4);
			double prompt = 500 + 700 * ((i + 2 * p) % 3);

			b.columns[KV][p] = kv;
			b.columns[PROMPT][p] = prompt;
			b.columns[ITL][p] =
				(0.015 + 0.03 * kv) / (1 - 2e-4 * prompt);
		}
		demand_bed_step(&b, 10 * i);
	}
	cr_expect_eq(b.d.learned, 1);
	cr_expect_float_eq(b.d.step_s, 0.015, 0.0003);
	cr_expect_float_eq(b.d.kv_s, 0.03, 0.0006);
	cr_expect_float_eq(b.d.token_s, 2e-4, 4e-6, "%g", b.d.token_s);
	cr_expect_lt(b.d.fit_error, 0.01);
}

Test(demand, other_lengths_do_not_take_a_model_away)
{
	struct demand_bed b;

	demand_bed_make(&b, 4);
	b.o.step_s = b.o.kv_s = b.o.token_s = 0;
	for (int i = 0; i <= 12; i++)
		demand_bed_step(&b, 10 * i);
	cr_expect_eq(b.d.learned, 1);
	cr_expect_gt(b.d.fit_weight, 11);
	demand_bed_tell(&b, OUTPUT_MEAN, 400);
	for (int i = 13; i <= 20; i++) {
		demand_bed_step(&b, 10 * i);
		cr_expect_eq(b.d.learned, 1, "%d: %g", i, b.d.fit_weight);
	}
	/* 100 to 400 is more than 20 % several times over. */
	cr_expect_lt(b.d.fit_weight, 8);
}

Test(demand, without_a_model_what_is_there_must_fit)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.o.step_s = b.o.kv_s = b.o.token_s = 0;
	cr_expect_eq(demand_bed_step(&b, 0), 2);
	demand_bed_tell(&b, KV, 0.95);
	demand_bed_tell(&b, RUNNING, 47.5);
	/* 1.9 / 0.85 */
	cr_expect_eq(demand_bed_step(&b, 0), 3);
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_MEMORY);
}

Test(demand, nothing_known_is_no_number)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	demand_bed_step(&b, 0);
	demand_bed_tell(&b, RUNNING, NAN);
	b.seen.arrivals_per_s = NAN;
	cr_expect(isnan(demand_bed_step(&b, 10)));
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_NO_DATA);
	cr_expect_eq(b.d.missing, 2);
	demand_bed_tell(&b, RUNNING, 5);
	for (int i = 0; i < BED_PODS; i++)
		b.at_ns[i] = BED_START;
	b.seen.at_ns = b.at_ns;
	cr_expect(isnan(demand_bed_step(&b, 60)));
	b.fleet.flags = AIBRIX_SCALE_PODS_UNKNOWN;
	b.seen.at_ns = NULL;
	b.seen.arrivals_per_s = 10;
	cr_expect(isnan(demand_bed_step(&b, 70)));
}

Test(demand, pods_that_say_nothing_stay)
{
	struct demand_bed b;

	demand_bed_make(&b, 6);
	b.columns[KV][1] = NAN;
	b.columns[RUNNING][3] = -1;
	/* 3 would do for all, and two are not known. */
	cr_expect_eq(demand_bed_step(&b, 0), 5);
	cr_expect_eq(b.d.missing, 2);
}

Test(demand, arrivals_are_those_that_went_and_those_that_are_more)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	b.seen.flags = 0;
	demand_bed_step(&b, 0);
	NEAR(b.d.arrivals, 2);
	demand_bed_tell(&b, RUNNING, 25); /* 20 more in each, in 10 s */
	demand_bed_step(&b, 10);
	NEAR(b.d.arrivals, 6);
	b.columns[FINISHED][0] = NAN;
	demand_bed_step(&b, 20); /* one pod tells, for two */
	NEAR(b.d.arrivals, 2);
}

Test(demand, starts_are_learned)
{
	struct demand_bed b;

	demand_bed_make(&b, 4);
	demand_bed_step(&b, 0);
	NEAR(b.d.start_s, 120);
	for (int i = 1; i <= 8; i++) {
		b.pods[0].started_ns = BED_START;
		b.pods[0].changed_ns = BED_START + (uint64_t)i * 10 * SECOND;
		demand_bed_step(&b, 10 * i);
	}
	/* 10, 20 to 80 s: nine of ten are below 80, whose class ends at
	   2^(26/4). */
	NEAR(b.d.start_s, 90.50966799);
	demand_bed_step(&b, 200); /* nobody became ready */
	NEAR(b.d.start_s, 90.50966799);
}

Test(demand, a_jump_is_followed_at_once)
{
	struct demand_bed b;
	double before;

	demand_bed_make(&b, 4);
	for (int i = 0; i < 30; i++)
		demand_bed_step(&b, 10 * i);
	before = b.d.level;
	cr_expect_float_eq(before, 10, 1e-6);
	b.seen.arrivals_per_s = 40;
	demand_bed_step(&b, 300);
	cr_expect_gt(b.d.level, 39);
	cr_expect_gt(b.d.wanted, 7);
}

Test(demand, a_ramp_is_foreseen)
{
	struct demand_bed b;

	demand_bed_make(&b, 4);
	b.o.start_ns = 60 * SECOND;
	for (int i = 0; i < 60; i++) {
		b.seen.arrivals_per_s = 10 + i;
		demand_bed_step(&b, 10 * i);
	}
	/* 69 now, and by 70 s later 7 more. */
	cr_expect_float_eq(b.d.level, 69, 1);
	cr_expect_gt(b.d.forecast, 72);
	cr_expect_lt(b.d.forecast, 78);
}

Test(demand, what_may_come_is_above_what_is_expected)
{
	struct demand_bed a, b;

	demand_bed_make(&a, 4);
	demand_bed_make(&b, 4);
	b.o.quantile = 0.95;
	for (int i = 0; i < 30; i++) {
		a.seen.arrivals_per_s = b.seen.arrivals_per_s = 9 + i % 3;
		demand_bed_step(&a, 10 * i);
		demand_bed_step(&b, 10 * i);
	}
	NEAR(b.d.error, a.d.error);
	/* 1.6449 standard errors */
	cr_expect_float_eq(b.d.forecast,
			   fmax(a.d.level + a.d.trend * 100, a.d.level) +
				   1.6449 * a.d.error,
			   0.2);
}

Test(demand, what_comes_every_season_is_foreseen)
{
	struct demand_bed b;

	demand_bed_make(&b, 4);
	b.o.season_ns = 2880 * SECOND; /* parts of 10 s */
	for (int i = 0; i < 1440; i++) {
		b.seen.arrivals_per_s = i % 288 < 144 ? 10 : 50;
		demand_bed_step(&b, 10 * i);
	}
	/* Half a minute before the rise: 120 s and 10 later it is there. */
	for (int i = 1440; i < 1440 + 141; i++) {
		b.seen.arrivals_per_s = 10;
		demand_bed_step(&b, 10 * i);
	}
	cr_expect_lt(b.d.level, 11);
	cr_expect_gt(b.d.season, 39); /* four times, at most */
	cr_expect_gt(b.d.wanted, 7);
}

Test(demand, targets_that_are_missed_bring_a_pod_after_a_while)
{
	struct demand_bed b;

	demand_bed_make(&b, 3);
	b.o.ttft_s = 5;
	b.seen.flags |= AIBRIX_DEMAND_TTFT;
	b.seen.ttft_mean_s = 6;
	cr_expect_eq(demand_bed_step(&b, 0), 3);
	cr_expect_eq(demand_bed_step(&b, 50), 3);
	cr_expect_eq(demand_bed_step(&b, 60), 4);
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_LATE);
	b.fleet.replicas = 4; /* it starts: no further one */
	cr_expect_eq(demand_bed_step(&b, 130), 4);
	demand_bed_pods(&b, 4);
	b.pods[3].changed_ns = BED_START + 135 * SECOND;
	cr_expect_eq(demand_bed_step(&b, 140), 4);
	cr_expect_eq(demand_bed_step(&b, 190), 4);
	cr_expect_eq(demand_bed_step(&b, 200), 5);
	b.seen.ttft_mean_s = 1;
	cr_expect_eq(demand_bed_step(&b, 210), 3);
}

Test(demand, where_nothing_is_and_comes_nothing_is_wanted)
{
	struct demand_bed b;

	demand_bed_make(&b, 2);
	demand_bed_step(&b, 0);
	for (uint32_t i = 0; i < COLUMNS; i++)
		demand_bed_tell(&b, i, 0);
	b.seen.arrivals_per_s = 0;
	for (int i = 1; i < 60; i++)
		demand_bed_step(&b, 10 * i);
	cr_expect_eq(b.d.wanted, 0);
	cr_expect_eq(b.d.reason, AIBRIX_DEMAND_IDLE);
	demand_bed_tell(&b, RUNNING, 0.5);
	cr_expect_eq(demand_bed_step(&b, 600), 1);
}

Test(demand, options_and_numbers_out_of_range_change_nothing)
{
	struct demand_bed b, was;

	demand_bed_make(&b, 2);
	demand_bed_step(&b, 0);
	was = b;
	b.o.quantile = 0.4;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_INVAL);
	b.o.quantile = NAN;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_INVAL);
	b.o = was.o;
	b.o.flags = 1;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_ABI);
	b.o = was.o;
	b.o.down_use = 0.9;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_INVAL);
	b.o = was.o;
	b.seen.flags = 32;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_ABI);
	b.seen = was.seen;
	cr_expect_eq(demand_bed_try(&b, -1), AIBRIX_E_STATE);
	b.fleet.replicas = -1;
	cr_expect_eq(demand_bed_try(&b, 1), AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(b.memory, was.memory, sizeof(b.memory)), 0);
}

Test(demand, prefill_and_decode_stay_in_proportion)
{
	static const struct {
		double least, most;
		int32_t p, d, want_p, want_d;
	} rows[] = {
		{0, 0, 3, 4, 3, 4},     {0.5, 2, 1, 4, 2, 4},
		{0.5, 2, 9, 4, 9, 5},   {1, 1, 2, 7, 7, 7},
		{1, 1, 7, 2, 7, 7},     {0.5, 2, 0, 0, 0, 0},
		{0.5, 2, 0, 1, 1, 1},   {0.5, 2, 1, 0, 1, 1},
		{1.5, 1.5, 1, 1, 2, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int32_t p = rows[i].p, d = rows[i].d;

		cr_expect_eq(aibrix_demand_ratio(rows[i].least, rows[i].most,
						 &p, &d),
			     AIBRIX_OK);
		cr_expect(p == rows[i].want_p && d == rows[i].want_d,
			  "%zu: %d, %d", i, p, d);
	}
	{
		int32_t p = 1, d = 1;

		cr_expect_eq(aibrix_demand_ratio(2, 1, &p, &d), AIBRIX_E_INVAL);
		cr_expect_eq(aibrix_demand_ratio(NAN, 1, &p, &d),
			     AIBRIX_E_INVAL);
		p = -1;
		cr_expect_eq(aibrix_demand_ratio(1, 1, &p, &d), AIBRIX_E_INVAL);
	}
}

Test(demand, every_reason_has_a_text)
{
	for (uint32_t i = 0; i <= AIBRIX_DEMAND_NO_DATA; i++)
		cr_expect_str_neq(aibrix_demand_reason_text(i), "unknown");
	cr_expect_str_eq(aibrix_demand_reason_text(7), "unknown");
}
