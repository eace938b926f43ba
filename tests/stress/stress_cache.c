/*
 * One cache without L2, many threads: readers and writers of chains that
 * overlap, in an L1 that holds half of them, and lose some.  Every byte that is
 * read must be the one that every writer writes under that key.  One more
 * thread follows what the cache tells, and ends with what lookup says.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <aibrix/cache.h>

#include "base/rand.h"
#include "cache/cache_internal.h"
#include "chains.h"
#include "require.h"

enum { THREADS = 4, ROUNDS = 4000 };

/* The same bytes, copied out. */
static void
copy_chain(aibrix_cache *cache, const aibrix_key *keys, uint64_t lease,
	   uint64_t n)
{
	uint8_t bytes[LENGTH][BLOCK];
	void *dst[LENGTH];
	uint64_t got = 0;

	for (uint64_t i = 0; i < LENGTH; i++)
		dst[i] = bytes[i];
	REQUIRE(!aibrix_cache_read(cache, lease, 0, dst, n, &got));
	REQUIRE(got == n);
	for (uint64_t i = 0; i < n; i++)
		for (int b = 0; b < BLOCK; b++)
			REQUIRE(bytes[i][b] == byte_of(&keys[i]));
}

static void
read_chain(aibrix_cache *cache, const aibrix_key *keys, uint64_t *hits)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	const uint8_t *data;
	uint64_t lease, n;

	REQUIRE(!aibrix_cache_acquire(cache, keys, LENGTH, 0, 1, &lease, &n));
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(!aibrix_cache_block(cache, lease, i, &v));
		data = v.data;
		for (int b = 0; b < BLOCK; b++)
			REQUIRE(data[b] == byte_of(&keys[i]));
	}
	*hits += n;
	copy_chain(cache, keys, lease, n);
	REQUIRE(!aibrix_cache_release(cache, lease));
	REQUIRE(aibrix_cache_release(cache, lease) == AIBRIX_E_NOT_FOUND);
}

/* In place. */
static void
fill_chain(aibrix_cache *cache, const aibrix_key *keys, uint64_t lease,
	   uint64_t n)
{
	aibrix_cache_view v = {.size = sizeof(v)};

	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(!aibrix_cache_block(cache, lease, i, &v));
		if (v.data)
			memset(v.data, byte_of(&keys[i]), BLOCK);
	}
}

static void
write_chain(aibrix_cache *cache, const aibrix_key *keys, int keep)
{
	uint8_t bytes[LENGTH][BLOCK];
	const void *src[LENGTH];
	uint64_t lease, n;
	int err;

	err = aibrix_cache_reserve(cache, keys, NULL, LENGTH, 1, &lease, &n);
	if (err == AIBRIX_E_FULL)
		return;
	REQUIRE(!err);
	for (uint64_t i = 0; i < n; i++) {
		memset(bytes[i], byte_of(&keys[i]), BLOCK);
		src[i] = bytes[i];
	}
	if (keep & 1)
		fill_chain(cache, keys, lease, n);
	else
		REQUIRE(!aibrix_cache_write(cache, lease, 0, src, n));
	if (keep)
		REQUIRE(!aibrix_cache_commit(cache, lease, 1));
	else
		REQUIRE(!aibrix_cache_abort(cache, lease));
}

struct worker {
	pthread_t thread;
	aibrix_cache *cache;
	uint64_t seed, hits;
};

static void
remove_some(struct worker *w, const aibrix_key *keys)
{
	uint32_t from = rand_below(&w->seed, LENGTH);
	uint64_t lease = 7;

	if (rand_below(&w->seed, 16) == 0)
		REQUIRE(!aibrix_cache_clear(w->cache, 1));
	REQUIRE(!aibrix_cache_remove(w->cache, keys + from,
				     rand_below(&w->seed, LENGTH - from) + 1, 0,
				     0, 1, &lease));
	REQUIRE(lease == 0);
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
		case 2:
		case 3:
			write_chain(w->cache, keys, rand_below(&w->seed, 8));
			break;
		case 4:
		case 5:
		case 6:
			(void)aibrix_cache_lookup(w->cache, keys, LENGTH);
			break;
		default: read_chain(w->cache, keys, &w->hits); break;
		}
	}
	return NULL;
}

