#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/profile.h>

/* The profiles of AIBrix's own tests. */
static const char nine[] =
	"{\"defaultProfile\":\"default\",\"profiles\":{"
	"\"default\":{\"routingStrategy\":\"random\"},"
	"\"large-input\":{\"routingStrategy\":\"pd\","
	"\"routingConfig\":{\"promptTokensGte\":8192}},"
	"\"offline-generation\":{\"routingStrategy\":\"throughput\","
	"\"routingConfig\":{\"maxTokensGte\":2048}},"
	"\"combined\":{\"routingStrategy\":\"least-request\","
	"\"routingConfig\":{\"promptTokensGte\":8192,\"maxTokensGte\":2048}},"
	"\"broad-short-input\":{\"routingConfig\":{\"promptTokensLt\":2048}},"
	"\"narrow-short-input\":{\"routingStrategy\":\"least-latency\","
	"\"routingConfig\":{\"promptTokensLt\":512}},"
	"\"broad-short-output\":{\"routingConfig\":{\"maxTokensLt\":4096}},"
	"\"narrow-short-output\":{\"routingStrategy\":\"random\","
	"\"routingConfig\":{\"maxTokensLt\":1024}}}}";

enum { UNKNOWN = -1 };

static aibrix_profile *
new_profile(const char *text)
{
	aibrix_profile *p = NULL;
	uint64_t at = 0;

	cr_assert_eq(aibrix_profile_new(text, strlen(text), NULL, &p, &at),
		     AIBRIX_OK, "stops at %llu", (unsigned long long)at);
	return p;
}

static aibrix_profile_choice
pick(const aibrix_profile *p, const char *header, int64_t prompt, int64_t max)
{
	aibrix_profile_choice c = {.size = sizeof(c)};
	aibrix_profile_request r = {.size = sizeof(r),
				    .header = header,
				    .header_bytes = header ? strlen(header) : 0,
				    .prompt_tokens = prompt,
				    .max_tokens = max};

	if (prompt != UNKNOWN)
		r.flags |= AIBRIX_PROFILE_PROMPT_TOKENS;
	if (max != UNKNOWN)
		r.flags |= AIBRIX_PROFILE_MAX_TOKENS;
	cr_assert_eq(aibrix_profile_pick(p, &r, &c), AIBRIX_OK);
	return c;
}

static void
expect_error(const char *text, int err, uint64_t offset)
{
	aibrix_profile *p = NULL;
	uint64_t at = 12345;

	cr_expect_eq(aibrix_profile_new(text, strlen(text), NULL, &p, &at), err,
		     "%s", text);
	cr_expect_null(p);
	if (err == AIBRIX_E_PARSE)
		cr_expect_eq(at, offset, "%s: %llu", text,
			     (unsigned long long)at);
	else
		cr_expect_eq(at, 12345);
}

Test(profile, compat_prof01_to_prof10_choose_what_aibrix_chooses)
{
	static const struct {
		const char *id, *header;
		int64_t prompt, max;
		const char *name, *strategy;
	} rows[] = {
		{"prof01", "offline-generation", 9000, UNKNOWN,
		 "offline-generation", "throughput"},
		{"prof02", "auto", 9000, UNKNOWN, "large-input", "pd"},
		{"prof04", "auto", 9000, 2048, "combined", "least-request"},
		{"prof05", "auto", 2048, UNKNOWN, "default", "random"},
		{"prof06", "auto", 100, UNKNOWN, "narrow-short-input",
		 "least-latency"},
		{"prof07", "auto", UNKNOWN, 512, "narrow-short-output",
		 "random"},
		{"prof09", " AUTO ", 9000, UNKNOWN, "large-input", "pd"},
		{"prof10", "missing", UNKNOWN, UNKNOWN, "default", "random"},
		{"none", NULL, 9000, 2048, "default", "random"},
		{"between", "auto", 1000, UNKNOWN, "broad-short-input", ""},
	};
	aibrix_profile *p = new_profile(nine);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_profile_choice c =
			pick(p, rows[i].header, rows[i].prompt, rows[i].max);

		cr_expect_str_eq(c.name, rows[i].name, "%s", rows[i].id);
		cr_expect_str_eq(c.strategy, rows[i].strategy, "%s",
				 rows[i].id);
	}
	aibrix_profile_free(p);
}

