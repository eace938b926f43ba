/* The fair order, and the faults of AIBrix's vtc-basic that it has not. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/vtc.h>
#include <aibrix/vtc_window.h>

enum { HEAVY = 1, LIGHT = 2, THIRD = 3 };

static aibrix_vtc *
new_queue(aibrix_vtc_opts o)
{
	aibrix_vtc *v = NULL;

	o.size = sizeof(o);
	if (o.max_requests == 0)
		o.max_requests = 64;
	if (o.max_user_requests == 0)
		o.max_user_requests = o.max_requests;
	cr_assert_eq(aibrix_vtc_new(&o, &v), AIBRIX_OK);
	return v;
}

static int
try_push(aibrix_vtc *v, uint64_t user, uint32_t input, uint64_t *ticket)
{
	const aibrix_vtc_request r = {.size = sizeof(r),
				      .user = user,
				      .input_tokens = input,
				      .tag = 100 * user + input};

	return aibrix_vtc_push(v, &r, 0, ticket);
}

static uint64_t
push(aibrix_vtc *v, uint64_t user, uint32_t input)
{
	uint64_t ticket = 0;

	cr_assert_eq(try_push(v, user, input, &ticket), AIBRIX_OK);
	cr_assert_neq(ticket, 0);
	return ticket;
}

static uint64_t
push_expecting(aibrix_vtc *v, uint64_t user, uint32_t input, uint32_t expected)
{
	const aibrix_vtc_request r = {.size = sizeof(r),
				      .user = user,
				      .input_tokens = input,
				      .expected_tokens = expected};
	uint64_t ticket = 0;

	cr_assert_eq(aibrix_vtc_push(v, &r, 0, &ticket), AIBRIX_OK);
	return ticket;
}

static aibrix_vtc_item
pop_at(aibrix_vtc *v, uint64_t now_ns)
{
	aibrix_vtc_item item = {.size = sizeof(item)};

	cr_assert_eq(aibrix_vtc_pop(v, now_ns, &item), AIBRIX_OK);
	return item;
}

static aibrix_vtc_item
pop(aibrix_vtc *v)
{
	return pop_at(v, 0);
}

static double
counter(const aibrix_vtc *v, uint64_t user)
{
	double c = -1;

	cr_assert_eq(aibrix_vtc_counter(v, user, &c), AIBRIX_OK);
	return c;
}

static aibrix_vtc_stat
stats(const aibrix_vtc *v)
{
	aibrix_vtc_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_vtc_stats(v, &s), AIBRIX_OK);
	return s;
}

Test(vtc, an_empty_queue_says_not_found)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	aibrix_vtc_item item = {.size = sizeof(item), .tag = 7};

	cr_expect_eq(aibrix_vtc_pop(v, 0, &item), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_peek(v, 0, &item), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(item.tag, 7);
	aibrix_vtc_free(v);
	aibrix_vtc_free(NULL);
}

Test(vtc, one_user_is_served_in_the_order_of_arrival)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});

	for (uint32_t i = 1; i <= 3; i++)
		push(v, HEAVY, i);
	for (uint32_t i = 1; i <= 3; i++) {
		aibrix_vtc_item item = {.size = sizeof(item)};

		cr_expect_eq(aibrix_vtc_peek(v, 0, &item), AIBRIX_OK);
		cr_expect_eq(item.input_tokens, i);
		item = pop(v);
		cr_expect_eq(item.input_tokens, i);
		cr_expect_eq(item.user, HEAVY);
		cr_expect_eq(item.tag, 100 * HEAVY + i);
	}
	aibrix_vtc_free(v);
}

Test(vtc, equals_go_by_arrival_whatever_their_numbers)
{
	for (uint64_t seed = 0; seed < 8; seed++) {
		aibrix_vtc *v = new_queue((aibrix_vtc_opts){.seed = seed});

		push(v, 30, 0);
		push(v, 10, 0);
		push(v, 20, 0);
		cr_expect_eq(pop(v).user, 30);
		cr_expect_eq(pop(v).user, 10);
		cr_expect_eq(pop(v).user, 20);
		aibrix_vtc_free(v);
	}
}

Test(vtc, input_is_charged_at_the_pop_and_output_as_it_comes)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t ticket = push(v, HEAVY, 100);

	cr_expect_eq(counter(v, HEAVY), 0);
	cr_expect_eq(pop(v).ticket, ticket);
	cr_expect_eq(counter(v, HEAVY), 100);
	cr_expect_eq(aibrix_vtc_tokens(v, ticket, 10, 0), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 120);
	cr_expect_eq(aibrix_vtc_tokens(v, ticket, 10, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_tokens(v, ticket, 4, 0), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 120, "old news change nothing");
	cr_expect_eq(aibrix_vtc_done(v, ticket, 100, 25), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 150);
	aibrix_vtc_free(v);
}

Test(vtc, expected_output_is_charged_at_the_pop_and_settled_at_the_end)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t ticket = push_expecting(v, HEAVY, 100, 50);

	pop(v);
	cr_expect_eq(counter(v, HEAVY), 200);
	cr_expect_eq(aibrix_vtc_tokens(v, ticket, 50, 0), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 200);
	cr_expect_eq(aibrix_vtc_tokens(v, ticket, 51, 0), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 202);
	cr_expect_eq(aibrix_vtc_done(v, ticket, 80, 10), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 100, "20 of the prompt were cached");
	aibrix_vtc_free(v);
}

Test(vtc, a_share_divides_what_a_request_costs)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	aibrix_vtc_request r = {.size = sizeof(r),
				.user = HEAVY,
				.input_tokens = 100,
				.share = 4};
	uint64_t ticket;

	cr_assert_eq(aibrix_vtc_push(v, &r, 0, &ticket), AIBRIX_OK);
	pop(v);
	cr_expect_eq(counter(v, HEAVY), 25);
	aibrix_vtc_free(v);
}

Test(vtc, weights_may_be_zero_when_they_are_set)
{
	aibrix_vtc *v = new_queue(
		(aibrix_vtc_opts){.flags = AIBRIX_VTC_INPUT_WEIGHT_SET |
					   AIBRIX_VTC_OUTPUT_WEIGHT_SET,
				  .output_weight = 0.5});
	uint64_t ticket = push(v, HEAVY, 100);

	pop(v);
	cr_expect_eq(counter(v, HEAVY), 0);
	cr_expect_eq(aibrix_vtc_done(v, ticket, 100, 3), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 1.5);
	aibrix_vtc_free(v);
}

Test(vtc, who_comes_back_begins_level_with_those_who_wait)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});

	for (uint32_t i = 0; i < 10; i++)
		push(v, HEAVY, 100);
	for (uint32_t i = 0; i < 5; i++)
		pop(v);
	push(v, LIGHT, 1);
	cr_expect_eq(counter(v, LIGHT), 500);
	cr_expect_eq(stats(v).lifted, 1);
	aibrix_vtc_free(v);
}

Test(vtc, into_an_empty_queue_one_comes_level_with_who_left_it_last)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});

	push(v, HEAVY, 300);
	pop(v);
	push(v, LIGHT, 1);
	cr_expect_eq(counter(v, LIGHT), 300);
	aibrix_vtc_free(v);
}

Test(vtc, what_is_given_back_does_not_undo_a_lift)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t first = push_expecting(v, LIGHT, 0, 100);

	pop(v);
	cr_expect_eq(counter(v, LIGHT), 200);
	push(v, HEAVY, 1000);
	push(v, HEAVY, 1);
	pop(v);
	push(v, LIGHT, 1);
	cr_expect_eq(counter(v, LIGHT), 1200);
	cr_expect_eq(aibrix_vtc_done(v, first, 0, 0), AIBRIX_OK);
	cr_expect_eq(counter(v, LIGHT), 1200);
	aibrix_vtc_free(v);
}

Test(vtc, what_is_put_back_is_first_again_and_costs_nothing)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t first = push(v, HEAVY, 10), second = push(v, HEAVY, 20);

	cr_expect_eq(aibrix_vtc_put_back(v, first), AIBRIX_E_STATE);
	pop(v);
	cr_expect_eq(aibrix_vtc_put_back(v, first), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 0);
	cr_expect_eq(pop(v).ticket, first);
	cr_expect_eq(pop(v).ticket, second);
	cr_expect_eq(aibrix_vtc_put_back(v, second), AIBRIX_OK);
	cr_expect_eq(stats(v).waiting, 1);
	cr_expect_eq(counter(v, HEAVY), 10);
	aibrix_vtc_free(v);
}

Test(vtc, a_cancelled_request_leaves_from_anywhere_in_the_queue)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t a = push(v, HEAVY, 1), b = push(v, HEAVY, 2),
		 c = push(v, HEAVY, 3), d = push(v, LIGHT, 4);

	cr_expect_eq(aibrix_vtc_cancel(v, b), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_cancel(v, a), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_cancel(v, a), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(pop(v).ticket, c);
	cr_expect_eq(aibrix_vtc_cancel(v, c), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_vtc_cancel(v, d), AIBRIX_OK);
	cr_expect_eq(stats(v).waiting, 0);
	cr_expect_eq(stats(v).canceled, 3);
	cr_expect_eq(counter(v, LIGHT), 0, "it has had nothing");
	aibrix_vtc_free(v);
}

Test(vtc, a_ticket_names_one_request_for_ever)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){.max_requests = 1});
	uint64_t old = push(v, HEAVY, 1), new;

	pop(v);
	cr_expect_eq(aibrix_vtc_done(v, old, 1, 0), AIBRIX_OK);
	new = push(v, HEAVY, 1);
	pop(v);
	cr_expect_eq(aibrix_vtc_done(v, old, 1, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_tokens(v, old, 1, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_put_back(v, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_done(v, UINT64_MAX, 1, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_done(v, new, 1, 0), AIBRIX_OK);
	aibrix_vtc_free(v);
}

Test(vtc, a_running_request_that_nobody_speaks_of_ends_with_its_lease)
{
	aibrix_vtc *v =
		new_queue((aibrix_vtc_opts){.max_requests = 2, .lease_ns = 10});
	uint64_t lost = push(v, HEAVY, 5), alive = push(v, HEAVY, 6), ticket;

	pop_at(v, 0);
	pop_at(v, 1);
	cr_expect_eq(aibrix_vtc_tokens(v, alive, 1, 9), AIBRIX_OK);
	cr_expect_eq(try_push(v, LIGHT, 1, &ticket), AIBRIX_E_FULL);
	cr_expect_eq(aibrix_vtc_push(v,
				     &(aibrix_vtc_request){
					     .size = sizeof(aibrix_vtc_request),
					     .user = LIGHT},
				     10, &ticket),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_done(v, lost, 5, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_done(v, alive, 6, 1), AIBRIX_OK);
	cr_expect_eq(stats(v).expired, 1);
	cr_expect_eq(counter(v, HEAVY), 5 + 6 + 2, "what it had it has had");
	aibrix_vtc_free(v);
}

Test(vtc, an_item_says_how_long_it_waited_and_no_clock_makes_that_negative)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	aibrix_vtc_request r = {.size = sizeof(r), .user = HEAVY};
	aibrix_vtc_item item = {.size = sizeof(item)};
	uint64_t ticket;

	cr_assert_eq(aibrix_vtc_push(v, &r, 1000, &ticket), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_peek(v, 1700, &item), AIBRIX_OK);
	cr_expect_eq(item.waited_ns, 700);
	cr_expect_eq(pop_at(v, 10).waited_ns, 0);
	aibrix_vtc_free(v);
}

Test(vtc, one_user_cannot_fill_the_queue)
{
	aibrix_vtc_opts o = {.size = sizeof(o), .max_requests = 8};
	aibrix_vtc *v = NULL;
	uint64_t ticket;

	cr_assert_eq(aibrix_vtc_new(&o, &v), AIBRIX_OK);
	push(v, HEAVY, 1);
	push(v, HEAVY, 1);
	cr_expect_eq(try_push(v, HEAVY, 1, &ticket), AIBRIX_E_BUSY);
	pop(v);
	cr_expect_eq(try_push(v, HEAVY, 1, &ticket), AIBRIX_E_BUSY);
	push(v, LIGHT, 1);
	aibrix_vtc_free(v);
}

Test(vtc, a_full_queue_refuses_and_forgets_nobody)
{
	aibrix_vtc *v =
		new_queue((aibrix_vtc_opts){.max_requests = 2, .max_users = 2});
	uint64_t ticket = 77, a = push(v, 1, 1);

	push(v, 2, 1);
	cr_expect_eq(try_push(v, 3, 1, &ticket), AIBRIX_E_FULL);
	cr_expect_eq(aibrix_vtc_cancel(v, a), AIBRIX_OK);
	cr_expect_eq(try_push(v, 3, 1, &ticket), AIBRIX_OK);
	cr_expect_eq(stats(v).forgotten, 1);
	cr_expect_eq(stats(v).users, 2);
	aibrix_vtc_free(v);
}

Test(vtc, users_who_all_have_something_are_not_forgotten)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){.max_users = 2});
	uint64_t ticket = 77;

	push(v, 1, 1);
	pop(v);
	push(v, 2, 1);
	cr_expect_eq(try_push(v, 3, 1, &ticket), AIBRIX_E_FULL);
	cr_expect_eq(ticket, 77);
	aibrix_vtc_free(v);
}

/* Names without end push a debtor out of no table: who owes most goes last. */
Test(vtc, many_names_make_nobody_who_owes_forgotten)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){.max_users = 4});
	uint64_t heavy = push(v, HEAVY, 1);

	pop(v);
	push(v, LIGHT, 0); /* waits all the time */
	cr_assert_eq(aibrix_vtc_done(v, heavy, 1, 1000), AIBRIX_OK);
	for (uint64_t user = 100; user < 1000; user++)
		cr_assert_eq(aibrix_vtc_cancel(v, push(v, user, 0)), AIBRIX_OK);
	cr_expect_eq(stats(v).forgotten, 898);
	cr_expect_eq(counter(v, HEAVY), 2001);
	cr_expect_eq(counter(v, 999), 1);
	aibrix_vtc_free(v);
}

