/*
 * What a GPU does with requests of a size: measured throughput and latency
 * of one kind of deployment, and the latencies that it is to keep.
 *
 * The text is AIBrix's (the key aibrix:profile_<model>_<deployment>):
 *
 *   {"gpu": "A10", "cost": 0.5, "created": 1700000000.0,
 *    "indexes": [[4, 8, ...], [128, 256, ...]],   output, input tokens
 *    "tputs": [[...], ...],                       requests/s, [output][input]
 *    "e2e": ..., "ttft": ..., "tpot": ...,        seconds, the same
 *    "slos": {"percentile": 99, "ttft": 1, "tpot": 0.1, ...}}
 */
#ifndef AIBRIX_GPU_PROFILE_H
#define AIBRIX_GPU_PROFILE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_GPU_PROFILE_BYTES_MAX = 1048576, /* of a text */
	AIBRIX_GPU_PROFILE_SIZES_MAX = 64,      /* of each dimension */
	AIBRIX_GPU_PROFILE_NAME_MAX = 63        /* bytes of "gpu" */
};

/*
 * Thread: any (immutable).
 */
typedef struct aibrix_gpu_profile aibrix_gpu_profile;

/*
 * Read a profile.  "indexes" must be there; what else is missing is not
 * known, as is null.  Unknown members are ignored.  *err_offset, which may
 * be NULL, becomes where the text is wrong.  *out is owned:
 * aibrix_gpu_profile_free.
 *
 * Fails: E_PARSE (no JSON, or not a profile: sizes not ascending, matrices of
 * another shape, negative numbers; or above a limit), E_NOMEM, E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_read(const char *text, uint64_t bytes,
			const aibrix_allocator *alloc, uint64_t *err_offset,
			aibrix_gpu_profile **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_gpu_profile_free(aibrix_gpu_profile *profile);

/* "gpu", borrowed from the profile; "" when it is missing.  Since: 0.1. */
AIBRIX_API const char *
aibrix_gpu_profile_name(const aibrix_gpu_profile *profile);

/* NaN: not known. */
typedef struct aibrix_gpu_facts {
	uint32_t size;
	uint32_t outputs; /* sizes of outputs that were measured */
	uint32_t inputs;
	uint32_t spare;
	double cost;
	double created; /* seconds since 1970 */
	double percentile;
	double tput; /* the targets: requests/s, then seconds */
	double tt;
	double e2e;
	double ttft;
	double tpat; /* for each token, of prompt and output */
	double tpot; /* for each token of the output */
} aibrix_gpu_facts;

/* Fails: E_INVAL (facts->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_facts(const aibrix_gpu_profile *profile,
			 aibrix_gpu_facts *facts);

/*
 * The cell of a request: for each dimension the size that is nearest in
 * logarithm, the larger of two, the first or the last beyond them.
 *
 * Fails: E_INVAL (a negative number of tokens).  Cost: O(log sizes).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_cell(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			uint32_t *output, uint32_t *input);

/* What was measured in a cell.  NaN: not known. */
typedef struct aibrix_gpu_cell {
	uint32_t size;
	uint32_t spare;
	double requests_per_s;
	double e2e_s;
	double ttft_s;
	double tpot_s;
} aibrix_gpu_cell;

/* Fails: E_INVAL (no such cell, cell->size).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_at(const aibrix_gpu_profile *profile, uint32_t output,
		      uint32_t input, aibrix_gpu_cell *cell);

/*
 * The share of a deployment that one such request takes while it is there:
 * by Little's law 1 / (requests/s * seconds).  Requests in flight whose
 * shares add up to 1 are what it bears.
 *
 * Fails: E_NOT_FOUND (not measured), E_UNSUPPORTED (measured, and it bears no
 * such request within its targets), E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_load(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			double *load);

/*
 * How late a request will be, in seconds, when it starts now after elapsed_s
 * of waiting; below 0: in time.  The target is that of the first that the
 * profile has of
 *
 *   tpot   tpot * output tokens + ttft   against the e2e of the cell
 *   ttft   ttft                          against its ttft
 *   tpat   tpat * all tokens             against its e2e
 *   e2e    e2e                           against its e2e
 *
 * Fails: E_NOT_FOUND (no target, or the latency was not measured), E_INVAL
 * (negative tokens, elapsed_s not a number).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_gpu_profile_rank(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			double elapsed_s, double *rank);

#ifdef __cplusplus
}
#endif

#endif
