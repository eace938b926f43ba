/*
 * The harness of all benchmarks: bench_<module> [--json] [--quick].
 *
 * A thing to be measured is a function that does its work n times.  n grows
 * until one batch is long enough for the clock; then ours and the peer are
 * timed in turn (A B, B A, A B, ...), so that a machine that slows down for
 * a while slows both.  ratio is the median over the pairs, above 1 when
 * ours is better; value, p10 and p90 are ours.
 *
 * Batches are short against a time slice of the scheduler and many, so that
 * on a busy machine most of them are not interrupted and the medians are
 * those of undisturbed ones.
 */
#ifndef BENCH_H
#define BENCH_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_PAIRS_MIN = 15, BENCH_PAIRS_MAX = 201 };

/* Makes the compiler believe that x is used. */
#define BENCH_KEEP(x) __asm__ volatile("" : : "r,m"(x) : "memory")

typedef void (*bench_fn)(void *ctx, uint64_t n);

struct bench {
	int json, quick;
	uint64_t batch_ns; /* at least */
	uint64_t row_ns;   /* about, as far as BENCH_PAIRS_MIN allows */
};

struct bench_peer {
	const char *name;
	bench_fn fn;
	void *ctx;
	double ops; /* operations in one repetition */
};

/* One line of output.  unit "ns": per operation, and "bytes...": counted,
 * lower is better; anything else is operations x scale per second, higher is
 * better. */
struct bench_row {
	const char *name, *unit, *note;
	double scale;
};

static inline uint64_t
bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int
bench_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which a share of the n sorted values lies. */
static inline double
bench_share(const double *sorted, uint32_t n, double share)
{
	return sorted[(uint32_t)(share * (n - 1) + 0.5)];
}

/* ns per operation of one batch of n repetitions. */
static inline double
bench_batch(const struct bench_peer *p, uint64_t n)
{
	uint64_t start = bench_now();

	p->fn(p->ctx, n);
	return (double)(bench_now() - start) / ((double)n * p->ops);
}

/* Repetitions for a batch of the wanted length; warms caches as well. */
static inline uint64_t
bench_reps(const struct bench *b, const struct bench_peer *p)
{
	uint64_t n = 1;

	while (bench_batch(p, n) * p->ops * (double)n < (double)b->batch_ns)
		n *= 2;
	return n;
}

/* The fastest of several peers, by the best of five batches each. */
static inline const struct bench_peer *
bench_best(const struct bench *b, const struct bench_peer *peers, uint32_t n)
{
	const struct bench_peer *best = NULL;
	double best_ns = INFINITY;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t reps = bench_reps(b, &peers[i]);

		for (int round = 0; round < 5; round++) {
			double ns = bench_batch(&peers[i], reps);

			if (ns < best_ns) {
				best_ns = ns;
				best = &peers[i];
			}
		}
	}
	return best;
}

static inline void
bench_number(const char *key, double x)
{
	if (isfinite(x))
		printf(",\"%s\":%.4g", key, x);
	else
		printf(",\"%s\":null", key);
}

static inline void
bench_text(const char *key, const char *text)
{
	if (text)
		printf(",\"%s\":\"%s\"", key, text);
	else
		printf(",\"%s\":null", key);
}

struct bench_result {
	double value, p10, p90, peer_value, ratio;
	uint32_t n;
};

static inline void
bench_print(const struct bench *b, const struct bench_row *row,
	    const char *peer, const struct bench_result *r)
{
	int lower = strcmp(row->unit, "ns") == 0 ||
		    strncmp(row->unit, "bytes", 5) == 0;

	if (!b->json) {
		printf("%-24s %10.4g %-8s", row->name, r->value, row->unit);
		if (isfinite(r->ratio))
			printf(" %6.3f x %s (%.4g)", r->ratio, peer,
			       r->peer_value);
		printf("%s%s\n", row->note ? "  " : "",
		       row->note ? row->note : "");
		return;
	}
	printf("{\"name\":\"%s\"", row->name);
	bench_number("value", r->value);
	bench_text("unit", row->unit);
	bench_text("better", lower ? "lower" : "higher");
	bench_text("peer", peer);
	bench_number("peer_value", r->peer_value);
	bench_number("ratio", r->ratio);
	bench_number("p10", r->p10);
	bench_number("p90", r->p90);
	printf(",\"n\":%u", r->n);
	bench_text("note", row->note);
	printf("}\n");
	fflush(stdout);
}

