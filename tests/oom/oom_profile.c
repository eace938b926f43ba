#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/profile.h>

#include "failing.h"

Test(oom_profile, a_text_is_read_whole_or_not_at_all)
{
	static const char text[] =
		"{\"profiles\":{\"default\":{\"routingStrategy\":\"pd\"}}}";

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_profile_choice c = {.size = sizeof(c)};
		aibrix_profile_request r = {.size = sizeof(r)};
		aibrix_profile *p = NULL;
		uint64_t at = 7;
		int err = aibrix_profile_new(text, strlen(text), &a, &p, &at);

		cr_expect_eq(at, 7);
		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(p);
			cr_expect_eq(f.live, 0);
			continue;
		}
		cr_expect_eq(f.calls, 4);
		cr_expect_eq(aibrix_profile_pick(p, &r, &c), AIBRIX_OK);
		cr_expect_str_eq(c.strategy, "pd");
		cr_expect_eq(f.calls, 4);
		aibrix_profile_free(p);
		cr_expect_eq(f.live, 0);
		break;
	}
}

Test(oom_profile, a_text_that_is_refused_leaves_nothing)
{
	static const char text[] = "{\"profiles\":{\"a\":{},\"b\":1}}";
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_profile *p = NULL;
	uint64_t at = 7;

	cr_expect_eq(aibrix_profile_new(text, strlen(text), &a, &p, &at),
		     AIBRIX_E_PARSE);
	cr_expect_eq(f.live, 0);
}
