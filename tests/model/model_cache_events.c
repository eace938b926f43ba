#include <criterion/criterion.h>

#include "cache_events_program.h"

enum { PROGRAMS = 3000 };

Test(cache_events, an_index_that_is_told_says_what_lookup_says)
{
	for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
		int at = tell_run((struct choices){.rand = seed}, NONE);

		cr_assert_eq(at, TELL_EQUAL, "seed %llu differs at step %d",
			     (unsigned long long)seed, at);
	}
}

Test(cache_events, an_event_that_is_lost_is_noticed)
{
	uint32_t noticed = 0;

	for (uint64_t seed = 1; seed <= 100; seed++)
		noticed += tell_run((struct choices){.rand = seed}, 3) !=
			   TELL_EQUAL;
	cr_expect_gt(noticed, 50);
}
