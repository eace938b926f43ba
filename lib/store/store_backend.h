/*
 * What a backend is: six functions behind which bytes are kept.
 *
 * The front (store.c) has checked every request, bounds their number and
 * keeps the callers' tags and the statistics; a backend only moves bytes.
 *   - io.tag is a number below conf.max_inflight that no other request in
 *     flight has; it comes back in the completion.
 *   - io.deadline_ns is absolute and final.
 *   - Each request that submit accepted is completed by poll exactly once,
 *     also after cancel.
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include <aibrix/store.h>

/* Kept up to date by the backend, read by aibrix_store_stats. */
struct backend_stat {
	uint64_t values, capacity_values;
	uint64_t evictions, recovered, dropped;
};

/* Options with the defaults filled in; everything outlives the backend. */
struct backend_conf {
	const char *path;
	uint64_t capacity_bytes, value_bytes;
	uint32_t max_inflight;
	uint32_t cpu; /* aibrix__cpu() */
	uint64_t (*clock)(void *clock_ctx);
	void *clock_ctx;
	const aibrix_log *log;
	const aibrix_allocator *alloc;
	struct backend_stat *stat;
};

/* Of all iov together; the front has checked that the sum fits. */
static inline uint64_t
io_bytes(const aibrix_io *io)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < io->n_iov; i++)
		sum += io->iov[i].bytes;
	return sum;
}

struct backend_ops {
	int (*open)(const struct backend_conf *conf, void **backend);
	int (*submit)(void *backend, const aibrix_io *ios, uint32_t n,
		      uint64_t now_ns, uint32_t *accepted);
	int (*poll)(void *backend, aibrix_done *dones, uint32_t cap,
		    uint64_t now_ns, uint64_t timeout_ns, uint32_t *n);
	int (*fd)(const void *backend);
	void (*cancel)(void *backend, uint64_t tag);
	void (*close)(void *backend);
};

extern const struct backend_ops aibrix__store_mem;
extern const struct backend_ops aibrix__store_file;

#endif
