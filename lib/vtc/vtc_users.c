/*
 * Users: their table, their counters, and who is forgotten.
 *
 * Users choose their numbers, so there may be any number of them.  Records
 * are bounded; one that must make room is that of the idle user with the
 * least counter, and whoever is not known begins with the largest counter
 * that was ever forgotten.  So no counter is ever below what its user would
 * have with memory for all (Metwally's Space-Saving, 2005): to be forgotten
 * pays for no debt.  Mostly it costs nothing either: a counter below those
 * who wait is worth nothing, since its user would be lifted to them.
 *
 * Counters are whole numbers, 1024 to a token: what was charged can be given
 * back exactly, and the order is the same on every machine.
 */

#include "base/rand.h"
#include "vtc/vtc_internal.h"

static uint32_t *
bucket_of(const aibrix_vtc *v, uint64_t name)
{
	return &v->buckets[mix64(name ^ v->seed) & v->bucket_mask];
}

uint32_t
aibrix__vtc_find(const aibrix_vtc *v, uint64_t name)
{
	uint32_t u = *bucket_of(v, name);

	while (u != NONE && v->users[u].name != name)
		u = v->users[u].next;
	return u;
}

static void
user_unlink(aibrix_vtc *v, uint32_t user)
{
	uint32_t *at = bucket_of(v, v->users[user].name);

	while (*at != user)
		at = &v->users[*at].next;
	*at = v->users[user].next;
}

static void
user_forget(aibrix_vtc *v, uint32_t user)
{
	uint64_t counter = v->users[user].counter;

	heap_remove(&v->idle, user);
	user_unlink(v, user);
	if (counter > v->forgotten)
		v->forgotten = counter;
	if (v->last == user) {
		v->last = NONE;
		v->last_counter = counter;
	}
	v->stat.forgotten++;
}

uint32_t
aibrix__vtc_add(aibrix_vtc *v, uint64_t name)
{
	uint32_t user = NONE, *bucket = bucket_of(v, name);

	if (v->known < v->max_users) {
		user = v->known++;
	} else {
		user = heap_first(&v->idle);
		if (user == NONE)
			return NONE;
		user_forget(v, user);
	}
	v->users[user] = (struct user){
		.name = name, .counter = v->forgotten, .next = *bucket};
	*bucket = user;
	return user;
}

uint64_t
aibrix__vtc_floor(const aibrix_vtc *v)
{
	if (v->waiting.count)
		return heap_first_key(&v->waiting);
	return v->last == NONE ? v->last_counter : v->users[v->last].counter;
}

void
aibrix__vtc_lift(aibrix_vtc *v, uint32_t user)
{
	uint64_t floor = aibrix__vtc_floor(v);
	struct user *u = &v->users[user];

	if (u->counter >= floor)
		return;
	u->counter = floor;
	u->lifted = v->pops;
	v->stat.lifted++;
}

static uint64_t
lowered(uint64_t counter, uint64_t by)
{
	return counter > by ? counter - by : 0;
}

/* Lower all counters by what everybody has at least, or would be lifted to. */
static void
rebase(aibrix_vtc *v)
{
	uint64_t by = aibrix__vtc_floor(v);
	uint32_t n = v->idle.count;

	for (uint32_t i = 0; i < v->known; i++)
		v->users[i].counter = lowered(v->users[i].counter, by);
	for (uint32_t i = 0; i < v->waiting.count; i++)
		heap_at(&v->waiting, i)->key -= by;
	/* Those below are equal now, and ordered by ties alone. */
	v->idle.count = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct heap_entry e = *heap_at(&v->idle, i);

		v->places[heap_item(&e)] = NONE;
		heap_put(&v->idle, heap_item(&e), lowered(e.key, by),
			 (uint32_t)(e.rank >> 32));
	}
	v->forgotten = lowered(v->forgotten, by);
	v->last_counter = lowered(v->last_counter, by);
	v->stat.rebased++;
}

void
aibrix__vtc_place(aibrix_vtc *v, uint32_t user, int was)
{
	const struct user *u = &v->users[user];

	if (u->waiting.count) {
		heap_put(&v->waiting, user, u->counter,
			 (uint32_t)v->requests[u->waiting.head].order);
	} else {
		if (was) {
			heap_remove(&v->waiting, user);
			v->last = user;
		}
		if (u->running == 0)
			heap_put(&v->idle, user, u->counter,
				 (uint32_t)v->idled++);
	}
	if (u->counter > COUNTER_HIGH &&
	    aibrix__vtc_floor(v) > COUNTER_HIGH / 2)
		rebase(v);
}
