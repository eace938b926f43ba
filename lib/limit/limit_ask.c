/*
 * Requests against buckets: both lanes of a user, under one lock.
 *
 *   admit    both fit: charge both; else neither
 *   settle   tokens: refund what was too much, charge what was too little
 *   cancel   refund both
 *
 * Made for: one admit and one settle per request, many threads, users by the
 * ten thousand.  A lock per stripe, not an atomic per bucket: two lanes and
 * their slots change together, and the lock is held for some tens of
 * nanoseconds while the name's SHA-256, made before, takes a hundred.
 *
 * The ticket is the caller's memory.  What the table would need to know of an
 * open request is only what to take back, and one that is never settled
 * leaves nothing behind to be found and swept.
 */

#include <string.h>

#include "base/versioned.h"
#include "limit/limit_table.h"

enum {
	REQUEST_V1 = STRUCT_UPTO(aibrix_limit_request, tokens_estimated),
	VERDICT_V1 = STRUCT_UPTO(aibrix_limit_verdict, tokens_reset_ns)
};

static const uint64_t second_ns = 1000000000;

/* A request that was checked, and the user it is about. */
struct ask {
	struct user user;
	struct entry *entry;                 /* NULL: not known */
	const aibrix_limit_rate *set[LANES]; /* NULL: no limit */
	aibrix_limit_rate rate[LANES];
	uint64_t units[LANES];
	uint64_t now_ns; /* the user's */
};

/* Both lanes' slots begin to be those of now. */
static void
entry_advance(struct entry *e, uint64_t now_ns)
{
	for (uint32_t i = 0; i < LANES; i++)
		aibrix__lane_advance(&e->lane[i], e->last_ns, now_ns);
}

static uint64_t
window_end(const aibrix_limit_rate *rate, uint64_t now_ns)
{
	uint64_t window = rate->period_ns / second_ns * second_ns;
	uint64_t start;

	if (window < second_ns)
		window = second_ns;
	start = now_ns - now_ns % window;
	return start > UINT64_MAX - window ? UINT64_MAX : start + window;
}

static uint64_t
window_count(const struct lane *lane, const aibrix_limit_rate *rate,
	     uint64_t now_ns)
{
	return lane->due.ns == window_end(rate, now_ns) ? lane->slot[0] : 0;
}

static void
window_add(struct lane *lane, const aibrix_limit_rate *rate, uint64_t units,
	   uint64_t now_ns)
{
	uint64_t count = window_count(lane, rate, now_ns);

	lane->due.ns = window_end(rate, now_ns);
	lane->slot[0] = count > UINT64_MAX - units ? UINT64_MAX : count + units;
}

static void
ask_charge(aibrix_limit *limit, struct ask *ask, uint32_t which, uint64_t units)
{
	struct entry *e = ask->entry;
	const aibrix_limit_rate *rate = &ask->rate[which];

	if (limit->compat) {
		window_add(&e->lane[which], rate, units, ask->now_ns);
		return;
	}
	if (rate->units == 0 || units == 0)
		return;
	aibrix__lane_charge(&e->lane[which], rate, units, ask->now_ns, e->turn);
}

/* All that a call must get right is checked before anything is charged. */
static int
ask_load(const aibrix_limit *limit, const aibrix_limit_request *request,
	 struct ask *ask)
{
	aibrix_limit_request r;
	int err;

	if (!limit || !request)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&r, sizeof(r), request, REQUEST_V1);
	if (err)
		return err;
	if (r.spare)
		return AIBRIX_E_ABI;
	if ((!r.name && r.name_bytes) ||
	    r.tokens_estimated > AIBRIX_LIMIT_UNITS_MAX)
		return AIBRIX_E_INVAL;
	memset(ask, 0, sizeof(*ask));
	ask->set[LANE_REQUESTS] = r.requests;
	ask->set[LANE_TOKENS] = r.tokens;
	for (uint32_t i = 0; !err && i < LANES; i++)
		if (ask->set[i])
			err = aibrix__limit_rate_load(&ask->rate[i],
						      ask->set[i]);
	if (err)
		return err;
	ask->units[LANE_REQUESTS] = 1;
	ask->units[LANE_TOKENS] = r.tokens_estimated;
	ask->user = aibrix__limit_user(limit, r.name ? r.name : "",
				       (size_t)r.name_bytes);
	return AIBRIX_OK;
}

/* The stripe is locked from here on, until ask_end. */
static void
ask_begin(aibrix_limit *limit, struct ask *ask, uint64_t now_ns)
{
	pthread_mutex_lock(&ask->user.stripe->lock);
	ask->entry = aibrix__limit_find(limit, &ask->user);
	ask->now_ns = now_ns;
	if (ask->entry && ask->entry->last_ns > now_ns)
		ask->now_ns = ask->entry->last_ns;
}

