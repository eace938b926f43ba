/*
 * Replays: a subscriber asks for batches from a number on.
 *
 * vLLM answers a request at once and whole.  Its ROUTER drops what goes
 * beyond the queue of a peer (1000 messages), the end mark too, so that a
 * subscriber that was away for long waits for nothing.  Here a replay is an
 * entry in a small table: as much as the peer has room for is sent at each
 * poll (ZMQ_ROUTER_MANDATORY tells), and the entry stays until the end mark
 * is out.  A peer that has left is noticed in the same way.
 *
 * Peers take turns of a few batches.  When the table is full, a new request
 * takes the place of the one that has not moved for the longest time: a peer
 * that reads nothing cannot lock others out.
 */

#include <errno.h>
#include <string.h>

#include "zmq/zmq_internal.h"
#include "zmq/zmq_pub_internal.h"

enum { NUMBER_BYTES = 8 };

enum sending { SENT, FULL, GONE };

void
aibrix__zmq_number_write(uint64_t seq, uint8_t out[8])
{
	for (uint32_t i = 0; i < NUMBER_BYTES; i++)
		out[i] = (uint8_t)(seq >> (8 * (NUMBER_BYTES - 1 - i)));
}

static uint64_t
number_read(const uint8_t *bytes)
{
	uint64_t seq = 0;

	for (uint32_t i = 0; i < NUMBER_BYTES; i++)
		seq = seq << 8 | bytes[i];
	return seq;
}

static void
replay_remove(struct aibrix_zmq_pub *pub, uint32_t at)
{
	pub->replays[at] = pub->replays[--pub->n_replays];
}

/* The entry of this peer, n_replays: none. */
static uint32_t
replay_find(const struct aibrix_zmq_pub *pub, const void *peer, size_t n)
{
	uint32_t i = 0;

	while (i < pub->n_replays &&
	       (pub->replays[i].peer_bytes != n ||
		memcmp(pub->replays[i].peer, peer, n) != 0))
		i++;
	return i;
}

/* A place in the table for a new one. */
static struct replay *
replay_place(struct aibrix_zmq_pub *pub, const void *peer, size_t n)
{
	uint32_t at = replay_find(pub, peer, n);

	if (at < pub->n_replays) {
		pub->stat.gone++;
		return &pub->replays[at];
	}
	if (pub->n_replays < pub->max_replays)
		return &pub->replays[pub->n_replays++];
	at = 0;
	for (uint32_t i = 1; i < pub->n_replays; i++)
		if (pub->replays[i].moved < pub->replays[at].moved)
			at = i;
	pub->stat.crowded++;
	return &pub->replays[at];
}

/* Peer, empty, number. */
static void
request_read(struct aibrix_zmq_pub *pub, struct message *m)
{
	struct replay *replay;
	size_t n;

	n = m->n == 3 ? zmq_msg_size(&m->parts[0]) : 0;
	if (!n || n > PEER_MAX || zmq_msg_size(&m->parts[1]) ||
	    zmq_msg_size(&m->parts[2]) != NUMBER_BYTES) {
		pub->stat.bad_requests++;
		return;
	}
	replay = replay_place(pub, zmq_msg_data(&m->parts[0]), n);
	memcpy(replay->peer, zmq_msg_data(&m->parts[0]), n);
	replay->peer_bytes = (uint32_t)n;
	replay->next = number_read(zmq_msg_data(&m->parts[2]));
	replay->end = pub->stat.next;
	replay->moved = pub->turn;
	pub->stat.replays++;
	if (replay->next < pub->first)
		pub->stat.too_old++;
}

/* Whether a message to this peer can begin is known at its first part; the
 * others follow it. */
static enum sending
peer_begin(struct aibrix_zmq_pub *pub, const struct replay *replay)
{
	if (aibrix__zmq_part_send(pub->router, replay->peer, replay->peer_bytes,
				  ZMQ_SNDMORE))
		return zmq_errno() == EHOSTUNREACH ? GONE : FULL;
	return SENT;
}

/* libzmq refuses none of these: it takes a message whole. */
static void
part_send(struct aibrix_zmq_pub *pub, const void *bytes, size_t n)
{
	int failed = aibrix__zmq_part_send(pub->router, bytes, n, ZMQ_SNDMORE);

	(void)failed;
}

static enum sending
reply_send(struct aibrix_zmq_pub *pub, const struct replay *replay,
	   uint64_t seq, zmq_msg_t *payload)
{
	uint8_t number[NUMBER_BYTES];
	enum sending how;
	zmq_msg_t copy;

	how = peer_begin(pub, replay);
	if (how != SENT)
		return how;
	aibrix__zmq_number_write(seq, number);
	part_send(pub, "", 0);
	if (pub->reply_topic)
		part_send(pub, pub->topic, strlen(pub->topic));
	part_send(pub, number, sizeof(number));
	zmq_msg_init(&copy);
	if (payload)
		zmq_msg_copy(&copy, payload);
	if (aibrix__zmq_last_send(pub->router, &copy))
		return FULL;
	return SENT;
}

/* The next reply that is owed.  *done: it was the end. */
static enum sending
replay_step(struct aibrix_zmq_pub *pub, struct replay *replay, int *done)
{
	enum sending how;

	if (replay->next < pub->first) /* no longer kept */
		replay->next = pub->first;
	*done = replay->next >= replay->end;
	if (*done)
		return reply_send(pub, replay, AIBRIX_ADMIT_END, NULL);
	how = reply_send(pub, replay, replay->next,
			 &pub->kept[replay->next % pub->keep]);
	if (how == SENT) {
		replay->next++;
		pub->stat.replies++;
	}
	return how;
}

/* One peer's turn.  How many messages were sent; the entry may be gone. */
static uint32_t
replay_turn(struct aibrix_zmq_pub *pub, uint32_t at, uint32_t max)
{
	enum sending how = SENT;
	uint32_t n = 0;
	int done = 0;

	while (n < max && !done) {
		how = replay_step(pub, &pub->replays[at], &done);
		if (how != SENT)
			break;
		n++;
	}
	if (n)
		pub->replays[at].moved = ++pub->turn;
	if (how == GONE)
		pub->stat.gone++;
	if (how == GONE || (how == SENT && done))
		replay_remove(pub, at);
	return n;
}

/* A round over all peers. */
static uint32_t
round_serve(struct aibrix_zmq_pub *pub, uint32_t max)
{
	uint32_t n = 0, peers = pub->n_replays;

	for (uint32_t i = 0; i < peers && pub->n_replays && n < max; i++) {
		uint32_t left = max - n, before = pub->n_replays;

		pub->served %= pub->n_replays;
		n += replay_turn(pub, pub->served, left < TURN ? left : TURN);
		pub->served += before == pub->n_replays;
	}
	return n;
}

/* Looking for requests is also what tells libzmq to see which peers have
 * room again; so rounds go on until one after it has sent nothing. */
uint32_t
aibrix__zmq_replay_serve(struct aibrix_zmq_pub *pub, uint32_t max)
{
	uint32_t n = 0, more;
	struct message m;

	do {
		while (aibrix__zmq_message_take(pub->router, &m)) {
			request_read(pub, &m);
			aibrix__zmq_message_end(&m);
		}
		more = round_serve(pub, max - n);
		n += more;
	} while (more && n < max);
	return n;
}
