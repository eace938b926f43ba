/*
 * A tensor-parallel group: each rank has a cache of its own with its share of
 * every block, and all must load the same number of blocks.
 */
#include <criterion/criterion.h>

#include <aibrix/agree.h>

#include "base/rand.h"
#include "cache_tools.h"

enum { RANKS_MAX = 8, REQUESTS = 10, STEPS = 20, BLOCKS_MAX = 40 };
enum { DEADLINE = 100, MESSAGE_MAX = 256 };

struct group {
	uint32_t ranks;
	aibrix_cache *cache[RANKS_MAX];
	aibrix_agree *agree[RANKS_MAX];
	/* What the ranks hold of the step's requests. */
	uint64_t lease[RANKS_MAX][REQUESTS];
	uint32_t held[RANKS_MAX][REQUESTS];
	uint32_t told[RANKS_MAX][REQUESTS];
};

static struct group
group_new(uint32_t ranks)
{
	struct group g = {.ranks = ranks};

	for (uint32_t r = 0; r < ranks; r++) {
		aibrix_agree_opts o = {.size = sizeof(o),
				       .ranks = ranks,
				       .rank = r,
				       .requests = REQUESTS,
				       .epoch = 1};

		g.cache[r] = new_cache(REQUESTS * BLOCKS_MAX, NULL);
		cr_assert_eq(aibrix_agree_new(&o, &g.agree[r]), AIBRIX_OK);
	}
	return g;
}

static void
group_free(struct group *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		check(g->cache[r]);
		cr_expect_eq(stat_of(g->cache[r]).l1_pinned, 0);
		aibrix_agree_free(g->agree[r]);
		aibrix_cache_free(g->cache[r]);
	}
}

/* The share of a rank has a name of its own. */
static uint32_t
share_of(uint32_t sequence, uint32_t rank)
{
	return sequence * RANKS_MAX + rank;
}

/* All ranks hold what they have of n sequences of so many blocks. */
static void
group_acquire(struct group *g, uint32_t first, uint32_t n, uint32_t blocks)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		for (uint32_t i = 0; i < n; i++)
			g->held[r][i] = (uint32_t)get_blocks(
				g->cache[r], share_of(first + i, r), blocks,
				&g->lease[r][i]);
}

static void
group_release(struct group *g, uint32_t n)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(aibrix_cache_release(g->cache[r],
							  g->lease[r][i]),
				     AIBRIX_OK);
}

static void
send(const aibrix_agree *from, aibrix_agree *to)
{
	uint64_t bytes = aibrix_agree_bytes(from);
	uint8_t message[MESSAGE_MAX];
	uint32_t reply;

	cr_assert_leq(bytes, (uint64_t)MESSAGE_MAX);
	cr_assert_eq(aibrix_agree_write(from, message, MESSAGE_MAX), AIBRIX_OK);
	cr_assert_eq(aibrix_agree_read(to, message, bytes, &reply), AIBRIX_OK);
}

/* One step for n requests; ranks from alive on say nothing. */
static void
group_agree(struct group *g, uint64_t step, uint32_t n, uint32_t alive)
{
	uint64_t now = alive == g->ranks ? 0 : DEADLINE;

	for (uint32_t r = 0; r < alive; r++)
		cr_assert_eq(aibrix_agree_begin(g->agree[r], step, 1,
						g->held[r], n, DEADLINE + r),
			     AIBRIX_OK);
	for (uint32_t r = 1; r < alive; r++)
		send(g->agree[r], g->agree[0]);
	cr_assert_eq(aibrix_agree_poll(g->agree[0], now, g->told[0]),
		     AIBRIX_OK);
	for (uint32_t r = 1; r < alive; r++) {
		send(g->agree[0], g->agree[r]);
		cr_assert_eq(aibrix_agree_poll(g->agree[r], now, g->told[r]),
			     AIBRIX_OK);
	}
}

/* AIBrix's test_group_aware, first case. */
Test(cache_group, what_all_ranks_have_all_ranks_load)
{
	struct group g = group_new(8);

	for (uint32_t r = 0; r < 8; r++)
		cr_assert_eq(put_blocks(g.cache[r], share_of(0, r), 2), 2);
	group_acquire(&g, 0, 1, 2);
	group_agree(&g, 1, 1, 8);
	for (uint32_t r = 0; r < 8; r++)
		cr_expect_eq(g.told[r][0], 2);
	group_release(&g, 1);
	group_free(&g);
}

/* Its second case: every rank has lost another tail. */
Test(cache_group, ranks_that_lost_other_tails_load_the_shortest)
{
	struct group g = group_new(4);
	uint64_t random = 2;

	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t first = step * REQUESTS, least[REQUESTS];

		for (uint32_t i = 0; i < REQUESTS; i++) {
			least[i] = BLOCKS_MAX;
			for (uint32_t r = 0; r < 4; r++) {
				uint32_t n =
					rand_below(&random, BLOCKS_MAX) + 1;

				least[i] = n < least[i] ? n : least[i];
				cr_assert_eq(put_blocks(g.cache[r],
							share_of(first + i, r),
							n),
					     n);
			}
		}
		group_acquire(&g, first, REQUESTS, BLOCKS_MAX);
		group_agree(&g, step + 1, REQUESTS, 4);
		for (uint32_t i = 0; i < REQUESTS; i++)
			for (uint32_t r = 0; r < 4; r++)
				cr_assert_eq(g.told[r][i], least[i]);
		group_release(&g, REQUESTS);
	}
	group_free(&g);
}

Test(cache_group, a_dead_rank_costs_one_deadline_and_no_block)
{
	struct group g = group_new(4);

	for (uint32_t r = 0; r < 4; r++)
		cr_assert_eq(put_blocks(g.cache[r], share_of(0, r), 2), 2);
	group_acquire(&g, 0, 1, 2);
	group_agree(&g, 1, 1, 3);
	for (uint32_t r = 0; r < 3; r++)
		cr_expect_eq(g.told[r][0], 0, "all compute");
	group_release(&g, 1);

	/* It is back: the next step has what was there. */
	group_acquire(&g, 0, 1, 2);
	group_agree(&g, 2, 1, 4);
	for (uint32_t r = 0; r < 4; r++)
		cr_expect_eq(g.told[r][0], 2);
	group_release(&g, 1);
	group_free(&g);
}
