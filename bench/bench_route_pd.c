/* What a pick costs where prefill and decode are apart: 512 pods in 32
 * groups, all of which are for the prompt. */

#include <math.h>
#include <stdlib.h>

#include <aibrix/pd.h>
#include <aibrix/pd_ledger.h>

#include "base/rand.h"
#include "bench.h"
#include "bench_route.h"

enum { PODS = 512, GROUPS = 32, TOKENS = 8000 };

struct bed {
	aibrix_pd_pod pods[PODS];
	aibrix_pd_stat stats[PODS];
	uint64_t ids[PODS];
	uint32_t prefill[PODS], decode[PODS];
	double scores[PODS];
	aibrix_pd_ledger *ledger;
};

/* As a cluster lists them: group by group.  Loads are close, so that no gate
 * leaves one pod to score. */
static void
bed_fill(struct bed *b)
{
	uint64_t rand = 1;

	for (uint32_t i = 0; i < PODS; i++) {
		b->pods[i] = (aibrix_pd_pod){.group = i / (PODS / GROUPS),
					     .role = i % 2 ? AIBRIX_PD_DECODE
							   : AIBRIX_PD_PREFILL,
					     .max_tokens = 1 << 20,
					     .load = 0.5};
		b->stats[i] = (aibrix_pd_stat){
			.pending = rand_below(&rand, 4),
			.running = 30 + rand_below(&rand, 9),
			.tokens_per_s = 1000 + rand_below(&rand, 200),
			.finished_per_s = 2,
			.kv_usage = 0.01 * rand_below(&rand, 90),
			.match_percent = rand_below(&rand, 101),
			.prefill_s = 0.2,
			.charged_tokens = rand_below(&rand, 50000)};
		b->ids[i] = 1000 + i;
	}
}

/* As no cluster lists them. */
static void
bed_mix(struct bed *b)
{
	uint64_t rand = 2;

	for (uint32_t i = PODS; i > 1; i--) {
		uint32_t k = rand_below(&rand, i);
		aibrix_pd_pod pod = b->pods[i - 1];
		aibrix_pd_stat stat = b->stats[i - 1];

		b->pods[i - 1] = b->pods[k];
		b->stats[i - 1] = b->stats[k];
		b->pods[k] = pod;
		b->stats[k] = stat;
	}
}

static aibrix_pd_lists
split(struct bed *b, uint64_t entropy)
{
	aibrix_pd_result r = {.size = sizeof(r)};

	bench_check(aibrix_pd_split(NULL, b->pods, PODS, TOKENS, entropy,
				    b->prefill, b->decode, &r) == AIBRIX_OK,
		    "split");
	return (aibrix_pd_lists){b->prefill, b->decode, r.n_prefill,
				 r.n_decode};
}

static void
pick(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	uint32_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_pd_pick_result r = {.size = sizeof(r)};
		aibrix_pd_lists l = split(b, i);
		uint32_t gates;

		bench_check(aibrix_pd_gate(NULL, b->pods, b->stats, PODS, i, &l,
					   &gates) == AIBRIX_OK &&
				    gates == 0 &&
				    aibrix_pd_pick(NULL, b->pods, b->stats,
						   PODS, &l, TOKENS, i,
						   b->scores, &r) == AIBRIX_OK,
			    "pick");
		sum += r.prefill ^ r.decode;
	}
	BENCH_KEEP(sum);
}

/* A request's whole life. */
static void
pick_charged(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	const aibrix_pd_view view = {b->pods, b->stats, b->ids, PODS, 0};

	for (uint64_t i = 0; i < n; i++) {
		const aibrix_pd_request request = {.size = sizeof(request),
						   .prompt_tokens = TOKENS,
						   .entropy = i};
		aibrix_pd_pick_result r = {.size = sizeof(r)};
		aibrix_pd_lists l = split(b, i);
		uint64_t ticket = 0;

		bench_check(
			aibrix_pd_ledger_pick(b->ledger, NULL, &view, &l,
					      &request, i, b->scores, &r,
					      &ticket) == AIBRIX_OK &&
				aibrix_pd_ledger_prefilled(b->ledger, ticket,
							   i) == AIBRIX_OK &&
				aibrix_pd_ledger_first_token(b->ledger, ticket,
							     i) == AIBRIX_OK &&
				aibrix_pd_ledger_settle(b->ledger, ticket) ==
					AIBRIX_OK,
			"pick and charge");
	}
}

void
bench_route_pd(const struct bench *b)
{
	static const struct bench_row rows[] = {
		{"pick_pd_512", "ns", "split, gate, pick; bound 30000 ns", 1},
		{"pick_pd_512_ledger", "ns",
		 "split; gate, pick and charge; three ends", 1},
		{"pick_pd_512_mixed", "ns", "pods in no order; bound 30000 ns",
		 1},
	};
	struct bed *bed = calloc(1, sizeof(*bed));
	struct bench_peer pure = {"ours", pick, bed, 1};
	struct bench_peer charged = {"ours", pick_charged, bed, 1};

	bench_check(bed && aibrix_pd_ledger_new(NULL, &bed->ledger) ==
				    AIBRIX_OK,
		    "set-up");
	bed_fill(bed);
	bench_run(b, &rows[0], &pure, NULL);
	bench_run(b, &rows[1], &charged, NULL);
	bed_mix(bed);
	bench_run(b, &rows[2], &pure, NULL);
	aibrix_pd_ledger_free(bed->ledger);
	free(bed);
}
