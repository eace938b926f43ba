/*
 * Random programs on a server that is being broken at random, for minutes;
 * then the same through a cache whose L2 that is.
 *
 *   store_soak [SECONDS of each [SEED]]
 *
 * Every few seconds the server has a rest: then hits come back within a
 * bound, and with nothing in flight memory and descriptors are as they were
 * at the first rest.  At no time is there a wrong byte, a request without an
 * end, or one that is 20 times too late.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "cases.h"
#include "net_load.h"
#include "soak.h"

enum {
	RECOVERY_MS = 8000, /* 20 times what a node may be left alone */
	STORM_MS = 6000,
	CHAINS = 64,
	CHAIN_BLOCKS = 16,
	BLOCK = 16384,
	L1_BLOCKS = 96,
	LEASES = 4
};

static uint32_t seconds = 120;
static uint64_t first_seed = 20261121;

/* ---- a store */

static void
store_soak(void)
{
	static struct soak s;
	static struct load load;

	soak_open(&s, seconds, first_seed, CHAOS_ALL);
	load_open(&load, s.store, s.seed);
	load_fill(&load);
	load.allowed = LOAD_FAULTS | LOAD_BIT(AIBRIX_E_FULL) |
		       LOAD_BIT(AIBRIX_E_DENIED);
	while (load_now_ns() < s.end_ns && load.broken == 0) {
		uint64_t ms;

		chaos_go(&s.chaos);
		load_run(&load, STORM_MS);
		chaos_calm(&s.chaos);
		while (!soak_calm(&s))
			load_run(&load, 5);
		ms = load_until_hit(&load, RECOVERY_MS);
		expect(ms <= RECOVERY_MS, "no hit for %d ms", RECOVERY_MS);
		load_run(&load, 300);
		load_drain(&load);
		soak_rest(&s);
	}
	load_drain(&load);
	soak_close(&s);
	load_close(&load);
	expect(load.broken == 0, "%u things not as promised", load.broken);
	expect(load.hits > 0, "hits");
}

/* ---- a cache */

struct lease {
	uint64_t id; /* 0: none */
	uint64_t start_ns;
	uint32_t chain;
};

struct reader {
	aibrix_cache *cache;
	struct lease leases[LEASES];
	uint64_t seed;
};

static uint32_t
block_number(uint32_t chain, uint64_t i)
{
	return chain * 1000 + (uint32_t)i;
}

static void
keys_of(uint32_t chain, aibrix_key keys[CHAIN_BLOCKS])
{
	memset(keys, 0, CHAIN_BLOCKS * sizeof(*keys));
	for (uint32_t i = 0; i < CHAIN_BLOCKS; i++) {
		uint32_t number = block_number(chain, i);

		keys[i].bytes[0] = 1;
		memcpy(keys[i].bytes + 4, &number, sizeof(number));
	}
}

static aibrix_cache_stat
cache_stat(aibrix_cache *cache)
{
	aibrix_cache_stat stat = {.size = sizeof(stat)};

	if (aibrix_cache_stats(cache, &stat))
		case_abort("statistics");
	return stat;
}

static aibrix_cache_view
view_of(struct reader *r, uint64_t lease, uint64_t i)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	int err = aibrix_cache_block(r->cache, lease, i, &view);

	if (err)
		case_abort("block: %s", aibrix_error_name(err));
	return view;
}

static void
chain_write(struct reader *r, uint32_t chain)
{
	aibrix_key keys[CHAIN_BLOCKS];
	uint64_t lease, n, now = load_now_ns();
	int err;

	keys_of(chain, keys);
	err = aibrix_cache_reserve(r->cache, keys, NULL, CHAIN_BLOCKS, now,
				   &lease, &n);
	/* All of L1 waits for L2, or is held. */
	if (err == AIBRIX_E_FULL)
		return;
	if (err)
		case_abort("reserve: %s", aibrix_error_name(err));
	for (uint64_t i = 0; i < n; i++) {
		aibrix_cache_view view = view_of(r, lease, i);

		if (view.data)
			load_value(block_number(chain, i), view.data, BLOCK);
	}
	err = rand_below(&r->seed, 16)
		      ? aibrix_cache_commit(r->cache, lease, now)
		      : aibrix_cache_abort(r->cache, lease);
	expect(err == AIBRIX_OK, "%s", aibrix_error_name(err));
}

static void
chain_read(struct reader *r, struct lease *l, uint32_t chain)
{
	aibrix_key keys[CHAIN_BLOCKS];
	uint64_t n;
	int err;

	keys_of(chain, keys);
	l->chain = chain;
	l->start_ns = load_now_ns();
	err = aibrix_cache_acquire(r->cache, keys, CHAIN_BLOCKS,
				   l->start_ns + LOAD_DEADLINE_NS, l->start_ns,
				   &l->id, &n);
	if (err != AIBRIX_OK && err != AIBRIX_E_AGAIN)
		case_abort("acquire: %s", aibrix_error_name(err));
}

