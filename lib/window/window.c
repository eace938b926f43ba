/*
 * Samples into slots.
 *
 * A slot has a number, its time divided by slot_ns, and lies at that number
 * modulo the slots of the ring.  So a sample finds its place whatever order
 * it comes in, and a gap costs clearing what it passes over, at most once
 * round.  A slot holds one number and a count: a fleet of thousands of
 * deployments keeps a few windows for each, and 16 bytes for a second are
 * little where a sample for each pod and second would not be.
 *
 * Means are kept as means and not as sums: k equal samples have that mean
 * for every k, to the last bit, and nothing drifts over months.
 */

#include <math.h>
#include <string.h>

#include "base/versioned.h"
#include "window/window_ring.h"

enum {
	OPTS_V1 = STRUCT_UPTO(aibrix_window_opts, slot_ns),
	SECOND = 1000000000,
	SLOT_LEAST = 1000
};

/* Knative's: the weights of all slots add up to this at least, and none is
 * below the share that 42 slots have. */
static const double weights_sum = 0.9999, weight_least = 0.2;

static int
opts_load(aibrix_window_opts *o, const aibrix_window_opts *opts,
	  uint32_t *slots)
{
	int err;

	if (!opts)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(o, sizeof(*o), opts, OPTS_V1);
	if (err)
		return err;
	if (o->slot_ns == 0)
		o->slot_ns = SECOND;
	if (o->kind > AIBRIX_WINDOW_MAX || o->slot_ns < SLOT_LEAST ||
	    o->window_ns == 0 || o->window_ns > WINDOW_NS_MAX ||
	    o->window_ns % o->slot_ns != 0 ||
	    o->window_ns / o->slot_ns >= WINDOW_SLOTS_MAX)
		return AIBRIX_E_INVAL;
	*slots = (uint32_t)(o->window_ns / o->slot_ns) +
		 (o->kind == AIBRIX_WINDOW_LATEST);
	return AIBRIX_OK;
}

static uint64_t
ring_bytes(uint32_t slots)
{
	return sizeof(struct aibrix_window) +
	       (uint64_t)slots * sizeof(struct window_slot);
}

int
aibrix_window_bytes(const aibrix_window_opts *opts, uint64_t *bytes)
{
	aibrix_window_opts o;
	uint32_t slots;
	int err = opts_load(&o, opts, &slots);

	if (err)
		return err;
	if (!bytes)
		return AIBRIX_E_INVAL;
	*bytes = ring_bytes(slots);
	return AIBRIX_OK;
}

int
aibrix_window_init(const aibrix_window_opts *opts, void *memory, uint64_t bytes,
		   aibrix_window **out)
{
	aibrix_window_opts o;
	aibrix_window *w = memory;
	uint32_t slots;
	int err = opts_load(&o, opts, &slots);

	if (err)
		return err;
	if (!memory || !out || (uintptr_t)memory % sizeof(uint64_t) != 0)
		return AIBRIX_E_INVAL;
	if (bytes < ring_bytes(slots))
		return AIBRIX_E_SPACE;
	memset(w, 0, sizeof(*w));
	w->slot_ns = o.slot_ns;
	w->kind = o.kind;
	w->slots = slots;
	w->weight = fmax(1 - pow(1 - weights_sum, 1.0 / slots), weight_least);
	aibrix_window_clear(w);
	*out = w;
	return AIBRIX_OK;
}

void
aibrix_window_clear(aibrix_window *w)
{
	if (!w)
		return;
	w->first = w->last = w->newest_ns = 0;
	w->used = 0;
	memset(w->slot, 0, w->slots * sizeof(*w->slot));
}

/* The newest slot becomes number: what it passes over is empty. */
static void
ring_advance(aibrix_window *w, uint64_t number)
{
	uint64_t gap = number - w->last;

	if (!w->used || gap >= w->slots) {
		memset(w->slot, 0, w->slots * sizeof(*w->slot));
		w->first = number;
		w->used = 1;
	} else {
		for (uint64_t i = w->last + 1; i <= number; i++)
			w->slot[i % w->slots] = (struct window_slot){0, 0};
	}
	w->last = number;
	if (number - w->first >= w->slots)
		w->first = number - w->slots + 1;
}

static void
slot_add(struct window_slot *s, uint32_t kind, double value)
{
	s->count++;
	switch (kind) {
	case AIBRIX_WINDOW_LATEST:
		s->value = value;
		s->count = 1;
		break;
	case AIBRIX_WINDOW_MAX:
		if (s->count == 1 || value > s->value)
			s->value = value;
		break;
	case AIBRIX_WINDOW_MEAN:
		s->value += (value - s->value) / (double)s->count;
		break;
	default: s->value += value;
	}
}

int
aibrix_window_add(aibrix_window *w, double value, uint64_t at_ns)
{
	uint64_t number;

	if (!w || !(fabs(value) <= AIBRIX_WINDOW_VALUE_MAX))
		return AIBRIX_E_INVAL;
	number = at_ns / w->slot_ns;
	if (!w->used || number > w->last)
		ring_advance(w, number);
	else if (w->last - number >= w->slots)
		return AIBRIX_E_STATE;
	if (number < w->first)
		w->first = number;
	if (at_ns > w->newest_ns)
		w->newest_ns = at_ns;
	slot_add(&w->slot[number % w->slots], w->kind, value);
	return AIBRIX_OK;
}

/* Slots of from that to has room for. */
static void
ring_fill(aibrix_window *to, const aibrix_window *from)
{
	uint64_t span = from->last - from->first;

	if (span >= to->slots)
		span = to->slots - 1;
	for (uint64_t i = from->last - span; i <= from->last; i++)
		to->slot[i % to->slots] = from->slot[i % from->slots];
	to->first = from->last - span;
	to->last = from->last;
	to->newest_ns = from->newest_ns;
	to->used = 1;
}

int
aibrix_window_copy(aibrix_window *to, const aibrix_window *from)
{
	if (!to || !from || to == from || to->kind != from->kind ||
	    to->slot_ns != from->slot_ns)
		return AIBRIX_E_INVAL;
	aibrix_window_clear(to);
	if (from->used)
		ring_fill(to, from);
	return AIBRIX_OK;
}
