/*
 * What gateways have charged.
 *
 *	(origin, kind, pod, rank) --> values, absolute
 *
 * AIBrix adds to and takes from counters that gateways share, in Redis: what
 * a gateway did not take back when it died is counted for ever, so the
 * counters are forgotten every half second, and what is lost on the way is
 * lost.  Here each gateway has numbers of its own, which only it says, and a
 * sum is made where it is wanted.  (Registers of single writers, a state
 * CRDT.)
 */

#include <aibrix/share.h>

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/rand.h"
#include "base/versioned.h"
#include "sync/share_internal.h"

enum {
	ORIGINS = 16,
	ORIGINS_MAX = 256,
	COUNTS = 16384,
	COUNTS_MAX = 1 << 20,
	OPTS_V1 = STRUCT_UPTO(aibrix_share_opts, alloc)
};

static const uint64_t lease_default_ns = 10000000000u;

static size_t
cap_for(uint32_t counts)
{
	size_t cap = 2;

	while (cap < 2 * (size_t)counts)
		cap *= 2;
	return cap;
}

int
aibrix_share_new(const aibrix_share_opts *opts, aibrix_share **out)
{
	aibrix_allocator alloc;
	aibrix_share_opts o;
	aibrix_share *s;
	int err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);

	if (err)
		return err;
	if (!out || o.spare || o.max_origins > ORIGINS_MAX ||
	    o.max_counts > COUNTS_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	s = aibrix__alloc(&alloc, 1, sizeof(*s));
	if (!s)
		return AIBRIX_E_NOMEM;
	s->alloc = alloc;
	s->id = o.origin;
	s->lease_ns = o.lease_ns ? o.lease_ns : lease_default_ns;
	s->n_origins = 1 + (o.max_origins ? o.max_origins : ORIGINS);
	s->max = o.max_counts ? o.max_counts : COUNTS;
	s->cap = cap_for(s->max);
	s->origins = aibrix__alloc(&alloc, s->n_origins, sizeof(*s->origins));
	s->entries = aibrix__alloc(&alloc, s->cap, sizeof(*s->entries));
	if (!s->origins || !s->entries) {
		aibrix_share_free(s);
		return AIBRIX_E_NOMEM;
	}
	*out = s;
	return AIBRIX_OK;
}

void
aibrix_share_free(aibrix_share *s)
{
	aibrix_allocator alloc;

	if (!s)
		return;
	alloc = s->alloc;
	aibrix__free(&alloc, s->origins, s->n_origins, sizeof(*s->origins));
	aibrix__free(&alloc, s->entries, s->cap, sizeof(*s->entries));
	aibrix__free(&alloc, s, 1, sizeof(*s));
}

/* ---- the table */

static size_t
home_of(const aibrix_share *s, uint32_t origin, const aibrix_share_count *c)
{
	uint64_t key = mix64(c->pod + 0x9e3779b97f4a7c15u);

	key = mix64(key ^ ((uint64_t)c->kind << 32 | c->rank));
	return (size_t)mix64(key + origin) & (s->cap - 1);
}

static int
is_of(const struct entry *e, uint32_t origin, const aibrix_share_count *c)
{
	return e->origin == origin + 1 && e->count.pod == c->pod &&
	       e->count.rank == c->rank && e->count.kind == c->kind;
}

static struct entry *
place_of(const aibrix_share *s, uint32_t origin, const aibrix_share_count *c)
{
	size_t at = home_of(s, origin, c);

	while (s->entries[at].origin && !is_of(&s->entries[at], origin, c))
		at = (at + 1) & (s->cap - 1);
	return &s->entries[at];
}

struct entry *
aibrix__share_find(const aibrix_share *s, uint32_t origin,
		   const aibrix_share_count *count)
{
	struct entry *e = place_of(s, origin, count);

	return e->origin ? e : NULL;
}

/* Those behind the gap who would not be found over it move into it. */
void
aibrix__share_remove(aibrix_share *s, struct entry *entry)
{
	size_t mask = s->cap - 1, gap = (size_t)(entry - s->entries);

	for (size_t at = (gap + 1) & mask; s->entries[at].origin;
	     at = (at + 1) & mask) {
		const struct entry *e = &s->entries[at];
		size_t home = home_of(s, e->origin - 1, &e->count);

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		s->entries[gap] = *e;
		gap = at;
	}
	s->entries[gap].origin = 0;
	s->n--;
}

static int
count_is_none(const aibrix_share_count *c)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < AIBRIX_SHARE_VALUES; i++)
		any |= c->values[i];
	return any == 0;
}

