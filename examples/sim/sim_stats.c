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

static void
swap(double *a, double *b)
{
	double kept = *a;

	*a = *b;
	*b = kept;
}

/* The middle one of the ends and the middle. */
static double
pivot_of(const double *values, size_t low, size_t high)
{
	double a = values[low], b = values[low + (high - low) / 2];
	double c = values[high];

	if ((a <= b) == (b <= c))
		return b;
	return (b <= a) == (a <= c) ? a : c;
}

/* What would be at place i were all sorted: Hoare's selection, O(n). */
static double
value_at(double *values, size_t n, size_t i)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		double pivot = pivot_of(values, low, high);
		size_t left = low, right = high;

		for (;;) {
			while (values[left] < pivot)
				left++;
			while (values[right] > pivot)
				right--;
			if (left >= right)
				break;
			swap(&values[left++], &values[right--]);
		}
		/* [low, right] <= pivot <= [right + 1, high] */
		if (i <= right)
			high = right;
		else
			low = right + 1;
	}
	return values[i];
}

double
sim_stats_quantile(sim_stats *stats, double q)
{
	double rank;
	size_t i;

	if (stats->n == 0)
		return (double)NAN;
	rank = ceil(q * (double)stats->n);
	i = rank < 1 ? 0 : (size_t)rank - 1;
	return value_at(stats->values, stats->n,
			i < stats->n ? i : stats->n - 1);
}
