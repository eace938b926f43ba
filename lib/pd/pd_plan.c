/*
 * What is planned from the lengths that have passed.
 *
 *	declared    [a a a a a a)            segments: what the same groups
 *	                [b b b b b b)        cover.  a alone, a and b, b alone
 *	             |a |  a,b  | b |
 *
 *	need = share of the pods x all traffic - what it alone is for
 *
 * A segment of several groups with at least a twentieth of the traffic is
 * cut by their needs, the busiest segments first.  A group gets its bands in
 * the order of the declared lengths, then of numbers: AIBrix goes by need,
 * whose order turns with the traffic, and then all prompts move at once to
 * pods that have nothing of them.  What a group has got is taken off its
 * need, so that it does not get it in each of its segments.
 */

#include <math.h>
#include <string.h>

#include "pd/pd_buckets_internal.h"

static const double split_share = 0.05;

static uint64_t
group_end(const aibrix_pd_group *g)
{
	return g->max_tokens ? (uint64_t)g->max_tokens + 1
			     : (uint64_t)UINT32_MAX + 1;
}

static int
group_before(const aibrix_pd_group *a, const aibrix_pd_group *b)
{
	if (a->min_tokens != b->min_tokens)
		return a->min_tokens < b->min_tokens;
	if (group_end(a) != group_end(b))
		return group_end(a) < group_end(b);
	return a->group < b->group;
}

/* Those that are for any length, in order; returns how many. */
static uint32_t
groups_order(aibrix_pd_buckets *b, const aibrix_pd_group *groups, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = count;

		if (group_end(&groups[i]) <= groups[i].min_tokens)
			continue;
		for (; at > 0 && group_before(&groups[i], &b->groups[at - 1]);
		     at--)
			b->groups[at] = b->groups[at - 1];
		b->groups[at] = groups[i];
		count++;
	}
	return count;
}

static void
bound_add(uint64_t *bounds, uint32_t n, uint64_t bound)
{
	for (; n > 0 && bounds[n - 1] > bound; n--)
		bounds[n] = bounds[n - 1];
	bounds[n] = bound;
}

static int
covers(const aibrix_pd_group *g, const struct segment *s)
{
	return g->min_tokens <= s->lo && s->hi <= group_end(g);
}

/* Maximal lengths that the same groups cover; returns how many. */
static uint32_t
segments_make(aibrix_pd_buckets *b, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		bound_add(b->bounds, 2 * i, b->groups[i].min_tokens);
		bound_add(b->bounds, 2 * i + 1, group_end(&b->groups[i]));
	}
	for (uint32_t i = 0; i + 1 < 2 * n; i++) {
		struct segment s = {.lo = b->bounds[i], .hi = b->bounds[i + 1]};

		if (s.lo == s.hi)
			continue;
		for (uint32_t g = 0; g < n; g++)
			s.covering += covers(&b->groups[g], &s) != 0;
		s.weight = aibrix__pd_weight_below(b, (double)s.hi) -
			   aibrix__pd_weight_below(b, (double)s.lo);
		if (s.covering > 0)
			b->segments[count++] = s;
	}
	return count;
}

static double
replicas_of(const aibrix_pd_group *g)
{
	return g->replicas ? g->replicas : 1;
}

/* What each group lacks of its share; returns all traffic. */
static double
needs_find(aibrix_pd_buckets *b, uint32_t n, uint32_t n_segments)
{
	double total = 0, replicas = 0;

	for (uint32_t i = 0; i < n_segments; i++)
		total += b->segments[i].weight;
	for (uint32_t g = 0; g < n; g++)
		replicas += replicas_of(&b->groups[g]);
	for (uint32_t g = 0; g < n; g++) {
		b->needs[g] = total * replicas_of(&b->groups[g]) / replicas;
		for (uint32_t i = 0; i < n_segments; i++)
			if (b->segments[i].covering == 1 &&
			    covers(&b->groups[g], &b->segments[i]))
				b->needs[g] -= b->segments[i].weight;
	}
	return total;
}

