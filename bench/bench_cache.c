/*
 * The tiered cache against its bounds, and against what it stands on.
 *
 *   bench_cache [--dir DIR] [--rows PART] [--json] [--quick]
 *
 * acquire_2048*       a prompt of 2048 blocks, all in L1, is held: 200 us
 * l1_hit_copy*        held and copied out, against the fastest raw copy of
 *                     the same memory
 * miss_overhead*      a step in which 256 requests ask for prompts that
 *                     nobody has: 100 us
 * enqueue_save_512*   32 blocks of 16 tokens are handed over: 50 us
 * l2_file_path*       prompts of L2 that L1 lacks, against the same requests
 * l2_resp_path*       to the same store without the cache
 *
 * Blocks are verified: by acquire in "early" rows, which is the default, and in
 * rows without a name of their own by the call that hands their bytes out.
 * "trusted" ones are those of a host that believes its memory, or its store.
 */

#include <aibrix/evict.h>

#include "base/rand.h"

#include "bench_cache.h"
#include "raw_copy.h"
#include "rounds.h"

enum { PROMPT = 2048, BLOCK_64K = 64 << 10, PER_ROUND = 32, COPIED = 512 };
enum { PROMPTS_MOST = 512 }; /* of 2048: a million blocks */
enum { REQUESTS = 256, ASKED = 128, STEPS = 8 };

/* ---- what the parts share */

void
prompt_keys(uint64_t prompt, aibrix_key *keys, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t half[2] = {mix64(prompt << 20 | i),
				    mix64(~(prompt << 20 | i))};

		memcpy(&keys[i], half, sizeof(half));
	}
}

void *
lease_block(aibrix_cache *cache, uint64_t lease, uint64_t i)
{
	aibrix_cache_view view = {.size = sizeof(view)};

	bench_check(!aibrix_cache_block(cache, lease, i, &view),
		    "aibrix_cache_block");
	return view.data;
}

void
cache_drain(aibrix_cache *cache)
{
	uint64_t busy = 1;

	while (busy)
		bench_check(!aibrix_cache_poll(cache, bench_now(), 1000000000,
					       &busy),
			    "aibrix_cache_poll");
}

void
prompt_store(aibrix_cache *cache, const aibrix_key *keys, uint32_t n)
{
	uint64_t lease, got;

	bench_check(!aibrix_cache_reserve(cache, keys, NULL, n, bench_now(),
					  &lease, &got) &&
			    got == n &&
			    !aibrix_cache_commit(cache, lease, bench_now()),
		    "a prompt is stored");
}

uint64_t
prompt_hold(aibrix_cache *cache, const aibrix_key *keys, uint32_t n)
{
	uint64_t lease, busy, got = 0;
	int err = aibrix_cache_acquire(cache, keys, n, AIBRIX_FOREVER,
				       bench_now(), &lease, &got);

	while (err == AIBRIX_E_AGAIN) {
		bench_check(!aibrix_cache_poll(cache, bench_now(), 1000000000,
					       &busy),
			    "aibrix_cache_poll");
		err = aibrix_cache_state(cache, lease, &got);
	}
	bench_check(!err && got == n, "a prompt is held");
	return lease;
}

/* ---- L1 */

/* prompts: how many fill it. */
struct setup {
	const struct options *o;
	aibrix_cache *cache;
	uint64_t prompts;
	uint64_t state;
	uint32_t n; /* blocks of a prompt */
};

static void
setup_init(struct setup *s, const struct options *o, uint64_t block_bytes,
	   uint32_t n, uint32_t flags)
{
	aibrix_cache_opts c = {.size = sizeof(c),
			       .evict = AIBRIX_EVICT_LRU,
			       .block_bytes = block_bytes,
			       .flags = flags};
	static aibrix_key keys[PROMPT];

	*s = (struct setup){.o = o, .n = n, .state = 5};
	s->prompts = (UINT64_C(512) << 20) / n / block_bytes;
	if (s->prompts > PROMPTS_MOST)
		s->prompts = PROMPTS_MOST;
	if (o->b.quick)
		s->prompts = 2;
	c.l1_bytes = s->prompts * n * block_bytes;
	bench_check(!aibrix_cache_new(&c, &s->cache), "aibrix_cache_new");
	for (uint64_t i = 0; i < s->prompts; i++) {
		prompt_keys(i, keys, n);
		prompt_store(s->cache, keys, n);
	}
}

