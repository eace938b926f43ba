/*
 * The publisher: batches out at once, the last of them kept.
 *
 *	batch --> kept[seq % keep] --+--> PUB     to whoever listens now
 *	                             '--> ROUTER  to whoever asks (zmq_replay.c)
 *
 * A payload is copied once, into a message of libzmq; ring, live queues and
 * replays share it by reference.  That is why a subscriber's queue is half
 * as long as the ring: what waits for a slow one is kept anyway and costs no
 * memory, and when its queue overflows, what it lost can still be asked for.
 *
 * The ring is filled first.  A live message that libzmq refuses is then only
 * a gap, as is each one that it drops for a subscriber that is too slow.
 */

#include <aibrix/zmq_pub.h>

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "zmq/zmq_internal.h"
#include "zmq/zmq_pub_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_zmq_pub_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_zmq_pub_stat, bad_requests) };

/* vLLM's buffer_steps. */
enum { KEEP = 10000, PEERS = 64, TOPIC_MAX = 1024 };
static const uint64_t keep_bytes_default = 64 << 20;

static int
opts_check(const aibrix_zmq_pub_opts *o)
{
	if (o->flags &
	    ~(uint32_t)(AIBRIX_ZMQ_PUB_BIND | AIBRIX_ZMQ_PUB_NO_TOPIC))
		return AIBRIX_E_ABI;
	if (!o->endpoint || o->hwm > INT_MAX || o->keep > INT_MAX)
		return AIBRIX_E_INVAL;
	if (o->topic && strnlen(o->topic, TOPIC_MAX) == TOPIC_MAX)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
memory_take(struct aibrix_zmq_pub *pub, const aibrix_zmq_pub_opts *o)
{
	const char *topic = o->topic ? o->topic : "";

	pub->keep = o->keep ? o->keep : KEEP;
	pub->keep_bytes = o->keep_bytes ? o->keep_bytes : keep_bytes_default;
	pub->max_replays = o->peers ? o->peers : PEERS;
	pub->topic_bytes = strlen(topic) + 1;
	pub->topic = aibrix__alloc(&pub->a, pub->topic_bytes, 1);
	pub->kept = aibrix__alloc(&pub->a, pub->keep, sizeof(*pub->kept));
	pub->replays =
		aibrix__alloc(&pub->a, pub->max_replays, sizeof(*pub->replays));
	if (!pub->topic || !pub->kept || !pub->replays)
		return AIBRIX_E_NOMEM;
	memcpy(pub->topic, topic, pub->topic_bytes);
	return AIBRIX_OK;
}

/* vLLM's rule. */
static int
is_bound(const aibrix_zmq_pub_opts *o)
{
	return (o->flags & AIBRIX_ZMQ_PUB_BIND) || strchr(o->endpoint, '*') ||
	       strstr(o->endpoint, "::") ||
	       strncmp(o->endpoint, "ipc://", 6) == 0 ||
	       strncmp(o->endpoint, "inproc://", 9) == 0;
}

static int
live_open(struct aibrix_zmq_pub *pub, const aibrix_zmq_pub_opts *o)
{
	int hwm = o->hwm ? (int)o->hwm : (int)(pub->keep + 1) / 2;
	int err = aibrix__zmq_endpoint(&pub->a, o->endpoint, o->rank,
				       &pub->endpoint, &pub->endpoint_bytes);

	if (err)
		return err;
	pub->socket = zmq_socket(pub->context, ZMQ_PUB);
	if (!pub->socket || aibrix__zmq_option(pub->socket, ZMQ_LINGER, 0) ||
	    aibrix__zmq_option(pub->socket, ZMQ_IPV6, 1) ||
	    aibrix__zmq_option(pub->socket, ZMQ_SNDHWM, hwm))
		return aibrix__zmq_error();
	if (is_bound(o) ? zmq_bind(pub->socket, pub->endpoint)
			: zmq_connect(pub->socket, pub->endpoint))
		return aibrix__zmq_error();
	return AIBRIX_OK;
}

static int
replay_open(struct aibrix_zmq_pub *pub, const aibrix_zmq_pub_opts *o)
{
	static const int64_t largest = 1024; /* a request has 8 bytes */
	int err = aibrix__zmq_endpoint(&pub->a, o->replay, o->rank,
				       &pub->replay, &pub->replay_bytes);

	if (err)
		return err;
	pub->router = zmq_socket(pub->context, ZMQ_ROUTER);
	if (!pub->router || aibrix__zmq_option(pub->router, ZMQ_LINGER, 0) ||
	    aibrix__zmq_option(pub->router, ZMQ_IPV6, 1) ||
	    aibrix__zmq_option(pub->router, ZMQ_ROUTER_MANDATORY, 1) ||
	    aibrix__zmq_option(pub->router, ZMQ_SNDHWM, TURN) ||
	    zmq_setsockopt(pub->router, ZMQ_MAXMSGSIZE, &largest,
			   sizeof(largest)) ||
	    zmq_bind(pub->router, pub->replay))
		return aibrix__zmq_error();
	return AIBRIX_OK;
}

static int
pub_open(struct aibrix_zmq_pub *pub, const aibrix_zmq_pub_opts *o)
{
	int err = memory_take(pub, o);

	if (err)
		return err;
	pub->reply_topic = !(o->flags & AIBRIX_ZMQ_PUB_NO_TOPIC);
	pub->context = o->context;
	if (!pub->context) {
		pub->context = zmq_ctx_new();
		pub->own_context = 1;
	}
	if (!pub->context)
		return AIBRIX_E_NOMEM;
	err = live_open(pub, o);
	if (!err && o->replay)
		err = replay_open(pub, o);
	return err;
}

int
aibrix_zmq_pub_new(const aibrix_zmq_pub_opts *opts, aibrix_zmq_pub **out)
{
	aibrix_zmq_pub_opts o;
	aibrix_allocator a;
	aibrix_zmq_pub *pub;
	int err;

	if (!opts || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (!err)
		err = opts_check(&o);
	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	pub = aibrix__alloc(&a, 1, sizeof(*pub));
	if (!pub)
		return AIBRIX_E_NOMEM;
	pub->a = a;
	err = pub_open(pub, &o);
	if (err) {
		aibrix_zmq_pub_free(pub);
		return err;
	}
	*out = pub;
	return AIBRIX_OK;
}

/* The oldest batch. */
static void
kept_drop(struct aibrix_zmq_pub *pub)
{
	zmq_msg_t *oldest = &pub->kept[pub->first++ % pub->keep];

	pub->stat.kept--;
	pub->stat.kept_bytes -= zmq_msg_size(oldest);
	zmq_msg_close(oldest);
}

void
aibrix_zmq_pub_free(aibrix_zmq_pub *pub)
{
	aibrix_allocator a;

	if (!pub)
		return;
	a = pub->a;
	while (pub->stat.kept)
		kept_drop(pub);
	if (pub->socket)
		zmq_close(pub->socket);
	if (pub->router)
		zmq_close(pub->router);
	if (pub->own_context && pub->context)
		zmq_ctx_term(pub->context);
	aibrix__free(&a, pub->endpoint, pub->endpoint_bytes, 1);
	aibrix__free(&a, pub->replay, pub->replay_bytes, 1);
	aibrix__free(&a, pub->topic, pub->topic_bytes, 1);
	aibrix__free(&a, pub->kept, pub->keep, sizeof(*pub->kept));
	aibrix__free(&a, pub->replays, pub->max_replays, sizeof(*pub->replays));
	aibrix__free(&a, pub->encoded, pub->encoded_cap, 1);
	aibrix__free(&a, pub, 1, sizeof(*pub));
}

/* Into the ring, at the cost of the oldest.  A batch that is larger than the
 * ring may hold stays alone. */
static void
kept_add(struct aibrix_zmq_pub *pub, zmq_msg_t *payload, uint64_t n)
{
	zmq_msg_t *place = &pub->kept[pub->stat.next % pub->keep];

	while (pub->stat.kept &&
	       (pub->stat.kept == pub->keep || n > pub->keep_bytes ||
		pub->stat.kept_bytes > pub->keep_bytes - n))
		kept_drop(pub);
	zmq_msg_init(place);
	zmq_msg_copy(place, payload);
	pub->stat.kept++;
	pub->stat.kept_bytes += n;
	pub->stat.next++;
}

/* A PUB takes all parts of a message or none. */
static void
live_send(struct aibrix_zmq_pub *pub, uint64_t seq, zmq_msg_t *payload)
{
	uint8_t number[8];
	int failed;

	aibrix__zmq_number_write(seq, number);
	failed = aibrix__zmq_part_send(pub->socket, pub->topic,
				       strlen(pub->topic), ZMQ_SNDMORE);
	failed |= aibrix__zmq_part_send(pub->socket, number, sizeof(number),
					ZMQ_SNDMORE);
	failed |= aibrix__zmq_last_send(pub->socket, payload);
	pub->stat.unsent += failed != 0;
}

int
aibrix_zmq_pub_send(aibrix_zmq_pub *pub, const void *payload, uint64_t n,
		    uint64_t *seq)
{
	zmq_msg_t message;

	if (!pub || (n && !payload) || n > SIZE_MAX)
		return AIBRIX_E_INVAL;
	if (zmq_msg_init_size(&message, (size_t)n))
		return AIBRIX_E_NOMEM;
	if (n)
		memcpy(zmq_msg_data(&message), payload, (size_t)n);
	if (seq)
		*seq = pub->stat.next;
	kept_add(pub, &message, n);
	pub->stat.bytes += n;
	live_send(pub, pub->stat.next - 1, &message);
	return AIBRIX_OK;
}

int
aibrix_zmq_pub_events(aibrix_zmq_pub *pub,
		      const aibrix_event_encoding *encoding,
		      const aibrix_event *events, uint32_t n_events,
		      uint64_t *seq)
{
	uint64_t n = 0;
	int err;

	if (!pub)
		return AIBRIX_E_INVAL;
	err = aibrix_event_encode(encoding, events, n_events, pub->encoded,
				  pub->encoded_cap, &n);
	if (err == AIBRIX_E_SPACE) {
		err = aibrix__grow(&pub->a, &pub->encoded, &pub->encoded_cap, n,
				   1);
		if (!err)
			err = aibrix_event_encode(encoding, events, n_events,
						  pub->encoded,
						  pub->encoded_cap, &n);
	}
	return err ? err : aibrix_zmq_pub_send(pub, pub->encoded, n, seq);
}

int
aibrix_zmq_pub_poll(aibrix_zmq_pub *pub, uint32_t max, uint32_t *n)
{
	size_t bytes = sizeof(int);
	int events;

	if (!pub || !max || !n)
		return AIBRIX_E_INVAL;
	/* Asking is what makes libzmq look at new subscriptions. */
	if (zmq_getsockopt(pub->socket, ZMQ_EVENTS, &events, &bytes))
		return AIBRIX_E_IO;
	*n = pub->router ? aibrix__zmq_replay_serve(pub, max) : 0;
	return AIBRIX_OK;
}

int
aibrix_zmq_pub_fd(const aibrix_zmq_pub *pub)
{
	size_t bytes = sizeof(int);
	int fd = -1;

	if (!pub || !pub->router ||
	    zmq_getsockopt(pub->router, ZMQ_FD, &fd, &bytes))
		return -1;
	return fd;
}

int
aibrix_zmq_pub_stats(const aibrix_zmq_pub *pub, aibrix_zmq_pub_stat *stat)
{
	aibrix_zmq_pub_stat s;

	if (!pub || !stat)
		return AIBRIX_E_INVAL;
	s = pub->stat;
	s.replaying = pub->n_replays;
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
