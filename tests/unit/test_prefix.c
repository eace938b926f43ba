#include <criterion/criterion.h>

#include <aibrix/prefix.h>

enum { MODEL = 1, OTHER_MODEL = 2, P1 = 11, P2 = 12, P3 = 13 };

static const uint64_t pods[] = {P1, P2, P3};
static const uint64_t hashes[] = {101, 102, 103, 104, 105, 106};

static aibrix_prefix *
new_prefix(uint64_t max_blocks, uint64_t max_age_ns)
{
	aibrix_prefix_opts opts = {.size = sizeof(opts),
				   .max_blocks = max_blocks,
				   .max_age_ns = max_age_ns};
	aibrix_prefix *prefix = NULL;

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	return prefix;
}

static void
add(aibrix_prefix *prefix, uint64_t pod, uint32_t first, uint64_t n,
    uint64_t now_ns)
{
	cr_assert_eq(aibrix_prefix_add(prefix, MODEL, pod, hashes + first, n,
				       now_ns),
		     AIBRIX_OK);
}

/* The percent of P1 for the first n hashes. */
static uint32_t
percent_of_p1(const aibrix_prefix *prefix, uint64_t n, uint64_t now_ns)
{
	uint32_t percent[3] = {77, 77, 77};

	aibrix_prefix_match(prefix, MODEL, pods, 3, hashes, n, now_ns, percent);
	return percent[0];
}

Test(prefix, percent_is_in_whole_numbers)
{
	aibrix_prefix *prefix = new_prefix(0, 0);

	add(prefix, P1, 0, 2, 0);
	cr_expect_eq(percent_of_p1(prefix, 2, 0), 100);
	cr_expect_eq(percent_of_p1(prefix, 3, 0), 66);
	cr_expect_eq(percent_of_p1(prefix, 6, 0), 33);
	cr_expect_eq(percent_of_p1(prefix, 0, 0), 0);
	aibrix_prefix_free(prefix);
}

/* There a match takes the pods that do not hold a block out of the caller's
 * own set. */
Test(prefix, defect_11_a_match_leaves_the_callers_list_alone)
{
	static const uint64_t ready[] = {P3, P1, P2};
	uint64_t mine[3] = {P3, P1, P2};
	aibrix_prefix *prefix = new_prefix(0, 0);
	uint32_t percent[3];

	add(prefix, P1, 0, 6, 0);
	add(prefix, P2, 0, 3, 0);
	for (uint32_t i = 0; i < 2; i++) {
		aibrix_prefix_match(prefix, MODEL, mine, 3, hashes, 6, 0,
				    percent);
		cr_expect_arr_eq(mine, ready, sizeof(ready));
		cr_expect(percent[0] == 0 && percent[1] == 100 &&
			  percent[2] == 50);
	}
	aibrix_prefix_free(prefix);
}

Test(prefix, a_match_is_contiguous_for_each_pod)
{
	aibrix_prefix *prefix = new_prefix(0, 0);
	uint32_t percent[3];

	add(prefix, P1, 0, 4, 0);
	add(prefix, P2, 2, 2, 0);
	add(prefix, P3, 0, 1, 0);
	add(prefix, P3, 2, 2, 0);
	aibrix_prefix_match(prefix, MODEL, pods, 3, hashes, 4, 0, percent);

	cr_expect_eq(percent[0], 100);
	cr_expect_eq(percent[1], 0);
	cr_expect_eq(percent[2], 25);
	aibrix_prefix_free(prefix);
}

Test(prefix, models_are_apart)
{
	aibrix_prefix *prefix = new_prefix(0, 0);
	uint32_t percent[3];

	add(prefix, P1, 0, 2, 0);
	aibrix_prefix_match(prefix, OTHER_MODEL, pods, 3, hashes, 2, 0,
			    percent);
	cr_expect_eq(percent[0], 0);
	aibrix_prefix_free(prefix);
}

