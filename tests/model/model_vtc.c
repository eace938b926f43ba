#include <criterion/criterion.h>

#include "vtc_program.h"
#include "vtc_window_program.h"

static uint32_t
seed_run(uint64_t seed, int forgets_lift, uint64_t *pops)
{
	struct vtc_play p = {.choices.rand = seed,
			     .forgets_lift = forgets_lift};
	uint32_t wrong = vtc_program_run(&p, 600);

	*pops += p.pops;
	return wrong;
}

Test(vtc, random_programs_do_what_the_paper_says)
{
	uint64_t pops = 0;

	for (uint64_t seed = 0; seed < 1000; seed++)
		cr_assert_eq(seed_run(seed, 0, &pops), 0,
			     "seed %u, difference in line %u", (unsigned)seed,
			     (unsigned)seed_run(seed, 0, &pops));
	cr_expect_gt(pops, 1000u * 100);
}

Test(vtc, a_model_that_forgets_to_lift_is_noticed)
{
	uint64_t pops = 0;
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		noticed += seed_run(seed, 1, &pops) != 0;
	cr_expect_eq(noticed, 20u);
}

static uint32_t
window_run(uint64_t seed, int keeps)
{
	struct window_play p = {.choices.rand = seed,
				.keeps = keeps,
				.profile = (uint32_t)(seed % 2)};

	return window_program_run(&p, 300);
}

Test(vtc_window, random_programs_find_the_tokens_of_the_window)
{
	for (uint64_t seed = 0; seed < 500; seed++)
		cr_assert_eq(window_run(seed, 0), 0,
			     "seed %u, difference in line %u", (unsigned)seed,
			     (unsigned)window_run(seed, 0));
}

Test(vtc_window, a_model_that_drops_a_second_late_is_noticed)
{
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		noticed += window_run(seed, 1) != 0;
	cr_expect_eq(noticed, 20u);
}
