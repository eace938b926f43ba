/*
 * Sleeping until L2 has done something.
 *
 *   one thread      watches: sleeps at the store's descriptor
 *   other threads   sleep at a condition until their lease is settled
 *
 * The one who watches has neither the lock nor the store, so that others can
 * submit, and poll, while it sleeps: nobody waits for its waking up.  A
 * descriptor of the cache wakes it when others have done what it waits for,
 * or when what they asked for makes the store due earlier.  Who stops
 * watching wakes the others, and one of them goes on.
 *
 * Stores without a descriptor are asked again and again, after 64 us, then
 * twice that, up to a millisecond.
 *
 * Descriptors are made when somebody sleeps or asks for them: until then the
 * store need not keep its own up to date.
 */

#define _GNU_SOURCE

#include "cache/cache_internal.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { KICK_WATCHER = 1, KICK_LOOP = 2 };

enum { NAP_FIRST_NS = 64000, NAP_LAST_NS = 1024000, SECOND_NS = 1000000000 };

static uint64_t
monotonic_ns(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static struct timespec
timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / SECOND_NS),
				 .tv_nsec = (long)(ns % SECOND_NS)};
}

int
aibrix__wait_open(aibrix_cache *cache, const aibrix_cache_opts *opts)
{
	struct waiting *w = &cache->wait;
	pthread_condattr_t attr;
	int err;

	w->clock = opts->clock ? opts->clock : monotonic_ns;
	w->clock_ctx = opts->clock_ctx;
	w->fds = (struct wait_fds){-1, -1, -1, -1};
	w->wake_ns = w->late_ns = AIBRIX_FOREVER;
	if (pthread_condattr_init(&attr))
		return AIBRIX_E_NOMEM;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(&w->moved, &attr);
	pthread_condattr_destroy(&attr);
	w->made = !err;
	return err ? AIBRIX_E_NOMEM : AIBRIX_OK;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
aibrix__wait_close(aibrix_cache *cache)
{
	struct waiting *w = &cache->wait;

	if (!w->made)
		return;
	fd_close(&w->fds.loop);
	fd_close(&w->fds.note);
	fd_close(&w->fds.wake);
	pthread_cond_destroy(&w->moved);
}

/* ---- what has happened */

void
aibrix__wait_kick(const aibrix_cache *cache, uint32_t kick)
{
	uint64_t one = 1;

	/* A count that is full is above 0, and so is readable. */
	if (kick & KICK_WATCHER)
		(void)!write(cache->wait.fds.wake, &one, sizeof(one));
	if (kick & KICK_LOOP)
		(void)!write(cache->wait.fds.note, &one, sizeof(one));
}

static void
sleepers_wake(struct waiting *w)
{
	if (w->pollers + w->waiters == 0)
		return;
	pthread_cond_broadcast(&w->moved);
	if (w->watching)
		w->kick |= KICK_WATCHER;
}

void
aibrix__wait_ended(aibrix_cache *cache)
{
	cache->wait.ended++;
	if (cache->wait.pollers)
		sleepers_wake(&cache->wait);
}

void
aibrix__wait_settled(aibrix_cache *cache)
{
	cache->wait.settled++;
	sleepers_wake(&cache->wait);
}

void
aibrix__wait_flushed(aibrix_cache *cache)
{
	sleepers_wake(&cache->wait);
}

void
aibrix__wait_note(aibrix_cache *cache)
{
	struct waiting *w = &cache->wait;

	if (w->fds.note >= 0 && w->settled != w->told)
		w->kick |= KICK_LOOP;
	w->told = w->settled;
}

void
aibrix__wait_noted(aibrix_cache *cache)
{
	uint64_t count;
	int note;

	aibrix__cache_enter(cache);
	note = cache->wait.fds.note;
	aibrix__cache_unlock(cache);
	if (note >= 0)
		(void)!read(note, &count, sizeof(count));
}

/* Whoever waits until something is due has to look at the time again. */
static void
due_earlier(struct waiting *w)
{
	if (w->watching)
		w->kick |= KICK_WATCHER;
	if (w->fds.note >= 0)
		w->kick |= KICK_LOOP;
}

void
aibrix__wait_stir(aibrix_cache *cache)
{
	due_earlier(&cache->wait);
}

void
aibrix__wait_begun(aibrix_cache *cache, struct lease *l)
{
	struct waiting *w = &cache->wait;
	uint64_t limit = aibrix__budget_limit(cache, l);

	if (!limit || limit >= w->late_ns)
		return;
	w->late_ns = limit;
	due_earlier(w);
}

/* Limits only move away as blocks arrive, so none is before late_ns. */
void
aibrix__wait_late(aibrix_cache *cache, uint64_t now_ns)
{
	struct waiting *w = &cache->wait;
	uint32_t i, next = NONE;
	struct lease *l;
	uint64_t limit;

	if (now_ns < w->late_ns)
		return;
	w->late_ns = AIBRIX_FOREVER;
	if (cache->leases_waiting.count)
		next = cache->leases_waiting.head;
	while (next != NONE) {
		i = next;
		next = cache->lease_links[i].next; /* i may leave the list */
		l = &cache->leases[i];
		limit = aibrix__budget_limit(cache, l);
		if (limit && now_ns >= limit) {
			l->late |= aibrix__lease_good(l) < l->n;
			aibrix__lease_fail(cache, l, l->good, AIBRIX_E_TIMEOUT);
			aibrix__lease_settle(cache, l);
			aibrix__prefetch_over(cache, l);
		} else if (limit && limit < w->late_ns) {
			w->late_ns = limit;
		}
	}
}

uint64_t
aibrix__wait_ask(const aibrix_cache *cache)
{
	return cache->wait.fds.store >= 0 ? aibrix_store_wake(cache->l2)
					  : AIBRIX_FOREVER;
}

void
aibrix__wait_tell(aibrix_cache *cache, uint64_t wake_ns)
{
	struct waiting *w = &cache->wait;
	int earlier = wake_ns < w->wake_ns;

	w->wake_ns = wake_ns;
	if (earlier)
		due_earlier(w);
}

uint64_t
aibrix_cache_wake(aibrix_cache *cache)
{
	uint64_t wake_ns;

	if (!cache)
		return AIBRIX_FOREVER;
	aibrix__cache_enter(cache);
	wake_ns = cache->wait.wake_ns;
	if (cache->wait.late_ns < wake_ns)
		wake_ns = cache->wait.late_ns;
	aibrix__cache_leave(cache);
	return wake_ns;
}

/* ---- descriptors */

static void
sleeper_fds_open(const aibrix_cache *cache, struct wait_fds *fds)
{
	fds->store = aibrix_store_fd(cache->l2);
	if (fds->store < 0)
		return;
	fds->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fds->wake < 0)
		fds->store = -1; /* as if it had none */
}

