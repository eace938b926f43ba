/* The contract of submit and poll, on every backend. */

#include <poll.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <aibrix/store.h>

#include "base/rand.h"
#include "store/store_faults.h"
#include "store_tools.h"

/* No pointers: each test runs in a process of its own. */
struct backend_case {
	char name[12];
	uint32_t backend;
	uint32_t flags;
	uint32_t in_poll; /* requests begin inside poll, never in submit */
};

static struct backend_case cases[] = {
	{"mem", AIBRIX_BACKEND_MEM, 0, 1},
	{"file", AIBRIX_BACKEND_FILE, 0, 0},
	{"buffered", AIBRIX_BACKEND_FILE, AIBRIX_STORE_BUFFERED, 0},
	{"durable", AIBRIX_BACKEND_FILE, AIBRIX_STORE_DURABLE, 0},
	{"blocking", AIBRIX_BACKEND_FILE, AIBRIX_STORE_NO_RING, 1},
	{"shfs", AIBRIX_BACKEND_SHFS, 0, 1},
};

#define EACH_BACKEND(test)                                                     \
	ParameterizedTestParameters(store, test)                               \
	{                                                                      \
		return cr_make_param_array(struct backend_case, cases,         \
					   sizeof(cases) / sizeof(cases[0]));  \
	}                                                                      \
	ParameterizedTest(struct backend_case *c, store, test)

enum { VALUE = 64, SLOTS = 4 };

static struct temp_path path;

static aibrix_store *
new_store_with(const struct backend_case *c, aibrix_store_opts opts)
{
	aibrix_store *store = NULL;

	path = temp_path_new();
	opts.size = sizeof(opts);
	opts.backend = c->backend;
	opts.flags = c->flags;
	opts.path = path.text;
	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK, "%s",
		     c->name);
	return store;
}

static aibrix_store *
new_store(const struct backend_case *c)
{
	return new_store_with(c, (aibrix_store_opts){
					 .capacity_bytes = SLOTS * VALUE,
					 .value_bytes = VALUE,
					 .max_inflight = 8,
				 });
}

static void
end_store(aibrix_store *store)
{
	aibrix_store_free(store);
	temp_path_remove(path.text);
}

EACH_BACKEND(what_was_put_is_got_and_deleted_is_gone)
{
	aibrix_store *store = new_store(c);
	aibrix_done done;
	char text[65];

	done = store_put(store, "key", "value");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 5);
	cr_expect_eq(done.flags, 0);
	cr_expect_eq(done.tag, 1);
	done = store_get(store, "key", text, sizeof(text));
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 5);
	cr_expect_str_eq(text, "value");
	done = store_ask(store, AIBRIX_STORE_PROBE, "key");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 5);

	cr_expect_eq(store_ask(store, AIBRIX_STORE_DELETE, "key").status,
		     AIBRIX_OK);
	cr_expect_eq(store_get(store, "key", text, 65).status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "key").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_DELETE, "key").status,
		     AIBRIX_E_NOT_FOUND);
	end_store(store);
}

EACH_BACKEND(put_keeps_the_value_that_is_there)
{
	aibrix_store *store = new_store(c);
	aibrix_done done;
	char text[65];

	store_put(store, "key", "first");
	done = store_put(store, "key", "second");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(done.bytes, 0, "nothing was written");
	store_get(store, "key", text, sizeof(text));
	cr_expect_str_eq(text, "first");
	cr_expect_eq(store_stat(store).existed, 1);
	end_store(store);
}

EACH_BACKEND(value_is_gathered_and_scattered_over_pieces)
{
	aibrix_store *store = new_store(c);
	char a[] = "ab", b[] = "cdefg", x[4] = "", y[1], z[9] = "";
	aibrix_iov put[] = {{a, 2}, {NULL, 0}, {b, 5}};
	aibrix_iov get[] = {{x, 3}, {y, 1}, {z, 8}};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "key", put, 0);

	io.n_iov = 3;
	cr_expect_eq(store_do(store, &io).bytes, 7);
	io = io_of(AIBRIX_STORE_GET, "key", get, 0);
	io.n_iov = 3;
	cr_expect_eq(store_do(store, &io).status, AIBRIX_OK);
	cr_expect_str_eq(x, "abc");
	cr_expect_eq(y[0], 'd');
	cr_expect_str_eq(z, "efg");
	end_store(store);
}

