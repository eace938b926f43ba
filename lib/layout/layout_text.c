/*
 * What a block is, as a text, and the part of a model that a shard is.
 *
 * The text is an identity: who stores blocks puts it into their keys and
 * frames, and two descriptions whose blocks differ in a byte must differ in
 * it.  So it states every number by name, defaults included, and nothing
 * about the rank that holds the block: replicas of a head have one text.
 */

#include <string.h>

#include "base/versioned.h"
#include "layout/layout_internal.h"

struct text {
	char *at;
};

static void
text_add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	memcpy(t->at, s, n);
	t->at += n;
}

static void
text_number(struct text *t, const char *name, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	text_add(t, name);
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*t->at++ = digits[--n];
}

int
aibrix_layout_text(const aibrix_layout_spec *spec,
		   char text[AIBRIX_LAYOUT_TEXT])
{
	static const char *const orders[] = {
		[AIBRIX_LAYOUT_LCND] = "lcnd",
		[AIBRIX_LAYOUT_NCLD] = "ncld",
		[AIBRIX_LAYOUT_HLCND] = "hlcnd",
	};
	struct text t = {text};
	uint64_t elements;
	struct shape s;
	int err = text ? aibrix__layout_shape(spec, &s) : AIBRIX_E_INVAL;

	if (err)
		return err;
	elements = (s.vector_bytes - s.vector_aux_bytes) * 8 / s.element_bits;
	text_add(&t, orders[s.layout]);
	text_number(&t, " tokens=", s.extent[DIM_TOKEN]);
	text_number(&t, " parts=", s.extent[DIM_PART]);
	text_number(&t, " layers=", s.first[DIM_LAYER]);
	text_number(&t, "+", s.extent[DIM_LAYER]);
	text_number(&t, " heads=", s.first[DIM_HEAD]);
	text_number(&t, "+", s.extent[DIM_HEAD]);
	text_number(&t, " size=", elements);
	text_number(&t, " bits=", s.element_bits);
	text_number(&t, " aux=", s.vector_aux_bytes);
	text_number(&t, ",", s.aux_bytes);
	*t.at = '\0';
	return AIBRIX_OK;
}

int
aibrix_layout_narrow(const aibrix_layout_spec *model,
		     const aibrix_layout_shard *shard, aibrix_layout_spec *out)
{
	enum { SPEC_V1 = STRUCT_UPTO(aibrix_layout_spec, block_aux_bytes) };
	aibrix_layout_spec own;
	struct shape s;
	int err =
		shard && out ? aibrix__layout_shape(model, &s) : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__struct_load(&own, sizeof(own), model, SPEC_V1);
	if (err)
		return err;
	if (!range_within(shard->layer_first, shard->layers, s.first[DIM_LAYER],
			  s.extent[DIM_LAYER]) ||
	    !range_within(shard->head_first, shard->heads, s.first[DIM_HEAD],
			  s.extent[DIM_HEAD]))
		return AIBRIX_E_INVAL;
	own.layer_first = shard->layer_first;
	own.layers = shard->layers;
	own.head_first = shard->head_first;
	own.heads = shard->heads;
	return aibrix__struct_store(out, &own, sizeof(own), SPEC_V1);
}
