/*
 * The radix tree: where prompts part, and what is forgotten first.
 *
 * Made for: prompts of thousands of tokens that share hundreds or all of them
 * with another one.  A node's tokens lie in chunks of one line of memory, so
 * that a tree of any shape fits into memory taken at open, and a node is split
 * by copying one chunk.
 *
 * An insertion makes the nodes on its way the newest, the last one first.  So
 * a node is older than its parent, and the oldest of all has no children:
 * what goes, goes from the ends of prompts, and nothing is ever searched.
 *
 * An owner has a claim at each node on its way, each with a time of its own.
 * So what a node's end takes along says nothing about its parents.  AIBrix
 * takes the owners of a leaf that has expired from all of its ancestors, also
 * where a sibling still has them, and looks at all nodes each second.
 */

#include <string.h>

#include "base/alloc.h"
#include "index/radix_tree.h"

int
aibrix__radix_open(struct radix_tree *tree, const aibrix_allocator *a,
		   uint32_t nodes, uint64_t tokens, uint32_t owners)
{
	struct claims_bounds bounds = {
		.blocks = nodes,
		.chunks = nodes / 4 + 1,
		.ids = owners,
		.entries = RADIX_NODE_OWNERS,
	};
	int err;

	tree->max_nodes = nodes;
	tree->max_chunks = (uint32_t)((tokens + RADIX_CHUNK - 1) / RADIX_CHUNK);
	tree->nodes_free = tree->chunks_free = NONE;
	tree->oldest = tree->newest = NONE;
	err = aibrix__cells_open(&tree->cells, a, nodes);
	if (!err)
		err = aibrix__claims_open(&tree->claims, a, &bounds);
	tree->nodes = aibrix__alloc(a, nodes, sizeof(*tree->nodes));
	tree->chunks = aibrix__alloc_aligned(a, tree->max_chunks,
					     sizeof(*tree->chunks), 64);
	return !err && tree->nodes && tree->chunks ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__radix_close(struct radix_tree *tree, const aibrix_allocator *a)
{
	aibrix__cells_close(&tree->cells, a);
	aibrix__claims_close(&tree->claims, a);
	aibrix__free(a, tree->nodes, tree->max_nodes, sizeof(*tree->nodes));
	aibrix__free(a, tree->chunks, tree->max_chunks, sizeof(*tree->chunks));
}

uint64_t
aibrix__radix_bytes(const struct radix_tree *tree)
{
	return cells_bytes(&tree->cells) + aibrix__claims_bytes(&tree->claims) +
	       (uint64_t)tree->max_nodes * sizeof(*tree->nodes) +
	       (uint64_t)tree->max_chunks * sizeof(*tree->chunks);
}

static uint64_t
child_hash(const struct radix_tree *tree, uint64_t model, uint32_t parent,
	   uint32_t token)
{
	return cells_hash(&tree->cells,
			  mix64(model) + ((uint64_t)parent << 32 | token));
}

static uint32_t
node_first(const struct radix_tree *tree, const struct radix_node *node)
{
	return tree->chunks[node->head].tokens[node->skip];
}

static uint64_t
node_hash(const struct radix_tree *tree, const struct radix_node *node)
{
	return child_hash(tree, node->model, node->parent,
			  node_first(tree, node));
}

static uint32_t
child_find(const struct radix_tree *tree, uint64_t model, uint32_t parent,
	   uint32_t token)
{
	uint64_t hash = child_hash(tree, model, parent, token);
	struct cells_walk walk = cells_start(&tree->cells, hash);
	const struct radix_node *node;
	uint32_t at;

	do {
		at = cells_next(&tree->cells, hash, &walk);
		if (at == NONE)
			break;
		node = &tree->nodes[at];
	} while (node->parent != parent || node->model != model ||
		 node_first(tree, node) != token);
	return at;
}

/* How many of its tokens a prompt of n goes on with. */
static uint32_t
node_common(const struct radix_tree *tree, const struct radix_node *node,
	    const uint32_t *tokens, uint32_t n)
{
	const struct radix_chunk *chunk = &tree->chunks[node->head];
	uint32_t most = node->len < n ? node->len : n, i = node->skip;

	for (uint32_t k = 0; k < most; k++, i++) {
		if (i == RADIX_CHUNK) {
			chunk = &tree->chunks[chunk->next];
			i = 0;
		}
		if (chunk->tokens[i] != tokens[k])
			return k;
	}
	return most;
}

int
aibrix__radix_step(const struct radix_tree *tree, uint64_t model,
		   const uint32_t *tokens, uint32_t n, struct radix_walk *walk)
{
	uint32_t done = (uint32_t)walk->done, at;

	if (done == n)
		return 0;
	at = child_find(tree, model, walk->at, tokens[done]);
	if (at == NONE)
		return 0;
	walk->common =
		node_common(tree, &tree->nodes[at], tokens + done, n - done);
	if (walk->common < tree->nodes[at].len) {
		walk->child = at;
		return 0;
	}
	walk->at = at;
	walk->done += walk->common;
	walk->common = 0;
	return 1;
}

static void
age_unlink(struct radix_tree *tree, uint32_t at)
{
	const struct radix_node *node = &tree->nodes[at];

	if (node->older != NONE)
		tree->nodes[node->older].newer = node->newer;
	else
		tree->oldest = node->newer;
	if (node->newer != NONE)
		tree->nodes[node->newer].older = node->older;
	else
		tree->newest = node->older;
}

static void
age_push(struct radix_tree *tree, uint32_t at, uint64_t now_ns)
{
	struct radix_node *node = &tree->nodes[at];

	node->last_ns = now_ns;
	node->turn = tree->turn;
	node->older = tree->newest;
	node->newer = NONE;
	if (tree->newest != NONE)
		tree->nodes[tree->newest].newer = at;
	else
		tree->oldest = at;
	tree->newest = at;
}

/* at and those above it, so that each is newer than those below it. */
static void
path_touch(struct radix_tree *tree, uint32_t at, uint64_t now_ns)
{
	for (; at != NONE; at = tree->nodes[at].parent) {
		age_unlink(tree, at);
		age_push(tree, at, now_ns);
	}
}

static uint32_t
chunks_of(const struct radix_node *node)
{
	return (node->skip + node->len + RADIX_CHUNK - 1) / RADIX_CHUNK;
}

/* One that has no children, as the oldest. */
static void
node_drop(struct radix_tree *tree, uint32_t at)
{
	struct radix_node *node = &tree->nodes[at];
	uint32_t chunk = node->head, n = chunks_of(node);

	aibrix__cells_remove(&tree->cells, node_hash(tree, node), at);
	aibrix__claims_drop(&tree->claims, node->name);
	age_unlink(tree, at);
	if (node->parent != NONE)
		tree->nodes[node->parent].children--;
	tree->tokens -= node->len;
	tree->chunks_count -= n;
	while (n--) {
		uint32_t next = tree->chunks[chunk].next;

		tree->chunks[chunk].next = tree->chunks_free;
		tree->chunks_free = chunk;
		chunk = next;
	}
	node->name = 0;
	node->newer = tree->nodes_free;
	tree->nodes_free = at;
	tree->count--;
}

/* What is too old goes with insertions, faster than they make new nodes. */
static void
nodes_expire(struct radix_tree *tree, uint64_t now_ns)
{
	for (uint32_t i = 0; i < HAND_CALL && tree->oldest != NONE; i++) {
		uint64_t last_ns = tree->nodes[tree->oldest].last_ns;

		if (now_ns < last_ns || now_ns - last_ns <= tree->max_age_ns)
			return;
		node_drop(tree, tree->oldest);
		tree->expired++;
	}
}

/* Whether there is room, once all that is not of this turn has made it. */
static int
room_make(struct radix_tree *tree, uint32_t nodes, uint32_t chunks)
{
	while (tree->max_nodes - tree->count < nodes ||
	       tree->max_chunks - tree->chunks_count < chunks) {
		uint32_t at = tree->oldest;

		/* A node that is to be split stays where it is. */
		while (at != NONE && tree->nodes[at].turn == tree->turn)
			at = tree->nodes[at].newer;
		if (at == NONE)
			return 0;
		node_drop(tree, at);
		tree->evicted++;
	}
	return 1;
}

static uint32_t
chunk_new(struct radix_tree *tree)
{
	uint32_t at = tree->chunks_free;

	if (at != NONE)
		tree->chunks_free = tree->chunks[at].next;
	else
		at = tree->chunks_used++;
	tree->chunks_count++;
	return at;
}

static uint32_t
node_new(struct radix_tree *tree, const struct radix_node *as)
{
	uint32_t at = tree->nodes_free;

	if (at != NONE)
		tree->nodes_free = tree->nodes[at].newer;
	else
		at = tree->nodes_used++;
	tree->nodes[at] = *as;
	tree->nodes[at].name = ++tree->names;
	tree->count++;
	return at;
}

/* Whoever has the one node is given the other, too, for as long. */
static void
owners_copy(struct radix_tree *tree, uint64_t from, uint64_t to,
	    uint64_t now_ns)
{
	struct claims *claims = &tree->claims;
	uint32_t at =
		claims_find(claims, from, cells_hash(&claims->cells, from));
	uint64_t until_ns[RADIX_NODE_OWNERS];
	uint32_t owners[RADIX_NODE_OWNERS], n = 0;
	struct claim_cursor c;

	if (at == NONE)
		return;
	for (c = claim_first(claims, at); !claim_ended(&c);
	     claim_next(claims, &c))
		if (claim_counts(claims, &c, now_ns)) {
			owners[n] = claim_id(claims, *c.claim);
			until_ns[n++] = *c.until_ns;
		}
	for (uint32_t i = 0; i < n; i++)
		aibrix__claims_add(claims, owners[i], &to, 1, now_ns,
				   until_ns[i]);
}

/* Before: [ common | rest ].  After: [ common ] --> [ rest ], and the rest
 * keeps its number, name and children.  There is room. */
static uint32_t
node_split(struct radix_tree *tree, uint32_t at, uint32_t common,
	   uint64_t now_ns)
{
	struct radix_node *rest = &tree->nodes[at], *top;
	struct radix_node as = {
		.model = rest->model,
		.parent = rest->parent,
		.children = 1,
		.head = rest->head,
		.skip = rest->skip,
		.len = common,
		.end = rest->end - (rest->len - common),
	};
	uint32_t cut = rest->skip + common, chunk = rest->head, above;

	aibrix__cells_remove(&tree->cells, node_hash(tree, rest), at);
	for (uint32_t i = cut / RADIX_CHUNK; i > 0; i--)
		chunk = tree->chunks[chunk].next;
	if (cut % RADIX_CHUNK) {
		uint32_t copy = chunk_new(tree);

		tree->chunks[copy] = tree->chunks[chunk];
		chunk = copy;
	}
	rest->head = chunk;
	rest->skip = cut % RADIX_CHUNK;
	rest->len -= common;
	above = node_new(tree, &as);
	rest->parent = above;
	top = &tree->nodes[above];
	aibrix__cells_add(&tree->cells, node_hash(tree, top), above);
	aibrix__cells_add(&tree->cells, node_hash(tree, rest), at);
	owners_copy(tree, rest->name, top->name, now_ns);
	age_push(tree, above, now_ns);
	tree->splits++;
	return above;
}

/* n tokens behind parent, above 0.  There is room. */
static uint32_t
node_append(struct radix_tree *tree, uint64_t model, uint32_t parent,
	    const uint32_t *tokens, uint32_t n, uint64_t now_ns)
{
	struct radix_node as = {
		.model = model, .parent = parent, .len = n, .end = n};
	uint32_t *link = &as.head, at;

	for (uint32_t i = 0; i < n; i += RADIX_CHUNK) {
		uint32_t some = n - i < RADIX_CHUNK ? n - i : RADIX_CHUNK;

		*link = chunk_new(tree);
		memcpy(tree->chunks[*link].tokens, tokens + i,
		       some * sizeof(*tokens));
		link = &tree->chunks[*link].next;
	}
	*link = NONE;
	if (parent != NONE) {
		as.end += tree->nodes[parent].end;
		tree->nodes[parent].children++;
	}
	at = node_new(tree, &as);
	aibrix__cells_add(&tree->cells, node_hash(tree, &tree->nodes[at]), at);
	age_push(tree, at, now_ns);
	tree->tokens += n;
	return at;
}

/* The end of the way comes first: claims make room in the same order. */
static void
path_claim(struct radix_tree *tree, uint32_t at, uint32_t owner,
	   uint64_t now_ns)
{
	uint64_t until_ns = AIBRIX_FOREVER, names[RADIX_NODE_OWNERS];
	uint32_t n = 0;

	if (tree->max_age_ns < AIBRIX_FOREVER - now_ns)
		until_ns = now_ns + tree->max_age_ns;
	for (; at != NONE; at = tree->nodes[at].parent) {
		names[n++] = tree->nodes[at].name;
		if (n < RADIX_NODE_OWNERS && tree->nodes[at].parent != NONE)
			continue;
		aibrix__claims_add(&tree->claims, owner, names, n, now_ns,
				   until_ns);
		n = 0;
	}
}

uint32_t
aibrix__radix_insert(struct radix_tree *tree, uint64_t model, uint32_t owner,
		     const uint32_t *tokens, uint32_t n, uint64_t now_ns,
		     uint64_t *matched)
{
	struct radix_walk walk = {NONE, NONE, 0, 0};
	uint32_t rest, room, at;
	int split;

	tree->turn++;
	nodes_expire(tree, now_ns);
	while (aibrix__radix_step(tree, model, tokens, n, &walk))
		;
	*matched = walk.done + walk.common;
	split = walk.child != NONE;
	rest = n - (uint32_t)*matched;
	path_touch(tree, walk.at, now_ns);
	if (split)
		tree->nodes[walk.child].turn = tree->turn;
	at = walk.at;
	room = (rest + RADIX_CHUNK - 1) / RADIX_CHUNK;
	if (!room_make(tree, (uint32_t)split + !!rest, (uint32_t)split + room))
		tree->cut++;
	if (split && tree->count < tree->max_nodes &&
	    tree->chunks_count < tree->max_chunks) {
		at = node_split(tree, walk.child, walk.common, now_ns);
		split = 0;
		/* Newer than it, as they were. */
		path_touch(tree, tree->nodes[at].parent, now_ns);
	}
	room = tree->max_chunks - tree->chunks_count;
	if (rest > (uint64_t)room * RADIX_CHUNK)
		rest = room * RADIX_CHUNK;
	if (rest && !split && tree->count < tree->max_nodes) {
		at = node_append(tree, model, at, tokens + *matched, rest,
				 now_ns);
		path_touch(tree, tree->nodes[at].parent, now_ns);
	}
	path_claim(tree, at, owner, now_ns);
	return at;
}

/* One node: what it says of itself and of its neighbours. */
static int
node_check(const struct radix_tree *tree, uint32_t at)
{
	const struct radix_node *node = &tree->nodes[at];
	uint32_t before = 0, found;

	if (!node->name || node->len == 0 || node->skip >= RADIX_CHUNK)
		return AIBRIX_E_CORRUPT;
	if (node->parent != NONE) {
		const struct radix_node *parent = &tree->nodes[node->parent];

		if (!parent->name || parent->children == 0 ||
		    parent->model != node->model)
			return AIBRIX_E_CORRUPT;
		before = parent->end;
	}
	found = child_find(tree, node->model, node->parent,
			   node_first(tree, node));
	return found == at && node->end == before + node->len
		       ? AIBRIX_OK
		       : AIBRIX_E_CORRUPT;
}

/* A child after its parent would be one that goes after it. */
static int
order_check(const struct radix_tree *tree, uint32_t at)
{
	uint32_t parent = tree->nodes[at].parent;

	if (parent == NONE)
		return AIBRIX_OK;
	while (at != NONE && at != parent)
		at = tree->nodes[at].newer;
	return at == parent ? AIBRIX_OK : AIBRIX_E_CORRUPT;
}

int
aibrix__radix_tree_check(const struct radix_tree *tree)
{
	uint64_t nodes = 0, chunks = 0, tokens = 0, children = 0, below = 0;
	int err = AIBRIX_OK;

	for (uint32_t at = tree->oldest; !err && at != NONE;
	     at = tree->nodes[at].newer) {
		const struct radix_node *node = &tree->nodes[at];

		err = node_check(tree, at);
		if (!err)
			err = order_check(tree, at);
		nodes++;
		chunks += chunks_of(node);
		tokens += node->len;
		children += node->children;
		below += node->parent != NONE;
	}
	if (err || nodes != tree->count || chunks != tree->chunks_count ||
	    tokens != tree->tokens || children != below ||
	    nodes > tree->max_nodes || chunks > tree->max_chunks ||
	    aibrix__cells_count(&tree->cells) != nodes)
		return AIBRIX_E_CORRUPT;
	return AIBRIX_OK;
}
