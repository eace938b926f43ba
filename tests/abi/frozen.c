/*
 * Layouts and numbers that have shipped.  Lines are only ever added: one
 * that fails means that a program compiled yesterday would misread us.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <aibrix/aibrix.h>

/* Offsets are those of 64-bit targets. */
#if UINTPTR_MAX == UINT64_MAX
#define AT(type, field, offset)                                                \
	static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type)
#else
#define AT(type, field, offset) static_assert(1, "")
#define SIZE(type, bytes) static_assert(1, "")
#endif
#define VALUE(name, number) static_assert((name) == (number), #name)

/* base, 0.1 */
AT(aibrix_allocator, size, 0);
AT(aibrix_allocator, flags, 4);
AT(aibrix_allocator, ctx, 8);
AT(aibrix_allocator, alloc, 16);
AT(aibrix_allocator, free, 24);
AT(aibrix_log, level, 4);
AT(aibrix_log, ctx, 8);
AT(aibrix_log, fn, 16);
VALUE(AIBRIX_E_INVAL, -1);
VALUE(AIBRIX_E_NOMEM, -2);
VALUE(AIBRIX_E_ABI, -3);
VALUE(AIBRIX_E_NOT_FOUND, -4);
VALUE(AIBRIX_E_FULL, -5);
VALUE(AIBRIX_E_AGAIN, -6);
VALUE(AIBRIX_E_SPACE, -7);
VALUE(AIBRIX_E_PARSE, -8);
VALUE(AIBRIX_E_UNSUPPORTED, -9);
VALUE(AIBRIX_E_STATE, -10);
VALUE(AIBRIX_E_BUSY, -11);
VALUE(AIBRIX_E_CANCELED, -12);
VALUE(AIBRIX_E_IO, -20);
VALUE(AIBRIX_E_CLOSED, -21);
VALUE(AIBRIX_E_TIMEOUT, -22);
VALUE(AIBRIX_E_CORRUPT, -23);
VALUE(AIBRIX_E_DENIED, -24);
VALUE(AIBRIX_E_UNAVAILABLE, -25);
VALUE(AIBRIX_E_DEVICE, -40);
VALUE(AIBRIX_E_DEVICE_LOST, -41);
VALUE(AIBRIX_LOG_ERROR, 1);
VALUE(AIBRIX_LOG_DEBUG, 4);
VALUE(AIBRIX_FEATURE_LOGGING, 1);
VALUE(AIBRIX_FEATURE_SHA256_HW, 2);
VALUE(AIBRIX_FEATURE_CRC32C_HW, 3);
VALUE(AIBRIX_FEATURE_WIDE_VECTORS, 4);

/* cache, 0.1 */
AT(aibrix_cache_opts, size, 0);
AT(aibrix_cache_opts, evict, 4);
AT(aibrix_cache_opts, block_bytes, 8);
AT(aibrix_cache_opts, l1_bytes, 16);
AT(aibrix_cache_opts, layout, 24);
AT(aibrix_cache_opts, l2, 32);
AT(aibrix_cache_opts, max_leases, 40);
AT(aibrix_cache_opts, block_tokens, 44);
AT(aibrix_cache_opts, flags, 48);
AT(aibrix_cache_opts, l2_inflight, 52);
AT(aibrix_cache_opts, log, 56);
AT(aibrix_cache_opts, alloc, 64);
AT(aibrix_cache_view, size, 0);
AT(aibrix_cache_view, tier, 4);
AT(aibrix_cache_view, data, 8);
AT(aibrix_cache_view, bytes, 16);
AT(aibrix_cache_stat, size, 0);
AT(aibrix_cache_stat, leases, 4);
AT(aibrix_cache_stat, l1_capacity, 8);
AT(aibrix_cache_stat, l1_blocks, 16);
AT(aibrix_cache_stat, l1_pinned, 24);
AT(aibrix_cache_stat, asked, 32);
AT(aibrix_cache_stat, hits_l1, 40);
AT(aibrix_cache_stat, hits_l2, 48);
AT(aibrix_cache_stat, stored, 56);
AT(aibrix_cache_stat, evicted, 64);
AT(aibrix_cache_stat, l2_written, 72);
AT(aibrix_cache_stat, l2_refused, 80);
AT(aibrix_cache_stat, l2_errors, 88);
AT(aibrix_cache_stat, corrupt_l1, 96);
AT(aibrix_cache_stat, corrupt_l2, 104);
AT(aibrix_cache_stat, no_room, 112);
VALUE(AIBRIX_CACHE_NO_L1_VERIFY, 1);
VALUE(AIBRIX_CACHE_NO_L2_WRITE, 2);
VALUE(AIBRIX_CACHE_FRAME_BYTES, 128);
VALUE(AIBRIX_CACHE_L1, 1);
VALUE(AIBRIX_CACHE_L2, 2);

