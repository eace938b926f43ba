#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "store/ring.h"

enum { KEYS = 20000 };

static struct ring *
new_ring(enum ring_mode mode)
{
	struct ring *ring = NULL;

	cr_assert_eq(aibrix__ring_new(NULL, mode, 16, &ring), AIBRIX_OK);
	return ring;
}

static uint32_t
add(struct ring *ring, const char *name, double weight)
{
	struct ring_node node = {.addr = "10.0.0.1", .port = 6379};
	uint32_t id = RING_NONE;

	strcpy(node.name, name);
	node.weight = weight;
	cr_assert_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_OK);
	cr_assert_neq(id, (uint32_t)RING_NONE);
	return id;
}

static uint32_t
pick(const struct ring *ring, const char *key)
{
	uint32_t id = RING_NONE;

	cr_assert_eq(aibrix__ring_pick(ring, key, strlen(key), &id), AIBRIX_OK);
	return id;
}

static void
pick_all(const struct ring *ring, uint32_t ids[KEYS])
{
	char key[16];

	for (int i = 0; i < KEYS; i++) {
		sprintf(key, "key-%d", i);
		ids[i] = pick(ring, key);
	}
}

static uint32_t
count(const uint32_t ids[KEYS], uint32_t id)
{
	uint32_t n = 0;

	for (int i = 0; i < KEYS; i++)
		n += ids[i] == id;
	return n;
}

/* ---- rendezvous */

/* The names were worked out by a second program, with exact fractions. */
Test(ring, rendezvous_gives_the_same_nodes_on_any_machine)
{
	const char want[] = "bdabdbdadddbbdcaddbaddddddbdadbbddadbdddddadddad";
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	char key[16];

	add(ring, "a", 0);
	add(ring, "b", 2);
	add(ring, "c", 0.5);
	add(ring, "d", 4.25);

	for (int i = 0; want[i]; i++) {
		sprintf(key, "key-%d", i);
		cr_expect_eq(aibrix__ring_get(ring, pick(ring, key))->name[0],
			     want[i], "%s", key);
	}
	aibrix__ring_free(ring);
}

Test(ring, a_node_has_keys_in_proportion_to_its_weight)
{
	const double weights[] = {1, 2, 3, 4, 1.0 / 16};
	const double sum = 10 + 1.0 / 16;
	static uint32_t picked[KEYS];
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	uint32_t ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = add(ring, (const char[]){(char)('p' + i), '\0'},
			     weights[i]);
	pick_all(ring, picked);

	for (int i = 0; i < 5; i++) {
		double share = weights[i] / sum, mean = KEYS * share;
		double sigma = sqrt(mean * (1 - share));

		cr_expect_lt(fabs(count(picked, ids[i]) - mean), 4 * sigma,
			     "node %d: %u keys, %.0f expected", i,
			     count(picked, ids[i]), mean);
	}
	aibrix__ring_free(ring);
}

Test(ring, a_node_that_comes_takes_keys_only_for_itself)
{
	static uint32_t before[KEYS], after[KEYS];
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	uint32_t id;

	add(ring, "a", 1);
	add(ring, "b", 3);
	add(ring, "c", 1);
	pick_all(ring, before);
	id = add(ring, "d", 2);
	pick_all(ring, after);

	for (int i = 0; i < KEYS; i++)
		cr_assert(after[i] == before[i] || after[i] == id);
	/* 2 of 7, and four sigma. */
	cr_expect_gt(count(after, id), 5714u - 256u);
	cr_expect_lt(count(after, id), 5714u + 256u);
	aibrix__ring_free(ring);
}

Test(ring, a_node_that_goes_leaves_all_other_keys_where_they_are)
{
	static uint32_t before[KEYS], after[KEYS];
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	uint32_t id;

	add(ring, "a", 1);
	id = add(ring, "b", 3);
	add(ring, "c", 1);
	pick_all(ring, before);
	cr_expect_eq(aibrix__ring_remove(ring, id), AIBRIX_OK);
	pick_all(ring, after);

	for (int i = 0; i < KEYS; i++)
		cr_assert(before[i] == id || after[i] == before[i]);
	cr_expect_eq(count(after, id), 0u);
	aibrix__ring_free(ring);
}

