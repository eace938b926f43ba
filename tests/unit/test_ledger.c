/* The ledger: what is charged, and given back once. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/ledger.h>

#include "fleet_fixture.h"

enum { ROWS = 4 };

#define SECOND 1000000000ull

static aibrix_ledger *ledger;
static aibrix_route *route;
static aibrix_fleet *fleet;
static aibrix_route_request request;

static void
open_rig(void)
{
	aibrix_ledger_opts opts = {
		.size = sizeof(opts), .max_open = 8, .lease_ns = 60 * SECOND};

	cr_assert_eq(aibrix_ledger_new(&opts, &ledger), AIBRIX_OK);
	route = fixture_route("least-request", 0);
	fleet = fixture_fleet(ROWS, NULL);
	request = (aibrix_route_request){
		.size = sizeof(request), .prompt_tokens = 1000, .n_blocks = 62};
}

static void
close_rig(void)
{
	aibrix_ledger_free(ledger);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

TestSuite(ledger, .init = open_rig, .fini = close_rig);

static uint64_t
pick_at(uint64_t now_ns, uint32_t *row)
{
	aibrix_route_result result = {.size = sizeof(result)};
	uint64_t ticket = 0;

	cr_assert_eq(aibrix_ledger_pick(ledger, route, fleet, &request, now_ns,
					&result, &ticket),
		     AIBRIX_OK);
	cr_assert_neq(ticket, 0);
	*row = result.row;
	return ticket;
}

static void
expect_charged(uint32_t row, uint64_t requests, uint64_t tokens)
{
	uint64_t r = 77, t = 77;

	cr_assert_eq(aibrix_ledger_read(ledger, fleet, row, &r, &t), AIBRIX_OK);
	cr_expect_eq(r, requests);
	cr_expect_eq(t, tokens);
}

/* AIBrix counts after the choice, so a burst goes to one pod (defect 1). */
Test(ledger, a_burst_is_spread_because_each_pick_sees_those_before_it)
{
	uint32_t seen[ROWS] = {0}, row;

	for (uint32_t i = 0; i < 2 * ROWS; i++) {
		(void)pick_at(0, &row);
		seen[row]++;
	}
	for (row = 0; row < ROWS; row++) {
		cr_expect_eq(seen[row], 2);
		expect_charged(row, 2, 2000);
	}
}

Test(ledger, tokens_go_with_the_first_token_and_the_request_at_the_end)
{
	uint32_t row;
	uint64_t ticket = pick_at(0, &row);

	expect_charged(row, 1, 1000);
	cr_expect_eq(aibrix_ledger_first_token(ledger, ticket, 1), AIBRIX_OK);
	expect_charged(row, 1, 0);
	cr_expect_eq(aibrix_ledger_first_token(ledger, ticket, 2), AIBRIX_OK,
		     "nothing is given back twice");
	expect_charged(row, 1, 0);
	cr_expect_eq(aibrix_ledger_settle(ledger, ticket), AIBRIX_OK);
	expect_charged(row, 0, 0);
	cr_expect_eq(aibrix_ledger_open(ledger), 0);
}

Test(ledger, what_the_row_holds_is_not_charged)
{
	static const double blocks[ROWS] = {10, 10, 10, 10};
	const aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS, blocks};
	uint32_t row;
	uint64_t ticket;

	request.n_overlay = 1;
	request.overlay = &overlay;
	ticket = pick_at(0, &row);
	expect_charged(row, 1, 1000 - 160);
	cr_expect_eq(aibrix_ledger_settle(ledger, ticket), AIBRIX_OK);
	request.prompt_tokens = 100;
	(void)pick_at(0, &row);
	expect_charged(row, 1, 0);
}

