/* A demand's state that is saved, moved and loaded. */

#include <stdlib.h>

#include "demand_bed.h"

enum { SAVED = 4096 };

static void
busy(struct demand_bed *b)
{
	demand_bed_make(b, 4);
	b->o.season_ns = 3600 * SECOND;
	b->o.quantile = 0.9;
	for (int i = 0; i < 50; i++) {
		b->seen.arrivals_per_s = 10 + i % 7 * 3;
		demand_bed_tell(b, KV, 0.1 + i % 5 * 0.1);
		demand_bed_tell(b, ITL, 0.012 + i % 5 * 0.002);
		b->pods[0].started_ns = BED_START;
		b->pods[0].changed_ns =
			BED_START + ((uint64_t)i * 10 - i % 2) * SECOND;
		demand_bed_step(b, 10 * i);
	}
}

static void
go_on(struct demand_bed *a, struct demand_bed *b, double clock)
{
	for (int i = 50; i < 120; i++) {
		a->seen.arrivals_per_s = b->seen.arrivals_per_s =
			10 + i % 11 * 3;
		demand_bed_step(a, 10 * i);
		demand_bed_step(b, 10 * i + clock);
		cr_assert_eq(memcmp(&a->d, &b->d, sizeof(a->d)), 0, "%d", i);
	}
}

static uint64_t
save(const struct demand_bed *b, uint8_t *out)
{
	uint64_t n = 0;

	cr_assert_eq(aibrix_demand_state_save(b->state, out, SAVED, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, aibrix_demand_state_save_bytes());
	return n;
}

Test(demand_state, what_was_loaded_goes_on_as_what_was_saved)
{
	static uint8_t saved[SAVED], again[SAVED];
	static struct demand_bed a, b;
	uint64_t n;

	busy(&a);
	n = save(&a, saved);
	b = a;
	demand_bed_point(&b);
	demand_bed_state(&b);
	cr_assert_eq(aibrix_demand_state_load(b.state, saved, n, 0), AIBRIX_OK);
	cr_expect_eq(save(&b, again), n);
	cr_expect_eq(memcmp(saved, again, n), 0);
	go_on(&a, &b, 0);
}

Test(demand_state, another_clock_is_a_shift_and_seasons_stay_where_they_are)
{
	static const double clocks[] = {-90000, -1234, 70000, 3600};
	static uint8_t saved[SAVED];
	static struct demand_bed a, b;
	uint64_t n;

	for (int i = 0; i < 4; i++) {
		busy(&a);
		n = save(&a, saved);
		b = a;
		demand_bed_point(&b);
		demand_bed_state(&b);
		cr_assert_eq(
			aibrix_demand_state_load(b.state, saved, n,
						 (int64_t)(clocks[i] * 1e9)),
			AIBRIX_OK);
		for (int p = 0; p < 4; p++)
			b.pods[p].started_ns = b.pods[p].changed_ns = 1;
		for (int p = 0; p < 4; p++)
			a.pods[p].started_ns = a.pods[p].changed_ns = 1;
		go_on(&a, &b, clocks[i]);
	}
}

Test(demand_state, bytes_may_be_moved)
{
	static struct demand_bed a, b;

	busy(&a);
	b = a;
	demand_bed_point(&b);
	b.state = (void *)b.memory;
	memset(a.memory, 0xff, sizeof(a.memory));
	cr_expect_eq(demand_bed_try(&b, 1000), AIBRIX_OK);
}

Test(demand_state, every_cut_and_every_changed_byte_is_noticed)
{
	static uint8_t saved[SAVED], bad[SAVED], was[SAVED];
	static struct demand_bed a, b;
	uint64_t n, m;

	busy(&a);
	n = save(&a, saved);
	demand_bed_make(&b, 1);
	m = save(&b, was);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_demand_state_load(b.state, saved, i, 0),
			     AIBRIX_E_PARSE);
		memcpy(bad, saved, n);
		bad[i] ^= 0x40;
		cr_assert_eq(aibrix_demand_state_load(b.state, bad, n, 0),
			     AIBRIX_E_PARSE);
	}
	cr_expect_eq(aibrix_demand_state_load(b.state, saved, n + 1, 0),
		     AIBRIX_E_PARSE);
	cr_expect_eq(aibrix_demand_state_load(b.state, saved, n, INT64_MIN),
		     AIBRIX_E_PARSE);
	cr_expect_eq(save(&b, bad), m);
	cr_expect_eq(memcmp(bad, was, m), 0);
}

Test(demand_state, memory_too_small_or_askew_is_refused)
{
	static uint64_t memory[BED_WORDS];
	static uint8_t saved[SAVED];
	aibrix_demand_state *state = NULL;
	uint64_t n = 0;
	uint8_t *odd = (uint8_t *)memory + 1;

	cr_expect_leq(aibrix_demand_state_bytes(), sizeof(memory));
	cr_expect_eq(aibrix_demand_state_init(
			     memory, aibrix_demand_state_bytes() - 1, &state),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_demand_state_init(odd, sizeof(memory) - 8, &state),
		     AIBRIX_E_INVAL);
	cr_expect_null(state);
	cr_assert_eq(aibrix_demand_state_init(memory, sizeof(memory), &state),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_demand_state_save(state, saved, 8, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, aibrix_demand_state_save_bytes());
}
