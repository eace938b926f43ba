#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#ifdef HAVE_OPENSSL
#include <openssl/sha.h>
#endif

#include "base/cpu.h"
#include "base/rand.h"
#include "base/sha256.h"

enum { IMPLS = 2 };

/* Portable, and what this machine has. */
static const struct sha256_impl *
impl_of(size_t i)
{
	return aibrix__sha256_select(i == 0 ? 0 : aibrix__cpu());
}

static void
expect_hex(const uint8_t *digest, size_t n, const char *want)
{
	char text[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	cr_expect_str_eq(text, want);
}

static void
fill(uint8_t *bytes, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rand_next(&seed);
}

/* FIPS 180-4 examples. */
Test(sha256, published_vectors)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb924"
		     "27ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223"
			"b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039"
		 "a33ce45964ff2167f6ecedd419db06c1"},
	};
	uint8_t digest[SHA256_BYTES];

	for (size_t i = 0; i < IMPLS; i++)
		for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
			aibrix__sha256(impl_of(i), rows[r].text,
				       strlen(rows[r].text), digest);
			expect_hex(digest, SHA256_BYTES, rows[r].digest);
		}
}

Test(sha256, a_million_times_a)
{
	uint8_t digest[SHA256_BYTES], *text = malloc(1000000);

	cr_assert_not_null(text);
	memset(text, 'a', 1000000);
	for (size_t i = 0; i < IMPLS; i++) {
		aibrix__sha256(impl_of(i), text, 1000000, digest);
		expect_hex(digest, SHA256_BYTES,
			   "cdc76e5c9914fb9281a1c7e284d73e67"
			   "f1809a48a497200e046d39ccc7112cd0");
	}
	free(text);
}

Test(sha256, every_length_and_alignment_agrees_with_the_reference)
{
	uint8_t bytes[320], want[SHA256_BYTES], got[SHA256_BYTES];

	fill(bytes, sizeof(bytes), 2);
	for (size_t n = 0; n <= 300; n++) {
		const uint8_t *p = bytes + n % 17;

		aibrix__sha256(impl_of(0), p, n, want);
		aibrix__sha256(impl_of(1), p, n, got);
		cr_assert_arr_eq(got, want, SHA256_BYTES, "n %zu", n);
#ifdef HAVE_OPENSSL
		SHA256(p, n, want);
		cr_assert_arr_eq(got, want, SHA256_BYTES, "n %zu", n);
#endif
	}
}

Test(sha256, pieces_of_any_size_give_what_one_call_gives)
{
	uint8_t bytes[1000], want[SHA256_BYTES], got[SHA256_BYTES];
	uint64_t state = 3;

	fill(bytes, sizeof(bytes), 4);
	for (int round = 0; round < 500; round++) {
		size_t n = rand_below(&state, sizeof(bytes) + 1), at = 0;
		const struct sha256_impl *impl = impl_of((size_t)round % 2);
		struct sha256 sha;

		aibrix__sha256_init(&sha, impl);
		while (at < n) {
			size_t some = rand_below(&state, 150);

			some = some < n - at ? some : n - at;
			aibrix__sha256_update(&sha, bytes + at, some);
			at += some;
		}
		aibrix__sha256_update(&sha, NULL, 0);
		aibrix__sha256_final(&sha, got);
		aibrix__sha256(impl, bytes, n, want);
		cr_assert_arr_eq(got, want, SHA256_BYTES, "n %zu", n);
	}
}

Test(sha256, a_chain_hashes_parent_and_block_for_every_link)
{
	enum { LINKS = 5, BLOCK_MAX = 512 };
	uint8_t blocks[LINKS * BLOCK_MAX + 1], message[16 + BLOCK_MAX];
	uint8_t parent[16], keys[LINKS * 16], want[SHA256_BYTES];

	fill(blocks, sizeof(blocks), 5);
	fill(parent, sizeof(parent), 6);
	for (size_t i = 0; i < IMPLS; i++)
		for (size_t bytes = 64; bytes <= BLOCK_MAX; bytes += 64) {
			/* An odd address: tokens may lie anywhere. */
			const uint8_t *p = blocks + 1;

			impl_of(i)->chain(parent, p, bytes, LINKS, keys);
			memcpy(message, parent, 16);
			for (size_t k = 0; k < LINKS; k++) {
				memcpy(message + 16, p + k * bytes, bytes);
				aibrix__sha256(impl_of(0), message, 16 + bytes,
					       want);
				cr_assert_arr_eq(keys + 16 * k, want, 16,
						 "%zu bytes, link %zu", bytes,
						 k);
				memcpy(message, want, 16);
			}
		}
}
