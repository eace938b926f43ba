#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/agree.h>

enum { RANKS = 3, REQUESTS = 2, MESSAGE = 40 + 4 * REQUESTS };

static aibrix_agree *
new_rank(uint32_t rank, uint64_t epoch)
{
	aibrix_agree_opts opts = {.size = sizeof(opts),
				  .ranks = RANKS,
				  .rank = rank,
				  .requests = REQUESTS,
				  .epoch = epoch};
	aibrix_agree *a = NULL;

	cr_assert_eq(aibrix_agree_new(&opts, &a), AIBRIX_OK);
	cr_assert_eq(aibrix_agree_bytes(a), (uint64_t)MESSAGE);
	return a;
}

static void
begin(aibrix_agree *a, uint64_t step, uint64_t tag, uint32_t x, uint32_t y)
{
	const uint32_t lengths[] = {x, y};

	cr_assert_eq(aibrix_agree_begin(a, step, tag, lengths, 2, 100),
		     AIBRIX_OK);
}

static uint32_t
send(const aibrix_agree *from, aibrix_agree *to)
{
	uint8_t message[MESSAGE];
	uint32_t reply = 77;

	cr_assert_eq(aibrix_agree_write(from, message, MESSAGE), AIBRIX_OK);
	cr_assert_eq(aibrix_agree_read(to, message, MESSAGE, &reply),
		     AIBRIX_OK);
	return reply;
}

static void
expect_told(aibrix_agree *a, uint64_t now_ns, uint32_t x, uint32_t y)
{
	uint32_t got[] = {77, 77};

	cr_expect_eq(aibrix_agree_poll(a, now_ns, got), AIBRIX_OK);
	cr_expect_eq(got[0], x);
	cr_expect_eq(got[1], y);
}

static int
poll(aibrix_agree *a, uint64_t now_ns)
{
	uint32_t got[] = {77, 77};
	int err = aibrix_agree_poll(a, now_ns, got);

	if (err)
		cr_expect(got[0] == 77 && got[1] == 77);
	return err;
}

static aibrix_agree *rank[RANKS];

static void
set_up(void)
{
	for (uint32_t r = 0; r < RANKS; r++)
		rank[r] = new_rank(r, 1);
}

static void
tear_down(void)
{
	for (uint32_t r = 0; r < RANKS; r++)
		aibrix_agree_free(rank[r]);
}

TestSuite(agree, .init = set_up, .fini = tear_down);

Test(agree, all_are_told_the_least_of_each_request)
{
	begin(rank[0], 1, 7, 64, 16);
	begin(rank[1], 1, 7, 48, 32);
	begin(rank[2], 1, 7, 80, 32);
	cr_expect_eq(send(rank[1], rank[0]), 0u);
	cr_expect_eq(poll(rank[0], 0), AIBRIX_E_AGAIN);
	cr_expect_eq(send(rank[2], rank[0]), 2u);
	cr_expect_eq(send(rank[0], rank[1]), 0u);
	cr_expect_eq(send(rank[0], rank[2]), 0u);
	for (uint32_t r = 0; r < RANKS; r++)
		expect_told(rank[r], 0, 48, 16);
}

Test(agree, a_silent_rank_costs_the_others_the_cache)
{
	begin(rank[0], 1, 7, 64, 16);
	begin(rank[1], 1, 7, 48, 32);
	send(rank[1], rank[0]);
	cr_expect_eq(poll(rank[0], 99), AIBRIX_E_AGAIN);
	expect_told(rank[0], 100, 0, 0);
	send(rank[0], rank[1]);
	expect_told(rank[1], 99, 0, 0);
	/* Its vote comes too late, and it is told so. */
	begin(rank[2], 1, 7, 80, 32);
	cr_expect_eq(send(rank[2], rank[0]), 2u);
	send(rank[0], rank[2]);
	expect_told(rank[2], 0, 0, 0);
}

