/*
 * From a prompt to the names of its blocks.
 *
 *	tokens  |  block 0  |  block 1  |  block 2  |  block 3  |
 *	items                 [ image ------ ]
 *	        `- a run ---' `- one ---' `- one ---' `- a run -'
 *
 * Nearly all blocks carry tokens only.  They are named in runs, by loops
 * that read the tokens where they lie; a run is short enough for both of
 * its passes (content hashes, then keys) to find it in the cache.  A block
 * with an item, or block 0 under a salt, is named alone by the slow way,
 * which hashes its message in pieces.
 *
 * The tail of a long prompt is all that a caller with known blocks pays
 * for; nothing here depends on the blocks before but the last key (except
 * CITY128_SIMPLE, which by definition hashes the whole prefix each time).
 */

#include <string.h>

#include "base/versioned.h"
#include "hash/hash_internal.h"

enum {
	RUN_TOKENS = AIBRIX_HASH_BLOCK_TOKENS_MAX, /* 32 KiB */
	HOST_SWAPS = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	SWAP_ROOM = HOST_SWAPS ? RUN_TOKENS : 1
};

static int
id_ok(const void *id, uint32_t bytes, uint32_t spare)
{
	return id && bytes && bytes <= TEXT_MAX && !spare;
}

static int
items_check(const aibrix_prompt *p)
{
	uint64_t before = 0;

	if (p->n_items && !p->items)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < p->n_items; i++) {
		const aibrix_prompt_item *item = &p->items[i];

		if (!id_ok(item->id, item->id_bytes, item->spare))
			return AIBRIX_E_INVAL;
		if (item->start < before ||
		    item->count > UINT64_MAX - item->start)
			return AIBRIX_E_INVAL;
		before = item->start;
	}
	return AIBRIX_OK;
}

int
aibrix__naming_load(struct naming *naming, const aibrix_hash *hash,
		    const aibrix_prompt *prompt)
{
	aibrix_prompt *p = &naming->prompt;
	int err;

	err = aibrix__struct_load(p, sizeof(*p), prompt,
				  STRUCT_UPTO(aibrix_prompt, salt));
	if (err)
		return err;
	if (p->n_tokens > SIZE_MAX / sizeof(*p->tokens) ||
	    (p->n_tokens && !p->tokens))
		return AIBRIX_E_INVAL;
	if (!aibrix__text_ok(p->lora) || !aibrix__text_ok(p->salt))
		return AIBRIX_E_INVAL;
	if (algorithm_is_city(hash->algorithm) &&
	    (text_given(p->lora) || text_given(p->salt) || p->n_items))
		return AIBRIX_E_INVAL;
	naming->hash = hash;
	naming->blocks = p->n_tokens / hash->block_tokens;
	return items_check(p);
}

/* Tokens as little-endian bytes: as they lie, or swapped into room. */
static const uint8_t *
tokens_as_bytes(const uint32_t *tokens, size_t n, uint32_t *room)
{
	if (!HOST_SWAPS)
		return (const uint8_t *)tokens;
	for (size_t i = 0; i < n; i++) {
		uint32_t x = tokens[i];

		room[i] = x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) |
			  x << 24;
	}
	return (const uint8_t *)room;
}

/* Where a message goes that comes in pieces: one of the two. */
struct sink {
	struct sha256 *sha;
	struct xxh3_stream *xxh;
};

static void
sink_add(struct sink to, const void *bytes, size_t n)
{
	if (to.sha)
		aibrix__sha256_update(to.sha, bytes, n);
	else
		aibrix__xxh3_add(to.xxh, bytes, n);
}

static void
le_store(uint8_t *p, uint64_t x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(x >> (8 * i));
}

static void
sink_text(struct sink to, uint8_t tag, const char *text)
{
	uint8_t head[5] = {tag};
	size_t n;

	if (!text_given(text))
		return;
	n = strlen(text);
	le_store(head + 1, n, 4);
	sink_add(to, head, sizeof(head));
	sink_add(to, text, n);
}

