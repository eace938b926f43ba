#include <stdio.h>

#include <criterion/criterion.h>

#include "topology_tools.h"

#define MS ((uint64_t)1000 * 1000)

static const struct topology_addr seed = {"seed", 7000};

/* Three masters, one of them with a replica. */
static const char three[] =
	"*3\r\n"
	"*3\r\n:0\r\n:5460\r\n"
	"*4\r\n$8\r\n10.0.0.1\r\n:6379\r\n$2\r\nid\r\n*0\r\n"
	"*4\r\n:5461\r\n:10922\r\n"
	"*4\r\n$8\r\n10.0.0.2\r\n:6379\r\n$2\r\nid\r\n*0\r\n"
	"*4\r\n$8\r\n10.0.0.4\r\n:6380\r\n$2\r\nid\r\n*0\r\n"
	"*3\r\n:10923\r\n:16383\r\n"
	"*4\r\n$8\r\n10.0.0.3\r\n:6379\r\n$2\r\nid\r\n*0\r\n";

static struct topology *
topology_make(uint32_t max_nodes)
{
	const struct topology_opts opts = {.max_nodes = max_nodes};
	struct topology *t = NULL;

	cr_assert_eq(aibrix__topology_new(NULL, &opts, &seed, 1, 7, &t),
		     AIBRIX_OK);
	return t;
}

/* Asks now, whatever was wanted, and gives the text as the reply. */
static int
map_give(struct topology *t, const char *text, uint64_t now_ns)
{
	struct topology_ask ask;

	t->wanted = 1;
	t->due_ns = now_ns;
	cr_assert_eq(aibrix__topology_ask(t, now_ns, &ask), AIBRIX_OK);
	return reply_feed(t, ask.number, text, strlen(text), SIZE_MAX, now_ns);
}

static const char *
name_at(struct topology *t, uint32_t slot)
{
	uint32_t id = RING_NONE;
	int err = aibrix__topology_pick(t, slot, &id);

	if (err)
		return aibrix_error_name(err);
	return aibrix__ring_get(t->ring, id)->name;
}

Test(topology, options_out_of_range_are_refused)
{
	const struct topology_addr none = {"", 1}, port = {"a", 65536};
	const struct topology_addr blank = {"a b", 1}, zero = {"a", 0};
	const struct topology_addr two[] = {{"a", 1}, {"b", 1}};
	const struct topology_opts plain = {0}, one = {.max_nodes = 1};
	const struct topology_opts bad[] = {
		{.refresh_min_ns = 2, .refresh_max_ns = 1},
		{.jitter_pct = 101},
		{.max_nodes = RING_NODES_MAX + 1},
	};
	struct topology *t = NULL;

	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(
			aibrix__topology_new(NULL, &bad[i], &seed, 1, 1, &t),
			AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &plain, &seed, 0, 1, &t),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &plain, &none, 1, 1, &t),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &plain, &port, 1, 1, &t),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &plain, &zero, 1, 1, &t),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &plain, &blank, 1, 1, &t),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__topology_new(NULL, &one, two, 2, 1, &t),
		     AIBRIX_E_FULL);
	cr_expect_null(t);
	aibrix__topology_free(NULL);
}

Test(topology, seeds_are_nodes_without_slots_and_are_asked_at_once)
{
	struct topology *t = topology_make(0);
	struct topology_ask ask;
	uint32_t id;

	cr_expect_eq(t->ring->n, 1u);
	cr_expect_eq(aibrix__topology_pick(t, 0, &id), AIBRIX_E_AGAIN);
	cr_expect_leq(aibrix__topology_wake(t), 100 * MS);
	cr_assert_eq(aibrix__topology_ask(t, 100 * MS, &ask), AIBRIX_OK);
	cr_expect_str_eq(aibrix__ring_get(t->ring, ask.id)->name, "seed:7000");
	/* One at a time. */
	cr_expect_eq(aibrix__topology_wake(t), AIBRIX_FOREVER);
	cr_expect_eq(aibrix__topology_ask(t, 100 * MS, &ask), AIBRIX_E_AGAIN);
	aibrix__topology_free(t);
}

