/*
 * A group over a network that loses, repeats, delays and reorders messages;
 * ranks start again with less than they had, forget what a step is about,
 * are silent.  What happens is drawn from a seed, or from bytes.
 *
 * Whatever happens: who is told lengths for a step is told what all others
 * are told, none above its own; after its deadline nobody waits; and where
 * nothing goes wrong the lengths are the least of all.
 */
#ifndef TESTS_AGREE_PROGRAM_H
#define TESTS_AGREE_PROGRAM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/agree.h>

#include "choices.h"

enum {
	RANKS = 4,
	REQUESTS = 3,
	MESSAGE = 40 + 4 * REQUESTS,
	FLIGHT = 24,
	DEADLINE = 100
};

struct letter {
	uint32_t to, used;
	uint8_t bytes[MESSAGE];
};

struct play {
	aibrix_agree *rank[RANKS];
	uint32_t own[RANKS][REQUESTS];
	uint32_t told[REQUESTS], is_told; /* what the first was told */
	uint32_t least[REQUESTS];
	uint64_t epoch, step;
	struct letter flight[FLIGHT];
	int faults;          /* of this step */
	int mixed;           /* one rank means other requests */
	int lies;            /* of the network about decisions: planted */
	uint64_t agreements; /* on more than nothing, in spite of faults */
	uint32_t wrong;      /* the line of the first broken rule */
	struct choices choices;
};

#define RULE(p, x)                                                             \
	do {                                                                   \
		if (!(x) && !(p)->wrong)                                       \
			(p)->wrong = __LINE__;                                 \
	} while (0)

static void
rank_start(struct play *p, uint32_t r)
{
	aibrix_agree_opts opts = {.size = sizeof(opts),
				  .ranks = RANKS,
				  .rank = r,
				  .requests = REQUESTS,
				  .epoch = p->epoch};

	aibrix_agree_free(p->rank[r]);
	p->rank[r] = NULL;
	if (aibrix_agree_new(&opts, &p->rank[r]) != AIBRIX_OK)
		abort();
}

static void
rank_begin(struct play *p, uint32_t r, uint64_t tag)
{
	for (uint32_t i = 0; i < REQUESTS; i++)
		p->own[r][i] = 1 + draw(&p->choices, 9);
	RULE(p, aibrix_agree_begin(p->rank[r], p->step, tag, p->own[r],
				   REQUESTS, DEADLINE) == AIBRIX_OK);
}

/* A decision with another length for one of its readers. */
static void
letter_lie(uint8_t *bytes)
{
	if (bytes[4] == 2)
		bytes[40]--;
}

static void
letter_post(struct play *p, uint32_t from, uint32_t to)
{
	struct letter *l = &p->flight[draw(&p->choices, FLIGHT)];

	/* One that is overwritten is lost. */
	if (aibrix_agree_write(p->rank[from], l->bytes, MESSAGE) == AIBRIX_OK) {
		l->to = to;
		l->used = 1;
		if (p->lies && to == 1)
			letter_lie(l->bytes);
	} else
		l->used = 0;
}

static void
letter_take(struct play *p, const struct letter *l)
{
	uint32_t reply = RANKS;

	RULE(p, aibrix_agree_read(p->rank[l->to], l->bytes, MESSAGE, &reply) ==
			AIBRIX_OK);
	RULE(p, reply < RANKS && (l->to == 0 || reply == 0));
	if (reply)
		letter_post(p, 0, reply);
}

/* What a rank is told, against the others and itself. */
static void
rank_ask(struct play *p, uint32_t r, uint64_t now_ns)
{
	uint32_t lengths[REQUESTS];
	int err = aibrix_agree_poll(p->rank[r], now_ns, lengths);

	RULE(p, err != AIBRIX_E_AGAIN || now_ns < DEADLINE);
	RULE(p, r != 0 || err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	if (err)
		return;
	p->agreements += p->faults && lengths[0] > 0;
	if (!p->is_told)
		memcpy(p->told, lengths, sizeof(lengths));
	p->is_told = 1;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		RULE(p, lengths[i] == p->told[i]);
		RULE(p, lengths[i] <= p->own[r][i]);
		RULE(p, !p->mixed || lengths[i] == 0);
	}
}

