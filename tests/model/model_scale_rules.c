/*
 * What must hold of any run of steps, each rule against a sentence of its
 * own: bounds, rates by a list of all changes ever made, stabilisation, and
 * what one more pod does.
 */

#include <stddef.h>

#include "base/rand.h"

#include "scale_bed.h"

enum { RUNS = 60, STEPS = 400 };

struct change {
	uint64_t at;
	int32_t by; /* above 0: more pods */
};

/* A deployment, its host, and all changes of it. */
struct run {
	struct bed b;
	uint64_t rand;
	aibrix_scale_policy up[2], down[2];
	struct change changes[STEPS];
	uint32_t n;
	int64_t second;
};

static uint32_t
below(struct run *r, uint32_t n)
{
	return rand_below(&r->rand, n);
}

static aibrix_scale_policy
policy_any(struct run *r)
{
	uint32_t kind = below(r, 2), most = kind ? 60 : 6;

	return (aibrix_scale_policy){kind, 1 + below(r, most),
				     (1 + below(r, 900)) * SECOND};
}

static void
run_make(struct run *r, uint64_t seed)
{
	aibrix_scale_opts *o = &r->b.o;

	memset(r, 0, sizeof(*r));
	r->rand = seed;
	bed_make(&r->b, AIBRIX_SCALE_APA, AIBRIX_SCALE_DEFAULT);
	o->strategy = below(r, 4);
	if (o->strategy == AIBRIX_SCALE_TPA)
		r->b.metrics[0].kind = AIBRIX_SCALE_TOTAL;
	for (int i = 0; i < 2; i++) {
		r->up[i] = policy_any(r);
		r->down[i] = policy_any(r);
	}
	o->flags = AIBRIX_SCALE_DOWN_WINDOW_SET;
	o->up = r->up;
	o->down = r->down;
	o->n_up = o->n_down = 1 + below(r, 2);
	o->up_select = below(r, 2);
	o->down_select = below(r, 2);
	o->stable_ns = o->panic_ns = SECOND;
	o->panic_threshold = 1000;
	bed_state(&r->b);
	bed_pods(&r->b, 1 + below(r, 40));
}

/* As many pods as a policy lets be, by every change within its period. */
static double
policy_bound(const struct run *r, const aibrix_scale_policy *p, int sign)
{
	double start = r->b.fleet.replicas;
	uint64_t now = BED_START + (uint64_t)r->second * SECOND;

	for (uint32_t i = 0; i < r->n; i++)
		if (now - r->changes[i].at < p->period_ns)
			start -= r->changes[i].by;
	if (p->kind == AIBRIX_SCALE_BY_PODS)
		return start + sign * (double)p->value;
	start *= 1 + sign * (double)p->value / 100;
	return sign > 0 ? ceil(start) : trunc(start);
}

static double
policies_bound(const struct run *r, int sign)
{
	const aibrix_scale_opts *o = &r->b.o;
	const aibrix_scale_policy *p = sign > 0 ? o->up : o->down;
	uint32_t select = sign > 0 ? o->up_select : o->down_select;
	double a = policy_bound(r, &p[0], sign);
	double b = o->n_up > 1 ? policy_bound(r, &p[1], sign) : a;

	return (sign > 0) == (select == AIBRIX_SCALE_SELECT_MAX) ? fmax(a, b)
								 : fmin(a, b);
}

/* A step under any load, by a host that does most of what it is told. */
static const char *
run_step(struct run *r, int32_t fault)
{
	int32_t c = r->b.fleet.replicas, is, up, down;

	r->second += 1 + below(r, below(r, 50) ? 8 : 900);
	bed_tell(&r->b, 0, below(r, 2) ? below(r, 4) : below(r, 4000));
	up = (int32_t)fmin(fmax(policies_bound(r, 1), c), 1e6) - fault;
	down = (int32_t)fmax(fmin(policies_bound(r, -1), c), 0);
	is = bed_step(&r->b, (double)r->second);
	if (is > c && is > up)
		return "above what policies let be";
	if (is < c && is < down)
		return "below what policies let be";
	if (is != c && below(r, 8)) {
		int32_t by = below(r, 8) ? is - c : (is - c) / 2;

		if (by)
			r->changes[r->n++] = (struct change){
				BED_START + (uint64_t)r->second * SECOND, by};
		bed_pods(&r->b, (uint32_t)(c + by));
	}
	return NULL;
}

static const char *
runs(int32_t fault, uint64_t *seed)
{
	static struct run r;
	const char *bad = NULL;

	for (*seed = 0; !bad && *seed < RUNS; ++*seed) {
		run_make(&r, *seed);
		for (int i = 0; !bad && i < STEPS; i++)
			bad = run_step(&r, fault);
	}
	return bad;
}

Test(scale_rules, replicas_move_no_farther_than_policies_let_them)
{
	uint64_t seed;
	const char *bad = runs(0, &seed);

	cr_expect_null(bad, "run %d: %s", (int)seed - 1, bad);
}

Test(scale_rules, a_policy_that_lets_one_more_be_is_found_out)
{
	uint64_t seed;

	cr_expect_not_null(runs(1, &seed));
}

/* ---- any number at all ---- */

