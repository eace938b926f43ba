/*
 * Admission of KV events: which batches of a publisher to apply, in which
 * order, and when what is known of it is no longer true.
 *
 * An engine publishes numbered batches: 0, 1, 2, ... since it started.  They
 * get lost (queues overflow, connections break), and the engine restarts
 * without a word.  It keeps its last batches and sends them again on request
 * (replay).  This machine holds the state of one such stream, of one owner,
 * and says for each thing that happens what to do about it.  It does nothing
 * by itself: the host owns sockets, held batches and the index.
 *
 *   what happened  -->  aibrix_admit_step  -->  flags of aibrix_admit_action
 *
 * doc/modules/admit.md has the whole table.
 */
#ifndef AIBRIX_ADMIT_H
#define AIBRIX_ADMIT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of no batch: it ends a replay. */
#define AIBRIX_ADMIT_END UINT64_MAX

enum {
	/* Batches can be asked for again.  Without it losses stay. */
	AIBRIX_ADMIT_CAN_REPLAY = 1,
	/* What is lost for good clears the owner, however little it is. */
	AIBRIX_ADMIT_STRICT = 2,
	/* The host has no room to hold the batch of this step. */
	AIBRIX_ADMIT_NO_ROOM = 4
};

/* The same for every step of a stream, but for NO_ROOM. */
typedef struct aibrix_admit_opts {
	uint32_t size;
	uint32_t flags;     /* AIBRIX_ADMIT_CAN_REPLAY, ... */
	uint32_t hold_max;  /* batches held at a time; 0: 1024 */
	uint32_t window;    /* a live number that steps back so far may be a
			       late double; 0: each is a restart */
	uint64_t keep_lost; /* blocks survive the loss of so many batches in a
			       row; 0: 64 */
	uint64_t replay_ns; /* patience without progress; 0: 5 s */
} aibrix_admit_opts;

enum {
	AIBRIX_ADMIT_FRESH = 0,     /* nothing seen yet */
	AIBRIX_ADMIT_FOLLOW = 1,    /* applying live batches */
	AIBRIX_ADMIT_GAP = 2,       /* a replay is in flight */
	AIBRIX_ADMIT_RELEASING = 3, /* the host gives held batches back */
	AIBRIX_ADMIT_LOST = 4       /* no connection */
};

/* aibrix_admit.flags */
enum {
	AIBRIX_ADMIT_STALE = 1,    /* blocks that the engine may have dropped */
	AIBRIX_ADMIT_MISSING = 2,  /* the engine may have blocks we lack */
	AIBRIX_ADMIT_HOLDS = 4,    /* something was applied since a clear */
	AIBRIX_ADMIT_UNPROVEN = 8, /* reconnected, and no replay can tell */
	AIBRIX_ADMIT_VERIFY = 16,  /* the last batch must be replayed, too */
	AIBRIX_ADMIT_COVERED = 32  /* the replay has given what was wanted */
};

/*
 * One stream.  All zero but size: nothing seen.  The host may read it, and
 * save and restore its bytes; the first step after that is LOST.
 * Counters only grow.
 */
typedef struct aibrix_admit {
	uint32_t size;
	uint32_t phase;       /* AIBRIX_ADMIT_FRESH, ... */
	uint32_t flags;       /* AIBRIX_ADMIT_STALE, ... */
	uint32_t held;        /* batches that the host holds */
	uint64_t next;        /* first batch neither applied nor given up */
	uint64_t live;        /* one above the last live number; 0: none */
	uint64_t print;       /* of batch next - 1; 0: not known */
	uint64_t live_print;  /* of batch live - 1; 0: not known */
	uint64_t held_first;  /* number of the first held batch */
	uint64_t wanted;      /* first number of the replay in flight */
	uint64_t deadline_ns; /* of the replay in flight */
	uint64_t epoch;       /* lives of the publisher that were seen to end */
	uint64_t applied;     /* batches applied */
	uint64_t duplicates;  /* batches that were known */
	uint64_t gaps;        /* times that numbers were missing */
	uint64_t replays;     /* requests for a replay */
	uint64_t failed;      /* of them: failed or timed out */
	uint64_t lost;        /* batches that were given up */
} aibrix_admit;

