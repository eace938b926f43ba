/*
 * The library's scalers, as a host would call them: the value of each pod is
 * what its metrics page said when it was last read, with the time of that.
 */
#include "autoscale_library.h"

#include <math.h>
#include <stdlib.h>

#include <aibrix/aibrix.h>

enum { ROWS_MAX = 4096 };

struct autoscale_library {
	aibrix_scale_opts opts;
	aibrix_scale_metric metric;
	aibrix_scale_state *state;
	void *memory;
	double *values;
	uint64_t *at_ns;
	int of_kv;
};

const char *const autoscale_library_keys[] = {
	"target",    "of one pod: requests in its engine, or kv percent",
	"kv",        "1: share of KV memory in percent, not requests",
	"stable",    "long window, seconds",
	"panic",     "short window, seconds",
	"tolerance", "dead band around the target",
	"up",        "stabilisation of rises, seconds",
	"down",      "stabilisation of falls, seconds",
	"delay",     "no fall below what was wanted within so many seconds",
	NULL,
};

static uint64_t
seconds_ns(const char *text, const char *key, uint64_t fallback_ns)
{
	return (uint64_t)(1e9 * autoscale_number(text, key,
						 (double)fallback_ns / 1e9));
}

static void
opts_take(autoscale_library *library, const autoscale_bounds *bounds,
	  const char *text)
{
	aibrix_scale_opts *opts = &library->opts;
	double tolerance = autoscale_number(text, "tolerance", -1);

	opts->size = sizeof(*opts);
	opts->min_replicas = bounds->min_pods;
	opts->max_replicas = bounds->max_pods;
	opts->n_metrics = 1;
	opts->metrics = &library->metric;
	opts->stable_ns = seconds_ns(text, "stable", opts->stable_ns);
	opts->panic_ns = seconds_ns(text, "panic", opts->panic_ns);
	opts->delay_ns = seconds_ns(text, "delay", opts->delay_ns);
	opts->up_window_ns = seconds_ns(text, "up", opts->up_window_ns);
	opts->fresh_ns = 3 * bounds->scrape_ns;
	if (autoscale_number(text, "down", -1) >= 0) {
		opts->down_window_ns = seconds_ns(text, "down", 0);
		opts->flags |= AIBRIX_SCALE_DOWN_WINDOW_SET;
	}
	if (tolerance >= 0) {
		opts->up_tolerance = opts->down_tolerance = tolerance;
		opts->flags |= AIBRIX_SCALE_UP_TOLERANCE_SET |
			       AIBRIX_SCALE_DOWN_TOLERANCE_SET;
	}
}

autoscale_library *
autoscale_library_open(const autoscale_bounds *bounds, const char *text,
		       const aibrix_scale_opts *opts)
{
	autoscale_library *library = calloc(1, sizeof(*library));
	uint64_t bytes = 0;

	if (!library)
		return NULL;
	library->opts = *opts;
	opts_take(library, bounds, text);
	library->metric.kind = AIBRIX_SCALE_PODS;
	library->of_kv = autoscale_number(text, "kv", 0) > 0;
	library->metric.target = autoscale_number(text, "target", 32);
	library->values = calloc(ROWS_MAX, sizeof(*library->values));
	library->at_ns = calloc(ROWS_MAX, sizeof(*library->at_ns));
	if (aibrix_scale_state_bytes(&library->opts, &bytes) == AIBRIX_OK)
		library->memory = malloc(bytes);
	if (library->values && library->at_ns && library->memory &&
	    aibrix_scale_state_init(&library->opts, library->memory, bytes,
				    &library->state) == AIBRIX_OK)
		return library;
	autoscale_library_close(library);
	return NULL;
}

int
autoscale_library_decide(void *state, const sim_fleet_view *view,
			 int32_t *replicas)
{
	autoscale_library *library = state;
	aibrix_scale_decision decision = {.size = sizeof(decision)};
	const aibrix_scale_fleet fleet = {
		.size = sizeof(fleet),
		.replicas = view->replicas,
		.n_pods = view->n_pods,
		.pods = view->pods,
		.queued = view->queued,
	};
	const aibrix_scale_values values = {
		.values = library->values,
		.at_ns = library->at_ns,
	};
	int err;

	if (view->n_pods > ROWS_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < view->n_pods; i++) {
		const sim_sample *seen = &view->samples[i];

		library->values[i] = seen->at_ns == 0 ? (double)NAN
				     : library->of_kv
					     ? 100 * seen->kv_usage
					     : seen->running + seen->waiting;
		library->at_ns[i] = seen->at_ns;
	}
	err = aibrix_scale_step(&library->opts, &fleet, &values, library->state,
				view->now_ns, &decision);
	if (!err)
		*replicas = decision.replicas;
	return err;
}

void
autoscale_library_close(void *state)
{
	autoscale_library *library = state;

	if (!library)
		return;
	free(library->values);
	free(library->at_ns);
	free(library->memory);
	free(library);
}
