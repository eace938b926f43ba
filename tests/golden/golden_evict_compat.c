/*
 * AIBrix's FIFO, LRU and S3FIFO (kvcache, l1/eviction_policy), to the place
 * of every block: its own traces, and the cases of its own tests of these
 * policies as far as they are about order.
 */

#include <stdio.h>
#include <string.h>

#include <aibrix/evict.h>

#include "evict/evict_internal.h"
#include "evict_help.h"

enum { KEYS = 256, SLOTS = 128 };
#define ABSENT UINT32_MAX
enum { IN_SMALL = IN_QUEUE, IN_MAIN };

static const uint32_t their[] = {AIBRIX_EVICT_FIFO, AIBRIX_EVICT_LRU,
				 AIBRIX_EVICT_S3FIFO};
enum { THEIR = 3 };

/* put, get and evict as AIBrix has them; keys are fingerprints. */
struct l1 {
	aibrix_evict *order;
	uint32_t capacity;
	uint32_t slot_of[KEYS], key_in[SLOTS];
	uint32_t spare[SLOTS], n_spare;
	uint32_t hot[KEYS], put[KEYS], evicted[KEYS]; /* signals */
};

static struct l1
new_l1(aibrix_evict_opts o)
{
	struct l1 l1 = {.capacity = o.capacity};

	o.flags |= AIBRIX_EVICT_COMPAT;
	o.signals = 512;
	l1.order = new_order(o);
	memset(l1.slot_of, 0xff, sizeof(l1.slot_of));
	for (uint32_t slot = o.capacity + 1; slot-- > 0;)
		l1.spare[l1.n_spare++] = slot;
	return l1;
}

static void
l1_signals(struct l1 *l1)
{
	aibrix_evict_signal s[64];
	uint32_t n;

	do {
		cr_assert_eq(aibrix_evict_drain(l1->order, s, 64, &n), 0);
		for (uint32_t i = 0; i < n; i++) {
			l1->hot[s[i].fingerprint] +=
				s[i].kind == AIBRIX_EVICT_HOT;
			l1->put[s[i].fingerprint] +=
				s[i].kind == AIBRIX_EVICT_PUT;
			l1->evicted[s[i].fingerprint] +=
				s[i].kind == AIBRIX_EVICT_EVICTED;
		}
	} while (n);
}

static void
l1_pop(struct l1 *l1)
{
	uint32_t slot;

	cr_assert_eq(aibrix_evict_pop(l1->order, &slot), AIBRIX_OK);
	l1->slot_of[l1->key_in[slot]] = ABSENT;
	l1->spare[l1->n_spare++] = slot;
}

