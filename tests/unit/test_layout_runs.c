#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/layout.h>

enum { RUNS = 256 };

static aibrix_layout_run runs[RUNS];

/* 8 layers, 2 heads of 32, bf16, 16 tokens: 32 768 bytes, pieces of 2048. */
static aibrix_layout_spec
new_spec(void)
{
	aibrix_layout_spec s = {.size = sizeof(s),
				.block_tokens = 16,
				.layers = 8,
				.heads = 2,
				.head_size = 32};

	return s;
}

/* Each layer a tensor [2, blocks, 16, 2, 32]: K and V apart. */
static aibrix_layout_engine
new_engine(uint32_t blocks)
{
	aibrix_layout_engine e = {
		.size = sizeof(e),
		.flags = AIBRIX_LAYOUT_LAYER_REGIONS,
		.blocks = blocks,
		.block_tokens = 16,
		.layers = 8,
		.heads = 2,
		.part_stride = (uint64_t)blocks * 2048,
		.block_stride = 2048,
		.token_stride = 128,
		.head_stride = 64,
		.region_bytes = (uint64_t)blocks * 4096,
	};

	return e;
}

static uint32_t
box_runs(const aibrix_layout_spec *spec, const aibrix_layout_box *box)
{
	uint64_t at = 0;
	uint32_t n;

	cr_assert_eq(aibrix_layout_runs(spec, box, &at, runs, RUNS, &n),
		     AIBRIX_OK);
	cr_assert_eq(at, AIBRIX_LAYOUT_END);
	return n;
}

static uint32_t
copy_runs(const aibrix_layout_spec *spec, const aibrix_layout_engine *engine,
	  const int64_t *slots, uint32_t tokens)
{
	uint64_t at = 0;
	uint32_t n;

	cr_assert_eq(aibrix_layout_copy_runs(spec, engine, NULL, slots, tokens,
					     &at, runs, RUNS, &n),
		     AIBRIX_OK);
	cr_assert_eq(at, AIBRIX_LAYOUT_END);
	return n;
}

static int
copy_fails(const aibrix_layout_spec *spec, const aibrix_layout_engine *engine,
	   const aibrix_layout_box *box, const int64_t *slots, uint32_t tokens)
{
	uint64_t at = 0;
	uint32_t n = 77;
	int err = aibrix_layout_copy_runs(spec, engine, box, slots, tokens, &at,
					  runs, RUNS, &n);

	if (err) {
		cr_expect_eq(n, 77u);
		cr_expect_eq(at, 0u);
	}
	return err;
}

static void
expect_run(uint32_t i, uint32_t block, uint64_t block_offset, uint32_t region,
	   uint64_t other_offset, uint64_t bytes)
{
	cr_expect_eq(runs[i].block, block, "run %u", i);
	cr_expect_eq(runs[i].block_offset, block_offset, "run %u", i);
	cr_expect_eq(runs[i].region, region, "run %u", i);
	cr_expect_eq(runs[i].other_offset, other_offset, "run %u", i);
	cr_expect_eq(runs[i].bytes, bytes, "run %u", i);
}

Test(layout_runs, a_whole_block_is_one_run)
{
	const aibrix_layout_box all = {0, 8, 0, 2, 0, 16, 0, 2};
	aibrix_layout_spec spec = new_spec();

	spec.block_aux_bytes = 12;
	for (spec.layout = 0; spec.layout < 3; spec.layout++) {
		cr_assert_eq(box_runs(&spec, NULL), 1u);
		expect_run(0, 0, 0, 0, 0, 32780);
		cr_assert_eq(box_runs(&spec, &all), 1u);
		expect_run(0, 0, 0, 0, 0, 32768);
	}
}

