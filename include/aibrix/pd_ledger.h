/*
 * The ledger where prefill and decode are apart: what this gateway has sent
 * to whom and what of it is not finished.
 *
 *              prefill: requests, tokens   KV held   decode: on their way,
 *                                                     requests, tokens
 *   pick                +                     +              +
 *   prefilled           -
 *   first token         -                     -              - on their way
 *   settle, or the      -                     -              -
 *   lease ends
 *
 * Gates, pick and charge are one step, so that of many requests at once each
 * sees those before it.  A charge is a reservation: each part of it is given
 * back once, in whatever order its ends are told, how often, or never.
 */
#ifndef AIBRIX_PD_LEDGER_H
#define AIBRIX_PD_LEDGER_H

#include <aibrix/base.h>
#include <aibrix/pd.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_PD_LEDGER_REQUEST_TOKENS_SET = 1, /* it counts, even 0 */
	AIBRIX_PD_LEDGER_KV_WEIGHT_SET = 2,
	/* as AIBrix: the prefill pod is charged for the KV until the end */
	AIBRIX_PD_LEDGER_KV_TO_END = 4
};

typedef struct aibrix_pd_ledger_opts {
	uint32_t size;
	uint32_t flags;    /* AIBRIX_PD_LEDGER_* */
	uint32_t max_open; /* reservations; 0: 65536, at most 2^20 */
	uint32_t max_pods; /* that others may be charged; 0: 4096, at most
	                      2^20 */
	uint64_t lease_ns; /* 0: 10 min; AIBRIX_FOREVER: none */
	uint64_t request_tokens; /* that a prefill costs beside its own;
	                            default 3500, at most 2^32 - 1 */
	double kv_weight; /* of tokens held, by those computed; default 0.3,
	                     at most 1 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_pd_ledger_opts;

/*
 * Thread: shared.
 */
typedef struct aibrix_pd_ledger aibrix_pd_ledger;

/*
 * An empty ledger.  opts may be NULL.  *out is owned: aibrix_pd_ledger_free.
 *
 * Fails: E_INVAL (a number out of range), E_ABI (flags), E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_ledger_new(const aibrix_pd_ledger_opts *opts, aibrix_pd_ledger **out);

/* Release, open reservations with it; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_pd_ledger_free(aibrix_pd_ledger *ledger);

/* Frozen: 32 bytes.  Pods, what is known of each, and who each is: a number
 * that no other pod ever has.  Borrowed. */
typedef struct aibrix_pd_view {
	const aibrix_pd_pod *pods;
	const aibrix_pd_stat *stats;
	const uint64_t *ids;
	uint32_t n; /* of each */
	uint32_t spare; /* must be 0 */
} aibrix_pd_view;

enum {
	AIBRIX_PD_REQUEST_GROUP = 1 /* group counts */
};

typedef struct aibrix_pd_request {
	uint32_t size;
	uint32_t flags;         /* AIBRIX_PD_REQUEST_* */
	uint64_t prompt_tokens; /* not counted: a fourth of the body's bytes */
	/* of the last prompt of its session, which the pod still has; 0: not
	   known.  Not above prompt_tokens it counts before a match. */
	uint64_t session_tokens;
	uint64_t output_tokens; /* that are expected */
	uint64_t entropy;
	/* where no gate fires, the pair is of this one if both lists have some
	   of it: a band of aibrix_pd_buckets_step */
	uint64_t group;
} aibrix_pd_request;

/*
 * aibrix_pd_gate and aibrix_pd_pick with the ledger's counts as pending and
 * charged_tokens (those of the stats do not count), and both pods of the pair
 * charged.  result->gates becomes what the gates were.  Where no decode in
 * the lists says what is running the ledger's requests do.  *ticket, never 0,
 * names the reservation.  Leases that ended before are given back first.
 *
 * A prefill is charged request_tokens and the prompt tokens that it has to
 * compute: what the session has grown by, or what is not matched, or all; a
 * decode the prompt and the output.
 *
 * Fails: as aibrix_pd_pick; E_FULL (max_open), E_ABI (flags), E_NOMEM;
 * nothing is charged then, though the lists may have been gated.
 * Cost: a gate and a pick, 64 bytes copied for each pod, a look-up for each
 * in the lists; allocates when more is open, or there are more pods, than
 * ever before.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_ledger_pick(aibrix_pd_ledger *ledger, const aibrix_pd_opts *opts,
		      const aibrix_pd_view *view, aibrix_pd_lists *lists,
		      const aibrix_pd_request *request, uint64_t now_ns,
		      double *scores, aibrix_pd_pick_result *result,
		      uint64_t *ticket);

/*
 * Charge a pair that was chosen elsewhere, or a COMBINED pod, then named
 * twice.  match_percent is of the prompt, of 100; NaN: not known.
 *
 * Fails: E_FULL, E_INVAL, E_ABI (flags), E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_ledger_charge(aibrix_pd_ledger *ledger, uint64_t prefill,
			uint64_t decode, const aibrix_pd_request *request,
			double match_percent, uint64_t now_ns,
			uint64_t *ticket);

/*
 * The prefill pod has answered, well or not: it computes no longer.  It may
 * still hold the KV.  The lease begins anew.
 *
 * Fails: E_NOT_FOUND (settled, expired, or never given).  Cost: O(1).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_prefilled(aibrix_pd_ledger *ledger,
						       uint64_t ticket,
						       uint64_t now_ns);

/*
 * The decode pod has sent something: it has the KV and counts the request
 * itself.  The lease begins anew.
 *
 * Fails, cost: as aibrix_pd_ledger_prefilled.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_ledger_first_token(aibrix_pd_ledger *ledger, uint64_t ticket,
			     uint64_t now_ns);

/* The request lives: its lease begins anew.
 * Fails: as aibrix_pd_ledger_prefilled.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_renew(aibrix_pd_ledger *ledger,
						   uint64_t ticket,
						   uint64_t now_ns);

/*
 * It has ended, well or not, or was cancelled: what is left of its charge is
 * given back.  Whoever comes second is told so and changes nothing.
 *
 * Fails, cost: as aibrix_pd_ledger_prefilled.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_settle(aibrix_pd_ledger *ledger,
						    uint64_t ticket);

/* Give back what was not heard of for a lease; *n becomes how many.
 * Fails: E_INVAL.  Cost: O(*n).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_expire(aibrix_pd_ledger *ledger,
						    uint64_t now_ns,
						    uint64_t *n);

/*
 * A pod has restarted or gone: nothing is charged to it any more, by this
 * gateway or others.  Its tickets stay open for the other pod of each.
 *
 * Fails: E_INVAL.  Cost: O(the most that was ever open).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_forget(aibrix_pd_ledger *ledger,
						    uint64_t pod);

/* Frozen: 48 bytes.  What is charged to a pod. */
typedef struct aibrix_pd_charge {
	uint64_t prefills;      /* requests, not prefilled */
	uint64_t tokens;        /* of them, to compute */
	uint64_t kv_tokens;     /* held for decodes, and being computed */
	uint64_t arriving;      /* requests to decode, no token yet */
	uint64_t decodes;       /* requests to decode, those too */
	uint64_t decode_tokens; /* of them, prompts and outputs */
} aibrix_pd_charge;

/* What this gateway has charged to a pod; zeros for one it does not know.
 * Fails: E_INVAL.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_ledger_read(aibrix_pd_ledger *ledger,
						  uint64_t pod,
						  aibrix_pd_charge *charge);

/*
 * What other gateways have charged to a pod, all together: it counts beside
 * what this one has until it is said anew (aibrix_share_sum, say).  All 0:
 * nothing.  Numbers count up to 2^52.
 *
 * Fails: E_FULL (max_pods), E_INVAL, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_ledger_others(aibrix_pd_ledger *ledger, uint64_t pod,
			const aibrix_pd_charge *charge);

/* Reservations that are open.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_pd_ledger_open(aibrix_pd_ledger *ledger);

#ifdef __cplusplus
}
#endif

#endif
