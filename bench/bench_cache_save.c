/*
 * What the thread of an engine pays to hand 512 new tokens over: reserve and
 * commit.  Filling the blocks is the engine's copy and outside of the clock:
 * aibrix_cache_write, which makes their sums and has a row of its own against
 * memcpy; or in "pointer" rows a memcpy to their addresses, and then commit
 * sums them.  Outside is also what polls do later.
 *
 * L1 is full: each save puts 32 blocks out.
 */

#include <aibrix/evict.h>

#include "bench_cache.h"
#include "rounds.h"

enum { SAVED = 32, SAVES = 16, ROOM = 8 }; /* saves that fit into L1 */
enum { FILLS = 64, BYTES = 64 << 10 };

struct save {
	aibrix_cache *cache;
	uint64_t block_bytes;
	uint64_t prompt;
	uint8_t *from; /* what the engine copies */
	int pointers;
	double filled; /* ns for that, the last time */
};

static void
save_fill(const struct save *s, uint64_t lease, void *const *data)
{
	const void *src[SAVED];

	for (uint32_t i = 0; i < SAVED; i++)
		src[i] = s->from + i * s->block_bytes;
	for (uint32_t i = 0; s->pointers && i < SAVED; i++)
		memcpy(data[i], src[i], s->block_bytes);
	if (!s->pointers)
		bench_check(!aibrix_cache_write(s->cache, lease, 0, src, SAVED),
			    "aibrix_cache_write");
}

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
	for (uint32_t i = 0; s->pointers && i < SAVED; i++)
		data[i] = lease_block(s->cache, lease, i);
	paid = bench_now() - start;
	start = bench_now();
	save_fill(s, lease, data);
	filled = bench_now();
	s->filled = (double)(filled - start);
	bench_check(!aibrix_cache_commit(s->cache, lease, filled),
		    "aibrix_cache_commit");
	paid += bench_now() - filled;
	cache_drain(s->cache);
	return (double)paid;
}

static void
save_row(const struct options *o, aibrix_store *l2, uint64_t block_bytes,
	 uint32_t flags, int pointers, const char *name, const char *note)
{
	struct save s = {.block_bytes = block_bytes,
			 .pointers = pointers,
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

/* The engine's copy, of other bytes and into other blocks each time. */
static void
fill_row(const struct options *o)
{
	aibrix_cache_opts c = {.size = sizeof(c),
			       .evict = AIBRIX_EVICT_LRU,
			       .block_bytes = BYTES,
			       .l1_bytes = FILLS * SAVED * (uint64_t)BYTES};
	struct save s = {.block_bytes = BYTES};
	struct rounds r = {.n = 0};
	uint8_t *from = malloc(FILLS * SAVED * (size_t)BYTES);

	bench_check(from && !aibrix_cache_new(&c, &s.cache), "a cache");
	memset(from, 7, FILLS * SAVED * (size_t)BYTES);
	while (s.prompt < (uint64_t)FILLS * (2 + rounds_wanted(&o->b))) {
		double ns[2] = {0, 0};

		for (uint32_t i = 0; i < FILLS; i++) {
			s.from = from + i * SAVED * (size_t)BYTES;
			s.pointers = (int)(i & 1);
			(void)save_once(&s);
			ns[i & 1] += s.filled;
		}
		if (s.prompt > 2 * FILLS)
			round_add(&r, ns[0] / (FILLS / 2), ns[1] / (FILLS / 2));
	}
	rounds_print(&o->b, &r, "save_fill_512", "memcpy",
		     "blocks of 64 KiB filled by aibrix_cache_write, summed");
	aibrix_cache_free(s.cache);
	free(from);
}

static void
save_missing(const struct options *o, const char *name, const char *why)
{
	const struct bench_row row = {name, "ns", why, 1};

	bench_missing(&o->b, &row);
}

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
	save_row(o, slots.ours.store, BYTES, 0, 0, name,
		 "blocks of 64 KiB, L2 a file on a disk");
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
		save_row(o, store, BYTES, 0, 0, name,
			 "blocks of 64 KiB, L2 Redis by TCP");
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

	save_row(o, sink, BYTES, 0, 0, "enqueue_save_512",
		 "blocks of 64 KiB, filled and summed by aibrix_cache_write");
	save_row(o, sink, 2 << 20, 0, 0, "enqueue_save_512_2m",
		 "blocks of 2 MiB, the same");
	save_row(o, sink, BYTES,
		 AIBRIX_CACHE_NO_L1_VERIFY | AIBRIX_CACHE_NO_L2_VERIFY, 1,
		 "enqueue_save_512_trusted", "blocks of 64 KiB, no sums");
	save_row(o, sink, BYTES, 0, 1, "enqueue_save_512_pointer",
		 "blocks of 64 KiB, summed by commit: 2 MiB are read");
	save_row(o, sink, 2 << 20, 0, 1, "enqueue_save_512_pointer_2m",
		 "blocks of 2 MiB, the same: 64 MiB are read");
	fill_row(o);
	aibrix_store_free(sink);

	some.total_bytes = 1 << 20;
	work_init(&w, &some, BYTES);
	w.bytes += AIBRIX_CACHE_FRAME_BYTES;
	save_file(o, &w);
	save_resp(o, &w);
	w.bytes -= AIBRIX_CACHE_FRAME_BYTES;
	work_free(&w);
}
