/*
 * Several tenants in one L1: who gives a block up when another one needs it,
 * and what each is charged for.
 */
#include "cache_quota_tools.h"

#include "base/rand.h"

enum { A = 1, B = 2, C = 3 };

static const uint32_t policies[] = {AIBRIX_EVICT_LRU,   AIBRIX_EVICT_S3FIFO,
				    AIBRIX_EVICT_FIFO,  AIBRIX_EVICT_ARC,
				    AIBRIX_EVICT_SIEVE, AIBRIX_EVICT_AUTO};
enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

Test(cache_quotas, a_tenant_at_its_ceiling_gives_up_its_own_oldest)
{
	aibrix_cache *cache = tenants_cache(16, 3, AIBRIX_EVICT_LRU, NULL);

	quota(cache, A, 0, 4);
	cr_expect_eq(put_for(cache, B, 9, 4), 4); /* older than all of A's */
	cr_expect_eq(put_for(cache, A, 1, 2), 2);
	cr_expect_eq(put_for(cache, A, 2, 2), 2);
	cr_expect_eq(use_for(cache, A, 1, 2), 2);
	cr_expect_eq(put_for(cache, A, 3, 2), 2);
	cr_expect_eq(has(cache, 1), 2);
	cr_expect_eq(has(cache, 2), 0);
	cr_expect_eq(has(cache, 3), 2);
	cr_expect_eq(has(cache, 9), 4, "there was room elsewhere");
	cr_expect_eq(tenant_stat(cache, A).blocks, 4);
	cr_expect_eq(tenant_stat(cache, A).evicted, 2);
	cr_expect_eq(tenant_stat(cache, A).given, 0);
	cr_expect_eq(stat_of(cache).evicted, 2);
	/* A prompt that is longer than it may have: its first blocks. */
	cr_expect_eq(put_for(cache, A, 4, 9), 4);
	cr_expect_eq(has(cache, 4), 4);
	cr_expect_eq(tenant_stat(cache, A).no_room, 5);
	aibrix_cache_free(cache);
}

Test(cache_quotas, a_flood_never_takes_what_another_one_is_guaranteed)
{
	for (uint32_t k = 0; k < POLICIES; k++) {
		aibrix_cache *cache = tenants_cache(16, 3, policies[k], NULL);

		quota(cache, A, 5, 0);
		cr_expect_eq(put_for(cache, A, 1, 5), 5);
		for (uint32_t c = 100; c < 140; c++)
			cr_expect_eq(put_for(cache, B, c, 3), 3);
		cr_expect_eq(has(cache, 1), 5, "policy %u", policies[k]);
		cr_expect_eq(tenant_stat(cache, A).evicted, 0);
		cr_expect_eq(tenant_stat(cache, B).blocks, 11);
		aibrix_cache_free(cache);
	}
}

Test(cache_quotas, what_was_lent_comes_back_when_it_is_asked_for)
{
	for (uint32_t k = 0; k < POLICIES; k++) {
		aibrix_cache *cache = tenants_cache(16, 4, policies[k], NULL);

		quota(cache, A, 6, 0);
		quota(cache, C, 2, 0);
		cr_expect_eq(put_for(cache, C, 3, 2), 2);
		cr_expect_eq(put_for(cache, B, 2, 14), 14, "nobody used it");
		cr_expect_eq(put_for(cache, A, 1, 6), 6);
		cr_expect_eq(tenant_stat(cache, A).blocks, 6);
		cr_expect_eq(tenant_stat(cache, B).blocks, 8);
		cr_expect_eq(tenant_stat(cache, B).given, 6);
		cr_expect_eq(has(cache, 3), 2);
		aibrix_cache_free(cache);
	}
}

/* What nobody is guaranteed goes to whom it is used by, as if there were no
 * tenants: to the block what a cache of one tenant does. */
