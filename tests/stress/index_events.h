/*
 * Random events of the stress test: what an owner may do so that the state
 * it comes to depends on nobody else, and what it scores afterwards.
 */
#ifndef STRESS_INDEX_EVENTS_H
#define STRESS_INDEX_EVENTS_H

#include <stdatomic.h>
#include <stdio.h>

#include "model/index_diff.h"

enum {
	WRITERS = 3,
	READERS = 3,
	EACH = 4, /* owners of one writer */
	OWNERS = WRITERS * EACH,
	STEP = 13, /* between owners: they end beyond 128 */
	MAX_OWNERS = 1 + STEP * OWNERS,
	PROMPTS = 6,
	LENGTH = 48,
	PLACES = PROMPTS * LENGTH,
	EVENTS = 6000, /* of each writer */
	COPIES = 3,
	FRESH = 20, /* blocks of a branch that comes and goes */
	ROUND_COMMON = 0,
	ROUND_OWN = 1
};

enum { STORE, STORE_BY_NAME, REMOVE, CLEAR, LEAVE, RETURN, BRANCH, PRUNE };

struct event {
	uint32_t owner, kind, tier, parent, n;
	uint64_t salt;         /* of a branch */
	uint8_t prompt, from;  /* what is stored */
	uint8_t at[LENGTH][2]; /* what is removed: prompt, block */
};

struct owner_log {
	uint32_t number; /* in the index */
	_Atomic uint32_t begun, done;
	uint8_t copies[PLACES][2]; /* tiers; the writer's */
	/* After event i: blocks held, blocks on the device. */
	uint8_t scores[EVENTS + 2][PROMPTS][2];
};

struct stress {
	aibrix_index *index;
	int round;
	uint64_t hashes[PROMPTS][LENGTH];
	uint32_t place[PROMPTS][LENGTH]; /* shared heads: the same numbers */
	struct owner_log owners[OWNERS];
	_Atomic uint32_t writers, lookups, failed;
};

struct worker {
	struct stress *s;
	uint32_t first, n_log; /* owner; events */
	uint64_t seed;
	struct event log[2 * EVENTS];
};

static inline void
must(struct stress *s, int ok, const char *what)
{
	if (!ok && !atomic_exchange(&s->failed, 1))
		printf("# %s\n", what);
}

/* Prompts 0 to 2 fork at 16 and 30, 3 and 4 at 1, 5 is alone. */
static inline void
prompts_make(struct stress *s)
{
	static const uint8_t of[PROMPTS] = {0, 0, 0, 3, 3, 5};
	static const uint8_t fork[PROMPTS] = {0, 16, 30, 0, 1, 0};

	for (uint32_t p = 0; p < PROMPTS; p++) {
		for (uint32_t i = 0; i < LENGTH; i++) {
			uint32_t from = i < fork[p] ? of[p] : p;

			s->place[p][i] = from * LENGTH + i;
			s->hashes[p][i] = 1 + mix64(s->place[p][i] % 97 + 1);
		}
	}
}

/* In a round of own names, one name means another place to each owner. */
static inline uint64_t
name_of(const struct stress *s, uint32_t number, uint32_t place)
{
	uint32_t shift = s->round == ROUND_OWN ? number * 7 : 0;

	return 1 + (place + shift) % PLACES;
}

static inline uint64_t
name_at(const struct stress *s, uint32_t number, uint32_t prompt, uint32_t i)
{
	return name_of(s, number, s->place[prompt][i]);
}

/* What owner 0 holds from the begin to the end. */
static inline uint32_t
held_throughout(const struct stress *s, uint32_t prompt)
{
	static const uint32_t blocks[PROMPTS] = {LENGTH, 16, 40, 0, 0, 10};

	return s->round == ROUND_COMMON ? blocks[prompt] : 0;
}

static inline uint32_t
score_of(const struct stress *s, const struct owner_log *o, uint32_t prompt,
	 int device)
{
	uint32_t i = 0;

	while (i < LENGTH) {
		const uint8_t *copies = o->copies[s->place[prompt][i]];

		if (!copies[0] && (device || !copies[1]))
			break;
		i++;
	}
	return i;
}

static inline void
simulate(const struct stress *s, struct owner_log *o, const struct event *e)
{
	if (e->kind == CLEAR || e->kind == LEAVE)
		memset(o->copies, 0, sizeof(o->copies));
	for (uint32_t i = 0; i < e->n; i++) {
		if (e->kind == REMOVE) {
			uint32_t place = s->place[e->at[i][0]][e->at[i][1]];

			if (o->copies[place][e->tier])
				o->copies[place][e->tier]--;
		} else if (e->kind == STORE || e->kind == STORE_BY_NAME) {
			o->copies[s->place[e->prompt][e->from + i]][e->tier]++;
		}
	}
}

static inline void
names_make(const struct stress *s, const struct event *e, uint64_t *names,
	   uint64_t *hashes)
{
	for (uint32_t i = 0; i < e->n; i++) {
		if (e->kind == BRANCH || e->kind == PRUNE)
			names[i] = hashes[i] = mix64(e->salt + i) | 1ull << 63;
		else if (e->kind == REMOVE)
			names[i] =
				name_at(s, e->owner, e->at[i][0], e->at[i][1]);
		else
			names[i] = name_at(s, e->owner, e->prompt, e->from + i);
	}
	if (e->kind == STORE)
		memcpy(hashes, &s->hashes[e->prompt][e->from],
		       e->n * sizeof(*hashes));
}

