#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include <aibrix/aibrix.h>

#include "sim/sim_fleet.h"
#include "sim/sim_load.h"
#include "sim/sim_rand.h"

#define SECOND UINT64_C(1000000000)

typedef struct bed {
	sim_pod_spec spec;
	sim_load load;
	sim_fleet_opts opts;
	uint64_t draws, asks;
	int32_t pods;
	uint64_t newest_ns; /* of any sample */
} test_bed;

static int
decide_fixed(void *ctx, const sim_fleet_view *view, int32_t *replicas)
{
	const test_bed *bed = ctx;

	(void)view;
	*replicas = bed->pods;
	return 0;
}

/* Anything from 0 to 7. */
static int
decide_wild(void *ctx, const sim_fleet_view *view, int32_t *replicas)
{
	test_bed *bed = ctx;

	(void)view;
	*replicas = (int32_t)(sim_mix(bed->draws++) % 8);
	return 0;
}

/* What the next ten seconds will need. */
static int
decide_exact(void *ctx, const sim_fleet_view *view, int32_t *replicas)
{
	const test_bed *bed = ctx;
	uint64_t i = (view->now_ns + SECOND) / (10 * SECOND);

	*replicas =
		i < bed->load.n_need ? (int32_t)ceil(bed->load.need[i]) + 1 : 1;
	return 0;
}

static void
bed_make(test_bed *bed, const char *shape, double pods, double seconds)
{
	sim_load_opts load = {
		.spec = &bed->spec,
		.seconds = seconds,
		.pods = pods,
		.full = 0.75,
		.seed = 1,
	};
	char error[256];

	*bed = (test_bed){0};
	cr_assert(sim_preset_find("h100-llama3-8b", &bed->spec) == 0);
	cr_assert(sim_load_make(sim_shape_find(shape), &load, &bed->load, error,
				sizeof(error)) == 0,
		  "%s", error);
	bed->opts = (sim_fleet_opts){
		.spec = &bed->spec,
		.workload = &bed->load.workload,
		.strategy = "least-request",
		.decide = decide_fixed,
		.ctx = bed,
		.period_ns = 10 * SECOND,
		.end_ns = (uint64_t)seconds * SECOND,
		.scrape_ns = 10 * SECOND,
		.slo_ttft_s = 1,
		.slo_itl_s = 0.05,
		.seed = 1,
		.first_pods = 2,
		.max_pods = 8,
	};
	bed->pods = 2;
}

Test(sim_fleet, every_request_arrives_once_and_ends_once)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "spikes", 2, 600);
	bed.opts.decide = decide_wild;
	bed.opts.start_s = 15;
	bed.opts.start_sigma = 0.3;
	bed.opts.scrape_loss = 0.1;
	cr_assert(sim_fleet_run(&bed.opts, &result) == AIBRIX_OK);

	cr_expect(bed.load.workload.n > 1000);
	cr_expect(result.arrived == bed.load.workload.n);
	cr_expect(result.finished == bed.load.workload.n);
	cr_expect(result.lost == 0);
	cr_expect(result.changes > 20);
	cr_expect(result.turns <= result.changes);
	cr_expect(result.n_marks == 60);
	sim_fleet_result_clear(&result);
	sim_load_clear(&bed.load);
}

Test(sim_fleet, requests_that_nobody_serves_are_counted_lost)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "steady", 0.2, 100);
	bed.opts.first_pods = 0;
	bed.pods = 0;
	cr_assert(sim_fleet_run(&bed.opts, &result) == AIBRIX_OK);

	cr_expect(result.arrived == bed.load.workload.n);
	cr_expect(result.finished == 0);
	cr_expect(result.lost == bed.load.workload.n);
	cr_expect(result.pod_s == 0);
	cr_expect(isnan(result.ttft_s_mean));
	sim_fleet_result_clear(&result);
	sim_load_clear(&bed.load);
}

Test(sim_fleet, a_fixed_fleet_is_paid_for_pods_times_time)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "steady", 1, 600);
	cr_assert(sim_fleet_run(&bed.opts, &result) == AIBRIX_OK);

	cr_expect(fabs(result.pod_s - 2 * 600) < 1e-6, "%g", result.pod_s);
	cr_expect(result.changes == 0 && result.turns == 0);
	cr_expect(result.peak == 2);
	for (uint32_t i = 0; i < result.n_marks; i++)
		cr_expect(result.marks[i].ready == 2 &&
			  result.marks[i].paid == 2);
	sim_fleet_result_clear(&result);
	sim_load_clear(&bed.load);
}

