/*
 * A byte string is a program for two caches that share a store, whose faults
 * the program scripts.  After every step the invariants hold, every byte
 * that a lease shows is one that was committed under that key and layout,
 * and blocks go away only by eviction, removal or damage that was counted.
 * What was removed is not shown again, unless it is written again, L2 has not
 * removed it, or the other cache still had it.
 *
 *	byte 0: bit 0 there is an L2; 1 S3-FIFO; 2 the second cache has another
 *		layout; 3 the first does not write to L2; 4-5 what L2 is given;
 *		6 only if it lacks it; 7 only where that pays
 *	byte 1: low four bits: slots of L1, 1 to 12; bit 4 three tenants with
 *		quotas, each with its own chains; 5 L1 is verified by
 *		who hands its bytes out; 6 what of L2 stays there; 7 what is
 *		reserved is filled by copying
 *	byte 2: bits 0-2 transfers, 1 to 8; 3-4 blocks that wait for L2
 *	then three bytes a step: operation (low 4 bits), cache (bit 4);
 *	which lease, chain or fault; how many, and of a lease in bits 3-4
 *	whether its last block is a tail, of 5 or 9 tokens.  Tails have the
 *	keys of whole blocks: what keeps them apart is their number of tokens
 */
#ifndef TESTS_CACHE_PROGRAM_H
#define TESTS_CACHE_PROGRAM_H

#include <string.h>

#include <aibrix/cache_tenant.h>

#include "cache/cache_internal.h"
#include "cache_meter.h"
#include "store/store_faults.h"

enum {
	PROGRAM_BLOCK = 48,
	PROGRAM_TOKENS = 16,
	PROGRAM_CHAINS = 4,
	PROGRAM_LENGTH = 8,
	PROGRAM_KEYS = PROGRAM_CHAINS * PROGRAM_LENGTH,
	PROGRAM_LEASES = 6,
	PROGRAM_FAULTS = 8,
	PROGRAM_TENANTS = 3,
	PROGRAM_EQUAL = -1
};

enum {
	STEP_ACQUIRE = 0,
	STEP_ACQUIRE_LATE = 1,
	STEP_RESERVE = 2,
	STEP_COMMIT = 3,
	STEP_ABORT = 4,
	STEP_RELEASE = 5,
	STEP_POLL = 6,
	STEP_FLIP = 7,  /* a bit of a block in memory that nobody holds */
	STEP_FAULT = 8, /* one of the next requests of the store */
	STEP_TIME = 9,
	STEP_RENEW = 10, /* free the cache and make it again */
	STEP_FLUSH = 11,
	STEP_PREFETCH = 12,
	STEP_HAND_OVER = 13,
	STEP_REMOVE = 14,
	STEP_KINDS = 15,
	STEP_DAMAGE = 15 /* spoil the model; a poll where that is not allowed */
};

struct naive_lease {
	uint64_t id; /* 0: none */
	uint32_t cache, chain, n;
	uint32_t asked, tail;
	int writing, settled;
	uint64_t floor;                  /* what L1 had at the time */
	uint8_t version[PROGRAM_LENGTH]; /* written, or first seen; 0: none */
	uint8_t dead[PROGRAM_LENGTH];    /* versions up to it were removed */
};

struct naive_cache {
	aibrix_cache *cache;
	aibrix_meter *meter;
	uint32_t layout;
	uint8_t present[PROGRAM_KEYS]; /* as lookup says */
	aibrix_cache_stat stat;
	uint64_t prefetch;          /* the last one's handle; 0: none */
	uint64_t removal;           /* the last one's lease; 0: none */
	uint64_t n_told;            /* keys of it */
	uint64_t all_told;          /* of all removals, those of L2 */
	uint8_t dead[PROGRAM_KEYS]; /* versions that were removed; 0: none */
};

struct program {
	uint8_t head[3];
	aibrix_store *store;
	struct naive_cache caches[2];
	struct naive_lease leases[PROGRAM_LEASES];
	struct store_fault faults[PROGRAM_FAULTS];
	uint32_t n_faults;
	/* Versions 1 .. of a key that were committed, by layout. */
	uint8_t versions[2][PROGRAM_KEYS];
	uint8_t whole[2][PROGRAM_KEYS][256];
	uint8_t tails[2][PROGRAM_KEYS][256]; /* tokens; 0: all */
	uint64_t now;
	uint32_t op; /* of the step */
};

/* Chains 0 and 1 begin with the same three blocks. */
static uint32_t
program_key(uint32_t chain, uint32_t i)
{
	return chain == 1 && i < 3 ? i : chain * PROGRAM_LENGTH + i;
}

