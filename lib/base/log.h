#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <aibrix/base.h>

#ifndef AIBRIX__LOGGING
#define AIBRIX__LOGGING 1
#endif

/* gcc and clang then check the arguments of every call. */
#define LOG_FORMAT __attribute__((format(printf, 4, 5)))

/* Stable numbers of log lines (doc/modules/base.md): only ever added. */
enum {
	LOG_STORE_OPENED = 100,
	LOG_STORE_SLOT_DROPPED = 101,
	LOG_STORE_IO = 102,
	LOG_STORE_FULL = 103,
	LOG_STORE_REFUSED = 104,
	LOG_STORE_NO_RING = 105,
	LOG_STORE_URL = 120,
	LOG_STORE_NODE_LOST = 121,
	LOG_STORE_NODE_BACK = 122,
	LOG_STORE_DENIED = 123,
	LOG_STORE_META = 124,
	LOG_CACHE_CORRUPT = 200,
	LOG_CACHE_STORE_FAILED = 201,
	LOG_POOL_MAP = 300,
	LOG_TLS_REFUSED = 400,
	LOG_TLS_FILE = 401
};

/* The caller's log, checked and copied; NULL: silent. */
int aibrix__log_load(aibrix_log *dst, const aibrix_log *src);

/* Format (bounded, truncation marked with "...") and hand over, when the
 * level is wanted.  Never call it with a lock held. */
void aibrix__log(const aibrix_log *log, uint32_t level, uint32_t code,
		 const char *format, ...) LOG_FORMAT;

#endif
