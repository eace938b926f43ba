/*
 * Tenants that share one L1, a thread or two for each, and another thread that
 * moves their quotas and drops them while they read, write and hold.  What is
 * read is what was written; nobody is above its ceiling but for what was held
 * when it came down; and when all have ended every slot is accounted for.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <aibrix/cache_tenant.h>

#include "base/rand.h"
#include "cache/cache_internal.h"
#include "chains.h"
#include "require.h"

enum { TENANTS = 4, THREADS = 5, ROUNDS = 3000, SLOTS = 96, SHARE = 20 };

struct worker {
	pthread_t thread;
	aibrix_cache *cache;
	uint32_t tenant;
	uint64_t seed, hits, refused;
};

static aibrix_cache_request
request_of(const struct worker *w, const aibrix_key *keys, uint64_t n)
{
	return (aibrix_cache_request){.size = sizeof(aibrix_cache_request),
				      .tenant = w->tenant,
				      .keys = keys,
				      .n = n,
				      .now_ns = 1};
}

static void
chain_read(struct worker *w, const aibrix_key *keys)
{
	const aibrix_cache_request r = request_of(w, keys, LENGTH);
	uint8_t bytes[LENGTH][BLOCK];
	void *dst[LENGTH];
	uint64_t lease, n, got;

	REQUIRE(!aibrix_cache_acquire_request(w->cache, &r, &lease, &n));
	for (uint64_t i = 0; i < n; i++)
		dst[i] = bytes[i];
	if (n)
		REQUIRE(!aibrix_cache_read(w->cache, lease, 0, dst, n, &got) &&
			got == n);
	for (uint64_t i = 0; i < n; i++)
		for (int b = 0; b < BLOCK; b++)
			REQUIRE(bytes[i][b] == byte_of(&keys[i]));
	w->hits += n;
	REQUIRE(!aibrix_cache_release(w->cache, lease));
}

static void
chain_write(struct worker *w, const aibrix_key *keys, int keep)
{
	const aibrix_cache_request r =
		request_of(w, keys, 1 + rand_below(&w->seed, LENGTH));
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, n;
	int err = aibrix_cache_reserve_request(w->cache, &r, &lease, &n);

	if (err == AIBRIX_E_FULL) {
		w->refused++;
		return;
	}
	REQUIRE(!err);
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(!aibrix_cache_block(w->cache, lease, i, &v));
		if (v.data)
			memset(v.data, byte_of(&keys[i]), BLOCK);
	}
	if (keep)
		REQUIRE(!aibrix_cache_commit(w->cache, lease, 1));
	else
		REQUIRE(!aibrix_cache_abort(w->cache, lease));
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	aibrix_key keys[LENGTH];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		keys_make(rand_below(&w->seed, CHAINS), keys);
		if (rand_below(&w->seed, 3))
			chain_read(w, keys);
		else
			chain_write(w, keys, rand_below(&w->seed, 8) != 0);
	}
	return NULL;
}

struct keeper {
	pthread_t thread;
	aibrix_cache *cache;
	_Atomic int end;
};

/* Guarantees of all tenants together are never more than L1. */
static void *
keep(void *arg)
{
	struct keeper *k = arg;
	aibrix_cache_tenant_stat s = {.size = sizeof(s)};
	aibrix_cache_quota q = {0};
	uint64_t seed = 5;

	while (!k->end) {
		q.tenant = rand_below(&seed, TENANTS);
		q.guaranteed = rand_below(&seed, SHARE);
		q.ceiling =
			rand_below(&seed, 2)
				? q.guaranteed + rand_below(&seed, SHARE) + 1
				: 0;
		REQUIRE(!aibrix_cache_set_quotas(k->cache, &q, 1));
		REQUIRE(!aibrix_cache_tenant_stats(k->cache, q.tenant, &s));
		REQUIRE(s.ceiling == q.ceiling && s.blocks <= SLOTS);
		if (rand_below(&seed, 4) == 0)
			REQUIRE(!aibrix_cache_clear_tenant(k->cache, q.tenant,
							   1));
	}
	return NULL;
}

static void
run(uint32_t evict)
{
	struct worker workers[THREADS] = {{0}};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)SLOTS * BLOCK,
			       .evict = evict,
			       .tenants = TENANTS};
	aibrix_cache_tenant_stat s = {.size = sizeof(s)};
	uint64_t asked = 0, hits = 0, refused = 0;
	struct keeper keeper = {0};

	REQUIRE(!aibrix_cache_new(&o, &keeper.cache));
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].cache = keeper.cache;
		workers[i].tenant = i % TENANTS;
		workers[i].seed = i + 1;
		REQUIRE(!pthread_create(&workers[i].thread, NULL, work,
					&workers[i]));
	}
	REQUIRE(!pthread_create(&keeper.thread, NULL, keep, &keeper));
	for (uint32_t i = 0; i < THREADS; i++) {
		REQUIRE(!pthread_join(workers[i].thread, NULL));
		hits += workers[i].hits;
		refused += workers[i].refused;
	}
	keeper.end = 1;
	REQUIRE(!pthread_join(keeper.thread, NULL));
	REQUIRE(!aibrix__cache_check(keeper.cache));
	for (uint32_t i = 0; i < TENANTS; i++) {
		const aibrix_cache_quota q = {.tenant = i, .ceiling = SHARE};

		REQUIRE(!aibrix_cache_set_quotas(keeper.cache, &q, 1));
		REQUIRE(!aibrix_cache_tenant_stats(keeper.cache, i, &s));
		REQUIRE(s.blocks <= SHARE);
		asked += s.asked;
		hits -= s.hits_l1;
		refused = refused < s.no_room ? 0 : refused - s.no_room;
	}
	/* Each hit and each question is somebody's. */
	REQUIRE(hits == 0 && refused == 0 && asked % LENGTH == 0 && asked);
	aibrix_cache_free(keeper.cache);
}

int
main(void)
{
	run(AIBRIX_EVICT_LRU);
	run(AIBRIX_EVICT_S3FIFO);
	return 0;
}
