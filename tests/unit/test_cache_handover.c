/*
 * Prompts that one engine computes and another one goes on with, through L2:
 * with a last piece of fewer tokens, and with what becomes of it when the
 * store loses, damages or refuses some of it in between.
 *
 * Both engines are processes of their own, one after the other; this process
 * meddles with the store in between.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <signal.h>

#include "cache_tools.h"
#include "redis_tools.h"
#include "store/store_faults.h"
#include "store_tools.h"

enum { TOKENS = 16, PROMPT = 71, BLOCKS = 5, TAIL = 7, LONGEST = 96 };

/* What a process says to this one. */
struct told {
	int status;
	uint64_t n;
	aibrix_cache_extent extent;
	uint32_t right; /* blocks whose bytes are right */
};

struct shop {
	aibrix_store_opts opts;
	struct redis_server server;
	struct temp_path path;
	char url[64];
	struct told *told; /* shared memory */
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* n tokens 1, 2, 3, ..., and then zeros. */
static uint32_t
prompt_keys(uint64_t n, uint64_t zeros, aibrix_key *keys, uint32_t *tail)
{
	uint32_t tokens[LONGEST] = {0};
	aibrix_prompt prompt = {.size = sizeof(prompt),
				.tokens = tokens,
				.n_tokens = n + zeros};
	aibrix_hash *hash = NULL;
	uint64_t whole;

	for (uint32_t i = 0; i < n; i++)
		tokens[i] = i + 1;
	*tail = (uint32_t)((n + zeros) % TOKENS);
	if (aibrix_hash_new(NULL, &hash) ||
	    aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, LONGEST / TOKENS,
			       &whole) ||
	    (*tail &&
	     aibrix_hash_partial(hash, &prompt, whole ? &keys[whole - 1] : NULL,
				 &keys[whole])))
		abort();
	aibrix_hash_free(hash);
	return (uint32_t)whole + (*tail != 0);
}

static aibrix_cache_opts
cache_opts(aibrix_store *store)
{
	return (aibrix_cache_opts){.size = sizeof(aibrix_cache_opts),
				   .block_bytes = BLOCK,
				   .l1_bytes = 8 * BLOCK,
				   .layout = "lcnd",
				   .l2 = store};
}

static void
must(int ok)
{
	if (!ok)
		_exit(9);
}

/* ---- the two engines */

static void
prefill(aibrix_store *store, struct told *told, uint64_t n, uint64_t zeros)
{
	aibrix_cache_opts o = cache_opts(store);
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t lease, room;
	aibrix_key keys[BLOCKS + 1];
	aibrix_cache *cache;
	uint32_t tail, blocks = prompt_keys(n, zeros, keys, &tail);

	must(!aibrix_cache_new(&o, &cache));
	must(!aibrix_cache_reserve_tail(cache, keys, NULL, blocks, tail,
					now_ns(), &lease, &room));
	must(room == blocks);
	for (uint64_t i = 0; i < room; i++) {
		must(!aibrix_cache_block(cache, lease, i, &view));
		memset(view.data, byte_of(1, i), view.tokens * BLOCK / TOKENS);
	}
	must(!aibrix_cache_commit(cache, lease, now_ns()));
	told->status = aibrix_cache_hand_over(cache, keys, blocks,
					      now_ns() + STORE_TOOLS_WAIT,
					      now_ns(), &told->n);
	aibrix_cache_free(cache);
}

static void
decode(aibrix_store *store, struct told *told, uint64_t n, uint64_t zeros)
{
	aibrix_cache_opts o = cache_opts(store);
	aibrix_cache_view view = {.size = sizeof(view)};
	aibrix_key keys[BLOCKS + 1];
	aibrix_cache *cache;
	uint64_t lease;
	uint32_t tail, blocks = prompt_keys(n, zeros, keys, &tail);

	must(!aibrix_cache_new(&o, &cache));
	told->status = aibrix_cache_acquire_tail(cache, keys, blocks, tail,
						 now_ns() + STORE_TOOLS_WAIT,
						 now_ns(), &lease, &told->n);
	if (told->status == AIBRIX_E_AGAIN)
		told->status =
			aibrix_cache_wait(cache, lease, 0, now_ns(), &told->n);
	must(!told->status);
	told->extent.size = sizeof(told->extent);
	must(!aibrix_cache_extent_of(cache, lease, &told->extent));
	for (uint64_t i = 0; i < told->n; i++) {
		uint8_t want[BLOCK] = {0};

		must(!aibrix_cache_block(cache, lease, i, &view));
		memset(want, byte_of(1, i), view.tokens * BLOCK / TOKENS);
		told->right += memcmp(view.data, want, BLOCK) == 0;
	}
	must(!aibrix_cache_release(cache, lease));
	aibrix_cache_free(cache);
}