Test(cache_quotas, without_quotas_the_least_recently_used_of_all_goes)
{
	aibrix_cache *cache = tenants_cache(24, 5, AIBRIX_EVICT_LRU, NULL);
	aibrix_cache *one = new_cache(24, NULL);
	uint64_t seed = 11, n;
	uint32_t c;

	for (int i = 0; i < 3000; i++) {
		c = rand_below(&seed, 12);
		n = 1 + rand_below(&seed, 6);
		if (rand_below(&seed, 3)) {
			cr_assert_eq(use_for(cache, c % 5, c, n),
				     count_blocks(one, c, n));
		} else {
			cr_assert_eq(put_for(cache, c % 5, c, n),
				     put_blocks(one, c, n));
		}
		for (c = 0; c < 12; c++)
			cr_assert_eq(has(cache, c), has(one, c), "step %d", i);
	}
	cr_expect_gt(stat_of(one).evicted, 1000u);
	cr_expect_eq(stat_of(one).evicted, stat_of(cache).evicted);
	cr_expect_eq(stat_of(one).hits_l1, stat_of(cache).hits_l1);
	aibrix_cache_free(one);
	aibrix_cache_free(cache);
}

Test(cache_quotas, what_is_pinned_is_refused_and_counted)
{
	aibrix_cache *cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, NULL);
	uint64_t lease[2], none = 0;

	quota(cache, A, 0, 3);
	cr_expect_eq(hold_for(cache, A, 1, 3, &lease[0]), 3);
	cr_expect_eq(hold_for(cache, A, 2, 2, &none), 0);
	cr_expect_eq(none, 0);
	cr_expect_eq(tenant_stat(cache, A).no_room, 2);
	cr_expect_eq(stat_of(cache).no_room, 2);
	/* Others have room. */
	cr_expect_eq(hold_for(cache, B, 3, 5, &lease[1]), 5);
	/* Guaranteed, and all that is above is being written. */
	quota(cache, C - 3, 2, 0);
	cr_expect_eq(hold_for(cache, 0, 4, 2, &none), 0);
	cr_assert_eq(aibrix_cache_abort(cache, lease[0]), AIBRIX_OK);
	cr_expect_eq(hold_for(cache, 0, 4, 2, &none), 2);
	cr_assert_eq(aibrix_cache_commit(cache, none, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease[1], 1), AIBRIX_OK);
	cr_expect_eq(tenant_stat(cache, 0).blocks, 2);
	cr_expect_eq(tenant_stat(cache, A).blocks, 0);
	aibrix_cache_free(cache);
}

Test(cache_quotas, one_of_its_own_goes_where_nobody_is_above_its_guarantee)
{
	aibrix_cache *cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, NULL);

	quota(cache, A, 4, 0);
	quota(cache, B, 4, 0);
	cr_expect_eq(put_for(cache, A, 1, 4), 4);
	cr_expect_eq(put_for(cache, B, 2, 4), 4);
	cr_expect_eq(put_for(cache, A, 3, 1), 1);
	cr_expect_eq(has(cache, 1), 3);
	cr_expect_eq(has(cache, 2), 4);
	/* Who is guaranteed nothing finds nothing. */
	cr_expect_eq(put_for(cache, 0, 4, 1), 0);
	cr_expect_eq(tenant_stat(cache, 0).no_room, 1);
	aibrix_cache_free(cache);
}

Test(cache_quotas, a_block_under_one_name_is_whose_it_was_first)
{
	aibrix_cache *cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, NULL);
	uint64_t lease;

	cr_expect_eq(put_for(cache, A, 1, 3), 3);
	cr_expect_eq(put_for(cache, B, 1, 4), 4);
	cr_expect_eq(tenant_stat(cache, A).blocks, 3);
	cr_expect_eq(tenant_stat(cache, B).blocks, 1);
	cr_expect_eq(tenant_stat(cache, B).stored, 1);
	cr_expect_eq(use_for(cache, B, 1, 5), 4);
	cr_expect_eq(tenant_stat(cache, B).asked, 5);
	cr_expect_eq(tenant_stat(cache, B).hits_l1, 4);
	cr_expect_eq(tenant_stat(cache, A).hits_l1, 0);
	/* Its owner leaves, and a reader keeps what it holds until then. */
	cr_expect_eq(get_for(cache, B, 1, 4, &lease), 4);
	cr_assert_eq(aibrix_cache_clear_tenant(cache, A, 1), AIBRIX_OK);
	cr_expect_eq(has(cache, 1), 0);
	cr_expect_eq(*(uint8_t *)view_of(cache, lease, 0).data, byte_of(1, 0));
	cr_expect_eq(tenant_stat(cache, A).blocks, 3, "it is held");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(tenant_stat(cache, A).blocks, 0);
	cr_expect_eq(tenant_stat(cache, B).blocks, 1);
	check(cache);
	aibrix_cache_free(cache);
}

