/* The server that does wrong on request, tested itself. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "fake_server.h"
#include "temp_path.h"

#ifdef HAVE_HIREDIS
#include <hiredis/hiredis.h>
#endif

enum { REPLY_BYTES = 4096 };

static struct fake *
new_fake(const struct fake_rule *rules)
{
	const struct fake_opts opts = {.rules = rules};
	struct fake *fake = fake_start(&opts);

	fake_put(fake, "k", 1, "hello", 5);
	return fake;
}

static int
new_client(const struct fake *fake)
{
	int fd = talk_tcp("127.0.0.1", fake_port(fake));

	cr_assert_geq(fd, 0);
	return fd;
}

/* A script that was followed, and a client that is gone. */
static void
stop_well(struct fake *fake, int fd)
{
	char complaint[160];

	close(fd);
	cr_assert(fake_wait_open(fake, 0));
	fake_complaint(fake, complaint);
	cr_assert_str_eq(complaint, "");
	fake_stop(fake);
}

/* Exactly these bytes come. */
#define COMES(fd, wanted)                                                      \
	do {                                                                   \
		char reply_[REPLY_BYTES] = "";                                 \
		cr_assert_eq(talk_read(fd, reply_, strlen(wanted)), 0, "%s",   \
			     reply_);                                          \
		cr_assert_str_eq(reply_, wanted);                              \
	} while (0)

#define SAYS(fd, line, wanted)                                                 \
	do {                                                                   \
		cr_assert_eq(talk_line(fd, line), 0);                          \
		COMES(fd, wanted);                                             \
	} while (0)

static int
nothing_came(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

Test(fake_server, left_alone_it_is_a_small_redis)
{
	static const char *const set[] = {"set", "a key", "a\r\nvalue"};
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake);

	SAYS(fd, "PING", "+PONG\r\n");
	cr_assert_eq(talk_command(fd, set, 3), 0);
	COMES(fd, "+OK\r\n");
	SAYS(fd, "GET k", "$5\r\nhello\r\n");
	SAYS(fd, "GET nothing", "$-1\r\n");
	SAYS(fd, "SET k new NX PX 1000", "$-1\r\n");
	SAYS(fd, "SET n 41 PX 1000 NX", "+OK\r\n");
	SAYS(fd, "INCR n", ":42\r\n");
	SAYS(fd, "STRLEN k", ":5\r\n");
	SAYS(fd, "EXISTS k n x", ":2\r\n");
	SAYS(fd, "UNLINK k x", ":1\r\n");
	SAYS(fd, "GET k", "$-1\r\n");
	SAYS(fd, "SELECT 1", "+OK\r\n");
	SAYS(fd, "CLIENT SETNAME me", "+OK\r\n");
	SAYS(fd, "CLUSTER SLOTS",
	     "-ERR This instance has cluster support disabled\r\n");
	SAYS(fd, "NONSENSE", "-ERR unknown command 'NONSENSE'\r\n");
	stop_well(fake, fd);
}

Test(fake_server, pipelined_requests_are_answered_in_order_however_cut)
{
	static const char all[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
				  "*1\r\n$4\r\nPING\r\n"
				  "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake);

	for (size_t i = 0; i < sizeof(all) - 1; i++)
		cr_assert_eq(talk_send(fd, all + i, 1), 0);
	COMES(fd, "$5\r\nhello\r\n+PONG\r\n:1\r\n");
	cr_assert_eq(talk_send(fd, all, sizeof(all) - 1), 0);
	COMES(fd, "$5\r\nhello\r\n+PONG\r\n:2\r\n");
	stop_well(fake, fd);
}

Test(fake_server, commands_are_counted_and_remembered)
{
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake);
	char text[96], value[8];
	size_t bytes;

	SAYS(fd, "SET key value", "+OK\r\n");
	SAYS(fd, "get key", "$5\r\nvalue\r\n");
	cr_assert(fake_wait_count(fake, "*", 2));
	cr_assert_eq(fake_count(fake, "GET"), 1);
	cr_assert_eq(fake_count(fake, "GET key"), 1);
	cr_assert_eq(fake_count(fake, "GET ke"), 0);
	cr_assert_eq(fake_accepted(fake), 1);
	fake_command(fake, 0, text);
	cr_assert_str_eq(text, "SET key value");
	cr_assert(fake_get(fake, "key", 3, value, sizeof(value), &bytes));
	cr_assert_eq(bytes, 5);
	cr_assert_arr_eq(value, "value", 5);
	cr_assert_not(fake_get(fake, "other", 5, value, sizeof(value), &bytes));
	stop_well(fake, fd);
}

