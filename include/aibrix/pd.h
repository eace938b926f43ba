/*
 * Which pods serve a request where prefill and decode are apart.
 *
 *   split   groups that have both, lengths of prompts that pods are for, and
 *           pods that do both and step in
 *   gate    of those, the one that has far less to do than the others
 *   pick    the prefill and the decode of one group that score best
 *
 * Pure functions; nothing allocates, nothing is kept.  pd_ledger.h gates,
 * picks and charges in one step.
 *
 * (Source: AIBrix pkg/plugins/gateway/algorithms, pd_roleset.go and
 * pd_disaggregation.go.)
 */
#ifndef AIBRIX_PD_H
#define AIBRIX_PD_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a pod does. */
enum {
	AIBRIX_PD_NONE = 0, /* serves nobody: not in question */
	AIBRIX_PD_PREFILL = 1,
	AIBRIX_PD_DECODE = 2,
	AIBRIX_PD_COMBINED = 3 /* both: a whole request */
};

/* Frozen: 32 bytes. */
typedef struct aibrix_pd_pod {
	uint64_t group; /* its roleset: KV goes from prefill to decode of one */
	uint32_t role;  /* AIBRIX_PD_* */
	uint32_t spare; /* must be 0 */
	uint32_t min_tokens; /* prompts it is for */
	uint32_t max_tokens; /* likewise; 0: any.  Below min_tokens: none */
	/* requests that wait there by those it finishes in a second: seconds
	   of queue; NaN: not known */
	double load;
} aibrix_pd_pod;

enum {
	AIBRIX_PD_BUCKETS = 1,     /* compat: lengths and COMBINED count */
	AIBRIX_PD_LOW_LOAD_SET = 2, /* low_load counts, even if it is 0 */
	AIBRIX_PD_HIGH_LOAD_SET = 4,
	AIBRIX_PD_PREFILL_SPREAD_SET = 8,
	AIBRIX_PD_DECODE_SPREAD_SET = 16,
	AIBRIX_PD_TOKENS_SPREAD_SET = 32,
	AIBRIX_PD_SECONDS_RATIO_SET = 64,
	AIBRIX_PD_STDDEV_SET = 128, /* in the default form, too */
	AIBRIX_PD_RUNNING_WEIGHT_SET = 256,
	AIBRIX_PD_TOKENS_WEIGHT_SET = 512,
	AIBRIX_PD_HYBRID_FACTOR_SET = 1024
};

/* What pods are scored by.  Numbers are stable; doc/modules/pd.md has the
 * formulas. */
enum {
	/* prefill: PREFIX_CACHE in compat, else HYBRID; decode:
	   LOAD_BALANCING */
	AIBRIX_PD_POLICY_UNSET = 0,
	AIBRIX_PD_POLICY_PREFIX_CACHE = 1,  /* prefill */
	AIBRIX_PD_POLICY_LEAST_REQUEST = 2, /* both */
	AIBRIX_PD_POLICY_CONDUCTOR = 3,     /* both: milliseconds */
	AIBRIX_PD_POLICY_HYBRID = 4, /* prefill: prefix, or load where there is
	                                some */
	AIBRIX_PD_POLICY_LOAD_BALANCING = 5, /* decode */
	AIBRIX_PD_POLICY_TOKEN_LOAD = 6 /* both: tokens charged */
};

typedef struct aibrix_pd_opts {
	uint32_t size;
	uint32_t compat;  /* 1: as AIBrix; 0: the default form */
	uint32_t flags;   /* AIBRIX_PD_BUCKETS and others */
	uint32_t spare;   /* must be 0 */
	double low_load;  /* a COMBINED steps in below; default 0.25 */
	double high_load; /* for a group's pod above; default 1 */
	/* gates: how far apart the most and the least may be */
	double prefill_spread; /* requests; default 16 */
	double decode_spread;  /* requests, less than this; default 16 */
	double tokens_spread;  /* compat: tokens per second; default 2048 */
	double seconds_ratio;  /* most by least seconds; default 1.5 */
	/* scores */
	uint32_t prefill_policy; /* AIBRIX_PD_POLICY_* */
	uint32_t decode_policy;  /* likewise */
	/* prefills with more requests than the mean and this many standard
	   deviations are passed over; default 1 in compat, else nobody is */
	double stddev_factor;
	double running_weight; /* LOAD_BALANCING; default 1 */
	double tokens_weight;  /* compat LOAD_BALANCING; default 1 */
	/* HYBRID: what a whole prefix saves of a request, 0 to 1 (0: tokens
	   charged alone count); default 0.5 */
	double hybrid_factor;
	double min_match_percent; /* a match below is none; at most 100 */
} aibrix_pd_opts;

