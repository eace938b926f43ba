/*
 * Makes submit, poll and cancel out of a function that serves one request:
 * for backends whose work is done inside poll.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "store/store_backend.h"
#include "store/store_faults.h"

/* Serve one request: fill in all of *done but the tag. */
typedef void queue_serve(void *backend, const aibrix_io *io, aibrix_done *done);

/* Requests wait in lists; a list is a ring through its own node. */
enum {
	LIST_PRIORITY = 0, /* one list for each AIBRIX_PRIORITY_* */
	LIST_ENDED = 4,    /* cancelled or late: complete without service */
	LIST_HELD = 5,     /* held back by a scripted fault */
	LISTS = 6,
	LIST_NONE = 7
};

struct queue_node {
	uint32_t next, prev;
};

struct queued {
	aibrix_io io;
	uint64_t hold; /* polls to sit out; AIBRIX_FOREVER: all */
	int32_t status;
	uint32_t list;
	uint32_t seen; /* its scripted fault, if any, has been applied */
};

struct queue {
	const aibrix_backend_conf *conf;
	void *backend;
	queue_serve *serve;
	struct queued *requests;  /* max_inflight, indexed by tag */
	struct queue_node *nodes; /* max_inflight, then LISTS heads */
	uint32_t waiting;         /* requests in any list */
	int fd;                   /* readable while waiting > 0, or -1 */
	uint64_t earliest; /* no waiting request's deadline is before it */
	const struct store_fault *faults;
	uint32_t n_faults;
	uint64_t served[AIBRIX_STORE_DELETE + 1];
};

int aibrix__queue_open(struct queue *q, const aibrix_backend_conf *conf,
		       void *backend, queue_serve *serve);

/* Also after a failed or no open, on zeros. */
void aibrix__queue_close(struct queue *q);

/* Entries of a backend's table: the backend begins with its queue. */
int aibrix__queue_submit(void *backend, const aibrix_io *ios, uint32_t n,
			 uint64_t now_ns, uint32_t *accepted);
int aibrix__queue_poll(void *backend, aibrix_done *dones, uint32_t cap,
		       uint64_t now_ns, uint64_t timeout_ns, uint32_t *n);
int aibrix__queue_fd(const void *backend);
void aibrix__queue_cancel(void *backend, uint64_t tag);

/* store_faults.h */
void aibrix__queue_faults(void *backend, const struct store_fault *script,
			  uint32_t n);

#endif
