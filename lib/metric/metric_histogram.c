/*
 * Log-linear histogram: each power of two is cut into 2^bits buckets.
 *
 *   bits 2:  0 1 2 3 4 5 6 7 | 8- 10- 12- 14- | 16-- 20-- 24-- 28-- | 32---
 *            each alone        two together     four together
 *
 * A value's bucket is its highest bit and the bits bits after it: two
 * shifts, no search, no logarithm.  (HdrHistogram is built so too.)
 *
 * Prometheus wants counts at bounds of the user's choice, and such bounds,
 * 3 ms say, fall into the middle of buckets.  So a bucket with a bound in it
 * is kept in two halves, and the counts at bounds are exact:
 *
 *   cells:  [ sum | bucket 0, 1, 2, ... | second half of the bucket that
 *                                         edge 0, 1, ... cuts, if it does ]
 *
 * One cell each, and not one for each thread: an addition of which the line
 * is in this core's cache costs 5 ns, and what is measured here happens some
 * thousand times a second.  Orders are relaxed: a cell says how often
 * something happened and publishes nothing else.
 */

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arch.h"
#include "base/versioned.h"
#include "metric/metric_internal.h"

enum {
	BITS = 4,
	LINE = 64,
	/* The sum has a line of its own: every record writes it. */
	FIRST = LINE / 8
};

typedef _Atomic uint64_t cell;

struct aibrix_histogram {
	aibrix_allocator alloc;
	uint64_t bytes; /* of this allocation */
	uint64_t max;
	uint32_t bits;
	uint32_t n_buckets;
	uint32_t n_edges;
	uint32_t n_cells;
	uint64_t edges[AIBRIX_HISTOGRAM_EDGES_MAX];
	uint8_t *cuts; /* of a bucket: the edge in it, and 1; 0: none */
	cell *cells;
};

static uint32_t
bucket_of(uint32_t bits, uint64_t value)
{
	uint32_t shift;

	if (!(value >> bits))
		return (uint32_t)value;
	shift = highest_bit(value) - bits;
	return (shift << bits) + (uint32_t)(value >> shift);
}

static uint64_t
bucket_low(uint32_t bits, uint32_t bucket)
{
	uint32_t shift;

	if (!(bucket >> bits))
		return bucket;
	shift = (bucket >> bits) - 1;
	return (uint64_t)(bucket - (shift << bits)) << shift;
}

static uint64_t
bucket_high(const aibrix_histogram *h, uint32_t bucket)
{
	uint32_t shift = bucket >> h->bits;

	if (bucket == h->n_buckets - 1)
		return h->max;
	return bucket_low(h->bits, bucket) +
	       (((uint64_t)1 << (shift ? shift - 1 : 0)) - 1);
}

static int
opts_check(aibrix_histogram_opts *o)
{
	uint32_t last = UINT32_MAX, bucket;

	if (o->bits == 0)
		o->bits = BITS;
	if (o->max == 0)
		o->max = UINT64_MAX;
	if (o->bits > AIBRIX_HISTOGRAM_BITS_MAX ||
	    o->n_edges > AIBRIX_HISTOGRAM_EDGES_MAX || o->spare ||
	    (o->n_edges && !o->edges))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < o->n_edges; i++) {
		bucket = bucket_of(o->bits, o->edges[i]);
		if (o->edges[i] >= o->max || bucket == last ||
		    (i && o->edges[i] <= o->edges[i - 1]))
			return AIBRIX_E_INVAL;
		last = bucket;
	}
	return AIBRIX_OK;
}

static void
edges_set(aibrix_histogram *h, const aibrix_histogram_opts *o)
{
	uint32_t bucket;

	h->n_edges = o->n_edges;
	for (uint32_t i = 0; i < o->n_edges; i++) {
		h->edges[i] = o->edges[i];
		bucket = bucket_of(h->bits, o->edges[i]);
		if (o->edges[i] < bucket_high(h, bucket))
			h->cuts[bucket] = (uint8_t)(i + 1);
	}
}

int
aibrix_histogram_new(const aibrix_histogram_opts *opts, aibrix_histogram **out)
{
	enum { OPTS_V1 = STRUCT_UPTO(aibrix_histogram_opts, alloc) };
	aibrix_histogram_opts o = {.size = sizeof(o)};
	uint32_t n_buckets, n_cells;
	uint64_t head, bytes;
	aibrix_allocator a;
	aibrix_histogram *h;
	int err = out ? AIBRIX_OK : AIBRIX_E_INVAL;

	if (!err && opts)
		err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (!err)
		err = opts_check(&o);
	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;

	n_buckets = bucket_of(o.bits, o.max) + 1;
	n_cells = FIRST + n_buckets + o.n_edges;
	head = (sizeof(*h) + LINE - 1) / LINE * LINE;
	bytes = head + n_cells * sizeof(cell) + n_buckets;
	h = aibrix__alloc_aligned(&a, 1, bytes, LINE);
	if (!h)
		return AIBRIX_E_NOMEM;
	h->alloc = a;
	h->bytes = bytes;
	h->max = o.max;
	h->bits = o.bits;
	h->n_buckets = n_buckets;
	h->n_cells = n_cells;
	h->cells = (void *)((char *)h + head);
	h->cuts = (void *)((char *)h + head + n_cells * sizeof(cell));
	for (uint32_t i = 0; i < n_cells; i++)
		atomic_init(&h->cells[i], 0);
	edges_set(h, &o);
	*out = h;
	return AIBRIX_OK;
}

