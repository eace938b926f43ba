#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/index.h>
#include <aibrix/predict.h>

enum { OWNERS = 3 };

static const uint64_t second_ns = 1000000000;
static const uint64_t hashes[] = {101, 102, 103, 104, 105, 106};

static aibrix_predict *
new_predict(uint64_t max_blocks, uint64_t lease_ns)
{
	aibrix_predict_opts opts = {.size = sizeof(opts),
				    .max_owners = OWNERS,
				    .max_blocks = max_blocks,
				    .lease_ns = lease_ns};
	aibrix_predict *predict = NULL;

	cr_assert_eq(aibrix_predict_new(&opts, &predict), AIBRIX_OK);
	return predict;
}

static void
add(aibrix_predict *predict, uint32_t owner, uint64_t n, uint64_t now_ns)
{
	cr_assert_eq(aibrix_predict_add(predict, owner, hashes, n, now_ns, 0),
		     AIBRIX_OK);
}

/* What owner is raised to from a start. */
static double
raised(aibrix_predict *predict, uint32_t owner, uint64_t n, uint64_t now_ns,
       double start)
{
	double blocks[OWNERS] = {0};

	blocks[owner] = start;
	cr_assert_eq(aibrix_predict_match(predict, hashes, n, now_ns, blocks,
					  OWNERS),
		     AIBRIX_OK);
	return blocks[owner];
}

Test(predict, a_decision_counts_at_once)
{
	aibrix_predict *predict = new_predict(0, 0);
	double blocks[OWNERS] = {0};

	add(predict, 1, 4, 0);
	add(predict, 2, 2, 0);
	cr_assert_eq(
		aibrix_predict_match(predict, hashes, 6, 0, blocks, OWNERS),
		AIBRIX_OK);
	cr_expect_eq(blocks[0], 0);
	cr_expect_eq(blocks[1], 4);
	cr_expect_eq(blocks[2], 2);
	aibrix_predict_free(predict);
}

Test(predict, a_lease_is_five_seconds_unless_told)
{
	aibrix_predict *predict = new_predict(0, 0);
	aibrix_predict *two = new_predict(0, 2 * second_ns);

	add(predict, 0, 1, 10);
	add(two, 0, 1, 10);
	cr_expect_eq(raised(predict, 0, 1, 5 * second_ns + 10, 0), 1);
	cr_expect_eq(raised(predict, 0, 1, 5 * second_ns + 11, 0), 0);
	cr_expect_eq(raised(two, 0, 1, 2 * second_ns + 10, 0), 1);
	cr_expect_eq(raised(two, 0, 1, 2 * second_ns + 11, 0), 0);
	cr_assert_eq(aibrix_predict_add(two, 0, hashes, 1, 100, 7), AIBRIX_OK);
	cr_expect_eq(raised(two, 0, 1, 2 * second_ns + 10, 0), 1,
		     "not shortened");
	cr_assert_eq(aibrix_predict_add(two, 1, hashes, 1, 100, 7), AIBRIX_OK);
	cr_expect_eq(raised(two, 1, 1, 107, 0), 1);
	cr_expect_eq(raised(two, 1, 1, 108, 0), 0);
	aibrix_predict_free(predict);
	aibrix_predict_free(two);
}

Test(predict, a_lease_for_ever_does_not_end)
{
	aibrix_predict *predict = new_predict(0, 0);

	cr_assert_eq(
		aibrix_predict_add(predict, 0, hashes, 1, 7, AIBRIX_FOREVER),
		AIBRIX_OK);
	cr_expect_eq(raised(predict, 0, 1, UINT64_MAX, 0), 1);
	aibrix_predict_free(predict);
}

