#include <criterion/criterion.h>

#include "layout_program.h"

static uint32_t
seed_run(uint64_t seed, int lies, uint64_t *moved)
{
	struct play *p = calloc(1, sizeof(*p));
	uint32_t wrong;

	cr_assert_not_null(p);
	p->choices.rand = seed;
	p->lies = lies;
	wrong = program_run(p);
	*moved += p->moved;
	free(p);
	return wrong;
}

Test(layout, runs_move_what_five_loops_move)
{
	uint64_t moved = 0;

	for (uint64_t seed = 0; seed < 3000; seed++)
		cr_assert_eq(seed_run(seed, 0, &moved), 0,
			     "seed %u, rule in line %u", (unsigned)seed,
			     (unsigned)seed_run(seed, 0, &moved));
	/* Or engine and block never had anything in common. */
	cr_expect_gt(moved, 3000u * 200);
}

Test(layout, a_reference_that_takes_k_for_v_is_noticed)
{
	uint64_t moved = 0;
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		noticed += seed_run(seed, 1, &moved) != 0;
	cr_expect_gt(noticed, 0u);
}