Test(prefix, the_least_recently_added_block_goes_first)
{
	aibrix_prefix *prefix = new_prefix(3, 0);

	add(prefix, P1, 0, 3, 0);
	cr_expect_eq(percent_of_p1(prefix, 1, 0), 100, "does not refresh");
	add(prefix, P1, 3, 1, 0);
	cr_expect_eq(aibrix_prefix_count(prefix), 3);
	cr_expect_eq(percent_of_p1(prefix, 1, 0), 0);
	aibrix_prefix_free(prefix);
}

Test(prefix, adding_again_refreshes_a_block)
{
	aibrix_prefix *prefix = new_prefix(3, 0);

	add(prefix, P1, 0, 3, 0);
	add(prefix, P2, 0, 1, 0);
	add(prefix, P1, 3, 1, 0);
	cr_expect_eq(percent_of_p1(prefix, 2, 0), 50, "102 went");
	aibrix_prefix_free(prefix);
}

Test(prefix, a_prompt_longer_than_the_table_keeps_its_end)
{
	aibrix_prefix *prefix = new_prefix(2, 0);

	add(prefix, P1, 0, 5, 0);
	cr_expect_eq(aibrix_prefix_count(prefix), 2);
	cr_expect_eq(percent_of_p1(prefix, 5, 0), 0);
	aibrix_prefix_free(prefix);
}

Test(prefix, each_pod_of_a_block_expires_by_itself)
{
	aibrix_prefix *prefix = new_prefix(0, 100);
	uint32_t percent[3];

	add(prefix, P1, 0, 1, 0);
	add(prefix, P2, 0, 1, 90);
	cr_expect_eq(percent_of_p1(prefix, 1, 100), 100, "not older yet");
	aibrix_prefix_match(prefix, MODEL, pods, 3, hashes, 1, 101, percent);
	cr_expect_eq(percent[0], 0);
	cr_expect_eq(percent[1], 100);
	aibrix_prefix_free(prefix);
}

Test(prefix, expired_blocks_leave_at_the_next_add)
{
	aibrix_prefix *prefix = new_prefix(0, 100);

	add(prefix, P1, 0, 3, 0);
	add(prefix, P1, 5, 1, 101);
	cr_expect_eq(aibrix_prefix_count(prefix), 1);
	aibrix_prefix_free(prefix);
}

Test(prefix, the_default_age_is_20_minutes_and_forever_is_none)
{
	const uint64_t minutes = (uint64_t)60 * 1000000000;
	aibrix_prefix *prefix = new_prefix(0, 0);
	aibrix_prefix *forever = new_prefix(0, AIBRIX_FOREVER);

	add(prefix, P1, 0, 1, 0);
	add(forever, P1, 0, 1, 0);
	cr_expect_eq(percent_of_p1(prefix, 1, 20 * minutes), 100);
	cr_expect_eq(percent_of_p1(prefix, 1, 20 * minutes + 1), 0);
	cr_expect_eq(percent_of_p1(forever, 1, UINT64_MAX), 100);
	aibrix_prefix_free(prefix);
	aibrix_prefix_free(forever);
}

Test(prefix, a_clock_that_steps_back_expires_nothing)
{
	aibrix_prefix *prefix = new_prefix(0, 100);

	add(prefix, P1, 0, 1, 1000);
	add(prefix, P1, 1, 1, 5);
	cr_expect_eq(percent_of_p1(prefix, 2, 5), 100);
	aibrix_prefix_free(prefix);
}

Test(prefix, a_forgotten_pod_is_gone_from_all_models)
{
	aibrix_prefix *prefix = new_prefix(0, 0);

	add(prefix, P1, 0, 3, 0);
	add(prefix, P2, 0, 1, 0);
	cr_assert_eq(
		aibrix_prefix_add(prefix, OTHER_MODEL, P1, hashes + 4, 1, 0),
		AIBRIX_OK);
	aibrix_prefix_forget(prefix, P1);

	cr_expect_eq(percent_of_p1(prefix, 1, 0), 0);
	cr_expect_eq(aibrix_prefix_count(prefix), 1, "P2 keeps 101");
	aibrix_prefix_free(prefix);
}

