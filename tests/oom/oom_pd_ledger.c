#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/pd_ledger.h>

#include "each_failure.h"

enum { CHARGES = 40 };

static const aibrix_pd_request request = {.size = sizeof(request),
					  .prompt_tokens = 100};

/* By turns a pair of a fleet of two, and pods that were not seen before. */
static int
charge(aibrix_pd_ledger *ledger, uint32_t i)
{
	static const aibrix_pd_pod pods[2] = {{.role = AIBRIX_PD_PREFILL},
					      {.role = AIBRIX_PD_DECODE}};
	static const aibrix_pd_stat stats[2] = {{0}, {0}};
	static const uint64_t ids[2] = {1, 2};
	const aibrix_pd_view view = {pods, stats, ids, 2, 0};
	const aibrix_pd_charge busy = {1, 1, 1, 1, 1, 1};
	aibrix_pd_pick_result r = {.size = sizeof(r)};
	uint32_t prefill = 0, decode = 1;
	aibrix_pd_lists l = {&prefill, &decode, 1, 1};
	double scores[2];
	uint64_t ticket;

	switch (i % 3) {
	case 0:
		return aibrix_pd_ledger_pick(ledger, NULL, &view, &l, &request,
					     0, scores, &r, &ticket);
	case 1:
		return aibrix_pd_ledger_charge(ledger, 10 + i, 100 + i,
					       &request, NAN, 0, &ticket);
	default: return aibrix_pd_ledger_others(ledger, 1000 + i, &busy);
	}
}

/* A charge that fails charges nothing and can be repeated. */
static int
use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_pd_ledger_opts opts = {.size = sizeof(opts), .alloc = a};
	aibrix_pd_ledger *ledger = NULL;
	int err = aibrix_pd_ledger_new(&opts, &ledger), first = err;
	aibrix_pd_charge c;

	(void)arg;
	for (uint32_t i = 0; !err && i < CHARGES; i++) {
		uint64_t open = aibrix_pd_ledger_open(ledger);

		err = charge(ledger, i);
		if (!err)
			continue;
		first = err;
		cr_assert_eq(aibrix_pd_ledger_open(ledger), open);
		cr_assert_eq(aibrix_pd_ledger_read(ledger, 10 + i, &c),
			     AIBRIX_OK);
		cr_assert_eq(c.prefills, 0);
		f->fail_at = AIBRIX_FOREVER;
		err = charge(ledger, i);
	}
	cr_assert_eq(err != AIBRIX_OK, ledger == NULL);
	aibrix_pd_ledger_free(ledger);
	return first;
}

Test(pd_ledger, without_memory_nothing_is_charged)
{
	each_failure(use, NULL);
}
