/*
 * Every eviction order on plain arrays: what lib/evict must agree with.  A
 * queue is an array, oldest first; ghosts are such arrays of fingerprints;
 * who was seen when is an array over all fingerprints.
 */
#ifndef TESTS_EVICT_NAIVE_H
#define TESTS_EVICT_NAIVE_H

#include <string.h>

#include <aibrix/evict.h>

enum { NAIVE_CAPACITY = 16, NAIVE_SLOTS = NAIVE_CAPACITY + 1 };
enum { NAIVE_NAMES = 32, NAIVE_GHOSTS = 64, NAIVE_SIGNALS = 5 };
#define NAIVE_NOBODY UINT32_MAX

/* Oldest first. */
struct naive_queue {
	uint32_t at[NAIVE_GHOSTS];
	uint32_t n;
};

/* Queues: of small (once, sieve's list), of main (again), auto's cold. */
enum { SMALL, MAIN, COLD, QUEUES };

struct naive {
	uint32_t policy, flags, capacity, promote, hot;
	uint32_t share, share_min, share_max;
	uint64_t target; /* arc: in 2^32ths of a slot */
	struct naive_queue queue[QUEUES], aside;
	struct naive_queue ghost[2]; /* of small, of main */
	uint32_t ghost_cap;
	uint32_t signals; /* that may wait; 0: none are made */
	uint32_t hand;    /* sieve: a slot, or NAIVE_NOBODY */
	uint32_t fingerprint[NAIVE_SLOTS], parent[NAIVE_SLOTS];
	uint32_t cost[NAIVE_SLOTS], pins[NAIVE_SLOTS], hits[NAIVE_SLOTS];
	uint32_t uses[NAIVE_SLOTS], spared[NAIVE_SLOTS];
	uint64_t mean_x64;
	uint32_t seen_at[NAIVE_NAMES], seen_often[NAIVE_NAMES];
	uint32_t now, votes, seen_share;
	int64_t moved_for; /* arc: the target has moved for this one */
	aibrix_evict_signal signal[NAIVE_SIGNALS];
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

/* The queue that a slot is in; QUEUES: aside; -1: not in the order. */
static int
naive_where(const struct naive *m, uint32_t slot)
{
	for (int i = 0; i < QUEUES; i++)
		if (queue_find(&m->queue[i], slot) >= 0)
			return i;
	return queue_find(&m->aside, slot) >= 0 ? QUEUES : -1;
}

static uint32_t
naive_count(const struct naive *m)
{
	return m->queue[SMALL].n + m->queue[MAIN].n + m->queue[COLD].n +
	       m->aside.n;
}

static uint32_t
naive_pinned(const struct naive *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < NAIVE_SLOTS; i++)
		n += m->pins[i] != 0;
	return n;
}

static uint32_t
naive_slots(const struct naive *m)
{
	return m->capacity + ((m->flags & AIBRIX_EVICT_COMPAT) != 0);
}

static void
naive_signal(struct naive *m, uint32_t slot, uint32_t kind)
{
	if (!m->signals)
		return;
	if (m->stat.signals == m->signals)
		m->stat.signals_lost++;
	else
		m->signal[m->stat.signals++] =
			(aibrix_evict_signal){m->fingerprint[slot], slot, kind};
}

/* Ghosts */

static void
ghost_push(struct naive *m, int list, uint32_t name)
{
	struct naive_queue *g = m->ghost;

	if (m->ghost_cap == 0)
		return;
	if (!queue_drop(&g[0], name) && !queue_drop(&g[1], name) &&
	    g[0].n + g[1].n == m->ghost_cap) {
		struct naive_queue *from = &g[g[list].n ? list : !list];

		queue_drop(from, from->at[0]);
	}
	queue_add(&g[list], name);
}

/* The list that remembers it; -1. */
static int
ghost_find(const struct naive *m, uint32_t name)
{
	for (int i = 0; i < 2; i++)
		if (queue_find(&m->ghost[i], name) >= 0)
			return i;
	return -1;
}

