/*
 * When is L2 asked, and for how long?
 *
 * Whether asking pays is known afterwards: a store that was fast can hang.
 * So two things decide.  What is expected, from what L2 took lately, says
 * whether it is asked; that makes it good on the mean.  And an account says
 * what may be lost; that makes it safe, however wrong the expectation is:
 *
 *   acquire   credit += computing / 50;  credit -= risk
 *   waiting   until now - asked > risk + computing that has been saved
 *   settled   credit += risk + saved - waited, up to its maximum
 *
 * A lease's loss is its risk at most, so the credit is never below zero by
 * more than poll was late, and the sum of all losses is never above the first
 * credit and what was added.  Gains fill it up again, but no further, so a
 * store that is good by day cannot spend by night what it has earned.
 *
 * The first measurement after a failure replaces the mean, as a store that
 * is back is not the one that hung; a failure only says "more than": twice
 * the wait, which makes the next lease refuse or wait longer.
 */

#include <aibrix/cache.h>

#include <math.h>

#include "cache/cache_internal.h"

static const double CREDIT_NS = 1e9, SHARE = 0.02, RISK = 0.1, RATE_MAX = 1e18;

/* How much of a wait is usual: four deviations, as TCP has it (RFC 6298). */
enum { DEVIATIONS = 4, SLACK = 4 };

static const uint64_t RETRY_MIN_NS = 100000000, RETRY_MAX_NS = 30000000000;
static const uint64_t STALE_NS = 1000000000;

/* Of a token: days.  All sums stay finite. */
static const double COST_MAX = 1e15;

int
aibrix__budget_set(struct budget *b, const aibrix_cache_opts *o)
{
	if (!(o->token_ns >= 0 && o->token_ns <= COST_MAX) ||
	    !(o->position_ns >= 0 && o->position_ns <= COST_MAX) ||
	    !(o->min_lack_ratio >= 0 && o->min_lack_ratio <= 1))
		return AIBRIX_E_INVAL;
	b->token_ns = o->token_ns;
	b->position_ns = o->position_ns;
	b->lack_ratio = o->min_lack_ratio;
	b->lack_blocks = o->min_lack_blocks;
	b->token_wait_ns = o->token_wait_ns;
	b->credit_max_ns = o->l2_risk_ns ? (double)o->l2_risk_ns : CREDIT_NS;
	b->credit_ns = b->credit_max_ns;
	return AIBRIX_OK;
}

/* Of blocks from..to, from the prompt's beginning. */
static double
blocks_ns(const aibrix_cache *cache, uint64_t from, uint64_t to)
{
	const struct budget *b = &cache->budget;
	double first = (double)from * cache->block_tokens;
	double end = (double)to * cache->block_tokens;

	return (end - first) *
	       (b->token_ns + b->position_ns * (first + end) / 2);
}

/* How many blocks are expected to pay. */
static uint64_t
blocks_worth(const aibrix_cache *cache, uint64_t good, uint64_t n)
{
	const struct budget *b = &cache->budget;
	aibrix_cache_costs c = {.size = sizeof(c),
				.block_tokens = cache->block_tokens,
				.block_bytes = cache->block_bytes,
				.bytes_per_s = RATE_MAX,
				.latency_ns = b->latency_ns,
				.token_ns = b->token_ns,
				.position_ns = b->position_ns};
	uint64_t worth = 0;

	if (b->byte_ns > 1e9 / RATE_MAX)
		c.bytes_per_s = 1e9 / b->byte_ns;
	if (aibrix_cache_worth(&c, good * cache->block_tokens,
			       n * cache->block_tokens, n - good, &worth))
		return 0;
	return worth;
}

/* What this lease may lose; 0: L2 is not asked.  *n: for how many blocks. */
static double
risk_of(aibrix_cache *cache, uint64_t good, uint64_t *n, uint64_t now_ns)
{
	struct budget *b = &cache->budget;
	double cost = blocks_ns(cache, good, *n), risk = cost * RISK;
	double usual = b->latency_ns + DEVIATIONS * b->deviation_ns;
	uint64_t worth = blocks_worth(cache, good, *n);

	b->credit_ns += cost * SHARE;
	if (b->credit_ns > b->credit_max_ns)
		b->credit_ns = b->credit_max_ns;
	if (b->retry_ns || !worth || usual > risk) {
		/* One is let through now and then, unless L2 at its best
		   would be too slow for it. */
		uint64_t pause = b->retry_ns ? b->retry_ns : STALE_NS;

		if (now_ns < b->tried_ns + pause || b->best_ns >= risk)
			return 0;
		b->tried_ns = now_ns;
	} else {
		/* Not all of it, as others want to ask at the same time. */
		if (usual > 0 && risk > SLACK * usual)
			risk = SLACK * usual;
		if (usual > b->credit_ns)
			return 0;
		*n = good + worth;
	}
	return b->credit_ns < risk ? b->credit_ns : risk;
}

static uint64_t
after(uint64_t now_ns, double ns)
{
	if (ns >= (double)(AIBRIX_FOREVER - now_ns))
		return AIBRIX_FOREVER;
	return now_ns + (uint64_t)ns;
}

