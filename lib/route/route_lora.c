/*
 * Adapter affinity: prefer rows that have the request's LoRA adapter.
 *
 * Default: requests for their capacity, and adapter_requests more where the
 * adapter must be loaded, twice that where another has to go for it.  So a
 * holder is left when it is busier than a load costs.  AIBrix keeps to the
 * holders 999 times in 1000, however busy they are, and takes the number of
 * adapters that fit from the metric of those that wait.
 */

#include "base/rand.h"
#include "route/route_internal.h"

enum { RUNNING, HELD, LOADED, FIT, CAPACITY };
enum { GROUP };
enum group { ANY, HOLDERS, AVAILABLE };

static int
row_holds(const struct route_view *view, uint32_t row)
{
	return view_get(view, HELD, row, 0) > 0;
}

/* What is not known has room. */
static int
row_full(const struct route_view *view, uint32_t row)
{
	return view_get(view, LOADED, row, NAN) >=
	       view_get(view, FIT, row, NAN);
}

static double
adapter_score(const struct route_view *view, uint32_t row)
{
	double load = view_count(view, RUNNING, row) /
		      view_capacity(view, CAPACITY, row);

	if (row_holds(view, row))
		return load;
	return load +
	       view->route->adapter_requests * (row_full(view, row) ? 2 : 1);
}

static void
adapter_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	out->reason = row_holds(view, out->row) ? AIBRIX_REASON_ADAPTER
						: AIBRIX_REASON_ADAPTER_LOAD;
}

const struct route_ops aibrix__route_lora = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_ADAPTER_HELD,
		    AIBRIX_COL_ADAPTERS, AIBRIX_COL_ADAPTERS_MAX,
		    AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 5,
	.rank = {.score = adapter_score, .lower_is_better = 1},
	.choose = adapter_choose,
};

static enum group
row_group(const struct route_view *view, uint32_t row)
{
	if (row_holds(view, row))
		return HOLDERS;
	return row_full(view, row) ? ANY : AVAILABLE;
}

static void
group_prepare(struct route_view *view)
{
	uint64_t state = ~view->request->entropy;
	uint32_t seen[3] = {0}, at = 0, row;
	double draw = (double)(rand_next(&state) >> 11) / 9007199254740992.0;
	enum group group = ANY;

	while (route_next(view, &at, &row))
		seen[row_group(view, row)] = 1;
	if (seen[HOLDERS] && seen[AVAILABLE])
		group = draw < view->route->affinity_ratio ? HOLDERS
							   : AVAILABLE;
	else if (seen[HOLDERS] || seen[AVAILABLE])
		group = seen[HOLDERS] ? HOLDERS : AVAILABLE;
	view->fact[GROUP] = group;
}

static double
group_score(const struct route_view *view, uint32_t row)
{
	enum group group = (enum group)view->fact[GROUP];

	if (group != ANY && row_group(view, row) != group)
		return NAN;
	return view_get(view, RUNNING, row, 0);
}

const struct route_ops aibrix__route_lora_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_ADAPTER_HELD,
		    AIBRIX_COL_ADAPTERS, AIBRIX_COL_ADAPTERS_MAX},
	.n_columns = 4,
	.rank = {.score = group_score, .lower_is_better = 1},
	.prepare = group_prepare,
	.choose = adapter_choose,
};
