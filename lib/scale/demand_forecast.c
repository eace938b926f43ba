/*
 * What comes, and when pods that are asked for at once are there.
 *
 * Arrivals are a level with a trend (Kalman's local linear trend).  What is
 * seen of a level is a count over some seconds: its variance is level /
 * seconds for Poisson's arrivals and `burst` times that for real ones, which
 * is learned from how wrong forecasts were.  How far level and trend wander
 * is in proportion to the level.  A jump that noise does not explain is a
 * new level at once, and not half of one for some steps; the trend takes no
 * more of it than noise would explain, so that a step is not drawn on as a
 * ramp.
 *
 * A trend is believed for a while only: it dies away exponentially, or a
 * ramp of a minute would be drawn out to the moon by a start-up time of ten.
 *
 * (Source of the model: Durbin and Koopman, Time Series Analysis by State
 * Space Methods, 2.3 and 3.2.1.)
 */

#include <math.h>

#include "scale/demand_internal.h"

/* By how much of itself a level, and a trend over a second, wander in a
 * second. */
#define LEVEL_WANDERS 0.006
#define TREND_WANDERS 0.0002
#define BURST_LEARNS 0.05
#define BURST_MAX 100.0
#define JUMP 4.0 /* standard deviations */
#define SEASON_LEARNS 0.3
#define SEASON_MOST 4.0
#define START_FADES 0.98
#define START_WEIGHT 1.0

/* A level's own scale, not below one request a minute. */
static double
scale_of(double level)
{
	return fmax(level, 1.0 / 60);
}

/* A trend dies away; so long it works on within dt. */
static double
damped(double dt, double trend_s)
{
	return trend_s * (1 - exp(-dt / trend_s));
}

static void
trend_predict(struct trend *t, double dt, double trend_s)
{
	double scale = scale_of(t->level), left = exp(-dt / trend_s);
	double level = LEVEL_WANDERS * scale, trend = TREND_WANDERS * scale;
	double d = damped(dt, trend_s);

	t->level = fmax(0, t->level + t->trend * d);
	t->trend *= left;
	t->p00 += 2 * d * t->p01 + d * d * t->p11 + level * level * dt;
	t->p01 = (t->p01 + d * t->p11) * left;
	t->p11 = t->p11 * left * left + trend * trend * dt;
}

static void
trend_start(struct trend *t, double x, double dt)
{
	double scale = scale_of(x);

	*t = (struct trend){.level = x,
			    .p00 = scale / dt + scale * scale / 100,
			    .p11 = scale * scale * 1e-6,
			    .burst = 1,
			    .known = 1};
}

static void
burst_learn(struct trend *t, double wrong)
{
	t->burst *= 1 + BURST_LEARNS * (fmin(wrong, 9) - 1);
	t->burst = fmin(fmax(t->burst, 1), BURST_MAX);
}

void
aibrix__trend_feed(struct trend *t, double x, double dt, double trend_s)
{
	double noise, all, wrong, most, k0, k1, p01;

	if (t->known == 0) {
		trend_start(t, x, dt);
		return;
	}
	trend_predict(t, dt, trend_s);
	noise = t->burst * fmax(t->level, 1 / dt) / dt;
	wrong = x - t->level;
	all = t->p00 + noise;
	most = JUMP * sqrt(all);
	p01 = t->p01;
	k1 = p01 / all;
	burst_learn(t, wrong * wrong / all);
	if (fabs(wrong) > most)
		t->p00 = fmax(t->p00, wrong * wrong);
	k0 = t->p00 / (t->p00 + noise);
	t->level = fmax(0, t->level + k0 * wrong);
	t->trend += k1 * fmin(fmax(wrong, -most), most);
	t->p00 *= 1 - k0;
	t->p01 *= 1 - k0;
	t->p11 = fmax(0, t->p11 - k1 * p01);
}

struct forecast
aibrix__trend_ahead(const struct trend *t, double h, double trend_s)
{
	struct trend then = *t;

	trend_predict(&then, h, trend_s);
	return (struct forecast){then.level, sqrt(fmax(0, then.p00))};
}

void
aibrix__season_start(struct season *s, uint64_t ns)
{
	s->ns = ns;
	s->phase_ns = 0;
	for (uint32_t i = 0; i < SEASONS; i++)
		s->mean[i] = -1;
}

static uint32_t
season_part(const struct season *s, uint64_t at_ns)
{
	uint64_t in = (at_ns % s->ns + s->phase_ns) % s->ns;

	return (uint32_t)((double)in / (double)s->ns * SEASONS) % SEASONS;
}

/* A part's mean follows over seasons, not within one. */
void
aibrix__season_feed(struct season *s, double level, uint64_t now_ns, double dt)
{
	double part_s = (double)s->ns / 1e9 / SEASONS;
	double *mean;

	if (s->ns == 0)
		return;
	mean = &s->mean[season_part(s, now_ns)];
	if (*mean < 0)
		*mean = level;
	*mean += (level - *mean) * (1 - exp(-SEASON_LEARNS * dt / part_s));
}

double
aibrix__season_ahead(const struct season *s, double level, uint64_t now_ns,
		     double h)
{
	double now, then;

	if (s->ns == 0)
		return -1;
	now = s->mean[season_part(s, now_ns)];
	then = s->mean[season_part(s, now_ns + (uint64_t)(h * 1e9))];
	if (now < 0 || then < 0)
		return -1;
	return level * fmin(then / fmax(now, 1e-9), SEASON_MOST);
}

void
aibrix__starts_feed(struct starts *s, double seconds)
{
	double at = fmax(0, ceil(4 * log2(fmax(seconds, 1))));

	for (uint32_t i = 0; i < STARTS; i++)
		s->count[i] *= START_FADES;
	s->count[(uint32_t)fmin(at, STARTS - 1)] += 1;
}

/* What is assumed weighs as START_WEIGHT pods; a class stands for its upper
 * end. */
double
aibrix__starts_quantile(const struct starts *s, double share, double assumed)
{
	double all = 0, below = 0;

	for (uint32_t i = 0; i < STARTS; i++)
		all += s->count[i];
	if (all < START_WEIGHT)
		return assumed;
	for (uint32_t i = 0; i < STARTS; i++) {
		below += s->count[i];
		if (below >= share * all)
			return exp2(i / 4.0);
	}
	return exp2((STARTS - 1) / 4.0);
}
