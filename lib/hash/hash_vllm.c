/*
 * vLLM's block hashes: digest of (parent, tokens, extra) written by Python's
 * pickle (protocol 5) or by canonical CBOR (RFC 8949, 4.2.1).
 *
 *	pickle	80 05 | 95 <LE64 bytes of the frame> | opcodes .. 2e
 *	CBOR	83 | 58 20 <parent> | 90 <16 tokens> | f6
 *
 * Both are a function of the value alone, so no Python is needed; what they
 * look like is in doc/modules/hash.md.  A pickle announces the length of a
 * frame before the frame, so one frame is gathered on the stack.  Pickle
 * closes a frame at the first value that begins after 64 KiB: only a block
 * of many long extra keys has two.
 *
 * Sources: vLLM vllm/v1/core/kv_cache_utils.py and vllm/utils/hashing.py,
 * CPython Modules/_pickle.c.
 */

#include <aibrix/compat.h>

#include <string.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/sha256.h"
#include "base/xxh.h"

enum {
	BLOCK_MAX = 8192,
	EXTRA_MAX = 64,
	TEXT_MAX = 4096,
	FRAME_TARGET = 65536,
	FRAME_HEAD = 9,
	PICKLE_HEAD = 2,
	/* A frame may pass the target by one value and its opcodes. */
	ROOM = PICKLE_HEAD + FRAME_HEAD + FRAME_TARGET + TEXT_MAX + 64
};

struct coder {
	struct writer w;
	uint8_t *frame; /* where the frame's head goes */
	const struct sha256_impl *impl;
	struct sha256 sha;
	struct xxh3_stream xxh;
	uint32_t algorithm;
	uint32_t flushed; /* the digest has begun */
	uint8_t room[ROOM];
};

static int
is_pickle(uint32_t algorithm)
{
	return algorithm == AIBRIX_VLLM_SHA256 ||
	       algorithm == AIBRIX_VLLM_XXHASH;
}

static int
is_sha(uint32_t algorithm)
{
	return algorithm == AIBRIX_VLLM_SHA256 ||
	       algorithm == AIBRIX_VLLM_SHA256_CBOR;
}

uint32_t
aibrix_vllm_digest_bytes(uint32_t algorithm)
{
	if (algorithm > AIBRIX_VLLM_XXHASH_CBOR)
		return 0;
	return is_sha(algorithm) ? SHA256_BYTES : XXH3_128_BYTES;
}

/* Asking the processor costs as much as 80 portable compressions where a
 * hypervisor answers; a few short blocks are hashed before that. */
static const struct sha256_impl *
sha_for(uint64_t n_tokens)
{
	return aibrix__sha256_select(n_tokens > 1024 ? aibrix__cpu() : 0);
}

static void
frame_open(struct coder *c)
{
	c->frame = c->w.at;
	write_bytes(&c->w, "\x95\0\0\0\0\0\0\0", FRAME_HEAD);
}

static void
frame_close(struct coder *c)
{
	struct writer head = writer_on(c->frame + 1, 8);

	write_u64(&head, (uint64_t)(c->w.at - c->frame) - FRAME_HEAD);
}

static void
coder_start(struct coder *c, uint32_t algorithm, const struct sha256_impl *impl)
{
	c->w = writer_on(c->room, sizeof(c->room));
	c->impl = impl;
	c->algorithm = algorithm;
	c->flushed = 0;
	if (!is_pickle(algorithm))
		return;
	write_u8(&c->w, 0x80);
	write_u8(&c->w, 5);
	frame_open(c);
}

static void
room_flush(struct coder *c)
{
	size_t n = (size_t)(c->w.at - c->room);

	if (is_sha(c->algorithm)) {
		if (!c->flushed)
			aibrix__sha256_init(&c->sha, c->impl);
		aibrix__sha256_update(&c->sha, c->room, n);
	} else {
		if (!c->flushed)
			aibrix__xxh3_start(&c->xxh, 0);
		aibrix__xxh3_add(&c->xxh, c->room, n);
	}
	c->flushed = 1;
	c->w = writer_on(c->room, sizeof(c->room));
}

/* Before each value. */
static void
boundary(struct coder *c)
{
	const uint8_t *from = c->room;

	if (is_pickle(c->algorithm))
		from = c->frame + FRAME_HEAD;
	if (c->w.at - from < FRAME_TARGET)
		return;
	if (!is_pickle(c->algorithm)) {
		room_flush(c);
		return;
	}
	frame_close(c);
	room_flush(c);
	frame_open(c);
}