typedef void engine_fn(aibrix_store *store, struct told *told, uint64_t n,
		       uint64_t zeros);

/* In a process of its own; what it said. */
static struct told
engine_run(struct shop *shop, engine_fn *engine, uint64_t n, uint64_t zeros,
	   const struct store_fault *fault)
{
	aibrix_store *store;
	int status;
	pid_t pid;

	memset(shop->told, 0, sizeof(*shop->told));
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		must(!aibrix_store_open(&shop->opts, &store));
		aibrix__store_faults(store, fault, fault ? 1 : 0);
		engine(store, shop->told, n, zeros);
		aibrix_store_free(store);
		_exit(0);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		  "an engine has failed: %x", status);
	return *shop->told;
}

/* ---- the stores */

enum { DIRECTORY, SERVER };

static void
shop_open(struct shop *shop, int which)
{
	memset(shop, 0, sizeof(*shop));
	shop->told = mmap(NULL, sizeof(*shop->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(shop->told, MAP_FAILED);
	shop->path = temp_path_new();
	shop->opts = (aibrix_store_opts){.size = sizeof(shop->opts),
					 .backend = AIBRIX_BACKEND_SHFS,
					 .path = shop->path.text,
					 .value_bytes = VALUE,
					 .timeout_ns = STORE_TOOLS_WAIT};
	if (which == DIRECTORY)
		return;
	switch (redis_start(&shop->server, NULL)) {
	case 0: break;
	case REDIS_ABSENT: cr_skip_test("%s", shop->server.reason);
	default: cr_assert_fail("%s", shop->server.reason);
	}
	snprintf(shop->url, sizeof(shop->url), "redis://127.0.0.1:%d",
		 shop->server.port);
	shop->opts.backend = AIBRIX_BACKEND_RESP;
	shop->opts.path = shop->url;
}

static void
shop_close(struct shop *shop)
{
	munmap(shop->told, sizeof(*shop->told));
	if (shop->opts.backend == AIBRIX_BACKEND_RESP)
		redis_stop(&shop->server);
	temp_path_remove(shop->path.text);
}

static aibrix_done
value_do(aibrix_store *store, uint32_t op, const aibrix_key *key,
	 uint8_t value[VALUE])
{
	aibrix_iov iov = {value, VALUE};
	aibrix_io io = {
		.key = key->bytes, .key_bytes = sizeof(key->bytes), .op = op};
	aibrix_done done = {.status = AIBRIX_E_STATE};
	uint32_t n = 0;

	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = &iov;
		io.n_iov = 1;
	}
	cr_assert_eq(aibrix_store_submit(store, &io, 1, now_ns(), &n),
		     AIBRIX_OK);
	for (n = 0; n == 0;)
		cr_assert_eq(aibrix_store_poll(store, &done, 1, now_ns(),
					       100000000, &n),
			     AIBRIX_OK);
	return done;
}

/* Block i of the prompt is gone (at < 0), or has a flipped byte. */
static void
meddle(const struct shop *shop, uint32_t i, int at)
{
	aibrix_key keys[BLOCKS + 1];
	uint8_t value[VALUE];
	aibrix_store *store;
	uint32_t tail;

	(void)prompt_keys(PROMPT, 0, keys, &tail);
	cr_assert_eq(aibrix_store_open(&shop->opts, &store), AIBRIX_OK);
	cr_assert_eq(value_do(store, AIBRIX_STORE_GET, &keys[i], value).status,
		     AIBRIX_OK);
	cr_assert_eq(
		value_do(store, AIBRIX_STORE_DELETE, &keys[i], value).status,
		AIBRIX_OK);
	if (at >= 0) {
		value[at] ^= 4;
		cr_assert_eq(value_do(store, AIBRIX_STORE_PUT, &keys[i], value)
				     .status,
			     AIBRIX_OK);
	}
	aibrix_store_free(store);
}

/* Exactly so many tokens, this is why, and all others have failed. */
#define EXPECT_GOT(told, n_tokens, n_blocks, reason)                           \
	do {                                                                   \
		cr_expect_eq((told).n, n_blocks);                              \
		cr_expect_eq((told).right, (uint32_t)(n_blocks));              \
		cr_expect_eq((told).extent.blocks, n_blocks);                  \
		cr_expect_eq((told).extent.tokens, n_tokens);                  \
		cr_expect_eq((told).extent.asked_blocks, BLOCKS);              \
		cr_expect_eq((told).extent.why, reason, "why: %d",             \
			     (told).extent.why);                               \
	} while (0)

/* ---- */

static void
hand_over(int which)
{
	struct told told;
	struct shop shop;

	shop_open(&shop, which);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_expect_eq(told.status, AIBRIX_OK);
	cr_expect_eq(told.n, BLOCKS);

	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, PROMPT, BLOCKS, AIBRIX_OK);
	cr_expect_eq(told.extent.asked_tokens, PROMPT);

	/* The last piece: the bytes, and then their number. */
	meddle(&shop, 4, FRAME_BYTES + 3);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 64, 4, AIBRIX_E_CORRUPT);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 64, 4, AIBRIX_E_NOT_FOUND);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_expect_eq(told.n, BLOCKS);
	meddle(&shop, 4, 104);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 64, 4, AIBRIX_E_CORRUPT);

	meddle(&shop, 2, -1);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 32, 2, AIBRIX_E_NOT_FOUND);

	meddle(&shop, 1, FRAME_BYTES);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 16, 1, AIBRIX_E_CORRUPT);
	shop_close(&shop);
}

