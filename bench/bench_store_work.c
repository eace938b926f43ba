/*
 * Blocks, their keys, and what they hold.
 *
 * A block's words follow from its key, so that any of them can be looked at
 * without a copy of it.  The blocks lie in a pool larger than the last-level
 * cache and are moved in a random order, as those of an engine are.
 */
#include <sys/resource.h>

#include "base/rand.h"

#include "bench_store.h"

enum { LOOKED_AT = 8 }; /* words of a block after a get */

static void
order_shuffle(struct work *w)
{
	uint64_t state = 11;

	for (uint32_t i = 0; i < w->n; i++)
		w->order[i] = i;
	for (uint32_t i = w->n; i > 1; i--) {
		uint32_t other = rand_below(&state, i), it = w->order[i - 1];

		w->order[i - 1] = w->order[other];
		w->order[other] = it;
	}
}

void
work_rename(struct work *w, uint32_t generation)
{
	char text[32];

	for (uint32_t i = 0; i < w->n; i++) {
		snprintf(text, sizeof(text), "%08x%08x", generation, i);
		memcpy(w->keys[i], text, KEY_BYTES);
	}
}

void
work_init(struct work *w, const struct options *o, uint64_t bytes)
{
	aibrix_pool_opts po = {.size = sizeof(po), .slot_bytes = bytes};

	*w = (struct work){.bytes = bytes,
			   .n = (uint32_t)(o->total_bytes / bytes),
			   .depth = o->depth,
			   .connections = o->connections};
	po.slots = w->n;
	po.region_bytes = w->n * bytes;
	bench_check(!aibrix_pool_new(&po, &w->pool), "a pool");
	w->blocks = aibrix_pool_slot(w->pool, 0);
	w->order = malloc(w->n * sizeof(*w->order));
	w->keys = malloc(w->n * sizeof(*w->keys));
	bench_check(w->order && w->keys, "memory for keys");
	order_shuffle(w);
	work_rename(w, 0);
	work_fill(w);
}

void
work_free(struct work *w)
{
	free(w->keys);
	free(w->order);
	aibrix_pool_free(w->pool);
}

static uint64_t
word_of(uint32_t block, uint64_t word)
{
	return mix64((uint64_t)block << 32 | word);
}

void
work_fill(struct work *w)
{
	uint64_t words = w->bytes / sizeof(uint64_t);

	for (uint32_t i = 0; i < w->n; i++) {
		uint8_t *at = w->blocks + i * w->bytes;

		for (uint64_t j = 0; j < words; j++) {
			uint64_t word = word_of(i, j);

			memcpy(at + j * sizeof(word), &word, sizeof(word));
		}
	}
}

/* The k-th word that is looked at: the first, the last, and between them. */
static uint64_t
word_chosen(const struct work *w, uint32_t k)
{
	return (w->bytes / sizeof(uint64_t) - 1) * k / (LOOKED_AT - 1);
}

static void
work_poison(struct work *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		for (uint32_t k = 0; k < LOOKED_AT; k++)
			memset(w->blocks + i * w->bytes +
				       word_chosen(w, k) * sizeof(uint64_t),
			       0xa5, sizeof(uint64_t));
}

void
block_check(const struct work *w, uint32_t i, const uint8_t *data,
	    const char *who)
{
	uint64_t got, j;

	for (uint32_t k = 0; k < LOOKED_AT; k++) {
		j = word_chosen(w, k);
		memcpy(&got, data + j * sizeof(got), sizeof(got));
		if (got == word_of(i, j))
			continue;
		fprintf(stderr, "%s: a wrong byte in block %u\n", who, i);
		exit(1);
	}
}

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

struct cost
work_pass(struct work *w, const struct mover *m, uint32_t op)
{
	double gb = (double)w->n * (double)w->bytes / 1e9, cpu = cpu_s();
	uint64_t start = bench_now();
	struct cost cost;

	m->move(m->ctx, op, w);
	cost.s = (double)(bench_now() - start) * 1e-9 / gb;
	cost.cpu = (cpu_s() - cpu) / gb;
	return cost;
}

struct cost
work_time(struct work *w, const struct mover *m, uint32_t op)
{
	struct cost cost;

	if (op == AIBRIX_STORE_GET)
		work_poison(w);
	cost = work_pass(w, m, op);
	for (uint32_t i = 0; op == AIBRIX_STORE_GET && i < w->n; i++)
		block_check(w, i, w->blocks + i * w->bytes, m->name);
	return cost;
}
