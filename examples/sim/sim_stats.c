/*
 * Every value is kept: a run has some ten thousand requests, and an exact
 * quantile is worth more than the memory of a sketch.
 */
#include "sim_stats.h"

#include <math.h>
#include <stdlib.h>

int
sim_stats_add(sim_stats *stats, double value)
{
	if (stats->n == stats->cap) {
		size_t cap = stats->cap ? 2 * stats->cap : 256;
		double *values = realloc(stats->values, cap * sizeof(*values));

		if (!values)
			return -1;
		stats->values = values;
		stats->cap = cap;
	}
	stats->values[stats->n++] = value;
	stats->sum += value;
	return 0;
}

void
sim_stats_clear(sim_stats *stats)
{
	free(stats->values);
	*stats = (sim_stats){0};
}

double
sim_stats_mean(const sim_stats *stats)
{
	return stats->n ? stats->sum / (double)stats->n : (double)NAN;
}

static int
value_order(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double
sim_stats_quantile(sim_stats *stats, double q)
{
	double rank;
	size_t i;

	if (stats->n == 0)
		return (double)NAN;
	qsort(stats->values, stats->n, sizeof(*stats->values), value_order);
	rank = ceil(q * (double)stats->n);
	i = rank < 1 ? 0 : (size_t)rank - 1;
	return stats->values[i < stats->n ? i : stats->n - 1];
}
