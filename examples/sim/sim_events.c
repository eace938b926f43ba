/*
 * A binary heap of source numbers with a table of where each source is, so
 * that a source moves in O(log sources) when its time changes.  A heap of
 * events would need dead entries to be skipped; sources are few, events are
 * millions.
 */
#include "sim_events.h"

#include <stdlib.h>

struct sim_events {
	uint64_t *time_ns; /* by source */
	uint32_t *at;      /* by source: its place in heap */
	uint32_t *heap;
	uint32_t n;
};

sim_events *
sim_events_new(uint32_t sources)
{
	sim_events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->n = sources;
	events->time_ns = calloc(sources, sizeof(*events->time_ns));
	events->at = calloc(sources, sizeof(*events->at));
	events->heap = calloc(sources, sizeof(*events->heap));
	if (!events->time_ns || !events->at || !events->heap) {
		sim_events_free(events);
		return NULL;
	}
	for (uint32_t i = 0; i < sources; i++) {
		events->time_ns[i] = UINT64_MAX;
		events->at[i] = events->heap[i] = i;
	}
	return events;
}

void
sim_events_free(sim_events *events)
{
	if (!events)
		return;
	free(events->time_ns);
	free(events->at);
	free(events->heap);
	free(events);
}

static int
source_before(const sim_events *events, uint32_t a, uint32_t b)
{
	if (events->time_ns[a] != events->time_ns[b])
		return events->time_ns[a] < events->time_ns[b];
	return a < b;
}

static void
heap_put(sim_events *events, uint32_t place, uint32_t source)
{
	events->heap[place] = source;
	events->at[source] = place;
}

void
sim_events_set(sim_events *events, uint32_t source, uint64_t time_ns)
{
	uint32_t place = events->at[source];
	uint32_t child;

	events->time_ns[source] = time_ns;
	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (!source_before(events, source, events->heap[parent]))
			break;
		heap_put(events, place, events->heap[parent]);
		place = parent;
	}
	while ((child = 2 * place + 1) < events->n) {
		if (child + 1 < events->n &&
		    source_before(events, events->heap[child + 1],
				  events->heap[child]))
			child++;
		if (!source_before(events, events->heap[child], source))
			break;
		heap_put(events, place, events->heap[child]);
		place = child;
	}
	heap_put(events, place, source);
}

uint64_t
sim_events_next(const sim_events *events, uint32_t *source)
{
	if (source)
		*source = events->heap[0];
	return events->time_ns[events->heap[0]];
}
