#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <criterion/criterion.h>

#include <aibrix/rewrite.h>

enum { CAP = 4096 };

static char text[CAP];

static aibrix_rewrite_opts
new_opts(uint32_t engine)
{
	aibrix_rewrite_opts o = {.size = sizeof(o),
				 .engine = engine,
				 .host = "10.0.0.1",
				 .request_id = "r",
				 .engine_id = "e",
				 .id = 7};

	return o;
}

static aibrix_rewrite_out
new_out(void)
{
	memset(text, '#', sizeof(text));
	return (aibrix_rewrite_out){.size = sizeof(aibrix_rewrite_out),
				    .text = text,
				    .text_cap = CAP};
}

/* On a heap block of its exact size, so that a sanitizer sees one byte too
 * far. */
static int
prefill(const aibrix_rewrite_opts *o, const char *body, size_t n,
	aibrix_rewrite_out *out)
{
	char *copy = malloc(n + !n);
	int err;

	cr_assert_not_null(copy);
	memcpy(copy, body, n);
	err = aibrix_rewrite_prefill(o, copy, n, out);
	free(copy);
	return err;
}

static void
expect_prefill(const char *body, const char *want)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_out out = new_out();

	cr_assert_eq(prefill(&o, body, strlen(body), &out), AIBRIX_OK, "%s",
		     body);
	cr_expect_eq(out.bytes, strlen(want));
	cr_expect_eq(out.text_bytes, out.bytes);
	cr_expect_eq(out.n_pieces, 0u);
	cr_expect_eq(memcmp(text, want, strlen(want)), 0, "%.*s\n%s",
		     (int)out.bytes, text, want);
	cr_expect_eq(text[out.bytes], '#', "behind the body");
}

#define ALL "\"max_tokens\":1,\"max_completion_tokens\":1,\"stream\":false"

Test(rewrite_body, a_dropped_member_takes_its_comma_along)
{
	expect_prefill("{\"a\":1,\"min_tokens\":2,\"b\":3}",
		       "{\"a\":1,\"b\":3," ALL "}");
	expect_prefill("{\"min_tokens\":2,\"b\":3}", "{\"b\":3," ALL "}");
	expect_prefill("{\"a\":1,\"min_tokens\":2}", "{\"a\":1," ALL "}");
	expect_prefill("{\"min_tokens\":2}", "{" ALL "}");
	expect_prefill("{\"min_tokens\":2,\"stream_options\":{}}", "{" ALL "}");
	expect_prefill("{\"a\":1,\"min_tokens\":2,\"stream_options\":{},"
		       "\"b\":3}",
		       "{\"a\":1,\"b\":3," ALL "}");
}

Test(rewrite_body, blanks_stay_where_they_are)
{
	expect_prefill("\n{ \"a\" :\t1 }\r\n", "\n{ \"a\" :\t1," ALL " }\r\n");
	expect_prefill(" { } ", " {" ALL " } ");
	expect_prefill("{ \"min_tokens\" : 2 , \"b\" : 3 }",
		       "{ \"b\" : 3," ALL " }");
	expect_prefill("{\n  \"stream\" : true ,\n  \"b\" : 3\n}",
		       "{\n  \"stream\" : false ,\n  \"b\" : 3,"
		       "\"max_tokens\":1,\"max_completion_tokens\":1\n}");
}

Test(rewrite_body, only_members_of_the_outermost_object_are_edited)
{
	expect_prefill("{\"a\":{\"stream\":true,\"min_tokens\":1},"
		       "\"b\":[{\"max_tokens\":5}]}",
		       "{\"a\":{\"stream\":true,\"min_tokens\":1},"
		       "\"b\":[{\"max_tokens\":5}]," ALL "}");
}

Test(rewrite_body, numbers_keep_their_digits)
{
	expect_prefill(
		"{\"seed\":18446744073709551615,\"t\":1.10,"
		"\"x\":-0.0e-99999,\"y\":123456789012345678901234567890}",
		"{\"seed\":18446744073709551615,\"t\":1.10,"
		"\"x\":-0.0e-99999,\"y\":123456789012345678901234567890," ALL
		"}");
}

