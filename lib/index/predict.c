/*
 * Predictions, a table of claims (claims.c) whose ids are owners.
 *
 *   content hashes:  h0        h1        h2
 *                     |         |         |
 *   salt -----------> o ------> o ------> o -->     one 64-bit name for each
 *                     |         |         |         prefix
 *                  claims    claims    claims
 *
 * Made for: one match before and one add after each decision, prompts of
 * hundreds of blocks, leases of seconds: a table of what was decided lately,
 * small beside the index.
 *
 * A content hash says what is in a block, not what is before it, and the
 * same block follows many prefixes.  Chaining names the prefix.  Two names
 * that clash would make a wrong guess until a lease ends; at 64 bits they do
 * not by chance, and the table's salt makes it hard to arrange.
 *
 * A lock for readers and writers: a match takes microseconds, during which
 * others may match.
 */

#include <aibrix/predict.h>

#include <pthread.h>

#include "base/versioned.h"
#include "index/claims.h"
#include "index/claims_check.h"

enum { PREDICT_BLOCKS = 262144, PREDICT_OWNERS = 1024, BLOCK_OWNERS = 256 };
enum { OPTS_V1 = STRUCT_UPTO(aibrix_predict_opts, more_owners) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_predict_stat, forgotten) };
/* Dynamo's documents suggest 5 s (--router-predicted-ttl-secs), llm-d has
 * 2 s: the time of a long prefill, after which events have come. */
static const uint64_t predict_lease_ns = (uint64_t)5 * 1000000000;

struct aibrix_predict {
	aibrix_allocator a;
	uint64_t lease_ns;
	pthread_rwlock_t lock; /* guards all below */
	struct claims claims;
	uint64_t confirmed, forgotten;
};

/* The bounds that options ask for; 0 when they are out of range. */
static int
bounds_load(const aibrix_predict_opts *o, struct claims_bounds *max)
{
	uint64_t blocks = o->max_blocks ? o->max_blocks : PREDICT_BLOCKS;
	uint64_t chunks = (blocks + 3) / 4;

	if (o->more_owners)
		chunks = (o->more_owners - 1) / CHUNK_ENTRIES + 1;
	if (blocks >= NONE || chunks >= NONE || o->max_owners > CLAIMS_IDS_MAX)
		return 0;
	*max = (struct claims_bounds){
		.blocks = (uint32_t)blocks,
		.chunks = (uint32_t)chunks,
		.ids = o->max_owners ? o->max_owners : PREDICT_OWNERS,
		.entries = o->block_owners ? o->block_owners : BLOCK_OWNERS,
	};
	return 1;
}

int
aibrix_predict_new(const aibrix_predict_opts *opts, aibrix_predict **out)
{
	aibrix_predict_opts o;
	aibrix_allocator a;
	struct claims_bounds max;
	aibrix_predict *predict;
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
	predict = aibrix__alloc(&a, 1, sizeof(*predict));
	if (!predict)
		return AIBRIX_E_NOMEM;
	predict->a = a;
	predict->lease_ns = o.lease_ns ? o.lease_ns : predict_lease_ns;
	err = aibrix__claims_open(&predict->claims, &a, &max);
	if (err || pthread_rwlock_init(&predict->lock, NULL) != 0) {
		aibrix__claims_close(&predict->claims, &a);
		aibrix__free(&a, predict, 1, sizeof(*predict));
		return AIBRIX_E_NOMEM;
	}
	*out = predict;
	return AIBRIX_OK;
}

void
aibrix_predict_free(aibrix_predict *predict)
{
	aibrix_allocator a;

	if (!predict)
		return;
	a = predict->a;
	pthread_rwlock_destroy(&predict->lock);
	aibrix__claims_close(&predict->claims, &a);
	aibrix__free(&a, predict, 1, sizeof(*predict));
}

enum { NAMES = 128 }; /* of a window */

/*
 * The names of the prefixes of a prompt, a window at a time.
 *
 * One step is a bijection of what came before, for each hash.  A multiply
 * carries a difference in the top bit through unchanged, whatever the salt;
 * so hashes are mixed with it first, which waits for nothing before it.
 */
struct chain {
	const uint64_t *hashes;
	uint64_t n, done; /* named so far */
	uint64_t salt, last;
};

