/*
 * A new body as a list of parts: spans of the inputs, and spans of a small
 * text that holds all that is new.  Parts that touch are one.
 *
 * Both have bounds that no body reaches: an edit ends at most one part of the
 * body and adds one of its own, there are as many edits as rewrite_engine.c
 * lists, and strings in the options are short.
 */

#include <assert.h>
#include <string.h>

#include "rewrite/rewrite_internal.h"

void
aibrix__draft_start(struct draft *d)
{
	d->n = 0;
	d->bytes = 0;
	d->n_text = 0;
}

static void
draft_part(struct draft *d, const char *at, size_t n, int fresh)
{
	struct part *last = d->n ? &d->parts[d->n - 1] : NULL;

	if (n == 0)
		return;
	d->bytes += n;
	if (last && last->fresh == fresh && last->at + last->n == at) {
		last->n += n;
		return;
	}
	assert(d->n < AIBRIX_REWRITE_PIECES_MAX);
	d->parts[d->n++] = (struct part){at, n, fresh};
}

void
aibrix__draft_old(struct draft *d, const char *at, size_t n)
{
	draft_part(d, at, n, 0);
}

static void
draft_bytes(struct draft *d, const char *bytes, size_t n)
{
	char *at = d->text + d->n_text;

	assert(n <= sizeof(d->text) - d->n_text);
	memcpy(at, bytes, n);
	d->n_text += n;
	draft_part(d, at, n, 1);
}

void
aibrix__draft_new(struct draft *d, const char *text)
{
	draft_bytes(d, text, strlen(text));
}

void
aibrix__draft_u64(struct draft *d, uint64_t x)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + x % 10);
		x /= 10;
	} while (x > 0);
	draft_bytes(d, digits + at, sizeof(digits) - at);
}

void
aibrix__draft_chars(struct draft *d, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;
		char control[] = {'\\', 'u',         '0',
				  '0',  hex[c >> 4], hex[c & 15]};

		if (c < 0x20)
			draft_bytes(d, control, sizeof(control));
		else if (c == '"' || c == '\\')
			draft_bytes(d, (char[]){'\\', *text}, 2);
		else
			draft_bytes(d, text, 1);
	}
}
