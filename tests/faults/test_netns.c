/*
 * The Redis and Valkey backend on a real server when the network between them
 * fails, and when the server does.
 *
 *   test_netns                 each case a second or so
 *   test_netns --long          some ten seconds each
 *   test_netns [--long] NAME   cases whose name contains NAME
 *
 * What a fault may lead to is in net_load.h, and that it leaves nothing in
 * wire.h: hits come back, the breaker closes, no descriptor stays open.
 */
#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rand.h"
#include "wire.h"

static uint32_t rounds = 1;

/* ---- the network */

static void
partition(int end)
{
	struct wire *w = wire_far();

	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t refusals = wire_refused(w), hits;

		load_run(&w->load, 50);
		w->load.allowed |= LOAD_FAULTS;
		expect(net_ns_link(&w->net, end, 0) == 0, "pulled");
		/* What had arrived is read; then comes nothing. */
		load_run(&w->load, 2 * LOAD_DEADLINE_NS / 1000000u);
		hits = w->load.hits;
		load_run(&w->load, 200 + 100 * (i % 8));
		expect(w->load.hits == hits, "there is a network left");
		expect(wire_refused(w) > refusals, "the breaker has opened");
		expect(net_ns_link(&w->net, end, 1) == 0, "plugged in");
		wire_recovers(w);
	}
	wire_close(w);
}

static void
their_end_down(void)
{
	partition(NET_THEIRS);
}

static void
our_end_down(void)
{
	partition(NET_OURS);
}

/* Nothing but some packets are gone: TCP's affair, and time. */
static void
loss(const char *queue, int end)
{
	struct wire *w = wire_far();
	uint64_t hits;

	if (net_ns_queue(&w->net, end, queue))
		case_skip("no queue %s in this kernel", queue);
	hits = w->load.hits;
	w->load.allowed |= LOAD_FAULTS;
	load_run(&w->load, 500 * rounds);
	expect(net_ns_dropped(&w->net, end) > 0, "packets were lost");
	expect(w->load.hits > hits, "much arrives nevertheless");
	expect(net_ns_queue(&w->net, end, NULL) == 0, "as at first");
	wire_recovers(w);
	wire_close(w);
}

static void
answers_lost(void)
{
	loss("tbf rate 100mbit burst 32kb limit 20kb", NET_THEIRS);
}

static void
requests_lost(void)
{
	loss("tbf rate 100mbit burst 32kb limit 20kb", NET_OURS);
}

static void
bursts_lost(void)
{
	loss("tbf rate 400mbit burst 4kb limit 6kb", NET_THEIRS);
}

static void
at_random_lost(void)
{
	loss("netem loss 5% delay 2ms", NET_THEIRS);
}

static void
flapping(void)
{
	struct wire *w = wire_far();
	uint64_t seed = 3;

	w->load.allowed |= LOAD_FAULTS;
	for (uint32_t i = 0; i < (rounds == 1 ? 15 : 50 * rounds); i++) {
		int end = i % 2 ? NET_OURS : NET_THEIRS;

		net_ns_link(&w->net, end, 0);
		load_run(&w->load, 1 + rand_below(&seed, 60));
		net_ns_link(&w->net, end, 1);
		load_run(&w->load, 1 + rand_below(&seed, 60));
	}
	wire_recovers(w);
	wire_close(w);
}

/* One request without a deadline. */
static void
patient_begin(struct wire *w)
{
	static uint8_t memory[64];
	static const aibrix_iov iov = {memory, sizeof(memory)};
	const aibrix_io io = {.key = "nobody has this",
			      .key_bytes = 15,
			      .iov = &iov,
			      .n_iov = 1,
			      .op = AIBRIX_STORE_GET,
			      .priority = AIBRIX_PRIORITY_GET,
			      .deadline_ns = AIBRIX_FOREVER};
	uint32_t n = 0;

	load_drain(&w->load);
	if (aibrix_store_submit(w->store, &io, 1, load_now_ns(), &n) || n != 1)
		case_abort("not taken");
}

