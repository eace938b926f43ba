/*
 * A program of membership changes, slots and lookups against a plain array;
 * or, when the first byte is '{', the bytes as AIBrix's metadata.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/ring.h"

#define REQUIRE(x) ((x) ? (void)0 : abort())

/*
 * A table has 16384 entries, one of AIBrix's up to 65536: an input that goes
 * through all of them again and again costs a thousand others.  So few steps
 * change the whole table, and what is looked at is each SPARSE-th entry, all
 * of them in turn as the first one differs between inputs.
 */
enum {
	NODES = 8,
	STEPS_MAX = 200,
	WHOLE_MAX = 6,
	SPARSE = 61,
	STARTS = RING_SLOTS / 64,
	TEXT_MAX = 4096
};

#define AS_ASSIGNED UINT32_MAX

/* ---- metadata */

/* Indices, places and ids agree, whatever was accepted. */
static void
check_loaded(const struct ring *ring, size_t first)
{
	uint32_t live = 0, id;
	uint8_t lives[NODES] = {0};
	uint8_t key[RING_COMPAT_KEY] = {0};

	for (uint32_t i = 0; i < NODES; i++) {
		const struct ring_node *node;

		id = aibrix__ring_at(ring, i);
		node = aibrix__ring_get(ring, id);
		REQUIRE(!node == (id == RING_NONE));
		if (!node)
			continue;
		live++;
		lives[i] = 1;
		REQUIRE(node->name[0] && node->addr[0] && node->port);
		REQUIRE(aibrix__ring_find(ring, node->name) == id);
	}
	REQUIRE(live == ring->n && live > 0);
	REQUIRE(ring->table_n > 0 && ring->table_n <= RING_TABLE_MAX);
	for (size_t i = first % SPARSE; i < ring->table_n; i += SPARSE)
		REQUIRE(ring->table[i] < NODES && lives[ring->table[i]]);
	for (int i = 0; i < 64; i++) {
		key[3] = (uint8_t)i;
		REQUIRE(aibrix__ring_pick(ring, key, sizeof(key), &id) == 0);
		REQUIRE(aibrix__ring_get(ring, id));
	}
}

static void
try_text(const uint8_t *data, size_t len)
{
	struct ring *ring = NULL;
	uint32_t ids[NODES];
	char *text = malloc(len);
	size_t at = 0;
	int err;

	REQUIRE(text);
	memcpy(text, data, len);
	REQUIRE(aibrix__ring_new(NULL, RING_COMPAT, NODES, &ring) == 0);
	err = aibrix__ring_load(ring, text, len, &at);
	REQUIRE(at <= len);
	if (err) {
		REQUIRE(err == AIBRIX_E_PARSE || err == AIBRIX_E_FULL);
		REQUIRE(ring->n == 0 && ring->table_n == 0);
	} else {
		check_loaded(ring, len);
		for (uint32_t i = 0; i < NODES; i++)
			ids[i] = aibrix__ring_at(ring, i);
		/* The same again changes no id. */
		REQUIRE(aibrix__ring_load(ring, text, len, &at) == 0);
		check_loaded(ring, len);
		for (uint32_t i = 0; i < NODES; i++)
			REQUIRE(ids[i] == aibrix__ring_at(ring, i));
	}
	aibrix__ring_free(ring);
	free(text);
}

/* ---- programs */

/* What one CLUSTER SLOTS gave away, and what moved since. */
struct model {
	struct ring *ring;
	uint32_t ids[NODES]; /* of node "0" to "7"; RING_NONE: not there */
	uint32_t first, last, owner;
	uint32_t moved[STARTS]; /* of slot 64 i; or AS_ASSIGNED */
	enum ring_mode mode;
	uint32_t whole; /* steps that went through the table */
};

static uint32_t
owner_of(const struct model *m, uint32_t slot)
{
	if (slot % 64 == 0 && m->moved[slot / 64] != AS_ASSIGNED)
		return m->moved[slot / 64];
	return slot >= m->first && slot <= m->last ? m->owner : RING_NONE;
}

static void
step_add(struct model *m, uint32_t which, uint8_t arg)
{
	struct ring_node node = {.addr = "::1", .port = 1};
	uint32_t id = RING_NONE;
	int err;

	node.name[0] = (char)('0' + which);
	node.weight = (1 + arg) / 16.0;
	err = aibrix__ring_add(m->ring, &node, &id);
	REQUIRE((err == 0) == (m->ids[which] == RING_NONE));
	if (err)
		return;
	for (uint32_t i = 0; i < NODES; i++)
		REQUIRE(m->ids[i] != id);
	m->ids[which] = id;
}

