/*
 * Waiting requests by size.
 *
 *	lines    (log output, log input) -> requests of that size, in order
 *	busy     the lines that have somebody
 *
 * Within a line all want the same and take as long, so the first is the most
 * urgent one, and a plan looks at the first of each line only.  A request
 * leaves its line in constant time, from anywhere.
 *
 * Unlike AIBrix (algorithms/queue/slo_queue.go): a request that cannot be
 * ranked (no profile, no target, latency not measured) does not put all
 * others in order of arrival.  It is ranked by its own waiting alone, so it
 * comes first before long, and nobody waits for ever.
 */

#include <aibrix/queue.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/versioned.h"

enum {
	REQUESTS_DEFAULT = 65536,
	REQUESTS_MAX = 1 << 24,
	SIDE = 33, /* logarithms of 0 .. 2^32 */
	LINES = SIDE * SIDE
};

#define TOKENS_MAX ((uint64_t)1 << 32)
#define SECOND_NS 1e9
#define PATIENCE_DEFAULT_NS ((uint64_t)1000000000)

struct request {
	uint64_t tag;
	uint64_t input, output;
	uint64_t pushed_ns;
	uint64_t order; /* of arrivals */
	uint32_t line;
	uint32_t generation;
	uint32_t waits;
	uint32_t spare;
};

struct aibrix_queue {
	aibrix_allocator alloc;
	uint32_t policy, max_requests;
	uint64_t patience_ns;
	struct list line[LINES];
	struct list busy; /* of lines */
	struct link busy_links[LINES];
	struct request *requests;
	struct link *links;
	struct list free;
	uint64_t now_ns; /* the latest seen */
	uint64_t arrivals, taken;
};

static int
opts_load(aibrix_queue_opts *own, aibrix_allocator *alloc,
	  const aibrix_queue_opts *opts)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), opts,
				  STRUCT_UPTO(aibrix_queue_opts, alloc));
	if (err)
		return err;
	if (own->max_requests == 0)
		own->max_requests = REQUESTS_DEFAULT;
	if (own->patience_ns == 0)
		own->patience_ns = PATIENCE_DEFAULT_NS;
	if (own->policy > AIBRIX_QUEUE_FIFO ||
	    own->max_requests > REQUESTS_MAX || own->spare)
		return AIBRIX_E_INVAL;
	return aibrix__allocator_load(alloc, own->alloc);
}

int
aibrix_queue_new(const aibrix_queue_opts *opts, aibrix_queue **out)
{
	aibrix_allocator alloc;
	aibrix_queue_opts own;
	aibrix_queue *q;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	q = aibrix__alloc(&alloc, 1, sizeof(*q));
	if (!q)
		return AIBRIX_E_NOMEM;
	q->alloc = alloc;
	q->policy = own.policy;
	q->max_requests = own.max_requests;
	q->patience_ns = own.patience_ns;
	q->requests =
		aibrix__alloc(&alloc, q->max_requests, sizeof(*q->requests));
	q->links = aibrix__alloc(&alloc, q->max_requests, sizeof(*q->links));
	if (!q->requests || !q->links) {
		aibrix_queue_free(q);
		return AIBRIX_E_NOMEM;
	}
	for (uint32_t i = 0; i < q->max_requests; i++)
		list_append(&q->free, q->links, i);
	*out = q;
	return AIBRIX_OK;
}

void
aibrix_queue_free(aibrix_queue *queue)
{
	aibrix_allocator a;

	if (!queue)
		return;
	a = queue->alloc;
	aibrix__free(&a, queue->requests, queue->max_requests,
		     sizeof(*queue->requests));
	aibrix__free(&a, queue->links, queue->max_requests,
		     sizeof(*queue->links));
	aibrix__free(&a, queue, 1, sizeof(*queue));
}

static uint32_t
size_of(uint64_t tokens)
{
	return tokens ? (uint32_t)lround(log2((double)tokens)) : 0;
}

static uint64_t
ticket_of(const aibrix_queue *q, uint32_t slot)
{
	return (uint64_t)q->requests[slot].generation << 32 | slot;
}

static uint64_t
now_of(const aibrix_queue *q, uint64_t now_ns)
{
	return now_ns > q->now_ns ? now_ns : q->now_ns;
}

