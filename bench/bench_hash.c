/*
 * Naming blocks against the bare hash functions on the same bytes.
 *
 * Tokens are random and fit the first cache, so that the functions and not
 * the memory are compared.  Raw hashes are built with -march=native; ours
 * finds its code at run time.  A ratio of 1 means that a name costs what the
 * hash function alone costs.
 */

#include <aibrix/compat.h>
#include <aibrix/hash.h>

#include "base/cpu.h"
#include "base/rand.h"
#include "base/sha256.h"

#include "bench.h"
#include "raw_hash.h"

#ifdef HAVE_OPENSSL
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#endif

enum { TOKENS = 4096, BLOCK = 16, BLOCKS = TOKENS / BLOCK };
enum { SHA_BYTES = 16384, PROMPTS = 32 };

struct work {
	aibrix_hash *hash;
	aibrix_prompt prompt;
	uint64_t known, *hashes;
	aibrix_key *keys;
	const aibrix_prompt *batch[PROMPTS];
};

static uint32_t tokens[TOKENS];
static uint64_t hashes[PROMPTS * BLOCKS];
static aibrix_key keys[PROMPTS * BLOCKS];
static uint8_t bytes[SHA_BYTES];
static uint8_t digests[BLOCKS * AIBRIX_VLLM_DIGEST_MAX];

static struct work
work_of(uint32_t algorithm, uint32_t block_tokens, int want_hashes,
	int want_keys)
{
	aibrix_hash_opts opts = {.size = sizeof(opts),
				 .algorithm = algorithm,
				 .block_tokens = block_tokens};
	struct work w = {
		.prompt = {.size = sizeof(w.prompt),
			   .tokens = tokens,
			   .n_tokens = TOKENS},
		.hashes = want_hashes ? hashes : NULL,
		.keys = want_keys ? keys : NULL,
	};

	bench_check(aibrix_hash_new(&opts, &w.hash) == AIBRIX_OK,
		    "aibrix_hash_new");
	return w;
}

static void
name_blocks(void *ctx, uint64_t n)
{
	const struct work *w = ctx;
	uint64_t got;

	while (n--)
		bench_check(aibrix_hash_blocks(w->hash, &w->prompt, w->known,
					       w->hashes, w->keys, BLOCKS,
					       &got) == AIBRIX_OK,
			    "aibrix_hash_blocks");
}

static void
name_batch(void *ctx, uint64_t n)
{
	const struct work *w = ctx;
	uint64_t ends[PROMPTS], got;

	while (n--)
		bench_check(aibrix_hash_batch(w->hash, w->batch, PROMPTS,
					      w->hashes, w->keys,
					      PROMPTS * BLOCKS, ends,
					      &got) == AIBRIX_OK,
			    "aibrix_hash_batch");
}

static void
name_one_by_one(void *ctx, uint64_t n)
{
	const struct work *w = ctx;
	uint64_t got;

	while (n--)
		for (uint32_t i = 0; i < PROMPTS; i++)
			bench_check(aibrix_hash_blocks(
					    w->hash, w->batch[i], 0, w->hashes,
					    w->keys, BLOCKS, &got) == AIBRIX_OK,
				    "aibrix_hash_blocks");
}

static void
name_vllm(void *ctx, uint64_t n)
{
	static const uint8_t parent[AIBRIX_VLLM_DIGEST_MAX];
	const uint32_t *algorithm = ctx;
	uint64_t got;

	while (n--)
		bench_check(aibrix_vllm_hash_blocks(*algorithm, parent, tokens,
						    TOKENS, BLOCK, digests,
						    BLOCKS, &got) == AIBRIX_OK,
			    "aibrix_vllm_hash_blocks");
}

static void
raw_content(void *ctx, uint64_t n)
{
	(void)ctx;
	while (n--)
		raw_xxh3_64(tokens, 512, TOKENS / 128, hashes);
}

static void
raw_content_short(void *ctx, uint64_t n)
{
	(void)ctx;
	while (n--)
		raw_xxh3_64(tokens, 64, BLOCKS, hashes);
}

static void
raw_chain(void *ctx, uint64_t n)
{
	(void)ctx;
	while (n--)
		raw_xxh3_128_chain(bytes, BLOCKS / 2);
}

static void
raw_compress(void *ctx, uint64_t n)
{
	const struct sha256_impl *impl = ctx;
	uint32_t state[8] = {0};

	while (n--)
		impl->compress(state, bytes, SHA_BYTES / SHA256_BLOCK);
	BENCH_KEEP(state[0]);
}

#ifdef HAVE_OPENSSL
static void
raw_openssl(void *ctx, uint64_t n)
{
	SHA256_CTX sha;

	(void)ctx;
	while (n--) {
		SHA256_Init(&sha);
		SHA256_Update(&sha, bytes, SHA_BYTES);
		SHA256_Final(digests, &sha);
	}
}
#endif

