/*
 * Which profile a request gets, and whose strategy counts.
 *
 * A handful of profiles and four hints each: looked at one after the other.
 * (Source: AIBrix pkg/plugins/gateway/configprofiles and util.go.)
 */

#include <string.h>

#include "base/arch.h"
#include "base/versioned.h"
#include "profile/profile_internal.h"

enum {
	REQUEST_V1 = STRUCT_UPTO(aibrix_profile_request, max_tokens),
	CHOICE_V1 = STRUCT_UPTO(aibrix_profile_choice, spare),
	KNOWN = AIBRIX_PROFILE_PROMPT_TOKENS | AIBRIX_PROFILE_MAX_TOKENS
};

static int
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct words
trimmed(const char *text, uint64_t n)
{
	while (n && is_space(text[0])) {
		text++;
		n--;
	}
	while (n && is_space(text[n - 1]))
		n--;
	return (struct words){text, n};
}

static int
is_auto(const struct words *w)
{
	static const char lower[] = "auto", upper[] = "AUTO";

	if (w->n != 4)
		return 0;
	for (uint32_t i = 0; i < 4; i++)
		if (w->at[i] != lower[i] && w->at[i] != upper[i])
			return 0;
	return 1;
}

static const struct named *
named_find(const aibrix_profile *p, const struct words *name)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct words *own = &p->all[i].name;

		if (own->n == name->n &&
		    (own->n == 0 || memcmp(own->at, name->at, own->n) == 0))
			return &p->all[i];
	}
	return NULL;
}

static int
hint_holds(const struct named *named, uint32_t which,
	   const aibrix_profile_request *r)
{
	int of_prompt = which == HINT_PROMPT_GTE || which == HINT_PROMPT_LT;
	int at_least = which == HINT_PROMPT_GTE || which == HINT_MAX_GTE;
	uint32_t flag = of_prompt ? AIBRIX_PROFILE_PROMPT_TOKENS
				  : AIBRIX_PROFILE_MAX_TOKENS;
	int64_t x = of_prompt ? r->prompt_tokens : r->max_tokens;

	if (!(named->hinted >> which & 1))
		return 1;
	/* What is not known meets no hint. */
	if (!(r->flags & flag))
		return 0;
	return at_least ? x >= named->hint[which] : x < named->hint[which];
}

static int
named_fits(const struct named *named, const aibrix_profile_request *r)
{
	int fits = named->hinted != 0;

	for (uint32_t i = 0; i < HINTS; i++)
		fits = fits && hint_holds(named, i, r);
	return fits;
}

static int64_t
hint_or(const struct named *named, uint32_t which, int64_t other)
{
	return named->hinted >> which & 1 ? named->hint[which] : other;
}

/* More hints, then narrower ones, then the name. */
static int
named_before(const struct named *a, const struct named *b)
{
	uint32_t more = bits_set(a->hinted), less = bits_set(b->hinted);
	uint64_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int order;

	if (more != less)
		return more > less;
	for (uint32_t i = 0; i < HINTS; i++) {
		int at_least = i == HINT_PROMPT_GTE || i == HINT_MAX_GTE;
		int64_t x = hint_or(a, i, at_least ? 0 : INT64_MAX);
		int64_t y = hint_or(b, i, at_least ? 0 : INT64_MAX);

		if (x != y)
			return at_least ? x > y : x < y;
	}
	order = memcmp(a->name.at, b->name.at, n);
	return order ? order < 0 : a->name.n < b->name.n;
}

static const struct named *
named_by_hints(const aibrix_profile *p, const aibrix_profile_request *r)
{
	const struct named *best = NULL;

	for (uint32_t i = 0; i < p->n; i++)
		if (named_fits(&p->all[i], r) &&
		    (!best || named_before(&p->all[i], best)))
			best = &p->all[i];
	return best;
}

static const struct named *
named_choose(const aibrix_profile *p, const aibrix_profile_request *r,
	     struct words *name, uint32_t *how)
{
	const struct named *named;

	*name = profile_no_words;
	if (r->header && !p->overrides_off)
		*name = trimmed(r->header, r->header_bytes);
	if (is_auto(name)) {
		*how = AIBRIX_PROFILE_BY_HINTS;
		named = named_by_hints(p, r);
	} else {
		*how = AIBRIX_PROFILE_BY_NAME;
		named = named_find(p, name);
	}
	if (named)
		return named;
	*name = p->standard;
	if (name->n == 0)
		*name = (struct words){"default", 7};
	named = named_find(p, name);
	*how = named ? AIBRIX_PROFILE_BY_DEFAULT : AIBRIX_PROFILE_NONE;
	return named;
}

int
aibrix_profile_pick(const aibrix_profile *profile,
		    const aibrix_profile_request *request,
		    aibrix_profile_choice *out)
{
	aibrix_profile_choice c = {.size = sizeof(c), .strategy = ""};
	aibrix_profile_request r;
	const struct named *named;
	struct words name;
	int err;

	if (!profile || !request || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&r, sizeof(r), request, REQUEST_V1);
	if (err)
		return err;
	if (r.flags & ~(uint32_t)KNOWN)
		return AIBRIX_E_ABI;
	if (!r.header && r.header_bytes)
		return AIBRIX_E_INVAL;
	named = named_choose(profile, &r, &name, &c.how);
	if (named) {
		name = named->name;
		c.strategy = named->strategy.at;
		c.strategy_bytes = named->strategy.n;
		c.config = named->config.at;
		c.config_bytes = named->config.n;
		c.requests_per_second = named->rps;
		c.requests_per_second_per_replica = named->rps_per_replica;
		c.requests_inflight = named->inflight;
	}
	c.name = name.at;
	c.name_bytes = name.n;
	c.locked = profile->locked.at;
	c.locked_bytes = profile->locked.n;
	c.overrides_off = profile->overrides_off;
	return aibrix__struct_store(out, &c, sizeof(c), CHOICE_V1);
}

int
aibrix_profile_strategy(const aibrix_profile_choice *choice, const char *header,
			uint64_t header_bytes, const char *host,
			uint64_t host_bytes, const char **strategy,
			uint64_t *bytes, uint32_t *from)
{
	static const aibrix_profile_choice none = {.size = sizeof(none)};
	aibrix_profile_choice c;
	int err = aibrix__struct_load(&c, sizeof(c), choice ? choice : &none,
				      CHOICE_V1);
	const struct {
		const char *at;
		uint64_t n;
		uint32_t from;
	} order[] = {
		{c.locked, c.locked_bytes, AIBRIX_STRATEGY_LOCKED},
		{header, c.overrides_off ? 0 : header_bytes,
		 AIBRIX_STRATEGY_HEADER},
		{c.strategy, c.strategy_bytes, AIBRIX_STRATEGY_PROFILE},
		{host, host_bytes, AIBRIX_STRATEGY_HOST},
		{"", 1, AIBRIX_STRATEGY_NONE},
	};
	uint32_t i = 0;

	if (err)
		return err;
	if (!strategy || !bytes || !from || (!header && header_bytes) ||
	    (!host && host_bytes))
		return AIBRIX_E_INVAL;
	while (!order[i].at || order[i].n == 0)
		i++;
	*strategy = order[i].at;
	*bytes = order[i].from == AIBRIX_STRATEGY_NONE ? 0 : order[i].n;
	*from = order[i].from;
	return AIBRIX_OK;
}
