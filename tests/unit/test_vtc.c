/* The fair order, call by call. */

#include <math.h>

#include "vtc_tools.h"

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

Test(vtc, who_comes_next_can_be_seen_without_a_pop)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	aibrix_vtc_item item = {.size = sizeof(item), .tag = 7};

	cr_expect_eq(aibrix_vtc_look(v, 0, 0, &item), AIBRIX_E_NOT_FOUND);
	for (uint64_t user = 1; user <= 20; user++) {
		push(v, user, (uint32_t)(5 * user % 21));
		push(v, user, 50);
	}
	/* Charged 5, 10, 15, 20, 4, ...: each user's second is left. */
	for (uint32_t i = 0; i < 20; i++)
		pop(v);
	for (uint32_t i = 0; i < AIBRIX_VTC_LOOK_MAX; i++) {
		cr_expect_eq(aibrix_vtc_look(v, i, 0, &item), AIBRIX_OK);
		cr_expect_eq(counter(v, item.user), i + 1, "%u", i);
		cr_expect_eq(item.input_tokens, 50);
	}
	cr_expect_eq(stats(v).popped, 20);
	aibrix_vtc_free(v);
}

Test(vtc, one_that_is_taken_before_its_turn_is_charged_as_any)
{
	aibrix_vtc *v = new_queue((aibrix_vtc_opts){0});
	uint64_t first = push(v, HEAVY, 100);
	uint64_t light = push(v, LIGHT, 10), later = push(v, LIGHT, 20);
	aibrix_vtc_item item = {.size = sizeof(item)};

	cr_assert_eq(aibrix_vtc_look(v, 1, 0, &item), AIBRIX_OK);
	cr_expect_eq(item.ticket, light);
	cr_expect_eq(aibrix_vtc_take(v, later, 0), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_vtc_take(v, light, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_take(v, light, 0), AIBRIX_E_STATE);
	cr_expect_eq(counter(v, LIGHT), 10);
	cr_expect_eq(pop(v).ticket, first, "still the first");
	cr_expect_eq(aibrix_vtc_look(v, 1, 0, &item), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_done(v, light, 10, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_vtc_take(v, light, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_vtc_take(NULL, later, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_look(v, AIBRIX_VTC_LOOK_MAX, 0, &item),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_look(v, 0, 0, NULL), AIBRIX_E_INVAL);
	aibrix_vtc_free(v);
}
