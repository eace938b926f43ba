/* What the files of the Redis tools share. */
#ifndef SERVERS_REDIS_INTERNAL_H
#define SERVERS_REDIS_INTERNAL_H

#include "redis_tools.h"

/* The path of a program in $PATH: 1, or 0. */
int redis__program(const char *name, char *path, size_t cap);

/*
 * A TCP port that nothing uses, nor the one 10000 above it (the bus of a
 * cluster); *holder is a socket that reserves both until it is closed.
 * Returns 0 when there is none.
 */
int redis__port(int *holder);

/* Where other servers of its cluster reach it. */
static inline int
redis__peer_port(const struct redis_server *server)
{
	return server->tls_port ? server->tls_port : server->port;
}

/* 1: sockets can be bound to ::1. */
int redis__has_ipv6(void);

/* The files of struct redis_server that TLS needs, in its folder. */
int redis__certificates(struct redis_server *server,
			const struct redis_opts *opts);

/* Writes the sentence; returns status. */
__attribute__((format(printf, 4, 5))) int
redis__reason(char *reason, size_t cap, int status, const char *format, ...);

#endif
