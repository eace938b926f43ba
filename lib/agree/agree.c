/*
 * One round over a star: votes to rank 0, its decision to all.
 *
 * Why one rank decides: with votes from all to all, a rank that misses one
 * vote cannot know whether the others have it, so at its deadline neither
 * the least of what it has nor 0 is safe.  That is so for whoever waits for
 * a message (the two generals); what can be had is that there is never more
 * than one decision.  So a silent rank costs its group the cache for one
 * step, since rank 0 may say 0 for all, and a silent rank 0 costs it the
 * step, which without that rank could not be run anyway.
 *
 * Why 0, and not the least of those that voted: the length is what every
 * rank has.  A rank that was late would be told of blocks it never found.
 *
 * A rank that starts again within a step may have less than it voted for.  Of
 * its two votes the least counts, and a decision that was made on the first
 * alone is not taken by a rank that has less: it is told that it is out.
 *
 * A rank may be a step ahead of rank 0: the latest vote of each rank is kept.
 *
 *   message: magic, kind, epoch, step, tag, rank, n, lengths
 *
 * numbers little-endian, every message as long as the longest: what the
 * other side of a transport expects never depends on what happened.
 */

#include <string.h>

#include <aibrix/agree.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/versioned.h"

enum {
	MAGIC = 0x65726761, /* "agre" */
	HEAD_BYTES = 40,
	KIND_VOTE = 1,
	KIND_DECISION = 2
};

enum { WAITS, DECIDED, CANCELED, TIMED_OUT, IDLE };

struct vote {
	uint64_t step, tag;
	uint32_t n, here; /* here: a vote for step; 2: about two things */
};

struct aibrix_agree {
	aibrix_allocator alloc;
	uint32_t ranks, rank, requests;
	uint32_t state;
	uint64_t epoch, deadline_ns;
	struct vote *votes; /* of each rank; its own at its rank */
	uint32_t *lengths;  /* ranks * requests */
	uint32_t *agreed;   /* requests */
};

struct head {
	struct reader lengths;
	uint64_t epoch, step, tag;
	uint32_t kind, rank, n;
};

static uint32_t *
vote_lengths(const aibrix_agree *a, uint32_t rank)
{
	return a->lengths + (size_t)rank * a->requests;
}

static int
opts_load(aibrix_agree_opts *own, aibrix_allocator *alloc,
	  const aibrix_agree_opts *opts)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), opts,
				  STRUCT_UPTO(aibrix_agree_opts, alloc));
	if (err)
		return err;
	if (own->ranks == 0 || own->ranks > AIBRIX_AGREE_RANKS_MAX ||
	    own->rank >= own->ranks || own->requests == 0 ||
	    own->requests > AIBRIX_AGREE_REQUESTS_MAX)
		return AIBRIX_E_INVAL;
	return aibrix__allocator_load(alloc, own->alloc);
}

int
aibrix_agree_new(const aibrix_agree_opts *opts, aibrix_agree **out)
{
	aibrix_allocator alloc;
	aibrix_agree_opts own;
	aibrix_agree *a;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	a = aibrix__alloc(&alloc, 1, sizeof(*a));
	if (!a)
		return AIBRIX_E_NOMEM;
	a->alloc = alloc;
	a->ranks = own.ranks;
	a->rank = own.rank;
	a->requests = own.requests;
	a->epoch = own.epoch;
	a->state = IDLE;
	a->votes = aibrix__alloc(&alloc, a->ranks, sizeof(*a->votes));
	a->lengths = aibrix__alloc(&alloc, (size_t)a->ranks * a->requests,
				   sizeof(*a->lengths));
	a->agreed = aibrix__alloc(&alloc, a->requests, sizeof(*a->agreed));
	if (!a->votes || !a->lengths || !a->agreed) {
		aibrix_agree_free(a);
		return AIBRIX_E_NOMEM;
	}
	*out = a;
	return AIBRIX_OK;
}

