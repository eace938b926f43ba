/*
 * Bodies and what becomes of them, byte for byte.  What each engine is told
 * is AIBrix's contract (pkg/plugins/gateway/algorithms/pd); that nothing else
 * moves is ours, for all engines, and AIBrix's for SGLang.
 */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/rewrite.h>

enum { CAP = 4096 };

struct vector {
	const char *name;
	aibrix_rewrite_opts opts;
	const char *body, *response;
	const char *prefill, *decode;
};

#define VLLM(which, ...)                                                       \
	{                                                                      \
		.engine = AIBRIX_REWRITE_VLLM, .connector = which, __VA_ARGS__ \
	}
#define SGLANG(...)                                                            \
	{                                                                      \
		.engine = AIBRIX_REWRITE_SGLANG, .host = "10.0.0.1",           \
		.id = 12345, __VA_ARGS__                                       \
	}
#define TRT(which)                                                             \
	{                                                                      \
		.engine = AIBRIX_REWRITE_TRTLLM, .api = which,                 \
		.id = 481799065361883143                                       \
	}
#define ONE "\"max_tokens\":1,\"max_completion_tokens\":1"
#define SKELETON                                                               \
	"\"kv_transfer_params\":{\"do_remote_decode\":true,"                   \
	"\"do_remote_prefill\":false,\"remote_engine_id\":null,"               \
	"\"remote_block_ids\":null,\"remote_host\":null,\"remote_port\":null}"
#define BOOTSTRAP                                                              \
	"\"bootstrap_host\":\"10.0.0.1\",\"bootstrap_port\":8998,"             \
	"\"bootstrap_room\":12345"
#define CONTEXT                                                                \
	"\"disaggregated_params\":{\"request_type\":\"context_only\","         \
	"\"disagg_request_id\":481799065361883143}"
#define TOOLS "\"tools\": [ {\"b\":1, \"a\":2.50e+01} ]"

