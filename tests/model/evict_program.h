/*
 * A byte string is a program for an eviction order: every step runs on the
 * real thing and on plain arrays, and all that can be seen must be equal.
 *
 *	byte 0: policy (bits 0, 3, 4), promotion 0..3 (bits 1, 2), child guard
 *	        (5), cost (6), AIBrix's order where the policy has one (7)
 *	byte 1: capacity, 1 to 16 (low 4 bits), ghosts (high 4; 0: default)
 *	byte 2: small ratio in 256ths; 0: the default; odd: without signals
 *	then two bytes a step: operation (low 3 bits) and fingerprint (the
 *	rest); slot (two beyond the last exist, to be refused) in the low 5
 *	bits, and 3 that vary the operation
 */
#ifndef TESTS_EVICT_PROGRAM_H
#define TESTS_EVICT_PROGRAM_H

#include "evict_naive.h"

enum { PROGRAM_EQUAL = -1 };

enum {
	STEP_INSERT,
	STEP_HIT, /* or put again */
	STEP_POP,
	STEP_PIN,
	STEP_UNPIN,
	STEP_REMOVE,
	STEP_RESERVE, /* or drain the signals */
	STEP_DAMAGE   /* spoil the model; a pop where that is not allowed */
};

static int
program_stats_equal(const aibrix_evict *evict, struct naive *m)
{
	aibrix_evict_stat stat = {.size = sizeof(stat)};

	m->stat.size = sizeof(stat);
	m->stat.count = naive_count(m);
	m->stat.ghosts = m->ghost[0].n + m->ghost[1].n;
	m->stat.pinned = naive_pinned(m);
	m->stat.small_share = m->share;
	return aibrix_evict_stats(evict, &stat) == AIBRIX_OK &&
	       memcmp(&stat, &m->stat, sizeof(stat)) == 0 &&
	       aibrix_evict_due(evict) == naive_due(m);
}

static int
program_pop_equal(aibrix_evict *evict, struct naive *m)
{
	uint32_t got = UINT32_MAX, want = UINT32_MAX;
	int same = aibrix_evict_pop(evict, &got) == naive_pop(m, -1, &want);

	return same && got == want;
}

static int
program_replace_equal(aibrix_evict *evict, struct naive *m, uint32_t name,
		      uint32_t parent, uint32_t cost)
{
	aibrix_evict_block block = {
		.fingerprint = name, .parent_slot = parent, .cost = cost};
	uint32_t got = UINT32_MAX, want = UINT32_MAX;
	int err = aibrix_evict_replace(evict, &block, &got);

	if (parent >= naive_slots(m) && parent != AIBRIX_EVICT_NO_PARENT)
		return err == AIBRIX_E_INVAL && got == UINT32_MAX;
	if (naive_count(m) == naive_pinned(m))
		return err == AIBRIX_E_FULL && got == UINT32_MAX;
	if (naive_pop(m, (int64_t)name, &want))
		return 0;
	if (parent == want)
		block.parent_slot = AIBRIX_EVICT_NO_PARENT;
	return !err && got == want && !naive_insert(m, want, &block);
}

static int
program_insert_equal(aibrix_evict *evict, struct naive *m, uint32_t slot,
		     uint32_t name, uint32_t vary)
{
	aibrix_evict_block block = {.fingerprint = name,
				    .parent_slot = AIBRIX_EVICT_NO_PARENT};

	if (vary == 0)
		return aibrix_evict_insert(evict, slot, name,
					   AIBRIX_EVICT_NO_PARENT) ==
		       naive_insert(m, slot, &block);
	block.cost = name * vary;
	if (vary > 2)
		block.parent_slot = (slot + vary) % (naive_slots(m) + 1);
	return aibrix_evict_insert_block(evict, slot, &block) ==
	       naive_insert(m, slot, &block);
}

/* Blocks with the names that follow each other, as of a chain. */
static int
program_reserve_equal(aibrix_evict *evict, struct naive *m, uint32_t n,
		      uint32_t name, uint32_t flags)
{
	uint64_t names[NAIVE_SLOTS + 2];
	uint32_t got[NAIVE_SLOTS + 2], want, n_got = UINT32_MAX, room;
	int err;

	n %= NAIVE_SLOTS + 2;
	for (uint32_t i = 0; i < n; i++)
		names[i] = (name + i) % NAIVE_NAMES;
	room = naive_count(m) - naive_pinned(m);
	err = aibrix_evict_reserve(evict, names, n, flags, got, &n_got);
	if (n && (!room || (room < n && flags)))
		return err == AIBRIX_E_FULL && n_got == UINT32_MAX;
	if (err || n_got != (room < n ? room : n))
		return 0;
	for (uint32_t i = 0; i < n_got; i++)
		if (naive_pop(m, (int64_t)names[i], &want) || want != got[i] ||
		    aibrix_evict_fingerprint(evict, got[i]) !=
			    m->fingerprint[want])
			return 0;
	return 1;
}

