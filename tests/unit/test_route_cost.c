/* Cost: what it weighs, what its coefficients make of it, and what it makes
 * of numbers that are missing or wrong. */

#include <math.h>

#include <criterion/criterion.h>

#include "base/rand.h"
#include "fleet_fixture.h"

enum { ROWS = 6, ROUNDS = 300, MAX = 16 };

#define SECOND 1000000000u

static aibrix_route_model
model_zero(void)
{
	return (aibrix_route_model){.size = sizeof(aibrix_route_model)};
}

/* A fleet of small whole numbers, speeds powers of two: exact sums. */
static aibrix_fleet *
random_fleet(uint64_t *rand)
{
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	double running[ROWS], pending[ROWS], capacity[ROWS];

	for (uint32_t i = 0; i < ROWS; i++) {
		running[i] = rand_below(rand, 6);
		pending[i] = 512.0 * rand_below(rand, 9);
		capacity[i] = 1 << rand_below(rand, 3);
	}
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	return fleet;
}

static uint32_t
pick_with(const char *strategy, const aibrix_fleet *fleet,
	  const aibrix_route_request *request)
{
	aibrix_route *route = fixture_route(strategy, 0);
	uint32_t row = fixture_pick(route, fleet, request).row;

	aibrix_route_free(route);
	return row;
}

/* The row that cost picks is as good as the one that the other strategy
 * picks: of equals cost takes the one with fewer requests. */
static int
agrees(const char *strategy, const aibrix_fleet *fleet,
       const aibrix_route_request *request)
{
	aibrix_route *route = fixture_route(strategy, 0);
	aibrix_route_result theirs = fixture_pick(route, fleet, request);
	aibrix_route_score scores[ROWS];
	uint32_t n, lower;
	double score;

	cr_assert_eq(aibrix_route_explain(route, fleet, request, 0, scores,
					  ROWS, &n, &lower),
		     AIBRIX_OK);
	aibrix_route_free(route);
	score = scores[pick_with("cost", fleet, request)].score;
	return score == theirs.score;
}

