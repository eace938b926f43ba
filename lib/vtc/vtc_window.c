/*
 * A sliding window of tokens for each user.
 *
 *   user  ->  older buckets, from a common stock; the newest in its record
 *   three heaps of users: least tokens, most tokens, oldest bucket
 *
 * AIBrix keeps a map of buckets for each user for ever, and finds the least
 * and the most among all users by looking at all.  Here a user without
 * tokens is not kept at all, memory is bounded, and least and most are the
 * first of a heap.  When the stock is out, a user's newest bucket takes what
 * comes and is dated anew: tokens count longer then, never shorter, so that
 * nobody gets rid of tokens by using many buckets or many names.
 *
 * Positive doubles are ordered as their bits are, so one heap of whole
 * numbers serves tokens and times.
 */

#include <aibrix/vtc_window.h>

#include <string.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/rand.h"
#include "base/versioned.h"

enum {
	WINDOW_DEFAULT = 5,
	WINDOW_MAX = 1 << 20,
	USERS_DEFAULT = 65536,
	USERS_MAX = 1 << 24,
	BUCKETS_EACH = 4,
	BUCKETS_MAX = 1 << 28,
	KNOWN_FLAGS = AIBRIX_VTC_INPUT_WEIGHT_SET |
		      AIBRIX_VTC_OUTPUT_WEIGHT_SET | AIBRIX_VTC_MIN_TOKENS_SET
};

/* Sums of 2^63 tokens with such a weight stay finite. */
#define NUMBER_MAX 1e15

#define SECOND_NS ((uint64_t)1000000000)
#define MILLISECOND_NS ((uint64_t)1000000)

enum { LEAST, MOST, OLDEST, HEAPS };

struct bucket {
	uint64_t at; /* in ticks */
	double tokens;
};

struct holder {
	uint64_t name;
	double total;
	struct bucket newest;
	struct list older; /* oldest first */
	uint32_t next;     /* in its chain; while free, the next free one */
};

struct aibrix_vtc_window {
	aibrix_allocator alloc;
	uint32_t profile;
	uint32_t max_users, max_buckets, chain_mask;
	uint64_t tick_ns, window; /* window in ticks */
	double input_weight, output_weight, min_tokens, max_tokens;
	uint64_t seed;
	uint64_t now; /* in ticks, the latest seen */
	struct holder *users;
	uint32_t *chains;    /* users by name; NONE: empty */
	uint32_t free_users; /* the first; NONE: none */
	struct bucket *buckets;
	struct link *links; /* of buckets */
	struct list free_buckets;
	/* All users with tokens. */
	struct heap heaps[HEAPS];
	uint32_t *places[HEAPS];
};

static uint64_t
number_bits(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* NaN fails too. */
static int
number_load(double *x, double otherwise, int set)
{
	if (*x == 0 && !set)
		*x = otherwise;
	return *x >= 0 && *x <= NUMBER_MAX;
}

static int
opts_load(aibrix_vtc_window_opts *own, aibrix_allocator *alloc,
	  const aibrix_vtc_window_opts *opts)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), opts,
				  STRUCT_UPTO(aibrix_vtc_window_opts, alloc));
	if (err)
		return err;
	if (own->flags & ~(uint32_t)KNOWN_FLAGS)
		return AIBRIX_E_ABI;
	if (own->window == 0)
		own->window = WINDOW_DEFAULT;
	if (own->max_users == 0)
		own->max_users = USERS_DEFAULT;
	if (own->profile > AIBRIX_VTC_WINDOW_COMPAT ||
	    own->unit > AIBRIX_VTC_MILLISECONDS || own->window > WINDOW_MAX ||
	    own->max_users > USERS_MAX || own->max_buckets > BUCKETS_MAX ||
	    own->spare)
		return AIBRIX_E_INVAL;
	if (own->max_buckets == 0)
		own->max_buckets = BUCKETS_EACH * own->max_users;
	if (!number_load(&own->input_weight, 1,
			 own->flags & AIBRIX_VTC_INPUT_WEIGHT_SET) ||
	    !number_load(&own->output_weight, 2,
			 own->flags & AIBRIX_VTC_OUTPUT_WEIGHT_SET) ||
	    !number_load(&own->min_tokens, 1000,
			 own->flags & AIBRIX_VTC_MIN_TOKENS_SET) ||
	    !number_load(&own->max_tokens, 8000, 0))
		return AIBRIX_E_INVAL;
	return aibrix__allocator_load(alloc, own->alloc);
}

