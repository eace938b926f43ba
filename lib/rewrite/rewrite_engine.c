/*
 * What each engine wants in its bodies: the table of doc/modules/rewrite.md
 * as code.  A member that is listed for one of the two bodies is listed for
 * both, so that they refuse the same requests.
 */

#include <string.h>

#include <aibrix/base.h>

#include "base/utf8.h"
#include "rewrite/rewrite_internal.h"

enum { BOOTSTRAP_PORT = 8998 }; /* of SGLang and of vLLM's mooncake */

/* ---- values */

static int
value_one(struct draft *d, struct job *job)
{
	(void)job;
	aibrix__draft_new(d, "1");
	return AIBRIX_OK;
}

static int
value_false(struct draft *d, struct job *job)
{
	(void)job;
	aibrix__draft_new(d, "false");
	return AIBRIX_OK;
}

static void
draft_string(struct draft *d, const char *text)
{
	aibrix__draft_new(d, "\"");
	aibrix__draft_chars(d, text);
	aibrix__draft_new(d, "\"");
}

static int
value_host(struct draft *d, struct job *job)
{
	draft_string(d, job->opts->host);
	return AIBRIX_OK;
}

static uint32_t
port_of(const struct job *job)
{
	return job->opts->port ? job->opts->port : BOOTSTRAP_PORT;
}

static int
value_port(struct draft *d, struct job *job)
{
	aibrix__draft_u64(d, port_of(job));
	return AIBRIX_OK;
}

static int
value_id(struct draft *d, struct job *job)
{
	aibrix__draft_u64(d, job->opts->id);
	return AIBRIX_OK;
}

static int
value_rid(struct draft *d, struct job *job)
{
	draft_string(d, job->opts->rid);
	return AIBRIX_OK;
}

static int
value_params(struct draft *d, struct job *job)
{
	aibrix__draft_old(d, job->params.at, job->params.n);
	return AIBRIX_OK;
}

static int
value_token_ids(struct draft *d, struct job *job)
{
	aibrix__draft_old(d, job->token_ids.at, job->token_ids.n);
	return AIBRIX_OK;
}

/* The response's parameters with one member set. */
static int
params_with(struct draft *d, struct job *job, const char *name, value_fn value)
{
	struct source params = aibrix__source_part(
		&job->response, job->params.at, job->params.n);
	struct edits e = {.n = 0};

	aibrix__edits_add(&e, name, EDIT_SET, value);
	return aibrix__edits_draft(&e, &params, job, d);
}

/* ---- vLLM */

static int
value_shfs_prefill(struct draft *d, struct job *job)
{
	(void)job;
	aibrix__draft_new(
		d, "{\"do_remote_decode\":true,\"do_remote_prefill\":false,"
		   "\"remote_engine_id\":null,\"remote_block_ids\":null,"
		   "\"remote_host\":null,\"remote_port\":null}");
	return AIBRIX_OK;
}

static int
value_shfs_decode(struct draft *d, struct job *job)
{
	return params_with(d, job, "remote_host", value_host);
}

static void
draft_transfer_id(struct draft *d, const struct job *job)
{
	aibrix__draft_new(d, "\"transfer_id\":\"xfer-");
	aibrix__draft_chars(d, job->opts->request_id);
	aibrix__draft_new(d, "\"}");
}

static int
value_mooncake_prefill(struct draft *d, struct job *job)
{
	aibrix__draft_new(d, "{\"do_remote_decode\":true,"
			     "\"do_remote_prefill\":false,");
	draft_transfer_id(d, job);
	return AIBRIX_OK;
}

static int
value_mooncake_decode(struct draft *d, struct job *job)
{
	const char *host = job->opts->host;
	int v6 = strchr(host, ':') && *host != '[';

	aibrix__draft_new(d, "{\"do_remote_decode\":false,"
			     "\"do_remote_prefill\":true,"
			     "\"remote_engine_id\":");
	draft_string(d, job->opts->engine_id);
	aibrix__draft_new(d, ",\"remote_bootstrap_addr\":\"http://");
	aibrix__draft_new(d, v6 ? "[" : "");
	aibrix__draft_chars(d, host);
	aibrix__draft_new(d, v6 ? "]:" : ":");
	aibrix__draft_u64(d, port_of(job));
	aibrix__draft_new(d, "\",");
	draft_transfer_id(d, job);
	return AIBRIX_OK;
}

