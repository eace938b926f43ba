/* AIBrix e3e10f9: the expected answers of its Go tests of prefill and decode
 * (pkg/plugins/gateway/algorithms, pd_disaggregation_test.go), asked of the
 * compat form.  Their pods 1, 2, 3 are places 0, 1, 2. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

enum { MAX = 4, DRAWS = 64 };

static const aibrix_pd_opts compat = {.size = sizeof(compat), .compat = 1};

/* Groups 1..n have a prefill each at 0..n-1 and a decode each behind. */
static void
pods_make(aibrix_pd_pod *pods, uint32_t n, aibrix_pd_lists *l)
{
	for (uint32_t i = 0; i < 2 * n; i++)
		pods[i] = (aibrix_pd_pod){
			.group = i % n,
			.role = i < n ? AIBRIX_PD_PREFILL : AIBRIX_PD_DECODE,
			.load = NAN,
		};
	for (uint32_t i = 0; i < n; i++) {
		l->prefill[i] = i;
		l->decode[i] = n + i;
	}
	l->n_prefill = n;
	l->n_decode = n;
}

/* Pods that a gate leaves, as bits; 0: no gate. */
static uint32_t
gate_draws(const aibrix_pd_stat *stats, uint32_t n, uint32_t role)
{
	aibrix_pd_pod pods[2 * MAX];
	uint32_t prefill[MAX], decode[MAX], seen = 0, gates;
	aibrix_pd_lists l = {.prefill = prefill, .decode = decode};

	for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
		pods_make(pods, n, &l);
		cr_assert_eq(aibrix_pd_gate(&compat, pods, stats, 2 * n,
					    entropy, &l, &gates),
			     AIBRIX_OK);
		if (gates == 0)
			continue;
		cr_expect_eq(l.n_prefill, 1u);
		cr_expect_eq(l.n_decode, 1u);
		cr_expect_eq(prefill[0] + n, decode[0], "of one group");
		seen |= role == AIBRIX_PD_PREFILL ? 1u << prefill[0]
						  : 1u << (decode[0] - n);
	}
	return seen;
}

static const struct {
	const char *id;
	uint32_t n, counts[MAX], left;
} prefills[] = {
	{"pf01", 3, {5, 5, 5}, 0},
	{"pf02", 3, {10, 15, 20}, 0},
	{"pf04", 4, {2, 2, 50, 45}, 1 | 2},
	{"pf05", 0, {0}, 0},
	{"pf06", 1, {10}, 0},
	{"pf07", 2, {0, 50}, 1},
};

Test(golden_pd, prefill_gate)
{
	for (size_t i = 0; i < sizeof(prefills) / sizeof(prefills[0]); i++) {
		aibrix_pd_stat stats[2 * MAX];

		for (uint32_t p = 0; p < 2 * MAX; p++)
			stats[p] = (aibrix_pd_stat){.running = NAN,
						    .tokens_per_s = NAN,
						    .finished_per_s = NAN};
		for (uint32_t p = 0; p < prefills[i].n; p++)
			stats[p].pending = prefills[i].counts[p];
		cr_expect_eq(
			gate_draws(stats, prefills[i].n, AIBRIX_PD_PREFILL),
			prefills[i].left, "%s", prefills[i].id);
	}
}

static const struct {
	const char *id;
	uint32_t n;
	aibrix_pd_stat stats[MAX];
	uint32_t left;
} decodes[] = {
	{"df01", 2, {{0, 0, 5, 100, NAN}, {0, 0, 7, 120, NAN}}, 0},
	{"df02",
	 3,
	 {{0, 0, 2, 100, NAN}, {0, 0, 40, 120, NAN}, {0, 0, 35, 110, NAN}},
	 1},
	{"df04", 2, {{0, 0, 10, 100, NAN}, {0, 0, 12, 200, NAN}}, 0},
	{"df05", 2, {{0, 0, 0, 100, NAN}, {0, 0, 5, 120, NAN}}, 0},
	{"df06", 1, {{0, 0, NAN, NAN, NAN}}, 0},
	{"df07", 2, {{0, 0, 5, 100, NAN}, {0, 0, 7, 120, NAN}}, 0},
	{"df09", 2, {{0, 0, 8, 200, 2}, {0, 0, 6, 150, 1.5}}, 0},
	{"df10", 2, {{0, 0, 8, 200, 2}, {0, 0, 6, 30, NAN}}, 0},
};

Test(golden_pd, decode_gate)
{
	for (size_t i = 0; i < sizeof(decodes) / sizeof(decodes[0]); i++) {
		aibrix_pd_stat stats[2 * MAX] = {{0}};

		for (uint32_t p = 0; p < decodes[i].n; p++)
			stats[decodes[i].n + p] = decodes[i].stats[p];
		cr_expect_eq(gate_draws(stats, decodes[i].n, AIBRIX_PD_DECODE),
			     decodes[i].left, "%s", decodes[i].id);
	}
}
