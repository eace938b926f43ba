/*
 * A tensor-parallel group of one size stores a prompt, a group of another
 * size reads it: each rank out of its own paged memory, through its own cache,
 * into one store and back.  What must come out is worked out vector by
 * vector from the whole model, by nothing but loops.
 */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/cache.h>
#include <aibrix/hash.h>
#include <aibrix/layout.h>

enum { LAYERS = 4, HEADS = 4, SIZE = 3, PLACES = 4, TOKENS = 4, PROMPT = 11 };
enum { ENGINE_BLOCKS = 8, BLOCKS = 3, TAIL = 3, VECTOR = SIZE * 2 };
enum { STORE_BYTES = 1 << 20, VALUE_MOST = 4096, SHARDS_MOST = 8 };
enum { NOTHING = 0xee };

/* The KV of the whole model: what a vector's bytes are. */
static uint8_t
model_byte(uint32_t layer, uint32_t part, uint32_t token, uint32_t head,
	   uint32_t i)
{
	return (uint8_t)(layer * 83 + part * 41 + token * 19 + head * 7 + i +
			 1);
}

static aibrix_layout_spec
model_of(uint32_t layout, uint32_t latent)
{
	return (aibrix_layout_spec){.size = sizeof(aibrix_layout_spec),
				    .layout = layout,
				    .flags = latent ? AIBRIX_LAYOUT_LATENT : 0,
				    .block_tokens = TOKENS,
				    .layers = LAYERS,
				    .heads = latent ? 1 : HEADS,
				    .head_size = SIZE};
}

/* A rank: its blocks, and memory of its own with the prompt's tokens in slots
 * without any order. */
struct rank {
	aibrix_layout_spec spec;
	aibrix_layout_engine engine;
	uint8_t *region[LAYERS];
	int64_t slots[PROMPT];
	uint32_t parts;
	aibrix_layout_shard shard;
};

static uint8_t *
vector_at(const struct rank *r, uint32_t layer, uint32_t part, uint32_t token,
	  uint32_t head)
{
	const aibrix_layout_engine *e = &r->engine;
	uint64_t slot = (uint64_t)r->slots[token];

	return r->region[layer] + part * e->part_stride +
	       slot / PLACES * e->block_stride +
	       slot % PLACES * e->token_stride + head * e->head_stride;
}

static void
rank_open(struct rank *r, const aibrix_layout_spec *model,
	  aibrix_layout_ranks ranks, uint32_t seed)
{
	aibrix_layout_engine *e = &r->engine;

	r->spec.size = sizeof(r->spec);
	cr_assert_eq(aibrix_layout_shard_of(model, &ranks, &r->shard),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_layout_narrow(model, &r->shard, &r->spec),
		     AIBRIX_OK);
	r->parts = model->flags & AIBRIX_LAYOUT_LATENT ? 1 : 2;
	*e = (aibrix_layout_engine){.size = sizeof(*e),
				    .flags = AIBRIX_LAYOUT_LAYER_REGIONS,
				    .blocks = ENGINE_BLOCKS,
				    .block_tokens = PLACES,
				    .layer_first = r->spec.layer_first,
				    .layers = r->spec.layers,
				    .head_first = r->spec.head_first,
				    .heads = r->spec.heads,
				    .head_stride = VECTOR};
	e->token_stride = r->spec.heads * VECTOR;
	e->part_stride = PLACES * e->token_stride;
	e->block_stride = r->parts * e->part_stride;
	e->region_bytes = ENGINE_BLOCKS * e->block_stride;
	for (uint32_t l = 0; l < r->spec.layers; l++) {
		r->region[l] = malloc(e->region_bytes);
		memset(r->region[l], NOTHING, e->region_bytes);
	}
	for (uint32_t t = 0; t < PROMPT; t++)
		r->slots[t] = (t * 5 + seed) % (ENGINE_BLOCKS * PLACES);
}

static void
rank_close(struct rank *r)
{
	for (uint32_t l = 0; l < r->spec.layers; l++)
		free(r->region[l]);
}

/* What the model says of vector v of a layer of this rank: parts, then tokens,
 * then heads. */
static uint8_t *
vector_of(const struct rank *r, uint32_t layer, uint32_t v,
	  uint8_t want[VECTOR])
{
	uint32_t head = v % r->spec.heads, rest = v / r->spec.heads;
	uint32_t token = rest % PROMPT, part = rest / PROMPT;

	for (uint32_t i = 0; i < VECTOR; i++)
		want[i] = model_byte(r->spec.layer_first + layer, part, token,
				     r->spec.head_first + head, i);
	return vector_at(r, layer, part, token, head);
}

