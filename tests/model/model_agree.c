#include <criterion/criterion.h>

#include "agree_program.h"

static uint32_t
seed_run(uint64_t seed, int lies, uint64_t *agreements)
{
	struct play p = {.choices.rand = seed, .lies = lies};
	uint32_t wrong = program_run(&p, 40);

	*agreements += p.agreements;
	return wrong;
}

Test(agree, ranks_are_told_the_same_whatever_the_network_does)
{
	uint64_t agreements = 0;

	for (uint64_t seed = 0; seed < 4000; seed++)
		cr_assert_eq(seed_run(seed, 0, &agreements), 0,
			     "seed %u, rule in line %u", (unsigned)seed,
			     (unsigned)seed_run(seed, 0, &agreements));
	cr_expect_gt(agreements, 4000u * 40);
}

Test(agree, a_network_that_alters_a_length_is_noticed)
{
	uint64_t agreements = 0;
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		noticed += seed_run(seed, 1, &agreements) != 0;
	cr_expect_gt(noticed, 0u);
}
