/*
 * Batches of KV events from bytes to the index.
 *
 * "Decode" ends with tokens and names in arrays, nothing hashed: what a
 * msgpack library has to be compared with, which gets the same job, its
 * memory used again for each batch and its objects copied into the same
 * arrays.  Token ids are uniform below 128256, a vocabulary of today: as
 * many of three bytes as of five, in an order that nobody can predict.
 *
 * "Encode" is the other way, against the library's packer, which a plain
 * writer would use, into a buffer of its own that is used again.
 */

#include <aibrix/event.h>

#include "base/rand.h"

#include "bench.h"

#ifdef HAVE_MSGPACK
#include <msgpack.h>
#endif

enum {
	BLOCK = 16,
	BLOCKS = 256, /* in a batch */
	TOKENS = BLOCK * BLOCKS,
	VOCABULARY = 128256,
	BYTES = 1 << 16
};

struct batch {
	uint8_t bytes[BYTES];
	uint64_t n;
};

struct work {
	aibrix_event_decoder *decoder;
	aibrix_index *index;
	const struct batch *batch, *then;
};

static uint32_t tokens[TOKENS];
static uint64_t names[BLOCKS];
static struct batch stored, stored_maps, stored_single, stored_small;
static struct batch removed, cleared;

/* BLOCKS blocks in events of per_event, which follow each other. */
static uint32_t
events_make(aibrix_event *events, uint32_t per_event)
{
	uint32_t n = BLOCKS / per_event;

	for (uint32_t i = 0; i < n; i++)
		events[i] = (aibrix_event){
			.type = AIBRIX_EVENT_STORED,
			.flags = i ? AIBRIX_INDEX_HAS_PARENT : 0,
			.parent = i ? names[i * per_event - 1] : 0,
			.n = per_event,
			.names = names + i * per_event,
			.tokens = tokens + i * per_event * BLOCK,
			.n_tokens = per_event * BLOCK,
			.block_tokens = BLOCK,
		};
	return n;
}

static void
stored_write(struct batch *b, uint32_t flags, uint32_t per_event)
{
	static aibrix_event events[BLOCKS];
	const aibrix_event_encoding encoding = {.size = sizeof(encoding),
						.flags = flags |
							 AIBRIX_EVENT_HAS_RANK,
						.time_s = 1.5};
	uint32_t n = events_make(events, per_event);

	bench_check(aibrix_event_encode(&encoding, events, n, b->bytes, BYTES,
					&b->n) == AIBRIX_OK,
		    "aibrix_event_encode");
}

/* One block in each event, as vLLM announces evictions. */
static void
removed_write(struct batch *b)
{
	static aibrix_event events[BLOCKS];

	for (uint32_t i = 0; i < BLOCKS; i++)
		events[i] = (aibrix_event){.type = AIBRIX_EVENT_REMOVED,
					   .n = 1,
					   .names = &names[BLOCKS - 1 - i]};
	bench_check(aibrix_event_encode(NULL, events, BLOCKS, b->bytes, BYTES,
					&b->n) == AIBRIX_OK,
		    "aibrix_event_encode");
}

static void
batches_write(void)
{
	const aibrix_event clear = {.type = AIBRIX_EVENT_CLEARED};
	uint64_t state = 1;

	for (uint32_t i = 0; i < BLOCKS; i++)
		names[i] = rand_next(&state) | (uint64_t)1 << 63;
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = rand_below(&state, 32768);
	stored_write(&stored_small, 0, 8);
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = rand_below(&state, VOCABULARY);
	stored_write(&stored, 0, 8);
	stored_write(&stored_maps, AIBRIX_EVENT_MAPS, 8);
	stored_write(&stored_single, 0, 1);
	removed_write(&removed);
	bench_check(aibrix_event_encode(NULL, &clear, 1, cleared.bytes, BYTES,
					&cleared.n) == AIBRIX_OK,
		    "aibrix_event_encode");
}

struct writing {
	aibrix_event events[BLOCKS];
	uint32_t n;
	uint64_t bytes; /* of the batch */
	uint8_t out[BYTES];
};

