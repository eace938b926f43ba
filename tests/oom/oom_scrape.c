#include <criterion/criterion.h>

#include <aibrix/scrape.h>

#include "failing.h"

Test(oom_scrape, all_memory_is_taken_at_once_and_no_page_can_fail_for_it)
{
	static const char text[] =
		"vllm:time_to_first_token_seconds_bucket{le=\"1\"} 1\n"
		"vllm:num_requests_running 1\n";

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		const aibrix_scrape_opts o = {
			.size = sizeof(o), .model = "m", .alloc = &a};
		aibrix_scrape *scrape = NULL;
		int err = aibrix_scrape_new(&o, &scrape);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(scrape);
			cr_expect_eq(f.live, 0);
			continue;
		}
		cr_expect_lt(f.live_bytes, 80 << 10);
		for (uint64_t now = 0; now < 100; now++)
			cr_expect_eq(aibrix_scrape_feed(scrape, text,
							sizeof(text) - 1,
							now * 1000000000, NULL),
				     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_scrape_free(scrape);
		cr_expect_eq(f.live, 0);
		break;
	}
}
