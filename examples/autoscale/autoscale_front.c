/*
 * Scalers are compared where they cost the same.
 *
 * A scaler's front is those of its parameters that no other of them beats in
 * both GPU-hours and latency, by means over the seeds.  Between neighbours on
 * it everything is taken to be on a straight line.  At the GPU-hours of each
 * point of HPA's front that lies within another's, the two are compared, seed
 * by seed with the same weights; ratios are geometric means over those points.
 * The other way round, GPU-hours are compared where latencies are the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale.h"

enum { POINTS_MAX = AUTOSCALE_ENTRIES_MAX };

typedef struct front {
	uint32_t entry[POINTS_MAX];                /* by GPU-hours */
	double hours[POINTS_MAX], e2e[POINTS_MAX]; /* means */
	uint32_t n;
} front_line;

void
autoscale_fronts(const autoscale_options *options, const autoscale_cell *cells,
		 uint8_t *on)
{
	for (uint32_t i = 0; i < options->n_entries; i++) {
		double hours =
			autoscale_mean(options, cells, i, AUTOSCALE_GPU_HOURS);
		double late = autoscale_mean(options, cells, i, AUTOSCALE_E2E);

		on[i] = 1;
		for (uint32_t k = 0; k < options->n_entries; k++) {
			double h = autoscale_mean(options, cells, k,
						  AUTOSCALE_GPU_HOURS);
			double l = autoscale_mean(options, cells, k,
						  AUTOSCALE_E2E);

			if (options->entries[k].scaler ==
				    options->entries[i].scaler &&
			    h <= hours && l <= late &&
			    (h < hours || l < late || k < i))
				on[i] = 0;
		}
	}
}

static void
front_fill(const autoscale_options *options, const autoscale_cell *cells,
	   const uint8_t *on, const autoscale_scaler *scaler, front_line *front)
{
	front->n = 0;
	for (uint32_t i = 0; i < options->n_entries; i++) {
		double hours =
			autoscale_mean(options, cells, i, AUTOSCALE_GPU_HOURS);
		uint32_t place = front->n;

		if (!on[i] || options->entries[i].scaler != scaler)
			continue;
		while (place > 0 && front->hours[place - 1] > hours) {
			front->hours[place] = front->hours[place - 1];
			front->e2e[place] = front->e2e[place - 1];
			front->entry[place] = front->entry[place - 1];
			place--;
		}
		front->hours[place] = hours;
		front->e2e[place] =
			autoscale_mean(options, cells, i, AUTOSCALE_E2E);
		front->entry[place] = i;
		front->n++;
	}
}

/* The place below hours and the weight of the next; -1: outside. */
static int
front_find(const front_line *front, double hours, uint32_t *place,
	   double *weight)
{
	if (front->n < 2 || hours < front->hours[0] ||
	    hours > front->hours[front->n - 1])
		return -1;
	*place = 0;
	while (*place + 2 < front->n && front->hours[*place + 1] < hours)
		++*place;
	*weight = (hours - front->hours[*place]) /
		  (front->hours[*place + 1] - front->hours[*place]);
	return 0;
}

static double
cell_between(const autoscale_options *o, const autoscale_cell *cells,
	     const front_line *front, uint32_t place, double weight,
	     uint64_t seed, uint32_t figure)
{
	const autoscale_cell *a = &cells[front->entry[place] * o->seeds + seed];
	const autoscale_cell *b =
		&cells[front->entry[place + 1] * o->seeds + seed];

	return (1 - weight) * autoscale_figure(a, figure) +
	       weight * autoscale_figure(b, figure);
}

/* Sum over a seed's points: logarithms of ratios, or differences. */
typedef struct gain {
	double e2e, ttft, p99, turns, slo;
} seed_gain;

/* Turns may be 0. */
static double
turns_ratio(double a, double b)
{
	return log((a + 0.5) / (b + 0.5));
}

