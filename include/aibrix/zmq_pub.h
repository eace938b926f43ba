/*
 * Publisher of KV events over ZeroMQ, for caches of ours: in libaibrix-zmq.so
 * (pkg-config aibrix-zmq), as vLLM's engines publish theirs.
 *
 *	PUB     [topic] [number] [payload]
 *	ROUTER  request [ ] [first number]
 *	        replies [ ] [topic] [number] [payload] ..., then number END
 *
 * Batches are numbered 0, 1, 2, ... since the publisher was made.  The last
 * ones are kept, and sent again to whoever asks.  Nothing here waits: a
 * subscriber that is too slow loses batches, sees that in the numbers and
 * asks for them.
 *
 * The host calls aibrix_zmq_pub_poll, from its loop (aibrix_zmq_pub_fd) or
 * after each batch.  libzmq has I/O threads; we start none.
 */
#ifndef AIBRIX_ZMQ_PUB_H
#define AIBRIX_ZMQ_PUB_H

#include <aibrix/base.h>
#include <aibrix/event.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_ZMQ_PUB_BIND = 1, /* bind endpoint, whatever it is */
	/* Replies without the topic, as vLLM had them before pull request
	   45177 and as AIBrix's gateway expects them. */
	AIBRIX_ZMQ_PUB_NO_TOPIC = 2
};

typedef struct aibrix_zmq_pub_opts {
	uint32_t size;
	uint32_t flags;       /* AIBRIX_ZMQ_PUB_* */
	/* As vLLM's: bound when it has a "*" or "::" in it or is ipc:// or
	   inproc://, "tcp://" followed by "*:5557"; else connected. */
	const char *endpoint;
	const char *replay;   /* bound; NULL: none */
	const char *topic;    /* NULL: "" */
	uint32_t rank;        /* added to the ports of both */
	uint32_t hwm;         /* batches queued for one subscriber; 0: half of
				 keep */
	uint32_t keep;        /* batches for replays; 0: 10000 */
	uint32_t peers;       /* replays under way at a time; 0: 64 */
	uint64_t keep_bytes;  /* of kept batches; 0: 64 MiB */
	void *context;        /* of libzmq, borrowed until _free; NULL: own */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_zmq_pub_opts;

/* Thread: confined. */
typedef struct aibrix_zmq_pub aibrix_zmq_pub;

/*
 * A publisher that listens.  *out is owned: aibrix_zmq_pub_free.
 *
 * With rank r, tcp ports become port + r and inproc names get "_dp<r>";
 * other endpoints take rank 0 only.
 *
 * Fails: E_INVAL (an endpoint, a topic of 1 KiB or more), E_ABI, E_NOMEM,
 * E_IO (the address is taken, no descriptors left).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_pub_new(const aibrix_zmq_pub_opts *opts,
					       aibrix_zmq_pub **out);

/*
 * Release; NULL is allowed.  What has not left for a subscriber is dropped.
 * Since: 0.1.
 */
AIBRIX_API void aibrix_zmq_pub_free(aibrix_zmq_pub *pub);

/*
 * Publish a batch: n bytes, copied.  *seq, if wanted, becomes its number.
 *
 * Fails: E_INVAL, E_NOMEM (nothing was published: no number was taken).
 * Cost: one copy of n bytes, whatever the number of subscribers.  Never
 * waits.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_pub_send(aibrix_zmq_pub *pub,
						const void *payload, uint64_t n,
						uint64_t *seq);

/*
 * Encode events (aibrix_event_encode) and publish them as a batch.
 *
 * Fails: as aibrix_event_encode and aibrix_zmq_pub_send.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_zmq_pub_events(aibrix_zmq_pub *pub,
		      const aibrix_event_encoding *encoding,
		      const aibrix_event *events, uint32_t n_events,
		      uint64_t *seq);

/*
 * Take requests for replays and send at most max replies, in turn to those
 * who asked; what a peer has no room for is sent later.  *n becomes the
 * number of replies sent; max of them: there may be more.  Never waits.
 *
 * A replay ends with the last batch that was published when it was asked
 * for.  Who asks again has given up what it asked for before.
 *
 * Fails: E_INVAL (pub, max 0, n).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_pub_poll(aibrix_zmq_pub *pub,
						uint32_t max, uint32_t *n);

/*
 * A descriptor that is readable when poll may have something to do, once poll
 * has sent fewer than max.  Poll every second or so besides.  -1: there is no
 * replay endpoint, or pub is NULL.
 *
 * Since: 0.1.
 */
AIBRIX_API int aibrix_zmq_pub_fd(const aibrix_zmq_pub *pub);

/* Counters only grow; gauges say so. */
typedef struct aibrix_zmq_pub_stat {
	uint32_t size;
	uint32_t replaying;    /* gauge: replays under way */
	uint64_t next;         /* gauge: number of the batch to come */
	uint64_t kept;         /* gauge: batches */
	uint64_t kept_bytes;   /* gauge */
	uint64_t bytes;        /* published */
	uint64_t unsent;       /* batches that libzmq refused to send live */
	uint64_t replays;      /* asked for */
	uint64_t replies;      /* batches sent again */
	uint64_t gone;         /* replays whose peer left, or asked anew */
	uint64_t crowded;      /* replays ended for want of room for others */
	uint64_t too_old;      /* replays asked for batches not kept */
	uint64_t bad_requests; /* not of the protocol */
} aibrix_zmq_pub_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_pub_stats(const aibrix_zmq_pub *pub,
						 aibrix_zmq_pub_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
