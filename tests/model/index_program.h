/*
 * A byte string is a program of index operations.  Each step acts on the
 * index and on a naive model of it: a bag of copies (owner, tier, path) and
 * a list of names with the path they mean, both searched from end to end.
 * After each step both must give the same answers.
 *
 * program_run returns NULL, or what differed.
 */
#ifndef MODEL_INDEX_PROGRAM_H
#define MODEL_INDEX_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/index.h>

#include "index/index_internal.h"

enum {
	OWNERS = 8,
	DEPTH = 12,
	COPIES = 192,
	LABELS = 384,
	STEPS = 96,
	BLOCKS = 4 /* of one event */
};

/* Planted in the model, never in the index. */
enum {
	FAULT_NONE,
	FAULT_HOLE_IS_FILLED,  /* as AIBrix's synchronised indexer */
	FAULT_REMOVES_FOR_ALL, /* the same */
	FAULT_FIRST_NAME_STAYS /* an owner cannot rename */
};

struct path {
	uint32_t n;
	uint8_t at[DEPTH];
};

struct copy {
	uint32_t owner, tier;
	struct path path;
};

struct label {
	uint32_t scope;
	uint64_t name;
	struct path path;
};

struct model {
	int fault;
	uint32_t n_copies, n_labels;
	struct copy copies[COPIES];
	struct label labels[LABELS];
	int registered[OWNERS];
	uint64_t ignored[OWNERS];
	aibrix_index_stat stat; /* counters only */
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

static inline int
path_begins(const struct path *whole, const struct path *head)
{
	return head->n <= whole->n && !memcmp(whole->at, head->at, head->n);
}

static inline int
path_equal(const struct path *a, const struct path *b)
{
	return a->n == b->n && path_begins(a, b);
}

static inline int
model_known(const struct model *m, const struct path *path)
{
	for (uint32_t i = 0; i < m->n_copies; i++)
		if (path_begins(&m->copies[i].path, path))
			return 1;
	return 0;
}

/* tier AIBRIX_TIERS: any. */
static inline uint32_t
model_count(const struct model *m, uint32_t owner, uint32_t tier,
	    const struct path *path)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_copies; i++)
		n += m->copies[i].owner == owner &&
		     (tier == AIBRIX_TIERS || m->copies[i].tier == tier) &&
		     path_equal(&m->copies[i].path, path);
	return n;
}

static inline struct label *
model_label(struct model *m, uint32_t scope, uint64_t name)
{
	for (uint32_t i = 0; i < m->n_labels; i++)
		if (m->labels[i].scope == scope && m->labels[i].name == name)
			return &m->labels[i];
	return NULL;
}

static inline struct label *
model_resolve(struct model *m, uint32_t owner, uint64_t name)
{
	struct label *label = model_label(m, owner, name);

	return label ? label : model_label(m, SHARED, name);
}

static inline void
model_purge(struct model *m)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_labels; i++)
		if (model_known(m, &m->labels[i].path))
			m->labels[kept++] = m->labels[i];
	m->n_labels = kept;
}

static inline void
model_unlabel(struct model *m, struct label *label)
{
	*label = m->labels[--m->n_labels];
}

static inline void
model_file(struct model *m, uint32_t scope, uint64_t name,
	   const struct path *path)
{
	for (uint32_t i = 0; i < m->n_labels; i++) {
		if (path_equal(&m->labels[i].path, path)) {
			m->stat.twins++;
			break;
		}
	}
	m->labels[m->n_labels++] = (struct label){scope, name, *path};
}

static inline void
model_announce(struct model *m, uint32_t owner, uint64_t name,
	       const struct path *path)
{
	struct label *own = model_label(m, owner, name);
	const struct label *shared = model_label(m, SHARED, name);
	int agrees = shared && path_equal(&shared->path, path);
	int is_shared = shared != NULL;

	if (is_shared && !agrees) {
		if (m->fault == FAULT_FIRST_NAME_STAYS ||
		    (own && path_equal(&own->path, path)))
			return;
	}
	if (own)
		model_unlabel(m, own);
	if (!agrees)
		model_file(m, is_shared ? owner : SHARED, name, path);
}

static inline int
model_stored(struct model *m, uint32_t owner, const aibrix_index_stored *e)
{
	struct path path = {0};

	if (!m->registered[owner])
		return AIBRIX_E_INVAL;
	if (e->kind == AIBRIX_GROUP_OTHER) {
		m->ignored[owner] |= (uint64_t)1 << e->group;
		m->stat.ignored += e->n;
		return AIBRIX_OK;
	}
	if (e->flags & AIBRIX_INDEX_HAS_PARENT) {
		const struct label *parent = model_resolve(m, owner, e->parent);

		if (!parent) {
			m->stat.unknown_parents++;
			return AIBRIX_E_NOT_FOUND;
		}
		path = parent->path;
	}
	m->ignored[owner] &= ~((uint64_t)1 << e->group);
	for (uint32_t i = 0; i < e->n; i++) {
		path.at[path.n++] = (uint8_t)e->hashes[i];
		if (model_count(m, owner, e->tier, &path))
			m->stat.duplicates++;
		m->copies[m->n_copies++] = (struct copy){owner, e->tier, path};
		m->stat.stored++;
		model_announce(m, owner, e->names[i], &path);
	}
	return AIBRIX_OK;
}

