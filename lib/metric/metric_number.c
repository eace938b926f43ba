/*
 * Numbers as text, without a locale.
 *
 * Doubles get the shortest digits that are read back as the same double, by
 * Steele and White's and Dybvig's method: value, and the distances to its
 * neighbours, are fractions with one denominator, in whole numbers of up to
 * 1 200 bits, and digits come off until what is left is nearer to the value
 * than to a neighbour.  Slower than tables of powers would be, and a tenth
 * as long: an export writes a few dozen of them.
 */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "metric/metric_internal.h"

enum {
	WORDS = 38, /* 2^1024 is 32 of them; 10 times the denominator fits */
	DIGITS = 17,
	FRACTION_BITS = 52,
	EXPONENT_BIAS = 1075,
	/* Plain from 10^-4 to below 10^6, as Go's %g, by which OpenMetrics
	 * defines the numbers of "le". */
	PLAIN_MIN = -3,
	PLAIN_MAX = 6,
	TEXT_MAX = 40
};

struct big {
	uint32_t n; /* words in use */
	uint32_t word[WORDS];
};

static void
big_mul(struct big *b, uint32_t by)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		carry += (uint64_t)b->word[i] * by;
		b->word[i] = (uint32_t)carry;
		carry >>= 32;
	}
	assert(!carry || b->n < WORDS);
	if (carry)
		b->word[b->n++] = (uint32_t)carry;
}

static void
big_set(struct big *b, uint64_t value, uint32_t shift)
{
	*b = (struct big){.n = shift / 32};
	for (; value; value >>= 32)
		b->word[b->n++] = (uint32_t)value;
	big_mul(b, (uint32_t)1 << shift % 32);
}

static uint32_t
big_word(const struct big *b, uint32_t i)
{
	return i < b->n ? b->word[i] : 0;
}

/* The sign of a + b - c. */
static int
big_compare_sum(const struct big *a, const struct big *b, const struct big *c)
{
	int64_t left = 0;

	for (uint32_t i = WORDS; i-- > 0;) {
		left = left * ((int64_t)1 << 32) + big_word(a, i) +
		       big_word(b, i) - big_word(c, i);
		/* The words below add more than -1 of this one, and less
		 * than 2. */
		if (left > 0)
			return 1;
		if (left < -1)
			return -1;
	}
	return left < 0 ? -1 : 0;
}

/* a - b, which is not negative. */
static void
big_sub(struct big *a, const struct big *b)
{
	int64_t carry = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		carry += (int64_t)a->word[i] - big_word(b, i);
		a->word[i] = (uint32_t)carry;
		carry = carry < 0 ? -1 : 0;
	}
	while (a->n && !a->word[a->n - 1])
		a->n--;
}

/* value = rest / whole; between value - less and value + more (over whole)
 * everything is read back as value, and so are the ends when even. */
struct fraction {
	struct big rest, whole, less, more;
	int even;
};

static const struct big nothing;

static void
fraction_split(struct fraction *f, double value)
{
	uint64_t bits, mantissa;
	uint32_t exponent, close;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
	exponent = (uint32_t)(bits >> FRACTION_BITS);
	/* Below a power of two the neighbour is half as far. */
	close = mantissa == 0 && exponent > 1;
	if (exponent)
		mantissa |= (uint64_t)1 << FRACTION_BITS;
	else
		exponent = 1;
	f->even = !(mantissa & 1);
	if (exponent >= EXPONENT_BIAS) {
		exponent -= EXPONENT_BIAS;
		big_set(&f->rest, mantissa, exponent + 1 + close);
		big_set(&f->whole, 2, close);
		big_set(&f->less, 1, exponent);
		big_set(&f->more, 1, exponent + close);
	} else {
		exponent = EXPONENT_BIAS - exponent;
		big_set(&f->rest, mantissa, 1 + close);
		big_set(&f->whole, 1, exponent + 1 + close);
		big_set(&f->less, 1, 0);
		big_set(&f->more, 1, close);
	}
}

/* value + more reaches whole: its first digit stands further left. */
static int
fraction_reaches(const struct fraction *f)
{
	int sign = big_compare_sum(&f->rest, &f->more, &f->whole);

	return sign > 0 || (sign == 0 && f->even);
}

static void
fraction_times_ten(struct fraction *f)
{
	big_mul(&f->rest, 10);
	big_mul(&f->less, 10);
	big_mul(&f->more, 10);
}

