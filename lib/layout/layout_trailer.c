/*
 * The tokens behind a block in AIBrix's extended format.
 *
 *   block | magic | prefix | query | tokens ... | zeros
 *           4       4        4       4 each
 *
 * Unlike AIBrix (memory/allocator.py, unpack_tokens): there the reader takes
 * the words of the footer for the prefix and the prefix for the query, so
 * that only the first block of a prompt ever passes its own check.
 *
 * AIBrix writes in its host's byte order, which is little-endian wherever it
 * runs; here it is little-endian always.
 */

#include <string.h>

#include "base/bytes.h"
#include "layout/layout_internal.h"

enum { FOOTER_BYTES = 12, ALIGN = 16 };

struct trailer {
	struct reader tokens; /* on what is behind the footer */
	uint32_t prefix, query;
};

static int
block_is_valid(uint64_t block_bytes)
{
	return block_bytes > 0 && block_bytes <= AIBRIX_LAYOUT_BYTES_MAX;
}

int
aibrix_layout_trailer_bytes(uint64_t block_bytes, uint64_t tokens,
			    uint64_t *bytes)
{
	uint64_t all;

	if (!bytes || !block_is_valid(block_bytes) ||
	    tokens > AIBRIX_LAYOUT_TRAILER_TOKENS_MAX)
		return AIBRIX_E_INVAL;
	all = block_bytes + FOOTER_BYTES + 4 * tokens;
	*bytes = (all + ALIGN - 1) / ALIGN * ALIGN;
	return AIBRIX_OK;
}

static void
tokens_write(struct writer *w, const uint32_t *tokens, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		write_u32(w, tokens[i]);
}

int
aibrix_layout_trailer_write(void *value, uint64_t cap, uint64_t block_bytes,
			    const uint32_t *prefix, uint32_t prefix_tokens,
			    const uint32_t *query, uint32_t query_tokens,
			    uint64_t *bytes)
{
	uint8_t *begin = value;
	struct writer w;
	uint64_t all;
	int err;

	if ((!value && cap > 0) || !bytes || (!prefix && prefix_tokens > 0) ||
	    (!query && query_tokens > 0))
		return AIBRIX_E_INVAL;
	err = aibrix_layout_trailer_bytes(
		block_bytes, (uint64_t)prefix_tokens + query_tokens, &all);
	if (err)
		return err;
	*bytes = all;
	if (cap < all)
		return AIBRIX_E_SPACE;
	w = writer_on(begin + block_bytes, (size_t)(all - block_bytes));
	write_u32(&w, AIBRIX_LAYOUT_TRAILER_MAGIC);
	write_u32(&w, prefix_tokens);
	write_u32(&w, query_tokens);
	tokens_write(&w, prefix, prefix_tokens);
	tokens_write(&w, query, query_tokens);
	memset(w.at, 0, (size_t)(w.end - w.at));
	return AIBRIX_OK;
}

static int
trailer_open(struct trailer *t, const void *value, uint64_t bytes,
	     uint64_t block_bytes)
{
	const uint8_t *begin = value;
	uint32_t magic;

	if (!value || !block_is_valid(block_bytes))
		return AIBRIX_E_INVAL;
	if (bytes > SIZE_MAX || bytes < block_bytes ||
	    bytes - block_bytes < FOOTER_BYTES)
		return AIBRIX_E_PARSE;
	t->tokens =
		reader_on(begin + block_bytes, (size_t)(bytes - block_bytes));
	magic = read_u32(&t->tokens);
	t->prefix = read_u32(&t->tokens);
	t->query = read_u32(&t->tokens);
	if (magic != AIBRIX_LAYOUT_TRAILER_MAGIC || t->prefix > INT32_MAX ||
	    t->query > INT32_MAX ||
	    (uint64_t)t->prefix + t->query >
		    (bytes - block_bytes - FOOTER_BYTES) / 4)
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

int
aibrix_layout_trailer_read(const void *value, uint64_t bytes,
			   uint64_t block_bytes, uint32_t *tokens, uint32_t cap,
			   uint32_t *prefix_tokens, uint32_t *query_tokens)
{
	struct trailer t;
	int err;

	if ((!tokens && cap > 0) || !prefix_tokens || !query_tokens)
		return AIBRIX_E_INVAL;
	err = trailer_open(&t, value, bytes, block_bytes);
	if (err)
		return err;
	*prefix_tokens = t.prefix;
	*query_tokens = t.query;
	if (t.prefix + t.query > cap)
		return AIBRIX_E_SPACE;
	for (uint32_t i = 0; i < t.prefix + t.query; i++)
		tokens[i] = read_u32(&t.tokens);
	return AIBRIX_OK;
}

static int
tokens_match(struct reader *r, const uint32_t *tokens, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (read_u32(r) != tokens[i])
			return 0;
	return 1;
}

int
aibrix_layout_trailer_match(const void *value, uint64_t bytes,
			    uint64_t block_bytes, const uint32_t *prefix,
			    uint32_t prefix_tokens, const uint32_t *query,
			    uint32_t query_tokens)
{
	struct trailer t;
	int err;

	if ((!prefix && prefix_tokens > 0) || (!query && query_tokens > 0))
		return AIBRIX_E_INVAL;
	err = trailer_open(&t, value, bytes, block_bytes);
	if (err)
		return err;
	if (t.prefix != prefix_tokens || t.query != query_tokens ||
	    !tokens_match(&t.tokens, prefix, prefix_tokens) ||
	    !tokens_match(&t.tokens, query, query_tokens))
		return AIBRIX_E_CORRUPT;
	return AIBRIX_OK;
}
