/*
 * Stages: each strategy narrows what the one before it left, and the last
 * one chooses.
 *
 * compat (AIBrix's "chained"): a stage leaves its best and their equals.  A
 * score in tokens or seconds has hardly any equals, so there the first stage
 * decides and the rest is decoration.  default: a stage leaves what is within
 * one request's worth of its best (route_ops.unit), so that the next one has
 * something to choose from.
 *
 * A stage that knows nothing of anyone left is skipped.  Nothing is copied:
 * a stage is a range of scores, and who is in all ranges is still there.
 */

#include "route/route_internal.h"

static int
stages_pass(const struct route_views *views, uint32_t n, uint32_t row)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct route_scale *s = &views->scale[i];
		double score;

		if (s->scored == 0)
			continue;
		score = view_score(&views->view[i], row);
		if (!(score >= s->low && score <= s->high))
			return 0;
	}
	return 1;
}

/* The range that stage i leaves. */
static void
stage_open(struct route_views *views, uint32_t i)
{
	const struct route_view *view = &views->view[i];
	struct route_scale *s = &views->scale[i];
	double band = 0;
	uint32_t at = 0, row;

	*s = (struct route_scale){INFINITY, -INFINITY, 0, 0};
	while (route_next(view, &at, &row)) {
		double score = view_score(view, row);

		if (isnan(score) || !stages_pass(views, i, row))
			continue;
		s->low = score < s->low ? score : s->low;
		s->high = score > s->high ? score : s->high;
		s->scored++;
	}
	if (view->route->profile == AIBRIX_PROFILE_DEFAULT)
		band = view->ops->unit ? view->ops->unit(view) : 1;
	if (view->ops->rank.lower_is_better && s->low + band < s->high)
		s->high = s->low + band;
	else if (!view->ops->rank.lower_is_better && s->high - band > s->low)
		s->low = s->high - band;
}

static double
left_score(const struct route_view *view, uint32_t row)
{
	return stages_pass(view->views, view->views->n - 1, row) ? 0 : NAN;
}

/* By the last stage, lower first. */
static double
left_then(const struct route_view *view, uint32_t row)
{
	const struct route_view *last = &view->views->view[view->views->n - 1];
	double score = view_score(last, row);

	return last->ops->rank.lower_is_better ? score : -score;
}

static const struct route_rank left = {left_score, left_then,
				       .lower_is_better = 1};

double
aibrix__route_chained(const struct route_views *views, uint32_t row)
{
	if (!stages_pass(views, views->n - 1, row))
		return NAN;
	return view_score(&views->view[views->n - 1], row);
}

void
aibrix__route_chain(struct route_views *views, struct route_choice *out)
{
	uint32_t scored = 0;

	for (uint32_t i = 0; i < views->n; i++) {
		stage_open(views, i);
		scored += views->scale[i].scored;
	}
	aibrix__route_choose(&views->view[0], &left, out);
	out->scored = scored;
	out->reason = AIBRIX_REASON_CHAINED;
}
