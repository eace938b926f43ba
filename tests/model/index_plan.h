/*
 * Long programs for the block index, made from a seed and a profile.
 *
 * A plan is a list of operations over a set of chains (prompts, which may
 * share heads).  It is made without looking at any index: an operation left
 * out changes no other one, so that a failing plan can be shrunk.
 *
 * Each owner has a ring of segments that it stored lately.  Most operations
 * go on from one of them, as engines do: append, fork, truncate, evict from
 * either end or the middle, store again.  Like engines, most owners store
 * only what they do not hold: the plan counts that, too.
 */
#ifndef MODEL_INDEX_PLAN_H
#define MODEL_INDEX_PLAN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/index.h>

#include "base/rand.h"

enum plan_kind {
	PLAN_STORE,    /* the head of some chain */
	PLAN_EXTEND,   /* the blocks behind a segment */
	PLAN_FORK,     /* other blocks behind, or within, a segment */
	PLAN_AGAIN,    /* a part of a segment once more */
	PLAN_ORPHAN,   /* a part of some chain whose head may be unknown */
	PLAN_NAMELESS, /* a part of some segment by name alone */
	PLAN_TWIN,     /* known blocks under other names */
	PLAN_CLASH,    /* names that already mean something else */
	PLAN_TAIL,     /* remove the end of a segment, last first */
	PLAN_HEAD,     /* remove the begin, first first */
	PLAN_HOLE,     /* remove from the middle */
	PLAN_FILL,     /* store what PLAN_HOLE removed */
	PLAN_SCATTER,  /* remove all of a segment in any order */
	PLAN_STRANGE,  /* remove what was never stored, or is another's */
	PLAN_OTHER,    /* of a group that is not indexed */
	PLAN_CLEAR,
	PLAN_OWNER, /* remove, add, or one after the other */
	PLAN_KINDS
};

enum plan_style {
	STYLE_COMMON,  /* all engines hash alike */
	STYLE_DIALECT, /* this owner hashes by itself */
	STYLE_TWIN,    /* second names */
	STYLE_FEW,     /* one of few names, whatever the block */
	STYLE_OTHERS,  /* the names of another chain */
	STYLE_ONE      /* one name for all blocks */
};

struct profile {
	const char *name;
	uint32_t owners, chains, depth, ops;
	uint32_t event;    /* most blocks of one event */
	uint32_t every;    /* operations between comparisons */
	uint32_t alphabet; /* contents of a block; 0: all differ */
	uint32_t singles;  /* percent of removals that come one by one */
	uint32_t copies;   /* percent of stores that repeat what is held */
	uint32_t tiers, groups;
	uint32_t dialects; /* percent of owners with names of their own */
	uint8_t weight[PLAN_KINDS];
};

struct chain {
	uint32_t n;
	uint64_t *hashes, *ids; /* content; digest of the path */
};

struct segment {
	uint32_t chain, from, to, style, salt, tier, group;
};

struct op {
	uint32_t kind, owner;
	struct segment part; /* what is stored or removed */
	int single, reverse, shuffle;
};

enum { RING = 24 };

struct ring {
	uint32_t n, at;
	struct segment segments[RING];
	struct segment hole;
	uint32_t cleared; /* how often */
};

/* Copies of (owner, path), in any tier; open addressing, no deletions. */
struct holding {
	uint64_t key; /* 0: free */
	uint32_t copies;
};

struct plan {
	const struct profile *profile;
	uint64_t seed, rand;
	uint32_t n_chains, n_ops;
	struct chain *chains;
	struct op *ops;
	struct ring *rings;
	struct holding *held;
	uint64_t n_held, cap_held;
};

static inline uint32_t
plan_below(struct plan *p, uint32_t n)
{
	return n ? rand_below(&p->rand, n) : 0;
}

static inline int
plan_percent(struct plan *p, uint32_t percent)
{
	return plan_below(p, 100) < percent;
}

static inline uint64_t
plan_content(struct plan *p)
{
	uint32_t alphabet = p->profile->alphabet;

	return alphabet ? 1 + plan_below(p, alphabet) : rand_next(&p->rand);
}

