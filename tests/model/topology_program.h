/*
 * A topology against a cluster that is played: nodes with their own, often
 * stale views of who has which slots, slots on their way, nodes that die and
 * are replaced, that load, that lie about the map.  Requests go the way that
 * the topology says; everything passes through the real codec as text.  What
 * happens is drawn from a seed, or from bytes.
 *
 * Whatever happens: a request ends, after a bounded number of sends and
 * before its deadline; it is executed only where the slot is; ids are those
 * of nodes; one ask is under way.  Once the cluster is at rest, requests
 * succeed and the map becomes that of the cluster.
 */
#ifndef TESTS_TOPOLOGY_PROGRAM_H
#define TESTS_TOPOLOGY_PROGRAM_H

#include <stdio.h>

#include "choices.h"
#include "../topology_tools.h"

enum {
	NODES = 6,
	GROUPS = 16, /* of slots that have one owner */
	GROUP = RING_SLOTS / GROUPS,
	FLIGHT = 12,
	SENDS_MAX = 1 + TOPOLOGY_REDIRECTS + 1, /* one retry */
	SEED_PORT = 1,
	BASE_PORT = 7000,
	NOBODY = NODES
};

#define MSEC ((uint64_t)1000 * 1000)
#define BEGIN_NS ((uint64_t)1 << 50)

enum { REQ_FREE, REQ_SENT, REQ_WAITS };

struct request {
	struct topology_call call;
	uint32_t state, node, asking, sends;
	uint64_t at_ns;
};

struct play {
	struct topology *t;
	struct retry retry;
	struct resp resp;
	/* the cluster */
	uint32_t owner[GROUPS];
	uint32_t target[GROUPS]; /* of a group on its way; NOBODY */
	uint32_t view[NODES][GROUPS];
	uint32_t up[NODES + 1]; /* NOBODY is not */
	uint32_t loading[NODES];
	int rests; /* no bit is turned over any more */
	/* Of the map, every so manieth slot is looked at; 0: each. */
	uint32_t stride;
	/* the client */
	struct request requests[FLIGHT];
	struct topology_ask ask; /* id RING_NONE: none is under way */
	uint32_t asked_node;
	uint64_t now_ns;
	uint64_t begun, ended, executed;
	uint32_t wrong; /* the line of the first broken rule */
	int lies;       /* of maps: planted */
	struct choices choices;
};

#define RULE(p, x)                                                             \
	do {                                                                   \
		if (!(x) && !(p)->wrong)                                       \
			(p)->wrong = __LINE__;                                 \
	} while (0)

/* ---- the cluster */

static uint32_t
node_up(struct play *p)
{
	uint32_t start = draw(&p->choices, NODES);

	for (uint32_t i = 0; i < NODES; i++)
		if (p->up[(start + i) % NODES])
			return (start + i) % NODES;
	return NOBODY;
}

/* The owner and the former one know; others hear of it. */
static void
owner_set(struct play *p, uint32_t group, uint32_t node)
{
	p->view[p->owner[group]][group] = node;
	p->owner[group] = node;
	p->view[node][group] = node;
	p->target[group] = NOBODY;
}

static void
node_kill(struct play *p, uint32_t node)
{
	uint32_t heir;

	p->up[node] = 0;
	heir = node_up(p);
	if (heir == NOBODY) {
		p->up[node] = 1;
		return;
	}
	for (uint32_t g = 0; g < GROUPS; g++) {
		if (p->owner[g] == node)
			owner_set(p, g, heir);
		if (p->target[g] == node)
			p->target[g] = NOBODY;
	}
}

static void
cluster_step(struct play *p)
{
	uint32_t g = draw(&p->choices, GROUPS), node = draw(&p->choices, NODES);

	switch (draw(&p->choices, 8)) {
	case 0: node_kill(p, node); break;
	case 1:
	case 2:
		p->up[node] = 1;
		memcpy(p->view[node], p->owner, sizeof(p->owner));
		break;
	case 3:
		if (p->up[node] && node != p->owner[g])
			p->target[g] = node;
		break;
	case 4:
		if (p->target[g] != NOBODY)
			owner_set(p, g, p->target[g]);
		break;
	case 5: p->loading[node] = !p->loading[node]; break;
	default: p->view[node][g] = p->owner[g];
	}
}

