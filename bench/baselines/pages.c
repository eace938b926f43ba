/*
 * What is given back waits for the next of its size, pieces are not joined:
 * tables that double leave halves that others grow into.
 */
#include "pages.h"

#include "base/alloc.h"

enum { LARGE_PAGE = 2 << 20, ORDER_MIN = 6 };

struct piece {
	struct piece *next;
};

struct page {
	struct page *next;
	char *start;
};

/* The number of the smallest power of two that holds so many bytes. */
static uint32_t
size_order(size_t bytes)
{
	uint32_t order = ORDER_MIN;

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

/* The rest of the last page in pieces, the smallest first: so each lies at a
 * multiple of its size. */
static void
rest_put(struct pages *p)
{
	while (p->left) {
		uint32_t order = (uint32_t)__builtin_ctzll(p->left);

		piece_put(p, p->taken->start + LARGE_PAGE - p->left, order);
		p->left -= (size_t)1 << order;
	}
}

static int
page_take(struct pages *p)
{
	struct page *page = aibrix__alloc(p->inner, 1, sizeof(*page));

	if (!page)
		return 0;
	page->start = aibrix__alloc_pages(p->inner, LARGE_PAGE);
	if (!page->start) {
		aibrix__free(p->inner, page, 1, sizeof(*page));
		return 0;
	}
	rest_put(p);
	page->next = p->taken;
	p->taken = page;
	p->left = LARGE_PAGE;
	p->idle += LARGE_PAGE;
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
	if (!piece && p->left < (size_t)1 << order && !page_take(p))
		return NULL;
	p->idle -= (size_t)1 << order;
	if (piece) {
		p->free[order] = piece->next;
		return piece;
	}
	p->left -= (size_t)1 << order;
	return p->taken->start + LARGE_PAGE - p->left - ((size_t)1 << order);
}

static void
pages_free(void *ctx, void *ptr, size_t bytes)
{
	struct pages *p = ctx;
	uint32_t order = size_order(bytes);

	if (order >= PAGES_SIZES - 1) {
		aibrix__free(p->inner, ptr, 1, (size_t)1 << order);
		return;
	}
	p->idle += (size_t)1 << order;
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
	struct page *page = p->taken, *next;

	for (; page; page = next) {
		next = page->next;
		aibrix__free(p->inner, page->start, 1, LARGE_PAGE);
		aibrix__free(p->inner, page, 1, sizeof(*page));
	}
}
