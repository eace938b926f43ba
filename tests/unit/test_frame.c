#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/cpu.h"
#include "store/frame.h"

/* Made by another program from the table in doc/modules/store.md. */
static const uint8_t golden[FRAME_BYTES] = {
	0x4b, 0x56, 0x42, 0x31, 0x01, 0x00, 0x80, 0x00, 0x01, 0x00, 0x00, 0x00,
	0xf7, 0xfc, 0xdb, 0xd0, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04,
	0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
	0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x41, 0x42, 0x43, 0x44,
	0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50,
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x10, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x02, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0xf1, 0x53, 0x65,
	0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
};

static struct frame
new_frame(void)
{
	struct frame f = {.flags = FRAME_SUM_XXH3,
			  .tokens = 16,
			  .payload_bytes = 2097152,
			  .stored_bytes = 2097152,
			  .layout = 0x1122334455667788u,
			  .dtype = 3,
			  .rank = 2,
			  .shards = 8,
			  .created = 1700000000,
			  .checksum = 0x0102030405060708u};

	for (int i = 0; i < 16; i++) {
		f.key[i] = (uint8_t)(0x01 + i);
		f.parent[i] = (uint8_t)(0x21 + i);
		f.digest[i] = (uint8_t)(0x41 + i);
	}
	return f;
}

Test(frame, bytes_are_those_of_the_documented_format)
{
	struct frame f = new_frame();
	uint8_t out[FRAME_BYTES];

	aibrix__frame_encode(0, &f, out);
	cr_expect_arr_eq(out, golden, FRAME_BYTES);
	memset(out, 0xff, sizeof(out));
	aibrix__frame_encode(aibrix__cpu(), &f, out);
	cr_expect_arr_eq(out, golden, FRAME_BYTES);
}

Test(frame, what_was_encoded_is_decoded)
{
	struct frame want = new_frame(), got;

	cr_assert_eq(aibrix__frame_decode(0, golden, &got), AIBRIX_OK);
	cr_expect_eq(got.flags, want.flags);
	cr_expect_eq(got.tokens, 16);
	cr_expect_eq(got.payload_bytes, 2097152);
	cr_expect_eq(got.stored_bytes, 2097152);
	cr_expect_arr_eq(got.key, want.key, sizeof(got.key));
	cr_expect_arr_eq(got.parent, want.parent, sizeof(got.parent));
	cr_expect_arr_eq(got.digest, want.digest, sizeof(got.digest));
	cr_expect_eq(got.layout, want.layout);
	cr_expect_eq(got.dtype, 3);
	cr_expect_eq(got.rank, 2);
	cr_expect_eq(got.shards, 8);
	cr_expect_eq(got.created, 1700000000);
	cr_expect_eq(got.checksum, want.checksum);
}

Test(frame, any_flipped_bit_is_caught_and_the_output_left_alone)
{
	uint8_t bytes[FRAME_BYTES];
	struct frame got = {.tokens = 77};

	for (size_t bit = 0; bit < 8 * FRAME_BYTES; bit++) {
		memcpy(bytes, golden, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* The version's own bits make it another version. */
		cr_assert_eq(aibrix__frame_decode(0, bytes, &got),
			     bit / 8 == 4 || bit / 8 == 5 ? AIBRIX_E_UNSUPPORTED
							  : AIBRIX_E_CORRUPT,
			     "bit %zu", bit);
		cr_assert_eq(got.tokens, 77);
	}
}

Test(frame, a_codec_cipher_or_checksum_of_the_future_is_a_miss)
{
	static const uint32_t flags[] = {3, 1 << 4, 1 << 8, 1 << 13};
	struct frame f = new_frame(), got;
	uint8_t bytes[FRAME_BYTES];

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		f.flags = flags[i];
		aibrix__frame_encode(0, &f, bytes);
		cr_expect_eq(aibrix__frame_decode(0, bytes, &got),
			     AIBRIX_E_UNSUPPORTED);
	}
	f.flags = FRAME_SUM_CRC32C | FRAME_PARTIAL;
	aibrix__frame_encode(0, &f, bytes);
	cr_expect_eq(aibrix__frame_decode(0, bytes, &got), AIBRIX_OK);
}

Test(frame, stored_bytes_other_than_payload_bytes_need_a_codec)
{
	struct frame f = new_frame(), got;
	uint8_t bytes[FRAME_BYTES];

	f.stored_bytes--;
	aibrix__frame_encode(0, &f, bytes);
	cr_expect_eq(aibrix__frame_decode(0, bytes, &got), AIBRIX_E_CORRUPT);
}

Test(frame, another_key_or_length_is_corrupt_and_another_layout_a_miss)
{
	struct frame want = new_frame(), got = new_frame();

	cr_expect_eq(aibrix__frame_check(&want, &got), AIBRIX_OK);
	got.payload_bytes++;
	cr_expect_eq(aibrix__frame_check(&want, &got), AIBRIX_E_CORRUPT);
	got.layout++;
	cr_expect_eq(aibrix__frame_check(&want, &got), AIBRIX_E_NOT_FOUND);
	got.key[31] = 1;
	cr_expect_eq(aibrix__frame_check(&want, &got), AIBRIX_E_CORRUPT);
}

Test(frame, payload_is_checked_by_the_kind_the_flags_name)
{
	static const uint8_t text[] = "123456789";
	struct frame f = {.flags = FRAME_SUM_CRC32C, .payload_bytes = 9};

	cr_expect_eq(aibrix__frame_sum(0, FRAME_SUM_CRC32C, text, 9),
		     0xe3069283u, "the check value of CRC-32C");
	cr_expect_eq(aibrix__frame_sum(aibrix__cpu(), FRAME_SUM_XXH3, text, 0),
		     0x2d06800538d394c2u, "XXH3-64 of nothing");
	f.checksum = 0xe3069283u;
	cr_expect_eq(aibrix__frame_verify(0, &f, text, 9), AIBRIX_OK);
	cr_expect_eq(aibrix__frame_verify(0, &f, text, 8), AIBRIX_E_CORRUPT);
	f.checksum++;
	cr_expect_eq(aibrix__frame_verify(0, &f, text, 9), AIBRIX_E_CORRUPT);
	f.flags = FRAME_SUM_NONE;
	cr_expect_eq(aibrix__frame_verify(0, &f, text, 9), AIBRIX_OK);
}
