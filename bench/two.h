/* The same on two threads at once. */
#ifndef BENCH_TWO_H
#define BENCH_TWO_H

#include <pthread.h>

#include "bench.h"

struct two_part {
	bench_fn fn;
	void *ctx;
	uint64_t n;
};

static inline void *
two_run(void *arg)
{
	struct two_part *p = arg;

	p->fn(p->ctx, p->n);
	return NULL;
}

/* fn n times on each; a and b may be one. */
static inline void
bench_two(bench_fn fn, void *a, void *b, uint64_t n)
{
	struct two_part part = {fn, b, n};
	pthread_t other;

	bench_check(pthread_create(&other, NULL, two_run, &part) == 0,
		    "thread");
	fn(a, n);
	pthread_join(other, NULL);
}

#endif
