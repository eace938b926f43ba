/*
 * Kubernetes' replica calculator and normalisation, row by row
 * (pkg/controller/podautoscaler/{replica_calculator,horizontal}_test.go).
 */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "scale/scale_internal.h"

enum { PODS = 8 };

#define SECOND ((uint64_t)1000000000)
#define MINUTE (60 * SECOND)
#define NOW (10000 * SECOND)

/* r ready, u not ready, p pending, f failed, d deleted. */
struct bed {
	aibrix_scale_pod pods[PODS];
	double values[PODS], requests[PODS];
	aibrix_scale_values v;
	aibrix_scale_metric metric;
	struct hpa h;
};

/* Milli-values; -1: not known. */
static void
bed_make(struct bed *b, int c, const char *states, const double *milli)
{
	uint32_t n = (uint32_t)strlen(states);

	memset(b, 0, sizeof(*b));
	for (uint32_t i = 0; i < n; i++) {
		aibrix_scale_pod *p = &b->pods[i];

		p->phase = states[i] == 'p'   ? AIBRIX_SCALE_PENDING
			   : states[i] == 'f' ? AIBRIX_SCALE_FAILED
			   : states[i] == 'd' ? AIBRIX_SCALE_LEAVING
					      : AIBRIX_SCALE_RUNNING;
		p->ready = states[i] == 'u' ? AIBRIX_SCALE_NOT_READY
					    : AIBRIX_SCALE_READY;
		p->started_ns = NOW - 10 * MINUTE;
		p->changed_ns = NOW - 10 * MINUTE;
		b->requests[i] = 1;
		b->values[i] = milli && milli[i] >= 0 ? milli[i] / 1000 : NAN;
	}
	b->v.values = b->values;
	b->v.requests = b->requests;
	b->h = (struct hpa){.pods = b->pods,
			    .n_pods = n,
			    .v = &b->v,
			    .metric = &b->metric,
			    .band = {0.1, 0.1},
			    .fresh_ns = 30 * SECOND,
			    .cpu_start_ns = 5 * MINUTE,
			    .cpu_delay_ns = 30 * SECOND,
			    .now_ns = NOW,
			    .replicas = c};
}

static void
expect(struct bed *b, const char *id, int want, int64_t utilization)
{
	struct hpa_result r = {0};

	cr_expect(aibrix__hpa(&b->h, &r), "%s", id);
	cr_expect_eq(r.replicas, want, "%s: %d", id, r.replicas);
	if (utilization >= 0)
		cr_expect_eq(r.utilization, utilization, "%s: %lld", id,
			     (long long)r.utilization);
}

static void
cpu(struct bed *b, double percent, double up, double down)
{
	b->metric = (aibrix_scale_metric){.kind = AIBRIX_SCALE_UTILIZATION,
					  .flags = AIBRIX_SCALE_CPU,
					  .target = percent};
	b->h.band = (struct band){up, down};
}

Test(scale_hpa, k8s01_to_k8s17_cpu_utilization)
{
	static const struct {
		const char *id, *states;
		int c;
		double values[4];
		double percent, up, down;
		int want, utilization;
	} rows[] = {
		{"k8s01", "rrff", 2, {500, 700, -1, -1}, 30, .1, .1, 4, 60},
		{"k8s02", "rrdd", 2, {500, 700, -1, -1}, 30, .1, .1, 4, 60},
		{"k8s06", "rrr", 3, {1900, 1900, 1900}, 100, 2, .1, 3, 190},
		{"k8s07", "rrr", 3, {1090, 1090, 1090}, 100, .08, .1, 4, 109},
		{"k8s09", "rrr", 3, {650, 650, 650}, 100, .1, .34, 2, 65},
		{"k8s10",
		 "rrrr",
		 4,
		 {4000, 9500, 3000, 7000},
		 100,
		 .1,
		 .1,
		 24,
		 587},
		{"k8s11", "rrrr", 4, {400, 95, -1, -1}, 100, .1, .1, 3, 24},
		{"k8s14", "rr", 2, {1900, -1}, 100, .1, .1, 2, 190},
		{"k8s15", "rr", 2, {600, -1}, 100, .1, .1, 2, 60},
		{"k8s16", "urr", 3, {100, 450, -1}, 50, .1, .1, 3, 45},
		{"k8s17", "urr", 3, {100, 2000, -1}, 50, .1, .1, 4, 200},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bed b;

		bed_make(&b, rows[i].c, rows[i].states, rows[i].values);
		cpu(&b, rows[i].percent, rows[i].up, rows[i].down);
		expect(&b, rows[i].id, rows[i].want, rows[i].utilization);
	}
}

