/*
 * Many requests at once: ends, deadlines, cancels, closes, and whose memory
 * it is.
 *
 * The content and length of a value follow from its key's number, so that
 * any GET that succeeds can be checked whatever went on beside it.
 */
#define _GNU_SOURCE

#include "conform/conform_checks.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conform/conform_tools.h"

enum { FLIGHTS = 48, KEYS = 48 };

/* One request, from submission to completion, and its memory after it. */
struct flight {
	struct memory memory;
	struct name name;
	aibrix_io io;
	uint64_t number; /* of the key */
	uint64_t began;  /* instant */
	int busy, canceled, hurried;
};

/* What is known of a key.  Instants are counts of starts and ends. */
struct key_state {
	uint64_t put_at;     /* a PUT began or ended last */
	uint64_t deleted_at; /* a DELETE ended with no PUT beside it, or 0 */
	uint32_t putting;    /* PUTs under way */
	int unsure;          /* a PUT was broken off: it may yet come true */
};

struct many {
	struct conform *c;
	struct flight flights[FLIGHTS];
	/* What flights before these had, given back late: a store that still
	 * writes into it is found out, and writes into memory that is there. */
	struct memory ended[FLIGHTS];
	uint32_t n_ended;
	struct key_state keys[KEYS];
	uint64_t instant;
	uint32_t busy;
	uint64_t base; /* of the keys' numbers */
};

static uint64_t
bytes_of(const struct conform *c, uint64_t number)
{
	static const uint64_t some[] = {1, 100, 4096, 5000, 70000};
	uint64_t most = c->target->value_bytes;
	uint64_t bytes = number % 6 == 5 ? most : some[number % 6];

	return bytes < most ? bytes : most;
}

static void
many_free(struct many *m)
{
	for (int i = 0; i < FLIGHTS; i++) {
		memory_free(&m->flights[i].memory);
		memory_free(&m->ended[i]);
	}
	free(m);
}

/* Memory whose request has ended is nobody's but ours. */
static int
memory_is_untouched(struct many *m, const struct memory *memory)
{
	WANT(m->c, !memory->base || memory_is_poison(memory),
	     "memory was written after its request had ended");
	WANT(m->c, !memory->base || guards_are_whole(memory),
	     "a byte beside a request's memory was written");
	return CHECK_PASSED;
}

/* That of an ended flight is watched for as many flights as there are. */
static int
memory_keep(struct many *m, struct memory *memory)
{
	struct memory *ended = &m->ended[m->n_ended++ % FLIGHTS];

	STEP(memory_is_untouched(m, memory));
	STEP(memory_is_untouched(m, ended));
	memory_free(ended);
	*ended = *memory;
	memory->base = NULL;
	return CHECK_PASSED;
}

static int
all_are_untouched(struct many *m)
{
	for (int i = 0; i < FLIGHTS; i++) {
		STEP(memory_is_untouched(m, &m->flights[i].memory));
		STEP(memory_is_untouched(m, &m->ended[i]));
	}
	return CHECK_PASSED;
}

static int
flight_prepare(struct many *m, struct flight *f, uint32_t op, uint64_t key)
{
	struct conform *c = m->c;

	STEP(memory_keep(m, &f->memory));
	f->number = m->base + key;
	f->name = name_of(c, f->number);
	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		STEP(memory_new(c, &f->memory, bytes_of(c, f->number)));
		if (op == AIBRIX_STORE_PUT)
			memory_write(&f->memory, f->number);
	}
	f->io = request_of(c, op, &f->name, f->memory.base ? &f->memory : NULL);
	f->canceled = f->hurried = 0;
	return CHECK_PASSED;
}

/* Submit; *taken says whether the store had room. */
static int
flight_start(struct many *m, struct flight *f, int *taken)
{
	struct key_state *key = &m->keys[f->number - m->base];
	uint32_t n = 0;
	int status =
		aibrix_store_submit(m->c->store, &f->io, 1, conform_now(), &n);

	WANT(m->c, !status || status == AIBRIX_E_FULL, "submit: %s",
	     aibrix_strerror(status));
	*taken = !status && n == 1;
	if (!*taken) {
		if (f->memory.base)
			memory_poison(&f->memory);
		return CHECK_PASSED;
	}
	f->busy = 1;
	f->began = ++m->instant;
	m->busy++;
	if (f->io.op == AIBRIX_STORE_PUT) {
		key->put_at = f->began;
		key->putting++;
	}
	return CHECK_PASSED;
}

