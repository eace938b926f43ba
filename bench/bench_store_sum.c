/*
 * What verifying costs the one who waits for a prompt: two caches over one
 * store, of which one sums every block that comes and the other believes the
 * store.  Neither sums what lies in L1.
 *
 * Prompts are as large as L1, so that each comes from L2 as a whole and puts
 * another one out.
 */
#include <aibrix/cache.h>
#include <aibrix/evict.h>

#include "bench_store.h"

enum { PROMPT = 64, SUM_DEPTH = 32, SECOND = 1000000000 };

struct summed {
	aibrix_cache *cache;
	uint32_t prompt; /* blocks */
};

static struct summed
summed_new(const struct work *w, aibrix_store *store, uint32_t flags)
{
	struct summed s = {.prompt = w->n < PROMPT ? w->n / 2 : PROMPT};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .evict = AIBRIX_EVICT_LRU,
			       .block_bytes = w->bytes,
			       .l1_bytes = s.prompt * w->bytes,
			       .l2 = store,
			       .l2_inflight = SUM_DEPTH,
			       .flags = AIBRIX_CACHE_NO_L1_VERIFY | flags};

	bench_check(!aibrix_cache_new(&o, &s.cache), "aibrix_cache_new");
	return s;
}

/* 1: transfers are under way still. */
static int
summed_poll(const struct summed *s)
{
	uint64_t busy;

	bench_check(!aibrix_cache_poll(s->cache, bench_now(), SECOND, &busy),
		    "aibrix_cache_poll");
	return busy > 0;
}

static void *
block_data(const struct summed *s, uint64_t lease, uint32_t i)
{
	aibrix_cache_view view = {.size = sizeof(view)};

	bench_check(!aibrix_cache_block(s->cache, lease, i, &view),
		    "aibrix_cache_block");
	return view.data;
}

static void
prompt_get(const struct summed *s, const struct work *w, uint32_t first)
{
	const aibrix_key *keys = (const aibrix_key *)w->keys[first];
	uint64_t lease, n;
	int err = aibrix_cache_acquire(s->cache, keys, s->prompt, 0,
				       bench_now(), &lease, &n);

	bench_check(!err || err == AIBRIX_E_AGAIN, "aibrix_cache_acquire");
	while (err) {
		(void)summed_poll(s);
		err = aibrix_cache_state(s->cache, lease, &n);
		bench_check(!err || err == AIBRIX_E_AGAIN,
			    "aibrix_cache_state");
	}
	bench_check(n == s->prompt, "a whole prompt");
	for (uint32_t i = 0; i < s->prompt; i++)
		block_check(w, first + i, block_data(s, lease, i), "the cache");
	bench_check(!aibrix_cache_release(s->cache, lease), "release");
}

static void
prompt_put(const struct summed *s, const struct work *w, uint32_t first)
{
	const aibrix_key *keys = (const aibrix_key *)w->keys[first];
	uint64_t lease, n;

	bench_check(!aibrix_cache_reserve(s->cache, keys, NULL, s->prompt,
					  bench_now(), &lease, &n) &&
			    n == s->prompt,
		    "aibrix_cache_reserve");
	for (uint32_t i = 0; i < s->prompt; i++)
		memcpy(block_data(s, lease, i),
		       w->blocks + (first + i) * w->bytes, w->bytes);
	bench_check(!aibrix_cache_commit(s->cache, lease, bench_now()),
		    "aibrix_cache_commit");
	while (summed_poll(s))
		continue;
}

static void
summed_move(void *ctx, uint32_t op, struct work *w)
{
	const struct summed *s = ctx;

	for (uint32_t i = 0; i + s->prompt <= w->n; i += s->prompt) {
		if (op == AIBRIX_STORE_GET)
			prompt_get(s, w, i);
		else
			prompt_put(s, w, i);
	}
}

/* slots NULL: nothing to forget between passes. */
static void
sum_row(const struct options *o, const struct store_row *row, struct work *w,
	aibrix_store *store, const struct slot_store *slots)
{
	struct summed on = summed_new(w, store, 0);
	struct summed off = summed_new(w, store, AIBRIX_CACHE_NO_L2_VERIFY);
	const struct mover m[2] = {{"on", &on, summed_move},
				   {"off", &off, summed_move}};
	struct costs costs[2];

	summed_move(&on, AIBRIX_STORE_PUT, w);
	/* The first touch of the other one's memory. */
	summed_move(&off, AIBRIX_STORE_GET, w);
	for (uint32_t round = 0; round < store_rounds(o); round++) {
		for (uint32_t i = 0; i < 2; i++) {
			uint32_t which = (round + i) % 2;

			if (slots)
				slot_store_forget(slots);
			costs[which].s[round] =
				work_pass(w, &m[which], AIBRIX_STORE_GET).s;
		}
	}
	row_print(o, row, &costs[0], &costs[1]);
	aibrix_cache_free(on.cache);
	aibrix_cache_free(off.cache);
}

static void
sum_file(const struct options *o)
{
	struct store_row row = {"checksum_on_file", UNIT_RATE, "checksum off",
				"1 MiB from the file store by the cache"};
	struct slot_store s;
	struct work w;
	const char *why;

	work_init(&w, o, BLOCK_1M);
	why = slot_store_open(&s, o, &w, w.bytes + AIBRIX_CACHE_FRAME_BYTES,
			      w.n);
	if (why) {
		row.note = why;
		row_print(o, &row, NULL, NULL);
	} else {
		sum_row(o, &row, &w, s.ours.store, &s);
		slot_store_free(&s);
	}
	work_free(&w);
}

/* From a server of our own: as from the network, but for the network. */
static void
sum_resp(const struct options *o)
{
	struct store_row row = {"checksum_on", UNIT_RATE, "checksum off",
				"1 MiB from Redis by TCP, by the cache"};
	struct work w, framed;
	struct redis_server server;
	const char *why = server_start(&server);
	aibrix_store *store;

	work_init(&w, o, BLOCK_1M);
	framed = w;
	framed.bytes += AIBRIX_CACHE_FRAME_BYTES;
	if (why) {
		row.note = why;
		row_print(o, &row, NULL, NULL);
	} else {
		store = server_store(&server, 0, &framed);
		sum_row(o, &row, &w, store, NULL);
		aibrix_store_free(store);
	}
	server_stop(&server);
	work_free(&w);
}

void
sum_rows(const struct options *o)
{
	sum_file(o);
	sum_resp(o);
}