Test(fake_server, the_password_is_asked_for)
{
	const struct fake_opts opts = {.password = "sesame"};
	struct fake *fake = fake_start(&opts);
	int fd = new_client(fake);

	SAYS(fd, "GET k", "-NOAUTH Authentication required.\r\n");
	SAYS(fd, "AUTH wrong",
	     "-WRONGPASS invalid username-password pair or user is "
	     "disabled.\r\n");
	SAYS(fd, "HELLO 3", "-NOPROTO unsupported protocol version\r\n");
	SAYS(fd, "HELLO 2 AUTH default sesame",
	     "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n");
	SAYS(fd, "GET k", "$-1\r\n");
	stop_well(fake, fd);
}

Test(fake_server, a_rule_counts_the_commands_it_is_for)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 2, .text = ":2\r\n"},
		{.on = "GET", .nth = 4, .until = 5, .text = ":4\r\n"},
		{.on = "GET", .nth = 7, .until = FAKE_FOREVER, .text = "+\r\n"},
		{.on = "PING", .text = "-LOADING\r\n"},
		{.on = "GET x", .text = ":0\r\n"},
		{0}};
	struct fake *fake = new_fake(rules);
	int fd = new_client(fake);

	SAYS(fd, "GET k", "$5\r\nhello\r\n");
	SAYS(fd, "GET k", ":2\r\n");
	SAYS(fd, "GET x", ":0\r\n");
	SAYS(fd, "GET k", ":4\r\n");
	SAYS(fd, "GET k", ":4\r\n");
	SAYS(fd, "GET k", "$5\r\nhello\r\n");
	SAYS(fd, "GET k", "+\r\n");
	SAYS(fd, "GET k", "+\r\n");
	SAYS(fd, "PING", "-LOADING\r\n");
	fake_set_rules(fake, NULL);
	SAYS(fd, "PING", "+PONG\r\n");
	stop_well(fake, fd);
}

/* What the third of three pipelined replies becomes. */
struct fault {
	const char *name;
	struct fake_rule rule;
	const char *wanted;
	int closes; /* 1: behind that the connection is over */
};

