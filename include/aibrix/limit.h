/*
 * Rate limits: how many requests and tokens a user, or a model, may have.
 *
 * The default is GCRA, a bucket that drains evenly, for requests and tokens
 * at once.  What a request will cost is an estimate when it is let in and
 * known when it ends, so:
 *
 *   aibrix_limit_admit    charges the estimate, or refuses and says when
 *                         to come again
 *   aibrix_limit_settle   puts the estimate right
 *   aibrix_limit_cancel   the request never ran: takes it back
 *
 * Of any stretch of time as long as a bucket takes to drain, or shorter: the
 * requests let in during it cost together at most burst + what drains in it,
 * however many others were cancelled or cost less than they said.  What costs
 * more than its estimate is charged when that is known, and delays those
 * that come after.
 *
 * A reservation that is never settled needs no care: it drains.
 *
 * AIBRIX_LIMIT_COMPAT counts as AIBrix does, in windows of a minute.
 *
 * Memory is fixed: it is taken when the object is made, and no call takes
 * more.  Names are hostile: a user is what SHA-256 makes of the name, and
 * one whose bucket has drained is forgotten when another needs the room, at
 * no loss.  Only where all places that a name may have are held by users who
 * owe is a newcomer refused.
 */
#ifndef AIBRIX_LIMIT_H
#define AIBRIX_LIMIT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* Windows as AIBrix has them.  now_ns is then the time since 1970. */
	AIBRIX_LIMIT_COMPAT = 1
};

/* Most units and burst of a rate. */
#define AIBRIX_LIMIT_UNITS_MAX ((uint64_t)1 << 40)

