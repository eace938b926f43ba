/*
 * Frequent beginnings, counted where they are needed: among the last requests,
 * one by one.  Two hundred of them are a few lines of memory for each block of
 * a key, and most keys have one; a table of counts would have to forget, and
 * could be filled with names that a client makes up.
 *
 * A beginning that is hot is marked in the requests that had it, so the newest
 * of them knows, and marks leave with the window.
 */

#include <aibrix/hot.h>

#include <math.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/versioned.h"

enum { WINDOW = 200, WINDOW_MAX = 65536, SAMPLES = 20 };

struct noted {
	uint64_t names[AIBRIX_HOT_BLOCKS]; /* of its beginnings */
	uint32_t n;
	uint32_t marks; /* bit i: names[i] was hot */
};

struct aibrix_hot {
	aibrix_allocator a;
	uint32_t window, samples;
	double hot_share, cool_share;
	uint32_t n, next; /* noted; where the next one goes */
	struct noted *noted;
};

static int
share_load(double *share, double standard, double most)
{
	if (*share == 0)
		*share = standard < most ? standard : most;
	return isfinite(*share) && *share > 0 && *share <= most
		       ? AIBRIX_OK
		       : AIBRIX_E_INVAL;
}

static int
opts_load(aibrix_hot_opts *o, const aibrix_hot_opts *opts)
{
	int err = aibrix__struct_load(o, sizeof(*o), opts,
				      STRUCT_UPTO(aibrix_hot_opts, alloc));

	if (err)
		return err;
	if (o->spare)
		return AIBRIX_E_ABI;
	if (o->window > WINDOW_MAX)
		return AIBRIX_E_INVAL;
	o->window = o->window ? o->window : WINDOW;
	o->samples = o->samples ? o->samples : SAMPLES;
	err = share_load(&o->hot_share, 0.0612, 1);
	return err ? err : share_load(&o->cool_share, 0.02, o->hot_share);
}

int
aibrix_hot_new(const aibrix_hot_opts *opts, aibrix_hot **out)
{
	aibrix_hot_opts o;
	aibrix_allocator a;
	aibrix_hot *hot;
	int err = out ? opts_load(&o, opts) : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	hot = aibrix__alloc(&a, 1, sizeof(*hot));
	if (!hot)
		return AIBRIX_E_NOMEM;
	*hot = (aibrix_hot){
		.a = a,
		.window = o.window,
		.samples = o.samples,
		.hot_share = o.hot_share,
		.cool_share = o.cool_share,
		.noted = aibrix__alloc(&a, o.window, sizeof(*hot->noted)),
	};
	if (!hot->noted) {
		aibrix__free(&a, hot, 1, sizeof(*hot));
		return AIBRIX_E_NOMEM;
	}
	*out = hot;
	return AIBRIX_OK;
}

void
aibrix_hot_free(aibrix_hot *hot)
{
	aibrix_allocator a;

	if (!hot)
		return;
	a = hot->a;
	aibrix__free(&a, hot->noted, hot->window, sizeof(*hot->noted));
	aibrix__free(&a, hot, 1, sizeof(*hot));
}

/* Whether the beginning of block + 1 blocks is too frequent. */
static int
is_hot(const aibrix_hot *hot, uint64_t name, uint32_t block)
{
	uint32_t count = 0, marked = 0;

	if (hot->n < hot->samples)
		return 0;
	/* From the oldest on, so that the newest has the last word. */
	for (uint32_t i = 0; i < hot->n; i++) {
		const struct noted *one =
			&hot->noted[(hot->next + hot->window - hot->n + i) %
				    hot->window];

		if (one->n <= block || one->names[block] != name)
			continue;
		count++;
		marked = one->marks >> block & 1;
	}
	return count >= (marked ? hot->cool_share : hot->hot_share) * hot->n;
}

int
aibrix_hot_note(aibrix_hot *hot, const uint64_t *hashes, uint64_t n,
		uint64_t *key)
{
	struct noted one = {.n = 0};
	uint64_t name = 0;
	uint32_t at = 0;

	if (!hot || (n && !hashes) || !key)
		return AIBRIX_E_INVAL;
	*key = 0;
	if (n == 0)
		return AIBRIX_OK;
	while (one.n < n && one.n < AIBRIX_HOT_BLOCKS) {
		name = mix64(name ^ mix64(hashes[one.n]) ^ one.n);
		one.names[one.n++] = name + !name; /* 0 is no key */
	}
	while (at + 1 < one.n && is_hot(hot, one.names[at], at))
		one.marks |= 1u << at++;
	*key = one.names[at];
	hot->noted[hot->next] = one;
	hot->next = (hot->next + 1) % hot->window;
	if (hot->n < hot->window)
		hot->n++;
	return AIBRIX_OK;
}
