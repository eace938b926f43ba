/* Reading msgpack where it lies. */
#ifndef EVENT_MSGPACK_H
#define EVENT_MSGPACK_H

#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at, *end;
};

enum value_kind {
	VALUE_NIL,
	VALUE_BOOL,
	VALUE_UINT,
	VALUE_INT, /* below zero */
	VALUE_FLOAT,
	VALUE_STR,
	VALUE_BIN,
	VALUE_EXT,
	VALUE_ARRAY,
	VALUE_MAP
};

struct value {
	enum value_kind kind;
	uint32_t n;           /* bytes, elements or pairs */
	uint64_t number;      /* two's complement when below zero */
	const uint8_t *bytes; /* of STR, BIN, EXT */
	double real;
};

/* Past one value with all that is in it; 0 as above. */
int aibrix__value_skip(struct cursor *c);

/* n values; 0 as above. */
int aibrix__values_skip(struct cursor *c, uint64_t n);

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline int
bytes_take(struct cursor *c, struct value *v, uint64_t n)
{
	if (cursor_left(c) < n)
		return 0;
	v->n = (uint32_t)n;
	v->bytes = c->at;
	c->at += n;
	return 1;
}

/* What tag, 0xc0 to 0xdf, begins. */
int aibrix__form_read(struct cursor *c, uint8_t tag, struct value *v);

/* One value; of an array or a map its head only.  0: the bytes end within it
 * or are no msgpack, and the cursor is anywhere.  Only what belongs to the
 * kind is set. */
static inline int
value_read(struct cursor *c, struct value *v)
{
	uint8_t tag;

	if (c->at == c->end)
		return 0;
	tag = *c->at++;
	if (tag < 0x80 || tag >= 0xe0) {
		v->kind = tag < 0x80 ? VALUE_UINT : VALUE_INT;
		v->number = tag < 0x80 ? tag : UINT64_MAX - (0xff - tag);
	} else if (tag < 0xa0) {
		v->kind = tag < 0x90 ? VALUE_MAP : VALUE_ARRAY;
		v->n = tag & 15;
	} else if (tag < 0xc0) {
		v->kind = VALUE_STR;
		return bytes_take(c, v, tag & 31);
	} else {
		return aibrix__form_read(c, tag, v);
	}
	return 1;
}

#endif
