/*
 * The strategies by name, and what a strategy string asks for.
 */

#include <string.h>

#include "route/route_internal.h"

static const struct {
	const char *name;
	const struct route_ops *ops[2]; /* by profile */
} strategies[] = {
	{"random", {&aibrix__route_random, &aibrix__route_random}},
	{"least-request",
	 {&aibrix__route_least_request, &aibrix__route_least_request_compat}},
	{"prefix-cache",
	 {&aibrix__route_prefix_cache, &aibrix__route_prefix_compat}},
	{"throughput",
	 {&aibrix__route_throughput, &aibrix__route_throughput_compat}},
	{"least-kv-cache",
	 {&aibrix__route_least_kv_cache, &aibrix__route_least_kv_cache_compat}},
	{"least-gpu-cache",
	 {&aibrix__route_least_gpu_cache,
	  &aibrix__route_least_gpu_cache_compat}},
	{"least-busy-time",
	 {&aibrix__route_least_busy_time,
	  &aibrix__route_least_busy_time_compat}},
	{"least-utilization",
	 {&aibrix__route_least_utilization,
	  &aibrix__route_least_utilization_compat}},
	{"least-latency",
	 {&aibrix__route_least_latency, &aibrix__route_least_latency_compat}},
	{"power-of-two",
	 {&aibrix__route_power_of_two, &aibrix__route_power_of_two_compat}},
	{"session-affinity",
	 {&aibrix__route_session, &aibrix__route_session_compat}},
	{"least-load",
	 {&aibrix__route_least_load, &aibrix__route_least_load_compat}},
	{"least-load-pulling",
	 {&aibrix__route_least_load_pulling,
	  &aibrix__route_least_load_pulling_compat}},
	{"pack-load",
	 {&aibrix__route_pack_load, &aibrix__route_pack_load_compat}},
	{"load-balance",
	 {&aibrix__route_load_balance, &aibrix__route_load_balance_compat}},
	{"least-request-top-k",
	 {&aibrix__route_top_k, &aibrix__route_top_k_compat}},
	{"lora-affinity", {&aibrix__route_lora, &aibrix__route_lora_compat}},
	{"l-metric-local",
	 {&aibrix__route_l_metric, &aibrix__route_l_metric_compat}},
	{"cost", {&aibrix__route_cost, &aibrix__route_cost}},
	{"prefix-cache-preble",
	 {&aibrix__route_preble, &aibrix__route_preble_compat}},
	{"dualmap", {&aibrix__route_dualmap, &aibrix__route_dualmap_compat}},
	{"vtc-basic",
	 {&aibrix__route_least_request, &aibrix__route_vtc_compat}},
	{"slo", {&aibrix__route_slo_pull, &aibrix__route_slo_pull}},
	{"slo-least-load-pulling",
	 {&aibrix__route_slo_pull, &aibrix__route_slo_pull}},
	{"slo-least-load", {&aibrix__route_slo_push, &aibrix__route_slo_push}},
	{"slo-pack-load", {&aibrix__route_slo_pack, &aibrix__route_slo_pack}},
};

enum { STRATEGIES = sizeof(strategies) / sizeof(strategies[0]) };

const char *
aibrix_route_strategy(uint32_t i)
{
	return i < STRATEGIES ? strategies[i].name : NULL;
}

