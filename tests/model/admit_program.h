/*
 * A byte string is a program: an engine that publishes, a network that
 * loses, doubles and breaks, and a host that does what the admission machine
 * says.  In the end the network heals, and what the host has applied is
 * compared with what the engine holds.
 *
 * Blocks are bits.  A publish turns one over: stores it, or removes it.  The
 * two messages that matter to a test of ordering, a store and its removal,
 * are thus two publishes of one block.
 *
 * admit_program_run returns NULL, or what went wrong.
 */
#ifndef MODEL_ADMIT_PROGRAM_H
#define MODEL_ADMIT_PROGRAM_H

#include <stdint.h>
#include <string.h>

#include <aibrix/admit.h>

enum { LOG = 64, WIRE = 64, HELD = 16, PATIENCE = 100 };

/* Settings of a program. */
enum {
	SET_REPLAY = 1, /* the publisher answers */
	SET_SHORT = 2,  /* and remembers its last 2 batches only */
	SET_DOUBLES = 4 /* the network may double: the window is open */
};

/* One byte each, modulo OPS. */
enum {
	OP_PUBLISH_0,
	OP_PUBLISH_1,
	OP_DELIVER,
	OP_LOSE,
	OP_REPLY,
	OP_RESTART,
	OP_BREAK, /* and make again; what was under way is lost */
	OP_DOUBLE,
	OP_LOSE_REPLY,
	OP_TIMEOUT,
	OPS
};

/* Planted in the host, never in the machine. */
enum {
	NO_FAULT,
	FAULT_NO_CLEAR,
	FAULT_HELD_FORGOTTEN,
	FAULT_NO_PRINT_OF_LIFE, /* prints of two processes are equal */
	FAULT_REPLAY_OUT_OF_ORDER
};

struct note {
	uint64_t seq;
	uint64_t print;
	uint32_t block;
	uint32_t store;
	uint32_t life;
	uint32_t spare;
};

struct queue {
	struct note at[WIRE];
	uint32_t first, n;
};

struct admit_world {
	aibrix_admit_opts opts;
	aibrix_admit state;
	uint64_t now;
	uint32_t settings;
	int fault;
	/* The engine. */
	struct note log[LOG];
	uint32_t n_log;
	uint32_t life;
	uint32_t engine_has;
	/* The network. */
	struct queue live, replies;
	uint32_t asked, asked_life; /* a request that is not served yet */
	uint64_t from;
	uint32_t told;  /* the life whose connection the host knows of */
	uint32_t lossy; /* replies were lost, or the time ran out */
	/* The host. */
	struct note held[HELD];
	uint32_t n_held;
	uint32_t has;
	const char *bad;
};

static inline void
queue_push(struct queue *q, const struct note *note)
{
	if (q->n < WIRE)
		q->at[(q->first + q->n++) % WIRE] = *note;
}

static inline struct note
queue_pop(struct queue *q)
{
	struct note note = q->at[q->first];

	q->first = (q->first + 1) % WIRE;
	q->n--;
	return note;
}

static inline void host_step(struct admit_world *w, uint32_t kind,
			     const struct note *note);

static inline void
host_apply(struct admit_world *w, const struct note *note)
{
	w->has &= ~(1u << note->block);
	w->has |= note->store << note->block;
}

static inline void
host_release(struct admit_world *w)
{
	uint32_t rounds = 0;

	while (w->state.phase == AIBRIX_ADMIT_RELEASING && !w->bad) {
		struct note note = w->held[0];
		uint32_t before = w->n_held;

		if (!w->n_held || rounds++ > HELD) {
			w->bad = "released what is not held";
			return;
		}
		host_step(w, AIBRIX_ADMIT_HELD, &note);
		if (w->n_held == before &&
		    w->state.phase == AIBRIX_ADMIT_RELEASING)
			w->bad = "a held batch neither stays nor goes";
	}
}

