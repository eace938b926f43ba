/*
 * The set of rows in use.
 *
 *	full  [ one bit per word of used that has no free row ]   16 words
 *	used  [ one bit per row                               ] 1024 words
 *
 * Adding wants the lowest free row, so that columns stay short and a row
 * number is reused soon; two levels of bits answer in a few words whatever
 * the order of additions and removals was.  The set has a fixed 8 KiB: it
 * never fails and never moves.
 */

#include "fleet/fleet_internal.h"

int
aibrix__rows_has(const struct row_set *set, uint32_t row)
{
	return row < set->rows && (set->used[row / 64] >> row % 64 & 1);
}

/* The lowest zero bit of words; 64 * n when there is none. */
static uint32_t
words_lowest_zero(const uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (~words[i])
			return 64 * i + (uint32_t)__builtin_ctzll(~words[i]);
	return 64 * n;
}

uint32_t
aibrix__rows_lowest_free(const struct row_set *set)
{
	uint32_t word = words_lowest_zero(set->full, FULL_WORDS);

	if (word == ROW_WORDS)
		return FLEET_MAX_ROWS;
	return 64 * word + words_lowest_zero(&set->used[word], 1);
}

void
aibrix__rows_add(struct row_set *set, uint32_t row)
{
	uint32_t word = row / 64;

	set->used[word] |= (uint64_t)1 << row % 64;
	if (!~set->used[word])
		set->full[word / 64] |= (uint64_t)1 << word % 64;
	if (set->rows <= row)
		set->rows = row + 1;
	set->count++;
}

/* Additions take the lowest free row, so each step down that the loop makes
 * was paid for by one addition. */
void
aibrix__rows_remove(struct row_set *set, uint32_t row)
{
	uint32_t word = row / 64;

	set->used[word] &= ~((uint64_t)1 << row % 64);
	set->full[word / 64] &= ~((uint64_t)1 << word % 64);
	set->count--;
	while (set->rows && !aibrix__rows_has(set, set->rows - 1))
		set->rows--;
}
