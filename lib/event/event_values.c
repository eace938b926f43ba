/*
 * Block hashes and token ids: nearly all bytes of a batch.
 *
 * A token costs 1, 2, 3 or 5 bytes, in an order that no branch predictor
 * learns: real vocabularies have twice 2^16 entries.  So the common forms
 * are read without a branch.  Of a tag t, which is below 0x80 (the number
 * itself) or one of 0xcc, 0xcd, 0xce (1, 2, 4 bytes follow), the width
 * follows as (t >> 7) << (t & 3), and the number is cut out of the 8 bytes
 * at the tag by two shifts.  What is slow is only the way from one tag to
 * the next; the cutting runs beside it.
 *
 * Everything else (signed and 64-bit forms, floats, the last bytes of a
 * batch) goes the general way, one element, and back.
 */

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "event/event_internal.h"

enum { WINDOW = 8 }; /* bytes that one token's cutting may look at */

static inline uint64_t
be64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline int
tag_common(unsigned tag)
{
	return tag < 0x80 || (tag >= 0xcc && tag <= 0xce);
}

/* Bytes behind a common tag. */
static inline size_t
tag_width(unsigned tag)
{
	return (size_t)(tag >> 7) << (tag & 3);
}

/* The number at the front of 8 bytes, where its tag is. */
static inline uint32_t
token_cut(uint64_t window, unsigned tag)
{
	unsigned wide = tag >> 7, log = tag & 3 & (0u - wide);

	return (uint32_t)(window << (8 * wide) >> (64 - (8u << log)));
}

/* Tokens up to n as long as they have a common form; how many.  Two at a
 * time: the first one's 8 bytes hold the second one's tag as well, which
 * saves waiting for memory once more. */
static size_t
tokens_run(struct cursor *c, uint32_t *out, size_t n)
{
	const uint8_t *at = c->at;
	size_t i = 0;

	while (i + 1 < n && c->end - at >= 2 * WINDOW) {
		uint64_t window = be64(at);
		unsigned first = *at, second;
		size_t width = tag_width(first);

		if (!tag_common(first))
			break;
		second = (unsigned)(window << 8 << (8 * width) >> 56);
		if (!tag_common(second))
			break;
		out[i++] = token_cut(window, first);
		at += 1 + width;
		out[i++] = token_cut(be64(at), second);
		at += 1 + tag_width(second);
	}
	for (; i < n && c->end - at >= WINDOW && tag_common(*at); i++) {
		out[i] = token_cut(be64(at), *at);
		at += 1 + tag_width(*at);
	}
	c->at = at;
	return i;
}

/* An integral number below 2^32, also as a float: AIBrix takes those. */
static int
token_of(const struct value *v, uint32_t *token)
{
	uint64_t x = v->number;

	if (v->kind == VALUE_FLOAT) {
		if (!(v->real >= 0 && v->real <= UINT32_MAX) ||
		    floor(v->real) < v->real)
			return 0;
		x = (uint64_t)v->real;
	} else if (v->kind != VALUE_UINT) {
		return 0;
	}
	*token = (uint32_t)x;
	return x <= UINT32_MAX;
}

enum outcome
aibrix__tokens_read(aibrix_event_decoder *d, struct cursor *c, struct fields *f)
{
	struct value v;
	size_t n, i = 0;

	f->n_tokens = 0;
	if (!value_read(c, &v))
		return MALFORMED;
	if (v.kind == VALUE_NIL)
		return TAKEN;
	if (v.kind != VALUE_ARRAY || v.n > cursor_left(c))
		return MALFORMED;
	n = v.n;
	if (!n)
		return TAKEN;
	if (aibrix__grow(&d->alloc, &d->tokens, &d->tokens_cap, n,
			 sizeof(*d->tokens)) != AIBRIX_OK)
		return NO_MEMORY;
	for (;;) {
		i += tokens_run(c, d->tokens + i, n - i);
		if (i == n)
			break;
		if (!value_read(c, &v))
			return MALFORMED;
		if (v.kind == VALUE_ARRAY)
			return BIGRAMS;
		if (!token_of(&v, &d->tokens[i++]))
			return MALFORMED;
	}
	f->n_tokens = n;
	return TAKEN;
}

/* An integral float of 64 bits, signed or not. */
static int
real_name(double x, uint64_t *name)
{
	const double half = 9223372036854775808.0; /* 2^63 */

	if (!(x >= -half && x < 2 * half) || floor(x) < x)
		return 0;
	*name = x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
	return 1;
}

int
aibrix__name_of(const aibrix_event_decoder *d, const struct value *v,
		uint64_t *name)
{
	switch (v->kind) {
	case VALUE_UINT:
	case VALUE_INT: *name = v->number; return 1;
	case VALUE_FLOAT: return real_name(v->real, name);
	case VALUE_STR: /* msgpack before bin: bytes are "raw" */
	case VALUE_BIN:
		if (!v->n || v->n > HASH_BYTES_MAX)
			return 0;
		*name = aibrix_hash_fold(v->bytes, v->n,
					 d->flags & AIBRIX_EVENT_FOLD_FIRST);
		return 1;
	default: return 0;
	}
}

/* As tokens_run, of 64-bit integers. */
static size_t
names_run(struct cursor *c, uint64_t *out, size_t n)
{
	size_t i = 0;

	for (; i < n && cursor_left(c) >= 9; i++) {
		if (*c->at != 0xcf)
			break;
		out[i] = be64(c->at + 1);
		c->at += 9;
	}
	return i;
}

enum outcome
aibrix__names_read(aibrix_event_decoder *d, struct cursor *c, size_t held,
		   struct fields *f)
{
	struct value v;
	size_t n, i = 0;

	if (!value_read(c, &v) || v.kind != VALUE_ARRAY || v.n > cursor_left(c))
		return MALFORMED;
	n = v.n;
	f->n_names = (uint32_t)n;
	f->has_names = 1;
	if (!n)
		return TAKEN;
	if (n > AIBRIX_INDEX_EVENT_BLOCKS / d->split)
		return TOO_LARGE;
	if (aibrix__grow(&d->alloc, &d->names, &d->names_cap,
			 held + n * d->split, sizeof(*d->names)) != AIBRIX_OK)
		return NO_MEMORY;
	for (;;) {
		uint64_t *out = d->names + held;

		i += names_run(c, out + i, n - i);
		if (i == n)
			break;
		if (!value_read(c, &v) || !aibrix__name_of(d, &v, &out[i++]))
			return MALFORMED;
	}
	return TAKEN;
}

/* SplitMix64's finaliser (Vigna): a bijection for each j, so the names made
 * of two engine names at one place never meet. */
static uint64_t
name_make(uint64_t name, uint32_t j)
{
	uint64_t x = name + (j + 1) * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void
aibrix__names_split(uint64_t *names, uint32_t n, uint32_t split)
{
	for (uint32_t i = n; i--;) {
		uint64_t name = names[i], *out = names + (size_t)i * split;

		for (uint32_t j = 0; j + 1 < split; j++)
			out[j] = name_make(name, j);
		out[split - 1] = name;
	}
}
