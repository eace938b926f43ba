/* Lookups: the walk and the scores; index_walk.c. */
#ifndef INDEX_INDEX_LOOKUP_H
#define INDEX_INDEX_LOOKUP_H

#include "index/index_internal.h"

/* A prompt on its way down. */
struct walk {
	const uint64_t *hashes;
	uint32_t n;            /* blocks of the prompt */
	uint32_t depth;        /* matched so far */
	const struct run *run; /* the last one, at its position at */
	uint32_t at;
	uint32_t n_hops;
	struct hop *hops;
	uint32_t hops_cap;
	uint32_t stage;
	uint64_t key;            /* of the next run among the children */
	const struct kids *kids; /* which may have it */
	const struct run *next;
};

void aibrix__walk_begin(const struct aibrix_index *index, struct walk *walk,
			const uint64_t *hashes, uint32_t n, struct hop *hops,
			uint32_t hops_cap);
/* As far as the memory that was asked for the last time; 0: the end. */
int aibrix__walk_turn(const struct aibrix_index *index, struct walk *walk);
/* To the end. */
void aibrix__walk(const struct aibrix_index *index, struct walk *walk);
/* Did it end for want of hops? */
int aibrix__walk_open(const struct walk *walk);
/* Have the runs kept what they showed when the walk came by? */
int aibrix__walk_holds(const struct walk *walk);

/* The scores that follow from hops, which may come in several pieces. */
struct score {
	aibrix_match *rows;
	uint32_t *in_play; /* rows of owners without a bit */
	uint32_t n, n_in_play, depth;
	uint32_t first_depth; /* what rows say that nobody has changed */
	uint64_t held[INLINE_OWNERS / 64];   /* still hold everything */
	uint64_t device[INLINE_OWNERS / 64]; /* the same on the device */
	uint64_t rowed[INLINE_OWNERS / 64];  /* have a row, */
	uint32_t before[INLINE_OWNERS / 64]; /* after so many others */
};

/* rows: room for max_owners of them. */
void aibrix__score_begin(struct score *score, aibrix_index_reader *reader,
			 aibrix_match *rows);
void aibrix__score_hops(struct score *score, const struct hop *hops,
			uint32_t n);
void aibrix__score_end(struct score *score);

#endif
