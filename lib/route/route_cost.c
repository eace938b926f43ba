/*
 * Cost: the seconds that a request takes of everybody, where it goes.
 *
 *	wait   until what waits there is computed
 *	work   slowness * (first + tokens computed, attention included)
 *	       + pull from lower tiers + load of the adapter
 *	share  (slowness * running + finish) * requests running there
 *
 *	cost = weight * wait + work + share + extra
 *	       + arrivals / (1 - busy) * work * (wait + work / 2)
 *
 * The first line is the time to our first token.  The second is what our work
 * costs those who come after us: a queue that is served in order, to which
 * requests come at a rate, is busy for (wait + work) / (1 - busy) seconds
 * longer or shorter, and who comes meanwhile waits for our work, too.  It is
 * the exact value of one more job in an M/G/1 queue (Hyytia, Penttinen, Aalto,
 * "Size- and state-aware dispatching problem with queue-specific job sizes",
 * EJOR 217, 2012), for which a fleet that is dealt to at random is improved
 * once.
 *
 * So no weight of queue against prefix is needed: on an idle fleet the wait
 * decides, on a busy one the work does, and a row that has much to do is left
 * alone before it is a hot spot, since the product grows with both.
 *
 * A table of other strategies as coefficients of this one is in
 * doc/modules/route.md.
 */

#include "route/route_internal.h"

enum { PENDING, RUNNING, UNTIL, SLOWNESS, CAPACITY, BLOCKS, TIER, HELD, EXTRA };
enum { LOAD_UNKNOWN, PROMPT, NOW };

/* Columns of a batch. */
struct load {
	const double *pending, *running, *until;
};

/* Columns that tell rows apart where nobody's load is known. */
static int
row_known(const struct route_view *view, uint32_t row)
{
	static const uint32_t others[] = {SLOWNESS, CAPACITY, BLOCKS,
					  TIER,     HELD,     EXTRA};

	for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!isnan(view_get(view, others[i], row, NAN)))
			return 1;
	return 0;
}

/* What an unknown load counts: 0 where nobody's is known but something is. */
static double
load_unknown(const struct route_view *view)
{
	uint32_t at = 0, row;
	double unknown = NAN;

	while (route_next(view, &at, &row)) {
		if (!isnan(view_get(view, PENDING, row, NAN)) ||
		    !isnan(view_get(view, RUNNING, row, NAN)) ||
		    !isnan(view_get(view, UNTIL, row, NAN)))
			return NAN;
		if (row_known(view, row))
			unknown = 0;
	}
	return unknown;
}

static void
cost_prepare(struct route_view *view)
{
	const aibrix_route_request *request = view->request;

	view->fact[LOAD_UNKNOWN] = load_unknown(view);
	view->fact[PROMPT] =
		request->prompt_tokens
			? (double)request->prompt_tokens
			: (double)request->n_blocks * request->block_tokens;
	view->fact[NOW] = (double)view->ask->now_ns / 1e9;
}

/* Slower than the model says; where nobody has measured it, as configured. */
static void
rows_slowness(const struct route_view *view, const uint32_t *rows, uint32_t n,
	      double *restrict slow)
{
	double room[ROUTE_BATCH];
	const double *of = aibrix__route_column(view, SLOWNESS, rows, n, room);
	double unknown = 0; /* no int: several rows at a time */

	for (uint32_t i = 0; i < n; i++) {
		slow[i] = finite_or_nan(of[i]);
		unknown = slow[i] > 0 ? unknown : 1;
	}
	if (unknown == 0)
		return;
	of = aibrix__route_column(view, CAPACITY, rows, n, room);
	for (uint32_t i = 0; i < n; i++) {
		double capacity = finite_or_nan(of[i]);
		double configured = capacity > 0 ? 1 / capacity : 1;

		slow[i] = slow[i] > 0 ? slow[i] : configured;
	}
}

/* Where something is not known. */
static void
rows_wait_guessed(const struct route_view *view, const struct load *load,
		  const double *slow, uint32_t n, double *restrict wait,
		  double *restrict running)
{
	const double per_request = view->route->tokens_per_request;
	const double per_token = 1 / per_request;
	const double pending_s = view->ask->model.pending_s;
	const double unknown = view->fact[LOAD_UNKNOWN], now = view->fact[NOW];

	for (uint32_t i = 0; i < n; i++) {
		double tokens = finite_or_nan(load->pending[i]);
		double requests = finite_or_nan(load->running[i]);
		double left = finite_or_nan(load->until[i]) - now;
		double alone = left < 0 ? 0 : left, late = -left, counted;

		tokens = tokens < 0 ? 0 : tokens;
		requests = requests < 0 ? 0 : requests;
		tokens = isnan(tokens) ? requests * per_request : tokens;
		requests = isnan(requests) ? tokens * per_token : requests;
		counted = tokens * pending_s * slow[i];
		late = late > counted ? counted : late;
		left = left > 0 ? left : late;
		left = tokens > 0 ? left : 0;
		left = isnan(tokens) ? alone : left;
		counted = isnan(counted) ? unknown : counted;
		wait[i] = isnan(left) ? counted : left;
		running[i] = isnan(requests) ? 0 : requests;
	}
}

/* Where all is known: the same, without what never happens. */
static void
rows_wait_known(const struct route_view *view, const struct load *load,
		const double *slow, uint32_t n, double *restrict wait,
		double *restrict running)
{
	const double pending_s = view->ask->model.pending_s;
	const double now = view->fact[NOW];

	for (uint32_t i = 0; i < n; i++) {
		double tokens = load->pending[i], requests = load->running[i];
		double left = load->until[i] - now, late = -left, counted;

		tokens = tokens < 0 ? 0 : tokens;
		counted = tokens * pending_s * slow[i];
		late = late > counted ? counted : late;
		left = left > 0 ? left : late;
		wait[i] = tokens > 0 ? left : 0;
		running[i] = requests < 0 ? 0 : requests;
	}
}

