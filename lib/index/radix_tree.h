/*
 * The radix tree itself: prompts that share a beginning share its nodes.
 *
 *   (top) --> [ 1 2 3 4 ] --> [ 5 6 ]
 *                        '--> [ 7 8 9 10 ]
 *
 * Whoever was sent a node is a claim (claims.h) under the node's name.
 */
#ifndef INDEX_RADIX_TREE_H
#define INDEX_RADIX_TREE_H

#include "index/claims.h"

enum { RADIX_CHUNK = 15, RADIX_NODE_OWNERS = 256 };

/* 64 bytes: tokens of a node, which may begin and end within one. */
struct radix_chunk {
	uint32_t tokens[RADIX_CHUNK];
	uint32_t next; /* also of the free list */
};

struct radix_node {
	uint64_t name; /* of its claims, never given again; 0: free */
	uint64_t model;
	uint64_t last_ns, turn; /* when it was sent last, at which insertion */
	uint32_t parent;        /* NONE: the top */
	uint32_t children;      /* how many */
	uint32_t head, skip;    /* first chunk, and where in it */
	uint32_t len, end;      /* tokens; those from the top with them */
	uint32_t older, newer;  /* by last insertion; newer: also free list */
	uint64_t requests;      /* compat: that ended here, in the window */
	int64_t hit, prompt;    /* tokens of them */
};

struct radix_tree {
	struct cells cells; /* nodes by parent and first token */
	struct claims claims;
	struct radix_node *nodes;
	struct radix_chunk *chunks;
	uint32_t max_nodes, max_chunks;
	uint32_t nodes_used, nodes_free, count;
	uint32_t chunks_used, chunks_free, chunks_count;
	uint32_t oldest, newest;
	uint64_t max_age_ns, names, turn;
	uint64_t tokens, splits, expired, evicted, cut;
};

/* How far a prompt is in the tree: begin with {NONE, NONE, 0, 0}. */
struct radix_walk {
	uint32_t at;     /* the last node that is wholly in it */
	uint32_t child;  /* the one after it that is in part, or NONE */
	uint32_t common; /* tokens of that one */
	uint64_t done;   /* tokens up to the end of at */
};

/* tree is zeroed; close accepts what a failed open left. */
int aibrix__radix_open(struct radix_tree *tree, const aibrix_allocator *a,
		       uint32_t nodes, uint64_t tokens, uint32_t owners);
void aibrix__radix_close(struct radix_tree *tree, const aibrix_allocator *a);
uint64_t aibrix__radix_bytes(const struct radix_tree *tree);

/* One node further; 0: there is none. */
int aibrix__radix_step(const struct radix_tree *tree, uint64_t model,
		       const uint32_t *tokens, uint32_t n,
		       struct radix_walk *walk);

/* The node that the prompt, which owner was sent, now ends at, NONE when
 * nothing of it could be kept; *matched: what was there before. */
uint32_t aibrix__radix_insert(struct radix_tree *tree, uint64_t model,
			      uint32_t owner, const uint32_t *tokens,
			      uint32_t n, uint64_t now_ns, uint64_t *matched);

/* What the prefill of n tokens takes, context with those before them. */
double aibrix__radix_prefill_s(uint32_t gpu, double n, double context);

/* What cannot be, for tests: AIBRIX_E_CORRUPT. */
int aibrix__radix_tree_check(const struct radix_tree *tree);

#endif