static inline struct holding *
held_slot(struct holding *held, uint64_t cap, uint64_t key)
{
	uint64_t at = key & (cap - 1);

	while (held[at].key && held[at].key != key)
		at = (at + 1) & (cap - 1);
	return &held[at];
}

static inline void
held_grow(struct plan *p)
{
	uint64_t cap = p->cap_held ? 2 * p->cap_held : 1 << 16;
	struct holding *held = calloc((size_t)cap, sizeof(*held));

	if (!held)
		abort();
	for (uint64_t i = 0; i < p->cap_held; i++)
		if (p->held[i].key)
			*held_slot(held, cap, p->held[i].key) = p->held[i];
	free(p->held);
	p->held = held;
	p->cap_held = cap;
}

static inline uint32_t *
plan_copies(struct plan *p, uint32_t owner, uint32_t chain, uint32_t at)
{
	uint64_t who = (uint64_t)p->rings[owner].cleared << 32 | owner;
	uint64_t key = p->chains[chain].ids[at] + mix64(who + 1);
	struct holding *slot;

	if (2 * p->n_held >= p->cap_held)
		held_grow(p);
	slot = held_slot(p->held, p->cap_held, key | 1);
	p->n_held += !slot->key;
	slot->key = key | 1;
	return &slot->copies;
}

/* A chain that has the first fork blocks of another one and n in all. */
static inline uint32_t
plan_chain(struct plan *p, uint32_t of, uint32_t fork, uint32_t n)
{
	struct chain *c = &p->chains[p->n_chains];
	uint64_t id = 0;

	if (n <= fork)
		n = fork + 1;
	c->n = n;
	c->hashes = calloc(n, sizeof(*c->hashes));
	c->ids = calloc(n, sizeof(*c->ids));
	if (!c->hashes || !c->ids)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		c->hashes[i] =
			i < fork ? p->chains[of].hashes[i] : plan_content(p);
		id = mix64(id * 0x9e3779b97f4a7c15u + mix64(c->hashes[i]));
		c->ids[i] = id;
	}
	return p->n_chains++;
}

/* Shared by many owners more often than not. */
static inline uint32_t
plan_any_chain(struct plan *p)
{
	uint32_t n = p->n_chains;

	return plan_below(p, plan_percent(p, 50) && n > 16 ? 16 : n);
}

/* Leaves out the first blocks of part, as far as owner holds them. */
static inline void
plan_trim(struct plan *p, uint32_t owner, struct segment *part)
{
	if (plan_percent(p, p->profile->copies))
		return;
	while (part->from < part->to &&
	       *plan_copies(p, owner, part->chain, part->from))
		part->from++;
}

static inline void
plan_count(struct plan *p, uint32_t owner, const struct segment *part,
	   int stored)
{
	for (uint32_t i = part->from; i < part->to; i++) {
		uint32_t *copies = plan_copies(p, owner, part->chain, i);

		if (stored)
			++*copies;
		else if (*copies)
			--*copies;
	}
}

static inline void
ring_push(struct ring *ring, struct segment segment)
{
	uint32_t at = ring->at++ % RING;

	if (ring->n < RING)
		ring->n++;
	ring->segments[at] = segment;
}

/* The latest ones most often; NULL: the owner has none yet. */
static inline struct segment *
ring_any(struct plan *p, uint32_t owner)
{
	struct ring *ring = &p->rings[owner];
	uint32_t back = plan_percent(p, 60) ? 1 : 1 + plan_below(p, ring->n);

	return ring->n ? &ring->segments[(ring->at - back) % RING] : NULL;
}

static inline struct segment
plan_fresh(struct plan *p, uint32_t owner)
{
	const struct profile *f = p->profile;
	struct segment s = {.chain = plan_any_chain(p)};
	uint32_t n = p->chains[s.chain].n;

	s.to = 1 + plan_below(p, n < f->event ? n : f->event);
	if (plan_percent(p, 30) && n <= f->event)
		s.to = n;
	s.style = owner * 37 % 100 < f->dialects ? STYLE_DIALECT : STYLE_COMMON;
	s.salt = plan_below(p, 1 << 20);
	s.tier = plan_percent(p, 70) ? 0 : plan_below(p, f->tiers);
	s.group = plan_percent(p, 70) ? 0 : plan_below(p, f->groups);
	return s;
}