static void
ask_end(struct ask *ask)
{
	pthread_mutex_unlock(&ask->user.stripe->lock);
}

/* Of one lane: 0 when it fits, or how long until it does. */
static uint64_t
lane_wait(const aibrix_limit *limit, const struct ask *ask, uint32_t which)
{
	static const struct lane none;
	const struct lane *lane = ask->entry ? &ask->entry->lane[which] : &none;
	const aibrix_limit_rate *rate = &ask->rate[which];
	aibrix_limit_due after;
	uint64_t count;

	if (!ask->set[which])
		return 0;
	if (!limit->compat)
		return aibrix__due_fit(&lane->due, rate, ask->units[which],
				       ask->now_ns, &after);
	if (rate->units == 0)
		return AIBRIX_FOREVER;
	count = window_count(lane, rate, ask->now_ns);
	return count < rate->units
		       ? 0
		       : window_end(rate, ask->now_ns) - ask->now_ns;
}

static void
verdict_lane(const aibrix_limit *limit, const struct ask *ask, uint32_t which,
	     uint64_t *most, uint64_t *left, uint64_t *reset_ns)
{
	static const struct lane none;
	const struct lane *lane = ask->entry ? &ask->entry->lane[which] : &none;
	const aibrix_limit_rate *rate = &ask->rate[which];
	uint64_t count;

	*most = *left = INT64_MAX;
	*reset_ns = 0;
	if (!ask->set[which])
		return;
	*most = limit->compat ? rate->units : rate->burst;
	if (limit->compat) {
		count = window_count(lane, rate, ask->now_ns);
		*left = count < rate->units ? rate->units - count : 0;
		if (count)
			*reset_ns = lane->due.ns - ask->now_ns;
		return;
	}
	*left = aibrix__due_left(&lane->due, rate, ask->now_ns);
	if (lane->due.ns > ask->now_ns)
		*reset_ns = lane->due.ns - ask->now_ns;
}

static void
verdict_fill(const aibrix_limit *limit, const struct ask *ask,
	     aibrix_limit_verdict *v)
{
	verdict_lane(limit, ask, LANE_REQUESTS, &v->requests_limit,
		     &v->requests_left, &v->requests_reset_ns);
	verdict_lane(limit, ask, LANE_TOKENS, &v->tokens_limit, &v->tokens_left,
		     &v->tokens_reset_ns);
}

/* The soonest that a place may be free: some of 16 users owes until then. */
static uint64_t
room_wait(const aibrix_limit *limit, const struct ask *ask)
{
	uint64_t soonest = UINT64_MAX;

	for (uint32_t i = 0; i < 2 * BUCKET; i++) {
		const struct entry *e =
			&limit->entries[ask->user.first[i / BUCKET] +
					i % BUCKET];
		uint64_t due = e->lane[LANE_REQUESTS].due.ns;

		if (e->lane[LANE_TOKENS].due.ns > due)
			due = e->lane[LANE_TOKENS].due.ns;
		if (due < soonest)
			soonest = due;
	}
	return soonest - ask->now_ns;
}

/* Why a request is refused, and for how long; else 0. */
static uint32_t
ask_refuse(const aibrix_limit *limit, const struct ask *ask, uint64_t *retry_ns)
{
	uint64_t requests = lane_wait(limit, ask, LANE_REQUESTS);
	uint64_t tokens = lane_wait(limit, ask, LANE_TOKENS);

	*retry_ns = requests > tokens ? requests : tokens;
	if (*retry_ns == AIBRIX_FOREVER)
		return AIBRIX_LIMIT_TOO_LARGE;
	if (requests)
		return AIBRIX_LIMIT_REQUESTS;
	return tokens ? AIBRIX_LIMIT_TOKENS : AIBRIX_LIMIT_ADMITTED;
}

/* A place for the user, with its slots at now; 0: there is none. */
static int
ask_settle_in(aibrix_limit *limit, struct ask *ask)
{
	if (!ask->entry)
		ask->entry = aibrix__limit_make(limit, &ask->user, ask->now_ns);
	if (!ask->entry)
		return 0;
	if (!limit->compat)
		entry_advance(ask->entry, ask->now_ns);
	ask->entry->last_ns = ask->now_ns;
	ask->entry->turn = ++ask->user.stripe->turn;
	return 1;
}

