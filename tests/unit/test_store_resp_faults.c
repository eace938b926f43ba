/*
 * The Redis and Valkey backend on a server that does wrong, on a clock of the
 * test: server and client take turns, so nothing depends on the machine.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include "resp_tools.h"

#include "fake_server.h"

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

enum { GUARD = 64 };

struct pair {
	const aibrix_log *log; /* may be NULL */
	struct fake *fake;
	aibrix_store *store;
	uint64_t now; /* of the store's clock */
};

static uint64_t
pair_clock(void *ctx)
{
	const struct pair *p = ctx;

	return p->now;
}

/* Rules and options may be NULL; deadlines default to 2 s. */
static void
pair_open(struct pair *p, const struct fake_rule *rules,
	  const aibrix_resp_opts *opts, uint64_t value_bytes)
{
	char url[64];
	aibrix_store_opts o = {.size = sizeof(o),
			       .backend = AIBRIX_BACKEND_RESP,
			       .path = url,
			       .value_bytes = value_bytes,
			       .clock = pair_clock,
			       .clock_ctx = p,
			       .seed = 1,
			       .log = p->log,
			       .backend_opts = opts};

	p->now = SECOND_NS;
	p->fake = fake_start(&(struct fake_opts){.rules = rules, .manual = 1});
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", fake_port(p->fake));
	cr_assert_eq(aibrix_store_open(&o, &p->store), AIBRIX_OK);
}

static void
pair_close(struct pair *p)
{
	char text[160];

	aibrix_store_free(p->store);
	fake_complaint(p->fake, text);
	cr_expect_str_eq(text, "");
	fake_stop(p->fake);
}

static uint32_t
pair_poll(struct pair *p, aibrix_done *done)
{
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_poll(p->store, done, 1, p->now, 0, &n),
		     AIBRIX_OK);
	return n;
}

/* Both sides, until nothing more can be expected at this instant. */
static uint32_t
pair_settle(struct pair *p, aibrix_done *done)
{
	for (int quiet = 0; quiet < 50; quiet++) {
		fake_turn(p->fake);
		if (pair_poll(p, done))
			return 1;
	}
	return 0;
}

static void
pair_submit(struct pair *p, const aibrix_io *io)
{
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_submit(p->store, io, 1, p->now, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1);
}

/* Until the completion; the clock moves to the next instant that matters, at
 * most to the bound. */
static aibrix_done
pair_wait(struct pair *p, uint64_t bound_ns)
{
	const int64_t start = talk_now_ms();
	aibrix_done done = {.status = AIBRIX_E_STATE};

	while (!pair_settle(p, &done)) {
		uint64_t wake = aibrix_store_wake(p->store);

		cr_assert_lt(talk_now_ms() - start, TALK_HANG_MS);
		cr_assert_leq(wake, bound_ns, "it ends by the bound");
		if (wake > p->now)
			p->now = wake;
	}
	return done;
}

static aibrix_done
pair_do(struct pair *p, const aibrix_io *io)
{
	pair_submit(p, io);
	return pair_wait(p, p->now + 3 * SECOND_NS);
}

/* A place for a value, with guards around it. */
struct place {
	uint8_t *base, *value;
	uint64_t bytes;
	aibrix_iov iov;
};

static struct place
place_new(uint64_t bytes)
{
	struct place m = {.base = malloc(bytes + 2 * GUARD), .bytes = bytes};

	cr_assert_not_null(m.base);
	memset(m.base, 0xee, bytes + 2 * GUARD);
	m.value = m.base + GUARD;
	m.iov = (aibrix_iov){m.value, bytes};
	return m;
}

static void
place_free(struct place *m)
{
	for (int i = 0; i < GUARD; i++) {
		cr_expect_eq(m->base[i], 0xee, "written before its place");
		cr_expect_eq(m->value[m->bytes + i], 0xee,
			     "written behind its place");
	}
	free(m->base);
}

static aibrix_done
pair_get(struct pair *p, const char *key, struct place *m)
{
	aibrix_io io = io_of(AIBRIX_STORE_GET, key, &m->iov, 1);

	return pair_do(p, &io);
}

/* A value of the fake under "key", byte i is i * 7 + i / 256. */
static uint8_t *
value_seeded(struct pair *p, size_t bytes)
{
	uint8_t *value = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		value[i] = (uint8_t)(i * 7 + i / 256);
	fake_put(p->fake, "key", 3, value, bytes);
	return value;
}

/* With one fault on the first GET, a value of these bytes comes whole or not
 * at all; a second GET gets it. */
