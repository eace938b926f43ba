/*
 * Input: what happens to a cluster and its clients.  Property: that of
 * topology_program.h.
 */

#include <stdlib.h>

#include "../tests/model/topology_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* To look at each slot costs as much as all that was drawn. */
enum { STRIDE = 64 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct play *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->stride = STRIDE;
	p->choices.data = data;
	p->choices.left = len;
	if (program_run(p, 4096))
		abort();
	free(p);
	return 0;
}
