/* AIBrix e3e10f9: the expected answers of its own Go tests (named at each
 * table), asked of the compat profile. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/compat.h>
#include <aibrix/prefix.h>

#include "fleet_fixture.h"

enum { MAX = 4, DRAWS = 64 };

static aibrix_route *
new_prefix_compat(double imbalance_abs, double stddev_factor)
{
	aibrix_route_opts opts = {
		.size = sizeof(opts),
		.profile = AIBRIX_PROFILE_COMPAT,
		.imbalance_abs = imbalance_abs,
		.stddev_factor = stddev_factor,
		.flags = AIBRIX_ROUTE_IMBALANCE_SET | AIBRIX_ROUTE_STDDEV_SET,
	};
	aibrix_route *route;

	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	return route;
}

/* One bit for each row that some entropy picks. */
static uint32_t
winners(const aibrix_route *route, const aibrix_fleet *fleet,
	aibrix_route_request *request)
{
	uint32_t set = 0;

	for (request->entropy = 0; request->entropy < DRAWS; request->entropy++)
		set |= 1u << fixture_pick(route, fleet, request).row;
	return set;
}

/* algorithms/least_request_test.go */
static const struct {
	const char *id;
	uint32_t n;
	double counts[MAX];
	uint32_t winners; /* bits */
} least_request[] = {
	{"lr01", 4, {1, 2, 3, 9}, 1},
	{"lr02", 3, {1, 5, 1}, 1 | 4},
	{"lr04", 2, {NAN, NAN}, 1 | 2},
	{"lr05", 0, {0}, 0},
};

Test(golden_route, least_request)
{
	aibrix_route *route =
		fixture_route("least-request", AIBRIX_PROFILE_COMPAT);

	for (size_t i = 0; i < sizeof(least_request) / sizeof(least_request[0]);
	     i++) {
		aibrix_fleet *fleet = fixture_fleet(least_request[i].n, NULL);
		aibrix_route_request request = {.size = sizeof(request)};
		aibrix_route_result result = {.size = sizeof(result)};

		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING,
			    least_request[i].counts);
		if (least_request[i].winners)
			cr_expect_eq(winners(route, fleet, &request),
				     least_request[i].winners, "%s",
				     least_request[i].id);
		else
			cr_expect_eq(aibrix_route_pick(route, fleet, &request,
						       0, &result),
				     AIBRIX_E_NOT_FOUND, "%s",
				     least_request[i].id);
		aibrix_fleet_free(fleet);
	}
	aibrix_route_free(route);
}

/* algorithms/prefix_cache_routing_test.go, imbalance gate; threshold 8
 * unless stated, list: the rows with the fewest requests. */
static const struct {
	const char *id;
	uint32_t n;
	double counts[MAX];
	double threshold;
	int imbalanced;
	uint32_t list; /* bits */
} gate[] = {
	{"gate01", 4, {10, 10, 10, 10}, 8, 0, 15},
	{"gate02", 3, {0, 10, 20}, 8, 1, 1},
	{"gate04", 2, {0, 8}, 8, 0, 1},
	{"gate05", 2, {0, 9}, 8, 1, 1},
	{"gate07", 1, {10}, 8, 0, 1},
	{"gate09", 4, {0, 5, 50, 100}, 8, 1, 1},
	{"gate10", 4, {1, 2, 3, 9}, 8, 0, 1},
	{"gate11", 4, {2, 2, 8, 16}, 8, 1, 3},
	{"gate12", 2, {2147483647, 2147483646}, 8, 0, 2},
	{"gate14", 2, {-2147483648.0, 0}, 8, 1, 1},
	{"gate15", 3, {5, 10, 15}, 0, 1, 1},
	{"gate16", 2, {0, 100}, -1, 1, 1},
	{"gate17", 3, {2147483647, 2147483647, 2147483647}, 8, 0, 7},
};

/* A holder that the limit cannot refuse is picked unless the gate is shut
 * and it is not in the list. */
static void
gate_check(size_t i, const aibrix_route *route, const aibrix_fleet *fleet)
{
	for (uint32_t holder = 0; holder < gate[i].n; holder++) {
		double blocks[MAX] = {0};
		aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, gate[i].n,
					 blocks};
		aibrix_route_request request = {.size = sizeof(request),
						.n_overlay = 1,
						.overlay = &overlay,
						.n_blocks = 1};
		aibrix_route_result result;
		int open = !gate[i].imbalanced || gate[i].list >> holder & 1;

		blocks[holder] = 1;
		result = fixture_pick(route, fleet, &request);
		cr_expect_eq(result.row == holder, open, "%s holder %u",
			     gate[i].id, holder);
		if (gate[i].n > 1)
			cr_expect_eq(result.reason,
				     open ? AIBRIX_REASON_PREFIX
					  : AIBRIX_REASON_PREFIX_SKIPPED,
				     "%s holder %u", gate[i].id, holder);
	}
}

Test(golden_route, imbalance_gate)
{
	for (size_t i = 0; i < sizeof(gate) / sizeof(gate[0]); i++) {
		aibrix_fleet *fleet = fixture_fleet(gate[i].n, NULL);
		aibrix_route *route = new_prefix_compat(gate[i].threshold, 1e9);
		aibrix_route_request request = {.size = sizeof(request)};

		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, gate[i].counts);
		gate_check(i, route, fleet);
		cr_expect_eq(winners(route, fleet, &request), gate[i].list,
			     "%s", gate[i].id);
		aibrix_route_free(route);
		aibrix_fleet_free(fleet);
	}
}

