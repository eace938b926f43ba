#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/admit.h>

enum {
	CLEAR = AIBRIX_ADMIT_DO_CLEAR,
	DISCARD = AIBRIX_ADMIT_DO_DISCARD,
	APPLY = AIBRIX_ADMIT_DO_APPLY,
	HOLD = AIBRIX_ADMIT_DO_HOLD,
	DROP = AIBRIX_ADMIT_DO_DROP,
	REPLAY = AIBRIX_ADMIT_DO_REPLAY,
	RELEASE = AIBRIX_ADMIT_DO_RELEASE,
	DEGRADED = AIBRIX_ADMIT_DEGRADED,
	LIVE = AIBRIX_ADMIT_LIVE,
	REPLAYED = AIBRIX_ADMIT_REPLAYED,
	REPLAY_END = AIBRIX_ADMIT_REPLAY_END,
	FAILED = AIBRIX_ADMIT_REPLAY_FAILED,
	HELD = AIBRIX_ADMIT_HELD,
	TICK = AIBRIX_ADMIT_TICK,
	CONNECTED = AIBRIX_ADMIT_CONNECTED,
	DISCONNECTED = AIBRIX_ADMIT_DISCONNECTED,
	CLEARED = AIBRIX_ADMIT_CLEARED
};

static const aibrix_admit_opts with_replay = {.size = sizeof(with_replay),
					      .flags = AIBRIX_ADMIT_CAN_REPLAY,
					      .hold_max = 3,
					      .keep_lost = 4,
					      .replay_ns = 100};
static const aibrix_admit_opts without = {
	.size = sizeof(without), .keep_lost = 4, .replay_ns = 100};

/* Prints of batches are their numbers, in the life they belong to. */
static uint32_t
step_at(const aibrix_admit_opts *opts, aibrix_admit *s, uint32_t kind,
	uint64_t seq, uint64_t print, uint64_t now_ns, uint64_t *from)
{
	aibrix_admit_action a = {.size = sizeof(a)};

	cr_assert_eq(aibrix_admit_step(opts, s, kind, seq, print, now_ns, &a),
		     AIBRIX_OK);
	if (from)
		*from = a.from;
	return a.flags;
}

static uint32_t
step(const aibrix_admit_opts *opts, aibrix_admit *s, uint32_t kind,
     uint64_t seq)
{
	return step_at(opts, s, kind, seq, seq + 1, 0, NULL);
}

/* Follows a stream of which it has applied batches 0 to n - 1. */
static aibrix_admit
following(const aibrix_admit_opts *opts, uint64_t n)
{
	aibrix_admit s = {.size = sizeof(s)};

	for (uint64_t seq = 0; seq < n; seq++)
		cr_assert(step(opts, &s, LIVE, seq) & APPLY);
	cr_assert_eq(s.phase, AIBRIX_ADMIT_FOLLOW);
	cr_assert_eq(s.next, n);
	return s;
}

Test(admit, the_next_batch_is_applied)
{
	aibrix_admit s = following(&with_replay, 3);

	cr_expect_eq(step(&with_replay, &s, LIVE, 3), APPLY);
	cr_expect_eq(s.applied, 4);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS);
}

Test(admit, number_0_again_is_a_restart)
{
	aibrix_admit s = following(&with_replay, 3);

	cr_expect_eq(step(&with_replay, &s, LIVE, 0), CLEAR | APPLY);
	cr_expect_eq(s.epoch, 1);
	cr_expect_eq(step(&with_replay, &s, LIVE, 1), APPLY);
}

Test(admit, a_number_below_the_cursor_is_a_restart_whose_start_is_replayed)
{
	aibrix_admit s = following(&with_replay, 100);
	uint64_t from = 9;

	cr_expect_eq(step_at(&with_replay, &s, LIVE, 2, 77, 0, &from),
		     CLEAR | HOLD | REPLAY);
	cr_expect_eq(from, 0);
	cr_expect_eq(s.epoch, 1);
}

Test(admit, without_replay_a_restart_goes_on_from_what_came_first)
{
	aibrix_admit s = following(&without, 100);

	cr_expect_eq(step(&without, &s, LIVE, 2), CLEAR | APPLY | DEGRADED);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS | AIBRIX_ADMIT_MISSING);
	cr_expect_eq(s.lost, 0, "of the new process nothing is known to miss");
	cr_expect_eq(step(&without, &s, LIVE, 3), APPLY);
}

