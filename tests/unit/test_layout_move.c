#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/layout.h>

enum { TOKENS = 4, BLOCKS = 3, BYTES = 2 * 2 * TOKENS * 2 * 4 };

static const aibrix_layout_spec spec = {.size = sizeof(spec),
					.block_tokens = TOKENS,
					.layers = 2,
					.heads = 2,
					.head_size = 2};

/* Regions of each layer: part, block, token, head. */
static const aibrix_layout_engine engine = {
	.size = sizeof(engine),
	.flags = AIBRIX_LAYOUT_LAYER_REGIONS,
	.blocks = BLOCKS,
	.block_tokens = TOKENS,
	.layers = 2,
	.heads = 2,
	.part_stride = BLOCKS * TOKENS * 8,
	.block_stride = TOKENS * 8,
	.token_stride = 8,
	.head_stride = 4,
	.region_bytes = 2 * BLOCKS * TOKENS * 8};

struct world {
	uint8_t region[2][2 * BLOCKS * TOKENS * 8];
	uint8_t block[BLOCKS][BYTES];
	void *regions[2], *blocks[BLOCKS];
	aibrix_layout_memory memory;
};

static uint8_t
byte_of(uint32_t layer, uint64_t at)
{
	return (uint8_t)(layer * 113 + at * 7 + 1);
}

static void
world_make(struct world *w)
{
	for (uint32_t l = 0; l < 2; l++)
		for (uint32_t i = 0; i < sizeof(w->region[l]); i++)
			w->region[l][i] = byte_of(l, i);
	memset(w->block, 0, sizeof(w->block));
	w->regions[0] = w->region[0];
	w->regions[1] = w->region[1];
	for (uint32_t i = 0; i < BLOCKS; i++)
		w->blocks[i] = w->block[i];
	w->memory = (aibrix_layout_memory){.size = sizeof(w->memory),
					   .blocks = BLOCKS,
					   .regions = 2,
					   .block_bytes = BYTES,
					   .region_bytes = engine.region_bytes,
					   .block = w->blocks,
					   .region = w->regions};
}

/* Both heads of a token are those that were elsewhere. */
static void
vector_expect(const struct world *w, uint32_t layer, uint64_t at, uint64_t was)
{
	for (uint32_t i = 0; i < 8; i++)
		cr_assert_eq(w->region[layer][at + i], byte_of(layer, was + i));
}

Test(layout_move, what_was_saved_is_loaded_into_other_slots)
{
	static const int64_t from[] = {5, 4, 7, 6, 0, 1},
			     to[] = {8, 9, 10, 11, 2, 3};
	struct world w;

	world_make(&w);
	cr_assert_eq(
		aibrix_layout_save(&spec, &engine, NULL, from, 6, &w.memory),
		AIBRIX_OK);
	cr_assert_eq(aibrix_layout_load(&spec, &engine, NULL, to, 6, &w.memory),
		     AIBRIX_OK);
	for (uint64_t t = 0; t < 6; t++)
		for (uint32_t i = 0; i < 4; i++) {
			uint64_t part = i % 2 * engine.part_stride;

			vector_expect(&w, i / 2, part + (uint64_t)to[t] * 8,
				      part + (uint64_t)from[t] * 8);
		}
}

Test(layout_move, a_block_that_is_missing_is_left_out)
{
	static const int64_t slots[] = {0, 1, 2, 3, 4, 5, 6, 7};
	static const uint8_t zeros[BYTES];
	struct world w, all;

	world_make(&w);
	world_make(&all);
	w.blocks[0] = NULL;
	cr_assert_eq(
		aibrix_layout_save(&spec, &engine, NULL, slots, 8, &w.memory),
		AIBRIX_OK);
	cr_assert_eq(
		aibrix_layout_save(&spec, &engine, NULL, slots, 8, &all.memory),
		AIBRIX_OK);
	cr_expect_arr_eq(w.block[0], zeros, BYTES);
	cr_expect_arr_eq(w.block[1], all.block[1], BYTES);
}

/* Each of these, and nothing has been written. */
Test(layout_move, what_does_not_fit_is_refused_before_the_first_byte)
{
	static const int64_t slots[] = {0, 1, 2, 3, 12};
	static const uint8_t zeros[BYTES];
	struct world w;

	for (int i = 0; i < 7; i++) {
		uint32_t tokens = i == 0 ? 5 : 4;

		world_make(&w);
		switch (i) {
		case 1: w.memory.blocks = 0; break;
		case 2: w.memory.regions = 1; break;
		case 3: w.memory.block_bytes--; break;
		case 4: w.memory.region_bytes--; break;
		case 5: w.regions[1] = NULL; break;
		case 6: w.memory.block = NULL; break;
		default: break; /* the last slot is none */
		}
		cr_expect_eq(aibrix_layout_save(&spec, &engine, NULL, slots,
						tokens, &w.memory),
			     AIBRIX_E_INVAL, "case %d", i);
		cr_expect_arr_eq(w.block[0], zeros, BYTES);
	}
	world_make(&w);
	w.memory.flags = 1;
	cr_expect_eq(
		aibrix_layout_load(&spec, &engine, NULL, slots, 4, &w.memory),
		AIBRIX_E_ABI);
	cr_expect_eq(aibrix_layout_load(&spec, &engine, NULL, slots, 4, NULL),
		     AIBRIX_E_INVAL);
}