Test(rewrite_body, a_name_is_known_by_what_it_means)
{
	expect_prefill("{\"m\\u0069n_tokens\":2,\"stre\\u0061m\":true}",
		       "{\"stre\\u0061m\":false,\"max_tokens\":1,"
		       "\"max_completion_tokens\":1}");
}

struct bad {
	const char *body;
	uint32_t why;
	uint64_t offset;
};

static void
expect_refused(const aibrix_rewrite_opts *o, const struct bad *bad)
{
	aibrix_rewrite_out out = new_out();
	size_t n = strlen(bad->body);

	out.bytes = 11;
	out.text_bytes = 12;
	cr_expect_eq(prefill(o, bad->body, n, &out), AIBRIX_E_PARSE, "%s",
		     bad->body);
	cr_expect_eq(out.why, bad->why, "%s: why %u", bad->body, out.why);
	cr_expect_eq(out.input, 0u);
	cr_expect_eq(out.offset, bad->offset, "%s: %lu", bad->body,
		     (unsigned long)out.offset);
	cr_expect_eq(out.bytes, 11u, "untouched");
	cr_expect_eq(out.text_bytes, 12u, "untouched");
	for (int i = 0; i < CAP; i++)
		cr_assert_eq(text[i], '#', "%s", bad->body);
}

Test(rewrite_body, what_is_no_object_is_refused)
{
	static const struct bad bad[] = {
		{"", AIBRIX_REWRITE_WHY_JSON, 0},
		{" ", AIBRIX_REWRITE_WHY_JSON, 1},
		{"not json", AIBRIX_REWRITE_WHY_JSON, 1},
		{"[1,2]", AIBRIX_REWRITE_WHY_OBJECT, 0},
		{" null", AIBRIX_REWRITE_WHY_OBJECT, 1},
		{"\"{}\"", AIBRIX_REWRITE_WHY_OBJECT, 0},
		{"12", AIBRIX_REWRITE_WHY_OBJECT, 0},
		{"{", AIBRIX_REWRITE_WHY_JSON, 1},
		{"{\"a\":1,}", AIBRIX_REWRITE_WHY_JSON, 7},
		{"{\"a\":01}", AIBRIX_REWRITE_WHY_JSON, 6},
		{"{\"a\":1}{}", AIBRIX_REWRITE_WHY_JSON, 7},
		{"{\"a\":NaN}", AIBRIX_REWRITE_WHY_JSON, 5},
		{"{\"a\":\"\xff\"}", AIBRIX_REWRITE_WHY_JSON, 6},
		{"{\"a\":\"\xed\xa0\x80\"}", AIBRIX_REWRITE_WHY_JSON, 6},
		{"{\"a\":\"\\ud800\"}", AIBRIX_REWRITE_WHY_JSON, 8},
		{"{\"a\":\"x\ny\"}", AIBRIX_REWRITE_WHY_JSON, 7},
		{"{\"a\":\"\xc3", AIBRIX_REWRITE_WHY_JSON, 6},
	};
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_SGLANG);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(&o, &bad[i]);
}

/* A text of depth containers, the outermost an object. */
static size_t
new_depth(char *out, uint32_t depth)
{
	size_t n = 0;

	n += (size_t)sprintf(out, "{\"a\":");
	for (uint32_t i = 1; i < depth; i++)
		out[n++] = '[';
	for (uint32_t i = 1; i < depth; i++)
		out[n++] = ']';
	out[n++] = '}';
	return n;
}

Test(rewrite_body, nesting_ends_at_64)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_out out = new_out();
	size_t cap = 3000000, n;
	char *deep = malloc(cap);

	cr_assert_not_null(deep);
	n = new_depth(deep, 64);
	cr_expect_eq(aibrix_rewrite_prefill(&o, deep, n, &out), AIBRIX_OK);
	n = new_depth(deep, 65);
	cr_expect_eq(aibrix_rewrite_prefill(&o, deep, n, &out), AIBRIX_E_PARSE);
	cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_JSON);
	cr_expect_eq(out.offset, 68u);
	n = new_depth(deep, 1000000);
	cr_expect_eq(aibrix_rewrite_prefill(&o, deep, n, &out), AIBRIX_E_PARSE);
	free(deep);
}