static void
loop_fds_open(struct wait_fds *fds)
{
	struct epoll_event readable = {.events = EPOLLIN};

	fds->note = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fds->loop = epoll_create1(EPOLL_CLOEXEC);
	if (fds->note >= 0 && fds->loop >= 0 &&
	    !epoll_ctl(fds->loop, EPOLL_CTL_ADD, fds->store, &readable) &&
	    !epoll_ctl(fds->loop, EPOLL_CTL_ADD, fds->note, &readable))
		return;
	fd_close(&fds->note);
	fd_close(&fds->loop);
}

/* What is lacking, unless another thread has the store.  A process out of
 * descriptors does without. */
static void
fds_open(aibrix_cache *cache, int loop)
{
	struct waiting *w = &cache->wait;
	struct wait_fds fds = w->fds;
	int first = !w->tried;

	if (!aibrix__store_take(cache))
		return;
	aibrix__cache_unlock(cache);
	if (first)
		sleeper_fds_open(cache, &fds);
	if (loop && fds.store >= 0 && fds.loop < 0)
		loop_fds_open(&fds);
	aibrix__cache_enter(cache);
	w->fds = fds;
	w->tried = 1;
	if (first && fds.store >= 0) /* ask the store when it is due */
		w->wake_ns = 0;
	aibrix__store_give(cache);
}

/* ---- sleeping */

/* On the condition, for at most ns. */
static void
condition_sleep(aibrix_cache *cache, uint64_t ns)
{
	struct timespec until = timespec_of(monotonic_ns(NULL) + ns);

	pthread_cond_timedwait(&cache->wait.moved, &cache->mutex, &until);
}

