/* What counting costs: one record, one operation of a cache, one export. */

#include <stdlib.h>

#include <aibrix/meter.h>
#include <aibrix/metric.h>

#include "base/rand.h"
#include "bench.h"
#include "two.h"

enum { CHUNK = 100000, TEXT_CAP = 1 << 18, VALUES = 1024 };

struct bed {
	aibrix_histogram *histogram;
	aibrix_meter *meter;
	char *text;
	uint64_t values[VALUES];
};

static void
record(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++)
		aibrix_histogram_record(b->histogram, b->values[i % VALUES]);
}

/* The least that could be: a cell in the cache of this core. */
static void
add(void *ctx, uint64_t n)
{
	static _Atomic uint64_t cell;

	(void)ctx;
	for (uint64_t i = 0; i < n; i++)
		cell += i;
}

static void
record_two(void *ctx, uint64_t n)
{
	bench_two(record, ctx, ctx, n * CHUNK);
}

static void
operation(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	aibrix_meter_op o = {.size = sizeof(o), .op = AIBRIX_METER_ACQUIRE};

	for (uint64_t i = 0; i < n; i++) {
		o.tokens = b->values[i % VALUES] % 32768;
		o.done_tokens = o.tokens / 2;
		o.spent_ns = b->values[i % VALUES];
		bench_check(aibrix_meter_record(b->meter, &o) == AIBRIX_OK,
			    "record");
	}
}

static void export(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_metric_text t = {
			.size = sizeof(t), .out = b->text, .cap = TEXT_CAP};

		bench_check(aibrix_meter_write(b->meter, &t) == AIBRIX_OK &&
				    aibrix_metric_end(&t) == AIBRIX_OK,
			    "export");
	}
}

/* Each operation that there is has happened. */
static void
bed_fill(struct bed *b)
{
	uint64_t rand = 1;

	for (int i = 0; i < VALUES; i++)
		b->values[i] = rand_next(&rand) >> (34 + i % 16);
	for (uint32_t where = 0; where < 4; where++)
		for (uint32_t op = 0; op < 7; op++)
			for (int i = 0; i < VALUES; i++) {
				aibrix_meter_op o = {.size = sizeof(o),
						     .where = where,
						     .op = op,
						     .tokens = b->values[i] %
							       32768,
						     .spent_ns = b->values[i]};

				if (aibrix_meter_record(b->meter, &o))
					break;
			}
}

int
main(int argc, char **argv)
{
	static const struct bench_row rows[] = {
		{"metric_record", "ns", "bound 20 ns", 1},
		{"metric_record_two_threads", "ns",
		 "of both, into one histogram", 1},
		{"metric_operation", "ns", "an acquire, with its histograms",
		 1},
		{"metric_export", "ns", "17 operations, as text", 1},
	};
	struct bed bed = {.text = malloc(TEXT_CAP)};
	const struct bench_peer ours[] = {
		{"ours", record, &bed, 1},
		{"ours", record_two, &bed, 2.0 * CHUNK},
		{"ours", operation, &bed, 1},
		{"ours", export, &bed, 1},
	};
	const struct bench_peer floor = {"one atomic addition", add, NULL, 1};
	struct bench b;
	int status = bench_start(&b, argc, argv);

	if (status)
		return status - 1;
	bench_check(bed.text && !aibrix_histogram_new(NULL, &bed.histogram) &&
			    !aibrix_meter_new(NULL, &bed.meter),
		    "set-up");
	bed_fill(&bed);
	for (size_t i = 0; i < 4; i++)
		bench_run(&b, &rows[i], &ours[i], i ? NULL : &floor);
	aibrix_histogram_free(bed.histogram);
	aibrix_meter_free(bed.meter);
	free(bed.text);
	return 0;
}
