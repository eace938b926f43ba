/* Programs for a store in memory, beside the naive one of the model test. */

#include <stdint.h>
#include <stdlib.h>

#include "../tests/model/store_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct program p = {.path = NULL};

	if (!program_run(&p, data, len, 0))
		abort();
	return 0;
}
