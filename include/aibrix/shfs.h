/*
 * Options of AIBRIX_BACKEND_SHFS: values as files in a directory that any
 * number of processes and machines share, in AIBrix's layout.
 *
 *   <path>/<conn_id>/<hex[0:2]>/<hex[2:4]>/<hex>      hex: the key
 *
 * aibrix_store_opts.path is the directory; its last component is made when
 * it is not there.  backend_opts points to these options, or is NULL.
 * capacity_bytes is a quota for the whole of <path>/<conn_id>, whoever wrote
 * it: above it, what was used longest ago is deleted, about.
 */
#ifndef AIBRIX_SHFS_H
#define AIBRIX_SHFS_H

#include <aibrix/store.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* No quota: nothing is evicted, also when the disk is full. */
	AIBRIX_SHFS_KEEP = 1
};

typedef struct aibrix_shfs_opts {
	uint32_t size;
	uint32_t mode; /* of files, below the umask; 0: 0600 */
	/* The directory below path: key_text.h, or any text that its rules
	   for namespaces allow.  NULL: values lie right below path. */
	const char *conn_id;
	uint32_t flags;         /* AIBRIX_SHFS_* */
	uint32_t sweep_entries; /* looked at for each PUT; 0: 16 */
	/* A hit marks the file as used unless that is already as young as
	   this; 0: 10 minutes, AIBRIX_FOREVER: never */
	uint64_t touch_ns;
} aibrix_shfs_opts;

#ifdef __cplusplus
}
#endif

#endif
