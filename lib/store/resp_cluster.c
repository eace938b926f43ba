/*
 * A Redis Cluster behind the backend: nodes that come and go.
 *
 *   request --> slot --> topology --> place --> node --> lines
 *                           ^                              |
 *                           +---- CLUSTER SLOTS, MOVED ----+
 *
 * The topology decides, this file carries.  A place of its ring is a place in
 * store->nodes.  A node is set up when the first request for it comes, and
 * given up when a map no longer has it: what was under way there is then
 * admitted again, to whoever has its slot.
 */
#include "store/store_resp.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"

enum { CLUSTER_NODES = 128 };

/* A map that trickles in is given up. */
#define ASK_MAX_NS UINT64_C(5000000000)

int
aibrix__resp_cluster_open(struct resp_store *store)
{
	const struct topology_opts opts = {.max_nodes = CLUSTER_NODES};
	const struct resp_url *url = &store->config.url;
	struct topology_addr seeds[RESP_URL_HOSTS];
	int err;

	for (uint32_t i = 0; i < url->n_hosts; i++)
		seeds[i] = (struct topology_addr){url->hosts[i].name,
						  url->hosts[i].port};
	err = aibrix__topology_new(store->conf->alloc, &opts, seeds,
				   url->n_hosts, rand_next(&store->rand),
				   &store->topology);
	if (err)
		return err;
	store->nodes = aibrix__alloc(store->conf->alloc, CLUSTER_NODES,
				     sizeof(*store->nodes));
	if (!store->nodes)
		return AIBRIX_E_NOMEM;
	store->n_nodes = CLUSTER_NODES;
	return AIBRIX_OK;
}

/* ---- nodes */

/* Its requests go elsewhere, its lines are closed. */
static void
node_give_up(struct resp_store *store, struct resp_node *node)
{
	for (uint32_t i = 0; i < store->config.connections; i++)
		if (node->lines[i] && node->lines[i]->conn.state != CONN_FREE)
			aibrix__resp_line_leave(store, node->lines[i]);
	aibrix__resp_node_scatter(store, node);
	node->name[0] = '\0';
	node->id = RING_NONE;
}

void
aibrix__resp_cluster_sync(struct resp_store *store)
{
	const struct ring *ring = store->topology->ring;

	if (!store->map_new)
		return;
	store->map_new = 0;
	for (uint32_t i = 0; i < store->n_nodes; i++) {
		struct resp_node *node = &store->nodes[i];

		if (node->id != RING_NONE && !aibrix__ring_get(ring, node->id))
			node_give_up(store, node);
	}
}

/* The node of an id of the ring, set up if need be. */
static int
node_of(struct resp_store *store, uint32_t id, uint32_t *place)
{
	const struct ring_node *entry =
		aibrix__ring_get(store->topology->ring, id);
	struct resp_node *node;
	struct resp_host host;
	int err;

	if (!entry)
		return AIBRIX_E_UNAVAILABLE;
	*place = aibrix__ring_place(id);
	node = &store->nodes[*place];
	if (node->id == id)
		return AIBRIX_OK;
	/* Nobody is left there; its lines may be used again. */
	assert(node->id == RING_NONE && node->inflight == 0);
	*node = (struct resp_node){.lines = node->lines};
	memcpy(host.name, entry->addr, sizeof(host.name));
	host.port = entry->port;
	err = aibrix__resp_node_init(store, node, &host,
				     rand_next(&store->rand));
	if (!err)
		node->id = id;
	return err;
}

int
aibrix__resp_cluster_place(struct resp_store *store, const void *key, size_t n,
			   struct resp_request *r)
{
	uint32_t id = r->to;
	int err;

	r->slot = aibrix__ring_slot(key, n);
	/* Where a redirect has sent it; that counts once. */
	if (id != RING_NONE) {
		r->to = RING_NONE;
		return node_of(store, id, &r->node);
	}
	r->asking = 0;
	err = aibrix__topology_pick(store->topology, r->slot, &id);
	return err ? err : node_of(store, id, &r->node);
}

void
aibrix__resp_cluster_node(struct resp_store *store,
			  const struct resp_node *node, int up)
{
	if (!store->topology)
		return;
	if (up)
		aibrix__topology_up(store->topology, node->id);
	else if (aibrix__resp_node_usable(store, node) == 0)
		aibrix__topology_down(store->topology, node->id);
}

/* ---- refused requests */

int
aibrix__resp_cluster_error(struct resp_store *store, uint32_t id,
			   const struct resp_event *event, uint32_t outcome)
{
	struct resp_request *r = &store->requests[id];
	struct topology_next next;
	struct topology_call call = {
		.deadline_ns = r->io.deadline_ns,
		.need_ns = store->nodes[r->node].first_byte_ns,
		.slot = r->slot,
		.from = store->nodes[r->node].id,
		.redirects = r->redirects,
		.retries = r->retries,
	};

	if (!store->topology)
		return 0;
	aibrix__topology_error(store->topology, &store->retry, &call, event,
			       store->now, &next);
	r->redirects = call.redirects;
	switch (next.act) {
	case TOPOLOGY_NONE: return 0;
	case TOPOLOGY_END:
		aibrix__resp_request_give_up(store, id, next.status, outcome);
		return 1;
	case TOPOLOGY_WAIT:
		store->conf->stat->retries++;
		r->retries = call.retries;
		aibrix__resp_request_later(store, id, next.at_ns, outcome);
		return 1;
	default:
		r->to = next.id;
		r->asking = next.act == TOPOLOGY_ASK;
		aibrix__resp_request_later(store, id, store->now, outcome);
		return 1;
	}
}

