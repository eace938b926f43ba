/* Requests and rows from bytes: what waits is what was charged, and nothing
 * that is learned is absurd. */

#include <stdio.h>
#include <stdlib.h>

#include "../tests/model/estimate_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *wrong = estimate_case_run(data, len, 0);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}