static size_t
node_text(struct play *p, char *out, size_t cap, uint32_t node, uint32_t from)
{
	uint32_t how = draw(&p->choices, 8);
	char host[32];

	if (how == 0)
		snprintf(host, sizeof(host), "$-1\r\n");
	else if (how == 1 && node == from)
		snprintf(host, sizeof(host), "$0\r\n\r\n");
	else
		snprintf(host, sizeof(host), "$2\r\nn%u\r\n", (unsigned)node);
	return (size_t)snprintf(out, cap, "*4\r\n%s:%u\r\n$1\r\ni\r\n*0\r\n",
				host, (unsigned)(BASE_PORT + node));
}

/* The map as node sees it. */
static size_t
map_text(struct play *p, char *out, size_t cap, uint32_t node)
{
	size_t n = (size_t)snprintf(out, cap, "*%d\r\n", GROUPS);

	for (uint32_t g = 0; g < GROUPS; g++) {
		uint32_t owner = p->view[node][g],
			 replica = draw(&p->choices, NODES);

		if (p->lies && g == GROUPS - 1)
			owner = (owner + 1) % NODES;
		n += (size_t)snprintf(out + n, cap - n, "*4\r\n:%u\r\n:%u\r\n",
				      (unsigned)(g * GROUP),
				      (unsigned)(g * GROUP + GROUP - 1));
		n += node_text(p, out + n, cap - n, owner, node);
		n += node_text(p, out + n, cap - n, replica, node);
	}
	return n;
}

/* What node answers; empty: the request is executed. */
static void
answer_text(struct play *p, const struct request *r, char *out, size_t cap)
{
	uint32_t node = r->node, slot = r->call.slot, g = slot / GROUP;
	uint32_t owner = p->view[node][g], target = p->target[g];
	unsigned host = draw(&p->choices, 8);
	const char *kind = "MOVED";

	out[0] = '\0';
	if (p->loading[node]) {
		snprintf(out, cap, "-LOADING data\r\n");
		return;
	}
	if (r->asking && target == node)
		return;
	if (owner == node) {
		if (target == NOBODY || draw(&p->choices, 2))
			return;
		owner = target;
		kind = "ASK";
	} else if (!p->up[owner]) {
		snprintf(out, cap, "-CLUSTERDOWN hash slot\r\n");
		return;
	}
	if (host == 0)
		snprintf(out, cap, "-%s %u :%u\r\n", kind, (unsigned)slot,
			 (unsigned)(BASE_PORT + owner));
	else
		snprintf(out, cap, "-%s %u n%u:%u\r\n", kind, (unsigned)slot,
			 (unsigned)owner, (unsigned)(BASE_PORT + owner));
}

/* ---- the client */

/* Ports tell nodes apart, whatever the hosts are called. */
static uint32_t
node_of(struct play *p, uint32_t id)
{
	const struct ring_node *node = aibrix__ring_get(p->t->ring, id);

	RULE(p, node);
	if (!node || node->port == SEED_PORT)
		return node_up(p);
	/* A turned bit may have made an address where nobody is. */
	return node->port - BASE_PORT < NODES ? node->port - BASE_PORT : NOBODY;
}

static void
request_end(struct play *p, struct request *r)
{
	RULE(p, r->state != REQ_FREE);
	r->state = REQ_FREE;
	p->ended++;
}

static void
request_send(struct play *p, struct request *r, uint32_t id, uint32_t asking)
{
	r->call.from = id;
	r->node = node_of(p, id);
	r->asking = asking;
	r->state = REQ_SENT;
	r->sends++;
	RULE(p, r->sends <= SENDS_MAX);
}

static void
request_pick(struct play *p, struct request *r)
{
	uint32_t id = RING_NONE;
	int err = aibrix__topology_pick(p->t, r->call.slot, &id);

	if (p->now_ns >= r->call.deadline_ns) {
		request_end(p, r);
	} else if (err == AIBRIX_E_AGAIN) {
		RULE(p, p->t->version == 0);
		r->state = REQ_WAITS;
		r->at_ns = r->call.deadline_ns < p->now_ns + MSEC
				   ? r->call.deadline_ns
				   : p->now_ns + MSEC;
	} else if (err) {
		RULE(p, err == AIBRIX_E_UNAVAILABLE);
		request_end(p, r);
	} else {
		request_send(p, r, id, 0);
	}
}

