/* Shared by what has passed and what is planned from it. */
#ifndef PD_BUCKETS_INTERNAL_H
#define PD_BUCKETS_INTERNAL_H

#include <aibrix/pd_buckets.h>

enum { OCTAVE = 8 /* bins */, BINS = 21 * OCTAVE };

/* Lengths lo to hi - 1, which the same groups cover. */
struct segment {
	uint64_t lo, hi;
	double weight;
	uint32_t covering, parts;
};

struct aibrix_pd_buckets {
	aibrix_allocator alloc;
	uint32_t mode, max_groups;
	uint64_t half_life_ns, refresh_ns;
	double starts[BINS + 1];    /* of bins, in tokens */
	double weights[BINS];       /* requests, or their tokens */
	uint64_t now_ns, base_ns;   /* when a prompt counted 1 */
	uint64_t planned_ns, print; /* of the groups planned for */
	int planned;
	aibrix_pd_band bands[AIBRIX_PD_BANDS_MAX];
	uint32_t n_bands;
	/* of the plan in the making: by place of the group, ordered */
	aibrix_pd_group *groups;
	double *needs;
	uint64_t *bounds; /* 2 of each group */
	struct segment *segments;
	uint32_t *order; /* of segments */
	uint32_t *chosen;
};

/* The weight of lengths below x: even within a bin. */
double aibrix__pd_weight_below(const aibrix_pd_buckets *b, double x);

/* The length below which that weight is. */
double aibrix__pd_length_at(const aibrix_pd_buckets *b, double weight);

/* Fill bands.  There are not too many groups. */
void aibrix__pd_plan_make(aibrix_pd_buckets *b, const aibrix_pd_group *groups,
			  uint32_t n);

#endif
