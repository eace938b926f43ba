/* Pods as the fleet has them: engines that start and stop. */
#include "replay_state.h"

#include <stdlib.h>

int
replay_pod_start(replay_pod *pod, uint64_t id)
{
	replay_state *replay = pod->replay;
	aibrix_owner owner = {.pod = id};
	int status = aibrix_fleet_add(replay->fleet, &owner, &pod->row);

	if (status == AIBRIX_OK)
		status = aibrix_index_owner_add(replay->index, pod->row);
	if (status != AIBRIX_OK)
		return status;
	replay->by_row[pod->row] = pod;
	replay->addresses[pod->row] = replay->names[pod->place].text;
	pod->engine = sim_engine_new(pod->spec, &replay_pod_ops, pod);
	pod->gpu = sim_gpu_cache_new(replay->input->options->gpu_blocks,
				     replay->index, pod->row);
	if (!pod->engine || !pod->gpu)
		return AIBRIX_E_NOMEM;
	pod->up = 1;
	pod->joined_ns = replay->now_ns;
	pod->recent = (replay_recent){.at_ns = replay->now_ns};
	replay_metrics_count(replay, pod);
	return AIBRIX_OK;
}

int
replay_pod_stop(replay_pod *pod)
{
	replay_state *replay = pod->replay;
	int status = aibrix_fleet_remove(replay->fleet, pod->row);

	if (status == AIBRIX_OK)
		status = aibrix_index_owner_remove(replay->index, pod->row);
	if (status == AIBRIX_OK && replay->radix)
		status = aibrix_radix_forget(replay->radix, pod->row);
	if (status == AIBRIX_OK && replay->predictions)
		status = aibrix_predict_forget(replay->predictions, pod->row);
	if (status == AIBRIX_OK)
		status = replay_tiers_restart(&replay->tiers, pod->place);
	replay->by_row[pod->row] = NULL;
	replay->addresses[pod->row] = NULL;
	pod->busy_before_ns += sim_engine_busy_ns(pod->engine);
	sim_engine_free(pod->engine);
	sim_gpu_cache_free(pod->gpu);
	pod->engine = NULL;
	pod->gpu = NULL;
	pod->up = pod->leaving = 0;
	pod->l1_free_ns = pod->l2_free_ns = 0;
	pod->running = 0;
	pod->pending_tokens = pod->blocks = 0;
	replay_pod_schedule(pod);
	return status;
}

int
replay_pods_new(replay_state *replay)
{
	const replay_options *options = replay->input->options;
	int status = AIBRIX_OK;

	replay->pods = calloc(options->pods, sizeof(*replay->pods));
	replay->by_row = calloc(options->pods, sizeof(replay_pod *));
	if (!replay->pods || !replay->by_row)
		return AIBRIX_E_NOMEM;
	replay->slow = *replay->input->spec;
	if (options->slow > 0)
		sim_preset_slow(&replay->slow, options->slow);
	for (uint32_t i = 0; i < options->pods && status == AIBRIX_OK; i++) {
		replay_pod *pod = &replay->pods[i];

		pod->replay = replay;
		pod->place = i;
		pod->spec = i ? replay->input->spec : &replay->slow;
		status = replay_pod_start(pod, i);
	}
	return status == AIBRIX_OK ? replay->status : status;
}

void
replay_pods_free(replay_state *replay)
{
	for (uint32_t i = 0; replay->pods && i < replay->input->options->pods;
	     i++) {
		sim_engine_free(replay->pods[i].engine);
		sim_gpu_cache_free(replay->pods[i].gpu);
	}
	free(replay->pods);
	free(replay->by_row);
}