/* The pods of block 0 in a table with these bounds, each added one ns after
 * the one before. */
static uint64_t
pods_kept(uint32_t block_pods, uint64_t more_pods, uint32_t n)
{
	aibrix_prefix_opts opts = {.size = sizeof(opts),
				   .max_blocks = 10,
				   .block_pods = block_pods,
				   .more_pods = more_pods};
	aibrix_prefix *prefix = NULL;
	uint64_t kept = 0;

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	for (uint64_t pod = 0; pod < n; pod++)
		add(prefix, pod, 0, 1, pod);
	for (uint64_t pod = 0; pod < n; pod++) {
		uint32_t percent;

		aibrix_prefix_match(prefix, MODEL, &pod, 1, hashes, 1, n,
				    &percent);
		kept |= (uint64_t)(percent == 100) << pod;
	}
	aibrix_prefix_free(prefix);
	return kept;
}

Test(prefix, beyond_its_bound_a_block_keeps_the_last_pods)
{
	cr_expect_eq(pods_kept(1, 0, 3), 0x4);
	cr_expect_eq(pods_kept(4, 0, 3), 0x7);
	cr_expect_eq(pods_kept(4, 0, 10), 0x3c0);
	cr_expect_eq(pods_kept(0, 5, 6), 0x3f, "one and five more");
	cr_expect_eq(pods_kept(0, 5, 10), 0x3f0);
}

Test(prefix, an_expired_pod_makes_room_before_one_that_counts)
{
	aibrix_prefix_opts opts = {
		.size = sizeof(opts), .max_age_ns = 100, .block_pods = 2};
	aibrix_prefix *prefix = NULL;
	uint32_t percent[3];

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	add(prefix, P1, 0, 1, 0);
	add(prefix, P2, 0, 1, 50);
	add(prefix, P3, 0, 1, 101);
	aibrix_prefix_match(prefix, MODEL, pods, 3, hashes, 1, 101, percent);
	cr_expect_eq(percent[0], 0);
	cr_expect_eq(percent[1], 100);
	cr_expect_eq(percent[2], 100);
	aibrix_prefix_free(prefix);
}

Test(prefix, beyond_max_pods_the_one_added_to_longest_ago_is_forgotten)
{
	aibrix_prefix_opts opts = {.size = sizeof(opts), .max_pods = 2};
	aibrix_prefix_stat stat = {.size = sizeof(stat)};
	aibrix_prefix *prefix = NULL;
	uint32_t percent[3];

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	add(prefix, P1, 0, 2, 0);
	add(prefix, P2, 0, 2, 0);
	add(prefix, P1, 0, 1, 0);
	add(prefix, P3, 0, 2, 0);
	aibrix_prefix_match(prefix, MODEL, pods, 3, hashes, 2, 0, percent);
	cr_expect_eq(percent[0], 100);
	cr_expect_eq(percent[1], 0);
	cr_expect_eq(percent[2], 100);
	cr_expect_eq(aibrix_prefix_stats(prefix, &stat), AIBRIX_OK);
	cr_expect_eq(stat.pods, 2);
	cr_expect_eq(stat.forgotten_room, 1);
	aibrix_prefix_free(prefix);
}

Test(prefix, a_pod_that_comes_back_starts_with_nothing)
{
	aibrix_prefix *prefix = new_prefix(0, 0);

	add(prefix, P1, 0, 3, 0);
	for (uint32_t i = 0; i < 100; i++) {
		aibrix_prefix_forget(prefix, P1);
		cr_expect_eq(percent_of_p1(prefix, 3, 0), 0);
		add(prefix, P1, 0, 1, 0);
		cr_expect_eq(percent_of_p1(prefix, 3, 0), 33);
	}
	aibrix_prefix_free(prefix);
}

