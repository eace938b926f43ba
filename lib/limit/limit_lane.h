/* One bucket of a user: requests, or tokens. */
#ifndef LIMIT_LANE_H
#define LIMIT_LANE_H

#include <aibrix/limit.h>

enum { LANE_SLOTS = 8 };

static const uint64_t lane_ns_max = (uint64_t)1 << 62;

struct lane {
	aibrix_limit_due due;
	uint64_t slot[LANE_SLOTS]; /* see limit_lane.c */
	uint32_t shift;            /* of a slot's width in ns */
	uint32_t start; /* turn of the charge that last found it drained */
};

/* The rate with its defaults; AIBRIX_E_INVAL: out of range. */
int aibrix__limit_rate_load(aibrix_limit_rate *own,
			    const aibrix_limit_rate *rate);

/* What units take to drain; rate->units is not 0. */
aibrix_limit_due aibrix__limit_amount(const aibrix_limit_rate *rate,
				      uint64_t units);

/* a * b / c, and the remainder; lane_ns_max when that is less.  c < 2^63. */
uint64_t aibrix__mul_div(uint64_t a, uint64_t b, uint64_t c, uint64_t *rest);

/* When the bucket will have drained, now at the earliest. */
aibrix_limit_due aibrix__due_from(const aibrix_limit_due *due,
				  const aibrix_limit_rate *rate,
				  uint64_t now_ns);

/* 0, and *after is the bucket with units more; or how long to wait, at most
 * AIBRIX_FOREVER when they never will fit. */
uint64_t aibrix__due_fit(const aibrix_limit_due *due,
			 const aibrix_limit_rate *rate, uint64_t units,
			 uint64_t now_ns, aibrix_limit_due *after);

/* Units that fit now. */
uint64_t aibrix__due_left(const aibrix_limit_due *due,
			  const aibrix_limit_rate *rate, uint64_t now_ns);

/* Slots between the user's last charge and now are empty. */
void aibrix__lane_advance(struct lane *lane, uint64_t last_ns, uint64_t now_ns);

/* The lane was advanced to now_ns; turn counts charges. */
void aibrix__lane_charge(struct lane *lane, const aibrix_limit_rate *rate,
			 uint64_t units, uint64_t now_ns, uint32_t turn);

/* Not drained before due_ns. */
void aibrix__lane_raise(struct lane *lane, uint64_t due_ns, uint64_t now_ns,
			uint32_t turn);

/* A charge to be corrected. */
struct lane_refund {
	aibrix_limit_rate rate;
	uint64_t charged, cost; /* units; cost is not above charged */
	uint64_t at_ns;         /* when it was charged */
	uint32_t turn;          /* its number */
	uint32_t shift;         /* of the lane then */
	int latest;             /* nothing was charged to the user since */
};

/* last_ns: of the user's last charge. */
void aibrix__lane_refund(struct lane *lane, uint64_t last_ns,
			 const struct lane_refund *refund);

#endif
