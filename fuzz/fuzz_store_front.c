/* Programs for the front of stores, beside the record of the model test. */

#include <stdint.h>
#include <stdlib.h>

#include "../tests/model/front_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct front *front = malloc(sizeof(*front));

	if (!front)
		return 0;
	if (!front_run(front, data, len, 0))
		abort();
	free(front);
	return 0;
}
