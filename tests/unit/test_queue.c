/* The order of waiting requests, and the faults of AIBrix's it has not. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/queue.h>

#define SECOND ((uint64_t)1000000000)

enum { CAP = 64 };

static aibrix_queue *
new_queue(uint32_t policy, uint32_t max_requests)
{
	aibrix_queue_opts o = {.size = sizeof(o),
			       .policy = policy,
			       .max_requests = max_requests};
	aibrix_queue *q = NULL;

	cr_assert_eq(aibrix_queue_new(&o, &q), AIBRIX_OK);
	return q;
}

static uint64_t
push(aibrix_queue *q, uint64_t output, uint64_t input, uint64_t second)
{
	aibrix_queue_item item = {.size = sizeof(item),
				  .tag = 1000 * output + input,
				  .input_tokens = input,
				  .output_tokens = output};
	uint64_t ticket = 0;

	cr_assert_eq(aibrix_queue_push(q, &item, second * SECOND, &ticket),
		     AIBRIX_OK);
	cr_assert_neq(ticket, 0);
	return ticket;
}

/* Two sizes of output; e2e of 1 s and 4 s, or of 2 s and 6 s. */
#define FAST                                                                   \
	"{\"indexes\": [[16, 256], [128]], \"e2e\": [[1], [4]], "              \
	"\"slos\": {\"e2e\": 5}}"
#define SLOW                                                                   \
	"{\"indexes\": [[16, 256], [128]], \"e2e\": [[2], [6]], "              \
	"\"slos\": {\"e2e\": 5}}"
#define HALF                                                                   \
	"{\"indexes\": [[16, 256], [128]], \"e2e\": [[1], [null]], "           \
	"\"slos\": {\"e2e\": 5}}"

static aibrix_gpu_profile *
new_profile(const char *text)
{
	aibrix_gpu_profile *p = NULL;

	cr_assert_eq(
		aibrix_gpu_profile_read(text, strlen(text), NULL, NULL, &p),
		AIBRIX_OK);
	return p;
}

static uint32_t
plan(const aibrix_queue *q, const aibrix_gpu_profile *const *profiles,
     uint32_t n_profiles, uint64_t second, aibrix_queue_try *tries)
{
	uint32_t n = 77;

	cr_assert_eq(aibrix_queue_plan(q, profiles, n_profiles, second * SECOND,
				       tries, CAP, &n),
		     AIBRIX_OK);
	return n;
}

Test(queue, first_come_is_first_served_without_a_target)
{
	for (uint32_t policy = 0; policy < 3; policy++) {
		aibrix_queue *q = new_queue(policy, 8);
		aibrix_queue_try tries[CAP];
		uint64_t a = push(q, 100, 1, 0), b = push(q, 1, 100, 1),
			 c = push(q, 100, 1, 2);
		const uint64_t order[] = {a, b, c};

		for (int i = 0; i < 3; i++) {
			cr_assert_geq(plan(q, NULL, 0, 5, tries), 1);
			cr_expect_eq(tries[0].ticket, order[i]);
			cr_expect_eq(tries[0].profile, AIBRIX_QUEUE_NO_PROFILE);
			cr_assert_eq(
				aibrix_queue_take(q, tries[0].ticket, 0, NULL),
				AIBRIX_OK);
		}
		cr_expect_eq(plan(q, NULL, 0, 5, tries), 0);
		aibrix_queue_free(q);
	}
}

Test(queue, the_request_that_will_be_latest_is_tried_first)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 8);
	aibrix_gpu_profile *fast = new_profile(FAST);
	const aibrix_gpu_profile *profiles[] = {fast};
	aibrix_queue_try tries[CAP];
	uint64_t quick = push(q, 16, 128, 0), slow = push(q, 256, 128, 2);

	cr_assert_eq(plan(q, profiles, 1, 2, tries), 2);
	cr_expect_eq(tries[0].ticket, slow);
	cr_expect_eq(tries[0].rank, -1, "0 + 4 - 5");
	cr_expect_eq(tries[1].ticket, quick);
	cr_expect_eq(tries[1].rank, -2, "2 + 1 - 5");
	cr_expect_eq(tries[1].tag, 16128);
	aibrix_gpu_profile_free(fast);
	aibrix_queue_free(q);
}

Test(queue, a_request_is_tried_where_it_is_least_late_then_where_it_is_not)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 8);
	aibrix_gpu_profile *fast = new_profile(FAST), *slow = new_profile(SLOW);
	const aibrix_gpu_profile *profiles[] = {slow, NULL, fast};
	aibrix_queue_try tries[CAP];

	push(q, 16, 128, 0);
	cr_assert_eq(plan(q, profiles, 3, 1, tries), 2);
	cr_expect(tries[0].profile == 2 && tries[0].rank == -3);
	cr_expect(tries[1].profile == 0 && tries[1].rank == -2);
	cr_assert_eq(plan(q, profiles, 3, 10, tries), 1, "late everywhere");
	cr_expect(tries[0].profile == 2 && tries[0].rank == 6);
	aibrix_gpu_profile_free(fast);
	aibrix_gpu_profile_free(slow);
	aibrix_queue_free(q);
}

/* AIBrix's defect 17: one request that no profile can rank puts all others
 * in order of arrival. */
