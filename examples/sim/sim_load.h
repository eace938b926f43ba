/*
 * How a fleet's load changes with time: requests with lengths, and how many
 * pods they need.
 */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include <stddef.h>

#include "sim_presets.h"
#include "sim_workload.h"

typedef struct sim_shape {
	const char *name;
	const char *text;
	int held_out; /* nothing was tuned on it */
	/* Of sim_workload_generate; NULL: chat messages of no session. */
	const char *kind;
	/* Rate at x of the run, 0 <= x < 1, in any unit; NULL: a trace. */
	double (*rate)(double x, double seconds, uint64_t seed);
} sim_shape;

/* The i-th; NULL: no more. */
const sim_shape *sim_shape_at(size_t i);
const sim_shape *sim_shape_find(const char *name);

typedef struct sim_load_opts {
	const sim_pod_spec *spec;
	const char *trace; /* file, for shape trace */
	double seconds;
	double pods; /* that the load needs, on the average */
	double full; /* share of a saturated pod's work that one may do */
	uint64_t seed;
} sim_load_opts;

/* Zero-initialised is empty. */
typedef struct sim_load {
	sim_workload workload;
	double *need; /* pods, of each 10 s, fractions and all */
	uint32_t n_need;
	double mean, peak; /* of need */
} sim_load;

/* 0, or -1: error says what. */
int sim_load_make(const sim_shape *shape, const sim_load_opts *opts,
		  sim_load *load, char *error, size_t error_bytes);

void sim_load_clear(sim_load *load);

#endif