static int
program_drain_equal(aibrix_evict *evict, struct naive *m, uint32_t cap)
{
	aibrix_evict_signal got[NAIVE_SIGNALS + 1];
	uint32_t n, want = m->stat.signals;

	cap %= NAIVE_SIGNALS + 1;
	want = want < cap ? want : cap;
	if (aibrix_evict_drain(evict, got, cap, &n) || n != want ||
	    memcmp(got, m->signal, n * sizeof(*got)) != 0)
		return 0;
	m->stat.signals -= n;
	memmove(m->signal, m->signal + n, m->stat.signals * sizeof(*got));
	return 1;
}

/* The two oldest of a queue change places. */
static int
naive_damage(struct naive *m)
{
	struct naive_queue *q = &m->queue[m->queue[MAIN].n >= 2 ? MAIN : SMALL];
	uint32_t first = q->at[0];

	if (q->n >= 2) {
		q->at[0] = q->at[1];
		q->at[1] = first;
	}
	return 1;
}

static int
program_step(aibrix_evict *evict, struct naive *m, const uint8_t *step,
	     int damage)
{
	uint32_t slot = (step[1] & 31) % (naive_slots(m) + 2);
	uint32_t name = step[0] >> 3, vary = step[1] >> 5;

	switch (step[0] & 7) {
	case STEP_INSERT:
		return program_insert_equal(evict, m, slot, name, vary);
	case STEP_HIT:
		if (vary == 7)
			return aibrix_evict_rewrite(evict, slot) ==
			       naive_rewrite(m, slot);
		return aibrix_evict_hit(evict, slot) == naive_hit(m, slot);
	case STEP_PIN:
		return aibrix_evict_pin(evict, slot) == naive_pin(m, slot);
	case STEP_UNPIN:
		return aibrix_evict_unpin(evict, slot) == naive_unpin(m, slot);
	case STEP_REMOVE:
		return aibrix_evict_remove(evict, slot) ==
		       naive_remove(m, slot);
	case STEP_RESERVE:
		if (vary & 4)
			return program_drain_equal(evict, m, slot);
		return program_reserve_equal(evict, m, slot, name, vary & 1);
	case STEP_DAMAGE:
		if (damage)
			return naive_damage(m);
		break;
	default: break;
	}
	if (vary & 1)
		return program_replace_equal(
			evict, m, name,
			vary & 2 ? slot : AIBRIX_EVICT_NO_PARENT, vary);
	return program_pop_equal(evict, m);
}

/* What is left must leave in the same order. */
static int
program_drain(aibrix_evict *evict, struct naive *m)
{
	for (uint32_t slot = 0; slot < naive_slots(m); slot++)
		while (m->pins[slot])
			if (aibrix_evict_unpin(evict, slot) !=
			    naive_unpin(m, slot))
				return 0;
	while (naive_count(m))
		if (!program_pop_equal(evict, m))
			return 0;
	return program_pop_equal(evict, m) && program_stats_equal(evict, m);
}

static int
program_steps(aibrix_evict *evict, struct naive *m, const uint8_t *data,
	      size_t len, int damage)
{
	size_t i;

	for (i = 3; i + 2 <= len; i += 2)
		if (!program_step(evict, m, data + i, damage) ||
		    !program_stats_equal(evict, m))
			return (int)i;
	return program_drain(evict, m) ? PROGRAM_EQUAL : (int)i;
}

static uint32_t
program_flags(uint32_t policy, uint8_t byte)
{
	uint32_t flags = 0;

	if (byte & 0x20)
		flags |= AIBRIX_EVICT_CHILD_GUARD;
	if (byte & 0x40)
		flags |= AIBRIX_EVICT_WEIGH_COST;
	if (byte & 0x80 && policy <= AIBRIX_EVICT_FIFO)
		flags |= AIBRIX_EVICT_COMPAT | AIBRIX_EVICT_COMPAT_OVERFLOW;
	return flags;
}

/* PROGRAM_EQUAL, or the byte at which order and model differ. */
static int
program_run(const uint8_t *data, size_t len, int damage)
{
	aibrix_evict_opts o = {.size = sizeof(o)};
	struct naive m;
	aibrix_evict *evict;
	int at;

	if (len < 3)
		return PROGRAM_EQUAL;
	o.policy = (data[0] & 1) | (data[0] >> 2 & 6);
	o.policy %= AIBRIX_EVICT_AUTO + 1;
	o.flags = program_flags(o.policy, data[0]);
	o.promote_hits = data[0] >> 1 & 3;
	o.capacity = data[1] % NAIVE_CAPACITY + 1;
	o.ghosts = data[1] >> 4;
	o.small_ratio = data[2] / 256.0;
	o.signals = data[2] & 1 ? 0 : NAIVE_SIGNALS;
	naive_open(&m, &o);
	if (aibrix_evict_new(&o, &evict))
		return 0;
	at = program_steps(evict, &m, data, len, damage);
	aibrix_evict_free(evict);
	return at;
}

#endif
