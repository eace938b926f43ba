/*
 * The map of a Redis Cluster, kept as good as the cluster itself tells.
 *
 *            MOVED, ASK               a node, sent again at once
 *   error -> TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY
 *            |                        retry.h says when, if at all
 *            v
 *   wanted <- an owner is down, a slot that is nobody's
 *     |
 *     +--> ask one node --> map --> ring      due: min 2^level ... max
 *           ^     |
 *           +-----+ failed: the next one, each once in a round
 *
 * A cluster of a thousand clients that lost a master must not be asked by all
 * of them at once and again and again.  So one ask is under way at a time,
 * asks start at a random node, and a round that brought nothing new doubles
 * the wait for the next.  MOVED needs no map to go on: it corrects the slot
 * it names, and the map only spares the other slots their redirects.
 *
 * While a node that has slots is down, maps stay wanted: its replica is
 * promoted some seconds later, and nobody calls us then.
 *
 * An error of the cluster says that the command was not executed.  So any
 * request may be sent again, DELETE too.
 */

#include "store/resp_topology.h"

#include <string.h>

#include "base/alloc.h"

#define MS ((uint64_t)1000 * 1000)

static void
count(uint64_t *n)
{
	*n += *n < UINT64_MAX;
}

/* ---- life */

static int
opts_fill(struct topology_opts *o)
{
	if (o->refresh_min_ns == 0)
		o->refresh_min_ns = 200 * MS;
	if (o->refresh_max_ns == 0)
		o->refresh_max_ns = o->refresh_min_ns > 5000 * MS
					    ? o->refresh_min_ns
					    : 5000 * MS;
	if (o->jitter_pct == 0)
		o->jitter_pct = 20;
	if (o->max_nodes == 0)
		o->max_nodes = TOPOLOGY_NODES;
	return o->refresh_max_ns < o->refresh_min_ns || o->jitter_pct > 100 ||
			       o->max_nodes > RING_NODES_MAX
		       ? AIBRIX_E_INVAL
		       : AIBRIX_OK;
}

static int
seeds_take(struct topology *t, const struct topology_addr *seeds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id =
			aibrix__topology_seat(t, seeds[i].host, seeds[i].port);

		if (id == RING_NONE)
			return AIBRIX_E_FULL;
		t->marks[aibrix__ring_place(id)] = TOPOLOGY_SEED;
	}
	return AIBRIX_OK;
}

static int
seeds_check(const struct topology_addr *seeds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!seeds[i].host ||
		    !aibrix__topology_host(seeds[i].host,
					   strlen(seeds[i].host)) ||
		    seeds[i].port == 0 || seeds[i].port > UINT16_MAX)
			return AIBRIX_E_INVAL;
	return n > 0 ? AIBRIX_OK : AIBRIX_E_INVAL;
}

int
aibrix__topology_new(const aibrix_allocator *alloc,
		     const struct topology_opts *opts,
		     const struct topology_addr *seeds, uint32_t n,
		     uint64_t entropy, struct topology **out)
{
	struct topology_opts o = *opts;
	aibrix_allocator a;
	struct topology *t;
	int err = opts_fill(&o);

	if (!err)
		err = seeds_check(seeds, n);
	if (!err)
		err = aibrix__allocator_load(&a, alloc);
	if (err)
		return err;
	t = aibrix__alloc(&a, 1, sizeof(*t));
	if (!t)
		return AIBRIX_E_NOMEM;
	t->alloc = a;
	t->opts = o;
	t->rand = entropy;
	t->wanted = 1;
	t->reader.max_peers = o.max_nodes;
	t->reader.peers =
		aibrix__alloc(&a, o.max_nodes, sizeof(*t->reader.peers));
	t->marks = aibrix__alloc(&a, o.max_nodes, sizeof(*t->marks));
	err = t->reader.peers && t->marks ? AIBRIX_OK : AIBRIX_E_NOMEM;
	if (!err)
		err = aibrix__ring_new(&a, RING_REDIS, o.max_nodes, &t->ring);
	if (!err)
		err = seeds_take(t, seeds, n);
	if (err) {
		aibrix__topology_free(t);
		return err;
	}
	*out = t;
	return AIBRIX_OK;
}

void
aibrix__topology_free(struct topology *t)
{
	aibrix_allocator a;

	if (!t)
		return;
	a = t->alloc;
	aibrix__ring_free(t->ring);
	aibrix__free(&a, t->marks, t->opts.max_nodes, sizeof(*t->marks));
	aibrix__free(&a, t->reader.peers, t->opts.max_nodes,
		     sizeof(*t->reader.peers));
	aibrix__free(&a, t, 1, sizeof(*t));
}

