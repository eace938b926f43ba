/* Options of a demand: their ranges, and what 0 stands for. */

#include <math.h>

#include "base/versioned.h"
#include "scale/demand_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_demand_opts, fresh_ns) };

#define SECOND ((uint64_t)1000000000)
#define HOUR (3600 * SECOND)
/* An engine of 8 billion parameters on a GPU of 2023; only where nothing was
 * said, and then nothing is decided by it until steps were seen. */
#define STEP_S 0.01
#define KV_S 0.02
#define TOKEN_S 1e-4

static void
default_double(double *x, double value)
{
	if (*x == 0)
		*x = value;
}

static void
default_ns(uint64_t *ns, uint64_t seconds)
{
	if (*ns == 0)
		*ns = seconds * SECOND;
}

static void
opts_default(aibrix_demand_opts *o)
{
	default_double(&o->kv_limit, 0.85);
	default_double(&o->up_use, 0.85);
	default_double(&o->down_use, 0.6 * o->up_use);
	default_double(&o->sensitivity, 0.8);
	default_double(&o->quantile, 0.8);
	default_double(&o->start_quantile, 0.9);
	default_ns(&o->start_ns, 120);
	default_ns(&o->drain_ns, 60);
	default_ns(&o->trend_ns, 300);
	default_ns(&o->memory_ns, 1800);
	default_ns(&o->fresh_ns, 30);
}

static int
within(double x, double least, double most)
{
	return x >= least && x <= most; /* a NaN is not */
}

static int
span_valid(uint64_t ns, uint64_t most)
{
	return ns >= SECOND / 100 && ns <= most;
}

static int
opts_valid(const aibrix_demand_opts *o)
{
	return o->role <= AIBRIX_DEMAND_DECODE && within(o->ttft_s, 0, 1e6) &&
	       within(o->itl_s, 0, 1e6) && within(o->step_s, 0, 1e3) &&
	       within(o->kv_s, 0, 1e3) && within(o->token_s, 0, 1) &&
	       within(o->kv_limit, 0.01, 1) && within(o->up_use, 0.01, 1) &&
	       within(o->down_use, 0.01, o->up_use) &&
	       within(o->sensitivity, 0.01, 1) &&
	       within(o->quantile, 0.5, 0.999) &&
	       within(o->start_quantile, 0.5, 0.999) &&
	       span_valid(o->start_ns, HOUR) && span_valid(o->drain_ns, HOUR) &&
	       span_valid(o->trend_ns, 24 * HOUR) &&
	       span_valid(o->memory_ns, 168 * HOUR) &&
	       (o->season_ns == 0 ||
		within((double)o->season_ns, 60e9, 366.0 * 86400e9));
}

int
aibrix__demand_plan(struct demand_plan *plan, const aibrix_demand_opts *opts)
{
	aibrix_demand_opts *o = &plan->o;
	int err = aibrix__struct_load(o, sizeof(*o), opts, OPTS_V1);

	if (err)
		return err;
	if (o->flags)
		return AIBRIX_E_ABI;
	opts_default(o);
	if (!opts_valid(o))
		return AIBRIX_E_INVAL;
	plan->given = o->step_s > 0 || o->kv_s > 0 || o->token_s > 0;
	default_double(&o->step_s, STEP_S);
	default_double(&o->kv_s, KV_S);
	default_double(&o->token_s, TOKEN_S);
	plan->start_s = (double)o->start_ns / 1e9;
	plan->drain_s = (double)o->drain_ns / 1e9;
	plan->trend_s = (double)o->trend_ns / 1e9;
	plan->memory_s = (double)o->memory_ns / 1e9;
	plan->z = aibrix__normal_quantile(o->quantile);
	return AIBRIX_OK;
}

/* Abramowitz and Stegun 26.2.23, to 4.5e-4. */
double
aibrix__normal_quantile(double share)
{
	double tail = share < 0.5 ? share : 1 - share;
	double t = sqrt(-2 * log(tail));
	double z = t -
		   (2.515517 + t * (0.802853 + t * 0.010328)) /
			   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

	if (share == 0.5)
		return 0;
	return share < 0.5 ? -z : z;
}
