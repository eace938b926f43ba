/* Options, memory and numbers of the queue. */

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/versioned.h"
#include "vtc/vtc_internal.h"

enum {
	REQUESTS_DEFAULT = 65536,
	REQUESTS_MAX = 1 << 24,
	USERS_MAX = 1 << 25,
	KNOWN_FLAGS = AIBRIX_VTC_INPUT_WEIGHT_SET | AIBRIX_VTC_OUTPUT_WEIGHT_SET
};

#define LEASE_DEFAULT_NS (600 * (uint64_t)1000000000)

static uint32_t
or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

/* NaN fails too. */
static int
weight_load(double *weight, double otherwise, int set)
{
	if (*weight == 0 && !set)
		*weight = otherwise;
	return *weight >= 0 && *weight <= RATIO_MAX;
}

static int
opts_load(aibrix_vtc_opts *own, aibrix_allocator *alloc,
	  const aibrix_vtc_opts *opts)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), opts,
				  STRUCT_UPTO(aibrix_vtc_opts, alloc));
	if (err)
		return err;
	if (own->flags & ~(uint32_t)KNOWN_FLAGS)
		return AIBRIX_E_ABI;
	own->max_requests = or_default(own->max_requests, REQUESTS_DEFAULT);
	own->max_users = or_default(own->max_users, 2 * own->max_requests);
	own->max_user_requests =
		or_default(own->max_user_requests, (own->max_requests + 3) / 4);
	if (own->lease_ns == 0)
		own->lease_ns = LEASE_DEFAULT_NS;
	if (own->max_requests > REQUESTS_MAX || own->max_users > USERS_MAX ||
	    own->max_user_requests > own->max_requests || own->spare ||
	    !weight_load(&own->input_weight, 1,
			 own->flags & AIBRIX_VTC_INPUT_WEIGHT_SET) ||
	    !weight_load(&own->output_weight, 2,
			 own->flags & AIBRIX_VTC_OUTPUT_WEIGHT_SET))
		return AIBRIX_E_INVAL;
	return aibrix__allocator_load(alloc, own->alloc);
}

static uint32_t
at_least(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* Who waits has a request. */
static uint32_t
backlog_max(const aibrix_vtc *v)
{
	return v->max_users < v->max_requests ? v->max_users : v->max_requests;
}

static int
arrays_take(aibrix_vtc *v)
{
	const aibrix_allocator *a = &v->alloc;
	uint32_t buckets = at_least(v->max_users);

	v->bucket_mask = buckets - 1;
	v->users = aibrix__alloc(a, v->max_users, sizeof(*v->users));
	v->places = aibrix__alloc(a, v->max_users, sizeof(*v->places));
	v->buckets = aibrix__alloc(a, buckets, sizeof(*v->buckets));
	v->requests = aibrix__alloc(a, v->max_requests, sizeof(*v->requests));
	v->links = aibrix__alloc(a, v->max_requests, sizeof(*v->links));
	if (!v->users || !v->places || !v->buckets || !v->requests ||
	    !v->links ||
	    !heap_take(&v->waiting, a, backlog_max(v), v->places) ||
	    !heap_take(&v->idle, a, v->max_users, v->places))
		return 0;
	memset(v->places, 0xff, v->max_users * sizeof(*v->places));
	memset(v->buckets, 0xff, buckets * sizeof(*v->buckets));
	for (uint32_t i = 0; i < v->max_requests; i++)
		list_append(&v->free, v->links, i);
	return 1;
}

int
aibrix_vtc_new(const aibrix_vtc_opts *opts, aibrix_vtc **out)
{
	aibrix_allocator alloc;
	aibrix_vtc_opts own;
	aibrix_vtc *v;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	v = aibrix__alloc(&alloc, 1, sizeof(*v));
	if (!v)
		return AIBRIX_E_NOMEM;
	v->alloc = alloc;
	v->max_requests = own.max_requests;
	v->max_user_requests = own.max_user_requests;
	v->max_users = own.max_users;
	v->input_weight = (uint32_t)lround(own.input_weight * UNITS);
	v->output_weight = (uint32_t)lround(own.output_weight * UNITS);
	v->lease_ns = own.lease_ns;
	v->seed = own.seed;
	v->last = NONE;
	if (!arrays_take(v)) {
		aibrix_vtc_free(v);
		return AIBRIX_E_NOMEM;
	}
	*out = v;
	return AIBRIX_OK;
}

void
aibrix_vtc_free(aibrix_vtc *vtc)
{
	aibrix_allocator a;

	if (!vtc)
		return;
	a = vtc->alloc;
	aibrix__free(&a, vtc->users, vtc->max_users, sizeof(*vtc->users));
	aibrix__free(&a, vtc->places, vtc->max_users, sizeof(*vtc->places));
	aibrix__free(&a, vtc->buckets, (size_t)vtc->bucket_mask + 1,
		     sizeof(*vtc->buckets));
	heap_give(&vtc->waiting, &a);
	heap_give(&vtc->idle, &a);
	aibrix__free(&a, vtc->requests, vtc->max_requests,
		     sizeof(*vtc->requests));
	aibrix__free(&a, vtc->links, vtc->max_requests, sizeof(*vtc->links));
	aibrix__free(&a, vtc, 1, sizeof(*vtc));
}

uint64_t
aibrix_vtc_user(uint64_t seed, const void *name, uint64_t bytes)
{
	uint8_t digest[SHA256_BYTES], salt[sizeof(seed)];
	struct writer w = writer_on(salt, sizeof(salt));
	struct reader r = reader_on(digest, sizeof(digest));
	struct sha256 sha;
	uint64_t user;

	if (!name || bytes == 0)
		return 0;
	write_u64(&w, seed);
	/* Asking the processor takes longer than one block in plain C. */
	aibrix__sha256_init(&sha, aibrix__sha256_select(0));
	aibrix__sha256_update(&sha, salt, sizeof(salt));
	aibrix__sha256_update(&sha, name, (size_t)bytes);
	aibrix__sha256_final(&sha, digest);
	user = read_u64(&r);
	return user ? user : 1;
}

/* All that new has taken. */
static uint64_t
bytes_taken(const aibrix_vtc *v)
{
	uint64_t users = sizeof(*v->users) + sizeof(*v->places);
	uint64_t requests = sizeof(*v->requests) + sizeof(*v->links);

	return sizeof(*v) + v->max_users * users + v->max_requests * requests +
	       heap_bytes(&v->waiting) + heap_bytes(&v->idle) +
	       ((uint64_t)v->bucket_mask + 1) * sizeof(*v->buckets);
}

int
aibrix_vtc_stats(const aibrix_vtc *vtc, aibrix_vtc_stat *stat)
{
	aibrix_vtc_stat own;

	if (!vtc || !stat)
		return AIBRIX_E_INVAL;
	own = vtc->stat;
	own.running = vtc->running.count;
	own.waiting = vtc->max_requests - vtc->free.count - vtc->running.count;
	own.users = vtc->known;
	own.backlog = vtc->waiting.count;
	own.bytes = bytes_taken(vtc);
	return aibrix__struct_store(stat, &own, sizeof(own),
				    STRUCT_UPTO(aibrix_vtc_stat, rebased));
}
