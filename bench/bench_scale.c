/*
 * What a decision costs: of a large deployment by three metrics or by the
 * tokens of ten columns, and of many
 * small ones, each with its own state, in turn, so that a step finds its
 * state as far away as that of the one before is large.
 */

#include <stdlib.h>

#include <aibrix/demand.h>
#include <aibrix/scale.h>

#include "base/rand.h"
#include "bench.h"

enum { METRICS = 3, PODS = 1000, SMALL = 3, DEPLOYMENTS = 2000 };

#define SECOND ((uint64_t)1000000000)

struct bed {
	aibrix_scale_opts opts;
	aibrix_scale_metric metrics[METRICS];
	aibrix_scale_fleet fleet;
	aibrix_scale_pod pods[PODS];
	double numbers[METRICS][PODS];
	uint64_t at_ns[PODS];
	aibrix_scale_values values[METRICS];
	uint64_t state_bytes, now_ns, rand;
	uint32_t n_states, next;
	char *states;
};

static aibrix_scale_state *
state_at(const struct bed *b, uint32_t i)
{
	void *at = b->states + i * b->state_bytes;

	return at;
}

static void
bed_make(struct bed *b, uint32_t strategy, uint32_t n_metrics, uint32_t pods,
	 uint32_t n_states)
{
	b->now_ns = 1000000 * SECOND;
	b->rand = 1;
	b->opts = (aibrix_scale_opts){.size = sizeof(b->opts),
				      .strategy = strategy,
				      .max_replicas = 2 * PODS,
				      .metrics = b->metrics,
				      .n_metrics = n_metrics};
	b->fleet = (aibrix_scale_fleet){.size = sizeof(b->fleet),
					.replicas = (int32_t)pods,
					.n_pods = pods,
					.pods = b->pods};
	for (uint32_t i = 0; i < pods; i++) {
		b->pods[i].phase = AIBRIX_SCALE_RUNNING;
		b->pods[i].ready = AIBRIX_SCALE_READY;
		b->pods[i].started_ns = b->pods[i].changed_ns = 1;
	}
	for (uint32_t m = 0; m < METRICS; m++) {
		b->metrics[m].target = 20;
		b->metrics[m].kind = strategy == AIBRIX_SCALE_TPA
					     ? AIBRIX_SCALE_TOTAL
					     : AIBRIX_SCALE_PODS;
		b->values[m].values = b->numbers[m];
		b->values[m].at_ns = b->at_ns;
	}
	b->n_states = n_states;
	bench_check(aibrix_scale_state_bytes(&b->opts, &b->state_bytes) ==
			    AIBRIX_OK,
		    "options");
	b->states = calloc(n_states, b->state_bytes);
	bench_check(b->states != NULL, "memory");
	for (uint32_t i = 0; i < n_states; i++) {
		aibrix_scale_state *s;

		bench_check(aibrix_scale_state_init(&b->opts, state_at(b, i),
						    b->state_bytes,
						    &s) == AIBRIX_OK,
			    "state");
	}
}

/* Ten seconds later, and a few pods tell something else. */
static void
world_moves(struct bed *b)
{
	b->now_ns += 10 * SECOND;
	for (uint32_t i = 0; i < b->fleet.n_pods; i++)
		b->at_ns[i] = b->now_ns;
	for (uint32_t m = 0; m < METRICS; m++)
		b->numbers[m][rand_below(&b->rand, b->fleet.n_pods)] =
			rand_below(&b->rand, 60);
}

static void
steps(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_scale_decision d = {.size = sizeof(d)};

		if (b->next == 0)
			world_moves(b);
		bench_check(aibrix_scale_step(&b->opts, &b->fleet, b->values,
					      state_at(b, b->next), b->now_ns,
					      &d) == AIBRIX_OK,
			    "step");
		BENCH_KEEP(d.replicas);
		b->next = (b->next + 1) % b->n_states;
	}
}

enum { COLUMNS = 10 };

