/*
 * A zone whose clocks are set once, rules by cron, and a walk minute by minute
 * with a list of the minutes at which each fires, by a calendar that counts
 * days and months one after the other.
 *
 * cron_program_run returns NULL, or what differed.
 */
#ifndef MODEL_CRON_PROGRAM_H
#define MODEL_CRON_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/schedule.h>

#include "choices.h"

enum {
	CRON_RULES = 3,
	CRON_BEFORE = 9 * 1440, /* minutes of starts before the walk */
	CRON_WALK = 9 * 1440,
	CRON_AFTER = 2 * 1440,
	CRON_MINUTES = CRON_BEFORE + CRON_WALK + CRON_AFTER
};

enum { CRON_NO_FAULT, CRON_FAULT_PASSED_OVER };

struct cron_play {
	struct choices choices;
	int fault;
	int64_t set_at, begin; /* of the first minute */
	int64_t asked;         /* when next was */
	int32_t before, after;
	aibrix_schedule_rule rule[CRON_RULES];
	uint32_t n;
	uint8_t fires[CRON_RULES][CRON_MINUTES];
	uint8_t active[CRON_RULES][CRON_MINUTES];
};

static inline int32_t
cron_ahead(void *ctx, int64_t t)
{
	const struct cron_play *p = ctx;

	return t < p->set_at ? p->before : p->after;
}

/* Does cron fire when clocks show so many minutes since 1970? */
static inline int
cron_shows(const aibrix_cron *c, int64_t local)
{
	static const uint32_t months[] = {31, 28, 31, 30, 31, 30,
					  31, 31, 30, 31, 30, 31};
	int64_t days = local / 1440;
	uint32_t weekday = (uint32_t)((days + 4) % 7), month = 0, n;
	int64_t year = 1970;
	int day, week;

	if (!(c->hours >> (local / 60 % 24) & 1) ||
	    !(c->minutes >> (local % 60) & 1))
		return 0;
	for (;; year++) {
		int64_t length = year % 4 == 0 ? 366 : 365; /* to 2099 */

		if (days < length)
			break;
		days -= length;
	}
	for (;; month++) {
		n = months[month] + (month == 1 && year % 4 == 0);
		if (days < n)
			break;
		days -= n;
	}
	day = c->days >> (days + 1) & 1;
	week = c->weekdays >> weekday & 1;
	return (c->months >> (month + 1) & 1) &&
	       (c->flags ? day && week : day || week);
}

static inline void
cron_fires(struct cron_play *p, uint32_t r)
{
	for (int m = 0; m < CRON_MINUTES; m++) {
		int64_t t = p->begin + m * 60;
		int64_t now = (t + cron_ahead(p, t)) / 60;
		int64_t was = (t - 60 + cron_ahead(p, t - 60)) / 60;

		p->fires[r][m] = (uint8_t)cron_shows(&p->rule[r].start, now);
		if (p->fault == CRON_FAULT_PASSED_OVER)
			continue;
		for (int64_t over = was + 1; over < now; over++)
			if (cron_shows(&p->rule[r].start, over))
				p->fires[r][m] = 1;
	}
}

static inline void
cron_active(struct cron_play *p, uint32_t r)
{
	int length = (int)(p->rule[r].duration_s / 60);
	int lead = (int)(p->rule[r].lead_s / 60);

	for (int m = 0; m < CRON_MINUTES; m++) {
		int end = m + length < CRON_MINUTES ? m + length : CRON_MINUTES;

		if (!p->fires[r][m])
			continue;
		for (int i = m > lead ? m - lead : 0; i < end; i++)
			p->active[r][i] = 1;
	}
}

static inline uint64_t
cron_bits(struct cron_play *p, uint32_t least, uint32_t most, uint32_t dense)
{
	uint64_t bits = (uint64_t)1
			<< (least + draw(&p->choices, most - least + 1));

	for (uint32_t i = least; i <= most; i++)
		if (draw(&p->choices, 8) < dense)
			bits |= (uint64_t)1 << i;
	return bits;
}