/* Why.  Numbers are stable. */
enum {
	AIBRIX_PD_REASON_NONE = 0,
	AIBRIX_PD_REASON_GROUPS = 1,   /* groups that have both */
	AIBRIX_PD_REASON_LENGTH = 2,   /* of them, those for the length */
	AIBRIX_PD_REASON_COMBINED = 3, /* no group is for it: a COMBINED */
	AIBRIX_PD_REASON_BUSY = 4,     /* groups are busy: an idle COMBINED */
	/* with E_NOT_FOUND */
	AIBRIX_PD_REASON_NO_GROUP = 5, /* no group has both, no COMBINED */
	AIBRIX_PD_REASON_NO_LENGTH = 6, /* none is for the length */
	/* of a pick */
	AIBRIX_PD_REASON_SCORE = 7, /* the best pair of a group */
	AIBRIX_PD_REASON_ONLY = 8,  /* there is one prefill and one decode */
	AIBRIX_PD_REASON_NO_DATA = 9, /* best by pending: else nothing known */
	/* with E_NOT_FOUND */
	AIBRIX_PD_REASON_NO_PREFILL = 10, /* the list is empty */
	AIBRIX_PD_REASON_NO_DECODE = 11,
	AIBRIX_PD_REASON_NO_PAIR = 12 /* no group has both, scored */
};

/* No COMBINED was chosen. */
#define AIBRIX_PD_NOBODY UINT32_MAX

typedef struct aibrix_pd_result {
	uint32_t size;
	uint32_t reason;    /* AIBRIX_PD_REASON_* */
	uint32_t n_prefill; /* in prefill */
	uint32_t n_decode;  /* in decode */
	uint32_t combined;  /* a place in pods, or AIBRIX_PD_NOBODY */
	uint32_t spare;
} aibrix_pd_result;

/*
 * Split pods for a prompt of prompt_tokens: prefill and decode, of n each,
 * become places in pods, ascending, of those that may; each prefill has a
 * decode in its group and the other way round.  Or both stay empty, and
 * result->combined serves alone.
 *
 * opts may be NULL.  entropy decides among equal COMBINED; in compat, where
 * no group is for the length, among all.
 *
 * Fails: E_NOT_FOUND (result->reason says why; the arrays hold nothing),
 * E_INVAL (role, spare, loads that are not finite or below 0 in opts;
 * pointers), E_ABI.
 * Cost: O(n) where pods of a group lie together, else O(n^(4/3)), no
 * allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_split(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
		uint32_t n, uint64_t prompt_tokens, uint64_t entropy,
		uint32_t *prefill, uint32_t *decode,
		aibrix_pd_result *result);

/*
 * Frozen: 64 bytes.  What is known of a pod.  Not known is NaN, and so is
 * taken what is infinite or below 0; it is never 0.
 */
typedef struct aibrix_pd_stat {
	/* requests sent there by the caller: for prefill and not prefilled;
	   for decode and not yet in running */
	uint32_t pending;
	uint32_t spare;      /* must be 0 */
	double running;      /* decode: requests there and not finished */
	double tokens_per_s; /* decode: of all its requests together */
	double finished_per_s; /* decode: requests, over a minute or so */
	double kv_usage;       /* decode: of its KV memory, 0 to 1 */
	double match_percent;  /* prefill: of the prompt held there, 0-100 */
	double prefill_s;      /* prefill: mean of one, as the engine says */
	/* prefill: tokens charged to it, those being computed and some of
	   those held for a decode; decode: prompts and what is expected of
	   answers.  Not known: 3500 for each request */
	double charged_tokens;
} aibrix_pd_stat;