static aibrix_done
faulty_get(const struct fake_rule *rule, size_t bytes)
{
	struct fake_rule rules[2] = {*rule, {0}};
	struct pair p = {0};
	struct place m = place_new(bytes);
	aibrix_done first, second;
	uint8_t *value;

	pair_open(&p, rules, NULL, 0);
	value = value_seeded(&p, bytes);
	first = pair_get(&p, "key", &m);
	if (first.status == AIBRIX_OK) {
		cr_expect_eq(first.bytes, bytes);
		cr_expect_arr_eq(m.value, value, bytes);
	}
	fake_set_rules(p.fake, NULL);
	memset(m.value, 0, bytes);
	second = pair_get(&p, "key", &m);
	cr_expect_eq(second.status, AIBRIX_OK, "act %d n %d", (int)rule->act,
		     (int)rule->n);
	cr_expect_arr_eq(m.value, value, bytes);
	free(value);
	place_free(&m);
	pair_close(&p);
	return first;
}

Test(store_resp_faults, a_reply_in_two_pieces_is_whole_wherever_it_is_cut)
{
	/* "$30 CRLF", the value, CRLF */
	for (int n = 1; n < 5 + 30 + 2; n++) {
		struct fake_rule rule = {
			.on = "GET", .nth = 1, .act = FAKE_SPLIT, .n = n};

		cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_OK, "%d", n);
	}
}

Test(store_resp_faults, so_is_a_large_one)
{
	static const int cuts[] = {1, 7, 8, 9, 63, 64, 65, 40000, -1, -2, -3};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct fake_rule rule = {
			.on = "GET", .nth = 1, .act = FAKE_SPLIT, .n = cuts[i]};

		cr_expect_eq(faulty_get(&rule, 70000).status, AIBRIX_OK, "%d",
			     cuts[i]);
	}
}

Test(store_resp_faults, a_reply_may_come_byte_by_byte)
{
	struct fake_rule rule = {.on = "GET", .nth = 1, .act = FAKE_DRIP};

	cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_OK);
}

Test(store_resp_faults, a_reply_that_ends_early_is_asked_for_again)
{
	for (int n = 0; n < 5 + 30 + 2; n++) {
		struct fake_rule rule = {
			.on = "GET", .nth = 1, .act = FAKE_CUT, .n = n};

		cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_OK, "%d", n);
		rule.act = FAKE_RESET;
		cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_OK, "%d", n);
	}
}

Test(store_resp_faults, a_reply_that_always_ends_early_is_a_lost_connection)
{
	struct fake_rule rule = {.on = "GET", .act = FAKE_CUT, .n = 10};

	cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_E_CLOSED);
}

Test(store_resp_faults, a_wrong_length_delivers_nothing)
{
	static const int off[] = {-30, -29, -1, 1, 2, 100000};
	static const char *const texts[] = {
		"-2",       "030", "+30", "3x", "", "99999999999999999999",
		"536870913"};

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		struct fake_rule rule = {
			.on = "GET", .act = FAKE_LENGTH, .n = off[i]};
		int status = faulty_get(&rule, 30).status;

		cr_expect(status == AIBRIX_E_CLOSED || status == AIBRIX_E_SPACE,
			  "%d: %d", off[i], status);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fake_rule rule = {
			.on = "GET", .act = FAKE_LENGTH, .text = texts[i]};

		/* An empty text is no text: the length as it is. */
		if (!texts[i][0])
			continue;
		cr_expect_eq(faulty_get(&rule, 30).status, AIBRIX_E_CLOSED,
			     "%s", texts[i]);
	}
}

