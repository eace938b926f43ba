#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

enum { MAX = 8 };

#define P AIBRIX_PD_PREFILL
#define D AIBRIX_PD_DECODE

static aibrix_pd_pod pods[MAX];
static aibrix_pd_stat stats[MAX];
static uint32_t prefill[MAX], decode[MAX], n_pods, gates;
static aibrix_pd_lists lists;
static aibrix_pd_opts opts;

static void
start(uint32_t compat)
{
	n_pods = 0;
	lists = (aibrix_pd_lists){.prefill = prefill, .decode = decode};
	opts = (aibrix_pd_opts){.size = sizeof(opts), .compat = compat};
}

static void
add(uint64_t group, uint32_t role, uint32_t pending, double running,
    double tokens_per_s, double finished_per_s)
{
	uint32_t at = n_pods++;

	pods[at] = (aibrix_pd_pod){.group = group, .role = role, .load = NAN};
	stats[at] = (aibrix_pd_stat){.pending = pending,
				     .running = running,
				     .tokens_per_s = tokens_per_s,
				     .finished_per_s = finished_per_s};
	if (role == P)
		prefill[lists.n_prefill++] = at;
	else
		decode[lists.n_decode++] = at;
}

static void
add_prefill(uint64_t group, uint32_t pending)
{
	add(group, P, pending, NAN, NAN, NAN);
}

static void
add_decode(uint64_t group, double running, double finished_per_s)
{
	add(group, D, 0, running, NAN, finished_per_s);
}

static int
gate(uint64_t entropy)
{
	gates = UINT32_MAX;
	return aibrix_pd_gate(&opts, pods, stats, n_pods, entropy, &lists,
			      &gates);
}

Test(pd_gate, a_prefill_with_far_fewer_requests_is_left_with_its_group)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_prefill(1, 17);
		add_decode(1, NAN, NAN);
		add_prefill(2, 0);
		add_decode(2, NAN, NAN);
		add_decode(2, NAN, NAN);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, AIBRIX_PD_GATE_PREFILL);
		cr_expect_eq(lists.n_prefill, 1u);
		cr_expect_eq(prefill[0], 2u);
		cr_expect_eq(lists.n_decode, 2u);
		cr_expect_eq(decode[0], 3u);
		cr_expect_eq(decode[1], 4u);
	}
}

Test(pd_gate, prefills_must_be_further_apart_than_the_spread)
{
	start(0);
	add_prefill(1, 16);
	add_prefill(2, 0);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, 0u);
	cr_expect_eq(lists.n_prefill, 2u);
	stats[0].pending = 17;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_PREFILL);
}

Test(pd_gate, decodes_may_be_as_far_apart_as_less_than_the_spread)
{
	start(0);
	add_prefill(1, 0);
	add_prefill(2, 0);
	add_decode(1, 15, NAN);
	add_decode(2, 0, NAN);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, 0u);
	cr_expect_eq(lists.n_decode, 2u);
	stats[2].running = 16;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_DECODE);
	cr_expect_eq(lists.n_decode, 1u);
	cr_expect_eq(decode[0], 3u);
	cr_expect_eq(lists.n_prefill, 1u, "its group's");
	cr_expect_eq(prefill[0], 1u);
}

Test(pd_gate, requests_on_their_way_count_as_running)
{
	start(1);
	add_decode(1, 2, NAN);
	add_decode(2, 2, NAN);
	stats[0].pending = 16;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_DECODE);
	cr_expect_eq(decode[0], 1u);
}

/* Not known is not idle, and neither is nonsense. */
Test(pd_gate, a_decode_of_which_nothing_is_known_is_not_compared)
{
	static const double unknown[] = {NAN, -1, INFINITY, -INFINITY};

	for (size_t i = 0; i < 4; i++) {
		start(0);
		add_decode(1, unknown[i], NAN);
		add_decode(2, 40, NAN);
		add_decode(3, 41, unknown[i]);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, 0u);
		cr_expect_eq(lists.n_decode, 3u);
		stats[1].running = 10;
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, AIBRIX_PD_GATE_DECODE);
		cr_expect_eq(decode[0], 1u);
	}
}

/* The two forms differ: a decode that makes few tokens is idle or slow,
 * which one is not known. */
Test(pd_gate, in_compat_alone_few_tokens_per_second_decide)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add(1, D, 0, 5, 3000, NAN);
		add(2, D, 0, 5, 951, NAN);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, compat ? AIBRIX_PD_GATE_TOKENS : 0u);
		cr_expect_eq(lists.n_decode, 2 - compat);
		cr_expect_eq(decode[0], compat);
	}
	start(1);
	add(1, D, 0, 5, 3000, NAN);
	add(2, D, 0, 5, 952, NAN);
	add(3, D, 0, 5, NAN, NAN);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, 0u, "2048 apart, and one not known");
}

Test(pd_gate, the_decode_that_is_soonest_through_is_left)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_decode(1, 8, 1);
		add_decode(2, 10, 2);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, AIBRIX_PD_GATE_SECONDS, "8 s and 5 s");
		cr_expect_eq(decode[0], 1u);
		start(compat);
		add_decode(1, 6, 1);
		add_decode(2, 8, 2);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, 0u, "6 s and 4 s: 1.5 is not above");
		start(compat);
		add_decode(1, 8, 1);
		add_decode(2, 0, 2);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, 0u, "who has none is for the scores");
	}
}

