/*
 * The gateway with a fair queue: whose request goes next, and when.
 *
 * An engine cannot be interrupted, so what decides how long a light user
 * waits is what it finds there.  Two things are kept for who has less than
 * its share: a part of each pod's memory, as large as a long prompt, and a
 * step's worth of prompts.  Otherwise the memory that becomes free goes, bit
 * by bit, to the small requests of whoever always has one.
 *
 * What is kept is of no use to a user above its share whose turn it is, so
 * others may pass it.  Nobody else is passed, however large the request: what
 * becomes free adds up until there is room.
 */
#include "replay_state.h"

/* Of prompts that wait at a pod when others wait here: fewer keep prefixes
 * from their holders, more come before whose turn it is. */
enum { ROOM_STEPS = 2, ROOM_STEPS_ABOVE = 1 };

/* Of a pod's blocks, kept from users above their share. */
#define KEPT 0.2

static uint32_t
user_of(const replay_state *replay, const replay_request *request)
{
	return replay_user(replay->input->options, request->what);
}

/* Whether it has more than its share of all memory, and no one has twice as
 * much: who has a burst beside somebody who never ends is not above. */
static int
user_above(const replay_state *replay, uint32_t user)
{
	const replay_options *options = replay->input->options;
	double own = replay->user_blocks[user], most = 0;
	uint32_t active = 0, up = 0;

	for (uint32_t i = 0; i < options->users; i++) {
		active += replay->user_blocks[i] > 0;
		if (replay->user_blocks[i] > most)
			most = replay->user_blocks[i];
	}
	for (uint32_t i = 0; i < options->pods; i++)
		up += replay->pods[i].up;
	return own * active > (double)up * (double)options->gpu_blocks &&
	       own * 2 >= most;
}

void
replay_fair_count(replay_state *replay, const replay_request *request, int sign)
{
	if (replay->vtc)
		replay->user_blocks[user_of(replay, request)] +=
			sign * request->blocks;
}

uint32_t
replay_fair_rooms(replay_state *replay, const replay_request *request)
{
	double blocks = (double)replay->input->options->gpu_blocks;
	double most = ROOM_STEPS;
	uint32_t n = 0;

	if (user_above(replay, user_of(replay, request))) {
		most = ROOM_STEPS_ABOVE;
		blocks *= 1 - KEPT;
	}
	for (uint32_t i = 0; i < replay->input->options->pods; i++) {
		const replay_pod *pod = &replay->pods[i];
		double added = replay_blocks_added(replay, request, pod->row);

		/* What is larger than what is not kept waits for a pod that
		 * has nothing else. */
		if (pod->up &&
		    pod->pending_tokens < most * pod->spec->step_tokens &&
		    (pod->blocks + added <= blocks || pod->running == 0))
			replay->rows[n++] = pod->row;
	}
	return n;
}

/* The first in order that has a pod now, unless somebody within its share is
 * before it.  E_UNAVAILABLE: nobody. */
static int
fair_send(replay_state *replay)
{
	aibrix_vtc_item item = {.size = sizeof(item)};

	for (uint32_t i = 0; i < AIBRIX_VTC_LOOK_MAX; i++) {
		replay_request *request;
		int status =
			aibrix_vtc_look(replay->vtc, i, replay->now_ns, &item);

		if (status == AIBRIX_E_NOT_FOUND)
			return AIBRIX_E_UNAVAILABLE;
		if (status != AIBRIX_OK)
			return status;
		request = replay->live[item.tag];
		status = replay_gateway_send(replay, request);
		if (status == AIBRIX_OK)
			return aibrix_vtc_take(replay->vtc, item.ticket,
					       replay->now_ns);
		if (status != AIBRIX_E_UNAVAILABLE ||
		    !user_above(replay, user_of(replay, request)))
			return status;
	}
	return AIBRIX_E_UNAVAILABLE;
}

void
replay_fair_drain(replay_state *replay)
{
	int status = AIBRIX_OK;

	while (replay->status == AIBRIX_OK && status == AIBRIX_OK)
		status = fair_send(replay);
	if (status != AIBRIX_E_UNAVAILABLE)
		replay_fail(replay, "routing", status);
}

void
replay_fair_push(replay_state *replay, replay_request *request)
{
	size_t n = replay->finished;
	aibrix_vtc_request what = {
		.size = sizeof(what),
		.user = user_of(replay, request) + 1,
		.input_tokens = request->what->input_tokens,
		.tag = request->job.id,
		/* What answers were like so far. */
		.expected_tokens = n ? (uint32_t)(replay->output_sum / n) : 256,
	};

	replay_fail(replay, "fair queue",
		    aibrix_vtc_push(replay->vtc, &what, replay->now_ns,
				    &request->ticket));
}

/* It pays for what was computed. */
void
replay_fair_done(replay_state *replay, const replay_request *request)
{
	uint32_t cached =
		request->n_cached * replay->input->options->block_tokens;

	if (!replay->vtc)
		return;
	replay_fair_count(replay, request, -1);
	replay_fail(replay, "fair queue",
		    aibrix_vtc_done(replay->vtc, request->ticket,
				    request->what->input_tokens - cached,
				    request->what->output_tokens));
}
