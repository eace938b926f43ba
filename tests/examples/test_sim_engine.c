#include <criterion/criterion.h>

#include <math.h>

#include "sim/sim_capacity.h"
#include "sim/sim_engine.h"

/* A pod with round numbers: 1 us per token, 1 us per 1000 token pairs, 1 ms
 * for a look at the weights, nothing else. */
static const sim_pod_spec round_spec = {
	.name = "round",
	.flops_per_token = 1,
	.flops_per_pair = 1,
	.gemm_flops_per_s = 1e6,
	.attention_flops_per_s = 1e9,
	.weight_bytes = 1e6,
	.kv_bytes_per_token = 1,
	.memory_bytes_per_s = 1e9,
	.step_tokens = 1000,
	.max_running = 4,
	.kv_tokens = 1000000,
};

enum { JOBS = 8 };

typedef struct host {
	uint32_t room;   /* jobs that fit */
	uint32_t cached; /* tokens of each */
	uint64_t load_ns;
	uint32_t n_finished;
	uint64_t first_ns[JOBS];
	uint64_t end_ns[JOBS];
	uint64_t finished[JOBS]; /* ids in order */
} host;

static int
host_admit(void *ctx, sim_job *job, uint64_t now_ns)
{
	host *h = ctx;

	if (h->room == 0)
		return 0;
	h->room--;
	job->done_tokens = h->cached;
	job->ready_ns = now_ns + h->load_ns;
	return 1;
}

static void
host_prefilled(void *ctx, sim_job *job, uint64_t now_ns)
{
	host *h = ctx;

	h->first_ns[job->id] = now_ns;
}

static void
host_finished(void *ctx, sim_job *job, uint64_t now_ns)
{
	host *h = ctx;

	h->room++;
	h->end_ns[job->id] = now_ns;
	h->finished[h->n_finished++] = job->id;
}

static const sim_engine_ops host_ops = {host_admit, host_prefilled,
					host_finished};

static sim_engine *
new_engine(host *h)
{
	sim_engine *engine = sim_engine_new(&round_spec, &host_ops, h);

	cr_assert(engine);
	return engine;
}

static void
run(sim_engine *engine)
{
	uint64_t next_ns;

	while ((next_ns = sim_engine_next(engine)) != UINT64_MAX)
		sim_engine_advance(engine, next_ns);
}

static double
ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* 1500 tokens fill the first step of 1000: the second one is looked at when
 * the second step begins, and finds what the first one left. */
Test(sim_engine, who_admits_late_asks_when_a_prompt_has_its_turn)
{
	sim_pod_spec spec = round_spec;
	uint64_t admitted[2];

	for (uint32_t late = 0; late < 2; late++) {
		host h = {.room = 4};
		sim_job first = {.input_tokens = 1500, .output_tokens = 1};
		sim_job second = {
			.id = 1, .input_tokens = 1500, .output_tokens = 1};
		sim_engine *engine;

		spec.admits_late = late;
		engine = sim_engine_new(&spec, &host_ops, &h);
		cr_assert(engine);
		sim_engine_submit(engine, &first, 0);
		sim_engine_submit(engine, &second, 0);
		cr_expect_eq(h.room, late ? 3 : 2);
		admitted[late] = sim_engine_next(engine);
		sim_engine_advance(engine, admitted[late]);
		cr_expect_eq(h.room, 2, "the next step has room for 500");
		run(engine);
		cr_expect_eq(h.n_finished, 2);
		sim_engine_free(engine);
	}
	cr_expect_eq(admitted[0], admitted[1], "the steps are the same");
}

Test(sim_engine, prefill_is_linear_plus_quadratic_in_the_prompt)
{
	/* 1000 tokens: 1 ms linear, 500 500 pairs: 0.5005 ms. */
	cr_expect(fabs(sim_step_s(&round_spec, 1000, 0, 0, 0) - 1.5005e-3) <
		  1e-9);
	/* Behind 9000 others: 9 000 000 pairs more. */
	cr_expect(fabs(sim_step_s(&round_spec, 1000, 9000, 0, 0) - 10.5005e-3) <
		  1e-9);
}

Test(sim_engine, a_decode_step_grows_with_the_kv_that_is_resident)
{
	double one = sim_step_s(&round_spec, 0, 0, 1, 1000);
	double eight = sim_step_s(&round_spec, 0, 0, 8, 8000);

	/* Reading weights and KV is what a small batch takes. */
	cr_expect(fabs(one - 1.001e-3) < 1e-9);
	cr_expect(fabs(eight - 1.008e-3) < 1e-9);
}

Test(sim_engine, a_lone_request_gets_its_first_token_after_its_prefill)
{
	host h = {.room = 4};
	sim_engine *engine = new_engine(&h);
	sim_job job = {.input_tokens = 1000, .output_tokens = 3};

	sim_engine_submit(engine, &job, 5000000);
	run(engine);

	cr_expect(fabs(ms(h.first_ns[0]) - 6.5005) < 1e-3);
	/* Two more tokens, a step each: 1.001 ms and a little. */
	cr_expect(fabs(ms(h.end_ns[0]) - 8.5025) < 1e-2);
	cr_expect(sim_engine_jobs(engine) == 0);
	cr_expect(fabs(ms(sim_engine_busy_ns(engine)) - 3.5025) < 1e-2);
	sim_engine_free(engine);
}

