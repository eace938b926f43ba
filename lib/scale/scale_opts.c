/* Options: their ranges, and what 0 stands for. */

#include <math.h>

#include "base/versioned.h"
#include "scale/scale_internal.h"

enum {
	OPTS_V1 = STRUCT_UPTO(aibrix_scale_opts, cpu_delay_ns),
	FLAGS = AIBRIX_SCALE_TO_ZERO | AIBRIX_SCALE_UP_TOLERANCE_SET |
		AIBRIX_SCALE_DOWN_TOLERANCE_SET | AIBRIX_SCALE_DOWN_WINDOW_SET |
		AIBRIX_SCALE_PLAIN_LIMITS,
	METRIC_FLAGS = AIBRIX_SCALE_CPU | AIBRIX_SCALE_BUSIEST
};

#define SECOND ((uint64_t)1000000000)
#define HOUR (3600 * SECOND)

static const aibrix_scale_policy up_default[] = {
	{AIBRIX_SCALE_BY_PODS, 4, 15 * SECOND},
	{AIBRIX_SCALE_BY_PERCENT, 100, 15 * SECOND},
};
/* What TPA wants is a forecast already; with pods that start for minutes a rise
 * in small steps is seen by nobody and late. */
static const aibrix_scale_policy up_tpa[] = {
	{AIBRIX_SCALE_BY_PODS, 4, 15 * SECOND},
	{AIBRIX_SCALE_BY_PERCENT, 300, 15 * SECOND},
};
/* A pod that starts for minutes is not given away by halves of a minute. */
static const aibrix_scale_policy down_default[] = {
	{AIBRIX_SCALE_BY_PERCENT, 50, 60 * SECOND},
};
static const aibrix_scale_policy down_kubernetes[] = {
	{AIBRIX_SCALE_BY_PERCENT, 100, 15 * SECOND},
};

static void
default_ns(uint64_t *ns, uint64_t seconds)
{
	if (*ns == 0)
		*ns = seconds * SECOND;
}

static void
default_double(double *x, double value)
{
	if (*x == 0)
		*x = value;
}

static void
bounds_default(aibrix_scale_opts *o)
{
	if (o->min_replicas == 0 && !(o->flags & AIBRIX_SCALE_TO_ZERO))
		o->min_replicas = 1;
	if (o->activation == 0)
		o->activation = 1;
}

static void
windows_default(aibrix_scale_opts *o)
{
	int compat = o->profile == AIBRIX_SCALE_COMPAT;
	int tpa = o->strategy == AIBRIX_SCALE_TPA;

	default_ns(&o->stable_ns, compat ? 180 : 60);
	default_ns(&o->panic_ns, compat ? 60 : 10);
	default_ns(&o->slot_ns, 1);
	if (!(o->flags & AIBRIX_SCALE_DOWN_WINDOW_SET))
		default_ns(&o->down_window_ns, tpa ? 90 : 300);
	default_ns(&o->fresh_ns, 30);
	default_ns(&o->zero_grace_ns, 30);
	default_ns(&o->cpu_start_ns, 300);
	default_ns(&o->cpu_delay_ns, 30);
}

static void
numbers_default(aibrix_scale_opts *o)
{
	int compat = o->profile == AIBRIX_SCALE_COMPAT;
	int kpa = o->strategy == AIBRIX_SCALE_KPA;
	double band = kpa && !compat ? 0 : 0.1;

	if (!(o->flags & AIBRIX_SCALE_UP_TOLERANCE_SET))
		default_double(&o->up_tolerance, band);
	if (!(o->flags & AIBRIX_SCALE_DOWN_TOLERANCE_SET))
		default_double(&o->down_tolerance, band);
	default_double(&o->max_up_rate, compat ? 2 : kpa ? 1000 : 0);
	default_double(&o->max_down_rate, compat || kpa ? 2 : 0);
	default_double(&o->panic_threshold, 2);
}

static int
rate_valid(double rate)
{
	return rate == 0 || (rate > 1 && rate <= 1e6);
}

/* Comparisons are so that a NaN fails. */
static int
numbers_valid(const aibrix_scale_opts *o)
{
	return o->up_tolerance >= 0 && o->up_tolerance <= 10 &&
	       o->down_tolerance >= 0 && o->down_tolerance < 1 &&
	       rate_valid(o->max_up_rate) && rate_valid(o->max_down_rate) &&
	       o->panic_threshold >= 1.1 && o->panic_threshold <= 1000 &&
	       fabs(o->burst_capacity) <= 1e15 && o->wake_target >= 0 &&
	       o->wake_target <= 1e15;
}