Test(layout_runs, a_layer_is_one_run_where_layers_are_slowest)
{
	const aibrix_layout_box box = {5, 1, 0, 2, 0, 16, 0, 2};
	aibrix_layout_spec spec = new_spec();

	cr_assert_eq(box_runs(&spec, &box), 1u);
	expect_run(0, 0, 5 * 4096, 0, 0, 4096);
	spec.layout = AIBRIX_LAYOUT_NCLD;
	cr_assert_eq(box_runs(&spec, &box), 32u);
	expect_run(0, 0, 5 * 128, 0, 0, 128);
	expect_run(1, 0, 1024 + 5 * 128, 0, 128, 128);
	expect_run(31, 0, 31 * 1024 + 5 * 128, 0, 31 * 128, 128);
}

Test(layout_runs, a_head_is_one_run_where_heads_are_slowest)
{
	const aibrix_layout_box box = {0, 8, 0, 2, 0, 16, 1, 1};
	aibrix_layout_spec spec = new_spec();

	spec.layout = AIBRIX_LAYOUT_HLCND;
	cr_assert_eq(box_runs(&spec, &box), 1u);
	expect_run(0, 0, 16384, 0, 0, 16384);
	spec.layout = AIBRIX_LAYOUT_LCND;
	cr_assert_eq(box_runs(&spec, &box), 256u);
	expect_run(255, 0, 255 * 128 + 64, 0, 255 * 64, 64);
}

Test(layout_runs, layers_and_heads_are_named_by_their_ids)
{
	const aibrix_layout_box box = {41, 1, 1, 1, 0, 16, 2, 2};
	aibrix_layout_spec spec = new_spec();

	spec.layer_first = 40;
	spec.head_first = 2;
	cr_assert_eq(box_runs(&spec, &box), 1u);
	expect_run(0, 0, 4096 + 2048, 0, 0, 2048);
}

Test(layout_runs, an_empty_box_or_one_that_leaves_the_block_is_refused)
{
	static const aibrix_layout_box wrong[] = {
		{0, 0, 0, 2, 0, 16, 0, 2},
		{0, 9, 0, 2, 0, 16, 0, 2},
		{8, 1, 0, 2, 0, 16, 0, 2},
		{0, 8, 0, 3, 0, 16, 0, 2},
		{0, 8, 2, 1, 0, 16, 0, 2},
		{0, 8, 0, 2, 0, 17, 0, 2},
		{0, 8, 0, 2, 15, 2, 0, 2},
		{0, 8, 0, 2, 0, 0, 0, 2},
		{0, 8, 0, 2, 0, 16, 2, 1},
		{0, 8, 0, 2, 0, 16, 0, UINT32_MAX},
		{UINT32_MAX, 2, 0, 2, 0, 16, 0, 2},
	};
	aibrix_layout_spec spec = new_spec();
	uint64_t at = 0;
	uint32_t n = 77;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(aibrix_layout_runs(&spec, &wrong[i], &at, runs,
						RUNS, &n),
			     AIBRIX_E_INVAL, "box %zu", i);
	cr_expect_eq(n, 77u);
	cr_expect_eq(at, 0u);
}

/* AIBrix's handle for GPU-direct: of 139 slots the first 128 are 8 blocks of
 * 16 pieces, K0 V0 K1 V1 and so on. */
Test(layout_runs, blocks_of_an_engine_are_pieces_of_layers_and_parts)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(64);
	int64_t slots[139];
	uint64_t bytes = 0;
	uint32_t n;

	for (int64_t i = 0; i < 139; i++)
		slots[i] = (40 - i / 16) * 16 + i % 16;
	n = copy_runs(&spec, &engine, slots, 128);

	cr_assert_eq(n, 8u * 16);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t block = i / 16, layer = i % 16 / 2, part = i % 2;

		expect_run(i, block, (i % 16) * 2048u, layer,
			   part * 64u * 2048u + (40u - block) * 2048u, 2048);
		bytes += runs[i].bytes;
	}
	cr_expect_eq(bytes, 8u * 32768);
}

