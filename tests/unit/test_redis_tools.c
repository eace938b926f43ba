/* The tools that start Redis for other tests, tested themselves. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include "redis_tools.h"

enum { REPLY_BYTES = 4096 };

static struct redis_server
server_up(const struct redis_opts *opts)
{
	struct redis_server server;
	int status = redis_start(&server, opts);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", server.reason);
	cr_assert_eq(status, 0, "%s", server.reason);
	return server;
}

static struct redis_cluster
cluster_up(const struct redis_opts *opts)
{
	struct redis_cluster cluster;
	int status = redis_cluster_start(&cluster, opts);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", cluster.reason);
	cr_assert_eq(status, 0, "%s", cluster.reason);
	return cluster;
}

/* Sends a line and compares what comes back. */
#define SAYS(fd, line, wanted)                                                 \
	do {                                                                   \
		char reply_[REPLY_BYTES];                                      \
		cr_assert_eq(talk_line(fd, line), 0);                          \
		cr_assert_gt(talk_reply(fd, reply_, sizeof(reply_)), 0);       \
		cr_assert_str_eq(reply_, wanted);                              \
	} while (0)

Test(redis_tools, a_server_answers_at_each_of_its_addresses)
{
	struct redis_server server = server_up(NULL);
	int fds[3] = {talk_tcp("127.0.0.1", server.port),
		      talk_unix(server.socket), -1};

	if (server.has_ipv6)
		fds[2] = talk_tcp("::1", server.port);
	for (int i = 0; i < 2 + server.has_ipv6; i++) {
		cr_assert_geq(fds[i], 0);
		SAYS(fds[i], "PING", "+PONG\r\n");
		close(fds[i]);
	}
	redis_stop(&server);
}

Test(redis_tools, a_reply_is_read_to_its_end_and_not_beyond)
{
	static const char *const words[] = {"SET", "a key", "a\r\nvalue"};
	struct redis_server server = server_up(NULL);
	int fd = redis_dial(&server);
	char reply[REPLY_BYTES];

	cr_assert_eq(talk_command(fd, words, 3), 0);
	cr_assert_eq(talk_reply(fd, reply, sizeof(reply)), 5);
	SAYS(fd, "MGET \"a key\" nothing", "*2\r\n$8\r\na\r\nvalue\r\n$-1\r\n");
	cr_assert_eq(talk_line(fd, "PING\r\nPING one\r\nLRANGE x 0 1"), 0);
	cr_assert_eq(talk_reply(fd, reply, sizeof(reply)), 7);
	cr_assert_eq(talk_reply(fd, reply, sizeof(reply)), 9);
	cr_assert_str_eq(reply, "$3\r\none\r\n");
	cr_assert_eq(talk_reply(fd, reply, sizeof(reply)), 4);
	cr_assert_str_eq(reply, "*0\r\n");
	close(fd);
	redis_stop(&server);
}

Test(redis_tools, lines_of_configuration_are_obeyed_and_users_limited)
{
	static const char *const lines[] = {
		"maxmemory 10mb", "maxmemory-policy noeviction",
		"user bob on >secret ~kv:* +get +ping", NULL};
	const struct redis_opts opts = {.lines = lines};
	struct redis_server server = server_up(&opts);
	int fd = talk_tcp("127.0.0.1", server.port);

	cr_assert(redis_says(&server, "CONFIG GET maxmemory",
			     "*2\r\n$9\r\nmaxmemory\r\n$8\r\n10485760\r\n"));
	SAYS(fd, "AUTH bob secret", "+OK\r\n");
	SAYS(fd, "GET kv:1", "$-1\r\n");
	SAYS(fd, "SET kv:1 x",
	     "-NOPERM this user has no permissions to run the 'set' "
	     "command\r\n");
	close(fd);
	redis_stop(&server);
}

Test(redis_tools, a_password_is_asked_for_and_compared)
{
	const struct redis_opts opts = {.password = "open sesame"};
	struct redis_server server = server_up(&opts);
	int fd = talk_tcp("127.0.0.1", server.port);

	SAYS(fd, "PING", "-NOAUTH Authentication required.\r\n");
	SAYS(fd, "AUTH \"close sesame\"",
	     "-WRONGPASS invalid username-password pair or user is "
	     "disabled.\r\n");
	SAYS(fd, "AUTH \"open sesame\"", "+OK\r\n");
	SAYS(fd, "PING", "+PONG\r\n");
	cr_assert(redis_says(&server, "PING", "+PONG\r\n"));
	close(fd);
	redis_stop(&server);
}

