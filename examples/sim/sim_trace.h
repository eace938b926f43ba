/*
 * Traces in Mooncake's format: one JSON object per line,
 * {"timestamp": ms, "input_length": n, "output_length": n,
 *  "hash_ids": [id, ...]}, an id per 512 input tokens.
 * (Source: github.com/kvcache-ai/Mooncake, FAST25-release/traces.)
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "sim_workload.h"

enum { SIM_TRACE_WHAT = 160, SIM_TRACE_LINE_MAX = 4 << 20 };

/* JSON carries integers exactly up to here. */
#define SIM_TRACE_ID_MAX ((UINT64_C(1) << 53) - 1)

typedef struct sim_trace_line {
	uint64_t timestamp_ms;
	uint32_t input_tokens;
	uint32_t output_tokens;
	uint32_t n_ids;
	uint64_t ids[SIM_IDS_MAX];
} sim_trace_line;

/*
 * Read one line of len bytes, which need not end in a NUL.  0, or -1: what
 * says in English what is wrong; line is then unspecified.
 */
int sim_trace_parse(const char *text, size_t len, sim_trace_line *line,
		    char what[SIM_TRACE_WHAT]);

/*
 * Append the first max requests of a file.  -1: error says what and, as
 * "file:line: ", where; workload is then to be cleared.
 */
int sim_trace_read(const char *path, size_t max, sim_workload *workload,
		   char *error, size_t error_bytes);

#endif