Test(queue, defect_17_one_that_cannot_be_ranked_leaves_the_others_in_order)
{
	for (uint32_t policy = 0; policy < 2; policy++) {
		aibrix_queue *q = new_queue(policy, 8);
		aibrix_gpu_profile *half = new_profile(HALF);
		const aibrix_gpu_profile *profiles[] = {half};
		aibrix_queue_try tries[CAP];
		uint64_t unknown = push(q, 256, 128, 9),
			 known = push(q, 16, 128, 9),
			 early = push(q, 1, 128, 4);

		if (policy == AIBRIX_QUEUE_SLO_COMPAT) {
			cr_assert_eq(plan(q, profiles, 1, 9, tries), 1);
			cr_expect_eq(tries[0].ticket, unknown, "it came first");
		} else {
			cr_assert_eq(plan(q, profiles, 1, 13, tries), 3);
			cr_expect_eq(tries[0].ticket, unknown, "waited 4 s");
			cr_expect_eq(tries[0].best, 3);
			cr_expect(isnan(tries[0].rank));
			cr_expect_eq(tries[1].ticket, known);
			cr_expect_eq(tries[1].profile, 0);
			cr_expect_eq(tries[2].ticket, early);
		}
		aibrix_gpu_profile_free(half);
		aibrix_queue_free(q);
	}
}

/* And a request that was cancelled stays until its turn. */
Test(queue, defect_17_a_cancelled_request_leaves_at_once_from_anywhere)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 8);
	aibrix_queue_try tries[CAP];
	uint64_t a = push(q, 4, 4, 0), b = push(q, 4, 4, 0),
		 c = push(q, 4, 4, 0);

	cr_expect_eq(aibrix_queue_take(q, b, 0, NULL), AIBRIX_OK);
	cr_expect_eq(aibrix_queue_take(q, b, 0, NULL), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_queue_take(q, a, 0, NULL), AIBRIX_OK);
	cr_assert_eq(plan(q, NULL, 0, 0, tries), 1);
	cr_expect_eq(tries[0].ticket, c);
	aibrix_queue_free(q);
}

Test(queue, requests_of_about_the_same_size_wait_in_one_line)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 8);
	aibrix_queue_stat stat = {.size = sizeof(stat)};
	aibrix_queue_try tries[CAP];

	push(q, 100, 1000, 0);
	push(q, 120, 1100, 0);
	push(q, 100, 4000, 0);
	push(q, 0, 0, 0);
	push(q, (uint64_t)1 << 32, (uint64_t)1 << 32, 0);
	cr_assert_eq(aibrix_queue_stats(q, &stat), AIBRIX_OK);
	cr_expect_eq(stat.lines, 4);
	cr_expect_eq(stat.waiting, 5);
	cr_expect_eq(plan(q, NULL, 0, 0, tries), 4);
	aibrix_queue_free(q);
}

Test(queue, an_item_says_how_long_it_waited_and_no_clock_makes_that_negative)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_FIFO, 8);
	aibrix_queue_item item = {.size = sizeof(item)};
	uint64_t a = push(q, 1, 2, 10), b = push(q, 3, 4, 5);

	cr_expect_eq(aibrix_queue_take(q, a, 17 * SECOND, &item), AIBRIX_OK);
	cr_expect_eq(item.waited_ns, 7 * SECOND);
	cr_expect(item.tag == 1002 && item.output_tokens == 1 &&
		  item.input_tokens == 2);
	cr_expect_eq(aibrix_queue_take(q, b, 0, &item), AIBRIX_OK);
	cr_expect_eq(item.waited_ns, 7 * SECOND);
	aibrix_queue_free(q);
}

Test(queue, a_full_queue_refuses_and_a_ticket_names_one_request)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 1);
	aibrix_queue_item item = {.size = sizeof(item)};
	uint64_t old = push(q, 1, 1, 0), ticket = 77;

	cr_expect_eq(aibrix_queue_push(q, &item, 0, &ticket), AIBRIX_E_FULL);
	cr_expect_eq(ticket, 77);
	cr_expect_eq(aibrix_queue_take(q, old, 0, NULL), AIBRIX_OK);
	push(q, 1, 1, 0);
	cr_expect_eq(aibrix_queue_take(q, old, 0, NULL), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_queue_take(q, 0, 0, NULL), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_queue_take(q, UINT64_MAX, 0, NULL),
		     AIBRIX_E_NOT_FOUND);
	aibrix_queue_free(q);
}

Test(queue, a_plan_that_does_not_fit_says_how_long_it_is)
{
	aibrix_queue *q = new_queue(AIBRIX_QUEUE_SLO, 8);
	aibrix_queue_try tries[2];
	uint32_t n = 0;

	push(q, 1, 1, 0);
	push(q, 10, 1, 0);
	push(q, 100, 1, 0);
	cr_expect_eq(aibrix_queue_plan(q, NULL, 0, 0, tries, 2, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	cr_expect_eq(aibrix_queue_plan(q, NULL, 0, 0, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	aibrix_queue_free(q);
}

Test(queue, wrong_calls_are_refused)
{
	static const aibrix_queue_opts bad[] = {
		{.size = sizeof(bad[0]), .policy = 3},
		{.size = sizeof(bad[0]), .max_requests = (1 << 24) + 1},
		{.size = sizeof(bad[0]), .spare = 1},
	};
	aibrix_queue_item item = {.size = sizeof(item),
				  .input_tokens = ((uint64_t)1 << 32) + 1};
	aibrix_queue *q = NULL;
	uint64_t ticket = 77;
	uint32_t n = 77;

	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(aibrix_queue_new(&bad[i], &q), AIBRIX_E_INVAL);
	cr_expect_null(q);
	q = new_queue(AIBRIX_QUEUE_SLO, 4);
	cr_expect_eq(aibrix_queue_push(q, &item, 0, &ticket), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_queue_push(q, NULL, 0, &ticket), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_queue_plan(q, NULL, 65, 0, NULL, 0, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_queue_plan(q, NULL, 0, 0, NULL, 1, &n),
		     AIBRIX_E_INVAL);
	cr_expect(ticket == 77 && n == 77);
	aibrix_queue_free(q);
	aibrix_queue_free(NULL);
}
