/*
 * Admission of the batches of one publisher.
 *
 *            CONNECTED or live n > 0        replay ends, nothing held
 *   FRESH ------------------------> GAP -----------------------------.
 *     |                             ^ |                              v
 *     |  live 0                     | '-- ends --> RELEASING ---> FOLLOW
 *     '-----------------------------|------------------------------> |
 *                                   |<-- a number is missing --------|
 *                        CONNECTED  |                                |
 *                            LOST --'<--------- DISCONNECTED --------'
 *
 * Two cursors.  next is the first batch that is neither applied nor given
 * up; live is one above the last live number.  A replay may run ahead of
 * the live socket, so a live number below next is known already, while one
 * below live has stepped back: the publisher began anew.  live > next says
 * that a batch is missing although no live batch will show it any more.
 *
 * A connection that was made again may lead to another process, whose
 * numbers have passed ours.  Numbers cannot show that.  So the replay is
 * asked for the last batch that was applied as well (VERIFY), and its print
 * must be the one we remember; a process that does not have that batch at
 * all is another one.
 *
 * Nothing is applied out of order: a removal that came before its store
 * would leave a block for ever.
 *
 * Unlike AIBrix (pkg/cache/kvcache/zmq_client.go) replayed batches are
 * applied, gaps are closed, and a restart clears what the old process held.
 */

#include <aibrix/admit.h>

#include "base/versioned.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_admit_opts, replay_ns) };
enum { STATE_V1 = STRUCT_UPTO(aibrix_admit, lost) };
enum { ACTION_V1 = STRUCT_UPTO(aibrix_admit_action, lost) };

enum { HOLD_DEFAULT = 1024, KEEP_DEFAULT = 64 };
/* AIBrix's replay timeout. */
static const uint64_t replay_default_ns = UINT64_C(5000000000);

enum {
	OPTION_FLAGS = AIBRIX_ADMIT_CAN_REPLAY | AIBRIX_ADMIT_STRICT |
		       AIBRIX_ADMIT_NO_ROOM,
	STATE_FLAGS = AIBRIX_ADMIT_STALE | AIBRIX_ADMIT_MISSING |
		      AIBRIX_ADMIT_HOLDS | AIBRIX_ADMIT_UNPROVEN |
		      AIBRIX_ADMIT_VERIFY | AIBRIX_ADMIT_COVERED
};

struct step {
	aibrix_admit_opts o;
	aibrix_admit s;
	aibrix_admit_action a;
	uint64_t seq, print, now_ns;
};

/* What degrades is news only once, what is lost every time. */
static void
flags_gain(struct step *t, uint32_t flags)
{
	if ((t->s.flags & flags) != flags)
		t->a.flags |= AIBRIX_ADMIT_DEGRADED;
	t->s.flags |= flags;
}

static int
can_replay(const struct step *t)
{
	return (t->o.flags & AIBRIX_ADMIT_CAN_REPLAY) != 0;
}

static int
owner_holds(const struct step *t)
{
	return (t->s.flags & AIBRIX_ADMIT_HOLDS) != 0;
}

static void
owner_clear(struct step *t)
{
	t->a.flags |= AIBRIX_ADMIT_DO_CLEAR;
	t->s.flags &= ~(uint32_t)(AIBRIX_ADMIT_HOLDS | AIBRIX_ADMIT_STALE);
}

static void
held_discard(struct step *t)
{
	if (t->s.held)
		t->a.flags |= AIBRIX_ADMIT_DO_DISCARD;
	t->s.held = 0;
}

static void
batch_apply(struct step *t)
{
	t->a.flags |= AIBRIX_ADMIT_DO_APPLY;
	t->s.flags |= AIBRIX_ADMIT_HOLDS;
	t->s.next = t->seq + 1;
	t->s.print = t->print;
	t->s.applied++;
}

static void
batch_drop(struct step *t)
{
	t->a.flags |= AIBRIX_ADMIT_DO_DROP;
}

