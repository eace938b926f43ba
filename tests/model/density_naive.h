/*
 * A naive density order: every slot is looked at for every victim, ages are
 * found by counting up, life tables are summed anew.
 */
#ifndef TESTS_DENSITY_NAIVE_H
#define TESTS_DENSITY_NAIVE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

enum { NAMES = 1 << 18, SLOTS = 64, CLASSES = 64, AGES = 32 };
enum { WATCHED = 4096, UNIT = 64, SETS = 2048, WAYS = 8 };
enum { ABSENT = 0, QUEUED, ASIDE };

struct naive_slot {
	uint32_t state, name, depth, uses, class, pins;
	uint64_t used_at, order;
};

struct naive {
	struct naive_slot slots[SLOTS];
	uint32_t capacity;
	uint64_t now, order;
	uint32_t chain_depth, chain_length, chain_uses;
	uint16_t cells[SETS][WAYS];
	uint32_t turns[SETS];
	/* By name; a watched name has a class, plus one. */
	uint32_t class_of[NAMES];
	uint64_t watched_at[NAMES];
	uint32_t watched;
	uint32_t reused[CLASSES][AGES], lost[CLASSES][AGES];
	uint64_t ended;
	uint32_t until, pause;
	double density[CLASSES][AGES];
	int fault; /* blocks of a chain do not share their uses */
};

/* 0, then two to a doubling. */
static double
age_start(uint32_t age)
{
	double start = age % 2 ? UNIT : UNIT * 1.5;

	if (age == 0)
		return 0;
	for (uint32_t a = 3; a <= age; a += 2)
		start *= 2;
	return start;
}

static uint32_t
age_of(uint64_t uses)
{
	uint32_t a = 0;

	while (a < AGES - 1 && age_start(a + 1) <= (double)uses)
		a++;
	return a;
}

static struct naive *
new_naive(uint32_t capacity)
{
	struct naive *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->capacity = capacity;
	m->until = m->pause = 64;
	for (uint32_t c = 0; c < CLASSES; c++)
		for (uint32_t a = 0; a < AGES; a++)
			m->density[c][a] = 1 / (age_start(a) + UNIT);
	return m;
}

/* Parts of a class, and how many values each has. */
static uint32_t
part_of(uint32_t class, uint32_t part)
{
	return part == 0 ? class % 2 : part == 1 ? class / 2 % 4 : class / 8;
}

static void
naive_exposed(struct naive *m, uint32_t c, uint32_t survivors[CLASSES][AGES],
	      double *exposed)
{
	double reached = 0;

	for (int a = AGES - 1; a >= 0; a--) {
		uint32_t gone = m->lost[c][a] + survivors[c][a];

		reached += m->reused[c][a] + gone;
		exposed[a] = reached - gone / 2.0;
	}
}

static void
naive_weights(const double *reuses, const double *expected, double w[3][8])
{
	for (int p = 0; p < 3; p++)
		for (int v = 0; v < 8; v++)
			w[p][v] = 1;
	for (uint32_t turn = 0; turn < 6; turn++) {
		uint32_t p = turn % 3;
		double seen[8] = {0}, due[8] = {0};

		for (uint32_t c = 0; c < CLASSES; c++) {
			double other = 1;

			for (uint32_t q = 0; q < 3; q++)
				other *= q == p ? 1 : w[q][part_of(c, q)];
			seen[part_of(c, p)] += reuses[c];
			due[part_of(c, p)] += expected[c] * other;
		}
		for (int v = 0; v < 8; v++)
			w[p][v] = (seen[v] + 32) / (due[v] + 32);
	}
}

static double
naive_worth(const double *chance, double weight, uint32_t from)
{
	double alive = 1, hits = 0, time = 0, best = 0;

	for (uint32_t a = from; a < AGES; a++) {
		double p =
			chance[a] * weight > 0.98 ? 0.98 : chance[a] * weight;
		double width = a == AGES - 1 ? age_start(a)
					     : age_start(a + 1) - age_start(a);

		hits += alive * p;
		time += alive * width * (1 - p / 2);
		alive *= 1 - p;
		if (hits > best * time)
			best = hits / time;
	}
	return best;
}

static void
naive_conclude(struct naive *m)
{
	static uint32_t survivors[CLASSES][AGES];
	double reused[AGES] = {0}, exposed[AGES] = {0}, chance[AGES];
	double x[AGES], reuses[CLASSES] = {0}, expected[CLASSES] = {0};
	double w[3][8];

	if (m->ended > 4 * WATCHED) {
		m->ended /= 2;
		for (uint32_t i = 0; i < CLASSES * AGES; i++) {
			m->reused[i / AGES][i % AGES] /= 2;
			m->lost[i / AGES][i % AGES] /= 2;
		}
	}
	memset(survivors, 0, sizeof(survivors));
	for (uint32_t name = 0; name < NAMES; name++)
		if (m->class_of[name])
			survivors[m->class_of[name] - 1]
				 [age_of(m->now - m->watched_at[name])]++;
	for (uint32_t c = 0; c < CLASSES; c++) {
		naive_exposed(m, c, survivors, x);
		for (uint32_t a = 0; a < AGES; a++) {
			reused[a] += m->reused[c][a];
			exposed[a] += x[a];
		}
	}
	for (uint32_t a = 0; a < AGES; a++)
		chance[a] = exposed[a] > 0 ? reused[a] / exposed[a] : 0;
	for (uint32_t c = 0; c < CLASSES; c++) {
		naive_exposed(m, c, survivors, x);
		for (uint32_t a = 0; a < AGES; a++) {
			reuses[c] += m->reused[c][a];
			expected[c] += x[a] * chance[a];
		}
	}
	naive_weights(reuses, expected, w);
	for (uint32_t c = 0; c < CLASSES; c++) {
		double weight = w[0][part_of(c, 0)] * w[1][part_of(c, 1)] *
				w[2][part_of(c, 2)];

		weight *= (reuses[c] + 32) / (expected[c] * weight + 32);
		for (uint32_t a = 0; a < AGES; a++)
			m->density[c][a] = naive_worth(chance, weight, a);
	}
}

