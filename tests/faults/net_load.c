#define _GNU_SOURCE

#include "net_load.h"

#include <dirent.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rand.h"

enum { POISON = 0xee, GUARD = 64, TIMES_LATE = 20 };

uint64_t
load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A byte, a line, a page, a piece, a whole block, and what is between. */
uint64_t
load_bytes(uint32_t key)
{
	static const uint32_t sizes[] = {1,     100,   4096,  32767,
					 32768, 65536, 262144};
	uint64_t x = key * UINT64_C(0x9e3779b97f4a7c15);

	if (key % 16 == 0)
		return LOAD_VALUE_MAX;
	if (key % 2)
		return sizes[key / 2 % 7];
	return 1 + (x >> 40) % 100000;
}

static uint64_t
word_of(uint32_t key, uint64_t i)
{
	return (key + 1) * UINT64_C(0x9e3779b97f4a7c15) +
	       i * UINT64_C(0xff51afd7ed558ccd);
}

void
load_value(uint32_t key, uint8_t *out, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t word = word_of(key, at);

		memcpy(out + at, &word, bytes - at < 8 ? bytes - at : 8);
	}
}

int
load_value_is(uint32_t key, const uint8_t *value, uint64_t bytes)
{
	uint64_t at, word, got;

	for (at = 0; at + 8 <= bytes; at += 8) {
		memcpy(&got, value + at, 8);
		if (got != word_of(key, at))
			return 0;
	}
	word = word_of(key, at);
	return memcmp(value + at, &word, bytes - at) == 0;
}

void
load_broken(struct load *load, const char *format, ...)
{
	va_list args;

	if (load->broken++)
		return;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void
load_open(struct load *load, aibrix_store *store, uint64_t seed)
{
	memset(load, 0, sizeof(*load));
	load->store = store;
	load->seed = seed;
	load->deadline_ns = LOAD_DEADLINE_NS;
	for (uint32_t i = 0; i < LOAD_SLOTS; i++) {
		load->slots[i].memory = malloc(LOAD_VALUE_MAX + GUARD);
		if (!load->slots[i].memory)
			abort();
	}
}

static void
slot_poison(struct load_slot *s)
{
	s->poisoned = (uint32_t)s->bytes + GUARD;
	memset(s->memory, POISON, s->poisoned);
}

static void
slot_check(struct load *load, struct load_slot *s)
{
	for (uint32_t i = 0; i < s->poisoned; i++) {
		if (s->memory[i] == POISON)
			continue;
		load_broken(load, "byte %u of %s was written after its end", i,
			    s->key);
		break;
	}
	s->poisoned = 0;
}

void
load_close(struct load *load)
{
	for (uint32_t i = 0; i < LOAD_SLOTS; i++) {
		slot_check(load, &load->slots[i]);
		free(load->slots[i].memory);
	}
}

static uint32_t
op_random(struct load *load)
{
	uint64_t x = rand_below(&load->seed, 100);

	if (load->reads_only || x < 60)
		return AIBRIX_STORE_GET;
	if (x < 85)
		return AIBRIX_STORE_PUT;
	return x < 97 ? AIBRIX_STORE_PROBE : AIBRIX_STORE_DELETE;
}

/* Its memory in two pieces, as a block lies behind its frame. */
static void
slot_request(struct load_slot *s, aibrix_io *io, uint64_t deadline,
	     uint64_t tag)
{
	uint64_t head = s->bytes < 128 ? s->bytes : 128;

	s->iov[0] = (aibrix_iov){s->memory, head};
	s->iov[1] = (aibrix_iov){s->memory + head, s->bytes - head};
	*io = (aibrix_io){.key = s->key,
			  .key_bytes = (uint32_t)strlen(s->key),
			  .op = s->op,
			  .priority = s->op == AIBRIX_STORE_PUT
					      ? AIBRIX_PRIORITY_PUT
					      : AIBRIX_PRIORITY_GET,
			  .deadline_ns = deadline,
			  .tag = tag};
	if (s->op == AIBRIX_STORE_GET || s->op == AIBRIX_STORE_PUT) {
		io->iov = s->iov;
		io->n_iov = s->bytes > head ? 2 : 1;
	}
}

static int
submit_one(struct load *load, uint32_t op, uint32_t number)
{
	struct load_slot *s = &load->slots[load->next];
	uint32_t n = 0;
	aibrix_io io;
	int err;

	/* The oldest memory first, so that most of it lies poisoned. */
	if (s->busy)
		return 0;
	slot_check(load, s);
	s->op = op;
	s->number = number;
	s->bytes = load_bytes(s->number);
	snprintf(s->key, sizeof(s->key), "key-%u", s->number);
	memset(s->memory + s->bytes, POISON, GUARD);
	if (op == AIBRIX_STORE_PUT)
		load_value(s->number, s->memory, s->bytes);
	s->start_ns = load_now_ns();
	slot_request(s, &io, s->start_ns + load->deadline_ns, load->next);
	err = aibrix_store_submit(load->store, &io, 1, s->start_ns, &n);
	if (err || n != 1)
		load_broken(load, "submit: %s", aibrix_error_name(err));
	s->busy = n;
	load->inflight += n;
	load->next = (load->next + 1) % LOAD_SLOTS;
	return (int)n;
}

static void
done_check(struct load *load, const struct load_slot *s,
	   const aibrix_done *done)
{
	switch (done->status) {
	case AIBRIX_OK: break;
	case AIBRIX_E_NOT_FOUND:
		if (s->op == AIBRIX_STORE_PUT)
			load_broken(load, "a PUT that is a miss");
		return;
	default:
		if (done->status < -63 || done->status > 0 ||
		    !(load->allowed & LOAD_BIT(done->status)))
			load_broken(load, "%s: operation %u: %s, errno %d",
				    s->key, s->op,
				    aibrix_error_name(done->status),
				    done->os_error);
		return;
	}
	if ((s->op == AIBRIX_STORE_GET || s->op == AIBRIX_STORE_PROBE) &&
	    done->bytes != s->bytes)
		load_broken(load, "%s has %llu bytes, not %llu", s->key,
			    (unsigned long long)done->bytes,
			    (unsigned long long)s->bytes);
	if (s->op != AIBRIX_STORE_GET)
		return;
	load->hits++;
	if (!load_value_is(s->number, s->memory, s->bytes))
		load_broken(load, "%s has wrong bytes", s->key);
}

static void
done_take(struct load *load, const aibrix_done *done)
{
	struct load_slot *s = &load->slots[done->tag % LOAD_SLOTS];
	uint64_t took = load_now_ns() - s->start_ns;

	if (done->tag >= LOAD_SLOTS || !s->busy) {
		load_broken(load, "a completion of no request");
		return;
	}
	s->busy = 0;
	load->inflight--;
	load->by_status[-done->status % LOAD_STATUSES]++;
	load->slowest_ns = took > load->slowest_ns ? took : load->slowest_ns;
	if (took > TIMES_LATE * load->deadline_ns)
		load_broken(load, "%s took %llu ms", s->key,
			    (unsigned long long)(took / 1000000));
	done_check(load, s, done);
	for (uint64_t i = 0; i < GUARD; i++)
		if (s->memory[s->bytes + i] != POISON) {
			load_broken(load, "bytes behind %s", s->key);
			break;
		}
	slot_poison(s);
}

static void
take(struct load *load, uint64_t wait_ns)
{
	aibrix_done dones[LOAD_DEPTH];
	uint32_t n = 0;
	int err = aibrix_store_poll(load->store, dones, LOAD_DEPTH,
				    load_now_ns(), wait_ns, &n);

	if (err)
		load_broken(load, "poll: %s", aibrix_error_name(err));
	for (uint32_t i = 0; i < n; i++)
		done_take(load, &dones[i]);
}

void
load_step(struct load *load, uint64_t wait_ns)
{
	while (load->inflight < LOAD_DEPTH) {
		uint32_t number = (uint32_t)rand_below(&load->seed, LOAD_KEYS);

		if (load->large_only)
			number -= number % 16;
		if (!submit_one(load, op_random(load), number))
			break;
	}
	take(load, wait_ns);
}

/* When the first of those under way is late. */
static uint64_t
first_late_ns(const struct load *load)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < LOAD_SLOTS; i++)
		if (load->slots[i].busy && load->slots[i].start_ns < first)
			first = load->slots[i].start_ns;
	return load->inflight ? first + load->deadline_ns : 0;
}

