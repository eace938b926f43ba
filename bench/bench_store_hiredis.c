/*
 * hiredis as its users have it: commands are appended, replies taken in
 * order, and the value is copied out of the reply into its block.
 *
 * Each connection has a window of requests under way; the connections take
 * turns.  A request is flushed when it has been appended: left to
 * redisGetReply, it would wait for the next reply that has to be read.
 */
#include <unistd.h>

#include "bench_store.h"

#ifdef HAVE_HIREDIS
#include <hiredis.h>

struct hiredis_client {
	redisContext *conns[CONNECTIONS_MOST];
	uint32_t n_conns, window;
};

struct hiredis_client *
hiredis_open(const struct redis_server *server, int unix_socket, uint32_t depth,
	     uint32_t connections)
{
	struct hiredis_client *c = calloc(1, sizeof(*c));

	bench_check(c != NULL, "memory for a client");
	c->n_conns = connections;
	c->window = (depth + connections - 1) / connections;
	for (uint32_t i = 0; i < connections; i++) {
		redisContext *one =
			unix_socket ? redisConnectUnix(server->socket)
				    : redisConnect("127.0.0.1", server->port);

		bench_check(one && !one->err, "hiredis' connection");
		/* Keep the buffer between replies: allocating one for each
		 * value is slower. */
		one->reader->maxbuf = 0;
		c->conns[i] = one;
	}
	return c;
}

void
hiredis_close(struct hiredis_client *c)
{
	for (uint32_t i = 0; i < c->n_conns; i++)
		redisFree(c->conns[i]);
	free(c);
}

static void
request_send(redisContext *conn, uint32_t op, const struct work *w,
	     uint32_t block)
{
	const char *argv[3] = {op == AIBRIX_STORE_PUT ? "SET" : "GET",
			       w->keys[block],
			       (const char *)w->blocks + block * w->bytes};
	const size_t len[3] = {3, KEY_BYTES, w->bytes};
	int argc = op == AIBRIX_STORE_PUT ? 3 : 2, all = 0;

	bench_check(redisAppendCommandArgv(conn, argc, argv, len) == REDIS_OK,
		    "redisAppendCommandArgv");
	while (!all)
		bench_check(redisBufferWrite(conn, &all) == REDIS_OK,
			    "redisBufferWrite");
}

static void
reply_take(redisContext *conn, uint32_t op, const struct work *w,
	   uint32_t block)
{
	redisReply *reply;
	void *got;

	bench_check(redisGetReply(conn, &got) == REDIS_OK, "redisGetReply");
	reply = got;
	if (op == AIBRIX_STORE_PUT) {
		bench_check(reply->type == REDIS_REPLY_STATUS, "hiredis' SET");
	} else {
		bench_check(reply->type == REDIS_REPLY_STRING &&
				    (uint64_t)reply->len == w->bytes,
			    "hiredis' GET");
		memcpy(w->blocks + block * w->bytes, reply->str, w->bytes);
	}
	freeReplyObject(reply);
}

void
hiredis_move(void *ctx, uint32_t op, struct work *w)
{
	struct hiredis_client *c = ctx;
	uint32_t ahead = c->window * c->n_conns;

	/* Operation i belongs to connection i modulo their number. */
	for (uint32_t i = 0; i < w->n + ahead; i++) {
		redisContext *conn = c->conns[i % c->n_conns];

		if (i >= ahead)
			reply_take(conn, op, w, w->order[i - ahead]);
		if (i < w->n)
			request_send(conn, op, w, w->order[i]);
	}
}

#else

struct hiredis_client *
hiredis_open(const struct redis_server *server, int unix_socket, uint32_t depth,
	     uint32_t connections)
{
	(void)server;
	(void)unix_socket;
	(void)depth;
	(void)connections;
	return NULL;
}

void
hiredis_close(struct hiredis_client *c)
{
	(void)c;
}

void
hiredis_move(void *ctx, uint32_t op, struct work *w)
{
	(void)ctx;
	(void)op;
	(void)w;
}

#endif
