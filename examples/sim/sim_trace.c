/*
 * Trace files.  Lines are read through a buffer of the longest line that is
 * allowed, so that a file without line ends cannot take all memory.
 */
#include "sim_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct trace_reader {
	const char *path;
	FILE *file;
	char *text; /* SIM_TRACE_LINE_MAX + 2: a line, its end, a NUL */
	sim_trace_line *line;
	uint32_t number;
	uint64_t last_ms;
	char *error;
	size_t error_bytes;
} trace_reader;

static int
reader_fail(const trace_reader *reader, const char *what)
{
	if (reader->number)
		snprintf(reader->error, reader->error_bytes, "%s:%u: %s",
			 reader->path, reader->number, what);
	else
		snprintf(reader->error, reader->error_bytes, "%s: %s",
			 reader->path, what);
	return -1;
}

/* Bytes of the next line without its end; 0 at the end of the file (*end)
 * or for an empty line; -1: failed. */
static long
line_next(trace_reader *reader, int *end)
{
	size_t n = 0;
	int c = EOF;

	while (n <= SIM_TRACE_LINE_MAX && (c = getc(reader->file)) != EOF &&
	       c != '\n')
		reader->text[n++] = (char)c;
	*end = c == EOF && n == 0;
	if (ferror(reader->file))
		return reader_fail(reader, strerror(errno));
	if (!*end)
		reader->number++;
	if (n > SIM_TRACE_LINE_MAX)
		return reader_fail(reader, "line is too long");
	while (n > 0 && strchr(" \t\r", reader->text[n - 1]) &&
	       reader->text[n - 1])
		n--;
	return (long)n;
}

static int
line_take(trace_reader *reader, size_t len, sim_workload *workload)
{
	sim_trace_line *line = reader->line;
	char what[SIM_TRACE_WHAT];
	sim_request request = {0};

	if (sim_trace_parse(reader->text, len, line, what) != 0)
		return reader_fail(reader, what);
	if (line->timestamp_ms < reader->last_ms) {
		snprintf(what, sizeof(what),
			 "timestamp is %llu, the line before has %llu",
			 (unsigned long long)line->timestamp_ms,
			 (unsigned long long)reader->last_ms);
		return reader_fail(reader, what);
	}
	reader->last_ms = line->timestamp_ms;
	request.arrival_ns = line->timestamp_ms * 1000000;
	request.n_ids = line->n_ids;
	request.input_tokens = line->input_tokens;
	request.output_tokens = line->output_tokens;
	request.line = reader->number;
	if (sim_workload_add(workload, &request, line->ids) != 0)
		return reader_fail(reader, "out of memory");
	return 0;
}

static int
lines_read(trace_reader *reader, size_t max, sim_workload *workload)
{
	size_t before = workload->n;

	while (workload->n - before < max) {
		int end;
		long len = line_next(reader, &end);

		if (len < 0)
			return -1;
		if (end)
			break;
		if (len > 0 && line_take(reader, (size_t)len, workload) != 0)
			return -1;
	}
	if (workload->n == before) {
		reader->number = 0;
		return reader_fail(reader, "no requests in it");
	}
	return 0;
}

int
sim_trace_read(const char *path, size_t max, sim_workload *workload,
	       char *error, size_t error_bytes)
{
	trace_reader reader = {
		.path = path,
		.error = error,
		.error_bytes = error_bytes,
	};
	int failed;

	reader.file = fopen(path, "r");
	if (!reader.file)
		return reader_fail(&reader, strerror(errno));
	reader.text = malloc(SIM_TRACE_LINE_MAX + 2);
	reader.line = malloc(sizeof(*reader.line));
	if (reader.text && reader.line)
		failed = lines_read(&reader, max, workload);
	else
		failed = reader_fail(&reader, "out of memory");
	free(reader.text);
	free(reader.line);
	fclose(reader.file);
	return failed;
}
