/*
 * What was wanted and what was done, and what both let a decision do.
 *
 * Advice: a rise goes no higher than the least, a fall no lower than the most
 * that was wanted within a window.  For a maximum over any time up to now,
 * advice that a later one exceeds is of no more use:
 *
 *	wanted   5 9 7 3 4        kept for the most   9 7 4
 *	                          kept for the least  3 4
 *
 * so a fixed list of 64 is enough but where what is wanted falls 64 times in
 * a row within a window; then the two oldest become one with the number of
 * the first and the time of the second: a fall waits longer, never less.
 *
 * Events: what replicas changed by and when, for rates per time.  A list of
 * 32; when it is full, what is over an hour old goes, or else the two that
 * are nearest become one with the later time, which says how much of it is
 * older (after the one before it, so a few minutes at most).  Where that part
 * tells against a change it counts as late, where for it as early:
 *
 *	up limit     replicas - up, as late + down, as early + policy
 *	down limit   replicas - up, as early + down, as late - policy
 *
 * so a merged change counts longer and never lets go farther.
 * (Source: Kubernetes pkg/controller/podautoscaler/horizontal.go.)
 */

#include <math.h>
#include <string.h>

#include "scale/scale_internal.h"

/* The longest of a policy. */
#define PERIOD_MAX_NS (3600 * (uint64_t)1000000000)

/* Is what was at at_ns newer than window_ns before now? */
static int
time_within(uint64_t at_ns, uint64_t window_ns, uint64_t now_ns)
{
	return at_ns >= now_ns ? window_ns > 0 : now_ns - at_ns < window_ns;
}

void
aibrix__advice_add(struct advices *a, int largest, int32_t replicas,
		   uint64_t now_ns)
{
	while (a->n > 0) {
		int32_t last = a->item[a->n - 1].replicas;

		if (largest ? last > replicas : last < replicas)
			break;
		a->n--;
	}
	if (a->n == ADVICE_MAX) {
		a->item[1].replicas = a->item[0].replicas;
		memmove(&a->item[0], &a->item[1],
			(ADVICE_MAX - 1) * sizeof(a->item[0]));
		a->n--;
	}
	a->item[a->n++] = (struct advice){now_ns, replicas, 0};
}

/* The oldest within the window is the least (or most) of all within it. */
static const struct advice *
advice_first(const struct advices *a, uint64_t window_ns, uint64_t now_ns)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (time_within(a->item[i].at_ns, window_ns, now_ns))
			return &a->item[i];
	return NULL;
}

int32_t
aibrix__advice_least(const struct advices *a, uint64_t window_ns, int32_t x,
		     uint64_t now_ns)
{
	const struct advice *first = advice_first(a, window_ns, now_ns);

	return first && first->replicas < x ? first->replicas : x;
}

int32_t
aibrix__advice_most(const struct advices *a, uint64_t window_ns, int32_t x,
		    uint64_t now_ns)
{
	const struct advice *first = advice_first(a, window_ns, now_ns);

	return first && first->replicas > x ? first->replicas : x;
}

static int32_t
sum_of(int32_t a, int32_t b)
{
	return a > INT32_MAX - b ? INT32_MAX : a + b;
}

/* Event i becomes part of the next. */
static void
events_merge(struct events *e, uint32_t i)
{
	struct advice *next = &e->item[i + 1];

	next->older = sum_of(next->older, e->item[i].replicas);
	next->replicas = sum_of(next->replicas, e->item[i].replicas);
	e->n--;
	memmove(&e->item[i], next, (e->n - i) * sizeof(*next));
}

/* One place less is taken. */
static void
events_thin(struct events *e, uint64_t now_ns)
{
	uint64_t nearest = UINT64_MAX;
	uint32_t best = 0;

	if (!time_within(e->item[0].at_ns, PERIOD_MAX_NS, now_ns)) {
		e->n--;
		memmove(&e->item[0], &e->item[1], e->n * sizeof(e->item[0]));
		return;
	}
	for (uint32_t i = 0; i + 1 < e->n; i++) {
		uint64_t gap = e->item[i + 1].at_ns - e->item[i].at_ns;

		if (gap < nearest) {
			nearest = gap;
			best = i;
		}
	}
	events_merge(e, best);
}

void
aibrix__event_add(struct events *e, int32_t change, uint64_t at_ns)
{
	if (e->n == EVENTS_MAX)
		events_thin(e, at_ns);
	e->item[e->n++] = (struct advice){at_ns, change, 0};
}

int64_t
aibrix__event_sum(const struct events *e, int late, uint64_t period_ns,
		  uint64_t now_ns)
{
	int64_t sum = 0;
	int before = 0; /* is the one before it within, so all of it? */

	for (uint32_t i = 0; i < e->n; i++) {
		if (!time_within(e->item[i].at_ns, period_ns, now_ns))
			continue;
		sum += e->item[i].replicas;
		if (!late && !before)
			sum -= e->item[i].older;
		before = 1;
	}
	return sum;
}

static double
policy_limit(const aibrix_scale_policy *p, double start, int sign)
{
	double percent;

	if (p->kind == AIBRIX_SCALE_BY_PODS)
		return start + sign * (double)p->value;
	percent = 1 + sign * (double)p->value / 100;
	return sign > 0 ? ceil(start * percent) : trunc(start * percent);
}

/* sign: 1 up, -1 down.  Of several the one that lets go farthest, or least. */
static int32_t
policies_limit(const struct policies *p, int32_t replicas,
	       const struct events *up, const struct events *down,
	       uint64_t now_ns, int sign)
{
	double best = 0;

	if (p->select == AIBRIX_SCALE_SELECT_DISABLED)
		return replicas;
	for (uint32_t i = 0; i < p->n; i++) {
		uint64_t period = p->item[i].period_ns;
		double start = (double)(replicas -
					aibrix__event_sum(up, sign > 0, period,
							  now_ns) +
					aibrix__event_sum(down, sign < 0,
							  period, now_ns));
		double limit = policy_limit(&p->item[i], start, sign);
		int farther = sign * limit > sign * best;

		if (i == 0 || farther == (p->select == AIBRIX_SCALE_SELECT_MAX))
			best = limit;
	}
	if (sign * best < sign * (double)replicas)
		return replicas;
	return aibrix__replicas(best);
}

int32_t
aibrix__up_limit(const struct policies *p, int32_t replicas,
		 const struct events *up, const struct events *down,
		 uint64_t now_ns)
{
	return policies_limit(p, replicas, up, down, now_ns, 1);
}

int32_t
aibrix__down_limit(const struct policies *p, int32_t replicas,
		   const struct events *up, const struct events *down,
		   uint64_t now_ns)
{
	return policies_limit(p, replicas, up, down, now_ns, -1);
}