static struct flight *
flight_of(struct many *m, uint64_t tag)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (m->flights[i].busy && m->flights[i].io.tag == tag)
			return &m->flights[i];
	return NULL;
}

/* May this request have come to this? */
static int
status_is_possible(const struct flight *f, int32_t status)
{
	switch (status) {
	case AIBRIX_OK:
	case AIBRIX_E_FULL:
	case AIBRIX_E_UNAVAILABLE: return 1;
	case AIBRIX_E_NOT_FOUND: return f->io.op != AIBRIX_STORE_PUT;
	case AIBRIX_E_CANCELED: return f->canceled;
	case AIBRIX_E_TIMEOUT: return f->hurried;
	default: return 0;
	}
}

static int
get_end(struct many *m, const struct flight *f, const aibrix_done *done)
{
	const struct key_state *key = &m->keys[f->number - m->base];
	int deleted = key->deleted_at && f->began > key->deleted_at &&
		      key->put_at < key->deleted_at && !key->unsure;

	if (done->status)
		return CHECK_PASSED;
	WANT(m->c,
	     done->bytes == bytes_of(m->c, f->number) &&
		     memory_holds(&f->memory, f->number, done->bytes),
	     "a GET gave other bytes");
	WANT(m->c, !deleted, "a GET found what had been deleted before it");
	return CHECK_PASSED;
}

static void
key_end(struct many *m, const struct flight *f, int32_t status)
{
	struct key_state *key = &m->keys[f->number - m->base];

	m->instant++;
	if (f->io.op == AIBRIX_STORE_PUT) {
		key->putting--;
		key->put_at = m->instant;
		key->unsure |= status == AIBRIX_E_TIMEOUT ||
			       status == AIBRIX_E_CANCELED ||
			       status == AIBRIX_E_UNAVAILABLE;
	}
	if (f->io.op == AIBRIX_STORE_DELETE &&
	    (!status || status == AIBRIX_E_NOT_FOUND) && !key->putting &&
	    key->put_at < f->began)
		key->deleted_at = m->instant;
}

static int
flight_end(struct many *m, const aibrix_done *done)
{
	struct flight *f = flight_of(m, done->tag);
	struct conform *c = m->c;

	WANT(c, f, "a completion for no request, or the second for one");
	WANT(c, status_is_possible(f, done->status),
	     "operation %u: %s, errno %d", f->io.op,
	     aibrix_strerror(done->status), done->os_error);
	if (f->io.op == AIBRIX_STORE_GET)
		STEP(get_end(m, f, done));
	if (f->io.op == AIBRIX_STORE_PUT)
		WANT(c, memory_holds(&f->memory, f->number, f->memory.usable),
		     "a PUT changed its own memory");
	key_end(m, f, done->status);
	f->busy = 0;
	m->busy--;
	if (f->memory.base)
		memory_poison(&f->memory);
	return CHECK_PASSED;
}

static int
many_poll(struct many *m, uint32_t cap)
{
	aibrix_done dones[FLIGHTS];
	uint32_t n = 0;
	int status = aibrix_store_poll(m->c->store, dones, cap, conform_now(),
				       0, &n);

	WANT(m->c, !status, "poll: %s", aibrix_strerror(status));
	WANT(m->c, n <= cap, "poll gave more than it was asked for");
	for (uint32_t i = 0; i < n; i++)
		STEP(flight_end(m, &dones[i]));
	return CHECK_PASSED;
}

static int
many_finish(struct many *m)
{
	while (m->busy) {
		aibrix_done done;

		STEP(request_await(m->c, &done, 1));
		STEP(flight_end(m, &done));
	}
	return all_are_untouched(m);
}

/* All flights at once, of one operation. */
static int
many_start(struct many *m, uint32_t op, uint64_t n_keys, uint64_t deadline_ns)
{
	for (int i = 0; i < FLIGHTS; i++) {
		struct flight *f = &m->flights[i];
		int taken;

		if (f->busy)
			continue;
		STEP(flight_prepare(m, f, op, (uint64_t)i % n_keys));
		f->io.deadline_ns = deadline_ns;
		f->hurried = deadline_ns != 0;
		STEP(flight_start(m, f, &taken));
	}
	return CHECK_PASSED;
}

