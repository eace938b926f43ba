#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "store/resp.h"

enum { MIB = 1 << 20 };

static struct resp
new_resp(void)
{
	struct resp r;

	aibrix__resp_init(&r, 2 * MIB);
	return r;
}

/* The one event of a reply that is one line. */
static struct resp_event
event_of(struct resp *r, const char *line)
{
	struct resp_event e;
	size_t used = 0;

	cr_assert_eq(aibrix__resp_feed(r, line, strlen(line), &used, &e),
		     AIBRIX_OK, "%s", line);
	cr_assert_eq(used, strlen(line), "%s", line);
	return e;
}

static void
expect_text(const char *got, uint32_t n, const char *want)
{
	cr_expect_eq(n, strlen(want), "%.*s", (int)n, got);
	cr_expect_arr_eq(got, want, strlen(want));
}

/* Refused at that byte, and for ever. */
static void
expect_refused_at(const void *bytes, size_t n, size_t at)
{
	struct resp r = new_resp();
	struct resp_event e;
	size_t used, sum = 0;
	int err;

	do {
		used = 0;
		err = aibrix__resp_feed(&r, (const char *)bytes + sum, n - sum,
					&used, &e);
		sum += used;
		if (!err && e.kind == RESP_BULK)
			cr_assert_eq(aibrix__resp_drop(&r), AIBRIX_OK);
	} while (!err && sum < n);

	cr_expect_eq(err, AIBRIX_E_PARSE, "%s", (const char *)bytes);
	cr_expect_eq(sum, at, "%s: at %zu", (const char *)bytes, sum);
	cr_expect_eq(aibrix__resp_feed(&r, "+OK\r\n", 5, &used, &e),
		     AIBRIX_E_PARSE);
	cr_expect_eq(used, 0u);
	cr_expect_eq(aibrix__resp_drop(&r), AIBRIX_E_STATE);
}

static void
expect_refused(const char *bytes, size_t at)
{
	expect_refused_at(bytes, strlen(bytes), at);
}

Test(resp, a_set_is_what_goes_before_and_after_the_payload)
{
	static const char want[] = "*3\r\n$3\r\nSET\r\n$16\r\n0123456789abcdef"
				   "\r\n$2097152\r\n\r\n";
	const struct resp_arg args[] = {
		{"SET", 3}, {"0123456789abcdef", 16}, {NULL, 2 * MIB}};
	uint8_t out[RESP_COMMAND_BYTES];
	size_t head, bytes;

	cr_assert_eq(aibrix__resp_encode(args, 3, 2, out, sizeof(out), &head,
					 &bytes),
		     AIBRIX_OK);

	cr_expect_eq(bytes, sizeof(want) - 1);
	cr_expect_eq(head, sizeof(want) - 1 - 2);
	cr_expect_arr_eq(out, want, sizeof(want) - 1);
}

Test(resp, a_command_without_payload_is_one_piece)
{
	static const char want[] = "*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
	const struct resp_arg args[] = {{"GET", 3}, {NULL, 0}};
	uint8_t out[RESP_COMMAND_BYTES];
	size_t head, bytes;

	cr_assert_eq(aibrix__resp_encode(args, 2, RESP_NO_PAYLOAD, out,
					 sizeof(out), &head, &bytes),
		     AIBRIX_OK);

	cr_expect_eq(bytes, sizeof(want) - 1);
	cr_expect_eq(head, bytes);
	cr_expect_arr_eq(out, want, sizeof(want) - 1);
}

Test(resp, the_longest_set_with_its_options_has_600_bytes)
{
	const char key[RESP_ARG_BYTES] = {0};
	const struct resp_arg args[] = {
		{"SET", 3}, {key, 512}, {NULL, 9223372036854775807u},
		{"NX", 2},  {"PX", 2},  {"18446744073709551615", 20}};
	uint8_t out[RESP_COMMAND_BYTES];
	size_t head = 1, bytes = 2;

	cr_expect_eq(aibrix__resp_encode(args, 6, 2, out, 599, &head, &bytes),
		     AIBRIX_E_SPACE);
	cr_expect_eq(head, 1u);
	cr_expect_eq(bytes, 2u);
	cr_expect_eq(aibrix__resp_encode(args, 6, 2, out, 600, &head, &bytes),
		     AIBRIX_OK);
	cr_expect_eq(bytes, 600u);
	cr_expect_arr_eq(out + head, "\r\n$2\r\nNX\r\n$2\r\nPX\r\n$20\r\n", 23);
}