/* Evicts without pause, what readers are about to pin above all. */
struct evictor {
	pthread_t thread;
	aibrix_cache *cache;
	_Atomic int end;
};

static void *
evict(void *arg)
{
	struct evictor *e = arg;
	aibrix_key keys[LENGTH];
	uint64_t lease, n;

	for (uint32_t i = 0; !e->end; i++) {
		keys_make(i % CHAINS, keys);
		for (uint32_t k = 0; k < LENGTH; k++)
			memcpy(keys[k].bytes + 4, &i, sizeof(i));
		if (aibrix_cache_reserve(e->cache, keys, NULL, LENGTH, 1,
					 &lease, &n))
			continue;
		REQUIRE(!aibrix_cache_abort(e->cache, lease));
	}
	return NULL;
}

/* Several threads hold one chain.  Each reads what another one has acquired,
 * beside others that do and may release it meanwhile: once, whoever asks. */
struct sharing {
	pthread_t thread;
	aibrix_cache *cache;
	_Atomic uint64_t *last;
	uint64_t hits, released;
};

static int
release_try(aibrix_cache *cache, uint64_t lease)
{
	int err = aibrix_cache_release(cache, lease);

	REQUIRE(!err || err == AIBRIX_E_NOT_FOUND);
	return !err;
}

/* A lease that may end at any time, or be an empty one. */
static void
read_shared(aibrix_cache *cache, const aibrix_key *keys, uint64_t lease)
{
	aibrix_cache_extent e = {.size = sizeof(e)};
	aibrix_cache_view v = {.size = sizeof(v)};
	uint8_t bytes[LENGTH][BLOCK];
	void *dst[LENGTH];
	uint64_t n, got = 0;

	for (uint64_t i = 0; i < LENGTH; i++)
		dst[i] = bytes[i];
	if (aibrix_cache_state(cache, lease, &n))
		return;
	if (!aibrix_cache_extent_of(cache, lease, &e))
		REQUIRE(e.blocks == n);
	for (uint64_t i = 0; i < n; i++)
		if (aibrix_cache_block(cache, lease, i, &v))
			return;
	if (aibrix_cache_read(cache, lease, 0, dst, n, &got))
		return;
	REQUIRE(got == n);
	for (uint64_t i = 0; i < n; i++)
		for (int b = 0; b < BLOCK; b++)
			REQUIRE(bytes[i][b] == byte_of(&keys[i]));
}

static void *
share(void *arg)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	struct sharing *s = arg;
	aibrix_key keys[LENGTH];
	uint64_t lease, n;
	int err;

	keys_make(0, keys);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		REQUIRE(!aibrix_cache_acquire(s->cache, keys, LENGTH, 0, 1,
					      &lease, &n));
		s->hits += n;
		lease = atomic_exchange(s->last, lease);
		read_shared(s->cache, keys, *s->last);
		if (i % 8 == 0)
			s->released += release_try(s->cache, *s->last);
		if (i % 16 == 0)
			write_chain(s->cache, keys, 1);
		if (!lease)
			continue;
		err = aibrix_cache_block(s->cache, lease, 0, &v);
		REQUIRE(!err || err == AIBRIX_E_NOT_FOUND);
		s->released += release_try(s->cache, lease);
		REQUIRE(!release_try(s->cache, lease));
	}
	return NULL;
}

/* How many blocks they held. */
static uint64_t
leases_share(aibrix_cache *cache)
{
	struct sharing threads[THREADS];
	_Atomic uint64_t last = 0;
	uint64_t hits = 0, released = 0;

	for (uint32_t i = 0; i < THREADS; i++) {
		threads[i] = (struct sharing){.cache = cache, .last = &last};
		REQUIRE(!pthread_create(&threads[i].thread, NULL, share,
					&threads[i]));
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		REQUIRE(!pthread_join(threads[i].thread, NULL));
		hits += threads[i].hits;
		released += threads[i].released;
	}
	released += release_try(cache, last);
	REQUIRE(released == THREADS * ROUNDS);
	return hits;
}

