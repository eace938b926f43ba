#include <criterion/criterion.h>

#include "pd_ledger_program.h"

enum { PROGRAMS = 300 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = pd_ledger_program_run(choices, PD_STEPS, fault);
		*seed = i;
	}
	return bad;
}

Test(pd_ledger, random_programs_owe_what_the_list_says)
{
	uint32_t seed = 0;
	const char *bad = programs_run(PD_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_ledger, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(PD_KV_STAYS, &seed));
	cr_expect_not_null(programs_run(PD_TWICE, &seed));
	cr_expect_not_null(programs_run(PD_NO_LEASE, &seed));
}
