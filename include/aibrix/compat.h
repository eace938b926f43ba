/*
 * Block names as other systems make them, bit for bit: AIBrix's gateway and
 * KV cache, vLLM's block hashes.  For interoperation and for checking what
 * an engine announces; new deployments use hash.h.
 */
#ifndef AIBRIX_COMPAT_H
#define AIBRIX_COMPAT_H

#include <aibrix/base.h>
#include <aibrix/hash.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * AIBrix's gateway prefix hashes: h[i] = XXH64(seed, LE64(h[i-1]) || block i)
 * with h[-1] = seed, over blocks of block_bytes bytes; an incomplete tail is
 * dropped.  bytes is the text itself ("character" tokenizer) or the tokens
 * as 4-byte big-endian numbers.  *n becomes the number of whole blocks.
 * (Source: AIBrix pkg/utils/prefixcacheindexer/hash.go.)
 *
 * Fails: E_INVAL (block_bytes is 0 or above 65536), E_SPACE (cap too small;
 * *n holds the count).
 * Cost: one pass, no allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_compat_gateway_hashes(uint64_t seed, uint32_t block_bytes,
			     const void *bytes, uint64_t len,
			     uint64_t *hashes, uint64_t cap, uint64_t *n);

/*
 * AIBrix's RAW key of the block that ends before token end: the bytes of
 * tokens[0, end) as little-endian int32; hex != 0 writes them as lower-case
 * hex text instead (its Hex builder).  *n becomes the key's length in bytes.
 * The hashed keys are algorithms of hash.h: AIBRIX_KEY_CITY128 (ROLLING_HASH)
 * and AIBRIX_KEY_CITY128_SIMPLE (SIMPLE_HASH).
 *
 * Fails: E_SPACE (*n holds the length), E_INVAL (length overflows).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_compat_raw_key(const uint32_t *tokens, uint64_t end, uint32_t hex,
		      void *out, uint64_t cap, uint64_t *n);

/*
 * The hash by which AIBrix places a key on a cluster: FarmHash64 of its 16
 * bytes; the slot is the hash modulo the number of slots.
 * (Source: AIBrix aibrix_kvcache/l2/placement; FarmHash, HashLen0to16.)
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_compat_place(const aibrix_key *key);

/* vLLM's --prefix-caching-hash-algo. */
enum {
	AIBRIX_VLLM_SHA256 = 0,      /* SHA-256 of a pickle, protocol 5 */
	AIBRIX_VLLM_SHA256_CBOR = 1, /* SHA-256 of canonical CBOR */
	AIBRIX_VLLM_XXHASH = 2,      /* XXH3-128 of a pickle */
	AIBRIX_VLLM_XXHASH_CBOR = 3  /* XXH3-128 of canonical CBOR */
};

enum { AIBRIX_VLLM_DIGEST_MAX = 32 };

/* Digest length of an algorithm: 32 or 16; 0 when unknown.
 * Thread: any.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_vllm_digest_bytes(uint32_t algorithm);

/*
 * NONE_HASH, the parent of every first block: the digest of the serialised
 * seed text.  seed_text is PYTHONHASHSEED, or NULL for vLLM's fixed text
 * (SHA-256 algorithms only; xxhash without a seed is random per process).
 * digest has room for aibrix_vllm_digest_bytes.
 *
 * Fails: E_INVAL (algorithm; NULL with xxhash; text above 4096 bytes).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vllm_none_hash(uint32_t algorithm,
						  const char *seed_text,
						  uint8_t *digest);

enum {
	AIBRIX_VLLM_EXTRA_TEXT = 1, /* LoRA name, cache salt */
	AIBRIX_VLLM_EXTRA_ITEM = 2, /* (multimodal identifier, offset) */
	AIBRIX_VLLM_EXTRA_BYTES = 3 /* digest of prompt embeddings */
};

/* Frozen: 32 bytes.  One extra key of a block, in vLLM's order: LoRA name,
 * items, cache salt (block 0), embeddings.  data is borrowed. */
typedef struct aibrix_vllm_extra {
	const void *data; /* UTF-8 text or bytes */
	uint32_t bytes;   /* at most 4096 */
	uint32_t kind;    /* AIBRIX_VLLM_EXTRA_* */
	int64_t offset;   /* ITEM: start relative to the block; 32 bits */
	uint64_t spare;   /* must be 0 */
} aibrix_vllm_extra;

/*
 * Digest of one block of n_tokens tokens under the parent's full digest.
 *
 * Fails: E_INVAL (algorithm, n_tokens 0 or above 8192, bad extra, more than
 * 64 extras).
 * Cost: serialises into a bounded buffer on the stack; no allocation.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vllm_block_hash(uint32_t algorithm, const uint8_t *parent,
		       const uint32_t *tokens, uint32_t n_tokens,
		       const aibrix_vllm_extra *extra, uint32_t n_extra,
		       uint8_t *digest);

/*
 * Digests of all whole blocks of a prompt without extra keys, one after the
 * other in digests (digest length x *n bytes; cap counts digests).
 *
 * Fails: as aibrix_vllm_block_hash; E_SPACE (*n holds the count).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vllm_hash_blocks(uint32_t algorithm, const uint8_t *parent,
			const uint32_t *tokens, uint64_t n_tokens,
			uint32_t block_tokens, uint8_t *digests, uint64_t cap,
			uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