/* Several threads find one damage in one lease, and all release it. */
enum { DAMAGED = 1000, DAMAGED_AT = 2 };

struct damage {
	aibrix_cache *cache;
	pthread_barrier_t begin, end;
	uint64_t lease;
	_Atomic uint32_t found, released;
};

static void
damage_find(struct damage *d)
{
	aibrix_cache_extent e = {.size = sizeof(e)};
	aibrix_cache_view v = {.size = sizeof(v)};
	uint8_t bytes[LENGTH][BLOCK];
	void *dst[LENGTH];
	uint64_t got = 0;
	int err;

	for (uint64_t i = 0; i < LENGTH; i++)
		dst[i] = bytes[i];
	err = aibrix_cache_read(d->cache, d->lease, 0, dst, LENGTH, &got);
	REQUIRE(err == AIBRIX_E_CORRUPT || err == AIBRIX_E_NOT_FOUND);
	REQUIRE(got == (err == AIBRIX_E_CORRUPT ? DAMAGED_AT : 0));
	d->found += err == AIBRIX_E_CORRUPT;
	err = aibrix_cache_extent_of(d->cache, d->lease, &e);
	REQUIRE(err == AIBRIX_E_NOT_FOUND ||
		(!err && e.blocks == DAMAGED_AT && e.why == AIBRIX_E_CORRUPT));
	REQUIRE(aibrix_cache_block(d->cache, d->lease, DAMAGED_AT, &v) ==
		AIBRIX_E_NOT_FOUND);
	d->released += release_try(d->cache, d->lease);
}

static void *
damage_work(void *arg)
{
	struct damage *d = arg;

	for (uint32_t i = 0; i < DAMAGED; i++) {
		pthread_barrier_wait(&d->begin);
		damage_find(d);
		pthread_barrier_wait(&d->end);
	}
	return NULL;
}

/* Written and summed, then damaged before anybody may read it. */
static uint64_t
damage_make(aibrix_cache *cache, const aibrix_key *keys)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	const void *src[LENGTH];
	uint8_t bytes[BLOCK];
	uint64_t lease, n;

	memset(bytes, 7, sizeof(bytes));
	for (uint32_t i = 0; i < LENGTH; i++)
		src[i] = bytes;
	REQUIRE(!aibrix_cache_reserve(cache, keys, NULL, LENGTH, 1, &lease,
				      &n));
	REQUIRE(n == LENGTH);
	REQUIRE(!aibrix_cache_write(cache, lease, 0, src, LENGTH));
	REQUIRE(!aibrix_cache_block(cache, lease, DAMAGED_AT, &v) && v.data);
	memset(v.data, 8, 1);
	REQUIRE(!aibrix_cache_commit(cache, lease, 1));
	REQUIRE(!aibrix_cache_acquire(cache, keys, LENGTH, 0, 1, &lease, &n));
	REQUIRE(n == LENGTH);
	return lease;
}

static void
damage_run(void)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = LENGTH * BLOCK,
			       .flags = AIBRIX_CACHE_VERIFY_LATE};
	aibrix_cache_stat s = {.size = sizeof(s)};
	pthread_t threads[THREADS];
	static struct damage d;
	aibrix_key keys[LENGTH];

	keys_make(0, keys);
	REQUIRE(!aibrix_cache_new(&o, &d.cache));
	REQUIRE(!pthread_barrier_init(&d.begin, NULL, THREADS + 1));
	REQUIRE(!pthread_barrier_init(&d.end, NULL, THREADS + 1));
	for (uint32_t i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, damage_work, &d));
	for (uint32_t i = 1; i <= DAMAGED; i++) {
		d.lease = damage_make(d.cache, keys);
		pthread_barrier_wait(&d.begin);
		pthread_barrier_wait(&d.end);
		REQUIRE(d.released == i && d.found >= i);
		REQUIRE(!aibrix__cache_check(d.cache));
		REQUIRE(!aibrix_cache_stats(d.cache, &s));
		REQUIRE(s.corrupt_l1 == i && !s.leases && !s.l1_pinned);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		REQUIRE(!pthread_join(threads[i], NULL));
	REQUIRE(!pthread_barrier_destroy(&d.begin));
	REQUIRE(!pthread_barrier_destroy(&d.end));
	aibrix_cache_free(d.cache);
}

