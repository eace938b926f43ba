/*
 * Reads the reply of CLUSTER SLOTS.
 *
 *   depth 0  array of ranges
 *         1    array: first, last, master, replica, ...
 *         2      integer | integer | node
 *         3                          array: host, port, id, metadata, ...
 *         4                                                 array: "ip", ...
 *
 * Events come one at a time and are worth nothing until the last: a node's
 * address may be in its metadata, the range that overlaps may be the last
 * one.  So a table of the 16384 slots and a list of the nodes are filled in
 * beside the map in use, which a reply that is refused has not touched.
 *
 * A master whose address nobody told ("?", port 0) leaves its slots to
 * nobody; that is a state of a cluster, not a broken reply.
 */

#include "store/resp_topology.h"

#include <string.h>

enum { PORT_MAX = 65535, FNV_PRIME = 16777619 };

/* What of a node array is at which element. */
enum { NODE_HOST = 0, NODE_PORT = 1, NODE_METADATA = 3 };
enum { RANGE_FIRST = 0, RANGE_LAST = 1, RANGE_MASTER = 2 };

/* Texts from the wire that may become names: printable, without blanks. */
int
aibrix__topology_host(const char *host, size_t n)
{
	if (n == 0 || n > TOPOLOGY_HOST_MAX)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (host[i] <= ' ' || host[i] > '~')
			return 0;
	return 1;
}

void
aibrix__topology_read_begin(struct topology_reader *r, const char *host)
{
	for (uint32_t s = 0; s < RING_SLOTS; s++)
		r->slots[s] = PEER_NONE;
	memset(r->at, 0, sizeof(r->at));
	r->n_peers = 0;
	r->asked_host = host;
	r->err = AIBRIX_OK;
	r->ranges = 0;
	r->host_known = 0;
}

static void
refuse(struct topology_reader *r, int32_t err)
{
	if (r->err == AIBRIX_OK)
		r->err = err;
}

/* ---- nodes */

static uint32_t
addr_hash(const char *host, uint32_t port)
{
	uint32_t h = port;

	for (; *host; host++)
		h = (h ^ (uint8_t)*host) * FNV_PRIME;
	return h;
}

/* Each range names its nodes again: a few thousand times a few nodes, and
 * mostly the one of the range before. */
static uint32_t
peer_find(struct topology_reader *r, const char *host, uint32_t port)
{
	uint32_t hash = addr_hash(host, port), i = r->n_peers;
	struct topology_peer *p;

	while (i > 0) {
		p = &r->peers[--i];
		if (p->hash == hash && p->port == port &&
		    strcmp(p->host, host) == 0)
			return i;
	}
	if (r->n_peers == r->max_peers) {
		refuse(r, AIBRIX_E_FULL);
		return PEER_UNKNOWN;
	}
	p = &r->peers[r->n_peers];
	memcpy(p->host, host, strlen(host) + 1);
	p->port = port;
	p->hash = hash;
	p->id = RING_NONE;
	return r->n_peers++;
}

/* The host of the node, or NULL: nobody knows. */
static const char *
node_host(const struct topology_reader *r)
{
	if (r->host[0] == '\0')
		return r->asked_host;
	if (strcmp(r->host, "?") != 0)
		return r->host;
	if (r->ip[0] == '\0' || strcmp(r->ip, "?") == 0)
		return NULL;
	return r->ip;
}

static void
range_take(struct topology_reader *r, uint32_t peer)
{
	for (uint32_t s = r->first; s <= r->last; s++) {
		if (r->slots[s] != PEER_NONE) {
			refuse(r, AIBRIX_E_PARSE);
			return;
		}
		r->slots[s] = (uint16_t)peer;
	}
}

/* All of a node was read, if there was one. */
static void
node_end(struct topology_reader *r)
{
	const char *host;
	uint32_t peer = PEER_UNKNOWN;

	if (!r->host_known || r->err)
		return;
	r->host_known = 0;
	host = node_host(r);
	if (host && !aibrix__topology_host(host, strlen(host)))
		refuse(r, AIBRIX_E_PARSE);
	else if (host && r->port != 0)
		peer = peer_find(r, host, r->port);
	/* at[2] is that of the node: those begun so far. */
	if (r->err == AIBRIX_OK && r->at[2] == RANGE_MASTER + 1)
		range_take(r, peer);
}

/* ---- events */

static void
range_number(struct topology_reader *r, uint32_t at, int64_t number)
{
	if (number < 0 || number >= RING_SLOTS ||
	    (at == RANGE_LAST && (uint32_t)number < r->first))
		refuse(r, AIBRIX_E_PARSE);
	else if (at == RANGE_FIRST)
		r->first = (uint32_t)number;
	else
		r->last = (uint32_t)number;
}

