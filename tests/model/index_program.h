/*
 * A byte string is a program of index operations.  Each step acts on the
 * index and on the naive model of it (index_model.h).  After each step both
 * must give the same answers.
 *
 * program_run returns NULL, or what differed.
 */
#ifndef MODEL_INDEX_PROGRAM_H
#define MODEL_INDEX_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/index.h>

#include "base/bytes.h"
#include "index_model.h"

/* Declared here, so that the inside of the index may look as it likes. */
int aibrix__index_check(struct aibrix_index *index);

enum {
	STEPS = 96,
	BLOCKS = 4 /* of one event */
};

struct program {
	const uint8_t *at, *end;
	aibrix_index *index;
	aibrix_index_reader *reader;
	struct model m;
};

static inline uint32_t
program_byte(struct program *p)
{
	return p->at < p->end ? *p->at++ : 0;
}

/* A batch answers as the prompts one by one. */
static inline int
batch_agrees(struct program *p, const uint64_t *hashes, uint32_t n)
{
	uint64_t ends[3] = {n / 2, n / 2, n};
	aibrix_match one[OWNERS], all[2 * OWNERS];
	uint32_t n_one, n_all, out_ends[3];

	if (aibrix_index_lookup_batch(p->reader, hashes, ends, 3, all,
				      2 * OWNERS, out_ends, &n_all))
		return 0;
	if (out_ends[1] != out_ends[0] || out_ends[2] != n_all)
		return 0;
	if (aibrix_index_lookup(p->reader, hashes, ends[0], one, OWNERS,
				&n_one) ||
	    n_one != out_ends[0] || memcmp(one, all, n_one * sizeof(*one)))
		return 0;
	return !aibrix_index_lookup(p->reader, hashes + ends[0], n - ends[0],
				    one, OWNERS, &n_one) &&
	       n_one == n_all - out_ends[0] &&
	       !memcmp(one, all + out_ends[0], n_one * sizeof(*one));
}

static inline const char *
prompt_compare(struct program *p, const struct path *prompt)
{
	double held[OWNERS], device[OWNERS];
	uint64_t hashes[DEPTH] = {0};
	aibrix_match out[OWNERS];
	uint32_t n, at = 0;

	for (uint32_t i = 0; i < prompt->n; i++)
		hashes[i] = prompt->at[i];
	if (aibrix_index_lookup(p->reader, hashes, prompt->n, out, OWNERS,
				&n) ||
	    aibrix_index_match(p->reader, hashes, prompt->n, 0, held, OWNERS) ||
	    aibrix_index_match(p->reader, hashes, prompt->n, 1, device, OWNERS))
		return "a lookup failed";
	for (uint32_t owner = 0; owner < OWNERS; owner++) {
		uint32_t any = model_score(&p->m, owner, AIBRIX_TIERS, prompt);
		uint32_t dev =
			model_score(&p->m, owner, AIBRIX_TIER_DEVICE, prompt);

		if (held[owner] != any || device[owner] != dev)
			return "match differs";
		if (!any)
			continue;
		if (at == n || out[at].owner != owner || out[at].held != any ||
		    out[at].device != dev)
			return "lookup differs";
		at++;
	}
	if (at != n)
		return "lookup names too many owners";
	return batch_agrees(p, hashes, prompt->n) ? NULL
						  : "lookup_batch differs";
}

/* The dump of the index; the caller frees it. */
static inline uint8_t *
program_dump(struct program *p, uint64_t *n)
{
	uint8_t *bytes;

	if (aibrix_index_dump(p->index, NULL, 0, n) != AIBRIX_E_SPACE)
		return NULL;
	bytes = malloc(*n);
	if (!bytes)
		abort();
	if (aibrix_index_dump(p->index, bytes, *n, n) == AIBRIX_OK)
		return bytes;
	free(bytes);
	return NULL;
}

/* A place of a dump (version 1): its path, and its names as labels. */
static inline void
labels_read(struct reader *r, const struct path *paths, struct path *path,
	    struct labels *out)
{
	uint32_t parent = read_u32(r), names = read_u32(r);
	uint32_t holders = read_u32(r);

	if (!r->ok || &paths[parent] >= path || paths[parent].n == DEPTH) {
		r->ok = 0;
		return;
	}
	*path = paths[parent];
	path->at[path->n++] = (uint8_t)read_u64(r);
	for (uint32_t i = 0; i < names && out->n < LABELS; i++) {
		uint64_t name = read_u64(r);

		out->at[out->n++] = (struct label){read_u32(r), name, *path};
	}
	read_bytes(r, holders * (size_t)20);
}

