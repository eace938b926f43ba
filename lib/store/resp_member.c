/*
 * Nodes that come and go, as a map has them: a Redis Cluster's (its topology)
 * or AIBrix's metadata.
 *
 *   a map --> members (a ring) --> sync --> nodes that are gone: given up
 *   a request --> id --> place --> member --> nodes that are new: set up
 *
 * A place of the ring is a place in store->nodes.  An id names one node only,
 * so that a place whose id the ring no longer knows is another node's, be its
 * name the same.  A node is set up when the first request for it comes, and
 * given up when a map no longer has it: what was under way there is then
 * admitted again, to whoever has its keys, but for a DELETE that was sent.
 */
#include "store/store_resp.h"

#include <assert.h>
#include <string.h>

#include "base/rand.h"

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
	node->lookup = 0;
}

void
aibrix__resp_member_sync(struct resp_store *store)
{
	if (!store->map_new)
		return;
	for (uint32_t i = 0; i < store->n_nodes; i++) {
		struct resp_node *node = &store->nodes[i];

		if (node->id != RING_NONE &&
		    !aibrix__ring_get(store->members, node->id))
			node_give_up(store, node);
	}
	store->map_new = 0;
}

int
aibrix__resp_member(struct resp_store *store, uint32_t id, uint32_t *place)
{
	const struct ring_node *entry = aibrix__ring_get(store->members, id);
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

/* How far the one try went that somebody has. */
enum { OPENED_LOOKUP = 1, OPENED_LINE = 2 };

static int
member_locate(struct resp_store *store, struct resp_node *node,
	      uint32_t *opened)
{
	int err = AIBRIX_OK;

	if (node->addr < node->n_addrs)
		return AIBRIX_OK;
	/* It has ended, and its name has no address. */
	if (*opened == OPENED_LOOKUP && node->lookup == 0)
		return AIBRIX_E_UNAVAILABLE;
	err = aibrix__resp_lookup(store, node);
	if (node->lookup)
		*opened = OPENED_LOOKUP;
	if (err == AIBRIX_E_TIMEOUT)
		aibrix__resp_node_unreachable(store, node, err, 0);
	return err;
}

int
aibrix__resp_member_line(struct resp_store *store, struct resp_node *node,
			 uint32_t *opened, struct resp_line **out)
{
	uint32_t coming = 0;
	int err;

	for (uint32_t i = 0; i < store->config.connections; i++) {
		struct resp_line *line = node->lines[i];

		if (!line || line->conn.state == CONN_FREE || line->doomed)
			continue;
		if (line->usable &&
		    aibrix__resp_conn_calls(&line->conn) < CONN_CALLS) {
			*out = line;
			return AIBRIX_OK;
		}
		coming++;
	}
	if (coming > 0)
		return AIBRIX_E_AGAIN;
	/* It opens at most one: the next round sees whether that went well. */
	if (*opened == OPENED_LINE)
		return AIBRIX_E_UNAVAILABLE;
	err = member_locate(store, node, opened);
	if (err)
		return err;
	*opened = OPENED_LINE;
	err = aibrix__resp_line_open(store, node);
	return err ? err : AIBRIX_E_AGAIN;
}
