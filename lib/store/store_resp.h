/*
 * The parts of the Redis and Valkey backend.
 *
 *   store_resp.c     the table: open, submit, poll, close
 *   resp_config.c    options and URL
 *   resp_request.c   a request from submit to its completion
 *   resp_node.c      a server: who waits for it, and its lines
 *   resp_lookup.c    addresses of servers that have names
 *   resp_line.c      a line: a connection with its greeting
 *   resp_reply.c     what a reply means
 *   resp_member.c    nodes that come and go
 *   resp_cluster.c   where a slot of a Redis Cluster is
 *   resp_meta.c      AIBrix's metadata: who the nodes are
 *   resp_epoch.c     the number that all keys carry
 */
#ifndef STORE_STORE_RESP_H
#define STORE_STORE_RESP_H

#include <aibrix/resp.h>

#include "base/list.h"
#include "store/breaker.h"
#include "store/resp_conn.h"
#include "store/resp_topology.h"
#include "store/resp_url.h"
#include "store/retry.h"
#include "store/ring.h"
#include "store/store_backend.h"

enum {
	RESP_AFFIX = 128, /* of prefix and suffix */
	RESP_NODE_ADDRS = 8,
	RESP_PRIORITIES = 4,
	RESP_EPOCH_DIGITS = 20
};

struct resp_config {
	struct resp_url url; /* with user and password of the options */
	struct breaker_opts breaker;
	aibrix_stream stream; /* size 0: none */
	uint64_t conn_bytes, connect_timeout_ns, ttl_ms;
	uint64_t epoch_ns; /* 0: keys carry none */
	uint64_t meta_ns;  /* 0: nodes do not come from metadata */
	uint32_t connections, pipeline, key_text;
	uint32_t prefix_bytes, suffix_bytes, meta_key_bytes;
	char meta_key[RESP_AFFIX];
	char prefix[RESP_AFFIX], suffix[RESP_AFFIX];
};

enum {
	REQUEST_FREE = 0,
	REQUEST_WAITS = 1,  /* in its node's lists */
	REQUEST_RETRY = 2,  /* in store->retrying, until at_ns */
	REQUEST_CALLED = 3, /* on a line */
	REQUEST_ENDED = 4,  /* in store->ended */
	REQUEST_HELD = 5    /* in store->held, until the epoch is known */
};

/* In one list at most, through the store's links. */
struct resp_request {
	aibrix_io io;
	aibrix_done done;
	uint64_t token; /* of the breaker, while it waits or is called */
	uint64_t at_ns; /* WAITS: since; RETRY: until; CALLED: first byte */
	uint32_t state;
	uint32_t node;         /* place */
	uint32_t line, number; /* CALLED: which, and its call there */
	uint32_t retries;
	/* of a cluster */
	uint32_t slot, redirects;
	uint32_t to;     /* node that a redirect names, for once; RING_NONE */
	uint32_t asking; /* after ASKING */
};

enum {
	CALL_REQUEST = 0,
	CALL_AUTH = 1,
	CALL_SELECT = 2,
	CALL_NAME = 3,
	CALL_ASKING = 4,
	CALL_SLOTS = 5, /* of the cluster; spare: number of the ask */
	CALL_EPOCH = 6,
	CALL_META = 7
};

struct resp_line {
	uint32_t node, number;
	uint32_t generation;  /* of its socket: reports of an old one */
	uint32_t greeting;    /* replies to come before it is of use */
	uint32_t usable;      /* takes requests */
	uint32_t leaving;     /* closed when all is answered */
	uint32_t doomed;      /* to be closed at the end of the round */
	uint32_t suspect;     /* a request on it was late */
	uint64_t deadline_ns; /* to become usable */
	struct resp_conn conn;
};

struct resp_node {
	char name[RING_NAME_MAX + 1]; /* in use unless "" */
	uint32_t id;                  /* of store->members; RING_NONE */
	struct resp_host host;
	struct net_addr addrs[RESP_NODE_ADDRS];
	uint32_t n_addrs, addr;
	uint64_t lookup;          /* number of the one under way; 0: none */
	uint64_t lookup_until_ns; /* it is late then; 0: nobody waits */
	struct breaker breaker;
	struct resp_line **lines; /* config.connections, NULL until needed */
	struct list waiting[RESP_PRIORITIES];
	uint64_t puts_after_ns; /* until then it takes no values */
	int32_t puts_status;    /* because of this */
	uint32_t connect_level;
	uint64_t connect_after_ns; /* of further lines */
	uint32_t down, denied;     /* said in the log */
	uint32_t inflight;
	uint32_t epoch; /* to be asked for it, and there is no line */
	uint64_t calls, failures;
	uint64_t first_byte_ns, bytes_per_s; /* means */
};