/* Of the segment's groups those that need most, at most most of them, by
 * place; returns how many. */
static uint32_t
groups_choose(aibrix_pd_buckets *b, uint32_t n, const struct segment *s,
	      uint32_t most, uint32_t *need_some)
{
	uint32_t count = 0;

	*need_some = 0;
	for (uint32_t g = 0; g < n; g++) {
		uint32_t least = 0;

		if (!covers(&b->groups[g], s) || !(b->needs[g] > 0))
			continue;
		++*need_some;
		if (count < most) {
			b->chosen[count++] = g;
			continue;
		}
		for (uint32_t i = 1; i < count; i++)
			if (b->needs[b->chosen[i]] < b->needs[b->chosen[least]])
				least = i;
		if (count == 0 || b->needs[b->chosen[least]] >= b->needs[g])
			continue;
		memmove(&b->chosen[least], &b->chosen[least + 1],
			(count - least - 1) * sizeof(*b->chosen));
		b->chosen[count - 1] = g;
	}
	return count;
}

/* Cut s by the needs of those chosen. */
static void
segment_cut(aibrix_pd_buckets *b, const struct segment *s, uint32_t parts)
{
	double below = aibrix__pd_weight_below(b, (double)s->lo), needs = 0,
	       sum = 0;
	uint64_t lo = s->lo;

	for (uint32_t i = 0; i < parts; i++)
		needs += b->needs[b->chosen[i]];
	for (uint32_t i = 0; i < parts; i++) {
		uint32_t g = b->chosen[i];
		uint64_t hi = s->hi, last = s->hi - (parts - 1 - i);

		sum += b->needs[g];
		if (i + 1 < parts) {
			double cut = ceil(aibrix__pd_length_at(
				b, below + s->weight * sum / needs));

			hi = cut < (double)last ? (uint64_t)cut : last;
			hi = hi > lo ? hi : lo + 1;
		}
		b->bands[b->n_bands++] = (aibrix_pd_band){
			b->groups[g].group, (uint32_t)lo, (uint32_t)(hi - 1)};
		lo = hi;
	}
	for (uint32_t i = 0; i < parts; i++)
		b->needs[b->chosen[i]] -=
			s->weight * b->needs[b->chosen[i]] / needs;
}

static void
segment_plan(aibrix_pd_buckets *b, uint32_t n, const struct segment *s)
{
	uint32_t room = AIBRIX_PD_BANDS_MAX - b->n_bands, some;
	uint32_t parts = groups_choose(b, n, s, room, &some);

	/* One of several would get all that the others need too. */
	if (parts == 0 || (parts == 1 && some > 1) || s->hi - s->lo < parts)
		return;
	segment_cut(b, s, parts);
}

/* The heaviest first. */
static void
segments_order(aibrix_pd_buckets *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;

		for (; at > 0 && b->segments[b->order[at - 1]].weight <
					 b->segments[i].weight;
		     at--)
			b->order[at] = b->order[at - 1];
		b->order[at] = i;
	}
}

static void
bands_order(aibrix_pd_buckets *b)
{
	for (uint32_t i = 1; i < b->n_bands; i++) {
		aibrix_pd_band band = b->bands[i];
		uint32_t at = i;

		for (; at > 0 && b->bands[at - 1].min_tokens > band.min_tokens;
		     at--)
			b->bands[at] = b->bands[at - 1];
		b->bands[at] = band;
	}
}

void
aibrix__pd_plan_make(aibrix_pd_buckets *b, const aibrix_pd_group *groups,
		     uint32_t n)
{
	uint32_t count = groups_order(b, groups, n);
	uint32_t n_segments = segments_make(b, count);
	double total = needs_find(b, count, n_segments);

	b->n_bands = 0;
	segments_order(b, n_segments);
	for (uint32_t i = 0; i < n_segments; i++) {
		const struct segment *s = &b->segments[b->order[i]];

		if (s->covering > 1 && s->weight > 0 &&
		    s->weight >= split_share * total)
			segment_plan(b, count, s);
	}
	bands_order(b);
}
