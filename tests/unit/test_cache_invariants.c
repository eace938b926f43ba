/*
 * Rules that hold whatever is done with a cache.  Others of their kind are
 * asserted where they can be broken: doc/modules/cache.md says where.
 */
#include "cache_tools.h"

#include <stdlib.h>

#include <aibrix/backend.h>

#include "base/rand.h"
#include "failing.h"
#include "store/store_faults.h"

/* ---- what is reported is the longest prefix, no more and no less */

enum { KEYS = 40, ROUNDS = 300 };

/* One block under its own name, as if the rest of its chain were gone. */
static void
put_one(aibrix_cache *cache, uint32_t i)
{
	aibrix_key key = key_of(1, i);
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_reserve(cache, &key, NULL, 1, 1, &lease, &n),
		     AIBRIX_OK);
	memset(view_of(cache, lease, 0).data, byte_of(1, i), BLOCK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
}

/* Each block is in with this chance, of 16; the leading run of those. */
static void
put_some(aibrix_cache *cache, uint64_t *seed, uint32_t chance,
	 uint8_t there[KEYS])
{
	for (uint32_t i = 0; i < KEYS; i++) {
		if (rand_below(seed, 16) >= chance)
			continue;
		put_one(cache, i);
		there[i] = 1;
	}
	settle_all(cache, 1);
}

static uint64_t
run_of(const uint8_t *there, uint32_t n)
{
	uint64_t run = 0;

	while (run < n && there[run])
		run++;
	return run;
}

Test(cache_invariants, a_lease_is_exactly_the_longest_prefix_of_both_tiers)
{
	uint64_t seed = 20261121;

	for (int round = 0; round < ROUNDS; round++) {
		aibrix_store *store = new_store(KEYS);
		aibrix_cache *writer = new_cache(KEYS, store);
		/* Never writes, so that what it puts is in memory alone. */
		aibrix_cache_opts o = {.size = sizeof(o),
				       .block_bytes = BLOCK,
				       .l1_bytes = KEYS * BLOCK,
				       .l2 = store,
				       .flags = AIBRIX_CACHE_NO_L2_WRITE};
		uint8_t in_l1[KEYS] = {0}, in_any[KEYS] = {0};
		uint32_t n = 1 + rand_below(&seed, KEYS);
		aibrix_cache *cache = NULL;
		uint64_t lease;

		cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
		put_some(writer, &seed, 8 + rand_below(&seed, 9), in_any);
		put_some(cache, &seed, 8 + rand_below(&seed, 9), in_l1);
		for (uint32_t i = 0; i < KEYS; i++)
			in_any[i] |= in_l1[i];

		cr_expect_eq(aibrix_cache_lookup(cache, chain(1), n),
			     run_of(in_l1, n), "round %d", round);
		cr_expect_eq(get_blocks(cache, 1, n, &lease), run_of(in_any, n),
			     "round %d", round);
		cr_expect_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
		aibrix_cache_free(cache);
		aibrix_cache_free(writer);
		aibrix_store_free(store);
	}
}

/* ---- after close nothing is referenced */

Test(cache_invariants, whatever_is_held_or_under_way_is_given_back_by_free)
{
	static const struct store_fault late[] = {
		{.kind = FAULT_DROP, .op = AIBRIX_STORE_GET, .at = 1},
		{.kind = FAULT_DELAY, .op = AIBRIX_STORE_PUT, .arg = 3},
	};
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_store *store = new_store(64);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 32 * BLOCK,
			       .l2 = store,
			       .alloc = &a};
	aibrix_cache *cache, *writer = new_cache(8, store);
	uint64_t n, lease;

	cr_assert_eq(put_blocks(writer, 1, 8), 8);
	settle_all(writer, 1);
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	aibrix__store_faults(store, late, 2);

	/* Written and on its way to L2; reserved; held; waiting; and settled
	 * while another transfer of it never ends. */
	cr_assert_eq(put_blocks(cache, 2, 8), 8);
	cr_assert_eq(fill_blocks(cache, 3, 4, &lease), 4);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(2), 4, 0, 1, &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 8, 50, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(4), 8, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 2, 0, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_poll(cache, 60, 0, &n), AIBRIX_OK);
	check(cache);
	cr_expect_gt(f.live, 0);

	aibrix_cache_free(cache);
	cr_expect_eq(f.live, 0);
	cr_expect_eq(f.live_bytes, 0);
	aibrix_cache_free(writer);
	aibrix_store_free(store);
}