/* up: the share grows; within the policy's bounds. */
static void
share_step(struct naive *m, int list, int up)
{
	uint32_t step = m->ghost[!list].n / m->ghost[list].n;
	int64_t share = m->share;

	step += step == 0;
	share += up ? (int64_t)step : -(int64_t)step;
	if (share > m->share_max)
		share = m->share_max;
	if (share < m->share_min)
		share = m->share_min;
	m->share = (uint32_t)share;
}

/* auto: a use of a name; whether it was seen before. */
static int
naive_note(struct naive *m, uint32_t name)
{
	uint32_t gap = m->now - m->seen_at[name], often = m->seen_often[name];
	uint64_t share = m->seen_share < 4096 ? 4096 : m->seen_share;

	if (often == 1 && gap <= m->capacity)
		m->votes -= m->votes / 512;
	if (often > 1 && gap > m->capacity &&
	    gap * share <= (uint64_t)m->capacity * 65536)
		m->votes += (65536 - m->votes) / 512;
	m->seen_at[name] = m->now;
	m->seen_often[name]++;
	return often > 0;
}

/* Insert and hit */

static void
auto_insert(struct naive *m, uint32_t slot, uint32_t name, int list)
{
	int seen = naive_note(m, name);

	m->seen_share -= m->seen_share / 1024;
	m->seen_share += seen ? 64 : 0;
	m->now++;
	if (list >= 0) {
		share_step(m, list, list == 0);
		queue_drop(&m->ghost[list], name);
		queue_add(&m->queue[MAIN], slot);
	} else if (!seen && m->votes > 65536 / 3 * 2) {
		m->stat.unadmitted++;
		queue_add(&m->queue[COLD], slot);
	} else {
		queue_add(&m->queue[SMALL], slot);
	}
}

static void
arc_step(struct naive *m, int list)
{
	uint64_t one = (uint64_t)1 << 32;
	uint64_t step = m->ghost[!list].n * one / m->ghost[list].n;

	step = step < one ? one : step;
	if (list == 1)
		m->target = m->target > step ? m->target - step : 0;
	else
		m->target += step;
	if (m->target > m->capacity * one)
		m->target = m->capacity * one;
	m->share = (uint32_t)(m->target / one);
}

static void
arc_insert(struct naive *m, uint32_t slot, uint32_t name, int list)
{
	struct naive_queue *g = m->ghost;

	if (list >= 0) {
		if (m->moved_for != name)
			arc_step(m, list);
		queue_drop(&g[list], name);
		queue_add(&m->queue[MAIN], slot);
	} else {
		queue_add(&m->queue[SMALL], slot);
	}
	m->moved_for = -1;
	while (g[0].n && m->queue[SMALL].n + g[0].n > m->capacity)
		queue_drop(&g[0], g[0].at[0]);
	while (g[1].n && naive_count(m) + g[0].n + g[1].n > 2 * m->capacity)
		queue_drop(&g[1], g[1].at[0]);
}

static void
policy_insert(struct naive *m, uint32_t slot, uint32_t name, int list)
{
	switch (m->policy) {
	case AIBRIX_EVICT_ARC: arc_insert(m, slot, name, list); break;
	case AIBRIX_EVICT_AUTO: auto_insert(m, slot, name, list); break;
	case AIBRIX_EVICT_S3FIFO:
		if (list >= 0)
			queue_drop(&m->ghost[list], name);
		queue_add(&m->queue[list >= 0 ? MAIN : SMALL], slot);
		break;
	default: queue_add(&m->queue[SMALL], slot); break;
	}
}

