/*
 * APA and both forms of KPA, row by row: what the tests of AIBrix
 * (algorithm/{apa,kpa}_test.go) and of Knative
 * (pkg/autoscaler/scaling/autoscaler_test.go) expect.
 */

#include <math.h>

#include <criterion/criterion.h>

#include "scale/scale_internal.h"

#define SECOND ((uint64_t)1000000000)
#define START (1000 * SECOND)

static const struct band tenth = {0.1, 0.1};

Test(scale_golden, apa01_to_apa14_aibrixs_apa)
{
	static const struct {
		int id, c;
		double u, t, up, down;
		int min, max, want;
	} rows[] = {
		{1, 2, 45, 30, 2, 2, 0, 1000, 3},
		{2, 2, 35, 30, 2, 2, 0, 1000, 3},
		{4, 2, 90, 30, 2.5, 2, 0, 1000, 5},
		{5, 6, 20, 30, 2, 2, 0, 1000, 4},
		{6, 6, 18, 30, 2, 2, 0, 1000, 4},
		{7, 6, 10, 30, 2, 2, 0, 1000, 3},
		{9, 2, 33, 30, 2, 2, 0, 1000, 2},
		{10, 2, 27, 30, 2, 2, 0, 1000, 2},
		{11, 1, 45, 0, 2, 2, 0, 1000, 1},
		{12, 1, 70, 50, 4, 2, 1, 6, 2},
		{14, 0, 90, 30, 2, 2, 0, 1000, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rates rates = {rows[i].up, rows[i].down};
		int32_t is = aibrix__apa_compat(rows[i].u, rows[i].t, rows[i].c,
						&tenth, &rates);

		is = is < rows[i].min ? rows[i].min : is;
		is = is > rows[i].max ? rows[i].max : is;
		cr_expect_eq(is, rows[i].want, "apa%02d: %d", rows[i].id, is);
	}
}

Test(scale_golden, kpa01_to_kpa07_aibrixs_kpa)
{
	static const struct {
		int c;
		double s, p;
		int panic, most;
		double up, down;
		int activation, want;
	} rows[] = {
		{2, 20, 20, 0, 0, 2, 2, 1, 2},
		{2, 30, 40, 1, 2, 2, 2, 1, 4},
		{1, 0, 0, 0, 0, 2, 2, 1, 0},
		{0, 15, 15, 0, 0, 2, 2, 3, 3},
		{2, 100, 100, 0, 0, 1.5, 2, 1, 3},
		{4, 5, 5, 0, 0, 2, 2, 1, 2},
	};
	static const int ids[] = {1, 2, 4, 5, 6, 7};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kpa k = {.stable = rows[i].s,
				.panicking = rows[i].p,
				.target = 10,
				.rates = {rows[i].up, rows[i].down},
				.threshold = 2,
				.activation = rows[i].activation,
				.panic = rows[i].panic};
		int32_t most = rows[i].most;
		int32_t is = aibrix__kpa_compat(&k, rows[i].c, &most);

		cr_expect_eq(is, rows[i].want, "kpa%02d: %d", ids[i], is);
	}
}

Test(scale_golden, aibrix_panics_above_the_ratio_and_at_zero)
{
	cr_expect(aibrix__kpa_compat_panics(10, 21, 2));
	cr_expect(!aibrix__kpa_compat_panics(10, 20, 2));
	cr_expect(aibrix__kpa_compat_panics(0, 0, 2));
}

static struct knative
knative(double target, double burst, double up, double down, int activation,
	int reachable)
{
	return (struct knative){.target = target,
				.capacity = target / 0.75,
				.rates = {up, down},
				.threshold = 2,
				.burst = burst,
				.activation = activation,
				.reachable = reachable,
				.stable_ns = 60 * SECOND};
}

/* The tables' rows without a sample or without a count of pods, kn34 and
 * kn35, are of a step: golden_scale_step. */
