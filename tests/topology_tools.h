/* Texts of a Redis Cluster, given to a topology through the codec. */
#ifndef TESTS_TOPOLOGY_TOOLS_H
#define TESTS_TOPOLOGY_TOOLS_H

#include <stdlib.h>
#include <string.h>

#include "store/resp_topology.h"

/* The reply of the ask under way, step bytes at a time; the last status of
 * aibrix__topology_event, or that of the codec. */
static inline int
reply_feed(struct topology *t, uint32_t number, const char *text, size_t n,
	   size_t step, uint64_t now_ns)
{
	struct resp *resp = malloc(sizeof(*resp));
	int status = AIBRIX_E_AGAIN;
	size_t at = 0;

	if (!resp)
		abort();
	aibrix__resp_init(resp, 4096);
	while (at < n && status == AIBRIX_E_AGAIN) {
		size_t some = n - at < step ? n - at : step, used;
		struct resp_event e;
		char piece[4096];

		if (some > sizeof(piece))
			some = sizeof(piece);
		memcpy(piece, text + at, some);
		if (aibrix__resp_feed(resp, piece, some, &used, &e)) {
			aibrix__topology_fail(t, number, now_ns);
			status = AIBRIX_E_PARSE;
			break;
		}
		at += used;
		if (e.kind != RESP_NONE)
			status = aibrix__topology_event(t, number, resp, &e,
							now_ns);
	}
	free(resp);
	return status;
}

/* The event of an error line, as "-MOVED 1 a:1\r\n".  resp is borrowed by
 * the event. */
static inline struct resp_event
error_event(struct resp *resp, const char *line)
{
	struct resp_event e = {0};
	size_t used;

	aibrix__resp_init(resp, 4096);
	if (aibrix__resp_feed(resp, line, strlen(line), &used, &e) ||
	    e.kind != RESP_ERROR || used != strlen(line))
		abort();
	return e;
}

#endif