static int
arrays_take(aibrix_vtc_window *w)
{
	const aibrix_allocator *a = &w->alloc;
	uint32_t chains = 1;

	while (chains < w->max_users)
		chains *= 2;
	w->chain_mask = chains - 1;
	w->users = aibrix__alloc(a, w->max_users, sizeof(*w->users));
	w->chains = aibrix__alloc(a, chains, sizeof(*w->chains));
	w->buckets = aibrix__alloc(a, w->max_buckets, sizeof(*w->buckets));
	w->links = aibrix__alloc(a, w->max_buckets, sizeof(*w->links));
	if (!w->users || !w->chains || !w->buckets || !w->links)
		return 0;
	for (int i = 0; i < HEAPS; i++) {
		uint32_t *place =
			aibrix__alloc(a, w->max_users, sizeof(*place));

		w->places[i] = place;
		if (!place || !heap_take(&w->heaps[i], a, w->max_users, place))
			return 0;
		memset(place, 0xff, w->max_users * sizeof(*place));
	}
	memset(w->chains, 0xff, chains * sizeof(*w->chains));
	for (uint32_t i = 0; i < w->max_users; i++)
		w->users[i].next = i + 1 < w->max_users ? i + 1 : NONE;
	for (uint32_t i = 0; i < w->max_buckets; i++)
		list_append(&w->free_buckets, w->links, i);
	return 1;
}

int
aibrix_vtc_window_new(const aibrix_vtc_window_opts *opts,
		      aibrix_vtc_window **out)
{
	aibrix_allocator alloc;
	aibrix_vtc_window_opts own;
	aibrix_vtc_window *w;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	w = aibrix__alloc(&alloc, 1, sizeof(*w));
	if (!w)
		return AIBRIX_E_NOMEM;
	w->alloc = alloc;
	w->profile = own.profile;
	w->max_users = own.max_users;
	w->max_buckets = own.max_buckets;
	w->tick_ns = own.unit == AIBRIX_VTC_MILLISECONDS ? MILLISECOND_NS
							 : SECOND_NS;
	w->window = own.unit == AIBRIX_VTC_MINUTES ? 60 * (uint64_t)own.window
						   : own.window;
	w->input_weight = own.input_weight;
	w->output_weight = own.output_weight;
	w->min_tokens = own.min_tokens;
	w->max_tokens = own.max_tokens;
	w->seed = own.seed;
	if (!arrays_take(w)) {
		aibrix_vtc_window_free(w);
		return AIBRIX_E_NOMEM;
	}
	*out = w;
	return AIBRIX_OK;
}

void
aibrix_vtc_window_free(aibrix_vtc_window *window)
{
	aibrix_vtc_window *w = window;
	aibrix_allocator a;

	if (!w)
		return;
	a = w->alloc;
	aibrix__free(&a, w->users, w->max_users, sizeof(*w->users));
	aibrix__free(&a, w->chains, (size_t)w->chain_mask + 1,
		     sizeof(*w->chains));
	aibrix__free(&a, w->buckets, w->max_buckets, sizeof(*w->buckets));
	aibrix__free(&a, w->links, w->max_buckets, sizeof(*w->links));
	for (int i = 0; i < HEAPS; i++) {
		aibrix__free(&a, w->places[i], w->max_users,
			     sizeof(*w->places[i]));
		heap_give(&w->heaps[i], &a);
	}
	aibrix__free(&a, w, 1, sizeof(*w));
}

static uint32_t *
chain_of(const aibrix_vtc_window *w, uint64_t name)
{
	return &w->chains[mix64(name ^ w->seed) & w->chain_mask];
}

static uint32_t
user_find(const aibrix_vtc_window *w, uint64_t name)
{
	uint32_t u = *chain_of(w, name);

	while (u != NONE && w->users[u].name != name)
		u = w->users[u].next;
	return u;
}

/* Its tokens or its buckets have changed. */
static void
user_place(aibrix_vtc_window *w, uint32_t user)
{
	const struct holder *h = &w->users[user];
	uint64_t bits = number_bits(h->total), at = h->newest.at;

	if (h->older.count)
		at = w->buckets[h->older.head].at;
	heap_put(&w->heaps[LEAST], user, bits, 0);
	heap_put(&w->heaps[MOST], user, ~bits, 0);
	heap_put(&w->heaps[OLDEST], user, at, 0);
}

static void
user_remove(aibrix_vtc_window *w, uint32_t user)
{
	struct holder *h = &w->users[user];
	uint32_t *at = chain_of(w, h->name);

	while (*at != user)
		at = &w->users[*at].next;
	*at = h->next;
	while (h->older.count)
		list_append(&w->free_buckets, w->links,
			    list_pop(&h->older, w->links));
	heap_remove(&w->heaps[LEAST], user);
	heap_remove(&w->heaps[MOST], user);
	heap_remove(&w->heaps[OLDEST], user);
	h->next = w->free_users;
	w->free_users = user;
}

