/*
 * A byte string is a program of prefix table operations, run on the table
 * and on plain arrays that are searched from end to end.
 *
 * The model has slots and a hand as the table has, since count and what
 * makes room depend on when the hand has come by; everything else it does
 * its own way: entries carry their model and pod, and forgetting visits all.
 *
 * prefix_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PREFIX_PROGRAM_H
#define MODEL_PREFIX_PROGRAM_H

#include <stdlib.h>

#include <aibrix/prefix.h>

#include "index/claims_check.h"

enum {
	HASHES = 60,
	PODS = 8,
	MODELS = 2,
	CAP = 40,
	AGE = 40,
	PROMPT = 15,
	MAX_PAIRS = 14,
	BLOCK_PODS = 8,
	MORE_PODS = 200,
	CHUNKS = MORE_PODS / 5
};

/* Planted in the model, never in the table. */
enum {
	NO_FAULT,
	FAULT_MATCH_REFRESHES,
	FAULT_AGE_OF_BLOCK,
	FAULT_NO_HAND,
	FAULT_PODS_WITHOUT_BOUND
};

struct pm_entry {
	uint64_t model, pod, at;
	int stale;
};

struct pm_slot {
	uint64_t hash; /* 0: free */
	uint32_t n;
	struct pm_entry entries[BLOCK_PODS + 1];
};

struct prefix_model {
	int fault;
	uint64_t now;
	struct pm_slot slots[CAP];
	uint32_t used, hand, owed;
	uint32_t unused[CAP], n_unused; /* a stack of slots */
	uint32_t order[CAP], n_order;   /* least recently added first */
	uint64_t pairs[MAX_PAIRS][2];   /* the same */
	uint32_t n_pairs;
	aibrix_prefix_stat stat;
};

static inline int
pm_dead(const struct prefix_model *m, const struct pm_entry *e)
{
	return e->stale || m->now - e->at > AGE;
}

static inline void
pm_take(uint32_t *items, uint32_t *n, uint32_t item)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < *n; i++)
		if (items[i] != item)
			items[kept++] = items[i];
	*n = kept;
}

static inline void
pm_drop(struct prefix_model *m, uint32_t slot)
{
	m->slots[slot].hash = 0;
	m->slots[slot].n = 0;
	pm_take(m->order, &m->n_order, slot);
	m->unused[m->n_unused++] = slot;
}

static inline void
pm_clean(struct prefix_model *m, struct pm_slot *s, int expired)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n; i++)
		if (expired ? !pm_dead(m, &s->entries[i])
			    : !s->entries[i].stale)
			s->entries[kept++] = s->entries[i];
	s->n = kept;
}

static inline void
pm_sweep(struct prefix_model *m, uint32_t steps, int expired)
{
	steps += m->owed;
	m->owed = 0;
	if (m->fault == FAULT_NO_HAND)
		return;
	for (uint32_t i = 0; i < m->used && i < steps; i++) {
		uint32_t at = m->hand % m->used;

		m->hand = at + 1;
		pm_clean(m, &m->slots[at], expired);
		if (m->slots[at].hash && !m->slots[at].n) {
			pm_drop(m, at);
			m->stat.reclaimed++;
		}
	}
}

/* The pair at place i of the order leaves. */
static inline void
pm_retire(struct prefix_model *m, uint32_t i)
{
	uint64_t model = m->pairs[i][0], pod = m->pairs[i][1];

	for (uint32_t s = 0; s < m->used; s++)
		for (uint32_t e = 0; e < m->slots[s].n; e++)
			m->slots[s].entries[e].stale |=
				m->slots[s].entries[e].model == model &&
				m->slots[s].entries[e].pod == pod;
	for (m->n_pairs--; i < m->n_pairs; i++) {
		m->pairs[i][0] = m->pairs[i + 1][0];
		m->pairs[i][1] = m->pairs[i + 1][1];
	}
	m->owed++;
}