/* ---- nobody is called under a lock */

/* A host that asks the cache back whenever it is called: under a lock that
 * would wait for ever. */
struct host {
	struct failing memory;
	aibrix_cache *cache; /* NULL: not yet, or no more */
	uint32_t asked;
};

static void
host_ask(struct host *h)
{
	const aibrix_key key = key_of(9, 0);
	aibrix_cache_stat s = {.size = sizeof(s)};

	if (!h->cache)
		return;
	h->asked++;
	cr_assert_eq(aibrix_cache_stats(h->cache, &s), AIBRIX_OK);
	(void)aibrix_cache_lookup(h->cache, &key, 1);
}

static void *
host_alloc(void *ctx, size_t bytes, size_t align)
{
	struct host *h = ctx;

	host_ask(h);
	return failing_alloc(&h->memory, bytes, align);
}

static void
host_free(void *ctx, void *ptr, size_t bytes)
{
	struct host *h = ctx;

	host_ask(h);
	failing_free(&h->memory, ptr, bytes);
}

static void
host_log(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)level;
	(void)code;
	(void)text;
	host_ask(ctx);
}

static void
host_use(struct host *h, aibrix_store *l2)
{
	const aibrix_allocator a = {sizeof(a), 0, h, host_alloc, host_free};
	const aibrix_log log = {.size = sizeof(log), .ctx = h, .fn = host_log};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = l2,
			       .log = &log,
			       .alloc = &a};
	aibrix_cache *cache;
	uint64_t lease;
	uint32_t before;

	h->memory.fail_at = AIBRIX_FOREVER;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	h->cache = cache;
	for (uint32_t c = 1; c < 4; c++) {
		cr_assert_eq(put_blocks(cache, c, 6), 6);
		settle_all(cache, 1);
	}
	cr_assert_eq(get_blocks(cache, 3, 6, &lease), 6);
	*(uint8_t *)view_of(cache, lease, 5).data ^= 1;
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	before = h->asked;
	(void)get_blocks(cache, 3, 6, &lease);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	cr_expect_gt(h->asked, before, "that was logged");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(fill_blocks(cache, 5, 2, &lease), 2);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	h->cache = NULL;
	aibrix_cache_free(cache);
}

Test(cache_invariants, allocator_and_log_are_not_called_under_the_lock,
     .timeout = 60)
{
	struct host h = {0};

	host_use(&h, NULL);
	cr_expect_gt(h.asked, 10);
}

static struct host *table_host; /* of the one test below */

static int
table_open(const aibrix_backend_conf *conf, void **backend)
{
	(void)conf;
	*backend = new_store(64);
	return AIBRIX_OK;
}

static int
table_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	     uint32_t *accepted)
{
	host_ask(table_host);
	return aibrix_store_submit(backend, ios, n, now_ns, accepted);
}

static int
table_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	   uint64_t timeout_ns, uint32_t *n)
{
	host_ask(table_host);
	return aibrix_store_poll(backend, dones, cap, now_ns, timeout_ns, n);
}

static void
table_close(void *backend)
{
	aibrix_store_free(backend);
}

