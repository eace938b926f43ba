/*
 * What engines take, learned from first tokens.
 *
 *	routed        first tokens
 *	  |  a   b  c   a   b c        spent on a: since it came, on b: since
 *	  '--+---+--+---'---'-'        the first token of a, on b and c, which
 *	                               came at once: together
 *
 * An engine computes prompts in order, so the gaps between first tokens are
 * what it spent, whatever the queue was.  Prompts of one step end together
 * and are learned from together.
 *
 * Two levels: coefficients of the fleet (route_fit.c), and of each row one
 * number, how much slower it is than they say.  A row has few observations of
 * very different prompts and the fleet has many, so the shape is learned from
 * all and only the scale from one.  A row begins as configured and that counts
 * as ROW_PRIOR observations.
 *
 * A gap may be an engine that hung, or a clock that jumped: each counts as at
 * most eight times, and at least an eighth of what was expected.  State is six
 * numbers squared, and one struct a row.
 */

#include <aibrix/estimate.h>

#include <math.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "fleet/fleet_view.h"
#include "route/route_fit.h"
#include "route/route_internal.h"
#include "route/route_rate.h"

enum {
	ROW_MEMORY = 64,
	FLEET_MEMORY = 1024,
	MEMORY_MAX = 1 << 20,
	ROW_PRIOR = 4,
	RATE_ROUTED = 32 /* that rates are known from */
};
enum { CHARGE_NONE, CHARGE_ROUTED, CHARGE_FIRST };

static const double outlier = 8;
static const double variance_prior = 0.25;
static const uint64_t rate_default_ns = 60000000000u;
static const uint64_t step_ns = 1000000; /* first tokens that come at once */

/* First tokens that came at once. */
struct group {
	double part[FIT_PARTS];
	double seconds;
	uint32_t n;
};

/* Of a row as long as owner has it. */
struct seen {
	aibrix_owner owner;
	uint64_t epoch;    /* 0: nobody yet */
	uint64_t first_ns; /* the last first token */
	uint64_t open;     /* requests that wait for theirs */
	double pending, until_s;
	double spent, expected, squares; /* sums of prompts' seconds */
	struct group group;
};

struct aibrix_estimate {
	aibrix_allocator alloc;
	aibrix_route_model prior;
	double row_keep, fleet_keep, caution, finish_weight;
	uint64_t rate_ns, epochs;
	struct fit fit;
	struct decode decode;
	struct rate arrivals, busy;
	double variance;               /* of a gap over what was expected */
	double computed_s, computed_n; /* tokens, and seconds for them */
	struct seen *rows;
	size_t rows_cap;
};

static int
opts_load(aibrix_estimate_opts *o, const aibrix_estimate_opts *opts)
{
	int err = aibrix__struct_load(o, sizeof(*o), opts,
				      STRUCT_UPTO(aibrix_estimate_opts, alloc));

	if (err)
		return err;
	if (o->spare || o->row_memory > MEMORY_MAX ||
	    o->fleet_memory > MEMORY_MAX || !isfinite(o->caution) ||
	    o->caution < 0 || !isfinite(o->finish_weight) ||
	    o->finish_weight < 0)
		return AIBRIX_E_INVAL;
	if (!o->row_memory)
		o->row_memory = ROW_MEMORY;
	if (!o->fleet_memory)
		o->fleet_memory = FLEET_MEMORY;
	if (o->caution == 0)
		o->caution = 2;
	if (o->finish_weight == 0)
		o->finish_weight = 1.0 / 32;
	if (!o->rate_ns)
		o->rate_ns = rate_default_ns;
	return AIBRIX_OK;
}

int
aibrix_estimate_new(const aibrix_estimate_opts *opts, aibrix_estimate **out)
{
	aibrix_estimate_opts o;
	aibrix_allocator alloc;
	aibrix_route_model prior;
	aibrix_estimate *e;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = opts_load(&o, opts);
	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (!err)
		err = aibrix__route_model(o.prior, &prior);
	if (err)
		return err;
	e = aibrix__alloc(&alloc, 1, sizeof(*e));
	if (!e)
		return AIBRIX_E_NOMEM;
	*e = (aibrix_estimate){
		.alloc = alloc,
		.prior = prior,
		.row_keep = 1 - 1.0 / o.row_memory,
		.fleet_keep = 1 - 1.0 / o.fleet_memory,
		.caution = o.caution,
		.finish_weight = o.finish_weight,
		.rate_ns = o.rate_ns,
		.variance = variance_prior,
	};
	aibrix__fit_open(&e->fit, o.fleet_memory);
	*out = e;
	return AIBRIX_OK;
}