static void
vllm_prefill(const aibrix_rewrite_opts *opts, struct edits *e)
{
	enum edit_op op =
		opts->connector == AIBRIX_REWRITE_NIXL ? EDIT_DROP : EDIT_SET;

	aibrix__edits_add(e, "kv_transfer_params", op,
			  opts->connector == AIBRIX_REWRITE_SHFS
				  ? value_shfs_prefill
				  : value_mooncake_prefill);
	aibrix__edits_add(e, "disagg_prefill_resp", EDIT_DROP, NULL);
}

static void
vllm_decode(const struct job *job, struct edits *e)
{
	int has = job->params.n > 0;
	enum edit_op set = has ? EDIT_SET : EDIT_DROP;

	switch (job->opts->connector) {
	case AIBRIX_REWRITE_SHFS:
		aibrix__edits_add(e, "kv_transfer_params", set,
				  value_shfs_decode);
		aibrix__edits_add(e, "disagg_prefill_resp", EDIT_DROP, NULL);
		return;
	case AIBRIX_REWRITE_NIXL:
		aibrix__edits_add(e, "kv_transfer_params", EDIT_DROP, NULL);
		aibrix__edits_add(e, "disagg_prefill_resp", set, value_params);
		return;
	default:
		aibrix__edits_add(e, "kv_transfer_params", EDIT_SET,
				  value_mooncake_decode);
		aibrix__edits_add(e, "disagg_prefill_resp", EDIT_DROP, NULL);
	}
}

/* ---- SGLang: the same in both bodies */

static void
sglang_both(const aibrix_rewrite_opts *opts, struct edits *e)
{
	aibrix__edits_add(e, "bootstrap_host", EDIT_SET, value_host);
	aibrix__edits_add(e, "bootstrap_port", EDIT_SET, value_port);
	aibrix__edits_add(e, "bootstrap_room", EDIT_SET, value_id);
	if (opts->rid)
		aibrix__edits_add(e, "rid", EDIT_SET, value_rid);
}

/* ---- TensorRT-LLM */

static int
generation_first(const aibrix_rewrite_opts *opts)
{
	return (opts->flags & AIBRIX_REWRITE_GENERATION_FIRST) != 0;
}

static int
value_trt_prefill(struct draft *d, struct job *job)
{
	aibrix__draft_new(d, "{\"request_type\":\"context_only\","
			     "\"disagg_request_id\":");
	aibrix__draft_u64(d, job->opts->id);
	aibrix__draft_new(d, generation_first(job->opts)
				     ? ",\"schedule_style\":1}"
				     : "}");
	return AIBRIX_OK;
}

static int
value_generation_only(struct draft *d, struct job *job)
{
	(void)job;
	aibrix__draft_new(d, "\"generation_only\"");
	return AIBRIX_OK;
}

static void
draft_span(struct draft *d, const char *name, const struct json *value)
{
	aibrix__draft_new(d, name);
	aibrix__draft_old(d, value->at, value->n);
}

/* Of what the worker says only these: it must not set the rest. */
static int
value_trt_first(struct draft *d, struct job *job)
{
	const struct context *c = &job->context;

	aibrix__draft_new(d, "{\"request_type\":\"generation_only\","
			     "\"disagg_request_id\":");
	aibrix__draft_u64(d, job->opts->id);
	aibrix__draft_new(d, ",\"ctx_request_id\":");
	aibrix__draft_u64(d, job->opts->id);
	aibrix__draft_new(d, ",\"schedule_style\":1");
	draft_span(d, ",\"ctx_info_endpoint\":", &c->endpoint);
	draft_span(d, ",\"ctx_dp_rank\":", &c->rank);
	if (c->state.n > 0)
		draft_span(d, ",\"encoded_opaque_state\":", &c->state);
	aibrix__draft_new(d, "}");
	return AIBRIX_OK;
}

static int
value_trt_decode(struct draft *d, struct job *job)
{
	if (generation_first(job->opts))
		return value_trt_first(d, job);
	return params_with(d, job, "request_type", value_generation_only);
}

static void
trt_prefill(struct edits *e)
{
	aibrix__edits_add(e, "disaggregated_params", EDIT_SET,
			  value_trt_prefill);
	aibrix__edits_add(e, "prompt", EDIT_LEAVE, NULL);
	aibrix__edits_add(e, "prompt_token_ids", EDIT_LEAVE, NULL);
}

