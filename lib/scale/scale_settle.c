/*
 * From what metrics want to what is done: stabilisation, rates, bounds.
 *
 *	wanted -> delay -> windows -> rates -> bounds -> the last pod's grace
 *
 * AIBrix's windows are the wrong way round: a fall goes to the least that was
 * wanted in the last five minutes, a rise to the most.  COMPAT has that;
 * otherwise it is as in Kubernetes.
 */

#include "scale/scale_internal.h"

enum { PLAIN_FACTOR = 2, PLAIN_LEAST = 4 };

static int32_t
lesser(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t
greater(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* Did x change, and by what? */
static int32_t
held(struct step *st, int32_t x, int32_t held, uint32_t by)
{
	if (held != x)
		st->d.held_by = by;
	return held;
}

static int32_t
stabilize_compat(struct step *st, int32_t wanted)
{
	const aibrix_scale_opts *o = &st->plan.o;
	aibrix_scale_state *s = st->s;

	if (wanted > st->fleet.replicas)
		return held(st, wanted,
			    aibrix__advice_most(&s->high, o->up_window_ns,
						wanted, st->now_ns),
			    AIBRIX_SCALE_BY_UP_WINDOW);
	if (wanted < st->fleet.replicas)
		return held(st, wanted,
			    aibrix__advice_least(&s->low, o->down_window_ns,
						 wanted, st->now_ns),
			    AIBRIX_SCALE_BY_DOWN_WINDOW);
	return wanted;
}

static int32_t
stabilize(struct step *st, int32_t wanted)
{
	const aibrix_scale_opts *o = &st->plan.o;
	const aibrix_scale_state *s = st->s;
	int32_t up = aibrix__advice_least(&s->low, o->up_window_ns, wanted,
					  st->now_ns);
	int32_t down = aibrix__advice_most(&s->high, o->down_window_ns, wanted,
					   st->now_ns);
	int32_t x = greater(st->fleet.replicas, up);

	x = lesser(x, down);
	return held(st, wanted, x,
		    x < wanted ? AIBRIX_SCALE_BY_UP_WINDOW
			       : AIBRIX_SCALE_BY_DOWN_WINDOW);
}

/* Kubernetes without behaviours: the most of the window, up or down. */
static int32_t
stabilize_plain(struct step *st, int32_t wanted)
{
	return held(st, wanted,
		    aibrix__advice_most(&st->s->high, st->plan.o.down_window_ns,
					wanted, st->now_ns),
		    AIBRIX_SCALE_BY_DOWN_WINDOW);
}

static int32_t
limit_above(struct step *st, int32_t x, int32_t rate)
{
	int32_t most = lesser(rate, st->plan.o.max_replicas);

	if (x <= most)
		return x;
	st->d.limited_by = rate < st->plan.o.max_replicas
				   ? AIBRIX_SCALE_BY_UP_RATE
				   : AIBRIX_SCALE_BY_MAX;
	return most;
}

static int32_t
limit_below(struct step *st, int32_t x, int32_t rate)
{
	int32_t least = greater(rate, st->plan.o.min_replicas);

	if (x >= least)
		return x;
	st->d.limited_by = rate > st->plan.o.min_replicas
				   ? AIBRIX_SCALE_BY_DOWN_RATE
				   : AIBRIX_SCALE_BY_MIN;
	return least;
}

static int32_t
limit_plain(struct step *st, int32_t x)
{
	int64_t most = (int64_t)st->fleet.replicas * PLAIN_FACTOR;

	if (most < PLAIN_LEAST)
		most = PLAIN_LEAST;
	if (most > INT32_MAX)
		most = INT32_MAX;
	x = limit_above(st, x, (int32_t)most);
	return limit_below(st, x, 0);
}

static int32_t
limit_policies(struct step *st, int32_t x)
{
	const aibrix_scale_state *s = st->s;
	int32_t c = st->fleet.replicas;

	if (x > c)
		return limit_above(st, x,
				   aibrix__up_limit(&st->plan.up, c, &s->up,
						    &s->down, st->now_ns));
	if (x < c)
		return limit_below(st, x,
				   aibrix__down_limit(&st->plan.down, c, &s->up,
						      &s->down, st->now_ns));
	return x;
}

/* Strategy HPA has Kubernetes' rules in either profile: AIBrix leaves it to
 * Kubernetes. */
static int32_t
replicas_settle(struct step *st, int32_t wanted)
{
	const aibrix_scale_opts *o = &st->plan.o;
	int32_t x;

	if (o->strategy == AIBRIX_SCALE_HPA &&
	    (o->flags & AIBRIX_SCALE_PLAIN_LIMITS)) {
		x = st->d.stabilized = stabilize_plain(st, wanted);
		return limit_plain(st, x);
	}
	if (o->profile == AIBRIX_SCALE_COMPAT &&
	    o->strategy != AIBRIX_SCALE_HPA) {
		x = st->d.stabilized = stabilize_compat(st, wanted);
		x = limit_above(st, x, INT32_MAX);
		return limit_below(st, x, 0);
	}
	x = st->d.stabilized = stabilize(st, wanted);
	return limit_policies(st, x);
}

/* The last pod goes when nothing was wanted for a while and nothing waits. */
static int32_t
zero_settle(struct step *st, int32_t wanted, int32_t x)
{
	aibrix_scale_state *s = st->s;
	int idle = wanted == 0 && st->fleet.queued == 0;

	if (idle && !s->zero)
		s->zero_ns = st->now_ns;
	if (!idle)
		s->zero_ns = 0;
	s->zero = (uint32_t)idle;
	if (x > 0 || st->plan.o.profile == AIBRIX_SCALE_COMPAT)
		return x;
	if (idle && st->now_ns - s->zero_ns >= st->plan.o.zero_grace_ns)
		return 0;
	st->d.held_by = AIBRIX_SCALE_BY_GRACE;
	return 1;
}

void
aibrix__step_settle(struct step *st)
{
	aibrix_scale_state *s = st->s;
	aibrix_window *delay = aibrix__state_delay(s);
	int32_t wanted = st->wanted, x, c = st->fleet.replicas;

	if (delay && !(st->fleet.flags & AIBRIX_SCALE_NO_TRAFFIC))
		wanted = held(st, wanted,
			      aibrix__delay(delay, wanted, st->now_ns),
			      AIBRIX_SCALE_BY_DELAY);
	aibrix__advice_add(&s->low, 0, wanted, st->now_ns);
	aibrix__advice_add(&s->high, 1, wanted, st->now_ns);
	x = replicas_settle(st, wanted);
	x = zero_settle(st, wanted, x);
	st->d.valid = 1;
	st->d.replicas = x;
	st->d.reason = x > c   ? AIBRIX_SCALE_ABOVE_TARGET
		       : x < c ? AIBRIX_SCALE_BELOW_TARGET
			       : AIBRIX_SCALE_STABLE;
}
