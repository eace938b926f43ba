/*
 * What the parts of bench_cache share.
 */
#ifndef BENCH_CACHE_H
#define BENCH_CACHE_H

#include <aibrix/cache.h>

#include "bench_store.h"

/* bench_cache_sink.c: a store that takes every value at once, keeps none and
 * has none, so that what remains is the cache's own work. */
aibrix_store *sink_open(uint64_t value_bytes);

/* bench_cache_save.c */
void save_rows(const struct options *o);

/* bench_cache_path.c */
void path_rows(const struct options *o);

/* Key i of a prompt; no two are alike. */
void prompt_keys(uint64_t prompt, aibrix_key *keys, uint32_t n);

/* The i-th block of a lease. */
void *lease_block(aibrix_cache *cache, uint64_t lease, uint64_t i);

/* Poll until nothing is in flight. */
void cache_drain(aibrix_cache *cache);

/* Reserve and commit a prompt; its bytes are what was there, which is all
 * that a sum needs. */
void prompt_store(aibrix_cache *cache, const aibrix_key *keys, uint32_t n);

/* Hold a prompt, all of which is there, and wait for it. */
uint64_t prompt_hold(aibrix_cache *cache, const aibrix_key *keys, uint32_t n);

#endif
