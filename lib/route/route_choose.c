/*
 * The choice among candidates: one pass, no memory.
 *
 * Ties are part of the answer, not an accident of order.  The default
 * profile gives each owner a number that follows from the entropy and from
 * who it is, and the lowest wins: the same owner whatever rows the table and
 * whatever order the caller has, and no two gateways with different entropy
 * herd to one pod.  The compat profile draws uniformly among equals in the
 * caller's order (AIBrix shuffles its list), by keeping the k-th equal with
 * probability 1 / k, or keeps the first or the last as AIBrix does there.
 * Rows without a score are always drawn: that is its random fallback.
 */

#include "route/route_internal.h"

#include "base/rand.h"

struct place {
	uint32_t row;
	double score; /* lower is better, NaN: not known */
	double then;  /* worked out when there is an equal score */
	uint64_t lot; /* drawn when there is an equal */
};

/* As strcmp, lower first and NaN last. */
static int
number_compare(double a, double b)
{
	if (isnan(a) || isnan(b))
		return !!isnan(a) - !!isnan(b);
	return (a > b) - (a < b);
}

/* Stable: a log of inputs replays with any later version. */
uint64_t
aibrix__route_lot(const aibrix_owner *owner, uint64_t entropy)
{
	const uint64_t golden = 0x9e3779b97f4a7c15u; /* as in SplitMix64 */

	return mix64(entropy ^ mix64(mix64(owner->pod) + golden + owner->rank));
}

/* Whether p takes the place of its equal best, the ties-th among equals. */
static int
place_takes(const struct route_view *view, enum route_tie tie,
	    struct place *best, struct place *p, uint32_t ties, uint64_t *state)
{
	const uint64_t entropy = view->request->entropy;
	const aibrix_owner *a = &view->ask->fleet.owners[p->row];
	const aibrix_owner *b = &view->ask->fleet.owners[best->row];

	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		return tie == TIE_DRAWN ? rand_below(state, ties) == 0
					: tie == TIE_LAST;
	if (ties == 2)
		best->lot = aibrix__route_lot(b, entropy);
	p->lot = aibrix__route_lot(a, entropy);
	if (p->lot != best->lot)
		return p->lot < best->lot;
	return a->pod != b->pod ? a->pod < b->pod : a->rank < b->rank;
}

static double
then_of(const struct route_view *view, const struct route_rank *rank,
	const struct place *p)
{
	return rank->then && !isnan(p->score) ? rank->then(view, p->row) : 0;
}

/* Below 0: p is better. */
static int
place_compare(const struct route_view *view, const struct route_rank *rank,
	      struct place *p, struct place *best, uint32_t ties)
{
	int order = number_compare(p->score, best->score);

	if (order)
		return order;
	if (ties == 1)
		best->then = then_of(view, rank, best);
	p->then = then_of(view, rank, p);
	return number_compare(p->then, best->then);
}

/* Lower for the better, NaN when not known. */
static void
scores_load(const struct route_view *view, const struct route_rank *rank,
	    const uint32_t *rows, uint32_t n, double *restrict scores)
{
	const double sign = rank->lower_is_better ? 1 : -1;

	aibrix__route_scores(view, rank, rows, n, scores);
	for (uint32_t i = 0; i < n; i++)
		scores[i] = finite_or_nan(sign * scores[i]);
}

void
aibrix__route_choose(const struct route_view *view,
		     const struct route_rank *rank, struct route_choice *out)
{
	uint64_t state = view->request->entropy;
	struct place best = {0, NAN, 0, 0};
	uint32_t at = 0, n, room[ROUTE_BATCH];
	const uint32_t *rows;
	double scores[ROUTE_BATCH];

	out->scored = 0;
	out->ties = 0;
	while ((n = aibrix__route_batch(view->ask, &at, room, &rows))) {
		scores_load(view, rank, rows, n, scores);
		out->scored += n;
		for (uint32_t i = 0; i < n; i++) {
			struct place p;
			int order = -1;

			/* Nearly all rows end here. */
			if (scores[i] > best.score)
				continue;
			p = (struct place){rows[i], scores[i], 0, 0};
			out->scored -= !!isnan(p.score);
			if (out->ties)
				order = place_compare(view, rank, &p, &best,
						      out->ties);
			if (order > 0)
				continue;
			out->ties = order < 0 ? 1 : out->ties + 1;
			if (order < 0 ||
			    place_takes(view,
					isnan(p.score) ? TIE_DRAWN : rank->tie,
					&best, &p, out->ties, &state))
				best = p;
		}
	}
	out->row = best.row;
}
