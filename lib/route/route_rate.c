/*
 * Rates of late, and what requests beside each other cost.
 *
 * A rate fades by 1 / (1 + time / window), which needs no exponential and
 * forgets a burst in a few windows.  What one request costs the output of
 * another is the slope of time per token over requests running.
 */

#include "route/route_rate.h"

enum { KNOWN_FROM = 32 /* requests */ };

static double
rate_left(const struct rate *rate, uint64_t now_ns, uint64_t rate_ns)
{
	return rate->sum /
	       (1 + seconds_of(rate->at_ns, now_ns) / (double)rate_ns * 1e9);
}

void
aibrix__rate_add(struct rate *rate, double x, uint64_t now_ns, uint64_t rate_ns)
{
	if (!rate->n)
		rate->begin_ns = now_ns;
	rate->sum = rate_left(rate, now_ns, rate_ns) + x;
	if (now_ns > rate->at_ns || !rate->n)
		rate->at_ns = now_ns;
	rate->n++;
}

double
aibrix__rate_get(const struct rate *rate, uint64_t now_ns, uint64_t rate_ns)
{
	double all_s = seconds_of(rate->begin_ns, now_ns) + 1;
	double window_s = (double)rate_ns / 1e9;

	return rate_left(rate, now_ns, rate_ns) /
	       (all_s < window_s ? all_s : window_s);
}

void
aibrix__decode_add(struct decode *decode, double running, double seconds,
		   double output, double keep)
{
	double each = seconds / (output - 1);

	decode->n = decode->n * keep + 1;
	decode->x = decode->x * keep + running;
	decode->y = decode->y * keep + each;
	decode->xx = decode->xx * keep + running * running;
	decode->xy = decode->xy * keep + running * each;
	decode->output = decode->output * keep + output;
}

double
aibrix__decode_share(const struct decode *d)
{
	double spread = d->xx * d->n - d->x * d->x;
	double slope = d->xy * d->n - d->x * d->y;

	if (d->n < KNOWN_FROM || !(spread > 1e-6 * d->xx * d->n) ||
	    !(slope > 0))
		return 0;
	return 2 * slope / spread * d->output / d->n;
}
