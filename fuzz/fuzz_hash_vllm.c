/*
 * vLLM's serialisation of any block: a block without extras hashes alone as
 * it does in a prompt, extras change the digest, and bad ones are refused
 * with the digest untouched.
 *
 * Input: algorithm, block_tokens (2), extras (1 + 8 each: kind, length 2,
 * offset 5), then tokens.
 */

#include <stdlib.h>
#include <string.h>

#include <aibrix/compat.h>

#include "base/bytes.h"

#define REQUIRE(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { EXTRAS_MAX = 66, DIGEST = AIBRIX_VLLM_DIGEST_MAX, BLOCKS_MAX = 4 };

static uint32_t
extras_read(struct reader *r, aibrix_vllm_extra extra[EXTRAS_MAX])
{
	static const uint8_t data[8192];
	uint32_t n = read_u8(r) % EXTRAS_MAX;

	for (uint32_t i = 0; i < n; i++) {
		extra[i] = (aibrix_vllm_extra){.data = data};
		extra[i].kind = read_u8(r) % 5;
		extra[i].bytes = read_u16(r) % 4200;
		extra[i].offset = (int64_t)(read_le(r, 5) << 24) >> 24;
	}
	return n;
}

static void
check_extras(uint32_t algorithm, const uint8_t *parent, const uint32_t *tokens,
	     uint32_t n, const aibrix_vllm_extra *extra, uint32_t n_extra)
{
	uint8_t with[DIGEST], without[DIGEST], kept[DIGEST];
	int err;

	memset(with, 0x5a, sizeof(with));
	memset(kept, 0x5a, sizeof(kept));
	err = aibrix_vllm_block_hash(algorithm, parent, tokens, n, extra,
				     n_extra, with);
	if (err) {
		REQUIRE(err == AIBRIX_E_INVAL);
		REQUIRE(memcmp(with, kept, sizeof(with)) == 0);
		return;
	}
	REQUIRE(aibrix_vllm_block_hash(algorithm, parent, tokens, n, NULL, 0,
				       without) == AIBRIX_OK);
	if (n_extra)
		REQUIRE(memcmp(with, without, 16) != 0);
}

static void
check_prompt(uint32_t algorithm, const uint8_t *parent, const uint32_t *tokens,
	     uint32_t size)
{
	uint8_t digests[BLOCKS_MAX * DIGEST], one[DIGEST];
	uint32_t bytes = aibrix_vllm_digest_bytes(algorithm);
	uint64_t n;

	REQUIRE(aibrix_vllm_hash_blocks(algorithm, parent, tokens,
					(uint64_t)size * BLOCKS_MAX, size,
					digests, BLOCKS_MAX, &n) == AIBRIX_OK);
	REQUIRE(n == BLOCKS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		REQUIRE(aibrix_vllm_block_hash(algorithm, parent,
					       tokens + i * size, size, NULL, 0,
					       one) == AIBRIX_OK);
		REQUIRE(memcmp(one, digests + i * bytes, bytes) == 0);
		parent = digests + i * bytes;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_on(data, len);
	uint32_t algorithm = read_u8(&r) % 4, size = read_u16(&r) % 8193;
	aibrix_vllm_extra extra[EXTRAS_MAX];
	uint32_t n_extra = extras_read(&r, extra), *tokens;
	uint8_t parent[DIGEST];

	if (!r.ok || !size)
		return 0;
	REQUIRE(aibrix_vllm_none_hash(algorithm, "0", parent) == AIBRIX_OK);
	tokens = calloc((size_t)size * BLOCKS_MAX, sizeof(*tokens));
	REQUIRE(tokens);
	for (size_t i = 0; i < (size_t)size * BLOCKS_MAX && r.at < r.end; i++)
		tokens[i] = read_u32(&r);
	check_extras(algorithm, parent, tokens, size, extra, n_extra);
	check_prompt(algorithm, parent, tokens, size);
	free(tokens);
	return 0;
}
