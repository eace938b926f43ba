/*
 * A table that strangers fill.
 *
 *   name -- SHA-256 --> id, 128 bits -- secret seed --> stripe, 2 buckets
 *
 *   stripe:  [lock]  bucket | bucket | bucket | ...
 *                    8 tags, 8 users each
 *
 * Names come from headers that nobody has checked, so two that clash must not
 * be found on purpose: one could spend the other's tokens.  The seed keeps
 * strangers from choosing many names that lie in the same two buckets.
 *
 * A user is known for as long as it owes.  Afterwards its state is that of a
 * newcomer, and its place may be taken: so a bounded table forgets nothing,
 * and there is no list of what is used least and nothing to sweep.  A flood
 * of new names holds a place only for as long as each name's one request
 * takes to drain, 0.6 s at 100 per minute.
 *
 * With two buckets of eight to choose from, and two places for every user,
 * the last one finds room but for a chance of less than one in a million; a
 * lookup reads two lines of tags and the lines of one user.
 */

#include "limit/limit_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arch.h"
#include "base/rand.h"

enum { STRIPES_MAX = 64, STRIPE_USERS = 256 };

struct user
aibrix__limit_user_of(const aibrix_limit *limit, const uint64_t id[2])
{
	uint64_t h = mix64(mix64(id[0] ^ limit->seed) ^ id[1]), where;
	uint32_t stripe = (uint32_t)(h >> 32) & (limit->stripes - 1);
	uint64_t base = (uint64_t)stripe * limit->stripe_buckets;
	struct user user = {.id = {id[0], id[1]}, .tag = (uint32_t)h | 1};

	where = mix64(h ^ 0x9e3779b97f4a7c15u);
	for (uint32_t i = 0; i < 2; i++, where >>= 32) {
		uint64_t at = (where & UINT32_MAX) * limit->stripe_buckets;

		user.first[i] = (uint32_t)((base + (at >> 32)) * BUCKET);
	}
	user.stripe = limit->stripe[stripe];
	return user;
}

struct user
aibrix__limit_user(const aibrix_limit *limit, const void *name, size_t n)
{
	uint8_t digest[SHA256_BYTES];
	uint64_t id[2];

	aibrix__sha256(limit->sha, name, n, digest);
	memset(id, 0, sizeof(id));
	for (uint32_t i = 0; i < 16; i++)
		id[i / 8] |= (uint64_t)digest[i] << 8 * (i % 8);
	return aibrix__limit_user_of(limit, id);
}

struct entry *
aibrix__limit_find(aibrix_limit *limit, const struct user *user)
{
	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t *tags = limit->tags + user->first[i];
		uint32_t same = eight_equal(tags, user->tag);

		for (; same; same &= same - 1) {
			struct entry *e = limit->entries + user->first[i] +
					  lowest_bit(same);

			if (e->user[0] == user->id[0] &&
			    e->user[1] == user->id[1])
				return e;
		}
	}
	return NULL;
}

/* Bit i: the user at place i of the bucket, if any, owes nothing. */
static uint32_t
bucket_idle(const aibrix_limit *limit, uint32_t first, uint64_t now_ns)
{
	uint32_t idle = 0;

	for (uint32_t i = 0; i < BUCKET; i++) {
		const struct entry *e = limit->entries + first + i;

		idle |= (uint32_t)(e->lane[LANE_REQUESTS].due.ns <= now_ns &&
				   e->lane[LANE_TOKENS].due.ns <= now_ns)
			<< i;
	}
	return idle;
}

/* In the bucket with more free places, which evens them out.  Empty ones come
 * first: to see who owes nothing, users must be read. */