Test(agree, without_a_decision_there_is_no_length)
{
	begin(rank[1], 1, 7, 48, 32);
	cr_expect_eq(poll(rank[1], 99), AIBRIX_E_AGAIN);
	cr_expect_eq(poll(rank[1], 100), AIBRIX_E_TIMEOUT);
	/* One that comes now is not taken: the host has given up. */
	begin(rank[0], 1, 7, 64, 16);
	cr_expect_eq(poll(rank[0], 100), AIBRIX_OK);
	send(rank[0], rank[1]);
	cr_expect_eq(poll(rank[1], 0), AIBRIX_E_TIMEOUT);
}

Test(agree, an_old_vote_is_not_one_for_the_next_step)
{
	uint8_t old[MESSAGE];
	uint32_t reply;

	begin(rank[1], 1, 7, 48, 32);
	cr_assert_eq(aibrix_agree_write(rank[1], old, MESSAGE), AIBRIX_OK);
	begin(rank[0], 2, 7, 64, 16);
	begin(rank[2], 2, 7, 64, 16);
	cr_assert_eq(aibrix_agree_read(rank[0], old, MESSAGE, &reply),
		     AIBRIX_OK);
	cr_expect_eq(poll(rank[0], 0), AIBRIX_E_AGAIN);
	begin(rank[1], 2, 7, 5, 6);
	send(rank[1], rank[0]);
	cr_assert_eq(aibrix_agree_read(rank[0], old, MESSAGE, &reply),
		     AIBRIX_OK);
	send(rank[2], rank[0]);
	expect_told(rank[0], 0, 5, 6);
}

Test(agree, a_vote_may_come_before_the_step)
{
	begin(rank[1], 4, 7, 5, 6);
	begin(rank[2], 4, 7, 6, 5);
	send(rank[1], rank[0]);
	send(rank[2], rank[0]);
	begin(rank[0], 4, 7, 9, 9);
	expect_told(rank[0], 0, 5, 5);
}

Test(agree, messages_of_another_epoch_change_nothing)
{
	aibrix_agree *old = new_rank(1, 0);

	begin(old, 1, 7, 48, 32);
	begin(rank[0], 1, 7, 64, 16);
	begin(rank[2], 1, 7, 64, 16);
	send(rank[2], rank[0]);
	send(old, rank[0]);
	cr_expect_eq(poll(rank[0], 0), AIBRIX_E_AGAIN);
	aibrix_agree_free(old);
}

Test(agree, a_rank_that_started_again_does_not_take_what_it_lost)
{
	aibrix_agree *again = new_rank(1, 1), *enough = new_rank(1, 1);

	for (uint32_t r = 0; r < RANKS; r++)
		begin(rank[r], 1, 7, 64, 16);
	send(rank[1], rank[0]);
	send(rank[2], rank[0]);
	expect_told(rank[0], 0, 64, 16);
	begin(again, 1, 7, 64, 15);
	cr_expect_eq(send(again, rank[0]), 1u);
	send(rank[0], again);
	cr_expect_eq(poll(again, 0), AIBRIX_E_CANCELED);
	begin(enough, 1, 7, 80, 16);
	send(rank[0], enough);
	expect_told(enough, 0, 64, 16);
	aibrix_agree_free(again);
	aibrix_agree_free(enough);
}

Test(agree, of_two_votes_of_a_rank_the_least_counts)
{
	aibrix_agree *again = new_rank(1, 1);

	for (uint32_t r = 0; r < RANKS; r++)
		begin(rank[r], 1, 7, 64, 16);
	begin(again, 1, 7, 80, 5);
	send(rank[1], rank[0]);
	send(again, rank[0]);
	send(rank[1], rank[0]);
	send(rank[2], rank[0]);
	expect_told(rank[0], 0, 64, 5);
	send(rank[0], again);
	expect_told(again, 0, 64, 5);
	aibrix_agree_free(again);
}

Test(agree, two_votes_about_other_requests_are_none)
{
	aibrix_agree *again = new_rank(1, 1);

	for (uint32_t r = 0; r < RANKS; r++)
		begin(rank[r], 1, 7, 64, 16);
	begin(again, 1, 8, 64, 16);
	send(rank[1], rank[0]);
	send(again, rank[0]);
	send(rank[2], rank[0]);
	expect_told(rank[0], 0, 0, 0);
	aibrix_agree_free(again);
}

