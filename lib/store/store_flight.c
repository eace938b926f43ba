/*
 * Single flight: who asks for what is being fetched waits for that fetch.
 *
 *   bucket -> listed request -> listed request -> NONE     by fingerprint
 *                |
 *                '-- joined: number, number, ...           in order of arrival
 *
 * After a burst of requests with one prefix many engines' threads ask for
 * the same blocks at once; each would cost a transfer.
 *
 *   asks for   joins            is answered with
 *   GET        GET              a copy of the bytes
 *   PROBE      GET, PROBE       the length
 *   PUT        PUT              EXISTED
 *
 * A request joins none that is less urgent: it would wait behind all that
 * the backend serves before that one.  And it joins none that began before
 * a PUT or DELETE of the key that has been handed over since: such a request
 * is taken off the list, so that after a completed PUT nobody is told of a
 * miss, and after a completed DELETE nobody of a value.
 *
 * All lists are of numbers; nothing is allocated after open.
 */

#include <string.h>

#include "base/alloc.h"
#include "store/store_front.h"

int
aibrix__flight_open(aibrix_store *store)
{
	uint32_t n = 16;

	while (n < store->conf.max_inflight)
		n *= 2;
	store->mask = n - 1;
	store->earliest = AIBRIX_FOREVER;
	store->buckets =
		aibrix__alloc(&store->alloc, n, sizeof(*store->buckets));
	store->waits = aibrix__alloc(&store->alloc, store->conf.max_inflight,
				     sizeof(*store->waits));
	if (!store->buckets || !store->waits)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		store->buckets[i] = NONE;
	return AIBRIX_OK;
}

void
aibrix__flight_close(aibrix_store *store)
{
	aibrix__free(&store->alloc, store->buckets, (size_t)store->mask + 1,
		     sizeof(*store->buckets));
	aibrix__free(&store->alloc, store->waits, store->conf.max_inflight,
		     sizeof(*store->waits));
}

static uint32_t *
bucket_of(const aibrix_store *store, uint64_t print)
{
	/* The low bits are those of the absent table; any will do. */
	return &store->buckets[print >> 32 & store->mask];
}

static int
same_key(const struct request *a, const struct request *b)
{
	return a->print == b->print && a->io.key_bytes == b->io.key_bytes &&
	       memcmp(a->io.key, b->io.key, a->io.key_bytes) == 0;
}

int
aibrix__flight_answers(const struct request *leader,
		       const struct request *request)
{
	uint32_t op = request->io.op;

	if (op == AIBRIX_STORE_DELETE ||
	    leader->io.priority > request->io.priority)
		return 0;
	return leader->io.op == op ||
	       (leader->io.op == AIBRIX_STORE_GET && op == AIBRIX_STORE_PROBE);
}

uint32_t
aibrix__flight_find(const aibrix_store *store, const struct request *request)
{
	uint32_t number = *bucket_of(store, request->print);

	while (number != NONE) {
		const struct request *r = &store->requests[number];

		if (aibrix__flight_answers(r, request) && same_key(r, request))
			break;
		number = r->chain;
	}
	return number;
}

void
aibrix__flight_list(aibrix_store *store, uint32_t number)
{
	struct request *r = &store->requests[number];
	uint32_t *bucket;

	if (r->io.op == AIBRIX_STORE_DELETE)
		return;
	bucket = bucket_of(store, r->print);
	r->chain = *bucket;
	r->listed = 1;
	*bucket = number;
}

void
aibrix__flight_unlist(aibrix_store *store, uint32_t number)
{
	struct request *r = &store->requests[number];
	uint32_t *at = bucket_of(store, r->print);

	if (!r->listed)
		return;
	while (*at != number)
		at = &store->requests[*at].chain;
	*at = r->chain;
	r->listed = 0;
}

void
aibrix__flight_hide(aibrix_store *store, const struct request *request)
{
	uint32_t *at = bucket_of(store, request->print);

	while (*at != NONE) {
		struct request *r = &store->requests[*at];

		if ((r->io.op == AIBRIX_STORE_PUT &&
		     request->io.op == AIBRIX_STORE_PUT) ||
		    !same_key(r, request)) {
			at = &r->chain;
			continue;
		}
		*at = r->chain;
		r->listed = 0;
	}
}

void
aibrix__flight_join(aibrix_store *store, uint32_t number, uint32_t leader)
{
	struct request *r = &store->requests[number];

	r->state = REQUEST_JOINED;
	r->leader = leader;
	list_append(&store->requests[leader].joined, store->links, number);
	list_append(&store->joined, store->waits, number);
	if (r->io.deadline_ns < store->earliest)
		store->earliest = r->io.deadline_ns;
}

void
aibrix__flight_leave(aibrix_store *store, uint32_t number)
{
	const struct request *r = &store->requests[number];

	list_remove(&store->requests[r->leader].joined, store->links, number);
	list_remove(&store->joined, store->waits, number);
}
