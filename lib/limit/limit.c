/*
 * The object: made, freed, and what it has counted.
 *
 * Statistics lie with the stripes, under their locks, so that counting costs
 * a caller nothing; whoever asks for them adds them up.
 */

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/versioned.h"
#include "limit/limit_table.h"

enum {
	USERS = 16384,
	USERS_MAX = 1 << 24,
	OPTS_V1 = STRUCT_UPTO(aibrix_limit_opts, alloc),
	STAT_V1 = STRUCT_UPTO(aibrix_limit_stat, uncharged)
};

int
aibrix_limit_new(const aibrix_limit_opts *opts, aibrix_limit **out)
{
	aibrix_limit_opts o;
	aibrix_allocator alloc;
	aibrix_limit *limit;
	int err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);

	if (err)
		return err;
	if (o.flags & ~(uint32_t)AIBRIX_LIMIT_COMPAT)
		return AIBRIX_E_ABI;
	if (!out || o.users > USERS_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	limit = aibrix__alloc(&alloc, 1, sizeof(*limit));
	if (!limit)
		return AIBRIX_E_NOMEM;
	limit->alloc = alloc;
	limit->sha = aibrix__sha256_select(aibrix__cpu());
	limit->seed = o.seed;
	limit->compat = o.flags & AIBRIX_LIMIT_COMPAT;
	err = aibrix__limit_table_open(limit, o.users ? o.users : USERS);
	if (err) {
		aibrix_limit_free(limit);
		return err;
	}
	*out = limit;
	return AIBRIX_OK;
}

void
aibrix_limit_free(aibrix_limit *limit)
{
	aibrix_allocator alloc;

	if (!limit)
		return;
	alloc = limit->alloc;
	aibrix__limit_table_close(limit);
	aibrix__free(&alloc, limit, 1, sizeof(*limit));
}

int
aibrix_limit_stats(aibrix_limit *limit, aibrix_limit_stat *stat)
{
	aibrix_limit_stat s = {.size = sizeof(s)};

	if (!limit || !stat)
		return AIBRIX_E_INVAL;
	s.places = limit_places(limit);
	s.bytes = sizeof(*limit) + aibrix__limit_table_bytes(limit);
	for (uint32_t i = 0; i < limit->stripes; i++) {
		struct stripe *stripe = limit->stripe[i];
		const aibrix_limit_stat *own = &stripe->stat;

		pthread_mutex_lock(&stripe->lock);
		s.users += stripe->users;
		s.admitted += own->admitted;
		s.refused_requests += own->refused_requests;
		s.refused_tokens += own->refused_tokens;
		s.refused_too_large += own->refused_too_large;
		s.refused_no_room += own->refused_no_room;
		s.settled += own->settled;
		s.cancelled += own->cancelled;
		s.uncharged += own->uncharged;
		pthread_mutex_unlock(&stripe->lock);
	}
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
