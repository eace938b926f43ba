/*
 * What the thread of an engine pays to hand 512 new tokens over: reserve,
 * the addresses of the blocks, commit.  Filling them is the engine's copy and
 * outside of the clock, as is what polls do later.
 *
 * L1 is full: each save puts 32 blocks out.
 */

#include <aibrix/evict.h>

#include "bench_cache.h"
#include "rounds.h"

enum { SAVED = 32, SAVES = 16, ROOM = 8 }; /* saves that fit into L1 */

struct save {
	aibrix_cache *cache;
	uint64_t block_bytes;
	uint64_t prompt;
	uint8_t *from; /* what the engine copies */
};

static double
save_once(struct save *s)
{
	aibrix_key keys[SAVED];
	void *data[SAVED];
	uint64_t lease, n, paid, filled, start;

	prompt_keys(s->prompt++, keys, SAVED);
	start = bench_now();
	bench_check(!aibrix_cache_reserve(s->cache, keys, NULL, SAVED, start,
					  &lease, &n) &&
			    n == SAVED,
		    "aibrix_cache_reserve");
	for (uint32_t i = 0; i < SAVED; i++)
		data[i] = lease_block(s->cache, lease, i);
	paid = bench_now() - start;
	for (uint32_t i = 0; i < SAVED; i++)
		memcpy(data[i], s->from + i * s->block_bytes, s->block_bytes);
	filled = bench_now();
	bench_check(!aibrix_cache_commit(s->cache, lease, filled),
		    "aibrix_cache_commit");
	paid += bench_now() - filled;
	cache_drain(s->cache);
	return (double)paid;
}

static void
save_row(const struct options *o, aibrix_store *l2, uint64_t block_bytes,
	 uint32_t flags, const char *name, const char *note)
{
	struct save s = {.block_bytes = block_bytes,
			 .from = malloc(SAVED * block_bytes)};
	aibrix_cache_opts c = {.size = sizeof(c),
			       .evict = AIBRIX_EVICT_LRU,
			       .block_bytes = block_bytes,
			       .l1_bytes = ROOM * SAVED * block_bytes,
			       .l2 = l2,
			       .flags = flags};
	struct rounds r = {.n = 0};

	bench_check(s.from && !aibrix_cache_new(&c, &s.cache), "a cache");
	memset(s.from, 7, SAVED * block_bytes);
	while (s.prompt < ROOM)
		(void)save_once(&s);
	for (uint32_t round = 0; round < rounds_wanted(&o->b); round++) {
		double ours = 0;

		for (uint32_t i = 0; i < SAVES; i++)
			ours += save_once(&s);
		round_add(&r, ours / SAVES, 50000);
	}
	rounds_print(&o->b, &r, name, "50 us", note);
	aibrix_cache_free(s.cache);
	free(s.from);
}

static void
save_missing(const struct options *o, const char *name, const char *why)
{
	const struct bench_row row = {name, "ns", why, 1};

	bench_missing(&o->b, &row);
}

enum { BYTES = 64 << 10 };

static void
save_file(const struct options *o, struct work *w)
{
	static const char name[] = "enqueue_save_512_file";
	struct slot_store slots;
	const char *why = slot_store_open(&slots, o, w, w->bytes, 4096);

	if (why) {
		save_missing(o, name, why);
		return;
	}
	save_row(o, slots.ours.store, BYTES, 0, name,
		 "the default: summed, L2 a file on a disk");
	slot_store_free(&slots);
}

static void
save_resp(const struct options *o, struct work *w)
{
	static const char name[] = "enqueue_save_512_resp";
	struct redis_server server;
	const char *why = server_start(&server);
	aibrix_store *store;

	if (why) {
		save_missing(o, name, why);
	} else {
		store = server_store(&server, 0, w);
		save_row(o, store, BYTES, 0, name,
			 "the default: summed, L2 Redis by TCP");
		aibrix_store_free(store);
	}
	server_stop(&server);
}

void
save_rows(const struct options *o)
{
	struct options some = *o;
	aibrix_store *sink = sink_open((2 << 20) + AIBRIX_CACHE_FRAME_BYTES);
	struct work w;

	save_row(o, sink, BYTES,
		 AIBRIX_CACHE_NO_L1_VERIFY | AIBRIX_CACHE_NO_L2_VERIFY,
		 "enqueue_save_512",
		 "blocks of 64 KiB, no sums, L2 takes them at once");
	save_row(o, NULL, BYTES, 0, "enqueue_save_512_summed",
		 "blocks of 64 KiB, summed: 2 MiB are read; no L2");
	save_row(o, sink, 2 << 20, 0, "enqueue_save_512_summed_2m",
		 "blocks of 2 MiB, summed: 64 MiB are read");
	aibrix_store_free(sink);

	some.total_bytes = 1 << 20;
	work_init(&w, &some, BYTES);
	w.bytes += AIBRIX_CACHE_FRAME_BYTES;
	save_file(o, &w);
	save_resp(o, &w);
	w.bytes -= AIBRIX_CACHE_FRAME_BYTES;
	work_free(&w);
}