Test(resp, a_command_that_cannot_be_is_refused)
{
	const char key[RESP_ARG_BYTES + 1] = {0};
	const struct resp_arg args[RESP_ARGS + 1] = {{key, 513}};
	uint8_t out[RESP_COMMAND_BYTES];
	size_t head, bytes;

	cr_expect_eq(aibrix__resp_encode(args, 1, RESP_NO_PAYLOAD, out,
					 sizeof(out), &head, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__resp_encode(args, 0, RESP_NO_PAYLOAD, out,
					 sizeof(out), &head, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__resp_encode(args, RESP_ARGS + 1, 0, out,
					 sizeof(out), &head, &bytes),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__resp_encode(args, 1, 1, out, sizeof(out), &head,
					 &bytes),
		     AIBRIX_E_INVAL);
}

Test(resp, lines_are_events)
{
	struct resp r = new_resp();
	struct resp_event e = event_of(&r, "+OK\r\n");

	cr_expect_eq(e.kind, RESP_SIMPLE);
	expect_text(e.text, e.text_bytes, "OK");
	cr_expect_eq(e.ends, 1u);
	e = event_of(&r, ":2097152\r\n");
	cr_expect_eq(e.kind, RESP_INTEGER);
	cr_expect_eq(e.number, 2097152);
	cr_expect_eq(event_of(&r, ":0\r\n").number, 0);
	cr_expect_eq(event_of(&r, ":-1\r\n").number, -1);
	cr_expect_eq(event_of(&r, "$-1\r\n").kind, RESP_NIL);
	cr_expect_eq(event_of(&r, "*-1\r\n").kind, RESP_NIL);
	cr_expect_eq(event_of(&r, "*0\r\n").kind, RESP_ARRAY);
	cr_expect_eq(event_of(&r, "+OK").kind, RESP_NONE);
}

Test(resp, integers_reach_from_end_to_end)
{
	struct resp r = new_resp();

	cr_expect_eq(event_of(&r, ":9223372036854775807\r\n").number,
		     INT64_MAX);
	cr_expect_eq(event_of(&r, ":-9223372036854775808\r\n").number,
		     INT64_MIN);
	expect_refused(":9223372036854775808\r\n", 21);
	expect_refused(":-9223372036854775809\r\n", 22);
	expect_refused(":18446744073709551616\r\n", 22);
}

struct named {
	const char *line;
	uint32_t error;
};

Test(resp, errors_are_known_by_their_first_word)
{
	static const struct named errors[] = {
		{"-BUSY Redis is busy running a script.\r\n", RESP_ERROR_BUSY},
		{"-CLUSTERDOWN Hash slot not served\r\n",
		 RESP_ERROR_CLUSTERDOWN},
		{"-CROSSSLOT Keys in request don't hash to the same slot\r\n",
		 RESP_ERROR_CROSSSLOT},
		{"-LOADING Redis is loading the dataset in memory\r\n",
		 RESP_ERROR_LOADING},
		{"-MASTERDOWN Link with MASTER is down\r\n",
		 RESP_ERROR_MASTERDOWN},
		{"-ERR max number of clients reached\r\n",
		 RESP_ERROR_MAX_CLIENTS},
		{"-MISCONF Redis is configured to save RDB snapshots\r\n",
		 RESP_ERROR_MISCONF},
		{"-NOAUTH Authentication required.\r\n", RESP_ERROR_NOAUTH},
		{"-NOPERM this user has no permissions\r\n", RESP_ERROR_NOPERM},
		{"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
		 RESP_ERROR_OOM},
		{"-READONLY You can't write against a read only replica.\r\n",
		 RESP_ERROR_READONLY},
		{"-TRYAGAIN Multiple keys request during rehashing\r\n",
		 RESP_ERROR_TRYAGAIN},
		{"-WRONGPASS invalid username-password pair\r\n",
		 RESP_ERROR_WRONGPASS},
		{"-ERR unknown command 'GETT'\r\n", RESP_ERROR_OTHER},
		{"-BUSYGROUP name exists\r\n", RESP_ERROR_OTHER},
		{"-OO M\r\n", RESP_ERROR_OTHER},
		{"-\r\n", RESP_ERROR_OTHER},
	};
	struct resp r = new_resp();

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct resp_event e = event_of(&r, errors[i].line);

		cr_expect_eq(e.kind, RESP_ERROR);
		cr_expect_eq(e.error, errors[i].error, "%s", errors[i].line);
		cr_expect_eq(e.text_bytes, strlen(errors[i].line) - 3);
	}
}

Test(resp, a_redirect_says_slot_host_and_port)
{
	struct resp r = new_resp();
	struct resp_event e = event_of(&r, "-MOVED 3999 127.0.0.1:6381\r\n");

	cr_expect_eq(e.error, RESP_ERROR_MOVED);
	cr_expect_eq(e.slot, 3999u);
	expect_text(e.host, e.host_bytes, "127.0.0.1");
	cr_expect_eq(e.port, 6381u);

	e = event_of(&r, "-ASK 16383 ::1:65535\r\n");
	cr_expect_eq(e.error, RESP_ERROR_ASK);
	cr_expect_eq(e.slot, 16383u);
	expect_text(e.host, e.host_bytes, "::1");
	cr_expect_eq(e.port, 65535u);

	e = event_of(&r, "-MOVED 0 :6379\r\n");
	cr_expect_eq(e.error, RESP_ERROR_MOVED);
	cr_expect_eq(e.host_bytes, 0u);
}

Test(resp, a_redirect_that_names_no_place_is_some_error)
{
	static const char *const lines[] = {
		"-MOVED\r\n",           "-MOVED \r\n",       "-MOVED 3999\r\n",
		"-MOVED 16384 h:1\r\n", "-MOVED -1 h:1\r\n", "-MOVED 1 h:0\r\n",
		"-MOVED 1 h:65536\r\n", "-MOVED 1 h\r\n",    "-MOVED 1 h:\r\n",
		"-ASK 1 a b:1\r\n",     "-ASK 1 h:1 x\r\n",  "-ASK 01 h:1\r\n",
	};
	struct resp r = new_resp();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct resp_event e = event_of(&r, lines[i]);

		cr_expect_eq(e.kind, RESP_ERROR);
		cr_expect_eq(e.error, RESP_ERROR_OTHER, "%s", lines[i]);
		cr_expect_null(e.host);
		cr_expect_eq(e.slot, 0u);
	}
}