Test(store_resp_faults, an_answer_to_another_question_closes_the_connection)
{
	static const struct {
		uint32_t op;
		const char *on, *text;
	} wrong[] = {
		{AIBRIX_STORE_GET, "GET", "+OK\r\n"},
		{AIBRIX_STORE_GET, "GET", ":1\r\n"},
		{AIBRIX_STORE_GET, "GET", "*0\r\n"},
		{AIBRIX_STORE_GET, "GET", "*1\r\n$1\r\na\r\n"},
		{AIBRIX_STORE_GET, "GET", "HTTP/1.1 200 OK\r\n\r\n"},
		{AIBRIX_STORE_PUT, "SET", ":1\r\n"},
		{AIBRIX_STORE_PUT, "SET", "+QUEUED\r\n"},
		{AIBRIX_STORE_PUT, "SET", "$1\r\na\r\n"},
		{AIBRIX_STORE_PROBE, "STRLEN", "+OK\r\n"},
		{AIBRIX_STORE_PROBE, "STRLEN", "$-1\r\n"},
		{AIBRIX_STORE_PROBE, "STRLEN", ":-1\r\n"},
		{AIBRIX_STORE_DELETE, "UNLINK", ":2\r\n"},
		{AIBRIX_STORE_DELETE, "UNLINK", "+OK\r\n"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct fake_rule rules[] = {
			{.on = wrong[i].on, .text = wrong[i].text}, {0}};
		struct place m = place_new(30);
		struct pair p = {0};
		aibrix_io io;

		pair_open(&p, rules, NULL, 0);
		io = io_of(wrong[i].op, "key", &m.iov, 1);
		cr_expect_eq(pair_do(&p, &io).status, AIBRIX_E_CLOSED, "%s %s",
			     wrong[i].on, wrong[i].text);
		place_free(&m);
		pair_close(&p);
	}
}

Test(store_resp_faults, what_nobody_asked_for_closes_the_connection)
{
	struct place m = place_new(30);
	struct pair p = {0};
	uint8_t *value;
	aibrix_done done;

	pair_open(&p, NULL, NULL, 0);
	value = value_seeded(&p, 30);
	cr_assert_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	fake_push(p.fake, 0, "$3\r\nbad\r\n", 9);
	cr_expect_eq(pair_settle(&p, &done), 0);
	cr_expect_eq(fake_open(p.fake), 0);
	memset(m.value, 0, 30);
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	cr_expect_arr_eq(m.value, value, 30);
	cr_expect_eq(fake_accepted(p.fake), 2);
	free(value);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, an_error_is_an_answer_to_one_request)
{
	static const struct {
		const char *text;
		int status;
	} errors[] = {
		{"-ERR something\r\n", AIBRIX_E_IO},
		{"-WRONGTYPE Operation against a key\r\n", AIBRIX_E_IO},
		{"-\r\n", AIBRIX_E_IO},
		{"-LOADING Redis is loading\r\n", AIBRIX_E_UNAVAILABLE},
		{"-BUSY Redis is busy\r\n", AIBRIX_E_UNAVAILABLE},
		{"-MASTERDOWN Link with MASTER is down\r\n",
		 AIBRIX_E_UNAVAILABLE},
		{"-TRYAGAIN Multiple keys\r\n", AIBRIX_E_UNAVAILABLE},
		{"-CLUSTERDOWN Hash slot not served\r\n", AIBRIX_E_UNAVAILABLE},
		{"-MOVED 1 10.0.0.1:7000\r\n", AIBRIX_E_UNAVAILABLE},
		{"-READONLY You can't write\r\n", AIBRIX_E_UNAVAILABLE},
		{"-OOM command not allowed\r\n", AIBRIX_E_FULL},
		{"-MISCONF Redis is configured\r\n", AIBRIX_E_FULL},
		{"-NOAUTH Authentication required.\r\n", AIBRIX_E_DENIED},
		{"-NOPERM this user\r\n", AIBRIX_E_DENIED},
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		const struct fake_rule rules[] = {
			{.on = "SET", .text = errors[i].text}, {0}};
		struct place m = place_new(30);
		struct pair p = {0};
		uint8_t *value;
		aibrix_io io;

		pair_open(&p, rules, NULL, 0);
		value = value_seeded(&p, 30);
		io = io_of(AIBRIX_STORE_PUT, "new", &m.iov, 1);
		cr_expect_eq(pair_do(&p, &io).status, errors[i].status, "%s",
			     errors[i].text);
		cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
		cr_expect_arr_eq(m.value, value, 30);
		cr_expect_eq(fake_accepted(p.fake), 1, "%s", errors[i].text);
		free(value);
		place_free(&m);
		pair_close(&p);
	}
}

Test(store_resp_faults, a_server_without_memory_is_spared_values_for_a_moment)
{
	static const struct fake_rule rules[] = {
		{.on = "SET", .text = "-OOM command not allowed\r\n"}, {0}};
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "new", &m.iov, 1);

	pair_open(&p, rules, NULL, 0);
	cr_expect_eq(pair_do(&p, &io).status, AIBRIX_E_FULL);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(pair_do(&p, &io).status, AIBRIX_E_FULL);
	cr_expect_eq(fake_count(p.fake, "SET"), 1);
	cr_expect_eq(store_stat(p.store).refused, 10);
	p.now += 100 * MS_NS;
	fake_set_rules(p.fake, NULL);
	cr_expect_eq(pair_do(&p, &io).status, AIBRIX_OK);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, no_answer_ends_with_the_deadline_and_opens_the_breaker)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .act = FAKE_STALL}, {0}};
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);
	uint64_t open_until;
	uint8_t *value;

	pair_open(&p, rules, NULL, 0);
	value = value_seeded(&p, 30);
	for (int i = 0; i < 5; i++) {
		io.deadline_ns = p.now + 20 * MS_NS;
		pair_submit(&p, &io);
		cr_expect_eq(pair_wait(&p, io.deadline_ns).status,
			     AIBRIX_E_TIMEOUT);
		cr_expect_eq(p.now, io.deadline_ns, "neither early nor late");
	}
	cr_expect_eq(resp_node(p.store).state, AIBRIX_NODE_OPEN);
	open_until = resp_node(p.store).open_until_ns;
	cr_expect_gt(open_until, p.now + 79 * MS_NS, "100 ms less the jitter");
	cr_expect_leq(open_until, p.now + 100 * MS_NS);
	io.deadline_ns = 0;
	for (int i = 0; i < 20; i++) {
		pair_submit(&p, &io);
		cr_expect_eq(pair_wait(&p, p.now).status, AIBRIX_E_UNAVAILABLE);
	}
	cr_expect_eq(store_stat(p.store).refused, 20);

	/* The line is given up as dead, and on a new one it works again. */
	fake_set_rules(p.fake, NULL);
	p.now = open_until + 2 * SECOND_NS;
	for (int i = 0; i < 3; i++)
		cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	cr_expect_eq(resp_node(p.store).state, AIBRIX_NODE_CLOSED);
	cr_expect_arr_eq(m.value, value, 30);
	cr_expect_eq(fake_accepted(p.fake), 2);
	free(value);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, a_lost_answer_shifts_no_value_to_another_key)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 1, .act = FAKE_SWALLOW}, {0}};
	struct place m = place_new(30), other = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);

	pair_open(&p, rules, NULL, 0);
	free(value_seeded(&p, 30));
	fake_put(p.fake, "other", 5, "value", 5);
	io.deadline_ns = p.now + 20 * MS_NS;
	pair_submit(&p, &io);
	cr_expect_eq(pair_wait(&p, io.deadline_ns).status, AIBRIX_E_TIMEOUT);
	io = io_of(AIBRIX_STORE_GET, "other", &other.iov, 2);
	io.deadline_ns = p.now + 20 * MS_NS;
	/* Its answer is taken for the lost one, and forgotten. */
	pair_submit(&p, &io);
	cr_expect_eq(pair_wait(&p, io.deadline_ns).status, AIBRIX_E_TIMEOUT);
	cr_expect_eq(other.value[0], 0xee, "nothing was written");
	place_free(&other);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, a_port_that_refuses_costs_no_deadline)
{
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);
	uint64_t start;

	pair_open(&p, NULL, NULL, 0);
	free(value_seeded(&p, 30));
	fake_refuse(p.fake, 1);
	start = p.now;
	for (int i = 0; i < 50; i++) {
		aibrix_done done;

		pair_submit(&p, &io);
		done = pair_wait(&p, p.now + 100 * MS_NS);
		cr_expect(done.status == AIBRIX_E_IO ||
				  done.status == AIBRIX_E_UNAVAILABLE,
			  "%d", done.status);
	}
	cr_expect_lt(p.now, start + 200 * MS_NS);
	cr_expect_eq(resp_node(p.store).state, AIBRIX_NODE_OPEN);
	fake_refuse(p.fake, 0);
	p.now = resp_node(p.store).open_until_ns;
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, a_server_that_accepts_and_is_silent_ends_in_a_second)
{
	static const struct fake_rule rules[] = {
		{.on = "(accept)", .act = FAKE_STALL}, {0}};
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);
	uint64_t start;

	pair_open(&p, rules, NULL, 0);
	io.deadline_ns = AIBRIX_FOREVER;
	start = p.now;
	pair_submit(&p, &io);
	cr_expect_eq(pair_wait(&p, p.now + 3 * SECOND_NS).status,
		     AIBRIX_E_TIMEOUT);
	cr_expect_geq(p.now, start + SECOND_NS);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, a_full_server_says_so_before_it_is_asked)
{
	static const struct fake_rule rules[] = {
		{.on = "(accept)",
		 .act = FAKE_CUT,
		 .n = FAKE_ALL,
		 .text = "-ERR max number of clients reached\r\n"},
		{0}};
	struct place m = place_new(30);
	struct pair p = {0};

	pair_open(&p, rules, NULL, 0);
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_E_UNAVAILABLE);
	place_free(&m);
	pair_close(&p);
}

