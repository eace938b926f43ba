/* The ledger where prefill and decode are apart: what is charged to whom,
 * and given back once. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd_ledger.h>

enum { N = 4 };

#define SECOND 1000000000ull

/* Two groups of a prefill and a decode each. */
static const aibrix_pd_pod pods[N] = {
	{.group = 1, .role = AIBRIX_PD_PREFILL},
	{.group = 1, .role = AIBRIX_PD_DECODE},
	{.group = 2, .role = AIBRIX_PD_PREFILL},
	{.group = 2, .role = AIBRIX_PD_DECODE},
};
static const uint64_t ids[N] = {10, 11, 20, 21};
static aibrix_pd_stat stats[N];
static uint32_t prefill[N], decode[N];
static aibrix_pd_lists lists;
static double scores[N];
static aibrix_pd_ledger *ledger;
static aibrix_pd_request request;
static aibrix_pd_pick_result got;
static const aibrix_pd_charge none = {0};

static void
open_ledger(uint32_t flags)
{
	aibrix_pd_ledger_opts opts = {.size = sizeof(opts),
				      .flags = flags,
				      .max_open = 8,
				      .lease_ns = 60 * SECOND};

	aibrix_pd_ledger_free(ledger);
	cr_assert_eq(aibrix_pd_ledger_new(&opts, &ledger), AIBRIX_OK);
}

static void
open_rig(void)
{
	open_ledger(0);
	for (uint32_t i = 0; i < N; i++)
		stats[i] = (aibrix_pd_stat){.running = NAN,
					    .tokens_per_s = NAN,
					    .finished_per_s = NAN,
					    .kv_usage = NAN,
					    .match_percent = NAN,
					    .prefill_s = NAN,
					    .charged_tokens = NAN};
	request = (aibrix_pd_request){.size = sizeof(request),
				      .prompt_tokens = 1000,
				      .output_tokens = 200};
}

static void
close_rig(void)
{
	aibrix_pd_ledger_free(ledger);
}

TestSuite(pd_ledger, .init = open_rig, .fini = close_rig);

static int
pick_try(uint64_t now_ns, uint64_t *ticket)
{
	const aibrix_pd_view view = {pods, stats, ids, N, 0};

	lists = (aibrix_pd_lists){prefill, decode, 2, 2};
	prefill[0] = 0;
	prefill[1] = 2;
	decode[0] = 1;
	decode[1] = 3;
	got.size = sizeof(got);
	return aibrix_pd_ledger_pick(ledger, NULL, &view, &lists, &request,
				     now_ns, scores, &got, ticket);
}

static uint64_t
pick_at(uint64_t now_ns)
{
	uint64_t ticket = 0;

	cr_assert_eq(pick_try(now_ns, &ticket), AIBRIX_OK);
	cr_assert_neq(ticket, 0);
	return ticket;
}

static void
expect_charge(uint64_t pod, aibrix_pd_charge want)
{
	aibrix_pd_charge c;

	cr_assert_eq(aibrix_pd_ledger_read(ledger, pod, &c), AIBRIX_OK);
	cr_expect(c.prefills == want.prefills && c.tokens == want.tokens &&
			  c.kv_tokens == want.kv_tokens &&
			  c.arriving == want.arriving &&
			  c.decodes == want.decodes &&
			  c.decode_tokens == want.decode_tokens,
		  "pod %u: %u %u %u, %u %u %u", (unsigned)pod,
		  (unsigned)c.prefills, (unsigned)c.tokens,
		  (unsigned)c.kv_tokens, (unsigned)c.arriving,
		  (unsigned)c.decodes, (unsigned)c.decode_tokens);
}

Test(pd_ledger, a_request_is_charged_to_both_and_each_part_ends_by_itself)
{
	uint64_t ticket = pick_at(0);
	uint64_t p = ids[got.prefill], d = ids[got.decode];

	expect_charge(p, (aibrix_pd_charge){1, 4500, 4500, 0, 0, 0});
	expect_charge(d, (aibrix_pd_charge){0, 0, 0, 1, 1, 1200});
	cr_expect_eq(aibrix_pd_ledger_prefilled(ledger, ticket, 1), AIBRIX_OK);
	expect_charge(p, (aibrix_pd_charge){0, 0, 4500, 0, 0, 0});
	expect_charge(d, (aibrix_pd_charge){0, 0, 0, 1, 1, 1200});
	cr_expect_eq(aibrix_pd_ledger_first_token(ledger, ticket, 2),
		     AIBRIX_OK);
	expect_charge(p, none);
	expect_charge(d, (aibrix_pd_charge){0, 0, 0, 0, 1, 1200});
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charge(d, none);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, ticket),
		     AIBRIX_E_NOT_FOUND);
	expect_charge(d, none);
}