Test(resp, what_came_with_the_header_is_copied_and_the_rest_received)
{
	static const char in[] = "$10\r\n0123";
	struct resp r = new_resp();
	char to[11] = "..........";
	const aibrix_iov iov[] = {{to, 3}, {to + 3, 7}};
	struct iovec want[2] = {{0}};
	struct resp_event e;
	size_t used;

	cr_assert_eq(aibrix__resp_feed(&r, in, 9, &used, &e), AIBRIX_OK);
	cr_expect_eq(e.kind, RESP_BULK);
	cr_expect_eq(e.number, 10);
	cr_expect_eq(used, 5u);
	cr_assert_eq(aibrix__resp_into(&r, iov, 2), AIBRIX_OK);
	cr_expect_eq(aibrix__resp_want(&r, want, 1), 1u);
	cr_expect_eq(aibrix__resp_want(&r, want, 2), 2u);
	cr_assert_eq(aibrix__resp_feed(&r, in + 5, 4, &used, &e), AIBRIX_OK);
	cr_expect_eq(used, 4u);
	cr_expect_eq(e.kind, RESP_NONE);

	cr_expect_eq(aibrix__resp_left(&r), 6u);
	cr_assert_eq(aibrix__resp_want(&r, want, 2), 1u);
	cr_expect_eq(want[0].iov_base, to + 4);
	cr_expect_eq(want[0].iov_len, 6u);
	memcpy(to + 4, "456789", 6);
	cr_expect_eq(aibrix__resp_received(&r, 7), AIBRIX_E_INVAL);
	cr_assert_eq(aibrix__resp_received(&r, 6), AIBRIX_OK);
	cr_expect_eq(aibrix__resp_left(&r), 0u);
	cr_expect_eq(aibrix__resp_want(&r, want, 2), 0u);
	e = event_of(&r, "\r\n");
	cr_expect_eq(e.kind, RESP_BULK_END);
	cr_expect_eq(e.number, 10);
	cr_expect_eq(e.ends, 1u);
	cr_expect_str_eq(to, "0123456789");
}