Test(rewrite_body, a_body_has_a_bound)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_out out = new_out();

	o.max_bytes = 7;
	cr_expect_eq(prefill(&o, "{\"a\":1}", 7, &out), AIBRIX_OK);
	cr_expect_eq(prefill(&o, "{\"a\":1} ", 8, &out), AIBRIX_E_PARSE);
	cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_BYTES);
	cr_expect_eq(out.offset, 7u);
	o.engine = AIBRIX_REWRITE_VLLM;
	cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, "        ", 8, &out),
		     AIBRIX_E_PARSE);
	cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_BYTES);
	cr_expect_eq(out.input, 1u);
}

Test(rewrite_body, a_good_call_clears_why)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_out out = new_out();

	cr_expect_eq(prefill(&o, "x", 1, &out), AIBRIX_E_PARSE);
	cr_expect_eq(prefill(&o, "{}", 2, &out), AIBRIX_OK);
	cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_NONE);
	cr_expect_eq(out.offset, 0u);
}

/* A second one would survive the edit, and engines differ in which counts. */
Test(rewrite_body, an_edited_member_may_not_be_there_twice)
{
	static const struct {
		uint32_t engine;
		struct bad bad;
	} rows[] = {
		{AIBRIX_REWRITE_SGLANG,
		 {"{\"bootstrap_host\":1,\"bootstrap_host\":2}", 2, 0}},
		{AIBRIX_REWRITE_SGLANG,
		 {"{\"bootstrap_room\":1,\"bootstrap\\u005froom\":2}", 2, 0}},
		{AIBRIX_REWRITE_SGLANG,
		 {"{\"bootstrap_port\":1,\"bootstrap_port\":1}", 2, 0}},
		{AIBRIX_REWRITE_OTHER,
		 {"{\"max_tokens\":1,\"max_tokens\":1}", 2, 0}},
		{AIBRIX_REWRITE_OTHER,
		 {"{\"max_completion_tokens\":1,\"max_completion_tokens\":1}",
		  2, 0}},
		{AIBRIX_REWRITE_OTHER, {"{\"stream\":1,\"stream\":1}", 2, 0}},
		{AIBRIX_REWRITE_OTHER,
		 {"{\"stream_options\":1,\"stream_options\":1}", 2, 0}},
		{AIBRIX_REWRITE_OTHER,
		 {"{\"min_tokens\":1,\"min_tokens\":1}", 2, 0}},
		{AIBRIX_REWRITE_VLLM,
		 {"{\"kv_transfer_params\":1,\"kv_transfer_params\":1}", 2, 0}},
		{AIBRIX_REWRITE_TRTLLM,
		 {"{\"disaggregated_params\":1,\"disaggregated_params\":1}", 2,
		  0}},
		{AIBRIX_REWRITE_TRTLLM, {"{\"prompt\":1,\"prompt\":1}", 2, 0}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_rewrite_opts o = new_opts(rows[i].engine);
		aibrix_rewrite_out out = new_out();
		struct bad bad = rows[i].bad;

		bad.why = AIBRIX_REWRITE_WHY_TWICE;
		bad.offset = (uint64_t)(strchr(bad.body, ',') + 1 - bad.body);
		expect_refused(&o, &bad);
		cr_expect_eq(aibrix_rewrite_decode(&o, bad.body,
						   strlen(bad.body), "{}", 2,
						   &out),
			     AIBRIX_E_PARSE, "both bodies refuse the same");
		cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_TWICE);
	}
}

/* ---- responses */

