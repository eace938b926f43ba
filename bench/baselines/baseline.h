/*
 * Other designs of a block index, behind one table of functions.
 *
 * They are written for the benchmark, from published descriptions of what
 * routers use, so that "faster than" can be measured on any machine with the
 * same compiler, flags and events.  tests/model/model_baselines.c holds them
 * to the answers of the index.
 *
 * All of them promise the exact answer (the number of leading blocks that an
 * owner holds) as long as events are what an engine sends: an owner stores a
 * block once before it removes it, under a parent that it holds, and a name
 * always means the same place.  What else they promise, each file says in
 * its head comment.
 *
 * Threads: lookups from any thread; events of one owner from one thread at a
 * time.  The allocator must allow that too.
 */
#ifndef BASELINES_BASELINE_H
#define BASELINES_BASELINE_H

#include <aibrix/index.h>

struct baseline {
	const char *name;

	/* For owners 0 to owners - 1, at most 65536; NULL: no memory. */
	void *(*create)(uint32_t owners, const aibrix_allocator *alloc);
	void (*destroy)(void *self);

	/*
	 * n blocks in a row, the first under the place that owner calls
	 * parent_name.  AIBRIX_E_NOT_FOUND: owner holds no such place, and
	 * nothing was stored.  AIBRIX_E_NOMEM: some of them were.
	 */
	int (*stored)(void *self, uint32_t owner, uint64_t parent_name,
		      int has_parent, const uint64_t *hashes,
		      const uint64_t *names, uint32_t n);

	/* Names that owner has not stored are passed over. */
	void (*removed)(void *self, uint32_t owner, const uint64_t *names,
			uint32_t n);

	void (*cleared)(void *self, uint32_t owner);

	/*
	 * Owners of block 0 in ascending order, with the leading blocks each
	 * holds in held and device.  Returns how many there are; of these
	 * the first cap are written.
	 */
	uint32_t (*lookup)(void *self, const uint64_t *hashes, uint32_t n,
			   aibrix_match *out, uint32_t cap);

	/* Memory in use. */
	uint64_t (*bytes)(void *self);
};

/* One map per owner. */
extern const struct baseline baseline_nested_map;

/* A tree with one node, and one lock, per block. */
extern const struct baseline baseline_radix_locks;

/* A table of (position, content hash), searched in jumps of 32 or 64. */
extern const struct baseline baseline_positional_32;
extern const struct baseline baseline_positional_64;

/* The same table, read at every position. */
extern const struct baseline baseline_positional_each;

/* Our own design with a map of names per owner; in a shared object. */
AIBRIX_API extern const struct baseline baseline_owner_maps;

#endif
