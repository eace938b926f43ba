/*
 * Named values, guarded memory, and requests that are followed to their ends.
 *
 * A value is made from its number alone, so that any two of them differ and
 * a byte out of place shows.
 */
#define _GNU_SOURCE

#include "conform/conform_tools.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GUARD = 64, GUARD_BYTE = 0xa5, POISON_BYTE = 0x5a };

/* One wait of the loop; after it the clock is looked at again. */
#define WAIT_NS UINT64_C(50000000)

int
conform_fail(struct conform *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->reason, sizeof(c->reason), format, args);
	va_end(args);
	return CHECK_FAILED;
}

int
conform_skip(struct conform *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->reason, sizeof(c->reason), format, args);
	va_end(args);
	return CHECK_SKIPPED;
}

uint64_t
conform_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t
conform_random(struct conform *c)
{
	c->seed += UINT64_C(0x9e3779b97f4a7c15);
	return mix(c->seed);
}

uint64_t
conform_below(struct conform *c, uint64_t n)
{
	return conform_random(c) % n;
}

struct name
name_of(const struct conform *c, uint64_t number)
{
	uint64_t words[3] = {mix(c->target->seed + 1), number, mix(number)};
	struct name name;

	memcpy(name.bytes, words, sizeof(name.bytes));
	return name;
}

void
value_fill(uint64_t number, uint8_t *to, uint64_t bytes)
{
	uint64_t word, at = 0;

	for (; at + 8 <= bytes; at += 8) {
		word = mix(number * 0x10001 + at);
		memcpy(to + at, &word, 8);
	}
	word = mix(number * 0x10001 + at);
	memcpy(to + at, &word, bytes - at);
}

int
value_is(uint64_t number, const uint8_t *at, uint64_t bytes)
{
	uint8_t *want = malloc(bytes + 1);
	int same;

	if (!want)
		return 0;
	value_fill(number, want, bytes);
	same = memcmp(want, at, bytes) == 0;
	free(want);
	return same;
}

int
memory_new(struct conform *c, struct memory *m, uint64_t usable)
{
	uint64_t left = usable, at = GUARD;

	m->n_iov = 1 + (uint32_t)conform_below(c, PIECES_MAX);
	m->usable = usable;
	m->bytes = usable + (uint64_t)GUARD * (m->n_iov + 1);
	m->base = malloc(m->bytes);
	if (!m->base)
		return conform_fail(c, "no memory for the check itself");
	memset(m->base, GUARD_BYTE, m->bytes);
	for (uint32_t i = 0; i < m->n_iov; i++) {
		uint64_t some =
			i + 1 < m->n_iov ? conform_below(c, left + 1) : left;

		m->iov[i] = (aibrix_iov){m->base + at, some};
		at += some + GUARD;
		left -= some;
	}
	return CHECK_PASSED;
}

void
memory_free(struct memory *m)
{
	free(m->base);
	m->base = NULL;
}

void
memory_write(struct memory *m, uint64_t number)
{
	uint8_t *value = malloc(m->usable + 1);
	uint64_t at = 0;

	if (!value)
		abort(); /* a check without memory proves nothing */
	value_fill(number, value, m->usable);
	for (uint32_t i = 0; i < m->n_iov; i++) {
		memcpy(m->iov[i].base, value + at, m->iov[i].bytes);
		at += m->iov[i].bytes;
	}
	free(value);
}

int
memory_holds(const struct memory *m, uint64_t number, uint64_t bytes)
{
	uint8_t *value = malloc(bytes + 1);
	uint64_t at = 0;
	int same = 1;

	if (!value)
		abort();
	value_fill(number, value, bytes);
	for (uint32_t i = 0; i < m->n_iov && at < bytes && same; i++) {
		uint64_t some = m->iov[i].bytes;

		if (some > bytes - at)
			some = bytes - at;
		same = memcmp(m->iov[i].base, value + at, some) == 0;
		at += some;
	}
	free(value);
	return same && at == bytes;
}

void
memory_poison(struct memory *m)
{
	for (uint32_t i = 0; i < m->n_iov; i++)
		memset(m->iov[i].base, POISON_BYTE, m->iov[i].bytes);
}

static int
bytes_are(const uint8_t *at, uint8_t byte, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (at[i] != byte)
			return 0;
	return 1;
}

int
memory_is_poison(const struct memory *m)
{
	for (uint32_t i = 0; i < m->n_iov; i++)
		if (!bytes_are(m->iov[i].base, POISON_BYTE, m->iov[i].bytes))
			return 0;
	return 1;
}

int
guards_are_whole(const struct memory *m)
{
	const uint8_t *at = m->base;

	for (uint32_t i = 0; i < m->n_iov; i++) {
		if (!bytes_are(at, GUARD_BYTE, GUARD))
			return 0;
		at += GUARD + m->iov[i].bytes;
	}
	return bytes_are(at, GUARD_BYTE, GUARD);
}

