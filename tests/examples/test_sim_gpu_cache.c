#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include <aibrix/index.h>

#include "sim/sim_gpu_cache.h"
#include "sim/sim_rand.h"

/* A cache and the index that hears of it. */
typedef struct pod {
	aibrix_index *index;
	aibrix_index_reader *reader;
	sim_gpu_cache *gpu;
} pod;

static pod
new_pod(uint64_t capacity)
{
	pod p;

	cr_assert(aibrix_index_new(NULL, &p.index) == AIBRIX_OK);
	cr_assert(aibrix_index_reader_new(p.index, &p.reader) == AIBRIX_OK);
	cr_assert(aibrix_index_owner_add(p.index, 0) == AIBRIX_OK);
	p.gpu = sim_gpu_cache_new(capacity, p.index, 0);
	cr_assert(p.gpu);
	return p;
}

static void
free_pod(pod *p)
{
	sim_gpu_cache_free(p->gpu);
	aibrix_index_reader_free(p->reader);
	aibrix_index_free(p->index);
}

enum { CHAIN = 8 };

/* Block i of prompt p; the first shared blocks are those of prompt 0. */
typedef struct chain {
	uint64_t hashes[CHAIN];
	uint64_t names[CHAIN];
	uint32_t slots[CHAIN];
	uint32_t hits;
} chain;

static chain
new_chain(uint64_t prompt, uint32_t shared)
{
	chain c = {0};

	for (uint32_t i = 0; i < CHAIN; i++) {
		uint64_t of = i < shared ? 0 : prompt;

		c.hashes[i] = sim_mix(of * 100 + i);
		c.names[i] = sim_mix(~c.hashes[i]);
	}
	return c;
}

/* Admit n prompt blocks and extra ones for output. */
static int
start(pod *p, chain *c, uint32_t n, uint64_t extra)
{
	c->hits = sim_gpu_cache_match(p->gpu, c->names, n);
	return sim_gpu_cache_admit(p->gpu, c->names, c->hits, n + extra,
				   c->slots);
}

static void
serve(pod *p, chain *c, uint32_t n)
{
	cr_assert(start(p, c, n, 1) == AIBRIX_OK);
	cr_assert(sim_gpu_cache_store(p->gpu, c->hashes, c->names, c->hits, n,
				      c->slots) == AIBRIX_OK);
	sim_gpu_cache_finish(p->gpu, c->slots, n, 1);
}

static uint32_t
index_match(pod *p, const chain *c, uint32_t n)
{
	double blocks;

	cr_assert(aibrix_index_match(p->reader, c->hashes, n, 1, &blocks, 1) ==
		  AIBRIX_OK);
	return (uint32_t)blocks;
}

Test(sim_gpu_cache, blocks_are_found_once_their_prompt_is_computed)
{
	pod p = new_pod(20);
	chain c = new_chain(1, 0);

	cr_assert(start(&p, &c, 4, 1) == AIBRIX_OK);
	cr_expect(sim_gpu_cache_match(p.gpu, c.names, 4) == 0);
	cr_expect(sim_gpu_cache_store(p.gpu, c.hashes, c.names, 0, 4,
				      c.slots) == AIBRIX_OK);

	cr_expect(sim_gpu_cache_match(p.gpu, c.names, CHAIN) == 4);
	cr_expect(index_match(&p, &c, CHAIN) == 4);
	sim_gpu_cache_finish(p.gpu, c.slots, 4, 1);
	cr_expect(sim_gpu_cache_match(p.gpu, c.names, CHAIN) == 4);
	free_pod(&p);
}

Test(sim_gpu_cache, the_last_blocks_of_the_oldest_prompt_go_first)
{
	pod p = new_pod(9);
	chain a = new_chain(1, 0);
	chain b = new_chain(2, 0);

	serve(&p, &a, 4);
	serve(&p, &b, 4); /* 5 wanted, 5 free */
	cr_expect(sim_gpu_cache_match(p.gpu, a.names, 4) == 4);
	serve(&p, &b, 7); /* 4 more wanted, 1 free */

	cr_expect(sim_gpu_cache_match(p.gpu, a.names, 4) == 1);
	cr_expect(index_match(&p, &a, 4) == 1);
	cr_expect(sim_gpu_cache_match(p.gpu, b.names, 7) == 7);
	free_pod(&p);
}