typedef struct aibrix_limit_opts {
	uint32_t size;
	uint32_t flags;  /* AIBRIX_LIMIT_COMPAT */
	uint64_t users;  /* that may owe at once, each about 430 bytes;
	                    0: 16 384; at most 2^24 */
	uint64_t seed;   /* any secret number: where names lie in the table */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_limit_opts;

/*
 * Thread: shared.  Users lie in stripes, each with a lock of its own.
 */
typedef struct aibrix_limit aibrix_limit;

/*
 * Nobody owes anything.  opts may be NULL.  *out is owned:
 * aibrix_limit_free.
 *
 * Fails: E_INVAL (users), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_new(const aibrix_limit_opts *opts,
					     aibrix_limit **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_limit_free(aibrix_limit *limit);

/* Frozen: 24 bytes.  What drains, and what fits. */
typedef struct aibrix_limit_rate {
	uint64_t units;     /* in a period; 0: nothing may pass */
	uint64_t period_ns; /* 0: a minute; at most a week */
	uint64_t burst;     /* units at once; 0: as many as in a period */
} aibrix_limit_rate;

/* Everything is borrowed for the call. */
typedef struct aibrix_limit_request {
	uint32_t size;
	uint32_t spare; /* must be 0 */
	/* Whose buckets: bytes of any kind.  A host that limits users and
	   models on one object keeps them apart by a prefix. */
	const void *name;
	uint64_t name_bytes;
	const aibrix_limit_rate *requests; /* NULL: no such limit */
	const aibrix_limit_rate *tokens;   /* NULL: no such limit */
	uint64_t tokens_estimated;         /* at most 2^40 */
} aibrix_limit_request;

enum {
	AIBRIX_LIMIT_ADMITTED = 0,
	AIBRIX_LIMIT_REQUESTS = 1, /* too many requests */
	AIBRIX_LIMIT_TOKENS = 2,   /* too many tokens */
	/* The estimate is above the burst, or the rate is 0: it never will */
	AIBRIX_LIMIT_TOO_LARGE = 3,
	AIBRIX_LIMIT_NO_ROOM = 4 /* too many users owe */
};

/* Units of limits that are not set: INT64_MAX, as AIBrix has it. */
typedef struct aibrix_limit_verdict {
	uint32_t size;
	uint32_t reason;   /* AIBRIX_LIMIT_ADMITTED and so on */
	uint64_t retry_ns; /* refused: from now, when the same would be let in
	                      if nobody else came; FOREVER: never */
	uint64_t requests_limit;
	uint64_t requests_left; /* that could come now, after this one */
	uint64_t requests_reset_ns; /* from now, when the bucket is empty */
	uint64_t tokens_limit;
	uint64_t tokens_left;
	uint64_t tokens_reset_ns;
} aibrix_limit_verdict;

/* Frozen: 80 bytes.  What an admitted request was charged: the caller's to
 * keep until it ends, for the object that admitted it; opaque, and all zero
 * when there is nothing to settle. */
typedef struct aibrix_limit_ticket {
	uint64_t user[2];
	uint64_t at_ns;
	uint32_t turn;
	uint32_t shifts;
	uint64_t requests;
	uint64_t tokens;
	uint64_t request_units, request_period_ns;
	uint64_t token_units, token_period_ns;
} aibrix_limit_ticket;

/*
 * Charge one request and its estimated tokens, both or none.  *verdict says
 * which; on a refusal *ticket becomes zero.  Time that goes backwards stands
 * still for the user, so that nothing drains twice.
 *
 * AIBRIX_LIMIT_COMPAT charges no tokens here, and refuses for tokens a
 * request that it has counted, as AIBrix does.
 *
 * Fails: E_INVAL (a rate or the estimate out of range), E_ABI.
 * Cost: SHA-256 of the name and O(1), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_admit(aibrix_limit *limit, const aibrix_limit_request *request,
		   uint64_t now_ns, aibrix_limit_verdict *verdict,
		   aibrix_limit_ticket *ticket);

/*
 * What aibrix_limit_admit would say, and charge nothing.
 *
 * Fails: E_INVAL, E_ABI.  Cost: as admit.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_peek(aibrix_limit *limit, const aibrix_limit_request *request,
		  uint64_t now_ns, aibrix_limit_verdict *verdict);

/*
 * The request has ended and cost tokens.  *ticket becomes zero: a second
 * call is E_STATE and changes nothing.
 *
 * Fails: E_INVAL (tokens above 2^40), E_STATE (nothing to settle).
 * Cost: O(1), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_settle(aibrix_limit *limit,
						aibrix_limit_ticket *ticket,
						uint64_t tokens,
						uint64_t now_ns);

/*
 * The request never ran (another limit refused it, no engine took it): as if
 * it had not come.  Where nothing came after it the user's state is what it
 * would have been; else at most a quarter of a burst above that.
 *
 * Fails: E_STATE (nothing to settle).
 * Cost: O(1), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_cancel(aibrix_limit *limit,
						aibrix_limit_ticket *ticket,
						uint64_t now_ns);

/*
 * Charge without asking: what another gateway has let in, a fine.  Buckets
 * may owe more than their burst afterwards.
 *
 * Fails: E_INVAL (as admit; requests above 2^40), E_FULL (no room for another
 * user who owes; nothing is charged), E_ABI.
 * Cost: as admit.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_charge(aibrix_limit *limit, const aibrix_limit_request *request,
		    uint64_t requests, uint64_t now_ns);

/* The user owes nothing any more.  Fails: E_NOT_FOUND (not known), E_INVAL.
 * Cost: as admit.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_forget(aibrix_limit *limit,
						const void *name,
						uint64_t name_bytes);

/* Bytes that aibrix_limit_save may need.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_limit_save_bound(const aibrix_limit *limit);

/*
 * Write what every user owes, relative to now_ns: clocks of machines need
 * not agree.  *n becomes the length.  Users who come meanwhile may be in it
 * or not.
 *
 * Fails: E_SPACE (cap is below what is needed; *n says how much), E_INVAL.
 * Cost: O(users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_save(aibrix_limit *limit,
					      uint64_t now_ns, void *out,
					      uint64_t cap, uint64_t *n);

/*
 * Merge what was saved: of each bucket the fuller counts, so that a merge
 * may be repeated and comes in any order.  For a gateway that starts again or
 * takes over from another; gateways that run side by side add up what each
 * has let in (aibrix_limit_charge).
 *
 * Fails: E_PARSE (not such a text, or cut off, or of the other kind of
 * windows; nothing has changed), E_FULL (some found no room; the others are
 * merged), E_INVAL.
 * Cost: O(n).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_load(aibrix_limit *limit,
					      uint64_t now_ns,
					      const void *bytes, uint64_t n);

/* Counters only grow; gauges say so. */
typedef struct aibrix_limit_stat {
	uint32_t size;
	uint32_t spare;
	uint64_t users;    /* gauge: known, also those that owe nothing now */
	uint64_t places;   /* gauge: for users, fixed */
	uint64_t bytes;    /* gauge: memory, fixed */
	uint64_t admitted;
	uint64_t refused_requests;
	uint64_t refused_tokens;
	uint64_t refused_too_large;
	uint64_t refused_no_room;
	uint64_t settled;
	uint64_t cancelled;
	uint64_t uncharged; /* settled above their estimate, without room */
} aibrix_limit_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_limit_stats(aibrix_limit *limit,
					       aibrix_limit_stat *stat);

/* Frozen: 16 bytes.  When a bucket will have drained: ns, and part of one
 * more nanosecond in units of the rate.  All zero: empty. */
typedef struct aibrix_limit_due {
	uint64_t ns;
	uint64_t part;
} aibrix_limit_due;

/*
 * One bucket, for who keeps its 16 bytes elsewhere: let units in, and charge
 * them to *due (*retry_ns is then 0), or say when.
 *
 * Fails: E_INVAL (a rate or units out of range).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_gcra(const aibrix_limit_rate *rate, uint64_t units,
		  uint64_t now_ns, aibrix_limit_due *due, uint64_t *retry_ns);

/* What AIBrix keeps in Redis. */
enum {
	AIBRIX_LIMIT_USER = 0,      /* {"name","rpm","tpm"} */
	AIBRIX_LIMIT_USER_RPM = 1,
	AIBRIX_LIMIT_USER_TPM = 2,
	AIBRIX_LIMIT_MODEL_RPS = 3
};

/*
 * AIBrix's key: of a record (USER), or of a counter at unix_s seconds since
 * 1970, whose window lasts window_s (0: AIBrix's, a minute for users and a
 * second for models).  *n becomes its length; no NUL.
 *
 * Fails: E_INVAL (kind), E_SPACE (*n says how much).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_key(uint32_t kind, const void *name, uint64_t name_bytes,
		 uint64_t unix_s, uint64_t window_s, char *out, uint64_t cap,
		 uint64_t *n);

/*
 * What AIBrix tells a client that has exceeded limit ("user: ann has
 * exceeded RPM: 100"); the name as it is, so write it with
 * aibrix_reply_write, which escapes.  *n becomes its length; no NUL.
 *
 * Fails: E_INVAL (kind), E_SPACE (*n says how much).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_text(uint32_t kind, const void *name, uint64_t name_bytes,
		  uint64_t limit, char *out, uint64_t cap, uint64_t *n);

/*
 * Rates of AIBrix's user record, a JSON object: rpm absent or 0 is 100, tpm
 * absent or 0 is 1000 of rpm.  Other members are ignored.
 *
 * Fails: E_PARSE (*err_offset says where; not an object, a number that is
 * none), E_INVAL (negative or above AIBRIX_LIMIT_UNITS_MAX).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_limit_user_read(const char *text, uint64_t bytes,
		       aibrix_limit_rate *requests, aibrix_limit_rate *tokens,
		       uint64_t *err_offset);

#ifdef __cplusplus
}
#endif

#endif