Test(predict, the_same_block_behind_another_prefix_is_another_one)
{
	static const uint64_t other[] = {109, 102, 103};
	aibrix_predict *predict = new_predict(0, 0);
	double blocks[1] = {0};

	add(predict, 0, 1, 0);
	cr_assert_eq(aibrix_predict_add(predict, 0, other, 3, 0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_predict_match(predict, hashes, 3, 0, blocks, 1),
		     AIBRIX_OK);
	cr_expect_eq(blocks[0], 1);
	aibrix_predict_free(predict);
}

Test(predict, a_prediction_goes_on_where_the_column_ends)
{
	aibrix_predict *predict = new_predict(0, 0);

	add(predict, 0, 5, 0);
	cr_assert_eq(aibrix_predict_confirm(predict, 0, hashes, 2), AIBRIX_OK);
	cr_expect_eq(raised(predict, 0, 6, 0, 0), 0, "block 0 is missing");
	cr_expect_eq(raised(predict, 0, 6, 0, 1), 1);
	cr_expect_eq(raised(predict, 0, 6, 0, 2), 5);
	cr_expect_eq(raised(predict, 0, 6, 0, 2.5), 5, "whole blocks");
	cr_expect_eq(raised(predict, 0, 6, 0, 5.5), 5.5);
	cr_expect_eq(raised(predict, 0, 6, 0, 9), 9, "never lowered");
	cr_expect_eq(raised(predict, 0, 3, 0, 2), 3, "within the prompt");
	aibrix_predict_free(predict);
}

Test(predict, an_unknown_entry_is_raised_from_nothing_or_stays_unknown)
{
	aibrix_predict *predict = new_predict(0, 0);

	add(predict, 0, 2, 0);
	cr_expect_eq(raised(predict, 0, 2, 0, NAN), 2);
	cr_expect_eq(raised(predict, 0, 2, 0, -1), 2);
	cr_expect(isnan(raised(predict, 1, 2, 0, NAN)));
	cr_expect_eq(raised(predict, 1, 2, 0, -1), -1);
	aibrix_predict_free(predict);
}

Test(predict, entries_of_many_depths_are_all_raised)
{
	enum { MANY = 100 };
	aibrix_predict_opts opts = {.size = sizeof(opts)};
	aibrix_predict *predict = NULL;
	uint64_t prompt[MANY + 1];
	double blocks[MANY];

	cr_assert_eq(aibrix_predict_new(&opts, &predict), AIBRIX_OK);
	for (uint64_t i = 0; i <= MANY; i++)
		prompt[i] = i;
	for (uint32_t i = 0; i < MANY; i++) {
		blocks[i] = i;
		/* Every third goes one block on, from its own depth. */
		if (i % 3)
			continue;
		cr_assert_eq(
			aibrix_predict_add(predict, i, prompt, i + 1, 0, 0),
			AIBRIX_OK);
		cr_assert_eq(aibrix_predict_confirm(predict, i, prompt, i),
			     AIBRIX_OK);
	}
	cr_assert_eq(aibrix_predict_match(predict, prompt, MANY + 1, 0, blocks,
					  MANY),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < MANY; i++)
		cr_expect_eq(blocks[i], i + (i % 3 == 0));
	aibrix_predict_free(predict);
}

Test(predict, a_burst_of_siblings_follows_the_first_before_its_events_come)
{
	aibrix_predict *predict = new_predict(0, 0);
	aibrix_index *index = NULL;
	aibrix_index_reader *reader = NULL;
	aibrix_index_stored event = {.size = sizeof(event),
				     .n = 4,
				     .hashes = hashes,
				     .names = hashes};
	double blocks[OWNERS];

	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_index_reader_new(index, &reader), AIBRIX_OK);
	add(predict, 1, 6, 0);
	cr_assert_eq(aibrix_index_apply_stored(index, 1, &event), AIBRIX_OK);
	cr_assert_eq(aibrix_predict_confirm(predict, 1, hashes, 4), AIBRIX_OK);

	cr_assert_eq(aibrix_index_match(reader, hashes, 6, 0, blocks, OWNERS),
		     AIBRIX_OK);
	cr_expect_eq(blocks[1], 4);
	cr_assert_eq(
		aibrix_predict_match(predict, hashes, 6, 0, blocks, OWNERS),
		AIBRIX_OK);
	cr_expect_eq(blocks[1], 6);
	cr_expect_eq(blocks[0], 0);
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
	aibrix_predict_free(predict);
}