Test(agree, ranks_that_mean_other_requests_have_nothing_in_common)
{
	begin(rank[0], 1, 7, 64, 16);
	begin(rank[1], 1, 8, 64, 16);
	begin(rank[2], 1, 7, 64, 16);
	send(rank[1], rank[0]);
	send(rank[2], rank[0]);
	expect_told(rank[0], 0, 0, 0);
}

Test(agree, a_step_may_have_no_requests_and_a_group_one_rank)
{
	aibrix_agree_opts opts = {
		.size = sizeof(opts), .ranks = 1, .requests = 1};
	const uint32_t length = 5;
	aibrix_agree *a = NULL;
	uint32_t got = 0;

	cr_assert_eq(aibrix_agree_new(&opts, &a), AIBRIX_OK);
	cr_expect_eq(aibrix_agree_begin(a, 0, 0, NULL, 0, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_agree_poll(a, 0, NULL), AIBRIX_OK);
	cr_expect_eq(aibrix_agree_begin(a, 1, 0, &length, 1, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_agree_poll(a, 0, &got), AIBRIX_OK);
	cr_expect_eq(got, 5u);
	aibrix_agree_free(a);
}

Test(agree, steps_go_up)
{
	const uint32_t lengths[3] = {0};

	cr_expect_eq(poll(rank[0], 0), AIBRIX_E_STATE);
	begin(rank[0], 5, 7, 1, 1);
	cr_expect_eq(aibrix_agree_begin(rank[0], 5, 7, lengths, 2, 100),
		     AIBRIX_E_STATE);
	cr_expect_eq(aibrix_agree_begin(rank[0], 6, 7, lengths, 3, 100),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_agree_begin(rank[0], 6, 7, NULL, 1, 100),
		     AIBRIX_E_INVAL);
}

Test(agree, what_is_no_message_is_refused)
{
	uint8_t message[MESSAGE];
	uint32_t reply = 77;

	cr_expect_eq(aibrix_agree_write(rank[1], message, MESSAGE),
		     AIBRIX_E_AGAIN);
	begin(rank[0], 1, 7, 64, 16);
	cr_expect_eq(aibrix_agree_write(rank[0], message, MESSAGE),
		     AIBRIX_E_AGAIN);
	begin(rank[1], 1, 7, 64, 16);
	cr_expect_eq(aibrix_agree_write(rank[1], message, MESSAGE - 1),
		     AIBRIX_E_SPACE);
	cr_assert_eq(aibrix_agree_write(rank[1], message, MESSAGE), AIBRIX_OK);
	cr_expect_eq(aibrix_agree_read(rank[0], message, MESSAGE - 1, &reply),
		     AIBRIX_E_PARSE);
	/* magic, kind, rank, number of requests */
	for (uint32_t at = 0; at < 40; at += at == 4 ? 28 : 4) {
		message[at + 1] ^= 0x40;
		cr_expect_eq(
			aibrix_agree_read(rank[0], message, MESSAGE, &reply),
			AIBRIX_E_PARSE, "byte %u", at);
		message[at + 1] ^= 0x40;
	}
	cr_expect_eq(reply, 77u);
}

Test(agree, groups_have_limits)
{
	static const aibrix_agree_opts wrong[] = {
		{.ranks = 0, .requests = 1},
		{.ranks = 1025, .requests = 1},
		{.ranks = 2, .rank = 2, .requests = 1},
		{.ranks = 1, .requests = 0},
		{.ranks = 1, .requests = 65537},
	};
	aibrix_agree *a = NULL;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		aibrix_agree_opts opts = wrong[i];

		opts.size = sizeof(opts);
		cr_expect_eq(aibrix_agree_new(&opts, &a), AIBRIX_E_INVAL);
	}
	cr_expect_null(a);
	cr_expect_eq(aibrix_agree_new(NULL, &a), AIBRIX_E_INVAL);
	aibrix_agree_free(NULL);
}
