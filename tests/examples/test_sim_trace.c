#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_trace.h"

static sim_trace_line line;

static int
parse(const char *text, char what[SIM_TRACE_WHAT])
{
	what[0] = '\0';
	return sim_trace_parse(text, strlen(text), &line, what);
}

Test(sim_trace, a_good_line_is_read_and_unknown_keys_are_passed_over)
{
	char what[SIM_TRACE_WHAT];

	cr_assert(parse("{\"timestamp\": 27482, \"input_length\": 513, "
			"\"output_length\": 52, \"hash_ids\": [46, 47], "
			"\"model\": {\"x\": [1]}}",
			what) == 0,
		  "%s", what);
	cr_expect(line.timestamp_ms == 27482);
	cr_expect(line.input_tokens == 513);
	cr_expect(line.output_tokens == 52);
	cr_expect(line.n_ids == 2);
	cr_expect(line.ids[0] == 46 && line.ids[1] == 47);
}

#define T "{\"timestamp\":0,"
#define I "\"input_length\":"
#define O ",\"output_length\":1,"
#define H "\"hash_ids\":"

Test(sim_trace, each_bad_line_is_refused_with_what_is_wrong)
{
	static const struct {
		const char *text, *what;
	} table[] = {
		{"", "column"},
		{"{", "column"},
		{T I "1" O H "[1", "column"},
		{T I "1" O H "[1]}}", "column"},
		{T I "1" O H "[1]} x", "column"},
		{"[]", "not a JSON object"},
		{"7", "column"},
		{"null", "column"},
		{"{}", "timestamp is missing"},
		{"{\"timestamp\":-1," I "1" O H "[1]}", "timestamp is -1"},
		{"{\"timestamp\":1.5," I "1" O H "[1]}", "not an integer"},
		{"{\"timestamp\":1e300," I "1" O H "[1]}", "not an integer"},
		{"{\"timestamp\":\"0\"," I "1" O H "[1]}", "not an integer"},
		{"{\"timestamp\":99999999999999," I "1" O H "[1]}",
		 "timestamp is 99999999999999"},
		{"{\"timestamp\":99999999999999999999," I "1" O H "[1]}",
		 "column"},
		{T "\"x\":1" O H "[1]}", "input_length is missing"},
		{T I "0" O H "[]}", "input_length is 0"},
		{T I "-5" O H "[]}", "input_length is -5"},
		{T I "10000001" O H "[1]}", "input_length is 10000001"},
		{T I "1,\"output_length\":-1," H "[1]}", "output_length is -1"},
		{T I "1," H "[1]}", "output_length is missing"},
		{T I "1,\"output_length\":1}", "hash_ids is missing"},
		{T I "1" O H "3}", "hash_ids is not an array"},
		{T I "513" O H "[1]}", "hash_ids has 1 entries"},
		{T I "1" O H "[1,2]}", "hash_ids has 2 entries"},
		{T I "1" O H "[-1]}", "hash_ids[0]"},
		{T I "1" O H "[9007199254740992]}", "hash_ids[0]"},
		{T I "1" O H "[\"a\"]}", "hash_ids[0]"},
		{T I "1" O H "[1],\"timestamp\":3}", "column"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char what[SIM_TRACE_WHAT];

		cr_expect(parse(table[i].text, what) == -1, "%s",
			  table[i].text);
		cr_expect(strstr(what, table[i].what), "%s: %s", table[i].text,
			  what);
	}
}

Test(sim_trace, a_prompt_of_a_million_tokens_is_read)
{
	enum { IDS = 1954 };
	char *text = malloc(IDS * 8 + 128);
	char what[SIM_TRACE_WHAT];
	size_t n;

	cr_assert(text);
	n = (size_t)sprintf(text, "%s", T I "1000000" O H "[");
	for (int i = 0; i < IDS; i++)
		n += (size_t)sprintf(text + n, "%s%d", i ? "," : "", i);
	sprintf(text + n, "]}");

	cr_assert(parse(text, what) == 0, "%s", what);
	cr_expect(line.n_ids == IDS);
	free(text);
}

Test(sim_trace, deep_nesting_is_refused)
{
	enum { DEPTH = 100000 };
	char *text = malloc(DEPTH);
	char what[SIM_TRACE_WHAT];

	cr_assert(text);
	memset(text, '[', DEPTH);
	cr_expect(sim_trace_parse(text, DEPTH, &line, what) == -1);
	free(text);
}
