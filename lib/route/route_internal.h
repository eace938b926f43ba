/*
 * What a strategy is, and what it sees.
 *
 * A strategy says which columns it reads and how good a row is; filter,
 * choice, ties, combination, reasons and explanation are written once, in
 * route*.c.  doc/modules/route.md has the recipe for a new one.
 */
#ifndef ROUTE_INTERNAL_H
#define ROUTE_INTERNAL_H

#include <math.h>

#include <aibrix/route.h>

#include "fleet/fleet_view.h"

enum {
	ROUTE_COLUMNS = 9,
	ROUTE_FACTS = 4,
	ROUTE_LISTED = 1024,
	ROUTE_BATCH = 64,
	ROUTE_TOP_MAX = 64
};

struct route_ops;
struct route_views;

struct route_items {
	aibrix_route_item item[AIBRIX_ROUTE_ITEMS_MAX];
	uint32_t n;
};

/* One strategy of a policy. */
struct route_part {
	const struct route_ops *ops;
	uint32_t coefficient;
	uint32_t column; /* instead of ops->columns[0]; 0: that one */
};

enum route_kind { ROUTE_SINGLE, ROUTE_WEIGHTED, ROUTE_CHAIN };

/* A strategy string, looked up. */
struct route_policy {
	enum route_kind kind;
	uint32_t n;
	struct route_part part[AIBRIX_ROUTE_ITEMS_MAX];
};

struct aibrix_route {
	aibrix_allocator alloc;
	uint32_t profile;
	double tokens_per_request, queue_weight;
	double imbalance_abs, stddev_factor;
	uint64_t max_age_ns;
	double imbalance_filter; /* below 0: off */
	double session_bound, top_k_epsilon;
	uint64_t ramp_ns; /* 0: none */
	double load_capacity, adapter_requests, affinity_ratio;
	uint32_t top_k;
	struct route_policy policy;
};

/* One decision, whatever strategies look at it. */
struct route_ask {
	const aibrix_route *route;
	const aibrix_fleet *table;
	const struct route_policy *policy;
	struct fleet_view fleet;
	const double *health, *running, *capacity;
	double ceiling; /* who runs more is no candidate */
	uint64_t now_ns;
	uint64_t oldest_ns;           /* what was set before is not known */
	uint32_t n;                   /* usable candidates */
	int listed;                   /* list has them all */
	int dense;                    /* list is of one row and the next */
	aibrix_route_request request; /* ours, defaults filled in */
	aibrix_route_model model;     /* of the request, or the standard one */
	struct route_policy own;      /* of the request, if it has one */
	uint32_t list[ROUTE_LISTED];
};

/* It, as one strategy sees it. */
struct route_view {
	const struct route_ask *ask;
	const struct route_views *views; /* it and its neighbours */
	const struct route_ops *ops;
	const aibrix_route *route;
	const aibrix_route_request *request;
	const double *column[ROUTE_COLUMNS];   /* in the order of ops->columns;
						  NULL: nothing known */
	const uint64_t *set_ns[ROUTE_COLUMNS]; /* NULL: it does not age */
	double fact[ROUTE_FACTS];              /* what prepare found out */
};

/* Among equals of the compat profile; the default one draws by owner. */
enum route_tie { TIE_DRAWN, TIE_FIRST, TIE_LAST };

/* An order of rows.  Scores that are NaN or infinite are not known: such
 * rows come last, as equals. */
struct route_rank {
	/* NULL where there is scores */
	double (*score)(const struct route_view *view, uint32_t row);
	/* among equal scores, lower first, NaN last; may be NULL */
	double (*then)(const struct route_view *view, uint32_t row);
	uint32_t lower_is_better;
	enum route_tie tie;
	/* the same as score, of up to ROUTE_BATCH rows: those of ask->list
	   in its order, or one; may be NULL */
	void (*scores)(const struct route_view *view, const uint32_t *rows,
		       uint32_t n, double *restrict out);
};

struct route_choice {
	uint32_t row, reason;
	uint32_t scored; /* candidates with a score */
	uint32_t ties;   /* as good as row, row included */
	int err;         /* nobody may be chosen */
};