static void
prompt_any(struct setup *s, aibrix_key *keys)
{
	prompt_keys(rand_below(&s->state, (uint32_t)s->prompts), keys, s->n);
}

static void
acquire_row(const struct options *o, uint64_t block_bytes, uint32_t flags,
	    const char *name, const char *note)
{
	static aibrix_key keys[PROMPT];
	struct rounds r = {.n = 0};
	struct setup s;

	setup_init(&s, o, block_bytes, PROMPT, flags);
	for (uint32_t round = 0; round < rounds_wanted(&o->b); round++) {
		double ours = 0;

		for (uint32_t i = 0; i < PER_ROUND; i++) {
			uint64_t start, lease;

			prompt_any(&s, keys);
			start = bench_now();
			lease = prompt_hold(s.cache, keys, PROMPT);
			ours += (double)(bench_now() - start);
			bench_check(!aibrix_cache_release(s.cache, lease),
				    "release");
		}
		round_add(&r, ours / PER_ROUND, 200000);
	}
	rounds_print(&o->b, &r, name, "200 us", note);
	aibrix_cache_free(s.cache);
}

typedef void (*raw_fn)(void *dst, const void *src, size_t n);

struct raw {
	raw_fn fn;
	uint8_t *dst;
	uint8_t **blocks;
	uint32_t n;
};

static void
raw_pass(void *ctx, uint64_t n)
{
	const struct raw *raw = ctx;

	while (n--)
		for (uint32_t i = 0; i < raw->n; i++)
			raw->fn(raw->dst + i * (uint64_t)BLOCK_64K,
				raw->blocks[i], BLOCK_64K);
}

static raw_fn
raw_choose(const struct bench *b, struct raw *raw)
{
	static const raw_fn fns[] = {raw_memcpy, raw_movsb, raw_stream,
				     raw_stream_ahead};
	struct raw each[4];
	struct bench_peer peers[4];
	const struct bench_peer *best;

	for (int i = 0; i < 4; i++) {
		each[i] = *raw;
		each[i].fn = fns[i];
		peers[i] = (struct bench_peer){"", raw_pass, &each[i], 1};
	}
	best = bench_best(b, peers, (uint32_t)raw_copies());
	return ((const struct raw *)best->ctx)->fn;
}

struct hit_copy {
	struct setup setup;
	struct raw raw;
	uint8_t *blocks[COPIED];
	aibrix_key keys[COPIED];
};

/* Where the blocks of a prompt lie. */
static void
hit_copy_find(struct hit_copy *h)
{
	aibrix_cache *cache = h->setup.cache;
	uint64_t lease;

	prompt_any(&h->setup, h->keys);
	lease = prompt_hold(cache, h->keys, COPIED);
	for (uint32_t i = 0; i < COPIED; i++)
		h->blocks[i] = lease_block(cache, lease, i);
	bench_check(!aibrix_cache_release(cache, lease), "release");
}

static double
hit_copy_theirs(struct hit_copy *h)
{
	uint64_t start;

	hit_copy_find(h);
	start = bench_now();
	raw_pass(&h->raw, 1);
	return (double)(bench_now() - start);
}

static double
hit_copy_ours(struct hit_copy *h)
{
	aibrix_cache *cache = h->setup.cache;
	uint64_t lease, start;

	prompt_any(&h->setup, h->keys);
	start = bench_now();
	lease = prompt_hold(cache, h->keys, COPIED);
	for (uint32_t i = 0; i < COPIED; i++)
		h->raw.fn(h->raw.dst + i * (uint64_t)BLOCK_64K,
			  lease_block(cache, lease, i), BLOCK_64K);
	bench_check(!aibrix_cache_release(cache, lease), "release");
	return (double)(bench_now() - start);
}

