/*
 * GCRA with refunds.
 *
 * A bucket that drains evenly is one number: when it will be empty (ITU-T
 * I.371's theoretical arrival time).  A charge moves it,
 *
 *	due = max(due, now) + units * period / rate
 *
 * and is refused when due would be more than the burst's time away.  Time is
 * in nanoseconds, and the rest of the division is kept: neither a third of a
 * nanosecond per token nor the last request of a burst is lost by rounding.
 *
 * Refunds.  due - refund alone is wrong when others were charged meanwhile.
 * One may park a large reservation, spend what drains, cancel it and spend
 * the whole burst again:
 *
 *	t=0   charge 10     due 10     burst 10, 1 drains per second
 *	t=9   charge 9      due 19
 *	t=9   refund 10     due 9      empty, though 9 were spent just now
 *
 * Right is: as if the true cost had been known.  Since due is the most over
 * all charges j of (time of j + cost of j and all later ones), that is
 *
 *	max(due - refund, B),   B: the same over the charges after this one
 *
 * in the example 18.  B of every open reservation would need the list of all
 * charges.  Eight slots of time hold what was charged during each instead,
 *
 *	slot[(t >> shift) % 8],   8 << shift: one to two times the burst's
 *
 * and B is computed as if everything in a slot had come at the slot's end,
 * which is never less than the true B.  So a refund never gives too much, and
 * what it may give too little leaves the bucket at most one slot fuller than
 * it would be.  Of charges older than all slots, B has none.
 *
 * When a later charge found the bucket drained, the refund is nothing: what
 * was reserved has drained, and the bucket was full in any case.
 */

#include "limit/limit_lane.h"

#include "base/arch.h"

static const uint64_t week_ns = (uint64_t)7 * 86400 * 1000000000;
static const uint64_t minute_ns = (uint64_t)60 * 1000000000;

int
aibrix__limit_rate_load(aibrix_limit_rate *own, const aibrix_limit_rate *rate)
{
	if (rate->units > AIBRIX_LIMIT_UNITS_MAX ||
	    rate->burst > AIBRIX_LIMIT_UNITS_MAX || rate->period_ns > week_ns)
		return AIBRIX_E_INVAL;
	*own = *rate;
	if (own->period_ns == 0)
		own->period_ns = minute_ns;
	if (own->burst == 0)
		own->burst = own->units;
	return AIBRIX_OK;
}

/* Long division, a bit of a * b at a time, for what has more than 64. */
static uint64_t
mul_div_long(uint64_t a, uint64_t b, uint64_t c, uint64_t *rest)
{
	uint64_t whole = a / c, part = a % c, q = 0, r = 0;

	if (whole && b > lane_ns_max / whole) {
		*rest = 0;
		return lane_ns_max;
	}
	for (uint32_t bit = 64; bit-- > 0;) {
		q *= 2;
		r *= 2;
		if (r >= c) {
			r -= c;
			q++;
		}
		if (!(b >> bit & 1))
			continue;
		if (part >= c - r) {
			r -= c - part;
			q++;
		} else {
			r += part;
		}
	}
	*rest = r;
	return q + whole * b;
}

uint64_t
aibrix__mul_div(uint64_t a, uint64_t b, uint64_t c, uint64_t *rest)
{
	uint64_t q;

	if (b == 0 || a <= UINT64_MAX / b) {
		q = a * b / c;
		*rest = a * b % c;
	} else {
		q = mul_div_long(a, b, c, rest);
	}
	if (q < lane_ns_max)
		return q;
	*rest = 0;
	return lane_ns_max;
}

aibrix_limit_due
aibrix__limit_amount(const aibrix_limit_rate *rate, uint64_t units)
{
	aibrix_limit_due amount;

	amount.ns = aibrix__mul_div(units, rate->period_ns, rate->units,
				    &amount.part);
	return amount;
}

static uint64_t
amount_up(const aibrix_limit_rate *rate, uint64_t units)
{
	aibrix_limit_due amount = aibrix__limit_amount(rate, units);

	return amount.ns + (amount.part > 0);
}