static struct request *
request_begin(struct play *p, uint32_t slot, uint64_t patience_ns)
{
	for (uint32_t i = 0; i < FLIGHT; i++) {
		struct request *r = &p->requests[i];

		if (r->state != REQ_FREE)
			continue;
		*r = (struct request){.state = REQ_WAITS};
		r->call.deadline_ns = p->now_ns + patience_ns;
		r->call.slot = slot;
		p->begun++;
		aibrix__retry_call(&p->retry);
		request_pick(p, r);
		return r;
	}
	return NULL;
}

static void
request_refused(struct play *p, struct request *r, const char *line)
{
	struct resp_event e = error_event(&p->resp, line);
	struct topology_next next;

	aibrix__topology_error(p->t, &p->retry, &r->call, &e, p->now_ns, &next);
	switch (next.act) {
	case TOPOLOGY_SEND:
	case TOPOLOGY_ASK:
		RULE(p, r->call.redirects <= TOPOLOGY_REDIRECTS);
		request_send(p, r, next.id, next.act == TOPOLOGY_ASK);
		break;
	case TOPOLOGY_WAIT:
		RULE(p, next.at_ns >= p->now_ns);
		RULE(p, next.at_ns < r->call.deadline_ns);
		r->state = REQ_WAITS;
		r->at_ns = next.at_ns;
		break;
	default:
		RULE(p, next.act == TOPOLOGY_END);
		RULE(p, next.status == AIBRIX_E_UNAVAILABLE ||
				next.status == AIBRIX_E_TIMEOUT);
		request_end(p, r);
	}
}

static void
request_step(struct play *p, struct request *r)
{
	char line[128];
	uint32_t g = r->call.slot / GROUP;

	if (r->state == REQ_WAITS && r->at_ns <= p->now_ns)
		request_pick(p, r);
	if (r->state != REQ_SENT)
		return;
	if (!p->up[r->node]) {
		aibrix__topology_down(p->t, r->call.from);
		request_end(p, r);
		return;
	}
	aibrix__topology_up(p->t, r->call.from);
	answer_text(p, r, line, sizeof(line));
	if (line[0]) {
		request_refused(p, r, line);
		return;
	}
	RULE(p,
	     p->owner[g] == r->node || (r->asking && p->target[g] == r->node));
	p->executed++;
	request_end(p, r);
}

static void
ask_step(struct play *p)
{
	char text[8192];
	struct topology_ask ask;
	size_t n;
	int err;

	if (aibrix__topology_ask(p->t, p->now_ns, &ask) == AIBRIX_OK) {
		RULE(p, p->ask.id == RING_NONE);
		p->ask = ask;
		p->asked_node = node_of(p, ask.id);
		return;
	}
	if (p->ask.id == RING_NONE)
		return;
	if (!p->up[p->asked_node] || draw(&p->choices, 16) == 15) {
		aibrix__topology_fail(p->t, p->ask.number, p->now_ns);
		p->ask.id = RING_NONE;
		return;
	}
	n = map_text(p, text, sizeof(text), p->asked_node);
	if (!p->rests && draw(&p->choices, 16) == 15)
		text[draw(&p->choices, (uint32_t)n)] ^=
			(char)(1 << draw(&p->choices, 7));
	err = reply_feed(p->t, p->ask.number, text, n,
			 1 + draw(&p->choices, 200), p->now_ns);
	if (err == AIBRIX_E_AGAIN) /* it wants more than there is */
		aibrix__topology_fail(p->t, p->ask.number, p->now_ns);
	RULE(p, p->t->ask.id == RING_NONE);
	p->ask.id = RING_NONE;
}

/* ---- the play */

static void
play_step(struct play *p)
{
	static const uint64_t unit_ns[] = {1000, 100000, 20000000, 1000000000};

	switch (draw(&p->choices, 8)) {
	case 0: cluster_step(p); break;
	case 1:
		(void)request_begin(p,
				    draw(&p->choices, GROUPS) * GROUP +
					    draw(&p->choices, 256),
				    (1 + draw(&p->choices, 200)) * MSEC);
		break;
	case 2:
		p->now_ns +=
			unit_ns[draw(&p->choices, 4)] * draw(&p->choices, 16);
		break;
	case 3: ask_step(p); break;
	default: request_step(p, &p->requests[draw(&p->choices, FLIGHT)]);
	}
}

