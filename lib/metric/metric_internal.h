/* What the files of this folder share. */
#ifndef METRIC_INTERNAL_H
#define METRIC_INTERNAL_H

#include <stdint.h>

#include <aibrix/metric.h>

/* Where a text goes: what does not fit is counted. */
struct sink {
	char *out;
	uint64_t cap, n;
};

void aibrix__sink_bytes(struct sink *s, const char *bytes, uint64_t n);
void aibrix__sink_text(struct sink *s, const char *text);
void aibrix__sink_count(struct sink *s, uint64_t count);
/* The shortest digits that are read back as value, with a point or an
 * exponent, so that it is seen to be no whole number's type; NaN, +Inf,
 * -Inf. */
void aibrix__sink_double(struct sink *s, double value);

/* The parts of a histogram in rising order. */
struct walk {
	const aibrix_histogram *histogram;
	uint32_t bucket, upper; /* the next part */
	uint64_t low, high;     /* of the values of this part */
	uint64_t count;
};

int aibrix__walk_next(struct walk *w);

/* Edge i; 0: there are no more. */
int aibrix__histogram_edge(const aibrix_histogram *histogram, uint32_t i,
			   uint64_t *edge);

#endif
