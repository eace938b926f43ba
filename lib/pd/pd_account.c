#include "base/alloc.h"
#include "base/rand.h"
#include "pd/pd_ledger_internal.h"

enum { CAP_MIN = 16 };

static size_t
home_of(const struct accounts *a, uint64_t pod)
{
	return (size_t)mix64(pod + 0x9e3779b97f4a7c15u) & (a->cap - 1);
}

/* The place of pod, or the free one where it would be. */
static struct account *
place_of(const struct accounts *a, uint64_t pod)
{
	size_t at = home_of(a, pod);

	while (a->slots[at].used && a->slots[at].pod != pod)
		at = (at + 1) & (a->cap - 1);
	return &a->slots[at];
}

int
aibrix__accounts_reserve(struct accounts *a, const aibrix_allocator *alloc)
{
	struct accounts more = *a;

	if (2 * ((size_t)a->n + 2) <= a->cap)
		return AIBRIX_OK;
	more.cap = a->cap ? 2 * a->cap : CAP_MIN;
	more.slots = aibrix__alloc(alloc, more.cap, sizeof(*more.slots));
	if (!more.slots)
		return AIBRIX_E_NOMEM;
	for (size_t i = 0; i < a->cap; i++)
		if (a->slots[i].used)
			*place_of(&more, a->slots[i].pod) = a->slots[i];
	aibrix__accounts_free(a, alloc);
	*a = more;
	return AIBRIX_OK;
}

void
aibrix__accounts_free(struct accounts *a, const aibrix_allocator *alloc)
{
	aibrix__free(alloc, a->slots, a->cap, sizeof(*a->slots));
}

struct account *
aibrix__account_find(const struct accounts *a, uint64_t pod)
{
	struct account *at = a->cap ? place_of(a, pod) : NULL;

	return at && at->used ? at : NULL;
}

struct account *
aibrix__account_open(struct accounts *a, uint64_t pod)
{
	struct account *at = place_of(a, pod);

	if (!at->used) {
		*at = (struct account){.pod = pod, .used = 1};
		a->n++;
	}
	return at;
}

int
aibrix__charge_is_none(const aibrix_pd_charge *c)
{
	return (c->prefills | c->tokens | c->kv_tokens | c->arriving |
		c->decodes | c->decode_tokens) == 0;
}

/* Those behind the gap who would not be found over it move into it. */
void
aibrix__account_close(struct accounts *a, struct account *account)
{
	size_t mask = a->cap - 1, gap = (size_t)(account - a->slots);

	if (account->open || !aibrix__charge_is_none(&account->others))
		return;
	for (size_t at = (gap + 1) & mask; a->slots[at].used;
	     at = (at + 1) & mask) {
		size_t home = home_of(a, a->slots[at].pod);

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		a->slots[gap] = a->slots[at];
		gap = at;
	}
	a->slots[gap] = (struct account){0};
	a->n--;
}
