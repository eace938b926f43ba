/* What an earlier process left in the slots. */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include "store/store_carry.h"
#include "store/store_directory.h"

/* What was found in the slots, by the order of writing. */
struct recovered {
	uint64_t sequence; /* the last one */
	uint32_t *last;    /* slots of the last n_last values, in order */
	uint32_t n_last, cap;
};

/*
 * Read all heads of an open file into a directory that is not settled yet,
 * and settle it.  The order of use becomes the order of writing.  Slots whose
 * head is damaged or was being written are emptied and counted.
 *
 * Fails: E_NOMEM, E_IO and what else a read may come to, logged.
 */
int aibrix__slots_recover(struct carry *carry, const struct slot_file *file,
			  struct directory *d, struct recovered *found);

#endif
