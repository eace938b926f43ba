/*
 * The block index, on a timeline made from a trace of conversations.
 *
 *   bench_index [--json] [--quick]        the rows below
 *   bench_index --exactness [--quick]     beside the simple index: every
 *                                         256 events, and at the end
 *
 * AIBRIX_TEST_DATA says where the trace is.  W = 128 owners, L = 4, K = 1,
 * blocks of 128 tokens, 16 384 blocks in each owner's cache; "prefix" in a
 * row's note: requests go where most of their prompt is, else at random.
 */

#include <pthread.h>

#include <aibrix/index.h>

#include "index/index_internal.h"

#include "baselines/baseline.h"
#include "corpus.h"
#include "floors.h"
#include "reference/simple_index.h"

enum {
	OWNERS = 128,
	ROUNDS = 15,
	DEPTH = 268, /* blocks of a mean lookup */
	PER_ROUND = 256,
	EVENT = 98 /* blocks of a mean event */
};

/* An index filled by a whole corpus, and what it is measured beside. */
struct setup {
	const struct bench *b;
	const aibrix_allocator *alloc;
	struct corpus corpus;
	aibrix_index *index;
	aibrix_index_reader *reader;
	struct floors floors;
	const char *note;
	uint64_t *queries; /* first blocks of prompts of DEPTH and more */
	uint64_t n_queries;
	uint64_t state;
};

static double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static aibrix_index *
index_new(const aibrix_allocator *alloc, uint32_t owners)
{
	aibrix_index_opts opts = {
		.size = sizeof(opts), .max_owners = owners, .alloc = alloc};
	aibrix_index *index;

	bench_check(!aibrix_index_new(&opts, &index), "aibrix_index_new");
	for (uint32_t i = 0; i < owners; i++)
		bench_check(!aibrix_index_owner_add(index, i), "owner_add");
	return index;
}

static aibrix_index_stored
event_of(const struct corpus *c, const struct corpus_event *e)
{
	return (aibrix_index_stored){
		.size = sizeof(aibrix_index_stored),
		.n = e->n,
		.hashes = c->hashes + e->first,
		.names = c->names + e->first,
		.parent = e->parent,
		.flags = e->has_parent ? AIBRIX_INDEX_HAS_PARENT : 0};
}

static void
event_apply(aibrix_index *index, const struct corpus *c,
	    const struct corpus_event *e)
{
	aibrix_index_stored stored;

	if (e->kind == CORPUS_STORED) {
		stored = event_of(c, e);
		bench_check(
			!aibrix_index_apply_stored(index, e->owner, &stored),
			"apply_stored");
	} else if (e->kind == CORPUS_REMOVED) {
		bench_check(!aibrix_index_apply_removed(index, e->owner,
							c->gone + e->first,
							e->n, 0, 0),
			    "apply_removed");
	}
}

static struct corpus_opts
corpus_options(const struct bench *b, enum corpus_route route)
{
	static char path[4096];
	const char *data = getenv("AIBRIX_TEST_DATA");
	struct corpus_opts o = {.owners = OWNERS,
				.length = 4,
				.copies = 1,
				.capacity = b->quick ? 512 : 16384,
				.requests = b->quick ? 400 : 0,
				.route = route};

	snprintf(path, sizeof(path), "%s/mooncake_conversation.jsonl",
		 data ? data : "../shared/data");
	o.trace = path;
	return o;
}

static void
setup_init(struct setup *s, const struct bench *b, enum corpus_route route)
{
	struct corpus_opts o = corpus_options(b, route);
	aibrix_index_stat stat = {.size = sizeof(stat)};

	memset(s, 0, sizeof(*s));
	s->b = b;
	s->alloc = aibrix_allocator_jemalloc();
	s->state = 3;
	corpus_make(&s->corpus, &o);
	s->note = s->corpus.synthetic     ? "synthetic"
		  : route == ROUTE_PREFIX ? "prefix"
					  : "random";
	s->index = index_new(s->alloc, OWNERS);
	bench_check(!aibrix_index_reader_new(s->index, &s->reader), "reader");
	s->queries = malloc(s->corpus.n_events * sizeof(*s->queries));
	bench_check(s->queries != NULL, "memory");
	for (uint64_t i = 0; i < s->corpus.n_events; i++) {
		const struct corpus_event *e = &s->corpus.events[i];

		event_apply(s->index, &s->corpus, e);
		if (e->kind == CORPUS_LOOKUP && e->n >= DEPTH)
			s->queries[s->n_queries++] = e->first;
	}
	bench_check(s->n_queries > 0, "no prompt is long enough");
	bench_check(!aibrix_index_stats(s->index, &stat), "stats");
	floors_init(&s->floors, s->alloc, stat.bytes);
}