Test(layout_runs, a_cross_layer_engine_has_one_run_for_each_block)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = {.size = sizeof(engine),
				       .blocks = 4,
				       .block_tokens = 16,
				       .layers = 8,
				       .heads = 2,
				       .layer_stride = 4096,
				       .part_stride = 2048,
				       .block_stride = 32768,
				       .token_stride = 128,
				       .head_stride = 64,
				       .region_bytes = 4 * 32768};
	int64_t slots[32];

	for (int64_t i = 0; i < 32; i++)
		slots[i] = (i < 16 ? 48 : 16) + i % 16;
	cr_assert_eq(copy_runs(&spec, &engine, slots, 32), 2u);
	expect_run(0, 0, 0, 0, 3 * 32768, 32768);
	expect_run(1, 1, 0, 0, 32768, 32768);
}

Test(layout_runs, a_negative_slot_and_what_the_last_block_lacks_are_skipped)
{
	/* 4 bytes a vector, 3 tokens a block, one layer, one head */
	aibrix_layout_spec spec = {.size = sizeof(spec),
				   .block_tokens = 3,
				   .layers = 1,
				   .heads = 1,
				   .head_size = 2};
	aibrix_layout_engine engine = {.size = sizeof(engine),
				       .blocks = 2,
				       .block_tokens = 4,
				       .layers = 1,
				       .heads = 1,
				       .part_stride = 32,
				       .block_stride = 16,
				       .token_stride = 4,
				       .region_bytes = 64};
	const int64_t slots[] = {1, -1, 2, 3, 4};

	/* Slots 3 and 4 touch though they are in two blocks of the engine. */
	cr_assert_eq(copy_runs(&spec, &engine, slots, 5), 6u);
	expect_run(0, 0, 0, 0, 4, 4);
	expect_run(1, 0, 8, 0, 8, 4);
	expect_run(2, 0, 12, 0, 36, 4);
	expect_run(3, 0, 20, 0, 40, 4);
	expect_run(4, 1, 0, 0, 12, 8);
	expect_run(5, 1, 12, 0, 44, 8);
	cr_expect_eq(copy_runs(&spec, &engine, slots, 0), 0u);
}

/* [blocks, 16, heads, 2 * 32]: K and V of a head side by side. */
Test(layout_runs, strides_tell_interleaved_parts_from_heads)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(2);
	const int64_t slots[] = {16, 17};

	engine.block_stride = 16 * 256;
	engine.token_stride = 256;
	engine.head_stride = 128;
	engine.part_stride = 64;
	cr_assert_eq(copy_runs(&spec, &engine, slots, 2), 64u);
	expect_run(0, 0, 0, 0, 4096, 64);
	expect_run(1, 0, 64, 0, 4096 + 128, 64);
	expect_run(2, 0, 128, 0, 4096 + 256, 64);
	expect_run(4, 0, 2048, 0, 4096 + 64, 64);
}

Test(layout_runs, parts_may_be_regions_of_their_own)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(2);
	const int64_t slots[] = {3};

	engine.flags = AIBRIX_LAYOUT_LAYER_REGIONS | AIBRIX_LAYOUT_PART_REGIONS;
	engine.part_stride = 0;
	engine.region_bytes = 4096;
	cr_assert_eq(copy_runs(&spec, &engine, slots, 1), 16u);
	expect_run(0, 0, 0, 0, 3 * 128, 128);
	expect_run(1, 0, 2048, 1, 3 * 128, 128);
	expect_run(15, 0, 15 * 2048, 15, 3 * 128, 128);
}

Test(layout_runs, a_rank_takes_its_heads_and_layers_out_of_a_larger_block)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(2);
	const int64_t slots[] = {0};

	engine.layer_first = 6;
	engine.head_first = 1;
	engine.heads = 1;
	/* Layers 6 and 7, head 1, K and V. */
	cr_assert_eq(copy_runs(&spec, &engine, slots, 1), 4u);
	expect_run(0, 0, 6 * 4096 + 64, 0, 0, 64);
	expect_run(1, 0, 6 * 4096 + 2048 + 64, 0, 4096, 64);
	expect_run(2, 0, 7 * 4096 + 64, 1, 0, 64);
	engine.layer_first = 8;
	cr_expect_eq(copy_runs(&spec, &engine, slots, 1), 0u);
}

