/*
 * A byte string is a program of predictions, run on the object and on a
 * plain table that has a cell for every prefix there can be.
 *
 * Prompts have up to six blocks of four kinds, so a prefix is a number: a 1
 * and then two bits for each block.  Bounds are never met; what happens
 * there is the same code as that of the prefix table, and tested with it.
 *
 * predict_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PREDICT_PROGRAM_H
#define MODEL_PREDICT_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/predict.h>

#include "index/claims_check.h"

enum { OWNERS = 5, BLOCKS = 6, PREFIXES = 2 << (2 * BLOCKS), LEASE = 9 };

/* Planted in the model, never in the object. */
enum {
	NO_FAULT,
	FAULT_ADDING_SHORTENS,
	FAULT_ONLY_FROM_BLOCK_0,
	FAULT_ENDS_EARLY,
	FAULT_CONFIRM_TAKES_ALL_BEHIND
};

struct predict_model {
	int fault;
	uint64_t now;
	uint64_t until[OWNERS][PREFIXES]; /* 0: not predicted */
};

struct predict_prompt {
	uint32_t n;
	uint64_t hashes[BLOCKS];
	uint32_t prefixes[BLOCKS];
};

static inline struct predict_prompt
predict_prompt_of(uint32_t bits)
{
	struct predict_prompt p = {.n = bits % (BLOCKS + 1)};
	uint32_t prefix = 1;

	bits /= BLOCKS + 1;
	for (uint32_t i = 0; i < p.n; i++, bits /= 4) {
		prefix = prefix * 4 + bits % 4;
		p.hashes[i] = bits % 4;
		p.prefixes[i] = prefix;
	}
	return p;
}

static inline void
predict_model_add(struct predict_model *m, uint32_t owner,
		  const struct predict_prompt *p, uint64_t lease)
{
	for (uint32_t i = 0; i < p->n; i++) {
		uint64_t *until = &m->until[owner][p->prefixes[i]];

		if (*until < m->now + lease ||
		    m->fault == FAULT_ADDING_SHORTENS)
			*until = m->now + lease;
	}
}

static inline void
predict_model_confirm(struct predict_model *m, uint32_t owner,
		      const struct predict_prompt *p)
{
	uint32_t n = p->n;

	for (uint32_t i = 0; i < n; i++)
		m->until[owner][p->prefixes[i]] = 0;
	for (uint32_t x = 0; n && m->fault == FAULT_CONFIRM_TAKES_ALL_BEHIND &&
			     n < BLOCKS && x < 4;
	     x++)
		m->until[owner][p->prefixes[n - 1] * 4 + x] = 0;
}

static inline double
predict_model_raise(const struct predict_model *m, uint32_t owner,
		    const struct predict_prompt *p, double blocks)
{
	uint32_t from = blocks >= 1 ? (uint32_t)fmin(blocks, BLOCKS) : 0, at;
	uint64_t late = m->fault == FAULT_ENDS_EARLY;

	at = m->fault == FAULT_ONLY_FROM_BLOCK_0 ? 0 : from;
	while (at < p->n && m->until[owner][p->prefixes[at]] >= m->now + late &&
	       m->until[owner][p->prefixes[at]] > 0)
		at++;
	return at > from ? at : blocks;
}

static inline const char *
predict_compare(const struct predict_model *m, aibrix_predict *predict,
		const struct predict_prompt *p, uint32_t bits)
{
	static const double starts[] = {0, 0, 0, 1, 2, 3, 2.5, 7, -1, NAN};
	double blocks[OWNERS];

	for (uint32_t i = 0; i < OWNERS; i++)
		blocks[i] = starts[(bits * (2 * i + 1) + i) % 10];
	/* The last owner has no row. */
	if (aibrix_predict_match(predict, p->hashes, p->n, m->now, blocks,
				 OWNERS - 1))
		return "no match";
	for (uint32_t i = 0; i < OWNERS; i++) {
		double start = starts[(bits * (2 * i + 1) + i) % 10];
		double want = start;

		if (i < OWNERS - 1)
			want = predict_model_raise(m, i, p, start);
		if (memcmp(&blocks[i], &want, sizeof(want)) != 0)
			return "another depth";
	}
	return aibrix__predict_check(predict) ? "inconsistent" : NULL;
}

static inline const char *
predict_program_run(const uint8_t *bytes, size_t len, int fault)
{
	aibrix_predict_opts opts = {.size = sizeof(opts),
				    .max_owners = OWNERS,
				    .max_blocks = PREFIXES,
				    .lease_ns = LEASE};
	struct predict_model *m = calloc(1, sizeof(*m));
	const uint8_t *end = bytes + len;
	const char *bad = NULL;
	aibrix_predict *predict;

	if (!m || aibrix_predict_new(&opts, &predict))
		abort();
	m->fault = fault;
	/* Steps of 4 bytes: what for whom, when, which prompt. */
	for (; !bad && end - bytes >= 4; bytes += 4) {
		uint32_t owner = bytes[0] % OWNERS, lease = bytes[1] / 4 % 16;
		uint32_t bits = bytes[2] + 256u * bytes[3];
		struct predict_prompt p = predict_prompt_of(bits);

		m->now += bytes[1] % 4;
		if (bytes[0] >= 250) {
			if (aibrix_predict_forget(predict, owner))
				abort();
			memset(m->until[owner], 0, sizeof(m->until[owner]));
		} else if (bytes[0] >= 200) {
			if (aibrix_predict_confirm(predict, owner, p.hashes,
						   p.n))
				abort();
			predict_model_confirm(m, owner, &p);
		} else if (bytes[0] >= 60) {
			if (aibrix_predict_add(predict, owner, p.hashes, p.n,
					       m->now, lease))
				abort();
			predict_model_add(m, owner, &p, lease ? lease : LEASE);
		}
		bad = predict_compare(m, predict, &p, bits);
	}
	aibrix_predict_free(predict);
	free(m);
	return bad;
}

#endif
