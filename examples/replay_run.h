/* One workload, one policy. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include <stdint.h>

#include "replay_options.h"
#include "sim/sim_presets.h"
#include "sim/sim_workload.h"

typedef struct replay_result {
	const char *policy;
	const char *evict; /* order of L1 */
	const char *swept; /* value of the option that is varied, or NULL */
	uint64_t requests;
	uint64_t finished;
	uint64_t pods;
	double hit_ceiling; /* of input tokens, as the four below */
	double hit_ratio;
	double hit_gpu;
	double hit_l1;
	double hit_l2;
	double ttft_ms_mean;
	double ttft_ms_p50;
	double ttft_ms_p99;
	/* Of requests that arrived since the fault of L2 began, and what they
	 * would have had without L2; the last two only with --l2-fault. */
	uint64_t late_requests;
	double late_ttft_ms_mean;
	double late_ttft_ms_p99;
	double no_l2_ttft_ms_mean;
	double no_l2_ttft_ms_p99;
	double tpot_ms_mean; /* time per output token after the first */
	double tpot_ms_p99;
	double e2e_ms_mean; /* arrival to last token */
	double e2e_ms_p99;
	double tokens_per_s;
	double load_max_over_mean;
	uint64_t verified_blocks;
	uint64_t corrupt_blocks;
	double hash_ns_per_block;
	double match_ns;
	double pick_ns;
	double cache_ns_per_block;
} replay_result;

typedef struct replay_input {
	const replay_options *options;
	const sim_pod_spec *spec;
	const sim_workload *workload;
	double hit_ceiling;
	uint64_t fault_from_ns; /* of L2 */
	uint32_t progress;      /* show it on stderr */
} replay_input;

/* Share of input tokens that one infinite cache would give; NaN: failed, a
 * message was printed. */
double replay_ceiling(const replay_options *options,
		      const sim_workload *workload);

/* 0, or -1: a message was printed. */
int replay_run(const replay_input *input, const char *policy, const char *evict,
	       replay_result *result);

/* Replace the load times in spec by what this machine does.  0 or -1. */
int replay_measure(const replay_options *options, sim_pod_spec *spec);

void replay_report_json(const replay_input *input, const replay_result *result);

/* One line for each value and policy. */
void replay_report_sweep(const replay_options *options,
			 const replay_result *results, uint32_t n);

void replay_report_table(const replay_input *input,
			 const replay_result *results, uint32_t n);

#endif
