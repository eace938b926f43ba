/*
 * Names of KV blocks.
 *
 * A prompt is cut into blocks of block_tokens tokens; a last, shorter piece
 * has no name but the key that aibrix_hash_partial makes.  A block has two
 * names (doc/modules/hash.md):
 *
 *   content hash  uint64_t, of the block's own tokens.  What the index,
 *                 KV events and routing speak.
 *   key           16 bytes, of the whole prefix up to the block's end and of
 *                 everything that makes KV bytes differ (model, revision,
 *                 dtype, layout, shard, LoRA, salt).  What caches and
 *                 stores speak.
 *
 * Tokens are uint32_t and are hashed as little-endian bytes on every host.
 */
#ifndef AIBRIX_HASH_H
#define AIBRIX_HASH_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frozen: 16 bytes.  Compare with memcmp; all-zero is "no key". */
typedef struct aibrix_key {
	uint8_t bytes[16];
} aibrix_key;

/* How keys are made; part of the key's identity except where noted. */
enum {
	AIBRIX_KEY_SHA256 = 0, /* first 128 bits; for stores that users share */
	AIBRIX_KEY_XXH3 = 1,   /* XXH3-128; one trusted tenant only */
	AIBRIX_KEY_CITY128 = 2,       /* AIBrix ROLLING_HASH, no identity */
	AIBRIX_KEY_CITY128_SIMPLE = 3 /* AIBrix SIMPLE_HASH, no identity */
};

enum {
	AIBRIX_HASH_SEED_DEFAULT = 1337, /* as Dynamo, SMG and Mooncake use */
	AIBRIX_HASH_BLOCK_TOKENS_MAX = 8192
};

enum {
	AIBRIX_HASH_SEED_ZERO = 1 /* flag: seed 0 is meant, not the default */
};

