/*
 * L1 of the cache: asking for prompts, holding them, and what it keeps in
 * memory beside the blocks.
 *
 * Blocks are of 64 bytes, so that a million fit: rows are of the work per
 * block that does not depend on its size.  Floors are of memory as large as
 * the table: 32 bytes a block.
 */

#include <pthread.h>

#include <aibrix/cache.h>
#include <aibrix/evict.h>

#include "base/rand.h"

#include "floors.h"
#include "rounds.h"

enum { MILLION = 1 << 20, QUICK = 1 << 13, PROMPT = 2048, BLOCK = 64 };
enum { ASKED = 512, PER_ROUND = 64 };

struct setup {
	const struct bench *b;
	aibrix_cache *cache;
	struct floors floors;
	uint64_t prompts;
	uint64_t state;
};

/* Key i of a prompt; no two are alike. */
static void
keys_make(uint64_t prompt, aibrix_key *keys, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t half[2] = {mix64(prompt * PROMPT + i),
				    mix64(~(prompt * PROMPT + i))};

		memcpy(&keys[i], half, sizeof(half));
	}
}

static void
prompt_store(aibrix_cache *cache, uint64_t prompt)
{
	static aibrix_key keys[PROMPT];
	uint64_t lease, n;

	keys_make(prompt, keys, PROMPT);
	bench_check(!aibrix_cache_reserve(cache, keys, NULL, PROMPT, 1, &lease,
					  &n) &&
			    n == PROMPT &&
			    !aibrix_cache_commit(cache, lease, 1),
		    "a prompt is stored");
}

static aibrix_cache *
cache_make(const struct bench *b, uint32_t policy, uint32_t flags,
	   const aibrix_allocator *alloc)
{
	uint64_t blocks = b->quick ? QUICK : MILLION;
	aibrix_cache_opts o = {.size = sizeof(o),
			       .evict = policy,
			       .block_bytes = BLOCK,
			       .l1_bytes = blocks * BLOCK,
			       .flags = flags,
			       .alloc = alloc};
	aibrix_cache *cache;

	bench_check(!aibrix_cache_new(&o, &cache), "aibrix_cache_new");
	return cache;
}

static void
setup_init(struct setup *s, const struct bench *b, uint32_t flags)
{
	uint64_t blocks = b->quick ? QUICK : MILLION;

	*s = (struct setup){.b = b, .state = 5, .prompts = blocks / PROMPT};
	s->cache = cache_make(b, AIBRIX_EVICT_LRU, flags, NULL);
	for (uint64_t i = 0; i < s->prompts; i++)
		prompt_store(s->cache, i);
	floors_init(&s->floors, NULL, blocks * 32);
}

static void
setup_free(struct setup *s)
{
	floors_free(&s->floors);
	aibrix_cache_free(s->cache);
}

/* Keys lie near, as with a caller that has just computed them. */
static void
lookup_batched(struct setup *s)
{
	static aibrix_key keys[PROMPT];
	struct rounds r = {.n = 0};

	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double ours = 0;

		for (uint32_t i = 0; i < PER_ROUND; i++) {
			uint64_t start, n;

			keys_make(rand_below(&s->state, (uint32_t)s->prompts),
				  keys, ASKED);
			start = bench_now();
			n = aibrix_cache_lookup(s->cache, keys, ASKED);
			ours += (double)(bench_now() - start);
			bench_check(n == ASKED, "a prompt is found");
		}
		round_add(&r, ours / (PER_ROUND * ASKED),
			  floor_scatter(&s->floors, 20000));
	}
	rounds_print(s->b, &r, "lookup_batched_1m", "scatter",
		     "a key of a prompt of 512 blocks");
}

/* us are what people compare; the bound is 200. */
static void
full_hit(struct setup *s, const char *name, const char *note)
{
	static aibrix_key keys[PROMPT];
	struct rounds r = {.n = 0};

	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double ours = 0;

		for (uint32_t i = 0; i < PER_ROUND; i++) {
			uint64_t start, lease, n;

			keys_make(rand_below(&s->state, (uint32_t)s->prompts),
				  keys, PROMPT);
			start = bench_now();
			bench_check(!aibrix_cache_acquire(s->cache, keys,
							  PROMPT, 0, 1, &lease,
							  &n) &&
					    n == PROMPT,
				    "a prompt is held");
			ours += (double)(bench_now() - start);
			bench_check(!aibrix_cache_release(s->cache, lease),
				    "release");
		}
		round_add(&r, ours / PER_ROUND, 200000);
	}
	rounds_print(s->b, &r, name, "200 us", note);
}

