/*
 * Lengths that have passed, and what is planned from them.
 *
 * The lengths are a histogram of 8 bins to the octave, up to 2^21 tokens.
 * Old prompts fade by halves; instead of making all bins less with each
 * prompt the newest count for more, and now and then all are made less at
 * once, so a prompt costs O(1).
 */

#include <aibrix/pd_buckets.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/versioned.h"
#include "pd/pd_buckets_internal.h"

enum { GROUPS_DEFAULT = 64 };

static const uint64_t half_life_default_ns = 30000000000u;
static const uint64_t refresh_default_ns = 5000000000u;
static const double unit_max = 1099511627776.0; /* 2^40 */

static int
opts_load(aibrix_pd_buckets_opts *o, const aibrix_pd_buckets_opts *from,
	  aibrix_allocator *alloc)
{
	int err =
		aibrix__struct_load(o, sizeof(*o), from,
				    STRUCT_UPTO(aibrix_pd_buckets_opts, alloc));

	if (!err)
		err = aibrix__allocator_load(alloc, o->alloc);
	if (err)
		return err;
	if (o->mode > AIBRIX_PD_BUCKETS_REQUESTS || o->spare ||
	    o->max_groups > AIBRIX_PD_GROUPS_MAX)
		return AIBRIX_E_INVAL;
	if (o->max_groups == 0)
		o->max_groups = GROUPS_DEFAULT;
	if (o->half_life_ns == 0)
		o->half_life_ns = half_life_default_ns;
	if (o->refresh_ns == 0)
		o->refresh_ns = refresh_default_ns;
	return AIBRIX_OK;
}

int
aibrix_pd_buckets_new(const aibrix_pd_buckets_opts *opts,
		      aibrix_pd_buckets **out)
{
	aibrix_pd_buckets_opts o;
	aibrix_allocator a;
	aibrix_pd_buckets *b;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = opts_load(&o, opts, &a);
	if (err)
		return err;
	b = aibrix__alloc(&a, 1, sizeof(*b));
	if (!b)
		return AIBRIX_E_NOMEM;
	b->alloc = a;
	b->mode = o.mode;
	b->max_groups = o.max_groups;
	b->half_life_ns = o.half_life_ns;
	b->refresh_ns = o.refresh_ns;
	for (uint32_t i = 1; i <= BINS; i++)
		b->starts[i] = exp2((double)i / OCTAVE);
	b->groups = aibrix__alloc(&a, o.max_groups, sizeof(*b->groups));
	b->needs = aibrix__alloc(&a, o.max_groups, sizeof(*b->needs));
	b->chosen = aibrix__alloc(&a, o.max_groups, sizeof(*b->chosen));
	b->bounds =
		aibrix__alloc(&a, 2 * (size_t)o.max_groups, sizeof(*b->bounds));
	b->segments = aibrix__alloc(&a, 2 * (size_t)o.max_groups,
				    sizeof(*b->segments));
	b->order =
		aibrix__alloc(&a, 2 * (size_t)o.max_groups, sizeof(*b->order));
	if (!b->groups || !b->needs || !b->chosen || !b->bounds ||
	    !b->segments || !b->order) {
		aibrix_pd_buckets_free(b);
		return AIBRIX_E_NOMEM;
	}
	*out = b;
	return AIBRIX_OK;
}

void
aibrix_pd_buckets_free(aibrix_pd_buckets *b)
{
	aibrix_allocator a;
	size_t n;

	if (!b)
		return;
	a = b->alloc;
	n = b->max_groups;
	aibrix__free(&a, b->groups, n, sizeof(*b->groups));
	aibrix__free(&a, b->needs, n, sizeof(*b->needs));
	aibrix__free(&a, b->chosen, n, sizeof(*b->chosen));
	aibrix__free(&a, b->bounds, 2 * n, sizeof(*b->bounds));
	aibrix__free(&a, b->segments, 2 * n, sizeof(*b->segments));
	aibrix__free(&a, b->order, 2 * n, sizeof(*b->order));
	aibrix__free(&a, b, 1, sizeof(*b));
}

/* ---- what has passed */

