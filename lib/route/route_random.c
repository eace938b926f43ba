/* Uniform over the candidates: all are equal, and equals are drawn by
 * entropy.  Both profiles: AIBrix's rule has nothing to improve. */

#include "route/route_internal.h"

static double
same_score(const struct route_view *view, uint32_t row)
{
	(void)view;
	(void)row;
	return 0;
}

const struct route_ops aibrix__route_random = {
	.reason = AIBRIX_REASON_RANDOM,
	.rank = {.score = same_score, .lower_is_better = 1},
	.alone = 1,
};
