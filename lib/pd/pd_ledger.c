/*
 * The ledger of reservations where a request has two pods.
 *
 * AIBrix has a tracker of prefills, one of decodes on their way and one of
 * tokens, each a map by request and counts by pod, with locks of their own:
 * an end that is told to one of them only, or never, leaves a pod charged
 * until a sweep an hour later, and counts are clamped at 0 because they can
 * get below.  Here one ticket names all that a request was charged, in parts:
 *
 *	PREFILL   requests and tokens being computed       at the prefill
 *	KV        tokens held until a decode has them      at the prefill
 *	ARRIVING  requests without a token                 at the decode
 *	DECODE    requests, and tokens of prompt and output  at the decode
 *
 * Each part is a bit that is cleared when it is given back, so nothing is
 * given back twice and no count can get below 0.
 *
 * Pods are numbers of the caller, not places, since a fleet's places change
 * hands between a charge and its end.
 */

#include <aibrix/pd_ledger.h>

#include <pthread.h>

#include "base/alloc.h"
#include "base/ticket.h"
#include "base/versioned.h"
#include "pd/pd_ledger_internal.h"

enum {
	OPEN_DEFAULT = 65536,
	PODS_DEFAULT = 4096,
	NUMBER_MAX = 1 << 20,
	REQUEST_TOKENS = 3500,
	FLAGS = AIBRIX_PD_LEDGER_REQUEST_TOKENS_SET |
		AIBRIX_PD_LEDGER_KV_WEIGHT_SET | AIBRIX_PD_LEDGER_KV_TO_END
};

static const uint64_t lease_default_ns = 600000000000u;
static const uint64_t others_max = (uint64_t)1 << 52;

