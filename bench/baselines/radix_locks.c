/*
 * A concurrent radix tree with one node per block (the design of Dynamo's
 * ConcurrentRadixTree).
 *
 *     root --h0--> node --h1--> node --h2--> node
 *                  {0,1}        {0,1}        {1}      owners
 *     owner 0: name -> node, owner 1: name -> node, ...
 *
 * Each node has a readers-writer lock, its owners and its children by
 * content hash, the first child in the node itself, more in a table.  A
 * lookup walks down with two read locks, hand over hand; a store does the
 * same with write locks.  The map of an owner, which its one writer alone
 * touches, finds the parent of a store and the nodes of a removal.
 *
 * A node with neither owners nor children is unlinked.  That takes the lock
 * of its parent before its own, but who notices has come by the owner's map
 * and holds the node's: so he marks the node as his to unlink (claimed),
 * lets go, and locks both from the top.  Until then others may fill the
 * node again, in which case it stays.  Nothing else frees a claimed node,
 * and a linked node keeps its parent, so both pointers stay good.
 *
 * Nodes are one cache line each and come from chunks, through a list of
 * free ones per owner, so that a node costs neither a call nor a lock.
 *
 * Promised beyond baseline.h: holes, exactly.  Not promised: a parent that
 * its owner does not hold is unknown even if others hold it; a second copy
 * or a second name of a block counts for nothing.
 */
#include <stdalign.h>

#include "baseline.h"
#include "memory.h"
#include "owners.h"
#include "rwlock.h"

struct node;
struct slot {
	uint64_t name; /* or content hash */
	struct node *node;
};
#define SLOT_USED(slot) ((slot)->node)
#include "table.h"

enum { CHUNK_NODES = 1024, FREE_BATCH = 64, FREE_MAX = 4 * FREE_BATCH };
enum { NODE_CLAIMED = 1 }; /* owners.tag */

struct node {
	alignas(64) rwlock lock;
	uint32_t n_children;
	uint64_t hash;
	struct node *parent; /* or the next free node, or chunk */
	struct owners owners;
	struct node *child;     /* if there is but one */
	struct table *children; /* NULL: as long as there was but one */
};

/* One per owner. */
struct lane {
	alignas(64) struct table names;
	struct node *free;
	uint32_t n_free;
};

struct tree {
	struct node root;
	struct memory memory;
	struct owners_room room;
	uint32_t n_lanes;
	struct lane *lanes;
	rwlock lock; /* of what follows */
	struct node *free;
	struct node *chunks; /* the first node of each is the link */
	uint32_t chunk_used;
};

/* Under the tree's lock. */
static struct node *
chunk_take(struct tree *t)
{
	struct node *node = t->free;

	if (node) {
		t->free = node->parent;
		return node;
	}
	if (!t->chunks || t->chunk_used == CHUNK_NODES) {
		node = aibrix__alloc_aligned(&t->memory.counted, CHUNK_NODES,
					     sizeof(*node),
					     alignof(struct node));
		if (!node)
			return NULL;
		node->parent = t->chunks;
		t->chunks = node;
		t->chunk_used = 1;
	}
	return &t->chunks[t->chunk_used++];
}

static void
lane_fill(struct tree *t, struct lane *lane)
{
	struct node *node;

	rwlock_write(&t->lock);
	while (lane->n_free < FREE_BATCH && (node = chunk_take(t)) != NULL) {
		node->parent = lane->free;
		lane->free = node;
		lane->n_free++;
	}
	rwlock_write_end(&t->lock);
}

static void
lane_drain(struct tree *t, struct lane *lane)
{
	rwlock_write(&t->lock);
	while (lane->n_free > FREE_MAX - FREE_BATCH) {
		struct node *node = lane->free;

		lane->free = node->parent;
		lane->n_free--;
		node->parent = t->free;
		t->free = node;
	}
	rwlock_write_end(&t->lock);
}

/* A node that is locked for writing and not linked yet. */
static struct node *
node_new(struct tree *t, struct lane *lane, uint64_t hash)
{
	struct node *node;

	if (!lane->free)
		lane_fill(t, lane);
	node = lane->free;
	if (!node)
		return NULL;
	lane->free = node->parent;
	lane->n_free--;
	*node = (struct node){.hash = hash};
	atomic_store_explicit(&node->lock, RWLOCK_WRITER, memory_order_relaxed);
	return node;
}

static void
node_free(struct tree *t, struct lane *lane, struct node *node)
{
	node->parent = lane->free;
	lane->free = node;
	if (++lane->n_free > FREE_MAX)
		lane_drain(t, lane);
}

