/*
 * Every strategy, in both profiles, asked what no caller means to ask: a
 * status, or an answer that says what it rests on; never a silent draw.
 */

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/vtc.h>

#include "fleet_fixture.h"

enum { PODS = 5, LONG = 1000000 };

#define SECOND 1000000000ull

static const uint32_t columns[] = {
	AIBRIX_COL_REQUESTS_RUNNING,  AIBRIX_COL_TOKENS_PENDING,
	AIBRIX_COL_PREFIX_BLOCKS,     AIBRIX_COL_CAPACITY_RATIO,
	AIBRIX_COL_KV_USAGE_RATIO,    AIBRIX_COL_GPU_USAGE_RATIO,
	AIBRIX_COL_CPU_USAGE_RATIO,   AIBRIX_COL_GPU_BUSY_RATIO,
	AIBRIX_COL_UTILIZATION_RATIO, AIBRIX_COL_QUEUE_S,
	AIBRIX_COL_PREFILL_S,         AIBRIX_COL_DECODE_S,
	AIBRIX_COL_PROMPT_TOKENS,     AIBRIX_COL_OUTPUT_TOKENS,
	AIBRIX_COL_TOKENS_PER_S,      AIBRIX_COL_LOAD_RATIO,
	AIBRIX_COL_ADAPTER_HELD,      AIBRIX_COL_ADAPTERS,
	AIBRIX_COL_ADAPTERS_MAX,      AIBRIX_COL_JOINED_S,
	AIBRIX_COL_REQUESTS_PER_S,    AIBRIX_COL_USER_SCORE,
	AIBRIX_COL_TIER_BLOCKS,       AIBRIX_COL_SLOWNESS_RATIO,
	AIBRIX_COL_BUSY_UNTIL_S,      AIBRIX_COL_EXTRA_S,
	AIBRIX_COL_HISTORY_REQUESTS,  AIBRIX_COL_HISTORY_S,
	AIBRIX_COL_REQUEST_LOAD_RATIO};

/* Each pick is of a router made for it. */
static int
pick(const char *name, uint32_t profile, const aibrix_fleet *fleet,
     const aibrix_route_request *request, uint64_t now_ns,
     aibrix_route_result *got)
{
	aibrix_route *route = fixture_route(name, profile);
	int err;

	*got = (aibrix_route_result){.size = sizeof(*got), .row = 77};
	err = aibrix_route_pick(route, fleet, request, now_ns, got);
	aibrix_route_free(route);
	cr_assert(err != AIBRIX_OK || got->row < aibrix_fleet_rows(fleet));
	cr_assert(err == AIBRIX_OK || got->row == 77, "untouched");
	return err;
}

static void
expect_same(const aibrix_route_result *a, const aibrix_route_result *b,
	    const char *name, uint32_t profile)
{
	cr_expect_eq(a->row, b->row, "%s %u", name, profile);
	cr_expect_eq(a->reason, b->reason, "%s %u", name, profile);
	cr_expect(a->score == b->score || (isnan(a->score) && isnan(b->score)),
		  "%s %u", name, profile);
	cr_expect_eq(a->ties, b->ties, "%s %u", name, profile);
}

static void
fill(aibrix_fleet *fleet, double x, uint64_t now_ns)
{
	for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++)
		for (uint32_t i = 0; i < aibrix_fleet_rows(fleet); i++)
			cr_assert_eq(aibrix_fleet_set(fleet, i, columns[k], x,
						      now_ns),
				     AIBRIX_OK);
}

Test(route_hostile, an_empty_fleet_has_nobody_for_any_strategy)
{
	aibrix_fleet *empty = fixture_fleet(0, NULL);
	const aibrix_route_request request = {.size = sizeof(request),
					      .n_blocks = 5};
	aibrix_route_result got;
	const char *name;

	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		for (uint32_t profile = 0; profile < 2; profile++)
			cr_expect_eq(
				pick(name, profile, empty, &request, 0, &got),
				AIBRIX_E_NOT_FOUND, "%s %u", name, profile);
	aibrix_fleet_free(empty);
}

/* AIBrix reads 0 where it knows nothing; it then says that all are alike. */
static void
expect_said(int err, const aibrix_route_result *got, const char *name,
	    uint32_t profile)
{
	if (err) {
		cr_expect(err == AIBRIX_E_NOT_FOUND ||
				  err == AIBRIX_E_UNAVAILABLE,
			  "%s %u: %d", name, profile, err);
		return;
	}
	if (got->reason == AIBRIX_REASON_NO_DATA || strcmp(name, "random") == 0)
		return;
	cr_expect_eq(profile, AIBRIX_PROFILE_COMPAT, "%s: %s", name,
		     aibrix_route_reason(got->reason));
	cr_expect_eq(got->ties, strcmp(name, "power-of-two") ? PODS : 2u,
		     "%s: %s", name, aibrix_route_reason(got->reason));
}

Test(route_hostile, with_nothing_but_nan_the_answer_says_so)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	const double nan[PODS] = {NAN, NAN, NAN, NAN, NAN};
	const aibrix_column overlay[] = {{AIBRIX_COL_PREFIX_BLOCKS, PODS, nan},
					 {AIBRIX_COL_HEALTH_RATIO, PODS, nan}};
	const aibrix_route_request request = {.size = sizeof(request),
					      .n_overlay = 2,
					      .overlay = overlay,
					      .n_blocks = 5,
					      .entropy = 3};
	aibrix_route_result got;
	const char *name;

	fill(fleet, NAN, 0);
	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		for (uint32_t profile = 0; profile < 2; profile++)
			expect_said(
				pick(name, profile, fleet, &request, 0, &got),
				&got, name, profile);
	aibrix_fleet_free(fleet);
}