/* Tag, length, offset from the block's start (8 bytes, two's complement),
 * identifier. */
static void
sink_item(struct sink to, const void *id, uint32_t id_bytes, uint64_t offset)
{
	uint8_t head[13] = {TAG_ITEM};

	le_store(head + 1, 8 + (uint64_t)id_bytes, 4);
	le_store(head + 5, offset, 8);
	sink_add(to, head, sizeof(head));
	sink_add(to, id, id_bytes);
}

/* Items from first on of the prompt, as far as they reach into
 * [start, end). */
static void
sink_items(struct sink to, const struct naming *x, uint32_t first,
	   uint64_t start, uint64_t end)
{
	for (uint32_t i = first; i < x->prompt.n_items; i++) {
		const aibrix_prompt_item *item = &x->prompt.items[i];

		if (item->start >= end)
			break;
		if (item->start + item->count <= start || !item->count)
			continue;
		sink_item(to, item->id, item->id_bytes, item->start - start);
	}
}

/* The first item, from first on, that does not end before start; the items
 * behind it may still do so, since items may overlap. */
static uint32_t
item_find(const struct naming *x, uint32_t first, uint64_t start)
{
	const aibrix_prompt_item *items = x->prompt.items;

	while (first < x->prompt.n_items &&
	       (items[first].start + items[first].count <= start ||
		!items[first].count))
		first++;
	return first;
}

static aibrix_key
root_of(const struct naming *x)
{
	struct sha256 sha;
	uint8_t digest[SHA256_BYTES];
	aibrix_key root;

	if (!text_given(x->prompt.lora) && !text_given(x->prompt.salt))
		return x->hash->root;
	sha = x->hash->identity;
	aibrix__text_add(&sha, TAG_LORA, x->prompt.lora);
	aibrix__text_add(&sha, TAG_SALT, x->prompt.salt);
	aibrix__sha256_final(&sha, digest);
	memcpy(root.bytes, digest, sizeof(root.bytes));
	return root;
}

/* The seed of a content hash when more than tokens belongs to the block. */
static uint64_t
seed_of(const struct naming *x, uint32_t item, uint64_t start, uint64_t end)
{
	struct xxh3_stream stream;
	struct sink to = {NULL, &stream};

	aibrix__xxh3_start(&stream, x->hash->seed.value);
	sink_text(to, TAG_LORA, x->prompt.lora);
	sink_items(to, x, item, start, end);
	if (start == 0)
		sink_text(to, TAG_SALT, x->prompt.salt);
	return aibrix__xxh3_end_64(&stream);
}

/* A key whose message comes in pieces. */
struct key_message {
	struct sha256 sha;
	struct xxh3_stream xxh;
	struct sink to;
};

static void
message_begin(struct key_message *m, const aibrix_hash *hash,
	      const aibrix_key *parent)
{
	m->to = (struct sink){NULL, NULL};
	if (hash->algorithm == AIBRIX_KEY_SHA256) {
		aibrix__sha256_init(&m->sha, hash->sha);
		m->to.sha = &m->sha;
	} else {
		aibrix__xxh3_start(&m->xxh, 0);
		m->to.xxh = &m->xxh;
	}
	sink_add(m->to, parent->bytes, sizeof(parent->bytes));
}

static void
message_end(struct key_message *m, aibrix_key *key)
{
	uint8_t digest[SHA256_BYTES];

	if (m->to.sha)
		aibrix__sha256_final(&m->sha, digest);
	else
		aibrix__xxh3_end_128(&m->xxh, digest);
	memcpy(key->bytes, digest, sizeof(key->bytes));
}