int
aibrix_queue_push(aibrix_queue *queue, const aibrix_queue_item *item,
		  uint64_t now_ns, uint64_t *ticket)
{
	aibrix_queue_item own;
	struct request *r;
	uint32_t slot, line = 0;
	int err;

	if (!queue || !item || !ticket)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&own, sizeof(own), item,
				  STRUCT_UPTO(aibrix_queue_item, waited_ns));
	if (err)
		return err;
	if (own.input_tokens > TOKENS_MAX || own.output_tokens > TOKENS_MAX ||
	    own.spare)
		return AIBRIX_E_INVAL;
	slot = list_pop(&queue->free, queue->links);
	if (slot == NONE)
		return AIBRIX_E_FULL;
	queue->now_ns = now_of(queue, now_ns);
	if (queue->policy != AIBRIX_QUEUE_FIFO)
		line = size_of(own.output_tokens) * SIDE +
		       size_of(own.input_tokens);
	r = &queue->requests[slot];
	*r = (struct request){.tag = own.tag,
			      .input = own.input_tokens,
			      .output = own.output_tokens,
			      .pushed_ns = queue->now_ns,
			      .order = queue->arrivals++,
			      .line = line,
			      .generation =
				      r->generation + 1 ? r->generation + 1 : 1,
			      .waits = 1};
	list_append(&queue->line[line], queue->links, slot);
	if (queue->line[line].count == 1)
		list_append(&queue->busy, queue->busy_links, line);
	*ticket = ticket_of(queue, slot);
	return AIBRIX_OK;
}

/* Tries as they are found; those beyond cap are counted. */
struct plan {
	aibrix_queue_try *tries;
	uint32_t n, cap;
};

static void
plan_add(struct plan *p, const aibrix_queue *q, uint32_t slot, uint32_t profile,
	 double rank, double best)
{
	if (p->n < p->cap)
		p->tries[p->n] = (aibrix_queue_try){ticket_of(q, slot),
						    q->requests[slot].tag,
						    rank,
						    best,
						    profile,
						    0};
	p->n++;
}

static double
elapsed_s(const aibrix_queue *q, uint32_t slot, uint64_t now_ns)
{
	return (double)(now_ns - q->requests[slot].pushed_ns) / SECOND_NS;
}

/* How late each profile makes a request, NaN where that is not known.  The
 * number of ranks. */
static uint32_t
ranks_find(const aibrix_queue *q, uint32_t slot,
	   const aibrix_gpu_profile *const *profiles, uint32_t n,
	   uint64_t now_ns, double ranks[AIBRIX_QUEUE_PROFILES_MAX],
	   double *best)
{
	const struct request *r = &q->requests[slot];
	uint32_t known = 0;

	*best = INFINITY;
	for (uint32_t i = 0; i < n; i++) {
		ranks[i] = NAN;
		if (!profiles[i] ||
		    aibrix_gpu_profile_rank(
			    profiles[i], (int64_t)r->output, (int64_t)r->input,
			    elapsed_s(q, slot, now_ns), &ranks[i]) != AIBRIX_OK)
			continue;
		known++;
		if (ranks[i] < *best)
			*best = ranks[i];
	}
	return known;
}

/* Where it is least late, and wherever it is not late. */
static void
plan_ranked(struct plan *p, const aibrix_queue *q, uint32_t slot,
	    const double *ranks, uint32_t n, double best)
{
	int first = 1;

	for (uint32_t i = 0; i < n; i++) {
		int is_first = first && ranks[i] <= best;

		/* NaN is neither. */
		if (is_first || ranks[i] <= 0)
			plan_add(p, q, slot, i, ranks[i], best);
		first = first && !is_first;
	}
}

/* 0: one could not be ranked, and policy is compat. */
static int
plan_by_rank(struct plan *p, const aibrix_queue *q,
	     const aibrix_gpu_profile *const *profiles, uint32_t n,
	     uint64_t now_ns)
{
	double ranks[AIBRIX_QUEUE_PROFILES_MAX], best;
	const int compat = q->policy == AIBRIX_QUEUE_SLO_COMPAT;
	uint32_t line = q->busy.head, known, there = 0;

	for (uint32_t i = 0; i < n; i++)
		there += profiles[i] != NULL;
	for (uint32_t i = 0; i < q->busy.count; i++) {
		uint32_t slot = q->line[line].head;

		known = ranks_find(q, slot, profiles, n, now_ns, ranks, &best);
		if (compat && (known == 0 || known < there))
			return 0;
		if (known) {
			plan_ranked(p, q, slot, ranks, n, best);
		} else {
			best = elapsed_s(q, slot, now_ns) -
			       (double)q->patience_ns / SECOND_NS;
			plan_add(p, q, slot, AIBRIX_QUEUE_NO_PROFILE, NAN,
				 best);
		}
		line = q->busy_links[line].next;
	}
	return 1;
}

static void
plan_by_arrival(struct plan *p, const aibrix_queue *q)
{
	uint32_t line = q->busy.head, oldest = NONE;

	for (uint32_t i = 0; i < q->busy.count; i++) {
		uint32_t slot = q->line[line].head;

		if (oldest == NONE ||
		    q->requests[slot].order < q->requests[oldest].order)
			oldest = slot;
		line = q->busy_links[line].next;
	}
	if (oldest != NONE)
		plan_add(p, q, oldest, AIBRIX_QUEUE_NO_PROFILE, NAN, NAN);
}

