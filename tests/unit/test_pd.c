#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

enum { MAX = 16 };

#define P AIBRIX_PD_PREFILL
#define D AIBRIX_PD_DECODE
#define C AIBRIX_PD_COMBINED

static uint32_t prefill[MAX], decode[MAX];
static aibrix_pd_result got;

static aibrix_pd_pod
pod(uint64_t group, uint32_t role)
{
	return (aibrix_pd_pod){.group = group, .role = role, .load = NAN};
}

static aibrix_pd_pod
ranged(uint64_t group, uint32_t role, uint32_t min, uint32_t max)
{
	aibrix_pd_pod p = pod(group, role);

	p.min_tokens = min;
	p.max_tokens = max;
	return p;
}

static aibrix_pd_pod
loaded(uint64_t group, uint32_t role, double load)
{
	aibrix_pd_pod p = pod(group, role);

	p.load = load;
	return p;
}

static int
split_as(uint32_t compat, uint32_t flags, const aibrix_pd_pod *pods, uint32_t n,
	 uint64_t tokens, uint64_t entropy)
{
	aibrix_pd_opts o = {
		.size = sizeof(o), .compat = compat, .flags = flags};

	memset(&got, 0x5a, sizeof(got));
	got.size = sizeof(got);
	return aibrix_pd_split(&o, pods, n, tokens, entropy, prefill, decode,
			       &got);
}

static int
split(const aibrix_pd_pod *pods, uint32_t n, uint64_t tokens)
{
	return split_as(1, AIBRIX_PD_BUCKETS, pods, n, tokens, 1);
}

static void
expect(uint32_t reason, uint32_t n_prefill, uint32_t n_decode,
       uint32_t combined)
{
	cr_expect_eq(got.reason, reason, "reason %u", got.reason);
	cr_expect_eq(got.n_prefill, n_prefill);
	cr_expect_eq(got.n_decode, n_decode);
	cr_expect_eq(got.combined, combined);
}

/* AIBrix's buck01 to buck10: minimum, maximum, length. */
Test(pd, a_pod_is_for_the_lengths_it_says)
{
	static const struct {
		uint32_t min, max, length;
		int suitable;
	} rows[] = {
		{0, 2147483647, 1000, 1}, {1000, 2000, 1000, 1},
		{1000, 2000, 1500, 1},    {1000, 2000, 2000, 1},
		{1000, 2000, 900, 0},     {1000, 2000, 2100, 0},
		{2000, 1000, 1000, 0},    {2000, 1000, 1500, 0},
		{0, 0, 99999, 1},         {10, 50, 9, 0},
		{10, 50, 10, 1},          {10, 50, 50, 1},
		{10, 50, 51, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_pd_pod pods[] = {ranged(1, P, rows[i].min, rows[i].max),
					pod(1, D)};
		int err = split(pods, 2, rows[i].length);

		cr_expect_eq(err,
			     rows[i].suitable ? AIBRIX_OK : AIBRIX_E_NOT_FOUND,
			     "row %zu", i);
		cr_expect_eq(got.reason, rows[i].suitable
						 ? AIBRIX_PD_REASON_LENGTH
						 : AIBRIX_PD_REASON_NO_LENGTH);
	}
}

/* elig01, elig02, elig06: pods without a role, or not the first of theirs. */
Test(pd, pods_that_serve_nobody_are_passed_over)
{
	aibrix_pd_pod pods[] = {pod(1, AIBRIX_PD_NONE), pod(1, P),
				pod(2, AIBRIX_PD_NONE), pod(1, D)};

	cr_assert_eq(split_as(1, 0, pods, 4, 5, 1), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_GROUPS, 1, 1, AIBRIX_PD_NOBODY);
	cr_expect_eq(prefill[0], 1u);
	cr_expect_eq(decode[0], 3u);
}

Test(pd, labels_make_roles)
{
	static const char *const not_first[] = {"", "1", "-1", "invalid", "00"};

	cr_expect_eq(aibrix_pd_role("prefill", NULL, 0), P);
	cr_expect_eq(aibrix_pd_role("decode", "0", 1), D);
	cr_expect_eq(aibrix_pd_role("unknown", NULL, 0), AIBRIX_PD_NONE);
	cr_expect_eq(aibrix_pd_role(NULL, NULL, 0), AIBRIX_PD_NONE);
	cr_expect_eq(aibrix_pd_role("combined", "0", 1), C);
	cr_expect_eq(aibrix_pd_role(NULL, NULL, 1), C);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_eq(aibrix_pd_role("prefill", not_first[i], 0),
			     AIBRIX_PD_NONE);
		cr_expect_eq(aibrix_pd_role(NULL, not_first[i], 1),
			     AIBRIX_PD_NONE);
	}
}

