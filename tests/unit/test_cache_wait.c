#include "cache_tools.h"

#include <poll.h>
#include <pthread.h>

#include "store/store_faults.h"
#include "store_puppet.h"

#define MS UINT64_C(1000000)

/* A millisecond passes whenever it is read. */
static uint64_t
ticking(void *ctx)
{
	uint64_t *now = ctx;

	*now += MS;
	return *now;
}

static aibrix_cache *
ticking_cache(aibrix_store *store, uint64_t *now)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2 = store,
			       .clock = ticking,
			       .clock_ctx = now};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static int
readable(int fd)
{
	struct pollfd at = {.fd = fd, .events = POLLIN};

	return poll(&at, 1, 0) == 1;
}

Test(cache_wait, a_lease_is_waited_for_until_it_is_settled, .timeout = 20)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache;
	uint64_t lease, n = 9;

	store_blocks(store, 1, 20);
	cache = new_cache(32, store);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 30, 0, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 20);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK,
		     "again: at once");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 0, 1, &n),
		     AIBRIX_E_NOT_FOUND);
	check(cache);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, what_nobody_can_wait_for_is_told_at_once)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t lease, n = 9;

	cr_expect_eq(aibrix_cache_wait(NULL, 1, 0, 1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_wait(cache, 1, 0, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_wait(cache, 1, 0, 1, &n), AIBRIX_E_NOT_FOUND);
	cr_assert_eq(fill_blocks(cache, 1, 3, &lease), 3);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 3, "a reservation has its length");
	cr_expect_eq(aibrix_cache_fd(cache), -1);
	cr_expect_eq(aibrix_cache_fd(NULL), -1);
	cr_expect_eq(aibrix_cache_wake(cache), AIBRIX_FOREVER);
	cr_expect_eq(aibrix_cache_wake(NULL), AIBRIX_FOREVER);
	aibrix_cache_free(cache);
}

Test(cache_wait, who_stops_waiting_keeps_the_lease, .timeout = 20)
{
	static const struct store_fault slow[] = {
		{FAULT_DELAY, AIBRIX_STORE_GET, 0, 3, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;
	uint64_t lease, n = 9;

	store_blocks(store, 1, 2);
	aibrix__store_faults(store, slow, 1);
	cache = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 2, 0, 5, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 5, 5, &n), AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 4, 5, &n), AIBRIX_E_AGAIN);
	cr_expect_eq(n, 9);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 0, 5, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, a_wait_ends_with_the_leases_own_deadline, .timeout = 20)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_GET, 2, 0, 0}};
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, clock = 77;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, lost, 1);
	cache = ticking_cache(store, &clock);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 20 * MS, 1,
					  &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_geq(clock, 77 + 20 * MS);
	cr_expect_leq(clock, 77 + 23 * MS);
	check(cache);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, a_poll_ends_when_its_time_is_over, .timeout = 20)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_PROBE, 0, 0, 0}};
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, busy, clock = 0;
	aibrix_cache *cache;

	aibrix__store_faults(store, lost, 1);
	cache = ticking_cache(store, &clock);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 10 * MS, &busy), AIBRIX_OK);
	cr_expect_eq(busy, 1);
	cr_expect_geq(clock, 10 * MS);
	cr_expect_leq(clock, 13 * MS);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Answers with the fifth poll. */
static int
slow_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	  uint64_t timeout_ns, uint32_t *n)
{
	struct puppet *p = backend;

	while (p->polls >= 5 && p->n)
		puppet_end(p, 0, AIBRIX_E_NOT_FOUND, 0);
	return puppet_poll(backend, dones, cap, now_ns, timeout_ns, n);
}

