/* What the cache tells others. */
#include <criterion/criterion.h>

#include <aibrix/event.h>
#include <aibrix/index.h>

#include "cache_tools.h"

enum { EVENTS = 64, TOKENS = 4, LENGTH = 6 };

static aibrix_cache_event events[EVENTS];

static aibrix_cache *
new_telling(uint32_t blocks)
{
	aibrix_cache *cache = new_cache(blocks, NULL);

	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	return cache;
}

static uint32_t
take(aibrix_cache *cache)
{
	uint32_t n = 0;

	cr_assert_eq(aibrix_cache_events(cache, events, EVENTS, &n), AIBRIX_OK);
	return n;
}

static uint64_t
reserve(aibrix_cache *cache, const aibrix_key *keys, const uint64_t *hashes,
	uint64_t n)
{
	uint64_t lease = 0, got = 0;

	cr_assert_eq(
		aibrix_cache_reserve(cache, keys, hashes, n, 1, &lease, &got),
		AIBRIX_OK);
	cr_assert_eq(got, n);
	return lease;
}

static void
commit(aibrix_cache *cache, uint64_t lease)
{
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
}

static void
store(aibrix_cache *cache, uint32_t c, uint64_t n)
{
	commit(cache, reserve(cache, chain(c), NULL, n));
}

static void
expect_event(uint32_t at, uint32_t type, const aibrix_key *key,
	     const aibrix_key *parent)
{
	static const aibrix_key none;

	cr_expect_eq(events[at].type, type, "event %u", at);
	cr_expect_eq(events[at].tier, AIBRIX_CACHE_L1);
	cr_expect_arr_eq(&events[at].key, key ? key : &none, sizeof(none));
	cr_expect_arr_eq(&events[at].parent, parent ? parent : &none,
			 sizeof(none));
	cr_expect_eq(events[at].spare, 0);
}

Test(cache_events, a_prompt_is_told_parents_first)
{
	static const uint64_t hashes[] = {11, 12, 13};
	aibrix_cache *cache = new_telling(8);
	uint64_t lease = reserve(cache, chain(1), hashes, 3);

	cr_expect_eq(take(cache), 0, "not before it can be read");
	commit(cache, lease);
	cr_assert_eq(take(cache), 3);
	expect_event(0, AIBRIX_CACHE_STORED, &chain(1)[0], NULL);
	expect_event(1, AIBRIX_CACHE_STORED, &chain(1)[1], &chain(1)[0]);
	expect_event(2, AIBRIX_CACHE_STORED, &chain(1)[2], &chain(1)[1]);
	for (uint32_t i = 0; i < 3; i++) {
		cr_expect_eq(events[i].hash, hashes[i]);
		cr_expect_eq(events[i].seq, i);
	}
	cr_expect_eq(take(cache), 0);
	aibrix_cache_free(cache);
}

Test(cache_events, what_was_given_up_is_not_told)
{
	aibrix_cache *cache = new_telling(8);
	uint64_t lease = reserve(cache, chain(1), NULL, 3);

	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	cr_expect_eq(take(cache), 0);
	aibrix_cache_free(cache);
}

Test(cache_events, what_was_told_and_is_evicted_is_told_again)
{
	aibrix_cache *cache = new_telling(2);

	store(cache, 1, 2);
	cr_assert_eq(take(cache), 2);
	store(cache, 2, 1);
	cr_assert_eq(take(cache), 2);
	expect_event(0, AIBRIX_CACHE_REMOVED, &chain(1)[1], NULL);
	expect_event(1, AIBRIX_CACHE_STORED, &chain(2)[0], NULL);
	cr_expect_eq(events[1].seq, 3);
	aibrix_cache_free(cache);
}

Test(cache_events, what_came_and_went_in_between_is_not_told)
{
	aibrix_cache *cache = new_telling(2);

	for (uint32_t i = 1; i < 1000; i++)
		store(cache, i % 9 + 1, 2);
	store(cache, 1, 2);
	cr_assert_eq(take(cache), 2);
	expect_event(0, AIBRIX_CACHE_STORED, &chain(1)[0], NULL);
	expect_event(1, AIBRIX_CACHE_STORED, &chain(1)[1], &chain(1)[0]);
	aibrix_cache_free(cache);
}

