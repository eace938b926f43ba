/*
 * What a request on a slot file is: a job, which asks for steps one after
 * the other or at once, is told how they ended, and so comes to its end.
 *
 * Jobs make no call of the kernel.  A ring or blocking calls carry their
 * steps out, and so does a test.
 *
 *   GET     READ ------------------> end         not what was stored: CLEAR
 *   PUT     HEAD -> BODY -> [SYNC] -> end         failed or given up: CLEAR
 *   DELETE  CLEAR -> [SYNC] -------> end
 *
 * HEAD is the first piece of the value with the head in front, BODY all
 * other pieces at once, SYNC for AIBRIX_STORE_DURABLE only.
 */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include "base/xxh.h"
#include "store/store_directory.h"
#include "store/store_step.h"

enum { JOB_PUTS = 64 };

/* What all jobs of a store share. */
struct jobs {
	const aibrix_backend_conf *conf;
	const struct slot_file *slots;
	const struct xxh_impl *xxh;
	struct directory directory;
	struct step_rules rules;
	uint64_t sequence; /* of the last write */
	uint32_t running;
	uint32_t puts_max;       /* aibrix__puts_max */
	uint64_t puts[JOB_PUTS]; /* sequences of PUTs under way, or 0 */
};

struct job {
	const aibrix_io *io;
	uint64_t bytes;    /* of the value */
	uint64_t next;     /* first byte behind the lead that has no step */
	uint64_t checksum; /* GET: as the head has it */
	uint64_t sequence; /* PUT */
	uint32_t slot;
	uint32_t lead;
	uint32_t phase;
	uint32_t out; /* steps under way */
	int32_t status;
	int os_error;       /* of the first step that failed, or FILE_END */
	uint8_t made;       /* the phase's first step */
	uint8_t bounces;    /* a step needs a bounce buffer */
	uint8_t head_is_it; /* GET: the head is that of the value */
	uint8_t again;      /* PUT: had no room once */
	uint8_t drops;      /* GET: the slot was given up for damage */
};

/*
 * PUTs under way at a time, and so: how many of the last sequence numbers a
 * crash may have left half written.
 */
uint32_t aibrix__puts_max(uint64_t value_bytes);

enum {
	JOB_ENDED, /* done is filled in but for its tag */
	JOB_RUNS,  /* ask it for steps */
	JOB_WAITS  /* not begun: try again when another job has ended */
};

/* io is borrowed until the job ends. */
int aibrix__job_begin(struct jobs *jobs, struct job *job, const aibrix_io *io,
		      aibrix_done *done);

/* Does the job ask for a step now? */
int aibrix__job_wants(const struct job *job);
/* That step is a sync; one serves all jobs that want it before it begins. */
int aibrix__job_wants_sync(const struct job *job);

/* Is that sync under way? */
int aibrix__job_is_syncing(const struct job *job);

/* Does that step need a bounce buffer? */
int aibrix__job_bounces(const struct job *job);

/* The step it asks for; its edge and bounce are set. */
void aibrix__job_step(struct jobs *jobs, struct job *job, struct step *step);

/* The kernel's answer to a step: STEP_AGAIN or 0, done with. */
int aibrix__job_result(struct jobs *jobs, struct job *job, struct step *step,
		       int64_t result);

/* Make no more steps but those that tidy up; it ends with this status when
 * its transfer had not ended. */
void aibrix__job_stop(struct job *job, int32_t status);

/* With no step out and none wanted: JOB_ENDED, or JOB_RUNS with more. */
int aibrix__job_settle(struct jobs *jobs, struct job *job, aibrix_done *done);

#endif
