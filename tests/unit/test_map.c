#include <stdlib.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "failing.h"

/* As a module does it: the allocator is a variable where macros are used. */
#define MAP_ALLOCATOR (a)
#define MAP_REFUSED(e) ((e)->refused)
#include "base/map.h"

struct element {
	uint64_t key;
	int refused;
	UT_hash_handle hh;
};

enum { MANY = 2000 }; /* enough for the table of buckets to grow often */

static struct element *
map_find(struct element *map, uint64_t key)
{
	struct element *found;

	HASH_FIND(hh, map, &key, sizeof(key), found);
	return found;
}

/* 1 when the element is in. */
static int
map_add(struct element **map, struct element *e, const aibrix_allocator *a)
{
	e->refused = 0;
	HASH_ADD(hh, *map, key, sizeof(e->key), e);
	return !e->refused;
}

static void
map_clear(struct element **map, const aibrix_allocator *a)
{
	(void)a; /* unused by some versions of the macro */
	HASH_CLEAR(hh, *map);
}

Test(map, finds_what_was_added_and_nothing_else)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	struct element *map = NULL, *all = calloc(MANY, sizeof(*all));

	cr_assert_not_null(all);
	for (uint64_t i = 0; i < MANY; i++) {
		all[i].key = 3 * i;
		cr_assert(map_add(&map, &all[i], &a));
	}
	for (uint64_t i = 0; i < MANY; i++) {
		cr_assert_eq(map_find(map, 3 * i), &all[i]);
		cr_assert_null(map_find(map, 3 * i + 1));
	}
	map_clear(&map, &a);
	cr_expect_eq(f.live, 0);
	cr_expect_eq(f.live_bytes, 0, "sizes are given back exactly");
	free(all);
}

Test(map, a_failed_allocation_refuses_one_element_and_keeps_the_others)
{
	struct element *all = calloc(MANY, sizeof(*all));
	uint64_t fail_at = 0;

	cr_assert_not_null(all);
	for (;; fail_at++) {
		struct failing f = {.fail_at = fail_at};
		aibrix_allocator a = failing_allocator(&f);
		struct element *map = NULL;
		uint64_t in = 0;

		for (uint64_t i = 0; i < MANY; i++) {
			all[i].key = i * 0x10001;
			in += map_add(&map, &all[i], &a);
		}
		cr_assert_eq(HASH_COUNT(map), in);
		for (uint64_t i = 0; i < MANY; i++)
			cr_assert_eq(map_find(map, all[i].key),
				     all[i].refused ? NULL : &all[i]);
		map_clear(&map, &a);
		cr_assert_eq(f.live, 0, "leak when allocation %llu fails",
			     (unsigned long long)fail_at);
		if (f.calls <= fail_at)
			break;
	}
	cr_expect_gt(fail_at, 3, "the buckets have grown");
	free(all);
}

Test(map, an_element_that_was_refused_can_be_added_later)
{
	struct failing f = {.fail_at = 0};
	aibrix_allocator a = failing_allocator(&f);
	struct element *map = NULL, one = {.key = 5};

	cr_expect_not(map_add(&map, &one, &a));
	cr_expect_null(map_find(map, 5));
	cr_expect(map_add(&map, &one, &a));
	cr_expect_eq(map_find(map, 5), &one);
	map_clear(&map, &a);
	cr_expect_eq(f.live, 0);
}

Test(map, the_hash_depends_on_every_byte_and_on_the_length)
{
	unsigned char key[32] = {0};
	unsigned zero = map_hash(key, sizeof(key));

	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = 1;
		cr_expect_neq(map_hash(key, sizeof(key)), zero);
		key[i] = 0;
	}
	cr_expect_neq(map_hash(key, 8), map_hash(key, 9));
	cr_expect_neq(map_hash(key, 1), map_hash(key, 2));
}