Test(admit, the_same_batch_twice_is_dropped)
{
	aibrix_admit s = following(&with_replay, 3);

	cr_expect_eq(step(&with_replay, &s, LIVE, 2), DROP);
	cr_expect_eq(s.duplicates, 1);
	cr_expect_eq(s.next, 3);
}

Test(admit, the_last_number_with_other_bytes_is_a_restart)
{
	aibrix_admit s = following(&with_replay, 1);

	cr_expect_eq(step_at(&with_replay, &s, LIVE, 0, 55, 0, NULL),
		     CLEAR | APPLY);
}

Test(admit, a_gap_is_replayed_from_the_first_batch_that_misses)
{
	aibrix_admit s = following(&with_replay, 3);
	uint64_t from = 0;

	cr_expect_eq(step_at(&with_replay, &s, LIVE, 5, 6, 0, &from),
		     HOLD | REPLAY);
	cr_expect_eq(from, 3);
	cr_expect_eq(s.gaps, 1);
	cr_expect_eq(step(&with_replay, &s, LIVE, 6), HOLD);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 3), APPLY);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 4), APPLY);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 5), APPLY);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), RELEASE);
	cr_expect_eq(step(&with_replay, &s, HELD, 5), DROP, "replayed");
	cr_expect_eq(step(&with_replay, &s, HELD, 6), APPLY);
	cr_expect_eq(s.phase, AIBRIX_ADMIT_FOLLOW);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS, "nothing was lost");
	cr_expect_eq(step(&with_replay, &s, LIVE, 7), APPLY);
}

Test(admit, the_end_marker_ends_a_replay_as_well)
{
	aibrix_admit s = following(&with_replay, 1);

	step(&with_replay, &s, LIVE, 2);
	step(&with_replay, &s, REPLAYED, 1);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, AIBRIX_ADMIT_END),
		     RELEASE);
}

Test(admit, a_replay_ahead_of_the_live_socket_makes_duplicates)
{
	aibrix_admit s = following(&with_replay, 1);

	step(&with_replay, &s, LIVE, 2);
	step(&with_replay, &s, REPLAYED, 1);
	step(&with_replay, &s, REPLAYED, 2);
	step(&with_replay, &s, REPLAYED, 3);
	step(&with_replay, &s, REPLAY_END, 0);
	cr_expect_eq(step(&with_replay, &s, HELD, 2), DROP);
	cr_expect_eq(step(&with_replay, &s, LIVE, 3), DROP);
	cr_expect_eq(step(&with_replay, &s, LIVE, 4), APPLY);
}

Test(admit, a_replay_that_cannot_reach_back_clears_and_goes_on_from_there)
{
	aibrix_admit s = following(&with_replay, 3);

	step(&with_replay, &s, LIVE, 9);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 5),
		     CLEAR | APPLY | DEGRADED);
	cr_expect_eq(s.flags & (AIBRIX_ADMIT_STALE | AIBRIX_ADMIT_MISSING),
		     AIBRIX_ADMIT_MISSING);
	cr_expect_eq(s.lost, 2);
	cr_expect_eq(s.epoch, 0, "the same process");
}

Test(admit, a_reply_lost_on_its_way_is_asked_for_again)
{
	aibrix_admit s = following(&with_replay, 3);
	uint64_t from = 0;

	step(&with_replay, &s, LIVE, 9);
	step(&with_replay, &s, REPLAYED, 3);
	cr_expect_eq(step_at(&with_replay, &s, REPLAYED, 6, 7, 0, &from),
		     DROP | REPLAY);
	cr_expect_eq(from, 4);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 4), APPLY);
}

Test(admit, a_replay_that_ends_early_is_asked_again_while_it_helps)
{
	aibrix_admit s = following(&with_replay, 3);
	uint64_t from = 0;

	step(&with_replay, &s, LIVE, 6);
	step(&with_replay, &s, REPLAYED, 3);
	cr_expect_eq(step_at(&with_replay, &s, REPLAY_END, 0, 0, 0, &from),
		     REPLAY);
	cr_expect_eq(from, 4);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), RELEASE | DEGRADED);
	cr_expect_eq(s.lost, 2, "4 and 5");
}

Test(admit, a_small_loss_keeps_the_blocks_and_says_stale)
{
	aibrix_admit s = following(&with_replay, 3);

	step(&with_replay, &s, LIVE, 7);
	cr_expect_eq(step(&with_replay, &s, FAILED, 0), RELEASE | DEGRADED);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS | AIBRIX_ADMIT_STALE |
				      AIBRIX_ADMIT_MISSING);
	cr_expect_eq(s.lost, 4);
	cr_expect_eq(s.failed, 1);
	cr_expect_eq(step(&with_replay, &s, HELD, 7), APPLY);
}