static void
ask_ticket(const aibrix_limit *limit, const struct ask *ask,
	   aibrix_limit_ticket *ticket)
{
	const aibrix_limit_rate *requests = &ask->rate[LANE_REQUESTS];
	const aibrix_limit_rate *tokens = &ask->rate[LANE_TOKENS];
	const struct entry *e = ask->entry;

	*ticket = (aibrix_limit_ticket){
		.user = {ask->user.id[0], ask->user.id[1]},
		.at_ns = ask->now_ns,
		.turn = e->turn,
		/* The highest bit: there is something to settle. */
		.shifts = e->lane[0].shift | e->lane[1].shift << 8 |
			  (uint32_t)1 << 31,
		.requests = ask->set[LANE_REQUESTS] != NULL,
		.request_units = requests->units,
		.request_period_ns = requests->period_ns,
		.token_units = tokens->units,
		.token_period_ns = tokens->period_ns,
	};
	if (ask->set[LANE_TOKENS] && !limit->compat)
		ticket->tokens = ask->units[LANE_TOKENS];
}

/* Where AIBrix counts a request that it then refuses for its tokens. */
static int
compat_counts(const aibrix_limit *limit, uint32_t reason)
{
	return limit->compat && reason == AIBRIX_LIMIT_TOKENS;
}

static void
stat_count(aibrix_limit_stat *stat, uint32_t reason)
{
	switch (reason) {
	case AIBRIX_LIMIT_ADMITTED: stat->admitted++; break;
	case AIBRIX_LIMIT_REQUESTS: stat->refused_requests++; break;
	case AIBRIX_LIMIT_TOKENS: stat->refused_tokens++; break;
	case AIBRIX_LIMIT_TOO_LARGE: stat->refused_too_large++; break;
	default: stat->refused_no_room++; break;
	}
}

static uint32_t
ask_admit(aibrix_limit *limit, struct ask *ask, uint64_t *retry_ns)
{
	uint32_t reason = ask_refuse(limit, ask, retry_ns);
	uint32_t lanes = compat_counts(limit, reason) ? 1 : LANES;

	if (reason && lanes == LANES)
		return reason;
	if (limit->compat)
		lanes = 1;
	if (!ask_settle_in(limit, ask)) {
		*retry_ns = room_wait(limit, ask);
		return AIBRIX_LIMIT_NO_ROOM;
	}
	for (uint32_t i = 0; i < lanes; i++)
		if (ask->set[i])
			ask_charge(limit, ask, i, ask->units[i]);
	return reason;
}

int
aibrix_limit_admit(aibrix_limit *limit, const aibrix_limit_request *request,
		   uint64_t now_ns, aibrix_limit_verdict *verdict,
		   aibrix_limit_ticket *ticket)
{
	aibrix_limit_verdict v = {.size = sizeof(v)};
	struct ask ask;
	int err = verdict && ticket ? ask_load(limit, request, &ask)
				    : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__struct_store(verdict, &v, sizeof(v), VERDICT_V1);
	if (err)
		return err;
	ask_begin(limit, &ask, now_ns);
	v.reason = ask_admit(limit, &ask, &v.retry_ns);
	verdict_fill(limit, &ask, &v);
	memset(ticket, 0, sizeof(*ticket));
	if (v.reason == AIBRIX_LIMIT_ADMITTED)
		ask_ticket(limit, &ask, ticket);
	stat_count(&ask.user.stripe->stat, v.reason);
	ask_end(&ask);
	return aibrix__struct_store(verdict, &v, sizeof(v), VERDICT_V1);
}

int
aibrix_limit_peek(aibrix_limit *limit, const aibrix_limit_request *request,
		  uint64_t now_ns, aibrix_limit_verdict *verdict)
{
	aibrix_limit_verdict v = {.size = sizeof(v)};
	struct ask ask;
	int err = verdict ? ask_load(limit, request, &ask) : AIBRIX_E_INVAL;

	if (err)
		return err;
	ask_begin(limit, &ask, now_ns);
	v.reason = ask_refuse(limit, &ask, &v.retry_ns);
	verdict_fill(limit, &ask, &v);
	ask_end(&ask);
	return aibrix__struct_store(verdict, &v, sizeof(v), VERDICT_V1);
}

/* What a ticket says, as the request that it was. */
static struct ask
ticket_ask(const aibrix_limit *limit, const aibrix_limit_ticket *t)
{
	struct ask ask = {.user = aibrix__limit_user_of(limit, t->user)};

	ask.rate[LANE_REQUESTS] = (aibrix_limit_rate){
		t->request_units, t->request_period_ns, t->request_units};
	ask.rate[LANE_TOKENS] = (aibrix_limit_rate){
		t->token_units, t->token_period_ns, t->token_units};
	return ask;
}

