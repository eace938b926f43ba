/*
 * AIBrix's canonical metrics, and what engines call them.
 *
 * Names of one cell are those of different releases, the newest first where
 * a page may have both.  AIBrix's table has two that no engine serves, which
 * are right here: vllm:num_requests_success_total is vllm:request_success,
 * and vllm:http_requests_total has no prefix; and its names of NIXL's
 * counters lack _total, which is found with and without here.  TensorRT-LLM's
 * page has come with and without a prefix.
 */

#include "scrape/scrape_internal.h"

enum {
	GAUGE = AIBRIX_SERIES_GAUGE,
	COUNTER = AIBRIX_SERIES_COUNTER,
	HISTOGRAM = AIBRIX_SERIES_HISTOGRAM
};

/* clang-format off */
#define VLLM(name) {"vllm:" name}
#define SGLANG(name) {"sglang:" name}
#define TRTLLM(name) {"trtllm_" name, name}
#define NONE {NULL}
#define LORA_INFO "vllm:lora_requests_info"
#define TPOT "time_per_output_token_seconds"
#define ITL "inter_token_latency_seconds"

const struct series aibrix__series[SERIES] = {
	[AIBRIX_SERIES_NUM_REQUESTS_RUNNING] = {
		"num_requests_running", GAUGE, JOIN_SUM,
		{VLLM("num_requests_running"), SGLANG("num_running_reqs")}},
	[AIBRIX_SERIES_NUM_REQUESTS_WAITING] = {
		"num_requests_waiting", GAUGE, JOIN_SUM,
		{VLLM("num_requests_waiting"), SGLANG("num_queue_reqs")}},
	[AIBRIX_SERIES_NUM_REQUESTS_SWAPPED] = {
		"num_requests_swapped", GAUGE, JOIN_SUM,
		{VLLM("num_requests_swapped"), SGLANG("num_retracted_reqs")}},
	[AIBRIX_SERIES_ENGINE_SLEEP_STATE] = {
		"engine_sleep_state", GAUGE, JOIN_AWAKE,
		{VLLM("engine_sleep_state")}},
	[AIBRIX_SERIES_NUM_PREEMPTIONS_TOTAL] = {
		"num_preemptions_total", COUNTER, JOIN_SUM,
		{VLLM("num_preemptions_total")}},
	[AIBRIX_SERIES_HTTP_REQUESTS_TOTAL] = {
		"http_requests_total", COUNTER, JOIN_SUM,
		{{"http_requests_total"}}},
	[AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL] = {
		"request_success_total", COUNTER, JOIN_SUM,
		{VLLM("request_success_total"), SGLANG("num_requests_total"),
		 TRTLLM("request_success_total")}},
	[AIBRIX_SERIES_NUM_PREFILL_PREALLOC_QUEUE_REQS] = {
		"num_prefill_prealloc_queue_reqs", GAUGE, JOIN_SUM,
		{NONE, SGLANG("num_prefill_prealloc_queue_reqs")}},
	[AIBRIX_SERIES_NUM_DECODE_PREALLOC_QUEUE_REQS] = {
		"num_decode_prealloc_queue_reqs", GAUGE, JOIN_SUM,
		{NONE, SGLANG("num_decode_prealloc_queue_reqs")}},
	[AIBRIX_SERIES_E2E_REQUEST_LATENCY_SECONDS] = {
		"e2e_request_latency_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("e2e_request_latency_seconds"),
		 SGLANG("e2e_request_latency_seconds"),
		 TRTLLM("e2e_request_latency_seconds")}},
	[AIBRIX_SERIES_REQUEST_QUEUE_TIME_SECONDS] = {
		"request_queue_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("request_queue_time_seconds"), NONE,
		 TRTLLM("request_queue_time_seconds")}},
	[AIBRIX_SERIES_REQUEST_INFERENCE_TIME_SECONDS] = {
		"request_inference_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("request_inference_time_seconds")}},
	[AIBRIX_SERIES_REQUEST_PREFILL_TIME_SECONDS] = {
		"request_prefill_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("request_prefill_time_seconds")}},
	[AIBRIX_SERIES_REQUEST_DECODE_TIME_SECONDS] = {
		"request_decode_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("request_decode_time_seconds")}},
	[AIBRIX_SERIES_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS] = {
		"request_time_per_output_token_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("request_time_per_output_token_seconds")}},
	[AIBRIX_SERIES_PER_STAGE_REQ_LATENCY_SECONDS] = {
		"per_stage_req_latency_seconds", HISTOGRAM, JOIN_SUM,
		{NONE, SGLANG("per_stage_req_latency_seconds")}},
	[AIBRIX_SERIES_HTTP_REQUEST_DURATION_SECONDS] = {
		"http_request_duration_seconds", HISTOGRAM, JOIN_SUM,
		{{"http_request_duration_seconds"}}},
	[AIBRIX_SERIES_HTTP_REQUEST_DURATION_HIGHR_SECONDS] = {
		"http_request_duration_highr_seconds", HISTOGRAM, JOIN_SUM,
		{{"http_request_duration_highr_seconds"}}},
	[AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS] = {
		"time_to_first_token_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("time_to_first_token_seconds"),
		 SGLANG("time_to_first_token_seconds"),
		 TRTLLM("time_to_first_token_seconds")}},
	[AIBRIX_SERIES_TIME_PER_OUTPUT_TOKEN_SECONDS] = {
		TPOT, HISTOGRAM, JOIN_SUM,
		{{"vllm:" TPOT, "vllm:" ITL}, {"sglang:" ITL, "sglang:" TPOT},
		 TRTLLM(TPOT)}},
	[AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS] = {
		ITL, HISTOGRAM, JOIN_SUM,
		{{"vllm:" ITL, "vllm:" TPOT}, {"sglang:" ITL, "sglang:" TPOT},
		 TRTLLM(TPOT)}},
	[AIBRIX_SERIES_PROMPT_TOKENS_TOTAL] = {
		"prompt_tokens_total", COUNTER, JOIN_SUM,
		{VLLM("prompt_tokens_total"), SGLANG("prompt_tokens_total")}},
	[AIBRIX_SERIES_GENERATION_TOKENS_TOTAL] = {
		"generation_tokens_total", COUNTER, JOIN_SUM,
		{VLLM("generation_tokens_total"),
		 SGLANG("generation_tokens_total")}},
	[AIBRIX_SERIES_REQUEST_PROMPT_TOKENS] = {
		"request_prompt_tokens", HISTOGRAM, JOIN_SUM,
		{VLLM("request_prompt_tokens")}},
	[AIBRIX_SERIES_REQUEST_GENERATION_TOKENS] = {
		"request_generation_tokens", HISTOGRAM, JOIN_SUM,
		{VLLM("request_generation_tokens")}},
	[AIBRIX_SERIES_REQUEST_MAX_NUM_GENERATION_TOKENS] = {
		"request_max_num_generation_tokens", HISTOGRAM, JOIN_SUM,
		{VLLM("request_max_num_generation_tokens")}},
	[AIBRIX_SERIES_ITERATION_TOKENS_TOTAL] = {
		"iteration_tokens_total", HISTOGRAM, JOIN_SUM,
		{VLLM("iteration_tokens_total")}},
	[AIBRIX_SERIES_GPU_CACHE_USAGE_PERC] = {
		"gpu_cache_usage_perc", GAUGE, JOIN_MAX,
		{{"vllm:gpu_cache_usage_perc", "vllm:kv_cache_usage_perc"},
		 SGLANG("token_usage"), NONE, {"kv_cache_utilization"}}},
	[AIBRIX_SERIES_KV_CACHE_USAGE_PERC] = {
		"kv_cache_usage_perc", GAUGE, JOIN_MAX,
		{{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
		 SGLANG("token_usage"), TRTLLM("kv_cache_utilization"),
		 {"kv_cache_utilization"}}},
	[AIBRIX_SERIES_CPU_CACHE_USAGE_PERC] = {
		"cpu_cache_usage_perc", GAUGE, JOIN_MAX,
		{VLLM("cpu_cache_usage_perc")}},
	[AIBRIX_SERIES_KV_CACHE_HIT_RATE] = {
		"kv_cache_hit_rate", GAUGE, JOIN_MAX,
		{NONE, SGLANG("cache_hit_rate"), TRTLLM("kv_cache_hit_rate")}},
	[AIBRIX_SERIES_ENGINE_UTILIZATION] = {
		"engine_utilization", GAUGE, JOIN_MAX,
		{NONE, NONE, NONE, {"engine_utilization"}}},
	[AIBRIX_SERIES_PREFIX_CACHE_QUERIES_TOTAL] = {
		"prefix_cache_queries_total", COUNTER, JOIN_SUM,
		{VLLM("prefix_cache_queries_total")}},
	[AIBRIX_SERIES_PREFIX_CACHE_HITS_TOTAL] = {
		"prefix_cache_hits_total", COUNTER, JOIN_SUM,
		{VLLM("prefix_cache_hits_total")}},
	[AIBRIX_SERIES_EXTERNAL_PREFIX_CACHE_QUERIES_TOTAL] = {
		"external_prefix_cache_queries_total", COUNTER, JOIN_SUM,
		{VLLM("external_prefix_cache_queries_total")}},
	[AIBRIX_SERIES_EXTERNAL_PREFIX_CACHE_HITS_TOTAL] = {
		"external_prefix_cache_hits_total", COUNTER, JOIN_SUM,
		{VLLM("external_prefix_cache_hits_total")}},
	[AIBRIX_SERIES_NIXL_XFER_TIME_SECONDS] = {
		"nixl_xfer_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("nixl_xfer_time_seconds")}},
	[AIBRIX_SERIES_NIXL_POST_TIME_SECONDS] = {
		"nixl_post_time_seconds", HISTOGRAM, JOIN_SUM,
		{VLLM("nixl_post_time_seconds")}},
	[AIBRIX_SERIES_NIXL_BYTES_TRANSFERRED] = {
		"nixl_bytes_transferred", HISTOGRAM, JOIN_SUM,
		{VLLM("nixl_bytes_transferred")}},
	[AIBRIX_SERIES_NIXL_NUM_DESCRIPTORS] = {
		"nixl_num_descriptors", HISTOGRAM, JOIN_SUM,
		{VLLM("nixl_num_descriptors")}},
	[AIBRIX_SERIES_NIXL_NUM_FAILED_TRANSFERS_TOTAL] = {
		"nixl_num_failed_transfers_total", COUNTER, JOIN_SUM,
		{VLLM("nixl_num_failed_transfers_total")}},
	[AIBRIX_SERIES_NIXL_NUM_FAILED_NOTIFICATIONS_TOTAL] = {
		"nixl_num_failed_notifications_total", COUNTER, JOIN_SUM,
		{VLLM("nixl_num_failed_notifications_total")}},
	[AIBRIX_SERIES_AVG_PROMPT_THROUGHPUT_TOKS_PER_S] = {
		"avg_prompt_throughput_toks_per_s", GAUGE, JOIN_SUM,
		{VLLM("avg_prompt_throughput_toks_per_s")}},
	[AIBRIX_SERIES_AVG_GENERATION_THROUGHPUT_TOKS_PER_S] = {
		"avg_generation_throughput_toks_per_s", GAUGE, JOIN_SUM,
		{VLLM("avg_generation_throughput_toks_per_s"),
		 SGLANG("gen_throughput")}},
	[AIBRIX_SERIES_MAX_LORA] = {
		"max_lora", GAUGE, JOIN_LORA, {{LORA_INFO}}},
	[AIBRIX_SERIES_RUNNING_LORA_ADAPTERS] = {
		"running_lora_adapters", GAUGE, JOIN_LORA, {{LORA_INFO}}},
	[AIBRIX_SERIES_WAITING_LORA_ADAPTERS] = {
		"waiting_lora_adapters", GAUGE, JOIN_LORA, {{LORA_INFO}}},
};
/* clang-format on */

const char *
aibrix_series_name(uint32_t series)
{
	return series < SERIES ? aibrix__series[series].name : NULL;
}

uint32_t
aibrix_series_type(uint32_t series)
{
	return series < SERIES ? aibrix__series[series].type : 0;
}

uint32_t
aibrix_series_find(const char *name)
{
	for (uint32_t i = 0; name && i < SERIES; i++)
		if (strcmp(name, aibrix__series[i].name) == 0)
			return i;
	return AIBRIX_SERIES_MAX;
}

const char *
aibrix_series_source(uint32_t engine, uint32_t series, uint32_t i)
{
	if (engine == 0 || engine > ENGINES || series >= SERIES ||
	    i >= SOURCES_MAX)
		return NULL;
	return aibrix__series[series].source[engine - 1][i];
}

uint32_t
aibrix_engine_find(const char *name)
{
	static const char *const names[ENGINES] = {"vllm", "sglang", "trtllm",
						   "xllm"};

	if (!name || !*name)
		return AIBRIX_ENGINE_VLLM;
	for (uint32_t i = 0; i < ENGINES; i++)
		if (strcmp(name, names[i]) == 0)
			return i + 1;
	return 0;
}
