/*
 * A meter as text: tables of families, and one walk for each kind of them.
 *
 * Names, labels, types, units and bounds of the families that AIBrix has are
 * AIBrix's (python/aibrix_kvcache, metrics.py), so that its dashboards read
 * ours.  What is asked for by label there is asked for by place and operation
 * here.
 *
 * Unlike AIBrix, hits and misses are exported, and are tokens: there, those
 * of get are multiplied by the block's tokens a second time, and misses can
 * become negative.
 */

#include "base/arch.h"
#include "metric/meter_internal.h"

enum {
	AT_MANAGER = 1 << AIBRIX_METER_MANAGER,
	AT_L1 = 1 << AIBRIX_METER_L1,
	AT_L2 = 1 << AIBRIX_METER_L2,
	AT_CONNECTOR = 1 << AIBRIX_METER_CONNECTOR,
	AT_CACHE = AT_MANAGER | AT_L1 | AT_L2,
	OF_ALL = (1 << OPS) - 1,
	OF_READS = 1 << AIBRIX_METER_GET | 1 << AIBRIX_METER_ACQUIRE,
	OF_SEND = 1 << AIBRIX_METER_SEND,
	OF_RECV = 1 << AIBRIX_METER_RECV,
	/* Besides the kinds of histograms. */
	OPERATIONS = KINDS,
	ERRORS = KINDS + 1
};

static const double MS = 1e6, SECOND = 1e9;

static const char *const places[PLACES] = {"cachemgr", "l1cache", "l2cache",
					   NULL};
static const char *const ops[OPS] = {"put",    "get",  "acquire", "allocate",
				     "exists", "send", "recv"};

/* Of operations. */
struct activity_family {
	const char *name, *help;
	uint32_t at, of, what;
};

static const struct activity_family activity_families[] = {
	{"kv_cache_ol_num_ops", "Cumulative number of operations.", AT_CACHE,
	 OF_ALL, OPERATIONS},
	{"kv_cache_ol_num_errors", "Cumulative number of errors.", AT_CACHE,
	 OF_ALL, ERRORS},
	{"kv_cache_ol_iteration_prefixes", "Tokens before those asked for.",
	 AT_CACHE, OF_ALL, PREFIXES},
	{"kv_cache_ol_iteration_tokens", "Tokens asked for.", AT_CACHE, OF_ALL,
	 TOKENS},
	{"kv_cache_ol_iteration_fetched_tokens", "Tokens found.", AT_CACHE,
	 OF_READS, DONE_TOKENS},
	{"kv_cache_ol_iteration_op_lat_ms",
	 "Latencies of operations, milliseconds.", AT_CACHE, OF_ALL, LATENCY},
	{"ol_connector_num_ops", "Cumulative number of operations.",
	 AT_CONNECTOR, OF_ALL, OPERATIONS},
	{"ol_connector_num_errors", "Cumulative number of errors.",
	 AT_CONNECTOR, OF_ALL, ERRORS},
	{"ol_connector_iteration_prefixes", "Tokens before those moved.",
	 AT_CONNECTOR, OF_ALL, PREFIXES},
	{"ol_connector_iteration_tokens", "Tokens to be moved.", AT_CONNECTOR,
	 OF_ALL, TOKENS},
	{"ol_connector_iteration_sent_tokens", "Tokens sent.", AT_CONNECTOR,
	 OF_SEND, DONE_TOKENS},
	{"ol_connector_iteration_received_tokens", "Tokens received.",
	 AT_CONNECTOR, OF_RECV, DONE_TOKENS},
	{"ol_connector_iteration_op_lat_ms",
	 "Latencies of operations, milliseconds.", AT_CONNECTOR, OF_ALL,
	 LATENCY},
};

/* Of values.  unit: 0: whole numbers. */
struct value_family {
	const char *name, *help;
	uint32_t type, at, value;
	double unit;
};