static int
with_many(struct conform *c, uint64_t base, int (*body)(struct many *m))
{
	struct many *m = calloc(1, sizeof(*m));
	int verdict;

	WANT(c, m, "no memory for the check itself");
	m->c = c;
	m->base = base;
	verdict = body(m);
	/* Memory that the store may still write must outlive it. */
	if (verdict) {
		aibrix_store_free(c->store);
		c->store = NULL;
	}
	many_free(m);
	return verdict;
}

int
check_submit_takes_a_prefix(struct conform *c)
{
	struct name name = name_of(c, 1000);
	aibrix_io ios[40];
	aibrix_done dones[40];
	uint32_t taken = 99, again = 99;
	int status;

	for (int i = 0; i < 40; i++)
		ios[i] = request_of(c, AIBRIX_STORE_PROBE, &name, NULL);
	ios[5].key_bytes = 0; /* malformed */
	status = aibrix_store_submit(c->store, ios, 40, conform_now(), &taken);
	WANT(c, !status && taken == 5, "five good, one bad: %s, took %u",
	     aibrix_strerror(status), taken);
	status = aibrix_store_submit(c->store, ios + 5, 1, conform_now(),
				     &again);
	WANT(c, status == AIBRIX_E_INVAL, "a malformed one alone: %s",
	     aibrix_strerror(status));
	STEP(request_await(c, dones, 5));
	for (uint32_t i = 0; i < 5; i++)
		WANT(c,
		     dones[i].tag >= ios[0].tag && dones[i].tag <= ios[4].tag,
		     "a request ended that was not taken");
	/* 16 are the most. */
	ios[5].key_bytes = NAME_BYTES;
	status = aibrix_store_submit(c->store, ios, 40, conform_now(), &taken);
	WANT(c, !status && taken >= 1 && taken <= 16, "forty at once: %s, %u",
	     aibrix_strerror(status), taken);
	status = aibrix_store_submit(c->store, ios + 20, 1, conform_now(),
				     &again);
	WANT(c, taken < 16 || status == AIBRIX_E_FULL, "one more: %s",
	     aibrix_strerror(status));
	return request_await(c, dones, status ? taken : taken + again);
}

static int
each_ends(struct many *m)
{
	STEP(many_start(m, AIBRIX_STORE_PUT, KEYS, 0));
	STEP(many_finish(m));
	for (int round = 0; round < 4; round++) {
		STEP(many_start(m, AIBRIX_STORE_GET, KEYS, 0));
		STEP(many_finish(m));
		STEP(many_start(m, AIBRIX_STORE_PROBE, KEYS, 0));
		STEP(many_finish(m));
	}
	return CHECK_PASSED;
}

int
check_each_request_ends_once(struct conform *c)
{
	return with_many(c, 1100, each_ends);
}

int
check_a_quiet_store_is_quiet(struct conform *c)
{
	struct name name = name_of(c, 1200);
	aibrix_done done;
	aibrix_io io;
	uint32_t n = 99;
	int status;

	/* Nothing under way: poll has nothing to wait for. */
	status = aibrix_store_poll(c->store, &done, 1, conform_now(),
				   UINT64_C(1000000), &n);
	WANT(c, !status && !n, "poll of an idle store: %s, %u",
	     aibrix_strerror(status), n);
	io = request_of(c, AIBRIX_STORE_PROBE, &name, NULL);
	STEP(request_do(c, &io, &done));
	WANT(c, aibrix_store_cancel(c->store, io.tag) == AIBRIX_E_NOT_FOUND,
	     "what has ended can be cancelled");
	status = aibrix_store_poll(c->store, &done, 1, conform_now(), 0, &n);
	WANT(c, !status && !n, "a request ended twice");
	return CHECK_PASSED;
}

