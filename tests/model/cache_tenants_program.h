/*
 * A byte string is a program for a cache that several tenants share, and for a
 * naive one beside it: blocks in an array, searched from end to end, with the
 * time of their last use.  After every step both have the same blocks, and
 * charge the same to the same tenants.
 *
 *	byte 0: low four bits, slots of L1, 4 to 19; 4-5 tenants, 2 to 5;
 *		6 S3-FIFO: which blocks go is not foretold then, only whose
 *	then three bytes a step: operation (low 4 bits), tenant (the others);
 *	which chain (low 3 bits) and lease; how many
 */
#ifndef TESTS_CACHE_TENANTS_PROGRAM_H
#define TESTS_CACHE_TENANTS_PROGRAM_H

#include <string.h>

#include <aibrix/cache_tenant.h>

#include "cache/cache_internal.h"

enum {
	PROGRAM_BLOCK = 16,
	PROGRAM_SLOTS = 19,
	PROGRAM_TENANTS = 5,
	PROGRAM_CHAINS = 6,
	PROGRAM_LENGTH = 6,
	PROGRAM_KEYS = PROGRAM_CHAINS * PROGRAM_LENGTH,
	PROGRAM_LEASES = 5,
	PROGRAM_EQUAL = -1
};

enum {
	STEP_RESERVE = 0,
	STEP_COMMIT = 1,
	STEP_ABORT = 2,
	STEP_ACQUIRE = 3,
	STEP_RELEASE = 4,
	STEP_WRITE = 5, /* reserve and commit */
	STEP_READ = 6,  /* acquire and release */
	STEP_REMOVE = 7,
	STEP_DROP = 8, /* a tenant */
	STEP_QUOTA = 9,
	STEP_KINDS = 10,
	STEP_DAMAGE = 15 /* spoil the model; a read where that is not allowed */
};

struct naive_block {
	int state; /* SLOT_FREE, FILLING, READY, LOOSE */
	int aside; /* met while it was pinned: it comes back as used */
	int ordered;
	uint32_t key, tenant, pins;
	uint64_t used;
};

struct naive_tenant {
	uint64_t guaranteed, ceiling; /* 0: none */
	aibrix_cache_tenant_stat stat;
};

struct naive_lease {
	uint64_t id; /* 0: none */
	int writing;
	uint32_t n, tenant;
	int held[PROGRAM_LENGTH]; /* a block; -1: another lease's */
	int own[PROGRAM_LENGTH];
};

struct program {
	aibrix_cache *cache;
	uint32_t n_slots, n_tenants;
	int exact;
	uint64_t time;
	struct naive_block blocks[PROGRAM_SLOTS];
	struct naive_tenant tenants[PROGRAM_TENANTS];
	struct naive_lease leases[PROGRAM_LEASES];
};

static aibrix_key
program_key(uint32_t key)
{
	aibrix_key name = {{0}};

	name.bytes[3] = (uint8_t)(key + 1);
	return name;
}

/* ---- the naive cache */

static uint64_t
naive_count(const struct program *p, uint32_t tenant)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->n_slots; i++)
		n += p->blocks[i].state != SLOT_FREE &&
		     p->blocks[i].tenant == tenant;
	return n;
}

static int
naive_find(const struct program *p, uint32_t key)
{
	for (uint32_t i = 0; i < p->n_slots; i++)
		if (p->blocks[i].key == key &&
		    (p->blocks[i].state == SLOT_READY ||
		     p->blocks[i].state == SLOT_FILLING))
			return (int)i;
	return -1;
}

static void
naive_unpin(struct program *p, int i)
{
	struct naive_block *b = &p->blocks[i];

	if (--b->pins)
		return;
	if (b->state == SLOT_LOOSE) {
		b->state = SLOT_FREE;
	} else if (b->aside) {
		b->aside = 0;
		b->used = ++p->time;
	}
}

static void
naive_drop(struct program *p, int i)
{
	struct naive_block *b = &p->blocks[i];

	b->ordered = b->aside = 0;
	b->state = b->pins ? SLOT_LOOSE : SLOT_FREE;
}

static void
naive_remove(struct program *p, int i)
{
	p->tenants[p->blocks[i].tenant].stat.removed +=
		p->blocks[i].state == SLOT_READY;
	naive_drop(p, i);
}

/* The least recently used that nobody has pinned; of one tenant, or NONE: of
 * all who have more than they are guaranteed. */
