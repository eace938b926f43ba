/* A set of 64-bit numbers that only grows. */
#ifndef SIM_SET_H
#define SIM_SET_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised is empty. */
typedef struct sim_set {
	uint64_t *table; /* open addressing; 0: empty */
	size_t n, mask;
} sim_set;

/* 1: added; 0: was there; -1: out of memory. */
int sim_set_add(sim_set *set, uint64_t value);

int sim_set_has(const sim_set *set, uint64_t value);

void sim_set_clear(sim_set *set);

#endif
