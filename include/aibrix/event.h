/*
 * KV events: what engines announce about their blocks.
 *
 * vLLM and SGLang publish batches of events as msgpack (doc/modules/event.md
 * has the wire form).  A decoder turns one batch into events one at a time,
 * or applies the whole batch to an index.  Both encodings of an event are
 * read, positional arrays and maps with a "type", mixed as they come.
 *
 *   - An event that is malformed, unknown or of no use costs itself, never
 *     the batch, and is counted.
 *   - Bytes are not trusted: limits are checked before memory is taken.
 *   - Transport, sequence numbers and replay are not here.
 */
#ifndef AIBRIX_EVENT_H
#define AIBRIX_EVENT_H

#include <aibrix/base.h>
#include <aibrix/hash.h>
#include <aibrix/index.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_EVENT_FOLD_FIRST = 1, /* flag: fold bytes as AIBrix does */
	AIBRIX_EVENT_NO_HASHES = 2   /* flag: tokens only; hash may be NULL */
};

typedef struct aibrix_event_opts {
	uint32_t size;
	uint32_t flags;                /* AIBRIX_EVENT_* */
	const aibrix_hash *hash;       /* of contents; borrowed until _free */
	uint32_t engine_block_tokens;  /* 0: the hash's; or a multiple of it */
	uint32_t max_events;           /* in a batch; 0: 65536 */
	uint64_t max_bytes;            /* of a batch; 0: 64 MiB, <= 1 GiB */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_event_opts;

/*
 * Reads batches, one at a time; keeps its memory from one to the next.
 *
 * Thread: confined.
 */
typedef struct aibrix_event_decoder aibrix_event_decoder;

/*
 * Create a decoder.  *out is owned: aibrix_event_free.
 *
 * Where engine_block_tokens is m times the block of the hash, each engine
 * block becomes m blocks: the last one has the engine's name, the others
 * names made of it, in stores and removals alike.
 *
 * Fails: E_INVAL (no hash without NO_HASHES, no block size, not a multiple,
 * more than 256 times, max_bytes), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_event_new(const aibrix_event_opts *opts,
					     aibrix_event_decoder **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_event_free(aibrix_event_decoder *decoder);

enum {
	AIBRIX_EVENT_STORED = 1,
	AIBRIX_EVENT_REMOVED = 2,
	AIBRIX_EVENT_CLEARED = 3
};

/*
 * Frozen: 104 bytes.  One event.  What an event of its type does not have is
 * zero.
 */
typedef struct aibrix_event {
	uint32_t type;          /* AIBRIX_EVENT_STORED, ... */
	uint32_t flags;         /* AIBRIX_INDEX_HAS_PARENT */
	uint32_t tier;          /* AIBRIX_TIER_* */
	uint32_t group;         /* below AIBRIX_INDEX_GROUPS */
	uint32_t kind;          /* AIBRIX_GROUP_* */
	uint32_t n;             /* blocks */
	uint64_t parent;        /* name; only with HAS_PARENT */
	const uint64_t *names;  /* n */
	const uint64_t *hashes; /* n content hashes; NULL: no tokens came */
	const uint32_t *tokens; /* as announced */
	uint64_t n_tokens;
	uint32_t block_tokens;  /* as announced */
	uint32_t spare;         /* 0 */
	const char *lora;       /* NULL: base model */
	const char *salt;       /* the event's own field; NULL: none */
	const void *extra;      /* extra keys of the blocks, raw msgpack */
	uint64_t extra_bytes;
} aibrix_event;

/* The head of a batch. */
typedef struct aibrix_event_batch {
	uint32_t size;
	uint32_t n_events; /* announced */
	double time_s;     /* the engine's clock, seconds */
} aibrix_event_batch;

/*
 * Begin to read a batch.  bytes are borrowed until the next open or the last
 * event.  batch may be NULL.
 *
 * Fails: E_PARSE (not a batch, or above a limit; counted), E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_event_open(aibrix_event_decoder *decoder,
					      const void *bytes, uint64_t n,
					      aibrix_event_batch *batch);

/*
 * The next event.  Its pointers are borrowed until the next call with this
 * decoder, and extra from the batch's bytes.
 *
 * Fails: E_NOT_FOUND (the batch has ended), E_STATE (no batch), E_PARSE (an
 * event was malformed) and E_UNSUPPORTED (it is well formed and of no use:
 * unknown type or medium, other block size, too many blocks or items; both:
 * it is counted and skipped, go on with the next call), E_NOMEM (call again, or
 * open another batch).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_event_next(aibrix_event_decoder *decoder,
					      aibrix_event *out);

/*
 * Decode a batch and apply it to the index as events of owner.  Neighbouring
 * removals of one tier and group become one.
 *
 * Fails, the only function here that fails after having acted: E_PARSE (the
 * head is bad: nothing was applied; or the framing broke: what came before
 * is applied), E_INVAL (owner is not registered, NO_HASHES), E_NOMEM and
 * E_FULL (an event was left out for it, the others are applied; the first
 * such status).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_event_apply(aibrix_event_decoder *decoder,
					       aibrix_index *index,
					       uint32_t owner,
					       const void *bytes, uint64_t n);

/*
 * The data-parallel rank in a batch.  It stands behind the events: one pass
 * over the bytes, for hosts that do not know it from the socket.
 *
 * Fails: E_NOT_FOUND (absent or nil), E_PARSE (not a batch, not a number
 * below 2^32).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_event_rank(const void *bytes, uint64_t n,
					      uint32_t *rank);

/* Counters only grow. */
typedef struct aibrix_event_stat {
	uint32_t size;
	uint32_t spare;
	uint64_t batches;          /* opened */
	uint64_t bad_batches;      /* refused by their head */
	uint64_t broken_batches;   /* framing broke within */
	uint64_t lost;             /* events announced behind the break */
	uint64_t bad_ranks;        /* batches with a rank out of range */
	uint64_t stored;           /* events taken, by type */
	uint64_t removed;
	uint64_t cleared;
	uint64_t stored_blocks;    /* in them */
	uint64_t removed_blocks;
	uint64_t without_tokens;   /* stored, by name alone */
	uint64_t malformed;        /* events skipped, by reason */
	uint64_t unknown_types;
	uint64_t unknown_media;
	uint64_t wrong_block_size; /* not the decoder's */
	uint64_t wrong_tokens;     /* not blocks x block size */
	uint64_t bigrams;          /* tokens in pairs */
	uint64_t too_large;        /* AIBRIX_INDEX_EVENT_BLOCKS, 64 items */
	uint64_t unhashable;       /* LoRA or items, which the hash refuses */
	uint64_t no_memory;        /* apply left out for the decoder's memory */
	uint64_t unknown_fields;   /* keys and positions skipped */
	uint64_t refused;          /* by the index */
} aibrix_event_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_event_stats(const aibrix_event_decoder *decoder,
		   aibrix_event_stat *stat);

enum {
	AIBRIX_EVENT_MAPS = 1,    /* flag: maps (vLLM 0.24 on), not arrays */
	AIBRIX_EVENT_HAS_RANK = 2 /* flag: rank is written */
};

typedef struct aibrix_event_encoding {
	uint32_t size;
	uint32_t flags; /* AIBRIX_EVENT_MAPS, AIBRIX_EVENT_HAS_RANK */
	double time_s;
	uint32_t rank;
	uint32_t spare; /* 0 */
} aibrix_event_encoding;

/*
 * Write events as one batch, the bytes that vLLM's msgspec writes: arrays
 * as up to 0.23, maps since.  Engines always write their rank, and AIBrix's
 * gateway wants one or no field, never nil: without HAS_RANK there is none.
 * hashes are not looked at: tokens and extra are what names content on the
 * wire.  Names go out as integers.  *n becomes the number of bytes; those of
 * out behind them may be written, too.  encoding may be NULL: arrays, time 0,
 * no rank.
 *
 * Fails: E_SPACE (cap too small; *n holds the need), E_INVAL (type, tier,
 * group, kind, flags, missing arrays), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_event_encode(const aibrix_event_encoding *encoding,
		    const aibrix_event *events, uint32_t n_events, void *out,
		    uint64_t cap, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
