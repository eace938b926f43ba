#include <string.h>

#include <criterion/criterion.h>

#include "base/cpu.h"
#include "base/crc32c.h"
#include "base/rand.h"

static const uint32_t cpus[] = {0, UINT32_MAX}; /* second: as this machine */

static uint32_t
cpu_of(size_t i)
{
	return cpus[i] & aibrix__cpu();
}

/* One bit at a time, straight from the definition. */
static uint32_t
crc_by_bits(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	for (; n; n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

Test(crc32c, published_vectors)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++) {
		up[i] = i;
		down[i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < 2; i++) {
		uint32_t cpu = cpu_of(i);

		/* RFC 3720, B.4; the last from the catalogue of CRCs. */
		cr_expect_eq(aibrix__crc32c(cpu, 0, zeros, 32), 0x8a9136aa);
		cr_expect_eq(aibrix__crc32c(cpu, 0, ones, 32), 0x62a8ab43);
		cr_expect_eq(aibrix__crc32c(cpu, 0, up, 32), 0x46dd794e);
		cr_expect_eq(aibrix__crc32c(cpu, 0, down, 32), 0x113fdb5c);
		cr_expect_eq(aibrix__crc32c(cpu, 0, "123456789", 9),
			     0xe3069283);
		cr_expect_eq(aibrix__crc32c(cpu, 7, NULL, 0), 7);
	}
}

Test(crc32c, every_length_and_alignment_matches_the_definition)
{
	uint8_t bytes[160];
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_next(&state);
	for (size_t at = 0; at < 16; at++)
		for (size_t n = 0; n <= 128; n++) {
			uint32_t want = crc_by_bits(9, bytes + at, n);

			for (size_t i = 0; i < 2; i++)
				cr_assert_eq(aibrix__crc32c(cpu_of(i), 9,
							    bytes + at, n),
					     want, "at %zu, n %zu", at, n);
		}
}

Test(crc32c, pieces_give_what_the_whole_gives)
{
	static const char text[] = "the quick brown fox jumps over the dog";
	uint32_t whole = aibrix__crc32c(0, 0, text, sizeof(text)), part;

	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		part = aibrix__crc32c(cpu_of(cut % 2), 0, text, cut);
		part = aibrix__crc32c(cpu_of(1), part, text + cut,
				      sizeof(text) - cut);
		cr_expect_eq(part, whole);
	}
}