static void
l1_put(struct l1 *l1, uint32_t key)
{
	uint32_t slot = l1->slot_of[key], due;

	if (slot != ABSENT) {
		cr_assert_eq(aibrix_evict_rewrite(l1->order, slot), AIBRIX_OK);
		l1_signals(l1);
		return;
	}
	slot = l1->spare[--l1->n_spare];
	cr_assert_eq(aibrix_evict_insert(l1->order, slot, key,
					 AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_OK);
	l1->slot_of[key] = slot;
	l1->key_in[slot] = key;
	for (due = aibrix_evict_due(l1->order); due > 0; due--)
		l1_pop(l1);
	l1_signals(l1);
}

static int
l1_get(struct l1 *l1, uint32_t key)
{
	uint32_t slot = l1->slot_of[key];

	if (slot == ABSENT)
		return 0;
	cr_assert_eq(aibrix_evict_hit(l1->order, slot), AIBRIX_OK);
	l1_signals(l1);
	return 1;
}

/* Until so many fewer than the capacity, or than there are, are left. */
static void
l1_evict(struct l1 *l1, uint32_t n)
{
	uint32_t count = stats_of(l1->order).count;
	uint32_t most = count < l1->capacity ? count : l1->capacity;

	for (; count > (most > n ? most - n : 0); count--)
		l1_pop(l1);
	l1_signals(l1);
}

/* The keys of a queue, the newest first, each with its hits. */
static void
expect_queue(const struct l1 *l1, uint8_t where, const char *wanted)
{
	const struct evict_slot *slots = l1->order->slots;
	char text[512] = "", *end = text;
	uint32_t at = ABSENT;

	for (uint32_t slot = 0; slot <= l1->capacity; slot++)
		if (slots[slot].where == where && slots[slot].newer == NONE)
			at = slot;
	for (; at != NONE; at = slots[at].older)
		end += snprintf(end, 16, " %u:%u", l1->key_in[at],
				slots[at].hits);
	cr_expect_str_eq(text, wanted, "%s, not%s", text, wanted);
}

/* Ten blocks, ratio 0.3, promotion at one hit: AIBrix's reference. */
Test(evict_compat, s3fifo_follows_the_reference_to_the_last_block)
{
	struct l1 l1 = new_l1(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_S3FIFO,
				    .capacity = 10,
				    .ghosts = KEYS,
				    .flags = AIBRIX_EVICT_COMPAT_OVERFLOW});
	uint64_t ghost_hits;

	for (uint32_t key = 0; key < 10; key++)
		l1_put(&l1, key);
	l1_get(&l1, 0);
	l1_get(&l1, 1);
	for (int i = 0; i < 4; i++)
		l1_get(&l1, 2);
	expect_queue(&l1, IN_SMALL, " 9:0 8:0 7:0 6:0 5:0 4:0 3:0 2:3 1:1 0:1");
	l1_put(&l1, 10);
	expect_queue(&l1, IN_SMALL, " 10:0 9:0 8:0 7:0 6:0 5:0");
	expect_queue(&l1, IN_MAIN, " 2:0 1:0 0:0");
	cr_expect_eq(stats_of(l1.order).ghosts, 2, "4 3");
	l1_put(&l1, 11);
	expect_queue(&l1, IN_SMALL, " 11:0 10:0 9:0 8:0 7:0 6:0 5:0");
	l1_put(&l1, 3);
	expect_queue(&l1, IN_SMALL, " 11:0 10:0 9:0 8:0 7:0");
	expect_queue(&l1, IN_MAIN, " 3:0 2:0 1:0 0:0");
	cr_expect_eq(stats_of(l1.order).ghosts, 3, "6 5 4");
	l1_put(&l1, 12);
	expect_queue(&l1, IN_SMALL, " 12:0 11:0 10:0 9:0 8:0 7:0");
	l1_put(&l1, 13);
	expect_queue(&l1, IN_SMALL, " 13:0 12:0 11:0 10:0 9:0");
	cr_expect_eq(stats_of(l1.order).ghosts, 5, "8 7 6 5 4");
	l1_evict(&l1, 3);
	expect_queue(&l1, IN_SMALL, " 13:0 12:0 11:0");
	expect_queue(&l1, IN_MAIN, " 3:0 2:0 1:0");
	cr_expect_eq(stats_of(l1.order).ghosts, 7, "10 to 4");
	ghost_hits = stats_of(l1.order).ghost_hits;
	for (uint32_t key = 4; key < 8; key++)
		l1_put(&l1, key);
	cr_expect_eq(stats_of(l1.order).ghost_hits - ghost_hits, 4);
	aibrix_evict_free(l1.order);
}

/* Residency 1, 2, ..., N, N - 1, N, N - 1, ... */
Test(evict_compat, an_overflow_takes_one_block_too_many_on_request)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_l1((aibrix_evict_opts){
			.policy = their[i],
			.capacity = 10,
			.flags = AIBRIX_EVICT_COMPAT_OVERFLOW});

		for (uint32_t key = 0; key < 30; key++) {
			uint32_t wanted = key < 10 ? key + 1 : 9 + key % 2;

			l1_put(&l1, key);
			cr_expect_eq(stats_of(l1.order).count, wanted,
				     "policy %u, key %u", their[i], key);
		}
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, an_overflow_takes_what_it_must_by_default)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_l1((aibrix_evict_opts){.policy = their[i],
							  .capacity = 10});

		for (uint32_t key = 0; key < 30; key++)
			l1_put(&l1, key);
		cr_expect_eq(stats_of(l1.order).count, 10);
		cr_expect_eq(stats_of(l1.order).evictions, 20);
		aibrix_evict_free(l1.order);
	}
}

/* 100 000 distinct puts into ten blocks leave 99 990 ghosts in AIBrix: two
 * go at every second put, all from small. */
Test(evict_compat, ghosts_are_never_forgotten_on_request)
{
	enum { PUTS = 100000 };
	aibrix_evict_opts o = {.policy = AIBRIX_EVICT_S3FIFO,
			       .capacity = 10,
			       .flags = AIBRIX_EVICT_COMPAT |
					AIBRIX_EVICT_COMPAT_OVERFLOW};

	for (int request = 0; request < 2; request++) {
		aibrix_evict *evict;
		uint32_t free_slots[11], n_free = 11;

		o.ghosts = request ? PUTS : 0;
		evict = new_order(o);
		for (uint32_t i = 0; i < 11; i++)
			free_slots[i] = i;
		for (uint32_t key = 0; key < PUTS; key++) {
			uint32_t due;

			cr_assert_eq(aibrix_evict_insert(
					     evict, free_slots[--n_free], key,
					     AIBRIX_EVICT_NO_PARENT),
				     0);
			due = aibrix_evict_due(evict);
			while (due--)
				cr_assert_eq(
					aibrix_evict_pop(evict,
							 &free_slots[n_free++]),
					0);
		}
		cr_expect_eq(stats_of(evict).ghosts, request ? 99990 : 7);
		aibrix_evict_free(evict);
	}
}