static void
expect_response(uint32_t engine, uint32_t connector, const char *response,
		int status, uint32_t why)
{
	aibrix_rewrite_opts o = new_opts(engine);
	aibrix_rewrite_out out = new_out();
	aibrix_rewrite_piece got = {text, 1};

	o.connector = connector;
	out.why = 99;
	cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, response,
					   strlen(response), &out),
		     status == AIBRIX_E_NOT_FOUND ? AIBRIX_OK : status, "%s",
		     response);
	if (status == AIBRIX_E_PARSE) {
		cr_expect_eq(out.why, why, "%s: %u", response, out.why);
		cr_expect_eq(out.input, 1u);
		cr_expect_leq(out.offset, strlen(response));
	}
	out.why = 99;
	cr_expect_eq(aibrix_rewrite_params(&o, response, strlen(response), &got,
					   &out),
		     status, "%s", response);
	cr_expect_eq(out.why, status == AIBRIX_E_PARSE ? why : 99u);
	if (status)
		cr_expect(got.at == text && got.n == 1, "untouched");
}

Test(rewrite_response, wrong_types_and_no_json_are_refused)
{
	static const uint32_t json = AIBRIX_REWRITE_WHY_JSON;
	static const uint32_t type = AIBRIX_REWRITE_WHY_TYPE;
	static const uint32_t object = AIBRIX_REWRITE_WHY_OBJECT;
	static const uint32_t twice = AIBRIX_REWRITE_WHY_TWICE;

	expect_response(0, 0, "", AIBRIX_E_PARSE, json);
	expect_response(0, 0, "<html>", AIBRIX_E_PARSE, json);
	expect_response(0, 0, "[]", AIBRIX_E_PARSE, object);
	expect_response(0, 0, "{\"kv_transfer_params\":\"x\"}", AIBRIX_E_PARSE,
			type);
	expect_response(0, 0, "{\"kv_transfer_params\":[]}", AIBRIX_E_PARSE,
			type);
	expect_response(0, 0,
			"{\"kv_transfer_params\":{},\"kv_transfer_params\":{}}",
			AIBRIX_E_PARSE, twice);
	expect_response(0, 0, "data: {\"a\":\n\n", AIBRIX_E_PARSE, json);
	expect_response(0, 0, "data: 1\n\n", AIBRIX_E_PARSE, object);
	expect_response(0, AIBRIX_REWRITE_NIXL, "[]", AIBRIX_E_PARSE, object);
	expect_response(0, AIBRIX_REWRITE_NIXL, "data: {}\n\n", AIBRIX_E_PARSE,
			json);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0,
			"{\"disaggregated_params\":7}", AIBRIX_E_PARSE, type);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0,
			"{\"choices\":[{\"disaggregated_params\":[]}]}",
			AIBRIX_E_PARSE, type);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0,
			"{\"disaggregated_params\":{},"
			"\"prompt_token_ids\":\"1\"}",
			AIBRIX_E_PARSE, type);
}

/* What a context worker says of itself, generation first. */
Test(rewrite_response, a_worker_that_cannot_be_asked_for_kv_is_refused)
{
	static const struct {
		const char *text;
		uint32_t why;
	} rows[] = {
		{"", AIBRIX_REWRITE_WHY_JSON},
		{"{}", AIBRIX_REWRITE_WHY_MISSING},
		{"{\"disaggregated_params\":null}", AIBRIX_REWRITE_WHY_MISSING},
		{"{\"disaggregated_params\":[]}", AIBRIX_REWRITE_WHY_TYPE},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\"a\"}}",
		 AIBRIX_REWRITE_WHY_MISSING},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\"a\","
		 "\"ctx_dp_rank\":null}}",
		 AIBRIX_REWRITE_WHY_MISSING},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\"a\","
		 "\"ctx_dp_rank\":-1}}",
		 AIBRIX_REWRITE_WHY_TYPE},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\"a\","
		 "\"ctx_dp_rank\":1.0}}",
		 AIBRIX_REWRITE_WHY_TYPE},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\" \","
		 "\"ctx_dp_rank\":0}}",
		 AIBRIX_REWRITE_WHY_TYPE},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":[],"
		 "\"ctx_dp_rank\":0}}",
		 AIBRIX_REWRITE_WHY_TYPE},
		{"{\"disaggregated_params\":{\"ctx_info_endpoint\":\"a\","
		 "\"ctx_dp_rank\":0,\"encoded_opaque_state\":{}}}",
		 AIBRIX_REWRITE_WHY_TYPE},
	};
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_TRTLLM);

	o.flags = AIBRIX_REWRITE_GENERATION_FIRST;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_rewrite_out out = new_out();
		size_t n = strlen(rows[i].text);

		cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, rows[i].text, n,
						   &out),
			     AIBRIX_E_PARSE, "row %zu", i);
		cr_expect_eq(out.why, rows[i].why, "row %zu: %u", i, out.why);
		cr_expect_eq(out.input, 1u);
	}
}

