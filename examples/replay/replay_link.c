/*
 * Probes and deletes take the latency.  Values wait for their lane, one for
 * each direction, which carries one after the other:
 *
 *   submit --latency--> queue --lane is free--> carried --> polled
 *               '-- deadline, cancel: polled with that status --^
 *
 * One that ends early leaves the lane to the next.  A request that meets a
 * time in which nothing is answered goes on where that time ends.
 */
#include "replay_link.h"

#include <stdlib.h>
#include <string.h>

#include <aibrix/aibrix.h>

enum { LANES = 2, INFLIGHT = 1024, SLOWER = 100 };

#define TIMEOUT_NS UINT64_C(2000000000)
#define FLAP_NS UINT64_C(5000000000)

enum {
	STATE_SENT = 0,    /* ends at end_ns */
	STATE_QUEUED = 1,  /* wants a lane, from ready_ns on */
	STATE_CARRIED = 2, /* has it until end_ns */
	STATE_LATE = 3,    /* deadline or cancel, at end_ns */
};

typedef struct link_request {
	aibrix_io io;
	uint64_t ready_ns;
	uint64_t end_ns;
	int32_t status; /* STATE_LATE */
	uint32_t state;
} link_request;

typedef struct replay_link {
	replay_link_conf conf;
	link_request requests[INFLIGHT]; /* in the order they came */
	uint32_t n;
	uint64_t free_ns[LANES]; /* AIBRIX_FOREVER: carries one */
} replay_link;

/* ---- time */

static int
fault_is_on(const replay_link *link, uint64_t at_ns)
{
	return at_ns >= link->conf.fault_from_ns;
}

/* When something is answered again that meets t. */
static uint64_t
answered_ns(const replay_link *link, uint64_t at_ns)
{
	uint64_t since;

	if (!fault_is_on(link, at_ns))
		return at_ns;
	since = at_ns - link->conf.fault_from_ns;
	if (link->conf.fault == REPLAY_FAULT_HANG)
		return AIBRIX_FOREVER;
	if (link->conf.fault == REPLAY_FAULT_FLAP &&
	    since % (2 * FLAP_NS) < FLAP_NS)
		return at_ns + FLAP_NS - since % (2 * FLAP_NS);
	return at_ns;
}

/* The end of something that begins at start and takes so long. */
static uint64_t
end_of(const replay_link *link, uint64_t start_ns, uint64_t took_ns)
{
	uint64_t end_ns;

	if (link->conf.fault == REPLAY_FAULT_SLOW &&
	    fault_is_on(link, start_ns))
		took_ns *= SLOWER;
	start_ns = answered_ns(link, start_ns);
	end_ns = start_ns > AIBRIX_FOREVER - took_ns ? AIBRIX_FOREVER
						     : start_ns + took_ns;
	return end_ns == AIBRIX_FOREVER ? end_ns : answered_ns(link, end_ns);
}

static uint32_t
lane_of(const link_request *r)
{
	return r->io.op == AIBRIX_STORE_PUT;
}

static void
request_late(replay_link *link, link_request *r, uint64_t at_ns, int status)
{
	if (r->state == STATE_CARRIED)
		link->free_ns[lane_of(r)] = at_ns;
	r->state = STATE_LATE;
	r->end_ns = at_ns;
	r->status = status;
}

/* The first that waits gets the lane; 0: nobody does by now. */
static int
lane_take(replay_link *link, uint32_t lane, uint64_t now_ns)
{
	double took_s = link->conf.modelled_bytes / link->conf.bytes_per_s;
	uint64_t start_ns;

	if (link->free_ns[lane] == AIBRIX_FOREVER)
		return 0;
	for (uint32_t i = 0; i < link->n; i++) {
		link_request *r = &link->requests[i];

		if (r->state != STATE_QUEUED || lane_of(r) != lane)
			continue;
		start_ns = link->free_ns[lane];
		if (r->ready_ns > start_ns)
			start_ns = r->ready_ns;
		if (start_ns > now_ns)
			return 0;
		r->state = STATE_CARRIED;
		r->end_ns = end_of(link, start_ns, (uint64_t)(took_s * 1e9));
		link->free_ns[lane] = AIBRIX_FOREVER;
		return 1;
	}
	return 0;
}

/* What a lane carried until now leaves it to the next. */
static int
lane_leave(replay_link *link, uint64_t now_ns)
{
	int some = 0;

	for (uint32_t i = 0; i < link->n; i++) {
		link_request *r = &link->requests[i];

		if (r->io.deadline_ns <= now_ns && r->state != STATE_LATE &&
		    r->end_ns > r->io.deadline_ns)
			request_late(link, r, r->io.deadline_ns,
				     AIBRIX_E_TIMEOUT);
		if (r->state != STATE_CARRIED || r->end_ns > now_ns)
			continue;
		r->state = STATE_SENT;
		link->free_ns[lane_of(r)] = r->end_ns;
		some = 1;
	}
	return some;
}

static void
link_advance(replay_link *link, uint64_t now_ns)
{
	int some = 1;

	while (some) {
		some = lane_leave(link, now_ns);
		for (uint32_t lane = 0; lane < LANES; lane++)
			some |= lane_take(link, lane, now_ns);
	}
}

/* ---- the table */