static double
hit_read_ours(struct hit_copy *h)
{
	aibrix_cache *cache = h->setup.cache;
	uint64_t lease, start, n = 0;
	void *dst[COPIED];

	prompt_any(&h->setup, h->keys);
	for (uint32_t i = 0; i < COPIED; i++)
		dst[i] = h->raw.dst + i * (uint64_t)BLOCK_64K;
	start = bench_now();
	lease = prompt_hold(cache, h->keys, COPIED);
	bench_check(!aibrix_cache_read(cache, lease, 0, dst, COPIED, &n) &&
			    n == COPIED,
		    "aibrix_cache_read");
	bench_check(!aibrix_cache_release(cache, lease), "release");
	return (double)(bench_now() - start);
}

/* A prompt of 512 blocks, 32 MiB, is held, copied out and released: by ours,
 * or block by block with the copy that is fastest here.  The peer is that copy
 * of such blocks alone. */
static void
hit_copy_row(const struct options *o, uint32_t flags,
	     double (*ours_of)(struct hit_copy *h), const char *name,
	     const char *note)
{
	static struct hit_copy h;
	struct rounds r = {.n = 0};

	setup_init(&h.setup, o, BLOCK_64K, COPIED, flags);
	h.raw = (struct raw){.blocks = h.blocks, .n = COPIED};
	h.raw.dst = aligned_alloc(4096, COPIED * (size_t)BLOCK_64K);
	bench_check(h.raw.dst != NULL, "memory");
	memset(h.raw.dst, 1, COPIED * (size_t)BLOCK_64K);
	hit_copy_find(&h);
	h.raw.fn = raw_choose(&o->b, &h.raw);
	for (uint32_t round = 0; round < 3 * rounds_wanted(&o->b); round++) {
		double its = 0, ours;

		if (round % 2)
			its = hit_copy_theirs(&h);
		ours = ours_of(&h);
		if (round % 2 == 0)
			its = hit_copy_theirs(&h);
		round_add(&r, ours / COPIED, its / COPIED);
	}
	rounds_print(&o->b, &r, name, "best raw copy", note);
	free(h.raw.dst);
	aibrix_cache_free(h.setup.cache);
}

/* ---- misses */

static double
miss_step(aibrix_cache *cache, aibrix_key (*keys)[ASKED])
{
	uint64_t leases[REQUESTS], n, busy, start = bench_now();
	int waiting = 0, err;

	for (uint32_t i = 0; i < REQUESTS; i++) {
		err = aibrix_cache_acquire(cache, keys[i], ASKED, 0, start,
					   &leases[i], &n);
		bench_check(!err || err == AIBRIX_E_AGAIN,
			    "aibrix_cache_acquire");
		waiting += err == AIBRIX_E_AGAIN;
	}
	do {
		bench_check(!aibrix_cache_poll(cache, start, 0, &busy),
			    "aibrix_cache_poll");
	} while (waiting && busy);
	for (uint32_t i = 0; i < REQUESTS; i++)
		bench_check(!aibrix_cache_state(cache, leases[i], &n) &&
				    n == 0 &&
				    !aibrix_cache_release(cache, leases[i]),
			    "a miss");
	return (double)(bench_now() - start);
}

