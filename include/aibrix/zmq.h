/*
 * Subscriber for the KV events of engines, over ZeroMQ: libaibrix-zmq.so,
 * a library of its own (pkg-config aibrix-zmq).
 *
 * Each stream is one publisher, that is one owner: a SUB socket for live
 * batches and, where the engine has one, a replay socket.  Batches go
 * through the admission machine of admit.h; what it admits goes to a sink,
 * in order, and restarts, losses and reconnects are dealt with.
 *
 * The host calls aibrix_zmq_poll, from its loop (aibrix_zmq_fd) or from a
 * thread of its own.  libzmq has I/O threads; we start none.
 */
#ifndef AIBRIX_ZMQ_H
#define AIBRIX_ZMQ_H

#include <aibrix/admit.h>
#include <aibrix/event.h>
#include <aibrix/index.h>

#ifdef __cplusplus
extern "C" {
#endif

/* apply: done, and the engine cleared all its blocks in this batch. */
enum { AIBRIX_ZMQ_ALL_CLEARED = 1 };

/*
 * Where admitted batches go.  Copied; ctx must outlive the subscriber.
 * Called from within aibrix_zmq_poll only; must not call the subscriber.
 */
typedef struct aibrix_zmq_sink {
	uint32_t size;
	uint32_t flags; /* must be 0 */
	void *ctx;
	/* A batch of owner, borrowed for the call.  Returns AIBRIX_OK,
	 * AIBRIX_ZMQ_ALL_CLEARED, or a failure, which is counted; the
	 * stream goes on. */
	int (*apply)(void *ctx, uint32_t owner, const void *payload,
		     uint64_t n);
	/* What owner held is no longer known: forget it. */
	void (*clear)(void *ctx, uint32_t owner);
} aibrix_zmq_sink;

typedef struct aibrix_zmq_opts {
	uint32_t size;
	uint32_t hwm;  /* messages queued per socket; 0: 100000 */
	void *context; /* of libzmq, borrowed until _free; NULL: own */
	const aibrix_zmq_sink *sink;   /* NULL: decoder and index */
	aibrix_event_decoder *decoder; /* borrowed until _free */
	aibrix_index *index;           /* borrowed until _free */
	uint64_t held_bytes;       /* of held batches, per stream; 0: 64 MiB */
	uint64_t message_bytes;    /* larger: the connection ends; 0: 64 MiB */
	uint64_t reconnect_ns;     /* first wait; 0: 1 s */
	uint64_t reconnect_max_ns; /* doubles up to this; 0: 30 s */
	uint64_t replay_ns;        /* as in aibrix_admit_opts; 0: 5 s */
	uint64_t quiet_ns;         /* a stream that falls quiet for so long is
				      asked once for what may have got lost
				      behind its last batch; 0: 10 s */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_zmq_opts;

typedef struct aibrix_zmq_stream {
	uint32_t size;
	uint32_t owner;
	const char *endpoint; /* copied; "tcp://10.0.0.1:5557", also ipc://,
				 inproc:// and IPv6 "tcp://[::1]:5557" */
	const char *replay;   /* copied; NULL: none */
	const char *topic;    /* copied; prefix; NULL: all */
	uint32_t rank;        /* added to the ports of both */
	uint32_t flags;       /* AIBRIX_ADMIT_STRICT */
	uint32_t hold_max;    /* as in aibrix_admit_opts */
	uint32_t window;      /* as in aibrix_admit_opts */
	uint64_t keep_lost;   /* as in aibrix_admit_opts */
	const aibrix_admit *state; /* where to go on; NULL: from the start */
} aibrix_zmq_stream;

/* Thread: confined. */
typedef struct aibrix_zmq aibrix_zmq;

/*
 * A subscriber without streams.  *out is owned: aibrix_zmq_free.
 *
 * Fails: E_INVAL (no sink, nor decoder and index), E_ABI, E_NOMEM, E_IO (no
 * descriptors left).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_new(const aibrix_zmq_opts *opts,
					   aibrix_zmq **out);

/* Release with all streams; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_zmq_free(aibrix_zmq *zmq);

/*
 * Follow a publisher.  Connecting goes on in the background, for ever.
 *
 * With rank r, tcp ports become port + r and inproc names get "_dp<r>", as
 * vLLM has them; other endpoints take rank 0 only.
 *
 * Fails: E_INVAL (an endpoint, a port above 65535, state), E_ABI, E_STATE
 * (the owner has a stream), E_NOMEM, E_IO.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_add(aibrix_zmq *zmq,
					   const aibrix_zmq_stream *stream);

/*
 * End the stream of owner; what was applied stays.
 *
 * Fails: E_NOT_FOUND, E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_remove(aibrix_zmq *zmq, uint32_t owner);

/*
 * Do what is due, and take what has come, up to max batches.  *n becomes
 * the number of batches taken, applied or not; max of them: there may be
 * more.
 *
 * With nothing to take, waits until there may be, at most timeout_ns and
 * not beyond the next thing that is due, and returns with *n 0: what came
 * is for the next call, which knows the time.
 *
 * Fails: E_INVAL (zmq, max 0, n), E_IO.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_poll(aibrix_zmq *zmq, uint64_t now_ns,
					    uint64_t timeout_ns, uint32_t max,
					    uint32_t *n);

/*
 * A descriptor that is readable when poll may have something to take, once
 * poll has returned fewer than max.  Poll every second or so besides: time
 * does not show here.  -1 for NULL.
 *
 * Since: 0.1.
 */
AIBRIX_API int aibrix_zmq_fd(const aibrix_zmq *zmq);

/* Counters only grow; gauges say so. */
typedef struct aibrix_zmq_stat {
	uint32_t size;
	uint32_t connected;    /* gauge: 1 or 0 */
	uint32_t phase;        /* gauge: AIBRIX_ADMIT_FRESH, ... */
	uint32_t flags;        /* gauge: AIBRIX_ADMIT_STALE, ... */
	uint64_t next;         /* gauge: the batch to come */
	uint64_t held;         /* gauge: batches */
	uint64_t held_bytes;   /* gauge */
	uint64_t batches;      /* applied */
	uint64_t bytes;        /* of them */
	uint64_t failed;       /* of them: the sink could not */
	uint64_t duplicates;
	uint64_t gaps;
	uint64_t replays;
	uint64_t replays_failed;
	uint64_t restarts;
	uint64_t clears;       /* by us, not by the engine */
	uint64_t lost;         /* batches that were given up */
	uint64_t degraded;     /* times that blocks were lost or in doubt */
	uint64_t bad_messages; /* not of the protocol */
	uint64_t connects;
	uint64_t disconnects;
} aibrix_zmq_stat;

/* Fails: E_NOT_FOUND (no stream of owner), E_INVAL.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_stats(const aibrix_zmq *zmq,
					     uint32_t owner,
					     aibrix_zmq_stat *stat);

/*
 * The state of a stream, to be saved beside a dump of the index and given
 * to aibrix_zmq_add later: the index then goes on where it was.
 *
 * Fails: E_NOT_FOUND (no stream of owner), E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_zmq_state(const aibrix_zmq *zmq,
					     uint32_t owner,
					     aibrix_admit *state);

#ifdef __cplusplus
}
#endif

#endif
