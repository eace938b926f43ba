/*
 * The calls that ask for blocks, with all that they may have.
 *
 * Each is one request in the name of a tenant: the calls without one ask for
 * the default tenant.  What a request may not have is refused here, so that
 * what is behind it has one form of each call.
 */

#include <aibrix/cache_tenant.h>

#include "base/versioned.h"
#include "cache/cache_internal.h"

static int
request_load(const aibrix_cache *cache, const aibrix_cache_request *from,
	     aibrix_cache_request *r)
{
	enum { REQUEST_V1 = STRUCT_UPTO(aibrix_cache_request, spare) };
	int err;

	if (!cache || !from)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(r, sizeof(*r), from, REQUEST_V1);
	if (err)
		return err;
	if (r->spare)
		return AIBRIX_E_ABI;
	return r->tenant < cache->n_tenants ? AIBRIX_OK : AIBRIX_E_INVAL;
}

/* ---- acquire */

static int
tail_acquire(aibrix_cache *cache, const aibrix_cache_request *r,
	     uint64_t *lease, uint64_t *n_out)
{
	int err = aibrix__tail_check(cache, r->n, r->tail_tokens);

	return err ? err : aibrix__acquire(cache, r, NULL, lease, n_out);
}

int
aibrix_cache_acquire_request(aibrix_cache *cache,
			     const aibrix_cache_request *request,
			     uint64_t *lease, uint64_t *n_out)
{
	aibrix_cache_request r;
	int err;

	if (!lease || !n_out)
		return AIBRIX_E_INVAL;
	err = request_load(cache, request, &r);
	if (err)
		return err;
	return r.tokens ? aibrix__acquire_tokens(cache, &r, lease, n_out)
			: tail_acquire(cache, &r, lease, n_out);
}

int
aibrix_cache_acquire_tail(aibrix_cache *cache, const aibrix_key *keys,
			  uint64_t n, uint32_t tail_tokens,
			  uint64_t deadline_ns, uint64_t now_ns,
			  uint64_t *lease, uint64_t *n_out)
{
	const aibrix_cache_request r = {.keys = keys,
					.n = n,
					.tail_tokens = tail_tokens,
					.deadline_ns = deadline_ns,
					.now_ns = now_ns};

	if (!cache || !lease || !n_out)
		return AIBRIX_E_INVAL;
	return tail_acquire(cache, &r, lease, n_out);
}

int
aibrix_cache_acquire(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		     uint64_t deadline_ns, uint64_t now_ns, uint64_t *lease,
		     uint64_t *n_out)
{
	return aibrix_cache_acquire_tail(cache, keys, n, 0, deadline_ns, now_ns,
					 lease, n_out);
}

int
aibrix_cache_acquire_tokens(aibrix_cache *cache, const aibrix_key *keys,
			    uint64_t n, const uint32_t *tokens,
			    uint64_t n_tokens, uint64_t deadline_ns,
			    uint64_t now_ns, uint64_t *lease, uint64_t *n_out)
{
	const aibrix_cache_request r = {.keys = keys,
					.n = n,
					.tokens = tokens,
					.n_tokens = n_tokens,
					.deadline_ns = deadline_ns,
					.now_ns = now_ns};

	if (!cache || !lease || !n_out)
		return AIBRIX_E_INVAL;
	return aibrix__acquire_tokens(cache, &r, lease, n_out);
}

/* ---- reserve */

static int
tail_reserve(aibrix_cache *cache, const aibrix_cache_request *r,
	     uint64_t *lease, uint64_t *n_out)
{
	int err = aibrix__tail_check(cache, r->n, r->tail_tokens);

	return err ? err : aibrix__reserve(cache, r, lease, n_out);
}

int
aibrix_cache_reserve_request(aibrix_cache *cache,
			     const aibrix_cache_request *request,
			     uint64_t *lease, uint64_t *n_out)
{
	aibrix_cache_request r;
	int err;

	if (!lease || !n_out)
		return AIBRIX_E_INVAL;
	err = request_load(cache, request, &r);
	if (err)
		return err;
	return r.tokens ? aibrix__reserve_tokens(cache, &r, lease, n_out)
			: tail_reserve(cache, &r, lease, n_out);
}

int
aibrix_cache_reserve_tail(aibrix_cache *cache, const aibrix_key *keys,
			  const uint64_t *hashes, uint64_t n,
			  uint32_t tail_tokens, uint64_t now_ns,
			  uint64_t *lease, uint64_t *n_out)
{
	const aibrix_cache_request r = {.keys = keys,
					.n = n,
					.hashes = hashes,
					.tail_tokens = tail_tokens,
					.now_ns = now_ns};

	if (!cache || !lease || !n_out)
		return AIBRIX_E_INVAL;
	return tail_reserve(cache, &r, lease, n_out);
}

int
aibrix_cache_reserve(aibrix_cache *cache, const aibrix_key *keys,
		     const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		     uint64_t *lease, uint64_t *n_out)
{
	return aibrix_cache_reserve_tail(cache, keys, hashes, n, 0, now_ns,
					 lease, n_out);
}

int
aibrix_cache_reserve_tokens(aibrix_cache *cache, const aibrix_key *keys,
			    const uint64_t *hashes, uint64_t n,
			    const uint32_t *tokens, uint64_t n_tokens,
			    uint64_t now_ns, uint64_t *lease, uint64_t *n_out)
{
	const aibrix_cache_request r = {.keys = keys,
					.n = n,
					.hashes = hashes,
					.tokens = tokens,
					.n_tokens = n_tokens,
					.now_ns = now_ns};

	if (!cache || !lease || !n_out)
		return AIBRIX_E_INVAL;
	return aibrix__reserve_tokens(cache, &r, lease, n_out);
}

/* ---- prefetch */

int
aibrix_cache_prefetch_request(aibrix_cache *cache,
			      const aibrix_cache_request *request,
			      uint64_t *lease)
{
	aibrix_cache_request r;
	int err;

	if (!lease)
		return AIBRIX_E_INVAL;
	err = request_load(cache, request, &r);
	if (err)
		return err;
	err = r.tokens ? aibrix__tokens_check(cache, &r)
		       : aibrix__tail_check(cache, r.n, r.tail_tokens);
	return err ? err : aibrix__prefetch(cache, &r, lease);
}

int
aibrix_cache_prefetch(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		      uint64_t deadline_ns, uint64_t now_ns, uint64_t *lease)
{
	const aibrix_cache_request r = {.keys = keys,
					.n = n,
					.deadline_ns = deadline_ns,
					.now_ns = now_ns};

	int err = AIBRIX_E_INVAL;

	if (cache && lease)
		err = aibrix__tail_check(cache, n, 0);
	return err ? err : aibrix__prefetch(cache, &r, lease);
}
