#include <criterion/criterion.h>

#include "topology_program.h"

static uint32_t
seed_run(uint64_t seed, uint32_t steps, int lies, uint64_t *executed)
{
	struct play *p = calloc(1, sizeof(*p));
	uint32_t wrong;

	cr_assert_not_null(p);
	p->choices.rand = seed;
	p->lies = lies;
	wrong = program_run(p, steps);
	*executed += p->executed;
	free(p);
	return wrong;
}

Test(topology, requests_end_and_the_map_becomes_that_of_the_cluster)
{
	uint64_t executed = 0;

	for (uint64_t seed = 0; seed < 300; seed++)
		cr_assert_eq(seed_run(seed, 2000, 0, &executed), 0,
			     "seed %u, rule in line %u", (unsigned)seed,
			     (unsigned)seed_run(seed, 2000, 0, &executed));
	/* Most of them, or the cluster was never there. */
	cr_expect_gt(executed, 300u * 60);
}

Test(topology, a_cluster_that_lies_is_noticed)
{
	uint64_t executed = 0;
	uint32_t noticed = 0;

	for (uint64_t seed = 0; seed < 10; seed++)
		noticed += seed_run(seed, 500, 1, &executed) != 0;
	cr_expect_gt(noticed, 0u);
}
