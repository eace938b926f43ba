/*
 * Random programs of events, applied to the index and to another design of
 * it.  After each event both must give the same answers.
 *
 * The events are those of engines: an owner stores what it does not hold,
 * under a parent that it holds, and gives up leaves first; all owners call
 * a place the same.  With holes it gives up any block.
 *
 * program_run returns NULL, or what differed.
 */
#ifndef MODEL_BASELINES_PROGRAM_H
#define MODEL_BASELINES_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "baseline.h"

enum {
	OWNERS = 9,
	OWNER_STEP = 37, /* more than one word of bits */
	OWNERS_CAP = OWNERS * OWNER_STEP,
	DEPTH = 160, /* more than two jumps */
	EVENT = 80,
	HELD = 480, /* of one owner */
	STEPS = 120
};

struct path {
	uint32_t n;
	uint8_t at[DEPTH];
};

struct program {
	const struct baseline *b;
	void *self;
	aibrix_index *index;
	aibrix_index_reader *reader;
	uint64_t random;
	int holes;
	uint32_t n_held[OWNERS];
	struct path held[OWNERS][HELD];
};

static inline uint32_t
owner_number(uint32_t i)
{
	return i * OWNER_STEP;
}

/* Small and alike, so that places differ only by their paths. */
static inline uint64_t
path_hash(const struct path *path, uint32_t i)
{
	return path->at[i];
}

static inline uint64_t
path_name(const struct path *path, uint32_t n)
{
	uint64_t name = n;

	for (uint32_t i = 0; i < n; i++)
		name = mix64(name + path->at[i]);
	return name;
}

static inline int
path_equal(const struct path *a, const struct path *b, uint32_t n)
{
	return a->n == n && !memcmp(a->at, b->at, n);
}

/* Where owner i holds the first n blocks of path; n_held: nowhere. */
static inline uint32_t
held_find(const struct program *p, uint32_t i, const struct path *path,
	  uint32_t n)
{
	uint32_t at = 0;

	while (at < p->n_held[i] && !path_equal(&p->held[i][at], path, n))
		at++;
	return at;
}

static inline int
held_is(const struct program *p, uint32_t i, const struct path *path,
	uint32_t n)
{
	return held_find(p, i, path, n) < p->n_held[i];
}

static inline int
held_leaf(const struct program *p, uint32_t i, const struct path *path)
{
	for (uint32_t at = 0; at < p->n_held[i]; at++) {
		const struct path *other = &p->held[i][at];

		if (other->n > path->n && !memcmp(other->at, path->at, path->n))
			return 0;
	}
	return 1;
}

/* Some path that begins like one that somebody holds; mostly straight. */
static inline void
path_any(struct program *p, struct path *path)
{
	uint32_t i = rand_below(&p->random, OWNERS), n;

	path->n = 0;
	if (p->n_held[i] && rand_below(&p->random, 8)) {
		n = rand_below(&p->random, p->n_held[i]);
		*path = p->held[i][n];
	}
	if (rand_below(&p->random, 2))
		path->n = rand_below(&p->random, path->n + 1);
	n = rand_below(&p->random, EVENT);
	for (; n && path->n < DEPTH; n--)
		path->at[path->n++] =
			rand_below(&p->random, 24) ? 1 : 2 + n % 2;
}

static inline int
both_stored(struct program *p, uint32_t i, uint64_t parent, int has_parent,
	    const uint64_t *hashes, const uint64_t *names, uint32_t n)
{
	aibrix_index_stored e = {
		.size = sizeof(e),
		.n = n,
		.hashes = hashes,
		.names = names,
		.parent = parent,
		.flags = has_parent ? AIBRIX_INDEX_HAS_PARENT : 0,
	};
	uint32_t owner = owner_number(i);

	return aibrix_index_apply_stored(p->index, owner, &e) ==
	       p->b->stored(p->self, owner, parent, has_parent, hashes, names,
			    n);
}

/* The blocks of path that owner i lacks, up to one that it holds again. */
static inline const char *
step_stored(struct program *p, uint32_t i, const struct path *path)
{
	uint64_t hashes[DEPTH], names[DEPTH], parent;
	uint32_t from = 0, n = 0;

	while (from < path->n && held_is(p, i, path, from + 1))
		from++;
	parent = path_name(path, from);
	while (from + n < path->n && n < EVENT && p->n_held[i] < HELD &&
	       !held_is(p, i, path, from + n + 1)) {
		struct path *block = &p->held[i][p->n_held[i]++];

		hashes[n] = path_hash(path, from + n);
		names[n] = path_name(path, from + n + 1);
		*block = *path;
		block->n = from + ++n;
	}
	if (!both_stored(p, i, parent, from > 0, hashes, names, n))
		return "stored: another status";
	return NULL;
}

