/*
 * Any bytes as a profile: refused inside the text, or every cell is a number
 * that is not negative, or not known, and every request has a cell.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/gpu_profile.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int right)
{
	if (!right)
		abort();
}

static void
check_request(const aibrix_gpu_profile *p, int64_t output, int64_t input)
{
	aibrix_gpu_cell cell = {.size = sizeof(cell)};
	double load = 1, rank = 0;
	uint32_t row, column;

	check(aibrix_gpu_profile_cell(p, output, input, &row, &column) ==
	      AIBRIX_OK);
	check(aibrix_gpu_profile_at(p, row, column, &cell) == AIBRIX_OK);
	check(!(cell.requests_per_s < 0) && !(cell.e2e_s < 0) &&
	      !(cell.ttft_s < 0) && !(cell.tpot_s < 0));
	if (aibrix_gpu_profile_load(p, output, input, &load) == AIBRIX_OK)
		check(isfinite(load) && load >= 0);
	if (aibrix_gpu_profile_rank(p, output, input, 1, &rank) == AIBRIX_OK)
		check(isfinite(rank));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	aibrix_gpu_profile *p = NULL;
	char *text = malloc(len + !len);
	uint64_t offset = 0;
	int err;

	check(text != NULL);
	if (len)
		memcpy(text, data, len);
	err = aibrix_gpu_profile_read(text, len, NULL, &offset, &p);
	if (err) {
		check(err == AIBRIX_E_PARSE && offset <= len && !p);
	} else {
		check(strlen(aibrix_gpu_profile_name(p)) <=
		      AIBRIX_GPU_PROFILE_NAME_MAX);
		for (uint32_t k = 0; k < 63; k++)
			check_request(p, (int64_t)1 << k,
				      ((int64_t)1 << (62 - k)) - 1);
		aibrix_gpu_profile_free(p);
	}
	free(text);
	return 0;
}