/* ---- texts */

static const char *
text_of(const aibrix_layout_spec *s)
{
	static char text[AIBRIX_LAYOUT_TEXT];

	cr_assert_eq(aibrix_layout_text(s, text), AIBRIX_OK);
	return text;
}

Test(layout_move, a_text_states_every_number)
{
	aibrix_layout_spec s = {.size = sizeof(s),
				.block_tokens = 16,
				.layers = 32,
				.heads = 8,
				.head_size = 128};

	cr_expect_str_eq(text_of(&s), "lcnd tokens=16 parts=2 layers=0+32 "
				      "heads=0+8 size=128 bits=16 aux=0,0");
	s = (aibrix_layout_spec){.size = sizeof(s),
				 .layout = AIBRIX_LAYOUT_NCLD,
				 .flags = AIBRIX_LAYOUT_LATENT,
				 .block_tokens = 64,
				 .layer_first = 30,
				 .layers = 31,
				 .head_size = 576,
				 .element_bits = 8,
				 .head_aux_bytes = 80,
				 .block_aux_bytes = 4};
	cr_expect_str_eq(text_of(&s), "ncld tokens=64 parts=1 layers=30+31 "
				      "heads=0+1 size=576 bits=8 aux=80,4");
	s.heads = 1;
	cr_expect_str_eq(text_of(&s), "ncld tokens=64 parts=1 layers=30+31 "
				      "heads=0+1 size=576 bits=8 aux=80,4");
}

Test(layout_move, the_longest_text_has_room)
{
	aibrix_layout_spec s = {
		.size = sizeof(s),
		.layout = AIBRIX_LAYOUT_HLCND,
		.block_tokens = 4096,
		.layer_first = 2095,
		.layers = 1001,
		.head_first = 4094,
		.heads = 1,
		.head_size = 65536,
		.element_bits = 8,
		.head_aux_bytes = 65536,
		.block_aux_bytes = 65536,
	};

	cr_expect_lt(strlen(text_of(&s)) + 16, (size_t)AIBRIX_LAYOUT_TEXT);
	s.head_size = 0;
	cr_expect_eq(aibrix_layout_text(&s, (char[AIBRIX_LAYOUT_TEXT]){0}),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_text(&spec, NULL), AIBRIX_E_INVAL);
}

Test(layout_move, each_number_that_differs_makes_another_text)
{
	aibrix_layout_spec s[12];
	char first[AIBRIX_LAYOUT_TEXT];

	for (int i = 0; i < 12; i++)
		s[i] = spec;
	s[1].layout = AIBRIX_LAYOUT_NCLD;
	s[2].layout = AIBRIX_LAYOUT_HLCND;
	s[3].block_tokens = 8;
	s[4].layer_first = 1;
	s[5].layers = 1;
	s[6].head_first = 1;
	s[7].heads = 1;
	s[8].head_size = 4;
	s[9].element_bits = 8;
	s[10].head_aux_bytes = 1;
	s[11].block_aux_bytes = 1;
	for (int i = 0; i < 12; i++) {
		strcpy(first, text_of(&s[i]));
		for (int k = 0; k < i; k++)
			cr_expect_str_neq(first, text_of(&s[k]));
	}
}

Test(layout_move, a_shard_is_a_part_of_its_model)
{
	aibrix_layout_shard shard = {.layer_first = 1, .layers = 1, .heads = 1};
	aibrix_layout_spec out = {.size = sizeof(out)};

	cr_assert_eq(aibrix_layout_narrow(&spec, &shard, &out), AIBRIX_OK);
	cr_expect_str_eq(text_of(&out), "lcnd tokens=4 parts=2 layers=1+1 "
					"heads=0+1 size=2 bits=16 aux=0,0");
	shard.layers = 2;
	cr_expect_eq(aibrix_layout_narrow(&spec, &shard, &out), AIBRIX_E_INVAL);
	shard.layers = 1;
	shard.head_first = 2;
	cr_expect_eq(aibrix_layout_narrow(&spec, &shard, &out), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_layout_narrow(&spec, NULL, &out), AIBRIX_E_INVAL);
}
