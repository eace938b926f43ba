/*
 * How long an answer will be: from the lengths of answers to prompts of
 * about the same length, of late.
 *
 * Lengths are counted by their rounded logarithms: 1, 2, 3-5, 6-11, ...
 */
#ifndef AIBRIX_OUTPUT_H
#define AIBRIX_OUTPUT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aibrix_output_opts {
	uint32_t size;
	uint32_t spare;      /* must be 0 */
	uint64_t max_input;  /* tokens; longer ones count as this; 0: 1048576;
	                        at most 2^32 */
	uint64_t max_output; /* the same */
	uint64_t window_ns;  /* what is older does not count, in steps of 10 s;
	                        0: 240 s; at most 1 h */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_output_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_output aibrix_output;

/*
 * Nothing known.  opts may be NULL.  *out is owned: aibrix_output_free.  All
 * memory is taken here, 43 KB by default.
 *
 * Fails: E_INVAL (a number out of its range), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_output_new(const aibrix_output_opts *opts,
					      aibrix_output **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_output_free(aibrix_output *output);

/*
 * n answers of so many tokens to prompts of so many ended at now_ns.  What
 * would count above 2^32 - 1 counts as that.  A clock that goes backwards
 * stands still.
 *
 * Fails: E_INVAL.  Cost: O(1), and what has grown old.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_output_add(aibrix_output *output,
					      uint64_t input_tokens,
					      uint64_t output_tokens,
					      uint32_t n, uint64_t now_ns);

typedef struct aibrix_output_guess {
	uint32_t size;
	uint32_t spare;
	uint64_t answers;  /* that the guess comes from */
	uint32_t all;      /* 1: to prompts of any length, since none of this
	                      length were answered */
	uint32_t spare2;
	double tokens;
} aibrix_output_guess;

/*
 * The length that a share quantile (from 0 to 1) of answers to such prompts
 * stays below; NaN: the mean.  max_tokens of the request, when not 0, bounds
 * it.  The same history gives the same guess.
 *
 * Fails: E_NOT_FOUND (no answers in the window), E_INVAL (quantile, size).
 * Cost: O(lengths).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_output_guess_at(aibrix_output *output, uint64_t input_tokens,
		       double quantile, uint64_t max_tokens, uint64_t now_ns,
		       aibrix_output_guess *guess);

/*
 * AIBrix's guess: a power of two, drawn as often as answers were of that
 * length; entropy decides.  1 where nothing is known.
 *
 * Fails: E_INVAL.  Cost: O(lengths).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_output_draw(aibrix_output *output,
					       uint64_t input_tokens,
					       uint64_t entropy,
					       uint64_t now_ns,
					       uint64_t *tokens);

#ifdef __cplusplus
}
#endif

#endif
