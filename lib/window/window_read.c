/*
 * What a window says at a moment, and its bytes.
 *
 * Slots are gone through at each read, oldest first.  A running total would
 * be one addition, and would carry the rounding of every sample that ever
 * was; a step of a scaler reads a handful of windows of some hundred slots.
 */

#include <math.h>
#include <string.h>

#include "base/versioned.h"
#include "window/window_ring.h"

enum {
	VIEW_V1 = STRUCT_UPTO(aibrix_window_view, age_ns),
	HEAD_BYTES = 40,
	SLOT_BYTES = 16
};

/* More than any number of samples of a slot add up to. */
static const double sum_max = 1e38;

/* Slots that count: numbers from..last. */
struct span {
	uint64_t from, gap; /* slots between last and now */
	int any;
};

static struct span
window_span(const aibrix_window *w, uint64_t now_ns)
{
	uint64_t now = now_ns / w->slot_ns;
	struct span s = {w->first, 0, 0};

	if (now > w->last)
		s.gap = now - w->last;
	s.any = w->used && s.gap < w->slots;
	if (s.any && w->last - w->first >= w->slots - s.gap)
		s.from = w->last - (w->slots - s.gap) + 1;
	return s;
}

static const struct window_slot *
slot_at(const aibrix_window *w, uint64_t number)
{
	return &w->slot[number % w->slots];
}

/* The one after, and the one before: without a division. */
static const struct window_slot *
slot_next(const aibrix_window *w, const struct window_slot *slot)
{
	return ++slot == &w->slot[w->slots] ? w->slot : slot;
}

static const struct window_slot *
slot_before(const aibrix_window *w, const struct window_slot *slot)
{
	return slot == w->slot ? &w->slot[w->slots - 1] : slot - 1;
}

/* Least, most and variance of slots, by Welford's recurrence. */
static void
slots_describe(const aibrix_window *w, const struct span *s,
	       aibrix_window_view *v)
{
	const struct window_slot *slot = slot_at(w, s->from);
	double mean = 0, squares = 0;
	uint64_t n = 0;

	for (uint64_t i = s->from; i <= w->last;
	     i++, slot = slot_next(w, slot)) {
		double off = slot->value - mean;

		if (slot->count == 0)
			continue;
		mean += off / (double)++n;
		squares += off * (slot->value - mean);
		v->least = n == 1 ? slot->value : fmin(v->least, slot->value);
		v->most = n == 1 ? slot->value : fmax(v->most, slot->value);
		v->samples += slot->count;
	}
	v->variance = squares / (double)n;
}

/* Each slot weighs what it has samples. */
static double
slots_mean(const aibrix_window *w, const struct span *s)
{
	const struct window_slot *slot = slot_at(w, s->from);
	double mean = 0, count = 0;

	for (uint64_t i = s->from; i <= w->last;
	     i++, slot = slot_next(w, slot)) {
		if (slot->count == 0)
			continue;
		count += (double)slot->count;
		mean += (slot->value - mean) * ((double)slot->count / count);
	}
	return mean;
}

/* Cut to six digits, as there. */
static double
slots_linear(const aibrix_window *w, const struct span *s)
{
	const struct window_slot *slot = slot_at(w, s->from);
	double sum = 0;

	for (uint64_t i = s->from; i <= w->last; i++, slot = slot_next(w, slot))
		sum += slot->value;
	return floor(sum / (double)(w->last - s->from + 1) * 1e6) / 1e6;
}

static double
slots_weighted(const aibrix_window *w, const struct span *s)
{
	double weight = w->weight * pow(1 - w->weight, (double)s->gap);
	const struct window_slot *slot = slot_at(w, w->last);
	double sum = 0;

	for (uint64_t i = s->from; i <= w->last;
	     i++, slot = slot_before(w, slot)) {
		sum += slot->value * weight;
		weight *= 1 - w->weight;
	}
	return sum;
}

static double
slots_value(const aibrix_window *w, const struct span *s, double most)
{
	switch (w->kind) {
	case AIBRIX_WINDOW_LINEAR: return slots_linear(w, s);
	case AIBRIX_WINDOW_WEIGHTED: return slots_weighted(w, s);
	case AIBRIX_WINDOW_MAX: return most;
	default: return slots_mean(w, s);
	}
}

static int
kind_is_knatives(uint32_t kind)
{
	return kind == AIBRIX_WINDOW_LINEAR || kind == AIBRIX_WINDOW_WEIGHTED;
}