static int
naive_oldest(struct program *p, uint32_t tenant)
{
	const struct naive_block *b;
	int best;

	do {
		best = -1;
		for (uint32_t i = 0; i < p->n_slots; i++) {
			b = &p->blocks[i];
			if (!b->ordered || b->aside ||
			    (tenant == NONE
				     ? naive_count(p, b->tenant) <=
					       p->tenants[b->tenant].guaranteed
				     : b->tenant != tenant))
				continue;
			if (best < 0 || b->used < p->blocks[best].used)
				best = (int)i;
		}
		if (best >= 0 && p->blocks[best].pins)
			p->blocks[best].aside = 1;
	} while (best >= 0 && p->blocks[best].aside);
	return best;
}

static int
naive_evict(struct program *p, int i, uint32_t for_tenant)
{
	struct naive_tenant *from;

	if (i < 0)
		return 0;
	from = &p->tenants[p->blocks[i].tenant];
	from->stat.evicted++;
	from->stat.given += p->blocks[i].tenant != for_tenant;
	naive_drop(p, i);
	return 1;
}

static int
naive_above(const struct program *p, uint32_t t, uint64_t blocks)
{
	return p->tenants[t].ceiling && blocks > p->tenants[t].ceiling;
}

/* A block for key, pinned; -1: no room. */
static int
naive_take(struct program *p, uint32_t t, uint32_t key)
{
	uint32_t i;

	while (naive_above(p, t, naive_count(p, t) + 1))
		if (!naive_evict(p, naive_oldest(p, t), t))
			return -1;
	for (;;) {
		for (i = 0; i < p->n_slots; i++)
			if (p->blocks[i].state == SLOT_FREE)
				break;
		if (i < p->n_slots)
			break;
		if (!naive_evict(p, naive_oldest(p, NONE), t) &&
		    !naive_evict(p, naive_oldest(p, t), t))
			return -1;
	}
	p->blocks[i] = (struct naive_block){
		.state = SLOT_FILLING, .key = key, .tenant = t, .pins = 1};
	return (int)i;
}

/* Blocks from at on are let go, the last one first. */
static void
naive_cut(struct program *p, struct naive_lease *l, uint32_t at)
{
	while (l->n > at) {
		l->n--;
		if (l->own[l->n] &&
		    p->blocks[l->held[l->n]].state == SLOT_FILLING)
			naive_drop(p, l->held[l->n]);
		if (l->held[l->n] >= 0)
			naive_unpin(p, l->held[l->n]);
	}
}

static void
naive_use(struct program *p, int i)
{
	p->blocks[i].used = ++p->time;
}

static void
naive_reserve(struct program *p, struct naive_lease *l, uint32_t chain,
	      uint32_t n)
{
	int wanted[PROGRAM_LENGTH] = {0}, got, worth;
	uint32_t i;

	/* L1 could never hold more. */
	l->n = n < p->n_slots ? n : p->n_slots;
	for (i = 0; i < l->n; i++) {
		got = naive_find(p, chain * PROGRAM_LENGTH + i);
		wanted[i] = got < 0;
		l->own[i] = 0;
		l->held[i] = -1;
		if (got >= 0 && p->blocks[got].state == SLOT_READY) {
			l->held[i] = got;
			p->blocks[got].pins++;
		}
	}
	for (i = 0; i < l->n; i++) {
		if (!wanted[i])
			continue;
		got = naive_take(p, l->tenant, chain * PROGRAM_LENGTH + i);
		while (got < 0 && l->n > i + 1) {
			worth = l->held[l->n - 1] >= 0;
			naive_cut(p, l, l->n - 1);
			if (worth)
				got = naive_take(p, l->tenant,
						 chain * PROGRAM_LENGTH + i);
		}
		if (got < 0)
			break;
		l->held[i] = got;
		l->own[i] = 1;
	}
	naive_cut(p, l, i);
	p->tenants[l->tenant].stat.no_room += n - l->n;
}

static void
naive_commit(struct program *p, struct naive_lease *l)
{
	struct naive_block *b;

	for (uint32_t i = l->n; i-- > 0;) {
		if (l->held[i] < 0)
			continue;
		b = &p->blocks[l->held[i]];
		if (!l->own[i]) {
			naive_use(p, l->held[i]);
		} else if (b->state == SLOT_FILLING) {
			b->state = SLOT_READY;
			b->ordered = 1;
			naive_use(p, l->held[i]);
			p->tenants[l->tenant].stat.stored++;
		}
		l->own[i] = 0;
	}
	naive_cut(p, l, 0);
}

static void
naive_acquire(struct program *p, struct naive_lease *l, uint32_t chain,
	      uint32_t n)
{
	uint32_t i;
	int got;

	for (i = 0; i < n; i++) {
		got = naive_find(p, chain * PROGRAM_LENGTH + i);
		if (got < 0 || p->blocks[got].state != SLOT_READY)
			break;
		p->blocks[got].pins++;
		l->held[i] = got;
		l->own[i] = 0;
	}
	l->n = i;
	while (i-- > 0)
		naive_use(p, l->held[i]);
	p->tenants[l->tenant].stat.asked += n;
	p->tenants[l->tenant].stat.hits_l1 += l->n;
}