Test(resp, a_payload_needs_a_place_before_more_is_fed)
{
	struct resp r = new_resp();
	char to[4];
	const aibrix_iov small = {to, 4};
	struct resp_event e = event_of(&r, "$5\r\n");
	size_t used = 77;

	cr_expect_eq(aibrix__resp_feed(&r, "x", 1, &used, &e), AIBRIX_E_STATE);
	cr_expect_eq(used, 77u);
	cr_expect_eq(aibrix__resp_left(&r), 5u);
	cr_expect_eq(aibrix__resp_into(&r, &small, 1), AIBRIX_E_SPACE);
	cr_expect_eq(aibrix__resp_into(&r, NULL, 0), AIBRIX_E_SPACE);
	cr_expect_eq(aibrix__resp_received(&r, 0), AIBRIX_E_INVAL);
	cr_assert_eq(aibrix__resp_drop(&r), AIBRIX_OK);
	cr_expect_eq(event_of(&r, "hello\r\n").kind, RESP_BULK_END);
	cr_expect_eq(aibrix__resp_drop(&r), AIBRIX_E_STATE);
	cr_expect_eq(event_of(&r, "+OK\r\n").kind, RESP_SIMPLE);
}

Test(resp, a_payload_dropped_half_way_touches_its_place_no_more)
{
	struct resp r = new_resp();
	char to[6] = ".....";
	const aibrix_iov iov = {to, 5};

	cr_assert_eq(event_of(&r, "$5\r\n").kind, RESP_BULK);
	cr_assert_eq(aibrix__resp_into(&r, &iov, 1), AIBRIX_OK);
	cr_expect_eq(event_of(&r, "he").kind, RESP_NONE);
	cr_assert_eq(aibrix__resp_drop(&r), AIBRIX_OK);
	cr_expect_eq(event_of(&r, "llo\r\n").kind, RESP_BULK_END);
	cr_expect_str_eq(to, "he...");
}

Test(resp, an_empty_payload_needs_no_memory)
{
	struct resp r = new_resp();

	cr_assert_eq(event_of(&r, "$0\r\n").kind, RESP_BULK);
	cr_assert_eq(aibrix__resp_into(&r, NULL, 0), AIBRIX_OK);
	cr_expect_eq(event_of(&r, "\r\n").kind, RESP_BULK_END);
}

Test(resp, a_reply_ends_with_the_last_element_of_all_its_arrays)
{
	struct resp r = new_resp();
	struct resp_event e = event_of(&r, "*2\r\n");

	cr_expect_eq(e.number, 2);
	cr_expect_eq(e.ends, 0u);
	e = event_of(&r, ":1\r\n");
	cr_expect_eq(e.depth, 1u);
	cr_expect_eq(e.ends, 0u);
	cr_expect_eq(event_of(&r, "*1\r\n").depth, 1u);
	e = event_of(&r, "*0\r\n");
	cr_expect_eq(e.depth, 2u);
	cr_expect_eq(e.ends, 1u);
	cr_expect_eq(event_of(&r, ":1\r\n").depth, 0u);
}