/* A ticket's memory is the caller's: what no admission writes is refused. */
static int
ticket_check(const aibrix_limit_ticket *t)
{
	aibrix_limit_rate own,
		requests = {t->request_units, t->request_period_ns, 0};
	aibrix_limit_rate tokens = {t->token_units, t->token_period_ns, 0};

	if (!(t->shifts >> 31))
		return AIBRIX_E_STATE;
	if (t->requests > 1 || t->tokens > AIBRIX_LIMIT_UNITS_MAX ||
	    (t->requests && (!t->request_units || !t->request_period_ns)) ||
	    (t->tokens && (!t->token_units || !t->token_period_ns)) ||
	    aibrix__limit_rate_load(&own, &requests) ||
	    aibrix__limit_rate_load(&own, &tokens))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static void
ask_refund(aibrix_limit *limit, struct ask *ask, uint32_t which,
	   const aibrix_limit_ticket *t, uint64_t charged, uint64_t cost)
{
	struct entry *e = ask->entry;
	struct lane_refund refund = {
		.rate = ask->rate[which],
		.charged = charged,
		.cost = cost,
		.at_ns = t->at_ns,
		.turn = t->turn,
		.shift = t->shifts >> 8 * which & 0x7f,
		.latest = e->turn == t->turn && e->last_ns == t->at_ns,
	};
	struct lane *lane = &e->lane[which];

	if (!limit->compat)
		aibrix__lane_refund(lane, e->last_ns, &refund);
	else if (lane->due.ns == window_end(&refund.rate, t->at_ns) &&
		 lane->slot[0])
		lane->slot[0]--;
}

int
aibrix_limit_settle(aibrix_limit *limit, aibrix_limit_ticket *ticket,
		    uint64_t tokens, uint64_t now_ns)
{
	struct ask ask;
	int err = limit && ticket && tokens <= AIBRIX_LIMIT_UNITS_MAX
			  ? ticket_check(ticket)
			  : AIBRIX_E_INVAL;

	if (err)
		return err;
	ask = ticket_ask(limit, ticket);
	ask_begin(limit, &ask, now_ns);
	/* No limit was set, or nothing is left to drain. */
	if (ticket->token_units == 0 ||
	    (!ask.entry && tokens <= ticket->tokens))
		tokens = ticket->tokens;
	if (tokens < ticket->tokens) {
		ask_refund(limit, &ask, LANE_TOKENS, ticket, ticket->tokens,
			   tokens);
	} else if (tokens > ticket->tokens) {
		if (ask_settle_in(limit, &ask))
			ask_charge(limit, &ask, LANE_TOKENS,
				   tokens - ticket->tokens);
		else
			ask.user.stripe->stat.uncharged++;
	}
	ask.user.stripe->stat.settled++;
	ask_end(&ask);
	memset(ticket, 0, sizeof(*ticket));
	return AIBRIX_OK;
}

int
aibrix_limit_cancel(aibrix_limit *limit, aibrix_limit_ticket *ticket,
		    uint64_t now_ns)
{
	struct ask ask;
	int err = limit && ticket ? ticket_check(ticket) : AIBRIX_E_INVAL;

	if (err)
		return err;
	ask = ticket_ask(limit, ticket);
	ask_begin(limit, &ask, now_ns);
	if (ask.entry && ticket->requests)
		ask_refund(limit, &ask, LANE_REQUESTS, ticket, 1, 0);
	if (ask.entry && ticket->tokens)
		ask_refund(limit, &ask, LANE_TOKENS, ticket, ticket->tokens, 0);
	ask.user.stripe->stat.cancelled++;
	ask_end(&ask);
	memset(ticket, 0, sizeof(*ticket));
	return AIBRIX_OK;
}

int
aibrix_limit_charge(aibrix_limit *limit, const aibrix_limit_request *request,
		    uint64_t requests, uint64_t now_ns)
{
	struct ask ask;
	int err = ask_load(limit, request, &ask);

	if (err)
		return err;
	if (requests > AIBRIX_LIMIT_UNITS_MAX)
		return AIBRIX_E_INVAL;
	ask.units[LANE_REQUESTS] = requests;
	ask_begin(limit, &ask, now_ns);
	if (ask_settle_in(limit, &ask)) {
		for (uint32_t i = 0; i < LANES; i++)
			if (ask.set[i])
				ask_charge(limit, &ask, i, ask.units[i]);
	} else {
		err = AIBRIX_E_FULL;
	}
	ask_end(&ask);
	return err;
}

int
aibrix_limit_forget(aibrix_limit *limit, const void *name, uint64_t name_bytes)
{
	struct ask ask;
	int err = AIBRIX_E_NOT_FOUND;

	if (!limit || (!name && name_bytes))
		return AIBRIX_E_INVAL;
	ask.user =
		aibrix__limit_user(limit, name ? name : "", (size_t)name_bytes);
	ask_begin(limit, &ask, 0);
	if (ask.entry) {
		aibrix__limit_drop(limit, &ask.user, ask.entry);
		err = AIBRIX_OK;
	}
	ask_end(&ask);
	return err;
}
