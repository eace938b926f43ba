/* Defects of AIBrix's autoscaler, by their numbers in doc/DEFECTS.md. */

#include "scale_bed.h"

static void
bed_apa(struct bed *b, uint32_t pods, double value)
{
	bed_make(b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	bed_pods(b, pods);
	bed_tell(b, 0, value);
}

Test(scale, b1_kpa_takes_the_load_of_all_pods)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	bed_pods(&b, 10);
	bed_tell(&b, 0, 20);
	cr_expect_eq(bed_step(&b, 0), 20);

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_COMPAT);
	bed_pods(&b, 10);
	bed_tell(&b, 0, 20);
	b.o.panic_threshold = 1000;
	cr_expect_eq(bed_step(&b, 0), 5);
}

Test(scale, b2_a_failed_scrape_is_not_an_idle_deployment)
{
	for (uint32_t strategy = 0; strategy <= AIBRIX_SCALE_HPA; strategy++) {
		struct bed b;

		bed_make(&b, strategy, AIBRIX_SCALE_DEFAULT);
		bed_pods(&b, 8);
		bed_tell(&b, 0, 10);
		cr_expect_eq(bed_step(&b, 0), 8);
		bed_tell(&b, 0, NAN);
		for (int i = 1; i < 200; i++) {
			cr_expect_eq(bed_step(&b, 10 * i), 8);
			cr_expect_eq(b.d.valid, 0);
			cr_expect_eq(b.d.reason, AIBRIX_SCALE_NO_DATA);
		}
	}
}

Test(scale, b3_a_rise_waits_for_the_least_and_a_fall_for_the_most)
{
	struct bed b;

	bed_apa(&b, 8, 10);
	cr_expect_eq(bed_step(&b, 0), 8);
	bed_tell(&b, 0, 1);
	for (int i = 1; i < 30; i++)
		cr_assert_eq(bed_step(&b, 10 * i), 8, "%d", 10 * i);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_DOWN_WINDOW);
	cr_expect_lt(bed_step(&b, 360), 8);

	bed_apa(&b, 8, 10);
	b.o.up_window_ns = 60 * SECOND;
	cr_expect_eq(bed_step(&b, 0), 8);
	bed_tell(&b, 0, 100);
	cr_expect_eq(bed_step(&b, 10), 8);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_UP_WINDOW);
	cr_expect_gt(bed_step(&b, 70), 8);
}

Test(scale, b4_a_mean_of_minutes_ago_decides_nothing)
{
	struct bed b;

	bed_apa(&b, 2, 100);
	bed_step(&b, 0);
	bed_tell(&b, 0, 10);
	cr_expect_eq(bed_step(&b, 100), 2);
	cr_expect_eq(b.d.stable, 10);
}

Test(scale, b5_metrics_have_series_of_their_own)
{
	struct bed b;

	bed_apa(&b, 4, 10);
	b.o.n_metrics = 2;
	bed_state(&b);
	bed_tell(&b, 1, 12);
	bed_step(&b, 0);
	bed_tell(&b, 0, 14);
	bed_tell(&b, 1, 12);
	bed_step(&b, 10);
	cr_expect_eq(b.d.stable, 12);
	cr_expect_eq(b.d.metric, 0);
}

Test(scale, b6_pods_that_load_their_model_do_not_lower_the_mean)
{
	struct bed b;

	bed_apa(&b, 4, 15);
	for (int i = 2; i < 4; i++) {
		b.pods[i].ready = AIBRIX_SCALE_NOT_READY;
		b.values[0][i] = 0;
	}
	bed_step(&b, 0);
	cr_expect_eq(b.d.stable, 15);
	cr_expect_eq(b.d.ready, 2);
	cr_expect_eq(b.d.coming, 2);
}

/* 2 pods bear three times the target: 6 are enough, for as long as four of
 * them load.  Whether or not the caller lists those makes no difference. */
Test(scale, b7_replicas_do_not_grow_while_pods_start)
{
	for (uint32_t listed = 2; listed <= 6; listed += 4) {
		struct bed b;

		bed_apa(&b, 2, 30);
		cr_expect_eq(bed_step(&b, 0), 6);
		b.fleet.replicas = 6;
		b.fleet.n_pods = listed;
		for (uint32_t i = 2; i < listed; i++)
			b.pods[i].phase = AIBRIX_SCALE_PENDING;
		for (int i = 1; i < 30; i++)
			cr_assert_eq(bed_step(&b, 10 * i), 6);
	}
}

