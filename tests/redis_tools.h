/*
 * Real Redis servers for tests and benchmarks: started, broken and removed by
 * the program that needs them.
 *
 *   struct redis_server server;
 *
 *   if (redis_start(&server, NULL) == REDIS_ABSENT)
 *           skip the test: server.reason says why
 *   ... talk to 127.0.0.1:server.port, [::1]:server.port (has_ipv6) or
 *       server.socket ...
 *   redis_stop(&server);
 *
 * A server keeps nothing on disk but its log, in a folder of its own that
 * redis_stop removes.  Its ports are below those that the system gives to
 * connections, and are reserved among all programs that use these tools (by
 * an abstract socket's name, which dies with its owner), so that tests may run
 * side by side.  When the thread that started it ends, the kernel kills it:
 * start servers in the main thread.
 *
 * Every function that waits gives up after TALK_HANG_MS.  Those that return
 * int return 0, REDIS_ABSENT or REDIS_FAILED unless they say otherwise; reason
 * then is a sentence.
 */
#ifndef TESTS_REDIS_TOOLS_H
#define TESTS_REDIS_TOOLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "talk.h"

enum { REDIS_ABSENT = 1, REDIS_FAILED = -1 };
enum { REDIS_MASTERS = 3, REDIS_NODES = 6, REDIS_SLOTS = 16384 };

enum redis_tls {
	REDIS_NO_TLS = 0,
	REDIS_TLS = 1,         /* any client that knows the port */
	REDIS_TLS_CLIENTS = 2, /* with a certificate of our authority only */
	REDIS_TLS_EXPIRED = 3  /* the server's certificate ended yesterday */
};

struct redis_server;

/* All zero or NULL: a server for everybody on this machine. */
struct redis_opts {
	const char *password; /* requirepass */
	/*
	 * Lines of the configuration file, the last one NULL:
	 *   "maxmemory 10mb", "user bob on >secret ~kv:* +get +set"
	 */
	const char *const *lines;
	enum redis_tls tls;
	const char *tls_names; /* NULL: IP:127.0.0.1,IP:::1,DNS:localhost */
	/* With the certificates of this one, which runs longer; NULL: own. */
	const struct redis_server *tls_like;
	/*
	 * Descriptor of a network namespace to run in, open as long as the
	 * server may be restarted; 0: ours.  The Unix socket, and with it
	 * redis_ask, is reached from everywhere.
	 */
	int netns;
};

struct redis_server {
	pid_t pid; /* 0: not running */
	int port;
	int tls_port; /* 0: none */
	int has_ipv6; /* listens at [::1] too */
	int stalled;
	int netns; /* 0: ours */
	char folder[80];
	char socket[100]; /* Unix socket */
	/*
	 * PEM files: authority; a client's certificate and key; an authority
	 * that has signed nobody.
	 */
	char ca[100], client_cert[100], client_key[100], stranger_ca[100];
	char password[64];
	char reason[512];
	int reserved[2]; /* sockets that hold the names of ports */
};

/* REDIS_ABSENT: redis-server, or openssl for TLS, is not installed. */
int redis_start(struct redis_server *server, const struct redis_opts *opts);

/* Also for one that was never started, was killed or is stalled. */
void redis_stop(struct redis_server *server);

/* As by kill -9; connections are reset, the port refuses. */
void redis_kill(struct redis_server *server);

/* At the same addresses, empty; killed before when it runs. */
int redis_restart(struct redis_server *server);

/* It accepts connections and answers nothing until resumed. */
void redis_stall(struct redis_server *server);
void redis_resume(struct redis_server *server);

/* A talk.h socket, through the Unix socket and past the password; or -1. */
int redis_dial(const struct redis_server *server);

/*
 * One inline command on a connection of its own; length of the reply's bytes
 * in reply, or -1.
 */
ssize_t redis_ask(const struct redis_server *server, const char *line,
		  char *reply, size_t cap);

/* 1: the reply is these bytes. */
int redis_says(const struct redis_server *server, const char *line,
	       const char *reply);

/*
 * Runs a program, named by path or as the shell finds it, to its end; its
 * output, with what it complains about, in out.  Returns its exit status, or
 * -1: not found, or ended by a signal.
 */
int redis_run(const char *const *argv, char *out, size_t cap);

/*
 * Three masters, nodes 0 to 2 with a third of the slots each in this order, and
 * three replicas: node i + 3 follows node i.  A dead master is noticed after
 * 1.5 s.  The options are those of each server.  With TLS all of them have the
 * certificates of node 0, speak TLS to each other, too, and are asked at their
 * tls_port.
 */
struct redis_cluster {
	struct redis_server node[REDIS_NODES];
	char id[REDIS_NODES][41]; /* their names among each other */
	char reason[512];
};

int redis_cluster_start(struct redis_cluster *cluster,
			const struct redis_opts *opts);
void redis_cluster_stop(struct redis_cluster *cluster);

/*
 * Waits until all nodes that run (not killed, not stalled) call the cluster
 * well, agree on who serves what, and have given up those that do not run.
 */
int redis_cluster_settle(struct redis_cluster *cluster);

/* The node that serves the slot, as node `asked` sees it, or -1. */
int redis_cluster_owner(const struct redis_cluster *cluster, int asked,
			int slot);

/* 1: `node` is a master, as node `asked` sees it. */
int redis_cluster_is_master(const struct redis_cluster *cluster, int asked,
			    int node);

/*
 * Kills a master and settles; returns the node that took its first slot over,
 * or -1.
 */
int redis_cluster_failover(struct redis_cluster *cluster, int master);

/* The slot of a key, as the server says; -1. */
int redis_cluster_slot(const struct redis_cluster *cluster, const char *key);

/*
 * A slot moves between masters in three steps, and a test may stop after each:
 *   open    from answers ASK for keys it does not have, and serves the others
 *   keys    moves up to n keys (0: all); returns how many, or REDIS_FAILED
 *   close   to serves the slot; from answers MOVED; all nodes agree
 */
int redis_slot_open(struct redis_cluster *cluster, int slot, int from, int to);
int redis_slot_keys(struct redis_cluster *cluster, int slot, int from, int to,
		    int n);
int redis_slot_close(struct redis_cluster *cluster, int slot, int from, int to);
int redis_slot_move(struct redis_cluster *cluster, int slot, int from, int to);

#endif