static void
program_keys(uint32_t chain, aibrix_key keys[PROGRAM_LENGTH])
{
	memset(keys, 0, PROGRAM_LENGTH * sizeof(*keys));
	for (uint32_t i = 0; i < PROGRAM_LENGTH; i++)
		keys[i].bytes[5] = (uint8_t)(program_key(chain, i) + 1);
}

/* Layout, key and version are in the bytes, and every byte depends on all. */
static void
program_fill(uint8_t *out, uint32_t layout, uint32_t key, uint32_t version)
{
	out[0] = (uint8_t)layout;
	out[1] = (uint8_t)key;
	out[2] = (uint8_t)version;
	for (uint32_t i = 3; i < PROGRAM_BLOCK; i++)
		out[i] = (uint8_t)(layout * 101 + key * 31 + version * 7 + i);
}

static uint64_t
program_clock(void *ctx)
{
	struct program *p = ctx;

	p->now += 1000;
	return p->now;
}

static int
program_shared(const struct program *p)
{
	return p->head[1] >> 4 & 1;
}

/* A guarantee for one, a ceiling for the next, what is left for the last. */
static int
quotas_set(const struct program *p, aibrix_cache *cache)
{
	const uint32_t slots = cache->capacity;
	const aibrix_cache_quota quotas[] = {
		{.tenant = 0, .guaranteed = slots / 3},
		{.tenant = 1, .ceiling = slots / 2 + 1}};

	return !program_shared(p) || !aibrix_cache_set_quotas(cache, quotas, 2);
}

/* In the name of whoever asks for that chain. */
static aibrix_cache_request
program_request(const struct program *p, uint32_t chain, const aibrix_key *keys,
		uint64_t n, uint32_t tail)
{
	return (aibrix_cache_request){
		.size = sizeof(aibrix_cache_request),
		.tenant = program_shared(p) ? chain % PROGRAM_TENANTS : 0,
		.keys = keys,
		.n = n,
		.tail_tokens = tail,
		.now_ns = p->now};
}

static int
program_open(struct program *p, uint32_t i)
{
	struct naive_cache *c = &p->caches[i];
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = PROGRAM_BLOCK,
			       .max_leases = PROGRAM_LEASES,
			       .l2 = p->store};

	o.evict = p->head[0] >> 1 & 1;
	o.l1_bytes = (p->head[1] % 16 % 12 + 1) * (uint64_t)PROGRAM_BLOCK;
	o.l2_inflight = p->head[2] % 8 + 1;
	if (i == 0 && (p->head[0] & 8))
		o.flags = AIBRIX_CACHE_NO_L2_WRITE;
	o.ingest = p->head[0] >> 4 & 3;
	if (o.ingest > AIBRIX_CACHE_INGEST_EVICTED)
		o.ingest = AIBRIX_CACHE_INGEST_ALL;
	if (p->head[0] & 0x40)
		o.flags |= AIBRIX_CACHE_PROBE_FIRST;
	if (p->head[1] & 0x20)
		o.flags |= AIBRIX_CACHE_VERIFY_LATE;
	o.write_bytes = p->head[2] >> 3 & 3;
	o.write_bytes *= PROGRAM_BLOCK;
	o.hot_hits = p->head[2] >> 5 & 1;
	if (p->head[0] & 0x80) {
		o.token_ns = 100;
		o.position_ns = 0.5;
		o.l2_risk_ns = 20000;
	}
	o.min_lack_blocks = p->head[2] >> 6 & 1;
	o.token_wait_ns = (p->head[2] >> 7) * 200;
	o.clock = program_clock;
	o.clock_ctx = p;
	c->layout = i == 1 && (p->head[0] & 4);
	o.layout = c->layout ? "other" : "one";
	memset(c->present, 0, sizeof(c->present));
	memset(&c->stat, 0, sizeof(c->stat));
	if (aibrix_meter_new(NULL, &c->meter))
		return 0;
	o.meter = c->meter;
	c->prefetch = c->removal = c->all_told = 0;
	memset(c->dead, 0, sizeof(c->dead));
	o.promote = p->head[1] >> 6 & 1;
	o.tenants = program_shared(p) ? PROGRAM_TENANTS : 0;
	return aibrix_cache_new(&o, &c->cache) == AIBRIX_OK &&
	       quotas_set(p, c->cache);
}

static int
program_close(struct naive_cache *c)
{
	aibrix_cache_stat s = {.size = sizeof(s)};
	int ok = !c->cache || aibrix_cache_stats(c->cache, &s) == AIBRIX_OK;

	aibrix_cache_free(c->cache);
	ok = ok && (!c->cache || meter_ended(c->meter, s.leases));
	aibrix_meter_free(c->meter);
	c->cache = NULL;
	c->meter = NULL;
	return ok;
}

