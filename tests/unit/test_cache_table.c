/* The table of L1 against a list of what is in it. */

#include <criterion/criterion.h>

#include <string.h>

#include <aibrix/base.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/rand.h"
#include "cache/cache_table.h"

enum { CAPACITY = 200, KEYS = 400, STEPS = 200000 };

static const aibrix_key zero;

static aibrix_key
key_of(uint64_t i)
{
	uint64_t half[2] = {mix64(i), i + 1};
	aibrix_key key;

	memcpy(key.bytes, half, sizeof(half));
	return key;
}

static void
table_new(struct table *table, aibrix_allocator *alloc, uint32_t capacity)
{
	*table = (struct table){0};
	cr_assert_eq(aibrix__allocator_load(alloc, NULL), AIBRIX_OK);
	cr_assert_eq(aibrix__table_open(table, alloc, capacity), AIBRIX_OK);
}

/* What the test knows of a key. */
struct entry {
	uint32_t slot; /* NONE: not there */
	uint32_t at;
	uint64_t shown;
};

static void
entry_agrees(const struct table *table, uint64_t i, const struct entry *e)
{
	aibrix_key key = key_of(i), found;
	uint32_t slot = NONE;

	cr_assert_eq(aibrix__table_find(table, &key), e->slot);
	cr_assert_eq(aibrix__table_run(table, &key, sizeof(key), 1, &slot),
		     e->shown);
	if (e->shown) {
		cr_assert_eq(slot, e->slot);
		cr_assert_eq(
			aibrix__table_sure(table, &key, sizeof(key), 1, &slot),
			1);
		cr_assert_eq(slot, e->slot);
	}
	if (e->slot == NONE)
		return;
	aibrix__table_key(table, e->at, &found);
	cr_assert_arr_eq(found.bytes, key.bytes, sizeof(key.bytes));
}

Test(cache_table, random_programs_leave_what_was_entered)
{
	struct entry entries[KEYS];
	uint32_t unused[CAPACITY];
	aibrix_allocator alloc;
	struct table table;
	uint64_t state = 1;
	uint32_t count = 0;

	table_new(&table, &alloc, CAPACITY);
	for (uint32_t i = 0; i < CAPACITY; i++)
		unused[i] = i;
	for (uint32_t i = 0; i < KEYS; i++)
		entries[i] = (struct entry){.slot = NONE};
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = rand_below(&state, KEYS);
		struct entry *e = &entries[i];
		aibrix_key key = key_of(i);

		if (e->slot == NONE && count < CAPACITY) {
			e->slot = unused[count++];
			e->at = aibrix__table_add(&table, &key, e->slot);
		} else if (e->slot != NONE && !e->shown) {
			aibrix__table_show(&table, e->at);
			e->shown = 1;
		} else if (e->slot != NONE) {
			aibrix__table_remove(&table, e->at);
			unused[--count] = e->slot;
			*e = (struct entry){.slot = NONE};
		}
		entry_agrees(&table, i, e);
		i = rand_below(&state, KEYS);
		entry_agrees(&table, i, &entries[i]);
		if (step % 1000 == 0)
			cr_assert_eq(aibrix__table_count(&table), count);
	}
	aibrix__table_close(&table, &alloc);
}

Test(cache_table, a_run_ends_at_the_first_key_that_is_not_shown)
{
	aibrix_allocator alloc;
	struct table table;
	aibrix_key keys[100];
	uint32_t slots[100], at[100];

	table_new(&table, &alloc, 100);
	for (uint32_t i = 0; i < 100; i++) {
		keys[i] = key_of(i);
		at[i] = aibrix__table_add(&table, &keys[i], i);
	}
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 100, NULL), 0);
	for (uint32_t i = 0; i < 100; i++)
		if (i != 60)
			aibrix__table_show(&table, at[i]);
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 100, slots), 60);
	cr_expect_eq(slots[59], 59);
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 10, slots), 10);
	aibrix__table_show(&table, at[60]);
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 100, slots), 100);
	cr_expect_eq(aibrix__table_run(&table, &zero, 16, 1, slots), 0);
	cr_expect_eq(aibrix__table_run(&table, NULL, 16, 0, slots), 0);
	aibrix__table_close(&table, &alloc);
}

/* Other words between the keys, as in a lease. */
Test(cache_table, keys_may_lie_apart)
{
	struct {
		aibrix_key key;
		uint64_t other;
	} blocks[50];
	aibrix_allocator alloc;
	struct table table;

	table_new(&table, &alloc, 50);
	for (uint32_t i = 0; i < 50; i++) {
		blocks[i].key = key_of(i);
		blocks[i].other = ~(uint64_t)0;
		aibrix__table_show(
			&table, aibrix__table_add(&table, &blocks[i].key, i));
	}
	cr_expect_eq(
		aibrix__table_run(&table, blocks, sizeof(blocks[0]), 50, NULL),
		50);
	aibrix__table_close(&table, &alloc);
}

/* Made from the numbers that keys are multiplied with, which nobody knows
 * outside. */
static aibrix_key
twin_of(const struct table *table, const aibrix_key *key)
{
	uint64_t half[2], low;
	aibrix_key twin;

	memcpy(half, key->bytes, sizeof(half));
	low = half[0] ^ 1;
	half[1] += (half[0] - low) * table->odd[0];
	half[0] = low;
	memcpy(twin.bytes, half, sizeof(half));
	return twin;
}

Test(cache_table, keys_that_share_a_tag_are_told_apart)
{
	aibrix_allocator alloc;
	struct table table;
	aibrix_key keys[2], found;
	uint32_t slots[2], at[2];

	table_new(&table, &alloc, 10);
	keys[0] = key_of(7);
	keys[1] = twin_of(&table, &keys[0]);
	at[0] = aibrix__table_add(&table, &keys[0], 3);
	aibrix__table_show(&table, at[0]);
	/* A run knows the tag only; whoever hands out blocks knows better. */
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 2, slots), 2);
	cr_expect_eq(aibrix__table_sure(&table, keys, 16, 2, slots), 1);
	cr_expect_eq(aibrix__table_find(&table, &keys[1]), NONE);

	at[1] = aibrix__table_add(&table, &keys[1], 5);
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 2, slots), 2);
	cr_expect_eq(aibrix__table_sure(&table, keys, 16, 2, slots), 1,
		     "not yet shown");
	aibrix__table_show(&table, at[1]);
	cr_expect_eq(aibrix__table_run(&table, keys, 16, 2, slots), 2);
	cr_expect_eq(aibrix__table_sure(&table, keys, 16, 2, slots), 2);
	cr_expect_eq(slots[0], 3);
	cr_expect_eq(slots[1], 5);
	aibrix__table_key(&table, at[1], &found);
	cr_expect_arr_eq(found.bytes, keys[1].bytes, 16);

	aibrix__table_remove(&table, at[0]);
	cr_expect_eq(aibrix__table_find(&table, &keys[0]), NONE);
	cr_expect_eq(aibrix__table_find(&table, &keys[1]), 5);
	aibrix__table_close(&table, &alloc);
}
