/*
 * Places in order of their pods' groups.
 *
 * Lists of pods come with groups together, and then there is nothing to do.
 * Where they do not, comparisons go one way as often as the other, and a
 * processor that guesses wrong half of the time takes as long for the sort as
 * for all else of a pick.  So places are dealt out: one pass numbers the
 * groups as they appear and counts them, only the groups are sorted, and
 * places go to where their group begins.
 *
 *	groups   7 3 7 9 3      numbers  0 1 0 2 1      counts  2 2 1
 *	sorted   3 7 9          begin    2 0 4  (of numbers 0, 1, 2)
 *
 * That needs memory, which is on the stack and bounded: longer lists and more
 * groups are sorted by comparing.
 */

#include <string.h>

#include "base/list.h"
#include "pd/pd_internal.h"

enum {
	DEAL_MAX = 1024, /* places */
	GROUPS_MAX = 128,
	SLOT_BITS = 8, /* twice as many slots as groups */
	SLOTS = 1 << SLOT_BITS
};

static int
order_before(const aibrix_pd_pod *pods, uint32_t a, uint32_t b)
{
	if (pods[a].group != pods[b].group)
		return pods[a].group < pods[b].group;
	return a < b;
}

static int
order_is_good(const aibrix_pd_pod *pods, const uint32_t *order, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (order_before(pods, order[i], order[i - 1]))
			return 0;
	return 1;
}

static int
places_ascend(const uint32_t *order, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (order[i] < order[i - 1])
			return 0;
	return 1;
}

/* Groups by number, in the order in which they appeared. */
struct deal {
	uint64_t group[GROUPS_MAX];
	uint32_t count[GROUPS_MAX]; /* then where the next of it goes */
	uint32_t n;
	uint8_t slot[SLOTS]; /* a number and 1; 0: empty */
	uint8_t number[DEAL_MAX];
	uint32_t place[DEAL_MAX];
};

/* NONE: they are too many. */
static uint32_t
group_number(struct deal *d, uint64_t group)
{
	uint64_t at = group * 0x9e3779b97f4a7c15u >> (64 - SLOT_BITS);

	for (; d->slot[at]; at = (at + 1) % SLOTS)
		if (d->group[d->slot[at] - 1u] == group)
			return d->slot[at] - 1u;
	if (d->n == GROUPS_MAX)
		return NONE;
	d->group[d->n] = group;
	d->count[d->n] = 0;
	d->slot[at] = (uint8_t)++d->n;
	return d->n - 1;
}

/* Counts become beginnings. */
static void
groups_begin(struct deal *d)
{
	uint8_t sorted[GROUPS_MAX];
	uint32_t begin = 0;

	for (uint32_t i = 0; i < d->n; i++) {
		uint32_t k = i;

		for (; k > 0 && d->group[i] < d->group[sorted[k - 1]]; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = (uint8_t)i;
	}
	for (uint32_t i = 0; i < d->n; i++) {
		uint32_t count = d->count[sorted[i]];

		d->count[sorted[i]] = begin;
		begin += count;
	}
}

/* 0: nothing was done.  Places ascend, so those of a group do. */
static int
order_deal(const aibrix_pd_pod *pods, uint32_t *order, uint32_t n)
{
	struct deal d;

	if (n > DEAL_MAX || !places_ascend(order, n))
		return 0;
	d.n = 0;
	memset(d.slot, 0, sizeof(d.slot));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = group_number(&d, pods[order[i]].group);

		if (number == NONE)
			return 0;
		d.count[number]++;
		d.number[i] = (uint8_t)number;
		d.place[i] = order[i];
	}
	groups_begin(&d);
	for (uint32_t i = 0; i < n; i++)
		order[d.count[d.number[i]]++] = d.place[i];
	return 1;
}

/* (Gaps: M. Ciura, 2001, and on by 9/4.) */
void
aibrix__pd_order(const aibrix_pd_pod *pods, uint32_t *order, uint32_t n)
{
	static const uint32_t gaps[] = {3548, 1577, 701, 301, 132,
					57,   23,   10,  4,   1};

	if (order_is_good(pods, order, n) || order_deal(pods, order, n))
		return;
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (uint32_t i = gaps[g]; i < n; i++) {
			uint32_t at = order[i], j = i;

			for (; j >= gaps[g] &&
			       order_before(pods, at, order[j - gaps[g]]);
			     j -= gaps[g])
				order[j] = order[j - gaps[g]];
			order[j] = at;
		}
}