Test(cache_invariants, a_store_of_the_hosts_own_is_not_called_under_a_lock,
     .timeout = 60)
{
	const aibrix_backend table = {.size = sizeof(table),
				      .open = table_open,
				      .submit = table_submit,
				      .poll = table_poll,
				      .close = table_close};
	const aibrix_store_opts so = {.size = sizeof(so),
				      .backend = AIBRIX_BACKEND_USER,
				      .capacity_bytes = 64 * VALUE,
				      .value_bytes = VALUE,
				      .user = &table};
	struct host h = {0};
	aibrix_store *store;

	table_host = &h;
	cr_assert_eq(aibrix_store_open(&so, &store), AIBRIX_OK);
	host_use(&h, store);
	cr_expect_gt(h.asked, 10);
	aibrix_store_free(store);
}

/* ---- equal inputs, equal traces */

enum { STEPS = 4000, CHAINS = 6, LENGTH = 12 };

struct trace {
	aibrix_cache *cache;
	uint64_t seed;
	uint64_t now;
	uint64_t sum; /* of all that was seen */
	uint64_t leases[4];
};

static uint64_t
trace_clock(void *ctx)
{
	struct trace *t = ctx;

	t->now += 100;
	return t->now;
}

static void
saw(struct trace *t, uint64_t what)
{
	t->sum = mix64(t->sum ^ what);
}

static void
trace_look(struct trace *t, uint64_t *lease)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t n = 0;
	int err = aibrix_cache_state(t->cache, *lease, &n);

	saw(t, (uint64_t)(err + 1000) << 32 | n);
	for (uint64_t i = 0; !err && i < n; i++) {
		cr_assert_eq(aibrix_cache_block(t->cache, *lease, i, &view),
			     AIBRIX_OK);
		saw(t, view.tier);
	}
	saw(t, (uint64_t)(aibrix_cache_release(t->cache, *lease) + 1000));
	*lease = 0;
}

static void
trace_write(struct trace *t, uint32_t c, uint64_t n)
{
	uint64_t lease, got = 0;
	int err = aibrix_cache_reserve(t->cache, chain(c), NULL, n, t->now,
				       &lease, &got);

	saw(t, (uint64_t)(err + 1000) << 32 | got);
	for (uint64_t i = 0; !err && i < got; i++) {
		uint8_t *data = view_of(t->cache, lease, i).data;

		saw(t, data != NULL);
		if (data)
			memset(data, byte_of(c, i), BLOCK);
	}
	if (!err)
		cr_assert_eq(aibrix_cache_commit(t->cache, lease, t->now),
			     AIBRIX_OK);
}

static void
trace_step(struct trace *t)
{
	uint64_t *lease = &t->leases[rand_below(&t->seed, 4)];
	uint32_t c = rand_below(&t->seed, CHAINS);
	uint64_t n = 1 + rand_below(&t->seed, LENGTH), got = 0, busy;
	aibrix_cache_stat s = {.size = sizeof(s)};

	t->now += rand_below(&t->seed, 1000);
	switch (rand_below(&t->seed, 4)) {
	case 0: trace_write(t, c, n); break;
	case 1:
		if (*lease)
			trace_look(t, lease);
		else
			saw(t, (uint64_t)(aibrix_cache_acquire(
						  t->cache, chain(c), n,
						  t->now + 3000, t->now, lease,
						  &got) +
					  1000));
		break;
	default:
		cr_assert_eq(aibrix_cache_poll(t->cache, t->now, 0, &busy),
			     AIBRIX_OK);
		saw(t, busy);
	}
	cr_assert_eq(aibrix_cache_stats(t->cache, &s), AIBRIX_OK);
	saw(t, aibrix__xxh3_64(&s, sizeof(s), 0));
	saw(t, aibrix_cache_lookup(t->cache, chain(c), LENGTH));
}