static uint32_t
bin_of(uint64_t tokens)
{
	double bin = floor(log2((double)tokens) * OCTAVE);

	return bin < BINS ? (uint32_t)bin : BINS - 1;
}

/* What a prompt of now counts. */
static double
unit_of(aibrix_pd_buckets *b)
{
	double unit = exp2((double)(b->now_ns - b->base_ns) /
			   (double)b->half_life_ns);

	if (unit < unit_max)
		return unit;
	for (uint32_t i = 0; i < BINS; i++)
		b->weights[i] /= unit;
	b->base_ns = b->now_ns;
	return 1;
}

static void
prompt_count(aibrix_pd_buckets *b, uint64_t tokens)
{
	double unit = unit_of(b);

	if (b->mode == AIBRIX_PD_BUCKETS_TOKENS)
		unit *= (double)tokens;
	b->weights[bin_of(tokens)] += unit;
}

double
aibrix__pd_weight_below(const aibrix_pd_buckets *b, double x)
{
	double sum = 0;

	for (uint32_t i = 0; i < BINS; i++) {
		double lo = b->starts[i], hi = b->starts[i + 1];

		if (i == BINS - 1 && x > hi)
			hi = x;
		if (x >= hi) {
			sum += b->weights[i];
			continue;
		}
		if (x > lo)
			sum += b->weights[i] * (x - lo) / (hi - lo);
		break;
	}
	return sum;
}

double
aibrix__pd_length_at(const aibrix_pd_buckets *b, double weight)
{
	for (uint32_t i = 0; i < BINS; i++) {
		double lo = b->starts[i], hi = b->starts[i + 1];

		if (weight <= b->weights[i])
			return b->weights[i] > 0
				       ? lo + (hi - lo) * weight / b->weights[i]
				       : lo;
		weight -= b->weights[i];
	}
	return b->starts[BINS];
}

/* What is the same for the same groups, in any order. */
static uint64_t
groups_print(const aibrix_pd_group *groups, uint32_t n)
{
	uint64_t print = n + 1;

	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_group *g = &groups[i];
		uint64_t range = (uint64_t)g->min_tokens << 32 | g->max_tokens;

		print +=
			mix64(mix64(mix64(g->group + 1) ^ range) ^ g->replicas);
	}
	return print;
}

static int
groups_are_good(const aibrix_pd_buckets *b, const aibrix_pd_group *groups,
		uint32_t n)
{
	if (n > b->max_groups || (n > 0 && !groups))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (groups[i].spare)
			return 0;
	return 1;
}

int
aibrix_pd_buckets_step(aibrix_pd_buckets *b, uint64_t prompt_tokens,
		       uint64_t now_ns, const aibrix_pd_group *groups,
		       uint32_t n, aibrix_pd_band *band)
{
	uint64_t print;

	if (!b || !band || !groups_are_good(b, groups, n))
		return AIBRIX_E_INVAL;
	if (now_ns > b->now_ns)
		b->now_ns = now_ns;
	if (prompt_tokens == 0)
		return AIBRIX_E_NOT_FOUND;
	prompt_count(b, prompt_tokens);
	print = groups_print(groups, n);
	if (!b->planned || b->print != print ||
	    b->now_ns - b->planned_ns >= b->refresh_ns) {
		aibrix__pd_plan_make(b, groups, n);
		b->planned = 1;
		b->planned_ns = b->now_ns;
		b->print = print;
	}
	for (uint32_t i = 0; i < b->n_bands; i++)
		if (prompt_tokens >= b->bands[i].min_tokens &&
		    prompt_tokens <= b->bands[i].max_tokens) {
			*band = b->bands[i];
			return AIBRIX_OK;
		}
	return AIBRIX_E_NOT_FOUND;
}

int
aibrix_pd_buckets_plan(const aibrix_pd_buckets *b, aibrix_pd_band *bands,
		       uint32_t cap, uint32_t *n)
{
	if (!b || !n || (!bands && cap))
		return AIBRIX_E_INVAL;
	*n = b->n_bands;
	if (cap < b->n_bands)
		return AIBRIX_E_SPACE;
	if (b->n_bands)
		memcpy(bands, b->bands, b->n_bands * sizeof(*bands));
	return AIBRIX_OK;
}
