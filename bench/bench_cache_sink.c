/* Completions are handed out in the order of the requests. */

#include <aibrix/backend.h>

#include "bench_cache.h"

enum { SINK_FLIGHT = 1024 };

struct sink {
	struct {
		uint64_t tag;
		uint32_t op;
	} queue[SINK_FLIGHT];
	uint32_t n;
};

static int
sink_new(const aibrix_backend_conf *conf, void **backend)
{
	*backend = calloc(1, sizeof(struct sink));
	return *backend && conf->max_inflight <= SINK_FLIGHT ? AIBRIX_OK
							     : AIBRIX_E_NOMEM;
}

static int
sink_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	    uint32_t *accepted)
{
	struct sink *s = backend;

	(void)now_ns;
	for (uint32_t i = 0; i < n; i++) {
		s->queue[s->n].tag = ios[i].tag;
		s->queue[s->n++].op = ios[i].op;
	}
	*accepted = n;
	return AIBRIX_OK;
}

static int
sink_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	  uint64_t timeout_ns, uint32_t *n)
{
	struct sink *s = backend;
	uint32_t some = s->n < cap ? s->n : cap;

	(void)now_ns;
	(void)timeout_ns;
	for (uint32_t i = 0; i < some; i++)
		dones[i] = (aibrix_done){
			.tag = s->queue[i].tag,
			.status = s->queue[i].op == AIBRIX_STORE_PUT
					  ? AIBRIX_OK
					  : AIBRIX_E_NOT_FOUND};
	s->n -= some;
	memmove(s->queue, s->queue + some, s->n * sizeof(s->queue[0]));
	*n = some;
	return AIBRIX_OK;
}

aibrix_store *
sink_open(uint64_t value_bytes)
{
	const aibrix_backend table = {.size = sizeof(table),
				      .open = sink_new,
				      .submit = sink_submit,
				      .poll = sink_poll,
				      .close = free};
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_USER,
					.value_bytes = value_bytes,
					.capacity_bytes = value_bytes,
					.max_inflight = SINK_FLIGHT,
					.user = &table};
	aibrix_store *store;

	bench_check(!aibrix_store_open(&opts, &store), "a store of our own");
	return store;
}