/* A row that this machine or this build cannot measure. */
static inline void
bench_missing(const struct bench *b, const struct bench_row *row)
{
	const struct bench_result none = {NAN, NAN, NAN, NAN, NAN, 0};

	bench_print(b, row, NULL, &none);
}

/* A row that is counted, not timed. */
static inline void
bench_counted(const struct bench *b, const struct bench_row *row, double value)
{
	const struct bench_result r = {value, value, value, NAN, NAN, 1};

	bench_print(b, row, NULL, &r);
}

static inline double
bench_value(const struct bench_row *row, double ns)
{
	return strcmp(row->unit, "ns") == 0 ? ns : row->scale * 1e9 / ns;
}

static inline int
bench_goes_on(const struct bench *b, uint32_t done, uint64_t start)
{
	if (b->quick)
		return done < 3;
	return done < BENCH_PAIRS_MIN || bench_now() - start < b->row_ns;
}

/* Measure ours, beside the peer unless that is NULL. */
static inline void
bench_run(const struct bench *b, const struct bench_row *row,
	  const struct bench_peer *ours, const struct bench_peer *peer)
{
	double mine[BENCH_PAIRS_MAX], its[BENCH_PAIRS_MAX];
	double ratio[BENCH_PAIRS_MAX];
	uint64_t n = bench_reps(b, ours), m = peer ? bench_reps(b, peer) : 0;
	uint64_t start = bench_now();
	struct bench_result r = {.peer_value = NAN, .ratio = NAN};

	for (uint32_t i = 0; i < BENCH_PAIRS_MAX && bench_goes_on(b, i, start);
	     i++) {
		if (peer && i % 2)
			its[i] = bench_batch(peer, m);
		mine[i] = bench_batch(ours, n);
		if (peer && i % 2 == 0)
			its[i] = bench_batch(peer, m);
		if (peer)
			ratio[i] = its[i] / mine[i];
		mine[i] = bench_value(row, mine[i]);
		r.n = i + 1;
	}
	qsort(mine, r.n, sizeof(*mine), bench_order);
	r.value = bench_share(mine, r.n, 0.5);
	r.p10 = bench_share(mine, r.n, 0.1);
	r.p90 = bench_share(mine, r.n, 0.9);
	if (peer) {
		qsort(its, r.n, sizeof(*its), bench_order);
		qsort(ratio, r.n, sizeof(*ratio), bench_order);
		r.peer_value = bench_value(row, bench_share(its, r.n, 0.5));
		r.ratio = bench_share(ratio, r.n, 0.5);
	}
	bench_print(b, row, peer ? peer->name : NULL, &r);
}

/* 0: go on; otherwise the exit status of main is it - 1.  more: lines about
 * options that the caller has taken out of argv. */
static inline int
bench_start_with(struct bench *b, int argc, char **argv, const char *more)
{
	memset(b, 0, sizeof(*b));
	for (int i = 1; i < argc; i++) {
		int help = strcmp(argv[i], "--help") == 0;

		if (strcmp(argv[i], "--json") == 0) {
			b->json = 1;
		} else if (strcmp(argv[i], "--quick") == 0) {
			b->quick = 1;
		} else {
			fprintf(help ? stdout : stderr,
				"usage: %s [--json] [--quick]\n"
				"  --json   one JSON object per line\n"
				"  --quick  a few short batches: does it "
				"run?\n%s",
				argv[0], more);
			return help ? 1 : 3;
		}
	}
	b->batch_ns = b->quick ? 100000 : 400000;
	b->row_ns = 2000000000;
	return 0;
}

static inline int
bench_start(struct bench *b, int argc, char **argv)
{
	return bench_start_with(b, argc, argv, "");
}

/* For set-up that cannot fail unless the machine is out of memory. */
static inline void
bench_check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

#endif
