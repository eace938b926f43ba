/*
 * A byte string as a program for the front of stores, over a backend that
 * the program drives: it takes or refuses, serves in any order, fails.
 *
 * Steps are three bytes: what, key, argument.  The reference does not know
 * who joins whom; it keeps every state that each key had, from when the
 * backend made it until the request that ended it was polled, and says:
 *
 *   - each accepted request completes once; memory changes only before that
 *   - what is told of a key was so at some instant of the request
 *   - a fault is told to the request that failed, and to no other
 *   - counts and bytes in flight are those of the requests in flight
 */
#ifndef TESTS_FRONT_PROGRAM_H
#define TESTS_FRONT_PROGRAM_H

#include <stdint.h>
#include <string.h>

#include "../store_puppet.h"

enum {
	FRONT_KEYS = 4,
	FRONT_SLOTS = 12, /* max_inflight */
	FRONT_BYTES = 16,
	FRONT_LIMIT = 100, /* inflight_bytes */
	FRONT_ABSENT = 40, /* absent_ns */
	FRONT_STEPS = 1000,
	FRONT_POISON = 0xee,
	/* Damages the reference: the program must then fail. */
	FRONT_DAMAGE = 255
};

/* One state of a key; version 0: not there. */
struct front_state {
	uint32_t key, version;
	uint64_t from, to; /* steps */
};

struct front_slot {
	char key; /* its address names the slot */
	uint8_t memory[FRONT_BYTES];
	aibrix_iov iov;
	uint32_t busy, op, priority;
	uint64_t bytes, begun, deadline;
	uint32_t failed, canceled;
	uint32_t version; /* of a PUT */
	uint32_t ended;   /* the state that it ended, + 1 */
};

struct front {
	struct puppet puppet;
	aibrix_store *store;
	struct front_slot slots[FRONT_SLOTS];
	struct front_state states[FRONT_KEYS + FRONT_STEPS];
	uint32_t n_states, current[FRONT_KEYS];
	uint32_t truth[FRONT_KEYS]; /* the backend's versions */
	uint64_t step, now, accepted, polled;
	uint64_t refused; /* the last poll in which the backend took none */
	uint64_t joined, absent; /* how many, in the end */
	uint32_t version;
};

/* Lengths and bytes follow from the version. */
static inline uint32_t
front_length(uint32_t version)
{
	return version * 7 % (FRONT_BYTES + 1);
}

static inline void
front_fill(uint8_t *memory, uint32_t version)
{
	for (uint32_t i = 0; i < front_length(version); i++)
		memory[i] = (uint8_t)(version * 31 + i);
}

static inline int
front_holds(const uint8_t *memory, uint32_t version)
{
	uint8_t want[FRONT_BYTES];

	front_fill(want, version);
	return memcmp(memory, want, front_length(version)) == 0;
}

/* ---- the backend's side */

static inline void
front_change(struct front *f, struct front_slot *slot, uint32_t version)
{
	uint32_t key = (uint32_t)(slot->key - 'a');

	f->truth[key] = version;
	slot->ended = f->current[key] + 1;
	f->current[key] = f->n_states;
	f->states[f->n_states++] =
		(struct front_state){key, version, f->step, UINT64_MAX};
}