/* The deadline passes, or a cancel comes, with half of the value here. */
static void
half_a_value(size_t bytes, int cancel, uint64_t connections)
{
	const struct fake_rule rules[] = {
		{.on = "GET", .nth = 1, .act = FAKE_HOLD, .n = 2000}, {0}};
	struct place m = place_new(bytes);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);
	aibrix_done done;
	uint8_t *value;

	pair_open(&p, rules, NULL, bytes);
	value = value_seeded(&p, bytes);
	io.deadline_ns = p.now + 20 * MS_NS;
	pair_submit(&p, &io);
	cr_assert_eq(pair_settle(&p, &done), 0);
	if (cancel)
		cr_assert_eq(aibrix_store_cancel(p.store, 1), AIBRIX_OK);
	done = pair_wait(&p, io.deadline_ns);
	cr_expect_eq(done.status,
		     cancel ? AIBRIX_E_CANCELED : AIBRIX_E_TIMEOUT);
	memset(m.value, 0xee, bytes);
	fake_release(p.fake);
	cr_expect_eq(pair_settle(&p, &done), 0);
	for (size_t i = 0; i < bytes; i++)
		cr_assert_eq(m.value[i], 0xee, "byte %zu, afterwards", i);
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	cr_expect_arr_eq(m.value, value, bytes);
	cr_expect_eq(fake_accepted(p.fake), connections);
	free(value);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, the_rest_of_a_late_value_is_forgotten)
{
	half_a_value(100000, 0, 1);
	half_a_value(100000, 1, 1);
}

