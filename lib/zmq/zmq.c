/*
 * The subscriber: streams, and one descriptor for all their sockets.
 *
 * libzmq gives each socket a descriptor that is readable when the socket has
 * something to look after, not when a message is there, and that says so
 * once.  So they stand in one epoll set, and a stream that was shown stays
 * ready until taking from it has found all its sockets empty.
 *
 * Each poll begins with another stream, so that a busy one cannot take all
 * of max for ever.
 */

#include <aibrix/zmq.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "zmq/zmq_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_zmq_opts, alloc) };
enum { SINK_V1 = STRUCT_UPTO(aibrix_zmq_sink, clear) };
enum { STREAM_V1 = STRUCT_UPTO(aibrix_zmq_stream, state) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_zmq_stat, disconnects) };
enum { STATE_V1 = STRUCT_UPTO(aibrix_admit, lost) };

/* The high-water mark of vLLM's publisher. */
enum { HWM_DEFAULT = 100000, EVENTS_AT_ONCE = 64, TOPIC_MAX = 1024 };
static const uint64_t bytes_default = 64 << 20;
static const uint64_t second_ns = 1000000000;

static uint64_t
or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

static void
opts_take(struct aibrix_zmq *zmq, const aibrix_zmq_opts *o)
{
	zmq->hwm = o->hwm ? (int)o->hwm : HWM_DEFAULT;
	zmq->held_bytes = or_default(o->held_bytes, bytes_default);
	zmq->message_bytes = or_default(o->message_bytes, bytes_default);
	zmq->reconnect_ns = or_default(o->reconnect_ns, second_ns);
	zmq->reconnect_max_ns = or_default(o->reconnect_max_ns, 30 * second_ns);
	if (zmq->reconnect_max_ns < zmq->reconnect_ns)
		zmq->reconnect_max_ns = zmq->reconnect_ns;
	zmq->replay_ns = o->replay_ns;
	zmq->quiet_ns = or_default(o->quiet_ns, 10 * second_ns);
}