Test(layout_runs, a_slot_beyond_the_engine_is_refused)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(2);
	int64_t slots[] = {31, 32};

	cr_expect_eq(copy_fails(&spec, &engine, NULL, slots, 1), AIBRIX_OK);
	cr_expect_eq(copy_fails(&spec, &engine, NULL, slots, 2),
		     AIBRIX_E_INVAL);
	slots[1] = INT64_MAX;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, slots, 2),
		     AIBRIX_E_INVAL);
	slots[1] = INT64_MIN;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, slots, 2), AIBRIX_OK);
	cr_expect_eq(copy_fails(&spec, &engine, NULL, NULL, 1), AIBRIX_E_INVAL);
}

Test(layout_runs, strides_under_which_vectors_overlap_or_leave_are_refused)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(4);
	const int64_t slot = 0;

	engine.region_bytes--;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1),
		     AIBRIX_E_INVAL);
	engine = new_engine(4);
	engine.head_stride = 63;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1),
		     AIBRIX_E_INVAL);
	engine = new_engine(4);
	engine.part_stride = 0;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1),
		     AIBRIX_E_INVAL);
	engine = new_engine(4);
	engine.block_stride = UINT64_MAX / 2;
	engine.region_bytes = UINT64_MAX;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1),
		     AIBRIX_E_INVAL);
	engine = new_engine(4);
	engine.flags = 4;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1), AIBRIX_E_ABI);
	engine = new_engine(4);
	engine.blocks = 0;
	cr_expect_eq(copy_fails(&spec, &engine, NULL, &slot, 1),
		     AIBRIX_E_INVAL);
}

Test(layout_runs, a_box_that_leaves_the_engine_is_refused)
{
	aibrix_layout_box box = {2, 2, 0, 2, 0, 16, 0, 2};
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_engine engine = new_engine(4);
	const int64_t slot = 0;

	engine.layers = 4;
	cr_expect_eq(copy_fails(&spec, &engine, &box, &slot, 1), AIBRIX_OK);
	box.layers = 3;
	cr_expect_eq(copy_fails(&spec, &engine, &box, &slot, 1),
		     AIBRIX_E_INVAL);
}