static int
cli_tls(const struct redis_server *server, const char *ca, int with_client)
{
	char port[16], out[REPLY_BYTES];
	const char *argv[16] = {"redis-cli", "--tls",
				"-h",        "127.0.0.1",
				"-p",        port,
				"--cacert",  ca,
				"--cert",    server->client_cert,
				"--key",     server->client_key,
				"PING"};

	snprintf(port, sizeof(port), "%d", server->tls_port);
	if (!with_client) {
		argv[8] = "PING";
		argv[9] = NULL;
	}
	return redis_run(argv, out, sizeof(out)) == 0 &&
	       strcmp(out, "PONG\n") == 0;
}

Test(redis_tools, tls_is_spoken_with_those_who_trust_our_authority)
{
	const struct redis_opts opts = {.tls = REDIS_TLS};
	struct redis_server server = server_up(&opts);

	cr_assert(cli_tls(&server, server.ca, 0));
	cr_assert_not(cli_tls(&server, server.stranger_ca, 0));
	redis_stop(&server);
}

Test(redis_tools, tls_can_ask_clients_for_a_certificate)
{
	const struct redis_opts opts = {.tls = REDIS_TLS_CLIENTS};
	struct redis_server server = server_up(&opts);

	cr_assert(cli_tls(&server, server.ca, 1));
	cr_assert_not(cli_tls(&server, server.ca, 0));
	redis_stop(&server);
}

Test(redis_tools, an_expired_certificate_is_not_believed)
{
	const struct redis_opts opts = {.tls = REDIS_TLS_EXPIRED};
	struct redis_server server = server_up(&opts);

	cr_assert_not(cli_tls(&server, server.ca, 0));
	redis_stop(&server);
}

Test(redis_tools, a_killed_server_comes_back_empty_at_its_port)
{
	struct redis_server server = server_up(NULL);
	int fd = talk_tcp("127.0.0.1", server.port);

	SAYS(fd, "SET key value", "+OK\r\n");
	redis_kill(&server);
	cr_assert(talk_closed(fd));
	cr_assert_lt(talk_tcp("127.0.0.1", server.port), 0);
	cr_assert_eq(redis_restart(&server), 0, "%s", server.reason);
	close(fd);
	fd = talk_tcp("127.0.0.1", server.port);
	SAYS(fd, "GET key", "$-1\r\n");
	close(fd);
	redis_stop(&server);
}

Test(redis_tools, a_stalled_server_accepts_and_is_silent_until_resumed)
{
	struct redis_server server = server_up(NULL);
	char byte;
	int fd;

	redis_stall(&server);
	fd = talk_tcp("127.0.0.1", server.port);
	cr_assert_geq(fd, 0);
	cr_assert_eq(talk_line(fd, "PING"), 0);
	cr_assert_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	redis_resume(&server);
	cr_assert_eq(talk_read(fd, &byte, 1), 0);
	cr_assert_eq(byte, '+');
	close(fd);
	redis_stop(&server);
}

Test(redis_tools, servers_side_by_side_have_ports_of_their_own)
{
	struct redis_server a = server_up(NULL), b = server_up(NULL);

	cr_assert_neq(a.port, b.port);
	cr_assert_lt(a.port, 21000);
	cr_assert(redis_says(&a, "SET key value", "+OK\r\n"));
	cr_assert(redis_says(&b, "GET key", "$-1\r\n"));
	redis_stop(&a);
	cr_assert(redis_says(&b, "PING", "+PONG\r\n"));
	redis_stop(&b);
}

Test(redis_tools, nothing_is_left_of_a_stopped_server)
{
	struct redis_server server = server_up(NULL);
	char folder[sizeof(server.folder)];
	int port = server.port;

	strcpy(folder, server.folder);
	redis_stall(&server);
	redis_stop(&server);
	redis_stop(&server);
	cr_assert_eq(server.pid, 0);
	cr_assert_neq(access(folder, F_OK), 0);
	cr_assert_lt(talk_tcp("127.0.0.1", port), 0);
}