/* A key by the slow way: any number of tokens, with the items of them. */
static void
key_in_pieces(const struct naming *x, const aibrix_key *parent,
	      const uint8_t *tokens, uint64_t n, uint32_t item, uint64_t start,
	      aibrix_key *key)
{
	struct key_message m;

	message_begin(&m, x->hash, parent);
	sink_add(m.to, tokens, n * sizeof(uint32_t));
	sink_items(m.to, x, item, start, start + n);
	message_end(&m, key);
}

static void
keys_city(const struct naming *x, const aibrix_key *parent, uint64_t block,
	  uint64_t n, aibrix_key *keys)
{
	const uint32_t *tokens = x->prompt.tokens;
	const size_t size = x->hash->block_tokens;
	struct city128 key = aibrix__city128_load(parent->bytes), own;

	for (uint64_t i = block; i < block + n; i++) {
		if (x->hash->algorithm == AIBRIX_KEY_CITY128_SIMPLE) {
			key = aibrix__city128(tokens, (i + 1) * size);
		} else {
			own = aibrix__city128(tokens + i * size, size);
			key = i ? aibrix__city128_combine(key, own) : own;
		}
		aibrix__city128_store(keys++->bytes, key);
	}
}

/* Keys of n blocks without items, from block on. */
static void
keys_run(const struct naming *x, const aibrix_key *parent, uint64_t block,
	 uint64_t n, const uint8_t *bytes, aibrix_key *keys)
{
	const aibrix_hash *h = x->hash;
	const size_t size = h->block_tokens * sizeof(uint32_t);

	if (algorithm_is_city(h->algorithm)) {
		keys_city(x, parent, block, n, keys);
	} else if (h->algorithm == AIBRIX_KEY_XXH3) {
		h->xxh->chain(parent->bytes, bytes, size, n, keys->bytes);
	} else if (size % SHA256_BLOCK == 0) {
		h->sha->chain(parent->bytes, bytes, size, n, keys->bytes);
	} else {
		for (uint64_t i = 0; i < n; i++) {
			key_in_pieces(x, parent, bytes + i * size,
				      h->block_tokens, x->prompt.n_items, 0,
				      &keys[i]);
			parent = &keys[i];
		}
	}
}

/* Blocks from block on that carry nothing but tokens (and LoRA); 0: block
 * itself carries more. */
static uint64_t
run_length(const struct naming *x, uint64_t block, uint32_t item)
{
	const uint64_t size = x->hash->block_tokens;
	uint64_t n = RUN_TOKENS / size, clear;

	if (block == 0 && text_given(x->prompt.salt))
		return 0;
	if (item < x->prompt.n_items) {
		clear = x->prompt.items[item].start / size;
		clear = clear > block ? clear - block : 0;
		n = clear < n ? clear : n;
	}
	return x->blocks - block < n ? x->blocks - block : n;
}

void
aibrix__naming_run(const struct naming *x, uint64_t known, uint64_t *hashes,
		   aibrix_key *keys)
{
	const aibrix_hash *h = x->hash;
	const uint64_t size = h->block_tokens;
	const struct xxh3_seed *seed = &h->seed;
	aibrix_key parent = {{0}};
	uint32_t room[SWAP_ROOM], item = 0;
	struct xxh3_seed lora;

	if (keys && known < x->blocks)
		parent = known ? keys[known - 1] : root_of(x);
	if (hashes && text_given(x->prompt.lora)) {
		uint32_t none = x->prompt.n_items;

		aibrix__xxh3_seed_init(&lora, seed_of(x, none, 1, 1));
		seed = &lora;
	}
	for (uint64_t b = known; b < x->blocks;) {
		uint64_t start = b * size, n, plain;
		const uint8_t *bytes;

		item = item_find(x, item, start);
		plain = run_length(x, b, item);
		n = plain ? plain : 1;
		bytes = tokens_as_bytes(x->prompt.tokens + start, n * size,
					room);
		if (hashes && plain)
			h->xxh->blocks(seed, bytes, size * sizeof(uint32_t), n,
				       hashes + b);
		else if (hashes)
			hashes[b] = aibrix__xxh3_64(
				bytes, size * sizeof(uint32_t),
				seed_of(x, item, start, start + size));
		if (keys && plain)
			keys_run(x, &parent, b, n, bytes, keys + b);
		else if (keys)
			key_in_pieces(x, &parent, bytes, size, item, start,
				      keys + b);
		b += n;
		if (keys)
			parent = keys[b - 1];
	}
}

