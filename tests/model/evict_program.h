/*
 * A byte string is a program for an eviction order: every step runs on the
 * real thing and on plain arrays, and all that can be seen must be equal.
 *
 *	byte 0: policy (bit 0), promotion 0..3 (bits 1, 2)
 *	byte 1: capacity, 1 to 16
 *	byte 2: small ratio in 256ths; 0: the default
 *	then two bytes a step: operation (low 3 bits) and fingerprint (the
 *	rest); slot (two beyond the capacity exist, to be refused)
 */
#ifndef TESTS_EVICT_PROGRAM_H
#define TESTS_EVICT_PROGRAM_H

#include <string.h>

#include <aibrix/evict.h>

enum { PROGRAM_CAPACITY = 16, PROGRAM_EQUAL = -1 };

enum {
	STEP_INSERT,
	STEP_HIT,
	STEP_POP,
	STEP_PIN,
	STEP_UNPIN,
	STEP_REMOVE,
	STEP_INSERT_TOO,
	STEP_DAMAGE /* spoil the model; a pop where that is not allowed */
};

/* Oldest first. */
struct naive_queue {
	uint32_t at[PROGRAM_CAPACITY];
	uint32_t n;
};

struct naive {
	uint32_t policy, capacity, share, promote;
	struct naive_queue small, main, aside, ghost;
	uint32_t fingerprint[PROGRAM_CAPACITY];
	uint32_t pins[PROGRAM_CAPACITY], used[PROGRAM_CAPACITY];
	aibrix_evict_stat stat;
};

static int
queue_find(const struct naive_queue *q, uint32_t x)
{
	for (uint32_t i = 0; i < q->n; i++)
		if (q->at[i] == x)
			return (int)i;
	return -1;
}

static int
queue_drop(struct naive_queue *q, uint32_t x)
{
	int i = queue_find(q, x);

	if (i < 0)
		return 0;
	q->n--;
	memmove(&q->at[i], &q->at[i + 1], (q->n - i) * sizeof(q->at[0]));
	return 1;
}

static void
queue_add(struct naive_queue *q, uint32_t x)
{
	q->at[q->n++] = x;
}

static int
naive_present(const struct naive *m, uint32_t slot)
{
	return queue_find(&m->small, slot) >= 0 ||
	       queue_find(&m->main, slot) >= 0 ||
	       queue_find(&m->aside, slot) >= 0;
}

static int
naive_insert(struct naive *m, uint32_t slot, uint32_t fingerprint)
{
	if (slot >= m->capacity)
		return AIBRIX_E_INVAL;
	if (naive_present(m, slot))
		return AIBRIX_E_STATE;
	m->fingerprint[slot] = fingerprint;
	m->used[slot] = 0;
	m->stat.inserts++;
	if (m->policy == AIBRIX_EVICT_LRU) {
		queue_add(&m->main, slot);
	} else if (queue_drop(&m->ghost, fingerprint)) {
		m->stat.ghost_hits++;
		queue_add(&m->main, slot);
	} else {
		queue_add(&m->small, slot);
	}
	return AIBRIX_OK;
}

static int
naive_hit(struct naive *m, uint32_t slot)
{
	if (!naive_present(m, slot))
		return AIBRIX_E_NOT_FOUND;
	m->stat.hits++;
	if (queue_find(&m->aside, slot) >= 0)
		return AIBRIX_OK;
	if (m->policy == AIBRIX_EVICT_LRU) {
		queue_drop(&m->main, slot);
		queue_add(&m->main, slot);
	} else if (m->used[slot] < 3) {
		m->used[slot]++;
	}
	return AIBRIX_OK;
}

static int
naive_remove(struct naive *m, uint32_t slot)
{
	if (!naive_present(m, slot))
		return AIBRIX_E_NOT_FOUND;
	if (m->pins[slot])
		return AIBRIX_E_BUSY;
	if (!queue_drop(&m->small, slot))
		queue_drop(&m->main, slot);
	return AIBRIX_OK;
}

static void
naive_remember(struct naive *m, uint32_t fingerprint)
{
	queue_drop(&m->ghost, fingerprint);
	if (m->capacity == m->share)
		return;
	if (m->ghost.n == m->capacity - m->share)
		queue_drop(&m->ghost, m->ghost.at[0]);
	queue_add(&m->ghost, fingerprint);
}

