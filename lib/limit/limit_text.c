/*
 * What AIBrix writes: keys in Redis, refusals, records of users.
 * (Source: AIBrix pkg/plugins/gateway/ratelimiter and gateway_req_headers.go.)
 */

#include <string.h>

#include <aibrix/limit.h>

#include "base/bytes.h"
#include "base/json.h"

enum { BINS = 64, DIGITS = 20, RPM = 100, TPM_PER_REQUEST = 1000 };

static const struct {
	const char *head, *tail, *who, *what;
	uint64_t window_s;
} kinds[] = {
	[AIBRIX_LIMIT_USER] = {"aibrix-users/", "", "", "", 1},
	[AIBRIX_LIMIT_USER_RPM] = {"aibrix:", "_RPM_CURRENT:", "user: ",
				   " has exceeded RPM: ", 60},
	[AIBRIX_LIMIT_USER_TPM] = {"aibrix:", "_TPM_CURRENT:", "user: ",
				   " has exceeded TPM: ", 60},
	[AIBRIX_LIMIT_MODEL_RPS] = {"aibrix_model:", "_MODEL_RPS_CURRENT:",
				    "model: ", " has exceeded RPS: ", 1},
};

/* The digits of x; returns the first. */
static const char *
number_text(uint64_t x, char digits[DIGITS + 1])
{
	char *at = digits + DIGITS;

	*at = 0;
	do
		*--at = (char)('0' + x % 10);
	while (x /= 10);
	return at;
}

/* head name tail number, if they fit; the length in any case. */
static int
text_write(const char *head, const void *name, uint64_t name_bytes,
	   const char *tail, const char *number, struct writer *w, uint64_t *n)
{
	uint64_t fixed = strlen(head) + strlen(tail) + strlen(number);

	*n = name_bytes > UINT64_MAX - fixed ? UINT64_MAX : fixed + name_bytes;
	if (*n > (uint64_t)(w->end - w->at))
		return AIBRIX_E_SPACE;
	write_bytes(w, head, strlen(head));
	write_bytes(w, name, (size_t)name_bytes);
	write_bytes(w, tail, strlen(tail));
	write_bytes(w, number, strlen(number));
	return AIBRIX_OK;
}

int
aibrix_limit_key(uint32_t kind, const void *name, uint64_t name_bytes,
		 uint64_t unix_s, uint64_t window_s, char *out, uint64_t cap,
		 uint64_t *n)
{
	struct writer w = writer_on(out, (size_t)cap);
	char digits[DIGITS + 1] = "";
	const char *bin = digits;

	if (kind > AIBRIX_LIMIT_MODEL_RPS || (!name && name_bytes) ||
	    (!out && cap) || !n)
		return AIBRIX_E_INVAL;
	if (window_s == 0)
		window_s = kinds[kind].window_s;
	if (kind != AIBRIX_LIMIT_USER)
		bin = number_text(unix_s / window_s % BINS, digits);
	return text_write(kinds[kind].head, name, name_bytes, kinds[kind].tail,
			  bin, &w, n);
}

int
aibrix_limit_text(uint32_t kind, const void *name, uint64_t name_bytes,
		  uint64_t limit, char *out, uint64_t cap, uint64_t *n)
{
	struct writer w = writer_on(out, (size_t)cap);
	char digits[DIGITS + 1];

	if (kind == AIBRIX_LIMIT_USER || kind > AIBRIX_LIMIT_MODEL_RPS ||
	    (!name && name_bytes) || (!out && cap) || !n)
		return AIBRIX_E_INVAL;
	return text_write(kinds[kind].who, name, name_bytes, kinds[kind].what,
			  number_text(limit, digits), &w, n);
}

/* 0 when absent or null. */
static int
member_read(const struct json *record, const char *name, uint64_t *out,
	    struct json *value)
{
	int64_t x;
	int err;

	*out = 0;
	if (!aibrix__json_find(record, name, value) || value->type == JSON_NULL)
		return AIBRIX_OK;
	err = aibrix__json_i64(value, &x);
	if (err == AIBRIX_E_SPACE)
		return AIBRIX_E_INVAL;
	if (err)
		return err;
	if (x < 0 || (uint64_t)x > AIBRIX_LIMIT_UNITS_MAX)
		return AIBRIX_E_INVAL;
	*out = (uint64_t)x;
	return AIBRIX_OK;
}

int
aibrix_limit_user_read(const char *text, uint64_t bytes,
		       aibrix_limit_rate *requests, aibrix_limit_rate *tokens,
		       uint64_t *err_offset)
{
	struct json record, value = {.at = text};
	uint64_t rpm, tpm = 0;
	size_t at = 0;
	int err;

	if (!text || !requests || !tokens || !err_offset)
		return AIBRIX_E_INVAL;
	err = aibrix__json_read(text, (size_t)bytes, &record, &at);
	if (err) {
		*err_offset = at;
		return err;
	}
	if (record.type != JSON_OBJECT) {
		*err_offset = 0;
		return AIBRIX_E_PARSE;
	}
	err = member_read(&record, "rpm", &rpm, &value);
	if (!err)
		err = member_read(&record, "tpm", &tpm, &value);
	if (err) {
		*err_offset = (uint64_t)(value.at - text);
		return err;
	}
	if (rpm == 0)
		rpm = RPM;
	if (tpm == 0)
		tpm = rpm * TPM_PER_REQUEST;
	if (tpm > AIBRIX_LIMIT_UNITS_MAX)
		return AIBRIX_E_INVAL;
	*requests = (aibrix_limit_rate){.units = rpm};
	*tokens = (aibrix_limit_rate){.units = tpm};
	return AIBRIX_OK;
}