/* And where all owe, who is forgotten comes back with what it owed. */
Test(vtc, a_debt_cannot_be_shed_by_being_forgotten)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){.max_users = 4});
	uint64_t heavy = push(v, HEAVY, 0), a = push(v, 10, 0),
		 b = push(v, 11, 0);
	double c;

	push(v, LIGHT, 0);
	for (int i = 0; i < 3; i++)
		pop(v);
	cr_assert_eq(aibrix_vtc_done(v, heavy, 0, 1000), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_done(v, a, 0, 5000), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_done(v, b, 0, 5000), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_cancel(v, push(v, 3000, 0)), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_counter(v, HEAVY, &c), AIBRIX_E_NOT_FOUND);
	push(v, HEAVY, 0);
	cr_expect_eq(counter(v, HEAVY), 2000);
	cr_expect_eq(counter(v, LIGHT), 0);
	aibrix_vtc_free(v);
}

Test(vtc, all_counters_are_lowered_together_before_they_end)
{
	aibrix_vtc *v = new_queue(
		(aibrix_vtc_opts){.input_weight = 1000, .output_weight = 1000});
	double apart;

	push(v, HEAVY, 1000);
	push(v, LIGHT, 2000);
	for (int i = 0; i < 30000; i++) {
		uint64_t user = i % 2 ? HEAVY : LIGHT;
		aibrix_vtc_item item;

		push(v, user, UINT32_MAX);
		item = pop(v);
		cr_assert_eq(aibrix_vtc_done(v, item.ticket, item.input_tokens,
					     UINT32_MAX),
			     AIBRIX_OK);
	}
	cr_expect_gt(stats(v).rebased, 0);
	apart = counter(v, HEAVY) - counter(v, LIGHT);
	cr_expect_leq(fabs(apart), 2 * ldexp(1, 40), "%g", apart);
	cr_expect_lt(counter(v, HEAVY), ldexp(1, 53));
	aibrix_vtc_free(v);
}

