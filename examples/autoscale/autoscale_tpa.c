/*
 * TPA, every 10 s: aibrix_demand_step on what metrics pages and the gateway
 * say, and its number through aibrix_scale_step.
 *
 * Pages have totals.  Rates are what they grew by between the last two pages
 * of a pod that were read, as aibrix_scrape_rate has them over a window.
 */
#include <math.h>
#include <stdlib.h>

#include <aibrix/aibrix.h>

#include "autoscale_scaler.h"

enum { ROWS_MAX = 4096 };

/* Arrays by row. */
typedef struct tpa_columns {
	double running[ROWS_MAX], waiting[ROWS_MAX], kv[ROWS_MAX];
	double prompt[ROWS_MAX], cached[ROWS_MAX], output[ROWS_MAX];
	double finished[ROWS_MAX], input_mean[ROWS_MAX];
	double output_mean[ROWS_MAX], itl[ROWS_MAX];
	uint64_t at_ns[ROWS_MAX];
	sim_sample last[ROWS_MAX];
} tpa_columns;

typedef struct tpa_scaler {
	aibrix_demand_opts demand_opts;
	aibrix_demand_state *demand;
	aibrix_scale_opts opts;
	aibrix_scale_metric metric;
	aibrix_scale_state *state;
	void *demand_memory, *memory;
	tpa_columns *columns;
	aibrix_demand_seen seen;
	double arrived;
	uint64_t at_ns;
} tpa_scaler;

static const char *const keys[] = {
	"use",         "part of what pods bear above which there are too few",
	"gap",         "below that part of it there are too many",
	"quantile",    "of what may come",
	"sensitivity", "part of the targets that fewer pods must keep",
	"drain",       "queues are to be gone in so many seconds",
	"trend",       "seconds that a trend is believed to last",
	"ttft",        "mean time to first token, as part of what is good",
	"itl",         "mean time between tokens, as part of what is good",
	"down",        "stabilisation of falls, seconds",
	NULL,
};

static const char *const sweep[] = {
	"use=0.85",        "use=0.2", "use=0.3",         "use=0.4",
	"use=0.5",         "use=0.6", "use=0.7",         "use=0.8",
	"use=0.9",         "use=1",   "use=0.3,down=30", "use=0.4,down=30",
	"use=0.5,down=30", NULL,
};

static void
columns_untold(tpa_columns *c, uint32_t row)
{
	c->prompt[row] = c->cached[row] = c->output[row] = NAN;
	c->finished[row] = NAN;
}

static double
mean_of(double sum, double count)
{
	return count > 0 ? sum / count : NAN;
}

/* What a pod's page has more than the one before it. */
static void
row_take(tpa_columns *c, uint32_t row, const sim_sample *seen)
{
	sim_sample *last = &c->last[row];
	double s = ((double)seen->at_ns - (double)last->at_ns) / 1e9;
	double prompts = seen->prompt_tokens_total - last->prompt_tokens_total;
	double tokens =
		seen->generation_tokens_total - last->generation_tokens_total;
	double requests = seen->requests_total - last->requests_total;
	int again = seen->requests_total < last->requests_total ||
		    seen->prompt_tokens_total < last->prompt_tokens_total;

	c->at_ns[row] = seen->at_ns;
	c->running[row] = seen->at_ns ? seen->running : (double)NAN;
	c->waiting[row] = seen->waiting;
	c->kv[row] = seen->kv_usage;
	if (seen->at_ns == last->at_ns && seen->at_ns)
		return;
	if (seen->at_ns == 0 || last->at_ns == 0 || again || s <= 0) {
		columns_untold(c, row);
	} else {
		c->prompt[row] = prompts / s;
		c->cached[row] = prompts > 0 ? (seen->cached_tokens_total -
						last->cached_tokens_total) /
						       prompts
					     : 0;
		c->output[row] = tokens / s;
		c->finished[row] = requests / s;
		c->input_mean[row] =
			mean_of(prompts, seen->ttft_count - last->ttft_count);
		c->output_mean[row] = mean_of(tokens, requests);
		c->itl[row] = mean_of(seen->itl_s_sum - last->itl_s_sum,
				      seen->itl_count - last->itl_count);
	}
	*last = *seen;
}

static void
tpa_close(void *state)
{
	tpa_scaler *tpa = state;

	if (!tpa)
		return;
	free(tpa->demand_memory);
	free(tpa->memory);
	free(tpa->columns);
	free(tpa);
}

/* What an operator reads off data sheets: a step reads the weights and the
 * used part of the cache, and computes its prompt tokens. */
static void
roofline_take(aibrix_demand_opts *d, const sim_pod_spec *spec)
{
	d->slots = spec->max_running;
	d->step_s =
		spec->step_s + spec->weight_bytes / spec->memory_bytes_per_s;
	d->kv_s = (double)spec->kv_tokens * spec->kv_bytes_per_token /
		  spec->memory_bytes_per_s;
	d->token_s = spec->flops_per_token / spec->gemm_flops_per_s;
}

