/* What a pick costs: by fleet, by policy, beside a gateway that keeps its
 * state in maps, and with two threads at once. */

#include <stdlib.h>

#include <aibrix/route.h>

#include "base/rand.h"
#include "bench.h"
#include "bench_route.h"
#include "bench_route_maps.h"
#include "two.h"

enum { SMALL = 64, LARGE = 1000, BLOCKS = 100, CHUNK = 2000 };

struct bed {
	aibrix_fleet *fleet;
	aibrix_route *route;
	struct maps_gateway *maps;
	aibrix_column overlay;
	aibrix_route_request request;
	double *blocks;
	uint32_t *percent;
};

struct counting {
	uint64_t bytes;
};

static void *
counted_alloc(void *ctx, size_t bytes, size_t align)
{
	struct counting *c = ctx;

	(void)align;
	c->bytes += bytes;
	return malloc(bytes);
}

static void
counted_free(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(p);
}

static void
fleet_fill(struct bed *b, uint32_t n, uint64_t *rand)
{
	for (uint32_t i = 0; i < n; i++) {
		aibrix_owner owner = {i, 0, 0};
		double running = rand_below(rand, 9);
		uint32_t row;
		int err = aibrix_fleet_add(b->fleet, &owner, &row);

		b->percent[i] =
			rand_below(rand, 4) ? 0 : rand_below(rand, BLOCKS);
		b->blocks[i] = b->percent[i];
		maps_set(b->maps, i, "realtime_num_requests_running", running);
		for (uint32_t c = 0; !err && c < AIBRIX_COL_USER; c++)
			err = aibrix_fleet_set(b->fleet, row, c,
					       1 + rand_below(rand, 5), 0);
		err = err ? err
			  : aibrix_fleet_set(b->fleet, row,
					     AIBRIX_COL_REQUESTS_RUNNING,
					     running, 0);
		bench_check(err == AIBRIX_OK, "fleet");
	}
}

static struct bed
bed_open(uint32_t n, const char *strategy, uint32_t profile,
	 const aibrix_allocator *alloc)
{
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .strategy = strategy,
				  .profile = profile,
				  .alloc = alloc};
	struct bed b = {.maps = maps_new(n)};
	uint64_t rand = n;

	b.blocks = calloc(n, sizeof(*b.blocks));
	b.percent = calloc(n, sizeof(*b.percent));
	bench_check(b.blocks && b.percent &&
			    aibrix_fleet_new(NULL, &b.fleet) == AIBRIX_OK &&
			    aibrix_route_new(&opts, &b.route) == AIBRIX_OK,
		    "set-up");
	fleet_fill(&b, n, &rand);
	b.overlay = (aibrix_column){AIBRIX_COL_PREFIX_BLOCKS, n, b.blocks};
	b.request = (aibrix_route_request){.size = sizeof(b.request),
					   .n_overlay = 1,
					   .prompt_tokens = 16 * BLOCKS,
					   .n_blocks = BLOCKS};
	return b;
}

static void
bed_close(struct bed *b)
{
	aibrix_fleet_free(b->fleet);
	aibrix_route_free(b->route);
	maps_free(b->maps);
	free(b->blocks);
	free(b->percent);
}

static uint32_t
pick_once(const struct bed *b, uint64_t entropy)
{
	aibrix_route_request request = b->request;
	aibrix_route_result result = {.size = sizeof(result)};

	request.overlay = &b->overlay;
	request.entropy = entropy;
	bench_check(aibrix_route_pick(b->route, b->fleet, &request, 0,
				      &result) == AIBRIX_OK,
		    "pick");
	return result.row;
}

static void
pick(void *ctx, uint64_t n)
{
	uint32_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += pick_once(ctx, i);
	BENCH_KEEP(sum);
}

static void
pick_maps(void *ctx, uint64_t n)
{
	const struct bed *b = ctx;
	uint32_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += maps_pick(b->maps, b->percent, i);
	BENCH_KEEP(sum);
}

