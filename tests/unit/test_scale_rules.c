/* Metrics, rates and bounds of a step, and what it refuses. */

#include "scale_bed.h"

static void
bed_apa(struct bed *b, uint32_t pods, double value)
{
	bed_make(b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	bed_pods(b, pods);
	bed_tell(b, 0, value);
}

/* ---- metrics ---- */

Test(scale_rules, nothing_known_of_some_pods_moves_nothing_by_itself)
{
	struct bed b;

	/* 4 pods tell 15, of 4 nothing is known: 60 of 80, within reach. */
	bed_apa(&b, 8, 15);
	for (int i = 4; i < 8; i++)
		b.values[0][i] = NAN;
	cr_expect_eq(bed_step(&b, 0), 8);
	cr_expect_eq(b.d.missing, 4);

	/* All 8 at 15 want 12. */
	bed_apa(&b, 8, 15);
	cr_expect_eq(bed_step(&b, 0), 12);
}

/* 2 pods at 32.5 are 6.5 pods' load: with 6 in the end that is within reach
 * of the target, though without those to come it would want 7. */
Test(scale_rules, pods_to_come_take_their_share_of_a_rise)
{
	struct bed b;

	bed_apa(&b, 2, 32.5);
	b.fleet.replicas = 6;
	cr_expect_eq(bed_step(&b, 0), 6);
	cr_expect_eq(b.d.coming, 4);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_STABLE);

	bed_apa(&b, 2, 35);
	b.fleet.replicas = 6;
	cr_expect_eq(bed_step(&b, 0), 7);
}

Test(scale_rules, values_that_cannot_be_are_missing)
{
	static const double bad[] = {NAN, INFINITY, -INFINITY,
				     -1,  -1e-300,  1e19};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (uint32_t s = 0; s <= AIBRIX_SCALE_HPA; s++) {
			struct bed b;

			bed_make(&b, s, AIBRIX_SCALE_DEFAULT);
			bed_pods(&b, 4);
			bed_tell(&b, 0, bad[i]);
			cr_expect_eq(bed_step(&b, 0), 4);
			cr_expect_eq(b.d.valid, 0, "%g", bad[i]);
			cr_expect_eq(b.d.missing, 4);
		}
}

Test(scale_rules, old_values_and_those_of_the_future_are_missing)
{
	static const struct {
		double at;
		uint32_t valid;
	} rows[] = {{100, 1}, {70, 1}, {69, 0}, {110, 1}, {111, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t at[BED_PODS];
		struct bed b;

		bed_apa(&b, 4, 10);
		for (int k = 0; k < BED_PODS; k++)
			at[k] = BED_START + (uint64_t)(rows[i].at * 1e9);
		b.v[0].at_ns = at;
		bed_step(&b, 100);
		cr_expect_eq(b.d.valid, rows[i].valid, "%g", rows[i].at);
	}
}

Test(scale_rules, the_busiest_pod_may_stand_for_all)
{
	struct bed b;

	bed_apa(&b, 4, 10);
	b.metrics[0].flags = AIBRIX_SCALE_BUSIEST;
	b.values[0][2] = 15;
	cr_expect_eq(bed_step(&b, 0), 6);
}

/* The rank is that of the smallest number of pods that is the share. */
Test(scale_rules, a_share_of_the_pods_may_stand_for_all)
{
	static const struct {
		double share;
		double stable;
	} rows[] = {{0.01, 0},   {0.1, 0},    {0.11, 1e-300}, {0.5, 7},
		    {0.6, 7},    {0.7, 8.25}, {0.8, 30},      {0.9, 31},
		    {0.91, 1e9}, {1, 1e9}};
	static const double told[] = {7,    31, -0.0, 1e9, 3,
				      8.25, 30, 7,    7,   1e-300};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bed b;

		bed_apa(&b, 12, 0);
		memcpy(b.values[0], told, sizeof(told));
		b.values[0][10] = NAN;
		b.values[0][11] = 1e9;
		b.pods[11].ready = AIBRIX_SCALE_NOT_READY;
		b.metrics[0].share = rows[i].share;
		bed_step(&b, 0);
		cr_expect_eq(b.d.stable, rows[i].stable, "%g: %g",
			     rows[i].share, b.d.stable);
		cr_expect_eq(b.d.missing, 1);
	}
}

