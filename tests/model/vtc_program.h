/*
 * The fair queue against the algorithm as the paper writes it: arrays that
 * are searched, no heaps, no lists.  What happens is drawn from a seed, or
 * from bytes.
 *
 * Compared after each step: status, who is next, all counters, all numbers.
 */
#ifndef TESTS_VTC_PROGRAM_H
#define TESTS_VTC_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/vtc.h>

#include "choices.h"

enum { NAMES = 9, USERS = 6, SLOTS = 12, OF_USER = 5, LEASE = 40, UNIT = 1024 };

enum { GONE, WAITS, RUNS };

struct naive_user {
	uint64_t counter, lifted, idle_since;
	int known;
};

struct naive_request {
	uint64_t ticket, order, popped, charged, pushed, heard;
	int64_t place; /* in its user's queue */
	uint32_t user, state, input, expected, output, share;
};

struct naive {
	struct naive_user users[NAMES + 1];
	struct naive_request requests[SLOTS];
	uint64_t floor_when_empty, forgotten, now, arrivals, pops, idled;
	uint32_t last; /* 0: none, or forgotten */
	int64_t places;
	aibrix_vtc_stat stat;
};

struct vtc_play {
	aibrix_vtc *v;
	struct naive n;
	int forgets_lift; /* planted: the naive one does not lift */
	uint32_t wrong;   /* the line of the first difference */
	uint64_t pops;
	struct choices choices;
};

#define SAME(p, x)                                                             \
	do {                                                                   \
		if (!(x) && !(p)->wrong)                                       \
			(p)->wrong = __LINE__;                                 \
	} while (0)

static uint32_t
naive_count(const struct naive *n, uint32_t user, uint32_t state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		count += n->requests[i].state == state &&
			 (user == 0 || n->requests[i].user == user);
	return count;
}

/* The first of a user's that wait. */
static struct naive_request *
naive_head(struct naive *n, uint32_t user)
{
	struct naive_request *head = NULL;

	for (uint32_t i = 0; i < SLOTS; i++) {
		struct naive_request *r = &n->requests[i];

		if (r->state == WAITS && r->user == user &&
		    (!head || r->place < head->place))
			head = r;
	}
	return head;
}

/* Whose user is before the other's. */
static int
naive_before(const struct naive *n, const struct naive_request *a,
	     const struct naive_request *b)
{
	uint64_t x = n->users[a->user].counter, y = n->users[b->user].counter;

	return x < y || (x == y && a->order < b->order);
}

/* The first of the user who has i others before; NULL: nobody has. */
static struct naive_request *
naive_ith(struct naive *n, uint32_t i)
{
	for (uint32_t u = 1; u <= NAMES; u++) {
		struct naive_request *head = naive_head(n, u);
		uint32_t before = 0;

		for (uint32_t o = 1; head && o <= NAMES; o++) {
			struct naive_request *other = naive_head(n, o);

			before += other && naive_before(n, other, head);
		}
		if (head && before == i)
			return head;
	}
	return NULL;
}

static struct naive_request *
naive_next(struct naive *n)
{
	return naive_ith(n, 0);
}

static uint64_t
naive_floor(struct naive *n)
{
	const struct naive_request *next = naive_next(n);

	if (next)
		return n->users[next->user].counter;
	return n->last ? n->users[n->last].counter : n->floor_when_empty;
}

static void
naive_left(struct naive *n, uint32_t user)
{
	if (naive_count(n, user, RUNS) == 0 && naive_count(n, user, WAITS) == 0)
		n->users[user].idle_since = n->idled++;
}

static void
naive_charge(struct naive *n, struct naive_request *r, uint32_t input,
	     uint32_t output)
{
	struct naive_user *u = &n->users[r->user];
	uint64_t cost = ((uint64_t)input + 2 * (uint64_t)output) * UNIT;

	cost = cost * 1024 / r->share;
	if (cost > r->charged)
		u->counter += cost - r->charged;
	else if (r->popped > u->lifted)
		u->counter -= r->charged - cost;
	r->charged = cost;
}

static void
naive_clock(struct naive *n, uint64_t now)
{
	if (now > n->now)
		n->now = now;
	for (int k = 0; k < 2; k++) {
		struct naive_request *oldest = NULL;

		for (uint32_t i = 0; i < SLOTS; i++) {
			struct naive_request *r = &n->requests[i];

			if (r->state == RUNS &&
			    (!oldest || r->heard < oldest->heard))
				oldest = r;
		}
		if (!oldest || n->now - (oldest->heard >> 20) < LEASE)
			return;
		oldest->state = GONE;
		n->stat.expired++;
		naive_left(n, oldest->user);
	}
}