void
aibrix_estimate_free(aibrix_estimate *estimate)
{
	aibrix_allocator alloc;

	if (!estimate)
		return;
	alloc = estimate->alloc;
	aibrix__free(&alloc, estimate->rows, estimate->rows_cap,
		     sizeof(*estimate->rows));
	aibrix__free(&alloc, estimate, 1, sizeof(*estimate));
}

/* Seconds by part, as assumed before anything was learned. */
static void
work_parts(const aibrix_route_model *prior, const aibrix_work *work,
	   double part[FIT_PARTS])
{
	double computed = (double)work->computed;
	double cached = (double)work->cached;

	part[FIT_FIRST] = prior->first_s;
	part[FIT_TOKENS] = computed * prior->token_s;
	part[FIT_PAIRS] = computed * (cached + computed / 2) * prior->pair_s;
	part[FIT_PULL] = (double)work->pulled * prior->load_s;
	part[FIT_RUNNING] = work->running * prior->running_s;
	part[FIT_ADAPTER] =
		work->flags & AIBRIX_WORK_ADAPTER ? prior->adapter_s : 0;
}

static int
work_valid(const aibrix_work *work)
{
	return work->computed <= AIBRIX_ESTIMATE_TOKENS_MAX &&
	       work->cached <= AIBRIX_ESTIMATE_TOKENS_MAX &&
	       work->pulled <= work->cached &&
	       !(work->flags & ~(uint32_t)AIBRIX_WORK_ADAPTER) && !work->spare;
}

static int
owner_equal(const aibrix_owner *a, const aibrix_owner *b)
{
	return a->pod == b->pod && a->rank == b->rank;
}

/*
 * What is known of who has row now; NULL: nothing.  A row that was taken
 * away has lost what was told of it, and whoever is there since then, be it
 * the same owner, has none of the old one's queue.
 */
static const struct seen *
seen_find(const aibrix_estimate *e, const aibrix_fleet *fleet, uint32_t row)
{
	const struct fleet_view view = aibrix__fleet_view(fleet);
	const double *until =
		aibrix_fleet_column(fleet, AIBRIX_COL_BUSY_UNTIL_S);

	if (row >= e->rows_cap || !e->rows[row].epoch || !until ||
	    isnan(until[row]) ||
	    !owner_equal(&e->rows[row].owner, &view.owners[row]))
		return NULL;
	return &e->rows[row];
}

/* As configured, until it is known. */
static double
configured(const aibrix_fleet *fleet, uint32_t row)
{
	const double *capacity =
		aibrix_fleet_column(fleet, AIBRIX_COL_CAPACITY_RATIO);

	return capacity && isfinite(capacity[row]) && capacity[row] > 0
		       ? 1 / capacity[row]
		       : 1;
}

/* Prompts that what was spent on them is worth: a long one says more than
 * others do, and less than as many as it is long. */
static double
lessons(const struct seen *s)
{
	return s->squares > 0 ? s->expected * s->expected / s->squares : 0;
}

static double
error_of(const aibrix_estimate *e, const struct seen *s)
{
	return sqrt(e->variance / (lessons(s) + ROW_PRIOR));
}

/*
 * A row differs from what is configured by what is beyond so many standard
 * errors: the fastest of sixty equal ones is the luckiest, and who sends
 * there what it saw others take builds a queue out of noise.
 */
static double
slowness(const aibrix_estimate *e, const struct seen *s,
	 const aibrix_fleet *fleet, uint32_t row)
{
	double prior = configured(fleet, row), n = lessons(s);
	double weight, differs, noise;

	if (n <= 0)
		return prior;
	weight = ROW_PRIOR * s->expected / n;
	differs = (weight + s->spent / prior) / (weight + s->expected) - 1;
	noise = e->caution * error_of(e, s);
	if (fabs(differs) <= noise)
		return prior;
	differs += differs > 0 ? -noise : noise;
	return prior * fmax(1 + differs, 1 / outlier);
}

/* Tell the fleet, before anything else is changed. */
static int
row_publish(const aibrix_estimate *e, aibrix_fleet *fleet, uint32_t row,
	    const struct seen *s, uint64_t now_ns)
{
	int err = aibrix_fleet_set(fleet, row, AIBRIX_COL_SLOWNESS_RATIO,
				   slowness(e, s, fleet, row), now_ns);

	if (err)
		return err;
	return aibrix_fleet_set(fleet, row, AIBRIX_COL_BUSY_UNTIL_S, s->until_s,
				now_ns);
}

