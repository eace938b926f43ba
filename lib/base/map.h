/*
 * The only includer of uthash, for cold maps.
 *
 * Non-fatal: a failed add leaves the map as it was and sets the element's
 * flag field, which the caller tests.  Memory comes from the map_alloc that
 * the including file points at the object's allocator, and keys are hashed
 * by map_hash, which the map's owner seeds where keys come from outside.
 *
 * Before including, a file defines
 *   MAP_ALLOCATOR   an expression of type const aibrix_allocator * that is
 *                   valid wherever a HASH_* macro is used
 *   MAP_REFUSED(e)  an lvalue of element e, set to 1 when an add failed
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"

#ifndef MAP_ALLOCATOR
#error "define MAP_ALLOCATOR and MAP_REFUSED before including base/map.h"
#endif

/* Over whole and partial 64-bit words: keys here are at most 32 bytes. */
static inline unsigned
map_hash(const void *key, size_t n)
{
	const unsigned char *p = key;
	uint64_t h = n * 0x9e3779b97f4a7c15u, word;

	for (; n; p += sizeof(word)) {
		size_t some = n < sizeof(word) ? n : sizeof(word);

		word = 0;
		memcpy(&word, p, some);
		h = mix64(h ^ word) + 0x9e3779b97f4a7c15u;
		n -= some;
	}
	return (unsigned)(h ^ h >> 32);
}

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(bytes) aibrix__alloc(MAP_ALLOCATOR, 1, bytes)
#define uthash_free(ptr, bytes) aibrix__free(MAP_ALLOCATOR, ptr, 1, bytes)
#define uthash_nonfatal_oom(element) (MAP_REFUSED(element) = 1)
#define HASH_FUNCTION(key, bytes, hash) ((hash) = map_hash(key, bytes))

#include <uthash.h>

#endif