static int
due_above(const aibrix_limit_due *a, const aibrix_limit_due *b)
{
	return a->ns != b->ns ? a->ns > b->ns : a->part > b->part;
}

/* Parts are of rate->units, in both. */
static aibrix_limit_due
due_add(aibrix_limit_due a, const aibrix_limit_due *b,
	const aibrix_limit_rate *rate)
{
	uint64_t carry = a.part >= rate->units - b->part;

	if (a.ns > UINT64_MAX - 1 - b->ns)
		return (aibrix_limit_due){UINT64_MAX, 0};
	a.ns += b->ns + carry;
	a.part += b->part;
	if (carry)
		a.part -= rate->units;
	return a;
}

static aibrix_limit_due
due_sub(aibrix_limit_due a, const aibrix_limit_due *b,
	const aibrix_limit_rate *rate)
{
	if (!due_above(&a, b))
		return (aibrix_limit_due){0, 0};
	a.ns -= b->ns;
	if (a.part < b->part) {
		a.ns--;
		a.part += rate->units;
	}
	a.part -= b->part;
	return a;
}

/* A part that another rate left counts as a whole. */
static aibrix_limit_due
due_under(const aibrix_limit_due *due, const aibrix_limit_rate *rate)
{
	aibrix_limit_due own = *due;

	if (own.part >= rate->units) {
		own.ns += own.ns < UINT64_MAX;
		own.part = 0;
	}
	return own;
}

aibrix_limit_due
aibrix__due_from(const aibrix_limit_due *due, const aibrix_limit_rate *rate,
		 uint64_t now_ns)
{
	aibrix_limit_due from = due_under(due, rate), now = {now_ns, 0};

	return due_above(&now, &from) ? now : from;
}

uint64_t
aibrix__due_fit(const aibrix_limit_due *due, const aibrix_limit_rate *rate,
		uint64_t units, uint64_t now_ns, aibrix_limit_due *after)
{
	aibrix_limit_due from, most, amount, burst;
	uint64_t wait;

	if (rate->units == 0 || units > rate->burst)
		return AIBRIX_FOREVER;
	amount = aibrix__limit_amount(rate, units);
	burst = aibrix__limit_amount(rate, rate->burst);
	from = aibrix__due_from(due, rate, now_ns);
	from = due_add(from, &amount, rate);
	most = due_add((aibrix_limit_due){now_ns, 0}, &burst, rate);
	if (!due_above(&from, &most)) {
		*after = from;
		return 0;
	}
	wait = from.ns - most.ns;
	return wait + (from.part > most.part);
}

uint64_t
aibrix__due_left(const aibrix_limit_due *due, const aibrix_limit_rate *rate,
		 uint64_t now_ns)
{
	aibrix_limit_due from, most, burst;
	uint64_t whole, rest;

	if (rate->units == 0)
		return 0;
	burst = aibrix__limit_amount(rate, rate->burst);
	from = aibrix__due_from(due, rate, now_ns);
	most = due_add((aibrix_limit_due){now_ns, 0}, &burst, rate);
	most = due_sub(most, &from, rate);
	whole = aibrix__mul_div(most.ns, rate->units, rate->period_ns, &rest);
	return whole + (rest + most.part) / rate->period_ns;
}

void
aibrix__lane_advance(struct lane *lane, uint64_t last_ns, uint64_t now_ns)
{
	uint64_t head = last_ns >> lane->shift, now = now_ns >> lane->shift;

	if (now > head + LANE_SLOTS)
		head = now - LANE_SLOTS;
	while (head < now)
		lane->slot[++head % LANE_SLOTS] = 0;
}

/* Slots that are empty take the width that suits the burst. */
static void
lane_fit_slots(struct lane *lane, const aibrix_limit_rate *rate)
{
	uint64_t any = 0, slot_ns;

	for (uint32_t i = 0; i < LANE_SLOTS; i++)
		any |= lane->slot[i];
	if (any)
		return;
	slot_ns = amount_up(rate, rate->burst) / LANE_SLOTS;
	lane->shift = slot_ns ? highest_bit(slot_ns) + 1 : 1;
}

