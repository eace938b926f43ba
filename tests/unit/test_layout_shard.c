#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/layout.h>

static aibrix_layout_spec
new_model(uint32_t layers, uint32_t heads)
{
	aibrix_layout_spec s = {.size = sizeof(s),
				.block_tokens = 4,
				.layers = layers,
				.heads = heads,
				.head_size = 2};

	return s;
}

static aibrix_layout_ranks
new_ranks(uint32_t tp, uint32_t pp)
{
	aibrix_layout_ranks r = {.size = sizeof(r), .tp = tp, .pp = pp};

	return r;
}

static aibrix_layout_shard
shard_of(const aibrix_layout_spec *model, aibrix_layout_ranks ranks,
	 uint32_t tp_rank, uint32_t pp_rank)
{
	aibrix_layout_shard s;

	ranks.tp_rank = tp_rank;
	ranks.pp_rank = pp_rank;
	cr_assert_eq(aibrix_layout_shard_of(model, &ranks, &s), AIBRIX_OK);
	return s;
}

Test(layout_shard, heads_are_divided_among_ranks)
{
	aibrix_layout_spec model = new_model(32, 8);
	aibrix_layout_shard s = shard_of(&model, new_ranks(4, 2), 3, 1);

	cr_expect_eq(s.head_first, 6u);
	cr_expect_eq(s.heads, 2u);
	cr_expect_eq(s.layer_first, 16u);
	cr_expect_eq(s.layers, 16u);
	cr_expect_eq(s.writer, 3u);
	cr_expect_eq(s.compat_head_first, 6u);
	cr_expect_eq(s.tp_rank, 3u);
	cr_expect_eq(s.pp_rank, 1u);
}

Test(layout_shard, of_ranks_with_the_same_head_the_first_writes)
{
	aibrix_layout_spec model = new_model(1, 2);
	static const uint32_t head[] = {0, 0, 0, 0, 1, 1, 1, 1};

	for (uint32_t i = 0; i < 8; i++) {
		aibrix_layout_shard s = shard_of(&model, new_ranks(8, 1), i, 0);

		cr_expect_eq(s.head_first, head[i]);
		cr_expect_eq(s.heads, 1u);
		cr_expect_eq(s.writer, head[i] * 4);
		cr_expect_eq(s.compat_head_first, i);
	}
}

Test(layout_shard, a_latent_is_on_all_ranks_and_written_by_one)
{
	aibrix_layout_spec model = new_model(6, 0);

	model.flags = AIBRIX_LAYOUT_LATENT;
	for (uint32_t i = 0; i < 3; i++) {
		aibrix_layout_shard s = shard_of(&model, new_ranks(3, 2), i, 1);

		cr_expect_eq(s.head_first, 0u);
		cr_expect_eq(s.heads, 1u);
		cr_expect_eq(s.writer, 0u);
		cr_expect_eq(s.layer_first, 3u);
	}
}

Test(layout_shard, stages_may_have_their_own_numbers_of_layers)
{
	static const uint32_t stages[] = {8, 8, 7, 9};
	aibrix_layout_spec model = new_model(32, 8);
	aibrix_layout_ranks ranks = new_ranks(1, 4);
	aibrix_layout_shard s;

	ranks.pp_layers = stages;
	s = shard_of(&model, ranks, 0, 3);
	cr_expect_eq(s.layer_first, 23u);
	cr_expect_eq(s.layers, 9u);
}

Test(layout_shard, what_does_not_divide_is_not_guessed)
{
	static const uint32_t less[] = {8, 7}, more[] = {8, 9};
	static const uint32_t none[] = {16, 0}, huge[] = {UINT32_MAX, 17};
	static const uint32_t *const wrong[] = {less, more, none, huge};
	aibrix_layout_spec model = new_model(16, 8);
	aibrix_layout_ranks ranks = new_ranks(3, 1);
	aibrix_layout_shard s;

	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	ranks = new_ranks(12, 1);
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	ranks = new_ranks(1, 3);
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	for (size_t i = 0; i < 4; i++) {
		ranks = new_ranks(1, 2);
		ranks.pp_layers = wrong[i];
		cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
			     AIBRIX_E_INVAL, "stages %zu", i);
	}
}

