/*
 * Blocks, shards and values as AIBrix has them (aibrix_kvcache: spec.py,
 * memory/allocator.py, l2/l2_cache.py).  Numbers are worked out by hand from
 * its formulas, where E is heads times head size:
 *
 *   NCLD   ((t * 2 + c) * L + l) * E + e
 *   LCND   ((l * 2 + c) * T + t) * E + e
 */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/key_text.h>
#include <aibrix/layout.h>

/* The spec of AIBrix's own tests. */
static aibrix_layout_spec
new_spec(uint32_t layout)
{
	aibrix_layout_spec s = {.size = sizeof(s),
				.layout = layout,
				.block_tokens = 16,
				.layers = 8,
				.heads = 2,
				.head_size = 32};

	return s;
}

Test(layout, vectors_lie_where_aibrix_puts_them)
{
	static const struct {
		uint32_t layout, l, c, t, h;
		uint64_t byte;
	} vectors[] = {
		{AIBRIX_LAYOUT_LCND, 0, 0, 0, 0, 0},
		{AIBRIX_LAYOUT_LCND, 0, 0, 0, 1, 64},
		{AIBRIX_LAYOUT_LCND, 0, 0, 1, 0, 128},
		{AIBRIX_LAYOUT_LCND, 0, 1, 0, 0, 2048},
		{AIBRIX_LAYOUT_LCND, 1, 0, 0, 0, 4096},
		{AIBRIX_LAYOUT_LCND, 3, 1, 5, 1, 15040},
		{AIBRIX_LAYOUT_LCND, 7, 1, 15, 1, 32704},
		{AIBRIX_LAYOUT_NCLD, 0, 0, 0, 1, 64},
		{AIBRIX_LAYOUT_NCLD, 1, 0, 0, 0, 128},
		{AIBRIX_LAYOUT_NCLD, 0, 1, 0, 0, 1024},
		{AIBRIX_LAYOUT_NCLD, 0, 0, 1, 0, 2048},
		{AIBRIX_LAYOUT_NCLD, 3, 1, 5, 1, 11712},
		{AIBRIX_LAYOUT_NCLD, 7, 1, 15, 1, 32704},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		aibrix_layout_spec spec = new_spec(vectors[i].layout);
		aibrix_layout_box box = {vectors[i].l, 1, vectors[i].c, 1,
					 vectors[i].t, 1, vectors[i].h, 1};
		aibrix_layout_run run;
		uint64_t at = 0;
		uint32_t n;

		cr_assert_eq(aibrix_layout_runs(&spec, &box, &at, &run, 1, &n),
			     AIBRIX_OK);
		cr_expect_eq(run.block_offset, vectors[i].byte, "vector %zu",
			     i);
		cr_expect_eq(run.bytes, 64u);
	}
}

Test(layout, blocks_have_the_bytes_of_aibrix)
{
	aibrix_layout_spec spec = new_spec(AIBRIX_LAYOUT_LCND);
	aibrix_layout_size size = {.size = sizeof(size)};

	cr_assert_eq(aibrix_layout_sizes(&spec, &size), AIBRIX_OK);
	cr_expect_eq(size.block_bytes, 32768u);
	spec.layers = 32;
	spec.heads = 8;
	spec.head_size = 128;
	cr_assert_eq(aibrix_layout_sizes(&spec, &size), AIBRIX_OK);
	cr_expect_eq(size.block_bytes, 2097152u);
	cr_expect_eq(size.token_bytes, 131072u);
}

Test(layout, extended_values_have_the_bytes_of_aibrix)
{
	static const uint64_t sizes[][3] = {
		{16, 57, 256}, {32768, 16, 32848}, {32768, 32, 32912},
		{16, 0, 32},   {20, 0, 32},        {21, 0, 48},
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes = 0;

		cr_expect_eq(aibrix_layout_trailer_bytes(sizes[i][0],
							 sizes[i][1], &bytes),
			     AIBRIX_OK);
		cr_expect_eq(bytes, sizes[i][2]);
	}
}

/* A block of 4 bytes behind 2 tokens, with 3 of its own. */
static const uint8_t extended[] = {
	'k', 'v', 'k', 'v', 0x42, 0x1c, 0x7f, 0x3a, 2,    0,    0,    0,
	3,   0,   0,   0,   0x01, 0x01, 0,    0,    0x02, 0,    0,    0,
	0,   0,   0,   0,   0x78, 0x56, 0x34, 0x12, 0xff, 0xff, 0xff, 0x7f,
	0,   0,   0,   0,   0,    0,    0,    0,    0,    0,    0,    0,
};

Test(layout, an_extended_value_is_that_of_aibrix)
{
	static const uint32_t tokens[] = {257, 2, 0, 0x12345678, INT32_MAX};
	uint8_t value[sizeof(extended)] = "kvkv";
	uint32_t got[5], prefix, query;
	uint64_t bytes;

	cr_assert_eq(aibrix_layout_trailer_write(value, sizeof(value), 4,
						 tokens, 2, tokens + 2, 3,
						 &bytes),
		     AIBRIX_OK);
	cr_assert_eq(bytes, sizeof(extended));
	cr_expect_eq(memcmp(value, extended, sizeof(extended)), 0);
	cr_assert_eq(aibrix_layout_trailer_read(extended, sizeof(extended), 4,
						got, 5, &prefix, &query),
		     AIBRIX_OK);
	cr_expect_eq(prefix, 2u);
	cr_expect_eq(query, 3u);
	cr_expect_eq(memcmp(got, tokens, sizeof(tokens)), 0);
}

/* Ids that AIBrix's vLLM connectors use: rank times heads per rank. */
Test(layout, shards_have_the_names_of_aibrix)
{
	static const struct {
		uint32_t heads, tp, tp_rank, pp, pp_rank;
		const char *id;
	} shards[] = {
		{8, 1, 0, 1, 0, "aibrix_h0_7_l0_31_lcnd16roc"},
		{8, 2, 1, 1, 0, "aibrix_h4_7_l0_31_lcnd16roc"},
		{8, 8, 7, 2, 1, "aibrix_h7_7_l16_31_lcnd16roc"},
		{2, 8, 5, 1, 0, "aibrix_h5_5_l0_31_lcnd16roc"},
	};

	for (size_t i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
		aibrix_layout_spec model = new_spec(AIBRIX_LAYOUT_LCND);
		aibrix_layout_ranks ranks = {.size = sizeof(ranks),
					     .tp = shards[i].tp,
					     .pp = shards[i].pp,
					     .tp_rank = shards[i].tp_rank,
					     .pp_rank = shards[i].pp_rank};
		aibrix_conn_opts opts = {.size = sizeof(opts),
					 .block_tokens = 16};
		char id[AIBRIX_CONN_ID_MAX + 1];
		aibrix_layout_shard s;
		uint64_t n;

		model.layers = 32;
		model.heads = shards[i].heads;
		cr_assert_eq(aibrix_layout_shard_of(&model, &ranks, &s),
			     AIBRIX_OK);
		opts.head_first = s.compat_head_first;
		opts.head_last = s.compat_head_first + s.heads - 1;
		opts.layer_first = s.layer_first;
		opts.layer_last = s.layer_first + s.layers - 1;
		cr_assert_eq(aibrix_conn_id(&opts, id, sizeof(id), &n),
			     AIBRIX_OK);
		cr_expect_str_eq(id, shards[i].id);
	}
}
