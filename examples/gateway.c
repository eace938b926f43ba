/*
 *   tokens -> block hashes -> held where? (index)
 *                             on its way where? (predictions)
 *          -> pick and charge, in one step (ledger)
 *
 * The index knows what engines announced.  A prediction stands in for the
 * few seconds until they do, so that the requests of one burst with the same
 * beginning find each other.  The ledger counts what was sent where and has
 * not ended; a request that is never heard of again is given up by itself.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

int
gateway_open(gateway *gate, const char *strategy, uint32_t block_tokens)
{
	aibrix_hash_opts hash = {
		.size = sizeof(hash),
		.block_tokens = block_tokens,
	};
	aibrix_route_opts route = {
		.size = sizeof(route),
		.strategy = strategy,
	};
	int status;

	*gate = (gateway){.block_tokens = block_tokens};
	gate->hashes = calloc(GATEWAY_TOKENS_MAX, sizeof(*gate->hashes));
	gate->block_names =
		calloc(GATEWAY_TOKENS_MAX, sizeof(*gate->block_names));
	gate->keys = calloc(GATEWAY_TOKENS_MAX, sizeof(*gate->keys));
	if (!gate->hashes || !gate->block_names || !gate->keys)
		return AIBRIX_E_NOMEM;
	status = aibrix_hash_new(&hash, &gate->hash);
	if (status == AIBRIX_OK)
		status = aibrix_index_new(NULL, &gate->index);
	if (status == AIBRIX_OK)
		status = aibrix_index_reader_new(gate->index, &gate->reader);
	if (status == AIBRIX_OK)
		status = aibrix_predict_new(NULL, &gate->predict);
	if (status == AIBRIX_OK)
		status = aibrix_fleet_new(NULL, &gate->fleet);
	if (status == AIBRIX_OK)
		status = aibrix_route_new(&route, &gate->route);
	if (status == AIBRIX_OK)
		status = aibrix_ledger_new(NULL, &gate->ledger);
	return status;
}

void
gateway_close(gateway *gate)
{
	aibrix_ledger_free(gate->ledger);
	aibrix_route_free(gate->route);
	aibrix_fleet_free(gate->fleet);
	aibrix_predict_free(gate->predict);
	aibrix_index_reader_free(gate->reader);
	aibrix_index_free(gate->index);
	aibrix_hash_free(gate->hash);
	for (uint32_t i = 0; i < GATEWAY_PODS_MAX; i++)
		free(gate->names[i]);
	free(gate->hashes);
	free(gate->block_names);
	free(gate->keys);
	*gate = (gateway){0};
}

/* A number for a name, the same in every gateway: FNV-1a. */
static uint64_t
name_number(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
	return hash;
}

int
gateway_join(gateway *gate, const char *name, uint32_t *row)
{
	aibrix_owner owner = {.pod = name_number(name)};
	char *copy = strdup(name);
	int status = copy ? aibrix_fleet_add(gate->fleet, &owner, row)
			  : AIBRIX_E_NOMEM;

	if (status != AIBRIX_OK) {
		free(copy);
		return status;
	}
	gate->names[*row] = copy;
	status = aibrix_index_owner_add(gate->index, *row);
	if (status != AIBRIX_OK)
		(void)gateway_leave(gate, *row);
	return status;
}

/* Nobody is sent there any more, and what was charged to it is forgotten. */
int
gateway_leave(gateway *gate, uint32_t row)
{
	int status = aibrix_fleet_remove(gate->fleet, row);

	if (status != AIBRIX_OK)
		return status;
	free(gate->names[row]);
	gate->names[row] = NULL;
	status = aibrix_predict_forget(gate->predict, row);
	if (status == AIBRIX_OK)
		status = aibrix_index_owner_remove(gate->index, row);
	return status;
}

int
gateway_metric(gateway *gate, uint32_t row, uint32_t column, double value,
	       uint64_t now_ns)
{
	return aibrix_fleet_set(gate->fleet, row, column, value, now_ns);
}

static int
prompt_hash(gateway *gate, const uint32_t *tokens, uint64_t n_tokens)
{
	aibrix_prompt prompt = {
		.size = sizeof(prompt),
		.tokens = tokens,
		.n_tokens = n_tokens,
	};

	return aibrix_hash_blocks(gate->hash, &prompt, 0, gate->hashes,
				  gate->keys, GATEWAY_TOKENS_MAX,
				  &gate->n_blocks);
}

/* An engine's KV event has names of its own for blocks and says under which
 * one they are; libaibrix-zmq reads those.  Here keys stand for them. */
