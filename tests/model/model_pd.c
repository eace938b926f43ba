/*
 * Pods at random, split by the library and by asking of each pod whether
 * there is another half for it, as the rule is said.
 */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

#include "base/rand.h"

enum { MAX = 200, PROGRAMS = 3000 };

/* What is planted to see that it is found. */
enum { SOUND, OTHER_HALF_OF_ANY_LENGTH };

static aibrix_pd_pod pods[MAX];

static int
is_for(const aibrix_pd_pod *p, uint64_t tokens)
{
	uint64_t max = p->max_tokens ? p->max_tokens : UINT64_MAX;

	return p->min_tokens <= tokens && tokens <= max;
}

/* One of the other role in its group that is for the length. */
static int
has_other_half(uint32_t n, uint32_t i, uint64_t tokens, int lengths)
{
	uint32_t other = AIBRIX_PD_PREFILL + AIBRIX_PD_DECODE - pods[i].role;

	for (uint32_t j = 0; j < n; j++)
		if (pods[j].group == pods[i].group && pods[j].role == other &&
		    (!lengths || is_for(&pods[j], tokens)))
			return 1;
	return 0;
}

static int
may(uint32_t n, uint32_t i, uint64_t tokens, int lengths, int fault)
{
	if (pods[i].role != AIBRIX_PD_PREFILL &&
	    pods[i].role != AIBRIX_PD_DECODE)
		return 0;
	if (lengths && !is_for(&pods[i], tokens))
		return 0;
	return has_other_half(n, i, tokens,
			      lengths && fault != OTHER_HALF_OF_ANY_LENGTH);
}

static uint32_t
pods_make(uint64_t *state)
{
	uint32_t n = rand_below(state, 8) ? rand_below(state, 24)
					  : rand_below(state, MAX);

	for (uint32_t i = 0; i < n; i++) {
		pods[i] = (aibrix_pd_pod){
			.group = rand_below(state, 1 + n / 3),
			.role = rand_below(state, 3),
			.min_tokens = rand_below(state, 3) * 10,
			.max_tokens = rand_below(state, 4) * 10,
			.load = NAN,
		};
		if (i > 0 && rand_below(state, 2))
			pods[i].group = pods[i - 1].group;
	}
	return n;
}

static int
lists_agree(uint32_t n, uint64_t tokens, int lengths, int fault,
	    const uint32_t *prefill, const uint32_t *decode,
	    const aibrix_pd_result *r)
{
	uint32_t p = 0, d = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!may(n, i, tokens, lengths, fault))
			continue;
		if (pods[i].role == AIBRIX_PD_PREFILL &&
		    (p >= r->n_prefill || prefill[p++] != i))
			return 0;
		if (pods[i].role == AIBRIX_PD_DECODE &&
		    (d >= r->n_decode || decode[d++] != i))
			return 0;
	}
	return p == r->n_prefill && d == r->n_decode;
}

/* Programs in which library and model differ. */
static uint32_t
programs(int fault)
{
	uint64_t state = 7;
	uint32_t differ = 0;

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		uint32_t n = pods_make(&state), prefill[MAX], decode[MAX];
		uint64_t tokens = rand_below(&state, 40);
		int lengths = (int)rand_below(&state, 2), err;
		aibrix_pd_result r = {.size = sizeof(r)};
		aibrix_pd_opts o = {.size = sizeof(o), .compat = !lengths};

		err = aibrix_pd_split(&o, pods, n, tokens, i, prefill, decode,
				      &r);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
		cr_assert_eq(err == AIBRIX_OK, r.n_prefill > 0);
		differ += !lists_agree(n, tokens, lengths, fault, prefill,
				       decode, &r);
	}
	return differ;
}

Test(model_pd, who_may_is_who_has_another_half)
{
	cr_expect_eq(programs(SOUND), 0u);
}

Test(model_pd, a_planted_fault_is_found)
{
	cr_expect_gt(programs(OTHER_HALF_OF_ANY_LENGTH), 100u);
}