struct route_ops {
	uint32_t columns[ROUTE_COLUMNS]; /* that the functions read */
	uint32_t n_columns;
	uint32_t reason; /* of a choice by rank */
	struct route_rank rank;
	/* What one request more on a row is worth in its score: the common
	 * unit of weighted strategies.  0: 1. */
	double (*unit)(const struct route_view *view);
	/* The score says nothing outside of this strategy's own choice. */
	int alone;
	/* Facts about all candidates, before any score; may be NULL. */
	void (*prepare)(struct route_view *view);
	/* NULL: the best by rank.  Otherwise fills out, and rank is what
	 * results and explanations show. */
	void (*choose)(const struct route_view *view, struct route_choice *out);
};

/* Weighted: what turns a score into a share.  Stages: the range that a score
 * must be in, unless nobody had one. */
struct route_scale {
	double low, high, weight;
	uint32_t scored;
};

/* The views of a policy's parts. */
struct route_views {
	struct route_view view[AIBRIX_ROUTE_ITEMS_MAX];
	struct route_scale scale[AIBRIX_ROUTE_ITEMS_MAX];
	uint32_t n;
};

extern const struct route_ops aibrix__route_random;
extern const struct route_ops aibrix__route_least_request;
extern const struct route_ops aibrix__route_least_request_compat;
extern const struct route_ops aibrix__route_prefix_cache;
extern const struct route_ops aibrix__route_prefix_compat;
extern const struct route_ops aibrix__route_throughput;
extern const struct route_ops aibrix__route_throughput_compat;
extern const struct route_ops aibrix__route_least_kv_cache;
extern const struct route_ops aibrix__route_least_kv_cache_compat;
extern const struct route_ops aibrix__route_least_gpu_cache;
extern const struct route_ops aibrix__route_least_gpu_cache_compat;
extern const struct route_ops aibrix__route_least_busy_time;
extern const struct route_ops aibrix__route_least_busy_time_compat;
extern const struct route_ops aibrix__route_least_utilization;
extern const struct route_ops aibrix__route_least_utilization_compat;
extern const struct route_ops aibrix__route_least_latency;
extern const struct route_ops aibrix__route_least_latency_compat;
extern const struct route_ops aibrix__route_power_of_two;
extern const struct route_ops aibrix__route_power_of_two_compat;
extern const struct route_ops aibrix__route_load_balance;
extern const struct route_ops aibrix__route_load_balance_compat;
extern const struct route_ops aibrix__route_top_k;
extern const struct route_ops aibrix__route_top_k_compat;
extern const struct route_ops aibrix__route_l_metric;
extern const struct route_ops aibrix__route_l_metric_compat;
extern const struct route_ops aibrix__route_least_load;
extern const struct route_ops aibrix__route_least_load_compat;
extern const struct route_ops aibrix__route_least_load_pulling;
extern const struct route_ops aibrix__route_least_load_pulling_compat;
extern const struct route_ops aibrix__route_pack_load;
extern const struct route_ops aibrix__route_pack_load_compat;
extern const struct route_ops aibrix__route_lora;
extern const struct route_ops aibrix__route_lora_compat;
extern const struct route_ops aibrix__route_session;
extern const struct route_ops aibrix__route_session_compat;
extern const struct route_ops aibrix__route_dualmap;
extern const struct route_ops aibrix__route_dualmap_compat;
extern const struct route_ops aibrix__route_preble;
extern const struct route_ops aibrix__route_preble_compat;
extern const struct route_ops aibrix__route_slo_pull;
extern const struct route_ops aibrix__route_slo_push;
extern const struct route_ops aibrix__route_slo_pack;
extern const struct route_ops aibrix__route_vtc_compat;
extern const struct route_ops aibrix__route_cost;
extern const struct route_ops aibrix__route_least_user;
extern const struct route_ops aibrix__route_most_user;

/* The coefficients of a request; NULL: the standard ones. */
int aibrix__route_model(const aibrix_route_model *model,
			aibrix_route_model *out);

/* The items of a text of len bytes; *offset is where it is wrong. */
int aibrix__route_parse(const char *bytes, uint64_t len,
			struct route_items *out, uint64_t *offset);

/* A strategy string, at most AIBRIX_ROUTE_TEXT_MAX of it read. */
int aibrix__route_policy(const char *text, uint32_t profile,
			 struct route_policy *out);

