/*
 * Copies of blocks, and copies that sum what they copy.
 *
 * Which of several ways is fastest depends on the processor and not on
 * anything that it says about itself: glibc's memcpy takes ordinary stores
 * until a block is as large as the last-level cache, on one machine streaming
 * stores are best left alone, on the next they need to be told what to read.
 * So a pool that is large measures: half a megabyte, out of the caches before
 * each run, the best of a few runs of each way, some milliseconds in all.
 *
 * The sum is XXH3-64, what frames have.  Where the fused loop cannot be used
 * it is made in pieces that stay in the first-level cache between the two
 * uses.
 */

#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include <aibrix/pool.h>

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cpu.h"
#include "pool/pool_internal.h"

enum { MEASURE_FROM = 64 << 20 }; /* bytes of a pool */
enum { MEASURED = 512 << 10, RUNS = 5 };
enum { SMALL = 32 << 10 }; /* stays in the caches, and should */
enum { PIECE = 8 << 10, FUSED_FROM = 4096 };

#ifdef __x86_64__

static aibrix__copy_fn
copy_fn(uint32_t cpu, uint32_t kind)
{
	return cpu & CPU_AVX2 ? aibrix__copy_x86(kind) : NULL;
}

#else

static aibrix__copy_fn
copy_fn(uint32_t cpu, uint32_t kind)
{
	(void)cpu;
	(void)kind;
	return NULL;
}

#endif

static uint64_t
clock_read(const aibrix_pool_opts *o)
{
	struct timespec t;

	if (o->clock)
		return o->clock(o->clock_ctx);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#ifdef __x86_64__

/* ns for one copy of MEASURED bytes that no cache holds. */
static uint64_t
copy_time(const aibrix_pool_opts *o, aibrix__copy_fn fn, uint8_t *scratch)
{
	uint64_t start;

	aibrix__copy_flush_x86(scratch, (size_t)2 * MEASURED);
	start = clock_read(o);
	if (fn)
		fn(scratch, scratch + MEASURED, MEASURED);
	else
		memcpy(scratch, scratch + MEASURED, MEASURED);
	return clock_read(o) - start;
}

static uint32_t
copy_measure(const aibrix_pool_opts *o, uint32_t cpu)
{
	uint64_t best[COPY_KINDS], ns;
	uint32_t winner = AIBRIX_POOL_COPY_MEMCPY;
	uint8_t *scratch =
		mmap(NULL, (size_t)2 * MEASURED, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (scratch == MAP_FAILED)
		return AIBRIX_POOL_COPY_AHEAD;
	memset(scratch, 1, (size_t)2 * MEASURED);
	for (uint32_t run = 0; run < RUNS; run++)
		for (uint32_t k = AIBRIX_POOL_COPY_MEMCPY; k < COPY_KINDS;
		     k++) {
			ns = copy_time(o, copy_fn(cpu, k), scratch);
			if (run == 0 || ns < best[k])
				best[k] = ns;
		}
	for (uint32_t k = winner + 1; k < COPY_KINDS; k++)
		if (best[k] < best[winner])
			winner = k;
	munmap(scratch, (size_t)2 * MEASURED);
	return winner;
}

#else

static uint32_t
copy_measure(const aibrix_pool_opts *o, uint32_t cpu)
{
	(void)o;
	(void)cpu;
	return AIBRIX_POOL_COPY_MEMCPY;
}

#endif

int
aibrix__pool_copy_init(struct pool_copy *copy, const aibrix_pool_opts *o,
		       uint64_t bytes)
{
	const struct xxh_impl *xxh;

	copy->cpu = aibrix__cpu();
	copy->kind = o->copy;
	if (copy->kind >= COPY_KINDS)
		return AIBRIX_E_INVAL;
	if (copy->kind > AIBRIX_POOL_COPY_MEMCPY &&
	    !copy_fn(copy->cpu, copy->kind))
		return AIBRIX_E_UNSUPPORTED;
	if (copy->kind == AIBRIX_POOL_COPY_AUTO) {
		if (!copy_fn(copy->cpu, AIBRIX_POOL_COPY_AHEAD))
			copy->kind = AIBRIX_POOL_COPY_MEMCPY;
		else if (bytes < MEASURE_FROM)
			copy->kind = AIBRIX_POOL_COPY_AHEAD;
		else
			copy->kind = copy_measure(o, copy->cpu);
	}
	copy->fn = copy_fn(copy->cpu, copy->kind);
	xxh = aibrix__xxh_select(copy->cpu);
	copy->add = xxh->add;
	copy->hash = xxh->hash;
	aibrix__xxh3_seed_init(&copy->seed, 0);
	return AIBRIX_OK;
}

static void
copy_run(const struct pool_copy *copy, uint8_t *dst, const uint8_t *src,
	 size_t n)
{
	size_t head = -(uintptr_t)dst & (COPY_LINE - 1), lines;

	if (!copy->fn || n < SMALL) {
		if (n > 0)
			memcpy(dst, src, n);
		return;
	}
	lines = (n - head) / COPY_LINE * COPY_LINE;
	memcpy(dst, src, head);
	copy->fn(dst + head, src + head, lines);
	memcpy(dst + head + lines, src + head + lines, n - head - lines);
}

int
aibrix_pool_copy(const aibrix_pool *pool, void *dst, const void *src,
		 size_t bytes)
{
	if (!pool || (bytes > 0 && (!dst || !src)))
		return AIBRIX_E_INVAL;
	copy_run(&pool->copy, dst, src, bytes);
	return AIBRIX_OK;
}

/* Piece by piece: summed, then copied out of the cache. */
static uint64_t
copy_sum_pieces(const struct pool_copy *copy, uint8_t *dst, const uint8_t *src,
		size_t n)
{
	struct xxh3_stream stream;
	size_t some;

	aibrix__xxh3_start(&stream, 0);
	for (; n > 0; dst += some, src += some, n -= some) {
		some = n < PIECE ? n : PIECE;
		copy->add(&stream, src, some);
		memcpy(dst, src, some);
	}
	return aibrix__xxh3_end_64(&stream);
}

static uint64_t
copy_sum_run(const struct pool_copy *copy, uint8_t *dst, const uint8_t *src,
	     size_t n)
{
	if (n < FUSED_FROM) {
		if (n > 0)
			memcpy(dst, src, n);
		return copy->hash(dst, n);
	}
#ifdef __x86_64__
	if (copy->cpu & CPU_AVX2 && (uintptr_t)dst % COPY_LINE == 0)
		return aibrix__copy_sum_x86(dst, src, n, copy->seed.secret,
					    copy->kind ==
						    AIBRIX_POOL_COPY_AHEAD);
#endif
	return copy_sum_pieces(copy, dst, src, n);
}

int
aibrix_pool_copy_sum(const aibrix_pool *pool, void *dst, const void *src,
		     size_t bytes, uint64_t *sum)
{
	if (!pool || !sum || (bytes > 0 && (!dst || !src)))
		return AIBRIX_E_INVAL;
	*sum = copy_sum_run(&pool->copy, dst, src, bytes);
	return AIBRIX_OK;
}
