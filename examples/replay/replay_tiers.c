/*
 * How a program uses aibrix_cache: acquire, wait, read, release before a
 * prefill; reserve, fill, commit after it.
 *
 * A replay waits for L2 at once (virtual time does not pass meanwhile), with
 * deadlines of "never": what a run finds must not depend on how fast this
 * machine's disk is today.  Only a server is not waited for any longer than
 * an engine would.
 */
#include "replay_tiers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_NS = 100000000 };

/* A server may be gone: then blocks are recomputed. */
#define SERVER_TIMEOUT_NS UINT64_C(2000000000)

uint64_t
replay_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Two streams that depend on the key and never repeat within a block:
 * cheap enough to make every block twice, once to store and once to check. */
void
replay_payload(const aibrix_key *key, void *data, uint64_t bytes)
{
	unsigned char *out = data;
	uint64_t word[2];
	uint64_t whole = bytes / sizeof(word);

	memcpy(word, key->bytes, sizeof(word));
	for (uint64_t i = 0; i < whole; i++) {
		memcpy(out + i * sizeof(word), word, sizeof(word));
		word[0] += 0x9e3779b97f4a7c15U;
		word[1] ^= word[0] << 7;
	}
	memcpy(out + whole * sizeof(word), word, bytes % sizeof(word));
}

static void
library_says(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)ctx;
	(void)level;
	(void)code;
	fprintf(stderr, "replay: %s\n", text);
}

static const aibrix_log library_log = {
	.size = sizeof(library_log),
	.fn = library_says,
};

int
replay_tiers_fail(const char *what, int status)
{
	fprintf(stderr, "replay: %s: %s\n", what, aibrix_strerror(status));
	return status;
}

/* A server is shared: keys of this run only, and gone in an hour. */
static int
server_open(const replay_options *options, aibrix_store_opts *opts,
	    aibrix_store **out)
{
	aibrix_resp_opts resp = {.size = sizeof(resp),
				 .ttl_ns = UINT64_C(3600000000000)};
	char prefix[64];
	int status;

	snprintf(prefix, sizeof(prefix), "replay:%ld:%llu:", (long)getpid(),
		 (unsigned long long)replay_now_ns());
	resp.prefix = prefix;
	opts->backend = AIBRIX_BACKEND_RESP;
	opts->path = options->l2_url;
	opts->backend_opts = &resp;
	opts->timeout_ns = SERVER_TIMEOUT_NS;
	status = aibrix_store_open(opts, out);
	/* The URL may hold a password. */
	return status == AIBRIX_OK ? status
				   : replay_tiers_fail("L2, --l2", status);
}

int
replay_store_open(const replay_options *options, uint64_t value_bytes,
		  uint64_t capacity_bytes, aibrix_store **out)
{
	char path[4096];
	aibrix_store_opts opts = {
		.size = sizeof(opts),
		.backend = AIBRIX_BACKEND_MEM,
		.capacity_bytes = capacity_bytes,
		.value_bytes = value_bytes,
		.timeout_ns = AIBRIX_FOREVER,
		.log = &library_log,
	};
	int status;

	*out = NULL;
	if (options->l2 == REPLAY_L2_NONE)
		return AIBRIX_OK;
	if (options->l2 == REPLAY_L2_MEM) {
		status = aibrix_store_open(&opts, out);
		return status == AIBRIX_OK
			       ? status
			       : replay_tiers_fail("L2 in memory, --l2-bytes",
						   status);
	}
	if (options->l2 == REPLAY_L2_URL)
		return server_open(options, &opts, out);
	if (snprintf(path, sizeof(path), "%s/replay-%ld.l2", options->l2_dir,
		     (long)getpid()) >= (int)sizeof(path))
		return replay_tiers_fail(options->l2_dir, AIBRIX_E_INVAL);
	opts.backend = AIBRIX_BACKEND_FILE;
	opts.path = path;
	if (access(path, F_OK) == 0) {
		fprintf(stderr, "replay: %s: is there already\n", path);
		return AIBRIX_E_BUSY;
	}
	status = aibrix_store_open(&opts, out);
	/* The file has no name from here on: however the program ends, the
	 * disk gets its room back. */
	unlink(path);
	return status == AIBRIX_OK ? status : replay_tiers_fail(path, status);
}

/* The next pod's. */
static int
link_open(replay_tiers *tiers, const replay_link_conf *conf)
{
	replay_link_conf link = *conf;

	link.values = tiers->l2;
	link.value_bytes =
		tiers->options->block_bytes + AIBRIX_CACHE_FRAME_BYTES;
	return replay_link_open(&link, &tiers->links[tiers->n_caches]);
}

