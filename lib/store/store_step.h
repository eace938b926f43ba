/*
 * Steps: the reads, writes and syncs that a request on a slot file consists
 * of.  Here is where bytes go; when and in which order is store_job.h.
 *
 * A value is cut into pieces of up to STEP_PIECE bytes.  Its first piece
 * takes the slot's head along, in one call of the kernel:
 *
 *   slot: [head .... lead][rest of the value ...................][pad]
 *   iov:  [edge page     ][caller's memory or bounce    ][edge tail ]
 *
 * Direct I/O wants places, lengths and memory aligned.  So the bytes behind
 * the last aligned one go through the step's edge, and a value whose memory
 * is not aligned goes through a bounce buffer.  With an alignment of 1 (page
 * cache) neither happens, but that the head has the edge.
 */
#ifndef STORE_STEP_H
#define STORE_STEP_H

#include <sys/uio.h>

#include "store/store_slots.h"

enum {
	STEP_PIECE = 1 << 20,
	STEP_IOV = AIBRIX_STORE_IOV_MAX + 2,
	STEP_EDGE = SLOT_VALUE_AT + SLOT_ALIGN, /* head, tail */
	STEP_TRIES = 100 /* calls in a row that move nothing */
};

enum { STEP_READ, STEP_WRITE, STEP_SYNC };

/* What direct I/O asks for: powers of two, 1 to SLOT_ALIGN. */
struct step_rules {
	uint32_t align;  /* of places and lengths */
	uint32_t memory; /* at most align */
};

/* Where a value lies, in memory and in the file. */
struct span {
	const aibrix_iov *iov;
	uint32_t n_iov;
	uint32_t lead;  /* first bytes, in the head's page */
	uint64_t bytes; /* of the value */
	uint64_t at;    /* of the slot */
};

struct step {
	uint32_t kind; /* STEP_* */
	uint32_t job;  /* of the executor, as is busy */
	uint32_t busy;
	uint32_t has_head; /* begins with the head's page */
	uint32_t tries;
	uint32_t tail;   /* of bytes, in the edge */
	uint64_t from;   /* first byte behind the lead */
	uint64_t bytes;  /* so many of them */
	uint64_t at;     /* in the file; moves on with short transfers */
	uint64_t left;   /* to be transferred */
	uint8_t *edge;   /* STEP_EDGE bytes, page-aligned; the executor's */
	uint8_t *bounce; /* STEP_PIECE bytes, or NULL; the executor's */
	uint32_t first, n_iov; /* iov[first, n_iov) are left */
	struct iovec iov[STEP_IOV];
};

/* The lead with which a value can be written from where it lies; *direct
 * becomes 0 when it needs a bounce buffer. */
uint32_t aibrix__span_lead(const struct step_rules *rules,
			   const struct span *span, int *direct);

/* May the bytes behind the lead be read or written where they lie? */
int aibrix__span_is_direct(const struct step_rules *rules,
			   const struct span *span);

/*
 * Make the step of a READ or WRITE that begins with byte from behind the
 * lead; from 0 takes the head along, and for a WRITE the edge begins with
 * the SLOT_HEAD bytes of one.  edge and bounce are set, bounce NULL when the
 * span is direct.
 */
void aibrix__step_make(const struct step_rules *rules, const struct span *span,
		       struct step *step, uint32_t kind, uint64_t from);

/* The head alone, with a lead of nothing. */
void aibrix__step_make_head(struct step *step, uint32_t kind, uint64_t at);

void aibrix__step_make_sync(struct step *step);

/* What came by other ways goes to its place: after a READ. */
void aibrix__step_scatter(const struct span *span, const struct step *step);

enum { STEP_AGAIN = -2 };

/* To be asked again as it is. */
int aibrix__step_is_undone(int64_t result);

/* The kernel's answer, bytes or -errno: 0 done, STEP_AGAIN (what is left is
 * to be asked for), FILE_END, or errno. */
int aibrix__step_result(const struct step_rules *rules, struct step *step,
			int64_t result);

#endif