static void
content_rows(const struct bench *b)
{
	static const struct bench_row row = {"content_hash_128", "ns",
					     "per block of 128 tokens", 1};
	static const struct bench_row short_row = {"content_hash_16", "ns",
						   "per block of 16 tokens", 1};
	struct work w = work_of(0, 128, 1, 0);
	struct bench_peer ours = {"", name_blocks, &w, TOKENS / 128};
	const struct bench_peer raw = {"raw XXH3-64 of 512 bytes", raw_content,
				       NULL, TOKENS / 128};

	const struct bench_peer short_raw = {"raw XXH3-64 of 64 bytes",
					     raw_content_short, NULL, BLOCKS};

	bench_run(b, &row, &ours, &raw);
	aibrix_hash_free(w.hash);
	w = work_of(0, 16, 1, 0);
	ours.ops = BLOCKS;
	bench_run(b, &short_row, &ours, &short_raw);
	aibrix_hash_free(w.hash);
}

static void
xxh3_rows(const struct bench *b)
{
	static const struct bench_row row = {"keys_xxh3_16", "ns",
					     "per block of 16 tokens", 1};
	struct work w = work_of(AIBRIX_KEY_XXH3, 16, 0, 1);
	const struct bench_peer ours = {"", name_blocks, &w, BLOCKS};
	const struct bench_peer raw = {"raw XXH3-128 of 80 bytes, chained",
				       raw_chain, NULL, BLOCKS / 2};

	bench_run(b, &row, &ours, &raw);
	aibrix_hash_free(w.hash);
}

static void
sha256_rows(const struct bench *b)
{
	static const struct bench_row row = {
		"keys_sha256_16", "ns",
		"per compression; two for a block of 16 tokens", 1};
	static const struct bench_row both = {
		"names_sha256_16", "ns",
		"content hash and key of a block of 16 tokens", 1};
	static const struct bench_row extend = {
		"extend_by_one_16", "ns",
		"one more block behind 255 known ones, both names", 1};
	const double compressions = SHA_BYTES / SHA256_BLOCK;
	struct sha256_impl impl = *aibrix__sha256_select(aibrix__cpu());
	const struct bench_peer raws[] = {
		{"raw compress of 16 KiB", raw_compress, &impl, compressions},
#ifdef HAVE_OPENSSL
		{"OpenSSL SHA-256 of 16 KiB", raw_openssl, NULL, compressions},
#endif
	};
	struct work w = work_of(AIBRIX_KEY_SHA256, 16, 0, 1);
	struct bench_peer ours = {"", name_blocks, &w, 2 * BLOCKS};

	bench_run(b, &row, &ours,
		  bench_best(b, raws, sizeof(raws) / sizeof(*raws)));
	w.hashes = hashes;
	ours.ops = BLOCKS;
	bench_run(b, &both, &ours, NULL);
	w.known = BLOCKS - 1;
	ours.ops = 1;
	bench_run(b, &extend, &ours, NULL);
	aibrix_hash_free(w.hash);
}

static void
batch_rows(const struct bench *b)
{
	static const struct bench_row row = {
		"batch_sha256_16", "ns",
		"keys of 32 prompts of 32 blocks, per block", 1};
	struct work w = work_of(AIBRIX_KEY_SHA256, 16, 0, 1);
	aibrix_prompt prompts[PROMPTS];
	const double ops = PROMPTS * 32;
	const struct bench_peer ours = {"", name_batch, &w, ops};
	const struct bench_peer single = {"one call for each prompt",
					  name_one_by_one, &w, ops};

	for (uint32_t i = 0; i < PROMPTS; i++) {
		prompts[i] = w.prompt;
		prompts[i].tokens = tokens + 64 * i;
		prompts[i].n_tokens = 32 * BLOCK;
		w.batch[i] = &prompts[i];
	}
	bench_run(b, &row, &ours, &single);
	aibrix_hash_free(w.hash);
}

static void
compat_rows(const struct bench *b)
{
	static const struct bench_row city = {
		"keys_city128_16", "ns",
		"AIBrix ROLLING_HASH, per block of 16 tokens", 1};
	static const struct bench_row cbor = {"vllm_sha256_cbor_16", "ns",
					      "per block of 16 tokens", 1};
	static const struct bench_row pickle = {"vllm_sha256_16", "ns",
						"per block of 16 tokens", 1};
	struct work w = work_of(AIBRIX_KEY_CITY128, 16, 0, 1);
	uint32_t algorithms[] = {AIBRIX_VLLM_SHA256_CBOR, AIBRIX_VLLM_SHA256};
	struct bench_peer ours = {"", name_blocks, &w, BLOCKS};

	bench_run(b, &city, &ours, NULL);
	aibrix_hash_free(w.hash);
	ours.fn = name_vllm;
	ours.ctx = &algorithms[0];
	bench_run(b, &cbor, &ours, NULL);
	ours.ctx = &algorithms[1];
	bench_run(b, &pickle, &ours, NULL);
}

int
main(int argc, char **argv)
{
	struct bench b;
	uint64_t state = 1;
	int stop = bench_start(&b, argc, argv);

	if (stop)
		return stop - 1;
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = rand_below(&state, 128256);
	for (uint32_t i = 0; i < SHA_BYTES; i++)
		bytes[i] = (uint8_t)rand_next(&state);
	content_rows(&b);
	xxh3_rows(&b);
	sha256_rows(&b);
	batch_rows(&b);
	compat_rows(&b);
	return 0;
}