static void
miss_row(const struct options *o, aibrix_store *l2, const char *name,
	 const char *note)
{
	static aibrix_key keys[REQUESTS][ASKED];
	aibrix_cache_opts c = {.size = sizeof(c),
			       .block_bytes = 4096,
			       .l1_bytes = UINT64_C(65536) * 4096,
			       .l2 = l2};
	struct rounds r = {.n = 0};
	aibrix_cache *cache;
	uint64_t prompt = 0;

	bench_check(!aibrix_cache_new(&c, &cache), "aibrix_cache_new");
	for (; prompt < 32; prompt++) {
		prompt_keys(prompt, keys[0], ASKED);
		prompt_store(cache, keys[0], ASKED);
	}
	cache_drain(cache);
	for (uint32_t round = 0; round < rounds_wanted(&o->b); round++) {
		double ours = 0;

		for (uint32_t i = 0; i < STEPS; i++) {
			for (uint32_t k = 0; k < REQUESTS; k++)
				prompt_keys(prompt++, keys[k], ASKED);
			ours += miss_step(cache, keys);
		}
		round_add(&r, ours / STEPS, 100000);
	}
	rounds_print(&o->b, &r, name, "100 us", note);
	aibrix_cache_free(cache);
}

static void
memory_rows(const struct options *o)
{
	acquire_row(o, BLOCK_64K, AIBRIX_CACHE_VERIFY_LATE, "acquire_2048",
		    "blocks of 64 KiB, verified when they are copied out");
	acquire_row(o, BLOCK_64K, AIBRIX_CACHE_NO_L1_VERIFY,
		    "acquire_2048_trusted", "blocks of 64 KiB, never verified");
	acquire_row(o, 64, 0, "acquire_2048_early_64",
		    "blocks of 64 bytes, each summed by acquire");
	acquire_row(o, BLOCK_64K, 0, "acquire_2048_early",
		    "blocks of 64 KiB, each summed by acquire: 128 MiB");
	hit_copy_row(o, AIBRIX_CACHE_VERIFY_LATE, hit_read_ours, "l1_hit_copy",
		     "a block of 64 KiB, verified while it is copied");
	hit_copy_row(o, AIBRIX_CACHE_NO_L1_VERIFY, hit_copy_ours,
		     "l1_hit_copy_trusted", "a block of 64 KiB, not verified");
	hit_copy_row(o, 0, hit_read_ours, "l1_hit_copy_early",
		     "a block of 64 KiB, summed by acquire, then copied");
}

static void
miss_rows(const struct options *o)
{
	aibrix_store *sink = sink_open(4096 + AIBRIX_CACHE_FRAME_BYTES);

	miss_row(o, NULL, "miss_overhead_l1",
		 "256 requests for 128 blocks each, no L2");
	miss_row(o, sink, "miss_overhead",
		 "the same; L2 says at the next poll that it has none");
	aibrix_store_free(sink);
}

/* ---- the program */

static const char usage[] =
	"  --dir DIR        on the disk to be measured; /var/tmp\n"
	"  --rows PART      of them: memory, miss, save or path\n"
	"  --mib N          values of a pass of path; 256\n";

static const struct {
	const char *name;
	void (*run)(const struct options *o);
} parts[] = {{"memory", memory_rows},
	     {"miss", miss_rows},
	     {"save", save_rows},
	     {"path", path_rows}};

/* Takes ours out of argv; how many are left. */
static int
options_take(struct options *o, int argc, char **argv)
{
	int left = 1;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--dir") == 0 && value)
			o->dir = argv[++i];
		else if (strcmp(argv[i], "--rows") == 0 && value)
			o->rows = argv[++i];
		else if (strcmp(argv[i], "--mib") == 0 && value)
			o->total_bytes = strtoull(argv[++i], NULL, 10) << 20;
		else
			argv[left++] = argv[i];
	}
	return left;
}

int
main(int argc, char **argv)
{
	struct options o = {.dir = "/var/tmp", .depth = 16, .connections = 8};
	int left = options_take(&o, argc, argv), status, known = 0;

	status = bench_start_with(&o.b, left, argv, usage);
	if (status)
		return status - 1;
	if (o.total_bytes < 16 << 20)
		o.total_bytes = (uint64_t)(o.b.quick ? 16 : 256) << 20;
	for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (o.rows && strcmp(o.rows, parts[i].name) != 0)
			continue;
		known = 1;
		parts[i].run(&o);
	}
	if (!known)
		fprintf(stderr, "no such rows: %s\n", o.rows);
	return !known;
}
