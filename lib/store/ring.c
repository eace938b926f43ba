/*
 * The ring's nodes, and weighted rendezvous.
 *
 *   key --hash--+--seed of a--> draw / weight --+
 *               +--seed of b--> draw / weight --+--> the smallest wins
 *               +--seed of c--> draw / weight --+
 *
 * Made for: fleets of 1 to 100 nodes, values of 100 KiB and more.  A lookup
 * costs some 25 ns per node where moving the value costs 10 us and more, so
 * that no points on a circle are worth their memory, rebuilding and uneven
 * shares.
 *
 * Each pair of key and node has its own exponential variate E, and the node
 * with the smallest E / w has the key: the minimum of exponentials with rates
 * w is number i with probability w[i] / sum(w).  E = -ln(u) is the usual way
 * (the score -w / ln(u), largest wins), but the last bits of log differ
 * between math libraries, and two clients that differ in them would look for
 * a key on two nodes.  So E comes from von Neumann's comparison of uniform
 * numbers (1951): draw u1 > u2 > ... > un <= u(n+1); when n is odd, E is u1
 * plus the number of rounds given up before; else give the round up.  It is
 * exact, and only compares 64-bit integers.  Weights become integers of 2^-20
 * by a multiplication with a power of two, and E1 / w1 < E2 / w2 is asked as
 * E1 * w2 < E2 * w1 in 96 bits.  No rounding happens, so that any machine,
 * compiler and language gives the same answer.
 *
 * A pair's E / w depends on that key and that node alone.  So a node that
 * comes takes keys only for itself, one that goes leaves only its own, and
 * nothing depends on the order of joining.
 *
 * An id is a place and the generation of the place, which goes up each time:
 * an old id is refused and not taken for the place's next node.
 */

#include "store/ring.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/xxh.h"

enum {
	PLACE_BITS = 10, /* 2^10 is RING_NODES_MAX */
	FRACTION = 56,   /* bits of a draw after the point */
	ROUNDS = 64      /* a draw above this has probability e^-64 */
};

#define WEIGHT_UNIT 1048576.0 /* 2^20 */
#define WEIGHT_MAX 1024.0

int
aibrix__ring_new(const aibrix_allocator *alloc, enum ring_mode mode,
		 uint32_t max_nodes, struct ring **out)
{
	aibrix_allocator a;
	struct ring *ring;
	int err;

	if (!out || (unsigned)mode > RING_COMPAT || max_nodes == 0 ||
	    max_nodes > RING_NODES_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, alloc);
	if (err)
		return err;
	ring = aibrix__alloc(&a, 1, sizeof(*ring));
	if (!ring)
		return AIBRIX_E_NOMEM;
	ring->alloc = a;
	ring->mode = mode;
	ring->max_nodes = max_nodes;
	ring->table_n = mode == RING_REDIS ? RING_SLOTS : 0;
	ring->rows = aibrix__alloc(&a, max_nodes, sizeof(*ring->rows));
	ring->nodes = aibrix__alloc(&a, max_nodes, sizeof(*ring->nodes));
	ring->generations =
		aibrix__alloc(&a, max_nodes, sizeof(*ring->generations));
	if (ring->table_n)
		ring->table =
			aibrix__alloc(&a, ring->table_n, sizeof(*ring->table));
	if (!ring->rows || !ring->nodes || !ring->generations ||
	    (ring->table_n && !ring->table)) {
		aibrix__ring_free(ring);
		return AIBRIX_E_NOMEM;
	}
	for (size_t i = 0; i < ring->table_n; i++)
		ring->table[i] = RING_NOWHERE;
	*out = ring;
	return AIBRIX_OK;
}

void
aibrix__ring_free(struct ring *ring)
{
	aibrix_allocator a;

	if (!ring)
		return;
	a = ring->alloc;
	aibrix__free(&a, ring->rows, ring->max_nodes, sizeof(*ring->rows));
	aibrix__free(&a, ring->nodes, ring->max_nodes, sizeof(*ring->nodes));
	aibrix__free(&a, ring->generations, ring->max_nodes,
		     sizeof(*ring->generations));
	aibrix__free(&a, ring->table, ring->table_n, sizeof(*ring->table));
	aibrix__free(&a, ring, 1, sizeof(*ring));
}