static const struct fault faults[] = {
	{"cut", {.act = FAKE_CUT, .n = 7}, "+PONG\r\n$5\r\nhel", 1},
	{"cut at the end",
	 {.act = FAKE_CUT, .n = -2},
	 "+PONG\r\n$5\r\nhello",
	 1},
	{"end",
	 {.act = FAKE_CUT, .n = FAKE_ALL},
	 "+PONG\r\n$5\r\nhello\r\n",
	 1},
	{"reset", {.act = FAKE_RESET}, "+PONG\r\n", 1},
	{"late reset", {.act = FAKE_RESET, .n = 3}, "+PONG\r\n$5\r", 1},
	{"swallow", {.act = FAKE_SWALLOW}, "+PONG\r\n:2\r\n", 0},
	{"twice",
	 {.act = FAKE_TWICE},
	 "+PONG\r\n$5\r\nhello\r\n$5\r\nhello\r\n:2\r\n",
	 0},
	{"stale", {.act = FAKE_STALE}, "+PONG\r\n+PONG\r\n:2\r\n", 0},
	{"reorder",
	 {.act = FAKE_LATER, .n = 1},
	 "+PONG\r\n:2\r\n$5\r\nhello\r\n",
	 0},
	{"one more",
	 {.act = FAKE_LENGTH, .n = 1},
	 "+PONG\r\n$6\r\nhello\r\n:2\r\n",
	 0},
	{"one less",
	 {.act = FAKE_LENGTH, .n = -1},
	 "+PONG\r\n$4\r\nhello\r\n:2\r\n",
	 0},
	{"huge",
	 {.act = FAKE_LENGTH, .text = "99999999999999999999"},
	 "+PONG\r\n$99999999999999999999\r\nhello\r\n:2\r\n",
	 0},
	{"negative",
	 {.act = FAKE_LENGTH, .text = "-7"},
	 "+PONG\r\n$-7\r\nhello\r\n:2\r\n",
	 0},
	{"flip",
	 {.act = FAKE_FLIP, .n = 0},
	 "+PONG\r\n%5\r\nhello\r\n:2\r\n",
	 0},
	{"flip value",
	 {.act = FAKE_FLIP_VALUE, .n = 8},
	 "+PONG\r\n$5\r\nhdllo\r\n:2\r\n",
	 0},
	{"say", {.text = "-OOM\r\n"}, "+PONG\r\n-OOM\r\n:2\r\n", 0},
	{"split",
	 {.act = FAKE_SPLIT, .n = 3},
	 "+PONG\r\n$5\r\nhello\r\n:2\r\n",
	 0},
	{"drip", {.act = FAKE_DRIP}, "+PONG\r\n$5\r\nhello\r\n:2\r\n", 0},
	{"delay",
	 {.act = FAKE_DELAY, .n = 1},
	 "+PONG\r\n$5\r\nhello\r\n:2\r\n",
	 0},
};

Test(fake_server, each_fault_is_what_it_is_called)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct fake_rule rules[2] = {faults[i].rule, {0}};
		char got[REPLY_BYTES] = "";
		struct fake *fake;
		int fd;

		rules[0].on = "GET";
		fake = new_fake(rules);
		fake_put(fake, "n", 1, "1", 1);
		fd = new_client(fake);
		cr_assert_eq(talk_line(fd, "PING"), 0);
		/* Read first: a reset takes away what was not. */
		cr_assert_eq(talk_read(fd, got, 7), 0);
		cr_assert_eq(talk_line(fd, "GET k\r\nINCR n"), 0);
		cr_assert_eq(
			talk_read(fd, got + 7, strlen(faults[i].wanted) - 7), 0,
			"%s: %s", faults[i].name, got);
		cr_assert_str_eq(got, faults[i].wanted, "%s: %s",
				 faults[i].name, got);
		if (faults[i].closes)
			cr_assert(talk_closed(fd), "%s", faults[i].name);
		stop_well(fake, fd);
	}
}

Test(fake_server, a_held_reply_goes_on_when_released)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 1, .act = FAKE_HOLD, .n = 4}, {0}};
	struct fake *fake = new_fake(rules);
	int fd = new_client(fake), other = new_client(fake);

	SAYS(fd, "GET k", "$5\r\n");
	cr_assert(fake_wait_held(fake, 1));
	SAYS(other, "GET k", "$5\r\nhello\r\n");
	cr_assert(nothing_came(fd));
	fake_release(fake);
	COMES(fd, "hello\r\n");
	close(other);
	stop_well(fake, fd);
}

Test(fake_server, a_delayed_reply_waits_for_commands_of_others)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .act = FAKE_DELAY, .n = 2}, {0}};
	struct fake *fake = new_fake(rules);
	int fd = new_client(fake), other = new_client(fake);

	cr_assert_eq(talk_line(fd, "GET k"), 0);
	cr_assert(fake_wait_count(fake, "GET", 1));
	SAYS(other, "PING", "+PONG\r\n");
	cr_assert(nothing_came(fd));
	SAYS(other, "PING", "+PONG\r\n");
	COMES(fd, "$5\r\nhello\r\n");
	close(other);
	stop_well(fake, fd);
}

