/*
 * Names and values to a config, all of it or nothing.
 *
 *	pairs  ->  given[row], by name      names: known, once
 *	       ->  values of a local struct types, bounds
 *	       ->  texts measured           ~ and letters
 *	       ->  one block of memory: config, options, texts
 *
 * Nothing is allocated before all values have been read, so a fault costs
 * nothing and leaves nothing.  A value that is not given is read from the
 * row's text like any other: there is one path, and defaults are tested by it.
 *
 * An environment may hold passwords.  Faults carry numbers only, never a
 * byte of a value, and texts are wiped when a config is freed.
 */
#define _DEFAULT_SOURCE

#include "config/config_internal.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"

static const char prefix[] = "AIBRIX_KV_CACHE_OL_";

enum { GIB_MAX = 1 << 24 }; /* 16 PiB: sums of sizes stay far from 64 bits */

/* A value as it came. */
struct value {
	struct span text;
	uint32_t pair;
	int there;
};

struct reading {
	aibrix_config_opts opts;
	aibrix_config_fault *faults;
	uint32_t cap, n_faults;
	int compat;
	struct value given[CONFIG_ROWS];
	struct value older[CONFIG_ROWS];
	struct span text[CONFIG_ROWS]; /* of rows that are texts */
	aibrix_config values;
};

static void
fault_add(struct reading *r, uint32_t reason, uint32_t row, uint32_t pair)
{
	if (r->n_faults < r->cap)
		r->faults[r->n_faults] = (aibrix_config_fault){
			.status = aibrix__config_status(reason),
			.reason = reason,
			.row = row,
			.pair = pair};
	r->n_faults++;
}

static int
name_is(struct span name, const char *text)
{
	return text && strlen(text) == name.n &&
	       memcmp(text, name.at, name.n) == 0;
}

/* Where the value of that name goes; NULL: not a name of ours. */
static struct value *
value_find(struct reading *r, struct span name, uint32_t *row)
{
	for (uint32_t i = 0; i < CONFIG_ROWS; i++) {
		const struct row *known = &aibrix__config_rows[i];

		*row = i;
		if (name_is(name, known->name))
			return &r->given[i];
		if (name_is(name, known->older))
			return &r->older[i];
	}
	return NULL;
}

/* n becomes the length of text up to max, max + 1: more than that. */
static struct span
span_of(const char *text, size_t max)
{
	return (struct span){text, strnlen(text, max + 1)};
}

static void
pair_take(struct reading *r, uint32_t i)
{
	const aibrix_config_pair *pair = &r->opts.pairs[i];
	struct span name = span_of(pair->name, AIBRIX_CONFIG_TEXT_MAX);
	const char *value = pair->value;
	struct value *to;
	uint32_t row;

	if (!value) {
		const char *equals = memchr(name.at, '=', name.n);

		if (equals) {
			name.n = (size_t)(equals - name.at);
			value = equals + 1;
		}
	}
	to = value_find(r, name, &row);
	if (!to) {
		if (!r->compat && name.n >= sizeof(prefix) - 1 &&
		    memcmp(name.at, prefix, sizeof(prefix) - 1) == 0)
			fault_add(r, AIBRIX_CONFIG_UNKNOWN_NAME,
				  AIBRIX_CONFIG_NO_ROW, i);
		return;
	}
	if (!value) {
		fault_add(r, AIBRIX_CONFIG_NO_VALUE, row, i);
		return;
	}
	if (to->there) { /* getenv gives the first */
		if (!r->compat)
			fault_add(r, AIBRIX_CONFIG_TWICE, row, i);
		return;
	}
	*to = (struct value){span_of(value, AIBRIX_CONFIG_TEXT_MAX), i, 1};
}

static void
field_put(aibrix_config *c, size_t offset, const void *value, size_t bytes)
{
	memcpy((char *)c + offset, value, bytes);
}

static uint32_t
integer_read(struct reading *r, const struct row *row, struct span s)
{
	int64_t x;
	uint32_t reason = aibrix__config_integer(s, &x);

	if (reason)
		return reason;
	if ((!r->compat || (row->flags & ROW_ALWAYS)) &&
	    (x < row->min || x > row->max))
		return AIBRIX_CONFIG_RANGE;
	if ((row->flags & ROW_POWER) && x > 0 && (x & (x - 1)) != 0)
		return AIBRIX_CONFIG_NO_POWER;
	field_put(&r->values, row->offset, &x, sizeof(x));
	return 0;
}

static uint32_t
ratio_read(struct reading *r, const struct row *row, struct span s)
{
	double x;
	uint32_t reason = aibrix__config_number(s, &x);

	if (reason)
		return reason;
	if (!(x > 0 && x < 1))
		return AIBRIX_CONFIG_RANGE;
	field_put(&r->values, row->offset, &x, sizeof(x));
	return 0;
}

