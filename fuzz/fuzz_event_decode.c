/*
 * Input: a batch; its last byte picks the decoder's options.
 * Properties:
 *   - decoding ends, and every event keeps its own promises;
 *   - an event that is encoded decodes to itself, in both encodings;
 *   - what the decoder counts adds up;
 *   - the batch applied to an index leaves a consistent index, and ends as
 *     the pull of it did.
 */

#include <stdlib.h>
#include <string.h>

#include <aibrix/event.h>

#include "index/index_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OWNER = 3, BLOCK = 4, SPLIT = 1, FIRST = 2, ENCODED = 1 << 20 };

static void
must(int ok)
{
	if (!ok)
		abort();
}

static aibrix_event_decoder *
decoder_new(const aibrix_hash *hash, uint8_t options)
{
	const aibrix_event_opts opts = {
		.size = sizeof(opts),
		.flags = options & FIRST ? AIBRIX_EVENT_FOLD_FIRST : 0,
		.hash = hash,
		.engine_block_tokens = options & SPLIT ? 2 * BLOCK : BLOCK,
		.max_events = 1000,
	};
	aibrix_event_decoder *d;

	must(aibrix_event_new(&opts, &d) == AIBRIX_OK);
	return d;
}

static void
event_check(const aibrix_event *e)
{
	must(e->type >= AIBRIX_EVENT_STORED && e->type <= AIBRIX_EVENT_CLEARED);
	must(e->tier < AIBRIX_TIERS && e->group < AIBRIX_INDEX_GROUPS);
	must(e->kind <= AIBRIX_GROUP_OTHER && !e->spare);
	must(e->n <= AIBRIX_INDEX_EVENT_BLOCKS && !e->names == !e->n);
	must(!e->tokens == !e->n_tokens && !e->extra == !e->extra_bytes);
	must(!e->hashes || e->n_tokens == (uint64_t)e->n * BLOCK);
	must(!e->hashes ||
	     (e->type == AIBRIX_EVENT_STORED && e->kind == AIBRIX_GROUP_FULL));
}

static int
text_same(const char *a, const char *b)
{
	return !a || !b ? a == b : strcmp(a, b) == 0;
}

static int
array_same(const void *a, const void *b, size_t bytes)
{
	return !bytes || !a || !b ? !bytes || a == b : memcmp(a, b, bytes) == 0;
}

static void
event_require_same(const aibrix_event *a, const aibrix_event *b)
{
	must(a->type == b->type && a->flags == b->flags && a->tier == b->tier &&
	     a->group == b->group && a->kind == b->kind && a->n == b->n &&
	     a->parent == b->parent && a->n_tokens == b->n_tokens &&
	     a->block_tokens == b->block_tokens &&
	     a->extra_bytes == b->extra_bytes);
	must(array_same(a->names, b->names, a->n * sizeof(*a->names)));
	must(array_same(a->hashes, b->hashes, a->n * sizeof(*a->hashes)));
	must(array_same(a->tokens, b->tokens,
			a->n_tokens * sizeof(*a->tokens)));
	must(array_same(a->extra, b->extra, a->extra_bytes));
	must(text_same(a->lora, b->lora) && text_same(a->salt, b->salt));
}

/* One event through the encoder and a second decoder. */
static void
round_trip(aibrix_event_decoder *d, const aibrix_event *e, uint32_t flags)
{
	const aibrix_event_encoding x = {.size = sizeof(x), .flags = flags};
	uint64_t n, again;
	aibrix_event same;
	uint8_t *bytes;

	must(aibrix_event_encode(&x, e, 1, NULL, 0, &n) == AIBRIX_E_SPACE);
	bytes = malloc(n);
	must(bytes && n <= ENCODED);
	must(aibrix_event_encode(&x, e, 1, bytes, n, &again) == AIBRIX_OK);
	must(again == n);
	must(aibrix_event_open(d, bytes, n, NULL) == AIBRIX_OK);
	must(aibrix_event_next(d, &same) == AIBRIX_OK);
	event_require_same(e, &same);
	must(aibrix_event_next(d, &same) == AIBRIX_E_NOT_FOUND);
	free(bytes);
}

static void
stat_check(const aibrix_event_decoder *d, uint64_t events)
{
	aibrix_event_stat s = {.size = sizeof(s)};

	must(aibrix_event_stats(d, &s) == AIBRIX_OK);
	must(s.batches + s.bad_batches == 1);
	must(s.stored + s.removed + s.cleared + s.malformed + s.unknown_types +
		     s.unknown_media + s.wrong_block_size + s.wrong_tokens +
		     s.bigrams + s.too_large + s.unhashable + s.no_memory +
		     s.lost ==
	     events);
}

/* Names of split blocks are made, so that they do not come back. */
static int
pull(aibrix_event_decoder *d, aibrix_event_decoder *other, const uint8_t *bytes,
     size_t n, uint8_t options)
{
	aibrix_event_batch batch = {.size = sizeof(batch)};
	int err = aibrix_event_open(d, bytes, n, &batch);
	aibrix_event e;

	if (err) {
		must(err == AIBRIX_E_PARSE);
		stat_check(d, 0);
		return err;
	}
	while ((err = aibrix_event_next(d, &e)) != AIBRIX_E_NOT_FOUND) {
		must(!err || err == AIBRIX_E_PARSE ||
		     err == AIBRIX_E_UNSUPPORTED);
		if (err)
			continue;
		event_check(&e);
		if (options & SPLIT)
			continue;
		round_trip(other, &e, AIBRIX_EVENT_MAPS);
		if (!e.salt)
			round_trip(other, &e, 0);
	}
	stat_check(d, batch.n_events);
	return AIBRIX_OK;
}

static void
apply(aibrix_event_decoder *d, const uint8_t *bytes, size_t n, int pulled)
{
	const aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = 4};
	aibrix_event_stat s = {.size = sizeof(s)};
	aibrix_index *index;
	int err;

	must(aibrix_index_new(&opts, &index) == AIBRIX_OK);
	must(aibrix_index_owner_add(index, OWNER) == AIBRIX_OK);
	for (int i = 0; i < 2; i++) {
		err = aibrix_event_apply(d, index, OWNER, bytes, n);
		must(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
		must(!pulled || err == pulled);
		must(aibrix__index_check(index) == AIBRIX_OK);
	}
	must(aibrix_event_stats(d, &s) == AIBRIX_OK);
	must(err == AIBRIX_OK || s.bad_batches == 2 || s.broken_batches == 2);
	must(aibrix_index_owner_remove(index, OWNER) == AIBRIX_OK);
	must(aibrix__index_check(index) == AIBRIX_OK);
	aibrix_index_free(index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const aibrix_hash_opts hash_opts = {.size = sizeof(hash_opts),
					    .block_tokens = BLOCK};
	uint8_t options = len ? data[--len] : 0;
	uint8_t *bytes = malloc(len + !len);
	aibrix_event_decoder *d, *other;
	aibrix_hash *hash;
	uint32_t rank;
	int pulled;

	must(bytes != NULL);
	if (len)
		memcpy(bytes, data, len);
	must(aibrix_hash_new(&hash_opts, &hash) == AIBRIX_OK);
	d = decoder_new(hash, options);
	other = decoder_new(hash, options);
	pulled = pull(d, other, bytes, len, options);
	aibrix_event_free(d);
	d = decoder_new(hash, options);
	apply(d, bytes, len, pulled);
	(void)!aibrix_event_rank(bytes, len, &rank);
	aibrix_event_free(d);
	aibrix_event_free(other);
	aibrix_hash_free(hash);
	free(bytes);
	return 0;
}
