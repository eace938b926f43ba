/*
 * Stores: named values behind submit and poll.
 *
 * A store speaks bytes: keys of up to 512 bytes name values of up to the
 * store's value_bytes.  Requests are handed over in batches and complete in
 * any order; each accepted request yields exactly one completion.  Nothing
 * is called back.
 *
 *   submit   takes a prefix of the array; on an error it took none
 *   poll     hands out completions; I/O is done here and in submit
 *   buffers  stay the store's until their completion was polled
 */
#ifndef AIBRIX_STORE_H
#define AIBRIX_STORE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_STORE_GET = 0,   /* value into iov */
	AIBRIX_STORE_PUT = 1,   /* iov as value; an existing one stays */
	AIBRIX_STORE_PROBE = 2, /* is there one, and how long */
	AIBRIX_STORE_DELETE = 3
};

/* Lower is served first. */
enum {
	AIBRIX_PRIORITY_PROBE = 0,
	AIBRIX_PRIORITY_GET = 1,
	AIBRIX_PRIORITY_PUT = 2,
	AIBRIX_PRIORITY_BACKGROUND = 3
};

/* aibrix_io.flags */
enum {
	/* GET: the value has a sum of its own, which the caller looks at, so
	   a store that would sum it need not.  Damage is then the caller's to
	   find, and to delete.  A backend may ignore it. */
	AIBRIX_IO_SUMMED = 1
};

enum { AIBRIX_STORE_KEY_MAX = 512, AIBRIX_STORE_IOV_MAX = 64 };

/* Frozen: 16 bytes. */
typedef struct aibrix_iov {
	void *base;
	uint64_t bytes;
} aibrix_iov;

/* Frozen: 64 bytes.  One request.  The struct is copied by submit; key, iov
 * and the memory iov points to are borrowed until the completion is polled. */
typedef struct aibrix_io {
	const void *key;
	const aibrix_iov *iov;
	uint32_t key_bytes;   /* 1 .. AIBRIX_STORE_KEY_MAX */
	uint32_t n_iov;       /* GET, PUT: 1 .. AIBRIX_STORE_IOV_MAX; else 0 */
	uint32_t op;          /* AIBRIX_STORE_* */
	uint32_t priority;    /* AIBRIX_PRIORITY_* */
	uint64_t deadline_ns; /* on now_ns's clock; 0: the store's default */
	uint64_t tag;         /* comes back in the completion */
	uint32_t flags;       /* AIBRIX_IO_* */
	uint32_t spare;       /* must be 0 */
	uint64_t spare2;      /* must be 0 */
} aibrix_io;

enum {
	AIBRIX_DONE_EXISTED = 1 /* PUT: a value was there and was kept */
};

/*
 * Frozen: 32 bytes.  One completion.
 *
 * status: OK; E_NOT_FOUND (no such value: a miss, not a fault); E_TIMEOUT
 * (iov may hold part of a value); E_CANCELED; E_SPACE (GET: the value is
 * longer than iov, bytes is its length); E_INVAL (PUT: longer than
 * value_bytes); E_FULL; E_CORRUPT; E_IO with os_error; E_CLOSED; E_DENIED;
 * E_UNAVAILABLE.
 */
typedef struct aibrix_done {
	uint64_t tag;
	uint64_t bytes;   /* GET, PROBE: of the value; PUT: written */
	int32_t status;
	int32_t os_error; /* errno, or 0 */
	uint32_t flags;   /* AIBRIX_DONE_* */
	uint32_t spare;
} aibrix_done;

enum {
	/* Values live in memory and end with the store. */
	AIBRIX_BACKEND_MEM = 0,
	/* One preallocated file of equal slots, private to the store that
	   opened it, kept when it closes. */
	AIBRIX_BACKEND_FILE = 1,
	/* The host's own table: opts.user. */
	AIBRIX_BACKEND_USER = 2,
	/* A file for each value in a directory that others share: shfs.h. */
	AIBRIX_BACKEND_SHFS = 3,
	/* Redis or Valkey at the URL of opts.path: resp.h. */
	AIBRIX_BACKEND_RESP = 4
};

/* What a store is like: aibrix_store_caps. */
enum {
	/* Values are there again when the store is opened again. */
	AIBRIX_CAP_LASTING = 1,
	/* Others put and delete in it too. */
	AIBRIX_CAP_SHARED = 2,
	/* Behind a network. */
	AIBRIX_CAP_REMOTE = 4,
	/* Without opts.run it blocks inside poll, and a request that is
	   under way there is not ended by its deadline. */
	AIBRIX_CAP_BLOCKING = 8
};

