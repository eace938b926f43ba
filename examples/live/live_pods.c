/*
 * The pods: which to start, to stop, to start again, to give up.
 *
 *	          start                  a good page
 *	ABSENT ----------> STARTING --------------------> READY
 *	   ^                  |   ^                          |
 *	   |             died |   | its time                 | died
 *	   |                  v   |                          |
 *	   |                 WAITING <-----------------------'
 *	   '--- STOPPING <--- any, when there are too many
 *
 * A pod whose process died stays a pod, as in Kubernetes: it is on its way
 * again after a while that doubles, and the scaler does not start another one
 * in its place.
 */
#include "live/live.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static uint64_t
wanted_series(const live *l)
{
	uint64_t series = 0;

	if (l->options.scale.strategy == AIBRIX_SCALE_TPA)
		return live_demand_series();
	for (uint32_t i = 0; i < l->options.scale.n_metrics; i++)
		series |= UINT64_C(1) << l->options.metrics[i].series;
	return series;
}

static aibrix_scrape *
scrape_make(const live *l)
{
	aibrix_scrape_opts opts = {.size = sizeof(opts),
				   .engine = l->options.engine,
				   .window_ns = l->options.rate_ns,
				   .max_age_ns = l->options.scale.fresh_ns};
	aibrix_scrape *scrape;

	/* Who has least to do is stopped first. */
	opts.series = UINT64_C(1) << AIBRIX_SERIES_NUM_REQUESTS_RUNNING |
		      UINT64_C(1) << AIBRIX_SERIES_NUM_REQUESTS_WAITING;
	opts.series |= wanted_series(l);
	return aibrix_scrape_new(&opts, &scrape) == AIBRIX_OK ? scrape : NULL;
}

int
live_pods_open(live *l)
{
	char url[512];

	for (uint32_t i = 0; i < l->options.n_ports; i++) {
		live_pod *pod = &l->pods[i];

		pod->port = l->options.ports[i];
		snprintf(url, sizeof(url), "http://127.0.0.1:%u%.400s",
			 (unsigned)pod->port, l->options.path);
		if (live_fetch_open(&pod->fetch, &l->fetcher, url)) {
			fputs("autoscale_live: out of memory\n", stderr);
			return -1;
		}
		l->n_pods++;
	}
	return 0;
}

void
live_pods_close(live *l)
{
	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		live_process_leave(&pod->process);
		live_fetch_close(&pod->fetch, &l->fetcher);
		aibrix_scrape_free(pod->scrape);
		pod->scrape = NULL;
	}
}

uint32_t
live_pods_count(const live *l, live_phase phase)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_pods; i++)
		n += l->pods[i].phase == phase;
	return n;
}

uint32_t
live_pods_alive(const live *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_pods; i++)
		n += l->pods[i].process.pid != 0;
	return n;
}

static void
phase_set(live *l, live_pod *pod, live_phase phase, uint64_t now_ns)
{
	pod->phase = phase;
	pod->changed_ns = now_ns;
	l->dirty = 1;
}

/* What is known of a process goes with it. */
static void
pod_forget(live *l, live_pod *pod)
{
	live_fetch_end(&pod->fetch, &l->fetcher);
	live_fetch_clear(&pod->fetch);
	aibrix_scrape_free(pod->scrape);
	pod->scrape = NULL;
	pod->good_ns = 0;
	pod->fault = NULL;
}

static void
pod_wait(live *l, live_pod *pod, uint64_t now_ns)
{
	uint64_t wait_ns = l->options.backoff_ns;

	for (uint32_t i = 0;
	     i < pod->failures && wait_ns < l->options.backoff_max_ns; i++)
		wait_ns *= 2;
	if (wait_ns > l->options.backoff_max_ns)
		wait_ns = l->options.backoff_max_ns;
	pod->failures += pod->failures < UINT32_MAX;
	pod->until_ns = now_ns + wait_ns;
	phase_set(l, pod, LIVE_WAITING, now_ns);
	live_say(l, pod, "wait", "starts again in %.3f s",
		 (double)wait_ns / LIVE_SECOND_NS);
}