static int
late_ones(struct many *m)
{
	struct conform *c = m->c;
	aibrix_store_stat stat = {.size = sizeof(stat)};
	aibrix_done done;

	/* Over before it began: nothing is done. */
	STEP(many_start(m, AIBRIX_STORE_PUT, FLIGHTS, 1));
	while (m->busy) {
		STEP(request_await(c, &done, 1));
		WANT(c, done.status == AIBRIX_E_TIMEOUT,
		     "a PUT whose time was over: %s",
		     aibrix_strerror(done.status));
		STEP(flight_end(m, &done));
	}
	WANT(c, !aibrix_store_stats(c->store, &stat), "no statistics");
	WANT(c, stat.timeouts >= FLIGHTS / 2, "time-outs are not counted");
	STEP(many_start(m, AIBRIX_STORE_PROBE, FLIGHTS, 0));
	while (m->busy) {
		STEP(request_await(c, &done, 1));
		WANT(c, done.status == AIBRIX_E_NOT_FOUND,
		     "it was done all the same: %s",
		     aibrix_strerror(done.status));
		STEP(flight_end(m, &done));
	}
	/* Over while it is under way: either way, but once. */
	STEP(many_start(m, AIBRIX_STORE_PUT, KEYS, 0));
	STEP(many_finish(m));
	for (uint64_t us = 1; us < 3000; us += us) {
		STEP(many_start(m, AIBRIX_STORE_GET, KEYS,
				conform_now() + us * 1000));
		STEP(many_finish(m));
	}
	return CHECK_PASSED;
}

int
check_a_late_request_times_out(struct conform *c)
{
	return with_many(c, 1300, late_ones);
}

static int
cancelled_ones(struct many *m)
{
	struct conform *c = m->c;

	WANT(c, aibrix_store_cancel(c->store, 0) == AIBRIX_E_NOT_FOUND,
	     "a request that there is not was cancelled");
	for (int round = 0; round < 6; round++) {
		uint32_t op = round % 2 ? AIBRIX_STORE_GET : AIBRIX_STORE_PUT;

		STEP(many_start(m, op, KEYS, 0));
		if (round >= 2)
			STEP(many_poll(m, 1 + (uint32_t)round));
		for (int i = 0; i < FLIGHTS; i++) {
			struct flight *f = &m->flights[i];

			if (!f->busy || i % 3 == 0)
				continue;
			f->canceled = 1;
			WANT(c, !aibrix_store_cancel(c->store, f->io.tag),
			     "a request under way cannot be cancelled");
		}
		STEP(many_finish(m));
	}
	/* The store is none the worse for it. */
	STEP(many_start(m, AIBRIX_STORE_PUT, KEYS, 0));
	STEP(many_finish(m));
	STEP(many_start(m, AIBRIX_STORE_GET, KEYS, 0));
	return many_finish(m);
}

int
check_a_cancelled_request_ends(struct conform *c)
{
	return with_many(c, 1400, cancelled_ones);
}

static int
one_key(struct many *m)
{
	static const uint32_t ops[] = {AIBRIX_STORE_PUT,    AIBRIX_STORE_GET,
				       AIBRIX_STORE_PROBE,  AIBRIX_STORE_GET,
				       AIBRIX_STORE_DELETE, AIBRIX_STORE_PUT};

	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < FLIGHTS; i++) {
			struct flight *f = &m->flights[i];
			int taken;

			STEP(flight_prepare(m, f, ops[i % 6],
					    4 /* 70000 bytes */));
			STEP(flight_start(m, f, &taken));
		}
		STEP(many_finish(m));
	}
	return CHECK_PASSED;
}

int
check_one_key_many_requests(struct conform *c)
{
	return with_many(c, 1500, one_key);
}

/* Old values may go; new ones may be refused; nothing else may happen. */
int
check_more_than_fits_is_no_fault(struct conform *c)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};
	uint64_t n, errors;

	WANT(c, !aibrix_store_stats(c->store, &stat), "no statistics");
	errors = stat.errors;
	if (!stat.capacity_values)
		return conform_skip(c, "this store does not tell its capacity");
	n = stat.capacity_values + stat.capacity_values / 4 + 8;
	if (n > 4096)
		return conform_skip(c, "a capacity of %llu values is too much",
				    (unsigned long long)stat.capacity_values);
	for (uint64_t i = 0; i < n; i++) {
		struct name name = name_of(c, 20000 + i);
		struct memory m;
		aibrix_done done;
		aibrix_io io;
		int verdict;

		STEP(memory_new(c, &m, c->target->value_bytes));
		memory_write(&m, i);
		io = request_of(c, AIBRIX_STORE_PUT, &name, &m);
		verdict = request_do(c, &io, &done);
		memory_free(&m);
		STEP(verdict);
		WANT(c, !done.status || done.status == AIBRIX_E_FULL,
		     "PUT into a full store: %s", aibrix_strerror(done.status));
		if (!done.status)
			STEP(value_get(c, &name, i, c->target->value_bytes));
	}
	WANT(c, !aibrix_store_stats(c->store, &stat), "no statistics");
	WANT(c, stat.values <= stat.capacity_values,
	     "%llu values where %llu fit", (unsigned long long)stat.values,
	     (unsigned long long)stat.capacity_values);
	WANT(c, stat.errors == errors, "a full store was counted as a fault");
	return CHECK_PASSED;
}