/* Tokens that block i of a lease must have; 0: all. */
static uint32_t
lease_wants(const struct naive_lease *l, uint32_t i)
{
	return i + 1 == l->asked ? l->tail : 0;
}

static uint64_t
lease_tokens(const struct naive_lease *l, uint32_t n)
{
	uint64_t tokens = 0;

	for (uint32_t i = 0; i < n; i++)
		tokens += lease_wants(l, i) ? l->tail : PROGRAM_TOKENS;
	return tokens;
}

/* What a settled lease has of the prompt, and what it says of it. */
static int
extent_check(const struct naive_cache *c, const struct naive_lease *l)
{
	aibrix_cache_extent e = {.size = sizeof(e)};

	return !aibrix_cache_extent_of(c->cache, l->id, &e) &&
	       e.blocks == l->n && e.tokens == lease_tokens(l, l->n) &&
	       e.asked_blocks == l->asked &&
	       e.asked_tokens == lease_tokens(l, l->asked) &&
	       (e.why == AIBRIX_OK) == (l->n == l->asked) &&
	       e.why != AIBRIX_E_AGAIN;
}

/* Every byte of an acquired block is of one committed version, and stays. */
static int
block_equal(const struct program *p, struct naive_lease *l, uint32_t i,
	    const uint8_t *data)
{
	uint32_t layout = p->caches[l->cache].layout;
	uint32_t key = program_key(l->chain, i);
	uint8_t want[PROGRAM_BLOCK];

	if (!l->version[i])
		l->version[i] = data[2];
	program_fill(want, layout, key, l->version[i]);
	return p->whole[layout][key][l->version[i]] &&
	       l->version[i] > l->dead[i] &&
	       p->tails[layout][key][l->version[i]] == lease_wants(l, i) &&
	       memcmp(want, data, PROGRAM_BLOCK) == 0;
}

/* Damage that acquire has not looked for: the lease ends before it. */
static int
lease_ends(const struct program *p, struct naive_lease *l, uint64_t at)
{
	if (!(p->head[1] & 0x20) || at >= l->n)
		return 0;
	l->n = (uint32_t)at;
	l->floor = l->floor < at ? l->floor : at;
	return 1;
}

/* Copied out. */
static int
lease_read(struct program *p, struct naive_lease *l)
{
	uint8_t bytes[PROGRAM_LENGTH][PROGRAM_BLOCK];
	void *dst[PROGRAM_LENGTH];
	uint64_t n = 0;
	int err;

	for (uint32_t i = 0; i < PROGRAM_LENGTH; i++)
		dst[i] = bytes[i];
	err = aibrix_cache_read(p->caches[l->cache].cache, l->id, 0, dst, l->n,
				&n);
	if (err && (err != AIBRIX_E_CORRUPT || !lease_ends(p, l, n)))
		return 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (!block_equal(p, l, i, bytes[i]))
			return 0;
	return n == l->n;
}

/* Looked at in place. */
static int
lease_view(struct program *p, struct naive_lease *l)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	int err;

	for (uint32_t i = 0; i < l->n; i++) {
		err = aibrix_cache_block(p->caches[l->cache].cache, l->id, i,
					 &v);
		if (err == AIBRIX_E_CORRUPT && lease_ends(p, l, i))
			break;
		if (err || !v.data || !block_equal(p, l, i, v.data) ||
		    v.tokens != (lease_wants(l, i) ? l->tail : PROGRAM_TOKENS))
			return 0;
	}
	return 1;
}

/* Both ways, and either of them first. */
static int
lease_equal(struct program *p, struct naive_lease *l)
{
	if (l->chain & 1)
		return lease_read(p, l) && lease_view(p, l);
	return lease_view(p, l) && lease_read(p, l);
}

static int
lease_check(struct program *p, struct naive_lease *l)
{
	aibrix_cache *cache = p->caches[l->cache].cache;
	uint64_t n = 0;
	int err;

	if (!l->id || l->writing)
		return 1;
	err = aibrix_cache_state(cache, l->id, &n);
	if (err == AIBRIX_E_AGAIN)
		return !l->settled && p->store;
	if (err || (l->settled && n != l->n) || n < l->floor)
		return 0;
	l->settled = 1;
	l->n = (uint32_t)n;
	return extent_check(&p->caches[l->cache], l) && lease_equal(p, l);
}