Test(profile, compat_prof11_without_hints_auto_is_the_default)
{
	aibrix_profile *p = new_profile(
		"{\"profiles\":{\"default\":{},"
		"\"a\":{\"routingConfig\":\"promptTokensLt\"},"
		"\"b\":{\"routingConfig\":{\"other\":1}},"
		"\"c\":{\"routingConfig\":{\"promptTokensLt\":9.5}},"
		"\"d\":{\"routingConfig\":{\"promptTokensLt\":null}}}}");
	aibrix_profile_choice c = pick(p, "auto", 2, 2);

	cr_expect_str_eq(c.name, "default");
	cr_expect_eq(c.how, AIBRIX_PROFILE_BY_DEFAULT);
	aibrix_profile_free(p);
}

Test(profile, compat_prof12_broken_texts_and_none_are_errors)
{
	expect_error("{", AIBRIX_E_PARSE, 1);
	expect_error("{}", AIBRIX_E_PARSE, 0);
	expect_error("", AIBRIX_E_NOT_FOUND, 0);
	expect_error(" \n", AIBRIX_E_NOT_FOUND, 0);
}

Test(profile, compat_prof14_the_default_is_called_default)
{
	aibrix_profile *p = new_profile(
		"{\"profiles\":{\"default\":{\"routingStrategy\":\"pd\"}}}");

	cr_expect_str_eq(pick(p, "", UNKNOWN, UNKNOWN).strategy, "pd");
	cr_expect_str_eq(pick(p, NULL, UNKNOWN, UNKNOWN).name, "default");
	aibrix_profile_free(p);
}

Test(profile, compat_prof15_the_lock_holds_without_a_profile)
{
	aibrix_profile *p = new_profile(
		"{\"lockedRoutingStrategy\":\"pd\","
		"\"profiles\":{\"burst\":{\"routingStrategy\":\"random\"}}}");
	aibrix_profile_choice c = pick(p, "", UNKNOWN, UNKNOWN);

	cr_expect_eq(c.how, AIBRIX_PROFILE_NONE);
	cr_expect_str_eq(c.name, "default");
	cr_expect_str_eq(c.strategy, "");
	cr_expect_str_eq(c.locked, "pd");
	cr_expect_str_eq(pick(p, "burst", UNKNOWN, UNKNOWN).strategy, "random");
	aibrix_profile_free(p);
}

Test(profile, compat_prof16_the_first_text_that_can_be_read_counts)
{
	const char *texts[] = {
		NULL, "{invalid", "",
		"{\"profiles\":{\"default\":{\"routingStrategy\":\"pd\"}}}",
		"{\"profiles\":{\"default\":{}}}"};
	uint64_t bytes[5] = {0};
	aibrix_profile *p = NULL;
	uint32_t which = 9;

	for (uint32_t i = 1; i < 5; i++)
		bytes[i] = strlen(texts[i]);
	cr_assert_eq(
		aibrix_profile_new_first(texts, bytes, 5, NULL, &p, &which),
		AIBRIX_OK);
	cr_expect_eq(which, 3);
	cr_expect_str_eq(pick(p, NULL, 0, 0).strategy, "pd");
	aibrix_profile_free(p);
	cr_expect_eq(
		aibrix_profile_new_first(texts, bytes, 3, NULL, &p, &which),
		AIBRIX_E_NOT_FOUND);
}

Test(profile, members_are_read_as_the_gateway_reads_them)
{
	aibrix_profile *p =
		new_profile("{\"Profiles\":{\"x\":{\"ROUTINGSTRATEGY\":\"a\","
			    "\"routingStrategy\":\"b\",\"unknown\":[{}],"
			    "\"requestsPerSecond\":50,\"requestsInflight\":-3,"
			    "\"requestsPerSecondPerReplica\":0.5,"
			    "\"routingConfig\":{ \"k\" : [1] }},"
			    "\"y\":{\"routingStrategy\":\"gone\"},"
			    "\"y\":{\"requestsPerSecond\":null},\"z\":null},"
			    "\"profiles\":{\"q\":{}},\"defaultProfile\":null,"
			    "\"default\\u0050rofile\":\"x\",\"nobody\":0}");
	aibrix_profile_choice c = pick(p, NULL, UNKNOWN, UNKNOWN);

	cr_expect_eq(c.how, AIBRIX_PROFILE_BY_DEFAULT);
	cr_expect_str_eq(c.name, "x");
	cr_expect_str_eq(c.strategy, "b");
	cr_expect_eq(c.requests_per_second, 50);
	cr_expect_eq(c.requests_inflight, 0);
	cr_expect_float_eq(c.requests_per_second_per_replica, 0.5, 0);
	cr_expect_eq(c.config_bytes, 13);
	cr_expect_arr_eq(c.config, "{ \"k\" : [1] }", 13);
	cr_expect_str_eq(pick(p, "y", UNKNOWN, UNKNOWN).strategy, "");
	cr_expect_eq(pick(p, "z", 0, 0).how, AIBRIX_PROFILE_BY_NAME);
	cr_expect_null(pick(p, "z", 0, 0).config);
	cr_expect_eq(pick(p, "q", 0, 0).how, AIBRIX_PROFILE_BY_NAME);
	aibrix_profile_free(p);
}

