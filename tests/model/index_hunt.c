/*
 * Looks for differences between the block index and the simple one for as
 * many seeds as one likes; model_index_diff runs two of each.
 *
 *	index_hunt [PROFILE|all [FIRST_SEED [SEEDS]]]
 */

#include "index_diff_run.h"
#include "index_profiles.h"

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "all";
	uint64_t first = argc > 2 ? number(argv[2]) : 1;
	uint64_t seeds = argc > 3 ? number(argv[3]) : 1;
	int failed = 0;
	char bad[160];

	for (uint64_t seed = first; seed < first + seeds; seed++) {
		for (uint32_t i = 0; i < PROFILES; i++) {
			if (strcmp(which, "all") != 0 &&
			    strcmp(which, profiles[i].name) != 0)
				continue;
			printf("%s, seed %llu: ", profiles[i].name,
			       (unsigned long long)seed);
			fflush(stdout);
			if (profile_run(&profiles[i], seed, DIFF_FAULT_NONE,
					bad, sizeof(bad)))
				failed = 1;
			printf("%s\n", failed ? bad : "the same");
		}
	}
	return failed;
}