int
gateway_stored(gateway *gate, uint32_t row, const uint32_t *tokens,
	       uint64_t n_tokens)
{
	aibrix_index_stored event = {
		.size = sizeof(event),
		.hashes = gate->hashes,
		.names = gate->block_names,
		.tier = AIBRIX_TIER_DEVICE,
		.kind = AIBRIX_GROUP_FULL,
	};
	int status = prompt_hash(gate, tokens, n_tokens);

	if (status != AIBRIX_OK || gate->n_blocks == 0)
		return status;
	for (uint64_t i = 0; i < gate->n_blocks; i++)
		gate->block_names[i] = aibrix_hash_fold(
			gate->keys[i].bytes, sizeof(gate->keys[i]), 0);
	event.n = (uint32_t)gate->n_blocks;
	status = aibrix_index_apply_stored(gate->index, row, &event);
	if (status == AIBRIX_OK)
		status = aibrix_predict_confirm(gate->predict, row,
						gate->hashes, gate->n_blocks);
	return status;
}

/* How much of the prompt at hand each pod holds, or soon will. */
static int
prompt_match(gateway *gate, uint64_t now_ns, uint32_t rows)
{
	int status = aibrix_index_match(gate->reader, gate->hashes,
					gate->n_blocks, 0, gate->held, rows);

	if (status == AIBRIX_OK)
		status = aibrix_predict_match(gate->predict, gate->hashes,
					      gate->n_blocks, now_ns,
					      gate->held, rows);
	return status;
}

int
gateway_pick(gateway *gate, const gateway_request *request, uint64_t now_ns,
	     gateway_pick_result *out)
{
	uint32_t rows = aibrix_fleet_rows(gate->fleet);
	const char *session = request->session;
	const aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, rows,
				       gate->held};
	aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = 1,
		.overlay = &overlay,
		.block_tokens = gate->block_tokens,
		.prompt_tokens = request->n_tokens,
		.entropy = name_number(request->id), /* decides ties */
		.strategy = request->strategy,
		.addresses = (const char *const *)gate->names,
		.n_addresses = rows,
		.session_key = session,
		.session_key_len = session ? strlen(session) : 0,
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	int status = prompt_hash(gate, request->tokens, request->n_tokens);

	if (status == AIBRIX_OK)
		status = prompt_match(gate, now_ns, rows);
	ask.n_blocks = gate->n_blocks;
	if (status == AIBRIX_OK)
		status = aibrix_ledger_pick(gate->ledger, gate->route,
					    gate->fleet, &ask, now_ns, &picked,
					    &out->ticket);
	if (status != AIBRIX_OK)
		return status;
	out->row = picked.row;
	out->reason = picked.reason;
	out->held = (uint64_t)gate->held[picked.row];
	out->blocks = gate->n_blocks;
	return aibrix_predict_add(gate->predict, picked.row, gate->hashes,
				  gate->n_blocks, now_ns, 0);
}

int
gateway_first_token(gateway *gate, uint64_t ticket, uint64_t now_ns)
{
	return aibrix_ledger_first_token(gate->ledger, ticket, now_ns);
}

int
gateway_end(gateway *gate, uint64_t ticket)
{
	return aibrix_ledger_settle(gate->ledger, ticket);
}

/* What may be said of a pod, by the names of the columns. */
static const struct metric {
	const char *name;
	uint32_t column;
} metrics[] = {
	{"adapters", AIBRIX_COL_ADAPTERS},
	{"adapters_max", AIBRIX_COL_ADAPTERS_MAX},
	{"capacity_ratio", AIBRIX_COL_CAPACITY_RATIO},
	{"cpu_usage_ratio", AIBRIX_COL_CPU_USAGE_RATIO},
	{"decode_s", AIBRIX_COL_DECODE_S},
	{"engine_running", AIBRIX_COL_ENGINE_RUNNING},
	{"engine_waiting", AIBRIX_COL_ENGINE_WAITING},
	{"gpu_busy_ratio", AIBRIX_COL_GPU_BUSY_RATIO},
	{"gpu_usage_ratio", AIBRIX_COL_GPU_USAGE_RATIO},
	{"kv_usage_ratio", AIBRIX_COL_KV_USAGE_RATIO},
	{"load_ratio", AIBRIX_COL_LOAD_RATIO},
	{"output_tokens", AIBRIX_COL_OUTPUT_TOKENS},
	{"prefill_s", AIBRIX_COL_PREFILL_S},
	{"prompt_tokens", AIBRIX_COL_PROMPT_TOKENS},
	{"queue_s", AIBRIX_COL_QUEUE_S},
	{"requests_per_s", AIBRIX_COL_REQUESTS_PER_S},
	{"tokens_per_s", AIBRIX_COL_TOKENS_PER_S},
	{"utilization_ratio", AIBRIX_COL_UTILIZATION_RATIO},
};

int
gateway_column(const char *name)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (strcmp(metrics[i].name, name) == 0)
			return (int)metrics[i].column;
	}
	return -1;
}
