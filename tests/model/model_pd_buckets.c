#include <criterion/criterion.h>

#include "pd_buckets_program.h"
#include "programs.h"

enum { PROGRAMS = 300 };

static const char *
program(uint32_t seed, int fault)
{
	return pd_buckets_program_run((struct choices){.rand = seed},
				      BK_PROMPTS, fault);
}

Test(pd_buckets, bands_give_each_group_its_share_of_what_the_list_says)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, BK_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_buckets, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, BK_NOTHING_FADES, &seed));
	cr_expect_not_null(
		programs_run(program, PROGRAMS, BK_OTHER_MODE, &seed));
}