static void
batch_drop_known(struct step *t)
{
	batch_drop(t);
	t->s.duplicates++;
}

/* What finds no room is asked for later: live is above next then. */
static void
batch_hold(struct step *t)
{
	uint32_t max = t->o.hold_max ? t->o.hold_max : HOLD_DEFAULT;

	if (t->s.held >= max || (t->o.flags & AIBRIX_ADMIT_NO_ROOM)) {
		batch_drop(t);
		return;
	}
	if (!t->s.held)
		t->s.held_first = t->seq;
	t->s.held++;
	t->a.flags |= AIBRIX_ADMIT_DO_HOLD;
}

static void
deadline_set(struct step *t)
{
	uint64_t patience = t->o.replay_ns ? t->o.replay_ns : replay_default_ns;

	t->s.deadline_ns = patience > UINT64_MAX - t->now_ns
				   ? UINT64_MAX
				   : t->now_ns + patience;
}

static void
replay_ask(struct step *t, uint64_t from)
{
	t->s.phase = AIBRIX_ADMIT_GAP;
	t->s.flags &= ~(uint32_t)(AIBRIX_ADMIT_COVERED | AIBRIX_ADMIT_VERIFY);
	t->s.wanted = from;
	t->s.replays++;
	deadline_set(t);
	t->a.flags |= AIBRIX_ADMIT_DO_REPLAY;
	t->a.from = from;
}

/* From the last batch on, which must still be the one we applied.  What
 * came live until here may be of another process than what will come. */
static void
replay_verify(struct step *t)
{
	held_discard(t);
	t->s.live = 0;
	t->s.live_print = 0;
	if (!t->s.next) { /* no batch to know the process by, and no block */
		owner_clear(t);
		replay_ask(t, 0);
		return;
	}
	replay_ask(t, t->s.next - 1);
	t->s.flags |= AIBRIX_ADMIT_VERIFY;
}

static void
next_skip(struct step *t, uint64_t seq)
{
	t->s.next = seq;
	t->s.print = seq && seq == t->s.live ? t->s.live_print : 0;
}

/* Batches from next up to, not including, seq are gone for good. */
static void
batches_give_up(struct step *t, uint64_t seq)
{
	uint64_t n = seq - t->s.next;
	uint64_t keep = t->o.keep_lost ? t->o.keep_lost : KEEP_DEFAULT;

	next_skip(t, seq);
	t->s.lost += n;
	t->a.lost += n;
	t->a.flags |= AIBRIX_ADMIT_DEGRADED;
	if (owner_holds(t)) {
		if (n > keep || (t->o.flags & AIBRIX_ADMIT_STRICT))
			owner_clear(t);
		else
			flags_gain(t, AIBRIX_ADMIT_STALE);
	}
	flags_gain(t, AIBRIX_ADMIT_MISSING);
}

/* What came before the first batch that can be had is no loss, but missing. */
static void
beginning_give_up(struct step *t, uint64_t seq)
{
	next_skip(t, seq);
	if (seq)
		flags_gain(t, AIBRIX_ADMIT_MISSING);
}

static void
missing_give_up(struct step *t, uint64_t seq)
{
	if (!t->s.next && !owner_holds(t))
		beginning_give_up(t, seq);
	else
		batches_give_up(t, seq);
}

/* Another process publishes: what the old one had is gone.  What came live
 * since the connection was made is of the new one. */
static void
life_begin(struct step *t)
{
	owner_clear(t);
	t->s.flags &= ~(uint32_t)(AIBRIX_ADMIT_MISSING | AIBRIX_ADMIT_UNPROVEN |
				  AIBRIX_ADMIT_VERIFY);
	t->s.next = 0;
	t->s.print = 0;
	t->s.epoch++;
}

static void
live_seen(struct step *t)
{
	t->s.live = t->seq + 1;
	t->s.live_print = t->print;
}