static int
naive_insert(struct naive *m, uint32_t slot, const aibrix_evict_block *block)
{
	uint32_t name = (uint32_t)block->fingerprint;
	int list = ghost_find(m, name);

	if (slot >= naive_slots(m) || slot == block->parent_slot)
		return AIBRIX_E_INVAL;
	if (block->parent_slot >= naive_slots(m) &&
	    block->parent_slot != AIBRIX_EVICT_NO_PARENT)
		return AIBRIX_E_INVAL;
	if (naive_where(m, slot) >= 0)
		return AIBRIX_E_STATE;
	m->fingerprint[slot] = name;
	m->hits[slot] = m->uses[slot] = m->spared[slot] = 0;
	policy_insert(m, slot, name, list);
	m->parent[slot] = block->parent_slot;
	m->cost[slot] = block->cost ? block->cost : 1;
	m->stat.inserts++;
	m->stat.ghost_hits += list >= 0;
	if (list >= 0 && m->flags & AIBRIX_EVICT_COMPAT) {
		m->uses[slot] = 3;
		naive_signal(m, slot, AIBRIX_EVICT_HOT);
	} else {
		naive_signal(m, slot, AIBRIX_EVICT_PUT);
	}
	return AIBRIX_OK;
}

static void
naive_requeue(struct naive *m, uint32_t slot, int to)
{
	queue_drop(&m->queue[naive_where(m, slot)], slot);
	queue_add(&m->queue[to], slot);
}

static void
policy_hit(struct naive *m, uint32_t slot)
{
	switch (m->policy) {
	case AIBRIX_EVICT_LRU: naive_requeue(m, slot, SMALL); break;
	case AIBRIX_EVICT_ARC: naive_requeue(m, slot, MAIN); break;
	case AIBRIX_EVICT_SIEVE: m->hits[slot] = 1; break;
	case AIBRIX_EVICT_AUTO:
		naive_note(m, m->fingerprint[slot]);
		if (naive_where(m, slot) == COLD)
			naive_requeue(m, slot, SMALL);
		m->hits[slot] += m->hits[slot] < 3;
		break;
	case AIBRIX_EVICT_S3FIFO: m->hits[slot] += m->hits[slot] < 3; break;
	default: break;
	}
}

static int
naive_hit(struct naive *m, uint32_t slot)
{
	if (slot >= naive_slots(m) || naive_where(m, slot) < 0)
		return AIBRIX_E_NOT_FOUND;
	m->stat.hits++;
	m->spared[slot] = 0;
	if (m->uses[slot] < 3 && ++m->uses[slot] == m->hot)
		naive_signal(m, slot, AIBRIX_EVICT_HOT);
	if (naive_where(m, slot) != QUEUES)
		policy_hit(m, slot);
	return AIBRIX_OK;
}

static int
naive_rewrite(struct naive *m, uint32_t slot)
{
	if (!(m->flags & AIBRIX_EVICT_COMPAT))
		return naive_hit(m, slot);
	if (slot >= naive_slots(m) || naive_where(m, slot) < 0)
		return AIBRIX_E_NOT_FOUND;
	if (naive_where(m, slot) == QUEUES)
		return AIBRIX_OK;
	if (m->policy != AIBRIX_EVICT_FIFO)
		naive_requeue(m, slot, naive_where(m, slot));
	if (m->policy != AIBRIX_EVICT_S3FIFO)
		m->uses[slot] = 0;
	return AIBRIX_OK;
}

/* Leaving */

static void
naive_leave(struct naive *m, uint32_t slot)
{
	for (uint32_t i = 0; i < NAIVE_SLOTS; i++)
		if (m->parent[i] == slot)
			m->parent[i] = AIBRIX_EVICT_NO_PARENT;
	m->parent[slot] = AIBRIX_EVICT_NO_PARENT;
}

static int
naive_remove(struct naive *m, uint32_t slot)
{
	struct naive_queue *list = &m->queue[SMALL];
	int where = slot < naive_slots(m) ? naive_where(m, slot) : -1, at;

	if (where < 0)
		return AIBRIX_E_NOT_FOUND;
	if (m->pins[slot])
		return AIBRIX_E_BUSY;
	if (m->hand == slot) {
		at = queue_find(list, slot) + 1;
		m->hand = at < (int)list->n ? list->at[at] : NAIVE_NOBODY;
	}
	queue_drop(&m->queue[where], slot);
	naive_leave(m, slot);
	return AIBRIX_OK;
}