static void
step_event(struct play *p)
{
	uint32_t k = draw(&p->choices, FLIGHT), r = draw(&p->choices, RANKS);

	switch (draw(&p->choices, 16)) {
	case 0: /* it starts again, within the step, with something else */
		if (r == 0)
			break;
		rank_start(p, r);
		rank_begin(p, r, 7);
		p->mixed = 0;
		break;
	case 1: p->flight[k].used = 0; break;
	case 2:
	case 3: /* repeated: it stays in flight */
		if (p->flight[k].used)
			letter_take(p, &p->flight[k]);
		break;
	case 4: rank_ask(p, r, 0); break;
	case 5:
	case 6: letter_post(p, 0, 1 + draw(&p->choices, RANKS - 1)); break;
	case 7:
	case 8:
	case 9:
		if (r)
			letter_post(p, r, 0);
		break;
	default:
		if (p->flight[k].used) {
			struct letter l = p->flight[k];

			p->flight[k].used = 0;
			letter_take(p, &l);
		}
	}
}

static void
vote_deliver(struct play *p, uint32_t r)
{
	struct letter l = {.used = 1};

	RULE(p, aibrix_agree_write(p->rank[r], l.bytes, MESSAGE) == AIBRIX_OK);
	letter_take(p, &l);
}

/* The decision by a network without faults. */
static void
decision_deliver(struct play *p)
{
	struct letter l = {.used = 1};

	RULE(p, aibrix_agree_write(p->rank[0], l.bytes, MESSAGE) == AIBRIX_OK);
	for (l.to = 1; l.to < RANKS; l.to++)
		letter_take(p, &l);
}

static void
step_play(struct play *p)
{
	uint32_t n = draw(&p->choices, 64), tag_of = draw(&p->choices, 64);

	p->step++;
	p->is_told = 0;
	p->faults = draw(&p->choices, 3) != 0;
	p->mixed = p->faults && tag_of < RANKS;
	memset(p->least, 0xff, sizeof(p->least));
	for (uint32_t r = 0; r < RANKS; r++) {
		rank_begin(p, r, p->faults && r == tag_of ? 8 : 7);
		for (uint32_t i = 0; i < REQUESTS; i++)
			if (p->own[r][i] < p->least[i])
				p->least[i] = p->own[r][i];
	}
	if (!p->faults) {
		for (uint32_t r = 1; r < RANKS; r++)
			vote_deliver(p, r);
		decision_deliver(p);
	}
	for (uint32_t r = 1; p->faults && r < RANKS; r++)
		if (draw(&p->choices, 8))
			vote_deliver(p, r);
	for (uint32_t i = 0; p->faults && i < n; i++)
		step_event(p);
	for (uint32_t r = 0; r < RANKS; r++)
		rank_ask(p, r, DEADLINE);
	RULE(p, p->faults || memcmp(p->told, p->least, sizeof(p->told)) == 0);
	/* Whether by time or by word, it stays what it was. */
	for (uint32_t r = 0; r < RANKS; r++)
		rank_ask(p, r, DEADLINE);
}

/* 0, or the line of the rule that was broken. */
static uint32_t
program_run(struct play *p, uint32_t steps)
{
	for (uint32_t i = 0; i < steps && !p->wrong; i++) {
		if (i == 0 || draw(&p->choices, 16) == 0) {
			p->epoch++;
			p->step = 0;
			for (uint32_t r = 0; r < RANKS; r++)
				rank_start(p, r);
		}
		step_play(p);
	}
	for (uint32_t r = 0; r < RANKS; r++) {
		aibrix_agree_free(p->rank[r]);
		p->rank[r] = NULL;
	}
	return p->wrong;
}

#endif
