/*
 * A store on a real server, far (behind a cable of net_ns.h) or near (on this
 * machine), with traffic of net_load.h, in a case of cases.h.
 */
#ifndef TESTS_FAULTS_WIRE_H
#define TESTS_FAULTS_WIRE_H

#include "cases.h"
#include "net_load.h"
#include "net_ns.h"
#include "redis_tools.h"

struct wire {
	struct net_ns net;
	struct redis_server server;
	aibrix_store *store;
	struct load load;
	uint64_t recovery_ms; /* wire_recovers waits no longer */
	int descriptors;
};

/* Filled.  They skip the case where there is no server or no cable. */
struct wire *wire_far(void);
/* A node that failed is left alone for two seconds: what comes meanwhile is
 * refused, however late a busy machine sends it. */
struct wire *wire_far_patient(void);
struct wire *wire_near(void);

aibrix_store_node wire_node(const struct wire *w);

/* Requests that the breaker has refused. */
uint64_t wire_refused(const struct wire *w);

/* Hits come back, and the breaker has closed. */
void wire_recovers(struct wire *w);

/* Nothing was broken and nothing stays open. */
void wire_close(struct wire *w);

#endif