/* aibrix_store_opts.flags; a backend that has no use for one refuses it. */
enum {
	/* PUT completes when a power cut would not undo it. */
	AIBRIX_STORE_DURABLE = 1,
	/* Through the kernel's page cache, which is another L1. */
	AIBRIX_STORE_BUFFERED = 2,
	/* Blocking reads and writes even where io_uring is there. */
	AIBRIX_STORE_NO_RING = 4
};

struct aibrix_backend; /* backend.h */

typedef struct aibrix_store_opts {
	uint32_t size;
	uint32_t backend;        /* AIBRIX_BACKEND_* */
	const char *path;        /* FILE: the slot file; copied.  RESP: URL */
	uint64_t capacity_bytes; /* of values; 0: 1 GiB */
	uint64_t value_bytes;    /* longest value; 0: 1 MiB */
	uint32_t max_inflight;   /* requests; 0: 1024 */
	uint32_t flags;          /* AIBRIX_STORE_DURABLE and others */
	uint64_t timeout_ns;     /* deadline of requests without one; 0: 2 s */
	/* now for a poll that blocks; NULL: CLOCK_MONOTONIC */
	uint64_t (*clock)(void *clock_ctx);
	void *clock_ctx;
	const aibrix_log *log;         /* NULL: silent */
	const aibrix_allocator *alloc; /* NULL: malloc */
	const struct aibrix_backend *user; /* USER: copied */
	const void *backend_opts;          /* USER: what its open expects */
	/* A thread of the host for what blocks: calls fn(arg) once, at any
	   time, or returns not 0 and does not.  NULL: inside poll.  At most
	   8 calls are under way or waiting for one store; each may last as
	   long as there are requests, or as the resolver of names takes,
	   and _free waits for all of them. */
	int (*run)(void *run_ctx, void (*fn)(void *arg), void *arg);
	void *run_ctx;
	uint64_t seed; /* of jitter and names; 0: from the object's address */
	/*
	 * How long a miss of GET or PROBE is remembered and repeated without
	 * asking the backend; at most an hour.  0: 1 s for a store behind a
	 * network (AIBRIX_CAP_REMOTE), else not at all.  AIBRIX_FOREVER: not
	 * at all.  A PUT through this store ends it at once; one through
	 * another store is seen when the time is over.  The 16384 keys
	 * missed last are kept as 64-bit fingerprints: a key that has
	 * another one's is missed wrongly for that time, with a chance of
	 * 2^-50 per request.
	 */
	uint64_t absent_ns;
	/* Memory of GETs and PUTs in flight; 0: 1 GiB */
	uint64_t inflight_bytes;
} aibrix_store_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_store aibrix_store;

/*
 * Open a store.  *out is owned: aibrix_store_free.
 *
 * FILE creates the file when there is none and takes a lock on it; an
 * existing one must have been made with the same value_bytes and capacity,
 * and its whole, checked values are there again.  Slots that a crash left
 * half written are dropped and counted.
 *
 * Fails: E_INVAL (sizes that overflow or hold no value, path missing),
 * E_UNSUPPORTED (backend or flag, in this build or by this backend),
 * E_CORRUPT (the file is not a slot file, or its head is damaged: it is
 * left alone), E_STATE (made with other sizes), E_BUSY (another store has
 * it open), E_DENIED, E_FULL (disk), E_IO, E_ABI, E_NOMEM.  The log says
 * which path and why.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_open(const aibrix_store_opts *opts,
					      aibrix_store **out);

/*
 * Close; NULL is allowed.  Completions not yet polled are dropped and their
 * buffers are the caller's again.
 * Since: 0.1.
 */
AIBRIX_API void aibrix_store_free(aibrix_store *store);