/* Requests are cut short in every way; what they leave behind is watched
 * while others go on. */
static int
left_alone(struct many *m)
{
	struct conform *c = m->c;

	STEP(many_start(m, AIBRIX_STORE_PUT, KEYS, 0));
	STEP(many_finish(m));
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < FLIGHTS; i++) {
			struct flight *f = &m->flights[i];
			int taken;

			if (f->busy)
				continue;
			STEP(flight_prepare(m, f, AIBRIX_STORE_GET,
					    conform_below(c, KEYS)));
			if (i % 2) {
				f->hurried = 1;
				f->io.deadline_ns = conform_now() +
						    conform_below(c, 400000);
			}
			STEP(flight_start(m, f, &taken));
			if (taken && i % 5 == 0) {
				f->canceled = 1;
				WANT(c,
				     !aibrix_store_cancel(c->store, f->io.tag),
				     "cancel failed");
			}
		}
		STEP(many_poll(m, FLIGHTS / 3));
	}
	return many_finish(m);
}

int
check_memory_is_left_alone_afterwards(struct conform *c)
{
	return with_many(c, 1600, left_alone);
}

static int
close_under_way(struct many *m)
{
	static const struct timespec some = {0, 20000000};
	struct conform *c = m->c;
	int status;

	STEP(many_start(m, AIBRIX_STORE_PUT, KEYS, 0));
	STEP(many_finish(m));
	for (int round = 0; round < 4; round++) {
		STEP(many_start(m,
				round % 2 ? AIBRIX_STORE_GET : AIBRIX_STORE_PUT,
				KEYS, 0));
		if (round >= 2)
			STEP(many_poll(m, 2));
		aibrix_store_free(c->store);
		c->store = NULL;
		for (int i = 0; i < FLIGHTS; i++) {
			m->flights[i].busy = 0;
			if (m->flights[i].memory.base)
				memory_poison(&m->flights[i].memory);
		}
		m->busy = 0;
		/* Whoever still writes, does so now. */
		nanosleep(&some, NULL);
		STEP(all_are_untouched(m));
		status = c->target->open(c->target->ctx, 64, &c->store);
		WANT(c, !status, "opening again: %s", aibrix_strerror(status));
		STEP(many_start(m, AIBRIX_STORE_GET, KEYS, 0));
		STEP(many_finish(m));
	}
	return CHECK_PASSED;
}

int
check_a_close_with_work_under_way(struct conform *c)
{
	return with_many(c, 1700, close_under_way);
}

static int
programs(struct many *m)
{
	static const uint32_t ops[] = {AIBRIX_STORE_PUT,   AIBRIX_STORE_PUT,
				       AIBRIX_STORE_GET,   AIBRIX_STORE_GET,
				       AIBRIX_STORE_GET,   AIBRIX_STORE_PROBE,
				       AIBRIX_STORE_DELETE};
	struct conform *c = m->c;

	for (int step = 0; step < 4000; step++) {
		struct flight *f = &m->flights[conform_below(c, FLIGHTS)];
		uint32_t op = ops[conform_below(c, 7)];
		uint64_t luck = conform_below(c, 20);
		int taken;

		if (f->busy) {
			if (luck == 0) {
				f->canceled = 1;
				WANT(c,
				     !aibrix_store_cancel(c->store, f->io.tag),
				     "cancel failed");
			}
			STEP(many_poll(m, 1 + (uint32_t)conform_below(c, 16)));
			continue;
		}
		STEP(flight_prepare(m, f, op, conform_below(c, KEYS)));
		if (luck == 1) {
			f->hurried = 1;
			f->io.deadline_ns =
				conform_now() + conform_below(c, 200000);
		}
		f->io.priority = (uint32_t)conform_below(c, 4);
		STEP(flight_start(m, f, &taken));
	}
	return many_finish(m);
}

int
check_random_programs(struct conform *c)
{
	return with_many(c, 1800, programs);
}
