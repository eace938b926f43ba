#include <criterion/criterion.h>

#include <aibrix/index.h>

#include "failing.h"
#include "index/index_internal.h"

enum { BLOCKS = 1200 }; /* more than a chunk of the slabs */

static uint64_t hashes[BLOCKS], names[BLOCKS];

static aibrix_index *
new_index(const aibrix_allocator *a)
{
	aibrix_index_opts opts = {
		.size = sizeof(opts), .max_owners = 4, .alloc = a};
	aibrix_index *index = NULL;

	for (uint64_t i = 0; i < BLOCKS; i++)
		names[i] = hashes[i] = i + 1;
	return aibrix_index_new(&opts, &index) == AIBRIX_OK ? index : NULL;
}

static int
store(aibrix_index *index, uint32_t owner, uint32_t n, uint64_t *own_names)
{
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = n,
				 .hashes = hashes,
				 .names = own_names};

	return aibrix_index_apply_stored(index, owner, &e);
}

/* An index whose next calls fail from allocation i on. */
static aibrix_index *
new_index_failing(struct failing *f, const aibrix_allocator *a, uint64_t i)
{
	aibrix_index *index = new_index(a);

	cr_assert_not_null(index);
	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 1), AIBRIX_OK);
	cr_assert_eq(store(index, 0, 100, names), AIBRIX_OK);
	f->fail_at = f->calls + i;
	return index;
}

Test(oom_index, a_stored_event_is_stored_as_a_whole_or_not_at_all)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_index *index = new_index_failing(&f, &a, i);
		/* In conflict with owner 0 from the second block on. */
		int err = store(index, 1, BLOCKS - 1, names + 1);

		f.fail_at = AIBRIX_FOREVER;
		cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_eq(index->stat.held, 100);
			cr_expect_eq(index->places, 100);
			cr_expect_eq(index->stat.stored, 100);
			cr_expect_eq(index->stat.refused, 1);
			cr_expect_eq(store(index, 1, BLOCKS - 1, names + 1),
				     AIBRIX_OK, "the index goes on");
		}
		cr_expect_eq(index->stat.held, 100 + BLOCKS - 1);
		aibrix_index_free(index);
		cr_expect_eq(f.live, 0);
		if (!err)
			break;
		cr_assert_lt(i, 10000);
	}
}

Test(oom_index, new_owners_and_readers_fail_cleanly)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_index_reader *reader = NULL;
		aibrix_index *index = new_index(&a);
		int add = -1, read = -1;

		if (index) {
			add = aibrix_index_owner_add(index, 3);
			read = aibrix_index_reader_new(index, &reader);
			cr_expect(!add || add == AIBRIX_E_NOMEM);
			cr_expect(!read || read == AIBRIX_E_NOMEM);
			cr_expect_eq(index->stat.owners, !add);
		}
		aibrix_index_reader_free(reader);
		aibrix_index_free(index);
		cr_expect_eq(f.live, 0);
		if (!add && !read)
			break;
	}
}

Test(oom_index, a_load_that_fails_leaves_the_index_empty)
{
	static uint8_t bytes[1 << 20];
	aibrix_index *full = new_index(NULL);
	uint64_t n = 0;

	cr_assert_eq(aibrix_index_owner_add(full, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(full, 1), AIBRIX_OK);
	cr_assert_eq(store(full, 0, BLOCKS, names), AIBRIX_OK);
	cr_assert_eq(store(full, 1, BLOCKS - 1, names + 1), AIBRIX_OK);
	cr_assert_eq(aibrix_index_dump(full, bytes, sizeof(bytes), &n), 0);
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_index *index = new_index(&a);
		int err;

		f.fail_at = f.calls + i;
		err = aibrix_index_load(index, bytes, n);
		f.fail_at = AIBRIX_FOREVER;
		cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
		cr_expect_eq(index->places, err ? 0 : BLOCKS);
		cr_expect_eq(index->stat.owners, err ? 0 : 2);
		if (err)
			cr_expect_eq(err, AIBRIX_E_NOMEM);
		aibrix_index_free(index);
		cr_expect_eq(f.live, 0);
		if (!err)
			break;
	}
	aibrix_index_free(full);
}

Test(oom_index, a_dump_that_fails_changes_nothing)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_index *index = new_index_failing(&f, &a, 0);
	static uint8_t bytes[1 << 16];
	uint64_t n = 77;

	cr_expect_eq(aibrix_index_dump(index, bytes, sizeof(bytes), &n),
		     AIBRIX_E_NOMEM);
	cr_expect_eq(n, 77);
	cr_expect_eq(bytes[0], 0);
	cr_expect_eq(aibrix_index_dump(index, bytes, sizeof(bytes), &n),
		     AIBRIX_OK);
	aibrix_index_free(index);
	cr_expect_eq(f.live, 0);
}

static aibrix_index_stat
stat_of(aibrix_index *index)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	return stat;
}

/* How many leading blocks owner holds. */
static uint32_t
score_of(aibrix_index_reader *reader, uint32_t owner)
{
	double held[4];

	cr_assert_eq(aibrix_index_match(reader, hashes, 100, 0, held, 4),
		     AIBRIX_OK);
	return (uint32_t)held[owner];
}

/* Owners 0 and 1 hold 100 blocks; owner 1 gives up some from 40 on. */
static void
remove_without_memory(uint32_t from, uint32_t n, uint32_t least)
{
	for (uint64_t i = 0; i < 4; i++) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_index *index = new_index_failing(&f, &a, 0);
		aibrix_index_reader *reader;
		aibrix_index_stat stat;

		f.fail_at = AIBRIX_FOREVER;
		cr_assert_eq(store(index, 1, 100, names), AIBRIX_OK);
		cr_assert_eq(aibrix_index_reader_new(index, &reader), 0);
		f.fail_at = f.calls + i;
		cr_expect_eq(aibrix_index_apply_removed(index, 1, names + from,
							n, 0, 0),
			     AIBRIX_OK);
		f.fail_at = AIBRIX_FOREVER;

		stat = stat_of(index);
		cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
		cr_expect_eq(stat.held, 200 - n - stat.forgotten);
		cr_expect_leq(score_of(reader, 1), from);
		cr_expect_eq(score_of(reader, 0), 100);
		if (i == 0)
			cr_expect_gt(stat.forgotten, 0);
		if (i == 3) {
			cr_expect_eq(stat.forgotten, 0);
			cr_expect_geq(score_of(reader, 1), least);
		}
		aibrix_index_reader_free(reader);
		aibrix_index_free(index);
		cr_expect_eq(f.live, 0);
	}
}

Test(oom_index, a_removal_without_memory_shows_less_never_more)
{
	remove_without_memory(40, 1, 40);  /* a hole */
	remove_without_memory(40, 60, 40); /* the end */
	remove_without_memory(0, 1, 0);    /* the beginning */
}