Test(sim_gpu_cache, a_shared_prefix_is_as_recent_as_its_last_user)
{
	pod p = new_pod(12);
	chain old = new_chain(1, 2);
	chain young = new_chain(2, 2);
	chain other = new_chain(3, 0);

	serve(&p, &old, 4);
	serve(&p, &young, 4); /* 6 cached */
	serve(&p, &other, 7); /* 8 wanted, 6 free */

	cr_expect(sim_gpu_cache_match(p.gpu, old.names, 4) == 2);
	cr_expect(sim_gpu_cache_match(p.gpu, young.names, 4) == 4);
	free_pod(&p);
}

Test(sim_gpu_cache, blocks_of_running_requests_stay_and_full_changes_nothing)
{
	pod p = new_pod(8);
	chain a = new_chain(1, 0);
	chain b = new_chain(2, 0);

	cr_assert(start(&p, &a, 4, 1) == AIBRIX_OK);
	cr_assert(sim_gpu_cache_store(p.gpu, a.hashes, a.names, 0, 4,
				      a.slots) == AIBRIX_OK);

	cr_expect(start(&p, &b, 4, 0) == AIBRIX_E_FULL);
	cr_expect(start(&p, &b, 3, 0) == AIBRIX_OK);
	cr_expect(sim_gpu_cache_match(p.gpu, a.names, 4) == 4);
	free_pod(&p);
}

Test(sim_gpu_cache, two_requests_that_compute_the_same_share_the_result)
{
	pod p = new_pod(20);
	chain a = new_chain(1, 0);
	chain b = new_chain(1, 0);

	cr_assert(start(&p, &a, 4, 1) == AIBRIX_OK);
	cr_assert(start(&p, &b, 6, 1) == AIBRIX_OK);
	cr_assert(sim_gpu_cache_store(p.gpu, a.hashes, a.names, 0, 4,
				      a.slots) == AIBRIX_OK);
	cr_assert(sim_gpu_cache_store(p.gpu, b.hashes, b.names, 0, 6,
				      b.slots) == AIBRIX_OK);

	cr_expect(sim_gpu_cache_blocks(p.gpu) == 6);
	sim_gpu_cache_finish(p.gpu, a.slots, 4, 1);
	sim_gpu_cache_finish(p.gpu, b.slots, 6, 1);
	cr_expect(sim_gpu_cache_match(p.gpu, b.names, CHAIN) == 6);
	free_pod(&p);
}

Test(sim_gpu_cache, the_index_knows_what_is_here_after_random_requests)
{
	enum { PROMPTS = 40, ROUNDS = 4000 };
	pod p = new_pod(64);
	sim_rand rand = {11};

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t prompt = sim_rand_next(&rand) % PROMPTS;
		uint32_t n = 1 + (uint32_t)(sim_rand_next(&rand) % CHAIN);
		chain c = new_chain(prompt, (uint32_t)prompt % 4);

		serve(&p, &c, n);
		cr_assert(sim_gpu_cache_blocks(p.gpu) <= 64);
		c = new_chain(sim_rand_next(&rand) % PROMPTS, 0);
		cr_assert(index_match(&p, &c, CHAIN) ==
			  sim_gpu_cache_match(p.gpu, c.names, CHAIN));
	}
	free_pod(&p);
}

Test(sim_gpu_cache, a_prompt_longer_than_one_event_is_announced_whole)
{
	enum { BLOCKS = AIBRIX_INDEX_EVENT_BLOCKS + 3 };
	pod p = new_pod(BLOCKS);
	uint64_t *hashes = malloc(BLOCKS * sizeof(*hashes));
	uint64_t *names = malloc(BLOCKS * sizeof(*names));
	uint32_t *slots = malloc(BLOCKS * sizeof(*slots));
	double held;

	cr_assert(hashes && names && slots);
	for (uint64_t i = 0; i < BLOCKS; i++) {
		hashes[i] = sim_mix(i);
		names[i] = sim_mix(~hashes[i]);
	}
	cr_assert(sim_gpu_cache_admit(p.gpu, names, 0, BLOCKS, slots) ==
		  AIBRIX_OK);
	cr_assert(sim_gpu_cache_store(p.gpu, hashes, names, 0, BLOCKS, slots) ==
		  AIBRIX_OK);
	cr_assert(aibrix_index_match(p.reader, hashes, BLOCKS, 0, &held, 1) ==
		  AIBRIX_OK);
	cr_assert(held == BLOCKS);
	sim_gpu_cache_finish(p.gpu, slots, BLOCKS, 0);
	free(hashes);
	free(names);
	free(slots);
	free_pod(&p);
}
