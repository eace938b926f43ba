#ifndef ZMQ_ZMQ_PUB_INTERNAL_H
#define ZMQ_ZMQ_PUB_INTERNAL_H

#include <zmq.h>

#include <aibrix/zmq_pub.h>

enum {
	PEER_MAX = 255,
	TURN = 64 /* replies to a peer before others, and queued for it */
};

/* Who asked for batches, and which are still to be sent. */
struct replay {
	uint64_t next, end; /* at end: only the end mark is owed */
	uint64_t moved;     /* the turn at which something was sent last */
	uint32_t peer_bytes;
	uint8_t peer[PEER_MAX];
};

struct aibrix_zmq_pub {
	aibrix_allocator a;
	void *context;
	int own_context;
	int reply_topic;
	void *socket, *router;
	char *endpoint, *replay, *topic;
	size_t endpoint_bytes, replay_bytes, topic_bytes; /* allocated */

	/* Batch seq is kept[seq % keep]; from first on. */
	zmq_msg_t *kept;
	uint32_t keep;
	uint64_t keep_bytes;
	uint64_t first;

	struct replay *replays;
	uint32_t n_replays, max_replays;
	uint32_t served; /* the replay whose turn it is */
	uint64_t turn;

	uint8_t *encoded; /* scratch */
	size_t encoded_cap;
	aibrix_zmq_pub_stat stat;
};

/* ---- zmq_replay.c */

/* Take requests, send at most max replies; how many. */
uint32_t aibrix__zmq_replay_serve(struct aibrix_zmq_pub *pub, uint32_t max);

/* A number as it travels. */
void aibrix__zmq_number_write(uint64_t seq, uint8_t out[8]);

#endif
