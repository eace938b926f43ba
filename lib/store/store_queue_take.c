/*
 * A queue whose requests are taken out and served elsewhere, many at once:
 * what is left of it are lists, priorities, deadlines and scripts.
 */

#include "store/store_queue.h"

#include "store/store_queue_lists.h"

int
aibrix__queue_has(const struct queue *q, uint64_t tag)
{
	return q->requests[tag].list != LIST_NONE;
}

int
aibrix__queue_take(struct queue *q, int room, aibrix_done *done)
{
	uint32_t id = list_first(q, LIST_ENDED), none = q->conf->max_inflight;
	int what = TAKE_NONE;

	if (id != list_head(q, LIST_ENDED)) {
		*done = q->requests[id].done;
		request_unlink(q, id);
		what = TAKE_ENDED;
	}
	while (what == TAKE_NONE) {
		id = aibrix__queue_next(q);
		if (id == none ||
		    (!room && q->requests[id].io.op != AIBRIX_STORE_PROBE))
			return TAKE_NONE;
		what = aibrix__queue_begin(q, id, done);
	}
	q->inflight--;
	return what;
}

void
aibrix__queue_block(struct queue *q, uint64_t tag)
{
	request_link(q, (uint32_t)tag, LIST_BLOCKED);
	q->inflight++;
}

/* Last ones first, each to the front. */
void
aibrix__queue_unblock(struct queue *q)
{
	uint32_t id, prev;

	for (id = q->nodes[list_head(q, LIST_BLOCKED)].prev;
	     id != list_head(q, LIST_BLOCKED); id = prev) {
		uint32_t list = LIST_PRIORITY + q->requests[id].io.priority;
		uint32_t head = list_head(q, list);

		prev = q->nodes[id].prev;
		request_unlink(q, id);
		q->nodes[id] = (struct queue_node){q->nodes[head].next, head};
		q->nodes[q->nodes[head].next].prev = id;
		q->nodes[head].next = id;
		q->requests[id].list = list;
		q->waiting++;
	}
}
