/* Pods of a deployment, for the beds of scale and demand. */
#ifndef TESTS_SCALE_PODS_H
#define TESTS_SCALE_PODS_H

#include <aibrix/scale.h>

/* n of cap pods run and are ready, asked for and there; the rest are none. */
static inline void
pods_stand(aibrix_scale_fleet *fleet, aibrix_scale_pod *pods, uint32_t cap,
	   uint32_t n)
{
	for (uint32_t i = 0; i < cap; i++) {
		pods[i] = (aibrix_scale_pod){0};
		if (i >= n)
			continue;
		pods[i].phase = AIBRIX_SCALE_RUNNING;
		pods[i].ready = AIBRIX_SCALE_READY;
		pods[i].started_ns = pods[i].changed_ns = 1;
	}
	fleet->n_pods = n;
	fleet->replicas = (int32_t)n;
}

#endif
