/* Profiles of GPUs, lengths of answers, records of requests. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/gpu_profile.h>
#include <aibrix/output.h>
#include <aibrix/trace.h>

#define SECOND ((uint64_t)1000000000)

static int
read_profile(const char *text, uint64_t *offset, aibrix_gpu_profile **p)
{
	*offset = 777;
	*p = NULL;
	return aibrix_gpu_profile_read(text, strlen(text), NULL, offset, p);
}

static aibrix_gpu_profile *
new_profile(const char *text)
{
	aibrix_gpu_profile *p;
	uint64_t offset;

	cr_assert_eq(read_profile(text, &offset, &p), AIBRIX_OK, "at %u",
		     (unsigned)offset);
	return p;
}

Test(gpu_profile, a_profile_has_what_its_text_says_and_nothing_else)
{
	aibrix_gpu_profile *p = new_profile(
		"{\"gpu\": \"A10\", \"cost\": 0.5, \"created\": 1.7e9, "
		"\"unknown\": [{}], \"indexes\": [[4, 8], [128]], "
		"\"tputs\": [[10], [null]], \"e2e\": [[0.5], [1]], "
		"\"slos\": {\"percentile\": 99, \"ttft\": 1}}");
	aibrix_gpu_facts f = {.size = sizeof(f)};
	aibrix_gpu_cell c = {.size = sizeof(c)};

	cr_expect_str_eq(aibrix_gpu_profile_name(p), "A10");
	cr_assert_eq(aibrix_gpu_profile_facts(p, &f), AIBRIX_OK);
	cr_expect(f.outputs == 2 && f.inputs == 1);
	cr_expect(f.cost == 0.5 && f.created == 1.7e9);
	cr_expect(f.percentile == 99 && f.ttft == 1);
	cr_expect(isnan(f.tpot) && isnan(f.e2e) && isnan(f.tput));
	cr_assert_eq(aibrix_gpu_profile_at(p, 0, 0, &c), AIBRIX_OK);
	cr_expect(c.requests_per_s == 10 && c.e2e_s == 0.5 && isnan(c.ttft_s));
	cr_assert_eq(aibrix_gpu_profile_at(p, 1, 0, &c), AIBRIX_OK);
	cr_expect(isnan(c.requests_per_s) && c.e2e_s == 1);
	cr_expect_eq(aibrix_gpu_profile_at(p, 2, 0, &c), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_gpu_profile_at(p, 0, 1, &c), AIBRIX_E_INVAL);
	aibrix_gpu_profile_free(p);
	aibrix_gpu_profile_free(NULL);
}

Test(gpu_profile, a_text_that_is_no_profile_is_refused_where_it_goes_wrong)
{
	static const struct {
		const char *text;
		uint64_t offset;
	} rows[] = {
		{"", 0},
		{"[]", 0},
		{"{}", 0},
		{"{\"indexes\": 7}", 12},
		{"{\"indexes\": [[4]]}", 12},
		{"{\"indexes\": [[4], [1], [1]]}", 12},
		{"{\"indexes\": [[], [1]]}", 13},
		{"{\"indexes\": [[4, 4], [1]]}", 17},
		{"{\"indexes\": [[0], [1]]}", 14},
		{"{\"indexes\": [[null], [1]]}", 14},
		{"{\"indexes\": [[4], [-1]]}", 19},
		{"{\"indexes\": [[4], [1]], \"gpu\": 3}", 31},
		{"{\"indexes\": [[4], [1]], \"cost\": \"a\"}", 32},
		{"{\"indexes\": [[4], [1]], \"e2e\": [[1], [2]]}", 37},
		{"{\"indexes\": [[4], [1]], \"e2e\": []}", 31},
		{"{\"indexes\": [[4], [1]], \"e2e\": [[1, 2]]}", 36},
		{"{\"indexes\": [[4], [1]], \"e2e\": [1]}", 32},
		{"{\"indexes\": [[4], [1]], \"e2e\": [[1e999]]}", 33},
		{"{\"indexes\": [[4], [1]], \"slos\": []}", 32},
		{"{\"indexes\": [[4], [1]], \"slos\": {\"e2e\": -1}}", 40},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_gpu_profile *p;
		uint64_t offset;

		cr_expect_eq(read_profile(rows[i].text, &offset, &p),
			     AIBRIX_E_PARSE, "%s", rows[i].text);
		cr_expect_eq(offset, rows[i].offset, "%s: %u", rows[i].text,
			     (unsigned)offset);
		cr_expect_null(p);
	}
}

Test(gpu_profile, a_load_that_is_not_measured_is_said)
{
	aibrix_gpu_profile *p =
		new_profile("{\"indexes\": [[1, 4, 16, 64], [8]], "
			    "\"tputs\": [[4], [0], [null], [4]], "
			    "\"e2e\": [[0.5], [1], [1], [0]]}");
	double load = -1;

	cr_expect_eq(aibrix_gpu_profile_load(p, 1, 8, &load), AIBRIX_OK);
	cr_expect_eq(load, 0.5);
	cr_expect_eq(aibrix_gpu_profile_load(p, 4, 8, &load),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_gpu_profile_load(p, 16, 8, &load),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_gpu_profile_load(p, 64, 8, &load),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_gpu_profile_load(p, -1, 8, &load), AIBRIX_E_INVAL);
	cr_expect_eq(load, 0.5);
	aibrix_gpu_profile_free(p);
}

/* AIBrix's defect 18: when the latency alone cannot be looked up, a request
 * takes nothing, so pods are filled without end. */
