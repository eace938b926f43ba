#include <criterion/criterion.h>

#include "sync_program.h"

enum { PROGRAMS = 1000, STEPS = 400 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = sync_program_run(choices, STEPS, fault);
		*seed = i;
	}
	return bad;
}

Test(sync, a_peer_takes_every_record_once_whatever_the_network_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(sync, a_model_that_takes_records_twice_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_TAKES_TWICE, &seed));
}

Test(sync, a_model_that_listens_to_an_old_epoch_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_OLD_EPOCH_COUNTS, &seed));
}

Test(sync, a_model_that_sees_no_gap_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_SEES_NO_GAP, &seed));
}
