/*
 * From pages to a decision.
 *
 *	tick --> ask everybody --> all have answered, or the deadline
 *	                                   |
 *	replicas <-- aibrix_scale_step <-- values, with the times of their pages
 *
 * The deadline is one for all pages: a pod that is stuck costs a tick its
 * timeout at most, and no other pod anything.  What it told last counts until
 * it is too old; then it is missing, which is not 0.
 */
#include "live/live.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int
pod_asked(const live_pod *pod)
{
	return pod->phase == LIVE_STARTING || pod->phase == LIVE_READY;
}

void
live_tick_begin(live *l, uint64_t now_ns)
{
	l->deadline_ns = now_ns + l->options.timeout_ns;
	l->tick_ns += l->options.tick_ns;
	if (l->tick_ns <= now_ns) /* we were held up: no ticks to make up */
		l->tick_ns = now_ns + l->options.tick_ns;
	for (uint32_t i = 0; i < l->n_pods; i++)
		if (pod_asked(&l->pods[i]))
			live_fetch_begin(&l->pods[i].fetch, &l->fetcher,
					 l->options.timeout_ns);
	if (l->gateway.easy)
		live_fetch_begin(&l->gateway, &l->fetcher,
				 l->options.timeout_ns);
}

int
live_pages_wait(const live *l)
{
	int busy = l->gateway.phase == LIVE_FETCH_BUSY;

	for (uint32_t i = 0; i < l->n_pods; i++)
		busy |= l->pods[i].fetch.phase == LIVE_FETCH_BUSY;
	return busy;
}

/* ---- a pod's page ---- */

static const char *
page_feed(live_pod *pod, uint64_t now_ns)
{
	const live_fetch *fetch = &pod->fetch;

	if (fetch->fault)
		return fetch->fault;
	if (aibrix_scrape_feed(pod->scrape, fetch->text ? fetch->text : "",
			       fetch->n, now_ns, NULL) != AIBRIX_OK)
		return "nothing of this engine's on its page";
	return NULL;
}

/* Said when it changes.  A pod that starts has nothing to say yet. */
static void
fault_say(const live *l, const live_pod *pod, const char *fault)
{
	if (pod->phase != LIVE_READY || fault == pod->fault)
		return;
	if (fault)
		live_say(l, pod, "silent", "has no page: %s", fault);
	else
		live_say(l, pod, "heard", "has a page again");
}

static void
page_take(live *l, live_pod *pod, uint64_t now_ns)
{
	const char *fault = page_feed(pod, now_ns);

	live_fetch_clear(&pod->fetch);
	fault_say(l, pod, fault);
	pod->fault = fault;
	if (fault) {
		l->counts.faults++;
		return;
	}
	l->counts.pages++;
	pod->good_ns = now_ns;
	if (pod->phase == LIVE_STARTING)
		live_pod_ready(l, pod, now_ns);
}

/* ---- the gateway's page ---- */

static int
label_is(const aibrix_sample *sample, const char *label)
{
	const char *value = strchr(label, '=') + 1;
	char name[128], text[512];
	uint64_t n = 0;

	snprintf(name, sizeof(name), "%.*s", (int)(value - label - 1), label);
	return aibrix_sample_label(sample, name, text, sizeof(text), &n) ==
		       AIBRIX_OK &&
	       n == strlen(value) && memcmp(text, value, n) == 0;
}

static int
sample_is(const live *l, const aibrix_sample *sample)
{
	const char *name = l->options.gateway_metric;

	if (sample->n_name != strlen(name) ||
	    memcmp(sample->name, name, sample->n_name) != 0)
		return 0;
	for (uint32_t i = 0; i < l->options.n_labels; i++)
		if (!label_is(sample, l->options.labels[i]))
			return 0;
	return 1;
}

