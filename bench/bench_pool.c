/*
 * The pool against memory.
 *
 * Copies go from one slot to another, both drawn at random from a pool much
 * larger than the last-level cache; the floor is the fastest raw copy of the
 * run.  Two threads work on halves of the pool, one of them this one, and a
 * batch ends when both have done their part.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <aibrix/pool.h>

#include "base/rand.h"

#include "bench.h"
#include "raw_copy.h"

enum { SIDES = 2 };
enum { LARGE = 2 << 20, MIDDLE = 64 << 10 };

typedef void (*raw_fn)(void *dst, const void *src, size_t n);

/* What one thread does. */
struct side {
	aibrix_pool *pool;
	uint8_t *memory; /* of the pool's slots, in a row */
	uint64_t bytes;
	uint64_t block;
	raw_fn raw; /* NULL: the pool's */
	int sum;
	uint32_t magazine;
	uint64_t state;
};

typedef void (*side_fn)(struct side *side, uint64_t n);

static uint8_t *
side_block(struct side *s)
{
	return s->memory +
	       rand_below(&s->state, (uint32_t)(s->bytes / s->block)) *
		       s->block;
}

static void
side_copy(struct side *s, uint64_t n)
{
	uint64_t sum = 0;

	while (n--) {
		uint8_t *dst = side_block(s), *src = side_block(s);
		int err = AIBRIX_OK;

		if (dst == src)
			src = src == s->memory ? src + s->block : s->memory;
		if (s->raw)
			s->raw(dst, src, s->block);
		else if (s->sum)
			err = aibrix_pool_copy_sum(s->pool, dst, src, s->block,
						   &sum);
		else
			err = aibrix_pool_copy(s->pool, dst, src, s->block);
		bench_check(!err, "a copy");
	}
	BENCH_KEEP(sum);
}

static void
copy(void *ctx, uint64_t n)
{
	side_copy(ctx, n);
}

static void
take_give(void *ctx, uint64_t n)
{
	struct side *s = ctx;
	aibrix_lease lease;

	while (n--)
		bench_check(aibrix_pool_take(s->pool, &lease) == AIBRIX_OK &&
				    aibrix_pool_give(s->pool, &lease) ==
					    AIBRIX_OK,
			    "a take");
}

static void
side_take_give(struct side *s, uint64_t n)
{
	aibrix_pool_want want = {.size = sizeof(want), .magazine = s->magazine};
	aibrix_lease lease;
	uint32_t one;

	while (n--)
		bench_check(aibrix_pool_take_n(s->pool, &want, 1, &lease,
					       &one) == AIBRIX_OK &&
				    aibrix_pool_give_n(s->pool, s->magazine,
						       &lease, 1,
						       &one) == AIBRIX_OK,
			    "a take");
}

static void
take_give_magazine(void *ctx, uint64_t n)
{
	side_take_give(ctx, n);
}

/* Two threads and the work that they do together. */
struct pair {
	pthread_t helper;
	_Atomic uint64_t begun, done; /* batches */
	_Atomic int over;
	side_fn fn;
	struct side *helpers; /* the helper's part */
	uint64_t n;
};

static void
pair_wait(_Atomic uint64_t *count, uint64_t until, const _Atomic int *over)
{
	uint32_t spins = 0;

	while (atomic_load_explicit(count, memory_order_acquire) < until &&
	       !(over && atomic_load(over)))
		if (++spins % 4096 == 0)
			sched_yield();
}

static void *
helper_run(void *arg)
{
	struct pair *p = arg;

	for (uint64_t batch = 1;; batch++) {
		pair_wait(&p->begun, batch, &p->over);
		if (atomic_load(&p->over))
			return NULL;
		p->fn(p->helpers, p->n);
		atomic_store_explicit(&p->done, batch, memory_order_release);
	}
}

/* What bench_run is given: the same pair does ours and the peer's. */
struct work {
	struct pair *pair;
	side_fn fn;
	struct side side[SIDES];
};

static void
together(void *ctx, uint64_t n)
{
	struct work *w = ctx;
	struct pair *p = w->pair;
	uint64_t batch = p->done + 1;

	p->fn = w->fn;
	p->helpers = &w->side[1];
	p->n = n;
	atomic_store_explicit(&p->begun, batch, memory_order_release);
	w->fn(&w->side[0], n);
	pair_wait(&p->done, batch, NULL);
}

static aibrix_pool *
new_pool(uint64_t slots, uint64_t slot_bytes, uint32_t magazines)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = slots,
			      .slot_bytes = slot_bytes,
			      .magazines = magazines,
			      .region_bytes = slots * slot_bytes};
	aibrix_pool *pool;

	bench_check(aibrix_pool_new(&o, &pool) == AIBRIX_OK, "a pool");
	return pool;
}

/* One pool's memory, shared out among the threads. */
static void
sides_set(struct side side[SIDES], aibrix_pool *pool, uint64_t bytes,
	  uint64_t block)
{
	for (uint32_t i = 0; i < SIDES; i++)
		side[i] = (struct side){
			.pool = pool,
			.memory = (uint8_t *)aibrix_pool_slot(pool, 0) +
				  i * (bytes / SIDES),
			.bytes = bytes / SIDES,
			.block = block,
			.state = i + 1,
		};
}

static const struct {
	const char *name;
	raw_fn fn;
} raw[] = {{"memcpy", raw_memcpy},
	   {"streaming stores", raw_stream},
	   {"streaming stores, 16 KiB ahead", raw_stream_ahead},
	   {"rep movsb", raw_movsb}};

