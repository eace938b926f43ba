/*
 * AIBrix's cluster metadata and how its clients choose by it.
 *
 *   {"nodes": [{"name": "p0", "addr": "10.0.0.1", "port": 12345,
 *               "slots": [{"start": 0, "end": 2047}]}, ...], "version": 3}
 *
 * Source: AIBrix python/aibrix_kvcache, l2/placement and meta_service.  The
 * client expands the ranges to one (slot, node) pair per slot, sorts them by
 * slot number, and takes pair FarmHash64(key) mod (number of pairs): an index
 * into the list and no slot number, so that gaps and overlaps shift all that
 * follows.  The sort is stable: of equal slots the earlier in the text comes
 * first.
 *
 * The text comes from a server that others write to.  It is read twice: once
 * to check all of it and count, once to fill tables whose sizes are known
 * and below the limits.  Slot numbers are below 65536, so a counting sort
 * does, and time is linear in the text and the slots.
 *
 * FarmHash64 (Pike, Google 2014; written anew from its definition) depends on
 * the processor for long inputs but not for 16 bytes, which is what AIBrix's
 * default keys are; other lengths are refused rather than guessed.
 */

#include "store/ring.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#define FARM_K2 0x9ae16a3b2f90404fu

struct meta_node {
	struct ring_node node;
	uint64_t seed;
	uint32_t place;
	struct json slots;
};

struct meta {
	const aibrix_allocator *alloc;
	const char *text;
	size_t err_offset;
	struct meta_node *nodes;
	size_t n;
	uint32_t *counts; /* RING_TABLE_MAX; by slot number */
	uint16_t *table;  /* total */
	size_t total;
};

static uint64_t
rotate(uint64_t x, int by)
{
	return x >> by | x << (64 - by);
}

/* HashLen0to16 of farmhashna, for 16 bytes. */
uint64_t
aibrix__ring_farm64(const uint8_t key[RING_COMPAT_KEY])
{
	struct reader r = reader_on(key, RING_COMPAT_KEY);
	uint64_t mul = FARM_K2 + 2 * RING_COMPAT_KEY;
	uint64_t a = read_u64(&r) + FARM_K2, b = read_u64(&r);
	uint64_t c = rotate(b, 37) * mul + a, d = (rotate(a, 25) + b) * mul;

	a = (c ^ d) * mul;
	a ^= a >> 47;
	b = (d ^ a) * mul;
	b ^= b >> 47;
	return b * mul;
}

static int
refuse(struct meta *m, const struct json *where)
{
	m->err_offset = (size_t)(where->at - m->text);
	return AIBRIX_E_PARSE;
}

/* A string that C can hold, of 1 to RING_NAME_MAX bytes. */
static int
text_read(struct meta *m, const struct json *value, char out[RING_NAME_MAX + 1])
{
	size_t n;

	if (aibrix__json_text(value, out, RING_NAME_MAX, &n) || n == 0 ||
	    memchr(out, '\0', n))
		return refuse(m, value);
	out[n] = '\0';
	return AIBRIX_OK;
}

/* Members by name, all of them; of two with one name the last, as Python
 * reads them. */
static int
members_find(struct meta *m, const struct json *object,
	     const char *const *names, struct json *values, size_t n)
{
	struct json_walk walk = aibrix__json_walk(object);
	struct json key, value;
	uint32_t seen = 0;

	if (object->type != JSON_OBJECT)
		return refuse(m, object);
	while (aibrix__json_next(&walk, &key, &value))
		for (size_t i = 0; i < n; i++)
			if (aibrix__json_is(&key, names[i])) {
				values[i] = value;
				seen |= 1u << i;
			}
	return seen == (1u << n) - 1 ? AIBRIX_OK : refuse(m, object);
}

/*
 * Unlike AIBrix (placement, where start > end is no slot at all and its
 * watcher writes one such range for a node that owns both ends): refused,
 * because a node that gets no traffic is an outage nobody sees.
 */