Test(profile, a_null_for_the_profiles_takes_back_those_before)
{
	aibrix_profile *p =
		new_profile("{\"profiles\":{\"a\":{}},\"profiles\":null,"
			    "\"profiles\":{\"b\":{}}}");

	cr_expect_eq(pick(p, "a", 0, 0).how, AIBRIX_PROFILE_NONE);
	cr_expect_eq(pick(p, "b", 0, 0).how, AIBRIX_PROFILE_BY_NAME);
	aibrix_profile_free(p);
	expect_error("{\"profiles\":{\"a\":{}},\"profiles\":null}",
		     AIBRIX_E_PARSE, 0);
}

Test(profile, a_member_of_another_type_refuses_the_whole)
{
	expect_error("[]", AIBRIX_E_PARSE, 0);
	expect_error(" 7", AIBRIX_E_PARSE, 1);
	expect_error("{\"profiles\":[1]}", AIBRIX_E_PARSE, 12);
	expect_error("{\"profiles\":{\"a\":1}}", AIBRIX_E_PARSE, 17);
	expect_error("{\"profiles\":{\"a\":{\"routingStrategy\":1}}}",
		     AIBRIX_E_PARSE, 36);
	expect_error("{\"profiles\":{\"a\":{\"requestsPerSecond\":1.5}}}",
		     AIBRIX_E_PARSE, 38);
	expect_error("{\"profiles\":{\"a\":{\"requestsPerSecond\":\"1\"}}}",
		     AIBRIX_E_PARSE, 38);
	expect_error("{\"profiles\":{\"a\":{}},\"defaultProfile\":{}}",
		     AIBRIX_E_PARSE, 38);
	expect_error("{\"profiles\":{\"a\":{\"requestsPerSecondPerReplica\":"
		     "1e999}}}",
		     AIBRIX_E_PARSE, 48);
	expect_error("{\"profiles\":{\"a\":{}},"
		     "\"disableRequestRoutingOverrides\":1}",
		     AIBRIX_E_PARSE, 54);
}

Test(profile, equal_hints_fall_to_the_narrower_then_to_the_name)
{
	aibrix_profile *p = new_profile(
		"{\"profiles\":{"
		"\"b\":{\"routingConfig\":{\"promptTokensGte\":10}},"
		"\"a\":{\"routingConfig\":{\"promptTokensGte\":10}},"
		"\"c\":{\"routingConfig\":{\"promptTokensGte\":20}},"
		"\"d\":{\"routingConfig\":{\"promptTokensGte\":5,"
		"\"maxTokensLt\":100}},"
		"\"e\":{\"routingConfig\":{\"promptTokensGte\":5,"
		"\"maxTokensLt\":50}}}}");

	cr_expect_str_eq(pick(p, "auto", 15, UNKNOWN).name, "a");
	cr_expect_str_eq(pick(p, "auto", 25, UNKNOWN).name, "c");
	cr_expect_str_eq(pick(p, "auto", 25, 60).name, "d");
	cr_expect_str_eq(pick(p, "auto", 25, 40).name, "e");
	cr_expect_str_eq(pick(p, "auto", 1, 40).name, "default");
	aibrix_profile_free(p);
}

Test(profile, names_may_be_any_text)
{
	aibrix_profile *p = new_profile(
		"{\"profiles\":{\"a\\u0000b\":{\"routingStrategy\":\"1\"},"
		"\"\":{\"routingStrategy\":\"2\"},"
		"\"\\u00e9\":{\"routingStrategy\":\"3\"}}}");
	aibrix_profile_choice c = {.size = sizeof(c)};
	aibrix_profile_request r = {
		.size = sizeof(r), .header = "a\0b", .header_bytes = 3};

	cr_assert_eq(aibrix_profile_pick(p, &r, &c), AIBRIX_OK);
	cr_expect_str_eq(c.strategy, "1");
	cr_expect_eq(c.name_bytes, 3);
	cr_expect_str_eq(pick(p, " ", 0, 0).strategy, "2");
	cr_expect_str_eq(pick(p, "\xc3\xa9", 0, 0).strategy, "3");
	aibrix_profile_free(p);
}

