/*
 * When is a tier worth asking?
 *
 * Engines decide it by a constant per token; but a prompt's last tokens cost
 * more to compute than its first ones, and bandwidth is what it is today.
 *
 * One after the other, what a block saves grows with its position, so the
 * best number of blocks is one end of what is allowed.  Side by side, loading
 * takes longer with every block and the rest shorter, so the best number is
 * where they meet.
 */

#include <aibrix/cache_worth.h>

#include <math.h>

#include "base/versioned.h"

static const double MARGIN = 0.1;

struct choice {
	aibrix_cache_costs c;
	double start, tokens;
};

static double
load_ns(const struct choice *w, uint64_t n)
{
	double bytes = (double)n * (double)w->c.block_bytes;

	return n ? w->c.latency_ns + bytes / w->c.bytes_per_s * 1e9 : 0;
}

static double
compute_ns(const struct choice *w, double from, double to)
{
	double before = (from + to) / 2; /* of a token, on the mean */

	return (to - from) * (w->c.token_ns + w->c.position_ns * before);
}

static double
position_after(const struct choice *w, uint64_t n)
{
	return w->start + (double)n * (double)w->c.block_tokens;
}

static double
rest_ns(const struct choice *w, uint64_t n)
{
	return compute_ns(w, position_after(w, n), w->tokens);
}

static double
time_ns(const struct choice *w, uint64_t n)
{
	double load = load_ns(w, n), rest = rest_ns(w, n);

	if (!(w->c.flags & AIBRIX_CACHE_OVERLAP))
		return load + rest;
	return load > rest ? load : rest;
}

/* The first number of blocks up to n for which loading takes more than the
 * rest, or than what the caller would wait; n + 1: none. */
static uint64_t
first_late(const struct choice *w, uint64_t n, int against_rest)
{
	uint64_t low = 1, high = n + 1;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		double bound = against_rest ? rest_ns(w, middle)
					    : (double)w->c.max_wait_ns;

		if (load_ns(w, middle) > bound)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint64_t
blocks_best(const struct choice *w, uint64_t hit)
{
	uint64_t most = hit, other = 1, allowed;

	if (w->c.max_wait_ns)
		most = first_late(w, hit, 0) - 1;
	if (most == 0)
		return 0;
	if (w->c.flags & AIBRIX_CACHE_OVERLAP) {
		allowed = most;
		other = first_late(w, most, 1);
		most = other - 1;
		if (other > allowed)
			return most;
	}
	return time_ns(w, other) < time_ns(w, most) ? other : most;
}

static int
costs_valid(const aibrix_cache_costs *c)
{
	return !(c->flags & ~(uint32_t)AIBRIX_CACHE_OVERLAP) &&
	       c->block_tokens && c->block_bytes && c->bytes_per_s > 0 &&
	       isfinite(c->bytes_per_s) && c->latency_ns >= 0 &&
	       isfinite(c->latency_ns) && c->token_ns >= 0 &&
	       isfinite(c->token_ns) && c->position_ns >= 0 &&
	       isfinite(c->position_ns) && c->margin < 1;
}

int
aibrix_cache_worth(const aibrix_cache_costs *costs, uint64_t start,
		   uint64_t tokens, uint64_t hit, uint64_t *n)
{
	enum { COSTS_V1 = STRUCT_UPTO(aibrix_cache_costs, max_wait_ns) };
	struct choice w = {.start = (double)start, .tokens = (double)tokens};
	double saved, margin;
	uint64_t best;
	int err;

	if (!costs || !n)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&w.c, sizeof(w.c), costs, COSTS_V1);
	if (err)
		return err;
	if (!costs_valid(&w.c) || start > tokens ||
	    hit > (tokens - start) / w.c.block_tokens)
		return AIBRIX_E_INVAL;

	best = blocks_best(&w, hit);
	margin = w.c.margin > 0 ? w.c.margin : w.c.margin < 0 ? 0 : MARGIN;
	saved = time_ns(&w, 0) - time_ns(&w, best);
	if (!(saved >
	      margin * compute_ns(&w, w.start, position_after(&w, best))))
		best = 0;
	*n = best;
	return AIBRIX_OK;
}
