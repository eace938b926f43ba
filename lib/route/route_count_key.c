/* AIBrix's counters in Redis, by name: algorithms/power_of_two.go. */

#include <string.h>

#include <aibrix/route.h>

enum { HOUR_S = 3600 };

struct out {
	char *text;
	uint64_t cap, n;
};

static void
put_bytes(struct out *o, const char *bytes, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++, o->n++)
		if (o->n < o->cap)
			o->text[o->n] = bytes[i];
}

static void
put_text(struct out *o, const char *text)
{
	put_bytes(o, text, strlen(text));
}

static void
put_number(struct out *o, uint64_t x)
{
	char digits[20];
	uint32_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + x % 10);
	while (x /= 10);
	put_bytes(o, digits + at, sizeof(digits) - at);
}

int
aibrix_route_count_key(const char *model, const char *pod, uint32_t port,
		       uint64_t began_s, char *out, uint64_t cap, uint64_t *n)
{
	struct out o = {out, cap, 0};

	if (!model || !pod || (cap && !out) || !n)
		return AIBRIX_E_INVAL;
	put_text(&o, "po2_req_count:");
	put_text(&o, model);
	put_text(&o, ":");
	put_text(&o, pod);
	if (port) {
		put_text(&o, "_");
		put_number(&o, port);
	}
	put_text(&o, ":");
	put_number(&o, began_s - began_s % HOUR_S);
	*n = o.n;
	if (o.n >= cap)
		return AIBRIX_E_SPACE;
	out[o.n] = 0;
	return AIBRIX_OK;
}
