/*
 * A byte string is a program on a radix tree, run on the object and on a list
 * of all prompts that were ever sent.
 *
 * The first byte: bounds that are never met, or narrow ones, where the tree
 * may have less than the list and never more.  Prompts share beginnings of
 * every length around those of chunks.
 *
 * radix_program_run returns NULL, or what differed.
 */
#ifndef MODEL_RADIX_PROGRAM_H
#define MODEL_RADIX_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/radix.h>

#include "index/claims_check.h"

enum { OWNERS = 5, TOKENS = 64, SENT_MAX = 2048, AGE = 40, WINDOW = 25 };

/* Planted in the model, never in the object. */
enum {
	NO_FAULT,
	FAULT_MODELS_ARE_ONE,
	FAULT_ENDS_EARLY,
	FAULT_FORGETS_NOTHING,
	FAULT_COSTS_ALL_TOKENS
};

struct radix_prompt {
	uint64_t model;
	uint32_t n;
	uint32_t tokens[TOKENS];
};

struct radix_sent {
	struct radix_prompt prompt;
	uint64_t at;
	uint32_t owner;
	int forgotten;
	double seconds;
};

struct radix_model {
	int fault;
	uint64_t now;
	uint32_t n;
	struct radix_sent sent[SENT_MAX];
};

static inline struct radix_prompt
radix_prompt_of(uint8_t shape, uint8_t kind)
{
	struct radix_prompt p = {.model = kind / 128, .n = shape % TOKENS};
	uint32_t parts = kind / 8 % 8 * 8 - kind / 64 % 2;

	for (uint32_t i = 0; i < p.n; i++)
		p.tokens[i] = i < parts ? i * 3 : 1000 + kind % 8 + i % 3;
	return p;
}

static inline uint32_t
radix_common(const struct radix_prompt *a, const struct radix_prompt *b,
	     int fault)
{
	uint32_t n = 0;

	if (a->model != b->model && fault != FAULT_MODELS_ARE_ONE)
		return 0;
	while (n < a->n && n < b->n && a->tokens[n] == b->tokens[n])
		n++;
	return n;
}

static inline uint32_t
radix_model_held(const struct radix_model *m, uint32_t owner,
		 const struct radix_prompt *p)
{
	uint64_t age = m->fault == FAULT_ENDS_EARLY ? AGE - 1 : AGE;
	uint32_t most = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		const struct radix_sent *s = &m->sent[i];
		uint32_t common = radix_common(&s->prompt, p, m->fault);

		if (s->owner == owner && !s->forgotten &&
		    m->now - s->at <= age && common > most)
			most = common;
	}
	return most;
}

static inline void
radix_model_add(struct radix_model *m, uint32_t owner,
		const struct radix_prompt *p)
{
	uint32_t held = radix_model_held(m, owner, p);

	if (m->fault == FAULT_COSTS_ALL_TOKENS)
		held = 0;
	/* Of the options below: 1 + 2 n + n context / 64, and 3 * 0.5. */
	m->sent[m->n++] = (struct radix_sent){
		.prompt = *p,
		.at = m->now,
		.owner = owner,
		.seconds = 2.5 + 2 * (p->n - held) +
			   (double)(p->n - held) * p->n / 64,
	};
}

static inline void
radix_model_forget(struct radix_model *m, uint32_t owner)
{
	for (uint32_t i = 0; m->fault != FAULT_FORGETS_NOTHING && i < m->n; i++)
		if (m->sent[i].owner == owner)
			m->sent[i].forgotten = 1;
}

