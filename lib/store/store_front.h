/*
 * The front of all stores; store.c says what it is for.
 */
#ifndef STORE_FRONT_H
#define STORE_FRONT_H

#include "base/list.h"
#include "store/store_absent.h"
#include "store/store_backend.h"

/* Where a request is. */
enum {
	REQUEST_NONE = 0,   /* the number is not taken */
	REQUEST_AWAY = 1,   /* at the backend */
	REQUEST_JOINED = 2, /* waits for another one, its leader */
	REQUEST_READY = 3   /* done, to be handed out by poll */
};

struct request {
	aibrix_io io;   /* the caller's, with its final deadline */
	uint64_t print; /* fingerprint of the key */
	uint64_t bytes; /* of its memory, GET and PUT */
	uint32_t state;
	uint32_t listed;    /* AWAY: others can join it */
	uint32_t chain;     /* the next listed one of the bucket, or NONE */
	uint32_t leader;    /* JOINED */
	struct list joined; /* AWAY: those that wait for this one */
	aibrix_done done;   /* READY; tag is the number */
};

/* Readable when poll has work: made when it is first asked for. */
struct front_fds {
	int epoll; /* over the backend's and event; -1: none yet */
	int event; /* readable while the front has completions */
	int raised;
};

struct aibrix_store {
	aibrix_allocator alloc;
	aibrix_log log;
	aibrix_backend ops; /* no submit: not open */
	void *backend;
	aibrix_backend_conf conf;
	aibrix_backend_stat backend_stat;
	aibrix_store_stat stat;
	uint64_t timeout_ns;
	uint64_t limit_bytes; /* of memory in flight */

	/* conf.max_inflight requests, by number, and their links: of the free
	   ones, of the ready ones, and of those that joined one leader. */
	struct request *requests;
	struct link *links;
	struct list unused, ready;
	uint32_t away;      /* REQUEST_AWAY */
	uint32_t sent;      /* by this poll: had joined a request that failed */
	uint32_t low;       /* of priority PUT and later */
	uint64_t bytes;     /* of memory in flight */
	uint64_t low_bytes; /* of priority PUT and later */
	int turn;           /* the backend's, before what is ready */

	uint32_t *buckets;  /* first listed request, by fingerprint, or NONE */
	uint32_t mask;      /* buckets - 1 */
	struct link *waits; /* of joined: all that joined anything */
	struct list joined;
	uint64_t earliest; /* no joined one's deadline is before it */

	struct absent absent;
	struct front_fds *fds; /* fds_own: also for calls that are const */
	struct front_fds fds_own;
};

/* ---- store_flight.c: requests that wait for one under way */

int aibrix__flight_open(aibrix_store *store);
void aibrix__flight_close(aibrix_store *store);

/* For the same key: can request wait for what leader is doing? */
int aibrix__flight_answers(const struct request *leader,
			   const struct request *request);
/* The one under way that this request can wait for, or NONE. */
uint32_t aibrix__flight_find(const aibrix_store *store,
			     const struct request *request);
/* From now on others can join it; until _hide or its end. */
void aibrix__flight_list(aibrix_store *store, uint32_t number);
void aibrix__flight_unlist(aibrix_store *store, uint32_t number);
/* A PUT or DELETE of this key: nobody may be given what was read before it,
 * nor be told that a value is there which was put before a DELETE. */
void aibrix__flight_hide(aibrix_store *store, const struct request *request);

void aibrix__flight_join(aibrix_store *store, uint32_t number, uint32_t leader);
/* Out of its leader's list; its state is for the caller to set. */
void aibrix__flight_leave(aibrix_store *store, uint32_t number);

/* ---- store_submit.c, store_poll.c */

uint32_t aibrix__number_take(aibrix_store *store, const aibrix_io *io);
void aibrix__number_give(aibrix_store *store, uint32_t number);

/* The request is done; poll hands it out. */
void aibrix__request_ready(aibrix_store *store, uint32_t number,
			   const aibrix_done *done);

/* The event of fds follows what is ready: after all that changes it. */
void aibrix__front_signal(const aibrix_store *store);

/* A status of a USER table that aibrix_done or a call may have, else E_IO. */
int aibrix__status_checked(int status);

#endif