/*
 * Theorem 4.4 of the paper: of two users who both always have something
 * waiting neither gets more than 2 max(w_in L_in, w_out M) ahead, M being
 * the tokens that run at a time.
 */
Test(vtc, two_who_always_want_more_get_the_same_within_a_bound)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	double served[3] = {0}, bound = 2 * (1000 + 2 * 50);

	for (int i = 0; i < 8; i++) {
		push(v, HEAVY, 1000);
		push(v, LIGHT, 10);
	}
	for (int i = 0; i < 2000; i++) {
		aibrix_vtc_item item = pop(v);

		served[item.user] += item.input_tokens + 2 * 50.0;
		cr_assert_eq(
			aibrix_vtc_done(v, item.ticket, item.input_tokens, 50),
			AIBRIX_OK);
		push(v, item.user, item.input_tokens);
		cr_assert_leq(fabs(served[HEAVY] - served[LIGHT]), bound);
	}
	cr_expect_gt(served[HEAVY], 100000);
	aibrix_vtc_free(v);
}

Test(vtc, wrong_options_and_requests_are_refused)
{
	static const aibrix_vtc_opts bad[] = {
		{.size = sizeof(bad[0]), .max_requests = (1 << 24) + 1},
		{.size = sizeof(bad[0]), .max_users = (1 << 25) + 1},
		{.size = sizeof(bad[0]),
		 .max_requests = 4,
		 .max_user_requests = 5},
		{.size = sizeof(bad[0]), .spare = 1},
		{.size = sizeof(bad[0]), .input_weight = -1},
		{.size = sizeof(bad[0]), .input_weight = 1001},
		{.size = sizeof(bad[0]), .output_weight = NAN},
	};
	static const aibrix_vtc_request wrong[] = {
		{.size = sizeof(wrong[0])},
		{.size = sizeof(wrong[0]), .user = 1, .spare = 1},
		{.size = sizeof(wrong[0]), .user = 1, .share = NAN},
		{.size = sizeof(wrong[0]), .user = 1, .share = 0.0001},
		{.size = sizeof(wrong[0]), .user = 1, .share = 1001},
	};
	aibrix_vtc_opts unknown = {.size = sizeof(unknown), .flags = 4};
	aibrix_vtc *v = NULL;
	uint64_t ticket = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(aibrix_vtc_new(&bad[i], &v), AIBRIX_E_INVAL, "%zu",
			     i);
	cr_expect_eq(aibrix_vtc_new(&unknown, &v), AIBRIX_E_ABI);
	cr_expect_null(v);
	v = new_queue((aibrix_vtc_opts){0});
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_expect_eq(aibrix_vtc_push(v, &wrong[i], 0, &ticket),
			     AIBRIX_E_INVAL, "%zu", i);
	cr_expect_eq(aibrix_vtc_push(v, NULL, 0, &ticket), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_done(NULL, 1, 0, 0), AIBRIX_E_INVAL);
	cr_expect_eq(ticket, 77);
	cr_expect_eq(stats(v).pushed, 0);
	aibrix_vtc_free(v);
}

