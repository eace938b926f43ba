/* What a meter is made of. */
#ifndef METRIC_METER_INTERNAL_H
#define METRIC_METER_INTERNAL_H

#include <stdatomic.h>

#include <aibrix/meter.h>

enum {
	PLACES = AIBRIX_METER_CONNECTOR + 1,
	OPS = AIBRIX_METER_RECV + 1,
	VALUES = AIBRIX_METER_REMOVED_BLOCKS + 1,
	/* What is counted of an operation: itself, or a reason to fail. */
	COUNT_OPS = 0,
	COUNT_ERRORS = 1,
	REASONS = 9,
	COUNTS = COUNT_ERRORS + REASONS
};

/* Histograms of an operation. */
enum { PREFIXES, TOKENS, DONE_TOKENS, LATENCY, KINDS };

struct activity {
	_Atomic uint64_t counts[COUNTS];
	aibrix_histogram *kinds[KINDS]; /* NULL: not of this operation */
};

struct aibrix_meter {
	aibrix_allocator alloc;
	double token_ns, position_ns;
	_Atomic uint64_t values[VALUES][PLACES];
	struct activity activities[PLACES][OPS];
};

/* Does this operation happen there? */
int aibrix__meter_has(uint32_t where, uint32_t op);

/* Which of REASONS a status is, and AIBrix's word for it. */
uint32_t aibrix__meter_reason(int32_t status);
const char *aibrix__meter_reason_name(uint32_t reason);

#endif
