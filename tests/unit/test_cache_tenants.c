/*
 * Tenants that share a cache and its store, with equal prompts: a salt of
 * their own parts their names, and with these their data and their hits.
 */
#include "cache_tools.h"

#include <stdio.h>
#include <time.h>

#include <aibrix/resp.h>

#include "redis_tools.h"

enum { TOKENS = 16, WHOLE = 8, PROMPT = WHOLE * TOKENS + 5 };

enum { ALGORITHMS = 2 };
static const uint32_t algorithms[ALGORITHMS] = {AIBRIX_KEY_SHA256,
						AIBRIX_KEY_XXH3};

/* What one tenant asks for; the tokens are everybody's. */
struct asked {
	uint64_t hashes[WHOLE];
	aibrix_key keys[WHOLE + 1]; /* the last one of the rest */
};

static struct asked
ask(uint32_t algorithm, const char *salt)
{
	aibrix_hash_opts o = {
		.size = sizeof(o), .algorithm = algorithm, .model = "m"};
	uint32_t tokens[PROMPT];
	aibrix_prompt p = {.size = sizeof(p),
			   .tokens = tokens,
			   .n_tokens = PROMPT,
			   .salt = salt};
	struct asked a = {{0}, {{{0}}}};
	aibrix_hash *hash = NULL;
	uint64_t n = 0;

	for (uint32_t i = 0; i < PROMPT; i++)
		tokens[i] = i * 7 + 1;
	cr_assert_eq(aibrix_hash_new(&o, &hash), AIBRIX_OK);
	cr_assert_eq(
		aibrix_hash_blocks(hash, &p, 0, a.hashes, a.keys, WHOLE, &n),
		AIBRIX_OK);
	cr_assert_eq(n, WHOLE);
	cr_assert_eq(aibrix_hash_partial(hash, &p, &a.keys[WHOLE - 1],
					 &a.keys[WHOLE]),
		     AIBRIX_OK);
	aibrix_hash_free(hash);
	return a;
}

static void
write_all(aibrix_cache *cache, const struct asked *a, uint8_t byte)
{
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_reserve(cache, a->keys, NULL, WHOLE + 1, 1,
					  &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, WHOLE + 1);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_not_null(view_of(cache, lease, i).data,
				   "nobody else's block is in its place");
		memset(view_of(cache, lease, i).data, byte, BLOCK);
	}
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
}

/* How many blocks; all of them have byte in them. */
static uint64_t
read_all(aibrix_cache *cache, const struct asked *a, uint8_t byte)
{
	uint64_t lease, n = 0;
	int err = aibrix_cache_acquire(cache, a->keys, WHOLE + 1, 0, 1, &lease,
				       &n);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	for (uint64_t i = 0; i < n; i++)
		cr_expect_eq(*(uint8_t *)view_of(cache, lease, i).data, byte);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	return n;
}

Test(cache_tenants, equal_prompts_under_two_salts_share_no_name)
{
	static const char *const salts[] = {NULL, "a", "b", "ab", "a\tb"};
	enum { SALTS = sizeof(salts) / sizeof(salts[0]) };
	struct asked a[SALTS];

	for (uint32_t k = 0; k < ALGORITHMS; k++) {
		for (uint32_t i = 0; i < SALTS; i++)
			a[i] = ask(algorithms[k], salts[i]);
		for (uint32_t i = 0; i < SALTS; i++)
			for (uint32_t j = 0; j < i; j++) {
				cr_expect_neq(a[i].hashes[0], a[j].hashes[0]);
				for (uint32_t b = 0; b <= WHOLE; b++)
					cr_expect_neq(
						memcmp(&a[i].keys[b],
						       &a[j].keys[b],
						       sizeof(aibrix_key)),
						0);
			}
	}
}

/* A hit would be heard in the time that it saves: there is none to be had, in
 * either tier, nor a question to L2 that tells one tenant from none. */
