#include <math.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include <aibrix/metric.h>

#include "base/rand.h"

enum { VALUES = 20000 };

static aibrix_histogram *
new_histogram(uint32_t bits, uint64_t max, const uint64_t *edges, uint32_t n)
{
	aibrix_histogram_opts opts = {.size = sizeof(opts),
				      .bits = bits,
				      .max = max,
				      .edges = edges,
				      .n_edges = n};
	aibrix_histogram *h = NULL;

	cr_assert_eq(aibrix_histogram_new(&opts, &h), AIBRIX_OK);
	return h;
}

static int
order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t
quantile(const aibrix_histogram *h, double share)
{
	uint64_t value = 0;

	cr_assert_eq(aibrix_histogram_quantile(h, share, &value), AIBRIX_OK);
	return value;
}

static uint64_t
upto(const aibrix_histogram *h, uint64_t bound)
{
	uint64_t count = 0;

	cr_assert_eq(aibrix_histogram_upto(h, bound, &count), AIBRIX_OK);
	return count;
}

static void
expect_total(const aibrix_histogram *h, uint64_t count, uint64_t sum)
{
	uint64_t n = 77, s = 77;

	cr_assert_eq(aibrix_histogram_total(h, &n, &s), AIBRIX_OK);
	cr_expect_eq(n, count);
	cr_expect_eq(s, sum);
}

/* Of any size: as many of each number of bits. */
static uint64_t
value_draw(uint64_t *rand)
{
	uint64_t v = rand_next(rand);

	return v >> rand_below(rand, 64);
}

Test(metric, small_values_are_exact)
{
	aibrix_histogram *h = new_histogram(4, 0, NULL, 0);

	for (uint64_t v = 0; v < 32; v++)
		aibrix_histogram_record(h, v);

	for (uint64_t v = 0; v < 32; v++) {
		cr_expect_eq(quantile(h, (double)(v + 1) / 32), v);
		cr_expect_eq(upto(h, v), v + 1);
	}
	expect_total(h, 32, 31 * 16);
	aibrix_histogram_free(h);
}

Test(metric, quantiles_are_within_the_stated_bound_of_the_exact_ones)
{
	static uint64_t values[VALUES];
	static const double shares[] = {0,   0.001, 0.25,  0.5,
					0.9, 0.99,  0.999, 1};
	uint64_t rand = 6;

	for (uint32_t bits = 1; bits <= AIBRIX_HISTOGRAM_BITS_MAX; bits++) {
		aibrix_histogram *h = new_histogram(bits, 0, NULL, 0);
		double bound = ldexp(1, -(int)bits - 1);

		for (uint32_t i = 0; i < VALUES; i++) {
			values[i] = value_draw(&rand);
			aibrix_histogram_record(h, values[i]);
		}
		qsort(values, VALUES, sizeof(*values), order);
		for (uint32_t i = 0; i < 8; i++) {
			double rank = ceil(shares[i] * VALUES);
			uint64_t exact =
				values[rank > 1 ? (uint32_t)rank - 1 : 0];
			uint64_t got = quantile(h, shares[i]);
			uint64_t off = got > exact ? got - exact : exact - got;

			cr_expect_leq((double)off, bound * (double)exact,
				      "bits %u, share %g: %llu, not %llu", bits,
				      shares[i], (unsigned long long)got,
				      (unsigned long long)exact);
			if (exact < (uint64_t)2 << bits)
				cr_expect_eq(got, exact);
		}
		aibrix_histogram_free(h);
	}
}

Test(metric, counts_at_edges_are_exact)
{
	static const uint64_t edges[] = {0,     7,       1000,    1100,
					 12345, 1000000, 1u << 20};
	aibrix_histogram *h = new_histogram(4, 1u << 22, edges, 7);
	uint64_t rand = 7, exact[7] = {0};

	for (uint32_t i = 0; i < VALUES; i++) {
		/* Many of them beside an edge. */
		uint64_t v = i % 2 ? value_draw(&rand)
				   : edges[i % 7] + rand_below(&rand, 5) - 2;

		v = v > UINT64_MAX - 2 ? 0 : v;
		aibrix_histogram_record(h, v);
		for (uint32_t k = 0; k < 7; k++)
			exact[k] += v <= edges[k];
	}

	for (uint32_t k = 0; k < 7; k++)
		cr_expect_eq(upto(h, edges[k]), exact[k], "edge %u", k);
	cr_expect_eq(upto(h, 1u << 22), (uint64_t)VALUES);
	cr_expect_eq(upto(h, UINT64_MAX), (uint64_t)VALUES);
	aibrix_histogram_free(h);
}

Test(metric, values_above_max_count_as_max_and_sum_as_they_are)
{
	aibrix_histogram *h = new_histogram(4, 1000, NULL, 0);

	aibrix_histogram_record(h, 5000);

	expect_total(h, 1, 5000);
	cr_expect_eq(upto(h, 999), 0u);
	cr_expect_eq(upto(h, 1000), 1u);
	/* 992 to 1000 are one bucket. */
	cr_expect_eq(quantile(h, 1), 996u);
	aibrix_histogram_free(h);
}

