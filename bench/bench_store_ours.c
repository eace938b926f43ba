/*
 * The library, through its public calls: one thread that keeps depth
 * requests in flight, and hands over what came free after each poll.
 */
#include "bench_store.h"

enum { BATCH = 64 };

void
ours_init(struct ours *o, aibrix_store *store, const struct work *w)
{
	*o = (struct ours){.store = store,
			   .iov = malloc(w->n * sizeof(*o->iov))};
	bench_check(o->iov != NULL, "memory for requests");
}

void
ours_free(struct ours *o)
{
	aibrix_store_free(o->store);
	free(o->iov);
}

static aibrix_io
request_of(const struct ours *o, uint32_t op, const struct work *w,
	   uint32_t block)
{
	o->iov[block] = (aibrix_iov){w->blocks + block * w->bytes, w->bytes};
	return (aibrix_io){.key = w->keys[block],
			   .key_bytes = KEY_BYTES,
			   .iov = &o->iov[block],
			   .n_iov = 1,
			   .op = op,
			   .priority = op == AIBRIX_STORE_PUT
					       ? AIBRIX_PRIORITY_PUT
					       : AIBRIX_PRIORITY_GET,
			   .tag = block};
}

/* Of a request that came to nothing, the program ends. */
static void
done_check(uint32_t op, const struct work *w, const aibrix_done *done)
{
	if (done->status != AIBRIX_OK) {
		fprintf(stderr, "a request of the store: %s, os error %d\n",
			aibrix_error_name(done->status), done->os_error);
		exit(1);
	}
	if (op == AIBRIX_STORE_PUT)
		bench_check(!(done->flags & AIBRIX_DONE_EXISTED),
			    "a value that was not there");
	else
		bench_check(done->bytes == w->bytes, "the length of a value");
}

void
ours_move(void *ctx, uint32_t op, struct work *w)
{
	struct ours *o = ctx;
	aibrix_io ios[BATCH];
	aibrix_done dones[BATCH];
	uint32_t sent = 0, done = 0, n, taken;

	while (done < w->n) {
		for (n = 0;
		     n < BATCH && sent + n < w->n && sent + n < done + w->depth;
		     n++)
			ios[n] = request_of(o, op, w, w->order[sent + n]);
		taken = 0;
		if (n)
			bench_check(!aibrix_store_submit(o->store, ios, n,
							 bench_now(), &taken),
				    "aibrix_store_submit");
		sent += taken;
		bench_check(!aibrix_store_poll(o->store, dones, BATCH,
					       bench_now(), 1000000000, &n),
			    "aibrix_store_poll");
		for (uint32_t i = 0; i < n; i++)
			done_check(op, w, &dones[i]);
		done += n;
	}
}
