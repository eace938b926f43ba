/*
 * Encoding and checking of value frames.
 *
 * A store may be shared, old, truncated or hostile, so every field of a
 * frame is a claim.  The order of the checks follows what each can trust:
 * magic and version before the CRC, because another version may keep its
 * CRC elsewhere; the CRC before any other field; key and layout before the
 * payload is touched at all.
 */

#include "store/frame.h"

#include <string.h>

#include <aibrix/base.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/xxh.h"

enum { CRC_AT = 12 };

static const uint8_t magic[4] = {'K', 'V', 'B', '1'};

/* Of the header, with the field that holds it zero. */
static uint32_t
header_crc(uint32_t cpu, const uint8_t in[FRAME_BYTES])
{
	static const uint8_t zero[4];
	uint32_t crc = aibrix__crc32c(cpu, 0, in, CRC_AT);

	crc = aibrix__crc32c(cpu, crc, zero, sizeof(zero));
	return aibrix__crc32c(cpu, crc, in + CRC_AT + sizeof(zero),
			      FRAME_BYTES - CRC_AT - sizeof(zero));
}

void
aibrix__frame_encode(uint32_t cpu, const struct frame *frame,
		     uint8_t out[FRAME_BYTES])
{
	struct writer w = writer_on(out, FRAME_BYTES);
	struct writer crc = writer_on(out + CRC_AT, 4);

	write_bytes(&w, magic, sizeof(magic));
	write_u16(&w, FRAME_VERSION);
	write_u16(&w, FRAME_BYTES);
	write_u32(&w, frame->flags);
	write_u32(&w, 0);
	write_u64(&w, frame->payload_bytes);
	write_u64(&w, frame->stored_bytes);
	write_bytes(&w, frame->key, sizeof(frame->key));
	write_bytes(&w, frame->parent, sizeof(frame->parent));
	write_bytes(&w, frame->digest, sizeof(frame->digest));
	write_u64(&w, frame->layout);
	write_u32(&w, frame->tokens);
	write_u16(&w, frame->dtype);
	write_u16(&w, frame->rank);
	write_u16(&w, frame->shards);
	write_u16(&w, 0);
	write_u32(&w, frame->created);
	write_u64(&w, frame->checksum);
	write_u32(&crc, header_crc(cpu, out));
}

/* What a frame of this version may say that this reader cannot follow. */
static int
frame_is_known(const struct frame *frame, uint32_t header_bytes,
	       uint32_t reserved)
{
	return header_bytes == FRAME_BYTES && reserved == 0 &&
	       (frame->flags & ~(uint32_t)(FRAME_SUM_MASK | FRAME_PARTIAL)) ==
		       0 &&
	       (frame->flags & FRAME_SUM_MASK) <= FRAME_SUM_CRC32C;
}

static void
copy_out(struct reader *r, uint8_t *to, size_t n)
{
	const uint8_t *from = read_bytes(r, n);

	if (from)
		memcpy(to, from, n);
}

int
aibrix__frame_decode(uint32_t cpu, const uint8_t in[FRAME_BYTES],
		     struct frame *frame)
{
	struct reader r = reader_on(in, FRAME_BYTES);
	struct frame f = {0};
	uint32_t header_bytes, crc, reserved;

	if (memcmp(read_bytes(&r, sizeof(magic)), magic, sizeof(magic)) != 0)
		return AIBRIX_E_CORRUPT;
	if (read_u16(&r) != FRAME_VERSION)
		return AIBRIX_E_UNSUPPORTED;
	header_bytes = read_u16(&r);
	f.flags = read_u32(&r);
	crc = read_u32(&r);
	if (crc != header_crc(cpu, in))
		return AIBRIX_E_CORRUPT;
	f.payload_bytes = read_u64(&r);
	f.stored_bytes = read_u64(&r);
	copy_out(&r, f.key, sizeof(f.key));
	copy_out(&r, f.parent, sizeof(f.parent));
	copy_out(&r, f.digest, sizeof(f.digest));
	f.layout = read_u64(&r);
	f.tokens = read_u32(&r);
	f.dtype = read_u16(&r);
	f.rank = read_u16(&r);
	f.shards = read_u16(&r);
	reserved = read_u16(&r);
	f.created = read_u32(&r);
	f.checksum = read_u64(&r);
	if (!frame_is_known(&f, header_bytes, reserved))
		return AIBRIX_E_UNSUPPORTED;
	if (f.stored_bytes != f.payload_bytes)
		return AIBRIX_E_CORRUPT;

	*frame = f;
	return AIBRIX_OK;
}

int
aibrix__frame_check(const struct frame *want, const struct frame *got)
{
	if (memcmp(want->key, got->key, sizeof(want->key)) != 0)
		return AIBRIX_E_CORRUPT;
	if (want->layout != got->layout)
		return AIBRIX_E_NOT_FOUND;
	if (want->payload_bytes != got->payload_bytes)
		return AIBRIX_E_CORRUPT;
	return AIBRIX_OK;
}

uint64_t
aibrix__frame_sum(uint32_t cpu, uint32_t flags, const void *payload, uint64_t n)
{
	switch (flags & FRAME_SUM_MASK) {
	case FRAME_SUM_XXH3: return aibrix__xxh3_64_select(cpu)(payload, n);
	case FRAME_SUM_CRC32C: return aibrix__crc32c(cpu, 0, payload, n);
	default: return 0;
	}
}

int
aibrix__frame_verify(uint32_t cpu, const struct frame *frame,
		     const void *payload, uint64_t n)
{
	if (n != frame->payload_bytes)
		return AIBRIX_E_CORRUPT;
	if ((frame->flags & FRAME_SUM_MASK) == FRAME_SUM_NONE)
		return AIBRIX_OK;
	return aibrix__frame_sum(cpu, frame->flags, payload, n) ==
			       frame->checksum
		       ? AIBRIX_OK
		       : AIBRIX_E_CORRUPT;
}
