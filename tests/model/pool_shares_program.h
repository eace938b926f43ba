/*
 * A byte string is a program for a pool of several sizes: every step runs on
 * the real thing and on a list of leases, and all that can be seen must be
 * equal: which leases live, what they hold, and when the pool is full.
 *
 *	byte 0: magazines (low 2 bits), classes less 1 (next 2), spans less 1
 *	        (next 2), scrub
 *	then two bytes a step: operation (low 3 bits) and its arguments
 */
#ifndef TESTS_POOL_SHARES_PROGRAM_H
#define TESTS_POOL_SHARES_PROGRAM_H

#include <string.h>

#include <aibrix/pool.h>

#include "../pool_tools.h"

enum { SHARES_HANDS = 48, SHARES_EQUAL = -1, SPAN = 384, SPANS = 4 };

#define TICK ((uint64_t)1 << 20) /* as deadlines count */

enum {
	SHARES_TAKE,
	SHARES_GIVE,
	SHARES_EXPIRE,
	SHARES_RENEW,
	SHARES_REVOKE,
	SHARES_HELD,
	SHARES_FORGE,
	SHARES_DAMAGE /* forget a lease; a give where that is not allowed */
};

enum share_state { SHARE_NEVER, SHARE_LIVE, SHARE_ENDED };

struct share {
	aibrix_lease lease;
	enum share_state state;
	uint32_t kind, holder;
	uint64_t deadline; /* in ticks; 0: none */
	unsigned char stamp;
};

struct shares {
	struct share hand[SHARES_HANDS];
	uint32_t magazines, classes, spans;
	uint32_t span_kind[SPANS], span_live[SPANS];
	unsigned char stamps;
	uint64_t now; /* in ticks */
	uint64_t takes, fulls, stale_gives, ended;
	const unsigned char *base;
};

static const uint64_t share_bytes[] = {48, 64, 128, 384};

enum { NOBODYS = 99 };

static uint32_t
share_span(const struct shares *m, const aibrix_lease *lease)
{
	return (uint32_t)(((const unsigned char *)lease->data - m->base) /
			  SPAN);
}

/* Slots that the class could have now, magazines aside. */
static uint32_t
shares_room(const struct shares *m, uint32_t kind)
{
	uint32_t per = (uint32_t)(SPAN / share_bytes[kind]), room = 0;

	if (share_bytes[kind] == 48)
		per = SPAN / 64; /* of the aligned size */
	for (uint32_t i = 0; i < m->spans; i++) {
		if (m->span_live[i] == 0)
			room += per;
		else if (m->span_kind[i] == kind)
			room += per - m->span_live[i];
	}
	return room;
}

/* The same, of spans that the class has already. */
static uint32_t
shares_own_room(const struct shares *m, uint32_t kind)
{
	uint32_t room = 0, per;

	per = (uint32_t)(SPAN / (kind == 0 ? 64 : share_bytes[kind]));
	for (uint32_t i = 0; i < m->spans; i++)
		if (m->span_kind[i] == kind)
			room += per - m->span_live[i];
	return room;
}

/* A take that did not get all it wanted may have turned idle spans to its
 * class before it knew. */
static void
shares_forget_idle(struct shares *m)
{
	for (uint32_t i = 0; i < m->spans; i++)
		if (m->span_live[i] == 0)
			m->span_kind[i] = NOBODYS;
}

static int
share_whole(const struct share *s)
{
	const unsigned char *data = s->lease.data;

	for (uint64_t i = 0; i < s->lease.bytes; i++)
		if (data[i] != s->stamp)
			return 0;
	return 1;
}

/* A lease that was got: apart from all others, in a span of its class. */
static int
share_begin(struct shares *m, struct share *s, const aibrix_lease *lease)
{
	uint32_t span = share_span(m, lease);

	if (lease->bytes != share_bytes[s->kind] || span >= m->spans ||
	    (m->span_live[span] > 0 && m->span_kind[span] != s->kind))
		return 0;
	m->span_kind[span] = s->kind;
	m->span_live[span]++;
	s->lease = *lease;
	s->state = SHARE_LIVE;
	s->stamp = ++m->stamps;
	memset(lease->data, s->stamp, (size_t)lease->bytes);
	m->takes++;
	return 1;
}

static void
share_end(struct shares *m, struct share *s)
{
	s->state = SHARE_ENDED;
	m->span_live[share_span(m, &s->lease)]--;
}

static struct share *
share_unused(struct shares *m)
{
	for (uint32_t i = 0; i < SHARES_HANDS; i++)
		if (m->hand[i].state != SHARE_LIVE)
			return &m->hand[i];
	return NULL;
}

