/*
 * A fleet whose size somebody decides while requests arrive: pods are asked
 * for, start, serve, drain and go.
 *
 *   asked for -> starting -> ready -> leaving -> gone
 *        |___________________________________|
 *                    is paid for
 *
 * Who decides sees what a real one could: phases of pods, what was read off
 * each pod's metrics page at the last scrape, and the gateway's own counters.
 */
#ifndef SIM_FLEET_H
#define SIM_FLEET_H

#include <stdint.h>

#include <aibrix/scale.h>

#include "sim_presets.h"
#include "sim_stats.h"
#include "sim_workload.h"

/* One pod's metrics page.  Totals are since its engine's start. */
typedef struct sim_sample {
	uint64_t at_ns; /* 0: it was never read */
	double running, waiting;
	double kv_usage; /* share of the KV memory that requests hold */
	double requests_total;
	double prompt_tokens_total; /* of prompts that are computed */
	double cached_tokens_total; /* of them, found in the prefix cache */
	double generation_tokens_total;
	double ttft_s_sum, ttft_count;
	double itl_s_sum, itl_count; /* by token */
	double e2e_s_sum, e2e_count;
	double busy_s_total; /* in steps */
} sim_sample;

typedef struct sim_fleet_view {
	uint64_t now_ns;
	int32_t replicas; /* that were asked for */
	uint32_t n_pods;  /* rows; most are absent */
	const aibrix_scale_pod *pods;
	const sim_sample *samples; /* by row */
	/* The gateway's own. */
	double queued; /* requests that no pod is there to take */
	double arrived_total;
	double input_tokens_total; /* of those */
} sim_fleet_view;

typedef struct sim_fleet_opts {
	const sim_pod_spec *spec;
	const sim_workload *workload; /* in order of arrival */
	const char *strategy;         /* of aibrix_route */
	/* Every period_ns: how many pods there are to be; not 0: an error. */
	int (*decide)(void *ctx, const sim_fleet_view *view, int32_t *replicas);
	void *ctx;
	uint64_t period_ns;
	uint64_t end_ns; /* pods are paid for until then */
	uint64_t scrape_ns;
	double scrape_loss;  /* share of scrapes that fail */
	double start_s;      /* a pod's start-up, median; 0: none */
	double start_sigma;  /* standard deviation of its logarithm */
	double slo_ttft_s;   /* beyond what the prompt takes alone */
	double slo_itl_s;    /* mean of a request */
	uint64_t seed;       /* of start-ups and scrapes */
	uint32_t first_pods; /* ready at 0 */
	uint32_t max_pods;   /* starting and ready */
} sim_fleet_opts;

#define SIM_MARK_NS UINT64_C(10000000000)

/* At the end of each SIM_MARK_NS. */
typedef struct sim_mark {
	uint32_t asked, ready, paid, jobs;
} sim_mark;

/* Zero-initialised is empty. */
typedef struct sim_fleet_result {
	uint64_t arrived, finished, lost; /* requests */
	uint64_t hits; /* input tokens found in prefix caches */
	uint64_t in_slo;
	double ttft_s_mean, ttft_s_p50, ttft_s_p99;
	double itl_s_mean; /* of requests' means */
	double e2e_s_mean, e2e_s_p99;
	double pod_s; /* paid for */
	double tokens_per_s;
	uint32_t turns; /* asked changed its direction */
	uint32_t changes;
	uint32_t peak; /* asked, at most */
	uint32_t n_marks;
	sim_mark *marks;
} sim_fleet_result;

/* 0, an AIBRIX_E_*, or what decide returned; then result is empty. */
int sim_fleet_run(const sim_fleet_opts *opts, sim_fleet_result *result);

void sim_fleet_result_clear(sim_fleet_result *result);

#endif