static int
range_read(struct meta *m, const struct json *value, uint64_t *start,
	   uint64_t *end)
{
	static const char *const names[] = {"start", "end"};
	struct json bounds[2];
	int err = members_find(m, value, names, bounds, 2);

	if (err)
		return err;
	if (aibrix__json_u64(&bounds[0], start) ||
	    aibrix__json_u64(&bounds[1], end) || *start > *end)
		return refuse(m, value);
	return *end < RING_TABLE_MAX ? AIBRIX_OK : AIBRIX_E_FULL;
}

static int
slots_count(struct meta *m, const struct json *slots)
{
	struct json_walk walk = aibrix__json_walk(slots);
	struct json value;
	uint64_t start, end;
	int err;

	if (slots->type != JSON_ARRAY)
		return refuse(m, slots);
	while (aibrix__json_next(&walk, NULL, &value)) {
		err = range_read(m, &value, &start, &end);
		if (err)
			return err;
		/* Before counting: time is bounded by the limit too. */
		if (end - start + 1 > RING_TABLE_MAX - m->total)
			return AIBRIX_E_FULL;
		m->total += (size_t)(end - start + 1);
		for (uint64_t s = start; s <= end; s++)
			m->counts[s]++;
	}
	return AIBRIX_OK;
}

static int
node_read(struct meta *m, const struct json *value, struct meta_node *node)
{
	static const char *const names[] = {"name", "addr", "port", "slots"};
	struct json found[4];
	uint64_t port;
	int err = members_find(m, value, names, found, 4);

	if (err)
		return err;
	err = text_read(m, &found[0], node->node.name);
	if (err)
		return err;
	err = text_read(m, &found[1], node->node.addr);
	if (err)
		return err;
	if (aibrix__json_u64(&found[2], &port) || port == 0 || port > 65535)
		return refuse(m, &found[2]);
	node->node.port = (uint32_t)port;
	node->node.weight = 1;
	node->seed = aibrix__ring_seed(node->node.name);
	node->slots = found[3];
	for (const struct meta_node *other = m->nodes; other < node; other++)
		if (other->seed == node->seed &&
		    strcmp(other->node.name, node->node.name) == 0)
			return refuse(m, &found[0]);
	return slots_count(m, &node->slots);
}

static int
nodes_read(struct meta *m, const struct json *nodes)
{
	struct json_walk walk = aibrix__json_walk(nodes);
	struct json value;
	size_t n = 0;

	while (aibrix__json_next(&walk, NULL, &value)) {
		int err = node_read(m, &value, &m->nodes[n++]);

		if (err)
			return err;
	}
	return m->total ? AIBRIX_OK : refuse(m, nodes);
}

/* The place in the list of each slot number's first pair. */
static void
counts_sum(struct meta *m)
{
	uint32_t sum = 0;

	for (size_t s = 0; s < RING_TABLE_MAX; s++) {
		uint32_t count = m->counts[s];

		m->counts[s] = sum;
		sum += count;
	}
}

/* What nodes_read accepted is accepted again. */
static void
table_fill(struct meta *m)
{
	counts_sum(m);
	for (size_t i = 0; i < m->n; i++) {
		struct json_walk walk = aibrix__json_walk(&m->nodes[i].slots);
		struct json value;
		uint64_t start = 0, end = 0;

		while (aibrix__json_next(&walk, NULL, &value) &&
		       range_read(m, &value, &start, &end) == AIBRIX_OK)
			for (uint64_t s = start; s <= end; s++)
				m->table[m->counts[s]++] = (uint16_t)i;
	}
}

static size_t
members_count(const struct json *array)
{
	struct json_walk walk = aibrix__json_walk(array);
	struct json value;
	size_t n = 0;

	while (aibrix__json_next(&walk, NULL, &value))
		n++;
	return n;
}

