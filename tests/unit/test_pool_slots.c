#include <string.h>

#include "base/rand.h"
#include "failing.h"
#include "pool/pool_internal.h"
#include "pool_fixture.h"

enum { MIB = 1 << 20, MANY = 8192 };

#define MS ((uint64_t)1 << 20) /* as deadlines count */

static aibrix_pool *
new_pool(uint64_t slots, uint32_t magazines)
{
	return new_pool_with((aibrix_pool_opts){.slots = slots,
						.slot_bytes = 64,
						.align = 64,
						.magazines = magazines,
						.magazine_slots = 4});
}

static const uint64_t eights[] = {8, 16, 32, 64, 128, 256, 512, 1024};

/* 1 MiB in spans of 1024 bytes, slots of 8 to 1024 bytes. */
static aibrix_pool *
new_classes(void)
{
	return new_pool_with((aibrix_pool_opts){.class_bytes = eights,
						.classes = 8,
						.align = 8,
						.capacity_bytes = MIB,
						.span_bytes = 1024});
}

static uint32_t
take_n(aibrix_pool *pool, aibrix_pool_want want, uint32_t n,
       aibrix_lease *leases)
{
	uint32_t taken = 0;
	int err;

	want.size = sizeof(want);
	err = aibrix_pool_take_n(pool, &want, n, leases, &taken);
	cr_assert_eq(err, taken ? AIBRIX_OK : AIBRIX_E_FULL);
	return taken;
}

static void
give_n(aibrix_pool *pool, uint32_t magazine, const aibrix_lease *leases,
       uint32_t n)
{
	uint32_t given;

	cr_assert_eq(aibrix_pool_give_n(pool, magazine, leases, n, &given),
		     AIBRIX_OK);
	cr_assert_eq(given, n);
}

static int
new_status(aibrix_pool_opts o)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_pool *pool = NULL;
	int err;

	o.size = sizeof(o);
	o.alloc = &a;
	err = aibrix_pool_new(&o, &pool);
	aibrix_pool_free(pool);
	cr_expect_eq(f.live, 0);
	return err;
}