enum { EPOCH_WAITS = 1, EPOCH_SENT = 2 };

struct resp_epoch {
	uint64_t number;
	uint64_t since_ns; /* of the question that it answers */
	uint64_t asked_ns;
	uint64_t again_ns; /* count up not before this */
	uint64_t token;    /* of the breaker, while asked */
	uint32_t known, wanted;
	uint32_t asked;    /* EPOCH_*: for a line, for the answer; 0: not */
	uint32_t count_up; /* INCR and not GET */
	uint32_t counting; /* asked, and by INCR */
	uint32_t moves;    /* of the question, in a cluster */
	uint32_t node;
	aibrix_iov iov;
	uint8_t digits[RESP_EPOCH_DIGITS];
};

/* The question for the metadata; resp_meta.c. */
struct resp_meta {
	uint32_t first;  /* place of its first server; members are below */
	uint32_t hosts;  /* how many there are */
	uint32_t host;   /* who is asked, or next */
	uint32_t asking; /* 1: until until_ns */
	uint32_t opened; /* a line, for its sake */
	uint32_t level;  /* questions without a map, in a row */
	uint32_t told;   /* in the log, that the map is refused */
	uint64_t due_ns, until_ns;
	struct resp_line *line; /* where it is; NULL: not sent yet */
	char *text;             /* that comes; NULL: none */
	aibrix_iov iov;         /* of the text */
};

/* What an event of the set is about, when it is about no line. */
#define RESP_EVENT_ENDED UINT64_C(0)
#define RESP_EVENT_LOOKUP UINT64_C(0xffffffff)

struct resp_store {
	const aibrix_backend_conf *conf;
	struct resp_config config;
	struct ring *ring;
	const struct ring *members; /* whom nodes follow; NULL: they stay */
	struct resp_node *nodes;    /* n_nodes, by place */
	uint32_t n_nodes;
	int32_t pid;
	int epoll, event; /* event: readable while completions wait */
	int raised;
	int polling;   /* the call that runs is poll: it may wait */
	uint64_t now;  /* of the call that runs */
	uint64_t wake; /* nothing falls due before it */
	uint64_t rand;
	struct retry retry;
	struct resp_request *requests; /* conf->max_inflight, by tag */
	struct link *links;            /* of the requests */
	uint32_t high;                 /* tags used so far are below */
	uint32_t inflight;
	/* of a cluster; topology NULL: none */
	struct topology *topology;
	struct topology_ask ask;    /* id RING_NONE: none is under way */
	struct resp_line *ask_line; /* where it is; NULL: not sent yet */
	uint64_t ask_until_ns;
	uint32_t ask_opened; /* a line, for its sake */
	uint32_t map_new;    /* nodes are to be compared with members */
	struct resp_meta meta;
	struct resp_lookups *lookups; /* NULL: inside poll */
	struct list retrying, held, ended;
	struct resp_epoch epoch;
};

/* ---- resp_config.c */

int aibrix__resp_config_load(struct resp_config *config,
			     const aibrix_backend_conf *conf);
void aibrix__resp_config_clear(struct resp_config *config);

/* ---- resp_request.c */

/* The key as the server sees it, in out of RESP_ARG_BYTES; E_INVAL: too
 * long. */
int aibrix__resp_key(const struct resp_store *store, const aibrix_io *io,
		     uint8_t *out, size_t *bytes);

/* Accepted: it will end, now or later. */
void aibrix__resp_request_new(struct resp_store *store, const aibrix_io *io);

/* On its way to a node, or ended. */
void aibrix__resp_request_admit(struct resp_store *store, uint32_t id);

/* The attempt came to this; perhaps there is another one. */
void aibrix__resp_request_fail(struct resp_store *store, uint32_t id,
			       int status, int os_error, uint32_t outcome);

