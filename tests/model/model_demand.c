/*
 * What holds of every demand; what a pod bears against an engine that is
 * stepped until it settles; the forecast against matrices multiplied out.
 */

#include <criterion/criterion.h>

#include "demand_program.h"
#include "scale/demand_internal.h"

enum { PROGRAMS = 600, STEPS_EACH = 60 };

static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = demand_program_run(choices, STEPS_EACH, fault);
		*seed = i;
	}
	return bad;
}

Test(demand, decisions_follow_from_the_state_and_from_more_comes_no_less)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(demand, a_state_that_forgets_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_FORGETS, &seed));
}

Test(demand, fewer_pods_for_more_are_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_LESS, &seed));
}

/* Does an engine that gets x requests a second settle within the bounds?  A
 * step's length gives requests inside and prompt tokens in a step, and these
 * the length of the next. */
static int
engine_bears(const struct model *m, const struct load *l, uint32_t role,
	     const struct targets *t, double x)
{
	double y = m->x[0], first = l->input * m->x[2] + m->x[0], inside = 0;

	for (int i = 0; i < 20000; i++) {
		double tokens =
			role == AIBRIX_DEMAND_DECODE ? 0 : x * l->input * y;

		inside = role == AIBRIX_DEMAND_PREFILL ? 0 : x * l->output * y;
		y = m->x[0] + m->x[1] * inside * l->kv + m->x[2] * tokens;
		if (y > 1e6)
			return 0;
	}
	if (inside * l->kv > t->kv || (t->slots > 0 && inside > t->slots))
		return 0;
	if (role != AIBRIX_DEMAND_PREFILL && t->itl_s > m->x[0] && y > t->itl_s)
		return 0;
	/* All is as much slower as a step is. */
	return role == AIBRIX_DEMAND_DECODE || t->ttft_s <= first ||
	       first * y / m->x[0] <= t->ttft_s;
}

Test(demand, a_pod_bears_what_an_engine_settles_under)
{
	struct choices c = {.rand = 11};

	for (int i = 0; i < 150; i++) {
		struct model m = {{0.002 + draw(&c, 30) / 1000.0,
				   draw(&c, 50) / 1000.0,
				   (1 + draw(&c, 40)) * 1e-5}};
		struct load l = {1 + draw(&c, 4000), 1 + draw(&c, 800),
				 draw(&c, 3) * draw(&c, 50) / 1000.0};
		struct targets t = {draw(&c, 3) * 0.4, draw(&c, 3) * 0.03, 0.85,
				    draw(&c, 2) * 32};
		uint32_t role = draw(&c, 3);
		struct bound b = aibrix__pod_bears(&m, &l, role, &t);

		if (isinf(b.rate))
			continue;
		cr_expect(engine_bears(&m, &l, role, &t, b.rate * 0.995),
			  "%d: %g by %u", i, b.rate, b.by);
		cr_expect_not(engine_bears(&m, &l, role, &t, b.rate * 1.005),
			      "%d: %g by %u", i, b.rate, b.by);
	}
}

/* c = a b, all 2 x 2. */
static void
times(double a[2][2], double b[2][2], double c[2][2])
{
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			c[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j];
}

/* x = F x, P = F P F' + Q; an arrival rate wanders by 0.006 and its trend by
 * 0.0002 of it in a second. */
static void
naive_ahead(double x[2], double p[2][2], double dt, double trend_s)
{
	double d = trend_s * (1 - exp(-dt / trend_s));
	double scale = x[0] > 1.0 / 60 ? x[0] : 1.0 / 60;
	double f[2][2] = {{1, d}, {0, exp(-dt / trend_s)}};
	double ft[2][2] = {{1, 0}, {d, f[1][1]}};
	double fp[2][2], fpf[2][2];

	x[0] = fmax(0, x[0] + d * x[1]);
	x[1] *= f[1][1];
	times(f, p, fp);
	times(fp, ft, fpf);
	memcpy(p, fpf, sizeof(fpf));
	p[0][0] += 0.006 * scale * 0.006 * scale * dt;
	p[1][1] += 0.0002 * scale * 0.0002 * scale * dt;
}

