/*
 * The sink of hosts that have an index and nothing else to do: decode, apply.
 */

#include "zmq/zmq_internal.h"

static int
index_apply(void *ctx, uint32_t owner, const void *payload, uint64_t n)
{
	aibrix_event_stat before = {.size = sizeof(before)};
	aibrix_event_stat after = {.size = sizeof(after)};
	aibrix_zmq *zmq = ctx;
	int err, known;

	known = aibrix_event_stats(zmq->decoder, &before);
	err = aibrix_event_apply(zmq->decoder, zmq->index, owner, payload, n);
	if (err || known || aibrix_event_stats(zmq->decoder, &after))
		return err;
	return after.cleared != before.cleared ? AIBRIX_ZMQ_ALL_CLEARED
					       : AIBRIX_OK;
}

/* Fails for owners that are not registered, as each apply tells. */
static void
index_clear(void *ctx, uint32_t owner)
{
	aibrix_zmq *zmq = ctx;
	int err = aibrix_index_apply_cleared(zmq->index, owner);

	(void)err;
}

const aibrix_zmq_sink aibrix__zmq_index_sink = {.size = sizeof(aibrix_zmq_sink),
						.apply = index_apply,
						.clear = index_clear};
