/*
 * Where the bytes of KV blocks lie: in a block, in an engine's memory, in
 * the shards of a tensor- and pipeline-parallel group.  Pure functions: they
 * compute offsets and lengths ("runs") and move nothing, except gather and
 * scatter, which are the reference for every other way to move runs.
 *
 *   vector   what one head keeps of one token in one layer: K, V or a latent
 *   part     0: K, 1: V; a latent has part 0 only
 *   block    block_tokens tokens of the layers and heads of one shard
 *   run      bytes that are contiguous on both sides of a copy
 *
 * Layers and heads are named by their ids in the whole model, on both sides
 * of a copy, so that what two shards have in common is what they share.
 */
#ifndef AIBRIX_LAYOUT_H
#define AIBRIX_LAYOUT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Order of a block's dimensions, slowest first.  The first two are AIBrix's,
   with the numbers of AIBRIX_CONN_* (key_text.h). */
enum {
	AIBRIX_LAYOUT_LCND = 0, /* layer, part, token, head */
	AIBRIX_LAYOUT_NCLD = 1, /* token, part, layer, head */
	AIBRIX_LAYOUT_HLCND = 2 /* head, layer, part, token */
};

enum {
	AIBRIX_LAYOUT_LATENT = 1 /* flags: MLA, one part and no heads */
};

enum {
	AIBRIX_LAYOUT_TOKENS_MAX = 65536,     /* of a block */
	AIBRIX_LAYOUT_LAYERS_MAX = 4096,      /* id of the last one, plus 1 */
	AIBRIX_LAYOUT_HEADS_MAX = 4096,       /* likewise */
	AIBRIX_LAYOUT_HEAD_SIZE_MAX = 65536,  /* elements */
	AIBRIX_LAYOUT_AUX_MAX = 65536,        /* bytes: vector's, block's */
	AIBRIX_LAYOUT_RANKS_MAX = 4096        /* tp, pp */
};

/* Largest block: 1 TiB. */
#define AIBRIX_LAYOUT_BYTES_MAX ((uint64_t)1 << 40)

/* A cursor that has reached the end. */
#define AIBRIX_LAYOUT_END UINT64_MAX

typedef struct aibrix_layout_spec {
	uint32_t size;
	uint32_t layout; /* AIBRIX_LAYOUT_LCND and others */
	uint32_t flags;  /* AIBRIX_LAYOUT_LATENT */
	uint32_t block_tokens;
	uint32_t layer_first, layers;
	uint32_t head_first, heads; /* KV heads; of a latent: 0, and 0 or 1 */
	uint32_t head_size;         /* elements of a vector */
	uint32_t element_bits;      /* 4, 8, 16, 32, 64; 0: 16 */
	uint32_t head_aux_bytes;    /* behind a vector's elements: scales */
	/* Behind all vectors, about the block as a whole.  Runs between blocks
	   and engines leave them out; whoever has them moves them. */
	uint32_t block_aux_bytes;
} aibrix_layout_spec;

typedef struct aibrix_layout_size {
	uint32_t size;
	uint32_t parts;         /* 2; of a latent 1 */
	uint64_t vector_bytes;     /* one head, one token, one part */
	uint64_t head_bytes;    /* one head: all layers, parts and tokens */
	uint64_t token_bytes;   /* one token: all layers, parts and heads */
	uint64_t layer_bytes;   /* one layer: all parts, tokens and heads */
	uint64_t payload_bytes; /* all vectors */
	uint64_t block_bytes;   /* and block_aux_bytes */
	/* From one to the next in the block. */
	uint64_t layer_stride, part_stride, token_stride, head_stride;
} aibrix_layout_size;

/*
 * Sizes and strides of a block.
 *
 * Fails: E_INVAL (unknown layout; a count of 0 or above its limit; a row
 * that is no whole number of bytes; a block above AIBRIX_LAYOUT_BYTES_MAX),
 * E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_layout_sizes(const aibrix_layout_spec *spec,
						aibrix_layout_size *out);

enum { AIBRIX_LAYOUT_TEXT = 128 }; /* with its NUL */

/*
 * All of spec as a text, for aibrix_cache_opts.layout and
 * aibrix_hash_opts.layout: equal where blocks are the same bytes, and only
 * there.  Layers and heads are in it, so it names the shard, too:
 *
 *	lcnd tokens=16 parts=2 layers=0+32 heads=0+8 size=128 bits=16 aux=0,0
 *
 * Fails: E_INVAL and E_ABI as aibrix_layout_sizes.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_layout_text(const aibrix_layout_spec *spec,
					       char text[AIBRIX_LAYOUT_TEXT]);

/* What of a block is meant: ranges, none of them empty.
   Frozen: 32 bytes. */
