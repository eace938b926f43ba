#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

enum {
	NONE = -1,
	ID_TOKENS = 512,
	BLOCK_TOKENS = 128,
	LINE_MAX_BYTES = 1 << 16
};
/* Of the public conversation trace (Mooncake, FAST'25). */
enum {
	REQUESTS = 12031,
	STARTS = 7373,
	IDS_MAX = 247,
	GRID_MS = 3000, /* of its times */
	TOGETHER = 10   /* requests at the same */
};

static void *
must_grow(void *ptr, uint64_t *cap, uint64_t want, size_t bytes)
{
	while (*cap < want)
		*cap = *cap ? *cap * 2 : 1024;
	ptr = realloc(ptr, (size_t)*cap * bytes);
	if (!ptr) {
		fprintf(stderr, "corpus: out of memory\n");
		exit(1);
	}
	return ptr;
}

/* A block in the cache of an owner; the most recently used are in front. */
struct cached {
	uint64_t name;
	int32_t newer, older;
	int32_t next; /* of its chain */
};

struct cache {
	struct cached *blocks;
	int32_t *heads;
	uint32_t mask, capacity, n;
	int32_t newest, oldest, unused;
	uint64_t requests;
};

static void
cache_init(struct cache *c, uint32_t capacity)
{
	uint64_t cap = 0, heads = 0;

	c->mask = 1;
	while (c->mask < capacity * 2)
		c->mask = c->mask * 2 + 1;
	c->capacity = capacity;
	c->blocks = must_grow(NULL, &cap, capacity, sizeof(*c->blocks));
	c->heads = must_grow(NULL, &heads, (uint64_t)c->mask + 1,
			     sizeof(*c->heads));
	memset(c->heads, 0xff, ((size_t)c->mask + 1) * sizeof(*c->heads));
	c->newest = c->oldest = NONE;
	c->unused = 0;
	for (uint32_t i = 0; i < capacity; i++)
		c->blocks[i].next = i + 1 < capacity ? (int32_t)i + 1 : NONE;
}

static int32_t
cache_find(const struct cache *c, uint64_t name)
{
	int32_t i = c->heads[mix64(name) & c->mask];

	while (i != NONE && c->blocks[i].name != name)
		i = c->blocks[i].next;
	return i;
}

static void
cache_unlink(struct cache *c, int32_t i)
{
	struct cached *b = &c->blocks[i];

	if (b->newer == NONE)
		c->newest = b->older;
	else
		c->blocks[b->newer].older = b->older;
	if (b->older == NONE)
		c->oldest = b->newer;
	else
		c->blocks[b->older].newer = b->newer;
}

static void
cache_front(struct cache *c, int32_t i)
{
	struct cached *b = &c->blocks[i];

	b->newer = NONE;
	b->older = c->newest;
	if (c->newest == NONE)
		c->oldest = i;
	else
		c->blocks[c->newest].newer = i;
	c->newest = i;
}

static void
cache_add(struct cache *c, uint64_t name)
{
	int32_t i = c->unused, *head = &c->heads[mix64(name) & c->mask];

	c->unused = c->blocks[i].next;
	c->blocks[i].name = name;
	c->blocks[i].next = *head;
	*head = i;
	c->n++;
	cache_front(c, i);
}

static uint64_t
cache_evict(struct cache *c)
{
	int32_t i = c->oldest, *link;
	uint64_t name = c->blocks[i].name;

	link = &c->heads[mix64(name) & c->mask];
	while (*link != i)
		link = &c->blocks[*link].next;
	*link = c->blocks[i].next;
	cache_unlink(c, i);
	c->blocks[i].next = c->unused;
	c->unused = i;
	c->n--;
	return name;
}

