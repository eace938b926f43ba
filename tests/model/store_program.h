/*
 * A byte string as a program for a store, run beside a naive one.
 *
 * Each step is three bytes: operation, key, length.  The naive store is an
 * array in which everything is searched for.  After each step status, bytes
 * and counters must agree.  Used by the model test and by a fuzz target.
 */
#ifndef TESTS_STORE_PROGRAM_H
#define TESTS_STORE_PROGRAM_H

#include <stdint.h>
#include <string.h>

#include <aibrix/store.h>

enum {
	PROGRAM_KEYS = 24,
	PROGRAM_SLOTS = 7,
	PROGRAM_VALUE = 300,
	/* Damages the model: the program must then fail. */
	PROGRAM_DAMAGE = 255
};

#define PROGRAM_WAIT UINT64_C(60000000000)

struct model_value {
	int there;
	uint32_t bytes, version;
	uint64_t used, written; /* when, counted in steps */
};

struct program {
	const char *path; /* of the file; NULL: in memory */
	/* A directory with room for all: what is evicted from it, and how
	   many values there are, is known about only. */
	int shared;
	uint32_t flags;
	aibrix_store *store;
	struct model_value values[PROGRAM_KEYS];
	uint64_t step;
	uint32_t n;
	uint32_t version;
};

/* Keys of 3 to 420 bytes, many with a common beginning. */
static inline uint32_t
program_key(uint32_t k, uint8_t key[AIBRIX_STORE_KEY_MAX])
{
	uint32_t n = k % 3 == 0 ? 3 + k : k % 3 == 1 ? 16 : 30 + 17 * k;

	memset(key, 'k', n);
	key[n - 1] = (uint8_t)k;
	return n;
}

static inline uint8_t
program_byte(uint32_t k, uint32_t version, uint32_t at)
{
	return (uint8_t)(k * 31 + version * 7 + at * 13 + (at >> 5));
}

static inline uint32_t
program_slots(const struct program *p)
{
	return p->shared ? 2 * PROGRAM_KEYS : PROGRAM_SLOTS;
}

static inline int
program_open(struct program *p)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = p->shared ? AIBRIX_BACKEND_SHFS
					     : p->path ? AIBRIX_BACKEND_FILE
						       : AIBRIX_BACKEND_MEM,
				  .path = p->path,
				  .flags = p->flags,
				  .value_bytes = PROGRAM_VALUE,
				  .capacity_bytes =
					  PROGRAM_VALUE * program_slots(p),
				  .max_inflight = 4};

	return aibrix_store_open(&opts, &p->store) == AIBRIX_OK;
}

/* The model's victim: used longest ago. */
static inline void
model_evict(struct program *p)
{
	struct model_value *victim = NULL;

	if (p->n < program_slots(p))
		return;
	for (uint32_t i = 0; i < PROGRAM_KEYS; i++) {
		struct model_value *v = &p->values[i];

		if (v->there && (!victim || v->used < victim->used))
			victim = v;
	}
	victim->there = 0;
	p->n--;
}

static inline aibrix_done
model_put(struct program *p, struct model_value *v, uint32_t bytes)
{
	if (v->there) {
		v->used = p->step;
		return (aibrix_done){.flags = AIBRIX_DONE_EXISTED};
	}
	if (bytes > PROGRAM_VALUE)
		return (aibrix_done){.status = AIBRIX_E_INVAL};
	model_evict(p);
	*v = (struct model_value){1, bytes, p->version, p->step, p->step};
	p->n++;
	return (aibrix_done){.bytes = bytes};
}