Test(profile, texts_have_limits)
{
	size_t cap = AIBRIX_PROFILE_BYTES_MAX + 2, n;
	aibrix_profile *p = NULL;
	char *text = malloc(cap);
	uint64_t at = 0;

	cr_assert_not_null(text);
	memset(text, ' ', cap);
	cr_expect_eq(aibrix_profile_new(text, AIBRIX_PROFILE_BYTES_MAX + 1,
					NULL, &p, &at),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_profile_new(text, AIBRIX_PROFILE_BYTES_MAX, NULL,
					&p, &at),
		     AIBRIX_E_NOT_FOUND);
	n = (size_t)sprintf(text, "{\"profiles\":{");
	for (uint32_t i = 0; i < AIBRIX_PROFILES_MAX; i++)
		n += (size_t)sprintf(text + n, "\"%u\":{},", i);
	cr_expect_eq(sprintf(text + n - 1, "}}"), 2);
	cr_assert_eq(aibrix_profile_new(text, n + 1, NULL, &p, &at), AIBRIX_OK);
	cr_expect_eq(pick(p, "1023", 0, 0).how, AIBRIX_PROFILE_BY_NAME);
	aibrix_profile_free(p);
	p = NULL;
	cr_expect_eq(sprintf(text + n - 1, ",\"x\":{}}}"), 9);
	cr_expect_eq(aibrix_profile_new(text, n + 8, NULL, &p, &at),
		     AIBRIX_E_SPACE);
	cr_expect_null(p);
	free(text);
}

/* Whose strategy counts. */

static void
expect_strategy(const aibrix_profile_choice *c, const char *header,
		const char *host, const char *want, uint32_t want_from)
{
	const char *strategy = NULL;
	uint64_t n = 99;
	uint32_t from = 99;

	cr_assert_eq(aibrix_profile_strategy(
			     c, header, header ? strlen(header) : 0, host,
			     host ? strlen(host) : 0, &strategy, &n, &from),
		     AIBRIX_OK);
	cr_expect_eq(from, want_from);
	cr_assert_eq(n, strlen(want));
	cr_expect_arr_eq(strategy, want, n);
}

Test(profile, the_lock_wins_then_the_header_the_profile_and_the_host)
{
	aibrix_profile_choice c = {.size = sizeof(c),
				   .strategy = "pd",
				   .strategy_bytes = 2,
				   .locked = "slo",
				   .locked_bytes = 3};

	expect_strategy(&c, "random", "vtc-basic", "slo",
			AIBRIX_STRATEGY_LOCKED);
	c.locked_bytes = 0;
	expect_strategy(&c, "random", "vtc-basic", "random",
			AIBRIX_STRATEGY_HEADER);
	expect_strategy(&c, "", "vtc-basic", "pd", AIBRIX_STRATEGY_PROFILE);
	c.strategy_bytes = 0;
	expect_strategy(&c, NULL, "vtc-basic", "vtc-basic",
			AIBRIX_STRATEGY_HOST);
	expect_strategy(&c, NULL, NULL, "", AIBRIX_STRATEGY_NONE);
	expect_strategy(NULL, NULL, "random", "random", AIBRIX_STRATEGY_HOST);
	expect_strategy(NULL, "pd", "random", "pd", AIBRIX_STRATEGY_HEADER);
}

Test(profile, a_model_can_make_headers_not_count)
{
	aibrix_profile *p = new_profile(
		"{\"disableRequestRoutingOverrides\":true,\"profiles\":{"
		"\"default\":{\"routingStrategy\":\"a\"},"
		"\"fast\":{\"routingStrategy\":\"b\"}}}");
	aibrix_profile_choice c = pick(p, "fast", 0, 0);

	cr_expect_str_eq(c.name, "default");
	expect_strategy(&c, "random", NULL, "a", AIBRIX_STRATEGY_PROFILE);
	aibrix_profile_free(p);
}

Test(profile, wrong_calls_are_refused)
{
	aibrix_profile *p = new_profile(nine);
	aibrix_profile_choice c = {.size = sizeof(c)}, small = {.size = 8};
	aibrix_profile_request r = {.size = sizeof(r), .flags = 4};
	const char *strategy;
	uint64_t n;
	uint32_t from;

	cr_expect_eq(aibrix_profile_pick(p, &r, &c), AIBRIX_E_ABI);
	r.flags = 0;
	r.header_bytes = 1;
	cr_expect_eq(aibrix_profile_pick(p, &r, &c), AIBRIX_E_INVAL);
	r.header_bytes = 0;
	cr_expect_eq(aibrix_profile_pick(p, &r, &small), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_profile_pick(NULL, &r, &c), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_profile_new(NULL, 1, NULL, &p, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_profile_strategy(NULL, NULL, 1, NULL, 0, &strategy,
					     &n, &from),
		     AIBRIX_E_INVAL);
	aibrix_profile_free(p);
	aibrix_profile_free(NULL);
}
