#include <criterion/criterion.h>

#include "baselines_program.h"
#include "failing.h"

enum { PROGRAMS = 150, PROMPT = 300, N_DESIGNS = 4 };

static const struct baseline *const designs[N_DESIGNS] = {
	&baseline_nested_map,
	&baseline_radix_locks,
	&baseline_positional_32,
	&baseline_owner_maps,
};

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(const struct baseline *b, int holes, uint64_t *which)
{
	const char *bad = NULL;

	for (*which = 0; !bad && *which < PROGRAMS; ++*which)
		bad = program_run(b, *which, holes);
	return bad;
}

static void
expect_exact(const struct baseline *b, int holes)
{
	uint64_t which;
	const char *bad = programs_run(b, holes, &which);

	cr_expect_null(bad, "%s, seed %u: %s", b->name, (unsigned)which - 1,
		       bad);
}

Test(baselines, a_nested_map_answers_as_the_index)
{
	expect_exact(&baseline_nested_map, 0);
	expect_exact(&baseline_nested_map, 1);
}

Test(baselines, a_radix_tree_answers_as_the_index)
{
	expect_exact(&baseline_radix_locks, 0);
	expect_exact(&baseline_radix_locks, 1);
}

Test(baselines, a_map_of_names_per_owner_answers_as_the_index)
{
	expect_exact(&baseline_owner_maps, 0);
	expect_exact(&baseline_owner_maps, 1);
}

Test(baselines, a_positional_table_answers_as_the_index)
{
	expect_exact(&baseline_positional_32, 0);
	expect_exact(&baseline_positional_64, 0);
	expect_exact(&baseline_positional_each, 0);
	expect_exact(&baseline_positional_each, 1);
}

Test(baselines, jumps_over_holes_are_found_out)
{
	uint64_t which;

	cr_expect_not_null(programs_run(&baseline_positional_32, 1, &which));
	cr_expect_not_null(programs_run(&baseline_positional_64, 1, &which));
}

static void
nothing_cleared(void *self, uint32_t owner)
{
	(void)self;
	(void)owner;
}

Test(baselines, a_design_that_ignores_clears_is_found_out)
{
	struct baseline deaf = baseline_radix_locks;
	uint64_t which;

	deaf.cleared = nothing_cleared;
	cr_expect_not_null(programs_run(&deaf, 0, &which));
}

/* Prompts that share their first half, stored and removed in turn. */
static uint64_t
bytes_after(const struct baseline *b, uint32_t rounds)
{
	void *self = b->create(4, NULL);
	uint64_t hashes[PROMPT], names[PROMPT], bytes;

	cr_assert_not_null(self);
	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < PROMPT; i++)
			names[i] = hashes[i] =
				i + (i < PROMPT / 2 ? 1 : (round + 1) * 1000);
		cr_assert_eq(
			b->stored(self, round % 4, 0, 0, hashes, names, PROMPT),
			AIBRIX_OK);
		if (round % 8 == 3)
			for (uint32_t owner = 0; owner < 4; owner++)
				b->cleared(self, owner);
		else if (round % 8 >= 4)
			b->removed(self, round % 4, names, PROMPT);
	}
	bytes = b->bytes(self);
	b->destroy(self);
	return bytes;
}

Test(baselines, blocks_that_nobody_holds_take_no_memory)
{
	for (uint32_t i = 0; i < N_DESIGNS; i++)
		cr_expect_leq(bytes_after(designs[i], 8000),
			      bytes_after(designs[i], 80) * 2, "%s",
			      designs[i]->name);
}

/* Events that no engine sends: names that mean now this, now that. */
static void
disorder_run(const struct baseline *b, void *self, uint64_t random)
{
	uint64_t hashes[4], names[4];

	for (uint32_t step = 0; step < 400; step++) {
		uint32_t owner = rand_below(&random, 8);
		uint32_t n = rand_below(&random, 5);

		for (uint32_t i = 0; i < n; i++) {
			hashes[i] = rand_below(&random, 3);
			names[i] = rand_below(&random, 24);
		}
		if (rand_below(&random, 40) == 0)
			b->cleared(self, owner);
		else if (rand_below(&random, 3) == 0)
			b->removed(self, owner, names, n);
		else
			b->stored(self, owner, rand_below(&random, 24),
				  rand_below(&random, 2), hashes, names, n);
	}
	for (uint32_t owner = 0; owner < 8; owner++)
		b->cleared(self, owner);
}

Test(baselines, names_that_change_their_meaning_leave_nothing_behind)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		for (uint32_t i = 0; i < N_DESIGNS; i++) {
			const struct baseline *b = designs[i];
			void *self = b->create(8, NULL);
			aibrix_match out[8];

			cr_assert_not_null(self);
			disorder_run(b, self, seed);
			for (uint64_t hash = 0; hash < 3; hash++)
				cr_expect_eq(b->lookup(self, &hash, 1, out, 8),
					     0);
			b->destroy(self);
		}
	}
}

/* Whether an allocation failed. */
static int
fail_at(const struct baseline *b, uint64_t call)
{
	struct failing f = {.fail_at = call};
	aibrix_allocator a = failing_allocator(&f);
	void *self = b->create(8, &a);

	if (self) {
		disorder_run(b, self, call);
		b->destroy(self);
	}
	cr_expect_eq(f.live, 0, "%s", b->name);
	cr_expect_eq(f.live_bytes, 0, "%s", b->name);
	return f.calls > call;
}

Test(baselines, memory_that_runs_out_leaves_nothing_behind)
{
	for (uint32_t i = 0; i < N_DESIGNS; i++)
		for (uint64_t n = 0; n < 200 && fail_at(designs[i], n); n++)
			continue;
}
