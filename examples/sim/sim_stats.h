/* A sample of numbers: mean and quantiles. */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#include <stddef.h>

typedef struct sim_stats {
	double *values;
	size_t n, cap;
	double sum;
} sim_stats;

/* Zero-initialised is empty.  -1: out of memory. */
int sim_stats_add(sim_stats *stats, double value);

void sim_stats_clear(sim_stats *stats);

/* NaN when empty. */
double sim_stats_mean(const sim_stats *stats);

/* Smallest value that is not below the fraction q of all (nearest rank); NaN
 * when empty.  Changes the order of the sample. */
double sim_stats_quantile(sim_stats *stats, double q);

#endif
