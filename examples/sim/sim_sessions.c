/*
 * Sessions of a trace that does not say them: a request belongs to the
 * session of an earlier one if the two begin alike for two pieces or more
 * (one piece is a system prompt that all share).  The longest beginning that
 * is known decides.
 *
 * A beginning is named by a hash of its ids; a table maps it to the session
 * that had it first.
 */
#include <stdlib.h>

#include "sim_rand.h"
#include "sim_workload.h"

enum { ALIKE = 2 };

typedef struct session_place {
	uint64_t beginning; /* 0: empty */
	uint64_t session;
} session_place;

static session_place *
place_of(session_place *table, size_t mask, uint64_t beginning)
{
	size_t at = (size_t)beginning & mask;

	while (table[at].beginning && table[at].beginning != beginning)
		at = (at + 1) & mask;
	return &table[at];
}

/* Of the longest beginning that is known, or the request's own number. */
static uint64_t
session_find(session_place *table, size_t mask, const uint64_t *ids, uint32_t n,
	     uint64_t own)
{
	uint64_t beginning = 0;
	uint64_t session = own;

	for (uint32_t i = 0; i < n; i++) {
		const session_place *place;

		beginning = sim_mix(beginning ^ ids[i]) | 1;
		if (i + 1 < ALIKE)
			continue;
		place = place_of(table, mask, beginning);
		if (!place->beginning)
			break;
		session = place->session;
	}
	return session;
}

static void
session_note(session_place *table, size_t mask, const uint64_t *ids, uint32_t n,
	     uint64_t session)
{
	uint64_t beginning = 0;

	for (uint32_t i = 0; i < n; i++) {
		session_place *place;

		beginning = sim_mix(beginning ^ ids[i]) | 1;
		if (i + 1 < ALIKE)
			continue;
		place = place_of(table, mask, beginning);
		if (!place->beginning)
			*place = (session_place){beginning, session};
	}
}

int
sim_workload_sessions(sim_workload *workload)
{
	size_t size = 1024;
	session_place *table;

	while (size < 2 * workload->n_ids)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -1;
	for (size_t i = 0; i < workload->n; i++) {
		sim_request *request = &workload->requests[i];
		const uint64_t *ids = workload->ids + request->first_id;

		request->session = session_find(table, size - 1, ids,
						request->n_ids, i + 1);
		session_note(table, size - 1, ids, request->n_ids,
			     request->session);
	}
	free(table);
	return 0;
}
