/*
 * Whose blocks are whose, and who gives one up.
 *
 *   tenant 0   oldest --> ... --> newest     guaranteed 3, has 5: two to give
 *   tenant 1   oldest --> ... --> newest     guaranteed 4, has 4: none
 *   tenant 2   oldest --> ... --> newest     guaranteed 0, has 3: three
 *                 |
 *                 '-- the least recently used of those that may go
 *
 * Each tenant's blocks are in an order of their own, over one set of links
 * (evict_part.h).  So a tenant at its ceiling finds its own victim at once,
 * however many blocks of others are older, and of several tenants that have
 * more than they are guaranteed the ends of their orders are compared.  Without
 * quotas that is what one order of all would give up, to the block under LRU;
 * with a search of one order a tenant with few blocks would have to look at all
 * others'.
 *
 * Guarantees add up to no more than there are slots.  So when none is free and
 * somebody is below its own, somebody else is above: there is a block to be
 * had, and it is only to be found unpinned.
 *
 * A slot says whose it is and when it was used in 32 bits, of which a cache
 * with one tenant has another use.  Time is counted in uses, or in some of them
 * where L1 is large: it passes for a multiple of 256 turns of L1 before a block
 * that nobody has used looks younger than it is, which happens to blocks that
 * are guaranteed only, and costs others one victim in its place.
 */

#include "cache/cache_tenant.h"

#include "base/versioned.h"
#include "cache/cache_internal.h"
#include "evict/evict_part.h"

enum { STEP = 256 };
enum { SHARES = 3 }; /* of what all orders remember: one, the others, spare */

uint32_t
aibrix__tenants_ghosts(const aibrix_cache *cache)
{
	if (cache->n_tenants == 1)
		return 0;
	return cache->capacity / SHARES ? cache->capacity / SHARES : 1;
}

int
aibrix__tenants_open(aibrix_cache *cache)
{
	uint32_t history, others = cache->n_tenants - 1;
	int err = AIBRIX_OK;

	cache->alone.ceiling = UINT64_MAX;
	if (others == 0)
		return AIBRIX_OK;
	while (cache->capacity >> cache->tick_shift > TICKS_FULL)
		cache->tick_shift++;
	cache->tenants = aibrix__alloc(&cache->alloc, cache->n_tenants,
				       sizeof(*cache->tenants));
	if (!cache->tenants) {
		cache->tenants = &cache->alone;
		return AIBRIX_E_NOMEM;
	}
	cache->tenants[0] = cache->alone;
	cache->alone.evict = NULL;
	history = cache->capacity / SHARES / others;
	for (uint32_t i = 1; !err && i <= others; i++) {
		cache->tenants[i].ceiling = UINT64_MAX;
		err = aibrix__evict_part(cache->tenants[0].evict, history,
					 &cache->tenants[i].evict);
	}
	return err;
}

/* Parts first. */
void
aibrix__tenants_close(aibrix_cache *cache)
{
	for (uint32_t i = cache->n_tenants; cache->tenants && i-- > 0;)
		if (cache->tenants != &cache->alone || i == 0)
			aibrix_evict_free(cache->tenants[i].evict);
	if (cache->tenants != &cache->alone)
		aibrix__free(&cache->alloc, cache->tenants, cache->n_tenants,
			     sizeof(*cache->tenants));
}

/* ---- who gives */

/* Ticks since the slot was used; what is to be reused anyway is the oldest. */
static uint64_t
slot_age(const aibrix_cache *cache, uint32_t slot)
{
	const uint64_t now = cache->uses >> cache->tick_shift;
	const struct slot *s = &cache->slots[slot];

	return ((now - s->used) & (TICKS - 1)) + (s->left ? TICKS : 0);
}

static uint32_t
tenant_oldest(const struct tenant *t, int ahead)
{
	return t->left.count && !ahead ? t->left.head
				       : aibrix__evict_oldest(t->evict);
}

/* Has it more than it is guaranteed?  ahead: without what leaves anyway. */
static int
tenant_may_give(const struct tenant *t, int ahead)
{
	return t->blocks >
	       t->guaranteed + (ahead ? t->leaving + t->left.count : 0);
}

