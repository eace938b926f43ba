/* A queue plans as a search does, whatever the program; the first byte is
 * the policy. */

#include "../tests/model/queue_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct queue_play p = {.tries = 0};

	if (len == 0)
		return 0;
	p.policy = data[0] % 3;
	p.choices = (struct choices){0, data + 1, len - 1};
	if (queue_program_run(&p, (uint32_t)(len % 1024)))
		abort();
	return 0;
}
