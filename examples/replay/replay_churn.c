/*
 * --churn: pods leave, join and restart while requests run.
 *
 *   leave    takes no more requests, ends those it has, and goes
 *   join     another one comes in its place, with nothing cached
 *   crash    what it was doing is sent again to others
 *   back     the same one comes back, with nothing cached
 *
 * Sixteen steps, spread evenly over the arrivals: four rounds of these, over
 * two pods each.
 */
#include "replay_state.h"

enum { STEPS = 16, ROUND = 4 };

static void
step_set(replay_state *replay)
{
	uint32_t source = 2 * replay->input->options->pods + 1;
	uint64_t next = replay->churn_steps + 1;

	sim_events_set(replay->events, source,
		       next > STEPS
			       ? AIBRIX_FOREVER
			       : replay->first_ns +
					 replay->span_ns * next / (STEPS + 1));
}

void
replay_churn_begin(replay_state *replay)
{
	if (replay->input->options->churn)
		step_set(replay);
}

static void
pod_leave(replay_pod *pod)
{
	replay_state *replay = pod->replay;

	pod->leaving = 1;
	replay->left++;
	replay_fail(replay, "fleet",
		    aibrix_fleet_set(replay->fleet, pod->row,
				     AIBRIX_COL_HEALTH_RATIO, 0,
				     replay->now_ns));
}

/* Ids of pods are never used again, but for one that comes back. */
static void
pod_join(replay_pod *pod, uint64_t id)
{
	replay_state *replay = pod->replay;
	int status = replay_pod_start(pod, id);

	pod->joins = 0;
	if (status == AIBRIX_OK)
		status = aibrix_fleet_set(
			replay->fleet, pod->row, AIBRIX_COL_JOINED_S,
			(double)replay->now_ns / 1e9, replay->now_ns);
	replay_fail(replay, "a pod that joins", status);
}

static void
pod_crash(replay_pod *pod)
{
	replay_state *replay = pod->replay;

	if (!pod->up)
		return;
	replay->restarted++;
	replay_fail(replay, "a pod that goes", replay_pod_stop(pod));
	for (size_t i = 0; i < replay->arrived; i++) {
		replay_request *request = replay->live[i];

		if (!request || request->place != pod->place)
			continue;
		request->retried = 1;
		replay->retried++;
		replay_request_reset(request);
		replay_gateway_again(replay, request);
	}
}

/* Who is empty goes, and makes room for who joins. */
void
replay_churn_settle(replay_state *replay)
{
	uint32_t pods = replay->input->options->pods;

	for (uint32_t i = 0; replay->input->options->churn && i < pods; i++) {
		replay_pod *pod = &replay->pods[i];

		if (pod->up && pod->leaving && pod->running == 0)
			replay_fail(replay, "a pod that goes",
				    replay_pod_stop(pod));
		if (!pod->up && pod->joins) {
			replay->joined++;
			pod_join(pod, pods + replay->joined);
		}
	}
}

void
replay_churn_step(replay_state *replay)
{
	uint32_t pods = replay->input->options->pods;
	uint32_t step = replay->churn_steps++;
	uint32_t round = step / ROUND;
	replay_pod *one = &replay->pods[2 * round % pods];
	replay_pod *other = &replay->pods[(2 * round + 1) % pods];

	switch (step % ROUND) {
	case 0:
		if (one->up && !one->leaving)
			pod_leave(one);
		break;
	case 1: one->joins = !one->up || one->leaving; break;
	case 2: pod_crash(other); break;
	default:
		if (!other->up)
			pod_join(other, other->place);
		break;
	}
	replay_churn_settle(replay);
	step_set(replay);
}