Test(pool_slots, options_of_classes_out_of_range_are_refused)
{
	static const uint64_t down[] = {16, 8}, same[] = {8, 8}, zero[] = {0};
	static const uint64_t huge[] = {8, UINT64_MAX};
	static const aibrix_pool_opts bad[] = {
		{.class_bytes = eights, .classes = 0, .capacity_bytes = MIB},
		{.class_bytes = eights, .classes = 65, .capacity_bytes = MIB},
		{.class_bytes = eights, .classes = 8, .capacity_bytes = 0},
		{.class_bytes = eights, .classes = 8, .capacity_bytes = 4095},
		{.class_bytes = down, .classes = 2, .capacity_bytes = MIB},
		{.class_bytes = same, .classes = 2, .capacity_bytes = MIB},
		{.class_bytes = zero, .classes = 1, .capacity_bytes = MIB},
		{.class_bytes = huge, .classes = 2, .capacity_bytes = MIB},
		{.class_bytes = eights,
		 .classes = 8,
		 .align = 8,
		 .capacity_bytes = MIB + 8,
		 .span_bytes = 1024},
		{.class_bytes = eights,
		 .classes = 8,
		 .align = 8,
		 .capacity_bytes = 1016,
		 .span_bytes = 1016},
		{.class_bytes = eights,
		 .classes = 8,
		 .align = 16,
		 .capacity_bytes = 10320,
		 .span_bytes = 1032},
		{.class_bytes = eights,
		 .classes = 8,
		 .align = 8,
		 .capacity_bytes = (uint64_t)1 << 40},
		{.class_bytes = eights,
		 .classes = 8,
		 .slots = 1,
		 .capacity_bytes = MIB},
		{.class_bytes = eights,
		 .classes = 8,
		 .slot_bytes = 1,
		 .capacity_bytes = MIB},
		{.slots = 1, .slot_bytes = 1, .capacity_bytes = MIB},
		{.slots = 1, .slot_bytes = 1, .classes = 1},
		{.slots = 1, .slot_bytes = 1, .magazines = 1025},
		{.slots = 1, .slot_bytes = 1, .magazine_slots = 1025},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(new_status(bad[i]), AIBRIX_E_INVAL, "row %zu", i);
}

Test(pool_slots, the_class_of_a_size_is_the_smallest_that_holds_it)
{
	aibrix_pool *pool = new_classes();
	uint32_t kind = 9;

	cr_expect_eq(aibrix_pool_class(pool, 1025, &kind), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(kind, 9, "output untouched on failure");
	cr_expect_eq(aibrix_pool_class(pool, 1, &kind), AIBRIX_OK);
	cr_expect_eq(kind, 0);
	cr_expect_eq(aibrix_pool_class(pool, 9, &kind), AIBRIX_OK);
	cr_expect_eq(kind, 1);
	cr_expect_eq(aibrix_pool_class(pool, 1024, &kind), AIBRIX_OK);
	cr_expect_eq(kind, 7);
	cr_expect_eq(aibrix_pool_class(NULL, 8, &kind), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_class(pool, 8, NULL), AIBRIX_E_INVAL);
	aibrix_pool_free(pool);
}

Test(pool_slots, a_new_pool_of_classes_is_all_free_spans)
{
	aibrix_pool *pool = new_classes();
	aibrix_pool_stat s = stats_of(pool);

	cr_expect_eq(s.mapped_bytes, MIB);
	cr_expect_eq(s.spans, 1024);
	cr_expect_eq(s.free_spans, 1024);
	cr_expect_eq(s.slots, 0);
	cr_expect_null(aibrix_pool_slot(pool, 0));
	aibrix_pool_free(pool);
}

Test(pool_slots, used_bytes_are_those_of_the_leases)
{
	aibrix_pool *pool = new_classes();
	aibrix_lease leases[64];

	cr_expect_eq(
		take_n(pool, (aibrix_pool_want){.slot_class = 1}, 64, leases),
		64);
	cr_expect_eq(stats_of(pool).taken_bytes, 1024);
	cr_expect_eq(stats_of(pool).free_spans, 1023);
	give_n(pool, 0, leases, 64);
	cr_expect_eq(stats_of(pool).taken_bytes, 0);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, more_than_there_is_is_had_in_part_and_then_full)
{
	aibrix_pool *pool = new_classes();
	static aibrix_lease leases[MANY];
	aibrix_pool_want want = {.slot_class = 6};

	cr_expect_eq(take_n(pool, want, MANY, leases), 2048);
	cr_expect_eq(take_n(pool, want, MANY, leases), 0);
	cr_expect_eq(stats_of(pool).taken_bytes, MIB);
	cr_expect_eq(stats_of(pool).fulls, 1);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

struct batch {
	aibrix_lease leases[16];
	uint32_t n;
	uint64_t bytes;
};

static void
batch_take(aibrix_pool *pool, struct batch *b, uint64_t *state)
{
	static const uint32_t counts[] = {2, 4, 8, 16};
	static const uint32_t low[] = {8, 64, 128, 256};
	static const uint32_t high[] = {64, 128, 256, 512};
	uint32_t row = rand_below(state, 4);

	b->n = 0;
	b->bytes = 0;
	for (uint32_t i = 0; i < counts[row]; i++) {
		uint64_t bytes =
			low[row] + rand_below(state, high[row] - low[row] + 1);
		uint32_t kind;

		cr_assert_eq(aibrix_pool_class(pool, bytes, &kind), AIBRIX_OK);
		if (take_n(pool, (aibrix_pool_want){.slot_class = kind}, 1,
			   &b->leases[b->n]) == 0)
			continue;
		cr_assert_geq(b->leases[b->n].bytes, bytes);
		b->bytes += b->leases[b->n++].bytes;
	}
}

Test(pool_slots, accounting_is_exact_after_every_batch)
{
	static struct batch batches[100];

	for (uint64_t seed = 43; seed <= 1243; seed += 100) {
		aibrix_pool *pool = new_classes();
		uint64_t state = seed, used = 0;
		uint32_t n = 100;

		for (uint32_t i = 0; i < n; i++) {
			batch_take(pool, &batches[i], &state);
			used += batches[i].bytes;
			cr_assert_eq(stats_of(pool).taken_bytes, used);
			cr_assert(pool_sound(pool));
		}
		while (n > 0) {
			struct batch *b = &batches[rand_below(&state, n)];

			give_n(pool, 0, b->leases, b->n);
			used -= b->bytes;
			*b = batches[--n];
			cr_assert_eq(stats_of(pool).taken_bytes, used);
			cr_assert(pool_sound(pool));
		}
		cr_assert_eq(used, 0);
		aibrix_pool_free(pool);
	}
}

Test(pool_slots, slots_of_all_classes_are_apart)
{
	aibrix_pool *pool = new_classes();
	static aibrix_lease leases[512];
	static const uint64_t size = sizeof(leases) / sizeof(leases[0]);

	for (uint32_t i = 0; i < size; i++) {
		cr_assert_eq(take_n(pool,
				    (aibrix_pool_want){.slot_class = i % 8}, 1,
				    &leases[i]),
			     1);
		memset(leases[i].data, (int)(i % 251), (size_t)leases[i].bytes);
	}
	for (uint32_t i = 0; i < size; i++)
		for (uint64_t k = 0; k < leases[i].bytes; k++)
			cr_assert_eq(((uint8_t *)leases[i].data)[k], i % 251);
	aibrix_pool_free(pool);
}

Test(pool_slots, an_idle_span_passes_to_a_class_that_runs_dry)
{
	static aibrix_lease large[1024], small[MANY];
	aibrix_pool *pool = new_classes();
	aibrix_pool_want want = {.slot_class = 7};

	cr_assert_eq(take_n(pool, want, 1024, large), 1024);
	cr_expect_eq(take_n(pool, (aibrix_pool_want){0}, 1, small), 0);
	give_n(pool, 0, large + 10, 3);
	cr_expect_eq(take_n(pool, (aibrix_pool_want){0}, MANY, small), 384);
	cr_expect(pool_sound(pool));
	give_n(pool, 0, small, 383);
	cr_expect_eq(take_n(pool, want, 3, large + 10), 2,
		     "one slot of 8 bytes holds its span");
	cr_expect(pool_sound(pool));
	cr_expect_eq(stats_of(pool).taken_bytes, 1023 * 1024 + 8);
	aibrix_pool_free(pool);
}

Test(pool_slots, a_lease_of_a_span_that_passed_on_has_ended)
{
	static aibrix_lease large[1024];
	aibrix_pool *pool = new_classes();
	aibrix_lease old, small[256];

	cr_assert_eq(
		take_n(pool, (aibrix_pool_want){.slot_class = 7}, 1024, large),
		1024);
	old = large[5];
	give_n(pool, 0, &old, 1);
	cr_assert_eq(
		take_n(pool, (aibrix_pool_want){.slot_class = 1}, 64, small),
		64);
	cr_expect_eq(aibrix_pool_give(pool, &old), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_pool_holds(pool, &old), 0);
	give_n(pool, 0, small, 64);
	old = small[63];
	cr_assert_eq(
		take_n(pool, (aibrix_pool_want){.slot_class = 7}, 1, large), 1);
	cr_expect_eq(aibrix_pool_give(pool, &old), AIBRIX_E_STATE,
		     "also where its slot is no more");
	old.slot = large[0].slot;
	old.generation = large[0].generation;
	cr_expect_eq(aibrix_pool_give(pool, &old), AIBRIX_E_INVAL, "forged");
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, spans_may_lie_in_several_regions)
{
	aibrix_pool *pool =
		new_pool_with((aibrix_pool_opts){.class_bytes = eights,
						 .classes = 1,
						 .align = 8,
						 .capacity_bytes = 5 * 4096,
						 .span_bytes = 4096,
						 .region_bytes = 8192});
	static aibrix_lease leases[MANY];
	aibrix_pool_region_info info = {.size = sizeof(info)};

	cr_assert_eq(aibrix_pool_region(pool, 2, &info), AIBRIX_OK);
	cr_expect_eq(info.first_slot, 2048);
	cr_expect_eq(info.slots, 512);
	cr_expect_eq(info.bytes, 4096);
	cr_expect_eq(info.stride, 0);
	cr_expect_eq(take_n(pool, (aibrix_pool_want){0}, MANY, leases), 2560);
	for (uint32_t i = 0; i < 2560; i++)
		memset(leases[i].data, 1, 8);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, by_default_a_span_holds_sixteen_of_the_largest)
{
	aibrix_pool *pool =
		new_pool_with((aibrix_pool_opts){.class_bytes = eights,
						 .classes = 8,
						 .align = 8,
						 .capacity_bytes = 100000});

	cr_expect_eq(stats_of(pool).spans, 6, "whole spans of 16384 bytes");
	aibrix_pool_free(pool);
}

Test(pool_slots, a_batch_is_all_or_what_there_is)
{
	aibrix_pool *pool = new_pool(5, 0);
	aibrix_pool_want all = {.size = sizeof(all), .flags = AIBRIX_POOL_ALL};
	aibrix_lease leases[8];
	uint32_t taken;

	cr_expect_eq(aibrix_pool_take_n(pool, &all, 6, leases, &taken),
		     AIBRIX_E_FULL);
	cr_expect_eq(taken, 0);
	cr_expect(pool_sound(pool));
	cr_expect_eq(aibrix_pool_take_n(pool, &all, UINT32_MAX, leases, &taken),
		     AIBRIX_E_FULL);
	cr_expect_eq(aibrix_pool_take_n(pool, NULL, 8, leases, &taken),
		     AIBRIX_OK);
	cr_expect_eq(taken, 5);
	give_n(pool, 0, leases, 2);
	cr_expect_eq(aibrix_pool_take_n(pool, &all, 2, leases, &taken),
		     AIBRIX_OK);
	cr_expect_eq(leases[0].slot, 1, "the last one given");
	cr_expect_eq(leases[1].slot, 0);
	aibrix_pool_free(pool);
}

Test(pool_slots, giving_passes_over_what_is_refused)
{
	aibrix_pool *pool = new_pool(4, 0);
	aibrix_lease leases[4];
	uint32_t given = 7;

	cr_assert_eq(take_n(pool, (aibrix_pool_want){0}, 4, leases), 4);
	leases[2] = leases[1];
	leases[3].generation++;
	cr_expect_eq(aibrix_pool_give_n(pool, 0, leases, 4, &given),
		     AIBRIX_E_STATE, "that of the first");
	cr_expect_eq(given, 2);
	cr_expect_eq(stats_of(pool).taken, 2);
	cr_expect_eq(stats_of(pool).stale_gives, 1);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, wrong_calls_are_invalid)
{
	aibrix_pool *pool = new_pool(1, 2);
	aibrix_pool_want w = {.size = sizeof(w)};
	aibrix_lease lease = {0};
	uint64_t slots;
	uint32_t n;

	cr_expect_eq(aibrix_pool_take_n(NULL, &w, 1, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 0, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, NULL, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, &lease, NULL),
		     AIBRIX_E_INVAL);
	w.slot_class = 1;
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, &lease, &n),
		     AIBRIX_E_INVAL);
	w = (aibrix_pool_want){.size = sizeof(w), .magazine = 3};
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, &lease, &n),
		     AIBRIX_E_INVAL);
	w = (aibrix_pool_want){.size = sizeof(w), .flags = 2};
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, &lease, &n), AIBRIX_E_ABI);
	w.size = 3;
	cr_expect_eq(aibrix_pool_take_n(pool, &w, 1, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give_n(NULL, 0, &lease, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give_n(pool, 3, &lease, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give_n(pool, 0, NULL, 1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give_n(pool, 0, &lease, 1, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_give_n(pool, 0, &lease, 0, &n), AIBRIX_OK);
	cr_expect_eq(aibrix_pool_renew(NULL, &lease, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_renew(pool, NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_renew(pool, &lease, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_expire(NULL, 0, 1, NULL, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_expire(pool, 0, 1, NULL, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_revoke(NULL, 0, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_revoke(pool, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_held(NULL, 0, &slots, &slots), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_held(pool, 0, NULL, &slots), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_held(pool, 0, &slots, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_check(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_check(pool, NULL), AIBRIX_E_INVAL);
	aibrix_pool_free(pool);
}

Test(pool_slots, a_magazine_gives_what_it_got_last)
{
	aibrix_pool *pool = new_pool(100, 2);
	aibrix_pool_want mine = {.magazine = 1}, other = {.magazine = 2};
	aibrix_lease a, b, c;

	cr_assert_eq(take_n(pool, mine, 1, &a), 1);
	cr_assert_eq(take_n(pool, other, 1, &b), 1);
	cr_expect_eq(a.slot, 0);
	cr_expect_eq(b.slot, 5, "four more went to the first magazine");
	give_n(pool, 1, &a, 1);
	give_n(pool, 2, &b, 1);
	cr_assert_eq(take_n(pool, mine, 1, &c), 1);
	cr_expect_eq(c.slot, 0);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, magazines_hide_nothing_from_a_pool_that_is_full)
{
	aibrix_pool *pool = new_pool(6, 2);
	aibrix_lease a, rest[6];

	cr_assert_eq(take_n(pool, (aibrix_pool_want){.magazine = 1}, 1, &a), 1);
	cr_expect_eq(take_n(pool, (aibrix_pool_want){.magazine = 2}, 3, rest),
		     3);
	cr_expect_eq(take_n(pool, (aibrix_pool_want){0}, 6, rest + 3), 2);
	cr_expect_eq(stats_of(pool).taken, 6);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, a_magazine_does_not_grow_for_ever)
{
	aibrix_pool *pool = new_pool(100, 1);
	aibrix_lease leases[100];
	aibrix_pool_report r = {.size = sizeof(r)};
	uint32_t slot, kept = 0;

	cr_assert_eq(take_n(pool, (aibrix_pool_want){0}, 100, leases), 100);
	for (uint32_t i = 0; i < 100; i++)
		give_n(pool, 1, &leases[i], 1);
	slot = (uint32_t)pool->stacks[1].head;
	for (; slot != UINT32_MAX; slot = pool->slots[slot].next)
		kept++;
	cr_expect_leq(kept, 12, "three times its size, of 4");
	cr_expect_eq((uint32_t)pool->stacks[1].head, 99, "the warm ones");
	cr_assert_eq(aibrix_pool_check(pool, &r), AIBRIX_OK);
	cr_expect_eq(r.free, 100);
	cr_expect_eq(r.moving, 0);
	aibrix_pool_free(pool);
}

static uint32_t
expire(aibrix_pool *pool, uint64_t now_ns, aibrix_lease *ended)
{
	uint32_t n = 77;

	cr_assert_eq(aibrix_pool_expire(pool, now_ns, 8, ended, &n), AIBRIX_OK);
	return n;
}

Test(pool_slots, leases_end_when_their_deadline_has_passed)
{
	aibrix_pool *pool = new_pool(4, 0);
	aibrix_lease lease[3], ended[8];

	take_n(pool, (aibrix_pool_want){.deadline_ns = 10 * MS}, 1, &lease[0]);
	take_n(pool, (aibrix_pool_want){.deadline_ns = 20 * MS + 1}, 1,
	       &lease[1]);
	take_n(pool, (aibrix_pool_want){0}, 1, &lease[2]);
	cr_expect_eq(expire(pool, 10 * MS - 1, ended), 0);
	cr_expect_eq(expire(pool, 10 * MS, ended), 1);
	cr_expect_eq(ended[0].slot, lease[0].slot);
	cr_expect_eq(ended[0].data, lease[0].data);
	cr_expect_eq(ended[0].generation, lease[0].generation);
	cr_expect_eq(ended[0].bytes, 64);
	cr_expect_eq(aibrix_pool_holds(pool, &lease[0]), 0);
	cr_expect_eq(aibrix_pool_give(pool, &lease[0]), AIBRIX_E_STATE);
	cr_expect_eq(expire(pool, 20 * MS, NULL), 0, "never too early");
	cr_expect_eq(expire(pool, 21 * MS, NULL), 1);
	cr_expect_eq(expire(pool, AIBRIX_FOREVER / 2, NULL), 0, "no deadline");
	cr_expect_eq(stats_of(pool).ended, 2);
	cr_expect_eq(stats_of(pool).taken, 1);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, a_renewed_lease_goes_on)
{
	aibrix_pool *pool = new_pool(1, 0);
	aibrix_lease lease;

	take_n(pool, (aibrix_pool_want){.deadline_ns = 10 * MS}, 1, &lease);
	cr_expect_eq(aibrix_pool_renew(pool, &lease, 30 * MS), AIBRIX_OK);
	cr_expect_eq(expire(pool, 29 * MS, NULL), 0);
	cr_expect_eq(aibrix_pool_holds(pool, &lease), 1);
	cr_expect_eq(aibrix_pool_renew(pool, &lease, AIBRIX_FOREVER),
		     AIBRIX_OK);
	cr_expect_eq(expire(pool, 99 * MS, NULL), 0);
	cr_expect_eq(aibrix_pool_renew(pool, &lease, 30 * MS), AIBRIX_OK);
	cr_expect_eq(expire(pool, 99 * MS, NULL), 1);
	cr_expect_eq(aibrix_pool_renew(pool, &lease, 200 * MS), AIBRIX_E_STATE);
	aibrix_pool_free(pool);
}

/* Deadlines count 2^20 ns in 32 bits: 52 days around. */
Test(pool_slots, deadlines_wrap)
{
	aibrix_pool *pool = new_pool(2, 0);
	const uint64_t around = (uint64_t)1 << 52;
	aibrix_lease lease[2];

	take_n(pool, (aibrix_pool_want){.deadline_ns = around + 5 * MS}, 1,
	       &lease[0]);
	take_n(pool, (aibrix_pool_want){.deadline_ns = around}, 1, &lease[1]);
	cr_expect_eq(expire(pool, around - 5 * MS, NULL), 0);
	cr_expect_eq(expire(pool, around + 4 * MS, NULL), 1,
		     "0 is no deadline: a tick later");
	cr_expect_eq(expire(pool, around + 5 * MS, NULL), 1);
	aibrix_pool_free(pool);
}

Test(pool_slots, a_sweep_ends_no_more_than_asked)
{
	aibrix_pool *pool = new_pool(4, 0);
	aibrix_lease leases[4];
	uint32_t n;

	take_n(pool, (aibrix_pool_want){.deadline_ns = 1}, 4, leases);
	cr_expect_eq(aibrix_pool_expire(pool, 9 * MS, 3, NULL, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	cr_expect_eq(aibrix_pool_expire(pool, 9 * MS, 3, NULL, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	aibrix_pool_free(pool);
}

static uint64_t
held(const aibrix_pool *pool, uint32_t holder, uint64_t *bytes)
{
	uint64_t slots;

	cr_assert_eq(aibrix_pool_held(pool, holder, &slots, bytes), AIBRIX_OK);
	return slots;
}

Test(pool_slots, what_a_holder_leaks_is_counted_and_taken_back)
{
	aibrix_pool *pool = new_classes();
	aibrix_lease leases[9];
	uint64_t bytes;
	uint32_t n;

	take_n(pool, (aibrix_pool_want){.holder = 7, .slot_class = 1}, 3,
	       leases);
	take_n(pool, (aibrix_pool_want){.holder = 7, .slot_class = 7}, 1,
	       leases + 3);
	take_n(pool, (aibrix_pool_want){.holder = 8, .slot_class = 1}, 2,
	       leases + 4);
	give_n(pool, 0, leases, 1);
	cr_expect_eq(held(pool, 7, &bytes), 3);
	cr_expect_eq(bytes, 16 + 16 + 1024);
	cr_expect_eq(held(pool, 9, &bytes), 0);
	cr_expect_eq(bytes, 0);
	cr_expect_eq(aibrix_pool_revoke(pool, 7, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	cr_expect_eq(held(pool, 7, &bytes), 0);
	cr_expect_eq(held(pool, 8, &bytes), 2);
	cr_expect_eq(aibrix_pool_give(pool, &leases[3]), AIBRIX_E_STATE);
	cr_expect_eq(stats_of(pool).ended, 3);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
}

Test(pool_slots, scrubbing_clears_a_slot_and_nothing_else)
{
	static const uint8_t zero[64];
	aibrix_pool *pool =
		new_pool_with((aibrix_pool_opts){.slots = 3,
						 .slot_bytes = 64,
						 .align = 64,
						 .flags = AIBRIX_POOL_SCRUB});
	aibrix_lease l[3];

	take_n(pool, (aibrix_pool_want){.deadline_ns = MS}, 3, l);
	for (int i = 0; i < 3; i++)
		memset(l[i].data, 1, 64);
	cr_assert_eq(aibrix_pool_renew(pool, &l[0], 0), AIBRIX_OK);
	cr_assert_eq(aibrix_pool_renew(pool, &l[2], 0), AIBRIX_OK);
	cr_expect_eq(expire(pool, 2 * MS, NULL), 1);
	cr_expect_arr_eq(l[1].data, zero, 64, "ended by a sweep");
	cr_expect_eq(((uint8_t *)l[0].data)[63], 1);
	cr_expect_eq(((uint8_t *)l[2].data)[0], 1);
	aibrix_pool_free(pool);
}

Test(pool_slots, the_checker_notices_what_cannot_be)
{
	aibrix_pool_report r = {.size = sizeof(r)};
	aibrix_pool *pool = new_pool(4, 1);
	aibrix_lease lease[2];

	take_n(pool, (aibrix_pool_want){0}, 2, lease);
	cr_assert_eq(aibrix_pool_check(pool, &r), AIBRIX_OK);
	cr_expect_eq(r.free, 2);
	cr_expect_eq(r.taken, 2);
	pool->slots[3].word++;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_E_CORRUPT,
		     "taken and free");
	pool->slots[3].word++;
	pool->slots[3].next = 2;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_E_CORRUPT,
		     "free twice");
	pool->slots[3].next = UINT32_MAX;
	pool->stacks[1].head = 2;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_E_CORRUPT,
		     "in two stacks");
	pool->stacks[1].head = UINT32_MAX;
	pool->slots[2].next = UINT32_MAX;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_OK);
	cr_expect_eq(r.moving, 1, "lost, or on its way");
	pool->slots[2].next = 3;
	pool->stacks[0].takes++;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_OK);
	cr_expect_eq(r.drift, 1);
	r.size = 0;
	cr_expect_eq(aibrix_pool_check(pool, &r), AIBRIX_E_INVAL);
	aibrix_pool_free(pool);
}