/* Of those that have too much the one whose oldest block is the oldest of all,
 * and that block; NULL: all are empty. */
static struct tenant *
tenants_oldest(const aibrix_cache *cache, int ahead, uint32_t *slot)
{
	struct tenant *best = NULL;
	uint64_t age, most = 0;
	uint32_t at;

	for (uint32_t i = 0; i < cache->n_tenants; i++) {
		struct tenant *t = &cache->tenants[i];

		if (!tenant_may_give(t, ahead))
			continue;
		at = tenant_oldest(t, ahead);
		if (at == NONE)
			continue;
		age = slot_age(cache, at);
		if (best && age <= most)
			continue;
		best = t;
		most = age;
		*slot = at;
	}
	return best;
}

/* The same, and nobody has pinned that block.  One that is pinned is put aside
 * as one order of all would do, and no other: it comes back as used. */
static struct tenant *
tenant_choose(aibrix_cache *cache, int ahead)
{
	struct tenant *t;
	uint32_t slot;

	do {
		t = tenants_oldest(cache, ahead, &slot);
	} while (t && !cache->slots[slot].left &&
		 aibrix__evict_aside(t->evict, slot));
	if (t)
		aibrix__evict_resize(t->evict, (uint32_t)t->blocks);
	return t;
}

struct tenant *
aibrix__tenant_next(aibrix_cache *cache)
{
	if (cache->n_tenants == 1)
		return cache->tenants;
	return tenant_choose(cache, 1);
}

/* Who has too much, and can give; NULL: nobody. */
static struct tenant *
tenant_gives(aibrix_cache *cache)
{
	struct tenant *from = tenant_choose(cache, 0);

	if (from)
		return from;
	for (uint32_t i = 0; i < cache->n_tenants; i++) {
		from = &cache->tenants[i];
		if (from->blocks > from->guaranteed &&
		    aibrix__ingest_waits(cache, from))
			return from;
	}
	return NULL;
}

int
aibrix__tenant_may(aibrix_cache *cache, struct tenant *t)
{
	while (t->blocks >= t->ceiling) {
		aibrix__evict_resize(t->evict, (uint32_t)t->blocks);
		if (!aibrix__l1_evict(cache, t))
			return 0;
	}
	return 1;
}

/* A reader may take the victim from under it: then there is another one. */
int
aibrix__tenant_room(aibrix_cache *cache, struct tenant *t)
{
	struct tenant *from;

	if (cache->n_tenants == 1)
		return aibrix__l1_evict(cache, t);
	while ((from = tenant_gives(cache))) {
		if (!aibrix__l1_evict(cache, from))
			continue;
		from->stat.given += from != t;
		return 1;
	}
	/* Within what it is guaranteed, one of its own for another. */
	return aibrix__l1_evict(cache, t);
}

/* ---- quotas */

