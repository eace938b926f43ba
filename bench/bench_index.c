/*
 * The block index, on a timeline made from a trace of conversations.
 *
 *   bench_index                    the rows below
 *   bench_index --exactness        beside the simple index: every 256
 *                                  events, and at the end
 *   bench_index --micro            bench_index_micro.c
 *   bench_index --open-loop        bench_index_open.c
 *   bench_index --export FILE      bench_index_export.c
 *
 * with --json and --quick as all benchmarks.
 *
 * AIBRIX_TEST_DATA says where the trace is.  W = 128 owners, L = 4, K = 1,
 * blocks of 128 tokens, 16 384 blocks in each owner's cache; "prefix" in a
 * row's note: requests go where most of their prompt is, else at random.
 */
#include "bench_index.h"

static void
rows_run(const struct bench *b, enum corpus_route route)
{
	struct setup s;

	setup_init(&s, b, route, OWNERS);
	bytes_per_block(&s);
	lookup_random(&s);
	lookup_batch(&s, 16);
	write_rows(&s);
	writer_row(&s, &baseline_positional_64, "writer_vs_positional");
	writer_row(&s, &baseline_radix_locks, "writer_vs_radix_locks");
	writer_row(&s, &baseline_nested_map, "writer_vs_nested_map");
	writer_row(&s, &baseline_owner_maps, "writer_vs_owner_maps");
	reader_beside_writer(&s);
	setup_free(&s);
}

static void
rows_all(const struct bench *b)
{
	rows_run(b, ROUTE_RANDOM);
	rows_run(b, ROUTE_PREFIX);
	owner_maps_two(b);
	churn_growth(b);
	match_512x1000(b);
}

enum mode { MODE_ROWS, MODE_EXACTNESS, MODE_MICRO, MODE_OPEN, MODE_EXPORT };

struct options {
	enum mode mode;
	enum corpus_route route; /* EXPORT */
	const char *file;        /* EXPORT */
	uint32_t window_ms;      /* OPEN; 0: several */
};

static const char usage[] =
	"  --exactness      the answers beside those of a simple index\n"
	"  --micro          lookups by length, share known and fleet\n"
	"  --open-loop      events and lookups at their times, on two threads\n"
	"    --window MS    in so much time; else in 8, 4, 2 and 1 s\n"
	"  --export FILE    the timeline as SMGMCK01, random assignment\n"
	"    --prefix       by longest prefix\n";

/* Takes ours out of argv; how many are left. */
static int
options_take(struct options *o, int argc, char **argv)
{
	int left = 1;

	for (int i = 1; i < argc; i++) {
		int value = i + 1 < argc;

		if (strcmp(argv[i], "--exactness") == 0) {
			o->mode = MODE_EXACTNESS;
		} else if (strcmp(argv[i], "--micro") == 0) {
			o->mode = MODE_MICRO;
		} else if (strcmp(argv[i], "--open-loop") == 0) {
			o->mode = MODE_OPEN;
		} else if (strcmp(argv[i], "--prefix") == 0) {
			o->route = ROUTE_PREFIX;
		} else if (strcmp(argv[i], "--window") == 0 && value) {
			o->window_ms = (uint32_t)strtoul(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--export") == 0 && value) {
			o->mode = MODE_EXPORT;
			o->file = argv[++i];
		} else {
			argv[left++] = argv[i];
		}
	}
	return left;
}

int
main(int argc, char **argv)
{
	struct options o = {.route = ROUTE_RANDOM};
	int left = options_take(&o, argc, argv), status;
	struct bench b;

	status = bench_start_with(&b, left, argv, usage);
	if (status)
		return status - 1;
	switch (o.mode) {
	case MODE_ROWS: rows_all(&b); break;
	case MODE_EXACTNESS:
		return exactness(&b, ROUTE_RANDOM) |
		       exactness(&b, ROUTE_PREFIX);
	case MODE_MICRO: micro_rows(&b); break;
	case MODE_OPEN:
		open_rows(&b, ROUTE_RANDOM, o.window_ms);
		open_rows(&b, ROUTE_PREFIX, o.window_ms);
		break;
	case MODE_EXPORT: timeline_export(&b, o.route, o.file); break;
	}
	return 0;
}
