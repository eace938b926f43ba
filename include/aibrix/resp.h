/*
 * Options of AIBRIX_BACKEND_RESP: values in Redis or Valkey.
 *
 * aibrix_store_opts.path is the URL, .backend_opts an aibrix_resp_opts or
 * NULL:
 *
 *   redis://[[user]:password@]host[:port][,host[:port]]...[/db]
 *   redis-cluster://[[user]:password@]host[:port][,host[:port]]...
 *   unix://[[user]:password@]/path[?db=n]
 *
 * rediss:// and rediss-cluster:// are the same through opts.stream, valkey
 * is another word for redis.  Several hosts share the keys (rendezvous by
 * host and port); those of a cluster are the first to be asked for its
 * nodes.
 */
#ifndef AIBRIX_RESP_H
#define AIBRIX_RESP_H

#include <aibrix/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_RESP_RAW = 0, /* the key's bytes */
	AIBRIX_RESP_HEX = 1  /* in lower-case hexadecimal */
};

typedef struct aibrix_resp_opts {
	uint32_t size;
	uint32_t connections; /* to each server, made on demand; 0: 8; <= 64 */
	uint32_t pipeline;    /* values under way on each; 0: 4; at most 16 */
	uint32_t key_text;    /* AIBRIX_RESP_RAW or _HEX */
	uint64_t conn_bytes;  /* under way on each; 0: 32 MiB */
	/* A key on the wire is prefix, key, suffix; at most 512 bytes. */
	const char *prefix;   /* copied; NULL: "" */
	const char *suffix;   /* copied; NULL: "" */
	const char *user;     /* copied; NULL: the URL's */
	const char *password; /* copied; NULL: the URL's */
	uint64_t ttl_ns;      /* of what is put, to the millisecond; 0: none */
	uint64_t connect_timeout_ns; /* with greeting; 0: 1 s */
	const aibrix_stream *stream; /* TLS; borrowed until _free */
	/* When a server is left alone, and for how long. */
	uint32_t failures;       /* in a row; 0: 5 */
	uint32_t failure_pct;    /* of at least 20 calls in 10 s; 0: 50 */
	uint64_t backoff_min_ns; /* 0: 100 ms */
	uint64_t backoff_max_ns; /* 0: 30 s */
} aibrix_resp_opts;

#ifdef __cplusplus
}
#endif

#endif