/*
 * The count enters by a parent of its own, of a message that no whole block
 * has: its 25 bytes are shorter than a key, a token and an item, and are no
 * key and whole tokens.
 */
static aibrix_key
partial_parent(const aibrix_hash *hash, const aibrix_key *before, uint64_t n)
{
	uint8_t entry[9] = {TAG_PARTIAL};
	struct key_message m;
	aibrix_key parent;

	le_store(entry + 1, 4, 4);
	le_store(entry + 5, n, 4);
	message_begin(&m, hash, before);
	sink_add(m.to, entry, sizeof(entry));
	message_end(&m, &parent);
	return parent;
}

int
aibrix_hash_partial(const aibrix_hash *hash, const aibrix_prompt *prompt,
		    const aibrix_key *before, aibrix_key *key)
{
	uint32_t room[SWAP_ROOM];
	struct naming x;
	aibrix_key parent;
	uint64_t start, n;
	int err;

	if (!hash || !prompt || !key)
		return AIBRIX_E_INVAL;
	err = aibrix__naming_load(&x, hash, prompt);
	if (err)
		return err;
	if (algorithm_is_city(hash->algorithm))
		return AIBRIX_E_UNSUPPORTED;
	start = x.blocks * hash->block_tokens;
	n = x.prompt.n_tokens - start;
	if (n == 0)
		return AIBRIX_E_NOT_FOUND;
	if (x.blocks && !before)
		return AIBRIX_E_INVAL;

	parent = x.blocks ? *before : root_of(&x);
	parent = partial_parent(hash, &parent, n);
	key_in_pieces(&x, &parent,
		      tokens_as_bytes(x.prompt.tokens + start, n, room), n, 0,
		      start, key);
	return AIBRIX_OK;
}

static int
block_check(const aibrix_hash *hash, const aibrix_block *b)
{
	if (!b->tokens || (b->n_items && !b->items))
		return AIBRIX_E_INVAL;
	if (!aibrix__text_ok(b->lora) || !aibrix__text_ok(b->salt))
		return AIBRIX_E_INVAL;
	if (algorithm_is_city(hash->algorithm) &&
	    (text_given(b->lora) || text_given(b->salt) || b->n_items))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < b->n_items; i++)
		if (!id_ok(b->items[i].id, b->items[i].id_bytes,
			   b->items[i].spare))
			return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_hash_block(const aibrix_hash *hash, const aibrix_block *block,
		  uint64_t *out)
{
	uint32_t room[SWAP_ROOM];
	struct xxh3_stream stream;
	struct sink to = {NULL, &stream};
	aibrix_block b;
	uint64_t seed;
	int err;

	if (!hash || !block || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&b, sizeof(b), block,
				  STRUCT_UPTO(aibrix_block, salt));
	if (!err)
		err = block_check(hash, &b);
	if (err)
		return err;
	seed = hash->seed.value;
	if (text_given(b.lora) || text_given(b.salt) || b.n_items) {
		aibrix__xxh3_start(&stream, seed);
		sink_text(to, TAG_LORA, b.lora);
		for (uint32_t i = 0; i < b.n_items; i++)
			sink_item(to, b.items[i].id, b.items[i].id_bytes,
				  (uint64_t)b.items[i].offset);
		sink_text(to, TAG_SALT, b.salt);
		seed = aibrix__xxh3_end_64(&stream);
	}
	*out = aibrix__xxh3_64(
		tokens_as_bytes(b.tokens, hash->block_tokens, room),
		hash->block_tokens * sizeof(uint32_t), seed);
	return AIBRIX_OK;
}
