/* A queue with threads, one step at a time: the test decides when the host's
 * thread comes.  Real threads are in stress_store. */

#include <poll.h>

#include <criterion/criterion.h>

#include <aibrix/store.h>

#include "failing.h"
#include "store/store_queue.h"
#include "store_tools.h"

enum { JOBS = 16 };

/* A host whose threads come when the test says so. */
struct host {
	void (*fn[JOBS])(void *arg);
	void *arg[JOBS];
	uint32_t n;
	int refuses, at_once;
};

static int
host_run(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct host *host = ctx;

	if (host->refuses)
		return 1;
	if (host->at_once) {
		fn(arg);
		return 0;
	}
	cr_assert_lt(host->n, JOBS);
	host->fn[host->n] = fn;
	host->arg[host->n++] = arg;
	return 0;
}

static void
host_work(struct host *host)
{
	for (uint32_t i = 0; i < host->n; i++)
		host->fn[i](host->arg[i]);
	host->n = 0;
}

/* A backend that answers with the length of the key. */
struct echo {
	struct queue queue;
	const aibrix_backend_conf *conf;
	uint64_t served;
};

static void
echo_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct echo *echo = backend;

	echo->served++;
	done->bytes = io->key_bytes;
}

static void
echo_publish(void *backend)
{
	struct echo *echo = backend;

	echo->conf->stat->values = echo->served;
}

static void
echo_close(void *backend)
{
	struct echo *echo = backend;

	aibrix__queue_close(&echo->queue);
	free(echo);
}

static int
echo_open(const aibrix_backend_conf *conf, void **backend)
{
	struct echo *echo = calloc(1, sizeof(*echo));
	int err;

	cr_assert(echo);
	echo->conf = conf;
	err = aibrix__queue_open_threads(&echo->queue, conf, echo, echo_serve,
					 echo_publish);
	if (err)
		echo_close(echo);
	else
		*backend = echo;
	return err;
}

static const aibrix_backend echo_table = {
	.size = sizeof(echo_table),
	.caps = AIBRIX_CAP_BLOCKING,
	.open = echo_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.close = echo_close,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.wake = aibrix__queue_wake,
};

static aibrix_store *
new_store(struct host *host)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = &echo_table,
				  .max_inflight = 32,
				  .run = host_run,
				  .run_ctx = host};
	aibrix_store *store = NULL;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	return store;
}

static uint32_t
submit(aibrix_store *store, const char *key, uint64_t tag, uint64_t deadline)
{
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, key, NULL, tag);
	uint32_t n = 0;

	io.deadline_ns = deadline;
	cr_assert_eq(aibrix_store_submit(store, &io, 1, 0, &n), AIBRIX_OK);
	return n;
}

static int
readable(const aibrix_store *store)
{
	struct pollfd p = {.fd = aibrix_store_fd(store), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

Test(store_queue, what_a_thread_has_done_is_handed_out_by_poll)
{
	struct host host = {0};
	aibrix_store *store = new_store(&host);
	aibrix_done done;
	uint32_t n;

	submit(store, "four", 7, AIBRIX_FOREVER);
	cr_expect_eq(host.n, 1);
	cr_expect_not(readable(store), "nothing is done");
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), 0);
	cr_expect_eq(n, 0);
	host_work(&host);
	cr_expect(readable(store));
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(done.tag, 7);
	cr_expect_eq(done.bytes, 4);
	cr_expect_eq(store_stat(store).values, 1, "published");
	cr_expect_not(readable(store));
	aibrix_store_free(store);
}

Test(store_queue, threads_are_asked_for_up_to_the_bound)
{
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f",
					   "g", "h", "i", "j", "k", "l"};
	struct host host = {0};
	aibrix_store *store = new_store(&host);
	aibrix_done dones[12];
	uint32_t n;

	for (uint32_t i = 0; i < 12; i++)
		submit(store, keys[i], i, AIBRIX_FOREVER);
	cr_expect_eq(host.n, QUEUE_WORKERS);
	host_work(&host);
	cr_assert_eq(aibrix_store_poll(store, dones, 12, 0, 0, &n), 0);
	cr_expect_eq(n, 12, "a worker stays while there is something to do");
	aibrix_store_free(store);
}

Test(store_queue, what_waits_for_a_thread_ends_by_cancel_and_deadline)
{
	struct host host = {0};
	aibrix_store *store = new_store(&host);
	aibrix_done dones[4];
	uint32_t n;

	submit(store, "a", 1, 100);
	submit(store, "b", 2, 5000);
	submit(store, "c", 3, 6000);
	cr_expect_eq(aibrix_store_wake(store), 100);
	cr_assert_eq(aibrix_store_cancel(store, 2), AIBRIX_OK);
	cr_expect(readable(store));
	cr_assert_eq(aibrix_store_poll(store, dones, 4, 100, 0, &n), 0);
	cr_assert_eq(n, 2);
	cr_expect_eq(dones[0].tag, 2);
	cr_expect_eq(dones[0].status, AIBRIX_E_CANCELED);
	cr_expect_eq(dones[1].tag, 1);
	cr_expect_eq(dones[1].status, AIBRIX_E_TIMEOUT);
	host_work(&host);
	cr_assert_eq(aibrix_store_poll(store, dones, 4, 101, 0, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(dones[0].tag, 3);
	aibrix_store_free(store);
}

Test(store_queue, poll_serves_while_the_host_refuses_threads)
{
	struct host host = {.refuses = 1};
	aibrix_store *store = new_store(&host);
	aibrix_done done;
	uint32_t n;

	submit(store, "four", 1, AIBRIX_FOREVER);
	cr_expect(readable(store), "poll has something to do");
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(done.bytes, 4);
	host.refuses = 0;
	submit(store, "four", 2, AIBRIX_FOREVER);
	cr_expect_eq(host.n, 1);
	host_work(&host);
	aibrix_store_free(store);
}

Test(store_queue, a_host_may_do_the_work_at_once)
{
	struct host host = {.at_once = 1};
	aibrix_store *store = new_store(&host);
	aibrix_done done;
	uint32_t n;

	submit(store, "four", 1, AIBRIX_FOREVER);
	cr_expect(readable(store));
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 1000, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(done.bytes, 4);
	aibrix_store_free(store);
}

Test(store_queue, scripts_work_with_threads_too)
{
	static const struct store_fault script[] = {{.kind = FAULT_DELAY,
						     .op = AIBRIX_STORE_PROBE,
						     .at = 0,
						     .arg = 2},
						    {.kind = FAULT_STATUS,
						     .op = AIBRIX_STORE_PROBE,
						     .at = 1,
						     .status = AIBRIX_E_IO}};
	struct host host = {0};
	aibrix_store *store = new_store(&host);
	aibrix_done dones[2];
	uint32_t n, sum = 0;

	aibrix__store_faults(store, script, 2);
	submit(store, "a", 1, AIBRIX_FOREVER);
	submit(store, "b", 2, AIBRIX_FOREVER);
	for (uint32_t i = 0; i < 4; i++) {
		host_work(&host);
		cr_assert_eq(aibrix_store_poll(store, dones, 2, 0, 0, &n), 0);
		sum += n;
		if (n)
			cr_expect_eq(dones[0].status, i ? 0 : AIBRIX_E_IO);
	}
	cr_expect_eq(sum, 2);
	aibrix_store_free(store);
}