static int
outside_open(struct aibrix_zmq *zmq, void *context)
{
	zmq->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (zmq->epoll < 0)
		return AIBRIX_E_IO;
	zmq->context = context;
	if (!context) {
		zmq->context = zmq_ctx_new();
		zmq->own_context = 1;
	}
	return zmq->context ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

int
aibrix_zmq_new(const aibrix_zmq_opts *opts, aibrix_zmq **out)
{
	aibrix_zmq_sink sink = aibrix__zmq_index_sink;
	aibrix_zmq_opts o;
	aibrix_allocator a;
	aibrix_zmq *zmq;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (!err && o.sink)
		err = aibrix__struct_load(&sink, sizeof(sink), o.sink, SINK_V1);
	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	if (sink.flags)
		return AIBRIX_E_ABI;
	if (!sink.apply || !sink.clear || o.hwm > INT_MAX ||
	    o.message_bytes > INT64_MAX ||
	    (!o.sink && (!o.decoder || !o.index)))
		return AIBRIX_E_INVAL;
	zmq = aibrix__alloc(&a, 1, sizeof(*zmq));
	if (!zmq)
		return AIBRIX_E_NOMEM;
	zmq->a = a;
	zmq->sink = sink;
	zmq->decoder = o.decoder;
	zmq->index = o.index;
	if (!o.sink)
		zmq->sink.ctx = zmq;
	opts_take(zmq, &o);
	err = outside_open(zmq, o.context);
	if (err) {
		aibrix_zmq_free(zmq);
		return err;
	}
	*out = zmq;
	return AIBRIX_OK;
}

static void
stream_free(struct stream *stream)
{
	struct aibrix_zmq *zmq = stream->zmq;

	aibrix__zmq_dealer_close(stream);
	aibrix__zmq_sub_close(stream);
	aibrix__zmq_held_discard(stream);
	aibrix__free(&zmq->a, stream->held, stream->held_cap,
		     sizeof(*stream->held));
	aibrix__free(&zmq->a, stream->endpoint, stream->endpoint_bytes, 1);
	aibrix__free(&zmq->a, stream->replay, stream->replay_bytes, 1);
	aibrix__free(&zmq->a, stream->topic, stream->topic_bytes, 1);
	aibrix__free(&zmq->a, stream, 1, sizeof(*stream));
}

void
aibrix_zmq_free(aibrix_zmq *zmq)
{
	aibrix_allocator a;

	if (!zmq)
		return;
	a = zmq->a;
	for (uint32_t i = 0; i < zmq->n; i++)
		stream_free(zmq->streams[i]);
	if (zmq->own_context && zmq->context)
		zmq_ctx_term(zmq->context);
	if (zmq->epoll >= 0)
		close(zmq->epoll);
	aibrix__free(&a, zmq->streams, zmq->cap, sizeof(*zmq->streams));
	aibrix__free(&a, zmq, 1, sizeof(*zmq));
}

/* Its position, n: none. */
static uint32_t
stream_find(const aibrix_zmq *zmq, uint32_t owner)
{
	uint32_t i = 0;

	while (i < zmq->n && zmq->streams[i]->owner != owner)
		i++;
	return i;
}

static int
topic_copy(struct stream *stream, const char *topic)
{
	size_t n = topic ? strnlen(topic, TOPIC_MAX) : 0;

	if (n == TOPIC_MAX)
		return AIBRIX_E_INVAL;
	stream->topic = aibrix__alloc(&stream->zmq->a, n + 1, 1);
	if (!stream->topic)
		return AIBRIX_E_NOMEM;
	stream->topic_bytes = n + 1;
	if (n)
		memcpy(stream->topic, topic, n);
	return AIBRIX_OK;
}

/* A state is tried before it is trusted; where it was, it is no more. */
static int
state_restore(struct stream *stream, const aibrix_admit *state)
{
	aibrix_admit_action action = {.size = sizeof(action)};
	int err = aibrix__struct_load(&stream->state, sizeof(stream->state),
				      state, STATE_V1);

	stream->state.size = sizeof(stream->state);
	if (err || !state)
		return err;
	return aibrix_admit_step(&stream->admit, &stream->state,
				 AIBRIX_ADMIT_DISCONNECTED, 0, 0, 0, &action);
}

static int
stream_fill(struct stream *stream, const aibrix_zmq_stream *o)
{
	const struct aibrix_zmq *zmq = stream->zmq;
	int err;

	stream->owner = o->owner;
	stream->wait_ns = zmq->reconnect_ns;
	stream->admit = (aibrix_admit_opts){.size = sizeof(stream->admit),
					    .flags = o->flags,
					    .hold_max = o->hold_max,
					    .window = o->window,
					    .keep_lost = o->keep_lost,
					    .replay_ns = zmq->replay_ns};
	err = aibrix__zmq_endpoint(&zmq->a, o->endpoint, o->rank,
				   &stream->endpoint, &stream->endpoint_bytes);
	if (!err && o->replay) {
		err = aibrix__zmq_endpoint(&zmq->a, o->replay, o->rank,
					   &stream->replay,
					   &stream->replay_bytes);
		stream->admit.flags |= AIBRIX_ADMIT_CAN_REPLAY;
	}
	if (!err)
		err = topic_copy(stream, o->topic);
	if (!err)
		err = state_restore(stream, o->state);
	return err;
}

/* Connecting begins here, so that a wrong endpoint is refused. */
static int
stream_open(struct stream *stream)
{
	int err = AIBRIX_OK;

	if (stream->replay)
		err = aibrix__zmq_replay_check(stream);
	return err ? err : aibrix__zmq_sub_open(stream);
}

int
aibrix_zmq_add(aibrix_zmq *zmq, const aibrix_zmq_stream *stream)
{
	aibrix_zmq_stream o;
	struct stream *s;
	int err;

	if (!zmq || !stream)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), stream, STREAM_V1);
	if (err)
		return err;
	if (o.flags & ~(uint32_t)AIBRIX_ADMIT_STRICT)
		return AIBRIX_E_ABI;
	if (!o.endpoint)
		return AIBRIX_E_INVAL;
	if (stream_find(zmq, o.owner) != zmq->n)
		return AIBRIX_E_STATE;
	err = aibrix__grow(&zmq->a, &zmq->streams, &zmq->cap,
			   (size_t)zmq->n + 1, sizeof(*zmq->streams));
	if (err)
		return err;
	s = aibrix__alloc(&zmq->a, 1, sizeof(*s));
	if (!s)
		return AIBRIX_E_NOMEM;
	s->zmq = zmq;
	err = stream_fill(s, &o);
	if (!err)
		err = stream_open(s);
	if (err) {
		stream_free(s);
		return err;
	}
	zmq->streams[zmq->n++] = s;
	return AIBRIX_OK;
}