Test(cache_wait, a_store_without_a_descriptor_is_asked_again, .timeout = 20)
{
	struct puppet p = new_puppet();
	aibrix_backend table = puppet_table();
	aibrix_store_opts o = {.value_bytes = VALUE};
	aibrix_store *store;
	aibrix_cache *cache;
	uint64_t lease, n = 9;

	table.poll = slow_poll;
	cr_assert_eq(puppet_store(&p, &table, o, &store), AIBRIX_OK);
	cache = new_cache(8, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 8, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_cache_fd(cache), -1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, the_descriptor_is_readable_while_poll_has_work)
{
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, busy = 1;
	aibrix_cache *cache;
	int fd;

	store_blocks(store, 1, 4);
	cache = new_cache(16, store);
	fd = aibrix_cache_fd(cache);
	cr_assert_geq(fd, 0);
	cr_expect_eq(aibrix_cache_fd(cache), fd, "always the same");
	settle_all(cache, 1);
	cr_expect_not(readable(fd));

	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	for (int i = 0; i < 20 && readable(fd); i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_expect_eq(busy, 0);
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 4);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, a_loop_is_told_what_another_call_has_settled)
{
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, busy = 1;
	aibrix_cache *cache;
	int fd;

	store_blocks(store, 1, 4);
	cache = new_cache(16, store);
	fd = aibrix_cache_fd(cache);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect(readable(fd));
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_expect_not(readable(fd));
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, a_loop_is_told_what_a_commit_has_queued)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(16, store);
	int fd = aibrix_cache_fd(cache);

	settle_all(cache, 1);
	cr_expect_not(readable(fd));
	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_expect_eq(stat_of(cache).l2_waiting, 4);
	cr_expect(readable(fd));
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).l2_written, 4);
	cr_expect_not(readable(fd));
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, wake_is_the_first_deadline_of_those_that_wait)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_PROBE, 0, 0, 0},
		{FAULT_DROP, AIBRIX_STORE_PROBE, 1, 0, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(16, store);
	uint64_t first, second, n, busy;

	aibrix__store_faults(store, lost, 2);
	cr_expect_eq(aibrix_cache_wake(cache), AIBRIX_FOREVER);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 1, 900, 1, &first, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(2), 1, 500, 1, &second, &n),
		AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_wake(cache), 500);
	cr_assert_eq(aibrix_cache_poll(cache, 500, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_state(cache, second, &n), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_wake(cache), 900);
	cr_assert_eq(aibrix_cache_poll(cache, 900, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_wake(cache), AIBRIX_FOREVER);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* As if another thread were at the store. */
static void
store_hold(aibrix_cache *cache)
{
	aibrix__cache_enter(cache);
	cr_assert(aibrix__store_take(cache));
	aibrix__cache_leave(cache);
}

static void
store_let_go(aibrix_cache *cache)
{
	aibrix__cache_enter(cache);
	aibrix__store_give(cache);
	aibrix__l2_drive(cache, 0, NULL, 1);
	aibrix__cache_leave(cache);
}

Test(cache_wait, work_for_a_store_that_is_taken_is_left_to_who_has_it)
{
	aibrix_store *store = new_store(16);
	aibrix_store_stat s = {.size = sizeof(s)};
	uint64_t lease, n;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	cache = new_cache(16, store);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	cr_assert_eq(s.inflight, 0);
	store_hold(cache);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(put_blocks(cache, 2, 3), 3);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	cr_expect_eq(s.inflight, 0, "nothing was submitted");

	store_let_go(cache);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	cr_expect_eq(s.inflight, 4, "a probe and three writes");
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 4);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_wait, a_deadline_holds_though_another_has_the_store, .timeout = 20)
{
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, clock = 0;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	cache = ticking_cache(store, &clock);
	store_hold(cache);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 4, 3 * MS, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	store_let_go(cache);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

struct waiter {
	aibrix_cache *cache;
	uint64_t lease, n;
	int err;
};

static void *
waiter_run(void *arg)
{
	struct waiter *w = arg;

	w->err = aibrix_cache_wait(w->cache, w->lease, 0, 1, &w->n);
	return NULL;
}

/* The store says nothing before it is told to, and nothing wakes by time. */
Test(cache_wait, a_lease_that_is_given_up_wakes_who_waits_for_it, .timeout = 20)
{
	struct puppet p = new_puppet();
	aibrix_backend table = puppet_table();
	aibrix_store_opts o = {.value_bytes = VALUE,
			       .timeout_ns = AIBRIX_FOREVER};
	struct waiter w = {.err = -1};
	pthread_t thread;
	aibrix_store *store;
	uint64_t n;

	table.cancel = puppet_cancel;
	cr_assert_eq(puppet_store(&p, &table, o, &store), AIBRIX_OK);
	w.cache = new_cache(8, store);
	cr_assert_eq(
		aibrix_cache_acquire(w.cache, chain(1), 1, 0, 1, &w.lease, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(pthread_create(&thread, NULL, waiter_run, &w), 0);
	cr_assert_eq(aibrix_cache_release(w.cache, w.lease), AIBRIX_OK);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_expect_eq(w.err, AIBRIX_E_NOT_FOUND);
	puppet_end(&p, 0, AIBRIX_E_NOT_FOUND, 0);
	settle_all(w.cache, 1);
	aibrix_cache_free(w.cache);
	aibrix_store_free(store);
}