void
aibrix__lane_charge(struct lane *lane, const aibrix_limit_rate *rate,
		    uint64_t units, uint64_t now_ns, uint32_t turn)
{
	aibrix_limit_due amount = aibrix__limit_amount(rate, units);
	uint64_t *slot, up = amount.ns + (amount.part > 0);

	lane_fit_slots(lane, rate);
	if (lane->due.ns <= now_ns)
		lane->start = turn;
	lane->due = aibrix__due_from(&lane->due, rate, now_ns);
	lane->due = due_add(lane->due, &amount, rate);
	slot = &lane->slot[(now_ns >> lane->shift) % LANE_SLOTS];
	*slot = up > UINT64_MAX - *slot ? UINT64_MAX : *slot + up;
}

void
aibrix__lane_raise(struct lane *lane, uint64_t due_ns, uint64_t now_ns,
		   uint32_t turn)
{
	if (due_ns <= lane->due.ns)
		return;
	if (lane->due.ns <= now_ns)
		lane->start = turn;
	lane->due = (aibrix_limit_due){due_ns, 0};
}

/* B of the charge, which stands in its slot with its true cost if within. */
static uint64_t
lane_later(const struct lane *lane, uint64_t last_ns,
	   const struct lane_refund *refund, int within)
{
	uint64_t head = last_ns >> lane->shift, later = 0, first;
	uint64_t own = amount_up(&refund->rate, refund->cost);

	first = head < LANE_SLOTS ? 0 : head - (LANE_SLOTS - 1);
	if (within)
		first = refund->at_ns >> lane->shift;
	/* Counted: head may be the last number that there is. */
	for (uint64_t left = head - first + 1, s = first; left-- > 0; s++) {
		uint64_t cost = lane->slot[s % LANE_SLOTS], at = last_ns;

		if (within && s == first)
			cost -= cost < own ? cost : own;
		if (cost == 0)
			continue;
		if (s < head)
			at = ((s + 1) << lane->shift) - 1;
		if (at < later)
			at = later;
		later = at > UINT64_MAX - cost ? UINT64_MAX : at + cost;
	}
	return later;
}

void
aibrix__lane_refund(struct lane *lane, uint64_t last_ns,
		    const struct lane_refund *refund)
{
	const aibrix_limit_rate *rate = &refund->rate;
	aibrix_limit_due charged = aibrix__limit_amount(rate, refund->charged);
	aibrix_limit_due cost = aibrix__limit_amount(rate, refund->cost);
	uint64_t at = refund->at_ns >> lane->shift;
	uint64_t head = last_ns >> lane->shift;
	int within = lane->shift == refund->shift && at <= head &&
		     head - at < LANE_SLOTS;
	aibrix_limit_due due = due_under(&lane->due, rate), later = {0, 0};

	/* Numbers go round: before, by less than half of the way.  A lane
	   without slots was never charged. */
	if (lane->shift == 0 || (uint32_t)(refund->turn - lane->start) >> 31)
		return;
	if (within) {
		uint64_t *slot = &lane->slot[at % LANE_SLOTS];
		uint64_t less = amount_up(rate, refund->charged) -
				amount_up(rate, refund->cost);

		*slot -= less < *slot ? less : *slot;
	}
	if (!refund->latest)
		later.ns = lane_later(lane, last_ns, refund, within);
	if (!due_above(&due, &later))
		return;
	charged = due_sub(charged, &cost, rate);
	due = due_sub(due, &charged, rate);
	lane->due = due_above(&due, &later) ? due : later;
}

int
aibrix_limit_gcra(const aibrix_limit_rate *rate, uint64_t units,
		  uint64_t now_ns, aibrix_limit_due *due, uint64_t *retry_ns)
{
	aibrix_limit_rate own;

	if (!rate || !due || !retry_ns || units > AIBRIX_LIMIT_UNITS_MAX ||
	    aibrix__limit_rate_load(&own, rate))
		return AIBRIX_E_INVAL;
	*retry_ns = aibrix__due_fit(due, &own, units, now_ns, due);
	return AIBRIX_OK;
}
