/*
 * Tickets under leases.
 *
 * What a ticket stands for is in an array of the owner, by number - 1; here
 * are only which numbers are open, since when nothing was heard of each, and
 * what names them.  A ticket holds the generation of its number, so one that
 * ended names nobody, not whoever has the number now.
 *
 *	open --> [heard of least ... most recently] --> close, or lease ended
 *
 * All leases are equally long and time does not go back in here, so the list
 * in order of the last sign of life is in order of expiry: both ends of it
 * cost O(1), and there is no heap.
 */
#ifndef BASE_TICKET_H
#define BASE_TICKET_H

#include <aibrix/base.h>

enum { TICKET_NONE = 0 };

struct ticket {
	uint64_t heard_ns;
	uint32_t generation; /* odd while open */
	uint32_t prev, next; /* numbers by heard_ns, or the next free one */
	uint32_t spare;
};

/* Zeros but for max_open and lease_ns: nothing is open. */
struct tickets {
	struct ticket *slots;
	size_t cap; /* numbers that there is room for */
	uint32_t max_open, n_slots;
	uint32_t first, last; /* least and most recently heard of */
	uint32_t free, spare;
	uint64_t open, lease_ns, now_ns;
};

/* Room for one more.  Fails: E_FULL, E_NOMEM; then nothing has changed. */
int aibrix__tickets_reserve(struct tickets *l, const aibrix_allocator *alloc);

void aibrix__tickets_free(struct tickets *l, const aibrix_allocator *alloc);

/* A number that is open from now on, which aibrix__tickets_reserve made room
 * for. */
uint32_t aibrix__ticket_open(struct tickets *l);

/* Its name; never 0. */
uint64_t aibrix__ticket_name(const struct tickets *l, uint32_t number);

/* The number that ticket names while it is open, or TICKET_NONE. */
uint32_t aibrix__ticket_find(const struct tickets *l, uint64_t ticket);

void aibrix__ticket_renew(struct tickets *l, uint32_t number);

void aibrix__ticket_close(struct tickets *l, uint32_t number);

/* The one least recently heard of, if its lease has ended; or TICKET_NONE. */
uint32_t aibrix__ticket_ended(const struct tickets *l);

/* The clock of one caller may be behind another's. */
static inline void
tickets_time(struct tickets *l, uint64_t now_ns)
{
	if (now_ns > l->now_ns)
		l->now_ns = now_ns;
}

#endif
