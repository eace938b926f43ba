/* A program of samples and reads against a list of all samples. */

#include "../tests/model/window_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS = 400 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1, .data = data, .left = len};

	if (len == 0)
		return 0;
	if (window_program_run(choices, STEPS, NO_FAULT))
		abort();
	return 0;
}