static void
range_event(struct topology_reader *r, const struct resp_event *e, uint32_t at)
{
	if (at < RANGE_MASTER) {
		if (e->kind == RESP_INTEGER)
			range_number(r, at, e->number);
		else
			refuse(r, AIBRIX_E_PARSE);
	} else if (e->kind != RESP_ARRAY || e->number <= NODE_PORT) {
		refuse(r, AIBRIX_E_PARSE);
	} else {
		r->host[0] = r->ip[0] = '\0';
		r->port = 0;
	}
}

static void
node_event(struct topology_reader *r, const struct resp_event *e, uint32_t at)
{
	if (at == NODE_HOST) {
		if (e->kind != RESP_NIL && e->kind != RESP_BULK)
			refuse(r, AIBRIX_E_PARSE);
	} else if (at == NODE_PORT) {
		if (e->kind != RESP_INTEGER || e->number < 0 ||
		    e->number > PORT_MAX) {
			refuse(r, AIBRIX_E_PARSE);
		} else {
			r->port = (uint32_t)e->number;
			r->host_known = 1;
		}
	}
}

/* An element that begins; its depth is that of resp.h. */
static void
element_event(struct topology_reader *r, const struct resp_event *e)
{
	uint32_t at;

	if (e->kind == RESP_ERROR || e->kind == RESP_SIMPLE)
		refuse(r, e->depth == 0 && e->kind == RESP_ERROR
				  ? AIBRIX_E_UNAVAILABLE
				  : AIBRIX_E_PARSE);
	if (e->depth <= 2)
		node_end(r);
	at = r->at[e->depth]++;
	if (e->kind == RESP_ARRAY && e->depth < RESP_DEPTH)
		r->at[e->depth + 1] = 0;
	if (e->depth == 0) {
		if (e->kind != RESP_ARRAY)
			refuse(r, AIBRIX_E_PARSE);
	} else if (e->depth == 1) {
		r->ranges++;
		if (e->kind != RESP_ARRAY || e->number <= RANGE_MASTER)
			refuse(r, AIBRIX_E_PARSE);
	} else if (e->depth == 2) {
		range_event(r, e, at);
	} else if (e->depth == 3) {
		node_event(r, e, at);
	} else if (e->depth == 4 && at % 2 == 0) {
		r->ip_next = 0;
	}
}

/* Where the bytes of this text matter. */
static int
text_matters(const struct topology_reader *r, uint32_t depth)
{
	if (r->err)
		return 0;
	if (depth == 3)
		return r->at[3] == NODE_HOST + 1;
	return depth == 4 && r->at[3] == NODE_METADATA + 1;
}

static void
bulk_event(struct topology_reader *r, struct resp *resp,
	   const struct resp_event *e)
{
	int kept = text_matters(r, e->depth) && e->number < TOPOLOGY_TEXT;

	if (kept) {
		r->iov = (aibrix_iov){r->text, sizeof(r->text)};
		kept = aibrix__resp_into(resp, &r->iov, 1) == AIBRIX_OK;
	} else if (text_matters(r, e->depth) && e->depth == 3) {
		refuse(r, AIBRIX_E_PARSE);
	}
	if (!kept)
		(void)aibrix__resp_drop(resp);
}

static void
text_copy(struct topology_reader *r, char *out, size_t n)
{
	/* A zero inside would hide what follows it from the checks. */
	if (memchr(r->text, '\0', n)) {
		refuse(r, AIBRIX_E_PARSE);
		return;
	}
	memcpy(out, r->text, n);
	out[n] = '\0';
}

static void
bulk_end_event(struct topology_reader *r, const struct resp_event *e)
{
	size_t n = (size_t)e->number;

	if (!text_matters(r, e->depth) || n >= TOPOLOGY_TEXT)
		return;
	if (e->depth == 3) {
		text_copy(r, r->host, n);
	} else if (r->at[4] % 2 == 1) {
		r->ip_next = n == 2 && memcmp(r->text, "ip", 2) == 0;
	} else if (r->ip_next) {
		text_copy(r, r->ip, n);
	}
}

void
aibrix__topology_read(struct topology_reader *r, struct resp *resp,
		      const struct resp_event *e)
{
	if (e->kind == RESP_BULK_END) {
		bulk_end_event(r, e);
		return;
	}
	if (r->err == AIBRIX_OK)
		element_event(r, e);
	if (e->kind == RESP_BULK)
		bulk_event(r, resp, e);
}

int
aibrix__topology_read_end(struct topology_reader *r)
{
	node_end(r);
	/* A node that has left its cluster, or was never in one. */
	if (r->err == AIBRIX_OK && r->ranges == 0)
		refuse(r, AIBRIX_E_UNAVAILABLE);
	return r->err;
}
