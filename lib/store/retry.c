/*
 * Retries that cannot make things worse.
 *
 * A node that struggles fails some calls; if each of them is sent again, it
 * gets twice the load at the moment when it can bear least.  So retries are
 * paid from a bucket of tokens which only first attempts fill:
 *
 *     each call   + budget_pct hundredths  -->  [ bucket, burst at most ]
 *     each retry  - 100 hundredths         <--
 *
 * Over any stretch of time: retries <= burst + budget_pct % of calls.  That
 * holds whatever fails and for what reason, and needs no clock.
 */
#include <string.h>

#include <aibrix/base.h>
#include <aibrix/store.h>

#include "store/backoff.h"
#include "store/retry.h"

#define MS ((uint64_t)1000 * 1000)

enum { TOKEN = 100 };

static void
opts_fill(struct retry_opts *o)
{
	if (o->backoff_min_ns == 0)
		o->backoff_min_ns = 2 * MS;
	if (o->backoff_max_ns == 0)
		o->backoff_max_ns = o->backoff_min_ns > 100 * MS
					    ? o->backoff_min_ns
					    : 100 * MS;
	if (o->jitter_pct == 0)
		o->jitter_pct = 50;
	if (o->retries == 0)
		o->retries = 1;
	if (o->budget_pct == 0)
		o->budget_pct = 10;
	if (o->burst == 0)
		o->burst = 10;
}

int
aibrix__retry_init(struct retry *r, const struct retry_opts *opts,
		   uint64_t entropy)
{
	struct retry_opts o = *opts;

	opts_fill(&o);
	if (o.backoff_max_ns < o.backoff_min_ns || o.jitter_pct > 100 ||
	    o.budget_pct > 100)
		return AIBRIX_E_INVAL;
	memset(r, 0, sizeof(*r));
	r->opts = o;
	r->rand = entropy;
	r->tokens = (uint64_t)o.burst * TOKEN;
	return AIBRIX_OK;
}

void
aibrix__retry_call(struct retry *r)
{
	uint64_t full = (uint64_t)r->opts.burst * TOKEN;

	r->tokens += r->opts.budget_pct;
	if (r->tokens > full)
		r->tokens = full;
}

/* PUT keeps a value that is there, and names are digests of contents.  A
 * second DELETE may come after the PUT of somebody else and undo it. */
static int
op_idempotent(uint32_t op)
{
	return op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT ||
	       op == AIBRIX_STORE_PROBE;
}

static int
status_passing(int32_t status)
{
	return status == AIBRIX_E_IO || status == AIBRIX_E_CLOSED ||
	       status == AIBRIX_E_TIMEOUT || status == AIBRIX_E_UNAVAILABLE;
}

static uint32_t
retry_answer(struct retry *r, const struct retry_call *call, uint64_t now_ns,
	     uint64_t *wait_ns)
{
	const struct retry_opts *o = &r->opts;
	uint64_t left = 0;

	if (!op_idempotent(call->op))
		return RETRY_UNSAFE;
	if (!status_passing(call->status))
		return RETRY_FINAL;
	if (call->retries >= o->retries)
		return RETRY_TIMES;
	*wait_ns = jitter_ns(
		&r->rand,
		backoff_ns(o->backoff_min_ns, o->backoff_max_ns, call->retries),
		o->jitter_pct);
	if (call->deadline_ns > now_ns)
		left = call->deadline_ns - now_ns;
	if (left <= *wait_ns || left - *wait_ns < call->need_ns)
		return RETRY_LATE;
	if (r->tokens < TOKEN)
		return RETRY_BUDGET;
	return RETRY_YES;
}

uint32_t
aibrix__retry_may(struct retry *r, const struct retry_call *call,
		  uint64_t now_ns, uint64_t *at_ns)
{
	uint64_t wait = 0;
	uint32_t answer = retry_answer(r, call, now_ns, &wait);

	r->answers[answer] += r->answers[answer] < UINT64_MAX;
	if (answer == RETRY_YES) {
		r->tokens -= TOKEN;
		/* No overflow: it is before the deadline. */
		*at_ns = now_ns + wait;
	}
	return answer;
}
