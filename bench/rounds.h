/* Rows whose pairs are measured by the program: ours and the peer in each
 * round, and what was to be prepared outside of the clock. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "bench.h"

enum { ROUNDS = 15 };

struct rounds {
	double ours[64], peer[64], ratio[64];
	uint32_t n;
};

static inline void
round_add(struct rounds *r, double ours, double peer)
{
	r->ours[r->n] = ours;
	r->peer[r->n] = peer;
	r->ratio[r->n++] = peer / ours;
}

static inline void
rounds_print(const struct bench *b, struct rounds *r, const char *name,
	     const char *peer, const char *note)
{
	struct bench_row row = {.name = name, .unit = "ns", .note = note};
	struct bench_result result;

	qsort(r->ours, r->n, sizeof(double), bench_order);
	qsort(r->peer, r->n, sizeof(double), bench_order);
	qsort(r->ratio, r->n, sizeof(double), bench_order);
	result = (struct bench_result){bench_share(r->ours, r->n, 0.5),
				       bench_share(r->ours, r->n, 0.1),
				       bench_share(r->ours, r->n, 0.9),
				       bench_share(r->peer, r->n, 0.5),
				       bench_share(r->ratio, r->n, 0.5),
				       r->n};
	bench_print(b, &row, peer, &result);
}

static inline uint32_t
rounds_wanted(const struct bench *b)
{
	return b->quick ? 3 : ROUNDS;
}

#endif
