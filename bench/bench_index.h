/*
 * What the parts of bench_index share: an index filled by a timeline, and
 * pairs of measurements.
 */
#ifndef BENCH_INDEX_H
#define BENCH_INDEX_H

#include <aibrix/index.h>

#include "baselines/baseline.h"
#include "corpus.h"
#include "floors.h"

enum {
	OWNERS = 128,
	ROUNDS = 15,
	DEPTH = 268, /* blocks of a mean lookup */
	PER_ROUND = 256
};

/* An index filled by a whole corpus, and what it is measured beside. */
struct setup {
	const struct bench *b;
	const aibrix_allocator *alloc;
	struct corpus corpus;
	aibrix_index *index;
	aibrix_index_reader *reader;
	struct floors floors;
	const char *note;
	uint64_t *queries; /* first blocks of prompts of DEPTH and more */
	uint64_t n_queries;
	uint64_t state;
};

/* Rows whose pairs are measured here: ours and the peer in each round. */
struct rounds {
	double ours[64], peer[64], ratio[64];
	uint32_t n;
};

/* bench_index_setup.c */
aibrix_index *index_new(const aibrix_allocator *alloc, uint32_t owners);
aibrix_index_stored event_of(const struct corpus *c,
			     const struct corpus_event *e);
void event_apply(aibrix_index *index, const struct corpus *c,
		 const struct corpus_event *e);
struct corpus_opts corpus_options(const struct bench *b,
				  enum corpus_route route);
void setup_init(struct setup *s, const struct bench *b,
		enum corpus_route route);
void setup_free(struct setup *s);
void round_add(struct rounds *r, double ours, double peer);
void rounds_print(const struct bench *b, struct rounds *r, const char *name,
		  const char *peer, const char *note);
uint32_t rounds_wanted(const struct bench *b);
/* A prompt's hashes, copied to where a caller that has just computed them
 * would have them: near. */
void query_load(struct setup *s, uint64_t *hashes);

/* bench_index_lookup.c */
void lookup_random(struct setup *s);
void lookup_batch(struct setup *s);
void match_512x1000(const struct bench *b);

/* bench_index_write.c */
void write_rows(struct setup *s);
void writer_row(struct setup *s, const struct baseline *p, const char *name);
void reader_beside_writer(struct setup *s);

/* bench_index_memory.c */
void bytes_per_block(struct setup *s);
void churn_growth(const struct bench *b);

/* bench_index_exact.c: whether an answer differs. */
int exactness(const struct bench *b, enum corpus_route route);

#endif