/* The sum of its samples.  A page that has none says nothing, not 0. */
static const char *
queue_read(const live *l, double *queued)
{
	aibrix_sample_walk walk = {.size = sizeof(walk),
				   .text = l->gateway.text,
				   .n = l->gateway.n};
	aibrix_sample sample = {.size = sizeof(sample)};
	double sum = 0;
	int status, found = 0;

	if (l->gateway.fault)
		return l->gateway.fault;
	if (!walk.text)
		return "empty page";
	while ((status = aibrix_sample_next(&walk, &sample)) !=
	       AIBRIX_E_NOT_FOUND) {
		if (status == AIBRIX_E_PARSE)
			continue;
		if (status != AIBRIX_OK)
			return aibrix_strerror(status);
		if (!sample_is(l, &sample))
			continue;
		found = 1;
		sum += sample.value;
	}
	if (!found)
		return "no such metric on its page";
	if (!(sum >= 0 && sum <= 1e15))
		return "a number of requests that cannot be";
	*queued = sum;
	return NULL;
}

static void
queue_take(live *l, uint64_t now_ns)
{
	const char *fault = queue_read(l, &l->queued);

	live_fetch_clear(&l->gateway);
	if (fault != l->gateway_fault)
		live_say(l, NULL, fault ? "gateway-silent" : "gateway-heard",
			 "gateway: %s", fault ? fault : "has a page");
	l->gateway_fault = fault;
	l->counts.faults += fault != NULL;
	if (!fault)
		l->queued_ns = now_ns;
}

void
live_pages_take(live *l, uint64_t now_ns)
{
	int late = l->deadline_ns && now_ns >= l->deadline_ns;

	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		if (late)
			live_fetch_end(&pod->fetch, &l->fetcher);
		if (pod->fetch.phase == LIVE_FETCH_DONE)
			page_take(l, pod, now_ns);
	}
	if (late)
		live_fetch_end(&l->gateway, &l->fetcher);
	if (l->gateway.phase == LIVE_FETCH_DONE)
		queue_take(l, now_ns);
}

/* ---- the decision ---- */

static int
metric_read(const live *l, const live_metric *metric, const live_pod *pod,
	    uint64_t now_ns, aibrix_reading *reading)
{
	const aibrix_scrape *scrape = pod->scrape;

	(void)l;
	switch (metric->how) {
	case LIVE_RATE:
		return aibrix_scrape_rate(scrape, metric->series, now_ns,
					  reading);
	case LIVE_MEAN:
		return aibrix_scrape_mean(scrape, metric->series,
					  AIBRIX_SPAN_WINDOW, now_ns, reading);
	case LIVE_QUANTILE:
		return aibrix_scrape_quantile(scrape, metric->series,
					      metric->share, AIBRIX_SPAN_WINDOW,
					      now_ns, reading);
	case LIVE_VALUE: break;
	}
	return aibrix_scrape_value(scrape, metric->series, now_ns, reading);
}

static void
values_read(live *l, uint64_t now_ns)
{
	for (uint32_t m = 0; m < l->options.scale.n_metrics; m++) {
		for (uint32_t i = 0; i < l->n_pods; i++) {
			aibrix_reading r = {.size = sizeof(r)};
			const live_pod *pod = &l->pods[i];

			l->values[m][i] = (double)NAN;
			l->at_ns[m][i] = now_ns;
			if (l->options.scale.strategy == AIBRIX_SCALE_TPA)
				continue; /* of no pod */
			if (pod->phase != LIVE_READY ||
			    metric_read(l, &l->options.metrics[m], pod, now_ns,
					&r) != AIBRIX_OK)
				continue;
			l->values[m][i] = r.value;
			l->at_ns[m][i] = now_ns - r.age_ns;
		}
	}
}

static aibrix_scale_pod
pod_seen(const live_pod *pod)
{
	aibrix_scale_pod seen = {.phase = AIBRIX_SCALE_ABSENT};

	switch (pod->phase) {
	case LIVE_ABSENT: return seen;
	case LIVE_WAITING:
	case LIVE_STARTING: seen.phase = AIBRIX_SCALE_PENDING; break;
	case LIVE_READY: seen.phase = AIBRIX_SCALE_RUNNING; break;
	case LIVE_STOPPING:
		seen.phase = pod->again ? AIBRIX_SCALE_PENDING
					: AIBRIX_SCALE_LEAVING;
		break;
	}
	seen.ready = pod->phase == LIVE_READY ? AIBRIX_SCALE_READY
					      : AIBRIX_SCALE_NOT_READY;
	seen.started_ns = pod->started_ns;
	seen.changed_ns = pod->changed_ns;
	return seen;
}

