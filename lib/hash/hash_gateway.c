/* Names as AIBrix's gateway (Go) and the raw keys of its KV cache make
 * them: see compat.h. */

#include <aibrix/compat.h>

#include <string.h>

#include "base/xxh.h"

int
aibrix_compat_gateway_hashes(uint64_t seed, uint32_t block_bytes,
			     const void *bytes, uint64_t len, uint64_t *hashes,
			     uint64_t cap, uint64_t *n)
{
	enum { BLOCK_MAX = 65536 };
	uint64_t blocks;

	if (!n || !block_bytes || block_bytes > BLOCK_MAX || (len && !bytes) ||
	    len > SIZE_MAX)
		return AIBRIX_E_INVAL;
	blocks = len / block_bytes;
	if (blocks && cap >= blocks && !hashes)
		return AIBRIX_E_INVAL;
	*n = blocks;
	if (cap < blocks)
		return AIBRIX_E_SPACE;
	if (blocks)
		aibrix__xxh64_chain(seed, bytes, block_bytes, blocks, hashes);
	return AIBRIX_OK;
}

static void
bytes_store(const uint32_t *tokens, uint64_t n, uint8_t *out)
{
	for (uint64_t i = 0; i < n; i++)
		for (int byte = 0; byte < 4; byte++)
			*out++ = (uint8_t)(tokens[i] >> (8 * byte));
}

static void
hex_store(const uint32_t *tokens, uint64_t n, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";

	for (uint64_t i = 0; i < n; i++)
		for (int byte = 0; byte < 4; byte++) {
			uint8_t x = (uint8_t)(tokens[i] >> (8 * byte));

			*out++ = (uint8_t)digits[x >> 4];
			*out++ = (uint8_t)digits[x & 15];
		}
}

int
aibrix_compat_raw_key(const uint32_t *tokens, uint64_t end, uint32_t hex,
		      void *out, uint64_t cap, uint64_t *n)
{
	const uint64_t per_token = hex ? 8 : 4;

	if (!n || (end && !tokens) || end > SIZE_MAX / per_token)
		return AIBRIX_E_INVAL;
	if (end && cap >= end * per_token && !out)
		return AIBRIX_E_INVAL;
	*n = end * per_token;
	if (cap < *n)
		return AIBRIX_E_SPACE;
	if (hex)
		hex_store(tokens, end, out);
	else
		bytes_store(tokens, end, out);
	return AIBRIX_OK;
}