Test(cache_events, a_child_waits_for_the_parent_that_another_lease_writes)
{
	aibrix_cache *cache = new_telling(8);
	uint64_t parent = reserve(cache, chain(1), NULL, 1);
	uint64_t child = reserve(cache, chain(1), NULL, 3);

	commit(cache, child);
	cr_expect_eq(take(cache), 0);
	commit(cache, parent);
	cr_assert_eq(take(cache), 3);
	expect_event(0, AIBRIX_CACHE_STORED, &chain(1)[0], NULL);
	expect_event(1, AIBRIX_CACHE_STORED, &chain(1)[1], &chain(1)[0]);
	expect_event(2, AIBRIX_CACHE_STORED, &chain(1)[2], &chain(1)[1]);
	aibrix_cache_free(cache);
}

Test(cache_events, events_are_taken_a_few_at_a_time)
{
	aibrix_cache *cache = new_telling(8);
	uint32_t n = 0;

	store(cache, 1, 3);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(aibrix_cache_events(cache, events, 1, &n),
			     AIBRIX_OK);
		cr_assert_eq(n, 1);
		expect_event(0, AIBRIX_CACHE_STORED, &chain(1)[i],
			     i ? &chain(1)[i - 1] : NULL);
		cr_expect_eq(events[0].seq, i);
	}
	cr_expect_eq(take(cache), 0);
	aibrix_cache_free(cache);
}

Test(cache_events, begun_again_all_is_told_behind_a_cleared_event)
{
	aibrix_cache *cache = new_telling(4);

	store(cache, 1, 3);
	cr_assert_eq(take(cache), 3);
	store(cache, 2, 2);
	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	cr_assert_eq(take(cache), 5);
	expect_event(0, AIBRIX_CACHE_CLEARED, NULL, NULL);
	expect_event(1, AIBRIX_CACHE_STORED, &chain(1)[0], NULL);
	cr_expect_eq(events[0].seq, 3);
	cr_expect_eq(take(cache), 0);
	aibrix_cache_free(cache);
}

