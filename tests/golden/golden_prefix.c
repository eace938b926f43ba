/*
 * AIBrix's own cases of its prefix table, rows pht01 to pht12 and seed01
 * (pkg/utils/prefixcacheindexer/hash_test.go): prompts are bytes, a block
 * is 4 of them.
 */
#include <criterion/criterion.h>

#include <aibrix/compat.h>
#include <aibrix/prefix.h>

enum { BLOCK = 4, PROMPT = 16, M1 = 1, M2 = 2, P1 = 1, P2 = 2, P3 = 3 };

struct prompt {
	uint32_t n;
	uint64_t hashes[PROMPT / BLOCK];
};

static struct prompt
prompt_under(uint64_t seed, uint32_t block, const uint8_t *bytes, uint32_t n)
{
	struct prompt prompt = {0};
	uint64_t blocks;

	cr_assert_eq(aibrix_compat_gateway_hashes(seed, block, bytes, n,
						  prompt.hashes, PROMPT / BLOCK,
						  &blocks),
		     AIBRIX_OK);
	prompt.n = (uint32_t)blocks;
	return prompt;
}

static struct prompt
prompt_of(const uint8_t *bytes, uint32_t n)
{
	return prompt_under(0, BLOCK, bytes, n);
}

/* The bytes first, first + 1, ..., last. */
static struct prompt
range(uint8_t first, uint8_t last)
{
	uint8_t bytes[PROMPT] = {0};

	for (uint8_t b = first; b <= last; b++)
		bytes[b - first] = b;
	return prompt_of(bytes, (uint32_t)(last - first) + 1);
}

static void
expect(const aibrix_prefix *prefix, const char *row, uint64_t model,
       struct prompt prompt, uint32_t n, uint32_t p1, uint32_t p2)
{
	static const uint64_t ready[] = {P1, P2, P3};
	uint32_t percent[3];

	aibrix_prefix_match(prefix, model, ready, 3, prompt.hashes, prompt.n, 0,
			    percent);
	cr_expect_eq(prompt.n, n, "%s", row);
	cr_expect_eq(percent[0], p1, "%s", row);
	cr_expect_eq(percent[1], p2, "%s", row);
	cr_expect_eq(percent[2], 0, "%s", row);
}

static void
add(aibrix_prefix *prefix, uint64_t model, uint64_t pod, struct prompt prompt)
{
	cr_assert_eq(aibrix_prefix_add(prefix, model, pod, prompt.hashes,
				       prompt.n, 0),
		     AIBRIX_OK);
}

Test(golden_prefix, matches_as_the_gateway)
{
	aibrix_prefix *prefix = NULL;

	cr_assert_eq(aibrix_prefix_new(NULL, &prefix), AIBRIX_OK);
	expect(prefix, "pht01", M1, range(1, 9), 2, 0, 0);
	add(prefix, M1, P1, range(1, 9));
	expect(prefix, "pht02", M1, range(1, 7), 1, 100, 0);
	expect(prefix, "pht04", M1, range(1, 9), 2, 100, 0);
	expect(prefix, "pht05", M1, range(1, 13), 3, 66, 0);
	expect(prefix, "pht06", M1, range(5, 13), 2, 0, 0);
	expect(prefix, "pht07", M2, range(1, 13), 3, 0, 0);
	add(prefix, M2, P1, range(1, 13));
	add(prefix, M2, P2, range(1, 9));
	expect(prefix, "pht09", M2, range(1, 13), 3, 100, 66);
	aibrix_prefix_free(prefix);
}

Test(golden_prefix, one_changed_byte_changes_its_block_and_all_behind)
{
	static const uint8_t last[] = {1, 2, 3, 4, 5, 6, 7, 9};
	static const uint8_t first[] = {0, 2, 3, 4, 5, 6, 7, 8};
	struct prompt plain = range(1, 8);
	struct prompt pht10 = prompt_of(last, 8), pht11 = prompt_of(first, 8);

	cr_expect_eq(pht10.hashes[0], plain.hashes[0]);
	cr_expect_neq(pht10.hashes[1], plain.hashes[1]);
	cr_expect_neq(pht11.hashes[0], plain.hashes[0]);
	cr_expect_neq(pht11.hashes[1], plain.hashes[1]);
}

Test(golden_prefix, pht12_only_whole_blocks_have_names)
{
	static const uint8_t bytes[48];

	cr_expect_eq(prompt_under(0, 16, bytes, 0).n, 0);
	cr_expect_eq(prompt_under(0, 16, bytes, 16).n, 1);
	cr_expect_eq(prompt_under(0, 16, bytes, 48).n, 3);
	cr_expect_eq(prompt_under(0, 16, bytes, 23).n, 1);
}

/* Where AIBrix reads its environment the host gives the seed: 0 where
 * gateways share their state, else its own. */
Test(golden_prefix, seed01_gateways_meet_under_one_seed_only)
{
	static const uint64_t seeds[] = {0, 42, 99};
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};

	for (uint32_t i = 0; i < 3; i++) {
		aibrix_prefix *prefix = NULL;

		cr_assert_eq(aibrix_prefix_new(NULL, &prefix), AIBRIX_OK);
		add(prefix, M1, P1, prompt_under(seeds[i], BLOCK, bytes, 8));
		for (uint32_t j = 0; j < 3; j++)
			expect(prefix, "seed01", M1,
			       prompt_under(seeds[j], BLOCK, bytes, 8), 2,
			       i == j ? 100 : 0, 0);
		aibrix_prefix_free(prefix);
	}
}
