/*
 * A timeline of KV events and lookups, made from a trace of requests.
 *
 * Each request is looked up and then sent to one of the owners, whose cache
 * (least recently used blocks leave, the end of a chain first) announces
 * what it removes and stores.  Everything follows from the options.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include <stdint.h>

enum corpus_route {
	ROUTE_RANDOM, /* uniform */
	ROUTE_PREFIX  /* who holds most of the prompt, unless overloaded */
};

struct corpus_opts {
	const char *trace; /* jsonl of the Mooncake kind; NULL: synthetic */
	uint32_t owners;   /* W */
	uint32_t length;   /* L: a hash id becomes that many */
	uint32_t copies;   /* K: disjoint copies of the trace */
	uint32_t capacity; /* blocks of an owner's cache */
	uint32_t requests; /* of each copy, at most; 0: all */
	enum corpus_route route;
};

enum corpus_kind { CORPUS_LOOKUP, CORPUS_STORED, CORPUS_REMOVED };

struct corpus_event {
	uint32_t kind, owner; /* LOOKUP: to whom the request will go */
	uint32_t n;           /* blocks */
	uint32_t has_parent;  /* STORED */
	uint64_t first;       /* in hashes and names; REMOVED: in gone */
	uint64_t parent;      /* name */
	uint64_t at_ms;       /* from the first request */
};

struct corpus {
	struct corpus_event *events;
	uint64_t n_events, cap_events;
	uint64_t *hashes, *names; /* blocks of all prompts */
	uint64_t n_blocks, cap_blocks;
	uint64_t *gone; /* names */
	uint64_t n_gone, cap_gone;
	uint64_t lookups, stored, removed; /* blocks */
	uint64_t hits;                     /* blocks that the owner had */
	uint64_t resident;                 /* (owner, block) pairs at the end */
	uint64_t end_ms;                   /* time of the last event */
	int synthetic;                     /* the trace could not be read */
};

/* Exits when there is no memory. */
void corpus_make(struct corpus *c, const struct corpus_opts *opts);
void corpus_free(struct corpus *c);

#endif
