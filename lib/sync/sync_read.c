/*
 * What a peer has, and what a message adds.
 *
 *            next
 *   ...known  |  lacking...
 *      [first ........ last)     RECORDS, those from next on
 *   [first .. last)              NOTHING
 *                 [first ..)     GAP: next .. first - 1 are not here
 *
 * A snapshot stands for all before its number.  Of two epochs the later one
 * counts: its numbers begin at 1 again, and of the earlier one nothing is
 * taken any more.
 */

#include "base/bytes.h"
#include "base/versioned.h"
#include "base/xxh.h"
#include "sync/sync_internal.h"

enum { NEWS_V1 = STRUCT_UPTO(aibrix_sync_news, spare) };

struct message {
	uint64_t origin, epoch, first, count;
	uint32_t state; /* 1: a snapshot */
	const uint8_t *body;
	uint64_t bytes;
};

/* One record, checked; 0: there is none. */
static int
record_read(struct reader *r, aibrix_sync_record *out)
{
	aibrix_sync_record record = {.kind = read_u32(r)};

	record.key_bytes = read_u16(r);
	record.value_bytes = read_u16(r);
	if (record.key_bytes > AIBRIX_SYNC_KEY_MAX ||
	    record.value_bytes > AIBRIX_SYNC_VALUE_MAX)
		return 0;
	record.key = read_bytes(r, (size_t)record.key_bytes);
	record.value = read_bytes(r, (size_t)record.value_bytes);
	if (!r->ok)
		return 0;
	*out = record;
	return 1;
}

/* The body is exactly the records that the head says. */
static int
body_check(const struct message *m)
{
	struct reader r = reader_on(m->body, (size_t)m->bytes);
	aibrix_sync_record record;

	if (m->state)
		return m->count == 0;
	for (uint64_t i = 0; i < m->count; i++)
		if (!record_read(&r, &record))
			return 0;
	return r.at == r.end;
}

static int
message_read(const void *message, uint64_t bytes, struct message *out)
{
	const uint8_t *at = message;
	struct reader r = reader_on(message, (size_t)bytes), sum;
	struct message m;
	uint16_t flags;

	if (bytes < HEAD_BYTES + SUM_BYTES || bytes > AIBRIX_SYNC_MESSAGE_MAX ||
	    read_u32(&r) != MAGIC || read_u16(&r) != VERSION)
		return AIBRIX_E_PARSE;
	flags = read_u16(&r);
	m.state = flags & FLAG_STATE;
	m.origin = read_u64(&r);
	m.epoch = read_u64(&r);
	m.first = read_u64(&r);
	m.count = read_u32(&r);
	m.bytes = read_u32(&r);
	m.body = at + HEAD_BYTES;
	if (flags & ~FLAG_STATE || m.epoch == 0 || m.first == 0 ||
	    m.first > UINT64_MAX - m.count ||
	    m.bytes != bytes - HEAD_BYTES - SUM_BYTES)
		return AIBRIX_E_PARSE;
	sum = reader_on(at + bytes - SUM_BYTES, SUM_BYTES);
	if (read_u64(&sum) !=
		    aibrix__xxh64(at, (size_t)(bytes - SUM_BYTES), 0) ||
	    !body_check(&m))
		return AIBRIX_E_PARSE;
	*out = m;
	return AIBRIX_OK;
}

int
aibrix_sync_origin(const void *message, uint64_t bytes, uint64_t *origin)
{
	struct reader r = reader_on(message, (size_t)bytes);

	if (!message || !origin)
		return AIBRIX_E_INVAL;
	if (bytes < HEAD_BYTES + SUM_BYTES || read_u32(&r) != MAGIC ||
	    read_u16(&r) != VERSION)
		return AIBRIX_E_PARSE;
	(void)read_u16(&r);
	*origin = read_u64(&r);
	return AIBRIX_OK;
}

/* The records that are new; those before them are passed over. */
static void
news_records(aibrix_sync_news *news, const struct message *m, uint64_t next)
{
	struct reader r = reader_on(m->body, (size_t)m->bytes);
	aibrix_sync_record record;

	for (uint64_t i = m->first; i < next; i++)
		(void)record_read(&r, &record);
	news->what = AIBRIX_SYNC_RECORDS;
	news->records = m->first + m->count - next;
	news->at = r.at;
	news->bytes = (uint64_t)(r.end - r.at);
}

static void
peer_take(aibrix_sync_peer *peer, const struct message *m,
	  aibrix_sync_news *news)
{
	uint64_t end = m->first + m->count;
	int fresh = m->epoch > peer->epoch;

	if (m->epoch < peer->epoch)
		return;
	if (fresh) {
		news->restarted = peer->epoch != 0;
		peer->epoch = m->epoch;
		peer->next = 1;
	}
	if (m->state) {
		if (m->first <= peer->next && !fresh)
			return;
		news->what = AIBRIX_SYNC_STATE;
		news->at = m->body;
		news->bytes = m->bytes;
		peer->next = m->first;
	} else if (m->first > peer->next) {
		news->what = AIBRIX_SYNC_GAP;
	} else if (end > peer->next) {
		news_records(news, m, peer->next);
		peer->next = end;
	}
}

int
aibrix_sync_read(aibrix_sync_peer *peer, const void *message, uint64_t bytes,
		 aibrix_sync_news *news)
{
	aibrix_sync_news own = {.size = sizeof(own)};
	aibrix_sync_peer after;
	struct message m;
	int err;

	if (!peer || !message || !news || peer->spare)
		return AIBRIX_E_INVAL;
	err = message_read(message, bytes, &m);
	if (err)
		return err;
	if (m.origin != peer->origin)
		return AIBRIX_E_NOT_FOUND;
	after = *peer;
	peer_take(&after, &m, &own);
	own.want = after.next ? after.next : 1;
	err = aibrix__struct_store(news, &own, sizeof(own), NEWS_V1);
	if (!err)
		*peer = after;
	return err;
}

int
aibrix_sync_next(aibrix_sync_news *news, aibrix_sync_record *record)
{
	aibrix_sync_news own;
	struct reader r;
	int err;

	if (!news || !record)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&own, sizeof(own), news, NEWS_V1);
	if (err)
		return err;
	if (own.what != AIBRIX_SYNC_RECORDS || own.records == 0)
		return AIBRIX_E_NOT_FOUND;
	r = reader_on(own.at, (size_t)own.bytes);
	if (!record_read(&r, record))
		return AIBRIX_E_INVAL;
	news->records--;
	news->at = r.at;
	news->bytes = (uint64_t)(r.end - r.at);
	return AIBRIX_OK;
}
