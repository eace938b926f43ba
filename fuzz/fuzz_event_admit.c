/*
 * Input: settings, then a program for the admission machine
 * (tests/model/admit_program.h); the same bytes are also taken as a saved
 * state, and as message parts.
 * Properties: the host ends as the engine or is told that it does not; a
 * state from anywhere is refused or stepped, and then valid for ever.
 */

#include <stdio.h>
#include <stdlib.h>

#include "../tests/model/admit_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
state_from_anywhere(const uint8_t *data, size_t len)
{
	aibrix_admit_opts opts = {.size = sizeof(opts)};
	aibrix_admit s;

	if (len < sizeof(s) + 1)
		return;
	memcpy(&s, data + 1, sizeof(s));
	s.size = sizeof(s);
	opts.flags = data[0] & 7;
	for (size_t i = sizeof(s) + 1; i < len; i++) {
		aibrix_admit_action a = {.size = sizeof(a)};
		int err = aibrix_admit_step(&opts, &s, data[i] % 9, data[i] / 9,
					    data[i], i, &a);

		if (err == AIBRIX_E_INVAL && i > sizeof(s) + 1)
			abort();
		if (err && err != AIBRIX_E_STATE)
			break;
	}
}

static void
parts_from_anywhere(const uint8_t *data, size_t len)
{
	aibrix_admit_message m = {.size = sizeof(m)};
	aibrix_part parts[5];
	uint32_t n = 0;

	/* Each part: its length, its bytes. */
	while (n < 5 && len && data[0] < len) {
		parts[n++] = (aibrix_part){data + 1, data[0]};
		len -= (size_t)data[0] + 1;
		data += data[0] + 1;
	}
	if (!aibrix_admit_read_live(parts, n, &m) && m.seq == AIBRIX_ADMIT_END)
		abort();
	if (!aibrix_admit_read_reply(parts, n, &m) &&
	    m.seq == AIBRIX_ADMIT_END && m.payload.n)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bad;

	if (!len)
		return 0;
	bad = admit_program_run(data + 1, len - 1, data[0] & 7, NO_FAULT);
	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	state_from_anywhere(data, len);
	parts_from_anywhere(data, len);
	return 0;
}
