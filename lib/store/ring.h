/*
 * The ring: which node of a fleet of stores a key lives on.
 *
 * A ring has one way of choosing for its whole life.  Nodes are known by
 * name; what a lookup returns is an id that stays that node's until it is
 * removed and is not soon another's, so that an operation in flight can ask
 * whether its node is still there.
 *
 * Thread: readers.  All memory is taken in aibrix__ring_new, but for the
 * table of aibrix__ring_load.
 */
#ifndef STORE_RING_H
#define STORE_RING_H

#include <stddef.h>
#include <stdint.h>

#include <aibrix/base.h>

enum {
	RING_NODES_MAX = 1024,
	RING_NAME_MAX = 255,
	RING_KEY_MAX = 512,
	RING_SLOTS = 16384,
	RING_TABLE_MAX = 65536,  /* slots of metadata, and their numbers */
	RING_TEXT_MAX = 4 << 20, /* bytes of metadata */
	RING_COMPAT_KEY = 16,    /* bytes of a key in RING_COMPAT */
	RING_NONE = 0            /* no id */
};

enum ring_mode {
	RING_RENDEZVOUS, /* weighted rendezvous over the nodes' names */
	RING_REDIS,      /* the 16384 slots of a Redis Cluster */
	RING_COMPAT      /* AIBrix's metadata and selection */
};

struct ring_node {
	char name[RING_NAME_MAX + 1]; /* unique in the ring, not empty */
	char addr[RING_NAME_MAX + 1];
	uint32_t port;
	double weight; /* 1/1024 to 1024; 0: 1.  RING_RENDEZVOUS only */
};

/* Slots first to last, both included. */
struct ring_range {
	uint32_t first, last, id;
};

/* What a lookup reads of a node; id RING_NONE: the place is free. */
struct ring_row {
	uint64_t seed;
	uint32_t weight; /* in units of 2^-20 */
	uint32_t id;
};

struct ring {
	aibrix_allocator alloc;
	enum ring_mode mode;
	uint32_t max_nodes, n;
	struct ring_row *rows;   /* max_nodes */
	struct ring_node *nodes; /* max_nodes */
	uint16_t *generations;   /* max_nodes; of the place's last id */
	uint16_t *table;         /* places, RING_NOWHERE: nobody's */
	size_t table_n;
};

/* max_nodes is 1 to RING_NODES_MAX.  Fails: E_INVAL, E_NOMEM. */
int aibrix__ring_new(const aibrix_allocator *alloc, enum ring_mode mode,
		     uint32_t max_nodes, struct ring **out);
void aibrix__ring_free(struct ring *ring);

/*
 * Fails: E_INVAL (text without an end, no name, a name that is there, a
 * weight out of range), E_FULL, E_STATE (RING_COMPAT: its nodes come from
 * the metadata alone).
 */
int aibrix__ring_add(struct ring *ring, const struct ring_node *node,
		     uint32_t *id);

/* Its slots are nobody's then.  Fails: E_NOT_FOUND, E_STATE. */
int aibrix__ring_remove(struct ring *ring, uint32_t id);

/* Fails: E_NOT_FOUND, E_INVAL, E_STATE (not RING_RENDEZVOUS). */
int aibrix__ring_weigh(struct ring *ring, uint32_t id, double weight);

/*
 * The node of a key of 1 to RING_KEY_MAX bytes.  Rendezvous is O(max_nodes),
 * the others are O(1).  RING_COMPAT wants the block's 16 bytes, not the text
 * that AIBrix makes of them for the server.
 *
 * Fails: E_UNAVAILABLE (no node, or a slot that is nobody's), E_INVAL,
 * E_UNSUPPORTED (RING_COMPAT: not a key of RING_COMPAT_KEY bytes).
 */
int aibrix__ring_pick(const struct ring *ring, const void *key, size_t n,
		      uint32_t *id);

/* Below max_nodes, and different for all nodes of a ring: for the caller's
 * own arrays. */
uint32_t aibrix__ring_place(uint32_t id);

/* The id of the node at a place, or RING_NONE. */
uint32_t aibrix__ring_at(const struct ring *ring, uint32_t place);

/* Borrowed until the ring's next change; NULL: it is gone. */
const struct ring_node *aibrix__ring_get(const struct ring *ring, uint32_t id);

/* RING_NONE: there is no such node.  O(max_nodes). */
uint32_t aibrix__ring_find(const struct ring *ring, const char *name);
uint32_t aibrix__ring_find_addr(const struct ring *ring, const char *addr,
				uint32_t port);

/* CRC16-XMODEM of the key, or of what its {hash tag} holds, mod 16384. */
uint16_t aibrix__ring_crc16(const void *bytes, size_t n);
uint32_t aibrix__ring_slot(const void *key, size_t n);

/*
 * All slots anew, as CLUSTER SLOTS or CLUSTER SHARDS told them; a slot in no
 * range is nobody's.  Fails, changing nothing: E_INVAL (a range that is
 * empty, out of bounds or overlaps another), E_NOT_FOUND (an id that is no
 * node), E_STATE (not RING_REDIS).
 */
int aibrix__ring_assign(struct ring *ring, const struct ring_range *ranges,
			size_t n);

/* One slot, as a MOVED reply told.  Fails: E_INVAL, E_NOT_FOUND, E_STATE. */
int aibrix__ring_moved(struct ring *ring, uint32_t slot, uint32_t id);

/* FarmHash64 of a key of RING_COMPAT_KEY bytes. */
uint64_t aibrix__ring_farm64(const uint8_t key[RING_COMPAT_KEY]);

/*
 * All nodes and slots anew, from AIBrix's metadata.  A node whose name,
 * address and port are as before keeps its id; any other gets a new one.
 *
 * Fails, changing nothing: E_PARSE (not that metadata; *err_offset, at most
 * n, is where), E_FULL (more text, nodes or slots than the limits allow),
 * E_NOMEM, E_STATE (not RING_COMPAT), E_INVAL.
 */
int aibrix__ring_load(struct ring *ring, const char *text, size_t n,
		      size_t *err_offset);

/* ---- between the ring's files */

enum { RING_NOWHERE = 0xffff };

/* Node into a free place that the caller knows to exist; returns it. */
uint32_t aibrix__ring_seat(struct ring *ring, const struct ring_node *node,
			   uint64_t seed, uint32_t weight);
void aibrix__ring_unseat(struct ring *ring, uint32_t place);
uint64_t aibrix__ring_seed(const char *name);

#endif