Test(rewrite_response, what_is_not_there_is_no_fault)
{
	expect_response(0, 0, "{}", AIBRIX_E_NOT_FOUND, 0);
	expect_response(0, 0, "{\"kv_transfer_params\":null}",
			AIBRIX_E_NOT_FOUND, 0);
	expect_response(0, 0, "data: [DONE]\n\n", AIBRIX_E_NOT_FOUND, 0);
	expect_response(0, 0, "data: [DONE]\r\n\r\n", AIBRIX_E_NOT_FOUND, 0);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0,
			"{\"disaggregated_params\":null,\"choices\":[]}",
			AIBRIX_E_NOT_FOUND, 0);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0, "{\"choices\":[7]}",
			AIBRIX_E_NOT_FOUND, 0);
	expect_response(AIBRIX_REWRITE_TRTLLM, 0, "{\"choices\":7}",
			AIBRIX_E_NOT_FOUND, 0);
	expect_response(AIBRIX_REWRITE_SGLANG, 0, "?", AIBRIX_E_NOT_FOUND, 0);
	expect_response(AIBRIX_REWRITE_OTHER, 0, "?", AIBRIX_E_NOT_FOUND, 0);
	expect_response(0, AIBRIX_REWRITE_MOONCAKE, "?", AIBRIX_E_NOT_FOUND, 0);
}

Test(rewrite_response, params_are_a_span_of_the_response)
{
	static const char response[] =
		"{\"a\":1, \"kv_transfer_params\" : {\"x\": 1 } }";
	aibrix_rewrite_piece got;

	cr_assert_eq(aibrix_rewrite_params(NULL, response, strlen(response),
					   &got, NULL),
		     AIBRIX_OK);
	cr_expect_eq(got.n, 9u);
	cr_expect_eq(got.at, response + 31);
}

/* The host is set in a copy of the parameters: it too must be there once. */
Test(rewrite_response, a_fault_inside_the_params_is_found_in_the_response)
{
	static const char response[] = "{\"kv_transfer_params\":"
				       "{\"remote_host\":1,\"remote_host\":2}}";
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_VLLM);
	aibrix_rewrite_out out = new_out();

	cr_assert_eq(aibrix_rewrite_decode(&o, "{}", 2, response,
					   strlen(response), &out),
		     AIBRIX_E_PARSE);
	cr_expect_eq(out.why, AIBRIX_REWRITE_WHY_TWICE);
	cr_expect_eq(out.input, 1u);
	cr_expect_eq(response[out.offset + 1], 'r');
	cr_expect_eq(out.offset, 39u);
}

/* ---- where a body goes */

Test(rewrite_out, too_little_room_says_how_much_is_needed)
{
	static const char body[] = "{\"a\":1}";
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_out out = {.size = sizeof(out)};
	char exact[128];

	cr_assert_eq(prefill(&o, body, 7, &out), AIBRIX_E_SPACE);
	cr_expect_eq(out.text_bytes, 7 + strlen("," ALL));
	out.text = exact;
	out.text_cap = out.text_bytes - 1;
	memset(exact, '#', sizeof(exact));
	cr_assert_eq(prefill(&o, body, 7, &out), AIBRIX_E_SPACE);
	cr_expect_eq(exact[0], '#', "nothing is written");
	out.text_cap = out.text_bytes;
	cr_assert_eq(prefill(&o, body, 7, &out), AIBRIX_OK);
	cr_expect_eq(exact[out.bytes], '#');
}

