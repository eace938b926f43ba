/*
 * No allocation on the hot paths: naming blocks, looking them up, picking.
 *
 * The unit tests count calls of the object's allocator; this program counts
 * malloc itself, so that a call past the allocator is seen too.  It links the
 * shared library, whose calls come to the definitions below because the
 * program's stand before those of the C library.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/aibrix.h>

/* glibc's own, under the names that it keeps for those who replace malloc. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static uint64_t allocations;

void *
malloc(size_t bytes)
{
	allocations++;
	return __libc_malloc(bytes);
}

void *
calloc(size_t n, size_t bytes)
{
	allocations++;
	return __libc_calloc(n, bytes);
}

void *
realloc(void *ptr, size_t bytes)
{
	allocations++;
	return __libc_realloc(ptr, bytes);
}

void *
aligned_alloc(size_t align, size_t bytes)
{
	allocations++;
	return __libc_memalign(align, bytes);
}

int
posix_memalign(void **out, size_t align, size_t bytes)
{
	void *ptr;

	allocations++;
	ptr = __libc_memalign(align, bytes);
	if (!ptr)
		return ENOMEM;
	*out = ptr;
	return 0;
}

enum {
	BLOCK_TOKENS = 16,
	BLOCKS = 512,
	TOKENS = BLOCKS * BLOCK_TOKENS,
	PROMPTS = 2,
	OWNERS = 64,
	ROWS = 1000
};

static int failures;

static void
expect(int ok, const char *rule)
{
	if (ok)
		return;
	printf("not so: %s\n", rule);
	failures++;
}

/* The call succeeds and allocates nothing. */
#define QUIET(call)                                                            \
	do {                                                                   \
		uint64_t before = allocations;                                 \
		int status = (call);                                           \
		expect(status == AIBRIX_OK, #call " succeeds");                \
		expect(allocations == before, #call " allocates nothing");     \
	} while (0)

/* The call succeeds and is seen to allocate: the counter counts. */
#define COUNTED(call)                                                          \
	do {                                                                   \
		uint64_t before = allocations;                                 \
		int status = (call);                                           \
		expect(status == AIBRIX_OK, #call " succeeds");                \
		expect(allocations > before, #call " is counted");             \
	} while (0)

static uint32_t tokens[TOKENS];
static uint64_t hashes[PROMPTS * BLOCKS];
static uint64_t ends[PROMPTS];
static aibrix_key keys[PROMPTS * BLOCKS];
static aibrix_match matches[PROMPTS * OWNERS];
static double held[ROWS], load[ROWS], part[ROWS];
static const char *addresses[ROWS];
static aibrix_route_score scores[ROWS];

/* A plain prompt, and one with all that may enter names. */
static void
names(uint32_t algorithm)
{
	const aibrix_prompt_item item = {"image", 5, 0, 100, 900};
	const aibrix_prompt plain = {
		.size = sizeof(plain), .tokens = tokens, .n_tokens = TOKENS};
	const aibrix_prompt full = {.size = sizeof(full),
				    .n_items = 1,
				    .tokens = tokens,
				    .n_tokens = TOKENS,
				    .items = &item,
				    .lora = "adapter",
				    .salt = "tenant"};
	const aibrix_prompt *const prompts[PROMPTS] = {&plain, &full};
	const aibrix_hash_opts opts = {.size = sizeof(opts),
				       .algorithm = algorithm,
				       .block_tokens = BLOCK_TOKENS,
				       .model = "model"};
	aibrix_hash *hash = NULL;
	uint64_t n = 0;

	COUNTED(aibrix_hash_new(&opts, &hash));
	QUIET(aibrix_hash_blocks(hash, &full, 0, hashes, keys, BLOCKS, &n));
	expect(n == BLOCKS, "512 blocks are named");
	QUIET(aibrix_hash_batch(hash, prompts, PROMPTS, hashes, keys,
				PROMPTS * BLOCKS, ends, &n));
	expect(n == (uint64_t)PROMPTS * BLOCKS, "1024 blocks are named");
	aibrix_hash_free(hash);
}

/* Owner i holds the first 8 (i + 1) blocks of the plain prompt. */
static void
fill(aibrix_index *index)
{
	for (uint32_t i = 0; i < OWNERS; i++) {
		const aibrix_index_stored event = {.size = sizeof(event),
						   .n = 8 * (i + 1),
						   .hashes = hashes,
						   .names = hashes};

		expect(aibrix_index_owner_add(index, i) == AIBRIX_OK,
		       "an owner is added");
		expect(aibrix_index_apply_stored(index, i, &event) == AIBRIX_OK,
		       "its blocks are stored");
	}
}

static void
lookups(void)
{
	aibrix_index *index = NULL;
	aibrix_index_reader *reader = NULL;
	uint32_t match_ends[PROMPTS];
	uint32_t n = 0;

	COUNTED(aibrix_index_new(NULL, &index));
	COUNTED(aibrix_index_reader_new(index, &reader));
	fill(index);
	QUIET(aibrix_index_lookup(reader, hashes, BLOCKS, matches, OWNERS, &n));
	expect(n == OWNERS, "64 owners are found");
	QUIET(aibrix_index_lookup_batch(reader, hashes, ends, PROMPTS, matches,
					PROMPTS * OWNERS, match_ends, &n));
	expect(n == OWNERS, "64 owners are found, the second prompt's none");
	QUIET(aibrix_index_match(reader, hashes, BLOCKS, 0, held, ROWS));
	expect(held[OWNERS - 1] == BLOCKS, "the last owner holds all");
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
}

static void
pick(const aibrix_fleet *fleet, const char *strategy, uint32_t profile)
{
	const aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS, held};
	const aibrix_route_request request = {.size = sizeof(request),
					      .n_overlay = 1,
					      .overlay = &overlay,
					      .block_tokens = BLOCK_TOKENS,
					      .prompt_tokens = TOKENS,
					      .n_blocks = BLOCKS,
					      .entropy = 7,
					      .addresses = addresses,
					      .n_addresses = ROWS};
	const aibrix_route_opts opts = {
		.size = sizeof(opts), .profile = profile, .strategy = strategy};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_route *route = NULL;
	uint32_t n = 0, lower;

	COUNTED(aibrix_route_new(&opts, &route));
	QUIET(aibrix_route_pick(route, fleet, &request, 0, &result));
	expect(result.candidates > 0, "somebody is compared");
	QUIET(aibrix_route_explain(route, fleet, &request, 0, scores, ROWS, &n,
				   &lower));
	expect(n > 0, "somebody is explained");
	aibrix_route_free(route);
}

static void
picks(void)
{
	aibrix_fleet *fleet = NULL;
	const char *strategy;

	COUNTED(aibrix_fleet_new(NULL, &fleet));
	for (uint32_t i = 0; i < ROWS; i++) {
		const aibrix_owner owner = {100 + i, 0, 0};
		uint32_t row;

		expect(aibrix_fleet_add(fleet, &owner, &row) == AIBRIX_OK,
		       "a row is added");
		load[i] = i % 5;
		part[i] = 0.25;
		addresses[i] = "10.0.0.1:8000";
	}
	expect(aibrix_fleet_set_column(fleet, AIBRIX_COL_REQUESTS_RUNNING, load,
				       ROWS, 0) == AIBRIX_OK,
	       "the load is set");
	expect(aibrix_fleet_set_column(fleet, AIBRIX_COL_LOAD_RATIO, part, ROWS,
				       0) == AIBRIX_OK &&
		       aibrix_fleet_set_column(fleet,
					       AIBRIX_COL_REQUEST_LOAD_RATIO,
					       part, ROWS, 0) == AIBRIX_OK,
	       "what rows can take is set");
	for (uint32_t i = 0; (strategy = aibrix_route_strategy(i)); i++) {
		pick(fleet, strategy, AIBRIX_PROFILE_DEFAULT);
		pick(fleet, strategy, AIBRIX_PROFILE_COMPAT);
	}
	aibrix_fleet_free(fleet);
}

enum { PAIR_GROUPS = 32 };

static aibrix_pd_pod pods[BLOCKS];
static aibrix_pd_stat stats[BLOCKS];
static uint64_t ids[BLOCKS];
static uint32_t prefill[BLOCKS], decode[BLOCKS];
static double pair_scores[BLOCKS];

static aibrix_pd_lists
split(void)
{
	aibrix_pd_result result = {.size = sizeof(result)};

	QUIET(aibrix_pd_split(NULL, pods, BLOCKS, TOKENS, 7, prefill, decode,
			      &result));
	return (aibrix_pd_lists){prefill, decode, result.n_prefill,
				 result.n_decode};
}

/* 512 pods, half of them for prefill; the first charge may fetch memory. */
static void
pairs(void)
{
	const aibrix_pd_view view = {pods, stats, ids, BLOCKS, 0};
	const aibrix_pd_request request = {.size = sizeof(request),
					   .prompt_tokens = TOKENS};
	aibrix_pd_pick_result result = {.size = sizeof(result)};
	aibrix_pd_ledger *ledger = NULL;
	aibrix_pd_lists lists;
	uint64_t ticket = 0;
	uint32_t gates;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		pods[i].group = i % PAIR_GROUPS;
		pods[i].role = i / PAIR_GROUPS % 2 ? AIBRIX_PD_DECODE
						   : AIBRIX_PD_PREFILL;
		ids[i] = i;
	}
	lists = split();
	QUIET(aibrix_pd_gate(NULL, pods, stats, BLOCKS, 7, &lists, &gates));
	QUIET(aibrix_pd_pick(NULL, pods, stats, BLOCKS, &lists, TOKENS, 7,
			     pair_scores, &result));
	COUNTED(aibrix_pd_ledger_new(NULL, &ledger));
	lists = split();
	COUNTED(aibrix_pd_ledger_pick(ledger, NULL, &view, &lists, &request, 0,
				      pair_scores, &result, &ticket));
	lists = split();
	QUIET(aibrix_pd_ledger_pick(ledger, NULL, &view, &lists, &request, 0,
				    pair_scores, &result, &ticket));
	QUIET(aibrix_pd_ledger_prefilled(ledger, ticket, 0));
	QUIET(aibrix_pd_ledger_first_token(ledger, ticket, 0));
	QUIET(aibrix_pd_ledger_settle(ledger, ticket));
	aibrix_pd_ledger_free(ledger);
}

enum { BATCH_BYTES = 65536, BATCH_BLOCKS = 64 };

/* A batch of stores with an adapter, and of their removals, twice: the first
 * pass may fetch memory. */
static void
events(void)
{
	static uint8_t bytes[BATCH_BYTES];
	const aibrix_event batch[] = {
		{.type = AIBRIX_EVENT_STORED,
		 .n = BATCH_BLOCKS,
		 .names = hashes,
		 .tokens = tokens,
		 .n_tokens = BATCH_BLOCKS * BLOCK_TOKENS,
		 .block_tokens = BLOCK_TOKENS,
		 .lora = "adapter"},
		{.type = AIBRIX_EVENT_REMOVED,
		 .n = BATCH_BLOCKS,
		 .names = hashes},
	};
	const aibrix_hash_opts opts = {.size = sizeof(opts)};
	aibrix_event_opts event_opts = {.size = sizeof(event_opts)};
	aibrix_event_decoder *decoder = NULL;
	aibrix_hash *hash = NULL;
	aibrix_event event;
	uint64_t n = 0;

	COUNTED(aibrix_hash_new(&opts, &hash));
	event_opts.hash = hash;
	COUNTED(aibrix_event_new(&event_opts, &decoder));
	QUIET(aibrix_event_encode(NULL, batch, 2, bytes, sizeof(bytes), &n));
	QUIET(aibrix_event_open(decoder, bytes, n, NULL));
	COUNTED(aibrix_event_next(decoder, &event));
	expect(event.hashes != NULL, "contents are hashed");
	for (int i = 0; i < 2; i++) {
		QUIET(aibrix_event_open(decoder, bytes, n, NULL));
		QUIET(aibrix_event_next(decoder, &event));
		QUIET(aibrix_event_next(decoder, &event));
	}
	expect(event.type == AIBRIX_EVENT_REMOVED, "removals come last");
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

/* A scaler takes no memory but what it is given. */
static void
steps(void)
{
	static uint64_t memory[4096];
	static const aibrix_scale_metric metric = {.target = 10};
	aibrix_scale_opts opts = {.size = sizeof(opts),
				  .max_replicas = 10,
				  .metrics = &metric,
				  .n_metrics = 1};
	const aibrix_scale_pod pod = {.phase = AIBRIX_SCALE_RUNNING};
	const double value = 30;
	const aibrix_scale_values values = {.values = &value};
	const aibrix_scale_fleet fleet = {.size = sizeof(fleet),
					  .replicas = 1,
					  .n_pods = 1,
					  .pods = &pod};
	aibrix_scale_decision d = {.size = sizeof(d)};
	aibrix_scale_state *state = NULL;

	for (uint32_t i = 0; i < 3; i++) {
		opts.strategy = i;
		QUIET(aibrix_scale_state_init(&opts, memory, sizeof(memory),
					      &state));
		for (uint64_t at = 1; at < 4; at++)
			QUIET(aibrix_scale_step(&opts, &fleet, &values, state,
						at * 1000000000, &d));
		expect(d.replicas == 3, "three times the load, three pods");
	}
}

static void
demands(void)
{
	static uint64_t memory[512];
	const aibrix_demand_opts opts = {.size = sizeof(opts),
					 .step_s = 0.01,
					 .kv_s = 0.02,
					 .token_s = 1e-4};
	const aibrix_scale_pod pod = {.phase = AIBRIX_SCALE_RUNNING};
	const double one = 1, many = 1000;
	const aibrix_demand_seen seen = {.size = sizeof(seen),
					 .flags = AIBRIX_DEMAND_ARRIVALS,
					 .running = &one,
					 .input_tokens = &many,
					 .output_tokens = &one,
					 .arrivals_per_s = 20};
	const aibrix_scale_fleet fleet = {.size = sizeof(fleet),
					  .replicas = 1,
					  .n_pods = 1,
					  .pods = &pod};
	aibrix_demand d = {.size = sizeof(d)};
	aibrix_demand_state *state = NULL;

	QUIET(aibrix_demand_state_init(memory, sizeof(memory), &state));
	for (uint64_t at = 1; at < 4; at++)
		QUIET(aibrix_demand_step(&opts, &fleet, &seen, state,
					 at * 1000000000, &d));
	expect(d.wanted > 1, "twice what a pod bears, more pods");
}

int
main(void)
{
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = i * 7;
	names(AIBRIX_KEY_SHA256);
	names(AIBRIX_KEY_XXH3);
	lookups();
	events();
	picks();
	pairs();
	steps();
	demands();
	printf("%d failures\n", failures);
	return failures != 0;
}
