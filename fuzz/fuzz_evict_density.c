/* The density order equals a naive one, whatever the service does. */

#include "../tests/model/density_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pair p = {0};

	if (len < 2)
		return 0;
	p.choices.data = data + 1;
	p.choices.left = len - 1;
	if (program_run(&p, data[0] % SLOTS + 1, UINT32_MAX, 0))
		abort();
	return 0;
}
