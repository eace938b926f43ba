/*
 * Blocks, who is thought to have them, and how that is forgotten again.
 *
 *   hash --> cell --> block { one entry } --> chunk { 5 } --> chunk { 5 }
 *                       |
 *     oldest <----------+----------> newest    by last add
 *
 *   slots:  | b | b |   | b | b | b |   ...     the hand goes round
 *                         ^
 *
 * Made for: prompts of hundreds of blocks, nearly all of them of one pod,
 * some (system prompts) of every pod.  So a block has one entry with it, in
 * half a line of memory, and chunks from a common store only when there are
 * more.  All of it is taken at open: a call never allocates, and no table is
 * ever grown, which would hold up one unlucky call for milliseconds.
 *
 * Three ways out:
 *   - At the bound of blocks the least recently added goes.
 *   - At the bound of entries, of one block or of all, the block's entry
 *     that expires first is replaced; dead ones make room before.
 *   - The hand goes round the slots, a few for each block added, and takes
 *     dead entries out, and blocks that have none left.
 * Nobody waits for the hand: entries are judged when they are read.  Its only
 * task is that the dead do not stay, so its pace is that of the adds: each
 * round takes max.blocks / HAND_BLOCK added blocks at the most.
 *
 * Generations are finite.  Retiring an id therefore moves the hand as well,
 * so far that it has been everywhere before a generation comes again.
 */

#include "index/claims.h"

static uint32_t
bits_of(uint32_t ids)
{
	uint32_t bits = 0;

	while (bits < 31 && (uint32_t)1 << bits < ids)
		bits++;
	return bits;
}

int
aibrix__claims_open(struct claims *t, const aibrix_allocator *a,
		    const struct claims_bounds *max)
{
	uint32_t bits = bits_of(max->ids);
	int err;

	t->max = *max;
	t->step = (uint32_t)1 << bits;
	/* There are 2^(32 - bits) - 1 generations. */
	t->sweep = (max->blocks >> (31 - bits)) + 1;
	t->free = t->chunks_free = t->oldest = t->newest = NONE;
	err = aibrix__cells_open(&t->cells, a, max->blocks);
	t->blocks =
		aibrix__alloc_aligned(a, max->blocks, sizeof(*t->blocks), 64);
	t->chunks =
		aibrix__alloc_aligned(a, max->chunks, sizeof(*t->chunks), 64);
	t->now = aibrix__alloc(a, max->ids, sizeof(*t->now));
	if (err || !t->blocks || !t->chunks || !t->now)
		return AIBRIX_E_NOMEM;
	for (uint32_t id = 0; id < max->ids; id++)
		t->now[id] = t->step + id;
	return AIBRIX_OK;
}

void
aibrix__claims_close(struct claims *t, const aibrix_allocator *a)
{
	aibrix__cells_close(&t->cells, a);
	aibrix__free(a, t->blocks, t->max.blocks, sizeof(*t->blocks));
	aibrix__free(a, t->chunks, t->max.chunks, sizeof(*t->chunks));
	aibrix__free(a, t->now, t->max.ids, sizeof(*t->now));
}

uint64_t
aibrix__claims_bytes(const struct claims *t)
{
	return cells_bytes(&t->cells) +
	       (uint64_t)t->max.blocks * sizeof(*t->blocks) +
	       (uint64_t)t->max.chunks * sizeof(*t->chunks) +
	       (uint64_t)t->max.ids * sizeof(*t->now);
}

static void
age_unlink(struct claims *t, uint32_t at)
{
	const struct claim_block *b = &t->blocks[at];

	if (b->older != NONE)
		t->blocks[b->older].newer = b->newer;
	else
		t->oldest = b->newer;
	if (b->newer != NONE)
		t->blocks[b->newer].older = b->older;
	else
		t->newest = b->older;
}

static void
age_push(struct claims *t, uint32_t at)
{
	t->blocks[at].older = t->newest;
	t->blocks[at].newer = NONE;
	if (t->newest != NONE)
		t->blocks[t->newest].newer = at;
	else
		t->oldest = at;
	t->newest = at;
}

/* NONE when none is left. */
static uint32_t
chunk_new(struct claims *t)
{
	uint32_t at = t->chunks_free;

	if (at != NONE)
		t->chunks_free = t->chunks[at].next;
	else if (t->chunks_used < t->max.chunks)
		at = t->chunks_used++;
	else
		return NONE;
	t->chunks[at] = (struct claim_chunk){.next = NONE};
	return at;
}

