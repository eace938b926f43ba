/*
 * The table of L1: one cache line tells nearly always.
 *
 *   line   [ word | slot slot slot | key | key | key ]      64 bytes
 *   word   version (24 bits), counts the keys written; spill (8 bits)
 *
 * Lines hold whole keys, so an answer needs no second look elsewhere.  A key
 * whose line is full goes to the next one with room, and every line that it
 * passed counts it as spilt; a search goes on only behind a line that has
 * spilt.  Entries never move, so a slot knows its entry by number, and no
 * key is kept twice.  Two thirds of the entries are used at most: then one
 * line in seven spills.
 *
 * Whoever asks takes no lock and writes nothing.  An entry's slot is removed
 * before its key changes and stored after it, so a key without a slot counts
 * for nothing, and one that changes while a line is read shows in the
 * version, which is raised before.  Then the line is read again; a writer
 * that was put to sleep in the middle holds nobody up.
 *
 * A run asks for the lines of the next keys while it compares those of the
 * ones before: it costs what independent loads cost, not a chain of them.
 */

#include "cache/cache_table.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arch.h"
#include "base/list.h"
#include "base/rand.h"

enum {
	ENTRIES = 3,
	AHEAD = 16,      /* keys whose lines are on their way */
	TRIES = 64,      /* the others were met by a writer each */
	SPILL_MAX = 255, /* stays for ever */
	WRITTEN = 256,   /* one more in the version */
};

#define HIDDEN ((uint32_t)1 << 31)

struct table_line {
	_Atomic uint32_t word;
	_Atomic uint32_t slot[ENTRIES]; /* NONE: empty */
	_Atomic uint64_t key[ENTRIES][2];
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
 * prompt's owner has a say: all bytes count, and the salt. */
static uint32_t
line_of(const struct table *table, struct halves key)
{
	uint64_t mix = mix64((key.at[0] ^ table->salt) * 0x9e3779b97f4a7c15u +
			     key.at[1]);

	return (uint32_t)((mix >> 32) * table->n >> 32);
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
	table->n = capacity / 2 + 2;
	table->bytes = pages_round(table->n * sizeof(*table->lines));
	table->lines = aibrix__alloc_pages(alloc, table->bytes);
	if (!table->lines)
		return AIBRIX_E_NOMEM;
	memset(table->lines, 0, table->bytes);
	table->salt = mix64((uintptr_t)table->lines);
	for (uint32_t i = 0; i < table->n; i++)
		for (uint32_t k = 0; k < ENTRIES; k++)
			atomic_init(&table->lines[i].slot[k], NONE);
	return AIBRIX_OK;
}

void
aibrix__table_close(struct table *table, const aibrix_allocator *alloc)
{
	aibrix__free(alloc, table->lines, 1, table->bytes);
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

/* The slot word of key in the line, or NONE. */
static uint32_t
line_find(const struct table_line *line, struct halves key)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint32_t slot = slot_of(line, i); /* before the key */
		uint64_t low = atomic_load_explicit(&line->key[i][0],
						    memory_order_relaxed);
		uint64_t high = atomic_load_explicit(&line->key[i][1],
						     memory_order_relaxed);

		if (slot != NONE && low == key.at[0] && high == key.at[1])
			return slot;
	}
	return NONE;
}

uint32_t
aibrix__table_find(const struct table *table, const aibrix_key *key)
{
	struct halves halves = key_halves(key);
	uint32_t at = line_of(table, halves), slot;

	for (;; at = line_after(table, at)) {
		slot = line_find(&table->lines[at], halves);
		if (slot != NONE)
			return slot & ~HIDDEN;
		if (word_of(&table->lines[at]) % WRITTEN == 0)
			return NONE;
	}
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
entry_write(struct table_line *line, uint32_t entry, struct halves key,
	    uint32_t slot)
{
	uint32_t word = word_of(line);

	atomic_store_explicit(&line->word, word + WRITTEN,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&line->key[entry][0], key.at[0],
			      memory_order_relaxed);
	atomic_store_explicit(&line->key[entry][1], key.at[1],
			      memory_order_relaxed);
	atomic_store_explicit(&line->slot[entry], slot, memory_order_release);
}

uint32_t
aibrix__table_add(struct table *table, const aibrix_key *key, uint32_t slot)
{
	struct halves halves = key_halves(key);
	uint32_t at = line_of(table, halves);

	for (;; at = line_after(table, at)) {
		struct table_line *line = &table->lines[at];

		for (uint32_t i = 0; i < ENTRIES; i++) {
			if (slot_of(line, i) != NONE)
				continue;
			entry_write(line, i, halves, slot | HIDDEN);
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
	struct halves halves;

	for (uint32_t i = 0; i < 2; i++)
		halves.at[i] = atomic_load_explicit(&line->key[at % ENTRIES][i],
						    memory_order_relaxed);
	memcpy(key, halves.at, sizeof(*key));
}

void
aibrix__table_remove(struct table *table, uint32_t at)
{
	aibrix_key key;
	uint32_t line;

	aibrix__table_key(table, at, &key);
	atomic_store_explicit(&table->lines[at / ENTRIES].slot[at % ENTRIES],
			      NONE, memory_order_relaxed);
	for (line = line_of(table, key_halves(&key)); line != at / ENTRIES;
	     line = line_after(table, line))
		spill_change(&table->lines[line], -1);
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

/* What a line says of key at one moment; *spilt: look at the next one. */
static uint32_t
line_ask(const struct table_line *line, struct halves key, uint32_t *spilt)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		uint32_t word =
			atomic_load_explicit(&line->word, memory_order_acquire);
		uint32_t slot = line_find(line, key);

		atomic_thread_fence(memory_order_acquire);
		if (word_of(line) != word)
			continue;
		*spilt = word % WRITTEN;
		return slot;
	}
	*spilt = 0;
	return NONE;
}

static uint32_t
key_ask(const struct table *table, struct halves key, uint32_t line)
{
	uint32_t spilt, slot;

	for (uint32_t i = 0; i < table->n; i++) {
		slot = line_ask(&table->lines[line], key, &spilt);
		if (slot != NONE || !spilt)
			return slot;
		line = line_after(table, line);
	}
	return NONE;
}

uint64_t
aibrix__table_run(const struct table *table, const void *keys, size_t stride,
		  uint64_t n, uint32_t *slots)
{
	const char *key = keys;
	uint32_t lines[AHEAD];

	for (uint64_t i = 0; i < n && i < AHEAD; i++) {
		lines[i] = line_of(table, key_halves(key + i * stride));
		prefetch(&table->lines[lines[i]]);
	}
	for (uint64_t i = 0; i < n; i++) {
		struct halves halves = key_halves(key + i * stride);
		uint32_t slot = key_ask(table, halves, lines[i % AHEAD]);

		if (slot & HIDDEN) /* or NONE */
			return i;
		if (slots)
			slots[i] = slot;
		if (i + AHEAD >= n)
			continue;
		lines[i % AHEAD] =
			line_of(table, key_halves(key + (i + AHEAD) * stride));
		prefetch(&table->lines[lines[i % AHEAD]]);
	}
	return n;
}
