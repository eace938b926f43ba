/* The numbers of a run that has ended. */
#include "replay_state.h"

/* Busy seconds: of the busiest pod over the mean. */
static double
load_max_over_mean(const replay_state *replay)
{
	uint32_t pods = replay->input->options->pods;
	double max = 0;
	double sum = 0;

	for (uint32_t i = 0; i < pods; i++) {
		const replay_pod *pod = &replay->pods[i];
		double busy = (double)pod->busy_before_ns;

		if (pod->engine)
			busy += (double)sim_engine_busy_ns(pod->engine);

		sum += busy;
		if (busy > max)
			max = busy;
	}
	return sum > 0 ? max * pods / sum : 1;
}

static double
per(uint64_t ns, uint64_t n)
{
	return n ? (double)ns / (double)n : 0;
}

static void
groups_fill(replay_state *replay, replay_result *result)
{
	const replay_options *options = replay->input->options;

	result->n_groups =
		options->users || options->burst ? 2 : options->tenants;
	for (uint32_t i = 0; i < result->n_groups; i++) {
		sim_stats *ttft_ms = &replay->group_ttft_ms[i];

		result->groups[i] = (replay_group){
			.ttft_ms_mean = sim_stats_mean(ttft_ms),
			.ttft_ms_p99 = sim_stats_quantile(ttft_ms, 0.99),
			.hit_ratio = replay->group_cached[i] /
				     replay->group_tokens[i],
		};
	}
}

void
replay_result_fill(replay_state *replay, const char *policy,
		   replay_result *result)
{
	const sim_workload *workload = replay->input->workload;
	double share = replay->input->options->block_tokens /
		       (double)workload->input_tokens;
	double span_s = (double)(replay->now_ns - replay->first_ns) / 1e9;
	replay_tiers *tiers = &replay->tiers;
	uint64_t hits = replay->gpu_hits + replay->l1_hits + replay->l2_hits;

	*result = (replay_result){
		.policy = policy,
		.requests = workload->n,
		.finished = replay->finished,
		.pods = replay->input->options->pods,
		.hit_ceiling = replay->input->hit_ceiling,
		.hit_ratio = (double)hits * share,
		.hit_gpu = (double)replay->gpu_hits * share,
		.hit_l1 = (double)replay->l1_hits * share,
		.hit_l2 = (double)replay->l2_hits * share,
		.ttft_ms_mean = sim_stats_mean(&replay->ttft_ms),
		.ttft_ms_p50 = sim_stats_quantile(&replay->ttft_ms, 0.50),
		.ttft_ms_p99 = sim_stats_quantile(&replay->ttft_ms, 0.99),
		.tpot_ms_mean = sim_stats_mean(&replay->tpot_ms),
		.tpot_ms_p99 = sim_stats_quantile(&replay->tpot_ms, 0.99),
		.e2e_ms_mean = sim_stats_mean(&replay->e2e_ms),
		.e2e_ms_p99 = sim_stats_quantile(&replay->e2e_ms, 0.99),
		.late_requests = replay->late_ttft_ms.n,
		.late_ttft_ms_mean = sim_stats_mean(&replay->late_ttft_ms),
		.late_ttft_ms_p99 =
			sim_stats_quantile(&replay->late_ttft_ms, 0.99),
		.tokens_per_s = (double)(workload->input_tokens +
					 workload->output_tokens) /
				span_s,
		.load_max_over_mean = load_max_over_mean(replay),
		.joined = replay->joined,
		.left = replay->left,
		.restarted = replay->restarted,
		.retried = replay->retried,
		.verified_blocks = tiers->verified,
		.corrupt_blocks = replay_tiers_corrupt(tiers),
		.hash_ns_per_block = per(replay->hash_ns, replay->hash_blocks),
		.match_ns = per(replay->match_ns, replay->picks),
		.pick_ns = per(replay->pick_ns, replay->picks),
		.cache_ns_per_block = per(tiers->ns, tiers->blocks),
	};
	groups_fill(replay, result);
}
