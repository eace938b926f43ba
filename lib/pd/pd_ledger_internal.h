/* Shared by the files of the ledger. */
#ifndef PD_LEDGER_INTERNAL_H
#define PD_LEDGER_INTERNAL_H

#include <aibrix/pd_ledger.h>

#include <pthread.h>

#include "base/ticket.h"

/*
 * What is charged to each pod, by its number: an open table, at most half
 * full, of the pods that are charged anything.  Who is charged nothing has
 * no place, so pods that come and go leave nothing behind.
 */
struct account {
	uint64_t pod;
	uint32_t used;
	uint32_t open; /* charges that name it */
	aibrix_pd_charge mine, others;
};

/* Zeros: empty. */
struct accounts {
	struct account *slots; /* cap, a power of two or 0 */
	size_t cap;
	uint32_t n, n_others; /* used; and those that others have charged */
};

/* Room for two more.  Fails: E_NOMEM; then nothing has changed. */
int aibrix__accounts_reserve(struct accounts *a, const aibrix_allocator *alloc);

void aibrix__accounts_free(struct accounts *a, const aibrix_allocator *alloc);

/* NULL: it is charged nothing. */
struct account *aibrix__account_find(const struct accounts *a, uint64_t pod);

/* As find, or a new one, for which there is room.  It moves with the next
 * call of open or close. */
struct account *aibrix__account_open(struct accounts *a, uint64_t pod);

int aibrix__charge_is_none(const aibrix_pd_charge *c);

/* Drop it if nobody names it and nothing is charged. */
void aibrix__account_close(struct accounts *a, struct account *account);

/* Parts of a charge that are not given back. */
enum {
	PREFILL = 1,
	KV = 2,
	ARRIVING = 4,
	DECODE = 8,
	AT_PREFILL = PREFILL | KV,
	AT_DECODE = ARRIVING | DECODE
};

struct charge {
	uint64_t prefill, decode; /* pods */
	uint64_t tokens, decode_tokens;
	uint32_t parts, spare;
};

struct aibrix_pd_ledger {
	aibrix_allocator alloc;
	pthread_mutex_t lock;
	struct tickets tickets;
	struct charge *charges; /* by number of the ticket - 1 */
	size_t charges_cap;
	struct accounts accounts;
	uint64_t request_tokens;
	double kv_weight;
	uint32_t flags, max_pods;
	aibrix_pd_stat *stats; /* of the pick under way */
	size_t stats_cap;
};

/* Room for one more reservation. */
int aibrix__pd_ledger_reserve(aibrix_pd_ledger *ledger);

/* Give back what has not been heard of for a lease; returns how many. */
uint64_t aibrix__pd_leases_end(aibrix_pd_ledger *ledger);

#endif
