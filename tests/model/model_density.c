#include <criterion/criterion.h>

#include "density_program.h"

static uint32_t
seed_run(uint64_t seed, uint32_t capacity, uint32_t uses, int fault)
{
	struct pair p = {.choices.rand = seed};

	return program_run(&p, capacity, uses, fault);
}

Test(density, the_same_victims_as_a_naive_order)
{
	for (uint32_t capacity = 1; capacity <= SLOTS; capacity *= 2)
		cr_expect_eq(seed_run(capacity, capacity, 20000, 0), 0,
			     "%u slots", capacity);
}

/* Long enough that watched blocks are given up and tables are halved. */
Test(density, the_same_victims_for_a_long_time)
{
	cr_expect_eq(seed_run(1, 48, 400000, 0), 0);
}

Test(density, a_faulty_model_is_noticed)
{
	cr_expect_neq(seed_run(1, 48, 20000, 1), 0);
}
