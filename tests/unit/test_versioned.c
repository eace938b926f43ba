#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/versioned.h"

struct v2 {
	uint32_t size, a;
	uint64_t b, c;
};

enum { V1 = STRUCT_UPTO(struct v2, b) }; /* c came later */

/* Exactly V1 bytes, so that AddressSanitizer sees one byte too far. */
static void *
new_v1_caller(void)
{
	struct v2 v = {.size = V1, .a = 7, .b = 8};
	void *p = malloc(V1);

	cr_assert_not_null(p);
	return memcpy(p, &v, V1);
}

Test(versioned, old_caller_gets_zeros_for_the_tail)
{
	void *old = new_v1_caller();
	struct v2 dst;

	memset(&dst, 0xff, sizeof(dst));
	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), old, V1),
		     AIBRIX_OK);
	cr_expect_eq(dst.b, 8);
	cr_expect_eq(dst.c, 0);
	free(old);
}

Test(versioned, newer_caller_is_refused_only_if_it_uses_the_unknown_tail)
{
	unsigned char newer[32] = {0};
	struct v2 dst;
	uint32_t size = sizeof(newer);

	memcpy(newer, &size, sizeof(size));
	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), newer, V1),
		     AIBRIX_OK);
	newer[31] = 1;
	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), newer, V1),
		     AIBRIX_E_ABI);
}

Test(versioned, wild_sizes_are_invalid)
{
	struct v2 dst, src = {.size = 3};

	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), &src, V1),
		     AIBRIX_E_INVAL);
	src.size = 0xdeadbeef;
	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), &src, V1),
		     AIBRIX_E_INVAL);
}

Test(versioned, null_options_are_all_defaults)
{
	struct v2 dst = {.a = 9};

	cr_expect_eq(aibrix__struct_load(&dst, sizeof(dst), NULL, V1),
		     AIBRIX_OK);
	cr_expect_eq(dst.a, 0);
}

Test(versioned, store_never_writes_past_an_old_callers_struct)
{
	struct v2 src = {.size = sizeof(src), .a = 1, .b = 2, .c = 3};
	void *old = new_v1_caller();
	struct v2 got = {0};

	cr_expect_eq(aibrix__struct_store(old, &src, sizeof(src), V1),
		     AIBRIX_OK);
	memcpy(&got, old, V1);
	cr_expect_eq(got.size, V1, "the caller's size stays");
	cr_expect_eq(got.b, 2);
	free(old);
}
