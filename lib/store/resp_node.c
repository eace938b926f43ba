/*
 * One server: the requests that wait for it, by priority, and its lines.
 *
 *   waiting  [probe] [get] [put] [background]
 *                 \    |     |    /
 *                  the first that has room
 *                 /        |        \
 *   lines      line 0    line 1    line 2 ...     made when there is no room
 *
 * A request goes to a line as late as possible: what waits here can still be
 * overtaken by a probe, what is on a line cannot.  So a line takes few values
 * at a time, enough that the server always has the next one, and the bytes
 * that it may owe are bounded, since a server keeps them in its memory.
 */
#include "store/store_resp.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

/* "host:port", or the path. */
static void
node_name(char *out, const struct resp_host *host)
{
	char digits[8];
	size_t n = strlen(host->name), at = sizeof(digits);

	memcpy(out, host->name, n + 1);
	if (host->port == 0)
		return;
	for (uint32_t port = host->port; port; port /= 10)
		digits[--at] = (char)('0' + port % 10);
	/* The name of a ring's node has as much room as a host's. */
	if (n + 1 + sizeof(digits) - at > RING_NAME_MAX)
		return;
	out[n] = ':';
	memcpy(out + n + 1, digits + at, sizeof(digits) - at);
	out[n + 1 + sizeof(digits) - at] = '\0';
}

int
aibrix__resp_node_init(struct resp_store *store, struct resp_node *node,
		       const struct resp_host *host, uint64_t entropy)
{
	const uint64_t now = store->conf->clock(store->conf->clock_ctx);
	int err;

	err = aibrix__breaker_init(&node->breaker, &store->config.breaker,
				   entropy, now);
	if (err)
		return err;
	/* Those of the node that had this place before. */
	if (!node->lines)
		node->lines = aibrix__alloc(store->conf->alloc,
					    store->config.connections,
					    sizeof(*node->lines));
	if (!node->lines)
		return AIBRIX_E_NOMEM;
	node->host = *host;
	node_name(node->name, host);
	/* Who needs it asks again. */
	(void)aibrix__resp_lookup_begin(store, node);
	return AIBRIX_OK;
}

void
aibrix__resp_node_close(struct resp_store *store, struct resp_node *node,
			int epoll)
{
	const aibrix_allocator *alloc = store->conf->alloc;

	if (!node->lines)
		return;
	for (uint32_t i = 0; i < store->config.connections; i++) {
		struct resp_line *line = node->lines[i];

		if (!line)
			continue;
		aibrix__resp_conn_close(&line->conn, epoll);
		aibrix__free(alloc, line, 1, sizeof(*line));
	}
	aibrix__free(alloc, node->lines, store->config.connections,
		     sizeof(*node->lines));
}

uint64_t
aibrix__resp_node_heard(const struct resp_store *store,
			const struct resp_node *node)
{
	uint64_t heard = 0;

	for (uint32_t i = 0; i < store->config.connections; i++)
		if (node->lines[i] && node->lines[i]->conn.heard_ns > heard)
			heard = node->lines[i]->conn.heard_ns;
	return heard;
}

uint32_t
aibrix__resp_node_usable(const struct resp_store *store,
			 const struct resp_node *node)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < store->config.connections; i++)
		n += node->lines[i] && node->lines[i]->usable;
	return n;
}

static uint32_t
node_waiting(const struct resp_node *node)
{
	uint32_t n = 0;

	for (uint32_t p = 0; p < RESP_PRIORITIES; p++)
		n += node->waiting[p].count;
	return n;
}

/* Who is next, or NONE. */
static uint32_t
node_first(const struct resp_node *node)
{
	for (uint32_t p = 0; p < RESP_PRIORITIES; p++)
		if (node->waiting[p].count)
			return node->waiting[p].head;
	return NONE;
}