static int
bucket_ended(const aibrix_vtc_window *w, const struct bucket *b)
{
	return w->now > w->window && b->at < w->now - w->window;
}

/* Take out what has ended; 0: nothing is left, and the user is gone. */
static int
user_prune(aibrix_vtc_window *w, uint32_t user)
{
	struct holder *h = &w->users[user];
	uint32_t before = h->older.count;

	if (bucket_ended(w, &h->newest)) {
		user_remove(w, user);
		return 0;
	}
	while (h->older.count && bucket_ended(w, &w->buckets[h->older.head])) {
		uint32_t b = list_pop(&h->older, w->links);

		h->total -= w->buckets[b].tokens;
		list_append(&w->free_buckets, w->links, b);
	}
	/* What subtraction has rounded away must not go below what is there. */
	if (h->total < h->newest.tokens || h->older.count == 0)
		h->total = h->newest.tokens;
	if (h->older.count != before)
		user_place(w, user);
	return 1;
}

static void
prune_all(aibrix_vtc_window *w)
{
	while (w->heaps[OLDEST].count && w->now > w->window &&
	       heap_first_key(&w->heaps[OLDEST]) < w->now - w->window)
		user_prune(w, heap_first(&w->heaps[OLDEST]));
}

static void
now_set(aibrix_vtc_window *w, uint64_t now_ns)
{
	if (now_ns / w->tick_ns > w->now)
		w->now = now_ns / w->tick_ns;
	if (w->profile == AIBRIX_VTC_WINDOW_DEFAULT)
		prune_all(w);
}

/* A record for a user who has none, with these tokens. */
static void
user_add(aibrix_vtc_window *w, uint64_t name, double tokens)
{
	uint32_t user, *chain = chain_of(w, name);

	if (w->free_users == NONE)
		prune_all(w);
	if (w->free_users == NONE)
		user_remove(w, heap_first(&w->heaps[LEAST]));
	user = w->free_users;
	w->free_users = w->users[user].next;
	w->users[user] = (struct holder){.name = name,
					 .total = tokens,
					 .newest = {w->now, tokens},
					 .next = *chain};
	*chain = user;
	user_place(w, user);
}

/* The user's newest bucket is to be of now. */
static void
bucket_turn(aibrix_vtc_window *w, struct holder *h)
{
	uint32_t b;

	if (h->newest.at == w->now)
		return;
	if (w->free_buckets.count == 0)
		prune_all(w);
	b = list_pop(&w->free_buckets, w->links);
	if (b != NONE) {
		w->buckets[b] = h->newest;
		list_append(&h->older, w->links, b);
		h->newest.tokens = 0;
	}
	h->newest.at = w->now;
}

int
aibrix_vtc_window_add(aibrix_vtc_window *window, uint64_t user,
		      int64_t input_tokens, int64_t output_tokens,
		      uint64_t now_ns)
{
	aibrix_vtc_window *w = window;
	struct holder *h;
	double tokens;
	uint32_t u;

	if (!w || user == 0)
		return AIBRIX_E_INVAL;
	tokens = (double)(input_tokens > 0 ? input_tokens : 0) *
			 w->input_weight +
		 (double)(output_tokens > 0 ? output_tokens : 0) *
			 w->output_weight;
	if (!(tokens > 0))
		return AIBRIX_OK;
	now_set(w, now_ns);
	u = user_find(w, user);
	if (u == NONE || !user_prune(w, u)) {
		user_add(w, user, tokens);
		return AIBRIX_OK;
	}
	h = &w->users[u];
	bucket_turn(w, h);
	h->newest.tokens += tokens;
	h->total += tokens;
	user_place(w, u);
	return AIBRIX_OK;
}

int
aibrix_vtc_window_total(aibrix_vtc_window *window, uint64_t user,
			uint64_t now_ns, double *total)
{
	uint32_t u;

	if (!window || !total)
		return AIBRIX_E_INVAL;
	now_set(window, now_ns);
	u = user_find(window, user);
	if (u != NONE && user_prune(window, u))
		*total = window->users[u].total;
	else
		*total = 0;
	return AIBRIX_OK;
}

int
aibrix_vtc_window_range(aibrix_vtc_window *window, uint64_t now_ns,
			double *least, double *most)
{
	aibrix_vtc_window *w = window;

	if (!w || !least || !most)
		return AIBRIX_E_INVAL;
	now_set(w, now_ns);
	*least = w->min_tokens;
	*most = w->max_tokens;
	if (w->heaps[LEAST].count) {
		*least = w->users[heap_first(&w->heaps[LEAST])].total;
		*most = w->users[heap_first(&w->heaps[MOST])].total;
	}
	return AIBRIX_OK;
}
