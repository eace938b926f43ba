/*
 * The examples against real Redis servers: the conformance suite of stores,
 * and a replay whose L2 is a server that dies.
 *
 * argv: store_conform, replay.  TAP.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis_tools.h"
#include "temp_path.h"

enum { OUT = 1 << 16 };

static const char *conform, *replay;
static int n_cases, n_failed;

static void
verdict(int good, const char *name, const char *out)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++n_cases, name);
	if (good)
		return;
	n_failed++;
	/* As comments of TAP. */
	for (const char *line = out; line && *line;) {
		const char *end = strchr(line, '\n');
		size_t n = end ? (size_t)(end - line) : strlen(line);

		printf("# %.*s\n", (int)n, line);
		line = end ? end + 1 : line + n;
	}
}

static void
conform_case(const char *name, const char *url)
{
	const char *argv[] = {conform,    "--backend", "resp", "--path",
			      url,        "--values",  "1000", "--seed",
			      "20261121", NULL};
	static char out[OUT];

	verdict(redis_run(argv, out, sizeof(out)) == 0, name, out);
}

/* A replay of conversations in which much comes from L2. */
static void
replay_words(const char *words[32], const char *url, const char *requests)
{
	size_t n = 0;

	words[n++] = replay;
	words[n++] = "--generate";
	words[n++] = "agent";
	words[n++] = "--requests";
	words[n++] = requests;
	words[n++] = "--gpu-blocks";
	words[n++] = "600";
	words[n++] = "--l1-bytes";
	words[n++] = "256K";
	words[n++] = "--policy";
	words[n++] = "random";
	words[n++] = "--json";
	words[n++] = "--l2";
	words[n++] = url;
	words[n] = NULL;
}

/* The number behind "name": in one line of JSON, or -1. */
static double
member(const char *json, const char *name)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", name);
	at = strstr(json, quoted);
	return at ? atof(at + strlen(quoted)) : -1;
}

static void
replay_case(const char *name, const char *url)
{
	static char mem[OUT], out[OUT];
	const char *words[32];
	int good;

	replay_words(words, "mem", "400");
	good = redis_run(words, mem, sizeof(mem)) == 0;
	replay_words(words, url, "400");
	good = good && redis_run(words, out, sizeof(out)) == 0 &&
	       member(out, "corrupt_blocks") == 0 &&
	       member(out, "hit_l2") > 0.01 &&
	       member(out, "hit_l2") == member(mem, "hit_l2");
	verdict(good, name, out);
}

/* Values in the server, or -1. */
static long
values_of(const struct redis_server *server)
{
	char reply[64];

	if (redis_ask(server, "DBSIZE", reply, sizeof(reply)) < 2)
		return -1;
	return atol(reply + 1);
}

/* A replay in the background, its output in a file. */
static pid_t
replay_start(const char *url, const char *out, const char *requests)
{
	const char *words[32] = {0};
	char *argv[32];
	pid_t pid;

	replay_words(words, url, requests);
	for (size_t i = 0; i < 32; i++)
		argv[i] = words[i] ? strdup(words[i]) : NULL;
	pid = fork();
	if (pid)
		return pid;
	if (dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1) < 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static void
file_read(const char *path, char *text, size_t cap)
{
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(text, 1, cap - 1, file) : 0;

	text[n] = 0;
	if (file)
		fclose(file);
}

/* Until the server has so many values: 0; -1: the replay has ended. */
static int
values_wait(const struct redis_server *server, long n, pid_t pid, int *status)
{
	while (values_of(server) < n) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return -1;
		talk_watch(pid);
	}
	return 0;
}

/* A replay that runs while somebody breaks its server. */
struct run {
	pid_t pid;
	int ended, status;
	struct temp_path path;
	char out[OUT];
};

static void
run_start(struct run *run, const char *url, const char *requests)
{
	*run = (struct run){.path = temp_path_new()};
	run->pid = replay_start(url, run->path.text, requests);
}

/* Until the server has so many values, or the replay has ended. */
static void
run_reach(struct run *run, const struct redis_server *server, long values)
{
	if (!run->ended && values_wait(server, values, run->pid, &run->status))
		run->ended = 1;
}

/* It must not have ended before, and found no wrong byte. */
static void
run_judge(struct run *run, const char *name)
{
	int early = run->ended;

	if (!early && waitpid(run->pid, &run->status, 0) != run->pid)
		run->status = -1;
	file_read(run->path.text, run->out, sizeof(run->out));
	unlink(run->path.text);
	verdict(!early && run->status == 0 &&
			member(run->out, "corrupt_blocks") == 0 &&
			member(run->out, "hit_l2") > 0,
		name, run->out);
}

/* Killed in the middle, back again at once, twice. */
static void
death_case(const char *name, struct redis_server *server, const char *url)
{
	static struct run run;

	run_start(&run, url, "4000");
	for (int i = 0; i < 2; i++) {
		run_reach(&run, server, 200);
		redis_kill(server);
		if (redis_restart(server))
			break;
	}
	run_judge(&run, name);
}

/* A master dies under the replay; its replica takes over. */
static void
cluster_cases(void)
{
	static struct redis_cluster cluster;
	static struct run run;
	char url[256];

	if (redis_cluster_start(&cluster, NULL)) {
		verdict(0, "a cluster starts", cluster.reason);
		redis_cluster_stop(&cluster);
		return;
	}
	snprintf(url, sizeof(url), "redis-cluster://127.0.0.1:%d,127.0.0.1:%d",
		 cluster.node[0].port, cluster.node[1].port);
	conform_case("a store in a cluster keeps its promises", url);
	replay_case("a replay over a cluster finds what memory has", url);
	run_start(&run, url, "8000");
	run_reach(&run, &cluster.node[1], 2000);
	if (redis_cluster_failover(&cluster, 1) < 0)
		verdict(0, "a replica takes over", cluster.reason);
	run_judge(&run, "a replay survives the death of a master");
	redis_cluster_stop(&cluster);
}

int
main(int argc, char **argv)
{
	struct redis_opts secret = {.password = "s3cret"};
	struct redis_server server, guarded;
	char url[256];

	if (argc != 3)
		return 2;
	conform = argv[1];
	replay = argv[2];
	printf("TAP version 13\n");
	switch (redis_start(&server, NULL)) {
	case 0: break;
	case REDIS_ABSENT: printf("1..0 # SKIP %s\n", server.reason); return 0;
	default: printf("Bail out! %s\n", server.reason); return 1;
	}
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port);
	conform_case("a store in Redis keeps its promises", url);
	replay_case("a replay over Redis finds what memory has", url);
	death_case("a replay survives the deaths of its Redis", &server, url);
	redis_stop(&server);

	if (redis_start(&guarded, &secret) == 0) {
		snprintf(url, sizeof(url), "unix://:s3cret@%s", guarded.socket);
		conform_case("so does one behind a Unix socket and a password",
			     url);
	} else {
		verdict(0, "a server with a password starts", guarded.reason);
	}
	redis_stop(&guarded);
	cluster_cases();
	printf("1..%d\n", n_cases);
	return n_failed != 0;
}
