/* The key against a list of all prompts: shares are counted by comparing the
 * blocks themselves, and what is hot is worked out anew. */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/hot.h>

#include "base/rand.h"

enum { BLOCKS = 4, REQUESTS = 400, WINDOW = 40, SAMPLES = 10 };

/* Planted in the model, never in the object. */
enum { NO_FAULT, FAULT_COUNTS_LAST_BLOCK_ONLY, FAULT_NEVER_COOLS };

struct prompt {
	uint64_t hashes[BLOCKS];
	int hot[BLOCKS];
	uint32_t depth; /* of its key */
	uint64_t key;
};

static int
alike(const struct prompt *a, const struct prompt *b, uint32_t n, int fault)
{
	if (fault == FAULT_COUNTS_LAST_BLOCK_ONLY)
		return a->hashes[n - 1] == b->hashes[n - 1];
	return memcmp(a->hashes, b->hashes, n * sizeof(a->hashes[0])) == 0;
}

static int
model_hot(const struct prompt *all, uint32_t at, uint32_t n, int fault)
{
	uint32_t first = at > WINDOW ? at - WINDOW : 0, count = 0;
	int was = 0;

	if (at - first < SAMPLES)
		return 0;
	for (uint32_t i = first; i < at; i++)
		if (alike(&all[i], &all[at], n, fault)) {
			count++;
			was = all[i].hot[n - 1];
		}
	return count * 100 >=
	       (was && fault != FAULT_NEVER_COOLS ? 10u : 20u) * (at - first);
}

/* Keys are equal where their beginnings are. */
static const char *
program_run(uint64_t seed, int fault)
{
	static struct prompt all[REQUESTS];
	aibrix_hot_opts opts = {.size = sizeof(opts),
				.window = WINDOW,
				.samples = SAMPLES,
				.hot_share = 0.2,
				.cool_share = 0.1};
	const char *bad = NULL;
	aibrix_hot *hot;

	cr_assert_eq(aibrix_hot_new(&opts, &hot), AIBRIX_OK);
	for (uint32_t at = 0; !bad && at < REQUESTS; at++) {
		struct prompt *p = &all[at];

		*p = (struct prompt){.depth = 1};
		for (uint32_t i = 0; i < BLOCKS; i++)
			p->hashes[i] = rand_below(&seed, 2 + at / 100);
		cr_assert_eq(aibrix_hot_note(hot, p->hashes, BLOCKS, &p->key),
			     AIBRIX_OK);
		while (p->depth < BLOCKS && model_hot(all, at, p->depth, fault))
			p->hot[p->depth++ - 1] = 1;
		for (uint32_t i = 0; !bad && i < at; i++)
			if ((all[i].key == p->key) !=
			    (all[i].depth == p->depth &&
			     alike(&all[i], p, p->depth, NO_FAULT)))
				bad = "another key";
	}
	aibrix_hot_free(hot);
	return bad;
}

static const char *
programs_run(int fault)
{
	const char *bad = NULL;

	for (uint64_t seed = 1; !bad && seed <= 40; seed++)
		bad = program_run(seed, fault);
	return bad;
}

Test(hot, keys_are_those_of_a_list_of_all_prompts)
{
	cr_expect_null(programs_run(NO_FAULT));
}

Test(hot, a_model_that_mixes_beginnings_is_found_out)
{
	cr_expect_not_null(programs_run(FAULT_COUNTS_LAST_BLOCK_ONLY));
}

Test(hot, a_model_without_a_second_share_is_found_out)
{
	cr_expect_not_null(programs_run(FAULT_NEVER_COOLS));
}
