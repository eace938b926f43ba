/*
 * The block index, on a timeline made from a trace of conversations.
 *
 *   bench_index [--json] [--quick]        the rows below
 *   bench_index --exactness [--quick]     beside the simple index: every
 *                                         256 events, and at the end
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

	setup_init(&s, b, route);
	bytes_per_block(&s);
	lookup_random(&s);
	lookup_batch(&s);
	write_rows(&s);
	writer_row(&s, &baseline_positional_64, "writer_vs_positional");
	writer_row(&s, &baseline_radix_locks, "writer_vs_radix_locks");
	writer_row(&s, &baseline_nested_map, "writer_vs_nested_map");
	writer_row(&s, &baseline_owner_maps, "writer_vs_owner_maps");
	reader_beside_writer(&s);
	setup_free(&s);
}

int
main(int argc, char **argv)
{
	int exact = argc > 1 && strcmp(argv[1], "--exactness") == 0;
	struct bench b;
	int status = bench_start(&b, argc - exact, argv + exact);

	if (status)
		return status - 1;
	if (exact)
		return exactness(&b, ROUTE_RANDOM) |
		       exactness(&b, ROUTE_PREFIX);
	rows_run(&b, ROUTE_RANDOM);
	rows_run(&b, ROUTE_PREFIX);
	churn_growth(&b);
	match_512x1000(&b);
	return 0;
}
