/*
 * Least of the KV cache in use.
 *
 * Default: the ratio that the engine reports under any of its two names,
 * plus that of the CPU cache where there is one.  vLLM V1 renamed the first
 * and has no CPU cache, so AIBrix, which wants both, draws at random there.
 */

#include "route/route_internal.h"

enum { KV, CPU, GPU };

static double
cache_ratio(const struct route_view *view, uint32_t row)
{
	double kv = view_gauge(view, KV, row);
	double cpu = view_gauge(view, CPU, row);

	if (isnan(kv))
		kv = view_gauge(view, GPU, row);
	return kv + (isnan(cpu) ? 0 : cpu);
}

/* One of some 32 requests that fill a cache. */
static double
cache_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 32;
}

const struct route_ops aibrix__route_least_kv_cache = {
	.columns = {AIBRIX_COL_KV_USAGE_RATIO, AIBRIX_COL_CPU_USAGE_RATIO,
		    AIBRIX_COL_GPU_USAGE_RATIO},
	.n_columns = 3,
	.reason = AIBRIX_REASON_LEAST_KV_CACHE,
	.rank = {.score = cache_ratio, .lower_is_better = 1},
	.unit = cache_unit,
};

/* AIBrix (algorithms/least_kv_cache.go): both or nothing. */
static double
cache_sum(const struct route_view *view, uint32_t row)
{
	return view_get(view, KV, row, NAN) + view_get(view, CPU, row, NAN);
}

const struct route_ops aibrix__route_least_kv_cache_compat = {
	.columns = {AIBRIX_COL_KV_USAGE_RATIO, AIBRIX_COL_CPU_USAGE_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_KV_CACHE,
	.rank = {cache_sum, NULL, .lower_is_better = 1, .tie = TIE_LAST},
};
