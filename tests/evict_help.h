/* What the tests of eviction orders share.  Slot and fingerprint are the
 * same number where nothing else is said. */
#ifndef TESTS_EVICT_HELP_H
#define TESTS_EVICT_HELP_H

#include <criterion/criterion.h>

#include <aibrix/evict.h>

static inline aibrix_evict *
new_order(aibrix_evict_opts o)
{
	aibrix_evict *evict = NULL;

	o.size = sizeof(o);
	cr_assert_eq(aibrix_evict_new(&o, &evict), AIBRIX_OK);
	return evict;
}

static inline void
insert(aibrix_evict *evict, uint32_t slot)
{
	cr_assert_eq(
		aibrix_evict_insert(evict, slot, slot, AIBRIX_EVICT_NO_PARENT),
		AIBRIX_OK);
}

static inline void
insert_range(aibrix_evict *evict, uint32_t first, uint32_t end)
{
	for (uint32_t slot = first; slot < end; slot++)
		insert(evict, slot);
}

static inline void
hit(aibrix_evict *evict, uint32_t slot, int times)
{
	while (times--)
		cr_assert_eq(aibrix_evict_hit(evict, slot), AIBRIX_OK);
}

/* The next n victims are exactly these. */
static inline void
expect_pops(aibrix_evict *evict, const uint32_t *victims, size_t n)
{
	uint32_t slot;

	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_evict_pop(evict, &slot), AIBRIX_OK);
		cr_expect_eq(slot, victims[i], "victim %zu is %u, not %u", i,
			     slot, victims[i]);
	}
}

#define EXPECT_POPS(evict, ...)                                                \
	expect_pops(evict, (const uint32_t[]){__VA_ARGS__},                    \
		    sizeof((const uint32_t[]){__VA_ARGS__}) /                  \
			    sizeof(uint32_t))

static inline aibrix_evict_stat
stats_of(const aibrix_evict *evict)
{
	aibrix_evict_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_evict_stats(evict, &stat), AIBRIX_OK);
	return stat;
}

/* The waiting signals are exactly these: kind and slot. */
static inline void
expect_signals(aibrix_evict *evict, const uint32_t (*wanted)[2], uint32_t n)
{
	aibrix_evict_signal got[64];
	uint32_t n_got;

	cr_assert_eq(aibrix_evict_drain(evict, got, 64, &n_got), AIBRIX_OK);
	cr_assert_eq(n_got, n, "%u signals, not %u", n_got, n);
	for (uint32_t i = 0; i < n; i++) {
		cr_expect_eq(got[i].kind, wanted[i][0], "kind of %u", i);
		cr_expect_eq(got[i].slot, wanted[i][1], "slot of %u", i);
	}
}

#endif