/* How it ended, within ms; E_AGAIN: not yet. */
static int
patient_end(struct wire *w, uint64_t ms)
{
	const uint64_t start = load_now_ns();
	aibrix_done done = {.status = AIBRIX_E_AGAIN};
	uint32_t n = 0;

	while (n == 0 && load_now_ns() - start < ms * 1000000u)
		if (aibrix_store_poll(w->store, &done, 1, load_now_ns(),
				      10000000u, &n))
			case_abort("not polled");
	return done.status;
}

/* Nobody says that it has gone, neither network nor host. */
static void
vanished(void)
{
	struct wire *w = wire_far_patient();

	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t start, refusals;
		int err;

		patient_begin(w);
		expect(patient_end(w, 20000) == AIBRIX_E_NOT_FOUND, "there");
		expect(net_ns_link(&w->net, NET_THEIRS, 0) == 0, "pulled");
		refusals = wire_refused(w);
		start = load_now_ns();
		patient_begin(w);
		err = patient_end(w, 20000);
		expect(err == AIBRIX_E_UNAVAILABLE,
		       "ended by %s, not found out", aibrix_error_name(err));
		printf("# after %llu ms\n",
		       (unsigned long long)(load_now_ns() - start) / 1000000u);
		expect(wire_refused(w) > refusals, "one request is enough");
		expect(wire_node(w).state != AIBRIX_NODE_CLOSED,
		       "the breaker has opened");
		w->load.allowed |= LOAD_FAULTS;
		expect(net_ns_link(&w->net, NET_THEIRS, 1) == 0, "plugged in");
		wire_recovers(w);
	}
	wire_close(w);
}

/* It answers nothing for six times as long as a connection may take, but its
 * host acknowledges. */
static void
busy(void)
{
	struct wire *w = wire_far();

	for (uint32_t i = 0; i < rounds; i++) {
		redis_stall(&w->server);
		patient_begin(w);
		expect(patient_end(w, 1200) == AIBRIX_E_AGAIN, "it waits");
		expect(wire_refused(w) == 0, "nobody is left alone");
		redis_resume(&w->server);
		expect(patient_end(w, 20000) == AIBRIX_E_NOT_FOUND, "late");
	}
	wire_close(w);
}

/* Pulled, and freed with everything under way. */
static void
freed_in_a_partition(void)
{
	struct wire *w = wire_far();

	load_run(&w->load, 20);
	w->load.allowed |= LOAD_FAULTS;
	net_ns_link(&w->net, NET_THEIRS, 0);
	load_run(&w->load, 20);
	aibrix_store_free(w->store);
	expect(load_descriptors() == w->descriptors, "nothing stays open");
	expect(w->load.broken == 0, "%u", w->load.broken);
	redis_stop(&w->server);
}

/* ---- the server */

/* Bytes that the server has sent to all its clients; to the one that asks,
 * *told so far. */
static uint64_t
bytes_sent(int admin, uint64_t *told)
{
	static const char name[] = "total_net_output_bytes:";
	char reply[8192];
	const char *at = NULL;
	ssize_t n = -1;
	uint64_t before = *told;

	if (talk_line(admin, "INFO stats") == 0)
		n = talk_reply(admin, reply, sizeof(reply));
	if (n > 0)
		at = strstr(reply, name);
	if (!at)
		case_abort("the administrator is not heard");
	*told += (uint64_t)n;
	return strtoull(at + strlen(name), NULL, 10) - before;
}

/* Until the server has sent what the sockets take, and stands within a value.
 * One turn of its loop may serve us alone: three have brought nothing. */
static void
until_blocked(int admin)
{
	int64_t end = talk_now_ms() + TALK_HANG_MS;
	uint64_t told = 0, sent = bytes_sent(admin, &told);

	for (int still = 0; still < 3;) {
		uint64_t now = bytes_sent(admin, &told);

		still = now == sent ? still + 1 : 0;
		sent = now;
		if (talk_now_ms() > end)
			case_abort("the server sends without end");
	}
}

