/*
 * Nodes and slots of a cluster: who is asked for them, and when, and how a
 * map that was read takes the place of the one in use.
 *
 *   ring    [ seed | a | b | c | named by ASK ]     nodes of the old map
 *   reply   [ b | c | d ]
 *   ring    [ seed | d | b | c | named by ASK ]     b and c keep their ids
 *
 * Nothing is changed until it is known that all nodes have room.  A node
 * that only a redirect has named outlives one map: a new master has no slots
 * while the first of them is on its way, so that no map lists it.
 */

#include "store/resp_topology.h"

#include <string.h>

#include "base/rand.h"
#include "store/backoff.h"

enum {
	SEED = TOPOLOGY_SEED,
	DOWN = 2,   /* no connection */
	TRIED = 4,  /* asked in this round */
	OWNER = 8,  /* has slots */
	NAMED = 16, /* by a redirect, since the last map */
	LISTED = 32 /* in the map that is being taken */
};

/* ---- nodes */

static uint8_t *
mark_of(struct topology *t, uint32_t id)
{
	return &t->marks[aibrix__ring_place(id)];
}

static void
owners_count(struct topology *t)
{
	const uint8_t both = DOWN | OWNER;

	t->owners_down = 0;
	for (uint32_t p = 0; p < t->opts.max_nodes; p++)
		t->owners_down += (t->marks[p] & both) == both;
}

static void
name_write(struct ring_node *node, const char *host, uint32_t port)
{
	size_t n = strlen(host), digits = 1;

	for (uint32_t rest = port; rest >= 10; rest /= 10)
		digits++;
	memcpy(node->addr, host, n);
	memcpy(node->name, host, n);
	node->name[n] = ':';
	for (size_t i = digits; i > 0; i--, port /= 10)
		node->name[n + i] = (char)('0' + port % 10);
}

uint32_t
aibrix__topology_seat(struct topology *t, const char *host, uint32_t port)
{
	uint32_t id = aibrix__ring_find_addr(t->ring, host, port);
	struct ring_node node = {.port = port};

	if (id != RING_NONE)
		return id;
	name_write(&node, host, port);
	if (aibrix__ring_add(t->ring, &node, &id))
		return RING_NONE;
	*mark_of(t, id) = 0;
	return id;
}

void
aibrix__topology_named(struct topology *t, uint32_t id, uint32_t slot)
{
	*mark_of(t, id) |= NAMED;
	if (slot == RING_SLOTS)
		return;
	(void)aibrix__ring_moved(t->ring, slot, id);
	*mark_of(t, id) |= OWNER;
	owners_count(t);
}

void
aibrix__topology_down(struct topology *t, uint32_t id)
{
	if (!aibrix__ring_get(t->ring, id))
		return;
	*mark_of(t, id) |= DOWN;
	owners_count(t);
}

void
aibrix__topology_up(struct topology *t, uint32_t id)
{
	if (!aibrix__ring_get(t->ring, id))
		return;
	*mark_of(t, id) &= (uint8_t)~DOWN;
	owners_count(t);
}

/* ---- a map that was read */

/* Lists the nodes that stay; the number of those that the ring lacks. */
static uint32_t
peers_find(struct topology *t)
{
	struct topology_reader *r = &t->reader;
	uint32_t fresh = 0;

	for (uint32_t i = 0; i < r->n_peers; i++) {
		struct topology_peer *p = &r->peers[i];

		p->id = aibrix__ring_find_addr(t->ring, p->host, p->port);
		if (p->id == RING_NONE)
			fresh++;
		else
			*mark_of(t, p->id) |= LISTED;
	}
	return fresh;
}

/* Nodes below max_nodes that neither the map nor a seed asks for. */
static int
room_count(struct topology *t, uint32_t fresh, uint32_t *spare)
{
	uint32_t kept = 0;

	for (uint32_t p = 0; p < t->opts.max_nodes; p++)
		kept += (t->marks[p] & (LISTED | SEED)) != 0;
	if (fresh > t->opts.max_nodes - kept)
		return AIBRIX_E_FULL;
	*spare = t->opts.max_nodes - kept - fresh;
	return AIBRIX_OK;
}

static void
marks_clear(struct topology *t, uint8_t marks)
{
	for (uint32_t p = 0; p < t->opts.max_nodes; p++)
		t->marks[p] &= (uint8_t)~marks;
}

/* 1: nodes were removed. */
static int
others_remove(struct topology *t, uint32_t spare)
{
	int news = 0;

	for (uint32_t p = 0; p < t->opts.max_nodes; p++) {
		uint32_t id = aibrix__ring_at(t->ring, p);

		if (id == RING_NONE || (t->marks[p] & (LISTED | SEED)))
			continue;
		if ((t->marks[p] & NAMED) && spare > 0) {
			spare--;
			continue;
		}
		t->marks[p] = 0;
		(void)aibrix__ring_remove(t->ring, id);
		news = 1;
	}
	return news;
}

/* 1: nodes were added; there is room. */
static int
peers_add(struct topology *t)
{
	struct topology_reader *r = &t->reader;
	int news = 0;

	for (uint32_t i = 0; i < r->n_peers; i++) {
		struct topology_peer *p = &r->peers[i];

		if (p->id != RING_NONE)
			continue;
		p->id = aibrix__topology_seat(t, p->host, p->port);
		news = 1;
	}
	return news;
}