/* Texts are copied; NULL and "" are the same: not stated. */
typedef struct aibrix_hash_opts {
	uint32_t size;
	uint32_t algorithm;    /* AIBRIX_KEY_*; 0: SHA-256 */
	uint32_t block_tokens; /* 0: 16 */
	uint32_t flags;        /* AIBRIX_HASH_* */
	uint64_t seed;         /* of content hashes; 0: 1337 */
	const char *model;     /* name of the weights */
	const char *revision;  /* fingerprint or revision of the weights */
	const char *dtype;     /* KV element type and quantisation */
	const char *layout;    /* order of dimensions in a block */
	const char *shard;     /* heads and layers held by this rank */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_hash_opts;

/*
 * A hashing scheme: immutable after _new.
 *
 * Thread: any.
 */
typedef struct aibrix_hash aibrix_hash;

/*
 * Create a scheme.  opts may be NULL.  *out is owned: aibrix_hash_free.
 *
 * Fails: E_INVAL (size, algorithm, block_tokens above the maximum, a text
 * longer than 4096 bytes, identity texts with a CITY128 algorithm, which
 * has no place for them), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_hash_new(const aibrix_hash_opts *opts,
					    aibrix_hash **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_hash_free(aibrix_hash *hash);

/*
 * Frozen: 32 bytes.  One image, sound or other item that stands in the
 * prompt at tokens [start, start + count).  It enters the names of every
 * block that it overlaps, with its offset from the block's first token.
 */
typedef struct aibrix_prompt_item {
	const void *id; /* identifier, usually a content hash; borrowed */
	uint32_t id_bytes;
	uint32_t spare; /* must be 0 */
	uint64_t start;
	uint64_t count;
} aibrix_prompt_item;

/* What is asked about.  Everything is borrowed for the call. */
typedef struct aibrix_prompt {
	uint32_t size;
	uint32_t n_items;
	const uint32_t *tokens;
	uint64_t n_tokens;
	const aibrix_prompt_item *items; /* in order of start */
	const char *lora; /* adapter name; NULL: base model */
	const char *salt; /* tenant's cache salt; NULL: none */
} aibrix_prompt;

/* Whole blocks in n_tokens tokens.  Thread: any.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_hash_count(const aibrix_hash *hash,
				      uint64_t n_tokens);

/*
 * Name the blocks of one prompt.  hashes and keys receive one entry per
 * block; either may be NULL when it is not wanted.  *n becomes the number
 * of whole blocks of the prompt.
 *
 * The first known entries of hashes and keys are taken as given, from an
 * earlier call on a prompt that began the same: extending a prompt by one
 * block hashes one block.  known above the prompt's block count is E_INVAL.
 *
 * The content hash of a block without LoRA, salt and items is XXH3-64 of
 * its tokens with the seed.  Otherwise the seed is replaced by the XXH3-64,
 * under the seed, of the tagged list of what applies to the block: LoRA and
 * items in each block they cover, the salt in block 0 only, as engines
 * announce it.  (Source: vLLM kv_cache_utils; Dynamo's base-model hash.)
 *
 * Fails: E_SPACE (cap is below the block count, which is stored in *n),
 * E_INVAL (items unordered, overflowing, without an id or with spare set;
 * texts and ids longer than 4096 bytes; LoRA, salt or items under a CITY128
 * algorithm), E_ABI.
 * Cost: one pass over the tokens after known, and over the items; behind an
 * item that spans several blocks, the items up to its end are looked at once
 * for each of them.  No allocation.
 * Thread: any.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_hash_blocks(const aibrix_hash *hash, const aibrix_prompt *prompt,
		   uint64_t known, uint64_t *hashes, aibrix_key *keys,
		   uint64_t cap, uint64_t *n);

/*
 * The key of a prompt's last, shorter piece, for who stores it as a block
 * with fewer valid tokens: a prefiller that hands a whole prompt to a
 * decoder.  before: the key of the last whole block; not looked at if the
 * prompt has none.
 *
 * The number of tokens enters the key.  So a piece never shares a key with
 * another number of tokens, with a whole block, or with what it would be
 * when padded.  It is the parent of no block.
 *
 * Fails: E_NOT_FOUND (the prompt ends with a whole block), E_INVAL (as
 * aibrix_hash_blocks; before is missing), E_UNSUPPORTED (CITY128: no place for
 * the number), E_ABI.
 * Cost: one pass over the piece, and one compression.  Thread: any.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_hash_partial(const aibrix_hash *hash,
						const aibrix_prompt *prompt,
						const aibrix_key *before,
						aibrix_key *key);

/* Frozen: 24 bytes.  An item as one block sees it. */
typedef struct aibrix_block_item {
	const void *id; /* as in aibrix_prompt_item; borrowed */
	uint32_t id_bytes;
	uint32_t spare; /* must be 0 */
	int64_t offset; /* of its start from the block's first token */
} aibrix_block_item;

/* One block, apart from its prompt.  Everything is borrowed for the call. */
typedef struct aibrix_block {
	uint32_t size;
	uint32_t n_items;
	const uint32_t *tokens;         /* block_tokens of the scheme */
	const aibrix_block_item *items; /* in the prompt's order */
	const char *lora;               /* NULL: base model */
	const char *salt;               /* of block 0; NULL: none */
} aibrix_block;

/*
 * The content hash of one block whose prompt is not at hand, equal to what
 * aibrix_hash_blocks makes of it within the prompt: engines announce blocks
 * with the items that reach into them.
 *
 * Fails: E_INVAL (as aibrix_hash_blocks), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_hash_block(const aibrix_hash *hash,
					      const aibrix_block *block,
					      uint64_t *out);

/* Tokens in a block.  Thread: any.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_hash_block_tokens(const aibrix_hash *hash);

/*
 * aibrix_hash_blocks for many prompts, one after the other in hashes and
 * keys: the blocks of prompt i end before ends[i] (ends has n_prompts
 * entries) and start where those of prompt i - 1 end.
 *
 * Fails: as aibrix_hash_blocks; on E_SPACE *n holds the total count.
 * Thread: any.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_hash_batch(const aibrix_hash *hash,
		  const aibrix_prompt *const *prompts, uint32_t n_prompts,
		  uint64_t *hashes, aibrix_key *keys, uint64_t cap,
		  uint64_t *ends, uint64_t *n);

/*
 * The 64-bit form of an engine's block hash, as it travels in KV events:
 * the last 8 bytes, big-endian, so that the bytes form and the integer form
 * of one vLLM block agree; shorter ones are padded in front with zeros.
 * compat != 0 takes the first 8 bytes instead, as AIBrix does.
 * bytes may be NULL when len is 0.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_hash_fold(const void *bytes, size_t len,
				     uint32_t compat);

enum { AIBRIX_KEY_TEXT = 33 }; /* 32 hex digits and a NUL */

/* Lower-case hex of key into text.  Thread: any.  Since: 0.1. */
AIBRIX_API void aibrix_key_format(const aibrix_key *key,
				  char text[AIBRIX_KEY_TEXT]);

/*
 * The key whose 32 hex digits (either case) text begins with; it must end
 * there.
 *
 * Fails: E_PARSE.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_key_parse(const char *text,
					     aibrix_key *key);

#ifdef __cplusplus
}
#endif

#endif