Test(redis_tools, a_server_does_not_outlive_a_test_that_is_killed)
{
	struct redis_server server = server_up(NULL);
	int64_t end = talk_now_ms() + TALK_HANG_MS;
	int ends[2], fd;
	pid_t child;

	/* Another process starts one and tells us where. */
	redis_stop(&server);
	cr_assert_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		if (redis_start(&server, NULL) == 0 &&
		    write(ends[1], &server, sizeof(server)) > 0)
			pause();
		_exit(1);
	}
	close(ends[1]);
	cr_assert_eq(read(ends[0], &server, sizeof(server)),
		     (ssize_t)sizeof(server));
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	while ((fd = talk_tcp("127.0.0.1", server.port)) >= 0) {
		/* It sends nothing by itself: this is its end. */
		struct pollfd gone = {.fd = fd, .events = POLLIN};

		cr_assert_eq(poll(&gone, 1, TALK_HANG_MS), 1);
		close(fd);
		cr_assert_lt(talk_now_ms(), end);
	}
	/* What is left is ours to remove, but neither process nor names. */
	server.pid = 0;
	server.reserved[0] = server.reserved[1] = -1;
	redis_stop(&server);
	cr_assert_neq(access(server.socket, F_OK), 0);
	close(ends[0]);
}

Test(redis_tools, a_start_that_fails_says_why)
{
	static const char *const lines[] = {"no-such-setting 1", NULL};
	const struct redis_opts opts = {.lines = lines};
	struct redis_server server;
	int status = redis_start(&server, &opts);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", server.reason);
	cr_assert_eq(status, REDIS_FAILED);
	cr_assert(strstr(server.reason, "no-such-setting"), "%s",
		  server.reason);
	redis_stop(&server);
}

Test(redis_tools, a_server_that_is_not_installed_is_absent)
{
	struct redis_server server;

	setenv("PATH", "/nowhere", 1);
	cr_assert_eq(redis_start(&server, NULL), REDIS_ABSENT);
	cr_assert_str_eq(server.reason, "redis-server is not installed");
}

/* One cluster for all of it: to start one takes most of the time. */
Test(redis_tools, a_cluster_moves_slots_and_replaces_its_dead)
{
	const struct redis_opts opts = {.password = "sesame"};
	struct redis_cluster c = cluster_up(&opts);
	char reply[REPLY_BYTES], ask[64], moved[64];
	int slot = redis_cluster_slot(&c, "{tag}1");

	/* The slot of "tag" is one of node 1. */
	cr_assert_eq(slot, 8338);
	cr_assert_eq(redis_cluster_owner(&c, 5, slot), 1);
	cr_assert(redis_cluster_is_master(&c, 5, 1));
	cr_assert_not(redis_cluster_is_master(&c, 0, 4));
	cr_assert(redis_says(&c.node[1], "MSET {tag}1 one {tag}2 two",
			     "+OK\r\n"));
	snprintf(moved, sizeof(moved), "-MOVED 8338 127.0.0.1:%d\r\n",
		 c.node[1].port);
	cr_assert(redis_says(&c.node[2], "GET {tag}1", moved));

	snprintf(ask, sizeof(ask), "-ASK 8338 127.0.0.1:%d\r\n",
		 c.node[2].port);
	cr_assert_eq(redis_slot_open(&c, slot, 1, 2), 0, "%s", c.reason);
	cr_assert(redis_says(&c.node[1], "GET {tag}1", "$3\r\none\r\n"));
	cr_assert(redis_says(&c.node[1], "GET {tag}3", ask));
	cr_assert_eq(redis_slot_keys(&c, slot, 1, 2, 1), 1, "%s", c.reason);
	cr_assert_gt(redis_ask(&c.node[1], "MGET {tag}1 {tag}2", reply,
			       sizeof(reply)),
		     0);
	cr_assert_eq(strncmp(reply, "-TRYAGAIN ", 10), 0, "%s", reply);
	cr_assert_eq(redis_slot_keys(&c, slot, 1, 2, 0), 1);
	cr_assert_eq(redis_slot_close(&c, slot, 1, 2), 0, "%s", c.reason);
	cr_assert_eq(redis_cluster_owner(&c, 0, slot), 2);
	cr_assert(redis_says(&c.node[2], "MGET {tag}1 {tag}2",
			     "*2\r\n$3\r\none\r\n$3\r\ntwo\r\n"));

	cr_assert_eq(redis_cluster_failover(&c, 0), 3, "%s", c.reason);
	cr_assert_eq(redis_cluster_owner(&c, 4, 0), 3);
	cr_assert_eq(redis_restart(&c.node[0]), 0, "%s", c.node[0].reason);
	cr_assert_eq(redis_cluster_settle(&c), 0, "%s", c.reason);
	cr_assert_not(redis_cluster_is_master(&c, 1, 0));
	redis_cluster_stop(&c);
}
