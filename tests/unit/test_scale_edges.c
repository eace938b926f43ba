/* A deployment at its edges: nothing in it, nobody ready, numbers as large as
 * they get.  What is missing or odd is in test_scale_rules. */

#include "scale_bed.h"

enum { STRATEGIES = 3 };

static void
bed_full(struct bed *b, uint32_t strategy, uint32_t pods, double value)
{
	bed_make(b, strategy, AIBRIX_SCALE_DEFAULT);
	bed_pods(b, pods);
	bed_tell(b, 0, value);
}

static void
expect_held(struct bed *b, int32_t replicas)
{
	cr_expect_eq(bed_step(b, 0), replicas);
	cr_expect_eq(b->d.valid, 0);
	cr_expect_eq(b->d.reason, AIBRIX_SCALE_NO_DATA);
	cr_expect_eq(b->d.failed, 1);
}

Test(scale_edges, no_pod_to_ask_is_no_reason_to_change)
{
	for (uint32_t s = 0; s < STRATEGIES; s++) {
		struct bed b;

		bed_full(&b, s, 5, 100);
		b.fleet.n_pods = 0;
		expect_held(&b, 5);
		b.fleet.pods = NULL;
		expect_held(&b, 5);
	}
}

Test(scale_edges, pods_of_which_none_is_ready_say_nothing)
{
	for (uint32_t s = 0; s < STRATEGIES; s++) {
		struct bed b;

		bed_full(&b, s, 5, 0);
		if (s == AIBRIX_SCALE_HPA) {
			b.metrics[0].flags = AIBRIX_SCALE_CPU;
			for (int i = 0; i < 5; i++)
				b.pods[i].started_ns = 0;
		}
		for (int i = 0; i < 5; i++)
			b.pods[i].ready = AIBRIX_SCALE_NOT_READY;
		expect_held(&b, 5);
		cr_expect_eq(b.d.ready, 0);
		cr_expect_eq(b.d.coming, 5);
	}
}

Test(scale_edges, pods_that_start_fail_or_leave_say_nothing)
{
	static const uint32_t phases[] = {
		AIBRIX_SCALE_ABSENT, AIBRIX_SCALE_PENDING, AIBRIX_SCALE_FAILED,
		AIBRIX_SCALE_LEAVING};

	for (uint32_t s = 0; s < STRATEGIES; s++)
		for (size_t k = 0; k < sizeof(phases) / sizeof(*phases); k++) {
			struct bed b;

			bed_full(&b, s, 5, 0);
			for (int i = 0; i < 5; i++)
				b.pods[i].phase = phases[k];
			expect_held(&b, 5);
		}
}

/* Knative's goes up a thousand times what is ready and no farther. */
Test(scale_edges, replicas_end_at_the_largest_number)
{
	for (uint32_t s = 0; s < STRATEGIES; s += AIBRIX_SCALE_HPA) {
		struct bed b;

		bed_full(&b, s, 4, 1e18);
		b.o.max_replicas = INT32_MAX;
		b.fleet.replicas = INT32_MAX - 1;
		b.metrics[0].target = 1e-3;
		bed_step(&b, 0);
		cr_expect_eq(b.d.valid, 1);
		cr_expect_geq(b.d.wanted, INT32_MAX - 1, "%u", s);
		cr_expect_geq(b.d.replicas, INT32_MAX - 1);
	}
}

Test(scale_edges, a_load_beyond_all_pods_is_met_by_the_maximum)
{
	static const aibrix_scale_policy far[] = {
		{AIBRIX_SCALE_BY_PERCENT, INT32_MAX, SECOND}};

	for (uint32_t s = 0; s < STRATEGIES; s++) {
		struct bed b;

		bed_full(&b, s, 4, 1e18);
		b.o.up = far;
		b.o.n_up = 1;
		cr_expect_eq(bed_step(&b, 0), 50);
		cr_expect_eq(b.d.limited_by, AIBRIX_SCALE_BY_MAX);
	}
}

/* ---- cpu ---- */

static void
bed_cpu(struct bed *b, double *requests, double usage, double request)
{
	bed_full(b, AIBRIX_SCALE_HPA, 4, usage);
	b->metrics[0].kind = AIBRIX_SCALE_UTILIZATION;
	b->metrics[0].flags = AIBRIX_SCALE_CPU;
	b->metrics[0].target = 50;
	for (int i = 0; i < BED_PODS; i++)
		requests[i] = request;
	b->v[0].requests = requests;
}

/* 2^63 thousandths are 9.2e15 cores: sums stop there and do not turn. */
Test(scale_edges, cpu_quantities_stop_at_63_bits)
{
	double requests[BED_PODS];
	struct bed b;

	bed_cpu(&b, requests, 9.3e15, 9.3e15);
	bed_step(&b, 0);
	cr_expect_eq(b.d.valid, 1);
	cr_expect_eq(b.d.utilization, 100);
	cr_expect_eq(b.d.wanted, 8);

	bed_cpu(&b, requests, 1e18, 1e-3);
	bed_step(&b, 0);
	cr_expect_eq(b.d.wanted, INT32_MAX);

	bed_cpu(&b, requests, 1e-3, 1e18);
	bed_step(&b, 0);
	cr_expect_eq(b.d.utilization, 0);
	cr_expect_eq(b.d.wanted, 0);
	cr_expect_eq(b.d.replicas, 4);
	cr_expect_eq(b.d.held_by, AIBRIX_SCALE_BY_DOWN_WINDOW);
}

Test(scale_edges, a_request_that_is_none_makes_no_proposal)
{
	static const double none[] = {0, -1, NAN, 1e19, INFINITY, -INFINITY};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		double requests[BED_PODS];
		struct bed b;

		bed_cpu(&b, requests, 1, 1);
		requests[3] = none[i];
		expect_held(&b, 4);
	}
}

/* ---- panic ---- */

Test(scale_edges, an_idle_deployment_does_not_panic)
{
	struct bed b;

	bed_full(&b, AIBRIX_SCALE_KPA, 1, 0);
	bed_step(&b, 0);
	cr_expect_eq(b.d.panic, 0);
	cr_expect_eq(b.d.stable, 0);
	bed_tell(&b, 0, 300);
	bed_step(&b, 10);
	cr_expect_eq(b.d.panic, 1);
}

/* A tenfold burst at four pods: each step the pods that are there share it,
 * and pods come at once. */
static int
seconds_to_meet(uint32_t strategy, uint32_t profile)
{
	struct bed b;
	int second = 0;

	bed_make(&b, strategy, profile);
	bed_pods(&b, 4);
	for (; second <= 300; second += 10) {
		bed_tell(&b, 0, 10);
		bed_step(&b, second);
	}
	for (int from = second; second < from + 3600; second += 10) {
		bed_tell(&b, 0, 400.0 / b.fleet.replicas);
		if (bed_step(&b, second) >= 36)
			return second - from;
		bed_pods(&b, (uint32_t)b.d.replicas);
	}
	return 3600;
}

/* At most 100 % in 15 s, and a step each 10 s: 4, 8, 16, 32, 40. */
Test(scale_edges, w11_a_tenfold_burst_is_met_in_a_minute)
{
	cr_expect_eq(seconds_to_meet(AIBRIX_SCALE_APA, 0), 60);
	cr_expect_eq(seconds_to_meet(AIBRIX_SCALE_KPA, 0), 60);
	cr_expect_eq(seconds_to_meet(AIBRIX_SCALE_HPA, 0), 60);
}
