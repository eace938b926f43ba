/*
 * What is given back waits for the next of its size, pieces are not joined:
 * tables that double leave halves that others grow into.
 */
#include "pages.h"

#include "base/alloc.h"

enum { LARGE_PAGE = 2 << 20, PIECE_MIN = 64 };

/* What is free, and the first bytes of each large page. */
struct piece {
	struct piece *next;
};

/* The number of the smallest power of two that holds so many bytes. */
static uint32_t
size_order(size_t bytes)
{
	uint32_t order = 6; /* PIECE_MIN */

	while ((size_t)1 << order < bytes)
		order++;
	return order;
}

static void
piece_put(struct pages *p, void *start, uint32_t order)
{
	struct piece *piece = start;

	piece->next = p->free[order];
	p->free[order] = piece;
}

/* The rest of a page, from its end, in as large pieces as it has. */
static void
rest_put(struct pages *p)
{
	char *page = (char *)p->taken;

	while (p->left) {
		uint32_t order = (uint32_t)__builtin_ctzll(p->left);

		p->left -= (size_t)1 << order;
		piece_put(p, page + LARGE_PAGE - p->left - ((size_t)1 << order),
			  order);
	}
}

static int
page_take(struct pages *p)
{
	struct piece *page = aibrix__alloc_pages(p->inner, LARGE_PAGE);

	if (!page)
		return 0;
	rest_put(p);
	page->next = p->taken;
	p->taken = page;
	p->left = LARGE_PAGE - PIECE_MIN;
	return 1;
}

static void *
pages_alloc(void *ctx, size_t bytes, size_t align)
{
	struct pages *p = ctx;
	uint32_t order = size_order(bytes);
	struct piece *piece;

	(void)align;
	if (order >= PAGES_SIZES - 1)
		return aibrix__alloc_pages(p->inner, (size_t)1 << order);
	piece = p->free[order];
	if (piece) {
		p->free[order] = piece->next;
		return piece;
	}
	if (p->left < (size_t)1 << order && !page_take(p))
		return NULL;
	p->left -= (size_t)1 << order;
	return (char *)p->taken + LARGE_PAGE - p->left - ((size_t)1 << order);
}

static void
pages_free(void *ctx, void *ptr, size_t bytes)
{
	struct pages *p = ctx;
	uint32_t order = size_order(bytes);

	if (order >= PAGES_SIZES - 1)
		aibrix__free(p->inner, ptr, 1, (size_t)1 << order);
	else
		piece_put(p, ptr, order);
}

void
pages_open(struct pages *p, const aibrix_allocator *inner)
{
	*p = (struct pages){
		.allocator = {.size = sizeof(p->allocator),
			      .ctx = p,
			      .alloc = pages_alloc,
			      .free = pages_free},
		.inner = inner,
	};
}

void
pages_close(struct pages *p)
{
	struct piece *page = p->taken, *next;

	for (; page; page = next) {
		next = page->next;
		aibrix__free(p->inner, page, 1, LARGE_PAGE);
	}
}