void
aibrix_agree_free(aibrix_agree *agree)
{
	aibrix_allocator alloc;

	if (!agree)
		return;
	alloc = agree->alloc;
	aibrix__free(&alloc, agree->votes, agree->ranks, sizeof(*agree->votes));
	aibrix__free(&alloc, agree->lengths,
		     (size_t)agree->ranks * agree->requests,
		     sizeof(*agree->lengths));
	aibrix__free(&alloc, agree->agreed, agree->requests,
		     sizeof(*agree->agreed));
	aibrix__free(&alloc, agree, 1, sizeof(*agree));
}

uint64_t
aibrix_agree_bytes(const aibrix_agree *agree)
{
	return HEAD_BYTES + 4 * (uint64_t)agree->requests;
}

/* Whether a rank's vote is for the step that rank 0 is at, and about it. */
static int
vote_counts(const aibrix_agree *a, uint32_t rank)
{
	const struct vote *own = &a->votes[0], *v = &a->votes[rank];

	return v->here == 1 && v->step == own->step && v->tag == own->tag &&
	       v->n == own->n;
}

static void
decide(aibrix_agree *a, int all)
{
	uint32_t n = a->votes[0].n;

	memset(a->agreed, 0, a->requests * sizeof(*a->agreed));
	if (all)
		memcpy(a->agreed, vote_lengths(a, 0), n * sizeof(*a->agreed));
	for (uint32_t r = 0; all && r < a->ranks; r++) {
		const uint32_t *lengths = vote_lengths(a, r);

		for (uint32_t i = 0; i < n; i++)
			if (lengths[i] < a->agreed[i])
				a->agreed[i] = lengths[i];
	}
	a->state = DECIDED;
}

/* Rank 0: with a vote of every rank there is nothing to wait for. */
static void
decide_when_ready(aibrix_agree *a)
{
	int all = 1;

	for (uint32_t r = 0; r < a->ranks; r++) {
		if (!a->votes[r].here || a->votes[r].step < a->votes[0].step)
			return;
		all = all && vote_counts(a, r);
	}
	decide(a, all);
}

int
aibrix_agree_begin(aibrix_agree *agree, uint64_t step, uint64_t tag,
		   const uint32_t *lengths, uint32_t n, uint64_t deadline_ns)
{
	struct vote *own;

	if (!agree || n > agree->requests || (!lengths && n > 0))
		return AIBRIX_E_INVAL;
	own = &agree->votes[agree->rank];
	if (own->here && step <= own->step)
		return AIBRIX_E_STATE;
	own->here = 1;
	own->step = step;
	own->tag = tag;
	own->n = n;
	if (n > 0)
		memcpy(vote_lengths(agree, agree->rank), lengths,
		       n * sizeof(*lengths));
	agree->deadline_ns = deadline_ns;
	agree->state = WAITS;
	if (agree->rank == 0)
		decide_when_ready(agree);
	return AIBRIX_OK;
}

int
aibrix_agree_write(const aibrix_agree *agree, void *message, uint64_t cap)
{
	const struct vote *own;
	const uint32_t *lengths;
	struct writer w;
	uint64_t bytes;
	int decision;

	if (!agree || (!message && cap > 0))
		return AIBRIX_E_INVAL;
	if (agree->state == IDLE ||
	    (agree->rank == 0 && agree->state != DECIDED))
		return AIBRIX_E_AGAIN;
	bytes = aibrix_agree_bytes(agree);
	if (cap < bytes)
		return AIBRIX_E_SPACE;
	decision = agree->rank == 0;
	own = &agree->votes[agree->rank];
	lengths = decision ? agree->agreed : vote_lengths(agree, agree->rank);
	w = writer_on(message, (size_t)bytes);
	write_u32(&w, MAGIC);
	write_u32(&w, decision ? KIND_DECISION : KIND_VOTE);
	write_u64(&w, agree->epoch);
	write_u64(&w, own->step);
	write_u64(&w, own->tag);
	write_u32(&w, agree->rank);
	write_u32(&w, own->n);
	for (uint32_t i = 0; i < agree->requests; i++)
		write_u32(&w, i < own->n ? lengths[i] : 0);
	return AIBRIX_OK;
}

