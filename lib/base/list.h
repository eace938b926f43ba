/* Lists of small numbers: a number is in at most one list of its array of
 * links, so joining and leaving never allocate. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdint.h>

#define NONE UINT32_MAX

struct link {
	uint32_t prev, next;
};

struct list {
	uint32_t head, tail; /* of no meaning when count is 0 */
	uint32_t count;
};

static inline void
list_append(struct list *list, struct link *links, uint32_t i)
{
	links[i] = (struct link){list->tail, NONE};
	if (list->count == 0) {
		links[i].prev = NONE;
		list->head = i;
	} else {
		links[list->tail].next = i;
	}
	list->tail = i;
	list->count++;
}

static inline void
list_prepend(struct list *list, struct link *links, uint32_t i)
{
	links[i] = (struct link){NONE, list->head};
	if (list->count == 0) {
		links[i].next = NONE;
		list->tail = i;
	} else {
		links[list->head].prev = i;
	}
	list->head = i;
	list->count++;
}

static inline void
list_remove(struct list *list, struct link *links, uint32_t i)
{
	struct link at = links[i];

	if (at.prev == NONE)
		list->head = at.next;
	else
		links[at.prev].next = at.next;
	if (at.next == NONE)
		list->tail = at.prev;
	else
		links[at.next].prev = at.prev;
	list->count--;
}

/* The first, taken out; NONE when there is none. */
static inline uint32_t
list_pop(struct list *list, struct link *links)
{
	uint32_t i = NONE;

	if (list->count) {
		i = list->head;
		list_remove(list, links, i);
	}
	return i;
}

#endif
