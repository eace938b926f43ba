#include <criterion/criterion.h>

#include "event_tools.h"
#include "failing.h"

static aibrix_event_decoder *
new_decoder_on(const aibrix_hash *hash, const aibrix_allocator *a)
{
	const aibrix_event_opts opts = {
		.size = sizeof(opts), .hash = hash, .alloc = a};
	aibrix_event_decoder *decoder = NULL;

	return aibrix_event_new(&opts, &decoder) == AIBRIX_OK ? decoder : NULL;
}

Test(oom_event, a_decoder_is_made_or_not)
{
	aibrix_hash *hash = new_hash(4);

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_event_decoder *decoder = new_decoder_on(hash, &a);

		aibrix_event_free(decoder);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		if (decoder)
			break;
	}
	aibrix_hash_free(hash);
}

/* Blocks with an item each, then removals, then a clear. */
static struct wire
batch_of_all(void)
{
	struct wire w;

	wire_batch(&w, 3);
	wire_stored(&w, 9, 10, 5, 1, 4);
	wire_nil(&w);
	wire_text(&w, "GPU");
	wire_nil(&w);
	wire_array(&w, 5);
	for (int i = 0; i < 5; i++) {
		wire_array(&w, 1);
		wire_array(&w, 2);
		wire_text(&w, "image");
		wire_int(&w, -i);
	}
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_range(&w, 13, 9);
	wire_array(&w, 1);
	wire_text(&w, "AllBlocksCleared");
	return w;
}

Test(oom_event, an_event_without_memory_is_read_by_the_next_call)
{
	const struct wire w = batch_of_all();
	aibrix_hash *hash = new_hash(4);

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_event_decoder *decoder = new_decoder_on(hash, &a);
		aibrix_event e = {.n = 77};
		int err, failed = 0;

		cr_assert_not_null(decoder);
		f.fail_at = f.calls + i;
		cr_assert_eq(aibrix_event_open(decoder, w.bytes, w.n, NULL),
			     AIBRIX_OK);
		for (uint32_t type = 1; type <= 3; type++) {
			err = aibrix_event_next(decoder, &e);
			if (err) {
				cr_assert_eq(err, AIBRIX_E_NOMEM);
				cr_assert_neq(e.type, type);
				failed = 1;
				err = aibrix_event_next(decoder, &e);
			}
			cr_assert_eq(err, AIBRIX_OK);
			cr_assert_eq(e.type, type);
		}
		cr_assert_eq(aibrix_event_next(decoder, &e),
			     AIBRIX_E_NOT_FOUND);
		aibrix_event_free(decoder);
		cr_assert_eq(f.live, 0);
		if (!failed)
			break;
	}
	aibrix_hash_free(hash);
}

static aibrix_index *
new_index(void)
{
	aibrix_index *index = NULL;

	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	return index;
}

Test(oom_event, apply_leaves_out_one_event_and_says_so)
{
	const struct wire w = batch_of_all();
	aibrix_hash *hash = new_hash(4);

	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_event_decoder *decoder = new_decoder_on(hash, &a);
		aibrix_index_stat stat = {.size = sizeof(stat)};
		aibrix_index *index = new_index();
		int err;

		cr_assert_not_null(decoder);
		f.fail_at = f.calls + i;
		err = aibrix_event_apply(decoder, index, 0, w.bytes, w.n);
		cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
		cr_assert_eq(stat.held, 0);
		cr_assert_eq(stat.cleared, 1);
		cr_assert_eq(stat_of(decoder).no_memory, err != AIBRIX_OK);
		aibrix_event_free(decoder);
		aibrix_index_free(index);
		cr_assert_eq(f.live, 0);
		if (!err)
			break;
		cr_assert_eq(err, AIBRIX_E_NOMEM);
	}
	aibrix_hash_free(hash);
}

/* The index refuses a store; what follows is applied. */
Test(oom_event, an_index_without_room_costs_the_event)
{
	const aibrix_index_opts opts = {.size = sizeof(opts),
					.budget_bytes = 1};
	aibrix_hash *hash = new_hash(4);
	aibrix_event_decoder *decoder = new_decoder(hash, 0);
	const struct wire w = batch_of_all();
	aibrix_index *index = NULL;
	aibrix_index_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	if (aibrix_index_owner_add(index, 0) != AIBRIX_OK)
		cr_skip_test("the budget is too small for an owner");
	cr_expect_eq(aibrix_event_apply(decoder, index, 0, w.bytes, w.n),
		     AIBRIX_E_FULL);
	cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	cr_expect_eq(stat.cleared, 1);
	cr_expect_eq(stat_of(decoder).refused, 1);
	aibrix_index_free(index);
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}