Test(scale, b7_aibrix_doubles_every_step)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_COMPAT);
	bed_pods(&b, 2);
	bed_tell(&b, 0, 30);
	for (int i = 0, want = 4; i < 4; i++, want *= 2) {
		cr_expect_eq(bed_step(&b, 10 * i), want);
		b.fleet.replicas = want;
	}
}

Test(scale, b8_panic_is_remembered)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	b.o.flags = AIBRIX_SCALE_DOWN_WINDOW_SET;
	bed_tell(&b, 0, 30);
	cr_expect_eq(bed_step(&b, 0), 3);
	cr_expect_eq(b.d.panic, 1);
	bed_pods(&b, 3);
	bed_tell(&b, 0, 0);
	cr_expect_eq(bed_step(&b, 30), 3);
	cr_expect_eq(b.d.panic, 1);
	cr_expect_lt(bed_step(&b, 61), 3);
	cr_expect_eq(b.d.panic, 0);
}

Test(scale, b10_rates_and_tolerances_are_checked)
{
	struct bed b;

	bed_apa(&b, 2, 10);
	b.o.max_up_rate = 1;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.max_up_rate = 0.5;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.max_up_rate = NAN;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.max_up_rate = 0;
	b.o.max_down_rate = -2;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.max_down_rate = 0;
	b.o.down_tolerance = 1;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.down_tolerance = -0.1;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.down_tolerance = 0;
	b.o.panic_threshold = 1;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.panic_threshold = 0;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_OK);
}

Test(scale, b11_to_zero_and_back)
{
	struct bed b;

	bed_apa(&b, 1, 0);
	b.o.flags = AIBRIX_SCALE_TO_ZERO | AIBRIX_SCALE_DOWN_WINDOW_SET;
	cr_expect_eq(bed_step(&b, 0), 1);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_GRACE);
	cr_expect_eq(bed_step(&b, 29), 1);
	cr_expect_eq(bed_step(&b, 30), 0);
	bed_pods(&b, 0);
	cr_expect_eq(bed_step(&b, 40), 0);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_ASLEEP);
	cr_expect_eq(b.d.valid, 1);
	b.fleet.queued = 7;
	cr_expect_eq(bed_step(&b, 41), 1);
	cr_expect_eq(b.d.reason, AIBRIX_SCALE_WAKE);
}

Test(scale, b12_a_target_below_one_is_not_cut_to_zero)
{
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_HPA, AIBRIX_SCALE_DEFAULT);
	bed_pods(&b, 4);
	b.metrics[0].target = 0.5;
	bed_tell(&b, 0, 1);
	cr_expect_eq(bed_step(&b, 0), 8);
	cr_expect_eq(b.d.utilization, 1000);
}

Test(scale, b13_a_policy_that_moves_nothing_is_refused)
{
	aibrix_scale_policy none = {AIBRIX_SCALE_BY_PERCENT, 0, SECOND};
	struct bed b;

	bed_make(&b, AIBRIX_SCALE_HPA, AIBRIX_SCALE_DEFAULT);
	b.o.up = &none;
	b.o.n_up = 1;
	cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	b.o.n_up = 0;
	b.o.up_select = AIBRIX_SCALE_SELECT_DISABLED;
	bed_tell(&b, 0, 100);
	cr_expect_eq(bed_step(&b, 0), 1);
}

Test(scale, a_request_that_waits_keeps_the_last_pod)
{
	struct bed b;

	bed_apa(&b, 1, 0);
	b.o.flags = AIBRIX_SCALE_TO_ZERO | AIBRIX_SCALE_DOWN_WINDOW_SET;
	b.fleet.queued = 1;
	for (int i = 0; i < 20; i++)
		cr_expect_eq(bed_step(&b, 10 * i), 1);
	b.fleet.queued = 0;
	cr_expect_eq(bed_step(&b, 200), 1);
	cr_expect_eq(bed_step(&b, 230), 0);
}
