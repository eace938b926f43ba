/* Ghosts against a plain list of what came and has not left. */

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/rand.h"
#include "evict/evict_ghost.h"

enum { CAP = 600, NAMES = 3000, STEPS = 300000, MANY = 100000 };

/* What the test remembers: by name, list + 1 and when it came. */
struct naive {
	uint32_t list[NAMES];
	uint64_t came[NAMES];
	uint64_t next[GHOST_LISTS];
	uint32_t count[GHOST_LISTS];
};

static void
naive_forget_oldest(struct naive *m, uint32_t list)
{
	uint32_t oldest = NAMES;

	for (uint32_t i = 0; i < NAMES; i++)
		if (m->list[i] == list + 1 &&
		    (oldest == NAMES || m->came[i] < m->came[oldest]))
			oldest = i;
	cr_assert_lt(oldest, NAMES);
	m->list[oldest] = 0;
	m->count[list]--;
}

static void
naive_push(struct naive *m, uint32_t list, uint32_t name)
{
	if (m->list[name])
		m->count[m->list[name] - 1]--;
	else if (m->count[0] + m->count[1] == CAP)
		naive_forget_oldest(m, m->count[list] ? list : !list);
	m->list[name] = list + 1;
	m->came[name] = m->next[list]++;
	m->count[list]++;
}

static void
ghost_new(struct evict_ghost *ghost, aibrix_allocator *alloc, uint32_t cap)
{
	*ghost = (struct evict_ghost){0};
	cr_assert_eq(aibrix__allocator_load(alloc, NULL), AIBRIX_OK);
	cr_assert_eq(aibrix__ghost_open(ghost, alloc, cap, GHOST_LISTS),
		     AIBRIX_OK);
}

static uint32_t
find(const struct evict_ghost *ghost, uint64_t name)
{
	return ghost_find(ghost, ghost_place(ghost, name));
}

static uint32_t
take(struct evict_ghost *ghost, uint64_t name)
{
	return ghost_take(ghost, ghost_place(ghost, name));
}

Test(evict_ghost, exactly_the_newest_are_remembered)
{
	static struct naive m;
	aibrix_allocator alloc;
	struct evict_ghost ghost;
	uint64_t state = 1;

	ghost_new(&ghost, &alloc, CAP);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t name = rand_below(&state, NAMES);
		uint32_t list = rand_below(&state, 8) == 0;

		if (rand_below(&state, 4)) {
			aibrix__ghost_push(&ghost, list, name);
			naive_push(&m, list, name);
		} else {
			cr_assert_eq(take(&ghost, name), m.list[name]);
			if (m.list[name])
				m.count[m.list[name] - 1]--;
			m.list[name] = 0;
		}
		name = rand_below(&state, NAMES);
		cr_assert_eq(find(&ghost, name), m.list[name], "step %u", step);
		cr_assert_eq(ghost.fifo[0].count, m.count[0]);
		cr_assert_eq(ghost.fifo[1].count, m.count[1]);
	}
	aibrix__ghost_close(&ghost, &alloc);
}

/* One stays while others come and go at once: in the end it is too old. */
Test(evict_ghost, what_is_older_than_the_window_goes)
{
	aibrix_allocator alloc;
	struct evict_ghost ghost;
	uint32_t pushes = 0;

	ghost_new(&ghost, &alloc, 3);
	aibrix__ghost_push(&ghost, 0, MANY);
	while (find(&ghost, MANY)) {
		aibrix__ghost_push(&ghost, 0, pushes);
		cr_assert_eq(take(&ghost, pushes), 1);
		pushes++;
		cr_assert_lt(pushes, MANY);
	}
	cr_expect_eq(pushes, 4096 - 64, "numbers of a small window");
	cr_expect_eq(ghost_count(&ghost), 0);
	aibrix__ghost_close(&ghost, &alloc);
}

/* Numbers go round; what was there before is not seen again. */
Test(evict_ghost, numbers_may_go_round)
{
	aibrix_allocator alloc;
	struct evict_ghost ghost;
	uint32_t *words;

	ghost_new(&ghost, &alloc, 3);
	for (uint32_t i = 0; i < GHOST_LISTS; i++)
		ghost.fifo[i].oldest = ghost.fifo[i].next = 0x7ffffffe;
	/* Tags and numbers: what came last was forgotten. */
	words = (void *)ghost.sets;
	for (uint32_t i = 0; i < ghost.n * 16; i++)
		words[i] = 0x7ffffffd;
	for (uint32_t i = 0; i < 100; i++) {
		aibrix__ghost_push(&ghost, i % 2, i);
		cr_assert_eq(find(&ghost, i), i % 2 + 1);
	}
	cr_expect_eq(ghost_count(&ghost), 3);
	/* 99 came for 97, of its list. */
	for (uint32_t i = 0; i < 98; i++)
		cr_expect_eq(find(&ghost, i), i == 96, "%u", i);
	aibrix__ghost_close(&ghost, &alloc);
}

Test(evict_ghost, without_room_nothing_is_remembered)
{
	aibrix_allocator alloc;
	struct evict_ghost ghost;

	ghost_new(&ghost, &alloc, 0);
	aibrix__ghost_push(&ghost, 1, 5);
	cr_expect_eq(find(&ghost, 5), 0);
	cr_expect_eq(ghost_count(&ghost), 0);
	aibrix__ghost_close(&ghost, &alloc);
}