Test(cache_tenants, one_never_sees_that_another_has_asked_the_same)
{
	for (uint32_t k = 0; k < ALGORITHMS; k++) {
		struct asked a = ask(algorithms[k], "tenant a");
		struct asked b = ask(algorithms[k], "tenant b");
		aibrix_store *store = new_store(64);
		aibrix_cache *cache = new_cache(32, store), *other;
		aibrix_cache_stat s;

		write_all(cache, &a, 1);
		cr_expect_eq(aibrix_cache_lookup(cache, b.keys, WHOLE + 1), 0);
		cr_expect_eq(read_all(cache, &b, 2), 0);
		s = stat_of(cache);
		cr_expect_eq(s.hits_l1 + s.hits_l2, 0);
		write_all(cache, &b, 2);
		cr_expect_eq(read_all(cache, &a, 1), WHOLE + 1);
		cr_expect_eq(read_all(cache, &b, 2), WHOLE + 1);

		other = new_cache(32, store);
		cr_expect_eq(read_all(other, &b, 2), WHOLE + 1, "from L2");
		cr_expect_eq(aibrix_cache_lookup(other, a.keys, WHOLE + 1), 0);
		cr_expect_eq(read_all(other, &a, 1), WHOLE + 1);
		aibrix_cache_free(other);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

/* With the salt goes all that a tenant had, in every tier and engine. */
Test(cache_tenants, a_new_generation_of_a_salt_finds_nothing_of_the_old_one)
{
	struct asked old = ask(AIBRIX_KEY_SHA256, "tenant a:1");
	struct asked other = ask(AIBRIX_KEY_SHA256, "tenant b:1");
	struct asked now = ask(AIBRIX_KEY_SHA256, "tenant a:2");
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = new_cache(32, store);

	write_all(cache, &old, 1);
	write_all(cache, &other, 2);
	cr_expect_eq(read_all(cache, &now, 3), 0);
	write_all(cache, &now, 3);
	cr_expect_eq(read_all(cache, &now, 3), WHOLE + 1);
	cr_expect_eq(read_all(cache, &other, 2), WHOLE + 1, "others keep it");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* A cache for each is a quota: who is at it evicts what is his own. */
Test(cache_tenants, with_caches_of_their_own_one_cannot_evict_the_other)
{
	aibrix_store *store = new_store(512);
	aibrix_cache *a = new_cache(4, store), *b = new_cache(16, store);

	cr_assert_eq(put_blocks(b, 1, 10), 10);
	for (uint32_t c = 2; c < 9; c++) {
		cr_assert_eq(put_blocks(a, c, 4), 4);
		settle_all(a, 1);
	}
	cr_expect_eq(stat_of(a).evicted, 24);
	cr_expect_eq(stat_of(b).evicted, 0);
	cr_expect_eq(aibrix_cache_lookup(b, chain(1), 10), 10);
	settle_all(a, 1);
	settle_all(b, 1);
	aibrix_cache_free(a);
	aibrix_cache_free(b);
	aibrix_store_free(store);
}

/* One model's store in a server that all share. */
struct model {
	aibrix_store *store;
	aibrix_cache *cache;
};

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct model
model_open(const char *url, const char *prefix)
{
	aibrix_resp_opts resp = {.size = sizeof(resp),
				 .prefix = prefix,
				 .flags = AIBRIX_RESP_EPOCHS};
	aibrix_store_opts o = {.size = sizeof(o),
			       .backend = AIBRIX_BACKEND_RESP,
			       .path = url,
			       .value_bytes = VALUE,
			       .timeout_ns = 10000000000,
			       .absent_ns = AIBRIX_FOREVER,
			       .backend_opts = &resp};
	struct model m = {NULL, NULL};

	cr_assert_eq(aibrix_store_open(&o, &m.store), AIBRIX_OK);
	m.cache = new_cache(32, m.store);
	return m;
}

static void
model_close(struct model *m)
{
	aibrix_cache_free(m->cache);
	aibrix_store_free(m->store);
}

/* Until nothing is in flight and the server has said its epoch. */
static void
model_settle(struct model *m)
{
	uint64_t busy = 1, epoch;

	for (int i = 0; i < TURNS; i++) {
		cr_assert_eq(aibrix_cache_poll(m->cache, now(), TURN_NS, &busy),
			     AIBRIX_OK);
		if (!busy && !aibrix_resp_epoch(m->store, &epoch))
			return;
	}
	cr_assert_fail("the server answers");
}

static void
model_write(struct model *m, uint8_t byte)
{
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_reserve(m->cache, chain(1), NULL, 4, now(),
					  &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 4);
	for (uint64_t i = 0; i < n; i++)
		memset(view_of(m->cache, lease, i).data, byte, BLOCK);
	cr_assert_eq(aibrix_cache_commit(m->cache, lease, now()), AIBRIX_OK);
	model_settle(m);
	cr_assert_eq(stat_of(m->cache).l2_waiting, 0);
}

/* What L2 has of it, L1 being empty; all of it is byte. */
static uint64_t
model_read(struct model *m, uint8_t byte)
{
	uint64_t lease, n = 0;
	int err;

	cr_assert_eq(aibrix_cache_clear(m->cache, now()), AIBRIX_OK);
	model_settle(m);
	err = aibrix_cache_acquire(m->cache, chain(1), 4, 0, now(), &lease, &n);
	if (err == AIBRIX_E_AGAIN)
		err = aibrix_cache_wait(m->cache, lease, 0, now(), &n);
	cr_assert_eq(err, AIBRIX_OK);
	for (uint64_t i = 0; i < n; i++)
		cr_expect_eq(*(uint8_t *)view_of(m->cache, lease, i).data,
			     byte);
	cr_assert_eq(aibrix_cache_release(m->cache, lease), AIBRIX_OK);
	return n;
}

/* As doc/modules/cache.md has it: what is being written ends first, or it
 * would go out under the new epoch. */
static void
model_invalidate(struct model *m)
{
	uint64_t busy = 1;

	cr_assert_eq(aibrix_cache_clear(m->cache, now()), AIBRIX_OK);
	while (busy)
		cr_assert_eq(aibrix_cache_poll(m->cache, now(), TURN_NS, &busy),
			     AIBRIX_OK);
	cr_assert_eq(aibrix_resp_invalidate(m->store, now()), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_clear(m->cache, now()), AIBRIX_OK);
}

Test(cache_tenants, an_epoch_makes_one_models_blocks_unfindable)
{
	struct redis_server server;
	struct model a, b;
	char url[64];

	switch (redis_start(&server, NULL)) {
	case 0: break;
	case REDIS_ABSENT: cr_skip_test("%s", server.reason);
	default: cr_assert_fail("%s", server.reason);
	}
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port);
	a = model_open(url, "a:");
	b = model_open(url, "b:");
	model_write(&a, 1);
	model_write(&b, 2);
	cr_assert_eq(model_read(&a, 1), 4);
	model_invalidate(&a);
	cr_expect_eq(aibrix_cache_lookup(a.cache, chain(1), 4), 0);
	cr_expect_eq(model_read(&a, 3), 0);
	cr_expect_eq(model_read(&b, 2), 4, "the other model keeps its own");
	model_write(&a, 3);
	cr_expect_eq(model_read(&a, 3), 4, "what comes later stays");
	model_close(&a);
	model_close(&b);
	redis_stop(&server);
}
