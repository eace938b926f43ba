#include "evict_trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "sim/sim_trace.h"
#include "sim/sim_workload.h"

enum { GENERATED = 4000, SEED = 1, ERROR_BYTES = 512 };
#define ABSENT UINT32_MAX

static void *
must_alloc(size_t n, size_t bytes)
{
	void *ptr = calloc(n ? n : 1, bytes);

	bench_check(ptr != NULL, "memory");
	return ptr;
}

static int
id_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
id_rank(const uint64_t *sorted, uint32_t n, uint64_t id)
{
	uint32_t low = 0, high = n;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (sorted[mid] <= id)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Small numbers instead of ids. */
static void
trace_number(struct trace *t, const sim_workload *w)
{
	uint64_t *sorted = must_alloc(w->n_ids, sizeof(*sorted));
	uint32_t n = 0;

	memcpy(sorted, w->ids, w->n_ids * sizeof(*sorted));
	qsort(sorted, w->n_ids, sizeof(*sorted), id_order);
	for (size_t i = 0; i < w->n_ids; i++)
		if (i == 0 || sorted[i] != sorted[n - 1])
			sorted[n++] = sorted[i];
	t->names = n;
	t->requests = (uint32_t)w->n;
	t->blocks = must_alloc(w->n_ids, sizeof(*t->blocks));
	t->ends = must_alloc(w->n, sizeof(*t->ends));
	n = 0;
	for (size_t r = 0; r < w->n; r++) {
		const sim_request *q = &w->requests[r];

		for (uint32_t i = 0; i < q->n_ids; i++)
			t->blocks[n++] = id_rank(sorted, t->names,
						 w->ids[q->first_id + i]);
		t->ends[r] = n;
	}
	free(sorted);
}

void
trace_open(struct trace *t, const char *path, uint32_t max)
{
	char error[ERROR_BYTES] = "reading traces needs libjansson";
	sim_workload w = {0};
	int failed = -1;

	t->note = path ? "prompts of the trace" : "generated prompts";
	if (!path)
		failed = sim_workload_generate(
			&w, "conversation", max < GENERATED ? max : GENERATED,
			SEED);
#ifdef SIM_HAVE_JANSSON
	else
		failed = sim_trace_read(path, max, &w, error, sizeof(error));
#endif
	if (!failed && w.n_ids >= ABSENT) {
		snprintf(error, sizeof(error), "too many blocks");
		failed = -1;
	}
	if (failed) {
		fprintf(stderr, "bench_evict: %s\n", error);
		exit(1);
	}
	trace_number(t, &w);
	sim_workload_clear(&w);
}

void
trace_close(struct trace *t)
{
	free(t->blocks);
	free(t->ends);
}

struct cache {
	aibrix_evict *evict;
	uint32_t capacity, count;
	uint32_t *slot_of;  /* by block; ABSENT */
	uint32_t *block_in; /* by slot */
};

/* depth: of the block in its chain; 0: not known. */
static void
block_use(struct cache *c, uint32_t block, uint32_t depth)
{
	const aibrix_evict_block detail = {.fingerprint = block,
					   .parent_slot =
						   AIBRIX_EVICT_NO_PARENT,
					   .depth = depth};
	uint32_t slot = c->slot_of[block], n;

	if (slot != ABSENT) {
		bench_check(!aibrix_evict_hit(c->evict, slot), "hit");
		return;
	}
	slot = c->count;
	if (c->count < c->capacity) {
		c->count++;
	} else {
		bench_check(!aibrix_evict_reserve(c->evict, &detail.fingerprint,
						  1, 0, &slot, &n),
			    "reserve");
		c->slot_of[c->block_in[slot]] = ABSENT;
	}
	bench_check(!aibrix_evict_insert_block(c->evict, slot, &detail),
		    "insert");
	c->slot_of[block] = slot;
	c->block_in[slot] = block;
}

static void
cache_open(struct cache *c, const struct trace *t,
	   const aibrix_evict_opts *opts)
{
	*c = (struct cache){.capacity = opts->capacity};
	c->slot_of = must_alloc(t->names, sizeof(*c->slot_of));
	c->block_in = must_alloc(c->capacity, sizeof(*c->block_in));
	memset(c->slot_of, 0xff, t->names * sizeof(*c->slot_of));
	bench_check(!aibrix_evict_new(opts, &c->evict), "aibrix_evict_new");
}

static void
cache_close(struct cache *c)
{
	aibrix_evict_free(c->evict);
	free(c->slot_of);
	free(c->block_in);
}

static double
prefix_run(const struct trace *t, struct cache *c)
{
	uint64_t hits = 0;
	uint32_t first = 0;

	for (uint32_t r = 0; r < t->requests; r++) {
		uint32_t end = t->ends[r], i = first;

		while (i < end && c->slot_of[t->blocks[i]] != ABSENT)
			i++;
		hits += i - first;
		for (i = end; i > first; i--)
			block_use(c, t->blocks[i - 1], i - first);
		first = end;
	}
	return (double)hits / trace_blocks(t);
}

static double
object_run(const struct trace *t, struct cache *c)
{
	uint64_t hits = 0;

	for (uint32_t i = 0; i < trace_blocks(t); i++) {
		hits += c->slot_of[t->blocks[i]] != ABSENT;
		block_use(c, t->blocks[i], 0);
	}
	return (double)hits / trace_blocks(t);
}

struct trace_hits
trace_run(const struct trace *t, const aibrix_evict_opts *opts)
{
	struct trace_hits hits;
	struct cache c;

	cache_open(&c, t, opts);
	hits.prefix = prefix_run(t, &c);
	cache_close(&c);
	cache_open(&c, t, opts);
	hits.object = object_run(t, &c);
	cache_close(&c);
	return hits;
}

/* A heap of blocks, the farthest next use on top. */
struct oracle {
	uint32_t *next;      /* of each use, the next one of that block */
	uint32_t *due;       /* by block: its next use */
	uint32_t *heap, *at; /* at: place in the heap by block, or ABSENT */
	uint32_t n;
};

static void
heap_put(struct oracle *o, uint32_t i, uint32_t block)
{
	o->heap[i] = block;
	o->at[block] = i;
}

static void
heap_up(struct oracle *o, uint32_t i)
{
	uint32_t block = o->heap[i], above;

	for (; i > 0; i = above) {
		above = (i - 1) / 2;
		if (o->due[o->heap[above]] >= o->due[block])
			break;
		heap_put(o, i, o->heap[above]);
	}
	heap_put(o, i, block);
}

static void
heap_down(struct oracle *o, uint32_t i)
{
	uint32_t block = o->heap[i], below;

	for (; 2 * i + 1 < o->n; i = below) {
		below = 2 * i + 1;
		if (below + 1 < o->n &&
		    o->due[o->heap[below + 1]] > o->due[o->heap[below]])
			below++;
		if (o->due[o->heap[below]] <= o->due[block])
			break;
		heap_put(o, i, o->heap[below]);
	}
	heap_put(o, i, block);
}

static void
oracle_use(struct oracle *o, uint32_t capacity, uint32_t block, uint32_t next)
{
	o->due[block] = next;
	if (o->at[block] != ABSENT) {
		heap_up(o, o->at[block]);
		return;
	}
	if (o->n == capacity) {
		o->at[o->heap[0]] = ABSENT;
		heap_put(o, 0, block);
		heap_down(o, 0);
		return;
	}
	heap_put(o, o->n++, block);
	heap_up(o, o->at[block]);
}

static void
oracle_open(struct oracle *o, const struct trace *t, uint32_t capacity)
{
	uint32_t n = trace_blocks(t);

	o->n = 0;
	o->next = must_alloc(n, sizeof(*o->next));
	o->due = must_alloc(t->names, sizeof(*o->due));
	o->at = must_alloc(t->names, sizeof(*o->at));
	o->heap = must_alloc(capacity, sizeof(*o->heap));
	memset(o->due, 0xff, t->names * sizeof(*o->due));
	memset(o->at, 0xff, t->names * sizeof(*o->at));
	for (uint32_t i = n; i-- > 0;) {
		o->next[i] = o->due[t->blocks[i]];
		o->due[t->blocks[i]] = i;
	}
}

static void
oracle_close(struct oracle *o)
{
	free(o->next);
	free(o->due);
	free(o->at);
	free(o->heap);
}

/* Of a chain that is used again, the first block is due first: who is due
 * last is a leaf, so Belady's choice keeps prefixes. */
static double
oracle_prefix(const struct trace *t, uint32_t capacity)
{
	struct oracle o;
	uint32_t first = 0;
	uint64_t hits = 0;

	oracle_open(&o, t, capacity);
	for (uint32_t r = 0; r < t->requests; r++) {
		uint32_t end = t->ends[r], i = first;

		while (i < end && o.at[t->blocks[i]] != ABSENT)
			i++;
		hits += i - first;
		for (i = end; i > first; i--)
			oracle_use(&o, capacity, t->blocks[i - 1],
				   o.next[i - 1]);
		first = end;
	}
	oracle_close(&o);
	return (double)hits / trace_blocks(t);
}

static double
oracle_object(const struct trace *t, uint32_t capacity)
{
	struct oracle o;
	uint64_t hits = 0;

	oracle_open(&o, t, capacity);
	for (uint32_t i = 0; i < trace_blocks(t); i++) {
		hits += o.at[t->blocks[i]] != ABSENT;
		oracle_use(&o, capacity, t->blocks[i], o.next[i]);
	}
	oracle_close(&o);
	return (double)hits / trace_blocks(t);
}

struct trace_hits
trace_belady(const struct trace *t, uint32_t capacity)
{
	return (struct trace_hits){oracle_prefix(t, capacity),
				   oracle_object(t, capacity)};
}