/* n blocks behind segment, on the same chain or on one that leaves it. */
static inline struct segment
plan_behind(struct plan *p, struct segment s, int fork)
{
	const struct profile *f = p->profile;
	uint32_t most = f->event < f->depth ? f->event : f->depth, at = s.to;
	uint32_t n = plan_percent(p, 50) ? 1 : 1 + plan_below(p, most);

	if (fork) {
		if (plan_percent(p, 60))
			at = s.from + plan_below(p, s.to - s.from + 1);
		if (at >= f->depth) /* chains end at twice the depth */
			at = plan_below(p, f->depth);
		if (p->n_chains < f->chains)
			s.chain = plan_chain(p, s.chain, at, at + n);
		else
			s.chain = plan_any_chain(p);
	}
	s.from = at;
	s.to = at + n;
	if (s.to > p->chains[s.chain].n)
		s.to = p->chains[s.chain].n;
	if (s.from > s.to)
		s.from = s.to;
	return s;
}

/* Some blocks of segment: from its begin, to its end, or between. */
static inline struct segment
plan_within(struct plan *p, struct segment s, uint32_t kind)
{
	uint32_t n = s.to - s.from;
	uint32_t k = plan_percent(p, 40) ? n != 0 : plan_below(p, n + 1);

	if (kind == PLAN_HEAD)
		s.to = s.from + k;
	else if (kind == PLAN_TAIL)
		s.from = s.to - k;
	else
		s.from += plan_below(p, n - k + 1), s.to = s.from + k;
	return s;
}

static inline void
plan_store(struct plan *p, struct op *op)
{
	struct segment *last = ring_any(p, op->owner);
	struct segment s = last ? *last : plan_fresh(p, op->owner), whole;

	switch (last ? op->kind : PLAN_STORE) {
	case PLAN_EXTEND:
	case PLAN_FORK:
		op->part = plan_behind(p, s, op->kind == PLAN_FORK);
		whole = op->part;
		if (whole.from > s.from)
			whole.from = s.from;
		if (whole.chain == s.chain)
			*last = whole;
		else
			ring_push(&p->rings[op->owner], whole);
		plan_trim(p, op->owner, &op->part);
		return;
	case PLAN_AGAIN:
	case PLAN_TWIN:
	case PLAN_CLASH: op->part = plan_within(p, s, op->kind); break;
	case PLAN_FILL:
		op->part = p->rings[op->owner].hole;
		if (op->part.to > p->chains[op->part.chain].n)
			op->part = s;
		break;
	default:
		op->part = plan_fresh(p, op->owner);
		ring_push(&p->rings[op->owner], op->part);
		if (op->kind == PLAN_ORPHAN)
			op->part = plan_within(p, op->part, PLAN_HOLE);
		else
			plan_trim(p, op->owner, &op->part);
		return;
	}
	if (op->kind == PLAN_TWIN)
		op->part.style = STYLE_TWIN;
	if (op->kind == PLAN_CLASH)
		op->part.style = STYLE_FEW + plan_below(p, 3);
	if (plan_percent(p, 20))
		op->part.tier = plan_below(p, p->profile->tiers);
	ring_push(&p->rings[op->owner], op->part);
}

static inline void
plan_remove(struct plan *p, struct op *op)
{
	struct segment *s = ring_any(p, op->owner);

	op->single = plan_percent(p, p->profile->singles);
	if (!s || op->kind == PLAN_STRANGE) {
		op->part = plan_fresh(p, op->owner);
		op->part = plan_within(p, op->part, PLAN_HOLE);
		return;
	}
	op->part = *s;
	if (op->kind == PLAN_SCATTER) {
		op->shuffle = 1;
		return;
	}
	op->part = plan_within(p, *s, op->kind);
	op->reverse = op->kind == PLAN_TAIL;
	if (op->kind == PLAN_TAIL)
		s->to = op->part.from;
	else if (op->kind == PLAN_HEAD)
		s->from = op->part.to;
	else
		p->rings[op->owner].hole = op->part;
	if (op->kind == PLAN_HEAD && s->from == s->to)
		s->from = s->to = 0; /* the next append begins at the root */
}

