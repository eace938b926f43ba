/*
 * Routing: which row of the fleet serves a request.
 *
 *	request --> check --> view --> prepare --> choose --> result
 *	                       ^          '-- of the strategy --'
 *	overlay, else table ---'
 *
 * A pick is a pure function of table, request and entropy: nothing is
 * counted here, so any number of threads may pick at once, and a log of the
 * inputs replays the decision.  Fleets have up to 65536 rows and a pick may
 * not allocate, so candidates are walked several times instead of being
 * collected: a walk reads bits and columns that the first one has brought
 * into the cache.
 */

#include <aibrix/route.h>

#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "route/route_internal.h"

enum { BLOCK_TOKENS = 16 }; /* vLLM's block size */

/* A token that waits costs its request only.  A token that is computed again
 * costs its request and everyone who comes after, so it weighs more; 1/8
 * keeps 97 % of the hits of the conversation trace (doc/modules/route.md). */
static const double queue_weight_default = 0.125;
static const double tokens_per_request_default = 2048;

static const struct {
	const char *name;
	const struct route_ops *ops[2]; /* by profile */
} strategies[] = {
	{"random", {&aibrix__route_random, &aibrix__route_random}},
	{"least-request",
	 {&aibrix__route_least_request, &aibrix__route_least_request_compat}},
	{"prefix-cache",
	 {&aibrix__route_prefix_cache, &aibrix__route_prefix_compat}},
};

enum { STRATEGIES = sizeof(strategies) / sizeof(strategies[0]) };

const char *
aibrix_route_strategy(uint32_t i)
{
	return i < STRATEGIES ? strategies[i].name : NULL;
}

const char *
aibrix_route_reason(uint32_t reason)
{
	static const char *const texts[] = {
		[AIBRIX_REASON_NONE] = "none",
		[AIBRIX_REASON_RANDOM] = "random",
		[AIBRIX_REASON_LEAST_REQUEST] = "least-request",
		[AIBRIX_REASON_PREFIX] = "prefix",
		[AIBRIX_REASON_PREFIX_NONE] = "prefix-none",
		[AIBRIX_REASON_PREFIX_SKIPPED] = "prefix-skipped",
		[AIBRIX_REASON_ONLY_CANDIDATE] = "only-candidate",
		[AIBRIX_REASON_NO_DATA] = "no-data",
	};

	return reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "?";
}

static const struct route_ops *
strategy_find(const char *name, uint32_t profile)
{
	for (uint32_t i = 0; i < STRATEGIES; i++)
		if (strcmp(strategies[i].name, name) == 0)
			return strategies[i].ops[profile];
	return NULL;
}

/* *x becomes its default when it is 0 and not set on purpose.  Otherwise it
 * must be finite, and positive unless it is. */
static int
number_load(double *x, double standard, int set)
{
	if (!isfinite(*x) || (*x < 0 && !set))
		return AIBRIX_E_INVAL;
	if (*x == 0 && !set)
		*x = standard;
	return AIBRIX_OK;
}

static int
opts_load(aibrix_route_opts *o, const aibrix_route_opts *opts)
{
	int err = aibrix__struct_load(o, sizeof(*o), opts,
				      STRUCT_UPTO(aibrix_route_opts, alloc));

	if (err)
		return err;
	if (o->flags & ~(AIBRIX_ROUTE_IMBALANCE_SET | AIBRIX_ROUTE_STDDEV_SET))
		return AIBRIX_E_ABI;
	if (o->profile > AIBRIX_PROFILE_COMPAT || o->spare)
		return AIBRIX_E_INVAL;
	err = number_load(&o->tokens_per_request, tokens_per_request_default,
			  0);
	if (!err)
		err = number_load(&o->queue_weight, queue_weight_default, 0);
	if (!err)
		err = number_load(&o->imbalance_abs, 8,
				  o->flags & AIBRIX_ROUTE_IMBALANCE_SET);
	if (!err)
		err = number_load(&o->stddev_factor, 1,
				  o->flags & AIBRIX_ROUTE_STDDEV_SET);
	return err;
}

int
aibrix_route_new(const aibrix_route_opts *opts, aibrix_route **out)
{
	aibrix_route_opts o;
	aibrix_allocator alloc;
	const struct route_ops *ops;
	aibrix_route *route;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = opts_load(&o, opts);
	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	ops = strategy_find(o.strategy ? o.strategy : "prefix-cache",
			    o.profile);
	if (!ops)
		return AIBRIX_E_UNSUPPORTED;

	route = aibrix__alloc(&alloc, 1, sizeof(*route));
	if (!route)
		return AIBRIX_E_NOMEM;
	*route = (aibrix_route){
		.alloc = alloc,
		.ops = ops,
		.profile = o.profile,
		.tokens_per_request = o.tokens_per_request,
		.queue_weight = o.queue_weight,
		.imbalance_abs = o.imbalance_abs,
		.stddev_factor = o.stddev_factor,
	};
	*out = route;
	return AIBRIX_OK;
}

void
aibrix_route_free(aibrix_route *route)
{
	aibrix_allocator alloc;

	if (!route)
		return;
	alloc = route->alloc;
	aibrix__free(&alloc, route, 1, sizeof(*route));
}