static void
setup_free(struct setup *s)
{
	floors_free(&s->floors);
	free(s->queries);
	aibrix_index_reader_free(s->reader);
	aibrix_index_free(s->index);
	corpus_free(&s->corpus);
}

/* Rows whose pairs are measured here: ours and the peer in each round. */
struct rounds {
	double ours[64], peer[64], ratio[64];
	uint32_t n;
};

static void
round_add(struct rounds *r, double ours, double peer)
{
	r->ours[r->n] = ours;
	r->peer[r->n] = peer;
	r->ratio[r->n++] = peer / ours;
}

static void
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

static uint32_t
rounds_wanted(const struct bench *b)
{
	return b->quick ? 3 : ROUNDS;
}

/* A prompt's hashes, copied to where a caller that has just computed them
 * would have them: near. */
static void
query_load(struct setup *s, uint64_t *hashes)
{
	uint64_t at = s->queries[rand_below(&s->state, (uint32_t)s->n_queries)];

	memcpy(hashes, s->corpus.hashes + at, DEPTH * sizeof(*hashes));
}

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

static void
lookup_random(struct setup *s)
{
	static uint64_t hashes[DEPTH];
	static aibrix_match out[OWNERS];
	static double all[ROUNDS * PER_ROUND];
	struct rounds r = {.n = 0};
	double clock = clock_cost(), lines = 0, in_order = 0;
	uint32_t n_all = 0;
	char note[160];

	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double ours = 0, chase, stream;
		uint64_t waits = 0, reads = 0;

		for (uint32_t i = 0; i < PER_ROUND; i++) {
			uint64_t dependent, sequential, start;
			uint32_t n;
			double ns;

			query_load(s, hashes);
			start = bench_now();
			bench_check(!aibrix_index_lookup(s->reader, hashes,
							 DEPTH, out, OWNERS,
							 &n),
				    "lookup");
			ns = (double)(bench_now() - start) - clock;
			ours += ns;
			all[n_all++] = ns;
			aibrix__index_lines(s->reader, hashes, DEPTH,
					    &dependent, &sequential);
			waits += dependent;
			reads += sequential;
		}
		chase = floor_chase(&s->floors, 4000);
		stream = floor_stream(&s->floors, 40000);
		lines = (double)waits / PER_ROUND;
		in_order = (double)reads / PER_ROUND;
		round_add(&r, ours / PER_ROUND,
			  lines * chase + in_order * stream);
	}
	qsort(all, n_all, sizeof(double), bench_order);
	snprintf(note, sizeof(note),
		 "%s; p50 %.0f p99 %.0f ns; %.1f lines waited for, %.1f in "
		 "order",
		 s->note, bench_share(all, n_all, 0.5),
		 bench_share(all, n_all, 0.99), lines, in_order);
	rounds_print(s->b, &r, "lookup_random_268", "lines x chase + stream",
		     note);
}

