/* Session affinity: who a session belongs to. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { PODS = 8, SESSIONS = 12000 };

static const char *const addresses[PODS] = {
	"10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000", "10.0.0.4:8000",
	"10.0.0.5:8000", "10.0.0.6:8000", "10.0.0.7:8000", "10.0.0.8:8000"};

static aibrix_route_request
request_of(const char *key)
{
	return (aibrix_route_request){
		.size = sizeof(aibrix_route_request),
		.addresses = addresses,
		.n_addresses = PODS,
		.session_key = key,
		.session_key_len = key ? strlen(key) : 0,
	};
}

/* Least and most of 12000 sessions, in shares of what is fair. */
static void
shares(uint32_t profile, double *least, double *most)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route = fixture_route("session-affinity", profile);
	uint32_t count[PODS] = {0};
	char key[32];

	for (uint32_t i = 0; i < SESSIONS; i++) {
		aibrix_route_request request;

		snprintf(key, sizeof(key), "session-%u", i);
		request = request_of(key);
		count[fixture_pick(route, fleet, &request).row]++;
	}
	*least = INFINITY;
	*most = 0;
	for (uint32_t i = 0; i < PODS; i++) {
		*least = fmin(*least, count[i] * (double)PODS / SESSIONS);
		*most = fmax(*most, count[i] * (double)PODS / SESSIONS);
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* FNV-1a hardly moves its upper bits for keys that differ near the end
 * (defect 9). */
Test(route_session, profiles_differ_in_how_even_shares_are)
{
	double least, most;

	shares(AIBRIX_PROFILE_COMPAT, &least, &most);
	cr_expect_float_eq(least, 0.705, 0.001);
	cr_expect_float_eq(most, 1.219, 0.001);
	shares(AIBRIX_PROFILE_DEFAULT, &least, &most);
	cr_expect_gt(least, 0.93);
	cr_expect_lt(most, 1.07);
}

Test(route_session, ranks_of_one_pod_share_its_sessions)
{
	aibrix_fleet *fleet = fixture_fleet(0, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	uint32_t count[2] = {0}, row;
	char key[32];

	for (uint32_t rank = 0; rank < 2; rank++)
		cr_assert_eq(aibrix_fleet_add(
				     fleet, &(aibrix_owner){5, rank, 0}, &row),
			     0);
	for (uint32_t i = 0; i < 1000; i++) {
		aibrix_route_request request = {.size = sizeof(request),
						.session_key = key};

		request.session_key_len =
			(uint64_t)snprintf(key, sizeof(key), "session-%u", i);
		count[fixture_pick(route, fleet, &request).row]++;
	}
	cr_expect(count[0] > 430 && count[1] > 430);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* Mean 4 with ours, and a quarter above is 5: the sixth goes elsewhere. */
Test(route_session, a_session_leaves_a_row_that_has_too_many)
{
	static const double even[PODS] = {3, 3, 3, 3, 3, 3, 3, 3};
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	aibrix_route *compat = fixture_route("session-affinity", 1);
	aibrix_route_request request = request_of("alice");
	aibrix_route_result home, moved;
	double counts[PODS];

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, even);
	home = fixture_pick(route, fleet, &request);
	cr_expect_eq(home.reason, AIBRIX_REASON_SESSION_KEY);
	memcpy(counts, even, sizeof(counts));
	counts[home.row] = 30;
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	moved = fixture_pick(route, fleet, &request);
	cr_expect_eq(moved.reason, AIBRIX_REASON_SESSION_MOVED);
	cr_expect_neq(moved.row, home.row);
	/* The next in its order, not anyone. */
	request.entropy = 99;
	cr_expect_eq(fixture_pick(route, fleet, &request).row, moved.row);
	cr_expect_eq(fixture_pick(compat, fleet, &request).reason,
		     AIBRIX_REASON_SESSION_KEY);
	aibrix_route_free(route);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

Test(route_session, who_leaves_takes_only_its_own_sessions_along)
{
	static const double health[PODS] = {1, 1, 1, 0, 1, 1, 1, 1};
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	const aibrix_column gone = {AIBRIX_COL_HEALTH_RATIO, PODS, health};
	char key[32];

	for (uint32_t i = 0; i < 500; i++) {
		aibrix_route_request request;
		uint32_t before, after;

		snprintf(key, sizeof(key), "s%u", i);
		request = request_of(key);
		before = fixture_pick(route, fleet, &request).row;
		request.n_overlay = 1;
		request.overlay = &gone;
		after = fixture_pick(route, fleet, &request).row;
		cr_expect(before == 3 ? after != 3 : after == before);
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* AIBrix draws at random; fewest requests is at least a reason. */
Test(route_session, profiles_differ_without_a_session)
{
	static const double counts[PODS] = {5, 5, 5, 1, 5, 5, 5, 5};
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route =
			fixture_route("session-affinity", profile);
		aibrix_route_request request = request_of(NULL);
		uint32_t set = 0;

		for (; request.entropy < 128; request.entropy++)
			set |= 1u << fixture_pick(route, fleet, &request).row;
		cr_expect_eq(set, profile ? 255 : 8);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

Test(route_session, without_addresses_aibrix_has_nobody_and_a_key_will_do)
{
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	aibrix_route *compat = fixture_route("session-affinity", 1);
	aibrix_route_request request = {.size = sizeof(request),
					.session_key = "k",
					.session_key_len = 1};
	aibrix_route_result result = {.size = sizeof(result)};

	cr_expect_eq(fixture_pick(route, fleet, &request).reason,
		     AIBRIX_REASON_SESSION_KEY);
	cr_expect_eq(aibrix_route_pick(compat, fleet, &request, 0, &result),
		     AIBRIX_E_NOT_FOUND);
	aibrix_route_free(route);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

Test(route_session, ids_of_any_bytes_name_nobody)
{
	static const struct {
		const char *bytes;
		uint64_t len;
	} ids[] = {
		{"MTAuMC4wLjI6ODAwMA=", 19},
		{"MTAuMC4wLjI6ODAwMA", 18},
		{"====", 4},
		{"A===", 4},
		{"\0\0\0\0", 4},
		{"MTAuMC4wLjI6ODAw\xff\xfe==", 20},
		{"MTAuMC4w=jI6ODAwMA==", 20},
	};
	static char huge[100000];
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	aibrix_route_request request = request_of(NULL);

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		request.session_id = ids[i].bytes;
		request.session_id_len = ids[i].len;
		cr_expect_neq(fixture_pick(route, fleet, &request).reason,
			      AIBRIX_REASON_SESSION_ID, "%zu", i);
	}
	memset(huge, 'A', sizeof(huge));
	request.session_id = huge;
	request.session_id_len = sizeof(huge);
	cr_expect_neq(fixture_pick(route, fleet, &request).reason,
		      AIBRIX_REASON_SESSION_ID);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route_session, an_id_and_its_length_go_both_ways)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route = fixture_route("session-affinity", 0);
	aibrix_route_request request = request_of("key of another row");
	char id[32];

	for (uint32_t i = 0; i < PODS; i++) {
		uint64_t n;

		cr_assert_eq(aibrix_route_session_id(addresses[i], id,
						     sizeof(id), &n),
			     0);
		request.session_id = id;
		request.session_id_len = n;
		cr_expect_eq(fixture_pick(route, fleet, &request).row, i);
		cr_expect_eq(aibrix_route_session_id(addresses[i], id, n, &n),
			     AIBRIX_E_SPACE);
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* The bytes that an id is decoded into were 128, padding included, so those
 * of 127 and 128 were not found. */
Test(route_session, an_address_of_any_length_is_found_by_its_id)
{
	static const uint64_t lengths[] = {1, 126, 127, 128, 129, 1000};
	static char long_address[1001], id[1400];
	const char *const mine[2] = {"10.0.0.1:8000", long_address};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_request request = {.size = sizeof(request),
					.addresses = mine,
					.n_addresses = 2,
					.session_id = id};

	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route =
			fixture_route("session-affinity", profile);

		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]);
		     i++) {
			aibrix_route_result pick;
			uint64_t n;

			memset(long_address, 'a', sizeof(long_address));
			long_address[lengths[i]] = 0;
			cr_assert_eq(aibrix_route_session_id(long_address, id,
							     sizeof(id), &n),
				     AIBRIX_OK);
			request.session_id_len = n;
			pick = fixture_pick(route, fleet, &request);
			cr_expect_eq(pick.row, 1);
			cr_expect_eq(pick.reason, AIBRIX_REASON_SESSION_ID);
			/* One byte less is another one's. */
			long_address[lengths[i] - 1] = 0;
			pick = fixture_pick(route, fleet, &request);
			cr_expect_neq(pick.reason, AIBRIX_REASON_SESSION_ID);
		}
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

/* A session is a part of lists, worth eight requests (defect 2: a state of
 * one strategy does not depend on how many pods there are or on the list). */
Test(route_session, in_a_list_a_session_weighs_eight_requests)
{
	aibrix_fleet *fleet = fixture_fleet(PODS, NULL);
	aibrix_route *route =
		fixture_route("session-affinity,least-request", 0);
	aibrix_route_request request = request_of(NULL);
	double counts[PODS] = {0};

	request.session_id = "MTAuMC4wLjI6ODAwMA==";
	request.session_id_len = 20;
	counts[1] = 7;
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
	counts[1] = 9;
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_neq(fixture_pick(route, fleet, &request).row, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}