static uint32_t
layer_vectors(const struct rank *r)
{
	return r->parts * PROMPT * r->spec.heads;
}

/* The rank has computed the prompt. */
static void
rank_compute(const struct rank *r)
{
	uint8_t want[VECTOR];

	for (uint32_t l = 0; l < r->spec.layers; l++)
		for (uint32_t v = 0; v < layer_vectors(r); v++)
			memcpy(vector_of(r, l, v, want), want, VECTOR);
}

/* How much of its memory is not the prompt where that should be, or anything
 * elsewhere.  Afterwards there is nothing. */
static uint64_t
rank_differs(const struct rank *r)
{
	uint8_t want[VECTOR], *at;
	uint64_t wrong = 0;

	for (uint32_t l = 0; l < r->spec.layers; l++) {
		for (uint32_t v = 0; v < layer_vectors(r); v++) {
			at = vector_of(r, l, v, want);
			wrong += memcmp(at, want, VECTOR) != 0;
			memset(at, NOTHING, VECTOR);
		}
		for (uint64_t b = 0; b < r->engine.region_bytes; b++)
			wrong += r->region[l][b] != NOTHING;
	}
	return wrong;
}

/* ---- through the cache */

/* Cache and keys of the blocks that spec describes. */
struct tier {
	aibrix_cache *cache;
	aibrix_key keys[BLOCKS];
	uint64_t block_bytes;
};

static void
tier_open(struct tier *t, const aibrix_layout_spec *spec, aibrix_store *store)
{
	char text[AIBRIX_LAYOUT_TEXT];
	uint32_t tokens[PROMPT];
	aibrix_layout_size size = {.size = sizeof(size)};
	aibrix_hash_opts ho = {
		.size = sizeof(ho), .block_tokens = TOKENS, .layout = text};
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = PROMPT};
	aibrix_cache_opts co = {.size = sizeof(co),
				.block_tokens = TOKENS,
				.layout = text,
				.l2 = store};
	aibrix_hash *hash;
	uint64_t n;

	for (uint32_t i = 0; i < PROMPT; i++)
		tokens[i] = i;
	cr_assert_eq(aibrix_layout_text(spec, text), AIBRIX_OK);
	cr_assert_eq(aibrix_layout_sizes(spec, &size), AIBRIX_OK);
	cr_assert_eq(aibrix_hash_new(&ho, &hash), AIBRIX_OK);
	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, NULL, t->keys, BLOCKS, &n),
		AIBRIX_OK);
	cr_assert_eq(aibrix_hash_partial(hash, &prompt, &t->keys[n - 1],
					 &t->keys[n]),
		     AIBRIX_OK);
	aibrix_hash_free(hash);
	co.block_bytes = t->block_bytes = size.block_bytes;
	co.l1_bytes = 2 * BLOCKS * size.block_bytes;
	cr_assert_eq(aibrix_cache_new(&co, &t->cache), AIBRIX_OK);
}

/* The blocks of a lease and a rank's memory, as copies want them. */
static aibrix_layout_memory
memory_of(const struct tier *t, struct rank *r, uint64_t lease,
	  void *blocks[BLOCKS])
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		aibrix_cache_view v = {.size = sizeof(v)};

		cr_assert_eq(aibrix_cache_block(t->cache, lease, i, &v),
			     AIBRIX_OK);
		blocks[i] = v.data;
	}
	return (aibrix_layout_memory){.size = sizeof(aibrix_layout_memory),
				      .blocks = BLOCKS,
				      .regions = r->spec.layers,
				      .block_bytes = t->block_bytes,
				      .region_bytes = r->engine.region_bytes,
				      .block = blocks,
				      .region = (void *const *)r->region};
}