static const struct vector vectors[] = {
	{"vllm and shfs: the skeleton, then the response's with the host",
	 VLLM(AIBRIX_REWRITE_SHFS, .host = "10.1.2.3"),
	 "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	 "\"stream\":true,\"stream_options\":{\"include_usage\":true},"
	 "\"max_tokens\":256}",
	 "{\"id\":\"x\",\"kv_transfer_params\":{\"remote_block_ids\":"
	 "[9007199254740993,2],\"remote_host\":null,\"remote_port\":5600}}",
	 "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	 "\"stream\":false,\"max_tokens\":1,\"max_completion_tokens\":"
	 "1," SKELETON "}",
	 "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	 "\"stream\":true,\"stream_options\":{\"include_usage\":true},"
	 "\"max_tokens\":256,\"kv_transfer_params\":{\"remote_block_ids\":"
	 "[9007199254740993,2],\"remote_host\":\"10.1.2.3\","
	 "\"remote_port\":5600}}"},
	{"shfs: a response's params without a host get one",
	 VLLM(AIBRIX_REWRITE_SHFS, .host = "fd00::1"), "{}",
	 "{\"kv_transfer_params\":{}}",
	 "{" ONE ",\"stream\":false," SKELETON "}",
	 "{\"kv_transfer_params\":{\"remote_host\":\"fd00::1\"}}"},
	{"shfs: without params in the response the body is as it was",
	 VLLM(AIBRIX_REWRITE_SHFS, .host = "h"), " { \"prompt\" : \"a\" } ",
	 "{\"id\":1}",
	 " { \"prompt\" : \"a\"," ONE ",\"stream\":false," SKELETON " } ",
	 " { \"prompt\" : \"a\" } "},
	{"shfs: null is none, and a client's own goes to no engine",
	 VLLM(AIBRIX_REWRITE_SHFS, .host = "h"),
	 "{\"kv_transfer_params\":{\"remote_host\":\"evil\"},\"n\":1}",
	 "{\"kv_transfer_params\":null}",
	 "{" SKELETON ",\"n\":1," ONE ",\"stream\":false}", "{\"n\":1}"},
	{"shfs: of events the last that has params counts",
	 VLLM(AIBRIX_REWRITE_SHFS, .host = "h"), "{\"n\":1}",
	 "data: {\"kv_transfer_params\":{\"a\":1}}\n\n: ping\r\nevent: x\r\n"
	 "data:{\"kv_transfer_params\":{\"a\":2}}\r\n\r\n"
	 "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
	 "{\"n\":1," ONE ",\"stream\":false," SKELETON "}",
	 "{\"n\":1,\"kv_transfer_params\":{\"a\":2,\"remote_host\":\"h\"}}"},
	{"vllm and nixl: the whole response",
	 VLLM(AIBRIX_REWRITE_NIXL, .host = NULL),
	 "{\"prompt\":\"a\",\"kv_transfer_params\":1}",
	 " {\"id\": 18446744073709551615, \"kv_transfer_params\":{}}\n",
	 "{\"prompt\":\"a\"," ONE ",\"stream\":false}",
	 "{\"prompt\":\"a\",\"disagg_prefill_resp\":"
	 "{\"id\": 18446744073709551615, \"kv_transfer_params\":{}}}"},
	{"vllm and mooncake",
	 VLLM(AIBRIX_REWRITE_MOONCAKE, .host = "10.0.0.9", .port = 9001,
	      .request_id = "a\"b", .engine_id = "e-7"),
	 "{\"prompt\":\"a\"}", NULL,
	 "{\"prompt\":\"a\"," ONE ",\"stream\":false,\"kv_transfer_params\":"
	 "{\"do_remote_decode\":true,\"do_remote_prefill\":false,"
	 "\"transfer_id\":\"xfer-a\\\"b\"}}",
	 "{\"prompt\":\"a\",\"kv_transfer_params\":{\"do_remote_decode\":"
	 "false,\"do_remote_prefill\":true,\"remote_engine_id\":\"e-7\","
	 "\"remote_bootstrap_addr\":\"http://10.0.0.9:9001\","
	 "\"transfer_id\":\"xfer-a\\\"b\"}}"},
	{"mooncake: an address of IPv6 stands in brackets",
	 VLLM(AIBRIX_REWRITE_MOONCAKE, .host = "fd00::2", .request_id = "r",
	      .engine_id = "e"),
	 "{}", NULL,
	 "{" ONE ",\"stream\":false,\"kv_transfer_params\":"
	 "{\"do_remote_decode\":true,\"do_remote_prefill\":false,"
	 "\"transfer_id\":\"xfer-r\"}}",
	 "{\"kv_transfer_params\":{\"do_remote_decode\":"
	 "false,\"do_remote_prefill\":true,\"remote_engine_id\":\"e\","
	 "\"remote_bootstrap_addr\":\"http://[fd00::2]:8998\","
	 "\"transfer_id\":\"xfer-r\"}}"},
	{"sglang: three fields in both; tools stay as they are",
	 SGLANG(.port = 0),
	 "{\"messages\":[{\"content\":\"\\u00e9\\/\"}]," TOOLS
	 ",\"max_tokens\":256,\"stream\":true,\"min_tokens\":10}",
	 NULL,
	 "{\"messages\":[{\"content\":\"\\u00e9\\/\"}]," TOOLS
	 ",\"max_tokens\":1,\"stream\":false,\"max_completion_tokens\":"
	 "1," BOOTSTRAP "}",
	 "{\"messages\":[{\"content\":\"\\u00e9\\/\"}]," TOOLS
	 ",\"max_tokens\":256,\"stream\":true,\"min_tokens\":10," BOOTSTRAP
	 "}"},
	{"sglang: a client's own bootstrap is overwritten in its place",
	 SGLANG(.port = 0),
	 "{\"bootstrap_room\":1,\"bootstrap_host\":\"evil\",\"n\":1,"
	 "\"bootstrap_port\":2}",
	 NULL,
	 "{\"bootstrap_room\":12345,\"bootstrap_host\":\"10.0.0.1\",\"n\":1,"
	 "\"bootstrap_port\":8998," ONE ",\"stream\":false}",
	 "{\"bootstrap_room\":12345,\"bootstrap_host\":\"10.0.0.1\",\"n\":1,"
	 "\"bootstrap_port\":8998}"},
	{"sglang: other names may be there twice",
	 SGLANG(.port = 70, .rid = "r-0123456789abcdef"),
	 "{\"extra\":1,\"extra\":2,\"rid\":\"mine\"}", NULL,
	 "{\"extra\":1,\"extra\":2,\"rid\":\"r-0123456789abcdef\"," ONE
	 ",\"stream\":false,\"bootstrap_host\":\"10.0.0.1\","
	 "\"bootstrap_port\":70,\"bootstrap_room\":12345}",
	 "{\"extra\":1,\"extra\":2,\"rid\":\"r-0123456789abcdef\","
	 "\"bootstrap_host\":\"10.0.0.1\","
	 "\"bootstrap_port\":70,\"bootstrap_room\":12345}"},
	{"trtllm: params at the top, ids instead of the prompt",
	 TRT(AIBRIX_REWRITE_COMPLETION),
	 "{\"prompt\":\"hello\",\"max_completion_tokens\":9}",
	 "{\"prompt_token_ids\":[1, 2],\"disaggregated_params\":"
	 "{\"request_type\":\"context_only\",\"ctx_request_id\":"
	 "9223372036854775807,\"opaque\":\"a\\u0000\"}}",
	 "{\"prompt\":\"hello\",\"max_tokens\":1,\"stream\":false," CONTEXT "}",
	 "{\"prompt\":[1, 2],\"max_completion_tokens\":9,"
	 "\"disaggregated_params\":{\"request_type\":\"generation_only\","
	 "\"ctx_request_id\":9223372036854775807,\"opaque\":\"a\\u0000\"}}"},
	{"trtllm: params in the first choice, ids beside the messages",
	 TRT(AIBRIX_REWRITE_CHAT), "{\"messages\":[]}",
	 "{\"choices\":[{\"disaggregated_params\":{\"id\":1}},"
	 "{\"disaggregated_params\":{\"id\":2}}],\"prompt_token_ids\":[7]}",
	 "{\"messages\":[],\"max_tokens\":1,\"stream\":false," CONTEXT "}",
	 "{\"messages\":[],\"disaggregated_params\":{\"id\":1,"
	 "\"request_type\":\"generation_only\"},\"prompt_token_ids\":[7]}"},
	{"trtllm: without params the body is as it was, ids or not",
	 TRT(AIBRIX_REWRITE_COMPLETION), "{\"prompt\":\"a\"}",
	 "{\"choices\":[],\"prompt_token_ids\":[7]}",
	 "{\"prompt\":\"a\",\"max_tokens\":1,\"stream\":false," CONTEXT "}",
	 "{\"prompt\":\"a\"}"},
	{"trtllm, generation first: what the worker says, and nothing else",
	 {.engine = AIBRIX_REWRITE_TRTLLM,
	  .api = AIBRIX_REWRITE_CHAT,
	  .flags = AIBRIX_REWRITE_GENERATION_FIRST,
	  .id = 9223372036854775807},
	 "{\"messages\":[],\"disaggregated_params\":{\"mine\":1}}",
	 "{\"disaggregated_params\":{\"ctx_info_endpoint\":"
	 "\"tcp://10.0.0.1:5\",\"ctx_dp_rank\":0,\"request_type\":\"x\","
	 "\"encoded_opaque_state\":\"a+\\/b=\"},\"prompt_token_ids\":[7]}",
	 "{\"messages\":[],\"disaggregated_params\":{\"request_type\":"
	 "\"context_only\",\"disagg_request_id\":9223372036854775807,"
	 "\"schedule_style\":1},\"max_tokens\":1,\"stream\":false}",
	 "{\"messages\":[],\"disaggregated_params\":{\"request_type\":"
	 "\"generation_only\",\"disagg_request_id\":9223372036854775807,"
	 "\"ctx_request_id\":9223372036854775807,\"schedule_style\":1,"
	 "\"ctx_info_endpoint\":\"tcp://10.0.0.1:5\",\"ctx_dp_rank\":0,"
	 "\"encoded_opaque_state\":\"a+\\/b=\"}}"},
	{"trtllm, generation first: the first of a worker's endpoints",
	 {.engine = AIBRIX_REWRITE_TRTLLM,
	  .flags = AIBRIX_REWRITE_GENERATION_FIRST,
	  .id = 7},
	 "{\"prompt\":\"a\"}",
	 "{\"disaggregated_params\":{\"ctx_info_endpoint\":[\"a:1\",\"b:2\"],"
	 "\"ctx_dp_rank\":3}}",
	 "{\"prompt\":\"a\",\"max_tokens\":1,\"stream\":false,"
	 "\"disaggregated_params\":{\"request_type\":\"context_only\","
	 "\"disagg_request_id\":7,\"schedule_style\":1}}",
	 "{\"prompt\":\"a\",\"disaggregated_params\":{\"request_type\":"
	 "\"generation_only\",\"disagg_request_id\":7,\"ctx_request_id\":7,"
	 "\"schedule_style\":1,\"ctx_info_endpoint\":\"a:1\","
	 "\"ctx_dp_rank\":3}}"},
	{"any other engine: the common members",
	 {.engine = AIBRIX_REWRITE_OTHER, .connector = AIBRIX_REWRITE_MOONCAKE},
	 "{\"kv_transfer_params\":1,\"min_tokens\":3}",
	 NULL,
	 "{\"kv_transfer_params\":1," ONE ",\"stream\":false}",
	 "{\"kv_transfer_params\":1,\"min_tokens\":3}"},
};