Test(cache_handover, through_a_directory_with_exact_tokens_and_failed_blocks)
{
	hand_over(DIRECTORY);
}

Test(cache_handover, through_a_server_with_exact_tokens_and_failed_blocks)
{
	hand_over(SERVER);
}

static void
read_fault(int which)
{
	const struct store_fault fault = {.kind = FAULT_STATUS,
					  .op = AIBRIX_STORE_GET,
					  .at = 3,
					  .status = AIBRIX_E_IO};
	struct told told;
	struct shop shop;

	shop_open(&shop, which);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_assert_eq(told.n, BLOCKS);
	told = engine_run(&shop, decode, PROMPT, 0, &fault);
	EXPECT_GOT(told, 48, 3, AIBRIX_E_IO);
	shop_close(&shop);
}

Test(cache_handover, a_fault_of_reading_names_the_block_and_its_status)
{
	read_fault(DIRECTORY);
}

/* The hole is seen on both sides; what lies behind it counts on neither. */
Test(cache_handover, a_fault_of_writing_is_known_before_the_request_goes_on)
{
	const struct store_fault fault = {.kind = FAULT_STATUS,
					  .op = AIBRIX_STORE_PUT,
					  .at = 2,
					  .status = AIBRIX_E_IO};
	struct told told;
	struct shop shop;

	shop_open(&shop, DIRECTORY);
	told = engine_run(&shop, prefill, PROMPT, 0, &fault);
	cr_expect_eq(told.status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(told.n, 2);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, 32, 2, AIBRIX_E_NOT_FOUND);
	shop_close(&shop);
}

