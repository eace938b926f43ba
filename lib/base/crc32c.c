/*
 * CRC-32C by tables, eight bytes per step ("slicing", Kounavis and Berry
 * 2005), where the processor has no instruction for it.
 *
 * A CRC is linear: the entry for a byte is the sum (XOR) of the entries of
 * its bits.  So eight literals give a table of 256, written out by the
 * preprocessor, and a wrong digit cannot hide in 2048 numbers.
 */

#include "base/crc32c.h"

#include "base/cpu.h"

#define BIT(i, b, x) (((i) >> (b)&1) * (x))
#define ENTRY(i, a, b, c, d, e, f, g, h)                                       \
	(BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^           \
	 BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^ BIT(i, 7, h))
#define ROW4(i, ...)                                                           \
	ENTRY((i), __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__),                  \
		ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ROW16(i, ...)                                                          \
	ROW4(i, __VA_ARGS__), ROW4((i) + 4, __VA_ARGS__),                      \
		ROW4((i) + 8, __VA_ARGS__), ROW4((i) + 12, __VA_ARGS__)
#define ROW64(i, ...)                                                          \
	ROW16(i, __VA_ARGS__), ROW16((i) + 16, __VA_ARGS__),                   \
		ROW16((i) + 32, __VA_ARGS__), ROW16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                             \
	{                                                                      \
		ROW64(0u, __VA_ARGS__), ROW64(64u, __VA_ARGS__),               \
			ROW64(128u, __VA_ARGS__), ROW64(192u, __VA_ARGS__)     \
	}

/* Row k: the CRC of each bit of a byte that k zero bytes follow; the
 * reflected polynomial is 0x82f63b78. */
static const uint32_t table[8][256] = {
	TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu,
	      0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
	TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u,
	      0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
	TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au,
	      0xe144fb14u, 0xc76580d9u, 0x8b277743u),
	TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du,
	      0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
	TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u,
	      0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
	TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu,
	      0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
	TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u,
	      0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
	TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u,
	      0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

static uint32_t
load_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint32_t
crc_by_table(uint32_t crc, const uint8_t *p, size_t n)
{
	uint32_t a, b;

	for (; n >= 8; p += 8, n -= 8) {
		a = load_le32(p) ^ crc;
		b = load_le32(p + 4);
		crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^
		      table[5][a >> 16 & 255] ^ table[4][a >> 24] ^
		      table[3][b & 255] ^ table[2][b >> 8 & 255] ^
		      table[1][b >> 16 & 255] ^ table[0][b >> 24];
	}
	for (; n; n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
	return crc;
}

uint32_t
aibrix__crc32c(uint32_t cpu, uint32_t crc, const void *bytes, size_t n)
{
#if defined(__x86_64__) || defined(__aarch64__)
	if (cpu & CPU_CRC32C)
		return ~aibrix__crc32c_hw(~crc, bytes, n);
#else
	(void)cpu;
#endif
	return ~crc_by_table(~crc, bytes, n);
}