static struct chain
chain_start(const aibrix_predict *predict, const uint64_t *hashes, uint64_t n)
{
	uint64_t salt = predict->claims.cells.salt;

	return (struct chain){hashes, n, 0, salt, salt};
}

static uint64_t
chain_next(struct chain *chain)
{
	uint64_t hash = mix64(chain->hashes[chain->done++] ^ chain->salt);
	uint64_t x = (chain->last ^ hash) * 0x9e3779b97f4a7c15u;

	chain->last = x ^ x >> 32;
	return chain->last;
}

/* How many names follow; 0 at the end. */
static uint32_t
chain_window(struct chain *chain, uint64_t *names)
{
	uint32_t n = 0;

	while (n < NAMES && chain->done < chain->n)
		names[n++] = chain_next(chain);
	return n;
}

int
aibrix_predict_add(aibrix_predict *predict, uint32_t owner,
		   const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		   uint64_t lease_ns)
{
	uint64_t until_ns = AIBRIX_FOREVER, names[NAMES];
	struct chain chain;
	uint32_t some;

	if (!predict || owner >= predict->claims.max.ids || (n && !hashes))
		return AIBRIX_E_INVAL;
	if (lease_ns == 0)
		lease_ns = predict->lease_ns;
	if (lease_ns < AIBRIX_FOREVER - now_ns)
		until_ns = now_ns + lease_ns;
	chain = chain_start(predict, hashes, n);
	pthread_rwlock_wrlock(&predict->lock);
	while ((some = chain_window(&chain, names)) > 0)
		aibrix__claims_add(&predict->claims, owner, names, some, now_ns,
				   until_ns);
	pthread_rwlock_unlock(&predict->lock);
	return AIBRIX_OK;
}

/* Of a match: the names in the window that depth is in.  Nothing is loaded
 * ahead until an owner has gone on. */
struct walk {
	struct chain chain;
	uint64_t names[NAMES];
	uint64_t first; /* depth of names[0] */
	uint32_t n;
	uint32_t goes_on;
	struct claims_ahead ahead; /* in the window */
};

/* The block at a depth, none of which is above the one asked before. */
static uint32_t
walk_block(struct walk *walk, const struct claims *claims, uint64_t depth)
{
	uint64_t at, hash;

	while (depth - walk->first >= walk->n) {
		walk->first += walk->n;
		walk->n = chain_window(&walk->chain, walk->names);
		walk->ahead = (struct claims_ahead){.hashes = walk->names};
	}
	at = depth - walk->first;
	if (!walk->goes_on) {
		hash = cells_hash(&claims->cells, walk->names[at]);
		return claims_find(claims, walk->names[at], hash);
	}
	if (walk->ahead.n == 0) {
		walk->ahead.n = walk->n;
		walk->ahead.cells = walk->ahead.blocks = at;
	}
	hash = ahead_hash(&walk->ahead, claims, at);
	return claims_find(claims, walk->names[at], hash);
}

/* Whole blocks of an entry of the column, at most n. */
static uint64_t
depth_of(double blocks, uint64_t n)
{
	if (!(blocks >= 1))
		return 0;
	return blocks >= (double)n ? n : (uint64_t)blocks;
}

struct depths {
	uint64_t least, most; /* from a depth on; least n: there is none */
};

static struct depths
depths_from(uint64_t from, uint64_t n, const double *blocks, uint32_t rows)
{
	struct depths depths = {n, 0};

	for (uint32_t row = 0; row < rows; row++) {
		uint64_t depth = depth_of(blocks[row], n);

		if (depth >= from && depth < depths.least)
			depths.least = depth;
		if (depth > depths.most)
			depths.most = depth;
	}
	return depths;
}

/* Owners that have reached depth and are predicted at this block, too, go
 * deeper. */
static int
owners_step(const struct claims *claims, uint32_t at, uint64_t now_ns,
	    uint64_t depth, uint64_t n, double *blocks, uint32_t rows)
{
	struct claim_cursor c;
	int any = 0;

	if (at == NONE)
		return 0;
	for (c = claim_first(claims, at); !claim_ended(&c);
	     claim_next(claims, &c)) {
		uint32_t owner = claim_id(claims, *c.claim);

		if (owner >= rows || !claim_counts(claims, &c, now_ns) ||
		    depth_of(blocks[owner], n) != depth)
			continue;
		blocks[owner] = (double)(depth + 1);
		any = 1;
	}
	return any;
}