Test(vtc, names_have_numbers_that_depend_on_the_seed)
{
	uint64_t alice = aibrix_vtc_user(1, "alice", 5);

	cr_expect_eq(alice, aibrix_vtc_user(1, "alice", 5));
	cr_expect_neq(alice, aibrix_vtc_user(2, "alice", 5));
	cr_expect_neq(alice, aibrix_vtc_user(1, "alicf", 5));
	cr_expect_neq(alice, aibrix_vtc_user(1, "alice\0", 6));
	cr_expect_eq(aibrix_vtc_user(1, "", 0), 0);
	/* SHA-256 of 01 00 00 00 00 00 00 00 "alice", computed apart. */
	cr_expect_eq(alice, 0x0bbb779173d52277u);
}

/*
 * AIBrix's defect 7: a user is moved to another index of a shuffled list, so
 * a light user may wait behind a heavy one on the same pod; here the heavy
 * one waits, and there is no list.
 */
Test(vtc, defect_7_a_heavy_user_is_delayed_where_compat_moves_it)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	aibrix_vtc_score_request on = {.size = sizeof(on),
				       .n = 2,
				       .user_tokens = 9000,
				       .least = 100,
				       .most = 9000};
	double first, second;

	cr_assert_eq(aibrix_vtc_score(&on, &first), AIBRIX_OK);
	on.index = 1;
	cr_assert_eq(aibrix_vtc_score(&on, &second), AIBRIX_OK);
	cr_expect_lt(second, first, "compat: whichever pod stands second");

	for (int i = 0; i < 4; i++)
		push(v, HEAVY, 3000);
	pop(v);
	push(v, LIGHT, 50);
	push(v, LIGHT, 50);
	cr_expect_eq(pop(v).user, HEAVY, "level, and it came first");
	cr_expect_eq(pop(v).user, LIGHT);
	cr_expect_eq(pop(v).user, LIGHT);
	cr_expect_eq(pop(v).user, HEAVY);
	aibrix_vtc_free(v);
}

