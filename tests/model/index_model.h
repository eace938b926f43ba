/*
 * The naive model of the block index: a bag of copies (owner, tier, path) and
 * a list of names with the path they mean, both searched from end to end.
 */
#ifndef MODEL_INDEX_MODEL_H
#define MODEL_INDEX_MODEL_H

#include <string.h>

#include <aibrix/index.h>

/* As a scope: everybody else's meaning. */
#define SHARED UINT32_MAX

enum { OWNERS = 8, DEPTH = 12, COPIES = 192, LABELS = 384 };

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

struct labels {
	uint32_t n;
	struct label at[LABELS];
};

struct model {
	int fault;
	uint32_t n_copies;
	struct copy copies[COPIES];
	struct labels labels;
	int registered[OWNERS];
	uint64_t ignored[OWNERS];
	aibrix_index_stat stat; /* counters only */
};

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
labels_find(struct labels *labels, uint32_t scope, uint64_t name)
{
	for (uint32_t i = 0; i < labels->n; i++)
		if (labels->at[i].scope == scope && labels->at[i].name == name)
			return &labels->at[i];
	return NULL;
}

static inline struct label *
labels_resolve(struct labels *labels, uint32_t owner, uint64_t name)
{
	struct label *label = labels_find(labels, owner, name);

	return label ? label : labels_find(labels, SHARED, name);
}

static inline void
model_purge(struct model *m)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->labels.n; i++)
		if (model_known(m, &m->labels.at[i].path))
			m->labels.at[kept++] = m->labels.at[i];
	m->labels.n = kept;
}

static inline void
model_unlabel(struct model *m, struct label *label)
{
	*label = m->labels.at[--m->labels.n];
}

static inline void
model_file(struct model *m, uint32_t scope, uint64_t name,
	   const struct path *path)
{
	for (uint32_t i = 0; i < m->labels.n; i++) {
		if (path_equal(&m->labels.at[i].path, path)) {
			m->stat.twins++;
			break;
		}
	}
	m->labels.at[m->labels.n++] = (struct label){scope, name, *path};
}

static inline void
model_announce(struct model *m, uint32_t owner, uint64_t name,
	       const struct path *path)
{
	struct label *own = labels_find(&m->labels, owner, name);
	const struct label *shared = labels_find(&m->labels, SHARED, name);
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

/* Block i of the event goes to path. */
static inline void
model_store(struct model *m, uint32_t owner, const aibrix_index_stored *e,
	    uint32_t i, const struct path *path)
{
	if (model_count(m, owner, e->tier, path))
		m->stat.duplicates++;
	m->copies[m->n_copies++] = (struct copy){owner, e->tier, *path};
	m->stat.stored++;
	model_announce(m, owner, e->names[i], path);
}

/* Each name by itself, and only where it means something. */
static inline void
model_stored_by_name(struct model *m, uint32_t owner,
		     const aibrix_index_stored *e)
{
	for (uint32_t i = 0; i < e->n; i++) {
		const struct label *label =
			labels_resolve(&m->labels, owner, e->names[i]);
		struct path path;

		if (!label) {
			m->stat.unknown_names++;
			continue;
		}
		path = label->path;
		model_store(m, owner, e, i, &path);
	}
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
	if (e->hashes && e->flags & AIBRIX_INDEX_HAS_PARENT) {
		const struct label *parent =
			labels_resolve(&m->labels, owner, e->parent);

		if (!parent) {
			m->stat.unknown_parents++;
			return AIBRIX_E_NOT_FOUND;
		}
		path = parent->path;
	}
	m->ignored[owner] &= ~((uint64_t)1 << e->group);
	if (!e->hashes)
		model_stored_by_name(m, owner, e);
	for (uint32_t i = 0; e->hashes && i < e->n; i++) {
		path.at[path.n++] = (uint8_t)e->hashes[i];
		model_store(m, owner, e, i, &path);
	}
	return AIBRIX_OK;
}

static inline int
model_take(struct model *m, uint32_t owner, uint64_t name, uint32_t tier)
{
	const struct label *label = labels_resolve(&m->labels, owner, name);

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
	for (uint32_t i = 0; i < m->labels.n; i++)
		if (m->labels.at[i].scope != owner)
			m->labels.at[kept++] = m->labels.at[i];
	m->labels.n = kept;
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

#endif