/* Numbers that cannot be: an answer that is the same each time. */
Test(route_hostile, strange_numbers_have_one_answer)
{
	static const double strange[] = {INFINITY, -INFINITY, -1,    -0.0,
					 1e308,    -1e308,    5e-324};
	const aibrix_route_request request = {
		.size = sizeof(request),
		.n_blocks = UINT64_MAX,
		.prompt_tokens = UINT64_MAX,
		.block_tokens = UINT32_MAX,
		.entropy = UINT64_MAX,
	};
	aibrix_route_result got, again;
	const char *name;

	for (size_t k = 0; k < sizeof(strange) / sizeof(strange[0]); k++) {
		aibrix_fleet *fleet = fixture_fleet(PODS, NULL);

		fill(fleet, strange[k], 0);
		for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
			for (uint32_t profile = 0; profile < 2; profile++) {
				int err = pick(name, profile, fleet, &request,
					       0, &got);

				cr_expect_eq(pick(name, profile, fleet,
						  &request, 0, &again),
					     err, "%s %u", name, profile);
				expect_same(&got, &again, name, profile);
				cr_expect(err == AIBRIX_OK ||
						  err == AIBRIX_E_NOT_FOUND ||
						  err == AIBRIX_E_UNAVAILABLE,
					  "%s %u: %d", name, profile, err);
			}
		aibrix_fleet_free(fleet);
	}
}

/* What a fleet was told at 20 s, asked at 20 s and at 0: nothing is older
 * than now, so nothing is forgotten, and no time comes out negative. */
Test(route_hostile, a_clock_that_goes_backwards_forgets_nothing)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	const aibrix_route_request request = {
		.size = sizeof(request), .n_blocks = 5, .entropy = 3};
	aibrix_route_result got, again;
	const char *name;

	fill(fleet, 0.5, 20 * SECOND);
	for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++)
		cr_assert_eq(aibrix_fleet_set(fleet, 3, columns[k], 0.25,
					      20 * SECOND),
			     AIBRIX_OK);
	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		for (uint32_t profile = 0; profile < 2; profile++) {
			int err = pick(name, profile, fleet, &request,
				       20 * SECOND, &got);

			cr_expect_eq(
				pick(name, profile, fleet, &request, 0, &again),
				err, "%s %u", name, profile);
			cr_expect_eq(again.row, got.row, "%s %u", name,
				     profile);
			cr_expect_eq(again.reason, got.reason, "%s %u", name,
				     profile);
		}
	aibrix_fleet_free(fleet);
}

/* Cookies, session keys and strategies are what a client makes of them. */
Test(route_hostile, bytes_of_a_client_change_no_other_strategy)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	char *bytes = malloc(LONG + 1);
	aibrix_route_request plain = {.size = sizeof(plain), .entropy = 3};
	aibrix_route_request full = plain;
	aibrix_route_result got, again;
	const char *name;

	cr_assert_not_null(bytes);
	for (uint32_t i = 0; i < LONG; i++)
		bytes[i] = (char)(i * 37);
	full.session_id = full.session_key = bytes;
	full.session_id_len = full.session_key_len = LONG;
	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		for (uint32_t profile = 0; profile < 2; profile++) {
			int err = pick(name, profile, fleet, &plain, 0, &got);

			cr_expect_eq(
				pick(name, profile, fleet, &full, 0, &again),
				strcmp(name, "session-affinity") || profile
					? err
					: AIBRIX_OK,
				"%s %u", name, profile);
			if (strcmp(name, "session-affinity") == 0)
				cr_expect_neq(again.reason,
					      AIBRIX_REASON_SESSION_ID);
			else
				expect_same(&got, &again, name, profile);
		}
	free(bytes);
	aibrix_fleet_free(fleet);
}

Test(route_hostile, a_strategy_of_a_megabyte_in_a_request_is_a_parse_error)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	char *text = malloc(LONG + 1);
	const aibrix_route_request request = {.size = sizeof(request),
					      .strategy = text};
	aibrix_route_result got;

	cr_assert_not_null(text);
	for (uint32_t i = 0; i < LONG; i++)
		text[i] = "random,"[i % 7];
	text[LONG] = 0;
	for (uint32_t profile = 0; profile < 2; profile++)
		cr_expect_eq(pick("random", profile, fleet, &request, 0, &got),
			     AIBRIX_E_PARSE);
	free(text);
	aibrix_fleet_free(fleet);
}

/* The two queues: what was pushed at 20 s waits no negative time at 0. */
Test(route_hostile, queues_under_a_clock_that_goes_backwards_keep_their_order)
{
	aibrix_vtc_item item = {.size = sizeof(item)};
	aibrix_vtc *vtc;
	uint64_t first, second;

	cr_assert_eq(aibrix_vtc_new(NULL, &vtc), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_push(vtc,
				     &(aibrix_vtc_request){
					     .size = sizeof(aibrix_vtc_request),
					     .user = 1,
					     .input_tokens = UINT32_MAX},
				     20 * SECOND, &first),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_push(vtc,
				     &(aibrix_vtc_request){
					     .size = sizeof(aibrix_vtc_request),
					     .user = 1},
				     0, &second),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_pop(vtc, 0, &item), AIBRIX_OK);
	cr_expect_eq(item.ticket, first);
	cr_expect_eq(item.waited_ns, 0u);
	/* Far more is given back than was ever charged: never below none. */
	cr_expect_eq(aibrix_vtc_done(vtc, first, 0, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_done(vtc, first, 0, 0), AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_vtc_pop(vtc, 0, &item), AIBRIX_OK);
	cr_expect_eq(item.ticket, second);
	cr_expect_eq(item.waited_ns, 0u);
	aibrix_vtc_free(vtc);
}