Test(scale_rules, a_share_of_one_is_the_busiest)
{
	for (uint32_t s = 0; s < AIBRIX_SCALE_HPA; s++) {
		struct bed b;
		int32_t wanted;

		bed_make(&b, s, AIBRIX_SCALE_DEFAULT);
		bed_pods(&b, 5);
		for (int i = 0; i < 5; i++)
			b.values[0][i] = 4 * i;
		b.metrics[0].flags = AIBRIX_SCALE_BUSIEST;
		wanted = bed_step(&b, 0);
		b.metrics[0].flags = 0;
		b.metrics[0].share = 1;
		bed_state(&b);
		cr_expect_eq(bed_step(&b, 0), wanted);
		b.metrics[0].share = 0.2;
		bed_state(&b);
		bed_step(&b, 0);
		cr_expect_eq(b.d.stable, 0);
	}
}

Test(scale_rules, free_rows_of_a_table_are_no_pods)
{
	struct bed b;

	bed_apa(&b, 8, 15);
	b.fleet.replicas = 4;
	for (int i = 0; i < 8; i += 2) {
		b.pods[i] = (aibrix_scale_pod){0};
		b.values[0][i] = NAN;
	}
	cr_expect_eq(bed_step(&b, 0), 6);
	cr_expect_eq(b.d.ready, 4);
	cr_expect_eq(b.d.missing, 0);
}

Test(scale_rules, rounding_of_a_ratio_asks_for_no_pod_more)
{
	struct bed b;

	bed_apa(&b, 1, 0.1 + 0.2);
	b.metrics[0].target = 0.1;
	cr_expect_eq(bed_step(&b, 0), 3);
}

/* ---- rates ---- */

Test(scale_rules, replicas_rise_by_what_a_period_allows)
{
	struct bed b;

	bed_apa(&b, 1, 500);
	cr_expect_eq(bed_step(&b, 0), 5);
	cr_expect_eq(b.d.limited_by, AIBRIX_SCALE_BY_UP_RATE);
	bed_pods(&b, 5);
	cr_expect_eq(bed_step(&b, 10), 5);
	cr_expect_eq(bed_step(&b, 15), 10);
	bed_pods(&b, 10);
	cr_expect_eq(bed_step(&b, 29), 10);
	cr_expect_eq(bed_step(&b, 30), 20);
}

Test(scale_rules, what_the_host_did_not_do_is_not_counted)
{
	struct bed b;

	bed_apa(&b, 1, 500);
	cr_expect_eq(bed_step(&b, 0), 5);
	cr_expect_eq(bed_step(&b, 5), 5);
	bed_pods(&b, 3);
	cr_expect_eq(bed_step(&b, 10), 5);
}

Test(scale_rules, replicas_fall_by_half_a_minute)
{
	struct bed b;

	bed_apa(&b, 16, 0.001);
	b.o.flags = AIBRIX_SCALE_DOWN_WINDOW_SET;
	cr_expect_eq(bed_step(&b, 0), 8);
	bed_pods(&b, 8);
	cr_expect_eq(bed_step(&b, 59), 8);
	cr_expect_eq(bed_step(&b, 60), 4);
}

Test(scale_rules, bounds_come_before_metrics)
{
	struct bed b;

	bed_apa(&b, 60, 10);
	cr_expect_eq(bed_step(&b, 0), 50);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_OVER_MAX);
	b.o.min_replicas = 9;
	bed_pods(&b, 2);
	bed_tell(&b, 0, NAN);
	cr_expect_eq(bed_step(&b, 1), 9);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_UNDER_MIN);
}

