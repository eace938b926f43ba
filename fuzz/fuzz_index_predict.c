/* Input: a program of predictions (tests/model/predict_program.h).
 * Property: the answers are those of the naive model after every step. */

#include <stdio.h>

#include "../tests/model/predict_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad = predict_program_run(data, len, NO_FAULT);

	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
