/* A gateway's part of learning: three calls a request. */
#include "sim_learn.h"

#include <string.h>

int
sim_learn_new(const char *policy, aibrix_estimate **out)
{
	*out = NULL;
	return strstr(policy, "cost") ? aibrix_estimate_new(NULL, out)
				      : AIBRIX_OK;
}

int
sim_learn_ask(const aibrix_estimate *estimate, const aibrix_fleet *fleet,
	      uint64_t now_ns, aibrix_route_model *room,
	      aibrix_route_request *ask)
{
	if (!estimate)
		return AIBRIX_OK;
	room->size = sizeof(*room);
	ask->model = room;
	return aibrix_estimate_model(estimate, fleet, now_ns, room);
}

int
sim_learn_sent(aibrix_estimate *estimate, aibrix_fleet *fleet,
	       const sim_sent *sent, uint64_t now_ns, aibrix_charge *charge)
{
	const uint64_t held = (uint64_t)sent->held_tokens;
	const aibrix_work work = {
		.computed = sent->prompt_tokens - held,
		.cached = held,
		.row = sent->row,
		.running = (uint32_t)sent->running,
	};

	return estimate ? aibrix_estimate_routed(estimate, fleet, &work, now_ns,
						 charge)
			: AIBRIX_OK;
}

int
sim_learn_first_token(aibrix_estimate *estimate, aibrix_fleet *fleet,
		      aibrix_charge *charge, uint64_t now_ns)
{
	return estimate ? aibrix_estimate_first_token(estimate, fleet, charge,
						      now_ns)
			: AIBRIX_OK;
}

int
sim_learn_last_token(aibrix_estimate *estimate, aibrix_charge *charge,
		     uint64_t output_tokens, uint64_t now_ns)
{
	return estimate ? aibrix_estimate_done(estimate, charge, output_tokens,
					       now_ns)
			: AIBRIX_OK;
}