/* What was there and is gone was evicted or damaged. */
static int
present_check(struct naive_cache *c, uint32_t op)
{
	aibrix_cache_stat s = {.size = sizeof(s)};
	uint64_t gone = 0, count = 0;
	aibrix_key key = {{0}};
	uint8_t now;

	if (aibrix_cache_stats(c->cache, &s) ||
	    !meter_agrees(c->meter, &s, PROGRAM_BLOCK, 16))
		return 0;
	for (uint32_t i = 0; i < PROGRAM_KEYS; i++) {
		key.bytes[5] = (uint8_t)(i + 1);
		now = (uint8_t)aibrix_cache_lookup(c->cache, &key, 1);
		/* While L2 loses it, only a commit brings it back. */
		if (now && !c->present[i] && op != STEP_COMMIT &&
		    aibrix__remove_has(c->cache, &key))
			return 0;
		gone += c->present[i] && !now;
		count += now;
		c->present[i] = now;
	}
	gone = gone > s.evicted - c->stat.evicted + s.corrupt_l1 -
			      c->stat.corrupt_l1 + s.removed - c->stat.removed;
	c->stat = s;
	return !gone && count == s.l1_blocks &&
	       s.hits_l1 + s.hits_l2 <= s.asked &&
	       s.l2_removed + s.l2_unremoved + c->cache->removing.count ==
		       c->all_told;
}

/* May cache i be shown again what it has removed? */
static void
dead_forget(struct program *p, uint32_t i, uint32_t key)
{
	p->caches[i].dead[key] = 0;
	for (uint32_t l = 0; l < PROGRAM_LEASES; l++)
		for (uint32_t b = 0; b < PROGRAM_LENGTH; b++)
			if (p->leases[l].cache == i &&
			    program_key(p->leases[l].chain, b) == key)
				p->leases[l].dead[b] = 0;
}

/* In L1, or on its way to or from L2. */
static int
cache_knows(const aibrix_cache *cache, uint32_t key)
{
	aibrix_key name = {{0}};

	name.bytes[5] = (uint8_t)(key + 1);
	for (uint32_t i = 0; i < cache->max_transfers; i++)
		if (cache->transfers[i].owner &&
		    memcmp(&cache->transfers[i].key, &name, sizeof(name)) == 0)
			return 1;
	return aibrix__table_find(&cache->table, &name) != NONE;
}

/* L2 did not remove it, or the other cache had it and may write it. */
static int
dead_check(struct program *p, uint32_t i)
{
	const struct naive_cache *c = &p->caches[i], *o = &p->caches[1 - i];
	aibrix_cache_stat s = {.size = sizeof(s)};

	if (!p->store)
		return 1;
	if (aibrix_cache_stats(c->cache, &s))
		return 0;
	for (uint32_t key = 0; key < PROGRAM_KEYS; key++)
		if (s.l2_unremoved != c->stat.l2_unremoved ||
		    (c->layout == o->layout && cache_knows(o->cache, key)))
			dead_forget(p, i, key);
	return 1;
}

/* A removal says of each key what came of it. */
static int
removal_check(struct naive_cache *c)
{
	uint64_t n = 0, good = 0;
	int err, status, open = 0;

	if (!c->removal)
		return 1;
	for (uint64_t i = 0; i < c->n_told; i++) {
		status = aibrix_cache_removed(c->cache, c->removal, i);
		good += status == AIBRIX_OK;
		open |= status == AIBRIX_E_AGAIN;
	}
	err = aibrix_cache_state(c->cache, c->removal, &n);
	if (err == AIBRIX_E_AGAIN)
		return open;
	if (err || open || n != good ||
	    aibrix_cache_release(c->cache, c->removal))
		return 0;
	c->removal = 0;
	return 1;
}

static int
program_check(struct program *p)
{
	for (uint32_t i = 0; i < 2; i++)
		if (aibrix__cache_check(p->caches[i].cache) ||
		    !dead_check(p, i) || !present_check(&p->caches[i], p->op) ||
		    !removal_check(&p->caches[i]))
			return 0;
	for (uint32_t i = 0; i < PROGRAM_LEASES; i++)
		if (!lease_check(p, &p->leases[i]))
			return 0;
	return 1;
}

/* Leading blocks that L1 has, with the right number of tokens. */
static uint64_t
l1_run(struct naive_cache *c, const struct naive_lease *l,
       const aibrix_key *keys)
{
	uint64_t n = aibrix_cache_lookup(c->cache, keys, l->asked);
	uint32_t slot;

	for (uint32_t i = 0; i < n; i++) {
		slot = aibrix__table_find(&c->cache->table, &keys[i]);
		if (slot_tail(c->cache, slot) != lease_wants(l, i))
			return i;
	}
	return n;
}

