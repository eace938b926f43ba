#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/fleet.h>

#include "fleet/fleet_view.h"

static aibrix_fleet *
new_fleet(uint32_t max_rows)
{
	aibrix_fleet_opts opts = {.size = sizeof(opts), .max_rows = max_rows};
	aibrix_fleet *fleet;

	cr_assert_eq(aibrix_fleet_new(&opts, &fleet), AIBRIX_OK);
	return fleet;
}

static uint32_t
add(aibrix_fleet *fleet, uint64_t pod, uint32_t rank)
{
	aibrix_owner owner = {pod, rank, 0};
	uint32_t row;

	cr_assert_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_OK);
	return row;
}

static double
get(const aibrix_fleet *fleet, uint32_t row, uint32_t column)
{
	double value;

	cr_assert_eq(aibrix_fleet_get(fleet, row, column, 0, &value, NULL),
		     AIBRIX_OK);
	return value;
}

Test(fleet, a_new_fleet_is_empty)
{
	aibrix_fleet *fleet;

	cr_assert_eq(aibrix_fleet_new(NULL, &fleet), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_rows(fleet), 0);
	cr_expect_eq(aibrix_fleet_count(fleet), 0);
	cr_expect_null(aibrix_fleet_column(fleet, 0));
	aibrix_fleet_free(fleet);
	aibrix_fleet_free(NULL);
}

Test(fleet, options_out_of_range_are_refused)
{
	aibrix_fleet_opts opts = {.size = sizeof(opts), .max_rows = 65537};
	aibrix_fleet_opts unset = {.size = 0};
	struct {
		aibrix_fleet_opts opts;
		uint64_t newer;
	} next = {{.size = sizeof(next)}, 1};
	aibrix_fleet *fleet = NULL;

	cr_expect_eq(aibrix_fleet_new(&opts, &fleet), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_new(&unset, &fleet), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_new(&next.opts, &fleet), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_fleet_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(fleet);
}

Test(fleet, missing_pointers_are_wrong_calls)
{
	aibrix_fleet *fleet = new_fleet(0);
	aibrix_owner owner = {1, 0, 0};
	double value;
	uint32_t row;

	cr_expect_eq(aibrix_fleet_add(NULL, &owner, &row), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_add(fleet, NULL, &row), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_add(fleet, &owner, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_remove(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_find(fleet, NULL, &row), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_owner(fleet, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_set(NULL, 0, 0, 1, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_get(NULL, 0, 0, 0, &value, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_rows(NULL), 0);
	cr_expect_eq(aibrix_fleet_count(NULL), 0);
	cr_expect_null(aibrix_fleet_column(NULL, 0));
	aibrix_fleet_free(fleet);
}

Test(fleet, owners_get_the_lowest_free_row_and_keep_it)
{
	aibrix_fleet *fleet = new_fleet(0);

	cr_expect_eq(add(fleet, 10, 0), 0);
	cr_expect_eq(add(fleet, 10, 1), 1, "each rank is an owner");
	cr_expect_eq(add(fleet, 11, 0), 2);
	cr_expect_eq(aibrix_fleet_remove(fleet, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_rows(fleet), 3, "row 2 is still in use");
	cr_expect_eq(aibrix_fleet_count(fleet), 2);
	cr_expect_eq(add(fleet, 12, 0), 1);
	cr_expect_eq(add(fleet, 13, 0), 3);
	aibrix_fleet_free(fleet);
}

Test(fleet, rows_shrink_to_the_highest_row_in_use)
{
	aibrix_fleet *fleet = new_fleet(0);

	for (uint64_t pod = 0; pod < 200; pod++)
		add(fleet, pod, 0);
	for (uint32_t row = 1; row < 199; row++)
		cr_assert_eq(aibrix_fleet_remove(fleet, row), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_rows(fleet), 200);
	cr_assert_eq(aibrix_fleet_remove(fleet, 199), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_rows(fleet), 1);
	cr_assert_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_rows(fleet), 0);
	aibrix_fleet_free(fleet);
}

Test(fleet, an_owner_has_one_row_and_adding_it_again_tells_which)
{
	aibrix_fleet *fleet = new_fleet(0);
	aibrix_owner owner = {7, 0, 0};
	uint32_t row = 99;

	add(fleet, 6, 0);
	add(fleet, 7, 0);

	cr_expect_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_E_STATE);
	cr_expect_eq(row, 1);
	cr_expect_eq(aibrix_fleet_count(fleet), 2);
	aibrix_fleet_free(fleet);
}

Test(fleet, spare_bits_of_an_owner_must_be_zero)
{
	aibrix_fleet *fleet = new_fleet(0);
	aibrix_owner owner = {7, 0, 1};
	uint32_t row = 99;

	cr_expect_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_E_INVAL);
	cr_expect_eq(row, 99);
	aibrix_fleet_free(fleet);
}

Test(fleet, max_rows_is_a_limit_and_a_removal_makes_room)
{
	aibrix_fleet *fleet = new_fleet(2);
	aibrix_owner owner = {3, 0, 0};
	uint32_t row = 99;

	add(fleet, 1, 0);
	add(fleet, 2, 0);
	cr_expect_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_E_FULL);
	cr_expect_eq(row, 99);
	cr_expect_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_OK);
	cr_expect_eq(row, 0);
	aibrix_fleet_free(fleet);
}

Test(fleet, the_largest_fleet_fills_and_finds_every_owner)
{
	aibrix_fleet *fleet = new_fleet(65536);
	aibrix_owner owner = {0, 0, 0};
	uint32_t row;

	for (uint32_t i = 0; i < 65536; i++)
		cr_assert_eq(add(fleet, i / 8, i % 8), i);
	cr_expect_eq(aibrix_fleet_rows(fleet), 65536);
	owner.pod = 8192;
	cr_expect_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_E_FULL);
	for (uint32_t i = 0; i < 65536; i++) {
		owner.pod = i / 8;
		owner.rank = i % 8;
		cr_assert_eq(aibrix_fleet_find(fleet, &owner, &row), 0);
		cr_assert_eq(row, i);
	}
	cr_expect_eq(aibrix_fleet_set(fleet, 65535, 127, 1.5, 0), AIBRIX_OK);
	cr_expect_eq(get(fleet, 65535, 127), 1.5);
	aibrix_fleet_free(fleet);
}

Test(fleet, owner_and_find_are_inverse_and_end_with_the_removal)
{
	aibrix_fleet *fleet = new_fleet(0);
	aibrix_owner owner = {0, 0, 0}, want = {UINT64_MAX, UINT32_MAX, 0};
	uint32_t row = 99;

	add(fleet, UINT64_MAX, UINT32_MAX);

	cr_expect_eq(aibrix_fleet_find(fleet, &want, &row), AIBRIX_OK);
	cr_expect_eq(row, 0);
	cr_expect_eq(aibrix_fleet_owner(fleet, 0, &owner), AIBRIX_OK);
	cr_expect_eq(owner.pod, UINT64_MAX);
	cr_expect_eq(owner.rank, UINT32_MAX);
	cr_expect_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_find(fleet, &want, &row), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_fleet_owner(fleet, 0, &owner), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_fleet_remove(fleet, UINT32_MAX),
		     AIBRIX_E_NOT_FOUND);
	aibrix_fleet_free(fleet);
}

