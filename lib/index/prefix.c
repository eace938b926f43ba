/*
 * AIBrix's prefix table.
 *
 *   hash --> block --> entries, sorted by (model, pod): time of last add
 *              |
 *   oldest <---+---> newest        by last add, of any model and pod
 *
 * Made for: one add per routed request, one match before it, hundreds of
 * thousands of blocks, up to some hundred pods.
 *
 * Unlike AIBrix (pkg/utils/prefixcacheindexer/hash.go, MatchPrefix) the
 * caller's pods are not modified: percent serves as the only state, holding
 * the depth that each pod has reached until the end.
 * Unlike AIBrix (pkg/utils/lrustore/lru_store.go) age is that of a (block,
 * model, pod), not of the block, since a block that one pod keeps fresh
 * says nothing of another pod; and there is no scan by timer: the order by
 * last add is the order by age, so an add takes expired blocks off the end.
 */

#include <aibrix/prefix.h>

#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/versioned.h"

#define NONE UINT32_MAX

enum { PREFIX_BLOCKS = 200000 }; /* AIBRIX_PREFIX_CACHE_BLOCK_NUMBER */
/* AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS: 20. */
static const uint64_t prefix_age_ns = (uint64_t)20 * 60 * 1000000000;

struct entry {
	uint64_t model, pod;
	uint64_t added_ns;
};

struct block {
	uint64_t hash;
	uint64_t added_ns; /* the last add */
	struct entry *entries;
	size_t cap;
	uint32_t n;
	uint32_t next; /* of its chain, or of the free list */
	uint32_t older, newer;
};

struct aibrix_prefix {
	aibrix_allocator a;
	uint64_t max_age_ns;
	uint32_t max_blocks;
	uint32_t used, count; /* blocks ever given, in the table */
	uint32_t free;        /* first of the free list */
	uint32_t oldest, newest;
	struct block *blocks;
	size_t cap;
	uint32_t *heads; /* chains by hash */
	size_t n_heads;  /* a power of two */
};

int
aibrix_prefix_new(const aibrix_prefix_opts *opts, aibrix_prefix **out)
{
	aibrix_prefix_opts o;
	aibrix_allocator a;
	aibrix_prefix *prefix;
	int err = aibrix__struct_load(&o, sizeof(o), opts,
				      STRUCT_UPTO(aibrix_prefix_opts, alloc));

	if (err)
		return err;
	if (o.spare)
		return AIBRIX_E_ABI;
	if (!out || o.max_blocks >= NONE)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	prefix = aibrix__alloc(&a, 1, sizeof(*prefix));
	if (!prefix)
		return AIBRIX_E_NOMEM;
	prefix->a = a;
	prefix->max_age_ns = o.max_age_ns ? o.max_age_ns : prefix_age_ns;
	prefix->max_blocks =
		o.max_blocks ? (uint32_t)o.max_blocks : PREFIX_BLOCKS;
	prefix->free = prefix->oldest = prefix->newest = NONE;
	*out = prefix;
	return AIBRIX_OK;
}

void
aibrix_prefix_free(aibrix_prefix *prefix)
{
	aibrix_allocator a;

	if (!prefix)
		return;
	a = prefix->a;
	for (uint32_t i = 0; i < prefix->used; i++)
		aibrix__free(&a, prefix->blocks[i].entries,
			     prefix->blocks[i].cap, sizeof(struct entry));
	aibrix__free(&a, prefix->blocks, prefix->cap, sizeof(struct block));
	aibrix__free(&a, prefix->heads, prefix->n_heads, sizeof(uint32_t));
	aibrix__free(&a, prefix, 1, sizeof(*prefix));
}

static uint32_t *
block_head(const aibrix_prefix *prefix, uint64_t hash)
{
	return &prefix->heads[mix64(hash) & (prefix->n_heads - 1)];
}

static uint32_t
block_find(const aibrix_prefix *prefix, uint64_t hash)
{
	uint32_t at;

	if (!prefix->n_heads)
		return NONE;
	at = *block_head(prefix, hash);
	while (at != NONE && prefix->blocks[at].hash != hash)
		at = prefix->blocks[at].next;
	return at;
}

