/*
 * --measure: what loads take on this machine, through the same calls as in
 * the replay: whole blocks out of L1, and out of L2 into an empty L1.
 * Medians of some rounds.
 */
#include "replay_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay_tiers.h"
#include "sim/sim_stats.h"

enum { BLOCK_BYTES = 1 << 20, BLOCKS = 32, ROUNDS = 9, POLL_NS = 100000000 };

typedef struct probe_state {
	aibrix_store *l2;
	aibrix_cache *cache;
	aibrix_key keys[BLOCKS];
	void *copy; /* of one block */
} probe_state;

static int
probe_cache(probe_state *probe)
{
	aibrix_cache_opts opts = {
		.size = sizeof(opts),
		.block_bytes = BLOCK_BYTES,
		.l1_bytes = (uint64_t)2 * BLOCKS * BLOCK_BYTES,
		.layout = "measure",
		.l2 = probe->l2,
	};

	aibrix_cache_free(probe->cache);
	probe->cache = NULL;
	return aibrix_cache_new(&opts, &probe->cache);
}

static int
probe_wait(probe_state *probe)
{
	uint64_t busy = 1;
	int status = AIBRIX_OK;

	while (busy > 0 && status == AIBRIX_OK)
		status = aibrix_cache_poll(probe->cache, replay_now_ns(),
					   POLL_NS, &busy);
	return status;
}

static int
probe_fill(probe_state *probe)
{
	uint64_t lease;
	uint64_t n;
	int status = aibrix_cache_reserve(probe->cache, probe->keys, NULL,
					  BLOCKS, replay_now_ns(), &lease, &n);

	for (uint64_t i = 0; status == AIBRIX_OK && i < n; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};

		status = aibrix_cache_block(probe->cache, lease, i, &view);
		if (status == AIBRIX_OK && view.data)
			replay_payload(&probe->keys[i], view.data, view.bytes);
	}
	if (status == AIBRIX_OK)
		status = aibrix_cache_commit(probe->cache, lease,
					     replay_now_ns());
	return status == AIBRIX_OK ? probe_wait(probe) : status;
}

/* Copy blocks [from, from + n) out; *seconds becomes the time. */
static int
probe_read(probe_state *probe, uint64_t from, uint64_t wanted, double *seconds)
{
	uint64_t begin_ns = replay_now_ns();
	uint64_t lease;
	uint64_t n = 0;
	int ended;
	int status =
		aibrix_cache_acquire(probe->cache, probe->keys + from, wanted,
				     AIBRIX_FOREVER, begin_ns, &lease, &n);

	if (status != AIBRIX_OK && status != AIBRIX_E_AGAIN)
		return status;
	if (status == AIBRIX_E_AGAIN) {
		status = probe_wait(probe);
		if (status == AIBRIX_OK)
			status = aibrix_cache_state(probe->cache, lease, &n);
	}
	for (uint64_t i = 0; status == AIBRIX_OK && i < n; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};

		status = aibrix_cache_block(probe->cache, lease, i, &view);
		if (status == AIBRIX_OK)
			memcpy(probe->copy, view.data, BLOCK_BYTES);
	}
	*seconds = (double)(replay_now_ns() - begin_ns) / 1e9;
	ended = aibrix_cache_release(probe->cache, lease);
	if (status == AIBRIX_OK)
		status = ended;
	/* A block that is missing would make the rest look fast. */
	return status == AIBRIX_OK && n < wanted ? AIBRIX_E_IO : status;
}

/* Median time of one block and of the others; cold: L1 is empty before. */
static int
probe_time(probe_state *probe, int cold, double *bytes_per_s, double *latency_s)
{
	sim_stats one = {0};
	sim_stats many = {0};
	int status = AIBRIX_OK;

	for (int i = 0; i < ROUNDS && status == AIBRIX_OK; i++) {
		double seconds[2];

		if (cold)
			status = probe_cache(probe);
		if (status == AIBRIX_OK)
			status = probe_read(probe, 0, 1, &seconds[0]);
		if (status == AIBRIX_OK)
			status = probe_read(probe, 1, BLOCKS - 1, &seconds[1]);
		if (status == AIBRIX_OK && (sim_stats_add(&one, seconds[0]) ||
					    sim_stats_add(&many, seconds[1])))
			status = AIBRIX_E_NOMEM;
	}
	if (status == AIBRIX_OK) {
		double block_s;

		*bytes_per_s = (double)(BLOCKS - 1) * BLOCK_BYTES /
			       sim_stats_quantile(&many, 0.5);
		/* What one block takes beyond its share of the bandwidth. */
		block_s = BLOCK_BYTES / *bytes_per_s;
		*latency_s = sim_stats_quantile(&one, 0.5) - block_s;
		if (*latency_s < 0)
			*latency_s = 0;
	}
	sim_stats_clear(&one);
	sim_stats_clear(&many);
	return status;
}

int
replay_measure(const replay_options *options, sim_pod_spec *spec)
{
	probe_state *probe = calloc(1, sizeof(*probe));
	int status = AIBRIX_E_NOMEM;

	if (probe)
		probe->copy = malloc(BLOCK_BYTES);
	if (probe && probe->copy)
		status = replay_store_open(
			options, BLOCK_BYTES + AIBRIX_CACHE_FRAME_BYTES,
			(uint64_t)2 * BLOCKS *
				(BLOCK_BYTES + AIBRIX_CACHE_FRAME_BYTES),
			&probe->l2);
	for (uint32_t i = 0; status == AIBRIX_OK && i < BLOCKS; i++)
		probe->keys[i].bytes[0] = (uint8_t)(i + 1);
	if (status == AIBRIX_OK)
		status = probe_cache(probe);
	if (status == AIBRIX_OK)
		status = probe_fill(probe);
	if (status == AIBRIX_OK)
		status = probe_time(probe, 0, &spec->l1_bytes_per_s,
				    &spec->l1_latency_s);
	if (status == AIBRIX_OK && probe->l2)
		status = probe_time(probe, 1, &spec->l2_bytes_per_s,
				    &spec->l2_latency_s);
	if (probe) {
		aibrix_cache_free(probe->cache);
		aibrix_store_free(probe->l2);
		free(probe->copy);
		free(probe);
	}
	if (status != AIBRIX_OK) {
		fprintf(stderr, "replay: --measure: %s\n",
			aibrix_strerror(status));
		return -1;
	}
	return 0;
}