static void
lookup_batch(struct setup *s)
{
	enum { BATCHES = 32 };
	static uint64_t hashes[BATCH * DEPTH], ends[BATCH];
	static aibrix_match out[BATCH * OWNERS];
	static uint32_t out_ends[BATCH];
	struct rounds r = {.n = 0};
	uint32_t n;

	for (uint32_t i = 0; i < BATCH; i++)
		ends[i] = (i + 1) * DEPTH;
	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double single = 0, batch = 0;

		for (uint32_t k = 0; k < 2 * BATCHES; k++) {
			uint64_t start;

			for (uint32_t i = 0; i < BATCH; i++)
				query_load(s, hashes + i * DEPTH);
			start = bench_now();
			if (k % 2) {
				bench_check(!aibrix_index_lookup_batch(
						    s->reader, hashes, ends,
						    BATCH, out, BATCH * OWNERS,
						    out_ends, &n),
					    "lookup_batch");
				batch += (double)(bench_now() - start);
				continue;
			}
			for (uint32_t i = 0; i < BATCH; i++)
				bench_check(!aibrix_index_lookup(
						    s->reader,
						    hashes + i * DEPTH, DEPTH,
						    out, OWNERS, &n),
					    "lookup");
			single += (double)(bench_now() - start);
		}
		round_add(&r, batch / (BATCHES * BATCH),
			  single / (BATCHES * BATCH));
	}
	rounds_print(s->b, &r, "lookup_batch16", "one by one", s->note);
}

/* New blocks, and blocks that others know, under places of the corpus. */
struct writes {
	uint64_t hashes[EVENT], names[EVENT], back[EVENT];
	aibrix_index_stored event;
	uint32_t owner;
};

static void
write_load(struct setup *s, struct writes *w, int fresh)
{
	const struct corpus *c = &s->corpus;
	uint64_t at = s->queries[rand_below(&s->state, (uint32_t)s->n_queries)];
	uint32_t skip = 1 + rand_below(&s->state, DEPTH - EVENT - 1);

	for (uint32_t i = 0; i < EVENT; i++) {
		w->hashes[i] =
			fresh ? rand_next(&s->state) : c->hashes[at + skip + i];
		w->names[i] =
			fresh ? rand_next(&s->state) : c->names[at + skip + i];
		w->back[EVENT - 1 - i] = w->names[i];
	}
	w->event = (aibrix_index_stored){.size = sizeof(w->event),
					 .n = EVENT,
					 .hashes = w->hashes,
					 .names = w->names,
					 .parent = c->names[at + skip - 1],
					 .flags = AIBRIX_INDEX_HAS_PARENT};
	w->owner = rand_below(&s->state, OWNERS);
}

/* Owners that hold none of it: else a copy would be added. */
static int
write_useful(struct setup *s, struct writes *w)
{
	struct run *run;
	uint32_t off =
		aibrix__name_resolve(s->index, w->owner, w->event.parent, &run);

	if (off == NONE)
		return 0;
	off = aibrix__name_resolve(s->index, w->owner, w->names[0], &run);
	if (off != NONE && aibrix__cover_has(run, w->owner, AIBRIX_TIERS, off))
		return 0;
	off = aibrix__name_resolve(s->index, w->owner, w->names[EVENT - 1],
				   &run);
	return off == NONE ||
	       !aibrix__cover_has(run, w->owner, AIBRIX_TIERS, off);
}

static void
writes_run(struct setup *s, int fresh, struct rounds *store,
	   struct rounds *remove)
{
	enum { EVENTS = 64 };
	static struct writes writes[EVENTS];
	uint64_t start;

	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double stored = 0, removed = 0, floor, chase, stream;

		for (uint32_t i = 0; i < EVENTS; i++) {
			struct writes *w = &writes[i];

			do
				write_load(s, w, fresh);
			while (!write_useful(s, w));
			start = bench_now();
			bench_check(!aibrix_index_apply_stored(
					    s->index, w->owner, &w->event),
				    "apply_stored");
			stored += (double)(bench_now() - start);
		}
		for (uint32_t i = 0; i < EVENTS; i++) {
			struct writes *w = &writes[i];

			start = bench_now();
			bench_check(!aibrix_index_apply_removed(
					    s->index, w->owner, w->back, EVENT,
					    0, 0),
				    "apply_removed");
			removed += (double)(bench_now() - start);
		}
		chase = floor_chase(&s->floors, 4000);
		stream = floor_stream(&s->floors, 40000);
		floor = 3 * chase / EVENT + stream;
		round_add(store, stored / (EVENTS * EVENT),
			  fresh ? floor_scatter(&s->floors, 20000) : floor);
		if (remove)
			round_add(remove, removed / (EVENTS * EVENT), floor);
	}
}

