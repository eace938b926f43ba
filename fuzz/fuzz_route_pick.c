/* A fleet and a request from bytes: the picked row is usable, the same
 * question has one answer, explain agrees, order does not matter, and
 * AIBrix's prefix rule equals a plain version of it. */

#include <stdio.h>

#include "../tests/model/route_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *wrong = route_case_run(data, len, 0);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}
