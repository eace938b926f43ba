/*
 * The table of L1: one cache line tells nearly always.
 *
 *   line   [ word | slot slot slot slot slot | tag | tag | tag | tag | tag ]
 *   word   version (24 bits), counts the tags written; spill (8 bits)
 *   low    of each slot: the first half of its key
 *
 * A key is two halves of 64 bits, and its tag mixes both so that tag and
 * first half give the second half back.  Lines hold tags and the halves
 * stand aside: five entries to a line instead of three in the same memory,
 * and so one key in thirty is not where it is looked for first, not one in
 * eight.  Whoever hands out blocks compares halves too, and is exact.  A run
 * compares tags only: of keys that are not there it shows one in 10^18.
 *
 * A key whose line is full goes to the next one with room, and every line
 * that it passed counts it as spilt; a search goes on only behind a line that
 * has spilt.  Entries never move, so a slot knows its entry by number.  A
 * bit more than half of the entries are used at most.
 *
 * Whoever asks takes no lock and writes nothing.  An entry's slot is removed
 * before its tag changes and stored after it, so a tag without a slot counts
 * for nothing, and one that changes while a line is read shows in the
 * version, which is raised before.  Then the line is read again; a writer
 * that was put to sleep in the middle holds nobody up.
 *
 * A run asks for the lines of the next keys while it compares those of the
 * ones before: it costs what independent loads cost, not a chain of them.
 * Which of the five it is takes no branch: that one nobody could foresee.
 */

#include "cache/cache_table.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arch.h"
#include "base/list.h"
#include "base/rand.h"

enum {
	ENTRIES = 5,
	AHEAD = 16,      /* keys whose lines are on their way */
	TRIES = 64,      /* the others were met by a writer each */
	SPILL_MAX = 255, /* stays for ever */
	WRITTEN = 256,   /* one more in the version */
};

#define HIDDEN ((uint32_t)1 << 31)

struct table_line {
	_Atomic uint32_t word;
	_Atomic uint32_t slot[ENTRIES]; /* NONE: empty */
	_Atomic uint64_t tag[ENTRIES];
};

_Static_assert(sizeof(struct table_line) == 64, "a cache line");

struct halves {
	uint64_t at[2];
};

static struct halves
key_halves(const void *key)
{
	struct halves h;

	memcpy(h.at, key, sizeof(h.at));
	return h;
}

/* Keys are hashes already, but of several algorithms, and in some of them a
 * prompt's owner has a say: all bytes count, and odd numbers that nobody
 * outside knows (multiply-shift: Dietzfelbinger et al. 1997). */
static uint64_t
tag_of(const struct table *table, struct halves key)
{
	uint64_t both = key.at[0] * table->odd[0] + key.at[1];

	return (both ^ both >> 32) * table->odd[1];
}

static uint64_t
second_half(const struct table *table, uint64_t tag, uint64_t low)
{
	uint64_t both = tag * table->undo;

	return (both ^ both >> 32) - low * table->odd[0];
}

/* By both, so that two keys of one tag are in one line by chance only. */
static uint32_t
line_of(const struct table *table, uint64_t tag, uint64_t low)
{
	return (uint32_t)(((tag ^ low) >> 32) * table->n >> 32);
}

/* Modulo 2^64; each step of Newton's doubles the bits that are right. */
static uint64_t
inverse_of(uint64_t odd)
{
	uint64_t x = odd; /* of three bits */

	for (uint32_t bits = 3; bits < 64; bits *= 2)
		x *= 2 - odd * x;
	return x;
}

static uint32_t
line_after(const struct table *table, uint32_t line)
{
	return line + 1 < table->n ? line + 1 : 0;
}

/* Large pages, unless half of the last one would be idle. */
static size_t
pages_round(size_t bytes)
{
	const size_t large = 2 << 20;
	size_t up = (bytes + large - 1) / large * large;

	return bytes >= 4 * large ? up : bytes;
}

int
aibrix__table_open(struct table *table, const aibrix_allocator *alloc,
		   uint32_t capacity)
{
	table->capacity = capacity;
	table->n = (uint32_t)((uint64_t)capacity * 3 / 8) + 2;
	table->bytes = pages_round(table->n * sizeof(*table->lines));
	table->low = aibrix__alloc(alloc, capacity, sizeof(*table->low));
	table->lines = aibrix__alloc_pages(alloc, table->bytes);
	if (!table->low || !table->lines)
		return AIBRIX_E_NOMEM;
	memset(table->lines, 0, table->bytes);
	table->odd[0] = mix64((uintptr_t)table->lines) | 1;
	table->odd[1] = mix64((uintptr_t)table->low + table->odd[0]) | 1;
	table->undo = inverse_of(table->odd[1]);
	for (uint32_t i = 0; i < table->n; i++)
		for (uint32_t k = 0; k < ENTRIES; k++)
			atomic_init(&table->lines[i].slot[k], NONE);
	return AIBRIX_OK;
}

