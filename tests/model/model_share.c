#include <criterion/criterion.h>

#include "programs.h"
#include "share_program.h"

enum { PROGRAMS = 300, STEPS = 400 };

static const char *
program(uint32_t seed, int fault)
{
	return share_program_run((struct choices){.rand = seed}, STEPS, fault);
}

Test(share, gateways_agree_whatever_the_network_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, SHARE_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(share, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, SHARE_OWN_COUNTS, &seed));
	cr_expect_not_null(
		programs_run(program, PROGRAMS, SHARE_NO_LEASE, &seed));
	cr_expect_not_null(
		programs_run(program, PROGRAMS, SHARE_OLD_EPOCH_STAYS, &seed));
}
