/* Input: a program of prefix table operations
 * (tests/model/prefix_program.h).
 * Property: the table answers as the naive model after every step. */

#include <stdio.h>

#include "../tests/model/prefix_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad = prefix_program_run(data, len, NO_FAULT);

	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
