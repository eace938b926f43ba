/*
 * Strategy tpa: from pages to aibrix_demand_step, whose number of pods is the
 * one metric of aibrix_scale_step.
 *
 * Means and rates are of --rate-window.  What a page does not have, and means
 * of an engine's whole life where nothing happened in the window, are not
 * known.
 */
#include "live/live.h"

#include <math.h>
#include <stdlib.h>

/* By pod. */
typedef struct demand_columns {
	double running[LIVE_PODS_MAX], waiting[LIVE_PODS_MAX];
	double kv_ratio[LIVE_PODS_MAX];
	double prompt_per_s[LIVE_PODS_MAX], cached_ratio[LIVE_PODS_MAX];
	double output_per_s[LIVE_PODS_MAX], finished_per_s[LIVE_PODS_MAX];
	double input_tokens[LIVE_PODS_MAX], output_tokens[LIVE_PODS_MAX];
	double itl_s[LIVE_PODS_MAX];
	uint64_t at_ns[LIVE_PODS_MAX];
} demand_columns;

/* The first three and three are needed: a pod without one of them is
 * missing. */
static const uint32_t gauges[] = {AIBRIX_SERIES_NUM_REQUESTS_RUNNING,
				  AIBRIX_SERIES_NUM_REQUESTS_WAITING,
				  AIBRIX_SERIES_KV_CACHE_USAGE_PERC};
static const uint32_t counters[] = {AIBRIX_SERIES_PROMPT_TOKENS_TOTAL,
				    AIBRIX_SERIES_GENERATION_TOKENS_TOTAL,
				    AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL,
				    AIBRIX_SERIES_PREFIX_CACHE_QUERIES_TOTAL,
				    AIBRIX_SERIES_PREFIX_CACHE_HITS_TOTAL};
static const uint32_t histograms[] = {
	AIBRIX_SERIES_REQUEST_PROMPT_TOKENS,
	AIBRIX_SERIES_REQUEST_GENERATION_TOKENS,
	AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS,
	AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS};

uint32_t
live_demand_missing(uint32_t engine)
{
	for (size_t i = 0; i < 3; i++) {
		if (!aibrix_series_source(engine, gauges[i], 0))
			return gauges[i];
		if (!aibrix_series_source(engine, counters[i], 0))
			return counters[i];
	}
	return AIBRIX_SERIES_MAX;
}

uint64_t
live_demand_series(void)
{
	uint64_t series = 0;

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		series |= UINT64_C(1) << gauges[i];
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		series |= UINT64_C(1) << counters[i];
	for (size_t i = 0; i < sizeof(histograms) / sizeof(histograms[0]); i++)
		series |= UINT64_C(1) << histograms[i];
	return series;
}

int
live_demand_open(live *l)
{
	uint64_t bytes = aibrix_demand_state_bytes();

	if (l->options.scale.strategy != AIBRIX_SCALE_TPA)
		return 0;
	l->demand_memory = malloc(bytes);
	return l->demand_memory && aibrix_demand_state_init(
					   l->demand_memory, bytes,
					   &l->demand_state) == AIBRIX_OK
		       ? 0
		       : -1;
}

static double
gauge(const live_pod *pod, uint32_t series, uint64_t now_ns)
{
	aibrix_reading r = {.size = sizeof(r)};

	return aibrix_scrape_value(pod->scrape, series, now_ns, &r) == AIBRIX_OK
		       ? r.value
		       : (double)NAN;
}

static double
rate(const live_pod *pod, uint32_t series, uint64_t now_ns)
{
	aibrix_reading r = {.size = sizeof(r)};

	return aibrix_scrape_rate(pod->scrape, series, now_ns, &r) == AIBRIX_OK
		       ? r.value
		       : (double)NAN;
}

static double
mean(const live_pod *pod, uint32_t series, uint64_t now_ns)
{
	aibrix_reading r = {.size = sizeof(r)};

	return aibrix_scrape_mean(pod->scrape, series, AIBRIX_SPAN_WINDOW,
				  now_ns, &r) == AIBRIX_OK &&
			       r.span == AIBRIX_SPAN_WINDOW
		       ? r.value
		       : (double)NAN;
}

