/* What holds of every decision; and what holds between two deployments of
 * which one has more to do. */

#include <criterion/criterion.h>

#include "scale/scale_internal.h"
#include "programs.h"
#include "scale_program.h"

enum { PROGRAMS = 3000, STEPS = 60 };

static const char *
program(uint32_t seed, int fault)
{
	return scale_program_run((struct choices){.rand = seed}, STEPS, fault);
}

Test(scale, decisions_keep_bounds_and_follow_from_the_state)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(scale, a_state_that_forgets_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_FORGETS, &seed));
}

Test(scale, a_bound_that_is_passed_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ONE_MORE, &seed));
}

Test(scale, more_load_never_wants_fewer_pods)
{
	struct choices c = {.rand = 7};

	for (int i = 0; i < 200000; i++) {
		struct band band = {draw(&c, 50) / 100.0, draw(&c, 50) / 100.0};
		struct rates rates = {draw(&c, 3) ? 2 : 0, draw(&c, 3) ? 2 : 0};
		struct counts counts = {1 + draw(&c, 20), draw(&c, 10),
					draw(&c, 10)};
		int32_t replicas = (int32_t)draw(&c, 40);
		double x = draw(&c, 1000) / 10.0;
		double y = x + draw(&c, 500) / 10.0;

		cr_assert_leq(
			aibrix__apa(x, 20, replicas, &counts, &band, &rates),
			aibrix__apa(y, 20, replicas, &counts, &band, &rates),
			"%d: %g, %g", i, x, y);
		rates = (struct rates){2, 2};
		cr_assert_leq(
			aibrix__apa_compat(x, 20, replicas, &band, &rates),
			aibrix__apa_compat(y, 20, replicas, &band, &rates));
	}
}

Test(scale, more_load_never_wants_fewer_of_knative)
{
	struct choices c = {.rand = 7};

	for (int i = 0; i < 100000; i++) {
		struct panic p = {0}, q = {0};
		struct knative k = {.target = 10,
				    .rates = {1 + draw(&c, 10) + 0.5, 2},
				    .threshold = 1e9,
				    .activation = 1 + (int32_t)draw(&c, 3),
				    .ready = draw(&c, 30),
				    .reachable = (int)draw(&c, 2),
				    .stable = draw(&c, 1000)},
			       more = k;

		more.stable += draw(&c, 500);
		cr_assert_leq(aibrix__knative(&k, &p, 5),
			      aibrix__knative(&more, &q, 5));
	}
}

Test(scale, in_panic_nothing_falls_until_it_ends)
{
	struct choices c = {.rand = 7};
	struct panic p = {0};
	int32_t before = 0;

	for (uint64_t i = 0; i < 100000; i++) {
		struct knative k = {.target = 1,
				    .rates = {10, 2},
				    .threshold = 2,
				    .activation = 1,
				    .ready = draw(&c, 20),
				    .reachable = 1,
				    .stable = draw(&c, 20),
				    .panicking = draw(&c, 60),
				    .stable_ns = 60};
		uint32_t was = p.on;
		int32_t pods = aibrix__knative(&k, &p, i * 7);

		if (was && p.on)
			cr_assert_geq(pods, before);
		before = pods;
	}
}

/* Kubernetes' rule: what is not known never turns a rise into a fall. */
Test(scale, missing_pods_never_turn_the_direction)
{
	struct choices c = {.rand = 7};
	struct band band = {0.1, 0.1};
	struct rates rates = {0, 0};

	for (int i = 0; i < 200000; i++) {
		struct counts counts = {1 + draw(&c, 20), draw(&c, 20),
					draw(&c, 20)};
		int32_t replicas = 1 + (int32_t)draw(&c, 60);
		double mean = draw(&c, 400) / 10.0;
		int32_t pods =
			aibrix__apa(mean, 20, replicas, &counts, &band, &rates);

		cr_assert(mean > 20 ? pods >= replicas : pods <= replicas);
	}
}
