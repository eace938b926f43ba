#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/key_text.h>

#include "store/store_key.h"

static aibrix_conn_opts
conn_of(const char *space)
{
	return (aibrix_conn_opts){.size = sizeof(aibrix_conn_opts),
				  .space = space,
				  .head_last = 7,
				  .layer_last = 31,
				  .block_tokens = 16};
}

static int
conn_status(const aibrix_conn_opts *opts)
{
	char id[AIBRIX_CONN_ID_MAX + 1];
	uint64_t n;

	return aibrix_conn_id(opts, id, sizeof(id), &n);
}

/* What would leave a directory, hide in it, or end a line of a protocol. */
Test(key_text, namespaces_are_held_to_an_allow_list)
{
	static const char *const bad[] = {
		"",        ".",    "..",    "a/b",   "/a",
		".hidden", "a b",  "a\nb",  "a\x7f", "a\x01",
		"a\\b",    "a:b",  "{tag}", "a*",    "caf\xc3\xa9",
		"a\xff",   "a%2f", "~",     "a\tb",  "$(a)"};
	static const char *const good[] = {
		"a", "A", "a.b", "a-b",  "a_b",
		"0", "-", "_",   "a..b", "model.v2-fp8_kv"};
	aibrix_conn_opts opts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		opts = conn_of(bad[i]);
		cr_expect_eq(conn_status(&opts), AIBRIX_E_INVAL, "bad[%zu]", i);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		opts = conn_of(good[i]);
		cr_expect_eq(conn_status(&opts), AIBRIX_OK, "%s", good[i]);
	}
}

Test(key_text, the_longest_namespace_and_numbers_fit)
{
	char space[AIBRIX_CONN_SPACE_MAX + 2], id[AIBRIX_CONN_ID_MAX + 1];
	aibrix_conn_opts opts = conn_of(space);
	uint64_t n;

	memset(space, 'x', sizeof(space));
	space[AIBRIX_CONN_SPACE_MAX + 1] = '\0';
	cr_expect_eq(conn_status(&opts), AIBRIX_E_INVAL);
	space[AIBRIX_CONN_SPACE_MAX] = '\0';
	opts.head_first = opts.head_last = UINT32_MAX;
	opts.layer_first = opts.layer_last = UINT32_MAX;
	opts.block_tokens = UINT32_MAX;
	opts.builder = AIBRIX_CONN_SIMPLE;
	opts.flags = AIBRIX_CONN_EXTENDED;
	cr_assert_eq(aibrix_conn_id(&opts, id, sizeof(id), &n), AIBRIX_OK);
	cr_expect_str_eq(id + AIBRIX_CONN_SPACE_MAX,
			 "_h4294967295_4294967295_l4294967295_4294967295_"
			 "lcnd4294967295simex");
}

Test(key_text, malformed_options_are_refused)
{
	aibrix_conn_opts bad[8];
	uint64_t n;
	char c;

	for (size_t i = 0; i < 8; i++)
		bad[i] = conn_of(NULL);
	bad[0].head_first = 8;
	bad[1].layer_first = 32;
	bad[2].layout = 2;
	bad[3].builder = 4;
	bad[4].spare = 1;
	for (size_t i = 0; i < 5; i++)
		cr_expect_eq(conn_status(&bad[i]), AIBRIX_E_INVAL, "bad[%zu]",
			     i);
	bad[5].flags = 2;
	cr_expect_eq(conn_status(&bad[5]), AIBRIX_E_ABI);
	bad[6].size = 3;
	cr_expect_eq(conn_status(&bad[6]), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_conn_id(&bad[7], &c, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_conn_id(&bad[7], NULL, 1, &n), AIBRIX_E_INVAL);
}

Test(key_text, a_short_buffer_is_told_the_length)
{
	aibrix_conn_opts opts = conn_of("kv");
	char out[64];
	uint64_t n;

	/* kv_h0_7_l0_31_lcnd16roc */
	cr_expect_eq(aibrix_conn_id(&opts, NULL, 0, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 23);
	for (uint64_t cap = 0; cap <= 24; cap++) {
		memset(out, '#', sizeof(out));
		n = 0;
		cr_expect_eq(aibrix_conn_id(&opts, out, cap, &n),
			     cap == 24 ? AIBRIX_OK : AIBRIX_E_SPACE);
		cr_expect_eq(n, 23);
		cr_expect_eq(out[cap], '#', "nothing behind the end");
	}
	for (uint64_t cap = 0; cap <= 9; cap++) {
		memset(out, '#', sizeof(out));
		cr_expect_eq(
			aibrix_key_text("\x01\xab\xff", 3, "_kv", out, cap, &n),
			cap > 9 ? AIBRIX_OK : AIBRIX_E_SPACE);
		cr_expect_eq(n, 9);
		cr_expect_eq(out[cap], '#', "nothing behind the end");
	}
	cr_expect_eq(aibrix_key_text("\x01\xab\xff", 3, "_kv", out, 10, &n), 0);
	cr_expect_str_eq(out, "01abff_kv");
}

Test(key_text, malformed_keys_are_refused)
{
	char id[AIBRIX_CONN_ID_MAX + 2], out[600];
	uint64_t n;

	memset(id, 'x', sizeof(id));
	id[AIBRIX_CONN_ID_MAX + 1] = '\0';
	cr_expect_eq(aibrix_key_text(NULL, 1, "", out, 600, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_key_text("k", 0, "", out, 600, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_key_text("k", 1, id, out, 600, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_key_text("k", 1, "", NULL, 600, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_key_text("k", 1, "", out, 600, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_key_text("k", UINT32_MAX, "", out, 600, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 2 * (uint64_t)UINT32_MAX);
	cr_expect_eq(aibrix_key_text("k", 1, NULL, out, 600, &n), AIBRIX_OK);
	cr_expect_str_eq(out, "6b");
}
