#include <criterion/criterion.h>

#include "programs.h"
#include "sync_program.h"

enum { PROGRAMS = 1000, STEPS = 400 };

static const char *
program(uint32_t seed, int fault)
{
	return sync_program_run((struct choices){.rand = seed}, STEPS, fault);
}

Test(sync, a_peer_takes_every_record_once_whatever_the_network_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(sync, a_model_that_takes_records_twice_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_TAKES_TWICE, &seed));
}

Test(sync, a_model_that_listens_to_an_old_epoch_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_OLD_EPOCH_COUNTS, &seed));
}

Test(sync, a_model_that_sees_no_gap_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_SEES_NO_GAP, &seed));
}