Test(store_resp_faults, the_rest_of_a_long_late_value_is_not_waited_for)
{
	half_a_value(4 << 20, 0, 2);
	half_a_value(4 << 20, 1, 2);
}

Test(store_resp_faults, half_a_put_ends_its_connection_and_nothing_else)
{
	enum { BIG = 64 << 20 };
	struct place big = place_new(BIG), m = place_new(30);
	aibrix_resp_opts opts = {.size = sizeof(opts), .connections = 1};
	struct pair p = {0};
	aibrix_io put = io_of(AIBRIX_STORE_PUT, "big", &big.iov, 1);
	aibrix_io get = io_of(AIBRIX_STORE_GET, "key", &m.iov, 2);
	aibrix_done done;
	size_t bytes;

	pair_open(&p, NULL, &opts, BIG);
	free(value_seeded(&p, 30));
	cr_assert_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	/* The server does not read: sockets take some, not all of it. */
	pair_submit(&p, &put);
	pair_submit(&p, &get);
	cr_assert_eq(aibrix_store_cancel(p.store, 1), AIBRIX_OK);
	cr_assert_eq(pair_poll(&p, &done), 1);
	cr_expect_eq(done.tag, 1);
	cr_expect_eq(done.status, AIBRIX_E_CANCELED);
	memset(big.value, 0xee, BIG);
	done = pair_wait(&p, p.now + SECOND_NS);
	cr_expect_eq(done.tag, 2);
	cr_expect_eq(done.status, AIBRIX_OK, "on the next connection");
	cr_expect_eq(fake_get(p.fake, "big", 3, m.value, 0, &bytes), 0);
	cr_expect_eq(fake_accepted(p.fake), 2);
	place_free(&m);
	place_free(&big);
	pair_close(&p);
}

Test(store_resp_faults, a_clock_that_jumps_ends_requests_and_nothing_else)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 1, .act = FAKE_DELAY, .n = 100}, {0}};
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &m.iov, 1);
	aibrix_done done;

	pair_open(&p, rules, NULL, 0);
	free(value_seeded(&p, 30));
	pair_submit(&p, &io);
	cr_assert_eq(pair_settle(&p, &done), 0);
	p.now += 3600 * SECOND_NS;
	cr_expect_eq(pair_wait(&p, p.now).status, AIBRIX_E_TIMEOUT);
	for (int i = 0; i < 2; i++) {
		done = pair_get(&p, "key", &m);
		cr_expect_eq(done.status, AIBRIX_OK, "%d: %d", i, done.status);
		p.now -= 3600 * SECOND_NS;
	}
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, a_delete_whose_answer_is_lost_is_not_sent_twice)
{
	static const struct fake_rule rules[] = {
		{.on = "UNLINK", .nth = 1, .act = FAKE_CUT, .n = 0}, {0}};
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_DELETE, "key", NULL, 1);

	pair_open(&p, rules, NULL, 0);
	free(value_seeded(&p, 30));
	cr_expect_eq(pair_do(&p, &io).status, AIBRIX_E_CLOSED);
	cr_expect_eq(fake_count(p.fake, "UNLINK"), 1);
	pair_close(&p);
}

Test(store_resp_faults, a_put_whose_answer_is_lost_finds_its_own_value)
{
	static const struct fake_rule rules[] = {
		{.on = "SET", .nth = 1, .act = FAKE_CUT, .n = 0}, {0}};
	struct place m = place_new(30);
	struct pair p = {0};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "key", &m.iov, 1);
	aibrix_done done;

	pair_open(&p, rules, NULL, 0);
	done = pair_do(&p, &io);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(store_stat(p.store).retries, 1);
	place_free(&m);
	pair_close(&p);
}

/* ---- the log */

struct told {
	uint32_t denied, lost, back;
};

static void
told_fn(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	struct told *told = ctx;

	(void)level;
	(void)text;
	told->denied += code == 123;
	told->lost += code == 121;
	told->back += code == 122;
}

