#include <criterion/criterion.h>

#include "pd_ledger_program.h"
#include "programs.h"

enum { PROGRAMS = 300 };

static const char *
program(uint32_t seed, int fault)
{
	return pd_ledger_program_run((struct choices){.rand = seed}, PD_STEPS,
				     fault);
}

Test(pd_ledger, random_programs_owe_what_the_list_says)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, PD_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_ledger, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(program, PROGRAMS, PD_KV_STAYS, &seed));
	cr_expect_not_null(programs_run(program, PROGRAMS, PD_TWICE, &seed));
	cr_expect_not_null(programs_run(program, PROGRAMS, PD_NO_LEASE, &seed));
}
