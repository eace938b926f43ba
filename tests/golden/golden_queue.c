/*
 * AIBrix's output predictor, GPU profile, request trace and SLO queue, row by
 * row.  Those named T are the expectations of its own tests
 * (output_predictor_test.go, model_gpu_profile_test.go, trace_test.go,
 * slo_test.go); those named C follow from its formulas.
 */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/gpu_profile.h>
#include <aibrix/output.h>
#include <aibrix/queue.h>
#include <aibrix/trace.h>

#define SECOND ((uint64_t)1000000000)

static aibrix_output *
new_output(uint64_t max_input, uint64_t max_output, uint64_t window_s)
{
	aibrix_output_opts o = {.size = sizeof(o),
				.max_input = max_input,
				.max_output = max_output,
				.window_ns = window_s * SECOND};
	aibrix_output *p = NULL;

	cr_assert_eq(aibrix_output_new(&o, &p), AIBRIX_OK);
	return p;
}

static void
add(aibrix_output *p, uint64_t input, uint64_t output, uint32_t n, uint64_t s)
{
	cr_assert_eq(aibrix_output_add(p, input, output, n, s * SECOND),
		     AIBRIX_OK);
}

static uint64_t
answers(aibrix_output *p, uint64_t input, uint64_t s)
{
	aibrix_output_guess g = {.size = sizeof(g)};

	if (aibrix_output_guess_at(p, input, NAN, 0, s * SECOND, &g) || g.all)
		return 0;
	return g.answers;
}

static uint64_t
drawn(aibrix_output *p, uint64_t input, uint64_t entropy, uint64_t s)
{
	uint64_t tokens = 0;

	cr_assert_eq(aibrix_output_draw(p, input, entropy, s * SECOND, &tokens),
		     AIBRIX_OK);
	return tokens;
}

Test(queue_compat, op01_T_lengths_and_window_have_their_steps)
{
	aibrix_output *p = new_output(8, 16, 60);

	add(p, 1000, 1000, 1, 0);
	cr_expect_eq(drawn(p, 8, 1, 0), 16, "the last of 5 outputs");
	cr_expect_eq(answers(p, 8, 59), 1, "the last of 4 inputs");
	cr_expect_eq(answers(p, 8, 60), 0);
	aibrix_output_free(p);
	p = new_output(8, 16, 65);
	add(p, 8, 16, 1, 0);
	cr_expect_eq(answers(p, 8, 69), 1);
	cr_expect_eq(answers(p, 8, 70), 0);
	aibrix_output_free(p);
}

Test(queue_compat, op04_and_op07_T_answers_are_drawn_as_often_as_they_were)
{
	aibrix_output *p = new_output(8, 16, 60);
	uint32_t ones = 0;

	add(p, 1, 1, 2, 0);
	add(p, 1, 2, 3, 0);
	cr_expect_eq(answers(p, 1, 0), 5);
	aibrix_output_free(p);

	p = new_output(8, 16, 60);
	add(p, 1, 1, 2, 0);
	add(p, 1, 2, 1, 0);
	for (uint64_t entropy = 0; entropy < 3000; entropy++)
		ones += drawn(p, 1, entropy, 0) == 1;
	cr_expect(ones > 1900 && ones < 2100, "%u of 3000", ones);
	aibrix_output_free(p);
}

Test(queue_compat, op05_and_op06_T_one_is_guessed_of_nothing_and_powers_of_two)
{
	aibrix_output *p = new_output(8, 16, 60);

	cr_expect_eq(drawn(p, 16, 1, 0), 1);
	add(p, 2, 3, 1, 0);
	cr_expect_eq(drawn(p, 2, 1, 0), 4);
	add(p, 2, 4, 1, 11);
	cr_expect_eq(drawn(p, 2, 1, 11), 4);
	aibrix_output_free(p);
}

Test(queue_compat, op09_to_op16_T_what_is_older_than_the_window_goes)
{
	static const struct {
		const char *name;
		uint64_t at[6]; /* ends with 0 behind the first */
		uint64_t left;
	} rows[] = {
		{"op09", {0, 35}, 5},
		{"op10", {0, 11, 35}, 10},
		{"op11", {0, 11, 21, 35}, 15},
		{"op12", {0, 11, 21, 45}, 10},
		{"op13", {0, 11, 21, 55}, 5},
		{"op14", {0, 11, 21, 31, 55}, 10},
		{"op15", {0, 11, 21, 31, 41, 65}, 10},
		{"op16", {0, 22, 35}, 10},
		{"op16", {0, 22, 45}, 10},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_output *p = new_output(8, 8, 30);
		uint64_t last = 0;

		for (size_t k = 0; k < 6 && (k == 0 || rows[i].at[k]); k++) {
			last = rows[i].at[k];
			add(p, 1, 1, 5, last);
		}
		cr_expect_eq(answers(p, 1, last), rows[i].left, "%s",
			     rows[i].name);
		aibrix_output_free(p);
	}
}