typedef struct aibrix_layout_box {
	uint32_t layer_first, layers; /* ids */
	uint32_t part_first, parts;
	uint32_t token_first, tokens; /* within the block */
	uint32_t head_first, heads;   /* ids */
} aibrix_layout_box;

/* Bytes contiguous on both sides.
   Frozen: 32 bytes. */
typedef struct aibrix_layout_run {
	uint64_t block_offset; /* in the block */
	uint64_t other_offset; /* on the other side: each function says which */
	uint64_t bytes;
	uint32_t block;  /* which block of the call's, from 0 */
	uint32_t region; /* which memory of the other side */
} aibrix_layout_run;

/*
 * The three functions below write runs in ascending order of block and
 * block_offset, as long as can be: two runs that touch on both sides are
 * one.  They write up to cap runs and go on from *at, which is 0 at first;
 * it becomes AIBRIX_LAYOUT_END after the last run.  *n becomes the number of
 * runs written.  Arguments other than runs and cap must stay the same from
 * one call to the next.
 */

/*
 * Runs of a box of one block; other_offset counts through them as if they
 * lay end to end.  box NULL: the whole block with its aux bytes.
 *
 * Fails: E_INVAL (spec; a box that is empty or leaves the block; cap is 0;
 * *at is none of this call's), E_ABI.
 * Cost: O(runs written), where heads lie together; else O(vectors).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_layout_runs(const aibrix_layout_spec *spec,
					       const aibrix_layout_box *box,
					       uint64_t *at,
					       aibrix_layout_run *runs,
					       uint32_t cap, uint32_t *n);

/* Regions of an engine's memory.  None of both: one region for all.  With
   both, layer l (counted from the engine's first) has K in region 2 l and V
   in 2 l + 1. */
enum {
	AIBRIX_LAYOUT_LAYER_REGIONS = 1, /* flags: one for each layer */
	AIBRIX_LAYOUT_PART_REGIONS = 2   /* flags: one for each part */
};

/*
 * Where an engine holds KV.  A token is in a slot: slot / block_tokens is
 * the engine's block, slot % block_tokens the place in it.  Strides are
 * bytes from one to the next, and come from the engine: with few heads two
 * layouts can have the same shape.
 *
 * Offset of a vector in its region =
 *     layer * layer_stride + part * part_stride + block * block_stride +
 *     place * token_stride + head * head_stride,
 * without the terms of layer or part where these have regions of their own;
 * layer and head count from the engine's first.  No two vectors may overlap:
 * in order of strides, each is at least as long as all that lies within.
 */
typedef struct aibrix_layout_engine {
	uint32_t size;
	uint32_t flags; /* AIBRIX_LAYOUT_LAYER_REGIONS, _PART_REGIONS */
	uint32_t blocks, block_tokens;
	uint32_t layer_first, layers; /* ids of the layers held */
	uint32_t head_first, heads;   /* ids; of a latent: 0, and 0 or 1 */
	uint64_t layer_stride, part_stride, block_stride;
	uint64_t token_stride, head_stride;
	uint64_t region_bytes; /* every region has at least these */
} aibrix_layout_engine;

/*
 * Runs between blocks and an engine's memory.  Token i, in slots[i], is the
 * token i % spec->block_tokens of block i / spec->block_tokens; a negative
 * slot is skipped, as is what the last block has beyond tokens.  Covered are
 * the layers and heads that both sides hold, and of them only the box's if
 * box is not NULL; its tokens select within each block.  other_offset is in
 * the engine's region.  Nothing in common: no runs.
 *
 * A token listed twice in slots is a run twice; who scatters such a list
 * finds either there.
 *
 * Fails: E_INVAL (spec, engine, cap or *at; slots missing; a slot beyond the
 * engine's last; a box that is empty or leaves either side; a box's part),
 * E_ABI.
 * Cost: O(tokens + runs written) where tokens lie together on both sides,
 * else O(vectors).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_copy_runs(const aibrix_layout_spec *spec,
			const aibrix_layout_engine *engine,
			const aibrix_layout_box *box, const int64_t *slots,
			uint32_t tokens, uint64_t *at, aibrix_layout_run *runs,
			uint32_t cap, uint32_t *n);

/* Why a block cannot be made of another; *why of aibrix_layout_map_runs. */
enum {
	AIBRIX_LAYOUT_WHY_NONE = 0,
	AIBRIX_LAYOUT_WHY_TOKENS = 1, /* another block_tokens: other keys */
	AIBRIX_LAYOUT_WHY_VECTOR = 2,    /* another model or dtype */
	AIBRIX_LAYOUT_WHY_AUX = 3     /* aux bytes of a block have no parts */
};

