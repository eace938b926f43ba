/*
 * Values that only holders of a key can read: a backend that seals what is
 * put into another store and opens what comes back.  By OpenSSL:
 * libaibrix-crypt.so, a library of its own (pkg-config aibrix-crypt).
 *
 *   opts.backend = AIBRIX_BACKEND_USER;
 *   opts.user = aibrix_crypt_backend();
 *   opts.backend_opts = &(aibrix_crypt_opts){.size = ..., .keys = keys,
 *                                            .n_keys = 1, .inner = &redis};
 *
 * A value in the inner store is AIBRIX_CRYPT_BYTES of head and the bytes,
 * under XAES-256-GCM (C2SP): 256-bit keys, and 192 random bits for each value
 * from which its own AES-256-GCM key comes.  2^80 values may be sealed with
 * one key before two of them share those bits with a chance of 2^-32.
 *
 * Bound to a value are the store's key under which it lies, its length and
 * opts.context: a value that was moved, cut, mixed or made by another key is
 * AIBRIX_E_CORRUPT, and nothing of it is given out.  Not hidden are keys,
 * lengths and when what is used; an old value put back in its place, and one
 * that is withheld, are not noticed.
 */
#ifndef AIBRIX_CRYPT_H
#define AIBRIX_CRYPT_H

#include <aibrix/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_CRYPT_BYTES = 64, /* more than the value, in the inner store */
	AIBRIX_CRYPT_KEYS_MAX = 16,
	AIBRIX_CRYPT_CONTEXT_MAX = 256
};

/* Frozen: 40 bytes. */
typedef struct aibrix_crypt_key {
	uint32_t id;       /* stands in the head of what it seals */
	uint32_t spare;    /* must be 0 */
	uint8_t bytes[32]; /* random; not all 0 */
} aibrix_crypt_key;

/* Read by aibrix_store_open only; keys are copied, wiped at the end. */
typedef struct aibrix_crypt_opts {
	uint32_t size;
	uint32_t n_keys; /* 1 .. AIBRIX_CRYPT_KEYS_MAX */
	/* The first seals, all open.  A new key goes to all readers as one
	   that opens before anybody seals with it. */
	const aibrix_crypt_key *keys;
	/* Where sealed values go.  Opened and closed with this store.  What is
	   0 or NULL is as in the options of this store; value_bytes and
	   max_inflight are always set here. */
	const aibrix_store_opts *inner;
	const void *context; /* who may share values: a tenant's name */
	uint32_t context_bytes;
	uint32_t spare; /* must be 0 */
	/* For sealed values on their way in, touched as they are needed; 0:
	   64 MiB; at least one value's.  Without room a PUT is E_FULL. */
	uint64_t buffer_bytes;
} aibrix_crypt_opts;

/*
 * The table.  value_bytes is at most 1 GiB.  Values are sealed in submit and
 * opened in poll, on the caller's thread.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const aibrix_backend *aibrix_crypt_backend(void);

#ifdef __cplusplus
}
#endif

#endif