static aibrix_gpu_profile *
new_profile(const char *text)
{
	aibrix_gpu_profile *p = NULL;
	uint64_t offset = 0;

	cr_assert_eq(
		aibrix_gpu_profile_read(text, strlen(text), NULL, &offset, &p),
		AIBRIX_OK, "at %u", (unsigned)offset);
	return p;
}

#define SIZES                                                                  \
	"\"indexes\": [[4, 8, 16, 32, 64, 128, 256, 512], "                    \
	"[128, 256, 512, 1024, 2048]]"

Test(queue_compat, pr01_to_pr05_T_C_a_request_has_the_nearest_cell)
{
	static const struct {
		const char *name;
		int64_t output, input;
		uint32_t row, column;
	} rows[] = {
		{"pr01 first", 4, 128, 0, 0}, {"pr01 last", 512, 2048, 7, 4},
		{"pr02", 0, 2049, 0, 4},      {"pr03", 64, 256, 4, 1},
		{"pr03", 256, 128, 6, 0},     {"pr03", 8, 128, 1, 0},
		{"pr05", 11, 128, 1, 0},      {"pr05", 12, 128, 2, 0},
	};
	aibrix_gpu_profile *p = new_profile("{" SIZES "}");
	uint32_t row = 77, column = 77;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(aibrix_gpu_profile_cell(p, rows[i].output,
						     rows[i].input, &row,
						     &column),
			     AIBRIX_OK);
		cr_expect(row == rows[i].row && column == rows[i].column,
			  "%s: %u %u", rows[i].name, row, column);
	}
	cr_expect_eq(aibrix_gpu_profile_cell(p, -1, 128, &row, &column),
		     AIBRIX_E_INVAL, "pr04");
	aibrix_gpu_profile_free(p);
}

Test(queue_compat, pr06_C_a_request_takes_its_share_by_Littles_law)
{
	aibrix_gpu_profile *p = new_profile(
		"{\"indexes\": [[4], [128]], \"tputs\": [[62.4770592037908]], "
		"\"e2e\": [[0.09952875833841972]]}");
	double load;

	cr_assert_eq(aibrix_gpu_profile_load(p, 4, 128, &load), AIBRIX_OK);
	cr_expect_float_eq(load, 0.160816585, 1e-9);
	aibrix_gpu_profile_free(p);
}

Test(queue_compat, tr01_T_an_interval_is_written_as_AIBrix_does)
{
	static const char expected[] =
		"{\"1:1\":1,\"meta_interval_sec\":10,\"meta_pending_reqs\":2,"
		"\"meta_precision\":10,\"meta_queueing_reqs\":3,"
		"\"meta_total_reqs\":1,\"meta_v\":4}";
	aibrix_trace *t = NULL;
	char text[256] = {0};
	uint64_t n;

	cr_assert_eq(aibrix_trace_new(NULL, &t), AIBRIX_OK);
	/* Two of an earlier interval are pending still. */
	cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_write(t, 0, text, sizeof(text), &n),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_trace_begin(t), AIBRIX_OK);
	cr_assert_eq(aibrix_trace_end(t, 1, 1), AIBRIX_OK);
	memset(text, 0, sizeof(text));
	cr_assert_eq(aibrix_trace_write(t, 3, text, sizeof(text), &n),
		     AIBRIX_OK);
	/* The row's key is that of index 1; a token has index 0. */
	cr_expect_eq(n, strlen(expected));
	text[2] = text[4] = '1';
	cr_expect_str_eq(text, expected);
	aibrix_trace_free(t);
}

Test(queue_compat, tr02_C_lengths_have_ten_steps_to_an_octave)
{
	static const uint64_t tokens[] = {1, 2, 10, 100, 128, 512, 1000};
	static const uint32_t index[] = {0, 10, 33, 66, 70, 90, 100};

	for (size_t i = 0; i < 7; i++)
		cr_expect_eq(aibrix_trace_index(tokens[i]), index[i]);
}

/* A queue, and pods of one deployment with what they bear. */
struct fleet {
	aibrix_queue *queue;
	aibrix_gpu_profile *profile;
	double used[2];
};

enum { ROUTED, BLOCKED, FAILED };

