/* Lookups: one by one, in batches, and as columns of a fleet. */
#include "bench_index.h"

#include "index/index_internal.h"

static double
clock_cost(void)
{
	double best = 1e9;

	for (int i = 0; i < 1000; i++) {
		uint64_t start = bench_now();
		double ns = (double)(bench_now() - start);

		best = ns < best ? ns : best;
	}
	return best;
}

/* Less what the clock takes. */
static double
lookup_time(struct setup *s, const uint64_t *hashes, uint32_t n, double clock)
{
	static aibrix_match out[OWNERS_MOST];
	uint64_t start = bench_now();
	uint32_t found;

	bench_check(!aibrix_index_lookup(s->reader, hashes, n, out, s->owners,
					 &found),
		    "lookup");
	return (double)(bench_now() - start) - clock;
}

/* Of all lookups of a row. */
struct lookups {
	double ns[ROUNDS * PER_ROUND], again[ROUNDS * PER_ROUND];
	uint64_t waits, reads;
	uint32_t n;
};

/* The mean of a round. */
static double
lookups_round(struct setup *s, const struct asked *a, struct lookups *l,
	      double clock)
{
	static uint64_t hashes[DEPTH_MOST];
	double sum = 0;

	for (uint32_t i = 0; i < PER_ROUND; i++) {
		uint64_t waits, reads;
		double ns;

		asked_load(s, a, hashes);
		ns = lookup_time(s, hashes, a->depth, clock);
		sum += ns;
		l->ns[l->n] = ns;
		aibrix__index_lines(s->reader, hashes, a->depth, &waits,
				    &reads);
		l->waits += waits;
		l->reads += reads;
		if (a->again)
			l->again[l->n] =
				lookup_time(s, hashes, a->depth, clock);
		l->n++;
	}
	return sum / PER_ROUND;
}

void
lookup_row(struct setup *s, const char *name, const struct asked *a)
{
	static struct lookups l;
	struct rounds r = {.n = 0};
	double clock = clock_cost(), waits = 0, reads = 0;
	char note[200], again[40] = "";

	memset(&l, 0, sizeof(l));
	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double ours, chase, stream, floor;

		l.waits = l.reads = 0;
		ours = lookups_round(s, a, &l, clock);
		chase = floor_chase(&s->floors, 4000);
		stream = floor_stream(&s->floors, 40000);
		waits = (double)l.waits / PER_ROUND;
		reads = (double)l.reads / PER_ROUND;
		floor = waits * chase + reads * stream;
		round_add(&r, ours, floor > 0 ? floor : NAN);
	}
	qsort(l.ns, l.n, sizeof(double), bench_order);
	qsort(l.again, l.n, sizeof(double), bench_order);
	if (a->again)
		snprintf(again, sizeof(again), ", again %.0f",
			 bench_share(l.again, l.n, 0.5));
	snprintf(note, sizeof(note),
		 "%s; p50 %.0f p99 %.0f%s ns; %.1f lines waited for, %.1f in "
		 "order",
		 s->note, bench_share(l.ns, l.n, 0.5),
		 bench_share(l.ns, l.n, 0.99), again, waits, reads);
	rounds_print(s->b, &r, name, "lines x chase + stream", note);
}

void
lookup_random(struct setup *s)
{
	const struct asked a = {.at = s->queries,
				.n = s->n_queries,
				.known = DEPTH,
				.depth = DEPTH};

	lookup_row(s, "lookup_random_268", &a);
}

void
lookup_batch(struct setup *s, uint32_t n)
{
	enum { BATCHES = 32 };
	static uint64_t hashes[BATCH * DEPTH], ends[BATCH];
	static aibrix_match out[BATCH * OWNERS];
	static uint32_t out_ends[BATCH];
	struct rounds r = {.n = 0};
	char name[32];
	uint32_t found;

	for (uint32_t i = 0; i < n; i++)
		ends[i] = (i + 1) * DEPTH;
	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double single = 0, batch = 0;

		for (uint32_t k = 0; k < 2 * BATCHES; k++) {
			uint64_t start;

			for (uint32_t i = 0; i < n; i++)
				query_load(s, hashes + i * DEPTH);
			start = bench_now();
			if (k % 2) {
				bench_check(!aibrix_index_lookup_batch(
						    s->reader, hashes, ends, n,
						    out, n * OWNERS, out_ends,
						    &found),
					    "lookup_batch");
				batch += (double)(bench_now() - start);
				continue;
			}
			for (uint32_t i = 0; i < n; i++)
				bench_check(!aibrix_index_lookup(
						    s->reader,
						    hashes + i * DEPTH, DEPTH,
						    out, OWNERS, &found),
					    "lookup");
			single += (double)(bench_now() - start);
		}
		round_add(&r, batch / (BATCHES * n), single / (BATCHES * n));
	}
	snprintf(name, sizeof(name), "lookup_batch%u", n);
	rounds_print(s->b, &r, name, "one by one", s->note);
}

void
match_512x1000(const struct bench *b)
{
	enum { MANY = 1000, PROMPT = 512 };
	static uint64_t hashes[PROMPT], names[PROMPT];
	static double blocks[MANY];
	aibrix_index *index = index_new(aibrix_allocator_jemalloc(), MANY);
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = PROMPT,
				 .hashes = hashes,
				 .names = names};
	struct bench_row row = {.name = "match_512x1000", .unit = "ns"};
	struct rounds r = {.n = 0};
	aibrix_index_reader *reader;

	for (uint32_t i = 0; i < PROMPT; i++) {
		hashes[i] = mix64(i + 1);
		names[i] = mix64(i + 1001);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		e.n = PROMPT - i * (PROMPT - 1) / (MANY - 1);
		bench_check(!aibrix_index_apply_stored(index, i, &e),
			    "apply_stored");
	}
	bench_check(!aibrix_index_reader_new(index, &reader), "reader");
	for (uint32_t i = 0; i < rounds_wanted(b); i++) {
		uint64_t start = bench_now();

		for (uint32_t k = 0; k < 100; k++)
			bench_check(!aibrix_index_match(reader, hashes, PROMPT,
							0, blocks, MANY),
				    "match");
		round_add(&r, (double)(bench_now() - start) / 100, NAN);
	}
	qsort(r.ours, r.n, sizeof(double), bench_order);
	row.note = "each owner holds another number of the blocks";
	bench_counted(b, &row, bench_share(r.ours, r.n, 0.5));
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
}