static int
windows_valid(const aibrix_scale_opts *o)
{
	return o->slot_ns >= SECOND / 100 && o->stable_ns <= HOUR &&
	       o->panic_ns <= o->stable_ns && o->delay_ns <= HOUR &&
	       o->stable_ns % o->slot_ns == 0 &&
	       o->panic_ns % o->slot_ns == 0 && o->delay_ns % o->slot_ns == 0 &&
	       o->stable_ns / o->slot_ns <= 36000 &&
	       o->delay_ns / o->slot_ns <= 36000 && o->up_window_ns <= HOUR &&
	       o->down_window_ns <= HOUR;
}

static int
metric_valid(const aibrix_scale_metric *m, uint32_t strategy)
{
	double least = m->kind == AIBRIX_SCALE_UTILIZATION ? 1 : 1e-3;

	if (strategy == AIBRIX_SCALE_TPA && m->kind != AIBRIX_SCALE_TOTAL)
		return 0;
	if (strategy != AIBRIX_SCALE_HPA) {
		least = 1e-9;
		if (m->kind != AIBRIX_SCALE_PODS &&
		    m->kind != AIBRIX_SCALE_TOTAL)
			return 0;
	}
	if (m->share != 0 && (strategy >= AIBRIX_SCALE_HPA ||
			      (m->flags & AIBRIX_SCALE_BUSIEST) ||
			      !(m->share > 0 && m->share <= 1)))
		return 0;
	return m->kind <= AIBRIX_SCALE_VALUE && m->target >= least &&
	       m->target <=
		       (m->kind == AIBRIX_SCALE_UTILIZATION ? 1e6 : 1e15) &&
	       m->capacity >= 0 && m->capacity <= 1e15;
}

static int
metrics_check(const aibrix_scale_opts *o)
{
	if (o->n_metrics == 0 || o->n_metrics > AIBRIX_SCALE_METRICS_MAX ||
	    !o->metrics)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < o->n_metrics; i++) {
		const aibrix_scale_metric *m = &o->metrics[i];

		if ((m->flags & ~(uint32_t)METRIC_FLAGS) || m->spare[0] ||
		    m->spare[1])
			return AIBRIX_E_ABI;
		if (!metric_valid(m, o->strategy))
			return AIBRIX_E_INVAL;
	}
	return AIBRIX_OK;
}

/* 0: a policy is out of range. */
static int
policies_load(struct policies *p, const aibrix_scale_policy *item, uint32_t n,
	      uint32_t select)
{
	if (select > AIBRIX_SCALE_SELECT_DISABLED ||
	    n > AIBRIX_SCALE_POLICIES_MAX || (n && !item))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (item[i].kind > AIBRIX_SCALE_BY_PERCENT ||
		    item[i].value == 0 || item[i].value > INT32_MAX ||
		    item[i].period_ns == 0 || item[i].period_ns > HOUR)
			return 0;
	p->select = select;
	if (n) {
		p->item = item;
		p->n = n;
	}
	return 1;
}

static int
rules_load(struct plan *plan)
{
	const aibrix_scale_opts *o = &plan->o;
	int hpa = o->strategy == AIBRIX_SCALE_HPA;
	int tpa = o->strategy == AIBRIX_SCALE_TPA;

	plan->up = (struct policies){tpa ? up_tpa : up_default, 2, 0};
	plan->down =
		(struct policies){hpa ? down_kubernetes : down_default, 1, 0};
	return policies_load(&plan->up, o->up, o->n_up, o->up_select) &&
	       policies_load(&plan->down, o->down, o->n_down, o->down_select);
}

int
aibrix__plan_load(struct plan *plan, const aibrix_scale_opts *opts)
{
	aibrix_scale_opts *o = &plan->o;
	int err;

	if (!opts)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(o, sizeof(*o), opts, OPTS_V1);
	if (err)
		return err;
	if (o->flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if (o->strategy > AIBRIX_SCALE_TPA ||
	    o->profile > AIBRIX_SCALE_COMPAT ||
	    (o->strategy == AIBRIX_SCALE_TPA && o->profile))
		return AIBRIX_E_INVAL;
	bounds_default(o);
	windows_default(o);
	numbers_default(o);
	if (o->min_replicas < 0 || o->max_replicas <= 0 ||
	    o->max_replicas < o->min_replicas || o->activation < 0 ||
	    !numbers_valid(o) || !windows_valid(o) || !rules_load(plan))
		return AIBRIX_E_INVAL;
	plan->band = (struct band){o->up_tolerance, o->down_tolerance};
	plan->rates = (struct rates){o->max_up_rate, o->max_down_rate};
	return metrics_check(o);
}