/* The first live batch of a process, or of our knowing it. */
static void
live_begin(struct step *t)
{
	live_seen(t);
	if (t->seq && can_replay(t)) {
		batch_hold(t);
		replay_ask(t, 0);
		return;
	}
	beginning_give_up(t, t->seq);
	batch_apply(t);
	t->s.phase = AIBRIX_ADMIT_FOLLOW;
	t->s.flags &= ~(uint32_t)AIBRIX_ADMIT_COVERED;
}

/* A live number not above one that was seen. */
static void
live_back(struct step *t)
{
	int near = t->s.live - t->seq <= t->o.window;

	if (t->seq + 1 == t->s.live && t->print &&
	    t->print == t->s.live_print) {
		batch_drop_known(t); /* the same batch again */
	} else if (t->seq && (t->s.flags & AIBRIX_ADMIT_VERIFY)) {
		batch_drop(t); /* the replay in flight tells which it is */
	} else if (near && can_replay(t)) {
		batch_drop(t);
		replay_verify(t);
		live_seen(t);
	} else if (near && !(t->s.flags & AIBRIX_ADMIT_UNPROVEN)) {
		batch_drop_known(t);
		if (owner_holds(t))
			flags_gain(t, AIBRIX_ADMIT_STALE);
	} else {
		life_begin(t);
		held_discard(t);
		live_begin(t);
	}
}

/* Everything up to next is settled; is there more than that? */
static void
follow(struct step *t)
{
	t->s.phase = AIBRIX_ADMIT_FOLLOW;
	if (t->s.live <= t->s.next)
		return;
	t->s.gaps++;
	if (can_replay(t))
		replay_ask(t, t->s.next);
	else
		batches_give_up(t, t->s.live);
}

static void
live_follow(struct step *t)
{
	if (t->seq < t->s.next) {
		batch_drop_known(t);
		return;
	}
	if (t->s.flags & AIBRIX_ADMIT_UNPROVEN) {
		t->s.flags &= ~(uint32_t)AIBRIX_ADMIT_UNPROVEN;
		if (owner_holds(t))
			flags_gain(t, AIBRIX_ADMIT_STALE);
	}
	if (t->seq > t->s.next) {
		t->s.gaps++;
		if (can_replay(t)) {
			batch_hold(t);
			replay_ask(t, t->s.next);
			return;
		}
		missing_give_up(t, t->seq);
	}
	batch_apply(t);
}

static int
step_live(struct step *t)
{
	uint64_t seen = t->s.live;

	if (t->s.phase == AIBRIX_ADMIT_RELEASING)
		return AIBRIX_E_STATE;
	/* Where nothing can verify, next is a cursor of the old connection. */
	if ((t->s.flags & AIBRIX_ADMIT_UNPROVEN) && t->s.next > seen)
		seen = t->s.next;
	if (t->seq == AIBRIX_ADMIT_END || t->s.phase == AIBRIX_ADMIT_LOST) {
		batch_drop(t);
	} else if (t->s.phase == AIBRIX_ADMIT_FRESH) {
		owner_clear(t);
		live_begin(t);
	} else if (t->seq < seen) {
		live_back(t);
	} else {
		live_seen(t);
		if (t->s.phase == AIBRIX_ADMIT_FOLLOW)
			live_follow(t);
		else if (t->seq < t->s.next)
			batch_drop_known(t);
		else
			batch_hold(t);
	}
	return AIBRIX_OK;
}

/* After a request that did not give what it was asked for. */
static void
gap_close(struct step *t, int failed)
{
	uint64_t to = t->s.held ? t->s.held_first : t->s.live;

	if (to > t->s.next) {
		/* Routers drop replies to slow readers: what came shows
		 * that asking helps. */
		if (!failed && (t->s.flags & AIBRIX_ADMIT_COVERED)) {
			replay_ask(t, t->s.next);
			return;
		}
		missing_give_up(t, to);
	}
	t->s.phase = AIBRIX_ADMIT_FOLLOW;
	t->s.flags &= ~(uint32_t)AIBRIX_ADMIT_COVERED;
	if (t->s.held) {
		t->s.phase = AIBRIX_ADMIT_RELEASING;
		t->a.flags |= AIBRIX_ADMIT_DO_RELEASE;
	}
}