int
replay_tiers_open(replay_tiers *tiers, const replay_options *options,
		  const char *evict, const sim_pod_spec *spec,
		  const replay_link_conf *link)
{
	aibrix_cache_opts opts = {
		.size = sizeof(opts),
		.evict = (uint32_t)replay_evict_number(evict),
		.block_bytes = options->block_bytes,
		.l1_bytes = options->l1_bytes,
		.layout = "replay",
		.block_tokens = options->block_tokens,
		.log = &library_log,
	};
	int status;

	*tiers = (replay_tiers){.options = options};
	if (options->block_bytes == 0)
		return AIBRIX_OK;
	status = replay_store_open(
		options, options->block_bytes + AIBRIX_CACHE_FRAME_BYTES,
		options->l2_bytes, &tiers->l2);
	if (status != AIBRIX_OK)
		return status;
	tiers->expected = malloc(options->block_bytes);
	tiers->caches = calloc(options->pods, sizeof(aibrix_cache *));
	/* Faults that were asked for are no news, and whether L2 pays is the
	 * cache's to find out. */
	if (link) {
		opts.log = NULL;
		opts.token_ns =
			1e9 * spec->flops_per_token / spec->gemm_flops_per_s;
		opts.position_ns = 1e9 * spec->flops_per_pair /
				   spec->attention_flops_per_s;
	}
	if (link)
		tiers->links = calloc(options->pods, sizeof(aibrix_store *));
	if (!tiers->expected || !tiers->caches || (link && !tiers->links))
		return replay_tiers_fail("L1", AIBRIX_E_NOMEM);
	opts.l2 = tiers->l2;
	tiers->conf = opts;
	for (; tiers->n_caches < options->pods; tiers->n_caches++) {
		if (link) {
			status = link_open(tiers, link);
			if (status != AIBRIX_OK)
				return replay_tiers_fail("L2", status);
			opts.l2 = tiers->links[tiers->n_caches];
		}
		status = aibrix_cache_new(&opts,
					  &tiers->caches[tiers->n_caches]);
		if (status != AIBRIX_OK)
			return replay_tiers_fail("L1 of a pod, --l1-bytes",
						 status);
	}
	return AIBRIX_OK;
}

int
replay_tiers_restart(replay_tiers *tiers, uint32_t pod)
{
	aibrix_cache_stat stat = {.size = sizeof(stat)};
	int status;

	if (!tiers->caches)
		return AIBRIX_OK;
	status = aibrix_cache_stats(tiers->caches[pod], &stat);
	tiers->corrupt += stat.corrupt_l1 + stat.corrupt_l2;
	aibrix_cache_free(tiers->caches[pod]);
	tiers->caches[pod] = NULL;
	if (status == AIBRIX_OK)
		status = aibrix_cache_new(&tiers->conf, &tiers->caches[pod]);
	return status;
}

void
replay_tiers_close(replay_tiers *tiers)
{
	for (uint32_t i = 0; i < tiers->n_caches; i++)
		aibrix_cache_free(tiers->caches[i]);
	for (uint32_t i = 0; tiers->links && i < tiers->options->pods; i++)
		aibrix_store_free(tiers->links[i]);
	free(tiers->links);
	free(tiers->caches);
	free(tiers->expected);
	aibrix_store_free(tiers->l2);
	*tiers = (replay_tiers){0};
}

/* Hold the longest prefix; *n becomes its length. */
static int
prefix_hold(const replay_tiers *tiers, aibrix_cache *cache,
	    const aibrix_key *keys, uint32_t wanted, uint64_t *lease,
	    uint64_t *n)
{
	uint64_t now = replay_now_ns(), deadline = AIBRIX_FOREVER, busy;
	int status;

	if (tiers->options->l2 == REPLAY_L2_URL)
		deadline = now + SERVER_TIMEOUT_NS;
	status = aibrix_cache_acquire(cache, keys, wanted, deadline, now, lease,
				      n);

	while (status == AIBRIX_E_AGAIN) {
		status = aibrix_cache_poll(cache, replay_now_ns(), POLL_NS,
					   &busy);
		if (status == AIBRIX_OK)
			status = aibrix_cache_state(cache, *lease, n);
	}
	return status;
}

/* Compare the held blocks with what they must be. */
static int
prefix_check(replay_tiers *tiers, aibrix_cache *cache, const aibrix_key *keys,
	     uint64_t lease, uint64_t n, replay_hits *hits)
{
	for (uint64_t i = 0; i < n; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};
		int status = aibrix_cache_block(cache, lease, i, &view);

		if (status != AIBRIX_OK)
			return status;
		replay_payload(&keys[i], tiers->expected, view.bytes);
		tiers->verified++;
		if (memcmp(view.data, tiers->expected, view.bytes) != 0) {
			tiers->wrong++;
			break; /* only leading good blocks count */
		}
		if (view.tier == AIBRIX_CACHE_L1)
			hits->l1++;
		else
			hits->l2++;
	}
	return AIBRIX_OK;
}

