#include "bench_index.h"

aibrix_index *
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

aibrix_index_stored
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

void
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

struct corpus_opts
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

void
setup_init(struct setup *s, const struct bench *b, enum corpus_route route,
	   uint32_t owners)
{
	struct corpus_opts o = corpus_options(b, route);
	aibrix_index_stat stat = {.size = sizeof(stat)};

	memset(s, 0, sizeof(*s));
	s->b = b;
	s->alloc = aibrix_allocator_jemalloc();
	s->state = 3;
	s->owners = o.owners = owners;
	corpus_make(&s->corpus, &o);
	s->note = s->corpus.synthetic     ? "synthetic"
		  : route == ROUTE_PREFIX ? "prefix"
					  : "random";
	s->index = index_new(s->alloc, owners);
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

void
setup_free(struct setup *s)
{
	floors_free(&s->floors);
	free(s->queries);
	aibrix_index_reader_free(s->reader);
	aibrix_index_free(s->index);
	corpus_free(&s->corpus);
}

void
asked_load(struct setup *s, const struct asked *a, uint64_t *hashes)
{
	uint64_t at = a->at[rand_below(&s->state, (uint32_t)a->n)];

	memcpy(hashes, s->corpus.hashes + at, a->known * sizeof(*hashes));
	for (uint32_t i = a->known; i < a->depth; i++)
		hashes[i] = rand_next(&s->state);
}

void
query_load(struct setup *s, uint64_t *hashes)
{
	const struct asked a = {.at = s->queries,
				.n = s->n_queries,
				.known = DEPTH,
				.depth = DEPTH};

	asked_load(s, &a, hashes);
}
