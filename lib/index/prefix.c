/*
 * AIBrix's prefix table.
 *
 *   (model, pod) --> pair number      prefix_pairs.c
 *   hash --> block --> entries, each a pair and the time when it expires
 *                                     claims.c
 *
 * Made for: one add per routed request, one match before it, hundreds of
 * thousands of blocks, up to some hundred pods.
 *
 * A match goes over the pods of each block, not over the pods asked about:
 * most blocks have one.  Which place of the caller's list a pair has is
 * looked up in a small table on the stack, so pods are asked about 256 at a
 * time.
 *
 * Unlike AIBrix (pkg/utils/prefixcacheindexer/hash.go, MatchPrefix) the
 * caller's pods are not modified: percent serves as the only state, holding
 * the depth that each pod has reached until the end.
 * Unlike AIBrix (pkg/utils/lrustore/lru_store.go) age is that of a (block,
 * model, pod), not of the block, since a block that one pod keeps fresh
 * says nothing of another pod; and there is no scan by timer.  Which block
 * goes at the bound is the same: expired ones are the least recently added.
 */

#include <aibrix/prefix.h>

#include <string.h>

#include "base/versioned.h"
#include "index/claims.h"
#include "index/claims_check.h"
#include "index/prefix_pairs.h"

enum { PREFIX_BLOCKS = 200000 }; /* AIBRIX_PREFIX_CACHE_BLOCK_NUMBER */
enum { PREFIX_PODS = 4096, BLOCK_PODS = 256 };
enum { OPTS_V1 = STRUCT_UPTO(aibrix_prefix_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_prefix_stat, forgotten_room) };
/* AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS: 20. */
static const uint64_t prefix_age_ns = (uint64_t)20 * 60 * 1000000000;

struct aibrix_prefix {
	aibrix_allocator a;
	uint64_t max_age_ns;
	uint64_t forgotten, forgotten_room;
	struct claims claims; /* ids are pair numbers */
	struct pairs pairs;
};

/* The bounds that options ask for; 0 when they are out of range. */
static int
bounds_load(const aibrix_prefix_opts *o, struct claims_bounds *max)
{
	uint64_t blocks = o->max_blocks ? o->max_blocks : PREFIX_BLOCKS;
	uint64_t chunks = (blocks + 3) / 4;

	if (o->more_pods)
		chunks = (o->more_pods - 1) / CHUNK_ENTRIES + 1;
	if (blocks >= NONE || chunks >= NONE || o->max_pods > CLAIMS_IDS_MAX)
		return 0;
	*max = (struct claims_bounds){
		.blocks = (uint32_t)blocks,
		.chunks = (uint32_t)chunks,
		.ids = o->max_pods ? o->max_pods : PREFIX_PODS,
		.entries = o->block_pods ? o->block_pods : BLOCK_PODS,
	};
	return 1;
}

int
aibrix_prefix_new(const aibrix_prefix_opts *opts, aibrix_prefix **out)
{
	aibrix_prefix_opts o;
	aibrix_allocator a;
	struct claims_bounds max;
	aibrix_prefix *prefix;
	int err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);

	if (err)
		return err;
	if (o.spare)
		return AIBRIX_E_ABI;
	if (!out || !bounds_load(&o, &max))
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	prefix = aibrix__alloc(&a, 1, sizeof(*prefix));
	if (!prefix)
		return AIBRIX_E_NOMEM;
	prefix->a = a;
	prefix->max_age_ns = o.max_age_ns ? o.max_age_ns : prefix_age_ns;
	err = aibrix__pairs_open(&prefix->pairs, &a, max.ids);
	if (!err)
		err = aibrix__claims_open(&prefix->claims, &a, &max);
	if (err) {
		aibrix_prefix_free(prefix);
		return err;
	}
	*out = prefix;
	return AIBRIX_OK;
}

void
aibrix_prefix_free(aibrix_prefix *prefix)
{
	aibrix_allocator a;

	if (!prefix)
		return;
	a = prefix->a;
	aibrix__claims_close(&prefix->claims, &a);
	aibrix__pairs_close(&prefix->pairs, &a);
	aibrix__free(&a, prefix, 1, sizeof(*prefix));
}

static void
pair_retire(aibrix_prefix *prefix, uint32_t pair)
{
	aibrix__pairs_remove(&prefix->pairs, pair);
	aibrix__claims_retire(&prefix->claims, pair);
}

/* The number of (model, pod), made if need be, as the most recent. */
static uint32_t
pair_use(aibrix_prefix *prefix, uint64_t model, uint64_t pod)
{
	struct pairs *pairs = &prefix->pairs;
	uint32_t pair = aibrix__pairs_find(pairs, model, pod);

	if (pair != NONE) {
		aibrix__pairs_touch(pairs, pair);
		return pair;
	}
	if (pairs->recent.count == pairs->max) {
		pair_retire(prefix, pairs->recent.tail);
		prefix->forgotten_room++;
	}
	return aibrix__pairs_add(pairs, model, pod);
}

int
aibrix_prefix_add(aibrix_prefix *prefix, uint64_t model, uint64_t pod,
		  const uint64_t *hashes, uint64_t n, uint64_t now_ns)
{
	uint64_t until_ns = AIBRIX_FOREVER;

	if (!prefix || (n && !hashes))
		return AIBRIX_E_INVAL;
	if (prefix->max_age_ns < AIBRIX_FOREVER - now_ns)
		until_ns = now_ns + prefix->max_age_ns;
	aibrix__claims_add(&prefix->claims,
			   n ? pair_use(prefix, model, pod) : 0, hashes, n,
			   now_ns, until_ns);
	return AIBRIX_OK;
}

enum { ASKED = 256, ASKED_CELLS = 2 * ASKED };