static aibrix_log
told_log(struct told *told)
{
	return (aibrix_log){.size = sizeof(aibrix_log),
			    .level = AIBRIX_LOG_INFO,
			    .ctx = told,
			    .fn = told_fn};
}

Test(store_resp_faults, each_time_that_it_is_locked_out_is_told_once)
{
	static const struct fake_rule locked[] = {
		{.on = "CLIENT SETNAME",
		 .text = "-NOAUTH Authentication required.\r\n"},
		{0}};
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .backoff_max_ns = 100 * MS_NS};
	struct told told = {0};
	const aibrix_log log = told_log(&told);
	struct place m = place_new(30);
	struct pair p = {.log = &log};

	pair_open(&p, locked, &opts, 0);
	free(value_seeded(&p, 30));
	for (uint32_t i = 1; i <= 3; i++) {
		fake_set_rules(p.fake, locked);
		for (int k = 0; k < 3; k++)
			cr_expect_eq(pair_get(&p, "key", &m).status,
				     AIBRIX_E_DENIED, "%u", i);
		cr_expect_eq(told.denied, i);
		fake_set_rules(p.fake, NULL);
		p.now += SECOND_NS;
		cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
		fake_hang_up(p.fake, 0, 0);
		p.now += 20 * SECOND_NS;
	}
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, what_a_user_may_not_do_is_told_once_for_all_lines)
{
	enum { N = 8 };
	static const struct fake_rule rules[] = {
		{.on = "SET", .text = "-NOPERM this user\r\n"}, {0}};
	static const char *const keys[N] = {"a", "b", "c", "d",
					    "e", "f", "g", "h"};
	const aibrix_resp_opts opts = {.size = sizeof(opts), .pipeline = 1};
	struct told told = {0};
	const aibrix_log log = told_log(&told);
	struct place m = place_new(40000);
	struct pair p = {.log = &log};

	pair_open(&p, rules, &opts, 0);
	for (uint64_t i = 0; i < N; i++) {
		aibrix_io io = io_of(AIBRIX_STORE_PUT, keys[i], &m.iov, i);

		pair_submit(&p, &io);
	}
	for (int i = 0; i < N; i++)
		cr_expect_eq(pair_wait(&p, p.now + SECOND_NS).status,
			     AIBRIX_E_DENIED);
	cr_expect_geq(fake_accepted(p.fake), 2);
	cr_expect_eq(told.denied, 1);
	place_free(&m);
	pair_close(&p);
}

/* ---- secrets */

enum { BLOCKS = 64 };

/* Memory of a store, all of it. */
struct memory {
	struct {
		void *base;
		size_t bytes;
	} blocks[BLOCKS];
	uint32_t leaked; /* blocks given back with the secret in them */
};

static const char secret[] = "correct horse battery staple";

static int
has_secret(const void *base, size_t bytes)
{
	return memmem(base, bytes, secret, sizeof(secret) - 1) != NULL;
}

static void *
memory_alloc(void *ctx, size_t bytes, size_t align)
{
	struct memory *m = ctx;
	void *base = aligned_alloc(align, (bytes + align - 1) / align * align);
	uint32_t i = 0;

	while (i < BLOCKS && m->blocks[i].base)
		i++;
	cr_assert(base && i < BLOCKS);
	m->blocks[i].base = base;
	m->blocks[i].bytes = bytes;
	memset(base, 0, bytes);
	return base;
}

static void
memory_free(void *ctx, void *base, size_t bytes)
{
	struct memory *m = ctx;

	if (!base)
		return;
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (m->blocks[i].base == base)
			m->blocks[i].base = NULL;
	m->leaked += (uint32_t)has_secret(base, bytes);
	free(base);
}

/* The store keeps it in one place, to greet again, and leaves it nowhere. */
Test(store_resp_faults, a_password_is_not_left_in_memory)
{
	struct memory m = {0};
	const aibrix_allocator alloc = {.size = sizeof(alloc),
					.ctx = &m,
					.alloc = memory_alloc,
					.free = memory_free};
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .password = secret};
	struct fake *fake = fake_start(&(struct fake_opts){.password = secret});
	const struct resp_url_text url = resp_tcp(fake_port(fake));
	const aibrix_store_opts o = {.size = sizeof(o),
				     .backend = AIBRIX_BACKEND_RESP,
				     .path = url.text,
				     .timeout_ns = RESP_HANG_NS,
				     .alloc = &alloc,
				     .backend_opts = &opts};
	aibrix_store *store = NULL;
	uint32_t places = 0;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	resp_works(store);
	for (uint32_t i = 0; i < BLOCKS; i++)
		places += m.blocks[i].base &&
			  has_secret(m.blocks[i].base, m.blocks[i].bytes);
	cr_expect_eq(places, 1u);
	aibrix_store_free(store);
	cr_expect_eq(m.leaked, 0u);
	fake_stop(fake);
}

