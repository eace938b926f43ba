/*
 * A Redis Cluster behind the backend: where a slot is.
 *
 *   request --> slot --> topology --> place --> node --> lines
 *                           ^                              |
 *                           +---- CLUSTER SLOTS, MOVED ----+
 *
 * The topology decides, this file carries.  Its ring says who the nodes are:
 * resp_member.c.
 */
#include "store/store_resp.h"

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
	store->members = store->topology->ring;
	return AIBRIX_OK;
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
		return aibrix__resp_member(store, id, &r->node);
	}
	r->asking = 0;
	err = aibrix__topology_pick(store->topology, r->slot, &id);
	return err ? err : aibrix__resp_member(store, id, &r->node);
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
	struct resp_line *line;
	uint32_t place;
	int err;

	err = aibrix__resp_member(store, store->ask.id, &place);
	if (!err)
		err = aibrix__resp_member_line(store, &store->nodes[place],
					       &store->ask_opened, &line);
	if (err)
		return err;
	/* One that is full has answers to come, and room then. */
	return slots_push(store, line) ? AIBRIX_E_AGAIN : AIBRIX_OK;
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