int
aibrix_estimate_routed(aibrix_estimate *estimate, aibrix_fleet *fleet,
		       const aibrix_work *work, uint64_t now_ns,
		       aibrix_charge *charge)
{
	struct fleet_view view;
	struct seen s = {0};
	const struct seen *known;
	double part[FIT_PARTS], seconds, now_s = (double)now_ns / 1e9;
	int err;

	if (!estimate || !fleet || !work || !charge || !work_valid(work))
		return AIBRIX_E_INVAL;
	view = aibrix__fleet_view(fleet);
	if (!fleet_view_used(&view, work->row))
		return AIBRIX_E_NOT_FOUND;
	err = aibrix__grow(&estimate->alloc, &estimate->rows,
			   &estimate->rows_cap, work->row + 1,
			   sizeof(*estimate->rows));
	if (err)
		return err;
	known = seen_find(estimate, fleet, work->row);
	if (known)
		s = *known;
	else
		s = (struct seen){.owner = view.owners[work->row],
				  .epoch = estimate->epochs + 1};
	work_parts(&estimate->prior, work, part);
	seconds = aibrix__fit_sum(&estimate->fit, part) *
		  slowness(estimate, &s, fleet, work->row);
	s.until_s = (s.open && s.until_s > now_s ? s.until_s : now_s) + seconds;
	s.pending += seconds;
	s.open++;
	err = row_publish(estimate, fleet, work->row, &s, now_ns);
	if (err)
		return err;
	estimate->epochs += !known;
	estimate->rows[work->row] = s;
	aibrix__rate_add(&estimate->arrivals, 1, now_ns, estimate->rate_ns);
	*charge = (aibrix_charge){.work = *work,
				  .routed_ns = now_ns,
				  .seconds = seconds,
				  .epoch = s.epoch,
				  .state = CHARGE_ROUTED};
	return AIBRIX_OK;
}

static double
clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* The first tokens that came at once are all there. */
static void
group_learn(aibrix_estimate *e, const aibrix_fleet *fleet, uint32_t row,
	    struct seen *s)
{
	double expected = aibrix__fit_sum(&e->fit, s->group.part);
	double slow = slowness(e, s, fleet, row), spent, error;

	if (!s->group.n || !(expected > 0))
		return;
	spent = clamp(s->group.seconds, expected * slow / outlier,
		      expected * slow * outlier);
	error = clamp(spent / (expected * slow) - 1, -1, 1);
	e->variance += (error * error - e->variance) * (1 - e->fleet_keep);
	aibrix__fit_learn(&e->fit, s->group.part, spent / slow);
	s->spent = s->spent * e->row_keep + spent;
	s->expected = s->expected * e->row_keep + expected;
	s->squares = s->squares * e->row_keep + expected * expected;
}

static void
group_add(struct group *group, const double part[FIT_PARTS], double seconds)
{
	for (int i = 0; i < FIT_PARTS; i++) {
		/* One step, with the same requests beside it. */
		if (group->n && (i == FIT_FIRST || i == FIT_RUNNING))
			group->part[i] = fmax(group->part[i], part[i]);
		else
			group->part[i] += part[i];
	}
	group->seconds += seconds;
	group->n++;
}

/* Take back what charge has added; its row, or NULL when that has gone. */
static const struct seen *
charge_take(const aibrix_estimate *e, const aibrix_fleet *fleet,
	    const aibrix_charge *charge, struct seen *out)
{
	const struct fleet_view view = aibrix__fleet_view(fleet);
	const struct seen *s;

	if (charge->state != CHARGE_ROUTED ||
	    !fleet_view_used(&view, charge->work.row))
		return NULL;
	s = seen_find(e, fleet, charge->work.row);
	if (!s || s->epoch != charge->epoch || !s->open)
		return NULL;
	*out = *s;
	out->open--;
	out->pending -= charge->seconds;
	if (!out->open || out->pending < 0)
		out->pending = 0;
	return s;
}

int
aibrix_estimate_first_token(aibrix_estimate *estimate, aibrix_fleet *fleet,
			    aibrix_charge *charge, uint64_t now_ns)
{
	double part[FIT_PARTS], seconds;
	uint64_t from_ns;
	struct seen s;
	uint32_t row;
	int err;

	if (!estimate || !fleet || !charge || !work_valid(&charge->work) ||
	    !isfinite(charge->seconds))
		return AIBRIX_E_INVAL;
	row = charge->work.row;
	if (!charge_take(estimate, fleet, charge, &s))
		return AIBRIX_E_NOT_FOUND;
	s.until_s = (double)now_ns / 1e9 + s.pending;
	err = row_publish(estimate, fleet, row, &s, now_ns);
	if (err)
		return err;
	work_parts(&estimate->prior, &charge->work, part);
	from_ns =
		charge->routed_ns > s.first_ns ? charge->routed_ns : s.first_ns;
	seconds = seconds_of(from_ns, now_ns);
	if (s.group.n &&
	    seconds_of(s.first_ns, now_ns) > (double)step_ns / 1e9) {
		group_learn(estimate, fleet, row, &s);
		s.group = (struct group){.n = 0};
	}
	group_add(&s.group, part, seconds);
	s.first_ns = now_ns > s.first_ns ? now_ns : s.first_ns;
	aibrix__rate_add(&estimate->busy, seconds, now_ns, estimate->rate_ns);
	estimate->computed_s =
		estimate->computed_s * estimate->fleet_keep +
		estimate->fit.factor[FIT_TOKENS] * part[FIT_TOKENS] +
		estimate->fit.factor[FIT_PAIRS] * part[FIT_PAIRS];
	estimate->computed_n = estimate->computed_n * estimate->fleet_keep +
			       (double)charge->work.computed;
	estimate->rows[row] = s;
	charge->first_ns = now_ns;
	charge->state = CHARGE_FIRST;
	/* With what it has taught; the columns are there. */
	return row_publish(estimate, fleet, row, &s, now_ns);
}