/*
 * Hand over up to n requests; *accepted becomes how many of them, from the
 * front, were taken.
 *
 * Requests of priority PUT and BACKGROUND hold at most half of max_inflight
 * and of inflight_bytes, so that reads find room.  A request that is alone
 * is taken whatever its size.
 *
 * A request that asks for what another one in flight will answer waits for
 * that one: GET and PROBE for a GET of the key, PROBE for a PROBE, PUT for a
 * PUT, unless the other one is less urgent, or a PUT (for reads) or DELETE
 * of the key was submitted or completed in between.  It has its own
 * deadline, cancel and completion; when the other one fails, it is tried
 * itself.
 *
 * Fails: E_INVAL (the first request is malformed), E_FULL (max_inflight or
 * inflight_bytes reached: poll first), and what a USER table says.  A
 * malformed request further on ends the prefix.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_submit(aibrix_store *store,
						const aibrix_io *ios,
						uint32_t n, uint64_t now_ns,
						uint32_t *accepted);

/*
 * Take up to cap completions, waiting up to timeout_ns for the first (0:
 * do not wait).  *n becomes their number; 0 only when nothing is in flight
 * or the time is over.
 *
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_poll(aibrix_store *store,
					      aibrix_done *dones, uint32_t cap,
					      uint64_t now_ns,
					      uint64_t timeout_ns,
					      uint32_t *n);

/*
 * Ask that the request with this tag end early; it completes, with
 * E_CANCELED or with what it came to.
 *
 * Fails: E_NOT_FOUND (none in flight).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_cancel(aibrix_store *store,
						uint64_t tag);

/* A descriptor that is readable when poll has work, or -1: poll works only
 * when called.  Always the same one.  Borrowed.  Since: 0.1. */
AIBRIX_API int aibrix_store_fd(const aibrix_store *store);

/* What the store is like: AIBRIX_CAP_* or-ed.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_store_caps(const aibrix_store *store);

/*
 * When poll must be called even if the descriptor is quiet: for deadlines,
 * time-outs of connections and their renewal.  AIBRIX_FOREVER: not at all.
 * Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_store_wake(const aibrix_store *store);

/*
 * Memory that requests will point to, told beforehand, so that a backend
 * can register it with the kernel once (fixed buffers of io_uring).  Using
 * other memory stays allowed.  Borrowed until removed or _free; removed
 * with the same base and bytes, with no request in flight in it.  The
 * signatures fit behind aibrix_pool_hooks.
 *
 * Fails: E_INVAL, E_FULL (no place to register it), E_DENIED (locked memory
 * is limited), E_NOMEM.  All of them leave a store that works without.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_memory_add(aibrix_store *store,
						    void *base, uint64_t bytes);

/* Since: 0.1. */
AIBRIX_API void aibrix_store_memory_remove(aibrix_store *store, void *base,
					   uint64_t bytes);

enum {
	AIBRIX_NODE_CLOSED = 0,   /* its breaker lets requests through */
	AIBRIX_NODE_OPEN = 1,     /* left alone until open_until_ns */
	AIBRIX_NODE_HALF_OPEN = 2 /* tried with single requests */
};

/* Frozen: 128 bytes.  One server of a store behind a network. */
typedef struct aibrix_store_node {
	char name[64];          /* host:port, path or name; cut with NUL */
	uint32_t state;         /* AIBRIX_NODE_* */
	uint32_t connections;   /* ready */
	uint64_t inflight;      /* gauge: requests waiting or under way */
	uint64_t calls;         /* requests it answered */
	uint64_t failures;      /* requests that came to a fault */
	uint64_t first_byte_ns; /* mean from sending to the reply, weighted
				   towards the last ones; 0: none yet */
	uint64_t bytes_per_s;   /* mean rate of values, the same way */
	uint64_t open_until_ns; /* state OPEN */
	uint64_t spare;
} aibrix_store_node;

/*
 * Health: fill in up to cap nodes; *n becomes how many there are.  Stores
 * without a network have none.
 *
 * Fails: E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_store_nodes(const aibrix_store *store,
					       aibrix_store_node *nodes,
					       uint32_t cap, uint32_t *n);

typedef struct aibrix_store_stat {
	uint32_t size;
	uint32_t inflight;       /* gauge */
	uint64_t values;         /* gauge: values stored */
	uint64_t capacity_values; /* gauge */
	uint64_t value_bytes;    /* gauge: longest value accepted */
	uint64_t gets;
	uint64_t hits;
	uint64_t puts;
	uint64_t existed;        /* puts that found a value */
	uint64_t probes;
	uint64_t deletes;
	uint64_t evictions;
	uint64_t recovered;      /* values found when the store was opened */
	uint64_t dropped;        /* slots given up as damaged */
	uint64_t errors;         /* completions that were faults */
	uint64_t timeouts;
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t retries;  /* requests sent a second time */
	uint64_t refused;  /* requests kept from a node that was left alone */
	uint64_t connects; /* connections made */
	uint64_t strays;   /* completions of a USER table for no request */
	uint64_t joined;   /* requests that waited for one in flight */
	uint64_t absent;   /* misses repeated from memory */
	uint64_t inflight_bytes; /* gauge: memory of GETs and PUTs */
} aibrix_store_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_store_stats(const aibrix_store *store,
					       aibrix_store_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
