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
	LISTS = 7,
	LIST_NONE = 8 /* being served, or not in the store's hands */
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

/* store_faults.h */
void aibrix__queue_faults(void *backend, const struct store_fault *script,
			  uint32_t n);

#endif
