/*
 * The ledger: what this gateway has sent where and what is not finished.
 *
 * A pick and its charge are one step, so that of many requests at once each
 * sees those before it.  A charge is a reservation: it ends when it is
 * settled, once, or when nothing was heard of it for a lease.
 */
#ifndef AIBRIX_LEDGER_H
#define AIBRIX_LEDGER_H

#include <aibrix/base.h>
#include <aibrix/fleet.h>
#include <aibrix/route.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* overlays that a request may bring to aibrix_ledger_pick */
	AIBRIX_LEDGER_OVERLAYS_MAX = 30
};

typedef struct aibrix_ledger_opts {
	uint32_t size;
	uint32_t max_open; /* reservations; 0: 65536, at most 2^20 */
	uint64_t lease_ns; /* 0: 10 min; AIBRIX_FOREVER: none */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_ledger_opts;

/*
 * Thread: shared.  The fleet that is passed along is only read; nobody may
 * change it meanwhile.
 */
typedef struct aibrix_ledger aibrix_ledger;

/*
 * An empty ledger.  opts may be NULL.  *out is owned: aibrix_ledger_free.
 *
 * Fails: E_INVAL (max_open), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_ledger_new(const aibrix_ledger_opts *opts,
					      aibrix_ledger **out);

/* Release, open reservations with it; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_ledger_free(aibrix_ledger *ledger);

/*
 * aibrix_route_pick with the ledger's counts as REQUESTS_RUNNING and
 * TOKENS_PENDING, and the picked row charged one request and the prompt
 * tokens that it does not hold.  *ticket, never 0, names the reservation.
 * Leases that ended before are given back first.
 *
 * Fails: as aibrix_route_pick; E_FULL (max_open), E_INVAL (too many
 * overlays), E_NOMEM; nothing is charged then.
 * Cost: a pick; allocates when more is open than ever before.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_ledger_pick(aibrix_ledger *ledger, const aibrix_route *route,
		   const aibrix_fleet *fleet,
		   const aibrix_route_request *request, uint64_t now_ns,
		   aibrix_route_result *out, uint64_t *ticket);

/*
 * The first token has come: the prompt is computed, its tokens no longer
 * wait, and the lease begins anew.  A second time it only does the last.
 *
 * Fails: E_NOT_FOUND (settled, expired, or never given).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_ledger_first_token(aibrix_ledger *ledger,
						      uint64_t ticket,
						      uint64_t now_ns);

/* The request lives: its lease begins anew.
 * Fails: as aibrix_ledger_first_token.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_ledger_renew(aibrix_ledger *ledger, uint64_t ticket, uint64_t now_ns);

/*
 * It has ended, well or not, or was cancelled: what is left of its charge is
 * given back.  Whoever comes second is told so and changes nothing.
 *
 * Fails: as aibrix_ledger_first_token.  Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_ledger_settle(aibrix_ledger *ledger,
						 uint64_t ticket);

/* Give back what was not heard of for a lease; *n becomes how many.
 * Fails: E_INVAL.  Cost: O(*n).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_ledger_expire(aibrix_ledger *ledger,
						 uint64_t now_ns, uint64_t *n);

/*
 * What other gateways have charged to a row, all together: it counts beside
 * what this one has until it is said anew (aibrix_share_sum, say), or the row
 * changes hands.  Numbers count up to 2^52.
 *
 * Fails: E_NOT_FOUND (free row), E_INVAL, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_ledger_others(aibrix_ledger *ledger, const aibrix_fleet *fleet,
		     uint32_t row, uint64_t requests, uint64_t tokens);

/*
 * What this gateway has charged to a row: 0 where nothing is, also when the
 * row has changed hands since.
 *
 * Fails: E_NOT_FOUND (free row), E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_ledger_read(aibrix_ledger *ledger, const aibrix_fleet *fleet,
		   uint32_t row, uint64_t *requests, uint64_t *tokens);

/* Reservations that are open.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_ledger_open(aibrix_ledger *ledger);

#ifdef __cplusplus
}
#endif

#endif
