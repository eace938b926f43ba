/*
 * The lists of a queue: rings of request numbers through nodes[], so that
 * moving a request costs four stores.
 *
 * In a queue with threads the caller has the lock.
 */
#ifndef STORE_QUEUE_LISTS_H
#define STORE_QUEUE_LISTS_H

#include "store/store_queue.h"

static inline uint32_t
list_head(const struct queue *q, uint32_t list)
{
	return q->conf->max_inflight + list;
}

/* First request of a list; its head when it is empty. */
static inline uint32_t
list_first(const struct queue *q, uint32_t list)
{
	return q->nodes[list_head(q, list)].next;
}

static inline int
list_empty(const struct queue *q, uint32_t list)
{
	return list_first(q, list) == list_head(q, list);
}

static inline void
request_unlink(struct queue *q, uint32_t id)
{
	struct queue_node *node = &q->nodes[id];

	q->nodes[node->prev].next = node->next;
	q->nodes[node->next].prev = node->prev;
	q->waiting -= q->requests[id].list < LIST_ENDED;
	q->requests[id].list = LIST_NONE;
}

static inline void
request_link(struct queue *q, uint32_t id, uint32_t list)
{
	uint32_t head = list_head(q, list), last = q->nodes[head].prev;

	q->nodes[id] = (struct queue_node){head, last};
	q->nodes[last].next = id;
	q->nodes[head].prev = id;
	q->waiting += list < LIST_ENDED;
	q->requests[id].list = list;
}

static inline void
request_end(struct queue *q, uint32_t id, int32_t status)
{
	request_unlink(q, id);
	request_link(q, id, LIST_ENDED);
	q->requests[id].done = (aibrix_done){.tag = id, .status = status};
}

/* Would poll, called now, do anything? */
static inline int
queue_has_work(const struct queue *q)
{
	if (!q->threads)
		return q->inflight > 0;
	return !list_empty(q, LIST_ENDED) || !list_empty(q, LIST_DONE) ||
	       !list_empty(q, LIST_HELD) || (q->waiting && !q->workers);
}

#endif
