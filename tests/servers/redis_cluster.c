/*
 * Six servers that become a cluster by the commands that `redis-cli --cluster
 * create` sends, too: but who is whose replica is our choice, nothing waits in
 * whole seconds, and no output is to be read.
 *
 * What a node thinks of the cluster is its view: for each slot the node that
 * serves it, for each node its role.  The cluster has settled when the views
 * of all running nodes are the same, good, and true of who runs.
 */

#include "redis_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 32, REPLY_BYTES = 16384, LINE_BYTES = 256 };
enum { UNKNOWN = 0, MASTER = 1, REPLICA = 2, FAILED = 3 };

struct view {
	int8_t owner[REDIS_SLOTS]; /* -1: nobody */
	uint8_t role[REDIS_NODES];
};

static int
failed(struct redis_cluster *cluster, const char *what)
{
	return redis__reason(cluster->reason, sizeof(cluster->reason),
			     REDIS_FAILED, "cluster: %s", what);
}

static int
runs(const struct redis_server *node)
{
	return node->pid > 0 && !node->stalled;
}

static int
node_with_id(const struct redis_cluster *cluster, const char *id)
{
	for (int i = 0; i < REDIS_NODES; i++)
		if (id && strcmp(cluster->id[i], id) == 0)
			return i;
	return -1;
}

/* 1: the comma-separated flags have this one. */
static int
has_flag(const char *flags, const char *flag)
{
	size_t n = strlen(flag);

	for (const char *at = flags; *at; at += at[0] == ',') {
		size_t word = strcspn(at, ",");

		if (word == n && strncmp(at, flag, n) == 0)
			return 1;
		at += word;
	}
	return 0;
}

static uint8_t
role_of(const char *flags)
{
	if (has_flag(flags, "fail"))
		return FAILED;
	if (has_flag(flags, "fail?") || has_flag(flags, "handshake") ||
	    has_flag(flags, "noaddr"))
		return UNKNOWN;
	if (has_flag(flags, "master"))
		return MASTER;
	return has_flag(flags, "slave") ? REPLICA : UNKNOWN;
}

/* "5" or "5-9"; those in brackets are on their way. */
static void
slots_mark(struct view *view, const char *word, int node)
{
	int first, last;
	int n = sscanf(word, "%d-%d", &first, &last);

	if (n < 1)
		return;
	if (n < 2)
		last = first;
	for (int slot = first; slot <= last && slot < REDIS_SLOTS; slot++)
		view->owner[slot] = (int8_t)node;
}

/* id address flags master ping pong epoch link slot... */
static void
view_line(const struct redis_cluster *cluster, struct view *view, char *line)
{
	char *rest = NULL;
	const char *word = strtok_r(line, " ", &rest);
	int node = node_with_id(cluster, word);

	for (int i = 1; node >= 0 && word; i++) {
		word = strtok_r(NULL, " ", &rest);
		if (word && i == 2)
			view->role[node] = role_of(word);
		if (word && i >= 8)
			slots_mark(view, word, node);
	}
}

static int
view_read(const struct redis_cluster *cluster, int asked, struct view *view)
{
	char reply[REPLY_BYTES], *rest = NULL, *line;

	memset(view, 0, sizeof(*view));
	memset(view->owner, -1, sizeof(view->owner));
	if (redis_ask(&cluster->node[asked], "CLUSTER NODES", reply,
		      sizeof(reply)) < 0 ||
	    reply[0] != '$')
		return -1;
	strtok_r(reply, "\r\n", &rest);
	while ((line = strtok_r(NULL, "\r\n", &rest)))
		view_line(cluster, view, line);
	return 0;
}

/* 1: the answer has these words. */
static int
mentions(const struct redis_server *node, const char *line, const char *words)
{
	char reply[REPLY_BYTES];

	return redis_ask(node, line, reply, sizeof(reply)) > 0 &&
	       strstr(reply, words);
}