static void
expect_body(const struct vector *v, int err, const aibrix_rewrite_out *out,
	    const char *want)
{
	cr_assert_eq(err, AIBRIX_OK, "%s: %d, why %u at %lu", v->name, err,
		     out->why, (unsigned long)out->offset);
	cr_expect_eq(out->bytes, strlen(want), "%s", v->name);
	cr_expect(memcmp(out->text, want, strlen(want)) == 0, "%s:\n%.*s\n%s",
		  v->name, (int)out->bytes, out->text, want);
}

Test(rewrite, bodies_become_what_engines_expect)
{
	char text[CAP];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		aibrix_rewrite_out out = {
			.size = sizeof(out), .text = text, .text_cap = CAP};
		aibrix_rewrite_opts o = v->opts;
		size_t n = strlen(v->body);
		int err;

		o.size = sizeof(o);
		err = aibrix_rewrite_prefill(&o, v->body, n, &out);
		expect_body(v, err, &out, v->prefill);
		err = aibrix_rewrite_decode(
			&o, v->body, n, v->response,
			v->response ? strlen(v->response) : 0, &out);
		expect_body(v, err, &out, v->decode);
	}
}

/* An edit puts a value where one of the same name is: a second pass finds
 * what it would write. */
Test(rewrite, rewriting_twice_is_rewriting_once)
{
	char once[CAP], again[CAP];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		aibrix_rewrite_out out = {
			.size = sizeof(out), .text = once, .text_cap = CAP};
		aibrix_rewrite_opts o = vectors[i].opts;
		uint64_t n;

		o.size = sizeof(o);
		cr_assert_eq(aibrix_rewrite_prefill(&o, vectors[i].body,
						    strlen(vectors[i].body),
						    &out),
			     AIBRIX_OK);
		n = out.bytes;
		out.text = again;
		cr_assert_eq(aibrix_rewrite_prefill(&o, once, n, &out),
			     AIBRIX_OK);
		cr_expect_eq(out.bytes, n);
		cr_expect_eq(memcmp(once, again, n), 0);
	}
}

