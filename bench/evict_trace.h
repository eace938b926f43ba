/*
 * Walks of a trace of prompts through one cache, for bench_evict.
 *
 * Prefix hits: for each request count the leading resident blocks; then walk
 * all its blocks last to first: a resident one is hit, another is inserted
 * after a victim made room, if the cache is full.  Object hits: all blocks in
 * the order of the trace, every resident one counts.
 */
#ifndef EVICT_TRACE_H
#define EVICT_TRACE_H

#include <stdint.h>

#include <aibrix/evict.h>

struct trace {
	uint32_t *blocks; /* of all requests, one after the other */
	uint32_t *ends;   /* of each request, in blocks */
	uint32_t requests;
	uint32_t names; /* blocks are 0 .. names - 1 */
	const char *note;
};

/* What a cache of a capacity served, as shares of all blocks. */
struct trace_hits {
	double prefix, object;
};

/*
 * The first max requests of a file in Mooncake's format; NULL: a generated
 * workload.  Exits with a message when it cannot.
 */
void trace_open(struct trace *t, const char *path, uint32_t max);
void trace_close(struct trace *t);

static inline uint32_t
trace_blocks(const struct trace *t)
{
	return t->requests ? t->ends[t->requests - 1] : 0;
}

/* One order from opts, whose capacity is the cache's. */
struct trace_hits trace_run(const struct trace *t,
			    const aibrix_evict_opts *opts);

/* The victim is always the block whose next use is the farthest (Belady
 * 1966), which needs the future. */
struct trace_hits trace_belady(const struct trace *t, uint32_t capacity);

#endif