/* 1: some slot is another's than before. */
static int
slots_assign(struct topology *t)
{
	const struct topology_reader *r = &t->reader;
	int news = 0;

	marks_clear(t, OWNER);
	for (uint32_t s = 0; s < RING_SLOTS; s++) {
		uint16_t place = RING_NOWHERE;

		if (r->slots[s] < PEER_UNKNOWN) {
			uint32_t id = r->peers[r->slots[s]].id;

			place = (uint16_t)aibrix__ring_place(id);
			t->marks[place] |= OWNER;
		}
		news |= t->ring->table[s] != place;
	}
	(void)aibrix__ring_assign(t->ring, NULL, 0);
	for (uint32_t s = 0; s < RING_SLOTS; s++)
		if (r->slots[s] < PEER_UNKNOWN)
			(void)aibrix__ring_moved(t->ring, s,
						 r->peers[r->slots[s]].id);
	return news;
}

static int
map_take(struct topology *t, int *news)
{
	uint32_t spare, fresh = peers_find(t);
	int err = room_count(t, fresh, &spare);

	if (!err) {
		*news = others_remove(t, spare);
		*news |= peers_add(t);
		*news |= slots_assign(t);
		marks_clear(t, NAMED);
		owners_count(t);
	}
	marks_clear(t, LISTED);
	return err;
}

/* ---- who is asked, and when */

static int
map_wanted(const struct topology *t)
{
	return t->wanted || t->owners_down > 0;
}

/* An instant too far away to be ours: the clock was set back. */
static int
map_due(const struct topology *t, uint64_t now_ns)
{
	return t->due_ns <= now_ns ||
	       t->due_ns - now_ns > t->opts.refresh_max_ns;
}

uint64_t
aibrix__topology_wake(const struct topology *t)
{
	return t->ask.id != RING_NONE || !map_wanted(t) ? AIBRIX_FOREVER
							: t->due_ns;
}

/* Whom not to ask before others: seeds may stand for any of the nodes, and
 * are there when all others are gone; who has no connection, may be back. */
static uint32_t
ask_rank(uint8_t marks)
{
	return marks & DOWN ? 2 : marks & SEED ? 1 : 0;
}

static uint32_t
ask_choose(struct topology *t)
{
	uint32_t n = t->opts.max_nodes, start = rand_below(&t->rand, n);
	uint32_t best = RING_NONE, best_rank = 3;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t p = (start + i) % n, id = aibrix__ring_at(t->ring, p);

		if (id == RING_NONE || (t->marks[p] & TRIED) ||
		    ask_rank(t->marks[p]) >= best_rank)
			continue;
		best = id;
		best_rank = ask_rank(t->marks[p]);
	}
	return best;
}

static void
round_end(struct topology *t, uint64_t now_ns, int news)
{
	const struct topology_opts *o = &t->opts;

	if (news || now_ns < t->ended_ns ||
	    now_ns - t->ended_ns > 2 * o->refresh_max_ns)
		t->level = 0;
	t->ended_ns = now_ns;
	t->due_ns = now_ns + jitter_ns(&t->rand,
				       backoff_ns(o->refresh_min_ns,
						  o->refresh_max_ns, t->level),
				       o->jitter_pct);
	if (!news && t->level < 63)
		t->level++;
	marks_clear(t, TRIED);
}

int
aibrix__topology_ask(struct topology *t, uint64_t now_ns,
		     struct topology_ask *ask)
{
	uint32_t id;

	if (t->ask.id != RING_NONE || !map_wanted(t) || !map_due(t, now_ns))
		return AIBRIX_E_AGAIN;
	/* Somebody is left, or the round would have ended. */
	id = ask_choose(t);
	*mark_of(t, id) |= TRIED;
	/* What is wanted from here on may not be in the reply. */
	t->wanted = 0;
	t->ask = (struct topology_ask){id, ++t->number};
	aibrix__topology_read_begin(&t->reader,
				    aibrix__ring_get(t->ring, id)->addr);
	*ask = t->ask;
	return AIBRIX_OK;
}

static void
ask_failed(struct topology *t, uint64_t now_ns)
{
	t->ask.id = RING_NONE;
	t->wanted = 1;
	t->stat.failed += t->stat.failed < UINT64_MAX;
	if (ask_choose(t) != RING_NONE)
		return;
	t->rounds += t->rounds < UINT32_MAX;
	round_end(t, now_ns, 0);
}

void
aibrix__topology_fail(struct topology *t, uint32_t number, uint64_t now_ns)
{
	if (t->ask.id != RING_NONE && t->ask.number == number)
		ask_failed(t, now_ns);
}

int
aibrix__topology_event(struct topology *t, uint32_t number, struct resp *resp,
		       const struct resp_event *e, uint64_t now_ns)
{
	int err, news = 0;

	if (t->ask.id == RING_NONE || t->ask.number != number) {
		if (e->kind == RESP_BULK)
			(void)aibrix__resp_drop(resp);
		return AIBRIX_E_STATE;
	}
	aibrix__topology_read(&t->reader, resp, e);
	if (!e->ends)
		return AIBRIX_E_AGAIN;
	err = aibrix__topology_read_end(&t->reader);
	if (!err)
		err = map_take(t, &news);
	if (err) {
		t->stat.refused += t->stat.refused < UINT64_MAX;
		ask_failed(t, now_ns);
		return err;
	}
	t->ask.id = RING_NONE;
	t->stat.refreshed += t->stat.refreshed < UINT64_MAX;
	t->version++;
	t->rounds = 0;
	round_end(t, now_ns, news);
	return AIBRIX_OK;
}
