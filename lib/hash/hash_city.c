/*
 * CityHash128 of tokens, and how AIBrix chains it.
 *
 * Source of the function: CityHash 1.1.1 (Pike, Alakuijala, Google 2013),
 * written anew from its definition; of the chain: AIBrix
 * python/aibrix_kvcache utils.py, hash_combine_128.
 *
 * Input is tokens rather than bytes: every word that the function reads
 * begins at a multiple of four bytes from one of the ends, so two tokens
 * make the word on any host, and nothing is swapped or copied.
 */

#include "hash/hash_internal.h"

#include <aibrix/compat.h>

#include "base/bytes.h"

#define K0 0xc3a5c85c97cb3127u
#define K1 0xb492b66fbe98f273u
#define K2 0x9ae16a3b2f90404fu
#define K_MUL 0x9ddfea08eb382d69u

static uint64_t
word(const uint32_t *p)
{
	return p[0] | (uint64_t)p[1] << 32;
}

static uint64_t
rotate(uint64_t x, int by)
{
	return x >> by | x << (64 - by);
}

static uint64_t
shift_mix(uint64_t x)
{
	return x ^ x >> 47;
}

static uint64_t
pair_mix(uint64_t u, uint64_t v, uint64_t mul)
{
	uint64_t a = shift_mix((u ^ v) * mul);

	return shift_mix((v ^ a) * mul) * mul;
}

/* Of 0, 4, 8, 12 or 16 bytes. */
static uint64_t
short_hash(const uint32_t *p, size_t n)
{
	uint64_t len = 4 * (uint64_t)n, mul = K2 + len * 2, a, b;

	if (n >= 2) {
		a = word(p) + K2;
		b = word(p + n - 2);
		return pair_mix(rotate(b, 37) * mul + a,
				(rotate(a, 25) + b) * mul, mul);
	}
	if (n == 1)
		return pair_mix(len + ((uint64_t)p[0] << 3), p[0], mul);
	return K2;
}

/* City's CityMurmur: fewer than 32 tokens. */
static struct city128
medium_hash(const uint32_t *p, size_t n, struct city128 seed)
{
	uint64_t a = seed.first, b = seed.second, c, d;
	uint64_t len = 4 * (uint64_t)n;

	if (n <= 4) {
		a = shift_mix(a * K1) * K1;
		c = b * K1 + short_hash(p, n);
		d = shift_mix(a + (n >= 2 ? word(p) : c));
	} else {
		c = pair_mix(word(p + n - 2) + K1, a, K_MUL);
		d = pair_mix(b + len, c + word(p + n - 4), K_MUL);
		a += d;
		for (size_t at = 0; at + 4 < n; at += 4) {
			a = (a ^ shift_mix(word(p + at) * K1) * K1) * K1;
			b ^= a;
			c = (c ^ shift_mix(word(p + at + 2) * K1) * K1) * K1;
			d ^= c;
		}
	}
	a = pair_mix(a, c, K_MUL);
	b = pair_mix(d, b, K_MUL);
	return (struct city128){a ^ b, pair_mix(b, a, K_MUL)};
}

/* City's WeakHashLen32WithSeeds, of 8 tokens. */
static struct city128
weak_hash(const uint32_t *p, uint64_t a, uint64_t b)
{
	uint64_t z = word(p + 6), c;

	a += word(p);
	b = rotate(b + a + z, 21);
	c = a;
	a += word(p + 2);
	a += word(p + 4);
	b += rotate(a, 44);
	return (struct city128){a + z, b + c};
}

struct long_state {
	struct city128 v, w;
	uint64_t x, y, z;
};

/* 16 tokens. */
static struct long_state
long_step(struct long_state s, const uint32_t *p)
{
	uint64_t x = s.x, y = s.y, z = s.z;

	x = rotate(x + y + s.v.first + word(p + 2), 37) * K1;
	y = rotate(y + s.v.second + word(p + 12), 42) * K1;
	x ^= s.w.second;
	y += s.v.first + word(p + 10);
	z = rotate(z + s.w.first, 33) * K1;
	s.v = weak_hash(p, s.v.second * K1, x + s.w.first);
	s.w = weak_hash(p + 8, z + s.w.second, y + word(p + 4));
	s.x = z;
	s.y = y;
	s.z = x;
	return s;
}

