#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_events.h"
#include "sim/sim_learn.h"
#include "sim/sim_rand.h"
#include "sim/sim_set.h"
#include "sim/sim_stats.h"
#include "sim/sim_workload.h"

Test(sim_events, the_earliest_source_is_next_and_ties_go_to_the_lower)
{
	sim_events *events = sim_events_new(3);
	uint32_t source;

	cr_assert(events);
	cr_expect(sim_events_next(events, NULL) == UINT64_MAX);
	sim_events_set(events, 2, 10);
	sim_events_set(events, 1, 10);
	sim_events_set(events, 0, 11);

	cr_expect(sim_events_next(events, &source) == 10);
	cr_expect(source == 1);
	sim_events_set(events, 1, UINT64_MAX);
	cr_expect(sim_events_next(events, &source) == 10);
	cr_expect(source == 2);
	sim_events_set(events, 2, 12);
	cr_expect(sim_events_next(events, &source) == 11);
	cr_expect(source == 0);
	sim_events_free(events);
}

Test(sim_events, the_heap_agrees_with_a_scan_after_random_changes)
{
	enum { SOURCES = 37 };
	sim_events *events = sim_events_new(SOURCES);
	uint64_t times[SOURCES];
	sim_rand rand = {7};

	cr_assert(events);
	for (uint32_t i = 0; i < SOURCES; i++)
		times[i] = UINT64_MAX;
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t at = (uint32_t)(sim_rand_next(&rand) % SOURCES);
		uint32_t best = 0;
		uint32_t source;

		times[at] = sim_rand_next(&rand) % 100;
		sim_events_set(events, at, times[at]);
		for (uint32_t i = 1; i < SOURCES; i++) {
			if (times[i] < times[best])
				best = i;
		}
		cr_assert(sim_events_next(events, &source) == times[best]);
		cr_assert(source == best);
	}
	sim_events_free(events);
}