/* ---- epochs */

static void
poll_until_known(struct pair *p, uint64_t epoch)
{
	const int64_t start = talk_now_ms();
	uint64_t now = UINT64_MAX;
	aibrix_done done;

	while (aibrix_resp_epoch(p->store, &now) != AIBRIX_OK) {
		cr_assert_lt(talk_now_ms() - start, TALK_HANG_MS);
		cr_assert_eq(pair_settle(p, &done), 0);
	}
	cr_expect_eq(now, epoch);
}

Test(store_resp_faults, an_epoch_is_never_older_than_promised)
{
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .prefix = "m/",
				       .epoch_ns = 10 * MS_NS,
				       .flags = AIBRIX_RESP_EPOCHS};
	struct place m = place_new(5);
	struct pair p = {0};
	aibrix_io put = io_of(AIBRIX_STORE_PUT, "key", &m.iov, 1);
	uint64_t asked;
	size_t bytes;

	pair_open(&p, NULL, &opts, 0);
	cr_expect_eq(pair_do(&p, &put).status, AIBRIX_OK);
	cr_expect_eq(fake_get(p.fake, "m/key:0", 7, m.value, 0, &bytes), 1);
	/* Somebody else counts up; for less than 10 ms it is not seen. */
	fake_put(p.fake, "m/epoch", 7, "7", 1);
	asked = fake_count(p.fake, "GET m/epoch");
	p.now += 4 * MS_NS;
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	cr_expect_eq(fake_count(p.fake, "GET m/epoch"), asked, "still young");
	p.now += 6 * MS_NS;
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(pair_do(&p, &put).status, AIBRIX_OK);
	cr_expect_eq(fake_get(p.fake, "m/key:7", 7, m.value, 0, &bytes), 1);
	/* In its second half it is asked for while requests go on. */
	asked = fake_count(p.fake, "GET m/epoch");
	p.now += 6 * MS_NS;
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	cr_expect_eq(fake_count(p.fake, "GET m/epoch"), asked + 1);
	p.now += 6 * MS_NS;
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_OK);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, without_an_epoch_there_is_no_service)
{
	static const struct fake_rule refused[] = {
		{.on = "GET m/epoch", .text = "-LOADING Redis is loading\r\n"},
		{0}};
	static const struct fake_rule silent[] = {
		{.on = "GET m/epoch", .act = FAKE_STALL}, {0}};
	static const struct fake_rule nonsense[] = {
		{.on = "GET m/epoch", .text = "$3\r\n1x2\r\n"}, {0}};
	static const struct fake_rule list[] = {
		{.on = "GET m/epoch", .text = "*1\r\n:1\r\n"}, {0}};
	static const struct fake_rule longest[] = {
		{.on = "GET m/epoch",
		 .text = "$21\r\n111111111111111111111\r\n"},
		{0}};
	static const struct {
		const struct fake_rule *rules;
		int status;
	} cases[] = {{refused, AIBRIX_E_UNAVAILABLE},
		     {silent, AIBRIX_E_UNAVAILABLE},
		     {nonsense, AIBRIX_E_IO},
		     {list, AIBRIX_E_UNAVAILABLE},
		     {longest, AIBRIX_E_IO}};
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .prefix = "m/",
				       .flags = AIBRIX_RESP_EPOCHS};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct place m = place_new(5);
		struct pair p = {0};
		aibrix_io put = io_of(AIBRIX_STORE_PUT, "key", &m.iov, 1);

		pair_open(&p, cases[i].rules, &opts, 0);
		cr_expect_eq(pair_do(&p, &put).status, cases[i].status, "%zu",
			     i);
		cr_expect_eq(fake_count(p.fake, "SET"), 0);
		fake_set_rules(p.fake, NULL);
		p.now += 2 * SECOND_NS;
		cr_expect_eq(pair_do(&p, &put).status, AIBRIX_OK, "%zu", i);
		place_free(&m);
		pair_close(&p);
	}
}