Test(pd_ledger, an_end_told_early_or_twice_gives_back_once)
{
	uint64_t a = pick_at(0), b = pick_at(0);

	for (int i = 0; i < 3; i++) {
		cr_expect_eq(aibrix_pd_ledger_first_token(ledger, a, 1),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_pd_ledger_prefilled(ledger, a, 1),
			     AIBRIX_OK);
	}
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, b), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_prefilled(ledger, b, 2),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, a), AIBRIX_OK);
	for (uint32_t i = 0; i < N; i++)
		expect_charge(ids[i], none);
	cr_expect_eq(aibrix_pd_ledger_open(ledger), 0);
}

Test(pd_ledger, aibrix_charges_the_prefill_pod_for_the_kv_until_the_end)
{
	uint64_t ticket, p;

	open_ledger(AIBRIX_PD_LEDGER_KV_TO_END);
	ticket = pick_at(0);
	p = ids[got.prefill];
	cr_expect_eq(aibrix_pd_ledger_first_token(ledger, ticket, 1),
		     AIBRIX_OK);
	expect_charge(p, (aibrix_pd_charge){0, 0, 4500, 0, 0, 0});
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charge(p, none);
}

Test(pd_ledger, a_burst_is_spread_since_each_pick_sees_those_before_it)
{
	for (uint32_t i = 0; i < 8; i++) {
		request.entropy = i;
		(void)pick_at(0);
	}
	expect_charge(10, (aibrix_pd_charge){4, 18000, 18000, 0, 0, 0});
	expect_charge(20, (aibrix_pd_charge){4, 18000, 18000, 0, 0, 0});
	expect_charge(11, (aibrix_pd_charge){0, 0, 0, 4, 4, 4800});
	expect_charge(21, (aibrix_pd_charge){0, 0, 0, 4, 4, 4800});
}

