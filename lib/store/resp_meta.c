/*
 * AIBrix's metadata behind the backend: a text at one key of one server says
 * who has the values.
 *
 *   GET meta_key --> text --> ring (RING_COMPAT) --> nodes
 *        ^                                            |
 *        +------ after meta_ns; sooner, if it failed -+
 *
 * The servers of the URL have the places behind the members' in store->nodes
 * and are asked in turn: one after the other at once, then each after a wait
 * that grows.  One question is under way at a time, and it ends by its answer,
 * by the end of its line or by its deadline, whatever comes first.
 *
 * A text that is refused, a key that is not there, or nobody who answers leave
 * the map as it is, for as long as it takes: a metadata server that is down
 * must not take the values along.  Before the first map nothing is found.
 *
 * The text may be 4 MiB, so its memory is taken while it comes and given back
 * with the question.
 */
#include "store/store_resp.h"

#include "base/alloc.h"
#include "base/log.h"
#include "store/backoff.h"

enum { META_NODES = 128, JITTER_PCT = 10 };

#define ASK_MAX_NS UINT64_C(5000000000)
#define AGAIN_MIN_NS UINT64_C(100000000)

static int
hosts_open(struct resp_store *store)
{
	const struct resp_url *url = &store->config.url;

	for (uint32_t i = 0; i < url->n_hosts; i++) {
		int err = aibrix__resp_node_init(
			store, &store->nodes[META_NODES + i], &url->hosts[i],
			rand_next(&store->rand));

		if (err)
			return err;
	}
	return AIBRIX_OK;
}

int
aibrix__resp_meta_open(struct resp_store *store)
{
	const uint32_t hosts = store->config.url.n_hosts;
	int err;

	err = aibrix__ring_new(store->conf->alloc, RING_COMPAT, META_NODES,
			       &store->ring);
	if (err)
		return err;
	store->members = store->ring;
	store->nodes = aibrix__alloc(store->conf->alloc, META_NODES + hosts,
				     sizeof(*store->nodes));
	if (!store->nodes)
		return AIBRIX_E_NOMEM;
	store->n_nodes = META_NODES + hosts;
	store->meta.first = META_NODES;
	store->meta.hosts = hosts;
	/* The first call asks. */
	store->wake = 0;
	return hosts_open(store);
}

static void
text_free(struct resp_store *store)
{
	struct resp_meta *m = &store->meta;

	aibrix__free(store->conf->alloc, m->text, (size_t)m->iov.bytes, 1);
	m->text = NULL;
}

void
aibrix__resp_meta_close(struct resp_store *store)
{
	text_free(store);
}

int
aibrix__resp_meta_place(struct resp_store *store, struct resp_request *r)
{
	uint32_t id;
	int err;

	err = aibrix__ring_pick(store->ring, r->io.key, r->io.key_bytes, &id);
	return err ? err : aibrix__resp_member(store, id, &r->node);
}

/* ---- the end of a question */

/* Others are asked, or the same again. */
static void
ask_fail(struct resp_store *store)
{
	struct resp_meta *m = &store->meta;
	const uint64_t max = store->config.meta_ns;
	const uint64_t min = max < AGAIN_MIN_NS ? max : AGAIN_MIN_NS;
	uint64_t wait = 0;

	text_free(store);
	m->line = NULL;
	m->asking = 0;
	m->host = (m->host + 1) % m->hosts;
	m->level += m->level < UINT32_MAX;
	if (m->level >= m->hosts)
		wait = jitter_ns(&store->rand,
				 backoff_ns(min, max, m->level - m->hosts),
				 JITTER_PCT);
	m->due_ns = store->now + wait;
}

static void
ask_done(struct resp_store *store)
{
	struct resp_meta *m = &store->meta;

	text_free(store);
	m->line = NULL;
	m->asking = 0;
	m->level = 0;
	m->told = 0;
	m->due_ns = store->now +
		    jitter_ns(&store->rand, store->config.meta_ns, JITTER_PCT);
	store->map_new = 1;
}