/* Whether a is to be tried after b. */
static int
try_after(const aibrix_queue *q, const aibrix_queue_try *a,
	  const aibrix_queue_try *b)
{
	if (a->ticket != b->ticket) {
		if (a->best < b->best || a->best > b->best)
			return a->best < b->best;
		return q->requests[(uint32_t)a->ticket].order >
		       q->requests[(uint32_t)b->ticket].order;
	}
	if (a->rank < b->rank || a->rank > b->rank)
		return a->rank > b->rank;
	return a->profile > b->profile;
}

/* Let tries[at] sink in the heap tries[0 .. n), whose top is the last to be
 * tried. */
static void
try_sink(const aibrix_queue *q, aibrix_queue_try *tries, uint32_t n,
	 uint32_t at)
{
	const aibrix_queue_try e = tries[at];
	uint32_t child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n &&
		    try_after(q, &tries[child + 1], &tries[child]))
			child++;
		if (!try_after(q, &tries[child], &e))
			break;
		tries[at] = tries[child];
		at = child;
	}
	tries[at] = e;
}

static void
plan_sort(const aibrix_queue *q, aibrix_queue_try *tries, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		try_sink(q, tries, n, i);
	for (uint32_t i = n; i-- > 1;) {
		const aibrix_queue_try last = tries[0];

		tries[0] = tries[i];
		tries[i] = last;
		try_sink(q, tries, i, 0);
	}
}

int
aibrix_queue_plan(const aibrix_queue *queue,
		  const aibrix_gpu_profile *const *profiles,
		  uint32_t n_profiles, uint64_t now_ns, aibrix_queue_try *tries,
		  uint32_t cap, uint32_t *n)
{
	struct plan p = {tries, 0, cap};

	if (!queue || !n || (!tries && cap > 0) ||
	    (!profiles && n_profiles > 0) ||
	    n_profiles > AIBRIX_QUEUE_PROFILES_MAX)
		return AIBRIX_E_INVAL;
	if (queue->policy == AIBRIX_QUEUE_FIFO ||
	    !plan_by_rank(&p, queue, profiles, n_profiles,
			  now_of(queue, now_ns))) {
		p.n = 0;
		plan_by_arrival(&p, queue);
	}
	*n = p.n;
	if (p.n > cap)
		return AIBRIX_E_SPACE;
	plan_sort(queue, tries, p.n);
	return AIBRIX_OK;
}

int
aibrix_queue_take(aibrix_queue *queue, uint64_t ticket, uint64_t now_ns,
		  aibrix_queue_item *item)
{
	aibrix_queue *q = queue;
	aibrix_queue_item own = {.size = sizeof(own)};
	uint32_t slot = (uint32_t)ticket;
	struct request *r;
	int err = AIBRIX_OK;

	if (!q)
		return AIBRIX_E_INVAL;
	if (slot >= q->max_requests || !q->requests[slot].waits ||
	    q->requests[slot].generation != ticket >> 32)
		return AIBRIX_E_NOT_FOUND;
	r = &q->requests[slot];
	own.tag = r->tag;
	own.input_tokens = r->input;
	own.output_tokens = r->output;
	own.waited_ns = now_of(q, now_ns) - r->pushed_ns;
	if (item)
		err = aibrix__struct_store(
			item, &own, sizeof(own),
			STRUCT_UPTO(aibrix_queue_item, waited_ns));
	if (err)
		return err;
	q->now_ns = now_of(q, now_ns);
	list_remove(&q->line[r->line], q->links, slot);
	if (q->line[r->line].count == 0)
		list_remove(&q->busy, q->busy_links, r->line);
	r->waits = 0;
	list_prepend(&q->free, q->links, slot);
	q->taken++;
	return AIBRIX_OK;
}

int
aibrix_queue_stats(const aibrix_queue *queue, aibrix_queue_stat *stat)
{
	aibrix_queue_stat own = {.size = sizeof(own)};

	if (!queue || !stat)
		return AIBRIX_E_INVAL;
	own.waiting = queue->max_requests - queue->free.count;
	own.lines = queue->busy.count;
	own.bytes = sizeof(*queue) +
		    queue->max_requests *
			    (sizeof(*queue->requests) + sizeof(*queue->links));
	own.pushed = queue->arrivals;
	own.taken = queue->taken;
	return aibrix__struct_store(stat, &own, sizeof(own),
				    STRUCT_UPTO(aibrix_queue_stat, taken));
}
