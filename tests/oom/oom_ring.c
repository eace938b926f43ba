#include <string.h>

#include <criterion/criterion.h>

#include "failing.h"
#include "store/ring.h"

static const char meta_old[] =
	"{\"nodes\":[{\"name\":\"a\",\"addr\":\"10.0.0.1\",\"port\":1,"
	"\"slots\":[{\"start\":0,\"end\":9}]}]}";
static const char meta_new[] =
	"{\"nodes\":[{\"name\":\"b\",\"addr\":\"10.0.0.2\",\"port\":1,"
	"\"slots\":[{\"start\":0,\"end\":19}]}]}";

static void
create_until_it_works(enum ring_mode mode)
{
	uint64_t i;

	for (i = 0; i < 20; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		struct ring *ring = NULL;
		int status = aibrix__ring_new(&a, mode, 100, &ring);

		if (status) {
			cr_assert_eq(status, AIBRIX_E_NOMEM);
			cr_assert_null(ring);
		}
		aibrix__ring_free(ring);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		if (status == AIBRIX_OK)
			break;
	}
	cr_expect_gt(i, 2);
	cr_expect_lt(i, 20);
}

Test(oom_ring, creation_survives_each_failed_allocation)
{
	create_until_it_works(RING_RENDEZVOUS);
	create_until_it_works(RING_REDIS);
	create_until_it_works(RING_COMPAT);
}

Test(oom_ring, a_failed_load_leaves_the_old_nodes_and_slots)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	struct ring *ring;
	uint32_t before, id;
	uint64_t i;
	size_t at;
	int status;

	cr_assert_eq(aibrix__ring_new(&a, RING_COMPAT, 4, &ring), AIBRIX_OK);
	cr_assert_eq(aibrix__ring_load(ring, meta_old, strlen(meta_old), &at),
		     AIBRIX_OK);
	before = aibrix__ring_find(ring, "a");

	for (i = 0; i < 20; i++) {
		uint64_t live = f.live, live_bytes = f.live_bytes;

		f.calls = 0;
		f.fail_at = i;
		status = aibrix__ring_load(ring, meta_new, strlen(meta_new),
					   &at);
		if (status == AIBRIX_OK)
			break;
		cr_assert_eq(status, AIBRIX_E_NOMEM);
		cr_assert_eq(f.live, live);
		cr_assert_eq(f.live_bytes, live_bytes);
		cr_assert_eq(ring->table_n, 10);
		cr_assert_eq(
			aibrix__ring_pick(ring, "0123456789abcdef", 16, &id),
			AIBRIX_OK);
		cr_assert_eq(id, before);
	}

	cr_expect_eq(i, 3);
	cr_expect_eq(ring->table_n, 20);
	cr_expect_null(aibrix__ring_get(ring, before));
	aibrix__ring_free(ring);
	cr_expect_eq(f.live, 0);
	cr_expect_eq(f.live_bytes, 0);
}

Test(oom_ring, changes_and_lookups_do_not_allocate)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	const struct ring_node node = {.name = "a", .addr = "::1", .port = 1};
	struct ring *ring;
	uint32_t id, found;

	cr_assert_eq(aibrix__ring_new(&a, RING_REDIS, 4, &ring), AIBRIX_OK);
	f.calls = 0;

	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_OK);
	cr_expect_eq(aibrix__ring_assign(ring,
					 &(struct ring_range){0, 16383, id}, 1),
		     AIBRIX_OK);
	cr_expect_eq(aibrix__ring_pick(ring, "foo", 3, &found), AIBRIX_OK);
	cr_expect_eq(aibrix__ring_remove(ring, id), AIBRIX_OK);

	cr_expect_eq(f.calls, 0);
	aibrix__ring_free(ring);
}