Test(topology, a_map_may_come_in_pieces_of_any_size)
{
	for (size_t step = 1; step < sizeof(three); step++) {
		struct topology *t = topology_make(0);
		struct topology_ask ask;

		cr_assert_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
		cr_assert_eq(reply_feed(t, ask.number, three, strlen(three),
					step, MS),
			     AIBRIX_OK);
		cr_expect_eq(t->version, 1u);
		cr_expect_eq(t->ring->n, 5u);
		cr_expect_str_eq(name_at(t, 0), "10.0.0.1:6379");
		cr_expect_str_eq(name_at(t, 5460), "10.0.0.1:6379");
		cr_expect_str_eq(name_at(t, 5461), "10.0.0.2:6379");
		cr_expect_str_eq(name_at(t, 16383), "10.0.0.3:6379");
		cr_expect_neq(aibrix__ring_find(t->ring, "10.0.0.4:6380"),
			      RING_NONE);
		aibrix__topology_free(t);
	}
}

Test(topology, each_text_that_is_no_map_is_refused_whole)
{
	static const char *const bad[] = {
		"+OK\r\n",
		":1\r\n",
		"$2\r\nab\r\n",
		"$-1\r\n",
		"*1\r\n:1\r\n",
		"*1\r\n*2\r\n:0\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
		"*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:4294967296\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:-1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:1\r\n",
		"*1\r\n*4\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n:7\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n-ERR\r\n:1\r\n",
		/* Slot 5 twice. */
		("*2\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n"
		 "*3\r\n:5\r\n:9\r\n*2\r\n$1\r\nb\r\n:1\r\n"),
	};
	struct topology *t = topology_make(0);

	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_expect_eq(map_give(t, bad[i], MS), AIBRIX_E_PARSE,
			     "text %zu", i);
		cr_expect_eq(t->ring->n, 5u);
		cr_expect_str_eq(name_at(t, 5), "10.0.0.1:6379");
	}
	cr_expect_eq(t->version, 1u);
	cr_expect_eq(t->stat.refused, sizeof(bad) / sizeof(*bad));
	aibrix__topology_free(t);
}

Test(topology, a_host_is_checked_to_its_last_byte)
{
	const char range[] = "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n";
	struct topology *t = topology_make(0);
	struct topology_ask ask;
	char text[1024], host[400];

	memset(host, 'h', sizeof(host));
	for (uint32_t n = 246; n <= 256; n++) {
		t->wanted = 1;
		t->due_ns = 0;
		snprintf(text, sizeof(text), "%s$%u\r\n%.*s\r\n:1\r\n", range,
			 (unsigned)n, (int)n, host);
		cr_assert_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
		cr_expect_eq(
			reply_feed(t, ask.number, text, strlen(text), 100, MS),
			n == 246 ? AIBRIX_OK : AIBRIX_E_PARSE, "%u",
			(unsigned)n);
	}
	/* A zero, and what it would hide. */
	t->wanted = 1;
	t->due_ns = 0;
	memcpy(text, range, sizeof(range) - 1);
	memcpy(text + sizeof(range) - 1, "$3\r\na\0b\r\n:1\r\n", 13);
	cr_assert_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
	cr_expect_eq(
		reply_feed(t, ask.number, text, sizeof(range) + 12, 100, MS),
		AIBRIX_E_PARSE);
	aibrix__topology_free(t);
}

