/*
 * The order of requests by what their users have had.
 *
 *   user  ->  its requests, a list, oldest first
 *   users with a request, a heap by counter  ->  who is next
 *
 * Arrivals and departures change one user's place, so each call is one or
 * two moves in a heap of users, whatever waits behind them.
 *
 * This is algorithm 2 of Sheng et al., "Fairness in Serving Large Language
 * Models" (OSDI 2024), and beside it: output that is charged in advance and
 * settled, which is its variant with a predictor; requests that leave without
 * being served; and weights of users.
 *
 * What a request was charged stands in the request, so that settling is a
 * difference and can be repeated.  The difference may be below zero.  But a
 * counter that was lifted after the request had been popped would not be
 * lower now if less had been charged: it would have been lifted further.
 * So nothing is given back then.
 */

#include <math.h>

#include "base/versioned.h"
#include "vtc/vtc_internal.h"

static uint64_t
ticket_of(const aibrix_vtc *v, uint32_t slot)
{
	return (uint64_t)v->requests[slot].generation << 32 | slot;
}

/* The request that ticket names, in that state. */
static int
ticket_read(const aibrix_vtc *v, uint64_t ticket, uint32_t state,
	    uint32_t *slot)
{
	const struct request *r;

	if (!v)
		return AIBRIX_E_INVAL;
	*slot = (uint32_t)ticket;
	if (*slot >= v->max_requests)
		return AIBRIX_E_NOT_FOUND;
	r = &v->requests[*slot];
	if (r->state == REQUEST_FREE || r->generation != ticket >> 32)
		return AIBRIX_E_NOT_FOUND;
	return r->state == state ? AIBRIX_OK : AIBRIX_E_STATE;
}

static uint64_t
cost_of(const aibrix_vtc *v, const struct request *r, uint32_t input,
	uint32_t output)
{
	/* Below 2^53, so it may be multiplied. */
	uint64_t cost = (uint64_t)input * v->input_weight +
			(uint64_t)output * v->output_weight;

	if (r->share != SHARE_ONE)
		cost = cost * SHARE_ONE / r->share;
	return cost < COST_MAX ? cost : COST_MAX;
}

/* Let cost be what the request is charged; its user is to be placed. */
static void
settle(aibrix_vtc *v, struct request *r, uint64_t cost)
{
	struct user *u = &v->users[r->user];
	uint64_t back;

	if (cost > r->charged) {
		u->counter += cost - r->charged;
		if (u->counter > COUNTER_MAX)
			u->counter = COUNTER_MAX;
	} else if (r->popped > u->lifted) {
		back = r->charged - cost;
		u->counter -= back < u->counter ? back : u->counter;
	}
	r->charged = cost;
}

static void
request_free(aibrix_vtc *v, uint32_t slot)
{
	v->requests[slot].state = REQUEST_FREE;
	list_prepend(&v->free, v->links, slot);
}

static void
request_end(aibrix_vtc *v, uint32_t slot)
{
	uint32_t user = v->requests[slot].user;

	list_remove(&v->running, v->links, slot);
	request_free(v, slot);
	v->users[user].running--;
	aibrix__vtc_place(v, user, 0);
}

/* The clock goes on.  A push makes one request, so ending two of those whose
 * leases are over keeps up with any number of them. */
static void
now_set(aibrix_vtc *v, uint64_t now_ns)
{
	if (now_ns > v->now_ns)
		v->now_ns = now_ns;
	if (v->lease_ns == AIBRIX_FOREVER)
		return;
	for (int i = 0; i < 2 && v->running.count; i++) {
		uint32_t slot = v->running.head;

		if (v->now_ns - v->requests[slot].heard_ns < v->lease_ns)
			return;
		request_end(v, slot);
		v->stat.expired++;
	}
}

