/*
 * One line of a trace.  The bytes are a stranger's: jansson checks the JSON
 * and bounds its nesting, this file checks every number before it is used.
 */
#include "sim_trace.h"

#include <stdio.h>

#include <jansson.h>

/* The integer member name, within [min, max]. */
static int
member_read(const json_t *object, const char *name, uint64_t min, uint64_t max,
	    uint64_t *out, char *what)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number;

	if (!value) {
		snprintf(what, SIM_TRACE_WHAT, "%s is missing", name);
		return -1;
	}
	if (!json_is_integer(value)) {
		snprintf(what, SIM_TRACE_WHAT, "%s is not an integer", name);
		return -1;
	}
	number = json_integer_value(value);
	if (number < 0 || (uint64_t)number < min || (uint64_t)number > max) {
		snprintf(what, SIM_TRACE_WHAT,
			 "%s is %lld, not between %llu and %llu", name,
			 (long long)number, (unsigned long long)min,
			 (unsigned long long)max);
		return -1;
	}
	*out = (uint64_t)number;
	return 0;
}

static int
ids_read(const json_t *object, sim_trace_line *line, char *what)
{
	const json_t *array = json_object_get(object, "hash_ids");
	uint32_t want =
		(line->input_tokens + SIM_ID_TOKENS - 1) / SIM_ID_TOKENS;

	if (!json_is_array(array)) {
		snprintf(what, SIM_TRACE_WHAT, "hash_ids is %s",
			 array ? "not an array" : "missing");
		return -1;
	}
	if (json_array_size(array) != want) {
		snprintf(what, SIM_TRACE_WHAT,
			 "hash_ids has %zu entries, %u input tokens need %u",
			 json_array_size(array), line->input_tokens, want);
		return -1;
	}
	line->n_ids = want;
	for (uint32_t i = 0; i < want; i++) {
		const json_t *value = json_array_get(array, i);
		json_int_t id = json_integer_value(value);

		if (!json_is_integer(value) || id < 0 ||
		    (uint64_t)id > SIM_TRACE_ID_MAX) {
			snprintf(what, SIM_TRACE_WHAT,
				 "hash_ids[%u] is not an integer of 0 to 2^53 "
				 "- 1",
				 i);
			return -1;
		}
		line->ids[i] = (uint64_t)id;
	}
	return 0;
}

static int
object_read(const json_t *object, sim_trace_line *line, char *what)
{
	uint64_t input;
	uint64_t output;

	if (!json_is_object(object)) {
		snprintf(what, SIM_TRACE_WHAT, "not a JSON object");
		return -1;
	}
	if (member_read(object, "timestamp", 0, SIM_TIMESTAMP_MS_MAX,
			&line->timestamp_ms, what) != 0 ||
	    member_read(object, "input_length", 1, SIM_INPUT_TOKENS_MAX, &input,
			what) != 0 ||
	    member_read(object, "output_length", 0, SIM_OUTPUT_TOKENS_MAX,
			&output, what) != 0)
		return -1;
	line->input_tokens = (uint32_t)input;
	line->output_tokens = (uint32_t)output;
	return ids_read(object, line, what);
}

int
sim_trace_parse(const char *text, size_t len, sim_trace_line *line,
		char what[SIM_TRACE_WHAT])
{
	json_error_t error;
	json_t *object;
	int failed;

	if (len > SIM_TRACE_LINE_MAX) {
		snprintf(what, SIM_TRACE_WHAT, "longer than %d bytes",
			 SIM_TRACE_LINE_MAX);
		return -1;
	}
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		snprintf(what, SIM_TRACE_WHAT, "%.120s (column %d)", error.text,
			 error.column);
		return -1;
	}
	failed = object_read(object, line, what);
	json_decref(object);
	return failed;
}