int
replay_tiers_take(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		  uint64_t lease, uint64_t n, replay_hits *hits)
{
	aibrix_cache *cache = tiers->caches[pod];
	int status = prefix_check(tiers, cache, keys, lease, n, hits);
	uint64_t begin_ns = replay_now_ns();
	int ended = aibrix_cache_release(cache, lease);

	tiers->ns += replay_now_ns() - begin_ns;
	if (status == AIBRIX_OK)
		status = ended;
	return status == AIBRIX_OK
		       ? status
		       : replay_tiers_fail("reading the cache", status);
}

int
replay_tiers_read(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		  uint32_t n, replay_hits *hits)
{
	uint64_t lease;
	uint64_t held;
	uint64_t begin_ns;
	int status;

	*hits = (replay_hits){0};
	if (n == 0 || !tiers->caches)
		return AIBRIX_OK;
	begin_ns = replay_now_ns();
	status = prefix_hold(tiers, tiers->caches[pod], keys, n, &lease, &held);
	tiers->ns += replay_now_ns() - begin_ns;
	tiers->blocks += n;
	if (status != AIBRIX_OK)
		return replay_tiers_fail("reading the cache", status);
	return replay_tiers_take(tiers, pod, keys, lease, held, hits);
}

/* Fill what a reservation wants to have filled. */
static int
reservation_fill(aibrix_cache *cache, const aibrix_key *keys, uint64_t lease,
		 uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};
		int status = aibrix_cache_block(cache, lease, i, &view);

		if (status != AIBRIX_OK)
			return status;
		if (view.data)
			replay_payload(&keys[i], view.data, view.bytes);
	}
	return AIBRIX_OK;
}

static int
writes_wait(aibrix_cache *cache)
{
	uint64_t busy = 1;
	int status = AIBRIX_OK;

	while (busy > 0 && status == AIBRIX_OK)
		status = aibrix_cache_poll(cache, replay_now_ns(), POLL_NS,
					   &busy);
	return status;
}

int
replay_tiers_write(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		   const uint64_t *hashes, uint32_t n, uint64_t now_ns)
{
	aibrix_cache *cache;
	uint64_t lease;
	uint64_t room;
	uint64_t begin_ns;
	int status;

	if (n == 0 || !tiers->caches)
		return AIBRIX_OK;
	cache = tiers->caches[pod];
	begin_ns = replay_now_ns();
	if (!tiers->links)
		now_ns = begin_ns;
	status = aibrix_cache_reserve(cache, keys, hashes, n, now_ns, &lease,
				      &room);
	tiers->ns += replay_now_ns() - begin_ns;
	tiers->blocks += n;
	if (status == AIBRIX_E_FULL)
		return AIBRIX_OK; /* not kept: recomputed next time */
	if (status == AIBRIX_OK)
		status = reservation_fill(cache, keys, lease, room);
	if (status == AIBRIX_OK) {
		begin_ns = replay_now_ns();
		if (!tiers->links)
			now_ns = begin_ns;
		status = aibrix_cache_commit(cache, lease, now_ns);
		if (status == AIBRIX_OK && !tiers->links)
			status = writes_wait(cache);
		tiers->ns += replay_now_ns() - begin_ns;
	}
	return status == AIBRIX_OK
		       ? status
		       : replay_tiers_fail("writing the cache", status);
}

uint64_t
replay_tiers_corrupt(replay_tiers *tiers)
{
	uint64_t sum = tiers->wrong + tiers->corrupt;

	for (uint32_t i = 0; i < tiers->n_caches; i++) {
		aibrix_cache_stat stat = {.size = sizeof(stat)};

		if (aibrix_cache_stats(tiers->caches[i], &stat) == AIBRIX_OK)
			sum += stat.corrupt_l1 + stat.corrupt_l2;
	}
	return sum;
}

void
replay_tiers_warn(replay_tiers *tiers)
{
	uint64_t faults = 0;

	for (uint32_t i = 0; i < tiers->n_caches; i++) {
		aibrix_cache_stat stat = {.size = sizeof(stat)};

		if (aibrix_cache_stats(tiers->caches[i], &stat) == AIBRIX_OK)
			faults += stat.l2_errors;
	}
	if (faults && !tiers->links)
		fprintf(stderr, "replay: L2: %llu faults, each a miss\n",
			(unsigned long long)faults);
}