void
aibrix__table_close(struct table *table, const aibrix_allocator *alloc)
{
	aibrix__free(alloc, table->lines, 1, table->bytes);
	aibrix__free(alloc, table->low, table->capacity, sizeof(*table->low));
}

static uint32_t
word_of(const struct table_line *line)
{
	return atomic_load_explicit(&line->word, memory_order_relaxed);
}

static uint32_t
slot_of(const struct table_line *line, uint32_t entry)
{
	return atomic_load_explicit(&line->slot[entry], memory_order_acquire);
}

static uint64_t
tag_at(const struct table_line *line, uint32_t entry)
{
	return atomic_load_explicit(&line->tag[entry], memory_order_relaxed);
}

/* Acquire: with the release in low_set, so that who sees a slot's new key
 * also sees that the slot was taken for it. */
static uint64_t
low_of(const struct table *table, uint32_t slot)
{
	return atomic_load_explicit(&table->low[slot], memory_order_acquire);
}

static void
low_set(struct table *table, uint32_t slot, uint64_t low)
{
	atomic_store_explicit(&table->low[slot], low, memory_order_release);
}

/* The slot word of key, or NONE. */
static uint32_t
key_find(const struct table *table, struct halves key)
{
	uint64_t tag = tag_of(table, key);
	uint32_t at = line_of(table, tag, key.at[0]), slot;

	for (;; at = line_after(table, at)) {
		const struct table_line *line = &table->lines[at];

		for (uint32_t i = 0; i < ENTRIES; i++) {
			slot = slot_of(line, i);
			if (slot != NONE && tag_at(line, i) == tag &&
			    low_of(table, slot & ~HIDDEN) == key.at[0])
				return slot;
		}
		if (word_of(line) % WRITTEN == 0)
			return NONE;
	}
}

uint32_t
aibrix__table_find(const struct table *table, const aibrix_key *key)
{
	uint32_t slot = key_find(table, key_halves(key));

	return slot == NONE ? NONE : slot & ~HIDDEN;
}

static void
spill_change(struct table_line *line, int more)
{
	uint32_t word = word_of(line);

	if (word % WRITTEN != SPILL_MAX)
		atomic_store_explicit(&line->word, word + (uint32_t)more,
				      memory_order_release);
}

static void
entry_write(struct table_line *line, uint32_t entry, uint64_t tag,
	    uint32_t slot)
{
	uint32_t word = word_of(line);

	atomic_store_explicit(&line->word, word + WRITTEN,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&line->tag[entry], tag, memory_order_relaxed);
	atomic_store_explicit(&line->slot[entry], slot, memory_order_release);
}

uint32_t
aibrix__table_add(struct table *table, const aibrix_key *key, uint32_t slot)
{
	struct halves halves = key_halves(key);
	uint64_t tag = tag_of(table, halves);
	uint32_t at = line_of(table, tag, halves.at[0]);

	low_set(table, slot, halves.at[0]);
	for (;; at = line_after(table, at)) {
		struct table_line *line = &table->lines[at];

		for (uint32_t i = 0; i < ENTRIES; i++) {
			if (slot_of(line, i) != NONE)
				continue;
			entry_write(line, i, tag, slot | HIDDEN);
			return at * ENTRIES + i;
		}
		spill_change(line, 1);
	}
}

void
aibrix__table_show(struct table *table, uint32_t at)
{
	struct table_line *line = &table->lines[at / ENTRIES];

	atomic_store_explicit(&line->slot[at % ENTRIES],
			      slot_of(line, at % ENTRIES) & ~HIDDEN,
			      memory_order_release);
}

void
aibrix__table_key(const struct table *table, uint32_t at, aibrix_key *key)
{
	const struct table_line *line = &table->lines[at / ENTRIES];
	uint32_t slot = slot_of(line, at % ENTRIES) & ~HIDDEN;
	struct halves halves = {{low_of(table, slot)}};

	halves.at[1] =
		second_half(table, tag_at(line, at % ENTRIES), halves.at[0]);
	memcpy(key, halves.at, sizeof(*key));
}

void
aibrix__table_remove(struct table *table, uint32_t at)
{
	struct table_line *line = &table->lines[at / ENTRIES];
	uint32_t slot = slot_of(line, at % ENTRIES) & ~HIDDEN;
	uint64_t low = low_of(table, slot);
	uint32_t i = line_of(table, tag_at(line, at % ENTRIES), low);

	atomic_store_explicit(&line->slot[at % ENTRIES], NONE,
			      memory_order_relaxed);
	for (; i != at / ENTRIES; i = line_after(table, i))
		spill_change(&table->lines[i], -1);
}

