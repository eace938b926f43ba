/* Frames from anywhere: what decodes is what encodes to the same bytes. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "store/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
try_decode(const uint8_t bytes[FRAME_BYTES])
{
	uint8_t again[FRAME_BYTES];
	struct frame f;

	if (aibrix__frame_decode(aibrix__cpu(), bytes, &f))
		return;
	aibrix__frame_encode(0, &f, again);
	if (memcmp(again, bytes, FRAME_BYTES) != 0)
		abort();
	if (aibrix__frame_check(&f, &f))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t bytes[FRAME_BYTES];
	struct frame f = {0};

	if (len < FRAME_BYTES)
		return 0;
	try_decode(data);

	/* A fuzzer finds no CRC: the same fields with a right one. */
	memcpy(&f.flags, data + 8, 4);
	memcpy(&f.payload_bytes, data + 16, 8);
	memcpy(&f.stored_bytes, data + 24, 8);
	memcpy(f.key, data + 32, sizeof(f.key));
	memcpy(&f.layout, data + 96, 8);
	aibrix__frame_encode(0, &f, bytes);
	try_decode(bytes);
	(void)aibrix__frame_verify(0, &f, data, len);
	return 0;
}