static void
step_remove(struct model *m, uint32_t which)
{
	uint32_t id = m->ids[which];

	REQUIRE((aibrix__ring_remove(m->ring, id) == 0) == (id != RING_NONE));
	if (m->owner == id)
		m->owner = RING_NONE;
	for (uint32_t i = 0; i < STARTS; i++)
		if (m->moved[i] == id)
			m->moved[i] = RING_NONE;
	m->ids[which] = RING_NONE;
}

static void
step_slots(struct model *m, uint32_t which, uint8_t arg)
{
	uint32_t id = m->ids[which], first = arg * 64u, last = first + 90;
	const struct ring_range range = {first, last, id};
	int err = aibrix__ring_assign(m->ring, &range, 1);

	if (m->mode != RING_REDIS) {
		REQUIRE(err == AIBRIX_E_STATE);
		return;
	}
	REQUIRE((err == 0) == (id != RING_NONE && last < RING_SLOTS));
	if (err == 0) {
		m->first = first;
		m->last = last;
		m->owner = id;
		memset(m->moved, 0xff, sizeof(m->moved));
	}
	err = aibrix__ring_moved(m->ring, (first + 64) % RING_SLOTS, id);
	REQUIRE((err == 0) == (id != RING_NONE));
	if (err == 0)
		m->moved[(arg + 1) % STARTS] = id;
}

static void
check_slot(const struct model *m, uint32_t slot)
{
	uint16_t place = m->ring->table[slot];

	REQUIRE(place == RING_NOWHERE
			? owner_of(m, slot) == RING_NONE
			: aibrix__ring_at(m->ring, place) == owner_of(m, slot));
}

/* Slots' nodes, as the ring and as the model have them: those that a step has
 * named, what is around them, and some of the others. */
static void
check_slots(const struct model *m, size_t from)
{
	if (m->mode != RING_REDIS)
		return;
	for (uint32_t i = 0; i < STARTS; i++) {
		check_slot(m, 64 * i);
		check_slot(m, 64 * i + 1);
		check_slot(m, 64 * i + 63);
	}
	check_slot(m, m->last);
	check_slot(m, (m->last + 1) % RING_SLOTS);
	for (uint32_t i = (uint32_t)(from % SPARSE); i < RING_SLOTS;
	     i += SPARSE)
		check_slot(m, i);
}

static void
step_pick(struct model *m, uint8_t arg)
{
	uint8_t key[2] = {'k', arg};
	uint32_t id = RING_NONE, known = 0, live = 0;
	int err = aibrix__ring_pick(m->ring, key, sizeof(key), &id);

	for (uint32_t i = 0; i < NODES; i++) {
		known |= m->ids[i] == id;
		live += m->ids[i] != RING_NONE;
	}
	if (m->mode == RING_REDIS) {
		REQUIRE(id == owner_of(m, aibrix__ring_slot(key, sizeof(key))));
		REQUIRE((err == 0) == (id != RING_NONE));
	} else {
		REQUIRE((err == 0) == (live > 0));
	}
	REQUIRE(err == 0 ? known : err == AIBRIX_E_UNAVAILABLE);
}

static void
try_program(const uint8_t *data, size_t len)
{
	struct model *m = calloc(1, sizeof(*m));

	REQUIRE(m);
	m->mode = data[0] & 1 ? RING_REDIS : RING_RENDEZVOUS;
	m->first = RING_SLOTS; /* no slot is anybody's */
	memset(m->moved, 0xff, sizeof(m->moved));
	REQUIRE(aibrix__ring_new(NULL, m->mode, NODES, &m->ring) == 0);
	for (size_t i = 1; i + 1 < len && i < 2 * STEPS_MAX; i += 2) {
		uint32_t which = data[i] & 7;

		switch (data[i] >> 3 & 3) {
		case 0: step_add(m, which, data[i + 1]); break;
		case 1:
			if (m->whole++ < WHOLE_MAX)
				step_remove(m, which);
			break;
		case 2:
			if (m->whole++ < WHOLE_MAX)
				step_slots(m, which, data[i + 1]);
			break;
		default: step_pick(m, data[i + 1]);
		}
	}
	check_slots(m, len);
	aibrix__ring_free(m->ring);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0 || len > TEXT_MAX)
		return 0;
	if (data[0] == '{')
		try_text(data, len);
	else
		try_program(data, len);
	return 0;
}
