/*
 * A pool under threads, in four acts.
 *
 * Relay: each thread takes a slot, signs all of it, and swaps its lease for
 * one that another thread left; the receiver checks the signature and gives
 * the slot back.  Two holders of one slot would spoil a signature.
 *
 * Duel: all threads give back the same leases; each lease must be accepted
 * exactly once.
 *
 * Bazaar: threads take and give slots of two sizes that share three spans, by
 * magazines and without, while leases expire and the checker looks on.
 *
 * Touch: threads give pages to a pool together, while others write into it.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/pool.h>

#include "base/rand.h"
#include "pool/pool_internal.h"
#include "pool_tools.h"

enum { THREADS = 4, SLOTS = 6, DESKS = 5, WORDS = 32 };
enum { RELAYS = 100000, DUELS = 2000 };
enum { DEALS = 30000, BAG = 12, SMALL = 64, LARGE = 192 };
enum { MIB = 1 << 20 };

/* Where leases wait for another thread. */
struct desk {
	pthread_mutex_t lock;
	aibrix_lease lease; /* data NULL: none */
	uint64_t signature;
};

struct duel {
	pthread_barrier_t begin, end;
	aibrix_lease leases[SLOTS];
};

struct worker {
	aibrix_pool *pool;
	struct desk *desks;
	struct duel *duel;
	uint64_t id;
	uint64_t given, refused, faults;
};

static void
sign(const aibrix_lease *lease, uint64_t signature)
{
	uint64_t *words = lease->data;

	for (int i = 0; i < WORDS; i++)
		words[i] = signature;
}

static int
signed_by(const aibrix_lease *lease, uint64_t signature)
{
	const uint64_t *words = lease->data;

	for (int i = 0; i < WORDS; i++)
		if (words[i] != signature)
			return 0;
	return 1;
}

static void
desk_swap(struct desk *desk, aibrix_lease *lease, uint64_t *signature)
{
	aibrix_lease left;
	uint64_t left_signature;

	pthread_mutex_lock(&desk->lock);
	left = desk->lease;
	left_signature = desk->signature;
	desk->lease = *lease;
	desk->signature = *signature;
	pthread_mutex_unlock(&desk->lock);
	*lease = left;
	*signature = left_signature;
}

static void
lease_end(struct worker *w, const aibrix_lease *lease, uint64_t signature)
{
	if (!lease->data)
		return;
	w->faults += !aibrix_pool_holds(w->pool, lease);
	w->faults += !signed_by(lease, signature);
	w->faults += aibrix_pool_give(w->pool, lease) != AIBRIX_OK;
	w->given++;
}

static void *
relay_run(void *arg)
{
	struct worker *w = arg;
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	uint64_t state = w->id;

	for (uint64_t i = 1; i <= RELAYS; i++) {
		uint64_t signature = w->id << 32 | i;
		aibrix_lease lease = {0};

		if (aibrix_pool_take(w->pool, &lease) == AIBRIX_OK)
			sign(&lease, signature);
		desk_swap(&w->desks[rand_below(&state, DESKS)], &lease,
			  &signature);
		lease_end(w, &lease, signature);
		w->faults += aibrix_pool_stats(w->pool, &stat) != AIBRIX_OK ||
			     stat.taken > SLOTS;
	}
	return NULL;
}

static void *
duel_run(void *arg)
{
	struct worker *w = arg;
	int status;

	for (int i = 0; i < DUELS; i++) {
		pthread_barrier_wait(&w->duel->begin);
		for (uint64_t j = 0; j < SLOTS; j++) {
			status = aibrix_pool_give(w->pool, &w->duel->leases[j]);
			w->given += status == AIBRIX_OK;
			w->refused += status == AIBRIX_E_STATE;
		}
		pthread_barrier_wait(&w->duel->end);
	}
	return NULL;
}

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "stress_pool: %s\n", what);
	exit(1);
}

static void
threads_start(pthread_t *threads, struct worker *workers, void *(*run)(void *))
{
	for (int i = 0; i < THREADS; i++)
		require(pthread_create(&threads[i], NULL, run, &workers[i]) ==
				0,
			"no thread");
}

