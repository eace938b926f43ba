#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "pool/pool_internal.h"
#include "pool_fixture.h"

enum { MIB = 1 << 20 };

static aibrix_pool *
new_pool(uint64_t slots, uint64_t slot_bytes)
{
	return new_pool_with(
		(aibrix_pool_opts){.slots = slots, .slot_bytes = slot_bytes});
}

static aibrix_lease
take(aibrix_pool *pool)
{
	aibrix_lease lease;

	cr_assert_eq(aibrix_pool_take(pool, &lease), AIBRIX_OK);
	return lease;
}

static void
give(aibrix_pool *pool, aibrix_lease lease)
{
	cr_assert_eq(aibrix_pool_give(pool, &lease), AIBRIX_OK);
}

static int
new_fails(aibrix_pool_opts o)
{
	aibrix_pool *pool = NULL;
	int err;

	o.size = sizeof(o);
	err = aibrix_pool_new(&o, &pool);
	if (err)
		cr_expect_null(pool, "output untouched on failure");
	aibrix_pool_free(pool);
	return err;
}

Test(pool, options_out_of_range_are_refused)
{
	static const aibrix_pool_opts bad[] = {
		{.slots = 0, .slot_bytes = 1},
		{.slots = 1, .slot_bytes = 0},
		{.slots = UINT32_MAX, .slot_bytes = 1},
		{.slots = 1, .slot_bytes = 1, .align = 3},
		{.slots = 1, .slot_bytes = 1, .align = 4 * MIB},
		{.slots = 1, .slot_bytes = UINT64_MAX},
		{.slots = 1u << 20, .slot_bytes = UINT64_MAX >> 10},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(new_fails(bad[i]), AIBRIX_E_INVAL, "row %zu", i);
}

Test(pool, unknown_flags_ask_for_a_newer_library)
{
	cr_expect_eq(new_fails((aibrix_pool_opts){
			     .slots = 1, .slot_bytes = 1, .flags = 1u << 31}),
		     AIBRIX_E_ABI);
}

Test(pool, null_pointers_are_invalid)
{
	aibrix_pool_opts o = {.size = sizeof(o), .slots = 1, .slot_bytes = 1};
	aibrix_pool *pool = new_pool(1, 1);
	aibrix_lease lease = take(pool);

	cr_expect_eq(aibrix_pool_new(NULL, &pool), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_new(&o, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_take(NULL, &lease), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_take(pool, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give(NULL, &lease), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give(pool, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_holds(NULL, &lease), 0);
	cr_expect_eq(aibrix_pool_holds(pool, NULL), 0);
	cr_expect_null(aibrix_pool_slot(NULL, 0));
	cr_expect_eq(aibrix_pool_region(NULL, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_region(pool, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_stats(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_stats(pool, NULL), AIBRIX_E_INVAL);
	aibrix_pool_free(pool);
	aibrix_pool_free(NULL);
}

Test(pool, result_structs_without_their_size_are_invalid)
{
	aibrix_pool *pool = new_pool(1, 1);
	aibrix_pool_region_info info = {.size = 0, .slots = 7};
	aibrix_pool_stat stat = {.size = 0, .takes = 7};

	cr_expect_eq(aibrix_pool_region(pool, 0, &info), AIBRIX_E_INVAL);
	cr_expect_eq(info.slots, 7, "output untouched on failure");
	cr_expect_eq(aibrix_pool_stats(pool, &stat), AIBRIX_E_INVAL);
	cr_expect_eq(stat.takes, 7, "output untouched on failure");
	aibrix_pool_free(pool);
}

Test(pool, a_new_pool_gives_zeroed_slots_in_order)
{
	aibrix_pool *pool = new_pool(3, 5000);

	for (uint32_t i = 0; i < 3; i++) {
		aibrix_lease lease = take(pool);
		const unsigned char *data = lease.data;

		cr_expect_eq(lease.slot, i);
		cr_expect_eq(lease.bytes, 5000);
		cr_expect_eq(lease.data, aibrix_pool_slot(pool, i));
		cr_expect_eq((uintptr_t)lease.data % 4096, 0);
		cr_expect_eq(data[0] + data[4999], 0);
	}
	aibrix_pool_free(pool);
}

Test(pool, the_slot_given_back_last_is_taken_first)
{
	aibrix_pool *pool = new_pool(4, 8);
	aibrix_lease a = take(pool), b = take(pool);

	memcpy(b.data, "warm", 5);
	give(pool, a);
	give(pool, b);
	b = take(pool);
	cr_expect_eq(b.slot, 1);
	cr_expect_str_eq(b.data, "warm", "contents are what they were");
	cr_expect_eq(take(pool).slot, 0);
	cr_expect_eq(take(pool).slot, 2);
	aibrix_pool_free(pool);
}

Test(pool, an_exhausted_pool_says_full)
{
	aibrix_pool *pool = new_pool(1, 8);
	aibrix_lease lease = take(pool), none = {.slot = 7};

	cr_expect_eq(aibrix_pool_take(pool, &none), AIBRIX_E_FULL);
	cr_expect_eq(none.slot, 7, "output untouched on failure");
	cr_expect_eq(stats_of(pool).fulls, 1);
	give(pool, lease);
	take(pool);
	aibrix_pool_free(pool);
}

Test(pool, a_second_give_is_refused)
{
	aibrix_pool *pool = new_pool(2, 8);
	aibrix_lease lease = take(pool);

	give(pool, lease);
	cr_expect_eq(aibrix_pool_give(pool, &lease), AIBRIX_E_STATE);
	cr_expect_eq(stats_of(pool).stale_gives, 1);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool, a_stale_lease_cannot_end_its_successor)
{
	aibrix_pool *pool = new_pool(1, 8);
	aibrix_lease old = take(pool), now;

	give(pool, old);
	now = take(pool);
	cr_expect_eq(now.data, old.data);
	cr_expect_neq(now.generation, old.generation);
	cr_expect_eq(aibrix_pool_give(pool, &old), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_pool_holds(pool, &old), 0);
	cr_expect_eq(aibrix_pool_holds(pool, &now), 1);
	give(pool, now);
	cr_expect_eq(aibrix_pool_holds(pool, &now), 0);
	aibrix_pool_free(pool);
}

Test(pool, leases_of_another_pool_are_refused)
{
	aibrix_pool *pool = new_pool(2, 8), *other = new_pool(2, 8);
	aibrix_lease mine = take(pool), theirs = take(other);

	cr_expect_eq(aibrix_pool_give(pool, &theirs), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_holds(pool, &theirs), 0);
	cr_expect_eq(aibrix_pool_holds(pool, &mine), 1);
	cr_expect_eq(stats_of(pool).taken, 1);
	aibrix_pool_free(other);
	aibrix_pool_free(pool);
}

/* A take that slept over all of this must not find the head it read. */
Test(pool, a_stack_that_looks_as_before_has_another_head)
{
	aibrix_pool *pool = new_pool(2, 8);
	uint64_t before = atomic_load(&pool->stacks[0].head);
	aibrix_lease a = take(pool), b = take(pool);

	give(pool, b);
	give(pool, a);
	cr_expect_eq((uint32_t)atomic_load(&pool->stacks[0].head),
		     (uint32_t)before);
	cr_expect_neq(atomic_load(&pool->stacks[0].head), before);
	aibrix_pool_free(pool);
}

Test(pool, generations_and_tags_wrap)
{
	aibrix_pool *pool = new_pool(1, 8);
	aibrix_lease lease;

	atomic_store(&pool->stacks[0].head, (uint64_t)UINT32_MAX << 32);
	atomic_store(&pool->slots[0].word, UINT32_MAX - 1);
	lease = take(pool);
	cr_expect_eq(lease.generation, UINT32_MAX);
	give(pool, lease);
	cr_expect_eq(aibrix_pool_give(pool, &lease), AIBRIX_E_STATE);
	cr_expect_eq(atomic_load(&pool->stacks[0].head), (uint64_t)1 << 32);
	cr_expect_eq(take(pool).generation, 1);
	aibrix_pool_free(pool);
}

Test(pool, forged_leases_are_refused)
{
	aibrix_pool *pool = new_pool(2, 8);
	aibrix_lease lease = take(pool), forged = {0};

	cr_expect_eq(aibrix_pool_give(pool, &forged), AIBRIX_E_INVAL);
	forged = lease;
	forged.slot = 2;
	cr_expect_eq(aibrix_pool_give(pool, &forged), AIBRIX_E_INVAL);
	forged = lease;
	forged.slot = 1;
	cr_expect_eq(aibrix_pool_give(pool, &forged), AIBRIX_E_INVAL);
	/* An even generation would "end" a slot that is free. */
	give(pool, lease);
	forged = lease;
	forged.generation++;
	cr_expect_eq(aibrix_pool_give(pool, &forged), AIBRIX_E_INVAL);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool, slots_have_addresses_whoever_holds_them)
{
	aibrix_pool *pool = new_pool(2, 8);

	cr_expect_not_null(aibrix_pool_slot(pool, 1));
	cr_expect_null(aibrix_pool_slot(pool, 2));
	cr_expect_null(aibrix_pool_slot(pool, UINT32_MAX));
	aibrix_pool_free(pool);
}

Test(pool, regions_hold_whole_slots_and_the_last_is_shorter)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 8, .slot_bytes = 8000, .region_bytes = 27000});
	aibrix_pool_region_info info = {.size = sizeof(info)};

	for (uint32_t i = 0; i < 3; i++) {
		info = region_of(pool, i);
		cr_expect_eq(info.first_slot, 3 * i);
		cr_expect_eq(info.slots, i < 2 ? 3 : 2);
		cr_expect_eq(info.stride, 8192);
		cr_expect_geq(info.bytes, info.slots * 8192);
		cr_expect_eq(info.base, aibrix_pool_slot(pool, 3 * i));
	}
	cr_expect_eq(aibrix_pool_region(pool, 3, &info), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stats_of(pool).regions, 3);
	aibrix_pool_free(pool);
}

Test(pool, a_region_smaller_than_a_slot_holds_one)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 2, .slot_bytes = 8192, .region_bytes = 1});

	cr_expect_eq(region_of(pool, 1).first_slot, 1);
	cr_expect_eq(region_of(pool, 1).slots, 1);
	aibrix_pool_free(pool);
}

Test(pool, slots_are_aligned_as_asked)
{
	static const uint64_t aligns[] = {1, 64, 65536, 2 * MIB};

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		aibrix_pool *pool = new_pool_with(
			(aibrix_pool_opts){.slots = 3,
					   .slot_bytes = 100,
					   .align = aligns[i],
					   .region_bytes = 2 * aligns[i]});

		for (uint32_t slot = 0; slot < 3; slot++) {
			unsigned char *data = aibrix_pool_slot(pool, slot);

			cr_expect_eq((uintptr_t)data % aligns[i], 0);
			data[0] = data[99] = 1;
		}
		aibrix_pool_free(pool);
	}
}

