#include "wire.h"

#include <stdio.h>

enum {
	BACKOFF_MIN_MS = 10,
	BACKOFF_MAX_MS = 200,
	PATIENCE_MS = 2000,
	CONNECT_MS = 200
};

static void
store_open(struct wire *w, const char *host, uint64_t min_ms, uint64_t max_ms)
{
	const aibrix_resp_opts resp = {.size = sizeof(resp),
				       .connections = 4,
				       .connect_timeout_ns =
					       CONNECT_MS * UINT64_C(1000000),
				       .backoff_min_ns = min_ms * 1000000u,
				       .backoff_max_ns = max_ms * 1000000u};
	char url[64];
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.value_bytes = LOAD_VALUE_MAX,
					.seed = 1,
					.absent_ns = AIBRIX_FOREVER,
					.backend_opts = &resp};
	int err;

	/* 20 times what a node may be left alone and a connection may take. */
	w->recovery_ms = 20 * (max_ms + CONNECT_MS);
	snprintf(url, sizeof(url), "redis://%s:%d", host, w->server.port);
	w->descriptors = load_descriptors();
	err = aibrix_store_open(&opts, &w->store);
	if (err)
		case_abort("open: %s", aibrix_error_name(err));
	load_open(&w->load, w->store, 7);
	load_fill(&w->load);
	expect(w->load.broken == 0, "a network that works");
	/* A busy machine may be late at any time. */
	w->load.allowed = LOAD_BIT(AIBRIX_E_TIMEOUT);
}

static void
server_start(struct wire *w, const struct redis_opts *opts)
{
	int status = redis_start(&w->server, opts);

	if (status == REDIS_ABSENT)
		case_skip("%s", w->server.reason);
	if (status)
		case_abort("%s", w->server.reason);
}

/* A server behind a cable. */
static struct wire *
far_open(uint64_t backoff_min_ms, uint64_t backoff_max_ms)
{
	static const char *const lines[] = {"bind 0.0.0.0", "protected-mode no",
					    NULL};
	static struct wire w;

	if (net_ns_open(&w.net))
		case_skip("%s", w.net.reason);
	server_start(&w,
		     &(struct redis_opts){.lines = lines,
					  .netns = w.net.spaces[NET_THEIRS]});
	store_open(&w, NET_NS_THEIRS, backoff_min_ms, backoff_max_ms);
	return &w;
}

struct wire *
wire_far(void)
{
	return far_open(BACKOFF_MIN_MS, BACKOFF_MAX_MS);
}

struct wire *
wire_far_patient(void)
{
	return far_open(PATIENCE_MS, PATIENCE_MS);
}

/* A server on this machine. */
struct wire *
wire_near(void)
{
	static struct wire w;

	server_start(&w, NULL);
	store_open(&w, "127.0.0.1", BACKOFF_MIN_MS, BACKOFF_MAX_MS);
	/* Its answers are at once: it is the machine that may be busy. */
	w.load.deadline_ns = 10 * LOAD_DEADLINE_NS;
	return &w;
}

aibrix_store_node
wire_node(const struct wire *w)
{
	aibrix_store_node node = {.state = UINT32_MAX};
	uint32_t n = 0;

	if (aibrix_store_nodes(w->store, &node, 1, &n) || n != 1)
		case_abort("one node");
	return node;
}

uint64_t
wire_refused(const struct wire *w)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};

	if (aibrix_store_stats(w->store, &stat))
		case_abort("statistics");
	return stat.refused;
}

void
wire_recovers(struct wire *w)
{
	uint64_t start = load_now_ns(), ms;

	ms = load_until_hit(&w->load, w->recovery_ms);
	expect(ms <= w->recovery_ms, "no hit for %llu ms",
	       (unsigned long long)w->recovery_ms);
	while (wire_node(w).state != AIBRIX_NODE_CLOSED &&
	       ms <= w->recovery_ms) {
		load_run(&w->load, 1);
		ms = (load_now_ns() - start) / 1000000u;
	}
	expect(ms <= w->recovery_ms, "the breaker stays open");
	/* What was sent into the fault has ended. */
	load_run(&w->load, LOAD_DEADLINE_NS / 1000000u);
}

void
wire_close(struct wire *w)
{
	load_drain(&w->load);
	aibrix_store_free(w->store);
	expect(load_descriptors() == w->descriptors,
	       "%d descriptors, %d before the store was opened",
	       load_descriptors(), w->descriptors);
	load_close(&w->load);
	expect(w->load.broken == 0, "%u things not as promised",
	       w->load.broken);
	printf("# %llu hits, slowest %llu ms, timeout %llu, unavailable %llu, "
	       "closed %llu, io %llu\n",
	       (unsigned long long)w->load.hits,
	       (unsigned long long)w->load.slowest_ns / 1000000u,
	       (unsigned long long)load_count(&w->load, AIBRIX_E_TIMEOUT),
	       (unsigned long long)load_count(&w->load, AIBRIX_E_UNAVAILABLE),
	       (unsigned long long)load_count(&w->load, AIBRIX_E_CLOSED),
	       (unsigned long long)load_count(&w->load, AIBRIX_E_IO));
	redis_stop(&w->server);
}
