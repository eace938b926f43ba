/*
 * Scalers are compared where they cost the same.
 *
 * A scaler's front is those of its parameters that no other of them beats in
 * both GPU-hours and latency, by means over the seeds.  Between neighbours on
 * it everything is taken to be on a straight line.  At the GPU-hours of each
 * point of HPA's front that lies within another's, the two are compared, seed
 * by seed with the same weights; ratios are geometric means over those points.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale.h"

enum { POINTS_MAX = AUTOSCALE_ENTRIES_MAX };

typedef struct front {
	uint32_t entry[POINTS_MAX]; /* by GPU-hours */
	double hours[POINTS_MAX];
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
			front->entry[place] = front->entry[place - 1];
			place--;
		}
		front->hours[place] = hours;
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

static void
row_print(const autoscale_options *o, const autoscale_cell *cells,
	  const front_line *base, const front_line *front, const char *name)
{
	double e2e = 0, squares = 0, ttft = 0, p99 = 0, turns = 0, slo = 0;
	double seeds = (double)o->seeds, error;
	uint32_t n = 0;

	for (uint64_t s = 0; s < o->seeds; s++) {
		seed_gain gain;

		n = gains_sum(o, cells, base, front, s, &gain);
		if (n == 0)
			break;
		e2e += gain.e2e / n / seeds;
		squares += gain.e2e / n * gain.e2e / n / seeds;
		ttft += gain.ttft / n / seeds;
		p99 += gain.p99 / n / seeds;
		turns += gain.turns / n / seeds;
		slo += gain.slo / n / seeds;
	}
	if (n == 0) {
		printf("  %-14s is nowhere at the same GPU-hours\n", name);
		return;
	}
	error = seeds > 1 && squares > e2e * e2e
			? sqrt((squares - e2e * e2e) / (seeds - 1))
			: 0;
	printf("  %-14s latency %.3f (+-%.3f)  TTFT %.3f  p99 %.3f  "
	       "oscillations %.2f  SLO %+.1f  (%u points)\n",
	       name, exp(e2e), exp(e2e) * error, exp(ttft), exp(p99),
	       exp(turns), slo, n);
}

void
autoscale_compare(const autoscale_options *options, const autoscale_cell *cells,
		  const uint8_t *on)
{
	const autoscale_scaler *hpa = autoscale_scaler_find("hpa", 3);
	const autoscale_scaler *last = NULL;
	front_line base, front;

	front_fill(options, cells, on, hpa, &base);
	if (base.n < 2)
		return;
	printf("at HPA's GPU-hours, over HPA:\n");
	for (uint32_t i = 0; i < options->n_entries; i++) {
		const autoscale_scaler *scaler = options->entries[i].scaler;

		if (scaler == last || scaler == hpa)
			continue;
		last = scaler;
		front_fill(options, cells, on, scaler, &front);
		row_print(options, cells, &base, &front, scaler->name);
	}
}