/* An answer that is no map. */
static void
ask_refuse(struct resp_store *store, const char *why, int status)
{
	struct resp_meta *m = &store->meta;

	if (!m->told)
		aibrix__log(store->conf->log, AIBRIX_LOG_WARN, LOG_STORE_META,
			    "store: %s has no metadata: %s, %s; the nodes stay "
			    "as they are",
			    store->nodes[m->first + m->host].name, why,
			    aibrix_error_name(status));
	m->told = 1;
	ask_fail(store);
}

void
aibrix__resp_meta_lost(struct resp_store *store, const struct resp_line *line)
{
	if (store->meta.line == line)
		ask_fail(store);
}

/* ---- answers */

static int
text_begin(struct resp_store *store, struct resp_line *line, uint64_t n)
{
	struct resp_meta *m = &store->meta;
	int err = AIBRIX_E_FULL;

	if (n <= RING_TEXT_MAX) {
		/* One more: an empty text has a place, too. */
		m->iov.bytes = n + 1;
		m->text = aibrix__alloc(store->conf->alloc, (size_t)n + 1, 1);
		m->iov.base = m->text;
		err = m->text ? aibrix__resp_into(&line->conn.codec, &m->iov, 1)
			      : AIBRIX_E_NOMEM;
	}
	if (!err)
		return AIBRIX_OK;
	/* The rest is not worth reading. */
	ask_refuse(store, "the value is not read", err);
	line->doomed = 1;
	return AIBRIX_E_CLOSED;
}

static void
text_take(struct resp_store *store, uint64_t n)
{
	size_t offset = 0;
	int err = aibrix__ring_load(store->ring, store->meta.text, (size_t)n,
				    &offset);

	if (err)
		ask_refuse(store, "the value is none", err);
	else
		ask_done(store);
}

int
aibrix__resp_meta_reply(struct resp_store *store, struct resp_line *line,
			const struct resp_event *event)
{
	switch (event->kind) {
	case RESP_BULK: return text_begin(store, line, (uint64_t)event->number);
	case RESP_BULK_END:
		text_take(store, (uint64_t)event->number);
		return AIBRIX_OK;
	case RESP_NIL:
		ask_refuse(store, "there is no such key", AIBRIX_E_NOT_FOUND);
		return AIBRIX_OK;
	case RESP_ERROR:
		ask_refuse(store, "it answers with an error", AIBRIX_E_IO);
		return AIBRIX_OK;
	default: return AIBRIX_E_PARSE;
	}
}

/* ---- questions */

/* AIBRIX_OK: it is on a line.  E_AGAIN: one is on its way. */
static int
ask_send(struct resp_store *store)
{
	const struct resp_config *c = &store->config;
	const struct resp_arg args[] = {{"GET", 3},
					{c->meta_key, c->meta_key_bytes}};
	const struct resp_push push = {.args = args,
				       .n_args = 2,
				       .payload = RESP_NO_PAYLOAD,
				       .kind = CALL_META,
				       .request = CONN_NO_REQUEST};
	struct resp_meta *m = &store->meta;
	struct resp_line *line;
	uint32_t number;
	int err;

	err = aibrix__resp_member_line(store, &store->nodes[m->first + m->host],
				       &m->opened, &line);
	if (!err)
		err = aibrix__resp_conn_push(&line->conn, &push, store->now,
					     &number);
	if (!err)
		m->line = line;
	return err;
}

static void
ask_begin(struct resp_store *store)
{
	struct resp_meta *m = &store->meta;

	m->asking = 1;
	m->opened = 0;
	m->until_ns = store->now + ASK_MAX_NS;
}

void
aibrix__resp_meta_run(struct resp_store *store)
{
	struct resp_meta *m = &store->meta;

	/* Each turn ends a question, and after a round of them there is a
	 * wait. */
	for (;;) {
		int err = AIBRIX_E_TIMEOUT;

		if (!m->asking && store->now < m->due_ns)
			break;
		if (!m->asking)
			ask_begin(store);
		if (store->now < m->until_ns)
			err = m->line ? AIBRIX_OK : ask_send(store);
		if (err == AIBRIX_OK || err == AIBRIX_E_AGAIN)
			break;
		if (m->line) /* with what of the text is to come */
			aibrix__resp_line_leave(store, m->line);
		else
			ask_fail(store);
	}
	resp_wake_by(store, m->asking ? m->until_ns : m->due_ns);
}
