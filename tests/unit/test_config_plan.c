#include "config_tools.h"

enum { STRICT = 0, COMPAT = AIBRIX_CONFIG_COMPAT };

/* 16 tokens of 128 KiB, as Llama 3 8B has them in bf16. */
static const aibrix_config_host llama = {
	.size = sizeof(llama), .block_tokens = 16, .token_bytes = 128 << 10};

static aibrix_config_plan
plan_with(uint32_t flags, const char *name, const char *value)
{
	const aibrix_config_pair pairs[] = {{OL "L2_CACHE_BACKEND", "MOCK"},
					    {name, value}};
	aibrix_config *config = config_good(flags, pairs, name ? 2 : 1);
	aibrix_config_plan plan = {.size = sizeof(plan)};

	cr_assert_eq(aibrix_config_solve(config, &llama, &plan), AIBRIX_OK);
	aibrix_config_free(config);
	return plan;
}

Test(config_plan, defaults_are_those_of_aibrix)
{
	aibrix_config_plan plan = plan_with(COMPAT, NULL, NULL);

	cr_expect_eq(plan.block_tokens, 16);
	cr_expect_eq(plan.block_bytes, 2097152);
	cr_expect_eq(plan.value_bytes, 2097152);
	cr_expect_eq(plan.chunk_tokens, 512);
	cr_expect_eq(plan.max_seq_tokens, AIBRIX_FOREVER);
	cr_expect_eq(plan.batch_blocks, 32);
	cr_expect_eq(plan.inflight_blocks, 0);
	cr_expect_eq(plan.block_wait_ns, 320000000);
	cr_expect_eq(plan.l1_bytes, 10ull << 30);
	cr_expect_eq(plan.stage_bytes, 3ull * 32 * 2097152);
	cr_expect_eq(plan.pool_bytes, 11ull << 30);
	/* Ours frames its values. */
	plan = plan_with(STRICT, NULL, NULL);
	cr_expect_eq(plan.value_bytes, 2097152 + 128);
}

