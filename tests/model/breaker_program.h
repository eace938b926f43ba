/*
 * A breaker and a naive one go through the same program: calls, outcomes in
 * any order, a node that falls ill and gets well, a clock that jumps.  What
 * happens is drawn from a seed, or from bytes:
 *
 *	byte 0: options
 *	then for each step: what, and how
 *
 * The naive one keeps every outcome and absolute times, and works out from
 * them what the state is.
 */
#ifndef TESTS_BREAKER_PROGRAM_H
#define TESTS_BREAKER_PROGRAM_H

#include <stdlib.h>

#include <aibrix/base.h>

#include "choices.h"
#include "store/backoff.h"
#include "store/breaker.h"

enum { STEPS_MAX = 20000, FLIGHT = 64 };

#define BEGIN_NS ((uint64_t)1 << 60) /* room to jump back */

struct outcome {
	uint64_t epoch, at_ns;
	int failed;
};

struct naive {
	struct breaker_opts opts;
	struct outcome *all; /* STEPS_MAX */
	uint32_t n;
	uint64_t rand;
	uint64_t clock_ns; /* the program's, as last believed */
	uint64_t t_ns;     /* time that has passed */
	uint64_t since_ns; /* on t_ns: when the epoch began */
	uint64_t until_ns; /* on t_ns: end of what the state waits for */
	uint64_t epoch;
	uint32_t state, level, running, succeeded;
	struct breaker_stat stat;
	uint32_t fault; /* so many failures more until it opens: wrong */
};

static void
naive_enter(struct naive *m, uint32_t state, uint64_t at_ns, uint64_t wait_ns)
{
	m->state = state;
	m->epoch++;
	m->since_ns = at_ns;
	m->until_ns = at_ns + wait_ns;
	m->running = m->succeeded = 0;
}

static void
naive_open(struct naive *m, uint64_t at_ns)
{
	uint64_t wait = m->opts.backoff_min_ns;

	for (uint32_t i = 0; i < m->level && wait < m->opts.backoff_max_ns; i++)
		wait *= 2;
	if (wait > m->opts.backoff_max_ns)
		wait = m->opts.backoff_max_ns;
	m->level++;
	m->stat.opened++;
	naive_enter(m, BREAKER_OPEN, at_ns,
		    jitter_ns(&m->rand, wait, m->opts.jitter_pct));
}

static void
naive_clock(struct naive *m, uint64_t now_ns)
{
	if (now_ns >= m->clock_ns)
		m->t_ns += now_ns - m->clock_ns;
	else if (m->clock_ns - now_ns < 10000000)
		return;
	m->clock_ns = now_ns;
	if (m->state == BREAKER_CLOSED && m->t_ns >= m->until_ns)
		m->level = 0;
	if (m->state == BREAKER_HALF_OPEN && m->running > 0 &&
	    m->t_ns >= m->until_ns)
		naive_open(m, m->until_ns);
}

/* 0: refused. */
static uint64_t
naive_take(struct naive *m, uint64_t now_ns, uint64_t *until_ns)
{
	naive_clock(m, now_ns);
	if (m->state == BREAKER_OPEN && m->t_ns >= m->until_ns)
		naive_enter(m, BREAKER_HALF_OPEN, m->t_ns, 0);
	if (m->state == BREAKER_CLOSED)
		return m->epoch;
	if (m->state == BREAKER_OPEN || m->running == m->opts.probes ||
	    m->running + m->succeeded == m->opts.successes) {
		*until_ns = m->clock_ns + (m->until_ns - m->t_ns);
		m->stat.refused++;
		return 0;
	}
	m->running++;
	m->until_ns = m->t_ns + m->opts.probe_ns;
	m->stat.probes++;
	return m->epoch;
}

static int
naive_bad(const struct naive *m)
{
	uint64_t bucket_ns = m->opts.window_ns / BREAKER_BUCKETS;
	uint64_t now = (m->t_ns - m->since_ns) / bucket_ns;
	uint32_t calls = 0, failures = 0, in_row = 0;
	int ended = 0;

	for (uint32_t i = m->n; i > 0 && m->all[i - 1].epoch == m->epoch; i--) {
		const struct outcome *o = &m->all[i - 1];

		ended |= !o->failed;
		in_row += !ended;
		if ((o->at_ns - m->since_ns) / bucket_ns + BREAKER_BUCKETS >
		    now) {
			calls++;
			failures += o->failed != 0;
		}
	}
	return in_row >= m->opts.failures + m->fault ||
	       (calls >= m->opts.min_calls &&
		failures * 100 >= calls * m->opts.failure_pct);
}

static void
naive_give(struct naive *m, uint64_t token, uint32_t outcome, uint64_t now_ns)
{
	int failed = outcome == BREAKER_ERROR || outcome == BREAKER_TIMEOUT;

	naive_clock(m, now_ns);
	if (token != m->epoch) {
		m->stat.late++;
		return;
	}
	if (m->state == BREAKER_HALF_OPEN)
		m->running--;
	if (outcome == BREAKER_NOTHING)
		return;
	m->all[m->n++] = (struct outcome){m->epoch, m->t_ns, failed};
	if (m->state == BREAKER_CLOSED) {
		if (failed && naive_bad(m))
			naive_open(m, m->t_ns);
	} else if (failed) {
		naive_open(m, m->t_ns);
	} else if (++m->succeeded == m->opts.successes) {
		m->stat.closed++;
		naive_enter(m, BREAKER_CLOSED, m->t_ns, m->opts.window_ns);
	}
}