Test(scale_rules, a_delay_keeps_the_most_that_was_wanted)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	b.o.flags = AIBRIX_SCALE_DOWN_WINDOW_SET;
	b.o.delay_ns = 120 * SECOND;
	b.o.panic_threshold = 100;
	bed_state(&b);
	bed_tell(&b, 0, 40);
	cr_expect_eq(bed_step(&b, 0), 4);
	bed_tell(&b, 0, 10);
	cr_expect_eq(bed_step(&b, 119), 4);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_DELAY);
	cr_expect_eq(bed_step(&b, 120), 1);
}

/* ---- refusals ---- */

static void
expect_untouched(struct bed *b, int status)
{
	static uint64_t was[BED_WORDS];
	aibrix_scale_decision d = b->d;

	memcpy(was, b->memory, sizeof(was));
	d.size = sizeof(d);
	b->d.size = sizeof(b->d);
	cr_expect_eq(bed_try(b, 5), status);
	cr_expect_eq(memcmp(was, b->memory, sizeof(was)), 0);
	cr_expect_eq(memcmp(&d, &b->d, sizeof(d)), 0);
}

Test(scale_rules, a_clock_that_goes_backwards_is_refused)
{
	struct bed b;

	bed_apa(&b, 2, 10);
	bed_step(&b, 10);
	expect_untouched(&b, AIBRIX_E_STATE);
	cr_expect_eq(bed_try(&b, 10), AIBRIX_OK);
}

Test(scale_rules, what_is_wrong_is_refused_before_anything_changes)
{
	struct bed good, b;
	aibrix_scale_policy policy = {AIBRIX_SCALE_BY_PODS, 0, SECOND};

	bed_apa(&good, 2, 10);
	bed_step(&good, 0);
#define BAD(change, status)                                                    \
	do {                                                                   \
		bed_apa(&b, 2, 10);                                            \
		bed_step(&b, 0);                                               \
		change;                                                        \
		expect_untouched(&b, status);                                  \
	} while (0)
	BAD(b.o.max_replicas = 0, AIBRIX_E_INVAL);
	BAD(b.o.min_replicas = -1, AIBRIX_E_INVAL);
	BAD(b.o.min_replicas = 51, AIBRIX_E_INVAL);
	BAD(b.o.strategy = 3, AIBRIX_E_INVAL);
	BAD(b.o.strategy = AIBRIX_SCALE_KPA, AIBRIX_E_INVAL);
	BAD(b.o.profile = AIBRIX_SCALE_COMPAT, AIBRIX_E_INVAL);
	BAD(b.o.flags = 1u << 31, AIBRIX_E_ABI);
	BAD(b.o.n_metrics = 0, AIBRIX_E_INVAL);
	BAD(b.o.n_metrics = 2, AIBRIX_E_INVAL);
	BAD(b.o.n_metrics = 17, AIBRIX_E_INVAL);
	BAD(b.o.metrics = NULL, AIBRIX_E_INVAL);
	BAD(b.o.stable_ns = 61 * SECOND, AIBRIX_E_INVAL);
	BAD(b.o.stable_ns = 5 * SECOND, AIBRIX_E_INVAL);
	BAD(b.o.slot_ns = 2 * SECOND, AIBRIX_E_INVAL);
	BAD(b.o.slot_ns = 1, AIBRIX_E_INVAL);
	BAD(b.o.delay_ns = SECOND, AIBRIX_E_INVAL);
	BAD(b.o.up_window_ns = UINT64_MAX, AIBRIX_E_INVAL);
	BAD((b.o.up = &policy, b.o.n_up = 1), AIBRIX_E_INVAL);
	BAD(b.o.n_down = 1, AIBRIX_E_INVAL);
	BAD(b.o.up_select = 3, AIBRIX_E_INVAL);
	BAD(b.metrics[0].target = 0, AIBRIX_E_INVAL);
	BAD(b.metrics[0].target = NAN, AIBRIX_E_INVAL);
	BAD(b.metrics[0].kind = AIBRIX_SCALE_VALUE, AIBRIX_E_INVAL);
	BAD(b.metrics[0].flags = 4, AIBRIX_E_ABI);
	BAD(b.metrics[0].spare[1] = 1, AIBRIX_E_ABI);
	BAD(b.metrics[0].share = 1.01, AIBRIX_E_INVAL);
	BAD(b.metrics[0].share = -0.5, AIBRIX_E_INVAL);
	BAD(b.metrics[0].share = NAN, AIBRIX_E_INVAL);
	BAD((b.metrics[0].share = 1, b.metrics[0].flags = AIBRIX_SCALE_BUSIEST),
	    AIBRIX_E_INVAL);
	BAD(b.fleet.replicas = -1, AIBRIX_E_INVAL);
	BAD(b.fleet.pods = NULL, AIBRIX_E_INVAL);
	BAD(b.fleet.queued = NAN, AIBRIX_E_INVAL);
	BAD(b.fleet.queued = -1, AIBRIX_E_INVAL);
	BAD(b.fleet.flags = 8, AIBRIX_E_ABI);
	BAD(b.pods[1].phase = 5, AIBRIX_E_INVAL);
	BAD(b.pods[1].ready = 3, AIBRIX_E_INVAL);
	BAD(b.v[0].spare = 1, AIBRIX_E_INVAL);
#undef BAD
}