Test(rewrite_out, pieces_joined_are_the_body)
{
	static const char body[] = "{\"stream\":true,\"a\":1,\"min_tokens\":2}";
	static const char response[] = "{\"kv_transfer_params\":"
				       "{\"remote_host\":null,\"b\":2}}";
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_VLLM);
	aibrix_rewrite_piece pieces[AIBRIX_REWRITE_PIECES_MAX];
	char fresh[AIBRIX_REWRITE_TEXT_MAX], joined[CAP];

	for (int decode = 0; decode < 2; decode++) {
		aibrix_rewrite_out whole = new_out();
		aibrix_rewrite_out out = {.size = sizeof(out),
					  .text = fresh,
					  .text_cap = sizeof(fresh),
					  .pieces = pieces,
					  .pieces_cap = 64};
		size_t n = 0, old = 0;

		cr_assert_eq(aibrix_rewrite_decode(&o, body, strlen(body),
						   response, strlen(response),
						   &whole),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_rewrite_decode(&o, body, strlen(body),
						   response, strlen(response),
						   &out),
			     AIBRIX_OK);
		for (uint32_t i = 0; i < out.n_pieces; i++) {
			const char *at = pieces[i].at;

			old += at >= body && at < body + sizeof(body);
			memcpy(joined + n, at, pieces[i].n);
			n += pieces[i].n;
		}
		cr_expect_eq(n, out.bytes);
		cr_expect_eq(out.bytes, whole.bytes);
		cr_expect_eq(memcmp(joined, text, n), 0);
		cr_expect_eq(old, 2u, "the body, and its bracket");
		cr_expect_lt(out.text_bytes, 40u, "what is new");
	}
}

Test(rewrite_out, too_few_pieces_says_how_many_are_needed)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_OTHER);
	aibrix_rewrite_piece pieces[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	aibrix_rewrite_out out = new_out();

	out.pieces = pieces;
	cr_assert_eq(aibrix_rewrite_prefill(&o, "{}", 2, &out), AIBRIX_E_SPACE);
	cr_expect_eq(out.n_pieces, 3u, "a bracket, members, a bracket");
	cr_expect_eq(text[0], '#');
	out.pieces_cap = 3;
	cr_assert_eq(aibrix_rewrite_prefill(&o, "{}", 2, &out), AIBRIX_OK);
	cr_expect_eq(out.bytes, 2 + strlen(ALL));
}

Test(rewrite_out, a_piece_is_laid_out_as_an_iovec)
{
	cr_expect_eq(sizeof(aibrix_rewrite_piece), sizeof(struct iovec));
	cr_expect_eq(offsetof(aibrix_rewrite_piece, n),
		     offsetof(struct iovec, iov_len));
}

/* Every name as long as it may be, each character written as six. */
Test(rewrite_out, the_bounds_hold_for_the_longest_names)
{
	char name[AIBRIX_REWRITE_NAME_MAX + 2];
	aibrix_rewrite_piece pieces[AIBRIX_REWRITE_PIECES_MAX];
	static char fresh[AIBRIX_REWRITE_TEXT_MAX];
	aibrix_rewrite_out out = {.size = sizeof(out),
				  .text = fresh,
				  .text_cap = sizeof(fresh),
				  .pieces = pieces,
				  .pieces_cap = 64};
	aibrix_rewrite_opts o = {.size = sizeof(o),
				 .connector = AIBRIX_REWRITE_MOONCAKE,
				 .host = name,
				 .request_id = name,
				 .engine_id = name};

	memset(name, 0x1f, sizeof(name));
	name[AIBRIX_REWRITE_NAME_MAX] = '\0';
	cr_assert_eq(aibrix_rewrite_decode(&o, "{}", 2, NULL, 0, &out),
		     AIBRIX_OK);
	cr_expect_gt(out.text_bytes, 3u * 6 * 256);
	name[AIBRIX_REWRITE_NAME_MAX] = 'a';
	name[AIBRIX_REWRITE_NAME_MAX + 1] = '\0';
	cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, NULL, 0, &out),
		     AIBRIX_E_INVAL);
}

/* ---- calls that are wrong */

