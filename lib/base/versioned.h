#ifndef BASE_VERSIONED_H
#define BASE_VERSIONED_H

#include <stddef.h>
#include <stdint.h>

/* Size of a struct when field was its last: the v1_size below. */
#define STRUCT_UPTO(type, field)                                               \
	(offsetof(type, field) + sizeof(((type *)0)->field))

/* Read a caller's struct: dst is ours, fully written.  src NULL: zeros. */
int aibrix__struct_load(void *dst, uint32_t dst_size, const void *src,
			uint32_t v1_size);

/* Write our struct into the caller's, keeping the caller's size field. */
int aibrix__struct_store(void *dst, const void *src, uint32_t src_size,
			 uint32_t v1_size);

#endif
