/*
 * The two legs of one request where prefill and decode are apart: when one
 * fails, or is silent for too long, what to do about the other at once.
 *
 *   prefill  start ------------ PREFILLED | PREFILL_FAILED | its time is up
 *                                   |
 *   decode   start (TOGETHER) or START_DECODE ... HEAD, DATA ... END
 *                                       '- first data -'- idle -'
 *
 * A state machine without a clock, connections or memory of its own: the
 * host says what has happened and when, and is told what to do.  A decode
 * pod that waits for KV which will never come holds its memory until its own
 * time is up (300 s in SGLang), and so does the client.
 *
 * (Source: AIBrix pkg/plugins/gateway/algorithms/pd, abort.go and
 * decode_watchdog.go of a later revision.)
 */
#ifndef AIBRIX_PD_LEGS_H
#define AIBRIX_PD_LEGS_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* The legs start together (SGLang, TensorRT-LLM generation first); else
	   decode starts when prefill has answered. */
	AIBRIX_PD_LEGS_TOGETHER = 1,
	AIBRIX_PD_LEGS_STREAM = 2,  /* the answer comes in pieces */
	AIBRIX_PD_LEGS_NO_ABORT = 4 /* the engine cannot, or has no rid */
};

/* Times: 0 is the default, AIBRIX_FOREVER none. */
typedef struct aibrix_pd_legs_opts {
	uint32_t size;
	uint32_t flags;         /* AIBRIX_PD_LEGS_* */
	uint64_t prefill_ns;    /* for its whole answer; 30 s */
	uint64_t abort_ns;      /* for the answer to an abort; 3 s */
	uint64_t abort_again_ns; /* after the first; 2 s */
	/* from prefill's answer, or the start of decode, to decode's first
	   data, STREAM; 60 s */
	uint64_t first_ns;
	/* the same without STREAM, where that is the whole answer; none */
	uint64_t response_ns;
	uint64_t idle_ns; /* between data; 120 s */
} aibrix_pd_legs_opts;

/* Frozen: 128 bytes.  One request; the caller's to keep, not to change. */
typedef struct aibrix_pd_legs {
	uint64_t prefill_ns, abort_ns, abort_again_ns;
	uint64_t first_ns, response_ns, idle_ns;
	uint64_t now_ns;
	uint64_t prefill_until_ns; /* FOREVER: nothing is awaited, and so on */
	uint64_t decode_until_ns;
	uint64_t abort_until_ns;
	uint64_t abort_again_at_ns;
	uint32_t flags;
	uint32_t prefill, decode; /* state of each leg */
	uint32_t answers;         /* what decode has sent */
	uint32_t failure;         /* AIBRIX_PD_FAILURE_* */
	uint32_t ended;           /* it has ended the request */
	uint32_t spare[4];
} aibrix_pd_legs;

/* What has happened. */
enum {
	AIBRIX_PD_EVENT_TICK = 0, /* time has passed */
	AIBRIX_PD_EVENT_PREFILLED = 1,
	AIBRIX_PD_EVENT_PREFILL_FAILED = 2, /* and a failure of it */
	AIBRIX_PD_EVENT_HEAD = 3, /* decode has answered, no data yet */
	AIBRIX_PD_EVENT_DATA = 4, /* of decode's answer */
	AIBRIX_PD_EVENT_END = 5,  /* decode is through, well */
	AIBRIX_PD_EVENT_DECODE_FAILED = 6,
	AIBRIX_PD_EVENT_CLIENT_GONE = 7,
	AIBRIX_PD_EVENT_ABORTED = 8 /* the abort was answered, or not */
};

/* What has failed.  Numbers are stable. */
enum {
	AIBRIX_PD_FAILURE_NONE = 0,
	/* of prefill: AIBrix's classes */
	AIBRIX_PD_FAILURE_SETUP = 1, /* it was never asked */
	AIBRIX_PD_FAILURE_TIMEOUT = 2,
	AIBRIX_PD_FAILURE_CANCELED = 3, /* also: the client has gone */
	AIBRIX_PD_FAILURE_TRANSPORT = 4,
	AIBRIX_PD_FAILURE_HTTP_STATUS = 5,
	/* it went well and its answer cannot be read: the KV is there.  Legs
	   that run together go on. */
	AIBRIX_PD_FAILURE_BAD_RESPONSE = 6,
	/* of decode */
	AIBRIX_PD_FAILURE_FIRST = 7, /* no first data in time */
	AIBRIX_PD_FAILURE_IDLE = 8,  /* no more data in time */
	AIBRIX_PD_FAILURE_DECODE = 9
};

/* What to do, all of it. */
enum {
	AIBRIX_PD_DO_START_DECODE = 1,
	AIBRIX_PD_DO_FAIL_CLIENT = 2, /* failure says why; sent 0: nothing has
	                                 reached it, so the request may be
	                                 tried elsewhere instead */
	AIBRIX_PD_DO_CANCEL_PREFILL = 4, /* close its connection */
	AIBRIX_PD_DO_CLOSE_DECODE = 8,   /* likewise */
	/* POST /abort_request {"rid": ...} to the decode pod, in the place of
	   one that is under way.  Its answer says nothing: an engine that does
	   not know the rid yet says yes too. */
	AIBRIX_PD_DO_ABORT = 16,
	/* the POST under way is of no use, or has taken too long; before a new
	   one */
	AIBRIX_PD_DO_CANCEL_ABORT = 32
};

typedef struct aibrix_pd_orders {
	uint32_t size;
	uint32_t actions; /* AIBRIX_PD_DO_* */
	uint32_t failure; /* AIBRIX_PD_FAILURE_*: what ended the request, or
	                     the first that it has survived */
	uint32_t sent;    /* 1: decode has sent data */
	uint32_t over;    /* 1: nothing is awaited any more */
	uint32_t spare;
	uint64_t next_ns; /* tell TICK then, if nothing happens before;
	                     FOREVER: no need */
} aibrix_pd_orders;

/*
 * The prefill leg, and with TOGETHER the other, starts now.  opts may be
 * NULL.  orders->next_ns is set.
 *
 * Fails: E_ABI (flags), E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pd_legs_start(const aibrix_pd_legs_opts *opts, uint64_t now_ns,
		     aibrix_pd_legs *legs, aibrix_pd_orders *orders);

/*
 * This has happened; an event that comes too late changes nothing.  failure
 * is for PREFILL_FAILED, one of SETUP to BAD_RESPONSE, else 0.  What happens
 * with the end of a time comes before it.  Time does not go back.
 *
 * Fails: E_INVAL (event, failure); then nothing has changed.
 * Cost: O(1), no allocation.  Thread: any (one request, one thread).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_legs_step(aibrix_pd_legs *legs,
						uint32_t event,
						uint32_t failure,
						uint64_t now_ns,
						aibrix_pd_orders *orders);

enum {
	AIBRIX_PD_RID_MORE = 17 /* bytes of a rid beside the request's id */
};

/*
 * An engine's name for a request, for both legs and an abort: id, "-" and 16
 * hex digits of entropy.  SGLang aborts every request whose name begins with
 * the one it is told, and of two such names none is the beginning of another
 * that is not as long.  Not terminated; *n becomes id_bytes + RID_MORE.
 *
 * Fails: E_SPACE (*n says how much), E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pd_rid(const char *id, uint64_t id_bytes,
					  uint64_t entropy, char *out,
					  uint64_t cap, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
