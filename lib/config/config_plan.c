/*
 * What follows from a config: sizes in whole blocks, and the walk over a
 * prompt in chunks.  (Source: AIBrix aibrix_kvcache/cache_manager.py,
 * BaseKVCacheManager and cache_chunk_keys.)
 */
#include "config/config_internal.h"

#include <aibrix/layout.h>

#include "base/versioned.h"

enum { CHUNK_BLOCKS_MIN = 4, GET_BATCHES = 2, MS_NS = 1000000 };

/* 0: it does not fit. */
static int
product(uint64_t a, uint64_t b, uint64_t *out)
{
	if (b != 0 && a > UINT64_MAX / b)
		return 0;
	*out = a * b;
	return 1;
}

static int
sum(uint64_t a, uint64_t b, uint64_t *out)
{
	if (a > UINT64_MAX - b)
		return 0;
	*out = a + b;
	return 1;
}

static int
round_up(uint64_t x, uint64_t step, uint64_t *out)
{
	const uint64_t rest = x % step;

	return sum(x, rest ? step - rest : 0, out);
}

/* A field up to 0 is as good as 0. */
static uint64_t
at_least_zero(int64_t x)
{
	return x > 0 ? (uint64_t)x : 0;
}

static int
block_solve(const aibrix_config *c, const aibrix_config_host *host,
	    aibrix_config_plan *p)
{
	const uint64_t own = at_least_zero(c->block_tokens);
	const int compat = (c->flags & AIBRIX_CONFIG_COMPAT) != 0;

	if (host->block_tokens == 0 || host->token_bytes == 0 ||
	    own > UINT32_MAX)
		return AIBRIX_E_INVAL;
	p->block_tokens = own ? (uint32_t)own : host->block_tokens;
	if (!product(p->block_tokens, host->token_bytes, &p->block_bytes))
		return AIBRIX_E_INVAL;
	if (compat && c->token_validation)
		return aibrix_layout_trailer_bytes(p->block_bytes,
						   host->max_model_tokens,
						   &p->value_bytes);
	return sum(p->block_bytes, compat ? 0 : AIBRIX_CACHE_FRAME_BYTES,
		   &p->value_bytes)
		       ? AIBRIX_OK
		       : AIBRIX_E_INVAL;
}

static int
quota_solve(const aibrix_config *c, const aibrix_config_host *host,
	    aibrix_config_plan *p)
{
	const uint64_t block = p->block_tokens;
	uint64_t tokens = at_least_zero(c->chunk_tokens);

	p->chunk_tokens = tokens - tokens % block;
	if (p->chunk_tokens < CHUNK_BLOCKS_MIN * block)
		p->chunk_tokens = CHUNK_BLOCKS_MIN * block;
	p->max_seq_tokens = AIBRIX_FOREVER;
	tokens = at_least_zero(c->max_seq_tokens);
	if (tokens && !round_up(tokens, block, &p->max_seq_tokens))
		return AIBRIX_E_INVAL;
	tokens = host->max_batched_tokens;
	p->batch_blocks = (tokens ? tokens : p->chunk_tokens) / block;
	p->inflight_blocks = at_least_zero(c->l2_inflight_tokens) / block;
	if (p->inflight_blocks && p->inflight_blocks / 2 < p->batch_blocks &&
	    !product(p->batch_blocks, 2, &p->inflight_blocks))
		return AIBRIX_E_INVAL;
	return product(at_least_zero(c->l2_token_timeout_ms), block * MS_NS,
		       &p->block_wait_ns)
		       ? AIBRIX_OK
		       : AIBRIX_E_INVAL;
}

/* Blocks that are being written, and two batches that are being read. */
static int
memory_solve(const aibrix_config *c, aibrix_config_plan *p)
{
	uint64_t blocks = 0;

	p->l1_bytes = c->l1_enabled ? c->l1_bytes : 0;
	if (c->l2_backend != AIBRIX_CONFIG_L2_NONE &&
	    !(product(p->batch_blocks, GET_BATCHES, &blocks) &&
	      sum(blocks,
		  p->inflight_blocks ? p->inflight_blocks : p->batch_blocks,
		  &blocks)))
		return AIBRIX_E_INVAL;
	if (!product(blocks, p->value_bytes, &p->stage_bytes) ||
	    !sum(p->l1_bytes, p->stage_bytes, &p->pool_bytes) ||
	    !round_up(p->pool_bytes, UINT64_C(1) << 30, &p->pool_bytes))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_config_solve(const aibrix_config *config, const aibrix_config_host *host,
		    aibrix_config_plan *plan)
{
	aibrix_config_plan p = {.size = sizeof(p)};
	aibrix_config_host h;
	int err;

	if (!config || !host || !plan)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&h, sizeof(h), host,
				  STRUCT_UPTO(aibrix_config_host, stream));
	if (!err && h.spare)
		err = AIBRIX_E_ABI;
	if (!err)
		err = block_solve(config, &h, &p);
	if (!err)
		err = quota_solve(config, &h, &p);
	if (!err)
		err = memory_solve(config, &p);
	if (err)
		return err;
	return aibrix__struct_store(
		plan, &p, sizeof(p),
		STRUCT_UPTO(aibrix_config_plan, pool_bytes));
}

int
aibrix_config_chunk_get(uint64_t chunk_tokens, uint32_t block_tokens,
			uint64_t prefix, uint64_t query, uint64_t i,
			aibrix_config_chunk *out)
{
	aibrix_config_chunk c;
	uint64_t total, whole, step;

	if (!out || chunk_tokens == 0 || block_tokens == 0 ||
	    !sum(prefix, query, &total))
		return AIBRIX_E_INVAL;
	whole = query - query % block_tokens;
	/* Chunk i is there when i steps leave a whole block's token. */
	if (!product(i, chunk_tokens, &step) || step >= whole)
		return AIBRIX_E_NOT_FOUND;
	c.start = prefix + step;
	c.end = total - c.start > chunk_tokens ? c.start + chunk_tokens : total;
	c.next_start = c.next_end = c.end;
	/* Both this chunk and the next, and a token more. */
	if (total - c.end > chunk_tokens)
		c.next_end = c.end + chunk_tokens;
	*out = c;
	return AIBRIX_OK;
}
