/*
 * The other designs of an index beside the figures published for them.
 *
 * A baseline is evidence only if it is a good one: exact, which its model
 * test asks, and not slower than 1.5 times what was measured of the program
 * whose design it has.  Those figures come from another machine (2 virtual
 * cores, Sapphire Rapids class), so a ratio here (theirs to ours, above 2/3
 * is good enough) says only whether the design is done justice.
 *
 * One thread, warm: a prompt of 512 blocks against 64 owners of one prompt
 * each, or 512 of them; stores of new prompts into the same.
 */

#include <aibrix/base.h>

#include "base/rand.h"
#include "baseline.h"

#include "bench.h"

enum { BLOCKS = 512, PROMPTS = 16, OWNERS_MOST = 512 };
enum { MISS, ONE, SOME, ALL, STORE, REMOVE, N_OPERATIONS };

static const char *const operations[N_OPERATIONS] = {
	"miss", "1_of_64", "64_of_64", "512_of_512", "store", "remove",
};

struct design {
	const struct baseline *b;
	const char *peer;
	double published[STORE + 1]; /* ns a prompt, STORE: a block; 0: none */
	const char *note;            /* of lookups */
};

static const struct design designs[] = {
	{&baseline_nested_map,
	 "AIBrix sync indexer",
	 {13080, 67970, 2163000, 0, 571},
	 "the peer hashes the prompt too"},
	{&baseline_radix_locks,
	 "Dynamo radix",
	 {68, 463, 3244, 18330, 38},
	 "the peer joins blocks into edges and takes no locks"},
	{&baseline_positional_32,
	 "Dynamo positional",
	 {42, 2904, 4594, 13030, 274},
	 NULL},
	{&baseline_positional_64,
	 "Dynamo positional",
	 {42, 2904, 4594, 13030, 274},
	 NULL},
	{&baseline_positional_each,
	 "Dynamo positional",
	 {42, 2904, 4594, 13030, 274},
	 "the peer jumps"},
	/* Theirs is of a mean event block of a trace, on many cores. */
	{&baseline_owner_maps, "SMG ChainIndex", {0, 0, 0, 0, 29}, NULL},
};

struct prompt {
	uint64_t hashes[BLOCKS], names[BLOCKS];
};

struct work {
	const struct baseline *b;
	void *self;
	uint32_t owners; /* that have the same prompt */
	struct prompt prompt;
	struct prompt fresh[PROMPTS];
	aibrix_match out[OWNERS_MOST];
};

static void
prompt_new(struct prompt *p, uint64_t seed)
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		p->hashes[i] = rand_next(&seed);
		p->names[i] = rand_next(&seed);
	}
}

static void
prompt_store(const struct work *w, uint32_t owner, const struct prompt *p)
{
	bench_check(w->b->stored(w->self, owner, 0, 0, p->hashes, p->names,
				 BLOCKS) == AIBRIX_OK,
		    "stored");
}

/* All owners hold a prompt of their own, some the one looked for as well. */
static void
work_begin(struct work *w, const struct baseline *b, uint32_t holders,
	   uint32_t owners)
{
	w->b = b;
	w->self = b->create(owners, aibrix_allocator_jemalloc());
	bench_check(w->self != NULL, "create");
	for (uint32_t i = 0; i < owners; i++) {
		prompt_new(&w->prompt, 1000 + i);
		prompt_store(w, i, &w->prompt);
	}
	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_new(&w->fresh[i], 1 + i);
	prompt_new(&w->prompt, 0);
	for (uint32_t i = 0; i < holders; i++)
		prompt_store(w, i, &w->prompt);
	w->owners = holders;
}

static void
look_up(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--)
		bench_check(w->b->lookup(w->self, w->prompt.hashes, BLOCKS,
					 w->out, OWNERS_MOST) == w->owners,
			    "lookup");
}

/* ns per block of storing new prompts, and of removing them tail first. */
static void
store_remove(const struct work *w, double ns[2])
{
	uint64_t tails[BLOCKS], start = bench_now(), stored;

	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_store(w, i, &w->fresh[i]);
	stored = bench_now();
	ns[0] = (double)(stored - start) / (PROMPTS * BLOCKS);
	ns[1] = 0;
	for (uint32_t i = 0; i < PROMPTS; i++) {
		for (uint32_t j = 0; j < BLOCKS; j++)
			tails[j] = w->fresh[i].names[BLOCKS - 1 - j];
		start = bench_now();
		w->b->removed(w->self, i, tails, BLOCKS);
		ns[1] += (double)(bench_now() - start) / (PROMPTS * BLOCKS);
	}
}

static void
row_print(const struct bench *b, const struct design *d, uint32_t operation,
	  double *ns, uint32_t n)
{
	double published = operation <= STORE ? d->published[operation] : 0;
	int lookup = operation < STORE;
	char name[64];
	struct bench_row row = {
		.name = name, .unit = "ns", .note = lookup ? d->note : NULL};
	struct bench_result r = {.peer_value = NAN, .ratio = NAN, .n = n};

	snprintf(name, sizeof(name), "%s_%s", d->b->name,
		 operations[operation]);
	qsort(ns, n, sizeof(*ns), bench_order);
	r.value = bench_share(ns, n, 0.5);
	r.p10 = bench_share(ns, n, 0.1);
	r.p90 = bench_share(ns, n, 0.9);
	if (published > 0) {
		r.peer_value = published;
		r.ratio = published / r.value;
	}
	bench_print(b, &row, published > 0 ? d->peer : NULL, &r);
}

static void
lookups_measure(const struct bench *b, const struct design *d, struct work *w,
		uint32_t operation)
{
	static const uint32_t holders[] = {0, 1, 64, 512};
	struct bench_peer ours = {.fn = look_up, .ctx = w, .ops = 1};
	double ns[BENCH_PAIRS_MAX];
	uint64_t reps, start;
	uint32_t n = 0;

	work_begin(w, d->b, holders[operation], operation == ALL ? 512 : 64);
	reps = bench_reps(b, &ours);
	start = bench_now();
	while (n < BENCH_PAIRS_MAX && bench_goes_on(b, n, start))
		ns[n++] = bench_batch(&ours, reps);
	row_print(b, d, operation, ns, n);
	w->b->destroy(w->self);
}

static void
stores_measure(const struct bench *b, const struct design *d, struct work *w)
{
	double store[BENCH_PAIRS_MAX], removal[BENCH_PAIRS_MAX], ns[2];
	uint64_t start;
	uint32_t n = 0;

	work_begin(w, d->b, 0, 64);
	for (uint32_t warm = 0; warm < 3; warm++)
		store_remove(w, ns);
	start = bench_now();
	while (n < BENCH_PAIRS_MAX && bench_goes_on(b, n, start)) {
		store_remove(w, ns);
		store[n] = ns[0];
		removal[n++] = ns[1];
	}
	row_print(b, d, STORE, store, n);
	row_print(b, d, REMOVE, removal, n);
	w->b->destroy(w->self);
}

int
main(int argc, char **argv)
{
	struct bench b;
	int stop = bench_start(&b, argc, argv);
	struct work *w;

	if (stop)
		return stop - 1;
	b.row_ns /= 4;
	w = calloc(1, sizeof(*w));
	bench_check(w != NULL, "calloc");
	for (size_t i = 0; i < sizeof(designs) / sizeof(*designs); i++) {
		for (uint32_t operation = MISS; operation < STORE; operation++)
			lookups_measure(&b, &designs[i], w, operation);
		stores_measure(&b, &designs[i], w);
	}
	free(w);
	return 0;
}