/* ---- both */

static int
lease_reserve(struct program *p, struct naive_lease *l, uint32_t chain,
	      uint32_t n)
{
	aibrix_key keys[PROGRAM_LENGTH];
	const aibrix_cache_request r = {.size = sizeof(r),
					.tenant = l->tenant,
					.keys = keys,
					.n = n,
					.now_ns = 1};
	uint64_t got = 0;
	int err;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = program_key(chain * PROGRAM_LENGTH + i);
	err = aibrix_cache_reserve_request(p->cache, &r, &l->id, &got);
	naive_reserve(p, l, chain, n);
	l->writing = 1;
	if (err)
		l->id = 0;
	return (err == AIBRIX_OK || err == AIBRIX_E_FULL) &&
	       (!p->exact || got == l->n);
}

static int
lease_acquire(struct program *p, struct naive_lease *l, uint32_t chain,
	      uint32_t n)
{
	aibrix_key keys[PROGRAM_LENGTH];
	const aibrix_cache_request r = {.size = sizeof(r),
					.tenant = l->tenant,
					.keys = keys,
					.n = n,
					.now_ns = 1};
	uint64_t got = 0;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = program_key(chain * PROGRAM_LENGTH + i);
	if (aibrix_cache_acquire_request(p->cache, &r, &l->id, &got))
		return 0;
	naive_acquire(p, l, chain, n);
	l->writing = 0;
	return !p->exact || got == l->n;
}

static int
lease_over(struct program *p, struct naive_lease *l, int commit)
{
	uint64_t id = l->id;
	int err;

	l->id = 0;
	if (!l->writing)
		err = aibrix_cache_release(p->cache, id);
	else if (commit)
		err = aibrix_cache_commit(p->cache, id, 1);
	else
		err = aibrix_cache_abort(p->cache, id);
	if (l->writing && commit)
		naive_commit(p, l);
	else
		naive_cut(p, l, 0);
	return !err;
}

static int
step_remove(struct program *p, uint32_t chain, uint32_t n)
{
	aibrix_key keys[PROGRAM_LENGTH];
	uint64_t lease;
	int at;

	for (uint32_t i = 0; i < n; i++) {
		keys[i] = program_key(chain * PROGRAM_LENGTH + i);
		at = naive_find(p, chain * PROGRAM_LENGTH + i);
		if (at >= 0)
			naive_remove(p, at);
	}
	return !aibrix_cache_remove(p->cache, keys, n, AIBRIX_CACHE_L1, 0, 1,
				    &lease);
}

static int
step_drop(struct program *p, uint32_t tenant)
{
	for (uint32_t i = 0; i < p->n_slots; i++)
		if (p->blocks[i].tenant == tenant &&
		    (p->blocks[i].state == SLOT_READY ||
		     p->blocks[i].state == SLOT_FILLING))
			naive_remove(p, (int)i);
	return !aibrix_cache_clear_tenant(p->cache, tenant, 1);
}

static int
step_quota(struct program *p, uint32_t tenant, uint32_t a, uint32_t b)
{
	const aibrix_cache_quota q = {.tenant = tenant,
				      .guaranteed = a % (p->n_slots + 1),
				      .ceiling = b % (p->n_slots + 2)};
	struct naive_tenant *t = &p->tenants[tenant];
	uint64_t sum = q.guaranteed;
	int err = aibrix_cache_set_quotas(p->cache, &q, 1);

	for (uint32_t i = 0; i < p->n_tenants; i++)
		sum += i == tenant ? 0 : p->tenants[i].guaranteed;
	if (sum > p->n_slots || (q.ceiling && q.ceiling < q.guaranteed))
		return err == AIBRIX_E_INVAL;
	t->guaranteed = q.guaranteed;
	t->ceiling = q.ceiling;
	while (naive_above(p, tenant, naive_count(p, tenant)))
		if (!naive_evict(p, naive_oldest(p, tenant), tenant))
			break;
	return !err;
}

static int
step_lease(struct program *p, uint32_t op, uint32_t tenant, uint8_t which,
	   uint32_t n)
{
	struct naive_lease once = {.tenant = tenant}, *l;

	l = &p->leases[(which >> 3) % PROGRAM_LEASES];
	which = (which & 7) % PROGRAM_CHAINS;
	switch (op) {
	case STEP_WRITE:
		if (!lease_reserve(p, &once, which, n))
			return 0;
		return !once.id || lease_over(p, &once, 1);
	case STEP_READ:
		return lease_acquire(p, &once, which, n) &&
		       lease_over(p, &once, 0);
	case STEP_RESERVE:
	case STEP_ACQUIRE:
		if (l->id)
			return lease_over(p, l, 1);
		l->tenant = tenant;
		return op == STEP_RESERVE ? lease_reserve(p, l, which, n)
					  : lease_acquire(p, l, which, n);
	default: return !l->id || lease_over(p, l, op == STEP_COMMIT);
	}
}

