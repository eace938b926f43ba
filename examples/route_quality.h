/* One workload, one fleet, one policy: times to first token. */
#ifndef ROUTE_QUALITY_H
#define ROUTE_QUALITY_H

#include <stdint.h>

#include "sim/sim_presets.h"
#include "sim/sim_workload.h"

enum { QUALITY_BLOCK = 128 }; /* tokens of a block */

/* What all policies see of one workload. */
typedef struct quality_case {
	const sim_pod_spec *specs; /* by pod */
	const sim_workload *workload;
	const uint64_t *names; /* of whole blocks, of all requests */
	const uint64_t *first; /* index of a request's first block */
	uint32_t pods;
	uint64_t seed;
} quality_case;

typedef struct quality_result {
	double mean_ms, p50_ms, p99_ms;
	double hits;    /* share of input tokens */
	double pick_ns; /* real time of a pick with what is around it */
} quality_result;

/* Names of all blocks of a workload; both are owned.  -1: out of memory. */
int quality_names(const sim_workload *workload, uint64_t **names,
		  uint64_t **first);

/* policy: of the library, of sim_rival.h, or "aibrix" (prefix-cache in its
 * compat form).  0, or -1: a message was printed. */
int quality_run(const quality_case *c, const char *policy,
		quality_result *result);

#endif
