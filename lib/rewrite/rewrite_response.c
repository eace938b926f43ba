/*
 * What a prefill pod has answered: where its parameters are.
 *
 * The answer is a JSON object, since the prefill's request says "stream":
 * false.  Where something between has made server-sent events of it anyway,
 * each event's data is such an object, and the last that has parameters
 * counts: engines send them when they know them, at the end.
 */

#include <string.h>

#include <aibrix/base.h>

#include "rewrite/rewrite_internal.h"

static int
type_check(struct job *job, const struct json *value, enum json_type type)
{
	if (value->n == 0 || value->type == type)
		return AIBRIX_OK;
	return aibrix__rewrite_refuse(&job->fault, AIBRIX_REWRITE_WHY_TYPE,
				      &job->response, value->at);
}

/* disaggregated_params of the first of choices. */
static int
choice_read(struct job *job, const struct json *choices, struct json *params)
{
	static const char *const names[] = {"disaggregated_params"};
	struct source part;
	struct json first;

	if (!aibrix__json_path(choices, "0", &first) ||
	    first.type != JSON_OBJECT)
		return AIBRIX_OK;
	part = aibrix__source_part(&job->response, first.at, first.n);
	return aibrix__members_read(&part, names, params, 1, &job->fault);
}

/* TensorRT-LLM: at the top, or else in the first choice. */
static int
trt_read(struct job *job, const struct source *object)
{
	static const char *const names[] = {"disaggregated_params",
					    "prompt_token_ids", "choices"};
	struct json values[3];
	int err;

	err = aibrix__members_read(object, names, values, 3, &job->fault);
	if (!err && values[0].n == 0 && values[2].n > 0)
		err = choice_read(job, &values[2], &values[0]);
	if (!err)
		err = type_check(job, &values[0], JSON_OBJECT);
	if (err || values[0].n == 0)
		return err;
	err = type_check(job, &values[1], JSON_ARRAY);
	if (err)
		return err;
	job->params = values[0];
	job->token_ids = values[1];
	return AIBRIX_OK;
}

/* A string that says something, or the first of a list of them. */
static int
endpoint_is_good(struct json *endpoint)
{
	struct json first;

	if (endpoint->type == JSON_ARRAY &&
	    aibrix__json_path(endpoint, "0", &first))
		*endpoint = first;
	if (endpoint->type != JSON_STRING)
		return 0;
	for (size_t i = 1; i + 1 < endpoint->n; i++)
		if (endpoint->at[i] != ' ')
			return 1;
	return 0;
}

static int
rank_is_good(const struct json *rank)
{
	for (size_t i = 0; i < rank->n; i++)
		if (rank->at[i] < '0' || rank->at[i] > '9')
			return 0;
	return rank->type == JSON_NUMBER && rank->n < 10;
}

static int
context_refuse(struct job *job, uint32_t why, const struct source *at)
{
	return aibrix__rewrite_refuse(&job->fault, why, &job->response,
				      at->text);
}

/* TensorRT-LLM's /server_info. */
static int
context_read(struct job *job)
{
	static const char *const tops[] = {"disaggregated_params"};
	static const char *const names[] = {"ctx_info_endpoint", "ctx_dp_rank",
					    "encoded_opaque_state"};
	struct json params, values[3];
	struct source part = job->response;
	int err = aibrix__members_read(&job->response, tops, &params, 1,
				       &job->fault);

	if (!err && params.n == 0)
		err = context_refuse(job, AIBRIX_REWRITE_WHY_MISSING, &part);
	if (!err)
		err = type_check(job, &params, JSON_OBJECT);
	if (err)
		return err;
	part = aibrix__source_part(&job->response, params.at, params.n);
	err = aibrix__members_read(&part, names, values, 3, &job->fault);
	if (!err && (values[0].n == 0 || values[1].n == 0))
		err = context_refuse(job, AIBRIX_REWRITE_WHY_MISSING, &part);
	if (!err &&
	    (!endpoint_is_good(&values[0]) || !rank_is_good(&values[1])))
		err = context_refuse(job, AIBRIX_REWRITE_WHY_TYPE, &part);
	if (!err)
		err = type_check(job, &values[2], JSON_STRING);
	if (err)
		return err;
	job->params = params;
	job->context = (struct context){values[0], values[1], values[2]};
	return AIBRIX_OK;
}

static int
shfs_read(struct job *job, const struct source *object)
{
	static const char *const names[] = {"kv_transfer_params"};
	struct json params;
	int err;

	err = aibrix__members_read(object, names, &params, 1, &job->fault);
	if (!err)
		err = type_check(job, &params, JSON_OBJECT);
	if (!err && params.n > 0)
		job->params = params;
	return err;
}

static int
object_params(struct job *job, const struct source *object)
{
	return job->opts->engine == AIBRIX_REWRITE_TRTLLM
		       ? trt_read(job, object)
		       : shfs_read(job, object);
}

/* A line up to its end, without it; *next is behind that. */
static size_t
line_length(const char *at, const char *end, const char **next)
{
	const char *feed = memchr(at, '\n', (size_t)(end - at));
	const char *stop = feed ? feed : end;

	*next = feed ? feed + 1 : end;
	return (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
}

/* What a line of events says after "data:"; 0: nothing. */
static size_t
line_data(const char **at, size_t n)
{
	if (n < 5 || memcmp(*at, "data:", 5) != 0)
		return 0;
	*at += 5;
	n -= 5;
	if (n > 0 && **at == ' ') {
		++*at;
		n--;
	}
	return n;
}

static int
is_events(const struct source *s)
{
	static const char *const starts[] = {
		"data:", "event:", "id:", "retry:", ":"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i]);

		if (s->n >= n && memcmp(s->text, starts[i], n) == 0)
			return 1;
	}
	return 0;
}

static int
events_read(struct job *job)
{
	const char *at = job->response.text, *end = at + job->response.n;
	const char *next;

	for (; at < end; at = next) {
		size_t n = line_length(at, end, &next);
		struct source data;
		int err;

		n = line_data(&at, n);
		if (n == 0 || (n == 6 && memcmp(at, "[DONE]", 6) == 0))
			continue;
		data = aibrix__source_part(&job->response, at, n);
		err = object_params(job, &data);
		if (err)
			return err;
	}
	return AIBRIX_OK;
}

/* All of the response, an object. */
static int
nixl_read(struct job *job)
{
	const struct source *s = &job->response;
	struct json value;
	size_t offset;

	if (aibrix__json_read(s->text, s->n, &value, &offset) ||
	    value.type != JSON_OBJECT)
		return aibrix__rewrite_not_object(s, &job->fault);
	job->params = value;
	return AIBRIX_OK;
}

int
aibrix__response_read(struct job *job)
{
	if (job->opts->engine == AIBRIX_REWRITE_VLLM &&
	    job->opts->connector == AIBRIX_REWRITE_NIXL)
		return nixl_read(job);
	if (job->opts->engine == AIBRIX_REWRITE_TRTLLM &&
	    (job->opts->flags & AIBRIX_REWRITE_GENERATION_FIRST))
		return context_read(job);
	if (is_events(&job->response))
		return events_read(job);
	return object_params(job, &job->response);
}