static inline void
pm_pair_use(struct prefix_model *m, uint64_t model, uint64_t pod)
{
	uint32_t at = 0;

	while (at < m->n_pairs &&
	       (m->pairs[at][0] != model || m->pairs[at][1] != pod))
		at++;
	if (at == m->n_pairs && at == MAX_PAIRS) {
		pm_retire(m, 0);
		m->stat.forgotten_room++;
	} else if (at < m->n_pairs) {
		for (m->n_pairs--; at < m->n_pairs; at++) {
			m->pairs[at][0] = m->pairs[at + 1][0];
			m->pairs[at][1] = m->pairs[at + 1][1];
		}
	}
	m->pairs[m->n_pairs][0] = model;
	m->pairs[m->n_pairs++][1] = pod;
}

static inline struct pm_slot *
pm_block(struct prefix_model *m, uint64_t hash)
{
	for (uint32_t i = 0; i < m->used; i++)
		if (m->slots[i].hash == hash)
			return &m->slots[i];
	return NULL;
}

/* The slot of hash as the most recently added. */
static inline struct pm_slot *
pm_touch(struct prefix_model *m, uint64_t hash)
{
	struct pm_slot *s = pm_block(m, hash);
	uint32_t at;

	if (s) {
		at = (uint32_t)(s - m->slots);
		pm_take(m->order, &m->n_order, at);
	} else {
		if (m->n_order == CAP) {
			pm_drop(m, m->order[0]);
			m->stat.evicted++;
		}
		at = m->n_unused ? m->unused[--m->n_unused] : m->used++;
	}
	m->slots[at].hash = hash;
	m->order[m->n_order++] = at;
	return &m->slots[at];
}

static inline struct pm_entry *
pm_entry_find(struct pm_slot *s, uint64_t model, uint64_t pod)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->entries[i].stale && s->entries[i].model == model &&
		    s->entries[i].pod == pod)
			return &s->entries[i];
	return NULL;
}

static inline uint32_t
pm_chunks(const struct prefix_model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->used; i++)
		n += (m->slots[i].n + 3) / 5;
	return n;
}

static inline int
pm_room(const struct prefix_model *m, const struct pm_slot *s)
{
	if (m->fault == FAULT_PODS_WITHOUT_BOUND)
		return s->n <= BLOCK_PODS; /* as far as the array goes */
	return s->n < BLOCK_PODS && (s->n % 5 != 1 || pm_chunks(m) < CHUNKS);
}

static inline void
pm_add(struct prefix_model *m, uint64_t model, uint64_t pod,
       const uint64_t *hashes, uint32_t n)
{
	if (n)
		pm_pair_use(m, model, pod);
	pm_sweep(m, 16 + 2 * n, 1);
	for (uint32_t i = 0; i < n; i++) {
		struct pm_slot *s = pm_touch(m, hashes[i]);
		struct pm_entry *e = pm_entry_find(s, model, pod);

		if (!e)
			pm_clean(m, s, 1);
		if (!e && pm_room(m, s))
			e = &s->entries[s->n++];
		if (!e) {
			e = s->entries;
			for (uint32_t j = 1; j < s->n; j++)
				if (s->entries[j].at < e->at)
					e = &s->entries[j];
			m->stat.replaced++;
		}
		*e = (struct pm_entry){model, pod, m->now, 0};
	}
	m->stat.added += n;
}

static inline void
pm_forget(struct prefix_model *m, uint64_t pod)
{
	for (uint32_t i = m->n_pairs; i-- > 0;)
		if (m->pairs[i][1] == pod) {
			pm_retire(m, i);
			m->stat.forgotten++;
		}
	pm_sweep(m, 16, 0);
}

