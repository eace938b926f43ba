/*
 * What every other header needs: statuses, allocator, log, versions.
 *
 * Conventions of all headers:
 *   - Functions return AIBRIX_OK (0) or a negative AIBRIX_E_*.  On failure
 *     outputs are untouched and the object is as before, unless the
 *     function's text names the exception.
 *   - Option and result structs begin with uint32_t size, which the caller
 *     sets to sizeof; all other fields zero means "default".
 *   - Pointers: "owned" must be freed by the receiver, "borrowed until X"
 *     stays the giver's, "copied" is read during the call only.
 *   - Time is now_ns, any monotonic clock of the caller, in nanoseconds.
 *   - Thread classes: "any" (stateless or immutable), "shared" (any thread
 *     at any time), "readers" (many const calls or one other), "confined"
 *     (one thread at a time).
 */
#ifndef AIBRIX_BASE_H
#define AIBRIX_BASE_H

#include <stddef.h>
#include <stdint.h>

#include <aibrix/version.h>

#if defined(__GNUC__)
#define AIBRIX_API __attribute__((visibility("default")))
#define AIBRIX_CHECK __attribute__((warn_unused_result))
#else
#define AIBRIX_API
#define AIBRIX_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* As a time: never.  As a limit: none. */
#define AIBRIX_FOREVER UINT64_MAX

/* Values are part of the ABI: never renumbered, never reused. */
typedef enum aibrix_error {
	AIBRIX_OK = 0,
	AIBRIX_E_INVAL = -1,        /* the call itself is wrong */
	AIBRIX_E_NOMEM = -2,        /* the allocator returned NULL */
	AIBRIX_E_ABI = -3,          /* uses a field newer than this library */
	AIBRIX_E_NOT_FOUND = -4,    /* no such entry; not a fault */
	AIBRIX_E_FULL = -5,         /* no room; evict or grow, then retry */
	AIBRIX_E_AGAIN = -6,        /* nothing ready yet; poll again */
	AIBRIX_E_SPACE = -7,        /* pass a larger buffer */
	AIBRIX_E_PARSE = -8,        /* malformed input; drop it */
	AIBRIX_E_UNSUPPORTED = -9,  /* not in this build or this backend */
	AIBRIX_E_STATE = -10,       /* calls in the wrong order */
	AIBRIX_E_BUSY = -11,        /* still in use; release first */
	AIBRIX_E_CANCELED = -12,    /* ended by a cancel or a close */
	AIBRIX_E_IO = -20,          /* see os_error; count it, go elsewhere */
	AIBRIX_E_CLOSED = -21,      /* connection gone; reopen */
	AIBRIX_E_TIMEOUT = -22,     /* the deadline passed */
	AIBRIX_E_CORRUPT = -23,     /* bytes are not what was stored */
	AIBRIX_E_DENIED = -24,      /* fix the credentials */
	AIBRIX_E_UNAVAILABLE = -25, /* not now: a miss, try later */
	AIBRIX_E_DEVICE = -40,      /* retry on another device */
	AIBRIX_E_DEVICE_LOST = -41  /* stop using the device */
} aibrix_error;

/*
 * A short English text for any status, also for codes that this version
 * does not know.  Never NULL; static storage.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const char *aibrix_strerror(int status);

/*
 * The status as it is spelt in this header ("AIBRIX_E_FULL"), or
 * "AIBRIX_E_?" for unknown codes.  Never NULL; static storage.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const char *aibrix_error_name(int status);

/* Version of the loaded library, "0.1.0".  Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_version(void);

/* AIBRIX_ABI_MAJOR of the loaded library.  Thread: any.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_abi_version(void);

enum {
	AIBRIX_FEATURE_LOGGING = 1,     /* log calls are compiled in */
	AIBRIX_FEATURE_SHA256_HW = 2,   /* this CPU has SHA-256 instructions */
	AIBRIX_FEATURE_CRC32C_HW = 3,   /* this CPU has CRC32C instructions */
	AIBRIX_FEATURE_WIDE_VECTORS = 4, /* AVX2 or AVX-512 are used */
	AIBRIX_FEATURE_NUMA = 5         /* pools can be bound to nodes */
};

/*
 * 1 when the loaded library, on this machine, has the feature, else 0;
 * also 0 for numbers it does not know.
 *
 * Thread: any.  Cost: up to microseconds (asks the CPU); not for hot paths.
 * Since: 0.1.
 */
AIBRIX_API uint32_t aibrix_has(uint32_t feature);

/*
 * Where an object takes its memory from.  Copied by the object; ctx must
 * outlive the object.
 *
 * alloc returns bytes aligned to align (a power of two), or NULL.
 * free receives the same byte count that alloc was given.
 * Both may be called from any thread that calls into the object.
 */
typedef struct aibrix_allocator {
	uint32_t size;  /* sizeof(aibrix_allocator) */
	uint32_t flags; /* must be 0 */
	void *ctx;
	void *(*alloc)(void *ctx, size_t bytes, size_t align);
	void (*free)(void *ctx, void *ptr, size_t bytes);
} aibrix_allocator;

/*
 * An allocator on jemalloc, when the process has it loaded (linked by the
 * program or preloaded), else NULL.  The library itself never links it.
 * Static storage.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const aibrix_allocator *aibrix_allocator_jemalloc(void);

enum {
	AIBRIX_LOG_ERROR = 1, /* data or a device is lost */
	AIBRIX_LOG_WARN = 2,  /* degraded */
	AIBRIX_LOG_INFO = 3,  /* opened, closed */
	AIBRIX_LOG_DEBUG = 4
};

/*
 * Where an object reports what it cannot return.  Copied by the object.
 * fn receives a complete line without a newline, borrowed for the call,
 * and a stable number (doc/modules/base.md lists them).  It is called
 * without internal locks held and must not free the object.
 */
typedef struct aibrix_log {
	uint32_t size;  /* sizeof(aibrix_log) */
	uint32_t level; /* report up to this AIBRIX_LOG_*; 0: warn */
	void *ctx;
	void (*fn)(void *ctx, uint32_t level, uint32_t code, const char *text);
} aibrix_log;

#ifdef __cplusplus
}
#endif

#endif