/* int(x * 2**30): the product is exact, so this cuts as AIBrix does. */
static uint32_t
gib_read(struct reading *r, const struct row *row, struct span s)
{
	double x;
	uint64_t bytes;
	uint32_t reason = aibrix__config_number(s, &x);

	if (reason)
		return reason;
	if (!(x >= 0 && x <= GIB_MAX))
		return AIBRIX_CONFIG_RANGE;
	bytes = (uint64_t)(x * 0x1p30);
	field_put(&r->values, row->offset, &bytes, sizeof(bytes));
	return 0;
}

/* "blocks" or "blocks,ratio".  AIBrix looks at no further part. */
static uint32_t
double_get_read(struct reading *r, const struct row *row, struct span s)
{
	const char *comma = memchr(s.at, ',', s.n), *more = NULL;
	struct span first = s, second = {NULL, 0};
	double ratio = 0; /* missing >= 0 * total: no second rule */
	uint32_t reason = 0;

	if (comma) {
		first.n = (size_t)(comma - s.at);
		second = (struct span){comma + 1, s.n - first.n - 1};
		more = memchr(second.at, ',', second.n);
	}
	if (more && !r->compat)
		return AIBRIX_CONFIG_TOO_MANY;
	if (more)
		second.n = (size_t)(more - second.at);
	if (comma)
		reason = aibrix__config_number(second, &ratio);
	if (reason)
		return reason;
	if (isnan(ratio)) /* nothing is as much as that */
		ratio = HUGE_VAL;
	if (!r->compat && !(ratio >= 0 && ratio <= 1))
		return AIBRIX_CONFIG_RANGE;
	reason = integer_read(r, row, first);
	if (!reason)
		r->values.double_get_ratio = ratio;
	return reason;
}

/* Parts that are not empty; they are joined when they are copied. */
static void
list_count(struct reading *r, struct span s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.at[i] != ',' && (i + 1 == s.n || s.at[i + 1] == ',');
	r->values.infinistore_device_count = n;
}

static uint32_t
value_read(struct reading *r, uint32_t i, struct span s)
{
	const struct row *row = &aibrix__config_rows[i];
	uint32_t x = 0, reason = 0;

	if (s.n > AIBRIX_CONFIG_TEXT_MAX)
		return AIBRIX_CONFIG_TOO_LONG;
	if (!(row->flags & ROW_KEEP_BLANKS))
		s = aibrix__config_strip(s);
	switch (row->kind) {
	case KIND_INTEGER: return integer_read(r, row, s);
	case KIND_RATIO: return ratio_read(r, row, s);
	case KIND_GIB: return gib_read(r, row, s);
	case KIND_DOUBLE_GET: return double_get_read(r, row, s);
	case KIND_BOOLEAN:
		reason = aibrix__config_boolean(s, r->compat, &x);
		break;
	case KIND_WORD:
		reason = aibrix__config_word(s, row, r->compat, &x);
		break;
	default:
		reason = r->compat ? 0 : aibrix__config_text(s, row);
		if (!reason)
			r->text[i] = s;
		if (!reason && row->kind == KIND_LIST)
			list_count(r, s);
		return reason;
	}
	if (!reason)
		field_put(&r->values, row->offset, &x, sizeof(x));
	return reason;
}

static void
row_read(struct reading *r, uint32_t i)
{
	const char *text = aibrix__config_rows[i].text;
	const struct value *v = &r->given[i];
	uint32_t reason;

	if (!v->there)
		v = &r->older[i];
	if (v->there) {
		reason = value_read(r, i, v->text);
		if (!reason)
			return;
		fault_add(r, reason, i, v->pair);
		r->given[i].there = r->older[i].there = 0;
	}
	reason = value_read(r, i, (struct span){text, strlen(text)});
	(void)reason; /* rows are ours */
}

/* The value of HOME without slashes at its end, as expanduser has it. */
static struct span
home_of(const struct reading *r)
{
	const size_t offset = offsetof(aibrix_config, home);
	struct span home = r->text[aibrix__config_row(offset)];

	while (home.n > 0 && home.at[home.n - 1] == '/')
		home.n--;
	return home;
}

/* "~" or "~/...", and a home is known. */
static int
path_is_home(const struct reading *r, struct span s)
{
	const size_t offset = offsetof(aibrix_config, home);

	return r->text[aibrix__config_row(offset)].n > 0 && s.n > 0 &&
	       s.at[0] == '~' && (s.n == 1 || s.at[1] == '/');
}

static char
byte_fold(char c, uint32_t flags)
{
	if ((flags & ROW_LOWER) && c >= 'A' && c <= 'Z')
		return (char)(c | 32);
	if ((flags & ROW_UPPER) && c >= 'a' && c <= 'z')
		return (char)(c & ~32);
	return c;
}

