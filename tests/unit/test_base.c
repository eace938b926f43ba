#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/rand.h"
#include "failing.h"

Test(error, every_status_has_its_own_text_and_name)
{
	static const int all[] = {0,   -1,  -2,  -3,  -4,  -5,  -6,
				  -7,  -8,  -9,  -10, -11, -12, -20,
				  -21, -22, -23, -24, -25, -40, -41};
	enum { N = sizeof(all) / sizeof(all[0]) };

	for (size_t i = 0; i < N; i++) {
		cr_expect_str_neq(aibrix_strerror(all[i]), "unknown status");
		cr_expect_str_neq(aibrix_error_name(all[i]), "AIBRIX_E_?");
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(aibrix_strerror(all[i]),
					  aibrix_strerror(all[j]));
	}
	cr_expect_str_eq(aibrix_error_name(-5), "AIBRIX_E_FULL");
}

Test(error, unknown_status_still_has_a_text)
{
	cr_expect_str_eq(aibrix_strerror(12345), "unknown status");
	cr_expect_str_eq(aibrix_error_name(-9999), "AIBRIX_E_?");
}

Test(version, text_and_number_agree_with_the_header)
{
	cr_expect_str_eq(aibrix_version(), "0.1.0");
	cr_expect_eq(aibrix_abi_version(), AIBRIX_ABI_MAJOR);
}

Test(version, unknown_features_are_absent)
{
	cr_expect_eq(aibrix_has(0), 0);
	cr_expect_eq(aibrix_has(UINT32_MAX), 0);
	cr_expect_eq(aibrix_has(AIBRIX_FEATURE_CRC32C_HW),
		     (aibrix__cpu() & CPU_CRC32C) != 0);
}

Test(alloc, overflowing_products_are_refused_before_the_allocator_is_asked)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);

	cr_expect_null(aibrix__alloc(&a, SIZE_MAX / 2, 3));
	cr_expect_eq(f.calls, 0);
}

Test(alloc, an_allocator_needs_both_functions_and_no_flags)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f), dst;

	cr_expect_eq(aibrix__allocator_load(&dst, &a), AIBRIX_OK);
	a.free = NULL;
	cr_expect_eq(aibrix__allocator_load(&dst, &a), AIBRIX_E_INVAL);
	a = failing_allocator(&f);
	a.flags = 1;
	cr_expect_eq(aibrix__allocator_load(&dst, &a), AIBRIX_E_ABI);
}

Test(alloc, grow_keeps_contents_and_survives_failure)
{
	struct failing f = {.fail_at = 1};
	aibrix_allocator a = failing_allocator(&f);
	uint32_t *v = NULL;
	size_t cap = 0;

	cr_assert_eq(aibrix__grow(&a, &v, &cap, 3, sizeof(*v)), AIBRIX_OK);
	v[2] = 42;
	cr_expect_eq(aibrix__grow(&a, &v, &cap, 100, sizeof(*v)),
		     AIBRIX_E_NOMEM);
	cr_expect_eq(v[2], 42);
	cr_assert_eq(aibrix__grow(&a, &v, &cap, 100, sizeof(*v)), AIBRIX_OK);
	cr_expect_eq(v[2], 42);
	cr_expect_eq(v[99], 0);
	aibrix__free(&a, v, cap, sizeof(*v));
	cr_expect_eq(f.live, 0);
}

Test(alloc, jemalloc_is_absent_from_a_process_without_it)
{
	cr_expect_null(aibrix_allocator_jemalloc());
}

Test(checked, overflow_leaves_the_output_alone)
{
	size_t out = 7;

	cr_expect_eq(checked_add(SIZE_MAX, 1, &out), 0);
	cr_expect_eq(checked_mul(SIZE_MAX, 2, &out), 0);
	cr_expect_eq(checked_round_up(SIZE_MAX, 16, &out), 0);
	cr_expect_eq(out, 7);
	cr_expect(checked_round_up(17, 16, &out));
	cr_expect_eq(out, 32);
}

Test(bytes, reader_stops_at_the_end_and_remembers)
{
	static const uint8_t three[3] = {1, 2, 3};
	struct reader r = reader_on(three, sizeof(three));

	cr_expect_eq(read_u16(&r), 0x0201);
	cr_expect(r.ok);
	cr_expect_eq(read_u16(&r), 0);
	cr_expect(!r.ok);
	cr_expect_eq(read_u8(&r), 0, "an overrun is sticky");
}

Test(bytes, writer_writes_little_endian_and_never_past_the_end)
{
	uint8_t four[4] = {9, 9, 9, 9};
	struct writer w = writer_on(four, 3);

	write_u16(&w, 0x0201);
	cr_expect(w.ok);
	write_u16(&w, 0x0403);
	cr_expect(!w.ok);
	cr_expect_arr_eq(four, ((uint8_t[]){1, 2, 9, 9}), 4);
}

Test(rand, same_state_same_numbers_and_bounds_hold)
{
	uint64_t a = 5, b = 5;

	for (int i = 0; i < 1000; i++) {
		uint32_t x = rand_below(&a, 10);

		cr_assert_lt(x, 10);
		cr_assert_eq(x, rand_below(&b, 10));
	}
}

static void
keep_line(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)level;
	(void)code;
	strcpy(ctx, text);
}

Test(log, a_level_below_the_wanted_one_is_silent)
{
	char line[1024] = "";
	aibrix_log in = {sizeof(in), AIBRIX_LOG_WARN, line, keep_line}, log;

	cr_assert_eq(aibrix__log_load(&log, &in), AIBRIX_OK);
	aibrix__log(&log, AIBRIX_LOG_INFO, 1, "opened");
	cr_expect_str_eq(line, "");
	if (!aibrix_has(AIBRIX_FEATURE_LOGGING))
		return;
	aibrix__log(&log, AIBRIX_LOG_ERROR, 1, "lost %d", 3);
	cr_expect_str_eq(line, "lost 3");
}

Test(log, truncation_is_marked)
{
	char line[1024] = "", big[900];
	aibrix_log in = {sizeof(in), 0, line, keep_line}, log;

	if (!aibrix_has(AIBRIX_FEATURE_LOGGING))
		return;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	cr_assert_eq(aibrix__log_load(&log, &in), AIBRIX_OK);
	aibrix__log(&log, AIBRIX_LOG_ERROR, 1, "%s", big);
	cr_expect_eq(strlen(line), 511);
	cr_expect_str_eq(line + 508, "...");
}
