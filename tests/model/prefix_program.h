/*
 * A byte string is a program of prefix table operations, run on the table
 * and on a list of what was added, newest last, searched from end to end.
 *
 * prefix_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PREFIX_PROGRAM_H
#define MODEL_PREFIX_PROGRAM_H

#include <stdlib.h>

#include <aibrix/prefix.h>

enum { HASHES = 10, PODS = 4, MODELS = 2, CAP = 6, AGE = 8, PROMPT = 5 };

/* Planted in the model, never in the table. */
enum { NO_FAULT, FAULT_MATCH_REFRESHES, FAULT_AGE_OF_BLOCK };

struct added {
	uint64_t hash, model, pod, at;
};

struct prefix_model {
	int fault;
	uint64_t now;
	uint64_t blocks[CAP];      /* least recently added first */
	uint64_t last[HASHES + 1]; /* add of a block, by hash */
	uint32_t n_blocks;
	struct added added[CAP * PODS * MODELS];
	uint32_t n_added;
};

/* hash or pod UINT64_MAX: any. */
static inline void
pm_drop(struct prefix_model *m, uint64_t hash, uint64_t pod, int expired_only)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_added; i++) {
		const struct added *a = &m->added[i];

		if ((hash != UINT64_MAX && a->hash != hash) ||
		    (pod != UINT64_MAX && a->pod != pod) ||
		    (expired_only && m->now - a->at <= AGE))
			m->added[kept++] = *a;
	}
	m->n_added = kept;
}

static inline struct added *
pm_find(struct prefix_model *m, uint64_t hash, uint64_t model, uint64_t pod)
{
	for (uint32_t i = 0; i < m->n_added; i++) {
		struct added *a = &m->added[i];

		if (a->hash == hash && a->model == model && a->pod == pod)
			return a;
	}
	return NULL;
}

static inline void
pm_unlist(struct prefix_model *m, uint64_t hash)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_blocks; i++)
		if (m->blocks[i] != hash)
			m->blocks[kept++] = m->blocks[i];
	m->n_blocks = kept;
}

static inline void
pm_touch(struct prefix_model *m, uint64_t hash)
{
	uint32_t before = m->n_blocks;

	pm_unlist(m, hash);
	if (before == m->n_blocks && m->n_blocks == CAP) {
		pm_drop(m, m->blocks[0], UINT64_MAX, 0);
		pm_unlist(m, m->blocks[0]);
	}
	m->blocks[m->n_blocks++] = hash;
	m->last[hash] = m->now;
}

static inline void
pm_add(struct prefix_model *m, uint64_t model, uint64_t pod,
       const uint64_t *hashes, uint32_t n)
{
	while (m->n_blocks && m->now - m->last[m->blocks[0]] > AGE) {
		pm_drop(m, m->blocks[0], UINT64_MAX, 0);
		pm_unlist(m, m->blocks[0]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct added *a;

		pm_touch(m, hashes[i]);
		a = pm_find(m, hashes[i], model, pod);
		if (!a) {
			pm_drop(m, hashes[i], UINT64_MAX, 1);
			a = &m->added[m->n_added++];
		}
		*a = (struct added){hashes[i], model, pod, m->now};
	}
}

static inline void
pm_forget(struct prefix_model *m, uint64_t pod)
{
	pm_drop(m, UINT64_MAX, pod, 0);
	for (uint64_t hash = 1; hash <= HASHES; hash++) {
		int any = 0;

		for (uint32_t i = 0; i < m->n_added; i++)
			any |= m->added[i].hash == hash;
		if (!any)
			pm_unlist(m, hash);
	}
}

static inline uint32_t
pm_percent(struct prefix_model *m, uint64_t model, uint64_t pod,
	   const uint64_t *hashes, uint32_t n)
{
	uint32_t depth = 0;

	for (; depth < n; depth++) {
		const struct added *a = pm_find(m, hashes[depth], model, pod);
		uint64_t at;

		if (!a)
			break;
		at = m->fault == FAULT_AGE_OF_BLOCK ? m->last[a->hash] : a->at;
		if (m->now - at > AGE)
			break;
		if (m->fault == FAULT_MATCH_REFRESHES)
			pm_touch(m, hashes[depth]);
	}
	return n ? depth * 100 / n : 0;
}

static inline const char *
pm_compare(struct prefix_model *m, const aibrix_prefix *prefix, uint64_t model,
	   const uint64_t *hashes, uint32_t n)
{
	static const uint64_t pods[PODS] = {3, 1, 0, 2};
	uint32_t percent[PODS];

	if (aibrix_prefix_count(prefix) != m->n_blocks)
		return "another count";
	aibrix_prefix_match(prefix, model, pods, PODS, hashes, n, m->now,
			    percent);
	for (uint32_t i = 0; i < PODS; i++)
		if (percent[i] != pm_percent(m, model, pods[i], hashes, n))
			return "another percent";
	return NULL;
}

static inline const char *
prefix_program_run(const uint8_t *bytes, size_t len, int fault)
{
	aibrix_prefix_opts opts = {
		.size = sizeof(opts), .max_blocks = CAP, .max_age_ns = AGE};
	struct prefix_model m = {.fault = fault};
	const uint8_t *end = bytes + len;
	const char *bad = NULL;
	aibrix_prefix *prefix;

	if (aibrix_prefix_new(&opts, &prefix))
		abort();
	/* Steps of 3 bytes: what for whom, when, which prompt. */
	for (; !bad && end - bytes >= 3; bytes += 3) {
		uint64_t model = bytes[0] % MODELS, pod = bytes[0] / 2 % PODS;
		uint32_t n = bytes[2] % (PROMPT + 1);
		uint64_t hashes[PROMPT];

		m.now += bytes[1] % 4;
		for (uint32_t i = 0; i < n; i++)
			hashes[i] = 1 + (bytes[2] / 8 + i) % HASHES;
		if (bytes[0] >= 240) {
			aibrix_prefix_forget(prefix, pod);
			pm_forget(&m, pod);
		} else if (bytes[0] >= 80) {
			if (aibrix_prefix_add(prefix, model, pod, hashes, n,
					      m.now))
				abort();
			pm_add(&m, model, pod, hashes, n);
		}
		bad = pm_compare(&m, prefix, model, hashes, n);
	}
	aibrix_prefix_free(prefix);
	return bad;
}

#endif
