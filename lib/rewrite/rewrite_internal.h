/* The parts of the rewrite module. */
#ifndef REWRITE_REWRITE_INTERNAL_H
#define REWRITE_REWRITE_INTERNAL_H

#include <aibrix/rewrite.h>

#include "base/json.h"

/* Text of an input, all of it or a part. */
struct source {
	const char *text;
	size_t n;
	const char *origin; /* where the input begins */
	uint32_t input;     /* 0 the body, 1 the response */
};

struct source aibrix__source_part(const struct source *whole, const char *at,
				  size_t n);

/* Why an input is refused. */
struct fault {
	uint32_t why, input;
	uint64_t offset;
};

/* at is in source.  Returns AIBRIX_E_PARSE. */
int aibrix__rewrite_refuse(struct fault *fault, uint32_t why,
			   const struct source *source, const char *at);

/* Why source, which does not begin as an object, is refused. */
int aibrix__rewrite_not_object(const struct source *source,
			       struct fault *fault);

/*
 * Check that source is an object and read n members of it, none of which may
 * be there twice.  values[i].n is 0: none of that name, or null.
 */
int aibrix__members_read(const struct source *source, const char *const *names,
			 struct json *values, uint32_t n, struct fault *fault);

/* ---- the new body, as parts of old text and of new */

struct part {
	const char *at;
	size_t n;
	int fresh; /* in the draft's text */
};

struct draft {
	struct part parts[AIBRIX_REWRITE_PIECES_MAX];
	uint32_t n;
	uint64_t bytes; /* of all parts */
	size_t n_text;
	char text[AIBRIX_REWRITE_TEXT_MAX];
};

void aibrix__draft_start(struct draft *d);

/* Bytes of an input, which go on being there. */
void aibrix__draft_old(struct draft *d, const char *at, size_t n);

/* New bytes, copied. */
void aibrix__draft_new(struct draft *d, const char *text);
void aibrix__draft_u64(struct draft *d, uint64_t x);

/* The characters of text as they stand within a JSON string. */
void aibrix__draft_chars(struct draft *d, const char *text);

/* ---- edits of an object's members */

struct job;

/* Writes the value of a member. */
typedef int (*value_fn)(struct draft *d, struct job *job);

enum edit_op {
	EDIT_LEAVE, /* but there may be one of that name only */
	EDIT_DROP,
	EDIT_SET
};

struct edit {
	const char *name;
	enum edit_op op;
	value_fn value; /* of EDIT_SET */
	int seen;
};

struct edits {
	struct edit list[16];
	uint32_t n;
};

void aibrix__edits_add(struct edits *e, const char *name, enum edit_op op,
		       value_fn value);

/* Draft the object that is all of source, edited. */
int aibrix__edits_draft(struct edits *e, const struct source *source,
			struct job *job, struct draft *d);

/* ---- what each engine wants */

/* What a context worker of TensorRT-LLM says of itself. */
struct context {
	struct json endpoint, rank;
	struct json state; /* n is 0: none */
};

struct job {
	const aibrix_rewrite_opts *opts;
	struct source body, response;
	struct json params;    /* of the response; n is 0: none */
	struct json token_ids; /* likewise */
	struct context context;
	struct fault fault;
};

/* The options as this engine needs them, or AIBRIX_E_INVAL. */
int aibrix__engine_check(const aibrix_rewrite_opts *opts, int decode);

void aibrix__engine_prefill(const aibrix_rewrite_opts *opts, struct edits *e);

/* Has a response anything for the decode pod? */
int aibrix__engine_answers(const aibrix_rewrite_opts *opts);

/* Reads the response first. */
int aibrix__engine_decode(struct job *job, struct edits *e);

/* ---- responses */

/* The parameters in the response, and token ids beside them. */
int aibrix__response_read(struct job *job);

/* ---- options and results, of all calls */

/* to->max_bytes is as it counts. */
int aibrix__opts_load(aibrix_rewrite_opts *to, const aibrix_rewrite_opts *from);
int aibrix__out_load(aibrix_rewrite_out *to, const aibrix_rewrite_out *from);

/* An input of the caller's. */
int aibrix__source_take(struct source *source, const void *bytes, size_t n,
			uint32_t input, const aibrix_rewrite_opts *opts,
			struct fault *fault);

/*
 * What a call that returns err leaves in the caller's out, which may be NULL:
 * results, or what is needed, or the fault.
 */
int aibrix__out_end(aibrix_rewrite_out *out, const aibrix_rewrite_out *results,
		    int err, const struct fault *fault);

#endif