static struct node *
child_find(const struct node *node, uint64_t hash)
{
	const struct slot *slot;

	if (!node->children)
		return node->child && node->child->hash == hash ? node->child
								: NULL;
	slot = table_find(node->children, hash);
	return slot ? slot->node : NULL;
}

static void
child_put(struct node *node, struct node *child)
{
	*table_seek(node->children, child->hash) =
		(struct slot){child->hash, child};
	node->children->n++;
}

/* From one child to a table of them. */
static int
children_new(struct tree *t, struct node *node)
{
	const aibrix_allocator *alloc = &t->memory.counted;
	struct table *children = aibrix__alloc(alloc, 1, sizeof(*children));

	if (!children)
		return AIBRIX_E_NOMEM;
	if (table_reserve(children, alloc, 2)) {
		aibrix__free(alloc, children, 1, sizeof(*children));
		return AIBRIX_E_NOMEM;
	}
	node->children = children;
	child_put(node, node->child);
	node->child = NULL;
	return AIBRIX_OK;
}

static void
children_free(struct tree *t, struct node *node)
{
	const aibrix_allocator *alloc = &t->memory.counted;

	if (!node->children)
		return;
	table_close(node->children, alloc);
	aibrix__free(alloc, node->children, 1, sizeof(*node->children));
	node->children = NULL;
}

static int
child_link(struct tree *t, struct node *node, struct node *child)
{
	if (!node->n_children)
		node->child = child;
	else if ((!node->children && children_new(t, node)) ||
		 table_reserve(node->children, &t->memory.counted, 1))
		return AIBRIX_E_NOMEM;
	if (node->children)
		child_put(node, child);
	node->n_children++;
	child->parent = node;
	return AIBRIX_OK;
}

static void
child_unlink(struct tree *t, struct node *node, const struct node *child)
{
	if (node->children)
		table_drop(node->children,
			   table_find(node->children, child->hash));
	else
		node->child = NULL;
	if (--node->n_children == 0)
		children_free(t, node);
}

static int
node_idle(const struct node *node)
{
	return !node->owners.n && !node->n_children;
}

/* Whether the caller is now the one to unlink node. */
static int
node_claim(const struct tree *t, struct node *node)
{
	if (!node_idle(node) || node->owners.tag || node == &t->root)
		return 0;
	node->owners.tag = NODE_CLAIMED;
	return 1;
}

/* A node that we claimed, and its ancestors that it leaves idle. */
static void
node_prune(struct tree *t, struct lane *lane, struct node *node)
{
	for (int more = 1; more;) {
		struct node *parent = node->parent;
		int idle;

		rwlock_write(&parent->lock);
		rwlock_write(&node->lock);
		node->owners.tag = 0;
		idle = node_idle(node);
		if (idle)
			child_unlink(t, parent, node);
		more = idle && node_claim(t, parent);
		rwlock_write_end(&node->lock);
		rwlock_write_end(&parent->lock);
		if (idle)
			node_free(t, lane, node);
		node = parent;
	}
}

/* owner holds node. */
static void
holder_drop(struct tree *t, uint32_t owner, struct node *node)
{
	int claimed;

	rwlock_write(&node->lock);
	owners_drop(&node->owners, &t->room, owner);
	claimed = node_claim(t, node);
	rwlock_write_end(&node->lock);
	if (claimed)
		node_prune(t, &t->lanes[owner], node);
}

/*
 * The child of node under hash with owner among its owners, locked in place
 * of node; NULL: no memory, and node is still locked.  *added: owner is new
 * there.
 */
static struct node *
node_step(struct tree *t, uint32_t owner, struct node *node, uint64_t hash,
	  int *added)
{
	struct node *child = child_find(node, hash);

	if (child) {
		rwlock_write(&child->lock);
		*added = owners_add(&child->owners, &t->room, owner);
		if (*added < 0) {
			rwlock_write_end(&child->lock);
			return NULL;
		}
	} else {
		child = node_new(t, &t->lanes[owner], hash);
		if (!child)
			return NULL;
		if (child_link(t, node, child)) {
			node_free(t, &t->lanes[owner], child);
			return NULL;
		}
		*added = owners_add(&child->owners, &t->room, owner);
	}
	rwlock_write_end(&node->lock);
	return child;
}

/* node is locked and new to owner: file its name.  If that meant another
 * node, owner gives that one up. */
static void
name_file(struct tree *t, uint32_t owner, uint64_t name, struct node *node)
{
	struct table *names = &t->lanes[owner].names;
	struct slot *slot = table_seek(names, name);
	struct node *old = slot->node;

	*slot = (struct slot){name, node};
	if (!old) {
		names->n++;
		return;
	}
	rwlock_write_end(&node->lock);
	holder_drop(t, owner, old);
	rwlock_write(&node->lock);
}

