/* Where a store's servers are, as a URL tells it. */
#ifndef STORE_RESP_URL_H
#define STORE_RESP_URL_H

#include <stddef.h>
#include <stdint.h>

enum {
	RESP_URL_TEXT = 4096, /* longest URL */
	RESP_URL_HOSTS = 16,
	RESP_URL_NAME = 255, /* of a host */
	RESP_URL_PATH = 107, /* of a Unix socket: what sockaddr_un holds */
	RESP_URL_USER = 127,
	RESP_URL_PASSWORD = 383, /* AUTH with both fits RESP_COMMAND_BYTES */
	RESP_URL_PORT = 6379     /* where none is given */
};

struct resp_host {
	char name[RESP_URL_NAME + 1]; /* host, address or path */
	uint32_t port;                /* 0: a Unix socket */
};

struct resp_url {
	struct resp_host hosts[RESP_URL_HOSTS];
	uint32_t n_hosts; /* at least 1 */
	uint32_t tls, cluster;
	uint32_t db;
	char user[RESP_URL_USER + 1];         /* "": the default user */
	char password[RESP_URL_PASSWORD + 1]; /* "": none */
};

/*
 *   redis:// rediss:// redis-cluster:// rediss-cluster://
 *	[[user]:password@]host[:port][,host[:port]]...[/db]
 *   unix://[[user]:password@]/path[?db=n]
 *
 * valkey is another word for redis.  %XX is decoded in user, password and
 * path.  An IPv6 address stands in brackets.  Only database 0 in a cluster.
 *
 * Fails: E_INVAL; *err_offset is where.  *out is then of no meaning.
 */
int aibrix__resp_url_parse(const char *text, struct resp_url *out,
			   size_t *err_offset);

#endif
