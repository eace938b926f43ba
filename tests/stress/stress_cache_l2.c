/*
 * One cache over a store, many threads: some sleep in wait, some poll, one
 * is a loop at the descriptor.  The store fails, delays and forgets requests,
 * and damages values.  Every byte that is read must be the one that every
 * writer writes under that key, and in the end nothing is held.
 */

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <aibrix/cache.h>

#include "base/rand.h"
#include "cache/cache_internal.h"
#include "chains.h"
#include "require.h"
#include "store/store_faults.h"
#include "temp_path.h"

enum { THREADS = 5, ROUNDS = 500 };
enum { FAULTS = 400, MS = 1000000 };

enum { WAITS = 0, POLLS = 1, LOOPS = 2 };

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

struct worker {
	pthread_t thread;
	aibrix_cache *cache;
	uint64_t seed, hits;
	uint32_t kind;
};

/* One turn of a loop that sleeps at the descriptor. */
static void
loop_turn(aibrix_cache *cache)
{
	struct pollfd at = {.fd = aibrix_cache_fd(cache), .events = POLLIN};
	uint64_t wake = aibrix_cache_wake(cache), t = now(), busy;

	REQUIRE(at.fd >= 0);
	wake = wake > t ? (wake - t) / MS + 1 : 0;
	poll(&at, 1, wake < 1000 ? (int)wake : 1000);
	REQUIRE(!aibrix_cache_poll(cache, now(), 0, &busy));
}

static int
lease_settle(struct worker *w, uint64_t lease, uint64_t *n)
{
	uint64_t busy;
	int err;

	if (w->kind == WAITS)
		return aibrix_cache_wait(w->cache, lease, 0, now(), n);
	while ((err = aibrix_cache_state(w->cache, lease, n)) ==
	       AIBRIX_E_AGAIN) {
		if (w->kind == LOOPS)
			loop_turn(w->cache);
		else
			REQUIRE(!aibrix_cache_poll(w->cache, now(), MS, &busy));
	}
	return err;
}

/* The last block is whole, mostly. */
static uint32_t
tail_draw(uint64_t *seed)
{
	return rand_below(seed, 4) ? 0 : 5;
}

/* Through pointers, or copied out. */
static void
bytes_check(struct worker *w, const aibrix_key *keys, uint64_t lease,
	    uint64_t n)
{
	const int copied = rand_below(&w->seed, 2) != 0;
	aibrix_cache_view v = {.size = sizeof(v)};
	uint8_t bytes[LENGTH][BLOCK];
	const uint8_t *data;
	void *dst[LENGTH];
	uint64_t got = 0;

	for (uint64_t i = 0; i < LENGTH; i++)
		dst[i] = bytes[i];
	if (copied) {
		REQUIRE(!aibrix_cache_read(w->cache, lease, 0, dst, n, &got));
		REQUIRE(got == n);
	}
	for (uint64_t i = 0; i < n; i++) {
		if (!copied)
			REQUIRE(!aibrix_cache_block(w->cache, lease, i, &v));
		data = copied ? dst[i] : v.data;
		for (int b = 0; b < BLOCK; b++)
			REQUIRE(data[b] == byte_of(&keys[i]));
	}
}

static void
read_chain(struct worker *w, const aibrix_key *keys)
{
	aibrix_cache_extent e = {.size = sizeof(e)};
	uint64_t lease, n = 0, deadline = 0;
	int err;

	if (rand_below(&w->seed, 2))
		deadline = now() + rand_below(&w->seed, 3 * MS);
	err = aibrix_cache_acquire_tail(w->cache, keys, LENGTH,
					tail_draw(&w->seed), deadline, now(),
					&lease, &n);
	REQUIRE(!err || err == AIBRIX_E_AGAIN);
	/* Some give up. */
	if (err && rand_below(&w->seed, 4) == 0) {
		if (rand_below(&w->seed, 2))
			(void)!aibrix_cache_wait(w->cache, lease, now() + 1,
						 now(), &n);
		REQUIRE(!aibrix_cache_release(w->cache, lease));
		return;
	}
	if (err)
		REQUIRE(!lease_settle(w, lease, &n));
	REQUIRE(!aibrix_cache_extent_of(w->cache, lease, &e) && e.blocks == n);
	bytes_check(w, keys, lease, n);
	w->hits += n;
	REQUIRE(!aibrix_cache_release(w->cache, lease));
	REQUIRE(aibrix_cache_release(w->cache, lease) == AIBRIX_E_NOT_FOUND);
}

static void
write_chain(struct worker *w, const aibrix_key *keys, int keep)
{
	aibrix_cache *cache = w->cache;
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, n;
	int err;

	err = aibrix_cache_reserve_tail(cache, keys, NULL, LENGTH,
					tail_draw(&w->seed), now(), &lease, &n);
	if (err == AIBRIX_E_FULL)
		return;
	REQUIRE(!err);
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(!aibrix_cache_block(cache, lease, i, &v));
		if (v.data)
			memset(v.data, byte_of(&keys[i]), BLOCK);
	}
	if (keep)
		REQUIRE(!aibrix_cache_commit(cache, lease, now()));
	else
		REQUIRE(!aibrix_cache_abort(cache, lease));
	if (rand_below(&w->seed, 4))
		return;
	err = aibrix_cache_hand_over(cache, keys, LENGTH, now() + MS, now(),
				     &n);
	REQUIRE(!err || err == AIBRIX_E_TIMEOUT || err == AIBRIX_E_NOT_FOUND ||
		err == AIBRIX_E_UNAVAILABLE);
}

