/*
 * The machine of two legs.
 *
 *	prefill   RUNS --> DONE | FAILED
 *	decode    WAITS --> RUNS --> DONE | FAILED
 *
 * Four times may be awaited at once: the end of prefill's patience, of
 * decode's (to the first data, then from data to data), of an abort's, and
 * when to abort again.  Each is a field, FOREVER while it is not awaited, and
 * a step asks each once; the least of them is when the host must come back.
 *
 * An abort is sent twice.  Where prefill fails at once the first may reach
 * the decode pod before the request does; SGLang then says yes and does
 * nothing.  Once decode has answered, it needs no abort.
 */

#include <aibrix/pd_legs.h>

#include <string.h>

#include "base/versioned.h"

enum {
	WAITS = 0,
	RUNS = 1,
	DONE = 2,
	FAILED = 3,
	/* what decode has sent */
	NOTHING = 0,
	HEAD = 1,
	DATA = 2,
	FLAGS = AIBRIX_PD_LEGS_TOGETHER | AIBRIX_PD_LEGS_STREAM |
		AIBRIX_PD_LEGS_NO_ABORT,
	OPTS_V1 = STRUCT_UPTO(aibrix_pd_legs_opts, idle_ns),
	ORDERS_V1 = STRUCT_UPTO(aibrix_pd_orders, next_ns)
};

static const uint64_t second = 1000000000u;

static uint64_t
unless_set(uint64_t ns, uint64_t otherwise)
{
	return ns ? ns : otherwise;
}

/* FOREVER from now is for ever. */
static uint64_t
from_now(const aibrix_pd_legs *l, uint64_t ns)
{
	return ns < AIBRIX_FOREVER - l->now_ns ? l->now_ns + ns
					       : AIBRIX_FOREVER;
}

static uint64_t
next_time(const aibrix_pd_legs *l)
{
	uint64_t next = l->prefill_until_ns;

	next = l->decode_until_ns < next ? l->decode_until_ns : next;
	next = l->abort_until_ns < next ? l->abort_until_ns : next;
	return l->abort_again_at_ns < next ? l->abort_again_at_ns : next;
}

static aibrix_pd_orders
orders_of(const aibrix_pd_legs *l, uint32_t actions)
{
	return (aibrix_pd_orders){
		.size = sizeof(aibrix_pd_orders),
		.actions = actions,
		.failure = l->failure,
		.sent = l->answers == DATA,
		.over = l->prefill != RUNS && l->decode != RUNS &&
			(l->decode != WAITS || l->failure) &&
			l->abort_until_ns == AIBRIX_FOREVER &&
			l->abort_again_at_ns == AIBRIX_FOREVER,
		.next_ns = next_time(l)};
}