static void
threads_join(const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void
relay(aibrix_pool *pool, struct worker *workers)
{
	pthread_t threads[THREADS];
	struct desk desks[DESKS] = {0};
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	uint64_t given = 0, faults = 0;

	for (int i = 0; i < DESKS; i++)
		pthread_mutex_init(&desks[i].lock, NULL);
	for (int i = 0; i < THREADS; i++)
		workers[i].desks = desks;
	threads_start(threads, workers, relay_run);
	threads_join(threads);
	for (int i = 0; i < DESKS; i++) {
		lease_end(&workers[0], &desks[i].lease, desks[i].signature);
		pthread_mutex_destroy(&desks[i].lock);
	}
	for (int i = 0; i < THREADS; i++) {
		given += workers[i].given;
		faults += workers[i].faults;
	}
	require(aibrix_pool_stats(pool, &stat) == AIBRIX_OK, "no statistics");
	require(faults == 0, "a slot had two holders");
	require(stat.takes == given && stat.taken == 0, "a lease was lost");
	require(pool_sound(pool), "a slot was lost in the relay");
	printf("relay: %" PRIu64 " leases, %" PRIu64 " refused\n", given,
	       stat.fulls);
}

static void
duel(aibrix_pool *pool, struct worker *workers)
{
	pthread_t threads[THREADS];
	struct duel d;
	uint64_t given = 0, refused = 0;

	pthread_barrier_init(&d.begin, NULL, THREADS + 1);
	pthread_barrier_init(&d.end, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		workers[i].duel = &d;
		workers[i].given = 0;
	}
	threads_start(threads, workers, duel_run);
	for (int i = 0; i < DUELS; i++) {
		for (int j = 0; j < SLOTS; j++)
			require(aibrix_pool_take(pool, &d.leases[j]) ==
					AIBRIX_OK,
				"a slot was lost in a duel");
		pthread_barrier_wait(&d.begin);
		pthread_barrier_wait(&d.end);
	}
	threads_join(threads);
	for (int i = 0; i < THREADS; i++) {
		given += workers[i].given;
		refused += workers[i].refused;
	}
	require(given == DUELS * SLOTS, "not one winner for each lease");
	require(refused == DUELS * SLOTS * (THREADS - 1), "not all refused");
	require(pool_sound(pool), "a slot was lost in the duel");
	pthread_barrier_destroy(&d.begin);
	pthread_barrier_destroy(&d.end);
	printf("duel: %" PRIu64 " leases\n", given);
}

/* Leases that one thread holds in the bazaar. */
struct bag {
	aibrix_lease leases[BAG];
	uint32_t n;
};

static uint32_t
own_or_none(const struct worker *w, uint64_t *state)
{
	return rand_below(state, 4) ? (uint32_t)w->id : 0;
}

static void
bag_fill(struct worker *w, struct bag *bag, uint64_t *state)
{
	aibrix_pool_want want = {.size = sizeof(want),
				 .slot_class = rand_below(state, 2),
				 .magazine = own_or_none(w, state),
				 .holder = (uint32_t)w->id};
	uint32_t room = BAG - bag->n, n;

	if (room == 0)
		return;
	if (aibrix_pool_take_n(w->pool, &want, 1 + rand_below(state, room),
			       &bag->leases[bag->n], &n))
		return;
	for (uint32_t i = 0; i < n; i++) {
		aibrix_lease *lease = &bag->leases[bag->n + i];

		memset(lease->data, (int)w->id, lease->bytes);
	}
	bag->n += n;
}

static int
bag_own(const aibrix_lease *lease, uint64_t id)
{
	const uint8_t *data = lease->data;

	for (uint64_t i = 0; i < lease->bytes; i++)
		if (data[i] != id)
			return 0;
	return 1;
}

static void
bag_empty(struct worker *w, struct bag *bag, uint64_t *state)
{
	uint32_t n = rand_below(state, bag->n + 1), given = 0;

	for (uint32_t i = bag->n - n; i < bag->n; i++)
		w->faults += !bag_own(&bag->leases[i], w->id);
	w->faults += aibrix_pool_give_n(w->pool, own_or_none(w, state),
					&bag->leases[bag->n - n], n,
					&given) != AIBRIX_OK;
	w->faults += given != n;
	bag->n -= n;
}

/* A lease that nobody writes through and a sweep of any thread may end. */
static void
lease_expire(struct worker *w, uint64_t *state)
{
	aibrix_pool_want want = {.size = sizeof(want),
				 .slot_class = rand_below(state, 2),
				 .deadline_ns = 1,
				 .holder = 99};
	aibrix_lease lease;
	uint32_t n;
	int err;

	if (aibrix_pool_take_n(w->pool, &want, 1, &lease, &n))
		return;
	if (rand_below(state, 2))
		w->faults += aibrix_pool_expire(w->pool, 1 << 30, 3, NULL,
						&n) != AIBRIX_OK;
	err = aibrix_pool_renew(w->pool, &lease, 0);
	if (!err)
		w->faults += aibrix_pool_give(w->pool, &lease) != AIBRIX_OK;
	else
		w->faults += err != AIBRIX_E_STATE;
}

static void
pool_look(struct worker *w)
{
	aibrix_pool_report r = {.size = sizeof(r)};
	int err = aibrix_pool_check(w->pool, &r);

	w->faults += err != AIBRIX_OK && err != AIBRIX_E_AGAIN;
	w->given += err == AIBRIX_OK;
}

static void *
bazaar_run(void *arg)
{
	struct worker *w = arg;
	struct bag bag = {.n = 0};
	uint64_t state = w->id;

	for (int i = 0; i < DEALS; i++) {
		bag_fill(w, &bag, &state);
		bag_empty(w, &bag, &state);
		if (rand_below(&state, 8) == 0)
			lease_expire(w, &state);
		if (rand_below(&state, 64) == 0)
			pool_look(w);
	}
	while (bag.n > 0)
		bag_empty(w, &bag, &state);
	return NULL;
}

static void
bazaar(void)
{
	static const uint64_t sizes[] = {SMALL, LARGE};
	aibrix_pool_opts o = {.size = sizeof(o),
			      .class_bytes = sizes,
			      .classes = 2,
			      .align = 64,
			      .capacity_bytes = 3 * 768,
			      .span_bytes = 768,
			      .magazines = THREADS,
			      .magazine_slots = 2};
	struct worker workers[THREADS] = {0};
	pthread_t threads[THREADS];
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	uint64_t faults = 0, looks = 0;
	aibrix_pool *pool;

	require(aibrix_pool_new(&o, &pool) == AIBRIX_OK, "no pool");
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i].pool = pool;
		workers[i].id = i + 1;
	}
	threads_start(threads, workers, bazaar_run);
	threads_join(threads);
	for (int i = 0; i < THREADS; i++) {
		faults += workers[i].faults;
		looks += workers[i].given;
	}
	require(aibrix_pool_stats(pool, &stat) == AIBRIX_OK, "no statistics");
	require(faults == 0, "a slot had two holders, or a call went wrong");
	require(stat.taken == 0, "a lease was lost");
	require(pool_sound(pool), "a slot was lost in the bazaar");
	aibrix_pool_free(pool);
	printf("bazaar: %" PRIu64 " leases, %" PRIu64 " refused, %" PRIu64
	       " ended, %" PRIu64 " whole looks\n",
	       stat.takes, stat.fulls, stat.ended, looks);
}