void
aibrix_histogram_free(aibrix_histogram *histogram)
{
	aibrix_allocator a;

	if (!histogram)
		return;
	a = histogram->alloc;
	aibrix__free(&a, histogram, 1, histogram->bytes);
}

static uint64_t
cell_read(const aibrix_histogram *h, uint32_t i)
{
	return atomic_load_explicit(&h->cells[i], memory_order_relaxed);
}

void
aibrix_histogram_record(aibrix_histogram *histogram, uint64_t value)
{
	aibrix_histogram *h = histogram;
	uint32_t i, cut;
	uint64_t v;

	if (!h)
		return;
	v = value < h->max ? value : h->max;
	i = bucket_of(h->bits, v);
	cut = h->cuts[i];
	if (cut && v > h->edges[cut - 1])
		i = h->n_buckets + cut - 1;
	atomic_fetch_add_explicit(&h->cells[FIRST + i], 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&h->cells[0], value, memory_order_relaxed);
}

static int
shapes_equal(const aibrix_histogram *a, const aibrix_histogram *b)
{
	return a && b && a->bits == b->bits && a->max == b->max &&
	       a->n_edges == b->n_edges &&
	       memcmp(a->edges, b->edges, a->n_edges * sizeof(*a->edges)) == 0;
}

int
aibrix_histogram_copy(aibrix_histogram *into, const aibrix_histogram *from)
{
	if (!shapes_equal(into, from))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < into->n_cells; i++)
		atomic_store_explicit(&into->cells[i], cell_read(from, i),
				      memory_order_relaxed);
	return AIBRIX_OK;
}

int
aibrix_histogram_merge(aibrix_histogram *into, const aibrix_histogram *from)
{
	if (!shapes_equal(into, from))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < into->n_cells; i++)
		atomic_fetch_add_explicit(&into->cells[i], cell_read(from, i),
					  memory_order_relaxed);
	return AIBRIX_OK;
}

int
aibrix_histogram_subtract(aibrix_histogram *into, const aibrix_histogram *from)
{
	if (!shapes_equal(into, from))
		return AIBRIX_E_INVAL;
	for (uint32_t i = FIRST; i < into->n_cells; i++)
		if (cell_read(into, i) < cell_read(from, i))
			return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < into->n_cells; i++)
		atomic_fetch_sub_explicit(&into->cells[i], cell_read(from, i),
					  memory_order_relaxed);
	return AIBRIX_OK;
}

int
aibrix__walk_next(struct walk *w)
{
	const aibrix_histogram *h = w->histogram;
	uint32_t b = w->bucket, cut;

	if (b == h->n_buckets)
		return 0;
	cut = h->cuts[b];
	if (w->upper) {
		w->low = h->edges[cut - 1] + 1;
		w->high = bucket_high(h, b);
		w->count = cell_read(h, FIRST + h->n_buckets + cut - 1);
		w->upper = 0;
		w->bucket++;
		return 1;
	}
	w->low = bucket_low(h->bits, b);
	w->high = cut ? h->edges[cut - 1] : bucket_high(h, b);
	w->count = cell_read(h, FIRST + b);
	w->upper = cut != 0;
	w->bucket += cut == 0;
	return 1;
}

int
aibrix__histogram_edge(const aibrix_histogram *histogram, uint32_t i,
		       uint64_t *edge)
{
	if (i >= histogram->n_edges)
		return 0;
	*edge = histogram->edges[i];
	return 1;
}

int
aibrix_histogram_total(const aibrix_histogram *histogram, uint64_t *count,
		       uint64_t *sum)
{
	uint64_t n = 0;

	if (!histogram)
		return AIBRIX_E_INVAL;
	for (uint32_t i = FIRST; i < histogram->n_cells; i++)
		n += cell_read(histogram, i);
	if (count)
		*count = n;
	if (sum)
		*sum = cell_read(histogram, 0);
	return AIBRIX_OK;
}

/* The rank of a share of n values, from 1.  n may be more than a double
 * tells apart: then never more than n. */
static uint64_t
rank_of(double share, uint64_t n)
{
	double at = share * (double)n;
	uint64_t rank = at < (double)n ? (uint64_t)at : n;

	if (rank < n && (double)rank < at)
		rank++;
	return rank ? rank : 1;
}

int
aibrix_histogram_quantile(const aibrix_histogram *histogram, double share,
			  uint64_t *value)
{
	struct walk w = {.histogram = histogram};
	uint64_t n, rank, seen = 0;
	int err;

	if (!value || !(share >= 0 && share <= 1))
		return AIBRIX_E_INVAL;
	err = aibrix_histogram_total(histogram, &n, NULL);
	if (err)
		return err;
	if (n == 0)
		return AIBRIX_E_NOT_FOUND;
	rank = rank_of(share, n);
	/* Ends in time: cells have not become less since they were summed. */
	while (seen < rank && aibrix__walk_next(&w))
		seen += w.count;
	*value = w.low + (w.high - w.low) / 2;
	return AIBRIX_OK;
}

int
aibrix_histogram_upto(const aibrix_histogram *histogram, uint64_t bound,
		      uint64_t *count)
{
	struct walk w = {.histogram = histogram};
	uint64_t n = 0;

	if (!histogram || !count)
		return AIBRIX_E_INVAL;
	while (aibrix__walk_next(&w) && w.high <= bound)
		n += w.count;
	*count = n;
	return AIBRIX_OK;
}
