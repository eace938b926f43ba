/* Coefficients of a sum of parts, fitted to what the sum was. */
#ifndef ROUTE_FIT_H
#define ROUTE_FIT_H

enum {
	FIT_FIRST,
	FIT_TOKENS,
	FIT_PAIRS,
	FIT_PULL,
	FIT_RUNNING,
	FIT_ADAPTER,
	FIT_PARTS
};

struct fit {
	double factor[FIT_PARTS]; /* of what was assumed */
	double parts[FIT_PARTS][FIT_PARTS], sums[FIT_PARTS];
	double mean; /* of what was seen */
	double keep; /* of the past, at each observation */
};

/* All factors 1; the past of memory observations counts. */
void aibrix__fit_open(struct fit *fit, double memory);

/* The sum of the parts as fitted. */
double aibrix__fit_sum(const struct fit *fit, const double part[FIT_PARTS]);

/* The sum of these was seen, which is above 0. */
void aibrix__fit_learn(struct fit *fit, const double part[FIT_PARTS],
		       double seen);

#endif