Test(scale_hpa, k8s04_k8s05_and_k8s12)
{
	static const double near[] = {1010, 1030, 1020};
	static const double over[] = {1010, 1010, 1010};
	static const double one[] = {100, -1, -1, -1, -1};
	struct bed b;

	bed_make(&b, 3, "rrr", near);
	b.requests[0] = 0.9;
	b.requests[2] = 1.1;
	cpu(&b, 100, .1, .1);
	expect(&b, "k8s04", 3, 102);

	bed_make(&b, 3, "rrr", over);
	cpu(&b, 100, 0, 0);
	expect(&b, "k8s05", 4, 101);

	bed_make(&b, 5, "rpppp", one);
	cpu(&b, 50, .1, .1);
	expect(&b, "k8s12", 1, 10);
}

Test(scale_hpa, k8s19_a_pod_without_a_request_is_an_error)
{
	static const double values[] = {500, 500};
	struct hpa_result r = {0};
	struct bed b;

	bed_make(&b, 2, "rr", values);
	cpu(&b, 50, .1, .1);
	b.requests[1] = 0;
	cr_expect(!aibrix__hpa(&b.h, &r));
}

static void
plain(struct bed *b, uint32_t kind, double milli)
{
	b->metric = (aibrix_scale_metric){.kind = kind, .target = milli / 1000};
}

Test(scale_hpa, pm01_to_pm07_means_of_pods)
{
	static const double a[] = {20000, 10000, 30000};
	static const double b2[] = {50000, 10000, 30000};
	static const double c[] = {12000, 12000, 12000, 12000, 12000};
	static const double d[] = {20000, 21000, 21000};
	static const double e[] = {20000, 19000, 21000, -1, -1};
	struct bed b;

	bed_make(&b, 3, "rrr", a);
	plain(&b, AIBRIX_SCALE_PODS, 15000);
	expect(&b, "pm01", 4, 20000);
	bed_make(&b, 3, "urr", b2);
	plain(&b, AIBRIX_SCALE_PODS, 15000);
	expect(&b, "pm02", 6, 30000);
	bed_make(&b, 5, "rrrrr", c);
	plain(&b, AIBRIX_SCALE_PODS, 20000);
	expect(&b, "pm04", 3, 12000);
	bed_make(&b, 3, "rrr", d);
	plain(&b, AIBRIX_SCALE_PODS, 20000);
	expect(&b, "pm05", 3, 20666);
	b.h.band.up = 0.01;
	expect(&b, "pm06", 4, 20666);
	bed_make(&b, 5, "rrrrr", e);
	plain(&b, AIBRIX_SCALE_PODS, 20000);
	expect(&b, "pm07", 5, 20000);
}

Test(scale_hpa, ov_oa_ev_ea_numbers_of_the_deployment)
{
	static const struct {
		const char *id, *states;
		uint32_t kind;
		int c;
		double usage, target, up;
		int want;
		int64_t utilization;
	} rows[] = {
		{"ov01", "rrr", 3, 3, 20000, 15000, .1, 4, 20000},
		{"oa01", "rrr", 2, 3, 20000, 5000, .1, 4, 6667},
		{"ov02", "ruu", 3, 3, 50000, 10000, .1, 5, -1},
		{"ov04", "rrr", 3, 3, 20666, 20000, .1, 3, -1},
		{"oa03", "rrrr", 2, 4, 20166, 5000, .1, 4, -1},
		{"ov05", "rrr", 3, 3, 20666, 20000, .01, 4, -1},
		{"oa04", "rrrr", 2, 4, 20208, 5000, .01, 5, -1},
		{"ev01", "r", 3, 1, 8600, 4400, .1, 2, -1},
		{"ea01", "rrr", 2, 3, 8600, 2150, .1, 4, 2867},
		{"ev02", "rrrrr", 3, 5, 8600, 14334, .1, 3, -1},
		{"ea02", "rrrrr", 2, 5, 8600, 2867, .1, 3, 1720},
		{"ev04", "rrr", 3, 3, 8900, 8800, .01, 4, -1},
		{"ea04", "rrr", 2, 3, 8600, 2800, .01, 4, -1},
		{"ov06", "rrr", 3, 3, 9223372036854775807.0, 1, .1, 2147483647,
		 INT64_MAX},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bed b;

		bed_make(&b, rows[i].c, rows[i].states, NULL);
		plain(&b, rows[i].kind, rows[i].target);
		b.h.band.up = rows[i].up;
		b.v.values = NULL;
		b.v.total = rows[i].usage / 1000;
		expect(&b, rows[i].id, rows[i].want, rows[i].utilization);
	}
}