EACH_BACKEND(
	value_longer_than_the_buffer_is_told_and_longer_than_the_store_refused)
{
	aibrix_store *store = new_store(c);
	aibrix_done done;
	char text[VALUE + 2], buf[4];

	memset(text, 'x', sizeof(text));
	text[VALUE + 1] = '\0';
	cr_expect_eq(store_put(store, "long", text).status, AIBRIX_E_INVAL);
	text[VALUE] = '\0';
	cr_expect_eq(store_put(store, "long", text).status, AIBRIX_OK);
	done = store_get(store, "long", buf, sizeof(buf));
	cr_expect_eq(done.status, AIBRIX_E_SPACE);
	cr_expect_eq(done.bytes, VALUE);
	cr_expect_eq(buf[0], '\0');
	end_store(store);
}

EACH_BACKEND(an_empty_value_is_a_value)
{
	aibrix_store *store = new_store(c);
	aibrix_done done;
	char text[2];

	cr_expect_eq(store_put(store, "key", "").status, AIBRIX_OK);
	done = store_get(store, "key", text, 1);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 0);
	end_store(store);
}

EACH_BACKEND(keys_of_every_length_are_told_apart)
{
	static const uint32_t lengths[] = {1, 15, 16, 17, 511, 512};
	aibrix_store *store = new_store_with(
		c, (aibrix_store_opts){.capacity_bytes = 16 * VALUE,
				       .value_bytes = VALUE});
	char key[513], text[65], value[8];

	for (size_t i = 0; i < 12; i++) {
		memset(key, 'k', sizeof(key));
		key[lengths[i / 2]] = '\0';
		key[lengths[i / 2] - 1] = "ab"[i % 2];
		snprintf(value, sizeof(value), "%zu", i);
		cr_assert_eq(store_put(store, key, value).status, AIBRIX_OK);
	}
	for (size_t i = 0; i < 12; i++) {
		memset(key, 'k', sizeof(key));
		key[lengths[i / 2]] = '\0';
		key[lengths[i / 2] - 1] = "ab"[i % 2];
		snprintf(value, sizeof(value), "%zu", i);
		cr_assert_eq(store_get(store, key, text, 65).status, AIBRIX_OK);
		cr_expect_str_eq(text, value);
	}
	end_store(store);
}

EACH_BACKEND(the_value_used_longest_ago_makes_room)
{
	aibrix_store *store = new_store(c);
	char text[65];

	if (c->backend == AIBRIX_BACKEND_SHFS) {
		end_store(store); /* about: test_store_shfs_sweep.c */
		return;
	}
	store_put(store, "a", "1");
	store_put(store, "b", "2");
	store_put(store, "c", "3");
	store_put(store, "d", "4");
	store_get(store, "a", text, sizeof(text));
	store_put(store, "b", "again");
	store_ask(store, AIBRIX_STORE_PROBE, "c"); /* is no use */
	store_put(store, "e", "5");

	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "c").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "a").status, 0);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "b").status, 0);
	cr_expect_eq(store_stat(store).evictions, 1);
	cr_expect_eq(store_stat(store).values, 4);
	cr_expect_eq(store_stat(store).capacity_values, 4);
	end_store(store);
}

