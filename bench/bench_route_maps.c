/*
 * The gateway's way, step by step (algorithms/prefix_cache.go and what it
 * calls at e3e10f9):
 *
 *	shuffle the list of pods
 *	counts    map of pod to requests, from "pod/metric" each
 *	gate      least and most over it
 *	match     map of pod to percent, of those that the gate leaves
 *	limit     mean, then deviation over counts
 *	choose    matched pods sorted, the first within the limit
 *	else      least of counts, then one of those at it
 *
 * Kinder than the original: no lock, no memory given back by a collector,
 * a cheap generator instead of one of the kernel, and matching itself is
 * not part of it.
 */

#include "bench_route_maps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

enum { NAME = 64, RUNNING_APART = 8 };

struct entry {
	struct entry *next;
	char key[NAME];
	double value;
};

struct map {
	struct entry **heads;
	uint32_t buckets;
};

struct maps_gateway {
	struct map metrics;
	char (*names)[NAME];
	uint32_t *order, *at_least;
	struct matched *matched;
	uint32_t n;
};

struct matched {
	uint32_t pod;
	double percent, count;
};

static void *
must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct map
map_new(uint32_t n)
{
	struct map m = {NULL, 8};

	while (m.buckets < n)
		m.buckets *= 2;
	m.heads = must(calloc(m.buckets, sizeof(*m.heads)));
	return m;
}

static void
map_free(struct map *m)
{
	for (uint32_t i = 0; i < m->buckets; i++) {
		while (m->heads[i]) {
			struct entry *e = m->heads[i];

			m->heads[i] = e->next;
			free(e);
		}
	}
	free(m->heads);
}

static struct entry **
map_place(const struct map *m, const char *key)
{
	uint64_t hash = 14695981039346656037u;
	struct entry **e;

	for (const char *p = key; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	e = &m->heads[mix64(hash) & (m->buckets - 1)];
	while (*e && strcmp((*e)->key, key) != 0)
		e = &(*e)->next;
	return e;
}

static void
map_set(struct map *m, const char *key, double value)
{
	struct entry **e = map_place(m, key);

	if (!*e) {
		*e = must(calloc(1, sizeof(**e)));
		strcpy((*e)->key, key);
	}
	(*e)->value = value;
}

static double
map_get(const struct map *m, const char *key, double other)
{
	const struct entry *e = *map_place(m, key);

	return e ? e->value : other;
}

static void
metric_key(char *key, const char *pod, const char *metric)
{
	size_t len = strlen(pod);

	memcpy(key, pod, len);
	key[len] = '/';
	strcpy(key + len + 1, metric);
}

struct maps_gateway *
maps_new(uint32_t n)
{
	struct maps_gateway *g = must(calloc(1, sizeof(*g)));

	g->n = n;
	g->metrics = map_new(4 * n);
	g->names = must(calloc(n, sizeof(*g->names)));
	g->order = must(calloc(n, sizeof(*g->order)));
	g->at_least = must(calloc(n, sizeof(*g->at_least)));
	g->matched = must(calloc(n, sizeof(*g->matched)));
	for (uint32_t i = 0; i < n; i++)
		snprintf(g->names[i], NAME, "pod-%04u", i);
	return g;
}

void
maps_free(struct maps_gateway *g)
{
	map_free(&g->metrics);
	free(g->names);
	free(g->order);
	free(g->at_least);
	free(g->matched);
	free(g);
}

void
maps_set(struct maps_gateway *g, uint32_t pod, const char *metric, double value)
{
	char key[2 * NAME];

	metric_key(key, g->names[pod], metric);
	map_set(&g->metrics, key, value);
}

static struct map
counts_of(struct maps_gateway *g)
{
	struct map counts = map_new(2 * g->n);

	for (uint32_t i = 0; i < g->n; i++) {
		const char *name = g->names[g->order[i]];
		char key[2 * NAME];

		metric_key(key, name, "realtime_num_requests_running");
		map_set(&counts, name, map_get(&g->metrics, key, 0));
	}
	return counts;
}

static int
matched_order(const void *a, const void *b)
{
	const struct matched *x = a, *y = b;

	if (x->percent != y->percent)
		return x->percent > y->percent ? -1 : 1;
	return (x->count > y->count) - (x->count < y->count);
}

static double
limit_of(const struct maps_gateway *g, const struct map *counts)
{
	double sum = 0, squares = 0, mean;

	for (uint32_t i = 0; i < g->n; i++)
		sum += map_get(counts, g->names[g->order[i]], 0);
	mean = sum / g->n;
	for (uint32_t i = 0; i < g->n; i++) {
		double off = map_get(counts, g->names[g->order[i]], 0) - mean;

		squares += off * off;
	}
	return mean + (g->n > 1 ? sqrt(squares / (g->n - 1)) : 0);
}

/* The pods that hold something, where the gate leaves them. */
static uint32_t
matched_of(struct maps_gateway *g, const struct map *counts,
	   const uint32_t *percent)
{
	struct map match = map_new(2 * g->n);
	double low = INFINITY, high = -INFINITY;
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		double count = map_get(counts, g->names[g->order[i]], 0);

		low = fmin(low, count);
		high = fmax(high, count);
	}
	for (uint32_t i = 0; i < g->n; i++) {
		const char *name = g->names[g->order[i]];

		if (percent[g->order[i]] && (high - low <= RUNNING_APART ||
					     map_get(counts, name, 0) == low))
			map_set(&match, name, percent[g->order[i]]);
	}
	for (uint32_t i = 0; i < g->n; i++) {
		const char *name = g->names[g->order[i]];
		double held = map_get(&match, name, 0);

		if (held > 0)
			g->matched[n++] = (struct matched){
				g->order[i], held, map_get(counts, name, 0)};
	}
	map_free(&match);
	return n;
}

static uint32_t
least_of(struct maps_gateway *g, const struct map *counts, uint64_t *state)
{
	double low = INFINITY;
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n; i++)
		low = fmin(low, map_get(counts, g->names[g->order[i]], 0));
	for (uint32_t i = 0; i < g->n; i++)
		if (map_get(counts, g->names[g->order[i]], 0) == low)
			g->at_least[n++] = g->order[i];
	return g->at_least[rand_below(state, n)];
}

uint32_t
maps_pick(struct maps_gateway *g, const uint32_t *percent, uint64_t entropy)
{
	struct map counts;
	uint32_t n, pod;
	double limit;

	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t k = rand_below(&entropy, i + 1);

		g->order[i] = g->order[k];
		g->order[k] = i;
	}
	counts = counts_of(g);
	n = matched_of(g, &counts, percent);
	limit = limit_of(g, &counts);
	qsort(g->matched, n, sizeof(*g->matched), matched_order);
	for (uint32_t i = 0; i < n; i++) {
		if (g->matched[i].count <= limit) {
			pod = g->matched[i].pod;
			map_free(&counts);
			return pod;
		}
	}
	pod = least_of(g, &counts, &entropy);
	map_free(&counts);
	return pod;
}