/* Clocks of callers may step back; an add from the future is fresh. */
static int
time_expired(const aibrix_prefix *prefix, uint64_t added_ns, uint64_t now_ns)
{
	return prefix->max_age_ns != AIBRIX_FOREVER && now_ns > added_ns &&
	       now_ns - added_ns > prefix->max_age_ns;
}

static void
age_unlink(aibrix_prefix *prefix, uint32_t at)
{
	const struct block *block = &prefix->blocks[at];

	if (block->older != NONE)
		prefix->blocks[block->older].newer = block->newer;
	else
		prefix->oldest = block->newer;
	if (block->newer != NONE)
		prefix->blocks[block->newer].older = block->older;
	else
		prefix->newest = block->older;
}

static void
age_push(aibrix_prefix *prefix, uint32_t at)
{
	struct block *block = &prefix->blocks[at];

	block->older = prefix->newest;
	block->newer = NONE;
	if (prefix->newest != NONE)
		prefix->blocks[prefix->newest].newer = at;
	else
		prefix->oldest = at;
	prefix->newest = at;
}

static void
block_drop(aibrix_prefix *prefix, uint32_t at)
{
	struct block *block = &prefix->blocks[at];
	uint32_t *link = block_head(prefix, block->hash);

	while (*link != at)
		link = &prefix->blocks[*link].next;
	*link = block->next;
	age_unlink(prefix, at);
	aibrix__free(&prefix->a, block->entries, block->cap,
		     sizeof(*block->entries));
	block->entries = NULL;
	block->cap = 0;
	block->n = 0;
	block->next = prefix->free;
	prefix->free = at;
	prefix->count--;
}

static int
heads_grow(aibrix_prefix *prefix)
{
	size_t n = prefix->n_heads ? prefix->n_heads * 2 : 64;
	uint32_t *heads = aibrix__alloc(&prefix->a, n, sizeof(*heads));

	if (!heads)
		return AIBRIX_E_NOMEM;
	memset(heads, 0xff, n * sizeof(*heads)); /* NONE */
	aibrix__free(&prefix->a, prefix->heads, prefix->n_heads,
		     sizeof(*heads));
	prefix->heads = heads;
	prefix->n_heads = n;
	for (uint32_t at = prefix->oldest; at != NONE;
	     at = prefix->blocks[at].newer) {
		uint32_t *head = block_head(prefix, prefix->blocks[at].hash);

		prefix->blocks[at].next = *head;
		*head = at;
	}
	return AIBRIX_OK;
}

/* A block with room for one entry, not listed by age yet. */
static int
block_new(aibrix_prefix *prefix, uint64_t hash, uint32_t *out)
{
	struct entry *entries;
	uint32_t at, *head;
	int err = AIBRIX_OK;

	if (prefix->count == prefix->max_blocks)
		block_drop(prefix, prefix->oldest);
	if (prefix->count == prefix->n_heads)
		err = heads_grow(prefix);
	if (!err && prefix->free == NONE)
		err = aibrix__grow(&prefix->a, &prefix->blocks, &prefix->cap,
				   (size_t)prefix->used + 1,
				   sizeof(*prefix->blocks));
	if (err)
		return err;
	entries = aibrix__alloc(&prefix->a, 1, sizeof(*entries));
	if (!entries)
		return AIBRIX_E_NOMEM;
	at = prefix->free;
	if (at == NONE)
		at = prefix->used++;
	else
		prefix->free = prefix->blocks[at].next;
	head = block_head(prefix, hash);
	prefix->blocks[at] = (struct block){
		.hash = hash, .entries = entries, .cap = 1, .next = *head};
	*head = at;
	prefix->count++;
	*out = at;
	return AIBRIX_OK;
}

