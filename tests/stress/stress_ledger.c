/*
 * Threads pick and settle on one ledger.  A burst of all of them is spread
 * evenly, which it is only when choosing and counting are one step; and
 * when all has been settled, by two threads each, nothing is owed.
 */

#include <pthread.h>
#include <stdio.h>

#include <aibrix/ledger.h>

enum { THREADS = 4, ROWS = 8, BURST = 16 * ROWS, ROUNDS = 300 };

struct rig {
	aibrix_ledger *ledger;
	aibrix_route *route;
	aibrix_fleet *fleet;
	pthread_barrier_t barrier;
	uint64_t tickets[THREADS][BURST / THREADS];
	int failed[THREADS];
};

struct seat {
	struct rig *rig;
	uint32_t number;
};

static int
burst(struct rig *rig, uint32_t me, uint32_t round)
{
	int failed = 0;

	for (uint32_t i = 0; i < BURST / THREADS; i++) {
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 100,
						.entropy = round * 64 + i};
		aibrix_route_result result = {.size = sizeof(result)};

		failed |= aibrix_ledger_pick(
				  rig->ledger, rig->route, rig->fleet, &request,
				  round, &result, &rig->tickets[me][i]) != 0;
	}
	return failed;
}

static int
even(struct rig *rig)
{
	for (uint32_t row = 0; row < ROWS; row++) {
		uint64_t requests = 0, tokens = 0;

		if (aibrix_ledger_read(rig->ledger, rig->fleet, row, &requests,
				       &tokens) ||
		    requests != BURST / ROWS || tokens != 100 * BURST / ROWS)
			return 0;
	}
	return 1;
}

/* My tickets and my neighbour's: each is settled once. */
static void
settle(struct rig *rig, uint32_t me)
{
	for (uint32_t k = 0; k < 2; k++) {
		uint32_t whose = (me + k) % THREADS;

		for (uint32_t i = 0; i < BURST / THREADS; i++) {
			uint64_t ticket = rig->tickets[whose][i];

			(void)!aibrix_ledger_first_token(rig->ledger, ticket,
							 0);
			(void)!aibrix_ledger_settle(rig->ledger, ticket);
		}
	}
}

static void *
worker(void *arg)
{
	const struct seat *seat = arg;
	struct rig *rig = seat->rig;
	int failed = 0;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		failed |= burst(rig, seat->number, round);
		pthread_barrier_wait(&rig->barrier);
		failed |= !even(rig);
		pthread_barrier_wait(&rig->barrier);
		settle(rig, seat->number);
		pthread_barrier_wait(&rig->barrier);
		failed |= aibrix_ledger_open(rig->ledger) != 0;
		pthread_barrier_wait(&rig->barrier);
	}
	rig->failed[seat->number] = failed;
	return NULL;
}

static int
rig_open(struct rig *rig)
{
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .strategy = "least-request"};
	int err = aibrix_ledger_new(NULL, &rig->ledger);
	uint32_t row;

	if (!err)
		err = aibrix_route_new(&opts, &rig->route);
	if (!err)
		err = aibrix_fleet_new(NULL, &rig->fleet);
	for (uint32_t i = 0; !err && i < ROWS; i++)
		err = aibrix_fleet_add(rig->fleet, &(aibrix_owner){i, 0, 0},
				       &row);
	return err || pthread_barrier_init(&rig->barrier, NULL, THREADS);
}

int
main(void)
{
	static struct rig rig;
	struct seat seats[THREADS];
	pthread_t threads[THREADS];
	int failed = rig_open(&rig);

	for (uint32_t i = 0; !failed && i < THREADS; i++) {
		seats[i] = (struct seat){&rig, i};
		if (pthread_create(&threads[i], NULL, worker, &seats[i])) {
			fprintf(stderr, "no thread\n");
			return 1;
		}
	}
	for (uint32_t i = 0; !failed && i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < THREADS; i++)
		failed |= rig.failed[i];
	aibrix_ledger_free(rig.ledger);
	aibrix_route_free(rig.route);
	aibrix_fleet_free(rig.fleet);
	if (failed)
		fprintf(stderr, "the ledger is not exact\n");
	return failed;
}