static void
write_rows(struct setup *s)
{
	struct rounds store = {.n = 0}, known = {.n = 0}, removed = {.n = 0};

	writes_run(s, 1, &store, &removed);
	writes_run(s, 0, &known, NULL);
	rounds_print(s->b, &store, "store_new", "scatter", s->note);
	rounds_print(s->b, &known, "store_known", "3 chase / blocks + stream",
		     s->note);
	rounds_print(s->b, &removed, "remove_grouped",
		     "3 chase / blocks + stream", s->note);
}

static void
baseline_apply(const struct baseline *p, void *self, const struct corpus *c,
	       const struct corpus_event *e)
{
	if (e->kind == CORPUS_STORED)
		bench_check(!p->stored(self, e->owner, e->parent,
				       (int)e->has_parent, c->hashes + e->first,
				       c->names + e->first, e->n),
			    p->name);
	else if (e->kind == CORPUS_REMOVED)
		p->removed(self, e->owner, c->gone + e->first, e->n);
}

/* The events of a slice, and the CPU time that they take. */
static double
slice_apply(const struct corpus *c, aibrix_index *index,
	    const struct baseline *p, void *self, const uint64_t span[2])
{
	double start = cpu_now();

	for (uint64_t i = span[0]; i < span[1]; i++) {
		if (self)
			baseline_apply(p, self, c, &c->events[i]);
		else
			event_apply(index, c, &c->events[i]);
	}
	return cpu_now() - start;
}

/* The whole timeline in slices, ours and the other in turn; whoever comes
 * second finds the events in the cache. */
static void
writer_row(struct setup *s, const struct baseline *p, const char *name)
{
	const struct corpus *c = &s->corpus;
	aibrix_index *index = index_new(s->alloc, OWNERS);
	void *self = p->create(OWNERS, s->alloc);
	struct rounds r = {.n = 0};
	uint32_t slices = rounds_wanted(s->b);

	bench_check(self != NULL, p->name);
	for (uint32_t i = 0; i < slices; i++) {
		uint64_t span[2] = {c->n_events * i / slices,
				    c->n_events * (i + 1) / slices};
		double blocks = 0, ours = 0, its;

		for (uint64_t k = span[0]; k < span[1]; k++)
			if (c->events[k].kind != CORPUS_LOOKUP)
				blocks += c->events[k].n;
		if (i % 2 == 0)
			ours = slice_apply(c, index, p, NULL, span);
		its = slice_apply(c, index, p, self, span);
		if (i % 2)
			ours = slice_apply(c, index, p, NULL, span);
		if (blocks > 0)
			round_add(&r, ours / blocks, its / blocks);
	}
	rounds_print(s->b, &r, name, p->name, s->note);
	p->destroy(self);
	aibrix_index_free(index);
}

/* A reader, and a writer that stores and removes what nobody asks for. */
struct pair {
	struct setup *s;
	aibrix_index *written;
	_Atomic int stop;
	uint64_t events;
};

static void *
pair_write(void *arg)
{
	struct pair *p = arg;
	struct setup s = *p->s;
	struct writes w;

	s.state = 99;
	while (!atomic_load(&p->stop)) {
		write_load(&s, &w, 1);
		/* Nobody may hold the parent any more: then it is refused. */
		if (aibrix_index_apply_stored(p->written, w.owner, &w.event))
			continue;
		bench_check(!aibrix_index_apply_removed(p->written, w.owner,
							w.back, EVENT, 0, 0),
			    "apply_removed");
		p->events++;
	}
	return NULL;
}

static double
pair_run(struct setup *s, aibrix_index *written, uint64_t *events)
{
	struct pair p = {.s = s, .written = written};
	static uint64_t hashes[DEPTH];
	static aibrix_match out[OWNERS];
	uint64_t end = bench_now() + (s->b->quick ? 10000000 : 100000000);
	uint64_t n = 0, start = bench_now();
	pthread_t thread;
	uint32_t found;

	bench_check(!pthread_create(&thread, NULL, pair_write, &p), "thread");
	while (bench_now() < end) {
		for (uint32_t i = 0; i < 16; i++, n++) {
			query_load(s, hashes);
			bench_check(!aibrix_index_lookup(s->reader, hashes,
							 DEPTH, out, OWNERS,
							 &found),
				    "lookup");
		}
	}
	start = bench_now() - start;
	atomic_store(&p.stop, 1);
	pthread_join(thread, NULL);
	*events = p.events;
	return (double)start / (double)n;
}

