/* The Redis and Valkey backend on servers that have names: who looks them up,
 * and that nobody waits for it.  The host is the test: it keeps the calls that
 * it is given and does them when the test says so. */
#include "resp_tools.h"

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "fake_server.h"

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

/* No resolver is asked for it: a label has 63 bytes at most. */
#define NOBODY                                                                 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aa"

enum { CALLS = 16 };

struct call {
	void (*fn)(void *arg);
	void *arg;
};

struct host {
	struct call calls[CALLS];
	uint32_t n, asked;
	int refuses;
	int at_once; /* in the call itself */
	uint64_t now;
	aibrix_store *store;
	struct fake *fake;
	uint32_t told[2]; /* lines of the log: lost, back */
};

static int
host_run(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct host *h = ctx;

	h->asked++;
	if (h->refuses)
		return 1;
	if (h->at_once) {
		fn(arg);
		return 0;
	}
	cr_assert_lt(h->n, CALLS);
	h->calls[h->n++] = (struct call){fn, arg};
	return 0;
}

static void *
call_thread(void *arg)
{
	const struct call *call = arg;

	call->fn(call->arg);
	return NULL;
}

/* The oldest call, on a thread that ends before this returns. */
static void
host_work(struct host *h)
{
	pthread_t thread;

	cr_assert_gt(h->n, 0);
	cr_assert_eq(pthread_create(&thread, NULL, call_thread, &h->calls[0]),
		     0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	memmove(&h->calls[0], &h->calls[1], --h->n * sizeof(h->calls[0]));
}

static uint64_t
host_clock(void *ctx)
{
	const struct host *h = ctx;

	return h->now;
}

static void
host_log(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	struct host *h = ctx;

	(void)level;
	(void)text;
	h->told[0] += code == 121;
	h->told[1] += code == 122;
}

/* The host lends threads when it is asked to: lends. */
static void
store_open(struct host *h, const char *url, const aibrix_resp_opts *resp,
	   int lends)
{
	const aibrix_log log = {.size = sizeof(log),
				.level = AIBRIX_LOG_INFO,
				.ctx = h,
				.fn = host_log};
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.clock = host_clock,
					.clock_ctx = h,
					.seed = 1,
					.log = &log,
					.absent_ns = AIBRIX_FOREVER,
					.run = lends ? host_run : NULL,
					.run_ctx = h,
					.backend_opts = resp};

	h->now += SECOND_NS;
	cr_assert_eq(aibrix_store_open(&opts, &h->store), AIBRIX_OK);
}

/* A server that has "key", and a store on it by this name. */
static void
host_open(struct host *h, const char *name, int lends)
{
	char url[256];

	h->fake = fake_start(&(struct fake_opts){.manual = 1});
	fake_put(h->fake, "key", 3, "value", 5);
	snprintf(url, sizeof(url), "redis://%s:%d", name, fake_port(h->fake));
	store_open(h, url, NULL, lends);
}

static void
host_close(struct host *h)
{
	aibrix_store_free(h->store);
	if (h->fake)
		fake_stop(h->fake);
}

static void
get_submit(struct host *h, char *text, aibrix_iov *iov, uint64_t deadline_ns)
{
	aibrix_io io;
	uint32_t n = 0;

	memset(text, 0, 8);
	*iov = (aibrix_iov){text, 7};
	io = io_of(AIBRIX_STORE_GET, "key", iov, 1);
	io.deadline_ns = deadline_ns;
	cr_assert_eq(aibrix_store_submit(h->store, &io, 1, h->now, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1);
}

/* What can be done at this instant: 1 completion, or 0. */
static uint32_t
turn(struct host *h, aibrix_done *done)
{
	uint32_t n = 0;

	for (int i = 0; i < 50 && n == 0; i++) {
		if (h->fake)
			fake_turn(h->fake);
		cr_assert_eq(
			aibrix_store_poll(h->store, done, 1, h->now, 0, &n),
			AIBRIX_OK);
	}
	return n;
}

static int
get_status(struct host *h, char *text, uint64_t deadline_ns)
{
	aibrix_done done = {.status = AIBRIX_E_STATE};
	aibrix_iov iov;

	get_submit(h, text, &iov, deadline_ns);
	for (int i = 0; i < 10 && !turn(h, &done); i++)
		h->now += 10 * MS_NS;
	return done.status;
}

Test(store_names, a_store_is_opened_and_asked_without_waiting_for_a_name)
{
	struct host h = {0};
	struct pollfd readable = {.events = POLLIN};
	aibrix_done done;
	aibrix_iov iov;
	char text[8];

	host_open(&h, "localhost", 1);
	cr_expect_eq(h.n, 1, "the host has it");
	cr_expect_eq(aibrix_store_caps(h.store) & AIBRIX_CAP_BLOCKING, 0);
	readable.fd = aibrix_store_fd(h.store);
	get_submit(&h, text, &iov, 0);
	cr_expect_eq(turn(&h, &done), 0);
	cr_expect_eq(fake_accepted(h.fake), 0);
	cr_expect_eq(poll(&readable, 1, 0), 0);
	cr_expect_leq(aibrix_store_wake(h.store), h.now + SECOND_NS,
		      "no longer than a connection may take");
	host_work(&h);
	cr_expect_eq(poll(&readable, 1, 0), 1, "it wakes up who waits");
	cr_assert_eq(turn(&h, &done), 1);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	cr_expect_eq(h.asked, 1);
	host_close(&h);
}

Test(store_names, a_call_that_the_host_does_at_once_is_as_good)
{
	struct host h = {.at_once = 1};
	char text[8];

	host_open(&h, "localhost", 1);
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_OK);
	cr_expect_eq(h.asked, 1);
	host_close(&h);
}