Test(cache_handover, a_server_that_is_gone_fails_every_block)
{
	struct told told;
	struct shop shop;

	shop_open(&shop, SERVER);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_assert_eq(told.n, BLOCKS);
	redis_kill(&shop.server);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	cr_expect_eq(told.extent.tokens, 0);
	cr_expect_eq(told.extent.asked_blocks, BLOCKS);
	cr_expect(told.extent.why != AIBRIX_OK &&
			  told.extent.why != AIBRIX_E_NOT_FOUND,
		  "why: %d", told.extent.why);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_expect_eq(told.status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(told.n, 0);
	shop_close(&shop);
}

/* AIBrix pads with token 0: there these two are one. */
Test(cache_handover, a_prompt_that_ends_in_zeros_is_not_a_shorter_one)
{
	struct told told;
	struct shop shop;

	shop_open(&shop, DIRECTORY);
	told = engine_run(&shop, prefill, PROMPT, 0, NULL);
	cr_assert_eq(told.n, BLOCKS);
	for (uint32_t zeros = 1; zeros <= TOKENS - TAIL; zeros++) {
		told = engine_run(&shop, decode, PROMPT, zeros, NULL);
		EXPECT_GOT(told, 64, 4, AIBRIX_E_NOT_FOUND);
		cr_expect_eq(told.extent.asked_tokens, PROMPT + zeros);
	}
	/* And the other way round, with a whole last block. */
	told = engine_run(&shop, prefill, PROMPT, TOKENS - TAIL, NULL);
	cr_assert_eq(told.n, BLOCKS);
	told = engine_run(&shop, decode, PROMPT, TOKENS - TAIL, NULL);
	EXPECT_GOT(told, 80, BLOCKS, AIBRIX_OK);
	told = engine_run(&shop, decode, PROMPT, 0, NULL);
	EXPECT_GOT(told, PROMPT, BLOCKS, AIBRIX_OK);
	shop_close(&shop);
}

/* ---- within one process */

/* n blocks of chain 1, the last of which has tail tokens. */
static int
put_tail(aibrix_cache *cache, uint64_t n, uint32_t tail)
{
	uint64_t lease, room;
	int err = aibrix_cache_reserve_tail(cache, chain(1), NULL, n, tail, 1,
					    &lease, &room);

	if (err)
		return err;
	for (uint64_t i = 0; i < room; i++) {
		aibrix_cache_view v = view_of(cache, lease, i);

		if (v.data)
			memset(v.data, byte_of(1, i), v.tokens);
	}
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	return AIBRIX_OK;
}

static aibrix_cache_extent
get_tail_until(aibrix_cache *cache, uint64_t n, uint32_t tail,
	       uint64_t deadline_ns)
{
	aibrix_cache_extent e = {.size = sizeof(e)};
	uint64_t lease, got, now = 1;
	int err = aibrix_cache_acquire_tail(cache, chain(1), n, tail,
					    deadline_ns, 1, &lease, &got);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	for (int i = 0; err == AIBRIX_E_AGAIN && i < TURNS; i++) {
		uint64_t busy;

		cr_assert_eq(aibrix_cache_extent_of(cache, lease, &e),
			     AIBRIX_E_AGAIN);
		now += 1000;
		cr_assert_eq(aibrix_cache_poll(cache, now, 0, &busy),
			     AIBRIX_OK);
		check(cache);
		err = aibrix_cache_state(cache, lease, &got);
	}
	cr_assert_eq(err, AIBRIX_OK);
	cr_assert_eq(aibrix_cache_extent_of(cache, lease, &e), AIBRIX_OK);
	cr_assert_eq(e.blocks, got);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_extent_of(cache, lease, &e),
		     AIBRIX_E_NOT_FOUND);
	check(cache);
	return e;
}

static aibrix_cache_extent
get_tail(aibrix_cache *cache, uint64_t n, uint32_t tail)
{
	return get_tail_until(cache, n, tail, 0);
}