/* The new tokens of AIBrix's token_load: session, else match, else all. */
Test(pd_ledger, what_is_new_of_a_prompt_is_charged)
{
	static const struct {
		uint64_t session;
		double match;
		uint64_t tokens;
	} rows[] = {
		{0, NAN, 1000}, {0, 0, 1000},    {0, 33, 670},
		{0, 100, 0},    {0, 400, 0},     {0, -1, 1000},
		{600, 33, 400}, {1000, 33, 670}, {2000, NAN, 1000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ticket;

		request.session_tokens = rows[i].session;
		cr_assert_eq(aibrix_pd_ledger_charge(ledger, 7, 8, &request,
						     rows[i].match, 0, &ticket),
			     AIBRIX_OK);
		expect_charge(7, (aibrix_pd_charge){1, 3500 + rows[i].tokens,
						    3500 + rows[i].tokens, 0, 0,
						    0});
		cr_assert_eq(aibrix_pd_ledger_settle(ledger, ticket),
			     AIBRIX_OK);
	}
}

Test(pd_ledger, the_match_of_the_pod_that_was_picked_counts)
{
	stats[2].match_percent = 90;
	stats[0].match_percent = 0;
	(void)pick_at(0);
	cr_expect_eq(got.prefill, 2u);
	expect_charge(20, (aibrix_pd_charge){1, 3600, 3600, 0, 0, 0});
}

Test(pd_ledger, a_combined_pod_is_charged_for_both_halves)
{
	uint64_t ticket;

	cr_assert_eq(aibrix_pd_ledger_charge(ledger, 5, 5, &request, NAN, 0,
					     &ticket),
		     AIBRIX_OK);
	expect_charge(5, (aibrix_pd_charge){1, 4500, 4500, 1, 1, 1200});
	cr_assert_eq(aibrix_pd_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charge(5, none);
}

Test(pd_ledger, what_is_not_heard_of_for_a_lease_is_given_back)
{
	uint64_t a = pick_at(0), b = pick_at(0), n = 77;

	cr_expect_eq(aibrix_pd_ledger_renew(ledger, b, 60 * SECOND), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_expire(ledger, 60 * SECOND, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_pd_ledger_expire(ledger, 60 * SECOND + 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, a), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, b), AIBRIX_OK);
	for (uint32_t i = 0; i < N; i++)
		expect_charge(ids[i], none);
}

Test(pd_ledger, a_clock_that_steps_back_ends_no_lease_and_makes_none_longer)
{
	uint64_t a = pick_at(100 * SECOND), n = 77;

	cr_expect_eq(aibrix_pd_ledger_renew(ledger, a, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_expire(ledger, 2, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_pd_ledger_expire(ledger, 160 * SECOND + 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1);
}

Test(pd_ledger, what_other_gateways_have_charged_counts_in_the_pick)
{
	const aibrix_pd_charge busy = {3, 30000, 30000, 0, 0, 0};

	cr_expect_eq(aibrix_pd_ledger_others(ledger, 10, &busy), AIBRIX_OK);
	for (uint32_t i = 0; i < 3; i++) {
		request.entropy = i;
		(void)pick_at(0);
		cr_expect_eq(got.prefill, 2u);
	}
	expect_charge(10, none);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 10, &none), AIBRIX_OK);
	(void)pick_at(0);
	cr_expect_eq(got.prefill, 0u);
}

Test(pd_ledger, others_are_bounded)
{
	aibrix_pd_ledger_opts opts = {.size = sizeof(opts), .max_pods = 2};
	const aibrix_pd_charge one = {1, 1, 1, 1, 1, 1};

	aibrix_pd_ledger_free(ledger);
	ledger = NULL;
	cr_assert_eq(aibrix_pd_ledger_new(&opts, &ledger), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 1, &one), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 2, &one), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 2, &one), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 3, &one), AIBRIX_E_FULL);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 1, &none), AIBRIX_OK);
	cr_expect_eq(aibrix_pd_ledger_others(ledger, 3, &one), AIBRIX_OK);
}

Test(pd_ledger, a_pod_that_restarted_is_charged_nothing_and_ends_still_come)
{
	uint64_t ticket = pick_at(0);
	uint64_t p = ids[got.prefill], d = ids[got.decode];

	cr_expect_eq(aibrix_pd_ledger_forget(ledger, p), AIBRIX_OK);
	expect_charge(p, none);
	expect_charge(d, (aibrix_pd_charge){0, 0, 0, 1, 1, 1200});
	cr_expect_eq(aibrix_pd_ledger_first_token(ledger, ticket, 1),
		     AIBRIX_OK);
	expect_charge(p, none);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charge(d, none);
}

/* One decode's engine says 0 and 40 are at the other: the ledger's own count
 * is for fleets in which nobody says. */
Test(pd_ledger, running_is_the_engines_where_any_of_them_says)
{
	uint64_t ticket;

	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(aibrix_pd_ledger_charge(ledger, 10, 11, &request,
						     NAN, 0, &ticket),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_pd_ledger_first_token(ledger, ticket, 0),
			     AIBRIX_OK);
	}
	(void)pick_at(0);
	cr_expect_eq(got.decode, 3u, "the ledger knows of 3 at the other");
	cr_expect_eq(got.max_running, 3.);
	stats[1].running = 0;
	stats[3].running = 12;
	(void)pick_at(0);
	cr_expect_eq(got.decode, 1u);
	cr_expect_eq(got.max_running, 13.);
}

Test(pd_ledger, gates_and_pick_are_told)
{
	for (uint32_t i = 0; i < 7; i++) {
		uint64_t ticket;

		cr_assert_eq(aibrix_pd_ledger_charge(ledger, 10, 11, &request,
						     NAN, 0, &ticket),
			     AIBRIX_OK);
	}
	stats[1].running = 20;
	stats[3].running = 0;
	(void)pick_at(0);
	cr_expect_eq(got.gates, AIBRIX_PD_GATE_DECODE);
	cr_expect_eq(lists.n_decode, 1u);
	cr_expect_eq(got.decode, 3u);
}