/* Two threads, each with a bed; ours is one and the same. */
struct pair {
	struct bed *bed[2];
};

static void
pick_two(void *ctx, uint64_t n)
{
	struct pair *pair = ctx;

	bench_two(pick, pair->bed[0], pair->bed[1], n * CHUNK);
}

/* Both ways hold as much at the pod that they pick, and as few requests. */
static void
check_maps(const struct bed *b)
{
	const double *running =
		aibrix_fleet_column(b->fleet, AIBRIX_COL_REQUESTS_RUNNING);

	for (uint64_t i = 0; i < 200; i++) {
		uint32_t ours = pick_once(b, i);
		uint32_t theirs = maps_pick(b->maps, b->percent, i);

		bench_check(b->percent[ours] == b->percent[theirs] &&
				    running[ours] == running[theirs],
			    "the same answer");
	}
}

static void
allocations(const struct bench *b)
{
	static const struct bench_row row = {"pick_allocations", "bytes",
					     "asked for in 1000 picks", 1};
	struct counting counting = {0};
	const aibrix_allocator alloc = {.size = sizeof(alloc),
					.ctx = &counting,
					.alloc = counted_alloc,
					.free = counted_free};
	struct bed bed = bed_open(SMALL, NULL, 0, &alloc);
	uint64_t before = counting.bytes;

	pick(&bed, 1000);
	bench_counted(b, &row, (double)(counting.bytes - before));
	bed_close(&bed);
}

static void
two_threads(const struct bench *b)
{
	static const struct bench_row row = {"two_threads", "ns",
					     "one router and fleet", 1};
	struct bed beds[3];
	struct pair one, two;
	struct bench_peer ours = {"ours", pick_two, &one, 2.0 * CHUNK};
	struct bench_peer peer = {"two routers and fleets", pick_two, &two,
				  2.0 * CHUNK};

	for (int i = 0; i < 3; i++)
		beds[i] = bed_open(SMALL, NULL, 0, NULL);
	one = (struct pair){{&beds[0], &beds[0]}};
	two = (struct pair){{&beds[1], &beds[2]}};
	bench_run(b, &row, &ours, &peer);
	for (int i = 0; i < 3; i++)
		bed_close(&beds[i]);
}

void
bench_route_pick(const struct bench *b)
{
	static const struct {
		struct bench_row row;
		uint32_t n;
		const char *strategy;
		uint32_t compat, maps;
	} rows[] = {
		{{"pick_64", "ns", "prefix-cache; bound 1000 ns", 1},
		 SMALL,
		 "prefix-cache",
		 0,
		 0},
		{{"pick_1000", "ns", "prefix-cache; bound 10000 ns", 1},
		 LARGE,
		 "prefix-cache",
		 0,
		 0},
		{{"pick_cost_1000", "ns", "cost; bound 10000 ns", 1},
		 LARGE,
		 "cost",
		 0,
		 0},
		{{"pick_64_least", "ns", "least-request", 1},
		 SMALL,
		 "least-request",
		 0,
		 0},
		{{"pick_64_list", "ns", "prefix-cache:6,least-latency:4", 1},
		 SMALL,
		 "prefix-cache:6,least-latency:4",
		 0,
		 0},
		{{"pick_vs_maps", "ns", "compat prefix-cache, 64 pods", 1},
		 SMALL,
		 "prefix-cache",
		 1,
		 1},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bed bed = bed_open(rows[i].n, rows[i].strategy,
					  rows[i].compat, NULL);
		struct bench_peer ours = {"ours", pick, &bed, 1};
		struct bench_peer maps = {"maps and a shuffle", pick_maps, &bed,
					  1};

		if (rows[i].maps)
			check_maps(&bed);
		bench_run(b, &rows[i].row, &ours, rows[i].maps ? &maps : NULL);
		bed_close(&bed);
	}
	allocations(b);
	two_threads(b);
}