Test(store_names, a_name_that_nobody_has_is_a_miss_and_asked_for_again)
{
	struct host h = {0};
	aibrix_done done;
	aibrix_iov iov;
	char text[8];

	host_open(&h, NOBODY, 1);
	get_submit(&h, text, &iov, 0);
	cr_expect_eq(turn(&h, &done), 0);
	host_work(&h);
	cr_expect_eq(turn(&h, &done), 0, "it is tried once more");
	h.now += 100 * MS_NS;
	cr_expect_eq(turn(&h, &done), 0);
	host_work(&h);
	cr_assert_eq(turn(&h, &done), 1);
	cr_expect_eq(done.status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(h.told[0], 1, "said once");
	cr_expect_eq(resp_node(h.store).failures, 2);
	host_close(&h);
}

Test(store_names, addresses_and_paths_need_no_lookup)
{
	static const char *const urls[] = {
		"redis://127.0.0.1:1", "redis://127.1:1", "redis://[::1]:1",
		"redis://127.0.0.1:1,127.0.0.2:1", "unix:///tmp/nobody"};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct host h = {0};
		char text[8];

		store_open(&h, urls[i], NULL, 1);
		cr_expect_neq(get_status(&h, text, 0), AIBRIX_E_STATE);
		cr_expect_eq(h.asked, 0, "%s", urls[i]);
		host_close(&h);
		store_open(&h, urls[i], NULL, 0);
		cr_expect_eq(aibrix_store_caps(h.store) & AIBRIX_CAP_BLOCKING,
			     0, "%s", urls[i]);
		host_close(&h);
	}
}

Test(store_names, without_threads_a_name_is_looked_up_inside_poll)
{
	struct host h = {0};
	aibrix_done done;
	aibrix_iov iov;
	char text[8];

	host_open(&h, "localhost", 0);
	cr_expect_eq(aibrix_store_caps(h.store) & AIBRIX_CAP_BLOCKING,
		     AIBRIX_CAP_BLOCKING, "which says so");
	get_submit(&h, text, &iov, 0);
	fake_turn(h.fake);
	cr_expect_eq(fake_accepted(h.fake), 0, "not inside submit");
	cr_expect_leq(aibrix_store_wake(h.store), h.now, "poll is due");
	cr_assert_eq(turn(&h, &done), 1);
	cr_expect_eq(done.status, AIBRIX_OK);
	host_close(&h);
}

Test(store_names, so_it_is_when_the_host_refuses)
{
	struct host h = {.refuses = 1};
	char text[8];

	host_open(&h, "localhost", 1);
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_OK);
	cr_expect_gt(h.asked, 1, "asked each time");
	host_close(&h);
	h = (struct host){.refuses = 1};
	host_open(&h, NOBODY, 1);
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_E_UNAVAILABLE);
	host_close(&h);
}

Test(store_names, a_late_lookup_costs_a_connection_and_is_used_when_it_comes)
{
	struct host h = {0};
	aibrix_done done;
	aibrix_iov iov;
	char text[8];

	host_open(&h, "localhost", 1);
	get_submit(&h, text, &iov, AIBRIX_FOREVER);
	cr_expect_eq(turn(&h, &done), 0);
	h.now = aibrix_store_wake(h.store);
	cr_expect_eq(h.now, 2 * SECOND_NS, "a second after it was asked");
	cr_expect_eq(turn(&h, &done), 0, "it is tried once more");
	h.now += 100 * MS_NS;
	cr_assert_eq(turn(&h, &done), 1, "at once");
	cr_expect_eq(done.status, AIBRIX_E_TIMEOUT);
	cr_expect_eq(h.asked, 1, "and nobody is asked a second time");
	cr_expect_eq(h.told[0], 1);
	host_work(&h);
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	cr_expect_eq(h.told[1], 1);
	host_close(&h);
}

