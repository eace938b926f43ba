/*
 * A pool under threads, in two acts.
 *
 * Relay: each thread takes a slot, signs all of it, and swaps its lease for
 * one that another thread left; the receiver checks the signature and gives
 * the slot back.  Two holders of one slot would spoil a signature.
 *
 * Duel: all threads give back the same leases; each lease must be accepted
 * exactly once.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/pool.h>

#include "base/rand.h"
#include "pool/pool_internal.h"

enum { THREADS = 4, SLOTS = 6, DESKS = 5, WORDS = 32 };
enum { RELAYS = 100000, DUELS = 2000 };

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
	require(aibrix__pool_check(pool), "a slot was lost in the relay");
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
	require(aibrix__pool_check(pool), "a slot was lost in the duel");
	pthread_barrier_destroy(&d.begin);
	pthread_barrier_destroy(&d.end);
	printf("duel: %" PRIu64 " leases\n", given);
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
	return 0;
}
