/*
 * The queue against a list that is searched: any pushes, takes and plans.
 * What happens is drawn from a seed, or from bytes.
 */
#ifndef TESTS_QUEUE_PROGRAM_H
#define TESTS_QUEUE_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/queue.h>

#include "choices.h"

enum { SLOTS = 12, PROFILES = 3, TRIES = SLOTS * PROFILES };

struct waiting {
	uint64_t ticket, pushed, output, input, order;
	int waits;
};

struct queue_play {
	aibrix_queue *q;
	aibrix_gpu_profile *profiles[PROFILES];
	uint32_t policy;
	struct waiting list[SLOTS];
	uint64_t now, arrivals; /* now in 1/8 s */
	int newest_first;       /* planted: of a line the last is tried */
	uint32_t wrong;         /* the line of the first difference */
	uint64_t tries;
	struct choices choices;
};

#define SAME(p, x)                                                             \
	do {                                                                   \
		if (!(x) && !(p)->wrong)                                       \
			(p)->wrong = __LINE__;                                 \
	} while (0)

#define TICK_NS ((uint64_t)125000000)

static const uint64_t queue_sizes[] = {0, 1, 2, 5, 16, 17, 100, 4096};

static long
rounded_log(uint64_t tokens)
{
	return tokens ? lround(log2((double)tokens)) : 0;
}

static int
same_line(const struct queue_play *p, const struct waiting *a,
	  const struct waiting *b)
{
	return p->policy == AIBRIX_QUEUE_FIFO ||
	       (rounded_log(a->output) == rounded_log(b->output) &&
		rounded_log(a->input) == rounded_log(b->input));
}

static int
is_head(const struct queue_play *p, const struct waiting *a)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct waiting *b = &p->list[i];

		if (b->waits && same_line(p, a, b) &&
		    (p->newest_first ? b->order > a->order
				     : b->order < a->order))
			return 0;
	}
	return a->waits;
}

/* All tries there are, in any order; 0: order of arrival instead. */
static uint32_t
naive_tries(struct queue_play *p, aibrix_queue_try *t, int *ranked)
{
	uint32_t n = 0;

	*ranked = p->policy != AIBRIX_QUEUE_FIFO;
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct waiting *w = &p->list[i];
		double elapsed = (double)(p->now - w->pushed) / 8,
		       rank[PROFILES];
		double best = INFINITY;
		uint32_t first = PROFILES;

		if (!is_head(p, w))
			continue;
		for (uint32_t k = 0; k < PROFILES; k++) {
			rank[k] = NAN;
			if (aibrix_gpu_profile_rank(
				    p->profiles[k], (int64_t)w->output,
				    (int64_t)w->input, elapsed, &rank[k])) {
				*ranked = *ranked &&
					  p->policy == AIBRIX_QUEUE_SLO;
				continue;
			}
			if (rank[k] < best) {
				best = rank[k];
				first = k;
			}
		}
		for (uint32_t k = 0; k < PROFILES; k++)
			if (k == first || rank[k] <= 0)
				t[n++] = (aibrix_queue_try){w->ticket, w->order,
							    rank[k],   best,
							    k,         0};
		if (first == PROFILES)
			t[n++] =
				(aibrix_queue_try){w->ticket,   w->order,   NAN,
						   elapsed - 1, UINT32_MAX, 0};
	}
	return n;
}

static int
naive_before(const aibrix_queue_try *a, const aibrix_queue_try *b)
{
	if (a->tag != b->tag)
		return a->best != b->best ? a->best > b->best : a->tag < b->tag;
	return a->rank != b->rank ? a->rank < b->rank : a->profile < b->profile;
}

