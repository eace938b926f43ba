/* The timeline applied to the index and to the reference of the tests. */
#include "bench_index.h"

#include "reference/simple_index.h"

/* Every question that the corpus asks, of both. */
static uint64_t
lookup_differs(aibrix_index_reader *reader, simple_index_reader *simple,
	       const uint64_t *hashes, uint32_t n)
{
	static aibrix_match got[OWNERS], want[OWNERS];
	uint32_t n_got, n_want;

	bench_check(
		!aibrix_index_lookup(reader, hashes, n, got, OWNERS, &n_got),
		"lookup");
	bench_check(
		!simple_index_lookup(simple, hashes, n, want, OWNERS, &n_want),
		"lookup");
	return n_got != n_want || memcmp(got, want, n_got * sizeof(*got)) != 0;
}

int
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
