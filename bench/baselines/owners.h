/*
 * Who holds a block, and who of them is still in a lookup.
 *
 * Most blocks have one or two holders: up to four stand in the set itself,
 * more in a bitset of its own.
 */
#ifndef BASELINES_OWNERS_H
#define BASELINES_OWNERS_H

#include <string.h>

#include <aibrix/index.h>

#include "base/alloc.h"

enum { OWNERS_MAX = 65536, OWNERS_WORDS = OWNERS_MAX / 64, OWNERS_FEW = 4 };

struct owners {
	union {
		uint16_t few[OWNERS_FEW];
		uint64_t *bits;
	};
	uint32_t n;
	uint32_t many : 1;
	uint32_t tag : 31; /* of the structure around it */
};

/* What all sets of an index share. */
struct owners_room {
	const aibrix_allocator *alloc;
	uint32_t words; /* of a bitset */
};

static inline uint64_t
owner_bit(uint32_t owner)
{
	return (uint64_t)1 << owner % 64;
}

static inline int
owners_have(const struct owners *s, uint32_t owner)
{
	if (s->many)
		return (s->bits[owner / 64] & owner_bit(owner)) != 0;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->few[i] == owner)
			return 1;
	return 0;
}

static inline void
owners_close(struct owners *s, const struct owners_room *room)
{
	if (s->many)
		aibrix__free(room->alloc, s->bits, room->words,
			     sizeof(*s->bits));
	s->many = 0;
	s->n = 0;
}

static inline int
owners_spill(struct owners *s, const struct owners_room *room)
{
	uint64_t *bits = aibrix__alloc(room->alloc, room->words, sizeof(*bits));

	if (!bits)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < s->n; i++)
		bits[s->few[i] / 64] |= owner_bit(s->few[i]);
	s->bits = bits;
	s->many = 1;
	return AIBRIX_OK;
}

/* 1: added, 0: was there already; or AIBRIX_E_NOMEM. */
static inline int
owners_add(struct owners *s, const struct owners_room *room, uint32_t owner)
{
	if (owners_have(s, owner))
		return 0;
	if (!s->many && s->n == OWNERS_FEW && owners_spill(s, room))
		return AIBRIX_E_NOMEM;
	if (s->many)
		s->bits[owner / 64] |= owner_bit(owner);
	else
		s->few[s->n] = (uint16_t)owner;
	s->n++;
	return 1;
}

/* owner is in the set. */
static inline void
owners_drop(struct owners *s, const struct owners_room *room, uint32_t owner)
{
	uint32_t i = 0;

	if (s->many) {
		s->bits[owner / 64] &= ~owner_bit(owner);
		if (--s->n == 0)
			owners_close(s, room);
		return;
	}
	while (s->few[i] != owner)
		i++;
	s->few[i] = s->few[--s->n];
}

/*
 * The owners of block 0 that still match.  Bits are kept for words lo to hi;
 * out has all of them in order, with held 0 until they drop out.
 */
struct alive {
	uint32_t n, lo, hi, total, cap;
	aibrix_match *out;
	uint64_t bits[OWNERS_WORDS];
};

static inline void
alive_none(struct alive *a)
{
	a->n = a->lo = a->hi = a->total = a->cap = 0;
	a->out = NULL;
}

static inline uint64_t
owners_word(const struct owners *s, uint32_t word)
{
	uint64_t bits = 0;

	if (s->many)
		return s->bits[word];
	for (uint32_t i = 0; i < s->n; i++)
		if (s->few[i] / 64 == word)
			bits |= owner_bit(s->few[i]);
	return bits;
}

/* Words of a bitset that the owners of s may be in. */
static inline void
alive_range(struct alive *a, const struct owners *s, uint32_t words)
{
	a->lo = s->many ? 0 : words;
	a->hi = s->many ? words : 0;
	for (uint32_t i = 0; !s->many && i < s->n; i++) {
		uint32_t word = s->few[i] / 64;

		a->lo = word < a->lo ? word : a->lo;
		a->hi = word >= a->hi ? word + 1 : a->hi;
	}
}

static inline void
alive_begin(struct alive *a, const struct owners *s, uint32_t words,
	    aibrix_match *out, uint32_t cap)
{
	uint32_t at = 0;

	a->n = a->total = s->n;
	a->out = out;
	a->cap = cap;
	alive_range(a, s, words);
	for (uint32_t w = a->lo; w < a->hi; w++) {
		uint64_t rest = a->bits[w] = owners_word(s, w);

		for (; rest && at < cap; rest &= rest - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(rest);

			out[at++] = (aibrix_match){.owner = w * 64 + bit};
		}
	}
}

/* Whether s has all that are alive. */
static inline int
alive_within(const struct alive *a, const struct owners *s)
{
	uint64_t missing = 0;

	if (s->n < a->n)
		return 0;
	if (!s->many) {
		uint32_t both = 0;

		for (uint32_t i = 0; i < s->n; i++) {
			uint32_t word = s->few[i] / 64;

			both += word >= a->lo && word < a->hi &&
				(a->bits[word] & owner_bit(s->few[i]));
		}
		return both == a->n;
	}
	for (uint32_t w = a->lo; w < a->hi; w++)
		missing |= a->bits[w] & ~s->bits[w];
	return missing == 0;
}

static inline void
alive_stop(struct alive *a, uint32_t owner, uint32_t depth)
{
	uint32_t lo = 0, hi = a->total < a->cap ? a->total : a->cap;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (a->out[mid].owner < owner)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < a->total && lo < a->cap)
		a->out[lo].held = a->out[lo].device = depth;
}

/* Who is not in s held depth blocks. */
static inline void
alive_filter(struct alive *a, const struct owners *s, uint32_t depth)
{
	if (alive_within(a, s))
		return;
	for (uint32_t w = a->lo; w < a->hi; w++) {
		uint64_t gone = a->bits[w] & ~owners_word(s, w);

		a->bits[w] &= ~gone;
		for (; gone; gone &= gone - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(gone);

			alive_stop(a, w * 64 + bit, depth);
			a->n--;
		}
	}
}

/* The rest held depth blocks.  Returns the owners of block 0. */
static inline uint32_t
alive_end(struct alive *a, uint32_t depth)
{
	uint32_t n = a->total < a->cap ? a->total : a->cap;

	for (uint32_t i = 0; a->n && i < n; i++)
		if (!a->out[i].held)
			a->out[i].held = a->out[i].device = depth;
	return a->total;
}

#endif