Test(pool, untouched_slots_cost_no_memory)
{
	aibrix_pool *pool = new_pool_with(
		(aibrix_pool_opts){.slots = 1 << 10, .slot_bytes = 1 << 30});
	aibrix_lease lease = take(pool);

	memset(lease.data, 1, 4096);
	cr_expect_eq(stats_of(pool).mapped_bytes, (uint64_t)1 << 40);
	aibrix_pool_free(pool);
}

Test(pool, what_cannot_be_mapped_is_given_back)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	/* Some of these 64 TiB may be mapped, but never all of them. */
	aibrix_pool_opts o = {
		.slots = 16, .slot_bytes = (uint64_t)1 << 46, .alloc = &a};
	int one;

	o.slots = 1;
	one = new_fails(o);
	for (int i = 0; i < 3; i++) {
		o.slots = 16;
		cr_expect_eq(new_fails(o), AIBRIX_E_NOMEM);
		cr_expect_eq(f.live, 0);
		o.slots = 1;
		cr_expect_eq(new_fails(o), one, "the addresses are back");
	}
}

Test(pool, statistics_are_exact)
{
	aibrix_pool *pool = new_pool(3, 4096);
	aibrix_lease a = take(pool), b = take(pool);
	aibrix_pool_stat stat;

	give(pool, a);
	take(pool);
	cr_expect_eq(aibrix_pool_give(pool, &a), AIBRIX_E_STATE);
	give(pool, b);
	stat = stats_of(pool);
	cr_expect_eq(stat.slots, 3);
	cr_expect_eq(stat.taken, 1);
	cr_expect_eq(stat.takes, 3);
	cr_expect_eq(stat.fulls, 0);
	cr_expect_eq(stat.stale_gives, 1);
	cr_expect_geq(stat.mapped_bytes, 3 * 4096);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}
