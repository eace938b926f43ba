/*
 * The clock of a discrete-event simulation: which source acts next.
 *
 * Every source (a pod, the arrival of requests) has one time at which it
 * wants to be called next, or AIBRIX_FOREVER.  Ties go to the lower source
 * number, so that a run does not depend on the heap's history.
 */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include <stdint.h>

typedef struct sim_events sim_events;

/* NULL: out of memory.  All sources start at "never". */
sim_events *sim_events_new(uint32_t sources);

void sim_events_free(sim_events *events);

void sim_events_set(sim_events *events, uint32_t source, uint64_t time_ns);

/* The earliest time, and its source unless that is NULL. */
uint64_t sim_events_next(const sim_events *events, uint32_t *source);

#endif
