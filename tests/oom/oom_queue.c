#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/gpu_profile.h>
#include <aibrix/output.h>
#include <aibrix/queue.h>
#include <aibrix/trace.h>

#include "failing.h"

/* What has failed with allocation i: the right status, and nothing left. */
static int
failed(const struct failing *f, int err, const void *object)
{
	if (!err)
		return 0;
	cr_expect_eq(err, AIBRIX_E_NOMEM);
	cr_expect_null(object);
	cr_expect_eq(f->live, 0);
	cr_expect_eq(f->live_bytes, 0);
	return 1;
}

static void
expect_given_back(const struct failing *f, uint64_t i, uint64_t allocations)
{
	cr_expect_eq(i, allocations);
	cr_expect_eq(f->live, 0);
	cr_expect_eq(f->live_bytes, 0);
}

Test(queue, a_failed_new_leaves_nothing_and_only_new_allocates)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_queue_opts o = {
			.size = sizeof(o), .max_requests = 8, .alloc = &a};
		aibrix_queue_item item = {.size = sizeof(item)};
		aibrix_queue_stat stat = {.size = sizeof(stat)};
		aibrix_queue_try tries[1];
		aibrix_queue *q = NULL;
		uint64_t ticket, calls;
		uint32_t n;

		if (failed(&f, aibrix_queue_new(&o, &q), q))
			continue;
		calls = f.calls;
		cr_expect_eq(aibrix_queue_push(q, &item, 0, &ticket),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_queue_plan(q, NULL, 0, 0, tries, 1, &n),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_queue_take(q, ticket, 0, &item), AIBRIX_OK);
		cr_expect_eq(aibrix_queue_stats(q, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		cr_expect_eq(f.calls, calls);
		aibrix_queue_free(q);
		expect_given_back(&f, i, 3);
		break;
	}
}

Test(queue, a_profile_that_finds_no_memory_leaves_nothing)
{
	static const char text[] = "{\"indexes\": [[4], [1]], \"e2e\": [[1]]}";

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_gpu_profile *p = NULL;

		if (failed(&f,
			   aibrix_gpu_profile_read(text, strlen(text), &a, NULL,
						   &p),
			   p))
			continue;
		aibrix_gpu_profile_free(p);
		expect_given_back(&f, i, 2);
		break;
	}
}

Test(queue, a_wrong_profile_leaves_nothing)
{
	static const char text[] = "{\"indexes\": [[4], [1]], \"e2e\": [[-1]]}";
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_gpu_profile *p = NULL;

	cr_expect_eq(aibrix_gpu_profile_read(text, strlen(text), &a, NULL, &p),
		     AIBRIX_E_PARSE);
	cr_expect_null(p);
	expect_given_back(&f, f.calls, 2);
}

Test(queue, a_predictor_that_finds_no_memory_leaves_nothing)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_output_opts o = {.size = sizeof(o), .alloc = &a};
		aibrix_output *p = NULL;
		uint64_t calls, tokens;

		if (failed(&f, aibrix_output_new(&o, &p), p))
			continue;
		calls = f.calls;
		cr_expect_eq(aibrix_output_add(p, 1, 1, 1, 0), AIBRIX_OK);
		cr_expect_eq(aibrix_output_draw(p, 1, 1, 0, &tokens),
			     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_output_free(p);
		expect_given_back(&f, i, 4);
		break;
	}
}

Test(queue, a_trace_that_finds_no_memory_leaves_nothing)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_trace_opts o = {.size = sizeof(o), .alloc = &a};
		aibrix_trace *t = NULL;
		uint64_t calls;

		if (failed(&f, aibrix_trace_new(&o, &t), t))
			continue;
		calls = f.calls;
		cr_expect_eq(aibrix_trace_end(t, 1, 1), AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_trace_free(t);
		expect_given_back(&f, i, 2);
		break;
	}
}
