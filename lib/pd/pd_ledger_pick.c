/*
 * A pick and its charge in one step.
 *
 *	stats of the caller --+--> gate --> pick --> charge of both
 *	charges of each pod --'
 *
 * What AIBrix's tracker of tokens charges (source: token_load_tracker.go of a
 * later revision): a fixed cost for each request, and the prompt's tokens
 * that the pod has to compute.
 */

#include <aibrix/pd_buckets.h>
#include <aibrix/pd_ledger.h>

#include <math.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "pd/pd_internal.h"
#include "pd/pd_ledger_internal.h"

/* 2^20 of them, of two such numbers each, are exact as doubles. */
static const uint64_t tokens_max = UINT32_MAX;

static uint64_t
at_most(uint64_t x, uint64_t most)
{
	return x < most ? x : most;
}

/* Tokens of the prompt that a prefill has to compute. */
static uint64_t
tokens_new(const aibrix_pd_request *r, double match_percent)
{
	double match = fmin(stat_known(match_percent), 100);
	uint64_t prompt = at_most(r->prompt_tokens, tokens_max);

	if (r->session_tokens && r->session_tokens < prompt)
		return prompt - r->session_tokens;
	if (isnan(stat_known(match_percent)))
		return prompt;
	return (uint64_t)((double)prompt * (100 - match) / 100);
}

/* There is room. */
static uint64_t
charge_open(aibrix_pd_ledger *ledger, uint64_t prefill, uint64_t decode,
	    const aibrix_pd_request *r, double match_percent)
{
	uint32_t number = aibrix__ticket_open(&ledger->tickets);
	struct charge *c = &ledger->charges[number - 1];
	struct account *a;

	*c = (struct charge){
		.prefill = prefill,
		.decode = decode,
		.tokens = ledger->request_tokens + tokens_new(r, match_percent),
		.decode_tokens = at_most(r->prompt_tokens, tokens_max) +
				 at_most(r->output_tokens, tokens_max),
		.parts = AT_PREFILL | AT_DECODE};
	a = aibrix__account_open(&ledger->accounts, prefill);
	a->open++;
	a->mine.prefills++;
	a->mine.tokens += c->tokens;
	a->mine.kv_tokens += c->tokens;
	a = aibrix__account_open(&ledger->accounts, decode);
	a->open++;
	a->mine.arriving++;
	a->mine.decodes++;
	a->mine.decode_tokens += c->decode_tokens;
	return aibrix__ticket_name(&ledger->tickets, number);
}

static aibrix_pd_charge
charge_of(const aibrix_pd_ledger *ledger, uint64_t pod)
{
	const struct account *a = aibrix__account_find(&ledger->accounts, pod);
	aibrix_pd_charge c = {0};

	if (!a)
		return c;
	c.prefills = a->mine.prefills + a->others.prefills;
	c.tokens = a->mine.tokens + a->others.tokens;
	c.kv_tokens = a->mine.kv_tokens + a->others.kv_tokens;
	c.arriving = a->mine.arriving + a->others.arriving;
	c.decodes = a->mine.decodes + a->others.decodes;
	c.decode_tokens = a->mine.decode_tokens + a->others.decode_tokens;
	return c;
}

/* Does any decode say how many are running? */
static int
running_is_known(const aibrix_pd_stat *stats, const aibrix_pd_lists *l)
{
	for (uint32_t i = 0; i < l->n_decode; i++)
		if (!isnan(stat_known(stats[l->decode[i]].running)))
			return 1;
	return 0;
}

/* What is known of the pods in the lists, with what they are charged. */
static void
stats_lay(aibrix_pd_ledger *ledger, const aibrix_pd_view *view,
	  const aibrix_pd_lists *l)
{
	int known = running_is_known(view->stats, l);

	for (uint32_t i = 0; i < l->n_prefill; i++) {
		uint32_t at = l->prefill[i];
		aibrix_pd_charge c = charge_of(ledger, view->ids[at]);
		aibrix_pd_stat *s = &ledger->stats[at];

		*s = view->stats[at];
		s->pending = (uint32_t)at_most(c.prefills, UINT32_MAX);
		s->charged_tokens = (double)c.tokens +
				    ledger->kv_weight * (double)c.kv_tokens;
	}
	for (uint32_t i = 0; i < l->n_decode; i++) {
		uint32_t at = l->decode[i];
		aibrix_pd_charge c = charge_of(ledger, view->ids[at]);
		aibrix_pd_stat *s = &ledger->stats[at];

		*s = view->stats[at];
		s->pending = (uint32_t)at_most(c.arriving, UINT32_MAX);
		s->charged_tokens = (double)c.decode_tokens;
		if (!known)
			s->running = (double)(c.decodes -
					      at_most(c.arriving, c.decodes));
	}
}