/* In AIBrix an end that is told twice drives the count below zero; po07. */
Test(ledger, who_settles_second_is_told_so_and_changes_nothing)
{
	uint32_t a, b;
	uint64_t first = pick_at(0, &a), second;

	cr_expect_eq(aibrix_ledger_settle(ledger, first), AIBRIX_OK);
	second = pick_at(0, &b);
	cr_expect_neq(second, first, "the place is used again");
	cr_expect_eq(aibrix_ledger_settle(ledger, first), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_ledger_first_token(ledger, first, 0),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_ledger_renew(ledger, first, 0), AIBRIX_E_NOT_FOUND);
	expect_charged(b, 1, 1000);
	cr_expect_eq(aibrix_ledger_settle(ledger, second), AIBRIX_OK);
	expect_charged(b, 0, 0);
}

Test(ledger, tickets_nobody_gave_are_refused)
{
	static const uint64_t tickets[] = {
		0, 1, UINT64_MAX, 1ull << 32, (1ull << 32) + 2, 99};
	uint32_t row;

	(void)pick_at(0, &row);
	for (size_t i = 0; i < sizeof(tickets) / sizeof(tickets[0]); i++)
		cr_expect_eq(aibrix_ledger_settle(ledger, tickets[i]),
			     AIBRIX_E_NOT_FOUND);
	expect_charged(row, 1, 1000);
}