/* 0: not a dump. */
static inline int
program_labels(struct program *p, struct labels *out)
{
	uint64_t n, places;
	uint8_t *bytes = program_dump(p, &n);
	struct reader r = reader_on(bytes, bytes ? (size_t)n : 0);
	struct path *paths;
	uint32_t owners;

	out->n = 0;
	read_u64(&r);
	read_u32(&r);
	owners = read_u32(&r);
	read_u64(&r);
	places = read_u64(&r);
	read_bytes(&r, 16 + owners * (size_t)16);
	paths = calloc((size_t)places + 1, sizeof(*paths));
	if (!paths)
		abort();
	for (uint64_t i = 1; r.ok && i <= places; i++)
		labels_read(&r, paths, &paths[i], out);
	free(paths);
	free(bytes);
	return r.ok && r.end - r.at == 4;
}

/* Every name of the index or the model means the same to every owner. */
static inline const char *
names_compare(struct program *p)
{
	struct labels own;

	if (!program_labels(p, &own))
		return "dump: of another form";
	for (uint32_t i = 0; i < p->m.labels.n + own.n; i++) {
		uint64_t name = i < own.n ? own.at[i].name
					  : p->m.labels.at[i - own.n].name;

		for (uint32_t owner = 0; owner < OWNERS; owner++) {
			const struct label *a, *b;

			if (!p->m.registered[owner])
				continue;
			a = labels_resolve(&p->m.labels, owner, name);
			b = labels_resolve(&own, owner, name);
			if (!a != !b || (a && !path_equal(&a->path, &b->path)))
				return "a name means something else";
		}
	}
	return NULL;
}

static inline int
counters_agree(const aibrix_index_stat *a, const aibrix_index_stat *b)
{
	return a->stored == b->stored && a->removed == b->removed &&
	       a->cleared == b->cleared &&
	       a->unknown_parents == b->unknown_parents &&
	       a->unknown_removals == b->unknown_removals &&
	       a->duplicates == b->duplicates && a->twins == b->twins &&
	       a->ignored == b->ignored && a->refused == b->refused &&
	       a->unknown_names == b->unknown_names;
}

static inline const char *
stats_compare(struct program *p)
{
	aibrix_index_stat got = {.size = sizeof(got)};
	uint64_t places = 0, held = 0, owners = 0;

	for (uint32_t i = 0; i < p->m.n_copies; i++) {
		const struct copy *c = &p->m.copies[i];
		struct path head = c->path;
		int seen = 0;

		for (uint32_t j = 0; j < i; j++)
			seen |= p->m.copies[j].owner == c->owner &&
				path_equal(&p->m.copies[j].path, &c->path);
		held += !seen;
		for (; head.n; head.n--) {
			seen = 0;
			for (uint32_t j = 0; j < i && !seen; j++)
				seen = path_begins(&p->m.copies[j].path, &head);
			places += !seen;
		}
	}
	for (uint32_t i = 0; i < OWNERS; i++)
		owners += p->m.registered[i] != 0;
	if (aibrix_index_stats(p->index, &got))
		return "no statistics";
	if (got.places != places || got.held != held || got.owners != owners)
		return "a gauge differs";
	return counters_agree(&got, &p->m.stat) ? NULL : "a counter differs";
}

static inline const char *
program_compare(struct program *p, const struct path *last, uint32_t step)
{
	const char *bad = stats_compare(p);

	if (!bad && aibrix__index_check(p->index))
		bad = "the index is inconsistent";
	if (!bad && step % 4 == 3)
		bad = names_compare(p);
	if (!bad)
		bad = prompt_compare(p, last);
	for (uint32_t i = 0; !bad && i < 3 && p->m.n_copies; i++) {
		uint32_t any = (step * 7 + i * 5) % p->m.n_copies;

		bad = prompt_compare(p, &p->m.copies[any].path);
	}
	return bad;
}

/* Some name in use, or one that may be new. */
static inline uint64_t
program_name(struct program *p)
{
	uint32_t b = program_byte(p);

	if (b >= 232 || !p->m.labels.n)
		return b % 8;
	return p->m.labels.at[b % p->m.labels.n].name;
}

/* What an engine would call the path: the same for all, the owner's own,
 * or anything. */
static inline uint64_t
program_new_name(uint32_t style, uint32_t owner, const struct path *path,
		 uint32_t b)
{
	uint64_t name = 1000;

	if (style % 4 == 3)
		return b % 8;
	for (uint32_t i = 0; i < path->n; i++)
		name = name * 5 + path->at[i];
	return style % 4 == 2 ? name + ((uint64_t)owner << 40) : name;
}