static int
link_new(const aibrix_backend_conf *conf, void **backend)
{
	replay_link *link = calloc(1, sizeof(*link));

	if (!link)
		return AIBRIX_E_NOMEM;
	memcpy(&link->conf, conf->opts, sizeof(link->conf));
	*backend = link;
	return AIBRIX_OK;
}

static int
link_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	    uint32_t *accepted)
{
	replay_link *link = backend;

	for (uint32_t i = 0; i < n; i++) {
		link_request *r = &link->requests[link->n++];
		uint64_t ready_ns = end_of(link, now_ns, link->conf.latency_ns);

		*r = (link_request){.io = ios[i], .ready_ns = ready_ns};
		r->end_ns = ready_ns;
		if (r->io.op == AIBRIX_STORE_GET ||
		    r->io.op == AIBRIX_STORE_PUT) {
			r->state = STATE_QUEUED;
			r->end_ns = AIBRIX_FOREVER;
		}
	}
	*accepted = n;
	return AIBRIX_OK;
}

/* The values answer at once: they are in memory, or waited for. */
static void
values_do(replay_link *link, const link_request *r, aibrix_done *done)
{
	aibrix_io io = r->io;
	uint32_t n = 0;

	io.deadline_ns = AIBRIX_FOREVER;
	*done = (aibrix_done){.status = AIBRIX_E_IO};
	if (aibrix_store_submit(link->conf.values, &io, 1, 0, &n) == AIBRIX_OK)
		while (n && aibrix_store_poll(link->conf.values, done, 1, 0,
					      TIMEOUT_NS, &n) == AIBRIX_OK)
			if (n)
				break;
	done->tag = r->io.tag;
}

/* The one that ended first. */
static link_request *
ended_first(replay_link *link, uint64_t now_ns)
{
	link_request *first = NULL;

	for (uint32_t i = 0; i < link->n; i++) {
		link_request *r = &link->requests[i];

		if ((r->state == STATE_SENT || r->state == STATE_LATE) &&
		    r->end_ns <= now_ns &&
		    (!first || r->end_ns < first->end_ns))
			first = r;
	}
	return first;
}

static uint64_t
link_wake(const void *backend)
{
	const replay_link *link = backend;
	uint64_t wake_ns = AIBRIX_FOREVER;

	for (uint32_t i = 0; i < link->n; i++) {
		const link_request *r = &link->requests[i];
		uint64_t at_ns = r->end_ns;

		if (r->state == STATE_QUEUED) {
			at_ns = link->free_ns[lane_of(r)];
			if (r->ready_ns > at_ns)
				at_ns = r->ready_ns;
		}
		if (r->state != STATE_LATE && r->io.deadline_ns < at_ns)
			at_ns = r->io.deadline_ns;
		wake_ns = at_ns < wake_ns ? at_ns : wake_ns;
	}
	return wake_ns;
}

/* Waiting moves the virtual clock. */
static int
link_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	  uint64_t timeout_ns, uint32_t *n)
{
	replay_link *link = backend;
	link_request *r;

	link_advance(link, now_ns);
	if (timeout_ns && !ended_first(link, now_ns)) {
		uint64_t wake_ns = link_wake(link), clock_ns;

		/* Who drains a cache in the end may know an earlier time. */
		clock_ns = *link->conf.now_ns;
		if (now_ns < clock_ns)
			now_ns = clock_ns;
		if (timeout_ns > AIBRIX_FOREVER - 1 - now_ns)
			timeout_ns = AIBRIX_FOREVER - 1 - now_ns;
		now_ns += timeout_ns;
		now_ns = wake_ns < now_ns ? wake_ns : now_ns;
		now_ns = now_ns < clock_ns ? clock_ns : now_ns;
		*link->conf.now_ns = now_ns;
		link_advance(link, now_ns);
	}
	for (*n = 0; *n < cap && (r = ended_first(link, now_ns)); (*n)++) {
		if (r->state == STATE_LATE)
			dones[*n] = (aibrix_done){.tag = r->io.tag,
						  .status = r->status};
		else
			values_do(link, r, &dones[*n]);
		link->n--;
		memmove(r, r + 1,
			(size_t)(link->requests + link->n - r) * sizeof(*r));
	}
	return AIBRIX_OK;
}

static void
link_cancel(void *backend, uint64_t tag)
{
	replay_link *link = backend;

	for (uint32_t i = 0; i < link->n; i++) {
		link_request *r = &link->requests[i];

		if (r->io.tag == tag && r->state != STATE_LATE)
			request_late(link, r, *link->conf.now_ns,
				     AIBRIX_E_CANCELED);
	}
}

static uint64_t
link_clock(void *ctx)
{
	const uint64_t *now_ns = ctx;

	return *now_ns;
}

int
replay_link_open(const replay_link_conf *conf, aibrix_store **out)
{
	const aibrix_backend table = {.size = sizeof(table),
				      .caps = AIBRIX_CAP_SHARED |
					      AIBRIX_CAP_REMOTE,
				      .open = link_new,
				      .submit = link_submit,
				      .poll = link_poll,
				      .close = free,
				      .cancel = link_cancel,
				      .wake = link_wake};
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_USER,
					.capacity_bytes = conf->value_bytes,
					.value_bytes = conf->value_bytes,
					.max_inflight = INFLIGHT,
					.timeout_ns = TIMEOUT_NS,
					.clock = link_clock,
					.clock_ctx = conf->now_ns,
					.user = &table,
					.backend_opts = conf};

	return aibrix_store_open(&opts, out);
}