/* ---- nodes */

uint32_t
aibrix__ring_place(uint32_t id)
{
	return id & (RING_NODES_MAX - 1);
}

uint32_t
aibrix__ring_at(const struct ring *ring, uint32_t place)
{
	return place < ring->max_nodes ? ring->rows[place].id : RING_NONE;
}

const struct ring_node *
aibrix__ring_get(const struct ring *ring, uint32_t id)
{
	uint32_t place = aibrix__ring_place(id);

	if (id == RING_NONE || aibrix__ring_at(ring, place) != id)
		return NULL;
	return &ring->nodes[place];
}

uint32_t
aibrix__ring_find(const struct ring *ring, const char *name)
{
	for (uint32_t i = 0; i < ring->max_nodes; i++)
		if (ring->rows[i].id != RING_NONE &&
		    strcmp(ring->nodes[i].name, name) == 0)
			return ring->rows[i].id;
	return RING_NONE;
}

uint32_t
aibrix__ring_find_addr(const struct ring *ring, const char *addr, uint32_t port)
{
	for (uint32_t i = 0; i < ring->max_nodes; i++)
		if (ring->rows[i].id != RING_NONE &&
		    ring->nodes[i].port == port &&
		    strcmp(ring->nodes[i].addr, addr) == 0)
			return ring->rows[i].id;
	return RING_NONE;
}

uint64_t
aibrix__ring_seed(const char *name)
{
	return aibrix__xxh3_64(name, strlen(name), 0);
}

uint32_t
aibrix__ring_seat(struct ring *ring, const struct ring_node *node,
		  uint64_t seed, uint32_t weight)
{
	uint32_t place = 0;

	while (ring->rows[place].id != RING_NONE)
		place++;
	/* Never 0, so that no id is RING_NONE. */
	if (++ring->generations[place] == 0)
		ring->generations[place] = 1;
	ring->nodes[place] = *node;
	ring->rows[place] = (struct ring_row){
		seed, weight,
		(uint32_t)ring->generations[place] << PLACE_BITS | place};
	ring->n++;
	return place;
}

void
aibrix__ring_unseat(struct ring *ring, uint32_t place)
{
	ring->rows[place].id = RING_NONE;
	ring->n--;
}

/* Both conversions are exact or cut off: the same on any machine. */
static int
weight_read(double weight, uint32_t *out)
{
	if (weight == 0)
		weight = 1;
	if (!(weight >= 1 / WEIGHT_MAX && weight <= WEIGHT_MAX))
		return AIBRIX_E_INVAL;
	*out = (uint32_t)(weight * WEIGHT_UNIT);
	return AIBRIX_OK;
}

int
aibrix__ring_add(struct ring *ring, const struct ring_node *node, uint32_t *id)
{
	uint32_t weight, place;

	if (!ring || !node || !id ||
	    !memchr(node->name, '\0', sizeof(node->name)) ||
	    !memchr(node->addr, '\0', sizeof(node->addr)) ||
	    node->name[0] == '\0' || weight_read(node->weight, &weight))
		return AIBRIX_E_INVAL;
	if (ring->mode == RING_COMPAT)
		return AIBRIX_E_STATE;
	if (aibrix__ring_find(ring, node->name) != RING_NONE)
		return AIBRIX_E_INVAL;
	if (ring->n == ring->max_nodes)
		return AIBRIX_E_FULL;
	place = aibrix__ring_seat(ring, node, aibrix__ring_seed(node->name),
				  weight);
	*id = ring->rows[place].id;
	return AIBRIX_OK;
}