/* ---- maps */

/* Requests that wait for a map look again. */
static void
waiting_wake(struct resp_store *store)
{
	for (uint32_t id = 0; id < store->high; id++) {
		struct resp_request *r = &store->requests[id];

		if (r->state == REQUEST_RETRY && r->at_ns == AIBRIX_FOREVER) {
			r->at_ns = store->now;
			resp_wake_by(store, store->now);
		}
	}
}

static void
ask_ended(struct resp_store *store)
{
	store->ask.id = RING_NONE;
	store->ask_line = NULL;
	waiting_wake(store);
}

void
aibrix__resp_cluster_lost(struct resp_store *store,
			  const struct resp_line *line)
{
	if (!store->topology || store->ask_line != line)
		return;
	aibrix__topology_fail(store->topology, store->ask.number, store->now);
	ask_ended(store);
}

int
aibrix__resp_cluster_reply(struct resp_store *store, struct resp_line *line,
			   const struct resp_event *event)
{
	struct resp_conn *c = &line->conn;
	const uint32_t number = aibrix__resp_conn_call(c, c->first)->spare;
	int err;

	err = aibrix__topology_event(store->topology, number, &c->codec, event,
				     store->now);
	if (!event->ends || store->ask_line != line ||
	    store->ask.number != number)
		return AIBRIX_OK;
	ask_ended(store);
	/* It may close this line, too. */
	if (err == AIBRIX_OK)
		store->map_new = 1;
	return AIBRIX_OK;
}

static int
slots_push(struct resp_store *store, struct resp_line *line)
{
	static const struct resp_arg args[] = {{"CLUSTER", 7}, {"SLOTS", 5}};
	const struct resp_push push = {.args = args,
				       .n_args = 2,
				       .payload = RESP_NO_PAYLOAD,
				       .kind = CALL_SLOTS,
				       .request = CONN_NO_REQUEST};
	uint32_t number;
	int err;

	err = aibrix__resp_conn_push(&line->conn, &push, store->now, &number);
	if (err)
		return err;
	aibrix__resp_conn_call(&line->conn, number)->spare = store->ask.number;
	store->ask_line = line;
	return AIBRIX_OK;
}

/* AIBRIX_OK: it is on a line.  E_AGAIN: one is on its way. */
static int
ask_send(struct resp_store *store)
{
	struct resp_node *node;
	uint32_t place, coming = 0;
	int err;

	err = node_of(store, store->ask.id, &place);
	if (err)
		return err;
	node = &store->nodes[place];
	for (uint32_t i = 0; i < store->config.connections; i++) {
		struct resp_line *line = node->lines[i];

		if (!line || line->conn.state == CONN_FREE || line->doomed)
			continue;
		if (line->usable && slots_push(store, line) == AIBRIX_OK)
			return AIBRIX_OK;
		coming++;
	}
	if (coming > 0)
		return AIBRIX_E_AGAIN;
	/* It opens at most one: the next round sees whether that went well. */
	if (node->addr >= node->n_addrs)
		node->addr = 0;
	err = store->ask_opened ? AIBRIX_E_UNAVAILABLE
				: aibrix__resp_line_open(store, node);
	store->ask_opened = 1;
	return err ? err : AIBRIX_E_AGAIN;
}

static void
ask_begin(struct resp_store *store)
{
	if (aibrix__topology_ask(store->topology, store->now, &store->ask))
		return;
	store->ask_line = NULL;
	store->ask_opened = 0;
	store->ask_until_ns = store->now + ASK_MAX_NS;
}

void
aibrix__resp_cluster_run(struct resp_store *store)
{
	struct topology *t = store->topology;
	int err = AIBRIX_E_AGAIN;

	/* Each turn ends an ask; a round of the topology has an end, too. */
	for (;;) {
		if (store->ask.id == RING_NONE)
			ask_begin(store);
		if (store->ask.id == RING_NONE)
			break;
		if (store->now >= store->ask_until_ns)
			err = AIBRIX_E_TIMEOUT;
		else
			err = store->ask_line ? AIBRIX_OK : ask_send(store);
		if (err == AIBRIX_OK || err == AIBRIX_E_AGAIN) {
			resp_wake_by(store, store->ask_until_ns);
			break;
		}
		if (store->ask_line) /* with what of the map is to come */
			aibrix__resp_line_leave(store, store->ask_line);
		else
			aibrix__topology_fail(t, store->ask.number, store->now);
		ask_ended(store);
	}
	resp_wake_by(store, aibrix__topology_wake(t));
}

void
aibrix__resp_cluster_close(struct resp_store *store)
{
	aibrix__topology_free(store->topology);
}