void
aibrix__resp_node_flush(struct resp_store *store, struct resp_node *node,
			int status, int os_error, uint32_t outcome)
{
	uint32_t id;

	while ((id = node_first(node)) != NONE)
		aibrix__resp_request_fail(store, id, status, os_error, outcome);
}

void
aibrix__resp_node_scatter(struct resp_store *store, struct resp_node *node)
{
	uint32_t id;

	while ((id = node_first(node)) != NONE)
		aibrix__resp_request_later(store, id, store->now,
					   BREAKER_NOTHING);
}

static int
line_has_room(const struct resp_store *store, const struct resp_line *line,
	      uint64_t weight)
{
	const struct resp_conn *c = &line->conn;

	if (!line->usable || line->doomed ||
	    aibrix__resp_conn_calls(c) > CONN_CALLS - 2) /* with ASKING */
		return 0;
	if (weight < CONN_LARGE)
		return 1;
	if (c->large == store->config.pipeline)
		return 0;
	/* One that is longer than the limit goes by itself. */
	return c->large == 0 || c->weight + weight <= store->config.conn_bytes;
}

/* The one with the least to do. */
struct resp_line *
aibrix__resp_node_line(const struct resp_store *store,
		       const struct resp_node *node, uint64_t weight)
{
	struct resp_line *best = NULL;

	for (uint32_t i = 0; i < store->config.connections; i++) {
		struct resp_line *line = node->lines[i];

		if (!line || !line_has_room(store, line, weight))
			continue;
		if (!best || line->conn.weight < best->conn.weight ||
		    (line->conn.weight == best->conn.weight &&
		     aibrix__resp_conn_calls(&line->conn) <
			     aibrix__resp_conn_calls(&best->conn)))
			best = line;
	}
	return best;
}

/* 0: nobody knows yet where it is. */
static int
node_located(struct resp_store *store, struct resp_node *node)
{
	int err = AIBRIX_OK;

	if (node->addr >= node->n_addrs)
		err = aibrix__resp_lookup(store, node);
	if (err == AIBRIX_E_TIMEOUT)
		aibrix__resp_node_unreachable(store, node, err, 0);
	return !err;
}

/* Requests that no line has room for: one more line for each. */
static void
lines_extend(struct resp_store *store, struct resp_node *node)
{
	uint32_t coming = 0;

	for (uint32_t i = 0; i < store->config.connections; i++) {
		const struct resp_line *line = node->lines[i];

		coming +=
			line && line->conn.state != CONN_FREE && !line->usable;
	}
	while (coming < node_waiting(node) + node->epoch) {
		/* Without any line it is the breaker that slows down. */
		if (store->now < node->connect_after_ns &&
		    aibrix__resp_node_usable(store, node) > 0)
			return;
		if (!node_located(store, node) ||
		    aibrix__resp_line_open(store, node))
			return;
		coming++;
	}
}

static void
waiting_refuse(struct resp_store *store, struct resp_node *node)
{
	uint32_t id;

	while ((id = node_first(node)) != NONE)
		aibrix__resp_request_refuse(store, id);
}

void
aibrix__resp_node_pump(struct resp_store *store, struct resp_node *node)
{
	uint32_t id;

	if (!node->name[0])
		return;

	/* Those that were admitted before it opened. */
	if (node->breaker.state == BREAKER_OPEN)
		waiting_refuse(store, node);
	while ((id = node_first(node)) != NONE) {
		const uint64_t weight = io_bytes(&store->requests[id].io);
		struct resp_line *line;

		if (!aibrix__resp_epoch_known(store)) {
			aibrix__resp_request_hold(store, id);
			continue;
		}
		line = aibrix__resp_node_line(store, node, weight);
		if (!line)
			break;
		aibrix__resp_line_call(store, line, id);
	}
	if (id != NONE || node->epoch)
		lines_extend(store, node);
	for (uint32_t i = 0; i < store->config.connections; i++)
		if (node->lines[i])
			aibrix__resp_line_send(store, node->lines[i]);
}
