#include <criterion/criterion.h>

#include "share_program.h"

enum { PROGRAMS = 300, STEPS = 400 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = share_program_run(choices, STEPS, fault);
		*seed = i;
	}
	return bad;
}

Test(share, gateways_agree_whatever_the_network_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(SHARE_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(share, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(SHARE_OWN_COUNTS, &seed));
	cr_expect_not_null(programs_run(SHARE_NO_LEASE, &seed));
	cr_expect_not_null(programs_run(SHARE_OLD_EPOCH_STAYS, &seed));
}
