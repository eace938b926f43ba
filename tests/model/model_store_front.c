#include <criterion/criterion.h>

#include "base/rand.h"
#include "model/front_program.h"

enum { STEPS = FRONT_STEPS / 2 };

static struct front front;

Test(model_store_front, random_programs_agree_with_what_each_key_was)
{
	static uint8_t bytes[3 * STEPS];
	uint64_t joined = 0, absent = 0;

	for (uint64_t seed = 1; seed <= 1500; seed++) {
		uint64_t state = seed;

		for (uint32_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_below(&state, 256);
		cr_assert(front_run(&front, bytes, sizeof(bytes), 0),
			  "seed %d, step %d", (int)seed, (int)front.step);
		joined += front.joined;
		absent += front.absent;
	}
	cr_expect_gt(joined, 10000, "the programs reach what they test");
	cr_expect_gt(absent, 1000);
}

Test(model_store_front, a_damaged_reference_is_noticed)
{
	/* Put, serve, poll; damage; get, serve, poll. */
	static const uint8_t program[] = {
		3, 1, 0, 6, 0, 0, 14, 0, 12, FRONT_DAMAGE, 1, 0,
		0, 1, 3, 6, 0, 0, 14, 0, 12};

	cr_expect(front_run(&front, program, sizeof(program), 0));
	cr_expect_not(front_run(&front, program, sizeof(program), 1));
}
