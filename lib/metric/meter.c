/*
 * Recording what a cache does.
 *
 * Everything is a cell that is added to, so that a meter can be shared by
 * the caches of all ranks of a process, summed with others, and read while it
 * is written, without a lock.  Cells of one operation lie together: it is
 * one thread at a time that mostly writes them.
 */

#include <aibrix/meter.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "metric/meter_internal.h"

enum {
	LINE = 64,
	TOKENS_MAX = 1 << 24,
	MS = 1000000,
	/* 18 minutes: what takes longer is one bucket. */
	LATENCY_BITS = 40
};

static const uint64_t token_edges[] = {
	/* Source: AIBrix metrics.py; 8096 is theirs. */
	1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8096,
};

static const uint64_t latency_edges[] = {
	1ull * MS,    2ull * MS,    3ull * MS,    5ull * MS,   8ull * MS,
	10ull * MS,   20ull * MS,   30ull * MS,   50ull * MS,  80ull * MS,
	100ull * MS,  200ull * MS,  300ull * MS,  500ull * MS, 800ull * MS,
	1000ull * MS, 2000ull * MS, 3000ull * MS,
};

int
aibrix__meter_has(uint32_t where, uint32_t op)
{
	return where < PLACES && op < OPS &&
	       (where == AIBRIX_METER_CONNECTOR) == (op >= AIBRIX_METER_SEND);
}

static int
op_reads(uint32_t op)
{
	return op == AIBRIX_METER_GET || op == AIBRIX_METER_ACQUIRE;
}

static int
kind_has(uint32_t op, uint32_t kind)
{
	return kind != DONE_TOKENS || op_reads(op) || op >= AIBRIX_METER_SEND;
}

static int
activity_open(aibrix_meter *m, uint32_t where, uint32_t op)
{
	aibrix_histogram_opts tokens = {.size = sizeof(tokens),
					.max = TOKENS_MAX,
					.edges = token_edges,
					.n_edges = sizeof(token_edges) /
						   sizeof(*token_edges),
					.alloc = &m->alloc};
	aibrix_histogram_opts latency = tokens;
	int err = AIBRIX_OK;

	latency.max = (uint64_t)1 << LATENCY_BITS;
	latency.edges = latency_edges;
	latency.n_edges = sizeof(latency_edges) / sizeof(*latency_edges);
	for (uint32_t k = 0; !err && k < KINDS; k++)
		if (kind_has(op, k))
			err = aibrix_histogram_new(
				k == LATENCY ? &latency : &tokens,
				&m->activities[where][op].kinds[k]);
	return err;
}

static int
opts_load(aibrix_meter_opts *own, aibrix_allocator *alloc,
	  const aibrix_meter_opts *opts)
{
	enum { OPTS_V1 = STRUCT_UPTO(aibrix_meter_opts, alloc) };
	int err = AIBRIX_OK;

	if (opts)
		err = aibrix__struct_load(own, sizeof(*own), opts, OPTS_V1);
	if (!err && own->flags)
		err = AIBRIX_E_ABI;
	if (!err && (!(own->token_ns >= 0) || !isfinite(own->token_ns) ||
		     !(own->position_ns >= 0) || !isfinite(own->position_ns)))
		err = AIBRIX_E_INVAL;
	return err ? err : aibrix__allocator_load(alloc, own->alloc);
}

int
aibrix_meter_new(const aibrix_meter_opts *opts, aibrix_meter **out)
{
	aibrix_meter_opts own = {.size = sizeof(own)};
	aibrix_allocator alloc;
	aibrix_meter *m;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	m = aibrix__alloc_aligned(&alloc, 1, sizeof(*m), LINE);
	if (!m)
		return AIBRIX_E_NOMEM;
	m->alloc = alloc;
	m->token_ns = own.token_ns;
	m->position_ns = own.position_ns;
	for (uint32_t where = 0; !err && where < PLACES; where++)
		for (uint32_t op = 0; !err && op < OPS; op++)
			if (aibrix__meter_has(where, op))
				err = activity_open(m, where, op);
	if (err) {
		aibrix_meter_free(m);
		return err;
	}
	*out = m;
	return AIBRIX_OK;
}

void
aibrix_meter_free(aibrix_meter *meter)
{
	aibrix_allocator alloc;

	if (!meter)
		return;
	alloc = meter->alloc;
	for (uint32_t where = 0; where < PLACES; where++)
		for (uint32_t op = 0; op < OPS; op++)
			for (uint32_t k = 0; k < KINDS; k++)
				aibrix_histogram_free(
					meter->activities[where][op].kinds[k]);
	aibrix__free(&alloc, meter, 1, sizeof(*meter));
}

static void
value_add(aibrix_meter *m, uint32_t value, uint32_t where, uint64_t more)
{
	if (more)
		atomic_fetch_add_explicit(&m->values[value][where], more,
					  memory_order_relaxed);
}

/* To compute the tokens from position p to p + h. */
static uint64_t
saved_ns(const aibrix_meter *m, uint64_t prefix, uint64_t hits)
{
	double p = (double)prefix, h = (double)hits;
	double ns = h * (m->token_ns + m->position_ns * (p + h / 2));

	/* Below 2^63, where a sum of many still means something. */
	return ns < 9e18 ? (uint64_t)ns : 0;
}