static void
play_plan(struct queue_play *p)
{
	const aibrix_gpu_profile *profiles[PROFILES];
	aibrix_queue_try naive[TRIES], got[TRIES];
	uint32_t n, got_n = 77;
	int ranked;

	memcpy(profiles, p->profiles, sizeof(profiles));
	n = naive_tries(p, naive, &ranked);
	SAME(p, aibrix_queue_plan(p->q, profiles, PROFILES, p->now * TICK_NS,
				  got, TRIES, &got_n) == AIBRIX_OK);
	if (!ranked && n > 0) {
		uint32_t oldest = 0;

		for (uint32_t i = 1; i < n; i++)
			if (naive[i].tag < naive[oldest].tag)
				oldest = i;
		SAME(p, got_n == 1 && got[0].ticket == naive[oldest].ticket);
		SAME(p, got[0].profile == AIBRIX_QUEUE_NO_PROFILE);
		return;
	}
	SAME(p, got_n == n);
	for (uint32_t k = 0; k < n && !p->wrong; k++) {
		uint32_t first = k;
		aibrix_queue_try swap = naive[k];

		for (uint32_t i = k + 1; i < n; i++)
			if (naive_before(&naive[i], &naive[first]))
				first = i;
		naive[k] = naive[first];
		naive[first] = swap;
		SAME(p, got[k].ticket == naive[k].ticket);
		SAME(p, got[k].profile == naive[k].profile);
		SAME(p, got[k].best == naive[k].best);
	}
	p->tries += n;
}

static void
play_push(struct queue_play *p)
{
	aibrix_queue_item item = {.size = sizeof(item)};
	struct waiting *w = NULL;
	uint64_t ticket = 0;
	int expected;

	item.output_tokens = queue_sizes[draw(&p->choices, 8)];
	item.input_tokens = queue_sizes[draw(&p->choices, 8)];
	for (uint32_t i = 0; i < SLOTS; i++)
		if (!p->list[i].waits)
			w = &p->list[i];
	expected = w ? AIBRIX_OK : AIBRIX_E_FULL;
	SAME(p, aibrix_queue_push(p->q, &item, p->now * TICK_NS, &ticket) ==
			expected);
	if (w)
		*w = (struct waiting){ticket,
				      p->now,
				      item.output_tokens,
				      item.input_tokens,
				      p->arrivals++,
				      1};
}

static void
play_take(struct queue_play *p)
{
	struct waiting *w = &p->list[draw(&p->choices, SLOTS)];
	aibrix_queue_item item = {.size = sizeof(item)};
	int err = aibrix_queue_take(p->q, w->ticket, p->now * TICK_NS, &item);

	SAME(p, err == (w->waits ? AIBRIX_OK : AIBRIX_E_NOT_FOUND));
	if (err)
		return;
	SAME(p, item.output_tokens == w->output);
	SAME(p, item.input_tokens == w->input);
	SAME(p, item.waited_ns == (p->now - w->pushed) * TICK_NS);
	w->waits = 0;
}

static void
play_start(struct queue_play *p)
{
	static const char *const texts[PROFILES] = {
		"{\"indexes\": [[1, 64], [1, 64]], \"e2e\": [[1, 2], [4, 8]], "
		"\"slos\": {\"e2e\": 6}}",
		"{\"indexes\": [[1, 64], [1, 64]], \"e2e\": [[2, 3], [3, 9]], "
		"\"slos\": {\"tpat\": 0.5}}",
		"{\"indexes\": [[1, 64], [1, 64]], "
		"\"ttft\": [[1, null], [1, null]], \"slos\": {\"ttft\": 2}}",
	};
	aibrix_queue_opts o = {
		.size = sizeof(o), .policy = p->policy, .max_requests = SLOTS};

	if (aibrix_queue_new(&o, &p->q) != AIBRIX_OK)
		abort();
	/* Without the first two many a request cannot be ranked. */
	for (uint32_t i = 0; i < PROFILES; i++) {
		const char *text = texts[draw(&p->choices, 4) ? 2 : i];

		if (aibrix_gpu_profile_read(text, strlen(text), NULL, NULL,
					    &p->profiles[i]) != AIBRIX_OK)
			abort();
	}
}

/* 0, or the line of the first difference. */
static uint32_t
queue_program_run(struct queue_play *p, uint32_t steps)
{
	play_start(p);
	for (uint32_t i = 0; i < steps && !p->wrong; i++) {
		uint32_t what = draw(&p->choices, 8);

		if (what < 4)
			play_push(p);
		else if (what < 6)
			play_take(p);
		else
			p->now += draw(&p->choices, 8);
		play_plan(p);
	}
	aibrix_queue_free(p->q);
	for (uint32_t i = 0; i < PROFILES; i++)
		aibrix_gpu_profile_free(p->profiles[i]);
	return p->wrong;
}

#endif
