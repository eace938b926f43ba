/* One workload, one policy. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include <stdint.h>

#include "replay_options.h"
#include "sim/sim_presets.h"
#include "sim/sim_stats.h"
#include "sim/sim_workload.h"

/* What was counted of one group of requests: users, tenants. */
typedef struct replay_group {
	double ttft_ms_mean;
	double ttft_ms_p99;
	double hit_ratio;
} replay_group;

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
	/* By tenant; users: the heavy one, and all others; bursts: the
	 * siblings, and all others. */
	uint32_t n_groups;
	replay_group groups[REPLAY_TENANTS_MAX];
	replay_group alone[REPLAY_TENANTS_MAX]; /* users: if all were alike */
	replay_group unfair[2];                 /* users: in order of arrival */
	replay_group apart; /* light users, each alone on its part */
	uint64_t joined, left, restarted, retried; /* churn */
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
	uint32_t fair;          /* users: in fair order */
	sim_stats *light_ms;    /* NULL, or what light users wait is added */
} replay_input;

/* Share of input tokens that one infinite cache would give; NaN: failed, a
 * message was printed. */
double replay_ceiling(const replay_options *options,
		      const sim_workload *workload);

/* 0, or -1: a message was printed. */
int replay_run(const replay_input *input, const char *policy, const char *evict,
	       replay_result *result);

/* One run, and those that it is compared with.  0 or -1. */
int replay_compare(const replay_input *input, const char *policy,
		   const char *evict, replay_result *result);

/* Whose request it is, of those that options tell apart; its group. */
uint32_t replay_user(const replay_options *options, const sim_request *what);
uint32_t replay_group_of(const replay_options *options,
			 const sim_request *what);

/* Tenants share no prompts. */
void replay_tenants_part(const replay_options *options, sim_workload *workload);

/* Replace the load times in spec by what this machine does.  0 or -1. */
int replay_measure(const replay_options *options, sim_pod_spec *spec);

void replay_report_json(const replay_input *input, const replay_result *result);

/* What the options that tell requests apart have shown. */
void replay_report_json_more(const replay_input *input,
			     const replay_result *result);
void replay_report_table_more(const replay_input *input,
			      const replay_result *results, uint32_t n);

/* A row's name: the policy, and L1's order where several are compared. */
enum { REPLAY_NAME_BYTES = 96 };
const char *replay_report_name(const replay_result *results, uint32_t n,
			       const replay_result *result,
			       char name[REPLAY_NAME_BYTES]);
int replay_report_width(const replay_result *results, uint32_t n);

/* One line for each value and policy. */
void replay_report_sweep(const replay_options *options,
			 const replay_result *results, uint32_t n);

void replay_report_table(const replay_input *input,
			 const replay_result *results, uint32_t n);

#endif