Test(scale_golden, kn01_to_kn32_knatives_single_decisions)
{
	static const struct {
		int id;
		double target, burst, up, down;
		int activation, reachable, panics, most;
		uint32_t ready;
		double stable, panicking;
		int want, want_burst, panic;
	} rows[] = {
		{1, 10, 100, 10, 10, 1, 1, 0, 1, 1, 0, 0, 0, -87, 0},
		{2, 10, 101, 10, 10, 1, 1, 0, 1, 1, 50, 10, 5, -98, 0},
		{4, 1, 98, 10, 10, 1, 1, 0, 1, 10, 11, 25, 25, -110, 1},
		{5, 10, 75, 10, 10, 1, 1, 0, 1, 1, 1, 0, 1, -62, 0},
		{6, 10, 75, 10, 10, 1, 1, 0, 1, 1, 0, 0, 0, -62, 0},
		{7, 10, 75, 10, 10, 2, 1, 0, 1, 1, 0, 0, 0, -62, 0},
		{9, 1, 101, 10, 10, 1, 1, 0, 1, 1, 6, 6, 6, -106, 1},
		{10, 1, 101, 10, 10, 1, 1, 1, 6, 6, 36, 36, 36, -129, 1},
		{11, 1, 101, 10, 10, 1, 1, 1, 36, 36, 216, 216, 216, -269, 1},
		{12, 1, 101, 10, 10, 1, 1, 1, 216, 216, 1296, 1296, 1296, -1109,
		 1},
		{14, 181, -1, 10, 10, 1, 1, 0, 1, 1, 21, 26, 1, -1, 0},
		{15, 10, 0, 10, 10, 1, 1, 0, 1, 1, 50, 49, 5, 0, 1},
		{16, 10, 100, 10, 10, 1, 1, 0, 1, 1, 50, 50, 5, -137, 1},
		{17, 1, 100, 10, 10, 1, 1, 1, 5, 5, 50, 30, 50, -124, 1},
		{19, 10, 100, 10, 10, 1, 1, 0, 1, 5, 50, 50, 5, -84, 0},
		{20, 1, 1982, 1.1, 10, 1, 1, 0, 1, 2, 3, 3.1, 3, -1983, 1},
		{21, 10, 1982, 10, 1.1, 1, 1, 0, 1, 100, 1, 1, 90, -650, 0},
		{22, 10, 1982, 10, 1.1, 1, 0, 0, 1, 100, 1, 1, 1, -650, 0},
		{24, 10, 61, 10, 10, 1, 1, 0, 1, 1, 1000, 1001, 10, -1049, 1},
		{25, 10, 61, 10, 10, 1, 1, 1, 10, 10, 1000, 1001, 100, -929, 1},
		{26, 10, 61, 10, 10, 1, 1, 0, 1, 100, 1, 1, 10, 1271, 0},
		{27, 10, 61, 10, 10, 1, 1, 0, 1, 10, 1, 1, 1, 71, 0},
		{29, 10, 98, 10, 10, 1, 1, 0, 1, 8, 100, 100, 10, -92, 0},
		{30, 10, 98, 10, 10, 1, 1, 0, 1, 8, 50, 50, 5, -42, 0},
		{31, 10, 77, 10, 10, 1, 1, 0, 1, 1, 100, 101, 10, -165, 1},
		{32, 1, 71, 10, 10, 1, 0, 1, 10, 10, 100, 101, 100, -159, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct knative k = knative(
			rows[i].target, rows[i].burst, rows[i].up, rows[i].down,
			rows[i].activation, rows[i].reachable);
		struct panic p = {rows[i].panics ? START - 5 * SECOND : 0,
				  rows[i].most, (uint32_t)rows[i].panics};
		int32_t is;

		k.ready = rows[i].ready;
		k.stable = rows[i].stable;
		k.panicking = rows[i].panicking;
		is = aibrix__knative(&k, &p, START);
		cr_expect_eq(is, rows[i].want, "kn%02d: %d", rows[i].id, is);
		cr_expect_eq(p.on, (uint32_t)rows[i].panic, "kn%02d: panic %u",
			     rows[i].id, p.on);
		cr_expect_float_eq(aibrix__knative_burst(&k),
				   rows[i].want_burst, 1.001,
				   "kn%02d: burst %g", rows[i].id,
				   aibrix__knative_burst(&k));
	}
}

/* Ready is 0 where pods were not found: 1 for rates, 0 for the capacity. */
Test(scale_golden, kn28_no_pods_are_one_for_rates_and_none_for_bursts)
{
	struct knative k = knative(10, 77, 10, 10, 1, 1);
	struct panic p = {0, 0, 0};

	k.stable = 1000;
	k.panicking = 888;
	cr_expect_eq(aibrix__knative(&k, &p, START), 10);
	cr_expect_eq(aibrix__knative_burst(&k), -965);
}

struct moment {
	double t;
	uint32_t ready;
	double stable, panicking;
	int want;
	double since; /* -1: no panic */
};

static void
expect_moments(struct knative k, struct panic p, aibrix_window *delay,
	       const struct moment *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t now = START + (uint64_t)(m[i].t * 1e9);
		int32_t is;

		k.ready = m[i].ready;
		k.stable = m[i].stable;
		k.panicking = m[i].panicking;
		is = aibrix__knative(&k, &p, now);
		if (delay && k.reachable)
			is = aibrix__delay(delay, is, now);
		cr_expect_eq(is, m[i].want, "at %g: %d is not %d", m[i].t, is,
			     m[i].want);
		cr_expect_eq(p.on, m[i].since >= 0, "at %g", m[i].t);
		if (p.on)
			cr_expect_eq(p.since_ns,
				     START + (uint64_t)(m[i].since * 1e9));
	}
}

#define EXPECT(k, p, delay, rows)                                              \
	expect_moments(k, p, delay, rows, sizeof(rows) / sizeof(*rows))

