/*
 * Decimal text to double, exactly.
 *
 * strtod asks the locale what a decimal point is, so a configuration would
 * mean another thing in another country.  Here a number is an integer of all
 * its digits times a power of ten, both held in full: it is multiplied, or
 * scaled by a power of two and divided, and then rounded once.
 *
 *	"0.1"  ->  1 * 10^-1  ->  floor(2^96 / 10) and a rest  ->  53 bits
 *
 * Divided by ten again and again the quotient is that of the whole power,
 * and any rest on the way says that something is cut off.  A text has 128
 * bytes at most, so everything fits into a fixed number of limbs.  That is
 * some hundreds of nanoseconds; but nearly every number that is written is a
 * double of up to 53 bits and a power of ten that is one too, and then one
 * multiplication or division rounds once as well (Clinger, PLDI 1990).
 */
#include "base/decimal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <aibrix/base.h>

#include "base/arch.h"

/* 128 digits, or one of 10^309, are below 2^1456; divided is what has 128
 * digits and 2^(64 + 3.4 * 470) behind it, below 2^2100. */
enum { LIMBS = 72, EXPONENT_MAX = 340, MANTISSA_BITS = 53, LOWEST = -1074 };

struct big {
	uint32_t limb[LIMBS]; /* lowest first */
	size_t n;             /* in use; the last is not 0 */
};

