/*
 * Several strategies, weighted.
 *
 * compat, AIBrix e3e10f9 (algorithms/router.go scoreAndRank): each score
 * becomes a number from 0 to 1 by the range of today's values, 0 when it is
 * not known; the highest weighted mean wins, a later one only by more than
 * 1e-9.  So 1 against 2 requests weighs as much as 1 against 200, and a row
 * without a metric is as bad as the worst one.
 *
 * default: scores are differences to the best in a unit that stays.
 *
 *	           sum  weight * |score - best| / unit
 *	total  =   -----------------------------------
 *	                     sum  weight
 *
 * The unit of a strategy is what one request more on a row is worth in its
 * score, so that totals are in requests and a small difference stays small
 * whatever the range.  A row without a score gets the middle between best and
 * worst: not known is neither good nor bad.  (The mean would depend on the
 * order in which it is summed.)
 */

#include "route/route_internal.h"

static const double epsilon = 1e-9;

/* Of one part of the policy, NaN when not known. */
static void
scores_of(const struct route_view *view, const uint32_t *rows, uint32_t n,
	  double *restrict out)
{
	aibrix__route_scores(view, &view->ops->rank, rows, n, out);
	for (uint32_t i = 0; i < n; i++)
		out[i] = finite_or_nan(out[i]);
}

static void
scale_open(const struct route_view *view, struct route_scale *s)
{
	uint32_t at = 0, n, room[ROUTE_BATCH];
	const uint32_t *rows;
	double scores[ROUTE_BATCH];

	*s = (struct route_scale){INFINITY, -INFINITY, 0, 0};
	while ((n = aibrix__route_batch(view->ask, &at, room, &rows))) {
		scores_of(view, rows, n, scores);
		for (uint32_t i = 0; i < n; i++) {
			double score = scores[i];

			s->low = score < s->low ? score : s->low;
			s->high = score > s->high ? score : s->high;
			s->scored += !isnan(score);
		}
	}
}

static double
share_compat(const struct route_view *view, const struct route_scale *s,
	     double score)
{
	double share;

	if (isnan(score))
		return 0;
	if (s->high == s->low)
		return 1;
	share = (view->ops->rank.lower_is_better ? s->high - score
						 : score - s->low) /
		(s->high - s->low);
	return isfinite(share) ? share : 0;
}

/* In requests. */
static double
share_default(const struct route_view *view, const struct route_scale *s,
	      double score)
{
	if (s->scored == 0)
		return 0;
	if (isnan(score))
		score = s->low / 2 + s->high / 2;
	score = view->ops->rank.lower_is_better ? score - s->low
						: s->high - score;
	return view->ops->unit ? score / view->ops->unit(view) : score;
}

static void
combined_scores(const struct route_view *view, const uint32_t *rows, uint32_t n,
		double *restrict out)
{
	const struct route_views *views = view->views;
	int compat = view->route->profile == AIBRIX_PROFILE_COMPAT;
	double scores[ROUTE_BATCH];

	for (uint32_t k = 0; k < n; k++)
		out[k] = 0;
	for (uint32_t i = 0; i < views->n; i++) {
		const struct route_view *part = &views->view[i];
		const struct route_scale *s = &views->scale[i];

		scores_of(part, rows, n, scores);
		for (uint32_t k = 0; k < n; k++)
			out[k] += s->weight *
				  (compat ? share_compat
					  : share_default)(part, s, scores[k]);
	}
}

double
aibrix__route_combined(const struct route_views *views, uint32_t row)
{
	double total;

	combined_scores(&views->view[0], &row, 1, &total);
	return total;
}

static const struct route_rank combined = {.scores = combined_scores,
					   .lower_is_better = 1};

/* Of equals the first. */
static void
combine_compat(const struct route_views *views, struct route_choice *out)
{
	double best = -INFINITY;
	uint32_t at = 0, row;

	out->ties = 0;
	while (ask_next(views->view[0].ask, &at, &row)) {
		double total = aibrix__route_combined(views, row);

		if (total > best + epsilon) {
			best = total;
			out->row = row;
			out->ties = 0;
		}
		out->ties += total >= best - epsilon;
	}
}

void
aibrix__route_combine(struct route_views *views, struct route_choice *out)
{
	const struct route_view *view = &views->view[0];
	uint64_t weights = 0;
	uint32_t scored = 0;

	for (uint32_t i = 0; i < views->n; i++)
		weights += view->ask->policy->part[i].coefficient;
	for (uint32_t i = 0; i < views->n; i++) {
		struct route_scale *s = &views->scale[i];

		scale_open(&views->view[i], s);
		s->weight = (double)view->ask->policy->part[i].coefficient /
			    (double)weights;
		scored += s->scored;
	}
	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		combine_compat(views, out);
	else
		aibrix__route_choose(view, &combined, out);
	out->scored = scored;
	out->reason = AIBRIX_REASON_COMBINED;
}