static int
double_order(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

Test(sim_stats, selection_agrees_with_sorting_equal_values_among_them)
{
	enum { VALUES = 500 };
	sim_rand rand = {11};

	for (uint32_t round = 0; round < 60; round++) {
		size_t n = 1 + sim_rand_next(&rand) % VALUES;
		double values[VALUES];
		sim_stats stats = {0};

		for (size_t i = 0; i < n; i++) {
			values[i] = (double)(sim_rand_next(&rand) %
					     (round % 3 ? 7 : 1000));
			if (round % 5 == 0)
				values[i] = (double)i;
			cr_assert(sim_stats_add(&stats, values[i]) == 0);
		}
		qsort(values, n, sizeof(*values), double_order);
		for (size_t i = 0; i < n; i += 1 + n / 9)
			cr_assert(
				sim_stats_quantile(&stats, ((double)i + 0.5) /
								   (double)n) ==
				values[i]);
		sim_stats_clear(&stats);
	}
}

Test(sim_stats, quantiles_are_nearest_rank)
{
	sim_stats stats = {0};

	cr_expect(isnan(sim_stats_mean(&stats)));
	cr_expect(isnan(sim_stats_quantile(&stats, 0.5)));
	for (int i = 100; i >= 1; i--)
		cr_assert(sim_stats_add(&stats, i) == 0);

	cr_expect(sim_stats_mean(&stats) == 50.5);
	cr_expect(sim_stats_quantile(&stats, 0) == 1);
	cr_expect(sim_stats_quantile(&stats, 0.5) == 50);
	cr_expect(sim_stats_quantile(&stats, 0.99) == 99);
	cr_expect(sim_stats_quantile(&stats, 1) == 100);
	sim_stats_clear(&stats);
}

Test(sim_set, has_what_was_added_and_nothing_else)
{
	sim_set set = {0};

	cr_expect(!sim_set_has(&set, 5));
	for (uint64_t i = 0; i < 10000; i++)
		cr_assert(sim_set_add(&set, sim_mix(i)) == 1);
	for (uint64_t i = 0; i < 10000; i++)
		cr_assert(sim_set_add(&set, sim_mix(i)) == 0);
	for (uint64_t i = 10000; i < 20000; i++)
		cr_assert(!sim_set_has(&set, sim_mix(i)));
	sim_set_clear(&set);
}

Test(sim_workload, equal_ids_are_equal_tokens_and_the_prompt_is_cut)
{
	const uint64_t ids[] = {3, 9, 3};
	sim_request request = {.n_ids = 3, .input_tokens = 1500};
	sim_workload workload = {0};
	uint32_t tokens[1500];

	cr_assert(sim_workload_add(&workload, &request, ids) == 0);
	sim_workload_tokens(&workload, &workload.requests[0], tokens);

	cr_expect(memcmp(tokens, tokens + 1024, 476 * sizeof(*tokens)) == 0);
	cr_expect(memcmp(tokens, tokens + 512, 512 * sizeof(*tokens)) != 0);
	for (uint32_t i = 0; i < 1500; i++)
		cr_assert(tokens[i] < 128256);
	sim_workload_clear(&workload);
}

static void
generate(sim_workload *workload, const char *kind, size_t n, uint64_t seed)
{
	*workload = (sim_workload){0};
	cr_assert(sim_workload_generate(workload, kind, n, seed) == 0);
	cr_assert(workload->n == n);
}

Test(sim_workload, a_kind_and_a_seed_decide_everything)
{
	static const char *const kinds[] = {"conversation", "agent", "rag"};

	for (uint32_t k = 0; k < 3; k++) {
		sim_workload a;
		sim_workload b;
		sim_workload c;

		generate(&a, kinds[k], 300, 1);
		generate(&b, kinds[k], 300, 1);
		generate(&c, kinds[k], 300, 2);
		cr_expect(memcmp(a.requests, b.requests,
				 300 * sizeof(*a.requests)) == 0);
		cr_expect(a.n_ids == b.n_ids);
		cr_expect(memcmp(a.ids, b.ids, a.n_ids * sizeof(*a.ids)) == 0);
		cr_expect(a.input_tokens != c.input_tokens);
		sim_workload_clear(&a);
		sim_workload_clear(&b);
		sim_workload_clear(&c);
	}
}

Test(sim_workload, generated_requests_are_in_order_and_have_all_their_ids)
{
	sim_workload workload;
	uint64_t last_ns = 0;

	generate(&workload, "conversation", 2000, 3);
	for (size_t i = 0; i < workload.n; i++) {
		const sim_request *r = &workload.requests[i];

		cr_assert(r->arrival_ns >= last_ns);
		last_ns = r->arrival_ns;
		cr_assert(r->n_ids == (r->input_tokens + 511) / 512);
		cr_assert(r->output_tokens >= 1);
	}
	sim_workload_clear(&workload);
}

Test(sim_workload, generated_lengths_are_near_the_published_means)
{
	static const struct {
		const char *kind;
		double input, output;
	} published[] = {
		{"conversation", 12035, 343},
		{"agent", 8596, 182},
	};

	for (uint32_t k = 0; k < 2; k++) {
		sim_workload w;

		generate(&w, published[k].kind, 8000, 1);
		cr_expect(fabs((double)w.input_tokens / 8000 /
				       published[k].input -
			       1) < 0.1);
		cr_expect(fabs((double)w.output_tokens / 8000 /
				       published[k].output -
			       1) < 0.1);
		sim_workload_clear(&w);
	}
}

Test(sim_workload, an_unknown_kind_is_refused)
{
	sim_workload workload = {0};

	cr_expect(sim_workload_generate(&workload, "poetry", 1, 1) == -2);
	cr_expect(workload.n == 0);
}

Test(sim_workload, scaling_moves_the_first_arrival_to_zero)
{
	sim_request requests[] = {{.arrival_ns = 1000}, {.arrival_ns = 3000}};
	sim_workload workload = {.requests = requests, .n = 2};

	sim_workload_scale(&workload, 0.5);

	cr_expect(requests[0].arrival_ns == 0);
	cr_expect(requests[1].arrival_ns == 1000);
}

/* One pod takes 100 us a token, far more than is assumed. */
Test(sim_learn, what_first_tokens_take_is_learned_and_asked_with)
{
	const aibrix_owner owner = {.pod = 1};
	aibrix_route_request ask = {.size = sizeof(ask)};
	aibrix_estimate *estimate;
	aibrix_route_model model;
	aibrix_charge charge;
	aibrix_fleet *fleet;
	sim_sent sent = {.prompt_tokens = 1000, .held_tokens = 200};
	uint64_t now_ns = 0;

	cr_assert_eq(aibrix_fleet_new(NULL, &fleet), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_add(fleet, &owner, &sent.row), AIBRIX_OK);
	cr_assert_eq(sim_learn_new("least-request>cost", &estimate), AIBRIX_OK);
	for (uint32_t i = 0; i < 500; i++) {
		sent.prompt_tokens = 1000 + i % 7 * 2000;
		cr_assert_eq(
			sim_learn_sent(estimate, fleet, &sent, now_ns, &charge),
			AIBRIX_OK);
		now_ns += (sent.prompt_tokens - 200) * 100000;
		cr_assert_eq(
			sim_learn_first_token(estimate, fleet, &charge, now_ns),
			AIBRIX_OK);
		cr_assert_eq(sim_learn_last_token(estimate, &charge, 10,
						  now_ns + 1000000000),
			     AIBRIX_OK);
	}
	cr_assert_eq(sim_learn_ask(estimate, fleet, now_ns, &model, &ask),
		     AIBRIX_OK);
	cr_expect_eq(ask.model, &model);
	cr_expect(model.pending_s > 80e-6 && model.pending_s < 120e-6, "%g",
		  model.pending_s);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(sim_learn, a_policy_without_cost_learns_nothing)
{
	aibrix_route_request ask = {.size = sizeof(ask)};
	aibrix_estimate *estimate;
	aibrix_route_model model;
	aibrix_charge charge;
	const sim_sent sent = {.prompt_tokens = 1000};

	cr_assert_eq(sim_learn_new("prefix-cache", &estimate), AIBRIX_OK);
	cr_expect_null(estimate);
	cr_expect_eq(sim_learn_ask(estimate, NULL, 0, &model, &ask), AIBRIX_OK);
	cr_expect_null(ask.model);
	cr_expect_eq(sim_learn_sent(estimate, NULL, &sent, 0, &charge),
		     AIBRIX_OK);
	cr_expect_eq(sim_learn_first_token(estimate, NULL, &charge, 0),
		     AIBRIX_OK);
	cr_expect_eq(sim_learn_last_token(estimate, &charge, 1, 0), AIBRIX_OK);
}

Test(sim_burst, siblings_share_sixteen_pieces_with_nobody_else)
{
	enum { SIBLINGS = 5, OTHERS = 1000, SHARED = 16 };
	sim_workload all = {0};
	uint64_t shared[8], id;
	uint32_t n = 0;

	cr_assert_eq(sim_workload_generate(&all, "rag", OTHERS, 3), 0);
	cr_assert_eq(sim_workload_burst(&all, SIBLINGS, 3), 0);
	cr_assert_eq(all.n, OTHERS + 8 * SIBLINGS);
	for (size_t i = 0; i < all.n; i++) {
		const sim_request *r = &all.requests[i];
		const uint64_t *ids = all.ids + r->first_id;

		cr_assert(!i || r->arrival_ns >= r[-1].arrival_ns);
		for (uint32_t k = 0; k < n / SIBLINGS && !r->burst; k++)
			cr_expect(ids[0] != shared[k]);
		if (!r->burst)
			continue;
		cr_assert_eq(r->n_ids, SHARED + 1);
		cr_assert_lt(n / SIBLINGS, 8);
		id = ids[SHARED];
		cr_expect(n == 0 || id != (ids - r->n_ids)[SHARED]);
		if (n % SIBLINGS == 0)
			shared[n / SIBLINGS] = ids[0];
		cr_expect_eq(ids[0], shared[n / SIBLINGS]);
		n++;
	}
	cr_expect_eq(n, 8 * SIBLINGS);
	sim_workload_clear(&all);
}