/*
 * A value of which a part has come, and the rest comes after its end.  While
 * nobody reads, the sockets take less than was asked for: so the server is
 * within a value when it freezes.
 */
static void
frozen(void)
{
	struct wire *w = wire_near();
	int admin = redis_dial(&w->server);

	/* It was not there when the store's descriptors were counted. */
	w->descriptors++;
	w->load.reads_only = w->load.large_only = 1;
	w->load.allowed |= LOAD_FAULTS;
	for (uint32_t i = 0; i < 6 * rounds; i++) {
		w->load.deadline_ns = LOAD_DEADLINE_NS / 4;
		load_step(&w->load, 0);
		until_blocked(admin);
		redis_stall(&w->server);
		load_run(&w->load, 2 * w->load.deadline_ns / 1000000u);
		redis_resume(&w->server);
		w->load.deadline_ns = LOAD_DEADLINE_NS;
		wire_recovers(w);
	}
	expect(load_count(&w->load, AIBRIX_E_TIMEOUT) > 0, "some were late");
	/* Not each time: what is under way may be late by itself. */
	expect(wire_refused(w) > 0, "the breaker has opened");
	wire_close(w);
	close(admin);
}

/* Frozen for less than a deadline: nothing fails, all is late. */
static void
stuttering(void)
{
	struct wire *w = wire_near();
	uint64_t seed = 6;

	w->load.large_only = 1;
	w->load.allowed |= LOAD_FAULTS;
	for (uint32_t i = 0; i < 10 * rounds; i++) {
		redis_stall(&w->server);
		load_run(&w->load, 1 + rand_below(&seed, 40));
		redis_resume(&w->server);
		load_run(&w->load, 1 + rand_below(&seed, 40));
	}
	wire_recovers(w);
	wire_close(w);
}

static void
restarted_empty(void)
{
	struct wire *w = wire_near();

	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t misses;

		load_run(&w->load, 50);
		w->load.allowed |= LOAD_FAULTS;
		redis_kill(&w->server);
		load_run(&w->load, 100);
		if (redis_restart(&w->server))
			case_abort("%s", w->server.reason);
		misses = load_count(&w->load, AIBRIX_E_NOT_FOUND);
		wire_recovers(w);
		expect(load_count(&w->load, AIBRIX_E_NOT_FOUND) > misses,
		       "it has forgotten all");
		w->load.allowed = LOAD_BIT(AIBRIX_E_TIMEOUT);
		load_fill(&w->load);
	}
	wire_close(w);
}

/* The connections of a store that rests are all dead when it goes on. */
static void
restarted_unseen(void)
{
	struct wire *w = wire_near();

	for (uint32_t i = 0; i < 2 * rounds; i++) {
		load_run(&w->load, 50);
		load_drain(&w->load);
		if (redis_restart(&w->server))
			case_abort("%s", w->server.reason);
		load_run(&w->load, 50);
		expect(wire_refused(w) == 0, "nobody is left alone");
	}
	wire_close(w);
}

/* Words of an administrator while requests are under way. */
static void
tell(struct wire *w, const char *line)
{
	char reply[256];

	if (redis_ask(&w->server, line, reply, sizeof(reply)) < 0 ||
	    reply[0] == '-')
		case_abort("%s: %s", line, reply);
}

/* Values are refused with a status, reads go on; then all goes on. */
static void
refuses_values(const char *from, const char *until, int status)
{
	struct wire *w = wire_near();

	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t count = load_count(&w->load, status), hits;

		/* Those that exist are not refused: make room. */
		w->load.allowed |= LOAD_BIT(status);
		tell(w, from);
		hits = w->load.hits;
		load_run(&w->load, 300);
		expect(load_count(&w->load, status) > count, "no %s",
		       aibrix_error_name(status));
		expect(w->load.hits > hits, "reads go on");
		expect(wire_node(w).state == AIBRIX_NODE_CLOSED,
		       "nobody is left alone for it");
		tell(w, until);
		wire_recovers(w);
		/* The pause of a server that refuses is over. */
		w->load.allowed = LOAD_BIT(AIBRIX_E_TIMEOUT);
		load_run(&w->load, 100);
	}
	wire_close(w);
}