static int
tree_stored(void *self, uint32_t owner, uint64_t parent_name, int has_parent,
	    const uint64_t *hashes, const uint64_t *names, uint32_t n)
{
	struct tree *t = self;
	struct lane *lane = &t->lanes[owner];
	struct node *node = &t->root;
	int err;

	if (has_parent) {
		const struct slot *slot = table_find(&lane->names, parent_name);

		if (!slot)
			return AIBRIX_E_NOT_FOUND;
		node = slot->node;
	}
	err = table_reserve(&lane->names, &t->memory.counted, n);
	if (err)
		return err;
	rwlock_write(&node->lock);
	for (uint32_t i = 0; i < n && !err; i++) {
		int added;
		struct node *child =
			node_step(t, owner, node, hashes[i], &added);

		if (!child) {
			err = AIBRIX_E_NOMEM;
			break;
		}
		node = child;
		if (added)
			name_file(t, owner, names[i], node);
	}
	rwlock_write_end(&node->lock);
	return err;
}

static void
tree_removed(void *self, uint32_t owner, const uint64_t *names, uint32_t n)
{
	struct tree *t = self;
	struct table *table = &t->lanes[owner].names;

	for (uint32_t i = 0; i < n; i++) {
		struct slot *slot = table_find(table, names[i]);
		struct node *node;

		if (!slot)
			continue;
		node = slot->node;
		table_drop(table, slot);
		holder_drop(t, owner, node);
	}
}

static void
tree_cleared(void *self, uint32_t owner)
{
	struct tree *t = self;
	struct table *names = &t->lanes[owner].names;

	for (uint64_t i = 0; i < names->cap; i++)
		if (SLOT_USED(&names->slots[i]))
			holder_drop(t, owner, names->slots[i].node);
	table_close(names, &t->memory.counted);
}

static uint32_t
tree_lookup(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	    uint32_t cap)
{
	struct tree *t = self;
	struct node *node = &t->root;
	struct alive alive;
	uint32_t depth;

	alive_none(&alive);
	rwlock_read(&node->lock);
	for (depth = 0; depth < n; depth++) {
		struct node *child = child_find(node, hashes[depth]);

		if (!child)
			break;
		rwlock_read(&child->lock);
		rwlock_read_end(&node->lock);
		node = child;
		if (depth == 0)
			alive_begin(&alive, &node->owners, t->room.words, out,
				    cap);
		else
			alive_filter(&alive, &node->owners, depth);
		if (!alive.n)
			break;
	}
	rwlock_read_end(&node->lock);
	return alive_end(&alive, depth);
}

static uint64_t
tree_bytes(void *self)
{
	const struct tree *t = self;

	return sizeof(*t) + memory_bytes(&t->memory);
}

static void
tree_destroy(void *self)
{
	struct tree *t = self;
	aibrix_allocator inner;
	struct node *next;

	for (uint32_t i = 0; i < t->n_lanes; i++)
		tree_cleared(t, i);
	for (struct node *chunk = t->chunks; chunk; chunk = next) {
		next = chunk->parent;
		aibrix__free(&t->memory.counted, chunk, CHUNK_NODES,
			     sizeof(*chunk));
	}
	aibrix__free(&t->memory.counted, t->lanes, t->n_lanes,
		     sizeof(*t->lanes));
	inner = t->memory.inner;
	aibrix__free(&inner, t, 1, sizeof(*t));
}

static void *
tree_create(uint32_t owners, const aibrix_allocator *alloc)
{
	aibrix_allocator inner;
	struct tree *t;

	if (owners > OWNERS_MAX || aibrix__allocator_load(&inner, alloc))
		return NULL;
	t = aibrix__alloc_aligned(&inner, 1, sizeof(*t), alignof(struct tree));
	if (!t)
		return NULL;
	memory_open(&t->memory, &inner);
	t->room = (struct owners_room){&t->memory.counted, (owners + 63) / 64};
	t->lanes =
		aibrix__alloc_aligned(&t->memory.counted, owners,
				      sizeof(*t->lanes), alignof(struct lane));
	if (!t->lanes) {
		aibrix__free(&inner, t, 1, sizeof(*t));
		return NULL;
	}
	t->n_lanes = owners;
	return t;
}

const struct baseline baseline_radix_locks = {
	.name = "radix_locks",
	.create = tree_create,
	.destroy = tree_destroy,
	.stored = tree_stored,
	.removed = tree_removed,
	.cleared = tree_cleared,
	.lookup = tree_lookup,
	.bytes = tree_bytes,
};
