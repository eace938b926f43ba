/*
 * Sharing state between gateways: a log of what one did, and what its peers
 * have of it.  The host moves the messages, by whatever it has.
 *
 *   origin   log_add ... log_write(from) -> message ->     peer   read
 *                        log_snapshot                             next ...
 *
 * Every record has a number, from 1 on without holes, so a peer takes each
 * once and knows what it lacks: messages may be lost, late, repeated and
 * reordered.  The log keeps the latest records; who lacks older ones is sent
 * a snapshot, the origin's whole state, and goes on from there.
 *
 * A record is a kind, a key and a value, bytes that the hosts agree on: what
 * a request cost a user, a claim on a prefix, a reservation.
 */
#ifndef AIBRIX_SYNC_H
#define AIBRIX_SYNC_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_SYNC_KEY_MAX = 1024,
	AIBRIX_SYNC_VALUE_MAX = 4096,
	AIBRIX_SYNC_MESSAGE_MAX = 1 << 26 /* bytes */
};

typedef struct aibrix_sync_opts {
	uint32_t size;
	uint32_t records; /* kept at most; 0: 16 384; at most 2^24 */
	uint64_t bytes;   /* kept at most; 0: 1 MiB; at least 16 KiB, at most
	                     1 GiB */
	uint64_t origin;  /* of this gateway, among its peers */
	/* At least 1, and more whenever this gateway starts (the time, say):
	   what was numbered before is another log. */
	uint64_t epoch;
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_sync_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_sync_log aibrix_sync_log;

/*
 * An empty log.  *out is owned: aibrix_sync_log_free.  All memory is taken
 * here.
 *
 * Fails: E_INVAL (epoch 0, a number out of range), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_sync_log_new(const aibrix_sync_opts *opts,
						aibrix_sync_log **out);

/* NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_sync_log_free(aibrix_sync_log *log);

/* Frozen: 40 bytes.  Bytes of any kind; borrowed. */
typedef struct aibrix_sync_record {
	uint32_t kind;
	uint32_t spare; /* must be 0 */
	const void *key;
	uint64_t key_bytes; /* at most AIBRIX_SYNC_KEY_MAX */
	const void *value;
	uint64_t value_bytes; /* at most AIBRIX_SYNC_VALUE_MAX */
} aibrix_sync_record;

/*
 * Add a record, copied; the oldest make room.
 *
 * Fails: E_INVAL (too long, NULL with a length), E_ABI (spare).
 * Cost: amortised O(bytes), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_sync_log_add(aibrix_sync_log *log, const aibrix_sync_record *record);

/* The number that the next record will have.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_sync_log_next(const aibrix_sync_log *log);

/*
 * Write records from number from on, as many as cap has room for; *n becomes
 * the length, *next the number to go on from.  With nothing new, from being
 * the next number, the message tells peers just that: sent now and then, it
 * shows them that they lack the last.
 *
 * Fails: E_NOT_FOUND (from has made room, or is 0: send a snapshot), E_INVAL
 * (from is above the next number), E_SPACE (no room for one record, or for
 * an empty message; *n says how much).
 * Cost: O(bytes written).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_sync_log_write(const aibrix_sync_log *log, uint64_t from, void *out,
		      uint64_t cap, uint64_t *n, uint64_t *next);

/*
 * Write a snapshot: state is all that the records so far have led to, in the
 * host's bytes (what aibrix_limit_save gives, say).
 *
 * Fails: E_INVAL (longer than a message may be), E_SPACE (*n says how much).
 * Cost: O(state_bytes).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_sync_log_snapshot(const aibrix_sync_log *log, const void *state,
			 uint64_t state_bytes, void *out, uint64_t cap,
			 uint64_t *n);

/* Frozen: 32 bytes.  What is known of one origin; the caller's to keep.
 * Begin with the origin's number and zeros. */
typedef struct aibrix_sync_peer {
	uint64_t origin;
	uint64_t epoch;
	uint64_t next; /* number of the first record that is lacking */
	uint64_t spare;
} aibrix_sync_peer;

/* What a message was. */
enum {
	AIBRIX_SYNC_NOTHING = 0, /* nothing new */
	AIBRIX_SYNC_RECORDS = 1, /* apply them all: aibrix_sync_next */
	AIBRIX_SYNC_STATE = 2,   /* a snapshot: take it as it is said */
	AIBRIX_SYNC_GAP = 3      /* something between is lacking: ask the
	                            origin for what is from want on */
};

typedef struct aibrix_sync_news {
	uint32_t size;
	uint32_t what; /* AIBRIX_SYNC_NOTHING and so on */
	uint64_t want; /* first number that is lacking now */
	uint64_t records; /* that are left for aibrix_sync_next */
	const void *at; /* RECORDS: where they are; STATE: the state.  Borrowed
	                   from the message. */
	uint64_t bytes;
	uint32_t restarted; /* 1: the origin has started again */
	uint32_t spare;
} aibrix_sync_news;

/*
 * Read a message of the peer's origin: what it brings is counted as known
 * from now on.  After GAP nothing of it was taken.
 *
 * Fails: E_PARSE (no such message, cut off or damaged), E_NOT_FOUND (of
 * another origin), E_INVAL; then nothing has changed.
 * Cost: O(bytes), no allocation.  Thread: any (one peer, one thread).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_sync_read(aibrix_sync_peer *peer,
					     const void *message,
					     uint64_t bytes,
					     aibrix_sync_news *news);

/* The origin of a message, to find its peer.  Fails: E_PARSE (too short for a
 * message, or none).  Thread: any.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_sync_origin(const void *message,
					       uint64_t bytes,
					       uint64_t *origin);

/*
 * The next record, in order, borrowed from the message.
 *
 * Fails: E_NOT_FOUND (no more), E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_sync_next(aibrix_sync_news *news,
					     aibrix_sync_record *record);

#ifdef __cplusplus
}
#endif

#endif
