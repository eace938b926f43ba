/*
 * Knative's scaler: pods are total load over what one should bear.
 *
 *	load   ____                       stable: mean of the long window
 *	      |    |                      panic:  mean of the short one
 *	 _____|    |______________
 *	      ^ the short one wants twice the pods that are ready: panic.
 *	        From here pods may only become more, until a whole long window
 *	        has passed without another such moment.
 *
 * A scaler that starts with more than one pod ready starts in panic: it knows
 * nothing of what was, so for one long window it takes none away.
 * (Source: Knative 98e5ef9 pkg/autoscaler/scaling/autoscaler.go.)
 */

#include <math.h>

#include "scale/scale_internal.h"

struct panic
aibrix__panic_start(uint32_t ready, uint64_t now_ns)
{
	struct panic p = {0, aibrix__replicas(ready), 0};

	if (ready > 1) {
		p.on = 1;
		p.since_ns = now_ns;
	}
	return p;
}

/* Pods for a load within one step's rates; at least activation when there is
 * any load. */
static int32_t
pods_within(const struct knative *k, double want, double ready)
{
	double up = ceil(k->rates.up * ready);
	double down = k->reachable ? floor(ready / k->rates.down) : 0;
	int32_t pods = aibrix__replicas(fmin(fmax(want, down), up));

	if (k->activation > 1 && want > 0 && pods < k->activation)
		return k->activation;
	return pods;
}

static void
panic_update(struct panic *p, int over, uint64_t stable_ns, uint64_t now_ns)
{
	if (over) {
		p->on = 1;
		p->since_ns = now_ns;
	} else if (p->on && now_ns - p->since_ns > stable_ns) {
		*p = (struct panic){0, 0, 0};
	}
}

int32_t
aibrix__knative(const struct knative *k, struct panic *panic, uint64_t now_ns)
{
	double ready = k->ready ? k->ready : 1;
	double want = ceil(k->stable / k->target);
	double burst = ceil(k->panicking / k->target);
	int32_t pods = pods_within(k, want, ready);
	int32_t more = pods_within(k, burst, ready);

	panic_update(panic, burst / ready >= k->threshold, k->stable_ns,
		     now_ns);
	if (!panic->on)
		return pods;
	if (more < pods)
		more = pods;
	if (more > panic->most)
		panic->most = more;
	return panic->most;
}

double
aibrix__knative_burst(const struct knative *k)
{
	if (k->burst == 0)
		return 0;
	if (k->burst < 0)
		return -1;
	return floor(k->ready * k->capacity - k->burst - k->panicking);
}

int32_t
aibrix__delay(aibrix_window *window, int32_t wanted, uint64_t now_ns)
{
	aibrix_window_view v = {.size = sizeof(v)};

	if (aibrix_window_add(window, wanted, now_ns) ||
	    aibrix_window_read(window, now_ns, &v))
		return wanted;
	return aibrix__replicas(v.value);
}
