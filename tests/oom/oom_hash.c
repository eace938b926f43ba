#include <criterion/criterion.h>

#include <aibrix/hash.h>

#include "failing.h"

/* Every failing allocation leaves nothing behind, and naming allocates
 * nothing at all. */
Test(oom_hash, a_failed_creation_leaves_nothing_and_naming_asks_for_nothing)
{
	static const uint32_t tokens[64] = {1, 2, 3};
	static const aibrix_prompt_item item = {"img", 3, 0, 20, 20};
	aibrix_prompt prompt = {sizeof(prompt), 1,      tokens, 64,
				&item,          "lora", "salt"};
	const aibrix_prompt *both[2] = {&prompt, &prompt};
	aibrix_key keys[8];
	uint64_t hashes[8], ends[2], n, i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_hash_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_hash *hash = NULL;
		int err = aibrix_hash_new(&opts, &hash);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(hash);
			cr_expect_eq(f.live, 0);
			continue;
		}
		cr_expect_eq(aibrix_hash_blocks(hash, &prompt, 0, hashes, keys,
						8, &n),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_hash_batch(hash, both, 2, hashes, keys, 8,
					       ends, &n),
			     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_hash_free(hash);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 1, "a scheme is one allocation");
}
