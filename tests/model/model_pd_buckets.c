#include <criterion/criterion.h>

#include "pd_buckets_program.h"

enum { PROGRAMS = 300 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = pd_buckets_program_run(choices, BK_PROMPTS, fault);
		*seed = i;
	}
	return bad;
}

Test(pd_buckets, bands_give_each_group_its_share_of_what_the_list_says)
{
	uint32_t seed = 0;
	const char *bad = programs_run(BK_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_buckets, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(BK_NOTHING_FADES, &seed));
	cr_expect_not_null(programs_run(BK_OTHER_MODE, &seed));
}