/* P = (I - K H) P by the gain that a variance r gives. */
static void
naive_seen(double x[2], double p[2][2], double wrong, double r)
{
	double k[2] = {p[0][0] / (p[0][0] + r), p[1][0] / (p[0][0] + r)};
	double ikh[2][2] = {{1 - k[0], 0}, {-k[1], 1}}, left[2][2];

	x[0] = fmax(0, x[0] + k[0] * wrong);
	x[1] += k[1] * wrong;
	times(ikh, p, left);
	memcpy(p, left, sizeof(left));
}

Test(demand, a_forecast_is_kalmans)
{
	struct choices c = {.rand = 5};
	struct trend t = {.known = 0};
	double x[2] = {50, 0}, p[2][2] = {{0, 0}, {0, 0}};

	aibrix__trend_feed(&t, 50, 10, 300);
	p[0][0] = t.p00;
	p[1][1] = t.p11;
	for (int i = 0; i < 300; i++) {
		double dt = 5 + draw(&c, 10);
		double seen = 50 + i * 0.2 + draw(&c, 100) / 25.0;
		struct forecast f;
		double r, y[2], q[2][2];

		naive_ahead(x, p, dt, 300);
		r = t.burst * fmax(x[0], 1 / dt) / dt;
		cr_assert_lt(fabs(seen - x[0]), 4 * sqrt(p[0][0] + r),
			     "no jumps in this one");
		naive_seen(x, p, seen - x[0], r);
		aibrix__trend_feed(&t, seen, dt, 300);
		cr_assert_float_eq(t.level, x[0], 1e-9 * x[0], "%d", i);
		cr_assert_float_eq(t.trend, x[1], 1e-9, "%d", i);
		memcpy(y, x, sizeof(y));
		memcpy(q, p, sizeof(q));
		naive_ahead(y, q, 120, 300);
		f = aibrix__trend_ahead(&t, 120, 300);
		cr_assert_float_eq(f.mean, y[0], 1e-9 * y[0]);
		cr_assert_float_eq(f.error, sqrt(q[0][0]), 1e-9);
	}
}

/* Errors that are said are errors that are made. */
Test(demand, a_quantile_of_the_forecast_is_one)
{
	struct choices c = {.rand = 3};
	uint32_t below = 0, all = 0;
	double z = aibrix__normal_quantile(0.9);

	cr_expect_float_eq(z, 1.28155, 1e-3);
	for (int run = 0; run < 200; run++) {
		struct trend t = {.known = 0};
		double level = 40;

		for (int i = 0; i < 60; i++) {
			double n = 0;

			level *= 1 +
				 0.006 * 3.162 *
					 (draw(&c, 12) + draw(&c, 12) - 11.0) /
					 4.9;
			for (int k = 0; k < 1000; k++)
				n += draw(&c, 100000) < level * 1000;
			aibrix__trend_feed(&t, n / 10, 10, 300);
			if (i == 40) {
				struct forecast f =
					aibrix__trend_ahead(&t, 190, 300);

				all++;
				z = f.mean + 1.28155 * f.error;
			}
		}
		below += level <= z;
	}
	cr_expect_eq(all, 200);
	cr_expect_gt(below, 164, "%u", below); /* 180 +- 4 x 4 */
	cr_expect_leq(below, 200);
}

/* The least squares that a grid finds. */
Test(demand, a_fit_is_the_best_without_a_negative_coefficient)
{
	struct choices c = {.rand = 9};
	const struct model prior = {{0.01, 0.02, 1e-4}};

	for (int run = 0; run < 30; run++) {
		struct fit f = {.weight = 0};
		struct model m;
		double best;

		for (int i = 0; i < 40; i++)
			aibrix__fit_add(&f, draw(&c, 100) / 100.0,
					draw(&c, 500),
					0.005 + draw(&c, 100) / 2000.0, 1);
		m = aibrix__fit_solve(&f, &prior, 1e-9);
		best = aibrix__fit_error(&f, &m);
		for (int i = 0; i < FIT; i++)
			cr_assert_geq(m.x[i], 0);
		for (int i = 0; i < 2000; i++) {
			struct model other = m;

			for (int k = 0; k < FIT; k++) {
				other.x[k] += prior.x[k] *
					      ((double)draw(&c, 200) - 100) /
					      1000;
				other.x[k] = fmax(0, other.x[k]);
			}
			cr_assert_leq(best,
				      aibrix__fit_error(&f, &other) + 1e-6);
		}
	}
}