Test(topology, an_error_or_a_map_without_slots_leaves_the_old_one)
{
	struct topology *t = topology_make(0);

	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	cr_expect_eq(map_give(t, "-ERR no cluster\r\n", MS),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(map_give(t, "*0\r\n", MS), AIBRIX_E_UNAVAILABLE);
	cr_expect_str_eq(name_at(t, 0), "10.0.0.1:6379");
	aibrix__topology_free(t);
}

Test(topology, a_host_that_is_empty_or_nil_is_the_one_that_was_asked)
{
	struct topology *t = topology_make(0);

	cr_assert_eq(map_give(t,
			      "*2\r\n*3\r\n:0\r\n:1\r\n*2\r\n$0\r\n\r\n:1\r\n"
			      "*3\r\n:2\r\n:3\r\n*2\r\n$-1\r\n:2\r\n",
			      MS),
		     AIBRIX_OK);
	cr_expect_str_eq(name_at(t, 0), "seed:1");
	cr_expect_str_eq(name_at(t, 2), "seed:2");
	cr_expect_str_eq(name_at(t, 4), "AIBRIX_E_UNAVAILABLE");
	aibrix__topology_free(t);
}

Test(topology, an_unknown_host_is_looked_for_in_the_metadata)
{
	struct topology *t = topology_make(0);

	cr_assert_eq(map_give(t,
			      "*3\r\n*3\r\n:0\r\n:1\r\n*4\r\n$1\r\n?\r\n:1\r\n"
			      "$2\r\nid\r\n*4\r\n$8\r\nhostname\r\n$1\r\nx\r\n"
			      "$2\r\nip\r\n$7\r\n10.0.99\r\n"
			      "*3\r\n:2\r\n:3\r\n*2\r\n$1\r\n?\r\n:1\r\n"
			      "*3\r\n:4\r\n:5\r\n*2\r\n$1\r\na\r\n:0\r\n",
			      MS),
		     AIBRIX_OK);
	cr_expect_str_eq(name_at(t, 0), "10.0.99:1");
	cr_expect_str_eq(name_at(t, 2), "AIBRIX_E_UNAVAILABLE");
	cr_expect_str_eq(name_at(t, 4), "AIBRIX_E_UNAVAILABLE");
	aibrix__topology_free(t);
}

Test(topology, nodes_that_stay_keep_their_ids_and_others_lose_them)
{
	struct topology *t = topology_make(0);
	uint32_t gone, stays, at;

	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	gone = aibrix__ring_find(t->ring, "10.0.0.1:6379");
	stays = aibrix__ring_find(t->ring, "10.0.0.2:6379");
	cr_assert_eq(map_give(t,
			      "*2\r\n*3\r\n:0\r\n:8191\r\n"
			      "*2\r\n$8\r\n10.0.0.2\r\n:6379\r\n"
			      "*3\r\n:8192\r\n:16383\r\n"
			      "*2\r\n$8\r\n10.0.0.9\r\n:6379\r\n",
			      MS),
		     AIBRIX_OK);
	cr_expect_null(aibrix__ring_get(t->ring, gone));
	cr_expect_eq(aibrix__ring_find(t->ring, "10.0.0.2:6379"), stays);
	/* The place is another's now, the id is not. */
	at = aibrix__ring_at(t->ring, aibrix__ring_place(gone));
	cr_expect_neq(at, gone);
	aibrix__topology_down(t, gone);
	cr_expect_eq(t->owners_down, 0u);
	cr_expect_eq(t->ring->n, 3u);
	aibrix__topology_free(t);
}

Test(topology, a_map_of_too_many_nodes_changes_nothing)
{
	struct topology *t = topology_make(3);

	cr_assert_eq(map_give(t,
			      "*2\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"
			      "*3\r\n:2\r\n:3\r\n*2\r\n$1\r\nb\r\n:1\r\n",
			      MS),
		     AIBRIX_OK);
	cr_expect_eq(map_give(t, three, MS), AIBRIX_E_FULL);
	cr_expect_str_eq(name_at(t, 0), "a:1");
	cr_expect_str_eq(name_at(t, 3), "b:1");
	/* Two new ones in the place of two old ones are not too many. */
	cr_expect_eq(map_give(t,
			      "*2\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nc\r\n:1\r\n"
			      "*3\r\n:2\r\n:3\r\n*2\r\n$1\r\nd\r\n:1\r\n",
			      MS),
		     AIBRIX_OK);
	cr_expect_str_eq(name_at(t, 3), "d:1");
	/* Three and the seed are. */
	cr_expect_eq(map_give(t,
			      "*3\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nc\r\n:1\r\n"
			      "*3\r\n:2\r\n:3\r\n*2\r\n$1\r\nd\r\n:1\r\n"
			      "*3\r\n:4\r\n:5\r\n*2\r\n$1\r\ne\r\n:1\r\n",
			      MS),
		     AIBRIX_E_FULL);
	cr_expect_str_eq(name_at(t, 3), "d:1");
	aibrix__topology_free(t);
}

/* ---- refused requests */

struct refusal {
	struct topology *t;
	struct retry retry;
	struct resp resp;
	struct topology_call call;
	struct topology_next next;
};

static void
refusal_begin(struct refusal *r)
{
	const struct retry_opts opts = {0};

	r->t = topology_make(8);
	cr_assert_eq(map_give(r->t, three, MS), AIBRIX_OK);
	cr_assert_eq(aibrix__retry_init(&r->retry, &opts, 1), AIBRIX_OK);
	r->call = (struct topology_call){.deadline_ns = 1000 * MS, .slot = 9};
	cr_assert_eq(aibrix__topology_pick(r->t, 9, &r->call.from), AIBRIX_OK);
}

static uint32_t
refusal_act(struct refusal *r, const char *line)
{
	struct resp_event e = error_event(&r->resp, line);

	aibrix__topology_error(r->t, &r->retry, &r->call, &e, 2 * MS, &r->next);
	return r->next.act;
}

Test(topology, moved_sends_to_the_named_node_and_wants_a_map)
{
	struct refusal r;

	refusal_begin(&r);
	cr_expect_eq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	cr_assert_eq(refusal_act(&r, "-MOVED 9 10.0.0.3:6379\r\n"),
		     TOPOLOGY_SEND);
	cr_expect_eq(r.next.id, aibrix__ring_find(r.t->ring, "10.0.0.3:6379"));
	cr_expect_str_eq(name_at(r.t, 9), "10.0.0.3:6379");
	cr_expect_str_eq(name_at(r.t, 8), "10.0.0.1:6379");
	cr_expect_neq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	/* Nobody has heard of this one. */
	cr_assert_eq(refusal_act(&r, "-MOVED 9 ::1:99\r\n"), TOPOLOGY_SEND);
	cr_expect_str_eq(name_at(r.t, 9), "::1:99");
	cr_expect_eq(r.call.redirects, 2u);
	aibrix__topology_free(r.t);
}

Test(topology, ask_sends_once_and_moves_no_slot)
{
	struct refusal r;

	refusal_begin(&r);
	cr_assert_eq(refusal_act(&r, "-ASK 9 new:1\r\n"), TOPOLOGY_ASK);
	cr_expect_str_eq(aibrix__ring_get(r.t->ring, r.next.id)->name, "new:1");
	cr_expect_str_eq(name_at(r.t, 9), "10.0.0.1:6379");
	cr_expect_eq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	/* The next map does not list it yet, the one after that neither. */
	cr_assert_eq(map_give(r.t, three, MS), AIBRIX_OK);
	cr_expect_not_null(aibrix__ring_get(r.t->ring, r.next.id));
	cr_assert_eq(map_give(r.t, three, MS), AIBRIX_OK);
	cr_expect_null(aibrix__ring_get(r.t->ring, r.next.id));
	aibrix__topology_free(r.t);
}

Test(topology, an_empty_host_of_a_redirect_is_the_one_that_answered)
{
	struct refusal r;

	refusal_begin(&r);
	cr_assert_eq(refusal_act(&r, "-MOVED 9 :77\r\n"), TOPOLOGY_SEND);
	cr_expect_str_eq(name_at(r.t, 9), "10.0.0.1:77");
	/* Who answered is gone. */
	r.call.from = 12345 << 10;
	cr_expect_eq(refusal_act(&r, "-MOVED 9 :77\r\n"), TOPOLOGY_WAIT);
	cr_expect_eq(refusal_act(&r, "-MOVED 9 ?:77\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_UNAVAILABLE);
	aibrix__topology_free(r.t);
}

Test(topology, a_loop_of_redirects_ends)
{
	struct refusal r;

	refusal_begin(&r);
	for (uint32_t i = 0; i < TOPOLOGY_REDIRECTS; i++)
		cr_assert_eq(refusal_act(&r, i % 2 ? "-MOVED 9 a:1\r\n"
						   : "-MOVED 9 b:1\r\n"),
			     TOPOLOGY_SEND);
	cr_assert_eq(refusal_act(&r, "-MOVED 9 a:1\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(r.t->stat.loops, 1u);
	/* Of ASK as well. */
	cr_assert_eq(refusal_act(&r, "-ASK 9 a:1\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_UNAVAILABLE);
	aibrix__topology_free(r.t);
}

Test(topology, a_redirect_for_another_slot_is_not_believed)
{
	struct refusal r;

	refusal_begin(&r);
	cr_assert_eq(refusal_act(&r, "-MOVED 10 a:1\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_IO);
	cr_expect_str_eq(name_at(r.t, 10), "10.0.0.1:6379");
	cr_expect_eq(r.t->ring->n, 5u);
	aibrix__topology_free(r.t);
}

Test(topology, a_redirect_without_room_for_its_node_waits_for_a_map)
{
	struct refusal r;

	refusal_begin(&r);
	cr_assert_eq(refusal_act(&r, "-ASK 9 a:1\r\n"), TOPOLOGY_ASK);
	cr_assert_eq(refusal_act(&r, "-ASK 9 b:1\r\n"), TOPOLOGY_ASK);
	cr_assert_eq(refusal_act(&r, "-ASK 9 c:1\r\n"), TOPOLOGY_ASK);
	cr_expect_eq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	cr_assert_eq(refusal_act(&r, "-ASK 9 d:1\r\n"), TOPOLOGY_WAIT);
	cr_expect_neq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	aibrix__topology_free(r.t);
}

Test(topology, errors_that_pass_are_tried_again_within_the_budget)
{
	static const struct {
		const char *line;
		int map;
	} some[] = {
		{"-TRYAGAIN later\r\n", 0},     {"-CLUSTERDOWN down\r\n", 1},
		{"-LOADING dataset\r\n", 1},    {"-MASTERDOWN link\r\n", 1},
		{"-READONLY a replica\r\n", 1},
	};

	for (size_t i = 0; i < 5; i++) {
		struct refusal r;

		refusal_begin(&r);
		cr_assert_eq(refusal_act(&r, some[i].line), TOPOLOGY_WAIT);
		cr_expect_geq(r.next.at_ns, 3 * MS);
		cr_expect_leq(r.next.at_ns, 4 * MS);
		cr_expect_eq(r.call.retries, 1u);
		cr_expect_eq(aibrix__topology_wake(r.t) != AIBRIX_FOREVER,
			     some[i].map != 0);
		cr_assert_eq(refusal_act(&r, some[i].line), TOPOLOGY_END);
		cr_expect_eq(r.next.status, AIBRIX_E_UNAVAILABLE);
		aibrix__topology_free(r.t);
	}
}

Test(topology, a_request_whose_deadline_has_passed_goes_nowhere)
{
	struct refusal r;

	refusal_begin(&r);
	r.call.deadline_ns = 2 * MS;
	cr_assert_eq(refusal_act(&r, "-MOVED 9 a:1\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_TIMEOUT);
	aibrix__topology_free(r.t);
}

Test(topology, other_errors_are_none_of_its_business)
{
	struct refusal r;

	refusal_begin(&r);
	cr_expect_eq(refusal_act(&r, "-OOM command\r\n"), TOPOLOGY_NONE);
	cr_expect_eq(refusal_act(&r, "-NOAUTH who\r\n"), TOPOLOGY_NONE);
	cr_expect_eq(refusal_act(&r, "-MOVED nonsense\r\n"), TOPOLOGY_NONE);
	cr_assert_eq(refusal_act(&r, "-CROSSSLOT two\r\n"), TOPOLOGY_END);
	cr_expect_eq(r.next.status, AIBRIX_E_INVAL);
	aibrix__topology_free(r.t);
}

/* ---- asking */

Test(topology, nodes_of_the_map_are_asked_first_then_seeds_then_lost_ones)
{
	struct topology *t = topology_make(0);
	struct topology_ask ask;
	uint32_t lost, seen = 0;

	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	lost = aibrix__ring_find(t->ring, "10.0.0.1:6379");
	aibrix__topology_down(t, lost);
	for (uint32_t i = 0; i < 5; i++) {
		const char *name;

		cr_assert_eq(aibrix__topology_ask(t, 1000 * MS, &ask),
			     AIBRIX_OK);
		name = aibrix__ring_get(t->ring, ask.id)->name;
		if (i < 3)
			cr_expect(ask.id != lost && name[0] == '1');
		else
			cr_expect_str_eq(name, i == 3 ? "seed:7000"
						      : "10.0.0.1:6379");
		cr_expect_eq(seen >> aibrix__ring_place(ask.id) & 1, 0u);
		seen |= 1u << aibrix__ring_place(ask.id);
		/* The last of an earlier ask says nothing of this one. */
		aibrix__topology_fail(t, ask.number - 1, 1000 * MS);
		cr_expect_eq(t->ask.id, ask.id);
		aibrix__topology_fail(t, ask.number, 1000 * MS);
	}
	/* The round is over. */
	cr_expect_eq(aibrix__topology_ask(t, 1000 * MS, &ask), AIBRIX_E_AGAIN);
	cr_expect_eq(t->stat.failed, 5u);
	aibrix__topology_free(t);
}

Test(topology, rounds_without_news_are_further_and_further_apart)
{
	struct topology *t = topology_make(0);
	uint64_t now_ns = 100 * MS, want_ns = 200 * MS;
	struct topology_ask ask;

	for (uint32_t i = 0; i < 20; i++) {
		uint64_t wake_ns;

		cr_assert_eq(aibrix__topology_ask(t, now_ns, &ask), AIBRIX_OK);
		aibrix__topology_fail(t, ask.number, now_ns);
		wake_ns = aibrix__topology_wake(t);
		cr_expect_leq(wake_ns, now_ns + want_ns);
		cr_expect_geq(wake_ns, now_ns + want_ns / 5 * 4);
		cr_expect_eq(aibrix__topology_ask(t, wake_ns - 1, &ask),
			     AIBRIX_E_AGAIN);
		now_ns = wake_ns;
		want_ns = want_ns > 2500 * MS ? 5000 * MS : 2 * want_ns;
	}
	aibrix__topology_free(t);
}

Test(topology, without_a_map_requests_wait_for_one_round_only)
{
	struct topology *t = topology_make(0);
	struct topology_ask ask;
	uint32_t id;

	cr_expect_eq(aibrix__topology_pick(t, 1, &id), AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
	cr_expect_eq(aibrix__topology_pick(t, 1, &id), AIBRIX_E_AGAIN);
	aibrix__topology_fail(t, ask.number, MS);
	cr_expect_eq(aibrix__topology_pick(t, 1, &id), AIBRIX_E_UNAVAILABLE);
	aibrix__topology_free(t);
}

Test(topology, maps_are_wanted_as_long_as_a_node_with_slots_is_lost)
{
	struct topology *t = topology_make(0);
	uint32_t owner, replica;

	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	owner = aibrix__ring_find(t->ring, "10.0.0.2:6379");
	replica = aibrix__ring_find(t->ring, "10.0.0.4:6380");
	aibrix__topology_down(t, replica);
	cr_expect_eq(aibrix__topology_wake(t), AIBRIX_FOREVER);
	aibrix__topology_down(t, owner);
	aibrix__topology_down(t, owner);
	cr_expect_neq(aibrix__topology_wake(t), AIBRIX_FOREVER);
	/* Still the old one. */
	cr_assert_eq(map_give(t, three, MS), AIBRIX_OK);
	cr_expect_neq(aibrix__topology_wake(t), AIBRIX_FOREVER);
	aibrix__topology_up(t, owner);
	cr_expect_eq(aibrix__topology_wake(t), AIBRIX_FOREVER);
	aibrix__topology_free(t);
}

Test(topology, what_is_wanted_during_an_ask_is_asked_after_it)
{
	struct refusal r;
	struct topology_ask ask;

	refusal_begin(&r);
	r.t->wanted = 1;
	cr_assert_eq(aibrix__topology_ask(r.t, 1000 * MS, &ask), AIBRIX_OK);
	cr_assert_eq(refusal_act(&r, "-MOVED 9 a:1\r\n"), TOPOLOGY_SEND);
	cr_assert_eq(reply_feed(r.t, ask.number, three, strlen(three), 64,
				1000 * MS),
		     AIBRIX_OK);
	cr_expect_neq(aibrix__topology_wake(r.t), AIBRIX_FOREVER);
	cr_expect_gt(aibrix__topology_wake(r.t), 1000 * MS);
	aibrix__topology_free(r.t);
}

Test(topology, a_reply_that_is_not_awaited_is_dropped)
{
	struct topology *t = topology_make(0);
	struct topology_ask ask, next;

	cr_assert_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
	aibrix__topology_fail(t, ask.number, MS);
	cr_expect_eq(reply_feed(t, ask.number, three, strlen(three), 64, MS),
		     AIBRIX_E_STATE);
	cr_assert_eq(aibrix__topology_ask(t, 1000 * MS, &next), AIBRIX_OK);
	cr_expect_eq(reply_feed(t, ask.number, three, strlen(three), 64, MS),
		     AIBRIX_E_STATE);
	cr_expect_eq(t->version, 0u);
	aibrix__topology_free(t);
}

Test(topology, a_clock_set_back_does_not_stop_the_asking)
{
	struct topology *t = topology_make(0);
	struct topology_ask ask;

	cr_assert_eq(aibrix__topology_ask(t, (uint64_t)1 << 60, &ask),
		     AIBRIX_OK);
	aibrix__topology_fail(t, ask.number, (uint64_t)1 << 60);
	cr_expect_eq(aibrix__topology_ask(t, MS, &ask), AIBRIX_OK);
	aibrix__topology_free(t);
}