static void
encode(void *ctx, uint64_t n)
{
	struct writing *w = ctx;
	uint64_t bytes;

	while (n--) {
		bench_check(aibrix_event_encode(NULL, w->events, w->n, w->out,
						BYTES, &bytes) == AIBRIX_OK,
			    "aibrix_event_encode");
		w->bytes = bytes;
	}
}

static aibrix_event_decoder *
decoder_new(const aibrix_hash *hash, uint32_t flags)
{
	const aibrix_event_opts opts = {.size = sizeof(opts),
					.flags = flags,
					.hash = hash,
					.engine_block_tokens = BLOCK};
	aibrix_event_decoder *decoder;

	bench_check(aibrix_event_new(&opts, &decoder) == AIBRIX_OK,
		    "aibrix_event_new");
	return decoder;
}

static void
decode(void *ctx, uint64_t n)
{
	const struct work *w = ctx;

	while (n--) {
		uint32_t blocks = 0;
		aibrix_event e;

		bench_check(aibrix_event_open(w->decoder, w->batch->bytes,
					      w->batch->n, NULL) == AIBRIX_OK,
			    "aibrix_event_open");
		while (aibrix_event_next(w->decoder, &e) == AIBRIX_OK)
			blocks += e.n;
		bench_check(blocks == BLOCKS, "all blocks");
	}
}

static void
batch_apply(const struct work *w, const struct batch *b)
{
	bench_check(aibrix_event_apply(w->decoder, w->index, 0, b->bytes,
				       b->n) == AIBRIX_OK,
		    "aibrix_event_apply");
}

static void
apply(void *ctx, uint64_t n)
{
	const struct work *w = ctx;

	while (n--) {
		batch_apply(w, w->batch);
		batch_apply(w, w->then);
	}
}

#ifdef HAVE_MSGPACK

struct library {
	msgpack_zone zone;
	const struct batch *batch;
	uint32_t tokens[TOKENS];
	uint64_t names[BLOCKS];
};

/* One stored event, by position, to the end of both arrays. */
static void
library_event(struct library *l, const msgpack_object *e, uint32_t *n_names,
	      uint32_t *n_tokens)
{
	const msgpack_object *fields = e->via.array.ptr;
	const msgpack_object_array *hashes, *ids;

	bench_check(e->type == MSGPACK_OBJECT_ARRAY && e->via.array.size >= 5 &&
			    fields[1].type == MSGPACK_OBJECT_ARRAY &&
			    fields[3].type == MSGPACK_OBJECT_ARRAY,
		    "an event");
	hashes = &fields[1].via.array;
	ids = &fields[3].via.array;
	bench_check(hashes->size <= BLOCKS - *n_names &&
			    ids->size <= TOKENS - *n_tokens,
		    "room");
	for (uint32_t i = 0; i < hashes->size; i++) {
		bench_check(hashes->ptr[i].type ==
				    MSGPACK_OBJECT_POSITIVE_INTEGER,
			    "a hash");
		l->names[(*n_names)++] = hashes->ptr[i].via.u64;
	}
	for (uint32_t i = 0; i < ids->size; i++) {
		bench_check(ids->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER,
			    "a token");
		l->tokens[(*n_tokens)++] = (uint32_t)ids->ptr[i].via.u64;
	}
}

static void
library_decode(void *ctx, uint64_t n)
{
	struct library *l = ctx;

	while (n--) {
		uint32_t n_names = 0, n_tokens = 0;
		const msgpack_object *events;
		msgpack_object batch;
		size_t offset = 0;

		msgpack_zone_clear(&l->zone);
		bench_check(msgpack_unpack((const char *)l->batch->bytes,
					   l->batch->n, &offset, &l->zone,
					   &batch) >= 0,
			    "msgpack_unpack");
		events = &batch.via.array.ptr[1];
		for (uint32_t i = 0; i < events->via.array.size; i++)
			library_event(l, &events->via.array.ptr[i], &n_names,
				      &n_tokens);
		bench_check(n_names == BLOCKS && n_tokens == TOKENS, "all");
	}
}

struct packing {
	const struct writing *work;
	msgpack_sbuffer out;
};