static inline int
model_take(struct model *m, uint32_t owner, uint64_t name, uint32_t tier)
{
	const struct label *label = model_resolve(m, owner, name);

	for (uint32_t i = 0; label && i < m->n_copies; i++) {
		const struct copy *copy = &m->copies[i];
		int mine = copy->owner == owner ||
			   m->fault == FAULT_REMOVES_FOR_ALL;

		if (mine && copy->tier == tier &&
		    path_equal(&copy->path, &label->path)) {
			m->copies[i] = m->copies[--m->n_copies];
			return 1;
		}
	}
	return 0;
}

static inline int
model_removed(struct model *m, uint32_t owner, const uint64_t *names,
	      uint32_t n, uint32_t tier, uint32_t group)
{
	if (!m->registered[owner])
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (m->ignored[owner] >> group & 1)
			m->stat.ignored++;
		else if (model_take(m, owner, names[i], tier))
			m->stat.removed++;
		else
			m->stat.unknown_removals++;
		model_purge(m);
	}
	return AIBRIX_OK;
}

static inline int
model_cleared(struct model *m, uint32_t owner)
{
	uint32_t kept = 0;

	if (!m->registered[owner])
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < m->n_copies; i++)
		if (m->copies[i].owner != owner)
			m->copies[kept++] = m->copies[i];
	m->n_copies = kept;
	model_purge(m);
	return AIBRIX_OK;
}

static inline int
model_owner_remove(struct model *m, uint32_t owner)
{
	uint32_t kept = 0;

	if (model_cleared(m, owner))
		return AIBRIX_E_NOT_FOUND;
	for (uint32_t i = 0; i < m->n_labels; i++)
		if (m->labels[i].scope != owner)
			m->labels[kept++] = m->labels[i];
	m->n_labels = kept;
	m->registered[owner] = 0;
	m->ignored[owner] = 0;
	return AIBRIX_OK;
}

static inline uint32_t
model_score(const struct model *m, uint32_t owner, uint32_t tier,
	    const struct path *prompt)
{
	struct path head = *prompt;
	uint32_t score = 0;

	for (head.n = 1; head.n <= prompt->n; head.n++) {
		if (model_count(m, owner, tier, &head))
			score = head.n;
		else if (m->fault != FAULT_HOLE_IS_FILLED || head.n == 1)
			break;
	}
	return score;
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

static inline int
place_is(const struct aibrix_index *index, uint32_t id, const struct path *path)
{
	for (uint32_t i = path->n; i > 0; i--) {
		if (id == NONE || place_at(index, id)->hash != path->at[i - 1])
			return 0;
		id = place_at(index, id)->parent;
	}
	return id == ROOT;
}

/* Every name means the same to every owner. */
static inline const char *
names_compare(struct program *p)
{
	for (uint32_t i = 0; i < p->m.n_labels; i++) {
		uint64_t name = p->m.labels[i].name;

		for (uint32_t owner = 0; owner < OWNERS; owner++) {
			const struct label *label;
			uint32_t id;

			if (!p->m.registered[owner])
				continue;
			label = model_resolve(&p->m, owner, name);
			id = aibrix__name_resolve(p->index, owner, name);
			if (label ? !place_is(p->index, id, &label->path)
				  : id != NONE)
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
	       a->ignored == b->ignored && a->refused == b->refused;
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
	if (!bad)
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

	if (b >= 232 || !p->m.n_labels)
		return b % 8;
	return p->m.labels[b % p->m.n_labels].name;
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
		parent = model_resolve(&p->m, owner, e.parent);
		if (parent)
			path = parent->path;
	}
	if (path.n + e.n > DEPTH || p->m.n_copies + e.n > COPIES ||
	    p->m.n_labels + e.n > LABELS)
		return NULL;
	for (uint32_t i = 0; i < e.n; i++) {
		uint32_t b = program_byte(p);

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
	uint8_t *bytes, *copy;
	aibrix_index *loaded;
	int same;

	if (aibrix_index_dump(p->index, NULL, 0, &n) != AIBRIX_E_SPACE)
		return "dump: does not say what it needs";
	bytes = malloc(n);
	copy = malloc(n);
	if (!bytes || !copy || aibrix_index_new(&opts, &loaded))
		abort();
	same = aibrix_index_dump(p->index, bytes, n, &n) == AIBRIX_OK &&
	       aibrix_index_load(loaded, bytes, n) == AIBRIX_OK &&
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