static int
step_acquire(struct program *p, struct naive_lease *l, uint32_t n, int late)
{
	struct naive_cache *c = &p->caches[l->cache];
	aibrix_key keys[PROGRAM_LENGTH];
	aibrix_cache_request r;
	uint64_t got = 0;
	uint64_t damaged = c->stat.corrupt_l1;
	aibrix_cache_stat s = {.size = sizeof(s)};
	int err;

	program_keys(l->chain, keys);
	for (uint32_t i = 0; i < PROGRAM_LENGTH; i++)
		l->dead[i] = c->dead[program_key(l->chain, i)];
	l->floor = l1_run(c, l, keys);
	r = program_request(p, l->chain, keys, n, l->tail);
	r.deadline_ns = late ? p->now + 3000 : 0;
	err = aibrix_cache_acquire_request(c->cache, &r, &l->id, &got);
	if (aibrix_cache_stats(c->cache, &s) ||
	    (err && err != AIBRIX_E_AGAIN && err != AIBRIX_E_FULL))
		return 0;
	if (s.corrupt_l1 != damaged)
		l->floor = 0;
	if (err == AIBRIX_E_FULL)
		l->id = 0;
	/* Without L2 it is what L1 has, no more and no less. */
	return p->store || err || l->floor == 0 || got == l->floor;
}

static int
step_reserve(struct program *p, struct naive_lease *l, uint32_t n)
{
	struct naive_cache *c = &p->caches[l->cache];
	uint8_t bytes[PROGRAM_LENGTH][PROGRAM_BLOCK];
	const void *src[PROGRAM_LENGTH];
	aibrix_cache_view v = {.size = sizeof(v)};
	aibrix_key keys[PROGRAM_LENGTH];
	int err, copies = p->head[1] >> 7;
	aibrix_cache_request r;
	uint64_t got = 0;
	uint32_t key;

	program_keys(l->chain, keys);
	memset(bytes, 0xee, sizeof(bytes)); /* what is there is left alone */
	r = program_request(p, l->chain, keys, n, l->tail);
	err = aibrix_cache_reserve_request(c->cache, &r, &l->id, &got);
	if (err) {
		l->id = 0;
		return err == AIBRIX_E_FULL || err == AIBRIX_E_STATE;
	}
	l->writing = 1;
	l->n = (uint32_t)got;
	if (!extent_check(c, l))
		return 0;
	for (uint32_t i = 0; i < l->n; i++) {
		src[i] = bytes[i];
		if (aibrix_cache_block(c->cache, l->id, i, &v))
			return 0;
		if (!v.data)
			continue;
		key = program_key(l->chain, i);
		if (p->versions[c->layout][key] < 255)
			p->versions[c->layout][key]++;
		l->version[i] = p->versions[c->layout][key];
		p->tails[c->layout][key][l->version[i]] =
			(uint8_t)lease_wants(l, i);
		program_fill(copies ? bytes[i] : v.data, c->layout, key,
			     l->version[i]);
	}
	if (copies && aibrix_cache_write(c->cache, l->id, 0, src, l->n))
		return 0;
	return got <= n;
}

static int
step_commit(struct program *p, struct naive_lease *l, int commit)
{
	struct naive_cache *c = &p->caches[l->cache];
	int want = l->writing ? AIBRIX_OK : AIBRIX_E_STATE;
	int err;

	err = commit ? aibrix_cache_commit(c->cache, l->id, p->now)
		     : aibrix_cache_abort(c->cache, l->id);
	if (err != want || err)
		return err == want;
	for (uint32_t i = 0; i < l->n; i++)
		if (commit && l->version[i])
			p->whole[c->layout][program_key(l->chain, i)]
				[l->version[i]] = 1;
	if (aibrix_cache_release(c->cache, l->id) != AIBRIX_E_NOT_FOUND)
		return 0;
	l->id = 0;
	return 1;
}

static int
step_release(struct program *p, struct naive_lease *l)
{
	int want = l->writing ? AIBRIX_E_STATE : AIBRIX_OK;
	int err = aibrix_cache_release(p->caches[l->cache].cache, l->id);

	if (!err)
		l->id = 0;
	return err == want;
}

static void
step_flip(struct naive_cache *c, uint32_t key, uint32_t at)
{
	aibrix_key name = {{0}};
	uint8_t *data;
	uint32_t slot;

	name.bytes[5] = (uint8_t)(key % PROGRAM_KEYS + 1);
	slot = aibrix__table_find(&c->cache->table, &name);
	if (slot == NONE || slot_state(&c->cache->slots[slot]) != SLOT_READY ||
	    slot_pins(&c->cache->slots[slot]))
		return;
	data = aibrix__l1_data(c->cache, slot);
	data[at % PROGRAM_BLOCK] ^= (uint8_t)(1 << at % 8);
}

