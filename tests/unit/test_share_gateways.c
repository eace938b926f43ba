/* Two gateways of one fleet: what one has charged and claimed counts in what
 * the other picks. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/ledger.h>
#include <aibrix/pd_ledger.h>
#include <aibrix/predict.h>
#include <aibrix/share.h>

#include "fleet_fixture.h"

enum { BYTES = 1 << 15 };

#define SECOND 1000000000ull

static aibrix_share *shares[2];
static aibrix_sync_log *said;
static uint8_t message[BYTES];
static uint64_t n_message;
static aibrix_share_news news;

static void
open_rig(void)
{
	aibrix_sync_opts log = {.size = sizeof(log), .epoch = 1};
	aibrix_share_opts share = {.size = sizeof(share)};

	cr_assert_eq(aibrix_sync_log_new(&log, &said), AIBRIX_OK);
	for (share.origin = 0; share.origin < 2; share.origin++)
		cr_assert_eq(aibrix_share_new(&share, &shares[share.origin]),
			     AIBRIX_OK);
	news = (aibrix_share_news){.size = sizeof(news)};
}

static void
close_rig(void)
{
	aibrix_share_free(shares[0]);
	aibrix_share_free(shares[1]);
	aibrix_sync_log_free(said);
}

TestSuite(share_gateways, .init = open_rig, .fini = close_rig);

/* What gateway 0 has said from a number on reaches gateway 1. */
static void
tell(uint64_t from, const aibrix_share_sink *sink)
{
	uint64_t next;

	cr_assert_eq(aibrix_sync_log_write(said, from, message, BYTES,
					   &n_message, &next),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_share_take(shares[1], message, n_message, 0, sink,
				       &news),
		     AIBRIX_OK);
}

/* Gateway 1's ledgers and predictions, which gateway 0's messages reach. */
struct gateway {
	aibrix_ledger *ledger;
	aibrix_pd_ledger *pd;
	aibrix_predict *predict;
	aibrix_fleet *fleet;
};

static void
gateway_changed(void *ctx, const aibrix_share_count *c)
{
	struct gateway *g = ctx;
	aibrix_pd_charge charge;

	if (c->kind == AIBRIX_SHARE_LEDGER) {
		cr_assert_eq(aibrix_ledger_others(g->ledger, g->fleet,
						  (uint32_t)c->pod,
						  c->values[0], c->values[1]),
			     AIBRIX_OK);
		return;
	}
	memcpy(&charge, c->values, sizeof(charge));
	cr_assert_eq(aibrix_pd_ledger_others(g->pd, c->pod, &charge),
		     AIBRIX_OK);
}

static void
gateway_claim(void *ctx, const aibrix_share_claim_of *c)
{
	struct gateway *g = ctx;

	cr_assert_eq(aibrix_predict_add(g->predict, (uint32_t)c->pod, c->hashes,
					c->n, 0, c->lease_ns),
		     AIBRIX_OK);
}

/* Requests that gateway 1 knows of others. */
static uint64_t
owed(uint64_t pod)
{
	aibrix_share_count row = {.pod = pod, .kind = AIBRIX_SHARE_LEDGER};
	aibrix_share_count pd = {.pod = pod, .kind = AIBRIX_SHARE_PD_LEDGER};

	cr_assert_eq(aibrix_share_sum(shares[1], &row), AIBRIX_OK);
	cr_assert_eq(aibrix_share_sum(shares[1], &pd), AIBRIX_OK);
	return row.values[0] + pd.values[0] + pd.values[4];
}

/* Say what gateway 0 has charged to a pod now. */
static void
gateway_say(struct gateway *g, uint64_t pod)
{
	aibrix_share_count pd = {.pod = pod, .kind = AIBRIX_SHARE_PD_LEDGER};
	aibrix_share_count row = {.pod = pod, .kind = AIBRIX_SHARE_LEDGER};
	aibrix_pd_charge charge;

	cr_assert_eq(aibrix_pd_ledger_read(g->pd, pod, &charge), AIBRIX_OK);
	memcpy(pd.values, &charge, sizeof(charge));
	cr_assert_eq(aibrix_share_put(shares[0], said, &pd), AIBRIX_OK);
	cr_assert_eq(aibrix_ledger_read(g->ledger, g->fleet, (uint32_t)pod,
					&row.values[0], &row.values[1]),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_share_put(shares[0], said, &row), AIBRIX_OK);
}

static void
gateway_open(struct gateway *g, aibrix_fleet *fleet)
{
	g->fleet = fleet;
	cr_assert_eq(aibrix_ledger_new(NULL, &g->ledger), AIBRIX_OK);
	cr_assert_eq(aibrix_pd_ledger_new(NULL, &g->pd), AIBRIX_OK);
	cr_assert_eq(aibrix_predict_new(NULL, &g->predict), AIBRIX_OK);
}