/* salt: not an input, but where memory lies. */
static uint64_t
trace_run(uint32_t evict, size_t salt)
{
	static const struct store_fault faults[] = {
		{.kind = FAULT_DELAY,
		 .op = AIBRIX_STORE_GET,
		 .at = 3,
		 .arg = 4},
		{.kind = FAULT_DROP, .op = AIBRIX_STORE_GET, .at = 9},
		{.kind = FAULT_STATUS,
		 .op = AIBRIX_STORE_PUT,
		 .at = 5,
		 .status = AIBRIX_E_IO},
		{.kind = FAULT_CORRUPT, .op = AIBRIX_STORE_GET, .at = 20},
	};
	struct trace t = {.seed = 7, .now = 1};
	aibrix_store_opts so = {.size = sizeof(so),
				.capacity_bytes = 30 * VALUE,
				.value_bytes = VALUE,
				.max_inflight = 8,
				.clock = trace_clock,
				.clock_ctx = &t};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .evict = evict,
			       .block_bytes = BLOCK,
			       .l1_bytes = 20 * BLOCK,
			       .l2_inflight = 6};
	void *other = malloc(salt);
	aibrix_store *store;

	cr_assert_eq(aibrix_store_open(&so, &store), AIBRIX_OK);
	aibrix__store_faults(store, faults, 4);
	o.l2 = store;
	cr_assert_eq(aibrix_cache_new(&o, &t.cache), AIBRIX_OK);
	for (uint32_t i = 0; i < STEPS; i++)
		trace_step(&t);
	cr_expect_gt(stat_of(t.cache).evicted, 0);
	cr_expect_gt(stat_of(t.cache).hits_l2, 0);
	aibrix_cache_free(t.cache);
	aibrix_store_free(store);
	free(other);
	return t.sum;
}

Test(cache_invariants, equal_inputs_give_equal_traces)
{
	for (uint32_t evict = AIBRIX_EVICT_LRU; evict <= AIBRIX_EVICT_S3FIFO;
	     evict++) {
		uint64_t sum = trace_run(evict, 100);

		cr_expect_eq(trace_run(evict, 5000), sum);
		cr_expect_eq(trace_run(evict, 1 << 20), sum);
	}
	cr_expect_neq(trace_run(AIBRIX_EVICT_LRU, 100),
		      trace_run(AIBRIX_EVICT_S3FIFO, 100),
		      "a trace tells what differs");
}

/* ---- memory beside the blocks */

static uint64_t
bytes_per_block(uint32_t evict, aibrix_store *l2, uint32_t tenants)
{
	enum { BLOCKS = 1 << 16 };
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .evict = evict,
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)BLOCKS * BLOCK,
			       .max_leases = 16,
			       .l2 = l2,
			       .l2_inflight = 16,
			       .alloc = &a,
			       .tenants = tenants};
	aibrix_cache *cache;
	uint64_t bytes;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	bytes = f.live_bytes;
	/* Full, and once more. */
	for (uint32_t c = 0; c < 2 * BLOCKS / CHAIN_MAX; c++) {
		uint64_t lease, n;

		cr_assert_eq(aibrix_cache_reserve(cache, chain(100 + c), NULL,
						  CHAIN_MAX, 1, &lease, &n),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	}
	cr_expect_eq(stat_of(cache).l1_blocks, BLOCKS);
	cr_expect_eq(f.live_bytes, bytes, "use takes no more");
	aibrix_cache_free(cache);
	return (bytes + BLOCKS - 1) / BLOCKS;
}

Test(cache_invariants, a_block_costs_128_bytes_beside_itself_at_most)
{
	aibrix_store *store = new_store(8);

	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_LRU, NULL, 0), 128);
	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_S3FIFO, NULL, 0), 128);
	/* Whose a block is takes no room. */
	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_LRU, NULL, 16), 128);
	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_S3FIFO, NULL, 16), 128);
	/* Blocks that may go to L2 know their parent and their digest. */
	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_LRU, store, 0), 160);
	cr_expect_leq(bytes_per_block(AIBRIX_EVICT_S3FIFO, store, 0), 160);
	aibrix_store_free(store);
}
