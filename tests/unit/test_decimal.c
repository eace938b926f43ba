#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/decimal.h"
#include "base/rand.h"

static double
read_of(const char *text)
{
	double x = -1;

	cr_assert_eq(aibrix__decimal_read(text, strlen(text), &x), AIBRIX_OK,
		     "%s", text);
	return x;
}

Test(decimal, numbers_are_what_they_say)
{
	cr_expect_eq(read_of("0"), 0.0);
	cr_expect_eq(read_of("10"), 10.0);
	cr_expect_eq(read_of("+0.1"), 0.1);
	cr_expect_eq(read_of("-2.5e-3"), -0.0025);
	cr_expect_eq(read_of(".5"), 0.5);
	cr_expect_eq(read_of("5."), 5.0);
	cr_expect_eq(read_of("1E3"), 1000.0);
	cr_expect(signbit(read_of("-0")));
}

Test(decimal, halves_go_to_the_even_one)
{
	/* 2^53 + 1 lies between two doubles, 2^53 + 3 too. */
	cr_expect_eq(read_of("9007199254740993"), 9007199254740992.0);
	cr_expect_eq(read_of("9007199254740995"), 9007199254740996.0);
	cr_expect_eq(read_of("9007199254740993.0000000000000000000000001"),
		     9007199254740994.0);
}

Test(decimal, the_ends_of_the_range_are_met)
{
	cr_expect_eq(read_of("1.7976931348623157e308"), 0x1.fffffffffffffp1023);
	cr_expect(isinf(read_of("1.7976931348623159e308")));
	cr_expect(isinf(read_of("1e99999999999999999999")));
	cr_expect_eq(read_of("4.9406564584124654e-324"), 0x1p-1074);
	cr_expect_eq(read_of("2.4703282292062327e-324"), 0.0);
	cr_expect_eq(read_of("2.4703282292062328e-324"), 0x1p-1074);
	cr_expect_eq(read_of("2.2250738585072011e-308"),
		     0x0.fffffffffffffp-1022);
	cr_expect_eq(read_of("1e-99999999999999999999"), 0.0);
	cr_expect_eq(read_of("0e99999999999"), 0.0);
}

Test(decimal, other_texts_are_refused)
{
	static const char *const bad[] = {"",    " ",   "-",     ".",   "+.",
					  "e5",  "1e",  "1e+",   "1 ",  " 1",
					  "1,5", "0x1", "1.2.3", "inf", "nan",
					  "1_0", "--1", "1e5.0"};
	char text[DECIMAL_MAX + 1];
	double x = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix__decimal_read(bad[i], strlen(bad[i]), &x),
			     AIBRIX_E_PARSE, "%s", bad[i]);
	memset(text, '9', sizeof(text));
	cr_expect_eq(aibrix__decimal_read(text, sizeof(text), &x),
		     AIBRIX_E_SPACE);
	cr_expect_eq(x, 7);
	cr_expect_eq(aibrix__decimal_read(text, DECIMAL_MAX, &x), AIBRIX_OK);
	cr_expect_eq(x, 1e128);
}

/* The C library's own, in the locale that it starts with. */
Test(decimal, random_numbers_are_those_of_strtod)
{
	uint64_t rng = 20260907;
	char text[DECIMAL_MAX + 1];

	for (uint32_t i = 0; i < 200000; i++) {
		const uint64_t a = rand_next(&rng), b = rand_next(&rng);
		double x;

		switch (a % 3) {
		case 0: /* any bits of a double, in full and cut */
			memcpy(&x, &b, sizeof(x));
			if (!isfinite(x))
				continue;
			snprintf(text, sizeof(text), "%.*e",
				 (int)((a >> 8) % 24), x);
			break;
		case 1:
			snprintf(text, sizeof(text), "%llu.%llu",
				 (unsigned long long)(b >> a % 64),
				 (unsigned long long)rand_next(&rng));
			break;
		default:
			snprintf(text, sizeof(text), "%llu%llue%d",
				 (unsigned long long)b,
				 (unsigned long long)rand_next(&rng),
				 (int)((a >> 8) % 720) - 380);
			break;
		}
		cr_assert_eq(read_of(text), strtod(text, NULL), "%s", text);
	}
}
