/*
 * Misses that are remembered: a table of fixed size, sets of eight.
 *
 *   fingerprint --low bits--> set: [print, until] x 8
 *
 * Engines ask for the same prefix from many requests, and where it was not
 * a second ago it mostly is not now.  A full set forgets the oldest miss:
 * all are kept equally long, so the one that ends first.  Nothing is ever
 * swept, and what is over is not told from what never was.
 *
 * Fingerprints are 64 bits of a seeded hash.  A key shares one with any of
 * the 2^14 that the table holds with a chance of 2^-50.
 */

#include "store/store_absent.h"

#include <string.h>

#include "base/alloc.h"

enum { ENTRIES = ABSENT_WAYS * ABSENT_SETS };

int
aibrix__absent_open(struct absent *absent, const aibrix_allocator *alloc,
		    uint64_t keep_ns)
{
	absent->keep_ns = keep_ns;
	if (!keep_ns)
		return AIBRIX_OK;
	absent->entries = aibrix__alloc_aligned(alloc, ENTRIES,
						sizeof(*absent->entries), 64);
	return absent->entries ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__absent_close(struct absent *absent, const aibrix_allocator *alloc)
{
	aibrix__free(alloc, absent->entries, ENTRIES, sizeof(*absent->entries));
}

static struct absent_entry *
set_of(const struct absent *absent, uint64_t print)
{
	return &absent->entries[print % ABSENT_SETS * ABSENT_WAYS];
}

/* What is left of a miss; never more than keep_ns, so that a clock that
 * jumped back keeps none alive. */
static uint64_t
entry_left(const struct absent *absent, const struct absent_entry *entry,
	   uint64_t now_ns)
{
	uint64_t left = entry->until_ns > now_ns ? entry->until_ns - now_ns : 0;

	return left <= absent->keep_ns ? left : 0;
}

int
aibrix__absent_has(const struct absent *absent, uint64_t print, uint64_t now_ns)
{
	const struct absent_entry *set;

	if (!absent->entries)
		return 0;
	set = set_of(absent, print);
	for (uint32_t i = 0; i < ABSENT_WAYS; i++)
		if (set[i].print == print)
			return entry_left(absent, &set[i], now_ns) > 0;
	return 0;
}

void
aibrix__absent_add(struct absent *absent, uint64_t print, uint64_t now_ns)
{
	uint64_t least = UINT64_MAX;
	struct absent_entry *set, *victim;

	if (!absent->entries || now_ns > UINT64_MAX - absent->keep_ns)
		return;
	set = set_of(absent, print);
	victim = set;
	for (uint32_t i = 0; i < ABSENT_WAYS && least; i++) {
		uint64_t left = entry_left(absent, &set[i], now_ns);

		if (set[i].print == print) {
			victim = &set[i];
			break;
		}
		if (left < least) {
			victim = &set[i];
			least = left;
		}
	}
	*victim = (struct absent_entry){print, now_ns + absent->keep_ns};
}

void
aibrix__absent_forget(struct absent *absent, uint64_t print)
{
	struct absent_entry *set;

	if (!absent->entries)
		return;
	set = set_of(absent, print);
	for (uint32_t i = 0; i < ABSENT_WAYS; i++)
		if (set[i].print == print)
			set[i] = (struct absent_entry){0};
}
