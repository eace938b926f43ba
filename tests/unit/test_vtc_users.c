/* What a fair queue promises its users, whoever they are, and the faults of
 * AIBrix's vtc-basic that it has not. */

#include <math.h>

#include <aibrix/vtc_window.h>

#include "vtc_tools.h"

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