/* The script grows by one and counting starts anew. */
static void
step_fault(struct program *p, uint32_t what, uint32_t at)
{
	static const int32_t status[] = {AIBRIX_E_IO, AIBRIX_E_NOT_FOUND,
					 AIBRIX_E_FULL, AIBRIX_E_TIMEOUT};
	struct store_fault *f;

	if (!p->store)
		return;
	if (p->n_faults == PROGRAM_FAULTS)
		p->n_faults = 0;
	f = &p->faults[p->n_faults++];
	f->kind = what % 4 + 1;
	f->op = f->kind == FAULT_CORRUPT ? AIBRIX_STORE_GET : what / 4 % 4;
	f->at = at % 8;
	f->arg = f->kind == FAULT_CORRUPT ? at : at % 5 + 1;
	f->status = status[at % 4];
	/* A store that says it has not what it has. */
	if (f->op == AIBRIX_STORE_DELETE && f->status == AIBRIX_E_NOT_FOUND)
		f->status = AIBRIX_E_IO;
	aibrix__store_faults(p->store, p->faults, p->n_faults);
}

static int
step_renew(struct program *p, uint32_t i)
{
	for (uint32_t j = 0; j < PROGRAM_LEASES; j++)
		if (p->leases[j].cache == i)
			p->leases[j].id = 0;
	return program_close(&p->caches[i]) && program_open(p, i);
}

/* Some are cancelled by another one's handle, or run to their end. */
static int
step_prefetch(struct program *p, uint32_t i, uint32_t what, uint32_t n)
{
	struct naive_cache *c = &p->caches[i];
	aibrix_key keys[PROGRAM_LENGTH];
	aibrix_cache_request r;
	uint64_t id = 0;
	int err;

	program_keys(what % PROGRAM_CHAINS, keys);
	r = program_request(p, what % PROGRAM_CHAINS, keys,
			    n % PROGRAM_LENGTH + 1, n & 16 ? 9 : 0);
	r.deadline_ns = what & 4 ? p->now + 3000 : 0;
	err = aibrix_cache_prefetch_request(c->cache, &r, &id);
	if (!p->store)
		return err == AIBRIX_E_UNSUPPORTED;
	if (err || !id)
		return !err || err == AIBRIX_E_FULL;
	if (c->prefetch && what & 8) {
		err = aibrix_cache_release(c->cache, c->prefetch);
		if (err && err != AIBRIX_E_NOT_FOUND)
			return 0;
	}
	c->prefetch = id;
	return 1;
}

/* Some removals are left to themselves. */
static int
removal_begin(struct program *p, struct naive_cache *c, uint64_t id, uint64_t n,
	      int leave)
{
	c->all_told += n;
	if (c->removal || leave)
		return aibrix_cache_release(c->cache, id) == AIBRIX_OK;
	c->removal = id;
	c->n_told = n;
	return p->store != NULL;
}

/* A key that comes from L2 just now; or this one. */
static uint32_t
key_coming(const aibrix_cache *cache, uint32_t key)
{
	for (uint32_t i = 0; i < cache->max_transfers; i++)
		if (cache->transfers[i].owner &&
		    cache->transfers[i].op == AIBRIX_STORE_GET &&
		    cache->transfers[i].lease != NONE)
			return cache->transfers[i].key.bytes[5] - 1u;
	return key;
}

/* All at once, or one after the other. */
static int
cache_clear(const struct program *p, aibrix_cache *cache)
{
	int err = program_shared(p) ? AIBRIX_OK
				    : aibrix_cache_clear(cache, p->now);

	for (uint32_t t = 0; program_shared(p) && t < PROGRAM_TENANTS; t++)
		err |= aibrix_cache_clear_tenant(cache, t, p->now);
	return err;
}

static int
step_clear(struct program *p, uint32_t i)
{
	struct naive_cache *c = &p->caches[i];
	aibrix_cache_stat s = {.size = sizeof(s)};

	if (cache_clear(p, c->cache) || aibrix_cache_stats(c->cache, &s))
		return 0;
	for (uint32_t key = 0; key < PROGRAM_KEYS && !p->store; key++)
		if (p->versions[c->layout][key] < 255)
			c->dead[key] = p->versions[c->layout][key];
	/* Nothing comes back of what was on its way; who waits for L2 may have
	 * taken the room of one tenant's blocks between two calls. */
	return s.l1_blocks == 0 &&
	       s.removed + s.evicted ==
		       c->stat.removed + c->stat.evicted + c->stat.l1_blocks;
}