static const struct value_family value_families[] = {
	{"kv_cache_ol_hit_tokens", "Tokens asked for and found.",
	 AIBRIX_METRIC_COUNTER, AT_CACHE, AIBRIX_METER_HIT_TOKENS, 0},
	{"kv_cache_ol_miss_tokens", "Tokens asked for and not found.",
	 AIBRIX_METRIC_COUNTER, AT_CACHE, AIBRIX_METER_MISS_TOKENS, 0},
	{"kv_cache_ol_read_bytes", "Bytes of blocks handed out.",
	 AIBRIX_METRIC_COUNTER, AT_L1 | AT_L2, AIBRIX_METER_READ_BYTES, 0},
	{"kv_cache_ol_written_bytes", "Bytes of blocks stored.",
	 AIBRIX_METRIC_COUNTER, AT_L1 | AT_L2, AIBRIX_METER_WRITTEN_BYTES, 0},
	{"kv_cache_ol_evicted_blocks", "Blocks given up for others.",
	 AIBRIX_METRIC_COUNTER, AT_L1, AIBRIX_METER_EVICTED_BLOCKS, 0},
	{"kv_cache_ol_removed_blocks", "Blocks removed by request.",
	 AIBRIX_METRIC_COUNTER, AT_L1 | AT_L2, AIBRIX_METER_REMOVED_BLOCKS, 0},
	{"kv_cache_ol_refused_blocks", "Blocks not stored, for want of room.",
	 AIBRIX_METRIC_COUNTER, AT_L1 | AT_L2, AIBRIX_METER_REFUSED_BLOCKS, 0},
	{"kv_cache_ol_corrupt_blocks", "Damaged blocks, caught.",
	 AIBRIX_METRIC_COUNTER, AT_L1 | AT_L2, AIBRIX_METER_CORRUPT_BLOCKS, 0},
	{"kv_cache_ol_faults", "Requests that failed, each a miss.",
	 AIBRIX_METRIC_COUNTER, AT_L2, AIBRIX_METER_FAULTS, 0},
	{"kv_cache_ol_leaked_leases", "Leases held when their cache ended.",
	 AIBRIX_METRIC_COUNTER, AT_MANAGER, AIBRIX_METER_LEAKED_LEASES, 0},
	{"kv_cache_ol_leases", "Leases held now.", AIBRIX_METRIC_GAUGE,
	 AT_MANAGER, AIBRIX_METER_LEASES, 0},
	{"kv_cache_ol_queued_blocks", "Blocks in flight or waiting to be.",
	 AIBRIX_METRIC_GAUGE, AT_L2, AIBRIX_METER_QUEUED_BLOCKS, 0},
	{"kv_cache_ol_spent_seconds", "Time that reading has taken.",
	 AIBRIX_METRIC_COUNTER, AT_MANAGER, AIBRIX_METER_SPENT_NS, 1e9},
};

/* Of memory: AIBrix's two resources. */
static const struct {
	const char *name;
	uint32_t value;
} resources[] = {
	{"l1_eviction_policy", AIBRIX_METER_USED_BYTES},
	{"l1_allocator", AIBRIX_METER_TAKEN_BYTES},
};

/* AIBrix's words for statuses, and two for what it calls "error". */
static const char *const reasons[REASONS] = {
	"error",     "invalid",   "out_of_memory", "timeout",     "denied",
	"cancelled", "not_found", "corrupt",       "unavailable",
};

uint32_t
aibrix__meter_reason(int32_t status)
{
	switch (status) {
	case AIBRIX_E_INVAL:
	case AIBRIX_E_ABI:
	case AIBRIX_E_STATE: return 1;
	case AIBRIX_E_NOMEM:
	case AIBRIX_E_FULL: return 2;
	case AIBRIX_E_TIMEOUT: return 3;
	case AIBRIX_E_DENIED: return 4;
	case AIBRIX_E_CANCELED: return 5;
	case AIBRIX_E_NOT_FOUND: return 6;
	case AIBRIX_E_CORRUPT:
	case AIBRIX_E_PARSE: return 7;
	case AIBRIX_E_AGAIN:
	case AIBRIX_E_BUSY:
	case AIBRIX_E_CLOSED:
	case AIBRIX_E_UNAVAILABLE: return 8;
	default: return 0;
	}
}