static int
naive_spares(struct naive *m, uint32_t slot, uint32_t *turns)
{
	int wants = 0;

	if (m->flags & AIBRIX_EVICT_CHILD_GUARD)
		for (uint32_t i = 0; i < NAIVE_SLOTS; i++)
			wants |= m->parent[i] == slot;
	if (*turns == 0)
		return 0;
	if (!wants && m->flags & AIBRIX_EVICT_WEIGH_COST && !m->spared[slot] &&
	    m->mean_x64 >= 64 && m->cost[slot] > m->mean_x64 / 64 * 2)
		wants = m->spared[slot] = 1;
	*turns -= (uint32_t)wants;
	m->stat.spared += (uint64_t)wants;
	return wants;
}

static int
arc_gives(const struct naive *m, int list)
{
	uint64_t once = (uint64_t)m->queue[SMALL].n << 32;

	if (once == 0 || m->queue[MAIN].n == 0)
		return once ? SMALL : MAIN;
	return once > m->target || (list == 1 && once == m->target) ? SMALL
								    : MAIN;
}

/* The queue whose oldest is looked at next. */
static int
naive_gives(const struct naive *m, int list)
{
	if (m->policy == AIBRIX_EVICT_ARC)
		return arc_gives(m, list);
	if (m->policy != AIBRIX_EVICT_S3FIFO && m->policy != AIBRIX_EVICT_AUTO)
		return SMALL;
	if (m->queue[COLD].n)
		return COLD;
	return m->queue[SMALL].n > m->share || m->queue[MAIN].n == 0 ? SMALL
								     : MAIN;
}

/* Where the oldest of a queue goes instead of leaving; -1: it leaves. */
static int
naive_goes(struct naive *m, uint32_t x, int from, uint32_t *turns)
{
	int queues = m->policy == AIBRIX_EVICT_S3FIFO ||
		     m->policy == AIBRIX_EVICT_AUTO;

	if (queues && from == SMALL && m->hits[x] >= m->promote) {
		m->hits[x] = 0;
		return MAIN;
	}
	if (queues && from == MAIN && m->hits[x]) {
		m->hits[x]--;
		return MAIN;
	}
	return naive_spares(m, x, turns) ? from : -1;
}

static int
sieve_pop(struct naive *m, uint32_t *slot)
{
	struct naive_queue *q = &m->queue[SMALL];
	uint32_t turns = 64, at, x;

	while (q->n) {
		at = m->hand == NAIVE_NOBODY ? 0
					     : (uint32_t)queue_find(q, m->hand);
		x = q->at[at];
		m->hand = at + 1 < q->n ? q->at[at + 1] : NAIVE_NOBODY;
		if (m->pins[x]) {
			queue_drop(q, x);
			queue_add(&m->aside, x);
		} else if (m->hits[x]) {
			m->hits[x] = 0;
		} else if (!naive_spares(m, x, &turns)) {
			queue_drop(q, x);
			*slot = x;
			return 1;
		}
	}
	return 0;
}

static int
queues_pop(struct naive *m, int list, uint32_t *slot)
{
	uint32_t turns = 64, x;
	int from, to;

	for (;;) {
		from = naive_gives(m, list);
		if (m->queue[from].n == 0)
			return 0;
		x = m->queue[from].at[0];
		queue_drop(&m->queue[from], x);
		if (m->pins[x]) {
			queue_add(&m->aside, x);
			continue;
		}
		to = naive_goes(m, x, from, &turns);
		if (to < 0)
			break;
		queue_add(&m->queue[to], x);
	}
	if (m->policy == AIBRIX_EVICT_ARC ||
	    (m->policy == AIBRIX_EVICT_AUTO && from != COLD))
		ghost_push(m, from == MAIN, m->fingerprint[x]);
	if (m->policy == AIBRIX_EVICT_S3FIFO && from == SMALL)
		ghost_push(m, 0, m->fingerprint[x]);
	*slot = x;
	return 1;
}

