/*
 * Strategy strings.
 *
 *	list    item *("," item)             chain   name 1*(">" name)
 *	item    name [":" 1*digit]           name    1*(printable ASCII but , :
 *>)
 *
 * They come from a request header, so each byte is hostile and the work for
 * one is bounded: a text above 1024 bytes is refused unread, and so is the
 * item after the 16th.  AIBrix (algorithms/router.go) builds a router per
 * string and keeps it in a map for ever, which lets a client grow the map;
 * here a string is read into 16 items on the stack, for each request anew,
 * and there is no map.
 */

#include <string.h>

#include "route/route_internal.h"

struct text {
	const char *bytes;
	uint32_t len, at;
};

/* One byte, 0 at the end; a NUL inside is no byte of a name. */
static char
text_peek(const struct text *t)
{
	return t->at < t->len ? t->bytes[t->at] : 0;
}

static int
name_byte(char c)
{
	return c > ' ' && c < 127 && c != ',' && c != ':' && c != '>';
}

static int
name_is(const struct text *t, const aibrix_route_item *item, const char *name)
{
	return item->len == strlen(name) &&
	       memcmp(t->bytes + item->at, name, item->len) == 0;
}

static int
name_exclusive(const struct text *t, const aibrix_route_item *item)
{
	return name_is(t, item, "pd") ||
	       (item->len >= 3 && memcmp(t->bytes + item->at, "slo", 3) == 0);
}

static int
coefficient_read(struct text *t, uint32_t *out)
{
	uint32_t value = 0, start = t->at;
	char c;

	while (c = text_peek(t), c >= '0' && c <= '9') {
		value = value * 10 + (uint32_t)(c - '0');
		if (value > AIBRIX_ROUTE_COEFFICIENT_MAX)
			return AIBRIX_E_PARSE;
		t->at++;
	}
	*out = value;
	return t->at > start ? AIBRIX_OK : AIBRIX_E_PARSE;
}

static int
item_read(struct text *t, aibrix_route_item *item)
{
	*item = (aibrix_route_item){.at = t->at, .coefficient = 1};
	while (name_byte(text_peek(t)))
		t->at++;
	item->len = t->at - item->at;
	if (item->len == 0)
		return AIBRIX_E_PARSE;
	if (text_peek(t) != ':')
		return AIBRIX_OK;
	t->at++;
	return coefficient_read(t, &item->coefficient);
}

/* Keep item, or add it to what has its name already. */
static int
items_add(const struct text *t, struct route_items *items,
	  const aibrix_route_item *item)
{
	uint32_t i = 0;

	if (item->coefficient == 0)
		return AIBRIX_OK;
	while (i < items->n && (items->item[i].len != item->len ||
				memcmp(t->bytes + items->item[i].at,
				       t->bytes + item->at, item->len) != 0))
		i++;
	if (i == AIBRIX_ROUTE_ITEMS_MAX)
		return AIBRIX_E_PARSE;
	if (i == items->n) {
		items->item[items->n++] = *item;
		return AIBRIX_OK;
	}
	items->item[i].coefficient += item->coefficient;
	return items->item[i].coefficient > AIBRIX_ROUTE_COEFFICIENT_MAX
		       ? AIBRIX_E_PARSE
		       : AIBRIX_OK;
}

/* An exclusive strategy is the whole of it: AIBrix's rule. */
static void
items_exclude(const struct text *t, struct route_items *items)
{
	for (uint32_t i = 0; i < items->n; i++) {
		if (!name_exclusive(t, &items->item[i]))
			continue;
		items->item[0] = items->item[i];
		items->item[0].coefficient = 1;
		items->item[0].flags = AIBRIX_ROUTE_ITEM_EXCLUSIVE;
		items->n = 1;
	}
}

static int
list_read(struct text *t, struct route_items *items)
{
	aibrix_route_item item;
	int err;

	for (;; t->at++) {
		err = item_read(t, &item);
		if (!err)
			err = items_add(t, items, &item);
		if (err || t->at == t->len)
			break;
		if (text_peek(t) != ',')
			return AIBRIX_E_PARSE;
	}
	if (err || items->n == 0)
		return AIBRIX_E_PARSE;
	items_exclude(t, items);
	return AIBRIX_OK;
}