static inline uint32_t
pm_percent(struct prefix_model *m, uint64_t model, uint64_t pod,
	   const uint64_t *hashes, uint32_t n)
{
	uint32_t depth = 0;

	for (; depth < n; depth++) {
		struct pm_slot *s = pm_block(m, hashes[depth]);
		struct pm_entry *e = s ? pm_entry_find(s, model, pod) : NULL;
		uint64_t at = 0;

		if (!e)
			break;
		at = e->at;
		for (uint32_t i = 0; m->fault == FAULT_AGE_OF_BLOCK && i < s->n;
		     i++)
			at = s->entries[i].at > at ? s->entries[i].at : at;
		if (m->now - at > AGE)
			break;
		if (m->fault == FAULT_MATCH_REFRESHES)
			pm_touch(m, hashes[depth]);
	}
	return n ? depth * 100 / n : 0;
}

static inline int
pm_stat_differs(const struct prefix_model *m, const aibrix_prefix_stat *stat)
{
	uint64_t entries = 0;

	for (uint32_t i = 0; i < m->used; i++)
		entries += m->slots[i].n;
	return stat->pods != m->n_pairs || stat->blocks != m->n_order ||
	       stat->entries != entries || stat->added != m->stat.added ||
	       stat->evicted != m->stat.evicted ||
	       stat->reclaimed != m->stat.reclaimed ||
	       stat->replaced != m->stat.replaced ||
	       stat->forgotten != m->stat.forgotten ||
	       stat->forgotten_room != m->stat.forgotten_room;
}

static inline const char *
pm_compare(struct prefix_model *m, const aibrix_prefix *prefix, uint64_t model,
	   const uint64_t *hashes, uint32_t n)
{
	static const uint64_t pods[PODS] = {3, 1, 0, 2, 4, 7, 5, 6};
	aibrix_prefix_stat stat = {.size = sizeof(stat)};
	uint32_t percent[PODS];

	if (aibrix_prefix_count(prefix) != m->n_order)
		return "another count";
	if (aibrix_prefix_stats(prefix, &stat) || pm_stat_differs(m, &stat))
		return "other statistics";
	aibrix_prefix_match(prefix, model, pods, PODS, hashes, n, m->now,
			    percent);
	for (uint32_t i = 0; i < PODS; i++)
		if (percent[i] != pm_percent(m, model, pods[i], hashes, n))
			return "another percent";
	return aibrix__prefix_check(prefix) ? "inconsistent" : NULL;
}

static inline const char *
prefix_program_run(const uint8_t *bytes, size_t len, int fault)
{
	aibrix_prefix_opts opts = {.size = sizeof(opts),
				   .max_blocks = CAP,
				   .max_age_ns = AGE,
				   .max_pods = MAX_PAIRS,
				   .block_pods = BLOCK_PODS,
				   .more_pods = MORE_PODS};
	struct prefix_model m = {.fault = fault};
	const uint8_t *end = bytes + len;
	const char *bad = NULL;
	aibrix_prefix *prefix;

	if (aibrix_prefix_new(&opts, &prefix))
		abort();
	/* Steps of 3 bytes: what for whom, when, which prompt. */
	for (; !bad && end - bytes >= 3; bytes += 3) {
		uint64_t model = bytes[0] % MODELS, pod = bytes[0] / 2 % PODS;
		uint32_t n = bytes[2] % (PROMPT + 1);
		uint64_t hashes[PROMPT];

		m.now += bytes[1] % 4;
		for (uint32_t i = 0; i < n; i++)
			hashes[i] = 1 + (bytes[2] / 16 * 5 + i) % HASHES;
		if (bytes[0] >= 248) {
			aibrix_prefix_forget(prefix, pod);
			pm_forget(&m, pod);
		} else if (bytes[0] >= 80) {
			if (aibrix_prefix_add(prefix, model, pod, hashes, n,
					      m.now))
				abort();
			pm_add(&m, model, pod, hashes, n);
		}
		bad = pm_compare(&m, prefix, model, hashes, n);
	}
	aibrix_prefix_free(prefix);
	return bad;
}

#endif
