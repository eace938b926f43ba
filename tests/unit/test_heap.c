/* The heap of base against a list that is searched. */

#include <string.h>

#include <criterion/criterion.h>

#include "base/heap.h"
#include "base/rand.h"

enum { ITEMS = 200, STEPS = 20000 };

static uint32_t places[ITEMS];
static uint64_t key[ITEMS];
static int here[ITEMS];

static int
before(uint32_t a, uint32_t b)
{
	if (key[a] != key[b])
		return key[a] < key[b];
	return a % 3 != b % 3 ? a % 3 < b % 3 : a < b;
}

static uint32_t
least(void)
{
	uint32_t best = NONE;

	for (uint32_t i = 0; i < ITEMS; i++)
		if (here[i] && (best == NONE || before(i, best)))
			best = i;
	return best;
}

Test(heap, the_first_is_the_least_whatever_changes)
{
	aibrix_allocator a;
	struct heap h;
	uint64_t rand = 1;
	uint32_t n = 0;

	cr_assert_eq(aibrix__allocator_load(&a, NULL), AIBRIX_OK);
	cr_assert(heap_take(&h, &a, ITEMS, places));
	memset(places, 0xff, sizeof(places));
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = rand_below(&rand, ITEMS);

		if (rand_below(&rand, 3) == 0) {
			heap_remove(&h, i);
			n -= (uint32_t)here[i];
			here[i] = 0;
		} else {
			n += !here[i];
			here[i] = 1;
			key[i] = rand_below(&rand, 50);
			heap_put(&h, i, key[i], i % 3);
		}
		cr_assert_eq(h.count, n);
		cr_assert_eq(heap_first(&h), least(), "step %u", step);
	}
	heap_give(&h, &a);
}
