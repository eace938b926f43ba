/*
 * Routing: which row of the fleet serves a request.
 *
 *	request --> check --> view --> prepare --> choose --> result
 *	                       ^          '-- of the strategy --'
 *	overlay, else table ---'
 *
 * A pick is a pure function of table, request and entropy: nothing is
 * counted here, so any number of threads may pick at once, and a log of the
 * inputs replays the decision.  A pick does not allocate.
 */

#include <aibrix/route.h>

#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "route/route_internal.h"

enum {
	BLOCK_TOKENS = 16, /* vLLM's block size */
	FLAGS = AIBRIX_ROUTE_IMBALANCE_SET | AIBRIX_ROUTE_STDDEV_SET |
		AIBRIX_ROUTE_FILTER | AIBRIX_ROUTE_EPSILON_SET |
		AIBRIX_ROUTE_NO_RAMP
};

/* Of a router that names none, by profile: AIBrix has no cost. */
static const char *const unnamed[] = {"cost", "prefix-cache"};

/* A token that waits costs its request only.  A token that is computed again
 * costs its request and everyone who comes after, so it weighs more; 1/8
 * keeps 97 % of the hits of the conversation trace (doc/modules/route.md). */
static const double queue_weight_default = 0.125;
static const double tokens_per_request_default = 2048;
/* Ten scrapes of a second each have failed. */
static const uint64_t max_age_default_ns = 10000000000u;
static const uint64_t ramp_default_ns = 300000000000u; /* AIBrix's */

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
	if (o->flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if (o->profile > AIBRIX_PROFILE_COMPAT || o->spare || o->spare2 ||
	    o->top_k > ROUTE_TOP_MAX || o->affinity_ratio > 1)
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
	if (!err)
		err = number_load(&o->imbalance_filter, -1,
				  o->flags & AIBRIX_ROUTE_FILTER);
	if (!err)
		err = number_load(&o->session_bound, 0.25, 0);
	if (!err)
		err = number_load(&o->top_k_epsilon, 4,
				  o->flags & AIBRIX_ROUTE_EPSILON_SET);
	if (!err)
		err = number_load(&o->load_capacity, 1, 0);
	if (!err)
		err = number_load(&o->adapter_requests, 8, 0);
	if (!err)
		err = number_load(&o->affinity_ratio, 0.999, 0);
	if (!o->max_age_ns)
		o->max_age_ns = max_age_default_ns;
	if (o->flags & AIBRIX_ROUTE_NO_RAMP)
		o->ramp_ns = 0;
	else if (!o->ramp_ns)
		o->ramp_ns = ramp_default_ns;
	if (!o->top_k)
		o->top_k = 5;
	return err;
}