static void
read_only(void)
{
	/* Nobody is at that port: it keeps what it has. */
	refuses_values("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE",
		       AIBRIX_E_UNAVAILABLE);
}

static void
out_of_memory(void)
{
	refuses_values("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0",
		       AIBRIX_E_FULL);
}

static void
password_changed(void)
{
	struct wire *w = wire_near();

	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t denied = load_count(&w->load, AIBRIX_E_DENIED);

		tell(w, "CONFIG SET requirepass other");
		/* Who is in stays in. */
		load_run(&w->load, 50);
		expect(load_count(&w->load, AIBRIX_E_DENIED) == denied,
		       "denied without a reason");
		snprintf(w->server.password, sizeof(w->server.password),
			 "other");
		w->load.allowed |= LOAD_FAULTS | LOAD_BIT(AIBRIX_E_DENIED);
		tell(w, "CLIENT KILL TYPE normal");
		load_run(&w->load, 300);
		expect(load_count(&w->load, AIBRIX_E_DENIED) > denied,
		       "nobody is let in");
		tell(w, "CONFIG SET requirepass \"\"");
		w->server.password[0] = 0;
		wire_recovers(w);
		w->load.allowed = LOAD_BIT(AIBRIX_E_TIMEOUT);
		load_run(&w->load, 50);
	}
	wire_close(w);
}

static void
no_clients(void)
{
	struct wire *w = wire_near();
	int admin = redis_dial(&w->server);
	char reply[64];

	/* It was there before the store's descriptors were counted. */
	w->descriptors++;
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t count = load_count(&w->load, AIBRIX_E_UNAVAILABLE);

		w->load.allowed |= LOAD_FAULTS;
		if (talk_line(admin, "CONFIG SET maxclients 1") ||
		    talk_reply(admin, reply, sizeof(reply)) < 0 ||
		    talk_line(admin, "CLIENT KILL TYPE normal") ||
		    talk_reply(admin, reply, sizeof(reply)) < 0)
			case_abort("the administrator is not heard");
		load_run(&w->load, 300);
		expect(load_count(&w->load, AIBRIX_E_UNAVAILABLE) > count,
		       "there is room");
		if (talk_line(admin, "CONFIG SET maxclients 100") ||
		    talk_reply(admin, reply, sizeof(reply)) < 0)
			case_abort("the administrator is not heard");
		wire_recovers(w);
		w->load.allowed = LOAD_BIT(AIBRIX_E_TIMEOUT);
		load_run(&w->load, 50);
	}
	wire_close(w);
	close(admin);
}

static const struct fault_case cases[] = {
	{"a cable pulled at the far end costs deadlines", their_end_down},
	{"a cable pulled at this end costs misses", our_end_down},
	{"a host that vanished is found out without a deadline", vanished},
	{"a host whose server is stuck is not taken for gone", busy},
	{"answers that are lost on the way are late", answers_lost},
	{"requests that are lost on the way are late", requests_lost},
	{"bursts that are cut short arrive in the end", bursts_lost},
	{"packets lost at random are sent again", at_random_lost},
	{"a cable with a loose contact shifts no value", flapping},
	{"a store is freed while its network is gone", freed_in_a_partition},
	{"the rest of a frozen value writes nowhere", frozen},
	{"a server that stutters delivers whole values", stuttering},
	{"a server restarted empty misses and fills again", restarted_empty},
	{"a restart that nobody saw costs misses and nothing else",
	 restarted_unseen},
	{"a server that became a replica is read until it is none", read_only},
	{"a server without memory takes values when it has some",
	 out_of_memory},
	{"a password that changes denies until it is the old one",
	 password_changed},
	{"a server full of clients is asked again later", no_clients},
};

int
main(int argc, char **argv)
{
	const char *only = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--long") == 0)
			rounds = 10;
		else
			only = argv[i];
	}
	return cases_run(cases, sizeof(cases) / sizeof(cases[0]), only,
			 rounds == 1 ? 60 : 300);
}
