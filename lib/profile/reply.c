/*
 * Refusals in OpenAI's form.
 *
 * The message may hold a user's name, a strategy, a model: bytes that a
 * stranger sent and that go into a JSON text and, from there, into logs.  So
 * all of it is escaped that JSON wants escaped, and what is not UTF-8 is
 * replaced.  (Forms: AIBrix pkg/plugins/gateway.)
 */

#include <string.h>

#include <aibrix/reply.h>

#include "base/utf8.h"
#include "base/versioned.h"

enum { FORM_V1 = STRUCT_UPTO(aibrix_reply_form, header) };

static const struct {
	uint32_t http;
	const char *code, *header;
} forms[] = {
	[AIBRIX_REPLY_OK] = {200, NULL, NULL},
	[AIBRIX_REPLY_BAD_REQUEST] = {400, NULL,
				      "x-error-request-body-processing"},
	[AIBRIX_REPLY_NO_MODEL] = {400, NULL, "x-error-no-model-in-request"},
	[AIBRIX_REPLY_UNKNOWN_MODEL] = {400, "model_not_found",
					"x-error-no-model-backends"},
	[AIBRIX_REPLY_BAD_STRATEGY] = {400, NULL,
				       "x-error-invalid-routing-strategy"},
	[AIBRIX_REPLY_BAD_KEY] = {401, "invalid_api_key", NULL},
	[AIBRIX_REPLY_RPM] = {429, "rate_limit_exceeded",
			      "x-error-rpm-exceeded"},
	[AIBRIX_REPLY_TPM] = {429, "rate_limit_exceeded",
			      "x-error-tpm-exceeded"},
	[AIBRIX_REPLY_MODEL_RPS] = {429, "rate_limit_exceeded",
				    "x-error-model-rps-exceeded"},
	[AIBRIX_REPLY_NO_POD] = {503, "service_unavailable",
				 "x-error-no-model-backends"},
	[AIBRIX_REPLY_ROUTING] = {503, "service_unavailable",
				  "x-error-routing"},
	[AIBRIX_REPLY_USER] = {500, NULL, "x-error-user"},
	[AIBRIX_REPLY_INTERNAL] = {500, NULL, NULL},
};

const char *
aibrix_reply_type(uint32_t http)
{
	switch (http) {
	case 400:
	case 404: return "invalid_request_error";
	case 401: return "authentication_error";
	case 429: return "rate_limit_error";
	case 503: return "overloaded_error";
	default: return "api_error";
	}
}

int
aibrix_reply_form_of(uint32_t cause, aibrix_reply_form *form)
{
	aibrix_reply_form f = {.size = sizeof(f), .type = ""};

	if (cause > AIBRIX_REPLY_INTERNAL || !form)
		return AIBRIX_E_INVAL;
	f.http = forms[cause].http;
	f.code = forms[cause].code;
	f.header = forms[cause].header;
	if (cause != AIBRIX_REPLY_OK)
		f.type = aibrix_reply_type(f.http);
	return aibrix__struct_store(form, &f, sizeof(f), FORM_V1);
}

uint32_t
aibrix_reply_cause(int status)
{
	switch (status) {
	case AIBRIX_OK: return AIBRIX_REPLY_OK;
	case AIBRIX_E_INVAL:
	case AIBRIX_E_SPACE:
	case AIBRIX_E_PARSE: return AIBRIX_REPLY_BAD_REQUEST;
	case AIBRIX_E_UNSUPPORTED: return AIBRIX_REPLY_BAD_STRATEGY;
	case AIBRIX_E_NOT_FOUND: return AIBRIX_REPLY_NO_POD;
	case AIBRIX_E_DENIED: return AIBRIX_REPLY_BAD_KEY;
	case AIBRIX_E_FULL:
	case AIBRIX_E_AGAIN:
	case AIBRIX_E_BUSY:
	case AIBRIX_E_CLOSED:
	case AIBRIX_E_TIMEOUT:
	case AIBRIX_E_UNAVAILABLE: return AIBRIX_REPLY_ROUTING;
	default: return AIBRIX_REPLY_INTERNAL;
	}
}

/* Where a text goes; out NULL: it is only measured. */
struct sink {
	char *out;
	uint64_t n;
};

static void
put_bytes(struct sink *s, const char *bytes, size_t n)
{
	if (s->out && n)
		memcpy(s->out + s->n, bytes, n);
	s->n += n;
}

static void
put(struct sink *s, const char *text)
{
	put_bytes(s, text, strlen(text));
}

static void
put_control(struct sink *s, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	const char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	put_bytes(s, text, sizeof(text));
}

static void
put_string(struct sink *s, const char *text, uint64_t n)
{
	static const char unknown[] = "\xef\xbf\xbd"; /* U+FFFD */
	uint32_t point;

	put(s, "\"");
	while (n > 0) {
		size_t len = utf8_read(text, n > 4 ? 4 : (size_t)n, &point);

		if (len == 0) {
			put(s, unknown);
			len = 1;
		} else if (*text == '"' || *text == '\\') {
			put(s, "\\");
			put_bytes(s, text, 1);
		} else if (point < 0x20 || point == 0x7f) {
			put_control(s, (uint8_t)point);
		} else {
			put_bytes(s, text, len);
		}
		text += len;
		n -= len;
	}
	put(s, "\"");
}

static void
put_word(struct sink *s, const char *name, const char *word)
{
	put(s, name);
	if (word)
		put_string(s, word, strlen(word));
	else
		put(s, "null");
}

static void
put_body(struct sink *s, uint32_t http, const char *message, uint64_t n,
	 const char *code, const char *param)
{
	put(s, "{\"error\":{\"message\":");
	put_string(s, message, n);
	put_word(s, ",\"type\":", aibrix_reply_type(http));
	put_word(s, ",\"code\":", code);
	put_word(s, ",\"param\":", param);
	put(s, "}}");
}

int
aibrix_reply_write(uint32_t http, const void *message, uint64_t message_bytes,
		   const char *code, const char *param, char *out, uint64_t cap,
		   uint64_t *n)
{
	struct sink measured = {NULL, 0}, written = {out, 0};

	if ((!message && message_bytes) || (!out && cap) || !n)
		return AIBRIX_E_INVAL;
	put_body(&measured, http, message, message_bytes, code, param);
	*n = measured.n;
	if (measured.n > cap)
		return AIBRIX_E_SPACE;
	put_body(&written, http, message, message_bytes, code, param);
	return AIBRIX_OK;
}

uint64_t
aibrix_reply_retry_s(uint64_t retry_ns)
{
	static const uint64_t second_ns = 1000000000;

	if (retry_ns == AIBRIX_FOREVER)
		return AIBRIX_FOREVER;
	return retry_ns <= second_ns ? 1 : (retry_ns - 1) / second_ns + 1;
}
