/* A state that is saved, moved and loaded. */

#include <stdlib.h>

#include "scale_bed.h"

enum { SAVED = 1 << 16 };

static void
bed_busy(struct bed *b, uint64_t stable_s)
{
	bed_make(b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	b->o.stable_ns = stable_s * SECOND;
	b->o.delay_ns = 30 * SECOND;
	bed_state(b);
	for (int i = 0; i < 20; i++) {
		bed_tell(b, 0, 10 + i % 7 * 5);
		bed_step(b, 10 * i);
		bed_pods(b, (uint32_t)b->d.replicas);
	}
}

static uint64_t
save(struct bed *b, uint8_t *out)
{
	uint64_t n = 0;

	cr_assert_eq(aibrix_scale_state_save(b->state, out, SAVED, &n),
		     AIBRIX_OK);
	return n;
}

Test(scale_state, what_was_loaded_goes_on_as_what_was_saved)
{
	static uint8_t saved[SAVED], again[SAVED];
	static struct bed a, b;
	uint64_t n;

	bed_busy(&a, 60);
	n = save(&a, saved);
	b = a;
	b.o.metrics = b.metrics;
	bed_state(&b);
	b.fleet.pods = b.pods;
	b.v[0].values = b.values[0];
	cr_assert_eq(aibrix_scale_state_load(b.state, saved, n, 0), AIBRIX_OK);
	cr_expect_eq(save(&b, again), n);
	cr_expect_eq(memcmp(saved, again, n), 0);
	for (int i = 20; i < 60; i++) {
		bed_tell(&a, 0, i % 11 * 3);
		bed_tell(&b, 0, i % 11 * 3);
		bed_step(&a, 10 * i);
		bed_step(&b, 10 * i);
		cr_assert_eq(memcmp(&a.d, &b.d, sizeof(a.d)), 0, "%d", i);
	}
}

Test(scale_state, another_clock_is_a_shift)
{
	static uint8_t saved[SAVED];
	static struct bed a, b;
	uint64_t n;

	bed_busy(&a, 60);
	n = save(&a, saved);
	b = a;
	b.o.metrics = b.metrics;
	bed_state(&b);
	b.fleet.pods = b.pods;
	b.v[0].values = b.values[0];
	cr_assert_eq(aibrix_scale_state_load(b.state, saved, n,
					     -(int64_t)(90000 * SECOND)),
		     AIBRIX_OK);
	for (int i = 20; i < 60; i++) {
		bed_tell(&a, 0, i % 11 * 3);
		bed_tell(&b, 0, i % 11 * 3);
		bed_step(&a, 10 * i);
		bed_step(&b, 10 * i - 90000.0);
		cr_assert_eq(memcmp(&a.d, &b.d, sizeof(a.d)), 0, "%d", i);
	}
}

Test(scale_state, windows_of_another_length_keep_the_newest)
{
	static uint8_t saved[SAVED];
	static struct bed a, b;
	uint64_t n;

	bed_busy(&a, 60);
	n = save(&a, saved);
	bed_busy(&b, 180);
	b.o.delay_ns = 0;
	bed_state(&b);
	cr_assert_eq(aibrix_scale_state_load(b.state, saved, n, 0), AIBRIX_OK);
	bed_tell(&b, 0, 25);
	bed_pods(&b, 1);
	bed_step(&b, 190);
	cr_expect_eq(b.d.panic, 1);
	cr_expect_gt(b.d.stable, 25);
}

Test(scale_state, bytes_may_be_moved)
{
	static struct bed a;
	static uint64_t other[BED_WORDS];

	bed_busy(&a, 60);
	memcpy(other, a.memory, sizeof(other));
	memset(a.memory, 0xff, sizeof(a.memory));
	a.state = (void *)other;
	cr_expect_eq(bed_try(&a, 1000), AIBRIX_OK);
}

Test(scale_state, every_cut_and_every_changed_byte_is_noticed)
{
	static uint8_t saved[SAVED], bad[SAVED], was[SAVED];
	static struct bed a, b;
	uint64_t n, m;

	bed_busy(&a, 60);
	n = save(&a, saved);
	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	b.o.delay_ns = 30 * SECOND;
	bed_state(&b);
	m = save(&b, was);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_scale_state_load(b.state, saved, i, 0),
			     AIBRIX_E_PARSE);
		memcpy(bad, saved, n);
		bad[i] ^= 0x40;
		cr_assert_eq(aibrix_scale_state_load(b.state, bad, n, 0),
			     AIBRIX_E_PARSE, "byte %llu",
			     (unsigned long long)i);
	}
	cr_expect_eq(save(&b, bad), m);
	cr_expect_eq(memcmp(bad, was, m), 0);
}

Test(scale_state, of_other_options_it_is_refused)
{
	static uint8_t saved[SAVED];
	static struct bed a, b;
	uint64_t n;

	bed_busy(&a, 60);
	n = save(&a, saved);
	bed_make(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	cr_expect_eq(aibrix_scale_state_load(b.state, saved, n, 0),
		     AIBRIX_E_INVAL);
	bed_make(&b, AIBRIX_SCALE_KPA, AIBRIX_SCALE_COMPAT);
	cr_expect_eq(aibrix_scale_state_load(b.state, saved, n, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_load(NULL, saved, n, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_load(b.state, NULL, n, 0),
		     AIBRIX_E_INVAL);
}

Test(scale_state, a_shift_before_the_clock_began_is_refused)
{
	static uint8_t saved[SAVED];
	static struct bed a;
	uint64_t n;

	bed_busy(&a, 60);
	n = save(&a, saved);
	cr_expect_eq(aibrix_scale_state_load(a.state, saved, n, INT64_MIN),
		     AIBRIX_E_PARSE);
	cr_expect_eq(aibrix_scale_state_load(a.state, saved, n, 0), AIBRIX_OK);
}

Test(scale_state, room_is_asked_for)
{
	static uint8_t saved[SAVED];
	static struct bed a;
	uint64_t n = 0, need = aibrix_scale_state_save_bytes(NULL);

	cr_expect_eq(need, 0);
	bed_busy(&a, 60);
	need = aibrix_scale_state_save_bytes(a.state);
	cr_expect_eq(aibrix_scale_state_save(a.state, saved, need - 1, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, need);
	cr_expect_eq(aibrix_scale_state_save(a.state, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_scale_state_save(a.state, NULL, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_save(a.state, saved, need, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_save(a.state, saved, need, &n),
		     AIBRIX_OK);
}

Test(scale_state, memory_is_what_was_said)
{
	static struct bed a;
	uint64_t bytes = 0;
	aibrix_scale_state *s = NULL;
	char *odd = (char *)a.memory + 4;

	bed_make(&a, AIBRIX_SCALE_KPA, AIBRIX_SCALE_DEFAULT);
	cr_assert_eq(aibrix_scale_state_bytes(&a.o, &bytes), AIBRIX_OK);
	cr_expect_lt(bytes, 5000);
	cr_expect_eq(aibrix_scale_state_init(&a.o, a.memory, bytes - 1, &s),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_scale_state_init(&a.o, odd, bytes, &s),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_init(&a.o, NULL, bytes, &s),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_init(&a.o, a.memory, bytes, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_init(&a.o, a.memory, bytes, &s),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_scale_state_bytes(&a.o, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_state_bytes(NULL, &bytes), AIBRIX_E_INVAL);
}