static inline const char *
step_stored(struct program *p, uint32_t owner, struct path *last)
{
	uint64_t hashes[BLOCKS], names[BLOCKS];
	uint32_t how = program_byte(p), style = program_byte(p);
	aibrix_index_stored e = {
		.size = sizeof(e), .hashes = hashes, .names = names};
	struct path path = {0};

	e.tier = how & 3;
	e.group = how >> 2 & 1;
	e.kind = (how >> 3 & 7) == 7 ? AIBRIX_GROUP_OTHER : AIBRIX_GROUP_FULL;
	e.flags = how >> 6 & 1 ? AIBRIX_INDEX_HAS_PARENT : 0;
	e.n = (style >> 4) % (BLOCKS + 1);
	if (e.flags) {
		const struct label *parent;

		e.parent = program_name(p);
		parent = labels_resolve(&p->m.labels, owner, e.parent);
		if (parent)
			path = parent->path;
	}
	if (path.n + e.n > DEPTH || p->m.n_copies + e.n > COPIES ||
	    p->m.labels.n + e.n > LABELS)
		return NULL;
	if (how >> 7)
		e.hashes = NULL;
	for (uint32_t i = 0; i < e.n; i++) {
		uint32_t b;

		if (!e.hashes) {
			names[i] = program_name(p);
			continue;
		}
		b = program_byte(p);
		path.at[path.n++] = (uint8_t)(1 + b % 3);
		hashes[i] = path.at[path.n - 1];
		names[i] = program_new_name(style, owner, &path, b >> 2);
	}
	*last = path;
	if (aibrix_index_apply_stored(p->index, owner, &e) !=
	    model_stored(&p->m, owner, &e))
		return "stored: another status";
	return NULL;
}

static inline const char *
step_removed(struct program *p, uint32_t owner)
{
	uint32_t how = program_byte(p), n = 1 + (how >> 4) % BLOCKS;
	uint64_t names[BLOCKS];

	for (uint32_t i = 0; i < n; i++)
		names[i] = program_name(p);
	if (aibrix_index_apply_removed(p->index, owner, names, n, how & 3,
				       how >> 2 & 1) !=
	    model_removed(&p->m, owner, names, n, how & 3, how >> 2 & 1))
		return "removed: another status";
	return NULL;
}

/* A loaded dump takes the place of the index. */
static inline const char *
step_dump(struct program *p)
{
	static const aibrix_index_opts opts = {.size = sizeof(opts),
					       .max_owners = OWNERS};
	uint64_t n = 0, again = 0;
	uint8_t *bytes = program_dump(p, &n), *copy;
	aibrix_index *loaded;
	int same;

	if (!bytes)
		return "dump: fails, or does not say what it needs";
	copy = malloc(n);
	if (!copy || aibrix_index_new(&opts, &loaded))
		abort();
	same = aibrix_index_load(loaded, bytes, n) == AIBRIX_OK &&
	       aibrix_index_dump(loaded, copy, n, &again) == AIBRIX_OK &&
	       n == again && memcmp(bytes, copy, n) == 0;
	free(bytes);
	free(copy);
	aibrix_index_reader_free(p->reader);
	aibrix_index_free(p->index);
	p->index = loaded;
	if (aibrix_index_reader_new(loaded, &p->reader))
		abort();
	memset(&p->m.stat, 0, sizeof(p->m.stat));
	return same ? NULL : "dump: not the same after a load";
}

static inline const char *
step_owner(struct program *p, uint32_t op, uint32_t owner)
{
	int want, got;

	if (op == 0) {
		want = model_cleared(&p->m, owner);
		p->m.stat.cleared += !want;
		got = aibrix_index_apply_cleared(p->index, owner);
	} else if (op == 1) {
		want = model_owner_remove(&p->m, owner);
		got = aibrix_index_owner_remove(p->index, owner);
	} else {
		want = p->m.registered[owner] ? AIBRIX_E_STATE : AIBRIX_OK;
		p->m.registered[owner] = 1;
		got = aibrix_index_owner_add(p->index, owner);
	}
	return want == got ? NULL : "of an owner: another status";
}

static inline const char *
program_step(struct program *p, struct path *last)
{
	uint32_t op = program_byte(p), owner = op % OWNERS;

	op /= OWNERS;
	if (op < 16)
		return step_stored(p, owner, last);
	if (op < 26)
		return step_removed(p, owner);
	if (op < 31)
		return step_owner(p, op - 26, owner);
	return step_dump(p);
}

static inline const char *
program_run(const uint8_t *bytes, size_t n, int fault)
{
	static const aibrix_index_opts opts = {.size = sizeof(opts),
					       .max_owners = OWNERS};
	struct program *p = calloc(1, sizeof(*p));
	const char *bad = NULL;
	struct path last = {0};

	if (!p || aibrix_index_new(&opts, &p->index) ||
	    aibrix_index_reader_new(p->index, &p->reader))
		abort();
	p->at = bytes;
	p->end = bytes + n;
	p->m.fault = fault;
	for (uint32_t i = 0; i < OWNERS; i += 2) {
		if (aibrix_index_owner_add(p->index, i))
			abort();
		p->m.registered[i] = 1;
	}
	for (uint32_t step = 0; !bad && p->at < p->end && step < STEPS;
	     step++) {
		bad = program_step(p, &last);
		if (!bad)
			bad = program_compare(p, &last, step);
	}
	aibrix_index_reader_free(p->reader);
	aibrix_index_free(p->index);
	free(p);
	return bad;
}

#endif