/* An end that is lost leaves its request in AIBrix's count for ever. */
Test(ledger, what_is_not_heard_of_for_a_lease_is_given_back)
{
	uint32_t a, b;
	uint64_t lost = pick_at(0, &a), alive = pick_at(0, &b), n = 77;

	cr_expect_eq(aibrix_ledger_renew(ledger, alive, 50 * SECOND), 0);
	cr_expect_eq(aibrix_ledger_expire(ledger, 60 * SECOND, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_ledger_expire(ledger, 60 * SECOND + 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1);
	expect_charged(a, 0, 0);
	expect_charged(b, 1, 1000);
	cr_expect_eq(aibrix_ledger_settle(ledger, lost), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_ledger_settle(ledger, alive), AIBRIX_OK);
}

Test(ledger, a_pick_gives_ended_leases_back_before_it_is_full)
{
	aibrix_route_result result = {.size = sizeof(result), .row = 77};
	uint64_t ticket = 5;
	uint32_t row;

	for (uint32_t i = 0; i < 8; i++)
		(void)pick_at(i, &row);
	cr_expect_eq(aibrix_ledger_pick(ledger, route, fleet, &request, 60,
					&result, &ticket),
		     AIBRIX_E_FULL);
	cr_expect_eq(result.row, 77);
	cr_expect_eq(ticket, 5);
	(void)pick_at(60 * SECOND + 3, &row);
	cr_expect_eq(aibrix_ledger_open(ledger), 6);
}

Test(ledger, a_clock_that_goes_back_ends_no_lease)
{
	uint32_t row;
	uint64_t ticket = pick_at(100 * SECOND, &row), n;

	cr_expect_eq(aibrix_ledger_renew(ledger, ticket, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_ledger_expire(ledger, 5, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_ledger_expire(ledger, 160 * SECOND, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_ledger_expire(ledger, UINT64_MAX, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
}

Test(ledger, the_next_owner_of_a_row_begins_at_zero)
{
	const uint32_t only = 2;
	uint32_t row;
	uint64_t old, young;

	request.rows = &only;
	request.n_rows = 1;
	old = pick_at(0, &row);
	cr_assert_eq(aibrix_fleet_remove(fleet, 2), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_add(fleet, &(aibrix_owner){7, 7, 0}, &row),
		     AIBRIX_OK);
	cr_assert_eq(row, 2);
	expect_charged(2, 0, 0);
	young = pick_at(0, &row);
	expect_charged(2, 1, 1000);
	cr_expect_eq(aibrix_ledger_settle(ledger, old), AIBRIX_OK);
	expect_charged(2, 1, 1000);
	cr_expect_eq(aibrix_ledger_settle(ledger, young), AIBRIX_OK);
	expect_charged(2, 0, 0);
}

/* One pod only is no short cut past the books (defect 2). */
Test(ledger, a_fleet_of_one_is_charged_too)
{
	const uint32_t only = 1;
	uint32_t row;

	request.rows = &only;
	request.n_rows = 1;
	(void)pick_at(0, &row);
	expect_charged(1, 1, 1000);
}

Test(ledger, a_pick_that_fails_charges_nobody)
{
	aibrix_route_result result = {.size = sizeof(result)};
	static const aibrix_column many[31] = {{0}};
	uint64_t ticket = 5, requests, tokens;

	request.strategy = "x:";
	cr_expect_eq(aibrix_ledger_pick(ledger, route, fleet, &request, 0,
					&result, &ticket),
		     AIBRIX_E_PARSE);
	request.strategy = NULL;
	request.overlay = many;
	request.n_overlay = 31;
	cr_expect_eq(aibrix_ledger_pick(ledger, route, fleet, &request, 0,
					&result, &ticket),
		     AIBRIX_E_INVAL);
	request.n_overlay = 0;
	result.size = 3;
	cr_expect_eq(aibrix_ledger_pick(ledger, route, fleet, &request, 0,
					&result, &ticket),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_ledger_pick(ledger, NULL, fleet, &request, 0,
					&result, &ticket),
		     AIBRIX_E_INVAL);
	cr_expect_eq(ticket, 5);
	cr_expect_eq(aibrix_ledger_open(ledger), 0);
	cr_expect_eq(aibrix_ledger_read(ledger, fleet, 99, &requests, &tokens),
		     AIBRIX_E_NOT_FOUND);
}

Test(ledger, options_out_of_range_are_refused)
{
	aibrix_ledger_opts opts = {.size = sizeof(opts),
				   .max_open = (1u << 20) + 1};
	aibrix_ledger *none = NULL;

	cr_expect_eq(aibrix_ledger_new(&opts, &none), AIBRIX_E_INVAL);
	opts.size = 0;
	cr_expect_eq(aibrix_ledger_new(&opts, &none), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_ledger_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(none);
	cr_expect_eq(aibrix_ledger_settle(NULL, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_ledger_open(NULL), 0);
	aibrix_ledger_free(NULL);
}

Test(ledger, what_other_gateways_have_charged_counts_in_the_pick)
{
	uint32_t row, first;
	uint64_t n;

	cr_assert_eq(aibrix_ledger_others(ledger, fleet, 0, 5, 5000),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < 8; i++) {
		request.entropy = i;
		(void)pick_at(0, &row);
		cr_expect_neq(row, 0u);
	}
	expect_charged(0, 0, 0);
	cr_assert_eq(aibrix_ledger_expire(ledger, 61 * SECOND, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_ledger_others(ledger, fleet, 0, 0, 0), AIBRIX_OK);
	for (uint32_t other = 1; other < ROWS; other++)
		cr_assert_eq(aibrix_ledger_others(ledger, fleet, other, 1, 1),
			     AIBRIX_OK);
	(void)pick_at(61 * SECOND, &first);
	cr_expect_eq(first, 0u);
	expect_charged(0, 1, 1000);
	cr_expect_eq(aibrix_ledger_others(ledger, fleet, 77, 0, 0),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_ledger_others(NULL, fleet, 0, 0, 0),
		     AIBRIX_E_INVAL);
}

Test(ledger, a_row_that_changes_hands_owes_nothing_to_others_either)
{
	uint32_t row, again;

	cr_assert_eq(
		aibrix_ledger_others(ledger, fleet, 2, UINT64_MAX, UINT64_MAX),
		AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_remove(fleet, 2), AIBRIX_OK);
	cr_assert_eq(
		aibrix_fleet_add(fleet, &(aibrix_owner){990, 0, 0}, &again),
		AIBRIX_OK);
	cr_assert_eq(again, 2u);
	for (uint32_t other = 0; other < ROWS; other++)
		if (other != 2)
			cr_assert_eq(aibrix_ledger_others(ledger, fleet, other,
							  1, 1),
				     AIBRIX_OK);
	(void)pick_at(0, &row);
	cr_expect_eq(row, 2u);
}