Test(layout_shard, a_rank_is_below_its_degree)
{
	aibrix_layout_spec model = new_model(16, 8);
	aibrix_layout_ranks ranks = new_ranks(2, 2);
	aibrix_layout_shard s;

	ranks.tp_rank = 2;
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	ranks.tp_rank = 0;
	ranks.pp_rank = 2;
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	ranks = new_ranks(8192, 1);
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s),
		     AIBRIX_E_INVAL);
	ranks = new_ranks(1, 1);
	model.head_first = 1;
	cr_expect_eq(aibrix_layout_shard_of(&model, &ranks, &s), AIBRIX_E_INVAL,
		     "no whole model");
	model.head_first = 0;
	cr_expect_eq(aibrix_layout_shard_of(&model, NULL, &s), AIBRIX_OK);
	cr_expect_eq(s.heads, 8u);
	cr_expect_eq(aibrix_layout_shard_of(&model, NULL, NULL),
		     AIBRIX_E_INVAL);
}

static void
spec_take(aibrix_layout_spec *spec, const aibrix_layout_shard *shard)
{
	spec->layer_first = shard->layer_first;
	spec->layers = shard->layers;
	spec->head_first = shard->head_first;
	spec->heads = shard->heads;
}

Test(layout_shard, sources_are_the_writers_that_hold_what_is_wanted)
{
	aibrix_layout_spec model = new_model(4, 2), reader = model;
	aibrix_layout_ranks stored = new_ranks(4, 2);
	aibrix_layout_shard s[4];
	uint32_t n;

	reader.layer_first = 1;
	reader.layers = 2;
	cr_assert_eq(aibrix_layout_sources(&model, &stored, &reader, s, 4, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 4u);
	cr_expect_eq(s[0].tp_rank, 0u);
	cr_expect_eq(s[1].tp_rank, 2u);
	cr_expect_eq(s[1].head_first, 1u);
	cr_expect_eq(s[1].compat_head_first, 2u);
	cr_expect_eq(s[2].pp_rank, 1u);
	cr_expect_eq(s[2].layer_first, 2u);

	reader.head_first = 1;
	reader.heads = 1;
	reader.layers = 1;
	cr_assert_eq(aibrix_layout_sources(&model, &stored, &reader, s, 4, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1u);
	cr_expect_eq(s[0].tp_rank, 2u);
	cr_expect_eq(s[0].pp_rank, 0u);
}

Test(layout_shard, too_many_sources_are_counted)
{
	aibrix_layout_spec model = new_model(4, 4);
	aibrix_layout_ranks stored = new_ranks(4, 1);
	aibrix_layout_shard s[3];
	uint32_t n = 0;

	cr_expect_eq(
		aibrix_layout_sources(&model, &stored, &model, NULL, 0, &n),
		AIBRIX_E_SPACE);
	cr_expect_eq(n, 4u);
	cr_expect_eq(aibrix_layout_sources(&model, &stored, &model, s, 3, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(
		aibrix_layout_sources(&model, &stored, &model, NULL, 3, &n),
		AIBRIX_E_INVAL);
}

Test(layout_shard, a_reader_wants_what_the_model_has)
{
	aibrix_layout_spec model = new_model(4, 4), reader = model;
	aibrix_layout_ranks stored = new_ranks(2, 1);
	aibrix_layout_shard s[4];
	uint32_t n;

	reader.heads = 5;
	cr_expect_eq(aibrix_layout_sources(&model, &stored, &reader, s, 4, &n),
		     AIBRIX_E_INVAL);
	reader.heads = 4;
	reader.layer_first = 1;
	cr_expect_eq(aibrix_layout_sources(&model, &stored, &reader, s, 4, &n),
		     AIBRIX_E_INVAL);
	reader.layer_first = 0;
	reader.heads = 1;
	reader.flags = AIBRIX_LAYOUT_LATENT;
	cr_expect_eq(aibrix_layout_sources(&model, &stored, &reader, s, 4, &n),
		     AIBRIX_E_INVAL);
}

/* Byte of a value that belongs to layer, part, token, head and byte of its
 * vector, whatever shard it is in. */
static uint8_t
value_byte(uint32_t l, uint32_t c, uint32_t t, uint32_t h, uint32_t b)
{
	return (uint8_t)((((l * 2 + c) * 4 + t) * 8 + h) * 4 + b + l / 4 * 7);
}

/* The block of a shard, filled or compared through its strides. */
static uint32_t
shard_visit(const aibrix_layout_spec *s, uint8_t *block, int write)
{
	aibrix_layout_size size = {.size = sizeof(size)};
	uint32_t wrong = 0;

	cr_assert_eq(aibrix_layout_sizes(s, &size), AIBRIX_OK);
	for (uint32_t l = 0; l < s->layers; l++)
		for (uint32_t i = 0; i < 2 * 4 * s->heads * 4; i++) {
			uint32_t b = i % 4, h = i / 4 % s->heads;
			uint32_t t = i / 4 / s->heads % 4;
			uint32_t c = i / 4 / s->heads / 4;
			uint8_t *at = block + l * size.layer_stride +
				      c * size.part_stride +
				      t * size.token_stride +
				      h * size.head_stride + b;
			uint8_t x = value_byte(l + s->layer_first, c, t,
					       h + s->head_first, b);

			if (write)
				*at = x;
			wrong += *at != x;
		}
	return wrong;
}

/* Every stored degree can be read by every other, in every layout. */
static void
reshard(uint32_t layouts, uint32_t tp, uint32_t pp, uint32_t tp1, uint32_t pp1)
{
	aibrix_layout_spec model = new_model(8, 4), from = model, to = model;
	aibrix_layout_ranks stored = new_ranks(tp, pp);
	aibrix_layout_shard sources[64], mine;
	static aibrix_layout_run runs[1024];
	static uint8_t stored_block[4096], block[4096];
	void *blocks[] = {block}, *regions[] = {stored_block};
	aibrix_layout_memory m = {.size = sizeof(m),
				  .blocks = 1,
				  .regions = 1,
				  .block_bytes = sizeof(block),
				  .region_bytes = sizeof(stored_block),
				  .block = blocks,
				  .region = regions};
	uint32_t count, n;

	from.layout = layouts % 3;
	to.layout = layouts / 3;
	mine = shard_of(&model, new_ranks(tp1, pp1), tp1 - 1, pp1 / 2);
	spec_take(&to, &mine);
	memset(block, 0xee, sizeof(block));
	cr_assert_eq(aibrix_layout_sources(&model, &stored, &to, sources, 64,
					   &count),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = 0;

		cr_expect_eq(sources[i].writer, sources[i].tp_rank);
		spec_take(&from, &sources[i]);
		memset(stored_block, 0xdd, sizeof(stored_block));
		shard_visit(&from, stored_block, 1);
		cr_assert_eq(aibrix_layout_map_runs(&to, &from, NULL, &at, runs,
						    1024, &n),
			     AIBRIX_OK);
		cr_assert_eq(at, AIBRIX_LAYOUT_END);
		cr_expect_gt(n, 0u, "a source that holds nothing of it");
		cr_assert_eq(aibrix_layout_gather(&m, runs, n), AIBRIX_OK);
	}
	cr_expect_eq(shard_visit(&to, block, 0), 0u,
		     "layouts %u, tp %u pp %u read by tp %u pp %u", layouts, tp,
		     pp, tp1, pp1);
}

Test(layout_shard, what_one_degree_stored_another_can_read)
{
	static const uint32_t tp[] = {1, 2, 4, 8, 16}, pp[] = {1, 2, 4};

	for (uint32_t layouts = 0; layouts < 9; layouts++)
		for (uint32_t i = 0; i < 15; i++)
			for (uint32_t k = 0; k < 15; k++)
				reshard(layouts, tp[i % 5], pp[i / 5],
					tp[k % 5], pp[k / 5]);
}

/* Half of the heads of a block stored whole: one run where heads are slowest,
 * one for each token, part and layer where they are fastest. */
Test(layout_shard, heads_apart_make_resharding_one_run)
{
	aibrix_layout_spec from = new_model(8, 4), to = from;
	aibrix_layout_run runs[128];
	uint64_t at = 0;
	uint32_t n;

	to.head_first = 2;
	to.heads = 2;
	cr_assert_eq(
		aibrix_layout_map_runs(&to, &from, NULL, &at, runs, 128, &n),
		AIBRIX_OK);
	cr_expect_eq(n, 64u);
	at = 0;
	to.layout = from.layout = AIBRIX_LAYOUT_HLCND;
	cr_assert_eq(
		aibrix_layout_map_runs(&to, &from, NULL, &at, runs, 128, &n),
		AIBRIX_OK);
	cr_assert_eq(n, 1u);
	cr_expect_eq(runs[0].block_offset, 0u);
	cr_expect_eq(runs[0].other_offset, 512u);
	cr_expect_eq(runs[0].bytes, 512u);
}
