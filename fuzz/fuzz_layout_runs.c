/* Bytes draw a model, an engine, slots and boxes; what runs move must be what
 * five loops move. */

#include "../tests/model/layout_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct play *p = calloc(1, sizeof(*p));

	if (!p)
		return 0;
	p->choices.data = data;
	p->choices.left = len;
	if (program_run(p) != 0)
		abort();
	free(p);
	return 0;
}
