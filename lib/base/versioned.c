/*
 * Option and result structs cross the ABI by copy, never by trust.
 *
 * Each begins with a uint32_t holding sizeof as the caller compiled it.
 * Shorter than ours: an older program; the fields that it lacks read as
 * zero, and zero always means "default".  Longer than ours: a newer
 * program; it is served as long as the tail that we cannot read is zero,
 * because a non-zero byte there asks for something we cannot do.
 */

#include "base/versioned.h"

#include <string.h>

#include <aibrix/base.h>

enum { STRUCT_MAX = 4096 }; /* beyond this, size is an unset variable */

int
aibrix__struct_load(void *dst, uint32_t dst_size, const void *src,
		    uint32_t v1_size)
{
	const unsigned char *bytes = src;
	uint32_t size;

	memset(dst, 0, dst_size);
	if (!src)
		return AIBRIX_OK;
	memcpy(&size, src, sizeof(size));
	if (size < v1_size || size > STRUCT_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = dst_size; i < size; i++)
		if (bytes[i] != 0)
			return AIBRIX_E_ABI;

	memcpy(dst, src, size < dst_size ? size : dst_size);
	return AIBRIX_OK;
}

int
aibrix__struct_store(void *dst, const void *src, uint32_t src_size,
		     uint32_t v1_size)
{
	unsigned char *bytes = dst;
	uint32_t size, both;

	memcpy(&size, dst, sizeof(size));
	if (size < v1_size || size > STRUCT_MAX)
		return AIBRIX_E_INVAL;
	both = size < src_size ? size : src_size;
	memcpy(bytes + sizeof(size), (const unsigned char *)src + sizeof(size),
	       both - sizeof(size));
	memset(bytes + both, 0, size - both);
	return AIBRIX_OK;
}