/* Every column of a pod that is not ready is not known. */
static void
column_fill(demand_columns *c, const live_pod *pod, uint32_t i, uint64_t now_ns)
{
	double asked =
		rate(pod, AIBRIX_SERIES_PREFIX_CACHE_QUERIES_TOTAL, now_ns);
	double hits = rate(pod, AIBRIX_SERIES_PREFIX_CACHE_HITS_TOTAL, now_ns);

	c->running[i] = gauge(pod, AIBRIX_SERIES_NUM_REQUESTS_RUNNING, now_ns);
	c->waiting[i] = gauge(pod, AIBRIX_SERIES_NUM_REQUESTS_WAITING, now_ns);
	c->kv_ratio[i] = gauge(pod, AIBRIX_SERIES_KV_CACHE_USAGE_PERC, now_ns);
	c->prompt_per_s[i] =
		rate(pod, AIBRIX_SERIES_PROMPT_TOKENS_TOTAL, now_ns);
	c->output_per_s[i] =
		rate(pod, AIBRIX_SERIES_GENERATION_TOKENS_TOTAL, now_ns);
	c->finished_per_s[i] =
		rate(pod, AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL, now_ns);
	/* An engine without a cache of prefixes finds nothing there. */
	c->cached_ratio[i] = asked > 0 && hits > 0 ? fmin(hits / asked, 1) : 0;
	c->input_tokens[i] =
		mean(pod, AIBRIX_SERIES_REQUEST_PROMPT_TOKENS, now_ns);
	c->output_tokens[i] =
		mean(pod, AIBRIX_SERIES_REQUEST_GENERATION_TOKENS, now_ns);
	c->itl_s[i] =
		mean(pod, AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS, now_ns);
	c->at_ns[i] = pod->good_ns;
}

static void
column_clear(demand_columns *c, uint32_t i)
{
	const double unknown = (double)NAN;

	c->running[i] = c->waiting[i] = c->kv_ratio[i] = unknown;
	c->prompt_per_s[i] = c->cached_ratio[i] = unknown;
	c->output_per_s[i] = c->finished_per_s[i] = unknown;
	c->input_tokens[i] = c->output_tokens[i] = c->itl_s[i] = unknown;
	c->at_ns[i] = 0;
}

/* Of all pods: their means, weighed by how often it happened there. */
static double
fleet_mean(const live *l, uint32_t series, uint64_t now_ns)
{
	double sum = 0, times = 0;

	for (uint32_t i = 0; i < l->n_pods; i++) {
		const live_pod *pod = &l->pods[i];
		double m, n;

		if (pod->phase != LIVE_READY)
			continue;
		m = mean(pod, series, now_ns);
		n = rate(pod, series, now_ns);
		if (m >= 0 && n > 0) {
			sum += m * n;
			times += n;
		}
	}
	return times > 0 ? sum / times : (double)NAN;
}

double
live_demand_wanted(live *l, const aibrix_scale_fleet *fleet, uint64_t now_ns)
{
	demand_columns c;
	aibrix_demand_seen seen = {.size = sizeof(seen),
				   .running = c.running,
				   .waiting = c.waiting,
				   .kv_ratio = c.kv_ratio,
				   .prompt_per_s = c.prompt_per_s,
				   .cached_ratio = c.cached_ratio,
				   .output_per_s = c.output_per_s,
				   .finished_per_s = c.finished_per_s,
				   .input_tokens = c.input_tokens,
				   .output_tokens = c.output_tokens,
				   .itl_s = c.itl_s,
				   .at_ns = c.at_ns};
	aibrix_demand d = {.size = sizeof(d)};
	int status;

	for (uint32_t i = 0; i < l->n_pods; i++) {
		if (l->pods[i].phase == LIVE_READY)
			column_fill(&c, &l->pods[i], i, now_ns);
		else
			column_clear(&c, i);
	}
	seen.ttft_mean_s = fleet_mean(
		l, AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS, now_ns);
	seen.itl_mean_s = fleet_mean(
		l, AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS, now_ns);
	if (isfinite(seen.ttft_mean_s))
		seen.flags |= AIBRIX_DEMAND_TTFT;
	if (isfinite(seen.itl_mean_s))
		seen.flags |= AIBRIX_DEMAND_ITL;
	status = aibrix_demand_step(&l->options.demand, fleet, &seen,
				    l->demand_state, now_ns, &d);
	if (status != AIBRIX_OK) {
		live_say(l, NULL, "error", "no demand: %s",
			 aibrix_strerror(status));
		return (double)NAN;
	}
	l->demand = d;
	return d.wanted;
}
