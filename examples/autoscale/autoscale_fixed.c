/* As many pods as it was told, always: what scaling is worth is seen beside
 * this. */
#include <stdlib.h>

#include "autoscale_scaler.h"

typedef struct fixed_state {
	int32_t pods;
} fixed_state;

static void *
fixed_open(const autoscale_bounds *bounds, const char *text)
{
	fixed_state *fixed = calloc(1, sizeof(*fixed));

	if (fixed)
		fixed->pods = (int32_t)autoscale_number(text, "pods",
							bounds->max_pods);
	return fixed;
}

static int
fixed_decide(void *state, const sim_fleet_view *view, int32_t *replicas)
{
	const fixed_state *fixed = state;

	(void)view;
	*replicas = fixed->pods;
	return 0;
}

static const char *const keys[] = {"pods", "how many", NULL, NULL};
static const char *const sweep[] = {
	"pods=8",  "pods=5",  "pods=6",  "pods=7", "pods=10",
	"pods=12", "pods=15", "pods=20", NULL,
};

const autoscale_scaler autoscale_fixed = {
	.name = "fixed",
	.text = "no scaling",
	.keys = keys,
	.sweep = sweep,
	.period_ns = UINT64_C(10000000000),
	.open = fixed_open,
	.decide = fixed_decide,
	.close = free,
};