Test(scale_rules, null_is_refused)
{
	aibrix_scale_decision d = {.size = sizeof(d)};
	struct bed b;

	bed_apa(&b, 2, 10);
	cr_expect_eq(aibrix_scale_step(NULL, &b.fleet, b.v, b.state, 1, &d),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_step(&b.o, NULL, b.v, b.state, 1, &d),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_step(&b.o, &b.fleet, NULL, b.state, 1, &d),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_step(&b.o, &b.fleet, b.v, NULL, 1, &d),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_step(&b.o, &b.fleet, b.v, b.state, 1, NULL),
		     AIBRIX_E_INVAL);
	d.size = 8;
	cr_expect_eq(aibrix_scale_step(&b.o, &b.fleet, b.v, b.state, 1, &d),
		     AIBRIX_E_INVAL);
}

/* ---- TPA: a metric is the pods that it wants ---- */

static void
bed_tpa(struct bed *b, uint32_t pods, double wanted)
{
	bed_make(b, AIBRIX_SCALE_HPA, AIBRIX_SCALE_DEFAULT);
	b->o.strategy = AIBRIX_SCALE_TPA;
	for (int i = 0; i < 2; i++) {
		b->metrics[i].kind = AIBRIX_SCALE_TOTAL;
		b->metrics[i].target = 1;
		b->v[i] = (aibrix_scale_values){.total = wanted};
	}
	bed_pods(b, pods);
	bed_state(b);
}

Test(scale_rules, tpa_does_what_is_wanted_within_rates_and_bounds)
{
	struct bed b;

	bed_tpa(&b, 6, 9);
	cr_expect_eq(bed_step(&b, 0), 9);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_ABOVE_TARGET);
	bed_tpa(&b, 6, 40);
	cr_expect_eq(bed_step(&b, 0), 24); /* four times as many in 15 s */
	cr_expect_eq(b.d.limited_by, AIBRIX_SCALE_BY_UP_RATE);
	bed_tpa(&b, 40, 90);
	cr_expect_eq(bed_step(&b, 0), 50);
	cr_expect_eq(b.d.limited_by, AIBRIX_SCALE_BY_MAX);
	bed_tpa(&b, 6, 2);
	cr_expect_eq(bed_step(&b, 0), 6);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_DOWN_WINDOW);
	cr_expect_eq(bed_step(&b, 89), 6);
	cr_expect_eq(bed_step(&b, 91), 3); /* half in 60 s */
}

