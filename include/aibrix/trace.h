/*
 * What was asked of a model of late, for planners: how many requests of which
 * size, in AIBrix's record of an interval.
 *
 *   {"33:70":2,"meta_interval_sec":10,"meta_pending_reqs":1,
 *    "meta_precision":10,"meta_queueing_reqs":0,"meta_total_reqs":2,
 *    "meta_v":4}
 *
 * "33:70" are ten times the logarithms of input and output tokens, rounded.
 */
#ifndef AIBRIX_TRACE_H
#define AIBRIX_TRACE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The index of a length: round(10 log2(tokens)); 0 for 0.
 * Thread: any.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_trace_index(uint64_t tokens);

typedef struct aibrix_trace_opts {
	uint32_t size;
	uint32_t max_keys; /* sizes told apart in an interval; 0: 4096; at most
	                      2^20.  Beyond it requests count in the total
	                      alone. */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_trace_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_trace aibrix_trace;

/*
 * An interval without requests.  opts may be NULL.  *out is owned:
 * aibrix_trace_free.  All memory is taken here.
 *
 * Fails: E_INVAL (max_keys), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_trace_new(const aibrix_trace_opts *opts,
					     aibrix_trace **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_trace_free(aibrix_trace *trace);

/* A request has come.  Fails: E_INVAL.  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_trace_begin(aibrix_trace *trace);

/*
 * A request has ended, with these lengths.  Pending ones never fall below 0,
 * whatever ends that never began.
 *
 * Fails: E_INVAL.  Cost: O(log keys), and a move of up to max_keys words.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_trace_end(aibrix_trace *trace,
					     uint64_t input_tokens,
					     uint64_t output_tokens);

/*
 * Write the record of the interval, with queueing requests as told, and begin
 * the next one; those pending stay.  *n becomes its length.
 *
 * Fails: E_SPACE (more than cap; *n holds the length, and nothing changed),
 * E_INVAL.
 * Cost: O(keys).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_trace_write(aibrix_trace *trace,
					       uint64_t queueing, char *text,
					       uint64_t cap, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
