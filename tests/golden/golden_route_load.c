/* AIBrix e3e10f9: the expected answers of its Go tests of least-load,
 * pack-load, power-of-two and session affinity (named at each table), asked
 * of the compat profile. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { MAX = 3, DRAWS = 64 };

/* algorithms/least_load_test.go.  An error of a pod is a value that is not
 * known, one for ever is infinite; result: a row, or a status below 0. */
static const struct {
	const char *id, *strategy;
	uint32_t n;
	double load[MAX], added[MAX];
	int result;
} loads[] = {
	{"load01", "least-load", 3, {.3, .1, .5}, {0}, 1},
	{"load02", "least-load", 2, {.5, .5}, {0}, 1},
	{"load04", "least-load", 3, {NAN, .7, .3}, {0}, 2},
	{"load05", "least-load", 1, {NAN}, {0}, AIBRIX_E_NOT_FOUND},
	{"load06", "least-load-pulling", 2, {.3, .1}, {.2, .1}, 1},
	{"load07",
	 "least-load-pulling",
	 2,
	 {.8, .9},
	 {.3, .2},
	 AIBRIX_E_UNAVAILABLE},
	{"load09", "least-load-pulling", 1, {.5}, {NAN}, AIBRIX_E_NOT_FOUND},
	{"load10", "least-load-pulling", 2, {.3, .3}, {.2, .1}, 1},
	{"load11", "least-load-pulling", 1, {.8}, {.2}, 0},
	{"load12", "least-load", 0, {0}, {0}, AIBRIX_E_NOT_FOUND},
};

Test(golden_route_load, least_load)
{
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		aibrix_fleet *fleet = fixture_fleet(loads[i].n, NULL);
		aibrix_route *route = fixture_route(loads[i].strategy, 1);
		aibrix_route_request request = {.size = sizeof(request)};
		aibrix_route_result result = {.size = sizeof(result)};
		int got;

		fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, loads[i].load);
		fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO,
			    loads[i].added);
		got = aibrix_route_pick(route, fleet, &request, 0, &result);
		cr_expect_eq(got ? got : (int)result.row, loads[i].result, "%s",
			     loads[i].id);
		aibrix_route_free(route);
		aibrix_fleet_free(fleet);
	}
}