/* The order of the bits is the order of the deeds. */
static inline void
host_do(struct admit_world *w, uint32_t kind, const struct note *note,
	const aibrix_admit_action *a)
{
	uint32_t what =
		a->flags & (AIBRIX_ADMIT_DO_APPLY | AIBRIX_ADMIT_DO_HOLD |
			    AIBRIX_ADMIT_DO_DROP);

	if ((what & (what - 1)) || (note && !what) || (!note && what))
		w->bad = "not one deed for one batch";
	if ((a->flags & AIBRIX_ADMIT_DO_CLEAR) && w->fault != FAULT_NO_CLEAR)
		w->has = 0;
	if (a->flags & AIBRIX_ADMIT_DO_DISCARD)
		w->n_held = 0;
	if (a->flags & AIBRIX_ADMIT_DO_APPLY)
		host_apply(w, note);
	if (kind == AIBRIX_ADMIT_HELD && !(what & AIBRIX_ADMIT_DO_HOLD) &&
	    w->n_held) {
		w->n_held--;
		memmove(w->held, w->held + 1, w->n_held * sizeof(*w->held));
	} else if (kind != AIBRIX_ADMIT_HELD && (what & AIBRIX_ADMIT_DO_HOLD)) {
		if (w->n_held == HELD)
			w->bad = "held too many";
		else
			w->held[w->n_held++] = *note;
	}
	if (a->flags & AIBRIX_ADMIT_DO_REPLAY) {
		w->replies = (struct queue){0};
		w->asked = 1;
		w->from = a->from;
	} else if (w->state.phase != AIBRIX_ADMIT_GAP) {
		w->replies = (struct queue){0};
		w->asked = 0;
	}
	if (w->n_held != w->state.held)
		w->bad = "another number of held batches";
	if (w->fault == FAULT_HELD_FORGOTTEN &&
	    (a->flags & AIBRIX_ADMIT_DO_RELEASE)) {
		w->state.phase = AIBRIX_ADMIT_FOLLOW;
		w->state.next = w->state.live;
		w->state.held = w->n_held = 0;
	}
	if (a->flags & AIBRIX_ADMIT_DO_RELEASE)
		host_release(w);
}

static inline void
host_step(struct admit_world *w, uint32_t kind, const struct note *note)
{
	aibrix_admit_action a = {.size = sizeof(a)};
	uint64_t print = note ? note->print : 0;

	if (w->bad)
		return;
	if (w->fault == FAULT_NO_PRINT_OF_LIFE && note)
		print = note->seq + 1;
	if (aibrix_admit_step(&w->opts, &w->state, kind, note ? note->seq : 0,
			      print, w->now, &a))
		w->bad = "a step was refused";
	else
		host_do(w, kind, note, &a);
}

static inline void
engine_publish(struct admit_world *w, uint32_t block)
{
	struct note *note = &w->log[w->n_log];

	/* The last place is for the batch that shows all losses. */
	if (block < 2 && (w->n_log >= LOG - 1 || w->live.n >= WIRE - 1))
		return;
	*note = (struct note){.seq = w->n_log,
			      .print = (uint64_t)w->life << 32 | (w->n_log + 1),
			      .block = block,
			      .store = !(w->engine_has >> block & 1),
			      .life = w->life};
	w->engine_has ^= 1u << block;
	w->n_log++;
	queue_push(&w->live, note);
}

/* What the old connection left behind goes with its socket. */
static inline void
network_told(struct admit_world *w)
{
	if (w->told == w->life)
		return;
	w->told = w->life;
	while (w->live.n && w->live.at[w->live.first].life != w->life)
		queue_pop(&w->live);
	host_step(w, AIBRIX_ADMIT_CONNECTED, NULL);
}

/* The news of a connection comes before what came through it. */
static inline void
network_deliver(struct admit_world *w, int again)
{
	struct note note;

	if (!w->live.n)
		return;
	if (w->live.at[w->live.first].life == w->life)
		network_told(w);
	note = again ? w->live.at[w->live.first] : queue_pop(&w->live);
	host_step(w, AIBRIX_ADMIT_LIVE, &note);
}

/* The publisher answers with what it has when it gets to it. */
static inline void
publisher_serve(struct admit_world *w)
{
	static const struct note end = {.seq = AIBRIX_ADMIT_END};
	uint32_t first = 0;

	if (!w->asked || !(w->settings & SET_REPLAY))
		return;
	w->asked = 0;
	if ((w->settings & SET_SHORT) && w->n_log > 2)
		first = w->n_log - 2;
	for (uint32_t i = first; i < w->n_log; i++)
		if (w->log[i].seq >= w->from)
			queue_push(&w->replies, &w->log[i]);
	queue_push(&w->replies, &end);
	if (w->fault == FAULT_REPLAY_OUT_OF_ORDER && w->replies.n > 2) {
		struct note swap = w->replies.at[0];

		w->replies.at[0] = w->replies.at[1];
		w->replies.at[1] = swap;
		w->replies.at[0].seq = swap.seq;
		w->replies.at[1].seq = w->replies.at[0].seq + 1;
	}
}