/* evict, 0.1 */
AT(aibrix_evict_opts, size, 0);
AT(aibrix_evict_opts, policy, 4);
AT(aibrix_evict_opts, capacity, 8);
AT(aibrix_evict_opts, promote_hits, 12);
AT(aibrix_evict_opts, small_ratio, 16);
AT(aibrix_evict_opts, alloc, 24);
AT(aibrix_evict_stat, size, 0);
AT(aibrix_evict_stat, count, 4);
AT(aibrix_evict_stat, pinned, 8);
AT(aibrix_evict_stat, ghosts, 12);
AT(aibrix_evict_stat, inserts, 16);
AT(aibrix_evict_stat, hits, 24);
AT(aibrix_evict_stat, evictions, 32);
AT(aibrix_evict_stat, ghost_hits, 40);
VALUE(AIBRIX_EVICT_LRU, 0);
VALUE(AIBRIX_EVICT_S3FIFO, 1);
VALUE(AIBRIX_EVICT_NO_PARENT, UINT32_MAX);
/* hash, 0.1 */
SIZE(aibrix_key, 16);
AT(aibrix_hash_opts, size, 0);
AT(aibrix_hash_opts, algorithm, 4);
AT(aibrix_hash_opts, block_tokens, 8);
AT(aibrix_hash_opts, flags, 12);
AT(aibrix_hash_opts, seed, 16);
AT(aibrix_hash_opts, model, 24);
AT(aibrix_hash_opts, revision, 32);
AT(aibrix_hash_opts, dtype, 40);
AT(aibrix_hash_opts, layout, 48);
AT(aibrix_hash_opts, shard, 56);
AT(aibrix_hash_opts, alloc, 64);
SIZE(aibrix_prompt_item, 32);
AT(aibrix_prompt_item, id, 0);
AT(aibrix_prompt_item, id_bytes, 8);
AT(aibrix_prompt_item, spare, 12);
AT(aibrix_prompt_item, start, 16);
AT(aibrix_prompt_item, count, 24);
AT(aibrix_prompt, size, 0);
AT(aibrix_prompt, n_items, 4);
AT(aibrix_prompt, tokens, 8);
AT(aibrix_prompt, n_tokens, 16);
AT(aibrix_prompt, items, 24);
AT(aibrix_prompt, lora, 32);
AT(aibrix_prompt, salt, 40);
SIZE(aibrix_vllm_extra, 32);
AT(aibrix_vllm_extra, data, 0);
AT(aibrix_vllm_extra, bytes, 8);
AT(aibrix_vllm_extra, kind, 12);
AT(aibrix_vllm_extra, offset, 16);
AT(aibrix_vllm_extra, spare, 24);
VALUE(AIBRIX_KEY_SHA256, 0);
VALUE(AIBRIX_KEY_XXH3, 1);
VALUE(AIBRIX_KEY_CITY128, 2);
VALUE(AIBRIX_KEY_CITY128_SIMPLE, 3);
VALUE(AIBRIX_HASH_SEED_DEFAULT, 1337);
VALUE(AIBRIX_HASH_BLOCK_TOKENS_MAX, 8192);
VALUE(AIBRIX_HASH_SEED_ZERO, 1);
VALUE(AIBRIX_KEY_TEXT, 33);
VALUE(AIBRIX_VLLM_SHA256, 0);
VALUE(AIBRIX_VLLM_SHA256_CBOR, 1);
VALUE(AIBRIX_VLLM_XXHASH, 2);
VALUE(AIBRIX_VLLM_XXHASH_CBOR, 3);
VALUE(AIBRIX_VLLM_DIGEST_MAX, 32);
VALUE(AIBRIX_VLLM_EXTRA_TEXT, 1);
VALUE(AIBRIX_VLLM_EXTRA_ITEM, 2);
VALUE(AIBRIX_VLLM_EXTRA_BYTES, 3);
/* fleet, 0.1 */
VALUE(AIBRIX_COL_REQUESTS_RUNNING, 0);
VALUE(AIBRIX_COL_TOKENS_PENDING, 1);
VALUE(AIBRIX_COL_PREFIX_BLOCKS, 2);
VALUE(AIBRIX_COL_ENGINE_RUNNING, 8);
VALUE(AIBRIX_COL_ENGINE_WAITING, 9);
VALUE(AIBRIX_COL_ENGINE_SWAPPED, 10);
VALUE(AIBRIX_COL_KV_USAGE_RATIO, 11);
VALUE(AIBRIX_COL_GPU_USAGE_RATIO, 12);
VALUE(AIBRIX_COL_CPU_USAGE_RATIO, 13);
VALUE(AIBRIX_COL_GPU_BUSY_RATIO, 14);
VALUE(AIBRIX_COL_UTILIZATION_RATIO, 15);
VALUE(AIBRIX_COL_QUEUE_S, 16);
VALUE(AIBRIX_COL_PREFILL_S, 17);
VALUE(AIBRIX_COL_DECODE_S, 18);
VALUE(AIBRIX_COL_PROMPT_TOKENS, 19);
VALUE(AIBRIX_COL_OUTPUT_TOKENS, 20);
VALUE(AIBRIX_COL_TOKENS_PER_S, 21);
VALUE(AIBRIX_COL_REQUESTS_PER_S, 22);
VALUE(AIBRIX_COL_PREFILL_TOKENS_PER_S, 23);
VALUE(AIBRIX_COL_HEALTH_RATIO, 40);
VALUE(AIBRIX_COL_CAPACITY_RATIO, 41);
VALUE(AIBRIX_COL_USER, 96);
VALUE(AIBRIX_COL_MAX, 128);
AT(aibrix_column, id, 0);
AT(aibrix_column, rows, 4);
AT(aibrix_column, values, 8);
SIZE(aibrix_column, 16);
AT(aibrix_owner, pod, 0);
AT(aibrix_owner, rank, 8);
AT(aibrix_owner, spare, 12);
SIZE(aibrix_owner, 16);
AT(aibrix_fleet_opts, size, 0);
AT(aibrix_fleet_opts, max_rows, 4);
AT(aibrix_fleet_opts, alloc, 8);
/* evict, 0.1 */
AT(aibrix_evict_opts, size, 0);
AT(aibrix_evict_opts, policy, 4);
AT(aibrix_evict_opts, capacity, 8);
AT(aibrix_evict_opts, promote_hits, 12);
AT(aibrix_evict_opts, small_ratio, 16);
AT(aibrix_evict_opts, alloc, 24);
AT(aibrix_evict_stat, size, 0);
AT(aibrix_evict_stat, count, 4);
AT(aibrix_evict_stat, pinned, 8);
AT(aibrix_evict_stat, ghosts, 12);
AT(aibrix_evict_stat, inserts, 16);
AT(aibrix_evict_stat, hits, 24);
AT(aibrix_evict_stat, evictions, 32);
AT(aibrix_evict_stat, ghost_hits, 40);
VALUE(AIBRIX_EVICT_LRU, 0);
VALUE(AIBRIX_EVICT_S3FIFO, 1);
VALUE(AIBRIX_EVICT_NO_PARENT, UINT32_MAX);

