/*
 * One connection to a Redis or Valkey: commands go out as they were pushed,
 * replies come in the same order.  What a reply means is the owner's affair.
 */
#ifndef STORE_RESP_CONN_H
#define STORE_RESP_CONN_H

#include <aibrix/stream.h>

#include "store/net.h"
#include "store/resp.h"

enum {
	CONN_CALLS = 32, /* under way, of all kinds; a power of two */
	CONN_IN = 16384, /* bytes received that are no payload */
	CONN_PEEK = 64   /* of them, when a large payload comes next */
};

#define CONN_NO_REQUEST UINT32_MAX
#define CONN_LARGE (UINT64_C(32) << 10) /* bytes of a large payload */
#define CONN_DROP (UINT64_C(1) << 20)   /* more is not worth reading */

enum {
	CONN_FREE = 0, /* no socket */
	CONN_CONNECTING = 1,
	CONN_SECURING = 2, /* handshake of the stream */
	CONN_OPEN = 3
};

struct resp_call {
	uint32_t kind;    /* the owner's */
	uint32_t request; /* the owner's; CONN_NO_REQUEST: nobody waits */
	uint32_t skip;    /* nothing of it goes out, no reply comes */
	uint32_t once;    /* its answer must not be lost */
	uint32_t n_iov;
	uint32_t spare;
	const aibrix_iov *iov; /* payload that goes out */
	uint64_t payload;      /* bytes of it */
	uint64_t weight;       /* payload to or fro, at most */
	uint64_t sent;         /* bytes that are the kernel's */
	uint64_t sent_ns;
	uint32_t head, text_bytes; /* the payload goes in at head */
	uint8_t text[RESP_COMMAND_BYTES];
};

struct resp_conn {
	int fd;
	uint32_t state;
	const aibrix_stream *stream;  /* NULL: the socket itself */
	void *secure;                 /* the stream's */
	uint32_t first, sending, end; /* numbers of calls; first is oldest */
	uint32_t in_at, in_end;
	uint32_t drained; /* nothing to read until the set says so */
	uint32_t blocked; /* nothing can be sent until the set says so */
	uint32_t hangup;  /* the other side has ended it: read to the end */
	uint32_t cut;     /* nothing is sent any more */
	uint32_t in_bulk; /* a payload is coming in */
	uint32_t large;   /* calls with a large payload */
	uint64_t weight;  /* of all calls */
	uint64_t heard_ns;
	struct resp codec;
	struct resp_call calls[CONN_CALLS];
	uint8_t in[CONN_IN];
};

struct resp_push {
	const struct resp_arg *args;
	uint32_t n_args;
	uint32_t payload; /* which argument; RESP_NO_PAYLOAD */
	uint32_t kind, request;
	const aibrix_iov *iov; /* of the payload; borrowed until it is sent */
	uint32_t n_iov;
	uint32_t once;
	uint64_t weight;
};

/*
 * Begin to connect; *c was freed by close or is zeros.  host is whom a stream
 * asks the other side to be.  Fails: E_IO, E_NOMEM and what a stream says.
 */
int aibrix__resp_conn_start(struct resp_conn *c, int epoll,
			    const struct net_addr *addr, uint64_t data,
			    uint64_t bulk_max, int *os_error);

/* AIBRIX_OK: open.  E_AGAIN: wait.  Else it cannot be made. */
int aibrix__resp_conn_advance(struct resp_conn *c, const aibrix_stream *stream,
			      const char *host, int *os_error);

/* The set reported EPOLL* events. */
void aibrix__resp_conn_wake(struct resp_conn *c, uint32_t events);

/* Queue a command; *number is its call's.  Fails: E_FULL, E_INVAL, E_SPACE. */
int aibrix__resp_conn_push(struct resp_conn *c, const struct resp_push *push,
			   uint64_t now_ns, uint32_t *number);

struct resp_call *aibrix__resp_conn_call(struct resp_conn *c, uint32_t number);

/* Send what can be sent.  Anything but AIBRIX_OK: close it. */
int aibrix__resp_conn_send(struct resp_conn *c, int *os_error);

/*
 * The next event, of the call c->first.  After RESP_BULK: into or drop.
 *
 * E_AGAIN: none.  E_PARSE (the other side does not speak RESP, or speaks
 * unasked), E_CLOSED, E_IO and others: close it.
 */
int aibrix__resp_conn_next(struct resp_conn *c, struct resp_event *event,
			   uint64_t now_ns, int *os_error);

/* The reply of call c->first has ended. */
void aibrix__resp_conn_pop(struct resp_conn *c);

/* The payload that comes, or is to come, goes nowhere.  E_CLOSED: it is too
 * long to be read for nothing: close the connection.  Not so when behind it
 * an answer comes that must not be lost. */
int aibrix__resp_conn_drop(struct resp_conn *c);

/* The request of a call has ended early: its memory is not touched again.
 * E_CLOSED: close the connection now.  E_STATE: half of it is sent, so what
 * is before it is still answered and nothing else: cut the connection. */
int aibrix__resp_conn_forget(struct resp_conn *c, uint32_t number);

/* Nothing more is sent; calls that are not sent in full never happened. */
void aibrix__resp_conn_cut(struct resp_conn *c);

/* Calls that wait for a reply or to be sent. */
uint32_t aibrix__resp_conn_calls(const struct resp_conn *c);

/* The text of the first command, which may have had a password, is not kept:
 * those after it are shorter.  Done by close, too. */
void aibrix__resp_conn_wipe(struct resp_conn *c);

/* epoll -1: in a child after fork, which says no goodbye. */
void aibrix__resp_conn_close(struct resp_conn *c, int epoll);

#endif