Test(admit, a_large_loss_clears)
{
	aibrix_admit s = following(&with_replay, 3);

	step(&with_replay, &s, LIVE, 8);
	cr_expect_eq(step(&with_replay, &s, FAILED, 0),
		     CLEAR | RELEASE | DEGRADED);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_MISSING);
}

Test(admit, a_strict_stream_clears_at_any_loss)
{
	aibrix_admit_opts strict = without;
	aibrix_admit s = following(&without, 3);

	strict.flags = AIBRIX_ADMIT_STRICT;
	cr_expect_eq(step(&strict, &s, LIVE, 4), CLEAR | APPLY | DEGRADED);
}

Test(admit, without_replay_a_gap_is_lost_at_once)
{
	aibrix_admit s = following(&without, 3);

	cr_expect_eq(step(&without, &s, LIVE, 5), APPLY | DEGRADED);
	cr_expect_eq(s.lost, 2);
	cr_expect(s.flags & AIBRIX_ADMIT_STALE);
	cr_expect_eq(step(&without, &s, LIVE, 10), APPLY | DEGRADED, "4");
	cr_expect_eq(step(&without, &s, LIVE, 16), CLEAR | APPLY | DEGRADED,
		     "5");
}

Test(admit, a_replay_without_progress_times_out)
{
	aibrix_admit s = following(&with_replay, 1);

	step_at(&with_replay, &s, LIVE, 4, 5, 1000, NULL);
	cr_expect_eq(step_at(&with_replay, &s, REPLAYED, 1, 2, 1090, NULL),
		     APPLY);
	cr_expect_eq(step_at(&with_replay, &s, TICK, 0, 0, 1189, NULL), 0);
	cr_expect_eq(step_at(&with_replay, &s, TICK, 0, 0, 1190, NULL),
		     RELEASE | DEGRADED);
}

Test(admit, the_default_patience_is_5_seconds)
{
	aibrix_admit_opts opts = with_replay;
	aibrix_admit s = following(&with_replay, 1);

	opts.replay_ns = 0;
	step(&opts, &s, LIVE, 4);
	cr_expect_eq(s.deadline_ns, 5000000000);
	opts.replay_ns = AIBRIX_FOREVER;
	s = following(&with_replay, 1);
	step_at(&opts, &s, LIVE, 4, 5, 10, NULL);
	cr_expect_eq(s.deadline_ns, UINT64_MAX);
}

Test(admit, the_first_connection_asks_for_everything)
{
	aibrix_admit s = {.size = sizeof(s)};
	uint64_t from = 9;

	cr_expect_eq(step_at(&with_replay, &s, CONNECTED, 0, 0, 0, &from),
		     CLEAR | REPLAY);
	cr_expect_eq(from, 0);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), 0, "an idle one");
	cr_expect_eq(s.flags, 0);
	cr_expect_eq(step(&with_replay, &s, LIVE, 0), APPLY);
}

Test(admit, a_stream_met_in_the_middle_is_replayed_from_0)
{
	aibrix_admit s = {.size = sizeof(s)};
	uint64_t from = 9;

	cr_expect_eq(step_at(&with_replay, &s, LIVE, 500, 1, 0, &from),
		     CLEAR | HOLD | REPLAY);
	cr_expect_eq(from, 0);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 400), APPLY | DEGRADED,
		     "as far back as the publisher remembers");
	cr_expect_eq(s.lost, 0);
	cr_expect_eq(s.flags & AIBRIX_ADMIT_STALE, 0, "nothing can be");
}

Test(admit, without_replay_a_stream_met_in_the_middle_misses_its_beginning)
{
	aibrix_admit s = {.size = sizeof(s)};

	cr_expect_eq(step(&without, &s, LIVE, 500), CLEAR | APPLY | DEGRADED);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS | AIBRIX_ADMIT_MISSING);
}

Test(admit, a_new_connection_to_the_same_process_goes_on)
{
	aibrix_admit s = following(&with_replay, 3);
	uint64_t from = 9;

	cr_expect_eq(step(&with_replay, &s, DISCONNECTED, 0), 0);
	cr_expect_eq(s.phase, AIBRIX_ADMIT_LOST);
	cr_expect_eq(step_at(&with_replay, &s, CONNECTED, 0, 0, 0, &from),
		     REPLAY);
	cr_expect_eq(from, 2, "the last one, to know the process by");
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 2), DROP);
	cr_expect_eq(step(&with_replay, &s, REPLAYED, 3), APPLY);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), 0);
	cr_expect_eq(s.flags & AIBRIX_ADMIT_STALE, 0);
	cr_expect_eq(s.epoch, 0);
}

