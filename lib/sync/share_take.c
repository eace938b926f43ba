/*
 * What comes from others.
 *
 *	message --> whose? --> what is new? --> all of it good? --> applied
 *	             origin     sync_read        records_check
 *
 * A message is taken whole or not at all: the place in the origin's log is
 * advanced in a copy, and only kept when every record has been looked at.
 */

#include <aibrix/share.h>

#include <string.h>

#include "base/bytes.h"
#include "base/versioned.h"
#include "sync/share_internal.h"

enum {
	NEWS_V1 = STRUCT_UPTO(aibrix_share_news, dropped),
	SINK_V1 = STRUCT_UPTO(aibrix_share_sink, record)
};

static int
sink_load(aibrix_share_sink *to, const aibrix_share_sink *from)
{
	int err = aibrix__struct_load(to, sizeof(*to), from, SINK_V1);

	if (!err && to->spare)
		err = AIBRIX_E_ABI;
	return err;
}

static void
sum_tell(const aibrix_share *s, const aibrix_share_sink *sink,
	 const aibrix_share_count *of)
{
	aibrix_share_count sum = *of;

	if (sink->changed && aibrix_share_sum(s, &sum) == AIBRIX_OK)
		sink->changed(sink->ctx, &sum);
}

/* An origin owes what the latest sweep has seen, and nothing else. */
static void
origin_sweep(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink)
{
	for (size_t i = 0; i < s->cap;) {
		struct entry *e = &s->entries[i];
		aibrix_share_count was = e->count;

		if (e->origin != origin + 1 || e->mark == s->mark) {
			i++;
			continue;
		}
		aibrix__share_remove(s, e);
		sum_tell(s, sink, &was);
	}
}

/* Nothing of what the origin has said counts any more. */
static void
origin_forget(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink)
{
	s->mark++;
	origin_sweep(s, origin, sink);
}

static int
lease_ended(const aibrix_share *s, const struct origin *o)
{
	return o->used && s->lease_ns != AIBRIX_FOREVER &&
	       s->now_ns - o->heard_ns > s->lease_ns;
}

/* ---- records */

static aibrix_share_count
count_read(const aibrix_sync_record *r)
{
	struct reader key = reader_on(r->key, COUNT_KEY);
	struct reader value = reader_on(r->value, 8 * AIBRIX_SHARE_VALUES);
	aibrix_share_count c = {.kind = r->kind};

	c.pod = read_u64(&key);
	c.rank = read_u32(&key);
	for (uint32_t i = 0; i < AIBRIX_SHARE_VALUES; i++)
		c.values[i] = read_u64(&value);
	return c;
}

static int
record_is_good(const aibrix_sync_record *r)
{
	if (r->kind == AIBRIX_SHARE_CLAIM)
		return r->key_bytes == CLAIM_KEY && r->value_bytes > 0 &&
		       r->value_bytes % 8 == 0 &&
		       r->value_bytes <= 8 * AIBRIX_SHARE_CLAIM_BLOCKS;
	return !kind_counts(r->kind) ||
	       (r->key_bytes == COUNT_KEY &&
		r->value_bytes == 8 * AIBRIX_SHARE_VALUES);
}

static int
records_are_good(aibrix_sync_news news)
{
	aibrix_sync_record r;

	while (aibrix_sync_next(&news, &r) == AIBRIX_OK)
		if (!record_is_good(&r))
			return 0;
	return 1;
}

static void
claim_tell(const aibrix_share_sink *sink, const aibrix_sync_record *r)
{
	uint64_t hashes[AIBRIX_SHARE_CLAIM_BLOCKS];
	struct reader key = reader_on(r->key, CLAIM_KEY);
	struct reader value = reader_on(r->value, (size_t)r->value_bytes);
	aibrix_share_claim_of c = {.hashes = hashes, .n = r->value_bytes / 8};

	if (!sink->claim)
		return;
	c.pod = read_u64(&key);
	c.rank = read_u32(&key);
	c.lease_ns = read_u64(&key);
	for (uint64_t i = 0; i < c.n; i++)
		hashes[i] = read_u64(&value);
	sink->claim(sink->ctx, &c);
}

static void
count_take(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink,
	   const aibrix_share_count *count, aibrix_share_news *mine)
{
	if (!aibrix__share_set(s, origin, count)) {
		mine->dropped++;
		return;
	}
	sum_tell(s, sink, count);
}

static void
records_take(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink,
	     aibrix_sync_news *news, aibrix_share_news *mine)
{
	aibrix_sync_record r;

	while (aibrix_sync_next(news, &r) == AIBRIX_OK) {
		if (r.kind == AIBRIX_SHARE_CLAIM) {
			claim_tell(sink, &r);
		} else if (kind_counts(r.kind)) {
			aibrix_share_count c = count_read(&r);

			count_take(s, origin, sink, &c, mine);
		} else if (sink->record) {
			sink->record(sink->ctx, mine->origin, &r);
		}
	}
}

/* ---- snapshots */

