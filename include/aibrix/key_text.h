/*
 * Names of AIBrix's KV cache in stores: which text a block has in a server
 * and which directory its values lie in.  For reading what AIBrix wrote, and
 * for being read by it.
 *
 *   connection id   aibrix_h0_7_l0_31_lcnd16roc
 *                   namespace, heads, layers, layout and block size, how
 *                   keys are made, how blocks are laid out
 *   key text        the key's bytes in hex, then the connection id
 *
 * Such a name says nothing of model, dtype, adapter or tenant: a namespace
 * for each of them is up to the user.  (Source: AIBrix aibrix_kvcache,
 * l2/l2_cache.py and l2/connectors/connector.py.)
 */
#ifndef AIBRIX_KEY_TEXT_H
#define AIBRIX_KEY_TEXT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Order of a block's dimensions, slowest first. */
enum {
	AIBRIX_CONN_LCND = 0, /* layer, K or V, token, head and dim */
	AIBRIX_CONN_NCLD = 1  /* token, K or V, layer, head and dim */
};

/* How keys are made: AIBRIX_KEY_* of hash.h and aibrix_compat_raw_key. */
enum {
	AIBRIX_CONN_ROLLING = 0, /* ROLLING_HASH, AIBRIX_KEY_CITY128 */
	AIBRIX_CONN_SIMPLE = 1,  /* SIMPLE_HASH, AIBRIX_KEY_CITY128_SIMPLE */
	AIBRIX_CONN_RAW = 2,     /* bytes of all tokens */
	AIBRIX_CONN_HEX = 3      /* the same in hex */
};

enum {
	AIBRIX_CONN_EXTENDED = 1 /* flags: tokens follow each block's bytes */
};

enum {
	AIBRIX_CONN_SPACE_MAX = 128, /* bytes of a namespace */
	AIBRIX_CONN_ID_MAX = 255     /* bytes of an id, without its NUL */
};

typedef struct aibrix_conn_opts {
	uint32_t size;
	uint32_t block_tokens; /* 0: the id ends behind the layers */
	/* Namespace; NULL: "aibrix".  Of A-Z a-z 0-9 . _ -, not beginning
	   with a dot, since it becomes the name of a directory. */
	const char *space;
	uint32_t head_first, head_last;   /* ids, both are held */
	uint32_t layer_first, layer_last; /* ids, both are held */
	uint32_t layout;                  /* AIBRIX_CONN_LCND, _NCLD */
	uint32_t builder;                 /* AIBRIX_CONN_ROLLING and others */
	uint32_t flags;                   /* AIBRIX_CONN_EXTENDED */
	uint32_t spare;                   /* must be 0 */
} aibrix_conn_opts;

/*
 * Write the connection id, with a NUL, into out; *n becomes its length
 * without the NUL.  The namespace is written in lower case.
 *
 * Fails: E_INVAL (namespace, first above last, unknown layout or builder),
 * E_SPACE (cap is not above *n), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_conn_id(const aibrix_conn_opts *opts,
					   char *out, uint64_t cap,
					   uint64_t *n);

/*
 * Write the text of a key, with a NUL: its bytes in lower-case hex, and
 * right behind them conn_id, NULL for nothing.  *n becomes the length
 * without the NUL.
 *
 * Fails: E_INVAL (key missing or empty, conn_id above AIBRIX_CONN_ID_MAX),
 * E_SPACE (cap is not above *n).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_key_text(const void *key,
					    uint32_t key_bytes,
					    const char *conn_id, char *out,
					    uint64_t cap, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
