/*
 * A redis-server of our own, as a cache that is full: at its limit of memory
 * it evicts a value for each that comes.  A server that is emptied between
 * passes gives its memory back to the system, and what is measured then are
 * its page faults.
 *
 * It is one thread.  Where there are two processors it has one and this
 * program another, so that neither is moved about and all clients meet the
 * same.
 */
#define _GNU_SOURCE /* sched_setaffinity */

#include <sched.h>

#include <aibrix/resp.h>

#include "bench_store.h"

/* A machine that does other things as well shall not end the run. */
static const uint64_t PATIENCE_NS = 60000000000;

int
server_connect(const struct redis_server *s, int unix_socket)
{
	int fd = unix_socket ? talk_unix(s->socket)
			     : talk_tcp("127.0.0.1", s->port);

	bench_check(fd >= 0, "a connection to the server");
	return fd;
}

static void
processor_take(pid_t pid, size_t number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	/* Where it is forbidden both stay where the system puts them. */
	(void)sched_setaffinity(pid, sizeof(set), &set);
}

/* Where this program may run when no server does. */
static cpu_set_t everywhere;

static void
processors_share(pid_t server)
{
	size_t number[2], n = 0;

	for (size_t i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &everywhere))
			number[n++] = i;
	if (n < 2)
		return;
	processor_take(0, number[0]);
	processor_take(server, number[1]);
}

const char *
server_start(struct redis_server *s)
{
	if (sched_getaffinity(0, sizeof(everywhere), &everywhere))
		CPU_ZERO(&everywhere);
	if (redis_start(s, NULL))
		return s->reason;
	processors_share(s->pid);
	return NULL;
}

void
server_stop(struct redis_server *s)
{
	redis_stop(s);
	if (CPU_COUNT(&everywhere))
		(void)sched_setaffinity(0, sizeof(everywhere), &everywhere);
}

void
server_limit(const struct redis_server *s, uint64_t bytes)
{
	char line[128];

	snprintf(line, sizeof(line),
		 "CONFIG SET maxmemory %llu maxmemory-policy allkeys-lru",
		 (unsigned long long)bytes);
	bench_check(redis_says(s, line, "+OK\r\n"), "CONFIG SET");
}

void
server_empty(const struct redis_server *s)
{
	bench_check(redis_says(s, "FLUSHALL", "+OK\r\n"), "FLUSHALL");
}

aibrix_store *
server_store(const struct redis_server *s, int unix_socket,
	     const struct work *w)
{
	const aibrix_resp_opts ro = {
		.size = sizeof(ro),
		.connections = w->connections,
		.connect_timeout_ns = PATIENCE_NS,
		.pipeline = (w->depth + w->connections - 1) / w->connections};
	char url[160];
	const aibrix_store_opts so = {.size = sizeof(so),
				      .backend = AIBRIX_BACKEND_RESP,
				      .path = url,
				      .value_bytes = w->bytes,
				      .timeout_ns = PATIENCE_NS,
				      .backend_opts = &ro};
	aibrix_store *store;

	if (unix_socket)
		snprintf(url, sizeof(url), "unix://%s", s->socket);
	else
		snprintf(url, sizeof(url), "redis://127.0.0.1:%d", s->port);
	bench_check(!aibrix_store_open(&so, &store), "a store in Redis");
	return store;
}
