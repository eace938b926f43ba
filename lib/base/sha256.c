/*
 * SHA-256 (FIPS 180-4) in portable C, and what all processors share.
 *
 * Ours rather than a library's: default block keys must build with libc
 * alone, and a chain of short messages wants no set-up per message.  The
 * message of a 16-token block key is 80 bytes:
 *
 *	| parent 16 | tokens 0..11 |  tokens 12..15 | 0x80 0.. | 640 bits |
 *	+------- first block ------+--------- second block ---------------+
 */

#include "base/sha256.h"

#include <string.h>

#include "base/cpu.h"

_Alignas(16) const uint32_t aibrix__sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

_Alignas(16) const uint32_t aibrix__sha256_start[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t
load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void
store_be32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

static uint32_t
rotate(uint32_t x, int by)
{
	return x >> by | x << (32 - by);
}

/* Words 16..63 of the message schedule from words 0..15. */
static void
schedule_extend(uint32_t w[64])
{
	uint32_t low, high;

	for (int i = 16; i < 64; i++) {
		low = w[i - 15];
		low = rotate(low, 7) ^ rotate(low, 18) ^ low >> 3;
		high = w[i - 2];
		high = rotate(high, 17) ^ rotate(high, 19) ^ high >> 10;
		w[i] = w[i - 16] + low + w[i - 7] + high;
	}
}

static void
rounds(uint32_t state[8], const uint32_t w[64])
{
	uint32_t s[8], t1, t2;

	memcpy(s, state, sizeof(s));
	for (int i = 0; i < 64; i++) {
		t1 = s[7] + aibrix__sha256_k[i] + w[i] +
		     (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
		     ((s[4] & s[5]) ^ (~s[4] & s[6]));
		t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
		     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		s[7] = s[6];
		s[6] = s[5];
		s[5] = s[4];
		s[4] = s[3] + t1;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = s[0];
		s[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += s[i];
}

static void
compress_portable(uint32_t state[8], const uint8_t *blocks, size_t n)
{
	uint32_t w[64];

	for (; n; n--, blocks += SHA256_BLOCK) {
		for (int i = 0; i < 16; i++)
			w[i] = load_be32(blocks + 4 * i);
		schedule_extend(w);
		rounds(state, w);
	}
}

void
aibrix__sha256_chain(aibrix__sha256_fn compress,
		     const uint8_t parent[SHA256_CUT], const uint8_t *blocks,
		     size_t block_bytes, size_t n, uint8_t *out)
{
	enum { HEAD = SHA256_BLOCK - SHA256_CUT };
	uint8_t first[SHA256_BLOCK], last[SHA256_BLOCK] = {0};
	uint32_t state[8];
	size_t bits = 8 * (SHA256_CUT + block_bytes);

	last[SHA256_CUT] = 0x80;
	store_be32(last + SHA256_BLOCK - 8, (uint32_t)((uint64_t)bits >> 32));
	store_be32(last + SHA256_BLOCK - 4, (uint32_t)bits);
	for (; n; n--, blocks += block_bytes) {
		memcpy(first, parent, SHA256_CUT);
		memcpy(first + SHA256_CUT, blocks, HEAD);
		memcpy(last, blocks + block_bytes - SHA256_CUT, SHA256_CUT);
		memcpy(state, aibrix__sha256_start, sizeof(state));
		compress(state, first, 1);
		compress(state, blocks + HEAD, block_bytes / SHA256_BLOCK - 1);
		compress(state, last, 1);
		for (int i = 0; i < SHA256_CUT / 4; i++)
			store_be32(out + 4 * i, state[i]);
		parent = out;
		out += SHA256_CUT;
	}
}

static void
chain_portable(const uint8_t parent[SHA256_CUT], const uint8_t *blocks,
	       size_t block_bytes, size_t n, uint8_t *out)
{
	aibrix__sha256_chain(compress_portable, parent, blocks, block_bytes, n,
			     out);
}

static const struct sha256_impl portable = {compress_portable, chain_portable};

#if defined(__x86_64__) || defined(__AARCH64EL__)
extern const struct sha256_impl aibrix__sha256_hw;
#endif

const struct sha256_impl *
aibrix__sha256_select(uint32_t cpu)
{
#if defined(__x86_64__) || defined(__AARCH64EL__)
	if (cpu & CPU_SHA256)
		return &aibrix__sha256_hw;
#else
	(void)cpu;
#endif
	return &portable;
}

void
aibrix__sha256_init(struct sha256 *sha, const struct sha256_impl *impl)
{
	memcpy(sha->state, aibrix__sha256_start, sizeof(sha->state));
	sha->total = 0;
	sha->compress = impl->compress;
}

void
aibrix__sha256_update(struct sha256 *sha, const void *bytes, size_t n)
{
	size_t have = sha->total % SHA256_BLOCK, some;
	const uint8_t *p = bytes;

	if (!n)
		return;
	sha->total += n;
	if (have) {
		some = SHA256_BLOCK - have < n ? SHA256_BLOCK - have : n;
		memcpy(sha->part + have, p, some);
		p += some;
		n -= some;
		if (have + some < SHA256_BLOCK)
			return;
		sha->compress(sha->state, sha->part, 1);
	}
	if (n >= SHA256_BLOCK)
		sha->compress(sha->state, p, n / SHA256_BLOCK);
	some = n % SHA256_BLOCK;
	if (some)
		memcpy(sha->part, p + n - some, some);
}

void
aibrix__sha256_final(struct sha256 *sha, uint8_t out[SHA256_BYTES])
{
	enum { LENGTH_AT = SHA256_BLOCK - 8 };
	size_t have = sha->total % SHA256_BLOCK;
	uint64_t bits = 8 * sha->total;

	sha->part[have++] = 0x80;
	if (have > LENGTH_AT) {
		memset(sha->part + have, 0, SHA256_BLOCK - have);
		sha->compress(sha->state, sha->part, 1);
		have = 0;
	}
	memset(sha->part + have, 0, LENGTH_AT - have);
	store_be32(sha->part + LENGTH_AT, (uint32_t)(bits >> 32));
	store_be32(sha->part + LENGTH_AT + 4, (uint32_t)bits);
	sha->compress(sha->state, sha->part, 1);
	for (int i = 0; i < 8; i++)
		store_be32(out + 4 * i, sha->state[i]);
}

void
aibrix__sha256(const struct sha256_impl *impl, const void *bytes, size_t n,
	       uint8_t out[SHA256_BYTES])
{
	struct sha256 sha;

	aibrix__sha256_init(&sha, impl);
	aibrix__sha256_update(&sha, bytes, n);
	aibrix__sha256_final(&sha, out);
}