static void
naive_end(struct naive *m, uint32_t name, uint32_t table[CLASSES][AGES])
{
	table[m->class_of[name] - 1][age_of(m->now - m->watched_at[name])]++;
	m->class_of[name] = 0;
	m->watched--;
	m->ended++;
}

static void
naive_watch(struct naive *m, uint32_t name, uint32_t class)
{
	uint32_t oldest = NAMES;

	if (m->watched == WATCHED) {
		for (uint32_t n = 0; n < NAMES; n++)
			if (m->class_of[n] &&
			    (oldest == NAMES ||
			     m->watched_at[n] < m->watched_at[oldest]))
				oldest = n;
		naive_end(m, oldest, m->lost);
	}
	m->class_of[name] = class + 1;
	m->watched_at[name] = m->now;
	m->watched++;
	if (--m->until == 0) {
		m->pause = m->pause == WATCHED / 8 ? m->pause : m->pause * 2;
		m->until = m->pause;
		naive_conclude(m);
	}
}

static void
naive_use(struct naive *m, struct naive_slot *s)
{
	int last = s->depth == 0 || s->depth + 1 != m->chain_depth;
	uint32_t length = 0;

	m->now++;
	if (m->class_of[s->name])
		naive_end(m, s->name, m->reused);
	if (last) {
		m->chain_length = s->depth;
		m->chain_uses = 0;
	}
	m->chain_depth = s->depth;
	if (s->uses < m->chain_uses && !m->fault)
		s->uses = m->chain_uses;
	m->chain_uses = s->uses;
	while (length < 7 && m->chain_length >= 2u << length)
		length++;
	s->class = length * 8 + s->uses * 2 + (uint32_t)last;
	s->state = QUEUED;
	s->used_at = m->now;
	s->order = m->order++;
	if (mix64(m->now) >> 60 == 0)
		naive_watch(m, s->name, s->class);
}

static uint32_t
naive_tag(uint32_t name)
{
	return (uint32_t)(mix64(name) >> 44) & 0xfffc;
}

static void
naive_insert(struct naive *m, uint32_t slot, uint32_t name, uint32_t depth)
{
	struct naive_slot *s = &m->slots[slot];
	uint16_t *set = m->cells[mix64(name) % SETS];

	*s = (struct naive_slot){.name = name, .depth = depth};
	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i] == 0 || (set[i] & 0xfffcu) != naive_tag(name))
			continue;
		s->uses = (set[i] & 3u) + 1 > 3 ? 3 : (set[i] & 3u) + 1;
		set[i] = 0;
		break;
	}
	naive_use(m, s);
}

static void
naive_hit(struct naive *m, uint32_t slot)
{
	struct naive_slot *s = &m->slots[slot];

	if (s->state == ASIDE)
		return;
	s->uses += s->uses < 3;
	naive_use(m, s);
}

/* The oldest of each class; SLOTS: there is none. */
static void
classes_oldest(const struct naive *m, uint32_t *oldest)
{
	for (uint32_t c = 0; c < CLASSES; c++)
		oldest[c] = SLOTS;
	for (uint32_t i = 0; i < m->capacity; i++) {
		const struct naive_slot *s = &m->slots[i];
		uint32_t *best = &oldest[s->class];

		if (s->state == QUEUED &&
		    (*best == SLOTS || s->order < m->slots[*best].order))
			*best = i;
	}
}

static int
naive_pop(struct naive *m, uint32_t *slot)
{
	for (;;) {
		double least = 0;
		uint32_t best = SLOTS, oldest[CLASSES];
		struct naive_slot *s;

		classes_oldest(m, oldest);
		for (uint32_t c = 0; c < CLASSES; c++) {
			uint32_t i = oldest[c];
			double d;

			if (i == SLOTS)
				continue;
			d = m->density[c][age_of(m->now - m->slots[i].used_at)];
			if (best == SLOTS || d < least ||
			    (d <= least &&
			     m->slots[i].used_at < m->slots[best].used_at)) {
				best = i;
				least = d;
			}
		}
		if (best == SLOTS)
			return 0;
		s = &m->slots[best];
		if (s->pins == 0) {
			uint64_t set = mix64(s->name) % SETS;

			m->cells[set][m->turns[set]++ % WAYS] =
				(uint16_t)(naive_tag(s->name) | s->uses);
			s->state = ABSENT;
			*slot = best;
			return 1;
		}
		s->state = ASIDE;
	}
}

#endif
