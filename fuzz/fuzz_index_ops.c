/* Input: a program of index operations (tests/model/index_program.h).
 * Property: the index answers as the naive model after every step. */

#include <stdio.h>

#include "../tests/model/index_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad = program_run(data, len, FAULT_NONE);

	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