Test(gpu_profile, defect_18_an_unknown_latency_is_not_a_load_of_nothing)
{
	aibrix_gpu_profile *p =
		new_profile("{\"indexes\": [[1], [8]], \"tputs\": [[4]]}");
	double load = -1;

	cr_expect_eq(aibrix_gpu_profile_load(p, 1, 8, &load),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(load, -1);
	aibrix_gpu_profile_free(p);
}

Test(gpu_profile, the_first_target_that_there_is_ranks)
{
	static const struct {
		const char *slos;
		double rank; /* NaN: none */
	} rows[] = {
		{"{\"tpot\": 0.5, \"ttft\": 1, \"e2e\": 9}", 10 + 3 - 3},
		{"{\"tpot\": 0.5}", 10 + 3 - 2},
		{"{\"ttft\": 1, \"tpat\": 1, \"e2e\": 9}", 10 + 0.25 - 1},
		{"{\"tpat\": 0.5, \"e2e\": 9}", 10 + 3 - 6},
		{"{\"e2e\": 9, \"tpot\": 0}", 10 + 3 - 9},
		{"{\"percentile\": 99}", NAN},
		{"null", NAN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[200] = "{\"indexes\": [[4], [8]], \"e2e\": [[3]], "
				 "\"ttft\": [[0.25]], \"slos\": ";
		aibrix_gpu_profile *p;
		double rank = -77;
		int err;

		strcat(strcat(text, rows[i].slos), "}");
		p = new_profile(text);
		err = aibrix_gpu_profile_rank(p, 4, 8, 10, &rank);
		if (isnan(rows[i].rank)) {
			cr_expect_eq(err, AIBRIX_E_NOT_FOUND);
			cr_expect_eq(rank, -77);
		} else {
			cr_expect_eq(err, AIBRIX_OK);
			cr_expect_eq(rank, rows[i].rank, "%s: %g", rows[i].slos,
				     rank);
		}
		cr_expect_eq(aibrix_gpu_profile_rank(p, 4, 8, NAN, &rank),
			     AIBRIX_E_INVAL);
		aibrix_gpu_profile_free(p);
	}
}

static aibrix_output *
new_output(void)
{
	aibrix_output *o = NULL;

	cr_assert_eq(aibrix_output_new(NULL, &o), AIBRIX_OK);
	return o;
}

static int
guess(aibrix_output *o, uint64_t input, double quantile, uint64_t max,
      aibrix_output_guess *g)
{
	g->size = sizeof(*g);
	return aibrix_output_guess_at(o, input, quantile, max, 0, g);
}

Test(output, nothing_known_is_said)
{
	aibrix_output *o = new_output();
	aibrix_output_guess g = {.tokens = 7};

	cr_expect_eq(guess(o, 10, 0.5, 0, &g), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(g.tokens, 7);
	aibrix_output_free(o);
	aibrix_output_free(NULL);
}

/* AIBrix's defect 17: the length of an answer is drawn, so that a queue
 * ordered by it changes its order each time it is asked. */
Test(output, defect_17_the_same_history_gives_the_same_guess)
{
	aibrix_output *o = new_output();
	aibrix_output_guess g;
	uint64_t tokens, different = 0;
	double first;

	cr_assert_eq(aibrix_output_add(o, 100, 16, 50, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_output_add(o, 100, 1024, 50, 0), AIBRIX_OK);
	cr_assert_eq(guess(o, 100, NAN, 0, &g), AIBRIX_OK);
	first = g.tokens;
	cr_expect_eq(first, 520);
	for (uint64_t entropy = 0; entropy < 100; entropy++) {
		cr_assert_eq(guess(o, 100, NAN, 0, &g), AIBRIX_OK);
		cr_expect_eq(g.tokens, first);
		cr_assert_eq(aibrix_output_draw(o, 100, entropy, 0, &tokens),
			     AIBRIX_OK);
		different += tokens == 1024;
	}
	cr_expect(different > 30 && different < 70, "compat draws");
	aibrix_output_free(o);
}

Test(output, a_quantile_goes_up_through_the_lengths)
{
	aibrix_output *o = new_output();
	aibrix_output_guess g;
	double last = 0;

	cr_assert_eq(aibrix_output_add(o, 100, 16, 90, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_output_add(o, 100, 1024, 10, 0), AIBRIX_OK);
	for (double q = 0; q <= 1; q += 0.05) {
		cr_assert_eq(guess(o, 100, q, 0, &g), AIBRIX_OK);
		cr_expect_geq(g.tokens, last);
		last = g.tokens;
	}
	cr_assert_eq(guess(o, 100, 0.45, 0, &g), AIBRIX_OK);
	cr_expect_float_eq(g.tokens, 16, 1e-9);
	cr_assert_eq(guess(o, 100, 0.95, 0, &g), AIBRIX_OK);
	cr_expect_float_eq(g.tokens, 1024, 1e-9);
	cr_assert_eq(guess(o, 100, 0.95, 300, &g), AIBRIX_OK);
	cr_expect_eq(g.tokens, 300, "max_tokens bounds it");
	cr_expect_eq(guess(o, 100, -0.1, 0, &g), AIBRIX_E_INVAL);
	cr_expect_eq(guess(o, 100, 1.1, 0, &g), AIBRIX_E_INVAL);
	aibrix_output_free(o);
}

Test(output, a_length_never_seen_is_guessed_from_all)
{
	aibrix_output *o = new_output();
	aibrix_output_guess g;

	cr_assert_eq(aibrix_output_add(o, 100, 16, 3, 0), AIBRIX_OK);
	cr_assert_eq(guess(o, 100, NAN, 0, &g), AIBRIX_OK);
	cr_expect(g.all == 0 && g.answers == 3);
	cr_assert_eq(guess(o, 100000, NAN, 0, &g), AIBRIX_OK);
	cr_expect(g.all == 1 && g.answers == 3 && g.tokens == 16);
	aibrix_output_free(o);
}

Test(output, counts_do_not_wrap_and_clocks_do_not_go_back)
{
	aibrix_output *o = new_output();
	aibrix_output_guess g;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(
			aibrix_output_add(o, 1, 1, UINT32_MAX, 300 * SECOND),
			AIBRIX_OK);
	cr_assert_eq(aibrix_output_add(o, 1, 1, 1, 0), AIBRIX_OK);
	cr_assert_eq(guess(o, 1, 1, 0, &g), AIBRIX_OK);
	cr_expect_eq(g.answers, UINT32_MAX);
	cr_expect_eq(g.tokens, 1);
	aibrix_output_free(o);
}

Test(output, wrong_options_are_refused)
{
	static const aibrix_output_opts bad[] = {
		{.size = sizeof(bad[0]), .spare = 1},
		{.size = sizeof(bad[0]), .max_input = ((uint64_t)1 << 32) + 1},
		{.size = sizeof(bad[0]), .max_output = UINT64_MAX},
		{.size = sizeof(bad[0]), .window_ns = 3601 * SECOND},
	};
	aibrix_output *o = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(aibrix_output_new(&bad[i], &o), AIBRIX_E_INVAL);
	cr_expect_null(o);
}

static void
expect_record(aibrix_trace *t, const char *expected)
{
	char text[512] = {0};
	uint64_t n = 0;

	cr_assert_eq(aibrix_trace_write(t, 0, text, sizeof(text), &n),
		     AIBRIX_OK);
	cr_expect_eq(n, strlen(expected));
	cr_expect_str_eq(text, expected);
}

static aibrix_trace *
new_trace(uint32_t max_keys)
{
	aibrix_trace_opts o = {.size = sizeof(o), .max_keys = max_keys};
	aibrix_trace *t = NULL;

	cr_assert_eq(aibrix_trace_new(&o, &t), AIBRIX_OK);
	return t;
}

#define META(pending, total)                                                   \
	"\"meta_interval_sec\":10,\"meta_pending_reqs\":" pending              \
	",\"meta_precision\":10,\"meta_queueing_reqs\":0,"                     \
	"\"meta_total_reqs\":" total ",\"meta_v\":4}"

Test(trace, keys_stand_in_the_order_of_their_texts)
{
	aibrix_trace *t = new_trace(0);

	/* As text 100 stands before 10 followed by a colon, and before 20. */
	for (int i = 0; i < 4; i++)
		cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 4, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 1024, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 2, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 2, 1), AIBRIX_OK);
	expect_record(t, "{\"100:0\":1,\"10:0\":2,\"20:0\":1," META("0", "4"));
	expect_record(t, "{" META("0", "0"));
	aibrix_trace_free(t);
	aibrix_trace_free(NULL);
}

Test(trace, pending_ones_go_on_and_never_fall_below_none)
{
	aibrix_trace *t = new_trace(1);

	cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	expect_record(t, "{" META("1", "1"));
	cr_assert_eq(aibrix_trace_end(t, 0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 2, 2), AIBRIX_OK);
	expect_record(t, "{\"0:0\":2," META("0", "0"));
	aibrix_trace_free(t);
}

Test(trace, a_record_that_does_not_fit_changes_nothing)
{
	aibrix_trace *t = new_trace(0);
	char text[200];
	uint64_t n = 0, again = 0;

	cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 1, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_trace_write(t, 0, NULL, 0, &n), AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_trace_write(t, 0, text, n - 1, &again),
		     AIBRIX_E_SPACE);
	cr_expect_eq(again, n);
	cr_expect_eq(aibrix_trace_write(t, 0, text, n, &again), AIBRIX_OK);
	cr_expect_eq(again, n);
	aibrix_trace_free(t);
}

Test(trace, the_largest_numbers_fit)
{
	aibrix_trace *t = new_trace(0);
	char text[256];
	uint64_t n;

	cr_expect_eq(aibrix_trace_index(UINT64_MAX), 640);
	cr_assert_eq(aibrix_trace_end(t, UINT64_MAX, UINT64_MAX), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_write(t, UINT64_MAX, text, sizeof(text), &n),
		     AIBRIX_OK);
	aibrix_trace_free(t);
}