/* Of some pods that are asked about: which claim is whose. */
struct asked {
	uint32_t claims[ASKED_CELLS]; /* 0: empty */
	uint16_t pods[ASKED_CELLS];
	uint32_t n;
};

/* The cell of claim, or the empty one where it would go.  Pair numbers of
 * ready pods are mostly close together: spread by multiplication. */
static uint32_t
asked_cell(const struct asked *asked, uint32_t claim)
{
	uint32_t at = (claim * 0x9e3779b1u) >> 23;

	while (asked->claims[at] && asked->claims[at] != claim)
		at = (at + 1) % ASKED_CELLS;
	return at;
}

static void
asked_load(struct asked *asked, const aibrix_prefix *prefix, uint64_t model,
	   const uint64_t *pods, uint32_t n)
{
	memset(asked, 0, sizeof(*asked));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t pair =
			aibrix__pairs_find(&prefix->pairs, model, pods[i]);
		uint32_t claim, at;

		if (pair == NONE)
			continue;
		claim = prefix->claims.now[pair];
		at = asked_cell(asked, claim);
		asked->claims[at] = claim;
		asked->pods[at] = (uint16_t)i;
		asked->n++;
	}
}

/* Pods that have reached depth and have this block, too, go deeper. */
static int
pods_step(const struct claims *claims, uint32_t block,
	  const struct asked *asked, uint64_t now_ns, uint32_t depth,
	  uint32_t *depths)
{
	struct claim_cursor c = claim_first(claims, block);
	int any = 0;

	for (; !claim_ended(&c); claim_next(claims, &c)) {
		uint32_t at = asked_cell(asked, *c.claim);
		uint32_t pod = asked->pods[at];

		if (!asked->claims[at] || depths[pod] != depth ||
		    now_ns > *c.until_ns)
			continue;
		depths[pod]++;
		any = 1;
	}
	return any;
}

/* Up to ASKED pods.  Many prompts match nothing, so nothing is loaded ahead
 * until the first block is found. */
static void
pods_match(const aibrix_prefix *prefix, const struct asked *asked,
	   const uint64_t *hashes, uint64_t n, uint64_t now_ns,
	   uint32_t *depths)
{
	const struct claims *claims = &prefix->claims;
	struct claims_ahead ahead = {.hashes = hashes, .n = n > 0};

	for (uint32_t depth = 0; depth < n && depth < NONE; depth++) {
		uint64_t hash = ahead_hash(&ahead, claims, depth);
		uint32_t at = claims_find(claims, hashes[depth], hash);

		if (at == NONE ||
		    !pods_step(claims, at, asked, now_ns, depth, depths))
			break;
		ahead.n = n;
	}
}

void
aibrix_prefix_match(const aibrix_prefix *prefix, uint64_t model,
		    const uint64_t *pods, uint32_t n_pods,
		    const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		    uint32_t *percent)
{
	struct asked asked;

	if (!percent)
		return;
	for (uint32_t i = 0; i < n_pods; i++)
		percent[i] = 0;
	if (!prefix || !pods || !hashes)
		return;
	for (uint64_t i = 0; i < n_pods; i += ASKED) {
		uint32_t some = n_pods - i < ASKED ? (uint32_t)(n_pods - i)
						   : (uint32_t)ASKED;

		asked_load(&asked, prefix, model, pods + i, some);
		if (asked.n)
			pods_match(prefix, &asked, hashes, n, now_ns,
				   percent + i);
	}
	for (uint32_t i = 0; n && i < n_pods; i++)
		percent[i] = (uint32_t)((uint64_t)percent[i] * 100 / n);
}

void
aibrix_prefix_forget(aibrix_prefix *prefix, uint64_t pod)
{
	uint32_t pair;

	if (!prefix)
		return;
	while ((pair = aibrix__pairs_of_pod(&prefix->pairs, pod)) != NONE) {
		pair_retire(prefix, pair);
		prefix->forgotten++;
	}
	aibrix__claims_sweep(&prefix->claims, HAND_CALL, 0);
}

uint64_t
aibrix_prefix_count(const aibrix_prefix *prefix)
{
	return prefix ? prefix->claims.count : 0;
}

int
aibrix_prefix_stats(const aibrix_prefix *prefix, aibrix_prefix_stat *stat)
{
	aibrix_prefix_stat now = {0};

	if (!prefix || !stat)
		return AIBRIX_E_INVAL;
	now.pods = prefix->pairs.recent.count;
	now.blocks = prefix->claims.count;
	now.entries = prefix->claims.entries;
	now.bytes = sizeof(*prefix) + aibrix__claims_bytes(&prefix->claims) +
		    aibrix__pairs_bytes(&prefix->pairs);
	now.added = prefix->claims.added;
	now.evicted = prefix->claims.evicted;
	now.reclaimed = prefix->claims.reclaimed;
	now.replaced = prefix->claims.replaced;
	now.forgotten = prefix->forgotten;
	now.forgotten_room = prefix->forgotten_room;
	return aibrix__struct_store(stat, &now, sizeof(now), STAT_V1);
}

int
aibrix__prefix_check(const aibrix_prefix *prefix)
{
	const struct pairs *pairs = &prefix->pairs;
	uint32_t at = pairs->recent.head, n = pairs->recent.count;

	if (n + pairs->unused.count != pairs->used || pairs->used > pairs->max)
		return AIBRIX_E_CORRUPT;
	for (; n > 0; n--, at = pairs->links[at].next) {
		const struct pair *pair = &pairs->at[at];

		if (aibrix__pairs_find(pairs, pair->model, pair->pod) != at ||
		    aibrix__pairs_of_pod(pairs, pair->pod) == NONE)
			return AIBRIX_E_CORRUPT;
	}
	return aibrix__claims_check(&prefix->claims);
}