/* What happened. */
enum {
	AIBRIX_ADMIT_LIVE = 0,       /* a live batch came: seq, print */
	AIBRIX_ADMIT_REPLAYED = 1,   /* one of the replay came: seq, print */
	AIBRIX_ADMIT_REPLAY_END = 2, /* the replay has ended */
	AIBRIX_ADMIT_REPLAY_FAILED = 3,
	AIBRIX_ADMIT_HELD = 4,       /* the first held batch: seq, print */
	AIBRIX_ADMIT_TICK = 5,       /* time passes */
	AIBRIX_ADMIT_CONNECTED = 6,  /* for the first time, or again */
	AIBRIX_ADMIT_DISCONNECTED = 7,
	AIBRIX_ADMIT_CLEARED = 8     /* the batch applied last had the engine
					clear all its blocks */
};

/*
 * What to do, in this order.  Each step with a batch has exactly one of
 * APPLY, HOLD and DROP.
 */
enum {
	AIBRIX_ADMIT_DO_CLEAR = 1,    /* clear the owner in the index */
	AIBRIX_ADMIT_DO_DISCARD = 2,  /* forget all held batches */
	AIBRIX_ADMIT_DO_APPLY = 4,    /* apply this batch */
	AIBRIX_ADMIT_DO_HOLD = 8,     /* keep this batch, behind those held; one
					 that is held stays the first */
	AIBRIX_ADMIT_DO_DROP = 16,    /* forget this batch */
	AIBRIX_ADMIT_DO_REPLAY = 32,  /* ask for batches from action.from on; an
					 earlier request is over */
	AIBRIX_ADMIT_DO_RELEASE = 64, /* give held batches back, oldest first,
					 as HELD, while phase is RELEASING */
	AIBRIX_ADMIT_DEGRADED = 128   /* news: flags gained STALE or MISSING, or
					 batches were given up */
};

typedef struct aibrix_admit_action {
	uint32_t size;
	uint32_t flags; /* AIBRIX_ADMIT_DO_CLEAR, ... */
	uint64_t from;  /* with DO_REPLAY */
	uint64_t lost;  /* batches given up by this step */
} aibrix_admit_action;

/*
 * One step of the machine.  opts may be NULL.  seq and print matter for
 * LIVE, REPLAYED and HELD; print is aibrix_admit_print of the payload, or 0.
 *
 * Batches must come from one connection: after DISCONNECTED or CONNECTED no
 * LIVE batch that an older connection left in a queue, and after DO_REPLAY
 * no reply to an earlier request (use a socket of its own for each).  A
 * replay is in flight while phase is GAP.
 *
 * Fails: E_INVAL (size, kind, a state that no steps lead to), E_ABI, E_STATE
 * (LIVE while RELEASING, HELD while not; action and state are untouched).
 * Cost: O(1), no allocation.  Thread: any; confined per state.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_admit_step(const aibrix_admit_opts *opts, aibrix_admit *state,
		  uint32_t kind, uint64_t seq, uint64_t print, uint64_t now_ns,
		  aibrix_admit_action *action);

/*
 * 64 bits that tell a batch from another one with the same number: its
 * payload begins with the time at which it was made.  Never 0.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_admit_print(const void *payload, uint64_t n);

/* Frozen: 16 bytes.  One part of a message of several parts. */
typedef struct aibrix_part {
	const void *bytes; /* NULL: only with n 0 */
	uint64_t n;
} aibrix_part;

/* A message with a batch; pointers are those of its parts. */
typedef struct aibrix_admit_message {
	uint32_t size;
	uint32_t spare;
	uint64_t seq;       /* AIBRIX_ADMIT_END: the end of a replay */
	aibrix_part topic;
	aibrix_part payload;
} aibrix_admit_message;

/*
 * Read a live message: topic, number, payload; or number, payload.
 *
 * Fails: E_PARSE (other parts, a number not of 8 bytes, the number END),
 * E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_admit_read_live(const aibrix_part *parts, uint32_t n,
		       aibrix_admit_message *batch);

/*
 * Read a message of a replay: empty, number, payload; or empty, topic,
 * number, payload (vLLM since pull request 45177).  The last one has the
 * number END and no payload.
 *
 * Fails: E_PARSE, E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_admit_read_reply(const aibrix_part *parts, uint32_t n,
			aibrix_admit_message *batch);

enum { AIBRIX_ADMIT_REQUEST_BYTES = 8 };

/*
 * The second part of a request for a replay from batch seq on; the first
 * part is empty.
 *
 * Fails: E_INVAL (seq is END).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_admit_write_request(uint64_t seq,
			   uint8_t out[AIBRIX_ADMIT_REQUEST_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