Test(route_cost, least_request_is_the_cost_of_running_requests)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 1;

	model.running_s = 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 1000,
						.entropy = i,
						.model = &model};

		cr_assert(agrees("least-request", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

Test(route_cost, prefix_cache_is_the_cost_of_tokens)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 2;

	model.token_s = model.pending_s = 1;
	model.wait_weight = 0.125;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		double blocks[ROWS];
		aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS,
					 blocks};
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 2048,
						.n_blocks = 128,
						.n_overlay = 1,
						.overlay = &overlay,
						.entropy = i,
						.model = &model};

		for (uint32_t row = 0; row < ROWS; row++)
			blocks[row] = 16 * rand_below(&rand, 9);
		cr_assert(agrees("prefix-cache", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

/* What an engine says of its mean request is how slow it is, and when it is
 * free. */
Test(route_cost, least_latency_is_the_cost_at_each_rows_own_speed)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 3;

	model.token_s = model.wait_weight = 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
		double queue[ROWS], prefill[ROWS], decode[ROWS], slow[ROWS];
		double prompt[ROWS], output[ROWS];
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 1024,
						.entropy = i,
						.model = &model};

		for (uint32_t row = 0; row < ROWS; row++) {
			queue[row] = rand_below(&rand, 4);
			prefill[row] = rand_below(&rand, 4) + 1;
			decode[row] = rand_below(&rand, 4);
			prompt[row] = 256 << rand_below(&rand, 3);
			output[row] = 128;
			slow[row] = prefill[row] / prompt[row];
		}
		fixture_set(fleet, AIBRIX_COL_QUEUE_S, queue);
		fixture_set(fleet, AIBRIX_COL_PREFILL_S, prefill);
		fixture_set(fleet, AIBRIX_COL_DECODE_S, decode);
		fixture_set(fleet, AIBRIX_COL_PROMPT_TOKENS, prompt);
		fixture_set(fleet, AIBRIX_COL_OUTPUT_TOKENS, output);
		fixture_set(fleet, AIBRIX_COL_BUSY_UNTIL_S, queue);
		fixture_set(fleet, AIBRIX_COL_SLOWNESS_RATIO, slow);
		fixture_set(fleet, AIBRIX_COL_EXTRA_S, decode);
		cr_assert(agrees("least-latency", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

Test(route_cost, lora_affinity_is_the_cost_of_requests_and_a_load)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 4;

	model.running_s = 1;
	model.adapter_s = 8;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		double held[ROWS];
		aibrix_route_request request = {
			.size = sizeof(request), .entropy = i, .model = &model};

		for (uint32_t row = 0; row < ROWS; row++)
			held[row] = rand_below(&rand, 2);
		fixture_set(fleet, AIBRIX_COL_ADAPTER_HELD, held);
		cr_assert(agrees("lora-affinity", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

/* Whatever is one number a row is its extra. */
Test(route_cost, who_reads_one_column_is_the_cost_of_it)
{
	static const struct {
		const char *strategy;
		uint32_t column;
	} of[] = {
		{"throughput", AIBRIX_COL_TOKENS_PER_S},
		{"least-kv-cache", AIBRIX_COL_KV_USAGE_RATIO},
		{"least-gpu-cache", AIBRIX_COL_GPU_USAGE_RATIO},
		{"least-busy-time", AIBRIX_COL_GPU_BUSY_RATIO},
		{"least-utilization", AIBRIX_COL_UTILIZATION_RATIO},
		{"least-load", AIBRIX_COL_LOAD_RATIO},
		{"slo-least-load", AIBRIX_COL_LOAD_RATIO},
		{"least-user-3", AIBRIX_COL_USER + 3},
	};
	aibrix_route_model model = model_zero();
	uint64_t rand = 5;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
		uint32_t which = i % (sizeof(of) / sizeof(of[0]));
		double values[ROWS];
		aibrix_column load = {AIBRIX_COL_REQUEST_LOAD_RATIO, ROWS,
				      values};
		aibrix_route_request request = {.size = sizeof(request),
						.n_overlay = 1,
						.overlay = &load,
						.entropy = i,
						.model = &model};

		for (uint32_t row = 0; row < ROWS; row++)
			values[row] = rand_below(&rand, 9) / 16.0;
		fixture_set(fleet, of[which].column, values);
		fixture_set(fleet, AIBRIX_COL_EXTRA_S, values);
		cr_assert(agrees(of[which].strategy, fleet, &request), "%s",
			  of[which].strategy);
		aibrix_fleet_free(fleet);
	}
}

/* A rate is a speed. */
Test(route_cost, load_balance_is_the_cost_of_requests_at_each_rows_rate)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 6;

	model.running_s = 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		double rate[ROWS], slow[ROWS];
		aibrix_route_request request = {
			.size = sizeof(request), .entropy = i, .model = &model};

		for (uint32_t row = 0; row < ROWS; row++) {
			rate[row] = 1 << rand_below(&rand, 4);
			slow[row] = 1 / rate[row];
		}
		fixture_set(fleet, AIBRIX_COL_REQUESTS_PER_S, rate);
		fixture_set(fleet, AIBRIX_COL_SLOWNESS_RATIO, slow);
		cr_assert(agrees("load-balance", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

/* Each request that runs there makes the row as much slower. */
Test(route_cost, l_metric_is_the_cost_of_tokens_in_a_row_that_is_shared)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 7;

	model.token_s = model.pending_s = model.wait_weight = 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		const double *running =
			aibrix_fleet_column(fleet, AIBRIX_COL_REQUESTS_RUNNING);
		const double *capacity =
			aibrix_fleet_column(fleet, AIBRIX_COL_CAPACITY_RATIO);
		double blocks[ROWS], slow[ROWS];
		aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS,
					 blocks};
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 2048,
						.n_blocks = 128,
						.n_overlay = 1,
						.overlay = &overlay,
						.entropy = i,
						.model = &model};

		for (uint32_t row = 0; row < ROWS; row++) {
			blocks[row] = 16 * rand_below(&rand, 9);
			slow[row] = (running[row] + 1) / capacity[row];
		}
		fixture_set(fleet, AIBRIX_COL_SLOWNESS_RATIO, slow);
		cr_assert(agrees("l-metric-local", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

/* What is computed again takes as long as the idlest row's load and eight
 * requests. */
Test(route_cost, preble_is_the_cost_of_a_history_and_of_what_is_not_held)
{
	enum { PROMPT = 2048 };
	aibrix_route_model model = model_zero();
	uint64_t rand = 9;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
		double blocks[ROWS], load[ROWS], least = INFINITY;
		aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, ROWS,
					 blocks};
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = PROMPT,
						.n_blocks = PROMPT / 16,
						.n_overlay = 1,
						.overlay = &overlay,
						.entropy = i,
						.model = &model};

		for (uint32_t row = 0; row < ROWS; row++) {
			blocks[row] = 16 * rand_below(&rand, 9);
			load[row] = rand_below(&rand, 20);
			least = fmin(least, load[row]);
		}
		model.token_s = (least + 8) / PROMPT;
		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, load);
		fixture_set(fleet, AIBRIX_COL_EXTRA_S, load);
		cr_assert(agrees("prefix-cache-preble", fleet, &request));
		aibrix_fleet_free(fleet);
	}
}

/* Two rows are drawn; cost decides between them. */
Test(route_cost, power_of_two_is_the_cost_of_requests_among_two)
{
	aibrix_route_model model = model_zero();
	uint64_t rand = 8;

	model.running_s = 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		aibrix_fleet *fleet = random_fleet(&rand);
		uint32_t a = rand_below(&rand, ROWS), rows[2];
		aibrix_route_request request = {.size = sizeof(request),
						.n_rows = 2,
						.rows = rows,
						.entropy = i,
						.model = &model};
		uint32_t two, one;
		double costs[2];

		rows[0] = a;
		rows[1] = (a + 1 + rand_below(&rand, ROWS - 1)) % ROWS;
		two = pick_with("power-of-two", fleet, &request);
		one = pick_with("cost", fleet, &request);
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t row = k ? one : two;

			costs[k] =
				aibrix_fleet_column(
					fleet,
					AIBRIX_COL_REQUESTS_RUNNING)[row] /
				aibrix_fleet_column(
					fleet, AIBRIX_COL_CAPACITY_RATIO)[row];
		}
		cr_assert_eq(costs[0], costs[1]);
		aibrix_fleet_free(fleet);
	}
}

