/*
 * By the first byte, modulo 4: what was saved; a user's record; else a
 * program of admissions, settlements and time against the list of charges.
 */

#include <string.h>

#include "../tests/model/limit_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS = 200 };

static void
check(int right)
{
	if (!right)
		abort();
}

/* Whatever is taken, is saved and taken again. */
static void
try_load(const uint8_t *data, size_t len)
{
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = 50};
	static uint8_t saved[1 << 14];
	aibrix_limit *limit;
	uint64_t n = 0;
	int err;

	check(aibrix_limit_new(&opts, &limit) == AIBRIX_OK);
	err = aibrix_limit_load(limit, 1000, data, len);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE ||
	      err == AIBRIX_E_FULL);
	check(aibrix__limit_check(limit) == 0);
	check(aibrix_limit_save(limit, 1000, saved, sizeof(saved), &n) ==
	      AIBRIX_OK);
	check(aibrix_limit_load(limit, 1000, saved, n) == AIBRIX_OK);
	aibrix_limit_free(limit);
}

static void
try_record(const uint8_t *data, size_t len)
{
	aibrix_limit_rate requests, tokens;
	uint64_t at = 0;
	int err = aibrix_limit_user_read((const char *)data, len, &requests,
					 &tokens, &at);

	check(at <= len);
	if (err == AIBRIX_OK)
		check(requests.units > 0 && tokens.units > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1};
	uint8_t *own;

	if (len == 0)
		return 0;
	own = malloc(len);
	check(own != NULL);
	memcpy(own, data, len);
	if (own[0] % 4 == 1) {
		try_load(own + 1, len - 1);
	} else if (own[0] % 4 == 2) {
		try_record(own + 1, len - 1);
	} else {
		choices.data = own + 1;
		choices.left = len - 1;
		check(limit_program_run(choices, STEPS, NO_FAULT) == NULL);
	}
	free(own);
	return 0;
}