Test(scale_golden, sequence_A_panic_ends_after_a_long_window)
{
	static const struct moment rows[] = {{0, 10, 11, 25, 25, 0},
					     {30, 40, 30, 41, 41, 0},
					     {62, 55, 50, 56, 50, -1}};

	EXPECT(knative(1, 98, 10, 10, 1, 1), ((struct panic){0, 1, 0}), NULL,
	       rows);
}

Test(scale_golden, sequence_B_panic_is_extended)
{
	static const struct moment rows[] = {{0, 10, 11, 25, 25, 0},
					     {30, 40, 30, 80, 80, 30}};

	EXPECT(knative(1, 98, 10, 10, 1, 1), ((struct panic){0, 1, 0}), NULL,
	       rows);
}

Test(scale_golden, sequence_C_in_panic_nothing_falls)
{
	static const struct moment rows[] = {{0, 1, 100, 100, 10, 0},
					     {0, 10, 100, 1000, 100, 0},
					     {30, 10, 1, 1, 100, 0},
					     {61, 10, 1, 1, 1, -1}};

	EXPECT(knative(10, 93, 10, 10, 1, 1), ((struct panic){0, 1, 0}), NULL,
	       rows);
}

Test(scale_golden, sequence_D_falls_at_once_without_panic)
{
	static const struct moment rows[] = {{0, 8, 100, 100, 10, -1},
					     {0, 8, 50, 50, 5, -1}};

	EXPECT(knative(10, 98, 10, 10, 1, 1), ((struct panic){0, 1, 0}), NULL,
	       rows);
}

struct delay_box {
	uint64_t memory[8 + 2 * 300];
	aibrix_window *window;
};

static void
delay_make(struct delay_box *b)
{
	aibrix_window_opts o = {.size = sizeof(o),
				.kind = AIBRIX_WINDOW_MAX,
				.window_ns = 300 * SECOND};

	cr_assert_eq(aibrix_window_init(&o, b->memory, sizeof(b->memory),
					&b->window),
		     AIBRIX_OK);
}

static struct knative
no_panic(void)
{
	struct knative k = knative(10, 98, 10, 10, 1, 1);

	k.threshold = 100;
	return k;
}

Test(scale_golden, sequences_E_and_F_the_most_of_five_minutes)
{
	static const struct moment rows[] = {
		{2, 0, 40, 40, 4, -1},   {300, 0, 0, 0, 4, -1},
		{302, 0, 0, 0, 0, -1},   {540, 0, 40, 40, 4, -1},
		{600, 0, 30, 30, 4, -1}, {660, 0, 0, 0, 4, -1},
		{840, 0, 0, 0, 3, -1},   {900, 0, 0, 0, 0, -1}};
	struct delay_box b;

	delay_make(&b);
	EXPECT(no_panic(), ((struct panic){0, 0, 0}), b.window, rows);
}

Test(scale_golden, sequence_G_no_delay_without_traffic)
{
	static const struct moment rows[] = {{2, 0, 40, 40, 4, -1},
					     {60, 0, 0, 0, 4, -1}};
	static const struct moment then[] = {{61, 0, 0, 0, 0, -1}};
	struct knative k = no_panic();
	struct delay_box b;

	delay_make(&b);
	EXPECT(k, ((struct panic){0, 0, 0}), b.window, rows);
	k.reachable = 0;
	EXPECT(k, ((struct panic){0, 0, 0}), b.window, then);
}

Test(scale_golden, sequence_H_without_delay_and_traffic)
{
	static const struct moment rows[] = {{0, 0, 40, 40, 4, -1},
					     {0.5, 0, 20, 20, 2, -1}};
	struct knative k = no_panic();

	k.reachable = 0;
	EXPECT(k, ((struct panic){0, 0, 0}), NULL, rows);
}

Test(scale_golden, sequence_I_more_than_one_ready_pod_starts_in_panic)
{
	struct panic none = aibrix__panic_start(0, START);
	struct panic one = aibrix__panic_start(1, START);
	struct panic two = aibrix__panic_start(2, START);

	cr_expect(!none.on && none.most == 0);
	cr_expect(!one.on && one.most == 1);
	cr_expect(two.on && two.most == 2 && two.since_ns == START);
}

Test(scale_golden, sequence_J_options_change_under_way)
{
	struct knative k = knative(10, 77, 10, 10, 1, 1);
	struct panic p = {0, 1, 0};

	k.ready = 1;
	k.stable = 100;
	k.panicking = 101;
	cr_expect_eq(aibrix__knative(&k, &p, START), 10);
	cr_expect(p.on && p.since_ns == START);

	k = knative(1, 71, 10, 10, 1, 0);
	k.ready = 10;
	k.stable = 100;
	k.panicking = 101;
	cr_expect_eq(aibrix__knative(&k, &p, START), 100);
	cr_expect(p.on && p.since_ns == START);
}