Test(ring, more_weight_only_moves_keys_to_that_node)
{
	static uint32_t before[KEYS], after[KEYS];
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	uint32_t id = add(ring, "a", 1);

	add(ring, "b", 1);
	add(ring, "c", 1);
	pick_all(ring, before);
	cr_expect_eq(aibrix__ring_weigh(ring, id, 1.5), AIBRIX_OK);
	pick_all(ring, after);

	for (int i = 0; i < KEYS; i++)
		cr_assert(after[i] == before[i] || after[i] == id);
	cr_expect_gt(count(after, id), count(before, id));
	aibrix__ring_free(ring);
}

Test(ring, the_order_of_joining_does_not_matter)
{
	struct ring *one = new_ring(RING_RENDEZVOUS);
	struct ring *two = new_ring(RING_RENDEZVOUS);
	char key[16];

	add(one, "a", 1);
	add(one, "b", 2);
	add(two, "b", 2);
	add(two, "a", 1);

	for (int i = 0; i < 1000; i++) {
		sprintf(key, "key-%d", i);
		cr_assert_str_eq(aibrix__ring_get(one, pick(one, key))->name,
				 aibrix__ring_get(two, pick(two, key))->name);
	}
	aibrix__ring_free(one);
	aibrix__ring_free(two);
}

/* ---- nodes */

Test(ring, an_id_of_a_removed_node_is_never_the_next_one)
{
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	uint32_t old = add(ring, "a", 1), id;

	cr_expect_eq(aibrix__ring_remove(ring, old), AIBRIX_OK);
	id = add(ring, "a", 1);

	cr_expect_neq(id, old);
	cr_expect_eq(aibrix__ring_place(id), aibrix__ring_place(old));
	cr_expect_null(aibrix__ring_get(ring, old));
	cr_expect_eq(aibrix__ring_remove(ring, old), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix__ring_weigh(ring, old, 2), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix__ring_find(ring, "a"), id);
	cr_expect_eq(aibrix__ring_find_addr(ring, "10.0.0.1", 6379), id);
	cr_expect_eq(aibrix__ring_find_addr(ring, "10.0.0.1", 6380),
		     (uint32_t)RING_NONE);
	cr_expect_eq(aibrix__ring_at(ring, 16), (uint32_t)RING_NONE);
	aibrix__ring_free(ring);
}

Test(ring, wrong_nodes_are_refused)
{
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	struct ring_node node = {.name = "a", .weight = 1};
	const double wrong[] = {-1, 1e-4, 1025, (double)NAN, (double)INFINITY};
	uint32_t id = 7;

	for (int i = 0; i < 5; i++) {
		node.weight = wrong[i];
		cr_expect_eq(aibrix__ring_add(ring, &node, &id),
			     AIBRIX_E_INVAL);
	}
	node.weight = 1;
	memset(node.addr, 'x', sizeof(node.addr));
	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_E_INVAL);
	node.addr[0] = node.name[0] = '\0';
	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_E_INVAL);
	cr_expect_eq(id, 7u);

	for (char c = 'a'; c < 'a' + 16; c++)
		add(ring, (const char[]){c, '\0'}, 1);
	node.name[0] = 'a';
	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_E_INVAL);
	node.name[0] = 'z';
	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_E_FULL);
	aibrix__ring_free(ring);
}

