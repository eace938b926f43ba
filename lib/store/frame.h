/*
 * The value frame: 128 bytes in front of a KV block that leaves the process,
 * so that whoever reads it back can tell that it is whole, that it is the
 * block that was asked for, and that it was made under the same layout.
 *
 * All numbers are little-endian.  (Layout: doc/modules/store.md.)
 *
 *    0  4  magic "KVB1"          64 16  parent key, 0 for the first block
 *    4  2  version, 1            80 16  digest of the block's tokens
 *    6  2  header bytes, 128     96  8  layout id
 *    8  4  flags                104  4  tokens in the block
 *   12  4  header CRC32C        108  2  dtype code
 *   16  8  payload bytes        110  2  rank of the shard
 *   24  8  stored bytes         112  2  shards
 *   32 32  key, zero padded     114  2  0
 *                               116  4  created, Unix seconds
 *                               120  8  payload checksum
 *
 * The header CRC covers all 128 bytes with its own field zero.
 */
#ifndef STORE_FRAME_H
#define STORE_FRAME_H

#include <stdint.h>

enum { FRAME_BYTES = 128, FRAME_KEY = 32, FRAME_VERSION = 1 };

/* Bits 0-3 of flags: how the payload is checked. */
enum { FRAME_SUM_NONE = 0, FRAME_SUM_XXH3 = 1, FRAME_SUM_CRC32C = 2 };

/* Bits 4-7 are a codec and bits 8-11 a cipher, both 0 here; bit 12: fewer
 * tokens than the layout's block holds. */
enum { FRAME_SUM_MASK = 15, FRAME_PARTIAL = 1 << 12 };

struct frame {
	uint32_t flags;
	uint32_t tokens;
	uint64_t payload_bytes;
	uint64_t stored_bytes; /* equal to payload_bytes: there is no codec */
	uint8_t key[FRAME_KEY];
	uint8_t parent[16];
	uint8_t digest[16];
	uint64_t layout;
	uint16_t dtype;
	uint16_t rank;
	uint16_t shards;
	uint32_t created;
	uint64_t checksum;
};

/* cpu is aibrix__cpu(). */
void aibrix__frame_encode(uint32_t cpu, const struct frame *frame,
			  uint8_t out[FRAME_BYTES]);

/*
 * Fails: E_CORRUPT (not a frame, or damaged), E_UNSUPPORTED (another
 * version, or a codec, cipher or checksum that this reader does not have:
 * a miss).
 */
int aibrix__frame_decode(uint32_t cpu, const uint8_t in[FRAME_BYTES],
			 struct frame *frame);

/*
 * Is got the frame of the value that want describes (key, layout, payload
 * bytes)?
 *
 * Fails: E_CORRUPT (another key, or another length under the same layout),
 * E_NOT_FOUND (another layout: a miss).
 */
int aibrix__frame_check(const struct frame *want, const struct frame *got);

/* The checksum that flags name, of n bytes; 0 for none. */
uint64_t aibrix__frame_sum(uint32_t cpu, uint32_t flags, const void *payload,
			   uint64_t n);

/* Fails: E_CORRUPT (n or the bytes are not those of the frame). */
int aibrix__frame_verify(uint32_t cpu, const struct frame *frame,
			 const void *payload, uint64_t n);

#endif