Test(sim_fleet, pods_that_follow_the_need_at_once_attain_all)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "diurnal", 3, 900);
	bed.opts.decide = decide_exact;
	/* Answers of two tokens, one of them beside others' prompts. */
	bed.opts.slo_itl_s = 0.3;
	bed.opts.first_pods = (uint32_t)ceil(bed.load.need[0]) + 1;
	bed.opts.max_pods = 16;
	cr_assert(sim_fleet_run(&bed.opts, &result) == AIBRIX_OK);

	cr_expect(result.in_slo == result.arrived, "%llu of %llu",
		  (unsigned long long)result.in_slo,
		  (unsigned long long)result.arrived);
	cr_expect(result.lost == 0);
	/* One pod more than is needed, and what is rounded up. */
	cr_expect(result.pod_s > 900 * (bed.load.mean + 1));
	cr_expect(result.pod_s < 900 * (bed.load.mean + 2.2));
	sim_fleet_result_clear(&result);
	sim_load_clear(&bed.load);
}

/* 2 pods, and from the first step on 4. */
static int
decide_four(void *ctx, const sim_fleet_view *view, int32_t *replicas)
{
	test_bed *bed = ctx;

	*replicas = 4;
	bed->asks++;
	for (uint32_t i = 0; i < view->n_pods; i++) {
		uint64_t at_ns = view->samples[i].at_ns;

		cr_expect(at_ns <= view->now_ns);
		cr_expect(at_ns == 0 || view->now_ns - at_ns < 10 * SECOND + 1);
		cr_expect(at_ns == 0 ||
			  view->pods[i].phase == AIBRIX_SCALE_RUNNING);
		if (at_ns > bed->newest_ns)
			bed->newest_ns = at_ns;
	}
	return 0;
}

Test(sim_fleet, a_pod_is_ready_when_it_has_started_and_seen_when_scraped)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "steady", 1, 300);
	bed.opts.decide = decide_four;
	bed.opts.start_s = 100; /* sigma 0: all alike */
	cr_assert(sim_fleet_run(&bed.opts, &result) == AIBRIX_OK);

	/* Asked for at 10 s: ready at 110 s, paid for from 10 s on. */
	cr_expect(bed.asks >= 29);
	cr_expect(bed.newest_ns > 280 * SECOND);
	cr_expect(result.marks[9].ready == 2 && result.marks[9].paid == 4);
	cr_expect(result.marks[11].ready == 4);
	cr_expect(fabs(result.pod_s - (2 * 300 + 2 * 290)) < 1e-6);
	sim_fleet_result_clear(&result);
	sim_load_clear(&bed.load);
}

static int
decide_error(void *ctx, const sim_fleet_view *view, int32_t *replicas)
{
	(void)ctx;
	(void)view;
	*replicas = 3;
	return AIBRIX_E_STATE;
}

Test(sim_fleet, what_a_scaler_complains_of_ends_the_run)
{
	test_bed bed;
	sim_fleet_result result;

	bed_make(&bed, "steady", 1, 100);
	bed.opts.decide = decide_error;
	cr_expect(sim_fleet_run(&bed.opts, &result) == AIBRIX_E_STATE);
	cr_expect(result.marks == NULL && result.arrived == 0);
	sim_load_clear(&bed.load);
}

Test(sim_load, shapes_are_in_order_within_the_run_and_need_what_was_asked_for)
{
	for (size_t i = 0; sim_shape_at(i); i++) {
		const sim_shape *shape = sim_shape_at(i);
		const sim_request *requests;
		test_bed bed;
		uint64_t last_ns = 0;

		if (!shape->rate)
			continue;
		bed_make(&bed, shape->name, 3, 1200);
		requests = bed.load.workload.requests;
		for (size_t k = 0; k < bed.load.workload.n; k++) {
			cr_assert(requests[k].arrival_ns >= last_ns);
			last_ns = requests[k].arrival_ns;
		}
		cr_expect(last_ns < 1200 * SECOND);
		cr_expect(last_ns > 1000 * SECOND);
		cr_expect(bed.load.n_need == 120);
		cr_expect(bed.load.mean > 2.4 && bed.load.mean < 3.6, "%s: %g",
			  shape->name, bed.load.mean);
		cr_expect(bed.load.peak >= bed.load.mean);
		sim_load_clear(&bed.load);
	}
}

Test(sim_load, a_trace_that_is_not_there_is_said)
{
	sim_pod_spec spec;
	sim_load_opts opts = {
		.spec = &spec, .seconds = 60, .pods = 1, .full = 1};
	sim_load load;
	char error[256] = "";

	cr_assert(sim_preset_find("h100-llama3-8b", &spec) == 0);
	cr_expect(sim_load_make(sim_shape_find("trace"), &opts, &load, error,
				sizeof(error)) == -1);
	cr_expect(strstr(error, "--trace"));
}
