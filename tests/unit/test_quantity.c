/* Kubernetes' quantities in thousandths. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scale_object.h>

#include "base/rand.h"

static void
expect(const char *text, int64_t want)
{
	int64_t is = -7;

	cr_expect_eq(aibrix_quantity_read(text, strlen(text), &is), AIBRIX_OK,
		     "%s", text);
	cr_expect_eq(is, want, "%s: %" PRId64, text, is);
}

static void
expect_bad(const char *text, int status)
{
	int64_t is = -7;

	cr_expect_eq(aibrix_quantity_read(text, strlen(text), &is), status,
		     "%s", text);
	cr_expect_eq(is, -7);
}

Test(quantity, plain_numbers_are_decimal)
{
	expect("0", 0);
	expect("-0", 0);
	expect("1", 1000);
	expect("+1", 1000);
	expect("-2", -2000);
	expect("0.5", 500);
	expect(".5", 500);
	expect("5.", 5000);
	expect("0.07", 70);
	expect("000.070", 70);
	expect("9223372036854775.807", INT64_MAX);
	expect("-9223372036854775.807", -INT64_MAX);
}

Test(quantity, suffixes_are_powers_of_ten_or_of_1024)
{
	expect("100m", 100);
	expect("1500m", 1500);
	expect("3000000u", 3000);
	expect("3000000n", 3);
	expect("2k", 2000000);
	expect("1M", 1000000000);
	expect("1G", 1000000000000);
	expect("1T", 1000000000000000);
	expect("9P", 9000000000000000000);
	expect("1Ki", 1024000);
	expect("1Mi", 1048576000);
	expect("1Gi", 1073741824000);
	expect("0.5Gi", 536870912000);
	expect("1.5Ki", 1536000);
	expect("7Ti", 7696581394432000);
	expect("8Pi", 9007199254740992000);
	expect("0.001E", 1000000000000000000);
	expect("0.001Ei", 1152921504606846976);
}

Test(quantity, an_E_with_a_number_is_an_exponent)
{
	expect("1e3", 1000000);
	expect("1E3", 1000000);
	expect("1e+3", 1000000);
	expect("12e-2", 120);
	expect("1.5e0", 1500);
	expect("0e999999999", 0);
	expect("1e-999999999", 1);
}

/* Away from zero, as Kubernetes' MilliValue. */
Test(quantity, what_is_finer_than_a_thousandth_is_rounded_away_from_zero)
{
	expect("1n", 1);
	expect("-1n", -1);
	expect("0.0001", 1);
	expect("1.0001", 1001);
	expect("1.0010", 1001);
	expect("1000001n", 2);
	expect("0.0000000000000000000000000000000000000000001", 1);
}

Test(quantity, beyond_63_bits_is_refused)
{
	expect_bad("9223372036854775.808", AIBRIX_E_INVAL);
	expect_bad("9223372036854775.8070001", AIBRIX_E_INVAL);
	expect_bad("-9223372036854775.808", AIBRIX_E_INVAL);
	expect_bad("18446744073709551.616", AIBRIX_E_INVAL);
	expect_bad("99999999999999999999", AIBRIX_E_INVAL);
	expect_bad("10P", AIBRIX_E_INVAL);
	expect_bad("1E", AIBRIX_E_INVAL);
	expect_bad("9Pi", AIBRIX_E_INVAL);
	expect_bad("1Ei", AIBRIX_E_INVAL);
	expect_bad("1e999999999", AIBRIX_E_INVAL);
}

Test(quantity, what_is_none_is_refused)
{
	static const char *const none[] = {
		"",    " ",    "m",    ".",     "-",        "+-1",
		"1 ",  " 1",   "1mm",  "1ki",   "1K",       "1mi",
		"1ni", "1e",   "1e+",  "1e1.5", "1Km",      "1i",
		"1..", "1.2.", "0x1",  "NaN",   "Inf",      "1,5",
		"--1", "1e ",  "1Kii", "1_0",   "\xc2\xb5", "1\xc2\xb5"};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		expect_bad(none[i], AIBRIX_E_PARSE);
}

Test(quantity, a_text_ends_where_it_is_said_to)
{
	int64_t is = -7;
	char text[200];

	cr_expect_eq(aibrix_quantity_read("1Gi", 1, &is), AIBRIX_OK);
	cr_expect_eq(is, 1000);
	cr_expect_eq(aibrix_quantity_read("1\0", 2, &is), AIBRIX_E_PARSE);
	memset(text, '0', sizeof(text));
	cr_expect_eq(aibrix_quantity_read(text, 128, &is), AIBRIX_OK);
	cr_expect_eq(is, 0);
	cr_expect_eq(aibrix_quantity_read(text, 129, &is), AIBRIX_E_PARSE);
	memset(text, '9', sizeof(text));
	memcpy(text + 124, "e-99", 4);
	cr_expect_eq(aibrix_quantity_read(text, 128, &is), AIBRIX_E_INVAL);
	memcpy(text + 122, "e-999", 6);
	cr_expect_eq(aibrix_quantity_read(text, 127, &is), AIBRIX_OK);
	cr_expect_eq(is, 1);
	cr_expect_eq(aibrix_quantity_read(NULL, 1, &is), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_quantity_read("1", 1, NULL), AIBRIX_E_INVAL);
}

/* Any number of thousandths in each way that it is written. */
Test(quantity, every_way_to_write_a_number_reads_back)
{
	uint64_t rand = 3;

	for (int i = 0; i < 100000; i++) {
		uint32_t bits = 1 + rand_below(&rand, 63);
		int64_t v = (int64_t)(rand_next(&rand) >> (64 - bits));
		char text[64];

		snprintf(text, sizeof(text), "%" PRId64 "m", v);
		expect(text, v);
		snprintf(text, sizeof(text), "%" PRId64 ".%03d", v / 1000,
			 (int)(v % 1000));
		expect(text, v);
		snprintf(text, sizeof(text), "-%" PRId64 "e-3", v);
		expect(text, -v);
		snprintf(text, sizeof(text), "%" PRId64 "000000n", v);
		expect(text, v);
		if (v < INT64_MAX / 1024000) {
			snprintf(text, sizeof(text), "%" PRId64 "Ki", v);
			expect(text, v * 1024000);
		}
	}
}