/* AIBrix charges an estimate of bytes and never learns what was used. */
Test(vtc, defect_7_what_was_used_counts_and_not_what_was_estimated)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t talker = push(v, HEAVY, 10), quiet = push(v, LIGHT, 10);

	pop(v);
	pop(v);
	cr_assert_eq(aibrix_vtc_done(v, talker, 10, 4000), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_done(v, quiet, 10, 1), AIBRIX_OK);
	cr_expect_eq(counter(v, HEAVY), 8010);
	cr_expect_eq(counter(v, LIGHT), 12);
	aibrix_vtc_free(v);
}

/* AIBrix accounts nothing when vtc-basic is one of several strategies: here
 * the queue charges, whatever picks the pod. */
Test(vtc, defect_7_every_pop_is_charged_whoever_picks_the_pod)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});

	for (uint32_t i = 1; i <= 10; i++) {
		push(v, HEAVY, 5);
		pop(v);
		cr_expect_eq(counter(v, HEAVY), 5 * i);
	}
	aibrix_vtc_free(v);
}

/* AIBrix keeps every user that ever was. */
Test(vtc, defect_7_users_without_end_take_no_more_memory)
{
	aibrix_vtc *v = new_queue(
		(aibrix_vtc_opts){.max_requests = 16, .max_users = 16});
	uint64_t bytes = stats(v).bytes;

	for (uint64_t user = 1; user <= 100000; user++) {
		uint64_t t = push(v, user, 1);

		pop(v);
		cr_assert_eq(aibrix_vtc_done(v, t, 1, 1), AIBRIX_OK);
	}
	cr_expect_eq(stats(v).bytes, bytes);
	cr_expect_eq(stats(v).users, 16);
	aibrix_vtc_free(v);
}
