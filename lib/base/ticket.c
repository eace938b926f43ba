#include "base/ticket.h"

#include "base/alloc.h"

int
aibrix__tickets_reserve(struct tickets *l, const aibrix_allocator *alloc)
{
	if (l->free)
		return AIBRIX_OK;
	if (l->n_slots == l->max_open)
		return AIBRIX_E_FULL;
	return aibrix__grow(alloc, &l->slots, &l->cap, l->n_slots + 1,
			    sizeof(*l->slots));
}

void
aibrix__tickets_free(struct tickets *l, const aibrix_allocator *alloc)
{
	aibrix__free(alloc, l->slots, l->cap, sizeof(*l->slots));
}

static struct ticket *
ticket_at(const struct tickets *l, uint32_t number)
{
	return &l->slots[number - 1];
}

static void
list_remove(struct tickets *l, uint32_t number)
{
	struct ticket *s = ticket_at(l, number);

	if (s->prev)
		ticket_at(l, s->prev)->next = s->next;
	else
		l->first = s->next;
	if (s->next)
		ticket_at(l, s->next)->prev = s->prev;
	else
		l->last = s->prev;
}

/* Heard of now. */
static void
list_add(struct tickets *l, uint32_t number)
{
	struct ticket *s = ticket_at(l, number);

	s->heard_ns = l->now_ns;
	s->prev = l->last;
	s->next = TICKET_NONE;
	if (s->prev)
		ticket_at(l, s->prev)->next = number;
	else
		l->first = number;
	l->last = number;
}

uint32_t
aibrix__ticket_open(struct tickets *l)
{
	uint32_t number = l->free;

	if (number)
		l->free = ticket_at(l, number)->next;
	else
		number = ++l->n_slots;
	ticket_at(l, number)->generation++;
	list_add(l, number);
	l->open++;
	return number;
}

uint64_t
aibrix__ticket_name(const struct tickets *l, uint32_t number)
{
	return (uint64_t)ticket_at(l, number)->generation << 32 | number;
}

uint32_t
aibrix__ticket_find(const struct tickets *l, uint64_t ticket)
{
	uint32_t number = (uint32_t)ticket;

	if (number == TICKET_NONE || number > l->n_slots ||
	    ticket_at(l, number)->generation != ticket >> 32 ||
	    !(ticket >> 32 & 1))
		return TICKET_NONE;
	return number;
}

void
aibrix__ticket_renew(struct tickets *l, uint32_t number)
{
	list_remove(l, number);
	list_add(l, number);
}

void
aibrix__ticket_close(struct tickets *l, uint32_t number)
{
	struct ticket *s = ticket_at(l, number);

	list_remove(l, number);
	s->generation++;
	s->next = l->free;
	l->free = number;
	l->open--;
}

uint32_t
aibrix__ticket_ended(const struct tickets *l)
{
	if (l->lease_ns == AIBRIX_FOREVER || !l->first ||
	    l->now_ns - ticket_at(l, l->first)->heard_ns <= l->lease_ns)
		return TICKET_NONE;
	return l->first;
}
