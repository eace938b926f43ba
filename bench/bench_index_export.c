/*
 * The timeline as a file that the replay programs of other indexes read:
 * corpus format SMGMCK01, version 1, of smg-project/smg (crates/kv_index/
 * benches/README.md).  doc/modules/index.md has the layout.
 *
 * Deadlines are the trace's own times; who replays the file scales them.  A
 * rank is the rank 0 of a worker of its own.
 */
#include "bench_index.h"

#include "base/bytes.h"

enum { BLOCK_TOKENS = 128, MS_NS = 1000000, BUFFER = 1 << 16 };

struct out {
	FILE *file;
	const char *name;
	struct writer w;
	uint8_t bytes[BUFFER];
};

static void
out_flush(struct out *o)
{
	size_t n = (size_t)(o->w.at - o->bytes);

	bench_check(o->w.ok && fwrite(o->bytes, 1, n, o->file) == n, o->name);
	o->w = writer_on(o->bytes, sizeof(o->bytes));
}

/* A number of 1, 4 or 8 bytes. */
static void
out_put(struct out *o, uint64_t x, size_t bytes)
{
	if ((size_t)(o->w.end - o->w.at) < bytes)
		out_flush(o);
	write_le(&o->w, x, bytes);
}

/* Where an event stands: by time, lookups first, by owner, as they come. */
struct turn {
	uint64_t at_ms, event;
	uint32_t late, owner;
};

static int
turn_order(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	if (x->late != y->late)
		return x->late < y->late ? -1 : 1;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->event < y->event ? -1 : 1;
}

static struct turn *
turns_new(const struct corpus *c)
{
	struct turn *turns = malloc(c->n_events * sizeof(*turns));

	bench_check(turns != NULL, "memory");
	for (uint64_t i = 0; i < c->n_events; i++) {
		const struct corpus_event *e = &c->events[i];

		turns[i] = (struct turn){.at_ms = e->at_ms,
					 .event = i,
					 .late = e->kind != CORPUS_LOOKUP,
					 .owner = e->owner};
	}
	qsort(turns, c->n_events, sizeof(*turns), turn_order);
	return turns;
}

static void
text_put(struct out *o, const char *text)
{
	for (; *text; text++)
		out_put(o, (uint8_t)*text, 1);
}

static void
header_put(struct out *o, const struct corpus *c,
	   const struct corpus_opts *opts)
{
	const char *slash = strrchr(opts->trace, '/');
	const char *trace = slash ? slash + 1 : opts->trace;
	uint64_t n[3] = {0};

	if (c->synthetic)
		trace = "synthetic";
	for (uint64_t i = 0; i < c->n_events; i++)
		n[c->events[i].kind]++;
	text_put(o, "SMGMCK01");
	out_put(o, 1, 4);
	out_put(o, BLOCK_TOKENS, 4);
	out_put(o, c->end_ms * MS_NS, 8);
	out_put(o, opts->copies, 8);
	out_put(o, opts->length, 8);
	out_put(o, 1, 8); /* copies of the workers */
	out_put(o, opts->owners, 8);
	out_put(o, n[CORPUS_LOOKUP], 8);
	out_put(o, n[CORPUS_STORED], 8);
	out_put(o, n[CORPUS_REMOVED], 8);
	out_put(o, 0, 8); /* cleared */
	out_put(o, c->lookups, 8);
	out_put(o, c->stored, 8);
	out_put(o, c->removed, 8);
	out_put(o, strlen(trace), 8);
	text_put(o, trace);
}

/* All prompts twice: what lookups ask for, and what stores name. */
static void
blocks_put(struct out *o, const struct corpus *c)
{
	out_put(o, c->n_blocks, 8);
	for (uint64_t i = 0; i < c->n_blocks; i++)
		out_put(o, c->hashes[i], 8);
	out_put(o, c->n_blocks, 8);
	for (uint64_t i = 0; i < c->n_blocks; i++) {
		out_put(o, c->names[i], 8);
		out_put(o, c->hashes[i], 8);
	}
	out_put(o, c->n_gone, 8);
	for (uint64_t i = 0; i < c->n_gone; i++)
		out_put(o, c->gone[i], 8);
}

/* event: the number of this one among those of its owner. */
static void
operation_put(struct out *o, const struct corpus_event *e, uint64_t id,
	      uint64_t event)
{
	static const uint8_t kinds[] = {
		[CORPUS_LOOKUP] = 0, [CORPUS_STORED] = 1, [CORPUS_REMOVED] = 2};

	out_put(o, id, 4);
	out_put(o, e->at_ms * MS_NS, 8);
	out_put(o, e->owner, 8);
	out_put(o, kinds[e->kind], 1);
	if (e->kind != CORPUS_LOOKUP) {
		out_put(o, 0, 4); /* rank */
		out_put(o, event, 8);
	}
	if (e->kind == CORPUS_STORED) {
		out_put(o, e->has_parent, 1);
		out_put(o, e->parent, 8);
		out_put(o, 0, 1); /* no position of the first block */
		out_put(o, 0, 4);
	}
	out_put(o, e->first, 8);
	out_put(o, e->n, 4);
}

static void
operations_put(struct out *o, const struct corpus *c)
{
	static uint64_t events[OWNERS_MOST];
	struct turn *turns = turns_new(c);

	out_put(o, c->n_events, 8);
	for (uint64_t i = 0; i < c->n_events; i++) {
		const struct corpus_event *e = &c->events[turns[i].event];

		operation_put(o, e, i, events[e->owner]);
		events[e->owner] += turns[i].late;
	}
	free(turns);
}

void
timeline_export(const struct bench *b, enum corpus_route route,
		const char *file)
{
	struct corpus_opts opts = corpus_options(b, route);
	static struct out o;
	struct corpus c;

	corpus_make(&c, &opts);
	o = (struct out){.file = fopen(file, "wb"), .name = file};
	bench_check(o.file != NULL, file);
	o.w = writer_on(o.bytes, sizeof(o.bytes));
	header_put(&o, &c, &opts);
	blocks_put(&o, &c);
	operations_put(&o, &c);
	out_flush(&o);
	bench_check(fclose(o.file) == 0, file);
	printf("%s, %s: %llu operations, %llu blocks looked up, %llu stored, "
	       "%llu removed\n",
	       c.synthetic ? "synthetic" : "the trace",
	       route == ROUTE_PREFIX ? "prefix" : "random",
	       (unsigned long long)c.n_events, (unsigned long long)c.lookups,
	       (unsigned long long)c.stored, (unsigned long long)c.removed);
	corpus_free(&c);
}
