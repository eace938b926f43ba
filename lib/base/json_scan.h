/* Over JSON text one thing at a time: what json.c is made of. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdint.h>

struct cursor {
	const char *at, *end;
};

static inline int
next_is(const struct cursor *c, char want)
{
	return c->at < c->end && *c->at == want;
}

static inline void
skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' ||
				  *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static inline int
scan_char(struct cursor *c, char want)
{
	if (!next_is(c, want))
		return 0;
	c->at++;
	return 1;
}

/*
 * Each moves the cursor over one thing and returns 1, or leaves it at the
 * first byte that does not belong there and returns 0.
 */

/* One character inside a string, escaped or not. */
int aibrix__json_scan_point(struct cursor *c, uint32_t *point);

int aibrix__json_scan_string(struct cursor *c);

/* A value around which there are depth containers. */
int aibrix__json_scan_value(struct cursor *c, uint32_t depth);

#endif