/*
 * Runs from a block of one shard into the block of another: to's layers and
 * heads that from holds too; other_offset is in from's block.  Layouts may
 * differ.  aux bytes of a block go along where both hold the same layers and
 * heads.  Nothing in common: no runs.  why may be NULL.
 *
 * Fails: E_UNSUPPORTED (*why says why, the one output then), E_INVAL (either
 * spec, cap or *at), E_ABI.
 * Cost: as aibrix_layout_runs.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_map_runs(const aibrix_layout_spec *to,
		       const aibrix_layout_spec *from, uint32_t *why,
		       uint64_t *at, aibrix_layout_run *runs, uint32_t cap,
		       uint32_t *n);

/* The two sides of runs: each block has block_bytes, each region
   region_bytes.  Borrowed for the call. */
typedef struct aibrix_layout_memory {
	uint32_t size;
	uint32_t flags;         /* must be 0 */
	uint32_t blocks;        /* elements of block */
	uint32_t regions;       /* elements of region */
	uint64_t block_bytes;   /* of each */
	uint64_t region_bytes;  /* of each */
	void *const *block;
	void *const *region;
} aibrix_layout_memory;

/*
 * Copy runs from regions into blocks.  Blocks and regions must not overlap.
 *
 * Fails: E_INVAL (a run leaves its block or region; a pointer that it needs
 * is missing), before anything is copied; E_ABI.
 * Cost: one memcpy for each run.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_gather(const aibrix_layout_memory *memory,
		     const aibrix_layout_run *runs, uint32_t n);

/*
 * Copy runs from blocks into regions; else as aibrix_layout_gather.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_scatter(const aibrix_layout_memory *memory,
		      const aibrix_layout_run *runs, uint32_t n);

/*
 * Copy an engine's tokens into blocks: aibrix_layout_copy_runs and
 * aibrix_layout_gather in one call.  A block that is NULL is left out, as those
 * of a reservation that need not be filled; what the last block has beyond
 * tokens stays as it is.
 *
 * Fails: E_INVAL (as aibrix_layout_copy_runs; fewer blocks than tokens ask for,
 * fewer regions than the engine has, or smaller ones; a region missing),
 * before anything is copied; E_ABI.
 * Cost: as aibrix_layout_copy_runs once for every 256 runs, and the copies.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_save(const aibrix_layout_spec *spec,
		   const aibrix_layout_engine *engine,
		   const aibrix_layout_box *box, const int64_t *slots,
		   uint32_t tokens, const aibrix_layout_memory *memory);

/* Copy blocks into an engine's memory; else as aibrix_layout_save.  An engine
 * that holds other heads or layers than spec gets those that both hold.
 * Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_load(const aibrix_layout_spec *spec,
		   const aibrix_layout_engine *engine,
		   const aibrix_layout_box *box, const int64_t *slots,
		   uint32_t tokens, const aibrix_layout_memory *memory);

/*
 * Copy what both shards hold from one's block into the other's:
 * aibrix_layout_map_runs, moved.  Both blocks are as long as their specs say,
 * and do not overlap.
 *
 * Fails: as aibrix_layout_map_runs; E_INVAL (a block missing).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_reshard(const aibrix_layout_spec *to,
		      const aibrix_layout_spec *from, uint32_t *why,
		      void *to_block, const void *from_block);

/* A place in a group of tp * pp ranks. */
typedef struct aibrix_layout_ranks {
	uint32_t size;
	uint32_t tp, pp;           /* 0: 1 */
	uint32_t tp_rank, pp_rank; /* below tp, pp */
	uint32_t spare;            /* must be 0 */
	/* Layers of each of pp stages; NULL: the same for all. */
	const uint32_t *pp_layers;
} aibrix_layout_ranks;

/* What one rank holds.
   Frozen: 32 bytes. */
typedef struct aibrix_layout_shard {
	uint32_t tp_rank, pp_rank;
	uint32_t layer_first, layers;
	uint32_t head_first, heads;
	/* The rank of tp that writes these heads for all that hold them:
	   only it should store. */
	uint32_t writer;
	/* head_first in AIBrix's connection ids: it counts on where heads
	   are replicated, so that each replica is stored on its own. */
	uint32_t compat_head_first;
} aibrix_layout_shard;

