/*
 * Scripted faults, for tests of what stands on a store.
 *
 * Requests of each operation are numbered from 0 in the order in which the
 * store begins to serve them.  A script entry names one of them and what
 * becomes of it; further entries may name others.
 */
#ifndef STORE_FAULTS_H
#define STORE_FAULTS_H

#include <aibrix/store.h>

enum {
	FAULT_STATUS = 1,  /* completes with status, nothing else is done */
	FAULT_CORRUPT = 2, /* GET: bits of byte arg of the value are flipped */
	FAULT_DELAY = 3,   /* not served for another arg polls */
	FAULT_DROP = 4     /* never served: ends by deadline or cancel */
};

struct store_fault {
	uint32_t kind; /* FAULT_* */
	uint32_t op;   /* AIBRIX_STORE_* */
	uint64_t at;   /* number of the request */
	uint64_t arg;
	int32_t status;
};

/* The script is borrowed until the store is freed or given another; NULL
 * and 0: none.  Counting starts anew. */
void aibrix__store_faults(aibrix_store *store, const struct store_fault *script,
			  uint32_t n);

#endif