/* elig04, elig05 */
Test(pd, no_group_has_both)
{
	aibrix_pd_pod decodes[] = {pod(1, D), pod(2, D)};
	aibrix_pd_pod prefills[] = {pod(1, P)};
	aibrix_pd_pod apart[] = {pod(1, P), pod(2, D)};
	aibrix_pd_pod none[] = {pod(1, AIBRIX_PD_NONE)};

	cr_expect_eq(split(decodes, 2, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
	cr_expect_eq(split(prefills, 1, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
	cr_expect_eq(split(apart, 2, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
	cr_expect_eq(split(none, 1, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
	cr_expect_eq(split(NULL, 0, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
}

/* elig07: the two need not be as many. */
Test(pd, all_groups_that_have_both_are_in)
{
	aibrix_pd_pod pods[] = {pod(9, P), pod(2, D), pod(9, D),
				pod(2, P), pod(2, D), pod(5, P)};

	cr_assert_eq(split_as(1, 0, pods, 6, 5, 1), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_GROUPS, 2, 3, AIBRIX_PD_NOBODY);
	cr_expect_eq(prefill[0], 0u);
	cr_expect_eq(prefill[1], 3u);
	cr_expect_eq(decode[0], 1u);
	cr_expect_eq(decode[1], 2u);
	cr_expect_eq(decode[2], 4u);
}

/* elig09: the groups are there, and none is for the length. */
Test(pd, a_group_with_one_half_for_the_length_is_none)
{
	aibrix_pd_pod pods[] = {ranged(1, P, 0, 10), ranged(1, D, 20, 30)};

	cr_expect_eq(split(pods, 2, 5), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_LENGTH, 0, 0, AIBRIX_PD_NOBODY);
	cr_expect_eq(split(pods, 2, 25), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(split(pods, 2, 15), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(split_as(1, 0, pods, 2, 5, 1), AIBRIX_OK,
		     "without buckets lengths do not count");
	expect(AIBRIX_PD_REASON_GROUPS, 1, 1, AIBRIX_PD_NOBODY);
}

/* elig10 */
Test(pd, only_groups_for_the_length_stay)
{
	aibrix_pd_pod pods[] = {ranged(2, P, 0, 100), ranged(2, D, 0, 10),
				ranged(1, P, 0, 100), ranged(1, D, 0, 100),
				ranged(1, D, 0, 10)};

	cr_assert_eq(split(pods, 5, 50), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_LENGTH, 1, 1, AIBRIX_PD_NOBODY);
	cr_expect_eq(prefill[0], 2u);
	cr_expect_eq(decode[0], 3u);
}

/* elig11, elig12, elig14 */
Test(pd, a_combined_pod_serves_what_no_group_is_for)
{
	aibrix_pd_pod one[] = {ranged(1, P, 0, 1), ranged(1, D, 0, 1),
			       ranged(1, C, 0, 1000000)};
	aibrix_pd_pod three[] = {ranged(1, P, 0, 15), ranged(1, D, 0, 15),
				 ranged(2, P, 16, 32), ranged(3, C, 0, 0)};
	aibrix_pd_pod alone[] = {ranged(1, C, 0, 100)};

	cr_assert_eq(split(one, 3, 2), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_COMBINED, 0, 0, 2);
	cr_assert_eq(split(three, 4, 20), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_COMBINED, 0, 0, 3);
	cr_assert_eq(split(alone, 1, 11), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_COMBINED, 0, 0, 0);
	cr_assert_eq(split(alone, 1, 101), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_GROUP, 0, 0, AIBRIX_PD_NOBODY);
	cr_assert_eq(split_as(1, 0, alone, 1, 11, 1), AIBRIX_E_NOT_FOUND,
		     "in compat they count with buckets only");
	cr_assert_eq(split_as(0, 0, alone, 1, 11, 1), AIBRIX_OK);
}

/* pc01 to pc06: loads of a prefill, a decode and a combined pod. */
Test(pd, an_idle_combined_pod_helps_busy_groups)
{
	static const struct {
		double prefill, decode, combined;
		int helps;
	} rows[] = {
		{2, .25, 0, 1},
		{0, 2, 0, 1},
		{.25, .25, 0, 0},
		{200 / 100., 30 / 100., 0 / 200., 1},
		{200 / 100., 30 / 100., 100 / 100., 0},
		{1, 1, 0, 0},
		{2, 2, .25, 0},
		{INFINITY, NAN, 0, 1},
		{NAN, NAN, 0, 0},
		{2, 2, NAN, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_pd_pod pods[] = {loaded(1, P, rows[i].prefill),
					loaded(1, D, rows[i].decode),
					loaded(1, C, rows[i].combined)};

		for (uint32_t compat = 0; compat < 2; compat++) {
			cr_assert_eq(split_as(compat, compat, pods, 3, 5, 1),
				     AIBRIX_OK);
			if (rows[i].helps)
				expect(AIBRIX_PD_REASON_BUSY, 0, 0, 2);
			else
				expect(AIBRIX_PD_REASON_LENGTH, 1, 1,
				       AIBRIX_PD_NOBODY);
		}
		cr_assert_eq(split(pods, 2, 5), AIBRIX_OK, "pc05");
		expect(AIBRIX_PD_REASON_LENGTH, 1, 1, AIBRIX_PD_NOBODY);
	}
}

Test(pd, of_combined_pods_the_least_loaded_helps)
{
	aibrix_pd_pod pods[] = {loaded(1, C, NAN), loaded(1, P, 9),
				loaded(1, C, .2),  loaded(1, D, 0),
				loaded(1, C, .1),  loaded(1, C, NAN)};

	for (uint64_t entropy = 0; entropy < 20; entropy++) {
		cr_assert_eq(split_as(1, 1, pods, 6, 5, entropy), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_BUSY, 0, 0, 4);
	}
}

/* Only pods for the length are asked: a busy one for other prompts is no
 * reason. */
Test(pd, who_is_not_for_the_length_is_not_busy)
{
	aibrix_pd_pod pods[] = {loaded(1, P, 0), loaded(1, D, 0),
				ranged(1, P, 100, 200), loaded(1, C, 0)};

	pods[2].load = 50;
	cr_assert_eq(split(pods, 4, 5), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_LENGTH, 1, 1, AIBRIX_PD_NOBODY);
}

/* The two forms differ: at random there, by load here, and who is not known
 * comes last. */
Test(pd, without_a_group_compat_takes_any_and_the_default_the_idlest)
{
	aibrix_pd_pod pods[] = {loaded(1, C, NAN), loaded(2, C, 3),
				loaded(3, C, 1), loaded(4, C, 1)};
	uint32_t compat = 0, own = 0;

	for (uint64_t entropy = 0; entropy < 100; entropy++) {
		cr_assert_eq(split_as(1, 1, pods, 4, 5, entropy), AIBRIX_OK);
		compat |= 1u << got.combined;
		cr_assert_eq(split_as(0, 0, pods, 4, 5, entropy), AIBRIX_OK);
		own |= 1u << got.combined;
	}
	cr_expect_eq(compat, 15u);
	cr_expect_eq(own, 12u);
	cr_assert_eq(split_as(0, 0, pods, 1, 5, 1), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_COMBINED, 0, 0, 0);
}

Test(pd, bounds_of_load_can_be_set_to_anything_that_is_a_load)
{
	aibrix_pd_pod pods[] = {loaded(1, P, .5), loaded(1, D, 0),
				loaded(1, C, .3)};
	aibrix_pd_opts o = {.size = sizeof(o),
			    .flags = AIBRIX_PD_LOW_LOAD_SET |
				     AIBRIX_PD_HIGH_LOAD_SET,
			    .low_load = .4,
			    .high_load = 0};

	got.size = sizeof(got);
	cr_assert_eq(aibrix_pd_split(&o, pods, 3, 1, 1, prefill, decode, &got),
		     AIBRIX_OK);
	expect(AIBRIX_PD_REASON_BUSY, 0, 0, 2);
	o.low_load = 0;
	cr_assert_eq(aibrix_pd_split(&o, pods, 3, 1, 1, prefill, decode, &got),
		     AIBRIX_OK);
	expect(AIBRIX_PD_REASON_LENGTH, 1, 1, AIBRIX_PD_NOBODY);
	o.high_load = NAN;
	cr_expect_eq(aibrix_pd_split(&o, pods, 3, 1, 1, prefill, decode, &got),
		     AIBRIX_E_INVAL);
	o.high_load = -1;
	cr_expect_eq(aibrix_pd_split(&o, pods, 3, 1, 1, prefill, decode, &got),
		     AIBRIX_E_INVAL);
}

Test(pd, wrong_calls_leave_the_result_alone)
{
	aibrix_pd_pod pods[] = {pod(1, P), pod(1, D)};

	cr_expect_eq(split_as(2, 0, pods, 2, 1, 1), AIBRIX_E_INVAL);
	cr_expect_eq(split_as(0, 1u << 31, pods, 2, 1, 1), AIBRIX_E_ABI);
	pods[1].role = 4;
	cr_expect_eq(split(pods, 2, 1), AIBRIX_E_INVAL);
	pods[1].role = D;
	pods[1].spare = 1;
	cr_expect_eq(split(pods, 2, 1), AIBRIX_E_INVAL);
	cr_expect_eq(got.reason, 0x5a5a5a5au);
	pods[1].spare = 0;
	cr_expect_eq(
		aibrix_pd_split(NULL, pods, 2, 1, 1, prefill, decode, NULL),
		AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_split(NULL, pods, 2, 1, 1, NULL, decode, &got),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_split(NULL, pods, 2, 1, 1, prefill, NULL, &got),
		     AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_pd_split(NULL, NULL, 2, 1, 1, prefill, decode, &got),
		AIBRIX_E_INVAL);
	got.size = 0;
	cr_expect_eq(
		aibrix_pd_split(NULL, pods, 2, 1, 1, prefill, decode, &got),
		AIBRIX_E_INVAL);
}
