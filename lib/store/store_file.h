/* A slot-file store, to its two ways of working. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "store/store_carry.h"
#include "store/store_job.h"
#include "store/store_queue.h"

struct file {
	struct queue queue; /* first: store_backend.h */
	aibrix_backend_conf conf;
	char *path; /* conf.path, our copy */
	size_t path_bytes;
	struct slot_file slots;
	struct carry carry;
	struct jobs jobs;
	struct job *table; /* max_inflight, by tag; blocking: one */
	/* With a ring only: */
	uint32_t *running; /* tags of jobs that were begun, in that order */
	uint32_t n_running;
	aibrix_done *ready; /* ended, not handed out: a ring of max_inflight */
	uint32_t first_ready, n_ready;
	int sync_out; /* a sync is under way */
	int raised;   /* we have made the descriptor readable */
};

/* Memory for a ring's work; nothing without one. */
int aibrix__file_ring_open(struct file *file);
void aibrix__file_ring_close(struct file *file);

int aibrix__file_ring_submit(struct file *file, const aibrix_io *ios,
			     uint32_t n, uint64_t now_ns, uint32_t *accepted);
int aibrix__file_ring_poll(struct file *file, aibrix_done *dones, uint32_t cap,
			   uint64_t now_ns, uint64_t timeout_ns, uint32_t *n);
void aibrix__file_ring_cancel(struct file *file, uint32_t tag);
uint64_t aibrix__file_ring_wake(const struct file *file);

#endif