static int
head_read(const aibrix_agree *a, const void *message, uint64_t bytes,
	  struct head *h)
{
	struct reader r;

	if (bytes != aibrix_agree_bytes(a))
		return AIBRIX_E_PARSE;
	r = reader_on(message, (size_t)bytes);
	if (read_u32(&r) != MAGIC)
		return AIBRIX_E_PARSE;
	h->kind = read_u32(&r);
	h->epoch = read_u64(&r);
	h->step = read_u64(&r);
	h->tag = read_u64(&r);
	h->rank = read_u32(&r);
	h->n = read_u32(&r);
	h->lengths = r;
	if (h->rank >= a->ranks || h->n > a->requests ||
	    h->kind != (h->rank == 0 ? KIND_DECISION : KIND_VOTE))
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

/* Of two votes for a step the least: a rank that has started again. */
static void
vote_take(aibrix_agree *a, struct head *h)
{
	uint32_t *lengths = vote_lengths(a, h->rank);
	struct vote *v = &a->votes[h->rank];
	int again = v->here && h->step == v->step;

	if (v->here && h->step < v->step)
		return;
	if (again && (h->tag != v->tag || h->n != v->n)) {
		v->here = 2;
		return;
	}
	if (!again)
		*v = (struct vote){h->step, h->tag, h->n, 1};
	for (uint32_t i = 0; i < h->n; i++) {
		uint32_t x = read_u32(&h->lengths);

		if (!again || x < lengths[i])
			lengths[i] = x;
	}
	if (a->state == WAITS)
		decide_when_ready(a);
}

/* A decision of more than this rank has counts on an earlier start of it. */
static void
decision_take(aibrix_agree *a, struct head *h)
{
	const struct vote *own = &a->votes[a->rank];
	const uint32_t *lengths = vote_lengths(a, a->rank);
	uint32_t most = 0;
	int less = 1;

	if (a->state != WAITS || h->step != own->step)
		return;
	for (uint32_t i = 0; i < a->requests; i++) {
		uint32_t x = read_u32(&h->lengths);

		most = x > most ? x : most;
		less = less && x <= (i < own->n ? lengths[i] : 0);
		a->agreed[i] = x;
	}
	if (most == 0 || (h->tag == own->tag && h->n == own->n && less))
		a->state = DECIDED;
	else
		a->state = CANCELED;
}

int
aibrix_agree_read(aibrix_agree *agree, const void *message, uint64_t bytes,
		  uint32_t *reply)
{
	struct head h;
	int err;

	if (!agree || !message || !reply)
		return AIBRIX_E_INVAL;
	err = head_read(agree, message, bytes, &h);
	if (err)
		return err;
	*reply = 0;
	if (h.epoch != agree->epoch || (h.rank == 0) == (agree->rank == 0))
		return AIBRIX_OK;
	if (h.rank == 0) {
		decision_take(agree, &h);
		return AIBRIX_OK;
	}
	vote_take(agree, &h);
	if (agree->state == DECIDED && h.step == agree->votes[0].step)
		*reply = h.rank;
	return AIBRIX_OK;
}

int
aibrix_agree_poll(aibrix_agree *agree, uint64_t now_ns, uint32_t *lengths)
{
	uint32_t n;

	if (!agree)
		return AIBRIX_E_INVAL;
	n = agree->votes[agree->rank].n;
	if (!lengths && n > 0)
		return AIBRIX_E_INVAL;
	if (agree->state == WAITS && now_ns >= agree->deadline_ns) {
		if (agree->rank == 0)
			decide(agree, 0);
		else
			agree->state = TIMED_OUT;
	}
	switch (agree->state) {
	case DECIDED:
		if (n > 0)
			memcpy(lengths, agree->agreed, n * sizeof(*lengths));
		return AIBRIX_OK;
	case WAITS: return AIBRIX_E_AGAIN;
	case CANCELED: return AIBRIX_E_CANCELED;
	case TIMED_OUT: return AIBRIX_E_TIMEOUT;
	default: return AIBRIX_E_STATE;
	}
}