/* Serve the i-th request that the backend has, as it should be. */
static inline void
front_serve(struct front *f, uint32_t i)
{
	const aibrix_io *io = &f->puppet.ios[i];
	struct front_slot *slot = &f->slots[0];
	uint32_t version, length;

	while (&slot->key != io->key)
		slot++;
	version = f->truth[slot->key - 'a'];
	length = front_length(version);
	if (io->op == AIBRIX_STORE_PUT) {
		if (!version)
			front_change(f, slot, slot->version);
		puppet_end(&f->puppet, i, AIBRIX_OK, version ? 0 : slot->bytes);
		if (version)
			f->puppet.dones[f->puppet.n_dones - 1].flags =
				AIBRIX_DONE_EXISTED;
	} else if (!version) {
		puppet_end(&f->puppet, i, AIBRIX_E_NOT_FOUND, 0);
	} else if (io->op == AIBRIX_STORE_DELETE) {
		front_change(f, slot, 0);
		puppet_end(&f->puppet, i, AIBRIX_OK, 0);
	} else if (io->op == AIBRIX_STORE_GET && length > slot->bytes) {
		puppet_end(&f->puppet, i, AIBRIX_E_SPACE, length);
	} else {
		if (io->op == AIBRIX_STORE_GET)
			front_fill(slot->memory, version);
		puppet_end(&f->puppet, i, AIBRIX_OK, length);
	}
}

static inline void
front_fail(struct front *f, uint32_t i, uint32_t arg)
{
	static const int32_t how[] = {AIBRIX_E_IO, AIBRIX_E_CLOSED,
				      AIBRIX_E_TIMEOUT, AIBRIX_E_CANCELED};
	struct front_slot *slot = &f->slots[0];

	while (&slot->key != f->puppet.ios[i].key)
		slot++;
	slot->failed = 1;
	/* A GET may have written some of its memory. */
	if (f->puppet.ios[i].op == AIBRIX_STORE_GET && slot->bytes)
		slot->memory[0] ^= 0x55;
	puppet_end(&f->puppet, i, how[arg % 4], 0);
}

/* ---- the caller's side */

/* Is there a reason for E_FULL? */
static inline int
front_is_full(const struct front *f, const struct front_slot *slot)
{
	uint64_t n = 0, bytes = 0, low = 0, low_bytes = 0;

	for (uint32_t i = 0; i < FRONT_SLOTS; i++) {
		const struct front_slot *s = &f->slots[i];

		if (!s->busy)
			continue;
		n++;
		bytes += s->bytes;
		low += s->priority >= AIBRIX_PRIORITY_PUT;
		if (s->priority >= AIBRIX_PRIORITY_PUT)
			low_bytes += s->bytes;
	}
	if (n == FRONT_SLOTS || (bytes && bytes + slot->bytes > FRONT_LIMIT))
		return 1;
	return slot->priority >= AIBRIX_PRIORITY_PUT &&
	       (low >= FRONT_SLOTS / 2 ||
		(low_bytes && low_bytes + slot->bytes > FRONT_LIMIT / 2));
}

static inline int
front_submit(struct front *f, uint32_t op, uint32_t key, uint32_t arg)
{
	struct front_slot *slot = &f->slots[0];
	aibrix_io io = {.key_bytes = 1, .op = op};
	uint32_t n = 0;
	int status;

	while (slot < f->slots + FRONT_SLOTS && slot->busy)
		slot++;
	if (slot == f->slots + FRONT_SLOTS)
		return 1;
	*slot = (struct front_slot){.key = (char)('a' + key), .op = op};
	memset(slot->memory, FRONT_POISON, FRONT_BYTES);
	slot->priority = arg % 4;
	slot->deadline = arg % 3 ? f->now + 1 + arg : AIBRIX_FOREVER;
	slot->begun = f->step;
	if (op == AIBRIX_STORE_PUT) {
		slot->version = ++f->version;
		slot->bytes = front_length(slot->version);
		front_fill(slot->memory, slot->version);
	} else if (op == AIBRIX_STORE_GET) {
		slot->bytes = arg * 5 % (FRONT_BYTES + 1);
	}
	slot->iov = (aibrix_iov){slot->memory, slot->bytes};
	io.key = &slot->key;
	io.priority = slot->priority;
	io.deadline_ns = slot->deadline;
	io.tag = (uint64_t)(slot - f->slots);
	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = &slot->iov;
		io.n_iov = 1;
	}
	status = aibrix_store_submit(f->store, &io, 1, f->now, &n);
	if (status) {
		memset(slot->memory, FRONT_POISON, FRONT_BYTES);
		return status == AIBRIX_E_FULL &&
		       (front_is_full(f, slot) || f->puppet.takes == 0);
	}
	if (front_is_full(f, slot) || n != 1)
		return 0;
	slot->busy = 1;
	f->accepted++;
	return 1;
}