static void
pod_start(live *l, live_pod *pod, uint64_t now_ns)
{
	live_command command = {.words = l->options.words,
				.n_words = l->options.n_words,
				.port = pod->port,
				.index = (uint32_t)(pod - l->pods),
				.log_dir = l->options.log_dir,
				.env = l->options.env};
	int err;

	pod_forget(l, pod);
	pod->again = pod->killed = 0;
	pod->scrape = scrape_make(l);
	err = pod->scrape ? live_process_start(&pod->process, &command) : -1;
	if (err) {
		live_say(l, pod, "fail", "cannot start: %s",
			 err > 0 ? strerror(err) : "out of memory");
		pod_forget(l, pod);
		pod_wait(l, pod, now_ns);
		return;
	}
	pod->started_ns = now_ns;
	phase_set(l, pod, LIVE_STARTING, now_ns);
	l->counts.starts++;
	live_say(l, pod, "start", "started");
}

int
live_pod_adopt(live *l, live_pod *pod, pid_t pid, uint64_t birth,
	       uint64_t now_ns)
{
	int err = live_process_adopt(&pod->process, pid, birth);

	if (err)
		return err;
	pod->scrape = scrape_make(l);
	if (!pod->scrape) {
		live_process_leave(&pod->process);
		return -1;
	}
	phase_set(l, pod, LIVE_STARTING, now_ns);
	return 0;
}

void
live_pod_ready(live *l, live_pod *pod, uint64_t now_ns)
{
	phase_set(l, pod, LIVE_READY, now_ns);
	live_say(l, pod, "ready", "ready after %.3f s",
		 (double)(now_ns - pod->started_ns) / LIVE_SECOND_NS);
}

/* again: and start it anew. */
static void
pod_stop(live *l, live_pod *pod, int again, uint64_t now_ns)
{
	if (!pod->process.pid) {
		phase_set(l, pod, LIVE_ABSENT, now_ns);
		return;
	}
	pod->again = again;
	if (pod->phase == LIVE_STOPPING)
		return;
	pod_forget(l, pod);
	pod->until_ns = now_ns + l->options.grace_ns;
	phase_set(l, pod, LIVE_STOPPING, now_ns);
	live_process_signal(&pod->process, SIGTERM);
	/* One that is stopped (SIGSTOP) would not hear it. */
	live_process_signal(&pod->process, SIGCONT);
}

static void
pod_kill(live *l, live_pod *pod)
{
	if (pod->killed)
		return;
	pod->killed = 1;
	pod->until_ns = AIBRIX_FOREVER;
	l->counts.kills++;
	live_say(l, pod, "kill", "killed");
	live_process_signal(&pod->process, SIGKILL);
}

void
live_pods_stop(live *l, int at_once, uint64_t now_ns)
{
	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		if (pod->phase == LIVE_ABSENT)
			continue;
		pod_stop(l, pod, 0, now_ns);
		if (at_once && pod->process.pid)
			pod_kill(l, pod);
	}
}

/* ---- how many ---- */

static int
pod_kept(const live_pod *pod)
{
	return pod->phase == LIVE_WAITING || pod->phase == LIVE_STARTING ||
	       pod->phase == LIVE_READY ||
	       (pod->phase == LIVE_STOPPING && pod->again);
}

/* What stopping it costs: first what does nothing, then what is silent, then
 * by requests. */
static double
pod_worth(const live_pod *pod, uint64_t now_ns)
{
	aibrix_reading running = {.size = sizeof(running)};
	aibrix_reading waiting = {.size = sizeof(waiting)};

	switch (pod->phase) {
	case LIVE_ABSENT:
	case LIVE_STOPPING:
	case LIVE_WAITING: return 0;
	case LIVE_STARTING: return 1;
	case LIVE_READY: break;
	}
	if (pod->fault ||
	    aibrix_scrape_value(pod->scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING,
				now_ns, &running) != AIBRIX_OK)
		return 2;
	if (aibrix_scrape_value(pod->scrape, AIBRIX_SERIES_NUM_REQUESTS_WAITING,
				now_ns, &waiting) != AIBRIX_OK)
		waiting.value = 0;
	return 3 + running.value + waiting.value;
}

/* The one that is missed least; of equals the youngest. */
static live_pod *
victim_pick(live *l, uint64_t now_ns)
{
	live_pod *best = NULL;
	double least = INFINITY;

	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];
		double worth;

		if (!pod_kept(pod))
			continue;
		worth = pod_worth(pod, now_ns);
		if (!best || worth < least ||
		    (worth == least && pod->started_ns > best->started_ns)) {
			best = pod;
			least = worth;
		}
	}
	return best;
}

/* A port where nobody listens, and nobody of ours lived. */
static live_pod *
absent_pick(live *l)
{
	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		if (pod->phase != LIVE_ABSENT)
			continue;
		if (live_port_free(pod->port)) {
			pod->spare_told = 0;
			return pod;
		}
		if (!pod->spare_told)
			live_say(l, pod, "taken",
				 "another program has this port: passed over");
		pod->spare_told = 1;
	}
	return NULL;
}

