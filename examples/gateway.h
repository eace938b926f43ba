/*
 * The decisions of a gateway, without its network: which pod a request goes
 * to, by what pods announced, what they report, and what was sent to them.
 *
 * All calls return a status of the library.  One thread at a time.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include <stdint.h>

#include <aibrix/aibrix.h>

enum { GATEWAY_PODS_MAX = 1024, GATEWAY_TOKENS_MAX = 1 << 20 };

typedef struct gateway {
	aibrix_hash *hash;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_predict *predict;
	aibrix_fleet *fleet;
	aibrix_route *route;
	aibrix_ledger *ledger;
	char *names[GATEWAY_PODS_MAX]; /* by row; NULL: free */
	double held[GATEWAY_PODS_MAX]; /* by row, of the request at hand */
	uint64_t *hashes;              /* of the prompt at hand */
	uint64_t *block_names;
	aibrix_key *keys;
	uint64_t n_blocks;
	uint32_t block_tokens;
} gateway;

/* Zeroed or closed before; to be closed whatever comes back. */
int gateway_open(gateway *gate, const char *strategy, uint32_t block_tokens);
void gateway_close(gateway *gate);

/* A pod, by its address: a row of the fleet from now on. */
int gateway_join(gateway *gate, const char *name, uint32_t *row);
int gateway_leave(gateway *gate, uint32_t row);

/* AIBRIX_COL_* by name ("kv_usage_ratio"); -1: pods report no such thing. */
int gateway_column(const char *name);

/* Set one of a pod; NaN: not known. */
int gateway_metric(gateway *gate, uint32_t row, uint32_t column, double value,
		   uint64_t now_ns);

/* A pod holds the whole blocks of this prompt. */
int gateway_stored(gateway *gate, uint32_t row, const uint32_t *tokens,
		   uint64_t n_tokens);

typedef struct gateway_request {
	const char *id;
	const char *strategy; /* NULL: the gateway's */
	const char *session;  /* NULL: none */
	const uint32_t *tokens;
	uint64_t n_tokens;
} gateway_request;

typedef struct gateway_pick_result {
	uint32_t row;
	uint32_t reason; /* AIBRIX_REASON_* */
	uint64_t held;   /* of the prompt's blocks, there or on their way */
	uint64_t blocks;
	uint64_t ticket; /* for gateway_first_token and gateway_end */
} gateway_pick_result;

int gateway_pick(gateway *gate, const gateway_request *request, uint64_t now_ns,
		 gateway_pick_result *out);

/* E_NOT_FOUND: nothing was heard of it for so long that it was given up. */
int gateway_first_token(gateway *gate, uint64_t ticket, uint64_t now_ns);
int gateway_end(gateway *gate, uint64_t ticket);

#endif