Test(resp, arrays_nest_eight_deep_and_no_deeper)
{
	struct resp r = new_resp();

	for (int i = 0; i < RESP_DEPTH; i++)
		(void)event_of(&r, "*1\r\n");
	cr_expect_eq(event_of(&r, "*0\r\n").ends, 1u);
	expect_refused("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		       35);
}

Test(resp, a_reply_has_so_many_elements_in_all_its_arrays)
{
	struct resp r = new_resp();

	cr_expect_eq(event_of(&r, "*1048576\r\n").number, RESP_ELEMENTS);
	cr_expect_eq(event_of(&r, "*0\r\n").ends, 0u);
	expect_refused("*1048577\r\n", 9);
	expect_refused("*1048576\r\n*1\r\n", 13);
	expect_refused("*9223372036854775807\r\n", 21);
}

Test(resp, a_bulk_string_is_as_long_as_allowed)
{
	struct resp r = new_resp();

	cr_expect_eq(event_of(&r, "$2097152\r\n").number, 2 * MIB);
	expect_refused("$2097153\r\n", 9);
	expect_refused("$9223372036854775808\r\n", 21);
	expect_refused("$18446744073709551615\r\n", 22);
}

Test(resp, a_line_has_1024_bytes_at_most)
{
	char line[RESP_LINE + 4];
	struct resp r = new_resp();
	struct resp_event e;
	size_t used;

	memset(line, 'x', sizeof(line));
	line[0] = '+';
	memcpy(line + 1025, "\r\n", 2);
	cr_assert_eq(aibrix__resp_feed(&r, line, 1027, &used, &e), AIBRIX_OK);
	cr_expect_eq(e.text_bytes, 1024u);
	line[1025] = 'x';
	expect_refused_at(line, 1026, 1025);
}

Test(resp, what_no_redis_sends_is_refused)
{
	expect_refused("OK\r\n", 0);
	expect_refused("\r\n", 0);
	expect_refused("%1\r\n", 0);
	expect_refused_at("\0", 1, 0);
	expect_refused("+OK\n", 3);
	expect_refused("+OK\r+", 4);
	expect_refused("+OK\r\r\n", 4);
	expect_refused(":\r\n", 2);
	expect_refused(":-\r\n", 3);
	expect_refused(":+1\r\n", 4);
	expect_refused(":01\r\n", 4);
	expect_refused(":-0\r\n", 4);
	expect_refused(": 1\r\n", 4);
	expect_refused(":1 \r\n", 4);
	expect_refused("$\r\n", 2);
	expect_refused("$-2\r\n", 4);
	expect_refused("*-2\r\n", 4);
	expect_refused("$3\r\nabcd\r\n", 7);
	expect_refused("$3\r\nabc\n", 7);
	expect_refused("$3\r\nabc\rx", 8);
	expect_refused("$3\r\nabc\r\n\r\n", 9);
}

/* All that a session sends, at every split in two; the payloads too. */
Test(resp, every_split_of_a_stream_gives_the_same_events)
{
	static const char in[] =
		"+OK\r\n:0\r\n$-1\r\n$6\r\n\r\n+OK\r\r\n-MOVED 1 h:1\r\n"
		"*2\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$3\r\n::1\r\n:6379\r\n"
		"$0\r\n\r\n:7\r\n";
	static const uint32_t want[] = {1, 3, 4, 5, 6, 2, 7, 7, 3,
					3, 7, 5, 6, 3, 5, 6, 3};
	const size_t n = sizeof(in) - 1;

	for (size_t split = 0; split <= n; split++) {
		struct resp r = new_resp();
		char to[10] = "";
		const aibrix_iov iov = {to, sizeof(to) - 1};
		struct resp_event e;
		size_t at = 0, events = 0, used;

		while (at < n) {
			const size_t end = at < split ? split : n;

			cr_assert_eq(aibrix__resp_feed(&r, in + at, end - at,
						       &used, &e),
				     AIBRIX_OK);
			at += used;
			if (e.kind == RESP_NONE)
				continue;
			cr_assert_lt(events, sizeof(want) / sizeof(want[0]));
			cr_expect_eq(e.kind, want[events], "split %zu", split);
			if (events == 4)
				cr_expect_str_eq(to, "\r\n+OK\r");
			events++;
			if (e.kind == RESP_BULK)
				cr_assert_eq(aibrix__resp_into(&r, &iov, 1),
					     AIBRIX_OK);
		}
		cr_expect_eq(events, sizeof(want) / sizeof(want[0]));
		cr_expect_eq(e.ends, 1u);
	}
}