static double
score_of(const aibrix_fleet *fleet, const aibrix_route_request *request,
	 uint64_t now_ns, uint32_t row)
{
	aibrix_route *route = fixture_route("cost", 0);
	aibrix_route_score scores[MAX];
	uint32_t n, lower;

	cr_assert_eq(aibrix_route_explain(route, fleet, request, now_ns, scores,
					  MAX, &n, &lower),
		     AIBRIX_OK);
	cr_assert_eq(lower, 1);
	aibrix_route_free(route);
	return scores[row].score;
}

/* 100 tokens held of 1000 at 1 ms and 2 us a pair, 200 of 3000 pulled, 3
 * requests there, 2 s of extra. */
Test(route_cost, the_cost_is_the_sum_that_the_manual_states)
{
	static const double blocks[] = {10}, tiers[] = {30}, running[] = {3};
	static const double pending[] = {500}, extra[] = {2}, held[] = {0};
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_route_model model = {.size = sizeof(model),
				    .first_s = 0.5,
				    .token_s = 1e-3,
				    .pair_s = 2e-6,
				    .load_s = 1e-4,
				    .running_s = 0.25,
				    .adapter_s = 4,
				    .pending_s = 2e-3,
				    .finish_s = 0.125,
				    .wait_weight = 0.5,
				    .arrivals_per_s = 0.1,
				    .busy_ratio = 0.75};
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 1000,
					.block_tokens = 10,
					.model = &model};
	double wait = 1, work = 0.5 + 0.7 + 2e-6 * 700 * (300 + 350);

	work += 0.02 + 4;
	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	fixture_set(fleet, AIBRIX_COL_TIER_BLOCKS, tiers);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	fixture_set(fleet, AIBRIX_COL_EXTRA_S, extra);
	fixture_set(fleet, AIBRIX_COL_ADAPTER_HELD, held);
	cr_expect_float_eq(score_of(fleet, &request, 0, 0),
			   0.5 * wait + work + 0.375 * 3 + 2 +
				   0.4 * work * (wait + work / 2),
			   1e-9);
	aibrix_fleet_free(fleet);
}