Test(cache_handover, another_number_of_tokens_under_one_key_is_a_miss)
{
	aibrix_store *store = new_store(8);

	for (int with_l2 = 0; with_l2 < 2; with_l2++) {
		aibrix_cache *cache = new_cache(8, with_l2 ? store : NULL);
		aibrix_cache *other = new_cache(8, store);
		uint64_t n;

		cr_assert_eq(put_tail(cache, 3, 5), AIBRIX_OK);
		for (uint32_t tail = 0; tail < 16; tail++) {
			aibrix_cache_extent e = get_tail(cache, 3, tail);

			cr_expect_eq(e.tokens, tail == 5 ? 37 : 32);
			cr_expect_eq(e.why, tail == 5 ? AIBRIX_OK
						      : AIBRIX_E_NOT_FOUND);
		}
		cr_expect_eq(put_tail(cache, 3, 6), AIBRIX_OK,
			     "the blocks before it are there");
		cr_expect_eq(get_tail(cache, 3, 5).tokens, 37, "it stays");
		if (!with_l2) {
			aibrix_cache_free(other);
			aibrix_cache_free(cache);
			continue;
		}
		cr_assert_eq(
			aibrix_cache_hand_over(cache, chain(1), 3, 1, 1, &n),
			AIBRIX_OK);
		cr_expect_eq(get_tail(other, 3, 6).tokens, 32);
		cr_expect_eq(get_tail(other, 3, 0).tokens, 32);
		cr_expect_eq(get_tail(other, 3, 5).tokens, 37);
		cr_expect_eq(stat_of(other).corrupt_l2, 0);
		aibrix_cache_free(other);
		aibrix_cache_free(cache);
	}
	aibrix_store_free(store);
}

Test(cache_handover, one_key_for_two_numbers_of_tokens_is_refused)
{
	aibrix_cache *cache = new_cache(8, NULL);

	cr_assert_eq(put_tail(cache, 1, 5), AIBRIX_OK);
	cr_expect_eq(put_tail(cache, 1, 6), AIBRIX_E_STATE);
	cr_expect_eq(put_tail(cache, 1, 0), AIBRIX_E_STATE);
	cr_expect_eq(put_tail(cache, 1, 5), AIBRIX_OK);
	aibrix_cache_free(cache);
}

Test(cache_handover, a_tail_has_fewer_tokens_than_a_block_and_more_than_none)
{
	aibrix_store *store = new_store(8);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .flags = AIBRIX_CACHE_L2_RAW};
	aibrix_cache *cache = new_cache(8, NULL), *raw;
	uint64_t lease, n;

	cr_expect_eq(put_tail(cache, 1, 16), AIBRIX_E_INVAL);
	cr_expect_eq(put_tail(cache, 0, 5), AIBRIX_E_INVAL);
	cr_expect_eq(put_tail(cache, 1, 15), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_acquire_tail(cache, chain(1), 1, 16, 0, 1,
					       &lease, &n),
		     AIBRIX_E_INVAL);
	cr_assert_eq(aibrix_cache_new(&o, &raw), AIBRIX_OK);
	cr_expect_eq(put_tail(raw, 1, 5), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(put_tail(raw, 1, 0), AIBRIX_OK);
	aibrix_cache_free(raw);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Nor what the memory was used for before. */
Test(cache_handover, what_is_not_valid_of_a_tail_is_zeros)
{
	static const uint8_t zeros[BLOCK];
	aibrix_cache *cache = new_cache(1, NULL);
	uint64_t lease, n;

	cr_assert_eq(put_blocks(cache, 2, 1), 1);
	cr_assert_eq(aibrix_cache_reserve_tail(cache, chain(1), NULL, 1, 5, 1,
					       &lease, &n),
		     AIBRIX_OK);
	cr_expect_arr_eq(view_of(cache, lease, 0).data, zeros, BLOCK);
	cr_expect_eq(view_of(cache, lease, 0).tokens, 5);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);
}

/* Flags: XXH3-64 and "partial"; at 104 the number of tokens. */
Test(cache_handover, the_frame_says_how_many_tokens_are_valid)
{
	static const uint8_t flags[4] = {1, 0x10, 0, 0}, five[4] = {5, 0, 0, 0};
	static const uint8_t whole[4] = {1, 0, 0, 0}, all[4] = {16, 0, 0, 0};
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	uint8_t value[VALUE];
	aibrix_key key;

	cr_assert_eq(put_tail(cache, 2, 5), AIBRIX_OK);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	key = key_of(1, 1);
	cr_assert_eq(value_do(store, AIBRIX_STORE_GET, &key, value).status,
		     AIBRIX_OK);
	cr_expect_arr_eq(value + 8, flags, 4);
	cr_expect_arr_eq(value + 104, five, 4);
	key = key_of(1, 0);
	cr_assert_eq(value_do(store, AIBRIX_STORE_GET, &key, value).status,
		     AIBRIX_OK);
	cr_expect_arr_eq(value + 8, whole, 4);
	cr_expect_arr_eq(value + 104, all, 4);
	aibrix_store_free(store);
}