static void
library_numbers(msgpack_packer *p, const aibrix_event *e)
{
	msgpack_pack_array(p, e->n);
	for (uint32_t i = 0; i < e->n; i++)
		msgpack_pack_uint64(p, e->names[i]);
	if (e->flags)
		msgpack_pack_uint64(p, e->parent);
	else
		msgpack_pack_nil(p);
	msgpack_pack_array(p, e->n_tokens);
	for (uint64_t i = 0; i < e->n_tokens; i++)
		msgpack_pack_uint32(p, e->tokens[i]);
	msgpack_pack_uint32(p, e->block_tokens);
}

static void
library_text(msgpack_packer *p, const char *text)
{
	msgpack_pack_str(p, strlen(text));
	msgpack_pack_str_body(p, text, strlen(text));
}

static void
library_encode(void *ctx, uint64_t n)
{
	struct packing *l = ctx;
	const struct writing *w = l->work;
	msgpack_packer p;

	while (n--) {
		msgpack_sbuffer_clear(&l->out);
		msgpack_packer_init(&p, &l->out, msgpack_sbuffer_write);
		msgpack_pack_array(&p, 2);
		msgpack_pack_double(&p, 0);
		msgpack_pack_array(&p, w->n);
		for (uint32_t i = 0; i < w->n; i++) {
			msgpack_pack_array(&p, 12);
			library_text(&p, "BlockStored");
			library_numbers(&p, &w->events[i]);
			msgpack_pack_nil(&p);
			library_text(&p, "GPU");
			for (int j = 0; j < 5; j++)
				msgpack_pack_nil(&p);
		}
	}
}

static void
packer_row(const struct bench *b, const struct bench_row *row,
	   const struct bench_peer *ours, struct writing *w)
{
	struct packing l = {.work = w};
	const struct bench_peer peer = {"libmsgpack-c", library_encode, &l,
					ours->ops};

	msgpack_sbuffer_init(&l.out);
	library_encode(&l, 1);
	encode(w, 1);
	bench_check(l.out.size == w->bytes &&
			    !memcmp(l.out.data, w->out, w->bytes),
		    "the same bytes");
	bench_run(b, row, ours, &peer);
	msgpack_sbuffer_destroy(&l.out);
}

static void
library_row(const struct bench *b, const struct bench_row *row,
	    const struct bench_peer *ours)
{
	static struct library l;
	const struct bench_peer peer = {"libmsgpack-c", library_decode, &l,
					ours->ops};

	l.batch = &stored;
	/* Chunks as large as the whole batch needs: one allocation. */
	bench_check(msgpack_zone_init(&l.zone, 1 << 20), "msgpack_zone_init");
	bench_run(b, row, ours, &peer);
	msgpack_zone_destroy(&l.zone);
}

#else

static void
library_row(const struct bench *b, const struct bench_row *row,
	    const struct bench_peer *ours)
{
	(void)ours;
	bench_missing(b, row);
}

static void
packer_row(const struct bench *b, const struct bench_row *row,
	   const struct bench_peer *ours, struct writing *w)
{
	(void)w;
	bench_run(b, row, ours, NULL);
}

#endif

/* Against a number, not a program. */
static void
bound_row(const struct bench *b, const struct bench_row *row, const char *name,
	  double bound, const struct bench_peer *ours)
{
	double values[BENCH_PAIRS_MAX];
	struct bench_result r = {.peer_value = bound};
	uint64_t reps = bench_reps(b, ours), start = bench_now();

	while (r.n < BENCH_PAIRS_MAX && bench_goes_on(b, r.n, start))
		values[r.n++] = bench_value(row, bench_batch(ours, reps));
	qsort(values, r.n, sizeof(*values), bench_order);
	r.value = bench_share(values, r.n, 0.5);
	r.p10 = bench_share(values, r.n, 0.1);
	r.p90 = bench_share(values, r.n, 0.9);
	r.ratio = r.value / bound;
	bench_print(b, row, name, &r);
}

