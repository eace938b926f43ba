/* Stores in a process that a timer interrupts some thousand times a second,
 * with a handler that asks for no restart: each call of the kernel that can
 * be interrupted is, from open to free.  Each request completes once, with
 * what a model says, and with its own bytes. */
#include "resp_tools.h"

#include <signal.h>
#include <sys/time.h>

#include <aibrix/shfs.h>

#include "base/rand.h"

enum {
	KEYS = 32,
	VALUE = 200000, /* of key i i bytes less */
	GUARD = 16,
	LEAST = 300, /* requests */
	SIGNALS = 300,
	PERIOD_US = 150
};

static volatile sig_atomic_t signals;

static void
on_alarm(int number)
{
	(void)number;
	signals++;
}

static void
storm(int on)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval timer = {
		.it_interval = {.tv_usec = on ? PERIOD_US : 0},
		.it_value = {.tv_usec = on ? PERIOD_US : 0}};

	cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
	cr_assert_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* One request at a time for each key, so that its end is known before. */
struct slot {
	char key[16];
	uint8_t *memory;
	aibrix_iov iov;
	uint64_t tag; /* 0: none under way */
	uint32_t op;
	int there; /* a value, when nothing is under way */
};

struct load {
	aibrix_store *store;
	struct slot slots[KEYS];
	uint64_t seed, submitted, completed;
};

static uint8_t
value_byte(uint32_t key, size_t i)
{
	return (uint8_t)(i * 131 + i / 251 + key * 17);
}

static void
slot_submit(struct load *l, uint32_t i)
{
	struct slot *s = &l->slots[i];
	uint32_t n = 0;
	aibrix_io io;

	s->op = (uint32_t)rand_below(&l->seed, 4);
	memset(s->memory, 0xee, VALUE + GUARD);
	for (size_t k = 0; s->op == AIBRIX_STORE_PUT && k < VALUE - i; k++)
		s->memory[k] = value_byte(i, k);
	s->iov = (aibrix_iov){s->memory, VALUE - i};
	s->tag = ++l->submitted;
	io = io_of(s->op, s->key, &s->iov, s->tag << 8 | i);
	io.priority = (uint32_t)rand_below(&l->seed, 3);
	cr_assert_eq(aibrix_store_submit(l->store, &io, 1, resp_now(), &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1);
}

static void
value_check(const struct slot *s, uint32_t i, const aibrix_done *done)
{
	cr_assert_eq(done->bytes, VALUE - i);
	for (size_t k = 0; k < VALUE - i; k++)
		if (s->memory[k] != value_byte(i, k))
			cr_assert(0, "key %u, byte %zu", i, k);
	for (size_t k = VALUE - i; k < VALUE + GUARD; k++)
		cr_assert_eq(s->memory[k], 0xee, "behind the value");
}

static void
slot_end(struct load *l, const aibrix_done *done)
{
	const uint32_t i = done->tag & 0xff;
	struct slot *s = &l->slots[i];
	const int good = s->there || s->op == AIBRIX_STORE_PUT;

	cr_assert_lt(i, KEYS);
	cr_assert_eq(done->tag >> 8, s->tag, "once, and the one under way");
	cr_assert_eq(done->status, good ? AIBRIX_OK : AIBRIX_E_NOT_FOUND,
		     "operation %u: %s, os error %d", s->op,
		     aibrix_error_name(done->status), done->os_error);
	if (s->op == AIBRIX_STORE_PUT)
		cr_assert_eq(done->flags, s->there ? AIBRIX_DONE_EXISTED : 0);
	else if (s->op == AIBRIX_STORE_GET && good)
		value_check(s, i, done);
	else if (s->op == AIBRIX_STORE_PROBE && good)
		cr_assert_eq(done->bytes, VALUE - i);
	if (s->op == AIBRIX_STORE_PUT)
		s->there = 1;
	else if (s->op == AIBRIX_STORE_DELETE)
		s->there = 0;
	s->tag = 0;
	l->completed++;
}

static void
load_poll(struct load *l)
{
	aibrix_done dones[8];
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_poll(l->store, dones, 8, resp_now(),
				       RESP_HANG_NS, &n),
		     AIBRIX_OK);
	cr_assert_gt(n, 0, "a signal is no end of the time");
	for (uint32_t k = 0; k < n; k++)
		slot_end(l, &dones[k]);
}

