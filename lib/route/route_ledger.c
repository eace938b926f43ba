/*
 * The ledger of reservations.
 *
 * AIBrix counts requests per pod: up after the pick, down at the end.
 * Between pick and count others see the same minimum and herd there (issue
 * 2422); an end that is lost leaves its request counted for ever, and one
 * that is told twice drives a count below zero, which then wins for ever.
 *
 *	pick --> open --first token--> open, no tokens --settle--> closed
 *	           '------- settle, or the lease ends -------------^
 *
 * So pick and charge are under one lock, and a charge is a thing with a
 * name: what a ticket stands for is given back once, whoever asks and how
 * often.  Tickets end with what they name, and accounts hold the owner
 * that the row had: neither a late end nor a row that went to another owner
 * can touch what is not theirs.
 */

#include <aibrix/ledger.h>

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ticket.h"
#include "base/versioned.h"
#include "fleet/fleet_view.h"

enum { OPEN_DEFAULT = 65536, OPEN_MAX = 1 << 20, BLOCK_TOKENS = 16 };

/* Sums stay below 2^53, so they are exact as doubles. */
static const double tokens_max = 4294967295.0;
static const uint64_t lease_default_ns = 600000000000u;
static const uint64_t others_max = (uint64_t)1 << 52;

/* What a ticket stands for. */
struct charge {
	double tokens;       /* not yet given back */
	uint32_t row, epoch; /* of its account */
};

/* Of a row as long as owner has it. */
struct account {
	aibrix_owner owner;
	uint32_t epoch;
	uint32_t used; /* owner is set */
	/* of the columns, what other gateways have charged */
	double others_requests, others_tokens;
};

struct aibrix_ledger {
	aibrix_allocator alloc;
	pthread_mutex_t lock;
	struct tickets tickets;
	struct charge *charges; /* by number of the ticket - 1 */
	size_t charges_cap;
	struct account *accounts; /* by row, as the two columns */
	double *requests, *tokens;
	size_t accounts_cap, requests_cap, tokens_cap;
};

int
aibrix_ledger_new(const aibrix_ledger_opts *opts, aibrix_ledger **out)
{
	aibrix_ledger_opts o;
	aibrix_allocator alloc;
	aibrix_ledger *ledger;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts,
				  STRUCT_UPTO(aibrix_ledger_opts, alloc));
	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	if (o.max_open > OPEN_MAX)
		return AIBRIX_E_INVAL;
	ledger = aibrix__alloc(&alloc, 1, sizeof(*ledger));
	if (!ledger)
		return AIBRIX_E_NOMEM;
	ledger->alloc = alloc;
	ledger->tickets.max_open = o.max_open ? o.max_open : OPEN_DEFAULT;
	ledger->tickets.lease_ns = o.lease_ns ? o.lease_ns : lease_default_ns;
	if (pthread_mutex_init(&ledger->lock, NULL) != 0) {
		aibrix__free(&alloc, ledger, 1, sizeof(*ledger));
		return AIBRIX_E_NOMEM;
	}
	*out = ledger;
	return AIBRIX_OK;
}

void
aibrix_ledger_free(aibrix_ledger *ledger)
{
	aibrix_allocator alloc;

	if (!ledger)
		return;
	alloc = ledger->alloc;
	pthread_mutex_destroy(&ledger->lock);
	aibrix__tickets_free(&ledger->tickets, &alloc);
	aibrix__free(&alloc, ledger->charges, ledger->charges_cap,
		     sizeof(*ledger->charges));
	aibrix__free(&alloc, ledger->accounts, ledger->accounts_cap,
		     sizeof(*ledger->accounts));
	aibrix__free(&alloc, ledger->requests, ledger->requests_cap,
		     sizeof(*ledger->requests));
	aibrix__free(&alloc, ledger->tokens, ledger->tokens_cap,
		     sizeof(*ledger->tokens));
	aibrix__free(&alloc, ledger, 1, sizeof(*ledger));
}

/* Whether c is still on its row's account. */
static int
charge_counts(const aibrix_ledger *ledger, const struct charge *c)
{
	return ledger->accounts[c->row].epoch == c->epoch;
}

static void
charge_prefilled(aibrix_ledger *ledger, struct charge *c)
{
	if (charge_counts(ledger, c))
		ledger->tokens[c->row] -= c->tokens;
	c->tokens = 0;
}

static void
charge_close(aibrix_ledger *ledger, uint32_t number)
{
	struct charge *c = &ledger->charges[number - 1];

	charge_prefilled(ledger, c);
	if (charge_counts(ledger, c))
		ledger->requests[c->row]--;
	aibrix__ticket_close(&ledger->tickets, number);
}

static uint64_t
leases_end(aibrix_ledger *ledger)
{
	uint64_t n = 0;
	uint32_t number;

	while ((number = aibrix__ticket_ended(&ledger->tickets)) !=
	       TICKET_NONE) {
		charge_close(ledger, number);
		n++;
	}
	return n;
}

