/*
 * The part of msgpack (github.com/msgpack/msgpack/blob/master/spec.md) that
 * events are made of.
 *
 * Skipping counts the values still owed instead of keeping a stack: no depth
 * can exhaust anything, so nesting needs no limit.  A head may announce 2^32
 * elements; since each takes a byte, a debt above the bytes left ends the
 * skip before it begins.
 */

#include "event/event_msgpack.h"

#include <string.h>

/* Tags 0xc0 to 0xdf: what follows the tag is a number of width bytes, the
 * value itself or the length of what comes behind. */
static const struct form {
	uint8_t kind, width, add; /* add: to the length */
} forms[32] = {
	{VALUE_NIL, 0, 0},  {0, 0xff, 0},        {VALUE_BOOL, 0, 0},
	{VALUE_BOOL, 0, 1}, {VALUE_BIN, 1, 0},   {VALUE_BIN, 2, 0},
	{VALUE_BIN, 4, 0},  {VALUE_EXT, 1, 1},   {VALUE_EXT, 2, 1},
	{VALUE_EXT, 4, 1},  {VALUE_FLOAT, 4, 0}, {VALUE_FLOAT, 8, 0},
	{VALUE_UINT, 1, 0}, {VALUE_UINT, 2, 0},  {VALUE_UINT, 4, 0},
	{VALUE_UINT, 8, 0}, {VALUE_INT, 1, 0},   {VALUE_INT, 2, 0},
	{VALUE_INT, 4, 0},  {VALUE_INT, 8, 0},   {VALUE_EXT, 0, 2},
	{VALUE_EXT, 0, 3},  {VALUE_EXT, 0, 5},   {VALUE_EXT, 0, 9},
	{VALUE_EXT, 0, 17}, {VALUE_STR, 1, 0},   {VALUE_STR, 2, 0},
	{VALUE_STR, 4, 0},  {VALUE_ARRAY, 2, 0}, {VALUE_ARRAY, 4, 0},
	{VALUE_MAP, 2, 0},  {VALUE_MAP, 4, 0},
};

static uint64_t
be_load(const uint8_t *p, size_t n)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		x = x << 8 | p[i];
	return x;
}

static double
real_of(uint64_t bits, size_t width)
{
	uint32_t half = (uint32_t)bits;
	float narrow;
	double wide;

	if (width == sizeof(narrow)) {
		memcpy(&narrow, &half, sizeof(narrow));
		return (double)narrow;
	}
	memcpy(&wide, &bits, sizeof(wide));
	return wide;
}

int
aibrix__form_read(struct cursor *c, uint8_t tag, struct value *v)
{
	const struct form *form = &forms[tag & 31];
	uint64_t x;

	if (cursor_left(c) < form->width)
		return 0; /* also 0xc1, which is never used */
	x = be_load(c->at, form->width);
	c->at += form->width;
	v->kind = (enum value_kind)form->kind;
	switch (v->kind) {
	case VALUE_NIL: break;
	case VALUE_BOOL: v->number = form->add; break;
	case VALUE_UINT: v->number = x; break;
	case VALUE_INT:
		if (form->width < sizeof(x) && x >> (8 * form->width - 1))
			x |= UINT64_MAX << (8 * form->width);
		v->number = x;
		v->kind = x >> 63 ? VALUE_INT : VALUE_UINT;
		break;
	case VALUE_FLOAT: v->real = real_of(x, form->width); break;
	case VALUE_STR:
	case VALUE_BIN:
	case VALUE_EXT: return bytes_take(c, v, x + form->add);
	case VALUE_ARRAY:
	case VALUE_MAP: v->n = (uint32_t)x; break;
	}
	return 1;
}

int
aibrix__values_skip(struct cursor *c, uint64_t n)
{
	struct value v;

	while (n) {
		if (n > cursor_left(c) || !value_read(c, &v))
			return 0;
		n--;
		if (v.kind == VALUE_ARRAY)
			n += v.n;
		else if (v.kind == VALUE_MAP)
			n += 2 * (uint64_t)v.n;
	}
	return 1;
}

int
aibrix__value_skip(struct cursor *c)
{
	return aibrix__values_skip(c, 1);
}