static int
view_is_true(const struct redis_cluster *cluster, const struct view *view)
{
	for (int i = 0; i < REDIS_NODES; i++) {
		uint8_t role = view->role[i];

		if (runs(&cluster->node[i]) !=
		    (role == MASTER || role == REPLICA))
			return 0;
		if (!runs(&cluster->node[i]) && role != FAILED)
			return 0;
	}
	return 1;
}

static int
settled(const struct redis_cluster *cluster)
{
	struct view first, view;
	int asked = 0;

	for (int i = 0; i < REDIS_NODES; i++) {
		if (!runs(&cluster->node[i]))
			continue;
		if (!mentions(&cluster->node[i], "CLUSTER INFO",
			      "cluster_state:ok") ||
		    view_read(cluster, i, &view) ||
		    !view_is_true(cluster, &view))
			return 0;
		if (asked++ == 0)
			first = view;
		else if (memcmp(&first, &view, sizeof(view)) != 0)
			return 0;
	}
	return asked > 0;
}

int
redis_cluster_settle(struct redis_cluster *cluster)
{
	int64_t end = talk_now_ms() + TALK_HANG_MS;

	while (!settled(cluster)) {
		if (talk_now_ms() > end)
			return failed(cluster, "the nodes do not agree");
		talk_watch(cluster->node[0].pid);
	}
	return 0;
}

/* Asks again until the answer is good. */
static int
until(struct redis_cluster *cluster, int node, const char *line,
      const char *words)
{
	int64_t end = talk_now_ms() + TALK_HANG_MS;

	while (!mentions(&cluster->node[node], line, words)) {
		if (talk_now_ms() > end)
			return failed(cluster, line);
		talk_watch(cluster->node[node].pid);
	}
	return 0;
}

static int
id_read(struct redis_cluster *cluster, int node)
{
	char reply[LINE_BYTES];

	if (redis_ask(&cluster->node[node], "CLUSTER MYID", reply,
		      sizeof(reply)) < 0 ||
	    sscanf(reply, "$40\r\n%40s", cluster->id[node]) != 1)
		return failed(cluster, "a node has no name");
	return 0;
}

/* A third of the slots, and an epoch so that nobody need arbitrate. */
static int
slots_give(struct redis_cluster *cluster, int master)
{
	int last = REDIS_SLOTS * (master + 1) / REDIS_MASTERS;
	char *line = malloc(8 * REDIS_SLOTS), epoch[LINE_BYTES];
	int n = sprintf(line, "CLUSTER ADDSLOTS");
	int good;

	for (int i = REDIS_SLOTS * master / REDIS_MASTERS; i < last; i++)
		n += sprintf(line + n, " %d", i);
	good = redis_says(&cluster->node[master], line, "+OK\r\n");
	free(line);
	snprintf(epoch, sizeof(epoch), "CLUSTER SET-CONFIG-EPOCH %d",
		 master + 1);
	if (good && redis_says(&cluster->node[master], epoch, "+OK\r\n"))
		return 0;
	return failed(cluster, "a master does not take its slots");
}

static int
meet(struct redis_cluster *cluster, int node)
{
	char line[LINE_BYTES];

	for (int i = 0; i < node; i++) {
		snprintf(line, sizeof(line), "CLUSTER MEET 127.0.0.1 %d",
			 redis__peer_port(&cluster->node[i]));
		if (!redis_says(&cluster->node[node], line, "+OK\r\n"))
			return failed(cluster, "a node meets nobody");
	}
	return 0;
}