aibrix_io
request_of(struct conform *c, uint32_t op, const struct name *name,
	   const struct memory *m)
{
	static const uint32_t priority[] = {
		[AIBRIX_STORE_GET] = AIBRIX_PRIORITY_GET,
		[AIBRIX_STORE_PUT] = AIBRIX_PRIORITY_PUT,
		[AIBRIX_STORE_PROBE] = AIBRIX_PRIORITY_PROBE,
		[AIBRIX_STORE_DELETE] = AIBRIX_PRIORITY_BACKGROUND,
	};

	return (aibrix_io){.key = name->bytes,
			   .key_bytes = NAME_BYTES,
			   .iov = m ? m->iov : NULL,
			   .n_iov = m ? m->n_iov : 0,
			   .op = op,
			   .priority = priority[op],
			   .tag = ++c->tags};
}

/* Sleep until the store has work, as a host's loop does. */
static void
store_wait(struct conform *c, uint64_t now)
{
	struct pollfd fd = {aibrix_store_fd(c->store), POLLIN, 0};
	uint64_t wake = aibrix_store_wake(c->store);
	uint64_t wait = wake <= now ? 0 : wake - now;

	if (wait > WAIT_NS)
		wait = WAIT_NS;
	if (fd.fd >= 0)
		poll(&fd, 1, (int)(wait / 1000000));
}

int
request_await(struct conform *c, aibrix_done *dones, uint32_t n)
{
	uint64_t start = conform_now(), now = start;
	uint32_t got = 0;

	while (got < n) {
		uint32_t some = 0;
		int status = aibrix_store_poll(c->store, dones + got, n - got,
					       now, 0, &some);

		WANT(c, !status, "poll: %s", aibrix_strerror(status));
		got += some;
		if (got < n && !some)
			store_wait(c, now);
		now = conform_now();
		WANT(c, got == n || now - start < c->target->patience_ns,
		     "%u of %u requests never ended", n - got, n);
	}
	return CHECK_PASSED;
}

int
request_do(struct conform *c, const aibrix_io *io, aibrix_done *done)
{
	uint32_t taken = 0;
	int status =
		aibrix_store_submit(c->store, io, 1, conform_now(), &taken);

	WANT(c, !status && taken == 1, "submit: %s, took %u",
	     aibrix_strerror(status), taken);
	STEP(request_await(c, done, 1));
	WANT(c, done->tag == io->tag, "the completion has another tag");
	return CHECK_PASSED;
}

int
value_put(struct conform *c, const struct name *name, uint64_t number,
	  uint64_t bytes)
{
	struct memory m;
	aibrix_done done;
	aibrix_io io;
	int verdict;

	STEP(memory_new(c, &m, bytes));
	memory_write(&m, number);
	io = request_of(c, AIBRIX_STORE_PUT, name, &m);
	verdict = request_do(c, &io, &done);
	if (!verdict && !memory_holds(&m, number, bytes))
		verdict = conform_fail(c, "PUT changed its own memory");
	if (!verdict && (done.status || done.bytes != bytes || done.flags))
		verdict = conform_fail(
			c, "PUT of %llu bytes: %s, %llu bytes, flags %u",
			(unsigned long long)bytes, aibrix_strerror(done.status),
			(unsigned long long)done.bytes, done.flags);
	memory_free(&m);
	return verdict;
}

int
value_get(struct conform *c, const struct name *name, uint64_t number,
	  uint64_t bytes)
{
	struct memory m;
	aibrix_done done;
	aibrix_io io;
	int verdict;

	STEP(memory_new(c, &m, bytes + conform_below(c, 64)));
	io = request_of(c, AIBRIX_STORE_GET, name, &m);
	verdict = request_do(c, &io, &done);
	if (!verdict && (done.status || done.bytes != bytes))
		verdict = conform_fail(c, "GET of %llu bytes: %s, %llu bytes",
				       (unsigned long long)bytes,
				       aibrix_strerror(done.status),
				       (unsigned long long)done.bytes);
	if (!verdict && !memory_holds(&m, number, bytes))
		verdict = conform_fail(c, "GET of %llu bytes: other bytes",
				       (unsigned long long)bytes);
	if (!verdict && !guards_are_whole(&m))
		verdict = conform_fail(c,
				       "GET of %llu bytes wrote beside its "
				       "memory",
				       (unsigned long long)bytes);
	memory_free(&m);
	return verdict;
}

int
conform_run(const struct conform_target *target,
	    const struct conform_check *check, char *reason)
{
	struct conform c = {.target = target, .seed = target->seed};
	int status, verdict;

	for (const char *p = check->name; *p; p++)
		c.seed = mix(c.seed ^ (uint64_t)(unsigned char)*p);
	status = target->open(target->ctx, check->inflight, &c.store);
	if (status) {
		snprintf(reason, CONFORM_REASON, "open: %s",
			 aibrix_strerror(status));
		return CHECK_FAILED;
	}
	verdict = check->run(&c);
	aibrix_store_free(c.store);
	snprintf(reason, CONFORM_REASON, "%s", c.reason);
	return verdict;
}
