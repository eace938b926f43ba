/* A deployment with one or two metrics, and steps of a scaler over it. */
#ifndef TESTS_SCALE_BED_H
#define TESTS_SCALE_BED_H

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scale.h>

#include "scale_pods.h"

enum { BED_PODS = 64, BED_WORDS = 8192 };

#define SECOND ((uint64_t)1000000000)
#define BED_START (100000 * SECOND)

struct bed {
	aibrix_scale_opts o;
	aibrix_scale_metric metrics[2];
	aibrix_scale_fleet fleet;
	aibrix_scale_pod pods[BED_PODS];
	double values[2][BED_PODS];
	aibrix_scale_values v[2];
	uint64_t memory[BED_WORDS];
	aibrix_scale_state *state;
	aibrix_scale_decision d;
};

static inline void
bed_pods(struct bed *b, uint32_t n)
{
	pods_stand(&b->fleet, b->pods, BED_PODS, n);
}

static inline void
bed_state(struct bed *b)
{
	cr_assert_eq(aibrix_scale_state_init(&b->o, b->memory,
					     sizeof(b->memory), &b->state),
		     AIBRIX_OK);
}

/* Every pod tells the same of a metric; NaN: none does. */
static inline void
bed_tell(struct bed *b, uint32_t metric, double value)
{
	for (uint32_t i = 0; i < BED_PODS; i++)
		b->values[metric][i] = value;
}

/* One metric of pods with target 10, one pod, bounds 1..50. */
static inline void
bed_make(struct bed *b, uint32_t strategy, uint32_t profile)
{
	memset(b, 0, sizeof(*b));
	b->o.size = sizeof(b->o);
	b->o.strategy = strategy;
	b->o.profile = profile;
	b->o.max_replicas = 50;
	b->o.metrics = b->metrics;
	b->o.n_metrics = 1;
	b->metrics[0].target = b->metrics[1].target = 10;
	b->v[0].values = b->values[0];
	b->v[1].values = b->values[1];
	b->fleet.size = sizeof(b->fleet);
	b->fleet.pods = b->pods;
	bed_pods(b, 1);
	bed_state(b);
}

static inline int
bed_try(struct bed *b, double second)
{
	b->d.size = sizeof(b->d);
	return aibrix_scale_step(&b->o, &b->fleet, b->v, b->state,
				 BED_START + (uint64_t)(int64_t)(second * 1e9),
				 &b->d);
}

static inline int32_t
bed_step(struct bed *b, double second)
{
	cr_assert_eq(bed_try(b, second), AIBRIX_OK);
	cr_assert_eq(b->d.change, b->d.replicas - b->fleet.replicas);
	return b->d.replicas;
}

#endif
