#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/layout.h>

enum { BLOCK = 16 };

static const uint32_t tokens[] = {7, 0, 0x80000000u, UINT32_MAX, 42, 43};

/* A block of 16 bytes, 4 tokens before it, 2 of its own: 52, so 64 bytes. */
static uint64_t
new_value(uint8_t *value, uint64_t cap)
{
	uint64_t bytes;

	memset(value, 0xb7, cap);
	cr_assert_eq(aibrix_layout_trailer_write(value, cap, BLOCK, tokens, 4,
						 tokens + 4, 2, &bytes),
		     AIBRIX_OK);
	return bytes;
}

static int
match(const uint8_t *value, uint64_t bytes)
{
	return aibrix_layout_trailer_match(value, bytes, BLOCK, tokens, 4,
					   tokens + 4, 2);
}

Test(layout_trailer, the_prefix_is_read_from_behind_the_footer)
{
	uint8_t value[64];
	uint32_t got[6], prefix, query;
	uint64_t bytes = new_value(value, sizeof(value));

	cr_assert_eq(bytes, 64u);
	cr_assert_eq(aibrix_layout_trailer_read(value, bytes, BLOCK, got, 6,
						&prefix, &query),
		     AIBRIX_OK);
	cr_expect_eq(prefix, 4u);
	cr_expect_eq(query, 2u);
	cr_expect_eq(memcmp(got, tokens, sizeof(tokens)), 0);
}

Test(layout_trailer, the_block_stays_and_padding_is_zero)
{
	static const uint8_t zeros[12];
	uint8_t value[64 + 16];
	uint64_t bytes = new_value(value, sizeof(value));

	for (int i = 0; i < BLOCK; i++)
		cr_expect_eq(value[i], 0xb7);
	cr_expect_eq(memcmp(value + 52, zeros, 12), 0);
	cr_expect_eq(value[bytes], 0xb7, "behind the value");
}

Test(layout_trailer, a_longer_value_and_one_without_padding_are_read)
{
	uint8_t value[80];

	new_value(value, sizeof(value));
	cr_expect_eq(match(value, 80), AIBRIX_OK);
	cr_expect_eq(match(value, 52), AIBRIX_OK);
	cr_expect_eq(match(value, 51), AIBRIX_E_PARSE);
}

Test(layout_trailer, every_cut_is_noticed)
{
	uint8_t value[64];

	new_value(value, sizeof(value));
	for (uint64_t n = 0; n < 52; n++)
		cr_expect_eq(match(value, n), AIBRIX_E_PARSE);
}

Test(layout_trailer, other_tokens_or_another_division_do_not_match)
{
	uint8_t value[64];
	uint32_t other[6];

	new_value(value, sizeof(value));
	cr_expect_eq(match(value, 64), AIBRIX_OK);
	for (int i = 0; i < 6; i++) {
		memcpy(other, tokens, sizeof(tokens));
		other[i] ^= 0x10000;
		cr_expect_eq(aibrix_layout_trailer_match(
				     value, 64, BLOCK, other, 4, other + 4, 2),
			     AIBRIX_E_CORRUPT);
	}
	cr_expect_eq(aibrix_layout_trailer_match(value, 64, BLOCK, tokens, 3,
						 tokens + 3, 3),
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(aibrix_layout_trailer_match(value, 64, BLOCK, NULL, 0,
						 tokens + 4, 2),
		     AIBRIX_E_CORRUPT);
}

Test(layout_trailer, hostile_counts_are_refused)
{
	static const uint32_t counts[][2] = {
		{10, 0},          {0, 10},
		{9, 1},           {UINT32_MAX, 1},
		{0x80000000u, 0}, {INT32_MAX, INT32_MAX},
		{1, UINT32_MAX},  {UINT32_MAX, UINT32_MAX},
	};
	uint32_t got[16], prefix = 77, query = 77;
	uint8_t value[64];

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		new_value(value, sizeof(value));
		memcpy(value + BLOCK + 4, counts[i], 8);
		cr_expect_eq(aibrix_layout_trailer_read(value, 64, BLOCK, got,
							16, &prefix, &query),
			     AIBRIX_E_PARSE, "counts %zu", i);
	}
	new_value(value, sizeof(value));
	value[BLOCK + 3]++;
	cr_expect_eq(match(value, 64), AIBRIX_E_PARSE, "the magic");
	cr_expect_eq(prefix, 77u);
	cr_expect_eq(query, 77u);
}

Test(layout_trailer, counts_are_told_when_tokens_do_not_fit)
{
	uint32_t got[6] = {99, 99, 99, 99, 99, 99}, prefix, query;
	uint8_t value[64];

	new_value(value, sizeof(value));
	cr_expect_eq(aibrix_layout_trailer_read(value, 64, BLOCK, got, 5,
						&prefix, &query),
		     AIBRIX_E_SPACE);
	cr_expect_eq(prefix, 4u);
	cr_expect_eq(query, 2u);
	cr_expect_eq(got[0], 99u);
}

Test(layout_trailer, a_value_that_does_not_fit_is_not_begun)
{
	uint8_t value[63];
	uint64_t bytes = 0;

	memset(value, 0xb7, sizeof(value));
	cr_expect_eq(aibrix_layout_trailer_write(value, 63, BLOCK, tokens, 4,
						 tokens + 4, 2, &bytes),
		     AIBRIX_E_SPACE);
	cr_expect_eq(bytes, 64u);
	for (size_t i = 0; i < sizeof(value); i++)
		cr_expect_eq(value[i], 0xb7);
	cr_expect_eq(aibrix_layout_trailer_write(NULL, 0, BLOCK, tokens, 4,
						 tokens + 4, 2, &bytes),
		     AIBRIX_E_SPACE);
}

Test(layout_trailer, wrong_calls_are_refused)
{
	uint32_t got[1], prefix, query;
	uint8_t value[64];
	uint64_t bytes = 77;

	new_value(value, sizeof(value));
	cr_expect_eq(aibrix_layout_trailer_bytes(0, 1, &bytes), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_bytes(UINT64_MAX, 1, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_bytes(1, UINT64_MAX, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_bytes(1, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_write(value, 64, BLOCK, NULL, 1,
						 NULL, 0, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_write(value, 64, BLOCK, tokens,
						 UINT32_MAX, tokens, UINT32_MAX,
						 &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_read(NULL, 64, BLOCK, got, 1,
						&prefix, &query),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_trailer_read(value, 64, BLOCK, NULL, 1,
						&prefix, &query),
		     AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_layout_trailer_match(value, 64, BLOCK, NULL, 1, NULL, 0),
		AIBRIX_E_INVAL);
	cr_expect_eq(bytes, 77u);
}
