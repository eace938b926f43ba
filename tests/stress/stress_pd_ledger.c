/*
 * Threads pick and settle on one ledger.  A burst of all of them is spread
 * evenly over the groups, which it is only when gating, choosing and charging
 * are one step; and when all has been settled, by two threads each, nothing
 * is owed.
 */

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include <aibrix/pd_ledger.h>

enum {
	THREADS = 4,
	GROUPS = 8,
	PODS = 2 * GROUPS,
	BURST = 16 * GROUPS,
	ROUNDS = 200
};

struct rig {
	aibrix_pd_ledger *ledger;
	aibrix_pd_pod pods[PODS];
	aibrix_pd_stat stats[PODS];
	uint64_t ids[PODS];
	pthread_barrier_t barrier;
	uint64_t tickets[THREADS][BURST / THREADS];
	int failed[THREADS];
};

struct seat {
	struct rig *rig;
	uint32_t number;
};

static int
pick(struct rig *rig, uint64_t entropy, uint64_t now, uint64_t *ticket)
{
	const aibrix_pd_view view = {rig->pods, rig->stats, rig->ids, PODS, 0};
	const aibrix_pd_request request = {.size = sizeof(request),
					   .prompt_tokens = 100,
					   .entropy = entropy};
	aibrix_pd_pick_result result = {.size = sizeof(result)};
	uint32_t prefill[GROUPS], decode[GROUPS];
	aibrix_pd_lists l = {prefill, decode, GROUPS, GROUPS};
	double scores[PODS];

	for (uint32_t i = 0; i < GROUPS; i++) {
		prefill[i] = 2 * i;
		decode[i] = 2 * i + 1;
	}
	return aibrix_pd_ledger_pick(rig->ledger, NULL, &view, &l, &request,
				     now, scores, &result, ticket) != 0;
}

static int
even(struct rig *rig)
{
	for (uint32_t i = 0; i < PODS; i += 2) {
		aibrix_pd_charge p, d;

		if (aibrix_pd_ledger_read(rig->ledger, rig->ids[i], &p) ||
		    aibrix_pd_ledger_read(rig->ledger, rig->ids[i + 1], &d) ||
		    p.prefills != BURST / GROUPS ||
		    p.tokens != 3600 * BURST / GROUPS ||
		    d.decodes != BURST / GROUPS)
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

			(void)!aibrix_pd_ledger_prefilled(rig->ledger, ticket,
							  0);
			(void)!aibrix_pd_ledger_first_token(rig->ledger, ticket,
							    0);
			(void)!aibrix_pd_ledger_settle(rig->ledger, ticket);
		}
	}
}

/* What goes on beside: pods of other gateways, and one that comes and goes. */
static int
beside(struct rig *rig, uint32_t me, uint64_t now)
{
	const aibrix_pd_charge busy = {1, 1, 1, 1, 1, 1}, none = {0};
	uint64_t n, pod = 1000 + me;

	return aibrix_pd_ledger_others(rig->ledger, pod, &busy) ||
	       aibrix_pd_ledger_expire(rig->ledger, now, &n) || n != 0 ||
	       aibrix_pd_ledger_forget(rig->ledger, pod) ||
	       aibrix_pd_ledger_others(rig->ledger, pod, &none);
}

static void *
worker(void *arg)
{
	const struct seat *seat = arg;
	struct rig *rig = seat->rig;
	uint32_t me = seat->number;
	int failed = 0;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < BURST / THREADS; i++)
			failed |= pick(rig, round * 64 + i, round,
				       &rig->tickets[me][i]);
		failed |= beside(rig, me, round);
		pthread_barrier_wait(&rig->barrier);
		failed |= !even(rig);
		pthread_barrier_wait(&rig->barrier);
		settle(rig, me);
		pthread_barrier_wait(&rig->barrier);
		failed |= aibrix_pd_ledger_open(rig->ledger) != 0;
		pthread_barrier_wait(&rig->barrier);
	}
	rig->failed[me] = failed;
	return NULL;
}

static int
rig_open(struct rig *rig)
{
	for (uint32_t i = 0; i < PODS; i++) {
		rig->pods[i] = (aibrix_pd_pod){
			.group = i / 2,
			.role = i % 2 ? AIBRIX_PD_DECODE : AIBRIX_PD_PREFILL};
		rig->stats[i] = (aibrix_pd_stat){.running = NAN,
						 .tokens_per_s = NAN,
						 .finished_per_s = NAN,
						 .kv_usage = NAN,
						 .match_percent = NAN};
		rig->ids[i] = i;
	}
	return aibrix_pd_ledger_new(NULL, &rig->ledger) ||
	       pthread_barrier_init(&rig->barrier, NULL, THREADS);
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
	aibrix_pd_ledger_free(rig.ledger);
	if (failed)
		fprintf(stderr, "the ledger is not exact\n");
	return failed;
}