/* next: what will be inserted; -1: not known. */
static int
naive_pop(struct naive *m, int64_t next, uint32_t *slot)
{
	int list = -1, found;

	if (m->policy == AIBRIX_EVICT_ARC && next >= 0) {
		list = ghost_find(m, (uint32_t)next);
		if (list >= 0 && m->moved_for != next) {
			arc_step(m, list);
			m->moved_for = next;
		}
	}
	found = m->policy == AIBRIX_EVICT_SIEVE ? sieve_pop(m, slot)
						: queues_pop(m, list, slot);
	if (!found)
		return AIBRIX_E_NOT_FOUND;
	if (m->mean_x64 == 0)
		m->mean_x64 = (uint64_t)m->cost[*slot] * 64;
	if (m->flags & AIBRIX_EVICT_WEIGH_COST)
		m->mean_x64 += m->cost[*slot] - m->mean_x64 / 64;
	naive_leave(m, *slot);
	m->stat.evictions++;
	naive_signal(m, *slot, AIBRIX_EVICT_EVICTED);
	return AIBRIX_OK;
}

static int
naive_pin(struct naive *m, uint32_t slot)
{
	if (slot >= naive_slots(m) || naive_where(m, slot) < 0)
		return AIBRIX_E_NOT_FOUND;
	m->pins[slot]++;
	return AIBRIX_OK;
}

static int
naive_unpin(struct naive *m, uint32_t slot)
{
	int main = m->policy == AIBRIX_EVICT_S3FIFO ||
		   m->policy == AIBRIX_EVICT_ARC ||
		   m->policy == AIBRIX_EVICT_AUTO;

	if (slot >= naive_slots(m) || naive_where(m, slot) < 0)
		return AIBRIX_E_NOT_FOUND;
	if (!m->pins[slot])
		return AIBRIX_E_STATE;
	m->pins[slot]--;
	if (m->pins[slot] || !queue_drop(&m->aside, slot))
		return AIBRIX_OK;
	if (m->policy == AIBRIX_EVICT_SIEVE)
		m->hits[slot] = 1;
	queue_add(&m->queue[main ? MAIN : SMALL], slot);
	return AIBRIX_OK;
}

static uint32_t
naive_due(const struct naive *m)
{
	uint32_t n = naive_count(m);

	if (n <= m->capacity)
		return 0;
	return n - m->capacity +
	       ((m->flags & AIBRIX_EVICT_COMPAT_OVERFLOW) != 0);
}

static uint32_t
naive_part(uint32_t capacity, double ratio)
{
	uint32_t n = (uint32_t)(capacity * ratio);

	return n ? n : 1;
}

/* From the options that made the real order. */
static void
naive_open(struct naive *m, const aibrix_evict_opts *o)
{
	memset(m, 0, sizeof(*m));
	m->policy = o->policy;
	m->flags = o->flags;
	m->capacity = o->capacity;
	m->signals = o->signals;
	m->promote = m->hot = o->promote_hits ? o->promote_hits : 1;
	m->hand = NAIVE_NOBODY;
	m->moved_for = -1;
	m->now = 1;
	memset(m->parent, 0xff, sizeof(m->parent));
	if (m->policy == AIBRIX_EVICT_S3FIFO) {
		m->share = naive_part(
			m->capacity, o->small_ratio > 0 ? o->small_ratio : 0.3);
		m->ghost_cap = m->capacity - m->share;
	} else if (m->policy == AIBRIX_EVICT_ARC) {
		m->ghost_cap = m->capacity + 1;
	} else if (m->policy == AIBRIX_EVICT_AUTO) {
		m->share_min = naive_part(m->capacity, 0.1);
		m->share_max = m->share = naive_part(m->capacity, 0.7);
		m->ghost_cap = m->capacity;
	}
	if (o->ghosts)
		m->ghost_cap = o->ghosts;
}

#endif