static void
gateway_close(struct gateway *g)
{
	aibrix_ledger_free(g->ledger);
	aibrix_pd_ledger_free(g->pd);
	aibrix_predict_free(g->predict);
}

/* Where gateway 1 sends a request now. */
static uint32_t
gateway_pick(struct gateway *g, const aibrix_route *route)
{
	aibrix_route_request request = {.size = sizeof(request),
					.prompt_tokens = 100};
	aibrix_route_result result = {.size = sizeof(result)};
	uint64_t ticket;

	cr_assert_eq(aibrix_ledger_pick(g->ledger, route, g->fleet, &request, 0,
					&result, &ticket),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_ledger_settle(g->ledger, ticket), AIBRIX_OK);
	return result.row;
}

/* The prefill that gateway 1 takes of pods 0 and 2, of a group each. */
static uint64_t
gateway_pair(struct gateway *g)
{
	static const aibrix_pd_pod pods[4] = {
		{.group = 1, .role = AIBRIX_PD_PREFILL},
		{.group = 1, .role = AIBRIX_PD_DECODE},
		{.group = 2, .role = AIBRIX_PD_PREFILL},
		{.group = 2, .role = AIBRIX_PD_DECODE}};
	static const aibrix_pd_stat stats[4] = {{0}, {0}, {0}, {0}};
	static const uint64_t ids[4] = {0, 1, 2, 3};
	const aibrix_pd_view view = {pods, stats, ids, 4, 0};
	const aibrix_pd_request request = {.size = sizeof(request)};
	aibrix_pd_pick_result r = {.size = sizeof(r)};
	uint32_t prefill[2] = {0, 2}, decode[2] = {1, 3};
	aibrix_pd_lists l = {prefill, decode, 2, 2};
	double scores[4];
	uint64_t ticket;

	cr_assert_eq(aibrix_pd_ledger_pick(g->pd, NULL, &view, &l, &request, 0,
					   scores, &r, &ticket),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_pd_ledger_settle(g->pd, ticket), AIBRIX_OK);
	return ids[r.prefill];
}

Test(share_gateways, what_one_gateway_charged_and_claimed_counts_at_the_other)
{
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	struct gateway g[2];
	const aibrix_share_sink sink = {.size = sizeof(sink),
					.ctx = &g[1],
					.changed = gateway_changed,
					.claim = gateway_claim};
	const aibrix_pd_request request = {.size = sizeof(request),
					   .prompt_tokens = 900};
	const uint64_t hashes[3] = {11, 12, 13};
	const aibrix_share_claim_of claim = {
		.pod = 1, .lease_ns = SECOND, .hashes = hashes, .n = 3};
	aibrix_route_request routed = {.size = sizeof(routed),
				       .prompt_tokens = 50};
	aibrix_route_result result = {.size = sizeof(result)};
	uint64_t pd_ticket, ticket;
	double blocks[2] = {0, 0};

	gateway_open(&g[0], fleet);
	gateway_open(&g[1], fleet);
	cr_assert_eq(aibrix_pd_ledger_charge(g[0].pd, 0, 1, &request, NAN, 0,
					     &pd_ticket),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_ledger_pick(g[0].ledger, route, fleet, &routed, 0,
					&result, &ticket),
		     AIBRIX_OK);
	gateway_say(&g[0], 0);
	gateway_say(&g[0], 1);
	cr_assert_eq(aibrix_share_claim(said, &claim), AIBRIX_OK);
	/* twice, and the first from the middle */
	tell(2, &sink);
	cr_expect_eq(news.what, AIBRIX_SYNC_GAP);
	tell(1, &sink);
	tell(1, &sink);
	cr_expect_eq(gateway_pick(&g[1], route), 1 - result.row);
	cr_expect_eq(owed(0) + owed(1), 3);
	cr_expect_eq(gateway_pair(&g[1]), 2, "0 is charged there");
	cr_assert_eq(
		aibrix_predict_match(g[1].predict, hashes, 3, 0, blocks, 2),
		AIBRIX_OK);
	cr_expect_eq(blocks[1], 3.);
	cr_expect_eq(blocks[0], 0.);
	/* it ends there, and so here */
	cr_assert_eq(aibrix_pd_ledger_settle(g[0].pd, pd_ticket), AIBRIX_OK);
	cr_assert_eq(aibrix_ledger_settle(g[0].ledger, ticket), AIBRIX_OK);
	gateway_say(&g[0], 0);
	gateway_say(&g[0], 1);
	tell(news.want, &sink);
	cr_expect_eq(owed(0) + owed(1), 0);
	gateway_close(&g[0]);
	gateway_close(&g[1]);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}