/* What another owner stored lately, or this one. */
static inline void
plan_nameless(struct plan *p, struct op *op)
{
	uint32_t from = plan_percent(p, 50) ? op->owner
					    : plan_below(p, p->profile->owners);
	struct segment *s = ring_any(p, from);

	op->part = plan_within(p, s ? *s : plan_fresh(p, from), PLAN_HOLE);
	op->part.tier = plan_below(p, p->profile->tiers);
	if (plan_percent(p, 10))
		op->part.style = STYLE_FEW;
	ring_push(&p->rings[op->owner], op->part);
}

static inline uint32_t
plan_kind(struct plan *p)
{
	uint32_t total = 0, pick;

	for (uint32_t i = 0; i < PLAN_KINDS; i++)
		total += p->profile->weight[i];
	pick = plan_below(p, total);
	for (uint32_t i = 0; i < PLAN_KINDS; i++) {
		if (pick < p->profile->weight[i])
			return i;
		pick -= p->profile->weight[i];
	}
	return PLAN_STORE;
}

static inline void
plan_op(struct plan *p, struct op *op)
{
	op->kind = plan_kind(p);
	op->owner = plan_below(p, p->profile->owners);
	if (op->kind == PLAN_NAMELESS) {
		plan_nameless(p, op);
	} else if (op->kind < PLAN_TAIL || op->kind == PLAN_FILL) {
		plan_store(p, op);
		plan_count(p, op->owner, &op->part, 1);
	} else if (op->kind < PLAN_OTHER) {
		plan_remove(p, op);
		plan_count(p, op->owner, &op->part, 0);
	} else if (op->kind == PLAN_OTHER) {
		op->part = plan_fresh(p, op->owner);
	} else {
		op->single = plan_percent(p, 25);
		op->reverse = plan_percent(p, 25);
		p->rings[op->owner].n = 0;
		p->rings[op->owner].cleared++;
	}
}

static inline void
plan_begin(struct plan *p, const struct profile *f, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->profile = f;
	p->seed = p->rand = seed;
	p->chains = calloc(f->chains, sizeof(*p->chains));
	p->ops = calloc(f->ops, sizeof(*p->ops));
	p->rings = calloc(f->owners, sizeof(*p->rings));
	if (!p->chains || !p->ops || !p->rings)
		abort();
	/* Half of the chains now, the others as forks of what is stored. */
	while (p->n_chains < (f->chains + 1) / 2) {
		uint32_t n = 1 + plan_below(p, f->depth), of = 0, fork = 0;

		if (p->n_chains && plan_percent(p, 70)) {
			of = plan_any_chain(p);
			fork = plan_below(p, p->chains[of].n);
		}
		plan_chain(p, of, fork, n);
	}
	while (p->n_ops < f->ops)
		plan_op(p, &p->ops[p->n_ops++]);
}

static inline void
plan_end(struct plan *p)
{
	for (uint32_t i = 0; i < p->n_chains; i++) {
		free(p->chains[i].hashes);
		free(p->chains[i].ids);
	}
	free(p->chains);
	free(p->ops);
	free(p->rings);
	free(p->held);
}

/* The name of block i of the chain. */
static inline uint64_t
plan_name(const struct plan *p, uint32_t owner, const struct segment *s,
	  uint32_t i)
{
	const struct chain *other = &p->chains[s->salt % p->n_chains];
	uint64_t id = p->chains[s->chain].ids[i];

	switch (s->style) {
	case STYLE_DIALECT: return mix64(id + owner + 1);
	case STYLE_TWIN: return mix64(id ^ s->salt % 3);
	case STYLE_FEW: return 1 + mix64(id ^ s->salt) % 24;
	case STYLE_OTHERS: return other->ids[i % other->n];
	case STYLE_ONE: return 1 + s->salt % 24;
	default: return id;
	}
}

#endif