/* Look at the decision as each strategy of the policy does. */
void aibrix__route_views(const struct route_ask *ask, struct route_views *out);

/* The best row; there is at least one candidate.  Leaves out->reason. */
void aibrix__route_choose(const struct route_view *view,
			  const struct route_rank *rank,
			  struct route_choice *out);

/* A number that follows from who the owner is and from entropy. */
uint64_t aibrix__route_lot(const aibrix_owner *owner, uint64_t entropy);

/* Weighted strategies, and stages: choice, and score of a row. */
void aibrix__route_combine(struct route_views *views, struct route_choice *out);
double aibrix__route_combined(const struct route_views *views, uint32_t row);
void aibrix__route_chain(struct route_views *views, struct route_choice *out);
double aibrix__route_chained(const struct route_views *views, uint32_t row);

/* Rows' scores, and the i-th of ops->columns, where what is not known is NaN:
 * as rank->score and view_get, without a call or a branch a row. */
void aibrix__route_scores(const struct route_view *view,
			  const struct route_rank *rank, const uint32_t *rows,
			  uint32_t n, double *restrict out);
void aibrix__route_get(const struct route_view *view, uint32_t i,
		       const uint32_t *rows, uint32_t n, double *restrict out);

/* The same in place where that can be, else in room: each is for the caller
 * to ask whether it is finite. */
const double *aibrix__route_column(const struct route_view *view, uint32_t i,
				   const uint32_t *rows, uint32_t n,
				   double room[ROUTE_BATCH]);

/* List the candidates of a decision, and leave out who is far too busy. */
void aibrix__route_list(struct route_ask *ask);
void aibrix__route_filter(struct route_ask *ask);

/* The next candidates, in room where no list has them; 0 at the end. */
uint32_t aibrix__route_batch(const struct route_ask *ask, uint32_t *at,
			     uint32_t room[ROUTE_BATCH], const uint32_t **rows);

/* The next candidate of a fleet too large for the list. */
int aibrix__route_walk(const struct route_ask *ask, uint32_t *at,
		       uint32_t *row);

/* As isfinite(x) ? x : NAN, to the bit, in two subtractions. */
static inline double
finite_or_nan(double x)
{
	return x - (x - x);
}

/* The i-th of ops->columns at row, or other when it is not known. */
static inline double
view_get(const struct route_view *view, uint32_t i, uint32_t row, double other)
{
	const double *column = view->column[i];

	if (!column || !isfinite(column[row]) ||
	    (view->set_ns[i] && view->set_ns[i][row] < view->ask->oldest_ns))
		return other;
	return column[row];
}

/* The same of what cannot be below zero: such a value is an error of who
 * reports it, and as good as none. */
static inline double
view_gauge(const struct route_view *view, uint32_t i, uint32_t row)
{
	double x = view_get(view, i, row, NAN);

	return x < 0 ? NAN : x;
}

/* A count: one below zero is a bookkeeping error, not a reason to win for
 * ever, as counters of AIBrix that lost a decrement do. */
static inline double
view_count(const struct route_view *view, uint32_t i, uint32_t row)
{
	double count = view_get(view, i, row, NAN);

	return count < 0 ? 0 : count;
}

/* Speed relative to its peers, 1 when not known. */
static inline double
view_capacity(const struct route_view *view, uint32_t i, uint32_t row)
{
	double capacity = view_get(view, i, row, 1);

	return capacity > 0 ? capacity : 1;
}

/* Its score, NaN when not known. */
static inline double
view_score(const struct route_view *view, uint32_t row)
{
	double score;

	aibrix__route_scores(view, &view->ops->rank, &row, 1, &score);
	return finite_or_nan(score);
}

/* Walk over the usable candidates: *at begins at 0; 0 at the end. */
static inline int
ask_next(const struct route_ask *ask, uint32_t *at, uint32_t *row)
{
	if (!ask->listed)
		return aibrix__route_walk(ask, at, row);
	if (*at == ask->n)
		return 0;
	*row = ask->list[(*at)++];
	return 1;
}

static inline int
route_next(const struct route_view *view, uint32_t *at, uint32_t *row)
{
	return ask_next(view->ask, at, row);
}

#endif