static int
rows_reserve(aibrix_ledger *ledger, uint32_t rows)
{
	const aibrix_allocator *a = &ledger->alloc;
	int err = aibrix__grow(a, &ledger->requests, &ledger->requests_cap,
			       rows, sizeof(*ledger->requests));

	if (!err)
		err = aibrix__grow(a, &ledger->tokens, &ledger->tokens_cap,
				   rows, sizeof(*ledger->tokens));
	if (!err)
		err = aibrix__grow(a, &ledger->accounts, &ledger->accounts_cap,
				   rows, sizeof(*ledger->accounts));
	return err;
}

/* Room for one more reservation and for all rows of the fleet. */
static int
ledger_reserve(aibrix_ledger *ledger, uint32_t rows)
{
	const aibrix_allocator *a = &ledger->alloc;
	int err = aibrix__tickets_reserve(&ledger->tickets, a);

	if (!err)
		err = aibrix__grow(a, &ledger->charges, &ledger->charges_cap,
				   ledger->tickets.cap,
				   sizeof(*ledger->charges));
	return err ? err : rows_reserve(ledger, rows);
}

/* A row that has gone to another owner begins at 0. */
static void
accounts_follow(aibrix_ledger *ledger, const struct fleet_view *fleet)
{
	for (uint32_t row = 0; row < fleet->rows; row++) {
		struct account *account = &ledger->accounts[row];
		const aibrix_owner *owner = &fleet->owners[row];

		if (!fleet_view_used(fleet, row) ||
		    (account->used && account->owner.pod == owner->pod &&
		     account->owner.rank == owner->rank))
			continue;
		account->owner = *owner;
		account->used = 1;
		account->epoch++;
		account->others_requests = 0;
		account->others_tokens = 0;
		ledger->requests[row] = 0;
		ledger->tokens[row] = 0;
	}
}

/* Prompt tokens that row has to compute. */
static double
tokens_of(const aibrix_fleet *fleet, const aibrix_route_request *request,
	  uint32_t row)
{
	const double *blocks =
		aibrix_fleet_column(fleet, AIBRIX_COL_PREFIX_BLOCKS);
	double block =
		request->block_tokens ? request->block_tokens : BLOCK_TOKENS;
	double left = request->prompt_tokens
			      ? (double)request->prompt_tokens
			      : (double)request->n_blocks * block;

	for (uint32_t i = request->n_overlay; i-- > 0;)
		if (request->overlay[i].id == AIBRIX_COL_PREFIX_BLOCKS)
			blocks = request->overlay[i].values;
	if (blocks && isfinite(blocks[row]) && blocks[row] > 0)
		left -= floor(blocks[row]) * block;
	left = left < tokens_max ? left : tokens_max;
	return left > 0 ? left : 0;
}

static uint64_t
charge_open(aibrix_ledger *ledger, uint32_t row, double tokens)
{
	uint32_t number = aibrix__ticket_open(&ledger->tickets);

	ledger->charges[number - 1] =
		(struct charge){tokens, row, ledger->accounts[row].epoch};
	ledger->requests[row]++;
	ledger->tokens[row] += tokens;
	return aibrix__ticket_name(&ledger->tickets, number);
}

/* The pick with the ledger's columns before those of the request. */
static int
ledger_choose(aibrix_ledger *ledger, const aibrix_route *route,
	      const aibrix_fleet *fleet, aibrix_route_request *request,
	      uint64_t now_ns, aibrix_route_result *out)
{
	const uint32_t rows = aibrix_fleet_rows(fleet);
	aibrix_column overlay[AIBRIX_LEDGER_OVERLAYS_MAX + 2] = {
		{AIBRIX_COL_REQUESTS_RUNNING, rows, ledger->requests},
		{AIBRIX_COL_TOKENS_PENDING, rows, ledger->tokens}};

	if (request->n_overlay)
		memcpy(overlay + 2, request->overlay,
		       request->n_overlay * sizeof(*overlay));
	request->overlay = overlay;
	request->n_overlay += 2;
	return aibrix_route_pick(route, fleet, request, now_ns, out);
}

static int
locked_pick(aibrix_ledger *ledger, const aibrix_route *route,
	    const aibrix_fleet *fleet, const aibrix_route_request *request,
	    uint64_t now_ns, aibrix_route_result *out, uint64_t *ticket)
{
	const struct fleet_view view = aibrix__fleet_view(fleet);
	aibrix_route_request more = *request;
	aibrix_route_result result = {.size = sizeof(result)};
	int err;

	tickets_time(&ledger->tickets, now_ns);
	(void)leases_end(ledger);
	err = ledger_reserve(ledger, view.rows);
	if (err)
		return err;
	accounts_follow(ledger, &view);
	more.size = sizeof(more);
	err = ledger_choose(ledger, route, fleet, &more, now_ns, &result);
	if (err)
		return err;
	err = aibrix__struct_store(out, &result, sizeof(result),
				   STRUCT_UPTO(aibrix_route_result, spare));
	if (err)
		return err;
	*ticket = charge_open(ledger, result.row,
			      tokens_of(fleet, request, result.row));
	return AIBRIX_OK;
}