static uint32_t
gains_sum(const autoscale_options *o, const autoscale_cell *cells,
	  const front_line *base, const front_line *front, uint64_t seed,
	  seed_gain *gain)
{
	uint32_t n = 0;

	*gain = (seed_gain){0};
	for (uint32_t i = 0; i < base->n; i++) {
		const autoscale_cell *hpa =
			&cells[base->entry[i] * o->seeds + seed];
		double at[AUTOSCALE_FIGURES], weight;
		uint32_t place;

		if (front_find(front, base->hours[i], &place, &weight) != 0)
			continue;
		for (uint32_t f = 0; f < AUTOSCALE_FIGURES; f++)
			at[f] = cell_between(o, cells, front, place, weight,
					     seed, f);
		gain->e2e += log(at[AUTOSCALE_E2E] / hpa->run.e2e_s_mean);
		gain->ttft += log(at[AUTOSCALE_TTFT] / hpa->run.ttft_s_mean);
		gain->p99 += log(at[AUTOSCALE_TTFT_P99] / hpa->run.ttft_s_p99);
		gain->turns +=
			turns_ratio(at[AUTOSCALE_TURNS], hpa->turns_per_h);
		gain->slo += at[AUTOSCALE_SLO] - 100 * hpa->slo;
		n++;
	}
	return n;
}

/* GPU-hours over the base's at the same latency. */
static void
hours_compare(const front_line *base, const front_line *front,
	      autoscale_gain *gain)
{
	double sum = 0;

	for (uint32_t i = 0; i < base->n; i++) {
		double e2e = base->e2e[i], weight;
		uint32_t k = 0;

		/* Latency falls along a front. */
		if (front->n < 2 || e2e > front->e2e[0] ||
		    e2e < front->e2e[front->n - 1])
			continue;
		while (k + 2 < front->n && front->e2e[k + 1] > e2e)
			k++;
		weight = (front->e2e[k] - e2e) /
			 (front->e2e[k] - front->e2e[k + 1]);
		sum += log(((1 - weight) * front->hours[k] +
			    weight * front->hours[k + 1]) /
			   base->hours[i]);
		gain->hours_points++;
	}
	gain->hours = exp(gain->hours_points ? sum / gain->hours_points : 0);
}

static void
gain_fill(const autoscale_options *o, const autoscale_cell *cells,
	  const front_line *base, const front_line *front, autoscale_gain *gain)
{
	seed_gain sum = {0};
	double squares = 0, seeds = (double)o->seeds;

	for (uint64_t s = 0; s < o->seeds; s++) {
		seed_gain of;
		double n;

		gain->points = gains_sum(o, cells, base, front, s, &of);
		if (gain->points == 0)
			return;
		n = gain->points;
		sum.e2e += of.e2e / n / seeds;
		squares += of.e2e / n * (of.e2e / n) / seeds;
		sum.ttft += of.ttft / n / seeds;
		sum.p99 += of.p99 / n / seeds;
		sum.turns += of.turns / n / seeds;
		sum.slo += of.slo / n / seeds;
	}
	gain->e2e = exp(sum.e2e);
	gain->ttft = exp(sum.ttft);
	gain->ttft_p99 = exp(sum.p99);
	gain->turns = exp(sum.turns);
	gain->slo = sum.slo;
	if (seeds > 1 && squares > sum.e2e * sum.e2e)
		gain->e2e_error =
			gain->e2e *
			sqrt((squares - sum.e2e * sum.e2e) / (seeds - 1));
}

uint32_t
autoscale_compare(const autoscale_options *options, const autoscale_cell *cells,
		  const uint8_t *on,
		  autoscale_gain gains[AUTOSCALE_SCALERS_MAX])
{
	const autoscale_scaler *hpa = autoscale_scaler_find("hpa", 3);
	front_line base, front;
	uint32_t n = 0;

	front_fill(options, cells, on, hpa, &base);
	if (base.n < 2)
		return 0;
	for (uint32_t i = 0; autoscale_scaler_at(i); i++) {
		const autoscale_scaler *scaler = autoscale_scaler_at(i);

		front_fill(options, cells, on, scaler, &front);
		if (scaler == hpa || front.n == 0 || n == AUTOSCALE_SCALERS_MAX)
			continue;
		gains[n] = (autoscale_gain){.scaler = scaler};
		gain_fill(options, cells, &base, &front, &gains[n]);
		hours_compare(&base, &front, &gains[n]);
		n++;
	}
	return n;
}
