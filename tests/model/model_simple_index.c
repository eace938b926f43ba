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