static void
opts_take(tpa_scaler *tpa, const autoscale_bounds *bounds, const char *text)
{
	aibrix_demand_opts *d = &tpa->demand_opts;
	aibrix_scale_opts *o = &tpa->opts;

	d->size = sizeof(*d);
	roofline_take(d, bounds->spec);
	d->ttft_s = bounds->slo_ttft_s * autoscale_number(text, "ttft", 0.5);
	d->itl_s = bounds->slo_itl_s * autoscale_number(text, "itl", 0.8);
	d->up_use = autoscale_number(text, "use", 0.85);
	d->down_use = d->up_use * autoscale_number(text, "gap", 0);
	d->quantile = autoscale_number(text, "quantile", 0);
	d->sensitivity = autoscale_number(text, "sensitivity", 0);
	d->drain_ns = (uint64_t)(1e9 * autoscale_number(text, "drain", 0));
	d->trend_ns = (uint64_t)(1e9 * autoscale_number(text, "trend", 0));
	d->start_ns = (uint64_t)(1e9 * fmax(bounds->start_s, 1));
	d->fresh_ns = 3 * bounds->scrape_ns;
	o->size = sizeof(*o);
	o->strategy = AIBRIX_SCALE_TPA;
	o->min_replicas = bounds->min_pods;
	o->max_replicas = bounds->max_pods;
	o->n_metrics = 1;
	o->metrics = &tpa->metric;
	if (autoscale_number(text, "down", -1) >= 0) {
		o->down_window_ns =
			(uint64_t)(1e9 * autoscale_number(text, "down", 0));
		o->flags |= AIBRIX_SCALE_DOWN_WINDOW_SET;
	}
	tpa->metric.kind = AIBRIX_SCALE_TOTAL;
	tpa->metric.target = 1;
}

static void
seen_point(tpa_scaler *tpa)
{
	const tpa_columns *c = tpa->columns;

	tpa->seen = (aibrix_demand_seen){
		.size = sizeof(tpa->seen),
		.flags = AIBRIX_DEMAND_ARRIVALS,
		.running = c->running,
		.waiting = c->waiting,
		.kv_ratio = c->kv,
		.prompt_per_s = c->prompt,
		.cached_ratio = c->cached,
		.output_per_s = c->output,
		.finished_per_s = c->finished,
		.input_tokens = c->input_mean,
		.output_tokens = c->output_mean,
		.itl_s = c->itl,
		.at_ns = c->at_ns,
	};
}

static int
states_make(tpa_scaler *tpa)
{
	uint64_t bytes = 0, demand_bytes = aibrix_demand_state_bytes();

	if (aibrix_scale_state_bytes(&tpa->opts, &bytes) != AIBRIX_OK)
		return -1;
	tpa->memory = malloc(bytes);
	tpa->demand_memory = malloc(demand_bytes);
	tpa->columns = calloc(1, sizeof(*tpa->columns));
	if (!tpa->memory || !tpa->demand_memory || !tpa->columns)
		return -1;
	seen_point(tpa);
	return aibrix_scale_state_init(&tpa->opts, tpa->memory, bytes,
				       &tpa->state) == AIBRIX_OK &&
			       aibrix_demand_state_init(
				       tpa->demand_memory, demand_bytes,
				       &tpa->demand) == AIBRIX_OK
		       ? 0
		       : -1;
}

static void *
tpa_open(const autoscale_bounds *bounds, const char *text)
{
	tpa_scaler *tpa = calloc(1, sizeof(*tpa));

	if (!tpa)
		return NULL;
	opts_take(tpa, bounds, text);
	if (states_make(tpa) == 0)
		return tpa;
	tpa_close(tpa);
	return NULL;
}

static int
tpa_decide(void *state, const sim_fleet_view *view, int32_t *replicas)
{
	tpa_scaler *tpa = state;
	aibrix_demand demand = {.size = sizeof(demand)};
	aibrix_scale_decision decision = {.size = sizeof(decision)};
	const aibrix_scale_fleet fleet = {
		.size = sizeof(fleet),
		.replicas = view->replicas,
		.n_pods = view->n_pods,
		.pods = view->pods,
		.queued = view->queued,
	};
	aibrix_scale_values values = {0};
	double s = (double)(view->now_ns - tpa->at_ns) / 1e9;
	int err;

	if (view->n_pods > ROWS_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < view->n_pods; i++)
		row_take(tpa->columns, i, &view->samples[i]);
	tpa->seen.arrivals_per_s =
		s > 0 ? (view->arrived_total - tpa->arrived) / s : (double)NAN;
	tpa->arrived = view->arrived_total;
	tpa->at_ns = view->now_ns;
	err = aibrix_demand_step(&tpa->demand_opts, &fleet, &tpa->seen,
				 tpa->demand, view->now_ns, &demand);
	if (err)
		return err;
	values.total = demand.wanted;
	err = aibrix_scale_step(&tpa->opts, &fleet, &values, tpa->state,
				view->now_ns, &decision);
	if (!err)
		*replicas = decision.replicas;
	return err;
}

const autoscale_scaler autoscale_tpa = {
	.name = "tpa",
	.text = "the library's TPA",
	.keys = keys,
	.sweep = sweep,
	.period_ns = UINT64_C(10000000000),
	.open = tpa_open,
	.decide = tpa_decide,
	.close = tpa_close,
};
