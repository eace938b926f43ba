/* Names of connections and keys by the rules of AIBrix (l2/l2_cache.py,
 * l2/connectors/connector.py). */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/hash.h>
#include <aibrix/key_text.h>

static const struct {
	aibrix_conn_opts opts;
	const char *id;
} ids[] = {
	/* the worker of a model with 32 layers and 8 KV heads on one GPU */
	{{.head_last = 7, .layer_last = 31, .block_tokens = 16},
	 "aibrix_h0_7_l0_31_lcnd16roc"},
	/* the second of two in tensor parallel, the namespace in capitals */
	{{.space = "Llama3-8B.BF16",
	  .head_first = 4,
	  .head_last = 7,
	  .layer_last = 31,
	  .block_tokens = 16},
	 "llama3-8b.bf16_h4_7_l0_31_lcnd16roc"},
	/* SGLang: a page is a block, with the tokens behind it */
	{{.head_last = 1,
	  .layer_last = 7,
	  .block_tokens = 64,
	  .layout = AIBRIX_CONN_NCLD,
	  .builder = AIBRIX_CONN_SIMPLE,
	  .flags = AIBRIX_CONN_EXTENDED},
	 "aibrix_h0_1_l0_7_ncld64simex"},
	/* the second stage of a pipeline */
	{{.head_last = 7,
	  .layer_first = 40,
	  .layer_last = 79,
	  .block_tokens = 128,
	  .builder = AIBRIX_CONN_RAW},
	 "aibrix_h0_7_l40_79_lcnd128rawc"},
	{{.block_tokens = 1,
	  .builder = AIBRIX_CONN_HEX,
	  .flags = AIBRIX_CONN_EXTENDED},
	 "aibrix_h0_0_l0_0_lcnd1hexex"},
	/* no signatures */
	{{.space = "kv_1", .head_last = 7, .layer_last = 31},
	 "kv_1_h0_7_l0_31"},
};

Test(key_text, connection_ids_are_those_of_aibrix)
{
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		aibrix_conn_opts opts = ids[i].opts;
		char id[AIBRIX_CONN_ID_MAX + 1];
		uint64_t n;

		opts.size = sizeof(opts);
		cr_assert_eq(aibrix_conn_id(&opts, id, sizeof(id), &n),
			     AIBRIX_OK);
		cr_expect_str_eq(id, ids[i].id);
		cr_expect_eq(n, strlen(ids[i].id));
	}
}

/* Rolling hashes of the tokens 0, 1, 2 ... in blocks of 16, then the id. */
Test(key_text, key_texts_are_those_of_aibrix)
{
	static const char *const texts[] = {
		"cf1cb24e52df6d5af4f404786f434895aibrix_h0_7_l0_31_lcnd16roc",
		"65da3584bc4484fecdd2c1e7f119d5c3aibrix_h0_7_l0_31_lcnd16roc",
		"7c9a5f3fec2af26506af3df6b5c79edcaibrix_h0_7_l0_31_lcnd16roc",
		"92031f13820fa442dddcaa5f810f8b7faibrix_h0_7_l0_31_lcnd16roc",
	};

	for (size_t i = 0; i < 4; i++) {
		aibrix_key key;
		char hex[33], text[64];
		uint64_t n;

		memcpy(hex, texts[i], 32);
		hex[32] = '\0';
		cr_assert_eq(aibrix_key_parse(hex, &key), AIBRIX_OK);
		cr_assert_eq(aibrix_key_text(&key, sizeof(key),
					     "aibrix_h0_7_l0_31_lcnd16roc",
					     text, sizeof(text), &n),
			     AIBRIX_OK);
		cr_expect_str_eq(text, texts[i]);
		cr_expect_eq(n, 59);
	}
}