Test(store_resp_faults, counting_up_goes_on_until_it_was_answered)
{
	static const struct fake_rule rules[] = {
		{.on = "INCR", .nth = 1, .act = FAKE_CUT, .n = 0}, {0}};
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .flags = AIBRIX_RESP_EPOCHS};
	struct place m = place_new(5);
	struct pair p = {0};
	aibrix_io put = io_of(AIBRIX_STORE_PUT, "key", &m.iov, 1);
	uint64_t epoch = 0;

	pair_open(&p, rules, &opts, 0);
	cr_expect_eq(pair_do(&p, &put).status, AIBRIX_OK);
	cr_expect_eq(aibrix_resp_invalidate(p.store, p.now), AIBRIX_OK);
	cr_expect_eq(aibrix_resp_epoch(p.store, &epoch), AIBRIX_E_AGAIN);
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_E_UNAVAILABLE,
		     "the answer is lost");
	p.now = aibrix_store_wake(p.store);
	poll_until_known(&p, 2);
	cr_expect_eq(pair_get(&p, "key", &m).status, AIBRIX_E_NOT_FOUND);
	place_free(&m);
	pair_close(&p);
}

Test(store_resp_faults, only_stores_with_epochs_count_up)
{
	struct pair p = {0};
	uint64_t epoch;

	pair_open(&p, NULL, NULL, 0);
	cr_expect_eq(aibrix_resp_invalidate(p.store, p.now),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_resp_epoch(p.store, &epoch), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_resp_invalidate(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_resp_epoch(NULL, &epoch), AIBRIX_E_INVAL);
	pair_close(&p);
}

/* ---- streams */

struct slow {
	int fd;
	uint32_t turn;
	uint32_t *live;
};

static int
slow_start(void *ctx, int fd, const char *host, void **stream)
{
	struct slow *s = calloc(1, sizeof(*s));

	cr_assert_not_null(s);
	cr_expect_str_eq(host, "127.0.0.1");
	s->fd = fd;
	s->live = ctx;
	++*s->live;
	*stream = s;
	return AIBRIX_OK;
}

static int
slow_handshake(void *stream, uint32_t *want)
{
	(void)stream;
	(void)want;
	return AIBRIX_OK;
}

/* A few bytes of the first piece at a time. */
static int
slow_read(void *stream, const aibrix_iov *iov, uint32_t n_iov, uint64_t *bytes,
	  uint32_t *want)
{
	struct slow *s = stream;
	size_t some = 1 + s->turn++ % 7;
	ssize_t got;

	cr_assert_gt(n_iov, 0);
	if (some > iov->bytes)
		some = iov->bytes;
	got = recv(s->fd, iov->base, some, MSG_DONTWAIT);
	if (got < 0) {
		*want = AIBRIX_WANT_READ;
		return AIBRIX_E_AGAIN;
	}
	*bytes = (uint64_t)got;
	return got ? AIBRIX_OK : AIBRIX_E_CLOSED;
}

static int
slow_write(void *stream, const aibrix_iov *iov, uint32_t n_iov, uint64_t *bytes,
	   uint32_t *want)
{
	struct slow *s = stream;
	size_t some = 1 + s->turn++ % 5;
	ssize_t sent;

	cr_assert_gt(n_iov, 0);
	if (some > iov->bytes)
		some = iov->bytes;
	sent = send(s->fd, iov->base, some, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0) {
		*want = AIBRIX_WANT_WRITE;
		return AIBRIX_E_AGAIN;
	}
	*bytes = (uint64_t)sent;
	return AIBRIX_OK;
}

static uint64_t
slow_pending(const void *stream)
{
	(void)stream;
	return 0;
}

static void
slow_stop(void *stream)
{
	struct slow *s = stream;

	--*s->live;
	free(s);
}

Test(store_resp_faults, a_stream_may_give_and_take_bytes_as_it_likes)
{
	uint32_t live = 0;
	const aibrix_stream stream = {.size = sizeof(stream),
				      .ctx = &live,
				      .start = slow_start,
				      .handshake = slow_handshake,
				      .read = slow_read,
				      .write = slow_write,
				      .pending = slow_pending,
				      .stop = slow_stop};
	const aibrix_resp_opts opts = {.size = sizeof(opts), .stream = &stream};
	struct fake *fake = fake_start(&(struct fake_opts){0});
	struct place m = place_new(50000);
	aibrix_store *store;
	char url[64];
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "key", &m.iov, 1);

	snprintf(url, sizeof(url), "rediss://127.0.0.1:%d", fake_port(fake));
	store = resp_open_with(url, &opts);
	for (int i = 0; i < 50000; i++)
		m.value[i] = (uint8_t)(i * 7 + i / 256);
	cr_assert_eq(resp_do(store, &io).status, AIBRIX_OK);
	memset(m.value, 0, 50000);
	io.op = AIBRIX_STORE_GET;
	cr_assert_eq(resp_do(store, &io).status, AIBRIX_OK);
	for (int i = 0; i < 50000; i++)
		cr_assert_eq(m.value[i], (uint8_t)(i * 7 + i / 256), "%d", i);
	cr_expect_eq(live, 1);
	aibrix_store_free(store);
	cr_expect_eq(live, 0);
	place_free(&m);
	fake_stop(fake);
}