Test(scale_hpa, decimal_text_is_the_same_in_thousandths)
{
	cr_expect_eq(aibrix__milli(0.07), 70);
	cr_expect_eq(aibrix__milli(0.0705), 71);
	cr_expect_eq(aibrix__milli(0.1 + 0.2), 300);
	cr_expect_eq(aibrix__milli(1e-9), 1);
	cr_expect_eq(aibrix__milli(0), 0);
	cr_expect_eq(aibrix__milli(1e18), INT64_MAX);
	for (int64_t m = 1; m < 1000000; m += 7)
		cr_assert_eq(aibrix__milli((double)m / 1000), m);
}

Test(scale_hpa, cpu_of_a_pod_that_starts_does_not_count)
{
	static const double values[] = {500, 3000};
	struct bed b;

	/* Not yet a window of its own since it became ready. */
	bed_make(&b, 2, "rr", values);
	cpu(&b, 50, .1, .1);
	b.pods[1].started_ns = NOW - 2 * MINUTE;
	b.pods[1].changed_ns = NOW - 20 * SECOND;
	b.v.window_ns = 30 * SECOND;
	expect(&b, "young", 2, 50);
	b.pods[1].changed_ns = NOW - 30 * SECOND;
	expect(&b, "measured", 7, 175);
	/* It was ready once, so it is busy, not starting. */
	b.pods[1].ready = AIBRIX_SCALE_NOT_READY;
	b.pods[1].started_ns = NOW - 10 * MINUTE;
	b.pods[1].changed_ns = NOW - 9 * MINUTE;
	expect(&b, "unready again", 7, 175);
	b.pods[1].changed_ns = NOW - 10 * MINUTE + 29 * SECOND;
	expect(&b, "never ready", 2, 50);
}

/* ---- normalisation ---- */

struct rec {
	int32_t replicas;
	uint64_t age_s;
};

static struct advices
advices_of(int largest, const struct rec *recs, int n)
{
	struct advices a = {0};

	for (int i = 0; i < n; i++)
		aibrix__advice_add(&a, largest, recs[i].replicas,
				   NOW - recs[i].age_s * SECOND);
	return a;
}

Test(scale_hpa, stb01_to_stb04_the_most_of_the_window)
{
	static const struct rec two[] = {{4, 45}, {3, 30}};
	static const struct rec three[] = {{7, 120}, {4, 45}};
	static const struct rec four[] = {{3, 120}};
	struct advices a = advices_of(1, two, 0);

	cr_expect_eq(aibrix__advice_most(&a, MINUTE, 5, NOW), 5);
	a = advices_of(1, two, 2);
	cr_expect_eq(aibrix__advice_most(&a, MINUTE, 2, NOW), 4);
	a = advices_of(1, three, 2);
	cr_expect_eq(aibrix__advice_most(&a, MINUTE, 5, NOW), 5);
	a = advices_of(1, four, 1);
	cr_expect_eq(aibrix__advice_most(&a, MINUTE, 3, NOW), 3);
}

/* A step from what is wanted on. */
static struct step
settle(int c, int wanted, int min, int max, aibrix_scale_state *s,
       aibrix_scale_opts o)
{
	static const aibrix_scale_metric metric = {.target = 1};
	struct step st = {.now_ns = NOW, .s = s, .wanted = wanted};

	o.size = sizeof(o);
	o.strategy = AIBRIX_SCALE_HPA;
	o.min_replicas = min;
	o.max_replicas = max;
	o.metrics = &metric;
	o.n_metrics = 1;
	if (min == 0)
		o.flags |= AIBRIX_SCALE_TO_ZERO;
	cr_assert_eq(aibrix__plan_load(&st.plan, &o), AIBRIX_OK);
	st.fleet.replicas = c;
	aibrix__step_settle(&st);
	return st;
}