Test(admit, another_process_that_has_passed_our_cursor_is_known_by_its_print)
{
	aibrix_admit s = following(&with_replay, 3);
	uint64_t from = 9;

	step(&with_replay, &s, CONNECTED, 0);
	step_at(&with_replay, &s, LIVE, 50, 151, 0, NULL);
	cr_expect_eq(step_at(&with_replay, &s, REPLAYED, 2, 103, 0, &from),
		     CLEAR | DROP | REPLAY);
	cr_expect_eq(from, 0);
	cr_expect_eq(s.epoch, 1);
	cr_expect_eq(s.held, 1, "50 is of the new process");
}

Test(admit, a_process_without_our_last_batch_is_another_one)
{
	aibrix_admit s = following(&with_replay, 3);

	step(&with_replay, &s, CONNECTED, 0);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), CLEAR | REPLAY);
	cr_expect_eq(s.epoch, 1);
}

Test(admit, a_connection_that_cannot_be_verified_is_stale)
{
	aibrix_admit s = following(&with_replay, 3);
	aibrix_admit other = following(&without, 3);

	step(&with_replay, &s, CONNECTED, 0);
	cr_expect_eq(step(&with_replay, &s, FAILED, 0), DEGRADED);
	cr_expect(s.flags & AIBRIX_ADMIT_STALE);

	step(&without, &other, CONNECTED, 0);
	cr_expect_eq(step(&without, &other, LIVE, 3), APPLY | DEGRADED);
	cr_expect(other.flags & AIBRIX_ADMIT_STALE);
}

Test(admit, without_replay_a_first_number_below_the_cursor_is_a_restart)
{
	aibrix_admit_opts window = without;
	aibrix_admit s = following(&without, 3);

	window.window = 10;
	step(&window, &s, CONNECTED, 0);
	cr_expect_eq(step_at(&window, &s, LIVE, 2, 99, 0, NULL),
		     CLEAR | APPLY | DEGRADED);
	cr_expect_eq(s.epoch, 1);
}

Test(admit, within_the_window_a_step_back_is_verified)
{
	aibrix_admit_opts window = with_replay;
	aibrix_admit s = following(&with_replay, 20);
	uint64_t from = 0;

	window.window = 4;
	cr_expect_eq(step_at(&window, &s, LIVE, 16, 17, 0, &from),
		     DROP | REPLAY);
	cr_expect_eq(from, 19);
	cr_expect_eq(step(&window, &s, REPLAYED, 19), DROP);
	cr_expect_eq(step(&window, &s, REPLAY_END, 0), 0);
	cr_expect_eq(step(&window, &s, LIVE, 20), APPLY);
	cr_expect_eq(step(&window, &s, LIVE, 16), CLEAR | HOLD | REPLAY);
}

Test(admit, batches_beyond_the_room_are_asked_for_later)
{
	aibrix_admit s = following(&with_replay, 1);
	aibrix_admit_opts full = with_replay;
	uint64_t from = 0;

	full.flags |= AIBRIX_ADMIT_NO_ROOM;
	cr_expect_eq(step(&with_replay, &s, LIVE, 2), HOLD | REPLAY);
	cr_expect_eq(step(&with_replay, &s, LIVE, 3), HOLD);
	cr_expect_eq(step(&full, &s, LIVE, 4), DROP);
	cr_expect_eq(step(&with_replay, &s, LIVE, 5), HOLD, "the third");
	cr_expect_eq(step(&with_replay, &s, LIVE, 6), DROP, "hold_max");
	step(&with_replay, &s, REPLAYED, 1);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), RELEASE);
	cr_expect_eq(step(&with_replay, &s, HELD, 2), APPLY);
	cr_expect_eq(step(&with_replay, &s, HELD, 3), APPLY);
	cr_expect_eq(step_at(&with_replay, &s, HELD, 5, 6, 0, &from),
		     HOLD | REPLAY);
	cr_expect_eq(from, 4);
	step(&with_replay, &s, REPLAYED, 4);
	cr_expect_eq(step(&with_replay, &s, REPLAY_END, 0), RELEASE);
	cr_expect_eq(step_at(&with_replay, &s, HELD, 5, 6, 0, &from),
		     APPLY | REPLAY);
	cr_expect_eq(from, 6);
}