/* pool, 0.1 */
AT(aibrix_pool_opts, size, 0);
AT(aibrix_pool_opts, flags, 4);
AT(aibrix_pool_opts, slot_bytes, 8);
AT(aibrix_pool_opts, slots, 16);
AT(aibrix_pool_opts, align, 24);
AT(aibrix_pool_opts, region_bytes, 32);
AT(aibrix_pool_opts, alloc, 40);
SIZE(aibrix_lease, 24);
AT(aibrix_lease, data, 0);
AT(aibrix_lease, bytes, 8);
AT(aibrix_lease, slot, 16);
AT(aibrix_lease, generation, 20);
AT(aibrix_pool_region_info, size, 0);
AT(aibrix_pool_region_info, first_slot, 4);
AT(aibrix_pool_region_info, slots, 8);
AT(aibrix_pool_region_info, spare, 12);
AT(aibrix_pool_region_info, base, 16);
AT(aibrix_pool_region_info, bytes, 24);
AT(aibrix_pool_region_info, stride, 32);
AT(aibrix_pool_stat, size, 0);
AT(aibrix_pool_stat, regions, 4);
AT(aibrix_pool_stat, slots, 8);
AT(aibrix_pool_stat, taken, 16);
AT(aibrix_pool_stat, mapped_bytes, 24);
AT(aibrix_pool_stat, takes, 32);
AT(aibrix_pool_stat, fulls, 40);
AT(aibrix_pool_stat, stale_gives, 48);
/* store, 0.1 */
SIZE(aibrix_iov, 16);
AT(aibrix_iov, base, 0);
AT(aibrix_iov, bytes, 8);
SIZE(aibrix_io, 64);
AT(aibrix_io, key, 0);
AT(aibrix_io, iov, 8);
AT(aibrix_io, key_bytes, 16);
AT(aibrix_io, n_iov, 20);
AT(aibrix_io, op, 24);
AT(aibrix_io, priority, 28);
AT(aibrix_io, deadline_ns, 32);
AT(aibrix_io, tag, 40);
AT(aibrix_io, flags, 48);
AT(aibrix_io, spare, 52);
AT(aibrix_io, spare2, 56);
SIZE(aibrix_done, 32);
AT(aibrix_done, tag, 0);
AT(aibrix_done, bytes, 8);
AT(aibrix_done, status, 16);
AT(aibrix_done, os_error, 20);
AT(aibrix_done, flags, 24);
AT(aibrix_done, spare, 28);
AT(aibrix_store_opts, size, 0);
AT(aibrix_store_opts, backend, 4);
AT(aibrix_store_opts, path, 8);
AT(aibrix_store_opts, capacity_bytes, 16);
AT(aibrix_store_opts, value_bytes, 24);
AT(aibrix_store_opts, max_inflight, 32);
AT(aibrix_store_opts, flags, 36);
AT(aibrix_store_opts, timeout_ns, 40);
AT(aibrix_store_opts, clock, 48);
AT(aibrix_store_opts, clock_ctx, 56);
AT(aibrix_store_opts, log, 64);
AT(aibrix_store_opts, alloc, 72);
AT(aibrix_store_stat, size, 0);
AT(aibrix_store_stat, inflight, 4);
AT(aibrix_store_stat, values, 8);
AT(aibrix_store_stat, capacity_values, 16);
AT(aibrix_store_stat, value_bytes, 24);
AT(aibrix_store_stat, gets, 32);
AT(aibrix_store_stat, hits, 40);
AT(aibrix_store_stat, puts, 48);
AT(aibrix_store_stat, existed, 56);
AT(aibrix_store_stat, probes, 64);
AT(aibrix_store_stat, deletes, 72);
AT(aibrix_store_stat, evictions, 80);
AT(aibrix_store_stat, recovered, 88);
AT(aibrix_store_stat, dropped, 96);
AT(aibrix_store_stat, errors, 104);
AT(aibrix_store_stat, timeouts, 112);
AT(aibrix_store_stat, read_bytes, 120);
AT(aibrix_store_stat, written_bytes, 128);
VALUE(AIBRIX_STORE_GET, 0);
VALUE(AIBRIX_STORE_PUT, 1);
VALUE(AIBRIX_STORE_PROBE, 2);
VALUE(AIBRIX_STORE_DELETE, 3);
VALUE(AIBRIX_PRIORITY_PROBE, 0);
VALUE(AIBRIX_PRIORITY_GET, 1);
VALUE(AIBRIX_PRIORITY_PUT, 2);
VALUE(AIBRIX_PRIORITY_BACKGROUND, 3);
VALUE(AIBRIX_STORE_KEY_MAX, 512);
VALUE(AIBRIX_STORE_IOV_MAX, 64);
VALUE(AIBRIX_DONE_EXISTED, 1);
VALUE(AIBRIX_BACKEND_MEM, 0);
VALUE(AIBRIX_BACKEND_FILE, 1);