static void
coder_end(struct coder *c, uint8_t *digest)
{
	if (is_pickle(c->algorithm)) {
		write_u8(&c->w, 0x2e);
		frame_close(c);
	}
	if (c->flushed || is_sha(c->algorithm))
		room_flush(c);
	if (is_sha(c->algorithm))
		aibrix__sha256_final(&c->sha, digest);
	else if (c->flushed)
		aibrix__xxh3_end_128(&c->xxh, digest);
	else
		aibrix__xxh3_128(c->room, (size_t)(c->w.at - c->room), digest);
}

/* CBOR: major type and argument, in the shortest form. */
static void
cbor_head(struct coder *c, uint32_t major, uint32_t x)
{
	uint8_t bytes[5] = {(uint8_t)(major << 5)};
	size_t n = 0;

	if (x < 24) {
		bytes[0] |= (uint8_t)x;
	} else {
		n = x <= UINT8_MAX ? 1 : x <= UINT16_MAX ? 2 : 4;
		bytes[0] |= n == 1 ? 24 : n == 2 ? 25 : 26;
		for (size_t i = 0; i < n; i++)
			bytes[1 + i] = (uint8_t)(x >> (8 * (n - 1 - i)));
	}
	write_bytes(&c->w, bytes, 1 + n);
}

static void
pickle_int(struct coder *c, int64_t x)
{
	uint8_t bytes[7] = {(uint8_t)0x4a};
	size_t n = 4, at = 1;

	if (x >= 0 && x <= UINT8_MAX) {
		bytes[0] = 0x4b;
		n = 1;
	} else if (x >= 0 && x <= UINT16_MAX) {
		bytes[0] = 0x4d;
		n = 2;
	} else if (x > INT32_MAX) { /* LONG1: room for a sign bit */
		bytes[0] = 0x8a;
		bytes[1] = 5;
		n = 5;
		at = 2;
	}
	for (size_t i = 0; i < n; i++)
		bytes[at + i] = (uint8_t)((uint64_t)x >> (8 * i));
	write_bytes(&c->w, bytes, at + n);
}

static void
put_int(struct coder *c, int64_t x)
{
	if (is_pickle(c->algorithm))
		pickle_int(c, x);
	else if (x >= 0)
		cbor_head(c, 0, (uint32_t)x);
	else
		cbor_head(c, 1, (uint32_t)(-1 - x));
}

static void
put_memo(struct coder *c)
{
	write_u8(&c->w, 0x94);
}

/* Text or bytes. */
static void
put_string(struct coder *c, const void *data, uint32_t n, int text)
{
	boundary(c);
	if (!is_pickle(c->algorithm)) {
		cbor_head(c, text ? 3 : 2, n);
		write_bytes(&c->w, data, n);
		return;
	}
	if (n <= UINT8_MAX) {
		write_u8(&c->w, text ? 0x8c : 0x43);
		write_u8(&c->w, (uint8_t)n);
	} else {
		write_u8(&c->w, text ? 0x58 : 0x42);
		write_u32(&c->w, n);
	}
	write_bytes(&c->w, data, n);
	put_memo(c);
}

static void
tuple_open(struct coder *c, uint32_t n)
{
	boundary(c);
	if (!is_pickle(c->algorithm))
		cbor_head(c, 4, n);
	else if (n > 3)
		write_u8(&c->w, 0x28);
}

static void
tuple_close(struct coder *c, uint32_t n)
{
	if (!is_pickle(c->algorithm))
		return;
	write_u8(&c->w, n > 3 ? 0x74 : (uint8_t)(0x84 + n));
	put_memo(c);
}

static void
put_extra(struct coder *c, const aibrix_vllm_extra *extra)
{
	if (extra->kind == AIBRIX_VLLM_EXTRA_ITEM)
		tuple_open(c, 2);
	put_string(c, extra->data, extra->bytes,
		   extra->kind != AIBRIX_VLLM_EXTRA_BYTES);
	if (extra->kind == AIBRIX_VLLM_EXTRA_ITEM) {
		boundary(c);
		put_int(c, extra->offset);
		tuple_close(c, 2);
	}
}

static void
put_extras(struct coder *c, const aibrix_vllm_extra *extra, uint32_t n)
{
	if (!n) {
		boundary(c);
		write_u8(&c->w, is_pickle(c->algorithm) ? 0x4e : 0xf6);
		return;
	}
	tuple_open(c, n);
	for (uint32_t i = 0; i < n; i++)
		put_extra(c, &extra[i]);
	tuple_close(c, n);
}