static struct corpus_event *
event_add(struct corpus *c, enum corpus_kind kind, uint32_t owner, uint32_t n,
	  uint64_t first)
{
	c->events = must_grow(c->events, &c->cap_events, c->n_events + 1,
			      sizeof(*c->events));
	c->events[c->n_events] = (struct corpus_event){.kind = kind,
						       .owner = owner,
						       .n = n,
						       .first = first,
						       .at_ms = c->end_ms};
	return &c->events[c->n_events++];
}

/* A prompt's blocks: each id is length ids of four blocks. */
static uint32_t
prompt_add(struct corpus *c, const struct corpus_opts *o, const uint64_t *ids,
	   uint32_t n_ids, uint64_t copy)
{
	uint32_t each = o->length * (ID_TOKENS / BLOCK_TOKENS);
	uint32_t n = n_ids * each;
	uint64_t cap = c->cap_blocks, name = 0;

	c->hashes =
		must_grow(c->hashes, &cap, c->n_blocks + n, sizeof(*c->hashes));
	c->names = must_grow(c->names, &c->cap_blocks, c->n_blocks + n,
			     sizeof(*c->names));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t id = (ids[i / each] + (copy << 40)) * each + i % each;
		uint64_t hash = mix64(id * 0x9e3779b97f4a7c15u + 1);

		name = mix64(name ^ mix64(hash + 7));
		c->hashes[c->n_blocks + i] = hash;
		c->names[c->n_blocks + i] = name;
	}
	return n;
}

static uint32_t
prefix_held(const struct cache *cache, const uint64_t *names, uint32_t n)
{
	uint32_t held = 0;

	while (held < n && cache_find(cache, names[held]) != NONE)
		held++;
	return held;
}

static uint32_t
owner_choose(const struct corpus *c, const struct corpus_opts *o,
	     const struct cache *caches, uint32_t n, uint64_t *state)
{
	const uint64_t *names = c->names + c->n_blocks;
	uint32_t best = 0, most = 0;
	uint64_t sum = 0;

	if (o->route == ROUTE_RANDOM)
		return rand_below(state, o->owners);
	for (uint32_t i = 0; i < o->owners; i++)
		sum += caches[i].requests;
	for (uint32_t i = 0; i < o->owners; i++) {
		uint32_t held = 0;

		/* A quarter above the mean is too much. */
		if (caches[i].requests * o->owners * 4 <= sum * 5)
			held = 1 + prefix_held(&caches[i], names, n);
		if (held > most ||
		    (held == most &&
		     caches[i].requests < caches[best].requests)) {
			best = i;
			most = held;
		}
	}
	return best;
}

/* The owner computes the prompt. */
static void
prompt_run(struct corpus *c, struct cache *cache, uint32_t owner, uint32_t n)
{
	const uint64_t *names = c->names + c->n_blocks;
	uint32_t held = prefix_held(cache, names, n), fits;
	struct corpus_event *e;

	cache->requests++;
	fits = n < cache->capacity ? n : cache->capacity;
	held = held < fits ? held : fits;
	c->hits += held;
	/* From the end, so that a child is always older than its parent. */
	for (uint32_t i = held; i > 0; i--) {
		int32_t at = cache_find(cache, names[i - 1]);

		cache_unlink(cache, at);
		cache_front(cache, at);
	}
	if (cache->n + fits - held > cache->capacity) {
		uint32_t more = cache->n + fits - held - cache->capacity;

		c->gone = must_grow(c->gone, &c->cap_gone, c->n_gone + more,
				    sizeof(*c->gone));
		event_add(c, CORPUS_REMOVED, owner, more, c->n_gone);
		c->removed += more;
		while (more--)
			c->gone[c->n_gone++] = cache_evict(cache);
	}
	if (held == fits)
		return;
	e = event_add(c, CORPUS_STORED, owner, fits - held, c->n_blocks + held);
	e->has_parent = held > 0;
	e->parent = held ? names[held - 1] : 0;
	c->stored += e->n;
	for (uint32_t i = fits; i > held; i--)
		cache_add(cache, names[i - 1]);
	/* The prompt's head is now older than what was added: refresh. */
	for (uint32_t i = held; i > 0; i--) {
		int32_t at = cache_find(cache, names[i - 1]);

		cache_unlink(cache, at);
		cache_front(cache, at);
	}
}

