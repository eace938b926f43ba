/*
 * What a client of a Redis Cluster knows of it: which node has which slot,
 * where a refused request goes next, and whom to ask for the slots again.
 * Neither I/O nor clock; the caller sends, and feeds what it receives.
 * (Decisions and limits: doc/modules/store.md, "Cluster".)
 *
 * The nodes are those of a ring in RING_REDIS mode, named "host:port".  Seeds
 * are among them from the beginning and stay.  A node that a new map no
 * longer has is removed: its id names nothing from then on, and the caller
 * ends or sends again what it had there.
 *
 * Thread: confined.  All memory is taken in aibrix__topology_new.
 */
#ifndef STORE_RESP_TOPOLOGY_H
#define STORE_RESP_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "store/resp.h"
#include "store/retry.h"
#include "store/ring.h"

enum {
	TOPOLOGY_REDIRECTS = 5,  /* of one request */
	TOPOLOGY_HOST_MAX = 246, /* with its port a name of the ring */
	TOPOLOGY_TEXT = 256,     /* longest text of the map that is read */
	TOPOLOGY_NODES = 256     /* default */
};

struct topology_opts {
	uint64_t refresh_min_ns; /* 0: 200 ms */
	uint64_t refresh_max_ns; /* 0: 5 s, or the minimum if above */
	uint32_t jitter_pct;     /* 0: 20; at most 100 */
	uint32_t max_nodes;      /* 0: TOPOLOGY_NODES; RING_NODES_MAX */
};

struct topology_addr {
	const char *host; /* as in a URL, but "::1" without brackets */
	uint32_t port;
};

/* "CLUSTER SLOTS" shall be sent to node id. */
struct topology_ask {
	uint32_t id;     /* RING_NONE: none is under way */
	uint32_t number; /* of this ask, for aibrix__topology_event */
};

/* Counts, up to UINT64_MAX. */
struct topology_stat {
	uint64_t refreshed; /* maps read */
	uint64_t refused;   /* replies that were no map */
	uint64_t failed;    /* asks without a map, those included */
	uint64_t moved, asked;
	uint64_t loops; /* requests given up after TOPOLOGY_REDIRECTS */
};

/* A node of the reply that is read. */
struct topology_peer {
	char host[TOPOLOGY_HOST_MAX + 1];
	uint32_t port, hash;
	uint32_t id; /* of the ring, once the map is taken */
};

/* Between the events of a reply; resp_topology_read.c. */
struct topology_reader {
	uint16_t slots[RING_SLOTS];  /* peers, or PEER_* */
	struct topology_peer *peers; /* max_nodes */
	uint32_t n_peers, max_peers;
	const char *asked_host; /* borrowed from the ring */
	int32_t err;
	uint32_t at[RESP_DEPTH + 1]; /* elements begun, by depth */
	uint32_t ranges;
	uint32_t first, last; /* of the range */
	uint32_t host_known, port, ip_next;
	char host[TOPOLOGY_TEXT]; /* of the node */
	char ip[TOPOLOGY_TEXT];   /* of its metadata */
	uint8_t text[TOPOLOGY_TEXT];
	aibrix_iov iov;
};

struct topology {
	aibrix_allocator alloc;
	struct topology_opts opts; /* with the defaults filled in */
	struct topology_stat stat;
	struct ring *ring; /* for reading */
	uint64_t version;  /* moves on with each map; 0: none yet */
	uint64_t rand;
	uint64_t due_ns;   /* of the next ask, if one is wanted */
	uint64_t ended_ns; /* when the last round of asks did */
	struct topology_ask ask;
	uint32_t number; /* of the last ask */
	uint32_t wanted; /* 1: a new map */
	uint32_t level;  /* back-offs in a row */
	uint32_t rounds; /* without a map, since the last one */
	uint32_t owners_down;
	uint8_t *marks; /* max_nodes; by place; resp_topology_map.c */
	struct topology_reader reader;
};

/*
 * Fails: E_INVAL (no seed, a host that is empty or too long, a port outside
 * 1 to 65535, an option out of range), E_FULL (more seeds than nodes),
 * E_NOMEM.
 */
