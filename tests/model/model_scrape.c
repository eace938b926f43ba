#include <criterion/criterion.h>

#include "programs.h"
#include "scrape_program.h"

enum { PROGRAMS = 3000 };

static const char *
program(uint32_t seed, int fault)
{
	return scrape_program_run((struct choices){.rand = seed}, fault);
}

Test(scrape, says_of_drawn_pages_what_a_reader_of_every_line_says)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(scrape, a_model_that_takes_the_last_series_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_LAST_SERIES, &seed));
}

Test(scrape, a_model_to_which_counters_never_start_again_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_NO_RESTART, &seed));
}

Test(scrape, a_model_that_takes_any_name_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ANY_NAME, &seed));
}