static uint64_t
read_cell(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static uint64_t
value_of(const aibrix_meter *m, uint32_t value, uint32_t where)
{
	return read_cell(&m->values[value][where]);
}

/* The reasons that there were. */
static int
errors_write(const struct activity *a, aibrix_metric_text *text,
	     aibrix_label labels[3], uint32_t n)
{
	int err = AIBRIX_OK;
	uint64_t count;

	for (uint32_t r = 0; !err && r < REASONS; r++) {
		count = read_cell(&a->counts[COUNT_ERRORS + r]);
		labels[n] = (aibrix_label){"reason", reasons[r]};
		if (count)
			err = aibrix_metric_count(text, labels, n + 1, count);
	}
	return err;
}

static int
activity_write(const aibrix_meter *m, const struct activity_family *f,
	       aibrix_metric_text *text, uint32_t where, uint32_t op)
{
	const struct activity *a = &m->activities[where][op];
	uint64_t count = read_cell(&a->counts[COUNT_OPS]);
	aibrix_label labels[3];
	uint32_t n = 0;

	if (count == 0 && f->what != ERRORS)
		return AIBRIX_OK;
	if (where != AIBRIX_METER_CONNECTOR)
		labels[n++] = (aibrix_label){"cache_type", places[where]};
	labels[n++] = (aibrix_label){"op_type", ops[op]};
	if (f->what == OPERATIONS)
		return aibrix_metric_count(text, labels, n, count);
	if (f->what == ERRORS)
		return errors_write(a, text, labels, n);
	return aibrix_metric_histogram(text, labels, n, a->kinds[f->what],
				       f->what == LATENCY ? MS : 1);
}

static int
activity_family_write(const aibrix_meter *m, const struct activity_family *f,
		      aibrix_metric_text *text)
{
	uint32_t type = f->what == OPERATIONS || f->what == ERRORS
				? AIBRIX_METRIC_COUNTER
				: AIBRIX_METRIC_HISTOGRAM;
	int err = aibrix_metric_family(text, f->name, type, f->help);

	for (uint32_t where = 0; !err && where < PLACES; where++)
		for (uint32_t op = 0; !err && op < OPS; op++)
			if (f->at & 1u << where && f->of & 1u << op &&
			    aibrix__meter_has(where, op))
				err = activity_write(m, f, text, where, op);
	return err;
}

static int
value_family_write(const aibrix_meter *m, const struct value_family *f,
		   aibrix_metric_text *text)
{
	int err = aibrix_metric_family(text, f->name, f->type, f->help);
	aibrix_label label = {"cache_type", NULL};
	uint64_t value;

	for (uint32_t at = f->at; !err && at; at &= at - 1) {
		label.value = places[lowest_bit(at)];
		value = value_of(m, f->value, lowest_bit(at));
		err = f->unit > 0 ? aibrix_metric_value(text, &label, 1,
							(double)value / f->unit)
				  : aibrix_metric_count(text, &label, 1, value);
	}
	return err;
}

static int
resources_write(const aibrix_meter *m, aibrix_metric_text *text,
		const char *name, const char *help, uint32_t value)
{
	int err = aibrix_metric_family(text, name, AIBRIX_METRIC_GAUGE, help);
	aibrix_label labels[] = {{"cache_type", places[AIBRIX_METER_L1]},
				 {"resource_type", NULL}};

	for (uint32_t i = 0; !err && i < sizeof(resources) / sizeof(*resources);
	     i++) {
		labels[1].value = resources[i].name;
		err = aibrix_metric_count(
			text, labels, 2,
			value_of(m, value < VALUES ? value : resources[i].value,
				 AIBRIX_METER_L1));
	}
	return err;
}

/* What is not known is left out: hits that nobody has put a cost to. */
static int
benefit_write(const aibrix_meter *m, aibrix_metric_text *text)
{
	uint64_t saved = value_of(m, AIBRIX_METER_SAVED_NS, 0);
	uint64_t spent = value_of(m, AIBRIX_METER_SPENT_NS, 0);
	aibrix_label label = {"cache_type", places[AIBRIX_METER_MANAGER]};
	int err;

	if (!(m->token_ns > 0) && !(m->position_ns > 0) && saved == 0)
		return AIBRIX_OK;
	err = aibrix_metric_family(text, "kv_cache_ol_saved_seconds",
				   AIBRIX_METRIC_COUNTER,
				   "Computing that hits have saved.");
	if (!err)
		err = aibrix_metric_value(text, &label, 1,
					  (double)saved / SECOND);
	if (!err)
		err = aibrix_metric_family(text, "kv_cache_ol_benefit_seconds",
					   AIBRIX_METRIC_GAUGE,
					   "Seconds saved less those spent.");
	if (!err)
		err = aibrix_metric_value(text, &label, 1,
					  ((double)saved - (double)spent) /
						  SECOND);
	return err;
}

int
aibrix_meter_write(const aibrix_meter *meter, aibrix_metric_text *text)
{
	int err = meter ? AIBRIX_OK : AIBRIX_E_INVAL;

	for (size_t i = 0;
	     !err && i < sizeof(activity_families) / sizeof(*activity_families);
	     i++)
		err = activity_family_write(meter, &activity_families[i], text);
	for (size_t i = 0;
	     !err && i < sizeof(value_families) / sizeof(*value_families); i++)
		err = value_family_write(meter, &value_families[i], text);
	if (!err)
		err = benefit_write(meter, text);
	if (err ||
	    !value_of(meter, AIBRIX_METER_CAPACITY_BYTES, AIBRIX_METER_L1))
		return err;
	err = resources_write(meter, text, "kv_cache_ol_used", "Bytes in use.",
			      VALUES);
	if (!err)
		err = resources_write(meter, text, "kv_cache_ol_capacity",
				      "Bytes that there are.",
				      AIBRIX_METER_CAPACITY_BYTES);
	return err;
}
