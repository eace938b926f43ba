/* What an earlier process left in the slots. */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include "store/store_directory.h"
#include "store/store_slots.h"

/*
 * Read all heads of an open file into a directory that is not settled yet,
 * and settle it.  The order of use becomes the order of writing; *sequence
 * the largest found.  Slots whose head is damaged or was being written are
 * emptied and counted.
 *
 * Fails: E_NOMEM, E_IO and what else a read may come to, logged.
 */
int aibrix__slots_recover(const aibrix_backend_conf *conf,
			  const struct slot_file *file, struct directory *d,
			  uint64_t *sequence);

#endif
