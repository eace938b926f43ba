/*
 * Presets are products of two short tables, GPUs and models, both taken
 * from what their makers publish.  What is assumed rather than published
 * (efficiencies, overheads) stands in one place, below, and is the same for
 * all presets: comparisons between policies do not hang on it.
 */
#include "sim_presets.h"

#include <string.h>

/* NVIDIA data sheets: dense BF16 tensor throughput (without sparsity),
 * memory bandwidth and size, and what the host link reaches in practice. */
typedef struct gpu_facts {
	double flops_per_s;
	double bytes_per_s;
	double memory_bytes;
	double host_bytes_per_s;
} gpu_facts;

static const gpu_facts gpu_h100 = {989.4e12, 3.35e12, 80e9, 50e9};
static const gpu_facts gpu_h200 = {989.4e12, 4.8e12, 141e9, 50e9};
static const gpu_facts gpu_a100 = {312e12, 2.039e12, 80e9, 25e9};
static const gpu_facts gpu_l40s = {362.05e12, 0.864e12, 48e9, 25e9};

/* config.json of the models; weights and KV in BF16. */
typedef struct model_facts {
	double parameters;
	double layers;
	double heads;
	double kv_heads;
	double head_size;
} model_facts;

static const model_facts llama3_8b = {8.03e9, 32, 32, 8, 128};
static const model_facts llama3_70b = {70.6e9, 80, 64, 8, 128};

static const struct preset {
	const char *name;
	const char *text;
	const gpu_facts *gpu;
	const model_facts *model;
	double gpus;
} presets[] = {
	{"h100-llama3-8b", "Llama 3 8B on one H100 SXM 80 GB", &gpu_h100,
	 &llama3_8b, 1},
	{"h200-llama3-8b", "Llama 3 8B on one H200 141 GB", &gpu_h200,
	 &llama3_8b, 1},
	{"a100-llama3-8b", "Llama 3 8B on one A100 SXM 80 GB", &gpu_a100,
	 &llama3_8b, 1},
	{"l40s-llama3-8b", "Llama 3 8B on one L40S 48 GB", &gpu_l40s,
	 &llama3_8b, 1},
	{"h100-llama3-70b-tp4", "Llama 3 70B on four H100 SXM 80 GB", &gpu_h100,
	 &llama3_70b, 4},
	{"h200-llama3-70b-tp2", "Llama 3 70B on two H200 141 GB", &gpu_h200,
	 &llama3_70b, 2},
};

enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

/* Assumed; see doc/modules/sim.md, "What is assumed". */
static const double gemm_ratio = 0.60;      /* of peak, large prefills */
static const double attention_ratio = 0.45; /* of peak, fused attention */
static const double memory_ratio = 0.80;    /* of peak bandwidth */
static const double tensor_parallel_ratio = 0.85;
static const double usable_ratio = 0.90;    /* of GPU memory, vLLM's default */
static const double activation_bytes = 4e9; /* per GPU */

static void
preset_fill(const struct preset *preset, sim_pod_spec *spec)
{
	const gpu_facts *gpu = preset->gpu;
	const model_facts *model = preset->model;
	double gpus = preset->gpus;
	double speed = gpus > 1 ? gpus * tensor_parallel_ratio : 1;
	double free_bytes;

	*spec = (sim_pod_spec){
		.name = preset->name,
		.text = preset->text,
		.flops_per_token = 2 * model->parameters,
		/* Q x K and P x V, a multiplication and an addition each. */
		.flops_per_pair =
			4 * model->layers * model->heads * model->head_size,
		.gemm_flops_per_s = gpu->flops_per_s * gemm_ratio * speed,
		.attention_flops_per_s =
			gpu->flops_per_s * attention_ratio * speed,
		.weight_bytes = 2 * model->parameters,
		/* K and V, two bytes each. */
		.kv_bytes_per_token =
			4 * model->layers * model->kv_heads * model->head_size,
		.memory_bytes_per_s = gpu->bytes_per_s * memory_ratio * speed,
		.step_s = 2e-3,
		.sequence_s = 20e-6,
		.step_tokens = 8192,
		.max_running = 256,
		/* Each GPU loads its own heads over its own link. */
		.l1_bytes_per_s = gpu->host_bytes_per_s * gpus,
		.l1_latency_s = 100e-6,
		.l2_bytes_per_s = 10e9,
		.l2_latency_s = 1e-3,
	};
	free_bytes =
		gpus * (gpu->memory_bytes * usable_ratio - activation_bytes) -
		spec->weight_bytes;
	spec->kv_tokens = (uint64_t)(free_bytes / spec->kv_bytes_per_token);
}

int
sim_preset_find(const char *name, sim_pod_spec *spec)
{
	for (size_t i = 0; i < PRESETS; i++) {
		if (strcmp(presets[i].name, name) == 0) {
			preset_fill(&presets[i], spec);
			return 0;
		}
	}
	return -1;
}

void
sim_preset_slow(sim_pod_spec *spec, double speed)
{
	spec->gemm_flops_per_s *= speed;
	spec->attention_flops_per_s *= speed;
	spec->memory_bytes_per_s *= speed;
	spec->step_s /= speed;
	spec->sequence_s /= speed;
}

const char *
sim_preset_name(size_t i, const char **text)
{
	if (i >= PRESETS)
		return NULL;
	if (text)
		*text = presets[i].text;
	return presets[i].name;
}
