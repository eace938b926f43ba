/*
 * What users have had lately, and AIBrix's vtc-basic score of it.
 *
 * AIBrix does not order requests by user: it estimates the tokens of each
 * request, adds them up per user over a sliding window, and moves heavy
 * users to another index of its list of pods.  This is that, for who wants
 * its answers.  For fairness take vtc.h.
 */
#ifndef AIBRIX_VTC_WINDOW_H
#define AIBRIX_VTC_WINDOW_H

#include <aibrix/base.h>
#include <aibrix/vtc.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * AIBrix's guess of a prompt of so many bytes: a token for 4 bytes, and half
 * as many again to be generated, each rounded up.
 *
 * Fails: E_INVAL (above 2^60 bytes).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_estimate(uint64_t bytes,
						int64_t *input_tokens,
						int64_t *output_tokens);

/* By what now_ns is divided, and window counted. */
enum {
	AIBRIX_VTC_MINUTES = 0, /* in buckets of a second */
	AIBRIX_VTC_SECONDS = 1,
	AIBRIX_VTC_MILLISECONDS = 2
};

/* More flags, beside AIBRIX_VTC_INPUT_WEIGHT_SET and so on. */
enum {
	AIBRIX_VTC_MIN_TOKENS_SET = 4,  /* min_tokens may be 0 */
	AIBRIX_VTC_FAIRNESS_SET = 8,    /* fairness_weight may be 0 */
	AIBRIX_VTC_UTILIZATION_SET = 16 /* utilization_weight may be 0 */
};

enum {
	/* Nobody's tokens count longer than the window. */
	AIBRIX_VTC_WINDOW_DEFAULT = 0,
	/* AIBrix's: the tokens of users that nobody asks about stay. */
	AIBRIX_VTC_WINDOW_COMPAT = 1
};

typedef struct aibrix_vtc_window_opts {
	uint32_t size;
	uint32_t flags;       /* AIBRIX_VTC_*_SET: weights, MIN_TOKENS */
	uint32_t profile;     /* AIBRIX_VTC_WINDOW_* */
	uint32_t unit;        /* AIBRIX_VTC_MINUTES and so on */
	uint32_t window;      /* in units; 0: 5; at most 2^20 */
	uint32_t max_users;   /* 0: 65 536; at most 2^24.  Beyond it the user
	                         with the least tokens is forgotten. */
	uint32_t max_buckets; /* of all users, besides one for each; 0: 4 for
	                         each user; at most 2^28.  Beyond it a user's
	                         newest tokens share a bucket: they count
	                         longer, by a window at most, never less. */
	uint32_t spare;       /* must be 0 */
	double input_weight;  /* 0: 1 */
	double output_weight; /* 0: 2 */
	double min_tokens;    /* the range of nobody; 0: 1000 */
	double max_tokens;    /* 0: 8000 */
	uint64_t seed;        /* of the table of users */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_vtc_window_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_vtc_window aibrix_vtc_window;

/*
 * No tokens.  opts may be NULL.  *out is owned: aibrix_vtc_window_free.  All
 * memory is taken here.
 *
 * Fails: E_INVAL (a number out of its range, negative, above 10^15), E_ABI
 * (an unknown flag), E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vtc_window_new(const aibrix_vtc_window_opts *opts,
		      aibrix_vtc_window **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_vtc_window_free(aibrix_vtc_window *window);

/*
 * A user had these tokens at now_ns.  Negative numbers count as 0.  A clock
 * that goes backwards stands still.
 *
 * Fails: E_INVAL (user 0).
 * Cost: O(log users), and as much for each bucket that has ended.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vtc_window_add(aibrix_vtc_window *window, uint64_t user,
		      int64_t input_tokens, int64_t output_tokens,
		      uint64_t now_ns);

/*
 * The weighted tokens of a user within the window; 0 where nothing is known.
 *
 * Fails: E_INVAL.  Cost: as add.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_window_total(aibrix_vtc_window *window,
						    uint64_t user,
						    uint64_t now_ns,
						    double *total);

/*
 * The least and the most that a user has, of those who have any; with none
 * min_tokens and max_tokens of the options.
 *
 * Fails: E_INVAL.  Cost: as add.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_window_range(aibrix_vtc_window *window,
						    uint64_t now_ns,
						    double *least,
						    double *most);

/* One pod as vtc-basic sees it. */
typedef struct aibrix_vtc_score_request {
	uint32_t size;
	uint32_t flags;       /* AIBRIX_VTC_*_SET: MIN_TOKENS, FAIRNESS,
	                         UTILIZATION */
	uint32_t index;       /* of the pod in the list */
	uint32_t n;           /* pods in the list */
	double user_tokens;   /* the user's; NaN: not known, 0 */
	double least, most;   /* aibrix_vtc_window_range */
	double load;          /* requests running; NaN: not known, 0 */
	double noise;         /* AIBrix draws it from [0, 0.1) */
	double fairness_weight;    /* 0: 1 */
	double utilization_weight; /* 0: 1 */
	double max_load;           /* that counts as full; 0: 100 */
	double min_tokens;         /* 0: 1000 */
} aibrix_vtc_score_request;

/*
 * AIBrix's score; the pod with the lowest wins, the first of equals.
 * (Source: AIBrix pkg/plugins/gateway/algorithms/vtc/vtc_basic.go.)
 *
 * Fails: E_INVAL (index not below n, a number negative or not finite), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vtc_score(const aibrix_vtc_score_request *request, double *score);

/*
 * AIBrix's scores of a list of pods as a column, which strategy "vtc-basic"
 * reads (AIBRIX_COL_USER_SCORE): pod i of n is row rows[i], or row i where
 * rows is NULL.  scores has n_rows entries; those that are not in the list
 * become NaN.  loads, by row too, may be NULL: nobody's is known.  Of request
 * index, n, load and noise are not read; entropy draws the noise.
 *
 * Fails: E_INVAL (a row not below n_rows, a load that is not a number above
 * or at 0 or NaN; otherwise as aibrix_vtc_score), E_ABI.
 * Cost: O(n_rows), no allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vtc_scores(const aibrix_vtc_score_request *request,
		  const uint32_t *rows, uint32_t n, const double *loads,
		  uint64_t entropy, double *scores, uint32_t n_rows);

#ifdef __cplusplus
}
#endif

#endif
