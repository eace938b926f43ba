#include <criterion/criterion.h>

#include "queue_program.h"

static uint32_t
seed_run(uint64_t seed, int newest_first, uint64_t *tries)
{
	struct queue_play p = {.choices.rand = seed,
			       .policy = (uint32_t)(seed % 3),
			       .newest_first = newest_first};
	uint32_t wrong = queue_program_run(&p, 200);

	*tries += p.tries;
	return wrong;
}

Test(queue, random_programs_are_planned_as_a_search_plans_them)
{
	uint64_t tries = 0;

	for (uint64_t seed = 0; seed < 900; seed++)
		cr_assert_eq(seed_run(seed, 0, &tries), 0,
			     "seed %u, difference in line %u", (unsigned)seed,
			     (unsigned)seed_run(seed, 0, &tries));
	cr_expect_gt(tries, 300000u);
}

Test(queue, a_model_that_takes_the_last_of_a_line_is_noticed)
{
	uint64_t tries = 0;
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 30; seed++)
		noticed += seed_run(seed, 1, &tries) != 0;
	cr_expect_gt(noticed, 25u);
}
