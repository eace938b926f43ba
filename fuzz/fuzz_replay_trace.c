/*
 * Lines of a trace from a stranger.  Beyond "no crash": what is accepted
 * keeps its promises, which the rest of replay builds on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(int holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	sim_trace_line *line = malloc(sizeof(*line));
	char *text = malloc(len + !len);
	char what[SIM_TRACE_WHAT] = "";

	if (line && text) {
		/* Of its exact size, so that one byte too far is seen. */
		memcpy(text, data, len);
		if (sim_trace_parse(text, len, line, what) == 0) {
			require(line->input_tokens >= 1);
			require(line->input_tokens <= SIM_INPUT_TOKENS_MAX);
			require(line->output_tokens <= SIM_OUTPUT_TOKENS_MAX);
			require(line->timestamp_ms <= SIM_TIMESTAMP_MS_MAX);
			require((line->input_tokens - 1) / SIM_ID_TOKENS + 1 ==
				line->n_ids);
			for (uint32_t i = 0; i < line->n_ids; i++)
				require(line->ids[i] <= SIM_TRACE_ID_MAX);
		} else {
			require(what[0] != '\0');
			require(memchr(what, '\0', sizeof(what)) != NULL);
		}
	}
	free(text);
	free(line);
	return 0;
}