int
aibrix_pd_legs_start(const aibrix_pd_legs_opts *opts, uint64_t now_ns,
		     aibrix_pd_legs *legs, aibrix_pd_orders *orders)
{
	aibrix_pd_legs_opts o;
	aibrix_pd_legs l = {.now_ns = now_ns, .prefill = RUNS};
	aibrix_pd_orders mine;
	int err;

	if (!legs || !orders)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (err)
		return err;
	if (o.flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	l.flags = o.flags;
	l.prefill_ns = unless_set(o.prefill_ns, 30 * second);
	l.abort_ns = unless_set(o.abort_ns, 3 * second);
	l.abort_again_ns = unless_set(o.abort_again_ns, 2 * second);
	l.first_ns = unless_set(o.first_ns, 60 * second);
	l.response_ns = unless_set(o.response_ns, AIBRIX_FOREVER);
	l.idle_ns = unless_set(o.idle_ns, 120 * second);
	l.decode = o.flags & AIBRIX_PD_LEGS_TOGETHER ? RUNS : WAITS;
	l.prefill_until_ns = from_now(&l, l.prefill_ns);
	l.decode_until_ns = AIBRIX_FOREVER;
	l.abort_until_ns = AIBRIX_FOREVER;
	l.abort_again_at_ns = AIBRIX_FOREVER;
	mine = orders_of(&l, 0);
	err = aibrix__struct_store(orders, &mine, sizeof(mine), ORDERS_V1);
	if (!err)
		*legs = l;
	return err;
}

/* What ended the request goes before what it has survived. */
static void
failure_note(aibrix_pd_legs *l, uint32_t failure, uint32_t ends)
{
	if (l->failure == AIBRIX_PD_FAILURE_NONE || (ends && !l->ended))
		l->failure = failure;
	l->ended |= ends;
}

/* Decode has KV to go on with: how long may it be silent? */
static void
decode_watch(aibrix_pd_legs *l)
{
	if (l->decode != RUNS || l->answers == DATA)
		return;
	l->decode_until_ns =
		from_now(l, l->flags & AIBRIX_PD_LEGS_STREAM ? l->first_ns
							     : l->response_ns);
}

/* Decode is of no use any more; again: it may not know the request yet. */
static uint32_t
decode_drop(aibrix_pd_legs *l, int again)
{
	if (l->decode != RUNS)
		return 0;
	l->decode = FAILED;
	l->decode_until_ns = AIBRIX_FOREVER;
	if (l->flags & AIBRIX_PD_LEGS_NO_ABORT)
		return AIBRIX_PD_DO_CLOSE_DECODE;
	l->abort_until_ns = from_now(l, l->abort_ns);
	if (again)
		l->abort_again_at_ns = from_now(l, l->abort_again_ns);
	return AIBRIX_PD_DO_CLOSE_DECODE | AIBRIX_PD_DO_ABORT;
}

static uint32_t
prefill_ends(aibrix_pd_legs *l, uint32_t state)
{
	l->prefill = state;
	l->prefill_until_ns = AIBRIX_FOREVER;
	if (state == DONE && l->decode == WAITS) {
		l->decode = RUNS;
		decode_watch(l);
		return AIBRIX_PD_DO_START_DECODE;
	}
	decode_watch(l);
	return 0;
}

static uint32_t
prefill_fails(aibrix_pd_legs *l, uint32_t failure)
{
	int together = (l->flags & AIBRIX_PD_LEGS_TOGETHER) != 0;
	/* Its KV has arrived, or does arrive: decode answers. */
	int lives = together && (failure == AIBRIX_PD_FAILURE_BAD_RESPONSE ||
				 l->answers != NOTHING || l->decode != RUNS);

	failure_note(l, failure, !lives);
	(void)prefill_ends(l, FAILED);
	if (lives)
		return 0;
	return AIBRIX_PD_DO_FAIL_CLIENT | decode_drop(l, 1);
}

static uint32_t
prefill_cancel(aibrix_pd_legs *l)
{
	if (l->prefill != RUNS)
		return 0;
	l->prefill = FAILED;
	l->prefill_until_ns = AIBRIX_FOREVER;
	return AIBRIX_PD_DO_CANCEL_PREFILL;
}

/* An abort that is under way, or to come, would hit a request that lives, or
 * one that is known and was aborted. */
static uint32_t
abort_end(aibrix_pd_legs *l)
{
	uint32_t actions = l->abort_until_ns == AIBRIX_FOREVER
				   ? 0
				   : AIBRIX_PD_DO_CANCEL_ABORT;

	l->abort_until_ns = AIBRIX_FOREVER;
	l->abort_again_at_ns = AIBRIX_FOREVER;
	return actions;
}

static uint32_t
decode_answers(aibrix_pd_legs *l, uint32_t what)
{
	if (l->decode == WAITS || l->decode == DONE)
		return 0;
	if (what > l->answers)
		l->answers = what;
	if (l->decode == FAILED)
		return abort_end(l);
	if (what == DATA)
		l->decode_until_ns = from_now(l, l->idle_ns);
	return 0;
}

static uint32_t
decode_ends(aibrix_pd_legs *l, uint32_t state)
{
	if (l->decode != RUNS)
		return 0;
	l->decode = state;
	l->decode_until_ns = AIBRIX_FOREVER;
	if (state == DONE)
		return 0;
	failure_note(l, AIBRIX_PD_FAILURE_DECODE, 1);
	return AIBRIX_PD_DO_FAIL_CLIENT | prefill_cancel(l);
}

static uint32_t
client_goes(aibrix_pd_legs *l)
{
	if (l->prefill == RUNS || l->decode == RUNS)
		failure_note(l, AIBRIX_PD_FAILURE_CANCELED, 1);
	return prefill_cancel(l) | decode_drop(l, l->answers == NOTHING);
}

static uint32_t
event_take(aibrix_pd_legs *l, uint32_t event, uint32_t failure)
{
	switch (event) {
	case AIBRIX_PD_EVENT_PREFILLED:
		return l->prefill == RUNS ? prefill_ends(l, DONE) : 0;
	case AIBRIX_PD_EVENT_PREFILL_FAILED:
		return l->prefill == RUNS ? prefill_fails(l, failure) : 0;
	case AIBRIX_PD_EVENT_HEAD: return decode_answers(l, HEAD);
	case AIBRIX_PD_EVENT_DATA: return decode_answers(l, DATA);
	case AIBRIX_PD_EVENT_END: return decode_ends(l, DONE);
	case AIBRIX_PD_EVENT_DECODE_FAILED: return decode_ends(l, FAILED);
	case AIBRIX_PD_EVENT_CLIENT_GONE: return client_goes(l);
	case AIBRIX_PD_EVENT_ABORTED:
		l->abort_until_ns = AIBRIX_FOREVER;
		return 0;
	default: return 0;
	}
}

/* An end of FOREVER never comes, even at that time. */
static int
is_up(const aibrix_pd_legs *l, uint64_t until_ns)
{
	return until_ns != AIBRIX_FOREVER && l->now_ns >= until_ns;
}

static uint32_t
times_take(aibrix_pd_legs *l)
{
	uint32_t actions = 0;

	if (is_up(l, l->prefill_until_ns))
		actions |= AIBRIX_PD_DO_CANCEL_PREFILL |
			   prefill_fails(l, AIBRIX_PD_FAILURE_TIMEOUT);
	if (is_up(l, l->decode_until_ns)) {
		failure_note(l,
			     l->answers == DATA ? AIBRIX_PD_FAILURE_IDLE
						: AIBRIX_PD_FAILURE_FIRST,
			     1);
		actions |= AIBRIX_PD_DO_FAIL_CLIENT | prefill_cancel(l) |
			   decode_drop(l, 0);
	}
	if (is_up(l, l->abort_until_ns)) {
		l->abort_until_ns = AIBRIX_FOREVER;
		actions |= AIBRIX_PD_DO_CANCEL_ABORT;
	}
	if (is_up(l, l->abort_again_at_ns)) {
		l->abort_again_at_ns = AIBRIX_FOREVER;
		l->abort_until_ns = from_now(l, l->abort_ns);
		actions |= AIBRIX_PD_DO_ABORT;
	}
	return actions;
}

static int
event_is_good(uint32_t event, uint32_t failure)
{
	if (event == AIBRIX_PD_EVENT_PREFILL_FAILED)
		return failure >= AIBRIX_PD_FAILURE_SETUP &&
		       failure <= AIBRIX_PD_FAILURE_BAD_RESPONSE;
	return event <= AIBRIX_PD_EVENT_ABORTED &&
	       failure == AIBRIX_PD_FAILURE_NONE;
}

int
aibrix_pd_legs_step(aibrix_pd_legs *legs, uint32_t event, uint32_t failure,
		    uint64_t now_ns, aibrix_pd_orders *orders)
{
	aibrix_pd_legs l;
	aibrix_pd_orders mine;
	uint32_t actions;
	int err;

	if (!legs || !orders || !event_is_good(event, failure))
		return AIBRIX_E_INVAL;
	l = *legs;
	if (now_ns > l.now_ns)
		l.now_ns = now_ns;
	actions = event_take(&l, event, failure);
	actions |= times_take(&l);
	mine = orders_of(&l, actions);
	err = aibrix__struct_store(orders, &mine, sizeof(mine), ORDERS_V1);
	if (!err)
		*legs = l;
	return err;
}

int
aibrix_pd_rid(const char *id, uint64_t id_bytes, uint64_t entropy, char *out,
	      uint64_t cap, uint64_t *n)
{
	if ((!id && id_bytes) || (!out && cap) || !n ||
	    id_bytes > UINT64_MAX - AIBRIX_PD_RID_MORE)
		return AIBRIX_E_INVAL;
	*n = id_bytes + AIBRIX_PD_RID_MORE;
	if (cap < *n)
		return AIBRIX_E_SPACE;
	if (id_bytes)
		memcpy(out, id, (size_t)id_bytes);
	out[id_bytes] = '-';
	for (uint32_t i = 0; i < 16; i++)
		out[id_bytes + 1 + i] =
			"0123456789abcdef"[entropy >> (60 - 4 * i) & 15];
	return AIBRIX_OK;
}
