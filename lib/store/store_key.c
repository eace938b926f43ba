/*
 * AIBrix's names for connections and keys.
 *
 * Unlike AIBrix (l2/connectors): a namespace is held to an allow-list; there
 * it goes into paths and keys as it is.  What passes cannot leave a
 * directory, hide in it, or end a line of a protocol.
 *
 * Text is written by a bounded writer that counts on past the end, so that
 * the length needed is known either way.
 */

#include "store/store_key.h"

#include <string.h>

#include "base/versioned.h"

struct text {
	char *out;
	uint64_t cap, n;
};

static void
text_add(struct text *t, const char *from, uint64_t n)
{
	if (t->n < t->cap && n <= t->cap - t->n)
		memcpy(t->out + t->n, from, n);
	t->n += n;
}

static void
text_add_string(struct text *t, const char *from)
{
	text_add(t, from, strlen(from));
}

static void
text_add_number(struct text *t, uint32_t number)
{
	char digits[10];
	uint32_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	text_add(t, digits + at, sizeof(digits) - at);
}

static void
text_add_range(struct text *t, const char *what, uint32_t first, uint32_t last)
{
	text_add_string(t, what);
	text_add_number(t, first);
	text_add_string(t, "_");
	text_add_number(t, last);
}

/* Everything fits, or nothing is promised of out. */
static int
text_end(struct text *t, uint64_t *n)
{
	*n = t->n;
	if (t->n >= t->cap)
		return AIBRIX_E_SPACE;
	t->out[t->n] = '\0';
	return AIBRIX_OK;
}

void
aibrix__hex_write(const void *bytes, uint64_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;

	for (uint64_t i = 0; i < n; i++) {
		out[2 * i] = digits[from[i] >> 4];
		out[2 * i + 1] = digits[from[i] & 15];
	}
}

static void
text_add_lower(struct text *t, const char *from)
{
	for (; *from; from++) {
		char c = *from;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		text_add(t, &c, 1);
	}
}

static int
conn_is_valid(const aibrix_conn_opts *o)
{
	return name_check(o->space, AIBRIX_CONN_SPACE_MAX) &&
	       o->head_first <= o->head_last &&
	       o->layer_first <= o->layer_last &&
	       o->layout <= AIBRIX_CONN_NCLD && o->builder <= AIBRIX_CONN_HEX &&
	       !o->spare;
}

int
aibrix_conn_id(const aibrix_conn_opts *opts, char *out, uint64_t cap,
	       uint64_t *n)
{
	static const char *const layouts[] = {"_lcnd", "_ncld"};
	static const char *const builders[] = {"ro", "sim", "raw", "hex"};
	struct text t = {out, cap, 0};
	aibrix_conn_opts own;
	int err;

	if ((!out && cap) || !n)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&own, sizeof(own), opts,
				  STRUCT_UPTO(aibrix_conn_opts, spare));
	if (err)
		return err;
	if (own.flags & ~(uint32_t)AIBRIX_CONN_EXTENDED)
		return AIBRIX_E_ABI;
	if (!own.space)
		own.space = "aibrix";
	if (!conn_is_valid(&own))
		return AIBRIX_E_INVAL;

	text_add_lower(&t, own.space);
	text_add_range(&t, "_h", own.head_first, own.head_last);
	text_add_range(&t, "_l", own.layer_first, own.layer_last);
	if (own.block_tokens) {
		text_add_string(&t, layouts[own.layout]);
		text_add_number(&t, own.block_tokens);
		text_add_string(&t, builders[own.builder]);
		text_add_string(&t,
				own.flags & AIBRIX_CONN_EXTENDED ? "ex" : "c");
	}
	return text_end(&t, n);
}

int
aibrix_key_text(const void *key, uint32_t key_bytes, const char *conn_id,
		char *out, uint64_t cap, uint64_t *n)
{
	struct text t = {out, cap, 2 * (uint64_t)key_bytes};

	if (!key || !key_bytes || (!out && cap) || !n ||
	    (conn_id &&
	     strnlen(conn_id, AIBRIX_CONN_ID_MAX + 1) > AIBRIX_CONN_ID_MAX))
		return AIBRIX_E_INVAL;
	if (t.n < cap)
		aibrix__hex_write(key, key_bytes, out);
	if (conn_id)
		text_add_string(&t, conn_id);
	return text_end(&t, n);
}
