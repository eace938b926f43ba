/* Copies into reservations and out of leases, and blocks that are verified by
 * whoever hands their bytes out. */

#include "cache_tools.h"

static aibrix_cache *
late_cache(uint32_t blocks, aibrix_store *l2)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .flags = AIBRIX_CACHE_VERIFY_LATE,
			       .l2 = l2};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

/* What an engine has of a prompt. */
struct engine {
	uint8_t block[48][BLOCK];
	void *dst[48];
	const void *src[48];
};

static void
engine_make(struct engine *e, uint32_t c)
{
	for (uint32_t i = 0; i < 48; i++) {
		memset(e->block[i], byte_of(c, i), BLOCK);
		e->dst[i] = e->block[i];
		e->src[i] = e->block[i];
	}
}

static int
engine_has(const struct engine *e, uint32_t c, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		for (uint32_t b = 0; b < BLOCK; b++)
			if (e->block[i][b] != byte_of(c, i))
				return 0;
	return 1;
}

static uint64_t
reserve_blocks(aibrix_cache *cache, uint32_t c, uint64_t n)
{
	uint64_t lease, got;

	cr_assert_eq(
		aibrix_cache_reserve(cache, chain(c), NULL, n, 1, &lease, &got),
		AIBRIX_OK);
	cr_assert_eq(got, n);
	return lease;
}

static uint64_t
hold_blocks(aibrix_cache *cache, uint32_t c, uint64_t n)
{
	uint64_t lease, got = 0;

	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(c), n, 0, 1, &lease, &got),
		AIBRIX_OK);
	cr_assert_eq(got, n);
	return lease;
}

/* A bit of block i of chain c changes in memory. */
static void
flip(aibrix_cache *cache, uint32_t c, uint32_t i)
{
	aibrix_key key = key_of(c, i);
	uint32_t slot = aibrix__table_find(&cache->table, &key);

	((uint8_t *)aibrix__l1_data(cache, slot))[9] ^= 4;
}

Test(cache_copy, what_was_written_is_what_is_read)
{
	aibrix_cache *cache = new_cache(48, NULL);
	struct engine e;
	uint64_t lease = reserve_blocks(cache, 1, 48), n = 0;

	engine_make(&e, 1);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 48), AIBRIX_OK);
	check(cache);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	memset(e.block, 0, sizeof(e.block));
	lease = hold_blocks(cache, 1, 48);
	cr_assert_eq(aibrix_cache_read(cache, lease, 0, e.dst, 48, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 48);
	cr_expect(engine_has(&e, 1, 0, 48));
	check(cache);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	aibrix_cache_free(cache);
}

Test(cache_copy, a_part_of_a_lease_is_copied_alone)
{
	aibrix_cache *cache = new_cache(8, NULL);
	struct engine e;
	uint64_t lease, n = 0;

	cr_assert_eq(put_blocks(cache, 1, 6), 6);
	engine_make(&e, 2);
	lease = hold_blocks(cache, 1, 6);
	cr_assert_eq(aibrix_cache_read(cache, lease, 4, e.dst + 4, 2, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect(engine_has(&e, 1, 4, 2));
	cr_expect(engine_has(&e, 2, 0, 4), "untouched");
	cr_expect(engine_has(&e, 2, 6, 42), "untouched");
	cr_expect_eq(aibrix_cache_read(cache, lease, 6, e.dst, 0, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	aibrix_cache_free(cache);
}

Test(cache_copy, what_a_lease_does_not_have_is_not_copied)
{
	aibrix_cache *cache = new_cache(8, NULL);
	struct engine e;
	uint64_t lease, n = 77;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	engine_make(&e, 2);
	lease = hold_blocks(cache, 1, 3);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, e.dst, 4, &n),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_read(cache, lease, 4, e.dst, 0, &n),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_read(cache, lease, 1, e.dst, UINT64_MAX, &n),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_read(cache, lease + 1, 0, e.dst, 1, &n),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_write(cache, lease, 0, e.src, 1),
		     AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_write(cache, lease + 1, 0, e.src, 1),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(n, 77, "outputs are untouched");
	cr_expect(engine_has(&e, 2, 0, 48));
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	lease = reserve_blocks(cache, 3, 2);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, e.dst, 1, &n),
		     AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_write(cache, lease, 1, e.src, 2),
		     AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
}

Test(cache_copy, null_arguments_are_refused)
{
	aibrix_cache *cache = new_cache(4, NULL);
	void *dst[2] = {NULL, NULL};
	uint64_t lease, n = 7;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	lease = hold_blocks(cache, 1, 2);
	cr_expect_eq(aibrix_cache_read(NULL, lease, 0, dst, 2, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, NULL, 2, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, dst, 2, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, dst, 2, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_write(NULL, lease, 0, NULL, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_write(cache, lease, 0, NULL, 1),
		     AIBRIX_E_INVAL);
	cr_expect_eq(n, 7, "outputs are untouched");
	aibrix_cache_free(cache);
}

Test(cache_copy, what_need_not_be_filled_is_left_alone)
{
	aibrix_cache *cache = new_cache(8, NULL);
	struct engine e;
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	engine_make(&e, 1);
	memset(e.block[1], 0xee, BLOCK);
	e.src[4] = NULL;
	lease = reserve_blocks(cache, 1, 5);
	memset(view_of(cache, lease, 4).data, byte_of(1, 4), BLOCK);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 5), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 5), 5);
	aibrix_cache_free(cache);
}

Test(cache_copy, damage_between_write_and_commit_is_found)
{
	aibrix_cache *cache = new_cache(8, NULL);
	struct engine e;
	uint64_t lease = reserve_blocks(cache, 1, 4);

	engine_make(&e, 1);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 4), AIBRIX_OK);
	flip(cache, 1, 2);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 4), 2);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	aibrix_cache_free(cache);
}

