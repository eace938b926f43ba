/*
 * Windows, a zone whose clocks are set once, and a walk from transition to
 * transition, against what clocks show minute by minute.
 *
 * schedule_program_run returns NULL, or what differed.
 */
#ifndef MODEL_SCHEDULE_PROGRAM_H
#define MODEL_SCHEDULE_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/schedule.h>

#include "choices.h"

enum { WINDOWS = 4, WALK_S = 9 * 86400, NO_FAULT = 0, FAULT_NEVER_SET = 1 };

struct zone_play {
	int64_t set_at;
	int32_t before, after;
};

static inline int32_t
zone_ahead(void *ctx, int64_t t)
{
	const struct zone_play *z = ctx;

	return t < z->set_at ? z->before : z->after;
}

struct schedule_play {
	struct choices choices;
	int fault;
	struct zone_play zone;
	aibrix_schedule_window window[WINDOWS];
	uint32_t n;
};

/* Minute by minute from the start of each of the last two days. */
static inline int
play_in(const aibrix_schedule_window *w, uint32_t weekday, uint32_t minute)
{
	uint32_t end = w->end_minute +
		       (w->flags & AIBRIX_SCHEDULE_NEXT_DAY ? 1440 : 0);

	for (uint32_t ago = 0; ago < 2; ago++)
		if ((w->days >> (weekday + 7 - ago) % 7 & 1) &&
		    w->start_minute <= minute + 1440 * ago &&
		    minute + 1440 * ago < end)
			return 1;
	return 0;
}

/* What is active, by a calendar of its own. */
static inline uint32_t
play_active(const struct schedule_play *p, int64_t t)
{
	int64_t ahead = t < p->zone.set_at || p->fault == FAULT_NEVER_SET
				? p->zone.before
				: p->zone.after;
	uint64_t local = (uint64_t)(t + ahead); /* after 1970 */
	uint32_t minute = (uint32_t)(local / 60 % 1440);
	uint32_t weekday = (uint32_t)((local / 86400 + 4) % 7);

	for (uint32_t i = 0; i < p->n; i++)
		if (play_in(&p->window[i], weekday, minute))
			return i;
	return AIBRIX_SCHEDULE_NONE;
}

static inline void
play_make(struct schedule_play *p, int64_t from)
{
	static const int32_t hops[] = {-3600, -1800, 1800, 3600, 7200};

	p->zone.before = ((int32_t)draw(&p->choices, 105) - 48) * 900;
	p->zone.after = p->zone.before + hops[draw(&p->choices, 5)];
	p->zone.set_at = from + draw(&p->choices, 9) * 86400 +
			 draw(&p->choices, 24) * 3600;
	p->n = draw(&p->choices, WINDOWS + 1);
	for (uint32_t i = 0; i < p->n; i++) {
		aibrix_schedule_window *w = &p->window[i];
		uint32_t a = draw(&p->choices, 288) * 5;
		uint32_t b = draw(&p->choices, 288) * 5;

		w->days = 1 + draw(&p->choices, 127);
		w->start_minute = a < b ? a : b;
		w->end_minute = a < b ? b : a + 1;
		w->flags = AIBRIX_SCHEDULE_MIN;
		if (draw(&p->choices, 3) == 0) {
			w->start_minute = a < b ? b : a;
			w->end_minute = a < b ? a : b;
			w->flags |= AIBRIX_SCHEDULE_NEXT_DAY;
		}
	}
}

static inline const char *
play_walk(struct schedule_play *p, int64_t from)
{
	const aibrix_schedule_zone zone = {
		.size = sizeof(zone), .ctx = &p->zone, .ahead = zone_ahead};
	int64_t t = from, next = 0;

	for (int64_t m = from - from % 60 + 60; m < from + WALK_S; m += 60) {
		uint32_t active = play_active(p, m);
		aibrix_schedule_bounds b = {.size = sizeof(b)};

		if (aibrix_schedule_resolve(p->window, p->n, 1, 2, &zone, m,
					    &b) ||
		    b.active != active)
			return "another window is active";
		if (active == play_active(p, m - 60))
			continue;
		if (m > from + 7 * 86400)
			return NULL;
		if (aibrix_schedule_next(p->window, p->n, &zone, t, &next) ||
		    next != m)
			return "another transition";
		t = m;
	}
	return NULL;
}

static inline const char *
schedule_program_run(struct choices choices, int fault)
{
	struct schedule_play p = {.choices = choices, .fault = fault};
	int64_t from = 1700000040 + (int64_t)draw(&p.choices, 1000) * 86400;

	play_make(&p, from);
	return play_walk(&p, from);
}

#endif