static void
decode_rows(const struct bench *b)
{
	static const struct bench_row plain = {
		"decode_stored_16", "GB/s",
		"arrays, events of 8 blocks of 16 tokens", 1e-9};
	static const struct bench_row ratio = {"decode_vs_msgpack", "GB/s",
					       "the same batch", 1e-9};
	static const struct bench_row maps = {"decode_maps_16", "GB/s",
					      "the same as maps", 1e-9};
	static const struct bench_row small = {"decode_small_16", "GB/s",
					       "token ids below 32768", 1e-9};
	static const struct bench_row single = {
		"decode_single_16", "ns", "events of one block, per event", 1};
	struct work w = {.decoder = decoder_new(NULL, AIBRIX_EVENT_NO_HASHES),
			 .batch = &stored};
	struct bench_peer ours = {"", decode, &w, (double)stored.n};

	bound_row(b, &plain, "bound", 1, &ours);
	library_row(b, &ratio, &ours);
	w.batch = &stored_maps;
	ours.ops = (double)stored_maps.n;
	bench_run(b, &maps, &ours, NULL);
	w.batch = &stored_small;
	ours.ops = (double)stored_small.n;
	bench_run(b, &small, &ours, NULL);
	w.batch = &stored_single;
	ours.ops = BLOCKS;
	bench_run(b, &single, &ours, NULL);
	aibrix_event_free(w.decoder);
}

static void
encode_rows(const struct bench *b)
{
	static const struct bench_row stored_row = {
		"encode_vs_msgpack", "GB/s",
		"arrays, events of 8 blocks of 16 tokens", 1e-9};
	static const struct bench_row single_row = {
		"encode_single_16", "ns", "events of one block, per event", 1};
	static struct writing w;
	struct bench_peer ours = {"", encode, &w, 0};

	w.n = events_make(w.events, 8);
	encode(&w, 1);
	ours.ops = (double)w.bytes;
	packer_row(b, &stored_row, &ours, &w);
	w.n = events_make(w.events, 1);
	ours.ops = BLOCKS;
	packer_row(b, &single_row, &ours, &w);
}

static void
removed_row(const struct bench *b)
{
	static const struct bench_row row = {
		"decode_removed", "ns", "events of one block, per event", 1};
	struct work w = {.decoder = decoder_new(NULL, AIBRIX_EVENT_NO_HASHES),
			 .batch = &removed};
	const struct bench_peer ours = {"", decode, &w, BLOCKS};

	bench_run(b, &row, &ours, NULL);
	aibrix_event_free(w.decoder);
}

static void
index_rows(const struct bench *b)
{
	static const struct bench_row hashed = {
		"decode_hash_16", "ns", "with content hashes, per block", 1};
	static const struct bench_row evicted = {
		"apply_stored_removed_16", "ns",
		"stored by 8, removed by 1, per block", 1};
	static const struct bench_row emptied = {
		"apply_stored_cleared_16", "ns",
		"stored by 8, then cleared, per block", 1};
	const aibrix_hash_opts opts = {.size = sizeof(opts),
				       .block_tokens = BLOCK};
	aibrix_hash *hash;
	struct work w = {.batch = &stored};
	struct bench_peer ours = {"", decode, &w, BLOCKS};

	bench_check(aibrix_hash_new(&opts, &hash) == AIBRIX_OK,
		    "aibrix_hash_new");
	bench_check(aibrix_index_new(NULL, &w.index) == AIBRIX_OK &&
			    aibrix_index_owner_add(w.index, 0) == AIBRIX_OK,
		    "aibrix_index_new");
	w.decoder = decoder_new(hash, 0);
	bench_run(b, &hashed, &ours, NULL);
	ours.fn = apply;
	w.then = &removed;
	bench_run(b, &evicted, &ours, NULL);
	w.then = &cleared;
	bench_run(b, &emptied, &ours, NULL);
	aibrix_event_free(w.decoder);
	aibrix_index_free(w.index);
	aibrix_hash_free(hash);
}

int
main(int argc, char **argv)
{
	struct bench b;
	int stop = bench_start(&b, argc, argv);

	if (stop)
		return stop - 1;
	batches_write();
	decode_rows(&b);
	encode_rows(&b);
	removed_row(&b);
	index_rows(&b);
	return 0;
}