int
aibrix_route_new(const aibrix_route_opts *opts, aibrix_route **out)
{
	aibrix_route_opts o;
	aibrix_allocator alloc;
	struct route_policy policy;
	aibrix_route *route;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = opts_load(&o, opts);
	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (!err)
		err = aibrix__route_policy(o.strategy ? o.strategy
						      : unnamed[o.profile],
					   o.profile, &policy);
	if (err)
		return err;

	route = aibrix__alloc(&alloc, 1, sizeof(*route));
	if (!route)
		return AIBRIX_E_NOMEM;
	*route = (aibrix_route){
		.alloc = alloc,
		.profile = o.profile,
		.tokens_per_request = o.tokens_per_request,
		.queue_weight = o.queue_weight,
		.imbalance_abs = o.imbalance_abs,
		.stddev_factor = o.stddev_factor,
		.max_age_ns = o.max_age_ns,
		.imbalance_filter = o.imbalance_filter,
		.session_bound = o.session_bound,
		.top_k_epsilon = o.top_k_epsilon,
		.ramp_ns = o.ramp_ns,
		.load_capacity = o.load_capacity,
		.adapter_requests = o.adapter_requests,
		.affinity_ratio = o.affinity_ratio,
		.top_k = o.top_k,
		.policy = policy,
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
	if ((dst->n_overlay && !dst->overlay) || (dst->n_rows && !dst->rows) ||
	    (dst->session_id_len && !dst->session_id) ||
	    (dst->session_key_len && !dst->session_key) || dst->spare ||
	    (dst->addresses && dst->n_addresses != fleet->rows))
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

/* Check the call; the policy is the request's own or the router's. */
static int
ask_open(struct route_ask *ask, const aibrix_route *route,
	 const aibrix_fleet *fleet, const aibrix_route_request *request,
	 uint64_t now_ns)
{
	int err;

	if (!route || !fleet || !request)
		return AIBRIX_E_INVAL;
	ask->route = route;
	ask->table = fleet;
	ask->fleet = aibrix__fleet_view(fleet);
	err = request_load(&ask->request, request, &ask->fleet);
	if (!err)
		err = aibrix__route_model(ask->request.model, &ask->model);
	if (!err && ask->request.strategy)
		err = aibrix__route_policy(ask->request.strategy,
					   route->profile, &ask->own);
	if (err)
		return err;
	ask->policy = ask->request.strategy ? &ask->own : &route->policy;
	ask->health = column_of(fleet, &ask->request, AIBRIX_COL_HEALTH_RATIO);
	ask->oldest_ns =
		now_ns > route->max_age_ns ? now_ns - route->max_age_ns : 0;
	ask->now_ns = now_ns;
	ask->ceiling = INFINITY;
	aibrix__route_list(ask);
	if (route->imbalance_filter >= 0 && ask->n > 1) {
		ask->running = column_of(fleet, &ask->request,
					 AIBRIX_COL_REQUESTS_RUNNING);
		ask->capacity = column_of(fleet, &ask->request,
					  AIBRIX_COL_CAPACITY_RATIO);
		aibrix__route_filter(ask);
	}
	return ask->n ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}

/* What engines report is polled and gets old; the gateway's own counts,
 * verdicts and configuration hold until they are set again, and an overlay
 * is of this moment.  AIBrix looks at no age. */
static int
column_ages(const struct route_ask *ask, uint32_t id, const double *values)
{
	return ask->route->profile == AIBRIX_PROFILE_DEFAULT && values &&
	       id >= AIBRIX_COL_ENGINE_RUNNING &&
	       id < AIBRIX_COL_HEALTH_RATIO &&
	       values == aibrix_fleet_column(ask->table, id);
}

static void
view_open(const struct route_ask *ask, const struct route_part *part,
	  struct route_view *view)
{
	const struct route_ops *ops = part->ops;

	*view = (struct route_view){
		.ask = ask,
		.ops = ops,
		.route = ask->route,
		.request = &ask->request,
	};
	for (uint32_t i = 0; i < ops->n_columns; i++) {
		uint32_t id =
			i == 0 && part->column ? part->column : ops->columns[i];

		view->column[i] = column_of(ask->table, &ask->request, id);
		if (column_ages(ask, id, view->column[i]))
			view->set_ns[i] = aibrix__fleet_times(ask->table, id);
	}
	if (ops->prepare)
		ops->prepare(view);
}

void
aibrix__route_views(const struct route_ask *ask, struct route_views *out)
{
	out->n = ask->policy->n;
	for (uint32_t i = 0; i < out->n; i++) {
		view_open(ask, &ask->policy->part[i], &out->view[i]);
		out->view[i].views = out;
	}
}

static void
views_choose(struct route_views *views, struct route_choice *out)
{
	const struct route_view *view = &views->view[0];

	out->err = AIBRIX_OK;
	switch (view->ask->policy->kind) {
	case ROUTE_WEIGHTED: aibrix__route_combine(views, out); break;
	case ROUTE_CHAIN: aibrix__route_chain(views, out); break;
	case ROUTE_SINGLE:
		out->reason = view->ops->reason;
		if (view->ops->choose)
			view->ops->choose(view, out);
		else
			aibrix__route_choose(view, &view->ops->rank, out);
	}
	if (out->scored == 0)
		out->reason = AIBRIX_REASON_NO_DATA;
	if (view->ask->n == 1)
		out->reason = AIBRIX_REASON_ONLY_CANDIDATE;
}

static double
views_score(const struct route_views *views, uint32_t row)
{
	const struct route_view *view = &views->view[0];

	switch (view->ask->policy->kind) {
	case ROUTE_WEIGHTED: return aibrix__route_combined(views, row);
	case ROUTE_CHAIN: return aibrix__route_chained(views, row);
	case ROUTE_SINGLE: break;
	}
	return view_score(view, row);
}

static uint32_t
views_lower_is_better(const struct route_views *views)
{
	const struct route_view *view = &views->view[0];

	switch (view->ask->policy->kind) {
	case ROUTE_WEIGHTED:
		return view->route->profile == AIBRIX_PROFILE_DEFAULT;
	case ROUTE_CHAIN: view = &views->view[views->n - 1]; break;
	case ROUTE_SINGLE: break;
	}
	return view->ops->rank.lower_is_better;
}

int
aibrix_route_pick(const aibrix_route *route, const aibrix_fleet *fleet,
		  const aibrix_route_request *request, uint64_t now_ns,
		  aibrix_route_result *out)
{
	aibrix_route_result result;
	struct route_ask ask;
	struct route_views views;
	struct route_choice choice;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = ask_open(&ask, route, fleet, request, now_ns);
	if (err)
		return err;
	aibrix__route_views(&ask, &views);
	views_choose(&views, &choice);
	if (choice.err)
		return choice.err;
	result = (aibrix_route_result){
		.row = choice.row,
		.owner = ask.fleet.owners[choice.row],
		.score = views_score(&views, choice.row),
		.reason = choice.reason,
		.candidates = ask.n,
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
	struct route_ask ask;
	struct route_views views;
	struct route_choice choice;
	uint32_t at = 0, row;
	int err;

	if (!n || !lower_is_better || (cap && !out))
		return AIBRIX_E_INVAL;
	err = ask_open(&ask, route, fleet, request, now_ns);
	if (err)
		return err;
	*n = ask.n;
	if (ask.n > cap)
		return AIBRIX_E_SPACE;
	aibrix__route_views(&ask, &views);
	/* Scales and limits of several strategies are found by choosing. */
	views_choose(&views, &choice);
	for (; ask_next(&ask, &at, &row); out++) {
		double score = views_score(&views, row);

		*out = (aibrix_route_score){row, !isnan(score), score};
	}
	*lower_is_better = views_lower_is_better(&views);
	return AIBRIX_OK;
}
