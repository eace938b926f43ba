/* Least of the GPU's part of the KV cache in use.  Default: the ratio under
 * any of its two names; AIBrix knows the older one only, which vLLM V1 does
 * not report. */

#include "route/route_internal.h"

enum { GPU, KV };

static double
gpu_ratio(const struct route_view *view, uint32_t row)
{
	double gpu = view_gauge(view, GPU, row);

	return isnan(gpu) ? view_gauge(view, KV, row) : gpu;
}

/* As in route_least_kv_cache.c. */
static double
gpu_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 32;
}

const struct route_ops aibrix__route_least_gpu_cache = {
	.columns = {AIBRIX_COL_GPU_USAGE_RATIO, AIBRIX_COL_KV_USAGE_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_GPU_CACHE,
	.rank = {.score = gpu_ratio, .lower_is_better = 1},
	.unit = gpu_unit,
};

/* AIBrix: algorithms/least_gpu_cache.go. */
static double
gpu_plain(const struct route_view *view, uint32_t row)
{
	return view_get(view, GPU, row, NAN);
}

const struct route_ops aibrix__route_least_gpu_cache_compat = {
	.columns = {AIBRIX_COL_GPU_USAGE_RATIO},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_GPU_CACHE,
	.rank = {.score = gpu_plain, .lower_is_better = 1},
};