static void
expect_invalid(aibrix_rewrite_opts o)
{
	aibrix_rewrite_out out = new_out();

	cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, "{}", 2, &out),
		     AIBRIX_E_INVAL);
	cr_expect_eq(text[0], '#');
}

Test(rewrite_calls, unknown_numbers_are_invalid)
{
	aibrix_rewrite_opts o;

	o = new_opts(4);
	expect_invalid(o);
	o = new_opts(0);
	o.connector = 3;
	expect_invalid(o);
	o = new_opts(0);
	o.api = 6;
	expect_invalid(o);
	o = new_opts(0);
	o.port = 65536;
	expect_invalid(o);
	o = new_opts(0);
	o.flags = 2;
	expect_invalid(o);
	o = new_opts(AIBRIX_REWRITE_SGLANG);
	o.id = (uint64_t)INT64_MAX + 1;
	expect_invalid(o);
}

Test(rewrite_calls, names_that_an_engine_needs_must_be_good)
{
	static const char *const bad[] = {NULL, "", "\xff", "\xc3"};

	for (size_t i = 0; i < 4; i++) {
		aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_VLLM);

		o.host = bad[i];
		expect_invalid(o);
		o.engine = AIBRIX_REWRITE_SGLANG;
		expect_invalid(o);
		o = new_opts(AIBRIX_REWRITE_VLLM);
		o.connector = AIBRIX_REWRITE_MOONCAKE;
		o.request_id = bad[i];
		expect_invalid(o);
		o = new_opts(AIBRIX_REWRITE_VLLM);
		o.connector = AIBRIX_REWRITE_MOONCAKE;
		o.engine_id = bad[i];
		expect_invalid(o);
		if (i == 0)
			continue;
		o = new_opts(AIBRIX_REWRITE_SGLANG);
		o.rid = bad[i];
		expect_invalid(o);
	}
}

Test(rewrite_calls, pointers_that_are_missing_are_invalid)
{
	aibrix_rewrite_opts o = new_opts(AIBRIX_REWRITE_VLLM);
	aibrix_rewrite_out out = new_out();
	aibrix_rewrite_piece piece;

	cr_expect_eq(aibrix_rewrite_prefill(&o, NULL, 1, &out), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_prefill(&o, "{}", 2, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_decode(&o, "{}", 2, NULL, 1, &out),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_decode(NULL, "{}", 2, "{}", 2, &out),
		     AIBRIX_E_INVAL, "shfs needs a host");
	cr_expect_eq(aibrix_rewrite_prefill(NULL, "{}", 2, &out), AIBRIX_OK);
	cr_expect_eq(aibrix_rewrite_params(&o, "{}", 2, NULL, &out),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_params(&o, "x", 1, &piece, NULL),
		     AIBRIX_E_PARSE);
	out.text = NULL;
	cr_expect_eq(aibrix_rewrite_prefill(&o, "{}", 2, &out), AIBRIX_E_INVAL);
	out.size = 0;
	cr_expect_eq(aibrix_rewrite_prefill(&o, "{}", 2, &out), AIBRIX_E_INVAL);
}

Test(rewrite_calls, a_room_has_the_rank_that_was_asked_for)
{
	static const uint64_t entropy[] = {0, 1, 12345, UINT64_MAX,
					   0x8000000000000000u};

	for (uint32_t ranks = 1; ranks < 20; ranks++)
		for (uint32_t rank = 0; rank < ranks; rank++)
			for (size_t i = 0; i < 5; i++) {
				uint64_t room;

				cr_assert_eq(aibrix_rewrite_room(entropy[i],
								 ranks, rank,
								 &room),
					     AIBRIX_OK);
				cr_expect_eq(room % ranks, rank);
				cr_expect_leq(room, (uint64_t)INT64_MAX);
			}
}

Test(rewrite_calls, a_rank_must_exist)
{
	uint64_t room = 3;

	cr_expect_eq(aibrix_rewrite_room(1, 4, 4, &room), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_room(1, 0, 1, &room), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_room(1, 0, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(room, 3u);
	cr_expect_eq(aibrix_rewrite_room(84, 0, 0, &room), AIBRIX_OK);
	cr_expect_eq(room, 42u);
}