/*
 * Seconds until the row is free for us, and the requests that run there.
 *
 * BUSY_UNTIL is what the work was expected to take.  A row that is overdue
 * is waited for as long again, at most as long as its work takes: what is late
 * is likely to be later still.  Without it the counts tell, without counts it
 * does, and where nothing is pending there is no wait.
 */
static void
rows_wait(const struct route_view *view, const uint32_t *rows, uint32_t n,
	  const double *slow, double *restrict wait, double *restrict running)
{
	double room[3][ROUTE_BATCH];
	const struct load load = {
		aibrix__route_column(view, PENDING, rows, n, room[0]),
		aibrix__route_column(view, RUNNING, rows, n, room[1]),
		aibrix__route_column(view, UNTIL, rows, n, room[2]),
	};
	double unknown = 0;

	for (uint32_t i = 0; i < n; i++) {
		double all = load.pending[i] + load.running[i] + load.until[i];

		unknown = all - all == 0 ? unknown : 1;
	}
	if (unknown > 0)
		rows_wait_guessed(view, &load, slow, n, wait, running);
	else
		rows_wait_known(view, &load, slow, n, wait, running);
}

static inline double
tokens_of(double blocks, double block_tokens, double prompt)
{
	double tokens = finite_or_nan(blocks);

	tokens = (tokens > 0 ? tokens : 0) * block_tokens;
	return tokens > prompt ? prompt : tokens;
}

/* Seconds that the row works for us until the first token. */
static void
rows_work(const struct route_view *view, const uint32_t *rows, uint32_t n,
	  const double *slow, double *restrict work)
{
	const aibrix_route_model *model = &view->ask->model;
	const double first_s = model->first_s, token_s = model->token_s;
	const double pair_s = model->pair_s, load_s = model->load_s;
	const double adapter_s = model->adapter_s;
	const double prompt = view->fact[PROMPT];
	const double block_tokens = view->request->block_tokens;
	double room[2][ROUTE_BATCH];
	const double *held =
		aibrix__route_column(view, BLOCKS, rows, n, room[0]);
	const double *tier = held;

	if (view->column[TIER])
		tier = aibrix__route_column(view, TIER, rows, n, room[1]);
	for (uint32_t i = 0; i < n; i++) {
		double here = tokens_of(held[i], block_tokens, prompt);
		double there = tokens_of(tier[i], block_tokens, prompt);
		double left;

		there = there > here ? there : here;
		left = prompt - there;

		work[i] = slow[i] * (first_s +
				     left * (token_s +
					     pair_s * (there + left / 2))) +
			  (there - here) * load_s;
	}
	if (!view->column[HELD])
		return;
	held = aibrix__route_column(view, HELD, rows, n, room[0]);
	for (uint32_t i = 0; i < n; i++)
		work[i] += finite_or_nan(held[i]) > 0 ? 0 : adapter_s;
}

static void
cost_scores(const struct route_view *view, const uint32_t *rows, uint32_t n,
	    double *restrict out)
{
	const aibrix_route_model *model = &view->ask->model;
	const double weight = model->wait_weight, finish_s = model->finish_s;
	const double running_s = model->running_s;
	const double others = model->arrivals_per_s / (1 - model->busy_ratio);
	double slow[ROUTE_BATCH], wait[ROUTE_BATCH], running[ROUTE_BATCH];
	double work[ROUTE_BATCH];
	const double *extra;

	rows_slowness(view, rows, n, slow);
	rows_wait(view, rows, n, slow, wait, running);
	rows_work(view, rows, n, slow, work);
	for (uint32_t i = 0; i < n; i++)
		out[i] = weight * wait[i] + work[i] +
			 slow[i] * (running_s + finish_s) * running[i] +
			 others * work[i] * (wait[i] + work[i] / 2);
	if (!view->column[EXTRA])
		return;
	extra = aibrix__route_column(view, EXTRA, rows, n, slow);
	for (uint32_t i = 0; i < n; i++) {
		double more = finite_or_nan(extra[i]);

		out[i] += more > 0 ? more : 0;
	}
}

/* Among equals. */
static double
requests_running(const struct route_view *view, uint32_t row)
{
	return view_count(view, RUNNING, row);
}

static void
cost_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	out->reason = view_get(view, BLOCKS, out->row, 0) > 0
			      ? AIBRIX_REASON_PREFIX
			      : AIBRIX_REASON_COST;
}

/* A request of the usual size more in the queue. */
static double
cost_unit(const struct route_view *view)
{
	const aibrix_route_model *model = &view->ask->model;
	double unit = model->wait_weight * model->pending_s *
			      view->route->tokens_per_request +
		      model->running_s;

	return unit > 0 ? unit : 1;
}

const struct route_ops aibrix__route_cost = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_BUSY_UNTIL_S, AIBRIX_COL_SLOWNESS_RATIO,
		    AIBRIX_COL_CAPACITY_RATIO, AIBRIX_COL_PREFIX_BLOCKS,
		    AIBRIX_COL_TIER_BLOCKS, AIBRIX_COL_ADAPTER_HELD,
		    AIBRIX_COL_EXTRA_S},
	.n_columns = 9,
	.reason = AIBRIX_REASON_COST,
	.rank = {.scores = cost_scores,
		 .then = requests_running,
		 .lower_is_better = 1},
	.unit = cost_unit,
	.prepare = cost_prepare,
	.choose = cost_choose,
};
