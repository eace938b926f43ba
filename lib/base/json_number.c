/* Exact integers from JSON numbers. */

#include "base/json.h"

#include <aibrix/base.h>

/* Decimal digits as a number; 0 when it does not fit. */
static int
digits_value(const char *at, size_t n, uint64_t *out)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t digit = (uint64_t)(at[i] - '0');

		if (x > (UINT64_MAX - digit) / 10)
			return 0;
		x = 10 * x + digit;
	}
	*out = x;
	return 1;
}

/* Sign and magnitude of a number without fraction and exponent. */
static int
number_integer(const struct json *value, int *negative, uint64_t *magnitude)
{
	const char *at = value->at;
	size_t n = value->n;

	if (value->type != JSON_NUMBER || n == 0)
		return AIBRIX_E_PARSE;
	*negative = *at == '-';
	at += *negative;
	n -= (size_t)*negative;
	for (size_t i = 0; i < n; i++)
		if (at[i] < '0' || at[i] > '9')
			return AIBRIX_E_PARSE;
	return digits_value(at, n, magnitude) ? AIBRIX_OK : AIBRIX_E_SPACE;
}

int
aibrix__json_u64(const struct json *value, uint64_t *out)
{
	uint64_t magnitude;
	int negative, err;

	err = number_integer(value, &negative, &magnitude);
	if (err)
		return err;
	if (negative && magnitude > 0)
		return AIBRIX_E_SPACE;
	*out = magnitude;
	return AIBRIX_OK;
}

int
aibrix__json_i64(const struct json *value, int64_t *out)
{
	uint64_t magnitude;
	int negative, err;

	err = number_integer(value, &negative, &magnitude);
	if (err)
		return err;
	if (magnitude > (uint64_t)INT64_MAX + (uint64_t)negative)
		return AIBRIX_E_SPACE;
	if (!negative)
		*out = (int64_t)magnitude;
	else /* INT64_MIN has no positive partner */
		*out = magnitude ? -(int64_t)(magnitude - 1) - 1 : 0;
	return AIBRIX_OK;
}