Test(scale_rules, tpa_takes_the_most_and_holds_when_one_is_not_known)
{
	struct bed b;

	bed_tpa(&b, 6, 9);
	b.o.n_metrics = 2;
	b.v[1].total = 7;
	bed_state(&b);
	cr_expect_eq(bed_step(&b, 0), 9);
	cr_expect_eq(b.d.metric, 0);
	b.v[0].total = NAN;
	cr_expect_eq(bed_step(&b, 10), 7); /* 9 was not done */
	b.v[1].total = 2;
	cr_expect_eq(bed_step(&b, 20), 6);
	cr_expect_eq(b.d.valid, 0);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_PART_DATA);
	b.v[1].total = NAN;
	cr_expect_eq(bed_step(&b, 30), 6);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_NO_DATA);
}

Test(scale_rules, tpa_has_no_other_kinds_and_no_compat)
{
	struct bed b;

	bed_tpa(&b, 6, 9);
	b.metrics[0].kind = AIBRIX_SCALE_PODS;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.metrics[0].kind = AIBRIX_SCALE_TOTAL;
	b.o.profile = AIBRIX_SCALE_COMPAT;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.profile = AIBRIX_SCALE_DEFAULT;
	b.o.strategy = 4;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
}

Test(scale_rules, wake_takes_what_is_queued)
{
	int32_t pods = -1;

	cr_expect_eq(aibrix_scale_wake(0, 10, 1, 50, &pods), AIBRIX_OK);
	cr_expect_eq(pods, 0);
	cr_expect_eq(aibrix_scale_wake(1, 10, 2, 50, &pods), AIBRIX_OK);
	cr_expect_eq(pods, 2);
	cr_expect_eq(aibrix_scale_wake(31, 10, 2, 50, &pods), AIBRIX_OK);
	cr_expect_eq(pods, 4);
	cr_expect_eq(aibrix_scale_wake(1e12, 1, 2, 50, &pods), AIBRIX_OK);
	cr_expect_eq(pods, 50);
	cr_expect_eq(aibrix_scale_wake(1e12, 0, 2, 50, &pods), AIBRIX_OK);
	cr_expect_eq(pods, 2);
	pods = -1;
	cr_expect_eq(aibrix_scale_wake(-1, 0, 2, 50, &pods), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_wake(NAN, 0, 2, 50, &pods), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_wake(1, 0, 0, 50, &pods), AIBRIX_E_INVAL);
	cr_expect_eq(pods, -1);
}

/* Source: Knative pkg/reconciler/autoscaling/kpa/kpa.go. */
Test(scale_rules, proxies_bear_what_pods_do_and_the_burst)
{
	static const struct {
		uint32_t ready;
		double capacity, burst, one;
		int32_t want;
	} rows[] = {{10, 1000, 0, 100, 2}, {0, 100, 211, 0, 3},
		    {1, 100, 200, 100, 3}, {1, 100, 201, 100, 4},
		    {0, 10, 11, 100, 2},   {20, 100, -1, 0, 20},
		    {0, 100, -1, 0, 2},    {INT32_MAX, 1e15, 1, 1, INT32_MAX}};
	int32_t n = -7;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_eq(
			aibrix_scale_proxies(rows[i].ready, rows[i].capacity,
					     rows[i].burst, rows[i].one, &n),
			AIBRIX_OK);
		cr_expect_eq(n, rows[i].want, "%zu: %d", i, n);
	}
	n = -7;
	cr_expect_eq(aibrix_scale_proxies(1, NAN, 1, 1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_proxies(1, 1, INFINITY, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_proxies(1, 1, 1, -1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_proxies(UINT32_MAX, 1, 1, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_proxies(1, 1, 1, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(n, -7);
}

Test(scale_rules, every_reason_has_a_text)
{
	for (uint32_t i = 0; i <= AIBRIX_SCALE_PART_DATA; i++)
		cr_expect_str_neq(aibrix_scale_reason_text(i), "unknown");
	cr_expect_str_eq(aibrix_scale_reason_text(10), "unknown");
	cr_expect_str_eq(aibrix_scale_reason_text(UINT32_MAX), "unknown");
}