static void
big_muladd(struct big *b, uint32_t factor, uint32_t more)
{
	uint64_t carry = more;

	for (size_t i = 0; i < b->n; i++) {
		carry += (uint64_t)b->limb[i] * factor;
		b->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
	if (carry)
		b->limb[b->n++] = (uint32_t)carry;
}

/* By ten; the rest comes back. */
static uint32_t
big_tenth(struct big *b)
{
	uint64_t rest = 0;

	for (size_t i = b->n; i-- > 0;) {
		rest = rest << 32 | b->limb[i];
		b->limb[i] = (uint32_t)(rest / 10);
		rest %= 10;
	}
	while (b->n && b->limb[b->n - 1] == 0)
		b->n--;
	return (uint32_t)rest;
}

static void
big_shift(struct big *b, size_t limbs)
{
	memmove(b->limb + limbs, b->limb, b->n * sizeof(b->limb[0]));
	memset(b->limb, 0, limbs * sizeof(b->limb[0]));
	b->n += limbs;
}

static int
big_bit(const struct big *b, int64_t bit)
{
	return (int)(b->limb[bit / 32] >> bit % 32 & 1);
}

static int64_t
big_length(const struct big *b)
{
	int64_t bits = (int64_t)b->n * 32;

	while (bits > 0 && !big_bit(b, bits - 1))
		bits--;
	return bits;
}

/* b * 2^-scale, and something below it when inexact, rounded. */
static double
big_round(const struct big *b, int64_t scale, int inexact)
{
	const int64_t bits = big_length(b);
	int64_t drop = bits - MANTISSA_BITS;
	uint64_t mantissa = 0;

	if (drop < scale + LOWEST)
		drop = scale + LOWEST; /* subnormal: fewer bits */
	if (drop < 0)
		drop = 0;
	for (int64_t i = bits; i-- > drop;)
		mantissa = mantissa << 1 | (uint64_t)big_bit(b, i);
	if (drop > 0 && drop <= bits && big_bit(b, drop - 1)) {
		for (int64_t i = 0; !inexact && i < drop - 1; i++)
			inexact = big_bit(b, i);
		mantissa += inexact || (mantissa & 1);
	}
	return ldexp((double)mantissa, (int)(drop - scale));
}

/* A text taken apart: b * 10^exponent. */
struct decimal {
	struct big b;
	int64_t exponent;
	int64_t digits; /* of b, without zeros in front */
	int negative;
};

struct cursor {
	const char *at, *end;
};

static int
cursor_digit(const struct cursor *c)
{
	return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static int
cursor_sign(struct cursor *c)
{
	const int negative = c->at < c->end && *c->at == '-';

	c->at += c->at < c->end && (*c->at == '-' || *c->at == '+');
	return negative;
}

/* Digits onto d; their number. */
static size_t
digits_take(struct cursor *c, struct decimal *d)
{
	const char *from = c->at;

	for (; cursor_digit(c); c->at++) {
		big_muladd(&d->b, 10, (uint32_t)(*c->at - '0'));
		d->digits += d->b.n > 0;
	}
	return (size_t)(c->at - from);
}

static int
exponent_take(struct cursor *c, int64_t *out)
{
	int64_t x = 0;
	int negative;

	c->at++;
	negative = cursor_sign(c);
	if (!cursor_digit(c))
		return AIBRIX_E_PARSE;
	for (; cursor_digit(c); c->at++)
		if (x < 100000) /* further digits change nothing */
			x = 10 * x + (*c->at - '0');
	*out += negative ? -x : x;
	return AIBRIX_OK;
}

static int
decimal_take(struct cursor *c, struct decimal *d)
{
	size_t digits, fraction = 0;

	d->negative = cursor_sign(c);
	digits = digits_take(c, d);
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		fraction = digits_take(c, d);
		d->exponent = -(int64_t)fraction;
	}
	if (digits + fraction == 0)
		return AIBRIX_E_PARSE;
	if (c->at < c->end && (*c->at | 32) == 'e')
		return exponent_take(c, &d->exponent);
	return AIBRIX_OK;
}

static double
decimal_value(struct decimal *d)
{
	size_t limbs;
	int inexact = 0;

	if (d->b.n == 0 || d->digits + d->exponent < -EXPONENT_MAX)
		return 0;
	if (d->digits + d->exponent > EXPONENT_MAX)
		return HUGE_VAL;
	for (; d->exponent > 0; d->exponent--)
		big_muladd(&d->b, 10, 0);
	if (d->exponent == 0)
		return big_round(&d->b, 0, 0);
	/* 64 bits and more are left of what is divided. */
	limbs = (64 + (size_t)-d->exponent * 10 / 3 + 64) / 32;
	big_shift(&d->b, limbs);
	for (; d->exponent < 0; d->exponent++)
		inexact |= big_tenth(&d->b) != 0;
	return big_round(&d->b, (int64_t)limbs * 32, inexact);
}

/* Up to 19 digits fit: text of more, or with an exponent, is not short. */
enum { SHORT_DIGITS = 19, POWER_MAX = 22 };

static const double powers[POWER_MAX + 1] = {
	1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Whether the text was digits with a point or without, and few. */
static int
short_read(const char *text, size_t n, double *out)
{
	size_t i = 0, point = n, digits;
	uint64_t mantissa = 0;
	int negative;

	negative = n && *text == '-';
	if (n && (negative || *text == '+'))
		i = 1;
	digits = n - i;
	if (digits > SHORT_DIGITS + 1)
		return 0;
	for (; i < n; i++) {
		uint32_t digit = (uint32_t)text[i] - '0';

		if (digit <= 9) {
			mantissa = 10 * mantissa + digit;
		} else if (text[i] == '.' && point == n) {
			point = i + 1;
			digits--;
		} else {
			return 0;
		}
	}
	if (digits == 0 || digits > SHORT_DIGITS ||
	    mantissa >> MANTISSA_BITS != 0)
		return 0;
	*out = (double)mantissa / powers[n - point];
	if (negative)
		*out = -*out;
	return 1;
}

/* Any other one. */
static APART int
long_read(const char *text, size_t n, double *out)
{
	struct cursor c = {text, text + n};
	struct decimal d = {.exponent = 0};
	double value;

	if (n > DECIMAL_MAX)
		return AIBRIX_E_SPACE;
	if (decimal_take(&c, &d) || c.at != c.end)
		return AIBRIX_E_PARSE;
	value = decimal_value(&d);
	*out = d.negative ? -value : value;
	return AIBRIX_OK;
}

int
aibrix__decimal_read(const char *text, size_t n, double *out)
{
	return short_read(text, n, out) ? AIBRIX_OK : long_read(text, n, out);
}
