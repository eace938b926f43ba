#include <criterion/criterion.h>

#include <aibrix/radix.h>

#include "failing.h"

enum { OWNERS = 9, PROMPT = 300 };

Test(oom_radix, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	uint32_t tokens[PROMPT];
	double held[OWNERS], requests[OWNERS], seconds[OWNERS];

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_radix_opts opts = {.size = sizeof(opts),
					  .max_owners = OWNERS,
					  .max_nodes = 20,
					  .max_tokens = 2 * PROMPT,
					  .max_requests = 10,
					  .alloc = &a};
		aibrix_radix_stat stat = {.size = sizeof(stat)};
		aibrix_radix *radix = NULL;
		int err = aibrix_radix_new(&opts, &radix);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(radix);
			cr_expect_eq(f.live, 0);
			continue;
		}
		for (uint32_t k = 0; k < 100; k++) {
			for (uint32_t t = 0; t < PROMPT; t++)
				tokens[t] = t < 3 * k ? t : t + k;
			cr_expect_eq(aibrix_radix_add(radix, 0, k % OWNERS,
						      tokens, PROMPT, k, NULL),
				     AIBRIX_OK);
		}
		cr_expect_eq(aibrix_radix_match(radix, 0, tokens, PROMPT, 100,
						held, OWNERS, NULL),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_radix_history(radix, 100, requests, seconds,
						  OWNERS),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_radix_forget(radix, 3), AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		cr_expect_eq(aibrix_radix_stats(radix, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		cr_expect(stat.nodes <= 20 && stat.tokens <= 2 * PROMPT);
		cr_expect_eq(stat.requests, 10);
		aibrix_radix_free(radix);
		cr_expect_eq(f.live, 0);
		break;
	}
}
