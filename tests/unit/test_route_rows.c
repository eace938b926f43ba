/* Rows in batches: fleets around 64 rows and around 1024, with and without
 * holes, against the formulas written down row by row. */

#include <math.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/rand.h"
#include "fleet_fixture.h"

enum { ROWS_MAX = 1100, BLOCKS = 100, BLOCK_TOKENS = 16 };

static const uint32_t sizes[] = {1,   2,   63,  64,   65,   127,
				 128, 640, 999, 1024, 1025, ROWS_MAX};

enum { PENDING, RUNNING, CAPACITY, HEALTH, COLUMNS };

static const uint32_t ids[COLUMNS] = {
	AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
	AIBRIX_COL_CAPACITY_RATIO, AIBRIX_COL_HEALTH_RATIO};

struct world {
	uint32_t rows;
	uint64_t rand;
	double column[COLUMNS][ROWS_MAX], blocks[ROWS_MAX];
	int used[ROWS_MAX];
};

/* Mostly a small whole number, so that there are equals. */
static double
value(uint64_t *rand, uint32_t odd)
{
	static const double strange[] = {NAN, INFINITY, -INFINITY,
					 -3,  -0.0,     0.5};

	if (rand_below(rand, 100) < odd)
		return strange[rand_below(rand, 6)];
	return 1 + rand_below(rand, 50);
}

static aibrix_fleet *
world_open(struct world *w, uint32_t rows, int holes, uint32_t odd)
{
	aibrix_fleet *fleet = fixture_fleet(rows, NULL);

	w->rows = rows;
	for (uint32_t i = 0; i < rows; i++) {
		for (uint32_t c = 0; c < COLUMNS; c++) {
			w->column[c][i] = c == HEALTH && odd == 0
						  ? 1
						  : value(&w->rand, odd);
			cr_assert_eq(aibrix_fleet_set(fleet, i, ids[c],
						      w->column[c][i], 0),
				     AIBRIX_OK);
		}
		w->blocks[i] =
			rand_below(&w->rand, 4) ? 0 : value(&w->rand, odd);
		w->used[i] = 1;
	}
	for (uint32_t i = 0; holes && i < rows; i++) {
		if (rand_below(&w->rand, 30) || i == rows / 2)
			continue;
		w->used[i] = 0;
		cr_assert_eq(aibrix_fleet_remove(fleet, i), AIBRIX_OK);
	}
	return fleet;
}

static double
known(double x, double other)
{
	return isfinite(x) ? x : other;
}

static double
capacity_of(const struct world *w, uint32_t row)
{
	double capacity = known(w->column[CAPACITY][row], 1);

	return capacity > 0 ? capacity : 1;
}

static double
least_request(const struct world *w, uint32_t row)
{
	double requests = known(w->column[RUNNING][row], NAN);

	return (requests < 0 ? 0 : requests) / capacity_of(w, row);
}

static double
prefix_cache(const struct world *w, uint32_t row)
{
	double requests = known(w->column[RUNNING][row], NAN);
	double pending = known(w->column[PENDING][row], NAN);
	double cached = fmax(known(w->blocks[row], 0), 0) * BLOCK_TOKENS;
	double prompt = BLOCKS * BLOCK_TOKENS;

	if (isnan(pending))
		pending = (requests < 0 ? 0 : requests) * 2048;
	if (pending < 0)
		pending = 0;
	return (0.125 * pending + (prompt - fmin(cached, prompt))) /
	       capacity_of(w, row);
}

static void
check_row(const aibrix_route_score *score, double expected, double *best,
	  uint32_t *ties)
{
	cr_expect_eq(score->scored, !isnan(expected));
	if (isnan(expected))
		return;
	cr_expect(score->score == expected, "row %u: %g, not %g", score->row,
		  score->score, expected);
	if (expected < *best)
		*ties = 0;
	*best = fmin(*best, expected);
	*ties += expected == *best;
}