Test(cache_quotas, one_tenant_is_dropped_in_one_call)
{
	aibrix_cache *cache = tenants_cache(600, 3, AIBRIX_EVICT_LRU, NULL);
	aibrix_cache_event *told = calloc(1200, sizeof(*told));
	uint64_t lease, open;
	uint32_t n = 0, removed = 0;

	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	quota(cache, A, 3, 400);
	cr_expect_eq(put_for(cache, A, 1, 300), 300);
	cr_expect_eq(put_for(cache, B, 2, 200), 200);
	cr_expect_eq(hold_for(cache, A, 3, 4, &open), 4);
	cr_expect_eq(get_for(cache, A, 1, 2, &lease), 2);
	cr_assert_eq(aibrix_cache_events(cache, told, 1200, &n), AIBRIX_OK);
	cr_expect_eq(n, 500);

	cr_assert_eq(aibrix_cache_clear_tenant(cache, A, 1), AIBRIX_OK);
	check(cache);
	cr_expect_eq(has(cache, 1), 0);
	cr_expect_eq(has(cache, 2), 200);
	cr_expect_eq(tenant_stat(cache, A).removed, 300);
	cr_expect_eq(tenant_stat(cache, A).blocks, 6, "held and reserved");
	cr_assert_eq(aibrix_cache_commit(cache, open, 1), AIBRIX_OK);
	cr_expect_eq(has(cache, 3), 0, "reserved before");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(tenant_stat(cache, A).blocks, 0);
	cr_expect_eq(tenant_stat(cache, A).guaranteed, 3);
	cr_expect_eq(tenant_stat(cache, A).ceiling, 400);
	cr_assert_eq(aibrix_cache_events(cache, told, 1200, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		removed += told[i].type == AIBRIX_CACHE_REMOVED;
	cr_expect_eq(n, 300);
	cr_expect_eq(removed, 300);
	check(cache);
	free(told);
	aibrix_cache_free(cache);
}

Test(cache_quotas, a_lower_ceiling_takes_effect_at_once)
{
	aibrix_cache *cache = tenants_cache(600, 2, AIBRIX_EVICT_LRU, NULL);
	uint64_t lease;

	cr_expect_eq(put_for(cache, A, 1, 500), 500);
	cr_expect_eq(put_for(cache, 0, 2, 50), 50);
	cr_expect_eq(get_for(cache, A, 1, 10, &lease), 10);
	quota(cache, A, 0, 40);
	cr_expect_eq(tenant_stat(cache, A).blocks, 40);
	cr_expect_eq(has(cache, 1), 40, "the last of the chain go first");
	quota(cache, A, 0, 4);
	cr_expect_eq(tenant_stat(cache, A).blocks, 10, "these are held");
	cr_expect_eq(put_for(cache, A, 3, 1), 0);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(put_for(cache, A, 3, 1), 1);
	cr_expect_eq(tenant_stat(cache, A).blocks, 4);
	cr_expect_eq(has(cache, 2), 50);
	quota(cache, A, 0, 0);
	cr_expect_eq(put_for(cache, A, 4, 60), 60);
	aibrix_cache_free(cache);
}

Test(cache_quotas, quotas_are_all_set_or_none)
{
	const aibrix_cache_quota good = {.tenant = 0, .guaranteed = 3};
	static const struct {
		aibrix_cache_quota q;
		int err;
	} bad[] = {
		{{.tenant = 3}, AIBRIX_E_INVAL},
		{{.tenant = 0, .guaranteed = 1}, AIBRIX_E_INVAL}, /* twice */
		{{.tenant = 1, .guaranteed = 5, .ceiling = 4}, AIBRIX_E_INVAL},
		{{.tenant = 1, .guaranteed = 6}, AIBRIX_E_INVAL}, /* 3 + 6 */
		{{.tenant = 1, .guaranteed = UINT64_MAX}, AIBRIX_E_INVAL},
		{{.tenant = 1, .spare = 1}, AIBRIX_E_ABI},
		{{.tenant = 1, .more = 1}, AIBRIX_E_ABI},
	};
	aibrix_cache *cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, NULL);
	aibrix_cache_quota both[2] = {good};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		both[1] = bad[i].q;
		cr_expect_eq(aibrix_cache_set_quotas(cache, both, 2),
			     bad[i].err, "%zu", i);
		cr_expect_eq(tenant_stat(cache, 0).guaranteed, 0);
	}
	both[1] = (aibrix_cache_quota){
		.tenant = 2, .guaranteed = 5, .ceiling = 99};
	cr_expect_eq(aibrix_cache_set_quotas(cache, both, 2), AIBRIX_OK);
	cr_expect_eq(tenant_stat(cache, 0).guaranteed, 3);
	cr_expect_eq(tenant_stat(cache, 2).ceiling, 99);
	/* Moved from one to the other in one call. */
	both[0].guaranteed = 8;
	both[1].guaranteed = 0;
	cr_expect_eq(aibrix_cache_set_quotas(cache, both, 2), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_set_quotas(cache, NULL, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_set_quotas(cache, NULL, 0), AIBRIX_OK);
	aibrix_cache_free(cache);
}

Test(cache_quotas, a_request_is_of_a_tenant_that_there_is)
{
	aibrix_cache *cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, NULL);
	aibrix_cache *one = new_cache(8, NULL);
	aibrix_cache_tenant_stat s = {.size = sizeof(s)};
	aibrix_cache_request r = request_of(3, 1, 2);
	uint64_t lease, n;

	cr_expect_eq(aibrix_cache_reserve_request(cache, &r, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_acquire_request(cache, &r, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_clear_tenant(cache, 3, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_tenant_stats(cache, 3, &s), AIBRIX_E_INVAL);
	r.tenant = 2;
	r.spare = 1;
	cr_expect_eq(aibrix_cache_reserve_request(cache, &r, &lease, &n),
		     AIBRIX_E_ABI);
	/* A cache that has one does all this for that one. */
	cr_expect_eq(put_for(one, 0, 1, 2), 2);
	cr_expect_eq(use_for(one, 0, 1, 2), 2);
	cr_expect_eq(aibrix_cache_set_quotas(one, NULL, 0),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_tenant_stats(one, 0, &s),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_clear_tenant(one, 0, 1), AIBRIX_OK);
	cr_expect_eq(has(one, 1), 0);
	r = request_of(1, 1, 2);
	cr_expect_eq(aibrix_cache_reserve_request(one, &r, &lease, &n),
		     AIBRIX_E_INVAL);
	aibrix_cache_free(one);
	aibrix_cache_free(cache);
}

Test(cache_quotas, how_many_there_may_be_is_checked)
{
	static const struct {
		uint32_t tenants, policy, spare;
		int err;
	} cases[] = {
		{256, AIBRIX_EVICT_S3FIFO, 0, AIBRIX_OK},
		{257, AIBRIX_EVICT_LRU, 0, AIBRIX_E_INVAL},
		{2, AIBRIX_EVICT_DENSITY, 0, AIBRIX_E_INVAL},
		{1, AIBRIX_EVICT_DENSITY, 0, AIBRIX_OK},
		{2, AIBRIX_EVICT_LRU, 1, AIBRIX_E_ABI},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		aibrix_cache_opts o = {.size = sizeof(o),
				       .block_bytes = BLOCK,
				       .l1_bytes = 8 * BLOCK,
				       .evict = cases[i].policy,
				       .tenants = cases[i].tenants,
				       .spare = cases[i].spare};
		aibrix_cache *cache = NULL;

		cr_expect_eq(aibrix_cache_new(&o, &cache), cases[i].err, "%zu",
			     i);
		aibrix_cache_free(cache);
	}
}

/* What L2 sends is charged to whom it is sent, and finds its place likewise. */
Test(cache_quotas, what_comes_from_l2_is_charged_to_who_asked)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache;

	store_blocks(store, 1, 6);
	store_blocks(store, 2, 8);
	cache = tenants_cache(8, 3, AIBRIX_EVICT_LRU, store);
	quota(cache, A, 2, 4);
	quota(cache, B, 3, 0);
	cr_expect_eq(use_for(cache, A, 1, 6), 4, "its ceiling");
	cr_expect_eq(tenant_stat(cache, A).blocks, 4);
	cr_expect_eq(tenant_stat(cache, A).hits_l2, 4);
	cr_expect_geq(tenant_stat(cache, A).no_room, 1);
	cr_expect_eq(use_for(cache, B, 2, 8), 6, "but for two of A's");
	cr_expect_eq(tenant_stat(cache, B).blocks, 6);
	cr_expect_eq(tenant_stat(cache, A).blocks, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Victims that are written ahead of need are still their tenant's, and nobody
 * is written out of what it is guaranteed. */
Test(cache_quotas, victims_ahead_of_need_are_of_those_who_have_too_much)
{
	aibrix_store *store = new_store(256);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 32 * BLOCK,
			       .l2 = store,
			       .ingest = AIBRIX_CACHE_INGEST_EVICTED,
			       .promote = AIBRIX_CACHE_PROMOTE_USED,
			       .tenants = 3};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	quota(cache, A, 10, 0);
	cr_expect_eq(put_for(cache, A, 1, 10), 10);
	for (uint32_t c = 100; c < 130; c++) {
		cr_expect_eq(put_for(cache, B, c, 4), 4);
		settle_all(cache, 1);
		if (c > 104)
			cr_expect_geq(use_for(cache, 0, c - 5, 4), 1);
	}
	cr_expect_eq(has(cache, 1), 10);
	cr_expect_eq(tenant_stat(cache, A).evicted, 0);
	cr_expect_gt(stat_of(cache).l2_written, 20u);
	cr_expect_gt(tenant_stat(cache, 0).hits_l2, 0u);
	/* And it takes its own back from what was to leave. */
	quota(cache, A, 20, 0);
	cr_expect_eq(put_for(cache, A, 2, 10), 10);
	cr_expect_eq(has(cache, 1), 10);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* A last piece, too. */
Test(cache_quotas, a_prefetch_brings_a_tail)
{
	aibrix_cache_request r = request_of(A, 1, 5);
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = tenants_cache(32, 2, AIBRIX_EVICT_LRU, store);
	uint64_t lease, n;

	r.tail_tokens = 7;
	cr_assert_eq(aibrix_cache_reserve_request(cache, &r, &lease, &n),
		     AIBRIX_OK);
	for (uint64_t i = 0; i < n; i++)
		memset(view_of(cache, lease, i).data, byte_of(1, i), BLOCK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_clear(cache, 1), AIBRIX_OK);
	cr_expect_eq(has(cache, 1), 0);

	cr_assert_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(has(cache, 1), 5);
	cr_expect_eq(stat_of(cache).prefetched, 5);
	cr_assert_eq(aibrix_cache_acquire_request(cache, &r, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 5);
	cr_expect_eq(view_of(cache, lease, 4).tokens, 7);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	/* Another number of tokens is another block: L2's is no hit. */
	cr_assert_eq(aibrix_cache_clear(cache, 1), AIBRIX_OK);
	r.tail_tokens = 8;
	cr_assert_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(has(cache, 1), 4);
	r.tail_tokens = 16;
	cr_expect_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_E_INVAL);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}
