/* What the files of autoscale share. */
#ifndef AUTOSCALE_H
#define AUTOSCALE_H

#include <stdio.h>

#include "autoscale_scaler.h"
#include "sim/sim_fleet.h"
#include "sim/sim_load.h"

enum {
	AUTOSCALE_SHAPES_MAX = 16,
	AUTOSCALE_ENTRIES_MAX = 256,
	AUTOSCALE_SEEDS_MAX = 32,
	AUTOSCALE_PODS_MAX = 512,
	AUTOSCALE_JOBS_MAX = 64,
	AUTOSCALE_SCALERS_MAX = 16
};

/* A scaler with parameters. */
typedef struct autoscale_entry {
	const autoscale_scaler *scaler;
	const char *text;
} autoscale_entry;

typedef struct autoscale_options {
	const sim_shape *shapes[AUTOSCALE_SHAPES_MAX];
	autoscale_entry entries[AUTOSCALE_ENTRIES_MAX];
	uint32_t n_shapes, n_entries;
	sim_pod_spec spec;
	const char *preset, *trace, *policy;
	uint64_t seeds, first_seed, max_pods, jobs;
	double pods, hours, full, gpus;
	double start_s, start_sigma, scrape_s, scrape_loss;
	double slo_ttft_ms, slo_itl_ms;
	uint64_t json, timeline, all, usual;
} autoscale_options;

/* 0; 1: done (--help); -1: complained. */
int autoscale_options_parse(int argc, char **argv, autoscale_options *options);
void autoscale_help(FILE *out);

/* Of one scaler with parameters, one seed. */
typedef struct autoscale_cell {
	sim_fleet_result run; /* its marks only with --timeline */
	double gpu_hours;
	double slo;         /* share of requests */
	double turns_per_h; /* changes of direction */
	double lag_s;       /* fewer ready than needed */
	double spare_pod_h; /* ready beyond need */
} autoscale_cell;

/* cells: by entry, then seed; loads by seed.  -1: complained. */
int autoscale_run(const autoscale_options *options, const sim_shape *shape,
		  const sim_load *loads, autoscale_cell *cells);

/* How far it is, on a terminal. */
void autoscale_progress(const char *shape, uint64_t done, uint64_t all);

/* Means over the seeds of what tables have. */
enum {
	AUTOSCALE_GPU_HOURS,
	AUTOSCALE_E2E,
	AUTOSCALE_TTFT,
	AUTOSCALE_TTFT_P99,
	AUTOSCALE_ITL,
	AUTOSCALE_SLO,
	AUTOSCALE_TURNS,
	AUTOSCALE_LAG,
	AUTOSCALE_SPARE,
	AUTOSCALE_TOKENS,
	AUTOSCALE_FIGURES
};

double autoscale_figure(const autoscale_cell *cell, uint32_t figure);
double autoscale_mean(const autoscale_options *options,
		      const autoscale_cell *cells, uint32_t entry,
		      uint32_t figure);

/* on[entry]: nobody of its scaler has both fewer GPU-hours and less latency,
 * means over the seeds. */
void autoscale_fronts(const autoscale_options *options,
		      const autoscale_cell *cells, uint8_t *on);

/* One scaler's front against HPA's, where they cost the same. */
typedef struct autoscale_gain {
	const autoscale_scaler *scaler;
	uint32_t points; /* of HPA's front that lie within; 0: none */
	double e2e, ttft, ttft_p99, turns; /* ratios */
	double e2e_error;                  /* standard error over the seeds */
	double slo;                        /* percent more */
	double hours; /* ratio of GPU-hours where latency is the same */
	uint32_t hours_points;
} autoscale_gain;

/* Gains of all scalers but HPA, in their order; their number. */
uint32_t autoscale_compare(const autoscale_options *options,
			   const autoscale_cell *cells, const uint8_t *on,
			   autoscale_gain gains[AUTOSCALE_SCALERS_MAX]);

/* Gains of several shapes: means of logarithms. */
typedef struct autoscale_summary {
	autoscale_gain sum[AUTOSCALE_SCALERS_MAX];
	uint32_t shapes[AUTOSCALE_SCALERS_MAX], hours[AUTOSCALE_SCALERS_MAX];
	uint32_t n, n_shapes;
} autoscale_summary;

void autoscale_gains_print(const autoscale_options *options,
			   const sim_shape *shape, const autoscale_gain *gains,
			   uint32_t n);

void autoscale_summary_add(autoscale_summary *summary,
			   const autoscale_gain *gains, uint32_t n);

/* of: which shapes.  Nothing when there are fewer than two. */
void autoscale_summary_print(const autoscale_options *options,
			     const autoscale_summary *summary, const char *of);

/* All of a shape; its gains go into summary. */
void autoscale_report(const autoscale_options *options, const sim_shape *shape,
		      const sim_load *loads, const autoscale_cell *cells,
		      autoscale_summary *summary);

#endif