/* The bounds of now: of the deployment, or of a schedule. */
static void
bounds_read(const live *l, aibrix_schedule_bounds *bounds)
{
	aibrix_schedule_zone zone = {.size = sizeof(zone),
				     .ahead = live_zone_ahead};

	if (aibrix_schedule_resolve(l->options.windows, l->options.n_windows,
				    l->options.min, l->options.max,
				    l->options.zone ? &zone : NULL,
				    (int64_t)time(NULL), bounds) != AIBRIX_OK)
		*bounds = (aibrix_schedule_bounds){
			.active = AIBRIX_SCHEDULE_NONE,
			.min_replicas = l->options.min,
			.max_replicas = l->options.max};
	/* A schedule may want more than there are ports. */
	if (bounds->max_replicas > (int32_t)l->n_pods)
		bounds->max_replicas = (int32_t)l->n_pods;
	if (bounds->min_replicas > bounds->max_replicas)
		bounds->min_replicas = bounds->max_replicas;
}

static int
queue_known(const live *l, uint64_t now_ns)
{
	return !l->gateway.easy ||
	       (l->queued_ns &&
		now_ns - l->queued_ns <= l->options.scale.fresh_ns);
}

void
live_tick_decide(live *l, uint64_t now_ns)
{
	aibrix_scale_pod pods[LIVE_PODS_MAX];
	aibrix_scale_values values[LIVE_METRICS_MAX];
	aibrix_schedule_bounds bounds = {.size = sizeof(bounds)};
	aibrix_scale_opts opts = l->options.scale;
	aibrix_scale_fleet fleet = {.size = sizeof(fleet),
				    .replicas = l->replicas,
				    .n_pods = l->n_pods,
				    .pods = pods};
	aibrix_scale_decision d = {.size = sizeof(d)};
	live_seen seen = {&d, &fleet, &bounds, queue_known(l, now_ns)};
	int status;

	bounds_read(l, &bounds);
	opts.min_replicas = bounds.min_replicas;
	opts.max_replicas = bounds.max_replicas;
	/* While nobody knows what waits, the last pod stays. */
	if (!seen.queue_known && l->replicas > 0 && opts.min_replicas == 0)
		opts.min_replicas = 1;
	opts.flags &= ~(uint32_t)AIBRIX_SCALE_TO_ZERO;
	if (opts.min_replicas == 0)
		opts.flags |= AIBRIX_SCALE_TO_ZERO;
	/* Nobody else changes replicas: at zero nothing was parked by hand. */
	fleet.flags = AIBRIX_SCALE_MIN_SCHEDULED;
	fleet.queued = l->gateway.easy && seen.queue_known ? l->queued : 0;
	for (uint32_t i = 0; i < l->n_pods; i++)
		pods[i] = pod_seen(&l->pods[i]);
	values_read(l, now_ns);
	for (uint32_t m = 0; m < opts.n_metrics; m++)
		values[m] = (aibrix_scale_values){.values = l->values[m],
						  .at_ns = l->at_ns[m]};
	if (opts.strategy == AIBRIX_SCALE_TPA)
		values[0] = (aibrix_scale_values){
			.total = live_demand_wanted(l, &fleet, now_ns)};
	l->deadline_ns = 0;
	l->tick_count++;
	l->counts.decisions++;
	status = aibrix_scale_step(&opts, &fleet, values, l->state, now_ns, &d);
	if (status != AIBRIX_OK) {
		l->counts.invalid++;
		live_say(l, NULL, "error", "no decision: %s",
			 aibrix_strerror(status));
		return;
	}
	l->counts.invalid += !d.valid;
	l->last = d;
	live_say_decision(l, &seen);
	if (d.valid)
		l->replicas = d.replicas;
	l->dirty = 1;
}