struct entry *
aibrix__limit_make(aibrix_limit *limit, const struct user *user,
		   uint64_t now_ns)
{
	uint32_t room[2], which, at;

	for (uint32_t i = 0; i < 2; i++)
		room[i] = eight_equal(limit->tags + user->first[i], 0);
	if (!(room[0] | room[1]))
		for (uint32_t i = 0; i < 2; i++)
			room[i] = bucket_idle(limit, user->first[i], now_ns);
	which = bits_set(room[0]) < bits_set(room[1]);
	if (!room[which])
		return NULL;
	at = user->first[which] + lowest_bit(room[which]);
	user->stripe->users += limit->tags[at] == 0;
	limit->tags[at] = user->tag;
	limit->entries[at] = (struct entry){.user = {user->id[0], user->id[1]}};
	return &limit->entries[at];
}

void
aibrix__limit_drop(aibrix_limit *limit, const struct user *user,
		   struct entry *entry)
{
	limit->tags[entry - limit->entries] = 0;
	user->stripe->users--;
}

static int
stripe_open(aibrix_limit *limit, struct stripe **out)
{
	struct stripe *s =
		aibrix__alloc_aligned(&limit->alloc, 1, sizeof(*s), LINE);

	if (!s)
		return AIBRIX_E_NOMEM;
	if (pthread_mutex_init(&s->lock, NULL) != 0) {
		aibrix__free(&limit->alloc, s, 1, sizeof(*s));
		return AIBRIX_E_NOMEM;
	}
	*out = s;
	limit->open++;
	return AIBRIX_OK;
}

int
aibrix__limit_table_open(aibrix_limit *limit, uint64_t users)
{
	uint64_t buckets;
	size_t places;
	int err = AIBRIX_OK;

	limit->stripes = 1;
	while (limit->stripes < STRIPES_MAX &&
	       users / limit->stripes >= (uint64_t)2 * STRIPE_USERS)
		limit->stripes *= 2;
	buckets = (users * 2 + BUCKET - 1) / BUCKET;
	buckets = (buckets + limit->stripes - 1) / limit->stripes;
	limit->stripe_buckets = (uint32_t)(buckets + 1);
	places = limit_places(limit);
	limit->stripe = aibrix__alloc(&limit->alloc, limit->stripes,
				      sizeof(struct stripe *));
	limit->tags = aibrix__alloc_aligned(&limit->alloc, places,
					    sizeof(*limit->tags), LINE);
	limit->entries = aibrix__alloc_aligned(&limit->alloc, places,
					       sizeof(*limit->entries), LINE);
	if (!limit->stripe || !limit->tags || !limit->entries)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; !err && i < limit->stripes; i++)
		err = stripe_open(limit, &limit->stripe[i]);
	return err;
}

void
aibrix__limit_table_close(aibrix_limit *limit)
{
	const aibrix_allocator *a = &limit->alloc;
	size_t places = limit_places(limit);

	for (uint32_t i = 0; i < limit->open; i++) {
		pthread_mutex_destroy(&limit->stripe[i]->lock);
		aibrix__free(a, limit->stripe[i], 1, sizeof(struct stripe));
	}
	aibrix__free(a, limit->stripe, limit->stripes, sizeof(struct stripe *));
	aibrix__free(a, limit->tags, places, sizeof(*limit->tags));
	aibrix__free(a, limit->entries, places, sizeof(*limit->entries));
}

uint64_t
aibrix__limit_table_bytes(const aibrix_limit *limit)
{
	return limit->stripes *
		       (sizeof(struct stripe *) + sizeof(struct stripe)) +
	       limit_places(limit) *
		       (sizeof(*limit->tags) + sizeof(*limit->entries));
}

int
aibrix__limit_check(aibrix_limit *limit)
{
	size_t places = limit_places(limit);
	uint64_t users = 0, counted = 0;

	for (uint32_t i = 0; i < limit->stripes; i++)
		counted += limit->stripe[i]->users;
	for (size_t i = 0; i < places; i++) {
		struct user user;

		if (!limit->tags[i])
			continue;
		users++;
		user = aibrix__limit_user_of(limit, limit->entries[i].user);
		if (user.tag != limit->tags[i] ||
		    aibrix__limit_find(limit, &user) != &limit->entries[i])
			return __LINE__;
	}
	return users == counted ? 0 : __LINE__;
}