/* The band's group goes before a better score, and a gate before it. */
Test(pd_ledger, a_group_that_is_preferred_counts_unless_a_gate_fires)
{
	stats[0].match_percent = 100;
	request.flags = AIBRIX_PD_REQUEST_GROUP;
	request.group = 2;
	(void)pick_at(0);
	cr_expect_eq(got.prefill, 2u);
	cr_expect_eq(got.groups, 1u);
	request.group = 77;
	(void)pick_at(0);
	cr_expect_eq(got.prefill, 0u, "no such group");
	request.group = 2;
	stats[1].running = 0;
	stats[3].running = 30;
	(void)pick_at(0);
	cr_expect_eq(got.gates, AIBRIX_PD_GATE_DECODE);
	cr_expect_eq(got.prefill, 0u);
}

Test(pd_ledger, a_full_ledger_and_a_pick_that_fails_charge_nothing)
{
	const aibrix_pd_view view = {pods, stats, ids, N, 0};
	uint64_t ticket = 5;

	lists = (aibrix_pd_lists){prefill, decode, 1, 1};
	prefill[0] = 0;
	decode[0] = 3; /* of another group */
	got.size = sizeof(got);
	cr_expect_eq(aibrix_pd_ledger_pick(ledger, NULL, &view, &lists,
					   &request, 0, scores, &got, &ticket),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(got.reason, AIBRIX_PD_REASON_NO_PAIR);
	cr_expect_eq(ticket, 5);
	cr_expect_eq(aibrix_pd_ledger_open(ledger), 0);
	for (uint32_t i = 0; i < 8; i++)
		(void)pick_at(0);
	cr_expect_eq(pick_try(0, &ticket), AIBRIX_E_FULL);
	cr_expect_eq(aibrix_pd_ledger_open(ledger), 8);
	cr_expect_eq(pick_try(60 * SECOND + 1, &ticket), AIBRIX_OK,
		     "leases have ended");
	cr_expect_eq(aibrix_pd_ledger_open(ledger), 1);
}

Test(pd_ledger, numbers_beyond_all_engines_are_cut_and_come_back_exactly)
{
	uint64_t ticket;

	request.prompt_tokens = UINT64_MAX;
	request.output_tokens = UINT64_MAX;
	cr_assert_eq(aibrix_pd_ledger_charge(ledger, 1, 2, &request, NAN, 0,
					     &ticket),
		     AIBRIX_OK);
	expect_charge(1,
		      (aibrix_pd_charge){1, 4294970795u, 4294970795u, 0, 0, 0});
	expect_charge(2, (aibrix_pd_charge){0, 0, 0, 1, 1, 8589934590u});
	cr_assert_eq(aibrix_pd_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charge(1, none);
}

Test(pd_ledger, what_cannot_be_is_refused)
{
	static const aibrix_pd_ledger_opts bad[] = {
		{.size = sizeof(bad[0]), .max_open = (1 << 20) + 1},
		{.size = sizeof(bad[0]), .max_pods = (1 << 20) + 1},
		{.size = sizeof(bad[0]),
		 .flags = AIBRIX_PD_LEDGER_KV_WEIGHT_SET,
		 .kv_weight = NAN},
		{.size = sizeof(bad[0]),
		 .flags = AIBRIX_PD_LEDGER_KV_WEIGHT_SET,
		 .kv_weight = 1.5},
		{.size = sizeof(bad[0]),
		 .flags = AIBRIX_PD_LEDGER_REQUEST_TOKENS_SET,
		 .request_tokens = UINT64_MAX},
	};
	const aibrix_pd_ledger_opts flags = {.size = sizeof(flags), .flags = 8};
	aibrix_pd_ledger *other = NULL;
	uint64_t ticket = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix_pd_ledger_new(&bad[i], &other),
			     AIBRIX_E_INVAL, "row %zu", i);
	cr_expect_eq(aibrix_pd_ledger_new(&flags, &other), AIBRIX_E_ABI);
	cr_expect_null(other);
	request.flags = 2;
	cr_expect_eq(pick_try(0, &ticket), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_pd_ledger_charge(ledger, 1, 2, &request, NAN, 0,
					     &ticket),
		     AIBRIX_E_ABI);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_pd_ledger_settle(ledger, UINT64_MAX),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_pd_ledger_settle(NULL, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_ledger_open(NULL), 0);
	aibrix_pd_ledger_free(NULL);
}
