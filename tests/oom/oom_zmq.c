#include <criterion/criterion.h>

#include <aibrix/zmq.h>
#include <aibrix/zmq_pub.h>

#include "each_failure.h"

static int
batch_apply(void *ctx, uint32_t owner, const void *payload, uint64_t n)
{
	(void)ctx;
	(void)owner;
	(void)payload;
	(void)n;
	return AIBRIX_OK;
}

static void
owner_clear(void *ctx, uint32_t owner)
{
	(void)ctx;
	(void)owner;
}

static const aibrix_zmq_sink sink = {
	.size = sizeof(sink), .apply = batch_apply, .clear = owner_clear};

/* One subscriber with a stream, from birth to death. */
static int
zmq_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_zmq_opts opts = {
		.size = sizeof(opts), .sink = &sink, .alloc = a};
	aibrix_zmq_stream stream = {.size = sizeof(stream),
				    .owner = 3,
				    .endpoint = "inproc://nobody",
				    .replay = "inproc://nobody-either",
				    .topic = "kv",
				    .rank = 7};
	aibrix_zmq_stat stat = {.size = sizeof(stat)};
	aibrix_zmq *zmq = NULL;
	uint32_t n = 77;
	int err = aibrix_zmq_new(&opts, &zmq);

	(void)f;
	(void)arg;
	if (err) {
		cr_assert_null(zmq, "output untouched on failure");
		return err;
	}
	err = aibrix_zmq_add(zmq, &stream);
	cr_assert_eq(aibrix_zmq_stats(zmq, 3, &stat),
		     err ? AIBRIX_E_NOT_FOUND : AIBRIX_OK);
	cr_assert_eq(aibrix_zmq_poll(zmq, 0, 0, 1, &n), AIBRIX_OK);
	cr_assert_eq(n, 0);
	aibrix_zmq_free(zmq);
	return err;
}

Test(zmq, new_and_add_survive_each_failed_allocation)
{
	each_failure(zmq_use, NULL);
}

/* One publisher with two batches, the second one larger. */
static int
pub_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	static const uint32_t tokens[64];
	static const uint64_t name = 1;
	const aibrix_event event = {.type = AIBRIX_EVENT_STORED,
				    .n = 1,
				    .names = &name,
				    .tokens = tokens,
				    .n_tokens = 64,
				    .block_tokens = 64};
	aibrix_zmq_pub_opts opts = {.size = sizeof(opts),
				    .endpoint = "inproc://events",
				    .replay = "inproc://replays",
				    .topic = "kv",
				    .rank = 7,
				    .alloc = a};
	aibrix_zmq_pub_stat stat = {.size = sizeof(stat)};
	aibrix_zmq_pub *pub = NULL;
	uint64_t seq = 77;
	int err = aibrix_zmq_pub_new(&opts, &pub);

	(void)f;
	(void)arg;
	if (err) {
		cr_assert_null(pub, "output untouched on failure");
		return err;
	}
	cr_assert_eq(aibrix_zmq_pub_send(pub, "x", 1, &seq), AIBRIX_OK);
	cr_assert_eq(seq, 0);
	err = aibrix_zmq_pub_events(pub, NULL, &event, 1, &seq);
	cr_assert_eq(seq, err ? 0 : 1);
	cr_assert_eq(aibrix_zmq_pub_stats(pub, &stat), AIBRIX_OK);
	cr_assert_eq(stat.next, err ? 1 : 2, "no number is taken by a failure");
	aibrix_zmq_pub_free(pub);
	return err;
}

Test(zmq, new_and_publish_survive_each_failed_allocation)
{
	each_failure(pub_use, NULL);
}
