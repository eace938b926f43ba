/*
 * A scaler: what it can be told, and how it decides.
 *
 * To add one: a file autoscale_NAME.c with a struct autoscale_scaler, and its
 * row in autoscale_scalers.c.
 */
#ifndef AUTOSCALE_SCALER_H
#define AUTOSCALE_SCALER_H

#include <stdint.h>

#include "sim/sim_fleet.h"

/* What all scalers are told alike. */
typedef struct autoscale_bounds {
	const sim_pod_spec *spec;
	int32_t min_pods, max_pods;
	uint64_t scrape_ns;
	double start_s; /* that a pod takes to start, as an operator knows it */
	double slo_ttft_s, slo_itl_s;
} autoscale_bounds;

typedef struct autoscale_scaler {
	const char *name;
	const char *text;
	/* Parameters, as "target", each followed by its meaning; NULL ends
	 * them.  In texts: "target=8,stable=60". */
	const char *const *keys;
	/* Texts that are tried; the first is the usual one.  NULL ends. */
	const char *const *sweep;
	uint64_t period_ns; /* between decisions */
	/* text has known keys only.  NULL: out of memory, or not possible. */
	void *(*open)(const autoscale_bounds *bounds, const char *text);
	/* *replicas is what was asked for last.  0, or an AIBRIX_E_*. */
	int (*decide)(void *state, const sim_fleet_view *view,
		      int32_t *replicas);
	void (*close)(void *state); /* NULL is allowed */
} autoscale_scaler;

/* The i-th; NULL: no more. */
const autoscale_scaler *autoscale_scaler_at(uint32_t i);
const autoscale_scaler *autoscale_scaler_find(const char *name, size_t len);

/* -1: an unknown key, or what is no number; complaint says it. */
int autoscale_text_check(const autoscale_scaler *scaler, const char *text,
			 char *complaint, size_t bytes);

/* The number of a key in a text; or else fallback. */
double autoscale_number(const char *text, const char *key, double fallback);

extern const autoscale_scaler autoscale_fixed;
extern const autoscale_scaler autoscale_apa, autoscale_apa_compat;
extern const autoscale_scaler autoscale_kpa, autoscale_kpa_compat;
extern const autoscale_scaler autoscale_hpa;
extern const autoscale_scaler autoscale_tpa;

#endif