static int
request_load(aibrix_vtc_request *own, const aibrix_vtc_request *request)
{
	int err;

	if (!request)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(own, sizeof(*own), request,
				  STRUCT_UPTO(aibrix_vtc_request, share));
	if (err)
		return err;
	if (own->share == 0)
		own->share = 1;
	/* NaN fails too. */
	if (own->user == 0 || own->spare ||
	    !(own->share >= 1.0 / RATIO_MAX && own->share <= RATIO_MAX))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

/* Who pushes, known from now on. */
static int
user_for(aibrix_vtc *v, uint64_t name, uint32_t *user)
{
	const struct user *u;

	if (v->free.count == 0)
		return AIBRIX_E_FULL;
	*user = aibrix__vtc_find(v, name);
	if (*user == NONE) {
		*user = aibrix__vtc_add(v, name);
		return *user == NONE ? AIBRIX_E_FULL : AIBRIX_OK;
	}
	u = &v->users[*user];
	if (u->running + u->waiting.count >= v->max_user_requests)
		return AIBRIX_E_BUSY;
	if (u->running == 0 && u->waiting.count == 0)
		heap_remove(&v->idle, *user);
	return AIBRIX_OK;
}

int
aibrix_vtc_push(aibrix_vtc *vtc, const aibrix_vtc_request *request,
		uint64_t now_ns, uint64_t *ticket)
{
	aibrix_vtc_request own;
	struct request *r;
	struct user *u;
	uint32_t slot, user;
	int err;

	if (!vtc || !ticket)
		return AIBRIX_E_INVAL;
	err = request_load(&own, request);
	if (err)
		return err;
	now_set(vtc, now_ns);
	err = user_for(vtc, own.user, &user);
	if (err)
		return err;
	slot = list_pop(&vtc->free, vtc->links);
	r = &vtc->requests[slot];
	*r = (struct request){.tag = own.tag,
			      .pushed_ns = vtc->now_ns,
			      .order = vtc->arrivals++,
			      .user = user,
			      .state = REQUEST_WAITS,
			      .generation =
				      r->generation + 1 ? r->generation + 1 : 1,
			      .input = own.input_tokens,
			      .expected = own.expected_tokens,
			      .share = (uint32_t)lround(own.share * SHARE_ONE)};
	u = &vtc->users[user];
	if (u->waiting.count == 0)
		aibrix__vtc_lift(vtc, user);
	list_append(&u->waiting, vtc->links, slot);
	if (u->waiting.count == 1)
		aibrix__vtc_place(vtc, user, 0);
	vtc->stat.pushed++;
	*ticket = ticket_of(vtc, slot);
	return AIBRIX_OK;
}

/* The user's request that is next, for the caller. */
static int
item_read(const aibrix_vtc *v, uint32_t user, uint64_t now_ns,
	  aibrix_vtc_item *item, uint32_t *slot)
{
	const struct request *r;
	aibrix_vtc_item own = {.size = sizeof(own)};

	if (user == NONE)
		return AIBRIX_E_NOT_FOUND;
	*slot = v->users[user].waiting.head;
	r = &v->requests[*slot];
	if (now_ns < v->now_ns)
		now_ns = v->now_ns;
	own.ticket = ticket_of(v, *slot);
	own.user = v->users[r->user].name;
	own.tag = r->tag;
	own.input_tokens = r->input;
	own.waited_ns = now_ns - r->pushed_ns;
	return aibrix__struct_store(item, &own, sizeof(own),
				    STRUCT_UPTO(aibrix_vtc_item, waited_ns));
}

int
aibrix_vtc_look(const aibrix_vtc *vtc, uint32_t i, uint64_t now_ns,
		aibrix_vtc_item *item)
{
	uint32_t slot;

	if (!vtc || !item || i >= AIBRIX_VTC_LOOK_MAX)
		return AIBRIX_E_INVAL;
	return item_read(vtc, aibrix__vtc_ith(vtc, i), now_ns, item, &slot);
}

int
aibrix_vtc_peek(const aibrix_vtc *vtc, uint64_t now_ns, aibrix_vtc_item *item)
{
	uint32_t slot;

	if (!vtc || !item)
		return AIBRIX_E_INVAL;
	return item_read(vtc, heap_first(&vtc->waiting), now_ns, item, &slot);
}

/* The first of its user's runs from now on. */
static void
request_start(aibrix_vtc *v, uint32_t slot)
{
	struct request *r = &v->requests[slot];
	struct user *u = &v->users[r->user];

	list_pop(&u->waiting, v->links);
	list_append(&v->running, v->links, slot);
	u->running++;
	r->state = REQUEST_RUNS;
	r->heard_ns = v->now_ns;
	r->popped = ++v->pops;
	v->stat.popped++;
	settle(v, r, cost_of(v, r, r->input, r->expected));
	aibrix__vtc_place(v, r->user, 1);
}

int
aibrix_vtc_pop(aibrix_vtc *vtc, uint64_t now_ns, aibrix_vtc_item *item)
{
	uint32_t slot;
	int err;

	if (!vtc || !item)
		return AIBRIX_E_INVAL;
	err = item_read(vtc, heap_first(&vtc->waiting), now_ns, item, &slot);
	now_set(vtc, now_ns);
	if (!err)
		request_start(vtc, slot);
	return err;
}

int
aibrix_vtc_take(aibrix_vtc *vtc, uint64_t ticket, uint64_t now_ns)
{
	uint32_t slot;
	int err = ticket_read(vtc, ticket, REQUEST_WAITS, &slot);

	if (err)
		return err;
	if (vtc->users[vtc->requests[slot].user].waiting.head != slot)
		return AIBRIX_E_STATE;
	now_set(vtc, now_ns);
	request_start(vtc, slot);
	return AIBRIX_OK;
}

int
aibrix_vtc_put_back(aibrix_vtc *vtc, uint64_t ticket)
{
	struct request *r;
	struct user *u;
	uint32_t slot;
	int err = ticket_read(vtc, ticket, REQUEST_RUNS, &slot);

	if (err)
		return err;
	r = &vtc->requests[slot];
	u = &vtc->users[r->user];
	/* After a lift nothing comes back, and the whole is charged again:
	 * without the first charge the lift would have been as much more. */
	settle(vtc, r, 0);
	list_remove(&vtc->running, vtc->links, slot);
	list_prepend(&u->waiting, vtc->links, slot);
	u->running--;
	r->state = REQUEST_WAITS;
	r->output = 0;
	vtc->stat.put_back++;
	aibrix__vtc_place(vtc, r->user, 1);
	return AIBRIX_OK;
}

int
aibrix_vtc_tokens(aibrix_vtc *vtc, uint64_t ticket, uint32_t output_tokens,
		  uint64_t now_ns)
{
	struct request *r;
	uint32_t slot;
	int err = ticket_read(vtc, ticket, REQUEST_RUNS, &slot);

	if (err)
		return err;
	r = &vtc->requests[slot];
	if (now_ns > vtc->now_ns)
		vtc->now_ns = now_ns;
	r->heard_ns = vtc->now_ns;
	list_remove(&vtc->running, vtc->links, slot);
	list_append(&vtc->running, vtc->links, slot);
	if (output_tokens <= r->output)
		return AIBRIX_OK;
	r->output = output_tokens;
	if (output_tokens <= r->expected)
		return AIBRIX_OK;
	settle(vtc, r, cost_of(vtc, r, r->input, output_tokens));
	aibrix__vtc_place(vtc, r->user, 0);
	return AIBRIX_OK;
}

int
aibrix_vtc_done(aibrix_vtc *vtc, uint64_t ticket, uint32_t input_tokens,
		uint32_t output_tokens)
{
	struct request *r;
	uint32_t slot;
	int err = ticket_read(vtc, ticket, REQUEST_RUNS, &slot);

	if (err)
		return err;
	r = &vtc->requests[slot];
	settle(vtc, r, cost_of(vtc, r, input_tokens, output_tokens));
	request_end(vtc, slot);
	vtc->stat.done++;
	return AIBRIX_OK;
}

int
aibrix_vtc_cancel(aibrix_vtc *vtc, uint64_t ticket)
{
	struct user *u;
	uint32_t slot, user;
	int err = ticket_read(vtc, ticket, REQUEST_WAITS, &slot);

	if (err)
		return err;
	user = vtc->requests[slot].user;
	u = &vtc->users[user];
	list_remove(&u->waiting, vtc->links, slot);
	request_free(vtc, slot);
	vtc->stat.canceled++;
	aibrix__vtc_place(vtc, user, 1);
	return AIBRIX_OK;
}

int
aibrix_vtc_counter(const aibrix_vtc *vtc, uint64_t user, double *counter)
{
	uint32_t u;

	if (!vtc || !counter)
		return AIBRIX_E_INVAL;
	u = aibrix__vtc_find(vtc, user);
	if (u == NONE)
		return AIBRIX_E_NOT_FOUND;
	*counter = (double)vtc->users[u].counter / UNITS;
	return AIBRIX_OK;
}