/* Some are cancelled, the others end by themselves. */
static void
prefetch_chain(struct worker *w, const aibrix_key *keys)
{
	uint64_t lease = 0, left;
	int err;

	err = aibrix_cache_prefetch(w->cache, keys, LENGTH, 0, now(), &lease);
	REQUIRE(!err || err == AIBRIX_E_FULL);
	if (!err && lease && rand_below(&w->seed, 2)) {
		err = aibrix_cache_release(w->cache, lease);
		REQUIRE(!err || err == AIBRIX_E_NOT_FOUND);
	}
	if (rand_below(&w->seed, 8) == 0) {
		err = aibrix_cache_flush(w->cache, now() + MS, now(), &left);
		REQUIRE(!err || err == AIBRIX_E_TIMEOUT ||
			err == AIBRIX_E_UNAVAILABLE);
	}
}

/* Waited for, or left to itself. */
static void
remove_some(struct worker *w, const aibrix_key *keys)
{
	uint32_t from = rand_below(&w->seed, LENGTH);
	uint32_t n = rand_below(&w->seed, LENGTH - from) + 1;
	uint64_t lease, gone = 0;

	if (rand_below(&w->seed, 16) == 0)
		REQUIRE(!aibrix_cache_clear(w->cache, now()));
	REQUIRE(aibrix_cache_remove(w->cache, keys + from, n, 0, 0, now(),
				    &lease) == AIBRIX_E_AGAIN);
	if (rand_below(&w->seed, 2)) {
		REQUIRE(!lease_settle(w, lease, &gone));
		for (uint32_t i = 0; i < n; i++)
			gone -= !aibrix_cache_removed(w->cache, lease, i);
		REQUIRE(gone == 0);
	}
	REQUIRE(!aibrix_cache_release(w->cache, lease));
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	aibrix_key keys[LENGTH];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		keys_make(rand_below(&w->seed, CHAINS), keys);
		switch (rand_below(&w->seed, 16)) {
		case 15: remove_some(w, keys); break;
		case 0:
		case 1:
		case 2: write_chain(w, keys, rand_below(&w->seed, 8)); break;
		case 3:
		case 4: prefetch_chain(w, keys); break;
		default: read_chain(w, keys); break;
		}
	}
	return NULL;
}

static void
faults_make(struct store_fault faults[FAULTS])
{
	uint64_t seed = 7;

	for (uint32_t i = 0; i < FAULTS; i++) {
		struct store_fault *f = &faults[i];

		f->op = rand_below(&seed, 4);
		f->at = rand_below(&seed, 8000);
		f->arg = rand_below(&seed, 5) + 1;
		f->kind = rand_below(&seed, 4) + 1;
		f->status = AIBRIX_E_IO;
		if (f->kind == FAULT_CORRUPT) {
			f->op = AIBRIX_STORE_GET;
			f->arg = FRAME_BYTES + 3;
		}
	}
}

/* All that goes on ends, and nothing is held. */
static void
cache_check(aibrix_cache *cache, uint64_t hits)
{
	aibrix_cache_stat s = {.size = sizeof(s)};
	uint64_t busy = 1;
	const char *broken;

	while (busy)
		REQUIRE(!aibrix_cache_poll(cache, now(), MS, &busy));
	broken = aibrix__cache_check(cache);
	if (broken)
		require_failed(broken, __FILE__, __LINE__);
	REQUIRE(!aibrix_cache_stats(cache, &s));
	REQUIRE(s.l1_pinned == 0 && s.leases == 0 && s.corrupt_l1 == 0);
	/* Leases that were given up may have been settled before. */
	REQUIRE(s.hits_l1 + s.hits_l2 >= hits && s.evicted > 0);
	REQUIRE(s.hits_l1 > 0 && s.hits_l2 > 0 && s.l2_written > 0);
	REQUIRE(s.removed > 0 && s.l2_removed > 0);
}

static void
run(const aibrix_store_opts *store, const struct store_fault *faults,
    uint32_t flags)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = CHAINS * LENGTH / 3 * BLOCK,
			       .l2_inflight = 48,
			       .flags = flags};
	struct worker workers[THREADS];
	aibrix_cache *cache;
	uint64_t hits = 0;

	REQUIRE(!aibrix_store_open(store, &o.l2));
	if (faults)
		aibrix__store_faults(o.l2, faults, FAULTS);
	REQUIRE(!aibrix_cache_new(&o, &cache));
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.cache = cache,
					     .seed = i,
					     .kind = i == 0   ? LOOPS
						     : i == 1 ? POLLS
							      : WAITS};
		REQUIRE(!pthread_create(&workers[i].thread, NULL, work,
					&workers[i]));
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		REQUIRE(!pthread_join(workers[i].thread, NULL));
		hits += workers[i].hits;
	}
	cache_check(cache, hits);
	aibrix_cache_free(cache);
	aibrix_store_free(o.l2);
}

int
main(void)
{
	static struct store_fault faults[FAULTS];
	const struct temp_path path = temp_path_new();
	aibrix_store_opts mem = {.size = sizeof(mem),
				 .capacity_bytes = 300 * (FRAME_BYTES + BLOCK),
				 .value_bytes = FRAME_BYTES + BLOCK,
				 .max_inflight = 40,
				 .timeout_ns = 5 * MS};
	aibrix_store_opts file = mem;

	faults_make(faults);
	run(&mem, faults, 0);
	run(&mem, faults, AIBRIX_CACHE_VERIFY_LATE);
	file.backend = AIBRIX_BACKEND_FILE;
	file.path = path.text;
	run(&file, NULL, AIBRIX_CACHE_VERIFY_LATE);
	file.flags = AIBRIX_STORE_NO_RING;
	run(&file, faults, 0);
	temp_path_remove(path.text);
	return 0;
}