/* A thread that holds and releases one prompt again and again. */
struct reader {
	pthread_t thread;
	aibrix_cache *cache;
	uint64_t prompt;
};

static void *
reader_run(void *arg)
{
	const struct reader *r = arg;
	aibrix_key keys[ASKED];
	uint64_t lease, n;

	keys_make(r->prompt, keys, ASKED);
	for (uint32_t i = 0; i < PER_ROUND; i++)
		bench_check(!aibrix_cache_acquire(r->cache, keys, ASKED, 0, 1,
						  &lease, &n) &&
				    n == ASKED &&
				    !aibrix_cache_release(r->cache, lease),
			    "a prompt is held");
	return NULL;
}

/* Nanoseconds a block, of both threads together. */
static double
readers_time(aibrix_cache *first, aibrix_cache *second)
{
	struct reader r[2] = {{.cache = first, .prompt = 0},
			      {.cache = second, .prompt = 1}};
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < 2; i++)
		bench_check(
			!pthread_create(&r[i].thread, NULL, reader_run, &r[i]),
			"thread");
	for (uint32_t i = 0; i < 2; i++)
		pthread_join(r[i].thread, NULL);
	return (double)(bench_now() - start) / (2.0 * PER_ROUND * ASKED);
}

/* Two caches share nothing: what one cache cannot be faster than. */
static void
acquire_2t(struct setup *s)
{
	aibrix_cache *other = cache_make(s->b, AIBRIX_EVICT_LRU,
					 AIBRIX_CACHE_NO_L1_VERIFY, NULL);
	struct rounds r = {.n = 0};

	prompt_store(other, 1);
	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double ours = readers_time(s->cache, s->cache);

		round_add(&r, ours, readers_time(s->cache, other));
	}
	rounds_print(s->b, &r, "acquire_2t", "two caches",
		     "a block held and released by two threads");
	aibrix_cache_free(other);
}

static void *
counted_alloc(void *ctx, size_t bytes, size_t align)
{
	uint64_t *sum = ctx;
	void *ptr;

	*sum += bytes;
	align = align < sizeof(void *) ? sizeof(void *) : align;
	return posix_memalign(&ptr, align, bytes) ? NULL : ptr;
}

static void
counted_free(void *ctx, void *ptr, size_t bytes)
{
	uint64_t *sum = ctx;

	*sum -= bytes;
	free(ptr);
}

static void
metadata_bytes(const struct bench *b, uint32_t policy, const char *name)
{
	struct bench_row row = {
		.name = name,
		.unit = "bytes",
		.note = "a block, ghosts included; at most 128"};
	uint64_t sum = 0;
	aibrix_allocator alloc = {.size = sizeof(alloc),
				  .ctx = &sum,
				  .alloc = counted_alloc,
				  .free = counted_free};
	aibrix_cache *cache = cache_make(b, policy, 0, &alloc);

	bench_counted(b, &row,
		      (double)sum / (double)(b->quick ? QUICK : MILLION));
	aibrix_cache_free(cache);
}

int
main(int argc, char **argv)
{
	struct bench b;
	struct setup s;
	int status = bench_start(&b, argc, argv);

	if (status)
		return status - 1;
	setup_init(&s, &b, AIBRIX_CACHE_NO_L1_VERIFY);
	lookup_batched(&s);
	full_hit(&s, "full_hit_2048", "memory is trusted");
	acquire_2t(&s);
	setup_free(&s);
	setup_init(&s, &b, 0);
	full_hit(&s, "full_hit_2048_verified",
		 "each block of 64 bytes is read");
	setup_free(&s);
	metadata_bytes(&b, AIBRIX_EVICT_LRU, "metadata_bytes_lru");
	metadata_bytes(&b, AIBRIX_EVICT_S3FIFO, "metadata_bytes");
	return 0;
}