/* The place of one more user; 0: none. */
static int
naive_room(struct naive *n)
{
	uint32_t known = 0, least = 0;

	for (uint32_t u = 1; u <= NAMES; u++) {
		const struct naive_user *x = &n->users[u];

		known += (uint32_t)x->known;
		if (!x->known || naive_count(n, u, WAITS) ||
		    naive_count(n, u, RUNS))
			continue;
		if (!least || x->counter < n->users[least].counter ||
		    (x->counter == n->users[least].counter &&
		     x->idle_since < n->users[least].idle_since))
			least = u;
	}
	if (known < USERS)
		return 1;
	if (!least)
		return 0;
	if (n->users[least].counter > n->forgotten)
		n->forgotten = n->users[least].counter;
	if (n->last == least) {
		n->floor_when_empty = n->users[least].counter;
		n->last = 0;
	}
	n->users[least].known = 0;
	n->stat.forgotten++;
	return 1;
}

static int
naive_user_for(struct naive *n, uint32_t user, int lifts)
{
	struct naive_user *u = &n->users[user];

	if (naive_count(n, 0, GONE) == 0)
		return AIBRIX_E_FULL;
	if (!u->known) {
		if (!naive_room(n))
			return AIBRIX_E_FULL;
		*u = (struct naive_user){.counter = n->forgotten, .known = 1};
	} else if (naive_count(n, user, WAITS) + naive_count(n, user, RUNS) >=
		   OF_USER) {
		return AIBRIX_E_BUSY;
	}
	if (lifts && !naive_head(n, user) && u->counter < naive_floor(n)) {
		u->counter = naive_floor(n);
		u->lifted = n->pops;
		n->stat.lifted++;
	}
	return AIBRIX_OK;
}

static uint64_t
play_now(struct vtc_play *p)
{
	/* Sometimes backwards. */
	return p->n.now + draw(&p->choices, 8) - (p->n.now > 2 ? 2 : 0);
}

static void
play_push(struct vtc_play *p)
{
	struct naive *n = &p->n;
	aibrix_vtc_request q = {.size = sizeof(q)};
	struct naive_request *r = NULL;
	uint64_t now = play_now(p), ticket = 0;
	uint32_t user = 1 + draw(&p->choices, NAMES);
	int expected;

	q.user = user;
	q.input_tokens = draw(&p->choices, 50);
	q.expected_tokens = draw(&p->choices, 4) ? 0 : draw(&p->choices, 30);
	q.share = draw(&p->choices, 4) ? 0 : 1 + draw(&p->choices, 3);
	naive_clock(n, now);
	expected = naive_user_for(n, user, !p->forgets_lift);
	SAME(p, aibrix_vtc_push(p->v, &q, now, &ticket) == expected);
	if (expected)
		return;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (n->requests[i].state == GONE)
			r = &n->requests[i];
	*r = (struct naive_request){
		.ticket = ticket,
		.order = n->arrivals++,
		.pushed = n->now,
		.user = user,
		.state = WAITS,
		.input = q.input_tokens,
		.expected = q.expected_tokens,
		.share = q.share > 0 ? (uint32_t)q.share * 1024 : 1024};
	r->place = ++n->places;
	n->stat.pushed++;
}

/* "heard" has the order of calls in its low bits. */
static void
naive_heard(struct naive *n, struct naive_request *r)
{
	static const uint64_t one = 1;

	n->stat.spare++;
	r->heard = n->now * (one << 20) + n->stat.spare;
}

/* The first, or one before its turn. */
static void
play_pop(struct vtc_play *p)
{
	struct naive *n = &p->n;
	uint32_t i = draw(&p->choices, 3) ? 0 : draw(&p->choices, USERS);
	struct naive_request *r = naive_ith(n, i);
	aibrix_vtc_item item = {.size = sizeof(item)}, peek = item;
	uint64_t now = play_now(p);
	int err = aibrix_vtc_look(p->v, i, now, &item);

	SAME(p, err == (r ? AIBRIX_OK : AIBRIX_E_NOT_FOUND));
	if (i == 0) {
		SAME(p, aibrix_vtc_peek(p->v, now, &peek) == err);
		SAME(p, memcmp(&peek, &item, sizeof(item)) == 0);
		SAME(p, aibrix_vtc_pop(p->v, now, &item) == err);
		SAME(p, memcmp(&peek, &item, sizeof(item)) == 0);
		naive_clock(n, now);
	} else if (err == AIBRIX_OK) {
		SAME(p, aibrix_vtc_take(p->v, item.ticket, now) == AIBRIX_OK);
	}
	if (!r || err)
		return;
	if (i > 0)
		naive_clock(n, now);
	SAME(p, item.ticket == r->ticket && item.user == r->user);
	SAME(p, item.input_tokens == r->input);
	SAME(p, item.waited_ns == n->now - r->pushed);
	r->state = RUNS;
	naive_heard(n, r);
	r->popped = ++n->pops;
	naive_charge(n, r, r->input, r->expected);
	if (!naive_head(n, r->user))
		n->last = r->user;
	n->stat.popped++;
	p->pops++;
}

