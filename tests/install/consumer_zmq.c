/* A stranger's program: what pkg-config says for aibrix-zmq, and no more. */
#include <aibrix/aibrix.h>
#include <aibrix/zmq.h>

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

int
main(void)
{
	aibrix_zmq_sink sink = {.size = sizeof(sink),
				.apply = batch_apply,
				.clear = owner_clear};
	aibrix_zmq_opts opts = {.size = sizeof(opts), .sink = &sink};
	aibrix_zmq *zmq;
	uint32_t n;

	if (aibrix_zmq_new(&opts, &zmq) || aibrix_zmq_poll(zmq, 0, 0, 1, &n) ||
	    n)
		return 1;
	aibrix_zmq_free(zmq);
	return 0;
}
