/*
 * What one pod is: a model on a number of GPUs, as the numbers that the
 * engine model needs.  doc/modules/sim.md derives them and names sources.
 */
#ifndef SIM_PRESETS_H
#define SIM_PRESETS_H

#include <stddef.h>
#include <stdint.h>

typedef struct sim_pod_spec {
	const char *name;
	const char *text;        /* for people */
	double flops_per_token;  /* weights: 2 per parameter */
	double flops_per_pair;   /* attention: of a token with one before */
	double gemm_flops_per_s; /* sustained */
	double attention_flops_per_s;
	double weight_bytes; /* read once per step */
	double kv_bytes_per_token;
	double memory_bytes_per_s; /* sustained */
	double step_s;             /* fixed cost of a step */
	double sequence_s;         /* of each running request in a step */
	uint32_t step_tokens;      /* of prefill and decode in one step */
	uint32_t max_running;      /* requests at once */
	uint64_t kv_tokens;        /* that fit into GPU memory */
	double l1_bytes_per_s;     /* host memory to GPU */
	double l1_latency_s;
	double l2_bytes_per_s; /* shared store to GPU */
	double l2_latency_s;
	/* Admit a request for the step that computes the first of it, and
	 * look then for what is cached, as vLLM does; 0: when it comes. */
	uint32_t admits_late;
	double noise; /* of a step's time: standard deviation of its logarithm
		       */
} sim_pod_spec;

/* Fill spec with the preset of that name.  -1: there is none. */
int sim_preset_find(const char *name, sim_pod_spec *spec);

/* As a pod of the same make that computes at the fraction speed of it. */
void sim_preset_slow(sim_pod_spec *spec, double speed);

/* Name of the i-th preset, or NULL; *text becomes its description. */
const char *sim_preset_name(size_t i, const char **text);

#endif