static struct city128
long_end(struct long_state s, const uint32_t *p, size_t n)
{
	uint64_t x = s.x, y = s.y, z = s.z;

	x += rotate(s.v.first + z, 49) * K0;
	y = y * K0 + rotate(s.w.second, 37);
	z = z * K0 + rotate(s.w.first, 27);
	s.w.first *= 9;
	s.v.first *= K0;
	/* The rest, 8 tokens at a time from its end; the last step may reach
	 * back into what has been hashed. */
	for (size_t done = 0; done < n;) {
		const uint32_t *tail;

		done += 8;
		tail = n >= done ? p + (n - done) : p - (done - n);
		y = rotate(x + y, 42) * K0 + s.v.second;
		s.w.first += word(tail + 4);
		x = x * K0 + s.w.first;
		z += s.w.second + word(tail);
		s.w.second += s.v.first;
		s.v = weak_hash(tail, s.v.first + z, s.v.second);
		s.v.first *= K0;
	}
	x = pair_mix(x, s.v.first, K_MUL);
	y = pair_mix(y + z, s.w.first, K_MUL);
	return (struct city128){
		pair_mix(x + s.v.second, s.w.second, K_MUL) + y,
		pair_mix(x + s.w.second, y + s.v.second, K_MUL)};
}

static struct city128
seeded_hash(const uint32_t *p, size_t n, struct city128 seed)
{
	struct long_state s;

	if (n < 32)
		return medium_hash(p, n, seed);
	s.x = seed.first;
	s.y = seed.second;
	s.z = 4 * (uint64_t)n * K1;
	s.v.first = rotate(s.y ^ K1, 49) * K1 + word(p);
	s.v.second = rotate(s.v.first, 42) * K1 + word(p + 2);
	s.w.first = rotate(s.y + s.z, 35) * K1 + s.x;
	s.w.second = rotate(s.x + word(p + 22), 53) * K1;
	for (; n >= 32; p += 32, n -= 32) {
		s = long_step(s, p);
		s = long_step(s, p + 16);
	}
	return long_end(s, p, n);
}

struct city128
aibrix__city128(const uint32_t *tokens, size_t n)
{
	if (n >= 4)
		return seeded_hash(
			tokens + 4, n - 4,
			(struct city128){word(tokens), word(tokens + 2) + K0});
	return seeded_hash(tokens, n, (struct city128){K0, K1});
}

static struct city128
add(struct city128 a, struct city128 b)
{
	uint64_t low = a.second + b.second;

	return (struct city128){a.first + b.first + (low < b.second), low};
}

/* Times P = 2^88 + 0x13b, the prime of the 128-bit FNV hash. */
static struct city128
times_prime(struct city128 x)
{
	const uint64_t small = 0x13b;
	uint64_t half = (x.second & UINT32_MAX) * small;
	uint64_t upper = (x.second >> 32) * small + (half >> 32);
	struct city128 product = {x.first * small + (upper >> 32),
				  upper << 32 | (half & UINT32_MAX)};
	struct city128 shifted = {x.second << 24, 0};

	return add(product, shifted);
}

/* (a ^ (b + P + (a << 24) + (a >> 4))) * P, first being the high half. */
struct city128
aibrix__city128_combine(struct city128 a, struct city128 b)
{
	const struct city128 prime = {(uint64_t)1 << 24, 0x13b};
	struct city128 up = {a.first << 24 | a.second >> 40, a.second << 24};
	struct city128 down = {a.first >> 4, a.second >> 4 | a.first << 60};
	struct city128 sum = add(add(b, prime), add(up, down));

	return times_prime(
		(struct city128){a.first ^ sum.first, a.second ^ sum.second});
}

struct city128
aibrix__city128_load(const uint8_t bytes[16])
{
	struct city128 x = {0, 0};

	for (int i = 0; i < 8; i++) {
		x.first = x.first << 8 | bytes[i];
		x.second = x.second << 8 | bytes[8 + i];
	}
	return x;
}

void
aibrix__city128_store(uint8_t bytes[16], struct city128 x)
{
	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(x.first >> (56 - 8 * i));
		bytes[8 + i] = (uint8_t)(x.second >> (56 - 8 * i));
	}
}

/* FarmHash64 and CityHash64 agree on 16 bytes. */
uint64_t
aibrix_compat_place(const aibrix_key *key)
{
	struct reader r = reader_on(key->bytes, sizeof(key->bytes));
	uint32_t words[4];

	for (int i = 0; i < 4; i++)
		words[i] = read_u32(&r);
	return short_hash(words, 4);
}