const char *
aibrix_route_reason(uint32_t reason)
{
	static const char *const texts[] = {
		[AIBRIX_REASON_NONE] = "none",
		[AIBRIX_REASON_RANDOM] = "random",
		[AIBRIX_REASON_LEAST_REQUEST] = "least-request",
		[AIBRIX_REASON_PREFIX] = "prefix",
		[AIBRIX_REASON_PREFIX_NONE] = "prefix-none",
		[AIBRIX_REASON_PREFIX_SKIPPED] = "prefix-skipped",
		[AIBRIX_REASON_ONLY_CANDIDATE] = "only-candidate",
		[AIBRIX_REASON_NO_DATA] = "no-data",
		[AIBRIX_REASON_COMBINED] = "combined",
		[AIBRIX_REASON_CHAINED] = "chained",
		[AIBRIX_REASON_COLUMN] = "column",
		[AIBRIX_REASON_THROUGHPUT] = "throughput",
		[AIBRIX_REASON_LEAST_KV_CACHE] = "least-kv-cache",
		[AIBRIX_REASON_LEAST_GPU_CACHE] = "least-gpu-cache",
		[AIBRIX_REASON_LEAST_BUSY_TIME] = "least-busy-time",
		[AIBRIX_REASON_LEAST_UTILIZATION] = "least-utilization",
		[AIBRIX_REASON_LEAST_LATENCY] = "least-latency",
		[AIBRIX_REASON_POWER_OF_TWO] = "power-of-two",
		[AIBRIX_REASON_LOAD_BALANCE] = "load-balance",
		[AIBRIX_REASON_TOP_K] = "least-request-top-k",
		[AIBRIX_REASON_L_METRIC] = "l-metric-local",
		[AIBRIX_REASON_LEAST_LOAD] = "least-load",
		[AIBRIX_REASON_PACK_LOAD] = "pack-load",
		[AIBRIX_REASON_ADAPTER] = "adapter",
		[AIBRIX_REASON_ADAPTER_LOAD] = "adapter-load",
		[AIBRIX_REASON_SESSION_ID] = "session-id",
		[AIBRIX_REASON_SESSION_KEY] = "session-key",
		[AIBRIX_REASON_SESSION_MOVED] = "session-moved",
		[AIBRIX_REASON_SESSION_NONE] = "session-none",
		[AIBRIX_REASON_COST] = "cost",
		[AIBRIX_REASON_USER_SCORE] = "vtc-basic",
		[AIBRIX_REASON_DUAL_FIRST] = "dualmap-first",
		[AIBRIX_REASON_DUAL_SECOND] = "dualmap-second",
	};

	if (reason >= sizeof(texts) / sizeof(texts[0]) || !texts[reason])
		return "?";
	return texts[reason];
}

/* "least-user-N": the number of the column, or 0. */
static uint32_t
user_column(const char *name, uint32_t len, const char *prefix)
{
	uint32_t start = (uint32_t)strlen(prefix), n = 0;

	if (len <= start || len > start + 2 || memcmp(name, prefix, start) != 0)
		return 0;
	for (uint32_t i = start; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (uint32_t)(name[i] - '0');
	}
	n += AIBRIX_COL_USER;
	return n < AIBRIX_COL_MAX ? n : 0;
}

static int
part_find(const char *name, uint32_t len, uint32_t profile,
	  struct route_part *part)
{
	for (uint32_t i = 0; i < STRATEGIES; i++) {
		if (strlen(strategies[i].name) == len &&
		    memcmp(strategies[i].name, name, len) == 0) {
			part->ops = strategies[i].ops[profile];
			return AIBRIX_OK;
		}
	}
	part->ops = &aibrix__route_least_user;
	part->column = user_column(name, len, "least-user-");
	if (part->column)
		return AIBRIX_OK;
	part->ops = &aibrix__route_most_user;
	part->column = user_column(name, len, "most-user-");
	return part->column ? AIBRIX_OK : AIBRIX_E_UNSUPPORTED;
}

const char *
aibrix_route_call(const char *strategy, uint64_t len)
{
	struct route_part part;

	if (!strategy || len == 0 || len > AIBRIX_ROUTE_TEXT_MAX)
		return NULL;
	if (len == 2 && memcmp(strategy, "pd", 2) == 0)
		return "aibrix_pd_pick";
	return part_find(strategy, (uint32_t)len, 0, &part)
		       ? NULL
		       : "aibrix_route_pick";
}

int
aibrix__route_policy(const char *text, uint32_t profile,
		     struct route_policy *out)
{
	struct route_items items;
	uint64_t at;
	int err = aibrix__route_parse(
		text, strnlen(text, AIBRIX_ROUTE_TEXT_MAX + 1), &items, &at);

	if (err)
		return err;
	*out = (struct route_policy){.n = items.n};
	if (items.n > 1)
		out->kind = items.item[0].flags & AIBRIX_ROUTE_ITEM_STAGE
				    ? ROUTE_CHAIN
				    : ROUTE_WEIGHTED;
	for (uint32_t i = 0; i < items.n; i++) {
		const aibrix_route_item *item = &items.item[i];

		err = part_find(text + item->at, item->len, profile,
				&out->part[i]);
		if (err)
			return err;
		out->part[i].coefficient = item->coefficient;
		if (out->kind == ROUTE_WEIGHTED && out->part[i].ops->alone)
			return AIBRIX_E_UNSUPPORTED;
	}
	return AIBRIX_OK;
}