/* Blocks that are there are gone, and counted. */
static int
step_remove(struct program *p, uint32_t i, uint32_t what, uint32_t n)
{
	struct naive_cache *c = &p->caches[i];
	uint32_t key = what % PROGRAM_KEYS, chain, from;
	uint32_t tiers = what & 32 ? AIBRIX_CACHE_L1 : 0;
	uint64_t deadline = what & 64 ? p->now + 2000 : 0, id = 7, had = 0;
	aibrix_key keys[PROGRAM_LENGTH];
	aibrix_cache_stat s = {.size = sizeof(s)};
	int err, l2 = p->store && !tiers;

	if (n & 128)
		key = key_coming(c->cache, key);
	chain = key / PROGRAM_LENGTH;
	from = key % PROGRAM_LENGTH;
	program_keys(chain, keys);
	n = n % (PROGRAM_LENGTH - from) + 1;
	for (uint32_t k = from; k < from + n; k++)
		had += aibrix_cache_lookup(c->cache, &keys[k], 1);
	err = aibrix_cache_remove(c->cache, keys + from, n, tiers, deadline,
				  p->now, &id);
	if (aibrix_cache_stats(c->cache, &s))
		return 0;
	if (l2 && i == 0 && (p->head[0] & 8))
		return err == AIBRIX_E_UNSUPPORTED && id == 7;
	if (err == AIBRIX_E_FULL)
		return l2 && id == 7 && s.removed == c->stat.removed;
	if (err != (l2 ? AIBRIX_E_AGAIN : AIBRIX_OK) || (id != 0) != l2 ||
	    s.removed != c->stat.removed + had)
		return 0;
	for (uint32_t k = from; k < from + n; k++) {
		key = program_key(chain, k);
		if (aibrix_cache_lookup(c->cache, &keys[k], 1))
			return 0;
		if ((!p->store || l2) && p->versions[c->layout][key] < 255)
			c->dead[key] = p->versions[c->layout][key];
	}
	return !id || removal_begin(p, c, id, n, what & 128);
}

/* With nothing left, L2 was asked about every block of L1 and has them, unless
 * it has evicted them since. */
static int
step_flush(struct program *p, uint32_t i, uint32_t wait)
{
	struct naive_cache *c = &p->caches[i];
	uint64_t left = 99;
	int err = aibrix_cache_flush(c->cache, p->now + wait * 100, p->now,
				     &left);

	if (!p->store || (i == 0 && (p->head[0] & 8)))
		return err == AIBRIX_E_UNSUPPORTED && left == 99;
	if (err)
		return left > 0 &&
		       (err == AIBRIX_E_TIMEOUT || err == AIBRIX_E_UNAVAILABLE);
	for (uint32_t s = 0; s < c->cache->capacity; s++)
		if (slot_state(&c->cache->slots[s]) == SLOT_READY &&
		    c->cache->slots[s].l2 != L2_HAS)
			return 0;
	return left == 0;
}

/* Those that are said to be there are the leading ones that L2 has taken. */
static int
step_hand_over(struct program *p, uint32_t i, uint32_t what, uint32_t n)
{
	struct naive_cache *c = &p->caches[i];
	aibrix_key keys[PROGRAM_LENGTH];
	uint64_t got = 99;
	uint32_t slot;
	int err;

	n = n % PROGRAM_LENGTH + 1;
	program_keys(what % PROGRAM_CHAINS, keys);
	err = aibrix_cache_hand_over(c->cache, keys, n,
				     p->now + what / 4 * 1000, p->now, &got);
	if (!p->store || (i == 0 && (p->head[0] & 8)))
		return err == AIBRIX_E_UNSUPPORTED && got == 99;
	if (err == AIBRIX_E_FULL)
		return got == 99;
	if ((err == AIBRIX_OK) != (got == n) || got > n)
		return 0;
	/* Unless they were evicted since. */
	for (uint32_t j = 0; j < got; j++) {
		slot = aibrix__table_find(&c->cache->table, &keys[j]);
		if (slot != NONE &&
		    slot_state(&c->cache->slots[slot]) == SLOT_READY &&
		    c->cache->slots[slot].l2 != L2_HAS)
			return 0;
	}
	return !err || err == AIBRIX_E_TIMEOUT || err == AIBRIX_E_UNAVAILABLE ||
	       err == AIBRIX_E_NOT_FOUND;
}

/* A version that the model believes in and nobody wrote. */
static void
model_damage(struct program *p)
{
	for (uint32_t i = 0; i < PROGRAM_LEASES; i++)
		if (p->leases[i].id && p->leases[i].settled)
			p->leases[i].version[0]++;
}

static int
step_on_lease(struct program *p, const uint8_t *step, uint32_t cache)
{
	struct naive_lease *l = &p->leases[step[1] % PROGRAM_LEASES];
	static const uint8_t tails[4] = {0, 0, 5, 9};
	uint32_t n = step[2] % PROGRAM_LENGTH + 1;

	switch (step[0] & 15) {
	case STEP_ACQUIRE:
	case STEP_ACQUIRE_LATE:
	case STEP_RESERVE:
		if (l->id)
			return 1;
		*l = (struct naive_lease){.cache = cache,
					  .chain = step[1] / PROGRAM_LEASES %
						   PROGRAM_CHAINS,
					  .asked = n,
					  .tail = tails[step[2] >> 3 & 3]};
		if ((step[0] & 15) == STEP_RESERVE)
			return step_reserve(p, l, n);
		return step_acquire(p, l, n,
				    (step[0] & 15) == STEP_ACQUIRE_LATE);
	case STEP_COMMIT: return !l->id || step_commit(p, l, 1);
	case STEP_ABORT: return !l->id || step_commit(p, l, 0);
	default: return !l->id || step_release(p, l);
	}
}