int
aibrix__share_set(aibrix_share *s, uint32_t origin,
		  const aibrix_share_count *count)
{
	struct entry *e = place_of(s, origin, count);

	if (count_is_none(count)) {
		if (e->origin)
			aibrix__share_remove(s, e);
		return 1;
	}
	if (!e->origin) {
		if (s->n == s->max)
			return 0;
		s->n++;
	}
	*e = (struct entry){*count, origin + 1, s->mark};
	return 1;
}

/* ---- what is said here */

static int
count_log(aibrix_sync_log *log, const aibrix_share_count *c)
{
	uint8_t key[COUNT_KEY], value[8 * AIBRIX_SHARE_VALUES];
	struct writer w = writer_on(key, sizeof(key));
	aibrix_sync_record r = {.kind = c->kind,
				.key = key,
				.key_bytes = sizeof(key),
				.value = value,
				.value_bytes = sizeof(value)};

	write_u64(&w, c->pod);
	write_u32(&w, c->rank);
	w = writer_on(value, sizeof(value));
	for (uint32_t i = 0; i < AIBRIX_SHARE_VALUES; i++)
		write_u64(&w, c->values[i]);
	return aibrix_sync_log_add(log, &r);
}

int
aibrix_share_put(aibrix_share *s, aibrix_sync_log *log,
		 const aibrix_share_count *count)
{
	const struct entry *was;
	int err;

	if (!s || !log || !count || !kind_counts(count->kind))
		return AIBRIX_E_INVAL;
	was = aibrix__share_find(s, OWN, count);
	if (was ? memcmp(was->count.values, count->values,
			 sizeof(count->values)) == 0
		: count_is_none(count))
		return AIBRIX_OK;
	if (!was && s->n == s->max)
		return AIBRIX_E_FULL;
	err = count_log(log, count);
	if (!err)
		(void)aibrix__share_set(s, OWN, count);
	return err;
}

int
aibrix_share_claim(aibrix_sync_log *log, const aibrix_share_claim_of *c)
{
	uint8_t key[CLAIM_KEY], value[8 * AIBRIX_SHARE_CLAIM_BLOCKS];
	struct writer w = writer_on(key, sizeof(key));
	aibrix_sync_record r = {.kind = AIBRIX_SHARE_CLAIM,
				.key = key,
				.key_bytes = sizeof(key),
				.value = value};
	uint64_t n;

	if (!log || !c || c->spare || (!c->hashes && c->n))
		return AIBRIX_E_INVAL;
	if (c->n == 0)
		return AIBRIX_OK;
	n = c->n < AIBRIX_SHARE_CLAIM_BLOCKS ? c->n : AIBRIX_SHARE_CLAIM_BLOCKS;
	write_u64(&w, c->pod);
	write_u32(&w, c->rank);
	write_u64(&w, c->lease_ns);
	w = writer_on(value, sizeof(value));
	for (uint64_t i = 0; i < n; i++)
		write_u64(&w, c->hashes[i]);
	r.value_bytes = 8 * n;
	return aibrix_sync_log_add(log, &r);
}

static uint64_t
own_counts(const aibrix_share *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->cap; i++)
		n += s->entries[i].origin == OWN + 1;
	return n;
}

uint64_t
aibrix_share_save_bound(const aibrix_share *s)
{
	return s ? COUNT_BYTES * (uint64_t)s->n : 0;
}

int
aibrix_share_save(const aibrix_share *s, void *out, uint64_t cap, uint64_t *n)
{
	struct writer w;

	if (!s || !n || (!out && cap))
		return AIBRIX_E_INVAL;
	*n = COUNT_BYTES * own_counts(s);
	if (cap < *n)
		return AIBRIX_E_SPACE;
	w = writer_on(out, (size_t)*n);
	for (size_t i = 0; i < s->cap; i++) {
		const aibrix_share_count *c = &s->entries[i].count;

		if (s->entries[i].origin != OWN + 1)
			continue;
		write_u32(&w, c->kind);
		write_u32(&w, c->rank);
		write_u64(&w, c->pod);
		for (uint32_t v = 0; v < AIBRIX_SHARE_VALUES; v++)
			write_u64(&w, c->values[v]);
	}
	return AIBRIX_OK;
}

int
aibrix_share_sum(const aibrix_share *s, aibrix_share_count *sum)
{
	if (!s || !sum || !kind_counts(sum->kind))
		return AIBRIX_E_INVAL;
	memset(sum->values, 0, sizeof(sum->values));
	for (uint32_t i = OWN + 1; i < s->n_origins; i++) {
		const struct entry *e = s->origins[i].used
						? aibrix__share_find(s, i, sum)
						: NULL;

		for (uint32_t v = 0; e && v < AIBRIX_SHARE_VALUES; v++) {
			uint64_t x = e->count.values[v];
			uint64_t room = UINT64_MAX - sum->values[v];

			sum->values[v] += x < room ? x : room;
		}
	}
	return AIBRIX_OK;
}
