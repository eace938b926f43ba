/*
 * The prefix cache in one pod's GPU memory, as vLLM keeps it: blocks of
 * running requests are pinned, those of finished ones stay until their room
 * is needed, least recently used first, last blocks of a prompt before the
 * first.  What it stores and gives up it tells the index, as engines do
 * with KV events.
 */
#ifndef SIM_GPU_CACHE_H
#define SIM_GPU_CACHE_H

#include <stdint.h>

#include <aibrix/index.h>

typedef struct sim_gpu_cache sim_gpu_cache;

/* index is borrowed, owner registered there; NULL: out of memory. */
sim_gpu_cache *sim_gpu_cache_new(uint64_t capacity_blocks, aibrix_index *index,
				 uint32_t owner);

void sim_gpu_cache_free(sim_gpu_cache *cache);

/* Leading blocks of a prompt that are here. */
uint32_t sim_gpu_cache_match(const sim_gpu_cache *cache, const uint64_t *names,
			     uint32_t n);

/*
 * Room for a request of blocks blocks, the first hits of which are here and
 * get pinned; slots[0, hits) are set.  AIBRIX_OK, AIBRIX_E_FULL (not now;
 * nothing is changed) or another error.
 */
int sim_gpu_cache_admit(sim_gpu_cache *cache, const uint64_t *names,
			uint32_t hits, uint64_t blocks, uint32_t *slots);

/*
 * Blocks [hits, n) of an admitted request are computed or loaded: from now
 * on others find them.  slots[hits, n) are set.
 */
int sim_gpu_cache_store(sim_gpu_cache *cache, const uint64_t *hashes,
			const uint64_t *names, uint32_t hits, uint32_t n,
			uint32_t *slots);

/* The request has finished: n slots of its prompt are unpinned, its room
 * beyond them, extra blocks, is free again. */
void sim_gpu_cache_finish(sim_gpu_cache *cache, const uint32_t *slots,
			  uint32_t n, uint64_t extra);

uint64_t sim_gpu_cache_blocks(const sim_gpu_cache *cache);

/* Share of the capacity that running requests hold. */
double sim_gpu_cache_usage(const sim_gpu_cache *cache);

#endif