/* A stage has no weight, and one that another module serves is none. */
static int
chain_read(struct text *t, struct route_items *items)
{
	for (; items->n < AIBRIX_ROUTE_ITEMS_MAX; t->at++) {
		aibrix_route_item *item = &items->item[items->n];

		if (item_read(t, item) || name_exclusive(t, item) ||
		    t->at != item->at + item->len)
			break;
		item->flags = AIBRIX_ROUTE_ITEM_STAGE;
		items->n++;
		if (t->at == t->len)
			return AIBRIX_OK;
		if (text_peek(t) != '>')
			break;
	}
	return AIBRIX_E_PARSE;
}

int
aibrix__route_parse(const char *bytes, uint64_t len, struct route_items *out,
		    uint64_t *offset)
{
	struct text t = {bytes, (uint32_t)len, 0};
	int err = AIBRIX_E_PARSE;

	out->n = 0;
	if (len > AIBRIX_ROUTE_TEXT_MAX)
		t.at = AIBRIX_ROUTE_TEXT_MAX;
	else if (len > 0)
		err = memchr(bytes, '>', len) ? chain_read(&t, out)
					      : list_read(&t, out);
	if (err)
		*offset = t.at;
	return err;
}

int
aibrix_route_parse(const char *text, uint64_t len, aibrix_route_item *out,
		   uint32_t cap, uint32_t *n, uint64_t *offset)
{
	struct route_items items;
	uint64_t at;
	int err;

	if ((len && !text) || (cap && !out) || !n)
		return AIBRIX_E_INVAL;
	err = aibrix__route_parse(text, len, &items, &at);
	if (err) {
		if (offset)
			*offset = at;
		return err;
	}
	*n = items.n;
	if (items.n > cap)
		return AIBRIX_E_SPACE;
	memcpy(out, items.item, items.n * sizeof(*out));
	return AIBRIX_OK;
}

static uint32_t
divisor_of(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* ":" and the digits of x. */
static uint32_t
weight_write(char *out, uint32_t x)
{
	char digits[8];
	uint32_t n = 0, len = 0;

	while (x) {
		digits[n++] = (char)('0' + x % 10);
		x /= 10;
	}
	out[len++] = ':';
	while (n)
		out[len++] = digits[--n];
	return len;
}

static uint32_t
items_write(const char *text, const struct route_items *items, char *out)
{
	uint32_t len = 0, divisor = 0;

	for (uint32_t i = 0; i < items->n; i++)
		divisor = divisor_of(items->item[i].coefficient, divisor);
	for (uint32_t i = 0; i < items->n; i++) {
		const aibrix_route_item *item = &items->item[i];
		uint32_t weight = item->coefficient / divisor;

		if (i)
			out[len++] = item->flags & AIBRIX_ROUTE_ITEM_STAGE
					     ? '>'
					     : ',';
		memcpy(out + len, text + item->at, item->len);
		len += item->len;
		if (weight != 1)
			len += weight_write(out + len, weight);
	}
	return len;
}

int
aibrix_route_canonical(const char *text, uint64_t len, char *out, uint64_t cap,
		       uint64_t *n)
{
	/* A name that stood twice may have a longer weight than each. */
	char spelt[AIBRIX_ROUTE_TEXT_MAX + 8 * AIBRIX_ROUTE_ITEMS_MAX];
	struct route_items items;
	uint64_t at;
	int err;

	if ((len && !text) || (cap && !out) || !n)
		return AIBRIX_E_INVAL;
	err = aibrix__route_parse(text, len, &items, &at);
	if (err)
		return err;
	*n = items_write(text, &items, spelt);
	if (*n >= cap)
		return AIBRIX_E_SPACE;
	memcpy(out, spelt, *n);
	out[*n] = 0;
	return AIBRIX_OK;
}