static int
meta_read(struct meta *m, size_t n, uint32_t max_nodes)
{
	static const char *const names[] = {"nodes"};
	struct json root, nodes;
	int err = aibrix__json_read(m->text, n, &root, &m->err_offset);

	if (err)
		return err;
	err = members_find(m, &root, names, &nodes, 1);
	if (err)
		return err;
	if (nodes.type != JSON_ARRAY)
		return refuse(m, &nodes);
	m->n = members_count(&nodes);
	if (m->n == 0)
		return refuse(m, &nodes);
	if (m->n > max_nodes)
		return AIBRIX_E_FULL;
	m->nodes = aibrix__alloc(m->alloc, m->n, sizeof(*m->nodes));
	m->counts = aibrix__alloc(m->alloc, RING_TABLE_MAX, sizeof(*m->counts));
	if (!m->nodes || !m->counts)
		return AIBRIX_E_NOMEM;
	err = nodes_read(m, &nodes);
	if (err)
		return err;
	m->table = aibrix__alloc(m->alloc, m->total, sizeof(*m->table));
	if (!m->table)
		return AIBRIX_E_NOMEM;
	table_fill(m);
	return AIBRIX_OK;
}

static int
node_is(const struct ring_node *a, const struct ring_node *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->addr, b->addr) == 0;
}

/* The place of the same node as it is now, or RING_NOWHERE. */
static uint32_t
place_of(const struct ring *ring, const struct meta_node *want)
{
	for (uint32_t i = 0; i < ring->max_nodes; i++)
		if (ring->rows[i].id != RING_NONE &&
		    ring->rows[i].seed == want->seed &&
		    node_is(&ring->nodes[i], &want->node))
			return i;
	return RING_NOWHERE;
}

/* Nothing fails from here on. */
static void
meta_apply(struct ring *ring, struct meta *m)
{
	uint64_t stays[RING_NODES_MAX / 64] = {0};

	for (size_t i = 0; i < m->n; i++) {
		uint32_t place = place_of(ring, &m->nodes[i]);

		m->nodes[i].place = place;
		if (place != RING_NOWHERE)
			stays[place / 64] |= (uint64_t)1 << place % 64;
	}
	for (uint32_t i = 0; i < ring->max_nodes; i++)
		if (ring->rows[i].id != RING_NONE &&
		    !(stays[i / 64] >> i % 64 & 1))
			aibrix__ring_unseat(ring, i);
	for (size_t i = 0; i < m->n; i++)
		if (m->nodes[i].place == RING_NOWHERE)
			m->nodes[i].place = aibrix__ring_seat(
				ring, &m->nodes[i].node, m->nodes[i].seed, 1);
	for (size_t i = 0; i < m->total; i++)
		m->table[i] = (uint16_t)m->nodes[m->table[i]].place;
	aibrix__free(&ring->alloc, ring->table, ring->table_n,
		     sizeof(*ring->table));
	ring->table = m->table;
	ring->table_n = m->total;
	m->table = NULL;
}

int
aibrix__ring_load(struct ring *ring, const char *text, size_t n,
		  size_t *err_offset)
{
	struct meta m = {.text = text};
	int err;

	if (!ring || !text || !err_offset)
		return AIBRIX_E_INVAL;
	if (ring->mode != RING_COMPAT)
		return AIBRIX_E_STATE;
	if (n > RING_TEXT_MAX)
		return AIBRIX_E_FULL;
	m.alloc = &ring->alloc;
	err = meta_read(&m, n, ring->max_nodes);
	if (err == AIBRIX_OK)
		meta_apply(ring, &m);
	else if (err == AIBRIX_E_PARSE)
		*err_offset = m.err_offset;
	aibrix__free(&ring->alloc, m.table, m.total, sizeof(*m.table));
	aibrix__free(&ring->alloc, m.counts, RING_TABLE_MAX, sizeof(*m.counts));
	aibrix__free(&ring->alloc, m.nodes, m.n, sizeof(*m.nodes));
	return err;
}