int
aibrix_window_read(const aibrix_window *w, uint64_t now_ns,
		   aibrix_window_view *view)
{
	aibrix_window_view v = {.size = sizeof(v),
				.state = AIBRIX_WINDOW_EMPTY,
				.least = NAN,
				.most = NAN,
				.variance = NAN,
				.age_ns = AIBRIX_FOREVER};
	struct span s;

	if (!w || !view)
		return AIBRIX_E_INVAL;
	s = window_span(w, now_ns);
	v.value = kind_is_knatives(w->kind) ? 0 : NAN;
	if (w->used) {
		v.state = AIBRIX_WINDOW_STALE;
		v.age_ns = now_ns > w->newest_ns ? now_ns - w->newest_ns : 0;
	}
	if (s.any) {
		slots_describe(w, &s, &v);
		v.value = slots_value(w, &s, v.most);
		v.state = w->last - w->first + s.gap + 1 < w->slots
				  ? AIBRIX_WINDOW_PARTIAL
				  : AIBRIX_WINDOW_FULL;
	}
	return aibrix__struct_store(view, &v, sizeof(v), VIEW_V1);
}

uint64_t
aibrix__window_save_bytes(const aibrix_window *w)
{
	return HEAD_BYTES + (uint64_t)w->slots * SLOT_BYTES;
}

static void
write_double(struct writer *w, double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	write_u64(w, bits);
}

static double
read_double(struct reader *r)
{
	uint64_t bits = read_u64(r);
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

void
aibrix__window_save(const aibrix_window *win, struct writer *w)
{
	write_u64(w, win->slot_ns);
	write_u64(w, win->first);
	write_u64(w, win->last);
	write_u64(w, win->newest_ns);
	write_u32(w, win->slots);
	write_u32(w, win->used);
	for (uint64_t i = 0; i < win->slots; i++) {
		uint64_t number = win->last + 1 + i;
		const struct window_slot *s = &win->slot[number % win->slots];

		write_double(w, s->value);
		write_u64(w, s->count);
	}
}

/* Slot number, kept when the ring has room for it. */
static int
slot_load(aibrix_window *win, struct reader *r, uint64_t number, int keep)
{
	struct window_slot s;

	s.value = read_double(r);
	s.count = read_u64(r);
	if (!(fabs(s.value) <= sum_max) || (s.count == 0 && s.value != 0))
		return 0;
	if (keep)
		win->slot[number % win->slots] = s;
	return 1;
}

struct head {
	uint64_t slot_ns, first, last, newest_ns;
	uint32_t slots, used;
};

static int
head_load(struct head *h, struct reader *r)
{
	h->slot_ns = read_u64(r);
	h->first = read_u64(r);
	h->last = read_u64(r);
	h->newest_ns = read_u64(r);
	h->slots = read_u32(r);
	h->used = read_u32(r);
	if (!r->ok || h->slot_ns == 0 || h->slots == 0 ||
	    h->slots > WINDOW_SLOTS_MAX || h->used > 1)
		return 0;
	if (!h->used)
		return h->first == 0 && h->last == 0 && h->newest_ns == 0;
	return h->newest_ns / h->slot_ns == h->last && h->first <= h->last &&
	       h->last - h->first < h->slots;
}

/* A shift that is no multiple of a slot moves slots by the one below, and
 * the newest sample stays within its own. */
static int
head_shift(struct head *h, int64_t shift_ns)
{
	int64_t slot_ns = (int64_t)h->slot_ns, shift = shift_ns / slot_ns;

	if (shift_ns % slot_ns < 0)
		shift--;
	if (!time_shift(&h->first, shift) || !time_shift(&h->last, shift) ||
	    !time_shift(&h->newest_ns, shift_ns))
		return 0;
	if (h->last >= UINT64_MAX / h->slot_ns)
		return 0;
	if (h->newest_ns / h->slot_ns > h->last)
		h->newest_ns = (h->last + 1) * h->slot_ns - 1;
	return 1;
}

int
aibrix__window_load(aibrix_window *win, struct reader *r, int64_t shift_ns)
{
	struct head h;

	if (!head_load(&h, r) || h.slot_ns != win->slot_ns ||
	    (h.used && !head_shift(&h, shift_ns)))
		return 0;
	aibrix_window_clear(win);
	for (uint64_t age = h.slots; age-- > 0;) {
		int keep =
			h.used && age < win->slots && age <= h.last - h.first;

		if (!slot_load(win, r, h.last - age, keep))
			return 0;
	}
	win->used = h.used;
	win->first = h.first;
	win->last = h.last;
	win->newest_ns = h.newest_ns;
	if (h.last - h.first >= win->slots)
		win->first = h.last - win->slots + 1;
	return r->ok;
}
