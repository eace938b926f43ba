#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/rewrite.h>

static char text[1024];

static int
message(uint32_t api, const char *body, aibrix_rewrite_out *out)
{
	aibrix_rewrite_opts o = {.size = sizeof(o), .api = api};

	memset(text, '#', sizeof(text));
	*out = (aibrix_rewrite_out){
		.size = sizeof(*out), .text = text, .text_cap = sizeof(text)};
	return aibrix_rewrite_message(&o, body, strlen(body), out);
}

static void
expect(uint32_t api, const char *body, const char *want)
{
	aibrix_rewrite_out out;

	cr_assert_eq(message(api, body, &out), AIBRIX_OK, "%s: why %u at %lu",
		     body, out.why, (unsigned long)out.offset);
	cr_expect_eq(out.bytes, strlen(want), "%s", body);
	cr_expect_eq(memcmp(text, want, strlen(want)), 0, "%.*s",
		     (int)out.bytes, text);
	cr_expect_eq(text[out.bytes], '#');
}

static void
refuse(uint32_t api, const char *body, uint32_t why)
{
	aibrix_rewrite_out out;

	cr_expect_eq(message(api, body, &out), AIBRIX_E_PARSE, "%s", body);
	cr_expect_eq(out.why, why, "%s: %u", body, out.why);
	cr_expect_leq(out.offset, strlen(body));
	cr_expect_eq(text[0], '#');
}

Test(rewrite_message, contents_are_joined_by_blanks)
{
	expect(AIBRIX_REWRITE_CHAT,
	       "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
	       "{\"content\":\"hi\",\"role\":\"user\"}]}",
	       "be brief hi");
	expect(AIBRIX_REWRITE_CHAT, "{\"messages\":[{\"content\":\"\"}]}", "");
}

Test(rewrite_message, strings_are_what_they_mean)
{
	expect(AIBRIX_REWRITE_CHAT,
	       "{\"messages\":[{\"content\":\"a\\n\\\"\\u00e9\\ud83d\\ude00"
	       "\xc3\xa9\"}]}",
	       "a\n\"\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9");
}

Test(rewrite_message, content_in_parts_is_its_json)
{
	expect(AIBRIX_REWRITE_CHAT,
	       "{\"messages\":[{\"content\":\"x\"},"
	       "{\"content\": [ {\"type\":\"text\",\"text\":\"\\u0061\"} ]}]}",
	       "x [ {\"type\":\"text\",\"text\":\"\\u0061\"} ]");
}

Test(rewrite_message, a_message_without_content_says_nothing)
{
	expect(AIBRIX_REWRITE_CHAT,
	       "{\"messages\":[{\"content\":\"a\"},{\"tool_calls\":[]},"
	       "{\"content\":null},{\"content\":\"b\"}]}",
	       "a   b");
}

Test(rewrite_message, prompts_inputs_and_documents_are_text)
{
	expect(AIBRIX_REWRITE_COMPLETION, "{\"prompt\":\"a b\"}", "a b");
	expect(AIBRIX_REWRITE_COMPLETION, "{\"model\":\"m\"}", "");
	expect(AIBRIX_REWRITE_RESPONSES, "{\"input\":\"a\"}", "a");
	expect(AIBRIX_REWRITE_RESPONSES,
	       "{\"input\":[{\"content\":\"a\"},{\"type\":\"t\"},"
	       "{\"content\":[1]}]}",
	       "a  [1]");
	expect(AIBRIX_REWRITE_RERANK,
	       "{\"documents\":[\"d1\",\"\",\"d2\"],\"query\":\"q\"}",
	       "q d1  d2");
	expect(AIBRIX_REWRITE_CLASSIFY, "{\"input\":\"a\"}", "a");
	expect(AIBRIX_REWRITE_CLASSIFY, "{\"input\":[\"a\",\"b\"]}", "a b");
	expect(AIBRIX_REWRITE_NO_TEXT, "{\"input\":\"a\"}", "");
}

Test(rewrite_message, a_body_without_its_text_is_refused)
{
	static const uint32_t missing = AIBRIX_REWRITE_WHY_MISSING;

	refuse(AIBRIX_REWRITE_CHAT, "{}", missing);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":[]}", missing);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":null}", missing);
	refuse(AIBRIX_REWRITE_RESPONSES, "{}", missing);
	refuse(AIBRIX_REWRITE_RESPONSES, "{\"input\":[]}", missing);
	refuse(AIBRIX_REWRITE_RERANK, "{\"documents\":[\"d\"]}", missing);
	refuse(AIBRIX_REWRITE_RERANK, "{\"query\":\"q\"}", missing);
	refuse(AIBRIX_REWRITE_RERANK, "{\"query\":\"\",\"documents\":[\"d\"]}",
	       missing);
	refuse(AIBRIX_REWRITE_RERANK, "{\"query\":\"q\",\"documents\":[]}",
	       missing);
	refuse(AIBRIX_REWRITE_CLASSIFY, "{\"input\":\"\"}", missing);
	refuse(AIBRIX_REWRITE_CLASSIFY, "{\"input\":[]}", missing);
	refuse(AIBRIX_REWRITE_CLASSIFY, "{}", missing);
}

