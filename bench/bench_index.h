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
#include "rounds.h"

enum {
	OWNERS = 128,
	OWNERS_MOST = 1000,
	DEPTH = 268, /* blocks of a mean lookup */
	DEPTH_MOST = 1000,
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
	uint32_t owners;
	uint64_t *queries; /* first blocks of prompts of DEPTH and more */
	uint64_t n_queries;
	uint64_t state;
};

/* Prompts: n of the timeline, of which the first known blocks are asked for,
 * and new ones up to depth. */
struct asked {
	const uint64_t *at; /* first blocks */
	uint64_t n;
	uint32_t known, depth;
	int again; /* each once more, warm */
};

/* CPU time of the thread, ns. */
static inline double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* bench_index_setup.c */
aibrix_index *index_new(const aibrix_allocator *alloc, uint32_t owners);
aibrix_index_stored event_of(const struct corpus *c,
			     const struct corpus_event *e);
void event_apply(aibrix_index *index, const struct corpus *c,
		 const struct corpus_event *e);
struct corpus_opts corpus_options(const struct bench *b,
				  enum corpus_route route);
void setup_init(struct setup *s, const struct bench *b, enum corpus_route route,
		uint32_t owners);
void setup_free(struct setup *s);
/* One of them, copied to where a caller that has just computed the hashes
 * would have them: near. */
void asked_load(struct setup *s, const struct asked *a, uint64_t *hashes);
/* The same of the prompts of DEPTH blocks. */
void query_load(struct setup *s, uint64_t *hashes);

/* bench_index_lookup.c */
void lookup_row(struct setup *s, const char *name, const struct asked *a);
void lookup_random(struct setup *s);
/* Batches of n, 16 at most. */
void lookup_batch(struct setup *s, uint32_t n);
void match_512x1000(const struct bench *b);

/* bench_index_open.c: window_ms 0 means several. */
void open_rows(const struct bench *b, enum corpus_route route,
	       uint32_t window_ms);

/* bench_index_export.c */
void timeline_export(const struct bench *b, enum corpus_route route,
		     const char *file);

/* bench_index_micro.c */
void micro_rows(const struct bench *b);

/* bench_index_write.c */
void write_rows(struct setup *s);
void single_rows(struct setup *s);
void clear_row(struct setup *s);
void writer_row(struct setup *s, const struct baseline *p, const char *name);
void owner_maps_two(const struct bench *b);
void reader_beside_writer(struct setup *s);

/* bench_index_memory.c */
void bytes_per_block(struct setup *s);
void churn_growth(const struct bench *b);

/* bench_index_exact.c: whether an answer differs. */
int exactness(const struct bench *b, enum corpus_route route);

#endif
