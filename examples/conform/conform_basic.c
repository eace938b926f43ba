/*
 * One request at a time: values, misses, sizes, keys, what outlives a close.
 */
#include "conform/conform_checks.h"

#include <stdlib.h>
#include <string.h>

#include "conform/conform_tools.h"

/* Lengths around everything that a store may round to. */
int
check_bytes_come_back(struct conform *c)
{
	uint64_t most = c->target->value_bytes;
	uint64_t sizes[] = {1,     2,     3,        63,       64,   511,
			    512,   513,   4095,     4096,     4097, 65535,
			    65536, 65537, most / 2, most - 1, most};

	for (uint64_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct name name = name_of(c, i);

		if (sizes[i] > most || !sizes[i])
			continue;
		STEP(value_put(c, &name, i, sizes[i]));
		STEP(value_get(c, &name, i, sizes[i]));
		STEP(value_get(c, &name, i, sizes[i]));
	}
	return CHECK_PASSED;
}

static int
status_of(struct conform *c, uint32_t op, const struct name *name,
	  aibrix_done *done)
{
	struct memory m = {0};
	aibrix_io io;
	int verdict;

	if (op == AIBRIX_STORE_GET)
		STEP(memory_new(c, &m, c->target->value_bytes));
	io = request_of(c, op, name, m.base ? &m : NULL);
	verdict = request_do(c, &io, done);
	if (!verdict && m.base && !guards_are_whole(&m))
		verdict = conform_fail(c, "wrote beside the memory of a GET");
	memory_free(&m);
	return verdict;
}

/* No value is an answer, and no fault. */
int
check_a_miss_is_a_miss(struct conform *c)
{
	static const uint32_t ops[] = {AIBRIX_STORE_GET, AIBRIX_STORE_PROBE,
				       AIBRIX_STORE_DELETE};
	aibrix_store_stat before = {.size = sizeof(before)}, after = before;

	WANT(c, !aibrix_store_stats(c->store, &before), "no statistics");
	for (uint64_t i = 0; i < 3; i++) {
		struct name name = name_of(c, 100 + i);
		aibrix_done done;

		STEP(status_of(c, ops[i], &name, &done));
		WANT(c, done.status == AIBRIX_E_NOT_FOUND && !done.os_error,
		     "operation %u of an unknown key: %s, errno %d", ops[i],
		     aibrix_strerror(done.status), done.os_error);
	}
	WANT(c, !aibrix_store_stats(c->store, &after), "no statistics");
	WANT(c, after.errors == before.errors, "a miss was counted as a fault");
	return CHECK_PASSED;
}

int
check_a_probe_tells_the_length(struct conform *c)
{
	struct name name = name_of(c, 200);
	aibrix_done done;

	STEP(value_put(c, &name, 200, 1000));
	STEP(status_of(c, AIBRIX_STORE_PROBE, &name, &done));
	WANT(c, !done.status && done.bytes == 1000, "PROBE: %s, %llu bytes",
	     aibrix_strerror(done.status), (unsigned long long)done.bytes);
	return CHECK_PASSED;
}

int
check_the_first_value_stays(struct conform *c)
{
	struct name name = name_of(c, 300);
	struct memory m;
	aibrix_done done;
	aibrix_io io;
	int verdict;

	STEP(value_put(c, &name, 300, 500));
	STEP(memory_new(c, &m, 700));
	memory_write(&m, 301);
	io = request_of(c, AIBRIX_STORE_PUT, &name, &m);
	verdict = request_do(c, &io, &done);
	memory_free(&m);
	STEP(verdict);
	WANT(c, !done.status && done.flags == AIBRIX_DONE_EXISTED,
	     "second PUT: %s, flags %u", aibrix_strerror(done.status),
	     done.flags);
	return value_get(c, &name, 300, 500);
}

int
check_what_is_deleted_is_gone(struct conform *c)
{
	struct name name = name_of(c, 400);
	aibrix_done done;

	for (int round = 0; round < 3; round++) {
		STEP(value_put(c, &name, 400, 300));
		STEP(status_of(c, AIBRIX_STORE_DELETE, &name, &done));
		WANT(c, !done.status, "DELETE: %s",
		     aibrix_strerror(done.status));
		STEP(status_of(c, AIBRIX_STORE_GET, &name, &done));
		WANT(c, done.status == AIBRIX_E_NOT_FOUND,
		     "GET of what was deleted: %s",
		     aibrix_strerror(done.status));
	}
	return CHECK_PASSED;
}

int
check_too_little_memory_is_told(struct conform *c)
{
	struct name name = name_of(c, 500);
	uint64_t sizes[] = {0, 1, 4095, 9999};

	STEP(value_put(c, &name, 500, 10000));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct memory m;
		aibrix_done done;
		aibrix_io io;
		int verdict, whole;

		STEP(memory_new(c, &m, sizes[i]));
		io = request_of(c, AIBRIX_STORE_GET, &name, &m);
		verdict = request_do(c, &io, &done);
		whole = guards_are_whole(&m);
		memory_free(&m);
		STEP(verdict);
		WANT(c, whole, "wrote beside its memory");
		WANT(c, done.status == AIBRIX_E_SPACE && done.bytes == 10000,
		     "GET of 10000 bytes into %llu: %s, %llu bytes",
		     (unsigned long long)sizes[i], aibrix_strerror(done.status),
		     (unsigned long long)done.bytes);
	}
	return value_get(c, &name, 500, 10000);
}

