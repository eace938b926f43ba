/*
 * What a KV cache has done, and whether it was worth it: counters and
 * histograms under AIBrix's names, and ours beside them.
 *
 * A meter belongs to the host and outlives the caches that record into it.
 * Caches of several ranks may share one.
 */
#ifndef AIBRIX_METER_H
#define AIBRIX_METER_H

#include <aibrix/base.h>
#include <aibrix/metric.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where: AIBrix's cache_type. */
enum {
	AIBRIX_METER_MANAGER = 0,  /* "cachemgr": all tiers together */
	AIBRIX_METER_L1 = 1,       /* "l1cache" */
	AIBRIX_METER_L2 = 2,       /* "l2cache" */
	AIBRIX_METER_CONNECTOR = 3 /* between an engine and a cache */
};

/* What: AIBrix's op_type.  The last two are the connector's, and its only
 * ones. */
enum {
	AIBRIX_METER_PUT = 0,
	AIBRIX_METER_GET = 1,
	AIBRIX_METER_ACQUIRE = 2,
	AIBRIX_METER_ALLOCATE = 3,
	AIBRIX_METER_EXISTS = 4,
	AIBRIX_METER_SEND = 5,
	AIBRIX_METER_RECV = 6
};

typedef struct aibrix_meter_opts {
	uint32_t size;
	uint32_t flags; /* must be 0 */
	/* What a token costs to compute, as in aibrix_cache_costs; both 0:
	   what hits save is not known, and not counted. */
	double token_ns;
	double position_ns;
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_meter_opts;

/*
 * Counters that never go back, in fixed memory of about 260 KB.
 *
 * Thread: shared; recording is wait-free.  What is read or written meanwhile
 * is as a histogram's: each number as it was at some moment of the call.
 */
typedef struct aibrix_meter aibrix_meter;

/*
 * A meter at zero.  opts may be NULL.  *out is owned.
 *
 * Fails: E_INVAL (costs that are negative, infinite or not known), E_ABI,
 * E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_new(const aibrix_meter_opts *opts,
					     aibrix_meter **out);

/* Release, when nothing records any more; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_meter_free(aibrix_meter *meter);

/* One operation that has ended. */
typedef struct aibrix_meter_op {
	uint32_t size;
	uint32_t where; /* AIBRIX_METER_MANAGER and so on */
	uint32_t op;    /* AIBRIX_METER_PUT and so on */
	int32_t status; /* AIBRIX_OK or AIBRIX_E_* */
	uint64_t prefix_tokens; /* before those that it was about */
	uint64_t tokens;        /* that it was about */
	uint64_t done_tokens;   /* of those: found, stored */
	uint64_t spent_ns;      /* AIBRIX_FOREVER: not measured */
} aibrix_meter_op;

/*
 * Count an operation.  It is an error when its status is not AIBRIX_OK; but
 * E_NOT_FOUND is none of GET, ACQUIRE and EXISTS.  GET and ACQUIRE also
 * count hits (done_tokens if the status is AIBRIX_OK) and misses (the rest
 * of tokens); the manager's also what they save and spend:
 *
 *	saved = token_ns h + position_ns ((p + h)^2 - p^2) / 2
 *
 * nanoseconds for h hits behind p prefix_tokens, and spent_ns.
 *
 * Fails: E_INVAL (where, op, an op of the connector elsewhere or another one
 * there), E_ABI.
 * Cost: up to 13 atomic additions.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_record(aibrix_meter *meter,
						const aibrix_meter_op *op);

/*
 * Count an error of an operation that goes on, or that is counted when it
 * ends: one of its requests has failed.  A status that is no error of op
 * counts nothing.
 *
 * Fails: E_INVAL (where, op).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_fail(aibrix_meter *meter,
					      uint32_t where, uint32_t op,
					      int status);

/* What is counted besides operations. */
enum {
	AIBRIX_METER_HIT_TOKENS = 0,
	AIBRIX_METER_MISS_TOKENS = 1,
	AIBRIX_METER_READ_BYTES = 2,
	AIBRIX_METER_WRITTEN_BYTES = 3,
	AIBRIX_METER_EVICTED_BLOCKS = 4,
	AIBRIX_METER_REFUSED_BLOCKS = 5, /* not stored: no room, not taken */
	AIBRIX_METER_CORRUPT_BLOCKS = 6, /* damaged, and caught */
	AIBRIX_METER_FAULTS = 7,         /* requests that failed at a tier */
	AIBRIX_METER_LEAKED_LEASES = 8,  /* held when their cache ended */
	AIBRIX_METER_SAVED_NS = 9,       /* of computing; the manager's */
	AIBRIX_METER_SPENT_NS = 10,      /* of waiting; the manager's */
	/* gauges: sums over the caches that share the meter */
	AIBRIX_METER_LEASES = 11,        /* held now */
	AIBRIX_METER_QUEUED_BLOCKS = 12, /* to or from a tier, or waiting */
	AIBRIX_METER_USED_BYTES = 13,    /* readable */
	AIBRIX_METER_TAKEN_BYTES = 14,   /* readable or being written */
	AIBRIX_METER_CAPACITY_BYTES = 15,
	/* a counter again */
	AIBRIX_METER_REMOVED_BLOCKS = 16 /* because somebody said so */
};

/*
 * Add to a value at a place.  A gauge goes down by adding what is below 0,
 * modulo 2^64.
 *
 * Fails: E_INVAL (no such value or place).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_add(aibrix_meter *meter,
					     uint32_t value, uint32_t where,
					     uint64_t more);

/* Fails: E_INVAL (no such value or place).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_get(const aibrix_meter *meter,
					     uint32_t value, uint32_t where,
					     uint64_t *out);

/* Latencies of an operation, in nanoseconds: borrowed until the meter is
 * freed.  NULL: there is no such operation there.  Since: 0.1. */
AIBRIX_API const aibrix_histogram *
aibrix_meter_latency(const aibrix_meter *meter, uint32_t where, uint32_t op);

/*
 * into gains what from has: a snapshot, when into is new, or the sum of
 * several ranks.  into is nobody else's meanwhile.
 *
 * Fails: E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_merge(aibrix_meter *into,
					       const aibrix_meter *from);

/*
 * The families of a meter; doc/modules/metric.md lists them.  text->prefix is
 * the engine's, such as "vllm:".  Operations that have never happened are
 * left out, as AIBrix does.
 *
 * Fails: as aibrix_metric_family and its samples; then part of the text has
 * been written.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_meter_write(const aibrix_meter *meter,
					       aibrix_metric_text *text);

#ifdef __cplusplus
}
#endif

#endif