/* With this many pods there are 2^16 - 1 generations. */
Test(prefix, a_pod_forgotten_more_often_than_can_be_counted_has_nothing)
{
	aibrix_prefix_opts opts = {
		.size = sizeof(opts), .max_blocks = 100, .max_pods = 65536};
	aibrix_prefix *prefix = NULL;

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	add(prefix, P2, 0, 1, 0);
	add(prefix, P1, 0, 1, 0);
	for (uint32_t i = 0; i < 70000; i++) {
		aibrix_prefix_forget(prefix, P1);
		add(prefix, P1, 1, 1, 0);
		cr_assert_eq(percent_of_p1(prefix, 1, 0), 0);
	}
	aibrix_prefix_free(prefix);
}

Test(prefix, the_hand_takes_expired_blocks_out_bit_by_bit)
{
	aibrix_prefix *prefix = new_prefix(1000, 100);
	aibrix_prefix_stat stat = {.size = sizeof(stat)};
	uint64_t many[1000];

	for (uint64_t i = 0; i < 1000; i++)
		many[i] = 1000 + i;
	cr_assert_eq(aibrix_prefix_add(prefix, MODEL, P1, many, 1000, 0),
		     AIBRIX_OK);
	add(prefix, P1, 0, 1, 101);
	cr_expect_eq(aibrix_prefix_count(prefix), 1000 - 18 + 1,
		     "16 blocks, and 2 for the one added");
	for (uint32_t i = 0; i < 60; i++)
		add(prefix, P1, 0, 1, 101);
	cr_expect_eq(aibrix_prefix_count(prefix), 1);
	cr_expect_eq(aibrix_prefix_stats(prefix, &stat), AIBRIX_OK);
	cr_expect_eq(stat.reclaimed, 1000);
	cr_expect_eq(stat.evicted, 0);
	aibrix_prefix_free(prefix);
}

Test(prefix, three_hundred_pods_are_answered_at_once)
{
	enum { MANY = 300 };
	aibrix_prefix_opts opts = {.size = sizeof(opts), .block_pods = MANY};
	aibrix_prefix *prefix = NULL;
	uint64_t ready[MANY];
	uint32_t percent[MANY];

	cr_assert_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_OK);
	for (uint32_t i = 0; i < MANY; i++) {
		ready[i] = MANY - i;
		add(prefix, ready[i], 0, 1 + i % 5, 0);
	}
	aibrix_prefix_match(prefix, MODEL, ready, MANY, hashes, 5, 0, percent);
	for (uint32_t i = 0; i < MANY; i++)
		cr_expect_eq(percent[i], 20 * (1 + i % 5));
	aibrix_prefix_free(prefix);
}

Test(prefix, memory_per_block_is_as_documented)
{
	aibrix_prefix *prefix = new_prefix(0, 0);
	aibrix_prefix_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_prefix_stats(prefix, &stat), AIBRIX_OK);
	cr_expect_leq(stat.bytes, 200000 * (32 + 11 + 16) + 4096 * 73 + 1024);
	aibrix_prefix_free(prefix);
}

Test(prefix, wrong_calls_are_refused)
{
	aibrix_prefix_opts opts = {.size = sizeof(opts), .spare = 1};
	aibrix_prefix *prefix = NULL;

	cr_expect_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_E_ABI);
	opts.spare = 0;
	opts.max_blocks = UINT32_MAX;
	cr_expect_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_E_INVAL);
	opts.max_blocks = 0;
	opts.max_pods = 65537;
	cr_expect_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_E_INVAL);
	opts.max_pods = 0;
	opts.more_pods = UINT64_MAX;
	cr_expect_eq(aibrix_prefix_new(&opts, &prefix), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_prefix_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_prefix_stats(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(prefix);
	cr_expect_eq(aibrix_prefix_add(NULL, 0, 0, hashes, 1, 0),
		     AIBRIX_E_INVAL);
	aibrix_prefix_free(NULL);
	aibrix_prefix_forget(NULL, 0);
	cr_expect_eq(aibrix_prefix_count(NULL), 0);
}
