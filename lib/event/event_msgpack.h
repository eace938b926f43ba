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

/* One value; of an array or a map its head only.  0: the bytes end within it
 * or are no msgpack, and the cursor is anywhere. */
int aibrix__value_read(struct cursor *c, struct value *v);

/* Past one value with all that is in it; 0 as above. */
int aibrix__value_skip(struct cursor *c);

/* n values; 0 as above. */
int aibrix__values_skip(struct cursor *c, uint64_t n);

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

#endif
