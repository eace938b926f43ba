/*
 * An annotation into profiles.
 *
 * The text is checked as a whole, its profiles are counted, and then there is
 * one copy of the text, one arena for its strings without quotes and escapes,
 * and one array: nothing is sized by what a member says.
 *
 * What AIBrix's gateway does by Go's encoding/json is done here by hand, for
 * the same texts have to mean the same: members' names match in any case, a
 * later one overwrites, null leaves what was, a second "profiles" adds to the
 * first.  (Source: AIBrix pkg/plugins/gateway/configprofiles.)
 */

#include <string.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "base/json.h"
#include "profile/profile_internal.h"

enum { MEMBER_MAX = 64 }; /* bytes of a member's name that can be known */

static const char *const hint_names[HINTS] = {
	[HINT_PROMPT_GTE] = "promptTokensGte",
	[HINT_PROMPT_LT] = "promptTokensLt",
	[HINT_MAX_GTE] = "maxTokensGte",
	[HINT_MAX_LT] = "maxTokensLt",
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
member_is(const struct json *key, const char *name)
{
	char own[MEMBER_MAX];
	size_t n;

	if (aibrix__json_text(key, own, sizeof(own), &n) || n != strlen(name))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (lower(own[i]) != lower(name[i]))
			return 0;
	return 1;
}

/* A string, as words of the arena; null leaves *out. */
static int
words_read(aibrix_profile *p, const struct json *value, struct words *out)
{
	char *at = p->arena + p->used;
	size_t n;
	int err;

	if (value->type == JSON_NULL)
		return AIBRIX_OK;
	err = aibrix__json_text(value, at, (size_t)(p->bytes - p->used), &n);
	if (err)
		return AIBRIX_E_PARSE;
	at[n] = 0;
	p->used += n + 1;
	*out = (struct words){at, n};
	return AIBRIX_OK;
}

/* A count: what is below 0 limits nothing. */
static int
count_read(const struct json *value, uint64_t *out)
{
	int64_t x;

	if (value->type == JSON_NULL)
		return AIBRIX_OK;
	if (aibrix__json_i64(value, &x))
		return AIBRIX_E_PARSE;
	*out = x > 0 ? (uint64_t)x : 0;
	return AIBRIX_OK;
}

static int
number_read(const struct json *value, double *out)
{
	double x;

	if (value->type == JSON_NULL)
		return AIBRIX_OK;
	if (value->type != JSON_NUMBER ||
	    aibrix__decimal_read(value->at, value->n, &x) || !(x - x == 0))
		return AIBRIX_E_PARSE;
	*out = x > 0 ? x : 0;
	return AIBRIX_OK;
}

static int
bool_read(const struct json *value, uint32_t *out)
{
	if (value->type == JSON_NULL)
		return AIBRIX_OK;
	if (value->type != JSON_TRUE && value->type != JSON_FALSE)
		return AIBRIX_E_PARSE;
	*out = value->type == JSON_TRUE;
	return AIBRIX_OK;
}

/* A hint that is no whole number makes all of them none. */
static void
hints_read(struct named *named, const struct json *config)
{
	struct json_walk walk = aibrix__json_walk(config);
	struct json key, value;

	named->hinted = 0;
	if (config->type != JSON_OBJECT)
		return;
	while (aibrix__json_next(&walk, &key, &value)) {
		uint32_t which = 0;

		while (which < HINTS && !member_is(&key, hint_names[which]))
			which++;
		if (which == HINTS)
			continue;
		if (value.type == JSON_NULL) {
			named->hinted &= ~(1u << which);
			continue;
		}
		if (aibrix__json_i64(&value, &named->hint[which])) {
			named->hinted = 0;
			return;
		}
		named->hinted |= 1u << which;
	}
}

static int
named_member(aibrix_profile *p, struct named *named, const struct json *key,
	     const struct json *value)
{
	if (member_is(key, "routingStrategy"))
		return words_read(p, value, &named->strategy);
	if (member_is(key, "requestsPerSecond"))
		return count_read(value, &named->rps);
	if (member_is(key, "requestsInflight"))
		return count_read(value, &named->inflight);
	if (member_is(key, "requestsPerSecondPerReplica"))
		return number_read(value, &named->rps_per_replica);
	if (member_is(key, "routingConfig")) {
		named->config = (struct words){value->at, value->n};
		hints_read(named, value);
	}
	return AIBRIX_OK;
}

/* The profile of that name, empty again, or a new one. */
static struct named *
named_take(aibrix_profile *p, const struct words *name)
{
	struct named *at = p->all, *end = p->all + p->n;

	while (at < end && (at->name.n != name->n ||
			    memcmp(at->name.at, name->at, name->n) != 0))
		at++;
	p->n += at == end;
	*at = (struct named){.name = *name, .strategy = profile_no_words};
	return at;
}

static int
profiles_read(aibrix_profile *p, const struct json *profiles, size_t *bad)
{
	struct json_walk all = aibrix__json_walk(profiles), one;
	struct json key, value, name;
	struct words words = profile_no_words;
	struct named *named;
	int err = AIBRIX_OK;

	if (profiles->type == JSON_NULL)
		p->n = 0;
	if (profiles->type != JSON_NULL && profiles->type != JSON_OBJECT)
		return AIBRIX_E_PARSE;
	while (!err && aibrix__json_next(&all, &name, &value)) {
		*bad = (size_t)(value.at - p->text);
		if (value.type != JSON_OBJECT && value.type != JSON_NULL)
			return AIBRIX_E_PARSE;
		err = words_read(p, &name, &words);
		if (err)
			return err;
		named = named_take(p, &words);
		one = aibrix__json_walk(&value);
		while (!err && aibrix__json_next(&one, &key, &value)) {
			*bad = (size_t)(value.at - p->text);
			err = named_member(p, named, &key, &value);
		}
	}
	return err;
}

static int
root_read(aibrix_profile *p, const struct json *root, size_t *bad)
{
	struct json_walk walk = aibrix__json_walk(root);
	struct json key, value;
	int err = AIBRIX_OK;

	while (!err && aibrix__json_next(&walk, &key, &value)) {
		*bad = (size_t)(value.at - p->text);
		if (member_is(&key, "lockedRoutingStrategy"))
			err = words_read(p, &value, &p->locked);
		else if (member_is(&key, "defaultProfile"))
			err = words_read(p, &value, &p->standard);
		else if (member_is(&key, "disableRequestRoutingOverrides"))
			err = bool_read(&value, &p->overrides_off);
		else if (member_is(&key, "profiles"))
			err = profiles_read(p, &value, bad);
	}
	if (!err && p->n == 0) {
		*bad = (size_t)(root->at - p->text);
		err = AIBRIX_E_PARSE;
	}
	return err;
}

/* At most how many profiles there are. */
static uint64_t
profiles_count(const struct json *root)
{
	struct json_walk walk = aibrix__json_walk(root), all;
	struct json key, value;
	uint64_t n = 0;

	while (aibrix__json_next(&walk, &key, &value)) {
		if (!member_is(&key, "profiles"))
			continue;
		all = aibrix__json_walk(&value);
		while (aibrix__json_next(&all, NULL, &value))
			n++;
	}
	return n;
}

static int
profile_open(aibrix_profile *p, const char *text, uint64_t bytes, uint64_t n)
{
	p->bytes = bytes;
	p->cap = (uint32_t)n;
	p->locked = p->standard = profile_no_words;
	p->text = aibrix__alloc(&p->alloc, (size_t)bytes + 1, 1);
	p->arena = aibrix__alloc(&p->alloc, (size_t)bytes + 1, 1);
	p->all = aibrix__alloc(&p->alloc, p->cap, sizeof(*p->all));
	if (!p->text || !p->arena || !p->all)
		return AIBRIX_E_NOMEM;
	memcpy(p->text, text, (size_t)bytes);
	return AIBRIX_OK;
}

static int
is_blank(const char *text, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r'))
			return 0;
	return 1;
}

/* The text checked whole, and how many profiles it has at most. */
static int
text_check(const char *text, uint64_t bytes, uint64_t *n, size_t *bad)
{
	struct json root;
	int err;

	if (bytes > AIBRIX_PROFILE_BYTES_MAX)
		return AIBRIX_E_SPACE;
	if (is_blank(text, bytes))
		return AIBRIX_E_NOT_FOUND;
	err = aibrix__json_read(text, (size_t)bytes, &root, bad);
	if (err)
		return err;
	*bad = (size_t)(root.at - text);
	*n = profiles_count(&root);
	if (root.type != JSON_OBJECT || *n == 0)
		return AIBRIX_E_PARSE;
	return *n > AIBRIX_PROFILES_MAX ? AIBRIX_E_SPACE : AIBRIX_OK;
}

int
aibrix_profile_new(const char *text, uint64_t bytes,
		   const aibrix_allocator *alloc, aibrix_profile **out,
		   uint64_t *err_offset)
{
	aibrix_allocator a;
	aibrix_profile *p;
	struct json root;
	uint64_t n = 0;
	size_t bad = 0;
	int err;

	if ((!text && bytes) || !out || !err_offset)
		return AIBRIX_E_INVAL;
	err = text_check(text, bytes, &n, &bad);
	if (err == AIBRIX_E_PARSE)
		*err_offset = bad;
	if (!err)
		err = aibrix__allocator_load(&a, alloc);
	if (err)
		return err;
	p = aibrix__alloc(&a, 1, sizeof(*p));
	if (!p)
		return AIBRIX_E_NOMEM;
	p->alloc = a;
	err = profile_open(p, text, bytes, n);
	if (!err)
		err = aibrix__json_read(p->text, (size_t)bytes, &root, &bad);
	if (!err)
		err = root_read(p, &root, &bad);
	if (err) {
		if (err == AIBRIX_E_PARSE)
			*err_offset = bad;
		aibrix_profile_free(p);
		return err;
	}
	*out = p;
	return AIBRIX_OK;
}

int
aibrix_profile_new_first(const char *const *texts, const uint64_t *bytes,
			 uint32_t n, const aibrix_allocator *alloc,
			 aibrix_profile **out, uint32_t *which)
{
	uint64_t offset;
	int err;

	if ((n && (!texts || !bytes)) || !out || !which)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (!texts[i])
			continue;
		err = aibrix_profile_new(texts[i], bytes[i], alloc, out,
					 &offset);
		if (!err)
			*which = i;
		if (!err || err == AIBRIX_E_NOMEM || err == AIBRIX_E_INVAL ||
		    err == AIBRIX_E_ABI)
			return err;
	}
	return AIBRIX_E_NOT_FOUND;
}

void
aibrix_profile_free(aibrix_profile *profile)
{
	aibrix_allocator a;
	size_t bytes;

	if (!profile)
		return;
	a = profile->alloc;
	bytes = (size_t)profile->bytes + 1;
	aibrix__free(&a, profile->text, bytes, 1);
	aibrix__free(&a, profile->arena, bytes, 1);
	aibrix__free(&a, profile->all, profile->cap, sizeof(*profile->all));
	aibrix__free(&a, profile, 1, sizeof(*profile));
}