/* One try of a plan, as a host would: the least loaded pod with room. */
static int
route(struct fleet *f, const aibrix_queue_try *t, int64_t output, int64_t input,
      uint32_t *pod)
{
	double load = 0;

	*pod = f->used[1] < f->used[0];
	if (t->profile != AIBRIX_QUEUE_NO_PROFILE &&
	    aibrix_gpu_profile_load(f->profile, output, input, &load))
		return FAILED;
	if (f->used[*pod] + load > 1)
		return BLOCKED;
	f->used[*pod] += load;
	return ROUTED;
}

static uint32_t
plan(struct fleet *f, aibrix_queue_try *tries)
{
	const aibrix_gpu_profile *profiles[] = {f->profile};
	uint32_t n = 0;

	cr_assert_eq(aibrix_queue_plan(f->queue, profiles, 1, 0, tries, 8, &n),
		     AIBRIX_OK);
	return n;
}

static void
push(struct fleet *f, uint64_t output, uint64_t input)
{
	aibrix_queue_item item = {.size = sizeof(item),
				  .input_tokens = input,
				  .output_tokens = output};
	uint64_t ticket;

	cr_assert_eq(aibrix_queue_push(f->queue, &item, 0, &ticket), AIBRIX_OK);
}

static struct fleet
new_fleet(const char *profile)
{
	aibrix_queue_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_QUEUE_SLO_COMPAT,
			       .max_requests = 64};
	struct fleet f = {.profile = profile ? new_profile(profile) : NULL};

	cr_assert_eq(aibrix_queue_new(&o, &f.queue), AIBRIX_OK);
	return f;
}

static void
fleet_free(struct fleet *f)
{
	aibrix_queue_free(f->queue);
	aibrix_gpu_profile_free(f->profile);
}

Test(queue_compat, slo01_T_what_cannot_be_ranked_goes_by_the_fallback)
{
	static const char *const profiles[] = {
		NULL,
		"{\"indexes\": [[4], [128]], \"e2e\": [[0.1]], "
		"\"tputs\": [[10]]}",
		"{\"indexes\": [[4], [128]], \"tputs\": [[10]], "
		"\"slos\": {\"tpot\": 0.1, \"ttft\": 1}}",
	};

	for (size_t i = 0; i < 3; i++) {
		struct fleet f = new_fleet(profiles[i]);
		aibrix_queue_try tries[8];
		uint32_t pod;

		push(&f, 4, 128);
		cr_assert_eq(plan(&f, tries), 1);
		cr_expect_eq(tries[0].profile, AIBRIX_QUEUE_NO_PROFILE);
		cr_expect_eq(route(&f, &tries[0], 4, 128, &pod), ROUTED);
		fleet_free(&f);
	}
}

Test(queue_compat, slo02_T_a_request_that_no_gpu_bears_fails)
{
	struct fleet f = new_fleet(
		"{\"indexes\": [[4, 512], [128, 2048]], "
		"\"tputs\": [[60, 4], [3, 0]], "
		"\"e2e\": [[0.1, 0.5], [5, 11]], \"slos\": {\"e2e\": 5}}");
	aibrix_output *history = new_output(0, 0, 0);
	aibrix_queue_try tries[8];
	uint64_t output;
	uint32_t pod;

	add(history, 2048, 512, 1, 0);
	output = drawn(history, 2001, 1, 0);
	cr_expect_eq(output, 512);
	push(&f, output, 2001);
	cr_assert_eq(plan(&f, tries), 1);
	cr_expect_eq(tries[0].profile, 0, "no fallback");
	cr_expect_eq(route(&f, &tries[0], (int64_t)output, 2001, &pod), FAILED);
	aibrix_output_free(history);
	fleet_free(&f);
}

Test(queue_compat, slo04_T_full_pods_block_until_one_ends)
{
	/* A request takes 1 / (2 x 1) of a pod. */
	struct fleet f = new_fleet("{\"indexes\": [[4], [128]], "
				   "\"tputs\": [[2]], \"e2e\": [[1]], "
				   "\"slos\": {\"e2e\": 5}}");
	aibrix_queue_try tries[8];
	uint32_t pod = 0, first = 0;

	for (int i = 0; i < 5; i++) {
		int routed;

		push(&f, 4, 128);
		cr_assert_eq(plan(&f, tries), 1);
		routed = route(&f, &tries[0], 4, 128, &pod);
		cr_expect_eq(routed, i < 4 ? ROUTED : BLOCKED);
		first = i == 0 ? pod : first;
		if (routed == ROUTED)
			cr_assert_eq(aibrix_queue_take(f.queue, tries[0].ticket,
						       0, NULL),
				     AIBRIX_OK);
	}
	f.used[first] -= 0.5;
	cr_assert_eq(plan(&f, tries), 1);
	cr_expect_eq(route(&f, &tries[0], 4, 128, &pod), ROUTED);
	cr_expect_eq(pod, first);
	fleet_free(&f);
}