static int
shares_take(aibrix_pool *pool, struct shares *m, uint8_t op, uint8_t arg)
{
	aibrix_pool_want want = {.size = sizeof(want),
				 .flags = op >> 5 & 1,
				 .slot_class = (arg & 3u) % m->classes,
				 .magazine = (op >> 6) % (m->magazines + 1),
				 .holder = arg >> 2 & 1u};
	uint64_t deadline = arg >> 4 ? m->now + (arg >> 4) : 0;
	uint32_t n = (op >> 3 & 3u) + 1, got = 77, room;
	aibrix_lease leases[4];
	int err;

	room = shares_room(m, want.slot_class);
	want.deadline_ns = deadline * TICK;
	err = aibrix_pool_take_n(pool, &want, n, leases, &got);
	if (err) {
		m->fulls++;
		/* Idle spans may have slots in magazines. */
		if (m->magazines)
			room = shares_own_room(m, want.slot_class);
		shares_forget_idle(m);
		return err == AIBRIX_E_FULL && got == 0 &&
		       room < (want.flags ? n : 1);
	}
	if (got == 0 || got > n || got > room || (want.flags && got < n))
		return 0;
	if (got < n)
		shares_forget_idle(m);
	for (uint32_t i = 0; i < got; i++) {
		struct share *s = share_unused(m);
		uint32_t given;

		if (!s) { /* no hand is free: back at once */
			m->takes++;
			if (aibrix_pool_give_n(pool, 0, &leases[i], 1, &given))
				return 0;
			continue;
		}
		s->kind = want.slot_class;
		s->holder = want.holder;
		s->deadline = deadline;
		if (!share_begin(m, s, &leases[i]))
			return 0;
	}
	return 1;
}

static int
shares_give(aibrix_pool *pool, struct shares *m, uint8_t op, uint8_t arg)
{
	struct share *s = &m->hand[arg % SHARES_HANDS];
	uint32_t given = 77;
	int err = aibrix_pool_give_n(pool, (op >> 6) % (m->magazines + 1),
				     &s->lease, 1, &given);

	if (s->state == SHARE_NEVER)
		return err == AIBRIX_E_INVAL && given == 0;
	if (s->state == SHARE_ENDED) {
		m->stale_gives++;
		return err == AIBRIX_E_STATE && given == 0;
	}
	share_end(m, s);
	return err == AIBRIX_OK && given == 1;
}

static int
share_passed(const struct shares *m, const struct share *s)
{
	return s->state == SHARE_LIVE && s->deadline != 0 &&
	       s->deadline <= m->now;
}

static int
shares_expire(aibrix_pool *pool, struct shares *m, uint8_t arg)
{
	aibrix_lease ended[SHARES_HANDS];
	uint32_t n, cap = 1 + (arg >> 3), passed = 0, found = 0;

	m->now += arg & 7;
	for (uint32_t i = 0; i < SHARES_HANDS; i++)
		passed += share_passed(m, &m->hand[i]) != 0;
	if (aibrix_pool_expire(pool, m->now * TICK, cap, ended, &n) ||
	    n != (passed < cap ? passed : cap))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < SHARES_HANDS; k++)
			if (share_passed(m, &m->hand[k]) &&
			    memcmp(&ended[i], &m->hand[k].lease,
				   sizeof(ended[i])) == 0) {
				share_end(m, &m->hand[k]);
				found++;
			}
	m->ended += n;
	return found == n;
}

static int
shares_renew(aibrix_pool *pool, struct shares *m, uint8_t op, uint8_t arg)
{
	struct share *s = &m->hand[arg % SHARES_HANDS];
	uint64_t deadline = op >> 5 ? m->now + (op >> 5) : 0;
	int err = aibrix_pool_renew(pool, &s->lease, deadline * TICK);

	if (s->state == SHARE_LIVE)
		s->deadline = deadline;
	return err == (s->state == SHARE_LIVE    ? AIBRIX_OK
		       : s->state == SHARE_ENDED ? AIBRIX_E_STATE
						 : AIBRIX_E_INVAL);
}

static int
shares_revoke(aibrix_pool *pool, struct shares *m, uint8_t arg)
{
	uint32_t n, mine = 0;

	if (aibrix_pool_revoke(pool, arg & 1, &n))
		return 0;
	for (uint32_t i = 0; i < SHARES_HANDS; i++) {
		struct share *s = &m->hand[i];

		if (s->state != SHARE_LIVE || s->holder != (arg & 1u))
			continue;
		share_end(m, s);
		mine++;
	}
	m->ended += n;
	return n == mine;
}