static int
locked_pick(aibrix_pd_ledger *ledger, const aibrix_pd_opts *opts,
	    const aibrix_pd_view *view, aibrix_pd_lists *lists,
	    const aibrix_pd_request *r, double *scores,
	    aibrix_pd_pick_result *mine)
{
	uint32_t gates = 0;
	int err = aibrix__pd_ledger_reserve(ledger);

	if (!err)
		err = aibrix__grow(&ledger->alloc, &ledger->stats,
				   &ledger->stats_cap, view->n,
				   sizeof(*ledger->stats));
	if (err)
		return err;
	stats_lay(ledger, view, lists);
	err = aibrix_pd_gate(opts, view->pods, ledger->stats, view->n,
			     r->entropy, lists, &gates);
	if (!err && gates == 0 && (r->flags & AIBRIX_PD_REQUEST_GROUP))
		err = aibrix_pd_keep(view->pods, view->n, r->group, lists);
	if (err)
		return err;
	err = aibrix_pd_pick(opts, view->pods, ledger->stats, view->n, lists,
			     r->prompt_tokens, r->entropy, scores, mine);
	mine->gates = gates;
	return err;
}

int
aibrix_pd_ledger_pick(aibrix_pd_ledger *ledger, const aibrix_pd_opts *opts,
		      const aibrix_pd_view *view, aibrix_pd_lists *lists,
		      const aibrix_pd_request *request, uint64_t now_ns,
		      double *scores, aibrix_pd_pick_result *result,
		      uint64_t *ticket)
{
	const uint32_t v1 =
		STRUCT_UPTO(aibrix_pd_pick_result, max_free_percent);
	aibrix_pd_pick_result mine = {.size = sizeof(mine),
				      .prefill = AIBRIX_PD_NOBODY,
				      .decode = AIBRIX_PD_NOBODY};
	aibrix_pd_request r;
	int err, stored;

	if (!ledger || !view || !lists || !request || !result || !ticket ||
	    view->spare || (view->n > 0 && (!view->ids || !scores)))
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&r, sizeof(r), request,
				  STRUCT_UPTO(aibrix_pd_request, group));
	if (!err && (r.flags & ~(uint32_t)AIBRIX_PD_REQUEST_GROUP))
		err = AIBRIX_E_ABI;
	if (!err) /* may the lists be read? */
		err = aibrix__pd_lists_check(view->pods, view->stats, view->n,
					     lists);
	if (!err) /* does the result have a size? */
		err = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	if (err)
		return err;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	(void)aibrix__pd_leases_end(ledger);
	err = locked_pick(ledger, opts, view, lists, &r, scores, &mine);
	if (!err)
		*ticket = charge_open(ledger, view->ids[mine.prefill],
				      view->ids[mine.decode], &r,
				      view->stats[mine.prefill].match_percent);
	pthread_mutex_unlock(&ledger->lock);
	stored = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	return err ? err : stored;
}

int
aibrix_pd_ledger_charge(aibrix_pd_ledger *ledger, uint64_t prefill,
			uint64_t decode, const aibrix_pd_request *request,
			double match_percent, uint64_t now_ns, uint64_t *ticket)
{
	aibrix_pd_request r;
	int err;

	if (!ledger || !request || !ticket)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&r, sizeof(r), request,
				  STRUCT_UPTO(aibrix_pd_request, group));
	if (!err && (r.flags & ~(uint32_t)AIBRIX_PD_REQUEST_GROUP))
		err = AIBRIX_E_ABI;
	if (err)
		return err;
	pthread_mutex_lock(&ledger->lock);
	tickets_time(&ledger->tickets, now_ns);
	(void)aibrix__pd_leases_end(ledger);
	err = aibrix__pd_ledger_reserve(ledger);
	if (!err)
		*ticket =
			charge_open(ledger, prefill, decode, &r, match_percent);
	pthread_mutex_unlock(&ledger->lock);
	return err;
}