static void
chunks_free(struct claims *t, uint32_t *link)
{
	while (*link != NONE) {
		struct claim_chunk *chunk = &t->chunks[*link];
		uint32_t next = chunk->next;

		chunk->next = t->chunks_free;
		t->chunks_free = *link;
		*link = next;
	}
}

static void
block_drop(struct claims *t, uint32_t at)
{
	struct claim_block *b = &t->blocks[at];

	aibrix__cells_remove(&t->cells, cells_hash(&t->cells, b->hash), at);
	age_unlink(t, at);
	b->claim = 0;
	b->newer = t->free;
	t->free = at;
	t->count--;
}

/* Keep the first n entries of a block, n > 0. */
static void
entries_trim(struct claims *t, uint32_t block, uint32_t n)
{
	uint32_t *link = &t->blocks[block].more;

	n--;
	while (n > 0) {
		struct claim_chunk *chunk = &t->chunks[*link];

		for (uint32_t i = n; i < CHUNK_ENTRIES; i++)
			chunk->claims[i] = 0;
		n -= n < CHUNK_ENTRIES ? n : CHUNK_ENTRIES;
		link = &chunk->next;
	}
	chunks_free(t, link);
}

/* Take out the dead, and the claim drop (0: none).  What is left keeps its
 * order; its number is returned, and when that is 0 the block is gone. */
static uint32_t
entries_sweep(struct claims *t, uint32_t block, uint64_t now_ns, uint32_t drop)
{
	struct claim_cursor from = claim_first(t, block), to = from;
	uint32_t n = 0, kept = 0;

	for (; !claim_ended(&from); claim_next(t, &from), n++) {
		if (*from.claim == drop || !claim_counts(t, &from, now_ns))
			continue;
		if (kept++ != n) {
			*to.claim = *from.claim;
			*to.until_ns = *from.until_ns;
		}
		claim_next(t, &to);
	}
	if (kept == n)
		return n;
	t->entries -= n - kept;
	entries_trim(t, block, kept ? kept : 1);
	if (kept == 0)
		block_drop(t, block);
	return kept;
}

/* Nothing for the hand to do, as with most slots. */
static int
block_is_fresh(const struct claims *t, uint32_t at, uint64_t now_ns)
{
	const struct claim_block *b = &t->blocks[at];
	const struct claim_cursor c = claim_first(t, at);

	return !b->claim || (b->more == NONE && claim_counts(t, &c, now_ns));
}

void
aibrix__claims_sweep(struct claims *t, uint64_t steps, uint64_t now_ns)
{
	steps += t->owed;
	t->owed = 0;
	if (steps > t->used)
		steps = t->used;
	while (steps--) {
		uint32_t at = t->hand < t->used ? t->hand : 0;

		t->hand = at + 1;
		if (!block_is_fresh(t, at, now_ns) &&
		    entries_sweep(t, at, now_ns, 0) == 0)
			t->reclaimed++;
	}
}

void
aibrix__claims_retire(struct claims *t, uint32_t id)
{
	t->now[id] += t->step;
	if (t->now[id] < t->step) /* the generation 0 is left out */
		t->now[id] += t->step;
	t->owed += t->sweep;
}

static uint32_t
entries_count(const struct claims *t, uint32_t block)
{
	struct claim_cursor c = claim_first(t, block);
	uint32_t n = 0;

	for (; !claim_ended(&c); claim_next(t, &c))
		n++;
	return n;
}

/* A block goes, with its entries. */
static void
block_forget(struct claims *t, uint32_t at)
{
	t->entries -= entries_count(t, at);
	entries_trim(t, at, 1);
	block_drop(t, at);
}

void
aibrix__claims_drop(struct claims *t, uint64_t hash)
{
	uint32_t at = claims_find(t, hash, cells_hash(&t->cells, hash));

	if (at != NONE)
		block_forget(t, at);
}