static void
reader_beside_writer(struct setup *s)
{
	aibrix_index *other = index_new(s->alloc, OWNERS);
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct rounds r = {.n = 0};
	uint64_t same = 0, apart = 0;
	char note[160];

	for (uint64_t i = 0; i < s->corpus.n_events; i++)
		event_apply(other, &s->corpus, &s->corpus.events[i]);
	for (uint32_t i = 0; i < rounds_wanted(s->b); i++) {
		uint64_t n[2];
		double beside = pair_run(s, s->index, &n[0]);
		double alone = pair_run(s, other, &n[1]);

		same += n[0];
		apart += n[1];
		round_add(&r, beside, alone);
	}
	bench_check(!aibrix_index_stats(s->index, &stat), "stats");
	snprintf(note, sizeof(note),
		 "%s; the writer beside it %.2f of alone; %llu lookups "
		 "repeated, %llu locked",
		 s->note, (double)same / (double)apart,
		 (unsigned long long)stat.retries,
		 (unsigned long long)stat.locked);
	rounds_print(s->b, &r, "reader_beside_writer", "on two indexes", note);
	aibrix_index_free(other);
}

static void
bytes_per_block(struct setup *s)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct bench_row row = {.name = "bytes_per_block", .unit = "bytes"};
	char note[160];

	bench_check(!aibrix_index_stats(s->index, &stat), "stats");
	snprintf(note, sizeof(note),
		 "%s; %llu blocks in %llu runs, %.2f holders each", s->note,
		 (unsigned long long)stat.places, (unsigned long long)stat.runs,
		 (double)stat.held / (double)stat.places);
	row.note = note;
	bench_counted(s->b, &row, (double)stat.bytes / (double)stat.places);
}

/* Stored 100 times what is resident; the memory at each tenth. */
static void
churn_growth(const struct bench *b)
{
	struct corpus_opts o = corpus_options(b, ROUTE_RANDOM);
	struct bench_row row = {.name = "churn_growth", .unit = "bytes/bytes"};
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct corpus c;
	aibrix_index *index;
	uint64_t stored = 0, before = 0, most = 0;
	char note[120];

	o.owners = 16;
	o.capacity = b->quick ? 64 : 8192;
	o.copies = 1;
	corpus_make(&c, &o);
	index = index_new(aibrix_allocator_jemalloc(), OWNERS);
	while (stored < 100 * c.resident) {
		for (uint64_t i = 0; i < c.n_events; i++) {
			event_apply(index, &c, &c.events[i]);
			if (c.events[i].kind == CORPUS_STORED)
				stored += c.events[i].n;
			if (i % 64)
				continue;
			bench_check(!aibrix_index_stats(index, &stat), "stats");
			if (stored < 10 * c.resident)
				before = stat.bytes > before ? stat.bytes
							     : before;
			most = stat.bytes > most ? stat.bytes : most;
		}
		/* The next pass is of other prompts in warm caches. */
		for (uint64_t i = 0; i < c.n_blocks; i++) {
			c.hashes[i] = mix64(c.hashes[i]);
			c.names[i] = mix64(c.names[i]);
		}
		for (uint64_t i = 0; i < c.n_gone; i++)
			c.gone[i] = mix64(c.gone[i]);
		for (uint64_t i = 0; i < c.n_events; i++)
			c.events[i].parent = mix64(c.events[i].parent);
		for (uint32_t i = 0; i < o.owners; i++)
			bench_check(!aibrix_index_apply_cleared(index, i),
				    "apply_cleared");
	}
	snprintf(note, sizeof(note),
		 "most memory up to 100 times over most up to 10 times; %llu "
		 "blocks stored",
		 (unsigned long long)stored);
	row.note = note;
	bench_counted(b, &row, (double)most / (double)before);
	aibrix_index_free(index);
	corpus_free(&c);
}

static void
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

