/*
 * A program of a group and its network; or, when the first byte is 1 mod 4,
 * any bytes as a message: neither side is told more than it has.
 */

#include "../tests/model/agree_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int right)
{
	if (!right)
		abort();
}

static void
try_message(struct play *p, uint32_t r, const uint8_t *data, size_t len)
{
	uint32_t lengths[REQUESTS], reply = 0;
	int err;

	rank_start(p, r);
	rank_begin(p, r, 7);
	err = aibrix_agree_read(p->rank[r], data, len, &reply);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	check(reply == 0);
	if (aibrix_agree_poll(p->rank[r], 0, lengths) == AIBRIX_OK)
		for (uint32_t i = 0; i < REQUESTS; i++)
			check(lengths[i] <= p->own[r][i]);
	aibrix_agree_free(p->rank[r]);
	p->rank[r] = NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct play p = {.choices.rand = 1};

	if (len == 0)
		return 0;
	if (data[0] % 4 == 1) {
		p.step = 1;
		try_message(&p, 0, data + 1, len - 1);
		try_message(&p, 1, data + 1, len - 1);
		return 0;
	}
	p.choices.data = data + 1;
	p.choices.left = len - 1;
	check(program_run(&p, 64) == 0);
	return 0;
}