/* Each candidate in order, with its score; the best of them is picked. */
static void
check_world(const struct world *w, const aibrix_fleet *fleet,
	    const char *strategy,
	    double (*formula)(const struct world *w, uint32_t row))
{
	static aibrix_route_score scores[ROWS_MAX];
	aibrix_route *route = fixture_route(strategy, 0);
	const aibrix_column blocks = {AIBRIX_COL_PREFIX_BLOCKS,
				      aibrix_fleet_rows(fleet), w->blocks};
	aibrix_route_request request = {.size = sizeof(request),
					.overlay = &blocks,
					.n_overlay = 1,
					.n_blocks = BLOCKS};
	aibrix_route_result result = {.size = sizeof(result)};
	uint32_t n, lower, at = 0, ties = 0;
	double best = INFINITY;

	if (aibrix_route_explain(route, fleet, &request, 0, scores, ROWS_MAX,
				 &n, &lower) != AIBRIX_OK)
		n = 0;
	for (uint32_t row = 0; row < w->rows; row++) {
		if (!w->used[row] || w->column[HEALTH][row] <= 0)
			continue;
		cr_assert_lt(at, n);
		cr_assert_eq(scores[at].row, row);
		check_row(&scores[at++], formula(w, row), &best, &ties);
	}
	cr_assert_eq(at, n);
	if (n && isfinite(best)) {
		cr_assert_eq(
			aibrix_route_pick(route, fleet, &request, 0, &result),
			AIBRIX_OK);
		cr_expect_eq(result.candidates, n);
		cr_expect(result.score == best);
		cr_expect(formula(w, result.row) == best);
		cr_expect_leq(result.ties, ties);
	}
	aibrix_route_free(route);
}

static void
check_sizes(int holes, uint32_t odd)
{
	static struct world w;

	w.rand = 11;
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		aibrix_fleet *fleet = world_open(&w, sizes[i], holes, odd);

		check_world(&w, fleet, "least-request", least_request);
		check_world(&w, fleet, "prefix-cache", prefix_cache);
		aibrix_fleet_free(fleet);
	}
}

Test(route_rows, a_full_and_healthy_fleet_is_scored_by_the_formulas)
{
	check_sizes(0, 0);
}

Test(route_rows, holes_are_no_candidates)
{
	check_sizes(1, 0);
}

Test(route_rows, sick_rows_and_strange_values_are_left_out)
{
	check_sizes(0, 20);
	check_sizes(1, 20);
}

Test(route_rows, the_best_row_wins_wherever_it_stands)
{
	static double counts[200];
	aibrix_fleet *fleet = fixture_fleet(200, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	const aibrix_column overlay = {AIBRIX_COL_REQUESTS_RUNNING, 200,
				       counts};
	aibrix_route_request request = {
		.size = sizeof(request), .overlay = &overlay, .n_overlay = 1};

	for (uint32_t i = 0; i < 200; i++)
		counts[i] = 9;
	for (uint32_t i = 0; i < 200; i++) {
		aibrix_route_result result;

		counts[i] = 3;
		result = fixture_pick(route, fleet, &request);
		cr_expect_eq(result.row, i);
		cr_expect_eq(result.ties, 1);
		counts[i] = 9;
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* Every third row was last heard of a minute ago, row 7 says nonsense. */
Test(route_rows, old_values_are_not_known_in_any_batch)
{
	const uint64_t now_ns = 60000000000u;
	aibrix_fleet *fleet = fixture_fleet(150, NULL);
	aibrix_route *route = fixture_route("throughput", 0);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_score scores[150];
	uint32_t n, lower;

	for (uint32_t i = 0; i < 150; i++)
		cr_assert_eq(aibrix_fleet_set(fleet, i, AIBRIX_COL_TOKENS_PER_S,
					      i == 7 ? -1 : 10.0 + i,
					      i % 3 ? now_ns : 0),
			     AIBRIX_OK);
	cr_assert_eq(aibrix_route_explain(route, fleet, &request, now_ns,
					  scores, 150, &n, &lower),
		     AIBRIX_OK);
	cr_assert_eq(n, 150);
	for (uint32_t i = 0; i < 150; i++) {
		cr_expect_eq(scores[i].scored, i % 3 && i != 7);
		cr_expect(!scores[i].scored || scores[i].score == 10.0 + i);
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}
