#include <criterion/criterion.h>

#include "breaker_program.h"

static uint32_t
seed_run(uint64_t seed, uint32_t steps, uint32_t fault)
{
	struct pair p = {.choices.rand = seed};

	return program_run(&p, steps, fault);
}

Test(breaker, does_what_a_record_of_all_outcomes_says)
{
	for (uint64_t seed = 0; seed < 1000; seed++)
		cr_assert_eq(seed_run(seed, 1000, 0), 0, "seed %u",
			     (unsigned)seed);
}

Test(breaker, does_so_for_a_long_time)
{
	for (uint64_t seed = 1000; seed < 1010; seed++)
		cr_assert_eq(seed_run(seed, STEPS_MAX, 0), 0, "seed %u",
			     (unsigned)seed);
}

Test(breaker, a_faulty_model_is_noticed)
{
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		noticed += seed_run(seed, 1000, 1) != 0;
	cr_expect_gt(noticed, 0u);
}