uint64_t
aibrix__table_count(const struct table *table)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < table->n; i++)
		for (uint32_t k = 0; k < ENTRIES; k++)
			n += slot_of(&table->lines[i], k) != NONE;
	return n;
}

/* The slot word of an entry if it has tag, or NONE. */
static inline uint32_t
entry_ask(const struct table_line *line, uint32_t entry, uint64_t tag)
{
	uint32_t slot = slot_of(line, entry); /* before the tag */

	return tag_at(line, entry) == tag ? slot : NONE;
}

static inline uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The slot word of tag in the line, or NONE, which is the largest. */
static inline uint32_t
line_find(const struct table_line *line, uint64_t tag)
{
	_Static_assert(ENTRIES == 5, "each is asked");
	return least(
		least(least(entry_ask(line, 0, tag), entry_ask(line, 1, tag)),
		      least(entry_ask(line, 2, tag), entry_ask(line, 3, tag))),
		entry_ask(line, 4, tag));
}

/* What a line says of tag at one moment; *spilt: look at the next one. */
static uint32_t
line_ask(const struct table_line *line, uint64_t tag, uint32_t *spilt)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		uint32_t word =
			atomic_load_explicit(&line->word, memory_order_acquire);
		uint32_t slot = line_find(line, tag);

		atomic_thread_fence(memory_order_acquire);
		if (word_of(line) != word)
			continue;
		*spilt = word % WRITTEN;
		return slot;
	}
	*spilt = 0;
	return NONE;
}

/* From line on. */
static uint32_t
lines_ask(const struct table *table, uint64_t tag, uint32_t line)
{
	uint32_t spilt, slot;

	for (uint32_t i = 0; i < table->n; i++) {
		slot = line_ask(&table->lines[line], tag, &spilt);
		if (slot != NONE || !spilt)
			return slot;
		line = line_after(table, line);
	}
	return NONE;
}

/* Nearly always the first line has it, and nobody writes there. */
static inline uint32_t
tag_ask(const struct table *table, uint64_t tag, uint32_t first)
{
	const struct table_line *line = &table->lines[first];
	uint32_t word = atomic_load_explicit(&line->word, memory_order_acquire);
	uint32_t slot = line_find(line, tag);

	atomic_thread_fence(memory_order_acquire);
	if (slot != NONE && word_of(line) == word)
		return slot;
	return lines_ask(table, tag, first);
}

/* A key whose line is on its way. */
struct expected {
	uint64_t tag;
	uint32_t line;
};

static inline struct expected
key_expect(const struct table *table, const void *key)
{
	struct halves halves = key_halves(key);
	uint64_t tag = tag_of(table, halves);
	uint32_t line = line_of(table, tag, halves.at[0]);

	prefetch(&table->lines[line]);
	return (struct expected){tag, line};
}

uint64_t
aibrix__table_run(const struct table *table, const void *keys, size_t stride,
		  uint64_t n, uint32_t *slots)
{
	const char *key = keys;
	struct expected ahead[AHEAD];

	for (uint64_t i = 0; i < n && i < AHEAD; i++)
		ahead[i] = key_expect(table, key + i * stride);
	for (uint64_t i = 0; i < n; i++) {
		struct expected *next = &ahead[i % AHEAD];
		uint32_t slot = tag_ask(table, next->tag, next->line);

		if (slot & HIDDEN) /* or NONE */
			return i;
		if (slots) {
			slots[i] = slot;
			prefetch(&table->low[slot]);
		}
		if (i + AHEAD < n)
			*next = key_expect(table, key + (i + AHEAD) * stride);
	}
	return n;
}

uint64_t
aibrix__table_match(const struct table *table, const void *keys, size_t stride,
		    uint64_t n, const uint32_t *slots, const uint32_t *at)
{
	const char *key = keys;

	for (uint64_t i = 0; i < n; i++) {
		struct halves halves = key_halves(key + i * stride);
		const struct table_line *line = &table->lines[at[i] / ENTRIES];
		/* Acquire: with the fence in entry_write. */
		uint64_t tag = atomic_load_explicit(&line->tag[at[i] % ENTRIES],
						    memory_order_acquire);

		if (tag != tag_of(table, halves) ||
		    slot_of(line, at[i] % ENTRIES) != slots[i] ||
		    low_of(table, slots[i]) != halves.at[0])
			return i;
	}
	return n;
}

uint64_t
aibrix__table_sure(const struct table *table, const void *keys, size_t stride,
		   uint64_t n, uint32_t *slots)
{
	const char *key = keys;

	for (uint64_t i = 0; i < n; i++) {
		struct halves halves = key_halves(key + i * stride);

		if (low_of(table, slots[i]) == halves.at[0])
			continue;
		/* Of another key with that tag, which may have its own. */
		slots[i] = key_find(table, halves);
		if (slots[i] & HIDDEN) /* or NONE */
			return i;
	}
	return n;
}
