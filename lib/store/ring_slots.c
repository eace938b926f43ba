/*
 * The slots of a Redis Cluster.
 *
 * Source: the Redis Cluster specification, "Key distribution model" and
 * "Hash tags": slot = CRC16 of the key, XMODEM kind (polynomial 0x1021,
 * start 0, no reflection), mod 16384; when the key holds a '{' and, after
 * the first of them, a '}' with something in between, only that is hashed.
 *
 * The table is 32 KiB and one load away.  The CRC goes by nibbles: its 32
 * bytes of constants stay in the first-level cache next to the values that
 * flow through it, and a key of 16 bytes takes 32 steps.
 */

#include "store/ring.h"

#include <string.h>

/* CRC of each nibble: the polynomial times i, without carries. */
static const uint16_t nibble_crc[16] = {
	0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
	0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static uint16_t
crc_nibble(uint16_t crc, unsigned nibble)
{
	return (uint16_t)(crc << 4 ^ nibble_crc[(crc >> 12 ^ nibble) & 15]);
}

uint16_t
aibrix__ring_crc16(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint16_t crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc = crc_nibble(crc, p[i] >> 4);
		crc = crc_nibble(crc, p[i] & 15u);
	}
	return crc;
}

uint32_t
aibrix__ring_slot(const void *key, size_t n)
{
	const char *bytes = key, *end = bytes + n;
	const char *open = n ? memchr(bytes, '{', n) : NULL;
	const char *close;

	close = open ? memchr(open + 1, '}', (size_t)(end - open - 1)) : NULL;
	if (close && close > open + 1) {
		bytes = open + 1;
		n = (size_t)(close - bytes);
	}
	return aibrix__ring_crc16(bytes, n) % RING_SLOTS;
}

static int
ranges_check(const struct ring *ring, const struct ring_range *ranges, size_t n)
{
	uint64_t taken[RING_SLOTS / 64] = {0};

	for (size_t i = 0; i < n; i++) {
		const struct ring_range *r = &ranges[i];

		if (r->first > r->last || r->last >= RING_SLOTS)
			return AIBRIX_E_INVAL;
		if (!aibrix__ring_get(ring, r->id))
			return AIBRIX_E_NOT_FOUND;
		for (uint32_t s = r->first; s <= r->last; s++) {
			uint64_t bit = (uint64_t)1 << s % 64;

			if (taken[s / 64] & bit)
				return AIBRIX_E_INVAL;
			taken[s / 64] |= bit;
		}
	}
	return AIBRIX_OK;
}

int
aibrix__ring_assign(struct ring *ring, const struct ring_range *ranges,
		    size_t n)
{
	int err;

	if (!ring || (n && !ranges))
		return AIBRIX_E_INVAL;
	if (ring->mode != RING_REDIS)
		return AIBRIX_E_STATE;
	err = ranges_check(ring, ranges, n);
	if (err)
		return err;
	for (size_t s = 0; s < RING_SLOTS; s++)
		ring->table[s] = RING_NOWHERE;
	for (size_t i = 0; i < n; i++)
		for (uint32_t s = ranges[i].first; s <= ranges[i].last; s++)
			ring->table[s] =
				(uint16_t)aibrix__ring_place(ranges[i].id);
	return AIBRIX_OK;
}

int
aibrix__ring_moved(struct ring *ring, uint32_t slot, uint32_t id)
{
	if (!ring || slot >= RING_SLOTS)
		return AIBRIX_E_INVAL;
	if (ring->mode != RING_REDIS)
		return AIBRIX_E_STATE;
	if (!aibrix__ring_get(ring, id))
		return AIBRIX_E_NOT_FOUND;
	ring->table[slot] = (uint16_t)aibrix__ring_place(id);
	return AIBRIX_OK;
}
