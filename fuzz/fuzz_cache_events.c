/* An index that is told what a cache tells says what its lookup says. */

#include <stdlib.h>

#include "../tests/model/cache_events_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct choices from = {.data = data, .left = len};

	if (data && tell_run(from, NONE) != TELL_EQUAL)
		abort();
	return 0;
}
