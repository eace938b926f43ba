/*
 * What a store's backend is: the table behind aibrix_store.
 *
 * The stores of this library are such tables, and a host brings its own as
 * AIBRIX_BACKEND_USER.  The front (store.h) has checked every request,
 * bounds their number, joins what is asked for twice and keeps the callers'
 * tags and the counters; a backend only moves bytes.
 *
 *   - io.tag is a number below conf.max_inflight that no other request in
 *     flight has; it comes back in the completion.
 *   - io.deadline_ns is absolute and final, AIBRIX_FOREVER without one.
 *   - io.key, io.iov and the memory are readable, and with GET writable,
 *     until the completion is handed out by poll, not a moment longer.
 *   - Each request that submit accepted is handed out by poll exactly once,
 *     also after cancel, deadline or a lost connection.  After close none is.
 *   - E_NOT_FOUND says that the value is not there.  Who cannot tell says
 *     E_UNAVAILABLE, E_IO, E_CLOSED or E_TIMEOUT.
 *   - submit is also called by the front's poll: a request that had joined
 *     another one which failed.
 *   - A backend calls nothing of the store it serves.
 *
 * What a table says is not believed where it cannot be: completions with
 * another tag, or more than cap, are dropped and counted as strays; a status
 * that base.h does not have, and a GET of more bytes than its memory, are
 * E_IO.  A refusal by submit takes nothing.
 */
#ifndef AIBRIX_BACKEND_H
#define AIBRIX_BACKEND_H

#include <aibrix/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frozen: 128 bytes.  Kept up to date by the backend, in calls of its table
 * only (not by threads of its own), read by aibrix_store_stats. */
typedef struct aibrix_backend_stat {
	uint64_t values;          /* gauge */
	uint64_t capacity_values; /* gauge */
	uint64_t evictions;
	uint64_t recovered;
	uint64_t dropped;
	uint64_t retries;
	uint64_t refused;  /* by a breaker */
	uint64_t connects; /* connections made */
	uint64_t caps;     /* AIBRIX_CAP_* besides those of the table: what
			      only open finds out */
	uint64_t spare[7];
} aibrix_backend_stat;

/*
 * Options with the defaults filled in.  path and opts are borrowed for the
 * call of open; the struct and all else that it points to outlive the
 * backend.
 */
typedef struct aibrix_backend_conf {
	uint32_t size;
	uint32_t max_inflight;   /* requests, and so tags */
	uint64_t value_bytes;    /* longest value */
	uint64_t capacity_bytes; /* of values */
	uint32_t flags;          /* AIBRIX_STORE_* of store.h */
	uint32_t spare;
	uint64_t seed; /* jitter, names of temporary files */
	const char *path;
	const void *opts; /* aibrix_store_opts.backend_opts */
	uint64_t (*clock)(void *clock_ctx);
	void *clock_ctx;
	int (*run)(void *run_ctx, void (*fn)(void *arg), void *arg);
	void *run_ctx; /* run: NULL when the host lends no threads */
	const aibrix_log *log;
	const aibrix_allocator *alloc;
	aibrix_backend_stat *stat;
} aibrix_backend_conf;

/*
 * The table.  submit, poll and close have the meaning of aibrix_store_submit,
 * _poll and _free; NULL is allowed where it says so.
 *
 * Calls come one at a time.  The table itself is copied.
 */
typedef struct aibrix_backend {
	uint32_t size;
	uint32_t caps; /* AIBRIX_CAP_* of store.h */
	int (*open)(const aibrix_backend_conf *conf, void **backend);
	int (*submit)(void *backend, const aibrix_io *ios, uint32_t n,
		      uint64_t now_ns, uint32_t *accepted);
	int (*poll)(void *backend, aibrix_done *dones, uint32_t cap,
		    uint64_t now_ns, uint64_t timeout_ns, uint32_t *n);
	void (*close)(void *backend);
	/* Readable when poll has work, always the same one; NULL: -1 */
	int (*fd)(const void *backend);
	void (*cancel)(void *backend, uint64_t tag); /* NULL: it goes on */
	/* Poll at this instant at the latest; NULL: FOREVER */
	uint64_t (*wake)(const void *backend);
	/* NULL: memory needs no registration */
	int (*memory_add)(void *backend, void *base, uint64_t bytes);
	void (*memory_remove)(void *backend, void *base, uint64_t bytes);
	/* Fills in up to cap, returns how many there are; NULL: none */
	uint32_t (*nodes)(const void *backend, aibrix_store_node *nodes,
			  uint32_t cap);
} aibrix_backend;

#ifdef __cplusplus
}
#endif

#endif
