/*
 * The log: a ring of records as they go into messages, and where each begins.
 *
 *   place:   ... n-3  n-2  n-1          by number, modulo the most there are
 *                 |    |    |
 *   bytes:  [..][rec ][rec][record]....   a record is in one piece: what
 *                                         is left at the end stays unused
 *
 *   message: magic version flags origin epoch first count bytes | records
 *            | XXH64; numbers little-endian
 *   record:  kind, lengths of key and value, key, value
 *
 * Numbers, not times: clocks of machines differ, and a set of entries that
 * "changed since" loses what changes while it is sent.  A number says exactly
 * what a peer has.
 */

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/versioned.h"
#include "base/xxh.h"
#include "sync/sync_internal.h"

enum {
	RECORDS = 16384,
	RECORDS_MAX = 1 << 24,
	BYTES = 1 << 20,
	BYTES_MIN = 1 << 14,
	BYTES_MAX = 1 << 30,
	OPTS_V1 = STRUCT_UPTO(aibrix_sync_opts, alloc)
};

struct aibrix_sync_log {
	aibrix_allocator alloc;
	uint64_t origin, epoch;
	uint64_t next;  /* number of the next record */
	uint64_t first; /* of the oldest that is kept */
	uint64_t head;  /* where the next one goes, if it fits */
	uint64_t cap;
	uint32_t records;
	uint32_t *places; /* of each record that is kept */
	uint8_t *bytes;
};

int
aibrix_sync_log_new(const aibrix_sync_opts *opts, aibrix_sync_log **out)
{
	aibrix_allocator alloc;
	aibrix_sync_opts o;
	aibrix_sync_log *log;
	int err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);

	if (err)
		return err;
	if (o.records == 0)
		o.records = RECORDS;
	if (o.bytes == 0)
		o.bytes = BYTES;
	if (!out || o.epoch == 0 || o.records > RECORDS_MAX ||
	    o.bytes < BYTES_MIN || o.bytes > BYTES_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	log = aibrix__alloc(&alloc, 1, sizeof(*log));
	if (!log)
		return AIBRIX_E_NOMEM;
	*log = (aibrix_sync_log){.alloc = alloc,
				 .origin = o.origin,
				 .epoch = o.epoch,
				 .next = 1,
				 .first = 1,
				 .cap = o.bytes,
				 .records = o.records};
	log->places = aibrix__alloc(&alloc, log->records, sizeof(*log->places));
	log->bytes = aibrix__alloc(&alloc, (size_t)log->cap, 1);
	if (!log->places || !log->bytes) {
		aibrix_sync_log_free(log);
		return AIBRIX_E_NOMEM;
	}
	*out = log;
	return AIBRIX_OK;
}

void
aibrix_sync_log_free(aibrix_sync_log *log)
{
	aibrix_allocator alloc;

	if (!log)
		return;
	alloc = log->alloc;
	aibrix__free(&alloc, log->places, log->records, sizeof(*log->places));
	aibrix__free(&alloc, log->bytes, (size_t)log->cap, 1);
	aibrix__free(&alloc, log, 1, sizeof(*log));
}

static uint64_t
place_of(const aibrix_sync_log *log, uint64_t number)
{
	return log->places[number % log->records];
}

/* Room for n bytes in one piece at log->head; the oldest go for it. */
static void
room_make(aibrix_sync_log *log, uint64_t n)
{
	for (;;) {
		uint64_t oldest;

		if (log->first == log->next) {
			log->head = 0;
			return;
		}
		oldest = place_of(log, log->first);
		if (log->next - log->first < log->records) {
			uint64_t end = log->head > oldest ? log->cap : oldest;

			if (n <= end - log->head)
				return;
			if (log->head > oldest && n <= oldest) {
				log->head = 0;
				return;
			}
		}
		log->first++;
	}
}