Test(admit, a_lost_connection_forgets_held_batches)
{
	aibrix_admit s = following(&with_replay, 1);

	step(&with_replay, &s, LIVE, 2);
	cr_expect_eq(step(&with_replay, &s, DISCONNECTED, 0), DISCARD);
	cr_expect_eq(step(&with_replay, &s, LIVE, 3), DROP, "not of today");
	cr_expect_eq(step(&with_replay, &s, CONNECTED, 0), REPLAY);
}

Test(admit, an_engine_that_clears_all_makes_a_stream_whole_again)
{
	aibrix_admit s = following(&without, 1);

	step(&without, &s, LIVE, 3);
	cr_expect(s.flags & AIBRIX_ADMIT_STALE);
	cr_expect_eq(step(&without, &s, CLEARED, 0), 0);
	cr_expect_eq(s.flags, AIBRIX_ADMIT_HOLDS);
}

Test(admit, numbers_end_before_the_end_marker)
{
	aibrix_admit s = {.size = sizeof(s)};

	cr_expect(step(&without, &s, LIVE, UINT64_MAX - 1) & APPLY);
	cr_expect_eq(s.next, UINT64_MAX);
	cr_expect_eq(step(&without, &s, LIVE, UINT64_MAX), DROP);
	cr_expect_eq(step(&without, &s, LIVE, 0), CLEAR | APPLY,
		     "a wrap is a restart");
}

Test(admit, a_state_is_saved_and_restored_as_bytes)
{
	aibrix_admit s = following(&with_replay, 3), restored;
	uint64_t from = 0;

	step(&with_replay, &s, LIVE, 9);
	memcpy(&restored, &s, sizeof(s));
	cr_expect_eq(step(&with_replay, &restored, DISCONNECTED, 0), DISCARD);
	step_at(&with_replay, &restored, CONNECTED, 0, 0, 0, &from);
	cr_expect_eq(from, 2);
}

Test(admit, batches_out_of_turn_are_refused)
{
	aibrix_admit s = following(&with_replay, 1), before;
	aibrix_admit_action a = {.size = sizeof(a), .flags = 77};

	before = s;
	cr_expect_eq(aibrix_admit_step(NULL, &s, HELD, 1, 1, 0, &a),
		     AIBRIX_E_STATE);
	step(&with_replay, &s, LIVE, 2);
	step(&with_replay, &s, REPLAY_END, 0);
	cr_expect_eq(s.phase, AIBRIX_ADMIT_RELEASING);
	cr_expect_eq(aibrix_admit_step(NULL, &s, LIVE, 3, 1, 0, &a),
		     AIBRIX_E_STATE);
	cr_expect_eq(a.flags, 77);
	cr_expect_eq(before.next, 1);
}

Test(admit, wrong_calls_are_refused_and_change_nothing)
{
	aibrix_admit_opts opts = with_replay;
	aibrix_admit s = following(&with_replay, 1), before = s;
	aibrix_admit_action a = {.size = sizeof(a)};

	cr_expect_eq(aibrix_admit_step(NULL, NULL, TICK, 0, 0, 0, &a),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_admit_step(NULL, &s, TICK, 0, 0, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_admit_step(NULL, &s, 9, 0, 0, 0, &a),
		     AIBRIX_E_INVAL);
	opts.flags = 8;
	cr_expect_eq(aibrix_admit_step(&opts, &s, TICK, 0, 0, 0, &a),
		     AIBRIX_E_ABI);
	opts.size = 3;
	cr_expect_eq(aibrix_admit_step(&opts, &s, TICK, 0, 0, 0, &a),
		     AIBRIX_E_INVAL);
	a.size = 8;
	cr_expect_eq(aibrix_admit_step(NULL, &s, LIVE, 1, 1, 0, &a),
		     AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&s, &before, sizeof(s)), 0);
}

Test(admit, states_that_no_steps_lead_to_are_refused)
{
	const aibrix_admit bad[] = {
		{.size = sizeof(*bad), .phase = 5},
		{.size = sizeof(*bad), .flags = 64},
		{.size = sizeof(*bad), .phase = AIBRIX_ADMIT_RELEASING},
		{.size = sizeof(*bad), .held = 1},
		{.size = sizeof(*bad), .flags = AIBRIX_ADMIT_VERIFY},
		{.size = sizeof(*bad),
		 .phase = AIBRIX_ADMIT_GAP,
		 .flags = AIBRIX_ADMIT_VERIFY},
		{.size = 8},
	};
	aibrix_admit_action a = {.size = sizeof(a)};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		aibrix_admit s = bad[i];

		cr_expect_eq(aibrix_admit_step(NULL, &s, TICK, 0, 0, 0, &a),
			     AIBRIX_E_INVAL, "state %zu", i);
	}
}