Test(layout_runs, a_cursor_goes_on_where_the_array_ended)
{
	const aibrix_layout_box box = {5, 1, 0, 2, 0, 16, 0, 2};
	aibrix_layout_spec spec = new_spec();
	uint64_t at = 0;
	uint32_t n;

	spec.layout = AIBRIX_LAYOUT_NCLD;
	cr_assert_eq(aibrix_layout_runs(&spec, &box, &at, runs, 31, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 31u);
	cr_expect_neq(at, AIBRIX_LAYOUT_END);
	cr_assert_eq(aibrix_layout_runs(&spec, &box, &at, runs, 31, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1u);
	expect_run(0, 0, 31 * 1024 + 5 * 128, 0, 31 * 128, 128);
	cr_expect_eq(at, AIBRIX_LAYOUT_END);
	cr_assert_eq(aibrix_layout_runs(&spec, &box, &at, runs, 31, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0u);
	at = 1000000;
	cr_expect_eq(aibrix_layout_runs(&spec, &box, &at, runs, 31, &n),
		     AIBRIX_E_INVAL);
	at = 0;
	cr_expect_eq(aibrix_layout_runs(&spec, &box, &at, runs, 0, &n),
		     AIBRIX_E_INVAL);
}

Test(layout_runs, what_cannot_be_made_of_another_block_says_why)
{
	aibrix_layout_spec to = new_spec(), from = new_spec();
	uint32_t why = 77, n = 77;
	uint64_t at = 0;

	from.block_tokens = 32;
	cr_expect_eq(
		aibrix_layout_map_runs(&to, &from, &why, &at, runs, RUNS, &n),
		AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(why, (uint32_t)AIBRIX_LAYOUT_WHY_TOKENS);
	from = new_spec();
	from.element_bits = 8;
	from.head_size = 64; /* as many bytes, other elements */
	cr_expect_eq(
		aibrix_layout_map_runs(&to, &from, &why, &at, runs, RUNS, &n),
		AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(why, (uint32_t)AIBRIX_LAYOUT_WHY_VECTOR);
	from = new_spec();
	from.flags = AIBRIX_LAYOUT_LATENT;
	from.heads = 1;
	cr_expect_eq(
		aibrix_layout_map_runs(&to, &from, NULL, &at, runs, RUNS, &n),
		AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(n, 77u);
	cr_expect_eq(at, 0u);
}

Test(layout_runs, aux_bytes_go_along_with_the_same_layers_and_heads)
{
	aibrix_layout_spec to = new_spec(), from = new_spec();
	uint64_t at = 0;
	uint32_t why, n;

	to.block_aux_bytes = from.block_aux_bytes = 64;
	from.layout = AIBRIX_LAYOUT_NCLD;
	cr_assert_eq(
		aibrix_layout_map_runs(&to, &from, &why, &at, runs, RUNS, &n),
		AIBRIX_OK);
	cr_expect_eq(why, (uint32_t)AIBRIX_LAYOUT_WHY_NONE);
	cr_assert_eq(at, AIBRIX_LAYOUT_END);
	cr_assert_eq(n, 256u);
	/* The last vector is last in both, so that they touch. */
	expect_run(255, 0, 32640, 0, 32640, 192);

	at = 0;
	from.layout = AIBRIX_LAYOUT_LCND;
	cr_assert_eq(
		aibrix_layout_map_runs(&to, &from, &why, &at, runs, RUNS, &n),
		AIBRIX_OK);
	cr_assert_eq(n, 1u);
	expect_run(0, 0, 0, 0, 0, 32832);

	at = 0;
	to.heads = 1;
	cr_expect_eq(
		aibrix_layout_map_runs(&to, &from, &why, &at, runs, RUNS, &n),
		AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(why, (uint32_t)AIBRIX_LAYOUT_WHY_AUX);
}

Test(layout_runs, a_wrong_run_is_found_before_the_first_byte_moves)
{
	uint8_t from[8] = "abcdefg", to[8] = "-------";
	void *block[] = {to, NULL}, *region[] = {from};
	aibrix_layout_memory m = {.size = sizeof(m),
				  .blocks = 2,
				  .regions = 1,
				  .block_bytes = 8,
				  .region_bytes = 8,
				  .block = block,
				  .region = region};
	static const aibrix_layout_run wrong[] = {
		{1, 0, 8, 0, 0},          {0, 1, 8, 0, 0},
		{UINT64_MAX, 0, 2, 0, 0}, {0, UINT64_MAX, 2, 0, 0},
		{0, 0, UINT64_MAX, 0, 0}, {0, 0, 1, 1, 0},
		{0, 0, 1, 2, 0},          {0, 0, 1, 0, 1},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		aibrix_layout_run list[2] = {{0, 0, 3, 0, 0}, wrong[i]};

		cr_expect_eq(aibrix_layout_gather(&m, list, 2), AIBRIX_E_INVAL,
			     "run %zu", i);
		cr_expect_eq(aibrix_layout_scatter(&m, list, 2),
			     AIBRIX_E_INVAL);
	}
	cr_expect_str_eq((char *)to, "-------");
	cr_expect_str_eq((char *)from, "abcdefg");
	cr_expect_eq(aibrix_layout_gather(&m, NULL, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_layout_gather(&m, NULL, 1), AIBRIX_E_INVAL);
	m.flags = 1;
	cr_expect_eq(aibrix_layout_gather(&m, NULL, 0), AIBRIX_E_ABI);
}