static aibrix_share_count
state_next(struct reader *r)
{
	aibrix_share_count c = {.kind = read_u32(r)};

	c.rank = read_u32(r);
	c.pod = read_u64(r);
	for (uint32_t i = 0; i < AIBRIX_SHARE_VALUES; i++)
		c.values[i] = read_u64(r);
	return c;
}

static int
state_is_good(const aibrix_sync_news *news)
{
	struct reader r = reader_on(news->at, (size_t)news->bytes);

	if (news->bytes % COUNT_BYTES)
		return 0;
	while (r.at < r.end)
		if (!kind_counts(state_next(&r).kind))
			return 0;
	return 1;
}

static void
state_take(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink,
	   const aibrix_sync_news *news, aibrix_share_news *mine)
{
	struct reader r = reader_on(news->at, (size_t)news->bytes);

	s->mark++;
	while (r.at < r.end) {
		aibrix_share_count c = state_next(&r);

		count_take(s, origin, sink, &c, mine);
	}
	origin_sweep(s, origin, sink);
}

/* ---- the calls */

/* The origin's place; OWN: it has none yet. */
static uint32_t
origin_find(const aibrix_share *s, uint64_t id)
{
	for (uint32_t i = OWN + 1; i < s->n_origins; i++)
		if (s->origins[i].used && s->origins[i].peer.origin == id)
			return i;
	return OWN;
}

/* A place for one that is new: free, or of one whose lease has ended. */
static uint32_t
origin_place(const aibrix_share *s)
{
	for (uint32_t i = OWN + 1; i < s->n_origins; i++)
		if (!s->origins[i].used)
			return i;
	for (uint32_t i = OWN + 1; i < s->n_origins; i++)
		if (lease_ended(s, &s->origins[i]))
			return i;
	return OWN;
}

/* What has been read and is good. */
static void
news_take(aibrix_share *s, uint32_t origin, const aibrix_share_sink *sink,
	  const aibrix_sync_peer *peer, aibrix_sync_news *news,
	  aibrix_share_news *mine)
{
	struct origin *o = &s->origins[origin];

	if (news->restarted || (o->used && o->peer.origin != peer->origin))
		origin_forget(s, origin, sink);
	*o = (struct origin){*peer, s->now_ns, 1, 0};
	if (news->what == AIBRIX_SYNC_RECORDS)
		records_take(s, origin, sink, news, mine);
	else if (news->what == AIBRIX_SYNC_STATE)
		state_take(s, origin, sink, news, mine);
}

static int
message_take(aibrix_share *s, const void *message, uint64_t bytes,
	     const aibrix_share_sink *sink, aibrix_share_news *mine)
{
	uint32_t origin = origin_find(s, mine->origin);
	aibrix_sync_peer peer = {.origin = mine->origin};
	aibrix_sync_news news = {.size = sizeof(news)};
	int err;

	if (origin != OWN)
		peer = s->origins[origin].peer;
	err = aibrix_sync_read(&peer, message, bytes, &news);
	if (!err &&
	    ((news.what == AIBRIX_SYNC_RECORDS && !records_are_good(news)) ||
	     (news.what == AIBRIX_SYNC_STATE && !state_is_good(&news))))
		err = AIBRIX_E_PARSE;
	if (err)
		return err;
	mine->what = news.what;
	mine->want = news.want;
	if (origin == OWN && (news.what == AIBRIX_SYNC_RECORDS ||
			      news.what == AIBRIX_SYNC_STATE)) {
		origin = origin_place(s);
		if (origin == OWN)
			return AIBRIX_E_FULL;
	}
	if (origin != OWN)
		news_take(s, origin, sink, &peer, &news, mine);
	return AIBRIX_OK;
}

int
aibrix_share_take(aibrix_share *s, const void *message, uint64_t bytes,
		  uint64_t now_ns, const aibrix_share_sink *sink,
		  aibrix_share_news *news)
{
	aibrix_share_news mine = {.size = sizeof(mine)};
	aibrix_share_sink to;
	int err;

	if (!s || !news)
		return AIBRIX_E_INVAL;
	err = sink_load(&to, sink);
	if (!err)
		err = aibrix_sync_origin(message, bytes, &mine.origin);
	if (!err) /* does the result have a size? */
		err = aibrix__struct_store(news, &mine, sizeof(mine), NEWS_V1);
	if (err || mine.origin == s->id)
		return err;
	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	err = message_take(s, message, bytes, &to, &mine);
	if (err)
		return err;
	return aibrix__struct_store(news, &mine, sizeof(mine), NEWS_V1);
}

int
aibrix_share_expire(aibrix_share *s, uint64_t now_ns,
		    const aibrix_share_sink *sink, uint32_t *n)
{
	aibrix_share_sink to;
	int err;

	if (!s || !n)
		return AIBRIX_E_INVAL;
	err = sink_load(&to, sink);
	if (err)
		return err;
	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	*n = 0;
	for (uint32_t i = OWN + 1; i < s->n_origins; i++) {
		if (!lease_ended(s, &s->origins[i]))
			continue;
		s->origins[i].used = 0;
		origin_forget(s, i, &to);
		++*n;
	}
	return AIBRIX_OK;
}
