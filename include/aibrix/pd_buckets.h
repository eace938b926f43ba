/*
 * Which group a prompt of a length is for, where the lengths of several
 * overlap.
 *
 *   declared  a [------------------)          traffic      ..:|||:.
 *             b        [--------------------)
 *   plan                a  a | b  b
 *
 * Prompts of like length batch well.  So where groups overlap, their common
 * lengths are cut into bands, one for each, such that every group gets as
 * much of the traffic as it has prefill pods of all.  What the traffic is
 * like is what has passed of late.
 *
 * A band is advice: gates and loads go before it.
 *
 * (Source: AIBrix pkg/plugins/gateway/algorithms/pd, bucket_serving.go of a
 * later revision, after BucketServe, arXiv 2507.17120.)
 */
#ifndef AIBRIX_PD_BUCKETS_H
#define AIBRIX_PD_BUCKETS_H

#include <aibrix/base.h>
#include <aibrix/pd.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_PD_BUCKETS_TOKENS = 0,  /* groups get like amounts of tokens */
	AIBRIX_PD_BUCKETS_REQUESTS = 1 /* groups get like numbers of requests */
};

enum {
	AIBRIX_PD_BANDS_MAX = 16,
	AIBRIX_PD_GROUPS_MAX = 1024
};

typedef struct aibrix_pd_buckets_opts {
	uint32_t size;
	uint32_t mode;       /* AIBRIX_PD_BUCKETS_* */
	uint32_t max_groups; /* 0: 64; at most AIBRIX_PD_GROUPS_MAX */
	uint32_t spare;      /* must be 0 */
	uint64_t half_life_ns; /* of what has passed; 0: 30 s */
	uint64_t refresh_ns;   /* a plan is that old at most; 0: 5 s */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_pd_buckets_opts;

/*
 * What has passed of one model's prompts, and the plan.
 *
 * Thread: confined.
 */
typedef struct aibrix_pd_buckets aibrix_pd_buckets;

/*
 * Nothing has passed.  opts may be NULL.  *out is owned:
 * aibrix_pd_buckets_free.  All memory is taken here.
 *
 * Fails: E_INVAL (a number out of range), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_buckets_new(const aibrix_pd_buckets_opts *opts,
		      aibrix_pd_buckets **out);

/* NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_pd_buckets_free(aibrix_pd_buckets *buckets);

/* Frozen: 24 bytes.  A group and the prompts it is for. */
typedef struct aibrix_pd_group {
	uint64_t group;
	uint32_t min_tokens;
	uint32_t max_tokens; /* 0: any.  Below min_tokens: none */
	uint32_t replicas;   /* prefill pods; 0 counts as 1 */
	uint32_t spare;      /* must be 0 */
} aibrix_pd_group;

/* Frozen: 16 bytes.  Prompts of min_tokens to max_tokens are for group. */
typedef struct aibrix_pd_band {
	uint64_t group;
	uint32_t min_tokens, max_tokens;
} aibrix_pd_band;

/*
 * A prompt of so many tokens passes.  The plan is made anew when it is too
 * old or groups, each of which is there once, are others than before.  Time
 * does not go back.
 *
 * Fails: E_NOT_FOUND (any group that is for it may have it: no band has its
 * length, or it has none), E_INVAL (n above max_groups, spare); then band is
 * untouched.
 * Cost: O(n), and at most each refresh O(n^2); no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_buckets_step(aibrix_pd_buckets *buckets, uint64_t prompt_tokens,
		       uint64_t now_ns, const aibrix_pd_group *groups,
		       uint32_t n, aibrix_pd_band *band);

/* The plan's bands, ascending, at most AIBRIX_PD_BANDS_MAX; *n becomes how
 * many.  Fails: E_INVAL, E_SPACE (cap; *n says how many).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_buckets_plan(const aibrix_pd_buckets *buckets, aibrix_pd_band *bands,
		       uint32_t cap, uint32_t *n);

/*
 * Groups of pods that have a prefill and a decode: the lengths that some of
 * each are for, from the least to the most.  order, of n, is scratch.
 *
 * Fails: E_INVAL (role, spare), E_SPACE (cap; *n_groups says how many).
 * Cost: as aibrix_pd_split.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_groups(const aibrix_pd_pod *pods,
					     uint32_t n, uint32_t *order,
					     aibrix_pd_group *groups,
					     uint32_t cap, uint32_t *n_groups);

/*
 * Leave in lists what is of group, if both have some; else they stay.  For
 * between a gate that did not fire and a pick.
 *
 * Fails: E_INVAL (places, roles).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_keep(const aibrix_pd_pod *pods,
					   uint32_t n, uint64_t group,
					   aibrix_pd_lists *lists);

#ifdef __cplusplus
}
#endif

#endif
