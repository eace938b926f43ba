/*
 * Which pods serve a request where prefill and decode are apart.
 *
 *   split   groups that have both, lengths of prompts that pods are for, and
 *           pods that do both and step in
 *   gate    of those, the one that has far less to do than the others
 *
 * Pure functions; nothing allocates, nothing is kept.
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
	AIBRIX_PD_SECONDS_RATIO_SET = 64
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
	AIBRIX_PD_REASON_NO_LENGTH = 6 /* none is for the length */
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
 * Frozen: 32 bytes.  What is known of a pod.  Not known is NaN, and so is
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