/* Was there a state of this key, at some instant of the request, that fits
 * what is told of it? */
static inline int
front_was_so(const struct front *f, const struct front_slot *slot,
	     const aibrix_done *done)
{
	for (uint32_t i = 0; i < f->n_states; i++) {
		const struct front_state *s = &f->states[i];
		uint32_t length = front_length(s->version);

		if (s->key != (uint32_t)(slot->key - 'a') ||
		    s->to < slot->begun)
			continue;
		if (done->status == AIBRIX_E_NOT_FOUND) {
			if (!s->version)
				return 1;
		} else if (!s->version) {
			continue;
		} else if (slot->op == AIBRIX_STORE_PUT) {
			return 1; /* EXISTED */
		} else if (done->bytes == length &&
			   (slot->op == AIBRIX_STORE_PROBE ||
			    done->status == AIBRIX_E_SPACE ||
			    front_holds(slot->memory, s->version))) {
			return 1;
		}
	}
	return 0;
}

static inline int
front_done_is_good(const struct front *f, const struct front_slot *slot,
		   const aibrix_done *done)
{
	switch (done->status) {
	case AIBRIX_OK:
		if (slot->op == AIBRIX_STORE_DELETE)
			return slot->ended > 0;
		if (slot->op == AIBRIX_STORE_PUT && !done->flags)
			return slot->ended > 0 && done->bytes == slot->bytes;
		return front_was_so(f, slot, done);
	case AIBRIX_E_NOT_FOUND:
		return slot->op == AIBRIX_STORE_DELETE ||
		       front_was_so(f, slot, done);
	case AIBRIX_E_SPACE:
		return slot->op == AIBRIX_STORE_GET &&
		       done->bytes > slot->bytes && front_was_so(f, slot, done);
	case AIBRIX_E_TIMEOUT: return slot->failed || slot->deadline <= f->now;
	case AIBRIX_E_CANCELED: return slot->failed || slot->canceled;
	case AIBRIX_E_UNAVAILABLE: return f->refused >= slot->begun;
	default: return slot->failed;
	}
}

static inline int
front_poll(struct front *f, uint32_t cap)
{
	aibrix_done dones[FRONT_SLOTS];
	uint32_t n;

	if (f->puppet.takes == 0)
		f->refused = f->step;
	if (aibrix_store_poll(f->store, dones, cap, f->now, 0, &n) || n > cap)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		struct front_slot *slot = &f->slots[dones[i].tag];

		if (dones[i].tag >= FRONT_SLOTS || !slot->busy ||
		    !front_done_is_good(f, slot, &dones[i]))
			return 0;
		if (slot->ended)
			f->states[slot->ended - 1].to = f->step;
		slot->busy = 0;
		memset(slot->memory, FRONT_POISON, FRONT_BYTES);
	}
	f->polled += n;
	return 1;
}

static inline void
front_cancel(struct front *f, uint32_t i)
{
	int status = aibrix_store_cancel(f->store, i);

	f->puppet.cancels = 0;
	if (status == AIBRIX_OK)
		f->slots[i].canceled = 1;
}

/* After each step. */
static inline int
front_agrees(const struct front *f)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};
	uint64_t busy = 0, bytes = 0;

	for (uint32_t i = 0; i < FRONT_SLOTS; i++) {
		const struct front_slot *s = &f->slots[i];

		busy += s->busy;
		bytes += s->busy ? s->bytes : 0;
		for (uint32_t k = 0; !s->busy && k < FRONT_BYTES; k++)
			if (s->memory[k] != FRONT_POISON)
				return 0;
	}
	return aibrix_store_stats(f->store, &stat) == AIBRIX_OK &&
	       stat.inflight == busy && stat.inflight_bytes == bytes &&
	       f->accepted == f->polled + busy;
}

