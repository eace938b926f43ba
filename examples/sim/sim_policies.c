/* Rules beside the library's. */
#include "sim_policies.h"

#include <stddef.h>
#include <string.h>

static int
candidate(const aibrix_fleet *fleet, uint32_t row, aibrix_owner *owner)
{
	double health;

	if (aibrix_fleet_owner(fleet, row, owner) != AIBRIX_OK)
		return 0;
	return aibrix_fleet_get(fleet, row, AIBRIX_COL_HEALTH_RATIO, 0, &health,
				NULL) != AIBRIX_OK ||
	       !(health <= 0);
}

/* One after the other: what a proxy does that knows nothing. */
static int
round_robin(uint64_t *state, const aibrix_fleet *fleet,
	    const aibrix_route_request *request, uint64_t now_ns,
	    aibrix_route_result *out)
{
	uint32_t n = request->rows ? request->n_rows : aibrix_fleet_rows(fleet);

	(void)now_ns;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)((*state + i) % n);
		uint32_t row = request->rows ? request->rows[at] : at;

		if (!candidate(fleet, row, &out->owner))
			continue;
		out->row = row;
		*state += i + 1;
		return AIBRIX_OK;
	}
	return AIBRIX_E_NOT_FOUND;
}

static const sim_policy policies[] = {
	{"round-robin", round_robin},
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

const sim_policy *
sim_policy_find(const char *name)
{
	for (uint32_t i = 0; i < POLICIES; i++) {
		if (strcmp(policies[i].name, name) == 0)
			return &policies[i];
	}
	return NULL;
}

const char *
sim_policy_name(uint32_t i)
{
	return i < POLICIES ? policies[i].name : NULL;
}
