#include <criterion/criterion.h>

#include <aibrix/evict.h>

static aibrix_evict *
new_density(uint32_t capacity, uint32_t ghosts)
{
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_DENSITY,
			       .capacity = capacity,
			       .ghosts = ghosts};
	aibrix_evict *evict = NULL;

	cr_assert_eq(aibrix_evict_new(&o, &evict), AIBRIX_OK);
	return evict;
}

static void
insert(aibrix_evict *evict, uint32_t slot, uint64_t name, uint32_t depth)
{
	aibrix_evict_block block = {.fingerprint = name,
				    .parent_slot = AIBRIX_EVICT_NO_PARENT,
				    .depth = depth};

	cr_assert_eq(aibrix_evict_insert_block(evict, slot, &block), AIBRIX_OK);
}

static void
hit(aibrix_evict *evict, uint32_t slot)
{
	cr_assert_eq(aibrix_evict_hit(evict, slot), AIBRIX_OK);
}

static uint32_t
pop(aibrix_evict *evict)
{
	uint32_t slot = UINT32_MAX;

	cr_assert_eq(aibrix_evict_pop(evict, &slot), AIBRIX_OK);
	return slot;
}

static aibrix_evict_stat
stats(const aibrix_evict *evict)
{
	aibrix_evict_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_evict_stats(evict, &s), AIBRIX_OK);
	return s;
}

Test(density, before_it_knows_anything_it_is_least_recently_used)
{
	aibrix_evict *evict = new_density(5, 0);
	uint32_t slot;

	for (uint32_t i = 0; i < 5; i++)
		insert(evict, i, i, 5 - i);
	hit(evict, 1);
	hit(evict, 0);
	cr_expect_eq(pop(evict), 2);
	cr_expect_eq(pop(evict), 3);
	cr_expect_eq(pop(evict), 4);
	cr_expect_eq(pop(evict), 1);
	cr_expect_eq(pop(evict), 0);
	cr_expect_eq(aibrix_evict_pop(evict, &slot), AIBRIX_E_NOT_FOUND);
	aibrix_evict_free(evict);
}

/*
 * 64 slots.  A conversation of 4 blocks comes back after every two prompts
 * of 40 blocks that nobody repeats: least recently used never has it.
 */
enum { TALK = 4, PROMPT = 40, CACHE = 64 };

struct service {
	aibrix_evict *evict;
	uint64_t name_in[CACHE]; /* plus one; 0: the slot is free */
	uint32_t talk_hits;
};

static int
service_use(struct service *s, uint64_t name, uint32_t depth)
{
	uint32_t slot;

	for (slot = 0; slot < CACHE; slot++) {
		if (s->name_in[slot] == name + 1) {
			hit(s->evict, slot);
			return 1;
		}
	}
	for (slot = 0; slot < CACHE && s->name_in[slot]; slot++)
		;
	if (slot == CACHE)
		slot = pop(s->evict);
	insert(s->evict, slot, name, depth);
	s->name_in[slot] = name + 1;
	return 0;
}

static void
service_run(struct service *s, uint32_t first, uint32_t rounds)
{
	uint64_t fresh = TALK + (uint64_t)first * 2 * PROMPT;

	s->talk_hits = 0;
	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t i = TALK; i-- > 0;)
			s->talk_hits += (uint32_t)service_use(s, i, i + 1);
		for (uint32_t p = 0; p < 2; p++) {
			for (uint32_t i = PROMPT; i-- > 0;)
				service_use(s, fresh + i, i + 1);
			fresh += PROMPT;
		}
	}
}

Test(density, a_conversation_survives_prompts_that_never_come_back)
{
	struct service s = {.evict = new_density(CACHE, 0)};

	service_run(&s, 0, 5);
	cr_expect_eq(s.talk_hits, 0, "nothing is known yet");
	service_run(&s, 5, 100);
	service_run(&s, 105, 100);
	cr_expect_eq(s.talk_hits, 400, "every block of every turn");
	aibrix_evict_free(s.evict);
}

Test(density, the_deepest_blocks_of_a_chain_go_first_in_any_state)
{
	struct service s = {.evict = new_density(CACHE, 0)};
	uint32_t talk[TALK], n = 0;

	service_run(&s, 0, 200);
	for (uint32_t i = TALK; i-- > 0;)
		service_use(&s, i, i + 1);
	while (n < TALK) {
		uint32_t slot = pop(s.evict);

		if (s.name_in[slot] <= TALK)
			talk[n++] = (uint32_t)s.name_in[slot] - 1;
	}
	cr_expect_eq(talk[0], 3);
	cr_expect_eq(talk[1], 2);
	cr_expect_eq(talk[2], 1);
	cr_expect_eq(talk[3], 0);
	aibrix_evict_free(s.evict);
}

Test(density, pinned_slots_are_never_victims_and_come_back_as_used)
{
	aibrix_evict *evict = new_density(3, 0);
	uint32_t slot;

	for (uint32_t i = 0; i < 3; i++)
		insert(evict, i, i, 0);
	cr_assert_eq(aibrix_evict_pin(evict, 0), AIBRIX_OK);
	cr_expect_eq(pop(evict), 1);
	cr_assert_eq(aibrix_evict_unpin(evict, 0), AIBRIX_OK);
	cr_expect_eq(pop(evict), 2);
	cr_expect_eq(pop(evict), 0);
	cr_expect_eq(aibrix_evict_pop(evict, &slot), AIBRIX_E_NOT_FOUND);
	aibrix_evict_free(evict);
}

Test(density, victims_are_remembered_and_removed_blocks_are_not)
{
	aibrix_evict *evict = new_density(2, 0);

	insert(evict, 0, 70, 0);
	insert(evict, 1, 71, 0);
	cr_expect_eq(pop(evict), 0);
	cr_assert_eq(aibrix_evict_remove(evict, 1), AIBRIX_OK);
	cr_expect_eq(stats(evict).ghosts, 1);
	insert(evict, 0, 71, 0);
	cr_expect_eq(stats(evict).ghost_hits, 0);
	insert(evict, 1, 70, 0);
	cr_expect_eq(stats(evict).ghost_hits, 1);
	cr_expect_eq(stats(evict).ghosts, 0, "it is in the cache again");
	aibrix_evict_free(evict);
}

Test(density, it_remembers_no_more_than_it_was_told_to)
{
	for (uint32_t ghosts = 1; ghosts <= 9; ghosts++) {
		aibrix_evict *evict = new_density(1, ghosts);

		for (uint64_t name = 1; name <= 100; name++) {
			insert(evict, 0, name, 0);
			cr_expect_eq(pop(evict), 0);
			cr_expect_leq(stats(evict).ghosts, ghosts);
		}
		cr_expect_geq(stats(evict).ghosts, 1);
		aibrix_evict_free(evict);
	}
}

Test(density, a_long_prompt_in_a_full_cache_keeps_its_head)
{
	struct service s = {.evict = new_density(CACHE, 0)};
	uint32_t head = 0;

	service_run(&s, 0, 200);
	for (uint32_t i = 200; i-- > 0;)
		service_use(&s, 1000000 + i, i + 1);
	for (uint32_t slot = 0; slot < CACHE; slot++)
		head += s.name_in[slot] > 1000000 &&
			s.name_in[slot] <= 1000000 + 16;
	cr_expect_eq(head, 16, "the first 16 blocks are there");
	aibrix_evict_free(s.evict);
}
