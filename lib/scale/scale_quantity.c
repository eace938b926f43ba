/*
 * Kubernetes' quantities.
 *
 *	[+-] digits [. digits] suffix
 *	suffix: n u m k M G T P E | Ki Mi Gi Ti Pi Ei | e or E with a number
 *
 * They are decimal, and what is compared with them is whole thousandths, so
 * a double in between would move some by one.  Digits are kept as such; a
 * binary suffix multiplies them by 1024 as one does on paper.
 * (Source: Kubernetes apimachinery pkg/api/resource/quantity.go.)
 */

#include <string.h>

#include "scale/scale_object_internal.h"

enum {
	TEXT_MAX = 128,
	GROWTH = 4, /* digits that 1024 adds at most */
	BINARY_MAX = 6,
	DIGITS_MAX = TEXT_MAX + BINARY_MAX * GROWTH,
	EXPONENT_MAX = 1000, /* beyond it all is 0 or too large */
	MILLI_DIGITS = 3,
	INT64_DIGITS = 19
};

/* 0.d d d d ... times 10 to the point; the first is not 0. */
struct digits {
	uint8_t d[DIGITS_MAX];
	int32_t n, point;
};

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* From at; how many bytes were read, 0: no digit. */
static uint64_t
digits_read(const char *at, uint64_t n, struct digits *x)
{
	uint64_t i = 0;
	int seen = 0, dot = 0;

	for (; i < n && (is_digit(at[i]) || (at[i] == '.' && !dot)); i++) {
		if (at[i] == '.') {
			dot = 1;
			continue;
		}
		seen = 1;
		if (x->n > 0 || at[i] != '0')
			x->d[x->n++] = (uint8_t)(at[i] - '0');
		if (x->n > 0)
			x->point += !dot;
		else
			x->point -= dot;
	}
	return seen ? i : 0;
}

static void
digits_times_1024(struct digits *x)
{
	uint32_t carry = 0;

	for (int32_t i = x->n; i-- > 0;) {
		carry += x->d[i] * 1024u;
		x->d[i] = (uint8_t)(carry % 10);
		carry /= 10;
	}
	for (; carry; carry /= 10) {
		memmove(&x->d[1], &x->d[0], (size_t)x->n++);
		x->d[0] = (uint8_t)(carry % 10);
		x->point++;
	}
}

/* "[+-] digits"; 0: it is not. */
static int
exponent_read(const char *at, uint64_t n, int32_t *e)
{
	int negative = n > 0 && at[0] == '-';
	uint64_t i = n > 0 && (at[0] == '-' || at[0] == '+');
	int32_t x = 0;

	if (i == n)
		return 0;
	for (; i < n; i++) {
		if (!is_digit(at[i]))
			return 0;
		if (x < EXPONENT_MAX)
			x = x * 10 + (at[i] - '0');
	}
	*e = negative ? -x : x;
	return 1;
}

static int
suffix_apply(const char *at, uint64_t n, struct digits *x)
{
	static const char decimal[] = "num\0kMGTPE", binary[] = "KMGTPE";
	const char *found;
	int32_t e;

	if (n == 0)
		return 1;
	if (n == 2 && at[1] == 'i') {
		found = memchr(binary, at[0], sizeof(binary) - 1);
		for (e = -1; found && e < found - binary; e++)
			digits_times_1024(x);
		return found != NULL;
	}
	if (n == 1) {
		found = memchr(decimal, at[0], sizeof(decimal) - 1);
		if (!found || at[0] == 0)
			return 0;
		x->point += 3 * (int32_t)(found - decimal) - 9;
		return 1;
	}
	if ((at[0] != 'e' && at[0] != 'E') || !exponent_read(at + 1, n - 1, &e))
		return 0;
	x->point += e;
	return 1;
}

/* Digits before the point, and one more for those behind it; 0: beyond 63
 * bits. */
static int
digits_ceil(const struct digits *x, int64_t *out)
{
	uint64_t whole = 0;

	if (x->n > 0 && x->point > INT64_DIGITS)
		return 0;
	for (int32_t i = 0; x->n > 0 && i < x->point; i++)
		whole = whole * 10 + (i < x->n ? x->d[i] : 0);
	for (int32_t i = x->point > 0 ? x->point : 0; i < x->n; i++)
		if (x->d[i]) {
			whole++;
			break;
		}
	if (whole > INT64_MAX)
		return 0;
	*out = (int64_t)whole;
	return 1;
}

int
aibrix_quantity_read(const char *text, uint64_t n, int64_t *milli)
{
	struct digits x = {.n = 0};
	int64_t out;
	int negative;
	uint64_t at;

	if (!text || !milli)
		return AIBRIX_E_INVAL;
	if (n == 0 || n > TEXT_MAX)
		return AIBRIX_E_PARSE;
	negative = text[0] == '-';
	if (negative || text[0] == '+') {
		text++;
		n--;
	}
	at = digits_read(text, n, &x);
	if (at == 0 || !suffix_apply(text + at, n - at, &x))
		return AIBRIX_E_PARSE;
	x.point += MILLI_DIGITS;
	if (!digits_ceil(&x, &out))
		return AIBRIX_E_INVAL;
	*milli = negative ? -out : out;
	return AIBRIX_OK;
}
