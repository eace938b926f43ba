/*
 * What goes wrong is made by another process, so that starting servers takes
 * no time from the one that is watched, and its descriptors are its own.
 *
 *   ask      g: go on    c: calm, answered when all is repaired    end: stop
 *   answer   one byte for the start and for each calm
 *
 * Whatever is broken is repaired before the next thing is.
 */
#define _GNU_SOURCE

#include "chaos.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/rand.h"
#include "net_ns.h"
#include "redis_tools.h"

const char *const chaos_names[CHAOS_KINDS] = {
	[CHAOS_KILL] = "killed and restarted",
	[CHAOS_STALL] = "stalled",
	[CHAOS_DISCONNECT] = "disconnected",
	[CHAOS_PULL_CABLE] = "cable pulled",
	[CHAOS_LOSE_PACKETS] = "packets lost",
	[CHAOS_NO_MEMORY] = "out of memory",
	[CHAOS_READ_ONLY] = "read only",
	[CHAOS_LOCK] = "password changed"};

struct victim {
	struct net_ns net;
	int has_net;
	struct redis_server server;
	struct chaos_shared *shared;
	uint64_t seed;
	uint32_t kinds;
};

static void
rest(struct victim *v, uint32_t ms)
{
	poll(NULL, 0, 1 + (int)rand_below(&v->seed, ms));
}

/* What has no answer now has none for a reason that is being made. */
static void
tell(struct victim *v, const char *line)
{
	char reply[256];

	(void)redis_ask(&v->server, line, reply, sizeof(reply));
}

static void
server_kill(struct victim *v)
{
	redis_kill(&v->server);
	rest(v, 500);
	if (redis_restart(&v->server) == 0)
		return;
	snprintf(v->shared->reason, sizeof(v->shared->reason), "%s",
		 v->server.reason);
	_exit(1);
}

static void
cable_pull(struct victim *v)
{
	int end = (int)rand_below(&v->seed, 2);

	net_ns_link(&v->net, end, 0);
	rest(v, 500);
	net_ns_link(&v->net, end, 1);
}

static void
packets_lose(struct victim *v)
{
	int end = (int)rand_below(&v->seed, 2);

	net_ns_queue(&v->net, end, "tbf rate 100mbit burst 32kb limit 20kb");
	rest(v, 800);
	net_ns_queue(&v->net, end, NULL);
}

static void
lock(struct victim *v)
{
	tell(v, "CONFIG SET requirepass other");
	snprintf(v->server.password, sizeof(v->server.password), "other");
	tell(v, "CLIENT KILL TYPE normal");
	rest(v, 300);
	tell(v, "CONFIG SET requirepass \"\"");
	v->server.password[0] = 0;
}

static void
misfortune(struct victim *v)
{
	uint32_t kind;

	do {
		kind = rand_below(&v->seed, CHAOS_KINDS);
	} while (!(v->kinds >> kind & 1));
	if (!v->has_net &&
	    (kind == CHAOS_PULL_CABLE || kind == CHAOS_LOSE_PACKETS))
		kind = CHAOS_STALL;
	switch (kind) {
	case CHAOS_KILL: server_kill(v); break;
	case CHAOS_STALL:
		redis_stall(&v->server);
		rest(v, 700);
		redis_resume(&v->server);
		break;
	case CHAOS_DISCONNECT: tell(v, "CLIENT KILL TYPE normal"); break;
	case CHAOS_PULL_CABLE: cable_pull(v); break;
	case CHAOS_LOSE_PACKETS: packets_lose(v); break;
	case CHAOS_NO_MEMORY:
		tell(v, "CONFIG SET maxmemory 1");
		rest(v, 300);
		tell(v, "CONFIG SET maxmemory 0");
		break;
	case CHAOS_READ_ONLY:
		tell(v, "REPLICAOF 127.0.0.1 1");
		rest(v, 300);
		tell(v, "REPLICAOF NO ONE");
		break;
	default: lock(v);
	}
	v->shared->done[kind]++;
}

_Noreturn static void
victim_run(struct victim *v, int ask, int answer)
{
	int going = 0, wait = -1;
	char c = 's';

	/* A process that no longer wants answers is told by SIGPIPE. */
	signal(SIGPIPE, SIG_IGN);
	if (write(answer, &c, 1) != 1)
		_exit(1);
	for (;;) {
		struct pollfd p = {.fd = ask, .events = POLLIN};

		wait = going ? 1 + (int)rand_below(&v->seed, 400) : -1;
		if (poll(&p, 1, wait) > 0) {
			if (read(ask, &c, 1) != 1)
				break;
			going = c == 'g';
			if (!going && write(answer, &c, 1) != 1)
				break;
		} else if (going) {
			misfortune(v);
		}
	}
	redis_stop(&v->server);
	_exit(0);
}

static void
victim_start(struct victim *v, int answer)
{
	static const char *const lines[] = {"bind 0.0.0.0", "protected-mode no",
					    NULL};
	const struct redis_opts opts = {
		.lines = lines,
		.netns = v->has_net ? v->net.spaces[NET_THEIRS] : 0};
	char status = (char)redis_start(&v->server, &opts);

	v->shared->port = v->server.port;
	if (!status)
		return;
	snprintf(v->shared->reason, sizeof(v->shared->reason), "%s",
		 v->server.reason);
	status = status == REDIS_ABSENT ? 'a' : 'f';
	(void)!write(answer, &status, 1);
	_exit(1);
}

int
chaos_start(struct chaos *chaos, uint64_t seed, uint32_t kinds)
{
	struct victim v = {.seed = seed, .kinds = kinds};
	int ask[2], answer[2];
	pid_t parent = getpid();
	char c = 'f';

	memset(chaos, 0, sizeof(*chaos));
	chaos->shared =
		mmap(NULL, sizeof(*chaos->shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chaos->shared == MAP_FAILED || pipe2(ask, O_CLOEXEC) ||
	    pipe2(answer, O_CLOEXEC))
		abort();
	v.has_net = net_ns_open(&v.net) == 0;
	v.shared = chaos->shared;
	chaos->host = v.has_net ? NET_NS_THEIRS : "127.0.0.1";
	chaos->pid = fork();
	if (chaos->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ask[1]);
		close(answer[0]);
		if (getppid() != parent)
			_exit(1);
		victim_start(&v, answer[1]);
		victim_run(&v, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	chaos->ask = ask[1];
	chaos->answer = answer[0];
	if (read(chaos->answer, &c, 1) != 1 || c != 's')
		return c == 'a' ? REDIS_ABSENT : REDIS_FAILED;
	return 0;
}

void
chaos_go(struct chaos *chaos)
{
	(void)!write(chaos->ask, "g", 1);
}

void
chaos_calm(struct chaos *chaos)
{
	(void)!write(chaos->ask, "c", 1);
}

int
chaos_is_calm(struct chaos *chaos)
{
	struct pollfd p = {.fd = chaos->answer, .events = POLLIN};
	char c;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	return read(chaos->answer, &c, 1) == 1 ? 1 : -1;
}

void
chaos_stop(struct chaos *chaos)
{
	close(chaos->ask);
	close(chaos->answer);
	waitpid(chaos->pid, NULL, 0);
	munmap(chaos->shared, sizeof(*chaos->shared));
}