/* Another completion is handed out next. */
static inline void
front_swap(struct puppet *p, uint32_t i)
{
	aibrix_done first = p->dones[0];

	p->dones[0] = p->dones[i];
	p->dones[i] = first;
}

static inline int
front_step(struct front *f, uint32_t what, uint32_t key, uint32_t arg)
{
	static const uint32_t takes[] = {0, 1, PUPPET_IOS, PUPPET_IOS};
	struct puppet *p = &f->puppet;

	switch (what % 16) {
	case 0:
	case 1:
	case 2: return front_submit(f, AIBRIX_STORE_GET, key, arg);
	case 3: return front_submit(f, AIBRIX_STORE_PUT, key, arg);
	case 4: return front_submit(f, AIBRIX_STORE_PROBE, key, arg);
	case 5: return front_submit(f, AIBRIX_STORE_DELETE, key, arg);
	case 6:
	case 7:
	case 8:
	case 9:
		if (p->n)
			front_serve(f, arg % p->n);
		return 1;
	case 10:
		if (p->n)
			front_fail(f, arg % p->n, arg / 16);
		return 1;
	case 11: front_cancel(f, arg % FRONT_SLOTS); return 1;
	case 12: f->now += arg; return 1;
	case 13: p->takes = takes[arg % 4]; return 1;
	case 15:
		if (p->n_dones)
			front_swap(p, arg % p->n_dones);
		return 1;
	default: return front_poll(f, arg % 4 ? arg % 3 : FRONT_SLOTS);
	}
}

/* All is served, and polled in the end. */
static inline int
front_settle(struct front *f)
{
	int good = 1;

	f->puppet.takes = PUPPET_IOS;
	for (uint32_t i = 0; good && i < 4 * FRONT_SLOTS; i++) {
		f->step++;
		while (f->puppet.n)
			front_serve(f, 0);
		good = front_poll(f, FRONT_SLOTS) && front_agrees(f);
	}
	return good && f->accepted == f->polled;
}

/* 1: the front did all as the reference allows. */
static inline int
front_run(struct front *f, const uint8_t *data, size_t len, int damage)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};
	aibrix_backend full = puppet_table();
	int good = 1;

	memset(f, 0, sizeof(*f));
	f->puppet = new_puppet();
	f->now = 1;
	full.cancel = puppet_cancel;
	for (uint32_t i = 0; i < FRONT_SLOTS; i++)
		memset(f->slots[i].memory, FRONT_POISON, FRONT_BYTES);
	for (uint32_t i = 0; i < FRONT_KEYS; i++) {
		f->current[i] = i;
		f->states[f->n_states++] =
			(struct front_state){i, 0, 0, UINT64_MAX};
	}
	if (puppet_store(&f->puppet, &full,
			 (aibrix_store_opts){.max_inflight = FRONT_SLOTS,
					     .inflight_bytes = FRONT_LIMIT,
					     .absent_ns = FRONT_ABSENT,
					     .seed = 1},
			 &f->store))
		return 0;
	for (size_t i = 0; good && i + 3 <= len && i < 3 * FRONT_STEPS / 2;
	     i += 3) {
		uint32_t key = data[i + 1] % FRONT_KEYS;

		f->step++;
		f->now++;
		if (damage && data[i] == FRONT_DAMAGE)
			f->states[f->current[key]].version += 3;
		else
			good = front_step(f, data[i], key, data[i + 2]);
		good = good && front_agrees(f);
	}
	good = good && front_settle(f);
	if (aibrix_store_stats(f->store, &stat) == AIBRIX_OK) {
		f->joined = stat.joined;
		f->absent = stat.absent;
	}
	aibrix_store_free(f->store);
	return good && f->puppet.closed == 1;
}

#endif
