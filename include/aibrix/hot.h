/*
 * Which beginning of a prompt decides where it goes: one block, so that what
 * may share blocks meets; more of them where so many prompts begin alike that
 * they would be too much for one place.
 *
 *   aibrix_hot_note(hot, hashes, n, &request.prefix_key);
 *   ... pick with "dualmap" ...
 *
 * The last requests say what is frequent.  A beginning becomes hot at
 * hot_share of them and is so until it falls below cool_share; the key of a
 * prompt is its shortest beginning that is not hot.
 */
#ifndef AIBRIX_HOT_H
#define AIBRIX_HOT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AIBRIX_HOT_BLOCKS = 16 }; /* of the longest beginning */

typedef struct aibrix_hot_opts {
	uint32_t size;
	uint32_t window;  /* requests looked at; 0: 200; at most 65 536 */
	uint32_t samples; /* nothing is hot among fewer; 0: 20 */
	uint32_t spare;   /* must be 0 */
	double hot_share;  /* 0: 0.0612; at most 1 */
	double cool_share; /* 0: 0.02; at most hot_share */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_hot_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_hot aibrix_hot;

/*
 * Nothing noted.  opts may be NULL.  *out is owned: aibrix_hot_free.  All
 * memory is taken here, 136 bytes for each request of the window.
 *
 * Fails: E_INVAL (a number out of its range or not finite), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_hot_new(const aibrix_hot_opts *opts,
					   aibrix_hot **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_hot_free(aibrix_hot *hot);

/*
 * A request with these content hashes arrives, the oldest of the window
 * leaves.  *key becomes what it goes by, 0 for a prompt without a block.
 *
 * Fails: E_INVAL.
 * Cost: O(window) for each block of the key, no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_hot_note(aibrix_hot *hot,
					    const uint64_t *hashes, uint64_t n,
					    uint64_t *key);

#ifdef __cplusplus
}
#endif

#endif