static void
load_run(struct load *l)
{
	const sig_atomic_t begin = signals;

	while (l->submitted < LEAST || signals - begin < SIGNALS) {
		const uint32_t i = (uint32_t)rand_below(&l->seed, KEYS);

		if (l->slots[i].tag)
			load_poll(l);
		else
			slot_submit(l, i);
	}
	while (l->completed < l->submitted)
		load_poll(l);
}

/* The same store twice: the second time with what the first one left. */
static void
store_storm(uint32_t backend, const char *path, uint32_t flags,
	    const void *backend_opts)
{
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = backend,
					.path = path,
					.capacity_bytes = 64 << 20,
					.value_bytes = VALUE,
					.flags = flags,
					.timeout_ns = RESP_HANG_NS,
					.seed = 1,
					.absent_ns = AIBRIX_FOREVER,
					.backend_opts = backend_opts};
	struct load l = {.seed = 5};

	for (uint32_t i = 0; i < KEYS; i++) {
		struct slot *s = &l.slots[i];

		snprintf(s->key, sizeof(s->key), "key-%u", i);
		s->memory = malloc(VALUE + GUARD);
		cr_assert_not_null(s->memory);
	}
	storm(1);
	for (int round = 0; round < 2; round++) {
		l.submitted = l.completed = 0;
		cr_assert_eq(aibrix_store_open(&opts, &l.store), AIBRIX_OK);
		load_run(&l);
		aibrix_store_free(l.store);
	}
	storm(0);
	cr_expect_geq(signals, 2 * SIGNALS);
	for (uint32_t i = 0; i < KEYS; i++)
		free(l.slots[i].memory);
}

Test(store_signals, redis_by_tcp)
{
	struct redis_server server = resp_server(NULL);

	store_storm(AIBRIX_BACKEND_RESP, resp_tcp(server.port).text, 0, NULL);
	redis_stop(&server);
}

Test(store_signals, redis_by_a_unix_socket)
{
	struct redis_server server = resp_server(NULL);
	char url[160];

	snprintf(url, sizeof(url), "unix://%s", server.socket);
	store_storm(AIBRIX_BACKEND_RESP, url, 0, NULL);
	redis_stop(&server);
}

/* By a name, which is looked up inside poll. */
Test(store_signals, redis_by_name)
{
	struct redis_server server = resp_server(NULL);
	char url[64];

	snprintf(url, sizeof(url), "redis://localhost:%d", server.port);
	store_storm(AIBRIX_BACKEND_RESP, url, 0, NULL);
	redis_stop(&server);
}

static void
file_storm(uint32_t flags)
{
	const struct temp_path path = temp_path_new();

	store_storm(AIBRIX_BACKEND_FILE, path.text, flags, NULL);
	temp_path_remove(path.text);
}

Test(store_signals, a_slot_file_on_a_ring)
{
	file_storm(0);
}

Test(store_signals, a_slot_file_with_blocking_calls)
{
	file_storm(AIBRIX_STORE_NO_RING);
}

Test(store_signals, a_slot_file_that_syncs)
{
	file_storm(AIBRIX_STORE_DURABLE);
	file_storm(AIBRIX_STORE_DURABLE | AIBRIX_STORE_NO_RING);
}

Test(store_signals, a_shared_directory)
{
	const aibrix_shfs_opts opts = {.size = sizeof(opts),
				       .conn_id = "signals"};
	const struct temp_path path = temp_path_new();

	store_storm(AIBRIX_BACKEND_SHFS, path.text, 0, &opts);
	temp_path_remove(path.text);
}