/*
 * A node that is left alone refuses at once: it is asked again when it may be,
 * or when the single request that tries it has ended.
 */
static void
node_wait(struct load *load, uint64_t end)
{
	struct pollfd p = {aibrix_store_fd(load->store), POLLIN, 0};
	uint64_t now = load_now_ns(), until = 0;
	aibrix_store_node node = {.state = AIBRIX_NODE_CLOSED};
	uint32_t n = 0;

	if (aibrix_store_nodes(load->store, &node, 1, &n) || n != 1)
		load_broken(load, "%u nodes", n);
	if (node.state == AIBRIX_NODE_OPEN)
		until = node.open_until_ns;
	if (node.state == AIBRIX_NODE_HALF_OPEN)
		until = first_late_ns(load);
	until = until < end ? until : end;
	if (until > now)
		poll(&p, 1, (int)((until - now + 999999) / 1000000));
}

void
load_run(struct load *load, uint64_t ms)
{
	uint64_t end = load_now_ns() + ms * 1000000u;

	while (load_now_ns() < end) {
		uint64_t hits = load->hits;

		load_step(load, 2000000);
		if (load->hits == hits)
			node_wait(load, end);
	}
}

void
load_drain(struct load *load)
{
	uint64_t end = load_now_ns() + TIMES_LATE * load->deadline_ns;

	while (load->inflight && load_now_ns() < end)
		take(load, 10000000);
	if (load->inflight)
		load_broken(load, "%u requests never end", load->inflight);
}

uint64_t
load_until_hit(struct load *load, uint64_t bound_ms)
{
	uint64_t start = load_now_ns(), hits = load->hits, ms = 0;

	while (load->hits == hits && ms <= bound_ms) {
		load_run(load, 1);
		ms = (load_now_ns() - start) / 1000000u;
	}
	return ms;
}

void
load_fill(struct load *load)
{
	const uint64_t deadline_ns = load->deadline_ns;

	/* One after the other and with much time: none may be late. */
	load->deadline_ns = 10 * LOAD_DEADLINE_NS;
	for (uint32_t key = 0; key < LOAD_KEYS; key++) {
		submit_one(load, AIBRIX_STORE_PUT, key);
		load_drain(load);
	}
	load->deadline_ns = deadline_ns;
}

uint64_t
load_count(const struct load *load, int status)
{
	return load->by_status[-status % LOAD_STATUSES];
}

int
load_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}
