/*
 * What time goes into on an engine.
 *
 * The standard numbers are of a model with 8e9 parameters in two bytes on
 * one GPU of 6e14 operations and 2.7e12 bytes a second, with KV that comes at
 * 1e10 bytes a second: a step reads the weights (6 ms) and costs 2 ms besides;
 * a token is 1.6e10 operations, a pair of tokens half a million at 4.5e14 a
 * second; a context of 7000 tokens is read in 0.3 ms, and an adapter is there
 * in a second.  What matters is how they compare; aibrix/estimate.h learns
 * those of a fleet.
 */

#include "base/versioned.h"
#include "route/route_internal.h"

/* Who computes nearly always is delayed by what one more prompt adds for
 * ever: above this, what is known of the rate no longer carries. */
static const double busy_max = 0.95;

static const aibrix_route_model standard = {
	.size = sizeof(standard),
	.first_s = 0.008,
	.token_s = 27e-6,
	.pair_s = 1.2e-9,
	.load_s = 13e-6,
	.running_s = 0.3e-3,
	.adapter_s = 1,
	.pending_s = 35e-6,
	.wait_weight = 1,
	.arrivals_per_s = 1,
	.busy_ratio = 0.5,
};

int
aibrix__route_model(const aibrix_route_model *model, aibrix_route_model *out)
{
	int err;

	if (!model) {
		*out = standard;
		return AIBRIX_OK;
	}
	err = aibrix__struct_load(out, sizeof(*out), model,
				  STRUCT_UPTO(aibrix_route_model, busy_ratio));
	if (err)
		return err;
	const double all[] = {out->first_s,     out->token_s,
			      out->pair_s,      out->load_s,
			      out->running_s,   out->adapter_s,
			      out->pending_s,   out->finish_s,
			      out->wait_weight, out->arrivals_per_s};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!isfinite(all[i]) || all[i] < 0)
			return AIBRIX_E_INVAL;
	if (out->spare || !(out->busy_ratio >= 0 && out->busy_ratio < 1))
		return AIBRIX_E_INVAL;
	if (out->busy_ratio > busy_max)
		out->busy_ratio = busy_max;
	return AIBRIX_OK;
}