int
aibrix_zmq_remove(aibrix_zmq *zmq, uint32_t owner)
{
	uint32_t at;

	if (!zmq)
		return AIBRIX_E_INVAL;
	at = stream_find(zmq, owner);
	if (at == zmq->n)
		return AIBRIX_E_NOT_FOUND;
	stream_free(zmq->streams[at]);
	zmq->n--;
	memmove(&zmq->streams[at], &zmq->streams[at + 1],
		(zmq->n - at) * sizeof(*zmq->streams));
	return AIBRIX_OK;
}

/* Which streams have something.  wait_ms as for epoll_wait. */
static int
ready_mark(struct aibrix_zmq *zmq, int wait_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(zmq->epoll, events, EVENTS_AT_ONCE, wait_ms);

	if (n < 0)
		return errno == EINTR ? AIBRIX_OK : AIBRIX_E_IO;
	for (int i = 0; i < n; i++) {
		struct stream *stream = events[i].data.ptr;

		stream->ready = 1;
	}
	return AIBRIX_OK;
}

static uint32_t
streams_take(struct aibrix_zmq *zmq, uint64_t now_ns, uint32_t max)
{
	uint32_t n = 0;

	if (zmq->n)
		zmq->turn = (zmq->turn + 1) % zmq->n;
	for (uint32_t i = 0; i < zmq->n && n < max; i++) {
		struct stream *stream = zmq->streams[(zmq->turn + i) % zmq->n];

		if (stream->ready)
			n += aibrix__zmq_stream_take(stream, now_ns, max - n);
	}
	return n;
}

/* Rounded up: waking just before a thing is due would spin. */
static int
wait_milliseconds(const struct aibrix_zmq *zmq, uint64_t now_ns,
		  uint64_t timeout_ns)
{
	uint64_t ms;

	for (uint32_t i = 0; i < zmq->n; i++) {
		uint64_t due = aibrix__zmq_stream_due(zmq->streams[i]);

		if (due <= now_ns)
			return 0;
		if (due - now_ns < timeout_ns)
			timeout_ns = due - now_ns;
	}
	ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int
aibrix_zmq_poll(aibrix_zmq *zmq, uint64_t now_ns, uint64_t timeout_ns,
		uint32_t max, uint32_t *n)
{
	uint32_t taken;
	int err;

	if (!zmq || !n || !max)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < zmq->n; i++)
		aibrix__zmq_stream_time(zmq->streams[i], now_ns);
	err = ready_mark(zmq, 0);
	if (err)
		return err;
	taken = streams_take(zmq, now_ns, max);
	/* now_ns is no longer true behind a wait: what came waits for a call
	 * that knows the time, for patience begins with it. */
	if (!taken && timeout_ns)
		err = ready_mark(zmq,
				 wait_milliseconds(zmq, now_ns, timeout_ns));
	if (err)
		return err;
	*n = taken;
	return AIBRIX_OK;
}

int
aibrix_zmq_fd(const aibrix_zmq *zmq)
{
	return zmq ? zmq->epoll : -1;
}

int
aibrix_zmq_stats(const aibrix_zmq *zmq, uint32_t owner, aibrix_zmq_stat *stat)
{
	const struct stream *stream;
	aibrix_zmq_stat s;
	uint32_t at;

	if (!zmq || !stat)
		return AIBRIX_E_INVAL;
	at = stream_find(zmq, owner);
	if (at == zmq->n)
		return AIBRIX_E_NOT_FOUND;
	stream = zmq->streams[at];
	s = stream->stat;
	s.connected = stream->connected;
	s.phase = stream->state.phase;
	s.flags = stream->state.flags;
	s.next = stream->state.next;
	s.held = stream->state.held;
	s.held_bytes = stream->held_bytes;
	s.batches = stream->state.applied;
	s.duplicates = stream->state.duplicates;
	s.gaps = stream->state.gaps;
	s.replays = stream->state.replays;
	s.replays_failed = stream->state.failed;
	s.restarts = stream->state.epoch;
	s.lost = stream->state.lost;
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}

int
aibrix_zmq_state(const aibrix_zmq *zmq, uint32_t owner, aibrix_admit *state)
{
	uint32_t at;

	if (!zmq || !state)
		return AIBRIX_E_INVAL;
	at = stream_find(zmq, owner);
	if (at == zmq->n)
		return AIBRIX_E_NOT_FOUND;
	return aibrix__struct_store(state, &zmq->streams[at]->state,
				    sizeof(zmq->streams[at]->state), STATE_V1);
}