/* Everything in flight ends, without further news from the cluster. */
static void
play_drain(struct play *p)
{
	for (uint32_t i = 0; i < 4 * SENDS_MAX; i++) {
		p->now_ns += 50 * MSEC;
		ask_step(p);
		for (uint32_t k = 0; k < FLIGHT; k++)
			request_step(p, &p->requests[k]);
	}
	RULE(p, p->begun == p->ended);
}

static void
cluster_rest(struct play *p)
{
	for (uint32_t i = 0; i < NODES; i++) {
		p->up[i] = 1;
		p->loading[i] = 0;
		memcpy(p->view[i], p->owner, sizeof(p->owner));
	}
	for (uint32_t g = 0; g < GROUPS; g++)
		p->target[g] = NOBODY;
	for (uint32_t i = 0; i < p->t->opts.max_nodes; i++)
		aibrix__topology_up(p->t, aibrix__ring_at(p->t->ring, i));
}

static int
slot_right(struct play *p, uint32_t slot)
{
	const struct ring_node *node;
	uint32_t id;

	if (aibrix__topology_pick(p->t, slot, &id))
		return 0;
	node = aibrix__ring_get(p->t->ring, id);
	return node && node->port == BASE_PORT + p->owner[slot / GROUP];
}

/* The first slot of a group that the map has wrong, or its end: a hole in
 * the map is found by who needs the slot. */
static uint32_t
group_wrong(struct play *p, uint32_t group)
{
	const uint32_t end = (group + 1) * GROUP;
	uint32_t s = group * GROUP;

	while (s < end && slot_right(p, s))
		s += p->stride ? p->stride : 1;
	return s < end ? s : end;
}

static int
map_right(struct play *p)
{
	for (uint32_t g = 0; g < GROUPS; g++)
		if (group_wrong(p, g) != (g + 1) * GROUP)
			return 0;
	return 1;
}

static void
play_rest(struct play *p)
{
	uint64_t executed;

	p->choices.data =
		NULL; /* from here on there is always something to draw */
	play_drain(p);
	p->rests = 1;
	cluster_rest(p);
	for (uint32_t i = 0; i < 40 && !map_right(p); i++) {
		for (uint32_t g = 0; g < GROUPS; g++) {
			uint32_t slot = group_wrong(p, g);

			if (slot < (g + 1) * GROUP)
				(void)request_begin(p, slot, 1000 * MSEC);
			if (g % FLIGHT == FLIGHT - 1)
				play_drain(p);
		}
		play_drain(p);
		p->now_ns += p->t->opts.refresh_max_ns;
	}
	RULE(p, map_right(p));
	executed = p->executed;
	for (uint32_t g = 0; g < GROUPS; g++) {
		(void)request_begin(p, g * GROUP, 1000 * MSEC);
		play_drain(p);
	}
	RULE(p, p->executed == executed + GROUPS);
}

/* The line of the rule that was broken; 0: none. */
static uint32_t
program_run(struct play *p, uint32_t steps)
{
	const struct topology_addr seed = {"seed", SEED_PORT};
	const struct retry_opts retry = {0};
	struct topology_opts opts = {0};

	opts.max_nodes = draw(&p->choices, 2) ? 10 : 64;
	p->now_ns = BEGIN_NS;
	if (aibrix__topology_new(NULL, &opts, &seed, 1, 7, &p->t) ||
	    aibrix__retry_init(&p->retry, &retry, 7))
		abort();
	for (uint32_t g = 0; g < GROUPS; g++) {
		p->owner[g] = g % (NODES / 2);
		p->target[g] = NOBODY;
	}
	for (uint32_t i = 0; i < NODES; i++) {
		p->up[i] = 1;
		memcpy(p->view[i], p->owner, sizeof(p->owner));
	}
	for (uint32_t i = 0; i < steps && !p->wrong; i++) {
		if (p->choices.data && p->choices.left == 0)
			break;
		play_step(p);
	}
	if (!p->wrong)
		play_rest(p);
	aibrix__topology_free(p->t);
	return p->wrong;
}

#endif
