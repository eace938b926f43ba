/*
 * The walk of a prompt down the runs, and the scores.
 *
 *   prompt    A B C D E F G            hop  run      n
 *   runs     [A B C D E]                1   A..E     5
 *                      '-[F G H]        2   F..H     2
 *
 * The walk notes for each run its version and how far the prompt goes in it.
 * Then the owners are taken through the hops: who holds all of a hop stays in
 * play, others keep the depth reached.
 *
 * Nothing is locked and nothing is written that others read.  What a run
 * shows may change between the hops, but what is added is true whenever it
 * is seen, and whatever is taken away changes the run's version afterwards.
 * When all versions are as they were, no run has lost anything in between,
 * so each owner held all that it was given at one moment: the last.
 * (doc/modules/index.md has the argument in full.)
 */

#include "index/index_lookup.h"

#include "base/arch.h"

enum { LINE_BLOCKS = 8, LINES_AHEAD = 40 };

/* What a walk waits for. */
enum {
	AT_RUN,   /* nothing: the last run is here */
	AT_TABLE, /* the head of a table of children */
	AT_SLOT,  /* the slot of the child */
	AT_CHILD  /* the child */
};

void
aibrix__walk_begin(const struct aibrix_index *index, struct walk *walk,
		   const uint64_t *hashes, uint32_t n, struct hop *hops,
		   uint32_t hops_cap)
{
	*walk = (struct walk){.hashes = hashes,
			      .n = n,
			      .run = index->root,
			      .hops = hops,
			      .hops_cap = hops_cap};
}

/* The first lines of a run, all at once: they do not wait for each other. */
static void
run_warm(const struct run *run, uint32_t n)
{
	const char *line = (const char *)run_content(run);
	uint32_t lines = (n + LINE_BLOCKS - 1) / LINE_BLOCKS;

	prefetch(run);
	for (uint32_t i = 0; i < lines && i < LINES_AHEAD; i++)
		prefetch(line + i * 64);
}

/* Ask for the child, if there is one. */
static int
child_ask(struct walk *walk, const struct run *child)
{
	walk->next = child;
	if (!child)
		return 0;
	run_warm(child, walk->n - walk->depth);
	walk->stage = AT_CHILD;
	return 1;
}

static int
child_look(const struct aibrix_index *index, struct walk *walk)
{
	const struct run *run = walk->run, *kid;

	if (walk->depth == walk->n || walk->n_hops == walk->hops_cap)
		return 0;
	walk->key = kid_key(index, walk->at, walk->hashes[walk->depth]);
	kid = atomic_load_explicit(&run->kid, memory_order_acquire);
	if (kid && atomic_load_explicit(&run->kid_key, memory_order_relaxed) ==
			   walk->key)
		return child_ask(walk, kid);
	walk->kids = atomic_load_explicit(&run->kids, memory_order_acquire);
	if (!walk->kids)
		return 0;
	prefetch(walk->kids);
	walk->stage = AT_TABLE;
	return 1;
}

static const struct run *
child_in_table(const struct walk *walk)
{
	for (uint64_t i = walk->key;; i++) {
		const struct kid *slot = &walk->kids->at[i & walk->kids->mask];
		const struct run *kid =
			atomic_load_explicit(&slot->run, memory_order_acquire);

		if (!kid ||
		    atomic_load_explicit(&slot->key, memory_order_relaxed) ==
			    walk->key)
			return kid;
	}
}

static int
child_enter(const struct aibrix_index *index, struct walk *walk)
{
	uint32_t left = walk->n - walk->depth, len, version, n;
	const struct run *run = walk->next;

	version = atomic_load_explicit(&run->version, memory_order_acquire);
	len = atomic_load_explicit(&run->len, memory_order_acquire);
	if (run->at != walk->at ||
	    *run_content(run) != walk->hashes[walk->depth]) {
		/* Gone, or one of two with the same key. */
		run = aibrix__kid_find(index, walk->run, walk->at,
				       walk->hashes[walk->depth]);
		return run != walk->next && child_ask(walk, run);
	}
	n = blocks_equal(run_content(run), walk->hashes + walk->depth,
			 len < left ? len : left);
	if (!n)
		return 0;
	walk->hops[walk->n_hops++] = (struct hop){run, version, n};
	walk->run = run;
	walk->at = n;
	walk->depth += n;
	walk->stage = AT_RUN;
	return 1;
}

int
aibrix__walk_turn(const struct aibrix_index *index, struct walk *walk)
{
	switch (walk->stage) {
	case AT_RUN: return child_look(index, walk);
	case AT_TABLE:
		prefetch(&walk->kids->at[walk->key & walk->kids->mask]);
		walk->stage = AT_SLOT;
		return 1;
	case AT_SLOT: return child_ask(walk, child_in_table(walk));
	default: return child_enter(index, walk);
	}
}