/* Frozen: 24 bytes.  Places in pods, as from aibrix_pd_split. */
typedef struct aibrix_pd_lists {
	uint32_t *prefill, *decode;
	uint32_t n_prefill, n_decode;
} aibrix_pd_lists;

/* Gates that a request went through.  Numbers are stable. */
enum {
	AIBRIX_PD_GATE_PREFILL = 1, /* one prefill has far fewer requests */
	AIBRIX_PD_GATE_DECODE = 2,  /* one decode has far fewer requests */
	AIBRIX_PD_GATE_TOKENS = 4,  /* compat: far fewer tokens per second */
	AIBRIX_PD_GATE_SECONDS = 8  /* one is through with its own far sooner */
};

/*
 * Where pods are far from equally busy nothing else counts: leave in lists
 * the prefill with the fewest requests pending, and then the decode with the
 * least, each with what the other list has of its group.  *gates becomes
 * AIBRIX_PD_GATE_* of what was so; 0: the lists stay as they are.
 *
 * Of decodes only those whose requests are known are compared.  Where
 * requests are far apart the default form takes the decode that is soonest
 * through with its own, if finished_per_s is known of all it compares.
 *
 * stats are by place in pods.  opts may be NULL; entropy decides among
 * equals.
 *
 * Fails: E_INVAL (spare, options that are not finite or below 0, a place
 * that is not below n or has another role; pointers), E_ABI.
 * Cost: O(n_prefill + n_decode), no allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_gate(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
	       const aibrix_pd_stat *stats, uint32_t n, uint64_t entropy,
	       aibrix_pd_lists *lists, uint32_t *gates);

typedef struct aibrix_pd_pick_result {
	uint32_t size;
	uint32_t reason;  /* AIBRIX_PD_REASON_* */
	uint32_t prefill; /* a place in pods, or AIBRIX_PD_NOBODY */
	uint32_t decode;  /* likewise */
	uint32_t groups;  /* that have a pair */
	uint32_t ties;    /* of them, as good as the winner, itself too */
	uint32_t unknown; /* pods whose match or running is not known, where
	                     their policy asks for it */
	uint32_t gates;   /* AIBRIX_PD_GATE_*, of aibrix_pd_ledger_pick */
	/* prefill_score / max_prefill + decode_score / max_decode; the least
	   wins */
	double score;
	double prefill_score, decode_score;
	double max_prefill; /* of all scores, and at least 1 */
	double max_decode;  /* of all scores, and at least 0.01 */
	/* what decodes are measured by: the most of each, and at least 1 */
	double max_running, max_tokens_per_s, max_free_percent;
} aibrix_pd_pick_result;

/*
 * Pick the pair of one group whose scores add up to the least.  scores, of n
 * and by place in pods, becomes what each pod of the lists scored; NaN: it
 * did not, or is not in them.  The lists come back in order of groups.
 *
 * prompt_tokens is for CONDUCTOR.  Where a prefill's match is not known
 * nothing is counted on.  Where a decode's running is not known the default
 * form takes it for as busy as the others are in the mean; AIBrix scores it 1
 * if any other is known, else 0, and its pending.
 *
 * opts may be NULL; entropy decides among equals.
 *
 * Fails: E_NOT_FOUND (result->reason says why; the maxima are stored),
 * E_INVAL (as aibrix_pd_gate; policy, hybrid_factor above 1), E_ABI.
 * Cost: O(n), where lists have groups together, else O(n^(4/3)), no
 * allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_pick(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
	       const aibrix_pd_stat *stats, uint32_t n,
	       const aibrix_pd_lists *lists, uint64_t prompt_tokens,
	       uint64_t entropy, double *scores,
	       aibrix_pd_pick_result *result);

/*
 * What a pod's labels make of it: role is "prefill", "decode" or anything
 * else, group_index the place of an engine's node among several, of which
 * only "0" serves HTTP.  NULL: there is no such label.  combined: its
 * configuration says that it does both, which counts where role is neither
 * of the two.
 *
 * Unlike AIBrix a combined pod needs no role.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint32_t aibrix_pd_role(const char *role, const char *group_index,
				   uint32_t combined);

#ifdef __cplusplus
}
#endif

#endif