void
live_pods_settle(live *l, uint64_t now_ns)
{
	int32_t kept = 0;

	for (uint32_t i = 0; i < l->n_pods; i++)
		kept += pod_kept(&l->pods[i]);
	for (; kept > l->replicas; kept--) {
		live_pod *pod = victim_pick(l, now_ns);

		live_say(l, pod, "stop", "stops: there are %d too many",
			 (int)(kept - l->replicas));
		pod_stop(l, pod, 0, now_ns);
	}
	for (; kept < l->replicas; kept++) {
		live_pod *pod = absent_pick(l);

		if (!pod)
			break; /* when a port is free again */
		pod->failures = 0;
		pod_start(l, pod, now_ns);
	}
	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		if (pod->phase != LIVE_WAITING || now_ns < pod->until_ns)
			continue;
		if (live_port_free(pod->port)) {
			pod_start(l, pod, now_ns);
		} else {
			live_say(l, pod, "fail",
				 "cannot start: its port is taken");
			pod_wait(l, pod, now_ns);
		}
	}
}

/* ---- what becomes of them ---- */

static void
ending_say(const live *l, const live_pod *pod, const char *event,
	   const live_ending *how)
{
	if (!how->known)
		live_say(l, pod, event, "has ended");
	else if (how->signal)
		live_say(l, pod, event, "has ended by signal %d", how->signal);
	else
		live_say(l, pod, event, "has ended with status %d", how->code);
}

static void
pod_ended(live *l, live_pod *pod, const live_ending *how, uint64_t now_ns)
{
	int asked = pod->phase == LIVE_STOPPING;

	ending_say(l, pod, asked ? "stopped" : "died", how);
	pod_forget(l, pod);
	l->counts.deaths += !asked;
	if ((asked && !pod->again) || l->ending)
		phase_set(l, pod, LIVE_ABSENT, now_ns);
	else
		pod_wait(l, pod, now_ns);
}

static void
pod_watch(live *l, live_pod *pod, uint64_t now_ns)
{
	uint64_t heard_ns =
		pod->good_ns > pod->changed_ns ? pod->good_ns : pod->changed_ns;

	if (pod->phase == LIVE_STOPPING) {
		if (now_ns >= pod->until_ns)
			pod_kill(l, pod);
	} else if (pod->phase == LIVE_STARTING) {
		if (now_ns - pod->started_ns < l->options.start_ns)
			return;
		live_say(l, pod, "slow", "did not get ready in time: %s",
			 pod->fault ? pod->fault : "not asked yet");
		pod_stop(l, pod, 1, now_ns);
	} else if (pod->phase == LIVE_READY) {
		if (now_ns - pod->changed_ns >= l->options.backoff_max_ns)
			pod->failures = 0;
		if (l->options.hung_ns == 0 ||
		    now_ns - heard_ns < l->options.hung_ns)
			return;
		live_say(l, pod, "hung", "is silent for too long: %s",
			 pod->fault ? pod->fault : "not asked");
		pod_stop(l, pod, 1, now_ns);
	}
}

void
live_pods_watch(live *l, uint64_t now_ns)
{
	live_ending how;

	for (uint32_t i = 0; i < l->n_pods; i++) {
		live_pod *pod = &l->pods[i];

		if (live_process_ended(&pod->process, &how))
			pod_ended(l, pod, &how, now_ns);
		else
			pod_watch(l, pod, now_ns);
	}
}

static uint64_t
pod_due(const live *l, const live_pod *pod)
{
	uint64_t heard_ns =
		pod->good_ns > pod->changed_ns ? pod->good_ns : pod->changed_ns;

	switch (pod->phase) {
	case LIVE_WAITING:
	case LIVE_STOPPING: return pod->until_ns;
	case LIVE_STARTING: return pod->started_ns + l->options.start_ns;
	case LIVE_READY:
		if (l->options.hung_ns)
			return heard_ns + l->options.hung_ns;
		break;
	case LIVE_ABSENT: break;
	}
	return AIBRIX_FOREVER;
}

uint64_t
live_pods_due(const live *l, uint64_t until_ns)
{
	for (uint32_t i = 0; i < l->n_pods; i++) {
		uint64_t due_ns = pod_due(l, &l->pods[i]);

		if (due_ns < until_ns)
			until_ns = due_ns;
	}
	return until_ns;
}
