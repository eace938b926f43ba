/*
 * Rules of routing that are not the library's: what its strategies are
 * compared with.  A rule reads the same table and request as
 * aibrix_route_pick, and keeps nothing but one number of its own.
 *
 * To add one: a function and a row of the table in sim_policies.c.
 */
#ifndef SIM_POLICIES_H
#define SIM_POLICIES_H

#include <stdint.h>

#include <aibrix/route.h>

typedef struct sim_policy {
	const char *name; /* as --policy has it */
	/* As aibrix_route_pick.  *state is 0 before the first request. */
	int (*pick)(uint64_t *state, const aibrix_fleet *fleet,
		    const aibrix_route_request *request, uint64_t now_ns,
		    aibrix_route_result *out);
} sim_policy;

/* NULL: there is none. */
const sim_policy *sim_policy_find(const char *name);

/* Name of the i-th, or NULL. */
const char *sim_policy_name(uint32_t i);

#endif
