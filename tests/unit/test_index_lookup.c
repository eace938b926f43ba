#include <criterion/criterion.h>

#include <aibrix/hash.h>
#include <aibrix/index.h>

static const uint64_t hashes[] = {1, 2, 3, 4, 5, 6};

/* Owner 9 holds blocks 1-2-3, owner 4 holds 1-2, owner 7 holds 5. */
static aibrix_index_reader *
new_reader(aibrix_index **out)
{
	static const struct {
		uint32_t owner, first, n;
	} stored[] = {{9, 0, 3}, {4, 0, 2}, {7, 4, 1}};
	aibrix_index_reader *reader = NULL;

	cr_assert_eq(aibrix_index_new(NULL, out), AIBRIX_OK);
	for (uint32_t i = 0; i < 3; i++) {
		aibrix_index_stored e = {.size = sizeof(e),
					 .n = stored[i].n,
					 .hashes = hashes + stored[i].first,
					 .names = hashes + stored[i].first};

		cr_assert_eq(aibrix_index_owner_add(*out, stored[i].owner), 0);
		cr_assert_eq(
			aibrix_index_apply_stored(*out, stored[i].owner, &e),
			AIBRIX_OK);
	}
	cr_assert_eq(aibrix_index_reader_new(*out, &reader), AIBRIX_OK);
	return reader;
}

static void
free_reader(aibrix_index_reader *reader, aibrix_index *index)
{
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
}