int
aibrix_estimate_gone(aibrix_estimate *estimate, aibrix_fleet *fleet,
		     aibrix_charge *charge, uint64_t now_ns)
{
	const double now_s = (double)now_ns / 1e9;
	struct seen s;
	int err;

	if (!estimate || !fleet || !charge || !isfinite(charge->seconds))
		return AIBRIX_E_INVAL;
	if (!charge_take(estimate, fleet, charge, &s))
		return AIBRIX_E_NOT_FOUND;
	s.until_s = fmax(s.until_s - charge->seconds, now_s);
	err = row_publish(estimate, fleet, charge->work.row, &s, now_ns);
	if (err)
		return err;
	estimate->rows[charge->work.row] = s;
	charge->state = CHARGE_NONE;
	return AIBRIX_OK;
}

int
aibrix_estimate_done(aibrix_estimate *estimate, aibrix_charge *charge,
		     uint64_t output_tokens, uint64_t now_ns)
{
	if (!estimate || !charge || output_tokens > AIBRIX_ESTIMATE_TOKENS_MAX)
		return AIBRIX_E_INVAL;
	if (charge->state != CHARGE_FIRST)
		return AIBRIX_E_NOT_FOUND;
	charge->state = CHARGE_NONE;
	if (output_tokens < 2 || now_ns <= charge->first_ns)
		return AIBRIX_OK;
	aibrix__decode_add(&estimate->decode, charge->work.running,
			   seconds_of(charge->first_ns, now_ns),
			   (double)output_tokens, estimate->fleet_keep);
	return AIBRIX_OK;
}

int
aibrix_estimate_model(const aibrix_estimate *estimate,
		      const aibrix_fleet *fleet, uint64_t now_ns,
		      aibrix_route_model *out)
{
	aibrix_route_model model;
	const double *factor;
	double rows;

	if (!estimate || !fleet || !out)
		return AIBRIX_E_INVAL;
	model = estimate->prior;
	factor = estimate->fit.factor;
	model.first_s *= factor[FIT_FIRST];
	model.token_s *= factor[FIT_TOKENS];
	model.pair_s *= factor[FIT_PAIRS];
	model.load_s *= factor[FIT_PULL];
	model.running_s *= factor[FIT_RUNNING];
	model.adapter_s *= factor[FIT_ADAPTER];
	if (estimate->computed_n > 0)
		model.pending_s = estimate->computed_s / estimate->computed_n;
	model.finish_s += estimate->finish_weight *
			  aibrix__decode_share(&estimate->decode);
	if (estimate->busy.n >= RATE_ROUTED) {
		rows = aibrix_fleet_count(fleet) ? aibrix_fleet_count(fleet)
						 : 1;
		model.arrivals_per_s =
			aibrix__rate_get(&estimate->arrivals, now_ns,
					 estimate->rate_ns) /
			rows;
		model.busy_ratio =
			clamp(aibrix__rate_get(&estimate->busy, now_ns,
					       estimate->rate_ns) /
				      rows,
			      0, 0.95);
	}
	return aibrix__struct_store(
		out, &model, sizeof(model),
		STRUCT_UPTO(aibrix_route_model, busy_ratio));
}

int
aibrix_estimate_read(const aibrix_estimate *estimate, const aibrix_fleet *fleet,
		     uint32_t row, aibrix_estimate_row *out)
{
	struct fleet_view view;
	struct seen s = {0};
	const struct seen *known;
	aibrix_estimate_row read;

	if (!estimate || !fleet || !out)
		return AIBRIX_E_INVAL;
	view = aibrix__fleet_view(fleet);
	if (!fleet_view_used(&view, row))
		return AIBRIX_E_NOT_FOUND;
	known = seen_find(estimate, fleet, row);
	if (known)
		s = *known;
	read = (aibrix_estimate_row){
		.observations = lessons(&s),
		.slowness = slowness(estimate, &s, fleet, row),
		.error = error_of(estimate, &s),
		.pending_s = s.pending,
	};
	return aibrix__struct_store(
		out, &read, sizeof(read),
		STRUCT_UPTO(aibrix_estimate_row, pending_s));
}
