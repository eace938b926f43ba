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
 * nodes.  With opts.meta_key the hosts are asked in turn for AIBrix's
 * metadata; user, password, database and TLS are the same for the servers
 * that it lists.
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

/* aibrix_resp_opts.flags */
enum {
	/* Keys end in ":" and the number at prefix "epoch", which
	   aibrix_resp_invalidate counts up. */
	AIBRIX_RESP_EPOCHS = 1
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
	/* With AIBRIX_RESP_EPOCHS: how old the epoch may be; 0: 1 s; at
	   least 1 ms, and longer than the server takes to answer */
	uint64_t epoch_ns;
	uint32_t flags; /* AIBRIX_RESP_EPOCHS */
	uint32_t spare; /* must be 0 */
	/* Not NULL: the URL is where AIBrix's cluster metadata lies, under this
	   key ("kvcache_nodes"), and values live on the servers that it lists,
	   as its own clients choose them: keys of 16 bytes alone.  Not with
	   redis-cluster://, not with AIBRIX_RESP_EPOCHS */
	const char *meta_key; /* copied; 1 to 127 bytes */
	uint64_t meta_ns;     /* read again after this; 0: 30 s; >= 1 ms */
} aibrix_resp_opts;

/*
 * Make all values under this store's prefix unfindable, for all stores with
 * epochs and that prefix: for this one from now on, for the others within
 * their epoch_ns.  The server counts up the number at prefix "epoch" when
 * poll has told it to, and poll tells it until it has answered; until then
 * this store's requests are E_UNAVAILABLE.
 *
 * Fails: E_UNSUPPORTED (not a store with epochs).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_resp_invalidate(aibrix_store *store,
						   uint64_t now_ns);

/*
 * The epoch that this store's keys carry.
 *
 * Fails: E_AGAIN (it is not known, or to be counted up), E_UNSUPPORTED.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_resp_epoch(aibrix_store *store,
					      uint64_t *epoch);

#ifdef __cplusplus
}
#endif

#endif