static void *
touch_run(void *arg)
{
	struct worker *w = arg;
	aibrix_pool_progress p = {.size = sizeof(p)};
	aibrix_lease lease;
	int err;

	do {
		err = aibrix_pool_touch(w->pool, MIB, &p);
		w->given += err == AIBRIX_OK;
		w->faults += p.touched_bytes > p.begun_bytes ||
			     p.begun_bytes > p.total_bytes;
		if (aibrix_pool_take(w->pool, &lease))
			continue;
		memset(lease.data, (int)w->id, lease.bytes);
		w->faults += !bag_own(&lease, w->id);
		w->faults += aibrix_pool_give(w->pool, &lease) != AIBRIX_OK;
	} while (!err);
	w->faults += err != AIBRIX_E_NOT_FOUND;
	return NULL;
}

static void
touch(void)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = 32,
			      .slot_bytes = MIB,
			      .region_bytes = 5 * MIB};
	struct worker workers[THREADS] = {0};
	pthread_t threads[THREADS];
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	uint64_t faults = 0, calls = 0;
	aibrix_pool *pool;

	require(aibrix_pool_new(&o, &pool) == AIBRIX_OK, "no pool");
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i].pool = pool;
		workers[i].id = i + 1;
	}
	threads_start(threads, workers, touch_run);
	threads_join(threads);
	for (int i = 0; i < THREADS; i++) {
		faults += workers[i].faults;
		calls += workers[i].given;
	}
	require(aibrix_pool_stats(pool, &stat) == AIBRIX_OK, "no statistics");
	require(faults == 0, "a touch changed contents, or went wrong");
	require(stat.touched_bytes == stat.mapped_bytes, "a piece was lost");
	aibrix_pool_free(pool);
	printf("touch: %" PRIu64 " pieces\n", calls);
}

int
main(void)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = SLOTS,
			      .slot_bytes = WORDS * sizeof(uint64_t),
			      .align = 64,
			      .region_bytes = 1024};
	struct worker workers[THREADS] = {0};
	aibrix_pool *pool;

	require(aibrix_pool_new(&o, &pool) == AIBRIX_OK, "no pool");
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i].pool = pool;
		workers[i].id = i + 1;
	}
	relay(pool, workers);
	duel(pool, workers);
	aibrix_pool_free(pool);
	bazaar();
	touch();
	return 0;
}
