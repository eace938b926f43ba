/*
 * Circuit breaker of one node.
 *
 *              failures in a row, or their share of the window
 *     CLOSED ---------------------------------------------------> OPEN
 *       ^                                                        ^   |
 *       |                              a probe failed or is lost |   | back-off
 *       |                                                        |   v
 *       +------------------------------------------------- HALF OPEN
 *                        enough probes succeeded
 *
 * Epochs.  Each change of state begins a new epoch, and an admission carries
 * the number of its own.  With many requests in flight a dying node fails all
 * of them, most after the breaker has opened; they prove nothing that is not
 * known, and an old success must not close it.  So only outcomes of the
 * present epoch count.
 *
 * Time.  All waits are kept as what is left of them, and each call takes off
 * what the caller's clock moved since the one before.  No instant is stored,
 * so a clock that is set back takes nothing off once and then runs as ever: a
 * wait can become longer by a jump's slack, never by the jump.
 *
 *           now:  100   150    20    70        (set back by 130)
 *     taken off:         50     0    50
 *
 * The window is a ring of eight counters, each an eighth of it long.  A list
 * of outcomes would be exact, but would need room for as many as come.
 */
#include <assert.h>
#include <string.h>

#include <aibrix/base.h>

#include "store/backoff.h"
#include "store/breaker.h"

/* Callers read the clock before they get here: a little behind another is
 * no jump. */
#define SLACK_NS ((uint64_t)10 * 1000 * 1000)

#define MS ((uint64_t)1000 * 1000)

static void
count(uint64_t *counter)
{
	*counter += *counter < UINT64_MAX;
}

static void
opts_fill(struct breaker_opts *o)
{
	if (o->window_ns == 0)
		o->window_ns = 10000 * MS;
	if (o->backoff_min_ns == 0)
		o->backoff_min_ns = 100 * MS;
	if (o->backoff_max_ns == 0)
		o->backoff_max_ns = o->backoff_min_ns > 30000 * MS
					    ? o->backoff_min_ns
					    : 30000 * MS;
	if (o->probe_ns == 0)
		o->probe_ns = 5000 * MS;
	if (o->failures == 0)
		o->failures = 5;
	if (o->min_calls == 0)
		o->min_calls = 20;
	if (o->failure_pct == 0)
		o->failure_pct = 50;
	if (o->jitter_pct == 0)
		o->jitter_pct = 20;
	else if (o->jitter_pct == BREAKER_NO_JITTER)
		o->jitter_pct = 0;
	if (o->probes == 0)
		o->probes = 1;
	if (o->successes == 0)
		o->successes = 3;
}

int
aibrix__breaker_init(struct breaker *b, const struct breaker_opts *opts,
		     uint64_t entropy, uint64_t now_ns)
{
	struct breaker_opts o = *opts;

	opts_fill(&o);
	if (o.window_ns < BREAKER_BUCKETS ||
	    o.backoff_max_ns < o.backoff_min_ns || o.failure_pct > 100 ||
	    o.jitter_pct > 100)
		return AIBRIX_E_INVAL;
	memset(b, 0, sizeof(*b));
	b->opts = o;
	b->rand = entropy;
	b->epoch = 1;
	b->last_ns = now_ns;
	return AIBRIX_OK;
}

static void
window_clear(struct breaker *b)
{
	memset(b->buckets, 0, sizeof(b->buckets));
	b->age_ns = 0;
	b->in_row = 0;
}

static void
window_pass(struct breaker *b, uint64_t passed_ns)
{
	uint64_t bucket_ns = b->opts.window_ns / BREAKER_BUCKETS;
	uint64_t turns = passed_ns / bucket_ns;

	b->age_ns += passed_ns % bucket_ns;
	if (b->age_ns >= bucket_ns) {
		b->age_ns -= bucket_ns;
		turns++;
	}
	if (turns > BREAKER_BUCKETS)
		turns = BREAKER_BUCKETS;
	for (; turns > 0; turns--) {
		b->newest = (b->newest + 1) % BREAKER_BUCKETS;
		b->buckets[b->newest] = (struct breaker_bucket){0, 0};
	}
}

static void
window_add(struct breaker *b, int failed)
{
	struct breaker_bucket *k = &b->buckets[b->newest];

	/* Full: the share stands. */
	if (k->calls == UINT32_MAX)
		return;
	k->calls++;
	k->failures += failed != 0;
}

static int
window_bad(const struct breaker *b)
{
	uint64_t calls = 0, failures = 0;

	for (int i = 0; i < BREAKER_BUCKETS; i++) {
		calls += b->buckets[i].calls;
		failures += b->buckets[i].failures;
	}
	return calls >= b->opts.min_calls &&
	       failures * 100 >= calls * b->opts.failure_pct;
}

static void
breaker_enter(struct breaker *b, uint32_t state, uint64_t wait_ns)
{
	b->state = state;
	b->wait_ns = wait_ns;
	b->epoch++;
	b->running = 0;
	b->succeeded = 0;
}