static inline const char *
radix_compare_history(const struct radix_model *m, aibrix_radix *radix)
{
	double requests[OWNERS + 1], seconds[OWNERS + 1];
	double sum[OWNERS] = {0}, count[OWNERS] = {0};

	if (aibrix_radix_history(radix, m->now, requests, seconds, OWNERS + 1))
		return "no history";
	for (uint32_t i = 0; i < m->n; i++) {
		const struct radix_sent *s = &m->sent[i];

		if (m->now - s->at > WINDOW || s->forgotten)
			continue;
		count[s->owner]++;
		sum[s->owner] += s->seconds;
	}
	for (uint32_t i = 0; i < OWNERS; i++)
		if (requests[i] != count[i] || fabs(seconds[i] - sum[i]) > 1e-6)
			return "another history";
	return requests[OWNERS] == 0 && seconds[OWNERS] == 0
		       ? NULL
		       : "a history of nobody";
}

static inline const char *
radix_compare(const struct radix_model *m, aibrix_radix *radix,
	      const struct radix_prompt *p, int narrow)
{
	double held[OWNERS];
	uint64_t matched, most = 0;

	/* The last owner has no row. */
	held[OWNERS - 1] = 77;
	if (aibrix_radix_match(radix, p->model, p->tokens, p->n, m->now, held,
			       OWNERS - 1, &matched))
		return "no match";
	if (held[OWNERS - 1] != 77)
		return "a row too many";
	for (uint32_t i = 0; i < OWNERS - 1; i++) {
		uint32_t want = radix_model_held(m, i, p);

		if (held[i] > want || (held[i] < want && !narrow))
			return "another depth";
	}
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t common = radix_common(&m->sent[i].prompt, p, m->fault);

		most = common > most ? common : most;
	}
	if (matched > most || matched > p->n)
		return "matched what nobody was sent";
	for (uint32_t i = 0; i < OWNERS - 1; i++)
		if ((double)matched < held[i])
			return "somebody holds what the tree has not";
	return aibrix__radix_check(radix) ? "inconsistent" : NULL;
}

static inline const char *
radix_step(struct radix_model *m, aibrix_radix *radix, const uint8_t *bytes,
	   int narrow)
{
	uint32_t owner = bytes[0] % OWNERS;
	struct radix_prompt p = radix_prompt_of(bytes[2], bytes[3]);
	const char *bad;

	m->now += bytes[1] % 4;
	if (bytes[0] >= 250) {
		if (aibrix_radix_forget(radix, owner))
			return "no forgetting";
		radix_model_forget(m, owner);
	} else if (bytes[0] >= 60) {
		if (aibrix_radix_add(radix, p.model, owner, p.tokens, p.n,
				     m->now, NULL))
			return "no adding";
		radix_model_add(m, owner, &p);
	}
	bad = radix_compare(m, radix, &p, narrow);
	/* With narrow bounds costs are of what is left of the tree. */
	return bad || narrow ? bad : radix_compare_history(m, radix);
}

static inline const char *
radix_program_run(const uint8_t *bytes, size_t len, int fault)
{
	const int narrow = len > 0 && bytes[0] % 2;
	const aibrix_radix_opts opts = {
		.size = sizeof(opts),
		.max_owners = OWNERS,
		.max_nodes = narrow ? 1 + bytes[0] / 2 % 16 : 4096,
		.max_tokens = narrow ? 1 + bytes[0] / 32 * 50 : 65536,
		.max_requests = narrow ? 7 : SENT_MAX,
		.max_age_ns = AGE,
		.window_ns = WINDOW,
		.compat = narrow && bytes[0] > 200,
		.prefill_s = 1,
		.token_s = 2,
		.pair_s = 1.0 / 64,
		.decode_tokens = 3,
		.decode_s = 0.5,
	};
	struct radix_model *m = calloc(1, sizeof(*m));
	const uint8_t *end = bytes + len;
	const char *bad = NULL;
	aibrix_radix *radix;

	if (!m || aibrix_radix_new(&opts, &radix))
		abort();
	m->fault = fault;
	/* Steps of 4 bytes: what for whom, when, which prompt. */
	for (bytes++; !bad && m->n < SENT_MAX && end - bytes >= 4; bytes += 4)
		bad = radix_step(m, radix, bytes, narrow);
	aibrix_radix_free(radix);
	free(m);
	return bad;
}

#endif
