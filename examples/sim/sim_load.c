/*
 * A curve becomes arrivals: operational time, in which requests come at rate
 * one, is run through the inverse of the curve's integral.  Chat messages are
 * a Poisson process there; generated kinds keep their own pattern, sessions
 * and all.
 *
 * What a request needs of a pod is its prompt's time in seconds (as the
 * engine model has it, alone) and so much for each token of the answer that
 * all together need what a saturated pod needs for them.
 */
#include "sim_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_capacity.h"
#include "sim_rand.h"
#include "sim_trace.h"

enum { NEED_S = 10, SAMPLE = 3000, BLOCK_TOKENS = 128, REQUESTS_MAX = 4000000 };

/* Azure's conversations of 2023 (Splitwise, ISCA 2024): medians 1 020 tokens
 * in and 129 out; means 1 155 and 211. */
static void
chat_draw(sim_rand *rand, sim_request *request)
{
	double in = sim_rand_lognormal(rand, 1020, 0.5);
	double out = sim_rand_lognormal(rand, 129, 0.99);

	request->input_tokens = in < 1 ? 1 : in > 32000 ? 32000 : (uint32_t)in;
	request->output_tokens = out < 1      ? 1
				 : out > 4000 ? 4000
					      : (uint32_t)out;
}

typedef struct price {
	double token_s, pair_s; /* of the prompt */
	double out_s;           /* of a token of the answer */
} load_price;

static double
prompt_s(const load_price *price, double tokens)
{
	return tokens * price->token_s + tokens * tokens / 2 * price->pair_s;
}

static double
request_s(const load_price *price, const sim_request *request)
{
	return prompt_s(price, request->input_tokens) +
	       request->output_tokens * price->out_s;
}

/* -1: out of memory. */
static int
price_find(const sim_pod_spec *spec, const sim_workload *workload,
	   load_price *price)
{
	sim_workload some = *workload;
	double all_s, out = 0;

	if (some.n > SAMPLE)
		some.n = SAMPLE;
	price->token_s = spec->flops_per_token / spec->gemm_flops_per_s;
	price->pair_s = spec->flops_per_pair / spec->attention_flops_per_s;
	price->out_s = 0;
	all_s = sim_capacity_s(spec, &some, 1, spec->kv_tokens / BLOCK_TOKENS,
			       BLOCK_TOKENS);
	if (isnan(all_s))
		return -1;
	for (size_t i = 0; i < some.n; i++) {
		all_s -= prompt_s(price, some.requests[i].input_tokens);
		out += some.requests[i].output_tokens;
	}
	if (all_s > 0 && out > 0)
		price->out_s = all_s / out;
	return 0;
}

static double
mean_s(const load_price *price, const sim_workload *workload)
{
	size_t n = workload->n < SAMPLE ? workload->n : SAMPLE;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += request_s(price, &workload->requests[i]);
	return sum / (double)n;
}

/* n chat messages with lengths, all at 0. */
static int
chat_make(sim_workload *workload, size_t n, uint64_t seed)
{
	sim_rand rand = {sim_mix(seed)};

	for (size_t i = 0; i < n; i++) {
		sim_request request = {0};

		chat_draw(&rand, &request);
		if (sim_workload_add(workload, &request, NULL) != 0)
			return -1;
	}
	return 0;
}

static int
requests_make(const sim_shape *shape, size_t n, uint64_t seed,
	      sim_workload *workload)
{
	return shape->kind
		       ? sim_workload_generate(workload, shape->kind, n, seed)
		       : chat_make(workload, n, seed);
}

/* The curve's integral at each second, with noise that lasts half a minute,
 * to end at 1. */
static double *
curve_make(const sim_shape *shape, const sim_load_opts *opts, size_t seconds)
{
	double *upto = calloc(seconds + 1, sizeof(*upto));
	sim_rand rand = {sim_mix(opts->seed ^ 0x6375727665)};
	double noise = 0, keep = exp(-1 / 30.0);

	for (size_t s = 0; upto && s < seconds; s++) {
		double step = log(sim_rand_lognormal(&rand, 1, 0.15));

		noise = keep * noise + sqrt(1 - keep * keep) * step;
		upto[s + 1] = upto[s] + shape->rate((double)s / (double)seconds,
						    opts->seconds, opts->seed) *
						exp(noise);
	}
	for (size_t s = 0; upto && s <= seconds; s++)
		upto[s] /= upto[seconds] > 0 && s < seconds ? upto[seconds] : 1;
	if (upto)
		upto[seconds] = 1;
	return upto;
}

/* Chat messages come at random, but all within the run: times of n points
 * that are uniform in operational time are a Poisson process, given n. */
