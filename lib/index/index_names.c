/*
 * Names that are not in the map: second names of a place (twins), names
 * that mean something else to one owner than to the others (private), and
 * names whose position in the engine array already means another place.
 *
 * Owners whose engines agree never come here.  Hash chains through a slab;
 * each alias is also in a list of its run, to go with its place, and each
 * private one in a list of its owner.
 */

#include "index/index_internal.h"

#include <string.h>

static uint32_t *
head_of(const struct aibrix_index *index, uint32_t scope, uint64_t name)
{
	uint64_t x = mix64((name ^ index->salt) + scope * 0x9e3779b97f4a7c15u);

	return &index->aliases.heads[x & (index->aliases.n_heads - 1)];
}

uint32_t
aibrix__alias_find(const struct aibrix_index *index, uint32_t scope,
		   uint64_t name)
{
	uint32_t id;

	if (!index->aliases.items.live)
		return NONE;
	id = *head_of(index, scope, name);
	while (id != NONE) {
		const struct alias *alias = alias_at(index, id);

		if (alias->name == name && alias->scope == scope)
			break;
		id = alias->next;
	}
	return id;
}

int
aibrix__aliases_reserve(struct aibrix_index *index, uint64_t more)
{
	struct aliases *a = &index->aliases;
	uint64_t want = a->items.live + more;
	size_t n = a->n_heads ? a->n_heads : 64;
	uint32_t *old = a->heads;
	size_t n_old = a->n_heads;
	int err;

	if (!more)
		return AIBRIX_OK;
	err = aibrix__slab_reserve(&index->mem, &a->items, more);
	if (err || want <= n_old)
		return err;
	while (n < want)
		n *= 2;
	a->heads = aibrix__mem_take(&index->mem, n, sizeof(*old), &err);
	if (!a->heads) {
		a->heads = old;
		return err;
	}
	memset(a->heads, 0xff, n * sizeof(*old)); /* NONE */
	a->n_heads = n;
	for (size_t i = 0; i < n_old; i++) {
		for (uint32_t id = old[i], next; id != NONE; id = next) {
			struct alias *alias = alias_at(index, id);
			uint32_t *head =
				head_of(index, alias->scope, alias->name);

			next = alias->next;
			alias->next = *head;
			*head = id;
		}
	}
	aibrix__mem_give(&index->mem, old, n_old, sizeof(*old));
	return AIBRIX_OK;
}

uint32_t
aibrix__alias_add(struct aibrix_index *index, uint32_t scope, uint64_t name,
		  const struct run *run, uint32_t off)
{
	struct slab *items = &index->aliases.items;
	uint32_t *head = head_of(index, scope, name), *own = NULL;
	uint32_t *first = &run_at(index, run->id)->aliases;
	uint32_t id = items->free;
	struct alias *alias;

	if (scope != SHARED)
		own = &index->owners[scope]->private;
	if (id == NONE)
		id = items->used++;
	alias = alias_at(index, id);
	if (id == items->free)
		items->free = alias->next;
	items->live++;
	*alias = (struct alias){name,   scope, run->id,           off, *head,
				*first, NONE,  own ? *own : NONE, NONE};
	*head = id;
	if (*first != NONE)
		alias_at(index, *first)->run_prev = id;
	*first = id;
	if (!own)
		return id;
	if (*own != NONE)
		alias_at(index, *own)->own_prev = id;
	*own = id;
	return id;
}

static void
run_unlist(struct aibrix_index *index, const struct alias *alias)
{
	if (alias->run_prev != NONE)
		alias_at(index, alias->run_prev)->run_next = alias->run_next;
	else
		run_at(index, alias->run)->aliases = alias->run_next;
	if (alias->run_next != NONE)
		alias_at(index, alias->run_next)->run_prev = alias->run_prev;
}

static void
own_unlist(struct aibrix_index *index, const struct alias *alias)
{
	if (alias->own_prev != NONE)
		alias_at(index, alias->own_prev)->own_next = alias->own_next;
	else
		index->owners[alias->scope]->private = alias->own_next;
	if (alias->own_next != NONE)
		alias_at(index, alias->own_next)->own_prev = alias->own_prev;
}

void
aibrix__alias_drop(struct aibrix_index *index, uint32_t id)
{
	struct alias *alias = alias_at(index, id);
	uint32_t *link = head_of(index, alias->scope, alias->name);

	while (*link != id)
		link = &alias_at(index, *link)->next;
	*link = alias->next;
	run_unlist(index, alias);
	if (alias->scope != SHARED)
		own_unlist(index, alias);
	alias->run = NONE;
	alias->next = index->aliases.items.free;
	index->aliases.items.free = id;
	index->aliases.items.live--;
}

void
aibrix__aliases_cut(struct aibrix_index *index, struct run *run, uint32_t len)
{
	for (uint32_t id = run->aliases, next; id != NONE; id = next) {
		next = alias_at(index, id)->run_next;
		if (alias_at(index, id)->off >= len)
			aibrix__alias_drop(index, id);
	}
}

void
aibrix__aliases_free(struct aibrix_index *index)
{
	struct aliases *a = &index->aliases;

	aibrix__slab_free(&index->mem, &a->items);
	aibrix__mem_give(&index->mem, a->heads, a->n_heads, sizeof(*a->heads));
	a->heads = NULL;
	a->n_heads = 0;
}

static uint32_t
alias_meaning(const struct aibrix_index *index, uint32_t id, struct run **run)
{
	if (id == NONE)
		return NONE;
	*run = run_at(index, alias_at(index, id)->run);
	return alias_at(index, id)->off;
}

static uint32_t
shared_resolve(const struct aibrix_index *index, uint64_t name,
	       struct run **run)
{
	uint32_t off = aibrix__map_find(index, name, run);

	if (off != NONE)
		return off;
	return alias_meaning(index, aibrix__alias_find(index, SHARED, name),
			     run);
}

/* Owners without private names, nearly all, skip the search. */
static uint32_t
private_find(const struct aibrix_index *index, uint32_t owner, uint64_t name)
{
	if (index->owners[owner]->private == NONE)
		return NONE;
	return aibrix__alias_find(index, owner, name);
}

uint32_t
aibrix__name_resolve(const struct aibrix_index *index, uint32_t owner,
		     uint64_t name, struct run **run)
{
	uint32_t id = private_find(index, owner, name);

	if (id != NONE)
		return alias_meaning(index, id, run);
	return shared_resolve(index, name, run);
}

static int
place_named(const struct aibrix_index *index, const struct run *run,
	    uint32_t off)
{
	if (!run->unfiled || !bit_get(run->unfiled, off))
		return 1;
	for (uint32_t id = run->aliases; id != NONE;
	     id = alias_at(index, id)->run_next)
		if (alias_at(index, id)->off == off)
			return 1;
	return 0;
}

void
aibrix__name_announce(struct aibrix_index *index, uint32_t owner, uint64_t name,
		      struct run *run, uint32_t off)
{
	uint32_t own = private_find(index, owner, name), shared_off;
	struct run *shared = NULL;
	int agrees;

	shared_off = shared_resolve(index, name, &shared);
	agrees = shared_off != NONE && shared == run && shared_off == off;
	if (own != NONE && !agrees && shared_off != NONE &&
	    alias_at(index, own)->run == run->id &&
	    alias_at(index, own)->off == off)
		return;
	if (own != NONE)
		aibrix__alias_drop(index, own);
	if (agrees)
		return;
	if (place_named(index, run, off))
		index->stat.twins++;
	aibrix__alias_add(index, shared_off == NONE ? SHARED : owner, name, run,
			  off);
}