static double
number_any(uint64_t *rand)
{
	static const double odd[] = {NAN,    INFINITY, -INFINITY, -1,     -0.0,
				     5e-324, 1.7e308,  1e18,      9.3e18, 0};
	uint64_t bits = rand_next(rand);
	double x;

	if (rand_below(rand, 2))
		return odd[rand_below(rand, 10)];
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* What the number of an option may be is the options' affair; what a value,
 * a request or a total may be is nobody's. */
Test(scale_rules, any_numbers_give_replicas_within_bounds_or_none)
{
	uint64_t rand = 5;

	for (uint32_t i = 0; i < 60000; i++) {
		double requests[BED_PODS];
		uint32_t strategy = i % 3, kinds = strategy == 2 ? 4 : 1;
		struct bed b;

		bed_make(&b, strategy, i / 3 % 2);
		b.metrics[0].kind = rand_below(&rand, kinds);
		b.o.min_replicas = 2;
		bed_pods(&b, 2 + rand_below(&rand, 20));
		for (int k = 0; k < BED_PODS; k++) {
			b.values[0][k] = number_any(&rand);
			requests[k] = number_any(&rand);
		}
		b.v[0].requests = requests;
		b.v[0].total = number_any(&rand);
		if (b.metrics[0].kind > 1 && rand_below(&rand, 2))
			b.v[0].values = NULL;
		bed_step(&b, 0);
		cr_assert(b.d.replicas >= 2 && b.d.replicas <= 50);
		cr_assert(b.d.valid || b.d.change == 0);
	}
}

Test(scale_rules, options_that_are_no_numbers_are_refused)
{
	static const size_t at[] = {
		offsetof(aibrix_scale_opts, up_tolerance),
		offsetof(aibrix_scale_opts, down_tolerance),
		offsetof(aibrix_scale_opts, max_up_rate),
		offsetof(aibrix_scale_opts, max_down_rate),
		offsetof(aibrix_scale_opts, panic_threshold),
		offsetof(aibrix_scale_opts, burst_capacity),
		offsetof(aibrix_scale_opts, wake_target),
	};
	static const double none[] = {NAN, INFINITY, -INFINITY};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		for (int k = 0; k < 3; k++) {
			struct bed b;

			bed_make(&b, (uint32_t)i % 3, (uint32_t)i % 2);
			memcpy((char *)&b.o + at[i], &none[k], sizeof(double));
			cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL, "%zu", i);
		}
	for (int k = 0; k < 3; k++) {
		struct bed b;

		bed_make(&b, k, 0);
		b.metrics[0].target = none[k];
		cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
		b.metrics[0].target = 1;
		b.metrics[0].capacity = none[k];
		cr_expect_eq(bed_try(&b, 0), AIBRIX_E_INVAL);
	}
}

/* ---- one more pod ---- */

/* AIBrix's proposal is of the mean and of the replicas; ours is of the load,
 * and what does not change is the mean and which way it points. */
Test(scale_rules, a_pod_with_the_mean_value_leaves_the_mean)
{
	uint64_t rand = 5;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t n = 1 + rand_below(&rand, 30);
		double mean = 0, stable[2];
		int32_t wanted[2];
		struct bed b;

		for (uint32_t k = 0; k < 2; k++) {
			bed_make(&b, AIBRIX_SCALE_APA, i % 2);
			bed_pods(&b, n + k);
			b.fleet.replicas = (int32_t)n + 1;
			if (k == 0)
				for (uint32_t p = 0; p < n; p++)
					mean += b.values[0][p] =
						rand_below(&rand, 64);
			else
				bed_tell(&b, 0, mean /= n);
			bed_step(&b, 0);
			stable[k] = b.d.stable;
			wanted[k] = b.d.wanted;
		}
		cr_assert_float_eq(stable[0], stable[1], 1e-9);
		if (i % 2)
			cr_assert_eq(wanted[0], wanted[1]);
		else if (wanted[0] > (int32_t)n + 1)
			cr_assert_geq(wanted[1], wanted[0]);
		else if (stable[0] <= 10)
			cr_assert_leq(wanted[1], (int32_t)n + 1);
	}
}

/* ---- stabilisation ---- */

/* Whatever was wanted before: a rise is never above what is wanted now, a
 * fall never below.  With AIBrix's windows both are. */
static uint32_t
overshoots(uint32_t profile)
{
	uint64_t rand = 5;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 300; i++) {
		struct bed b;

		bed_make(&b, AIBRIX_SCALE_APA, profile);
		b.o.up_window_ns = rand_below(&rand, 200) * SECOND;
		b.o.down_window_ns = rand_below(&rand, 200) * SECOND;
		b.o.stable_ns = b.o.panic_ns = SECOND;
		bed_state(&b);
		bed_pods(&b, 10);
		for (int k = 0; k < 60; k++) {
			int32_t c = b.fleet.replicas, is;

			bed_tell(&b, 0, rand_below(&rand, 30));
			is = bed_step(&b, 5 * k);
			n += (is > c && is > b.d.wanted) ||
			     (is < c && is < b.d.wanted);
			bed_pods(&b, (uint32_t)is);
		}
	}
	return n;
}

Test(scale_rules, stabilisation_never_goes_beyond_what_is_wanted)
{
	cr_expect_eq(overshoots(AIBRIX_SCALE_DEFAULT), 0);
	cr_expect_gt(overshoots(AIBRIX_SCALE_COMPAT), 0);
}
