/* Rates of late, and what requests beside each other cost. */
#ifndef ROUTE_RATE_H
#define ROUTE_RATE_H

#include <stdint.h>

/* Things per second, of late. */
struct rate {
	double sum;
	uint64_t begin_ns, at_ns, n;
};

/* Time per output token, by requests running. */
struct decode {
	double n, x, y, xx, xy, output;
};

/* 0 where the clock went back. */
static inline double
seconds_of(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

void aibrix__rate_add(struct rate *rate, double x, uint64_t now_ns,
		      uint64_t rate_ns);

/* Per second, over about rate_ns. */
double aibrix__rate_get(const struct rate *rate, uint64_t now_ns,
			uint64_t rate_ns);

/* A request had output tokens, in seconds after its first, beside so many. */
void aibrix__decode_add(struct decode *decode, double running, double seconds,
			double output, double keep);

/* Seconds that one request more adds to a request's output, and it to that
 * one's; 0 when not known. */
double aibrix__decode_share(const struct decode *decode);

#endif