/* First position that is not below (model, pod). */
static uint32_t
entry_position(const struct block *block, uint64_t model, uint64_t pod)
{
	uint32_t low = 0, n = block->n;

	while (low < n) {
		uint32_t middle = low + (n - low) / 2;
		const struct entry *e = &block->entries[middle];

		if (e->model < model || (e->model == model && e->pod < pod))
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static struct entry *
entry_find(const struct block *block, uint64_t model, uint64_t pod)
{
	uint32_t at = entry_position(block, model, pod);

	if (at == block->n || block->entries[at].model != model ||
	    block->entries[at].pod != pod)
		return NULL;
	return &block->entries[at];
}

/* Expired ones make room first, so that pods that left do not add up. */
static int
entry_add(aibrix_prefix *prefix, struct block *block, uint64_t model,
	  uint64_t pod, uint64_t now_ns)
{
	struct entry *entry = entry_find(block, model, pod);
	uint32_t at, kept = 0;
	int err;

	if (entry) {
		entry->added_ns = now_ns;
		return AIBRIX_OK;
	}
	for (uint32_t i = 0; i < block->n; i++)
		if (!time_expired(prefix, block->entries[i].added_ns, now_ns))
			block->entries[kept++] = block->entries[i];
	block->n = kept;
	err = aibrix__grow(&prefix->a, &block->entries, &block->cap,
			   (size_t)block->n + 1, sizeof(*block->entries));
	if (err)
		return err;
	at = entry_position(block, model, pod);
	entry = &block->entries[at];
	memmove(entry + 1, entry, (block->n - at) * sizeof(*entry));
	*entry = (struct entry){model, pod, now_ns};
	block->n++;
	return AIBRIX_OK;
}

int
aibrix_prefix_add(aibrix_prefix *prefix, uint64_t model, uint64_t pod,
		  const uint64_t *hashes, uint64_t n, uint64_t now_ns)
{
	if (!prefix || (n && !hashes))
		return AIBRIX_E_INVAL;
	while (prefix->oldest != NONE &&
	       time_expired(prefix, prefix->blocks[prefix->oldest].added_ns,
			    now_ns))
		block_drop(prefix, prefix->oldest);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t at = block_find(prefix, hashes[i]);
		int err;

		if (at != NONE) {
			age_unlink(prefix, at);
		} else {
			err = block_new(prefix, hashes[i], &at);
			if (err)
				return err;
		}
		age_push(prefix, at);
		err = entry_add(prefix, &prefix->blocks[at], model, pod,
				now_ns);
		if (err) {
			if (!prefix->blocks[at].n)
				block_drop(prefix, at);
			return err;
		}
		prefix->blocks[at].added_ns = now_ns;
	}
	return AIBRIX_OK;
}

/* Pods that have reached depth and have the next block, too, go deeper. */
static int
pods_step(const aibrix_prefix *prefix, const struct block *block,
	  uint64_t model, const uint64_t *pods, uint32_t n_pods,
	  uint64_t now_ns, uint32_t depth, uint32_t *depths)
{
	int any = 0;

	for (uint32_t i = 0; i < n_pods; i++) {
		const struct entry *entry;

		if (depths[i] != depth)
			continue;
		entry = entry_find(block, model, pods[i]);
		if (!entry || time_expired(prefix, entry->added_ns, now_ns))
			continue;
		depths[i]++;
		any = 1;
	}
	return any;
}

void
aibrix_prefix_match(const aibrix_prefix *prefix, uint64_t model,
		    const uint64_t *pods, uint32_t n_pods,
		    const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		    uint32_t *percent)
{
	if (!percent)
		return;
	for (uint32_t i = 0; i < n_pods; i++)
		percent[i] = 0;
	if (!prefix || !pods || !hashes)
		return;
	for (uint32_t depth = 0; depth < n && depth < NONE; depth++) {
		uint32_t at = block_find(prefix, hashes[depth]);

		if (at == NONE ||
		    !pods_step(prefix, &prefix->blocks[at], model, pods, n_pods,
			       now_ns, depth, percent))
			break;
	}
	for (uint32_t i = 0; n && i < n_pods; i++)
		percent[i] = (uint32_t)((uint64_t)percent[i] * 100 / n);
}

void
aibrix_prefix_forget(aibrix_prefix *prefix, uint64_t pod)
{
	uint32_t at, newer;

	if (!prefix)
		return;
	for (at = prefix->oldest; at != NONE; at = newer) {
		struct block *block = &prefix->blocks[at];
		uint32_t kept = 0;

		newer = block->newer;
		for (uint32_t i = 0; i < block->n; i++)
			if (block->entries[i].pod != pod)
				block->entries[kept++] = block->entries[i];
		block->n = kept;
		if (!kept)
			block_drop(prefix, at);
	}
}

uint64_t
aibrix_prefix_count(const aibrix_prefix *prefix)
{
	return prefix ? prefix->count : 0;
}