static void
play_ticket(struct vtc_play *p, uint32_t what)
{
	struct naive *n = &p->n;
	struct naive_request *r = &n->requests[draw(&p->choices, SLOTS)];
	uint32_t output = draw(&p->choices, 60), input;
	uint64_t now = play_now(p);
	int right = what == 0 ? WAITS : RUNS, expected, err;

	input = draw(&p->choices, 50);
	expected = r->state == GONE         ? AIBRIX_E_NOT_FOUND
		   : (int)r->state == right ? AIBRIX_OK
					    : AIBRIX_E_STATE;
	switch (what) {
	case 0: err = aibrix_vtc_cancel(p->v, r->ticket); break;
	case 1: err = aibrix_vtc_put_back(p->v, r->ticket); break;
	case 2: err = aibrix_vtc_tokens(p->v, r->ticket, output, now); break;
	default: err = aibrix_vtc_done(p->v, r->ticket, input, output);
	}
	SAME(p, err == expected);
	if (expected)
		return;
	if (what == 0) {
		r->state = GONE;
		if (!naive_head(n, r->user))
			n->last = r->user;
		naive_left(n, r->user);
		n->stat.canceled++;
	} else if (what == 1) {
		naive_charge(n, r, 0, 0);
		r->state = WAITS;
		r->place = -++n->places;
		r->output = 0;
		n->stat.put_back++;
	} else if (what == 2) {
		n->now = now > n->now ? now : n->now;
		naive_heard(n, r);
		if (output > r->output && output > r->expected)
			naive_charge(n, r, r->input, output);
		if (output > r->output)
			r->output = output;
	} else {
		naive_charge(n, r, input, output);
		r->state = GONE;
		naive_left(n, r->user);
		n->stat.done++;
	}
}

static void
play_compare(struct vtc_play *p)
{
	aibrix_vtc_stat got = {.size = sizeof(got)}, *s = &p->n.stat;
	uint32_t known = 0;

	for (uint32_t u = 1; u <= NAMES; u++) {
		double c = -1;
		int err = aibrix_vtc_counter(p->v, u, &c);

		SAME(p, (err == AIBRIX_OK) == p->n.users[u].known);
		SAME(p, err || c == (double)p->n.users[u].counter / UNIT);
		known += (uint32_t)p->n.users[u].known;
	}
	SAME(p, aibrix_vtc_stats(p->v, &got) == AIBRIX_OK);
	SAME(p, got.waiting == naive_count(&p->n, 0, WAITS));
	SAME(p, got.running == naive_count(&p->n, 0, RUNS));
	SAME(p, got.users >= known);
	SAME(p, got.pushed == s->pushed && got.popped == s->popped);
	SAME(p, got.put_back == s->put_back && got.canceled == s->canceled);
	SAME(p, got.done == s->done && got.expired == s->expired);
	SAME(p, got.lifted == s->lifted || p->forgets_lift);
	SAME(p, got.forgotten == s->forgotten && got.rebased == 0);
}

/* 0, or the line of the first difference. */
static uint32_t
vtc_program_run(struct vtc_play *p, uint32_t steps)
{
	aibrix_vtc_opts o = {.size = sizeof(o),
			     .max_requests = SLOTS,
			     .max_user_requests = OF_USER,
			     .max_users = USERS,
			     .lease_ns = LEASE};

	if (aibrix_vtc_new(&o, &p->v) != AIBRIX_OK)
		abort();
	for (uint32_t i = 0; i < steps && !p->wrong; i++) {
		uint32_t what = draw(&p->choices, 12);

		if (what < 4)
			play_push(p);
		else if (what < 7)
			play_pop(p);
		else if (what < 11)
			play_ticket(p, what - 7);
		else
			play_ticket(p, 3);
		play_compare(p);
	}
	aibrix_vtc_free(p->v);
	return p->wrong;
}

#endif