/* algorithms/power_of_two_test.go: a port is a row. */
Test(golden_route_load, po01_po02_each_port_is_a_candidate)
{
	aibrix_fleet *fleet = fixture_fleet(0, NULL);
	aibrix_route *route = fixture_route("power-of-two", 1);
	aibrix_route_request request = {.size = sizeof(request)};
	uint32_t row;

	for (uint32_t port = 0; port < 4; port++)
		cr_assert_eq(aibrix_fleet_add(
				     fleet, &(aibrix_owner){1, port, 0}, &row),
			     0);
	cr_expect_eq(fixture_pick(route, fleet, &request).candidates, 4);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(golden_route_load, po04_po05_keys_of_counters)
{
	char key[64];
	uint64_t n;

	cr_assert_eq(aibrix_route_count_key("test-model", "test-pod", 8001,
					    1753000000, key, sizeof(key), &n),
		     0);
	cr_expect_str_eq(key,
			 "po2_req_count:test-model:test-pod_8001:1752998400");
	cr_expect_eq(n, strlen(key));
	cr_expect_eq(1752998400 % 3600, 0);
	cr_assert_eq(aibrix_route_count_key("m", "test-pod", 0, 0, key, 64, &n),
		     0);
	cr_expect_str_eq(key, "po2_req_count:m:test-pod:0");
	cr_expect_eq(aibrix_route_count_key("m", "test-pod", 0, 0, key, 26, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 26);
	cr_expect_eq(aibrix_route_count_key(NULL, "p", 0, 0, key, 64, &n),
		     AIBRIX_E_INVAL);
}

/* po06: counters 5, 10 and absent are 5, 10 and 0. */
Test(golden_route_load, po06_an_absent_counter_is_zero)
{
	static const double counts[] = {5, 10, NAN};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("power-of-two", 1);
	aibrix_route_request request = {.size = sizeof(request)};
	uint32_t wins[3] = {0};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (; request.entropy < DRAWS; request.entropy++)
		wins[fixture_pick(route, fleet, &request).row]++;
	cr_expect_gt(wins[0], 0, "against 10");
	cr_expect_eq(wins[1], 0, "never: another is always drawn with it");
	cr_expect_gt(wins[2], wins[0], "against both");
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* po09: of equals the first drawn, so all of them are. */
Test(golden_route_load, po09_of_equals_the_first_sample_stands)
{
	static const double counts[] = {3, 3};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("power-of-two", 1);
	aibrix_route_request request = {.size = sizeof(request)};
	uint32_t wins[2] = {0};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (; request.entropy < DRAWS; request.entropy++)
		wins[fixture_pick(route, fleet, &request).row]++;
	cr_expect(wins[0] > 16 && wins[1] > 16);
	cr_expect_eq(fixture_pick(route, fleet, &request).ties, 2);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* algorithms/simple_session_affinity_test.go, and hashes computed apart. */
static const char *const addresses[] = {"10.0.0.1:8000", "10.0.0.2:8000",
					"10.0.0.3:8000"};

static aibrix_route_result
session_pick(const char *id, const char *key, uint64_t key_len,
	     const uint32_t *rows, uint64_t entropy)
{
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("session-affinity", 1);
	aibrix_route_request request = {
		.size = sizeof(request),
		.rows = rows,
		.n_rows = rows ? 3 : 0,
		.addresses = addresses,
		.n_addresses = 3,
		.session_id = id,
		.session_id_len = id ? strlen(id) : 0,
		.session_key = key,
		.session_key_len = key_len,
		.entropy = entropy,
	};
	aibrix_route_result result = fixture_pick(route, fleet, &request);

	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return result;
}

Test(golden_route_load, sa01_an_id_is_the_address)
{
	aibrix_route_result r =
		session_pick("MTAuMC4wLjI6ODAwMA==", NULL, 0, NULL, 5);

	cr_expect_eq(r.row, 1);
	cr_expect_eq(r.reason, AIBRIX_REASON_SESSION_ID);
	cr_expect_eq(r.score, 1);
}

Test(golden_route_load, sa02_without_a_usable_id_any_candidate)
{
	static const char *const ids[] = {NULL, "!!!", "OS45LjkuOTo5"};

	for (size_t i = 0; i < 3; i++) {
		uint32_t set = 0;

		for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
			aibrix_route_result r =
				session_pick(ids[i], NULL, 0, NULL, entropy);

			set |= 1u << r.row;
			cr_expect_eq(r.reason, AIBRIX_REASON_SESSION_NONE);
		}
		cr_expect_eq(set, 7);
	}
}

Test(golden_route_load, sa04_the_id_of_an_answer_is_its_own_address)
{
	char id[64];
	uint64_t n;

	cr_assert_eq(aibrix_route_session_id("2.2.2.2:8000", id, 64, &n), 0);
	cr_expect_str_eq(id, "Mi4yLjIuMjo4MDAw");
	cr_assert_eq(aibrix_route_session_id(addresses[1], id, 64, &n), 0);
	cr_expect_str_eq(id, "MTAuMC4wLjI6ODAwMA==");
}

/* sa09 and sa10, whose hashes are 9b54e73c41bb0ab6, e3f87ce8efaa64f1,
 * f588f7d370718b2c and a844a59e9c3f384d, ee8afe585f4e4d22,
 * 6de7fbb83ca79adf; sa05: in each order of the list. */
Test(golden_route_load, sa05_sa09_sa10_a_key_points_to_one_address)
{
	static const uint32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (size_t i = 0; i < 6; i++) {
		aibrix_route_result r =
			session_pick(NULL, "user-1", 6, orders[i], i);

		cr_expect_eq(r.row, 2);
		cr_expect_eq(r.reason, AIBRIX_REASON_SESSION_KEY);
		cr_expect_eq(session_pick(NULL, "x", 1, orders[i], i).row, 1);
	}
}

Test(golden_route_load, sa06_an_id_wins_over_a_key)
{
	cr_expect_eq(
		session_pick("MTAuMC4wLjI6ODAwMA==", "user-1", 6, NULL, 0).row,
		1);
}

Test(golden_route_load, sa07_a_key_of_257_bytes_points_nowhere)
{
	char key[257];

	memset(key, 'k', sizeof(key));
	cr_expect_eq(session_pick(NULL, key, 257, NULL, 0).reason,
		     AIBRIX_REASON_SESSION_NONE);
	cr_expect_eq(session_pick(NULL, key, 256, NULL, 0).reason,
		     AIBRIX_REASON_SESSION_KEY);
}
