/* Two caches over one faulty store show only bytes that were committed. */

#include <stdlib.h>

#include "../tests/model/cache_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (program_run(data, len, 0) != PROGRAM_EQUAL)
		abort();
	return 0;
}
