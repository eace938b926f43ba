/*
 * Any bytes as a value with tokens behind its block: what is read lies within
 * the value, writes to the same bytes, and matches itself and nothing else.
 * The block's length is the last byte.
 */

#include <stdlib.h>
#include <string.h>

#include <aibrix/layout.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int right)
{
	if (!right)
		abort();
}

/* Written again it is the same up to the padding. */
static void
check_write(const uint8_t *data, size_t len, uint64_t block,
	    const uint32_t *tokens, uint32_t prefix, uint32_t query)
{
	size_t used = block + 12 + 4 * ((size_t)prefix + query);
	uint8_t *value = malloc(len + 16);
	uint64_t bytes = 0;

	check(value != NULL);
	memcpy(value, data, block);
	check(aibrix_layout_trailer_write(value, len + 16, block, tokens,
					  prefix, tokens + prefix, query,
					  &bytes) == AIBRIX_OK);
	check(used <= len && bytes >= used && bytes < used + 16);
	check(bytes % 16 == 0 && memcmp(value, data, used) == 0);
	free(value);
}

static void
try_value(const uint8_t *data, size_t len, uint64_t block)
{
	uint32_t cap = (uint32_t)(len / 4), prefix = 0, query = 0;
	uint32_t *tokens = malloc(4 * ((size_t)cap + 1));
	int err;

	check(tokens != NULL);
	err = aibrix_layout_trailer_read(data, len, block, tokens, cap, &prefix,
					 &query);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	if (err) {
		err = aibrix_layout_trailer_match(data, len, block, NULL, 0,
						  NULL, 0);
		check(err == AIBRIX_E_PARSE);
		free(tokens);
		return;
	}
	check(aibrix_layout_trailer_match(data, len, block, tokens, prefix,
					  tokens + prefix, query) == AIBRIX_OK);
	check_write(data, len, block, tokens, prefix, query);
	if (prefix + query > 0) {
		tokens[(prefix + query) / 2]++;
		err = aibrix_layout_trailer_match(data, len, block, tokens,
						  prefix, tokens + prefix,
						  query);
		check(err == AIBRIX_E_CORRUPT);
	}
	free(tokens);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *value;

	if (len < 2 || len > 1 << 16)
		return 0;
	value = malloc(len - 1);
	check(value != NULL);
	memcpy(value, data, len - 1);
	try_value(value, len - 1, 1 + (uint64_t)data[len - 1] % 64);
	free(value);
	return 0;
}
