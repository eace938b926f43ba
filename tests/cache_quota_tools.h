/* What the tests of tenants share: requests in somebody's name. */
#ifndef TESTS_CACHE_QUOTA_TOOLS_H
#define TESTS_CACHE_QUOTA_TOOLS_H

#include <aibrix/cache_tenant.h>

#include "cache_tools.h"

static inline aibrix_cache *
tenants_cache(uint32_t blocks, uint32_t tenants, uint32_t policy,
	      aibrix_store *l2)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .evict = policy,
			       .l2 = l2,
			       .tenants = tenants};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static inline aibrix_cache_request
request_of(uint32_t tenant, uint32_t c, uint64_t n)
{
	return (aibrix_cache_request){.size = sizeof(aibrix_cache_request),
				      .tenant = tenant,
				      .keys = chain(c),
				      .n = n,
				      .now_ns = 1};
}

/* Blocks of chain c in the tenant's name; how many are then there, and *err
 * why there are no more. */
static inline uint64_t
hold_for(aibrix_cache *cache, uint32_t tenant, uint32_t c, uint64_t n,
	 uint64_t *lease)
{
	const aibrix_cache_request r = request_of(tenant, c, n);
	uint64_t got = 0;
	int err = aibrix_cache_reserve_request(cache, &r, lease, &got);

	check(cache);
	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_FULL);
	for (uint64_t i = 0; i < got; i++) {
		aibrix_cache_view v = view_of(cache, *lease, i);

		if (v.data)
			memset(v.data, byte_of(c, i), BLOCK);
	}
	return got;
}

static inline uint64_t
put_for(aibrix_cache *cache, uint32_t tenant, uint32_t c, uint64_t n)
{
	uint64_t lease = 0, got = hold_for(cache, tenant, c, n, &lease);

	if (got)
		cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	return got;
}

static inline uint64_t
get_for(aibrix_cache *cache, uint32_t tenant, uint32_t c, uint64_t n,
	uint64_t *lease)
{
	const aibrix_cache_request r = request_of(tenant, c, n);
	uint64_t got = 0;
	int err = aibrix_cache_acquire_request(cache, &r, lease, &got);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	if (err)
		settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, *lease, &got), AIBRIX_OK);
	for (uint64_t i = 0; i < got; i++)
		cr_assert_eq(*(uint8_t *)view_of(cache, *lease, i).data,
			     byte_of(c, i));
	check(cache);
	return got;
}

static inline uint64_t
use_for(aibrix_cache *cache, uint32_t tenant, uint32_t c, uint64_t n)
{
	uint64_t lease, got = get_for(cache, tenant, c, n, &lease);

	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	return got;
}

static inline uint64_t
has(aibrix_cache *cache, uint32_t c)
{
	return aibrix_cache_lookup(cache, chain(c), CHAIN_MAX);
}

static inline void
quota(aibrix_cache *cache, uint32_t tenant, uint64_t guaranteed,
      uint64_t ceiling)
{
	const aibrix_cache_quota q = {
		.tenant = tenant, .guaranteed = guaranteed, .ceiling = ceiling};

	cr_assert_eq(aibrix_cache_set_quotas(cache, &q, 1), AIBRIX_OK);
	check(cache);
}

static inline aibrix_cache_tenant_stat
tenant_stat(aibrix_cache *cache, uint32_t tenant)
{
	aibrix_cache_tenant_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_cache_tenant_stats(cache, tenant, &s), AIBRIX_OK);
	cr_assert_eq(s.tenant, tenant);
	return s;
}

#endif