Test(fleet, find_in_an_empty_fleet_says_not_found)
{
	aibrix_fleet *fleet = new_fleet(0);
	aibrix_owner owner = {1, 0, 0};
	uint32_t row = 99;

	cr_expect_eq(aibrix_fleet_find(fleet, &owner, &row),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(row, 99);
	aibrix_fleet_free(fleet);
}

Test(fleet, a_value_that_nobody_set_is_nan_and_for_ever_old)
{
	aibrix_fleet *fleet = new_fleet(0);
	uint64_t age = 0;
	double value = 0;

	add(fleet, 1, 0);
	add(fleet, 2, 0);
	cr_assert_eq(aibrix_fleet_set(fleet, 0, 5, 3.5, 1000), AIBRIX_OK);

	cr_expect_eq(aibrix_fleet_get(fleet, 1, 5, 1000, &value, &age), 0);
	cr_expect(isnan(value));
	cr_expect_eq(age, AIBRIX_FOREVER);
	value = 0;
	cr_expect_eq(aibrix_fleet_get(fleet, 0, 6, 1000, &value, &age), 0);
	cr_expect(isnan(value));
	aibrix_fleet_free(fleet);
}

Test(fleet, the_age_of_a_value_counts_from_when_it_was_set)
{
	aibrix_fleet *fleet = new_fleet(0);
	uint64_t age = 99;
	double value;

	add(fleet, 1, 0);
	cr_assert_eq(aibrix_fleet_set(fleet, 0, 5, 3.5, 1000), AIBRIX_OK);

	cr_expect_eq(aibrix_fleet_get(fleet, 0, 5, 1250, &value, &age), 0);
	cr_expect_eq(value, 3.5);
	cr_expect_eq(age, 250);
	cr_expect_eq(aibrix_fleet_get(fleet, 0, 5, 400, &value, &age), 0);
	cr_expect_eq(age, 0, "a clock that went back makes nothing old");
	aibrix_fleet_free(fleet);
}

Test(fleet, setting_nan_makes_a_value_not_known)
{
	aibrix_fleet *fleet = new_fleet(0);
	uint64_t age = 0;
	double value;

	add(fleet, 1, 0);
	cr_expect_eq(aibrix_fleet_set(fleet, 0, 5, NAN, 1), AIBRIX_OK);
	cr_expect_null(aibrix_fleet_column(fleet, 5), "nothing to keep");
	cr_assert_eq(aibrix_fleet_set(fleet, 0, 5, 1.0, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_set(fleet, 0, 5, NAN, 2), AIBRIX_OK);
	cr_expect_eq(aibrix_fleet_get(fleet, 0, 5, 3, &value, &age), 0);
	cr_expect(isnan(value));
	cr_expect_eq(age, AIBRIX_FOREVER);
	aibrix_fleet_free(fleet);
}

Test(fleet, set_and_get_refuse_free_rows_and_bad_columns)
{
	aibrix_fleet *fleet = new_fleet(0);
	double value = 7;

	add(fleet, 1, 0);
	cr_expect_eq(aibrix_fleet_set(fleet, 1, 0, 1, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_fleet_set(fleet, 0, 128, 1, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_get(fleet, 1, 0, 0, &value, NULL),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_fleet_get(fleet, 0, 128, 0, &value, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(value, 7);
	cr_expect_null(aibrix_fleet_column(fleet, 128));
	aibrix_fleet_free(fleet);
}

Test(fleet, the_next_owner_of_a_row_inherits_no_values)
{
	aibrix_fleet *fleet = new_fleet(0);

	add(fleet, 1, 0);
	add(fleet, 2, 0);
	cr_assert_eq(aibrix_fleet_set(fleet, 0, 5, 1.0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_set(fleet, 1, 5, 2.0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_expect(isnan(aibrix_fleet_column(fleet, 5)[0]));
	cr_expect_eq(add(fleet, 3, 0), 0);
	cr_expect(isnan(get(fleet, 0, 5)));
	cr_expect_eq(get(fleet, 1, 5), 2.0);
	aibrix_fleet_free(fleet);
}

Test(fleet, columns_grow_with_the_rows)
{
	aibrix_fleet *fleet = new_fleet(0);
	const double *column;

	add(fleet, 0, 0);
	cr_assert_eq(aibrix_fleet_set(fleet, 0, 5, 1.0, 0), AIBRIX_OK);
	for (uint64_t pod = 1; pod < 1000; pod++)
		add(fleet, pod, 0);
	column = aibrix_fleet_column(fleet, 5);
	cr_assert_not_null(column);
	cr_expect_eq(column[0], 1.0);
	for (uint32_t row = 1; row < 1000; row++)
		cr_assert(isnan(column[row]));
	aibrix_fleet_free(fleet);
}

Test(fleet, set_column_ignores_the_values_of_free_rows)
{
	static const double values[] = {1, 2, 3};
	aibrix_fleet *fleet = new_fleet(0);
	uint64_t age;
	double value;

	for (uint64_t pod = 0; pod < 3; pod++)
		add(fleet, pod, 0);
	cr_assert_eq(aibrix_fleet_remove(fleet, 1), AIBRIX_OK);

	cr_expect_eq(aibrix_fleet_set_column(fleet, 5, values, 3, 10), 0);
	cr_expect_eq(get(fleet, 0, 5), 1);
	cr_expect(isnan(aibrix_fleet_column(fleet, 5)[1]));
	cr_expect_eq(aibrix_fleet_get(fleet, 2, 5, 15, &value, &age), 0);
	cr_expect_eq(value, 3);
	cr_expect_eq(age, 5);
	aibrix_fleet_free(fleet);
}

Test(fleet, set_column_wants_exactly_the_rows_of_the_fleet)
{
	static const double values[] = {1, 2, 3};
	aibrix_fleet *fleet = new_fleet(0);

	cr_expect_eq(aibrix_fleet_set_column(fleet, 5, NULL, 0, 0), AIBRIX_OK);
	cr_expect_null(aibrix_fleet_column(fleet, 5));
	add(fleet, 1, 0);
	add(fleet, 2, 0);
	cr_expect_eq(aibrix_fleet_set_column(fleet, 5, values, 3, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_set_column(fleet, 5, values, 1, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_set_column(fleet, 5, NULL, 2, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_fleet_set_column(fleet, 128, values, 2, 0),
		     AIBRIX_E_INVAL);
	cr_expect_null(aibrix_fleet_column(fleet, 5));
	aibrix_fleet_free(fleet);
}

Test(fleet, the_view_shows_rows_in_use_in_place)
{
	aibrix_fleet *fleet = new_fleet(0);
	struct fleet_view view;

	for (uint64_t pod = 0; pod < 70; pod++)
		add(fleet, pod, 0);
	cr_assert_eq(aibrix_fleet_remove(fleet, 65), AIBRIX_OK);
	view = aibrix__fleet_view(fleet);
	cr_expect_eq(view.rows, 70);
	cr_expect_eq(view.count, 69);
	cr_expect_eq(view.owners[66].pod, 66);
	cr_expect(fleet_view_used(&view, 64));
	cr_expect(!fleet_view_used(&view, 65));
	cr_expect(!fleet_view_used(&view, 70));
	aibrix_fleet_free(fleet);
}