Test(store_names, a_deadline_ends_who_waits_for_a_name)
{
	struct host h = {0};
	aibrix_done done;
	aibrix_iov iov;
	char text[8];

	host_open(&h, "localhost", 1);
	get_submit(&h, text, &iov, h.now + 20 * MS_NS);
	cr_expect_eq(turn(&h, &done), 0);
	cr_expect_eq(aibrix_store_wake(h.store), h.now + 20 * MS_NS);
	h.now += 20 * MS_NS;
	cr_assert_eq(turn(&h, &done), 1);
	cr_expect_eq(done.status, AIBRIX_E_TIMEOUT);
	get_submit(&h, text, &iov, 0);
	cr_assert_eq(aibrix_store_cancel(h.store, 1), AIBRIX_OK);
	cr_assert_eq(turn(&h, &done), 1);
	cr_expect_eq(done.status, AIBRIX_E_CANCELED);
	host_work(&h);
	host_close(&h);
}

Test(store_names, a_name_is_looked_up_again_when_its_addresses_fail)
{
	struct host h = {0};
	char text[8];

	host_open(&h, "localhost", 1);
	host_work(&h);
	fake_refuse(h.fake, 1);
	for (int i = 0; i < 8 && h.asked < 2; i++)
		(void)get_status(&h, text, h.now + 50 * MS_NS);
	cr_expect_geq(h.asked, 2);
	fake_refuse(h.fake, 0);
	host_work(&h);
	h.now += 60 * SECOND_NS;
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_OK);
	host_close(&h);
}