static int
step_end(struct step *t, int failed)
{
	int verify = (t->s.flags & AIBRIX_ADMIT_VERIFY) != 0;

	if (t->s.phase != AIBRIX_ADMIT_GAP)
		return AIBRIX_OK;
	t->s.failed += failed != 0;
	t->s.flags &= ~(uint32_t)AIBRIX_ADMIT_VERIFY;
	if (verify && !failed) {
		/* A process always has its last batch. */
		life_begin(t);
		replay_ask(t, 0);
		return AIBRIX_OK;
	}
	if (failed && !t->s.next && !t->s.held)
		flags_gain(t, AIBRIX_ADMIT_MISSING);
	gap_close(t, failed);
	/* Held batches may be of one process, what we know of another. */
	if (verify && (owner_holds(t) || t->s.held))
		flags_gain(t, AIBRIX_ADMIT_STALE);
	return AIBRIX_OK;
}

static void
replayed_verify(struct step *t)
{
	if (t->seq < t->s.wanted) {
		batch_drop_known(t);
		return;
	}
	t->s.flags &= ~(uint32_t)AIBRIX_ADMIT_VERIFY;
	if (t->seq > t->s.wanted) {
		/* Nobody can tell: begin with what there is. */
		life_begin(t);
		beginning_give_up(t, t->seq);
		batch_apply(t);
	} else if (t->print && t->s.print && t->print != t->s.print) {
		life_begin(t);
		batch_drop(t);
		replay_ask(t, 0);
		return;
	} else {
		batch_drop_known(t);
		if ((!t->print || !t->s.print) && owner_holds(t))
			flags_gain(t, AIBRIX_ADMIT_STALE);
	}
	t->s.flags |= AIBRIX_ADMIT_COVERED;
	deadline_set(t);
}

static int
step_replayed(struct step *t)
{
	if (t->seq == AIBRIX_ADMIT_END)
		return step_end(t, 0);
	if (t->s.phase != AIBRIX_ADMIT_GAP) {
		batch_drop(t);
		return AIBRIX_OK;
	}
	if (t->s.flags & AIBRIX_ADMIT_VERIFY) {
		replayed_verify(t);
		return AIBRIX_OK;
	}
	if (t->seq < t->s.next) {
		batch_drop_known(t);
		return AIBRIX_OK;
	}
	if (t->seq > t->s.next && (t->s.flags & AIBRIX_ADMIT_COVERED)) {
		batch_drop(t); /* a reply was lost on its way */
		replay_ask(t, t->s.next);
		return AIBRIX_OK;
	}
	if (t->seq > t->s.next) {
		/* Further back than the publisher remembers: too much to
		 * guess what is still there. */
		if (owner_holds(t))
			owner_clear(t);
		missing_give_up(t, t->seq);
	}
	batch_apply(t);
	t->s.flags |= AIBRIX_ADMIT_COVERED;
	deadline_set(t);
	return AIBRIX_OK;
}

static int
step_held(struct step *t)
{
	if (t->s.phase != AIBRIX_ADMIT_RELEASING)
		return AIBRIX_E_STATE;
	if (t->seq > t->s.next && t->seq != AIBRIX_ADMIT_END) {
		t->s.gaps++;
		if (can_replay(t)) {
			t->s.held_first = t->seq;
			t->a.flags |= AIBRIX_ADMIT_DO_HOLD;
			replay_ask(t, t->s.next);
			return AIBRIX_OK;
		}
		missing_give_up(t, t->seq);
	}
	if (t->seq == t->s.next && t->seq != AIBRIX_ADMIT_END)
		batch_apply(t);
	else
		batch_drop_known(t);
	t->s.held--;
	if (!t->s.held)
		follow(t);
	return AIBRIX_OK;
}