Test(pd_gate, seconds_count_where_all_are_known)
{
	static const double rates[] = {NAN, 0, -1, INFINITY};

	for (size_t i = 0; i < 4; i++) {
		start((uint32_t)i & 1);
		add_decode(1, 8, 1);
		add_decode(2, 1, 1);
		add_decode(3, 8, rates[i]);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, 0u);
	}
}

/* The two forms differ: a count that is missing is none there. */
Test(pd_gate, seconds_of_a_count_that_is_missing_are_compats_alone)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_decode(1, 8, 1);
		add_decode(2, NAN, 1);
		stats[1].pending = 1;
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, compat ? AIBRIX_PD_GATE_SECONDS : 0u);
	}
}

/* The two forms differ: a slow pod with fewer requests is no relief. */
Test(pd_gate, of_decodes_far_apart_the_default_takes_the_soonest_through)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_decode(1, 20, 1);
		add_decode(2, 40, 4);
		cr_assert_eq(gate(1), AIBRIX_OK);
		cr_expect_eq(gates, AIBRIX_PD_GATE_DECODE);
		cr_expect_eq(decode[0], compat ? 0u : 1u, "20 s and 10 s");
	}
	start(0);
	add_decode(1, 20, NAN);
	add_decode(2, 40, 4);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(decode[0], 0u, "counts, where one rate is not known");
}

Test(pd_gate, equals_are_drawn_and_one_entropy_draws_one)
{
	uint32_t seen = 0;

	for (uint64_t entropy = 0; entropy < 100; entropy++) {
		uint32_t first;

		start(0);
		add_prefill(1, 99);
		add_prefill(2, 0);
		add_prefill(3, 0);
		add_prefill(4, 0);
		cr_assert_eq(gate(entropy), AIBRIX_OK);
		first = prefill[0];
		for (uint32_t i = 0; i < 4; i++)
			prefill[i] = i;
		lists.n_prefill = 4;
		cr_assert_eq(gate(entropy), AIBRIX_OK);
		cr_expect_eq(prefill[0], first);
		seen |= 1u << first;
	}
	cr_expect_eq(seen, 2u | 4u | 8u);
}

Test(pd_gate, both_gates_may_fire_one_after_the_other)
{
	start(0);
	add_prefill(1, 50);
	add_decode(1, 0, NAN);
	add_prefill(2, 0);
	add_decode(2, 90, NAN);
	add_decode(2, 60, NAN);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_PREFILL | AIBRIX_PD_GATE_DECODE);
	cr_expect_eq(prefill[0], 2u);
	cr_expect_eq(decode[0], 4u, "of the group that the first gate left");
}

Test(pd_gate, a_list_without_one_of_the_group_stays)
{
	start(0);
	add_prefill(1, 50);
	add_prefill(2, 0);
	add_decode(1, 0, NAN);
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(lists.n_prefill, 1u);
	cr_expect_eq(lists.n_decode, 1u);
	cr_expect_eq(decode[0], 2u);
}

Test(pd_gate, spreads_can_be_set_to_anything_that_is_one)
{
	start(0);
	add_prefill(1, 1);
	add_prefill(2, 0);
	opts.flags = AIBRIX_PD_PREFILL_SPREAD_SET;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_PREFILL);

	start(1);
	add(1, D, 0, 6, 10, 1);
	add(2, D, 0, 5, 9, 1);
	opts.flags = AIBRIX_PD_DECODE_SPREAD_SET;
	opts.decode_spread = 1;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_DECODE);

	start(1);
	add(1, D, 0, 6, 10, 1);
	add(2, D, 0, 5, 9, 1);
	opts.flags = AIBRIX_PD_TOKENS_SPREAD_SET;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_TOKENS);

	start(1);
	add(1, D, 0, 6, 10, 1);
	add(2, D, 0, 5, 9, 1);
	opts.flags = AIBRIX_PD_SECONDS_RATIO_SET;
	opts.seconds_ratio = 1.1;
	cr_assert_eq(gate(1), AIBRIX_OK);
	cr_expect_eq(gates, AIBRIX_PD_GATE_SECONDS);
	opts.seconds_ratio = NAN;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL);
	opts.seconds_ratio = -1;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL);
}

Test(pd_gate, nobody_goes_through_no_gate)
{
	start(0);
	cr_expect_eq(aibrix_pd_gate(NULL, NULL, NULL, 0, 1, &lists, &gates),
		     AIBRIX_OK);
	cr_expect_eq(gates, 0u);
}

Test(pd_gate, wrong_calls_leave_the_lists_alone)
{
	aibrix_pd_lists none = {.n_prefill = 1};

	start(0);
	add_prefill(1, 50);
	add_prefill(2, 0);
	add_decode(1, 0, NAN);
	prefill[1] = 3;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL, "no such place");
	prefill[1] = 2;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL, "another role");
	prefill[1] = 1;
	stats[1].spare = 1;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL);
	stats[1].spare = 0;
	opts.flags = 1u << 31;
	cr_expect_eq(gate(1), AIBRIX_E_ABI);
	opts.flags = 0;
	opts.compat = 2;
	cr_expect_eq(gate(1), AIBRIX_E_INVAL);
	cr_expect_eq(gates, UINT32_MAX);
	cr_expect_eq(lists.n_prefill, 2u);
	cr_expect_eq(aibrix_pd_gate(NULL, pods, stats, 3, 1, &lists, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_gate(NULL, pods, stats, 3, 1, NULL, &gates),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_gate(NULL, pods, stats, 3, 1, &none, &gates),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_gate(NULL, NULL, stats, 3, 1, &lists, &gates),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_gate(NULL, pods, NULL, 3, 1, &lists, &gates),
		     AIBRIX_E_INVAL);
}
