/*
 * Any bytes as an annotation, with the first line as the header: what is
 * read gives choices whose texts lie where they may, the same ones each time,
 * the named one when the name is there; and any bytes in a refusal make JSON
 * that means them.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/profile.h>
#include <aibrix/reply.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TEXT_MAX = 1 << 16 };

static void
check(int right)
{
	if (!right)
		abort();
}

static aibrix_profile_choice
pick(const aibrix_profile *p, const char *header, size_t n, uint32_t flags)
{
	aibrix_profile_choice c = {.size = sizeof(c)};
	aibrix_profile_request r = {.size = sizeof(r),
				    .flags = flags,
				    .header = header,
				    .header_bytes = n,
				    .prompt_tokens = 1000,
				    .max_tokens = 500};

	check(aibrix_profile_pick(p, &r, &c) == AIBRIX_OK);
	check(c.name && c.strategy && c.locked);
	check(strlen(c.strategy) <= c.strategy_bytes);
	check(c.how != AIBRIX_PROFILE_NONE || c.strategy_bytes == 0);
	return c;
}

static void
try_profile(const aibrix_profile *p, const char *header, size_t n)
{
	static const char automatic[] = "auto";
	const char *strategy = NULL;
	uint64_t bytes = 0;
	uint32_t from = 0;
	size_t at;

	for (uint32_t flags = 0; flags < 4; flags++) {
		aibrix_profile_choice c = pick(p, automatic, 4, flags);
		aibrix_profile_choice d = pick(p, c.name, c.name_bytes, flags);
		struct json config;

		check(c.how != AIBRIX_PROFILE_BY_NAME || c.overrides_off);
		/* Names with blanks around them can only be found by auto. */
		if (c.how == AIBRIX_PROFILE_BY_HINTS &&
		    d.how == AIBRIX_PROFILE_BY_NAME &&
		    d.name_bytes == c.name_bytes)
			check(d.strategy == c.strategy);
		if (c.config)
			check(aibrix__json_read(c.config,
						(size_t)c.config_bytes, &config,
						&at) == AIBRIX_OK);
		d = pick(p, header, n, flags);
		check(aibrix_profile_strategy(&d, header, n, "host", 4,
					      &strategy, &bytes,
					      &from) == AIBRIX_OK);
		check(bytes > 0 && from != AIBRIX_STRATEGY_NONE);
	}
}

/* n is at most TEXT_MAX. */
static void
try_reply(const char *message, size_t n)
{
	char *body = malloc(6 * n + 200), *back = malloc(3 * n + 1);
	struct json root, text;
	uint64_t need = 0;
	size_t at = 0, got = 0;

	check(body && back);
	check(aibrix_reply_write(429, message, n, "c", NULL, body, 6 * n + 200,
				 &need) == AIBRIX_OK);
	check(aibrix__json_read(body, (size_t)need, &root, &at) == AIBRIX_OK);
	check(aibrix__json_path(&root, "error.message", &text));
	check(aibrix__json_text(&text, back, 3 * n, &got) == AIBRIX_OK);
	if (got == n && memchr(back, 0xef, got) == NULL)
		check(n == 0 || memcmp(back, message, n) == 0);
	free(body);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *line = len ? memchr(data, '\n', len) : NULL;
	size_t n = line ? (size_t)(line - data) : 0, rest;
	aibrix_profile *p = NULL;
	uint64_t offset = 0;
	char *header, *text;
	int err;

	if (len == 0 || len > TEXT_MAX)
		return 0;
	rest = line ? len - n - 1 : len;
	header = malloc(n + 1);
	text = malloc(rest + (rest == 0));
	check(header && text);
	memcpy(header, data, n);
	header[n] = 0;
	memcpy(text, data + len - rest, rest);
	err = aibrix_profile_new(text, rest, NULL, &p, &offset);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE ||
	      err == AIBRIX_E_SPACE || err == AIBRIX_E_NOT_FOUND);
	check(offset <= rest);
	if (!err)
		try_profile(p, header, n);
	aibrix_profile_free(p);
	try_reply(text, rest);
	free(header);
	free(text);
	return 0;
}