/* The holder has a second to do; computing the rest elsewhere takes 0.7 s.
 * Whether that is cheaper depends on who comes after us. */
Test(route_cost, a_prefix_is_kept_longer_the_busier_the_fleet)
{
	static const double blocks[] = {1000, 0}, pending[] = {40000, 0};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_model model = {.size = sizeof(model),
				    .first_s = 0.01,
				    .token_s = 25e-6,
				    .pending_s = 25e-6,
				    .wait_weight = 1,
				    .arrivals_per_s = 0.1,
				    .busy_ratio = 0.1};
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 28000,
					.block_tokens = 27,
					.model = &model};

	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	cr_expect_eq(pick_with("cost", fleet, &request), 1);
	model.arrivals_per_s = 1;
	model.busy_ratio = 0.7;
	cr_expect_eq(pick_with("cost", fleet, &request), 0);
	aibrix_fleet_free(fleet);
}

/* Forty requests with a prefix that one row holds, all at once. */
Test(route_cost, a_burst_of_siblings_does_not_stay_with_the_holder)
{
	double blocks[8] = {400}, pending[8] = {0}, running[8] = {0};
	aibrix_fleet *fleet = fixture_fleet(8, NULL);
	aibrix_route *route = fixture_route("cost", 0);
	uint32_t first = 0;

	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	for (uint32_t i = 0; i < 40; i++) {
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = 8000,
						.entropy = i};
		uint32_t row;

		fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
		row = fixture_pick(route, fleet, &request).row;
		pending[row] += 8000 - 16 * blocks[row];
		running[row]++;
		first += row == 0;
	}
	cr_expect_geq(first, 10, "it holds four fifths: %u", first);
	cr_expect_leq(first, 22, "but not all: %u", first);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route_cost, what_a_tier_holds_is_worth_what_it_saves)
{
	static const double tiers[] = {0, 400}, running[] = {0, 0};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_model model = {
		.size = sizeof(model), .token_s = 25e-6, .load_s = 13e-6};
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 8000,
					.model = &model};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	fixture_set(fleet, AIBRIX_COL_TIER_BLOCKS, tiers);
	cr_expect_eq(pick_with("cost", fleet, &request), 1);
	model.load_s = 26e-6;
	cr_expect_eq(pick_with("cost", fleet, &request), 0);
	aibrix_fleet_free(fleet);
}

/* Its 4 s of work are done in 1 s; were to be done now; a second ago; should
 * have been long ago: as long as they take again, and not more. */
Test(route_cost, a_row_that_is_overdue_is_waited_for_as_long_again)
{
	static const double pending[] = {4, 4, 4, 4, 0};
	static const double until[] = {101, 100, 99, 1, 101};
	static const double wait[] = {1, 0, 1, 4, 0};
	aibrix_fleet *fleet = fixture_fleet(5, NULL);
	aibrix_route_model model = model_zero();
	aibrix_route_request request = {.size = sizeof(request),
					.model = &model};

	model.wait_weight = model.pending_s = 1;
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	fixture_set(fleet, AIBRIX_COL_BUSY_UNTIL_S, until);
	for (uint32_t row = 0; row < 5; row++)
		cr_expect_float_eq(
			score_of(fleet, &request, 100ull * SECOND, row),
			wait[row], 1e-9, "row %u", row);
	aibrix_fleet_free(fleet);
}

