/* A window with its memory, and times in seconds. */
#ifndef TESTS_WINDOW_BOX_H
#define TESTS_WINDOW_BOX_H

#include <criterion/criterion.h>

#include <aibrix/window.h>

enum { BOX_SLOTS = 200 };

struct box {
	uint64_t memory[8 + 2 * BOX_SLOTS];
};

#define BOX_START ((uint64_t)1699999980 * 1000000000)

static inline uint64_t
box_time(double second)
{
	return BOX_START + (uint64_t)(second * 1e9);
}

static inline aibrix_window *
box_window(struct box *b)
{
	void *memory = b->memory;

	return memory;
}

static inline struct box
box_of(uint32_t kind, uint64_t window_s, uint64_t slot_s)
{
	aibrix_window_opts o = {.size = sizeof(o),
				.kind = kind,
				.window_ns = window_s * 1000000000,
				.slot_ns = slot_s * 1000000000};
	aibrix_window *w;
	struct box b;

	cr_assert_eq(aibrix_window_init(&o, b.memory, sizeof(b.memory), &w),
		     AIBRIX_OK);
	return b;
}

static inline void
box_add(struct box *b, double second, double value)
{
	cr_assert_eq(aibrix_window_add(box_window(b), value, box_time(second)),
		     AIBRIX_OK);
}

static inline aibrix_window_view
box_view(const struct box *b, double second)
{
	aibrix_window_view v = {.size = sizeof(v)};
	const void *memory = b->memory;

	cr_assert_eq(aibrix_window_read(memory, box_time(second), &v),
		     AIBRIX_OK);
	return v;
}

#endif