/* On the index, or in the end on the simple one. */
static inline int
apply(const struct stress *s, const struct event *e, simple_index *ref)
{
	uint64_t names[LENGTH], hashes[LENGTH];
	aibrix_index_stored stored = {.size = sizeof(stored),
				      .n = e->n,
				      .hashes = hashes,
				      .names = names,
				      .tier = e->tier};

	names_make(s, e, names, hashes);
	if (e->kind == STORE_BY_NAME)
		stored.hashes = NULL;
	if (e->parent) {
		stored.flags = AIBRIX_INDEX_HAS_PARENT;
		stored.parent = name_at(s, e->owner, e->prompt, e->parent - 1);
	}
	switch (e->kind) {
	case REMOVE:
	case PRUNE:
		return ref ? simple_index_apply_removed(ref, e->owner, names,
							e->n, e->tier, 0)
			   : aibrix_index_apply_removed(s->index, e->owner,
							names, e->n, e->tier,
							0);
	case CLEAR:
		return ref ? simple_index_apply_cleared(ref, e->owner)
			   : aibrix_index_apply_cleared(s->index, e->owner);
	case LEAVE:
		return ref ? simple_index_owner_remove(ref, e->owner)
			   : aibrix_index_owner_remove(s->index, e->owner);
	case RETURN:
		return ref ? simple_index_owner_add(ref, e->owner)
			   : aibrix_index_owner_add(s->index, e->owner);
	default:
		return ref ? simple_index_apply_stored(ref, e->owner, &stored)
			   : aibrix_index_apply_stored(s->index, e->owner,
						       &stored);
	}
}

/* Is block i certainly known, and known to this owner by its name? */
static inline int
anchored(const struct stress *s, const struct owner_log *o, uint32_t prompt,
	 uint32_t i)
{
	const uint8_t *copies = o->copies[s->place[prompt][i]];

	return copies[0] || copies[1] || i < held_throughout(s, prompt);
}

static inline void
choose_store(struct worker *w, const struct owner_log *o, struct event *e)
{
	static const uint32_t cuts[8] = {0, 0, 0, 1, 10, 16, 30, 40};
	const struct stress *s = w->s;
	uint32_t from = cuts[rand_below(&w->seed, 8)], n;

	e->prompt = (uint8_t)rand_below(&w->seed, PROMPTS);
	if (rand_below(&w->seed, 3) == 0) /* goes on from what it has */
		from = score_of(s, o, e->prompt, 0);
	if (from == LENGTH || (from && !anchored(s, o, e->prompt, from - 1)))
		from = 0;
	n = 1 + rand_below(&w->seed, LENGTH - from);
	if (rand_below(&w->seed, 4) == 0)
		n = 1;
	e->from = (uint8_t)from;
	e->parent = from;
	e->tier = rand_below(&w->seed, 4) == 0;
	while (e->n < n) {
		uint32_t at = from + e->n;

		if (o->copies[s->place[e->prompt][at]][e->tier] >= COPIES ||
		    (e->kind == STORE_BY_NAME &&
		     !anchored(s, o, e->prompt, at)))
			break;
		e->n++;
	}
	if (e->kind == STORE_BY_NAME)
		e->parent = 0;
}

/* Held blocks from a range, last first, first first or in any order. */
static inline void
choose_removal(struct worker *w, const struct owner_log *o, struct event *e)
{
	uint32_t prompt = rand_below(&w->seed, PROMPTS);
	uint32_t from = rand_below(&w->seed, LENGTH);
	uint32_t to = from + 1 + rand_below(&w->seed, LENGTH - from);
	uint32_t how = rand_below(&w->seed, 5);

	e->tier = rand_below(&w->seed, 3) == 0;
	if (how == 3)
		from = 0;
	if (how >= 3)
		to = LENGTH;
	for (uint32_t i = from; i < to; i++) {
		uint32_t at = how % 2 ? i : to - 1 - (i - from);
		uint32_t place = w->s->place[prompt][at];

		/* Where names contradict, others may mean what we hold. */
		if (!o->copies[place][e->tier] && w->s->round == ROUND_OWN)
			continue;
		e->at[e->n][0] = (uint8_t)prompt;
		e->at[e->n++][1] = (uint8_t)at;
	}
	for (uint32_t i = e->n; how == 2 && i > 1; i--) {
		uint32_t j = rand_below(&w->seed, i);
		uint8_t at = e->at[j][1];

		e->at[j][1] = e->at[i - 1][1];
		e->at[i - 1][1] = at;
	}
}

static inline void
choose(struct worker *w, const struct owner_log *o, struct event *e)
{
	uint32_t pick = rand_below(&w->seed, 100);

	e->owner = o->number;
	if (pick < 40) {
		e->kind = STORE;
		choose_store(w, o, e);
	} else if (pick < 50) {
		e->kind = STORE_BY_NAME;
		choose_store(w, o, e);
	} else if (pick < 84) {
		e->kind = REMOVE;
		choose_removal(w, o, e);
	} else if (pick < 96) {
		/* Under what it holds: places that come and go. */
		e->kind = BRANCH;
		e->prompt = (uint8_t)rand_below(&w->seed, PROMPTS);
		e->n = 1 + rand_below(&w->seed, FRESH);
		e->parent = score_of(w->s, o, e->prompt, 0);
		if (e->parent)
			e->parent = rand_below(&w->seed, e->parent + 1);
		e->salt = rand_next(&w->seed);
	} else {
		e->kind = pick < 99 ? CLEAR : LEAVE;
	}
}

#endif