int
aibrix_ledger_pick(aibrix_ledger *ledger, const aibrix_route *route,
		   const aibrix_fleet *fleet,
		   const aibrix_route_request *request, uint64_t now_ns,
		   aibrix_route_result *out, uint64_t *ticket)
{
	aibrix_route_request ours;
	int err;

	if (!ledger || !route || !fleet || !request || !out || !ticket)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&ours, sizeof(ours), request,
				  STRUCT_UPTO(aibrix_route_request, entropy));
	if (err)
		return err;
	if (ours.n_overlay > AIBRIX_LEDGER_OVERLAYS_MAX ||
	    (ours.n_overlay && !ours.overlay))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	err = locked_pick(ledger, route, fleet, &ours, now_ns, out, ticket);
	pthread_mutex_unlock(&ledger->lock);
	return err;
}

static int
ticket_renew(aibrix_ledger *ledger, uint64_t ticket, uint64_t now_ns,
	     int prefilled)
{
	uint32_t number;

	if (!ledger)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	number = aibrix__ticket_find(&ledger->tickets, ticket);
	if (number) {
		aibrix__ticket_renew(&ledger->tickets, number);
		if (prefilled)
			charge_prefilled(ledger, &ledger->charges[number - 1]);
	}
	pthread_mutex_unlock(&ledger->lock);
	return number ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}

int
aibrix_ledger_first_token(aibrix_ledger *ledger, uint64_t ticket,
			  uint64_t now_ns)
{
	return ticket_renew(ledger, ticket, now_ns, 1);
}

int
aibrix_ledger_renew(aibrix_ledger *ledger, uint64_t ticket, uint64_t now_ns)
{
	return ticket_renew(ledger, ticket, now_ns, 0);
}

int
aibrix_ledger_settle(aibrix_ledger *ledger, uint64_t ticket)
{
	uint32_t number;

	if (!ledger)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	number = aibrix__ticket_find(&ledger->tickets, ticket);
	if (number)
		charge_close(ledger, number);
	pthread_mutex_unlock(&ledger->lock);
	return number ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}

int
aibrix_ledger_expire(aibrix_ledger *ledger, uint64_t now_ns, uint64_t *n)
{
	if (!ledger || !n)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	*n = leases_end(ledger);
	pthread_mutex_unlock(&ledger->lock);
	return AIBRIX_OK;
}

int
aibrix_ledger_read(aibrix_ledger *ledger, const aibrix_fleet *fleet,
		   uint32_t row, uint64_t *requests, uint64_t *tokens)
{
	aibrix_owner owner;
	int err;

	if (!ledger || !requests || !tokens)
		return AIBRIX_E_INVAL;
	err = aibrix_fleet_owner(fleet, row, &owner);
	if (err)
		return err;
	*requests = *tokens = 0;
	pthread_mutex_lock(&ledger->lock);
	if (row < ledger->accounts_cap && ledger->accounts[row].used &&
	    ledger->accounts[row].owner.pod == owner.pod &&
	    ledger->accounts[row].owner.rank == owner.rank) {
		const struct account *a = &ledger->accounts[row];

		*requests =
			(uint64_t)(ledger->requests[row] - a->others_requests);
		*tokens = (uint64_t)(ledger->tokens[row] - a->others_tokens);
	}
	pthread_mutex_unlock(&ledger->lock);
	return AIBRIX_OK;
}

/* Exact as a double, also beside what this gateway may have charged. */
static double
others_number(uint64_t x)
{
	return x < others_max ? (double)x : (double)others_max;
}

int
aibrix_ledger_others(aibrix_ledger *ledger, const aibrix_fleet *fleet,
		     uint32_t row, uint64_t requests, uint64_t tokens)
{
	double more_requests = others_number(requests);
	double more_tokens = others_number(tokens);
	struct fleet_view view;
	aibrix_owner owner;
	int err;

	if (!ledger)
		return AIBRIX_E_INVAL;
	err = aibrix_fleet_owner(fleet, row, &owner);
	if (err)
		return err;
	view = aibrix__fleet_view(fleet);
	pthread_mutex_lock(&ledger->lock);
	err = rows_reserve(ledger, view.rows);
	if (!err) {
		struct account *a = &ledger->accounts[row];

		accounts_follow(ledger, &view);
		ledger->requests[row] += more_requests - a->others_requests;
		ledger->tokens[row] += more_tokens - a->others_tokens;
		a->others_requests = more_requests;
		a->others_tokens = more_tokens;
	}
	pthread_mutex_unlock(&ledger->lock);
	return err;
}

uint64_t
aibrix_ledger_open(aibrix_ledger *ledger)
{
	uint64_t open;

	if (!ledger)
		return 0;
	pthread_mutex_lock(&ledger->lock);
	open = ledger->tickets.open;
	pthread_mutex_unlock(&ledger->lock);
	return open;
}