Test(sim_engine, cached_tokens_are_not_computed_again)
{
	host h = {.room = 4, .cached = 900};
	sim_engine *engine = new_engine(&h);
	sim_job job = {.input_tokens = 1000, .output_tokens = 1};

	sim_engine_submit(engine, &job, 0);
	run(engine);

	/* 100 tokens and 95 050 pairs are below the 1.001 ms that reading
	 * weights and context takes. */
	cr_expect(fabs(ms(h.first_ns[0]) - 1.001) < 1e-3);
	cr_expect(h.end_ns[0] == h.first_ns[0]);
	sim_engine_free(engine);
}

Test(sim_engine, a_long_prompt_is_computed_in_pieces_that_attend_to_all_before)
{
	host h = {.room = 4};
	sim_engine *engine = new_engine(&h);
	sim_job job = {.input_tokens = 3000, .output_tokens = 1};

	sim_engine_submit(engine, &job, 0);
	run(engine);

	/* 3 ms and 4 501 500 pairs, however it is cut. */
	cr_expect(fabs(ms(h.first_ns[0]) - 7.5015) < 1e-3);
	sim_engine_free(engine);
}

Test(sim_engine, loads_are_waited_for_while_others_compute)
{
	host h = {.room = 4, .load_ns = 7000000};
	sim_engine *engine = new_engine(&h);
	sim_job slow = {.input_tokens = 1000, .output_tokens = 1, .id = 0};
	sim_job quick = {.input_tokens = 1000, .output_tokens = 1, .id = 1};

	sim_engine_submit(engine, &slow, 0);
	h.load_ns = 0;
	sim_engine_submit(engine, &quick, 0);
	run(engine);

	cr_expect(fabs(ms(h.first_ns[1]) - 1.5005) < 1e-3);
	cr_expect(fabs(ms(h.first_ns[0]) - 8.5005) < 1e-3);
	sim_engine_free(engine);
}

Test(sim_engine, requests_that_do_not_fit_wait_in_order)
{
	host h = {.room = 1};
	sim_engine *engine = new_engine(&h);
	sim_job jobs[3];

	for (uint64_t i = 0; i < 3; i++) {
		jobs[i] = (sim_job){
			.input_tokens = 100, .output_tokens = 5, .id = i};
		sim_engine_submit(engine, &jobs[i], 0);
	}
	run(engine);

	cr_expect(h.n_finished == 3);
	for (uint64_t i = 0; i < 3; i++)
		cr_expect(h.finished[i] == i);
	cr_expect(h.first_ns[1] > h.end_ns[0]);
	cr_expect(h.first_ns[2] > h.end_ns[1]);
	sim_engine_free(engine);
}

Test(sim_engine, requests_are_batched_and_end_by_their_own_length)
{
	host h = {.room = 4};
	sim_engine *engine = new_engine(&h);
	sim_job jobs[4];

	for (uint64_t i = 0; i < 4; i++) {
		jobs[i] = (sim_job){.input_tokens = 10,
				    .output_tokens = 40 - 10 * (uint32_t)i,
				    .id = i};
		sim_engine_submit(engine, &jobs[i], 0);
	}
	run(engine);

	cr_expect(h.n_finished == 4);
	for (uint64_t i = 0; i < 4; i++)
		cr_expect(h.finished[i] == 3 - i);
	/* Some forty steps of a good millisecond, not a hundred. */
	cr_expect(ms(h.end_ns[0]) < 45);
	sim_engine_free(engine);
}

Test(sim_engine, presets_are_what_their_data_sheets_say)
{
	sim_pod_spec spec;

	cr_assert(sim_preset_find("h100-llama3-8b", &spec) == 0);
	cr_expect(spec.kv_bytes_per_token == 131072);
	cr_expect(spec.flops_per_pair == 524288);
	/* (80 GB x 0.9 - 4 GB - 16.06 GB) / 128 KiB */
	cr_expect(spec.kv_tokens == 396270, "%llu",
		  (unsigned long long)spec.kv_tokens);
	cr_assert(sim_preset_find("h100-llama3-70b-tp4", &spec) == 0);
	cr_expect(spec.kv_bytes_per_token == 327680);
	cr_expect(sim_preset_find("abacus", &spec) == -1);
}

Test(sim_engine, capacity_of_two_pods_is_half_the_time_of_one)
{
	sim_request requests[JOBS];
	sim_workload workload = {.requests = requests, .n = JOBS};
	double one;
	double two;

	for (uint32_t i = 0; i < JOBS; i++)
		requests[i] =
			(sim_request){.input_tokens = 1000, .output_tokens = 1};
	one = sim_capacity_s(&round_spec, &workload, 1, 100, 128);
	two = sim_capacity_s(&round_spec, &workload, 2, 100, 128);

	cr_expect(fabs(one - 8 * 1.5005e-3) < 1e-6, "%g", one);
	cr_expect(fabs(two - 4 * 1.5005e-3) < 1e-6, "%g", two);
}