Test(store_names, no_more_than_eight_names_at_a_time)
{
	enum { HOSTS = 12 };
	struct host h = {0};
	char url[HOSTS * 24] = "redis://";
	aibrix_store_node nodes[HOSTS];
	aibrix_done done;
	uint32_t n = 0, left = 0;

	for (int i = 0; i < HOSTS; i++)
		snprintf(url + strlen(url), sizeof(url) - strlen(url),
			 "%slocalhost:%d", i ? "," : "", i + 1);
	store_open(&h, url, NULL, 1);
	cr_expect_eq(h.n, 8);
	for (int i = 0; i < 200; i++) {
		char key[16];
		aibrix_io io;

		snprintf(key, sizeof(key), "key%d", i);
		io = io_of(AIBRIX_STORE_PROBE, key, NULL, (uint64_t)i);
		io.deadline_ns = h.now + 500 * MS_NS;
		cr_assert_eq(aibrix_store_submit(h.store, &io, 1, h.now, &n),
			     AIBRIX_OK);
		left += n;
	}
	cr_expect_eq(h.n, 8);
	while (h.n) {
		host_work(&h);
		while (turn(&h, &done))
			left--;
		cr_expect_leq(h.n, 8);
	}
	cr_expect_geq(h.asked, HOSTS, "each had its turn");
	h.now += SECOND_NS;
	while (turn(&h, &done))
		left--;
	cr_expect_eq(left, 0);
	cr_assert_eq(aibrix_store_nodes(h.store, nodes, HOSTS, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		cr_expect_gt(nodes[i].failures, 0, "%s", nodes[i].name);
	while (h.n)
		host_work(&h);
	host_close(&h);
}

/* ---- the end of a store */

Test(store_names, a_store_waits_for_a_lookup_before_it_is_gone)
{
	for (int i = 0; i < 50; i++) {
		struct host h = {0};
		pthread_t thread;
		aibrix_iov iov;
		char text[8];

		host_open(&h, i % 2 ? "localhost" : NOBODY, 1);
		get_submit(&h, text, &iov, 0);
		cr_assert_eq(h.n, 1);
		cr_assert_eq(
			pthread_create(&thread, NULL, call_thread, &h.calls[0]),
			0);
		/* Before, within or after it: the slot is the thread's. */
		host_close(&h);
		cr_assert_eq(pthread_join(thread, NULL), 0);
	}
}

Test(store_names, a_child_frees_without_waiting)
{
	struct host h = {0};
	int status = -1;
	pid_t pid;

	host_open(&h, "localhost", 1);
	pid = fork();
	if (pid == 0) {
		/* Would hang: no thread of the child does the call. */
		alarm(20);
		aibrix_store_free(h.store);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	host_work(&h);
	host_close(&h);
}

/* ---- maps */

static void
meta_put(struct host *h, const char *addr, int port)
{
	char json[256];
	int n = snprintf(json, sizeof(json),
			 "{\"nodes\": [{\"name\": \"a\", \"addr\": \"%s\", "
			 "\"port\": %d, \"slots\": [{\"start\": 0, "
			 "\"end\": 9}]}]}",
			 addr, port);

	fake_put(h->fake, "nodes", 5, json, (size_t)n);
}

static int
meta_probe(struct host *h)
{
	aibrix_done done = {.status = AIBRIX_E_STATE};
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, "0123456789abcdef", NULL, 1);
	uint32_t n = 0;

	io.deadline_ns = h->now + 50 * MS_NS;
	cr_assert_eq(aibrix_store_submit(h->store, &io, 1, h->now, &n),
		     AIBRIX_OK);
	for (int i = 0; i < 10 && !turn(h, &done); i++)
		h->now += 10 * MS_NS;
	return done.status;
}

Test(store_names, an_answer_for_a_member_that_has_gone_is_nobodys)
{
	const aibrix_resp_opts resp = {.size = sizeof(resp),
				       .meta_key = "nodes",
				       .meta_ns = SECOND_NS};
	struct host h = {0};
	aibrix_store_node nodes[2];
	aibrix_done done;
	uint32_t n = 0;
	char url[64];

	h.fake = fake_start(&(struct fake_opts){.manual = 1});
	fake_put(h.fake, "0123456789abcdef", 16, "value", 5);
	snprintf(url, sizeof(url), "redis://localhost:%d", fake_port(h.fake));
	store_open(&h, url, &resp, 1);
	/* The metadata's own server comes first. */
	cr_expect_eq(meta_probe(&h), AIBRIX_E_UNAVAILABLE);
	meta_put(&h, NOBODY, 7);
	host_work(&h);
	cr_expect_eq(turn(&h, &done), 0);
	cr_expect_eq(meta_probe(&h), AIBRIX_E_TIMEOUT, "it has no address yet");
	cr_assert_eq(h.n, 1);
	/* Another one has its place and name meanwhile. */
	meta_put(&h, "127.0.0.1", fake_port(h.fake));
	h.now += 2 * SECOND_NS;
	cr_expect_eq(turn(&h, &done), 0);
	cr_expect_eq(meta_probe(&h), AIBRIX_OK);
	host_work(&h);
	cr_expect_eq(meta_probe(&h), AIBRIX_OK);
	cr_assert_eq(aibrix_store_nodes(h.store, nodes, 2, &n), AIBRIX_OK);
	cr_assert_eq(n, 2);
	cr_expect_eq(nodes[0].calls, 2);
	cr_expect_eq(nodes[0].failures, 0);
	host_close(&h);
}

Test(store_names, metadata_behind_a_name_that_nobody_has_is_asked_for_elsewhere)
{
	const aibrix_resp_opts resp = {.size = sizeof(resp),
				       .meta_key = "nodes"};
	struct host h = {0};
	aibrix_done done;
	char url[256];

	h.fake = fake_start(&(struct fake_opts){.manual = 1});
	fake_put(h.fake, "0123456789abcdef", 16, "value", 5);
	meta_put(&h, "127.0.0.1", fake_port(h.fake));
	snprintf(url, sizeof(url), "redis://" NOBODY ":7,127.0.0.1:%d",
		 fake_port(h.fake));
	for (int late = 0; late < 2; late++) {
		h.n = 0;
		store_open(&h, url, &resp, 1);
		cr_expect_eq(turn(&h, &done), 0);
		cr_expect_eq(meta_probe(&h), AIBRIX_E_UNAVAILABLE);
		cr_assert_eq(h.n, 1);
		if (late) {
			h.now += SECOND_NS;
			cr_expect_eq(turn(&h, &done), 0);
		}
		host_work(&h);
		cr_expect_eq(turn(&h, &done), 0);
		cr_expect_eq(meta_probe(&h), AIBRIX_OK, "late %d", late);
		while (h.n)
			host_work(&h);
		aibrix_store_free(h.store);
	}
	fake_stop(h.fake);
}

Test(store_names, a_cluster_is_found_by_a_name)
{
	struct fake_slots slots = {0, 16383, 0};
	struct host h = {0};
	aibrix_done done;
	char text[8], url[64];

	h.fake = fake_start(&(struct fake_opts){
		.manual = 1, .slots = &slots, .n_slots = 1});
	slots.port = fake_port(h.fake);
	fake_set_slots(h.fake, &slots, 1);
	fake_put(h.fake, "key", 3, "value", 5);
	snprintf(url, sizeof(url), "redis-cluster://localhost:%d", slots.port);
	store_open(&h, url, NULL, 1);
	cr_expect_eq(get_status(&h, text, h.now + 50 * MS_NS),
		     AIBRIX_E_TIMEOUT);
	cr_assert_eq(h.n, 1);
	host_work(&h);
	cr_expect_eq(turn(&h, &done), 0);
	cr_expect_eq(get_status(&h, text, 0), AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	host_close(&h);
}
