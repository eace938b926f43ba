/*
 * Events: stores and removals by themselves, the whole timeline beside other
 * designs, and beside a reader.
 */
#include "bench_index.h"

#include <pthread.h>

#include "index/index_internal.h"

enum { EVENT = 98 }; /* blocks of a mean event */

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

void
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

/* The event in pieces of each blocks; ns to store and to remove it, the end
 * first, are added. */
static void
pieces_run(struct setup *s, const struct writes *w, uint32_t each,
	   double *stored, double *removed)
{
	aibrix_index_stored piece = w->event;
	uint64_t start = bench_now(), middle;

	for (uint32_t i = 0; i < EVENT; i += each) {
		piece.n = EVENT - i < each ? EVENT - i : each;
		piece.hashes = w->hashes + i;
		piece.names = w->names + i;
		bench_check(
			!aibrix_index_apply_stored(s->index, w->owner, &piece),
			"apply_stored");
		piece.parent = w->names[i + piece.n - 1];
	}
	middle = bench_now();
	for (uint32_t i = 0; i < EVENT; i += each)
		bench_check(!aibrix_index_apply_removed(
				    s->index, w->owner, w->back + i,
				    EVENT - i < each ? EVENT - i : each, 0, 0),
			    "apply_removed");
	*stored += (double)(middle - start);
	*removed += (double)(bench_now() - middle);
}

/* As engines that decode announce blocks, and as some remove them. */
void
single_rows(struct setup *s)
{
	enum { EVENTS = 64 };
	struct rounds store = {.n = 0}, removal = {.n = 0};
	struct writes w;

	for (uint32_t round = 0; round < rounds_wanted(s->b); round++) {
		double stored[2] = {0}, removed[2] = {0};

		for (uint32_t i = 0; i < EVENTS; i++) {
			do
				write_load(s, &w, 1);
			while (!write_useful(s, &w));
			/* Whoever is second finds warm memory. */
			for (uint32_t k = i % 2, n = 0; n < 2; k ^= 1, n++)
				pieces_run(s, &w, k ? EVENT : 1, &stored[k],
					   &removed[k]);
		}
		round_add(&store, stored[0] / (EVENTS * EVENT),
			  stored[1] / (EVENTS * EVENT));
		round_add(&removal, removed[0] / (EVENTS * EVENT),
			  removed[1] / (EVENTS * EVENT));
	}
	rounds_print(s->b, &store, "store_single", "98 blocks an event",
		     s->note);
	rounds_print(s->b, &removal, "remove_single", "98 blocks an event",
		     s->note);
}

/* Of owners that have what the timeline has left them: they lose it. */
void
clear_row(struct setup *s)
{
	struct bench_row row = {.name = "clear", .unit = "ns"};
	struct rounds r = {.n = 0};
	aibrix_index_stat stat = {.size = sizeof(stat)};
	char note[120];

	for (uint32_t i = 0; i < rounds_wanted(s->b); i++) {
		uint64_t start, held;

		bench_check(!aibrix_index_stats(s->index, &stat), "stats");
		held = stat.held;
		start = bench_now();
		bench_check(!aibrix_index_apply_cleared(s->index, i),
			    "apply_cleared");
		start = bench_now() - start;
		bench_check(!aibrix_index_stats(s->index, &stat), "stats");
		if (held > stat.held)
			round_add(&r,
				  (double)start / (double)(held - stat.held),
				  NAN);
	}
	row.note = note;
	snprintf(note, sizeof(note), "%s; a block of the owner's", s->note);
	qsort(r.ours, r.n, sizeof(double), bench_order);
	bench_counted(s->b, &row, bench_share(r.ours, r.n, 0.5));
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

/* Some of the events; the CPU time that they take, ns. */
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

/* Slice i of n, and the blocks that it stores and removes. */
static double
slice_of(const struct corpus *c, uint32_t i, uint32_t n, uint64_t span[2])
{
	double blocks = 0;

	span[0] = c->n_events * i / n;
	span[1] = c->n_events * (i + 1) / n;
	for (uint64_t k = span[0]; k < span[1]; k++)
		if (c->events[k].kind != CORPUS_LOOKUP)
			blocks += c->events[k].n;
	return blocks;
}

/* The whole timeline in slices, ours and the other in turn; whoever comes
 * second finds the events in the cache. */
void
writer_row(struct setup *s, const struct baseline *p, const char *name)
{
	const struct corpus *c = &s->corpus;
	aibrix_index *index = index_new(s->alloc, s->owners);
	void *self = p->create(s->owners, s->alloc);
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct rounds r = {.n = 0};
	uint32_t slices = rounds_wanted(s->b);
	char note[160];

	bench_check(self != NULL, p->name);
	for (uint32_t i = 0; i < slices; i++) {
		uint64_t span[2];
		double blocks = slice_of(c, i, slices, span), ours = 0, its;

		if (i % 2 == 0)
			ours = slice_apply(c, index, p, NULL, span);
		its = slice_apply(c, index, p, self, span);
		if (i % 2)
			ours = slice_apply(c, index, p, NULL, span);
		if (blocks > 0)
			round_add(&r, ours / blocks, its / blocks);
	}
	bench_check(!aibrix_index_stats(index, &stat), "stats");
	snprintf(note, sizeof(note), "%s; %.1f bytes a block, the other %.1f",
		 s->note, (double)stat.bytes / (double)stat.places,
		 (double)p->bytes(self) / (double)stat.places);
	rounds_print(s->b, &r, name, p->name, note);
	p->destroy(self);
	aibrix_index_free(index);
}

/*
 * Is the map per owner a good one?  29 ns follow for SMG's ChainIndex from
 * what its authors measured, where a core had two of 128 owners, so that
 * their maps stayed in its caches.  Here the timeline is of two owners.
 */
void
owner_maps_two(const struct bench *b)
{
	enum { TWO = 2, PUBLISHED = 29 };
	const struct baseline *p = &baseline_owner_maps;
	struct corpus_opts o = corpus_options(b, ROUTE_RANDOM);
	void *self = p->create(TWO, aibrix_allocator_jemalloc());
	struct rounds r = {.n = 0};
	uint32_t slices = rounds_wanted(b);
	struct corpus c;

	o.owners = TWO;
	corpus_make(&c, &o);
	bench_check(self != NULL, p->name);
	for (uint32_t i = 0; i < slices; i++) {
		uint64_t span[2];
		double blocks = slice_of(&c, i, slices, span);

		if (blocks > 0)
			round_add(&r,
				  slice_apply(&c, NULL, p, self, span) / blocks,
				  PUBLISHED);
	}
	rounds_print(b, &r, "owner_maps_two_owners", "SMG ChainIndex",
		     "an event block; the peer's is from another machine");
	p->destroy(self);
	corpus_free(&c);
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

void
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
