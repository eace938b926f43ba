/* Tenants of one cache, beside a naive one. */

#include <stdlib.h>

#include "../tests/model/cache_tenants_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (program_run(data, len, 0) != PROGRAM_EQUAL)
		abort();
	return 0;
}