int
aibrix_sync_log_add(aibrix_sync_log *log, const aibrix_sync_record *record)
{
	const aibrix_sync_record *r = record;
	struct writer w;
	uint64_t n;

	if (!log || !r || r->key_bytes > AIBRIX_SYNC_KEY_MAX ||
	    r->value_bytes > AIBRIX_SYNC_VALUE_MAX ||
	    (!r->key && r->key_bytes) || (!r->value && r->value_bytes))
		return AIBRIX_E_INVAL;
	if (r->spare)
		return AIBRIX_E_ABI;
	n = RECORD_HEAD + r->key_bytes + r->value_bytes;
	room_make(log, n);
	w = writer_on(log->bytes + log->head, (size_t)n);
	write_u32(&w, r->kind);
	write_u16(&w, (uint16_t)r->key_bytes);
	write_u16(&w, (uint16_t)r->value_bytes);
	write_bytes(&w, r->key, (size_t)r->key_bytes);
	write_bytes(&w, r->value, (size_t)r->value_bytes);
	log->places[log->next % log->records] = (uint32_t)log->head;
	log->head += n;
	log->next++;
	return AIBRIX_OK;
}

uint64_t
aibrix_sync_log_next(const aibrix_sync_log *log)
{
	return log->next;
}

static uint64_t
record_bytes(const uint8_t *at)
{
	struct reader r = reader_on(at, RECORD_HEAD);
	uint64_t n = RECORD_HEAD;

	(void)read_u32(&r);
	n += read_u16(&r);
	return n + read_u16(&r);
}

static void
message_head(const aibrix_sync_log *log, uint16_t flags, uint64_t first,
	     uint64_t count, uint64_t bytes, void *out)
{
	struct writer w = writer_on(out, HEAD_BYTES);

	write_u32(&w, MAGIC);
	write_u16(&w, VERSION);
	write_u16(&w, flags);
	write_u64(&w, log->origin);
	write_u64(&w, log->epoch);
	write_u64(&w, first);
	write_u32(&w, (uint32_t)count);
	write_u32(&w, (uint32_t)bytes);
}

/* The sum behind a body of that length; returns the message's. */
static uint64_t
message_end(uint8_t *out, uint64_t bytes)
{
	size_t n = HEAD_BYTES + (size_t)bytes;
	struct writer w = writer_on(out + n, SUM_BYTES);

	write_u64(&w, aibrix__xxh64(out, n, 0));
	return n + SUM_BYTES;
}

int
aibrix_sync_log_write(const aibrix_sync_log *log, uint64_t from, void *out,
		      uint64_t cap, uint64_t *n, uint64_t *next)
{
	uint64_t most, number = from, need = HEAD_BYTES + SUM_BYTES, used = 0;
	uint8_t *at = out;

	if (!log || (!out && cap) || !n || !next || from > log->next)
		return AIBRIX_E_INVAL;
	if (from < log->first)
		return AIBRIX_E_NOT_FOUND;
	if (cap > AIBRIX_SYNC_MESSAGE_MAX)
		cap = AIBRIX_SYNC_MESSAGE_MAX;
	if (from < log->next)
		need += record_bytes(log->bytes + place_of(log, from));
	if (cap < need) {
		*n = need;
		return AIBRIX_E_SPACE;
	}
	most = cap - HEAD_BYTES - SUM_BYTES;
	for (; number < log->next; number++) {
		const uint8_t *record = log->bytes + place_of(log, number);
		uint64_t bytes = record_bytes(record);

		if (bytes > most - used)
			break;
		memcpy(at + HEAD_BYTES + used, record, (size_t)bytes);
		used += bytes;
	}
	message_head(log, 0, from, number - from, used, out);
	*n = message_end(out, used);
	*next = number;
	return AIBRIX_OK;
}

int
aibrix_sync_log_snapshot(const aibrix_sync_log *log, const void *state,
			 uint64_t state_bytes, void *out, uint64_t cap,
			 uint64_t *n)
{
	uint8_t *at = out;

	if (!log || (!state && state_bytes) || (!out && cap) || !n ||
	    state_bytes > AIBRIX_SYNC_MESSAGE_MAX - HEAD_BYTES - SUM_BYTES)
		return AIBRIX_E_INVAL;
	if (cap < HEAD_BYTES + SUM_BYTES + state_bytes) {
		*n = HEAD_BYTES + SUM_BYTES + state_bytes;
		return AIBRIX_E_SPACE;
	}
	if (state_bytes)
		memcpy(at + HEAD_BYTES, state, (size_t)state_bytes);
	message_head(log, FLAG_STATE, log->next, 0, state_bytes, out);
	*n = message_end(out, state_bytes);
	return AIBRIX_OK;
}