static int
join(struct redis_cluster *cluster)
{
	char line[LINE_BYTES];
	int status = 0;

	for (int i = 0; !status && i < REDIS_NODES; i++)
		status = id_read(cluster, i);
	for (int i = 0; !status && i < REDIS_MASTERS; i++)
		status = slots_give(cluster, i);
	for (int i = 0; !status && i < REDIS_NODES; i++)
		status = meet(cluster, i);
	/* Refused until the replica has heard of its master. */
	for (int i = REDIS_MASTERS; !status && i < REDIS_NODES; i++) {
		snprintf(line, sizeof(line), "CLUSTER REPLICATE %s",
			 cluster->id[i - REDIS_MASTERS]);
		status = until(cluster, i, line, "+OK");
	}
	for (int i = REDIS_MASTERS; !status && i < REDIS_NODES; i++)
		status = until(cluster, i, "INFO replication",
			       "master_link_status:up");
	return status ? status : redis_cluster_settle(cluster);
}

/* The caller's lines come last and win. */
static void
lines_join(const struct redis_opts *opts, char *auth,
	   const char *lines[static LINES])
{
	static const char *const ours[] = {
		"cluster-enabled yes",
		"cluster-config-file nodes.conf",
		"cluster-node-timeout 1500",
		/* A replica is never too old to take over. */
		"cluster-replica-validity-factor 0",
		/* Replicas stay with the master they were given. */
		"cluster-migration-barrier 9",
		"repl-diskless-sync-delay 0",
		"repl-ping-replica-period 1",
	};
	static const char *const secure[] = {"tls-cluster yes",
					     "tls-replication yes"};
	size_t n = sizeof(ours) / sizeof(ours[0]);

	memcpy(lines, ours, sizeof(ours));
	for (size_t i = 0; opts->tls && i < 2; i++)
		lines[n++] = secure[i];
	if (opts->password) {
		snprintf(auth, LINE_BYTES, "masterauth \"%s\"", opts->password);
		lines[n++] = auth;
	}
	for (size_t i = 0; opts->lines && opts->lines[i] && n < LINES - 1; i++)
		lines[n++] = opts->lines[i];
	lines[n] = NULL;
}

int
redis_cluster_start(struct redis_cluster *cluster,
		    const struct redis_opts *opts)
{
	const char *lines[LINES];
	struct redis_opts each = {.lines = lines};
	char auth[LINE_BYTES];
	int status = 0;

	memset(cluster, 0, sizeof(*cluster));
	if (opts) {
		each.password = opts->password;
		each.tls = opts->tls;
		each.tls_names = opts->tls_names;
	}
	lines_join(opts ? opts : &each, auth, lines);
	for (int i = 0; !status && i < REDIS_NODES; i++) {
		each.tls_like = each.tls && i ? &cluster->node[0] : NULL;
		status = redis_start(&cluster->node[i], &each);
		if (status)
			memcpy(cluster->reason, cluster->node[i].reason,
			       sizeof(cluster->reason));
	}
	if (!status)
		status = join(cluster);
	if (status)
		redis_cluster_stop(cluster);
	return status;
}

void
redis_cluster_stop(struct redis_cluster *cluster)
{
	for (int i = 0; i < REDIS_NODES; i++)
		redis_stop(&cluster->node[i]);
}

int
redis_cluster_owner(const struct redis_cluster *cluster, int asked, int slot)
{
	struct view view;

	if (view_read(cluster, asked, &view))
		return -1;
	return view.owner[slot];
}

int
redis_cluster_is_master(const struct redis_cluster *cluster, int asked,
			int node)
{
	struct view view;

	return view_read(cluster, asked, &view) == 0 &&
	       view.role[node] == MASTER;
}

int
redis_cluster_failover(struct redis_cluster *cluster, int master)
{
	struct view view;
	int slot = 0, asked = 0;

	if (view_read(cluster, master, &view))
		return -1;
	while (slot < REDIS_SLOTS && view.owner[slot] != master)
		slot++;
	redis_kill(&cluster->node[master]);
	if (slot == REDIS_SLOTS || redis_cluster_settle(cluster))
		return -1;
	while (!runs(&cluster->node[asked]))
		asked++;
	return redis_cluster_owner(cluster, asked, slot);
}
