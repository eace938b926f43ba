/*
 * A program of membership changes, slots and lookups against a plain array;
 * or, when the first byte is '{', the bytes as AIBrix's metadata.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/ring.h"

#define REQUIRE(x) ((x) ? (void)0 : abort())

enum { NODES = 8, STEPS_MAX = 200, TEXT_MAX = 65536 };

/* ---- metadata */

/* Indices, places and ids agree, whatever was accepted. */
static void
check_loaded(const struct ring *ring)
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
	/* There may be 65536: no calls here. */
	for (size_t i = 0; i < ring->table_n; i++)
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
		check_loaded(ring);
		for (uint32_t i = 0; i < NODES; i++)
			ids[i] = aibrix__ring_at(ring, i);
		/* The same again changes no id. */
		REQUIRE(aibrix__ring_load(ring, text, len, &at) == 0);
		check_loaded(ring);
		for (uint32_t i = 0; i < NODES; i++)
			REQUIRE(ids[i] == aibrix__ring_at(ring, i));
	}
	aibrix__ring_free(ring);
	free(text);
}

/* ---- programs */

struct model {
	struct ring *ring;
	uint32_t ids[NODES]; /* of node "0" to "7"; RING_NONE: not there */
	uint32_t slots[RING_SLOTS];
	enum ring_mode mode;
};

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
	for (uint32_t s = 0; s < RING_SLOTS; s++)
		if (m->slots[s] == id)
			m->slots[s] = RING_NONE;
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
	for (uint32_t s = 0; err == 0 && s < RING_SLOTS; s++)
		m->slots[s] = s >= first && s <= last ? id : RING_NONE;
	err = aibrix__ring_moved(m->ring, first, id);
	REQUIRE((err == 0) == (id != RING_NONE));
	if (err == 0)
		m->slots[first] = id;
}

/* Each slot's node, as the ring and as the array have it. */
static void
check_slots(const struct model *m)
{
	for (size_t s = 0; s < m->ring->table_n; s++) {
		uint16_t place = m->ring->table[s];

		REQUIRE(place == RING_NOWHERE
				? m->slots[s] == RING_NONE
				: aibrix__ring_at(m->ring, place) ==
					  m->slots[s]);
	}
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
		REQUIRE(id == m->slots[aibrix__ring_slot(key, sizeof(key))]);
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
	REQUIRE(aibrix__ring_new(NULL, m->mode, NODES, &m->ring) == 0);
	for (size_t i = 1; i + 1 < len && i < 2 * STEPS_MAX; i += 2) {
		uint32_t which = data[i] & 7;

		switch (data[i] >> 3 & 3) {
		case 0: step_add(m, which, data[i + 1]); break;
		case 1: step_remove(m, which); break;
		case 2: step_slots(m, which, data[i + 1]); break;
		default: step_pick(m, data[i + 1]);
		}
	}
	check_slots(m);
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
