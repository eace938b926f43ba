/*
 * A byte string is a program for a pool: every step runs on the real thing
 * and on a plain stack, and all that can be seen must be equal.
 *
 *	byte 0: slots, 1 to 8
 *	byte 1: slot size (low 6 bits, plus 1), alignment 1, 64, 4096 or
 *	        64 KiB (high 2 bits)
 *	byte 2: slots per region, 0 to 7
 *	then a byte a step: operation (low 3 bits), hand (high 4 bits)
 *
 * A hand is where a lease is kept, also after it has ended.
 */
#ifndef TESTS_POOL_PROGRAM_H
#define TESTS_POOL_PROGRAM_H

#include <string.h>

#include <aibrix/pool.h>

#include "../pool_tools.h"

enum { PROGRAM_SLOTS = 8, PROGRAM_HANDS = 16, PROGRAM_EQUAL = -1 };

enum {
	STEP_TAKE,
	STEP_GIVE,
	STEP_HOLDS,
	STEP_FORGE_SLOT,
	STEP_FORGE_DATA,
	STEP_FORGE_GENERATION,
	STEP_TAKE_TOO,
	STEP_DAMAGE /* spoil the model; a give where that is not allowed */
};

enum hand_state { NEVER, LIVE, ENDED };

struct naive {
	uint32_t slots;
	uint32_t free[PROGRAM_SLOTS], free_n; /* a stack */
	unsigned char stamp[PROGRAM_SLOTS];   /* what was written last */
	unsigned char stamps;
	aibrix_lease hand[PROGRAM_HANDS];
	enum hand_state state[PROGRAM_HANDS];
	uint64_t takes, fulls, stale_gives;
};

static int
slot_stamped(const aibrix_lease *lease, unsigned char stamp)
{
	const unsigned char *data = lease->data;

	for (uint64_t i = 0; i < lease->bytes; i++)
		if (data[i] != stamp)
			return 0;
	return 1;
}

static int
program_take(aibrix_pool *pool, struct naive *m, uint32_t hand)
{
	aibrix_lease lease = {0};
	int err;

	/* A lease that is thrown away would never end. */
	if (m->state[hand] == LIVE)
		return 1;
	err = aibrix_pool_take(pool, &lease);
	if (m->free_n == 0) {
		m->fulls++;
		return err == AIBRIX_E_FULL && !lease.data;
	}
	m->takes++;
	m->free_n--;
	if (err || lease.slot != m->free[m->free_n] ||
	    lease.data != aibrix_pool_slot(pool, lease.slot) ||
	    !slot_stamped(&lease, m->stamp[lease.slot]))
		return 0;
	m->stamp[lease.slot] = ++m->stamps;
	memset(lease.data, m->stamps, (size_t)lease.bytes);
	m->hand[hand] = lease;
	m->state[hand] = LIVE;
	return 1;
}

static int
program_give(aibrix_pool *pool, struct naive *m, uint32_t hand)
{
	const aibrix_lease *lease = &m->hand[hand];
	int err = aibrix_pool_give(pool, lease);

	if (m->state[hand] == NEVER)
		return err == AIBRIX_E_INVAL;
	if (m->state[hand] == ENDED) {
		m->stale_gives++;
		return err == AIBRIX_E_STATE;
	}
	m->state[hand] = ENDED;
	m->free[m->free_n++] = lease->slot;
	return err == AIBRIX_OK && slot_stamped(lease, m->stamp[lease->slot]);
}

static int
program_forge(aibrix_pool *pool, const struct naive *m, uint32_t hand,
	      uint32_t step)
{
	aibrix_lease forged = m->hand[hand];

	if (step == STEP_FORGE_SLOT)
		forged.slot += hand + 1;
	else if (step == STEP_FORGE_DATA)
		forged.data = &forged;
	else
		forged.generation++;
	/* A hand that was never used has no data, whatever else it has. */
	return !aibrix_pool_holds(pool, &forged) &&
	       aibrix_pool_give(pool, &forged) == AIBRIX_E_INVAL;
}

static int
program_seen_equal(const aibrix_pool *pool, const struct naive *m)
{
	aibrix_pool_stat stat = {.size = sizeof(stat)};

	return aibrix_pool_stats(pool, &stat) == AIBRIX_OK &&
	       stat.slots == m->slots && stat.taken == m->slots - m->free_n &&
	       stat.takes == m->takes && stat.fulls == m->fulls &&
	       stat.stale_gives == m->stale_gives && pool_sound(pool);
}

/* The two free slots on top change places. */
static int
naive_damage(struct naive *m)
{
	uint32_t *top = &m->free[m->free_n - 1];
	uint32_t last;

	if (m->free_n >= 2) {
		last = top[0];
		top[0] = top[-1];
		top[-1] = last;
	}
	return 1;
}

static int
program_step(aibrix_pool *pool, struct naive *m, uint8_t byte, int damage)
{
	uint32_t step = byte & 7, hand = byte >> 4;

	switch (step) {
	case STEP_TAKE:
	case STEP_TAKE_TOO: return program_take(pool, m, hand);
	case STEP_HOLDS:
		return aibrix_pool_holds(pool, &m->hand[hand]) ==
		       (m->state[hand] == LIVE);
	case STEP_FORGE_SLOT:
	case STEP_FORGE_DATA:
	case STEP_FORGE_GENERATION: return program_forge(pool, m, hand, step);
	case STEP_DAMAGE:
		if (damage)
			return naive_damage(m);
		break;
	default: break;
	}
	return program_give(pool, m, hand);
}

static aibrix_pool *
program_pool(const uint8_t *data, struct naive *m)
{
	static const uint64_t aligns[] = {1, 64, 4096, 65536};
	aibrix_pool_opts o = {.size = sizeof(o)};
	aibrix_pool *pool = NULL;

	o.slots = m->slots = data[0] % PROGRAM_SLOTS + 1;
	o.slot_bytes = data[1] % 64 + 1;
	o.align = aligns[data[1] / 64];
	o.region_bytes = data[2] % 8 * o.align;
	if (aibrix_pool_new(&o, &pool))
		return NULL;
	for (uint32_t i = m->slots; i > 0; i--)
		m->free[m->free_n++] = i - 1;
	return pool;
}

/* PROGRAM_EQUAL, or the byte at which pool and model differ. */
static int
program_run(const uint8_t *data, size_t len, int damage)
{
	struct naive m = {0};
	aibrix_pool *pool;
	int at = PROGRAM_EQUAL;

	if (len < 3)
		return PROGRAM_EQUAL;
	pool = program_pool(data, &m);
	if (!pool)
		return 0;
	for (size_t i = 3; at == PROGRAM_EQUAL && i < len; i++)
		if (!program_step(pool, &m, data[i], damage) ||
		    !program_seen_equal(pool, &m))
			at = (int)i;
	aibrix_pool_free(pool);
	return at;
}

#endif
