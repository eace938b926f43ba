/*
 * One stream: what its sockets bring goes through the admission machine, and
 * what the machine says is done.
 *
 * Order of taking: news of the connection, then held batches that are being
 * released, then replies, then live batches.  Live batches taken while a
 * replay is in flight are held as they came, without a copy; beyond
 * held_bytes they are dropped, and the machine asks for them later.
 *
 * Waits after a lost connection double from reconnect_ns to
 * reconnect_max_ns, and begin again once a batch has been applied: an
 * address that accepts and hangs up at once is not hammered.
 */

#include <string.h>

#include "base/alloc.h"
#include "zmq/zmq_internal.h"

enum { HELD_FIRST = 16 };

static uint64_t
time_after(uint64_t now_ns, uint64_t wait_ns)
{
	return wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

/* ---- held batches */

void
aibrix__zmq_held_discard(struct stream *stream)
{
	while (stream->held_first < stream->held_end)
		zmq_msg_close(&stream->held[stream->held_first++].payload);
	stream->held_first = stream->held_end = 0;
	stream->held_bytes = 0;
}

/* Messages move by libzmq's hand only, so the array grows by hand. */
static void
held_move(struct stream *stream, struct held *to)
{
	uint32_t n = stream->held_end - stream->held_first;

	for (uint32_t i = 0; i < n; i++) {
		struct held *from = &stream->held[stream->held_first + i];

		zmq_msg_init(&to[i].payload);
		zmq_msg_move(&to[i].payload, &from->payload);
		zmq_msg_close(&from->payload);
		to[i].seq = from->seq;
		to[i].print = from->print;
	}
	stream->held_first = 0;
	stream->held_end = n;
}

static int
held_grow(struct stream *stream)
{
	const aibrix_allocator *a = &stream->zmq->a;
	size_t cap = stream->held_cap ? 2 * stream->held_cap : HELD_FIRST;
	struct held *held;

	if (stream->held_end < stream->held_cap)
		return AIBRIX_OK;
	if (stream->held_first) {
		held_move(stream, stream->held);
		return AIBRIX_OK;
	}
	held = aibrix__alloc(a, cap, sizeof(*held));
	if (!held)
		return AIBRIX_E_NOMEM;
	held_move(stream, held);
	aibrix__free(a, stream->held, stream->held_cap, sizeof(*held));
	stream->held = held;
	stream->held_cap = cap;
	return AIBRIX_OK;
}

/* Room for one more batch of n bytes? */
static int
held_room(struct stream *stream, uint64_t n)
{
	const struct aibrix_zmq *zmq = stream->zmq;

	return stream->held_bytes <= zmq->held_bytes &&
	       n <= zmq->held_bytes - stream->held_bytes &&
	       held_grow(stream) == AIBRIX_OK;
}

static void
held_push(struct stream *stream, zmq_msg_t *payload, uint64_t seq,
	  uint64_t print)
{
	struct held *held = &stream->held[stream->held_end++];

	zmq_msg_init(&held->payload);
	zmq_msg_move(&held->payload, payload);
	held->seq = seq;
	held->print = print;
	stream->held_bytes += zmq_msg_size(&held->payload);
}

static void
held_pop(struct stream *stream)
{
	struct held *held = &stream->held[stream->held_first++];

	stream->held_bytes -= zmq_msg_size(&held->payload);
	zmq_msg_close(&held->payload);
	if (stream->held_first == stream->held_end)
		stream->held_first = stream->held_end = 0;
}

/* ---- steps */

static void stream_step(struct stream *stream, uint32_t kind, uint64_t seq,
			uint64_t print, zmq_msg_t *payload, uint64_t now_ns);

static void
batch_apply(struct stream *stream, zmq_msg_t *payload, uint64_t now_ns)
{
	const aibrix_zmq_sink *sink = &stream->zmq->sink;
	size_t n = zmq_msg_size(payload);
	int status =
		sink->apply(sink->ctx, stream->owner, zmq_msg_data(payload), n);

	stream->stat.bytes += n;
	stream->stat.failed += status < 0;
	stream->wait_ns = stream->zmq->reconnect_ns;
	stream->ask_quiet = 1;
	if (status == AIBRIX_ZMQ_ALL_CLEARED)
		stream_step(stream, AIBRIX_ADMIT_CLEARED, 0, 0, NULL, now_ns);
}

/* In the order of the bits.  A release is done by stream_take. */
static void
action_do(struct stream *stream, const aibrix_admit_action *action,
	  uint32_t kind, uint64_t seq, uint64_t print, zmq_msg_t *payload,
	  uint64_t now_ns)
{
	const aibrix_zmq_sink *sink = &stream->zmq->sink;

	if (action->flags & AIBRIX_ADMIT_DO_CLEAR) {
		sink->clear(sink->ctx, stream->owner);
		stream->stat.clears++;
	}
	if (action->flags & AIBRIX_ADMIT_DO_DISCARD)
		aibrix__zmq_held_discard(stream);
	if (action->flags & AIBRIX_ADMIT_DO_APPLY)
		batch_apply(stream, payload, now_ns);
	if (kind != AIBRIX_ADMIT_HELD && (action->flags & AIBRIX_ADMIT_DO_HOLD))
		held_push(stream, payload, seq, print);
	if (action->flags & AIBRIX_ADMIT_DO_REPLAY) {
		if (aibrix__zmq_dealer_open(stream, action->from))
			stream->ask_failed = 1;
	} else if (stream->state.phase != AIBRIX_ADMIT_GAP) {
		aibrix__zmq_dealer_close(stream);
	}
	if (action->flags & AIBRIX_ADMIT_DEGRADED)
		stream->stat.degraded++;
}

static void
stream_step(struct stream *stream, uint32_t kind, uint64_t seq, uint64_t print,
	    zmq_msg_t *payload, uint64_t now_ns)
{
	aibrix_admit_action action = {.size = sizeof(action)};
	aibrix_admit_opts opts = stream->admit;

	if (kind == AIBRIX_ADMIT_LIVE &&
	    !held_room(stream, zmq_msg_size(payload)))
		opts.flags |= AIBRIX_ADMIT_NO_ROOM;
	/* Refusals are for states and orders that do not occur here. */
	if (aibrix_admit_step(&opts, &stream->state, kind, seq, print, now_ns,
			      &action))
		return;
	action_do(stream, &action, kind, seq, print, payload, now_ns);
}

static void
event_step(struct stream *stream, uint32_t kind, uint64_t now_ns)
{
	stream_step(stream, kind, 0, 0, NULL, now_ns);
}

static void
message_step(struct stream *stream, struct message *message, uint32_t kind,
	     uint64_t now_ns)
{
	aibrix_admit_message read = {.size = sizeof(read)};
	aibrix_part parts[PARTS_MAX + 1] = {{NULL, 0}};
	uint32_t n = message->n;
	zmq_msg_t *payload;
	int err;

	for (uint32_t i = 0; i < n && i < PARTS_MAX; i++)
		parts[i] = (aibrix_part){zmq_msg_data(&message->parts[i]),
					 zmq_msg_size(&message->parts[i])};
	err = kind == AIBRIX_ADMIT_LIVE
		      ? aibrix_admit_read_live(parts, n, &read)
		      : aibrix_admit_read_reply(parts, n, &read);
	stream->last_ns = now_ns;
	if (err) {
		stream->stat.bad_messages++;
		return;
	}
	payload = &message->parts[n - 1];
	stream_step(stream, kind, read.seq,
		    aibrix_admit_print(read.payload.bytes, read.payload.n),
		    payload, now_ns);
}

/* ---- the connection */

static void
connection_made(struct stream *stream, uint64_t now_ns)
{
	stream->connected = 1;
	stream->ask_quiet = stream->replay != NULL;
	stream->last_ns = now_ns;
	stream->stat.connects++;
	event_step(stream, AIBRIX_ADMIT_CONNECTED, now_ns);
}

static void
connection_lost(struct stream *stream, uint64_t now_ns)
{
	const struct aibrix_zmq *zmq = stream->zmq;

	if (stream->connected) {
		stream->connected = 0;
		stream->stat.disconnects++;
		event_step(stream, AIBRIX_ADMIT_DISCONNECTED, now_ns);
	}
	aibrix__zmq_sub_close(stream);
	stream->open_at_ns = time_after(now_ns, stream->wait_ns);
	stream->wait_ns = stream->wait_ns > zmq->reconnect_max_ns / 2
				  ? zmq->reconnect_max_ns
				  : stream->wait_ns * 2;
}

/* Not 0: the connection is another one than before. */
static int
monitor_drain(struct stream *stream, uint64_t now_ns)
{
	uint32_t event;
	int lost = 0;

	while (!lost && (event = aibrix__zmq_monitor_take(stream))) {
		if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
			connection_made(stream, now_ns);
		else if (event == ZMQ_EVENT_DISCONNECTED)
			lost = 1;
	}
	if (lost)
		connection_lost(stream, now_ns);
	return lost;
}

static void
connection_open(struct stream *stream, uint64_t now_ns)
{
	if (aibrix__zmq_sub_open(stream))
		connection_lost(stream, now_ns);
}

/* Within a process there are no handshakes to be told of. */
static int
handshake_silent(const struct stream *stream)
{
	return strncmp(stream->endpoint, "inproc://", 9) == 0;
}

/* ---- taking */

static int
held_take(struct stream *stream, uint64_t now_ns)
{
	struct held *held = &stream->held[stream->held_first];
	uint32_t before = stream->state.held;

	stream_step(stream, AIBRIX_ADMIT_HELD, held->seq, held->print,
		    &held->payload, now_ns);
	if (stream->state.held >= before)
		return 0; /* it stays */
	held_pop(stream);
	return 1;
}

static int
reply_take(struct stream *stream, uint64_t now_ns)
{
	struct message message;

	if (!stream->dealer ||
	    !aibrix__zmq_message_take(stream->dealer, &message))
		return 0;
	message_step(stream, &message, AIBRIX_ADMIT_REPLAYED, now_ns);
	aibrix__zmq_message_end(&message);
	return 1;
}

static int
live_take(struct stream *stream, uint64_t now_ns)
{
	struct message message;

	if (!stream->sub || !aibrix__zmq_message_take(stream->sub, &message))
		return 0;
	/* Made or lost since?  A message that may be of another connection
	 * is not looked at: the replay has it. */
	if (!monitor_drain(stream, now_ns))
		message_step(stream, &message, AIBRIX_ADMIT_LIVE, now_ns);
	aibrix__zmq_message_end(&message);
	return 1;
}

uint32_t
aibrix__zmq_stream_take(struct stream *stream, uint64_t now_ns, uint32_t max)
{
	uint32_t n = 0;

	while (n < max) {
		stream->ready = 0; /* new sockets set it again */
		monitor_drain(stream, now_ns);
		if (stream->state.phase == AIBRIX_ADMIT_RELEASING)
			n += held_take(stream, now_ns);
		else if (reply_take(stream, now_ns) ||
			 live_take(stream, now_ns))
			n++;
		else if (!stream->ready)
			return n;
	}
	stream->ready = 1;
	return n;
}

/* ---- time */

/* Only a stream at rest is asked: what is under way tells by itself. */
static int
quiet_asks(const struct stream *stream)
{
	return stream->ask_quiet && stream->connected && stream->replay &&
	       stream->state.phase == AIBRIX_ADMIT_FOLLOW;
}

void
aibrix__zmq_stream_time(struct stream *stream, uint64_t now_ns)
{
	if (stream->ask_failed) {
		stream->ask_failed = 0;
		event_step(stream, AIBRIX_ADMIT_REPLAY_FAILED, now_ns);
	}
	if (!stream->sub && now_ns >= stream->open_at_ns)
		connection_open(stream, now_ns);
	if (stream->sub && !stream->connected && handshake_silent(stream))
		connection_made(stream, now_ns);
	if (quiet_asks(stream) &&
	    now_ns >= time_after(stream->last_ns, stream->zmq->quiet_ns)) {
		stream->ask_quiet = 0;
		event_step(stream, AIBRIX_ADMIT_CONNECTED, now_ns);
	}
	event_step(stream, AIBRIX_ADMIT_TICK, now_ns);
	/* A patience that ended may have begun a release. */
	if (stream->state.phase == AIBRIX_ADMIT_RELEASING)
		stream->ready = 1;
}

uint64_t
aibrix__zmq_stream_due(const struct stream *stream)
{
	uint64_t due = AIBRIX_FOREVER, quiet;

	if (stream->ask_failed)
		return 0;
	if (!stream->sub)
		due = stream->open_at_ns;
	if (stream->state.phase == AIBRIX_ADMIT_GAP &&
	    stream->state.deadline_ns < due)
		due = stream->state.deadline_ns;
	if (quiet_asks(stream)) {
		quiet = time_after(stream->last_ns, stream->zmq->quiet_ns);
		due = quiet < due ? quiet : due;
	}
	return due;
}