static void
request_run(struct corpus *c, const struct corpus_opts *o, struct cache *caches,
	    const uint64_t *ids, uint32_t n_ids, uint64_t copy, uint64_t *state)
{
	uint32_t n = prompt_add(c, o, ids, n_ids, copy);
	uint32_t owner = owner_choose(c, o, caches, n, state);

	event_add(c, CORPUS_LOOKUP, owner, n, c->n_blocks);
	c->lookups += n;
	prompt_run(c, &caches[owner], owner, n);
	c->n_blocks += n;
}

/* The ids of one line; 0: it has none. */
static uint32_t
line_ids(const char *line, uint64_t ids[IDS_MAX])
{
	const char *at = strstr(line, "\"hash_ids\":");
	uint32_t n = 0;

	at = at ? strchr(at, '[') : NULL;
	while (at && n < IDS_MAX) {
		char *end;

		ids[n] = strtoull(at + 1, &end, 10);
		if (end == at + 1)
			break;
		n++;
		at = *end == ',' ? end : NULL;
	}
	return n;
}

/* Conversations: the same first id, then their own, longer at each turn. */
static uint32_t
synthetic_ids(uint64_t i, uint64_t ids[IDS_MAX])
{
	uint64_t start = i % STARTS, state = mix64(start + 9);
	uint32_t n = 2 + rand_below(&state, 26) +
		     (uint32_t)(i / STARTS) * rand_below(&state, 16);

	if (rand_below(&state, 16) == 0)
		n *= 5;
	n = n < IDS_MAX ? n : IDS_MAX;
	ids[0] = 0;
	for (uint32_t k = 1; k < n; k++)
		ids[k] = 1 + start * IDS_MAX + k;
	return n;
}

/* When the request of a line comes, in ms from the first. */
static uint64_t
line_ms(const char *line)
{
	const char *at = strstr(line, "\"timestamp\":");

	return at ? strtoull(strchr(at, ':') + 1, NULL, 10) : 0;
}

static void
trace_run(struct corpus *c, const struct corpus_opts *o, struct cache *caches)
{
	FILE *file = o->trace ? fopen(o->trace, "r") : NULL;
	static char line[LINE_MAX_BYTES];
	uint64_t ids[IDS_MAX], state = 42;

	c->synthetic = !file;
	for (uint32_t i = 0; !o->requests || i < o->requests; i++) {
		uint32_t n;

		if (file ? !fgets(line, sizeof(line), file) : i == REQUESTS)
			break;
		n = file ? line_ids(line, ids) : synthetic_ids(i, ids);
		c->end_ms = file ? line_ms(line) : i / TOGETHER * GRID_MS;
		for (uint64_t copy = 0; n && copy < o->copies; copy++)
			request_run(c, o, caches, ids, n, copy, &state);
	}
	if (file)
		fclose(file);
}

void
corpus_make(struct corpus *c, const struct corpus_opts *o)
{
	uint64_t cap = 0;
	struct cache *caches =
		must_grow(NULL, &cap, o->owners, sizeof(*caches));

	memset(c, 0, sizeof(*c));
	memset(caches, 0, o->owners * sizeof(*caches));
	for (uint32_t i = 0; i < o->owners; i++)
		cache_init(&caches[i], o->capacity);
	trace_run(c, o, caches);
	for (uint32_t i = 0; i < o->owners; i++) {
		c->resident += caches[i].n;
		free(caches[i].blocks);
		free(caches[i].heads);
	}
	free(caches);
}

void
corpus_free(struct corpus *c)
{
	free(c->events);
	free(c->hashes);
	free(c->names);
	free(c->gone);
}