/* A block and then its ancestors, as far as they are leaves; with holes, as
 * they come. */
static inline const char *
step_removed(struct program *p, uint32_t i)
{
	uint64_t names[EVENT];
	uint32_t most = 1 + rand_below(&p->random, EVENT - 1), n = 0, at;
	struct path path;

	if (p->n_held[i]) {
		at = rand_below(&p->random, p->n_held[i]);
		path = p->held[i][at];
		for (uint32_t j = 0; !p->holes && j < p->n_held[i]; j++)
			if (held_leaf(p, i, &p->held[i][j]) &&
			    (path.n < DEPTH / 8 || !held_leaf(p, i, &path)))
				path = p->held[i][j];
		for (; n < most && path.n; path.n--) {
			at = held_find(p, i, &path, path.n);
			if (at == p->n_held[i] ||
			    (!p->holes && !held_leaf(p, i, &path)))
				break;
			names[n++] = path_name(&path, path.n);
			p->held[i][at] = p->held[i][--p->n_held[i]];
		}
	}
	if (n < EVENT && rand_below(&p->random, 2))
		names[n++] = 7; /* nobody's */
	if (aibrix_index_apply_removed(p->index, owner_number(i), names, n,
				       AIBRIX_TIER_DEVICE, 0))
		return "removed: a status";
	p->b->removed(p->self, owner_number(i), names, n);
	return NULL;
}

static inline const char *
step_cleared(struct program *p, uint32_t i)
{
	if (aibrix_index_apply_cleared(p->index, owner_number(i)))
		return "cleared: a status";
	p->b->cleared(p->self, owner_number(i));
	p->n_held[i] = 0;
	return NULL;
}

static inline const char *
step_orphan(struct program *p, uint32_t i)
{
	const uint64_t hash = 1, name = 8;

	return both_stored(p, i, 7, 1, &hash, &name, 1)
		       ? NULL
		       : "an unknown parent: another status";
}

static inline const char *
program_compare(struct program *p, const struct path *path)
{
	uint64_t hashes[DEPTH] = {0};
	aibrix_match want[OWNERS], got[OWNERS];
	uint32_t n, cap = rand_below(&p->random, OWNERS + 1);

	for (uint32_t i = 0; i < path->n; i++)
		hashes[i] = path_hash(path, i);
	if (aibrix_index_lookup(p->reader, hashes, path->n, want, OWNERS, &n))
		return "the index failed";
	if (p->b->lookup(p->self, hashes, path->n, got, OWNERS) != n)
		return "lookup: another number of owners";
	if (memcmp(want, got, n * sizeof(*want)))
		return "lookup differs";
	memset(got, 0xee, sizeof(got));
	if (p->b->lookup(p->self, hashes, path->n, got, cap) != n)
		return "lookup into little room: another number";
	if (memcmp(want, got, (n < cap ? n : cap) * sizeof(*want)))
		return "lookup into little room differs";
	return NULL;
}

static inline const char *
program_step(struct program *p)
{
	uint32_t op = rand_below(&p->random, 32);
	uint32_t i = rand_below(&p->random, OWNERS);
	const char *bad;
	struct path path;

	path_any(p, &path);
	if (op < 19)
		bad = step_stored(p, i, &path);
	else if (op < 29)
		bad = step_removed(p, i);
	else if (op < 30)
		bad = step_cleared(p, i);
	else
		bad = step_orphan(p, i);
	if (!bad)
		bad = program_compare(p, &path);
	for (uint32_t more = 0; !bad && more < 3; more++) {
		path_any(p, &path);
		bad = program_compare(p, &path);
	}
	return bad;
}

static inline const char *
program_run(const struct baseline *b, uint64_t seed, int holes)
{
	static const aibrix_index_opts opts = {.size = sizeof(opts),
					       .max_owners = OWNERS_CAP};
	struct program *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p || aibrix_index_new(&opts, &p->index) ||
	    aibrix_index_reader_new(p->index, &p->reader))
		abort();
	p->b = b;
	p->self = b->create(OWNERS_CAP, NULL);
	if (!p->self)
		abort();
	p->random = seed;
	p->holes = holes;
	for (uint32_t i = 0; i < OWNERS; i++)
		if (aibrix_index_owner_add(p->index, owner_number(i)))
			abort();
	for (uint32_t step = 0; !bad && step < STEPS; step++)
		bad = program_step(p);
	b->destroy(p->self);
	aibrix_index_reader_free(p->reader);
	aibrix_index_free(p->index);
	free(p);
	return bad;
}

#endif