Test(fake_server, a_stalled_connection_is_silent_and_its_end_is_seen)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 1, .act = FAKE_STALL, .n = 2},
		{.on = "(accept)", .nth = 2, .act = FAKE_STALL},
		{0}};
	struct fake *fake = new_fake(rules);
	int fd = new_client(fake), second = new_client(fake);
	int third = new_client(fake);

	SAYS(fd, "GET k", "$5");
	cr_assert_eq(talk_line(fd, "PING"), 0);
	cr_assert_eq(talk_line(second, "PING"), 0);
	SAYS(third, "PING", "+PONG\r\n");
	cr_assert(nothing_came(fd));
	cr_assert(nothing_came(second));
	cr_assert_eq(fake_open(fake), 3);
	close(third);
	close(second);
	stop_well(fake, fd);
}

Test(fake_server, a_request_can_be_cut_at_any_byte)
{
	static const struct fake_rule rules[] = {
		{.on = "(bytes)", .nth = 9, .conn = 2, .act = FAKE_RESET}, {0}};
	struct fake *fake = new_fake(rules);
	int fd = new_client(fake), second = new_client(fake);

	SAYS(fd, "SET key value", "+OK\r\n");
	cr_assert_eq(talk_line(second, "SET key other"), 0);
	cr_assert(talk_closed(second));
	SAYS(fd, "GET key", "$5\r\nvalue\r\n");
	cr_assert_eq(fake_count(fake, "SET"), 1);
	close(second);
	stop_well(fake, fd);
}

Test(fake_server, refusing_ends_and_begins_at_the_same_port)
{
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake), other;

	fake_refuse(fake, 1);
	cr_assert_lt(talk_tcp("127.0.0.1", fake_port(fake)), 0);
	SAYS(fd, "PING", "+PONG\r\n");
	fake_refuse(fake, 0);
	other = new_client(fake);
	SAYS(other, "PING", "+PONG\r\n");
	close(other);
	stop_well(fake, fd);
}

Test(fake_server, a_full_port_neither_accepts_nor_refuses)
{
	const struct fake_opts opts = {.full = 1};
	struct fake *fake = fake_start(&opts);
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd polled = {.fd = fd, .events = POLLOUT};

	address.sin_port = htons((uint16_t)fake_port(fake));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_lt(
		connect(fd, (const struct sockaddr *)&address, sizeof(address)),
		0);
	cr_assert_eq(errno, EINPROGRESS);
	/* Where loopback answers, it has done so before connect returns. */
	cr_assert_eq(poll(&polled, 1, 0), 0);
	cr_assert_eq(fake_accepted(fake), 0);
	close(fd);
	fake_stop(fake);
}

Test(fake_server, idle_connections_hear_what_nobody_asked_for_and_end)
{
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake), second = new_client(fake);

	SAYS(fd, "PING", "+PONG\r\n");
	SAYS(second, "PING", "+PONG\r\n");
	fake_push(fake, 1, ":7\r\n", 4);
	COMES(fd, ":7\r\n");
	cr_assert(nothing_came(second));
	fake_hang_up(fake, 2, 1);
	cr_assert(talk_closed(second));
	fake_hang_up(fake, 0, 0);
	cr_assert(talk_closed(fd));
	close(second);
	stop_well(fake, fd);
}