Test(metric, the_largest_value_has_a_bucket)
{
	aibrix_histogram *h = new_histogram(0, 0, NULL, 0);

	aibrix_histogram_record(h, UINT64_MAX);

	cr_expect_eq(upto(h, UINT64_MAX), 1u);
	cr_expect_geq(quantile(h, 0.5), UINT64_MAX - (UINT64_MAX >> 5));
	aibrix_histogram_free(h);
}

Test(metric, a_period_is_a_copy_taken_from_a_later_one)
{
	static const uint64_t edges[] = {100};
	aibrix_histogram *live = new_histogram(4, 0, edges, 1);
	aibrix_histogram *before = new_histogram(4, 0, edges, 1);
	aibrix_histogram *after = new_histogram(4, 0, edges, 1);

	aibrix_histogram_record(live, 5);
	aibrix_histogram_record(live, 101);
	cr_assert_eq(aibrix_histogram_copy(before, live), AIBRIX_OK);
	aibrix_histogram_record(live, 102);
	aibrix_histogram_record(live, 7);
	cr_assert_eq(aibrix_histogram_copy(after, live), AIBRIX_OK);
	cr_assert_eq(aibrix_histogram_subtract(after, before), AIBRIX_OK);

	expect_total(after, 2, 109);
	expect_total(live, 4, 215);
	cr_expect_eq(quantile(after, 0.5), 7u);
	cr_expect_eq(aibrix_histogram_subtract(after, live), AIBRIX_E_INVAL,
		     "it has less");
	expect_total(after, 2, 109);
	aibrix_histogram_free(live);
	aibrix_histogram_free(before);
	aibrix_histogram_free(after);
}

Test(metric, merging_gives_what_one_histogram_of_all_would)
{
	aibrix_histogram *a = new_histogram(5, 0, NULL, 0);
	aibrix_histogram *b = new_histogram(5, 0, NULL, 0);
	aibrix_histogram *both = new_histogram(5, 0, NULL, 0);
	uint64_t rand = 8;

	for (uint32_t i = 0; i < VALUES; i++) {
		uint64_t v = value_draw(&rand) >> 20;

		aibrix_histogram_record(i % 3 ? a : b, v);
		aibrix_histogram_record(both, v);
	}
	cr_assert_eq(aibrix_histogram_merge(a, b), AIBRIX_OK);

	for (uint32_t i = 0; i <= 100; i++)
		cr_expect_eq(quantile(a, i / 100.0), quantile(both, i / 100.0));
	cr_assert_eq(aibrix_histogram_subtract(a, both), AIBRIX_OK);
	expect_total(a, 0, 0);
	aibrix_histogram_free(a);
	aibrix_histogram_free(b);
	aibrix_histogram_free(both);
}

Test(metric, other_shapes_do_not_mix)
{
	static const uint64_t edges[] = {100, 200};
	aibrix_histogram *a = new_histogram(4, 0, edges, 1);
	aibrix_histogram *b = new_histogram(4, 0, edges + 1, 1);
	aibrix_histogram *c = new_histogram(5, 0, edges, 1);
	aibrix_histogram *d = new_histogram(4, 1000, edges, 1);

	cr_expect_eq(aibrix_histogram_copy(a, b), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_histogram_merge(a, c), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_histogram_subtract(a, d), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_histogram_copy(a, NULL), AIBRIX_E_INVAL);
	aibrix_histogram_free(a);
	aibrix_histogram_free(b);
	aibrix_histogram_free(c);
	aibrix_histogram_free(d);
}

Test(metric, an_empty_histogram_has_no_quantile)
{
	aibrix_histogram *h = new_histogram(0, 0, NULL, 0);
	uint64_t value = 77;

	cr_expect_eq(aibrix_histogram_quantile(h, 0.5, &value),
		     AIBRIX_E_NOT_FOUND);
	aibrix_histogram_record(h, 1);
	cr_expect_eq(aibrix_histogram_quantile(h, NAN, &value), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_histogram_quantile(h, 1.1, &value), AIBRIX_E_INVAL);
	cr_expect_eq(value, 77u);
	aibrix_histogram_free(h);
}

Test(metric, edges_that_cannot_be_kept_apart_are_refused)
{
	static const uint64_t close[] = {1000, 1001}, falls[] = {5, 3},
			      late[] = {64};
	aibrix_histogram_opts opts = {
		.size = sizeof(opts), .edges = close, .n_edges = 2};
	aibrix_histogram *h = NULL;

	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_E_INVAL);
	opts.bits = 10;
	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_OK);
	aibrix_histogram_free(h);
	h = NULL;
	opts.edges = falls;
	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_E_INVAL);
	opts.edges = late;
	opts.n_edges = 1;
	opts.max = 64;
	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_E_INVAL);
	opts.n_edges = 0;
	opts.bits = 11;
	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_E_INVAL);
	opts.bits = 0;
	opts.spare = 1;
	cr_expect_eq(aibrix_histogram_new(&opts, &h), AIBRIX_E_INVAL);
	cr_expect_null(h);
	cr_expect_eq(aibrix_histogram_new(NULL, NULL), AIBRIX_E_INVAL);
}

Test(metric, nothing_is_recorded_into_nothing)
{
	aibrix_histogram_record(NULL, 1);
	aibrix_histogram_free(NULL);
	cr_expect_eq(aibrix_histogram_total(NULL, NULL, NULL), AIBRIX_E_INVAL);
}