/* put, get three times, put the same key, get. */
Test(evict_compat, a_second_put_makes_fifo_and_lru_hot_again)
{
	static const uint32_t wanted[] = {2, 2, 1};

	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_l1((aibrix_evict_opts){.policy = their[i],
							  .capacity = 10});

		l1_put(&l1, 1);
		for (int n = 0; n < 3; n++)
			l1_get(&l1, 1);
		l1_put(&l1, 1);
		l1_get(&l1, 1);
		cr_expect_eq(l1.hot[1], wanted[i], "policy %u", their[i]);
		cr_expect_eq(l1.put[1], 1);
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, a_put_of_a_known_key_moves_it_as_each_policy_does)
{
	static const char *wanted[] = {" 2:0 1:0 0:0", " 0:0 2:0 1:0",
				       " 0:0 2:0 1:0"};

	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_l1((aibrix_evict_opts){.policy = their[i],
							  .capacity = 10});

		for (uint32_t key = 0; key < 3; key++)
			l1_put(&l1, key);
		l1_put(&l1, 0);
		expect_queue(&l1, IN_SMALL, wanted[i]);
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, a_put_of_a_ghost_is_hot_and_no_put)
{
	struct l1 l1 = new_l1((aibrix_evict_opts){.policy = AIBRIX_EVICT_S3FIFO,
						  .capacity = 10});

	for (uint32_t key = 0; key < 11; key++)
		l1_put(&l1, key);
	cr_expect_eq(l1.slot_of[0], ABSENT);
	l1_put(&l1, 0);
	cr_expect_eq(l1.put[0], 1);
	cr_expect_eq(l1.hot[0], 1);
	l1_get(&l1, 0);
	cr_expect_eq(l1.hot[0], 1, "in main nothing is hot");
	aibrix_evict_free(l1.order);
}

/* The cases of AIBrix's own test; 100 units, small is a tenth. */
static struct l1
new_hundred(int i)
{
	return new_l1(
		(aibrix_evict_opts){.policy = their[i],
				    .capacity = 100,
				    .small_ratio = 0.1,
				    .flags = AIBRIX_EVICT_COMPAT_OVERFLOW});
}

Test(evict_compat, evict_makes_the_room_that_is_asked_for)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_hundred(i);

		for (uint32_t key = 0; key < 3; key++)
			l1_put(&l1, key);
		l1_evict(&l1, 2);
		cr_expect_eq(stats_of(l1.order).count, 1);
		l1_evict(&l1, 999);
		cr_expect_eq(stats_of(l1.order).count, 0);
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, after_many_puts_the_last_hundred_are_there)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_hundred(i);

		for (uint32_t key = 0; key < 50; key++) {
			l1_put(&l1, key);
			l1_get(&l1, key);
		}
		for (uint32_t key = 50; key < 150; key++) {
			l1_put(&l1, key);
			if (their[i] == AIBRIX_EVICT_S3FIFO)
				l1_get(&l1, key);
		}
		for (uint32_t key = 50; key < 150; key++)
			cr_expect(l1_get(&l1, key), "policy %u, key %u",
				  their[i], key);
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, two_hundred_puts_evict_the_first_hundred_once_each)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_hundred(i);

		for (uint32_t key = 0; key < 200; key++)
			l1_put(&l1, key);
		for (uint32_t key = 0; key < 200; key++)
			cr_expect_eq(l1.evicted[key], key < 100,
				     "policy %u, key %u", their[i], key);
		aibrix_evict_free(l1.order);
	}
}

Test(evict_compat, every_key_is_hot_once_however_often_it_is_read)
{
	for (int i = 0; i < THEIR; i++) {
		struct l1 l1 = new_hundred(i);
		uint32_t hot = 0;

		for (uint32_t key = 0; key < 100; key++)
			l1_put(&l1, key);
		for (uint32_t key = 0; key < 100; key += 3)
			for (int n = 0; n < 5; n++)
				l1_get(&l1, key);
		for (uint32_t key = 0; key < 100; key++)
			hot += l1.hot[key];
		cr_expect_eq(hot, 34, "policy %u", their[i]);
		aibrix_evict_free(l1.order);
	}
}