static inline aibrix_done
model_do(struct program *p, uint32_t op, uint32_t k, uint32_t bytes)
{
	struct model_value *v = &p->values[k];

	if (op == AIBRIX_STORE_PUT)
		return model_put(p, v, bytes);
	if (!v->there)
		return (aibrix_done){.status = AIBRIX_E_NOT_FOUND};
	if (op == AIBRIX_STORE_DELETE) {
		v->there = 0;
		p->n--;
		return (aibrix_done){0};
	}
	if (op == AIBRIX_STORE_GET && v->bytes > bytes)
		return (aibrix_done){.status = AIBRIX_E_SPACE,
				     .bytes = v->bytes};
	if (op == AIBRIX_STORE_GET)
		v->used = p->step;
	return (aibrix_done){.bytes = v->bytes};
}

/* The same on the real store; buf is read or written in two pieces. */
static inline int
program_serve(struct program *p, uint32_t op, uint32_t k, uint8_t *buf,
	      uint32_t bytes, aibrix_done *done)
{
	uint8_t key[AIBRIX_STORE_KEY_MAX];
	aibrix_iov iov[2] = {{buf, bytes / 3},
			     {buf + bytes / 3, bytes - bytes / 3}};
	aibrix_io io = {.key = key,
			.key_bytes = program_key(k, key),
			.op = op,
			.tag = p->step};
	uint32_t n = 0;

	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = iov;
		io.n_iov = 2;
	}
	return aibrix_store_submit(p->store, &io, 1, 0, &n) == AIBRIX_OK &&
	       n == 1 &&
	       aibrix_store_poll(p->store, done, 1, 0, PROGRAM_WAIT, &n) ==
		       AIBRIX_OK &&
	       n == 1 && done->tag == p->step;
}

static inline int
program_do(struct program *p, uint32_t op, uint32_t k, uint32_t bytes)
{
	uint8_t buf[2 * PROGRAM_VALUE] = {0};
	aibrix_store_stat stat = {.size = sizeof(stat)};
	aibrix_done want, got;

	p->version++;
	if (op == AIBRIX_STORE_PUT)
		for (uint32_t i = 0; i < bytes; i++)
			buf[i] = program_byte(k, p->version, i);
	want = model_do(p, op, k, bytes);
	if (!program_serve(p, op, k, buf, bytes, &got) ||
	    got.status != want.status || got.bytes != want.bytes ||
	    got.flags != want.flags)
		return 0;
	if (op == AIBRIX_STORE_GET && got.status == AIBRIX_OK)
		for (uint32_t i = 0; i < got.bytes; i++)
			if (buf[i] != program_byte(k, p->values[k].version, i))
				return 0;
	return aibrix_store_stats(p->store, &stat) == AIBRIX_OK &&
	       (stat.values == p->n || p->shared) && stat.inflight == 0 &&
	       !(p->shared && stat.evictions);
}

/* A file has its values again, in the order of writing. */
static inline int
program_reopen(struct program *p)
{
	if (!p->path)
		return 1;
	aibrix_store_free(p->store);
	p->store = NULL;
	for (uint32_t i = 0; i < PROGRAM_KEYS; i++)
		p->values[i].used = p->values[i].written;
	return program_open(p);
}

/* 1: the store did all as the model did. */
static inline int
program_run(struct program *p, const uint8_t *data, size_t len, int damage)
{
	static const uint8_t ops[8] = {AIBRIX_STORE_PUT, AIBRIX_STORE_PUT,
				       AIBRIX_STORE_PUT, AIBRIX_STORE_GET,
				       AIBRIX_STORE_GET, AIBRIX_STORE_PROBE,
				       AIBRIX_STORE_GET, AIBRIX_STORE_DELETE};
	int ok = program_open(p);

	for (size_t i = 0; ok && i + 3 <= len && i < 3 * 2000; i += 3) {
		uint32_t k = data[i + 1] % PROGRAM_KEYS;

		p->step++;
		if (damage && data[i] == PROGRAM_DAMAGE)
			p->values[k].version += 1 + (uint32_t)p->step;
		else if (data[i] >= 240)
			ok = program_reopen(p);
		else
			ok = program_do(p, ops[data[i] % 8], k,
					data[i + 2] * 21u / 17u);
	}
	aibrix_store_free(p->store);
	return ok;
}

#endif