static void
times_draw(sim_workload *workload, uint64_t seed)
{
	sim_rand rand = {sim_mix(seed ^ 0x74696d6573)};
	double sum = 0;

	for (size_t i = 0; i < workload->n; i++) {
		sum += sim_rand_exponential(&rand, 1);
		workload->requests[i].arrival_ns = (uint64_t)(sum * 1e9);
	}
}

static void
times_warp(sim_workload *workload, const double *upto, size_t seconds)
{
	const sim_request *last = &workload->requests[workload->n - 1];
	double span = (double)last->arrival_ns + 1;
	size_t s = 0;

	for (size_t i = 0; i < workload->n; i++) {
		double at = (double)workload->requests[i].arrival_ns / span;
		double rise;

		while (s + 1 < seconds && upto[s + 1] <= at)
			s++;
		rise = upto[s + 1] - upto[s];
		workload->requests[i].arrival_ns =
			(uint64_t)(1e9 *
				   ((double)s +
				    (rise > 0 ? (at - upto[s]) / rise : 0)));
	}
}

static int
need_fill(const sim_load_opts *opts, const load_price *price, sim_load *load)
{
	uint32_t n = (uint32_t)(opts->seconds / NEED_S);
	double *raw = calloc(n + 2, sizeof(*raw));

	load->need = calloc(n + 1, sizeof(*load->need));
	if (!raw || !load->need) {
		free(raw);
		return -1;
	}
	load->n_need = n;
	for (size_t i = 0; i < load->workload.n; i++) {
		const sim_request *request = &load->workload.requests[i];
		uint64_t at =
			request->arrival_ns / (UINT64_C(1000000000) * NEED_S);

		if (at < n)
			raw[at] +=
				request_s(price, request) / NEED_S / opts->full;
	}
	/* Half a minute together: single requests are not load. */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t from = i ? i - 1 : 0;
		uint32_t to = i + 1 < n ? i + 1 : i;
		double sum = 0;

		for (uint32_t k = from; k <= to; k++)
			sum += raw[k];
		load->need[i] = sum / (to - from + 1);
		load->mean += load->need[i] / n;
		if (load->need[i] > load->peak)
			load->peak = load->need[i];
	}
	free(raw);
	return 0;
}

static int
arrivals_make(const sim_shape *shape, const sim_load_opts *opts,
	      load_price *price, sim_load *load)
{
	size_t seconds = (size_t)opts->seconds;
	sim_workload some = {0};
	double *upto = NULL;
	double n = 0;
	int failed = requests_make(shape, SAMPLE, opts->seed, &some) ||
		     price_find(opts->spec, &some, price);

	if (!failed)
		n = opts->pods * opts->full * opts->seconds /
		    mean_s(price, &some);
	sim_workload_clear(&some);
	if (!failed)
		upto = curve_make(shape, opts, seconds);
	failed = failed || !upto || !(n >= 1 && n <= REQUESTS_MAX) ||
		 requests_make(shape, (size_t)n, opts->seed, &load->workload);
	if (!failed) {
		if (!shape->kind)
			times_draw(&load->workload, opts->seed);
		times_warp(&load->workload, upto, seconds);
	}
	free(upto);
	return failed ? -1 : 0;
}

static int
trace_make(const sim_load_opts *opts, load_price *price, sim_load *load,
	   char *error, size_t error_bytes)
{
	sim_workload *workload = &load->workload;

#ifdef SIM_HAVE_JANSSON
	if (opts->trace && sim_trace_read(opts->trace, REQUESTS_MAX, workload,
					  error, error_bytes) != 0)
		return -1;
#endif
	if (workload->n == 0) {
		snprintf(error, error_bytes, "no requests: --trace FILE%s",
#ifdef SIM_HAVE_JANSSON
			 "");
#else
			 ", and jansson when it is built");
#endif
		return -1;
	}
	while (workload->n > 0 &&
	       (double)workload->requests[workload->n - 1].arrival_ns >=
		       opts->seconds * 1e9)
		workload->n--;
	return workload->n ? price_find(opts->spec, workload, price) : -1;
}

int
sim_load_make(const sim_shape *shape, const sim_load_opts *opts, sim_load *load,
	      char *error, size_t error_bytes)
{
	load_price price;
	int failed;

	*load = (sim_load){0};
	snprintf(error, error_bytes, "out of memory, or too many requests");
	failed = shape->rate
			 ? arrivals_make(shape, opts, &price, load)
			 : trace_make(opts, &price, load, error, error_bytes);
	failed = failed || need_fill(opts, &price, load);
	if (failed)
		sim_load_clear(load);
	return failed ? -1 : 0;
}

void
sim_load_clear(sim_load *load)
{
	sim_workload_clear(&load->workload);
	free(load->need);
	*load = (sim_load){0};
}