void
aibrix__walk(const struct aibrix_index *index, struct walk *walk)
{
	while (aibrix__walk_turn(index, walk))
		;
}

int
aibrix__walk_open(const struct walk *walk)
{
	return walk->n_hops == walk->hops_cap && walk->depth < walk->n;
}

int
aibrix__walk_holds(const struct walk *walk)
{
	atomic_thread_fence(memory_order_acquire);
	for (uint32_t i = 0; i < walk->n_hops; i++) {
		const struct hop *hop = &walk->hops[i];

		if (atomic_load_explicit(&hop->run->version,
					 memory_order_relaxed) != hop->version)
			return 0;
	}
	return 1;
}

/* What a hop says about the owners with bits and, in order, the others. */
struct holders {
	uint64_t bits[INLINE_OWNERS / 64];
	const struct part *part, *end;
};

/* Bits first: an owner that loses its bit has its part by then. */
static struct holders
hop_holders(const struct hop *hop)
{
	struct holders h = {.part = NULL};
	const struct parts *parts;

	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++)
		h.bits[i] = atomic_load_explicit(&hop->run->cover[i],
						 memory_order_acquire);
	parts = run_parts(hop->run);
	if (parts) {
		h.part = parts->at;
		h.end = parts->at + parts->n;
	}
	return h;
}

/* Of the first n blocks of a run, those that an owner holds. */
struct cut {
	uint32_t held, device;
};

static struct cut
part_read(const struct part *part, uint32_t n)
{
	struct cut cut = {
		atomic_load_explicit(&part->held, memory_order_acquire),
		atomic_load_explicit(&part->device, memory_order_acquire)};

	cut.held = cut.held < n ? cut.held : n;
	cut.device = cut.device < cut.held ? cut.device : cut.held;
	return cut;
}

void
aibrix__score_begin(struct score *score, aibrix_index_reader *reader,
		    aibrix_match *rows)
{
	score->rows = rows;
	score->in_play = reader->in_play;
	score->n = score->n_in_play = 0;
	score->depth = score->first_depth = 0;
	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++)
		score->held[i] = score->device[i] = 0;
}

/* Owners of one word of bits that still hold everything.  Kept apart from
 * the score while rows are added, so that they stay in registers. */
struct word {
	uint64_t held, device;
};

/* Parts of owners from the word's first up to below owner. */
static inline struct word
rows_of_parts(struct score *s, struct holders *h, uint32_t owner,
	      struct word word)
{
	const struct part *part = h->part, *end = h->end;
	uint32_t depth = s->first_depth, n = s->n;
	aibrix_match *rows = s->rows;

	for (; part < end && part->owner < owner; part++) {
		struct cut cut = part_read(part, depth);
		uint64_t bit = (uint64_t)1 << part->owner % 64;

		s->rowed[part->owner / 64] |= cut.held ? bit : 0;
		word.held |= cut.held == depth ? bit : 0;
		word.device |= cut.device == depth ? bit : 0;
		rows[n] = (aibrix_match){part->owner, cut.held, cut.device, 0};
		n += cut.held > 0;
	}
	h->part = part;
	s->n = n;
	return word;
}

/* Only bits: nearly always, and of a beginning that all share all of them. */
static inline void
rows_of_bits(struct score *s, uint32_t first, uint64_t bits)
{
	uint32_t depth = s->first_depth;
	aibrix_match *row = s->rows + s->n;

	for (; bits; bits &= bits - 1, row++)
		*row = (aibrix_match){first + lowest_bit(bits), depth, depth,
				      0};
	s->n = (uint32_t)(row - s->rows);
}

static inline struct word
rows_of_word(struct score *s, struct holders *h, uint32_t i)
{
	struct word word = {h->bits[i], h->bits[i]};
	uint32_t depth = s->first_depth, end = (i + 1) * 64;

	s->rowed[i] = h->bits[i];
	s->before[i] = s->n;
	if (h->part == h->end || h->part->owner >= end) {
		rows_of_bits(s, i * 64, h->bits[i]);
		return word;
	}
	for (uint64_t bits = h->bits[i]; bits; bits &= bits - 1) {
		uint32_t owner = i * 64 + lowest_bit(bits);

		if (h->part < h->end && h->part->owner <= owner) {
			word = rows_of_parts(s, h, owner, word);
			h->part += h->part < h->end && h->part->owner == owner;
		}
		s->rows[s->n++] = (aibrix_match){owner, depth, depth, 0};
	}
	return rows_of_parts(s, h, end, word);
}