static void
trt_decode(const struct job *job, struct edits *e)
{
	int ids = job->token_ids.n > 0;
	uint32_t api = job->opts->api;

	aibrix__edits_add(e, "disaggregated_params",
			  job->params.n > 0 ? EDIT_SET : EDIT_DROP,
			  value_trt_decode);
	aibrix__edits_add(e, "prompt",
			  ids && api == AIBRIX_REWRITE_COMPLETION ? EDIT_SET
								  : EDIT_LEAVE,
			  value_token_ids);
	aibrix__edits_add(e, "prompt_token_ids",
			  ids && api == AIBRIX_REWRITE_CHAT ? EDIT_SET
							    : EDIT_LEAVE,
			  value_token_ids);
}

/* ---- all */

void
aibrix__engine_prefill(const aibrix_rewrite_opts *opts, struct edits *e)
{
	int trt = opts->engine == AIBRIX_REWRITE_TRTLLM;

	aibrix__edits_add(e, "max_tokens", EDIT_SET, value_one);
	/* TensorRT-LLM does not know this one. */
	aibrix__edits_add(e, "max_completion_tokens",
			  trt ? EDIT_DROP : EDIT_SET, value_one);
	aibrix__edits_add(e, "stream", EDIT_SET, value_false);
	aibrix__edits_add(e, "stream_options", EDIT_DROP, NULL);
	aibrix__edits_add(e, "min_tokens", EDIT_DROP, NULL);
	if (opts->engine == AIBRIX_REWRITE_VLLM)
		vllm_prefill(opts, e);
	else if (opts->engine == AIBRIX_REWRITE_SGLANG)
		sglang_both(opts, e);
	else if (trt)
		trt_prefill(e);
}

int
aibrix__engine_answers(const aibrix_rewrite_opts *opts)
{
	return opts->engine == AIBRIX_REWRITE_TRTLLM ||
	       (opts->engine == AIBRIX_REWRITE_VLLM &&
		opts->connector != AIBRIX_REWRITE_MOONCAKE);
}

int
aibrix__engine_decode(struct job *job, struct edits *e)
{
	static const char *const common[] = {"max_tokens",
					     "max_completion_tokens", "stream",
					     "stream_options", "min_tokens"};
	int err = AIBRIX_OK;

	if (aibrix__engine_answers(job->opts))
		err = aibrix__response_read(job);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		aibrix__edits_add(e, common[i], EDIT_LEAVE, NULL);
	if (job->opts->engine == AIBRIX_REWRITE_VLLM)
		vllm_decode(job, e);
	else if (job->opts->engine == AIBRIX_REWRITE_SGLANG)
		sglang_both(job->opts, e);
	else if (job->opts->engine == AIBRIX_REWRITE_TRTLLM)
		trt_decode(job, e);
	return AIBRIX_OK;
}

static int
name_is_good(const char *name)
{
	size_t n = name ? strnlen(name, AIBRIX_REWRITE_NAME_MAX + 1) : 0;
	uint32_t point;

	if (n == 0 || n > AIBRIX_REWRITE_NAME_MAX)
		return 0;
	for (size_t at = 0, some; at < n; at += some) {
		some = utf8_read(name + at, n - at, &point);
		if (some == 0)
			return 0;
	}
	return 1;
}

static int
vllm_names_are_good(const aibrix_rewrite_opts *o, int decode)
{
	switch (o->connector) {
	case AIBRIX_REWRITE_SHFS: return !decode || name_is_good(o->host);
	case AIBRIX_REWRITE_MOONCAKE:
		return name_is_good(o->request_id) &&
		       (!decode ||
			(name_is_good(o->host) && name_is_good(o->engine_id)));
	}
	return 1;
}

int
aibrix__engine_check(const aibrix_rewrite_opts *o, int decode)
{
	int good = 1;

	if (o->engine == AIBRIX_REWRITE_VLLM)
		good = vllm_names_are_good(o, decode);
	else if (o->engine == AIBRIX_REWRITE_SGLANG)
		good = name_is_good(o->host) &&
		       (!o->rid || name_is_good(o->rid));
	return good ? AIBRIX_OK : AIBRIX_E_INVAL;
}
