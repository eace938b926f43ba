/*
 * Makes submit, poll and cancel out of a function that serves one request:
 * for backends that block, inside poll or on threads of the host.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include <pthread.h>

#include "store/store_backend.h"
#include "store/store_faults.h"

/* Serve one request: fill in all of *done but the tag. */
typedef void queue_serve(void *backend, const aibrix_io *io, aibrix_done *done);

/* Bring conf.stat up to date: called in poll, by the thread that polls. */
typedef void queue_publish(void *backend);

/* Threads of the host that serve one queue at once.  Disks and shared
 * folders answer eight large requests at a time about as fast as more. */
enum { QUEUE_WORKERS = 8 };

/* Requests wait in lists; a list is a ring through its own node. */
enum {
	LIST_PRIORITY = 0, /* one list for each AIBRIX_PRIORITY_* */
	LIST_ENDED = 4,    /* cancelled or late: complete without service */
	LIST_HELD = 5,     /* held back by a scripted fault */
	LIST_DONE = 6,     /* served on a thread: done is what it came to */
	LIST_BLOCKED = 7,  /* until something else has ended */
	LISTS = 8,
	LIST_NONE = 9 /* being served, or not in the store's hands */
};

struct queue_node {
	uint32_t next, prev;
};

struct queued {
	aibrix_io io;
	aibrix_done done; /* LIST_ENDED and LIST_DONE */
	uint64_t hold;    /* polls to sit out; AIBRIX_FOREVER: all */
	uint32_t list;
	uint32_t seen; /* its scripted fault, if any, has been applied */
	const struct store_fault *fault; /* of a request being served */
};

struct queue {
	const aibrix_backend_conf *conf;
	void *backend;
	queue_serve *serve;
	queue_publish *publish;
	struct queued *requests;  /* max_inflight, indexed by tag */
	struct queue_node *nodes; /* max_inflight, then LISTS heads */
	uint32_t inflight;        /* accepted and not handed out */
	uint32_t waiting;         /* of them, in the lists of priorities */
	struct queue *self;       /* for calls that are const */
	int fd;                   /* readable while poll has work, or -1 */
	int watched;              /* somebody has asked for it */
	int raised;
	uint64_t earliest; /* no waiting request's deadline is before it */
	const struct store_fault *faults;
	uint32_t n_faults;
	uint64_t served[AIBRIX_STORE_DELETE + 1];
	/* Of a queue with threads. */
	int threads;      /* the lock guards all that changes */
	uint32_t workers; /* calls that the host has promised or makes */
	uint32_t busy;    /* of them, serving */
	int closing;
	long owner; /* the process: a child has no workers */
	pthread_mutex_t lock;
	pthread_cond_t change; /* something is done, or a worker has left */
};

/* Served one after the other, inside poll, also with conf.run. */
int aibrix__queue_open(struct queue *q, const aibrix_backend_conf *conf,
		       void *backend, queue_serve *serve);

/*
 * Served on up to QUEUE_WORKERS threads at once when conf.run is there, else
 * inside poll.  serve is then called from several threads, with the backend
 * unlocked and without order between requests; conf.stat is for publish
 * (NULL: none) and for the calls of the table alone.
 */
int aibrix__queue_open_threads(struct queue *q, const aibrix_backend_conf *conf,
			       void *backend, queue_serve *serve,
			       queue_publish *publish);

/* Also after a failed or no open, on zeros.  Waits for the threads: serve is
 * not running and will not be called any more.  Call it first in close. */
void aibrix__queue_close(struct queue *q);

/* Entries of a backend's table: the backend begins with its queue. */
int aibrix__queue_submit(void *backend, const aibrix_io *ios, uint32_t n,
			 uint64_t now_ns, uint32_t *accepted);
int aibrix__queue_poll(void *backend, aibrix_done *dones, uint32_t cap,
		       uint64_t now_ns, uint64_t timeout_ns, uint32_t *n);
int aibrix__queue_fd(const void *backend);
void aibrix__queue_cancel(void *backend, uint64_t tag);
uint64_t aibrix__queue_wake(const void *backend);

/*
 * For a backend that serves several requests at once: it takes them out of
 * the queue, and hands them out itself.  The queue has no threads.
 */
enum {
	TAKE_NONE,  /* nothing, or nothing that can begin without room */
	TAKE_ENDED, /* late, cancelled or failed by a script: done is filled */
	TAKE_SERVE  /* to be served, and told of by aibrix__queue_served */
};

/* The next request; without room only what takes none: ended ones, PROBEs. */
int aibrix__queue_take(struct queue *q, int room, aibrix_done *done);

/* One that was taken has been served: what a script does to its result. */
void aibrix__queue_served(struct queue *q, const aibrix_done *done);

/* One that was taken cannot be served before something else has ended. */
void aibrix__queue_block(struct queue *q, uint64_t tag);

/* Something has ended: those are first again. */
void aibrix__queue_unblock(struct queue *q);

/* End what waits and is late. */
void aibrix__queue_expire(struct queue *q, uint64_t now_ns);

/* One poll has passed for those that a script makes sit it out. */
void aibrix__queue_unhold(struct queue *q);

/* Does the request wait here? */
int aibrix__queue_has(const struct queue *q, uint64_t tag);

/* The parts of these, within the queue: who is to be served next, or
 * max_inflight; and out of its list with it, as a script wants it. */
uint32_t aibrix__queue_next(const struct queue *q);
int aibrix__queue_begin(struct queue *q, uint32_t id, aibrix_done *done);

/* store_faults.h */
void aibrix__queue_faults(void *backend, const struct store_fault *script,
			  uint32_t n);

#endif
