/*
 * RESP2, the protocol of Redis and Valkey, as a pure codec: bytes in, events
 * out.  It neither allocates nor does I/O, and no payload passes through its
 * own memory.  (States and contract: doc/modules/store.md, "RESP".)
 */
#ifndef STORE_RESP_H
#define STORE_RESP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <aibrix/store.h>

enum {
	RESP_ARGS = 16,           /* of a command */
	RESP_ARG_BYTES = 512,     /* of one that is not the payload */
	RESP_COMMAND_BYTES = 640, /* SET with the longest key, NX and PX: 600 */
	RESP_LINE = 1024,         /* of a reply, without type and CRLF */
	RESP_DEPTH = 8,           /* arrays in arrays; CLUSTER SLOTS has 4 */
	RESP_ELEMENTS = 1 << 20,  /* of all arrays of one reply */
	RESP_SLOTS = 16384        /* of a cluster */
};

enum { RESP_NO_PAYLOAD = RESP_ARGS };

struct resp_arg {
	const void *bytes; /* not read of the payload */
	uint64_t n;
};

/*
 * Writes a command of n arguments into out, but for the bytes of the argument
 * with the number payload (RESP_NO_PAYLOAD: all of it).  out[0, *head) goes
 * before the payload and out[*head, *bytes) after it, as in
 *
 *   writev {out, *head}, the caller's memory, {out + *head, *bytes - *head}
 *
 * RESP_COMMAND_BYTES are enough for any command that a store sends.
 * Fails: E_INVAL (no argument or too many, or one too long), E_SPACE.
 */
int aibrix__resp_encode(const struct resp_arg *args, uint32_t n,
			uint32_t payload, uint8_t *out, size_t cap,
			size_t *head, size_t *bytes);

enum resp_kind {
	RESP_NONE = 0,     /* all bytes were taken: more are needed */
	RESP_SIMPLE = 1,   /* text */
	RESP_ERROR = 2,    /* text, error; where the error is a redirect */
	RESP_INTEGER = 3,  /* number */
	RESP_NIL = 4,      /* of a bulk string or of an array */
	RESP_BULK = 5,     /* number of bytes follow: name their place now */
	RESP_BULK_END = 6, /* all of them are in place; number as above */
	RESP_ARRAY = 7     /* number of elements follow */
};

/* The first word of an error, where a store acts on it. */
enum resp_error {
	RESP_ERROR_OTHER = 0, /* also a redirect that names no place */
	RESP_ERROR_ASK = 1,
	RESP_ERROR_BUSY = 2, /* a script runs */
	RESP_ERROR_CLUSTERDOWN = 3,
	RESP_ERROR_CROSSSLOT = 4,
	RESP_ERROR_LOADING = 5,
	RESP_ERROR_MASTERDOWN = 6,
	RESP_ERROR_MAX_CLIENTS = 7,
	RESP_ERROR_MISCONF = 8,
	RESP_ERROR_MOVED = 9,
	RESP_ERROR_NOAUTH = 10,
	RESP_ERROR_NOPERM = 11,
	RESP_ERROR_OOM = 12,
	RESP_ERROR_READONLY = 13,
	RESP_ERROR_TRYAGAIN = 14,
	RESP_ERROR_WRONGPASS = 15
};

/* Pointers are borrowed until the next feed. */
struct resp_event {
	uint32_t kind;
	uint32_t error;
	int64_t number;
	const char *text; /* any bytes but CR and LF, no zero at the end */
	const char *host; /* of a redirect: where to; may be "::1" */
	uint32_t text_bytes;
	uint32_t host_bytes; /* 0: the host that answered */
	uint32_t slot, port; /* of a redirect */
	uint32_t depth;      /* arrays around it */
	uint32_t ends;       /* 1: the reply ends with this event */
};

struct resp {
	uint64_t bulk_max;     /* bytes */
	uint64_t bulk, left;   /* of the payload: all, and still to come */
	const aibrix_iov *iov; /* where to; NULL: nowhere */
	uint64_t iov_done;     /* bytes of iov[0] that are in place */
	uint32_t state;
	uint32_t depth;
	uint32_t elements;         /* that this reply may still announce */
	uint32_t open[RESP_DEPTH]; /* elements to come, outermost first */
	uint32_t line_bytes;
	uint8_t type;
	uint8_t line[RESP_LINE];
};

/* For a new connection.  A longer bulk string than bulk_max fails. */
void aibrix__resp_init(struct resp *r, uint64_t bulk_max);

/*
 * Takes bytes until one event is complete or all are taken; *used of them.
 *
 * Fails: E_PARSE: the bytes are no reply, or exceed a limit, so that nobody
 * knows where the next one begins: close the connection.  *used is the
 * offset of the byte that says so.  From then on every call fails.
 * E_STATE: after RESP_BULK neither into nor drop was called.
 */
int aibrix__resp_feed(struct resp *r, const void *in, size_t n, size_t *used,
		      struct resp_event *event);

/*
 * After RESP_BULK: the payload shall go to the first bytes of iov.  Array and
 * memory are borrowed until RESP_BULK_END, a drop, or the end of r.
 *
 * Fails: E_STATE, E_SPACE (iov is shorter: give another, or drop).
 */
int aibrix__resp_into(struct resp *r, const aibrix_iov *iov, uint32_t n);

/*
 * The rest of the payload shall go nowhere, after RESP_BULK or in the middle
 * of it: it is fed and forgotten, and the connection stays of use.
 *
 * Fails: E_STATE (no payload is due).
 */
int aibrix__resp_drop(struct resp *r);

/* Bytes of the payload that are still to come; 0 outside of one. */
uint64_t aibrix__resp_left(const struct resp *r);

/*
 * The place of these bytes, for readv: up to cap pieces, their number is
 * returned.  0 where the payload has no place or there is none.
 */
uint32_t aibrix__resp_want(const struct resp *r, struct iovec *out,
			   uint32_t cap);

/*
 * n bytes were received straight into what want named.
 *
 * Fails: E_INVAL (more than left, or they had no place).
 */
int aibrix__resp_received(struct resp *r, uint64_t n);

#endif
