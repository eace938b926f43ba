/*
 * Power of two: of two rows drawn at random the one with fewer requests.
 * Counts that are old or shared late make the least row a magnet for every
 * gateway; two random ones are nearly as good and no magnet (Mitzenmacher
 * 2001).
 *
 * Default: the two owners with the lowest lots for this entropy, so that
 * neither the order of rows nor that of the list matters; requests for
 * their capacity; a row of unknown count loses to any other.
 */

#include "base/rand.h"
#include "route/route_internal.h"

enum { RUNNING, CAPACITY };

static double
requests_per_capacity(const struct route_view *view, uint32_t row)
{
	return view_count(view, RUNNING, row) /
	       view_capacity(view, CAPACITY, row);
}

static double
requests_or_zero(const struct route_view *view, uint32_t row)
{
	return view_get(view, RUNNING, row, 0);
}

/* first stands unless second has fewer. */
static void
choose_of(const struct route_view *view, uint32_t first, uint32_t second,
	  struct route_choice *out)
{
	double a = view_score(view, first), b = view_score(view, second);

	out->reason = AIBRIX_REASON_POWER_OF_TWO;
	out->scored = (uint32_t)(!isnan(a) + !isnan(b));
	out->ties = a == b && first != second ? 2 : 1;
	out->row = b < a || (isnan(a) && !isnan(b)) ? second : first;
}

struct lot {
	uint64_t number;
	const aibrix_owner *owner;
	uint32_t row;
};

static int
lot_below(const struct lot *a, const struct lot *b)
{
	if (a->number != b->number)
		return a->number < b->number;
	if (a->owner->pod != b->owner->pod)
		return a->owner->pod < b->owner->pod;
	return a->owner->rank < b->owner->rank;
}

static void
two_choose(const struct route_view *view, struct route_choice *out)
{
	const uint64_t entropy = view->request->entropy;
	struct lot low[2] = {{0, NULL, 0}, {0, NULL, 0}};
	uint32_t at = 0, row, n = 0;

	while (route_next(view, &at, &row)) {
		struct lot lot = {0, &view->ask->fleet.owners[row], row};

		lot.number = aibrix__route_lot(lot.owner, entropy);
		if (n == 0 || lot_below(&lot, &low[0])) {
			low[1] = low[0];
			low[0] = lot;
		} else if (n == 1 || lot_below(&lot, &low[1])) {
			low[1] = lot;
		}
		n++;
	}
	choose_of(view, low[0].row, low[n > 1].row, out);
}

/* The i-th candidate. */
static uint32_t
candidate_at(const struct route_view *view, uint32_t i)
{
	uint32_t at = 0, row = 0;

	do
		(void)route_next(view, &at, &row);
	while (i--);
	return row;
}

/* AIBrix (algorithms/power_of_two.go): the first when they are equal. */
static void
two_choose_compat(const struct route_view *view, struct route_choice *out)
{
	uint64_t state = view->request->entropy;
	uint32_t n = view->ask->n;
	uint32_t first = rand_below(&state, n), second = first;

	if (n > 1) {
		second = rand_below(&state, n - 1);
		second += second >= first;
	}
	choose_of(view, candidate_at(view, first), candidate_at(view, second),
		  out);
}

const struct route_ops aibrix__route_power_of_two = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 2,
	.rank = {.score = requests_per_capacity, .lower_is_better = 1},
	.alone = 1,
	.choose = two_choose,
};

const struct route_ops aibrix__route_power_of_two_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING},
	.n_columns = 1,
	.rank = {.score = requests_or_zero, .lower_is_better = 1},
	.alone = 1,
	.choose = two_choose_compat,
};
