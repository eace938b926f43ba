/*
 * One function a policy: the score of a row, lower is better, and what rows
 * may be chosen at all.  Ties are drawn.
 */
#include "sim_rival.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim_rand.h"

/* Preble's window. */
#define WINDOW_NS UINT64_C(180000000000)

enum { SENT = 1 << 16 }; /* requests in Preble's window, at most */

typedef struct sent {
	uint64_t at_ns;
	uint32_t row;
	double cost_s;
} sent;

struct sim_rival {
	double (*score)(const sim_rival *policy, const sim_seen *seen,
			uint32_t row);
	/* Facts about all rows, before any score; may be NULL. */
	void (*prepare)(sim_rival *policy, const sim_seen *seen);
	double low, high; /* of running requests, or of waiting ones */
	double best;      /* most blocks held */
	/* Preble: what was sent of late, as a ring, and sums by row. */
	sent *ring;
	uint32_t first, n;
	double *cost_s, *count;
};

static void
range_of(const double *values, uint32_t rows, double *low, double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (uint32_t i = 0; i < rows; i++) {
		*low = values[i] < *low ? values[i] : *low;
		*high = values[i] > *high ? values[i] : *high;
	}
}

static double
most_held(const sim_seen *seen)
{
	double low, high;

	range_of(seen->matched, seen->rows, &low, &high);
	return high;
}

/* Dynamo: prefill blocks that remain, and blocks being decoded. */
static double
dynamo_score(const sim_rival *policy, const sim_seen *seen, uint32_t row)
{
	double prefill = (seen->pending[row] + seen->prompt_tokens) /
				 seen->block_tokens -
			 seen->matched[row];

	(void)policy;
	return (prefill > 0 ? prefill : 0) + seen->blocks[row] +
	       ceil((double)seen->prompt_tokens / seen->block_tokens);
}

static void
llmd_prepare(sim_rival *policy, const sim_seen *seen)
{
	range_of(seen->waiting, seen->rows, &policy->low, &policy->high);
}

/* llm-d: 3 x share of the prompt held, 2 x free KV, 2 x short queue. */
static double
llmd_score(const sim_rival *policy, const sim_seen *seen, uint32_t row)
{
	double spread = policy->high - policy->low;
	double queue = spread > 0
			       ? 1 - (seen->waiting[row] - policy->low) / spread
			       : 1;
	double prefix =
		seen->n_blocks ? seen->matched[row] / seen->n_blocks : 0;

	return -(3 * prefix + 2 * (1 - seen->kv_usage[row]) + 2 * queue);
}

static void
sglang_prepare(sim_rival *policy, const sim_seen *seen)
{
	range_of(seen->running, seen->rows, &policy->low, &policy->high);
	policy->best = most_held(seen);
}

/* SGLang: the longest match above a half, unless load is uneven. */
static double
sglang_score(const sim_rival *policy, const sim_seen *seen, uint32_t row)
{
	int uneven = policy->high - policy->low > 32 &&
		     policy->high > 1.1 * policy->low;
	double held = policy->best * seen->block_tokens;

	if (!uneven && held > 0.5 * seen->prompt_tokens &&
	    seen->matched[row] < policy->best)
		return INFINITY;
	return seen->running[row];
}

/* Of n tokens to compute in a context of c: Preble's fit for an A6000, in
 * seconds. */
static double
preble_prefill_s(double n, double c)
{
	double ms = n >= 384   ? 0.10842571 * n + 4.209777054806409
		    : n >= 192 ? -118 + 1.25 * n - 2.56e-3 * n * n
			       : 22;

	ms += c > 1024 ? 1.86e-4 * c + 0.159 : 0.32;
	if (n >= 4096)
		ms += -7.37 + 3.86e-3 * n + 2.16e-6 * n * n;
	return ms / 0.9 / 1e3;
}

static void
preble_prepare(sim_rival *policy, const sim_seen *seen)
{
	while (policy->n &&
	       (policy->n == SENT ||
		policy->ring[policy->first].at_ns + WINDOW_NS < seen->now_ns)) {
		const sent *old = &policy->ring[policy->first];

		policy->cost_s[old->row] -= old->cost_s;
		policy->count[old->row]--;
		policy->first = (policy->first + 1) % SENT;
		policy->n--;
	}
	policy->best = most_held(seen);
}

/* Preble: holders of more than a half by requests sent, else by cost. */
static double
preble_score(const sim_rival *policy, const sim_seen *seen, uint32_t row)
{
	double held = policy->best * seen->block_tokens;

	if (held > 0.5 * seen->prompt_tokens)
		return seen->matched[row] < policy->best ? INFINITY
							 : policy->count[row];
	return policy->cost_s[row];
}

static void
preble_sent(sim_rival *policy, const sim_seen *seen, uint32_t row)
{
	const double decode_s = 45 * 0.15; /* tokens, and seconds of each */
	double left =
		seen->prompt_tokens - seen->matched[row] * seen->block_tokens;
	sent *s = &policy->ring[(policy->first + policy->n++) % SENT];

	*s = (sent){seen->now_ns, row,
		    preble_prefill_s(left, seen->prompt_tokens) + decode_s};
	policy->cost_s[row] += s->cost_s;
	policy->count[row]++;
}

static const struct {
	const char *name;
	double (*score)(const sim_rival *policy, const sim_seen *seen,
			uint32_t row);
	void (*prepare)(sim_rival *policy, const sim_seen *seen);
} policies[] = {
	{"preble", preble_score, preble_prepare},
	{"dynamo", dynamo_score, NULL},
	{"llm-d", llmd_score, llmd_prepare},
	{"sglang", sglang_score, sglang_prepare},
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

const char *
sim_rival_name(size_t i)
{
	return i < POLICIES ? policies[i].name : NULL;
}

sim_rival *
sim_rival_new(const char *name, uint32_t rows)
{
	sim_rival *policy;
	size_t i = 0;

	while (i < POLICIES && strcmp(policies[i].name, name) != 0)
		i++;
	if (i == POLICIES)
		return NULL;
	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return NULL;
	policy->score = policies[i].score;
	policy->prepare = policies[i].prepare;
	if (policy->score != preble_score)
		return policy;
	policy->ring = calloc(SENT, sizeof(*policy->ring));
	policy->cost_s = calloc(rows, sizeof(*policy->cost_s));
	policy->count = calloc(rows, sizeof(*policy->count));
	if (!policy->ring || !policy->cost_s || !policy->count) {
		sim_rival_free(policy);
		return NULL;
	}
	return policy;
}

void
sim_rival_free(sim_rival *policy)
{
	if (!policy)
		return;
	free(policy->ring);
	free(policy->cost_s);
	free(policy->count);
	free(policy);
}

uint32_t
sim_rival_pick(sim_rival *policy, const sim_seen *seen)
{
	sim_rand rand = {seen->entropy};
	double best = INFINITY;
	uint32_t row = 0, ties = 0;

	if (policy->prepare)
		policy->prepare(policy, seen);
	for (uint32_t i = 0; i < seen->rows; i++) {
		double score = policy->score(policy, seen, i);

		if (score > best)
			continue;
		ties = score < best ? 1 : ties + 1;
		best = score;
		if (sim_rand_unit(&rand) * ties < 1)
			row = i;
	}
	if (policy->ring)
		preble_sent(policy, seen, row);
	return row;
}