static void
breaker_open(struct breaker *b)
{
	const struct breaker_opts *o = &b->opts;
	uint64_t wait =
		backoff_ns(o->backoff_min_ns, o->backoff_max_ns, b->level);

	b->level += b->level < UINT32_MAX;
	breaker_enter(b, BREAKER_OPEN,
		      jitter_ns(&b->rand, wait, o->jitter_pct));
	count(&b->stat.opened);
}

/* The back-off is forgotten after a good window, not at once: a node that
 * fails under load and answers probes would be tried at the shortest wait
 * for ever. */
static void
breaker_close(struct breaker *b)
{
	window_clear(b);
	breaker_enter(b, BREAKER_CLOSED, b->opts.window_ns);
	count(&b->stat.closed);
}

static void
breaker_pass(struct breaker *b, uint64_t passed_ns)
{
	uint64_t over = 0;

	if (passed_ns > b->wait_ns)
		over = passed_ns - b->wait_ns;
	b->wait_ns -= passed_ns - over;
	if (b->state == BREAKER_CLOSED) {
		window_pass(b, passed_ns);
		if (b->wait_ns == 0)
			b->level = 0;
	}
	if (b->state == BREAKER_HALF_OPEN && b->running > 0 &&
	    b->wait_ns == 0) {
		/* A lost probe.  The next wait began when its time ended,
		 * not when somebody looked. */
		breaker_open(b);
		b->wait_ns -= over < b->wait_ns ? over : b->wait_ns;
	}
}

static void
breaker_clock(struct breaker *b, uint64_t now_ns)
{
	uint64_t passed = 0;

	if (now_ns >= b->last_ns)
		passed = now_ns - b->last_ns;
	else if (b->last_ns - now_ns < SLACK_NS)
		return;
	b->last_ns = now_ns;
	breaker_pass(b, passed);
}

static int
breaker_admits(const struct breaker *b)
{
	if (b->state != BREAKER_HALF_OPEN)
		return b->state == BREAKER_CLOSED;
	/* No more than could still be needed to close it. */
	return b->running < b->opts.probes &&
	       b->running < b->opts.successes - b->succeeded;
}

int
aibrix__breaker_take(struct breaker *b, uint64_t now_ns, uint64_t *token,
		     uint64_t *until_ns)
{
	breaker_clock(b, now_ns);
	if (b->state == BREAKER_OPEN && b->wait_ns == 0)
		breaker_enter(b, BREAKER_HALF_OPEN, 0);
	if (!breaker_admits(b)) {
		*until_ns = b->last_ns > UINT64_MAX - b->wait_ns
				    ? UINT64_MAX
				    : b->last_ns + b->wait_ns;
		count(&b->stat.refused);
		return AIBRIX_E_UNAVAILABLE;
	}
	if (b->state == BREAKER_HALF_OPEN) {
		b->running++;
		b->wait_ns = b->opts.probe_ns;
		count(&b->stat.probes);
	}
	*token = b->epoch;
	return AIBRIX_OK;
}

static void
closed_give(struct breaker *b, int failed)
{
	window_add(b, failed);
	if (!failed) {
		b->in_row = 0;
		return;
	}
	b->in_row += b->in_row < UINT32_MAX;
	if (b->in_row >= b->opts.failures || window_bad(b))
		breaker_open(b);
}

static void
probe_give(struct breaker *b, int failed)
{
	if (failed)
		breaker_open(b);
	else if (++b->succeeded == b->opts.successes)
		breaker_close(b);
}

void
aibrix__breaker_give(struct breaker *b, uint64_t token, uint32_t outcome,
		     uint64_t now_ns)
{
	int failed = outcome == BREAKER_ERROR || outcome == BREAKER_TIMEOUT;

	assert(outcome <= BREAKER_NOTHING);
	breaker_clock(b, now_ns);
	/* Nothing was admitted while open, and no probe ends twice. */
	if (token != b->epoch || b->state == BREAKER_OPEN ||
	    (b->state == BREAKER_HALF_OPEN && b->running == 0)) {
		count(&b->stat.late);
		return;
	}
	b->running -= b->state == BREAKER_HALF_OPEN;
	if (outcome == BREAKER_NOTHING)
		return;
	if (b->state == BREAKER_CLOSED)
		closed_give(b, failed);
	else
		probe_give(b, failed);
}

void
aibrix__breaker_trip(struct breaker *b, uint64_t now_ns)
{
	breaker_clock(b, now_ns);
	if (b->state != BREAKER_OPEN)
		breaker_open(b);
}

uint32_t
aibrix__breaker_outcome(int status)
{
	switch (status) {
	case AIBRIX_OK: return BREAKER_SUCCESS;
	case AIBRIX_E_NOT_FOUND: return BREAKER_MISS;
	case AIBRIX_E_TIMEOUT: return BREAKER_TIMEOUT;
	/* Answers of a node that is well, which were not wanted. */
	case AIBRIX_E_FULL:
	case AIBRIX_E_SPACE: return BREAKER_SUCCESS;
	default:
		/* Down to -19 it is the call or this process. */
		return status <= AIBRIX_E_IO ? BREAKER_ERROR : BREAKER_NOTHING;
	}
}
