#include "cache_tools.h"
#include "each_failure.h"

/* Write a chain and read it; E_NOMEM leaves the cache as it was. */
static int
cache_write(aibrix_cache *cache)
{
	uint8_t bytes[5][BLOCK];
	const void *src[5];
	uint64_t lease = 7, n = 7;
	int err = aibrix_cache_reserve_tail(cache, chain(1), NULL, 5, 7, 1,
					    &lease, &n);

	check(cache);
	if (err) {
		cr_assert(lease == 7 && n == 7, "outputs are untouched");
		return err;
	}
	for (uint64_t i = 0; i < n; i++) {
		memset(bytes[i], byte_of(1, i), BLOCK);
		src[i] = bytes[i];
	}
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, src, n), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
	return AIBRIX_OK;
}

/* Without L2 there is nothing to hand over to. */
static int
cache_hand_over(aibrix_cache *cache)
{
	uint64_t n = 7;
	int err = aibrix_cache_hand_over(cache, chain(1), 5, 1, 1, &n);

	check(cache);
	if (err == AIBRIX_OK)
		cr_assert_eq(n, 5);
	else
		cr_assert_eq(n, 7, "outputs are untouched");
	return err == AIBRIX_E_UNSUPPORTED ? AIBRIX_OK : err;
}

static int
cache_read(aibrix_cache *cache)
{
	uint8_t bytes[5][BLOCK];
	void *dst[5];
	uint64_t lease = 7, n = 7;
	int err = aibrix_cache_acquire_tail(cache, chain(1), 5, 7, 0, 1, &lease,
					    &n);

	check(cache);
	if (err == AIBRIX_E_NOMEM) {
		cr_assert(lease == 7 && n == 7, "outputs are untouched");
		return err;
	}
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_assert_eq(n, 5);
	for (uint32_t i = 0; i < 5; i++)
		dst[i] = bytes[i];
	cr_assert_eq(aibrix_cache_read(cache, lease, 0, dst, 5, &n), AIBRIX_OK);
	cr_assert_eq(bytes[4][BLOCK - 1], byte_of(1, 4));
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	return AIBRIX_OK;
}

static int
cache_lose(aibrix_cache *cache)
{
	uint64_t lease = 7, n = 1;
	int err = aibrix_cache_remove(cache, chain(1) + 1, 2, 0, 0, 1, &lease);

	check(cache);
	if (err == AIBRIX_E_NOMEM) {
		cr_assert(lease == 7, "outputs are untouched");
		cr_assert_eq(aibrix_cache_lookup(cache, chain(1), 5), 5);
		return err;
	}
	settle_all(cache, 1);
	if (err) {
		cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
		cr_assert_eq(n, 2);
		cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	}
	cr_assert_eq(aibrix_cache_lookup(cache, chain(1), 5), 1);
	return AIBRIX_OK;
}

struct cache_case {
	int with_store;
	uint32_t policy, tenants;
};

/* From birth to death; a call that failed succeeds when asked again. */
static int
cache_live(const aibrix_allocator *a, const struct cache_case *c,
	   aibrix_store *store)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .alloc = a,
			       .evict = c->policy,
			       .tenants = c->tenants};
	aibrix_cache *cache = NULL;
	int err = aibrix_cache_new(&o, &cache), again, lost;

	if (err) {
		cr_assert_null(cache, "output untouched on failure");
		return err;
	}
	err = aibrix_cache_events_begin(cache);
	if (err) {
		cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
		aibrix_cache_free(cache);
		return err;
	}
	err = cache_write(cache);
	if (err)
		cr_assert_eq(cache_write(cache), AIBRIX_OK);
	again = cache_hand_over(cache);
	if (again)
		cr_assert_eq(cache_hand_over(cache), AIBRIX_OK);
	err = err ? err : again;
	again = cache_read(cache);
	if (again)
		cr_assert_eq(cache_read(cache), AIBRIX_OK);
	lost = cache_lose(cache);
	if (lost)
		cr_assert_eq(cache_lose(cache), AIBRIX_OK);
	aibrix_cache_free(cache);
	return err ? err : again ? again : lost;
}

static int
cache_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	const struct cache_case *c = arg;
	aibrix_store *store = c->with_store ? new_store(8) : NULL;
	int err = cache_live(a, c, store);

	(void)f;
	aibrix_store_free(store);
	return err;
}

Test(cache, survives_every_allocation_failure)
{
	each_failure(cache_use, &(struct cache_case){0, AIBRIX_EVICT_LRU, 0});
}

Test(cache, with_l2_survives_every_allocation_failure)
{
	each_failure(cache_use, &(struct cache_case){1, AIBRIX_EVICT_LRU, 0});
}

Test(cache, with_tenants_survives_every_allocation_failure)
{
	static const uint32_t policies[] = {
		AIBRIX_EVICT_LRU, AIBRIX_EVICT_S3FIFO, AIBRIX_EVICT_FIFO,
		AIBRIX_EVICT_ARC, AIBRIX_EVICT_SIEVE,  AIBRIX_EVICT_AUTO};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		each_failure(cache_use,
			     &(struct cache_case){1, policies[i], 3});
}