Test(cache_events, wrong_calls_are_refused)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint32_t n = 7;

	cr_expect_eq(aibrix_cache_events(cache, events, 1, &n), AIBRIX_E_STATE);
	store(cache, 1, 1);
	cr_expect_eq(aibrix_cache_events_begin(cache), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_events_begin(NULL), AIBRIX_E_INVAL);
	aibrix_cache_free(cache);
	cache = new_telling(4);
	cr_expect_eq(aibrix_cache_events(NULL, events, 1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_events(cache, NULL, 1, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_events(cache, events, 0, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_events(cache, events, 1, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(n, 7);
	aibrix_cache_free(cache);
}

/* ---- over the wire */

struct router {
	aibrix_hash *hash;
	aibrix_event_decoder *decoder;
	aibrix_index *index;
	aibrix_index_reader *reader;
	uint32_t tokens[LENGTH * TOKENS];
	aibrix_key keys[LENGTH];
	uint64_t hashes[LENGTH];
};

static void
router_open(struct router *r)
{
	const aibrix_hash_opts hash = {.size = sizeof(hash),
				       .block_tokens = TOKENS};
	aibrix_event_opts event = {.size = sizeof(event)};
	const aibrix_prompt prompt = {.size = sizeof(prompt),
				      .tokens = r->tokens,
				      .n_tokens = LENGTH * TOKENS};
	uint64_t n;

	cr_assert_eq(aibrix_hash_new(&hash, &r->hash), AIBRIX_OK);
	event.hash = r->hash;
	cr_assert_eq(aibrix_event_new(&event, &r->decoder), AIBRIX_OK);
	cr_assert_eq(aibrix_index_new(NULL, &r->index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_reader_new(r->index, &r->reader), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(r->index, 0), AIBRIX_OK);
	for (uint32_t i = 0; i < LENGTH * TOKENS; i++)
		r->tokens[i] = 1000 + i;
	cr_assert_eq(aibrix_hash_blocks(r->hash, &prompt, 0, r->hashes, r->keys,
					LENGTH, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, LENGTH);
}

static void
router_close(struct router *r)
{
	aibrix_index_reader_free(r->reader);
	aibrix_index_free(r->index);
	aibrix_event_free(r->decoder);
	aibrix_hash_free(r->hash);
}

/* As a host does: the cache's names, the host's tokens, one batch. */
static void
router_told(struct router *r, const aibrix_cache_event *from, uint32_t n,
	    int with_tokens)
{
	static const aibrix_key none;
	static aibrix_event batch[EVENTS];
	static uint64_t names[EVENTS];
	static uint8_t bytes[1 << 14];
	uint64_t used;
	uint32_t i, j;

	for (i = 0; i < n; i++) {
		names[i] = aibrix_hash_fold(&from[i].key, sizeof(none), 0);
		batch[i] = (aibrix_event){.type = from[i].type,
					  .tier = AIBRIX_TIER_HOST,
					  .n = 1,
					  .names = &names[i]};
		if (from[i].type != AIBRIX_CACHE_STORED)
			continue;
		if (memcmp(&from[i].parent, &none, sizeof(none)) != 0) {
			batch[i].flags = AIBRIX_INDEX_HAS_PARENT;
			batch[i].parent = aibrix_hash_fold(&from[i].parent,
							   sizeof(none), 0);
		}
		batch[i].block_tokens = TOKENS;
		for (j = 0; with_tokens && j < LENGTH; j++)
			if (!memcmp(&r->keys[j], &from[i].key, sizeof(none))) {
				batch[i].tokens = &r->tokens[j * TOKENS];
				batch[i].n_tokens = TOKENS;
			}
	}
	cr_assert_eq(aibrix_event_encode(NULL, batch, n, bytes, sizeof(bytes),
					 &used),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_event_apply(r->decoder, r->index, 0, bytes, used),
		     AIBRIX_OK);
}

static uint32_t
router_match(struct router *r)
{
	double blocks;

	cr_assert_eq(
		aibrix_index_match(r->reader, r->hashes, LENGTH, 0, &blocks, 1),
		AIBRIX_OK);
	return (uint32_t)blocks;
}

Test(cache_events, a_router_follows_over_the_wire)
{
	aibrix_cache *cache = new_telling(LENGTH);
	struct router r;

	router_open(&r);
	commit(cache, reserve(cache, r.keys, r.hashes, 4));
	router_told(&r, events, take(cache), 1);
	cr_expect_eq(router_match(&r), 4);
	commit(cache, reserve(cache, r.keys, r.hashes, LENGTH));
	router_told(&r, events, take(cache), 1);
	cr_expect_eq(router_match(&r), LENGTH);
	store(cache, 1, 2);
	router_told(&r, events, take(cache), 1);
	cr_expect_eq(router_match(&r), LENGTH - 2);
	cr_expect_eq(aibrix_cache_lookup(cache, r.keys, LENGTH), LENGTH - 2);
	router_close(&r);
	aibrix_cache_free(cache);
}

/* vLLM's offload tiers announce names without tokens: keys that are the
 * engine's hashes are known by these names. */
Test(cache_events, names_that_the_engine_announced_need_no_tokens)
{
	aibrix_cache *cache = new_telling(LENGTH);
	uint64_t names[LENGTH];
	aibrix_index_stored device = {
		.size = sizeof(device), .n = LENGTH, .names = names};
	struct router r;

	router_open(&r);
	device.hashes = r.hashes;
	for (uint32_t i = 0; i < LENGTH; i++)
		names[i] = aibrix_hash_fold(&r.keys[i], sizeof(*r.keys), 0);
	cr_assert_eq(aibrix_index_apply_stored(r.index, 0, &device), AIBRIX_OK);
	commit(cache, reserve(cache, r.keys, r.hashes, 5));
	router_told(&r, events, take(cache), 0);
	cr_assert_eq(aibrix_index_apply_removed(r.index, 0, names, LENGTH,
						AIBRIX_TIER_DEVICE, 0),
		     AIBRIX_OK);
	cr_expect_eq(router_match(&r), 5, "in memory still");
	router_close(&r);
	aibrix_cache_free(cache);
}
