/*
 * A fair queue equals the paper's algorithm, whatever the program; when the
 * first byte is odd, a window of tokens equals a list of them.
 */

#include "../tests/model/vtc_program.h"
#include "../tests/model/vtc_window_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vtc_play queue = {.pops = 0};
	struct window_play window = {.n = 0};
	uint32_t wrong;

	if (len == 0)
		return 0;
	if (data[0] % 2) {
		window.profile = data[0] / 2 % 2;
		window.choices = (struct choices){0, data + 1, len - 1};
		wrong = window_program_run(&window, (uint32_t)len);
	} else {
		queue.choices = (struct choices){0, data + 1, len - 1};
		wrong = vtc_program_run(&queue, (uint32_t)(len % 4096));
	}
	if (wrong)
		abort();
	return 0;
}