static int
program_step(struct program *p, const uint8_t *data, int damage)
{
	const uint32_t op = data[0] & 15, n = data[2] % PROGRAM_LENGTH + 1;
	const uint32_t tenant = (data[0] >> 4) % p->n_tenants;

	switch (op) {
	case STEP_REMOVE:
		return step_remove(p, (data[1] & 7) % PROGRAM_CHAINS, n);
	case STEP_DROP: return step_drop(p, tenant);
	case STEP_QUOTA: return step_quota(p, tenant, data[1], data[2]);
	case STEP_DAMAGE:
		if (damage)
			p->tenants[tenant].guaranteed++;
		return step_lease(p, STEP_READ, tenant, data[1], n);
	default: return step_lease(p, op % STEP_KINDS, tenant, data[1], n);
	}
}

/* ---- what must hold */

static int
stat_equal(const struct program *p, uint32_t tenant)
{
	aibrix_cache_tenant_stat s = {.size = sizeof(s)};
	const struct naive_tenant *t = &p->tenants[tenant];

	if (aibrix_cache_tenant_stats(p->cache, tenant, &s))
		return 0;
	return s.blocks == naive_count(p, tenant) &&
	       s.guaranteed == t->guaranteed && s.ceiling == t->ceiling &&
	       s.asked == t->stat.asked && s.hits_l1 == t->stat.hits_l1 &&
	       s.stored == t->stat.stored && s.evicted == t->stat.evicted &&
	       s.given == t->stat.given && s.no_room == t->stat.no_room &&
	       s.removed == t->stat.removed && s.hits_l2 == 0;
}

static int
program_check(struct program *p)
{
	aibrix_key name;
	int at;

	if (aibrix__cache_check(p->cache))
		return 0;
	for (uint32_t i = 0; p->exact && i < p->n_tenants; i++)
		if (!stat_equal(p, i))
			return 0;
	for (uint32_t i = 0; p->exact && i < PROGRAM_KEYS; i++) {
		at = naive_find(p, i);
		name = program_key(i);
		if (aibrix_cache_lookup(p->cache, &name, 1) !=
		    (at >= 0 && p->blocks[at].state == SLOT_READY))
			return 0;
	}
	return 1;
}

/* What one step may do to others, whichever blocks an order gives up. */
static int
step_fair(struct program *p, const uint8_t *data, int damage)
{
	const uint32_t tenant = (data[0] >> 4) % p->n_tenants;
	const uint32_t op = (data[0] & 15) % STEP_KINDS;
	uint64_t before[PROGRAM_TENANTS];
	const struct tenant *t;

	for (uint32_t i = 0; i < p->n_tenants; i++)
		before[i] = p->cache->tenants[i].blocks;
	if (!program_step(p, data, damage))
		return 0;
	for (uint32_t i = 0; i < p->n_tenants; i++) {
		t = &p->cache->tenants[i];
		if (t->blocks > before[i] && t->blocks > t->ceiling)
			return 0;
		if ((op == STEP_WRITE || op == STEP_READ) && i != tenant &&
		    t->blocks < before[i] && t->blocks < t->guaranteed)
			return 0;
	}
	return program_check(p);
}

/* PROGRAM_EQUAL, or the byte at which cache and model differ. */
static int
program_run(const uint8_t *data, size_t len, int damage)
{
	struct program p = {.time = 1};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = PROGRAM_BLOCK,
			       .max_leases = PROGRAM_LEASES + 1,
			       .flags = AIBRIX_CACHE_NO_L1_VERIFY};
	int at = PROGRAM_EQUAL;

	if (len < 1)
		return PROGRAM_EQUAL;
	p.n_slots = data[0] % 16 + 4;
	p.n_tenants = (data[0] >> 4 & 3) + 2;
	p.exact = !(data[0] & 0x40);
	o.evict = p.exact ? AIBRIX_EVICT_LRU : AIBRIX_EVICT_S3FIFO;
	o.l1_bytes = p.n_slots * (uint64_t)PROGRAM_BLOCK;
	o.tenants = p.n_tenants;
	if (aibrix_cache_new(&o, &p.cache))
		return 0;
	for (size_t i = 1; at == PROGRAM_EQUAL && i + 3 <= len; i += 3)
		if (!step_fair(&p, data + i, damage))
			at = (int)i;
	aibrix_cache_free(p.cache);
	return at;
}

#endif