/* At the descriptors; with the lock released. */
static void
watch(aibrix_cache *cache, uint64_t ns)
{
	struct waiting *w = &cache->wait;
	struct pollfd at[2] = {{.fd = w->fds.store, .events = POLLIN},
			       {.fd = w->fds.wake, .events = POLLIN}};
	struct timespec t = timespec_of(ns);
	uint64_t count;

	w->watching = 1;
	aibrix__cache_unlock(cache);
	if (ppoll(at, 2, &t, NULL) > 0 && at[1].revents)
		(void)!read(at[1].fd, &count, sizeof(count));
	aibrix__cache_enter(cache);
	w->watching = 0;
}

static uint64_t
time_read(const aibrix_cache *cache)
{
	return cache->wait.clock(cache->wait.clock_ctx);
}

void
aibrix__sleep_begin(const aibrix_cache *cache, struct sleep *sleep,
		    uint64_t now_ns, uint64_t timeout_ns)
{
	*sleep = (struct sleep){.begun_ns = now_ns,
				.timeout_ns = timeout_ns,
				.clock_ns = timeout_ns ? time_read(cache) : 0,
				.now_ns = now_ns,
				.nap_ns = NAP_FIRST_NS};
}

int
aibrix__sleep_over(const struct sleep *sleep)
{
	return sleep->now_ns - sleep->begun_ns >= sleep->timeout_ns;
}

/* How long from now until then, and no more than most. */
static uint64_t
time_until(uint64_t now_ns, uint64_t then_ns, uint64_t most_ns)
{
	if (then_ns <= now_ns)
		return 0;
	return then_ns - now_ns < most_ns ? then_ns - now_ns : most_ns;
}

/* Somebody else's clock may run faster than the one that naps go by. */
static uint64_t
nap_ns(const aibrix_cache *cache, const struct sleep *sleep)
{
	const struct waiting *w = &cache->wait;
	uint64_t ns = sleep->timeout_ns - (sleep->now_ns - sleep->begun_ns);
	uint64_t most_ns = UINT64_C(600) * SECOND_NS;

	if (w->clock != monotonic_ns)
		most_ns = 1000 * NAP_LAST_NS;
	ns = time_until(0, ns, most_ns);
	return time_until(sleep->now_ns, w->late_ns, ns);
}

void
aibrix__sleep_nap(aibrix_cache *cache, struct sleep *sleep, uint32_t *sleepers)
{
	struct waiting *w = &cache->wait;
	uint64_t ns = nap_ns(cache, sleep);

	++*sleepers;
	if (cache->driving) {
		w->wanted++;
		condition_sleep(cache, ns);
		w->wanted--;
	} else if (!w->tried) {
		fds_open(cache, 0);
	} else if (w->fds.store < 0) {
		condition_sleep(cache, time_until(0, sleep->nap_ns, ns));
		if (sleep->nap_ns < NAP_LAST_NS)
			sleep->nap_ns *= 2;
	} else if (w->watching) {
		condition_sleep(cache, ns);
	} else {
		watch(cache, time_until(sleep->now_ns, w->wake_ns, ns));
	}
	--*sleepers;
	aibrix__cache_unlock(cache);
	sleep->now_ns = sleep->begun_ns + time_read(cache) - sleep->clock_ns;
	aibrix__cache_enter(cache);
}

void
aibrix__sleep_end(aibrix_cache *cache)
{
	struct waiting *w = &cache->wait;

	if (w->pollers + w->waiters && !w->watching)
		pthread_cond_broadcast(&w->moved);
}

int
aibrix_cache_fd(aibrix_cache *cache)
{
	struct waiting *w;
	int fd;

	if (!cache || !cache->l2)
		return -1;
	w = &cache->wait;
	aibrix__cache_enter(cache);
	while (cache->driving) {
		w->wanted++;
		condition_sleep(cache, SECOND_NS);
		w->wanted--;
	}
	if (w->fds.loop < 0 && (!w->tried || w->fds.store >= 0))
		fds_open(cache, 1);
	fd = w->fds.loop;
	aibrix__cache_leave(cache);
	return fd;
}
