/*
 * Input: the reply of CLUSTER SLOTS as any bytes, behind one that says how it
 * is cut.  Property: whatever is accepted is a map of nodes that a map may
 * name, and however it is cut, it is the same.
 */

#include <stdlib.h>
#include <string.h>

#include "../tests/topology_tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* To look at each slot costs as much as ten inputs: some will do.  The model
 * test looks at all of them. */
enum { STRIDE = 61 };

static void
check(int right)
{
	if (!right)
		abort();
}

/* Each slot is a node's or nobody's, each node one that a map may name. */
static void
check_nodes(struct topology *t)
{
	uint32_t live = 0, id;

	for (uint32_t i = 0; i < t->opts.max_nodes; i++) {
		const struct ring_node *node;

		id = aibrix__ring_at(t->ring, i);
		node = aibrix__ring_get(t->ring, id);
		check(!node == (id == RING_NONE));
		if (!node)
			continue;
		live++;
		check(aibrix__topology_host(node->addr, strlen(node->addr)));
		check(node->port > 0 && node->port <= 65535);
		check(aibrix__ring_find_addr(t->ring, node->addr, node->port) ==
		      id);
	}
	check(live == t->ring->n);
	for (uint32_t s = 0; s < RING_SLOTS; s += STRIDE)
		if (aibrix__topology_pick(t, s, &id) == AIBRIX_OK)
			check(aibrix__ring_get(t->ring, id) != NULL);
}

static int
try_once(struct topology *t, const char *text, size_t n, size_t step)
{
	struct topology_ask ask;
	int err;

	t->wanted = 1;
	t->due_ns = 0;
	check(aibrix__topology_ask(t, 1, &ask) == AIBRIX_OK);
	err = reply_feed(t, ask.number, text, n, step, 1);
	if (err == AIBRIX_E_AGAIN)
		aibrix__topology_fail(t, ask.number, 1);
	check_nodes(t);
	return err;
}

static void
try_text(const uint8_t *data, size_t len, size_t step)
{
	const struct topology_opts opts = {.max_nodes = 8};
	const struct topology_addr seed = {"seed", 9};
	const struct ring_node *nodes;
	struct topology *t = NULL;
	char *text = malloc(len + 1);
	uint64_t version;
	int err;

	check(text != NULL);
	memcpy(text, data, len);
	check(aibrix__topology_new(NULL, &opts, &seed, 1, 1, &t) == 0);
	err = try_once(t, text, len, SIZE_MAX);
	nodes = t->ring->nodes;
	version = t->version;
	check((err == AIBRIX_OK) == (version == 1));
	check(err != AIBRIX_OK || t->ring->n >= 1);
	/* However it is cut, it is the same. */
	check(try_once(t, text, len, step) == err || err == AIBRIX_OK);
	check(t->ring->nodes == nodes);
	aibrix__topology_free(t);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len >= 2)
		try_text(data + 1, len - 1, 1 + data[0] % 64);
	return 0;
}
