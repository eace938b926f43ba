/* A breaker does what a record of all outcomes says. */

#include "../tests/model/breaker_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pair p = {.choices = {.data = data, .left = len}};

	if (len < 2)
		return 0;
	if (program_run(&p, 4096, 0))
		abort();
	return 0;
}