Test(config_plan, chunks_are_whole_blocks_and_at_least_four)
{
	static const struct {
		const char *value;
		uint64_t tokens;
	} cases[] = {{"512", 512}, {"520", 512}, {"527", 512},
		     {"528", 528}, {"64", 64},   {"63", 64},
		     {"1", 64},    {"0", 64},    {"-100", 64}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(plan_with(COMPAT, OL "CHUNK_SIZE", cases[i].value)
				     .chunk_tokens,
			     cases[i].tokens, "%s", cases[i].value);
}

Test(config_plan, the_longest_sequence_is_rounded_up)
{
	static const struct {
		const char *value;
		uint64_t tokens;
	} cases[] = {{"1", 16},
		     {"16", 16},
		     {"17", 32},
		     {"64", 64},
		     {"0", AIBRIX_FOREVER},
		     {"-1", AIBRIX_FOREVER}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(plan_with(STRICT, OL "MAX_SEQ_LEN", cases[i].value)
				     .max_seq_tokens,
			     cases[i].tokens, "%s", cases[i].value);
}

Test(config_plan, writes_in_flight_are_none_or_two_batches_at_least)
{
	static const struct {
		const char *value;
		uint64_t blocks;
	} cases[] = {{"0", 0},     {"15", 0},    {"16", 64},   {"1023", 64},
		     {"1024", 64}, {"1040", 65}, {"8192", 512}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		aibrix_config_plan plan = plan_with(
			STRICT, OL "L2_CACHE_INGESTION_MAX_INFLIGHT_TOKENS",
			cases[i].value);
		const uint64_t staged = cases[i].blocks ? cases[i].blocks : 32;

		cr_expect_eq(plan.inflight_blocks, cases[i].blocks, "%s",
			     cases[i].value);
		cr_expect_eq(plan.stage_bytes, (staged + 64) * plan.value_bytes,
			     "%s", cases[i].value);
	}
}

Test(config_plan, a_block_size_of_its_own_replaces_the_engines)
{
	aibrix_config_plan plan = plan_with(STRICT, OL "BLOCK_SIZE", "256");

	cr_expect_eq(plan.block_tokens, 256);
	cr_expect_eq(plan.block_bytes, 33554432);
	cr_expect_eq(plan.chunk_tokens, 1024); /* four of them */
	cr_expect_eq(plan.batch_blocks, 4);
	cr_expect_eq(plan.block_wait_ns, 5120000000);
}

Test(config_plan, values_with_tokens_behind_them_are_longer)
{
	const aibrix_config_pair pairs[] = {
		{OL "TOKEN_VALIDATION_ENABLED", "1"},
		{OL "L2_CACHE_BACKEND", "SHFS"},
		{OL "L1_CACHE_ENABLED", "0"}};
	aibrix_config *config = config_good(COMPAT, pairs, 3);
	aibrix_config_host host = {.size = sizeof(host),
				   .block_tokens = 16,
				   .token_bytes = 2048,
				   .max_model_tokens = 32,
				   .max_batched_tokens = 100};
	aibrix_config_plan plan = {.size = sizeof(plan)};

	cr_assert_eq(aibrix_config_solve(config, &host, &plan), AIBRIX_OK);
	cr_expect_eq(plan.block_bytes, 32768);
	cr_expect_eq(plan.value_bytes, 32912);
	cr_expect_eq(plan.batch_blocks, 6);
	cr_expect_eq(plan.l1_bytes, 0);
	cr_expect_eq(plan.stage_bytes, 18 * 32912);
	cr_expect_eq(plan.pool_bytes, 1 << 30);
	aibrix_config_free(config);
}

Test(config_plan, without_l2_nothing_is_staged)
{
	aibrix_config *config = config_good(STRICT, NULL, 0);
	aibrix_config_plan plan = {.size = sizeof(plan)};

	cr_assert_eq(aibrix_config_solve(config, &llama, &plan), AIBRIX_OK);
	cr_expect_eq(plan.stage_bytes, 0);
	cr_expect_eq(plan.pool_bytes, 10ull << 30);
	aibrix_config_free(config);
}

Test(config_plan, sizes_that_overflow_are_refused)
{
	static const struct {
		uint32_t block;
		uint64_t token, batched;
	} bad[] = {{0, 1, 0},           {16, 0, 0},
		   {16, UINT64_MAX, 0}, {16, UINT64_MAX / 16, 0},
		   {1, 1, UINT64_MAX},  {16, 1 << 20, UINT64_C(1) << 60}};
	const aibrix_config_pair pairs[] = {
		{OL "L2_CACHE_BACKEND", "MOCK"},
		{OL "L2_CACHE_INGESTION_MAX_INFLIGHT_TOKENS", "16"}};
	aibrix_config *config = config_good(STRICT, pairs, 2);
	aibrix_config_plan plan = {.size = sizeof(plan), .block_tokens = 7};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		aibrix_config_host host = {.size = sizeof(host),
					   .block_tokens = bad[i].block,
					   .token_bytes = bad[i].token,
					   .max_batched_tokens =
						   bad[i].batched};

		cr_expect_eq(aibrix_config_solve(config, &host, &plan),
			     AIBRIX_E_INVAL, "%zu", i);
		cr_expect_eq(plan.block_tokens, 7);
	}
	cr_expect_eq(aibrix_config_solve(NULL, &llama, &plan), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_solve(config, NULL, &plan), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_solve(config, &llama, NULL), AIBRIX_E_INVAL);
	plan.size = 4;
	cr_expect_eq(aibrix_config_solve(config, &llama, &plan),
		     AIBRIX_E_INVAL);
	aibrix_config_free(config);
}

/* {chunk, block, prefix, query}, then {start, end, next_end}; next_end equal
 * to end: none. */
struct walk {
	uint64_t chunk;
	uint32_t block;
	uint64_t prefix, query;
	uint64_t n;
	uint64_t is[4][3];
};

Test(config_plan, a_prompt_is_walked_in_chunks)
{
	static const struct walk walks[] = {
		{64,
		 16,
		 32,
		 150,
		 3,
		 {{32, 96, 160}, {96, 160, 160}, {160, 182, 182}}},
		{64, 16, 0, 63, 1, {{0, 63, 63}}},
		{64, 16, 0, 15, 0, {{0, 0, 0}}},
		{512,
		 16,
		 0,
		 1536,
		 3,
		 {{0, 512, 1024}, {512, 1024, 1024}, {1024, 1536, 1536}}},
		{512,
		 16,
		 0,
		 1537,
		 3,
		 {{0, 512, 1024}, {512, 1024, 1536}, {1024, 1536, 1536}}},
		{64, 16, 16, 64, 1, {{16, 80, 80}}},
		{64, 16, 0, 0, 0, {{0, 0, 0}}},
	};

	for (size_t w = 0; w < sizeof(walks) / sizeof(walks[0]); w++) {
		const struct walk *k = &walks[w];
		aibrix_config_chunk c = {9, 9, 9, 9};

		for (uint64_t i = 0; i < k->n; i++) {
			cr_assert_eq(aibrix_config_chunk_get(k->chunk, k->block,
							     k->prefix,
							     k->query, i, &c),
				     AIBRIX_OK);
			cr_expect_eq(c.start, k->is[i][0], "%zu", w);
			cr_expect_eq(c.end, k->is[i][1], "%zu", w);
			cr_expect_eq(c.next_start, k->is[i][1], "%zu", w);
			cr_expect_eq(c.next_end, k->is[i][2], "%zu", w);
		}
		c.start = 9;
		cr_expect_eq(aibrix_config_chunk_get(k->chunk, k->block,
						     k->prefix, k->query, k->n,
						     &c),
			     AIBRIX_E_NOT_FOUND, "%zu", w);
		cr_expect_eq(c.start, 9);
	}
}

/* The loop that AIBrix runs, step by step, in the same numbers. */
Test(config_plan, chunks_are_those_of_the_loop)
{
	for (uint64_t prefix = 0; prefix < 48; prefix += 8)
		for (uint64_t query = 0; query < 200; query++) {
			const uint64_t whole = query - query % 8, chunk = 32;
			const uint64_t n = (whole + chunk - 1) / chunk;
			const uint64_t all = prefix + query;
			uint64_t start = prefix;
			aibrix_config_chunk c;

			for (uint64_t i = 0; i < n; i++, start += chunk) {
				const uint64_t end = start + chunk;
				const uint64_t next = end + chunk;

				cr_assert_eq(
					aibrix_config_chunk_get(
						chunk, 8, prefix, query, i, &c),
					AIBRIX_OK);
				cr_assert_eq(c.start, start);
				cr_assert_eq(c.end, end < all ? end : all);
				cr_assert_eq(c.next_end - c.next_start,
					     next < all ? chunk : 0);
			}
			cr_assert_eq(aibrix_config_chunk_get(chunk, 8, prefix,
							     query, n, &c),
				     AIBRIX_E_NOT_FOUND);
		}
}

Test(config_plan, chunks_of_wrong_sizes_are_refused)
{
	aibrix_config_chunk c;

	cr_expect_eq(aibrix_config_chunk_get(0, 16, 0, 64, 0, &c),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_chunk_get(64, 0, 0, 64, 0, &c),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_chunk_get(64, 16, 1, UINT64_MAX, 0, &c),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_chunk_get(64, 16, 0, 64, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_chunk_get(64, 16, 0, 64, UINT64_MAX, &c),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(
		aibrix_config_chunk_get(UINT64_MAX, 1, 0, UINT64_MAX, 0, &c),
		AIBRIX_OK);
	cr_expect_eq(c.end, UINT64_MAX);
}