int
aibrix__ring_remove(struct ring *ring, uint32_t id)
{
	uint32_t place = aibrix__ring_place(id);

	if (!ring)
		return AIBRIX_E_INVAL;
	if (ring->mode == RING_COMPAT)
		return AIBRIX_E_STATE;
	if (!aibrix__ring_get(ring, id))
		return AIBRIX_E_NOT_FOUND;
	aibrix__ring_unseat(ring, place);
	for (size_t i = 0; i < ring->table_n; i++)
		if (ring->table[i] == place)
			ring->table[i] = RING_NOWHERE;
	return AIBRIX_OK;
}

int
aibrix__ring_weigh(struct ring *ring, uint32_t id, double weight)
{
	uint32_t place = aibrix__ring_place(id), units;

	if (!ring || weight_read(weight, &units))
		return AIBRIX_E_INVAL;
	if (ring->mode != RING_RENDEZVOUS)
		return AIBRIX_E_STATE;
	if (!aibrix__ring_get(ring, id))
		return AIBRIX_E_NOT_FOUND;
	ring->rows[place].weight = units;
	ring->nodes[place].weight = weight;
	return AIBRIX_OK;
}

/* ---- rendezvous */

/* An exponential variate of mean 1, in units of 2^-FRACTION. */
static uint64_t
variate(uint64_t state)
{
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t first = rand_next(&state), last = first, next;
		uint32_t n = 1;

		/* A run of n has probability below 1 / n!. */
		while ((next = rand_next(&state)) < last) {
			last = next;
			n++;
		}
		if (n & 1)
			return round << FRACTION | first >> (64 - FRACTION);
	}
	return UINT64_MAX;
}

struct product {
	uint64_t high, low; /* high * 2^32 + low */
};

static struct product
product(uint64_t a, uint32_t b)
{
	uint64_t low = (a & UINT32_MAX) * b;

	return (struct product){(a >> 32) * b + (low >> 32), low & UINT32_MAX};
}

/* Does a's draw over its weight come before b's?  Equal ones go by seed. */
static int
comes_before(uint64_t draw_a, const struct ring_row *a, uint64_t draw_b,
	     const struct ring_row *b)
{
	struct product x = product(draw_a, b->weight);
	struct product y = product(draw_b, a->weight);

	if (x.high != y.high)
		return x.high < y.high;
	if (x.low != y.low)
		return x.low < y.low;
	return a->seed < b->seed;
}

static uint32_t
rendezvous(const struct ring *ring, const void *key, size_t n)
{
	uint64_t hash = aibrix__xxh3_64(key, n, 0), best_draw = 0;
	const struct ring_row *best = NULL;

	for (uint32_t i = 0; i < ring->max_nodes; i++) {
		const struct ring_row *row = &ring->rows[i];
		uint64_t draw;

		if (row->id == RING_NONE)
			continue;
		draw = variate(mix64(hash ^ row->seed));
		if (!best || comes_before(draw, row, best_draw, best)) {
			best = row;
			best_draw = draw;
		}
	}
	return best ? best->id : RING_NONE;
}

/* ---- lookup */

static uint32_t
table_id(const struct ring *ring, uint64_t at)
{
	uint16_t place = ring->table[at];

	return place == RING_NOWHERE ? RING_NONE : ring->rows[place].id;
}

int
aibrix__ring_pick(const struct ring *ring, const void *key, size_t n,
		  uint32_t *id)
{
	uint32_t found;

	if (!ring || !key || n == 0 || n > RING_KEY_MAX || !id)
		return AIBRIX_E_INVAL;
	if (ring->mode == RING_COMPAT && n != RING_COMPAT_KEY)
		return AIBRIX_E_UNSUPPORTED;
	if (ring->n == 0)
		return AIBRIX_E_UNAVAILABLE;
	switch (ring->mode) {
	case RING_REDIS:
		found = table_id(ring, aibrix__ring_slot(key, n));
		break;
	case RING_COMPAT:
		found = table_id(ring,
				 aibrix__ring_farm64(key) % ring->table_n);
		break;
	default: found = rendezvous(ring, key, n);
	}
	if (found == RING_NONE)
		return AIBRIX_E_UNAVAILABLE;
	*id = found;
	return AIBRIX_OK;
}
