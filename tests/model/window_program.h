/*
 * A program of samples, reads, clears and changes of length, run on a window
 * and on a list of all samples that it has taken.
 *
 * window_program_run returns NULL, or what differed.
 */
#ifndef MODEL_WINDOW_PROGRAM_H
#define MODEL_WINDOW_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/window.h>

#include "choices.h"

enum { TAKEN = 512, SLOTS_MOST = 41 };

/* Planted in the model, never in the window. */
enum { NO_FAULT, FAULT_KEEPS_A_SLOT_MORE, FAULT_NEVER_EXPIRES };

struct sample {
	uint64_t slot;
	double value;
};

struct window_play {
	struct choices choices;
	int fault;
	uint32_t kind;
	uint64_t slots, clock, last, first; /* in slots */
	struct sample taken[TAKEN];
	uint32_t n;
	uint64_t memory[2][8 + 2 * SLOTS_MOST];
	aibrix_window *window;
	int which;
};

static inline int
play_init(struct window_play *p, uint64_t slots)
{
	aibrix_window_opts o = {
		.size = sizeof(o), .kind = p->kind, .slot_ns = 1000};

	o.window_ns = slots * o.slot_ns;
	p->slots = slots + (p->kind == AIBRIX_WINDOW_LATEST);
	p->which = !p->which;
	return aibrix_window_init(&o, p->memory[p->which], sizeof(p->memory[0]),
				  &p->window);
}

/* Samples older than the window at number are dropped. */
static inline void
play_forget(struct window_play *p, uint64_t number)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->n; i++)
		if (p->taken[i].slot + p->slots > number)
			p->taken[kept++] = p->taken[i];
	p->n = kept;
	if (kept == 0)
		p->first = number;
	if (p->first + p->slots <= number)
		p->first = number - p->slots + 1;
}

static inline const char *
play_add(struct window_play *p)
{
	uint64_t back = draw(&p->choices, 16) == 0 ? draw(&p->choices, 60)
						   : draw(&p->choices, 3);
	uint64_t slot = p->clock > back ? p->clock - back : 0;
	double value = draw(&p->choices, 200) - 50.0;
	int err = aibrix_window_add(p->window, value,
				    slot * 1000 + draw(&p->choices, 1000));

	if (p->n && slot + p->slots <= p->last)
		return err == AIBRIX_E_STATE ? NULL : "an old sample is taken";
	if (err)
		return "a sample is refused";
	if (p->n == TAKEN)
		abort();
	if (p->n == 0 || slot > p->last) {
		int silent = p->n && slot - p->last >= p->slots;

		play_forget(p, slot);
		p->last = slot;
		if (silent || p->n == 0)
			p->first = slot;
	}
	if (slot < p->first)
		p->first = slot;
	p->taken[p->n++] = (struct sample){slot, value};
	return NULL;
}

struct sums {
	double sum, most, latest, weighted;
	uint64_t n, slots;
};

/* Over the slots that count: each goes through all samples. */
static inline struct sums
play_sums(const struct window_play *p, uint64_t from, double weight,
	  uint64_t now)
{
	struct sums s = {.most = -INFINITY};

	for (uint64_t slot = from; slot <= p->last; slot++) {
		double sum = 0, latest = 0;
		int any = 0;

		for (uint32_t i = 0; i < p->n; i++) {
			if (p->taken[i].slot != slot)
				continue;
			sum += p->taken[i].value;
			latest = p->taken[i].value;
			s.most = fmax(s.most, latest);
			s.n++;
			any = 1;
		}
		s.sum += sum;
		s.latest += latest;
		s.slots += (uint64_t)any;
		s.weighted +=
			sum * weight * pow(1 - weight, (double)(now - slot));
	}
	return s;
}

static inline double
play_value(const struct window_play *p, const struct sums *s, uint64_t from)
{
	switch (p->kind) {
	case AIBRIX_WINDOW_MEAN: return s->sum / (double)s->n;
	case AIBRIX_WINDOW_LATEST: return s->latest / (double)s->slots;
	case AIBRIX_WINDOW_LINEAR: return s->sum / (double)(p->last - from + 1);
	case AIBRIX_WINDOW_WEIGHTED: return s->weighted;
	default: return s->most;
	}
}

static inline const char *
play_read(struct window_play *p)
{
	aibrix_window_view v = {.size = sizeof(v)};
	uint64_t ahead = draw(&p->choices, 50), now = p->clock + ahead, from;
	uint64_t length = p->slots + (p->fault == FAULT_KEEPS_A_SLOT_MORE);
	double weight = fmax(1 - pow(1e-4, 1.0 / (double)p->slots), 0.2), want;
	struct sums s;

	if (aibrix_window_read(p->window, now * 1000, &v))
		return "a read fails";
	if (p->n == 0)
		return v.state == AIBRIX_WINDOW_EMPTY ? NULL : "not empty";
	if (now < p->last || p->fault == FAULT_NEVER_EXPIRES)
		now = p->last;
	if (now - p->last >= length)
		return v.state == AIBRIX_WINDOW_STALE ? NULL : "not stale";
	from = now >= length && now - length + 1 > p->first ? now - length + 1
							    : p->first;
	s = play_sums(p, from, weight, now);
	if (s.n == 0)
		return NULL; /* the model's own fault reads too far */
	want = play_value(p, &s, from);
	if (!(fabs(v.value - want) <= 2e-6))
		return "another value";
	if (p->kind != AIBRIX_WINDOW_LATEST && v.samples != s.n)
		return "another number of samples";
	if ((now - p->first + 1 < p->slots) !=
	    (v.state == AIBRIX_WINDOW_PARTIAL))
		return "another state";
	return NULL;
}

static inline const char *
play_resize(struct window_play *p)
{
	aibrix_window *old = p->window;

	if (play_init(p, 1 + draw(&p->choices, 40)) ||
	    aibrix_window_copy(p->window, old))
		return "a change of length fails";
	if (p->n)
		play_forget(p, p->last);
	return NULL;
}

static inline const char *
play_step(struct window_play *p)
{
	uint32_t what = draw(&p->choices, 64);

	if (p->n > TAKEN - 2 || what == 0) {
		aibrix_window_clear(p->window);
		p->n = 0;
		return NULL;
	}
	if (what == 1)
		return play_resize(p);
	if (what < 8)
		p->clock += draw(&p->choices, 4) ? draw(&p->choices, 4)
						 : draw(&p->choices, 100);
	return what < 40 ? play_add(p) : play_read(p);
}

static inline const char *
window_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct window_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->kind = draw(&p->choices, AIBRIX_WINDOW_MAX + 1);
	p->clock = 1000;
	if (play_init(p, 1 + draw(&p->choices, 40)))
		bad = "no window";
	for (uint32_t i = 0; !bad && i < steps; i++)
		bad = play_step(p);
	free(p);
	return bad;
}

#endif