/* Only blocks at which some owner stands are looked at: where none went on,
 * those at the next depth are sought.  Columns have few different depths;
 * when one has many, its blocks are taken in order. */
static void
owners_raise(const aibrix_predict *predict, struct walk *walk, uint64_t now_ns,
	     double *blocks, uint32_t rows)
{
	enum { SCANS = 16 };
	const struct claims *claims = &predict->claims;
	uint64_t n = walk->chain.n;
	struct depths depths = depths_from(0, n, blocks, rows);
	uint64_t depth = depths.least;
	uint32_t scans = 1;

	while (depth < n) {
		uint32_t at = walk_block(walk, claims, depth);

		walk->goes_on = (uint32_t)owners_step(claims, at, now_ns, depth,
						      n, blocks, rows);
		if (walk->goes_on) {
			depth++;
			if (depths.most < depth)
				depths.most = depth;
		} else if (scans++ < SCANS) {
			depths = depths_from(depth + 1, n, blocks, rows);
			depth = depths.least;
		} else {
			depth = depth < depths.most ? depth + 1 : n;
		}
	}
}

int
aibrix_predict_match(aibrix_predict *predict, const uint64_t *hashes,
		     uint64_t n, uint64_t now_ns, double *blocks, uint32_t rows)
{
	struct walk walk = {.n = 0};

	if (!predict || (n && !hashes) || (rows && !blocks))
		return AIBRIX_E_INVAL;
	walk.chain = chain_start(predict, hashes, n);
	pthread_rwlock_rdlock(&predict->lock);
	if (predict->claims.count > 0)
		owners_raise(predict, &walk, now_ns, blocks, rows);
	pthread_rwlock_unlock(&predict->lock);
	return AIBRIX_OK;
}

int
aibrix_predict_confirm(aibrix_predict *predict, uint32_t owner,
		       const uint64_t *hashes, uint64_t n)
{
	uint64_t names[NAMES];
	struct chain chain;
	uint32_t some;

	if (!predict || owner >= predict->claims.max.ids || (n && !hashes))
		return AIBRIX_E_INVAL;
	chain = chain_start(predict, hashes, n);
	pthread_rwlock_wrlock(&predict->lock);
	while ((some = chain_window(&chain, names)) > 0) {
		struct claims_ahead ahead = {.hashes = names, .n = some};

		for (uint32_t i = 0; i < some; i++)
			predict->confirmed += aibrix__claims_remove(
				&predict->claims, owner, names[i],
				ahead_hash(&ahead, &predict->claims, i));
	}
	pthread_rwlock_unlock(&predict->lock);
	return AIBRIX_OK;
}

int
aibrix_predict_forget(aibrix_predict *predict, uint32_t owner)
{
	if (!predict || owner >= predict->claims.max.ids)
		return AIBRIX_E_INVAL;
	pthread_rwlock_wrlock(&predict->lock);
	aibrix__claims_retire(&predict->claims, owner);
	aibrix__claims_sweep(&predict->claims, HAND_CALL, 0);
	predict->forgotten++;
	pthread_rwlock_unlock(&predict->lock);
	return AIBRIX_OK;
}

int
aibrix_predict_stats(aibrix_predict *predict, aibrix_predict_stat *stat)
{
	aibrix_predict_stat now = {0};

	if (!predict || !stat)
		return AIBRIX_E_INVAL;
	pthread_rwlock_rdlock(&predict->lock);
	now.blocks = predict->claims.count;
	now.entries = predict->claims.entries;
	now.bytes = sizeof(*predict) + aibrix__claims_bytes(&predict->claims);
	now.added = predict->claims.added;
	now.confirmed = predict->confirmed;
	now.evicted = predict->claims.evicted;
	now.reclaimed = predict->claims.reclaimed;
	now.replaced = predict->claims.replaced;
	now.forgotten = predict->forgotten;
	pthread_rwlock_unlock(&predict->lock);
	return aibrix__struct_store(stat, &now, sizeof(now), STAT_V1);
}

int
aibrix__predict_check(aibrix_predict *predict)
{
	int err;

	pthread_rwlock_rdlock(&predict->lock);
	err = aibrix__claims_check(&predict->claims);
	pthread_rwlock_unlock(&predict->lock);
	return err;
}