static void
block_digest(uint32_t algorithm, const struct sha256_impl *impl,
	     const uint8_t *parent, const uint32_t *tokens, uint32_t n_tokens,
	     const aibrix_vllm_extra *extra, uint32_t n_extra, uint8_t *digest)
{
	struct coder c;

	coder_start(&c, algorithm, impl);
	tuple_open(&c, 3);
	put_string(&c, parent, aibrix_vllm_digest_bytes(algorithm), 0);
	tuple_open(&c, n_tokens);
	for (uint32_t i = 0; i < n_tokens; i++)
		put_int(&c, tokens[i]);
	tuple_close(&c, n_tokens);
	put_extras(&c, extra, n_extra);
	tuple_close(&c, 3);
	coder_end(&c, digest);
}

static int
extras_check(const aibrix_vllm_extra *extra, uint32_t n)
{
	if (n > EXTRA_MAX || (n && !extra))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_vllm_extra *e = &extra[i];

		if (e->kind < AIBRIX_VLLM_EXTRA_TEXT ||
		    e->kind > AIBRIX_VLLM_EXTRA_BYTES || e->spare)
			return AIBRIX_E_INVAL;
		if (e->bytes > TEXT_MAX || (e->bytes && !e->data))
			return AIBRIX_E_INVAL;
		if (e->kind == AIBRIX_VLLM_EXTRA_ITEM &&
		    (e->offset < INT32_MIN || e->offset > INT32_MAX))
			return AIBRIX_E_INVAL;
	}
	return AIBRIX_OK;
}

int
aibrix_vllm_none_hash(uint32_t algorithm, const char *seed_text,
		      uint8_t *digest)
{
	static const char fixed[] = "vllm-none-hash";
	struct coder c;
	size_t n;

	if (!aibrix_vllm_digest_bytes(algorithm) || !digest)
		return AIBRIX_E_INVAL;
	if (!seed_text && !is_sha(algorithm))
		return AIBRIX_E_INVAL;
	if (!seed_text)
		seed_text = fixed;
	n = strnlen(seed_text, TEXT_MAX + 1);
	if (n > TEXT_MAX)
		return AIBRIX_E_INVAL;
	coder_start(&c, algorithm, sha_for(0));
	put_string(&c, seed_text, (uint32_t)n, 1);
	coder_end(&c, digest);
	return AIBRIX_OK;
}

int
aibrix_vllm_block_hash(uint32_t algorithm, const uint8_t *parent,
		       const uint32_t *tokens, uint32_t n_tokens,
		       const aibrix_vllm_extra *extra, uint32_t n_extra,
		       uint8_t *digest)
{
	uint8_t done[AIBRIX_VLLM_DIGEST_MAX];
	uint32_t bytes = aibrix_vllm_digest_bytes(algorithm);

	if (!bytes || !parent || !tokens || !n_tokens || n_tokens > BLOCK_MAX ||
	    !digest)
		return AIBRIX_E_INVAL;
	if (extras_check(extra, n_extra))
		return AIBRIX_E_INVAL;
	block_digest(algorithm, sha_for(n_tokens), parent, tokens, n_tokens,
		     extra, n_extra, done);
	memcpy(digest, done, bytes);
	return AIBRIX_OK;
}

int
aibrix_vllm_hash_blocks(uint32_t algorithm, const uint8_t *parent,
			const uint32_t *tokens, uint64_t n_tokens,
			uint32_t block_tokens, uint8_t *digests, uint64_t cap,
			uint64_t *n)
{
	const struct sha256_impl *impl;
	uint32_t bytes = aibrix_vllm_digest_bytes(algorithm);
	uint64_t blocks;

	if (!bytes || !parent || !n || !block_tokens ||
	    block_tokens > BLOCK_MAX)
		return AIBRIX_E_INVAL;
	if (n_tokens > SIZE_MAX / sizeof(*tokens) || (n_tokens && !tokens))
		return AIBRIX_E_INVAL;
	blocks = n_tokens / block_tokens;
	if (blocks && cap >= blocks && !digests)
		return AIBRIX_E_INVAL;
	*n = blocks;
	if (cap < blocks)
		return AIBRIX_E_SPACE;

	impl = sha_for(n_tokens);
	for (uint64_t i = 0; i < blocks; i++) {
		block_digest(algorithm, impl, parent, tokens + i * block_tokens,
			     block_tokens, NULL, 0, digests);
		parent = digests;
		digests += bytes;
	}
	return AIBRIX_OK;
}
