/* Input: replies of a server, then one byte of seed for the pieces.
 * Property: the events are the same whole and in pieces, fed or received
 * straight (tests/model/resp_program.h); and read as a program that writes
 * replies, these are told. */

#include <stdio.h>

#include "../tests/model/resp_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad;
	uint8_t *copy;

	if (len < 2)
		return 0;
	/* Of its exact size, for the sanitizer. */
	copy = malloc(len - 1);
	if (!copy)
		return 0;
	memcpy(copy, data, len - 1);
	bad = resp_hostile(copy, len - 1, data[len - 1]);
	if (!bad)
		bad = resp_program_run(copy, len - 1, data[len - 1], NO_FAULT);
	free(copy);
	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
