#include <criterion/criterion.h>

#include "base/rand.h"
#include "model/store_program.h"
#include "store_tools.h"

enum { STEPS = 1500 };

static void
new_program(uint64_t seed, uint8_t bytes[3 * STEPS])
{
	for (uint32_t i = 0; i < 3 * STEPS; i++)
		bytes[i] = (uint8_t)rand_below(&seed, 256);
}

static int
run(const char *path, uint32_t flags, const uint8_t *bytes, size_t n,
    int damage)
{
	struct program p = {.path = path, .flags = flags};

	return program_run(&p, bytes, n, damage);
}

Test(model_store, random_programs_in_memory_agree_with_the_naive_store)
{
	static uint8_t bytes[3 * STEPS];

	for (uint64_t seed = 1; seed <= 40; seed++) {
		new_program(seed, bytes);
		cr_assert(run(NULL, 0, bytes, sizeof(bytes), 0), "seed %d",
			  (int)seed);
	}
}

Test(model_store, random_programs_in_a_file_that_is_reopened_agree_too)
{
	static const uint32_t flags[] = {0, AIBRIX_STORE_BUFFERED,
					 AIBRIX_STORE_NO_RING};
	static uint8_t bytes[3 * STEPS];

	for (uint64_t seed = 1; seed <= 15; seed++) {
		struct temp_path path = temp_path_new();

		new_program(seed, bytes);
		cr_expect(run(path.text, flags[seed % 3], bytes, sizeof(bytes),
			      0),
			  "seed %d", (int)seed);
		unlink(path.text);
	}
}

Test(model_store, random_programs_in_a_shared_directory_agree_too)
{
	static uint8_t bytes[3 * STEPS];

	for (uint64_t seed = 1; seed <= 15; seed++) {
		struct temp_path path = temp_path_new();
		struct program p = {.path = path.text, .shared = 1};

		new_program(seed, bytes);
		cr_expect(program_run(&p, bytes, sizeof(bytes), 0), "seed %d",
			  (int)seed);
		temp_path_remove(path.text);
	}
}

Test(model_store, a_damaged_model_is_noticed)
{
	static const uint8_t program[] = {0, 5, 100, PROGRAM_DAMAGE, 5, 0,
					  3, 5, 255};

	cr_expect(run(NULL, 0, program, sizeof(program), 0));
	cr_expect_not(run(NULL, 0, program, sizeof(program), 1));
}
