/* What a gateway does for each request. */

#include "bench.h"
#include "bench_route.h"

int
main(int argc, char **argv)
{
	struct bench b;
	int stop = bench_start(&b, argc, argv);

	if (stop)
		return stop - 1;
	bench_route_pick(&b);
	bench_route_pd(&b);
	bench_route_rewrite(&b);
	return 0;
}