Test(rewrite_message, other_types_are_refused)
{
	static const uint32_t type = AIBRIX_REWRITE_WHY_TYPE;

	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":\"a\"}", type);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":{\"content\":\"a\"}}", type);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":[\"a\"]}", type);
	refuse(AIBRIX_REWRITE_COMPLETION, "{\"prompt\":[\"a\"]}", type);
	refuse(AIBRIX_REWRITE_COMPLETION, "{\"prompt\":[1,2]}", type);
	refuse(AIBRIX_REWRITE_RESPONSES, "{\"input\":1}", type);
	refuse(AIBRIX_REWRITE_RESPONSES, "{\"input\":[1]}", type);
	refuse(AIBRIX_REWRITE_RERANK, "{\"query\":1,\"documents\":[\"d\"]}",
	       type);
	refuse(AIBRIX_REWRITE_RERANK, "{\"query\":\"q\",\"documents\":[1]}",
	       type);
	refuse(AIBRIX_REWRITE_CLASSIFY, "{\"input\":1}", type);
}

Test(rewrite_message, bad_bodies_are_refused)
{
	refuse(AIBRIX_REWRITE_CHAT, "", AIBRIX_REWRITE_WHY_JSON);
	refuse(AIBRIX_REWRITE_CHAT, "[]", AIBRIX_REWRITE_WHY_OBJECT);
	refuse(AIBRIX_REWRITE_NO_TEXT, "{\"a\":", AIBRIX_REWRITE_WHY_JSON);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":[{\"content\":\"a\"}],}",
	       AIBRIX_REWRITE_WHY_JSON);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":[{\"content\":\"\xff\"}]}",
	       AIBRIX_REWRITE_WHY_JSON);
	refuse(AIBRIX_REWRITE_CHAT, "{\"messages\":[{}],\"messages\":[{}]}",
	       AIBRIX_REWRITE_WHY_TWICE);
	refuse(AIBRIX_REWRITE_CHAT,
	       "{\"messages\":[{\"content\":\"a\",\"content\":\"b\"}]}",
	       AIBRIX_REWRITE_WHY_TWICE);
}

Test(rewrite_message, a_fault_in_a_message_is_found_in_the_body)
{
	static const char body[] =
		"{\"messages\":[{\"content\":\"a\"},{\"content\":1,"
		"\"content\":2}]}";
	aibrix_rewrite_out out;

	cr_assert_eq(message(AIBRIX_REWRITE_CHAT, body, &out), AIBRIX_E_PARSE);
	cr_expect_eq(out.offset, 42u);
	cr_expect_eq(body[out.offset + 1], 'c');
}

Test(rewrite_message, too_little_room_says_how_much_is_needed)
{
	static const char body[] =
		"{\"messages\":[{\"content\":\"a\\n\"},{\"content\":\"b\"}]}";
	aibrix_rewrite_opts o = {.size = sizeof(o)};
	aibrix_rewrite_out out = {.size = sizeof(out)};

	cr_expect_eq(aibrix_rewrite_message(&o, body, strlen(body), &out),
		     AIBRIX_E_SPACE);
	cr_expect_eq(out.text_bytes, 4u);
	memset(text, '#', sizeof(text));
	out.text = text;
	out.text_cap = 3;
	cr_expect_eq(aibrix_rewrite_message(&o, body, strlen(body), &out),
		     AIBRIX_E_SPACE);
	cr_expect_eq(text[0], '#', "nothing is written");
	out.text_cap = 4;
	cr_expect_eq(aibrix_rewrite_message(&o, body, strlen(body), &out),
		     AIBRIX_OK);
	cr_expect_eq(memcmp(text, "a\n b#", 5), 0);
}

/* More messages than are remembered from counting to writing. */
Test(rewrite_message, a_long_chat_is_written_like_a_short_one)
{
	static char body[4096], want[512];
	aibrix_rewrite_opts o = {.size = sizeof(o)};
	aibrix_rewrite_out out = {.size = sizeof(out), .text = text};

	for (int messages = 60; messages < 70; messages++) {
		strcpy(body, "{\"messages\":[");
		want[0] = '\0';
		for (int i = 0; i < messages; i++) {
			strcat(body, i ? ",{\"content\":\"\\u0061\"}"
				       : "{\"content\":\"b\"}");
			strcat(want, i ? " a" : "b");
		}
		strcat(body, "]}");
		for (int tight = 0; tight < 2; tight++) {
			out.text_cap = tight ? strlen(want) : sizeof(text);
			memset(text, '#', sizeof(text));
			cr_assert_eq(aibrix_rewrite_message(&o, body,
							    strlen(body), &out),
				     AIBRIX_OK);
			cr_expect_eq(out.bytes, strlen(want));
			cr_expect_eq(memcmp(text, want, strlen(want)), 0);
			cr_expect_eq(text[out.bytes], '#');
		}
	}
}

Test(rewrite_message, wrong_calls_are_invalid)
{
	aibrix_rewrite_opts o = {.size = sizeof(o), .api = 6};
	aibrix_rewrite_out out = {.size = sizeof(out)};
	aibrix_rewrite_piece piece;

	cr_expect_eq(aibrix_rewrite_message(&o, "{}", 2, &out), AIBRIX_E_INVAL);
	o.api = 0;
	cr_expect_eq(aibrix_rewrite_message(&o, "{}", 2, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_rewrite_message(&o, NULL, 2, &out), AIBRIX_E_INVAL);
	out.pieces = &piece;
	cr_expect_eq(aibrix_rewrite_message(&o, "{}", 2, &out), AIBRIX_E_INVAL);
}