static void
naive_trip(struct naive *m, uint64_t now_ns)
{
	naive_clock(m, now_ns);
	if (m->state != BREAKER_OPEN)
		naive_open(m, m->t_ns);
}

struct pair {
	struct breaker b;
	struct naive m;
	uint64_t now_ns;
	uint64_t flight[FLIGHT]; /* tokens */
	uint32_t flying;
	int ill;
	struct choices choices;
};

static int
pair_equal(const struct pair *p)
{
	const struct breaker_stat *a = &p->b.stat, *z = &p->m.stat;

	return p->b.state == p->m.state && p->b.epoch == p->m.epoch &&
	       p->b.running == p->m.running && a->opened == z->opened &&
	       a->closed == z->closed && a->refused == z->refused &&
	       a->probes == z->probes && a->late == z->late;
}

static int
pair_take(struct pair *p)
{
	uint64_t token = 0, until = 0, want_until = 0, want;
	uint32_t probes = 0;

	if (p->flying == FLIGHT)
		return 1;
	want = naive_take(&p->m, p->now_ns, &want_until);
	if (aibrix__breaker_take(&p->b, p->now_ns, &token, &until))
		return want == 0 && token == 0 && until == want_until &&
		       until - p->b.last_ns <=
			       p->b.opts.backoff_max_ns + p->b.opts.probe_ns;
	p->flight[p->flying++] = token;
	for (uint32_t i = 0; i < p->flying; i++)
		probes += p->flight[i] == token;
	/* What the naive one says, and whatever it says. */
	return token == want && p->b.state != BREAKER_OPEN &&
	       (p->b.state == BREAKER_CLOSED || probes <= p->b.opts.probes);
}

static int
pair_give(struct pair *p)
{
	uint32_t which, outcome;
	uint64_t token;

	if (p->flying == 0)
		return 1;
	which = draw(&p->choices, p->flying);
	token = p->flight[which];
	p->flight[which] = p->flight[--p->flying];
	outcome = draw(&p->choices, 16);
	if (outcome > BREAKER_NOTHING)
		outcome = p->ill ? BREAKER_ERROR : BREAKER_SUCCESS;
	naive_give(&p->m, token, outcome, p->now_ns);
	aibrix__breaker_give(&p->b, token, outcome, p->now_ns);
	return 1;
}

static void
pair_trip(struct pair *p)
{
	naive_trip(&p->m, p->now_ns);
	aibrix__breaker_trip(&p->b, p->now_ns);
}

static void
pair_move(struct pair *p)
{
	static const uint64_t unit_ns[] = {1000, 1000000, 100000000};
	uint32_t how = draw(&p->choices, 8);
	uint64_t by = unit_ns[how % 3] * draw(&p->choices, 256);

	if (how == 7 && draw(&p->choices, 4) == 0)
		pair_trip(p);
	else if (how == 7)
		p->ill = !p->ill;
	else if (how == 6 && by < p->now_ns)
		p->now_ns -= by;
	else
		p->now_ns += by;
}

static struct breaker_opts
program_opts(uint32_t pick)
{
	struct breaker_opts o = {0};

	if (pick % 4 == 0)
		return o;
	o.window_ns = pick & 4 ? 1000000000 : 77777;
	o.failures = pick % 7 + 1;
	o.min_calls = pick % 11 + 1;
	o.failure_pct = pick % 100 + 1;
	o.jitter_pct = pick & 8 ? BREAKER_NO_JITTER : pick % 100 + 1;
	o.probes = pick % 5 + 1;
	o.successes = pick % 6 + 1;
	o.probe_ns = pick & 16 ? 1000000 : 0;
	o.backoff_max_ns = pick & 32 ? 1000000000 : 0;
	return o;
}

/* The node is well from now on: calls pass after the longest wait. */
static int
pair_recovers(struct pair *p)
{
	uint64_t token, until;

	for (; p->flying > 0; p->flying--)
		aibrix__breaker_give(&p->b, p->flight[p->flying - 1],
				     BREAKER_NOTHING, p->now_ns);
	p->now_ns = p->b.last_ns + p->b.opts.backoff_max_ns;
	for (uint32_t i = 0; i < p->b.opts.successes; i++) {
		if (aibrix__breaker_take(&p->b, p->now_ns, &token, &until))
			return 0;
		aibrix__breaker_give(&p->b, token, BREAKER_SUCCESS, p->now_ns);
	}
	return p->b.state == BREAKER_CLOSED;
}

/* The step at which they differ, from 1; 0: never. */
static uint32_t
program_run(struct pair *p, uint32_t steps, uint32_t fault)
{
	struct breaker_opts o = program_opts(draw(&p->choices, 256));
	uint32_t differs = 0;

	p->now_ns = BEGIN_NS;
	if (aibrix__breaker_init(&p->b, &o, 7, p->now_ns))
		abort();
	p->m = (struct naive){.opts = p->b.opts,
			      .rand = 7,
			      .clock_ns = p->now_ns,
			      .epoch = 1,
			      .fault = fault};
	p->m.all = malloc(STEPS_MAX * sizeof(*p->m.all));
	if (!p->m.all)
		abort();
	for (uint32_t i = 1; i <= steps && !differs; i++) {
		uint32_t what;
		int same = 1;

		if (p->choices.data && p->choices.left == 0)
			break;
		what = draw(&p->choices, 8);
		if (what < 3)
			same = pair_take(p);
		else if (what < 6)
			same = pair_give(p);
		else
			pair_move(p);
		if (!same || !pair_equal(p))
			differs = i;
	}
	if (!differs && !pair_recovers(p))
		differs = steps + 1;
	free(p->m.all);
	return differs;
}

#endif
