/*
 * What users owe, as bytes:
 *
 *   magic  version  flags  0  users | user: id, then of requests and tokens
 *                                   | how long it owes, count | ... | XXH64
 *
 * numbers little-endian.  "How long" is from the moment of saving, so that
 * it means the same on another machine, whose clock began at another time; in
 * windows of compat, whose clock is the world's, it is the window's end.
 *
 * The more of two is what merging gives: it may be repeated and reordered,
 * and two gateways that were told of the same charges agree.
 */

#include "base/bytes.h"
#include "base/xxh.h"
#include "limit/limit_table.h"

enum {
	MAGIC = 0x6d696c61, /* "alim" */
	VERSION = 1,
	HEAD_BYTES = 24,
	USER_BYTES = 16 + LANES * 16,
	SUM_BYTES = 8
};

uint64_t
aibrix_limit_save_bound(const aibrix_limit *limit)
{
	return HEAD_BYTES + SUM_BYTES +
	       (uint64_t)limit_places(limit) * USER_BYTES;
}

static uint64_t
lane_owes(const aibrix_limit *limit, const struct lane *lane, uint64_t now_ns)
{
	uint64_t due = lane->due.ns;

	if (due <= now_ns &&
	    (limit->compat || due < now_ns || lane->due.part == 0))
		return 0;
	return limit->compat ? due : due - now_ns + (lane->due.part > 0);
}

static void
lane_write(const aibrix_limit *limit, const struct lane *lane, uint64_t now_ns,
	   struct writer *w)
{
	uint64_t owes = lane_owes(limit, lane, now_ns);

	write_u64(w, owes);
	write_u64(w, owes && limit->compat ? lane->slot[0] : 0);
}

/* Whether it is written: who owes nothing is not. */
static int
entry_write(const aibrix_limit *limit, const struct entry *e, uint64_t now_ns,
	    struct writer *w)
{
	uint64_t owes = 0;

	for (uint32_t i = 0; i < LANES; i++)
		owes |= lane_owes(limit, &e->lane[i], now_ns);
	if (!owes)
		return 0;
	write_u64(w, e->user[0]);
	write_u64(w, e->user[1]);
	for (uint32_t i = 0; i < LANES; i++)
		lane_write(limit, &e->lane[i], now_ns, w);
	return 1;
}

static uint64_t
stripe_write(aibrix_limit *limit, uint32_t stripe, uint64_t now_ns,
	     struct writer *w)
{
	size_t places = (size_t)limit->stripe_buckets * BUCKET;
	size_t first = stripe * places;
	uint64_t n = 0;

	pthread_mutex_lock(&limit->stripe[stripe]->lock);
	for (size_t at = first; at < first + places; at++)
		if (limit->tags[at])
			n += (uint64_t)entry_write(limit, &limit->entries[at],
						   now_ns, w);
	pthread_mutex_unlock(&limit->stripe[stripe]->lock);
	return n;
}

int
aibrix_limit_save(aibrix_limit *limit, uint64_t now_ns, void *out, uint64_t cap,
		  uint64_t *n)
{
	uint64_t users = 0, bound;
	uint8_t *start = out;
	struct writer w;
	size_t len;

	if (!limit || !out || !n)
		return AIBRIX_E_INVAL;
	/* Users may come while it is written. */
	bound = aibrix_limit_save_bound(limit);
	if (cap < bound) {
		*n = bound;
		return AIBRIX_E_SPACE;
	}
	w = writer_on(start + HEAD_BYTES, (size_t)bound - HEAD_BYTES);
	for (uint32_t i = 0; i < limit->stripes; i++)
		users += stripe_write(limit, i, now_ns, &w);
	len = (size_t)(w.at - start);
	w = writer_on(start, HEAD_BYTES);
	write_u32(&w, MAGIC);
	write_u32(&w, VERSION);
	write_u32(&w, limit->compat);
	write_u32(&w, 0);
	write_u64(&w, users);
	w = writer_on(start + len, SUM_BYTES);
	write_u64(&w, aibrix__xxh64(start, len, 0));
	*n = len + SUM_BYTES;
	return AIBRIX_OK;
}

/* Users to read, their number checked against the length; else E_PARSE. */
static int
head_read(const aibrix_limit *limit, const uint8_t *bytes, uint64_t n,
	  struct reader *r, uint64_t *users)
{
	struct reader sum;
	uint64_t body;

	if (n < HEAD_BYTES + SUM_BYTES)
		return AIBRIX_E_PARSE;
	body = n - HEAD_BYTES - SUM_BYTES;
	*r = reader_on(bytes, (size_t)(n - SUM_BYTES));
	if (read_u32(r) != MAGIC || read_u32(r) != VERSION ||
	    read_u32(r) != limit->compat || read_u32(r) != 0)
		return AIBRIX_E_PARSE;
	*users = read_u64(r);
	if (body % USER_BYTES || *users != body / USER_BYTES)
		return AIBRIX_E_PARSE;
	sum = reader_on(bytes + n - SUM_BYTES, SUM_BYTES);
	if (read_u64(&sum) != aibrix__xxh64(bytes, (size_t)(n - SUM_BYTES), 0))
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

static void
lane_merge(const aibrix_limit *limit, struct entry *e, uint32_t which,
	   struct reader *r, uint64_t now_ns)
{
	struct lane *lane = &e->lane[which];
	uint64_t owes = read_u64(r), count = read_u64(r);

	if (!limit->compat) {
		if (owes > lane_ns_max)
			owes = lane_ns_max;
		owes = owes > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + owes;
		aibrix__lane_raise(lane, owes, now_ns, e->turn);
	} else if (owes > lane->due.ns) {
		lane->due.ns = owes;
		lane->slot[0] = count;
	} else if (owes == lane->due.ns && count > lane->slot[0]) {
		lane->slot[0] = count;
	}
}

static int
user_merge(aibrix_limit *limit, struct reader *r, uint64_t now_ns)
{
	const uint64_t id[] = {read_u64(r), read_u64(r)};
	struct user user = aibrix__limit_user_of(limit, id);
	struct entry *e;

	pthread_mutex_lock(&user.stripe->lock);
	e = aibrix__limit_find(limit, &user);
	if (!e) {
		e = aibrix__limit_make(limit, &user, now_ns);
		if (e)
			e->turn = ++user.stripe->turn;
	}
	for (uint32_t i = 0; e && i < LANES; i++)
		lane_merge(limit, e, i, r, now_ns);
	pthread_mutex_unlock(&user.stripe->lock);
	if (!e)
		(void)read_bytes(r, LANES * 16);
	return e ? AIBRIX_OK : AIBRIX_E_FULL;
}

int
aibrix_limit_load(aibrix_limit *limit, uint64_t now_ns, const void *bytes,
		  uint64_t n)
{
	uint64_t users = 0;
	struct reader r;
	int err, full = AIBRIX_OK;

	if (!limit || !bytes)
		return AIBRIX_E_INVAL;
	err = head_read(limit, bytes, n, &r, &users);
	for (uint64_t i = 0; !err && i < users; i++)
		if (user_merge(limit, &r, now_ns))
			full = AIBRIX_E_FULL;
	return err ? err : full;
}
