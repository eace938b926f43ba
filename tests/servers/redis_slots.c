/*
 * A slot on its way from one master to another, one step at a time.
 *
 *              from             to
 *   open       MIGRATING        IMPORTING     absent keys: ASK to `to`
 *   keys       MIGRATE k ... -> k             moved ones are absent
 *   close      MOVED            serves it
 *
 * IMPORTING comes first, so that nobody is sent to a node that would send him
 * back.
 */

#include "redis_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 256, PORTION = 100, REPLY_BYTES = 65536 };

static int
failed(struct redis_cluster *cluster, const char *what)
{
	return redis__reason(cluster->reason, sizeof(cluster->reason),
			     REDIS_FAILED, "slot: %s", what);
}

/* CLUSTER SETSLOT slot state [the name of a node] */
static int
set_slot(struct redis_cluster *cluster, int node, int slot, const char *state,
	 int other)
{
	char line[LINE_BYTES];

	snprintf(line, sizeof(line), "CLUSTER SETSLOT %d %s %s", slot, state,
		 cluster->id[other]);
	if (redis_says(&cluster->node[node], line, "+OK\r\n"))
		return 0;
	return failed(cluster, line);
}

int
redis_slot_open(struct redis_cluster *cluster, int slot, int from, int to)
{
	int status = set_slot(cluster, to, slot, "IMPORTING", from);

	return status ? status : set_slot(cluster, from, slot, "MIGRATING", to);
}

/* MIGRATE host port key db timeout [AUTH password] */
static int
key_move(struct redis_cluster *cluster, int fd, int to, char *key, size_t bytes)
{
	struct redis_server *node = &cluster->node[to];
	char port[16], host[] = "127.0.0.1", name[] = "MIGRATE";
	char db[] = "0", timeout[] = "10000", auth[] = "AUTH";
	char reply[LINE_BYTES];
	const struct iovec args[] = {
		{name, strlen(name)},
		{host, strlen(host)},
		{port, (size_t)snprintf(port, sizeof(port), "%d",
					redis__peer_port(node))},
		{key, bytes},
		{db, strlen(db)},
		{timeout, strlen(timeout)},
		{auth, strlen(auth)},
		{node->password, strlen(node->password)}};

	if (talk_args(fd, args, node->password[0] ? 8 : 6) ||
	    talk_reply(fd, reply, sizeof(reply)) < 0)
		return failed(cluster, "MIGRATE has no answer");
	return reply[0] == '+' ? 0 : failed(cluster, reply);
}

/* Moves the keys of an array of bulk strings; how many, or REDIS_FAILED. */
static int
keys_move(struct redis_cluster *cluster, int fd, int to, char *reply)
{
	long left = reply[0] == '*' ? strtol(reply + 1, NULL, 10) : -1;
	char *at = strchr(reply, '\n');
	int moved = 0;

	if (left < 0 || !at)
		return failed(cluster, reply);
	for (at++; left > 0; left--, moved++) {
		size_t bytes = strtoul(at + 1, &at, 10);

		at += 2;
		if (key_move(cluster, fd, to, at, bytes))
			return REDIS_FAILED;
		at += bytes + 2;
	}
	return moved;
}

int
redis_slot_keys(struct redis_cluster *cluster, int slot, int from, int to,
		int n)
{
	int fd = redis_dial(&cluster->node[from]), total = 0, moved = 1;
	char *reply = malloc(REPLY_BYTES), line[LINE_BYTES];

	while (fd >= 0 && moved > 0 && (n == 0 || total < n)) {
		int most = n == 0 || n - total > PORTION ? PORTION : n - total;

		snprintf(line, sizeof(line), "CLUSTER GETKEYSINSLOT %d %d",
			 slot, most);
		if (talk_line(fd, line) ||
		    talk_reply(fd, reply, REPLY_BYTES) < 0)
			moved = failed(cluster, "its keys are not known");
		else
			moved = keys_move(cluster, fd, to, reply);
		total += moved > 0 ? moved : 0;
	}
	if (fd >= 0)
		close(fd);
	free(reply);
	return fd < 0 || moved < 0 ? REDIS_FAILED : total;
}

int
redis_slot_close(struct redis_cluster *cluster, int slot, int from, int to)
{
	int status = set_slot(cluster, to, slot, "NODE", to);

	if (!status)
		status = set_slot(cluster, from, slot, "NODE", to);
	return status ? status : redis_cluster_settle(cluster);
}

int
redis_slot_move(struct redis_cluster *cluster, int slot, int from, int to)
{
	int status = redis_slot_open(cluster, slot, from, to);

	if (!status && redis_slot_keys(cluster, slot, from, to, 0) < 0)
		status = REDIS_FAILED;
	return status ? status : redis_slot_close(cluster, slot, from, to);
}

int
redis_cluster_slot(const struct redis_cluster *cluster, const char *key)
{
	char line[LINE_BYTES], reply[LINE_BYTES];
	int slot;

	snprintf(line, sizeof(line), "CLUSTER KEYSLOT %s", key);
	for (int i = 0; i < REDIS_NODES; i++)
		if (cluster->node[i].pid && !cluster->node[i].stalled &&
		    redis_ask(&cluster->node[i], line, reply, sizeof(reply)) >
			    0 &&
		    sscanf(reply, ":%d", &slot) == 1)
			return slot;
	return -1;
}
