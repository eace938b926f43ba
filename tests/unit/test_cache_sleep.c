/*
 * Threads that sleep are woken by what other threads do, and by nothing else:
 * the store's descriptor is never readable, and nothing is due.  A wake-up
 * that is lost shows as a test that does not end.
 */
#include "cache_tools.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store_puppet.h"

struct sleeper {
	aibrix_cache *cache;
	uint64_t lease, n;
	int err;
	pthread_t thread;
};

struct dormitory {
	struct puppet puppet;
	aibrix_backend table;
	aibrix_store *store;
	aibrix_cache *cache;
};

static int silent_fd = -1;

static int
puppet_fd(const void *backend)
{
	(void)backend;
	return silent_fd;
}

static void
dormitory_open(struct dormitory *d)
{
	const aibrix_store_opts o = {.value_bytes = VALUE,
				     .timeout_ns = AIBRIX_FOREVER};

	silent_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_geq(silent_fd, 0);
	d->puppet = new_puppet();
	d->table = puppet_table();
	d->table.cancel = puppet_cancel;
	d->table.fd = puppet_fd;
	d->table.wake = puppet_wake;
	cr_assert_eq(puppet_store(&d->puppet, &d->table, o, &d->store),
		     AIBRIX_OK);
	d->cache = new_cache(8, d->store);
}

static void
dormitory_close(struct dormitory *d)
{
	check(d->cache);
	aibrix_cache_free(d->cache);
	aibrix_store_free(d->store);
	close(silent_fd);
}

static void *
sleeper_run(void *arg)
{
	struct sleeper *s = arg;

	s->err = aibrix_cache_wait(s->cache, s->lease, 0, 1, &s->n);
	return NULL;
}

static void
lease_begin(struct dormitory *d, uint32_t c, uint64_t *lease)
{
	uint64_t n;

	cr_assert_eq(
		aibrix_cache_acquire(d->cache, chain(c), 1, 0, 1, lease, &n),
		AIBRIX_E_AGAIN);
}

/* With an end that is still to come: who sleeps since 1 counts real time, and
 * a busy machine may be late. */
static uint64_t
lease_with_end(struct dormitory *d, uint32_t c)
{
	uint64_t lease, n, end_ns = 50000000;
	int err;

	for (;;) {
		err = aibrix_cache_acquire(d->cache, chain(c), 1, end_ns, 1,
					   &lease, &n);
		if (err == AIBRIX_E_AGAIN)
			return lease;
		cr_assert_eq(err, AIBRIX_OK);
		cr_assert_eq(aibrix_cache_release(d->cache, lease), AIBRIX_OK);
		end_ns *= 2;
	}
}

/* Until so many sleep, one of them at the descriptors. */
static void
asleep_await(aibrix_cache *cache, uint32_t waiters)
{
	uint32_t asleep = 0, watching = 0;

	while (asleep != waiters || !watching) {
		sched_yield();
		aibrix__cache_enter(cache);
		asleep = cache->wait.waiters;
		watching = cache->wait.watching && !cache->driving;
		aibrix__cache_leave(cache);
	}
}

static void
sleeper_start(struct sleeper *s, struct dormitory *d, uint32_t c)
{
	*s = (struct sleeper){.cache = d->cache, .n = 9, .err = -1};
	lease_begin(d, c, &s->lease);
	cr_assert_eq(pthread_create(&s->thread, NULL, sleeper_run, s), 0);
}

static void
sleeper_end(struct sleeper *s, int err)
{
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	cr_expect_eq(s->err, err);
	cr_expect_eq(aibrix_cache_release(s->cache, s->lease),
		     err ? AIBRIX_E_NOT_FOUND : AIBRIX_OK);
}

/* One sleeps at the descriptors, one at the condition. */
Test(cache_sleep, who_polls_wakes_those_whose_leases_it_settles, .timeout = 20)
{
	struct dormitory d;
	struct sleeper a, b;
	uint64_t busy;

	dormitory_open(&d);
	sleeper_start(&a, &d, 1);
	asleep_await(d.cache, 1);
	sleeper_start(&b, &d, 2);
	asleep_await(d.cache, 2);
	puppet_end(&d.puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	puppet_end(&d.puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(aibrix_cache_poll(d.cache, 1, 0, &busy), AIBRIX_OK);
	sleeper_end(&a, AIBRIX_OK);
	sleeper_end(&b, AIBRIX_OK);
	dormitory_close(&d);
}

/* The watcher leaves; the other has to watch from now on. */
Test(cache_sleep, who_stops_watching_is_followed_by_another, .timeout = 20)
{
	struct dormitory d;
	struct sleeper a, b;
	uint64_t busy;

	dormitory_open(&d);
	sleeper_start(&a, &d, 1);
	asleep_await(d.cache, 1);
	sleeper_start(&b, &d, 2);
	asleep_await(d.cache, 2);
	cr_assert_eq(aibrix_cache_release(d.cache, a.lease), AIBRIX_OK);
	sleeper_end(&a, AIBRIX_E_NOT_FOUND);
	asleep_await(d.cache, 1);
	while (d.puppet.n)
		puppet_end(&d.puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(aibrix_cache_poll(d.cache, 1, 0, &busy), AIBRIX_OK);
	sleeper_end(&b, AIBRIX_OK);
	dormitory_close(&d);
}

/* It meant to sleep for ever; now a lease of somebody who does not wait has
 * an end that nobody else would look at. */
Test(cache_sleep, the_watcher_is_told_of_an_earlier_deadline, .timeout = 20)
{
	struct dormitory d;
	struct sleeper a;
	uint64_t lease, n = 9, busy;
	int err = AIBRIX_E_AGAIN;

	dormitory_open(&d);
	sleeper_start(&a, &d, 1);
	asleep_await(d.cache, 1);
	lease = lease_with_end(&d, 2);
	while (err == AIBRIX_E_AGAIN) {
		sched_yield();
		err = aibrix_cache_state(d.cache, lease, &n);
	}
	cr_expect_eq(err, AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_assert_eq(aibrix_cache_release(d.cache, lease), AIBRIX_OK);
	asleep_await(d.cache, 1);
	while (d.puppet.n)
		puppet_end(&d.puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(aibrix_cache_poll(d.cache, 1, 0, &busy), AIBRIX_OK);
	sleeper_end(&a, AIBRIX_OK);
	dormitory_close(&d);
}