static int
program_step(struct program *p, const uint8_t *step, int damage)
{
	uint32_t cache = step[0] >> 4 & 1;
	uint64_t busy;

	p->op = step[0] & 15;
	if ((step[0] & 15) <= STEP_RELEASE)
		return step_on_lease(p, step, cache);
	switch (step[0] & 15) {
	case STEP_FLIP:
		step_flip(&p->caches[cache], step[1], step[2]);
		return 1;
	case STEP_FAULT: step_fault(p, step[1], step[2]); return 1;
	case STEP_TIME: p->now += step[1] * (uint64_t)step[2]; return 1;
	case STEP_RENEW: return step_renew(p, cache);
	case STEP_PREFETCH: return step_prefetch(p, cache, step[1], step[2]);
	case STEP_HAND_OVER: return step_hand_over(p, cache, step[1], step[2]);
	case STEP_FLUSH: return step_flush(p, cache, step[1]);
	case STEP_REMOVE:
		if ((step[2] & 0x78) == 0x78)
			return step_clear(p, cache);
		return step_remove(p, cache, step[1], step[2]);
	case STEP_DAMAGE:
		if (damage)
			model_damage(p);
		return 1;
	default:
		p->now += step[1];
		return aibrix_cache_poll(p->caches[cache].cache, p->now, 0,
					 &busy) == AIBRIX_OK;
	}
}

/* Nothing is on its way: what was queued for L2 was written, was there,
 * was refused, removed, or failed. */
static int
fates_known(const aibrix_cache_stat *s)
{
	uint64_t known =
		s->l2_written + s->l2_had + s->l2_refused + s->l2_unqueued;

	return s->l2_waiting == 0 && known <= s->l2_queued &&
	       s->l2_queued - known <= s->l2_errors;
}

/* Whatever happened, everything settles and nothing stays pinned. */
static int
program_drain(struct program *p)
{
	aibrix_cache_stat s = {.size = sizeof(s)};
	uint64_t busy[2] = {1, 1};

	for (int turn = 0; turn < 1000 && (busy[0] || busy[1]); turn++) {
		p->now += 100000;
		for (uint32_t i = 0; i < 2; i++)
			if (aibrix_cache_poll(p->caches[i].cache, p->now, 0,
					      &busy[i]))
				return 0;
	}
	if (busy[0] || busy[1] || !program_check(p))
		return 0;
	for (uint32_t i = 0; i < PROGRAM_LEASES; i++) {
		struct naive_lease *l = &p->leases[i];

		if (l->id && !(l->writing ? step_commit(p, l, 0)
					  : l->settled && step_release(p, l)))
			return 0;
	}
	if (!program_check(p))
		return 0;
	for (uint32_t i = 0; i < 2; i++)
		if (aibrix_cache_stats(p->caches[i].cache, &s) || s.l1_pinned ||
		    s.leases || !fates_known(&s))
			return 0;
	return 1;
}

static int
program_steps(struct program *p, const uint8_t *data, size_t len, int damage)
{
	size_t i;

	for (i = 3; i + 3 <= len; i += 3)
		if (!program_step(p, data + i, damage) || !program_check(p))
			return (int)i;
	return program_drain(p) ? PROGRAM_EQUAL : (int)i;
}

/* PROGRAM_EQUAL, or the byte at which cache and model differ. */
static int
program_run(const uint8_t *data, size_t len, int damage)
{
	struct program p = {.now = 1};
	aibrix_store_opts o = {.size = sizeof(o),
			       .value_bytes = FRAME_BYTES + PROGRAM_BLOCK,
			       .max_inflight = 6,
			       .timeout_ns = 50000,
			       .clock = program_clock,
			       .clock_ctx = &p};
	int at = 0;

	if (len < 3)
		return PROGRAM_EQUAL;
	memcpy(p.head, data, sizeof(p.head));
	o.capacity_bytes = 20 * o.value_bytes;
	if ((p.head[0] & 1) && aibrix_store_open(&o, &p.store))
		return 0;
	if (program_open(&p, 0) && program_open(&p, 1))
		at = program_steps(&p, data, len, damage);
	if (!program_close(&p.caches[0]) + !program_close(&p.caches[1]) &&
	    at == PROGRAM_EQUAL)
		at = (int)len;
	aibrix_store_free(p.store);
	return at;
}

#endif