static inline void
network_reply(struct admit_world *w, int lose)
{
	struct note note;

	publisher_serve(w);
	if (!w->replies.n)
		return;
	note = queue_pop(&w->replies);
	if (lose)
		w->lossy = 1;
	else if (note.seq == AIBRIX_ADMIT_END)
		host_step(w, AIBRIX_ADMIT_REPLAY_END, NULL);
	else
		host_step(w, AIBRIX_ADMIT_REPLAYED, &note);
}

static inline void
network_break(struct admit_world *w, int restart)
{
	w->replies = (struct queue){0};
	host_step(w, AIBRIX_ADMIT_DISCONNECTED, NULL);
	if (restart) {
		/* What the old process sent may come until the connection
		 * is made again. */
		w->n_log = 0;
		w->life++;
		w->engine_has = 0;
	} else {
		w->live = (struct queue){0};
		host_step(w, AIBRIX_ADMIT_CONNECTED, NULL);
	}
}

static inline void
world_op(struct admit_world *w, uint32_t op)
{
	switch (op) {
	case OP_PUBLISH_0: engine_publish(w, 0); break;
	case OP_PUBLISH_1: engine_publish(w, 1); break;
	case OP_DELIVER: network_deliver(w, 0); break;
	case OP_LOSE:
		if (w->live.n)
			queue_pop(&w->live);
		break;
	case OP_REPLY: network_reply(w, 0); break;
	case OP_RESTART: network_break(w, 1); break;
	case OP_BREAK: network_break(w, 0); break;
	case OP_DOUBLE:
		if (w->settings & SET_DOUBLES)
			network_deliver(w, 1);
		break;
	case OP_LOSE_REPLY: network_reply(w, 1); break;
	default:
		w->lossy |= w->state.phase == AIBRIX_ADMIT_GAP;
		w->now += PATIENCE + 1;
		host_step(w, AIBRIX_ADMIT_TICK, NULL);
		break;
	}
}

/* The network heals, and one more batch shows what was lost at the end. */
static inline void
world_settle(struct admit_world *w)
{
	uint32_t rounds = 0;

	network_told(w);
	engine_publish(w, 2);
	while (!w->bad && (w->live.n || w->replies.n || w->asked)) {
		if (rounds++ > 1000)
			w->bad = "does not come to rest";
		while (w->live.n)
			network_deliver(w, 0);
		publisher_serve(w);
		if (w->replies.n) {
			network_reply(w, 0);
		} else if (w->asked) {
			w->asked = 0;
			world_op(w, OP_TIMEOUT);
		} else if (w->state.phase == AIBRIX_ADMIT_GAP) {
			world_op(w, OP_TIMEOUT);
		}
	}
	/* An end marker may have been lost before. */
	while (!w->bad && w->state.phase == AIBRIX_ADMIT_GAP &&
	       rounds++ < 1000) {
		world_op(w, OP_TIMEOUT);
		while (w->asked || w->replies.n)
			network_reply(w, 0);
	}
}

static inline const char *
world_judge(const struct admit_world *w)
{
	uint32_t flags = w->state.flags;
	int stale = (flags & AIBRIX_ADMIT_STALE) != 0;
	int missing = (flags & AIBRIX_ADMIT_MISSING) != 0;

	if (w->bad)
		return w->bad;
	if (w->state.phase != AIBRIX_ADMIT_FOLLOW)
		return "does not follow in the end";
	if (!stale && (w->has & ~w->engine_has))
		return "holds a removed block and is not stale";
	if (!stale && !missing && w->has != w->engine_has)
		return "lacks a block and none is missing";
	if ((w->settings & (SET_REPLAY | SET_SHORT)) == SET_REPLAY &&
	    !w->lossy && (stale || missing))
		return "degraded although all could be had";
	return NULL;
}

static inline const char *
admit_program_run(const uint8_t *bytes, size_t len, uint32_t settings,
		  int fault)
{
	static struct admit_world zero;
	struct admit_world w = zero;

	w.settings = settings;
	w.fault = fault;
	w.life = 1;
	w.opts = (aibrix_admit_opts){
		.size = sizeof(w.opts),
		.flags = settings & SET_REPLAY ? AIBRIX_ADMIT_CAN_REPLAY : 0,
		.hold_max = 2,
		.window = settings & SET_DOUBLES ? 8 : 0,
		.keep_lost = 1,
		.replay_ns = PATIENCE};
	w.state.size = sizeof(w.state);
	for (size_t i = 0; i < len && !w.bad; i++)
		world_op(&w, bytes[i] % OPS);
	if (!w.bad)
		world_settle(&w);
	return world_judge(&w);
}

#endif
