#ifndef ZMQ_ZMQ_INTERNAL_H
#define ZMQ_ZMQ_INTERNAL_H

#include <zmq.h>

#include <aibrix/zmq.h>

/* A live batch that waits for a replay. */
struct held {
	zmq_msg_t payload; /* as it came: nothing is copied */
	uint64_t seq, print;
};

struct stream {
	struct aibrix_zmq *zmq;
	uint32_t owner;
	uint32_t ready;      /* its sockets may have something */
	uint32_t connected;  /* a handshake was made */
	uint32_t ask_quiet;  /* batches came since the last such question */
	uint32_t ask_failed; /* the replay could not be asked for */
	char *endpoint, *replay, *topic;
	size_t endpoint_bytes, replay_bytes, topic_bytes; /* allocated */
	void *sub, *monitor, *dealer;
	uint64_t wait_ns;    /* before the next attempt, when one fails */
	uint64_t open_at_ns; /* when sub is NULL */
	uint64_t last_ns;    /* when something was taken */
	aibrix_admit_opts admit;
	aibrix_admit state;
	struct held *held; /* from first on, oldest first */
	size_t held_cap;
	uint32_t held_first, held_end;
	uint64_t held_bytes;
	aibrix_zmq_stat stat; /* what state does not count */
};

struct aibrix_zmq {
	aibrix_allocator a;
	aibrix_zmq_sink sink;
	aibrix_event_decoder *decoder; /* of our own sink */
	aibrix_index *index;
	void *context;
	int own_context;
	int epoll;
	int hwm;
	uint32_t n;
	uint32_t turn; /* of the stream that is served first */
	uint64_t held_bytes, message_bytes;
	uint64_t reconnect_ns, reconnect_max_ns, replay_ns, quiet_ns;
	uint64_t monitors; /* ever made: their names differ */
	struct stream **streams;
	size_t cap;
};

/* ---- zmq_endpoint.c */

/*
 * endpoint with the ports of rank, as a string of *bytes bytes, owned.
 * Fails: E_INVAL, E_NOMEM.
 */
int aibrix__zmq_endpoint(const aibrix_allocator *a, const char *endpoint,
			 uint32_t rank, char **out, size_t *bytes);

/* ---- zmq_socket.c: sockets, and messages from them */

enum { PARTS_MAX = 4 };

/* What libzmq's last failure is among ours. */
int aibrix__zmq_error(void);
int aibrix__zmq_option(void *socket, int option, int value);

/* Part of a message, ZMQ_SNDMORE: not the last; the last one, which is
 * closed in any case.  Never wait; 0, or -1. */
int aibrix__zmq_part_send(void *socket, const void *bytes, size_t n, int flags);
int aibrix__zmq_last_send(void *socket, zmq_msg_t *part);

struct message {
	zmq_msg_t parts[PARTS_MAX];
	uint32_t n; /* received; above PARTS_MAX: the rest is gone */
};

/* Connect sub and its monitor.  Fails: E_INVAL, E_IO, E_NOMEM. */
int aibrix__zmq_sub_open(struct stream *stream);
void aibrix__zmq_sub_close(struct stream *stream);

/* A new dealer with a request for batches from seq on. */
int aibrix__zmq_dealer_open(struct stream *stream, uint64_t seq);
void aibrix__zmq_dealer_close(struct stream *stream);

/* Would libzmq take the replay endpoint?  Fails: E_INVAL, E_IO, E_NOMEM. */
int aibrix__zmq_replay_check(struct stream *stream);

/* 1: a message, which is then to be ended; 0: none there. */
int aibrix__zmq_message_take(void *socket, struct message *message);
void aibrix__zmq_message_end(struct message *message);

/* The next event of the monitor, 0: none. */
uint32_t aibrix__zmq_monitor_take(struct stream *stream);

/* ---- zmq_sink.c */

/* The sink of hosts without one: decoder and index, from ctx, the
 * subscriber. */
extern const aibrix_zmq_sink aibrix__zmq_index_sink;

/* ---- zmq_stream.c: one stream and its admission */

/* What time brings: attempts to connect, questions, the end of patience. */
void aibrix__zmq_stream_time(struct stream *stream, uint64_t now_ns);

/* When that is next, AIBRIX_FOREVER: never. */
uint64_t aibrix__zmq_stream_due(const struct stream *stream);

/* Take at most max batches.  ready is 0 then if there are no more. */
uint32_t aibrix__zmq_stream_take(struct stream *stream, uint64_t now_ns,
				 uint32_t max);

/* Forget all held batches. */
void aibrix__zmq_held_discard(struct stream *stream);

#endif
