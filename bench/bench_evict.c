/*
 * Eviction orders on a trace of prompts: what they serve, and what they cost.
 *
 *   bench_evict [--trace FILE] [--json] [--quick]
 *
 * FILE is of Mooncake's format; without it the conversation trace where
 * AIBRIX_TEST_DATA says, else a generated workload.
 *
 * hit_<policy>_<capacity>     share of blocks served as leading blocks
 * objhit_<policy>_<capacity>  share of blocks resident, one by one
 * way_<policy>_<capacity>     of the way from LRU to Belady's choice
 * ops_<policy>                accesses against a list LRU with a hash map
 */

#include <unistd.h>

#include <aibrix/evict.h>

#include "base/rand.h"

#include "baselines/list_lru.h"
#include "bench.h"
#include "evict_trace.h"

enum { CHUNK = 1000, OPS_CAPACITY = 10000, QUICK_REQUESTS = 400 };

static const uint32_t capacities[] = {500,   1000,  2000, 5000,
				      10000, 20000, 50000};
enum { CAPACITIES = sizeof(capacities) / sizeof(capacities[0]) };

enum { LRU, S3FIFO }; /* in the table */

static const struct policy {
	const char *name;
	uint32_t number;
} policies[] = {
	[LRU] = {"lru", AIBRIX_EVICT_LRU},
	[S3FIFO] = {"s3fifo", AIBRIX_EVICT_S3FIFO},
	{"arc", AIBRIX_EVICT_ARC},
	{"fifo", AIBRIX_EVICT_FIFO},
	{"sieve", AIBRIX_EVICT_SIEVE},
	{"auto", AIBRIX_EVICT_AUTO},
	{"density", AIBRIX_EVICT_DENSITY},
};
enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

/* A line that is written over, on a terminal only. */
static void
progress(const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%-40s\r", what);
}

/* peer_value NaN: beside nothing. */
static void
share_print(const struct bench *b, const struct trace *t, const char *kind,
	    const char *policy, uint32_t capacity, double value,
	    double peer_value)
{
	char name[64];
	const struct bench_row row = {name, "share", t->note, 1};
	const struct bench_result r = {
		value, value, value, peer_value, value / peer_value, 1};

	snprintf(name, sizeof(name), "%s_%s_%u", kind, policy, capacity);
	if (isfinite(peer_value))
		bench_print(b, &row, "max(lru, s3fifo)", &r);
	else
		bench_counted(b, &row, value);
}

static struct trace_hits
policy_run(const struct trace *t, const struct policy *policy,
	   uint32_t capacity)
{
	const aibrix_evict_opts o = {.size = sizeof(o),
				     .policy = policy->number,
				     .capacity = capacity};
	char what[64];

	snprintf(what, sizeof(what), "%s, %u blocks", policy->name, capacity);
	progress(what);
	return trace_run(t, &o);
}

/* What all policies serve, and how far from LRU to Belady that is. */
static void
hit_rows(const struct bench *b, const struct trace *t, uint32_t capacity)
{
	struct trace_hits hits[POLICIES], best = trace_belady(t, capacity);
	double lru, peer;

	for (uint32_t i = 0; i < POLICIES; i++) {
		hits[i] = policy_run(t, &policies[i], capacity);
		peer = NAN;
		if (policies[i].number == AIBRIX_EVICT_AUTO)
			peer = fmax(hits[LRU].prefix, hits[S3FIFO].prefix);
		share_print(b, t, "hit", policies[i].name, capacity,
			    hits[i].prefix, peer);
		share_print(b, t, "objhit", policies[i].name, capacity,
			    hits[i].object, NAN);
	}
	share_print(b, t, "hit", "belady", capacity, best.prefix, NAN);
	share_print(b, t, "objhit", "belady", capacity, best.object, NAN);
	lru = hits[LRU].prefix;
	for (uint32_t i = 0; i < POLICIES; i++)
		if (i != LRU)
			share_print(b, t, "way", policies[i].name, capacity,
				    (hits[i].prefix - lru) /
					    (best.prefix - lru),
				    NAN);
}

/* Accesses in the order of the trace, over and over. */
struct accesses {
	const struct trace *trace;
	struct list_lru *list;
	struct ordered_cache *ordered;
	uint32_t at;
};

static uint64_t
access_next(struct accesses *a)
{
	uint64_t block = a->trace->blocks[a->at];

	a->at = a->at + 1 == trace_blocks(a->trace) ? 0 : a->at + 1;
	return block + 1;
}

static void
list_access(void *ctx, uint64_t n)
{
	struct accesses *a = ctx;

	for (n *= CHUNK; n > 0; n--)
		list_lru_use(a->list, access_next(a));
}

static void
ordered_access(void *ctx, uint64_t n)
{
	struct accesses *a = ctx;

	for (n *= CHUNK; n > 0; n--)
		ordered_cache_use(a->ordered, access_next(a));
}

static void
ops_row(const struct bench *b, const struct trace *t,
	const struct policy *policy)
{
	char name[64];
	const struct bench_row row = {
		name, "M/s", "accesses, 10 000 blocks, look-up included", 1e-6};
	struct accesses mine = {.trace = t}, its = {.trace = t};
	const struct bench_peer ours = {"", ordered_access, &mine, CHUNK};
	const struct bench_peer list = {"list_lru", list_access, &its, CHUNK};

	snprintf(name, sizeof(name), "ops_%s", policy->name);
	progress(name);
	mine.ordered = ordered_cache_new(OPS_CAPACITY, policy->number);
	its.list = list_lru_new(OPS_CAPACITY);
	bench_check(mine.ordered && its.list, "memory");
	/* Both full. */
	ordered_access(&mine, 2 * OPS_CAPACITY / CHUNK);
	list_access(&its, 2 * OPS_CAPACITY / CHUNK);
	bench_run(b, &row, &ours, &list);
	ordered_cache_free(mine.ordered);
	list_lru_free(its.list);
}

/* --trace FILE leaves argv; NULL: not given. */
static const char *
trace_argument(int *argc, char **argv)
{
	const char *path = NULL;
	int to = 1;

	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			puts("  --trace FILE  prompts, of Mooncake's format");
		if (strcmp(argv[i], "--trace") == 0 && i + 1 < *argc)
			path = argv[++i];
		else
			argv[to++] = argv[i];
	}
	*argc = to;
	return path;
}

/* Where the tests find public traces; NULL: not there, or nobody could read
 * it. */
static const char *
trace_default(void)
{
#ifdef SIM_HAVE_JANSSON
	static char path[4096];
	const char *folder = getenv("AIBRIX_TEST_DATA");

	if (!folder)
		return NULL;
	snprintf(path, sizeof(path), "%s/mooncake_conversation.jsonl", folder);
	return access(path, R_OK) == 0 ? path : NULL;
#else
	return NULL;
#endif
}

int
main(int argc, char **argv)
{
	const char *path = trace_argument(&argc, argv);
	struct bench b;
	struct trace t;
	int stop = bench_start(&b, argc, argv);

	if (stop)
		return stop - 1;
	trace_open(&t, path ? path : trace_default(),
		   b.quick ? QUICK_REQUESTS : UINT32_MAX);
	for (uint32_t i = 0; i < POLICIES; i++)
		ops_row(&b, &t, &policies[i]);
	for (uint32_t i = 0; i < CAPACITIES; i++)
		hit_rows(&b, &t, capacities[i]);
	progress("");
	trace_close(&t);
	return 0;
}