Test(index_lookup, owners_come_in_order)
{
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	aibrix_match out[4];
	uint32_t n = 0;

	cr_expect_eq(aibrix_index_lookup(reader, hashes, 6, out, 4, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(out[0].owner, 4);
	cr_expect_eq(out[0].held, 2);
	cr_expect_eq(out[1].owner, 9);
	cr_expect_eq(out[1].held, 3);
	free_reader(reader, index);
}

Test(index_lookup, too_little_space_reports_the_need)
{
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	aibrix_match out = {.owner = 77};
	uint32_t n = 0;

	cr_expect_eq(aibrix_index_lookup(reader, hashes, 6, &out, 1, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 2);
	cr_expect_eq(out.owner, 77, "untouched");
	free_reader(reader, index);
}

Test(index_lookup, an_empty_prompt_matches_nobody)
{
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	uint32_t n = 9;

	cr_expect_eq(aibrix_index_lookup(reader, NULL, 0, NULL, 0, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	free_reader(reader, index);
}

Test(index_lookup, wrong_calls_are_invalid)
{
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	aibrix_match out[2];
	double column[2];
	uint32_t n;

	cr_expect_eq(aibrix_index_lookup(NULL, hashes, 1, out, 2, &n), -1);
	cr_expect_eq(aibrix_index_lookup(reader, NULL, 1, out, 2, &n), -1);
	cr_expect_eq(aibrix_index_lookup(reader, hashes, 1, out, 2, NULL), -1);
	cr_expect_eq(aibrix_index_lookup(reader, hashes,
					 (uint64_t)UINT32_MAX + 1, out, 2, &n),
		     -1);
	cr_expect_eq(aibrix_index_match(reader, NULL, 1, 0, column, 2), -1);
	cr_expect_eq(aibrix_index_match(reader, hashes, 1, 0, NULL, 2), -1);
	free_reader(reader, index);
}

Test(index_lookup, a_batch_is_its_prompts)
{
	static const uint64_t ends[] = {2, 2, 3, 6};
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	uint32_t out_ends[4] = {0}, n = 0;
	aibrix_match out[4];

	/* 1-2, nothing, 3, 4-5-6: only the first is held from its start. */
	cr_expect_eq(aibrix_index_lookup_batch(reader, hashes, ends, 4, out, 4,
					       out_ends, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(out_ends[0], 2);
	cr_expect_eq(out_ends[3], 2);
	cr_expect_eq(out[1].held, 2);
	free_reader(reader, index);
}

Test(index_lookup, a_batch_without_space_reports_the_total)
{
	static const uint64_t ends[] = {4, 5};
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	uint32_t out_ends[2], n = 0;
	aibrix_match out[2];

	cr_expect_eq(aibrix_index_lookup_batch(reader, hashes, ends, 2, out, 2,
					       out_ends, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	free_reader(reader, index);
}

Test(index_lookup, ends_of_a_batch_ascend)
{
	static const uint64_t ends[] = {2, 1};
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	uint32_t out_ends[2], n;
	aibrix_match out[4];

	cr_expect_eq(aibrix_index_lookup_batch(reader, hashes, ends, 2, out, 4,
					       out_ends, &n),
		     AIBRIX_E_INVAL);
	free_reader(reader, index);
}

Test(index_lookup, a_column_has_a_value_for_every_row)
{
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	double column[9];

	for (uint32_t i = 0; i < 9; i++)
		column[i] = -1;
	cr_expect_eq(aibrix_index_match(reader, hashes, 6, 0, column, 8),
		     AIBRIX_OK);
	cr_expect_eq(column[0], 0);
	cr_expect_eq(column[4], 2);
	cr_expect_eq(column[7], 0);
	cr_expect_eq(column[8], -1, "beyond rows");
	free_reader(reader, index);
}

/* 40 blocks of 16 tokens, the first 20 stored by owner 9. */
Test(index_lookup, tokens_are_hashed_as_far_as_the_index_knows_them)
{
	enum { BLOCKS = 40, STORED = 20 };
	static uint32_t tokens[BLOCKS * 16];
	static uint64_t made[BLOCKS], all[BLOCKS], names[BLOCKS];
	aibrix_prompt prompt = {.size = sizeof(prompt),
				.tokens = tokens,
				.n_tokens = BLOCKS * 16};
	aibrix_index_stored e = {
		.size = sizeof(e), .n = STORED, .hashes = all, .names = names};
	aibrix_index *index;
	aibrix_index_reader *reader = new_reader(&index);
	aibrix_hash *hash;
	aibrix_match out[4];
	uint64_t n = 0;
	uint32_t n_out = 0;

	for (uint32_t i = 0; i < BLOCKS * 16; i++)
		tokens[i] = i * 7;
	for (uint32_t i = 0; i < BLOCKS; i++)
		names[i] = 1000 + i;
	cr_assert_eq(aibrix_hash_new(NULL, &hash), AIBRIX_OK);
	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, all, NULL, BLOCKS, &n),
		AIBRIX_OK);
	cr_assert_eq(aibrix_index_apply_stored(index, 9, &e), AIBRIX_OK);

	cr_expect_eq(aibrix_index_lookup_tokens(reader, hash, &prompt, 0, made,
						BLOCKS, &n, out, 4, &n_out),
		     AIBRIX_OK);
	cr_expect_eq(n_out, 1);
	cr_expect_eq(out[0].owner, 9);
	cr_expect_eq(out[0].held, STORED);
	cr_expect_geq(n, STORED);
	cr_expect_lt(n, BLOCKS);
	cr_expect_arr_eq(made, all, n * sizeof(*all));

	/* The next turn goes on from there. */
	e.hashes = all + STORED;
	e.names = names + STORED;
	e.parent = names[STORED - 1];
	e.flags = AIBRIX_INDEX_HAS_PARENT;
	cr_assert_eq(aibrix_index_apply_stored(index, 9, &e), AIBRIX_OK);
	cr_expect_eq(aibrix_index_lookup_tokens(reader, hash, &prompt, n, made,
						BLOCKS, &n, out, 4, &n_out),
		     AIBRIX_OK);
	cr_expect_eq(n, BLOCKS);
	cr_expect_eq(out[0].held, BLOCKS);

	cr_expect_eq(aibrix_index_lookup_tokens(reader, hash, &prompt, 0, made,
						BLOCKS - 1, &n, out, 4, &n_out),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, BLOCKS);
	cr_expect_eq(aibrix_index_lookup_tokens(reader, hash, &prompt,
						BLOCKS + 1, made, BLOCKS, &n,
						out, 4, &n_out),
		     AIBRIX_E_INVAL);
	aibrix_hash_free(hash);
	free_reader(reader, index);
}