Test(rewrite, ids_of_trtllm_are_those_of_aibrix)
{
	static const struct {
		int64_t now_ms;
		uint32_t machine;
		uint64_t counter, id;
	} known[] = {
		{1672531200000, 0, 0, 4398046511104},
		{1787400000000, 42, 7, 481799065361883143},
		{0, 0, 0, 4398046511104},
		{-5, 0, 4096, 4398046511104},
		{INT64_MAX, 1023, 4095, 8796093022208},
	};
	uint64_t id;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cr_assert_eq(aibrix_rewrite_trt_id(known[i].now_ms,
						   known[i].machine,
						   known[i].counter, &id),
			     AIBRIX_OK);
		cr_expect_eq(id, known[i].id, "%zu: %lu", i, (unsigned long)id);
	}
}

Test(rewrite, a_machine_has_ten_bits)
{
	static const uint32_t good[] = {0, 512, 1023};
	static const uint32_t bad[] = {UINT32_MAX, 1024, 1025};
	uint64_t id = 5;

	for (int i = 0; i < 3; i++) {
		cr_expect_eq(aibrix_rewrite_trt_id(0, bad[i], 0, &id),
			     AIBRIX_E_INVAL);
		cr_expect_eq(id, 5u);
	}
	for (int i = 0; i < 3; i++)
		cr_expect_eq(aibrix_rewrite_trt_id(0, good[i], 0, &id),
			     AIBRIX_OK);
}

Test(rewrite, labels_mean_connectors_in_any_case)
{
	static const struct {
		const char *label;
		uint32_t connector;
	} known[] = {
		{"", AIBRIX_REWRITE_SHFS},
		{NULL, AIBRIX_REWRITE_SHFS},
		{"nixl", AIBRIX_REWRITE_NIXL},
		{"shfs", AIBRIX_REWRITE_SHFS},
		{"ShFs", AIBRIX_REWRITE_SHFS},
		{"MOONCAKE", AIBRIX_REWRITE_MOONCAKE},
		{"invalid", AIBRIX_REWRITE_SHFS},
		{"nixl ", AIBRIX_REWRITE_SHFS},
		{"nix", AIBRIX_REWRITE_SHFS},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		cr_expect_eq(aibrix_rewrite_connector(known[i].label,
						      AIBRIX_REWRITE_SHFS),
			     known[i].connector, "%s", known[i].label);
	cr_expect_eq(aibrix_rewrite_connector("x", AIBRIX_REWRITE_NIXL),
		     AIBRIX_REWRITE_NIXL);
	cr_expect_eq(aibrix_rewrite_engine(NULL), AIBRIX_REWRITE_VLLM);
	cr_expect_eq(aibrix_rewrite_engine("sglang"), AIBRIX_REWRITE_SGLANG);
	cr_expect_eq(aibrix_rewrite_engine("trtllm"), AIBRIX_REWRITE_TRTLLM);
	cr_expect_eq(aibrix_rewrite_engine("xllm"), AIBRIX_REWRITE_OTHER);
}