static void
deadline_lower(struct lease *l, uint64_t at_ns)
{
	if (!l->deadline_ns || at_ns < l->deadline_ns)
		l->deadline_ns = at_ns;
}

int
aibrix__budget_open(aibrix_cache *cache, struct lease *l, uint64_t good,
		    uint64_t now_ns)
{
	struct budget *b = &cache->budget;
	uint64_t lack = l->n - good, n = l->n;
	double tokens = (double)lack * cache->block_tokens;

	l->asked_ns = now_ns;
	l->asked_at = good;
	if (lack < b->lack_blocks ||
	    (double)lack < b->lack_ratio * (double)l->n) {
		cache->stat.l2_skipped += lack;
		return 0;
	}
	if (b->token_wait_ns)
		deadline_lower(
			l, after(now_ns, tokens * (double)b->token_wait_ns));
	if (b->token_ns + b->position_ns <= 0)
		return 1;
	l->risk_ns = risk_of(cache, good, &n, now_ns);
	if (!(l->risk_ns > 0)) {
		l->risk_ns = 0;
		cache->stat.l2_skipped += lack;
		return 0;
	}
	b->credit_ns -= l->risk_ns;
	cache->stat.l2_skipped += l->n - n;
	aibrix__lease_fail(cache, l, n, AIBRIX_E_UNAVAILABLE);
	deadline_lower(l,
		       after(now_ns, l->risk_ns + blocks_ns(cache, good, n)));
	return 1;
}

void
aibrix__budget_arrival(const aibrix_cache *cache, struct lease *l)
{
	if (!l->arrived++)
		l->first_ns = cache->now_ns;
	l->last_ns = cache->now_ns;
}

uint64_t
aibrix__budget_limit(const aibrix_cache *cache, struct lease *l)
{
	uint64_t good, limit;

	if (!(l->risk_ns > 0))
		return l->deadline_ns;
	good = aibrix__lease_good(l);
	limit = after(l->asked_ns,
		      l->risk_ns + blocks_ns(cache, l->asked_at, good));
	return l->deadline_ns && l->deadline_ns < limit ? l->deadline_ns
							: limit;
}

static void
mean_move(double *mean, double sample, double share)
{
	*mean += (sample - *mean) * share;
}

/* L2 gave some of it, in time. */
static void
measure_good(struct budget *b, const struct lease *l, uint64_t block_bytes)
{
	double latency = (double)(l->first_ns - l->asked_ns);
	double bytes = (double)(l->arrived - 1) * (double)block_bytes;

	if (b->retry_ns || b->tried_ns == 0) {
		b->latency_ns = latency;
		b->deviation_ns = latency / 8;
	}
	mean_move(&b->deviation_ns, fabs(latency - b->latency_ns), 0.25);
	mean_move(&b->latency_ns, latency, 0.125);
	if (bytes > 0)
		mean_move(&b->byte_ns,
			  (double)(l->last_ns - l->first_ns) / bytes,
			  b->retry_ns ? 1 : 0.125);
	if (b->tried_ns == 0 || latency < b->best_ns)
		b->best_ns = latency;
	b->retry_ns = 0;
}

/* Nothing came before the time was over, or no more. */
static void
measure_late(struct budget *b, const struct lease *l, uint64_t now_ns,
	     uint64_t block_bytes)
{
	double waited = (double)(now_ns - l->asked_ns);

	if (!l->arrived) {
		if (b->latency_ns < 2 * waited)
			b->latency_ns = 2 * waited;
	} else {
		mean_move(&b->byte_ns,
			  2 * (double)(now_ns - l->first_ns) /
				  ((double)l->arrived * (double)block_bytes),
			  0.5);
	}
	b->retry_ns = b->retry_ns ? 2 * b->retry_ns : RETRY_MIN_NS;
	if (b->retry_ns > RETRY_MAX_NS)
		b->retry_ns = RETRY_MAX_NS;
}

void
aibrix__budget_close(aibrix_cache *cache, struct lease *l, int given_up)
{
	struct budget *b = &cache->budget;
	uint64_t now =
		cache->now_ns > l->asked_ns ? cache->now_ns : l->asked_ns;
	uint64_t good = l->n > l->asked_at ? l->n : l->asked_at;
	double waited = (double)(now - l->asked_ns);
	double saved = blocks_ns(cache, l->asked_at, good);

	if (l->prefetch)
		return;
	cache->stat.l2_late += l->late;
	cache->stat.l2_wait_ns += now - l->asked_ns;
	cache->stat.l2_saved_ns += after(0, saved);
	if (!(l->risk_ns > 0))
		return;
	b->credit_ns += l->risk_ns + saved - waited;
	if (b->credit_ns > b->credit_max_ns)
		b->credit_ns = b->credit_max_ns;
	l->risk_ns = 0;
	if (given_up)
		return;
	if (l->late)
		measure_late(b, l, now, cache->block_bytes);
	else if (l->arrived)
		measure_good(b, l, cache->block_bytes);
	else if (b->latency_ns < waited)
		b->latency_ns = waited; /* to learn that it has nothing */
	b->tried_ns = now;
}