static int
request_load(aibrix_route_request *dst, const aibrix_route_request *src,
	     const struct fleet_view *fleet)
{
	int err =
		aibrix__struct_load(dst, sizeof(*dst), src,
				    STRUCT_UPTO(aibrix_route_request, entropy));

	if (err)
		return err;
	if ((dst->n_overlay && !dst->overlay) || (dst->n_rows && !dst->rows))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < dst->n_overlay; i++) {
		const aibrix_column *c = &dst->overlay[i];

		if (c->id >= AIBRIX_COL_MAX || c->rows != fleet->rows ||
		    (c->rows && !c->values))
			return AIBRIX_E_INVAL;
	}
	for (uint32_t i = 0; i < dst->n_rows; i++)
		if (!fleet_view_used(fleet, dst->rows[i]))
			return AIBRIX_E_INVAL;
	if (!dst->block_tokens)
		dst->block_tokens = BLOCK_TOKENS;
	return AIBRIX_OK;
}

/* The first overlay of that number, else the table's column. */
static const double *
column_of(const aibrix_fleet *fleet, const aibrix_route_request *request,
	  uint32_t id)
{
	for (uint32_t i = 0; i < request->n_overlay; i++)
		if (request->overlay[i].id == id)
			return request->overlay[i].values;
	return aibrix_fleet_column(fleet, id);
}

/*
 * Check the call and look at it as the strategy does.  copy is where the
 * request lives for the length of the call; *n becomes the number of usable
 * candidates.
 */
static int
view_open(struct route_view *view, const aibrix_route *route,
	  const aibrix_fleet *fleet, const aibrix_route_request *request,
	  aibrix_route_request *copy, uint32_t *n)
{
	uint32_t at = 0, row;
	int err;

	if (!route || !fleet || !request)
		return AIBRIX_E_INVAL;
	memset(view, 0, sizeof(*view));
	view->fleet = aibrix__fleet_view(fleet);
	err = request_load(copy, request, &view->fleet);
	if (err)
		return err;
	view->route = route;
	view->request = copy;
	view->health = column_of(fleet, copy, AIBRIX_COL_HEALTH_RATIO);
	for (uint32_t i = 0; i < route->ops->n_columns; i++)
		view->column[i] =
			column_of(fleet, copy, route->ops->columns[i]);

	*n = 0;
	while (route_next(view, &at, &row))
		++*n;
	if (*n == 0)
		return AIBRIX_E_NOT_FOUND;
	if (route->ops->prepare)
		route->ops->prepare(view);
	return AIBRIX_OK;
}

/* The score as results show it; NaN when not known. */
static double
view_score(const struct route_view *view, uint32_t row)
{
	double score = view->route->ops->rank.score(view, row);

	return isfinite(score) ? score : NAN;
}

static void
view_choose(const struct route_view *view, struct route_choice *out)
{
	const struct route_ops *ops = view->route->ops;

	out->reason = ops->reason;
	if (ops->choose)
		ops->choose(view, out);
	else
		aibrix__route_choose(view, &ops->rank, out);
	if (out->scored == 0)
		out->reason = AIBRIX_REASON_NO_DATA;
}

int
aibrix_route_pick(const aibrix_route *route, const aibrix_fleet *fleet,
		  const aibrix_route_request *request, uint64_t now_ns,
		  aibrix_route_result *out)
{
	aibrix_route_request copy;
	aibrix_route_result result;
	struct route_view view;
	struct route_choice choice;
	uint32_t n;
	int err;

	(void)now_ns; /* no strategy of this version looks at ages */
	if (!out)
		return AIBRIX_E_INVAL;
	err = view_open(&view, route, fleet, request, &copy, &n);
	if (err)
		return err;
	view_choose(&view, &choice);
	if (n == 1)
		choice.reason = AIBRIX_REASON_ONLY_CANDIDATE;
	result = (aibrix_route_result){
		.row = choice.row,
		.owner = view.fleet.owners[choice.row],
		.score = view_score(&view, choice.row),
		.reason = choice.reason,
		.candidates = n,
		.ties = choice.ties,
	};
	return aibrix__struct_store(out, &result, sizeof(result),
				    STRUCT_UPTO(aibrix_route_result, spare));
}

int
aibrix_route_explain(const aibrix_route *route, const aibrix_fleet *fleet,
		     const aibrix_route_request *request, uint64_t now_ns,
		     aibrix_route_score *out, uint32_t cap, uint32_t *n,
		     uint32_t *lower_is_better)
{
	aibrix_route_request copy;
	struct route_view view;
	uint32_t count, at = 0, row;
	int err;

	(void)now_ns;
	if (!n || !lower_is_better || (cap && !out))
		return AIBRIX_E_INVAL;
	err = view_open(&view, route, fleet, request, &copy, &count);
	if (err)
		return err;
	*n = count;
	if (count > cap)
		return AIBRIX_E_SPACE;
	for (; route_next(&view, &at, &row); out++) {
		double score = view_score(&view, row);

		*out = (aibrix_route_score){row, !isnan(score), score};
	}
	*lower_is_better = route->ops->rank.lower_is_better;
	return AIBRIX_OK;
}