static inline void
cron_make(struct cron_play *p, int64_t from)
{
	static const int32_t hops[] = {-7200, -3600, -1800, 1800, 3600, 7200};

	p->begin = from;
	p->before = ((int32_t)draw(&p->choices, 105) - 48) * 900;
	p->after = p->before + hops[draw(&p->choices, 6)];
	p->set_at = from + (int64_t)draw(&p->choices, 20 * 24) * 3600;
	p->n = 1 + draw(&p->choices, CRON_RULES);
	for (uint32_t i = 0; i < p->n; i++) {
		aibrix_schedule_rule *r = &p->rule[i];
		uint32_t dense = draw(&p->choices, 4) * 3;

		r->start.minutes = cron_bits(p, 0, 59, dense / 2);
		r->start.hours = (uint32_t)cron_bits(p, 0, 23, dense / 2);
		r->start.days = (uint32_t)cron_bits(p, 1, 31, dense);
		r->start.months = (uint32_t)cron_bits(p, 1, 12, 6);
		r->start.weekdays = (uint32_t)cron_bits(p, 0, 6, dense);
		r->start.flags = draw(&p->choices, 4);
		r->duration_s = (1 + draw(&p->choices, 200)) * 600;
		r->lead_s = draw(&p->choices, 3) * draw(&p->choices, 200) * 60;
		r->flags = AIBRIX_SCHEDULE_MIN;
		r->min_replicas = 1 << i;
		cron_fires(p, i);
		cron_active(p, i);
	}
}

/* The next minute at which a rule's activeness differs; or the next fire of
 * the first. */
static inline const char *
cron_look(struct cron_play *p, const aibrix_schedule_zone *zone, int m,
	  int64_t *next, int64_t *fire)
{
	int64_t t = p->begin + m * 60;
	aibrix_schedule_bounds b = {.size = sizeof(b)};
	int32_t min = -1;
	int changes = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->active[i][m])
			min = 1 << i;
		changes |= p->active[i][m] != p->active[i][m - 1];
	}
	if (aibrix_schedule_rules_resolve(p->rule, p->n, 0, 99, zone, t, &b) ||
	    (min < 0 ? b.active != AIBRIX_SCHEDULE_NONE
		     : b.min_replicas != min))
		return "another rule is active";
	/* A rule that stays active is asked of again after a week. */
	if (changes ? *next != t : *next == t && t != p->asked + 7 * 86400)
		return "another transition";
	if (p->fires[0][m] != (*fire == t))
		return "another start";
	if (*next == t) {
		p->asked = t;
		if (aibrix_schedule_rules_next(p->rule, p->n, zone, t, next))
			*next = INT64_MAX;
	}
	if (p->fires[0][m] &&
	    aibrix_cron_next(&p->rule[0].start, zone, t, fire))
		return "no start";
	return NULL;
}

static inline const char *
cron_program_run(struct choices choices, int fault)
{
	struct cron_play *p = calloc(1, sizeof(*p));
	const aibrix_schedule_zone zone = {
		.size = sizeof(zone), .ctx = p, .ahead = cron_ahead};
	const char *bad = NULL;
	int64_t next = INT64_MAX, fire = INT64_MAX, from;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	from = 1700000040 + (int64_t)draw(&p->choices, 250) * 86400 * 10;
	cron_make(p, from);
	p->asked = from = p->begin + (CRON_BEFORE - 1) * 60;
	if (aibrix_schedule_rules_next(p->rule, p->n, &zone, from, &next))
		next = INT64_MAX;
	if (aibrix_cron_next(&p->rule[0].start, &zone, from, &fire))
		fire = INT64_MAX;
	for (int m = CRON_BEFORE; !bad && m < CRON_BEFORE + CRON_WALK; m++)
		bad = cron_look(p, &zone, m, &next, &fire);
	free(p);
	return bad;
}

#endif