static void
lease_look(struct reader *r, struct lease *l)
{
	uint64_t n = 0, ms = (load_now_ns() - l->start_ns) / 1000000u;
	int err = aibrix_cache_state(r->cache, l->id, &n);

	expect(ms <= 20 * LOAD_DEADLINE_NS / 1000000u, "%llu ms",
	       (unsigned long long)ms);
	/* Some are given up on the way. */
	if (err == AIBRIX_E_AGAIN && rand_below(&r->seed, 64))
		return;
	for (uint64_t i = 0; err == AIBRIX_OK && i < n; i++) {
		aibrix_cache_view view = view_of(r, l->id, i);

		expect(load_value_is(block_number(l->chain, i), view.data,
				     BLOCK),
		       "block %llu of chain %u has wrong bytes",
		       (unsigned long long)i, l->chain);
	}
	err = aibrix_cache_release(r->cache, l->id);
	expect(err == AIBRIX_OK, "%s", aibrix_error_name(err));
	l->id = 0;
}

static void
cache_step(struct reader *r)
{
	uint64_t busy;

	for (uint32_t i = 0; i < LEASES; i++) {
		struct lease *l = &r->leases[i];

		if (l->id)
			lease_look(r, l);
		else
			chain_read(r, l, rand_below(&r->seed, CHAINS));
	}
	if (rand_below(&r->seed, 4) == 0)
		chain_write(r, rand_below(&r->seed, CHAINS));
	if (aibrix_cache_poll(r->cache, load_now_ns(), 2000000, &busy))
		case_abort("poll");
}

/* No lease and no transfer. */
static void
cache_drain(struct reader *r)
{
	uint64_t start = load_now_ns(), busy = 1;
	uint32_t held = 1;

	while ((busy || held) &&
	       load_now_ns() - start < 40 * LOAD_DEADLINE_NS) {
		held = 0;
		for (uint32_t i = 0; i < LEASES; i++) {
			if (r->leases[i].id)
				lease_look(r, &r->leases[i]);
			held += r->leases[i].id != 0;
		}
		if (aibrix_cache_poll(r->cache, load_now_ns(), 10000000, &busy))
			case_abort("poll");
	}
	expect(busy == 0 && held == 0, "%llu transfers, %u leases",
	       (unsigned long long)busy, held);
	expect(cache_stat(r->cache).l1_pinned == 0, "pinned blocks");
}

static void
cache_run(struct reader *r, uint64_t ms)
{
	uint64_t end = load_now_ns() + ms * 1000000u;

	while (load_now_ns() < end)
		cache_step(r);
}

/* Values that L2 took, or had. */
static uint64_t
written(const struct soak *s, struct reader *r)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};

	if (aibrix_store_stats(s->store, &stat))
		case_abort("statistics");
	return cache_stat(r->cache).l2_written + stat.existed;
}

/* Blocks are written to the server, and read from there. */
static void
cache_recovers(const struct soak *s, struct reader *r)
{
	const uint64_t reads = cache_stat(r->cache).hits_l2;
	const uint64_t writes = written(s, r), start = load_now_ns();

	while ((cache_stat(r->cache).hits_l2 == reads ||
		written(s, r) == writes) &&
	       load_now_ns() - start < RECOVERY_MS * UINT64_C(1000000))
		cache_run(r, 5);
	expect(cache_stat(r->cache).hits_l2 > reads, "no hits of L2");
	expect(written(s, r) > writes, "nothing is written to L2");
}

static void
cache_open(struct reader *r, struct soak *s)
{
	const aibrix_cache_opts opts = {.size = sizeof(opts),
					.block_bytes = BLOCK,
					.l1_bytes = L1_BLOCKS * BLOCK,
					.l2 = s->store,
					.alloc = &s->alloc};
	int err = aibrix_cache_new(&opts, &r->cache);

	if (err)
		case_abort("cache: %s", aibrix_error_name(err));
	r->seed = s->seed;
}

static void
cache_soak(void)
{
	static struct soak s;
	static struct reader r;
	aibrix_cache_stat stat;

	soak_open(&s, seconds, first_seed + 1, CHAOS_ALL);
	cache_open(&r, &s);
	while (load_now_ns() < s.end_ns) {
		chaos_go(&s.chaos);
		cache_run(&r, STORM_MS);
		chaos_calm(&s.chaos);
		while (!soak_calm(&s))
			cache_run(&r, 5);
		cache_recovers(&s, &r);
		cache_drain(&r);
		soak_rest(&s);
	}
	stat = cache_stat(r.cache);
	printf("# %llu hits of L1, %llu of L2, %llu written, %llu refused, "
	       "%llu faults\n",
	       (unsigned long long)stat.hits_l1,
	       (unsigned long long)stat.hits_l2,
	       (unsigned long long)stat.l2_written,
	       (unsigned long long)stat.l2_refused,
	       (unsigned long long)stat.l2_errors);
	expect(stat.corrupt_l1 == 0 && stat.corrupt_l2 == 0,
	       "%llu and %llu corrupt", (unsigned long long)stat.corrupt_l1,
	       (unsigned long long)stat.corrupt_l2);
	expect(stat.leases == 0, "%u leases", stat.leases);
	aibrix_cache_free(r.cache);
	soak_close(&s);
}

static const struct fault_case cases[] = {
	{"a store survives a server with bad luck", store_soak},
	{"a cache survives an L2 with bad luck", cache_soak},
};

int
main(int argc, char **argv)
{
	if (argc > 1)
		seconds = (uint32_t)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	return cases_run(cases, 2, NULL, seconds + 60);
}