static void
expect_settled(const char *id, const struct step *st, int want,
	       uint32_t held_by, uint32_t limited_by)
{
	cr_expect_eq(st->d.replicas, want, "%s: %d", id, st->d.replicas);
	cr_expect_eq(st->d.held_by, held_by, "%s: held by %u", id,
		     st->d.held_by);
	cr_expect_eq(st->d.limited_by, limited_by, "%s: limited by %u", id,
		     st->d.limited_by);
}

Test(scale_hpa, nrm01_to_nrm06_bounds_and_limits)
{
	static const aibrix_scale_policy seven[] = {
		{AIBRIX_SCALE_BY_PERCENT, 700, 60 * SECOND}};
	static const struct rec four[] = {{4, 60}};
	const aibrix_scale_opts o = {.flags = AIBRIX_SCALE_PLAIN_LIMITS};
	aibrix_scale_state s = {.strategy = AIBRIX_SCALE_HPA};
	struct step st = settle(2, 4, 1, 10, &s, o);

	expect_settled("nrm01", &st, 4, 0, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	s.high = advices_of(1, four, 1);
	st = settle(5, 3, 1, 10, &s, o);
	expect_settled("nrm02", &st, 4, AIBRIX_SCALE_BY_DOWN_WINDOW, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(2, 1, 2, 10, &s, o);
	expect_settled("nrm03", &st, 2, 0, AIBRIX_SCALE_BY_MIN);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(10, 12, 1, 10, &s, o);
	expect_settled("nrm04", &st, 10, 0, AIBRIX_SCALE_BY_MAX);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(4, 24, 2, 6, &s, o);
	expect_settled("nrm05", &st, 6, 0, AIBRIX_SCALE_BY_MAX);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(10, 24, 2, 20, &s, o);
	expect_settled("nrm05", &st, 20, 0, AIBRIX_SCALE_BY_MAX);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(3, 100, 1, 100, &s,
		    (aibrix_scale_opts){.up = seven, .n_up = 1});
	expect_settled("nrm06", &st, 24, 0, AIBRIX_SCALE_BY_UP_RATE);
}

Test(scale_hpa, scale_up_limit_without_behaviours)
{
	static const struct {
		int c, want;
	} rows[] = {{1, 4}, {10, 20}, {100, 200}, {0, 4}};
	const aibrix_scale_opts o = {.flags = AIBRIX_SCALE_PLAIN_LIMITS};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_scale_state s = {.strategy = AIBRIX_SCALE_HPA};
		struct step st = settle(rows[i].c, 100000, 0, 100000, &s, o);

		expect_settled("limit", &st, rows[i].want, 0,
			       AIBRIX_SCALE_BY_UP_RATE);
	}
}

Test(scale_hpa, bhv01_to_bhv05_windows_up_300_s_down_600_s)
{
	static const struct rec one[] = {{7, 240}, {8, 120}};
	static const struct rec two[] = {{4, 480}, {5, 300}};
	static const aibrix_scale_policy up[] = {
		{AIBRIX_SCALE_BY_PERCENT, 200, 60 * SECOND}};
	static const aibrix_scale_policy down[] = {
		{AIBRIX_SCALE_BY_PERCENT, 50, 60 * SECOND}};
	const aibrix_scale_opts windows = {.up_window_ns = 300 * SECOND,
					   .down_window_ns = 600 * SECOND};
	aibrix_scale_state s = {.strategy = AIBRIX_SCALE_HPA};
	struct step st;

	s.low = advices_of(0, one, 2);
	s.high = advices_of(1, one, 2);
	st = settle(5, 10, 1, 100, &s, windows);
	expect_settled("bhv01", &st, 7, AIBRIX_SCALE_BY_UP_WINDOW, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	s.low = advices_of(0, two, 2);
	s.high = advices_of(1, two, 2);
	st = settle(8, 3, 1, 100, &s, windows);
	expect_settled("bhv02", &st, 5, AIBRIX_SCALE_BY_DOWN_WINDOW, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(5, 5, 1, 100, &s, windows);
	expect_settled("bhv03", &st, 5, 0, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(5, 15, 1, 10, &s, (aibrix_scale_opts){.up = up, .n_up = 1});
	expect_settled("bhv04", &st, 10, 0, AIBRIX_SCALE_BY_MAX);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(8, 2, 1, 100, &s,
		    (aibrix_scale_opts){.down = down, .n_down = 1});
	expect_settled("bhv05", &st, 4, 0, AIBRIX_SCALE_BY_DOWN_RATE);
}

#define POLICIES(items, which)                                                 \
	((struct policies){items, sizeof(items) / sizeof(*(items)), which})

Test(scale_hpa, rat01_and_rat02_up)
{
	static const aibrix_scale_policy pods[] = {
		{AIBRIX_SCALE_BY_PODS, 4, 60 * SECOND}};
	static const aibrix_scale_policy both[] = {
		{AIBRIX_SCALE_BY_PODS, 4, 60 * SECOND},
		{AIBRIX_SCALE_BY_PODS, 2, 60 * SECOND}};
	static const aibrix_scale_policy half[] = {
		{AIBRIX_SCALE_BY_PERCENT, 50, 60 * SECOND}};
	struct policies p = POLICIES(pods, AIBRIX_SCALE_SELECT_MAX);
	struct events none = {0}, up = {0};

	cr_expect_eq(aibrix__up_limit(&p, 5, &none, &none, NOW), 9);
	aibrix__event_add(&up, 2, NOW - 30 * SECOND);
	cr_expect_eq(aibrix__up_limit(&p, 5, &up, &none, NOW), 7);
	p.select = AIBRIX_SCALE_SELECT_DISABLED;
	cr_expect_eq(aibrix__up_limit(&p, 5, &none, &none, NOW), 5);
	p = POLICIES(both, AIBRIX_SCALE_SELECT_MIN);
	cr_expect_eq(aibrix__up_limit(&p, 5, &none, &none, NOW), 7);
	p = POLICIES(half, AIBRIX_SCALE_SELECT_MAX);
	cr_expect_eq(aibrix__up_limit(&p, 10, &none, &none, NOW), 15);
}

Test(scale_hpa, rat03_and_rat04_down)
{
	static const aibrix_scale_policy fifth[] = {
		{AIBRIX_SCALE_BY_PERCENT, 20, 60 * SECOND}};
	static const aibrix_scale_policy both[] = {
		{AIBRIX_SCALE_BY_PERCENT, 10, 60 * SECOND},
		{AIBRIX_SCALE_BY_PODS, 5, 60 * SECOND}};
	static const aibrix_scale_policy more[] = {
		{AIBRIX_SCALE_BY_PERCENT, 10, 60 * SECOND},
		{AIBRIX_SCALE_BY_PODS, 15, 60 * SECOND}};
	struct policies p = POLICIES(fifth, AIBRIX_SCALE_SELECT_MAX);
	struct events none = {0}, down = {0};

	cr_expect_eq(aibrix__down_limit(&p, 10, &none, &none, NOW), 8);
	aibrix__event_add(&down, 1, NOW - 30 * SECOND);
	cr_expect_eq(aibrix__down_limit(&p, 10, &none, &down, NOW), 8);
	p.select = AIBRIX_SCALE_SELECT_DISABLED;
	cr_expect_eq(aibrix__down_limit(&p, 10, &none, &none, NOW), 10);
	p = POLICIES(both, AIBRIX_SCALE_SELECT_MAX);
	cr_expect_eq(aibrix__down_limit(&p, 100, &none, &none, NOW), 90);
	p = POLICIES(more, AIBRIX_SCALE_SELECT_MIN);
	cr_expect_eq(aibrix__down_limit(&p, 100, &none, &none, NOW), 90);
}

Test(scale_hpa, rat05_and_rat06_events_and_rules)
{
	struct events e = {0};
	aibrix_scale_state s = {.strategy = AIBRIX_SCALE_HPA};
	const aibrix_scale_opts o = {.flags = AIBRIX_SCALE_DOWN_WINDOW_SET};
	struct step st;

	aibrix__event_add(&e, 1, NOW - 70 * SECOND);
	aibrix__event_add(&e, 2, NOW - 45 * SECOND);
	aibrix__event_add(&e, 3, NOW - 30 * SECOND);
	cr_expect_eq(aibrix__event_sum(&e, 1, MINUTE, NOW), 5);

	st = settle(5, 7, 3, 10, &s, o);
	expect_settled("rat06", &st, 7, 0, 0);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(5, 2, 3, 10, &s, o);
	expect_settled("rat06", &st, 3, 0, AIBRIX_SCALE_BY_MIN);
	s = (aibrix_scale_state){.strategy = AIBRIX_SCALE_HPA};
	st = settle(5, 15, 3, 10, &s, o);
	expect_settled("rat06", &st, 10, 0, AIBRIX_SCALE_BY_MAX);
}
