#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

/* The reference: the same header without vector code. */
#define XXH_VECTOR 0
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cpu.h"
#include "base/rand.h"
#include "base/xxh.h"

enum { BYTES = 9000 };

static uint8_t bytes[BYTES + 64];

static void
fill(void)
{
	uint64_t state = 7;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_next(&state);
}

/* Every build that this processor can run. */
static size_t
impls(const struct xxh_impl *all[3])
{
	static const uint32_t wanted[] = {CPU_AVX2, CPU_AVX512};
	uint32_t cpu = aibrix__cpu();
	size_t n = 0;

	all[n++] = aibrix__xxh_select(0);
	for (size_t i = 0; i < 2; i++)
		if (cpu & wanted[i])
			all[n++] = aibrix__xxh_select(wanted[i]);
	return n;
}

Test(xxh, published_vectors)
{
	static const uint8_t empty[16] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47,
					  0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24,
					  0x46, 0x8d, 0x49, 0x7f};
	uint8_t digest[16];

	cr_expect_eq(aibrix__xxh64("", 0, 0), 0xef46db3751d8e999);
	cr_expect_eq(aibrix__xxh64("a", 1, 0), 0xd24ec4f1a98c6e5b);
	cr_expect_eq(aibrix__xxh3_64("", 0, 0), 0x2d06800538d394c2);
	aibrix__xxh3_128("", 0, digest);
	cr_expect_arr_eq(digest, empty, 16);
}

Test(xxh, every_build_gives_the_scalar_hash_at_every_length)
{
	const struct xxh_impl *all[3];
	size_t n_impls = impls(all);

	fill();
	for (size_t n = 0; n < 2100; n++) {
		const uint8_t *p = bytes + n % 33;
		uint64_t want = XXH3_64bits(p, n);

		cr_assert_eq(aibrix__xxh3_64(p, n, 0), want);
		cr_assert_eq(aibrix__xxh3_64(p, n, 1337),
			     XXH3_64bits_withSeed(p, n, 1337));
		cr_assert_eq(aibrix__xxh64(p, n, 42), XXH64(p, n, 42));
		for (size_t i = 0; i < n_impls; i++)
			cr_assert_eq(all[i]->hash(p, n), want, "%zu", n);
	}
}

/* Pieces of all lengths, each through the next of the builds, end in the
 * hash of the whole: what one wrote another reads. */
Test(xxh, a_message_in_pieces_has_one_hash_whatever_builds_it_went_through)
{
	const struct xxh_impl *all[3];
	size_t n_impls = impls(all);
	struct xxh3_stream stream;

	fill();
	for (size_t piece = 1; piece < 2100; piece += 17) {
		size_t i = 0;

		aibrix__xxh3_start(&stream, 0);
		for (size_t at = 0; at < BYTES; at += piece, i++)
			all[i % n_impls]->add(&stream, bytes + at,
					      BYTES - at < piece ? BYTES - at
								 : piece);
		all[0]->add(&stream, NULL, 0);
		cr_assert_eq(aibrix__xxh3_end_64(&stream),
			     XXH3_64bits(bytes, BYTES), "%zu", piece);
	}
}

Test(xxh, a_run_of_blocks_gives_each_block_its_seeded_hash)
{
	static const size_t sizes[] = {4, 64, 128, 200, 256, 512, 1000, 2048};
	const struct xxh_impl *all[3];
	size_t n_impls = impls(all);
	struct xxh3_seed seed;
	uint64_t out[4];

	fill();
	aibrix__xxh3_seed_init(&seed, 1337);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (size_t i = 0; i < n_impls; i++) {
			all[i]->blocks(&seed, bytes + 1, sizes[s], 4, out);
			for (size_t k = 0; k < 4; k++)
				cr_expect_eq(out[k],
					     XXH3_64bits_withSeed(
						     bytes + 1 + k * sizes[s],
						     sizes[s], 1337),
					     "%zu bytes", sizes[s]);
		}
}

Test(xxh, a_chain_hashes_parent_and_block_for_every_link)
{
	static const size_t sizes[] = {4,    64,   128,  224,  240, 512,
				       1008, 1009, 1024, 2048, 2996};
	const struct xxh_impl *all[3];
	size_t n_impls = impls(all);
	uint8_t message[16 + 2996], out[3 * 16], parent[16] = {1, 2, 3};
	XXH128_canonical_t want;

	fill();
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (size_t i = 0; i < n_impls; i++) {
			size_t n = sizes[s];

			all[i]->chain(parent, bytes, n, 3, out);
			memcpy(message, parent, 16);
			for (size_t k = 0; k < 3; k++) {
				memcpy(message + 16, bytes + k * n, n);
				XXH128_canonicalFromHash(
					&want, XXH3_128bits(message, 16 + n));
				cr_assert_arr_eq(out + 16 * k, want.digest, 16,
						 "%zu bytes", n);
				memcpy(message, want.digest, 16);
			}
		}
}