int aibrix__topology_new(const aibrix_allocator *alloc,
			 const struct topology_opts *opts,
			 const struct topology_addr *seeds, uint32_t n,
			 uint64_t entropy, struct topology **out);
void aibrix__topology_free(struct topology *t);

/*
 * The node of a slot.
 *
 * Fails: E_AGAIN (no map has come yet: hold the request until version moves,
 * or its deadline), E_UNAVAILABLE (nobody's: a new map is wanted).
 */
int aibrix__topology_pick(struct topology *t, uint32_t slot, uint32_t *id);

/* ---- what becomes of a refused request */

enum topology_act {
	TOPOLOGY_NONE = 0, /* the error says nothing of the cluster */
	TOPOLOGY_SEND = 1, /* to node id, now */
	TOPOLOGY_ASK = 2,  /* to node id, now, after ASKING, this once */
	TOPOLOGY_WAIT = 3, /* pick a node at at_ns */
	TOPOLOGY_END = 4   /* with status */
};

/* A request; redirects and retries begin at 0 and are counted here. */
struct topology_call {
	uint64_t deadline_ns; /* AIBRIX_FOREVER: none */
	uint64_t need_ns;     /* what an attempt takes at the least, or 0 */
	uint32_t slot;        /* of its key */
	uint32_t from;        /* id of the node that answered */
	uint32_t redirects;
	uint32_t retries;
};

struct topology_next {
	uint32_t act;
	int32_t status; /* TOPOLOGY_END; never AIBRIX_OK */
	uint32_t id;
	uint64_t at_ns;
};

/* e is the reply, a RESP_ERROR. */
void aibrix__topology_error(struct topology *t, struct retry *retry,
			    struct topology_call *call,
			    const struct resp_event *e, uint64_t now_ns,
			    struct topology_next *next);

/* ---- the map */

/* All connections to a node were lost, or one was made.  An id that is gone
 * is nothing. */
void aibrix__topology_down(struct topology *t, uint32_t id);
void aibrix__topology_up(struct topology *t, uint32_t id);

/* Call ask at this instant at the latest; AIBRIX_FOREVER: after another
 * call. */
uint64_t aibrix__topology_wake(const struct topology *t);

/*
 * Whom to ask.  One ask is under way until its reply has ended or
 * aibrix__topology_fail was called, which is for the caller's own deadline.
 *
 * Fails: E_AGAIN (nobody, at this time).
 */
int aibrix__topology_ask(struct topology *t, uint64_t now_ns,
			 struct topology_ask *ask);

/*
 * An event of the reply.  After RESP_BULK this names its place in resp,
 * which must allow bulk strings of TOPOLOGY_TEXT bytes.
 *
 * E_AGAIN: go on.  AIBRIX_OK: the map is in use.  Else the old one stays:
 * E_PARSE (no map), E_FULL (too many nodes), E_UNAVAILABLE (an error, or a
 * map without slots), E_STATE (not the ask under way, dropped).
 */
int aibrix__topology_event(struct topology *t, uint32_t number,
			   struct resp *resp, const struct resp_event *e,
			   uint64_t now_ns);

/* The ask ended without a reply.  Who keeps the connection drops the rest of
 * a payload first. */
void aibrix__topology_fail(struct topology *t, uint32_t number,
			   uint64_t now_ns);

/* ---- between the files */

enum { PEER_NONE = 0xffff, PEER_UNKNOWN = 0xfffe };
enum { TOPOLOGY_SEED = 1 /* mark: of the caller, never removed */ };

/* The node of an address that aibrix__topology_host has passed, new if need
 * be; RING_NONE: there is no room. */
uint32_t aibrix__topology_seat(struct topology *t, const char *host,
			       uint32_t port);
/* A redirect named it, for slot; RING_SLOTS: for one request. */
void aibrix__topology_named(struct topology *t, uint32_t id, uint32_t slot);
/* 1: may be a host. */
int aibrix__topology_host(const char *host, size_t n);
void aibrix__topology_read_begin(struct topology_reader *r, const char *host);
void aibrix__topology_read(struct topology_reader *r, struct resp *resp,
			   const struct resp_event *e);
/* After the last event: the status of the whole. */
int aibrix__topology_read_end(struct topology_reader *r);

#endif
