/*
 * A cache of names as it is commonly written: a hash map of nodes in a
 * doubly linked list, the least recently used at its end.  For bench_evict:
 * an order that knows slots only pays for its look-up elsewhere, so what is
 * compared is look-up, touch, insert and evict together.
 */
#ifndef BASELINES_LIST_LRU_H
#define BASELINES_LIST_LRU_H

#include <stdint.h>

struct list_lru;

/* NULL: no memory. */
struct list_lru *list_lru_new(uint32_t capacity);
void list_lru_free(struct list_lru *lru);

/* Use a name, not 0: 1 when it was there; else it is inserted, and the least
 * recently used one goes when there are too many. */
int list_lru_use(struct list_lru *lru, uint64_t name);

/* The same map over an order of the library, whose numbers are slots. */
struct ordered_cache;

struct ordered_cache *ordered_cache_new(uint32_t capacity, uint32_t policy);
void ordered_cache_free(struct ordered_cache *cache);
int ordered_cache_use(struct ordered_cache *cache, uint64_t name);

#endif
