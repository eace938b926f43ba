/*
 * What memory allows: bounds that rows of the same run are divided by.
 *
 * Lines of 64 bytes out of a set as large as the structure measured, from
 * the same allocator.
 */
#ifndef FLOORS_H
#define FLOORS_H

#include <aibrix/base.h>

#include "base/arch.h"
#include "base/rand.h"

#include "bench.h"

enum { FLOOR_LINE = 64, FLOOR_FLIGHT = 16 };

struct floors {
	const aibrix_allocator *alloc;
	uint8_t *lines;
	uint64_t n;      /* lines */
	uint64_t at;     /* of the chase */
	uint64_t stream; /* where the stream is */
	uint64_t state;
};

static inline uint64_t *
floor_line(const struct floors *f, uint64_t i)
{
	return (uint64_t *)(f->lines + i * FLOOR_LINE);
}

static inline void
floors_init(struct floors *f, const aibrix_allocator *alloc, uint64_t bytes)
{
	uint32_t *order;

	*f = (struct floors){.alloc = alloc, .state = 7};
	f->n = bytes / FLOOR_LINE;
	f->lines = alloc ? alloc->alloc(alloc->ctx, f->n * FLOOR_LINE, 64)
			 : malloc(f->n * FLOOR_LINE);
	order = malloc(f->n * sizeof(*order));
	bench_check(f->lines && order, "memory for the floors");
	for (uint64_t i = 0; i < f->n; i++)
		order[i] = (uint32_t)i;
	for (uint64_t i = f->n - 1; i > 0; i--) {
		uint32_t k = rand_below(&f->state, (uint32_t)i + 1);
		uint32_t swap = order[i];

		order[i] = order[k];
		order[k] = swap;
	}
	memset(f->lines, 0, f->n * FLOOR_LINE);
	/* One cycle through all lines, in no order. */
	for (uint64_t i = 0; i < f->n; i++)
		*floor_line(f, order[i]) = order[(i + 1) % f->n];
	free(order);
}

static inline void
floors_free(struct floors *f)
{
	if (f->alloc)
		f->alloc->free(f->alloc->ctx, f->lines, f->n * FLOOR_LINE);
	else
		free(f->lines);
}

/* ns per dependent load. */
static inline double
floor_chase(struct floors *f, uint32_t loads)
{
	uint64_t start = bench_now(), at = f->at;

	for (uint32_t i = 0; i < loads; i++)
		at = *floor_line(f, at);
	f->at = at;
	BENCH_KEEP(at);
	return (double)(bench_now() - start) / loads;
}

/* ns per random line, read and written, FLOOR_FLIGHT of them in flight. */
static inline double
floor_scatter(struct floors *f, uint32_t lines)
{
	uint64_t ahead[FLOOR_FLIGHT], start;

	for (uint32_t i = 0; i < FLOOR_FLIGHT; i++)
		ahead[i] = rand_below(&f->state, (uint32_t)f->n);
	start = bench_now();
	for (uint32_t i = 0; i < lines; i++) {
		uint64_t *line = floor_line(f, ahead[i % FLOOR_FLIGHT]);

		line[1]++;
		ahead[i % FLOOR_FLIGHT] = rand_below(&f->state, (uint32_t)f->n);
		prefetch(floor_line(f, ahead[i % FLOOR_FLIGHT]));
	}
	return (double)(bench_now() - start) / lines;
}

/* ns per line in order. */
static inline double
floor_stream(struct floors *f, uint32_t lines)
{
	uint64_t sum = 0, start;

	if (f->stream + lines > f->n)
		f->stream = 0;
	if (lines > f->n)
		lines = (uint32_t)f->n;
	start = bench_now();
	for (uint32_t i = 0; i < lines; i++)
		sum += *floor_line(f, f->stream + i);
	BENCH_KEEP(sum);
	f->stream += lines;
	return (double)(bench_now() - start) / lines;
}

#endif