Test(fake_server, two_servers_can_send_a_client_in_circles)
{
	struct fake *a = new_fake(NULL), *b = new_fake(NULL);
	char to_a[64], to_b[64], slots_text[256];
	struct fake_rule at_a[] = {{.on = "GET", .text = to_b}, {0}};
	struct fake_rule at_b[] = {{.on = "GET", .text = to_a}, {0}};
	const struct fake_slots slots[] = {{0, 99, fake_port(a)},
					   {100, 16383, fake_port(b)}};
	int fd_a = new_client(a), fd_b = new_client(b);

	snprintf(to_a, sizeof(to_a), "-MOVED 7629 127.0.0.1:%d\r\n",
		 fake_port(a));
	snprintf(to_b, sizeof(to_b), "-MOVED 7629 127.0.0.1:%d\r\n",
		 fake_port(b));
	snprintf(slots_text, sizeof(slots_text),
		 "*2\r\n*3\r\n:0\r\n:99\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
		 "$40\r\n0000000000000000000000000000000000000000\r\n"
		 "*3\r\n:100\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
		 fake_port(a), fake_port(b));
	fake_set_rules(a, at_a);
	fake_set_rules(b, at_b);
	fake_set_slots(a, slots, 2);

	SAYS(fd_a, "GET k", to_b);
	SAYS(fd_b, "GET k", to_a);
	SAYS(fd_a, "CLUSTER SLOTS", slots_text);
	COMES(fd_a, "$40\r\n0000000000000000000000000000000000000001\r\n");
	stop_well(a, fd_a);
	stop_well(b, fd_b);
}

Test(fake_server, a_script_is_followed_or_complained_about)
{
	static const struct fake_rule script[] = {
		{.on = "(accept)", .text = "+hello\r\n"},
		{.on = "HELLO 2", .text = "-ERR unknown command\r\n"},
		{.on = "GET a", .act = FAKE_SPLIT, .n = 1},
		{.on = "PING"},
		{0}};
	const struct fake_opts opts = {.rules = script, .script = 1};
	struct fake *fake = fake_start(&opts);
	int fd = new_client(fake), wrong = new_client(fake);
	char complaint[160];

	COMES(fd, "+hello\r\n");
	SAYS(fd, "HELLO 2", "-ERR unknown command\r\n");
	SAYS(fd, "GET a", "$-1\r\n");
	SAYS(fd, "PING", "+PONG\r\n");
	fake_complaint(fake, complaint);
	cr_assert_str_eq(complaint, "");

	COMES(wrong, "+hello\r\n");
	cr_assert_eq(talk_line(wrong, "PING"), 0);
	cr_assert(talk_closed(wrong));
	fake_complaint(fake, complaint);
	cr_assert_str_eq(complaint, "connection 2: step 2: 'HELLO 2' expected, "
				    "'PING' came");
	close(wrong);
	close(fd);
	fake_stop(fake);
}

Test(fake_server, what_is_no_protocol_is_complained_about)
{
	static const char *const wrong[] = {"*0\r\n",
					    "*-1\r\n",
					    "*1\r\n:3\r\n",
					    "*1\r\n$x\r\n",
					    "*1\r\n$1\r\nabc",
					    "$1\r\na\r\n",
					    "*99999999999999999999\r\n",
					    "PING\n",
					    "\001\002\r\n"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fake *fake = new_fake(NULL);
		int fd = new_client(fake);
		char complaint[160];

		cr_assert_eq(talk_send(fd, wrong[i], strlen(wrong[i])), 0);
		cr_assert(talk_closed(fd), "%s", wrong[i]);
		fake_complaint(fake, complaint);
		cr_assert_str_neq(complaint, "", "%s", wrong[i]);
		close(fd);
		fake_stop(fake);
	}
}

Test(fake_server, without_a_thread_each_turn_sends_one_piece)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .act = FAKE_DRIP}, {0}};
	const struct fake_opts opts = {.rules = rules, .manual = 1};
	struct fake *fake = fake_start(&opts);
	static const char reply[] = "$5\r\nhello\r\n";
	char got[REPLY_BYTES];
	int fd;

	fake_put(fake, "k", 1, "hello", 5);
	fd = new_client(fake);
	cr_assert_eq(talk_line(fd, "GET k"), 0);
	cr_assert(nothing_came(fd));
	for (size_t i = 0; i < sizeof(reply) - 1; i++) {
		fake_turn(fake);
		cr_assert_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), 1);
		cr_assert_eq(got[0], reply[i]);
	}
	stop_well(fake, fd);
}