struct tokens {
	struct bed bed;
	uint64_t memory[512];
	aibrix_demand_state *demand;
	aibrix_demand_opts opts;
	aibrix_demand_seen seen;
	double columns[COLUMNS][PODS];
};

static void
tokens_make(struct tokens *t)
{
	static const double about[COLUMNS] = {20,  1, 0.5,  3000, 0.3,
					      800, 3, 1000, 250,  0.02};
	const double **at[COLUMNS] = {
		&t->seen.running,        &t->seen.waiting,
		&t->seen.kv_ratio,       &t->seen.prompt_per_s,
		&t->seen.cached_ratio,   &t->seen.output_per_s,
		&t->seen.finished_per_s, &t->seen.input_tokens,
		&t->seen.output_tokens,  &t->seen.itl_s};

	bed_make(&t->bed, AIBRIX_SCALE_TPA, 1, PODS, 1);
	t->bed.metrics[0].target = 1;
	t->bed.values[0].values = NULL;
	t->bed.values[0].at_ns = NULL;
	t->opts.size = sizeof(t->opts);
	t->seen.size = sizeof(t->seen);
	t->seen.at_ns = t->bed.at_ns;
	for (uint32_t c = 0; c < COLUMNS; c++) {
		*at[c] = t->columns[c];
		for (uint32_t i = 0; i < PODS; i++)
			t->columns[c][i] =
				about[c] *
				(0.5 + rand_below(&t->bed.rand, 100) / 100.0);
	}
	bench_check(aibrix_demand_state_init(t->memory, sizeof(t->memory),
					     &t->demand) == AIBRIX_OK,
		    "state");
}

static void
token_steps(void *ctx, uint64_t n)
{
	struct tokens *t = ctx;
	struct bed *b = &t->bed;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_scale_decision d = {.size = sizeof(d)};
		aibrix_demand demand = {.size = sizeof(demand)};

		world_moves(b);
		t->columns[0][i % PODS] = rand_below(&b->rand, 60);
		bench_check(aibrix_demand_step(&t->opts, &b->fleet, &t->seen,
					       t->demand, b->now_ns,
					       &demand) == AIBRIX_OK,
			    "demand");
		b->values[0].total = demand.wanted;
		bench_check(aibrix_scale_step(&b->opts, &b->fleet, b->values,
					      state_at(b, 0), b->now_ns,
					      &d) == AIBRIX_OK,
			    "step");
		BENCH_KEEP(d.replicas);
	}
}

static void
tokens_run(struct bench *b)
{
	static const struct bench_row row = {
		"tpa_step", "ns", "bound 100 us; TPA, 1000 pods, 10 columns",
		1};
	static struct tokens tokens;
	const struct bench_peer ours = {"ours", token_steps, &tokens, 1};

	tokens_make(&tokens);
	bench_run(b, &row, &ours, NULL);
	free(tokens.bed.states);
}

int
main(int argc, char **argv)
{
	static const struct bench_row rows[] = {
		{"step_1000", "ns", "bound 50 us; KPA, 1000 pods, 3 metrics",
		 1},
		{"step_1000_apa", "ns", "the same by APA", 1},
		{"step_1000_hpa", "ns", "the same by HPA", 1},
		{"deployments_per_s", "steps/s",
		 "at least 10^4; KPA, 2000 deployments of 3 pods in turn", 1},
	};
	static const uint32_t strategies[] = {
		AIBRIX_SCALE_KPA, AIBRIX_SCALE_APA, AIBRIX_SCALE_HPA,
		AIBRIX_SCALE_KPA};
	static struct bed beds[4];
	struct bench b;
	int status = bench_start(&b, argc, argv);

	if (status)
		return status - 1;
	for (uint32_t i = 0; i < 4; i++) {
		const struct bench_peer ours = {"ours", steps, &beds[i], 1};

		bed_make(&beds[i], strategies[i], i < 3 ? METRICS : 1,
			 i < 3 ? PODS : SMALL, i < 3 ? 1 : DEPLOYMENTS);
		bench_run(&b, &rows[i], &ours, NULL);
		free(beds[i].states);
	}
	tokens_run(&b);
	return 0;
}