int
aibrix__topology_pick(struct topology *t, uint32_t slot, uint32_t *id)
{
	uint16_t place = t->ring->table[slot % RING_SLOTS];

	if (place != RING_NOWHERE) {
		*id = aibrix__ring_at(t->ring, place);
		return AIBRIX_OK;
	}
	t->wanted = 1;
	return t->version == 0 && t->rounds == 0 ? AIBRIX_E_AGAIN
						 : AIBRIX_E_UNAVAILABLE;
}

/* ---- what becomes of a refused request */

static void
call_end(struct topology_next *next, int32_t status)
{
	next->act = TOPOLOGY_END;
	next->status = status;
}

static void
call_wait(struct retry *retry, struct topology_call *call, uint64_t now_ns,
	  struct topology_next *next)
{
	const struct retry_call r = {
		.deadline_ns = call->deadline_ns,
		.need_ns = call->need_ns,
		/* It was not executed, so whatever it is may go again. */
		.op = AIBRIX_STORE_PROBE,
		.status = AIBRIX_E_UNAVAILABLE,
		.retries = call->retries,
	};

	if (aibrix__retry_may(retry, &r, now_ns, &next->at_ns) == RETRY_YES) {
		call->retries++;
		next->act = TOPOLOGY_WAIT;
	} else {
		call_end(next, AIBRIX_E_UNAVAILABLE);
	}
}

/* The node that a redirect names, or RING_NONE. */
static uint32_t
redirect_node(struct topology *t, const struct topology_call *call,
	      const struct resp_event *e)
{
	const struct ring_node *from = aibrix__ring_get(t->ring, call->from);
	char host[TOPOLOGY_HOST_MAX + 1];
	uint32_t id;

	if (e->port == 0 || (e->host_bytes == 0 && !from))
		return RING_NONE;
	if (e->host_bytes == 0)
		return aibrix__topology_seat(t, from->addr, e->port);
	if (!aibrix__topology_host(e->host, e->host_bytes) ||
	    (e->host_bytes == 1 && e->host[0] == '?'))
		return RING_NONE;
	memcpy(host, e->host, e->host_bytes);
	host[e->host_bytes] = '\0';
	id = aibrix__topology_seat(t, host, e->port);
	return id;
}

static void
redirect(struct topology *t, struct retry *retry, struct topology_call *call,
	 const struct resp_event *e, uint64_t now_ns,
	 struct topology_next *next)
{
	const int moved = e->error == RESP_ERROR_MOVED;
	uint32_t id;

	if (moved)
		t->wanted = 1;
	count(moved ? &t->stat.moved : &t->stat.asked);
	if (call->redirects >= TOPOLOGY_REDIRECTS) {
		count(&t->stat.loops);
		call_end(next, AIBRIX_E_UNAVAILABLE);
		return;
	}
	/* Of another key than the one that was sent. */
	if (e->slot != call->slot) {
		call_end(next, AIBRIX_E_IO);
		return;
	}
	id = redirect_node(t, call, e);
	if (id == RING_NONE) {
		t->wanted = 1;
		call_wait(retry, call, now_ns, next);
		return;
	}
	aibrix__topology_named(t, id, moved ? e->slot : RING_SLOTS);
	call->redirects++;
	next->act = moved ? TOPOLOGY_SEND : TOPOLOGY_ASK;
	next->id = id;
}

void
aibrix__topology_error(struct topology *t, struct retry *retry,
		       struct topology_call *call, const struct resp_event *e,
		       uint64_t now_ns, struct topology_next *next)
{
	*next = (struct topology_next){.act = TOPOLOGY_NONE};
	switch (e->error) {
	case RESP_ERROR_MOVED:
	case RESP_ERROR_ASK:
	case RESP_ERROR_TRYAGAIN: break;
	case RESP_ERROR_CLUSTERDOWN:
	case RESP_ERROR_LOADING:
	case RESP_ERROR_MASTERDOWN:
	case RESP_ERROR_READONLY: t->wanted = 1; break;
	case RESP_ERROR_CROSSSLOT: call_end(next, AIBRIX_E_INVAL); return;
	default: return;
	}
	if (now_ns >= call->deadline_ns)
		call_end(next, AIBRIX_E_TIMEOUT);
	else if (e->error == RESP_ERROR_MOVED || e->error == RESP_ERROR_ASK)
		redirect(t, retry, call, e, now_ns, next);
	else
		call_wait(retry, call, now_ns, next);
}