/* Every question that the corpus asks, of both. */
static uint64_t
lookup_differs(aibrix_index_reader *reader, simple_index_reader *simple,
	       const uint64_t *hashes, uint32_t n)
{
	static aibrix_match got[OWNERS], want[OWNERS];
	uint32_t n_got, n_want;

	bench_check(
		!aibrix_index_lookup(reader, hashes, n, got, OWNERS, &n_got) &&
			!simple_index_lookup(simple, hashes, n, want, OWNERS,
					     &n_want),
		"lookup");
	return n_got != n_want || memcmp(got, want, n_got * sizeof(*got)) != 0;
}

static int
exactness(const struct bench *b, enum corpus_route route)
{
	struct corpus_opts o = corpus_options(b, route);
	aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = OWNERS};
	aibrix_index *index = index_new(NULL, OWNERS);
	uint64_t differ = 0, asked = 0, state = 5;
	simple_index_reader *simple_reader;
	aibrix_index_reader *reader;
	simple_index *simple;
	struct corpus c;

	corpus_make(&c, &o);
	bench_check(!simple_index_new(&opts, &simple) &&
			    !simple_index_reader_new(simple, &simple_reader) &&
			    !aibrix_index_reader_new(index, &reader),
		    "simple index");
	for (uint32_t i = 0; i < OWNERS; i++)
		bench_check(!simple_index_owner_add(simple, i), "owner");
	for (uint64_t i = 0; i <= c.n_events; i++) {
		const struct corpus_event *e = &c.events[i];
		uint32_t all = i == c.n_events;

		for (uint64_t k = 0;
		     (all || i % 256 == 0) && k < (all ? c.n_events : 64);
		     k++) {
			e = &c.events[all ? k
					  : rand_below(&state,
						       (uint32_t)c.n_events)];
			if (e->kind != CORPUS_LOOKUP)
				continue;
			differ += lookup_differs(reader, simple_reader,
						 c.hashes + e->first, e->n);
			asked++;
		}
		if (all)
			break;
		e = &c.events[i];
		event_apply(index, &c, e);
		if (e->kind == CORPUS_STORED) {
			aibrix_index_stored stored = event_of(&c, e);

			bench_check(!simple_index_apply_stored(simple, e->owner,
							       &stored),
				    "stored");
		} else if (e->kind == CORPUS_REMOVED) {
			bench_check(!simple_index_apply_removed(
					    simple, e->owner, c.gone + e->first,
					    e->n, 0, 0),
				    "removed");
		}
	}
	printf("%s: %llu events, %llu blocks stored, %llu removed, %llu "
	       "lookups compared: %llu differ\n",
	       route == ROUTE_PREFIX ? "prefix" : "random",
	       (unsigned long long)c.n_events, (unsigned long long)c.stored,
	       (unsigned long long)c.removed, (unsigned long long)asked,
	       (unsigned long long)differ);
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
	simple_index_reader_free(simple_reader);
	simple_index_free(simple);
	corpus_free(&c);
	return differ != 0;
}

static void
rows_run(const struct bench *b, enum corpus_route route)
{
	struct setup s;

	setup_init(&s, b, route);
	bytes_per_block(&s);
	lookup_random(&s);
	lookup_batch(&s);
	write_rows(&s);
	writer_row(&s, &baseline_positional_64, "writer_vs_positional");
	writer_row(&s, &baseline_radix_locks, "writer_vs_radix_locks");
	writer_row(&s, &baseline_nested_map, "writer_vs_nested_map");
	writer_row(&s, &baseline_owner_maps, "writer_vs_owner_maps");
	reader_beside_writer(&s);
	setup_free(&s);
}

int
main(int argc, char **argv)
{
	int exact = argc > 1 && strcmp(argv[1], "--exactness") == 0;
	struct bench b;
	int status = bench_start(&b, argc - exact, argv + exact);

	if (status)
		return status - 1;
	if (exact)
		return exactness(&b, ROUTE_RANDOM) |
		       exactness(&b, ROUTE_PREFIX);
	rows_run(&b, ROUTE_RANDOM);
	rows_run(&b, ROUTE_PREFIX);
	churn_growth(&b);
	match_512x1000(&b);
	return 0;
}