/* value becomes 0.d1 d2 ... x 10^point; returns point. */
static int
fraction_scale(struct fraction *f)
{
	struct fraction next;
	int point = 0;

	while (fraction_reaches(f)) {
		big_mul(&f->whole, 10);
		point++;
	}
	for (next = *f;; *f = next, point--) {
		fraction_times_ten(&next);
		if (fraction_reaches(&next))
			return point;
	}
}

static uint32_t
fraction_digits(struct fraction *f, char digits[DIGITS])
{
	uint32_t n = 0;
	int low, high, middle, digit;

	do {
		fraction_times_ten(f);
		for (digit = 0;
		     big_compare_sum(&f->rest, &nothing, &f->whole) >= 0;
		     digit++)
			big_sub(&f->rest, &f->whole);
		low = big_compare_sum(&f->rest, &nothing, &f->less);
		low = low < 0 || (low == 0 && f->even);
		high = fraction_reaches(f);
		if (low || high) {
			middle = big_compare_sum(&f->rest, &f->rest, &f->whole);
			if (high &&
			    (!low || middle > 0 || (middle == 0 && digit % 2)))
				digit++;
		}
		digits[n++] = (char)('0' + digit);
	} while (!low && !high && n < DIGITS);
	return n;
}

static uint32_t
zeros_put(char *at, int n)
{
	uint32_t put = n > 0 ? (uint32_t)n : 0;

	memset(at, '0', put);
	return put;
}

static uint32_t
digits_put(char *at, const char *digits, uint32_t n)
{
	memcpy(at, digits, n);
	return n;
}

/* 0.00123, 12300.0, 1.23 */
static uint32_t
plain_put(char *at, const char *digits, uint32_t n, int point)
{
	uint32_t whole = point < 0 ? 0 : (uint32_t)point, len = 0;

	if (whole == 0)
		at[len++] = '0';
	len += digits_put(at + len, digits, n < whole ? n : whole);
	len += zeros_put(at + len, point - (int)n);
	at[len++] = '.';
	len += zeros_put(at + len, -point);
	if (n > whole)
		len += digits_put(at + len, digits + whole, n - whole);
	else
		at[len++] = '0';
	return len;
}

/* 1.23e+45 */
static uint32_t
exponent_put(char *at, const char *digits, uint32_t n, int point)
{
	int exponent = point - 1;
	uint32_t len = 0,
		 size = (uint32_t)(exponent < 0 ? -exponent : exponent);

	at[len++] = digits[0];
	if (n > 1)
		at[len++] = '.';
	len += digits_put(at + len, digits + 1, n - 1);
	at[len++] = 'e';
	at[len++] = exponent < 0 ? '-' : '+';
	if (size >= 100)
		at[len++] = (char)('0' + size / 100);
	at[len++] = (char)('0' + size / 10 % 10);
	at[len++] = (char)('0' + size % 10);
	return len;
}

void
aibrix__sink_double(struct sink *s, double value)
{
	char text[TEXT_MAX], digits[DIGITS];
	struct fraction f;
	uint64_t whole;
	uint32_t n, len;
	int point;

	if (isnan(value)) {
		aibrix__sink_text(s, "NaN");
		return;
	}
	if (signbit(value))
		aibrix__sink_text(s, "-");
	else if (isinf(value))
		aibrix__sink_text(s, "+");
	value = fabs(value);
	if (isinf(value)) {
		aibrix__sink_text(s, "Inf");
		return;
	}
	/* Bounds and zero: whole numbers that are plain. */
	whole = value < 1e6 ? (uint64_t)value : 0;
	if (!(value > (double)whole)) {
		aibrix__sink_count(s, whole);
		aibrix__sink_text(s, ".0");
		return;
	}
	fraction_split(&f, value);
	point = fraction_scale(&f);
	n = fraction_digits(&f, digits);
	len = point > PLAIN_MAX || point < PLAIN_MIN
		      ? exponent_put(text, digits, n, point)
		      : plain_put(text, digits, n, point);
	aibrix__sink_bytes(s, text, len);
}

void
aibrix__sink_count(struct sink *s, uint64_t count)
{
	char text[20];
	uint32_t at = sizeof(text);

	do
		text[--at] = (char)('0' + count % 10);
	while (count /= 10);
	aibrix__sink_bytes(s, text + at, sizeof(text) - at);
}