Test(cache_handover, a_tail_is_found_and_not_told_to_routers)
{
	aibrix_cache *cache = new_cache(8, NULL);
	aibrix_cache_event events[8];
	uint32_t n;

	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	cr_assert_eq(put_tail(cache, 3, 5), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_events(cache, events, 8, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 3), 3);
	for (uint32_t c = 2; c < 10; c++)
		cr_assert_eq(put_blocks(cache, c, 1), 1);
	cr_assert_eq(aibrix_cache_lookup(cache, chain(1), 3), 0);
	cr_assert_eq(aibrix_cache_events(cache, events, 8, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		cr_expect(memcmp(&events[i].key, &chain(1)[2],
				 sizeof(aibrix_key)) != 0);
	aibrix_cache_free(cache);
}

/* ---- why a prompt ends where it ends */

Test(cache_handover, without_l2_what_is_missing_is_not_found)
{
	aibrix_cache *cache = new_cache(8, NULL);
	aibrix_cache_extent e;

	cr_assert_eq(put_tail(cache, 2, 0), AIBRIX_OK);
	e = get_tail(cache, 5, 3);
	cr_expect_eq(e.blocks, 2);
	cr_expect_eq(e.tokens, 32);
	cr_expect_eq(e.asked_blocks, 5);
	cr_expect_eq(e.asked_tokens, 67);
	cr_expect_eq(e.why, AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
}

Test(cache_handover, damage_in_memory_is_the_reason_where_nothing_mends_it)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease, n;
	uint8_t *data;

	cr_assert_eq(put_tail(cache, 3, 5), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 2, 0, 1, &lease, &n),
		     AIBRIX_OK);
	data = view_of(cache, lease, 1).data;
	data[3] ^= 1;
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(get_tail(cache, 3, 5).why, AIBRIX_E_CORRUPT);
	cr_expect_eq(get_tail(cache, 3, 5).why, AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
}

Test(cache_handover, a_late_block_is_a_timeout)
{
	static const struct store_fault late = {
		.kind = FAULT_DROP, .op = AIBRIX_STORE_GET, .at = 1};
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	aibrix_cache_extent e;
	uint64_t n;

	cr_assert_eq(put_tail(cache, 3, 5), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_hand_over(cache, chain(1), 3, 1, 1, &n),
		     AIBRIX_OK);
	aibrix_cache_free(cache);
	cache = new_cache(8, store);
	aibrix__store_faults(store, &late, 1);
	e = get_tail_until(cache, 3, 5, 50000);
	cr_expect_eq(e.tokens, 16);
	cr_expect_eq(e.why, AIBRIX_E_TIMEOUT);
	/* And one that has come before it was asked. */
	cr_expect_eq(get_tail_until(cache, 3, 5, 1).why, AIBRIX_E_TIMEOUT);
	settle_all(cache, 100000);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_handover, a_block_that_another_lease_writes_is_busy)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	aibrix_cache_extent e = {.size = sizeof(e)};
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(fill_blocks(cache, 1, 3, &lease), 3);
	e = get_tail(cache, 3, 0);
	cr_expect_eq(e.tokens, 16);
	cr_expect_eq(e.why, AIBRIX_E_BUSY);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_handover, no_room_to_read_into_is_full)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(3, store);
	aibrix_cache_extent e;
	uint64_t lease, n;

	cr_assert_eq(put_tail(cache, 3, 5), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_hand_over(cache, chain(1), 3, 1, 1, &n),
		     AIBRIX_OK);
	aibrix_cache_free(cache);
	cache = new_cache(3, store);
	cr_assert_eq(fill_blocks(cache, 2, 2, &lease), 2);
	e = get_tail(cache, 3, 5);
	cr_expect_eq(e.tokens, 16);
	cr_expect_eq(e.why, AIBRIX_E_FULL);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_handover, an_l2_that_would_not_pay_is_unavailable)
{
	aibrix_store *store = new_store(8);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .min_lack_blocks = 4};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_expect_eq(get_tail(cache, 3, 5).why, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(get_tail(cache, 4, 5).why, AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_handover, a_reservation_says_what_there_was_no_room_for)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 4 * BLOCK,
			       .max_tokens = 48};
	aibrix_cache_extent e = {.size = sizeof(e)};
	aibrix_cache *cache;
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_reserve_tail(cache, chain(1), NULL, 5, 9, 1,
					       &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_extent_of(cache, lease, &e), AIBRIX_OK);
	cr_expect_eq(e.tokens, 48);
	cr_expect_eq(e.asked_tokens, 73);
	cr_expect_eq(e.why, AIBRIX_E_DENIED);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);

	cache = new_cache(4, NULL);
	cr_assert_eq(aibrix_cache_reserve_tail(cache, chain(1), NULL, 5, 9, 1,
					       &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_extent_of(cache, lease, &e), AIBRIX_OK);
	cr_expect_eq(e.tokens, 64);
	cr_expect_eq(e.why, AIBRIX_E_FULL);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	aibrix_cache_free(cache);
}

