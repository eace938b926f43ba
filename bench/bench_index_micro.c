/*
 * Lookups of one length each, of which all, half or none is held by one
 * owner at least, in fleets of several sizes.
 *
 * A row is of prompts in no order, most of them out of the caches; "again" in
 * its note is the same prompt at once after it.  The fleet of 128 also has
 * smaller batches, events of one block, and clears.
 */
#include "bench_index.h"

/* Prompts of which somebody holds the first depth blocks. */
static uint64_t
held_find(struct setup *s, uint32_t depth, uint64_t *at)
{
	static aibrix_match out[OWNERS_MOST];
	const struct corpus *c = &s->corpus;
	uint64_t n = 0;

	for (uint64_t i = 0; i < c->n_events; i++) {
		const struct corpus_event *e = &c->events[i];
		uint32_t found, most = 0;

		if (e->kind != CORPUS_LOOKUP || e->n < depth)
			continue;
		bench_check(!aibrix_index_lookup(s->reader,
						 c->hashes + e->first, depth,
						 out, s->owners, &found),
			    "lookup");
		for (uint32_t k = 0; k < found; k++)
			most = out[k].held > most ? out[k].held : most;
		if (most == depth)
			at[n++] = e->first;
	}
	return n;
}

static void
depth_rows(struct setup *s, uint32_t depth, uint64_t *at)
{
	struct asked a = {.at = at,
			  .n = held_find(s, depth, at),
			  .depth = depth,
			  .again = 1};

	for (uint32_t hit = 0; hit <= 100; hit += 50) {
		char name[64];
		struct bench_row row = {
			.name = name,
			.unit = "ns",
			.note = "nobody holds so much of a prompt"};

		snprintf(name, sizeof(name), "lookup_w%u_d%u_hit%u", s->owners,
			 depth, hit);
		a.known = depth * hit / 100;
		if (a.n)
			lookup_row(s, name, &a);
		else
			bench_missing(s->b, &row);
	}
}

void
micro_rows(const struct bench *b)
{
	static const uint32_t owners[] = {8, OWNERS, OWNERS_MOST};
	static const uint32_t depths[] = {8, 64, DEPTH, DEPTH_MOST};
	struct setup s;

	for (uint32_t i = 0; i < sizeof(owners) / sizeof(*owners); i++) {
		uint64_t *at;

		setup_init(&s, b, ROUTE_PREFIX, owners[i]);
		at = malloc(s.corpus.n_events * sizeof(*at));
		bench_check(at != NULL, "memory");
		for (uint32_t k = 0; k < sizeof(depths) / sizeof(*depths); k++)
			depth_rows(&s, depths[k], at);
		if (owners[i] == OWNERS) {
			lookup_batch(&s, 4);
			lookup_batch(&s, 8);
			single_rows(&s);
			clear_row(&s);
		}
		free(at);
		setup_free(&s);
	}
}
