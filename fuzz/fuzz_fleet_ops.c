/* A program of operations; the fleet equals a plain array. */

#include <stdlib.h>

#include "../tests/model/fleet_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (fleet_program_run(data, len, 0) == 0)
		abort();
	return 0;
}