/* A block with one entry, as the newest. */
static void
block_new(struct claims *t, uint64_t hash, uint64_t cell_hash, uint32_t claim,
	  uint64_t until_ns)
{
	uint32_t at;

	if (t->count == t->max.blocks) {
		block_forget(t, t->oldest);
		t->evicted++;
	}
	at = t->free;
	if (at == NONE)
		at = t->used++;
	else
		t->free = t->blocks[at].newer;
	t->blocks[at] = (struct claim_block){.hash = hash,
					     .until_ns = until_ns,
					     .claim = claim,
					     .more = NONE};
	aibrix__cells_add(&t->cells, cell_hash, at);
	age_push(t, at);
	t->count++;
	t->entries++;
}

/* A cursor that has ended gets a place for one more; 0: there is none. */
static int
entry_append(struct claims *t, struct claim_cursor *c)
{
	if (c->claim)
		return 1;
	*c->link = chunk_new(t);
	if (*c->link == NONE)
		return 0;
	claim_next(t, c);
	return 1;
}

/* Take the dead out of a block with n entries; *c goes behind the rest. */
static void
entries_clean(struct claims *t, uint32_t block, uint32_t n, uint32_t dead,
	      uint64_t now_ns, struct claim_cursor *c)
{
	if (dead < n) {
		entries_sweep(t, block, now_ns, 0);
	} else {
		entries_trim(t, block, 1);
		t->blocks[block].claim = 0;
		t->entries -= n;
	}
	*c = claim_first(t, block);
	while (!claim_ended(c))
		claim_next(t, c);
}

static void
entry_put(struct claims *t, uint32_t block, uint32_t claim, uint64_t now_ns,
	  uint64_t until_ns)
{
	struct claim_cursor c = claim_first(t, block), first = c;
	uint32_t n = 0, dead = 0;

	for (; !claim_ended(&c); claim_next(t, &c), n++) {
		if (*c.claim == claim) {
			if (*c.until_ns < until_ns)
				*c.until_ns = until_ns;
			return;
		}
		dead += !claim_counts(t, &c, now_ns);
		if (*c.until_ns < *first.until_ns)
			first = c;
	}
	/* Room for the dead is room for one more. */
	if (dead)
		entries_clean(t, block, n, dead, now_ns, &c);
	if ((!dead && n == t->max.entries) || !entry_append(t, &c)) {
		c = first;
		t->entries--;
		t->replaced++;
	}
	*c.claim = claim;
	*c.until_ns = until_ns;
	t->entries++;
}

/* The cells of the next block to go but those that *victim has seen. */
static void
victim_prefetch(const struct claims *t, uint32_t *victim)
{
	const struct claim_block *b;

	if (*victim == NONE)
		return;
	b = &t->blocks[*victim];
	cells_prefetch(&t->cells, cells_hash(&t->cells, b->hash));
	*victim = b->newer;
}

void
aibrix__claims_add(struct claims *t, uint32_t id, const uint64_t *hashes,
		   uint64_t n, uint64_t now_ns, uint64_t until_ns)
{
	struct claims_ahead ahead = {.hashes = hashes, .n = n};
	uint64_t steps = n < t->max.blocks ? n : t->max.blocks;
	uint32_t victim = NONE;

	aibrix__claims_sweep(t, HAND_CALL + HAND_BLOCK * steps, now_ns);
	if (t->count + steps > t->max.blocks)
		victim = t->oldest;
	for (uint32_t i = 0; i < AHEAD_BLOCKS; i++)
		victim_prefetch(t, &victim);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t cell_hash = ahead_hash(&ahead, t, i);
		uint32_t at = claims_find(t, hashes[i], cell_hash);

		victim_prefetch(t, &victim);
		if (at == NONE) {
			block_new(t, hashes[i], cell_hash, t->now[id],
				  until_ns);
			continue;
		}
		if (at != t->newest) {
			age_unlink(t, at);
			age_push(t, at);
		}
		entry_put(t, at, t->now[id], now_ns, until_ns);
	}
	t->added += n;
}

uint32_t
aibrix__claims_remove(struct claims *t, uint32_t id, uint64_t hash,
		      uint64_t cell_hash)
{
	uint32_t at = claims_find(t, hash, cell_hash);
	struct claim_cursor c;

	if (at == NONE)
		return 0;
	c = claim_first(t, at);
	while (!claim_ended(&c) && *c.claim != t->now[id])
		claim_next(t, &c);
	if (claim_ended(&c))
		return 0;
	entries_sweep(t, at, 0, *c.claim);
	return 1;
}
