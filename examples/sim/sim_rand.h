/*
 * Random numbers of the simulations: SplitMix64 (Steele, Lea, Flood, OOPSLA
 * 2014) and the few distributions that workloads are described with.  The
 * same seed gives the same workload on every machine with the same libm.
 */
#ifndef SIM_RAND_H
#define SIM_RAND_H

#include <math.h>
#include <stdint.h>

typedef struct sim_rand {
	uint64_t state;
} sim_rand;

/* A bijection of 64 bits without visible pattern. */
static inline uint64_t
sim_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15U;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

static inline uint64_t
sim_rand_next(sim_rand *rand)
{
	uint64_t out = sim_mix(rand->state);

	rand->state += 0x9e3779b97f4a7c15U;
	return out;
}

/* In (0, 1): never 0, so that its logarithm is finite. */
static inline double
sim_rand_unit(sim_rand *rand)
{
	return ((double)(sim_rand_next(rand) >> 12) + 0.5) / 4503599627370496.0;
}

static inline double
sim_rand_exponential(sim_rand *rand, double mean)
{
	return -mean * log(sim_rand_unit(rand));
}

/* exp(N(log(median), sigma^2)), by Box and Muller. */
static inline double
sim_rand_lognormal(sim_rand *rand, double median, double sigma)
{
	double radius = sqrt(-2.0 * log(sim_rand_unit(rand)));
	double angle = 6.283185307179586 * sim_rand_unit(rand);

	return median * exp(sigma * radius * cos(angle));
}

#endif