int
check_too_long_a_value_is_refused(struct conform *c)
{
	struct name name = name_of(c, 600);
	struct memory m;
	aibrix_done done;
	aibrix_io io;
	int verdict;

	STEP(memory_new(c, &m, c->target->value_bytes + 1));
	memory_write(&m, 600);
	io = request_of(c, AIBRIX_STORE_PUT, &name, &m);
	verdict = request_do(c, &io, &done);
	memory_free(&m);
	STEP(verdict);
	WANT(c, done.status == AIBRIX_E_INVAL, "PUT of one byte too many: %s",
	     aibrix_strerror(done.status));
	STEP(status_of(c, AIBRIX_STORE_PROBE, &name, &done));
	WANT(c, done.status == AIBRIX_E_NOT_FOUND, "it is there: %s",
	     aibrix_strerror(done.status));
	return CHECK_PASSED;
}

static int
key_do(struct conform *c, uint32_t op, const uint8_t *key, uint32_t bytes,
       uint64_t number)
{
	struct name unused = {{0}};
	struct memory m = {0};
	aibrix_done done;
	aibrix_io io;
	int verdict;

	if (op != AIBRIX_STORE_DELETE) {
		STEP(memory_new(c, &m, 100));
		memory_write(&m, op == AIBRIX_STORE_PUT ? number : 0);
	}
	io = request_of(c, op, &unused, m.base ? &m : NULL);
	io.key = key;
	io.key_bytes = bytes;
	verdict = request_do(c, &io, &done);
	if (!verdict && op != AIBRIX_STORE_DELETE &&
	    (done.status || !memory_holds(&m, number, 100)))
		verdict = conform_fail(c, "key of %u bytes: %s", bytes,
				       aibrix_strerror(done.status));
	memory_free(&m);
	return verdict;
}

/* Any bytes, any length, and none is another's beginning. */
int
check_any_key_will_do(struct conform *c)
{
	uint32_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 255, 256, 511, 512};
	uint8_t key[AIBRIX_STORE_KEY_MAX];
	static const uint32_t ops[] = {AIBRIX_STORE_DELETE, AIBRIX_STORE_PUT,
				       AIBRIX_STORE_GET, AIBRIX_STORE_DELETE};

	/* Zeros, line ends, high bytes. */
	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)("\0\r\n\xff{}/ "[i % 8]);
	for (size_t step = 0; step < 4; step++)
		for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]);
		     i++)
			STEP(key_do(c, ops[step], key, lengths[i], 700 + i));
	return CHECK_PASSED;
}

int
check_registered_memory_is_used_alike(struct conform *c)
{
	uint64_t bytes = (uint64_t)4 << 20, half = c->target->value_bytes;
	struct name name = name_of(c, 800);
	aibrix_iov iov;
	aibrix_done done;
	uint8_t *base;
	aibrix_io io;
	int status, verdict;

	if (half > bytes / 2)
		half = bytes / 2;
	base = aligned_alloc(65536, bytes);
	WANT(c, base, "no memory for the check itself");
	memset(base, 0, bytes);
	/* Refusing is allowed: then it works without. */
	status = aibrix_store_memory_add(c->store, base, bytes);
	value_fill(800, base, half);
	iov = (aibrix_iov){base, half};
	io = request_of(c, AIBRIX_STORE_PUT, &name, NULL);
	io.iov = &iov;
	io.n_iov = 1;
	verdict = request_do(c, &io, &done);
	if (!verdict && done.status)
		verdict = conform_fail(c, "PUT: %s",
				       aibrix_strerror(done.status));
	iov.base = base + bytes / 2;
	io.op = AIBRIX_STORE_GET;
	if (!verdict)
		verdict = request_do(c, &io, &done);
	if (!verdict && (done.status || done.bytes != half ||
			 memcmp(base, base + bytes / 2, half) != 0))
		verdict = conform_fail(c, "GET: %s",
				       aibrix_strerror(done.status));
	if (!status)
		aibrix_store_memory_remove(c->store, base, bytes);
	free(base);
	return verdict ? verdict : value_get(c, &name, 800, half);
}

int
check_values_outlive_a_close(struct conform *c)
{
	struct name name = name_of(c, 900);
	int status;

	if (!(aibrix_store_caps(c->store) & AIBRIX_CAP_LASTING))
		return conform_skip(c, "this store's values end with it");
	STEP(value_put(c, &name, 900, c->target->value_bytes));
	aibrix_store_free(c->store);
	c->store = NULL;
	status = c->target->open(c->target->ctx, 16, &c->store);
	WANT(c, !status, "opening again: %s", aibrix_strerror(status));
	return value_get(c, &name, 900, c->target->value_bytes);
}
