/*
 * The block index as simply as it can be made: what include/aibrix/index.h
 * promises, one node per block, behind one mutex.
 *
 * Tests compare the index of the library with it, benchmarks measure
 * against it.  It shares lib/base with the library and nothing else.  Each
 * function does what its namesake aibrix_index_* does.
 */
#ifndef REFERENCE_SIMPLE_INDEX_H
#define REFERENCE_SIMPLE_INDEX_H

#include <aibrix/index.h>

/* Thread: shared, as aibrix_index. */
typedef struct simple_index simple_index;

/* Thread: confined. */
typedef struct simple_index_reader simple_index_reader;

AIBRIX_CHECK int simple_index_new(const aibrix_index_opts *opts,
				  simple_index **out);
void simple_index_free(simple_index *index);
AIBRIX_CHECK int simple_index_reader_new(simple_index *index,
					 simple_index_reader **out);
void simple_index_reader_free(simple_index_reader *reader);

AIBRIX_CHECK int simple_index_owner_add(simple_index *index, uint32_t owner);
AIBRIX_CHECK int simple_index_owner_remove(simple_index *index, uint32_t owner);
AIBRIX_CHECK int simple_index_apply_stored(simple_index *index, uint32_t owner,
					   const aibrix_index_stored *event);
AIBRIX_CHECK int simple_index_apply_removed(simple_index *index, uint32_t owner,
					    const uint64_t *names, uint32_t n,
					    uint32_t tier, uint32_t group);
AIBRIX_CHECK int simple_index_apply_cleared(simple_index *index,
					    uint32_t owner);

AIBRIX_CHECK int simple_index_lookup(simple_index_reader *reader,
				     const uint64_t *hashes, uint64_t n,
				     aibrix_match *out, uint32_t cap,
				     uint32_t *n_out);
AIBRIX_CHECK int simple_index_lookup_batch(simple_index_reader *reader,
					   const uint64_t *hashes,
					   const uint64_t *ends,
					   uint32_t n_prompts,
					   aibrix_match *out, uint32_t cap,
					   uint32_t *out_ends, uint32_t *n_out);
AIBRIX_CHECK int simple_index_match(simple_index_reader *reader,
				    const uint64_t *hashes, uint64_t n,
				    uint32_t device_only, double *blocks,
				    uint32_t rows);

AIBRIX_CHECK int simple_index_stats(simple_index *index,
				    aibrix_index_stat *stat);
AIBRIX_CHECK int simple_index_dump(simple_index *index, void *out, uint64_t cap,
				   uint64_t *n);
AIBRIX_CHECK int simple_index_load(simple_index *index, const void *bytes,
				   uint64_t n);

/* E_CORRUPT when its parts do not fit together, E_NOMEM. */
AIBRIX_CHECK int simple__index_check(simple_index *index);

#endif
