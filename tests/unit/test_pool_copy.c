#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pool.h>

#include "base/rand.h"
#include "base/xxh.h"
#include "pool/pool_internal.h"

enum { MIB = 1 << 20, ROOM = 3 * MIB, KINDS = 5 };

static aibrix_pool *
new_pool(uint32_t copy)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = 2,
			      .slot_bytes = ROOM,
			      .copy = copy};
	aibrix_pool *pool = NULL;
	int err = aibrix_pool_new(&o, &pool);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_UNSUPPORTED);
	return pool;
}

static uint32_t
chosen(const aibrix_pool *pool)
{
	aibrix_pool_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_pool_stats(pool, &stat), AIBRIX_OK);
	return stat.copy;
}

static void
fill(uint8_t *data, size_t n, uint64_t seed)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t word = rand_next(&seed);

		memcpy(data + i, &word, 8);
	}
}

/* Copy n bytes to slot 0 at to from slot 1 at from; what lies around them
 * stays. */
static void
copy_both_ways(aibrix_pool *pool, size_t to, size_t from, size_t n)
{
	uint8_t *dst = aibrix_pool_slot(pool, 0);
	uint8_t *src = aibrix_pool_slot(pool, 1);
	uint64_t sum = 7, want = aibrix__xxh3_64(src + from, n, 0);

	for (int summed = 0; summed < 2; summed++) {
		memset(dst + to, 0, n);
		memset(dst, 0xee, to);
		memset(dst + to + n, 0xee, 64);
		if (summed)
			cr_assert_eq(aibrix_pool_copy_sum(pool, dst + to,
							  src + from, n, &sum),
				     AIBRIX_OK);
		else
			cr_assert_eq(
				aibrix_pool_copy(pool, dst + to, src + from, n),
				AIBRIX_OK);
		cr_assert_arr_eq(dst + to, src + from, n, "%zu bytes", n);
		for (size_t i = 0; i < to; i++)
			cr_assert_eq(dst[i], 0xee);
		for (size_t i = 0; i < 64; i++)
			cr_assert_eq(dst[to + n + i], 0xee);
	}
	cr_assert_eq(sum, want, "%zu bytes from %zu to %zu", n, from, to);
}

Test(pool_copy, every_way_copies_and_sums_any_length_from_and_to_anywhere)
{
	static const size_t sizes[] = {
		0,          1,       63,          240,    241,    1024,
		4095,       4096,    4097,        5119,   5120,   5121,
		5184,       8192,    16384,       32767,  32768,  32769,
		32832,      65536,   65536 + 1,   100000, 131072, MIB,
		MIB + 1023, MIB + 1, 2 * MIB - 1, 2 * MIB};
	static const size_t places[][2] = {{0, 0}, {64, 8}, {1, 0}, {63, 5}};

	for (uint32_t kind = 0; kind <= KINDS; kind++) {
		aibrix_pool *pool = new_pool(kind);

		if (!pool)
			continue;
		if (kind)
			cr_expect_eq(chosen(pool), kind);
		fill(aibrix_pool_slot(pool, 1), ROOM, kind + 1);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (size_t k = 0; k < 4; k++)
				copy_both_ways(pool, places[k][0], places[k][1],
					       sizes[i]);
		aibrix_pool_free(pool);
	}
}

Test(pool_copy, random_lengths_are_summed_as_by_the_reference)
{
	aibrix_pool *pool = new_pool(AIBRIX_POOL_COPY_AUTO);
	uint64_t state = 5;

	fill(aibrix_pool_slot(pool, 1), ROOM, 9);
	for (int i = 0; i < 300; i++)
		copy_both_ways(pool, 64 * rand_below(&state, 2),
			       rand_below(&state, 100),
			       4096 + rand_below(&state, 20000));
	aibrix_pool_free(pool);
}

/* The loops in pieces, which this processor may not need. */
Test(pool_copy, a_processor_without_vectors_gives_the_same_sums)
{
	aibrix_pool *pool = new_pool(AIBRIX_POOL_COPY_MEMCPY);
	uint64_t state = 6;

	pool->copy.cpu = 0;
	fill(aibrix_pool_slot(pool, 1), ROOM, 9);
	for (int i = 0; i < 50; i++)
		copy_both_ways(pool, 0, rand_below(&state, 100),
			       rand_below(&state, 100000));
	aibrix_pool_free(pool);
}

Test(pool_copy, wrong_calls_are_invalid)
{
	aibrix_pool_opts o = {
		.size = sizeof(o), .slots = 1, .slot_bytes = 1, .copy = 6};
	aibrix_pool *pool = NULL;
	uint64_t sum = 7;
	char a[8] = "left";

	cr_expect_eq(aibrix_pool_new(&o, &pool), AIBRIX_E_INVAL);
	pool = new_pool(0);
	cr_expect_eq(aibrix_pool_copy(NULL, a, a, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy(pool, NULL, a, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy(pool, a, NULL, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy(pool, NULL, NULL, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_pool_copy_sum(NULL, a, a, 1, &sum), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy_sum(pool, NULL, a, 1, &sum),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy_sum(pool, a, NULL, 1, &sum),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_copy_sum(pool, a, a, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(sum, 7, "output untouched on failure");
	cr_expect_str_eq(a, "left");
	aibrix_pool_free(pool);
}

/* A clock by which one way of copying is fast: the reads come in pairs, for
 * each way in turn. */
struct script {
	uint32_t reads, fast;
	uint64_t now;
};

static uint64_t
script_clock(void *ctx)
{
	struct script *s = ctx;
	uint32_t kind = s->reads / 2 % KINDS + 1;

	if (s->reads++ % 2)
		s->now += kind == s->fast ? 10 : 11;
	return s->now;
}

Test(pool_copy, a_large_pool_takes_what_was_fastest)
{
	aibrix_pool *pool = new_pool(AIBRIX_POOL_COPY_STREAM);

	if (!pool)
		cr_skip_test("there is one way only");
	aibrix_pool_free(pool);
	for (uint32_t fast = 1; fast <= KINDS; fast++) {
		struct script script = {.fast = fast};
		aibrix_pool_opts o = {.size = sizeof(o),
				      .slots = 64,
				      .slot_bytes = MIB,
				      .clock = script_clock,
				      .clock_ctx = &script};

		cr_assert_eq(aibrix_pool_new(&o, &pool), AIBRIX_OK);
		cr_expect_eq(chosen(pool), fast);
		cr_expect_eq(script.reads % (2 * KINDS), 0);
		aibrix_pool_free(pool);
		script.reads = 0;
		o.slots = 63;
		cr_assert_eq(aibrix_pool_new(&o, &pool), AIBRIX_OK);
		cr_expect_eq(script.reads, 0, "a small pool does not measure");
		aibrix_pool_free(pool);
	}
}
