/*
 * Requests of an interval by size, as AIBrix's GPU optimizer reads them.
 *
 * Keys are kept in the order of their texts, since that is the order in which
 * AIBrix's record has them; so writing is one pass.  There are few: ten to
 * an octave, and an interval of ten seconds.
 *
 * Unlike AIBrix (pkg/cache/trace.go): keys are bounded, and requests whose
 * size finds no room are in the total alone.
 */

#include <aibrix/trace.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"

enum {
	KEYS_DEFAULT = 4096,
	KEYS_MAX = 1 << 20,
	PRECISION = 10,
	INTERVAL_S = 10,
	VERSION = 4,
	KEY_TEXT = 24, /* two indexes of up to 640, a colon */
	NUMBER_TEXT = 20
};

struct key {
	uint32_t input, output;
	uint64_t count;
};

struct aibrix_trace {
	aibrix_allocator alloc;
	struct key *keys; /* by their texts */
	uint32_t n, max;
	uint64_t total, pending;
};

uint32_t
aibrix_trace_index(uint64_t tokens)
{
	return tokens ? (uint32_t)lround(log2((double)tokens) * PRECISION) : 0;
}

int
aibrix_trace_new(const aibrix_trace_opts *opts, aibrix_trace **out)
{
	aibrix_trace_opts own;
	aibrix_allocator alloc;
	aibrix_trace *t;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&own, sizeof(own), opts,
				  STRUCT_UPTO(aibrix_trace_opts, alloc));
	if (!err && own.max_keys > KEYS_MAX)
		err = AIBRIX_E_INVAL;
	if (!err)
		err = aibrix__allocator_load(&alloc, own.alloc);
	if (err)
		return err;
	t = aibrix__alloc(&alloc, 1, sizeof(*t));
	if (!t)
		return AIBRIX_E_NOMEM;
	t->alloc = alloc;
	t->max = own.max_keys ? own.max_keys : KEYS_DEFAULT;
	t->keys = aibrix__alloc(&alloc, t->max, sizeof(*t->keys));
	if (!t->keys) {
		aibrix_trace_free(t);
		return AIBRIX_E_NOMEM;
	}
	*out = t;
	return AIBRIX_OK;
}

void
aibrix_trace_free(aibrix_trace *trace)
{
	aibrix_allocator a;

	if (!trace)
		return;
	a = trace->alloc;
	aibrix__free(&a, trace->keys, trace->max, sizeof(*trace->keys));
	aibrix__free(&a, trace, 1, sizeof(*trace));
}

int
aibrix_trace_begin(aibrix_trace *trace)
{
	if (!trace)
		return AIBRIX_E_INVAL;
	trace->total++;
	trace->pending++;
	return AIBRIX_OK;
}

static uint32_t
number_write(char *at, uint64_t x)
{
	char digits[NUMBER_TEXT];
	uint32_t n = 0;

	do
		digits[n++] = (char)('0' + x % 10);
	while (x /= 10);
	for (uint32_t i = 0; i < n; i++)
		at[i] = digits[n - 1 - i];
	return n;
}

/* "33:70", ended by a NUL. */
static uint32_t
key_write(char text[KEY_TEXT], uint32_t input, uint32_t output)
{
	uint32_t n = number_write(text, input);

	text[n++] = ':';
	n += number_write(text + n, output);
	text[n] = 0;
	return n;
}

/* The first key whose text is not before this one's. */
static uint32_t
key_find(const aibrix_trace *t, uint32_t input, uint32_t output)
{
	char text[KEY_TEXT], other[KEY_TEXT];
	uint32_t low = 0, high = t->n;

	key_write(text, input, output);
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		key_write(other, t->keys[mid].input, t->keys[mid].output);
		if (strcmp(other, text) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int
aibrix_trace_end(aibrix_trace *trace, uint64_t input_tokens,
		 uint64_t output_tokens)
{
	aibrix_trace *t = trace;
	uint32_t input, output, at;

	if (!t)
		return AIBRIX_E_INVAL;
	t->pending -= t->pending > 0;
	input = aibrix_trace_index(input_tokens);
	output = aibrix_trace_index(output_tokens);
	at = key_find(t, input, output);
	if (at < t->n && t->keys[at].input == input &&
	    t->keys[at].output == output) {
		t->keys[at].count++;
	} else if (t->n < t->max) {
		memmove(t->keys + at + 1, t->keys + at,
			(t->n - at) * sizeof(*t->keys));
		t->keys[at] = (struct key){input, output, 1};
		t->n++;
	}
	return AIBRIX_OK;
}

/* Text that counts on when it no longer fits. */
struct record {
	char *text;
	uint64_t n, cap;
};

static void
put(struct record *r, const char *text, uint32_t n)
{
	if (r->n + n <= r->cap)
		memcpy(r->text + r->n, text, n);
	r->n += n;
}

static void
put_member(struct record *r, const char *name, uint32_t n, uint64_t value)
{
	char number[NUMBER_TEXT];

	put(r, r->n ? ",\"" : "{\"", 2);
	put(r, name, n);
	put(r, "\":", 2);
	put(r, number, number_write(number, value));
}

static void
put_meta(struct record *r, const char *name, uint64_t value)
{
	put_member(r, name, (uint32_t)strlen(name), value);
}

int
aibrix_trace_write(aibrix_trace *trace, uint64_t queueing, char *text,
		   uint64_t cap, uint64_t *n)
{
	struct record r = {text, 0, cap};
	char key[KEY_TEXT];

	if (!trace || !n || (!text && cap > 0))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < trace->n; i++) {
		const struct key *k = &trace->keys[i];

		put_member(&r, key, key_write(key, k->input, k->output),
			   k->count);
	}
	put_meta(&r, "meta_interval_sec", INTERVAL_S);
	put_meta(&r, "meta_pending_reqs", trace->pending);
	put_meta(&r, "meta_precision", PRECISION);
	put_meta(&r, "meta_queueing_reqs", queueing);
	put_meta(&r, "meta_total_reqs", trace->total);
	put_meta(&r, "meta_v", VERSION);
	put(&r, "}", 1);
	*n = r.n;
	if (r.n > cap)
		return AIBRIX_E_SPACE;
	trace->n = 0;
	trace->total = 0;
	return AIBRIX_OK;
}
