/*
 * Layouts and numbers that have shipped.  Lines are only ever added: one
 * that fails means that a program compiled yesterday would misread us.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <aibrix/aibrix.h>

/* Offsets are those of 64-bit targets. */
#if UINTPTR_MAX == UINT64_MAX
#define AT(type, field, offset)                                                \
	static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type)
#else
#define AT(type, field, offset) static_assert(1, "")
#define SIZE(type, bytes) static_assert(1, "")
#endif
#define VALUE(name, number) static_assert((name) == (number), #name)

/* base, 0.1 */
AT(aibrix_allocator, size, 0);
AT(aibrix_allocator, flags, 4);
AT(aibrix_allocator, ctx, 8);
AT(aibrix_allocator, alloc, 16);
AT(aibrix_allocator, free, 24);
AT(aibrix_log, level, 4);
AT(aibrix_log, ctx, 8);
AT(aibrix_log, fn, 16);
VALUE(AIBRIX_E_INVAL, -1);
VALUE(AIBRIX_E_NOMEM, -2);
VALUE(AIBRIX_E_ABI, -3);
VALUE(AIBRIX_E_NOT_FOUND, -4);
VALUE(AIBRIX_E_FULL, -5);
VALUE(AIBRIX_E_AGAIN, -6);
VALUE(AIBRIX_E_SPACE, -7);
VALUE(AIBRIX_E_PARSE, -8);
VALUE(AIBRIX_E_UNSUPPORTED, -9);
VALUE(AIBRIX_E_STATE, -10);
VALUE(AIBRIX_E_BUSY, -11);
VALUE(AIBRIX_E_CANCELED, -12);
VALUE(AIBRIX_E_IO, -20);
VALUE(AIBRIX_E_CLOSED, -21);
VALUE(AIBRIX_E_TIMEOUT, -22);
VALUE(AIBRIX_E_CORRUPT, -23);
VALUE(AIBRIX_E_DENIED, -24);
VALUE(AIBRIX_E_UNAVAILABLE, -25);
VALUE(AIBRIX_E_DEVICE, -40);
VALUE(AIBRIX_E_DEVICE_LOST, -41);
VALUE(AIBRIX_LOG_ERROR, 1);
VALUE(AIBRIX_LOG_DEBUG, 4);
VALUE(AIBRIX_FEATURE_LOGGING, 1);
VALUE(AIBRIX_FEATURE_SHA256_HW, 2);
VALUE(AIBRIX_FEATURE_CRC32C_HW, 3);
VALUE(AIBRIX_FEATURE_WIDE_VECTORS, 4);

int
main(void)
{
	return 0;
}