Test(golden_route, gate06_without_pods_there_is_no_answer)
{
	aibrix_fleet *fleet = fixture_fleet(0, NULL);
	aibrix_route *route = new_prefix_compat(8, 1);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};

	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &result),
		     AIBRIX_E_NOT_FOUND);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* The same file, choice among matched pods; the gate stands open.  Match in
 * percent of 100 blocks, 0: none.  winners 0: no match is accepted. */
static const struct {
	const char *id;
	uint32_t n;
	double counts[MAX], match[MAX];
	double factor;
	uint32_t winners; /* bits */
} match[] = {
	{"match01", 3, {5, 10, 15}, {100, 50, 25}, 1, 1},
	{"match02", 3, {100, 10, 12}, {100, 80, 60}, 1, 2},
	{"match04", 3, {11, 12, 13}, {90, 80, 70}, -10, 0},
	{"match05", 2, {10, 20}, {0, 0}, 1, 0},
	{"match06", 2, {10, 20}, {75, 0}, 2, 1},
	{"match07", 3, {11, 10, 12}, {100, 90, 80}, 5, 1},
	{"match09", 4, {1, 2, 3, 4}, {50, 50, 50, 0}, 1, 1},
	{"match10", 4, {1, 1, 1, 4}, {50, 50, 50, 0}, 1, 7},
	{"match11", 4, {1, 10, 1, 4}, {50, 100, 0, 0}, 1, 1},
	{"match12", 3, {10, 15, 20}, {100, 90, 80}, 0, 1},
	{"match14", 3, {1000, 10, 15}, {100, 90, 80}, 1000, 1},
	{"match15", 3, {100, 101, 102}, {90, 80, 70}, 1, 1},
	{"match16", 3, {200, 201, 202}, {90, 80, 70}, 0, 1},
	{"match17", 3, {50, 10, 30}, {75, 75, 75}, 2, 2},
	{"match19", 3, {5, 200, 10}, {0, 100, 0}, 1, 0},
	{"match20", 3, {2147483647, 0, 5}, {100, 50, 25}, 1, 2},
	{"match21", 3, {10, 10, 10}, {90, 80, 70}, 1, 1},
};

Test(golden_route, choice_among_matched_pods)
{
	for (size_t i = 0; i < sizeof(match) / sizeof(match[0]); i++) {
		aibrix_fleet *fleet = fixture_fleet(match[i].n, NULL);
		aibrix_route *route = new_prefix_compat(1e18, match[i].factor);
		aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, match[i].n,
					 match[i].match};
		aibrix_route_request request = {.size = sizeof(request),
						.n_overlay = 1,
						.overlay = &overlay,
						.n_blocks = 100};

		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING,
			    match[i].counts);
		cr_expect_eq(fixture_pick(route, fleet, &request).reason ==
				     AIBRIX_REASON_PREFIX,
			     match[i].winners != 0, "%s", match[i].id);
		if (match[i].winners)
			cr_expect_eq(winners(route, fleet, &request),
				     match[i].winners, "%s", match[i].id);
		aibrix_route_free(route);
		aibrix_fleet_free(fleet);
	}
}

/* algorithms/prefix_cache_test.go, on our own prefix table. */
enum { BLOCK = 4, BLOCKS = 4, PODS = 4 };

struct sequence {
	aibrix_route *route;
	aibrix_fleet *fleet;
	aibrix_prefix *prefix;
	double counts[PODS];
};

/* Route prompt, count it as running, note its blocks: the pod.  The table
 * answers in percent, so the column is that of a prompt of 100 blocks. */
static uint32_t
sequence_step(struct sequence *s, const char *prompt, uint64_t entropy)
{
	static const uint64_t pods[PODS] = {0, 1, 2, 3};
	uint64_t hashes[BLOCKS], n;
	uint32_t percent[PODS], row;
	double blocks[PODS];
	aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, PODS, blocks};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 1,
					.overlay = &overlay,
					.n_blocks = 100,
					.entropy = entropy};

	cr_assert_eq(aibrix_compat_gateway_hashes(0, BLOCK, prompt,
						  strlen(prompt), hashes,
						  BLOCKS, &n),
		     AIBRIX_OK);
	aibrix_prefix_match(s->prefix, 0, pods, PODS, hashes, n, 0, percent);
	for (uint32_t pod = 0; pod < PODS; pod++)
		blocks[pod] = percent[pod];
	fixture_set(s->fleet, AIBRIX_COL_REQUESTS_RUNNING, s->counts);
	row = fixture_pick(s->route, s->fleet, &request).row;
	cr_assert_eq(aibrix_prefix_add(s->prefix, 0, row, hashes, n, 0),
		     AIBRIX_OK);
	s->counts[row]++;
	return row;
}

Test(golden_route, end_to_end_sequence)
{
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		struct sequence s = {.route = new_prefix_compat(8, 1),
				     .fleet = fixture_fleet(PODS, NULL)};
		uint32_t a, b, c, last;

		cr_assert_eq(aibrix_prefix_new(NULL, &s.prefix), AIBRIX_OK);
		a = sequence_step(&s, "abcdegfh", seed);
		b = sequence_step(&s, "wxyz", seed);
		cr_assert_neq(b, a);
		cr_assert_eq(sequence_step(&s, "abcdegfh", seed), a);
		c = sequence_step(&s, "abcd", seed);
		cr_assert(c != a && c != b, "A is above 1.707, B has one");
		cr_assert_eq(sequence_step(&s, "abcdefghijkl", seed), c);
		cr_assert_eq(sequence_step(&s, "abcdefgh", seed), c);
		s.counts[c] += 6;
		last = sequence_step(&s, "abcdefgh", seed);
		cr_assert_eq(last, 0 + 1 + 2 + 3 - a - b - c,
			     "the pod without requests");
		aibrix_prefix_free(s.prefix);
		aibrix_route_free(s.route);
		aibrix_fleet_free(s.fleet);
	}
}