/* route, 0.1 */
VALUE(AIBRIX_PROFILE_DEFAULT, 0);
VALUE(AIBRIX_PROFILE_COMPAT, 1);
VALUE(AIBRIX_ROUTE_IMBALANCE_SET, 1);
VALUE(AIBRIX_ROUTE_STDDEV_SET, 2);
VALUE(AIBRIX_REASON_NONE, 0);
VALUE(AIBRIX_REASON_RANDOM, 1);
VALUE(AIBRIX_REASON_LEAST_REQUEST, 2);
VALUE(AIBRIX_REASON_PREFIX, 3);
VALUE(AIBRIX_REASON_PREFIX_NONE, 4);
VALUE(AIBRIX_REASON_PREFIX_SKIPPED, 5);
VALUE(AIBRIX_REASON_ONLY_CANDIDATE, 6);
VALUE(AIBRIX_REASON_NO_DATA, 7);
AT(aibrix_route_opts, size, 0);
AT(aibrix_route_opts, profile, 4);
AT(aibrix_route_opts, strategy, 8);
AT(aibrix_route_opts, tokens_per_request, 16);
AT(aibrix_route_opts, queue_weight, 24);
AT(aibrix_route_opts, imbalance_abs, 32);
AT(aibrix_route_opts, stddev_factor, 40);
AT(aibrix_route_opts, flags, 48);
AT(aibrix_route_opts, spare, 52);
AT(aibrix_route_opts, alloc, 56);
AT(aibrix_route_request, size, 0);
AT(aibrix_route_request, n_overlay, 4);
AT(aibrix_route_request, overlay, 8);
AT(aibrix_route_request, rows, 16);
AT(aibrix_route_request, n_rows, 24);
AT(aibrix_route_request, block_tokens, 28);
AT(aibrix_route_request, prompt_tokens, 32);
AT(aibrix_route_request, n_blocks, 40);
AT(aibrix_route_request, entropy, 48);
AT(aibrix_route_result, size, 0);
AT(aibrix_route_result, row, 4);
AT(aibrix_route_result, owner, 8);
AT(aibrix_route_result, score, 24);
AT(aibrix_route_result, reason, 32);
AT(aibrix_route_result, candidates, 36);
AT(aibrix_route_result, ties, 40);
AT(aibrix_route_result, spare, 44);
AT(aibrix_route_score, row, 0);
AT(aibrix_route_score, scored, 4);
AT(aibrix_route_score, score, 8);
SIZE(aibrix_route_score, 16);
/* index, 0.1 */
AT(aibrix_index_opts, size, 0);
AT(aibrix_index_opts, max_owners, 4);
AT(aibrix_index_opts, budget_bytes, 8);
AT(aibrix_index_opts, alloc, 16);
AT(aibrix_index_stored, size, 0);
AT(aibrix_index_stored, n, 4);
AT(aibrix_index_stored, hashes, 8);
AT(aibrix_index_stored, names, 16);
AT(aibrix_index_stored, parent, 24);
AT(aibrix_index_stored, flags, 32);
AT(aibrix_index_stored, tier, 36);
AT(aibrix_index_stored, group, 40);
AT(aibrix_index_stored, kind, 44);
AT(aibrix_match, owner, 0);
AT(aibrix_match, held, 4);
AT(aibrix_match, device, 8);
AT(aibrix_match, spare, 12);
SIZE(aibrix_match, 16);
AT(aibrix_index_stat, size, 0);
AT(aibrix_index_stat, owners, 4);
AT(aibrix_index_stat, places, 8);
AT(aibrix_index_stat, held, 16);
AT(aibrix_index_stat, bytes, 24);
AT(aibrix_index_stat, stored, 32);
AT(aibrix_index_stat, removed, 40);
AT(aibrix_index_stat, cleared, 48);
AT(aibrix_index_stat, unknown_parents, 56);
AT(aibrix_index_stat, unknown_removals, 64);
AT(aibrix_index_stat, duplicates, 72);
AT(aibrix_index_stat, twins, 80);
AT(aibrix_index_stat, ignored, 88);
AT(aibrix_index_stat, refused, 96);
AT(aibrix_index_stat, unknown_names, 104);
AT(aibrix_index_stat, runs, 112);
AT(aibrix_index_stat, retries, 120);
AT(aibrix_index_stat, locked, 128);
VALUE(AIBRIX_TIER_DEVICE, 0);
VALUE(AIBRIX_TIER_HOST, 1);
VALUE(AIBRIX_TIER_DISK, 2);
VALUE(AIBRIX_TIER_EXTERNAL, 3);
VALUE(AIBRIX_TIERS, 4);
VALUE(AIBRIX_GROUP_FULL, 0);
VALUE(AIBRIX_GROUP_OTHER, 1);
VALUE(AIBRIX_INDEX_GROUPS, 64);
VALUE(AIBRIX_INDEX_EVENT_BLOCKS, 1048576);
VALUE(AIBRIX_INDEX_HAS_PARENT, 1);

