/* A pool of several sizes equals a list of leases, whatever the program. */

#include <stdlib.h>

#include "../tests/model/pool_shares_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (shares_run(data, len, 0) != SHARES_EQUAL)
		abort();
	return 0;
}