struct follower {
	pthread_t thread;
	aibrix_cache *cache;
	_Atomic int end;
	uint64_t next;
	uint8_t held[256][LENGTH]; /* by the bytes of the key */
};

static void
event_follow(struct follower *f, const aibrix_cache_event *e)
{
	uint8_t *held = &f->held[e->key.bytes[0]][e->key.bytes[1]];

	REQUIRE(e->seq == f->next++);
	if (e->type == AIBRIX_CACHE_CLEARED) {
		memset(f->held, 0, sizeof(f->held));
		return;
	}
	REQUIRE(e->type == AIBRIX_CACHE_STORED ||
		e->type == AIBRIX_CACHE_REMOVED);
	REQUIRE(*held == (e->type == AIBRIX_CACHE_REMOVED));
	*held = e->type == AIBRIX_CACHE_STORED;
	if (*held && e->key.bytes[1])
		REQUIRE(f->held[e->parent.bytes[0]][e->parent.bytes[1]]);
}

static void *
follow(void *arg)
{
	aibrix_cache_event events[32];
	struct follower *f = arg;
	uint32_t n = 1;
	int last = 0;

	while (n || !last) {
		last = f->end;
		REQUIRE(!aibrix_cache_events(f->cache, events, 32, &n));
		for (uint32_t i = 0; i < n; i++)
			event_follow(f, &events[i]);
	}
	return NULL;
}

static void
follower_check(struct follower *f)
{
	aibrix_key keys[LENGTH];
	uint64_t n;

	for (uint32_t c = 0; c < CHAINS; c++) {
		keys_make(c, keys);
		n = 0;
		while (n < LENGTH &&
		       f->held[keys[n].bytes[0]][keys[n].bytes[1]])
			n++;
		REQUIRE(n == aibrix_cache_lookup(f->cache, keys, LENGTH));
	}
}

static void
run(uint32_t flags)
{
	static struct follower follower;
	static struct evictor evictor;
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = CHAINS * LENGTH / 2 * BLOCK,
			       .flags = flags};
	aibrix_cache_stat s = {.size = sizeof(s)};
	struct worker workers[THREADS];
	aibrix_cache *cache;
	uint64_t hits = 0;

	REQUIRE(!aibrix_cache_new(&o, &cache));
	REQUIRE(!aibrix_cache_events_begin(cache));
	follower = (struct follower){.cache = cache};
	REQUIRE(!pthread_create(&follower.thread, NULL, follow, &follower));
	evictor.cache = cache;
	REQUIRE(!pthread_create(&evictor.thread, NULL, evict, &evictor));
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.cache = cache, .seed = i};
		REQUIRE(!pthread_create(&workers[i].thread, NULL, work,
					&workers[i]));
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		REQUIRE(!pthread_join(workers[i].thread, NULL));
		hits += workers[i].hits;
	}
	hits += leases_share(cache);
	evictor.end = 1;
	REQUIRE(!pthread_join(evictor.thread, NULL));
	follower.end = 1;
	REQUIRE(!pthread_join(follower.thread, NULL));
	follower_check(&follower);
	REQUIRE(!aibrix__cache_check(cache));
	REQUIRE(!aibrix_cache_stats(cache, &s));
	REQUIRE(s.l1_pinned == 0 && s.leases == 0 && s.corrupt_l1 == 0);
	REQUIRE(s.hits_l1 == hits && hits > 0 && s.evicted > 0);
	REQUIRE(s.removed > 0);
	aibrix_cache_free(cache);
}

/* Verified by acquire, and by whoever hands the bytes out. */
int
main(void)
{
	run(0);
	run(AIBRIX_CACHE_VERIFY_LATE);
	damage_run();
	return 0;
}
