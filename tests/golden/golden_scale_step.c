/*
 * The pipeline, row by row: what AIBrix's code (podautoscaler_controller.go,
 * computeScaleDecision and stabilizeRecommendation) does, worked out by hand,
 * beside what ours does.
 */

#include "scale/scale_internal.h"
#include "scale_bed.h"

struct rec {
	int32_t replicas;
	uint64_t age_s;
};

static int32_t
settled(uint32_t profile, int c, int plain, uint64_t up_s, uint64_t down_s,
	struct rec rec)
{
	static const aibrix_scale_metric metric = {.target = 1};
	static const aibrix_scale_policy far[] = {
		{AIBRIX_SCALE_BY_PODS, 100, SECOND}};
	aibrix_scale_opts o = {.size = sizeof(o),
			       .strategy = AIBRIX_SCALE_APA,
			       .profile = profile,
			       .flags = AIBRIX_SCALE_DOWN_WINDOW_SET,
			       .max_replicas = 100,
			       .metrics = &metric,
			       .n_metrics = 1,
			       .up = far,
			       .n_up = 1,
			       .down = far,
			       .n_down = 1,
			       .up_window_ns = up_s * SECOND,
			       .down_window_ns = down_s * SECOND};
	aibrix_scale_state s = {.strategy = AIBRIX_SCALE_APA};
	struct step st = {.now_ns = BED_START, .s = &s, .wanted = plain};

	cr_assert_eq(aibrix__plan_load(&st.plan, &o), AIBRIX_OK);
	st.fleet.replicas = c;
	if (rec.replicas) {
		uint64_t at = BED_START - rec.age_s * SECOND;

		aibrix__advice_add(&s.low, 0, rec.replicas, at);
		aibrix__advice_add(&s.high, 1, rec.replicas, at);
	}
	aibrix__step_settle(&st);
	return st.d.replicas;
}

Test(scale_step, stz01_to_stz07_stabilisation)
{
	static const struct {
		int id, c, plain;
		uint64_t up, down;
		struct rec rec;
		int aibrix, fixed;
	} rows[] = {
		{1, 4, 5, 60, 300, {8, 30}, 8, 5},
		{2, 4, 8, 60, 300, {5, 30}, 8, 5},
		{4, 10, 2, 0, 300, {9, 100}, 2, 9},
		{5, 10, 10, 0, 300, {2, 10}, 10, 10},
		{6, 4, 9, 0, 300, {0, 0}, 9, 9},
		{7, 10, 2, 0, 300, {9, 300}, 2, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int32_t compat =
			settled(AIBRIX_SCALE_COMPAT, rows[i].c, rows[i].plain,
				rows[i].up, rows[i].down, rows[i].rec);
		int32_t ours =
			settled(AIBRIX_SCALE_DEFAULT, rows[i].c, rows[i].plain,
				rows[i].up, rows[i].down, rows[i].rec);

		cr_expect_eq(compat, rows[i].aibrix, "stz%02d: aibrix %d",
			     rows[i].id, compat);
		cr_expect_eq(ours, rows[i].fixed, "stz%02d: ours %d",
			     rows[i].id, ours);
	}
}

Test(scale_step, pip01_a_deployment_parked_at_zero_stays_there)
{
	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct bed b;

		bed_make(&b, AIBRIX_SCALE_KPA, profile);
		bed_pods(&b, 0);
		cr_expect_eq(bed_step(&b, 0), 0);
		cr_expect_eq(b.d.reason, AIBRIX_SCALE_PARKED);
		cr_expect_eq(b.d.valid, 1);
	}
}

/* The metric is of the deployment, and wants three pods. */
static void
bed_zero(struct bed *b, uint32_t strategy, uint32_t profile)
{
	bed_make(b, strategy, profile);
	b->o.flags = AIBRIX_SCALE_TO_ZERO;
	b->metrics[0].kind = AIBRIX_SCALE_TOTAL;
	b->v[0].values = NULL;
	b->v[0].total = 30;
	bed_state(b);
	bed_pods(b, 0);
}

