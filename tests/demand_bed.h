/* Pods that all say the same, and steps of a demand over them. */
#ifndef TESTS_DEMAND_BED_H
#define TESTS_DEMAND_BED_H

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/demand.h>

#include "scale_pods.h"

enum { BED_PODS = 32, BED_WORDS = 512 };

#define SECOND ((uint64_t)1000000000)
#define BED_START (100000 * SECOND)

enum {
	RUNNING,
	WAITING,
	KV,
	PROMPT,
	CACHED,
	OUTPUT,
	FINISHED,
	INPUT_MEAN,
	OUTPUT_MEAN,
	ITL,
	COLUMNS
};

struct demand_bed {
	aibrix_demand_opts o;
	aibrix_scale_fleet fleet;
	aibrix_scale_pod pods[BED_PODS];
	double columns[COLUMNS][BED_PODS];
	uint64_t at_ns[BED_PODS];
	aibrix_demand_seen seen;
	uint64_t memory[BED_WORDS];
	aibrix_demand_state *state;
	aibrix_demand d;
};

static inline void
demand_bed_pods(struct demand_bed *b, uint32_t n)
{
	pods_stand(&b->fleet, b->pods, BED_PODS, n);
}

static inline void
demand_bed_tell(struct demand_bed *b, uint32_t column, double x)
{
	for (uint32_t i = 0; i < BED_PODS; i++)
		b->columns[column][i] = x;
}

static inline void
demand_bed_state(struct demand_bed *b)
{
	cr_assert_eq(aibrix_demand_state_init(b->memory, sizeof(b->memory),
					      &b->state),
		     AIBRIX_OK);
}

/* Where the arrays of a bed that was copied lie. */
static inline void
demand_bed_point(struct demand_bed *b)
{
	b->fleet.pods = b->pods;
	b->seen.running = b->columns[RUNNING];
	b->seen.waiting = b->columns[WAITING];
	b->seen.kv_ratio = b->columns[KV];
	b->seen.prompt_per_s = b->columns[PROMPT];
	b->seen.cached_ratio = b->columns[CACHED];
	b->seen.output_per_s = b->columns[OUTPUT];
	b->seen.finished_per_s = b->columns[FINISHED];
	b->seen.input_tokens = b->columns[INPUT_MEAN];
	b->seen.output_tokens = b->columns[OUTPUT_MEAN];
	b->seen.itl_s = b->columns[ITL];
}

/*
 * A step of 10 ms + 20 ms of a full cache + 0.1 ms for a prompt token, as the
 * caller says; requests of 1000 tokens in and 100 out that hold 0.02 of a
 * cache each, and 10 of them a second; forecasts are the expected.
 */
static inline void
demand_bed_make(struct demand_bed *b, uint32_t pods)
{
	memset(b, 0, sizeof(*b));
	b->o.size = sizeof(b->o);
	b->o.step_s = 0.01;
	b->o.kv_s = 0.02;
	b->o.token_s = 1e-4;
	b->o.quantile = 0.5;
	b->o.down_use = 0.7;
	b->fleet.size = sizeof(b->fleet);
	b->seen.size = sizeof(b->seen);
	b->seen.flags = AIBRIX_DEMAND_ARRIVALS;
	b->seen.arrivals_per_s = 10;
	demand_bed_point(b);
	demand_bed_pods(b, pods);
	demand_bed_tell(b, RUNNING, 5);
	demand_bed_tell(b, KV, 0.1);
	demand_bed_tell(b, PROMPT, 1000);
	demand_bed_tell(b, OUTPUT, 100);
	demand_bed_tell(b, FINISHED, 1);
	demand_bed_tell(b, INPUT_MEAN, 1000);
	demand_bed_tell(b, OUTPUT_MEAN, 100);
	/* What the model says of 0.1 of a cache and 1000 prompt tokens a
	   second: (0.01 + 0.02 x 0.1) / (1 - 1000 x 0.0001). */
	demand_bed_tell(b, ITL, 0.012 / 0.9);
	demand_bed_state(b);
}

static inline int
demand_bed_try(struct demand_bed *b, double second)
{
	b->d.size = sizeof(b->d);
	return aibrix_demand_step(&b->o, &b->fleet, &b->seen, b->state,
				  BED_START + (uint64_t)(int64_t)(second * 1e9),
				  &b->d);
}

static inline double
demand_bed_step(struct demand_bed *b, double second)
{
	cr_assert_eq(demand_bed_try(b, second), AIBRIX_OK);
	return b->d.wanted;
}

#endif
