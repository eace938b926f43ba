/*
 * The programs of model_index.c on the simple index, which other tests
 * compare with: the naive model is the only thing below it.
 */

#include "reference/simple_index.h"

#define aibrix_index simple_index
#define aibrix_index_reader simple_index_reader
#define aibrix_index_new simple_index_new
#define aibrix_index_free simple_index_free
#define aibrix_index_reader_new simple_index_reader_new
#define aibrix_index_reader_free simple_index_reader_free
#define aibrix_index_owner_add simple_index_owner_add
#define aibrix_index_owner_remove simple_index_owner_remove
#define aibrix_index_apply_stored simple_index_apply_stored
#define aibrix_index_apply_removed simple_index_apply_removed
#define aibrix_index_apply_cleared simple_index_apply_cleared
#define aibrix_index_lookup simple_index_lookup
#define aibrix_index_lookup_batch simple_index_lookup_batch
#define aibrix_index_match simple_index_match
#define aibrix_index_stats simple_index_stats
#define aibrix_index_dump simple_index_dump
#define aibrix_index_load simple_index_load
#define aibrix__index_check simple__index_check

#include <criterion/criterion.h>

#include "base/cpu.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "index_program.h"

enum { PROGRAMS = 1000, PROGRAM_BYTES = 512, SEED = 1000000 };

Test(simple_index, answers_as_the_naive_model_after_every_step)
{
	uint8_t bytes[PROGRAM_BYTES];

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		uint64_t seed = SEED + i;
		const char *bad;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)rand_next(&seed);
		bad = program_run(bytes, sizeof(bytes), FAULT_NONE);
		cr_assert_null(bad, "seed %u: %s", SEED + i, bad);
	}
}

/* An index in which owner 0 holds block 1, named 1, so many times. */
static aibrix_index *
new_index_with_copies(uint32_t copies)
{
	static const uint64_t one = 1;
	const aibrix_index_stored stored = {
		.size = sizeof(stored), .n = 1, .hashes = &one, .names = &one};
	uint8_t bytes[120];
	struct writer count = writer_on(bytes + 100, 4);
	struct writer sum = writer_on(bytes + sizeof(bytes) - 4, 4);
	aibrix_index *index;
	uint64_t n;

	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_index_apply_stored(index, 0, &stored), AIBRIX_OK);
	cr_assert_eq(aibrix_index_dump(index, bytes, sizeof(bytes), &n),
		     AIBRIX_OK);
	cr_assert_eq(n, sizeof(bytes));
	aibrix_index_free(index);
	write_u32(&count, copies);
	write_u32(&sum, aibrix__crc32c(aibrix__cpu(), 0, bytes, 116));
	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_load(index, bytes, sizeof(bytes)), AIBRIX_OK);
	return index;
}

Test(simple_index, names_that_repeat_a_block_do_not_wrap_its_copies)
{
	static const uint64_t names[2] = {1, 1};
	aibrix_index_stored stored = {
		.size = sizeof(stored), .n = 2, .names = names};
	aibrix_index *index = new_index_with_copies(UINT32_MAX - 1);
	aibrix_index_stat stat = {.size = sizeof(stat)};

	cr_expect_eq(aibrix_index_apply_stored(index, 0, &stored),
		     AIBRIX_E_FULL);
	stored.n = 1;
	cr_expect_eq(aibrix_index_apply_stored(index, 0, &stored), AIBRIX_OK);
	cr_expect_eq(aibrix_index_apply_stored(index, 0, &stored),
		     AIBRIX_E_FULL);

	cr_expect_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	cr_expect_eq(stat.refused, 2);
	cr_expect_eq(stat.held, 1);
	aibrix_index_free(index);
}