/* At most text_room bytes at out; how many. */
static size_t
text_write(const struct reading *r, uint32_t i, char *out)
{
	const struct row *row = &aibrix__config_rows[i];
	struct span s = r->text[i], home = {NULL, 0};
	size_t n = 0;

	if (row->kind == KIND_PATH && path_is_home(r, s)) {
		home = home_of(r);
		s.at++;
		s.n--;
		if (home.n + s.n == 0) /* ~ where HOME is / */
			home = (struct span){"/", 1};
	}
	for (size_t k = 0; k < home.n; k++)
		out[n++] = home.at[k];
	for (size_t k = 0; k < s.n; k++) {
		const int comma = row->kind == KIND_LIST && s.at[k] == ',';

		if (!comma || (n > 0 && out[n - 1] != ','))
			out[n++] = byte_fold(s.at[k], row->flags);
	}
	if (row->kind == KIND_LIST && n > 0 && out[n - 1] == ',')
		n--;
	out[n++] = '\0';
	return n;
}

static int
row_is_text(const struct row *row)
{
	return row->kind == KIND_TEXT || row->kind == KIND_PATH ||
	       row->kind == KIND_LIST;
}

static size_t
text_room(const struct reading *r)
{
	size_t room = 0;

	for (uint32_t i = 0; i < CONFIG_ROWS; i++)
		if (row_is_text(&aibrix__config_rows[i]))
			room += home_of(r).n + r->text[i].n + 2;
	return room;
}

static int
config_make(struct reading *r, const aibrix_allocator *alloc,
	    aibrix_config **out)
{
	const size_t room = text_room(r);
	struct config *c = aibrix__alloc(alloc, 1, sizeof(*c) + room);
	char *text;

	if (!c)
		return AIBRIX_E_NOMEM;
	text = (char *)(c + 1);
	r->values.size = sizeof(r->values);
	r->values.flags = r->opts.flags & AIBRIX_CONFIG_COMPAT;
	for (uint32_t i = 0; i < CONFIG_ROWS; i++) {
		const struct row *row = &aibrix__config_rows[i];

		c->given[i] = r->given[i].there || r->older[i].there;
		if (!row_is_text(row))
			continue;
		field_put(&r->values, row->offset, &text, sizeof(text));
		text += text_write(r, i, text);
	}
	c->pub = r->values;
	c->alloc = *alloc;
	c->text_bytes = room;
	*out = &c->pub;
	return AIBRIX_OK;
}

static int
reading_begin(struct reading *r, const aibrix_config_opts *opts,
	      aibrix_allocator *alloc)
{
	const uint32_t known = AIBRIX_CONFIG_COMPAT | AIBRIX_CONFIG_KEEP_GOING;
	int err = aibrix__struct_load(&r->opts, sizeof(r->opts), opts,
				      STRUCT_UPTO(aibrix_config_opts, alloc));

	if (!err)
		err = aibrix__allocator_load(alloc, r->opts.alloc);
	if (err)
		return err;
	if ((r->opts.flags & ~known) || r->opts.spare)
		return AIBRIX_E_ABI;
	if (r->opts.n_pairs && !r->opts.pairs)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < r->opts.n_pairs; i++)
		if (!r->opts.pairs[i].name)
			return AIBRIX_E_INVAL;
	r->compat = (r->opts.flags & AIBRIX_CONFIG_COMPAT) != 0;
	return AIBRIX_OK;
}

int
aibrix_config_new(const aibrix_config_opts *opts, aibrix_config_fault *faults,
		  uint32_t cap, uint32_t *n_faults, aibrix_config **out)
{
	struct reading r = {.faults = faults, .cap = faults ? cap : 0};
	aibrix_allocator alloc;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = reading_begin(&r, opts, &alloc);
	if (err)
		return err;
	for (uint32_t i = 0; i < r.opts.n_pairs; i++)
		pair_take(&r, i);
	for (uint32_t i = 0; i < CONFIG_ROWS; i++)
		row_read(&r, i);
	if (n_faults)
		*n_faults = r.n_faults;
	if (r.n_faults && !(r.opts.flags & AIBRIX_CONFIG_KEEP_GOING))
		return AIBRIX_E_INVAL;
	return config_make(&r, &alloc, out);
}

void
aibrix_config_free(aibrix_config *config)
{
	struct config *c = (struct config *)config;
	aibrix_allocator alloc;
	size_t bytes;

	if (!c)
		return;
	alloc = c->alloc;
	bytes = sizeof(*c) + c->text_bytes;
	explicit_bzero(c, bytes);
	aibrix__free(&alloc, c, 1, bytes);
}
