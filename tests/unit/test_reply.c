#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/reply.h>

static const char *
body_of(uint32_t http, const char *message, uint64_t bytes, const char *code,
	const char *param)
{
	static char text[300];
	uint64_t n = 0;

	cr_assert_eq(aibrix_reply_write(http, message, bytes, code, param, text,
					sizeof(text) - 1, &n),
		     AIBRIX_OK);
	text[n] = 0;
	return text;
}

Test(reply, a_refusal_is_openais_error_object)
{
	cr_expect_str_eq(
		body_of(429, "model: my-model has exceeded RPS: 50", 36,
			"rate_limit_exceeded", NULL),
		"{\"error\":{\"message\":\"model: my-model has exceeded RPS: "
		"50\",\"type\":\"rate_limit_error\",\"code\":"
		"\"rate_limit_exceeded\",\"param\":null}}");
	cr_expect_str_eq(body_of(500, NULL, 0, NULL, "n\"x"),
			 "{\"error\":{\"message\":\"\",\"type\":\"api_error\","
			 "\"code\":null,\"param\":\"n\\\"x\"}}");
}

Test(reply, what_a_stranger_sent_is_escaped)
{
	cr_expect_str_eq(
		body_of(400, "a\"\\\n\0\x7f/<\xc3\xa9", 10, NULL, NULL),
		"{\"error\":{\"message\":\"a\\\"\\\\\\u000a\\u0000"
		"\\u007f/<\xc3\xa9\",\"type\":"
		"\"invalid_request_error\",\"code\":null,"
		"\"param\":null}}");
	/* A byte that begins nothing, a surrogate, a character cut off. */
	cr_expect_str_eq(
		body_of(503, "\xff|\xed\xa0\x80|\xe2\x82", 8, NULL, NULL),
		"{\"error\":{\"message\":\"\xef\xbf\xbd|\xef\xbf\xbd"
		"\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\","
		"\"type\":\"overloaded_error\",\"code\":null,"
		"\"param\":null}}");
}

Test(reply, a_buffer_that_is_too_small_stays_as_it_is)
{
	char text[8] = "untouch";
	uint64_t n = 0;

	cr_expect_eq(aibrix_reply_write(401, "no", 2, NULL, NULL, text, 7, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 81);
	cr_expect_str_eq(text, "untouch");
	cr_expect_eq(aibrix_reply_write(401, "no", 2, NULL, NULL, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_reply_write(401, NULL, 2, NULL, NULL, text, 7, &n),
		     AIBRIX_E_INVAL);
}

Test(reply, each_cause_has_a_status_a_type_a_code_and_aibrixs_header)
{
	static const struct {
		uint32_t cause, http;
		const char *type, *code, *header;
	} rows[] = {
		{AIBRIX_REPLY_OK, 200, "", NULL, NULL},
		{AIBRIX_REPLY_BAD_REQUEST, 400, "invalid_request_error", NULL,
		 "x-error-request-body-processing"},
		{AIBRIX_REPLY_NO_MODEL, 400, "invalid_request_error", NULL,
		 "x-error-no-model-in-request"},
		{AIBRIX_REPLY_UNKNOWN_MODEL, 400, "invalid_request_error",
		 "model_not_found", "x-error-no-model-backends"},
		{AIBRIX_REPLY_BAD_STRATEGY, 400, "invalid_request_error", NULL,
		 "x-error-invalid-routing-strategy"},
		{AIBRIX_REPLY_BAD_KEY, 401, "authentication_error",
		 "invalid_api_key", NULL},
		{AIBRIX_REPLY_RPM, 429, "rate_limit_error",
		 "rate_limit_exceeded", "x-error-rpm-exceeded"},
		{AIBRIX_REPLY_TPM, 429, "rate_limit_error",
		 "rate_limit_exceeded", "x-error-tpm-exceeded"},
		{AIBRIX_REPLY_MODEL_RPS, 429, "rate_limit_error",
		 "rate_limit_exceeded", "x-error-model-rps-exceeded"},
		{AIBRIX_REPLY_NO_POD, 503, "overloaded_error",
		 "service_unavailable", "x-error-no-model-backends"},
		{AIBRIX_REPLY_ROUTING, 503, "overloaded_error",
		 "service_unavailable", "x-error-routing"},
		{AIBRIX_REPLY_USER, 500, "api_error", NULL, "x-error-user"},
		{AIBRIX_REPLY_INTERNAL, 500, "api_error", NULL, NULL},
	};
	aibrix_reply_form f = {.size = sizeof(f)};

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(aibrix_reply_form_of(rows[i].cause, &f),
			     AIBRIX_OK);
		cr_expect_eq(rows[i].cause, i);
		cr_expect_eq(f.http, rows[i].http);
		cr_expect_str_eq(f.type, rows[i].type);
		cr_expect_str_eq(f.code ? f.code : "-",
				 rows[i].code ? rows[i].code : "-");
		cr_expect_str_eq(f.header ? f.header : "-",
				 rows[i].header ? rows[i].header : "-");
	}
	cr_expect_eq(aibrix_reply_form_of(13, &f), AIBRIX_E_INVAL);
	cr_expect_str_eq(aibrix_reply_type(404), "invalid_request_error");
	cr_expect_str_eq(aibrix_reply_type(418), "api_error");
}

Test(reply, a_status_of_the_library_is_a_cause)
{
	cr_expect_eq(aibrix_reply_cause(AIBRIX_OK), AIBRIX_REPLY_OK);
	cr_expect_eq(aibrix_reply_cause(AIBRIX_E_PARSE),
		     AIBRIX_REPLY_BAD_REQUEST);
	cr_expect_eq(aibrix_reply_cause(AIBRIX_E_NOT_FOUND),
		     AIBRIX_REPLY_NO_POD);
	cr_expect_eq(aibrix_reply_cause(AIBRIX_E_UNSUPPORTED),
		     AIBRIX_REPLY_BAD_STRATEGY);
	cr_expect_eq(aibrix_reply_cause(AIBRIX_E_UNAVAILABLE),
		     AIBRIX_REPLY_ROUTING);
	cr_expect_eq(aibrix_reply_cause(AIBRIX_E_NOMEM), AIBRIX_REPLY_INTERNAL);
	cr_expect_eq(aibrix_reply_cause(-1000), AIBRIX_REPLY_INTERNAL);
}

Test(reply, who_is_to_come_again_is_told_whole_seconds)
{
	cr_expect_eq(aibrix_reply_retry_s(0), 1);
	cr_expect_eq(aibrix_reply_retry_s(1000000000), 1);
	cr_expect_eq(aibrix_reply_retry_s(1000000001), 2);
	cr_expect_eq(aibrix_reply_retry_s(AIBRIX_FOREVER), AIBRIX_FOREVER);
}