static void
rank_store(struct rank *r, aibrix_store *store)
{
	aibrix_layout_memory memory;
	void *blocks[BLOCKS];
	struct tier t;
	uint64_t lease, n;

	tier_open(&t, &r->spec, store);
	cr_assert_eq(aibrix_cache_reserve_tail(t.cache, t.keys, NULL, BLOCKS,
					       TAIL, 1, &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, BLOCKS);
	memory = memory_of(&t, r, lease, blocks);
	cr_assert_eq(aibrix_layout_save(&r->spec, &r->engine, NULL, r->slots,
					PROMPT, &memory),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(t.cache, lease, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_hand_over(t.cache, t.keys, BLOCKS, 1, 1, &n),
		     AIBRIX_OK);
	aibrix_cache_free(t.cache);
}

static uint64_t
tier_read(const struct tier *t, uint64_t *lease)
{
	uint64_t n = 0, busy;
	int err = aibrix_cache_acquire_tail(t->cache, t->keys, BLOCKS, TAIL, 0,
					    1, lease, &n);

	for (int i = 0; err == AIBRIX_E_AGAIN && i < 1000; i++) {
		cr_assert_eq(aibrix_cache_poll(t->cache, 1, 0, &busy),
			     AIBRIX_OK);
		err = aibrix_cache_state(t->cache, *lease, &n);
	}
	cr_assert_eq(err, AIBRIX_OK);
	return n;
}

/* From every shard that has something of it, straight into the engine. */
static void
rank_load(struct rank *r, const aibrix_layout_spec *model,
	  const aibrix_layout_ranks *stored, aibrix_store *store)
{
	aibrix_layout_shard from[SHARDS_MOST];
	uint32_t n;

	cr_assert_eq(aibrix_layout_sources(model, stored, &r->spec, from,
					   SHARDS_MOST, &n),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++) {
		aibrix_layout_spec spec = {.size = sizeof(spec)};
		aibrix_layout_memory memory;
		void *blocks[BLOCKS];
		struct tier t;
		uint64_t lease;

		cr_assert_eq(aibrix_layout_narrow(model, &from[i], &spec),
			     AIBRIX_OK);
		tier_open(&t, &spec, store);
		cr_assert_eq(tier_read(&t, &lease), BLOCKS);
		memory = memory_of(&t, r, lease, blocks);
		cr_assert_eq(aibrix_layout_load(&spec, &r->engine, NULL,
						r->slots, PROMPT, &memory),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_cache_release(t.cache, lease), AIBRIX_OK);
		aibrix_cache_free(t.cache);
	}
}

/* From every such shard into blocks of the rank's own size, which are then
 * what the rank's own cache has. */
static void
rank_load_resharded(struct rank *r, const aibrix_layout_spec *model,
		    const aibrix_layout_ranks *stored, aibrix_store *store)
{
	aibrix_layout_shard from[SHARDS_MOST];
	aibrix_layout_memory memory;
	void *blocks[BLOCKS];
	uint64_t mine, lease, got;
	struct tier own;
	uint32_t n;

	cr_assert_eq(aibrix_layout_sources(model, stored, &r->spec, from,
					   SHARDS_MOST, &n),
		     AIBRIX_OK);
	tier_open(&own, &r->spec, NULL);
	cr_assert_eq(aibrix_cache_reserve_tail(own.cache, own.keys, NULL,
					       BLOCKS, TAIL, 1, &mine, &got),
		     AIBRIX_OK);
	memory = memory_of(&own, r, mine, blocks);
	for (uint32_t i = 0; i < n; i++) {
		aibrix_layout_spec spec = {.size = sizeof(spec)};
		struct tier t;

		cr_assert_eq(aibrix_layout_narrow(model, &from[i], &spec),
			     AIBRIX_OK);
		tier_open(&t, &spec, store);
		cr_assert_eq(tier_read(&t, &lease), BLOCKS);
		for (uint64_t b = 0; b < BLOCKS; b++) {
			aibrix_cache_view v = {.size = sizeof(v)};
			uint32_t why;

			cr_assert_eq(aibrix_cache_block(t.cache, lease, b, &v),
				     AIBRIX_OK);
			cr_assert_eq(aibrix_layout_reshard(&r->spec, &spec,
							   &why, blocks[b],
							   v.data),
				     AIBRIX_OK);
		}
		cr_assert_eq(aibrix_cache_release(t.cache, lease), AIBRIX_OK);
		aibrix_cache_free(t.cache);
	}
	cr_assert_eq(aibrix_cache_commit(own.cache, mine, 1), AIBRIX_OK);
	cr_assert_eq(tier_read(&own, &lease), BLOCKS);
	memory = memory_of(&own, r, lease, blocks);
	cr_assert_eq(aibrix_layout_load(&r->spec, &r->engine, NULL, r->slots,
					PROMPT, &memory),
		     AIBRIX_OK);
	aibrix_cache_free(own.cache);
}

static aibrix_store *
store_new(void)
{
	aibrix_store_opts o = {.size = sizeof(o),
			       .capacity_bytes = STORE_BYTES,
			       .value_bytes = VALUE_MOST};
	aibrix_store *store;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	return store;
}

static uint64_t
values_of(const aibrix_store *store)
{
	aibrix_store_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	return s.values;
}

/* Ranks of one group store, all ranks of another one read. */
static void
group_to_group(const aibrix_layout_spec *model, aibrix_layout_ranks writers,
	       aibrix_layout_ranks readers)
{
	aibrix_store *store = store_new();
	struct rank r;

	for (uint32_t i = 0; i < writers.tp * writers.pp; i++) {
		writers.tp_rank = i % writers.tp;
		writers.pp_rank = i / writers.tp;
		rank_open(&r, model, writers, i);
		rank_compute(&r);
		if (r.shard.writer == writers.tp_rank)
			rank_store(&r, store);
		rank_close(&r);
	}
	for (uint32_t i = 0; i < readers.tp * readers.pp; i++) {
		readers.tp_rank = i % readers.tp;
		readers.pp_rank = i / readers.tp;
		rank_open(&r, model, readers, 3 + i);
		rank_load(&r, model, &writers, store);
		cr_assert_eq(rank_differs(&r), 0,
			     "order %u: %u x %u to %u x %u, rank %u",
			     model->layout, writers.tp, writers.pp, readers.tp,
			     readers.pp, i);
		rank_load_resharded(&r, model, &writers, store);
		cr_assert_eq(rank_differs(&r), 0, "through its own cache");
		rank_close(&r);
	}
	aibrix_store_free(store);
}

static void
every_degree_to_every_degree(uint32_t layout, uint32_t latent)
{
	static const uint32_t tp[] = {1, 2, 4, 8}, pp[] = {1, 2};
	aibrix_layout_spec model = model_of(layout, latent);

	for (uint32_t i = 0; i < 64; i++)
		group_to_group(&model,
			       (aibrix_layout_ranks){
				       .size = sizeof(aibrix_layout_ranks),
				       .tp = tp[i % 4],
				       .pp = pp[i / 4 % 2]},
			       (aibrix_layout_ranks){
				       .size = sizeof(aibrix_layout_ranks),
				       .tp = tp[i / 8 % 4],
				       .pp = pp[i / 32]});
}

Test(cache_layout, every_degree_reads_every_degree_layers_first)
{
	every_degree_to_every_degree(AIBRIX_LAYOUT_LCND, 0);
}

Test(cache_layout, every_degree_reads_every_degree_tokens_first)
{
	every_degree_to_every_degree(AIBRIX_LAYOUT_NCLD, 0);
}

Test(cache_layout, every_degree_reads_every_degree_heads_first)
{
	every_degree_to_every_degree(AIBRIX_LAYOUT_HLCND, 0);
}

Test(cache_layout, every_degree_reads_every_degree_of_a_latent)
{
	every_degree_to_every_degree(AIBRIX_LAYOUT_LCND, 1);
}

/* Four heads over eight ranks: each is stored once. */
Test(cache_layout, replicas_are_stored_once)
{
	aibrix_layout_spec model = model_of(AIBRIX_LAYOUT_LCND, 0);
	aibrix_layout_ranks ranks = {.size = sizeof(ranks), .tp = 8};
	aibrix_store *store = store_new();
	struct rank r;

	for (int all = 0; all < 2; all++)
		for (uint32_t i = 0; i < 8; i++) {
			ranks.tp_rank = i;
			rank_open(&r, &model, ranks, i);
			rank_compute(&r);
			if (all || r.shard.writer == i)
				rank_store(&r, store);
			rank_close(&r);
			cr_assert(!all || values_of(store) == 4 * BLOCKS,
				  "what others write has the same names");
		}
	cr_expect_eq(values_of(store), 4u * BLOCKS);
	aibrix_store_free(store);
}

/* One rank's store was lost: its heads are a miss, the others are there. */
Test(cache_layout, a_shard_that_is_missing_is_a_miss_of_its_heads)
{
	aibrix_layout_spec model = model_of(AIBRIX_LAYOUT_LCND, 0);
	aibrix_layout_ranks ranks = {.size = sizeof(ranks), .tp = 2};
	aibrix_layout_shard from[2];
	aibrix_store *store = store_new();
	uint64_t lease, have[2];
	uint32_t n;
	struct rank r;

	rank_open(&r, &model, ranks, 1);
	rank_compute(&r);
	rank_store(&r, store);
	rank_close(&r);
	cr_assert_eq(aibrix_layout_sources(&model, &ranks, &model, from, 2, &n),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < 2; i++) {
		aibrix_layout_spec spec = {.size = sizeof(spec)};
		struct tier t;

		cr_assert_eq(aibrix_layout_narrow(&model, &from[i], &spec),
			     AIBRIX_OK);
		tier_open(&t, &spec, store);
		have[i] = tier_read(&t, &lease);
		aibrix_cache_free(t.cache);
	}
	cr_expect_eq(have[0], BLOCKS);
	cr_expect_eq(have[1], 0);
	aibrix_store_free(store);
}