static int
opts_load(aibrix_pd_ledger_opts *o, const aibrix_pd_ledger_opts *from,
	  aibrix_allocator *alloc)
{
	int err = aibrix__struct_load(
		o, sizeof(*o), from, STRUCT_UPTO(aibrix_pd_ledger_opts, alloc));

	if (!err)
		err = aibrix__allocator_load(alloc, o->alloc);
	if (err)
		return err;
	if (o->flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if (!(o->flags & AIBRIX_PD_LEDGER_REQUEST_TOKENS_SET))
		o->request_tokens = REQUEST_TOKENS;
	if (!(o->flags & AIBRIX_PD_LEDGER_KV_WEIGHT_SET))
		o->kv_weight = 0.3;
	if (o->max_open > NUMBER_MAX || o->max_pods > NUMBER_MAX ||
	    o->request_tokens > UINT32_MAX ||
	    !(o->kv_weight >= 0 && o->kv_weight <= 1))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_pd_ledger_new(const aibrix_pd_ledger_opts *opts, aibrix_pd_ledger **out)
{
	aibrix_pd_ledger_opts o;
	aibrix_allocator alloc;
	aibrix_pd_ledger *ledger;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = opts_load(&o, opts, &alloc);
	if (err)
		return err;
	ledger = aibrix__alloc(&alloc, 1, sizeof(*ledger));
	if (!ledger)
		return AIBRIX_E_NOMEM;
	ledger->alloc = alloc;
	ledger->flags = o.flags;
	ledger->request_tokens = o.request_tokens;
	ledger->kv_weight = o.kv_weight;
	ledger->max_pods = o.max_pods ? o.max_pods : PODS_DEFAULT;
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
aibrix_pd_ledger_free(aibrix_pd_ledger *ledger)
{
	aibrix_allocator alloc;

	if (!ledger)
		return;
	alloc = ledger->alloc;
	pthread_mutex_destroy(&ledger->lock);
	aibrix__tickets_free(&ledger->tickets, &alloc);
	aibrix__accounts_free(&ledger->accounts, &alloc);
	aibrix__free(&alloc, ledger->charges, ledger->charges_cap,
		     sizeof(*ledger->charges));
	aibrix__free(&alloc, ledger->stats, ledger->stats_cap,
		     sizeof(*ledger->stats));
	aibrix__free(&alloc, ledger, 1, sizeof(*ledger));
}

/* Give back those of the parts that were not. */
static void
parts_give_back(aibrix_pd_ledger *ledger, struct charge *c, uint32_t parts)
{
	struct account *a;

	parts &= c->parts;
	c->parts &= ~parts;
	if (parts & AT_PREFILL) {
		a = aibrix__account_find(&ledger->accounts, c->prefill);
		if (parts & PREFILL) {
			a->mine.prefills--;
			a->mine.tokens -= c->tokens;
		}
		if (parts & KV)
			a->mine.kv_tokens -= c->tokens;
		if (!(c->parts & AT_PREFILL)) {
			a->open--;
			aibrix__account_close(&ledger->accounts, a);
		}
	}
	if (parts & AT_DECODE) {
		a = aibrix__account_find(&ledger->accounts, c->decode);
		if (parts & ARRIVING)
			a->mine.arriving--;
		if (parts & DECODE) {
			a->mine.decodes--;
			a->mine.decode_tokens -= c->decode_tokens;
		}
		if (!(c->parts & AT_DECODE)) {
			a->open--;
			aibrix__account_close(&ledger->accounts, a);
		}
	}
}

static void
charge_close(aibrix_pd_ledger *ledger, uint32_t number)
{
	parts_give_back(ledger, &ledger->charges[number - 1],
			AT_PREFILL | AT_DECODE);
	aibrix__ticket_close(&ledger->tickets, number);
}

uint64_t
aibrix__pd_leases_end(aibrix_pd_ledger *ledger)
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

int
aibrix__pd_ledger_reserve(aibrix_pd_ledger *ledger)
{
	const aibrix_allocator *a = &ledger->alloc;
	int err = aibrix__tickets_reserve(&ledger->tickets, a);

	if (!err)
		err = aibrix__grow(a, &ledger->charges, &ledger->charges_cap,
				   ledger->tickets.cap,
				   sizeof(*ledger->charges));
	if (!err)
		err = aibrix__accounts_reserve(&ledger->accounts, a);
	return err;
}

static int
ticket_renew(aibrix_pd_ledger *ledger, uint64_t ticket, uint64_t now_ns,
	     uint32_t parts)
{
	uint32_t number;

	if (!ledger)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	number = aibrix__ticket_find(&ledger->tickets, ticket);
	if (number) {
		aibrix__ticket_renew(&ledger->tickets, number);
		if ((parts & KV) &&
		    (ledger->flags & AIBRIX_PD_LEDGER_KV_TO_END))
			parts &= ~(uint32_t)KV;
		parts_give_back(ledger, &ledger->charges[number - 1], parts);
	}
	pthread_mutex_unlock(&ledger->lock);
	return number ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}

int
aibrix_pd_ledger_prefilled(aibrix_pd_ledger *ledger, uint64_t ticket,
			   uint64_t now_ns)
{
	return ticket_renew(ledger, ticket, now_ns, PREFILL);
}

int
aibrix_pd_ledger_first_token(aibrix_pd_ledger *ledger, uint64_t ticket,
			     uint64_t now_ns)
{
	return ticket_renew(ledger, ticket, now_ns, AT_PREFILL | ARRIVING);
}

int
aibrix_pd_ledger_renew(aibrix_pd_ledger *ledger, uint64_t ticket,
		       uint64_t now_ns)
{
	return ticket_renew(ledger, ticket, now_ns, 0);
}

int
aibrix_pd_ledger_settle(aibrix_pd_ledger *ledger, uint64_t ticket)
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
aibrix_pd_ledger_expire(aibrix_pd_ledger *ledger, uint64_t now_ns, uint64_t *n)
{
	if (!ledger || !n)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	*n = aibrix__pd_leases_end(ledger);
	pthread_mutex_unlock(&ledger->lock);
	return AIBRIX_OK;
}

static uint64_t
at_most(uint64_t x, uint64_t most)
{
	return x < most ? x : most;
}

static void
others_set(aibrix_pd_ledger *ledger, struct account *a,
	   const aibrix_pd_charge *c)
{
	const aibrix_pd_charge most = {at_most(c->prefills, others_max),
				       at_most(c->tokens, others_max),
				       at_most(c->kv_tokens, others_max),
				       at_most(c->arriving, others_max),
				       at_most(c->decodes, others_max),
				       at_most(c->decode_tokens, others_max)};

	ledger->accounts.n_others -= aibrix__charge_is_none(&a->others) == 0;
	a->others = most;
	ledger->accounts.n_others += aibrix__charge_is_none(&a->others) == 0;
	aibrix__account_close(&ledger->accounts, a);
}

int
aibrix_pd_ledger_others(aibrix_pd_ledger *ledger, uint64_t pod,
			const aibrix_pd_charge *charge)
{
	struct account *a;
	int err = AIBRIX_OK;

	if (!ledger || !charge)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	a = aibrix__account_find(&ledger->accounts, pod);
	if (!aibrix__charge_is_none(charge) &&
	    (!a || aibrix__charge_is_none(&a->others)) &&
	    ledger->accounts.n_others == ledger->max_pods)
		err = AIBRIX_E_FULL;
	else if (!a && !aibrix__charge_is_none(charge))
		err = aibrix__accounts_reserve(&ledger->accounts,
					       &ledger->alloc);
	if (!err && !a && !aibrix__charge_is_none(charge))
		a = aibrix__account_open(&ledger->accounts, pod);
	if (!err && a)
		others_set(ledger, a, charge);
	pthread_mutex_unlock(&ledger->lock);
	return err;
}

int
aibrix_pd_ledger_forget(aibrix_pd_ledger *ledger, uint64_t pod)
{
	const aibrix_pd_charge none = {0};
	struct account *a;

	if (!ledger)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	for (uint32_t i = 0; i < ledger->tickets.n_slots; i++) {
		struct charge *c = &ledger->charges[i];

		if (c->prefill == pod)
			parts_give_back(ledger, c, AT_PREFILL);
		if (c->decode == pod)
			parts_give_back(ledger, c, AT_DECODE);
	}
	a = aibrix__account_find(&ledger->accounts, pod);
	if (a)
		others_set(ledger, a, &none);
	pthread_mutex_unlock(&ledger->lock);
	return AIBRIX_OK;
}

int
aibrix_pd_ledger_read(aibrix_pd_ledger *ledger, uint64_t pod,
		      aibrix_pd_charge *charge)
{
	const struct account *a;

	if (!ledger || !charge)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&ledger->lock);
	a = aibrix__account_find(&ledger->accounts, pod);
	*charge = a ? a->mine : (aibrix_pd_charge){0};
	pthread_mutex_unlock(&ledger->lock);
	return AIBRIX_OK;
}

uint64_t
aibrix_pd_ledger_open(aibrix_pd_ledger *ledger)
{
	uint64_t open;

	if (!ledger)
		return 0;
	pthread_mutex_lock(&ledger->lock);
	open = ledger->tickets.open;
	pthread_mutex_unlock(&ledger->lock);
	return open;
}
