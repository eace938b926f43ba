/*
 * Many threads pick on one router and one fleet: answers are those of a
 * single thread.  Under ThreadSanitizer it also shows that picks write
 * nothing shared.
 */

#include <pthread.h>
#include <stdio.h>

#include <aibrix/route.h>

enum { THREADS = 4, PICKS = 200, ROWS = 300 };

static const char *addresses[ROWS];

struct rig {
	const aibrix_route *route;
	const aibrix_fleet *fleet;
	uint32_t expected[PICKS];
};

static int
pick(const struct rig *rig, uint64_t entropy, uint32_t *row)
{
	static const double blocks[ROWS] = {[7] = 3, [9] = 3, [200] = 1};
	const aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS, blocks};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 1,
					.overlay = &overlay,
					.addresses = addresses,
					.n_addresses = ROWS,
					.n_blocks = entropy % 5,
					.entropy = entropy};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_route_score scores[ROWS];
	uint32_t n, lower;
	int err =
		aibrix_route_pick(rig->route, rig->fleet, &request, 0, &result);

	if (!err)
		err = aibrix_route_explain(rig->route, rig->fleet, &request, 0,
					   scores, ROWS, &n, &lower);
	*row = result.row;
	return err || n != ROWS;
}

static void *
worker(void *arg)
{
	const struct rig *rig = arg;
	uint32_t row;

	for (uint32_t i = 0; i < PICKS; i++)
		if (pick(rig, i, &row) || row != rig->expected[i])
			return arg;
	return NULL;
}

static int
run(struct rig *rig)
{
	pthread_t threads[THREADS];
	int failed = 0, started = 0;
	void *wrong;

	for (uint32_t i = 0; i < PICKS; i++)
		failed |= pick(rig, i, &rig->expected[i]);
	while (started < THREADS &&
	       !pthread_create(&threads[started], NULL, worker, rig))
		started++;
	for (int i = 0; i < started; i++)
		failed |= pthread_join(threads[i], &wrong) != 0 || wrong;
	return failed || started < THREADS;
}

static aibrix_fleet *
new_fleet(void)
{
	aibrix_fleet *fleet;
	int err = aibrix_fleet_new(NULL, &fleet);
	uint32_t row;

	if (err)
		return NULL;
	for (uint32_t i = 0; !err && i < ROWS; i++) {
		err = aibrix_fleet_add(fleet, &(aibrix_owner){i, 0, 0}, &row);
		if (!err)
			err = aibrix_fleet_set(fleet, row,
					       AIBRIX_COL_REQUESTS_RUNNING,
					       i % 3, 0);
		if (!err)
			err = aibrix_fleet_set(fleet, row,
					       AIBRIX_COL_LOAD_RATIO, 0.5, 0);
		if (!err)
			err = aibrix_fleet_set(fleet, row,
					       AIBRIX_COL_REQUEST_LOAD_RATIO,
					       0.1, 0);
		addresses[i] = "10.0.0.1:8000";
	}
	if (!err)
		return fleet;
	aibrix_fleet_free(fleet);
	return NULL;
}

int
main(void)
{
	aibrix_fleet *fleet = new_fleet();
	int failed = !fleet;

	for (uint32_t i = 0; !failed && aibrix_route_strategy(i / 2); i++) {
		aibrix_route_opts opts = {.size = sizeof(opts),
					  .profile = i % 2,
					  .strategy =
						  aibrix_route_strategy(i / 2)};
		struct rig rig = {.fleet = fleet};
		aibrix_route *route;

		if (aibrix_route_new(&opts, &route) != AIBRIX_OK)
			return 1;
		rig.route = route;
		failed = run(&rig);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
	if (failed)
		fprintf(stderr, "a thread got another answer\n");
	return failed;
}