static int
quota_check(const aibrix_cache *cache, const aibrix_cache_quota *q)
{
	if (q->spare || q->more)
		return AIBRIX_E_ABI;
	if (q->tenant >= cache->n_tenants || q->guaranteed > cache->capacity ||
	    (q->ceiling && q->ceiling < q->guaranteed))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

/* All that is guaranteed then fits into L1, and nobody stands twice. */
static int
quotas_fit(const aibrix_cache *cache, const aibrix_cache_quota *quotas,
	   uint32_t n)
{
	uint64_t guaranteed[TENANTS_MAX], sum = 0;
	uint8_t named[TENANTS_MAX] = {0};

	for (uint32_t i = 0; i < cache->n_tenants; i++)
		guaranteed[i] = cache->tenants[i].guaranteed;
	for (uint32_t i = 0; i < n; i++) {
		if (named[quotas[i].tenant]++)
			return 0;
		guaranteed[quotas[i].tenant] = quotas[i].guaranteed;
	}
	for (uint32_t i = 0; i < cache->n_tenants; i++)
		sum += guaranteed[i];
	return sum <= cache->capacity;
}

/* What is above a ceiling goes.  0: there may be more of it. */
static int
quota_keep(aibrix_cache *cache, struct tenant *t)
{
	for (uint32_t i = 0; i < STEP; i++)
		if (t->blocks <= t->ceiling || !aibrix__l1_evict(cache, t))
			return 1;
	return 0;
}

int
aibrix_cache_set_quotas(aibrix_cache *cache, const aibrix_cache_quota *quotas,
			uint32_t n)
{
	int err = AIBRIX_OK;

	if (!cache || (!quotas && n))
		return AIBRIX_E_INVAL;
	if (cache->n_tenants == 1)
		return AIBRIX_E_UNSUPPORTED;
	if (n > cache->n_tenants)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; !err && i < n; i++)
		err = quota_check(cache, &quotas[i]);
	if (err)
		return err;
	aibrix__cache_enter(cache);
	if (!quotas_fit(cache, quotas, n)) {
		aibrix__cache_leave(cache);
		return AIBRIX_E_INVAL;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct tenant *t = &cache->tenants[quotas[i].tenant];

		t->guaranteed = quotas[i].guaranteed;
		t->ceiling = quotas[i].ceiling ? quotas[i].ceiling : UINT64_MAX;
	}
	for (uint32_t i = 0; i < n; i++)
		while (!quota_keep(cache, &cache->tenants[quotas[i].tenant])) {
			aibrix__cache_leave(cache);
			aibrix__cache_enter(cache);
		}
	aibrix__cache_leave(cache);
	return AIBRIX_OK;
}

int
aibrix_cache_tenant_stats(aibrix_cache *cache, uint32_t tenant,
			  aibrix_cache_tenant_stat *stat)
{
	enum { STAT_V1 = STRUCT_UPTO(aibrix_cache_tenant_stat, removed) };
	aibrix_cache_tenant_stat s;
	const struct tenant *t;

	if (!cache || !stat || tenant >= cache->n_tenants)
		return AIBRIX_E_INVAL;
	if (cache->n_tenants == 1)
		return AIBRIX_E_UNSUPPORTED;
	aibrix__cache_enter(cache);
	t = &cache->tenants[tenant];
	s = t->stat;
	s.tenant = tenant;
	s.guaranteed = t->guaranteed;
	s.ceiling = t->ceiling == UINT64_MAX ? 0 : t->ceiling;
	s.blocks = t->blocks;
	aibrix__cache_leave(cache);
	s.size = sizeof(s);
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}

/* ---- for tests */

struct sums {
	uint64_t blocks, ordered, aside, leaving, left;
};

static const char *
tenant_check(const struct tenant *t, const struct sums *sum)
{
	aibrix_evict_stat order = {.size = sizeof(order)};

	if (t->blocks != sum->blocks)
		return "a tenant is charged for just the slots it has";
	if (aibrix_evict_stats(t->evict, &order) ||
	    order.count != sum->ordered || order.pinned != sum->aside)
		return "the eviction order holds what slots say";
	if (t->leaving != sum->leaving || t->left.count != sum->left)
		return "counts of victims and of a flush are exact";
	return NULL;
}

const char *
aibrix__tenants_check(const aibrix_cache *cache)
{
	struct sums sums[TENANTS_MAX] = {{0}};
	uint64_t blocks = 0, guaranteed = 0;
	const char *broken = NULL;

	for (uint32_t i = 0; i < cache->capacity; i++) {
		const struct slot *s = &cache->slots[i];
		struct sums *sum = &sums[tenant_of(cache, i) - cache->tenants];

		sum->blocks += slot_state(s) != SLOT_FREE;
		sum->ordered += s->ordered;
		sum->aside += s->aside;
		sum->leaving += s->leaving;
		sum->left += s->left;
	}
	for (uint32_t i = 0; !broken && i < cache->n_tenants; i++) {
		broken = tenant_check(&cache->tenants[i], &sums[i]);
		blocks += cache->tenants[i].blocks;
		guaranteed += cache->tenants[i].guaranteed;
	}
	if (!broken && (blocks + cache->count[SLOT_FREE] != cache->capacity ||
			guaranteed > cache->capacity))
		broken = "slots are tenants' or free, and guarantees are there";
	return broken;
}