/* Everybody who holds block 0 of the prompt. */
static void
score_first(struct score *s, const struct hop *hop)
{
	struct holders h = hop_holders(hop);

	s->first_depth = hop->n;
	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++) {
		struct word word = rows_of_word(s, &h, i);

		s->held[i] = word.held;
		s->device[i] = word.device;
	}
	for (; h.part < h.end; h.part++) {
		struct cut cut = part_read(h.part, hop->n);

		if (cut.held == hop->n)
			s->in_play[s->n_in_play++] = s->n;
		s->rows[s->n] =
			(aibrix_match){h.part->owner, cut.held, cut.device, 0};
		s->n += cut.held > 0;
	}
}

static aibrix_match *
row_of(const struct score *s, uint32_t word, uint64_t bits)
{
	uint64_t below = (bits & -bits) - 1;

	return &s->rows[s->before[word] + bits_set(s->rowed[word] & below)];
}

static struct cut
part_of(struct holders *h, uint32_t owner, uint32_t n)
{
	while (h->part < h->end && h->part->owner < owner)
		h->part++;
	if (h->part == h->end || h->part->owner != owner)
		return (struct cut){0, 0};
	return part_read(h->part, n);
}

/* These end here: they have neither their bit in the run nor a part. */
static void
score_drop(struct score *s, uint32_t word, uint64_t drop)
{
	uint64_t held = s->held[word] & drop, device = s->device[word] & drop;

	s->held[word] &= ~drop;
	s->device[word] &= ~drop;
	if (s->depth == s->first_depth)
		return;
	for (; held; held &= held - 1)
		row_of(s, word, held)->held = s->depth;
	for (; device; device &= device - 1)
		row_of(s, word, device)->device = s->depth;
}

/* An owner without its bit in the run, which has a part. */
static void
score_part(struct score *s, uint32_t word, uint64_t bit, struct cut cut,
	   uint32_t n)
{
	if (s->device[word] & bit && cut.device < n) {
		row_of(s, word, bit)->device = s->depth + cut.device;
		s->device[word] &= ~bit;
	}
	if (cut.held < n) {
		row_of(s, word, bit)->held = s->depth + cut.held;
		s->held[word] &= ~bit;
	}
}

/* Owners with bits; those without their bit in this run may have a part. */
static void
score_bits(struct score *s, struct holders *h, uint32_t n)
{
	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++) {
		uint64_t drop = s->held[i] & ~h->bits[i], without = drop;

		for (; h->part < h->end && h->part->owner / 64 == i;
		     h->part++) {
			uint64_t bit = (uint64_t)1 << h->part->owner % 64;

			if (!(drop & bit))
				continue;
			without &= ~bit;
			score_part(s, i, bit, part_read(h->part, n), n);
		}
		score_drop(s, i, without);
	}
}

static void
score_others(struct score *s, struct holders *h, uint32_t n)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < s->n_in_play; i++) {
		aibrix_match *row = &s->rows[s->in_play[i]];
		struct cut cut = part_of(h, row->owner, n);

		if (row->device == s->depth)
			row->device += cut.device;
		row->held = s->depth + cut.held;
		if (cut.held == n)
			s->in_play[left++] = s->in_play[i];
	}
	s->n_in_play = left;
}

static int
score_over(const struct score *s)
{
	uint64_t any = s->n_in_play;

	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++)
		any |= s->held[i];
	return !any;
}

void
aibrix__score_hops(struct score *s, const struct hop *hops, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct holders h;

		if (s->depth == 0) {
			score_first(s, &hops[i]);
		} else if (score_over(s)) {
			return;
		} else {
			h = hop_holders(&hops[i]);
			score_bits(s, &h, hops[i].n);
			score_others(s, &h, hops[i].n);
		}
		s->depth += hops[i].n;
	}
}

/* Who is in play still has held everything. */
void
aibrix__score_end(struct score *s)
{
	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++)
		score_drop(s, i, UINT64_MAX);
}

/*
 * Waited for, one after the other: the head of each run, the table of
 * children where the first child is another one, and its parts.  Arrays are
 * read in order.
 */
void
aibrix__index_lines(aibrix_index_reader *reader, const uint64_t *hashes,
		    uint64_t n, uint64_t *dependent, uint64_t *sequential)
{
	const struct aibrix_index *index = reader->index;
	struct walk walk;

	*dependent = *sequential = 0;
	aibrix__walk_begin(index, &walk, hashes, (uint32_t)n, reader->hops,
			   HOPS);
	do {
		*dependent += walk.stage == AT_TABLE || walk.stage == AT_SLOT;
	} while (aibrix__walk_turn(index, &walk));
	for (uint32_t i = 0; i < walk.n_hops; i++) {
		const struct hop *hop = &walk.hops[i];
		uint32_t lines = (hop->n + LINE_BLOCKS - 1) / LINE_BLOCKS;

		*dependent += 1 + (run_parts(hop->run) != NULL);
		*sequential += lines;
		if (run_parts(hop->run))
			*sequential += run_parts(hop->run)->n *
				       sizeof(struct part) / 64;
	}
}
