/*
 * Curves of load.  What a day or an hour does is here in one run, so curves
 * change as many times faster as the run is shorter; start-ups, scrapes and
 * windows are not compressed.  That is harder than the day would be, for all
 * scalers alike.
 */
#include <math.h>
#include <string.h>

#include "sim_load.h"
#include "sim_rand.h"

#define TURN 6.283185307179586

/* The same for all calls with a seed: in (0, 1). */
static double
draw(uint64_t seed, uint64_t i)
{
	sim_rand rand = {sim_mix(seed ^ sim_mix(i))};

	return sim_rand_unit(&rand);
}

static double
rate_steady(double x, double seconds, uint64_t seed)
{
	(void)x;
	(void)seconds;
	(void)seed;
	return 1;
}

/* Twice as much at noon as in the middle, a third at night. */
static double
rate_diurnal(double x, double seconds, uint64_t seed)
{
	(void)seconds;
	(void)seed;
	return 1.1 - 0.75 * cos(TURN * x) + 0.15 * sin(2 * TURN * x);
}

/* Up and up until two thirds, then it stays. */
static double
rate_ramp(double x, double seconds, uint64_t seed)
{
	(void)seconds;
	(void)seed;
	return x < 0.15 ? 0.4 : x < 0.65 ? 0.4 + 1.6 * (x - 0.15) / 0.5 : 2;
}

/* Every ten minutes or so, at some time in it, twice to four times as much
 * for one to three minutes. */
static double
rate_spikes(double x, double seconds, uint64_t seed)
{
	double at_s = x * seconds;
	uint64_t i = (uint64_t)(at_s / 600);
	double begin_s = 600 * ((double)i + 0.6 * draw(seed, 3 * i));
	double length_s = 60 + 120 * draw(seed, 3 * i + 1);

	if (at_s >= begin_s && at_s < begin_s + length_s)
		return 2 + 2 * draw(seed, 3 * i + 2);
	return 1;
}

/* Ten minutes much, ten minutes little, beginning anywhere. */
static double
rate_onoff(double x, double seconds, uint64_t seed)
{
	double turns = x * seconds / 1200 + draw(seed, 0);

	return turns - floor(turns) < 0.5 ? 1.7 : 0.3;
}

/* Another level every five minutes. */
static double
rate_steps(double x, double seconds, uint64_t seed)
{
	uint64_t i = (uint64_t)(x * seconds / 300);

	return exp(1.6 * (draw(seed, i) - 0.5));
}

/* Three waves. */
static double
rate_waves(double x, double seconds, uint64_t seed)
{
	(void)seconds;
	return 1 + 0.6 * sin(TURN * (3 * x + draw(seed, 0)));
}

static const sim_shape shapes[] = {
	{"steady", "one rate, with noise", 0, NULL, rate_steady},
	{"diurnal", "a day in one run", 0, NULL, rate_diurnal},
	{"spikes", "2 to 4 times as much for 1 to 3 min, every 10 min", 0, NULL,
	 rate_spikes},
	{"ramp", "from 0.4 to 2 in half of the run, and stays", 1, NULL,
	 rate_ramp},
	{"onoff", "10 min much, 10 min little", 1, NULL, rate_onoff},
	{"agent", "agents' calls, another level every 5 min", 1, "agent",
	 rate_steps},
	{"conversation", "long conversations, three waves", 1, "conversation",
	 rate_waves},
	{"trace", "a trace's own times (--trace FILE)", 1, NULL, NULL},
};

const sim_shape *
sim_shape_at(size_t i)
{
	return i < sizeof(shapes) / sizeof(shapes[0]) ? &shapes[i] : NULL;
}

const sim_shape *
sim_shape_find(const char *name)
{
	for (size_t i = 0; sim_shape_at(i); i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	return NULL;
}