Test(route_cost, what_was_learned_of_a_row_wins_over_what_is_configured)
{
	static const double running[] = {0, 0}, capacity[] = {4, 1};
	static const double slow[] = {3, 1};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 1000};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	cr_expect_eq(pick_with("cost", fleet, &request), 0);
	fixture_set(fleet, AIBRIX_COL_SLOWNESS_RATIO, slow);
	cr_expect_eq(pick_with("cost", fleet, &request), 1);
	aibrix_fleet_free(fleet);
}

Test(route_cost, a_row_of_unknown_load_never_wins_over_one_that_is_known)
{
	static const double running[] = {200, NAN}, blocks[] = {0, 60};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("cost", 0);
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 1000};
	aibrix_route_result result;

	result = fixture_pick(route, fleet, &request);
	cr_expect_eq(result.reason, AIBRIX_REASON_NO_DATA);
	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	result = fixture_pick(route, fleet, &request);
	cr_expect_eq(result.row, 1, "nobody's load is known: the prefix");
	cr_expect_eq(result.reason, AIBRIX_REASON_PREFIX);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	result = fixture_pick(route, fleet, &request);
	cr_expect_eq(result.row, 0);
	cr_expect_eq(result.reason, AIBRIX_REASON_COST);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route_cost, models_that_mean_nothing_are_refused)
{
	static const double bad[] = {NAN, INFINITY, -1e-9};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("cost", 0);
	aibrix_route_model model = model_zero();
	aibrix_route_request request = {.size = sizeof(request),
					.model = &model};
	aibrix_route_result out = {.size = sizeof(out)};
	double *number = &model.first_s;

	for (uint32_t i = 0; i < 11; i++, number++) {
		for (uint32_t k = 0; k < 3; k++) {
			*number = bad[k];
			cr_expect_eq(aibrix_route_pick(route, fleet, &request,
						       0, &out),
				     AIBRIX_E_INVAL, "%u %u", i, k);
		}
		*number = 0;
	}
	cr_expect_eq(number, &model.busy_ratio + 1, "all were tried");
	model.busy_ratio = 1;
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &out),
		     AIBRIX_E_INVAL, "nobody would ever be done");
	model.busy_ratio = 0;
	model.spare = 1;
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &out),
		     AIBRIX_E_INVAL);
	model.spare = 0;
	model.size = 8;
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &out),
		     AIBRIX_E_INVAL);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* In requests of the usual size: the holder of all is worth several. */
Test(route_cost, it_is_weighed_with_others_in_requests)
{
	static const double blocks[] = {500, 0}, running[] = {2, 1};
	static const double pending[] = {0, 0};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 8000};

	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	cr_expect_eq(pick_with("cost,least-request", fleet, &request), 0);
	cr_expect_eq(pick_with("cost,least-request:20", fleet, &request), 1);
	aibrix_fleet_free(fleet);
}

/* Where all of a batch is known there is a shorter way to the same number. */
Test(route_cost, what_one_row_does_not_report_changes_no_other)
{
	static const uint32_t columns[] = {
		AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		AIBRIX_COL_BUSY_UNTIL_S, AIBRIX_COL_SLOWNESS_RATIO};
	static const double unknown[] = {NAN, INFINITY, -INFINITY};
	aibrix_fleet *fleet = fixture_fleet(MAX, NULL);
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 3000};
	double values[4][MAX], before[MAX];
	uint64_t rand = 5;

	for (uint32_t c = 0; c < 4; c++) {
		for (uint32_t row = 0; row < MAX; row++)
			values[c][row] = rand_below(&rand, 7) / 3.0 - 0.5;
		fixture_set(fleet, columns[c], values[c]);
	}
	for (uint32_t row = 0; row < MAX; row++)
		before[row] = score_of(fleet, &request, SECOND, row);
	for (uint32_t i = 0; i < 12; i++) {
		uint32_t c = i % 4, last = MAX - 1;

		values[c][last] = unknown[i / 4];
		fixture_set(fleet, columns[c], values[c]);
		for (uint32_t row = 0; row < last; row++)
			cr_expect_eq(score_of(fleet, &request, SECOND, row),
				     before[row], "%u %u", i, row);
		values[c][last] = 1;
		fixture_set(fleet, columns[c], values[c]);
	}
	aibrix_fleet_free(fleet);
}
