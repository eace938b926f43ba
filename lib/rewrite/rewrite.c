/*
 * Bodies for prefill and decode: the calls.
 *
 *	body ----.                         .---> text: the new body
 *	response -+-> edits --> draft: parts
 *	options --'                        '---> pieces, and new bytes in text
 *
 * A draft is a list of spans on the stack, so that a request that is refused
 * at its last byte has touched nothing, and a body is copied once or, with
 * pieces, not at all.
 */

#include <aibrix/rewrite.h>

#include <string.h>

#include "base/versioned.h"
#include "rewrite/rewrite_internal.h"

enum { BYTES_MAX = 64 << 20, PORT_MAX = 65535 };

#define OPTS_V1 STRUCT_UPTO(aibrix_rewrite_opts, max_bytes)
#define OUT_V1 STRUCT_UPTO(aibrix_rewrite_out, offset)

int
aibrix__opts_load(aibrix_rewrite_opts *to, const aibrix_rewrite_opts *from)
{
	int err = aibrix__struct_load(to, sizeof(*to), from, OPTS_V1);

	if (err)
		return err;
	if (to->engine > AIBRIX_REWRITE_OTHER ||
	    to->connector > AIBRIX_REWRITE_MOONCAKE ||
	    to->api > AIBRIX_REWRITE_NO_TEXT || to->port > PORT_MAX ||
	    to->flags > AIBRIX_REWRITE_GENERATION_FIRST || to->id > INT64_MAX)
		return AIBRIX_E_INVAL;
	if (to->max_bytes == 0)
		to->max_bytes = BYTES_MAX;
	return AIBRIX_OK;
}

int
aibrix__out_load(aibrix_rewrite_out *to, const aibrix_rewrite_out *from)
{
	int err;

	if (!from)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(to, sizeof(*to), from, OUT_V1);
	if (err)
		return err;
	return !to->text && to->text_cap > 0 ? AIBRIX_E_INVAL : AIBRIX_OK;
}

int
aibrix__source_take(struct source *source, const void *bytes, size_t n,
		    uint32_t input, const aibrix_rewrite_opts *opts,
		    struct fault *fault)
{
	const char *text = bytes ? bytes : "";

	if (!bytes && n > 0)
		return AIBRIX_E_INVAL;
	*source = (struct source){text, n, text, input};
	if (n <= opts->max_bytes)
		return AIBRIX_OK;
	return aibrix__rewrite_refuse(fault, AIBRIX_REWRITE_WHY_BYTES, source,
				      text + opts->max_bytes);
}

int
aibrix__out_end(aibrix_rewrite_out *out, const aibrix_rewrite_out *results,
		int err, const struct fault *fault)
{
	aibrix_rewrite_out mine;

	if (!out || aibrix__out_load(&mine, out))
		return err;
	if (err == AIBRIX_OK || err == AIBRIX_E_SPACE) {
		mine.text_bytes = results->text_bytes;
		mine.n_pieces = results->n_pieces;
	}
	if (err == AIBRIX_OK) {
		mine.bytes = results->bytes;
		mine.why = AIBRIX_REWRITE_WHY_NONE;
		mine.input = 0;
		mine.offset = 0;
	} else if (err == AIBRIX_E_PARSE) {
		mine.why = fault->why;
		mine.input = fault->input;
		mine.offset = fault->offset;
	}
	if (aibrix__struct_store(out, &mine, sizeof(mine), OUT_V1))
		return AIBRIX_E_INVAL;
	return err;
}

static void
draft_copy(const struct draft *d, char *to)
{
	for (uint32_t i = 0; i < d->n; i++) {
		memcpy(to, d->parts[i].at, d->parts[i].n);
		to += d->parts[i].n;
	}
}

static int
draft_give(const struct draft *d, aibrix_rewrite_out *out)
{
	out->bytes = d->bytes;
	out->text_bytes = out->pieces ? d->n_text : d->bytes;
	out->n_pieces = out->pieces ? d->n : 0;
	if (out->text_cap < out->text_bytes ||
	    (out->pieces && out->pieces_cap < d->n))
		return AIBRIX_E_SPACE;
	if (!out->pieces) {
		draft_copy(d, out->text);
		return AIBRIX_OK;
	}
	if (d->n_text > 0)
		memcpy(out->text, d->text, d->n_text);
	for (uint32_t i = 0; i < d->n; i++) {
		const struct part *p = &d->parts[i];

		out->pieces[i].at =
			p->fresh ? out->text + (p->at - d->text) : p->at;
		out->pieces[i].n = p->n;
	}
	return AIBRIX_OK;
}

/* The edits of one of the two bodies. */
static int
edits_of(struct job *job, struct edits *e, int decode)
{
	e->n = 0;
	if (decode)
		return aibrix__engine_decode(job, e);
	aibrix__engine_prefill(job->opts, e);
	return AIBRIX_OK;
}

static int
rewrite(const aibrix_rewrite_opts *opts, const void *body, size_t n,
	const void *response, size_t n_response, int decode,
	aibrix_rewrite_out *out)
{
	aibrix_rewrite_opts o;
	aibrix_rewrite_out mine;
	struct job job = {.opts = &o};
	struct edits edits;
	struct draft draft;
	int err;

	err = aibrix__opts_load(&o, opts);
	if (!err)
		err = aibrix__engine_check(&o, decode);
	if (!err)
		err = aibrix__out_load(&mine, out);
	if (!err)
		err = aibrix__source_take(&job.body, body, n, 0, &o,
					  &job.fault);
	if (!err)
		err = aibrix__source_take(&job.response, response, n_response,
					  1, &o, &job.fault);
	if (!err)
		err = edits_of(&job, &edits, decode);
	if (err)
		return aibrix__out_end(out, NULL, err, &job.fault);
	aibrix__draft_start(&draft);
	err = aibrix__edits_draft(&edits, &job.body, &job, &draft);
	if (!err)
		err = draft_give(&draft, &mine);
	return aibrix__out_end(out, &mine, err, &job.fault);
}

int
aibrix_rewrite_prefill(const aibrix_rewrite_opts *opts, const void *body,
		       size_t n, aibrix_rewrite_out *out)
{
	return rewrite(opts, body, n, NULL, 0, 0, out);
}

int
aibrix_rewrite_decode(const aibrix_rewrite_opts *opts, const void *body,
		      size_t n, const void *response, size_t n_response,
		      aibrix_rewrite_out *out)
{
	return rewrite(opts, body, n, response, n_response, 1, out);
}

int
aibrix_rewrite_params(const aibrix_rewrite_opts *opts, const void *response,
		      size_t n, aibrix_rewrite_piece *params,
		      aibrix_rewrite_out *out)
{
	aibrix_rewrite_opts o;
	struct job job = {.opts = &o};
	int err;

	err = aibrix__opts_load(&o, opts);
	if (!err && !params)
		err = AIBRIX_E_INVAL;
	if (!err && !aibrix__engine_answers(&o))
		err = AIBRIX_E_NOT_FOUND;
	if (!err)
		err = aibrix__source_take(&job.response, response, n, 1, &o,
					  &job.fault);
	if (!err)
		err = aibrix__response_read(&job);
	if (!err && job.params.n == 0)
		err = AIBRIX_E_NOT_FOUND;
	if (!err)
		*params = (aibrix_rewrite_piece){job.params.at, job.params.n};
	return err == AIBRIX_E_PARSE
		       ? aibrix__out_end(out, NULL, err, &job.fault)
		       : err;
}