/* It came to an answer. */
void aibrix__resp_request_end(struct resp_store *store, uint32_t id, int status,
			      uint64_t bytes, uint32_t flags);

/* The breaker has opened meanwhile. */
void aibrix__resp_request_refuse(struct resp_store *store, uint32_t id);

/* The attempt came to this, and there is no other one. */
void aibrix__resp_request_give_up(struct resp_store *store, uint32_t id,
				  int status, uint32_t outcome);

/* The attempt came to nothing; it is admitted again at at_ns. */
void aibrix__resp_request_later(struct resp_store *store, uint32_t id,
				uint64_t at_ns, uint32_t outcome);

/* It is in no list and holds no token. */
void aibrix__resp_request_finish(struct resp_store *store, uint32_t id,
				 int status);

/* From its node to those that wait for the epoch. */
void aibrix__resp_request_hold(struct resp_store *store, uint32_t id);

/* Its connection was closed for no fault of the node. */
void aibrix__resp_request_again(struct resp_store *store, uint32_t id);

/* Ended from outside, wherever it is: E_TIMEOUT, E_CANCELED. */
void aibrix__resp_request_stop(struct resp_store *store, uint32_t id,
			       int status);

/* Whatever falls due at store->now; sets store->wake. */
void aibrix__resp_tick(struct resp_store *store);

static inline void
resp_wake_by(struct resp_store *store, uint64_t at_ns)
{
	if (at_ns < store->wake)
		store->wake = at_ns;
}

/* ---- resp_node.c */

int aibrix__resp_node_init(struct resp_store *store, struct resp_node *node,
			   const struct resp_host *host, uint64_t entropy);
void aibrix__resp_node_close(struct resp_store *store, struct resp_node *node,
			     int epoll);

/* No connection can be had: it says so, and who waits fails unless there is
 * another line. */
void aibrix__resp_node_unreachable(struct resp_store *store,
				   struct resp_node *node, int status,
				   int os_error);

/* Hand waiting requests to lines and send. */
void aibrix__resp_node_pump(struct resp_store *store, struct resp_node *node);

/* A line with room for so many bytes, or NULL. */
struct resp_line *aibrix__resp_node_line(const struct resp_store *store,
					 const struct resp_node *node,
					 uint64_t weight);

/* All that wait for it fail. */
void aibrix__resp_node_flush(struct resp_store *store, struct resp_node *node,
			     int status, int os_error, uint32_t outcome);

/* All that wait for it are admitted again. */
void aibrix__resp_node_scatter(struct resp_store *store,
			       struct resp_node *node);

/* When a byte came from it last. */
uint64_t aibrix__resp_node_heard(const struct resp_store *store,
				 const struct resp_node *node);
uint32_t aibrix__resp_node_usable(const struct resp_store *store,
				  const struct resp_node *node);

/* ---- resp_line.c */

/* A line of the node that has no socket is given one.  Fails when there is
 * none, or at once; the node's requests have then been told. */
int aibrix__resp_line_open(struct resp_store *store, struct resp_node *node);

/* The set reported events. */
void aibrix__resp_line_event(struct resp_store *store, struct resp_line *line,
			     uint32_t events);
void aibrix__resp_line_send(struct resp_store *store, struct resp_line *line);

/* Close it for a fault of the node. */
void aibrix__resp_line_fail(struct resp_store *store, struct resp_line *line,
			    int status, int os_error);

/* Close it because its host is gone, and leave the node alone at once. */
void aibrix__resp_line_gone(struct resp_store *store, struct resp_line *line);

/* Close it because the rest of it is not wanted. */
void aibrix__resp_line_leave(struct resp_store *store, struct resp_line *line);

/* A request on it has ended early: it is in no list of the store, and what is
 * left of its call is nobody's. */
void aibrix__resp_line_forget(struct resp_store *store, struct resp_line *line,
			      uint32_t number);

/* Put the request on the line, which has room. */
void aibrix__resp_line_call(struct resp_store *store, struct resp_line *line,
			    uint32_t id);

/* x in digits, at the end of digits[0, cap). */
static inline struct resp_arg
resp_decimal(uint8_t *digits, size_t cap, uint64_t x)
{
	size_t at = cap;

	do {
		digits[--at] = (uint8_t)('0' + x % 10);
		x /= 10;
	} while (x != 0);
	return (struct resp_arg){digits + at, cap - at};
}