Test(cache_copy, the_last_of_two_writes_is_what_counts)
{
	aibrix_cache *cache = new_cache(8, NULL);
	struct engine e;
	uint64_t lease = reserve_blocks(cache, 1, 2);

	engine_make(&e, 2);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 2), AIBRIX_OK);
	engine_make(&e, 1);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 2), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 2), 2);
	aibrix_cache_free(cache);
}

Test(cache_copy, what_was_written_is_sent_to_l2_under_its_sum)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	struct engine e;
	uint64_t lease = reserve_blocks(cache, 1, 4);

	engine_make(&e, 1);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 4), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	cache = new_cache(8, store);
	cr_expect_eq(count_blocks(cache, 1, 4), 4);
	cr_expect_eq(stat_of(cache).corrupt_l2, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_copy, late_damage_ends_the_lease_before_it)
{
	aibrix_cache *cache = late_cache(8, NULL);
	struct engine e;
	uint64_t lease, other, n = 0;
	aibrix_cache_view v = {.size = sizeof(v)};

	cr_assert_eq(put_blocks(cache, 1, 6), 6);
	flip(cache, 1, 3);
	engine_make(&e, 9);
	lease = hold_blocks(cache, 1, 6);
	other = hold_blocks(cache, 1, 6);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, e.dst, 6, &n),
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(n, 3);
	cr_expect(engine_has(&e, 1, 0, 3));
	check(cache);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 6), 3);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	cr_expect_eq(aibrix_cache_block(cache, lease, 3, &v),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_read(cache, lease, 3, e.dst, 1, &n),
		     AIBRIX_E_NOT_FOUND);
	/* It holds what it held: pointers to it stay good. */
	cr_expect_eq(stat_of(cache).l1_pinned, 6);
	/* The other one finds out by itself, and it counts once. */
	cr_expect_eq(aibrix_cache_block(cache, other, 3, &v), AIBRIX_E_CORRUPT);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	check(cache);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, other), AIBRIX_OK);
	check(cache);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(stat_of(cache).l1_blocks, 5);
	aibrix_cache_free(cache);
}

Test(cache_copy, late_verifying_looks_once_for_a_lease)
{
	aibrix_cache *cache = late_cache(8, NULL);
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	lease = hold_blocks(cache, 1, 2);
	cr_expect_eq(view_of(cache, lease, 0).tier, AIBRIX_CACHE_L1);
	flip(cache, 1, 0);
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &v), AIBRIX_OK,
		     "it was good when it was handed out");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	lease = hold_blocks(cache, 1, 2);
	v.data = &v;
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &v), AIBRIX_E_CORRUPT);
	cr_expect_eq(v.data, &v, "outputs are untouched");
	aibrix_cache_free(cache);
}

Test(cache_copy, what_was_damaged_late_comes_from_l2_the_next_time)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = late_cache(8, store);
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	flip(cache, 1, 1);
	lease = hold_blocks(cache, 1, 4);
	cr_expect_eq(aibrix_cache_block(cache, lease, 1, &v), AIBRIX_E_CORRUPT);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(get_blocks(cache, 1, 4, &lease), 4);
	cr_expect_eq(view_of(cache, lease, 1).tier, AIBRIX_CACHE_L2);
	cr_expect_eq(view_of(cache, lease, 2).tier, AIBRIX_CACHE_L1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_copy, without_verifying_damage_is_copied)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 4 * BLOCK,
			       .flags = AIBRIX_CACHE_VERIFY_LATE |
					AIBRIX_CACHE_NO_L1_VERIFY};
	aibrix_cache *cache = NULL;
	struct engine e;
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	lease = reserve_blocks(cache, 1, 2);
	engine_make(&e, 1);
	cr_assert_eq(aibrix_cache_write(cache, lease, 0, e.src, 2), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	flip(cache, 1, 1);
	lease = hold_blocks(cache, 1, 2);
	cr_expect_eq(aibrix_cache_read(cache, lease, 0, e.dst, 2, &n),
		     AIBRIX_OK, "whoever trusts memory is not asked");
	cr_expect_not(engine_has(&e, 1, 1, 1));
	aibrix_cache_free(cache);
}