static int
shares_held(const aibrix_pool *pool, const struct shares *m, uint8_t arg)
{
	uint64_t slots, bytes, want_slots = 0, want_bytes = 0;

	for (uint32_t i = 0; i < SHARES_HANDS; i++) {
		const struct share *s = &m->hand[i];

		if (s->state != SHARE_LIVE || s->holder != (arg & 1u))
			continue;
		want_slots++;
		want_bytes += s->lease.bytes;
	}
	return aibrix_pool_held(pool, arg & 1, &slots, &bytes) == AIBRIX_OK &&
	       slots == want_slots && bytes == want_bytes;
}

static int
shares_forge(aibrix_pool *pool, struct shares *m, uint8_t op, uint8_t arg)
{
	const struct share *s = &m->hand[arg % SHARES_HANDS];
	aibrix_lease forged = s->lease;
	uint32_t given = 77;
	int err;

	forged.generation += 1 + (op >> 3) % 2 * 2; /* even, for what was odd */
	if (s->state == SHARE_NEVER)
		forged.generation = 1;
	err = aibrix_pool_give_n(pool, 0, &forged, 1, &given);
	return !aibrix_pool_holds(pool, &forged) && err == AIBRIX_E_INVAL &&
	       given == 0;
}

static int
shares_seen_equal(const aibrix_pool *pool, const struct shares *m)
{
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	uint64_t taken = 0, bytes = 0;

	for (uint32_t i = 0; i < SHARES_HANDS; i++) {
		const struct share *s = &m->hand[i];
		int live = s->state == SHARE_LIVE;

		if ((int)aibrix_pool_holds(pool, &s->lease) != live ||
		    (live && !share_whole(s)))
			return 0;
		taken += live;
		bytes += live ? s->lease.bytes : 0;
	}
	return aibrix_pool_stats(pool, &stat) == AIBRIX_OK &&
	       stat.taken == taken && stat.taken_bytes == bytes &&
	       stat.takes == m->takes && stat.fulls == m->fulls &&
	       stat.stale_gives == m->stale_gives && stat.ended == m->ended &&
	       pool_sound(pool);
}

/* The lease of the lowest hand that has one is forgotten. */
static int
shares_damage(struct shares *m)
{
	for (uint32_t i = 0; i < SHARES_HANDS; i++)
		if (m->hand[i].state == SHARE_LIVE) {
			m->hand[i].state = SHARE_ENDED;
			return 1;
		}
	return 1;
}

static int
shares_step(aibrix_pool *pool, struct shares *m, const uint8_t *step,
	    int damage)
{
	uint8_t op = step[0], arg = step[1];

	switch (op & 7) {
	case SHARES_TAKE: return shares_take(pool, m, op, arg);
	case SHARES_EXPIRE: return shares_expire(pool, m, arg);
	case SHARES_RENEW: return shares_renew(pool, m, op, arg);
	case SHARES_REVOKE: return shares_revoke(pool, m, arg);
	case SHARES_HELD: return shares_held(pool, m, arg);
	case SHARES_FORGE: return shares_forge(pool, m, op, arg);
	case SHARES_DAMAGE:
		if (damage)
			return shares_damage(m);
		break;
	default: break;
	}
	return shares_give(pool, m, op, arg);
}

static aibrix_pool *
shares_pool(uint8_t shape, struct shares *m)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .align = 64,
			      .span_bytes = SPAN,
			      .class_bytes = share_bytes,
			      .magazine_slots = 2};
	aibrix_pool_region_info info = {.size = sizeof(info)};
	aibrix_pool *pool = NULL;

	o.magazines = m->magazines = shape & 3;
	o.classes = m->classes = (shape >> 2 & 3) + 1;
	m->spans = (shape >> 4 & 3) + 1;
	o.capacity_bytes = m->spans * SPAN;
	o.flags = shape >> 6 & 1 ? AIBRIX_POOL_SCRUB : 0;
	m->now = 1;
	for (uint32_t i = 0; i < SPANS; i++)
		m->span_kind[i] = NOBODYS;
	if (aibrix_pool_new(&o, &pool) || aibrix_pool_region(pool, 0, &info)) {
		aibrix_pool_free(pool);
		return NULL;
	}
	m->base = info.base;
	return pool;
}

/* SHARES_EQUAL, or the byte at which pool and model differ. */
static int
shares_run(const uint8_t *data, size_t len, int damage)
{
	struct shares m = {0};
	aibrix_pool *pool;
	int at = SHARES_EQUAL;

	if (len < 1)
		return SHARES_EQUAL;
	pool = shares_pool(data[0], &m);
	if (!pool)
		return 0;
	for (size_t i = 1; at == SHARES_EQUAL && i + 1 < len; i += 2)
		if (!shares_step(pool, &m, data + i, damage) ||
		    !shares_seen_equal(pool, &m))
			at = (int)i;
	aibrix_pool_free(pool);
	return at;
}

#endif