Test(scale_step, pip02_out_of_zero)
{
	struct bed b;

	bed_zero(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_COMPAT);
	cr_expect_eq(bed_step(&b, 0), 1);
	bed_zero(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_COMPAT);
	cr_expect_eq(bed_step(&b, 0), 0);

	bed_zero(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	cr_expect_eq(bed_step(&b, 0), 3);
	bed_zero(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	cr_expect_eq(bed_step(&b, 0), 3);
	bed_zero(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	b.v[0].total = 0;
	b.fleet.queued = 25;
	b.o.wake_target = 10;
	cr_expect_eq(bed_step(&b, 0), 3);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_WAKE);
}

Test(scale_step, pip04_a_scheduled_minimum_raises_a_deployment_at_zero)
{
	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct bed b;

		bed_make(&b, AIBRIX_SCALE_APA, profile);
		bed_pods(&b, 0);
		b.o.min_replicas = 4;
		b.fleet.flags = AIBRIX_SCALE_MIN_SCHEDULED;
		cr_expect_eq(bed_step(&b, 0), 4);
		cr_expect_eq(b.d.reason, AIBRIX_SCALE_UNDER_MIN);
	}
}

/* Four pods; of the first metric nothing is known. */
static void
bed_partial(struct bed *b, uint32_t profile, double other)
{
	bed_make(b, AIBRIX_SCALE_APA, profile);
	b->o.n_metrics = 2;
	b->o.flags = AIBRIX_SCALE_DOWN_WINDOW_SET;
	bed_state(b);
	bed_pods(b, 4);
	bed_tell(b, 0, NAN);
	bed_tell(b, 1, other);
}

Test(scale_step, pip05_one_of_two_fails_and_the_other_wants_less)
{
	struct bed b;

	bed_partial(&b, AIBRIX_SCALE_COMPAT, 1);
	cr_expect_eq(bed_step(&b, 0), 2);
	bed_partial(&b, AIBRIX_SCALE_DEFAULT, 1);
	cr_expect_eq(bed_step(&b, 0), 4);
	cr_expect_eq(b.d.valid, 0);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_PART_DATA);
	cr_expect_eq(b.d.failed, 1);
}

Test(scale_step, pip06_one_of_two_fails_and_the_other_wants_more)
{
	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct bed b;

		bed_partial(&b, profile, 15);
		cr_expect_eq(bed_step(&b, 0), 6);
		cr_expect_eq(b.d.reason, AIBRIX_SCALE_ABOVE_TARGET);
		cr_expect_eq(b.d.metric, 1);
	}
}

Test(scale_step, pip07_all_fail)
{
	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct bed b;

		bed_partial(&b, profile, NAN);
		cr_expect_eq(bed_step(&b, 0), 4);
		cr_expect_eq(b.d.valid, 0);
		cr_expect_eq(b.d.reason, AIBRIX_SCALE_NO_DATA);
	}
}

Test(scale_step, kn34_and_kn35_no_sample_and_no_count_of_pods)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	bed_tell(&b, 0, NAN);
	cr_expect_eq(bed_step(&b, 0), 1);
	cr_expect_eq(b.d.valid, 0);
	cr_expect_eq(b.d.panic, 0);

	bed_tell(&b, 0, 1000);
	b.fleet.flags = AIBRIX_SCALE_PODS_UNKNOWN;
	cr_expect_eq(bed_step(&b, 2), 1);
	cr_expect_eq(b.d.valid, 0);
	cr_expect_eq(b.d.panic, 0);
}

Test(scale_step, apa12_and_apa13_of_two_metrics_the_larger_counts)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_COMPAT);
	b.o.n_metrics = 2;
	b.o.max_replicas = 6;
	b.o.max_up_rate = 4;
	b.metrics[0].target = 50;
	b.metrics[1].target = 30;
	bed_state(&b);
	bed_tell(&b, 0, 70);
	bed_tell(&b, 1, 75);
	cr_expect_eq(bed_step(&b, 0), 3);
	cr_expect_eq(b.d.metric, 1);
}

Test(scale_step, abx06_two_pods_are_recorded_as_their_mean)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_COMPAT);
	bed_pods(&b, 2);
	b.values[0][0] = 30;
	b.values[0][1] = 50;
	bed_step(&b, 0);
	cr_expect_eq(b.d.stable, 40);
}

Test(scale_step, abx09_a_list_adds_up_and_an_empty_one_is_an_error)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_COMPAT);
	b.metrics[0].kind = AIBRIX_SCALE_TOTAL;
	bed_pods(&b, 2);
	b.values[0][0] = 40;
	b.values[0][1] = 60;
	bed_step(&b, 0);
	cr_expect_eq(b.d.stable, 100);
	b.fleet.n_pods = 0;
	bed_step(&b, 10);
	cr_expect_eq(b.d.valid, 0);
}