Test(ring, an_empty_ring_is_unavailable_and_wrong_keys_are_refused)
{
	struct ring *ring = new_ring(RING_RENDEZVOUS);
	char key[RING_KEY_MAX + 1] = {0};
	uint32_t id = 7;

	cr_expect_eq(aibrix__ring_pick(ring, key, 1, &id),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(aibrix__ring_pick(ring, key, 0, &id), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__ring_pick(ring, key, sizeof(key), &id),
		     AIBRIX_E_INVAL);
	cr_expect_eq(id, 7u);
	cr_expect_eq(aibrix__ring_assign(ring, NULL, 0), AIBRIX_E_STATE);
	cr_expect_eq(aibrix__ring_moved(ring, 0, 1), AIBRIX_E_STATE);
	aibrix__ring_free(ring);
	cr_expect_eq(aibrix__ring_new(NULL, RING_REDIS, 0, &ring),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__ring_new(NULL, RING_REDIS, 1025, &ring),
		     AIBRIX_E_INVAL);
}

/* ---- Redis slots */

static uint32_t
slot(const char *key)
{
	return aibrix__ring_slot(key, strlen(key));
}

Test(ring, slots_are_those_of_redis)
{
	cr_expect_eq(aibrix__ring_crc16("123456789", 9), 0x31c3);
	cr_expect_eq(slot("foo"), 12182u);
	cr_expect_eq(slot("bar"), 5061u);
	cr_expect_eq(slot("hello"), 866u);
	cr_expect_eq(slot(""), 0u);
}

Test(ring, only_the_first_hash_tag_that_is_not_empty_counts)
{
	cr_expect_eq(slot("{user1000}.following"), slot("user1000"));
	cr_expect_eq(slot("{user1000}.followers"), slot("user1000"));
	cr_expect_eq(slot("foo{bar}{zap}"), 5061u);
	cr_expect_eq(slot("foo{{bar}}zap"), slot("{bar"));
	/* These have no tag: the whole key. */
	cr_expect_eq(slot("foo{}{bar}"),
		     aibrix__ring_crc16("foo{}{bar}", 10) % 16384u);
	cr_expect_eq(slot("}foo{bar"),
		     aibrix__ring_crc16("}foo{bar", 8) % 16384u);
	cr_expect_eq(slot("foo{"), aibrix__ring_crc16("foo{", 4) % 16384u);
}

Test(ring, a_slot_lives_where_ranges_and_moved_say)
{
	struct ring *ring = new_ring(RING_REDIS);
	uint32_t a = add(ring, "a", 1), b = add(ring, "b", 1), id = 7;
	const struct ring_range ranges[] = {
		{0, 5060, a}, {5061, 5061, b}, {5062, 12181, a}};

	cr_expect_eq(aibrix__ring_assign(ring, ranges, 3), AIBRIX_OK);
	cr_expect_eq(pick(ring, "bar"), b);
	cr_expect_eq(pick(ring, "hello"), a);
	cr_expect_eq(aibrix__ring_pick(ring, "foo", 3, &id),
		     AIBRIX_E_UNAVAILABLE);

	cr_expect_eq(aibrix__ring_moved(ring, 12182, b), AIBRIX_OK);
	cr_expect_eq(pick(ring, "foo"), b);
	cr_expect_eq(aibrix__ring_moved(ring, 16384, b), AIBRIX_E_INVAL);

	cr_expect_eq(aibrix__ring_remove(ring, b), AIBRIX_OK);
	cr_expect_eq(aibrix__ring_moved(ring, 0, b), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix__ring_pick(ring, "bar", 3, &id),
		     AIBRIX_E_UNAVAILABLE);
	/* The next node at that place does not inherit. */
	add(ring, "c", 1);
	cr_expect_eq(aibrix__ring_pick(ring, "bar", 3, &id),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(id, 7u);
	aibrix__ring_free(ring);
}

Test(ring, wrong_ranges_change_nothing)
{
	struct ring *ring = new_ring(RING_REDIS);
	uint32_t a = add(ring, "a", 1);
	const struct ring_range all = {0, 16383, a};
	const struct ring_range wrong[][2] = {
		{{0, 100, a}, {100, 200, a}},
		{{0, 1, a}, {16383, 16384, a}},
		{{0, 1, a}, {10, 9, a}},
		{{0, 1, a}, {0, UINT32_MAX, a}},
	};
	const struct ring_range unknown = {0, 1, a + 1};

	cr_expect_eq(aibrix__ring_assign(ring, &all, 1), AIBRIX_OK);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(aibrix__ring_assign(ring, wrong[i], 2),
			     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__ring_assign(ring, &unknown, 1),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(pick(ring, "foo"), a);
	aibrix__ring_free(ring);
}
