#include <criterion/criterion.h>

#include <aibrix/key_text.h>
#include <aibrix/layout.h>

/* The shape of an 8B model: 32 layers, 8 KV heads of 128, bf16. */
static aibrix_layout_spec
new_spec(void)
{
	aibrix_layout_spec s = {.size = sizeof(s),
				.block_tokens = 16,
				.layers = 32,
				.heads = 8,
				.head_size = 128};

	return s;
}

static aibrix_layout_size
sizes(const aibrix_layout_spec *spec)
{
	aibrix_layout_size size = {.size = sizeof(size)};

	cr_assert_eq(aibrix_layout_sizes(spec, &size), AIBRIX_OK);
	return size;
}

static int
refused(const aibrix_layout_spec *spec)
{
	aibrix_layout_size size = {.size = sizeof(size), .block_bytes = 77};
	int err = aibrix_layout_sizes(spec, &size);

	cr_expect_eq(size.block_bytes, err ? 77 : size.block_bytes);
	return err;
}

Test(layout, a_block_has_the_bytes_of_its_parts)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_size size = sizes(&spec);

	cr_expect_eq(size.parts, 2u);
	cr_expect_eq(size.vector_bytes, 256u);
	cr_expect_eq(size.token_bytes, 131072u);
	cr_expect_eq(size.layer_bytes, 65536u);
	cr_expect_eq(size.head_bytes, 262144u);
	cr_expect_eq(size.payload_bytes, 2097152u);
	cr_expect_eq(size.block_bytes, 2097152u);
}

Test(layout, strides_follow_the_order_of_dimensions)
{
	aibrix_layout_spec spec = new_spec();
	aibrix_layout_size size = sizes(&spec);

	cr_expect_eq(size.head_stride, 256u);
	cr_expect_eq(size.token_stride, 2048u);
	cr_expect_eq(size.part_stride, 32768u);
	cr_expect_eq(size.layer_stride, 65536u);

	spec.layout = AIBRIX_LAYOUT_NCLD;
	size = sizes(&spec);
	cr_expect_eq(size.head_stride, 256u);
	cr_expect_eq(size.layer_stride, 2048u);
	cr_expect_eq(size.part_stride, 65536u);
	cr_expect_eq(size.token_stride, 131072u);

	spec.layout = AIBRIX_LAYOUT_HLCND;
	size = sizes(&spec);
	cr_expect_eq(size.token_stride, 256u);
	cr_expect_eq(size.part_stride, 4096u);
	cr_expect_eq(size.layer_stride, 8192u);
	cr_expect_eq(size.head_stride, 262144u);
}

Test(layout, a_latent_has_one_part_and_no_heads)
{
	/* 61 layers of 576 bf16: 70 272 bytes a token */
	aibrix_layout_spec spec = {.size = sizeof(spec),
				   .flags = AIBRIX_LAYOUT_LATENT,
				   .block_tokens = 64,
				   .layers = 61,
				   .head_size = 576};
	aibrix_layout_size size = sizes(&spec);

	cr_expect_eq(size.parts, 1u);
	cr_expect_eq(size.token_bytes, 70272u);
	cr_expect_eq(size.block_bytes, 64u * 70272u);
	spec.heads = 1;
	cr_expect_eq(refused(&spec), AIBRIX_OK);
	spec.heads = 2;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	spec.heads = 1;
	spec.head_first = 1;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
}

Test(layout, quantised_vectors_carry_their_scales)
{
	aibrix_layout_spec spec = new_spec();

	spec.element_bits = 8;
	spec.head_aux_bytes = 4;
	spec.block_aux_bytes = 256;
	cr_expect_eq(sizes(&spec).vector_bytes, 132u);
	cr_expect_eq(sizes(&spec).payload_bytes, 132u * 2 * 32 * 16 * 8);
	cr_expect_eq(sizes(&spec).block_bytes, 132u * 2 * 32 * 16 * 8 + 256);
	spec.element_bits = 4;
	cr_expect_eq(sizes(&spec).vector_bytes, 68u);
	spec.head_size = 127;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL, "half a byte");
}

Test(layout, counts_have_limits)
{
	aibrix_layout_spec good = new_spec();
	const struct {
		size_t at;
		uint32_t most;
	} fields[] = {
		{offsetof(aibrix_layout_spec, block_tokens), 65536},
		{offsetof(aibrix_layout_spec, layers), 4096},
		{offsetof(aibrix_layout_spec, heads), 4096},
		{offsetof(aibrix_layout_spec, head_size), 65536},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const uint32_t wrong[] = {0, fields[i].most + 1, UINT32_MAX};

		for (size_t k = 0; k < 3; k++) {
			aibrix_layout_spec spec = good;

			memcpy((char *)&spec + fields[i].at, &wrong[k], 4);
			cr_expect_eq(refused(&spec), AIBRIX_E_INVAL,
				     "field %zu, %u", i, wrong[k]);
		}
	}
	good.layer_first = 4096 - 32;
	cr_expect_eq(refused(&good), AIBRIX_OK);
	good.layer_first = 4096 - 31;
	cr_expect_eq(refused(&good), AIBRIX_E_INVAL);
	good.layer_first = UINT32_MAX - 3;
	cr_expect_eq(refused(&good), AIBRIX_E_INVAL);
}

Test(layout, a_block_is_at_most_a_tebibyte)
{
	/* 2^12 layers, 2^12 heads, 2 parts, 2^7 bytes: 2^32 a token */
	aibrix_layout_spec spec = {.size = sizeof(spec),
				   .block_tokens = 256,
				   .layers = 4096,
				   .heads = 4096,
				   .head_size = 64};

	cr_expect_eq(sizes(&spec).block_bytes, AIBRIX_LAYOUT_BYTES_MAX);
	spec.block_aux_bytes = 1;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	spec.block_tokens = 65536;
	spec.head_size = 65536;
	spec.element_bits = 64;
	spec.head_aux_bytes = 65536;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
}

Test(layout, unknown_values_are_refused)
{
	aibrix_layout_spec spec = new_spec();

	spec.layout = 3;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	spec = new_spec();
	spec.element_bits = 12;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	spec = new_spec();
	spec.flags = 2;
	cr_expect_eq(refused(&spec), AIBRIX_E_ABI);
	spec = new_spec();
	spec.head_aux_bytes = 65537;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	spec = new_spec();
	spec.size = 8;
	cr_expect_eq(refused(&spec), AIBRIX_E_INVAL);
	cr_expect_eq(refused(NULL), AIBRIX_E_INVAL);
	spec = new_spec();
	cr_expect_eq(aibrix_layout_sizes(&spec, NULL), AIBRIX_E_INVAL);
}

Test(layout, layouts_have_the_numbers_of_connection_ids)
{
	cr_expect_eq((int)AIBRIX_LAYOUT_LCND, (int)AIBRIX_CONN_LCND);
	cr_expect_eq((int)AIBRIX_LAYOUT_NCLD, (int)AIBRIX_CONN_NCLD);
}