/* The largest portion in which the n bytes of a reply are received. */
static ssize_t
largest_portion(int fd, ssize_t n)
{
	char got[REPLY_BYTES];
	ssize_t most = 0;

	while (n > 0) {
		ssize_t one = recv(fd, got, sizeof(got), 0);

		cr_assert_gt(one, 0);
		n -= one;
		most = one > most ? one : most;
	}
	return most;
}

Test(fake_server, with_a_thread_pieces_come_one_by_one_to_those_who_read)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .act = FAKE_DRIP}, {0}};
	struct temp_path folder = temp_folder_new();
	char path[100];
	struct fake_opts opts = {.rules = rules, .path = path};
	struct fake *fake = new_fake(rules), *local;
	int fd = new_client(fake), local_fd;

	snprintf(path, sizeof(path), "%.80s/socket", folder.text);
	local = fake_start(&opts);
	fake_put(local, "k", 1, "hello", 5);
	local_fd = talk_unix(path);
	cr_assert_eq(talk_line(local_fd, "GET k"), 0);
	cr_assert_eq(largest_portion(local_fd, 11), 1);
	cr_assert_eq(talk_line(fd, "GET k"), 0);
	/* Where nobody can look into the client's queue, it may be more. */
	if (access("/proc/net/tcp", R_OK) == 0)
		cr_assert_eq(largest_portion(fd, 11), 1);
	stop_well(local, local_fd);
	stop_well(fake, fd);
	cr_assert_eq(rmdir(folder.text), 0);
}

Test(fake_server, large_values_pass_both_ways)
{
	enum { BYTES = 3 << 20 };
	struct fake *fake = new_fake(NULL);
	int fd = new_client(fake);
	char *value = malloc(BYTES), *back = malloc(BYTES + 64);
	char set[] = "SET", key[] = "large";
	const struct iovec args[3] = {{set, 3}, {key, 5}, {value, BYTES}};

	for (size_t i = 0; i < BYTES; i++)
		value[i] = (char)(i * 7 + i / 251);
	cr_assert_eq(talk_args(fd, args, 3), 0);
	COMES(fd, "+OK\r\n");
	cr_assert_eq(talk_line(fd, "GET large"), 0);
	cr_assert_eq(talk_reply(fd, back, BYTES + 64), BYTES + 12);
	cr_assert_eq(strncmp(back, "$3145728\r\n", 10), 0);
	cr_assert_eq(memcmp(back + 10, value, BYTES), 0);
	free(value);
	free(back);
	stop_well(fake, fd);
}

#ifdef HAVE_HIREDIS
Test(fake_server, hiredis_takes_it_for_a_redis)
{
	static const struct fake_rule rules[] = {
		{.on = "GET", .nth = 2, .act = FAKE_DRIP},
		{.on = "GET", .nth = 3, .act = FAKE_CUT, .n = 7},
		{0}};
	struct fake *fake = new_fake(rules);
	redisContext *c = redisConnect("127.0.0.1", fake_port(fake));
	redisReply *reply;

	cr_assert(c && !c->err);
	for (int i = 0; i < 2; i++) {
		reply = redisCommand(c, "GET %b", "k", (size_t)1);
		cr_assert_eq(reply->type, REDIS_REPLY_STRING);
		cr_assert_str_eq(reply->str, "hello");
		freeReplyObject(reply);
	}
	cr_assert_null(redisCommand(c, "GET k"));
	cr_assert_eq(c->err, REDIS_ERR_EOF);
	redisFree(c);
	cr_assert(fake_wait_open(fake, 0));
	fake_stop(fake);
}
#endif
