/* The window of tokens against a list of all that was ever added.  Compared:
 * totals and range, in both profiles, with memory enough. */
#ifndef TESTS_VTC_WINDOW_PROGRAM_H
#define TESTS_VTC_WINDOW_PROGRAM_H

#include <stdlib.h>

#include <aibrix/vtc_window.h>

#include "choices.h"

enum { WINDOW_NAMES = 6, WINDOW = 5, STEPS_MAX = 512 };

#define SECOND ((uint64_t)1000000000)

struct added {
	uint64_t at;
	uint32_t user;
	double tokens;
	int gone;
};

struct window_play {
	aibrix_vtc_window *w;
	uint32_t profile;
	struct added added[STEPS_MAX];
	uint32_t n;
	uint64_t now; /* in seconds */
	int keeps;    /* planted: the list drops a second late */
	uint32_t wrong;
	struct choices choices;
};

/* What has ended goes: of one user, or of all (0). */
static void
added_end(struct window_play *p, uint32_t user)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct added *a = &p->added[i];

		if ((user == 0 || a->user == user) &&
		    a->at + WINDOW + (uint64_t)p->keeps < p->now)
			a->gone = 1;
	}
}

static double
added_total(const struct window_play *p, uint32_t user)
{
	double total = 0;

	for (uint32_t i = 0; i < p->n; i++)
		if (p->added[i].user == user && !p->added[i].gone)
			total += p->added[i].tokens;
	return total;
}

static void
window_compare(struct window_play *p)
{
	double least = 1000, most = 8000, a, b;
	int any = 0;

	if (p->profile == AIBRIX_VTC_WINDOW_DEFAULT)
		added_end(p, 0);
	if (aibrix_vtc_window_range(p->w, p->now * SECOND, &a, &b))
		abort();
	for (uint32_t u = 1; u <= WINDOW_NAMES; u++) {
		double total = added_total(p, u);

		if (!(total > 0))
			continue;
		least = !any || total < least ? total : least;
		most = !any || total > most ? total : most;
		any = 1;
	}
	if ((least != a || most != b) && !p->wrong)
		p->wrong = __LINE__;
}

static void
window_step(struct window_play *p)
{
	uint32_t user = 1 + draw(&p->choices, WINDOW_NAMES);
	int64_t input = (int64_t)draw(&p->choices, 60) - 10,
		output = (int64_t)draw(&p->choices, 60) - 10;
	double got;

	if (draw(&p->choices, 3) == 0)
		p->now += draw(&p->choices, 4);
	if (draw(&p->choices, 2) == 0) {
		added_end(p, user);
		if (aibrix_vtc_window_total(p->w, user, p->now * SECOND, &got))
			abort();
		if (got != added_total(p, user) && !p->wrong)
			p->wrong = __LINE__;
	} else {
		struct added *a = &p->added[p->n];

		if (aibrix_vtc_window_add(p->w, user, input, output,
					  p->now * SECOND))
			abort();
		*a = (struct added){.at = p->now, .user = user};
		a->tokens += input > 0 ? (double)input : 0;
		a->tokens += output > 0 ? 2 * (double)output : 0;
		if (a->tokens > 0)
			added_end(p, user);
		p->n++;
	}
	window_compare(p);
}

/* 0, or the line of the first difference. */
static uint32_t
window_program_run(struct window_play *p, uint32_t steps)
{
	aibrix_vtc_window_opts o = {.size = sizeof(o),
				    .profile = p->profile,
				    .unit = AIBRIX_VTC_SECONDS,
				    .window = WINDOW,
				    .max_users = WINDOW_NAMES,
				    .max_buckets = WINDOW_NAMES * WINDOW};

	if (aibrix_vtc_window_new(&o, &p->w) != AIBRIX_OK)
		abort();
	for (uint32_t i = 0; i < steps && i < STEPS_MAX && !p->wrong; i++)
		window_step(p);
	aibrix_vtc_window_free(p->w);
	return p->wrong;
}

#endif
