/* Input: a program on a radix tree (tests/model/radix_program.h).
 * Property: the answers are those of the list of prompts after every step,
 * or less of it where bounds are narrow, and the tree is consistent. */

#include <stdio.h>

#include "../tests/model/radix_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad = radix_program_run(data, len, NO_FAULT);

	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