EACH_BACKEND(lower_priority_numbers_are_served_first)
{
	aibrix_store *store = new_store(c);
	aibrix_io ios[4];
	aibrix_done dones[4];
	uint32_t n;

	for (uint32_t i = 0; i < 4; i++) {
		ios[i] = io_of(AIBRIX_STORE_PROBE, "key", NULL, i);
		ios[i].priority = 3 - i;
	}
	cr_assert_eq(aibrix_store_submit(store, ios, 4, 0, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(store, dones, 3, 0, 0, &n), AIBRIX_OK);
	cr_assert_eq(n, 3, "one poll does no more than it is asked for");
	cr_expect_eq(dones[0].tag, 3);
	cr_expect_eq(dones[1].tag, 2);
	cr_expect_eq(dones[2].tag, 1);
	end_store(store);
}

EACH_BACKEND(submit_takes_a_prefix_and_tells_why_only_when_it_is_empty)
{
	aibrix_store *store = new_store(c);
	aibrix_io ios[10];
	uint32_t n = 77;

	for (uint32_t i = 0; i < 10; i++)
		ios[i] = io_of(AIBRIX_STORE_PROBE, "key", NULL, i);
	ios[3].flags = 1;
	cr_expect_eq(aibrix_store_submit(store, ios, 10, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	n = 77;
	cr_expect_eq(aibrix_store_submit(store, ios + 3, 7, 0, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(n, 77, "an error leaves the output alone");
	cr_expect_eq(aibrix_store_submit(store, ios + 4, 6, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 5, "max_inflight is 8");
	cr_expect_eq(store_stat(store).inflight, 8);
	n = 77;
	cr_expect_eq(aibrix_store_submit(store, ios + 4, 1, 0, &n),
		     AIBRIX_E_FULL);
	cr_expect_eq(n, 77);
	cr_expect_eq(aibrix_store_submit(store, ios, 0, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	end_store(store);
}

EACH_BACKEND(malformed_requests_are_refused)
{
	aibrix_store *store = new_store(c);
	char buf[8];
	aibrix_iov good = {buf, 8}, null = {NULL, 8};
	aibrix_iov wraps[2] = {{buf, UINT64_MAX}, {buf, 2}};
	aibrix_io get = io_of(AIBRIX_STORE_GET, "key", &good, 0);
	aibrix_io bad[13];
	uint32_t n;

	for (size_t i = 0; i < 13; i++)
		bad[i] = get;
	bad[0].key = NULL;
	bad[1].key_bytes = 0;
	bad[2].key_bytes = 513;
	bad[3].op = 4;
	bad[4].priority = 4;
	bad[5].n_iov = 0;
	bad[6].n_iov = 65;
	bad[7].iov = NULL;
	bad[8].iov = &null;
	bad[9].iov = wraps;
	bad[9].n_iov = 2;
	bad[10].op = AIBRIX_STORE_PROBE;
	bad[11].spare = 1;
	bad[12].spare2 = 1;
	for (size_t i = 0; i < 13; i++)
		cr_expect_eq(aibrix_store_submit(store, &bad[i], 1, 0, &n),
			     AIBRIX_E_INVAL, "bad[%zu]", i);
	cr_expect_eq(aibrix_store_submit(store, &get, 1, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_store_submit(store, NULL, 1, 0, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_store_poll(store, NULL, 1, 0, 0, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(store_stat(store).inflight, 0);
	end_store(store);
}

/* So many completions. */
static void
poll_all(aibrix_store *store, aibrix_done *dones, uint32_t want, uint64_t now)
{
	uint32_t n, got = 0;

	while (got < want) {
		cr_assert_eq(aibrix_store_poll(store, dones + got, want - got,
					       now, STORE_TOOLS_WAIT, &n),
			     0);
		cr_assert_gt(n, 0);
		got += n;
	}
}

EACH_BACKEND(a_request_that_is_late_ends_without_service)
{
	aibrix_store *store = new_store_with(
		c, (aibrix_store_opts){.capacity_bytes = SLOTS * VALUE,
				       .value_bytes = VALUE,
				       .timeout_ns = 100});
	char buf[8] = "";
	aibrix_iov iov = {buf, 8};
	aibrix_io ios[2] = {io_of(AIBRIX_STORE_PUT, "key", &iov, 7),
			    io_of(AIBRIX_STORE_PUT, "key", &iov, 8)};
	aibrix_done dones[2];
	uint32_t n;

	ios[0].deadline_ns = c->in_poll ? 0 : 999;
	ios[1].deadline_ns = AIBRIX_FOREVER;
	cr_assert_eq(aibrix_store_submit(store, ios, 2, 1000, &n), AIBRIX_OK);
	poll_all(store, dones, 2, 1100);
	cr_expect_eq(dones[0].tag, 7);
	cr_expect_eq(dones[0].status, AIBRIX_E_TIMEOUT, "the default passed");
	cr_expect_eq(dones[1].tag, 8);
	cr_expect_eq(dones[1].status, AIBRIX_OK);
	cr_expect_eq(dones[1].flags, 0, "the late one did not write");
	cr_expect_eq(store_stat(store).timeouts, 1);
	end_store(store);
}

EACH_BACKEND(a_late_request_does_not_wait_behind_those_of_higher_priority)
{
	aibrix_store *store = new_store(c);
	aibrix_io ios[2] = {io_of(AIBRIX_STORE_PROBE, "key", NULL, 0),
			    io_of(AIBRIX_STORE_PROBE, "key", NULL, 1)};
	aibrix_done done;
	uint32_t n;

	if (!c->in_poll)
		ios[1].deadline_ns = 1; /* late when it is submitted */
	else
		ios[1].deadline_ns = 10;
	ios[1].priority = AIBRIX_PRIORITY_BACKGROUND;
	cr_assert_eq(aibrix_store_submit(store, ios, 2, 1, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 10, 0, &n), AIBRIX_OK);
	cr_expect_eq(done.tag, 1);
	cr_expect_eq(done.status, AIBRIX_E_TIMEOUT);
	end_store(store);
}

EACH_BACKEND(a_cancelled_request_completes_once_and_is_not_served)
{
	aibrix_store *store = new_store(c);
	char buf[8] = "";
	aibrix_iov iov = {buf, 8};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "key", &iov, 9);
	aibrix_done dones[2];
	uint32_t n;

	cr_expect_eq(aibrix_store_cancel(store, 9), AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_store_submit(store, &io, 1, 0, &n), AIBRIX_OK);
	cr_expect_eq(aibrix_store_cancel(store, 9), AIBRIX_OK);
	cr_expect_eq(aibrix_store_cancel(store, 9), AIBRIX_OK);
	cr_assert_eq(
		aibrix_store_poll(store, dones, 2, 0, STORE_TOOLS_WAIT, &n),
		AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(dones[0].tag, 9);
	cr_expect_eq(dones[0].status, AIBRIX_E_CANCELED);
	cr_expect_eq(aibrix_store_cancel(store, 9), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_stat(store).values, 0);
	end_store(store);
}

static int
fd_is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

EACH_BACKEND(descriptor_is_readable_while_poll_has_work)
{
	aibrix_store *store = new_store(c);
	aibrix_io ios[2] = {io_of(AIBRIX_STORE_PROBE, "key", NULL, 0),
			    io_of(AIBRIX_STORE_PROBE, "key", NULL, 1)};
	int fd = aibrix_store_fd(store);
	aibrix_done done;
	uint32_t n;

	cr_assert_geq(fd, 0);
	cr_expect(!fd_is_readable(fd));
	cr_assert_eq(aibrix_store_submit(store, ios, 2, 0, &n), AIBRIX_OK);
	cr_expect(fd_is_readable(fd));
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), AIBRIX_OK);
	cr_expect(fd_is_readable(fd));
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), AIBRIX_OK);
	cr_expect(!fd_is_readable(fd));
	end_store(store);
}

/* A clock that a blocking poll moves by reading it. */
static uint64_t
ticking(void *ctx)
{
	uint64_t *now = ctx;

	return *now += 10;
}

EACH_BACKEND(blocking_poll_ends_with_its_time_and_with_the_deadline)
{
	static const struct store_fault drop[] = {
		{.kind = FAULT_DROP, .op = AIBRIX_STORE_PROBE, .at = 0}};
	uint64_t now = 5000;
	aibrix_store *store =
		new_store_with(c, (aibrix_store_opts){.capacity_bytes = VALUE,
						      .value_bytes = VALUE,
						      .clock = ticking,
						      .clock_ctx = &now});
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, "key", NULL, 3);
	aibrix_done done;
	uint32_t n = 77;

	aibrix__store_faults(store, drop, 1);
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 1000, &n), 0);
	cr_expect_eq(n, 0, "nothing is in flight");
	io.deadline_ns = 500;
	cr_assert_eq(aibrix_store_submit(store, &io, 1, 0, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 300, &n), 0);
	cr_expect_eq(n, 0, "the time is over");
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 300, 300, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(done.status, AIBRIX_E_TIMEOUT);
	end_store(store);
}

EACH_BACKEND(scripted_faults_hit_the_request_they_name)
{
	static const struct store_fault script[] = {
		{.kind = FAULT_STATUS,
		 .op = AIBRIX_STORE_GET,
		 .at = 1,
		 .status = AIBRIX_E_IO},
		{.kind = FAULT_CORRUPT,
		 .op = AIBRIX_STORE_GET,
		 .at = 2,
		 .arg = 1},
		{.kind = FAULT_DELAY,
		 .op = AIBRIX_STORE_PROBE,
		 .at = 0,
		 .arg = 2},
	};
	aibrix_store *store = new_store(c);
	aibrix_io probe = io_of(AIBRIX_STORE_PROBE, "key", NULL, 0);
	aibrix_done done;
	char text[65];
	uint32_t n;

	store_put(store, "key", "abc");
	aibrix__store_faults(store, script, 3);
	cr_expect_eq(store_get(store, "key", text, 65).status, AIBRIX_OK);
	done = store_get(store, "key", text, 65);
	cr_expect_eq(done.status, AIBRIX_E_IO);
	cr_expect_neq(done.os_error, 0);
	cr_expect_eq(store_get(store, "key", text, 65).status, AIBRIX_OK);
	cr_expect_eq(text[0], 'a');
	cr_expect_eq(text[1], (char)~'b');
	cr_expect_eq(text[2], 'c');
	cr_expect_eq(store_get(store, "key", text, 65).status, AIBRIX_OK);
	cr_expect_str_eq(text, "abc");

	cr_assert_eq(aibrix_store_submit(store, &probe, 1, 0, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), 0);
		cr_expect_eq(n, i == 2);
	}
	cr_expect_eq(store_stat(store).errors, 1);
	end_store(store);
}

/* What is put may be read-only memory, or shared: no script writes there. */
EACH_BACKEND(scripted_corruption_leaves_a_writers_memory_alone)
{
	static const struct store_fault script[] = {
		{.kind = FAULT_CORRUPT, .op = AIBRIX_STORE_PUT, .arg = 1}};
	aibrix_store *store = new_store(c);
	char value[] = "abc", text[65];
	aibrix_iov iov = {value, 3};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "key", &iov, 0);

	aibrix__store_faults(store, script, 1);
	cr_expect_eq(store_do(store, &io).status, AIBRIX_OK);
	cr_expect_str_eq(value, "abc");
	store_get(store, "key", text, sizeof(text));
	cr_expect_str_eq(text, "abc");
	end_store(store);
}

enum { STEPS = 4000, INFLIGHT = 8 };

struct ledger {
	uint8_t pending[STEPS]; /* by tag */
	uint64_t accepted, polled;
};

static void
ledger_poll(struct ledger *l, aibrix_store *store, uint32_t cap, uint64_t now,
	    uint64_t wait)
{
	aibrix_done dones[INFLIGHT];
	uint32_t n;

	cr_assert_eq(aibrix_store_poll(store, dones, cap, now, wait, &n), 0);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert_lt(dones[i].tag, STEPS);
		cr_assert(l->pending[dones[i].tag], "exactly once");
		l->pending[dones[i].tag] = 0;
	}
	l->polled += n;
}

EACH_BACKEND(accepted_equals_polled_under_faults_cancels_and_deadlines)
{
	static struct ledger l;
	struct store_fault script[64];
	aibrix_store *store = new_store(c);
	uint64_t seed = 11, now = 1;
	char buf[VALUE] = "";
	char key[] = "a";
	aibrix_iov iov = {buf, VALUE};

	memset(&l, 0, sizeof(l));
	for (uint32_t i = 0; i < 64; i++)
		script[i] = (struct store_fault){.kind = 1 + i % 4,
						 .op = i / 4 % 4,
						 .at = 5 + 7 * i,
						 .arg = i % 5,
						 .status = AIBRIX_E_IO};
	aibrix__store_faults(store, script, 64);
	for (uint32_t tag = 0; tag < STEPS; tag++) {
		aibrix_io io = io_of(rand_below(&seed, 4), key, &iov, tag);
		uint32_t n = 0;

		key[0] = (char)('a' + rand_below(&seed, 6));
		io.priority = rand_below(&seed, 4);
		io.deadline_ns = now + rand_below(&seed, 30);
		if (aibrix_store_submit(store, &io, 1, now, &n) == 0) {
			l.pending[tag] = 1;
			l.accepted++;
		}
		if (rand_below(&seed, 8) == 0)
			(void)!aibrix_store_cancel(store,
						   rand_below(&seed, tag + 1));
		if (rand_below(&seed, 2))
			ledger_poll(&l, store, rand_below(&seed, INFLIGHT), now,
				    c->in_poll ? 0 : 1000000);
		now += rand_below(&seed, 3);
	}
	for (uint32_t i = 0; i < 40; i++)
		ledger_poll(&l, store, INFLIGHT, now + 1000,
			    c->in_poll ? 0 : STORE_TOOLS_WAIT);
	cr_expect_eq(l.accepted, l.polled);
	cr_expect_gt(l.accepted, STEPS / 2);
	cr_expect_eq(store_stat(store).inflight, 0);
	end_store(store);
}

EACH_BACKEND(free_with_requests_in_flight_gives_everything_back)
{
	aibrix_store *store = new_store(c);
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, "key", NULL, 0);
	uint32_t n;

	cr_assert_eq(aibrix_store_submit(store, &io, 1, 0, &n), AIBRIX_OK);
	end_store(store); /* AddressSanitizer's build sees what is left */
}

EACH_BACKEND(counters_say_what_happened)
{
	aibrix_store *store = new_store(c);
	aibrix_store_stat stat;
	char text[65];

	store_put(store, "a", "four");
	store_put(store, "a", "four");
	store_get(store, "a", text, 65);
	store_get(store, "b", text, 65);
	store_ask(store, AIBRIX_STORE_PROBE, "a");
	store_ask(store, AIBRIX_STORE_DELETE, "a");
	stat = store_stat(store);
	cr_expect_eq(stat.puts, 2);
	cr_expect_eq(stat.existed, 1);
	cr_expect_eq(stat.written_bytes, 4);
	cr_expect_eq(stat.gets, 2);
	cr_expect_eq(stat.hits, 1);
	cr_expect_eq(stat.read_bytes, 4);
	cr_expect_eq(stat.probes, 1);
	cr_expect_eq(stat.deletes, 1);
	cr_expect_eq(stat.errors, 0);
	cr_expect_eq(stat.values, 0);
	cr_expect_eq(stat.value_bytes, VALUE);
	stat.size = 3;
	cr_expect_eq(aibrix_store_stats(store, &stat), AIBRIX_E_INVAL);
	end_store(store);
}

EACH_BACKEND(options_that_hold_no_value_are_refused)
{
	aibrix_store_opts good = {.size = sizeof(good),
				  .backend = c->backend,
				  .path = "/dev/null/nothing",
				  .capacity_bytes = VALUE,
				  .value_bytes = VALUE};
	aibrix_store_opts bad[6] = {good, good, good, good, good, good};
	aibrix_store *store = NULL;

	bad[0].capacity_bytes = VALUE - 1;
	bad[1].value_bytes = UINT64_MAX;
	bad[1].capacity_bytes = UINT64_MAX;
	bad[2].max_inflight = UINT32_MAX;
	bad[3].backend = 99;
	bad[4].size = 3;
	bad[5].value_bytes = 1;
	bad[5].capacity_bytes = UINT64_MAX;
	/* Files have no number of slots that could be too large. */
	for (size_t i = 0; i < (c->backend == AIBRIX_BACKEND_SHFS ? 5 : 6); i++)
		cr_expect_eq(aibrix_store_open(&bad[i], &store), AIBRIX_E_INVAL,
			     "%s bad[%zu]", c->name, i);
	good.flags = 1u << 31;
	cr_expect_eq(aibrix_store_open(&good, &store), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_store_open(&good, NULL), AIBRIX_E_INVAL);
	cr_expect_null(store);
}

Test(store, null_stores_are_harmless)
{
	aibrix_done done;
	uint32_t n;

	aibrix_store_free(NULL);
	cr_expect_eq(aibrix_store_submit(NULL, NULL, 0, 0, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_store_poll(NULL, &done, 1, 0, 0, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_store_cancel(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_store_fd(NULL), -1);
}