enum { RAWS = sizeof(raw) / sizeof(raw[0]) };

static void
bench_copy_1t(const struct bench *b, const char *name, aibrix_pool *pool,
	      uint64_t bytes, uint64_t block)
{
	struct bench_row row = {name, "GB/s", NULL, (double)block / 1e9};
	struct bench_peer peers[RAWS], ours;
	struct side mine[SIDES], theirs[RAWS][SIDES];

	sides_set(mine, pool, bytes, block);
	mine->bytes = bytes;
	ours = (struct bench_peer){"", copy, mine, 1};
	for (int i = 0; i < raw_copies(); i++) {
		sides_set(theirs[i], pool, bytes, block);
		theirs[i]->bytes = bytes;
		theirs[i]->raw = raw[i].fn;
		peers[i] = (struct bench_peer){raw[i].name, copy, theirs[i], 1};
	}
	bench_run(b, &row, &ours, bench_best(b, peers, raw_copies()));
}

static void
bench_copy_2t(const struct bench *b, struct pair *pair, aibrix_pool *pool,
	      uint64_t bytes)
{
	struct bench_row row = {"copy_2m_2t", "GB/s", NULL, LARGE / 1e9};
	struct bench_peer peers[RAWS], ours;
	struct work mine = {pair, side_copy, {{0}}}, theirs[RAWS];

	sides_set(mine.side, pool, bytes, LARGE);
	ours = (struct bench_peer){"", together, &mine, SIDES};
	for (int i = 0; i < raw_copies(); i++) {
		theirs[i] = mine;
		theirs[i].side[0].raw = theirs[i].side[1].raw = raw[i].fn;
		peers[i] = (struct bench_peer){raw[i].name, together,
					       &theirs[i], SIDES};
	}
	bench_run(b, &row, &ours, bench_best(b, peers, raw_copies()));
}

static void
bench_copies(const struct bench *b, struct pair *pair)
{
	const struct bench_row against = {"copy_vs_memcpy_2m", "GB/s", NULL,
					  LARGE / 1e9};
	const struct bench_row summed = {"copy_checksum_2m", "GB/s", NULL,
					 LARGE / 1e9};
	uint64_t slots = b->quick ? 32 : 512;
	uint64_t bytes = slots * LARGE;
	aibrix_pool *pool = new_pool(slots, LARGE, 0);
	struct side mine[SIDES], libc[SIDES], sums[SIDES];
	struct bench_peer ours = {"copy alone", copy, mine, 1};
	struct bench_peer memcpy_peer = {"memcpy", copy, libc, 1};
	struct bench_peer sum_peer = {"", copy, sums, 1};

	while (aibrix_pool_touch(pool, bytes, NULL) == AIBRIX_OK)
		continue;
	memset(aibrix_pool_slot(pool, 0), 1, bytes);
	bench_copy_1t(b, "copy_2m_1t", pool, bytes, LARGE);
	bench_copy_2t(b, pair, pool, bytes);
	bench_copy_1t(b, "copy_64k_1t", pool, bytes, MIDDLE);

	sides_set(mine, pool, bytes, LARGE);
	sides_set(libc, pool, bytes, LARGE);
	libc->raw = raw_memcpy;
	sides_set(sums, pool, bytes, LARGE);
	sums->sum = 1;
	bench_run(b, &against, &ours, &memcpy_peer);
	bench_run(b, &summed, &sum_peer, &ours);
	aibrix_pool_free(pool);
}

static void
bench_takes(const struct bench *b, struct pair *pair)
{
	const struct bench_row one = {"take_give", "ns", "a take and a give",
				      1};
	const struct bench_row own = {"take_give_magazine", "ns",
				      "the same by a magazine", 1};
	const struct bench_row two = {"take_give_2t", "ns",
				      "of each of two threads, by magazines",
				      1};
	aibrix_pool *pool = new_pool(4096, 4096, SIDES);
	aibrix_pool *other = new_pool(4096, 4096, SIDES);
	struct side alone = {.pool = pool},
		    shelf = {.pool = pool, .magazine = 1};
	struct work same = {pair, side_take_give, {{0}}}, apart;
	struct bench_peer alone_peer = {"", take_give, &alone, 1};
	struct bench_peer shelf_peer = {"", take_give_magazine, &shelf, 1};
	struct bench_peer same_peer = {"", together, &same, 1};
	struct bench_peer apart_peer = {"two pools", together, &apart, 1};

	for (uint32_t i = 0; i < SIDES; i++)
		same.side[i] = (struct side){.pool = pool, .magazine = i + 1};
	apart = same;
	apart.side[1].pool = other;
	bench_run(b, &one, &alone_peer, NULL);
	bench_run(b, &own, &shelf_peer, NULL);
	bench_run(b, &two, &same_peer, &apart_peer);
	aibrix_pool_free(other);
	aibrix_pool_free(pool);
}

int
main(int argc, char **argv)
{
	struct bench b;
	struct pair pair = {.n = 0};
	int status = bench_start(&b, argc, argv);

	if (status)
		return status - 1;
	bench_check(pthread_create(&pair.helper, NULL, helper_run, &pair) == 0,
		    "a thread");
	bench_takes(&b, &pair);
	bench_copies(&b, &pair);
	atomic_store(&pair.over, 1);
	pthread_join(pair.helper, NULL);
	return 0;
}