/*
 * The layers and heads of a rank.  model has those of the whole model, from
 * 0.  With more ranks than heads each head is held by tp / heads ranks in a
 * row; a latent by all.
 *
 * For a connection id (key_text.h) head_last is compat_head_first + heads -
 * 1, layer_last is layer_first + layers - 1.
 *
 * Fails: E_INVAL (model, or one that does not begin at 0; a rank not below
 * its degree; a degree above AIBRIX_LAYOUT_RANKS_MAX; heads and tp of which
 * neither divides the other; pp_layers that do not add up to the layers, or
 * missing where pp does not divide them), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_shard_of(const aibrix_layout_spec *model,
		       const aibrix_layout_ranks *ranks,
		       aibrix_layout_shard *out);

/*
 * The blocks of a shard: model with the shard's layers and heads.  The caller
 * sets out->size.
 *
 * Fails: E_INVAL (model; the shard leaves it), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_narrow(const aibrix_layout_spec *model,
		     const aibrix_layout_shard *shard, aibrix_layout_spec *out);

/*
 * The shards, stored by the writers of a group, that together hold what
 * reader describes: in order of layers, then heads.  reader's ranks do not
 * matter, its layers and heads do.  The ranks in stored are not read.  *n
 * becomes their number, also with E_SPACE; cap 0 asks for it.
 *
 * Fails: E_INVAL (as aibrix_layout_shard_of; reader holds what model lacks),
 * E_SPACE (cap is below *n), E_ABI.
 * Cost: O(tp + pp + *n).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_sources(const aibrix_layout_spec *model,
		      const aibrix_layout_ranks *stored,
		      const aibrix_layout_spec *reader,
		      aibrix_layout_shard *out, uint32_t cap, uint32_t *n);

/*
 * AIBrix's values: "compact" is a block's bytes and nothing else, "extended"
 * has its tokens behind them, so that a reader can check them:
 *
 *   block_bytes  the block
 *   4            0x3A7F1C42
 *   4            tokens before the block (prefix)
 *   4            tokens of the block (query)
 *   4 each       the tokens, prefix first
 *   0 to 15      zeros, up to a multiple of 16
 *
 * Numbers are little-endian.  (Source: AIBrix aibrix_kvcache,
 * memory/allocator.py; there the padding is not cleared.)
 */
enum {
	AIBRIX_LAYOUT_TRAILER_MAGIC = 0x3A7F1C42,
	AIBRIX_LAYOUT_TRAILER_TOKENS_MAX = 1 << 28 /* prefix and query */
};

/*
 * Bytes of an extended value of tokens tokens, prefix and query.
 *
 * Fails: E_INVAL (block_bytes is 0 or above AIBRIX_LAYOUT_BYTES_MAX; too
 * many tokens).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_layout_trailer_bytes(uint64_t block_bytes,
							uint64_t tokens,
							uint64_t *bytes);

/*
 * Write the trailer into value, of cap bytes, behind a block's block_bytes,
 * which stay as they are.  *bytes becomes the length of the whole.
 *
 * Fails: E_INVAL (as aibrix_layout_trailer_bytes; a pointer missing),
 * E_SPACE (cap is below *bytes, which is set).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_trailer_write(void *value, uint64_t cap, uint64_t block_bytes,
			    const uint32_t *prefix, uint32_t prefix_tokens,
			    const uint32_t *query, uint32_t query_tokens,
			    uint64_t *bytes);

/*
 * Read the tokens of a value into tokens, of cap, prefix first.  value may
 * be longer than its tokens ask for.
 *
 * Fails: E_PARSE (too short, another magic, counts that are negative or
 * leave the value), E_SPACE (cap is below the sum of both counts, which are
 * set), E_INVAL (block_bytes, a pointer missing).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_trailer_read(const void *value, uint64_t bytes,
			   uint64_t block_bytes, uint32_t *tokens, uint32_t cap,
			   uint32_t *prefix_tokens, uint32_t *query_tokens);

/*
 * Whether a value has exactly these tokens: AIBRIX_OK when it has.
 *
 * Fails: E_CORRUPT (other tokens, or as many divided otherwise), E_PARSE and
 * E_INVAL as aibrix_layout_trailer_read.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_layout_trailer_match(const void *value, uint64_t bytes,
			    uint64_t block_bytes, const uint32_t *prefix,
			    uint32_t prefix_tokens, const uint32_t *query,
			    uint32_t query_tokens);

#ifdef __cplusplus
}
#endif

#endif