Test(predict, a_confirmed_block_is_confirmed_for_its_owner_only)
{
	aibrix_predict *predict = new_predict(0, 0);
	aibrix_predict_stat stat = {.size = sizeof(stat)};

	add(predict, 0, 3, 0);
	add(predict, 1, 3, 0);
	cr_assert_eq(aibrix_predict_confirm(predict, 0, hashes, 6), AIBRIX_OK);
	cr_expect_eq(raised(predict, 0, 3, 0, 0), 0);
	cr_expect_eq(raised(predict, 1, 3, 0, 0), 3);
	cr_assert_eq(aibrix_predict_confirm(predict, 1, hashes, 6), AIBRIX_OK);
	cr_assert_eq(aibrix_predict_stats(predict, &stat), AIBRIX_OK);
	cr_expect_eq(stat.confirmed, 6);
	cr_expect_eq(stat.blocks, 0);
	cr_expect_eq(stat.entries, 0);
	aibrix_predict_free(predict);
}

Test(predict, a_forgotten_owner_starts_with_nothing)
{
	aibrix_predict *predict = new_predict(0, 0);

	add(predict, 0, 3, 0);
	add(predict, 1, 3, 0);
	cr_assert_eq(aibrix_predict_forget(predict, 0), AIBRIX_OK);
	cr_expect_eq(raised(predict, 0, 3, 0, 0), 0);
	cr_expect_eq(raised(predict, 1, 3, 0, 0), 3);
	add(predict, 0, 1, 0);
	cr_expect_eq(raised(predict, 0, 3, 0, 0), 1);
	aibrix_predict_free(predict);
}

Test(predict, at_the_bound_the_blocks_predicted_least_recently_go)
{
	static const uint64_t other[] = {201, 202};
	aibrix_predict *predict = new_predict(4, 0);
	aibrix_predict_stat stat = {.size = sizeof(stat)};
	double blocks[OWNERS] = {0};

	add(predict, 0, 3, 0);
	cr_assert_eq(aibrix_predict_add(predict, 1, other, 2, 0, 0), AIBRIX_OK);
	cr_expect_eq(raised(predict, 0, 3, 0, 0), 0);
	cr_assert_eq(aibrix_predict_match(predict, other, 2, 0, blocks, OWNERS),
		     AIBRIX_OK);
	cr_expect_eq(blocks[1], 2);
	cr_assert_eq(aibrix_predict_stats(predict, &stat), AIBRIX_OK);
	cr_expect_eq(stat.blocks, 4);
	cr_expect_eq(stat.evicted, 1);
	cr_expect_eq(stat.added, 5);
	aibrix_predict_free(predict);
}

Test(predict, owners_without_a_row_are_left_out)
{
	aibrix_predict *predict = new_predict(0, 0);
	double blocks[2] = {0, 0};

	add(predict, 2, 3, 0);
	cr_expect_eq(aibrix_predict_match(predict, hashes, 3, 0, blocks, 2),
		     AIBRIX_OK);
	cr_expect_eq(blocks[0], 0);
	cr_expect_eq(blocks[1], 0);
	cr_expect_eq(aibrix_predict_match(predict, hashes, 3, 0, NULL, 0),
		     AIBRIX_OK);
	aibrix_predict_free(predict);
}

Test(predict, wrong_calls_are_refused)
{
	aibrix_predict_opts opts = {.size = sizeof(opts), .spare = 1};
	aibrix_predict *predict = NULL;
	double blocks[1];

	cr_expect_eq(aibrix_predict_new(&opts, &predict), AIBRIX_E_ABI);
	opts.spare = 0;
	opts.max_blocks = UINT32_MAX;
	cr_expect_eq(aibrix_predict_new(&opts, &predict), AIBRIX_E_INVAL);
	opts.max_blocks = 1;
	opts.max_owners = 65537;
	cr_expect_eq(aibrix_predict_new(&opts, &predict), AIBRIX_E_INVAL);
	opts.max_owners = OWNERS;
	cr_expect_eq(aibrix_predict_new(&opts, NULL), AIBRIX_E_INVAL);
	cr_expect_null(predict);
	cr_assert_eq(aibrix_predict_new(&opts, &predict), AIBRIX_OK);
	cr_expect_eq(aibrix_predict_add(predict, OWNERS, hashes, 1, 0, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_add(predict, 0, NULL, 1, 0, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_confirm(predict, OWNERS, hashes, 1),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_forget(predict, OWNERS), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_match(NULL, hashes, 1, 0, blocks, 1),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_match(predict, hashes, 1, 0, NULL, 1),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_match(predict, NULL, 1, 0, blocks, 1),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_predict_stats(predict, NULL), AIBRIX_E_INVAL);
	aibrix_predict_free(predict);
	aibrix_predict_free(NULL);
}