static void
reading_add(aibrix_meter *m, const aibrix_meter_op *o, uint64_t hits)
{
	value_add(m, AIBRIX_METER_HIT_TOKENS, o->where, hits);
	value_add(m, AIBRIX_METER_MISS_TOKENS, o->where, o->tokens - hits);
	if (o->where != AIBRIX_METER_MANAGER)
		return;
	value_add(m, AIBRIX_METER_SAVED_NS, o->where,
		  saved_ns(m, o->prefix_tokens, hits));
	if (o->spent_ns != AIBRIX_FOREVER)
		value_add(m, AIBRIX_METER_SPENT_NS, o->where, o->spent_ns);
}

static int
status_is_error(uint32_t op, int32_t status)
{
	if (status == AIBRIX_E_NOT_FOUND)
		return !op_reads(op) && op != AIBRIX_METER_EXISTS;
	return status != AIBRIX_OK;
}

static void
error_count(struct activity *a, uint32_t op, int32_t status)
{
	uint32_t at = COUNT_ERRORS + aibrix__meter_reason(status);

	if (status_is_error(op, status))
		atomic_fetch_add_explicit(&a->counts[at], 1,
					  memory_order_relaxed);
}

int
aibrix_meter_record(aibrix_meter *meter, const aibrix_meter_op *op)
{
	enum { OP_V1 = STRUCT_UPTO(aibrix_meter_op, spent_ns) };
	aibrix_meter_op o;
	struct activity *a;
	uint64_t done;
	int err;

	if (!meter || !op)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), op, OP_V1);
	if (err)
		return err;
	if (!aibrix__meter_has(o.where, o.op))
		return AIBRIX_E_INVAL;

	a = &meter->activities[o.where][o.op];
	done = o.done_tokens < o.tokens ? o.done_tokens : o.tokens;
	done = o.status == AIBRIX_OK ? done : 0;
	atomic_fetch_add_explicit(&a->counts[COUNT_OPS], 1,
				  memory_order_relaxed);
	error_count(a, o.op, o.status);
	aibrix_histogram_record(a->kinds[PREFIXES], o.prefix_tokens);
	aibrix_histogram_record(a->kinds[TOKENS], o.tokens);
	if (o.status == AIBRIX_OK)
		aibrix_histogram_record(a->kinds[DONE_TOKENS], done);
	if (o.spent_ns != AIBRIX_FOREVER)
		aibrix_histogram_record(a->kinds[LATENCY], o.spent_ns);
	if (op_reads(o.op))
		reading_add(meter, &o, done);
	return AIBRIX_OK;
}

int
aibrix_meter_fail(aibrix_meter *meter, uint32_t where, uint32_t op, int status)
{
	if (!meter || !aibrix__meter_has(where, op))
		return AIBRIX_E_INVAL;
	error_count(&meter->activities[where][op], op, status);
	return AIBRIX_OK;
}

int
aibrix_meter_add(aibrix_meter *meter, uint32_t value, uint32_t where,
		 uint64_t more)
{
	if (!meter || value >= VALUES || where >= PLACES)
		return AIBRIX_E_INVAL;
	value_add(meter, value, where, more);
	return AIBRIX_OK;
}

int
aibrix_meter_get(const aibrix_meter *meter, uint32_t value, uint32_t where,
		 uint64_t *out)
{
	if (!meter || value >= VALUES || where >= PLACES || !out)
		return AIBRIX_E_INVAL;
	*out = atomic_load_explicit(&meter->values[value][where],
				    memory_order_relaxed);
	return AIBRIX_OK;
}

const aibrix_histogram *
aibrix_meter_latency(const aibrix_meter *meter, uint32_t where, uint32_t op)
{
	if (!meter || !aibrix__meter_has(where, op))
		return NULL;
	return meter->activities[where][op].kinds[LATENCY];
}

static void
activity_merge(struct activity *into, const struct activity *from)
{
	for (uint32_t i = 0; i < COUNTS; i++)
		atomic_fetch_add_explicit(
			&into->counts[i],
			atomic_load_explicit(&from->counts[i],
					     memory_order_relaxed),
			memory_order_relaxed);
	for (uint32_t k = 0; k < KINDS; k++)
		if (into->kinds[k])
			(void)!aibrix_histogram_merge(into->kinds[k],
						      from->kinds[k]);
}

int
aibrix_meter_merge(aibrix_meter *into, const aibrix_meter *from)
{
	if (!into || !from)
		return AIBRIX_E_INVAL;
	for (uint32_t where = 0; where < PLACES; where++) {
		for (uint32_t op = 0; op < OPS; op++)
			activity_merge(&into->activities[where][op],
				       &from->activities[where][op]);
		for (uint32_t v = 0; v < VALUES; v++)
			value_add(into, v, where,
				  atomic_load_explicit(&from->values[v][where],
						       memory_order_relaxed));
	}
	return AIBRIX_OK;
}