static int
naive_pop(struct naive *m, uint32_t *slot)
{
	while (m->small.n || m->main.n) {
		int small = m->small.n && (m->small.n > m->share || !m->main.n);
		struct naive_queue *q = small ? &m->small : &m->main;
		uint32_t x = q->at[0];

		queue_drop(q, x);
		if (m->pins[x]) {
			queue_add(&m->aside, x);
		} else if (small && m->used[x] >= m->promote) {
			m->used[x] = 0;
			queue_add(&m->main, x);
		} else if (!small && m->used[x]) {
			m->used[x]--;
			queue_add(&m->main, x);
		} else {
			if (small)
				naive_remember(m, m->fingerprint[x]);
			m->stat.evictions++;
			*slot = x;
			return AIBRIX_OK;
		}
	}
	return AIBRIX_E_NOT_FOUND;
}

static int
naive_pin(struct naive *m, uint32_t slot)
{
	if (!naive_present(m, slot))
		return AIBRIX_E_NOT_FOUND;
	m->pins[slot]++;
	return AIBRIX_OK;
}

static int
naive_unpin(struct naive *m, uint32_t slot)
{
	if (!naive_present(m, slot))
		return AIBRIX_E_NOT_FOUND;
	if (!m->pins[slot])
		return AIBRIX_E_STATE;
	m->pins[slot]--;
	if (!m->pins[slot] && queue_drop(&m->aside, slot))
		queue_add(&m->main, slot);
	return AIBRIX_OK;
}

static int
program_stats_equal(const aibrix_evict *evict, struct naive *m)
{
	aibrix_evict_stat stat = {.size = sizeof(stat)};

	m->stat.size = sizeof(stat);
	m->stat.count = m->small.n + m->main.n + m->aside.n;
	m->stat.ghosts = m->ghost.n;
	m->stat.pinned = 0;
	for (uint32_t i = 0; i < m->capacity; i++)
		m->stat.pinned += m->pins[i] != 0;
	return aibrix_evict_stats(evict, &stat) == AIBRIX_OK &&
	       memcmp(&stat, &m->stat, sizeof(stat)) == 0;
}

static int
program_pop_equal(aibrix_evict *evict, struct naive *m)
{
	uint32_t got = UINT32_MAX, want = UINT32_MAX;
	int same = aibrix_evict_pop(evict, &got) == naive_pop(m, &want);

	return same && got == want;
}

/* The two oldest of main change places. */
static int
naive_damage(struct naive *m)
{
	uint32_t first = m->main.at[0];

	if (m->main.n >= 2) {
		m->main.at[0] = m->main.at[1];
		m->main.at[1] = first;
	}
	return 1;
}

static int
program_step(aibrix_evict *evict, struct naive *m, const uint8_t *step,
	     int damage)
{
	uint32_t slot = step[1] % (m->capacity + 2), fingerprint = step[0] >> 3;

	switch (step[0] & 7) {
	case STEP_INSERT:
	case STEP_INSERT_TOO:
		return aibrix_evict_insert(evict, slot, fingerprint,
					   AIBRIX_EVICT_NO_PARENT) ==
		       naive_insert(m, slot, fingerprint);
	case STEP_HIT:
		return aibrix_evict_hit(evict, slot) == naive_hit(m, slot);
	case STEP_PIN:
		return aibrix_evict_pin(evict, slot) == naive_pin(m, slot);
	case STEP_UNPIN:
		return aibrix_evict_unpin(evict, slot) == naive_unpin(m, slot);
	case STEP_REMOVE:
		return aibrix_evict_remove(evict, slot) ==
		       naive_remove(m, slot);
	case STEP_DAMAGE:
		if (damage)
			return naive_damage(m);
		break;
	default: break;
	}
	return program_pop_equal(evict, m);
}

/* What is left must leave in the same order. */
static int
program_drain(aibrix_evict *evict, struct naive *m)
{
	for (uint32_t slot = 0; slot < m->capacity; slot++)
		while (m->pins[slot])
			if (aibrix_evict_unpin(evict, slot) !=
			    naive_unpin(m, slot))
				return 0;
	while (m->small.n || m->main.n)
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

/* PROGRAM_EQUAL, or the byte at which order and model differ. */
static int
program_run(const uint8_t *data, size_t len, int damage)
{
	aibrix_evict_opts o = {.size = sizeof(o)};
	struct naive m = {0};
	aibrix_evict *evict;
	double ratio;
	int at;

	if (len < 3)
		return PROGRAM_EQUAL;
	o.policy = m.policy = data[0] & 1;
	o.promote_hits = data[0] >> 1 & 3;
	m.promote = o.promote_hits ? o.promote_hits : 1;
	o.capacity = m.capacity = data[1] % PROGRAM_CAPACITY + 1;
	o.small_ratio = data[2] / 256.0;
	ratio = data[2] ? o.small_ratio : 0.3;
	m.share = (uint32_t)(m.capacity * ratio);
	m.share += !m.share;
	if (aibrix_evict_new(&o, &evict))
		return 0;
	at = program_steps(evict, &m, data, len, damage);
	aibrix_evict_free(evict);
	return at;
}

#endif