static int
step_tick(struct step *t)
{
	if (t->s.phase == AIBRIX_ADMIT_GAP && t->now_ns >= t->s.deadline_ns)
		return step_end(t, 1);
	if (t->s.phase == AIBRIX_ADMIT_FOLLOW)
		follow(t);
	return AIBRIX_OK;
}

/* Held batches go: a replay brings those of the same process again. */
static int
step_disconnected(struct step *t)
{
	held_discard(t);
	t->s.flags &= ~(uint32_t)(AIBRIX_ADMIT_VERIFY | AIBRIX_ADMIT_COVERED);
	if (can_replay(t)) {
		t->s.phase = AIBRIX_ADMIT_LOST;
	} else if (t->s.phase != AIBRIX_ADMIT_FRESH) {
		t->s.phase = AIBRIX_ADMIT_FOLLOW;
		t->s.flags |= AIBRIX_ADMIT_UNPROVEN;
	}
	return AIBRIX_OK;
}

static int
step_connected(struct step *t)
{
	step_disconnected(t);
	if (t->s.phase == AIBRIX_ADMIT_LOST)
		replay_verify(t);
	return AIBRIX_OK;
}

static int
step_cleared(struct step *t)
{
	t->s.flags &= ~(uint32_t)(AIBRIX_ADMIT_STALE | AIBRIX_ADMIT_MISSING);
	return AIBRIX_OK;
}

/* Saved states are bytes like any other. */
static int
state_valid(const aibrix_admit *s)
{
	int gap = s->phase == AIBRIX_ADMIT_GAP;
	int releasing = s->phase == AIBRIX_ADMIT_RELEASING;

	if (s->phase > AIBRIX_ADMIT_LOST || (s->flags & ~STATE_FLAGS))
		return 0;
	if ((releasing && !s->held) || (s->held && !gap && !releasing))
		return 0;
	if (s->flags & AIBRIX_ADMIT_VERIFY)
		return gap && s->next && s->wanted == s->next - 1;
	return 1;
}

static int
step_take(struct step *t, uint32_t kind)
{
	switch (kind) {
	case AIBRIX_ADMIT_LIVE: return step_live(t);
	case AIBRIX_ADMIT_REPLAYED: return step_replayed(t);
	case AIBRIX_ADMIT_REPLAY_END: return step_end(t, 0);
	case AIBRIX_ADMIT_REPLAY_FAILED: return step_end(t, 1);
	case AIBRIX_ADMIT_HELD: return step_held(t);
	case AIBRIX_ADMIT_TICK: return step_tick(t);
	case AIBRIX_ADMIT_CONNECTED: return step_connected(t);
	case AIBRIX_ADMIT_DISCONNECTED: return step_disconnected(t);
	case AIBRIX_ADMIT_CLEARED: return step_cleared(t);
	default: return AIBRIX_E_INVAL;
	}
}

int
aibrix_admit_step(const aibrix_admit_opts *opts, aibrix_admit *state,
		  uint32_t kind, uint64_t seq, uint64_t print, uint64_t now_ns,
		  aibrix_admit_action *action)
{
	struct step t = {.seq = seq, .print = print, .now_ns = now_ns};
	int err;

	if (!state || !action)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&t.o, sizeof(t.o), opts, OPTS_V1);
	if (!err)
		err = aibrix__struct_load(&t.s, sizeof(t.s), state, STATE_V1);
	if (err)
		return err;
	if (t.o.flags & ~(uint32_t)OPTION_FLAGS)
		return AIBRIX_E_ABI;
	if (!state_valid(&t.s))
		return AIBRIX_E_INVAL;
	err = step_take(&t, kind);
	if (err)
		return err;
	/* The first store may only fail for the size, before it writes. */
	err = aibrix__struct_store(action, &t.a, sizeof(t.a), ACTION_V1);
	if (err)
		return err;
	return aibrix__struct_store(state, &t.s, sizeof(t.s), STATE_V1);
}