/* prefix, 0.1 */
AT(aibrix_prefix_opts, size, 0);
AT(aibrix_prefix_opts, spare, 4);
AT(aibrix_prefix_opts, max_blocks, 8);
AT(aibrix_prefix_opts, max_age_ns, 16);
AT(aibrix_prefix_opts, alloc, 24);
AT(aibrix_prefix_opts, max_pods, 32);
AT(aibrix_prefix_opts, block_pods, 36);
AT(aibrix_prefix_opts, more_pods, 40);
AT(aibrix_prefix_stat, size, 0);
AT(aibrix_prefix_stat, pods, 4);
AT(aibrix_prefix_stat, blocks, 8);
AT(aibrix_prefix_stat, entries, 16);
AT(aibrix_prefix_stat, bytes, 24);
AT(aibrix_prefix_stat, added, 32);
AT(aibrix_prefix_stat, evicted, 40);
AT(aibrix_prefix_stat, reclaimed, 48);
AT(aibrix_prefix_stat, replaced, 56);
AT(aibrix_prefix_stat, forgotten, 64);
AT(aibrix_prefix_stat, forgotten_room, 72);

/* predict, 0.1 */
AT(aibrix_predict_opts, size, 0);
AT(aibrix_predict_opts, max_owners, 4);
AT(aibrix_predict_opts, max_blocks, 8);
AT(aibrix_predict_opts, lease_ns, 16);
AT(aibrix_predict_opts, alloc, 24);
AT(aibrix_predict_opts, block_owners, 32);
AT(aibrix_predict_opts, spare, 36);
AT(aibrix_predict_opts, more_owners, 40);
AT(aibrix_predict_stat, size, 0);
AT(aibrix_predict_stat, spare, 4);
AT(aibrix_predict_stat, blocks, 8);
AT(aibrix_predict_stat, entries, 16);
AT(aibrix_predict_stat, bytes, 24);
AT(aibrix_predict_stat, added, 32);
AT(aibrix_predict_stat, confirmed, 40);
AT(aibrix_predict_stat, evicted, 48);
AT(aibrix_predict_stat, reclaimed, 56);
AT(aibrix_predict_stat, replaced, 64);
AT(aibrix_predict_stat, forgotten, 72);

int
main(void)
{
	return 0;
}
