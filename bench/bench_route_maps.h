/*
 * Prefix-aware routing as AIBrix's gateway does it, in C: metrics in a map
 * of pod and metric names, a shuffled list of candidates, several passes
 * over maps made for each request.
 */
#ifndef BENCH_ROUTE_MAPS_H
#define BENCH_ROUTE_MAPS_H

#include <stdint.h>

struct maps_gateway;

/* Pods "pod-0000" to n - 1. */
struct maps_gateway *maps_new(uint32_t n);
void maps_free(struct maps_gateway *g);
void maps_set(struct maps_gateway *g, uint32_t pod, const char *metric,
	      double value);
/* percent: of the prompt held, by pod. */
uint32_t maps_pick(struct maps_gateway *g, const uint32_t *percent,
		   uint64_t entropy);

#endif