static inline struct resp_line *
resp_line_of(const struct resp_store *store, const struct resp_request *r)
{
	return store->nodes[r->node].lines[r->line];
}

/* ---- resp_lookup.c */

int aibrix__resp_lookup_open(struct resp_store *store);
void aibrix__resp_lookup_close(struct resp_store *store, int parent);

/* Ask for a node's addresses, before anybody needs them. */
int aibrix__resp_lookup_begin(struct resp_store *store, struct resp_node *node);

/*
 * The addresses of a node that has none left.  AIBRIX_OK: there they are, or
 * there are none (n_addrs).  E_AGAIN: they come.  E_TIMEOUT: not in time.
 */
int aibrix__resp_lookup(struct resp_store *store, struct resp_node *node);

/* Give nodes what has come. */
void aibrix__resp_lookup_run(struct resp_store *store);

/* The set reported RESP_EVENT_LOOKUP. */
void aibrix__resp_lookup_event(struct resp_store *store);

/* ---- resp_member.c */

/* The node of an id of members, set up if need be. */
int aibrix__resp_member(struct resp_store *store, uint32_t id, uint32_t *place);

/* Give up nodes that a new map does not have; before anything is admitted. */
void aibrix__resp_member_sync(struct resp_store *store);

/*
 * A line of a server that is asked for a map.  E_AGAIN: one is on its way, if
 * need be looked up and opened; *opened, 0 at first, keeps that to one try.
 */
int aibrix__resp_member_line(struct resp_store *store, struct resp_node *node,
			     uint32_t *opened, struct resp_line **line);

/* ---- resp_meta.c */

int aibrix__resp_meta_open(struct resp_store *store);
void aibrix__resp_meta_close(struct resp_store *store);

/* The node of the key of a request, as it was submitted. */
int aibrix__resp_meta_place(struct resp_store *store, struct resp_request *r);

/* An event of CALL_META. */
int aibrix__resp_meta_reply(struct resp_store *store, struct resp_line *line,
			    const struct resp_event *event);

/* The line is being closed. */
void aibrix__resp_meta_lost(struct resp_store *store,
			    const struct resp_line *line);

/* Ask for the metadata when it is time. */
void aibrix__resp_meta_run(struct resp_store *store);

/* ---- resp_cluster.c */

int aibrix__resp_cluster_open(struct resp_store *store);
void aibrix__resp_cluster_close(struct resp_store *store);

/* The node of a key, for r.  E_AGAIN: when a map has come. */
int aibrix__resp_cluster_place(struct resp_store *store, const void *key,
			       size_t n, struct resp_request *r);

/* A line became usable (up), or is of no use any more. */
void aibrix__resp_cluster_node(struct resp_store *store,
			       const struct resp_node *node, int up);

/* A request was refused; 1: it was the cluster's affair and is dealt with. */
int aibrix__resp_cluster_error(struct resp_store *store, uint32_t id,
			       const struct resp_event *event,
			       uint32_t outcome);

/* An event of CALL_SLOTS. */
int aibrix__resp_cluster_reply(struct resp_store *store, struct resp_line *line,
			       const struct resp_event *event);

/* The line is being closed. */
void aibrix__resp_cluster_lost(struct resp_store *store,
			       const struct resp_line *line);

/* Ask for maps. */
void aibrix__resp_cluster_run(struct resp_store *store);

/* ---- resp_epoch.c */

/* May requests go out?  If not, or not for long, it will be asked for. */
int aibrix__resp_epoch_known(struct resp_store *store);
void aibrix__resp_epoch_run(struct resp_store *store);
int aibrix__resp_epoch_reply(struct resp_store *store, struct resp_line *line,
			     const struct resp_event *event);
/* The question came to nothing. */
void aibrix__resp_epoch_fail(struct resp_store *store, int status,
			     uint32_t outcome);

/* ---- resp_reply.c */

/*
 * What an event of the line's first call means.  Fails: E_PARSE (not the
 * answer to that call), E_CLOSED (the rest is not worth reading), or what a
 * refused greeting came to: close the line.
 */
int aibrix__resp_reply(struct resp_store *store, struct resp_line *line,
		       const struct resp_event *event);

#endif