/* ---- handing over */

Test(cache_handover, what_l1_lacks_cannot_be_handed_over)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store), *alone = new_cache(8, NULL);
	uint64_t n = 7;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	cr_expect_eq(aibrix_cache_hand_over(cache, chain(1), 5, 1, 1, &n),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(n, 3);
	check(cache);
	cr_expect_eq(aibrix_cache_hand_over(cache, chain(1), 0, 1, 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_cache_hand_over(alone, chain(1), 1, 1, 1, &n),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(stat_of(cache).leases, 0);
	aibrix_cache_free(alone);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_handover, one_prompt_does_not_wait_for_others)
{
	static const struct store_fault never = {
		.kind = FAULT_DROP, .op = AIBRIX_STORE_PUT, .at = 0};
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t n;

	aibrix__store_faults(store, &never, 1);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(put_blocks(cache, 2, 2), 2);
	cr_expect_eq(aibrix_cache_hand_over(cache, chain(2), 2, 1, 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(aibrix_cache_hand_over(cache, chain(1), 2, 1, 1, &n),
		     AIBRIX_E_TIMEOUT);
	cr_expect_eq(n, 0, "the second block is there, behind a hole");
	check(cache);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* With INGEST_HOT the prompt would not be in L2 yet; AIBrix's decoder finds
 * nothing then. */
Test(cache_handover, it_does_not_depend_on_what_l2_is_given_else)
{
	for (uint32_t ingest = 0; ingest < 3; ingest++) {
		aibrix_store *store = new_store(8);
		aibrix_cache_opts o = {.size = sizeof(o),
				       .block_bytes = BLOCK,
				       .l1_bytes = 8 * BLOCK,
				       .l2 = store,
				       .ingest = ingest};
		aibrix_cache *cache, *other = new_cache(8, store);
		uint64_t n;

		cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
		cr_assert_eq(put_tail(cache, 5, 1), AIBRIX_OK);
		cr_expect_eq(
			aibrix_cache_hand_over(cache, chain(1), 5, 1, 1, &n),
			AIBRIX_OK);
		cr_expect_eq(get_tail(other, 5, 1).tokens, 65);
		aibrix_cache_free(other);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

Test(cache_handover, required_pointers_are_required)
{
	aibrix_store *store = new_store(8);
	aibrix_cache *cache = new_cache(8, store);
	aibrix_cache_extent e = {0};
	uint64_t n, lease;

	cr_expect_eq(aibrix_cache_hand_over(NULL, chain(1), 1, 1, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_hand_over(cache, NULL, 1, 1, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_hand_over(cache, chain(1), 1, 1, 1, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_extent_of(cache, 1, NULL), AIBRIX_E_INVAL);
	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_cache_extent_of(cache, lease, &e), AIBRIX_E_INVAL,
		     "a size of 0");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}
